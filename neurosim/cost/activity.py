"""Activity: how often everything happened, as integers, per step and per brick. No price is known here.

No loop walks over synapses: spikes are counted per column (segment of channels, site), and one sparse product turns them
into packets, another into weight rows. A core-by-core, synapse-by-synapse twin in the tests holds these counts to the unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from neurosim.bits import unpacked
from neurosim.kernels.histogram import count_columns, count_windows, note_sites
from neurosim.mapping.brick import landing_places, reach, taken, window_sites
from neurosim.mapping.demand import has_current, numbers, pixel_bits
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.routes import Fanout
from neurosim.network.checks import signed_bits
from neurosim.network.inputs import slices
from neurosim.network.layers import INPUT, Axes, KernelAxis, Layer, after, pool_axes
from neurosim.network.neuron import PARAMETERS
from neurosim.spikes.synapses import pool_windows
from neurosim.spikes.trace import Ragged, SpikeTrace

# Bytes of the largest array of column counts of one slice of images.
SLICE_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class Activity:
    """Counts per (image, step) and brick, int64 [N * T, bricks].

    spikes: firings. packets: sent. hops_x, hops_y: flits x links crossed, crossings: those between chips, booked to the sender.
    events: packets received, those of bricks that share a core in the books of the first that it is for; look_ups: of axons, by
    every brick that it is for. input_arrivals: events that came from outside; input_events: spikes fed from outside, each
    booked once, to the first brick it arrives at. synaptic_events: (spike, synapse) pairs. weight_words: words of weights
    fetched for them; accumulates: additions that they cause; state_words: words of the state, each read and written, that hold
    what they are added to, and, where currents are pooled, what of it the windows of visited neurons hold; register_adds: those
    of the accumulates that add to potentials in registers of the lanes; where a core sums pooling windows first, pool_adds:
    additions to those sums, pool_macs: sums multiplied with a weight; payload_macs: values that events carry, likewise, instead
    of accumulates. active, idle: visited neurons that were, were not touched; visit_words: words of the state that hold one
    number of all that were visited.
    analog_rows, macs: rows and multiply-accumulates of image-fed layers; current_adds: stored currents re-added, biases among
    them; current_writes: currents stored. clears: numbers of the state set to zero before an image; readouts: output potentials
    read after it. leaks: leak multiplies. clips: potentials clipped to the state width. input_words: words of the input memory.
    image_cycles, update_cycles: that the core works on the image and on visits; waiting_cycles: those of them in which it waits
    for a memory.
    """

    spikes: np.ndarray
    packets: np.ndarray
    hops_x: np.ndarray
    hops_y: np.ndarray
    crossings: np.ndarray
    events: np.ndarray
    look_ups: np.ndarray
    input_arrivals: np.ndarray
    input_events: np.ndarray
    synaptic_events: np.ndarray
    weight_words: np.ndarray
    state_words: np.ndarray
    accumulates: np.ndarray
    register_adds: np.ndarray
    pool_adds: np.ndarray
    pool_macs: np.ndarray
    payload_macs: np.ndarray
    active: np.ndarray
    idle: np.ndarray
    visit_words: np.ndarray
    analog_rows: np.ndarray
    macs: np.ndarray
    current_adds: np.ndarray
    current_writes: np.ndarray
    clears: np.ndarray
    readouts: np.ndarray
    leaks: np.ndarray
    clips: np.ndarray
    input_words: np.ndarray
    image_cycles: np.ndarray
    update_cycles: np.ndarray
    waiting_cycles: np.ndarray

    @property
    def counts(self) -> dict[str, np.ndarray]:
        """The counts per brick, by name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS = tuple(f.name for f in fields(Activity))


