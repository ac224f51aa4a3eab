"""What bricks send each other, and what that costs for bricks in given cores; here those that share a core are one."""

from __future__ import annotations

from collections.abc import Mapping as Named
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.kernels.histogram import count_columns
from neurosim.mapping.fan import Fan
from neurosim.network.inputs import slices
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
    total = np.zeros(fan.segments * fan.sites, np.int64)
    for part in slices(trace.bits_of(fan.source)):
        bits = part.reshape(-1, part.shape[-1])
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
        flits = (fan.groups @ spikes[name] * chip.mesh.flits_per_packet).tolist()
        group, sender, reached = _reached(fan, home)
        starts = np.flatnonzero(np.diff(group, prepend=-1)) if tree else np.arange(len(group))
        text, ends = reached.tobytes(), np.append(starts, len(group))[1:]
        nets = zip(group[starts].tolist(), sender[starts].tolist(), (8 * starts).tolist(), (8 * ends).tolist(), strict=True)
        for number, core, a, b in nets:
            key = core, text[a:b]
            merged[key] = merged.get(key, 0.0) + flits[number]
    first = np.cumsum([0, *(len(text) // 8 for _, text in merged)])
    # A copy, as what can only be read makes the kernels compile for another kind of array.
    target = np.frombuffer(b"".join(text for _, text in merged), np.int64).copy()
    senders = np.array([sender for sender, _ in merged], np.int64)
    return Wires(int(home.max()) + 1, senders, first, target, np.array([*merged.values()], np.float64))


def _reached(fan: Fan, home: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """int64 each: group, its core, and a core that it reaches, by rising group and core reached; what stays in a core and what
    comes from outside is left out."""
    many = int(home.max()) + 1
    group = np.repeat(np.arange(len(fan.sender)), np.diff(fan.first))
    inside = fan.sender[group] >= 0
    group, reached = np.divmod(np.unique(group[inside] * many + home[fan.target[inside]]), many)
    sender = home[fan.sender[group]]
    leaves = reached != sender
    return group[leaves], sender[leaves], reached[leaves]
