"""One definition of a network, used with ReLU neurons and with spiking ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POOL = "A"


@dataclass(frozen=True)
class Architecture:
    """A VGG: *features* are output channels of 3x3 convolutions (stride 1, padding 1) and "A" for a 2x2 average pool;
    *hidden* are dense layers; then one neuron per class. No bias, no batch normalisation (DIET-SNN)."""

    name: str
    input_shape: tuple[int, int, int]
    features: tuple[int | str, ...]
    hidden: tuple[int, ...]
    classes: int


MNIST_VGG = Architecture("mnist_vgg", (1, 28, 28), (16, POOL, 32, POOL), (128,), 10)
ARCHITECTURES = {a.name: a for a in (MNIST_VGG,)}


@dataclass(frozen=True)
class Step:
    """One layer of weights: what it is and whether its input is pooled first."""

    name: str
    kind: str
    pooled: bool
    weight_shape: tuple[int, ...]


def steps(architecture: Architecture) -> list[Step]:
    """The layers in order, the output layer last."""
    channels, height, width = architecture.input_shape
    found: list[Step] = []
    pooled = False
    for feature in architecture.features:
        if feature == POOL:
            pooled, height, width = True, height // 2, width // 2
            continue
        found.append(Step(f"conv{len(found) + 1}", "conv", pooled, (int(feature), channels, 3, 3)))
        channels, pooled = int(feature), False
    size = channels * height * width
    for index, neurons in enumerate((*architecture.hidden, architecture.classes)):
        last = index == len(architecture.hidden)
        found.append(Step("out" if last else f"fc{index + 1}", "output" if last else "dense", pooled, (neurons, size)))
        size, pooled = neurons, False
    return found


class Layers(nn.Module):
    """The weights, and the current each layer receives from its input; neurons are added by who uses it."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        self.steps = steps(architecture)
        self.weights = nn.ParameterList([nn.Parameter(_initial(s)) for s in self.steps])

    def current(self, index: int, x: Tensor) -> Tensor:
        """Input current of layer *index*: x [B, C, H, W] or [B, n] -> [B, Cout, H, W] or [B, out]."""
        step, weight = self.steps[index], self.weights[index]
        if step.pooled:
            x = F.avg_pool2d(x, 2)
        if step.kind == "conv":
            return F.conv2d(x, weight, padding=1)
        return F.linear(x.flatten(1), weight)


def _initial(step: Step) -> Tensor:
    """He initialisation over the fan-in."""
    return torch.randn(step.weight_shape) * math.sqrt(2 / math.prod(step.weight_shape[1:]))
