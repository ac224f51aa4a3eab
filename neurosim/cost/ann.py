"""What the SNN is compared with: the same topology without spikes, on the same cores and memories or a machine of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from typing_extensions import TypedDict

from neurosim.chip.chip import Chip
from neurosim.chip.memory import Kind
from neurosim.cost.action import Action, priced
from neurosim.cost.arrivals import Sent, needed, traffic
from neurosim.cost.dataflow import REUSES, Dataflow
from neurosim.cost.energy import (
    ACCUMULATES,
    BARRIERS,
    BETWEEN,
    MACS,
    MESH,
    PACKETS,
    REGISTERS,
    UPDATES,
    access,
    control,
    leakage,
    operation,
    shared,
)
from neurosim.cost.spikeless import Spikeless
from neurosim.mapping.brick import landing_sites
from neurosim.mapping.demand import joined, pixel_bits
from neurosim.mapping.spill import spills
from neurosim.network.layers import INPUT
from neurosim.schema import Real

# What the network does for one image, for every reuse.
Dense = dict[str, tuple[Action, ...]]
# An integer, or many: int64.
Values = TypeVar("Values", int, np.ndarray)
# A number for every reuse.
if TYPE_CHECKING:
    ByReuse = dict[str, float]
    Factors = dict[str, float | None]
else:
    ByReuse = TypedDict("ByReuse", dict.fromkeys(REUSES, Real))
    Factors = TypedDict("Factors", dict.fromkeys(REUSES, Real | None))
ANN_ASSUMES = (
    "weights in the memory for weights, always stored as shared kernels; activations, and partial sums of the state width, "
    "in the memory for state, side by side or each in a word of its own as the memory's layout says; every activation sent "
    "once to each core that needs it, pooled first, in a packet that is longer than that of a spike by the bits of the "
    "activation, through its tables and queue, and written there; the image read once by each core that needs it; layers "
    "one after the other. Reuse 'none': weights, activations and partial sums fetched anew for every output site, a row of "
    "channels at a time; 'rows': a weight serves a row of output sites, or as many as an array works on at once "
    "(core.ann_sites), an activation the width of the kernel, partial sums stay in registers; 'perfect': everything moves "
    "once. Weights that live behind the memory of a core come once per image, whatever the reuse. Of multiply-accumulates "
    "with an activation of zero, multiplication and partial sum are not done; all is fetched all the same, and takes its "
    "time. Fewer bits make words fewer, not a multiply-accumulate cheaper. Not counted: additions and comparisons of pools, "
    "rescaling of sums to activations, waiting for packets"
)


class Inference:
    """One image in all cores."""

    def __init__(self, spikeless: Spikeless):
        self.spikeless, self.mapping = spikeless, spikeless.mapping
        self.flows = [Dataflow(spikeless, brick) for brick in self.mapping.bricks]
        self.came = list(needed(self.mapping))
        self.sent = traffic(self.mapping, self.mapping.chip.mesh.flits(spikeless.packet_bits))

    @property
    def macs(self) -> int:
        """Multiply-accumulates, those with a zero activation included."""
        return sum(flow.macs for flow in self.flows)

    def dense(self, images: int) -> Dense:
        """What is done, for every reuse, at the prices of the chip; *images*: so many there are."""
        return {reuse: priced(self.actions(reuse, images), self.mapping.chip) for reuse in REUSES}

    def actions(self, reuse: str, images: int) -> Iterator[Action]:
        """What every core does; *images*: so many there are."""
        mapping, chip, flows = self.mapping, self.mapping.chip, self.flows
        done, added = (np.array([getattr(flow, name) for flow in flows]) for name in ("done_macs", "adds"))
        fetched, read = self.words[reuse]
        sums = np.array([flow.sum_words(reuse) for flow in flows])
        yield operation("mac", MACS, done)
        if added.any():
            yield operation("accumulate", ACCUMULATES, added)
        if reuse != "none":
            yield operation("partial_sum", REGISTERS, done + added)
        yield operation("compare", UPDATES, np.array([brick.neurons for brick in mapping.bricks]))
        yield from _accesses(chip, "weights", fetched, 0 * fetched)
        yield from _accesses(chip, "state", read + sums, self.written + sums)
        yield access(chip.home("input"), "input", "read", self.image_words)
        for spill in spills(chip, mapping.home, mapping.items, [flow.stored_bits for flow in flows]):
            # Once per image what does not stay; an image is one step.
            out, into = (spill.words(memory, images, 1) / images for memory in (spill.back, spill.front))
            yield access(spill.back, "weights", "read", out)
            yield access(spill.front, "weights", "write", into)
        yield from _sent(chip, self.sent, self.spikeless.packet_bits)
        yield operation("barrier", BARRIERS, shared(mapping, len(mapping.network.layers)))
        busy = self.busy(reuse)
        yield from control(chip, busy)
        yield from leakage(mapping, self.cycles(busy))

    @cached_property
    def words(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For every reuse, int64 [bricks] each: words of weights and of activations read."""

        def of(name: str, reuse: str) -> np.ndarray:
            return np.array([getattr(flow, name)(reuse) for flow in self.flows])

        return {reuse: (of("weight_words", reuse), of("activation_words", reuse)) for reuse in REUSES}

    @cached_property
    def written(self) -> np.ndarray:
        """int64 [bricks]: words of activations written when they arrive, in the books of the first brick of a core."""
        found, state = np.zeros(len(self.flows), np.int64), self.mapping.chip.home("state")
        for each in self.came:
            found[each.brick] += state.row_words(each.channels, self.spikeless.activation_bits).sum()
        return found

    @cached_property
    def image_words(self) -> np.ndarray:
        """int64 [bricks]: words of the image, fetched as one block by every core that needs a part of it."""
        found, home = np.zeros(len(self.flows), np.int64), self.mapping.chip.home("input")
        for each in self.came:
            if each.source == INPUT:
                found[each.brick] += home.words(each.block * pixel_bits(self.mapping.network))
        return found

    def busy(self, reuse: str) -> np.ndarray:
        """int64 [bricks]: cycles that a core works on its part of a layer: sums and memories at the same time, whatever is
        zero, and the look-up of every packet."""
        chip, (fetched, read) = self.mapping.chip, self.words[reuse]
        sums = np.array([flow.all_sum_words(reuse) for flow in self.flows])
        words: dict[Kind, tuple[np.ndarray, np.ndarray]]
        words = {"weights": (fetched, 0 * fetched), "state": (read + sums, self.written + sums)}
        worked = np.maximum(np.array([flow.cycles for flow in self.flows]), chip.memory_cycles(words))
        arrived = np.ceil(self.sent.events).astype(np.int64)
        found: np.ndarray = worked + arrived * chip.operation.event.cycles
        return found

    def cycles(self, busy: np.ndarray) -> int:
        """Of one image: the slowest core of every layer, then the barrier. busy: int64 [bricks]."""
        slowest = np.zeros(len(self.mapping.network.layers), np.int64)
        np.maximum.at(slowest, self.mapping.layer_of, busy)
        return int(slowest.sum()) + len(slowest) * self.mapping.chip.operation.barrier.cycles


