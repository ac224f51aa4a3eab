"""What a mapping means before anything runs on it: the use of every limit, and expected traffic."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.mapping.demand import Use
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.wires import ExpectedTraffic, Wires, traffic
from neurosim.spikes.trace import SpikeTrace

BUSIEST = 10


@dataclass(frozen=True, eq=False)
class Survey:
    """wires: those of *mapping*, for the spikes of *trace*, per image; without, as if every neuron fired once."""

    mapping: Mapping
    wires: Wires
    trace: SpikeTrace | None = None

    @cached_property
    def load(self) -> np.ndarray:
        """float64 [links]: flits per image."""
        return self.wires.load(self.mapping.grid, self.mapping.used)

    @cached_property
    def traffic(self) -> ExpectedTraffic:
        return traffic(self.load, self.mapping.grid)

    @property
    def assumed(self) -> str:
        """Where the traffic comes from, in words."""
        if self.trace is None:
            return "every neuron firing once"
        return f"mean of {len(self.trace):,} recorded images"

    @property
    def sent(self) -> np.ndarray:
        """float64 [cores used]: flits x links per image of what every core sends."""
        wires, mapping = self.wires, self.mapping
        return np.bincount(wires.sender, wires.flits * wires.hops(mapping.grid, mapping.used), len(mapping.used))

    @property
    def busiest(self) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
        """(from, to, flits per image) of the busiest links, the busiest first."""
        order = np.argsort(-self.load, kind="stable")[:BUSIEST]
        return [(*self.mapping.grid.ends(int(link)), float(self.load[link])) for link in order if self.load[link] > 0]

    def fullest(self, layer: int) -> list[Use]:
        """The largest use of every resource by a core of a layer."""
        found: dict[str, Use] = {}
        for home in self.mapping.home[self.mapping.layer_of == layer].tolist():
            for use in self.mapping.uses[home]:
                if use.resource not in found or use.demand > found[use.resource].demand:
                    found[use.resource] = use
        return list(found.values())

    def to_dict(self) -> dict[str, Any]:
        """What `neurosim map` reports, for JSON; flits are per image."""
        links = [{"from": list(a), "to": list(b), "flits": flits} for a, b, flits in self.busiest]
        found = {"assumed": self.assumed, "flit_hops": self.traffic.flit_hops, "inter_chip_flits": self.traffic.crossings,
                 "busiest_link_flits": self.traffic.busiest, "busiest_links": links}  # fmt: skip
        return self.mapping.to_dict() | {"traffic": found}
