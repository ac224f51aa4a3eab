"""The graph of a model over one step: what its nodes are, and in which order they can be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_unflatten

from neurosim.frameworks.graph.address import AFTER
from neurosim.frameworks.graph.layout import SampleLayout
from neurosim.frameworks.graph.refusal import Place, RefusedError
from neurosim.network.layers import Shape

Features = tuple[int, ...]
Span = Literal["step", "over time"]


@dataclass(frozen=True, eq=False)
class Entry:
    """What a node reads: an *output* of another one, *delay* steps ago, in this *shape* [features...]."""

    node: GraphNode
    output: int
    delay: int
    shape: Features

    @property
    def key(self) -> tuple[Any, ...]:
        return (id(self.node), self.output, self.delay, self.shape)


@dataclass(frozen=True, eq=False)
class AtenCall:
    """An operation of ATen with its constants; *holes*: the places of what is read, [rows, features...]."""

    function: Any
    leaves: tuple[Any, ...]
    form: Any
    holes: tuple[int, ...]

    def __call__(self, *given: Tensor) -> Any:
        leaves = list(self.leaves)
        for hole, value in zip(self.holes, given, strict=True):
            leaves[hole] = value
        args, kwargs = tree_unflatten(leaves, self.form)
        return self.function(*args, **kwargs)

    @property
    def arguments(self) -> dict[str, Any]:
        """Constants by the names of the schema, None where something is read."""
        args, kwargs = tree_unflatten(list(self.leaves), self.form)
        names = [a.name for a in self.function._schema.arguments]
        defaults = {a.name: a.default_value for a in self.function._schema.arguments if a.has_default_value()}
        found: dict[str, Any] = defaults | dict(zip(names, args, strict=False)) | kwargs
        return found


@dataclass(eq=False)
class GraphNode:
    """One layer, operation or population of neurons.

    *kind* is a word of `neurosim.frameworks.graph.operations`, "input" or "neuron"; *call* makes its outputs of *entries*; a
    neuron has a *module* instead, whose inside is not seen. *shapes*: features of each output. *steps*: those at which it is
    computed. *over_time*: it reads all steps at once, and is known after them. *seen*: by slot and step, what was read there.
    """

    kind: str
    place: Place
    shapes: list[Features]
    call: Callable[..., Any] | None = None
    module: nn.Module | None = None
    entries: list[Entry] = field(default_factory=list)
    steps: set[int] = field(default_factory=set)
    over_time: bool = False
    seen: dict[tuple[int, int], Entry] = field(default_factory=dict)

    def note(self, steps: Tensor, entries: list[Entry]) -> None:
        """What it reads at *steps*."""
        self.entries = entries
        for step in steps.unique().tolist():
            self.steps.add(step)
            self.seen |= {(slot, step): entry for slot, entry in enumerate(entries)}

    def unsteady(self) -> RefusedError | None:
        """Whether it reads other things at other steps. In the first two a recurrence may have nothing to read yet; whether the
        graph says the same there, running it shows."""
        for (slot, step), entry in self.seen.items():
            if step > 1 and entry.key != self.entries[slot].key:
                other = self.entries[slot].node.place
                problem = f"reads {entry.node.place} at step {step} and {other} at another"
                return RefusedError(problem, "every step has to do the same", self.place)
        return None


@dataclass(frozen=True)
class Answer:
    """What a model returns: an *output* of a node in this *shape*, at the *steps* of a layout, each with all its features."""

    node: GraphNode
    output: int
    shape: Features
    layout: SampleLayout

    def of(self, values: Tensor) -> Tensor:
        """[N, numbers] as the model lays them out, of [T, N, features...], or of [N, features...] that are known after it."""
        if bool((self.layout.steps == AFTER).all()):
            return values.flatten(1)[:, self.layout.origins]
        found: Tensor = values.flatten(2)[self.layout.steps, :, self.layout.origins].T
        return found


@dataclass
class ModelGraph:
    """*nodes* in an order in which they can be computed, delayed edges aside; *answers*: what the model returns; *input*: the
    node of the samples."""

    nodes: list[GraphNode]
    answers: list[Answer]
    input: GraphNode
    timesteps: int

    @property
    def neurons(self) -> list[GraphNode]:
        return [node for node in self.nodes if node.kind == "neuron"]

    def table(self) -> str:
        """One line per node: what it is, what it reads, its shape."""
        number = {id(node): str(i) for i, node in enumerate(self.nodes)}

        def said(entry: Entry) -> str:
            late = f"[t-{entry.delay}]" if entry.delay else ""
            return number.get(id(entry.node), "input") + (f".{entry.output}" if entry.output else "") + late

        rows = [(number[id(n)], n.kind, str(n.place), ", ".join(map(said, n.entries)), list(n.shapes[0])) for n in self.nodes]
        return "\n".join(f"{i:>3} {kind:10} {place:40} <- {reads:16} {shape}" for i, kind, place, reads, shape in rows)


def ordered(roots: list[GraphNode]) -> list[GraphNode]:
    """All that *roots* need, sources first; delayed sources are there too, wherever they stand."""
    order: dict[int, GraphNode] = {}
    waiting = list(roots)
    while waiting:
        for node in _upstream(waiting.pop(), order):
            order[id(node)] = node
            waiting += [e.node for e in node.entries if e.delay]
    return [node for node in order.values() if node.kind != "input"]


def _upstream(root: GraphNode, done: dict[int, GraphNode]) -> Iterator[GraphNode]:
    """*root* and what it reads in the same step, sources first; without those that are *done*."""
    stack: list[tuple[GraphNode, bool]] = [(root, False)]
    entered: set[int] = set()
    while stack:
        node, left = stack.pop()
        if left:
            yield node
        elif id(node) not in done and id(node) not in entered:
            entered.add(id(node))
            if (refusal := node.unsteady()) is not None:
                raise refusal
            stack.append((node, True))
            stack += [(e.node, False) for e in reversed(node.entries) if not e.delay]


def flat(x: Tensor, shape: Features) -> Tensor:
    """[rows, shape...]."""
    return x.reshape(-1, *shape)


@dataclass(frozen=True, eq=False)
class Assembly:
    """Features of several sources put into one; *parts*: of each, the places that its numbers take, and which they are."""

    parts: tuple[tuple[Tensor, Tensor], ...]
    shape: Features

    def __call__(self, *given: Tensor) -> Tensor:
        count = sum(len(places) for places, _ in self.parts)
        out = torch.empty(len(given[0]), count, dtype=given[0].dtype, device=given[0].device)
        for x, (places, features) in zip(given, self.parts, strict=True):
            out[:, places] = x.flatten(1)[:, features]
        return flat(out, self.shape)


def as_map(features: Features) -> Shape:
    """[C, H, W] of a sample in the framework: [F], [C, L] or [C, H, W]."""
    if len(features) < 2:
        return (features[0] if features else 1, 1, 1)
    if len(features) == 2:
        return (features[0], 1, features[1])
    if len(features) == 3:
        return tuple(features)  # type: ignore[return-value]
    raise RefusedError(f"its features have shape {list(features)}", "[F], [C, L] and [C, H, W] are supported")
