"""The metrics of NeuroBench for a run: what its harness finds for the same network written in PyTorch. No chip is involved.

NeuroBench (Yik et al., Nature Communications 16, 1545, 2025) compares networks, not machines; what a chip does for the same
spikes (`neurosim.cost.activity`) is counted by other rules and under other names. The rules here are those of the code of the
harness, version 2.3.0, for a model that is called once per time step: every layer is an nn.Linear or nn.Conv2d without bias,
followed by an snnTorch Leaky neuron, an Output by none; pools and the sums of several inputs are what that module is shown;
a shortcut with weights is a module of its own, one without is an addition that the harness does not see. An image is shown
anew at every step.

The execution rate of NeuroBench is declared by whoever deploys a network; nothing here computes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.mapping.brick import reach_all
from neurosim.network.inputs import pixels, slices
from neurosim.network.layers import INPUT, Layer, Parameter, Pooling, Shortcut, groups_of, pool_axes, pool_kind, pooled, share
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS, factor
from neurosim.spikes.trace import SpikeTrace, sent

HARNESS = "2.3.0"
SOURCE = f"Yik et al., Nature Communications 16, 1545 (2025); rules of the neurobench harness {HARNESS}"
CONSTANT_BYTES = 4
# What snnTorch's Leaky registers beside beta and threshold: graded_spikes_factor (float32), reset_mechanism_val (int64).
LEAKY_BYTES = 12
# Per update of a Leaky neuron, whichever way it resets: metrics/workload/neuron_operations.py of the harness.
OPERATIONS_PER_UPDATE = 4
# Entries of the largest array of inputs to a layer.
SLICE_ENTRIES = 2**22

NO_IMAGES = "the trace does not hold the images that it was recorded from: record it anew"
NO_CHANGES = "changes of potentials were not recorded: simulate(..., record_changes=True), or run with --neurobench"


@dataclass(frozen=True)
class Footprint:
    """Bytes of the weights and of the constants of the neurons; connections with weight zero are stored too.

    stored: weights at their own width, and 4 bytes for every threshold and leak. float32: what the harness finds for the
    network in PyTorch, 4 bytes a weight and the 20 that an snnTorch Leaky with one threshold registers.
    """

    stored: int
    float32: int


@dataclass(frozen=True)
class SynapticOperations:
    """Mean per sample, all steps: pairs of an input and a weight that are both not zero, and *dense*, all pairs.

    They are MACs in every call of a layer that is shown a value other than -1, 0 and 1, and ACs in the others. Padding
    counts neither here nor there. None where the inputs are not known.
    """

    effective_macs: float | None
    effective_acs: float | None
    dense: float


@dataclass(frozen=True)
class NeuroBench:
    """The metrics of one trace.

    connection_sparsity: share of weights that are zero, shared kernels counted once, to four decimals. activation_sparsity:
    share of (neuron, step) pairs without a spike. membrane_updates: mean per sample; a neuron counts once for the first step,
    and for every later one that leaves another potential than the step before. effective_neuron_operations: 4 for each of
    these; dense_neuron_operations: 4 for every neuron and step. batch: samples in one call of the model. missing: why a
    metric is None, by name.
    """

    batch: int
    footprint: Footprint
    connection_sparsity: float
    activation_sparsity: float
    synaptic_operations: SynapticOperations
    membrane_updates: float | None
    effective_neuron_operations: float | None
    dense_neuron_operations: float
    missing: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The key ``neurobench`` in the JSON of a run; operations under the names of the harness."""
        synaptic = self.synaptic_operations
        return {
            "source": SOURCE,
            "harness": HARNESS,
            "batch": self.batch,
            "footprint": {"stored_bytes": self.footprint.stored, "float32_bytes": self.footprint.float32},
            "connection_sparsity": self.connection_sparsity,
            "activation_sparsity": self.activation_sparsity,
            "synaptic_operations": {
                "Effective_MACs": synaptic.effective_macs, "Effective_ACs": synaptic.effective_acs, "Dense": synaptic.dense,
            },
            "membrane_updates": self.membrane_updates,
            "neuron_operations": {
                "Effective Neuron Ops": self.effective_neuron_operations, "Neuron Dense Ops": self.dense_neuron_operations,
            },
            "missing": self.missing,
        }  # fmt: skip


