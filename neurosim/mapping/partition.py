"""Cutting layers into bricks that each fit a core."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.families import Family, function
from neurosim.mapping.brick import Brick, projections, reach, source_shape, taken
from neurosim.mapping.demand import Violation, claims, uses, violations
from neurosim.mapping.packing import packed
from neurosim.network.layers import Layer, Shortcut, after, axes, groups_of, pool_axes
from neurosim.network.network import Network
from neurosim.spikes.synapses import Taps, taps

Span = tuple[int, int]
# By size of a part of the channels, the rows and the columns of a layer: where it is.
Furthest = tuple[dict[int, Span], dict[int, Span], dict[int, Span]]
# Channels, rows and columns of the largest brick of a layer.
Size = tuple[int, int, int]


class Cut(NamedTuple):
    """bricks: of all layers in order. routes: int64 [bricks], entries that each needs at most. problems: everything that cannot
    be cut to fit."""

    bricks: tuple[Brick, ...]
    routes: np.ndarray
    problems: list[Violation]


class Ways(NamedTuple):
    """Sizes of all layers; cores that they take; packets if every neuron fires once."""

    sizes: tuple[Size, ...]
    cores: int
    packets: int


# (ways to cut, cores of the chip) -> what is wanted least of all first; the smallest wins.
Objective = Callable[[Ways, int], tuple[int, ...]]


def fewest_cores(ways: Ways, available: int) -> tuple[int, ...]:
    """As few cores as were found."""
    return ways.cores, ways.packets


def least_traffic(ways: Ways, available: int) -> tuple[int, ...]:
    """As few packets as the cores of the chip allow."""
    return max(0, ways.cores - available), ways.packets, ways.cores


OBJECTIVES: Family[Objective] = Family("partitioner", {"cores": fewest_cores, "traffic": least_traffic}, taken=function)


def partition(network: Network, chip: Chip, objective: str | Objective = "cores") -> Cut:
    """The bricks that come out best by *objective*, one of OBJECTIVES or a function like them.

    Weights live behind a memory only where a layer cannot be cut otherwise, or all layers together would need too many cores.
    """
    _, rank = OBJECTIVES.of(objective)
    found = _Cutter(network, chip, spill=False).cut(rank)
    if not found.problems and len(np.unique(packed(network, chip, found.bricks, found.routes))) <= chip.cores:
        return found
    return _Cutter(network, chip, spill=True).cut(rank)


class _Pass(NamedTuple):
    """Sizes of all layers as one sweep over them leaves them, from the last to the first. packets: of every layer. moved:
    layers that came out otherwise than those which feed them back were told."""

    ways: Ways
    packets: dict[int, int]
    moved: frozenset[int]


class _Cutter:
    """Chooses the sizes of bricks, from the last layer to the first: how many cores a neuron must reach, and with it the room
    for routes, depends on its consumers."""

    def __init__(self, network: Network, chip: Chip, spill: bool):
        self.network, self.chip, self.spill = network, chip, spill
        self.layers = network.layers
        number = {layer.name: i for i, layer in enumerate(self.layers)}
        self.sources = [sorted({number[s] for s in layer.sources if s in number}) for layer in self.layers]
        self.consumers: list[list[int]] = [[] for _ in self.layers]
        for index, sources in enumerate(self.sources):
            for source in sources:
                self.consumers[source].append(index)
        self.feeds_back = any(source >= index for index, sources in enumerate(self.sources) for source in sources)
        self.front = lru_cache(None)(self._front)
        self.reached = lru_cache(None)(self._reached)

    def cut(self, objective: Objective) -> Cut:
        sizes = self._chosen(objective)
        problems, fanouts = [], [self._fanout(index, sizes) for index in range(len(self.layers))]
        for index, layer in enumerate(self.layers):
            if self.front(index, fanouts[index]):
                continue
            channels, rows, columns = _furthest_spans(self.network, layer)
            smallest = Brick(index, *channels[1], *rows[1], *columns[1])
            problems += violations(self.network, [smallest], None, uses(self.network, self.chip, [smallest], fanouts[index]))
        bricks = tuple(brick for index, layer in enumerate(self.layers) for brick in _cut(index, layer, sizes[index]))
        routes = np.array([brick.neurons * fanouts[brick.layer] for brick in bricks])
        return Cut(bricks, routes, problems)

    def _chosen(self, objective: Objective) -> tuple[Size, ...]:
        """The sizes that come out best. What layers that feed back reach is not known before all are cut: they are guessed to
        be whole, then as they came out, and where that does not fit to be cut as finely as can be, which reaches most."""
        whole, finest = tuple(layer.shape for layer in self.layers), ((1, 1, 1),) * len(self.layers)
        found = self._best(objective, self._best(objective, whole) if self.feeds_back else whole)
        return found if self._suffices(found) else self._best(objective, finest)

    def _suffices(self, sizes: tuple[Size, ...]) -> bool:
        """Whether every layer fits with the routes that it needs."""
        return all(size in self.front(i, self._fanout(i, sizes)) for i, size in enumerate(sizes))

    def _best(self, objective: Objective, guess: tuple[Size, ...]) -> tuple[Size, ...]:
        """Layer by layer the size with which all that are still open come out best."""
        last = len(self.layers)
        best = self._swept(_Pass(Ways(guess, 0, 0), {}, frozenset()), last, {*range(last)})
        for index in reversed(range(last)):
            options = self.front(index, self._fanout(index, best.ways.sizes)) or (best.ways.sizes[index],)
            found = [self._resized(best, index, size) for size in options]
            best = min(found, key=lambda sweep: objective(sweep.ways, self.chip.cores))
        return best.ways.sizes

    def _resized(self, before: _Pass, index: int, size: Size) -> _Pass:
        """The sweep after *before* in which layer *index* has this size, those after it stay, and those before it get the size
        with the fewest cores."""
        sizes, old = before.ways.sizes, before.ways.sizes[index]
        # A sweep learns of what fed it back in the one before only now.
        late = {source for layer in before.moved for source in self.sources[layer] if source >= layer}
        if size == old:
            return self._swept(before, index, late | {index})
        cores = before.ways.cores + self._cores(index, size) - self._cores(index, old)
        resized = Ways((*sizes[:index], size, *sizes[index + 1 :]), cores, before.ways.packets)
        return self._swept(before._replace(ways=resized), index, late | {index, *self.sources[index]})

    def _swept(self, before: _Pass, fixed: int, stale: set[int]) -> _Pass:
        """Go through the *stale* layers, and those that become so, from the last to the first: their packets, and the size with
        the fewest cores for those before layer *fixed*."""
        sizes, (_, cores, total) = list(before.ways.sizes), before.ways
        packets, moved, waiting = dict[int, int](), set[int](), [-layer for layer in stale]
        heapify(waiting)
        while waiting:
            index = -heappop(waiting)
            if index in packets:
                continue
            if index < fixed:
                front = self.front(index, self._fanout(index, sizes))
                size = front[0] if front else (1, 1, 1)
                first = index not in before.packets
                if size != sizes[index]:
                    moved.add(index)
                    for source in self.sources[index]:
                        if source < index:
                            heappush(waiting, -source)
                cores += self._cores(index, size) - (0 if first else self._cores(index, sizes[index]))
                sizes[index] = size
            packets[index] = self.layers[index].shape[0] * int(self._sent(index, sizes).sum())
            total += packets[index] - before.packets.get(index, 0)
        return _Pass(Ways(tuple(sizes), cores, total), {**before.packets, **packets}, frozenset(moved))

    def _cores(self, index: int, size: Size) -> int:
        """Bricks of that size that a layer takes."""
        return math.prod(-(-n // s) for n, s in zip(self.layers[index].shape, size, strict=True))

    def _fanout(self, index: int, sizes: Sequence[Size]) -> int:
        """Most route entries that one neuron of a layer needs: cores it reaches, or one for a multicast tree."""
        most = int(self._sent(index, sizes).max(initial=0))
        return min(most, 1) if self.chip.mesh.delivery == "multicast" else most

    def _sent(self, index: int, sizes: Sequence[Size]) -> np.ndarray:
        """int64 [sites]: cores that a neuron of a layer at each site reaches, at most."""
        _, h, w = self.layers[index].shape
        total = np.zeros(h * w, np.int64)
        for consumer in self.consumers[index]:
            total += self.reached(index, consumer, sizes[consumer])
        return total

    def _reached(self, index: int, consumer: int, size: Size) -> np.ndarray:
        return cores_reached(self.network, self.layers[index], self.layers[consumer], size)

    def _front(self, index: int, fanout: int) -> tuple[Size, ...]:
        """Sizes that fit with so many routes per neuron, by rising number of cores, each with fewer packets per input spike."""
        layer = self.layers[index]
        spans = _furthest_spans(self.network, layer)
        ranked = []
        for size in product(*spans):
            cuts = [-(-n // s) for n, s in zip(layer.shape, size, strict=True)]
            ranked.append((cuts[0] * cuts[1] * cuts[2], cuts[0] * (cuts[1] + cuts[2]), abs(size[1] - size[2]), size))
        found: list[Size] = []
        fewest = None
        for _, packets, _, size in sorted(ranked):
            if (fewest is None or packets < fewest) and self._fits(index, size, spans, fanout):
                found.append(size)
                fewest = packets
        return tuple(found)

    def _fits(self, index: int, size: Size, spans: Furthest, fanout: int) -> bool:
        channels, rows, columns = (found[n] for found, n in zip(spans, size, strict=True))
        bricks = {Brick(index, *channels, *rows, *columns): None}
        if self.chip.core.storage != "shared":
            # Which brick has the most synapses is not known beforehand.
            bricks |= dict.fromkeys(_cut(index, self.layers[index], size))
        return all(self._brick_fits(brick, fanout) for brick in bricks)

    def _brick_fits(self, brick: Brick, fanout: int) -> bool:
        limit = self.chip.core.max_neurons
        if limit is not None and brick.neurons > limit:
            return False
        found = claims(self.network, self.chip, [brick], brick.neurons * fanout, self.spill)
        return all(use.limit is None or use.demand <= use.limit for use in found)


def _cut(index: int, layer: Layer, size: Size) -> list[Brick]:
    channels, rows, columns = (_spans(n, step) for n, step in zip(layer.shape, size, strict=True))
    return [Brick(index, *c, *y, *x) for c, y, x in product(channels, rows, columns)]


def _spans(n: int, step: int) -> list[Span]:
    return [(first, min(first + step, n)) for first in range(0, n, step)]


def _sizes(n: int) -> list[int]:
    """Every different size of the largest part when n is cut into equal parts, the largest first."""
    return sorted({-(-n // parts) for parts in range(1, n + 1)}, reverse=True)


def _furthest_spans(network: Network, layer: Layer) -> Furthest:
    """For every size of a part, the channels, the rows and the columns that reach the most inputs: limits must hold there
    too."""
    many, height, width = layer.shape
    weighted = [p for p in projections(network, layer) if p[1] is None or p[1].weight is not None]

    def from_channels(c: Span) -> int:
        brick = Brick(layer=0, c0=c[0], c1=c[1], y0=0, y1=height, x0=0, x1=width)
        spans = [taken(network, layer, *p, brick) for p in weighted]
        return sum(last - first for first, last in spans)

    def from_rows(y: Span) -> int:
        brick = Brick(layer=0, c0=0, c1=1, y0=y[0], y1=y[1], x0=0, x1=width)
        return sum(int(np.count_nonzero(reach(network, layer, *p, brick).y)) for p in weighted)

    def from_columns(x: Span) -> int:
        brick = Brick(layer=0, c0=0, c1=1, y0=0, y1=height, x0=x[0], x1=x[1])
        return sum(int(np.count_nonzero(reach(network, layer, *p, brick).x)) for p in weighted)

    # Without groups all channels reach alike.
    channels = {n: max(_spans(many, n), key=from_channels) if layer.blocks > 1 else (0, n) for n in _sizes(many)}
    rows = {n: max(_spans(height, n), key=from_rows) for n in _sizes(height)}
    return channels, rows, {n: max(_spans(width, n), key=from_columns) for n in _sizes(width)}


def cores_reached(network: Network, layer: Layer, consumer: Layer, size: Size) -> np.ndarray:
    """int64 [sites]: cores of *consumer*, cut to bricks of *size*, that a neuron of *layer* at each site reaches, at most:
    those of all channels of its group over weights, those of its own channel over an identity shortcut."""
    mine = [shortcut for source, shortcut in projections(network, consumer) if source == layer.name]
    tiles = [_tiles(network, layer, consumer, shortcut, size) for shortcut in mine]
    links = [shortcut or consumer for shortcut in mine]
    # Groups of a projection: an identity has as many as there are channels.
    groups = tuple(consumer.shape[0] if link.weight is None else groups_of(link) for link in links)
    most = np.zeros(layer.shape[1] * layer.shape[2], np.int64)
    for parts in _channel_parts(layer.shape[0], consumer.shape[0], groups, size[0]):
        by = ((many, [tiles[i] for i in chosen]) for chosen, many in parts)
        most = np.maximum(most, sum((many * _union(chosen, layer) for many, chosen in by), start=np.zeros_like(most)))
    return most


# Parts of the channels that are reached over some projections and no other: (which projections, how many parts).
Parts = tuple[tuple[tuple[int, ...], int], ...]


@lru_cache(maxsize=4096)
def _channel_parts(source: int, channels: int, groups: tuple[int, ...], step: int) -> tuple[Parts, ...]:
    """What a channel of a source reaches over projections of so many *groups* each, where *channels* are cut into parts of
    *step*: every way in which one of its channels does it, once."""
    inputs, share = source // np.array(groups, np.int64), channels // np.array(groups, np.int64)
    group = np.arange(source)[:, None] // inputs
    spans = np.stack([group * share // step, ((group + 1) * share - 1) // step], 2)
    found = dict[Parts, None]()
    for first, last in np.unique(spans, axis=0).transpose(0, 2, 1):
        # Between two neighbouring edges all parts are reached over the same projections.
        edges = np.unique(np.concatenate([first, last + 1]))
        over = [tuple(np.flatnonzero((first <= at) & (at <= last)).tolist()) for at in edges[:-1]]
        many = Counter[tuple[int, ...]]()
        for chosen, width in zip(over, np.diff(edges).tolist(), strict=True):
            many[chosen] += width
        found[tuple(sorted((chosen, n) for chosen, n in many.items() if chosen))] = None
    return tuple(found)


# Which parts of an axis each coordinate of a source reaches, bool [coordinates, parts], of rows and of columns.
Tiles = tuple[np.ndarray, np.ndarray]


def _tiles(network: Network, layer: Layer, consumer: Layer, shortcut: Shortcut | None, size: Size) -> Tiles:
    """Parts of the consumer's rows that each row of the source reaches, parts of its columns that each column does."""
    link, convolved = shortcut or consumer, axes(shortcut or consumer)
    _, *seen = source_shape(network, consumer, layer.name, shortcut)
    found = []
    for axis, pool in enumerate(pool_axes(link.pool)):
        wide, onto, step = layer.shape[1 + axis], consumer.shape[1 + axis], size[1 + axis]
        parts = np.ones((seen[axis], 1), bool)
        if convolved is not None:
            landing, windows = consumer.landing[1 + axis], pool_axes(after(consumer))[axis]
            whole = np.arange(onto)[:, None] // step == np.arange(-(-onto // step))
            whole = _onto(whole, taps(landing, onto, windows), landing)
            parts = _onto(whole, taps(seen[axis], landing, convolved[axis]), seen[axis])
        found.append(_onto(parts, taps(wide, seen[axis], pool), wide))
    return found[0], found[1]


def _onto(parts: np.ndarray, found: Taps, size: int) -> np.ndarray:
    """bool [size, parts]: what the outputs that each of so many coordinates reaches have, bool [outputs, parts]."""
    coordinate, output = found.pairs
    reached = np.zeros((size, parts.shape[1]), bool)
    np.logical_or.at(reached, coordinate, parts[output])
    return reached


def _union(found: list[Tiles], layer: Layer) -> np.ndarray:
    """int64 [sites]: parts reached by any, each once."""
    total = np.zeros(layer.shape[1] * layer.shape[2], np.int64)
    for many in range(1, len(found) + 1):
        for chosen in combinations(found, many):
            rows, columns = (np.logical_and.reduce(each).sum(1) for each in zip(*chosen, strict=True))
            total += (-1) ** (many + 1) * np.outer(rows, columns).ravel()
    return total
