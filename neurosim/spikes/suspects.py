"""Why a layer of a float network differs from its recording: each suspect is tried, and named only if it explains it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from neurosim.errors import NetworkError
from neurosim.network.layers import AT_ONCE, NEXT_STEP, Layer
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS

# The rules of a layer, what else they could be, and what that means.
RULES: dict[str, dict[Any, tuple[Any, str]]] = {
    "compare": {">": (">=", "neurons fired at '>='"), ">=": (">", "neurons fired at '>'")},
    "reset": {
        "subtract": ("zero", "a spike reset its neuron to zero"),
        "zero": ("subtract", "a spike subtracted the threshold"),
        "none": ("subtract", "a spike subtracted the threshold"),
    },
    "order": {
        AT_ONCE: (NEXT_STEP, "a spike reset its neuron in the step after it"),
        NEXT_STEP: (AT_ONCE, "a spike reset its neuron in its own step"),
    },
}


def named(network: Network, layer: Layer, evidence: Evidence, explains: Callable[[Network], bool]) -> tuple[str, ...]:
    """The causes found; *explains* says whether a network in the place of *network* does what was recorded."""
    for suspect, sentence in _suspects(network, layer, evidence):
        if explains(suspect):
            return (f"{sentence} when it was recorded",)
    having = [name for name, row in PARAMETERS.items() if name == "bias" or row.of(layer) is not None]
    untried = [name.replace("_", " ") for name in having if name not in GUESSES]
    words = " or ".join(", ".join(untried).rsplit(", ", 1))
    first = f"a weight onto this neuron, or its {words}, differs from when it was recorded"
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
    now = {"compare": network.compare_of(layer), "reset": network.reset_of(layer), "order": network.order_of(layer)}
    for count in (1, 2):
        for names in combinations(RULES, count):
            others = {name: RULES[name][now[name]] for name in names}
            sentence = ", and ".join(text for _, text in others.values())
            other = _ruled(network, layer, {name: value for name, (value, _) in others.items()})
            if other is not None:
                yield other, sentence
    for name, guesses in GUESSES.items():
        for value, about in guesses(network, layer, evidence):
            other = _valued(network, layer, {name: value})
            if other is not None:
                yield other, f"the {name} of this layer was {about}{value:.6g}"


def _ruled(network: Network, layer: Layer, rules: dict[str, Any]) -> Network | None:
    """The network with other rules in one of its layers, without the parameters that these have no place for."""
    reset = rules.get("reset", network.reset_of(layer))
    homeless: dict[str, Any] = {name: row.default for name, row in PARAMETERS.items() if row.reset not in (None, reset)}
    return _valued(network, layer, homeless | rules)


def _valued(network: Network, layer: Layer, value: dict[str, Any]) -> Network | None:
    """The network with another value in one of its layers, if it can be."""
    layers = [replace(x, **value) if x.name == layer.name else x for x in network.layers]
    try:
        return network.with_layers(layers)
    except NetworkError:
        return None


def _leaks(network: Network, layer: Layer, evidence: Evidence) -> Iterator[tuple[float, str]]:
    """From the neuron that had most to lose: all else equal, potentials differ by the difference of the leaks times it."""
    if isinstance(layer.leak, np.ndarray) or layer.current_leak is not None:
        return
    usable = evidence.later & (evidence.fired == evidence.fired_there) & (evidence.previous != 0)
    if not usable.any():
        return
    lost = np.where(evidence.fired & evidence.at_once, np.nan, evidence.recorded - evidence.simulated)
    usable &= np.isfinite(lost)
    if usable.any():
        most = np.argmax(np.where(usable, np.abs(evidence.previous), 0))
        leak = float(1 if layer.leak is None else layer.leak) + float(lost[most]) / float(evidence.previous[most])  # type: ignore[arg-type]
        if -0.001 < leak < 1.001:
            yield min(max(leak, 0.0), 1.0), ""


def _thresholds(network: Network, layer: Layer, evidence: Evidence) -> Iterator[tuple[float, str]]:
    """From what a reset took away, or, where it leaves nothing, from who fired."""
    if not layer.spiking or isinstance(layer.threshold, np.ndarray):
        return
    lower, higher = evidence.fired_there & ~evidence.fired, evidence.fired & ~evidence.fired_there
    taken = evidence.fired_there if evidence.at_once else evidence.fired_before
    if network.reset_of(layer) == "subtract" and taken.any():
        fired = evidence.fired if evidence.at_once else evidence.fired_before
        found = float(np.median((evidence.simulated + evidence.threshold * fired - evidence.recorded)[taken]))
        if np.isfinite(found) and found > 0:
            yield found, "about "
    if lower.any():
        below = evidence.simulated[lower].min()
        if below > 0:
            yield float(np.nextafter(below, np.float32(0))), "at most "
    if higher.any():
        yield float(np.nextafter(evidence.recorded[higher].max(), np.float32(np.inf))), "at least "


# Parameters of which another value is tried; of all others only the names are.
Guesses = Callable[[Network, Layer, Evidence], Iterator[tuple[float, str]]]
GUESSES: dict[str, Guesses] = {"leak": _leaks, "threshold": _thresholds}
