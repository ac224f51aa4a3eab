"""Neurons that never fire, or sums kept over time, in front of neurons: a synaptic current of these."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch

from neurosim.frameworks.graph.node import GraphNode, as_map
from neurosim.frameworks.graph.refusal import RefusedError
from neurosim.frameworks.lowering.affine import Affine, AffineTerm
from neurosim.frameworks.lowering.expression import Expressions
from neurosim.frameworks.lowering.maps import Multiplied
from neurosim.frameworks.lowering.readout import accumulator, neuron_of
from neurosim.frameworks.neuron import Neuron
from neurosim.network.layers import Shape


class LeakySum(NamedTuple):
    """What is kept of a sum in a step, and what reaches it."""

    leak: float
    given: Affine


def silent(node: GraphNode) -> bool:
    """Whether it is neurons that never fire."""
    return node.kind == "neuron" and neuron_of(node).threshold is None


def with_current(given: Affine, neuron: Neuron, expressions: Expressions) -> tuple[Affine, Neuron]:
    """Where all that reaches a *neuron* are leaky sums that forget alike, what reaches these, and the neuron with a synaptic
    current, since weights and sums over time commute; else the same as given. Raises RefusedError."""
    sums = [_leaky_sum(term, expressions) for term in given.terms]
    leaks = {found.leak for found in sums if found is not None}
    single = len(leaks) == 1 and None not in sums and neuron.current_leak is None and neuron.feedback is None
    if not single:
        return given, neuron
    total: Affine | None = None
    for term, found in zip(given.terms, sums, strict=True):
        assert found is not None
        part = found.given
        for step in term.maps:
            part = part.then(step)
        total = part if total is None else total.added(part)
    assert total is not None
    own = replace(neuron, current_leak=leaks.pop())
    if given.constant is None or not given.constant.any():
        return total, own
    if total.constant is not None and total.constant.any():
        raise RefusedError(
            "biases reach the sum that it keeps, and others what reads it",
            "leave out one of the two",
            given.terms[0].node.place,
        )
    return replace(total, constant=None).plus(given.constant), replace(own, bias_into="potential")


def _leaky_sum(term: AffineTerm, expressions: Expressions) -> LeakySum | None:
    node = term.node
    if term.delay:
        return None
    if id(node) in expressions.sums:
        cell, given = accumulator(node, expressions)
    elif silent(node) and term.output == 1:
        cell, given = neuron_of(node), expressions.of(node.entries[0])
    else:
        return None
    leak = 1.0 if cell.leak is None else cell.leak
    if cell.problems or cell.current_leak is not None or not isinstance(leak, float):
        return None
    shape = as_map(node.shapes[term.output])
    return LeakySum(leak, _times(given.shaped(shape), cell.gain, shape, node))


def _times(given: Affine, gain: float, shape: Shape, node: GraphNode) -> Affine:
    if gain == 1:
        return given
    return given.then(Multiplied(node.place, shape, shape, torch.tensor(gain, dtype=torch.float64)))
