"""Checking what a network is built from; every problem found is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from neurosim.layers import INPUT, Conv, InputSpec, Layer, Leak, Shape, Shortcut, pooled


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


def wired(layers: Sequence[Layer], problems: list[str]) -> list[Layer]:
    """The layers with default inputs filled in; reports duplicate names, unknown sources, cycles and wrong order."""
    if not layers:
        problems.append("it has no layers")
    strangers = [repr(layer)[:40] for layer in layers if not isinstance(layer, Layer)]
    if strangers:
        problems.append(f"layers must be Conv, Dense or Output, not {', '.join(strangers)}")
        return []
    names = [layer.name for layer in layers]
    problems += [f"layer name {n!r} is used {names.count(n)} times" for n in sorted(set(names)) if names.count(n) > 1]
    problems += [f"layer name {n!r} is reserved or empty, or holds '/'" for n in names if n in (INPUT, "") or "/" in n]
    before = [INPUT, *names[:-1]]
    linked = [replace(layer, inputs=_named(layer.inputs) or (prev,)) for layer, prev in zip(layers, before, strict=False)]
    known = {INPUT, *names}
    for layer in linked:
        problems += [f"layer {layer.name!r} reads {s!r}, which does not exist" for s in layer.sources if s not in known]
    try:
        tuple(TopologicalSorter({layer.name: layer.sources for layer in linked}).static_order())
    except CycleError as error:
        problems.append("the layers form a cycle: " + " -> ".join(reversed(error.args[1])))
        return linked
    for place, layer in enumerate(linked):
        later = [s for s in layer.sources if s in names[place:]]
        problems += [f"layer {layer.name!r} reads {s!r}, which is listed after it; list sources first" for s in later]
    if linked and linked[-1].kind != "output":
        problems.append(f"the last layer {names[-1]!r} is {linked[-1].kind}; it must be an Output")
    problems += [f"output layer {layer.name!r} must be the last" for layer in linked[:-1] if not layer.spiking]
    return linked


def signed_bits(low: int, high: int) -> int:
    """Bits of a signed integer that holds everything from *low* to *high*."""
    return max(high.bit_length() if high > 0 else 0, (-low - 1).bit_length() if low < 0 else 0) + 1


def as_array(weight: Any) -> np.ndarray:
    """The weights as an array; an empty one of objects where they are ragged."""
    try:
        return np.asarray(weight)
    except ValueError:
        return np.empty(0, object)


def _named(inputs: Sequence[str] | str | None) -> tuple[str, ...]:
    return (inputs,) if isinstance(inputs, str) else tuple(inputs or ())


class Checker:
    """Checks layers one after another against the shapes of their sources and brings arrays into canonical form."""

    def __init__(self, spec: InputSpec, problems: list[str]):
        self.spec = spec
        self.problems = problems
        self.shapes: dict[str, Shape] = {INPUT: spec.shape}

    def layers(self, layers: Sequence[Layer]) -> tuple[Layer, ...]:
        floating = any(as_array(layer.weight).dtype.kind == "f" for layer in layers)
        checked = []
        for layer in layers:
            self.where = f"layer {layer.name!r}"
            done = self._layer(layer, floating)
            self.shapes[layer.name] = done.shape
            checked.append(done)
        return tuple(checked)

    def _say(self, message: str) -> None:
        self.problems.append(f"{self.where}: {message}")

    def _layer(self, layer: Layer, floating: bool) -> Layer:
        weight, bits = self._weight(layer.weight, 4 if layer.kind == "conv" else 2, floating, layer.weight_axes)
        shortcuts = []
        for given in layer.shortcuts:
            shortcut, needed = self._shortcut(given, floating)
            shortcuts.append(shortcut)
            bits = max(bits, needed)
        if layer.spiking:
            threshold = self._threshold(layer.threshold, floating)
            leak = self._leak(layer.leak, floating)
        else:
            threshold, leak = None, None
            if layer.threshold is not None or layer.leak is not None or layer.shortcuts:
                self._say("an Output has neither threshold nor leak nor shortcuts")
        if layer.weight_bits is not None and not floating:
            whole = isinstance(layer.weight_bits, int | np.integer)
            if not whole or not max(1, bits) <= layer.weight_bits <= 32:
                self._say(f"weight_bits is {layer.weight_bits}, but its weights need {bits}")
            bits = layer.weight_bits
        else:
            bits = 32 if floating else next(b for b in (8, 16, 32) if b >= bits)
        done = replace(
            layer, weight=weight, threshold=threshold, leak=leak, shortcuts=tuple(shortcuts), weight_bits=bits,
            inputs=tuple(layer.inputs or ()),
        )  # fmt: skip
        in_shape, shape = self._shapes(done)
        for shortcut in shortcuts:
            self._check_shortcut_shape(shortcut, shape)
        object.__setattr__(done, "in_shape", in_shape)
        object.__setattr__(done, "shape", shape)
        return done

    def _weight(self, weight: Any, ndim: int, floating: bool, axes: str) -> tuple[np.ndarray, int]:
        array = as_array(weight)
        if array.dtype.kind not in "iuf" or array.ndim != ndim or array.size == 0:
            self._say(f"weight is {array.dtype} {list(array.shape)}; it must be numbers {axes}")
            return np.zeros((1,) * ndim, np.int8), 8
        if ndim == 4 and array.shape[2] != array.shape[3]:
            self._say(f"the kernel is {array.shape[2]}x{array.shape[3]}; it must be square")
        if floating or array.dtype.kind == "f":
            with np.errstate(over="ignore"):
                single = np.ascontiguousarray(array, np.float32)
            bad = np.argwhere(~np.isfinite(single))
            if len(bad):
                self._say(f"{len(bad)} weights are not finite in float32, the first at {axes} = {bad[0].tolist()}")
            return single, 32
        low, high = int(array.min()), int(array.max())
        bits = signed_bits(low, high)
        if bits > 32:
            self._say(f"weights span {low} to {high}; integers of at most 32 bits are supported")
            return np.zeros_like(array, np.int8), 8
        dtype = np.int8 if bits <= 8 else np.int16 if bits <= 16 else np.int32
        return np.ascontiguousarray(array, dtype), bits

    def _threshold(self, value: Any, floating: bool) -> float | None:
        if not isinstance(value, int | float | np.number) or not np.isfinite(value) or value <= 0:
            self._say(f"threshold is {value!r}; it must be one positive number")
            return 1
        if floating:
            with np.errstate(over="ignore"):
                single = np.float32(value)
            if not np.isfinite(single) or single <= 0:
                self._say(f"threshold is {value!r}, which is {single} in float32; it must be positive and finite")
                return 1
            return float(single)
        if int(value) != value or value >= 2**31:
            self._say(f"threshold is {value!r}; an integer network needs an integer below 2^31")
        return int(value)

    def _leak(self, leak: Any, floating: bool) -> Leak:
        if leak is None:
            return None
        if isinstance(leak, tuple | list) and len(leak) == 2:
            k, m = leak
            if not all(isinstance(x, int | np.integer) for x in leak) or not 0 <= m <= 15 or not 0 <= k <= 2**m:
                self._say(f"leak is {tuple(leak)}; (k, m) means k/2^m and needs integers, 0 <= m <= 15, 0 <= k <= 2^m")
                return None
            if k == 2**m:
                return None
            return float(np.float32(k / 2**m)) if floating else (int(k), int(m))
        if not isinstance(leak, int | float | np.number) or not 0 <= float(leak) <= 1:
            self._say(f"leak is {leak!r}; it must lie in [0, 1]")
            return None
        if leak == 1:
            return None
        if not floating:
            self._say(f"leak is {leak!r}; an integer network needs (k, m), meaning k/2^m")
            return None
        return float(np.float32(leak))

    def _shortcut(self, shortcut: Shortcut, floating: bool) -> tuple[Shortcut, int]:
        """The checked shortcut and the bits that its weights need; the scale of a direct one is a constant, not a weight."""
        if shortcut.weight is not None:
            weight, bits = self._weight(shortcut.weight, 4, floating, "[Cout,Cin,k,k]")
            return replace(shortcut, weight=weight), bits
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
        self._check_pool(layer.pool)
        if layer.pool == "max2" and INPUT in found and self.spec.encoding == "direct":
            self._say("pool 'max2' needs spikes as its input, not an image")
        if len(set(found.values())) > 1:
            self._say(f"its inputs have different shapes: {found}")
        if min(in_shape) < 1:
            self._say(f"the pooled input {list(in_shape)} is empty")
            return in_shape, (layer.weight.shape[0], 1, 1)
        if isinstance(layer, Conv):
            return in_shape, self._conv_shape(in_shape, layer.weight, layer.stride, layer.padding)
        if math.prod(in_shape) != layer.weight.shape[1]:
            self._say(
                f"its weight takes {layer.weight.shape[1]} inputs, but {'+'.join(found)} "
                f"gives {list(in_shape)} = {math.prod(in_shape)}"
            )
        return in_shape, (layer.weight.shape[0], 1, 1)

    def _check_pool(self, pool: Any, place: str = "") -> None:
        if pool not in (None, "sum2", "max2"):
            self._say(f"{place}pool is {pool!r}; it must be 'sum2', 'max2' or None")

    def _conv_shape(self, in_shape: Shape, weight: np.ndarray, stride: int, padding: int) -> Shape:
        c, h, w = in_shape
        k = weight.shape[2]
        if weight.shape[1] != c:
            self._say(f"its weight takes {weight.shape[1]} channels, but its input has {c}")
        whole = isinstance(stride, int | np.integer) and isinstance(padding, int | np.integer)
        if not whole or stride < 1 or padding < 0 or padding >= k:
            self._say(f"stride is {stride} and padding {padding}; stride >= 1 and 0 <= padding < kernel are needed")
            return weight.shape[0], 1, 1
        out_h, out_w = (h + 2 * padding - k) // stride + 1, (w + 2 * padding - k) // stride + 1
        if min(out_h, out_w) < 1:
            self._say(f"kernel {k} does not fit its input of {h}x{w} with padding {padding}")
        return weight.shape[0], max(out_h, 1), max(out_w, 1)

    def _check_shortcut_shape(self, shortcut: Shortcut, shape: Shape) -> None:
        source = pooled(self.shapes[shortcut.source], shortcut.pool)
        self._check_pool(shortcut.pool, f"shortcut from {shortcut.source!r}: ")
        if min(source) < 1:
            self._say(f"shortcut from {shortcut.source!r}: its pooled map {list(source)} is empty")
            return
        if shortcut.source == INPUT and self.spec.encoding == "direct":
            self._say("a shortcut cannot come from an image; use spikes")
        if shortcut.weight is None:
            given = source
        else:
            given = self._conv_shape(source, shortcut.weight, shortcut.stride, shortcut.padding)
        if given != shape:
            self._say(f"shortcut from {shortcut.source!r} gives {list(given)}, the layer is {list(shape)}")
