"""The spiking network, trained through time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.network.layers import INPUT
from neurosim.training.architecture import Step
from neurosim.training.neurons import LifLayer
from neurosim.training.weights import Weights

SMALLEST_THRESHOLD = 1e-3


class Snn(nn.Module):
    """One leak and one threshold per layer; the image drives the first layer with the same current at every step.

    Layers do not feed back, so each runs through all steps before the next one starts. A spike of layer l has the value 1,
    or beta_l * threshold_l where *betas* are given (Datta & Beerel; their code fakes the gradient of that product, here it is
    exact). *start*: the share of its threshold at which every neuron begins.
    """

    def __init__(
        self, weights: Weights, dropout: tuple[float, float] = (0.0, 0.0), surrogate: str = "triangle",
        betas: Mapping[str, float] | None = None, start: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.weights, self.dropout, self.surrogate = weights, dropout, surrogate
        self.betas, self.start = dict(betas or {}), start
        names = [s.name for s in weights.architecture.spiking]
        self.leaks = nn.ParameterDict({n: nn.Parameter(torch.tensor(1.0)) for n in names})
        self.thresholds = nn.ParameterDict({n: nn.Parameter(torch.tensor(1.0)) for n in names})

    def forward(self, image: Tensor, timesteps: int, watch: Callable[[str, Tensor], None] | None = None) -> Tensor:
        """image [B, C, H, W] -> logits [B, classes], the output potentials after *timesteps*.

        *watch* is called with the name and the spikes [T, B, ...] of every spiking layer.
        """
        return self.answers(image, timesteps, watch)[0].sum(0, dtype=torch.float32)

    def answers(
        self, image: Tensor, timesteps: int, watch: Callable[[str, Tensor], None] | None = None
    ) -> tuple[Tensor, Tensor]:
        """image [B, C, H, W] -> (what each step adds to the output potentials, [T, B, classes]; how many spikes there were)."""
        values, counts = {INPUT: image}, []
        for step in self.weights.architecture.spiking:
            spikes, count = self.fire(step, self._current(step, values), timesteps)
            if watch is not None:
                watch(step.name, spikes.detach())
            counts.append(count)
            values[step.name] = self._sent(step, spikes).flatten(0, 1)
        outputs = self._current(self.weights.architecture.steps[-1], values)
        return outputs.unflatten(0, (timesteps, -1)), torch.stack(counts).sum()

    def _current(self, step: Step, values: Mapping[str, Tensor]) -> Tensor:
        # The value of a spike is multiplied into the weights: a product with every spike took a tenth of the time.
        return self.weights.current(step, values, self.amplitude)

    def fire(self, step: Step, current: Tensor, timesteps: int) -> tuple[Tensor, Tensor]:
        """(spikes [T, B, ...] of a layer from its current [T * B, ...], or [B, ...] from the image; how many they are)."""
        through_time = (1 if step.source == INPUT else timesteps, -1)
        leak, threshold = self.leaks[step.name], self.thresholds[step.name]
        steps = current.unflatten(0, through_time)
        numbers = leak, threshold, timesteps, self.surrogate, True, self.start
        fired: tuple[Tensor, Tensor] = LifLayer.apply(steps, *numbers)  # type: ignore[no-untyped-call]
        return fired

    def amplitude(self, name: str) -> Tensor | float:
        """The value of one spike of layer *name*."""
        return self.betas[name] * self.thresholds[name] if name in self.betas else 1.0

    def _sent(self, step: Step, spikes: Tensor) -> Tensor:
        """Spikes, in training under a mask drawn once per sample for all steps."""
        if self.training and step.dropout and self.dropout[step.kind == "dense"]:
            spikes = spikes * F.dropout(torch.ones_like(spikes[0]), self.dropout[step.kind == "dense"])
        return spikes

    @torch.no_grad()
    def clamp(self) -> list[str]:
        """Leaks to [0, 1], thresholds to positive values, after every optimiser step; returns what had to be moved."""
        moved = []
        for name, leak in self.leaks.items():
            moved += [f"leak of {name}"] if not 0 <= leak <= 1 else []
            leak.clamp_(0.0, 1.0)
        for name, threshold in self.thresholds.items():
            moved += [f"threshold of {name}"] if threshold < SMALLEST_THRESHOLD else []
            threshold.clamp_(min=SMALLEST_THRESHOLD)
        return moved
