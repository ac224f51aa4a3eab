"""The spike-trace file: a recorded simulation and the network it belongs to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import h5py
import numpy as np

from neurosim.errors import InputsError
from neurosim.io.hdf5 import COMPRESSED, SMALL, Node, command, explain, growing, reading
from neurosim.io.network_file import NETWORK, read_network, write_network
from neurosim.io.stored import Growing, Stored
from neurosim.io.vocabulary import ANY, Vocabulary, of_file, since_first
from neurosim.network.inputs import Inputs, check_inputs, slices
from neurosim.network.layers import Layer
from neurosim.network.network import Network
from neurosim.saving import save
from neurosim.spikes.trace import LayerTrace, Ragged, SpikeTrace

RECORDED = Vocabulary(
    datasets=since_first("spikes", "reached", "lone_start", "lone", "clipped_start", "clipped", "peak", "changes")
    | {"payload_start": "2.0", "payload": "2.0"}
)
TRACE = of_file(
    Vocabulary(
        since_first("command", "state_bits", "inputs"),
        since_first("outputs", "labels", "input_spikes", "images") | {"payload_start": "2.0", "payload": "2.0"},
        {"network": NETWORK, "layers": Vocabulary(groups={ANY: RECORDED})},
    )
)  # fmt: skip


# Units and meaning of every dataset, in the order of the file.
START = ("neuron", "list of image n and step t: start[n*T+t]:start[n*T+t+1]")
LIST = ("neuron", "neurons, flattened as C,H,W")
MEANING = {
    "outputs": ("potential", "output potentials after the last step [N,classes]"),
    "labels": ("class", "labels [N]"),
    "input_spikes": ("spike", "[N,T,ceil(neurons/8)], lowest bit first, order C,H,W"),
    "images": ("pixel", "the images shown [N,C,H,W]"),
    "spikes": ("spike", "[N,T,ceil(neurons/8)], lowest bit first, order C,H,W"),
    "reached": ("site", "[N,T,ceil(sites/8)], sites where a weight row arrived"),
    "lone_start": START,
    "lone": LIST,
    "clipped_start": START,
    "clipped": LIST,
    "peak": ("potential", "lowest and highest potential of each image before clipping [N,2]"),
    "changes": ("neuron", "neurons whose potential differs from the step before [N,T]"),
    "payload_start": ("spike", "values of image n and step t: start[n*T+t]:start[n*T+t+1]"),
    "payload": ("value", "what spikes carry, in the order of their bits"),
}
# `Node.array` or `Node.stored`: of the node, a name, kinds, dimensions, and whether it is optional.
Take = Callable[..., np.ndarray | None]
ENDS = {"lone_start": "lone", "clipped_start": "clipped", "payload_start": "payload"}
# What is written at once.
WRITE_BYTES = 2**22


@save.register
def save_trace(trace: SpikeTrace, path: str | os.PathLike[str]) -> None:
    """Write *trace* with its network (without golden samples)."""
    with writing_trace(path, len(trace)) as add:
        for part in pieces(trace):
            add(part)


def pieces(trace: SpikeTrace) -> Iterator[SpikeTrace]:
    """The *trace* in parts, in memory, of what is written at once."""
    size = max(1, len(trace) * WRITE_BYTES // max(1, trace.nbytes))
    for first in range(0, len(trace), size):
        yield trace.part(first, min(first + size, len(trace)))


@contextmanager
def writing_trace(path: str | os.PathLike[str], images: int) -> Iterator[Callable[[SpikeTrace], None]]:
    """A function to call with the traces of the next samples, until there are so many *images*; the file appears when it is
    whole. Raises FileError where it cannot be written, as soon as that shows."""
    with growing(path, "trace", TRACE) as (file, check):
        file.attrs["command"] = command()
        writer = TraceWriter(file, images, check, **COMPRESSED)
        yield writer.add
        writer.finish()


class TraceWriter:
    """Writes a trace of so many *images*, part after part, into datasets with these *options*. *check* raises what went wrong
    up to now."""

    def __init__(self, root: h5py.Group, images: int, check: Callable[[], None], **options: Any):
        self.root, self.images, self.check, self.options = root, images, check, options
        self.columns: dict[tuple[str, str], Growing] = {}
        self.waiting: list[SpikeTrace] = []
        self.bytes = 0

    def add(self, part: SpikeTrace) -> None:
        """The trace of the next samples."""
        self.waiting.append(part)
        self.bytes += part.nbytes
        if self.bytes >= WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits to be written together with more."""
        if not self.waiting:
            return
        part = SpikeTrace.joined(self.waiting)
        self.waiting, self.bytes = [], 0
        if not self.columns:
            self._begin(part)
        for (layer, name), array in _arrays(part):
            # What comes before: the lists, which follow their ends, are not written yet.
            before = self.columns[layer, ENDS[name]].filled if name in ENDS else 0
            self.columns[layer, name].add(array + before if before else array)
        self.check()

    def finish(self) -> None:
        """Write all that is left."""
        self.flush()
        assert self.columns["", "outputs"].filled == self.images, "a trace has as many samples as were announced"

    def written(self, network: Network) -> SpikeTrace:
        """The trace of all that was written, of which *network* is the network; it stays in the file."""
        found: dict[str, dict[str, Any]] = {}
        for (layer, name), column in self.columns.items():
            small = name in ("outputs", "labels", "peak")
            found.setdefault(layer, {})[name] = column.dataset[()] if small else Stored(column.dataset)
        shown = found.pop("")
        return SpikeTrace(
            network=network, layers={layer: _recorded(**columns) for layer, columns in found.items()}, outputs=shown["outputs"],
            labels=shown.get("labels"), state_bits=int(self.root.attrs["state_bits"]), inputs_name=self.root.attrs["inputs"],
            input_bits=shown.get("input_spikes"), images=shown.get("images"), input_payload=_payload(shown),
        )  # fmt: skip

    def _begin(self, part: SpikeTrace) -> None:
        """All that does not depend on samples, and empty datasets."""
        self.root.attrs["state_bits"], self.root.attrs["inputs"] = part.state_bits, part.inputs_name
        write_network(self.root.create_group("network", track_order=True), part.network.with_golden(None))
        for (layer, name), array in _arrays(part):
            self.columns[layer, name] = self._column(self._group(layer), name, array, self.images * part.timesteps)

    def _group(self, layer: str) -> h5py.Group:
        """Of a layer; the root without one."""
        group = self.root
        for name in ["layers", layer] if layer else []:
            group = group[name] if name in group else group.create_group(name, track_order=True)
        return group

    def _column(self, group: h5py.Group, name: str, like: np.ndarray, rows: int) -> Growing:
        many = None if name in ENDS.values() else rows + 1 if name in ENDS else self.images
        entries = None if many is None else many * math.prod(like.shape[1:])
        found = Growing(group, name, like, many, **({} if entries is not None and entries < SMALL else self.options))
        explain(found.dataset, *MEANING[name])
        if name in ENDS:
            found.add(np.zeros(1, like.dtype))
        return found


