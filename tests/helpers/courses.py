"""Short courses of training; imported where PyTorch is."""

import dataclasses

import numpy as np
import torch

from neurosim.training.architecture import architecture
from neurosim.training.checkpoint import Checkpoints
from neurosim.training.datasets import load_mnist
from neurosim.training.recipe import PUBLISHED, Recipe
from neurosim.training.trainer import Trainer
from neurosim.training.weights import Weights

QUICK = Recipe(
    arch="mnist_vgg", width=0.125, hidden=(5,), timesteps=3, ann_epochs=2, snn_epochs=2, batch=50, calibration_steps=4,
    calibration_images=40, validation=60, **PUBLISHED,
)  # fmt: skip
# With all that is on by default.
FULL = dataclasses.replace(Recipe(**{k: v for k, v in vars(QUICK).items() if k not in PUBLISHED}), ann_lr=0.05)


def tiny(pool="avg", name="mnist_vgg", **options):
    torch.manual_seed(0)
    return Weights(architecture(name, (1, 28, 28), 10, width=0.125, pool=pool, **options))


def bars(images=260, test=40):
    """Pictures of bars whose height is the label, as an MNIST file would hold them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, images + test).astype(np.uint8)
    data = (rng.random((images + test, 28, 28)) * 60).astype(np.uint8)
    for i, label in enumerate(labels):
        data[i, 2 * label : 2 * label + 4, 4:24] = 220
    return {"x_train": data[:images], "y_train": labels[:images], "x_test": data[images:], "y_test": labels[images:]}


def normalised(name="mnist_vgg", norms=True, **options):
    """Weights with batch normalisation, unless it is left out."""
    torch.manual_seed(0)
    return Weights(architecture(name, (1, 28, 28), 10, width=0.125, **options), norms)


def trainer(data, recipe):
    return Trainer(recipe, load_mnist(data, 0, 60), Checkpoints(None, {}), lambda line: None)


def untimed(line):
    return {k: v for k, v in line.items() if k != "seconds"}
