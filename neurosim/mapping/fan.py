"""Which bricks the spikes of a population reach, and which work they cause there; where bricks lie does not matter.

Spikes matter by *column*: (segment of channels, site). Within a column all neurons live in one core and send to the same
cores, so counting spikes per column is all that is needed to count packets, flits, weight rows and accumulates exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from neurosim.chip.chip import Chip, CoreDescription
from neurosim.mapping.brick import Brick, projections, reach, source_shape
from neurosim.mapping.storage import Visit, visit, zeros_matter
from neurosim.network.layers import INPUT, Layer, Pool, Shape, Shortcut
from neurosim.network.network import Network
from neurosim.spikes.synapses import pool_sites


class SpikeWork(NamedTuple):
    """What spikes cause in the bricks of one consumer, over its main synapses or one of its shortcuts: how much of *what* one
    spike of a column causes in a brick, [bricks of the chip, columns].

    windows: columns are those of the pooled map, and only the first spike of a window counts. what: a count of
    `neurosim.cost.activity.Activity`, or passes: rounds of the core's lanes that the additions, pool_passes: that the
    multiplications take.
    """

    what: str
    amount: csr_array
    windows: bool


@dataclass(frozen=True, eq=False)
class Fan:
    """Everything the spikes of one source cause, but for their ways.

    segment: int64 [channels], segment of each channel; columns are segment * sites + site. owner: [bricks, columns], 1 where
    the column lives (input from outside: the first brick it arrives at). groups: [groups, columns], columns of one brick that
    reach the same bricks: sender: int64 [groups], that brick, -1 outside; target[first[i] : first[i + 1]]: int64, the bricks
    that group i reaches.
    """

    source: str
    shape: Shape
    segment: np.ndarray
    owner: csr_array
    groups: csr_array
    sender: np.ndarray
    first: np.ndarray
    target: np.ndarray
    work: tuple[SpikeWork, ...]

    @property
    def segments(self) -> int:
        return int(self.segment[-1]) + 1

    @property
    def sites(self) -> int:
        return self.shape[1] * self.shape[2]

    @property
    def neurons(self) -> np.ndarray:
        """int64 [columns]: of every column."""
        return np.repeat(np.bincount(self.segment), self.sites)


def fan_of(network: Network, chip: Chip, bricks: Sequence[Brick], source: str) -> Fan:
    """The fan of layer *source*, or of the spikes that enter from outside."""
    shape = network.shape_of(source)
    own = [(i, b) for i, b in enumerate(bricks) if source != INPUT and network.layers[b.layer].name == source]
    segment = _segments(network, chip.core, bricks, source, shape, [b for _, b in own])
    return _Maker(network, chip, bricks, source, shape, segment).fan(own)


def _segments(
    network: Network, core: CoreDescription, bricks: Sequence[Brick], source: str, shape: Shape, own: list[Brick]
) -> np.ndarray:
    """Channels cut wherever a brick of the source, or of a consumer that takes channels one by one, begins; everywhere, if
    zeros among the weights matter."""
    if zeros_matter(core):
        return np.arange(shape[0])
    cuts = {b.c0 for b in own}
    for brick in bricks:
        layer = network.layers[brick.layer]
        if any(s.source == source and s.weight is None for s in layer.shortcuts):
            cuts |= {brick.c0}
    starts = np.zeros(shape[0], np.int64)
    starts[sorted(cuts - {0})] = 1
    return np.cumsum(starts)


class _Maker:
    """Builds one fan; holds what all its parts need."""

    def __init__(
        self,
        network: Network,
        chip: Chip,
        bricks: Sequence[Brick],
        source: str,
        shape: Shape,
        segment: np.ndarray,
    ):
        self.network, self.chip, self.bricks = network, chip, bricks
        self.source, self.shape, self.segment = source, shape, segment
        self.sites = shape[1] * shape[2]
        self.segments = int(segment[-1]) + 1

    def fan(self, own: list[tuple[int, Brick]]) -> Fan:
        owner = self._stacked([(i, self._box(b)) for i, b in own])
        found: list[SpikeWork] = []
        reached: list[csr_array] = []
        for layer in self.network.layers:
            for source, shortcut in projections(self.network, layer):
                if source == self.source:
                    found += self._work(layer, shortcut)
                    reached.append(self._arrivals(layer, shortcut))
        arrives = sum(reached[1:], reached[0]) if reached else csr_array((len(self.bricks), owner.shape[1]), dtype=np.int64)
        groups, senders, targets = self._grouped(owner, arrives)
        if self.source == INPUT:
            owner = self._first_receivers(arrives)
        first = np.cumsum([0, *(len(receivers) for receivers in targets)])
        target = np.concatenate([*targets, np.empty(0, np.int64)]).astype(np.int64)
        sender = np.array(senders, np.int64)
        return Fan(
            source=self.source, shape=self.shape, segment=self.segment, owner=owner, groups=groups, sender=sender, first=first,
            target=target, work=tuple(found),
        )  # fmt: skip

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

    def _bricks_of(self, layer: Layer) -> list[tuple[int, Brick]]:
        return [(i, b) for i, b in enumerate(self.bricks) if self.network.layers[b.layer] is layer]

    def _taken(self, shortcut: Shortcut | None, brick: Brick) -> np.ndarray:
        """int64 [segments]: 1 for those that reach *brick*, over an identity shortcut its own channels alone."""
        identity = shortcut is not None and shortcut.weight is None
        return self._inside(brick) if identity else np.ones(self.segments, np.int64)

    def _arrivals(self, layer: Layer, shortcut: Shortcut | None) -> csr_array:
        """[bricks, columns], positive where a spike of a column arrives at a brick of *layer*."""
        onto = pool_sites(self.shape, (shortcut or layer).pool)
        found = []
        for index, brick in self._bricks_of(layer):
            sites = np.append(reach(self.network, layer, self.source, shortcut, brick).sites, 0)[onto]
            found.append((index, np.outer(self._taken(shortcut, brick), sites).ravel()))
        return self._stacked(found)

    def _work(self, layer: Layer, shortcut: Shortcut | None) -> Iterator[SpikeWork]:
        """What spikes cause in the bricks of *layer* over its main synapses or a shortcut."""
        pool = (shortcut or layer).pool
        onto = pool_sites(self.shape, pool)
        _, h, w = source_shape(self.network, layer, self.source, shortcut)
        found: dict[tuple[str, bool], list[tuple[int, np.ndarray]]] = {}
        for index, brick in self._bricks_of(layer):
            taken = self._taken(shortcut, brick)[:, None]
            caused = visit(self.network, self.chip.core, layer, self.source, shortcut, brick)
            for what, windows, amount in self._amounts(pool, caused):
                seen = amount if windows else np.append(amount, np.zeros((len(amount), 1), np.int64), 1)[:, onto]
                found.setdefault((what, windows), []).append((index, (taken * seen).ravel()))
        for (what, windows), rows in found.items():
            yield SpikeWork(what, self._stacked(rows, self.segments * h * w if windows else 0), windows)

    def _amounts(self, pool: Pool, caused: Visit) -> Iterator[tuple[str, bool, np.ndarray]]:
        """(what, whether only the first spike of a window causes it, how much) of a visit."""
        words = caused.items * -(-caused.bits // self.chip.home("weights").word_bits)
        summed = pool == "sum2" and self.chip.policy.pool == "summed"
        once = pool == "max2" or summed
        yield "synaptic_events", pool == "max2", caused.synapses
        yield "weight_words", once, words
        yield "pool_macs" if summed else "accumulates", once, caused.adds
        yield "pool_passes" if summed else "passes", once, caused.passes
        if summed:
            into = np.minimum(caused.synapses, 1)
            yield "pool_adds", False, into
            yield "passes", False, into

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
