"""The graph in plain torch, driven by what the neurons of the model did: what every other node makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurosim.frameworks.graph.node import Entry, GraphNode, ModelGraph, flat

# A node and one of its outputs.
Source = tuple[GraphNode, int]


class Evaluation:
    """*frames*: [T, N, ...] of the samples; *fired*: [T, N, features] of every output of neurons that is read."""

    def __init__(self, graph: ModelGraph, frames: Tensor, fired: Mapping[tuple[int, int], Tensor]):
        self.graph, self.frames, self.fired = graph, frames, fired
        self.late: set[int] = set()
        for node in graph.nodes:
            if node.over_time or any(id(e.node) in self.late for e in node.entries):
                self.late.add(id(node))
        self.known: list[dict[tuple[int, int], Tensor]] = []
        self.after: dict[tuple[int, int], Tensor] = {}

    @torch.no_grad()
    def run(self, kept: Sequence[Source]) -> dict[tuple[int, int], Tensor]:
        """[T, N, features...] of what is *kept*, by id of node and output; without the first axis where it is known after all
        steps."""
        wanted = {(id(node), output) for node, output in kept}
        summed = {(id(e.node), e.output) for n in self.graph.nodes if n.over_time for e in n.entries}
        reach = max((e.delay for n in self.graph.nodes for e in n.entries), default=0)
        history: dict[tuple[int, int], list[Tensor]] = {key: [] for key in (*wanted, *summed)}
        for t in range(len(self.frames)):
            self._step(t)
            for key, values in history.items():
                if key in self.known[t]:
                    values.append(self.known[t][key])
            if t >= reach:
                self.known[t - reach] = {}
        self._finish(history)
        return {key: torch.stack(history[key]) if history[key] else self.after[key] for key in wanted}

    def _step(self, t: int) -> None:
        now: dict[tuple[int, int], Tensor] = {}
        self.known.append(now)
        now[id(self.graph.input), 0] = self.frames[t]
        for node in self.graph.nodes:
            if id(node) in self.late:
                continue
            if node.kind == "neuron":
                now |= {
                    (id(node), i): self.fired[id(node), i][t] for i in range(len(node.shapes)) if (id(node), i) in self.fired
                }
            else:
                now |= _outputs(node, [self._read(e, t) for e in node.entries])

    def _read(self, entry: Entry, t: int) -> Tensor:
        node, when = entry.node, t - entry.delay
        if node.kind == "input":
            found = self.frames[max(when, 0)]
            return flat(found if when >= 0 else torch.zeros_like(found), entry.shape)
        if when >= 0:
            return flat(self.known[when][id(node), entry.output], entry.shape)
        # Nothing has happened yet: what weights make of nothing; a state is 0.
        if node.kind == "neuron" or any(e.delay for e in node.entries):
            return self.frames.new_zeros(self.frames.shape[1], *entry.shape)
        before = _outputs(node, [self._read(Entry(e.node, e.output, t + 1, e.shape), t) for e in node.entries])
        return flat(before[id(node), entry.output], entry.shape)

    def _finish(self, history: dict[tuple[int, int], list[Tensor]]) -> None:
        for node in self.graph.nodes:
            if id(node) not in self.late:
                continue
            given = []
            for e in node.entries:
                key = (id(e.node), e.output)
                given.append(self.after[key] if key in self.after else torch.stack(history[key]))
            shaped = [
                flat(x, e.shape) if not node.over_time else x.reshape(len(x), -1, *e.shape)
                for x, e in zip(given, node.entries, strict=True)
            ]
            self.after |= _outputs(node, shaped)


def _outputs(node: GraphNode, given: list[Tensor]) -> dict[tuple[int, int], Tensor]:
    assert node.call is not None
    answer = node.call(*given)
    return {(id(node), i): x for i, x in enumerate(answer if isinstance(answer, tuple | list) else (answer,))}