def _accesses(chip: Chip, kind: Kind, reads: np.ndarray, writes: np.ndarray) -> Iterator[Action]:
    for memory, read, written in chip.accesses(kind, reads, writes):
        yield access(memory, kind, "read", read)
        if written.any():
            yield access(memory, kind, "write", written)


def _sent(chip: Chip, sent: Sent, bits: int) -> Iterator[Action]:
    """Packets of so many *bits*, their look-ups, and the words of the queue in which they wait."""
    found = (
        ("packet", PACKETS, sent.packets), ("event", PACKETS, sent.events), ("hop_x", MESH, sent.hops_x),
        ("hop_y", MESH, sent.hops_y),
    )  # fmt: skip
    for name, what, count in found:
        yield operation(name, what, count)
    if chip.board:
        yield Action("crossing", *BETWEEN, sent.crossings, "board.pj")
    axons = sent.look_ups * chip.home("axons").words(chip.core.axon_bits)
    routes = sent.packets * chip.home("routes").words(chip.core.route_bits)
    waiting = sent.events * chip.home("queue").words(bits)
    yield from _accesses(chip, "axons", axons, 0 * axons)
    yield from _accesses(chip, "routes", routes, 0 * routes)
    yield from _accesses(chip, "queue", waiting, waiting)


def room(spikeless: Spikeless) -> str:
    """Cores whose memory has no room for the activations that they need and the sums that they make, in words; nothing where
    all have it."""
    mapping, state = spikeless.mapping, spikeless.mapping.chip.home("state")
    numbers = mapping.chip.core.state_bits
    held = [landing_sites(mapping.network.layers[brick.layer], brick) for brick in mapping.bricks]
    rows = [_row_bits(spikeless, brick.channels, numbers) for brick in mapping.bricks]
    bits = np.array(held) * np.array(rows)
    for each in needed(mapping):
        bits[each.brick] += np.sum(_row_bits(spikeless, each.channels, spikeless.activation_bits))
    found = mapping.by_core(bits)
    short = np.flatnonzero(found > state.bits)
    if state.per != "core" or not len(short):
        return ""
    worst = int(short[np.argmax(found[short])])
    told = f"{len(short):,} of {len(found):,} cores of {mapping.chip.name} lack it in {state.name}"
    most = f"{found[worst]:,} bits are needed for {joined(mapping.network, mapping.held[worst])}, and {state.bits:,} are there"
    return f"room for activations and sums of the network without spikes: {told}; at most {most}"


def _row_bits(spikeless: Spikeless, values: Values, bits: int) -> Values:
    """Bits that rows of so many *values* take."""
    state = spikeless.mapping.chip.home("state")
    return values * bits if state.layout == "padded" else state.row_words(values, bits) * state.word_bits
