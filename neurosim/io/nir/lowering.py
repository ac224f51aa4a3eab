"""From a graph to layers: signals are folded into synapses, neuron nodes become populations, cycles get a delay."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import Graph, NirNode
from neurosim.io.nir.layers import Layers, NirPopulation
from neurosim.io.nir.linear import FoldError, Same
from neurosim.io.nir.linear_nodes import NEURONS, SPIKING, Dims, as_map
from neurosim.io.nir.neuron_nodes import Cell, LeakRule, discretised
from neurosim.io.nir.shapes import kernels, known_kinds, shapes, where
from neurosim.io.nir.signals import Signal, merged, spikes_of, through, total
from neurosim.network.layers import INPUT, NEXT_STEP, Dynamics, Layer, Shape

READOUT = "output"
FEEDBACK = "feedback from {} to {} arrives one step late; a bias on its way counts at every step (Norse begins with the second)"


@dataclass(frozen=True)
class Choices:
    """What NIR leaves open."""

    dt: float
    reset: Literal["subtract", "zero"]
    dynamics: Dynamics
    leak: LeakRule


def lowered(graph: Graph, choices: Choices, fidelity: Fidelity, problems: list[str]) -> tuple[Shape, list[Layer]]:
    """The shape of the input and the layers; nothing of use where problems were noted."""
    graph = _pruned(graph, problems, fidelity)
    known_kinds(graph, problems)
    made = kernels(graph, problems)
    given = shapes(graph, made, problems, fidelity) if not problems else {}
    if problems:
        return (1, 1, 1), []
    found = _Lowering(graph, choices, fidelity, given, problems)
    populations = found.populations(made)
    if not problems:
        populations = found.with_readout(_looped(populations, fidelity))
    if problems:
        return (1, 1, 1), []
    return found.input_shape, Layers(_in_order(populations), found.input_shape, fidelity, problems).layers()


def _pruned(graph: Graph, problems: list[str], fidelity: Fidelity) -> Graph:
    """What leads to the one output, from the one input."""
    targets, sources = {b for _, b in graph.edges}, {a for a, _ in graph.edges}
    ends = [n.name for n in graph.of_kind("Output")] or [n for n in graph.nodes if n not in sources]
    if len(ends) != 1:
        named = ", ".join(map(repr, ends[:9]))
        problems.append(f"the graph ends in {len(ends)} nodes ({named}); exactly one Output is supported")
        return graph
    before: dict[str, list[str]] = {}
    for a, b in graph.edges:
        before.setdefault(b, []).append(a)
    used, queue = {ends[0]}, deque(ends)
    while queue:
        new = set(before.get(queue.popleft(), ())) - used
        used |= new
        queue.extend(sorted(new))
    idle = [n for n in graph.nodes if n not in used]
    if idle:
        fidelity.assume(f"left out, for the output does not depend on them: {', '.join(idle)}")
    nodes = {n: node for n, node in graph.nodes.items() if n in used}
    edges = [(a, b) for a, b in graph.edges if a in used and b in used]
    begins = [n for n, node in nodes.items() if node.kind == "Input"]
    if not begins and len(roots := [n for n in nodes if n not in targets and nodes[n].kind != "Output"]) == 1:
        name = next(f"input{'_' * i}" for i in range(len(nodes) + 1) if f"input{'_' * i}" not in nodes)
        nodes, edges = {name: NirNode(name, "Input", {}), **nodes}, [(name, roots[0]), *edges]
        fidelity.assume(f"the graph has no Input; its input is that of {roots[0]}")
        begins = [name]
    if len(begins) != 1:
        named = ", ".join(map(repr, begins[:9]))
        problems.append(f"the graph has {len(begins)} inputs that matter ({named}); exactly one is supported")
    return Graph(nodes, edges)


class _Lowering:
    def __init__(self, graph: Graph, choices: Choices, fidelity: Fidelity, given: dict[str, Dims], problems: list[str]):
        self.graph, self.choices, self.fidelity, self.given, self.problems = graph, choices, fidelity, given, problems
        self.names = _layer_names(graph)
        self.signals: dict[str, Signal] = {}
        self.input_shape = next((as_map(given[n.name]) for n in graph.of_kind("Input")), (1, 1, 1))
        self.before: dict[str, list[str]] = {name: [] for name in graph.nodes}
        for a, b in graph.edges:
            self.before[b].append(a)

    def populations(self, made: dict[str, Any]) -> list[NirPopulation]:
        """Neuron nodes with what reaches them."""
        signals = {n.name: spikes_of(INPUT, self.given[n.name]) for n in self.graph.of_kind("Input")}
        signals |= {n.name: spikes_of(self.names[n.name], self.given[n.name]) for n in self.graph.of_kind(*NEURONS)}
        wiring = {n: [] if n in signals else self.before[n] for n in self.graph.nodes}
        try:
            order = list(TopologicalSorter(wiring).static_order())
        except CycleError as error:
            self.problems.append(f"the nodes {' -> '.join(reversed(error.args[1]))} form a cycle without a neuron")
            return []
        for name in order:
            if name not in signals:
                found = self._signal(self.graph.nodes[name], signals, made)
                if found is not None:
                    signals[name] = found
        self.signals = signals
        made_of = [self._population(n, signals) for n in self.graph.of_kind(*NEURONS)]
        return [p for p in made_of if p is not None]

    def _signal(self, node: NirNode, signals: dict[str, Signal], made: dict[str, Any]) -> Signal | None:
        try:
            inflow = self._inflow(node, signals)
            return None if inflow is None else through(node, inflow, made.get(node.name), self.choices.dt, self.fidelity)
        except FoldError as reason:
            self.problems.append(where(node, reason))
        return None

    def _inflow(self, node: NirNode, signals: dict[str, Signal]) -> Signal | None:
        """What reaches a node; None where the reason for its absence is noted already."""
        if not self.before[node.name]:
            raise FoldError("no edge leads to it")
        for source in self.before[node.name]:
            other = self.graph.nodes[source]
            if other.kind in NEURONS and other.kind not in SPIKING and node.kind not in ("Output", "Through"):
                raise FoldError(f"it is driven by the potential of {source!r} ({other.kind}); only spikes can be sent on")
        found = [signals[n] for n in self.before[node.name] if n in signals]
        return total(found) if len(found) == len(self.before[node.name]) else None

    def _population(self, node: NirNode, signals: dict[str, Signal]) -> NirPopulation | None:
        try:
            inflow, shape = self._inflow(node, signals), self.given[node.name]
            if inflow is None:
                return None
            if inflow.size != math.prod(shape):
                raise FoldError(f"what reaches it has {list(inflow.shape)}, it has {list(shape)}")
            if node.kind == "Threshold" and self.choices.dynamics == NEXT_STEP:
                raise FoldError("a threshold without memory cannot be reset in the next step")
            cell = discretised(node, shape, self.choices.dt, self.choices.leak, self.choices.reset, self.fidelity)
            return NirPopulation(self.names[node.name], node, cell, inflow, as_map(shape))
        except FoldError as reason:
            self.problems.append(where(node, reason))
        return None

    def with_readout(self, found: list[NirPopulation]) -> list[NirPopulation]:
        """The population that the graph ends in comes last; one is made where it ends in a sum."""
        sources = {a for a, _ in self.graph.edges}
        ends = [*self.graph.of_kind("Output"), *(n for n in self.graph.nodes.values() if n.name not in sources)]
        end, readers = ends[0], [t.source for p in found for t in p.inflow.terms if t.delay == 0]
        final = self.signals[end.name]
        silent = [p for p in found if not p.cell.spiking]
        last = next((p for p in found if _is_plain(final) and p.name == final.terms[0].source), None)
        for p in silent:
            if p is not last:
                self.problems.append(where(p.node, "its potential is not what the graph ends in; only spikes can be sent on"))
        if last is not None and last.name not in readers:
            how = "its spikes are counted" if last.cell.spiking else "its potential after the last step counts"
            self.fidelity.assume(f"the answer is that of {last.name}: {how}")
            return [*(p for p in found if p is not last), last]
        name = next(f"{READOUT}{'_' * i}" for i in range(len(found) + 1) if f"{READOUT}{'_' * i}" not in self.names.values())
        self.fidelity.assume(f"the graph ends in a sum of spikes; its values are added up over the steps ({name})")
        return [*found, NirPopulation(name, end, Cell(False, np.ones(())), final, as_map((final.size,)))]


def _layer_names(graph: Graph) -> dict[str, str]:
    """Names that layers can have, for neuron nodes."""
    taken: set[str] = {INPUT}
    found = {}
    for node in graph.of_kind(*NEURONS):
        name = node.name.replace("/", ".").replace("\0", "").strip(".") or "layer"
        while name in taken:
            name += "_"
        taken.add(name)
        found[node.name] = name
    return found


def _is_plain(signal: Signal) -> bool:
    """Whether it is the spikes of one population, and nothing else."""
    if len(signal.terms) != 1 or np.any(signal.constant) or signal.terms[0].delay:
        return False
    op = signal.terms[0].op
    return isinstance(op, Same) and not op.pool and bool(np.all(op.scale == 1))


def _looped(populations: list[NirPopulation], fidelity: Fidelity) -> list[NirPopulation]:
    """Cycles without a delay get one step, on the connections into the neurons nearest to the input."""
    distance = _distances(populations)
    late: set[tuple[str, str]] = set()
    while loops := _cycles(populations, late):
        for members in loops:
            first = min(members, key=lambda name: distance.get(name, len(populations)))
            closing = {(s, first) for s in members if _reads(populations, first, s)}
            late |= closing
            for source, target in sorted(closing):
                fidelity.assume(FEEDBACK.format(source, target))
    found = []
    for p in populations:
        terms = merged([replace(t, delay=1) if t.delay == 0 and (t.source, p.name) in late else t for t in p.inflow.terms])
        found.append(replace(p, inflow=replace(p.inflow, terms=terms)))
    return found


def _reads(populations: list[NirPopulation], name: str, source: str) -> bool:
    return any(t.source == source and t.delay == 0 for p in populations if p.name == name for t in p.inflow.terms)


def _distances(populations: list[NirPopulation]) -> dict[str, int]:
    """Connections between the input and each population."""
    after: dict[str, list[str]] = {}
    for p in populations:
        for t in p.inflow.terms:
            after.setdefault(t.source, []).append(p.name)
    found, queue = {INPUT: 0}, deque([INPUT])
    while queue:
        name = queue.popleft()
        for target in after.get(name, ()):
            if target not in found:
                found[target] = found[name] + 1
                queue.append(target)
    return found


def _cycles(populations: list[NirPopulation], late: set[tuple[str, str]]) -> list[list[str]]:
    """Sets of populations that feed back to each other in the same step."""
    number = {p.name: i for i, p in enumerate(populations)}
    links = {
        (number[p.name], number[t.source])
        for p in populations for t in p.inflow.terms
        if t.delay == 0 and t.source != INPUT and (t.source, p.name) not in late
    }  # fmt: skip
    if not links:
        return []
    rows, columns = np.array(sorted(links)).T
    graph = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(number), len(number)))
    labels = connected_components(graph, connection="strong")[1]
    members: dict[int, list[str]] = {}
    for p, label in zip(populations, labels, strict=True):
        members.setdefault(int(label), []).append(p.name)
    return [m for m in members.values() if len(m) > 1 or (number[m[0]], number[m[0]]) in links]


def _in_order(populations: list[NirPopulation]) -> list[NirPopulation]:
    """Sources first, the readout last."""
    by_name = {p.name: p for p in populations}
    reads = {p.name: [t.source for t in p.inflow.terms if t.delay == 0 and t.source != INPUT] for p in populations}
    last = populations[-1].name
    return [by_name[n] for n in TopologicalSorter(reads).static_order() if n != last] + [by_name[last]]
