"""A chain of linear maps as one projection: a pool, and one weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurosim.frameworks.graph.refusal import Place, RefusedError
from neurosim.frameworks.lowering.description import PoolWindow
from neurosim.frameworks.lowering.maps import Averaged, Connected, Convolved, Largest, Map, Multiplied, Other, without_factors
from neurosim.network.layers import Shape


@dataclass(frozen=True, eq=False)
class Folded:
    """A *window*, then *core*, None for the identity, times a *factor*; *place*: whose weights these are."""

    window: PoolWindow | None
    core: Convolved | Connected | None
    factor: float
    place: Place | None

    @property
    def weight(self) -> Tensor | None:
        return None if self.core is None else self.core.weight * self.factor


def folded(maps: Sequence[Map]) -> Folded:
    """Raises RefusedError where a chain is more than a pool and a weight."""
    factor, rest = without_factors(maps)
    window = None
    if rest and isinstance(rest[0], Largest):
        window, rest = rest[0].window, rest[1:]
    elif rest and isinstance(rest[0], Averaged):
        window, factor, rest = rest[0].window, factor * rest[0].share, rest[1:]
    core: Map | None = None
    for step in rest:
        core = step if core is None else _composed(core, step)
    weighted = [m for m in maps if isinstance(m, Connected | Convolved) and "assembly" not in m.place.kind]
    place = weighted[0].place if weighted else maps[0].place if maps else None
    return Folded(window, _core(core), factor, place)


def connected(found: Folded, maps: Sequence[Map], given: Shape) -> Folded:
    """The same with a matrix for its core, whatever it takes."""
    if isinstance(found.core, Connected) and (found.window is None or found.window.plain):
        return found
    place = found.place or (maps[0].place if maps else Place())
    if found.window is not None and found.window.kind == "max":
        raise RefusedError("a max pool is a part of the answer", "let weights follow it", place)
    whole: Map = Multiplied(place, given, given, torch.ones((), dtype=torch.float64))
    for step in maps:
        whole = _then(whole, step)
    return Folded(None, whole.matrix() if not isinstance(whole, Connected) else whole, 1.0, found.place)


def _then(first: Map, second: Map) -> Map:
    if isinstance(second, Connected):
        return Connected(second.place, first.given, second.made, _transposed(first, second.weight))
    return Other(second.place, first.given, second.made, lambda x: second(first(x)))


def _core(step: Map | None) -> Convolved | Connected | None:
    if isinstance(step, Multiplied):
        step = step.pointwise()
    if isinstance(step, Averaged):
        step = _convolution(step)
    if step is None or isinstance(step, Convolved | Connected):
        return step
    if isinstance(step, Largest):
        raise RefusedError(
            "a max pool follows another map", "it has to stand right behind neurons, or between weights and neurons", step.place
        )
    return step.matrix()


def _composed(first: Map, second: Map) -> Map:
    if isinstance(second, Largest):
        _core(second)
    if isinstance(first, Connected):
        columns = second(first.weight.T)
        return Connected(first.place, first.given, second.made, columns.flatten(1).T)
    if isinstance(second, Connected):
        return Connected(second.place, first.given, second.made, _transposed(first, second.weight))
    if isinstance(first, Multiplied) and isinstance(second, Multiplied):
        return replace(second, factor=first.factor * second.factor)
    pair = (_convolution(first), _convolution(second))
    if pair[0] is None or pair[1] is None:
        return _small(first, second)
    return _convolutions(pair[0], pair[1])


def _transposed(step: Map, weight: Tensor) -> Tensor:
    """The rows of a matrix behind a map, as rows of a matrix before it."""
    x = torch.zeros(len(weight), *step.given, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(step(x).flatten(1), x, weight)
    return found.flatten(1)


def _convolution(step: Map) -> Convolved | None:
    """A map as a convolution, None where it is none."""
    if isinstance(step, Multiplied):
        found = step.by_channel()
        return None if found is None else step.pointwise()  # type: ignore[return-value]
    if isinstance(step, Averaged):
        channels, window = step.given[0], step.window
        weight = torch.full((channels, 1, *window.size), step.share, dtype=torch.float64)
        return Convolved(step.place, step.given, step.made, weight, window.stride, window.padding, groups=channels)
    return step if isinstance(step, Convolved) else None


def _small(first: Map, second: Map) -> Map:
    """Two maps that are no convolutions as a matrix, if that is small."""
    other = next(m for m in (first, second) if _convolution(m) is None)
    if not isinstance(other, Other | Multiplied):
        raise RefusedError(
            "it cannot be folded into the weights beside it", "a network has convolutions and pools", other.place
        )
    return _composed(first.matrix(), second)


def _convolutions(first: Convolved, second: Convolved) -> Convolved:
    """Two convolutions as one: exact where no padding lies between them."""
    if first.point or second.padding == (0, 0):
        return _wide(first, second)
    told = f"follows {first.place} without neurons between them, and pads what that makes"
    raise RefusedError(told, "put spiking neurons between the two, or leave out the padding of this one", second.place)


def _wide(first: Convolved, second: Convolved) -> Convolved:
    """The kernel of one convolution behind another."""
    groups = first.groups if first.groups == second.groups == len(first.weight) == len(second.weight) else 1
    one, two = (first, second) if groups > 1 else (first.dense(), second.dense())
    if one.dilation != (1, 1) and two.weight.shape[2:] != (1, 1):
        raise RefusedError(
            f"follows {first.place}, which has a dilation, without neurons between them", "put neurons there", second.place
        )
    steps = [s * d for s, d in zip(one.stride, two.dilation, strict=True)]
    high, broad = ((b - 1) * s + a for a, b, s in zip(one.weight.shape[2:], two.weight.shape[2:], steps, strict=True))
    wide = one.weight.new_zeros(len(two.weight), one.weight.shape[1], high, broad)
    for y in range(two.weight.shape[2]):
        for x in range(two.weight.shape[3]):
            part = two.weight[:, :, y, x]
            moved = part[:, 0, None, None, None] * one.weight if groups > 1 else torch.einsum("om,mikl->oikl", part, one.weight)
            top, left = y * steps[0], x * steps[1]
            wide[:, :, top : top + one.weight.shape[2], left : left + one.weight.shape[3]] += moved
    stride = (one.stride[0] * two.stride[0], one.stride[1] * two.stride[1])
    padding = (one.padding[0] + two.padding[0] * one.stride[0], one.padding[1] + two.padding[1] * one.stride[1])
    dilation = one.dilation if two.weight.shape[2:] == (1, 1) else (1, 1)
    place = first.place if second.weight.shape[2:] == (1, 1) or groups > 1 else second.place
    return Convolved(place, first.given, second.made, wide, stride, padding, dilation, groups)
