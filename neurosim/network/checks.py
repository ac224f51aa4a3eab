"""Checking what a network is built from; every problem found is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from neurosim.network.layers import (
    AT_ONCE,
    INPUT,
    NEXT_STEP,
    SHORT,
    Conv,
    InputSpec,
    Layer,
    Leak,
    Parameter,
    Pool,
    Pooling,
    Shape,
    Shortcut,
    after,
    axes,
    by,
    pair,
    pool_kind,
    pooled,
)
from neurosim.network.neuron import PARAMETERS, NeuronParameter

# Steps; every one of a delay is a number per neuron.
MAX_STEPS = 1024
# Of an integer: weights of a few bits, shifted to the left.
MAX_BITS = 32


def checked_input(
    shape: Sequence[int],
    encoding: str,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    scale: float | None,
    problems: list[str],
) -> InputSpec:
    given = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
    numbers = all(isinstance(d, int | float | np.number) and np.isfinite(d) for d in given)
    usable = len(given) == 3 and numbers and all(d == int(d) > 0 for d in given)
    dims = tuple(int(d) for d in given) if usable else (1, 1, 1)
    if not usable:
        problems.append(f"input_shape is {shape!r}; it must be three positive integers (C, H, W)")
    if encoding not in ("direct", "spikes"):
        problems.append(f"encoding is {encoding!r}; it must be 'direct' or 'spikes'")
    if (mean is None) != (std is None):
        problems.append("mean and std of the input must be given together")
    for label, values in (("mean", mean), ("std", std)):
        if values is not None and (len(values) != dims[0] or not np.all(np.isfinite(values))):
            problems.append(f"{label} of the input must be {dims[0]} finite numbers, one per channel")
    if std is not None and np.any(np.asarray(std) <= 0):
        problems.append("std of the input must be positive")
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        problems.append(f"input scale is {scale!r}; it must be positive")
    means, stds = (None if v is None else tuple(float(x) for x in v) for v in (mean, std))
    return InputSpec(dims, encoding, means, stds, None if scale is None else float(scale))  # type: ignore[arg-type]


def checked_layers(
    spec: InputSpec, linked: Sequence[Layer], rules: dict[str, str], problems: list[str]
) -> tuple[Layer, ...]:  # fmt: skip
    """Layers that are `wired`, in canonical form, with their shapes; *rules*: reset, compare and order of layers that do not
    say."""
    return Checker(spec, rules, problems).layers(linked)


def wired(layers: Sequence[Layer], problems: list[str]) -> list[Layer]:
    """The layers with default inputs filled in; reports duplicate names, unknown sources, cycles without delay, wrong order."""
    if not isinstance(layers, Sequence):
        problems.append(f"layers must be a list of Conv, Dense or Output, not {_kind(layers)}")
        return []
    if not layers:
        problems.append("it has no layers")
    strangers = [repr(layer)[:40] for layer in layers if not isinstance(layer, Layer)]
    if strangers:
        problems.append(f"layers must be Conv, Dense or Output, not {', '.join(strangers)}")
        return []
    names = [layer.name for layer in layers]
    shapeless = [text for layer in layers for text in crooked(layer)]
    if shapeless:
        problems += shapeless
        return []
    problems += [f"layer name {n!r} is used {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1]
    problems += [f"layer name {n!r} is reserved or empty, or holds '/'" for n in names if n in (INPUT, "") or "/" in n]
    before = [INPUT, *names[:-1]]
    linked = [replace(layer, inputs=_named(layer.inputs) or (prev,)) for layer, prev in zip(layers, before, strict=False)]
    known = {INPUT, *names}
    for layer in linked:
        problems += [f"layer {layer.name!r} reads {s!r}, which does not exist" for s in layer.sources if s not in known]
    try:
        tuple(TopologicalSorter({layer.name: _at_once(layer) for layer in linked}).static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        problems.append(f"the layers form a cycle: {cycle}; feedback needs a shortcut with a delay of 1 step or more")
        return linked
    for place, layer in enumerate(linked):
        later = [s for s in _at_once(layer) if s in names[place:]]
        problems += [f"layer {layer.name!r} reads {s!r}, which is listed after it; list sources first" for s in later]
    problems += [f"output layer {layer.name!r} must be the last" for layer in linked[:-1] if not layer.spiking]
    return linked


def crooked(layer: Layer) -> Iterator[str]:
    """What keeps a layer from being linked with others."""
    if not isinstance(layer.name, str):
        yield f"layer name {layer.name!r} is no text"
    inputs = () if layer.inputs is None else layer.inputs
    if not isinstance(inputs, Sequence) or not all(isinstance(name, str) for name in inputs):
        yield f"layer {layer.name!r}: inputs is {inputs!r}; it must be names of layers"
    if not isinstance(layer.shortcuts, Sequence) or not all(isinstance(s, Shortcut) for s in layer.shortcuts):
        yield f"layer {layer.name!r}: shortcuts is {layer.shortcuts!r:.60}; it must be a list of Shortcut"


def _at_once(layer: Layer) -> tuple[str, ...]:
    """The sources that have to be listed before the layer: main inputs, and shortcuts without a delay."""
    return (*(layer.inputs or ()), *(s.source for s in layer.shortcuts if s.delay == 0))


def signed_bits(low: int, high: int) -> int:
    """Bits of a signed integer that holds everything from *low* to *high*."""
    return max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0) + 1


def integer_type(bits: int) -> type[np.signedinteger[Any]]:
    """The smallest type of so many *bits*, at most 32, that kernels are compiled for."""
    return np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32


def as_array(weight: Any) -> np.ndarray:
    """The weights as an array; an empty one of objects where they are ragged."""
    try:
        return np.asarray(weight)
    except ValueError:
        return np.empty(0, object)


def smallest(array: np.ndarray) -> Parameter:
    """One number where all are equal, one per channel [C, 1, 1] where all sites agree."""
    if np.all(array == array.ravel()[0]):
        same: float = array.ravel()[0].item()
        return same
    return np.ascontiguousarray(array[:, :1, :1] if np.all(array == array[:, :1, :1]) else array)


def _simplest(value: Any) -> Any:
    """One integer where both are the same."""
    return value[0] if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] else value


def _whole_pair(value: Any) -> bool:
    numbers = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    return all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)


def _shown(value: Any) -> str:
    """A value in a message: an array by what it is."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) and value.ndim else repr(value)


