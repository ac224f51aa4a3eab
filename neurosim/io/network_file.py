"""The network file: everything needed to run a network, and to prove that it runs right."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import h5py
import numpy as np

from neurosim.bits import packed, unpacked
from neurosim.errors import InputsError, NetworkError
from neurosim.io.hdf5 import Node, put, reading, writing
from neurosim.io.vocabulary import ANY, Vocabulary, of_file, since_first
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.inputs import Inputs, check_inputs
from neurosim.network.layers import AT_ONCE, INPUT, LAYER_KINDS, Conv, Layer, Pool, Pooling, Shortcut, after, rare
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS, NeuronParameter
from neurosim.saving import save

DECODE = "argmax of the output potentials after the last step, the lowest index on ties"
COUNTED = "argmax of the spikes of the last layer over all steps, the lowest index on ties"
OTHERWISE = "argmax over classes {}, the lowest index on ties"
ABOUT_TEXT = ("dataset", "accuracy_reference")
# Counts and words, the same in both arithmetics, are attributes; all other parameters are datasets.
SAID = {name: row for name, row in PARAMETERS.items() if row.form in ("steps", "bits", "choice", "switch")}
LATE = {name: row for name, row in SAID.items() if name in {field.name for field in fields(Shortcut)}}
# Of a convolution, where it has them.
RARE = ("groups", "dilation")
# Of a pool that has no short name.
WINDOWS = ("size", "stride", "padding")
STORED = {name: row for name, row in PARAMETERS.items() if name not in SAID}


def _places(row: NeuronParameter) -> tuple[str, ...]:
    """The datasets of a parameter; the k of a fraction that varies stands beside its m."""
    return row.name, f"{row.name}_float", *((f"{row.name}_k", f"{row.name}_m") if row.form == "fraction" else ())


def _synapses(
    *own: str, said: Mapping[str, NeuronParameter], datasets: dict[str, str], groups: dict[str, Vocabulary] | None = None,
    late: tuple[str, ...] = (),
) -> Vocabulary:  # fmt: skip
    """What a layer and a shortcut have in common, and its *own* attributes, those of version 2.0 *late*."""
    counts = {name: row.since for name, row in said.items()}
    weights = since_first("weight", "weight_float")
    windows = since_first("stride", "padding", "pool")
    windows |= dict.fromkeys((*RARE, *(f"pool_{name}" for name in WINDOWS), *late), "2.0")
    return Vocabulary(since_first(*own) | windows | counts, weights | datasets, groups or {})


def _recordings(groups: dict[str, Vocabulary] | None = None) -> Vocabulary:
    each = Vocabulary(since_first("neurons"), since_first("spikes", "potentials") | {"payload": "2.0"}, groups or {})
    return Vocabulary(groups={ANY: each})


SHORTCUT = _synapses("source", said=LATE, datasets=since_first("scale", "scale_float"))
CURRENTS = ("pool_currents", *(f"pool_currents_{name}" for name in WINDOWS))
LAYER = _synapses(
    "kind", "inputs", "shape", "weight_bits", "weight_scale", said=SAID,
    datasets={name: row.since for row in STORED.values() for name in _places(row)},
    groups={"shortcuts": Vocabulary(groups={ANY: SHORTCUT})}, late=CURRENTS,
)  # fmt: skip
STIMULUS = Vocabulary(groups={ANY: Vocabulary(since_first("neurons"), since_first("data") | {"payload": "2.0"})})
GOLDEN = Vocabulary(
    datasets=since_first("inputs", "labels") | {"answers": "2.0"},
    groups={"samples": _recordings(), "probes": _recordings({"stimulus": STIMULUS})},
)
NETWORK = Vocabulary(
    since_first("name", "timesteps", "dynamics", "reset", "compare", "decode", "arithmetic", "provenance", *ABOUT_TEXT)
    | {"answer": "2.0"},
    groups={
        "input": Vocabulary(since_first("encoding", "shape", "shape_axes", "mean", "std", "scale", "meaning")),
        "layers": Vocabulary(groups={ANY: LAYER}),
        "golden": GOLDEN,
    },
)


@save.register
def save_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write *network* with its golden samples and float twin."""
    with writing(path, "network", of_file(NETWORK)) as file:
        write_network(file, network)


