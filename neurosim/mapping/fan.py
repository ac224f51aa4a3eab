"""Which bricks the spikes of a population reach, and which work they cause there; where bricks lie does not matter.

Spikes matter by *column*: (segment of channels, site). Within a column all neurons live in one core and send to the same
cores, so counting spikes per column is all that is needed to count packets, flits, weight rows and accumulates exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, csr_array

from neurosim.chip.chip import Chip, CoreDescription
from neurosim.mapping.brick import Brick, readers
from neurosim.mapping.brick_rows import BrickRows
from neurosim.mapping.storage import Visit, visit, zeros_matter
from neurosim.network.layers import INPUT, Axes, Pooling, Shape, Shortcut, groups_of, overlap, pool_axes, pool_kind
from neurosim.network.network import Network
from neurosim.spikes.synapses import windows_of


class SpikeWork(NamedTuple):
    """What spikes cause in the bricks of one consumer, over its main synapses or one of its shortcuts: how much of *what* one
    spike of a column causes in a brick.

    windows: columns are those of the map pooled by these windows, and only the first spike of a window counts; None: every
    spike of a column does. sites: only the first from a site and a sender does. what: a count of
    `neurosim.cost.activity.Activity`, or passes: rounds of the core's lanes that the additions, mac_passes: that the
    multiplications take.
    """

    what: str
    amount: BrickRows
    windows: Axes | None
    sites: bool


@dataclass(frozen=True, eq=False)
class Fan:
    """Everything the spikes of one source cause, but for their ways.

    segment: int64 [channels], segment of each channel; columns are segment * sites + site. owner: 1 where the column lives
    (input from outside: the first brick it arrives at). groups: [groups, columns], columns of one brick that reach the same
    bricks: sender: int64 [groups], that brick, -1 outside; target[first[i] : first[i + 1]]: int64, the bricks that group i
    reaches.
    """

    source: str
    shape: Shape
    segment: np.ndarray
    owner: BrickRows
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

    @cached_property
    def lead(self) -> np.ndarray:
        """int64 [columns]: the lowest column of the same site and sender; spikes from outside have one sender."""
        sender = np.zeros(self.segments * self.sites, np.int64)
        if self.source != INPUT:
            brick, column, _ = self.owner.entries
            sender[column] = brick
        key = sender * self.sites + np.tile(np.arange(self.sites), self.segments)
        _, first, place = np.unique(key, return_index=True, return_inverse=True)
        return first[place]


# (number of a layer, None for its main synapses or the shortcut)
Reader = tuple[int, Shortcut | None]
# (number among all bricks, brick)
Numbered = tuple[int, Brick]


def fans_of(network: Network, chip: Chip, bricks: Sequence[Brick]) -> dict[str, Fan]:
    """The fan of every spiking layer, and of the spikes that enter from outside, if the input is made of them."""
    bricks_of: list[list[Numbered]] = [[] for _ in network.layers]
    for number, brick in enumerate(bricks):
        bricks_of[brick.layer].append((number, brick))
    reading, found = readers(network), dict[str, Fan]()
    if network.input.encoding == "spikes":
        found[INPUT] = _Maker(network, chip, bricks_of, INPUT, [], reading[INPUT]).fan()
    for layer, own in zip(network.layers, bricks_of, strict=True):
        if layer.spiking:
            found[layer.name] = _Maker(network, chip, bricks_of, layer.name, own, reading[layer.name]).fan()
    return found


def _segments(
    network: Network, core: CoreDescription, channels: int, own: list[Numbered], bricks_of: list[list[Numbered]],
    reading: list[Reader],
) -> np.ndarray:  # fmt: skip
    """Channels cut wherever a brick of the source, or of a consumer that takes channels one by one, or a group of a consumer
    begins; everywhere, if zeros among the weights matter."""
    if zeros_matter(core):
        return np.arange(channels)
    alone = [bricks_of[layer] for layer, shortcut in reading if shortcut is not None and shortcut.weight is None]
    starts = np.zeros(channels, np.int64)
    starts[[b.c0 for some in (own, *alone) for _, b in some]] = 1
    for layer, shortcut in reading:
        starts[:: channels // groups_of(shortcut or network.layers[layer])] = 1
    starts[0] = 0
    return np.cumsum(starts)


class _Reading(NamedTuple):
    """What one reader of a source does with its spikes: work; arrivals: int32 (bricks, columns), which arrive where."""

    work: list[SpikeWork]
    arrivals: tuple[np.ndarray, np.ndarray]


class _Maker:
    """Builds one fan; holds what all its parts need."""

    def __init__(
        self,
        network: Network,
        chip: Chip,
        bricks_of: list[list[Numbered]],
        source: str,
        own: list[Numbered],
        reading: list[Reader],
    ):
        self.network, self.chip, self.bricks_of = network, chip, bricks_of
        self.source, self.own, self.reading = source, own, reading
        self.shape = network.shape_of(source)
        self.segment = _segments(network, chip.core, self.shape[0], own, bricks_of, reading)
        self.sites = self.shape[1] * self.shape[2]
        self.segments = int(self.segment[-1]) + 1
        self.columns = self.segments * self.sites

    def fan(self) -> Fan:
        readings = [self._read(*reader) for reader in self.reading]
        brick, column = (np.concatenate([*(r.arrivals[i] for r in readings), np.empty(0, np.int32)]) for i in (0, 1))
        shape = (sum(map(len, self.bricks_of)), self.columns)
        arrives = csc_array((np.ones(len(brick), np.int8), (brick, column)), shape=shape)
        owner = self._first_receivers(arrives) if self.source == INPUT else self._owner()
        groups, sender, first, target = self._grouped(owner, arrives)
        return Fan(
            source=self.source, shape=self.shape, segment=self.segment, owner=owner, groups=groups, sender=sender, first=first,
            target=target, work=tuple(work for r in readings for work in r.work),
        )  # fmt: skip

    def _owner(self) -> BrickRows:
        """1 for the columns inside each brick of the source."""
        found = []
        for number, brick in self.own:
            site = np.add.outer(np.arange(brick.y0, brick.y1) * self.shape[2], np.arange(brick.x0, brick.x1)).ravel()
            column = np.add.outer(self._inside(brick.c0, brick.c1) * self.sites, site).ravel()
            found.append((number, column, np.ones(len(column), np.int64)))
        return BrickRows.stacked(found, self.columns)

    def _first_receivers(self, arrives: csc_array) -> BrickRows:
        """1 at the first brick that each column arrives at, at brick 0 if at none."""
        first, some = np.zeros(self.columns, np.int64), np.diff(arrives.indptr) > 0
        first[some] = arrives.indices[arrives.indptr[:-1][some]]
        (found,) = BrickRows.sorted(first, np.arange(self.columns), [np.ones(self.columns, np.int64)], self.columns)
        return found

    def _inside(self, first: int, last: int) -> np.ndarray:
        """int64: the segments of the channels *first* to *last* - 1."""
        return np.arange(self.segment[first], self.segment[last - 1] + 1)

    def _read(self, index: int, shortcut: Shortcut | None) -> _Reading:
        """What spikes do in the bricks of layer number *index* over its main synapses or a shortcut."""
        layer = self.network.layers[index]
        pool = (shortcut or layer).pool
        windows = windows_of(self.shape, pool)
        found: dict[tuple[str, bool, bool], list[tuple[int, np.ndarray, np.ndarray]]] = {}
        bricks, columns = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for number, brick in self.bricks_of[index]:
            caused = visit(self.network, self.chip, layer, self.source, shortcut, brick)
            kinds = len(caused.synapses)
            taken = self._inside(caused.first, caused.first + kinds * caused.axons)
            kind = (np.searchsorted(self.segment, taken) - caused.first) // caused.axons
            place, site = windows.pairs(caused.site)
            column = np.add.outer(taken * self.sites, site).ravel()
            window = np.add.outer(taken * windows.many, caused.site).ravel()
            bricks.append(np.full(len(column), number, np.int32))
            columns.append(column.astype(np.int32))
            for what, once, sites, amount in self._amounts(pool, caused):
                each = np.broadcast_to(amount, caused.synapses.shape)[kind]
                many = each if once else each[:, place]
                found.setdefault((what, once, sites), []).append((number, window if once else column, many.ravel()))
        moves = pool_axes(pool)
        wide = {True: self.segments * windows.many, False: self.columns}
        work = [
            SpikeWork(what, BrickRows.stacked(rows, wide[once]), moves if once else None, sites)
            for (what, once, sites), rows in found.items()
        ]
        return _Reading(work, (np.concatenate(bricks), np.concatenate(columns)))

    def _amounts(self, pool: Pooling, caused: Visit) -> Iterator[tuple[str, bool, bool, np.ndarray]]:
        """(what, whether only the first spike of a window causes it, and only the first from a site, how much) of a visit."""
        words = caused.items * -(-caused.bits // self.chip.home("weights").word_bits)
        largest = pool_kind(pool) == "max"
        summed = pool is not None and not largest and self.chip.policy.pool == "summed"
        once = largest or summed
        valued = self.network.carries(self.source)
        # What a window causes once in a step is no matter of sites, and where windows overlap a spike is visit after visit.
        kept = 0 * caused.kept if once or overlap(pool) else caused.kept
        yield "synaptic_events", largest, False, caused.synapses
        yield "weight_words", once, False, words
        yield "state_words", once, False, np.where(kept, 0, caused.touched)
        yield "pool_macs" if summed else "payload_macs" if valued else "accumulates", once, False, caused.adds
        yield "mac_passes" if summed or valued else "passes", once, False, caused.passes
        if summed:
            into = np.minimum(caused.synapses, 1)
            yield "pool_adds", False, False, into
            yield "passes", False, False, into
        if kept.any():
            yield "state_words", False, True, kept
            yield "register_adds", False, False, np.where(kept, caused.adds, 0)

    def _grouped(self, owner: BrickRows, arrives: csc_array) -> tuple[csr_array, np.ndarray, np.ndarray, np.ndarray]:
        """(groups, sender, first, target): columns grouped by sender and set of receiving bricks; columns that send nowhere are
        left out."""
        sender, first = np.full(self.columns, -1), arrives.indptr
        if self.source != INPUT:
            brick, column, _ = owner.entries
            sender[column] = brick
        some, text, width = np.flatnonzero(np.diff(first)), arrives.indices.tobytes(), arrives.indices.itemsize
        keys = zip(sender[some].tolist(), (first[some] * width).tolist(), (first[some + 1] * width).tolist(), strict=True)
        known: dict[tuple[int, bytes], int] = {}
        group = np.array([known.setdefault((own, text[a:b]), len(known)) for own, a, b in keys], np.int64)
        order = np.argsort(group, kind="stable")
        ends = np.cumsum([0, *np.bincount(group, minlength=len(known))])
        groups = csr_array((np.ones(len(some), np.int64), some[order], ends), shape=(len(known), self.columns))
        one = some[order[ends[:-1]]]
        targets = [arrives.indices[a:b] for a, b in zip(first[one].tolist(), first[one + 1].tolist(), strict=True)]
        target = np.concatenate([*targets, np.empty(0, np.int64)]).astype(np.int64)
        return groups, sender[one], np.cumsum([0, *map(len, targets)]), target
