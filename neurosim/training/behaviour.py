"""What a network does on a split of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from neurosim.training.ann import Ann
from neurosim.training.augment import Pixels
from neurosim.training.datasets import Split
from neurosim.training.snn import Snn

BATCH = 250
# Values of the largest layer over all steps and images of a batch: 1 GB in single precision.
VALUES = 2**28
SILENT = 0.005


@dataclass(frozen=True)
class Behaviour:
    """Per spiking layer: *rates*, spikes per neuron over all steps; *firing*, the share of neurons (of all samples) that
    fire at all."""

    accuracy: float
    rates: dict[str, float] = field(default_factory=dict)
    firing: dict[str, float] = field(default_factory=dict)

    @property
    def silent(self) -> list[str]:
        return [name for name, share in self.firing.items() if share < SILENT]


@torch.no_grad()
def observed(model: Ann | Snn, pixels: Pixels, split: Split, timesteps: int = 0) -> Behaviour:
    """Accuracy and, of a spiking network, activity over *timesteps*."""
    model.eval()
    right = 0
    seen: dict[str, list[float]] = {}

    def watch(name: str, fired: Tensor) -> None:
        total, spikes = seen.setdefault(name, [0.0, 0.0]), fired > 0
        total[0] += float(spikes.sum()) / spikes[0, 0].numel()
        total[1] += float(spikes.any(0).sum()) / spikes[0, 0].numel()

    n, size = len(split.labels), _batch(model, timesteps)
    for first in range(0, n, size):
        x = pixels(split.images[first : first + size])
        logits = model(x, timesteps, watch) if isinstance(model, Snn) else model(x)
        right += int((logits.argmax(1).cpu().numpy() == split.labels[first : first + size]).sum())
    return Behaviour(right / n, {k: v[0] / n for k, v in seen.items()}, {k: v[1] / n for k, v in seen.items()})


@torch.no_grad()
def zero_share(ann: Ann, pixels: Pixels, split: Split) -> float:
    """Share of the activations of hidden layers that are zero."""
    ann.eval()
    hidden, size = {step.name for step in ann.weights.architecture.spiking}, _batch(ann, 0)
    zeros, values = 0, 0

    def watch(name: str, current: Tensor) -> None:
        nonlocal zeros, values
        if name in hidden:
            zeros += int((ann.activation(name, current) == 0).sum())
            values += current.numel()

    with ann.weights.watched(watch):
        for first in range(0, len(split.labels), size):
            ann(pixels(split.images[first : first + size]))
    return zeros / values


def _batch(model: Ann | Snn, timesteps: int) -> int:
    """Images at once."""
    largest = max(math.prod(s.shape) for s in model.weights.architecture.steps) * max(1, timesteps)
    return max(1, min(BATCH, VALUES // largest))
