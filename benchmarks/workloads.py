"""The networks and inputs that are measured; random numbers with fixed seeds."""

from __future__ import annotations

from functools import cache

import numpy as np

import neurosim as ns
from benchmarks.calibration import calibrated
from neurosim.network.layers import Layer

RATE = 0.07  # spikes per neuron and step, as in trained DIET-SNN networks
LEAK = (243, 8)  # 0.95
VGG9 = ((64, None), (128, "sum2"), (256, None), (256, "sum2"), (512, None), (512, "sum2"), (512, "sum2"))
HIDDEN = 4096
CLASSES = 10


def images(count: int, seed: int = 1) -> ns.Inputs:
    """Noise of 3 x 32 x 32 normalised pixels, int8."""
    return ns.Inputs(np.random.default_rng(seed).integers(-128, 128, (count, 3, 32, 32)).astype(np.int8))


@cache
def vgg9() -> ns.Network:
    """VGG9 for 32x32 images: 64 A 128 256 A 256 512 A 512 A 512, FC 4096-4096-10; int8, 5 steps, direct input, sum pooling."""
    rng = np.random.default_rng(0)
    layers: list[Layer] = []
    before = 3
    for index, (channels, pool) in enumerate(VGG9):
        weight = int8(rng, (channels, before, 3, 3))
        layers.append(ns.Conv(f"conv{index + 1}", weight, leak=LEAK, padding=1, pool=pool))
        before = channels
    before *= 2 * 2
    for index in range(2):
        layers.append(ns.Dense(f"fc{index + 1}", int8(rng, (HIDDEN, before)), leak=LEAK))
        before = HIDDEN
    layers.append(ns.Output("out", int8(rng, (CLASSES, before))))
    return calibrated("vgg9", layers, images(1, seed=2), RATE, timesteps=5, input_shape=(3, 32, 32), encoding="direct")


def int8(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of a normal distribution, clipped to int8, as quantisation to 8 bits leaves them."""
    return np.clip(np.rint(rng.normal(0, 32, shape)), -127, 127).astype(np.int8)


def spike_inputs(count: int, steps: int, neurons: int, rate: float, seed: int = 1) -> ns.Inputs:
    """Independent spikes [count, steps, neurons, 1, 1]."""
    return ns.Inputs.from_spikes(np.random.default_rng(seed).random((count, steps, neurons, 1, 1)) < rate)
