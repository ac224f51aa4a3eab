"""Bounds in place of a network: no packet waits for another, save in the core that it leaves, on the busiest link and in the
core that takes it. What the packet network needs is never less.
"""

from __future__ import annotations

import numpy as np

from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Journey, Traffic


class AnalyticNetwork:
    """The least time that *machine* needs."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.across = machine.router_cycles + machine.link_cycles
        self.between = machine.chip_link_cycles - machine.link_cycles

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey:
        """When packets could arrive at the earliest, and the cores be done."""
        grid, owner = self.machine.grid, traffic.owner
        links = grid.link_flits(traffic.source, traffic.first, traffic.target, traffic.flits)
        entered = self.entered(traffic)
        arrived = entered[owner] + self.unhindered(traffic.source[owner], traffic.target, traffic.flits[owner])
        free = traffic.occupied.copy()
        first = np.full(grid.cores, np.iinfo(np.int64).max)
        np.minimum.at(first, traffic.target, arrived)
        reached = np.bincount(traffic.target, minlength=grid.cores) > 0
        busy = np.bincount(traffic.target, traffic.service, minlength=grid.cores).astype(np.int64)
        free[reached] = np.maximum(free, first)[reached] + busy[reached]
        np.maximum.at(free, traffic.target, arrived + traffic.service)
        # After the first flit of a link, one per interval.
        delivered = max(int(free.max(initial=0)), int(((links - 1) * self.machine.intervals).max(initial=0)))
        unknown, idle = np.full(len(traffic), -1), np.zeros(grid.cores, np.int64)
        cycles = delivered + int(traffic.update.max(initial=0)) + self.machine.barrier_cycles
        return Journey(
            entered=entered, held=np.zeros_like(unknown), holder=unknown, arrived=arrived, started=np.full(len(arrived), -1),
            free=free, peak=idle, flits=links, stalled=np.zeros_like(links), refused=idle, delivered=delivered, cycles=cycles,
        )  # fmt: skip

    def entered(self, traffic: Traffic) -> np.ndarray:
        """int64 [packets]: when the first flit leaves its core if nothing but the packets before it are in the way."""
        before = np.cumsum(traffic.flits, dtype=np.int64) - traffic.flits
        slack = traffic.created - before
        # A large step between cores keeps the running maximum within each.
        core = np.cumsum(np.diff(traffic.source, prepend=traffic.source[:1]) != 0)
        step = core * (2 * int(np.abs(slack).max(initial=0)) + 1)
        found: np.ndarray = np.maximum.accumulate(slack + step) - step + before
        return found

    def unhindered(self, source: np.ndarray, target: np.ndarray, flits: np.ndarray | int) -> np.ndarray:
        """int64 [targets]: cycles from the leave of the first flit to the arrival of the last, from core to core."""
        machine, grid = self.machine, self.machine.grid
        source, target = source // grid.cores_per_tile, target // grid.cores_per_tile
        hops, crossings = np.zeros((2, len(target)), np.int64)
        for stride, size, chip in ((1, grid.width, grid.chip_width), (grid.width, grid.height, grid.chip_height)):
            start = source // stride % size
            difference = grid.shorter(target // stride % size - start, size)
            hops += np.abs(difference)
            crossings += _crossings(start, difference, size, chip)
        return (
            machine.local_cycles + 1 + hops * self.across + crossings * self.between + machine.leave_cycles + flits - 1
        )  # fmt: skip


def _crossings(start: np.ndarray, difference: np.ndarray, size: int, chip: int) -> np.ndarray:
    """Borders between chips on the way from *start* by *difference* tiles of a line or ring of *size*."""
    chips = -(-size // chip)
    if chips == 1:
        return np.zeros_like(difference)
    end = start + difference
    turns, inside = np.divmod(end, size)
    found: np.ndarray = np.abs(turns * chips + inside // chip - start // chip)
    return found
