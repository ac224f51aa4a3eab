"""From a trained spiking network to a network file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.inputs import pixels
from neurosim.layers import INPUT, Conv, Dense, Layer, Output
from neurosim.network import Golden, Network
from neurosim.training.neurons import Snn
from neurosim.training.reference import record, respond

# The average over a 2x2 window is a sum of spikes times 1/4; a power of two, so folding it into the weights is exact.
AVERAGE = 0.25
PROBE_DENSITY = 0.5


def float_network(snn: Snn, name: str, timesteps: int, about: dict[str, Any]) -> Network:
    """The float32 network of a trained SNN, average pools folded into the weights."""
    architecture = snn.layers.architecture
    layers: list[Layer] = []
    for index, step in enumerate(snn.layers.steps):
        weight = snn.layers.weights[index].detach().numpy() * np.float32(AVERAGE if step.pooled else 1)
        pool = "sum2" if step.pooled else None
        if step.kind == "output":
            layers.append(Output(step.name, weight, pool=pool))  # type: ignore[arg-type]
            continue
        neuron: dict[str, Any] = {"threshold": snn.thresholds[index].item(), "leak": snn.leaks[index].item(), "pool": pool}
        made = Conv(step.name, weight, padding=1, **neuron) if step.kind == "conv" else Dense(step.name, weight, **neuron)
        layers.append(made)
    return Network.build(name, timesteps=timesteps, input_shape=architecture.input_shape, layers=layers, about=about)


def with_golden(network: Network, images: np.ndarray, labels: np.ndarray | None, seed: int = 0) -> Network:
    """The integer *network* with its reference behaviour on *images*, and on probes that exercise every synapse."""
    taken = images if network.input.encoding == "spikes" else pixels(network, images).reshape(images.shape)
    stimuli = {layer.name: _stimuli(network, layer, np.random.default_rng(seed)) for layer in network.layers}
    probes = {}
    for layer in network.layers:
        driven = {s: _as_taken(network, d) if d.ndim == 4 else d for s, d in stimuli[layer.name].items()}
        probes[layer.name] = respond(network, layer, driven)
    return network.with_golden(Golden(images, labels, record(network, taken), stimuli, probes))


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
