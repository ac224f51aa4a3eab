"""The network: what is computed, independent of any hardware."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from neurosim import saving
from neurosim.errors import NetworkError
from neurosim.network.checks import as_array, checked_input, checked_layers, crooked, wired
from neurosim.network.decode import Decoding, canonical, decoding
from neurosim.network.golden import Golden
from neurosim.network.layers import AT_ONCE, INPUT, NEXT_STEP, Conv, Dynamics, InputSpec, Layer, Shape, Shortcut, after, rare
from neurosim.network.neuron import hash_parts

# What a network says of all its neurons.
CHOICES = {"reset": ("subtract", "zero"), "compare": (">", ">="), "dynamics": (AT_ONCE, NEXT_STEP)}
# What stays of `Network.about` when the network becomes another.
LASTING = ("dataset",)


class Sound(NamedTuple):
    """What was checked together. Two layers, recordings or networks are equal only if they are the same."""

    decisive: tuple[Any, ...]
    golden: Golden | None = None
    float_twin: Network | None = None
    about: dict[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in the order they are computed within one time step; a spike crosses all of them in that step.

    Use `Network.build`, which checks everything and finds out shapes. A network that `dataclasses.replace` makes of another is
    as good as one that `build` makes, or refused with a NetworkError: layers that are new are checked again. Where what decides
    the spikes is new (layers, rules, input, timesteps of images), the golden samples and the float twin of before are refused,
    and of *about* only the dataset stays; what is given with the change is kept. *timesteps* is 0 where the inputs, spikes, say
    how many there are. *dynamics*: whether a spike resets its neuron in its own step, or in the next one. *float_twin* is the
    float network an integer one was quantised from. *decode*: how it answers, None for the spikes of a
    last layer that fires and the last potentials of another. *sound*: what was checked together.
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
    decode: str | None = field(default=None, kw_only=True)
    sound: Sound | None = field(default=None, kw_only=True, repr=False)

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
        decode: str | None = None,
        about: dict[str, Any] | None = None,
    ) -> Network:
        """A checked network. All-integer weights make an integer network, float weights a float32 one. *timesteps* may be
        None for a network that takes spikes: it then runs for as many steps as its inputs have. The last layer is an Output,
        or spikes: then its spikes are counted. *decode*: "potential" (after the last step), "spikes", "max-potential",
        "mean-potential" (over all steps), or "votes:K", K neighbouring neurons a class.

        Raises NetworkError with every problem found.
        """
        problems: list[str] = []
        spec = checked_input(input_shape, encoding, mean, std, input_scale, problems)
        problems += _rule_problems(timesteps, encoding, {"reset": reset, "compare": compare, "dynamics": dynamics})
        linked = wired(layers, problems)
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        checked = checked_layers(spec, linked, {"reset": reset, "compare": compare, "order": dynamics}, problems)
        if problems:
            raise NetworkError(f"network {name!r}", problems)
        try:
            answer = canonical(decode, checked[-1])
        except ValueError as error:
            raise NetworkError(f"network {name!r}", [str(error)]) from None
        steps = int(timesteps or 0)
        known = dict(about or {})
        decisive = (steps, spec, checked, reset, compare, dynamics)
        sound = Sound(_exactly(*decisive, answer), about=known)
        return cls(str(name), *decisive, about=known, decode=answer, sound=sound)

    def __post_init__(self) -> None:
        """However a network is made, by `dataclasses.replace` too: what was not checked together is checked, once."""
        self._refuse(self._strangers())
        if isinstance(self.layers, list):
            object.__setattr__(self, "layers", tuple(self.layers))
        before, now = self.sound, self._sound()
        if before is not None and before[:-1] == now[:-1] and before.about is self.about:
            return
        another = before if before is not None and self._is_another(before) else None
        if before is None or before.decisive != now.decisive:
            self._rebuild(before)
        self._refuse([*self._golden_problems(another), *self._twin_problems(another)])
        if another is not None and another.about is self.about:
            object.__setattr__(self, "about", {key: self.about[key] for key in LASTING if key in self.about})
        object.__setattr__(self, "sound", self._sound())

    def _refuse(self, problems: list[str]) -> None:
        if problems:
            raise NetworkError(f"network {self.name!r}", problems)

    def _strangers(self) -> list[str]:
        """What is something else altogether."""
        parts = (("input", self.input, InputSpec, "an InputSpec"), ("golden", self.golden, Golden | None, "Golden or None"))
        return [f"{name} is {part!r:.60}; it must be {what}" for name, part, kind, what in parts if not isinstance(part, kind)]

    def _rebuild(self, before: Sound | None) -> None:
        """Check everything that decides the spikes, and take its canonical form."""
        self._refuse([] if before is None else _floats_among_integers(before, self.layers))
        spec = self.input
        endless = spec.encoding == "spikes" and type(self.timesteps) is int and self.timesteps == 0
        built = Network.build(
            self.name, timesteps=None if endless else self.timesteps, input_shape=spec.shape, encoding=spec.encoding,
            mean=spec.mean, std=spec.std, input_scale=spec.scale, layers=self.layers, reset=self.reset, compare=self.compare,
            dynamics=self.dynamics, decode=self.decode,
        )  # fmt: skip
        for name in ("timesteps", "input", "layers", "decode"):
            object.__setattr__(self, name, getattr(built, name))

    @property
    def _decisive(self) -> tuple[Any, ...]:
        """What has to fit together."""
        return self.timesteps, self.input, self.layers, self.reset, self.compare, self.dynamics, self.decode

    def _sound(self) -> Sound:
        return Sound(_exactly(*self._decisive), self.golden, self.float_twin, self.about)

    def _is_another(self, before: Sound) -> bool:
        """Whether other spikes may follow from the same input; spikes may last as long as they do."""
        first = 0 if self.input.encoding == "direct" else 2
        return before.decisive[first:] != self._sound().decisive[first:]

    def _golden_problems(self, another: Sound | None) -> list[str]:
        """What is wrong with the golden samples; *another*: what was sound together before the network became another one."""
        if self.golden is None:
            return []
        problems = self.golden.problems(self.layers, self.input.shape, self.steps_shown, self.classes)
        if not problems and another is not None and another.golden is self.golden:
            return ["its golden samples record the network of before the change; leave them out with golden=None"]
        return problems

    def _twin_problems(self, another: Sound | None) -> list[str]:
        twin, leave = self.float_twin, "leave it out with float_twin=None"
        if twin is None:
            return []
        if not isinstance(twin, Network) or twin.integer or not self.integer:
            return [f"its float twin must be a float network, and it an integer one; {leave}"]
        if _outline(twin) != _outline(self):
            return [f"its float twin has other layers, rules or timesteps; {leave}"]
        if another is not None and another.float_twin is twin:
            return [f"its float twin is that of the network before the change; {leave}"]
        return []

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
    def decoding(self) -> Decoding:
        """How it answers."""
        return decoding(self.decode, self.output)

    @property
    def classes(self) -> int:
        return self.output.neurons // self.decoding.votes

    @property
    def synapses(self) -> int:
        """Stored weights (shared convolution kernels counted once)."""
        own = sum(layer.weight.size for layer in self.layers)
        return own + sum(s.weight.size for layer in self.layers for s in layer.shortcuts if s.weight is not None)

    def layer(self, name: str) -> Layer:
        if name in self._by_name:
            return self._by_name[name]
        raise NetworkError(f"network {self.name!r}", [f"no layer {name!r}; it has {', '.join(x.name for x in self.layers)}"])

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @property
    def steps_shown(self) -> int:
        """For how many steps an image is shown; 0 of a network that takes spikes, which runs for as long as they last."""
        return self.timesteps if self.input.encoding == "direct" else 0

    def fed_by_image(self, layer: Layer) -> bool:
        """Whether an image is among the main inputs of *layer*."""
        return self.input.encoding == "direct" and INPUT in (layer.inputs or ())

    def reset_of(self, layer: Layer) -> str:
        """What a spike does to its potential in *layer*: subtract, zero or none."""
        return layer.reset or self.reset

    def compare_of(self, layer: Layer) -> str:
        """> or >=."""
        return layer.compare or self.compare

    def order_of(self, layer: Layer) -> Dynamics:
        """The order of what happens in a step of *layer*: `AT_ONCE` or `NEXT_STEP`."""
        return layer.order or self.dynamics

    def shape_of(self, source: str) -> Shape:
        """[C, H, W] of a layer, or of the input."""
        return self.input.shape if source == INPUT else self.layer(source).shape

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides the spikes that follow from an input: shapes, dynamics, weights, thresholds, leaks,
        for how long an image is shown, and how the answer is read; not the name."""
        digest = hashlib.sha256()
        head = (self.steps_shown, self.input.shape, self.input.encoding, self.input.mean, self.input.std, self.input.scale)
        # What is as it was before it could be otherwise has no entry: such networks keep their hashes, which files record.
        late = [*([] if self.dynamics == AT_ONCE else [self.dynamics]), *([self.decode] if self.decode else [])]
        digest.update(repr((head, self.reset, self.compare, self.integer, *late)).encode())
        for layer in self.layers:
            parts = [layer.kind, layer.name, layer.shape, layer.pool, *hash_parts(layer, "always"), layer.weight_bits]
            parts += [layer.inputs, (layer.stride, layer.padding) if isinstance(layer, Conv) else None]
            parts += [*hash_parts(layer, "together"), *hash_parts(layer, "by name"), *rare(layer)]
            parts += [("pool_currents", after(layer))] if after(layer) else []
            parts += [(s.source, s.scale, s.stride, s.padding, *_unusual(s)) for s in layer.shortcuts]
            digest.update(repr(parts).encode())
            for array in (layer.weight, *(s.weight for s in layer.shortcuts if s.weight is not None)):
                digest.update(array.tobytes())
        return digest.hexdigest()

    def over(self, steps: int, valued: bool = False) -> Network:
        """The same network for so many *steps* of spikes, or *valued*, of frames; images are shown for as long as the network
        says."""
        if self.input.encoding == "direct" or (self.timesteps, self.input.valued) == (steps, valued):
            return self
        twin, spec = self.float_twin and self.float_twin.over(steps, valued), replace(self.input, valued=valued)
        sound = Sound(_exactly(steps, spec, *self._decisive[2:]), self.golden, twin, self.about)
        return replace(self, timesteps=steps, input=spec, float_twin=twin, sound=sound)

    def carries(self, source: str) -> bool:
        """Whether the spikes of a layer, or of the input, carry values."""
        return self.input.valued if source == INPUT else self.layer(source).graded

    def with_layers(self, layers: Sequence[Layer]) -> Network:
        """The same network of other *layers*, checked; golden samples, float twin and accuracies of the old ones stay behind.

        ``net.with_layers([dataclasses.replace(layer, leak=None) for layer in net.layers])``. Raises NetworkError with every
        problem found.
        """
        given = tuple(layers) if isinstance(layers, Iterable) else layers
        return replace(self, layers=given, golden=None, float_twin=None)

    def with_golden(self, golden: Golden | None) -> Network:
        """The network with other *golden* samples, or without. Raises NetworkError where they have other shapes."""
        return replace(self, golden=golden)

    def with_float_twin(self, twin: Network | None) -> Network:
        """The integer network with the float network that it was quantised from. Raises NetworkError if it is none."""
        return replace(self, float_twin=twin)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network file (HDF5, see README)."""
        saving.save(self, path)


def _rule_problems(timesteps: Any, encoding: str, rules: Mapping[str, Any]) -> list[str]:
    """What is wrong with the *timesteps*, None if nothing says how many, and with the *rules* of a network."""
    problems = []
    if timesteps is None and encoding == "direct":
        problems.append("timesteps is missing; a network that is shown images must say for how long")
    whole = isinstance(timesteps, int | np.integer) and not isinstance(timesteps, bool)
    if timesteps is not None and (not whole or timesteps < 1):
        problems.append(f"timesteps is {timesteps!r}; it must be an integer of at least 1")
    for name, value in rules.items():
        one, other = CHOICES[name]
        if value not in (one, other):
            problems.append(f"{name} is {value!r}; it must be {one!r} or {other!r}")
    return problems


def _outline(network: Network) -> tuple[Any, ...]:
    """What a float twin shares with its network."""
    layers = [
        (x.kind, x.name, x.shape, x.weight.shape, x.weight_shift, [(s.source, s.weight_shift) for s in x.shortcuts], x.reset,
         x.compare, x.order, x.refractory)
        for x in network.layers
    ]  # fmt: skip
    rules = (network.timesteps, network.reset, network.compare, network.dynamics, network.decode)
    return rules, network.input.shape, network.input.encoding, layers


def _exactly(timesteps: Any, *others: Any) -> tuple[Any, ...]:
    """5 is not 5.0, nor 1 True."""
    return type(timesteps), timesteps, *others


def _floats_among_integers(before: Sound, layers: Any) -> list[str]:
    """What is wrong with float weights in the *layers* of a network that had integers."""
    if before.decisive[3][0].weight.dtype.kind == "f" or not isinstance(layers, Sequence):
        return []
    known = [layer for layer in layers if isinstance(layer, Layer) and not any(crooked(layer))]
    weights = [(x.name, weight) for x in known for weight in (x.weight, *(s.weight for s in x.shortcuts)) if weight is not None]
    floats = [(name, array) for name, weight in weights if (array := as_array(weight)).dtype.kind == "f"]
    told = "layer {!r}: weight is {} {}; an integer network needs integers; Network.build makes a float one of all its layers"
    return [told.format(name, array.dtype, list(array.shape)) for name, array in floats]


def _unusual(shortcut: Shortcut) -> list[Any]:
    """What few shortcuts have."""
    shift = [("weight_shift", shortcut.weight_shift)] if shortcut.weight_shift else []
    return [value for value in (shortcut.pool, shortcut.delay) if value] + rare(shortcut) + shift
