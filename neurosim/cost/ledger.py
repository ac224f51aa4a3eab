"""The ledger of a run: all that was done, by the network with spikes and without, at the prices of a chip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.cost.action import priced
from neurosim.cost.ann import Dense, told
from neurosim.cost.comparison import BreakEven, break_even
from neurosim.cost.energy import Energy
from neurosim.cost.uncertainty import Spread, spread


@dataclass(frozen=True, eq=False)
class Ledger:
    """energy: of the run. silent: of the same without a single spike, see `neurosim.cost.comparison.silent`. dense: of one
    image of the same network without spikes, by reuse, see `neurosim.cost.ann`. spikes_per_neuron: of the run. layers: of
    every brick. home: int64 [bricks], number of the core of every brick among those used."""

    energy: Energy
    silent: Energy
    dense: Dense
    spikes_per_neuron: float
    layers: tuple[str, ...]
    home: np.ndarray

    def at(self, chip: Chip) -> Ledger:
        """The same, done at the prices of another chip."""
        energy, silent = (Energy(priced(e.actions, chip), e.images) for e in (self.energy, self.silent))
        dense = {reuse: priced(done, chip) for reuse, done in self.dense.items()}
        return Ledger(energy, silent, dense, self.spikes_per_neuron, self.layers, self.home)

    @cached_property
    def layers_J(self) -> dict[str, dict[str, float]]:
        """J of every layer by component."""
        found: dict[str, dict[str, float]] = {name: {} for name in self.layers}
        for component, joules in self.energy.components.items():
            for name, spent in zip(self.layers, joules.tolist(), strict=True):
                found[name][component] = found[name].get(component, 0.0) + spent
        return found

    @cached_property
    def ann(self) -> dict[str, Any]:
        """The network without spikes on as many images."""
        return told(self.dense, self.energy.images)

    @cached_property
    def break_even(self) -> BreakEven:
        """The spike rate at which both would cost the same."""
        return break_even(self.energy, self.silent, self.dense, self.spikes_per_neuron, self.layers)

    @cached_property
    def spread(self) -> Spread:
        """What the uncertainty of the chip's prices leaves open."""
        return spread(self.dense, self.energy)
