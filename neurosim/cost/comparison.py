"""A network with spikes beside the same network without, on one chip: what each step of honesty adds, and where they meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Named
from dataclasses import dataclass

import numpy as np

from neurosim.cost.action import PJ, PURPOSES, STATIC, Action
from neurosim.cost.ann import ByReuse, Factors
from neurosim.cost.dataflow import REUSES
from neurosim.cost.energy import Counts, Energy, energy
from neurosim.cost.without import Without
from neurosim.mapping.mapping import Mapping
from neurosim.schema import Real

# What happens without a single spike.
SPIKELESS = ("macs", "analog_rows", "current_adds", "current_writes", "input_words", "readouts", "clears", "image_cycles")


@dataclass(frozen=True)
class CostStep:
    """J per image with everything up to one purpose counted: the SNN, and the ANN by its reuse (see `neurosim.cost.ann`)."""

    purpose: str
    snn_J: float
    ann_J: dict[str, float]

    def ratio(self, reuse: str) -> float | None:
        """ANN / SNN."""
        return self.ann_J[reuse] / self.snn_J if self.snn_J else None


def steps(dense: Named[str, Named[str, float]], spent: Named[str, float], images: int) -> list[CostStep]:
    """Compute alone, then with weights, state, network, memory off the chip and leakage added, one after the other.

    *dense*: J of the ANN by its reuse, *spent*: J of the SNN, both by purpose and of so many *images*.
    """
    found, snn, without = [], 0.0, dict.fromkeys(REUSES, 0.0)
    for purpose in PURPOSES:
        snn += spent[purpose] / images
        without = {reuse: without[reuse] + dense[reuse][purpose] / images for reuse in REUSES}
        found.append(CostStep(purpose, snn, without))
    return found


@dataclass(frozen=True)
class BreakEven:
    """Energy of the SNN per image, without leakage, as a straight line over its spikes: fixed_J + spikes per neuron * slope_J.

    spikes_per_neuron: where this run stands; meets: where the line meets the ANN of each reuse, None if it never does.
    layers: the same for every layer by itself, packets booked to their sender.
    """

    spikes_per_neuron: Real
    fixed_J: Real
    slope_J: Real
    ann_J: ByReuse
    meets: Factors
    layers: list[LayerBreakEven]


@dataclass(frozen=True)
class LayerBreakEven:
    """snn_J: energy per image, without leakage; fixed_J: the part of it that does not come from spikes. meets: by which factor
    the spikes of the run would have to change for the layer to cost what it costs in the ANN of each reuse, None if none."""

    name: str
    snn_J: Real
    fixed_J: Real
    ann_J: ByReuse
    meets: Factors


def silent(mapping: Mapping, counts: Counts, spent: Energy) -> Energy:
    """The same run if no neuron ever fired; time, and with it leakage, left out."""
    quiet = _without_spikes(mapping, counts)
    busy = quiet["image_cycles"] + quiet["update_cycles"]
    return energy(mapping, quiet, spent.images, 0, spent.action("barrier").times, busy)


def break_even(
    spent: Energy, silent: Energy, without: Without, spikes_per_neuron: float, layers: Sequence[str]
) -> BreakEven:
    """All spikes of all layers rarer or more frequent by one factor; leakage left out. *layers*: of every brick."""
    images = spent.images
    ours, quiet = _by_layer(spent.actions, layers, images), _by_layer(silent.actions, layers, images)
    theirs = {reuse: _by_layer(done, without.layers, 1) for reuse, done in without.dense.items()}
    each = []
    for name in ours:
        ann_J = {reuse: found[name] for reuse, found in theirs.items()}
        meets = {reuse: _meeting(joules, quiet[name], ours[name] - quiet[name]) for reuse, joules in ann_J.items()}
        each.append(LayerBreakEven(name, ours[name], quiet[name], ann_J, meets))
    fixed, all_theirs = sum(quiet.values()), {reuse: sum(found.values()) for reuse, found in theirs.items()}
    slope = (sum(ours.values()) - fixed) / spikes_per_neuron if spikes_per_neuron else 0.0
    meets = {reuse: _meeting(joules, fixed, slope) for reuse, joules in all_theirs.items()}
    return BreakEven(spikes_per_neuron, fixed, slope, all_theirs, meets, each)


def _meeting(joules: float, fixed: float, slope: float) -> float | None:
    """Where fixed + x * slope is *joules*."""
    return (joules - fixed) / slope if slope > 0 and joules >= fixed else None


def _by_layer(actions: Iterable[Action], layers: Sequence[str], images: int) -> dict[str, float]:
    """J per image without leakage, by layer in the order of the bricks."""
    per_brick = np.zeros(len(layers))
    for action in actions:
        if action.group != STATIC:
            per_brick += action.count * (action.price.pj * PJ / images)
    found = dict.fromkeys(layers, 0.0)
    for name, joules in zip(layers, per_brick.tolist(), strict=True):
        found[name] += joules
    return found


def _without_spikes(mapping: Mapping, counts: Counts) -> Counts:
    """The counts if no neuron ever fired: an image still reaches its layers, and the chip's policy may visit everybody."""
    layers = mapping.network.layers
    fed = np.array([mapping.network.fed_by_image(layers[brick.layer]) for brick in mapping.bricks])
    everybody = mapping.chip.policy.update == "all"
    kept = {name: count if name in SPIKELESS else np.zeros_like(count) for name, count in counts.items()}
    kept["active"] = counts["active"] * fed
    kept["idle"] = np.where(fed, counts["idle"], (counts["active"] + counts["idle"]) * everybody)
    for name in ("leaks", "visit_words", "update_cycles"):
        kept[name] = counts[name] * (fed | everybody)
    return kept
