"""Which shape every node of a graph gives."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import Graph, NirNode
from neurosim.io.nir.linear import FoldError, Kernel
from neurosim.io.nir.linear_nodes import LINEAR, NEURONS, Dims, as_map, checked_shape, in_shape, kernel, out_shape


def where(node: NirNode, reason: object) -> str:
    """A problem with a node."""
    return f"{node.name[:80]!r} ({node.kind[:40]}): {reason}"


def known_kinds(graph: Graph, problems: list[str]) -> None:
    """Note nodes that nothing is known about."""
    for node in graph.nodes.values():
        if node.kind not in (*LINEAR, *NEURONS):
            problems.append(where(node, f"nodes of this type are not supported; there are {', '.join((*LINEAR, *NEURONS))}"))


def kernels(graph: Graph, problems: list[str]) -> dict[str, Kernel]:
    """Of every convolution and pool."""
    found = {}
    for node in graph.of_kind("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        try:
            found[node.name] = kernel(node)
        except FoldError as reason:
            problems.append(where(node, reason))
    return found


def shapes(graph: Graph, made: dict[str, Kernel], problems: list[str], fidelity: Fidelity) -> dict[str, Dims]:
    """The shape that each node gives: from the input on, along the edges."""
    after: dict[str, list[str]] = {}
    for source, target in graph.edges:
        after.setdefault(source, []).append(target)
    found: dict[str, Dims] = {}
    broken: set[str] = set()

    def settle(name: str, shape: Dims | None) -> bool:
        node = graph.nodes[name]
        try:
            given = out_shape(node, shape, made.get(name))
            if given is None:
                return False
            as_map(given)
            found[name] = given
        except FoldError as reason:
            problems.append(where(node, reason))
            broken.add(name)
        return True

    def spread(queue: deque[str]) -> None:
        while queue:
            name = queue.popleft()
            for target in after.get(name, ()):
                if target not in found and target not in broken and name in found and settle(target, found[name]):
                    queue.append(target)

    for node in graph.of_kind("Input"):
        begin = _declared(graph, made, node, after.get(node.name, ()), problems, fidelity)
        if begin is not None and settle(node.name, begin):
            spread(deque([node.name]))
    # What no input reaches says itself how large it is, or is silent.
    for name, node in graph.nodes.items():
        if name not in found and name not in broken and node.kind in (*NEURONS, "Linear", "Affine"):
            try:
                own = in_shape(node, made.get(name))
            except FoldError as reason:
                problems.append(where(node, reason))
                broken.add(name)
                continue
            if own is not None and settle(name, own):
                spread(deque([name]))
    for name in [n for n in graph.nodes if n not in found and n not in broken] if not problems else ():
        problems.append(where(graph.nodes[name], "its shape follows from nothing; give the Input a shape"))
    return found


def _declared(
    graph: Graph, made: dict[str, Kernel], node: NirNode, targets: Sequence[str], problems: list[str], fidelity: Fidelity
) -> Dims | None:
    """The shape of an input: its own, without a batch, or what its targets take."""
    try:
        taken = {s for t in targets if (s := in_shape(graph.nodes[t], made.get(t))) is not None}
        given = next((node.fields[n] for n in ("shape", "input_type") if n in node.fields), None)
        dims = None if given is None else np.atleast_1d(given)
        if dims is not None and dims.size:
            batched = [s for s in taken if len(dims) == len(s) + 1 and tuple(dims[1:]) == s and dims[0] > 1]
            if batched:
                fidelity.assume(f"{node.name}: the first of its dimensions {dims.tolist()} is a batch, which its targets lack")
            return batched[0] if batched else checked_shape(dims)
    except FoldError as reason:
        problems.append(where(node, reason))
        return None
    sizes = {math.prod(s): s for s in taken}
    if len(sizes) != 1:
        problems.append(where(node, f"its shape is missing, and its targets take {[list(s) for s in taken] or 'any'}"))
        return None
    return next(iter(sizes.values()))
