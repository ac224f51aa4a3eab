"""What reaches a node: sums of linear maps of the spikes of populations, late or not, plus a constant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurosim.io.nir import linear
from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import NirNode
from neurosim.io.nir.linear import FoldError, Kernel, Op, Same
from neurosim.io.nir.linear_nodes import Dims, array, as_map, bias, flattened, out_shape

# Connections into a node, and different delays on one.
MAX_TERMS = 256
MAX_DELAYS = 64
STEP = 1e-6


@dataclass(frozen=True, eq=False)
class Term:
    """The spikes of *source*, *delay* steps late, through *op*."""

    source: str
    op: Op
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Signal:
    """Numbers of a *shape* at every step: the sum of *terms*, and *constant*, one number or one each [n], as C, H, W."""

    shape: Dims
    terms: tuple[Term, ...]
    constant: np.ndarray

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def spikes_of(name: str, shape: Dims) -> Signal:
    """The spikes of a population."""
    return Signal(shape, (Term(name, Same(as_map(shape), np.ones((1, 1, 1)))),), np.zeros(()))


def total(signals: Sequence[Signal]) -> Signal:
    """The sum of what comes over several edges."""
    shapes = {math.prod(s.shape): s.shape for s in signals}
    if len(shapes) > 1:
        raise FoldError(f"edges into it bring different shapes: {', '.join(str(list(s)) for s in shapes.values())}")
    constant = sum((s.constant for s in signals), np.zeros(()))
    return Signal(signals[0].shape, merged([t for s in signals for t in s.terms]), constant)


def merged(terms: Sequence[Term]) -> tuple[Term, ...]:
    """As few terms as have the same sum."""
    alike: dict[tuple[str, int], list[Op]] = {}
    for term in terms:
        alike.setdefault((term.source, term.delay), []).append(term.op)
    found = tuple(Term(source, op, delay) for (source, delay), ops in alike.items() for op in linear.added(ops))
    if len(found) > MAX_TERMS:
        raise FoldError(f"{len(found)} connections meet at it; at most {MAX_TERMS} are supported")
    return found


def scaled(signal: Signal, factor: np.ndarray) -> Signal:
    """*factor*: one number, or [n]."""
    terms = tuple(replace(t, op=linear.scaled(t.op, factor)) for t in signal.terms)
    return replace(signal, terms=terms, constant=signal.constant * factor)


def through(node: NirNode, signal: Signal, kernel: Kernel | None, dt: float, fidelity: Fidelity) -> Signal:
    """What a linear node makes of what reaches it."""
    if node.kind in ("Linear", "Affine"):
        return _multiplied(node, signal)
    if node.kind == "Scale":
        factor = each(array(node, "scale"), signal.shape, "scale", fidelity, node)
        return scaled(signal, factor)
    if node.kind == "Flatten":
        return replace(signal, shape=flattened(node, signal.shape))
    if node.kind == "Delay":
        return _delayed(node, signal, dt, fidelity)
    if kernel is not None:
        return _convolved(node, signal, kernel, fidelity)
    return signal


def each(values: np.ndarray, shape: Dims, name: str, fidelity: Fidelity, node: NirNode) -> np.ndarray:
    """A parameter as one number, or one for every element [n], of a node of this *shape*."""
    if values.size == 1:
        return values.reshape(())
    if values.size == math.prod(shape):
        return values.ravel()
    if values.ndim == len(shape):
        try:
            return np.broadcast_to(values, shape).ravel()
        except ValueError:
            pass
    mapped = as_map(shape)
    if values.shape == mapped[:1] and mapped[2] != mapped[0]:
        fidelity.assume(f"{node.name}: its {name} [{len(values)}] is one value per channel of {list(shape)}")
        return np.repeat(values, math.prod(mapped[1:]))
    raise FoldError(f"its {name} has the shape {list(values.shape)}, which does not suit {list(shape)}")


def _multiplied(node: NirNode, signal: Signal) -> Signal:
    weight = array(node, "weight", 2)
    if weight.shape[1] != signal.size:
        raise FoldError(f"its weight takes {weight.shape[1]} inputs, what reaches it has {list(signal.shape)} = {signal.size}")
    terms = tuple(replace(t, op=linear.multiplied(t.op, weight)) for t in signal.terms)
    constant = weight @ np.broadcast_to(signal.constant, signal.size) if np.any(signal.constant) else np.zeros(())
    shift = bias(node, len(weight))
    shape = out_shape(node, signal.shape, None)
    assert shape is not None
    return Signal(shape, merged(terms), constant if shift is None else constant + shift)


def _convolved(node: NirNode, signal: Signal, kernel: Kernel, fidelity: Fidelity) -> Signal:
    shape = out_shape(node, signal.shape, kernel)
    assert shape is not None
    mapped, size = as_map(signal.shape), kernel.extent
    pools = node.kind.endswith("Pool2d")
    moves = size, kernel.stride, kernel.padding
    if pools:
        kernel = linear.channelwise(mapped[0], *moves)
        if node.kind == "AvgPool2d" and any(kernel.padding):
            fidelity.assume(f"{node.name}: the zeros around the map count in its averages")
    terms = [
        replace(t, op=linear.summed(t.op, mapped, *moves) if pools else linear.convolved(t.op, mapped, kernel))
        for t in signal.terms
    ]  # fmt: skip
    constant = np.zeros(())
    if np.any(signal.constant):
        every = np.broadcast_to(signal.constant, signal.size)
        constant = linear.convolved(linear.Full((1, 1, 1), every[:, None]), mapped, kernel).weight[:, 0]  # type: ignore[union-attr]
    if node.kind == "AvgPool2d":
        factor = np.asarray(1 / math.prod(size))
        return scaled(Signal(shape, merged(terms), constant), factor)
    shift = None if node.kind == "SumPool2d" else bias(node, as_map(shape)[0])
    if shift is not None:
        constant = constant + np.repeat(shift, math.prod(as_map(shape)[1:]))
    return Signal(shape, merged(terms), constant)


def _delayed(node: NirNode, signal: Signal, dt: float, fidelity: Fidelity) -> Signal:
    seconds = each(array(node, "delay"), signal.shape, "delay", fidelity, node)
    if np.any(seconds < 0):
        raise FoldError(f"its delay goes down to {seconds.min():g} s; time does not run backwards")
    if not np.any(seconds):
        return signal
    if np.any(signal.constant):
        raise FoldError("a constant (a bias) reaches it, which would come late too; put the bias behind the delay")
    steps = np.rint(seconds / dt)
    off = np.abs(steps - seconds / dt).max()
    note = f"delays are whole steps of {dt:g} s" if off > STEP else ""
    fidelity.add(node.name, node.kind, "delay [s]", seconds, steps * dt if off > STEP else seconds, note)
    different = np.unique(steps)
    if len(different) > MAX_DELAYS:
        raise FoldError(f"it has {len(different)} different delays; at most {MAX_DELAYS} are supported")
    if different[-1] > 2**20:
        raise FoldError(f"its delay of {seconds.max():g} s is {different[-1]:.0f} steps of {dt:g} s")
    terms = []
    for d in different:
        mask = np.ones(()) if len(different) == 1 else (steps == d).astype(np.float64)
        terms += [Term(t.source, t.op if mask.ndim == 0 else linear.scaled(t.op, mask), t.delay + int(d)) for t in signal.terms]
    return replace(signal, terms=merged(terms))
