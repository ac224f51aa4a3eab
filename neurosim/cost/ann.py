"""What the SNN is compared with: the same topology without spikes, on the same cores and memories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import TypedDict

from neurosim.chip.chip import Chip
from neurosim.chip.memory import Kind
from neurosim.cost.action import COMPUTE, MOVEMENT, PURPOSES, STATIC, Action, by_part_J, priced
from neurosim.cost.energy import BETWEEN, MACS, MESH, PACKETS, REGISTERS, UPDATES, access, control, leakage, operation
from neurosim.mapping.brick import Brick, projections, reach, readers
from neurosim.mapping.demand import pixel_bits
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.spill import spills
from neurosim.mapping.storage import kernel_bits
from neurosim.network.layers import INPUT, POOL, Layer
from neurosim.schema import Real

# From the dearest to the cheapest; the second is the one that is named alone.
REUSES = ("none", "rows", "perfect")
STATED = "rows"
ACTIVATION_BITS = 8
# What the network does for one image, and what `ann` finds, for every reuse.
Dense = dict[str, tuple[Action, ...]]
Reuses = dict[str, dict[str, Any]]
# A number for every reuse.
if TYPE_CHECKING:
    ByReuse = dict[str, float]
    Factors = dict[str, float | None]
else:
    ByReuse = TypedDict("ByReuse", dict.fromkeys(REUSES, Real))
    Factors = TypedDict("Factors", dict.fromkeys(REUSES, Real | None))
ANN_ASSUMES = (
    "weights of the same width in the same memories, always stored as shared kernels; 8-bit activations and partial sums of"
    " the state width in the memory for state, side by side or each in a word of its own as the memory's layout says; every "
    "activation sent once to each core that needs it, pooled first; the image read once; layers one after the other. Reuse "
    "'none': weights, activations and partial sums fetched anew for every output site, a row of channels at a time; 'rows': a "
    "weight serves a row of output sites, an activation the width of the kernel, partial sums stay in registers; 'perfect': "
    "everything moves once. Weights that live behind the memory of a core come once per image, whatever the reuse. Not "
    "counted: table look-ups, identity shortcuts, waiting, the room that activations need and their writing on arrival"
)


def ann(mapping: Mapping, images: int) -> dict[str, Any]:
    """Energy of *images* inferences of the same topology without spikes: with the stated reuse, and the bracket around it."""
    return told(dense(mapping, images), images)


def dense(mapping: Mapping, images: int) -> Dense:
    """What one of *images* inferences does, for every reuse."""
    return {reuse: priced(actions(mapping, reuse, images), mapping.chip) for reuse in REUSES}


def told(done: Dense, images: int) -> dict[str, Any]:
    """What *images* inferences that do this cost."""
    found = {reuse: _energies(actions, images) for reuse, actions in done.items()}
    macs = next(action.times for action in done[STATED] if action.name == "mac") * images
    return {"macs": macs, **found[STATED], "assumes": ANN_ASSUMES, "dataflow": STATED, "reuse": found}


def _energies(done: tuple[Action, ...], images: int) -> dict[str, Any]:
    by_group = {
        f"{name}_J": sum(a.total_J for a in done if a.group == group) * images
        for name, group in (("compute", COMPUTE), ("data_movement", MOVEMENT), ("static", STATIC))
    }
    by_purpose = {purpose: sum(a.total_J for a in done if a.purpose == purpose) * images for purpose in PURPOSES}
    by_part = {part: joules * images for part, joules in by_part_J(done).items()}
    return by_group | {"total_J": sum(by_group.values()), "by_purpose_J": by_purpose, "by_part_J": by_part}


def actions(mapping: Mapping, reuse: str, images: int) -> Iterator[Action]:
    """What one of *images* makes every core do."""
    chip, bricks = mapping.chip, [(mapping.network.layers[brick.layer], brick) for brick in mapping.bricks]
    fetched = np.array([_weight_words(mapping, layer, brick, reuse) for layer, brick in bricks])
    activations = np.array([_activations(mapping, layer, brick, reuse) for layer, brick in bricks])
    sums = np.array([_partial_sum_words(mapping, layer, brick, reuse) for layer, brick in bricks])
    macs = np.array([layer.ann_macs // layer.neurons * brick.neurons for layer, brick in bricks])
    yield operation("mac", MACS, macs)
    if reuse != "none":
        yield operation("partial_sum", REGISTERS, macs)
    yield operation("compare", UPDATES, np.array([brick.neurons for _, brick in bricks]))
    yield from _accesses(chip, "weights", fetched, 0 * fetched)
    yield from _accesses(chip, "state", activations + sums, sums)
    yield access(chip.home("input"), "input", "read", _image_words(mapping))
    kernels = [kernel_bits(layer, brick.channels) for layer, brick in bricks]
    for spill in spills(chip, mapping.home, mapping.items, kernels):
        # Once per image what does not stay; an image is one step.
        read, written = (spill.words(memory, images, 1) / images for memory in (spill.back, spill.front))
        yield access(spill.back, "weights", "read", read)
        yield access(spill.front, "weights", "write", written)
    yield from _traffic(mapping)
    busy = np.array([_busy(mapping, brick) for brick in mapping.bricks])
    yield from control(chip, busy)
    yield from leakage(mapping, _cycles(mapping, busy))


def _accesses(chip: Chip, kind: Kind, reads: np.ndarray, writes: np.ndarray) -> Iterator[Action]:
    for memory, read, written in chip.accesses(kind, reads, writes):
        yield access(memory, kind, "read", read)
        if written.any():
            yield access(memory, kind, "write", written)


def _image_words(mapping: Mapping) -> np.ndarray:
    """The words of one image, in equal parts over the cores that read it."""
    network = mapping.network
    words = mapping.chip.home("input").words(int(np.prod(network.input.shape)) * pixel_bits(network))
    reads = np.array([INPUT in network.layers[brick.layer].sources for brick in mapping.bricks])
    found: np.ndarray = words * reads / reads.sum()
    return found


def _weight_words(mapping: Mapping, layer: Layer, brick: Brick, reuse: str) -> int:
    home, bits = mapping.chip.home("weights"), layer.weight_bits or 8
    if reuse == "perfect":
        return home.words(kernel_bits(layer, brick.channels))
    sites = brick.sites if reuse == "none" else brick.y1 - brick.y0
    return sites * layer.fan_in * home.words(brick.channels * bits)


def _activations(mapping: Mapping, layer: Layer, brick: Brick, reuse: str) -> int:
    """Words read."""
    fetched, state = 0, mapping.chip.home("state")
    for source, shortcut in projections(mapping.network, layer):
        reached = reach(mapping.network, layer, source, shortcut, brick)
        rows = np.count_nonzero(reached.y) if reuse == "perfect" else reached.y.sum()
        columns = reached.x.sum() if reuse == "none" else np.count_nonzero(reached.x)
        fetched += state.row_words(mapping.network.shape_of(source)[0], ACTIVATION_BITS) * int(rows) * int(columns)
    return fetched


def _partial_sum_words(mapping: Mapping, layer: Layer, brick: Brick, reuse: str) -> int:
    """Words written, and as many read."""
    once = brick.sites * mapping.chip.home("state").row_words(brick.channels, mapping.chip.core.state_bits)
    return once * layer.fan_in if reuse == "none" else once


def _traffic(mapping: Mapping) -> Iterator[Action]:
    """Activations on their way to the cores that need them."""
    network, flits = mapping.network, mapping.chip.mesh.flits_per_packet
    packets, events, hops_x, hops_y, crossings = np.zeros((5, len(mapping.bricks)))
    reading = readers(network)
    for source in mapping.fanouts.values():
        if source.source == INPUT:
            continue
        pools = [(shortcut or network.layers[layer]).pool for layer, shortcut in reading[source.source]]
        sent = source.groups @ source.neurons / (POOL * POOL if pools and all(pools) else 1)
        source.packets.add_to(packets, sent)
        source.events.add_to(events, sent)
        for total, crossed in ((hops_x, source.hops_x), (hops_y, source.hops_y), (crossings, source.crossings)):
            crossed.add_to(total, sent * flits)
    found = (("packet", PACKETS, packets), ("event", PACKETS, events), ("hop_x", MESH, hops_x), ("hop_y", MESH, hops_y))
    for name, what, count in found:
        yield operation(name, what, count)
    if mapping.chip.board:
        yield Action("crossing", *BETWEEN, crossings, "board.pj")


def _busy(mapping: Mapping, brick: Brick) -> int:
    """Cycles that a core works on its part of a layer."""
    core, cost = mapping.chip.core, mapping.chip.operation
    rows = brick.sites * mapping.network.layers[brick.layer].fan_in * -(-brick.channels // core.lanes)
    return rows * cost.mac.cycles + -(-brick.neurons // core.update_lanes) * cost.update_active.cycles


def _cycles(mapping: Mapping, busy: np.ndarray) -> int:
    """Of one image: the slowest core of every layer, then the barrier. busy: int64 [bricks]."""
    slowest = np.zeros(len(mapping.network.layers), np.int64)
    np.maximum.at(slowest, mapping.layer_of, busy)
    return int(slowest.sum()) + len(slowest) * mapping.chip.operation.barrier.cycles
