"""From a graph to a description: populations with their projections, and the readout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from neurosim.frameworks.family import reader
from neurosim.frameworks.graph.node import AtenCall, GraphNode, ModelGraph, as_map
from neurosim.frameworks.graph.refusal import RefusedError
from neurosim.frameworks.lowering.affine import Affine, AffineTerm
from neurosim.frameworks.lowering.description import Description, FedPopulation, WeightedProjection
from neurosim.frameworks.lowering.expression import Expressions
from neurosim.frameworks.lowering.filtering import silent, with_current
from neurosim.frameworks.lowering.folding import Folded, connected, folded
from neurosim.frameworks.lowering.maps import Convolved
from neurosim.frameworks.lowering.naming import LayerNames
from neurosim.frameworks.lowering.pooling import largest
from neurosim.frameworks.lowering.readout import Ending, ending
from neurosim.frameworks.neuron import Neuron, as_shown
from neurosim.network.layers import INPUT

CURRENTS = (
    "only spikes travel between layers; such a sum can be the synaptic current of neurons that have none, where all that they "
    "read passes sums with one leak"
)
# Of a population that fires where its whole currents reach 1.
GATE = Neuron(0.5, 0.0, as_shown)


@dataclass(frozen=True)
class Lowered:
    """A *description*, the answer that it stands for, and what its last population is made of, for what is recorded of it."""

    description: Description
    end: Ending


def lowered(graph: ModelGraph, spiking_input: bool, images: bool = False, decode: str | None = None) -> Lowered:
    """Raises RefusedError where the graph is no network. *spiking_input*: samples are 0 or 1; *images*: they are the same at
    every step. *decode*: what the readout has to be, None: what the model does."""
    expressions = Expressions(spiking_input)
    end = ending(graph, expressions, decode)
    builder = Builder(expressions)
    populations = [builder.population(node) for node in _sources(graph, expressions, end)]
    if end.affine is not None:
        populations.append(builder.readout(end))
    elif populations[-1].node is not end.node:
        last = next(p for p in populations if p.node is end.node)
        told = "it answers, but others read it in the same step"
        readers = [p for p in populations if any(last.name in q.sources and not q.delay for q in p.projections)]
        if readers:
            raise RefusedError(told, "the last layer answers: let nothing read it", last.place)
        populations.remove(last)
        populations.append(last)
    return Lowered(Description(tuple(populations), end.readout, images), end)


def _sources(graph: ModelGraph, expressions: Expressions, end: Ending) -> list[GraphNode]:
    """Neurons and gates that the answer needs, sources first."""
    needed: set[int] = set()
    waiting = [t.node for t in end.affine.terms] if end.affine is not None else [end.node]
    while waiting:
        node = waiting.pop()
        if id(node) in needed or node.kind == "input":
            continue
        needed.add(id(node))
        waiting += [t.node for t in _given(expressions, node).terms]
    fires = (node for node in graph.nodes if id(node) in expressions.gates or (node.kind == "neuron" and not silent(node)))
    return [node for node in fires if id(node) in needed]


def _given(expressions: Expressions, node: GraphNode) -> Affine:
    """What reaches a source."""
    if node.kind == "neuron":
        return expressions.of(node.entries[0])
    if id(node) in expressions.gates:
        return expressions.gates[id(node)]
    if id(node) in expressions.pools:
        return expressions.pools[id(node)]
    return expressions.sums[id(node)]


class Builder:
    """Makes populations, one after another, and names them."""

    def __init__(self, expressions: Expressions):
        self.expressions = expressions
        self.names = LayerNames()
        self.named: dict[int, str] = {}

    def population(self, node: GraphNode) -> FedPopulation:
        expressions = self.expressions
        given, window = _given(expressions, node), None
        term = given.plain
        if term is not None and id(term.node) in expressions.pools and not term.delay:
            assert isinstance(term.node.call, AtenCall)
            given, window = expressions.pools[id(term.node)], largest(term.node.call.arguments)
        shape = as_map(node.shapes[0])
        gate = id(node) in expressions.gates
        given, neuron = (given, GATE) if gate else with_current(given, self._neuron(node), expressions)
        self.named[id(node)] = ""
        chains = self._chains(given, node)
        weighted = next((f.place for _, f in chains if f.core is not None and f.place), node.place)
        name = self.names.of(weighted, "gate" if gate else "fc" if _flat(chains) else "conv")
        self.named[id(node)] = name
        label = str(node.place) if weighted is node.place else f"{weighted} and {node.place}"
        projections = tuple(self._projection(terms, f, neuron.gain, node) for terms, f in chains)
        bias = None if given.constant is None else _single(given.constant * _gain(neuron))
        return FedPopulation(name, label, node.place, shape, neuron, projections, bias, window, gate, node)

    def readout(self, end: Ending) -> FedPopulation:
        """The population that only adds up, and answers."""
        assert end.affine is not None
        chains = [
            (t, connected(f, t[0].maps, as_map(t[0].node.shapes[t[0].output]))) for t, f in self._chains(end.affine, end.node)
        ]
        place = next((f.place for _, f in chains if f.place), end.node.place)
        name = self.names.of(place, "fc")
        projections = tuple(self._projection(terms, f, end.neuron.gain, end.node) for terms, f in chains)
        bias = None if end.affine.constant is None else _single(end.affine.constant * _gain(end.neuron))
        label = str(place) if end.node.kind != "neuron" else f"{place} and {end.node.place}"
        return FedPopulation(name, label, end.node.place, end.affine.shape, end.neuron, projections, bias, node=end.node)

    @staticmethod
    def _neuron(node: GraphNode) -> Neuron:
        read = reader(node.module) if node.module is not None else None
        assert read is not None
        neuron = read(node.module, node.shapes[0], as_map(node.shapes[0]))
        if neuron.problems:
            raise RefusedError("; ".join(neuron.problems), "", node.place)
        return neuron

    def _chains(self, given: Affine, node: GraphNode) -> list[tuple[list[AffineTerm], Folded]]:
        """Terms by the maps that they share, which make one projection."""
        groups: dict[tuple[object, ...], list[AffineTerm]] = {}
        for term in given.terms:
            self._check(term, node)
            groups.setdefault((term.delay, *map(id, term.maps)), []).append(term)
        return [(_once(terms), folded(terms[0].maps)) for terms in groups.values()]

    def _check(self, term: AffineTerm, node: GraphNode) -> None:
        """Only what fires can be read."""
        source, expressions = term.node, self.expressions
        if expressions.fires(term) or source.kind == "input":
            return
        if id(source) in expressions.sums or silent(source):
            raise RefusedError(f"adds up over time what {node.place} then reads", CURRENTS, source.place)
        if id(source) in expressions.pools:
            raise RefusedError(
                "pools what is no spikes, and more happens to that",
                "a max pool of currents has neurons behind it",
                source.place,
            )
        raise RefusedError(f"{node.place} reads a potential of it", "only spikes travel between layers", source.place)

    def _projection(self, terms: Sequence[AffineTerm], f: Folded, gain: float, node: GraphNode) -> WeightedProjection:
        sources = tuple(INPUT if t.node.kind == "input" else self.named[id(t.node)] for t in terms)
        place = f.place or node.place
        own = np.float32(gain)
        if f.core is None:
            return WeightedProjection(sources, place, f.window, scale=float(np.float32(f.factor * own)), delay=terms[0].delay)
        weight = _single((f.weight if f.weight is not None else f.core.weight) * float(own))
        core, late = f.core, terms[0].delay
        if not isinstance(core, Convolved):
            return WeightedProjection(sources, place, f.window, weight, delay=late)
        return WeightedProjection(
            sources, place, f.window, weight, stride=core.stride, padding=core.padding, dilation=core.dilation,
            groups=core.groups, delay=late,
        )  # fmt: skip


def _once(terms: list[AffineTerm]) -> list[AffineTerm]:
    """A source that is read twice in one way cannot share a weight with itself."""
    names = [t.key for t in terms]
    if len(set(names)) < len(names):
        twice = next(t for t in terms if names.count(t.key) > 1)
        raise RefusedError("it is added to itself", "multiply by 2 instead", twice.node.place)
    return terms


def _flat(chains: Sequence[tuple[list[AffineTerm], Folded]]) -> bool:
    weights = [f.weight for _, f in chains if f.weight is not None]
    return not weights or weights[0].ndim == 2


def _gain(neuron: Neuron) -> float:
    return float(np.float32(neuron.gain))


def _single(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.detach().numpy().astype(np.float32))
