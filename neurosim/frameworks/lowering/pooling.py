"""Pools of ATen, as windows."""

from __future__ import annotations

import math
from typing import Any

import torch

from neurosim.frameworks.graph.node import AtenCall, GraphNode
from neurosim.frameworks.graph.refusal import RefusedError
from neurosim.frameworks.lowering.affine import Affine
from neurosim.frameworks.lowering.description import Both, PoolWindow
from neurosim.frameworks.lowering.maps import Averaged, Multiplied, Other
from neurosim.network.layers import Shape


def _both(value: Any, row: bool) -> Both:
    given = [value] if isinstance(value, int) else list(value)
    if row:
        return 1, given[0]
    return (given[0], given[0]) if len(given) == 1 else (given[0], given[1])


def largest(a: dict[str, Any]) -> PoolWindow:
    """The window of a max pool of these arguments."""
    size, padding = _both(a["kernel_size"], False), _both(a["padding"], False)
    stride = _both(a["stride"], False) if a["stride"] else size
    if a["ceil_mode"] or _both(a["dilation"], False) != (1, 1):
        raise RefusedError("it is a max pool with ceil_mode or a dilation", "leave these out")
    return PoolWindow("max", size, stride, padding)


def average(node: GraphNode, given: Affine) -> Affine:
    """Followed by an average pool, plain or adaptive."""
    assert isinstance(node.call, AtenCall)
    a, made = node.call.arguments, _map(node)
    window = _adaptive(given.shape, made) if "output_size" in a else _plain(a, len(node.shapes[0]) == 2, given.shape)
    if window is None:
        # Windows of several sizes, or whose share depends on the place.
        return given.then(Other(node.place, given.shape, made, _native(node)))
    return given.then(Averaged(node.place, given.shape, made, window))


def _map(node: GraphNode) -> Shape:
    shape = node.shapes[0]
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape  # type: ignore[return-value]


def _native(node: GraphNode) -> Any:
    """The call on the features as the framework has them."""
    call, shape = node.call, node.entries[0].shape
    assert call is not None
    return lambda x: call(x.reshape(len(x), *shape))


def _plain(a: dict[str, Any], row: bool, shape: Shape) -> PoolWindow | None:
    size = _both(a["kernel_size"], row)
    stride = _both(a["stride"], row) if a["stride"] else size
    padding = (0, _both(a["padding"], True)[1]) if row else _both(a["padding"], False)
    divided = a.get("divisor_override") not in (None, math.prod(size))
    uneven = any((n + 2 * p - k) % s for n, p, k, s in zip(shape[1:], padding, size, stride, strict=True))
    shares = any(padding) and not a["count_include_pad"]
    return None if divided or (a["ceil_mode"] and uneven) or shares else PoolWindow("sum", size, stride, padding)


def _adaptive(given: Shape, made: Shape) -> PoolWindow | None:
    if any(n % m for n, m in zip(given[1:], made[1:], strict=True)):
        return None
    size = (given[1] // made[1], given[2] // made[2])
    return PoolWindow("sum", size, size)


def mean(node: GraphNode, given: Affine, total: bool = False) -> Affine:
    """Followed by a mean, or the *total*, over features."""
    assert isinstance(node.call, AtenCall)
    dims = node.call.arguments["dim"]
    axes = {d - 1 for d in ([dims] if isinstance(dims, int) else dims)}
    native = node.entries[0].shape
    made = math.prod(native) // math.prod(native[d] for d in axes)
    if len(native) - len(axes) == 1 and 0 not in axes:
        window = PoolWindow("sum", given.shape[1:], given.shape[1:])
        shape = (given.shape[0], 1, 1)
        found = given.then(Averaged(node.place, given.shape, shape, window))
        size = math.prod(given.shape[1:])
        many = torch.tensor(float(size), dtype=torch.float64)
        return found.then(Multiplied(node.place, shape, shape, many)) if total else found
    return given.then(Other(node.place, given.shape, (made, 1, 1), _native(node)))
