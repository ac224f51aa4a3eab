"""Why a layer of a float network differs from its recording: each suspect is tried, and named only if it explains it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from neurosim.network.layers import Layer
from neurosim.network.network import AT_ONCE, NEXT_STEP, Network

# What a network says of all its layers, what else it could say, and what that means.
RULES: dict[str, dict[Any, tuple[Any, str]]] = {
    "compare": {">": (">=", "neurons fired at '>='"), ">=": (">", "neurons fired at '>'")},
    "reset": {
        "subtract": ("zero", "a spike reset its neuron to zero"),
        "zero": ("subtract", "a spike subtracted the threshold"),
    },
    "dynamics": {
        AT_ONCE: (NEXT_STEP, "a spike reset its neuron in the step after it"),
        NEXT_STEP: (AT_ONCE, "a spike reset its neuron in its own step"),
    },
}


def named(network: Network, layer: Layer, evidence: Evidence, explains: Callable[[Network], bool]) -> tuple[str, ...]:
    """The causes found; *explains* says whether a network in the place of *network* does what was recorded."""
    for suspect, sentence in _suspects(network, layer, evidence):
        if explains(suspect):
            return (f"{sentence} when it was recorded",)
    first = "a weight onto this neuron, or its bias, differs from when it was recorded"
    return (first,) if layer.leak is None else (f"{first}; or its leak, if it is not one number for the whole layer",)


class Evidence:
    """Potentials where a neuron first differs: simulated and recorded, float32 [n]; *previous*: those of the step before, on
    which both agree; *fired*, *fired_there*: bool [n]; *silent*, *firing*: bounds of the recorded threshold."""

    def __init__(self, simulated: np.ndarray, recorded: np.ndarray, spikes: np.ndarray, spikes_there: np.ndarray,
                 first: np.ndarray, threshold: np.ndarray, at_once: bool):  # fmt: skip
        sample, step, neuron = np.nonzero(first)
        before = (sample, np.maximum(step - 1, 0), neuron)
        self.later = step > 0
        self.simulated, self.recorded = simulated[first], recorded[first]
        self.fired, self.fired_there = spikes[first], spikes_there[first]
        self.previous = np.where(self.later, recorded[before], 0)
        self.fired_before = self.later & spikes_there[before]
        self.threshold = np.broadcast_to(threshold, simulated.shape)[first]
        self.at_once = at_once


def _suspects(network: Network, layer: Layer, evidence: Evidence) -> Iterator[tuple[Network, str]]:
    for count in (1, 2):
        for names in combinations(RULES, count):
            others = {name: RULES[name][getattr(network, name)] for name in names}
            sentence = ", and ".join(text for _, text in others.values())
            yield replace(network, **{name: value for name, (value, _) in others.items()}), sentence
    if not isinstance(layer.leak, np.ndarray) and layer.current_leak is None:
        for leak in _leaks(layer, evidence):
            yield changed(network, layer, leak=leak), f"the leak of this layer was {leak:.6g}"
    if layer.spiking and not isinstance(layer.threshold, np.ndarray):
        for threshold, about in _thresholds(network, evidence):
            yield changed(network, layer, threshold=threshold), f"the threshold of this layer was {about} {threshold:.6g}"


def _leaks(layer: Layer, evidence: Evidence) -> Iterator[float]:
    """From the neuron that had most to lose: all else equal, potentials differ by the difference of the leaks times it."""
    usable = evidence.later & (evidence.fired == evidence.fired_there) & (evidence.previous != 0)
    if not usable.any():
        return
    lost = np.where(evidence.fired & evidence.at_once, np.nan, evidence.recorded - evidence.simulated)
    usable &= np.isfinite(lost)
    if usable.any():
        most = np.argmax(np.where(usable, np.abs(evidence.previous), 0))
        leak = float(1 if layer.leak is None else layer.leak) + float(lost[most]) / float(evidence.previous[most])  # type: ignore[arg-type]
        if -0.001 < leak < 1.001:
            yield min(max(leak, 0.0), 1.0)


def _thresholds(network: Network, evidence: Evidence) -> Iterator[tuple[float, str]]:
    """From what a reset took away, or, where it leaves nothing, from who fired."""
    lower, higher = evidence.fired_there & ~evidence.fired, evidence.fired & ~evidence.fired_there
    taken = evidence.fired_there if evidence.at_once else evidence.fired_before
    if network.reset == "subtract" and taken.any():
        fired = evidence.fired if evidence.at_once else evidence.fired_before
        found = float(np.median((evidence.simulated + evidence.threshold * fired - evidence.recorded)[taken]))
        if np.isfinite(found) and found > 0:
            yield found, "about"
    if lower.any():
        below = evidence.simulated[lower].min()
        if below > 0:
            yield float(np.nextafter(below, np.float32(0))), "at most"
    if higher.any():
        yield float(np.nextafter(evidence.recorded[higher].max(), np.float32(np.inf))), "at least"


def changed(network: Network, layer: Layer, **values: Any) -> Network:
    """The network with other values in one of its layers, shapes as they are."""
    other = replace(layer, **values)
    for field in fields(layer):
        if not field.init:
            object.__setattr__(other, field.name, getattr(layer, field.name))
    return replace(network, layers=tuple(other if x.name == layer.name else x for x in network.layers))
