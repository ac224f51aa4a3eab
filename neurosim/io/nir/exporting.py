"""Networks as NIR files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from neurosim.errors import NetworkError, NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.io.nir import linear
from neurosim.io.nir.linear import Convolution, Kernel
from neurosim.io.nir.linear_nodes import Dims
from neurosim.network.layers import (
    INPUT,
    NEXT_STEP,
    Conv,
    Layer,
    Leak,
    Pooling,
    Shape,
    Shortcut,
    after,
    pair,
    pool_axes,
    pool_kind,
    pooled,
)
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS

VERSION = "1.0.8"
Fields = dict[str, Any]


def save_nir(network: Network, path: str | os.PathLike[str], dt: float) -> list[str]:
    """Write *network* as a NIR graph whose equations, in steps of *dt* (s), are its own; returns what NIR cannot say of it.

    Raises NetworkError with everything that has no node in NIR.
    """
    if not (isinstance(dt, int | float | np.number) and 0 < dt < math.inf):
        raise NeurosimError(f"dt is {dt!r}; it must be a positive number of seconds")
    made = _Exporter(network, float(dt))
    made.graph()
    if made.problems:
        raise NetworkError(f"network {network.name!r} as NIR", made.problems)
    lost = losses(network, dt)
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        _text(file, "version", VERSION)
        top = file.create_group("node")
        _text(top, "type", "NIRGraph")
        top.create_dataset("edges", data=made.edges, dtype=h5py.string_dtype(), track_times=False)
        nodes = top.create_group("nodes", track_order=True)
        for name, fields in made.nodes.items():
            _write_node(nodes.create_group(name), fields)
        told = {
            "dt_s": dt, "reset": network.reset, "compare": network.compare, "dynamics": network.dynamics, "lost": lost,
            "timesteps": network.timesteps or None, "encoding": network.input.encoding, "integer": network.integer,
        }  # fmt: skip
        _text(top.create_group("metadata"), "neurosim", json.dumps(told, sort_keys=True))
    return lost


def losses(network: Network, dt: float) -> list[str]:
    """What a NIR file cannot say of the network."""
    found = [f"that time passes in steps (of {dt:g} s, by forward Euler), and that a spike crosses all layers within one"]
    spiking = [layer for layer in network.layers if layer.spiking]
    if spiking and network.reset == "subtract":
        found.append("that a spike subtracts the threshold: v_reset is written as 0, and NIR's equations reset to it")
    if spiking and network.compare == ">=":
        found.append("that a neuron fires at its threshold (>=): in NIR it fires above it")
    if spiking and network.dynamics == NEXT_STEP:
        found.append("that a spike resets its neuron in the next step: in NIR it does so at once")
    if network.integer:
        found.append("that the arithmetic is that of integers, and how many bits they have: values are written as float64")
    fractions = [row for row in PARAMETERS.values() if row.form == "fraction"]
    if network.integer and any(row.of(layer) is not None for row in fractions for layer in network.layers):
        found.append("that leaks round down: in NIR potentials are real numbers")
    if network.input.encoding == "direct":
        found.append("that the input is an image shown at every step" + (", normalised" if network.input.mean else ""))
    if network.timesteps:
        found.append(f"for how many steps it runs ({network.timesteps})")
    if network.golden is not None:
        found.append("the golden samples, by which a simulator is verified")
    if network.float_twin is not None:
        found.append("the float network that it was quantised from")
    late = sum(s.source == layer.name and s.delay == 1 for layer in network.layers for s in layer.shortcuts)
    if late:
        found.append(f"that {late} connections of layers to themselves take one step: they are cycles without a Delay")
    found.append(f"how the answer is read: the largest {network.decoding.meaning}")
    return found


class _Exporter:
    def __init__(self, network: Network, dt: float):
        self.network, self.dt = network, dt
        self.nodes: dict[str, Fields] = {}
        self.edges: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self.where = ""

    def graph(self) -> None:
        self.nodes[INPUT] = {"type": "Input", "shape": np.array(dims(self.network.input.shape))}
        for layer in self.network.layers:
            self.nodes[layer.name] = {}
        for layer in self.network.layers:
            self.where = f"layer {layer.name!r}"
            self._layer(layer)
        last = self.network.output
        self._node("output", {"type": "Output", "shape": np.array(dims(last.shape))}, [last.name])

    def _say(self, message: str) -> None:
        self.problems.append(f"{self.where}: {message}")

    def _layer(self, layer: Layer) -> None:
        for row in PARAMETERS.values():
            if not row.nir and row.of(layer) is not None:
                self._say(f"it has {row.noun}, which no node of NIR can hold")
        bias = None if layer.bias is None else np.broadcast_to(layer.bias, layer.landing).astype(np.float64)
        pull: np.ndarray | None = None
        if bias is not None and layer.weight.ndim == 4 and not linear.even(bias):
            pull, bias = self._pull(layer, bias), None
        self.nodes[layer.name] = self._neurons(layer, pull)
        ends = [self._synapses(layer, layer, list(layer.inputs or ()), bias)]
        ends += [self._synapses(layer, s, [s.source], None) for s in layer.shortcuts]
        if pool_kind(after(layer)) == "max":
            self._say("it integrates the largest of its currents, for which NIR has no node")
        elif after(layer):
            ends = [self._node(f"{layer.name}.currents", _pool(after(layer)), ends)]
        self.edges += [(end, layer.name) for end in ends]

    def _pull(self, layer: Layer, bias: np.ndarray) -> np.ndarray | None:
        """The v_leak that drives each neuron as its bias does."""
        leak = self._factor(layer.leak, layer.shape)
        if layer.current_leak is None and np.all(leak < 1) and not after(layer):
            pull: np.ndarray = bias / (1 - leak)
            return pull
        self._say("its bias differs within a channel; only a v_leak could say so, which needs a leak and no synaptic current")
        return None

    def _factor(self, leak: Leak, shape: Shape) -> np.ndarray:
        value: Any = 1.0 if leak is None else leak[0] / 2 ** leak[1] if isinstance(leak, tuple) else leak
        return np.broadcast_to(np.asarray(value, np.float64), shape)

    def _neurons(self, layer: Layer, pull: np.ndarray | None) -> Fields:
        shape = layer.shape
        leak, kind = self._factor(layer.leak, shape), "IF" if layer.spiking else "I"
        ones = np.ones(shape)
        found: Fields = {"r": ones / self.dt}
        if layer.leak is not None or layer.current_leak is not None:
            kind = "LIF" if layer.spiking else "LI"
            with np.errstate(divide="ignore"):
                tau = self.dt / (1 - leak)
            if not np.isfinite(tau).all():
                self._say("potentials that do not leak stand beside some that do, or a current; NIR has no node for that")
            found = {"tau": tau, "r": tau / self.dt, "v_leak": ones * 0 if pull is None else pull}
        if layer.current_leak is not None:
            kind = f"Cuba{kind}"
            current = self._factor(layer.current_leak, shape)
            if np.any(current == 1):
                self._say("its synaptic current never fades, for which NIR has no time constant")
            with np.errstate(divide="ignore"):
                syn = self.dt / (1 - current)
            found = {"tau_syn": syn, "tau_mem": found.pop("tau"), **found, "w_in": syn / self.dt}
        if layer.spiking:
            found["v_threshold"] = ones * np.asarray(layer.threshold)
            found["v_reset"] = ones * np.asarray(0.0 if layer.rest is None else layer.rest)
        return {"type": kind} | {k: v.reshape(dims(shape)) for k, v in found.items()}

    def _synapses(self, layer: Layer, link: Layer | Shortcut, sources: list[str], bias: np.ndarray | None) -> str:
        """Nodes from *sources* to the layer; the name of the last."""
        shape, label = self.network.shape_of(sources[0]), f"{layer.name}.{'in' if link is layer else sources[0]}"
        ends, flat = sources, len(dims(shape)) == 1
        own = isinstance(link, Shortcut) and link.source == layer.name
        if link.delay and not (own and link.delay == 1):
            late = np.full(dims(shape), link.delay * self.dt)
            ends = [self._node(f"{label}.delay", {"type": "Delay", "delay": late}, ends)]
        if pool_kind(link.pool) == "max":
            self._say(f"max pooling of {', '.join(sources)} has no node in NIR")
        elif link.pool and flat:
            self._say(f"windows around the single pixels of {', '.join(sources)} have no node in NIR")
        elif link.pool:
            shape, ends = pooled(shape, link.pool), [self._node(f"{label}.pool", _pool(link.pool), ends)]
            flat = False
        weight = link.weight
        if weight is None:
            assert isinstance(link, Shortcut)
            found = {"type": "Scale", "scale": np.full(dims(shape) if flat else shape, float(link.scale or 0))}
            end = self._node(f"{label}.scale", found, ends)
            return end if flat or len(dims(layer.landing)) == 3 else self._flattened(label, shape, [end])
        if weight.ndim == 2:
            ends = ends if flat else [self._flattened(label, shape, ends)]
            return self._matrix(label, weight, bias, ends)
        assert isinstance(link, Conv | Shortcut)
        return self._convolution(layer=layer, link=link, label=label, shape=shape, flat=flat, bias=bias, ends=ends)

    def _convolution(
        self, layer: Layer, link: Conv | Shortcut, label: str, shape: Shape, flat: bool, bias: np.ndarray | None,
        ends: Sequence[str],
    ) -> str:  # fmt: skip
        assert link.weight is not None
        kernel = Kernel(
            link.weight.astype(np.float64), pair(link.stride), pair(link.padding), pair(link.dilation), link.groups
        )
        narrow = len(dims(layer.landing)) == 1
        if flat and narrow:
            return self._matrix(label, linear.dense(Convolution(shape, kernel)), bias, ends)
        if flat:
            self._say("a convolution of single pixels makes a map of them; NIR has no node that makes a map of a vector")
        fields: Fields = {
            "type": "Conv2d", "input_shape": np.array(shape[1:]), "weight": kernel.weight, "stride": np.array(kernel.stride),
            "padding": np.array(kernel.padding), "dilation": np.array(kernel.dilation), "groups": kernel.groups,
        }  # fmt: skip
        fields["bias"] = np.zeros(len(kernel.weight)) if bias is None else np.ascontiguousarray(bias[:, 0, 0])
        end = self._node(f"{label}.conv", fields, ends)
        return self._flattened(label, layer.landing, [end]) if narrow else end

    def _matrix(self, label: str, weight: np.ndarray, bias: np.ndarray | None, ends: Sequence[str]) -> str:
        fields: Fields = {"type": "Linear", "weight": weight.astype(np.float64)}
        if bias is not None:
            fields |= {"type": "Affine", "bias": np.ascontiguousarray(bias.ravel())}
        return self._node(f"{label}.weight", fields, ends)

    def _flattened(self, label: str, shape: Shape, ends: Sequence[str]) -> str:
        fields = {"type": "Flatten", "start_dim": 0, "end_dim": -1, "input_type": np.array(shape)}
        return self._node(f"{label}.flatten", fields, ends)

    def _node(self, name: str, fields: Fields, sources: Sequence[str]) -> str:
        """Add a node that *sources* lead to; its name."""
        while name in self.nodes:
            name += "_"
        self.nodes[name] = fields
        self.edges += [(source, name) for source in sources]
        return name


def dims(shape: Shape) -> Dims:
    """As NIR has it: [N] where the map is a single pixel."""
    return shape if shape[1:] != (1, 1) else shape[:1]


def _pool(pool: Pooling) -> Fields:
    moves = pool_axes(pool)
    size, stride, padding = (np.array([getattr(axis, name) for axis in moves]) for name in ("kernel", "stride", "padding"))
    kind = "AvgPool2d" if pool_kind(pool) == "avg" else "SumPool2d"
    return {"type": kind, "kernel_size": size, "stride": stride, "padding": padding}


def _write_node(group: h5py.Group, fields: Fields) -> None:
    for name, value in fields.items():
        if isinstance(value, str):
            _text(group, name, value)
        else:
            packed = {} if np.size(value) < 64 else {"compression": "gzip", "shuffle": True}
            group.create_dataset(name, data=value, track_times=False, **packed)


def _text(group: h5py.Group, name: str, value: str) -> None:
    group.create_dataset(name, data=value, dtype=h5py.string_dtype(), track_times=False)
