"""DIET-SNN (Rathi & Roy): pre-train with ReLU, balance thresholds, fine-tune weights, leaks and thresholds through time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.errors import NeurosimError
from neurosim.inputs import Inputs
from neurosim.io.hdf5 import replacing
from neurosim.network import Network
from neurosim.quantize import quantize
from neurosim.training.architecture import ARCHITECTURES, Layers
from neurosim.training.datasets import Dataset, Split, load_mnist
from neurosim.training.export import described, float_network, with_golden
from neurosim.training.neurons import Ann, Snn, balance_thresholds
from neurosim.training.reference import record

GOLDEN_SAMPLES = 5
EVALUATION_BATCH = 500
SILENT = 0.005


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result of a training run."""

    arch: str = "mnist_vgg"
    timesteps: int = 5
    bits: int = 8
    seed: int = 0
    ann_epochs: int = 20
    snn_epochs: int = 15
    batch: int = 128
    ann_lr: float = 2e-3
    snn_lr: float = 5e-4
    dropout: float = 0.3
    percentile: float = 99.7
    scale: float = 0.6
    calibration_steps: int = 100
    calibration_images: int = 512


Say = Callable[[dict[str, Any]], None]


def train_diet(
    data: Path, output: Path, recipe: Recipe | None = None, *, checkpoints: Path | None = None, resume: bool = False,
    say: Say = lambda line: None,
) -> dict[str, Any]:  # fmt: skip
    """Train on *data*, write the integer network with golden samples to *output*, return the report.

    *checkpoints*: a folder for one checkpoint per epoch, from which *resume* goes on. *say* receives one dict per epoch.
    """
    recipe = recipe or Recipe()
    _check(recipe)
    dataset = load_mnist(data, recipe.seed)
    run = _Run(recipe, dataset, checkpoints, resume, say)
    ann = run.pretrain()
    ann_accuracy = _accuracy(ann, dataset.test)
    snn = run.finetune(ann)
    return _export(recipe, dataset, ann_accuracy, snn, output)


def _check(recipe: Recipe) -> None:
    problems = [f"{n} is {getattr(recipe, n)}; at least 1" for n in ("timesteps", "batch", "ann_epochs", "snn_epochs")
                if getattr(recipe, n) < 1]  # fmt: skip
    if recipe.arch not in ARCHITECTURES:
        problems.append(f"architecture {recipe.arch!r} is unknown; there are: {', '.join(ARCHITECTURES)}")
    if problems:
        raise NeurosimError("training: " + "; ".join(problems))