def load_network(path: str | os.PathLike[str]) -> Network:
    """Read and check a network file; raises FileError with every problem."""
    with reading(path, "network", vocabulary=of_file(NETWORK)) as (_, root):
        network = read_network(root)
    assert network is not None
    return network


def write_network(root: h5py.Group, network: Network) -> None:
    root.attrs["name"] = network.name
    root.attrs["timesteps"] = network.timesteps
    root.attrs["dynamics"] = network.dynamics
    root.attrs["reset"] = network.reset
    root.attrs["compare"] = network.compare
    root.attrs["decode"] = _decode(network)
    if network.decode is not None:
        root.attrs["answer"] = network.decode
    root.attrs["arithmetic"] = "integer" if network.integer else "float32"
    for key in ABOUT_TEXT:
        if key in network.about:
            root.attrs[key] = network.about[key]
    root.attrs["provenance"] = json.dumps({k: v for k, v in network.about.items() if k not in ABOUT_TEXT}, sort_keys=True)
    _write_input(root.create_group("input"), network)
    layers = root.create_group("layers", track_order=True)
    twin = network if not network.integer else network.float_twin
    for index, layer in enumerate(network.layers):
        group = layers.create_group(layer.name, track_order=True)
        _write_layer(group, layer, layer if network.integer else None, twin.layers[index] if twin else None)
    if network.golden is not None:
        _write_golden(root.create_group("golden", track_order=True), network.golden)


def _write_input(group: h5py.Group, network: Network) -> None:
    spec = network.input
    group.attrs["encoding"] = spec.encoding
    group.attrs["shape"] = spec.shape
    group.attrs["shape_axes"] = "C, H, W"
    for key in ("mean", "std", "scale"):
        value = getattr(spec, key)
        if value is not None:
            group.attrs[key] = value
    group.attrs["meaning"] = (
        "integer network: pixel, or rint((pixel / 255 - mean) / std * scale) where mean and std are given; "
        "float network: pixel / 255, or (pixel / 255 - mean) / std"
    )


def _write_layer(group: h5py.Group, layer: Layer, exact: Layer | None, twin: Layer | None) -> None:
    group.attrs["kind"] = layer.kind
    if isinstance(layer, Conv):
        group.attrs["stride"] = layer.stride
        group.attrs["padding"] = layer.padding
    group.attrs.update(rare(layer))
    _write_pool(group, layer.pool)
    if after(layer):
        _write_pool(group, after(layer), "pool_currents")
    group.attrs["inputs"] = list(layer.inputs or ())
    group.attrs["shape"] = layer.shape
    group.attrs["weight_bits"] = layer.weight_bits
    if layer.weight_scale is not None:
        group.attrs["weight_scale"] = layer.weight_scale
    _write_synapses(group, exact, twin, layer.weight_axes)
    for source, suffix in ((exact, ""), (twin, "_float")):
        for row in STORED.values() if source else ():
            meaning = (row.in_floats if suffix else "") or row.meaning
            _write_parameter(group, row.name + suffix, row.of(source), row.unit, meaning)
    _write_said(group, layer, SAID)
    if layer.shortcuts:
        group.create_group("shortcuts", track_order=True)
    for index, shortcut in enumerate(layer.shortcuts):
        child = group["shortcuts"].create_group(str(index))
        child.attrs["source"] = shortcut.source
        child.attrs["stride"] = shortcut.stride
        child.attrs["padding"] = shortcut.padding
        child.attrs.update(rare(shortcut))
        _write_pool(child, shortcut.pool)
        _write_said(child, shortcut, LATE)
        pair = [None if x is None else x.shortcuts[index] for x in (exact, twin)]
        _write_synapses(child, pair[0], pair[1], _axes(shortcut))