def _arrays(trace: SpikeTrace) -> Iterator[tuple[tuple[str, str], np.ndarray]]:
    """What a file holds of some samples, by layer and name; of lists, where each ends."""
    shown = {"outputs": trace.outputs, "labels": trace.labels, "input_spikes": trace.input_bits, "images": trace.images}
    shown |= _lists({"payload": trace.input_payload})
    yield from ((("", name), array) for name, array in shown.items() if array is not None)
    for layer, recorded in trace.layers.items():
        found = {"spikes": recorded.bits, "reached": recorded.reached}
        found |= _lists({"lone": recorded.lone, "clipped": recorded.clipped, "payload": recorded.payload})
        found |= {"peak": recorded.peak} | ({} if recorded.changes is None else {"changes": recorded.changes})
        yield from (((layer, name), array) for name, array in found.items())


def _lists(named: dict[str, Ragged | None]) -> dict[str, np.ndarray]:
    """Where each of the lists ends, and what is in it."""
    found: dict[str, np.ndarray] = {}
    for name, lists in named.items():
        found |= {} if lists is None else {f"{name}_start": lists.start[1:], name: lists.item}
    return found


def load_trace(path: str | os.PathLike[str]) -> SpikeTrace:
    """Read and check a trace file; raises FileError with every problem."""
    with reading(path, "trace", vocabulary=TRACE) as (_, root):
        trace = read_trace(root, Node.array)
    assert trace is not None
    return trace