def neurobench(trace: SpikeTrace, batch: int | None = None) -> NeuroBench:
    """The metrics of *trace*.

    *batch*: samples that the harness is taken to show the model at once, all of them without. It matters for layers that are
    not shown spikes alone (images, sums of pooling windows, sums of inputs): one value other than 0 and 1 in a batch makes
    MACs of all that the layer does in that step.
    """
    if batch is not None and batch < 1:
        raise NeurosimError(f"batch is {batch}; it must be at least 1")
    size = min(batch or len(trace), len(trace))
    network, updates = trace.network, membrane_updates(trace)
    synaptic = synaptic_operations(trace, size)
    reasons = {
        "synaptic_operations": NO_IMAGES if synaptic.effective_acs is None else "",
        "membrane_updates": NO_CHANGES if updates is None else "",
        "neuron_operations": NO_CHANGES if updates is None else "",
    }
    return NeuroBench(
        batch=size,
        footprint=footprint(network),
        connection_sparsity=connection_sparsity(network),
        activation_sparsity=activation_sparsity(trace),
        synaptic_operations=synaptic,
        membrane_updates=updates,
        effective_neuron_operations=None if updates is None else OPERATIONS_PER_UPDATE * updates,
        dense_neuron_operations=float(OPERATIONS_PER_UPDATE * network.timesteps * sum(x.neurons for x in spiking(network))),
        missing={name: why for name, why in reasons.items() if why},
    )


def spiking(network: Network) -> list[Layer]:
    """The layers whose neurons the harness sees."""
    return [layer for layer in network.layers if layer.spiking]


def weights(layer: Layer) -> list[np.ndarray]:
    """The weights that PyTorch would hold for *layer*, one array per module."""
    return [layer.weight, *(s.weight for s in layer.shortcuts if s.weight is not None)]


