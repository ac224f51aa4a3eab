"""Cutting layers into bricks that each fit a core, as few as possible."""

from __future__ import annotations

from itertools import product

import numpy as np

from neurosim.chip import Chip
from neurosim.mapping.brick import Brick, projections, reach
from neurosim.mapping.demand import Violation, uses, violations
from neurosim.network import Layer, Network
from neurosim.synapses import pool_sites


def partition(network: Network, chip: Chip) -> tuple[list[Brick], list[Violation]]:
    """Bricks of all layers in order, and everything that cannot be cut to fit.

    Layers are cut from the last to the first, because how many cores a neuron must reach depends on its consumers.
    """
    bricks: dict[int, list[Brick]] = {}
    problems: list[Violation] = []
    for index in reversed(range(len(network.layers))):
        layer = network.layers[index]
        fanout = _largest_fanout(network, chip, layer, bricks)
        size = _best_size(network, chip, index, fanout)
        if size is None:
            smallest = Brick(index, 0, 1, 0, 1, 0, 1)
            problems += violations(network, smallest, None, uses(network, chip, smallest, fanout))
            size = (1, 1, 1)
        bricks[index] = _cut(index, layer, size)
    return [b for index in range(len(network.layers)) for b in bricks[index]], problems[::-1]


def _cut(index: int, layer: Layer, size: tuple[int, int, int]) -> list[Brick]:
    spans = [[(a, min(a + step, n)) for a in range(0, n, step)] for n, step in zip(layer.shape, size, strict=True)]
    return [Brick(index, *c, *y, *x) for c, y, x in product(*spans)]


def _sizes(n: int) -> list[int]:
    """Every different size of the largest part when n is cut into equal parts, the largest first."""
    return sorted({-(-n // parts) for parts in range(1, n + 1)}, reverse=True)


def _best_size(network: Network, chip: Chip, index: int, fanout: int) -> tuple[int, int, int] | None:
    """Channels, rows and columns of the bricks: fewest cores, then fewest packets per input spike, then squarest."""
    layer = network.layers[index]
    best: tuple[float, ...] | None = None
    chosen: tuple[int, int, int] | None = None
    channels, rows, columns = (_sizes(n) for n in layer.shape)
    for size in product(channels, rows, columns):
        cuts = [-(-n // s) for n, s in zip(layer.shape, size, strict=True)]
        rank = (cuts[0] * cuts[1] * cuts[2], cuts[0] * (cuts[1] + cuts[2]), abs(size[1] - size[2]))
        if best is not None and rank >= best:
            continue
        if _fits(network, chip, index, size, fanout):
            best, chosen = rank, size
    return chosen


def _fits(network: Network, chip: Chip, index: int, size: tuple[int, int, int], fanout: int) -> bool:
    """Whether a brick of *size* fits wherever it lies: tried in the middle of the map, where it reaches furthest."""
    limit = chip.core.max_neurons
    if limit is not None and size[0] * size[1] * size[2] > limit:
        return False
    _, h, w = network.layers[index].shape
    y, x = (h - size[1]) // 2, (w - size[2]) // 2
    brick = Brick(index, 0, size[0], y, y + size[1], x, x + size[2])
    found = uses(network, chip, brick, brick.neurons * fanout)
    return all(u.limit is None or u.demand <= u.limit for u in found)


def _largest_fanout(network: Network, chip: Chip, layer: Layer, bricks: dict[int, list[Brick]]) -> int:
    """Most route entries that one neuron of *layer* needs: cores it reaches, or one for a multicast tree."""
    sites = layer.shape[1] * layer.shape[2]
    total = np.zeros(sites, np.int64)
    for index, consumers in bricks.items():
        consumer = network.layers[index]
        for source, shortcut in projections(network, consumer):
            if source != layer.name:
                continue
            if shortcut is not None and shortcut.weight is None:
                total += 1
                continue
            onto = pool_sites(layer.shape, consumer.pool if shortcut is None else None)
            for brick in consumers:
                reached = reach(network, consumer, source, shortcut, brick).sites > 0
                total += np.append(reached, False)[onto]
    most = int(total.max(initial=0))
    return min(most, 1) if chip.mesh.delivery == "multicast" else most
