"""One phase of a training run, and how far an epoch of it has come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from neurosim.errors import NeurosimError
from neurosim.training.ann import Ann
from neurosim.training.average import Average
from neurosim.training.loss import Loss
from neurosim.training.snn import Snn

WARM_UP = 0.2


class Answered(NamedTuple):
    """*answers*: [B, classes], of a spiking network [T, B, classes]. *spikes*: per neuron, over all steps."""

    answers: Tensor
    taught: Tensor | None
    spikes: Tensor | float


@dataclass(frozen=True)
class Phase:
    """A network that is trained for *epochs*, a spiking one through *timesteps*, and what goes with it."""

    name: str
    model: Ann | Snn
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epochs: int
    timesteps: int
    loss: Loss
    average: Average | None = None
    teacher: Ann | None = None

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint holds the state of."""
        found = {"model": self.model, "optimiser": self.optimiser, "schedule": self.schedule}
        return found if self.average is None else found | {"average": self.average}

    @property
    def judged(self) -> Ann | Snn:
        """The network that is validated and kept: the average where there is one."""
        return self.model if self.average is None else self.average.model

    def answered(self, x: Tensor) -> Answered:
        """What the network, and its teacher, make of images."""
        with torch.no_grad():
            taught = None if self.teacher is None else self.teacher(x).float()
        if not isinstance(self.model, Snn):
            return Answered(self.model(x).float(), taught, 0.0)
        answers, spikes = self.model.answers(x, self.timesteps)
        neurons = sum(math.prod(s.shape) for s in self.model.weights.architecture.spiking)
        return Answered(answers.float(), taught, spikes / neurons / len(x))

    def lost(self, answered: Answered, labels: Tensor) -> Tensor:
        loss = self.loss.through_time if self.timesteps else self.loss
        return loss(answered.answers, labels, answered.taught) + self.loss.spike_cost * answered.spikes

    def stepped(self) -> list[str]:
        """After a step of the optimiser; returns what had to be clamped."""
        self.schedule.step()
        moved = self.model.clamp() if isinstance(self.model, Snn) else []
        if self.average is not None:
            self.average.update(self.model)
        return moved

    def quantise(self, images: Tensor) -> None:
        """Activations become staircases; the average takes their bounds as they are."""
        assert isinstance(self.model, Ann)
        self.model.quantise(images)
        if self.average is not None:
            self.average.restart([f"bounds.{name}" for name in self.model.bounds], self.model)


@dataclass
class Position:
    """Where in an epoch training is: *updates* done, the *loss* summed over their images, *seconds* spent."""

    updates: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    clamped: list[str] = field(default_factory=list)

    def saved(self, device: str) -> dict[str, Any]:
        return asdict(self) | {"random": random_state(device)}


def restored_position(saved: dict[str, Any] | None, device: str) -> Position:
    """The start of an epoch, or what was saved in its middle; random numbers go on from there."""
    if saved is None:
        return Position()
    values = dict(saved)
    set_random_state(values.pop("random"), device)
    return Position(**values)


def random_state(device: str) -> dict[str, Tensor]:
    kind = torch.device(device).type
    states = {"cpu": torch.get_rng_state()}
    return states if kind == "cpu" else states | {kind: torch.get_device_module(kind).get_rng_state()}


def set_random_state(states: dict[str, Tensor], device: str) -> None:
    kind = torch.device(device).type
    torch.set_rng_state(states["cpu"])
    if kind != "cpu":
        torch.get_device_module(kind).set_rng_state(states[kind])


def one_cycle(phase: str, optimiser: torch.optim.Optimizer, updates: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The learning rate goes up for a fifth of the *updates*, then down (Smith & Topin 2018)."""
    if updates < 2:
        raise NeurosimError(f"training: {phase} has {updates} update in all; use a smaller --batch or more epochs")
    highest = [group["lr"] for group in optimiser.param_groups]
    # The schedule divides by the updates of the way up less one.
    up = max(WARM_UP, 1.5 / updates)
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, highest, total_steps=updates, pct_start=up, cycle_momentum=False)
