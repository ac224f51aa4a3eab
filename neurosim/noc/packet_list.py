"""Packets from node to node, as other simulators of networks take them: one target each, no barriers, no cores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.noc.geometry import Grid
from neurosim.noc.measurement import hops_of
from neurosim.noc.synthetic import MAX_PACKETS
from neurosim.noc.traffic import Journey, Traffic


@dataclass(frozen=True, eq=False)
class PacketList:
    """Packets by the time of their creation, then by source.

    grid: of the nodes, one core each. created: int64 [packets], cycle from which it may leave; source, target: int64 [packets],
    node y * width + x; flits: int64 [packets]. cycles: from the start to the end of the last barrier. turns: between two
    barriers each. sent: packets before those for several cores were made one for each.
    """

    grid: Grid
    created: np.ndarray
    source: np.ndarray
    target: np.ndarray
    flits: np.ndarray
    cycles: int
    turns: int
    sent: int

    def __len__(self) -> int:
        return len(self.created)

    @property
    def counts(self) -> dict[str, int]:
        """Packets, flits, and flits x links crossed."""
        hops = hops_of(self.grid, self.source, self.target)
        return {"packets": len(self), "flits": int(self.flits.sum()), "flit_hops": int((hops * self.flits).sum())}

    @property
    def nodes(self) -> str:
        """The mesh in words, as `load_packets` knows them."""
        return f"mesh {self.grid.width}x{self.grid.height}" + (" torus" if self.grid.torus else "")


class PacketRecorder:
    """Lists what a run sends, a packet for each target; a recorder for `neurosim.outcome.pipeline.evaluate`."""

    def __init__(self, grid: Grid):
        self.grid = grid
        self.parts: list[np.ndarray] = []
        self.count = self.sent = self.turns = self.cycles = 0

    def __call__(self, turn: int, start: int, traffic: Traffic, journey: Journey) -> None:
        """Add a turn that begins at cycle *start*; raises NeurosimError when there are too many packets."""
        owner, cores = traffic.owner, self.grid.cores_per_tile
        self.parts.append(np.array(
            [start + traffic.created[owner].astype(np.int64), traffic.source[owner] // cores, traffic.target // cores,
             traffic.flits[owner]], np.int64,
        ))  # fmt: skip
        self.count += len(owner)
        self.sent += len(traffic)
        self.turns += 1
        self.cycles = start + journey.cycles
        if self.count > MAX_PACKETS:
            raise NeurosimError(f"the sample sends more than {MAX_PACKETS:,} packets, which are too many for a list")

    @property
    def listed(self) -> PacketList:
        """All turns so far."""
        created, source, target, flits = np.concatenate([np.empty((4, 0), np.int64), *self.parts], axis=1)
        order = np.lexsort((source, created))
        grid = Grid(self.grid.width, self.grid.height, 1, self.grid.torus)
        columns = (created[order], source[order], target[order], flits[order])
        return PacketList(grid, *columns, self.cycles, self.turns, self.sent)
