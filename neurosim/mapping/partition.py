"""Cutting layers into bricks that each fit a core, as few as possible."""

from __future__ import annotations

from itertools import product

import numpy as np

from neurosim.chip import Chip
from neurosim.layers import Layer
from neurosim.mapping.brick import Brick, projections, reach
from neurosim.mapping.demand import Violation, uses, violations
from neurosim.network import Network
from neurosim.synapses import pool_sites

Span = tuple[int, int]


def partition(network: Network, chip: Chip) -> tuple[list[Brick], list[Violation]]:
    """Bricks of all layers in order, and everything that cannot be cut to fit.

    Weights live behind a memory only where a layer cannot be cut otherwise, or all layers together would need too many cores.
    """
    bricks, problems = _partition(network, chip, spill=False)
    return (bricks, problems) if len(bricks) <= chip.cores and not problems else _partition(network, chip, spill=True)


def _partition(network: Network, chip: Chip, spill: bool) -> tuple[list[Brick], list[Violation]]:
    """Layers are cut from the last to the first, because how many cores a neuron must reach depends on its consumers."""
    bricks: dict[int, list[Brick]] = {}
    problems: list[Violation] = []
    for index in reversed(range(len(network.layers))):
        layer = network.layers[index]
        fanout = _largest_fanout(network, chip, layer, bricks)
        size = _best_size(network, chip, index, fanout, spill) or _best_size(network, chip, index, fanout, True)
        if size is None:
            rows, columns = _furthest_spans(network, layer)
            smallest = Brick(index, 0, 1, *rows[1], *columns[1])
            problems += violations(network, smallest, None, uses(network, chip, smallest, fanout))
            size = (1, 1, 1)
        bricks[index] = _cut(index, layer, size)
    return [b for index in range(len(network.layers)) for b in bricks[index]], problems[::-1]


def _cut(index: int, layer: Layer, size: tuple[int, int, int]) -> list[Brick]:
    channels, rows, columns = (_spans(n, step) for n, step in zip(layer.shape, size, strict=True))
    return [Brick(index, *c, *y, *x) for c, y, x in product(channels, rows, columns)]


def _spans(n: int, step: int) -> list[Span]:
    return [(first, min(first + step, n)) for first in range(0, n, step)]


def _sizes(n: int) -> list[int]:
    """Every different size of the largest part when n is cut into equal parts, the largest first."""
    return sorted({-(-n // parts) for parts in range(1, n + 1)}, reverse=True)


def _furthest_spans(network: Network, layer: Layer) -> tuple[dict[int, Span], dict[int, Span]]:
    """For every size of a part, the rows and the columns that reach the most inputs: limits must hold there too."""
    _, height, width = layer.shape
    weighted = [p for p in projections(network, layer) if p[1] is None or p[1].weight is not None]

    def from_rows(y: Span) -> int:
        brick = Brick(0, 0, 1, y[0], y[1], 0, width)
        return sum(int(np.count_nonzero(reach(network, layer, *p, brick).y)) for p in weighted)

    def from_columns(x: Span) -> int:
        brick = Brick(0, 0, 1, 0, height, x[0], x[1])
        return sum(int(np.count_nonzero(reach(network, layer, *p, brick).x)) for p in weighted)

    rows = {n: max(_spans(height, n), key=from_rows) for n in _sizes(height)}
    return rows, {n: max(_spans(width, n), key=from_columns) for n in _sizes(width)}


def _best_size(network: Network, chip: Chip, index: int, fanout: int, spill: bool) -> tuple[int, int, int] | None:
    """Channels, rows and columns of the bricks: fewest cores, then fewest packets per input spike, then squarest."""
    layer = network.layers[index]
    rows, columns = _furthest_spans(network, layer)
    best: tuple[float, ...] | None = None
    chosen: tuple[int, int, int] | None = None
    for size in product(_sizes(layer.shape[0]), rows, columns):
        cuts = [-(-n // s) for n, s in zip(layer.shape, size, strict=True)]
        rank = (cuts[0] * cuts[1] * cuts[2], cuts[0] * (cuts[1] + cuts[2]), abs(size[1] - size[2]))
        if best is not None and rank >= best:
            continue
        bricks = [Brick(index, 0, size[0], *rows[size[1]], *columns[size[2]])]
        if chip.core.storage != "shared":
            # Which brick has the most synapses is not known beforehand.
            bricks += _cut(index, layer, size)
        if all(_fits(network, chip, brick, fanout, spill) for brick in bricks):
            best, chosen = rank, size
    return chosen


def _fits(network: Network, chip: Chip, brick: Brick, fanout: int, spill: bool) -> bool:
    limit = chip.core.max_neurons
    if limit is not None and brick.neurons > limit:
        return False
    return all(u.limit is None or u.demand <= u.limit for u in uses(network, chip, brick, brick.neurons * fanout, spill))


def _largest_fanout(network: Network, chip: Chip, layer: Layer, bricks: dict[int, list[Brick]]) -> int:
    """Most route entries that one neuron of *layer* needs: cores it reaches, or one for a multicast tree."""
    total = np.zeros(layer.shape[1] * layer.shape[2], np.int64)
    for index, consumers in bricks.items():
        if layer.name in network.layers[index].sources:
            total += _cores_reached(network, layer, network.layers[index], consumers)
    most = int(total.max(initial=0))
    return min(most, 1) if chip.mesh.delivery == "multicast" else most


def _cores_reached(network: Network, layer: Layer, consumer: Layer, bricks: list[Brick]) -> np.ndarray:
    """int64 [sites]: most cores of *consumer* that a neuron of *layer* at each site reaches."""
    mine = [p for p in projections(network, consumer) if p[0] == layer.name]
    total = np.zeros(layer.shape[1] * layer.shape[2], np.int64)
    alone = np.zeros_like(total)
    for brick in bricks:
        reached = {identity: np.zeros(len(total), bool) for identity in (False, True)}
        for source, shortcut in mine:
            onto = pool_sites(layer.shape, (shortcut or consumer).pool)
            sites = np.append(reach(network, consumer, source, shortcut, brick).sites > 0, False)[onto]
            reached[(shortcut or consumer).weight is None] |= sites
        total += reached[False]
        alone |= reached[True] & ~reached[False]
    return total + alone
