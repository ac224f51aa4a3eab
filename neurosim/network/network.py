"""The network: what is computed, independent of any hardware."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from neurosim import saving
from neurosim.errors import NetworkError
from neurosim.network.checks import Checker, checked_input, wired
from neurosim.network.golden import Golden
from neurosim.network.layers import INPUT, Conv, InputSpec, Layer, Parameter, Shape, Shortcut

Dynamics = Literal["leak, integrate, compare, reset", "leak, integrate, reset, compare"]
# Reset in the step of the spike (V1), or in the step after it, when that has leaked and integrated.
AT_ONCE: Dynamics = "leak, integrate, compare, reset"
NEXT_STEP: Dynamics = "leak, integrate, reset, compare"


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in the order they are computed within one time step; a spike crosses all of them in that step.

    Use `Network.build`, which checks everything; the constructor trusts its arguments. *timesteps* is 0 where the inputs,
    spikes, say how many there are. *dynamics*: whether a spike resets its neuron in its own step, or in the next one.
    *float_twin* is the float network an integer one was quantised from.
    """

    name: str
    timesteps: int
    input: InputSpec
    layers: tuple[Layer, ...]
    reset: Literal["subtract", "zero"] = "subtract"
    compare: Literal[">", ">="] = ">"
    dynamics: Dynamics = AT_ONCE
    golden: Golden | None = None
    float_twin: Network | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        name: str,
        *,
        timesteps: int | None,
        input_shape: Sequence[int],
        layers: Sequence[Layer],
        encoding: Literal["direct", "spikes"] = "direct",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_scale: float | None = None,
        reset: Literal["subtract", "zero"] = "subtract",
        compare: Literal[">", ">="] = ">",
        dynamics: Dynamics = AT_ONCE,
        about: dict[str, Any] | None = None,
    ) -> Network:
        """A checked network. All-integer weights make an integer network, float weights a float32 one. *timesteps* may be
        None for a network that takes spikes: it then runs for as many steps as its inputs have. The last layer is an Output,
        or spikes: then its spikes are counted.

        Raises NetworkError with every problem found.
        """
        problems: list[str] = []
        spec = checked_input(input_shape, encoding, mean, std, input_scale, problems)
        if timesteps is None and encoding == "direct":
            problems.append("timesteps is missing; a network that is shown images must say for how long")
        if timesteps is not None and (not isinstance(timesteps, int | np.integer) or timesteps < 1):
            problems.append(f"timesteps is {timesteps!r}; it must be an integer of at least 1")
        if reset not in ("subtract", "zero"):
            problems.append(f"reset is {reset!r}; it must be 'subtract' or 'zero'")
        if compare not in (">", ">="):
            problems.append(f"compare is {compare!r}; it must be '>' or '>='")
        if dynamics not in (AT_ONCE, NEXT_STEP):
            problems.append(f"dynamics is {dynamics!r}; it must be {AT_ONCE!r} or {NEXT_STEP!r}")
        linked = wired(layers, problems)
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        checked = Checker(spec, problems).layers(linked)
        if reset == "subtract":
            resting = [layer.name for layer in checked if layer.rest is not None]
            problems += [f"layer {name!r} has a rest, which needs reset = 'zero'" for name in resting]
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        return cls(str(name), int(timesteps or 0), spec, checked, reset, compare, dynamics, about=dict(about or {}))

    def __repr__(self) -> str:
        steps = f"{self.timesteps} steps" if self.timesteps else "as many steps as its inputs"
        return f"<Network {self.name!r}: {len(self.layers)} layers, {self.synapses} weights, {steps}>"

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
        """Hash of everything that decides the spikes that follow from an input: shapes, dynamics, weights, thresholds, leaks,
        and for how long an image is shown; not the name."""
        digest = hashlib.sha256()
        steps = self.timesteps if self.input.encoding == "direct" else 0
        head = (steps, self.input.shape, self.input.encoding, self.input.mean, self.input.std, self.input.scale)
        # What is as it was before it could be otherwise has no entry: such networks keep their hashes, which files record.
        late = [] if self.dynamics == AT_ONCE else [self.dynamics]
        digest.update(repr((head, self.reset, self.compare, self.integer, *late)).encode())
        for layer in self.layers:
            extra = (layer.bias, layer.rest, layer.current_leak, layer.delay or None)
            parts: list[Any] = [layer.kind, layer.name, layer.shape, layer.pool, _plain(layer.threshold), _plain(layer.leak)]
            parts += [layer.weight_bits]
            parts += [layer.inputs, (layer.stride, layer.padding) if isinstance(layer, Conv) else None]
            parts += [_plain(value) for value in extra] if any(value is not None for value in extra) else []
            parts += [(s.source, s.scale, s.stride, s.padding, *_unusual(s)) for s in layer.shortcuts]
            digest.update(repr(parts).encode())
            for array in (layer.weight, *(s.weight for s in layer.shortcuts if s.weight is not None)):
                digest.update(array.tobytes())
        return digest.hexdigest()

    def over(self, steps: int) -> Network:
        """The same network for so many *steps* of spikes; images are shown for as long as the network says."""
        if self.input.encoding == "direct" or self.timesteps == steps:
            return self
        return replace(self, timesteps=steps, float_twin=self.float_twin and self.float_twin.over(steps))

    def with_golden(self, golden: Golden | None) -> Network:
        return replace(self, golden=golden)

    def with_float_twin(self, twin: Network) -> Network:
        return replace(self, float_twin=twin)

    def save(self, path: str) -> None:
        """Write the network file (HDF5, see README)."""
        saving.save(self, path)


def _plain(value: Parameter | tuple[Parameter, int] | None) -> Any:
    """A parameter as something whose text says all of it."""
    if isinstance(value, tuple):
        return (_plain(value[0]), value[1])
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def _unusual(shortcut: Shortcut) -> list[Any]:
    """What few shortcuts have."""
    return [value for value in (shortcut.pool, shortcut.delay) if value]
