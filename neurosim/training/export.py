"""From a trained spiking network to a network file."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.network.golden import Golden
from neurosim.network.inputs import pixels
from neurosim.network.layers import INPUT, Conv, Dense, Layer, Output, Pooling, Shortcut
from neurosim.network.network import Network
from neurosim.network.quantize import PIXEL_MAX
from neurosim.training.architecture import Skip, Step
from neurosim.training.datasets import Dataset
from neurosim.training.reference import record, respond
from neurosim.training.snn import Snn
from neurosim.training.weights import SKIP

# The average over a 2x2 window is a sum of spikes times 1/4; a power of two, so folding it into the weights is exact.
AVERAGE = 0.25
POOLS: dict[str | None, Pooling] = {None: None, "avg": "sum2", "max": "max2"}
PROBE_DENSITY = 0.5
# Potentials of hidden layers are recorded up to this many; probes hold those of every layer in any case.
RECORDED = 2_000_000


def float_network(snn: Snn, name: str, timesteps: int, dataset: Dataset, about: dict[str, Any]) -> Network:
    """The float32 network of a trained SNN. Average pools and the amplitude of a layer's spikes are folded into the weights
    of its readers, so that spikes are bits; the weights are rounded to half precision, which halves their files."""
    return Network.build(
        name, timesteps=timesteps, input_shape=dataset.shape, mean=dataset.mean, std=dataset.std,
        layers=[_layer(snn, step) for step in snn.weights.architecture.steps], about=about,
    )  # fmt: skip


@torch.no_grad()
def in_half_precision(snn: Snn) -> Snn:
    """The network with weights that `float_network` keeps as they are, so that what is measured is what is written."""
    snn = deepcopy(snn)
    for step in snn.weights.architecture.steps:
        for name, reader in ((step.name, step), (step.name + SKIP, step.skip)):
            if reader is not None and name in snn.weights.of:
                weight, factor = snn.weights.of[name], float(_folded(snn, reader))
                weight.copy_((weight * factor).half().float() / factor)
    return snn


def _layer(snn: Snn, step: Step) -> Layer:
    weight, pool = _array(snn.weights.of[step.name], _folded(snn, step)), POOLS[step.pool]
    biases = snn.weights.biases
    bias = biases[step.name].detach().cpu().numpy() if step.name in biases else None
    if step.kind == "output":
        return Output(step.name, weight, pool=pool, inputs=[step.source], bias=bias)
    neuron: dict[str, Any] = {"threshold": snn.thresholds[step.name].item(), "leak": snn.leaks[step.name].item()}
    neuron |= {"pool": pool, "inputs": [step.source], "bias": bias}
    if snn.start:
        neuron["initial"] = snn.start * neuron["threshold"]
    if step.kind == "dense":
        return Dense(step.name, weight, **neuron)
    shortcuts = [] if step.skip is None else [_shortcut(snn, step, step.skip)]
    return Conv(step.name, weight, stride=step.stride, padding=1, shortcuts=shortcuts, **neuron)


def _shortcut(snn: Snn, step: Step, skip: Skip) -> Shortcut:
    factor, pool = _folded(snn, skip), POOLS[skip.pool]
    if skip.weight_shape is None:
        return Shortcut(skip.source, scale=float(factor), pool=pool)
    return Shortcut(skip.source, _array(snn.weights.of[step.name + SKIP], factor), stride=skip.stride, pool=pool)


def _folded(snn: Snn, reader: Step | Skip) -> np.float32:
    """What a reader's weights are multiplied by."""
    amplitude = snn.amplitude(reader.source)
    return np.float32(amplitude.item() if isinstance(amplitude, Tensor) else amplitude) * np.float32(
        AVERAGE if reader.pool == "avg" else 1
    )


def _array(weight: Tensor, factor: np.float32) -> np.ndarray:
    folded = weight.detach().cpu().contiguous().numpy() * factor
    return folded.astype(np.float16).astype(np.float32)


def with_golden(
    network: Network, images: np.ndarray, labels: np.ndarray | None, seed: int = 0, answers: bool = False
) -> Network:
    """The integer *network* with its reference behaviour on *images* (as it takes them, or the floats that its float twin
    takes) or spikes, and on probes that exercise every synapse; *answers*: and with what it answers, in its own integers."""
    if images.dtype.kind == "f":
        images = _levels(images)
    given, network = network, network.over(images.shape[1])
    taken = images if network.input.encoding == "spikes" else pixels(network, images).reshape(images.shape)
    stimuli = {layer.name: _stimuli(network, layer, np.random.default_rng(seed)) for layer in network.layers}
    probes = {}
    for layer in network.layers:
        driven = {s: _as_taken(network, d) if d.ndim == 4 else d for s, d in stimuli[layer.name].items()}
        probes[layer.name] = respond(network, layer, driven)
    values = len(images) * network.timesteps * sum(layer.neurons for layer in network.layers)
    samples = record(network, taken, values <= RECORDED)
    answered = samples[network.output.name].decoded(network.decoding) if answers else None
    scores = None if answered is None else answered.astype(np.float32)
    return given.with_golden(Golden(images, labels, samples, stimuli, probes, scores))


def _levels(images: np.ndarray) -> np.ndarray:
    """Floats on the grid of an integer network's pixels, on which 1.0 is 255."""
    levels = np.rint(images.astype(np.float64) * PIXEL_MAX)
    return levels.astype(np.uint8 if levels.min() >= 0 and levels.max() <= PIXEL_MAX else np.int32)


def _stimuli(network: Network, layer: Layer, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Per source an image without a dark pixel, or random spikes after a first step in which every input fires."""
    found: dict[str, np.ndarray] = {}
    for source in dict.fromkeys(layer.sources):
        shape = network.shape_of(source)
        if source == INPUT and network.input.encoding == "direct":
            found[source] = rng.integers(1, 256, (1, *shape)).astype(np.uint8)
            continue
        spikes = rng.random((1, network.timesteps, int(np.prod(shape)))) < PROBE_DENSITY
        spikes[:, 0] = True
        found[source] = spikes
    return found


def _as_taken(network: Network, images: np.ndarray) -> np.ndarray:
    return pixels(network, images).reshape(images.shape)


def described(network: Network, **facts: Any) -> Network:
    """The network and its float twin with more facts about their origin."""
    twin = network.float_twin
    about = network.about | facts
    return replace(network, about=about, float_twin=None if twin is None else replace(twin, about=about))
