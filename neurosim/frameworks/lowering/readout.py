"""How a model answers: what it returns, over time, as what the last population of a network does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from neurosim.frameworks.family import reader
from neurosim.frameworks.graph.address import AFTER
from neurosim.frameworks.graph.node import Answer, Entry, GraphNode, ModelGraph, as_map
from neurosim.frameworks.graph.refusal import RefusedError
from neurosim.frameworks.lowering.affine import Affine, AffineTerm
from neurosim.frameworks.lowering.description import Readout
from neurosim.frameworks.lowering.expression import MAKERS, Expressions
from neurosim.frameworks.lowering.maps import Averaged, Map, Multiplied, without_factors
from neurosim.frameworks.neuron import Neuron, as_shown

# Over time: every step is returned, the last one, the sum or mean of all, the largest.
How = Literal["each", "last", "sum", "mean", "max"]
DECODES = ("potential", "spikes", "max-potential", "mean-potential")
SCORES = "return the spikes or potentials of the last layer, step by step, or their sum, mean, largest or last"


@dataclass(frozen=True, eq=False)
class Ending:
    """*answer*: which of what the model returns, *how* it is one of steps. *node*: what answers; *affine*: what reaches the
    population that adds up and answers, None where the node is a population that fires; *neuron*: how that adds up. *maps*:
    what is done to the values of the node before they are potentials of it; *sums*: whether these add up."""

    answer: Answer
    number: int
    how: How
    readout: Readout
    node: GraphNode
    output: int
    affine: Affine | None
    neuron: Neuron
    maps: tuple[Map, ...] = ()
    bias: Tensor | None = None
    sums: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """A node of which every step counts, and what is done behind: *maps*, and a *bias* that is added once."""

    how: How
    node: GraphNode
    output: int
    affine: Affine
    maps: tuple[Map, ...] = ()
    bias: Tensor | None = None


def ending(graph: ModelGraph, expressions: Expressions, decode: str | None) -> Ending:
    """The answer of a graph. Raises RefusedError where no readout gives it."""
    number = _chosen(graph)
    answer = graph.answers[number]
    try:
        found = _found(graph, answer, expressions)
        return _ended(found, answer, number, expressions, decode, graph.timesteps)
    except RefusedError as refusal:
        raise refusal.at(answer.node.place) from None


def _chosen(graph: ModelGraph) -> int:
    """The first of what is returned; where neurons that never reset return spikes and potentials, these."""
    for i, answer in enumerate(graph.answers):
        if answer.node.kind == "neuron" and answer.output == 1 and _never_resets(answer.node):
            same = graph.answers[0]
            return i if same.node is answer.node else 0
    return 0


def neuron_of(node: GraphNode) -> Neuron:
    read = reader(node.module) if node.module is not None else None
    assert read is not None
    return read(node.module, node.shapes[0], as_map(node.shapes[0]))


def _never_resets(node: GraphNode) -> bool:
    neuron = neuron_of(node)
    return neuron.threshold is None or neuron.reset == "none"


def _found(graph: ModelGraph, answer: Answer, expressions: Expressions) -> Found:
    """Back from what is returned to what is known at every step."""
    steps = set(answer.layout.steps.tolist())
    if steps == {AFTER}:
        return _behind(answer.node, expressions, ())
    every, last = set(range(graph.timesteps)), {graph.timesteps - 1}
    if steps not in (every, last):
        told = f"it returns steps {min(steps)} to {max(steps)} of {graph.timesteps}"
        raise RefusedError(told, "return all steps, or the last")
    entry = Entry(answer.node, answer.output, 0, answer.shape)
    return Found(
        "each" if steps == every else "last", answer.node, answer.output, expressions.of(entry).shaped(_vector(answer))
    )


def _vector(answer: Answer) -> tuple[int, int, int]:
    return as_map(answer.node.shapes[answer.output])


def _behind(node: GraphNode, expressions: Expressions, nodes: Sequence[GraphNode]) -> Found:
    """From a node that is known after all steps: what happens behind the reduction, and what it reduces."""
    if node.over_time:
        (entry,) = node.entries
        how: How = node.kind.partition(" ")[0]  # type: ignore[assignment]
        if how not in ("sum", "mean", "max"):
            raise RefusedError(f"{node.kind} is no readout", SCORES, node.place)
        shape = as_map(entry.shape)
        affine = expressions.of(entry)
        maps, bias = _maps(nodes, expressions, shape)
        return Found(how, entry.node, entry.output, affine, maps, bias)
    if len(node.entries) != 1:
        raise RefusedError("it joins several sums over time", SCORES, node.place)
    return _behind(node.entries[0].node, expressions, (node, *nodes))


def _maps(
    nodes: Sequence[GraphNode], expressions: Expressions, shape: tuple[int, int, int]
) -> tuple[tuple[Map, ...], Tensor | None]:
    """What a chain of nodes does to one tensor."""
    start = AffineTerm(GraphNode("input", nodes[0].place, [shape]) if nodes else GraphNode("input", None, [shape]), 0)  # type: ignore[arg-type]
    value = Affine(shape, (start,))
    for node in nodes:
        make = MAKERS.get(node.kind)
        if make is None:
            raise RefusedError(f"{node.kind} follows the sum over time", SCORES, node.place)
        value = make(expressions, node, [value.shaped(as_map(node.entries[0].shape))]).shaped(as_map(node.shapes[0]))
    return value.terms[0].maps, value.constant


def _ended(found: Found, answer: Answer, number: int, expressions: Expressions, decode: str | None, steps: int) -> Ending:
    term = found.affine.terms[0] if len(found.affine.terms) == 1 else None
    state = (
        term is not None
        and not expressions.fires(term)
        and term.node.kind != "input"
        and id(term.node) not in expressions.pools
    )
    ended = _state(found, term, expressions, steps) if state and term is not None else _sum(found, expressions, steps)
    if decode is not None and decode != ended.readout.decode:
        ended = _as_told(ended, decode, found, steps)
    return replace(ended, answer=answer, number=number)


PLACEHOLDER: Answer = None  # type: ignore[assignment]


def _sum(found: Found, expressions: Expressions, steps: int) -> Ending:
    """What has no memory: spikes are counted, what weights make of them is added up by neurons that never fire."""
    maps = (*_shared(found.affine), *found.maps)
    factor, rest = without_factors(maps)
    offset = _offset(found, steps)
    term = found.affine.terms[0] if len(found.affine.terms) == 1 and not _own(found.affine) else None
    summed = found.how in ("each", "sum", "mean")
    counted = term is not None and expressions.fires(term) and term.node.kind != "input" and not term.delay
    votes = _votes(rest)
    if counted and term is not None and summed and votes and offset is not None and factor > 0:
        scale = factor / votes / steps if found.how == "mean" else factor / votes
        decode = "spikes" if not rest else f"votes:{votes}"
        return Ending(PLACEHOLDER, 0, found.how, Readout(decode, scale, offset), term.node, term.output, None, _adder(None))
    affine = _followed(found, steps)
    if found.how == "max" and found.maps and (without_factors(found.maps)[1] or factor <= 0 or found.bias is not None):
        raise RefusedError("weights follow the largest over time", SCORES)
    leak, decode = (None, "potential") if summed else (0.0, "potential" if found.how == "last" else "max-potential")
    scale = 1 / steps if found.how == "mean" else 1.0
    return Ending(
        PLACEHOLDER, 0, found.how, Readout(decode, scale), found.node, found.output, affine, _adder(leak), found.maps,
        _spread(found, steps), sums=summed,
    )  # fmt: skip


def _shared(affine: Affine) -> tuple[Map, ...]:
    return affine.terms[0].maps if len(affine.terms) == 1 else ()


def _own(affine: Affine) -> bool:
    """Whether several things reach it."""
    return len(affine.terms) != 1


def _offset(found: Found, steps: int) -> float | None:
    """What is added to every class alike, over all steps; None where classes differ in it."""
    total = 0.0
    affine = found.affine
    constants = [(affine.constant, 1.0 if found.how == "mean" else float(steps)), (found.bias, 1.0)]
    if affine.constant is not None and found.maps:
        return None
    for constant, times in constants:
        if constant is not None:
            values = constant.unique()
            if len(values) > 1:
                return None
            total += float(values[0]) * times
    return total


def _votes(rest: Sequence[Map]) -> int:
    """Of how many neighbours each class is the mean; 0 where more happens."""
    if not rest:
        return 1
    window = rest[0].window if len(rest) == 1 and isinstance(rest[0], Averaged) and rest[0].given[:2] == (1, 1) else None
    plain = window is not None and window.size == window.stride and not any(window.padding)
    return window.size[1] if plain and window is not None and rest[0].given[2] % window.size[1] == 0 else 0


def _adder(leak: float | None) -> Neuron:
    return Neuron(None, leak, as_shown)


def _followed(found: Found, steps: int) -> Affine:
    """What reaches every step, with what happens behind the sum."""
    affine = found.affine
    for step in found.maps:
        affine = affine.then(step)
    share = _spread(found, steps)
    return affine if share is None else affine.plus(share)


def _spread(found: Found, steps: int) -> Tensor | None:
    """What is added behind the reduction, in equal parts of all steps."""
    if found.bias is None:
        return None
    return found.bias / steps if found.how in ("each", "sum") else found.bias


def _state(found: Found, term: AffineTerm, expressions: Expressions, steps: int) -> Ending:
    """A potential: of neurons that never fire, or of what the model adds up itself."""
    factor, rest = without_factors((*term.maps, *found.maps))
    if rest or factor <= 0 or found.affine.constant is not None or found.bias is not None or term.delay:
        raise RefusedError(
            "more happens to the potential that it returns", "put weights before the neurons that add up", found.node.place
        )
    if term.node.kind == "neuron":
        neuron, given = neuron_of(term.node), expressions.of(term.node.entries[0])
        if neuron.problems or term.output != 1:
            raise RefusedError("; ".join(neuron.problems) or "it returns a synaptic current", SCORES, term.node.place)
        if neuron.threshold is not None and (neuron.reset != "none" or neuron.feedback is not None):
            if neuron.kept is not as_shown:
                raise RefusedError("it returns potentials that it resets later", "return its spikes", term.node.place)
            decode, scale = _potentials(found, factor, steps)
            return Ending(PLACEHOLDER, 0, found.how, Readout(decode, scale), term.node, term.output, None, neuron)
        neuron = replace(neuron, threshold=None)
    else:
        neuron, given = accumulator(term.node, expressions)
    spikes = given.plain
    if (
        neuron.leak is None
        and found.how == "last"
        and spikes is not None
        and spikes.node.kind != "input"
        and expressions.fires(spikes)
    ):
        return Ending(PLACEHOLDER, 0, "last", Readout("spikes", factor), spikes.node, spikes.output, None, neuron)
    decode, scale = _potentials(found, factor, steps)
    return Ending(PLACEHOLDER, 0, found.how, Readout(decode, scale), term.node, term.output, given, neuron)


def _potentials(found: Found, factor: float, steps: int) -> tuple[str, float]:
    """How potentials answer, and what the model's scores are of these."""
    decode = {"last": "potential", "max": "max-potential"}.get(found.how, "mean-potential")
    return decode, factor * steps if found.how in ("each", "sum") else factor


