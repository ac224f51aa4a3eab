"""Sums over turns: what cores and links did, and what set the pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.noc.geometry import Grid
from neurosim.timing.sample import Sample

BOUNDS = ("core_busy", "noc", "update", "barrier")
# Machines with more cores have no table of who waited for whom.
MOST_BLOCKED = 1024


@dataclass(frozen=True, eq=False)
class Pace:
    """Turns. cycles: int64 [turns]. split: int64 [turns, 4], by what set the pace (BOUNDS). tally: sums over them. sample: what
    was timed packet by packet, None where that was everything or nothing."""

    cycles: np.ndarray
    split: np.ndarray
    tally: Tally
    sample: Sample | None = None

    @classmethod
    def empty(cls, turns: int, grid: Grid, *, blocked: bool = True) -> Pace:
        return cls(np.zeros(turns, np.int64), np.zeros((turns, len(BOUNDS)), np.int64), Tally.empty(grid, blocked=blocked))

    @classmethod
    def joined(cls, parts: Sequence[Pace], grid: Grid) -> Pace:
        """Turns after turns."""
        tally = Tally.empty(grid)
        for part in parts:
            tally.add(part.tally)
        return cls(np.concatenate([part.cycles for part in parts]), np.concatenate([part.split for part in parts]), tally)


@dataclass(eq=False)
class Tally:
    """Sums over turns. By core, int64 [cores]: busy, of which waiting for memories; refused, cycles in which the full queue
    kept the mesh waiting; peak, of the queue. By link, int64 [links]: flits, stalled; peak_use: float64, largest share of a
    turn in which it was busy. blocked: cycles that packets stood behind a packet for another core, int64 [cores, cores], by
    (that core, their own), or None.
    """

    busy: np.ndarray
    waiting: np.ndarray
    refused: np.ndarray
    peak: np.ndarray
    flits: np.ndarray
    stalled: np.ndarray
    peak_use: np.ndarray
    blocked: np.ndarray | None

    @classmethod
    def empty(cls, grid: Grid, *, blocked: bool = True) -> Tally:
        """Of no turn; *blocked*: with the table of who waited for whom, where machines have one."""
        busy, waiting, refused, peak = np.zeros((4, grid.cores), np.int64)
        flits, stalled = np.zeros((2, grid.links), np.int64)
        table = np.zeros((grid.cores, grid.cores), np.int64) if blocked and grid.cores <= MOST_BLOCKED else None
        return cls(
            busy=busy, waiting=waiting, refused=refused, peak=peak, flits=flits, stalled=stalled, peak_use=np.zeros(grid.links),
            blocked=table,
        )  # fmt: skip

    def add(self, other: Tally) -> None:
        """Take in the sums of other turns."""
        for name in ("busy", "waiting", "refused", "flits", "stalled"):
            getattr(self, name)[:] += getattr(other, name)
        np.maximum(self.peak, other.peak, out=self.peak)
        np.maximum(self.peak_use, other.peak_use, out=self.peak_use)
        if self.blocked is not None and other.blocked is not None:
            self.blocked += other.blocked