def _write_pool(group: h5py.Group, pool: Pooling, place: str = "pool") -> None:
    group.attrs[place] = pool.kind if isinstance(pool, Pool) else pool or "none"
    for name in WINDOWS if isinstance(pool, Pool) else ():
        if getattr(pool, name) is not None:
            group.attrs[f"{place}_{name}"] = getattr(pool, name)


def _axes(shortcut: Shortcut) -> str:
    return Layer.weight_axes if shortcut.weight is not None and shortcut.weight.ndim == 2 else Conv.weight_axes


def _write_said(group: h5py.Group, link: Layer | Shortcut, said: Mapping[str, NeuronParameter]) -> None:
    for name, row in said.items():
        if row.of(link) is not None:
            group.attrs[name] = row.of(link)


def _write_parameter(group: h5py.Group, name: str, value: Any, units: str, meaning: str) -> None:
    """One number, one per channel or per neuron."""
    if isinstance(value, tuple) and np.ndim(value[0]):
        put(group, f"{name}_k", value[0], units, f"k of {meaning}; [C,1,1] or [C,H,W]")
        put(group, f"{name}_m", value[1], units, f"m of {meaning}")
    elif value is not None:
        put(group, name, value, units, meaning + ("; [C,1,1] or [C,H,W]" if isinstance(value, np.ndarray) else ""))


def _write_synapses(group: h5py.Group, exact: Layer | Shortcut | None, twin: Layer | Shortcut | None, axes: str) -> None:
    for source, suffix in ((exact, ""), (twin, "_float")):
        if source is None:
            continue
        if source.weight is not None:
            put(group, f"weight{suffix}", source.weight, "potential", f"synaptic weights {axes}")
        elif isinstance(source, Shortcut):
            put(group, f"scale{suffix}", source.scale, "potential", "weight of channel c to channel c, same pixel")


def _write_golden(group: h5py.Group, golden: Golden) -> None:
    put(group, "inputs", golden.images, "pixel", "images [N,C,H,W] or spikes [N,T,C,H,W] of the samples")
    if golden.labels is not None:
        put(group, "labels", golden.labels, "class", "labels [N]")
    if golden.answers is not None:
        put(group, "answers", golden.answers, "as compared", "[N,classes], what the program that made it answered itself")
    for name, recordings in (("samples", golden.samples), ("probes", golden.probes)):
        parent = group.create_group(name, track_order=True)
        for layer, recording in recordings.items():
            child = parent.create_group(layer)
            if recording.spikes is not None:
                child.attrs["neurons"] = recording.spikes.shape[2]
                meaning = "[N,T,ceil(neurons/8)], lowest bit first, order C,H,W"
                put(child, "spikes", packed(recording.spikes != 0), "spike", meaning)
                _write_payload(child, recording.spikes)
            if recording.potentials is not None:
                put(child, "potentials", recording.potentials, "potential", "[N,T,neurons] after the reset of each step")
    for layer, sources in golden.stimuli.items():
        parent = group["probes"][layer].create_group("stimulus")
        for source, data in sources.items():
            child = parent.create_group(source)
            is_image = data.ndim == 4
            child.attrs["neurons"] = data.shape[-1]
            meaning = "image [1,C,H,W]" if is_image else "spikes [1,T,ceil(neurons/8)], lowest bit first"
            put(child, "data", data if is_image else packed(data != 0), "pixel" if is_image else "spike", meaning)
            if not is_image:
                _write_payload(child, data)


def _write_payload(group: h5py.Group, spikes: np.ndarray) -> None:
    if spikes.dtype != bool:
        put(group, "payload", spikes[spikes != 0], "value", "what the spikes carry, in the order of their bits")


def _read_payload(group: Node, bits: np.ndarray, neurons: int) -> np.ndarray:
    """Spikes of packed *bits*, or what they carry."""
    fired = unpacked(bits, neurons)
    payload = group.array("payload", "if", 1) if "payload" in group else None
    if payload is None:
        return fired
    if len(payload) != fired.sum():
        group.say(f"dataset 'payload' holds {len(payload)} values; needed {fired.sum()}, one for each spike")
        return fired
    found = np.zeros(fired.shape, np.float32 if payload.dtype.kind == "f" else np.int64)
    found[fired] = payload
    return found


