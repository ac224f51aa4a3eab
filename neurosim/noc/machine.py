"""The machine that packets travel through: routers, links and cores with their sizes and delays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurosim.kernels.fabric import UNLIMITED
from neurosim.noc.geometry import Grid


@dataclass(frozen=True)
class Machine:
    """Cycles and sizes.

    channels: virtual channels per port. depth: flits per virtual channel. router_cycles: from the arrival of a flit to the
    start of its way over a link. link_cycles: of that way, chip_link_cycles: where it leads to another chip. link_interval,
    chip_link_interval: between two flits of a link. local_cycles: between a core and its router. credit_cycles: from the
    leave of a flit to the use of its slot. queue: packets that wait in a core. barrier_cycles: of the barrier after the
    updates. whole: a packet moves on only into a virtual channel with room for all of it.

    Without waiting a packet of F flits arrives local_cycles + 1 + links x (router_cycles + link_cycles) + router_cycles +
    local_cycles + F - 1 cycles after its creation.
    """

    grid: Grid
    channels: int = 4
    depth: int = 4
    router_cycles: int = 3
    link_cycles: int = 1
    link_interval: int = 1
    chip_link_cycles: int = 1
    chip_link_interval: int = 1
    local_cycles: int = 1
    credit_cycles: int = 2
    queue: int = UNLIMITED
    barrier_cycles: int = 0
    whole: bool = False

    def delay(self, link: int) -> int:
        """Cycles from the leave of a flit out of its buffer to its arrival at the next router."""
        return self.router_cycles - 1 + (self.chip_link_cycles if self.grid.between_chips(link) else self.link_cycles)

    def interval(self, link: int) -> int:
        """Cycles between two flits of a link."""
        return self.chip_link_interval if self.grid.between_chips(link) else self.link_interval

    @cached_property
    def intervals(self) -> np.ndarray:
        """int64 [links]: cycles between two flits."""
        return np.where(self.grid.crossings(), self.chip_link_interval, self.link_interval)

    @property
    def leave_cycles(self) -> int:
        """Cycles from the leave of a flit out of the last buffer to its arrival in a core."""
        return self.router_cycles + self.local_cycles

    def unhindered(self, source: int, target: int, flits: int = 1) -> int:
        """Cycles from the creation of a packet to the arrival of its last flit if it never waits."""
        hops = sum(1 + self.delay(link) for link in self.grid.route(source, target))
        return self.local_cycles + hops + 1 + self.leave_cycles + flits - 1
