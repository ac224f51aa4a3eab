"""The network without spikes: pre-training, and the source of a conversion."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.network.layers import INPUT
from neurosim.training.neurons import Clip
from neurosim.training.weights import Weights

CLIP_AT_START = 4.0


class Ann(nn.Module):
    """ReLU network, or with *clipped* one with a trainable upper bound mu per layer; dropout after its hidden layers."""

    def __init__(self, weights: Weights, dropout: tuple[float, float], clipped: bool = False):
        super().__init__()
        self.weights = weights
        self.dropout = dropout
        names = [s.name for s in weights.architecture.spiking] if clipped else []
        self.clips = nn.ParameterDict({n: nn.Parameter(torch.tensor(CLIP_AT_START)) for n in names})

    def forward(self, image: Tensor) -> Tensor:
        """image [B, C, H, W] -> logits [B, classes]."""
        values = {INPUT: image}
        for step in self.weights.architecture.steps:
            a = self.weights.current(step, values)
            if step.kind == "output":
                return a
            x = Clip.apply(a, self.clips[step.name]) if self.clips else F.relu(a)
            if step.dropout:
                x = F.dropout(x, self.dropout[step.kind == "dense"], self.training)
            values[step.name] = x
        raise AssertionError("an architecture ends with its output layer")
