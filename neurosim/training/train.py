"""The two methods on one screen: pre-train without spikes, convert, fine-tune through time, export."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurosim.network.network import Network
from neurosim.training.adopt import adopt
from neurosim.training.ann import Ann
from neurosim.training.architecture import Architecture, architecture
from neurosim.training.checkpoint import Checkpoints, file_hash, fingerprint
from neurosim.training.convert import convert
from neurosim.training.datasets import load_dataset
from neurosim.training.measure import measured
from neurosim.training.recipe import DATTA, Recipe, check_recipe
from neurosim.training.snn import Snn
from neurosim.training.trainer import Line, Say, Tick, Trainer, described
from neurosim.training.weights import Weights


@dataclass(frozen=True)
class DataSource:
    """Where the images come from, and the weights to start from (a checkpoint of the same architecture)."""

    data: Path
    init: Path | None = None
    checked: bool = True


def train(
    source: DataSource,
    output: Path,
    recipe: Recipe,
    *,
    seeds: int = 1,
    checkpoints: Path | None = None,
    resume: bool = False,
    say: Say = lambda line: None,
    tick: Tick = lambda phase, done: None,
) -> dict[str, Any]:
    """Train for *seeds* seeds from that of the recipe on; write the integer network that is best on its validation split, with
    golden samples, to *output*.

    *checkpoints*: a folder that keeps the state after every epoch (with several seeds, one in it for each), from which
    *resume* goes on. *say* receives one dict per epoch and event, *tick* the phase and the share of it that is done.
    Returns the report of the network, its `lines`, and under `seeds` mean and standard deviation (n - 1) of every
    accuracy. Raises NeurosimError.
    """
    check_recipe(recipe)
    reports: list[dict[str, Any]] = []
    for seed in range(recipe.seed, recipe.seed + seeds):
        several = seeds > 1
        folder = checkpoints / f"seed{seed}" if checkpoints and several else checkpoints

        def ticked(phase: str, done: float, name: str = f"seed {seed}, " if several else "") -> None:
            tick(name + phase, done)

        network, report = trained(source, replace(recipe, seed=seed), folder, resume, say, ticked)
        if all(report["validation_accuracy"] > r["validation_accuracy"] for r in reports):
            network.save(str(output))
        reports.append(report | {"seed": seed})
    kept = max(reports, key=lambda r: r["validation_accuracy"])
    return kept | {"network": str(output), "seeds": {"count": seeds, "kept": kept["seed"]} | _spread(reports)}


def trained(
    source: DataSource, recipe: Recipe, folder: Path | None, resume: bool, say: Say, tick: Tick
) -> tuple[Network, dict[str, Any]]:
    """(integer network with golden samples, report) of one seed."""
    dataset = load_dataset(source.data, recipe.seed, recipe.validation, source.checked, recipe.image_size)
    plan = architecture(
        recipe.arch, dataset.shape, dataset.classes, width=recipe.width, hidden=recipe.hidden, pool=recipe.pooling
    )
    identity = recipe.to_dict() | {"data": fingerprint(dataset), "init": source.init and file_hash(source.init)}
    trainer = Trainer(recipe, dataset, Checkpoints.opened(folder, identity, resume), say, tick)
    torch.backends.cudnn.allow_tf32 = recipe.precision != "fp32"
    say(_heading(trainer, plan))
    ann = pretrained(trainer, plan, source.init)
    snn, found = converted(trainer, ann)
    start = deepcopy(snn)
    network, report = measured(trainer, ann, start, finetuned(trainer, snn, ann), found)
    return network, report | {"lines": trainer.lines}


def _heading(trainer: Trainer, plan: Architecture) -> Line:
    """What a run says first."""
    recipe, dataset, folder = trainer.recipe, trainer.dataset, trainer.checkpoints.folder
    return {
        "phase": "start", "dataset": dataset.name, "train": len(dataset.train.labels),
        "validation": len(dataset.validation.labels), "test": len(dataset.test.labels), "arch": plan.name,
        "weights": plan.weights, "neurons": sum(math.prod(s.shape) for s in plan.spiking), "stages": list(recipe.all_stages),
        "seed": recipe.seed, "device": recipe.device, "threads": torch.get_num_threads(),
        "checkpoints": sorted(p.stem for p in folder.glob("*.pt")) if folder else [],
    }  # fmt: skip


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
    weights = Weights(plan, normalised=recipe.batch_norm)
    ann = Ann(weights, recipe.dropouts, clipped=recipe.method == DATTA, levels=recipe.step_levels)
    if init is not None:
        adopt(ann, init, ready=not recipe.ann_epochs)
    ann.to(recipe.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    decays = [*ann.weights.of.values(), *ann.clips.values()]
    groups: list[dict[str, Any]] = [{"params": decays}]
    rest = [*ann.weights.norms.parameters(), *ann.bounds.values()]
    groups += [{"params": rest, "weight_decay": 0.0}] if rest else []
    optimiser = torch.optim.SGD(groups, lr=recipe.ann_lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay)
    trainer.train("ann", ann, optimiser, recipe.ann_epochs)
    ann.eval()
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


def finetuned(trainer: Trainer, snn: Snn, ann: Ann) -> Snn:
    """Weights, leaks and thresholds trained through time, from the largest T to the last; *ann* may teach."""
    recipe = trainer.recipe
    snn.thresholds.requires_grad_(recipe.train_threshold)
    snn.leaks.requires_grad_(recipe.train_leak)
    for timesteps in recipe.all_stages:
        neurons = [p for p in (*snn.thresholds.values(), *snn.leaks.values()) if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": list(snn.weights.parameters()), "lr": recipe.snn_lr}]
        groups += [{"params": neurons, "lr": recipe.neuron_lr}] if neurons else []
        optimiser = torch.optim.Adam(groups, amsgrad=True)
        trainer.train(f"snn_t{timesteps}", snn, optimiser, recipe.snn_epochs, timesteps, ann if recipe.distillation else None)
    return snn
