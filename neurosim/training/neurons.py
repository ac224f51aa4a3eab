"""ReLU neurons for pre-training, leaky integrate-and-fire neurons in the dynamics V1 of DIET-SNN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.training.architecture import Layers

GAMMA = 0.3
SMALLEST_THRESHOLD = 1e-3


class Triangle(torch.autograd.Function):
    """s = 1 if z > 0 else 0; ds/dz = GAMMA * max(0, 1 - |z|) (Bellec et al. 2018, as used by DIET-SNN)."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        return grad * GAMMA * (1 - z.abs()).clamp(min=0)


def lif_step(u: Tensor, current: Tensor, leak: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """One step of V1: leak, integrate, compare (strictly greater), soft reset. Returns (potential, spikes).

    No gradient flows through the spike in the reset; it does through the threshold there (DIET-SNN, released code).
    """
    u = leak * u + current
    s = Triangle.apply(u / threshold - 1)
    return u - threshold * s.detach(), s


class Ann(nn.Module):
    """ReLU network; dropout after hidden dense layers."""

    def __init__(self, layers: Layers, dropout: float):
        super().__init__()
        self.layers = layers
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B, classes]."""
        for index, step in enumerate(self.layers.steps):
            x = self.layers.current(index, x)
            if step.kind != "output":
                x = F.relu(x)
            if step.kind == "dense":
                x = F.dropout(x, self.dropout, self.training)
        return x


class Snn(nn.Module):
    """Spiking network with one leak and one threshold per layer; the image is the input current's source at every step."""

    def __init__(self, layers: Layers, dropout: float):
        super().__init__()
        self.layers = layers
        self.dropout = dropout
        spiking = len(layers.steps) - 1
        self.leaks = nn.ParameterList([nn.Parameter(torch.tensor(1.0)) for _ in range(spiking)])
        self.thresholds = nn.ParameterList([nn.Parameter(torch.tensor(1.0)) for _ in range(spiking)])

    def forward(self, image: Tensor, timesteps: int, counts: list[Tensor] | None = None) -> Tensor:
        """image [B, C, H, W] -> logits [B, classes], the output potentials after *timesteps*.

        *counts*, if given, receives for each spiking layer its spikes of all steps, a tensor [B].
        """
        first = self.layers.current(0, image)
        potentials: list[Any] = [0.0] * len(self.leaks)
        masks: dict[int, Tensor] = {}
        total = [torch.zeros(len(image)) for _ in self.leaks]
        logits = torch.zeros(())
        for _ in range(timesteps):
            x = first
            for index in range(len(self.leaks)):
                current = first if index == 0 else self.layers.current(index, x)
                potentials[index], x = lif_step(potentials[index], current, self.leaks[index], self.thresholds[index])
                if counts is not None:
                    total[index] = total[index] + x.detach().flatten(1).sum(1)
                x = x * self._mask(masks, index, x)
            logits = logits + self.layers.current(len(self.leaks), x)
        if counts is not None:
            counts.extend(total)
        return logits

    def _mask(self, masks: dict[int, Tensor], index: int, x: Tensor) -> Tensor | float:
        """Dropout drawn once per sample and kept for all steps."""
        if not self.training or self.layers.steps[index].kind != "dense":
            return 1.0
        if index not in masks:
            masks[index] = F.dropout(torch.ones_like(x), self.dropout)
        return masks[index]

    @torch.no_grad()
    def clamp(self) -> None:
        """Leaks to [0, 1], thresholds to positive values; after every optimiser step."""
        for leak, threshold in zip(self.leaks, self.thresholds, strict=True):
            leak.clamp_(0.0, 1.0)
            threshold.clamp_(min=SMALLEST_THRESHOLD)


@torch.no_grad()
def balance_thresholds(snn: Snn, images: Tensor, percentile: float, scale: float, steps: int) -> list[float]:
    """Set each threshold to *scale* times the largest *percentile* over time of the layer's input current.

    Layer by layer, with integrate-and-fire neurons (leak 1) and the thresholds already found at full scale (DIET-SNN,
    released code). Returns the thresholds.
    """
    snn.eval()
    found: list[Tensor] = []
    for index in range(len(snn.leaks)):
        potentials: list[Any] = [0.0] * index
        largest = torch.tensor(0.0)
        for _ in range(steps if index else 1):
            x = images
            for before in range(index):
                current = snn.layers.current(before, x)
                potentials[before], x = lif_step(potentials[before], current, torch.tensor(1.0), found[before])
            largest = torch.maximum(largest, _percentile(snn.layers.current(index, x), percentile))
        found.append(largest)
    for leak, threshold, value in zip(snn.leaks, snn.thresholds, found, strict=True):
        leak.fill_(1.0)
        threshold.copy_(value * scale)
    return [float(t) for t in snn.thresholds]


def _percentile(values: Tensor, percentile: float) -> Tensor:
    flat = values.flatten()
    return flat.kthvalue(1 + round(percentile / 100 * (len(flat) - 1))).values