@contextmanager
def opened_trace(path: str | os.PathLike[str], images: int | None = None) -> Iterator[SpikeTrace]:
    """As `load_trace`, of the first *images* samples or of all; what is not small stays in the file, and is read slice by
    slice. Raises TraceError if there are fewer."""
    with ExitStack() as stack:
        with reading(path, "trace", vocabulary=TRACE, keep=stack) as (_, root):
            trace = read_trace(root, Node.stored)
        assert trace is not None
        yield trace if images is None else _head(trace, images)


def _head(trace: SpikeTrace, images: int) -> SpikeTrace:
    """As `SpikeTrace.head`, of one that stays in its file."""
    trace.check_holds(images)
    rows = images * trace.timesteps

    def first(array: Any, many: int = images) -> Any:
        return array.head(many) if isinstance(array, Stored) else None if array is None else array[:many]

    def lists(of: Ragged) -> Ragged:
        return Ragged(first(of.start, rows + 1), first(of.item, int(of.start[rows : rows + 1][0])))

    layers = {
        name: LayerTrace(
            bits=first(layer.bits), reached=first(layer.reached), lone=lists(layer.lone), clipped=lists(layer.clipped),
            peak=first(layer.peak), changes=first(layer.changes), payload=layer.payload and lists(layer.payload),
        )
        for name, layer in trace.layers.items()
    }  # fmt: skip
    return replace(
        trace, layers=layers, outputs=first(trace.outputs), labels=first(trace.labels), input_bits=first(trace.input_bits),
        images=first(trace.images), input_payload=trace.input_payload and lists(trace.input_payload),
    )  # fmt: skip