def _kind(value: Any) -> str:
    """What it is, in a message."""
    return repr(value) if value is None else f"one {type(value).__name__}"


def _named(inputs: Sequence[str] | str | None) -> tuple[str, ...]:
    return (inputs,) if isinstance(inputs, str) else tuple(inputs or ())


class Checker:
    """Checks layers one after another against the shapes of their sources and brings arrays into canonical form."""

    def __init__(self, spec: InputSpec, rules: dict[str, str], problems: list[str]):
        self.spec = spec
        self.rules = rules
        self.problems = problems
        self.shapes: dict[str, Shape] = {INPUT: spec.shape}

    def layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        floating = any(as_array(layer.weight).dtype.kind == "f" for layer in layers)
        self.silent = layers[-1].name if layers[-1].kind == "output" else None
        checked = []
        for layer in layers:
            self.where = f"layer {layer.name!r}"
            done = self._layer(layer, floating)
            self.shapes[layer.name] = done.shape
            checked.append(done)
        # Feedback comes from layers further down.
        for layer in checked:
            self.where = f"layer {layer.name!r}"
            for shortcut in layer.shortcuts:
                self._check_shortcut_shape(shortcut, layer.landing, " before its pool_currents" if after(layer) else "")
        return tuple(checked)

    def _say(self, message: str) -> None:
        self.problems.append(f"{self.where}: {message}")

    def _layer(self, layer: Layer, floating: bool) -> Layer:
        weight, bits = self._weight(layer.weight, 4 if layer.kind == "conv" else 2, floating, layer.weight_axes)
        own, shortcuts = bits, []
        for given in layer.shortcuts:
            shortcut, needed = self._shortcut(given, floating)
            shortcuts.append(shortcut)
            bits = max(bits, needed)
        if layer.weight_bits is not None and not floating:
            whole = isinstance(layer.weight_bits, int | np.integer)
            if not whole or not max(1, bits) <= layer.weight_bits <= 32:
                self._say(f"weight_bits is {layer.weight_bits}, but its weights need {bits}")
            bits = layer.weight_bits
        else:
            bits = 32 if floating else next(b for b in (8, 16, 32) if b >= bits)
        inputs, pool = tuple(layer.inputs or ()), self._pool(layer.pool, floating)
        done = replace(layer, weight=weight, shortcuts=tuple(shortcuts), weight_bits=bits, inputs=inputs, pool=pool)
        if isinstance(done, Conv):
            currents = self._pool(done.pool_currents, floating, "of currents: ")
            done = replace(done, pool_currents=currents, **self._canonical_windows(done))
        in_shape, landing = self._shapes(done)
        shape = self._pooled_currents(after(done), landing)
        done = replace(done, in_shape=in_shape, shape=shape, **self._dynamics(done, shape, landing, floating))
        self._check_shifted(done, own, floating)
        self._check_bias(done)
        if done.delay and INPUT in (done.inputs or ()) and self.spec.encoding == "direct":
            self._say(f"its delay is {done.delay}, but an image is shown at every step; it cannot come late")
        return done

    def _canonical_windows(self, link: Conv | Shortcut) -> dict[str, Any]:
        """How a convolution moves, as simple as it can be said; what is said of groups and dilation where there is none."""
        groups, dilation = link.groups, _simplest(link.dilation)
        found = {"stride": _simplest(link.stride), "padding": _simplest(link.padding), "groups": 1, "dilation": 1}
        about = "" if isinstance(link, Conv) else f"shortcut from {link.source!r}: "
        if not _whole_pair(dilation) or min(pair(dilation)) < 1:
            self._say(f"{about}dilation is {dilation!r}; integers of at least 1 are needed")
            dilation = 1
        if isinstance(groups, tuple) or not _whole_pair(groups) or groups < 1:
            self._say(f"{about}groups is {groups!r}; an integer of at least 1 is needed")
            groups = 1
        if link.weight is None or link.weight.ndim != 4:
            if (groups, dilation) != (1, 1):
                self._say(f"{about}groups {groups} and dilation {dilation} belong to a convolution, and it is none")
            return found
        # A kernel of 1 has nothing between its elements.
        spread = tuple(int(d) if k > 1 else 1 for d, k in zip(pair(dilation), link.weight.shape[2:], strict=True))
        return found | {"groups": int(groups), "dilation": _simplest(spread)}

    def _pooled_currents(self, pool: Pooling, landing: Shape) -> Shape:
        """The shape of the neurons, given that of the map that synapses reach."""
        c, h, w = pooled(landing, pool)
        if min(h, w) < 1:
            self._say(f"pool_currents {str(pool)!r} leaves nothing of its map of {landing[1]}x{landing[2]}")
        return c, max(h, 1), max(w, 1)

    def _dynamics(self, layer: Layer, shape: Shape, landing: Shape, floating: bool) -> dict[str, Any]:
        """The parameters of the layer in canonical form; *landing*: the map that currents reach."""
        if not layer.spiking and any(row.fires and row.of(layer) is not None for row in PARAMETERS.values()):
            firing = [name for name, row in PARAMETERS.items() if row.fires]
            self._say(f"an Output never fires; it has neither {' nor '.join(firing)}")
        rows = [row for row in PARAMETERS.values() if layer.spiking or not row.fires]
        found = {name: row.default for name, row in PARAMETERS.items()}
        found |= {
            row.name: self._canonical(row, getattr(layer, row.name), landing if row.read == "currents" else shape, floating)
            for row in rows
        }
        if found["bias"] is None or found["current_leak"] is None:
            found["bias_into"] = PARAMETERS["bias_into"].default
        self._levels(layer, found)
        self._together(found)
        return found

    def _levels(self, layer: Layer, found: dict[str, Any]) -> None:
        """Whether potentials lie above and below each other as they have to."""
        levels = [name for name, row in PARAMETERS.items() if row.form == "number"]
        given = {name: np.asarray(found[name]) for name in levels if found[name] is not None}
        for name, row in PARAMETERS.items():
            if layer.spiking and row.below_threshold and name in given and np.any(given[name] >= given["threshold"]):
                self._say(f"its {name} is not below its threshold; {row.below_threshold}")
            if name in given and row.most < np.inf and np.any(given[name] > row.most):
                self._say(f"its {name} is {_shown(found[name])}; it must be at most {row.most:g}")
        for name in ("rest", "initial") if "floor" in given else ():
            if name in given and np.any(given[name] < given["floor"]):
                self._say(f"its {name} is below its floor, which no potential is")

    def _together(self, found: dict[str, Any]) -> None:
        """Whether rules and parameters go with each other."""
        rules = {name: found[name] or rule for name, rule in self.rules.items()}
        for name, row in PARAMETERS.items():
            if row.reset not in (None, rules["reset"]) and found[name] not in (None, row.default):
                self._say(f"it has {row.noun}, which needs reset = {row.reset!r}")
        for name in ("refractory", "graded"):
            if found[name] and rules["order"] == NEXT_STEP:
                self._say(f"it has {PARAMETERS[name].noun}, which need the order {AT_ONCE!r}")

    def _canonical(self, row: NeuronParameter, value: Any, shape: Shape, floating: bool) -> Any:
        """A parameter as simple as it can be said, its default where it does nothing."""
        if row.form == "steps":
            return self._steps(row.name, value)
        if row.form == "bits":
            return self._shift(value)
        if row.form == "choice":
            return self._choice(row, value)
        if row.form == "switch":
            return self._switch(row, value)
        if row.form == "fraction":
            found = self._leak(value, shape, floating)
            # What does not fade is none, unless there is more to it: a current that never fades is one all the same.
            never = None if value is None or row.neutral is not None else 1.0 if floating else (1, 0)
            return never if found is None else found
        if row.required:
            return self._positive(row.name, value, shape, floating)
        found = self._parameter(row.name, value, shape, floating)
        return row.default if row.neutral is not None and found is not None and np.all(found == row.neutral) else found

    def _choice(self, row: NeuronParameter, value: Any) -> Any:
        """One of its words; none where it is what the network says."""
        if value is not None and value not in row.choices:
            self._say(f"{row.name} is {value!r}; it must be one of {', '.join(map(repr, row.choices))}")
            return row.default
        return row.default if value in (None, self.rules.get(row.name)) else value

    def _switch(self, row: NeuronParameter, value: Any) -> Any:
        if not isinstance(value, bool | np.bool_):
            self._say(f"{row.name} is {value!r}; it must be True or False")
            return row.default
        return bool(value)

    def _weight(self, weight: Any, ndim: int, floating: bool, axes: str) -> tuple[np.ndarray, int]:
        array = as_array(weight)
        if array.dtype.kind not in "iuf" or array.ndim != ndim or array.size == 0:
            self._say(f"weight is {array.dtype} {list(array.shape)}; it must be numbers {axes}")
            return np.zeros((1,) * ndim, np.int8), 8
        if floating or array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                single = np.ascontiguousarray(array, np.float32)
            bad = np.argwhere(~np.isfinite(single))
            if len(bad):
                self._say(f"{len(bad)} weights are not finite in float32, the first at {axes} = {bad[0].tolist()}")
            return single, 32
        low, high = int(array.min()), int(array.max())
        bits = signed_bits(low, high)
        if bits > MAX_BITS:
            self._say(f"weights span {low} to {high}; integers of at most {MAX_BITS} bits are supported")
            return np.zeros_like(array, np.int8), 8
        return np.ascontiguousarray(array, integer_type(bits)), bits

    def _steps(self, label: str, steps: Any) -> int:
        if not isinstance(steps, int | np.integer) or not 0 <= steps <= MAX_STEPS:
            self._say(f"{label} is {steps!r}; it must be an integer of 0 to {MAX_STEPS} steps")
            return 0
        return int(steps)

    def _shift(self, shift: Any) -> int:
        if not isinstance(shift, int | np.integer) or isinstance(shift, bool) or not 0 <= shift < MAX_BITS:
            self._say(f"weight_shift is {shift!r}; it must be an integer of 0 to {MAX_BITS - 1} bits")
            return 0
        return int(shift)

    def _check_shifted(self, link: Layer | Shortcut, bits: int, floating: bool, place: str = "") -> None:
        """Whether weights of so many *bits* fit where they are added."""
        if link.weight_shift and link.weight is None:
            self._say(f"{place}weight_shift is {link.weight_shift}, and it has no weight; its scale is added as it is")
        elif not floating and bits + link.weight_shift > MAX_BITS:
            needed = f"weights of {bits} bits and a weight_shift of {link.weight_shift} need {bits + link.weight_shift}"
            self._say(f"{place}{needed}; at most {MAX_BITS} bits are added at once")

    def _check_bias(self, layer: Layer) -> None:
        """Whether a bias of the potential has a way there."""
        if layer.bias_into != "potential":
            return
        needed = "its bias goes into the potential, past a current, which needs"
        if after(layer):
            self._say(f"{needed} currents that are not pooled; put the bias into them, or pool spikes")
        if INPUT in (layer.inputs or ()) and self.spec.encoding == "direct":
            self._say(f"{needed} spikes: an image goes into the current; show it to a layer before")

    def _positive(self, label: str, value: Any, shape: Shape, floating: bool) -> Parameter:
        found = self._parameter(label, value, shape, floating)
        if found is None and value is not None:
            return 1
        wrong = np.argwhere(np.atleast_1d(np.asarray(0 if found is None else found)) <= 0)
        if len(wrong):
            places = f" at {len(wrong)} neurons or channels, the first {wrong[0].tolist()}"
            where = places if isinstance(found, np.ndarray) else ""
            self._say(f"{label} is {_shown(value)}{where}; it must be positive, one number, [C] or [C,H,W]")
            return 1
        assert found is not None
        return found

    def _parameter(self, label: str, value: Any, shape: Shape, floating: bool) -> Parameter | None:
        """A number, or an array of float32 or int64 [C, 1, 1] or [C, H, W], whatever is smallest; None where it is wrong."""
        if value is None:
            return None
        array = as_array(value)
        fits = array.shape in ((), shape, (shape[0],), (shape[0], 1, 1))
        if array.dtype.kind not in "iuf" or not fits or not np.isfinite(array).all():
            needed = f"one finite number, [C] = [{shape[0]}] or [C,H,W] = {list(shape)}"
            self._say(f"{label} is {_shown(value)}; it must be {needed}")
            return None
        array = array.reshape(shape[0], 1, 1) if array.ndim == 1 else array
        if floating:
            with np.errstate(over="ignore"):
                single = array.astype(np.float32)
            if not np.isfinite(single).all() or np.any((single == 0) & (array != 0)):
                self._say(f"{label} is {_shown(value)}, which float32 cannot hold")
                return None
            return smallest(single)
        if np.any(array != np.rint(array)) or np.abs(array).max() >= 2**31:
            self._say(f"{label} is {_shown(value)}; an integer network needs integers below 2^31 in size")
            return None
        return smallest(array.astype(np.int64))

    def _leak(self, leak: Any, shape: Shape, floating: bool) -> Leak:
        if leak is None:
            return None
        if isinstance(leak, tuple | list) and len(leak) == 2 and np.ndim(leak[1]) == 0:
            k, m = leak
            given = as_array(k)
            if given.dtype.kind not in "iu" or not isinstance(m, int | np.integer) or not 0 <= m <= 15:
                found = None
            else:
                found = self._parameter("leak", k, shape, False)
            if found is None or np.any(given < 0) or np.any(given > 2**m):
                self._say(f"leak is {_shown(leak)}; (k, m) means k/2^m and needs integers, 0 <= m <= 15, 0 <= k <= 2^m")
                return None
            if np.all(given == 2**m):
                return None
            if floating:
                return smallest((np.asarray(found) / 2**m).astype(np.float32))
            return (found, int(m))  # type: ignore[return-value]
        found = self._parameter("leak", leak, shape, True)
        if found is None or np.any(np.asarray(found) < 0) or np.any(np.asarray(leak) > 1):
            self._say(f"leak is {_shown(leak)}; it must lie in [0, 1]")
            return None
        if np.all(np.asarray(leak) == 1):
            return None
        if not floating:
            self._say(f"leak is {_shown(leak)}; an integer network needs (k, m), meaning k/2^m")
            return None
        return found

    def _shortcut(self, shortcut: Shortcut, floating: bool) -> tuple[Shortcut, int]:
        """The checked shortcut and the bits that its weights need; the scale of a direct one is a constant, not a weight."""
        bits = 1
        if shortcut.weight is not None:
            ndim, form = (2, Layer) if as_array(shortcut.weight).ndim == 2 else (4, Conv)
            weight, bits = self._weight(shortcut.weight, ndim, floating, form.weight_axes)
            shortcut = replace(shortcut, weight=weight)
        pool = self._pool(shortcut.pool, floating, f"shortcut from {shortcut.source!r}: ")
        delay, shift = self._steps("delay", shortcut.delay), self._shift(shortcut.weight_shift)
        shortcut = replace(shortcut, pool=pool, delay=delay, weight_shift=shift, **self._canonical_windows(shortcut))
        self._check_shifted(shortcut, bits, floating, f"shortcut from {shortcut.source!r}: ")
        if shortcut.weight is not None:
            return shortcut, bits
        scale = 1.0 if shortcut.scale is None and floating else shortcut.scale
        number = isinstance(scale, int | float | np.number) and abs(scale) < 2**31
        if scale is None or not number or (not floating and int(scale) != scale):
            self._say(f"shortcut from {shortcut.source!r} has scale {scale!r}; without a weight it needs the number for 1.0")
            return replace(shortcut, scale=1), 1
        if floating:
            return replace(shortcut, scale=float(np.float32(scale))), 32
        whole = int(scale)
        return replace(shortcut, scale=whole), 1

    def _shapes(self, layer: Layer) -> tuple[Shape, Shape]:
        found = {s: pooled(self.shapes[s], layer.pool) for s in layer.inputs or ()}
        in_shape = next(iter(found.values()))
        if pool_kind(layer.pool) == "max" and INPUT in found and self.spec.encoding == "direct":
            self._say(f"pool {str(layer.pool)!r} needs spikes as its input, not an image")
        if len(set(found.values())) > 1:
            self._say(f"its inputs have different shapes: {found}")
        if min(in_shape) < 1:
            self._say(f"the pooled input {[max(n, 0) for n in in_shape]} is empty")
            return in_shape, (layer.weight.shape[0], 1, 1)
        if isinstance(layer, Conv):
            return in_shape, self._conv_shape(in_shape, layer)
        if math.prod(in_shape) != layer.weight.shape[1]:
            self._say(
                f"its weight takes {layer.weight.shape[1]} inputs, but {'+'.join(found)} "
                f"gives {list(in_shape)} = {math.prod(in_shape)}"
            )
        return in_shape, (layer.weight.shape[0], 1, 1)

    def _pool(self, pool: Any, floating: bool, place: str = "") -> Pooling:
        """A pool as simple as it can be said; none where it is wrong, or changes nothing."""
        if pool is None or (isinstance(pool, str) and pool in SHORT):
            return pool
        if not isinstance(pool, Pool):
            self._say(f"{place}pool is {pool!r}; it must be a Pool, 'sum2', 'max2' or None")
            return None
        parts = [_simplest(n) for n in (pool.size, pool.size if pool.stride is None else pool.stride, pool.padding)]
        if pool.kind not in ("max", "avg", "sum") or not all(map(_whole_pair, parts)):
            self._say(f"{place}pool is {pool!r}; its kind must be 'max', 'avg' or 'sum', and its numbers integers, one or two")
            return None
        size, stride, padding = (tuple(int(n) for n in pair(part)) for part in parts)
        if min(size) < 1 or min(stride) < 1 or any(not 0 <= 2 * p <= k for p, k in zip(padding, size, strict=True)):
            self._say(f"{place}pool is {pool!r}; size >= 1, stride >= 1 and 0 <= padding <= size / 2 are needed")
            return None
        if pool.kind == "avg" and not floating:
            self._say(f"{place}pool is {pool!r}; integers have no averages: use 'sum', and weights and thresholds to match")
            return None
        if size == stride == (1, 1):
            return None
        # Of one site the largest and the average are what it is.
        kind = "sum" if size == (1, 1) else pool.kind
        found = Pool(kind, _simplest(size), None if stride == size else _simplest(stride), _simplest(padding))
        short: list[Pooling] = [name for name, same in SHORT.items() if same == found]
        return short[0] if short else found

    def _conv_shape(self, in_shape: Shape, link: Conv | Shortcut) -> Shape:
        assert link.weight is not None
        out, c, *kernel = link.weight.shape
        stride, padding, groups = link.stride, link.padding, link.groups
        if c * groups != in_shape[0]:
            each = f" in each of {groups} groups" if groups > 1 else ""
            self._say(f"its weight takes {c} channels{each}, but its input has {in_shape[0]}")
        if out % groups:
            self._say(f"its {out} channels do not divide into {groups} groups")
        found = axes(link) if all(_whole_pair(value) for value in (stride, padding)) else None
        if found is None or any(not 0 <= a.padding < a.extent or a.stride < 1 for a in found):
            told = "the extent of the kernel" if link.dilation != 1 else "kernel"
            self._say(f"stride is {stride} and padding {padding}; stride >= 1 and 0 <= padding < {told} are needed")
            return out, 1, 1
        h, w = (a.places(n) for n, a in zip(in_shape[1:], found, strict=True))
        if min(h, w) < 1:
            size = by(kernel) + (f" of dilation {by(pair(link.dilation))}" if link.dilation != 1 else "")
            self._say(f"kernel {size} does not fit its input of {in_shape[1]}x{in_shape[2]} with padding {padding}")
        return out, max(h, 1), max(w, 1)

    def _check_shortcut_shape(self, shortcut: Shortcut, shape: Shape, where: str) -> None:
        source: Shape = pooled(self.shapes[shortcut.source], shortcut.pool)
        if shortcut.source == self.silent:
            self._say(f"shortcut from {shortcut.source!r}: an Output never fires")
        if min(source) < 1:
            self._say(f"shortcut from {shortcut.source!r}: its pooled map {[max(n, 0) for n in source]} is empty")
            return
        if shortcut.source == INPUT and self.spec.encoding == "direct":
            self._say("a shortcut cannot come from an image; use spikes")
        if shortcut.weight is None:
            given = source
        elif shortcut.weight.ndim == 2:
            given = (shortcut.weight.shape[0], 1, 1)
            if math.prod(source) != shortcut.weight.shape[1]:
                taken = shortcut.weight.shape[1]
                self._say(f"shortcut from {shortcut.source!r} takes {taken} inputs, its source has {list(source)}")
        else:
            given = self._conv_shape(source, shortcut)
        if given != shape:
            self._say(f"shortcut from {shortcut.source!r} gives {list(given)}, the layer is {list(shape)}{where}")
