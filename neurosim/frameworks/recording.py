"""What a model did on samples, in terms of the layers that it became."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from neurosim.frameworks.graph.capture import Capture
from neurosim.frameworks.graph.record import ModelRecord
from neurosim.frameworks.lowering.description import FedPopulation
from neurosim.frameworks.lowering.lowered import Lowered
from neurosim.frameworks.lowering.readout import Ending
from neurosim.network.golden import LayerRecording

RAISED = (
    "{} has reset_delay=False: where a potential is still above the threshold after its reset, {:,} times in the samples, "
    "snnTorch asks for two thresholds in the step after it, and neurosim for one"
)
# What of every step [N, T, classes] is one answer.
REDUCED: dict[str, Callable[[Tensor], Tensor]] = {
    "last": lambda x: x[:, -1], "max": lambda x: x.amax(1), "mean": lambda x: x.mean(1), "each": lambda x: x.sum(1),
}  # fmt: skip


@dataclass
class ModelRecording:
    """*layers*: what each did; *scores*: float32 [N, classes], the answer of the model in the units of the network's own;
    *notes*: what the model does differently, by layer; *problems*: what no layer does."""

    layers: dict[str, LayerRecording] = field(default_factory=dict)
    scores: np.ndarray | None = None
    notes: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def recording(capture: Capture, found: Lowered, frames: Tensor) -> ModelRecording:
    """Run the model on *frames* [N, T, ...]."""
    record = capture.record(frames)
    populations = found.description.populations
    made = _made(capture, found, frames, record)
    kept = ModelRecording()
    for p in populations:
        if not p.fires:
            kept.layers[p.name] = LayerRecording(None, _added(found.end, made))
        elif p.gate:
            kept.layers[p.name] = LayerRecording(_rows(made[id(p.node), 0]) > 0.5, None)
        else:
            kept.layers[p.name] = _fired(p, record, kept)
    kept.scores = _scores(found, record)
    return kept


def _made(capture: Capture, found: Lowered, frames: Tensor, record: ModelRecord) -> dict[tuple[int, int], Tensor]:
    """What nodes made of the samples that are no neurons."""
    nodes = [(p.node, 0) for p in found.description.populations if p.gate and p.node is not None]
    end = found.end
    if end.affine is not None:
        nodes.append((end.node, end.output))
    return capture.evaluation(frames, record).run(nodes) if nodes else {}


def _rows(values: Tensor) -> np.ndarray:
    """[N, T, neurons] of [T, N, ...]."""
    return np.ascontiguousarray(values.flatten(2).transpose(0, 1).cpu().numpy())


def _fired(p: FedPopulation, record: ModelRecord, kept: ModelRecording) -> LayerRecording:
    assert p.node is not None
    module = id(p.node.module)
    answered = _rows(record.fired[module, 0])
    spikes = answered.astype(np.int64) if p.neuron.graded else answered > 0
    if not (answered == spikes).all():
        kept.problems.append(f"{p.place}: answers with other numbers than 0 and 1; its spikes have no size here")
    shown = record.fired.get((module, 1))
    if shown is None:
        return LayerRecording(spikes, None)
    potentials = _rows(shown)
    if p.neuron.raised:
        over = int((potentials > np.broadcast_to(p.neuron.threshold, p.shape).ravel()).sum())  # type: ignore[arg-type]
        if over:
            kept.notes[p.name] = RAISED.format(p.place, over)
    return LayerRecording(spikes, p.neuron.kept(potentials, spikes).astype(np.float32))


def _added(end: Ending, made: dict[tuple[int, int], Tensor]) -> np.ndarray:
    """The potentials of the neurons that answer without firing, float32 [N, T, neurons]."""
    values = made[id(end.node), end.output].cpu()
    steps, count = values.shape[:2]
    flat = values.flatten(0, 1)
    for step in end.maps:
        flat = step(flat.double())
    if end.bias is not None:
        flat = flat + end.bias
    found = flat.reshape(steps, count, -1).transpose(0, 1).float().numpy()
    if end.sums:
        return np.cumsum(found, 1, dtype=np.float32)
    return np.ascontiguousarray(end.neuron.kept(found, np.zeros(found.shape, bool)).astype(np.float32))


def _scores(found: Lowered, record: ModelRecord) -> np.ndarray:
    """[N, classes]: what the model returned; of every step, the sum, or what the readout makes of all."""
    end, readout = found.end, found.description.readout
    layout, values = end.answer.layout, record.returned[end.number].cpu().double()
    steps = layout.steps.unique()
    by_step = torch.stack([_ordered(values[:, layout.steps == s], layout.origins[layout.steps == s]) for s in steps], 1)
    whole = by_step[:, 0] if len(steps) == 1 else REDUCED[end.how](by_step)
    scores: np.ndarray = ((whole - readout.offset) / readout.factor).float().numpy()
    return scores


def _ordered(values: Tensor, features: Tensor) -> Tensor:
    return values[:, torch.argsort(features)]
