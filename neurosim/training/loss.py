"""What training makes small."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 2.0


@dataclass(frozen=True)
class Loss:
    """Cross-entropy, with the shares of a `Recipe` moved from the true labels and from the sum over time.

    *step_loss*: this share is the mean of the losses of the single steps (temporal efficient training: Deng et al., ICLR 2022,
    without their regulariser, which *distillation* replaces). *distillation*: this share is the divergence from the answers of
    a teacher at `TEMPERATURE`, times its square (Hinton et al. 2015). *spike_cost*: what is added for each spike per neuron.
    """

    smoothing: float = 0.0
    step_loss: float = 0.0
    distillation: float = 0.0
    spike_cost: float = 0.0

    def __call__(self, answers: Tensor, labels: Tensor, taught: Tensor | None = None) -> Tensor:
        """answers, and *taught*, a teacher's: [B, classes]."""
        loss = F.cross_entropy(answers, labels, label_smoothing=self.smoothing)
        return loss if taught is None else torch.lerp(loss, divergence(answers, taught), self.distillation)

    def through_time(self, answers: Tensor, labels: Tensor, taught: Tensor | None = None) -> Tensor:
        """answers: [T, B, classes]. The papers' loss is that of their sum; where steps or a teacher are asked, that of their
        mean, which has the size of a step's and a teacher's."""
        if not self.step_loss and taught is None:
            return self(answers.sum(0), labels)
        steps = len(answers)
        whole = self(answers.mean(0), labels, taught)
        each = self(answers.flatten(0, 1), labels.repeat(steps), None if taught is None else taught.repeat(steps, 1))
        return torch.lerp(whole, each, self.step_loss)


def divergence(answers: Tensor, taught: Tensor) -> Tensor:
    mine, theirs = ((x / TEMPERATURE).log_softmax(1) for x in (answers, taught))
    return F.kl_div(mine, theirs, log_target=True, reduction="batchmean") * TEMPERATURE**2
