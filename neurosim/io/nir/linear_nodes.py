"""What the fields of the linear nodes mean: kernels, pools, shapes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.io.nir.graph_file import NirNode
from neurosim.io.nir.linear import LARGEST, FoldError, Kernel, check_size
from neurosim.network.layers import Shape

Dims = tuple[int, ...]
NEURONS = ("IF", "LIF", "CubaLIF", "LI", "CubaLI", "I", "Threshold")
SPIKING = ("IF", "LIF", "CubaLIF", "Threshold")
LINEAR = (
    "Input", "Output", "Through", "Linear", "Affine", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay",
)  # fmt: skip
# Those that have the shape of their node.
SHAPED = ("v_threshold", "tau", "tau_mem", "r", "threshold", "delay", "scale")


def as_map(shape: Dims) -> Shape:
    """A shape as [C, H, W]: [N] are N channels, [C, L] a row; leading dimensions of 1 mean nothing."""
    dims = shape
    while len(dims) > 3 and dims[0] == 1:
        dims = dims[1:]
    if len(dims) > 3:
        raise FoldError(f"its shape is {list(shape)}; at most three dimensions, C, H, W, are supported")
    c, h, w = {0: (1, 1, 1), 1: (*dims, 1, 1), 2: (*dims[:1], 1, *dims[1:]), 3: dims}[len(dims)]
    return c, h, w


def checked_shape(dims: Any) -> Dims:
    """A shape from a file."""
    given = np.atleast_1d(np.asarray(dims))
    numbers = given.dtype.kind in "iuf" and given.ndim == 1 and len(given) <= 8
    if not numbers or not np.all((given >= 1) & (given < 2**31) & (given == np.rint(given))):
        raise FoldError(f"its shape is {_brief(given)}; it must be a few positive integers")
    found = tuple(int(d) for d in given)
    if math.prod(found) > LARGEST:
        raise FoldError(f"its shape {list(found)} has {math.prod(found):,} elements; at most {LARGEST:,} are allowed")
    return found


def array(node: NirNode, name: str, *ndims: int) -> np.ndarray:
    """Field *name* as finite float64, of one of *ndims* dimensions where any are given."""
    value = node.fields.get(name)
    if not isinstance(value, np.ndarray | np.generic):
        raise FoldError(f"its field {name!r} is missing" if value is None else f"its {name} is {value!r}; needed are numbers")
    found = np.asarray(value, np.float64)
    if found.size == 0 or (ndims and found.ndim not in ndims):
        needed = " or ".join(map(str, ndims)) if ndims else "some"
        raise FoldError(f"its {name} has the shape {list(found.shape)}; needed: {needed} dimensions")
    if not np.isfinite(found).all():
        raise FoldError(f"its {name} has {np.count_nonzero(~np.isfinite(found))} values that are not finite")
    return found


def integers(node: NirNode, name: str, count: int, least: int, default: int | None = None) -> tuple[int, ...]:
    """Field *name* as *count* integers; a single one stands for all."""
    if name not in node.fields and default is not None:
        return (default,) * count
    found = array(node, name).ravel()
    if len(found) not in (1, count) or np.any(found != np.rint(found)) or found.min() < least or found.max() >= 2**31:
        raise FoldError(f"its {name} is {_brief(found)}; needed: {count} integers of at least {least}")
    return tuple(int(n) for n in np.broadcast_to(found, count))


def bias(node: NirNode, count: int) -> np.ndarray | None:
    """Field *bias* [count], None where it is absent."""
    if node.fields.get("bias") is None:
        return None
    found = array(node, "bias").ravel()
    if len(found) not in (1, count):
        raise FoldError(f"its bias has {len(found)} values for {count} outputs")
    return np.broadcast_to(found, count)


def kernel(node: NirNode) -> Kernel:
    """Of a Conv1d, Conv2d, SumPool2d or AvgPool2d; a pool's weight is that of one channel to itself, [1, 1, kh, kw]."""
    if node.kind.endswith("Pool2d"):
        return _pool(node)
    flat = node.kind == "Conv1d"
    axes = 1 if flat else 2
    weight = array(node, "weight", axes + 2)
    weight = weight[:, :, None] if flat else weight
    groups = integers(node, "groups", 1, 1, 1)[0]
    stride, dilation = integers(node, "stride", axes, 1, 1), integers(node, "dilation", axes, 1, 1)
    if weight.shape[0] % groups:
        raise FoldError(f"its {weight.shape[0]} output channels do not divide into {groups} groups")
    stride, dilation = ((1, *stride), (1, *dilation)) if flat else (stride, dilation)
    found = Kernel(weight, stride, (0, 0), dilation, groups)  # type: ignore[arg-type]
    text = node.fields.get("padding", "valid")
    if not isinstance(text, str):
        *before, across = integers(node, "padding", axes, 0)
        return replace(found, padding=(before[0] if before else 0, across))
    if text == "valid":
        return found
    if text != "same":
        raise FoldError(f"its padding is {text[:40]!r}; it must be integers, 'same' or 'valid'")
    if set(stride) != {1}:
        raise FoldError(f"its padding is 'same' with a stride of {list(stride)}, which is not defined")
    # A kernel of even extent has one row more to come after the middle than before it.
    front = [(k + 1) % 2 for k in found.extent]
    if any(front):
        spread = replace(found, weight=_dilated(weight, found.dilation), dilation=(1, 1))
        found = replace(spread, weight=np.pad(spread.weight, [(0, 0), (0, 0), *((n, 0) for n in front)]))
    high, wide = found.extent
    return replace(found, padding=((high - 1) // 2, (wide - 1) // 2))


def _pool(node: NirNode) -> Kernel:
    size, stride = integers(node, "kernel_size", 2, 1), integers(node, "stride", 2, 1)
    padding = integers(node, "padding", 2, 0, 0)
    check_size(math.prod(size), "its kernel")
    if any(2 * p > k for p, k in zip(padding, size, strict=True)):
        raise FoldError(f"its padding {list(padding)} is more than half of its kernel {list(size)}")
    return Kernel(np.ones((1, 1, *size)), stride, padding)  # type: ignore[arg-type]


def _dilated(weight: np.ndarray, dilation: tuple[int, ...]) -> np.ndarray:
    """With zeros between the taps."""
    size = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    check_size(weight.shape[0] * weight.shape[1] * math.prod(size), "its dilated kernel")
    found = np.zeros((*weight.shape[:2], *size))
    found[:, :, :: dilation[0], :: dilation[1]] = weight
    return found


def flattened(node: NirNode, shape: Dims) -> Dims:
    """The shape after a Flatten."""
    start = integers_or(node, "start_dim", 1)
    end = integers_or(node, "end_dim", -1)
    rank = len(shape)
    first, last = (d + rank if d < 0 else d for d in (start, end))
    # A shape without a batch has nothing left to flatten where it is one-dimensional.
    if rank <= 1:
        return shape
    if not 0 <= first < rank or not first <= last < rank:
        raise FoldError(f"its start_dim {start} and end_dim {end} do not lie within its input of {list(shape)}")
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def integers_or(node: NirNode, name: str, default: int) -> int:
    """Field *name*, one integer of any sign."""
    if name not in node.fields:
        return default
    found = array(node, name).ravel()
    if len(found) != 1 or found[0] != np.rint(found[0]) or abs(found[0]) > 100:
        raise FoldError(f"its {name} is {_brief(found)}; needed: one integer")
    return int(found[0])


def out_shape(node: NirNode, shape: Dims | None, found: Kernel | None) -> Dims | None:
    """The shape of what the node gives, for an input of *shape*; None where that cannot be known yet. *found*: its kernel."""
    if node.kind in ("Linear", "Affine"):
        rows = array(node, "weight", 2).shape[0]
        return (rows,) if shape is None or len(shape) <= 1 or math.prod(shape[:-1]) != 1 else (*shape[:-1], rows)
    if node.kind in ("Conv1d", "Conv2d"):
        return None if shape is None or found is None else _conv_shape(node, shape, found)
    if shape is None:
        return None
    if node.kind in ("SumPool2d", "AvgPool2d"):
        return None if found is None else _spatial(shape, as_map(shape)[0], found, 2)
    return flattened(node, shape) if node.kind == "Flatten" else shape


def _conv_shape(node: NirNode, shape: Dims, found: Kernel) -> Dims:
    c = as_map(shape)[0]
    if c != found.channels:
        raise FoldError(f"its weight takes {found.channels} channels, its input of {list(shape)} has {c}")
    return _spatial(shape, found.weight.shape[0], found, 1 if node.kind == "Conv1d" else 2)


def _spatial(shape: Dims, channels: int, found: Kernel, axes: int) -> Dims:
    mapped = as_map(shape)
    if len(shape) < axes + 1 or (axes == 1 and mapped[1] != 1):
        raise FoldError(f"its input has the shape {list(shape)}; needed are {axes + 1} dimensions, channels first")
    size = found.places(mapped)[1:]
    if min(size) < 1:
        spread = f" of dilation {list(found.dilation)}" if found.dilation != (1, 1) else ""
        raise FoldError(f"its kernel {list(found.weight.shape[2:])}{spread} does not fit its input of {list(shape)}")
    return checked_shape((channels, *size[2 - axes :]))


def in_shape(node: NirNode, found: Kernel | None) -> Dims | None:
    """The shape that the node itself says its input has."""
    if node.kind in ("Linear", "Affine"):
        return (array(node, "weight", 2).shape[1],)
    if node.kind in ("Conv1d", "Conv2d"):
        axes = int(node.kind[-2])
        size = node.fields.get("input_shape")
        known = found is not None and isinstance(size, np.ndarray | np.generic) and np.size(size) in (axes, axes + 1)
        return (found.channels, *checked_shape(size)[-axes:]) if known and found is not None else None
    given = next((node.fields[n] for n in ("input_type", "shape") if isinstance(node.fields.get(n), np.ndarray)), None)
    if given is not None and given.size:
        return checked_shape(given)
    named = [np.shape(node.fields[n]) for n in SHAPED if n in node.fields]
    return next((checked_shape(s) for s in named if math.prod(s) > 1), None)


def _brief(values: np.ndarray) -> str:
    return str(values.tolist()) if values.size <= 4 else f"{values.dtype} {list(values.shape)}"
