"""One phase of training: epochs, validation, checkpoints, and what each epoch reports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.training.ann import Ann
from neurosim.training.augment import Pixels, augmented
from neurosim.training.behaviour import Behaviour, observed
from neurosim.training.checkpoint import read_checkpoint
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

    *say* receives one dict per epoch and per event; *tick* the share of the current epoch that is done.
    """

    recipe: Recipe
    dataset: Dataset
    folder: Path | None
    resume: bool
    say: Say
    tick: Tick = lambda phase, done: None
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pixels = Pixels(self.dataset, self.recipe.device)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.resume and any(self.folder.glob("*.pt")):
                raise NeurosimError(f"{self.folder}: holds the checkpoints of another run; use --resume or another folder")

    def train(self, phase: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, epochs: int, timesteps: int = 0) -> None:
        """Train for *epochs* and leave the model in the state that was best on the validation split."""
        if not epochs:
            return
        batches = -(-len(self.dataset.train.labels) // self.recipe.batch)
        highest = [group["lr"] for group in optimiser.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, highest, total_steps=epochs * batches, pct_start=WARM_UP, cycle_momentum=False
        )
        parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
        done, best, best_state = self._restored(phase, parts)
        for epoch in range(done, epochs):
            start = time.perf_counter()
            loss = self._epoch(phase, epoch, epochs, model, optimiser, schedule, timesteps)
            seen = self.behaviour(model, timesteps)
            if seen.accuracy > best:
                best, best_state = seen.accuracy, {k: v.clone() for k, v in model.state_dict().items()}
            line = {"phase": phase, "epoch": epoch + 1, "of": epochs, "loss": loss} | described(model, seen)
            self.lines.append(line | {"seconds": time.perf_counter() - start})
            self._keep(phase, parts, epoch + 1, best, best_state)
            self.say(self.lines[-1])
        model.load_state_dict(best_state)
        model.eval()

    def behaviour(self, model: Ann | Snn, timesteps: int = 0) -> Behaviour:
        """What *model* does on the validation split, in the precision of the recipe."""
        with self._precision():
            return observed(model, self.pixels, self.dataset.validation, timesteps)

    def event(self, line: Line) -> None:
        """Say something that is not the end of an epoch; it goes to the log with the next one."""
        self.lines.append(line)
        self.say(line)

    def _epoch(
        self, phase: str, epoch: int, epochs: int, model: Ann | Snn, optimiser: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler, timesteps: int,
    ) -> float:  # fmt: skip
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 1_000_003 + epoch + 500_000 * (timesteps + 1))
        model.train()
        total, seen = 0.0, 0
        for images, labels in _batches(self.dataset.train, self.recipe.batch):
            x, y = augmented(self.pixels(images)), torch.from_numpy(labels).to(self.recipe.device)
            with self._precision():
                logits = model(x, timesteps) if isinstance(model, Snn) else model(x)
            loss = F.cross_entropy(logits.float(), y)
            if not torch.isfinite(loss):
                raise NeurosimError(
                    f"training: the loss of {phase} epoch {epoch + 1} is not finite; {self._sick(model, x, timesteps)}; "
                    "use a lower learning rate"
                )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
            if isinstance(model, Snn):
                model.clamp()
            total, seen = total + loss.item() * len(labels), seen + len(labels)
            self.tick(phase, (epoch + seen / len(self.dataset.train.labels)) / epochs)
        return total / seen

    def _precision(self) -> Any:
        kind = torch.device(self.recipe.device).type
        return torch.autocast(kind, torch.bfloat16) if self.recipe.precision == "bf16" else nullcontext()

    @torch.no_grad()
    def _sick(self, model: Ann | Snn, x: Tensor, timesteps: int) -> str:
        """The first layer that is not finite."""
        dead: list[str] = []
        with model.weights.watched(lambda name, current: None if torch.isfinite(current).all() else dead.append(name)):
            model(x, timesteps) if isinstance(model, Snn) else model(x)
        broken = [name for name, w in model.weights.of.items() if not torch.isfinite(w).all()]
        weights = f"weights of {', '.join(broken)} are not finite" if broken else "all weights are finite"
        return f"it died in layer {dead[0]!r} ({weights})" if dead else f"all currents are finite ({weights})"

    def _restored(self, phase: str, parts: dict[str, Any]) -> tuple[int, float, dict[str, Tensor]]:
        path = None if self.folder is None else self.folder / f"{phase}.pt"
        if path is None or not self.resume or not path.exists():
            return 0, -1.0, {}
        saved = read_checkpoint(path)
        missing = {"recipe", "lines", "done", "best", "best_state", *parts} - set(saved)
        if missing:
            raise NeurosimError(f"{path}: is not a checkpoint of this program: {', '.join(sorted(missing))} missing")
        if saved["recipe"] != self.recipe.to_dict():
            changed = [k for k, v in self.recipe.to_dict().items() if saved["recipe"].get(k) != v]
            raise NeurosimError(
                f"{path}: belongs to another recipe ({', '.join(changed)} differ); train without --resume or in another folder"
            )
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        self.lines = saved["lines"]
        return saved["done"], saved["best"], saved["best_state"]

    def _keep(self, phase: str, parts: dict[str, Any], done: int, best: float, best_state: dict[str, Tensor]) -> None:
        if self.folder is None:
            return
        saved = {name: part.state_dict() for name, part in parts.items()}
        saved |= {"recipe": self.recipe.to_dict(), "done": done, "best": best, "best_state": best_state, "lines": self.lines}
        with replacing(self.folder / f"{phase}.pt") as temporary:
            torch.save(saved, temporary)
        with replacing(self.folder / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")


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
