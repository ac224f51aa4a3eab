"""The networks and inputs that are measured; random numbers with fixed seeds."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

import neurosim as ns
from benchmarks.calibration import calibrated
from neurosim.network.layers import Layer

RATE = 0.07  # spikes per neuron and step, as in trained DIET-SNN networks
LEAK = (243, 8)  # 0.95
VGG9 = ((64, None), (128, "sum2"), (256, None), (256, "sum2"), (512, None), (512, "sum2"), (512, "sum2"))
HIDDEN = 4096
CLASSES = 10
STEPS = 20
DENSE_RATE = 0.1
ROOT = Path(__file__).parents[1]


class Shipped(NamedTuple):
    """Names of a network that ships and of images for it, and settings of a mesh45 that holds it."""

    name: str
    test: str
    mesh: tuple[str, ...] = ()

    @property
    def network_file(self) -> Path:
        return ROOT / "models" / f"{self.name}.h5"

    @property
    def inputs_file(self) -> Path:
        return ROOT / "traces" / f"{self.test}.h5"

    def network(self) -> ns.Network:
        return ns.load_network(self.network_file)

    def inputs(self, images: int) -> ns.Inputs:
        return ns.load_inputs(self.inputs_file)[:images]

    def mapping(self) -> ns.Mapping:
        return ns.map_network(self.network(), ns.load_chip("mesh45", self.mesh))


MNIST = Shipped("mnist_vgg_t5", "mnist_test_1000")
RESIDUAL = Shipped("cifar10_resnet20_t5", "cifar10_test_1000", ("mesh.width=32", "mesh.height=32"))
CIFAR = Shipped("cifar10_vgg9_t5", "cifar10_test_1000", ("mesh.width=32", "mesh.height=16"))


def images(count: int, seed: int = 1) -> ns.Inputs:
    """Noise of 3 x 32 x 32 normalised pixels, int8."""
    return ns.Inputs(np.random.default_rng(seed).integers(-128, 128, (count, 3, 32, 32)).astype(np.int8))


@cache
def vgg9(narrower: int = 1) -> ns.Network:
    """VGG9 for 32x32 images: 64 A 128 256 A 256 512 A 512 A 512, FC 4096-4096-10, or so many times narrower; int8, 5 steps,
    direct input, sum pooling."""
    rng = np.random.default_rng(0)
    layers: list[Layer] = []
    before = 3
    for index, (channels, pool) in enumerate(VGG9):
        weight = int8(rng, (channels // narrower, before, 3, 3))
        layers.append(ns.Conv(f"conv{index + 1}", weight, leak=LEAK, padding=1, pool=pool))
        before = channels // narrower
    before *= 2 * 2
    for index in range(2):
        layers.append(ns.Dense(f"fc{index + 1}", int8(rng, (HIDDEN // narrower, before)), leak=LEAK))
        before = HIDDEN // narrower
    layers.append(ns.Output("out", int8(rng, (CLASSES, before))))
    return calibrated("vgg9", layers, images(1, seed=2), RATE, timesteps=5, input_shape=(3, 32, 32), encoding="direct")


@cache
def dense(sizes: tuple[int, ...]) -> ns.Network:
    """Fully connected layers of *sizes*; int8, no leak, fed with spikes of DENSE_RATE, which is that of the hidden layers."""
    rng = np.random.default_rng(0)
    weights = [int8(rng, (b, a)) for a, b in pairwise(sizes)]
    layers: list[Layer] = [ns.Dense(f"fc{i + 1}", w) for i, w in enumerate(weights[:-1])]
    layers.append(ns.Output("out", weights[-1]))
    spec = {"timesteps": STEPS, "input_shape": (sizes[0], 1, 1), "encoding": "spikes"}
    return calibrated("dense", layers, spike_inputs(4, sizes[0], seed=2), DENSE_RATE, **spec)


def int8(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of a normal distribution, clipped to int8, as quantisation to 8 bits leaves them."""
    return np.clip(np.rint(rng.normal(0, 32, shape)), -127, 127).astype(np.int8)


def spike_inputs(count: int, neurons: int, seed: int = 1) -> ns.Inputs:
    """Independent spikes [count, STEPS, neurons, 1, 1]."""
    return ns.Inputs.from_spikes(np.random.default_rng(seed).random((count, STEPS, neurons, 1, 1)) < DENSE_RATE)