def read_network(root: Node) -> Network | None:
    """The network in an open file; None if problems were noted."""
    before = len(root.problems)
    name, timesteps, arithmetic = root.text("name", "network"), root.integer("timesteps"), root.text("arithmetic", "integer")
    integer = arithmetic == "integer"
    if arithmetic not in ("integer", "float32"):
        root.say(f"attribute 'arithmetic' is {arithmetic!r}; it must be 'integer' or 'float32'")
    spec, layers = root.child("input"), root.child("layers")
    if spec is None or layers is None:
        return None
    head: dict[str, Any] = {
        # Spikes may last as long as they do; an image is shown for so long.
        "timesteps": None if timesteps == 0 and spec.text("encoding") == "spikes" else timesteps,
        "input_shape": spec.numbers("shape") or (),
        "encoding": spec.text("encoding"),
        "mean": spec.numbers("mean"),
        "std": spec.numbers("std"),
        "input_scale": spec.number("scale", optional=True),
        "reset": root.text("reset"),
        "compare": root.text("compare"),
        "dynamics": root.text("dynamics", AT_ONCE),
        "decode": root.text("answer") if "answer" in root.group.attrs else None,
    }
    about = {k: _plain(root.group.attrs[k]) for k in ABOUT_TEXT if k in root.group.attrs}
    about |= root.json("provenance", {})
    groups = layers.children()
    main = [_read_layer(n, g, "" if integer else "_float") for n, g in groups.items()]
    has_twin = integer and any("weight_float" in g for g in groups.values())
    twin = [_read_layer(n, g, "_float") for n, g in groups.items()] if has_twin else []
    _refuse_unread(groups.values(), integer, has_twin)
    if len(root.problems) > before:
        # What is wrong for the integers may be wrong for the floats.
        root.problems[before:] = dict.fromkeys(root.problems[before:])
        return None
    try:
        network = Network.build(name, layers=[x for x in main if x], about=about, **head)
        if has_twin:
            # The grid of the pixels belongs to the integers.
            floats = head | {"input_scale": None}
            network = network.with_float_twin(Network.build(name, layers=[x for x in twin if x], about=about, **floats))
    except NetworkError as error:
        root.problems.extend(error.problems)
        return None
    _check_decode(root, network)
    golden = root.child("golden") if "golden" in root else None
    recorded = None if golden is None else _read_golden(golden, network)
    return None if len(root.problems) > before else network.with_golden(recorded)


def _refuse_unread(layers: Iterable[Node], integer: bool, has_twin: bool) -> None:
    """Note what is known, but has no place where it is."""
    for layer in layers:
        if layer.text("kind") in LAYER_KINDS.keys() - {"conv"}:
            layer.refuse(("stride", "padding", *RARE, *CURRENTS), "belongs to a convolution")
        shortcuts = layer.child("shortcuts") if "shortcuts" in layer else None
        below = shortcuts.children().values() if shortcuts else ()
        for group, vocabulary in ((layer, LAYER), *((shortcut, SHORTCUT) for shortcut in below)):
            floats = [name for name in vocabulary.datasets if name.endswith("_float")]
            if not integer:
                group.refuse(set(vocabulary.datasets) - set(floats), "belongs to an integer network, and this is a float one")
            elif not has_twin:
                group.refuse(floats, "belongs to a float twin, whose weights are missing")


def _check_decode(root: Node, network: Network) -> None:
    """A file that lost its last layers says otherwise."""
    decode, last = root.text("decode", _decode(network)), network.output
    if decode != _decode(network):
        does = "fires" if last.spiking else "never fires"
        does += "" if network.decode is None else f", and the network answers {network.decode!r}"
        root.say(f"attribute 'decode' is {decode!r}, but the last layer {last.name!r} {does}")


def _decode(network: Network) -> str:
    if network.decode is not None:
        return OTHERWISE.format(network.decoding.meaning)
    return COUNTED if network.output.spiking else DECODE


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else getattr(value, "item", lambda: value)()


