"""What a spike sets in motion: the packets that a firing neuron sends, and the cycles that each receiving core works on one.

A column is a (segment of channels, site) of a population, see `neurosim.mapping.routes`: all its neurons live in one core and
send to the same cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from neurosim.chip.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.mapping.brick_rows import BrickRows
from neurosim.mapping.routes import Fanout, firsts
from neurosim.network.layers import INPUT, pooled
from neurosim.network.network import Network
from neurosim.spikes.synapses import pool_sites


@dataclass(frozen=True, eq=False)
class Delivery:
    """Where the spikes of one population go.

    first: int64 [columns + 1], entries of a column, by their offset from the sender. sender: int64 [columns], core, -1 for
    input from outside. core: int64 [entries]; of input from outside the brick, as bricks that share a core may work on it in
    different turns. place: int64 [entries, 3], column, row and port of the core. service: int64
    [entries, 2], cycles that the core works on the packet, for the first spike of a max-pooling window and for a later one
    (without pooling the same). stall: int64 [entries, 2], those of them in which it waits for a memory. window: int64 [sites],
    the window of a site, -1; windows: of one channel, 0 without max pooling.
    """

    source: str
    segment: np.ndarray
    sites: int
    first: np.ndarray
    sender: np.ndarray
    core: np.ndarray
    place: np.ndarray
    service: np.ndarray
    stall: np.ndarray
    window: np.ndarray
    windows: int

    @property
    def latches(self) -> int:
        """Windows of all channels, each of which holds a spike or not."""
        return len(self.segment) * self.windows

    @property
    def columns(self) -> tuple[np.ndarray | int, ...]:
        """As the kernel takes them."""
        work = self.service, self.stall
        return self.first, self.sender, self.core, self.place, *work, self.sites, self.window, self.windows


def delivery(network: Network, chip: Chip, bricks: Sequence[Brick], cores: np.ndarray, fanout: Fanout) -> Delivery:
    """What the spikes of *fanout* cause where brick i lives in core cores[i]."""
    work, grid = _Work(network, chip, bricks, fanout), chip.grid
    sender, core = _senders(cores, fanout), work.brick if fanout.source == INPUT else cores[work.brick]
    order = grid.by_offset(sender[work.column], core, work.column)
    column, core = work.column[order], core[order]
    cycles = [work.cycles(later) for later in (False, True)]
    look_up = firsts(work.column * grid.cores + cores[work.brick]) * chip.operation.event.cycles
    busy = (np.stack([np.maximum(compute, memory) for compute, memory in cycles], 1) + look_up[:, None])[order]
    waits = np.stack([np.maximum(memory - compute, 0) for compute, memory in cycles], 1)[order]
    # Bricks that share a core share the packet.
    starts = np.flatnonzero(np.append(True, (np.diff(column) != 0) | (np.diff(core) != 0))[: len(column)])
    if len(starts):
        busy, waits = np.add.reduceat(busy, starts), np.add.reduceat(waits, starts)
    column, core = column[starts], core[starts]
    first = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=len(sender)))])
    tile, port = np.divmod(core, grid.cores_per_tile)
    place = np.stack([tile % grid.width, tile // grid.width, port], 1)
    return Delivery(fanout.source, fanout.segment, fanout.sites, first, sender, core, place, busy, waits, *work.window)


def _senders(cores: np.ndarray, fanout: Fanout) -> np.ndarray:
    """int64 [columns]: the core that a column lives in, -1 outside."""
    sender = np.full(fanout.segments * fanout.sites, -1)
    if fanout.source != INPUT:
        brick, column, _ = fanout.owner.entries
        sender[column] = cores[brick]
    return sender


# What takes time.
WORK = ("weight_words", "state_words", "passes", "mac_passes")


class _Work:
    """The work that one spike of a column causes in a brick, for every (brick, column) that it reaches."""

    def __init__(self, network: Network, chip: Chip, bricks: Sequence[Brick], fanout: Fanout):
        self.network, self.chip, self.bricks, self.fanout = network, chip, bricks, fanout
        columns, found = fanout.segments * fanout.sites, []
        for work in fanout.work:
            brick, column, amount = (_unpooled(fanout, work.amount) if work.windows else work.amount).entries
            found.append((work, brick * columns + column, amount))
        keys = np.unique(np.concatenate([*(at for _, at, _ in found), np.empty(0, np.int64)]))
        self.brick, self.column = np.divmod(keys, columns)
        # How much of what; what only the first spike of a window causes apart.
        self.amounts = {what: np.zeros((2, len(keys)), np.int64) for what in WORK}
        for work, at, amount in found:
            if work.what in self.amounts:
                np.add.at(self.amounts[work.what][int(work.windows)], np.searchsorted(keys, at), amount)

    @property
    def window(self) -> tuple[np.ndarray, int]:
        """(window of each site, windows of a channel) where the first spike of a window causes more than a later one."""
        if not any(work.windows for work in self.fanout.work):
            return np.full(self.fanout.sites, -1), 0
        _, h, w = pooled(self.fanout.shape, "max2")
        return pool_sites(self.fanout.shape, "max2").astype(np.int64), h * w

    def cycles(self, later: bool) -> tuple[np.ndarray, np.ndarray]:
        """int64 [entries] each: cycles of the accumulates; cycles that the slowest memory needs for weights and potentials."""
        chip, cost = self.chip, self.chip.operation
        amount = {what: found[0] if later else found.sum(0) for what, found in self.amounts.items()}
        compute = amount["passes"] * cost.accumulate.cycles + amount["mac_passes"] * cost.mac.cycles
        # What is added to is read and written.
        fetched, touched = amount["weight_words"], amount["state_words"]
        return compute, chip.memory_cycles({"weights": (fetched, 0 * fetched), "state": (touched, touched)})


def _unpooled(fanout: Fanout, amount: BrickRows) -> BrickRows:
    """An amount by column of the pooled map as one by column of the map: every site causes what its window does."""
    _, h, w = pooled(fanout.shape, "max2")
    window = pool_sites(fanout.shape, "max2")
    site = np.flatnonzero(window >= 0)
    segment = np.repeat(np.arange(fanout.segments), len(site))
    column = segment * fanout.sites + np.tile(site, fanout.segments)
    pooled_column = segment * h * w + np.tile(window[site], fanout.segments)
    ones = np.ones(len(column), np.int64)
    spread = csr_array((ones, (pooled_column, column)), shape=(amount.rows.shape[1], fanout.segments * fanout.sites))
    return BrickRows(amount.brick, amount.rows @ spread)