def slice_images(mapping: Mapping) -> int:
    """Images whose activity fits comfortably in memory at once."""
    widest = max((f.segments * f.sites for f in mapping.fanouts.values()), default=1)
    recorded = sum(layer.neurons for layer in mapping.network.layers) // 8
    per_step = 8 * max(widest, len(COUNTS) * len(mapping.bricks)) + recorded
    return max(1, SLICE_BYTES // (per_step * mapping.network.timesteps))


def activity(trace: SpikeTrace, mapping: Mapping, first: int = 0, last: int | None = None) -> Activity:
    """The counts of images *first* to *last* of *trace* on the cores of *mapping*.

    The trace must belong to the mapping (`trace_problems`).
    """
    return _Counter(trace.part(first, len(trace) if last is None else last), mapping).count()


def trace_problems(trace: SpikeTrace, mapping: Mapping) -> list[str]:
    """Why the trace is not what the mapped network does on the mapped chip; empty if it is."""
    problems = []
    if trace.network.sha256 != mapping.network.sha256:
        problems.append(f"it belongs to another network ({trace.network.name!r}, not {mapping.network.name!r})")
    bits = mapping.chip.core.state_bits
    if trace.network.integer and bits != trace.state_bits:
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        peaks = {n: (layer.peak[:, 0].min(), layer.peak[:, 1].max()) for n, layer in trace.layers.items()}
        clipped = [n for n, layer in trace.layers.items() if len(layer.clipped.item)]
        beyond = [n for n, (lowest, highest) in peaks.items() if lowest < low or highest > high]
        for name in sorted({*clipped, *beyond}):
            lowest, highest = peaks[name]
            problems.append(
                f"layer {name!r} has potentials from {lowest:.0f} to {highest:.0f} and was recorded with {trace.state_bits} "
                f"state bits; chip {mapping.chip.name!r} has {bits}, which changes the spikes: record the trace with {bits}"
            )
    return [*problems, *_payload_problems(trace, mapping)]


def _payload_problems(trace: SpikeTrace, mapping: Mapping) -> Iterator[str]:
    """Values that are wider than packets have room for."""
    limit, chip = mapping.chip.mesh.payload_bits, mapping.chip.name
    for name in (INPUT, *trace.layers) if trace.network.integer else ():
        payload = trace.payload_of(name)
        bits = 0 if payload is None else payload_bits(payload)
        if bits > limit:
            where = "events of the input" if name == INPUT else f"spikes of layer {name!r}"
            yield f"{where} carry values of {bits} bits; chip {chip!r} has mesh.payload_bits = {limit}, which needs {bits}"


def payload_bits(payload: Ragged) -> int:
    """Bits of the widest integer, without a sign where none is negative."""
    spans = [(int(part.min()), int(part.max())) for part in slices(payload.item) if len(part)]
    low, high = min((a for a, _ in spans), default=0), max((b for _, b in spans), default=0)
    return signed_bits(low, high) - (low >= 0)


def _span(outputs: np.ndarray, axis: KernelAxis, size: int) -> int:
    """Coordinates of an axis of this *size* from the first to the last that these *outputs* of a pool hold."""
    # A kernel with holes can miss the map.
    if not len(outputs):
        return 0
    first, last = (int(outputs[end]) * axis.stride - axis.padding for end in (0, -1))
    return min(last + axis.kernel, size) - max(first, 0)


class _Counter:
    """Counts a slice of a trace."""

    def __init__(self, trace: SpikeTrace, mapping: Mapping):
        self.trace, self.mapping = trace, mapping
        self.network, self.chip = mapping.network, mapping.chip
        self.steps = trace.timesteps
        self.rows = len(trace) * self.steps
        self.bricks = len(mapping.bricks)
        self.neurons = np.array([b.neurons for b in mapping.bricks])
        # Places that synapses reach; the words of what arrived there, read and cleared where it is pooled.
        self.places = np.array([landing_places(mapping.network.layers[b.layer], b) for b in mapping.bricks])
        self.window_words = np.zeros((self.rows, self.bricks), np.int64)
        self.row_words = [self.chip.home("state").row_words(b.channels, self.chip.core.state_bits) for b in mapping.bricks]
        self.found = {name: np.zeros((self.rows, self.bricks), np.int64) for name in COUNTS}

    def count(self) -> Activity:
        for source in self.mapping.fanouts.values():
            self._spikes(source)
        for index, layer in enumerate(self.network.layers):
            mine = np.flatnonzero(self.mapping.layer_of == index)
            fed = self.network.fed_by_image(layer)
            if fed:
                self._image(layer, mine)
            if has_current(layer, self.chip, fed):
                self._add("current_adds", np.ones(self.rows, bool), mine, self.places[mine])
            if layer.updated:
                self._updates(layer, mine)
            self._first_and_last(layer, mine)
            self._clips(layer, mine)
        self._cycles()
        self.found["state_words"] += self.window_words
        return Activity(**self.found)

    def _bits(self, bits: np.ndarray) -> np.ndarray:
        """[rows, bytes]."""
        return bits.reshape(self.rows, -1)

    def _spikes(self, source: Fanout) -> None:
        """Spikes, packets, flits, arrivals and work caused by one population."""
        bits = self._bits(self.trace.bits_of(source.source))
        spikes = np.zeros((self.rows, source.segments * source.sites), np.int64)
        count_columns(bits, source.segment, source.sites, spikes)
        by_group = source.groups @ spikes.T
        outside = source.source == INPUT
        for name in ("events", "input_arrivals") if outside else ("events",):
            source.events.add_to(self.found[name], by_group)
        source.look_ups.add_to(self.found["look_ups"], by_group)
        source.owner.add_to(self.found["input_events" if outside else "spikes"], spikes.T)
        if not outside:
            self._sent(source, by_group)
        columns: dict[tuple[Axes | None, bool], np.ndarray] = {(None, False): spikes}
        for work in source.work:
            kind = work.windows, work.sites
            if kind not in columns:
                columns[kind] = self._sites(source, bits) if work.windows is None else self._windows(source, bits, work.windows)
            if work.what in self.found:
                work.amount.add_to(self.found[work.what], columns[kind].T)

    def _sent(self, source: Fanout, by_group: np.ndarray) -> None:
        flits = self.chip.mesh.flits_per_packet
        source.packets.add_to(self.found["packets"], by_group)
        for name in ("hops_x", "hops_y", "crossings"):
            getattr(source, name).add_to(self.found[name], flits * by_group)

    def _windows(self, source: Fanout, bits: np.ndarray, moves: Axes) -> np.ndarray:
        """int64 [rows, columns of the pooled map]: windows that hold a spike."""
        windows = pool_windows(*source.shape[1:], moves)
        out = np.zeros((self.rows, source.segments * windows.many), np.int64)
        count_windows(bits, source.segment, *windows, out)
        return out

    def _sites(self, source: Fanout, bits: np.ndarray) -> np.ndarray:
        """int64 [rows, columns]: 1 at the first column of every sender and site with a spike."""
        out = np.zeros((self.rows, source.segments * source.sites), np.int64)
        note_sites(bits, source.segment, source.sites, source.lead, out)
        return out

    def _image(self, layer: Layer, mine: np.ndarray) -> None:
        """A dense engine multiplies every weight with every pixel, padding zeros included, as the papers count MACs."""
        stored, host = self.chip.policy.analog != "per_step", self.chip.policy.analog == "host"
        when = self._step(0) if stored else np.ones(self.rows, bool)
        fan_in = layer.weight[0].size * list(layer.inputs or ()).count(INPUT)
        sites = self.places[mine] // np.array([self.mapping.bricks[i].channels for i in mine])
        if not host:
            self._add("analog_rows", when, mine, sites * fan_in * self.mapping.image_rows.rows[mine])
            self._add("macs", when, mine, self.places[mine] * fan_in)
        fetched = np.array([self._current_words(i) if host else self._patch_words(layer, i) for i in mine])
        self._add("input_words", when, mine, fetched)
        if stored:
            self._add("current_writes", when, mine, self.places[mine])

    def _current_words(self, index: int) -> int:
        """Words of the input memory that hold the currents of a brick."""
        return self.chip.home("input").words(int(self.places[index]) * self.chip.core.state_bits)

    def _patch_words(self, layer: Layer, index: int) -> int:
        """Words of the input memory that hold the pixels a brick needs, fetched as one block."""
        brick = self.mapping.bricks[index]
        first, last = taken(self.network, layer, INPUT, None, brick)
        read, moves = reach(self.network, layer, INPUT, None, brick), pool_axes(layer.pool)
        sides = zip((read.rows, read.columns), moves, self.network.input.shape[1:], strict=True)
        pixels = (last - first) * math.prod(_span(each, axis, size) for each, axis, size in sides)
        return self.chip.home("input").words(pixels * pixel_bits(self.network))

    def _updates(self, layer: Layer, mine: np.ndarray) -> None:
        """Neurons visited for leak and compare, under the chip's policy."""
        recorded = self.trace.layers[layer.name]
        blocks = layer.shape[1] * layer.shape[2] * layer.blocks
        reached = unpacked(self._bits(recorded.reached), blocks).reshape(self.rows, *layer.shape[1:], layer.blocks)
        visited = self._visited_blocks if layer.blocks > 1 or after(layer) else self._visited_sites
        touched, words = visited(reached, recorded.lone, layer, mine)
        everybody = self.chip.policy.update == "all"
        for place, index in enumerate(mine):
            b = self.mapping.bricks[index]
            self.found["active"][:, index] = touched[:, place]
            self.found["visit_words"][:, index] = b.sites * self.row_words[index] if everybody else words[:, place]
            if everybody:
                self.found["idle"][:, index] = b.neurons - touched[:, place]
                self.window_words[:, index] = window_sites(layer, b).sum() * self.row_words[index]
        leaks = sum(row.of(layer) is not None for row in PARAMETERS.values() if row.form == "fraction")
        self.found["leaks"][:, mine] = leaks * (self.found["active"] + self.found["idle"])[:, mine]

    def _visited_sites(
        self, reached: np.ndarray, lone: Ragged, layer: Layer, mine: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """int64 [rows, bricks of the layer] each: neurons of the sites reached and *lone* ones, and words of the state with a
        number of any of them."""
        touched, words = self._listed(lone, layer, mine), self._lone_words(lone, layer, mine)
        for place, index in enumerate(mine):
            b = self.mapping.bricks[index]
            rows = reached[:, b.y0 : b.y1, b.x0 : b.x1, 0].sum((1, 2))
            touched[:, place] += rows * b.channels
            words[:, place] += rows * self.row_words[index]
        return touched, words

    def _visited_blocks(
        self, reached: np.ndarray, lone: Ragged, layer: Layer, mine: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The same where parts of the channels of a site may be reached: neuron by neuron, as some that are and some that are
        lone can share a word."""
        neurons = np.repeat(reached.transpose(0, 3, 1, 2), layer.shape[0] // layer.blocks, axis=1)
        neurons.reshape(self.rows, -1)[np.repeat(np.arange(self.rows), lone.counts), lone.item] = True
        state, bits = self.chip.home("state"), self.chip.core.state_bits
        found = np.zeros((2, self.rows, len(mine)), np.int64)
        for place, index in enumerate(mine):
            b = self.mapping.bricks[index]
            part = neurons[:, b.c0 : b.c1, b.y0 : b.y1, b.x0 : b.x1]
            words = np.logical_or.reduceat(part, np.arange(0, b.channels, state.neighbours(bits)), axis=1)
            found[:, :, place] = part.sum((1, 2, 3)), words.sum((1, 2, 3)) * state.words(bits)
            # Of a word of neurons every site of the window has one of what arrived.
            self.window_words[:, index] = (words.sum(1) * window_sites(layer, b)).sum((1, 2)) * state.words(bits)
        return found[0], found[1]

    def _first_and_last(self, layer: Layer, mine: np.ndarray) -> None:
        each = numbers(layer, self.chip, self.network.fed_by_image(layer))
        cleared = each.cleared * self.neurons[mine] + each.landing_cleared * self.places[mine]
        self._add("clears", self._step(0), mine, cleared)
        reads = self.network.decoding.reads
        if layer is self.network.output and reads != "never":
            when = np.ones(self.rows, bool) if reads == "every" else self._step(self.steps - 1)
            self._add("readouts", when, mine, self.neurons[mine])

    def _clips(self, layer: Layer, mine: np.ndarray) -> None:
        self.found["clips"][:, mine] = self._listed(self.trace.layers[layer.name].clipped, layer, mine)

    def _cycles(self) -> None:
        """Those of the core's own work: sums and memories work at the same time."""
        found, chip, mapping = self.found, self.chip, self.mapping
        core, cost, image = chip.core, chip.operation, mapping.image_rows
        elements = found["analog_rows"] // image.rows
        multiply = elements * image.rounds * cost.mac.cycles
        fetched = chip.memory_cycles({"weights": (elements * image.words, 0 * elements)})
        visit = (
            -(-found["active"] // core.update_lanes) * cost.update_active.cycles
            + -(-found["idle"] // core.update_lanes) * cost.update_idle.cycles
        )
        visited, each = found["visit_words"], mapping.numbers
        read = visited * each.read + self.window_words + mapping.state_words(found["current_adds"])
        touched = chip.memory_cycles({"state": (read, visited * each.written + self.window_words)})
        found["image_cycles"], found["update_cycles"] = np.maximum(multiply, fetched), np.maximum(visit, touched)
        found["waiting_cycles"] = found["image_cycles"] - multiply + found["update_cycles"] - visit

    def _listed(self, lists: Ragged, layer: Layer, mine: np.ndarray) -> np.ndarray:
        """int64 [rows, bricks of the layer]: how many listed neurons live in each brick."""
        row = np.repeat(np.arange(self.rows), lists.counts)
        home = np.empty(layer.shape, np.int64)
        for place, index in enumerate(mine):
            b = self.mapping.bricks[index]
            home[b.c0 : b.c1, b.y0 : b.y1, b.x0 : b.x1] = place
        flat = row * len(mine) + home.ravel()[lists.item]
        return np.bincount(flat, minlength=self.rows * len(mine)).reshape(self.rows, len(mine))

    def _lone_words(self, lone: Ragged, layer: Layer, mine: np.ndarray) -> np.ndarray:
        """int64 [rows, bricks of the layer]: words of the state that hold a number of the listed neurons."""
        state, bits = self.chip.home("state"), self.chip.core.state_bits
        together = state.neighbours(bits)
        if together > 1:
            lone = self._firsts(lone, layer, mine, together)
        return self._listed(lone, layer, mine) * state.words(bits)

    def _firsts(self, lone: Ragged, layer: Layer, mine: np.ndarray, together: int) -> Ragged:
        """Of the listed neurons those that share a word with none before them, *together* channels of a site to a word."""
        number = np.arange(layer.neurons).reshape(layer.shape)
        word = np.empty_like(number)
        for b in (self.mapping.bricks[index] for index in mine):
            part = slice(b.c0, b.c1), slice(b.y0, b.y1), slice(b.x0, b.x1)
            first = np.arange(b.channels) // together * together
            word[part] = number[part][first]
        row = np.repeat(np.arange(self.rows), lone.counts)
        found = np.unique(row * layer.neurons + word.ravel()[lone.item])
        row, neuron = np.divmod(found, layer.neurons)
        return Ragged(np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.rows))]), neuron)

    def _step(self, step: int) -> np.ndarray:
        """bool [rows]: True at this step of every image."""
        found: np.ndarray = np.arange(self.rows) % self.steps == step
        return found

    def _add(self, name: str, when: np.ndarray, mine: np.ndarray, amount: np.ndarray) -> None:
        self.found[name][np.ix_(when, mine)] += amount
