"""What happens on a chip between two barriers: packets that travel and work of the cores; and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from neurosim.kernels.fabric import ABOUT, TARGET, table
from neurosim.noc.geometry import Grid


@dataclass(frozen=True, eq=False)
class Traffic:
    """Packets by source core, in the order in which they leave, and what the cores do besides.

    source: int64 [packets], core. created: int64 [packets], cycle from which it may leave, not falling within a core. flits:
    int64 [packets]. first: int64 [packets + 1], its targets in the following. target: int64 [targets], core; those of one
    packet by their offset from its source (x, then y, then core). service: int64 [targets], cycles that the core works on it.
    fetch: int64 [cores], cycles in which the port of the chip's input memory, shared by all cores in their order, works for a
    core. work: int64 [cores], cycles that the core then works before it takes packets. update: int64 [cores], cycles of its
    work after all. tables: the same packets as the tables of the compiled network, if they are at hand.
    """

    source: np.ndarray
    created: np.ndarray
    flits: np.ndarray
    first: np.ndarray
    target: np.ndarray
    service: np.ndarray
    fetch: np.ndarray
    work: np.ndarray
    update: np.ndarray
    tables: tuple[np.recarray, np.recarray] | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def owner(self) -> np.ndarray:
        """int64 [targets]: the packet."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    @property
    def occupied(self) -> np.ndarray:
        """int64 [cores]: the cycle until which a core cannot take packets."""
        found: np.ndarray = np.where(self.fetch > 0, np.cumsum(self.fetch), 0) + self.work
        return found

    @classmethod
    def of_tables(
        cls, about: np.recarray, targets: np.recarray, fetch: np.ndarray, work: np.ndarray, update: np.ndarray
    ) -> Traffic:
        """The packets that are at hand as tables."""
        return cls(
            source=about["source"][:-1], created=about["created"][:-1], flits=about["flits"][:-1], first=about["first_target"],
            target=targets["core"], service=targets["service"], fetch=fetch, work=work, update=update, tables=(about, targets),
        )  # fmt: skip

    @classmethod
    def unicast(
        cls, grid: Grid, source: np.ndarray, target: np.ndarray, created: np.ndarray, flits: np.ndarray | int = 1,
        service: np.ndarray | int = 0,
    ) -> tuple[Traffic, np.ndarray]:  # fmt: skip
        """(packets to one core each, given in any order; for each of them the place where it was given)."""
        order = np.lexsort((created, source))
        given = (np.asarray(column, np.int64) for column in (source, created, flits, target, service))
        sources, times, sizes, targets, work = (np.broadcast_to(column, len(source))[order] for column in given)
        none = np.zeros(grid.cores, np.int64)
        columns = sources, times, sizes, np.arange(len(source) + 1), targets, work, none, none, none
        return cls(*columns, cls(*columns).as_tables(grid)), order

    def as_tables(self, grid: Grid) -> tuple[np.recarray, np.recarray]:
        """(ABOUT [packets + 1], TARGET [targets]), see `neurosim.kernels.fabric`."""
        about = table(ABOUT, len(self) + 1, first_target=self.first)
        about["created"][:-1], about["flits"][:-1], about["source"][:-1] = self.created, self.flits, self.source
        tile, port = np.divmod(self.target, grid.cores_per_tile)
        targets = table(
            TARGET, len(self.target), service=self.service, owner=self.owner, flits=self.flits[self.owner],
            column=tile % grid.width, row=tile // grid.width, port=port, core=self.target,
        )  # fmt: skip
        return about, targets


@dataclass(frozen=True, eq=False)
class Journey:
    """What became of packets; cycles, -1 where it did not happen.

    entered: int64 [packets], the first flit left its core. held: int64 [packets], longest time that it was next in a buffer
    behind another packet; holder: that one, of several the first. arrived: int64 [targets], the last flit reached the core.
    started: int64 [targets], the core took it out of its queue. free: int64 [cores], from when the core had nothing to do.
    peak: int64 [cores], most packets in its queue, counted from their leave to enter it. flits, stalled: int64 [links], flits
    sent; cycles in which none was although one stayed for want of room beyond. refused: int64 [cores], the same for the way
    from its router into the core. delivered: cycle in which the last core was done with all packets. cycles: up to the end of
    the barrier after the updates.
    """

    entered: np.ndarray
    held: np.ndarray
    holder: np.ndarray
    arrived: np.ndarray
    started: np.ndarray
    free: np.ndarray
    peak: np.ndarray
    flits: np.ndarray
    stalled: np.ndarray
    refused: np.ndarray
    delivered: int
    cycles: int


class Interconnect(Protocol):
    """Something that packets travel through."""

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey: ...
