"""From the trained network without spikes to a spiking one, before any fine-tuning."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor

from neurosim.training.ann import Ann
from neurosim.training.balance import balance_thresholds
from neurosim.training.recipe import DATTA, Recipe
from neurosim.training.scaling import Scaling, percentiles, search
from neurosim.training.snn import Snn

CHUNK = 64
# Where a neuron starts so that a staircase that is shifted by half a step is what it fires, in thresholds.
HALF = 0.5


def convert(ann: Ann, images: Tensor, recipe: Recipe) -> tuple[Snn, dict[str, Any]]:
    """(spiking network with a copy of the weights of *ann*, what the conversion found for each layer).

    images: calibration images [B, C, H, W] as the network takes them.
    """
    snn = Snn(ann.weights.folded(), recipe.dropouts, recipe.surrogate).to(images.device)
    if recipe.method == DATTA:
        return snn, scale_thresholds(snn, ann, images, recipe.all_stages[0])
    if ann.stepped:
        return snn, take_bounds(snn, ann)
    balance_thresholds(snn, images, recipe.percentile, recipe.scale, recipe.calibration_steps)
    return snn, {name: {"threshold": v.item()} for name, v in snn.thresholds.items()}


@torch.no_grad()
def take_bounds(snn: Snn, ann: Ann) -> dict[str, Any]:
    """Set each threshold, and the value of a spike, to the bound of the layer's staircase; neurons start at half of their
    threshold (Bu et al. 2022)."""
    found, snn.start = {}, HALF
    for name, threshold in snn.thresholds.items():
        bound = ann.bounds[name].item()
        threshold.fill_(bound)
        snn.betas[name] = 1.0
        found[name] = {"threshold": bound, "initial": HALF * bound}
    return found


@torch.no_grad()
def scale_thresholds(snn: Snn, ann: Ann, images: Tensor, timesteps: int) -> dict[str, Any]:
    """Set each threshold and the value of a spike by the search of Datta & Beerel."""
    scalings = scaled(ann, images, timesteps)
    snn.betas = {name: s.beta for name, s in scalings.items()}
    for name, threshold in snn.thresholds.items():
        threshold.fill_(scalings[name].alpha * scalings[name].mu)
    return {name: asdict(s) for name, s in scalings.items()}


@torch.no_grad()
def scaled(ann: Ann, images: Tensor, timesteps: int) -> dict[str, Scaling]:
    """Datta & Beerel's (alpha, beta) of every layer, from the pre-activations of the clipped network on *images*."""
    ann.eval()
    found: dict[str, Scaling] = {}
    for step in ann.weights.architecture.spiking:
        seen: list[Tensor] = []
        with ann.weights.watched(partial(_kept, seen, step.name)):
            for part in images.split(CHUNK):
                ann(part)
        values = torch.cat(seen).numpy()
        found[step.name] = search(percentiles(values), ann.clips[step.name].item(), timesteps)
    return found


def _kept(seen: list[Tensor], wanted: str, name: str, current: Tensor) -> None:
    if name == wanted:
        seen.append(current.float().cpu())
