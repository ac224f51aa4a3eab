"""Linear maps from the spikes of a population to a map of numbers, and how they compose. All numbers are float64.

A map stays what the simulator runs fast, a shortcut or a convolution, as long as that is exact; else it becomes a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from neurosim.network.layers import Pool, Pooling, Shape, pool_axes, pooled

# Entries of a matrix or kernel that is made by folding, and neurons of a population.
LARGEST = 2**24
Two = tuple[int, int]


class FoldError(Exception):
    """Why a node cannot be part of a network; becomes a line of the error that the user sees."""


@dataclass(frozen=True, eq=False)
class Kernel:
    """How a map [C, H, W] is convolved: weight [Cout, Cin/groups, kh, kw]."""

    weight: np.ndarray
    stride: Two = (1, 1)
    padding: Two = (0, 0)
    dilation: Two = (1, 1)
    groups: int = 1

    @property
    def channels(self) -> int:
        """Of the map that it takes."""
        found: int = self.weight.shape[1] * self.groups
        return found

    @property
    def extent(self) -> Two:
        """Sites from its first element to its last, down and across."""
        h, w = ((k - 1) * d + 1 for k, d in zip(self.weight.shape[2:], self.dilation, strict=True))
        return h, w

    def places(self, shape: Shape) -> Shape:
        """The shape that it makes of a map."""
        sizes = zip(shape[1:], self.padding, self.extent, self.stride, strict=True)
        h, w = ((n + 2 * p - k) // s + 1 for n, p, k, s in sizes)
        return (self.weight.shape[0], h, w)

    def plain(self) -> Kernel:
        """The same without groups and dilation, with zeros in their place."""
        out, share = self.weight.shape[:2]
        check_size(out * self.channels * math.prod(self.extent), "a kernel with zeros for its groups and its dilation")
        found = np.zeros((out, self.channels, *self.extent))
        for g in range(self.groups):
            rows, taken = slice(g * out // self.groups, (g + 1) * out // self.groups), slice(g * share, (g + 1) * share)
            found[rows, taken, :: self.dilation[0], :: self.dilation[1]] = self.weight[rows]
        return Kernel(found, self.stride, self.padding)

    def grouped(self, groups: int) -> Kernel:
        """The same of one without groups that has nothing but zeros between so many."""
        out, channels, *size = self.weight.shape
        parts = self.weight.reshape(groups, out // groups, groups, channels // groups, *size)
        each = np.arange(groups)
        return replace(self, weight=parts[each, :, each].reshape(out, channels // groups, *size), groups=groups)

    def alike(self, other: Kernel) -> bool:
        """Whether they move alike, whatever their weights are."""
        mine, its = ((k.weight.shape, k.stride, k.padding, k.dilation, k.groups) for k in (self, other))
        return mine == its


@dataclass(frozen=True, eq=False)
class Same:
    """Each number is that of the source, pooled by sums or not, at the same place, times *scale* [C or 1, H or 1, W or 1]."""

    shape: Shape
    scale: np.ndarray
    pool: Pooling = None

    @property
    def out(self) -> Shape:
        return seen(self)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution by *kernel*."""

    shape: Shape
    kernel: Kernel
    pool: Pooling = None

    @property
    def out(self) -> Shape:
        return self.kernel.places(seen(self))


@dataclass(frozen=True, eq=False)
class Full:
    """Everything to everything, weight [out, in]."""

    shape: Shape
    weight: np.ndarray
    pool: Pooling = None

    @property
    def out(self) -> Shape:
        return (len(self.weight), 1, 1)


Op = Same | Convolution | Full


def seen(op: Op) -> Shape:
    """The shape of the source once it is pooled."""
    return pooled(op.shape, op.pool)


def check_size(entries: int, what: str) -> None:
    if entries > LARGEST:
        raise FoldError(f"{what} takes {entries:,} numbers; at most {LARGEST:,} are allowed")


