"""Function: from a network and inputs to a spike trace, event by event.

A layer runs through all steps of a batch before the next one starts: its weights stay in the cache, and only one population's
potentials are alive. Layers that feed back to each other take turns, step by step. The spikes are those of the order step by
step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from graphlib import TopologicalSorter
from itertools import islice, product
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from neurosim.bits import packed
from neurosim.errors import InputsError, NeurosimError
from neurosim.kernels import threads
from neurosim.kernels.layer import (
    Events,
    PopulationState,
    Synapses,
    Tape,
    add_pixels,
    pack,
    run_layer,
)
from neurosim.kernels.neurons import NeuronConstants
from neurosim.network.inputs import Inputs, check_inputs, pixels, slices
from neurosim.network.layers import INPUT, Layer
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS
from neurosim.spikes.executors import brought
from neurosim.spikes.population import by_site, new_state, new_tape, population
from neurosim.spikes.synapses import feeds
from neurosim.spikes.trace import LayerTrace, Ragged, SpikeTrace

Sources = tuple[tuple[Synapses, Events], ...]
# The first sample, and the one after the last.
Span = tuple[int, int]
STATE_BITS = 32
# Entries of the largest spike list of a batch: 256 MB of address space, of which only what is used becomes memory.
BATCH_ENTRIES = 2**25
BATCH_IMAGES = 16
# Compiling the kernel for four sources takes as long as for two.
SOURCES_AT_ONCE = 4
# Batches that each thread has before it.
AHEAD = 4
# Of a task for an executor, and tasks that it has before it.
SLICE_IMAGES = 64
SLICES_AHEAD = 64


def simulate(
    network: Network,
    inputs: Inputs,
    *,
    state_bits: int = STATE_BITS,
    workers: int | None = None,
    executor: Executor | None = None,
    record_potentials: bool = False,
    record_changes: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SpikeTrace:
    """Run *network* on all *inputs*.

    *state_bits* (2 to 32) is the width of a potential; what exceeds it is clipped after each step's accumulation, and noted.
    *workers* threads, without it as many as this process may use cores, share the images, or the workers of *executor*
    (PEP 3148), slice by slice; the spikes are the same for any number of them. *record_potentials* keeps every potential (4 or
    8 bytes per neuron, step and image), *record_changes* how many of them changed in each step; the former includes the latter.
    *progress* is called with the number of images done.
    Raises InputsError if the inputs do not suit the network.
    """
    parts = []
    for part in simulated(
        network, inputs, state_bits=state_bits, workers=workers, executor=executor, record_potentials=record_potentials,
        record_changes=record_changes,
    ):
        parts.append(part)
        if progress:
            progress(len(part))
    return SpikeTrace.joined(parts)


def simulated(
    network: Network,
    inputs: Inputs,
    *,
    state_bits: int = STATE_BITS,
    workers: int | None = None,
    executor: Executor | None = None,
    record_potentials: bool = False,
    record_changes: bool = False,
    spans: Sequence[Span] | None = None,
) -> Iterator[SpikeTrace]:
    """The traces of slices of *inputs*, one after the other; what is not taken yet is at most as much as the workers are busy
    with. *spans*: the samples that are simulated, all without; each slice lies in one of them. See `simulate`."""
    check_inputs(network, inputs)
    network = network.over(inputs.steps, inputs.frames is not None)
    if not 2 <= state_bits <= STATE_BITS:
        raise NeurosimError(f"state_bits is {state_bits}; it must lie in 2..{STATE_BITS}")
    how = _How(state_bits, record_potentials, record_changes, _largest_pixel(network, inputs))
    told = [(0, len(inputs))] if spans is None else spans
    if executor is None:
        return _shared(network, inputs, how, workers, told)
    return _sliced(executor, network, inputs, how, told)


class _How(NamedTuple):
    """What is simulated and recorded; largest_pixel: of all inputs."""

    state_bits: int
    record_potentials: bool
    record_changes: bool
    largest_pixel: float


def _largest_pixel(network: Network, inputs: Inputs) -> float:
    if inputs.images is None:
        return 1.0 if inputs.frames is None else float(np.abs(inputs.frames).max())
    return max(float(np.abs(pixels(network, part)).max()) for part in slices(inputs.images))


def _shared(network: Network, inputs: Inputs, how: _How, workers: int | None, spans: Sequence[Span]) -> Iterator[SpikeTrace]:
    """By threads."""
    feeds(network)
    sharing = workers or threads.usable()
    with ThreadPoolExecutor(sharing) as pool:
        batches = _cut(inputs, spans, _batch_images(network, inputs, sharing))
        yield from _in_order((pool.submit(_Batch(network, batch, how).run) for batch in batches), AHEAD * sharing)


def _sliced(
    executor: Executor, network: Network, inputs: Inputs, how: _How, spans: Sequence[Span]
) -> Iterator[SpikeTrace]:  # fmt: skip
    """By the workers of *executor*."""
    needed = brought(executor, network.sha256, lambda: replace(network, golden=None, float_twin=None))
    parts = _cut(inputs, spans, SLICE_IMAGES)
    for part in _in_order((executor.submit(_slice, needed, part, how) for part in parts), SLICES_AHEAD):
        yield replace(part, network=network)


def _slice(network: Network, inputs: Inputs, how: _How) -> SpikeTrace:
    return SpikeTrace.joined(list(_shared(network, inputs, how, None, [(0, len(inputs))])))


def _in_order(futures: Iterator[Future[SpikeTrace]], ahead: int) -> Iterator[SpikeTrace]:
    """What comes of *futures*, of which no more than *ahead* are asked for before they are needed."""
    waiting = deque(islice(futures, ahead))
    try:
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(islice(futures, 1))
    finally:
        for future in waiting:
            future.cancel()


def _batch_images(network: Network, inputs: Inputs, workers: int) -> int:
    entries = max(layer.neurons for layer in network.layers) * network.timesteps
    return int(np.clip(BATCH_ENTRIES // entries, 1, min(BATCH_IMAGES, -(-len(inputs) // workers))))


def _cut(inputs: Inputs, spans: Sequence[Span], size: int) -> Iterator[Inputs]:
    """The samples of *spans*, at most *size* at once."""
    for start, end in spans:
        for first in range(start, end, size):
            yield inputs[first : min(first + size, end)]


class _Batch:
    """One batch of images on its way through the layers."""

    def __init__(self, network: Network, inputs: Inputs, how: _How):
        self.network = network
        self.feeds = feeds(network)
        self.inputs = inputs
        self.rows = len(inputs) * network.timesteps
        self.how = how
        self.record_changes = how.record_changes or how.record_potentials
        self.events: dict[str, Events] = {}
        self.read = np.empty(0)  # the potentials of the last layer at the steps at which they are read [N, steps, neurons]

    def run(self) -> SpikeTrace:
        input_bits = None
        nothing = np.empty(0, np.int32)
        self.events[INPUT] = Events(np.zeros(self.rows + 1, np.int64), nothing, nothing)
        payload = None
        if self.inputs.by_step is not None:
            flat = self.inputs.by_step.reshape(*self.inputs.by_step.shape[:2], -1)
            input_bits = packed(flat != 0)
            self.events[INPUT] = events_of(self.network, INPUT, flat)
            payload = None if self.inputs.frames is None else Ragged(self.events[INPUT].start, carried(flat[flat != 0]))
        found: dict[str, LayerTrace] = {}
        for loop in loops(self.network):
            found |= {loop[0].name: self.run_layer(loop[0])} if len(loop) == 1 else self._run_loop(loop)
        layers = {layer.name: found[layer.name] for layer in self.network.layers}
        outputs = self._outputs(layers[self.network.output.name])
        return SpikeTrace(
            network=self.network, layers=layers, outputs=outputs, labels=self.inputs.labels, state_bits=self.how.state_bits,
            inputs_name=self.inputs.name, input_bits=input_bits, images=self.inputs.images, input_payload=payload,
        )  # fmt: skip

    def run_layer(self, layer: Layer) -> LayerTrace:
        images, steps = len(self.inputs), self.network.timesteps
        dtype = self._state_dtype(layer)
        tape = self._tape(layer, dtype)
        run_layer(*self._made(layer, dtype), (0, images), steps, (0, steps), tape)
        return self._written(layer, tape)

    def _run_loop(self, loop: list[Layer]) -> dict[str, LayerTrace]:
        """Layers that feed back to each other, step by step."""
        dtypes = [self._state_dtype(layer) for layer in loop]
        tapes = [self._tape(layer, dtype) for layer, dtype in zip(loop, dtypes, strict=True)]
        made = [self._made(layer, dtype) for layer, dtype in zip(loop, dtypes, strict=True)]
        steps = self.network.timesteps
        for image, step in product(range(len(self.inputs)), range(steps)):
            for about, tape in zip(made, tapes, strict=True):
                run_layer(*about, (image, image + 1), steps, (step, step + 1), tape)
        return {layer.name: self._written(layer, tape) for layer, tape in zip(loop, tapes, strict=True)}

    def _made(self, layer: Layer, dtype: type[np.generic]) -> tuple[NeuronConstants, PopulationState, Sources, np.ndarray]:
        """What the kernels run."""
        events = _alike([self.events[name] for name in layer.sources], self.network.integer)
        sources = self._filled_up(tuple(zip(self.feeds[layer.name].synapses, events, strict=True)))
        constants, currents = population(self.network, layer, self.how.state_bits), self._currents(layer, dtype)
        empty = new_state(layer, constants, [s for s, _ in sources], dtype, events[0].value is not None)
        return constants, empty, sources, currents

    def _filled_up(self, sources: Sources) -> Sources:
        """Sources that are silent make several a multiple of four: the kernel is compiled for each number of them."""
        if len(sources) == 1:
            return sources
        nothing = np.empty(0, np.int32)
        value = sources[0][1].value
        empty = Events(np.zeros(self.rows + 1, np.int64), nothing, nothing, value if value is None else value[:0])
        silent = sources[0][0], empty
        return sources + (silent,) * (-len(sources) % SOURCES_AT_ONCE)

    def _tape(self, layer: Layer, dtype: type[np.generic]) -> Tape:
        """An empty one; what is written on it are the events of the layers to come, and of the layer itself."""
        answers = layer is self.network.output and self.network.decoding.reads == "every"
        empty = new_tape(layer, len(self.inputs), self.network.timesteps, dtype, self.record_changes or answers)
        value = empty.value if layer.graded else None
        self.events.setdefault(layer.name, Events(empty.start, empty.channel, empty.site, value))
        return empty

    def _outputs(self, last: LayerTrace) -> np.ndarray:
        """[N, classes]: what the network answers."""
        layer, way = self.network.output, self.network.decoding
        if way.reads != "never":
            return way.outputs(self.read, np.empty(0))
        sent = last.sent(layer.neurons)
        return way.outputs(self.read, sent.sum(1, dtype=np.float32 if sent.dtype.kind == "f" else np.int64))

    def _state_dtype(self, layer: Layer) -> type[np.generic]:
        """int32 unless the sum of one image could leave it; then int64, clipped to the state width every step."""
        if not self.network.integer:
            return np.float32
        feed = self.feeds[layer.name]
        main, beside = (max(map(self._largest, names), default=1.0) for names in (layer.inputs or (), _beside(layer)))
        bound = (feed.largest_main * main + feed.largest_shortcut * beside) * self.network.timesteps
        if layer.current_leak is not None:
            bound *= self.network.timesteps
        # What sets a potential, and does not add to it.
        rows = [row for row in PARAMETERS.values() if row.read == "constants" and row.grid == "potential" and not row.required]
        bound += sum(float(np.abs(row.of(layer)).max()) for row in rows if row.of(layer) is not None)
        if bound >= 2**63:
            message = f"layer {layer.name!r} could reach potentials of {bound:.3g}, more than 64 bits hold: use smaller pixels"
            raise InputsError(self.inputs.name, [message])
        # What carries values seldom fits 32 bits: one kernel less to compile.
        return np.int32 if bound < 2**31 and not self._valued(layer) else np.int64

    def _valued(self, layer: Layer) -> bool:
        """Whether anything that reaches *layer* carries values."""
        known = [self.events[name].value is not None for name in layer.sources if name in self.events]
        return any(known) or any(self.network.layer(name).graded for name in layer.sources if name != INPUT)

    def _largest(self, source: str) -> float:
        """The largest value that an event of *source* carries: potentials are clipped to the width of the state."""
        if source == INPUT:
            return max(1.0, self.how.largest_pixel)
        layer = self.network.layer(source)
        return 2.0 ** (self.how.state_bits - 1) / float(np.min(layer.threshold)) if layer.graded else 1.0  # type: ignore[arg-type]

    def _currents(self, layer: Layer, dtype: type[np.generic]) -> np.ndarray:
        """[images, places of `Layer.landing`] that bias and image drive into the layer at every step, site by site."""
        fed = [s for name, s in zip(layer.sources, self.feeds[layer.name].synapses, strict=True) if name == INPUT]
        images = self.inputs.images
        if layer.bias is None and (not fed or images is None):
            return np.empty((len(self.inputs), 0), dtype)
        current = np.zeros((len(self.inputs), math.prod(layer.landing)), dtype)
        if layer.bias is not None:
            current += by_site(layer.bias, layer.landing)
        if images is not None:
            for synapses, (row, image) in product(fed, zip(current, pixels(self.network, images).astype(dtype), strict=True)):
                add_pixels(row, image, synapses)
        return current

    def _written(self, layer: Layer, tape: Tape) -> LayerTrace:
        """The tape in the order C, H, W; the spikes become the events of the layers to come."""
        images, steps = len(self.inputs), self.network.timesteps
        channels, sites = layer.shape[0], layer.shape[1] * layer.shape[2]
        n = tape.start[-1]
        events = Events(tape.start, tape.channel[:n], tape.site[:n], tape.value[:n].copy() if layer.graded else None)
        bits = np.zeros((images, steps, -(-layer.neurons // 8) if layer.spiking else 0), np.uint8)
        if layer.spiking:
            self.events[layer.name] = events._replace(channel=events.channel.copy(), site=events.site.copy())
            pack(events.start, events.channel, events.site, sites, bits.reshape(self.rows, -1))
        if layer is self.network.output:
            every = self.network.decoding.reads == "every"
            found = tape.potentials.reshape(images, steps, -1) if every else tape.final[:, None]
            self.read = found.reshape(images, -1, sites, channels).swapaxes(2, 3).reshape(*found.shape)

        def ragged(start: np.ndarray, neuron: np.ndarray) -> Ragged:
            site, channel = np.divmod(neuron[: start[-1]], channels)
            return Ragged(start, channel * sites + site)

        potentials = None
        if self.how.record_potentials:
            by_site = tape.potentials.reshape(images, steps, sites, channels)
            potentials = np.ascontiguousarray(by_site.swapaxes(2, 3)).reshape(images, steps, -1)
        return LayerTrace(
            bits=bits, reached=packed(tape.reached).reshape(images, steps, -1), lone=ragged(tape.lone_start, tape.lone),
            clipped=ragged(tape.clipped_start, tape.clipped), peak=tape.peak, potentials=potentials,
            changes=_changes(tape.potentials.reshape(images, steps, -1)) if self.record_changes else None,
            payload=_payload(events, sites),
        )  # fmt: skip


def _alike(events: list[Events], integer: bool) -> list[Events]:
    """Spikes beside events with values carry ones: a kernel takes either."""
    if all(each.value is None for each in events):
        return events
    one = np.int64 if integer else np.float32
    return [each if each.value is not None else each._replace(value=np.ones(len(each.channel), one)) for each in events]


def _beside(layer: Layer) -> list[str]:
    """The sources of its shortcuts."""
    return [shortcut.source for shortcut in layer.shortcuts]


# Networks never change.
_loops: WeakKeyDictionary[Network, list[list[Layer]]] = WeakKeyDictionary()


def loops(network: Network) -> list[list[Layer]]:
    """The layers in an order in which each finds its sources done; those that feed back to each other together."""
    if network not in _loops:
        _loops[network] = _found_loops(network)
    return _loops[network]


def _found_loops(network: Network) -> list[list[Layer]]:
    number = {layer.name: i for i, layer in enumerate(network.layers)}
    reads = [(number[layer.name], number[s]) for layer in network.layers for s in layer.sources if s != INPUT]
    rows, columns = np.array(reads, np.int64).reshape(-1, 2).T
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(number), len(number)))
    loop_of = connected_components(graph, connection="strong")[1]
    before: dict[int, set[int]] = {int(loop): set() for loop in loop_of}
    for reader, source in reads:
        before[int(loop_of[reader])] |= {int(loop_of[source])} - {int(loop_of[reader])}
    return [[network.layers[i] for i in np.flatnonzero(loop_of == loop)] for loop in TopologicalSorter(before).static_order()]


def _payload(events: Events, sites: int) -> Ragged | None:
    """What spikes carry, in the order of the neurons of each row."""
    if events.value is None:
        return None
    row = np.repeat(np.arange(len(events.start) - 1), np.diff(events.start))
    return Ragged(events.start, events.value[np.lexsort((events.channel * sites + events.site, row))])


def carried(values: np.ndarray) -> np.ndarray:
    """*values* in the type in which a trace holds them."""
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)


def _changes(potentials: np.ndarray) -> np.ndarray:
    """int64 [N, T] from [N, T, neurons]: neurons with another potential than after the step before."""
    first = np.count_nonzero(potentials[:, :1], axis=2)
    return np.hstack([first, np.count_nonzero(potentials[:, 1:] != potentials[:, :-1], axis=2)])


def events_of(network: Network, source: str, spikes: np.ndarray) -> Events:
    """Events of bool spikes of *source*, or of values that they carry, [N, T, neurons], neurons flattened as C, H, W."""
    _, height, width = network.shape_of(source)
    sites = height * width
    rows = spikes.reshape(-1, spikes.shape[2] // sites, sites).swapaxes(1, 2)
    row, site, channel = np.nonzero(rows)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rows)))])
    value = None if spikes.dtype == bool else rows[row, site, channel].astype(np.int64 if network.integer else np.float32)
    return Events(start.astype(np.int64), channel.astype(np.int32), site.astype(np.int32), value)


def drive(network: Network, layer: Layer, stimuli: dict[str, np.ndarray]) -> LayerTrace:
    """Run one layer alone, its sources replaced by *stimuli*: {source: bool [1, T, neurons], or an image [1, C, H, W]}."""
    shape = network.input.shape
    image = stimuli.get(INPUT) if network.input.encoding == "direct" else None
    if network.input.encoding == "spikes":
        inputs = Inputs.from_spikes(np.zeros((1, network.timesteps, *shape)))
    else:
        inputs = Inputs(np.zeros((1, *shape), np.uint8) if image is None else image)
    shown = stimuli.get(INPUT) if image is None else pixels(network, image)
    largest = 1.0 if shown is None else float(np.abs(shown * 1).max())
    batch = _Batch(network, inputs, _How(STATE_BITS, True, False, largest))
    for source in set(layer.sources):
        shape = network.shape_of(source)
        silent = image is not None and source == INPUT
        spikes = np.zeros((1, network.timesteps, math.prod(shape)), bool) if silent else stimuli[source]
        batch.events[source] = events_of(network, source, spikes)
    return batch.run_layer(layer)
