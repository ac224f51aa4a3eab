"""A network with spikes beside the same network without, on one chip: what each step of honesty adds, and where they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.baseline import REUSES, Reuses
from neurosim.energy import PURPOSES, Counts, Energy, energy
from neurosim.mapping.demand import fed_by_image
from neurosim.mapping.mapping import Mapping

# What happens without a single spike.
SPIKELESS = ("macs", "analog_rows", "current_adds", "current_writes", "input_words", "readouts", "clears")


@dataclass(frozen=True)
class Step:
    """J per image with everything up to one purpose counted: the SNN, and the ANN by its reuse (see `neurosim.baseline`)."""

    purpose: str
    snn_J: float
    ann_J: dict[str, float]

    def ratio(self, reuse: str) -> float | None:
        """ANN / SNN."""
        return self.ann_J[reuse] / self.snn_J if self.snn_J else None


def steps(dense: Reuses, spent: Energy) -> list[Step]:
    """Compute alone, then with weights, state, network, memory off the chip and leakage added, one after the other.

    *dense*: the ANN of as many images, by its reuse (`neurosim.baseline.ann`).
    """
    found, snn, without = [], 0.0, dict.fromkeys(REUSES, 0.0)
    for purpose in PURPOSES:
        snn += spent.by_purpose_J[purpose] / spent.images
        without = {reuse: without[reuse] + dense[reuse]["by_purpose_J"][purpose] / spent.images for reuse in REUSES}
        found.append(Step(purpose, snn, without))
    return found


@dataclass(frozen=True)
class BreakEven:
    """Energy of the SNN per image, without leakage, as a straight line over its spikes: fixed_J + spikes per neuron * slope_J.

    spikes_per_neuron: where this run stands; meets: where the line meets the ANN of each reuse, None if it never does.
    """

    spikes_per_neuron: float
    fixed_J: float
    slope_J: float
    ann_J: dict[str, float]
    meets: dict[str, float | None]


def break_even(mapping: Mapping, counts: Counts, dense: Reuses, spent: Energy, spikes_per_neuron: float) -> BreakEven:
    """All spikes of all layers rarer or more frequent by one factor; time, and with it leakage, left out."""
    images = spent.images
    barriers = next(action.times for action in spent.actions if action.name == "barrier")
    silent = energy(mapping, _without_spikes(mapping, counts), images, 0, barriers)
    fixed = silent.total_J / images
    slope = ((spent.total_J - spent.static_J) / images - fixed) / spikes_per_neuron if spikes_per_neuron else 0.0
    theirs = {reuse: (found["total_J"] - found["static_J"]) / images for reuse, found in dense.items()}
    meets = {reuse: (joules - fixed) / slope if slope > 0 and joules >= fixed else None for reuse, joules in theirs.items()}
    return BreakEven(spikes_per_neuron, fixed, slope, theirs, meets)


def _without_spikes(mapping: Mapping, counts: Counts) -> Counts:
    """The counts if no neuron ever fired: an image still reaches its layers, and the chip's policy may visit everybody."""
    layers = mapping.network.layers
    fed = np.array([fed_by_image(mapping.network, layers[brick.layer]) for brick in mapping.bricks])
    everybody = mapping.chip.policy.update == "all"
    kept = {name: count if name in SPIKELESS else np.zeros_like(count) for name, count in counts.items()}
    kept["active"] = counts["active"] * fed
    kept["idle"] = np.where(fed, counts["idle"], (counts["active"] + counts["idle"]) * everybody)
    kept["leaks"] = counts["leaks"] * (fed | everybody)
    return kept