def scaled(op: Op, factor: np.ndarray) -> Op:
    """*op*, its numbers multiplied by *factor*, one number or one for each [n], in the order C, H, W."""
    if factor.ndim == 0:
        if isinstance(op, Same):
            return replace(op, scale=op.scale * factor)
        return _weighted(op, (op.weight if isinstance(op, Full) else op.kernel.weight) * factor)
    if isinstance(op, Full):
        return replace(op, weight=op.weight * factor[:, None])
    each = factor.reshape(op.out)
    if isinstance(op, Same):
        return replace(op, scale=op.scale * (each[:, :1, :1] if even(each) else each))
    if even(each):
        return _weighted(op, op.kernel.weight * each[:, :1, :1, None])
    return Full(op.shape, factor[:, None] * dense(op))


def _weighted(op: Convolution | Full, weight: np.ndarray) -> Op:
    """The same with other weights."""
    return replace(op, weight=weight) if isinstance(op, Full) else replace(op, kernel=replace(op.kernel, weight=weight))


def even(values: np.ndarray) -> bool:
    """Whether the values [C, H, W] are the same all over each channel."""
    return bool(np.all(values == values[:, :1, :1]))


def multiplied(op: Op, weight: np.ndarray) -> Full:
    """*op*, then the matrix *weight* [out, n]."""
    if isinstance(op, Same):
        return Full(op.shape, weight * np.broadcast_to(op.scale, op.out).ravel(), op.pool)
    check_size(len(weight) * math.prod(op.shape), "its product with the nodes before it")
    if isinstance(op, Full):
        return replace(op, weight=weight @ op.weight)
    return Full(op.shape, weight @ _window_matrix(seen(op), op.kernel), op.pool)


def summed(op: Op, shape: Shape, size: Two, stride: Two, padding: Two) -> Op:
    """*op*, seen as a map of this *shape*, then sum pooling."""
    if isinstance(op, Same) and not op.pool and op.out == shape and even(op.scale):
        plain = (size, stride, padding) == ((2, 2), (2, 2), (0, 0))
        return replace(op, pool="sum2" if plain else Pool("sum", size, stride, padding))
    return convolved(op, shape, channelwise(shape[0], size, stride, padding))


def channelwise(channels: int, size: Two, stride: Two, padding: Two = (0, 0)) -> Kernel:
    """The kernel that sums each channel by itself."""
    check_size(channels * math.prod(size), f"a pool of {size[0]}x{size[1]} over {channels} channels as a convolution")
    return Kernel(np.ones((channels, 1, *size)), stride, padding, groups=channels)


def convolved(op: Op, shape: Shape, kernel: Kernel) -> Op:
    """*op*, seen as a map of this *shape*, then a convolution."""
    fits = op.out == shape and all(p < k for p, k in zip(kernel.padding, kernel.extent, strict=True))
    if fits and isinstance(op, Same) and even(op.scale):
        factor = np.broadcast_to(op.scale[:, 0, 0], shape[:1]).reshape(kernel.groups, 1, -1, 1, 1)
        parts = kernel.weight.reshape(kernel.groups, -1, *kernel.weight.shape[1:]) * factor
        return Convolution(op.shape, replace(kernel, weight=parts.reshape(kernel.weight.shape)), op.pool)
    if fits and isinstance(op, Convolution) and (found := _composed(op, kernel)) is not None:
        return found
    matrix = _window_matrix(shape, kernel)
    check_size(matrix.shape[0] * math.prod(op.shape), "the product of its convolution with the nodes before it")
    if isinstance(op, Same):
        return Full(op.shape, (matrix @ diags_array(np.broadcast_to(op.scale, op.out).ravel())).toarray(), op.pool)
    if isinstance(op, Full):
        return Full(op.shape, matrix @ op.weight, op.pool)
    return Full(op.shape, (matrix @ _window_matrix(seen(op), op.kernel)).toarray(), op.pool)


