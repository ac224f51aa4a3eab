"""Linear maps between populations, on [B, C, H, W] in float64: what a chain of modules does to numbers, without its biases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.frameworks.graph.refusal import Place, RefusedError
from neurosim.frameworks.lowering.description import Both, PoolWindow
from neurosim.network.layers import Shape

# Numbers of the largest matrix that is made of what is no matrix.
MATRIX = 1 << 23


@dataclass(frozen=True, eq=False)
class Map:
    """From a map of *given* [C, H, W] to one that it *made*, at a *place* of the model."""

    place: Place
    given: Shape
    made: Shape

    def __call__(self, x: Tensor) -> Tensor:
        """[B, made...] of [B, ...]."""
        return self._apply(x.reshape(len(x), *self.given)).reshape(len(x), *self.made)

    def _apply(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def matrix(self) -> Connected:
        """The same as a matrix."""
        inputs, outputs = math.prod(self.given), math.prod(self.made)
        if inputs * outputs > MATRIX:
            told = f"{inputs:,} numbers become {outputs:,} in a way that is no convolution"
            raise RefusedError(told, "a network has convolutions, all-to-all synapses and pools", self.place)
        weight = self(torch.eye(inputs, dtype=torch.float64)).flatten(1).T
        return Connected(self.place, self.given, self.made, weight)


@dataclass(frozen=True, eq=False)
class Multiplied(Map):
    """Times a factor that broadcasts over [C, H, W]."""

    factor: Tensor

    def _apply(self, x: Tensor) -> Tensor:
        return x * self.factor

    @property
    def uniform(self) -> float | None:
        values = self.factor.unique()
        return float(values[0]) if len(values) == 1 else None

    def by_channel(self) -> Tensor | None:
        """[C], None where neurons of a channel differ."""
        whole = self.factor.expand(self.made).flatten(1)
        return whole[:, 0] if bool((whole == whole[:, :1]).all()) else None

    def pointwise(self) -> Map:
        """As a convolution of each channel with itself, or a matrix."""
        factor = self.by_channel()
        if factor is None:
            return self.matrix()
        return Convolved(self.place, self.given, self.made, factor[:, None, None, None], groups=len(factor))


@dataclass(frozen=True, eq=False)
class Convolved(Map):
    """Cross-correlated with a weight [Cout, Cin/groups, kh, kw]."""

    weight: Tensor
    stride: Both = (1, 1)
    padding: Both = (0, 0)
    dilation: Both = (1, 1)
    groups: int = 1

    def _apply(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)

    @property
    def point(self) -> bool:
        return self.weight.shape[2:] == (1, 1) and self.stride == (1, 1) and self.padding == (0, 0)

    def dense(self) -> Convolved:
        """With a weight from every channel to every channel."""
        if self.groups == 1:
            return self
        out, each = self.weight.shape[:2]
        wide = self.weight.new_zeros(out, each * self.groups, *self.weight.shape[2:])
        for g in range(self.groups):
            rows = slice(g * out // self.groups, (g + 1) * out // self.groups)
            wide[rows, g * each : (g + 1) * each] = self.weight[rows]
        return replace(self, weight=wide, groups=1)


@dataclass(frozen=True, eq=False)
class Connected(Map):
    """All to all: weight [out, in] of the flattened maps."""

    weight: Tensor

    def _apply(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


@dataclass(frozen=True, eq=False)
class Averaged(Map):
    """The mean of a window that always holds as many numbers, padding with it."""

    window: PoolWindow

    def _apply(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.window.size, self.window.stride, self.window.padding)

    @property
    def share(self) -> float:
        return 1 / math.prod(self.window.size)


@dataclass(frozen=True, eq=False)
class Largest(Map):
    """The largest of a window: linear only in that it commutes with nothing; it stands first or is refused."""

    window: PoolWindow


@dataclass(frozen=True, eq=False)
class Other(Map):
    """Any other linear function."""

    function: Callable[[Tensor], Tensor]

    def _apply(self, x: Tensor) -> Tensor:
        return self.function(x)


def without_factors(maps: Sequence[Map]) -> tuple[float, list[Map]]:
    """(what multiplies everything, the other maps)."""
    factor, rest = 1.0, []
    for step in maps:
        value = step.uniform if isinstance(step, Multiplied) else None
        if value is None:
            rest.append(step)
        else:
            factor *= value
    return factor, rest
