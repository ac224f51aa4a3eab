"""Thresholds that make a random network fire like a trained one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import neurosim as ns
from neurosim.network.layers import Layer

NEVER = 2**31 - 1
HALVINGS = 24


def calibrated(name: str, layers: Sequence[Layer], inputs: ns.Inputs, rate: float, **spec: Any) -> ns.Network:
    """The integer network of *layers*, thresholds set so that each fires *rate* spikes per neuron and step on *inputs*.

    Layers follow each other; their own thresholds are ignored. *spec*: timesteps, input_shape and encoding for `Network.build`.
    """
    done: list[Layer] = []
    seen, alone = inputs, dict(spec)
    for layer in layers[:-1]:
        silent = _run(replace(layer, threshold=NEVER), seen, alone, record_potentials=True)
        currents = _currents(silent.potentials(layer.name), silent.network.layers[0])
        done.append(replace(layer, threshold=_threshold(currents, silent.network.layers[0], rate)))
        fired = _run(done[-1], seen, alone)
        shape = fired.network.layers[0].shape
        seen = ns.Inputs.from_spikes(fired.spikes(layer.name).reshape(len(inputs), spec["timesteps"], *shape))
        alone = alone | {"input_shape": shape, "encoding": "spikes"}
    return ns.Network.build(name, layers=[*done, layers[-1]], **spec)


def _run(layer: Layer, inputs: ns.Inputs, spec: dict[str, Any], **options: Any) -> ns.SpikeTrace:
    """*layer* alone, closed by an output that nothing reads."""
    probe = ns.Network.build("probe", layers=[layer, _nothing(layer, spec)], **spec)
    return ns.simulate(probe, inputs, **options)


def _nothing(layer: Layer, spec: dict[str, Any]) -> ns.Output:
    _, h, w = spec["input_shape"]
    pool = 2 if layer.pool else 1
    sites = (h // pool) * (w // pool) if layer.kind == "conv" else 1  # every convolution here keeps the size of its map
    return ns.Output("nothing", np.zeros((1, layer.weight.shape[0] * sites), np.int8))


def _currents(potentials: np.ndarray, layer: Layer) -> np.ndarray:
    """[T, N, neurons], the input of each step, from potentials [N, T, neurons] of a layer that never fired."""
    u = potentials.astype(np.int64).swapaxes(0, 1)
    before = np.concatenate([np.zeros_like(u[:1]), u[:-1]])
    return u - leaked(before, layer)


def leaked(u: np.ndarray, layer: Layer) -> np.ndarray:
    """One step of the leak of an integer *layer*."""
    k, m = layer.leak or (1, 0)  # type: ignore[misc]
    return (k * u) >> m


def _threshold(currents: np.ndarray, layer: Layer, rate: float) -> int:
    """Bisection on the threshold of `rate_at`."""
    low, high = 1, int(np.abs(currents).sum(0).max()) + 1
    for _ in range(HALVINGS):
        middle = (low + high) // 2
        low, high = (middle, high) if rate_at(middle, currents, layer) > rate else (low, middle)
    return high


def rate_at(threshold: int, currents: np.ndarray, layer: Layer) -> float:
    """Spikes per neuron and step that *currents* [T, ...] cause at *threshold*."""
    u = np.zeros_like(currents[0])
    fired = 0
    for current in currents:
        u = leaked(u, layer) + current
        spikes = u > threshold
        u -= threshold * spikes
        fired += np.count_nonzero(spikes)
    return fired / currents.size
