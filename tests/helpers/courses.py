"""Short courses of training; imported where PyTorch is."""

import numpy as np
import torch

from neurosim.training.architecture import architecture
from neurosim.training.recipe import Recipe
from neurosim.training.weights import Weights

QUICK = Recipe(
    arch="mnist_vgg", width=0.125, hidden=(5,), timesteps=3, ann_epochs=2, snn_epochs=2, batch=50, calibration_steps=4,
    calibration_images=40, validation=60,
)  # fmt: skip


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
