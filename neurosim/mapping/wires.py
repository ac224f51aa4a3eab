"""What bricks send each other, and what that costs for bricks in given cores; here those that share a core are one."""

from __future__ import annotations

from collections.abc import Mapping as Named
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.kernels.histogram import count_columns
from neurosim.mapping.fan import Fan
from neurosim.noc.geometry import Grid
from neurosim.spikes.trace import SpikeTrace

# Of a trace, counted at once.
ROWS = 64


@dataclass(frozen=True, eq=False)
class Wires:
    """Nets: net i leads from brick sender[i] to the bricks target[first[i] : first[i + 1]], and flits[i] go along it per image.

    A packet to several cores is one net of a tree, or as many nets of one target each. float64 and int64 arrays. bricks: how
    many there are.
    """

    bricks: int
    sender: np.ndarray
    first: np.ndarray
    target: np.ndarray
    flits: np.ndarray

    @property
    def net(self) -> np.ndarray:
        """int64 [targets]: the net of every target."""
        return np.repeat(np.arange(len(self.sender)), np.diff(self.first))

    @cached_property
    def incident(self) -> tuple[np.ndarray, np.ndarray]:
        """(int64 [bricks + 1], int64): the nets of every brick, one brick after the other, each net once."""
        brick = np.concatenate([self.sender, self.target])
        net = np.concatenate([np.arange(len(self.sender)), self.net])
        brick, net = np.unique(np.stack([brick, net]), axis=1)
        return np.searchsorted(brick, np.arange(self.bricks + 1)), net

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(sender, target, flits) of every target of every net."""
        return self.sender[self.net], self.target, self.flits[self.net]

    def load(self, grid: Grid, cores: np.ndarray) -> np.ndarray:
        """float64 [links]: flits per image where brick i lives in core cores[i]."""
        ends, links = self._trees(grid, cores)
        return np.bincount(links, np.repeat(self.flits, np.diff(ends)), grid.links)

    def hops(self, grid: Grid, cores: np.ndarray) -> np.ndarray:
        """int64 [nets]: links that every net crosses there."""
        return np.diff(self._trees(grid, cores)[0])

    def _trees(self, grid: Grid, cores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        source, target = cores[self.sender], cores[self.target]
        return grid.trees(source, self.first, target[grid.by_offset(source[self.net], target, self.net)])


@dataclass(frozen=True)
class ExpectedTraffic:
    """Of a placement, per image: flits x links crossed, those on links between chips, and flits on the busiest link."""

    flit_hops: float
    crossings: float
    busiest: float


def traffic(load: np.ndarray, grid: Grid) -> ExpectedTraffic:
    """What such a load of the links amounts to."""
    return ExpectedTraffic(float(load.sum()), float(load[grid.crossings()].sum()), float(load.max(initial=0.0)))


def fired(trace: SpikeTrace, fan: Fan) -> np.ndarray:
    """float64 [columns]: spikes per image of every column of a source."""
    bits = trace.bits_of(fan.source)
    bits = bits.reshape(-1, bits.shape[-1])
    total = np.zeros(fan.segments * fan.sites, np.int64)
    for first in range(0, len(bits), ROWS):
        counted = np.zeros((len(bits[first : first + ROWS]), len(total)), np.int64)
        count_columns(bits[first : first + ROWS], fan.segment, fan.sites, counted)
        total += counted.sum(0)
    return total / len(trace)


def wires_of(chip: Chip, home: np.ndarray, fans: Named[str, Fan], spikes: Named[str, np.ndarray]) -> Wires:
    """The nets between cores; home: int64 [bricks], the number of the core of each. spikes: float64 [columns] of every source,
    fired per image. What stays in a core is left out."""
    tree, merged = chip.mesh.delivery == "multicast", dict[tuple[int, bytes], float]()
    for name, fan in fans.items():
        flits = fan.groups @ spikes[name] * chip.mesh.flits_per_packet
        for group in np.flatnonzero(fan.sender >= 0).tolist():
            sender = int(home[fan.sender[group]])
            reached = np.unique(home[fan.target[fan.first[group] : fan.first[group + 1]]])
            reached = reached[reached != sender]
            for targets in [reached] if tree and len(reached) else reached[:, None]:
                key = sender, targets.tobytes()
                merged[key] = merged.get(key, 0.0) + float(flits[group])
    targets = [np.frombuffer(reached, np.int64) for _, reached in merged]
    first = np.cumsum([0, *(len(reached) for reached in targets)])
    senders, target = np.array([sender for sender, _ in merged], np.int64), np.concatenate([*targets, np.empty(0, np.int64)])
    return Wires(int(home.max()) + 1, senders, first, target, np.array([*merged.values()], np.float64))
