"""Everything that decides the result of a training run."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch

from neurosim.errors import NeurosimError
from neurosim.training.architecture import NAMES, Pool
from neurosim.training.neurons import BOXCAR, TRIANGLE

DIET, DATTA = "diet", "datta"
METHODS = {DIET: "DIET-SNN (Rathi & Roy)", DATTA: "Datta & Beerel (DATE 2022)"}
PRECISIONS = ("fp32", "bf16")
QUANTISED = 0.25
# What the papers train with, and what this program trained with before it had these options.
PUBLISHED: dict[str, Any] = {
    "ann_lr": 0.05, "batch_norm": False, "qcfs_epochs": 0, "levels": 4, "label_smoothing": 0.0, "crop": True, "flip": True,
    "cutout": 0, "step_loss": 0.0, "distillation": 0.0, "spike_cost": 0.0, "averaging": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """A training run; every field is an option of `neurosim train`. Besides it the data and the weights to start from decide.

    *stages*: larger T to fine-tune at before *timesteps*. *percentile*, *scale*, *calibration_steps*,
    *calibration_images*: threshold balancing of DIET-SNN (for Datta & Beerel only the images matter). *neuron_lr*: of
    leaks and thresholds. *validation*: training images held out. *image_size*: side of the images of a
    folder. *train_threshold*, *train_leak*: False leaves what the conversion found.

    *batch_norm*: behind every layer but the output in pre-training, folded into weights and biases by the conversion.
    *qcfs_epochs*: the last epochs of pre-training, with activations of *levels* steps up to a trained bound per layer
    (`neurons.Qcfs`), from which thresholds follow; None is a quarter of them, none for Datta & Beerel. *label_smoothing*: in
    both trainings. *crop*, *flip*, *cutout*: augmentation of colour images, *cutout* the side of the square that is blanked.
    *step_loss*: share of the loss that every single time step has to answer for (Deng et al. 2022). *distillation*: share of
    the loss that the pre-trained network's answers are the target of. *spike_cost*: what the loss of fine-tuning grows by for
    each spike per neuron, the mean over all neurons and the sum over all steps. *averaging*: decay per update of the moving
    average of the weights that is kept; 0 keeps the last ones.
    """

    method: str = DIET
    arch: str = "mnist_vgg"
    width: float = 1.0
    hidden: tuple[int, ...] | None = None
    pool: Pool | None = None
    timesteps: int = 5
    stages: tuple[int, ...] = ()
    bits: int = 8
    seed: int = 0
    validation: int | None = None
    image_size: int = 224
    ann_epochs: int = 20
    snn_epochs: int = 15
    batch: int = 128
    ann_lr: float = 0.1
    snn_lr: float = 5e-4
    neuron_lr: float = 5e-4
    weight_decay: float = 5e-4
    dropout: float = 0.1
    dense_dropout: float = 0.3
    percentile: float = 99.7
    scale: float = 0.6
    calibration_steps: int = 100
    calibration_images: int = 512
    train_threshold: bool = True
    train_leak: bool = True
    batch_norm: bool = True
    qcfs_epochs: int | None = None
    levels: int = 4
    label_smoothing: float = 0.1
    crop: bool = True
    flip: bool = True
    cutout: int = 8
    step_loss: float = 0.5
    distillation: float = 0.5
    spike_cost: float = 0.0
    averaging: float = 0.995
    precision: str = "fp32"
    device: str = "cpu"

    @property
    def all_stages(self) -> tuple[int, ...]:
        return (*self.stages, self.timesteps)

    @property
    def pooling(self) -> Pool:
        """Average pools for DIET-SNN, maximum pools for Datta & Beerel, unless chosen."""
        return self.pool or ("avg" if self.method == DIET else "max")

    @property
    def quantised_epochs(self) -> int:
        """The last epochs of pre-training, in which activations are staircases."""
        if self.qcfs_epochs is not None:
            return self.qcfs_epochs
        return 0 if self.method == DATTA else math.ceil(self.ann_epochs * QUANTISED)

    @property
    def step_levels(self) -> int:
        """Levels of the activations that pre-training ends with; 0: they are never staircases."""
        return 0 if self.qcfs_epochs == 0 or self.method == DATTA else self.levels

    @property
    def surrogate(self) -> str:
        return TRIANGLE if self.method == DIET else BOXCAR

    @property
    def dropouts(self) -> tuple[float, float]:
        """After convolutions, after dense layers."""
        return self.dropout, self.dense_dropout

    def to_dict(self) -> dict[str, Any]:
        """As JSON and checkpoints hold it."""
        values = dataclasses.asdict(self)
        return values | {"stages": list(self.stages), "hidden": None if self.hidden is None else list(self.hidden)}


def check_recipe(recipe: Recipe) -> None:
    """Raise NeurosimError with every problem of *recipe*."""
    problems = [
        f"{name} is {value}; at least {least}" for name, least in LEAST.items() if (value := getattr(recipe, name)) < least
    ]
    if any(later >= earlier for earlier, later in itertools.pairwise(recipe.all_stages)):
        problems.append(f"T goes {', '.join(map(str, recipe.all_stages))}; stages must fall, down to timesteps")
    if recipe.seed >= 2**32:
        problems.append(f"seed is {recipe.seed}; below 2^32")
    if recipe.validation is not None and recipe.validation < 1:
        problems.append(f"validation is {recipe.validation}; at least 1 image must be held out")
    problems += [
        f"{name} is {value}; a finite number above 0" for name in ("ann_lr", "snn_lr", "scale")
        if not (math.isfinite(value := getattr(recipe, name)) and value > 0)
    ]  # fmt: skip
    problems += [
        f"{name} is {value}; a finite number of at least 0" for name in ("neuron_lr", "weight_decay", "spike_cost")
        if not (math.isfinite(value := getattr(recipe, name)) and value >= 0)
    ]  # fmt: skip
    problems += [
        f"{name} is {value}; it must lie in 0..1, below 1" for name in BELOW_ONE
        if not 0 <= (value := getattr(recipe, name)) < 1
    ]  # fmt: skip
    problems += [
        f"{name} is {value}; it must lie in 0..1" for name in ("step_loss", "distillation")
        if not 0 <= (value := getattr(recipe, name)) <= 1
    ]  # fmt: skip
    problems += _qcfs_problems(recipe)
    if not 0 < recipe.percentile <= 100:
        problems.append(f"percentile is {recipe.percentile}; it must lie above 0 and be at most 100")
    if not 2 <= recipe.bits <= 16:
        problems.append(f"{recipe.bits} bits per weight; 2 to 16")
    problems += _unknown("method", recipe.method, METHODS) + _unknown("architecture", recipe.arch, NAMES)
    problems += _unknown("precision", recipe.precision, PRECISIONS) + _device_problems(recipe.device)
    if problems:
        raise NeurosimError("training: " + "; ".join(problems))


LEAST = {
    "timesteps": 1, "batch": 1, "ann_epochs": 0, "snn_epochs": 0, "calibration_steps": 1, "calibration_images": 1, "seed": 0,
    "image_size": 8, "levels": 1, "cutout": 0,
}  # fmt: skip
BELOW_ONE = ("dropout", "dense_dropout", "label_smoothing", "averaging")


def _qcfs_problems(recipe: Recipe) -> list[str]:
    epochs = recipe.qcfs_epochs
    if not epochs:
        return []
    if epochs < 0:
        return [f"qcfs_epochs is {epochs}; at least 0"]
    problems = []
    if recipe.method == DATTA:
        problems.append(f"qcfs_epochs is {epochs}, but {DATTA} searches its thresholds; use {DIET}, or 0 such epochs")
    if epochs > recipe.ann_epochs:
        problems.append(f"qcfs_epochs is {epochs} of {recipe.ann_epochs} ann_epochs; take fewer, or train the ANN for longer")
    return problems


def _unknown(what: str, given: str, known: Any) -> list[str]:
    return [] if given in known else [f"{what} {given!r} is unknown; there are: {', '.join(known)}"]


def _device_problems(device: str) -> list[str]:
    """Whether PyTorch can put a tensor there."""
    try:
        float(torch.zeros(1, device=device))
    except Exception as error:
        return [f"device {device!r} cannot be used: {str(error).splitlines()[0][:200]}"]
    return []
