"""The network without spikes: pre-training, and the source of a conversion."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.network.layers import INPUT
from neurosim.training.neurons import Clip, Qcfs, best_bound
from neurosim.training.weights import Weights

CLIP_AT_START = 4.0
# Values of a layer that its bound is searched on.
SAMPLED = 200_000


class Ann(nn.Module):
    """ReLU network, or with *clipped* one with a trainable upper bound mu per layer; dropout after its hidden layers.

    With *levels* its activations become staircases up to a trainable bound per layer (`Qcfs`) once it is `quantise`d.
    """

    quantised: Tensor

    def __init__(self, weights: Weights, dropout: tuple[float, float], clipped: bool = False, levels: int = 0):
        super().__init__()
        self.weights, self.dropout, self.levels = weights, dropout, levels
        names = [s.name for s in weights.architecture.spiking]
        self.clips = nn.ParameterDict({n: nn.Parameter(torch.tensor(CLIP_AT_START)) for n in names if clipped})
        self.bounds = nn.ParameterDict({n: nn.Parameter(torch.tensor(1.0)) for n in names if levels})
        if levels:
            self.register_buffer("quantised", torch.tensor(False))

    @property
    def stepped(self) -> bool:
        """Whether activations are staircases by now."""
        return bool(self.levels and self.quantised)

    def forward(self, image: Tensor) -> Tensor:
        """image [B, C, H, W] -> logits [B, classes]."""
        values = {INPUT: image}
        for step in self.weights.architecture.steps:
            a = self.weights.current(step, values)
            if step.kind == "output":
                return a
            x = self.activation(step.name, a)
            if step.dropout:
                x = F.dropout(x, self.dropout[step.kind == "dense"], self.training)
            values[step.name] = x
        raise AssertionError("an architecture ends with its output layer")

    def activation(self, name: str, a: Tensor) -> Tensor:
        """The output of layer *name*, whose current is *a*."""
        if not self.clips and not self.stepped:
            return F.relu(a)
        passes, bounds = (Clip, (self.clips[name],)) if self.clips else (Qcfs, (self.bounds[name], self.levels))
        passed: Tensor = passes.apply(a, *bounds)  # type: ignore[no-untyped-call]
        return passed

    @torch.no_grad()
    def quantise(self, images: Tensor) -> None:
        """From now on activations are staircases, up to the bounds that lose least on *images* as they would train it."""
        self.train()
        with self.weights.watched(lambda name, a: self._set_bound(name, a.float())):
            self(images)
        self.quantised.fill_(True)

    def _set_bound(self, name: str, a: Tensor) -> None:
        if name in self.bounds:
            self.bounds[name].fill_(best_bound(a.flatten()[:: 1 + a.numel() // SAMPLED], self.levels))
