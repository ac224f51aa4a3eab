"""The two methods on one screen: pre-train without spikes, convert, fine-tune through time, export."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.training.ann import Ann
from neurosim.training.architecture import Architecture, architecture
from neurosim.training.checkpoint import read_checkpoint
from neurosim.training.convert import convert
from neurosim.training.datasets import load_dataset
from neurosim.training.measure import measured
from neurosim.training.recipe import DATTA, Recipe, check_recipe
from neurosim.training.snn import Snn
from neurosim.training.trainer import Line, Say, Tick, Trainer, described
from neurosim.training.weights import Weights


def train(
    data: Path,
    output: Path,
    recipe: Recipe,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
    init: Path | None = None,
    checked: bool = True,
    say: Say = lambda line: None,
    tick: Tick = lambda phase, done: None,
) -> dict[str, Any]:
    """Train on *data*, write the integer network with golden samples to *output*, return the report.

    *checkpoints*: a folder for one checkpoint per epoch, from which *resume* goes on. *init*: a checkpoint of the same
    architecture whose weights to start from. *checked*: archives must be the published ones. *say* receives one dict per
    epoch and event, *tick* the phase and the share of it that is done. Raises NeurosimError.
    """
    check_recipe(recipe)
    dataset = load_dataset(data, recipe.seed, recipe.validation, checked)
    plan = architecture(
        recipe.arch, dataset.shape, dataset.classes, width=recipe.width, hidden=recipe.hidden, pool=recipe.pooling
    )
    trainer = Trainer(recipe, dataset, checkpoints, resume, say, tick)
    ann = pretrained(trainer, plan, init)
    snn, found = converted(trainer, ann)
    start = deepcopy(snn)
    network, report = measured(trainer, ann, start, finetuned(trainer, snn), found)
    network.save(str(output))
    return report | {"lines": trainer.lines}


def train_seeds(data: Path, output: Path, recipe: Recipe, seeds: int, **options: Any) -> dict[str, Any]:
    """`train` for *seeds* seeds from that of the recipe on; the network that is best on its validation split is kept.

    Returns the report of that one, with mean and standard deviation (n - 1) of every accuracy over the seeds.
    """
    folder: Path | None = options.pop("checkpoints", None)
    reports: list[dict[str, Any]] = []
    best = -1.0
    for seed in range(recipe.seed, recipe.seed + seeds):
        mine = folder / f"seed{seed}" if folder and seeds > 1 else folder
        with replacing(output) as temporary:
            report = train(data, temporary, replace(recipe, seed=seed), checkpoints=mine, **options)
            if report["validation_accuracy"] <= best:
                shutil.copyfile(output, temporary)
        reports.append(report | {"seed": seed})
        best = max(best, report["validation_accuracy"])
    kept = max(reports, key=lambda r: r["validation_accuracy"])
    return kept | {"seeds": {"count": seeds, "of": [r["seed"] for r in reports]} | _spread(reports)}


def _spread(reports: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each accuracy."""
    found = {}
    for key in ("ann_accuracy", "converted_accuracy", "snn_float_accuracy", "snn_int_accuracy"):
        values = np.array([r[key] for r in reports])
        found[key] = {"mean": float(values.mean()), "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0}
    return found


def pretrained(trainer: Trainer, plan: Architecture, init: Path | None) -> Ann:
    """The network without spikes, trained."""
    recipe = trainer.recipe
    torch.manual_seed(recipe.seed)
    ann = Ann(Weights(plan), recipe.dropouts, clipped=recipe.method == DATTA)
    if init is not None:
        adopt(ann.weights, init)
    ann = ann.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        ann.parameters(), lr=recipe.ann_lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    trainer.train("ann", ann, optimiser, recipe.ann_epochs)
    return ann


def converted(trainer: Trainer, ann: Ann) -> tuple[Snn, dict[str, Any]]:
    """The spiking network before fine-tuning, and what its conversion found for each layer."""
    recipe = trainer.recipe
    train = trainer.dataset.train
    images = trainer.pixels(train.images[: recipe.calibration_images])
    snn, found = convert(ann, images, recipe)
    timesteps = recipe.all_stages[0]
    line: Line = {"phase": "convert", "timesteps": timesteps}
    trainer.event(line | described(snn, trainer.behaviour(snn, timesteps)))
    return snn, found


def finetuned(trainer: Trainer, snn: Snn) -> Snn:
    """Weights, leaks and thresholds trained through time, from the largest T to the last."""
    recipe = trainer.recipe
    snn.thresholds.requires_grad_(recipe.train_threshold)
    snn.leaks.requires_grad_(recipe.train_leak)
    for timesteps in recipe.all_stages:
        neurons = [p for p in (*snn.thresholds.values(), *snn.leaks.values()) if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": list(snn.weights.parameters()), "lr": recipe.snn_lr}]
        groups += [{"params": neurons, "lr": recipe.neuron_lr}] if neurons else []
        optimiser = torch.optim.Adam(groups, amsgrad=True)
        trainer.train(f"snn_t{timesteps}", snn, optimiser, recipe.snn_epochs, timesteps)
    return snn


def adopt(weights: Weights, path: Path) -> None:
    """Take the weights of a checkpoint of the same architecture; the output layer is left out where the classes differ."""
    saved = read_checkpoint(path).get("best_state")
    if not isinstance(saved, dict):
        raise NeurosimError(f"{path}: is not a checkpoint of this program: it holds no 'best_state'")
    prefix = "weights.of."
    given = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
    needed = {name: tuple(w.shape) for name, w in weights.of.items()}
    output = weights.architecture.steps[-1].name
    if output in given and given[output].shape[0] != needed[output][0]:
        del given[output], needed[output]
    problems = [f"{name} is missing" for name in needed if name not in given]
    problems += [f"{name} is not part of {weights.architecture.name}" for name in given if name not in needed]
    problems += [
        f"{name} is {list(given[name].shape)}, needed {list(shape)}"
        for name, shape in needed.items() if name in given and tuple(given[name].shape) != shape
    ]  # fmt: skip
    if problems:
        raise NeurosimError(f"{path}: holds other weights: " + "; ".join(problems))
    with torch.no_grad():
        for name in needed:
            weights.of[name].copy_(given[name])
