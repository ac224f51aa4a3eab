"""From a model and samples to its graph, which is held to the model on other samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.frameworks.family import reader
from neurosim.frameworks.graph.address import ALWAYS, NOTHING, row, rows_of, steps_of
from neurosim.frameworks.graph.address import SAMPLES as ADDRESSED
from neurosim.frameworks.graph.calling import Calling
from neurosim.frameworks.graph.entry import guarded, prepared, recording
from neurosim.frameworks.graph.evaluation import Evaluation
from neurosim.frameworks.graph.hooks import looking
from neurosim.frameworks.graph.layout import SampleLayout
from neurosim.frameworks.graph.node import Answer, GraphNode, ModelGraph, as_map, ordered
from neurosim.frameworks.graph.record import ModelRecord, joined, recorded, returned_tensors
from neurosim.frameworks.graph.recorder import GraphRecorder
from neurosim.frameworks.graph.refusal import FailedHookError, MiscalledError, Place, RefusedError, together

SAMPLES = 2
# Steps in which a recurrence can be told from what happens once.
TELLING = 3
# Of the largest number there: roundings of sums in another order.
TOLERANCE = 1e-4
UNSEEN = "what travels through NumPy, `.data` or hidden attributes, and random numbers, is not seen"


@dataclass(frozen=True)
class Capture:
    """A *graph*, and how its *model* is to be called to see what it says. *layouts*: by neurons, of what each call is given;
    *groups*: which of the tensors that the model returns make one answer each. *difference*: the largest one between graph
    and model, of what neurons are given and of what the model returns, on other samples."""

    model: nn.Module
    graph: ModelGraph
    calling: Calling
    layouts: dict[int, list[SampleLayout]]
    groups: list[list[int]]
    difference: float = 0.0

    def record(self, frames: Tensor) -> ModelRecord:
        """What the model does on *frames* [N, T, ...]."""
        return recorded(self.model, frames, self.calling, self.layouts, self.groups, [a.layout for a in self.graph.answers])

    def evaluation(self, frames: Tensor, record: ModelRecord) -> Evaluation:
        """What the graph makes of what the neurons did on *frames* [N, T, ...]."""
        fired = {
            (id(node), i): record.fired[id(node.module), i].unflatten(-1, shape or (1,))
            for node in self.graph.neurons
            for i, shape in enumerate(node.shapes)
            if (id(node.module), i) in record.fired
        }
        return Evaluation(self.graph, frames.transpose(0, 1), fired)


def captured(model: nn.Module, frames: Tensor, calling: Calling) -> Capture:
    """The graph of *model*, called so on *frames* [N, T, ...]. Raises RefusedError, and where another call may do
    MiscalledError."""
    try:
        return _checked(model, frames[:SAMPLES] if len(frames) > 1 else torch.cat([frames, _others(frames)]), calling)
    except FailedHookError:
        # A hook that adds up may know as many samples as it saw before.
        if not SAMPLES < len(frames) < ADDRESSED:
            raise
        return _checked(model, frames, calling)


def _checked(model: nn.Module, shown: Tensor, calling: Calling) -> Capture:
    found = _traced(model, shown, calling)
    others = _others(shown)
    return Capture(**{**vars(found), "difference": _held(found, others)})


def _others(frames: Tensor) -> Tensor:
    """Samples of the same kind, with other numbers in most places."""
    mask = torch.rand(frames[0, 0].numel(), generator=torch.Generator().manual_seed(1)) < 0.7
    mask[0] = mask.numel() == 1
    return (frames.flatten(2).flip(2) * mask.to(frames)).reshape(frames.shape)


def _traced(model: nn.Module, frames: Tensor, calling: Calling) -> Capture:
    recorder, layouts = GraphRecorder(model), dict[int, list[Tensor]]()
    given, count, steps = calling.given(frames), len(frames), frames.shape[1]
    rows = row(torch.arange(steps).expand(count, steps), torch.arange(count)[:, None])
    if calling.still:
        rows = row(ALWAYS, torch.arange(count))[:, None].expand(count, steps)
    for x, address in zip(given, calling.given(recorder.samples(rows, tuple(frames.shape[2:]))), strict=True):
        recorder.made(x, address)
    doors = guarded(model, recording(recorder, layouts)), looking(model, recorder)
    with doors[0], doors[1], prepared(model, count), torch.no_grad(), recorder:
        answer = _told_all(recorder, lambda: calling.answers(model, given))
    returned = returned_tensors(answer)
    groups = _groups([recorder.address(t) for t in returned], steps)
    whole = Place(type(model).__name__)
    try:
        answers = [_answer(recorder, joined([_all(recorder, t) for t in returned], group), count) for group in groups]
        if not answers:
            raise RefusedError(
                "it returns nothing that comes from the samples", "return the scores of the classes, or the spikes"
            )
    except RefusedError as refusal:
        raise refusal.at(whole) from None
    graph = ModelGraph(ordered([a.node for a in answers]), answers, recorder.nodes["input"], steps)
    _check_steps(graph, whole)
    kept = {id(node.module): [SampleLayout.of(a, count) for a in layouts[id(node.module)]] for node in graph.neurons}
    return Capture(model, graph, calling, kept, groups)


def _told_all(recorder: GraphRecorder, call: Callable[[], Any]) -> Any:
    """What the model returns; raises RefusedError with all that was noted on the way."""
    try:
        answer = call()
    except MiscalledError:
        raise
    except RefusedError as refusal:
        raise together([*recorder.problems, refusal]) from None
    problems = [*recorder.problems, *(p for node in recorder.nodes.values() for p in _neuron_problems(node))]
    if problems:
        raise together(problems)
    return answer


def _neuron_problems(node: GraphNode) -> list[RefusedError]:
    read = reader(node.module) if node.module is not None else None
    if read is None:
        return []
    shape = node.shapes[0]
    neuron = read(node.module, shape, as_map(shape))
    return [RefusedError(problem, "", replace(node.place, line="")) for problem in neuron.problems]


def _all(recorder: GraphRecorder, tensor: Tensor) -> Tensor:
    address = recorder.address(tensor)
    return torch.full(tensor.shape, NOTHING) if address is None else address


def _answer(recorder: GraphRecorder, address: Tensor, samples: int) -> Answer:
    if bool((address == NOTHING).any()):
        raise RefusedError("a part of what it returns does not come from the samples", "return it without constants")
    read, layout = SampleLayout.of(address, samples).read(recorder, address)
    return Answer(read.node, read.output, read.shape, layout)


def _groups(found: Sequence[Tensor | None], steps: int) -> list[list[int]]:
    """Which tensors are one answer: as many as there are steps, one per step, or each by itself."""
    data = [i for i, address in enumerate(found) if address is not None]
    each = len(data) // steps
    if steps > 1 and data and len(data) == each * steps:
        by_step = [data[j::each] for j in range(each)]
        by_answer = [data[j * steps : (j + 1) * steps] for j in range(each)]
        for groups in (by_step, by_answer):
            if all(_one_per_step([found[i] for i in group]) for group in groups):
                return groups
    return [[i] for i in data]


def _one_per_step(group: Sequence[Tensor | None]) -> bool:
    rows = [rows_of(a) for a in group if a is not None]
    same = all(r.shape == rows[0].shape for r in rows)
    return same and all(bool((steps_of(r) == t).all()) for t, r in enumerate(rows))


def _check_steps(graph: ModelGraph, whole: Place) -> None:
    for node in graph.neurons:
        if node.steps != set(range(graph.timesteps)):
            told = f"is called for {len(node.steps)} steps, where there are {graph.timesteps}"
            raise MiscalledError(told, f"give timesteps={len(node.steps)}, or let it run as often", node.place)
    delayed = any(entry.delay for node in graph.nodes for entry in node.entries)
    if delayed and graph.timesteps < TELLING:
        raise RefusedError(
            f"what it does over time cannot be told in {graph.timesteps} steps", f"show at least {TELLING}", whole
        )


def _held(found: Capture, frames: Tensor) -> float:
    """The largest difference between graph and model on *frames*; raises RefusedError where it is more than rounding."""
    record, graph = found.record(frames), found.graph
    reads = [(node, node.entries[0]) for node in graph.neurons]
    made = found.evaluation(frames, record).run(
        [*((e.node, e.output) for _, e in reads), *((a.node, a.output) for a in graph.answers)]
    )
    largest = 0.0
    for node, entry in reads:
        known = made[id(entry.node), entry.output].flatten(2)
        largest = max(largest, _compared(known, record.given[id(node.module)], "what reaches it", node.place))
    whole = Place(type(found.model).__name__)
    for answer, values in zip(graph.answers, record.returned, strict=True):
        largest = max(largest, _compared(answer.of(made[id(answer.node), answer.output]), values, "what it returns", whole))
    return largest


def _compared(ours: Tensor, theirs: Tensor, what: str, place: Place) -> float:
    apart = (ours - theirs).abs()
    largest = float(apart.max())
    if not largest <= TOLERANCE * max(float(theirs.abs().max()), 1e-3):
        raise RefusedError(f"{what} is not what was seen of the model: {largest:.3g} apart on other samples", UNSEEN, place)
    return largest