def accumulator(node: GraphNode, expressions: Expressions) -> tuple[Neuron, Affine]:
    """What a node adds up: (its leak, what arrives)."""
    whole = expressions.sums[id(node)]
    own = [t for t in whole.terms if t.node is node]
    leak: Tensor = torch.zeros((), dtype=torch.float64)
    for t in own:
        factor: Tensor = torch.ones((), dtype=torch.float64)
        for step in t.maps:
            if not isinstance(step, Multiplied):
                raise RefusedError("its own past passes more than a factor", "a leak is a factor between 0 and 1", step.place)
            factor = factor * step.factor
        if t.delay != 1:
            raise RefusedError(
                f"it reads what it was {t.delay} steps ago", "a potential depends on the step before", node.place
            )
        leak = leak + factor
    if bool((leak < 0).any()) or bool((leak > 1).any()):
        raise RefusedError(f"its past counts {float(leak.max()):g} times", "a leak lies between 0 and 1", node.place)
    values = leak.unique()
    single = float(values[0]) if len(values) == 1 else None
    rest = replace(whole, terms=tuple(t for t in whole.terms if t.node is not node))
    kept = None if single == 1 else single if single is not None else leak.expand(whole.shape).float().numpy()
    return Neuron(None, kept, as_shown), rest


def _as_told(ended: Ending, decode: str, found: Found, steps: int) -> Ending:
    """Another readout of the same values, where the model returns all of them."""
    if found.how != "each" or not ended.readout.decode.endswith("potential") or decode == "spikes":
        told = f"decode is {decode!r}, and it returns what is read as {ended.readout.decode!r}"
        raise RefusedError(told, "leave decode out, or let the model return every step of a potential")
    how: How = {"potential": "last", "max-potential": "max", "mean-potential": "mean"}[decode]  # type: ignore[assignment]
    return replace(ended, how=how, readout=Readout(decode, ended.readout.factor / steps))