def _read_layer(name: str, group: Node, suffix: str) -> Layer | None:
    kind = group.text("kind")
    if kind not in LAYER_KINDS:
        group.say(f"attribute 'kind' is {kind!r}; it must be one of {', '.join(LAYER_KINDS)}")
        return None
    kinds = "f" if suffix else "iu"
    weight = group.array(f"weight{suffix}", kinds, 4 if kind == "conv" else 2)
    inputs = group.group.attrs.get("inputs")
    options: dict[str, Any] = {}
    if kind == "conv":
        options = _read_windows(group) | {"pool_currents": _read_pool(group, "pool_currents")}
    for row in STORED.values():
        if row.required and kind != "output" and row.name + suffix not in group:
            group.say(f"dataset '{row.name}{suffix}' is missing")
    options |= {name: _read_parameter(group, row, suffix) for name, row in STORED.items()}
    options |= _read_said(group, SAID)
    shortcuts = []
    if "shortcuts" in group:
        found = group.child("shortcuts")
        shortcuts = [_read_shortcut(c, suffix) for c in found.children().values()] if found else []
    if weight is None:
        return None
    return LAYER_KINDS[kind](
        name, weight, pool=_read_pool(group), shortcuts=shortcuts,
        inputs=None if inputs is None else [_plain(x) for x in np.atleast_1d(inputs)],
        weight_bits=None if suffix else group.integer("weight_bits", None, optional=True),
        weight_scale=None if suffix else group.number("weight_scale", optional=True), **options,
    )  # fmt: skip


def _read_parameter(group: Node, row: NeuronParameter, suffix: str) -> Any:
    """As `Layer` takes it."""
    place = row.name + suffix
    if f"{place}_k" in group:
        group.refuse((place,), f"stands beside '{place}_k'")
        return group.array(f"{place}_k", "iu", 3), group.integer(f"{place}_m")
    group.refuse((f"{place}_m",), f"needs '{place}_k'")
    if place not in group:
        return None
    if row.form == "fraction" and not suffix:
        pair = group.array(place, "iu", 1)
        return None if pair is None else tuple(pair.tolist())
    return group.array(place, "f" if suffix else "iuf", 3) if group.dimensions(place) else group.number(place)


def _read_pair(group: Node, name: str, default: int, optional: bool = False) -> Any:
    """One integer, or two, down and across."""
    if np.ndim(group.group.attrs.get(name, default)) == 0:
        return group.integer(name, default, optional)
    return group.numbers(name)


def _read_shortcut(group: Node, suffix: str) -> Shortcut:
    place = f"weight{suffix}"
    weight = group.array(place, "f" if suffix else "iu", 2 if group.dimensions(place) == 2 else 4, optional=True)
    scale = group.number(f"scale{suffix}") if weight is None else None
    group.refuse(() if weight is None else (f"scale{suffix}",), "stands beside a weight")
    return Shortcut(
        source=group.text("source"), weight=weight, scale=scale, pool=_read_pool(group), **_read_windows(group),
        **_read_said(group, LATE),
    )  # fmt: skip


def _read_windows(group: Node) -> dict[str, Any]:
    """How a convolution moves."""
    found = {"stride": _read_pair(group, "stride", 1), "padding": _read_pair(group, "padding", 0)}
    dilation = _read_pair(group, "dilation", 1, optional=True)
    return found | {"dilation": dilation, "groups": group.integer("groups", 1, optional=True)}


def _read_said(group: Node, said: Mapping[str, NeuronParameter]) -> dict[str, Any]:
    """Words that the layer does not have keep what a layer has that does not say."""
    found = {name: row.default for name, row in said.items()}
    for name, row in said.items():
        if row.form in ("steps", "bits"):
            found[name] = group.integer(name, 0, optional=True)
        elif name in group.group.attrs:
            found[name] = group.text(name) if row.form == "choice" else _plain(group.group.attrs[name])
    return found


