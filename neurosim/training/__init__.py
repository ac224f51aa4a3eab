"""From images to a trained spiking network: DIET-SNN in PyTorch. torch is imported in this folder alone."""

from neurosim.training import export, reference
from neurosim.training.datasets import load_mnist
from neurosim.training.diet import Recipe, save_test_inputs, train_diet

__all__ = ["Recipe", "export", "load_mnist", "reference", "save_test_inputs", "train_diet"]
