"""Phases of training: epochs, validation, checkpoints, and what each epoch reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from neurosim.errors import NeurosimError
from neurosim.training.ann import Ann
from neurosim.training.augment import Pixels, augmented
from neurosim.training.average import Average
from neurosim.training.behaviour import Behaviour, observed
from neurosim.training.checkpoint import Checkpoints, Saved
from neurosim.training.datasets import Dataset
from neurosim.training.loss import Loss
from neurosim.training.phase import Phase, Position, one_cycle, restored_position
from neurosim.training.recipe import Recipe
from neurosim.training.snn import Snn

LARGEST_GRADIENT = 1.0
KEEP_EVERY_S = 180.0

Line = dict[str, Any]
Say = Callable[[Line], None]
Tick = Callable[[str, float], None]


@dataclass
class Trainer:
    """Runs phases one after the other, each resumable from its last checkpoint: after every epoch, and every *keep_every_s*
    seconds within one.

    *say* receives one dict per epoch and per event; *tick* the phase and the share of it that is done.
    """

    recipe: Recipe
    dataset: Dataset
    checkpoints: Checkpoints
    say: Say
    tick: Tick = lambda phase, done: None
    lines: list[Line] = field(default_factory=list)
    keep_every_s: float = field(default_factory=lambda: KEEP_EVERY_S)

    def __post_init__(self) -> None:
        self.pixels = Pixels(self.dataset, self.recipe.device)
        self.kept_at = time.perf_counter()

    def train(
        self, name: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, epochs: int, timesteps: int = 0,
        teacher: Ann | None = None,
    ) -> None:  # fmt: skip
        """Train for *epochs* and leave the model in the state that was best on the validation split."""
        if not epochs:
            return
        phase = self._phase(name, model, optimiser, epochs, timesteps, teacher)
        progress = self.checkpoints.restored(name, phase.parts, self.lines)
        for epoch in range(progress.done, epochs):
            if epoch == self._quantised_from(phase) and progress.within is None:
                # A staircase is not to be measured by what the network did without it.
                progress = Saved(epoch)
            line: Line = {"phase": name, "epoch": epoch + 1, "of": epochs, "seed": self.recipe.seed}
            line |= self._epoch(phase, epoch, progress)
            start = time.perf_counter()
            seen = self.behaviour(phase.judged, timesteps)
            line |= described(phase.judged, seen) | {"seconds": round(line["seconds"] + time.perf_counter() - start, 2)}
            progress = _progressed(progress, epoch + 1, seen.accuracy, phase.judged)
            self.lines.append(line)
            self._keep(phase, progress)
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

    def _phase(
        self, name: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, epochs: int, timesteps: int, teacher: Ann | None
    ) -> Phase:
        recipe = self.recipe
        updates = epochs * -(-len(self.dataset.train.labels) // recipe.batch)
        loss = Loss(recipe.label_smoothing, recipe.step_loss, recipe.distillation, recipe.spike_cost)
        average = Average(model, recipe.averaging) if recipe.averaging else None
        return Phase(
            name=name, model=model, optimiser=optimiser, schedule=one_cycle(name, optimiser, updates), epochs=epochs,
            timesteps=timesteps, loss=loss, average=average, teacher=teacher,
        )  # fmt: skip

    def _quantised_from(self, phase: Phase) -> int:
        """The epoch from which on activations are staircases."""
        quantised = isinstance(phase.model, Ann) and self.recipe.quantised_epochs
        return phase.epochs - quantised if quantised else phase.epochs

    def _epoch(self, phase: Phase, epoch: int, progress: Saved) -> Line:
        """Show every training image once; returns the mean loss, and what had to be clamped."""
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 1_000_003 + epoch + 500_000 * (phase.timesteps + 1))
        split, size = self.dataset.train, self.recipe.batch
        picks = torch.randperm(len(split.labels)).split(size)
        at = restored_position(progress.within, self.recipe.device)
        if epoch == self._quantised_from(phase) and not at.updates:
            phase.quantise(self.pixels(split.images[picks[0].numpy()]))
        phase.model.train()
        for pick in picks[at.updates :]:
            start = time.perf_counter()
            self._update(f"{phase.name} epoch {epoch + 1}", phase, at, *self._shown(pick))
            at.seconds += time.perf_counter() - start
            self.tick(phase.name, (epoch + at.updates / len(picks)) / phase.epochs)
            if time.perf_counter() - self.kept_at > self.keep_every_s:
                self._keep(phase, replace(progress, within=at.saved(self.recipe.device)))
        self._check_finite(f"{phase.name} epoch {epoch + 1}", phase.judged)
        line: Line = {"loss": at.loss / len(split.labels), "seconds": at.seconds}
        return line | ({"clamped": sorted(at.clamped)} if at.clamped else {})

    def _shown(self, pick: Tensor) -> tuple[Tensor, Tensor]:
        """Images as they are trained on, and labels."""
        split, recipe = self.dataset.train, self.recipe
        images = augmented(self.pixels(split.images[pick.numpy()]), recipe.crop, recipe.flip, recipe.cutout)
        return images, torch.from_numpy(split.labels[pick.numpy()]).to(recipe.device)

    def _update(self, where: str, phase: Phase, at: Position, x: Tensor, y: Tensor) -> None:
        """One step of the optimiser."""
        with self._precision():
            answered = phase.answered(x)
        loss = phase.lost(answered, y)
        if not torch.isfinite(loss):
            sick = self._sick(phase.model, x, phase.timesteps)
            raise NeurosimError(f"training: the loss of {where} is not finite; {sick}; use a lower learning rate")
        phase.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(phase.model.parameters(), LARGEST_GRADIENT)
        phase.optimiser.step()
        at.clamped = list({*at.clamped, *phase.stepped()})
        at.loss += len(y) * loss.item()
        at.updates += 1

    def _keep(self, phase: Phase, progress: Saved) -> None:
        self.checkpoints.keep(phase.name, phase.parts, progress, self.lines)
        self.kept_at = time.perf_counter()

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
    elif model.clips or model.stepped:
        line["clips" if model.clips else "bounds"] = {k: v.item() for k, v in (model.clips or model.bounds).items()}
    return line