class _Run:
    """The two training phases, each resumable from its last epoch."""

    def __init__(self, recipe: Recipe, dataset: Dataset, checkpoints: Path | None, resume: bool, say: Say):
        self.recipe, self.dataset, self.say, self.resume = recipe, dataset, say, resume
        self.folder = checkpoints
        self.lines: list[dict[str, Any]] = []
        if checkpoints is not None:
            checkpoints.mkdir(parents=True, exist_ok=True)
            if not resume and any(checkpoints.glob("*.pt")):
                raise NeurosimError(f"{checkpoints}: holds the checkpoints of another run; use --resume or another folder")

    def pretrain(self) -> Ann:
        torch.manual_seed(self.recipe.seed)
        ann = Ann(Layers(ARCHITECTURES[self.recipe.arch]), self.recipe.dropout)
        optimiser = torch.optim.Adam(ann.parameters(), lr=self.recipe.ann_lr)
        self._train("ann", ann, optimiser, self.recipe.ann_epochs, ann)
        return ann

    def finetune(self, ann: Ann) -> Snn:
        recipe = self.recipe
        torch.manual_seed(recipe.seed)
        snn = Snn(ann.layers, recipe.dropout)
        images = _as_tensor(self.dataset.train.images[: recipe.calibration_images])
        balance_thresholds(snn, images, recipe.percentile, recipe.scale, recipe.calibration_steps)
        optimiser = torch.optim.Adam(snn.parameters(), lr=recipe.snn_lr)
        self._train("snn", snn, optimiser, recipe.snn_epochs, lambda x: snn(x, recipe.timesteps), snn)
        return snn

    def _train(
        self, phase: str, model: Ann | Snn, optimiser: torch.optim.Optimizer, epochs: int,
        forward: Callable[[Tensor], Tensor], snn: Snn | None = None,
    ) -> None:  # fmt: skip
        """Train for *epochs* and leave the model in the state that was best on the validation split."""
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
        parts = {"model": model, "optimiser": optimiser, "schedule": schedule}
        done, best, best_state = self._restored(phase, parts)
        for epoch in range(done, epochs):
            loss = self._epoch(phase, epoch, model, optimiser, forward, snn)
            schedule.step()
            model.eval()
            accuracy = _accuracy(forward, self.dataset.validation)
            if accuracy > best:
                best, best_state = accuracy, {k: v.clone() for k, v in model.state_dict().items()}
            line = self._line(phase, epoch, epochs, loss, accuracy, snn)
            self.lines.append(line)
            self._keep(phase, parts, epoch + 1, best, best_state)
            self.say(line)
        model.load_state_dict(best_state)
        model.eval()

    def _epoch(
        self, phase: str, epoch: int, model: Ann | Snn, optimiser: torch.optim.Optimizer,
        forward: Callable[[Tensor], Tensor], snn: Snn | None,
    ) -> float:  # fmt: skip
        # Seeded by epoch, so that a resumed run draws what an uninterrupted one would have drawn.
        torch.manual_seed(self.recipe.seed * 1_000_003 + epoch + (500_000 if phase == "snn" else 0))
        model.train()
        total = 0.0
        for images, labels in _batches(self.dataset.train, self.recipe.batch):
            loss = F.cross_entropy(forward(shifted(images)), labels)
            if not torch.isfinite(loss):
                where = f"training: the loss of {phase} epoch {epoch} is not finite"
                raise NeurosimError(f"{where}; {_sick(model.layers)}; use a lower learning rate")
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if snn is not None:
                snn.clamp()
            total += loss.item() * len(labels)
        return total / len(self.dataset.train.labels)

    def _line(self, phase: str, epoch: int, epochs: int, loss: float, accuracy: float, snn: Snn | None) -> dict[str, Any]:
        line: dict[str, Any] = {
            "phase": phase, "epoch": epoch + 1, "of": epochs, "loss": loss, "validation_accuracy": accuracy
        }
        if snn is not None:
            rates = spike_rates(snn, self.dataset.validation, self.recipe.timesteps)
            line |= {
                "spikes_per_neuron": rates, "leaks": [x.item() for x in snn.leaks],
                "thresholds": [x.item() for x in snn.thresholds],
                "silent": [s.name for s, r in zip(snn.layers.steps, rates, strict=False) if r < SILENT],
            }  # fmt: skip
        return line

    def _restored(self, phase: str, parts: dict[str, Any]) -> tuple[int, float, dict[str, Tensor]]:
        path = None if self.folder is None else self.folder / f"{phase}.pt"
        if path is None or not self.resume or not path.exists():
            return 0, -1.0, {}
        try:
            saved = torch.load(path, weights_only=True)
            recipe, self.lines = saved["recipe"], saved["lines"]
        except Exception as error:
            raise NeurosimError(f"{path}: is not a checkpoint of this program: {error}") from error
        if recipe != asdict(self.recipe):
            raise NeurosimError(f"{path}: belongs to another recipe; train without --resume or in another folder")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        return saved["done"], saved["best"], saved["best_state"]

    def _keep(self, phase: str, parts: dict[str, Any], done: int, best: float, best_state: dict[str, Tensor]) -> None:
        if self.folder is None:
            return
        saved = {name: part.state_dict() for name, part in parts.items()}
        saved |= {"recipe": asdict(self.recipe), "done": done, "best": best, "best_state": best_state, "lines": self.lines}
        with replacing(self.folder / f"{phase}.pt") as temporary:
            torch.save(saved, temporary)
        with replacing(self.folder / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")


def _sick(layers: Layers) -> str:
    """The first layer whose weights are not finite."""
    sick = [s.name for s, w in zip(layers.steps, layers.weights, strict=True) if not torch.isfinite(w).all()]
    return f"layer {sick[0]!r} has weights that are not finite" if sick else "all weights are finite, the currents overflow"


def _as_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 255


def _batches(split: Split, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(split.labels)).numpy()
    for first in range(0, len(order), size):
        pick = order[first : first + size]
        yield _as_tensor(split.images[pick]), torch.from_numpy(split.labels[pick])


def shifted(images: Tensor, pixels: int = 2, degrees: float = 10.0) -> Tensor:
    """Each image [B, C, H, W] turned by up to *degrees* and shifted by up to *pixels*."""
    angle = (torch.rand(len(images)) * 2 - 1) * torch.pi * degrees / 180
    move = (torch.rand(len(images), 2) * 2 - 1) * 2 * pixels / images.shape[-1]
    rows = [torch.stack([angle.cos(), -angle.sin(), move[:, 0]], 1), torch.stack([angle.sin(), angle.cos(), move[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


@torch.no_grad()
def _accuracy(forward: Callable[[Tensor], Tensor], split: Split) -> float:
    right = 0
    for first in range(0, len(split.labels), EVALUATION_BATCH):
        images = _as_tensor(split.images[first : first + EVALUATION_BATCH])
        right += int((forward(images).argmax(1).numpy() == split.labels[first : first + EVALUATION_BATCH]).sum())
    return right / len(split.labels)


@torch.no_grad()
def spike_rates(snn: Snn, split: Split, timesteps: int) -> list[float]:
    """Mean spikes per neuron of each spiking layer over all steps."""
    spikes, neurons = torch.zeros(len(snn.leaks)), []
    x = _as_tensor(split.images[:1])
    for index in range(len(snn.leaks)):
        x = snn.layers.current(index, x)
        neurons.append(x[0].numel())
    for first in range(0, len(split.labels), EVALUATION_BATCH):
        counts: list[Tensor] = []
        snn(_as_tensor(split.images[first : first + EVALUATION_BATCH]), timesteps, counts)
        spikes += torch.stack([c.sum() for c in counts])
    return [float(s) / n / len(split.labels) for s, n in zip(spikes, neurons, strict=True)]


def _export(recipe: Recipe, dataset: Dataset, ann_accuracy: float, snn: Snn, output: Path) -> dict[str, Any]:
    """Write the network; the test set is used here, once."""
    name = f"{recipe.arch}_t{recipe.timesteps}"
    network = quantize(float_network(snn, name, recipe.timesteps, {"dataset": dataset.name}), recipe.bits)
    accuracy, rate = integer_behaviour(network, dataset.test)
    report: dict[str, Any] = {
        "ann_accuracy": ann_accuracy,
        "snn_float_accuracy": _accuracy(lambda x: snn(x, recipe.timesteps), dataset.test),
        "snn_int_accuracy": accuracy,
        "spikes_per_neuron": rate,
        "leaks": [x.item() for x in snn.leaks],
        "thresholds": [x.item() for x in snn.thresholds],
        "weights": network.synapses,
    }
    about = {"method": "DIET-SNN", "recipe": asdict(recipe), "report": report, "torch": torch.__version__}
    network = described(network, accuracy_reference=report["snn_int_accuracy"], **about)
    golden = dataset.test.images[:GOLDEN_SAMPLES], dataset.test.labels[:GOLDEN_SAMPLES]
    with_golden(network, *golden, recipe.seed).save(str(output))
    return report


def integer_behaviour(network: Network, split: Split) -> tuple[float, float]:
    """(accuracy, mean spikes per neuron over all steps) of an integer network, by the PyTorch reference."""
    recorded = record(network, split.images, potentials=False)
    outputs = recorded[network.output.name].potentials
    assert outputs is not None
    spikes = sum(int(r.spikes.sum()) for r in recorded.values() if r.spikes is not None)
    neurons = sum(layer.neurons for layer in network.layers if layer.spiking)
    return float((outputs[:, -1].argmax(1) == split.labels).mean()), spikes / neurons / len(split.labels)


def save_test_inputs(dataset: Dataset, count: int, path: Path) -> None:
    """Write the first *count* test images as an inputs file."""
    test = dataset.test
    Inputs(test.images[:count], test.labels[:count], name=f"{dataset.name} test images").save(str(path))
