"""DIET-SNN's conversion: thresholds balanced layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from neurosim.network.layers import INPUT
from neurosim.training.architecture import Step
from neurosim.training.snn import Snn


@torch.no_grad()
def balance_thresholds(snn: Snn, images: Tensor, percentile: float, scale: float, steps: int) -> None:
    """Set each threshold to *scale* times the largest *percentile* over time of the layer's input current.

    Layer by layer, with integrate-and-fire neurons (leak 1) and the thresholds already found at full scale (DIET-SNN,
    released code). A residual layer is balanced like any other, by the sum of its convolution and its shortcut; the
    released code leaves those at a default.
    """
    snn.eval()
    fired: dict[str, list[Tensor]] = {}
    layers = snn.weights.architecture.spiking
    for index, step in enumerate(layers):
        current = partial(_current, snn, step, images, fired)
        times = range(1 if step.source == INPUT else steps)
        threshold = torch.stack([_percentile(current(t), percentile) for t in times]).max()
        fired[step.name] = _fired(current, threshold, steps)
        snn.leaks[step.name].fill_(1.0)
        snn.thresholds[step.name].copy_(threshold * scale)
        read_later = {n for s in layers[index + 1 :] for n in s.sources}
        fired = {n: f for n, f in fired.items() if n in read_later}
    snn.clamp()


def _current(snn: Snn, step: Step, images: Tensor, fired: dict[str, list[Tensor]], t: int) -> Tensor:
    values = {n: images if n == INPUT else fired[n][t].to(images.dtype) for n in step.sources}
    return snn.weights.current(step, values)


def _fired(current: Callable[[int], Tensor], threshold: Tensor, steps: int) -> list[Tensor]:
    """bool per step: the spikes of integrate-and-fire neurons."""
    spikes = []
    u: Tensor | float = 0.0
    for t in range(steps):
        u = u + current(t)
        spikes.append(u > threshold)
        u = u - threshold * spikes[-1]
    return spikes


def _percentile(values: Tensor, percentile: float) -> Tensor:
    flat = values.flatten()
    return flat.kthvalue(1 + round(percentile / 100 * (len(flat) - 1))).values
