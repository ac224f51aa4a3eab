"""Phases of training: epochs, validation, checkpoints, and what each epoch reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.errors import NeurosimError
from neurosim.training.ann import Ann
from neurosim.training.augment import Pixels, augmented
from neurosim.training.behaviour import Behaviour, observed
from neurosim.training.checkpoint import Checkpoints, Saved
from neurosim.training.datasets import Dataset, Split
from neurosim.training.recipe import Recipe
from neurosim.training.snn import Snn

LARGEST_GRADIENT = 1.0
WARM_UP = 0.2

Line = dict[str, Any]
Say = Callable[[Line], None]
Tick = Callable[[str, float], None]


@dataclass
class Trainer:
    """Runs phases one after the other, each resumable from its last epoch.

    *say* receives one dict per epoch and per event; *tick* the phase and the share of it that is done.
    """

    recipe: Recipe
    dataset: Dataset
    checkpoints: Checkpoints
    say: Say
    tick: Tick = lambda phase, done: None
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = Pixels(self.dataset, self.recipe.device)

    def train(self, phase: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, epochs: int, timesteps: int = 0) -> None:
        """Train for *epochs* and leave the model in the state that was best on the validation split."""
        if not epochs:
            return
        schedule = self._schedule(phase, optimiser, epochs)
        parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
        progress = self.checkpoints.restored(phase, parts, self.lines)
        for epoch in range(progress.done, epochs):
            start = time.perf_counter()
            line: Line = {"phase": phase, "epoch": epoch + 1, "of": epochs, "seed": self.recipe.seed}
            line |= self._epoch(phase, epoch, epochs, model, optimiser, schedule, timesteps)
            seen = self.behaviour(model, timesteps)
            line |= described(model, seen) | {"seconds": round(time.perf_counter() - start, 2)}
            progress = _progressed(progress, epoch + 1, seen.accuracy, model)
            self.lines.append(line)
            self.checkpoints.keep(phase, parts, progress, self.lines)
            self.say(line)
        model.load_state_dict(progress.best_state or {})
        model.eval()

    def behaviour(self, model: Ann | Snn, timesteps: int = 0) -> Behaviour:
        """What *model* does on the validation split, in the precision of the recipe."""
        with self._precision():
            return observed(model, self.pixels, self.dataset.validation, timesteps)

    def event(self, line: Line) -> None:
        """Say something that is not the end of an epoch."""
        self.lines.append(line)
        self.checkpoints.log(self.lines)
        self.say(line)

    def _schedule(self, phase: str, optimiser: torch.optim.Optimizer, epochs: int) -> torch.optim.lr_scheduler.LRScheduler:
        """One cycle of the learning rate: up for a fifth of the updates, then down."""
        updates = epochs * -(-len(self.dataset.train.labels) // self.recipe.batch)
        if updates < 2:
            raise NeurosimError(f"training: {phase} has {updates} update in all; use a smaller --batch or more epochs")
        highest = [group["lr"] for group in optimiser.param_groups]
        # The schedule divides by the updates of the way up less one.
        up = max(WARM_UP, 1.5 / updates)
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, highest, total_steps=updates, pct_start=up, cycle_momentum=False
        )

    def _epoch(
        self, phase: str, epoch: int, epochs: int, model: Ann | Snn, optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler, timesteps: int,
    ) -> Line:  # fmt: skip
        """Show every training image once; returns the mean loss, and what had to be clamped."""
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 1_000_003 + epoch + 500_000 * (timesteps + 1))
        model.train()
        total, seen = 0.0, 0
        clamped: set[str] = set()
        for images, labels in _batches(self.dataset.train, self.recipe.batch):
            x, y = augmented(self.pixels(images)), torch.from_numpy(labels).to(self.recipe.device)
            total += len(labels) * self._update(f"{phase} epoch {epoch + 1}", model, optimiser, x, y, timesteps)
            schedule.step()
            if isinstance(model, Snn):
                clamped.update(model.clamp())
            seen += len(labels)
            self.tick(phase, (epoch + seen / len(self.dataset.train.labels)) / epochs)
        self._check_finite(f"{phase} epoch {epoch + 1}", model)
        return {"loss": total / seen} | ({"clamped": sorted(clamped)} if clamped else {})

    def _update(
        self, where: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, timesteps: int
    ) -> float:
        """One step of the optimiser; returns the loss before it."""
        with self._precision():
            logits = model(x, timesteps) if isinstance(model, Snn) else model(x)
        loss = F.cross_entropy(logits.float(), y)
        if not torch.isfinite(loss):
            sick = self._sick(model, x, timesteps)
            raise NeurosimError(f"training: the loss of {where} is not finite; {sick}; use a lower learning rate")
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        return loss.item()

    def _precision(self) -> Any:
        kind = torch.device(self.recipe.device).type
        return torch.autocast(kind, torch.bfloat16) if self.recipe.precision == "bf16" else nullcontext()

    @torch.no_grad()
    def _sick(self, model: Ann | Snn, x: Tensor, timesteps: int) -> str:
        """The first layer that is not finite."""
        dead: list[str] = []
        watch = model.weights.watched(lambda name, current: None if torch.isfinite(current).all() else dead.append(name))
        with watch, self._precision():
            model(x, timesteps) if isinstance(model, Snn) else model(x)
        broken = [name for name, w in model.weights.of.items() if not torch.isfinite(w).all()]
        weights = f"weights of {', '.join(broken)} are not finite" if broken else "all weights are finite"
        return f"it died in layer {dead[0]!r} ({weights})" if dead else f"all currents are finite ({weights})"

    def _check_finite(self, where: str, model: Ann | Snn) -> None:
        broken = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
        if broken:
            raise NeurosimError(f"training: after {where}, {', '.join(broken)} are not finite; use a lower learning rate")


def _progressed(before: Saved, done: int, accuracy: float, model: Ann | Snn) -> Saved:
    if accuracy <= before.best:
        return Saved(done, before.best, before.best_state)
    return Saved(done, accuracy, {k: v.clone() for k, v in model.state_dict().items()})


def described(model: Ann | Snn, seen: Behaviour) -> Line:
    """What a line of the log says about a network."""
    line: Line = {"validation_accuracy": seen.accuracy}
    if isinstance(model, Snn):
        line |= {
            "spikes_per_neuron": seen.rates, "leaks": {k: v.item() for k, v in model.leaks.items()},
            "thresholds": {k: v.item() for k, v in model.thresholds.items()}, "silent": seen.silent,
        }  # fmt: skip
    elif model.clips:
        line["clips"] = {k: v.item() for k, v in model.clips.items()}
    return line


def _batches(split: Split, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    order = torch.randperm(len(split.labels)).numpy()
    for first in range(0, len(order), size):
        pick = order[first : first + size]
        yield split.images[pick], split.labels[pick]
