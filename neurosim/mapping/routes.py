"""Which packets the spikes of a population cause, and which work they cause where they arrive.

Spikes matter by *column*: (segment of channels, site). Within a column all neurons live in one core and send to the same
cores, so counting spikes per column is all that is needed to count packets, flits, weight rows and accumulates exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from neurosim.chip import Chip
from neurosim.layers import INPUT, Layer, Shape, Shortcut
from neurosim.mapping.brick import Brick, projections, reach, source_shape
from neurosim.network import Network
from neurosim.synapses import pool_sites


@dataclass(frozen=True, eq=False)
class Projection:
    """Work caused in the bricks of one consumer, over its main synapses or one of its shortcuts.

    visits: [bricks of the chip, columns], weight rows that one spike in a column makes a brick fetch (identity: single
    weights). or_pooled: columns are those of the max-pooled map.
    """

    visits: csr_array
    identity: bool
    or_pooled: bool


@dataclass(frozen=True, eq=False)
class Fanout:
    """Everything the spikes of one source cause.

    segment: int64 [channels], segment of each channel; columns are segment * sites + site. owner: [bricks, columns], 1 where
    the column lives (input from outside: the first brick it arrives at). groups: [groups, columns], columns of one brick that
    send to the same cores. What one spike of a group causes: packets, hops_x, hops_y, crossings: [bricks, groups], packets
    sent, links crossed and those of them that lead to another chip, at the sending brick (none for input from outside);
    arrivals: [bricks, groups].
    """

    source: str
    shape: Shape
    segment: np.ndarray
    owner: csr_array
    groups: csr_array
    packets: csr_array
    hops_x: csr_array
    hops_y: csr_array
    crossings: csr_array
    arrivals: csr_array
    projections: tuple[Projection, ...]

    @property
    def segments(self) -> int:
        return int(self.segment[-1]) + 1

    @property
    def sites(self) -> int:
        return self.shape[1] * self.shape[2]


def fanout(network: Network, chip: Chip, bricks: list[Brick], cores: np.ndarray, source: str) -> Fanout:
    """The fan-out of layer *source*, or of the spikes that enter from outside."""
    shape = network.shape_of(source)
    own = [(i, b) for i, b in enumerate(bricks) if source != INPUT and network.layers[b.layer].name == source]
    segment = _segments(network, bricks, source, shape, [b for _, b in own])
    maker = _Maker(network, chip, bricks, cores, source, shape, segment)
    return maker.fanout(own)


def _segments(network: Network, bricks: list[Brick], source: str, shape: Shape, own: list[Brick]) -> np.ndarray:
    """Channels cut wherever a brick of the source, or of a consumer that takes channels one by one, begins."""
    cuts = {b.c0 for b in own}
    for brick in bricks:
        layer = network.layers[brick.layer]
        if any(s.source == source and s.weight is None for s in layer.shortcuts):
            cuts |= {brick.c0}
    starts = np.zeros(shape[0], np.int64)
    starts[sorted(cuts - {0})] = 1
    return np.cumsum(starts)


class _Maker:
    """Builds one fan-out; holds what all its parts need."""

    def __init__(
        self,
        network: Network,
        chip: Chip,
        bricks: list[Brick],
        cores: np.ndarray,
        source: str,
        shape: Shape,
        segment: np.ndarray,
    ):
        self.network, self.chip, self.bricks, self.cores = network, chip, bricks, cores
        self.source, self.shape, self.segment = source, shape, segment
        self.sites = shape[1] * shape[2]
        self.segments = int(segment[-1]) + 1
        self.grid = chip.grid

    def fanout(self, own: list[tuple[int, Brick]]) -> Fanout:
        owner = self._stacked([(i, self._box(b)) for i, b in own])
        found, reached = [], []
        for layer in self.network.layers:
            for source, shortcut in projections(self.network, layer):
                if source == self.source:
                    projection, arrives = self._projection(layer, shortcut)
                    found.append(projection)
                    reached.append(arrives)
        arrives = sum(reached[1:], reached[0]) if reached else csr_array((len(self.bricks), owner.shape[1]), dtype=np.int64)
        groups, senders, targets = self._grouped(owner, arrives)
        if self.source == INPUT:
            owner = self._first_receivers(arrives)
        return self._routed(owner, groups, senders, targets, tuple(found))

    def _first_receivers(self, arrives: csr_array) -> csr_array:
        """[bricks, columns]: 1 at the first brick that each column arrives at, at brick 0 if at none."""
        first = np.argmax(arrives.toarray() > 0, axis=0)
        columns = np.arange(arrives.shape[1])
        return csr_array((np.ones(len(columns), np.int64), (first, columns)), shape=arrives.shape)

    def _box(self, brick: Brick) -> np.ndarray:
        """int64 [columns]: 1 for the columns inside a brick of the source."""
        _, h, w = self.shape
        site = np.zeros((h, w), np.int64)
        site[brick.y0 : brick.y1, brick.x0 : brick.x1] = 1
        return np.outer(self._inside(brick), site.ravel()).ravel()

    def _inside(self, brick: Brick) -> np.ndarray:
        """int64 [segments]: 1 for the segments of the channels of *brick*."""
        inside = np.zeros(self.segments, np.int64)
        inside[self.segment[brick.c0 : brick.c1]] = 1
        return inside

    def _stacked(self, rows: list[tuple[int, np.ndarray]], columns: int = 0) -> csr_array:
        """[bricks, columns] from rows of some bricks."""
        shape = (len(self.bricks), columns or self.segments * self.sites)
        brick, column, value = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for index, row in rows:
            at = np.flatnonzero(row)
            brick.append(np.full(len(at), index))
            column.append(at)
            value.append(row[at])
        return csr_array((np.concatenate(value), (np.concatenate(brick), np.concatenate(column))), shape=shape)

    def _projection(self, layer: Layer, shortcut: Shortcut | None) -> tuple[Projection, csr_array]:
        """The work in a consumer, and which of its bricks a spike of each (unpooled) column arrives at."""
        pool, identity = (shortcut or layer).pool, (shortcut or layer).weight is None
        onto = pool_sites(self.shape, pool)
        mine = [(i, b) for i, b in enumerate(self.bricks) if self.network.layers[b.layer] is layer]
        inside = {i: self._inside(b) if identity else np.ones(self.segments, np.int64) for i, b in mine}
        sites = {i: reach(self.network, layer, self.source, shortcut, b).sites for i, b in mine}
        arrives = self._stacked([(i, np.outer(inside[i], np.append(sites[i], 0)[onto]).ravel()) for i, _ in mine])
        if pool != "max2":
            return Projection(arrives, identity, False), arrives
        _, h, w = source_shape(self.network, layer, self.source, shortcut)
        visits = self._stacked([(i, np.outer(inside[i], sites[i]).ravel()) for i, _ in mine], self.segments * h * w)
        return Projection(visits, identity, True), arrives

    def _grouped(self, owner: csr_array, arrives: csr_array) -> tuple[csr_array, list[int], list[np.ndarray]]:
        """Columns grouped by sender and set of receiving bricks; columns that send nowhere are left out."""
        sender = np.full(owner.shape[1], -1)
        rows, columns = owner.nonzero()
        sender[columns] = rows
        by_column = arrives.tocsc()
        by_column.sort_indices()
        known: dict[tuple[int, bytes], int] = {}
        senders: list[int] = []
        targets: list[np.ndarray] = []
        group, member = [], []
        for column in range(owner.shape[1]):
            receivers = by_column.indices[by_column.indptr[column] : by_column.indptr[column + 1]]
            if len(receivers) == 0:
                continue
            key = (int(sender[column]), receivers.tobytes())
            if key not in known:
                known[key] = len(senders)
                senders.append(key[0])
                targets.append(receivers)
            group.append(known[key])
            member.append(column)
        ones = np.ones(len(member), np.int64)
        return csr_array((ones, (group, member)), shape=(len(senders), owner.shape[1])), senders, targets

    def _sent(self, senders: list[int], amounts: Sequence[int] | np.ndarray) -> csr_array:
        """[bricks, groups]: the amount of each group at its sender; input from outside has none."""
        group = np.flatnonzero(np.array(senders, np.int64) >= 0)
        brick = np.array(senders, np.int64)[group]
        return csr_array((np.array(amounts, np.int64)[group], (brick, group)), shape=(len(self.bricks), len(senders)))

    def _routed(
        self,
        owner: csr_array,
        groups: csr_array,
        senders: list[int],
        targets: list[np.ndarray],
        found: tuple[Projection, ...],
    ) -> Fanout:
        multicast = self.chip.mesh.delivery == "multicast"
        horizontal, crossing = self.grid.horizontal(), self.grid.crossings()
        links, packets = [], []
        for sender, receivers in zip(senders, targets, strict=True):
            cores = np.unique(self.cores[receivers])
            routes = [self.grid.route(int(self.cores[sender]), int(c)) for c in cores] if sender >= 0 else []
            crossed = [link for route in routes for link in route]
            links.append(np.array(sorted(set(crossed)) if multicast else crossed, np.int64))
            packets.append(0 if sender < 0 else 1 if multicast else len(cores))
        group = np.repeat(np.arange(len(links)), [len(x) for x in links])
        link = np.concatenate([*links, np.empty(0, np.int64)])
        arrivals = np.repeat(np.arange(len(targets)), [len(t) for t in targets])
        receiver = np.concatenate([*targets, np.empty(0, np.int64)])
        n = len(senders)
        return Fanout(
            self.source, self.shape, self.segment, owner, groups, self._sent(senders, packets),
            self._sent(senders, np.bincount(group[horizontal[link]], minlength=n)),
            self._sent(senders, np.bincount(group[~horizontal[link]], minlength=n)),
            self._sent(senders, np.bincount(group[crossing[link]], minlength=n)),
            csr_array((np.ones(len(receiver), np.int64), (receiver, arrivals)), shape=(len(self.bricks), n)), found,
        )  # fmt: skip
