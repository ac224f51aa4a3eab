"""Bricks of different layers that share a core."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.mapping.demand import claims
from neurosim.network.network import Network


def packed(network: Network, chip: Chip, bricks: Sequence[Brick], routes: np.ndarray) -> np.ndarray:
    """int64 [bricks]: number of the core of every brick, counted in the order of their first bricks.

    routes: int64 [bricks], entries that each needs at most. What shares a core is of different layers and fits without
    spilling. By falling demand, every brick goes to the first core that has room (first fit decreasing, D. S. Johnson,
    Near-optimal bin packing algorithms, MIT 1973).
    """
    if chip.core.max_layers == 1 or not bricks:
        return np.arange(len(bricks))
    empty, limits = _demands(network, chip, [], 0)
    needed = np.array([_demands(network, chip, [b], int(r))[0] for b, r in zip(bricks, routes, strict=True)]) - empty
    room = np.tile(limits - empty, (len(bricks), 1))
    holding: list[list[int]] = [[] for _ in network.layers]
    home, begun = np.full(len(bricks), -1), 0
    for brick in np.argsort(-(needed / limits).max(1), kind="stable"):
        holders = holding[bricks[brick].layer]
        open_to = (room[: begun + 1] >= needed[brick]).all(1)
        # A core holds one brick of a layer; into an empty one everything goes.
        open_to[holders], open_to[begun] = False, True
        core = home[brick] = int(open_to.argmax())
        room[core] -= needed[brick]
        holders.append(core)
        begun = max(begun, core + 1)
    _, first, number = np.unique(home, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]


def _demands(network: Network, chip: Chip, bricks: Sequence[Brick], routes: int) -> tuple[np.ndarray, np.ndarray]:
    """int64 each: demand and limit of everything that is limited in a core with these bricks, which must not spill."""
    found = [use for use in claims(network, chip, bricks, routes, spill=False) if use.limit is not None]
    return np.array([use.demand for use in found], np.int64), np.array([use.limit for use in found], np.int64)