def read_trace(root: Node, take: Take) -> SpikeTrace | None:
    """The trace in a group; *take* takes what has a row per sample."""
    before = len(root.problems)
    node, layers = root.child("network"), root.child("layers")
    network = read_network(node) if node else None
    outputs, labels = root.array("outputs", "if", 2), root.array("labels", "iu", 1, optional=True)
    input_bits, images = take(root, "input_spikes", "u", 3, True), take(root, "images", "iuf", 4, True)
    if network is None or layers is None or outputs is None:
        return None
    if not len(outputs):
        root.say("dataset 'outputs' holds no samples")
        return None
    needed = {"outputs": (outputs, (len(outputs), network.classes)), "labels": (labels, (len(outputs),))}
    if network.input.encoding == "spikes":
        size = (len(outputs), network.timesteps, -(-math.prod(network.input.shape) // 8))
        needed["input_spikes"] = (input_bits, size)
        if input_bits is None:
            root.say("dataset 'input_spikes' is missing")
    for name, (array, shape) in needed.items():
        if array is not None and array.shape != shape:
            root.say(f"dataset {name!r} has shape {list(array.shape)}; needed {list(shape)}")
    payload = _read_payload(root, take, input_bits) if "payload" in root else None
    if images is not None:
        _check_images(root, images, network, len(outputs))
    state_bits = root.integer("state_bits", 32)
    if not 2 <= state_bits <= 32:
        root.say(f"'state_bits' is {state_bits}; it must lie in 2..32")
    found = {layer.name: _read_layer(layers.child(layer.name), take, layer, network, len(outputs)) for layer in network.layers}
    layers.refuse_others(found, "layer")
    if len(root.problems) > before:
        return None
    network = network.over(network.timesteps, payload is not None)
    traces = {name: layer for name, layer in found.items() if layer is not None}
    return SpikeTrace(
        network=network, layers=traces, outputs=outputs, labels=labels, state_bits=state_bits,
        inputs_name=root.text("inputs", "inputs"), input_bits=input_bits, images=images, input_payload=payload,
    )  # fmt: skip


def _check_images(root: Node, images: np.ndarray, network: Network, count: int) -> None:
    if len(images) != count:
        root.say(f"dataset 'images' holds {len(images)} images; needed {count}")
        return
    try:
        check_inputs(network, Inputs(images))
    except InputsError as error:
        for problem in error.problems:
            root.say(f"dataset 'images': {problem}")


def _read_layer(group: Node | None, take: Take, layer: Layer, network: Network, images: int) -> LayerTrace | None:
    if group is None:
        return None
    sites = layer.shape[1] * layer.shape[2]
    bits = _sized(group, take, "spikes", (images, network.timesteps, -(-layer.neurons // 8) if layer.spiking else 0))
    reached = _sized(group, take, "reached", (images, network.timesteps, -(-sites // 8)))
    lists = [_read_lists(group, take, key, images * network.timesteps, layer.neurons) for key in ("lone", "clipped")]
    peak = group.array("peak", "if", 2)
    if bits is None or reached is None or peak is None or lists[0] is None or lists[1] is None:
        return None
    if peak.shape != (images, 2):
        group.say(f"dataset 'peak' has shape {list(peak.shape)}; needed [{images}, 2]")
        return None
    changes = take(group, "changes", "iu", 2, True)
    if changes is not None and (changes.shape != bits.shape[:2] or not _all_within(changes, 0, layer.neurons)):
        group.say(f"dataset 'changes' must hold {list(bits.shape[:2])} numbers in 0..{layer.neurons}")
        return None
    if ("payload" in group) != layer.graded:
        group.say("dataset 'payload' " + ("is missing: its spikes" if layer.graded else "is there: no spikes") + " are graded")
        return None
    payload = _read_payload(group, take, bits) if layer.graded else None
    return LayerTrace(bits, reached, lists[0], lists[1], peak, changes=changes, payload=payload)


def _recorded(spikes: np.ndarray, reached: np.ndarray, peak: np.ndarray, **others: np.ndarray) -> LayerTrace:
    """What a layer did, of its datasets."""
    lone, clipped = (Ragged(others[f"{name}_start"], others[name]) for name in ("lone", "clipped"))
    return LayerTrace(spikes, reached, lone, clipped, peak, changes=others.get("changes"), payload=_payload(others))


def _payload(columns: dict[str, np.ndarray]) -> Ragged | None:
    return Ragged(columns["payload_start"], columns["payload"]) if "payload" in columns else None


def _read_payload(group: Node, take: Take, bits: np.ndarray | None) -> Ragged | None:
    """The values of the spikes in *bits*, as many and in their order."""
    start, value = take(group, "payload_start", "iu", 1), take(group, "payload", "if", 1)
    if start is None or value is None or bits is None:
        return None
    counts = np.concatenate([np.bitwise_count(part).sum(2, dtype=np.int64).ravel() for part in slices(bits)])
    start = start.astype(np.int64)
    if len(start) != len(counts) + 1 or (np.diff(start) != counts).any() or not _rises(start, len(value)):
        group.say(f"dataset 'payload' must hold a value for each of {counts.sum():,} spikes, 'payload_start' their counts")
        return None
    if any(not np.isfinite(part).all() or not part.all() for part in slices(value)):
        group.say("dataset 'payload' holds values that are 0 or not finite")
        return None
    return Ragged(start, value)


def _all_within(array: np.ndarray, least: int, most: int) -> bool:
    return all(least <= part.min() <= part.max() <= most for part in slices(array))


def _sized(group: Node, take: Take, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    array = take(group, name, "u", len(shape))
    if array is not None and array.shape != shape:
        group.say(f"dataset {name!r} has shape {list(array.shape)}; needed {list(shape)}")
        return None
    return array


def _read_lists(group: Node, take: Take, key: str, rows: int, neurons: int) -> Ragged | None:
    start, neuron = take(group, f"{key}_start", "iu", 1), take(group, key, "iu", 1)
    if start is None or neuron is None:
        return None
    start = start.astype(np.int64)
    if len(start) != rows + 1 or not _rises(start, len(neuron)):
        group.say(f"dataset {key + '_start'!r} must rise in {rows + 1} steps from 0 to {len(neuron)}")
        return None
    if not _all_within(neuron, 0, neurons - 1):
        group.say(f"dataset {key!r} names neurons outside 0..{neurons - 1}")
        return None
    return Ragged(start, neuron.astype(np.int32))


def _rises(start: np.ndarray, end: int) -> bool:
    """Whether it rises from 0 to *end*."""
    before = 0
    for part in slices(start):
        if np.any(np.diff(part, prepend=before) < 0):
            return False
        before = int(part[-1])
    return before == end and start[:1].sum() == 0
