"""The network: what is computed, independent of any hardware."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from neurosim.checks import Checker, checked_input, wired
from neurosim.errors import NetworkError
from neurosim.layers import INPUT, Conv, InputSpec, Layer, Shape


@dataclass(frozen=True, eq=False)
class Recording:
    """What a layer did when a network was recorded elsewhere.

    spikes: bool [N, T, neurons] (None for the output layer); potentials: [N, T, neurons], int32 or float32, after the
    reset of each step. Neurons are flattened as C, H, W.
    """

    spikes: np.ndarray | None
    potentials: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Golden:
    """Reference behaviour recorded by the program that made the network, so that a simulator can be held to it.

    *samples* is the whole network on *images* (integers [N, C, H, W], or 0/1 [N, T, C, H, W]). *probes* drives each layer
    alone with the patterns in *stimuli[layer][source]* (bool [1, T, neurons]; for an image input, integers
    [1, C, H, W]), dense enough that every synapse is exercised.
    """

    images: np.ndarray
    labels: np.ndarray | None
    samples: dict[str, Recording]
    stimuli: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    probes: dict[str, Recording] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in the order they are computed within one time step; a spike crosses all of them in that step.

    Use `Network.build`, which checks everything; the constructor trusts its arguments. *float_twin* is the float network an
    integer one was quantised from.
    """

    name: str
    timesteps: int
    input: InputSpec
    layers: tuple[Layer, ...]
    reset: Literal["subtract", "zero"] = "subtract"
    compare: Literal[">", ">="] = ">"
    golden: Golden | None = None
    float_twin: Network | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        name: str,
        *,
        timesteps: int,
        input_shape: Sequence[int],
        layers: Sequence[Layer],
        encoding: Literal["direct", "spikes"] = "direct",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_scale: float | None = None,
        reset: Literal["subtract", "zero"] = "subtract",
        compare: Literal[">", ">="] = ">",
        about: dict[str, Any] | None = None,
    ) -> Network:
        """A checked network. All-integer weights make an integer network, float weights a float32 one.

        Raises NetworkError with every problem found.
        """
        problems: list[str] = []
        spec = checked_input(input_shape, encoding, mean, std, input_scale, problems)
        if not isinstance(timesteps, int | np.integer) or timesteps < 1:
            problems.append(f"timesteps is {timesteps!r}; it must be an integer of at least 1")
        if reset not in ("subtract", "zero"):
            problems.append(f"reset is {reset!r}; it must be 'subtract' or 'zero'")
        if compare not in (">", ">="):
            problems.append(f"compare is {compare!r}; it must be '>' or '>='")
        linked = wired(layers, problems)
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        checked = Checker(spec, problems).layers(linked)
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        return cls(str(name), int(timesteps), spec, checked, reset, compare, about=dict(about or {}))

    def __repr__(self) -> str:
        return f"<Network {self.name!r}: {len(self.layers)} layers, {self.synapses} weights, {self.timesteps} steps>"

    @property
    def integer(self) -> bool:
        """True for an integer network, False for a float32 one."""
        return self.layers[0].weight.dtype.kind == "i"

    @property
    def output(self) -> Layer:
        return self.layers[-1]

    @property
    def classes(self) -> int:
        return self.output.neurons

    @property
    def synapses(self) -> int:
        """Stored weights (shared convolution kernels counted once)."""
        own = sum(layer.weight.size for layer in self.layers)
        return own + sum(s.weight.size for layer in self.layers for s in layer.shortcuts if s.weight is not None)

    def layer(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise NetworkError(f"network {self.name!r}", [f"no layer {name!r}; it has {', '.join(x.name for x in self.layers)}"])

    def fed_by_image(self, layer: Layer) -> bool:
        """Whether an image is among the main inputs of *layer*."""
        return self.input.encoding == "direct" and INPUT in (layer.inputs or ())

    def shape_of(self, source: str) -> Shape:
        """[C, H, W] of a layer, or of the input."""
        return self.input.shape if source == INPUT else self.layer(source).shape

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides the spikes: shapes, dynamics, weights, thresholds and leaks, not the name."""
        digest = hashlib.sha256()
        head = (self.timesteps, self.input.shape, self.input.encoding, self.input.mean, self.input.std, self.input.scale)
        digest.update(repr((head, self.reset, self.compare, self.integer)).encode())
        for layer in self.layers:
            parts: list[Any] = [layer.kind, layer.name, layer.shape, layer.pool, layer.threshold, layer.leak, layer.weight_bits]
            parts += [layer.inputs, (layer.stride, layer.padding) if isinstance(layer, Conv) else None]
            # No pool, no entry: networks from before shortcuts had pools keep their hashes, which files record.
            parts += [(s.source, s.scale, s.stride, s.padding, *([s.pool] if s.pool else [])) for s in layer.shortcuts]
            digest.update(repr(parts).encode())
            for array in (layer.weight, *(s.weight for s in layer.shortcuts if s.weight is not None)):
                digest.update(array.tobytes())
        return digest.hexdigest()

    def with_golden(self, golden: Golden | None) -> Network:
        return replace(self, golden=golden)

    def with_float_twin(self, twin: Network) -> Network:
        return replace(self, float_twin=twin)

    def save(self, path: str) -> None:
        """Write the network file (HDF5, see README)."""
        from neurosim.io.network_file import save_network

        save_network(self, path)
