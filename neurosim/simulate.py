"""Function: from a network and inputs to a spike trace, event by event.

Layers do not feed back, so a layer runs through all steps of a batch before the next one starts: its weights stay in the
cache, and only one population's potentials are alive. The spikes are those of the step-by-step order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from neurosim.errors import InputsError, NeurosimError
from neurosim.inputs import Inputs, check_inputs, pixels
from neurosim.kernels.layer import (
    Events,
    FloatLeak,
    IntegerLeak,
    Lif,
    State,
    Synapses,
    Tape,
    add_pixels,
    pack,
    run_layer,
)
from neurosim.layers import INPUT, POOL, Layer
from neurosim.network import Network
from neurosim.synapses import feeds
from neurosim.trace import LayerTrace, Ragged, SpikeTrace, packed

STATE_BITS = 32
# Entries of the largest spike list of a batch: 256 MB of address space, of which only what is used becomes memory.
BATCH_ENTRIES = 2**25
BATCH_IMAGES = 16
# Of a task for an executor.
SLICE_IMAGES = 64


def simulate(
    network: Network,
    inputs: Inputs,
    *,
    state_bits: int = STATE_BITS,
    workers: int = 1,
    executor: Executor | None = None,
    record_potentials: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SpikeTrace:
    """Run *network* on all *inputs*.

    *state_bits* (2 to 32) is the width of a potential; what exceeds it is clipped after each step's accumulation, and noted.
    *workers* threads share the images, or the workers of *executor* (PEP 3148), slice by slice; the spikes are the same for any
    number of them. *progress* is called with the number of images done. Raises InputsError if the inputs do not suit the
    network.
    """
    check_inputs(network, inputs)
    if not 2 <= state_bits <= STATE_BITS:
        raise NeurosimError(f"state_bits is {state_bits}; it must lie in 2..{STATE_BITS}")
    if executor is not None:
        return _joined(list(_sliced(executor, network, inputs, state_bits, record_potentials, progress)), network, inputs)
    feeds(network)
    largest_pixel = float(np.abs(pixels(network, inputs.images)).max()) if inputs.images is not None else 1.0

    def run(batch: Inputs) -> SpikeTrace:
        return _Batch(network, batch, state_bits, record_potentials, largest_pixel).run()

    parts = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for part in pool.map(run, _batches(network, inputs, workers)):
            parts.append(part)
            if progress:
                progress(len(part))
    return _joined(parts, network, inputs)


def _sliced(
    executor: Executor, network: Network, inputs: Inputs, state_bits: int, record_potentials: bool,
    progress: Callable[[int], None] | None,
) -> Iterator[SpikeTrace]:  # fmt: skip
    """The traces of slices of the inputs, in order, as the workers of *executor* find them."""
    # What travels to the workers.
    bare = replace(network, golden=None, float_twin=None)
    slices = [inputs[first : first + SLICE_IMAGES] for first in range(0, len(inputs), SLICE_IMAGES)]
    work = partial(simulate, bare, state_bits=state_bits, record_potentials=record_potentials)
    for future in [executor.submit(work, part) for part in slices]:
        part = future.result()
        if progress:
            progress(len(part))
        yield part


def _batches(network: Network, inputs: Inputs, workers: int) -> Iterator[Inputs]:
    entries = max(layer.neurons for layer in network.layers) * network.timesteps
    size = int(np.clip(BATCH_ENTRIES // entries, 1, min(BATCH_IMAGES, -(-len(inputs) // max(1, workers)))))
    for first in range(0, len(inputs), size):
        yield inputs[first : first + size]


class _Batch:
    """One batch of images on its way through the layers."""

    def __init__(
        self,
        network: Network,
        inputs: Inputs,
        state_bits: int,
        record_potentials: bool,
        largest_pixel: float,
    ):
        self.network = network
        self.feeds = feeds(network)
        self.inputs = inputs
        self.rows = len(inputs) * network.timesteps
        self.state_bits = state_bits
        self.record_potentials = record_potentials
        self.largest_pixel = largest_pixel
        self.events: dict[str, Events] = {}
        self.outputs = np.empty(0)

    def run(self) -> SpikeTrace:
        input_bits = None
        nothing = np.empty(0, np.int32)
        self.events[INPUT] = Events(np.zeros(self.rows + 1, np.int64), nothing, nothing)
        if self.inputs.spikes is not None:
            flat = self.inputs.spikes.reshape(*self.inputs.spikes.shape[:2], -1)
            input_bits = packed(flat)
            self.events[INPUT] = events_of(flat, self.network.input.shape[1] * self.network.input.shape[2])
        layers = {layer.name: self.run_layer(layer) for layer in self.network.layers}
        return SpikeTrace(self.network, layers, self.outputs, self.inputs.labels, self.state_bits, self.inputs.name, input_bits)

    def run_layer(self, layer: Layer) -> LayerTrace:
        images, steps = len(self.inputs), self.network.timesteps
        dtype = self._state_dtype(layer)
        sources = tuple(zip(self.feeds[layer.name].synapses, (self.events[name] for name in layer.sources), strict=True))
        tape = _tape(layer, images, steps, dtype, self.record_potentials)
        state = _state(layer, [s for s, _ in sources], dtype)
        lif = population(self.network, layer, self.state_bits)
        run_layer(lif, state, sources, self._currents(layer, dtype), images, steps, tape)
        return self._written(layer, tape)

    def _state_dtype(self, layer: Layer) -> type[np.generic]:
        """int32 unless the sum of one image could leave it; then int64, clipped to the state width every step."""
        if not self.network.integer:
            return np.float32
        feed = self.feeds[layer.name]
        largest_input = self.largest_pixel if INPUT in (layer.inputs or ()) else 1.0
        bound = (feed.largest_main * largest_input + feed.largest_shortcut) * self.network.timesteps
        if bound >= 2**63:
            message = f"layer {layer.name!r} could reach potentials of {bound:.3g}, more than 64 bits hold: use smaller pixels"
            raise InputsError(self.inputs.name, [message])
        return np.int32 if bound < 2**31 else np.int64

    def _currents(self, layer: Layer, dtype: type[np.generic]) -> np.ndarray:
        """[images, neurons] that the image drives into the layer at every step, site by site."""
        fed = [s for name, s in zip(layer.sources, self.feeds[layer.name].synapses, strict=True) if name == INPUT]
        images = self.inputs.images
        if not fed or images is None:
            return np.empty((len(self.inputs), 0), dtype)
        current = np.zeros((len(images), layer.neurons), dtype)
        for synapses in fed:
            for row, image in zip(current, pixels(self.network, images).astype(dtype), strict=True):
                add_pixels(row, image, synapses)
        return current

    def _written(self, layer: Layer, tape: Tape) -> LayerTrace:
        """The tape in the order C, H, W; the spikes become the events of the layers to come."""
        images, steps = len(self.inputs), self.network.timesteps
        channels, sites = layer.shape[0], layer.shape[1] * layer.shape[2]
        n = tape.start[-1]
        events = Events(tape.start, tape.channel[:n].copy(), tape.site[:n].copy())
        bits = np.zeros((images, steps, -(-layer.neurons // 8) if layer.spiking else 0), np.uint8)
        if layer.spiking:
            self.events[layer.name] = events
            pack(events.start, events.channel, events.site, sites, bits.reshape(self.rows, -1))
        else:
            self.outputs = tape.final

        def ragged(start: np.ndarray, neuron: np.ndarray) -> Ragged:
            site, channel = np.divmod(neuron[: start[-1]], channels)
            return Ragged(start, channel * sites + site)

        potentials = None
        if self.record_potentials:
            by_site = tape.potentials.reshape(images, steps, sites, channels)
            potentials = np.ascontiguousarray(by_site.swapaxes(2, 3)).reshape(images, steps, -1)
        return LayerTrace(
            bits, packed(tape.reached).reshape(images, steps, -1), ragged(tape.lone_start, tape.lone),
            ragged(tape.clipped_start, tape.clipped), tape.peak, potentials,
        )  # fmt: skip


def population(network: Network, layer: Layer, state_bits: int) -> Lif:
    """The constants of a layer as the kernels take them."""
    threshold = layer.threshold or 0
    resets_to_zero = network.reset == "zero"
    if network.integer:
        most = 2 ** (state_bits - 1)
        fires_above = int(threshold) - (network.compare == ">=")
        k, m = layer.leak if isinstance(layer.leak, tuple) else (1, 0)
        # Wide, so that k * u is, compiled or not.
        leak = IntegerLeak(np.int64(k), np.int64(m))
        return Lif(
            layer.leak is not None, leak, int(threshold), fires_above, layer.spiking, resets_to_zero, 0, -most, most - 1,
            layer.shape[0],
        )  # fmt: skip
    one, infinity = np.float32, np.float32(np.inf)
    just_below = np.nextafter(one(threshold), -infinity)
    return Lif(
        layer.leak is not None, FloatLeak(one(layer.leak if isinstance(layer.leak, float) else 1)), one(threshold),
        one(threshold) if network.compare == ">" else just_below, layer.spiking, resets_to_zero, one(0), -infinity, infinity,
        layer.shape[0],
    )  # fmt: skip


def _state(layer: Layer, synapses: list[Synapses], dtype: type[np.generic]) -> State:
    neurons, sites = layer.neurons, layer.shape[1] * layer.shape[2]
    latches = sum(s.latches for s in synapses)

    def never(count: int) -> np.ndarray:
        return np.full(count, -1, np.int32)

    return State(
        np.zeros(neurons, dtype), never(sites), never(sites), never(sites), never(sites), never(neurons),
        np.empty(neurons, np.int32), np.empty(neurons, np.int32), np.empty(POOL * POOL * neurons, np.int32), never(latches),
        np.empty(latches, np.int32), np.empty(latches, np.int32),
    )  # fmt: skip


def _tape(layer: Layer, images: int, steps: int, dtype: type[np.generic], potentials: bool) -> Tape:
    rows, neurons, sites = images * steps, layer.neurons, layer.shape[1] * layer.shape[2]

    def starts() -> np.ndarray:
        return np.zeros(rows + 1, np.int64)

    def room() -> np.ndarray:
        return np.empty(rows * neurons, np.int32)

    return Tape(
        starts(), room(), room(), np.empty((rows, sites), bool), starts(), room(), starts(), room(),
        np.zeros((images, 2), np.float64 if dtype is np.float32 else np.int64),
        np.empty((rows if potentials else 0, neurons), dtype), np.empty((images, neurons), dtype),
    )  # fmt: skip


def events_of(spikes: np.ndarray, sites: int) -> Events:
    """Events of bool spikes [N, T, neurons], neurons flattened as C, H, W with *sites* = H*W."""
    rows = spikes.reshape(-1, spikes.shape[2] // sites, sites).swapaxes(1, 2)
    row, site, channel = np.nonzero(rows)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(rows)))])
    return Events(start.astype(np.int64), channel.astype(np.int32), site.astype(np.int32))


def _joined(parts: list[SpikeTrace], network: Network, inputs: Inputs) -> SpikeTrace:
    first = parts[0]

    def joined(name: str) -> LayerTrace:
        layers = [p.layers[name] for p in parts]
        potentials = None if layers[0].potentials is None else np.concatenate([x.potentials for x in layers])
        return LayerTrace(
            np.concatenate([x.bits for x in layers]), np.concatenate([x.reached for x in layers]),
            Ragged.joined([x.lone for x in layers]), Ragged.joined([x.clipped for x in layers]),
            np.concatenate([x.peak for x in layers]), potentials,
        )  # fmt: skip

    input_bits = None if first.input_bits is None else np.concatenate([p.input_bits for p in parts])
    return SpikeTrace(
        network, {name: joined(name) for name in first.layers}, np.concatenate([p.outputs for p in parts]),
        inputs.labels, first.state_bits, inputs.name, input_bits,
    )  # fmt: skip


def drive(network: Network, layer: Layer, stimuli: dict[str, np.ndarray]) -> LayerTrace:
    """Run one layer alone, its sources replaced by *stimuli*: {source: bool [1, T, neurons], or an image [1, C, H, W]}."""
    shape = network.input.shape
    image = stimuli.get(INPUT) if network.input.encoding == "direct" else None
    if network.input.encoding == "spikes":
        inputs = Inputs.from_spikes(np.zeros((1, network.timesteps, *shape)))
    else:
        inputs = Inputs(np.zeros((1, *shape), np.uint8) if image is None else image)
    largest = 1.0 if image is None else float(np.abs(pixels(network, image)).max())
    batch = _Batch(network, inputs, STATE_BITS, True, largest)
    for source in set(layer.sources):
        shape = network.shape_of(source)
        silent = image is not None and source == INPUT
        spikes = np.zeros((1, network.timesteps, math.prod(shape)), bool) if silent else stimuli[source]
        batch.events[source] = events_of(spikes, shape[1] * shape[2])
    return batch.run_layer(layer)
