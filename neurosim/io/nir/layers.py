"""Populations and what reaches them, as layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from neurosim.io.nir import linear
from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import NirNode
from neurosim.io.nir.linear import Convolution, FoldError, Full, Op, Same
from neurosim.io.nir.neuron_nodes import Cell, parameters
from neurosim.io.nir.shapes import where
from neurosim.io.nir.signals import Signal, Term, scaled
from neurosim.network.layers import INPUT, Conv, Dense, Layer, Output, Pair, Pooling, Shape, Shortcut
from neurosim.network.neuron import PARAMETERS


@dataclass(frozen=True, eq=False)
class NirPopulation:
    """Neurons of a node (or the sum that a graph ends in), and what reaches them."""

    name: str
    node: NirNode
    cell: Cell
    inflow: Signal
    shape: Shape


class NirSynapses(NamedTuple):
    """A term as a layer or a shortcut takes it; *weight* is None where *scale* does."""

    weight: np.ndarray | None
    scale: float | None = None
    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    dilation: Pair = 1
    pool: Pooling = None

    @property
    def windows(self) -> dict[str, Any]:
        """How a convolution moves."""
        return {"stride": self.stride, "padding": self.padding, "groups": self.groups, "dilation": self.dilation}


class Layers:
    """Makes layers of populations, which are in the order in which layers are listed.

    A population keeps its map [C, H, W] unless a full matrix leads to it, or it reads from one that has lost its map, or it is
    the output: then it is [N, 1, 1], and all that reads it does so by full matrices.
    """

    def __init__(self, populations: list[NirPopulation], input_shape: Shape, fidelity: Fidelity, problems: list[str]):
        self.populations, self.fidelity, self.problems = populations, fidelity, problems
        self.input_shape = input_shape
        self.lost = self._lost()

    def layers(self) -> list[Layer]:
        found = []
        listed = {INPUT}
        for p in self.populations:
            try:
                found.append(self._layer(p, listed))
            except FoldError as reason:
                self.problems.append(where(p.node, reason))
            listed.add(p.name)
        return found

    def _lost(self) -> set[str]:
        mapped = [p for p in self.populations if p.shape != flat(p.shape)]
        found = {p.name for p in mapped if not p.cell.spiking or any(not _keeps_map(t.op, p.shape) for t in p.inflow.terms)}
        while new := {p.name for p in mapped if p.name not in found and any(t.source in found for t in p.inflow.terms)}:
            found |= new
        return found

    def _layer(self, p: NirPopulation, listed: set[str]) -> Layer:
        shape = flat(p.shape) if p.name in self.lost else p.shape
        gain, cell = p.cell.gain, p.cell
        if gain.ndim and not linear.even(gain.reshape(shape)):
            if np.any(gain <= 0):
                raise FoldError("its gains differ within a channel and are not all positive")
            cell, inflow, note = _divided(cell, gain), p.inflow, f"divided by the gain, {_reach(gain)}"
        else:
            inflow, note = scaled(p.inflow, gain), "" if np.all(gain == 1) else f"times the gain, {_reach(gain)}"
        terms = sorted(inflow.terms, key=lambda t: (isinstance(t.op, Same), t.delay))
        first = next((t for t in terms if t.source in listed), None)
        main = self._silence(p, shape) if first is None else self._synapses(p, shape, first, main=True)
        alike = [t for t in terms if first is not None and t is not first and t.source in listed and _same_weights(first, t)]
        shortcuts = []
        for t in terms:
            if t is not first and t not in alike:
                made = self._synapses(p, shape, t)
                shortcuts.append(Shortcut(
                    source=t.source, weight=made.weight, scale=made.scale, pool=made.pool, delay=t.delay, **made.windows
                ))  # fmt: skip
        assert main.weight is not None
        self._note(p, [main.weight, *(s.weight for s in shortcuts if s.weight is not None)], note)
        inputs = [INPUT] if first is None else [first.source, *(t.source for t in alike)]
        options: dict[str, Any] = {"inputs": inputs, "pool": main.pool, "shortcuts": shortcuts}
        options["delay"] = 0 if first is None else first.delay
        options |= self._parameters(p, cell, inflow.constant, shape, note)
        if main.weight.ndim == 4:
            return Conv(p.name, main.weight, **main.windows, **options)
        return (Dense if cell.spiking else Output)(p.name, main.weight, **options)

    def _synapses(self, p: NirPopulation, shape: Shape, term: Term, main: bool = False) -> NirSynapses:
        op, lost = term.op, term.source in self.lost
        pool = op.pool
        fits = (flat(op.out) if lost else op.out) == shape and not (lost and op.pool)
        if isinstance(op, Same) and op.scale.size == 1 and fits and not main:
            return NirSynapses(None, op.scale.item(), pool=pool)
        if isinstance(op, Full) and not lost:
            return NirSynapses(op.weight, pool=pool)
        if lost or op.out != shape or (main and not p.cell.spiking):
            return NirSynapses(linear.dense(op))
        if isinstance(op, Convolution):
            kernel = op.kernel
            return NirSynapses(kernel.weight, None, kernel.stride, kernel.padding, kernel.groups, kernel.dilation, pool)
        assert isinstance(op, Same)
        each = np.broadcast_to(op.scale[:, :1, :1, None], (shape[0], 1, 1, 1))
        return NirSynapses(each.copy(), groups=shape[0], pool=pool)

    def _silence(self, p: NirPopulation, shape: Shape) -> NirSynapses:
        """Weights of zero, for a population that only later ones feed."""
        self.fidelity.assume(f"{p.name} is fed by no population before it; its main weights are zeros")
        if shape != flat(shape):
            raise FoldError("only populations that come after it feed it; that is supported where it is [N], not a map")
        linear.check_size(shape[0] * math.prod(self.input_shape), "its matrix of zeros")
        return NirSynapses(np.zeros((shape[0], math.prod(self.input_shape))))

    def _parameters(self, p: NirPopulation, cell: Cell, constant: np.ndarray, shape: Shape, note: str) -> dict[str, Any]:
        """What the layer has beside its synapses, each with a line in the table."""
        bias = constant if cell.bias is None else constant + cell.bias
        found = {}
        for name, value in parameters(replace(cell, bias=bias if np.any(bias) else None)).items():
            found[name] = value.reshape(shape) if value.ndim else value.item()
            scaled_too = PARAMETERS[name].grid == "potential" and (name == "bias" or note.startswith("divided"))
            self.fidelity.add(p.node.name, p.node.kind, name, value, single(value), note if scaled_too else "")
        return found

    def _note(self, p: NirPopulation, weights: Sequence[np.ndarray], note: str) -> None:
        change = max(float(np.abs(w - single(w)).max(initial=0)) for w in weights)
        self.fidelity.add(p.node.name, p.node.kind, "weights", change, 0.0, note if note.startswith("times") else "")


def single(values: np.ndarray) -> np.ndarray:
    """What float32 makes of them."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def flat(shape: Shape) -> Shape:
    return (math.prod(shape), 1, 1)


def _keeps_map(op: Op, shape: Shape) -> bool:
    return not isinstance(op, Full) and op.out == shape and (isinstance(op, Convolution) or linear.even(op.scale))


def _reach(gain: np.ndarray) -> str:
    low, high = float(np.min(gain)), float(np.max(gain))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _divided(cell: Cell, gain: np.ndarray) -> Cell:
    """The same spikes from potentials measured in units of the gain."""
    divided = {name: v / gain for name, v in parameters(cell).items() if PARAMETERS[name].grid == "potential"}
    return replace(cell, **({"gain": np.ones(())} | divided))


def _same_weights(a: Term, b: Term) -> bool:
    """Whether two terms are one projection with two sources."""
    if a.delay != b.delay or isinstance(a.op, Same) or isinstance(b.op, Same) or type(a.op) is not type(b.op):
        return False
    if a.op.shape != b.op.shape or a.op.pool != b.op.pool:
        return False
    if isinstance(a.op, Convolution) and isinstance(b.op, Convolution):
        return a.op.kernel.alike(b.op.kernel) and np.array_equal(a.op.kernel.weight, b.op.kernel.weight)
    return isinstance(a.op, Full) and isinstance(b.op, Full) and np.array_equal(a.op.weight, b.op.weight)
