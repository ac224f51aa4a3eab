"""Linear maps from the spikes of a population to a map of numbers, and how they compose. All numbers are float64.

A map stays what the simulator runs fast, a shortcut or a convolution, as long as that is exact; else it becomes a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, diags_array

from neurosim.network.layers import Shape, pooled

# Entries of a matrix or kernel that is made by folding, and neurons of a population.
LARGEST = 2**24
Two = tuple[int, int]


class FoldError(Exception):
    """Why a node cannot be part of a network; becomes a line of the error that the user sees."""


@dataclass(frozen=True, eq=False)
class Same:
    """Each number is that of the source at the same place, sum-pooled 2x2 or not, times *scale* [C or 1, H or 1, W or 1]."""

    shape: Shape
    scale: np.ndarray
    pool: bool = False

    @property
    def out(self) -> Shape:
        return seen(self)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution, weight [Cout, Cin, kh, kw]."""

    shape: Shape
    weight: np.ndarray
    stride: Two
    padding: Two
    pool: bool = False

    @property
    def out(self) -> Shape:
        return window_shape(seen(self), self.weight, self.stride, self.padding)


@dataclass(frozen=True, eq=False)
class Full:
    """Everything to everything, weight [out, in]."""

    shape: Shape
    weight: np.ndarray
    pool: bool = False

    @property
    def out(self) -> Shape:
        return (len(self.weight), 1, 1)


Op = Same | Convolution | Full


def seen(op: Op) -> Shape:
    """The shape of the source once it is pooled."""
    return pooled(op.shape, "sum2" if op.pool else None)


def window_shape(shape: Shape, weight: np.ndarray, stride: Two, padding: Two) -> Shape:
    h, w = ((n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[1:], padding, weight.shape[2:], stride, strict=True))
    return (weight.shape[0], h, w)


def check_size(entries: int, what: str) -> None:
    if entries > LARGEST:
        raise FoldError(f"{what} takes {entries:,} numbers; at most {LARGEST:,} are allowed")


def scaled(op: Op, factor: np.ndarray) -> Op:
    """*op*, its numbers multiplied by *factor*, one number or one for each [n], in the order C, H, W."""
    if factor.ndim == 0:
        return replace(op, scale=op.scale * factor) if isinstance(op, Same) else replace(op, weight=op.weight * factor)
    if isinstance(op, Full):
        return replace(op, weight=op.weight * factor[:, None])
    each = factor.reshape(op.out)
    if isinstance(op, Same):
        return replace(op, scale=op.scale * (each[:, :1, :1] if even(each) else each))
    if even(each):
        return replace(op, weight=op.weight * each[:, :1, :1, None])
    return Full(op.shape, factor[:, None] * dense(op))


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
    return Full(op.shape, weight @ _window_matrix(seen(op), op.weight, op.stride, op.padding), op.pool)


def summed_2x2(op: Op, shape: Shape) -> Op:
    """*op*, seen as a map of this *shape*, then sum pooling of 2x2."""
    if isinstance(op, Same) and not op.pool and op.out == shape and even(op.scale):
        return replace(op, pool=True)
    return convolved(op, shape, channelwise(shape[0], (2, 2)), (2, 2), (0, 0))


def channelwise(channels: int, kernel: Two) -> np.ndarray:
    """The kernel that sums each channel by itself."""
    check_size(channels**2 * math.prod(kernel), f"a pool of {kernel[0]}x{kernel[1]} over {channels} channels as a convolution")
    return np.broadcast_to(np.eye(channels)[:, :, None, None], (channels, channels, *kernel)).copy()


def convolved(op: Op, shape: Shape, weight: np.ndarray, stride: Two, padding: Two) -> Op:
    """*op*, seen as a map of this *shape*, then a convolution."""
    fits = op.out == shape and all(p < k for p, k in zip(padding, weight.shape[2:], strict=True))
    if fits and isinstance(op, Same) and even(op.scale):
        factor = op.scale[:, 0, 0]
        return Convolution(op.shape, weight * factor[None, :, None, None], stride, padding, op.pool)
    if fits and isinstance(op, Convolution) and (found := _composed(op, weight, stride, padding)) is not None:
        return found
    matrix = _window_matrix(shape, weight, stride, padding)
    check_size(matrix.shape[0] * math.prod(op.shape), "the product of its convolution with the nodes before it")
    if isinstance(op, Same):
        return Full(op.shape, (matrix @ diags_array(np.broadcast_to(op.scale, op.out).ravel())).toarray(), op.pool)
    if isinstance(op, Full):
        return Full(op.shape, matrix @ op.weight, op.pool)
    return Full(op.shape, (matrix @ _window_matrix(seen(op), op.weight, op.stride, op.padding)).toarray(), op.pool)


def _composed(op: Convolution, weight: np.ndarray, stride: Two, padding: Two) -> Convolution | None:
    """Two convolutions as one; None where the zeros that pad the map between them would have to be computed."""
    inner, outer = op.weight.shape[2:], weight.shape[2:]
    for n, size, k, s, p, q in zip(seen(op)[1:], op.out[1:], inner, op.stride, op.padding, padding, strict=True):
        if q and (k > s + p or size * s - p < n):
            return None
    kernel = [k + (m - 1) * s for k, m, s in zip(inner, outer, op.stride, strict=True)]
    if weight.shape[0] * op.weight.shape[1] * math.prod(kernel) > LARGEST:
        return None
    found = np.zeros((weight.shape[0], op.weight.shape[1], *kernel))
    for y, x in np.ndindex(*outer):
        down, across = y * op.stride[0], x * op.stride[1]
        part = np.tensordot(weight[:, :, y, x], op.weight, 1)
        found[:, :, down : down + inner[0], across : across + inner[1]] += part
    steps = tuple(s * t for s, t in zip(op.stride, stride, strict=True))
    edges = tuple(p + s * q for p, s, q in zip(op.padding, op.stride, padding, strict=True))
    return Convolution(op.shape, found, steps, edges, op.pool)  # type: ignore[arg-type]


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
        found = _window_matrix(seen(op), op.weight, op.stride, op.padding)
    else:
        found = csr_array(op.weight)
    if not op.pool:
        return csr_array(found)
    return csr_array(found @ _window_matrix(op.shape, channelwise(op.shape[0], (2, 2)), (2, 2), (0, 0)))


def _window_matrix(shape: Shape, weight: np.ndarray, stride: Two, padding: Two) -> csr_array:
    """A convolution of a map of this *shape* as a sparse matrix."""
    out = window_shape(shape, weight, stride, padding)
    check_size(int(np.count_nonzero(weight)) * out[1] * out[2], "a convolution as a sparse matrix")
    rows, columns, values = [], [], []
    for a, b in np.ndindex(*weight.shape[2:]):
        o, c = np.nonzero(weight[:, :, a, b])
        y, x = (np.arange(n) * s - p + k for n, s, p, k in zip(out[1:], stride, padding, (a, b), strict=True))
        oy, ox = np.flatnonzero((y >= 0) & (y < shape[1])), np.flatnonzero((x >= 0) & (x < shape[2]))
        to = (o[:, None, None] * out[1] + oy[:, None]) * out[2] + ox
        of = (c[:, None, None] * shape[1] + y[oy][:, None]) * shape[2] + x[ox]
        rows.append(to.ravel())
        columns.append(of.ravel())
        values.append(np.broadcast_to(weight[o, c, a, b][:, None, None], to.shape).ravel())
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
    alike = (a.weight.shape, a.stride, a.padding) == (b.weight.shape, b.stride, b.padding)
    return replace(a, weight=a.weight + b.weight) if alike else None