def _composed(op: Convolution, then: Kernel) -> Convolution | None:
    """Two convolutions as one; None where the zeros that pad the map between them would have to be computed."""
    inner, outer, stride, padding = op.kernel.extent, then.extent, op.kernel.stride, op.kernel.padding
    for n, size, k, s, p, q in zip(seen(op)[1:], op.out[1:], inner, stride, padding, then.padding, strict=True):
        if q and (k > s + p or size * s - p < n):
            return None
    size = [k + (m - 1) * s for k, m, s in zip(inner, outer, stride, strict=True)]
    if max(then.channels, len(then.weight)) * max(op.kernel.channels, then.channels) * math.prod(size) > LARGEST:
        return None
    first, second = op.kernel.plain().weight, then.plain().weight
    found = np.zeros((len(second), first.shape[1], *size))
    for y, x in np.ndindex(*outer):
        down, across = y * stride[0], x * stride[1]
        found[:, :, down : down + inner[0], across : across + inner[1]] += np.tensordot(second[:, :, y, x], first, 1)
    down, across = (s * t for s, t in zip(stride, then.stride, strict=True))
    top, left = (p + s * q for p, s, q in zip(padding, stride, then.padding, strict=True))
    made = Kernel(found, (down, across), (top, left))
    # What neither mixes stays apart.
    return Convolution(op.shape, made.grouped(math.gcd(op.kernel.groups, then.groups)), op.pool)


def dense(op: Op) -> np.ndarray:
    """The map as a matrix [out, in] from the source before any pool."""
    check_size(math.prod(op.out) * math.prod(op.shape), "a full matrix in place of its convolution")
    found: np.ndarray = _matrix(op).toarray()
    return found


def _matrix(op: Op) -> csr_array:
    """The map as a sparse matrix from the source before any pool."""
    if isinstance(op, Same):
        found = diags_array(np.broadcast_to(op.scale, op.out).ravel().copy(), format="csr")
    elif isinstance(op, Convolution):
        found = _window_matrix(seen(op), op.kernel)
    else:
        found = csr_array(op.weight)
    if not op.pool:
        return csr_array(found)
    down, across = pool_axes(op.pool)
    size, stride, padding = ((getattr(down, name), getattr(across, name)) for name in ("kernel", "stride", "padding"))
    return csr_array(found @ _window_matrix(op.shape, channelwise(op.shape[0], size, stride, padding)))


def _window_matrix(shape: Shape, kernel: Kernel) -> csr_array:
    """A convolution of a map of this *shape* as a sparse matrix."""
    weight, out = kernel.weight, kernel.places(shape)
    check_size(int(np.count_nonzero(weight)) * out[1] * out[2], "a convolution as a sparse matrix")
    rows, columns, values = [], [], []
    for a, b in np.ndindex(*weight.shape[2:]):
        o, of_group = np.nonzero(weight[:, :, a, b])
        c = o // (len(weight) // kernel.groups) * weight.shape[1] + of_group
        steps = zip(out[1:], kernel.stride, kernel.padding, kernel.dilation, (a, b), strict=True)
        y, x = (np.arange(n) * s - p + d * k for n, s, p, d, k in steps)
        oy, ox = np.flatnonzero((y >= 0) & (y < shape[1])), np.flatnonzero((x >= 0) & (x < shape[2]))
        to = (o[:, None, None] * out[1] + oy[:, None]) * out[2] + ox
        of = (c[:, None, None] * shape[1] + y[oy][:, None]) * shape[2] + x[ox]
        rows.append(to.ravel())
        columns.append(of.ravel())
        values.append(np.broadcast_to(weight[o, of_group, a, b][:, None, None], to.shape).ravel())
    data = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(data, shape=(math.prod(out), math.prod(shape)))


def added(ops: Sequence[Op]) -> list[Op]:
    """Maps from one source whose sum is that of *ops*, as few as can be without losing their form."""
    found: list[Op] = []
    for op in ops:
        for i, other in enumerate(found):
            if (one := _sum(other, op)) is not None:
                found[i] = one
                break
        else:
            found.append(op)
    return found


def _sum(a: Op, b: Op) -> Op | None:
    if a.pool != b.pool or a.shape != b.shape:
        return None
    if isinstance(a, Same) and isinstance(b, Same):
        return replace(a, scale=a.scale + b.scale)
    if isinstance(a, Full) and isinstance(b, Full):
        return replace(a, weight=a.weight + b.weight)
    if not isinstance(a, Convolution) or not isinstance(b, Convolution):
        return None
    return _weighted(a, a.kernel.weight + b.kernel.weight) if a.kernel.alike(b.kernel) else None
