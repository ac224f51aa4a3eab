"""From the trained network without spikes to a spiking one, before any fine-tuning."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor

from neurosim.training.ann import Ann
from neurosim.training.balance import balance_thresholds
from neurosim.training.recipe import DIET, Recipe
from neurosim.training.scaling import Scaling, percentiles, search
from neurosim.training.snn import Snn

CHUNK = 64


def convert(ann: Ann, images: Tensor, recipe: Recipe) -> tuple[Snn, dict[str, Any]]:
    """(spiking network with a copy of the weights of *ann*, what the conversion found for each layer).

    images: calibration images [B, C, H, W] as the network takes them.
    """
    snn = Snn(deepcopy(ann.weights), recipe.dropouts, recipe.surrogate).to(images.device)
    if recipe.method == DIET:
        balance_thresholds(snn, images, recipe.percentile, recipe.scale, recipe.calibration_steps)
        return snn, {name: {"threshold": v.item()} for name, v in snn.thresholds.items()}
    scalings = scaled(ann, images, recipe.all_stages[0])
    snn.betas = {name: s.beta for name, s in scalings.items()}
    with torch.no_grad():
        for name, threshold in snn.thresholds.items():
            threshold.fill_(scalings[name].alpha * scalings[name].mu)
    return snn, {name: asdict(s) for name, s in scalings.items()}


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