def _read_pool(group: Node, place: str = "pool") -> Any:
    pool, told = group.text(place, "none"), [f"{place}_{name}" for name in WINDOWS]
    if pool not in ("max", "avg", "sum"):
        group.refuse(told, "belongs to a pool 'max', 'avg' or 'sum'")
        return None if pool == "none" else pool
    size, stride, padding = (_read_pair(group, name, 0, optional=not name.endswith("size")) for name in told)
    return Pool(pool, size, stride if f"{place}_stride" in group.group.attrs else None, padding)  # type: ignore[arg-type]


def _read_golden(group: Node, network: Network) -> Golden | None:
    ndim = 4 if network.input.encoding == "direct" else 5
    kinds = "iub" if network.integer else "iubf"
    images, labels = group.array("inputs", kinds, ndim), group.array("labels", "iu", 1, optional=True)
    answers = group.array("answers", "iuf", 2, optional=True)
    samples, probes = group.child("samples"), group.child("probes")
    if images is None or samples is None or probes is None:
        return None
    try:
        spikes = network.input.encoding == "spikes"
        check_inputs(network, Inputs.from_frames(images, labels) if spikes else Inputs(images, labels))
    except InputsError as error:
        group.problems.extend(f"/golden: {p}" for p in error.problems)
        return None
    missing = [layer.name for layer in network.layers if layer.name not in samples]
    for name in missing:
        samples.say(f"group {name!r} is missing: nothing is recorded for that layer")
    known = {n: child for n, child in probes.children().items() if n in {layer.name for layer in network.layers}}
    steps = network.timesteps or images.shape[1]
    stimuli = {n: _read_stimuli(child, network, network.layer(n), steps) for n, child in known.items()}
    recorded = _read_recordings(samples, network, len(images), steps)
    return Golden(images, labels, recorded, stimuli, _read_recordings(probes, network, 1, steps), answers)


def _read_recordings(parent: Node, network: Network, count: int, steps: int) -> dict[str, LayerRecording]:
    recordings: dict[str, LayerRecording] = {}
    known = {layer.name: layer for layer in network.layers}
    for name, group in parent.children().items():
        if name not in known:
            group.say("no layer of that name")
            continue
        layer = known[name]
        bits = group.array("spikes", "u", 3) if layer.spiking else None
        group.refuse(() if layer.spiking else ("spikes",), "belongs to neurons that fire, and an output does not")
        potentials = group.array("potentials", "if", 3, optional=True)
        for array, last in ((bits, -(-layer.neurons // 8)), (potentials, layer.neurons)):
            if array is not None and array.shape != (count, steps, last):
                group.say(f"recorded shape {list(array.shape)}; needed [{count}, {steps}, {last}]")
                return recordings
        spikes = None if bits is None else _read_payload(group, bits, layer.neurons)
        recordings[name] = LayerRecording(spikes, potentials)
    return recordings


def _read_stimuli(group: Node, network: Network, layer: Layer, steps: int) -> dict[str, np.ndarray]:
    """What drives a probe: an image or spikes for each of the layer's sources."""
    parent = group.child("stimulus")
    found: dict[str, np.ndarray] = {}
    if parent:
        parent.refuse_others(layer.sources, "source")
    for source in dict.fromkeys(layer.sources) if parent else ():
        assert parent is not None
        child = parent.child(source)
        data = None if child is None else _read_stimulus(child, network, source, steps)
        if data is not None:
            found[source] = data
    return found


def _read_stimulus(group: Node, network: Network, source: str, steps: int) -> np.ndarray | None:
    shape = network.shape_of(source)
    if source == INPUT and network.input.encoding == "direct":
        data = group.array("data", "iu" if network.integer else "iuf", 4)
        needed: tuple[int, ...] = (1, *shape)
    else:
        data = group.array("data", "u", 3)
        needed = (1, steps, -(-math.prod(shape) // 8))
    if data is not None and data.shape != needed:
        group.say(f"dataset 'data' has shape {list(data.shape)}; needed {list(needed)}")
        return None
    return data if data is None or data.ndim == 4 else _read_payload(group, data, math.prod(shape))
