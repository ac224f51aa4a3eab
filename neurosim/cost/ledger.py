"""The ledger of a run: all that was done, by the network with spikes and without, at the prices of chips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.cost.action import priced
from neurosim.cost.comparison import BreakEven, break_even
from neurosim.cost.energy import Energy
from neurosim.cost.uncertainty import Spread, spread
from neurosim.cost.without import Without


@dataclass(frozen=True, eq=False)
class Ledger:
    """energy: of the run. silent: of the same without a single spike, see `neurosim.cost.comparison.silent`. without: the same
    network without spikes. spikes_per_neuron: of the run. layers: of every brick. home: int64 [bricks], number of the core of
    every brick among those used."""

    energy: Energy
    silent: Energy
    without: Without
    spikes_per_neuron: float
    layers: tuple[str, ...]
    home: np.ndarray

    def at(self, chip: Chip) -> Ledger:
        """The same, done at the prices of another chip."""
        energy, silent = (Energy(priced(e.actions, chip), e.images) for e in (self.energy, self.silent))
        return Ledger(energy, silent, self.without.at(chip), self.spikes_per_neuron, self.layers, self.home)

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
        return self.without.told(self.energy.images)

    @cached_property
    def break_even(self) -> BreakEven:
        """The spike rate at which both would cost the same."""
        return break_even(self.energy, self.silent, self.without, self.spikes_per_neuron, self.layers)

    @cached_property
    def spread(self) -> Spread:
        """What the uncertainty of the prices leaves open."""
        return spread(self.without, self.energy)