def footprint(network: Network) -> Footprint:
    stored = float32 = 0
    for layer in network.layers:
        count = sum(w.size for w in weights(layer))
        stored += -(-count * (layer.weight_bits or 8) // 8)
        float32 += 4 * count
        if layer.spiking:
            thresholds = entries(layer.threshold)
            leaks = [entries(factor(row.of(layer))) for row in PARAMETERS.values() if row.form == "fraction"]
            stored += CONSTANT_BYTES * (thresholds + sum(leaks))
            float32 += CONSTANT_BYTES * (thresholds + max(1, sum(leaks))) + LEAKY_BYTES
        if layer.bias is not None:
            biases = max(layer.shape[0], entries(layer.bias))
            stored, float32 = stored + CONSTANT_BYTES * biases, float32 + CONSTANT_BYTES * biases
    return Footprint(stored, float32)


def entries(parameter: Parameter | None) -> int:
    """Numbers that it takes."""
    return parameter.size if isinstance(parameter, np.ndarray) else int(parameter is not None)


def connection_sparsity(network: Network) -> float:
    arrays = [w for layer in network.layers for w in weights(layer)]
    zeros = sum(w.size - np.count_nonzero(w) for w in arrays)
    # The harness divides in float32.
    return round(float(np.float32(zeros) / np.float32(sum(w.size for w in arrays))), 4)


def activation_sparsity(trace: SpikeTrace) -> float:
    """0 without spiking layers, as in the harness."""
    pairs = len(trace) * trace.timesteps * sum(layer.neurons for layer in spiking(trace.network))
    spikes = sum(trace.spike_counts().values())
    return (pairs - spikes) / pairs if pairs else 0.0


def membrane_updates(trace: SpikeTrace) -> float | None:
    """Mean per sample; None where changes of potentials were not recorded."""
    total = 0
    for layer in spiking(trace.network):
        changes = trace.layers[layer.name].changes
        if changes is None:
            return None
        total += len(trace) * layer.neurons + sum(int(part[:, 1:].sum()) for part in slices(changes))
    return total / len(trace)


class Call(NamedTuple):
    """A module with weights that the model calls once per step: the main synapses of a layer, or those of a shortcut; it sees
    spikes *delay* steps late."""

    layer: Layer
    sources: tuple[str, ...]
    pool: Pooling
    weight: np.ndarray
    shortcut: Shortcut | None
    delay: int


def calls(network: Network) -> Iterator[Call]:
    """All modules with weights, in the order of the network."""
    for layer in network.layers:
        yield Call(layer, tuple(layer.inputs or ()), layer.pool, layer.weight, None, layer.delay)
        for shortcut in layer.shortcuts:
            if shortcut.weight is not None:
                yield Call(layer, (shortcut.source,), shortcut.pool, shortcut.weight, shortcut, shortcut.delay)


def synaptic_operations(trace: SpikeTrace, batch: int) -> SynapticOperations:
    """See `SynapticOperations`; no loop walks over synapses: the inputs that are not zero are counted by channel and site, and
    each count is multiplied with the weights, not zero, that such an input meets."""
    macs = acs = dense = 0
    images, steps = len(trace), trace.timesteps
    known = True
    for call in calls(trace.network):
        nonzero, everything = met_weights(trace.network, call)
        dense += images * steps * everything
        if not _is_known(trace, call):
            known = False
            continue
        for first in range(0, images, batch):
            seen, graded = _shown(trace, call, first, min(first + batch, images))
            operations = seen.reshape(len(seen), -1) @ nonzero * (steps // len(seen))
            macs += int(operations[graded].sum())
            acs += int(operations[~graded].sum())
    if not known:
        return SynapticOperations(None, None, dense / images)
    return SynapticOperations(macs / images, acs / images, dense / images)


def met_weights(network: Network, call: Call) -> tuple[np.ndarray, int]:
    """How many weights, not zero, an input of each channel and site of the (pooled) map meets, int64 [channels * sites]; and
    how many all inputs meet, zero or not."""
    channels, height, width = pooled(network.shape_of(call.sources[0]), call.pool)
    found = reach_all(network, call.layer, call.sources[0], call.shortcut)
    kernels = call.weight if call.weight.ndim == 4 else call.weight.reshape(len(call.weight), channels, height, width)
    # [groups, channels of a group, ...]: of every channel of the input.
    parts = kernels.reshape(groups_of(call.shortcut or call.layer), -1, *kernels.shape[1:])
    met = np.count_nonzero(parts, axis=1).reshape(channels, *kernels.shape[2:])
    nonzero = found.down @ met @ found.across.T
    return nonzero.ravel(), len(kernels) * kernels.shape[1] * int(found.sites.sum())


def _is_known(trace: SpikeTrace, call: Call) -> bool:
    direct = trace.network.input.encoding == "direct"
    return not (direct and INPUT in call.sources and trace.images is None)


def _shown(trace: SpikeTrace, call: Call, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the inputs of images *first* to *last*: how many are not zero, int64 [steps, C, H, W], and whether any is other than
    -1, 0 and 1, bool [steps]; a single step where an image alone is shown."""
    shape = pooled(trace.network.shape_of(call.sources[0]), call.pool)
    size = max(1, SLICE_ENTRIES // (trace.timesteps * int(np.prod(shape))))
    seen, graded = np.zeros((), np.int64), np.zeros((), bool)
    for start in range(first, last, size):
        values = _values(trace, call, slice(start, min(start + size, last)))
        seen, graded = seen + np.count_nonzero(values, axis=0), graded | _graded(values)
    return seen, graded


def _graded(values: np.ndarray) -> np.ndarray:
    """bool [steps]."""
    beyond: np.ndarray = values > 1 if values.dtype == np.uint8 else (values != 0) & (abs(values) != 1)
    found: np.ndarray = np.any(beyond, (0, 2, 3, 4))
    return found


def _values(trace: SpikeTrace, call: Call, images: slice) -> np.ndarray:
    """[images, steps, C, H, W] that the module is shown; a single step for an image alone."""
    parts = [_late(_pooled(_source(trace, name, images), call.pool), call.delay) for name in call.sources]
    return parts[0] if len(parts) == 1 else reduce(np.add, (p.astype(np.result_type(p, np.int64)) for p in parts))


def _source(trace: SpikeTrace, name: str, images: slice) -> np.ndarray:
    shape = trace.network.shape_of(name)
    if name == INPUT and trace.images is not None:
        shown = pixels(trace.network, trace.images[images])
        return shown.reshape(len(shown), 1, *shape)
    bits, payload = trace.bits_of(name)[images], trace.payload_of(name)
    if payload is not None:
        rows = payload.part(images.start * trace.timesteps, images.stop * trace.timesteps)
        return sent(bits, rows, int(np.prod(shape))).reshape(*bits.shape[:2], *shape)
    return np.unpackbits(bits, axis=-1, count=int(np.prod(shape)), bitorder="little").reshape(*bits.shape[:2], *shape)


def _late(values: np.ndarray, delay: int) -> np.ndarray:
    """What comes *delay* steps later; nothing before."""
    if delay == 0:
        return values
    late = np.zeros_like(values)
    late[:, delay:] = values[:, : max(0, values.shape[1] - delay)]
    return late


def _pooled(values: np.ndarray, pool: Pooling) -> np.ndarray:
    """What lies beyond the map is 0, and no spike is less."""
    if pool is None:
        return values
    moves = pool_axes(pool)
    edges = [(0, 0)] * 3 + [(axis.padding, axis.padding) for axis in moves]
    padded = np.pad(values, edges)
    ends = (axis.places(n) * axis.stride for axis, n in zip(moves, values.shape[3:], strict=True))
    down, across = (slice(0, end, axis.stride) for axis, end in zip(moves, ends, strict=True))
    elements = product(range(moves[0].kernel), range(moves[1].kernel))
    corners = [padded[..., y:, x:][..., down, across] for y, x in elements]
    found = reduce(np.maximum if pool_kind(pool) == "max" else np.add, corners)
    return found * np.float32(share(pool)) if pool_kind(pool) == "avg" else found
