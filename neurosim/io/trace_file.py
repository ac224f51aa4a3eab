"""The spike-trace file: a recorded simulation and the network it belongs to."""

from __future__ import annotations

import math
import os

import h5py
import numpy as np

from neurosim.errors import InputsError
from neurosim.io.hdf5 import Node, command, put, reading, writing
from neurosim.io.network_file import NETWORK, read_network, write_network
from neurosim.io.vocabulary import ANY, Vocabulary, of_file, since_first
from neurosim.network.inputs import Inputs, check_inputs
from neurosim.network.layers import Layer
from neurosim.network.network import Network
from neurosim.saving import save
from neurosim.spikes.trace import LayerTrace, Ragged, SpikeTrace

RECORDED = Vocabulary(
    datasets=since_first("spikes", "reached", "lone_start", "lone", "clipped_start", "clipped", "peak", "changes")
)
TRACE = of_file(
    Vocabulary(
        since_first("command", "state_bits", "inputs"), since_first("outputs", "labels", "input_spikes", "images"),
        {"network": NETWORK, "layers": Vocabulary(groups={ANY: RECORDED})},
    )
)  # fmt: skip


@save.register
def save_trace(trace: SpikeTrace, path: str | os.PathLike[str]) -> None:
    """Write *trace* with its network (without golden samples)."""
    with writing(path, "trace", TRACE) as file:
        file.attrs["command"] = command()
        write_trace(file, trace)


def write_trace(root: h5py.Group, trace: SpikeTrace) -> None:
    root.attrs["state_bits"] = trace.state_bits
    root.attrs["inputs"] = trace.inputs_name
    write_network(root.create_group("network", track_order=True), trace.network.with_golden(None))
    put(root, "outputs", trace.outputs, "potential", "output potentials after the last step [N,classes]")
    if trace.labels is not None:
        put(root, "labels", trace.labels, "class", "labels [N]")
    if trace.input_bits is not None:
        put(root, "input_spikes", trace.input_bits, "spike", "[N,T,ceil(neurons/8)], lowest bit first, order C,H,W")
    if trace.images is not None:
        put(root, "images", trace.images, "pixel", "the images shown [N,C,H,W]")
    layers = root.create_group("layers", track_order=True)
    for name, layer in trace.layers.items():
        group = layers.create_group(name, track_order=True)
        put(group, "spikes", layer.bits, "spike", "[N,T,ceil(neurons/8)], lowest bit first, order C,H,W")
        put(group, "reached", layer.reached, "site", "[N,T,ceil(sites/8)], sites where a weight row arrived")
        for key, lists in (("lone", layer.lone), ("clipped", layer.clipped)):
            put(group, f"{key}_start", lists.start, "neuron", "list of image n and step t: start[n*T+t]:start[n*T+t+1]")
            put(group, key, lists.neuron, "neuron", "neurons, flattened as C,H,W")
        put(group, "peak", layer.peak, "potential", "lowest and highest potential of each image before clipping [N,2]")
        if layer.changes is not None:
            put(group, "changes", layer.changes, "neuron", "neurons whose potential differs from the step before [N,T]")


def load_trace(path: str | os.PathLike[str]) -> SpikeTrace:
    """Read and check a trace file; raises FileError with every problem."""
    with reading(path, "trace", vocabulary=TRACE) as (_, root):
        trace = read_trace(root)
    assert trace is not None
    return trace


def read_trace(root: Node) -> SpikeTrace | None:
    before = len(root.problems)
    node, layers = root.child("network"), root.child("layers")
    network = read_network(node) if node else None
    outputs, labels = root.array("outputs", "if", 2), root.array("labels", "iu", 1, optional=True)
    input_bits, images = root.array("input_spikes", "u", 3, optional=True), root.array("images", "iuf", 4, optional=True)
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
    if images is not None:
        _check_images(root, images, network, len(outputs))
    state_bits = root.integer("state_bits", 32)
    if not 2 <= state_bits <= 32:
        root.say(f"'state_bits' is {state_bits}; it must lie in 2..32")
    found = {layer.name: _read_layer(layers.child(layer.name), layer, network, len(outputs)) for layer in network.layers}
    layers.refuse_others(found, "layer")
    if len(root.problems) > before:
        return None
    traces = {name: layer for name, layer in found.items() if layer is not None}
    return SpikeTrace(
        network=network, layers=traces, outputs=outputs, labels=labels, state_bits=state_bits,
        inputs_name=root.text("inputs", "inputs"), input_bits=input_bits, images=images,
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


def _read_layer(group: Node | None, layer: Layer, network: Network, images: int) -> LayerTrace | None:
    if group is None:
        return None
    sites = layer.shape[1] * layer.shape[2]
    bits = _sized(group, "spikes", (images, network.timesteps, -(-layer.neurons // 8) if layer.spiking else 0))
    reached = _sized(group, "reached", (images, network.timesteps, -(-sites // 8)))
    lists = [_read_lists(group, key, images * network.timesteps, layer.neurons) for key in ("lone", "clipped")]
    peak = group.array("peak", "if", 2)
    if bits is None or reached is None or peak is None or lists[0] is None or lists[1] is None:
        return None
    if peak.shape != (images, 2):
        group.say(f"dataset 'peak' has shape {list(peak.shape)}; needed [{images}, 2]")
        return None
    changes = group.array("changes", "iu", 2, optional=True)
    if changes is not None and (changes.shape != bits.shape[:2] or changes.min() < 0 or changes.max() > layer.neurons):
        group.say(f"dataset 'changes' must hold {list(bits.shape[:2])} numbers in 0..{layer.neurons}")
        return None
    return LayerTrace(bits, reached, lists[0], lists[1], peak, changes=changes)


def _sized(group: Node, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    array = group.array(name, "u", len(shape))
    if array is not None and array.shape != shape:
        group.say(f"dataset {name!r} has shape {list(array.shape)}; needed {list(shape)}")
        return None
    return array


def _read_lists(group: Node, key: str, rows: int, neurons: int) -> Ragged | None:
    start, neuron = group.array(f"{key}_start", "iu", 1), group.array(key, "iu", 1)
    if start is None or neuron is None:
        return None
    if len(start) != rows + 1 or start[0] != 0 or start[-1] != len(neuron) or np.any(np.diff(start.astype(np.int64)) < 0):
        group.say(f"dataset {key + '_start'!r} must rise in {rows + 1} steps from 0 to {len(neuron)}")
        return None
    if len(neuron) and not 0 <= neuron.min() <= neuron.max() < neurons:
        group.say(f"dataset {key!r} names neurons outside 0..{neurons - 1}")
        return None
    return Ragged(start.astype(np.int64), neuron.astype(np.int32))
