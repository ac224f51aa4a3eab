"""Where tiles and links are, and which links an XY route crosses. Pure integer arithmetic."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EAST, WEST, SOUTH, NORTH = range(4)
STEP = {EAST: (1, 0), WEST: (-1, 0), SOUTH: (0, 1), NORTH: (0, -1)}


class Grid(NamedTuple):
    """A mesh of tiles; tile ``y * width + x``; link ``tile * 4 + direction`` leaves that tile."""

    width: int
    height: int
    cores_per_tile: int

    @property
    def tiles(self) -> int:
        return self.width * self.height

    @property
    def links(self) -> int:
        """Size of an array indexed by link; those that would leave the mesh stay unused."""
        return 4 * self.tiles

    def tile_of(self, core: int) -> int:
        return core // self.cores_per_tile

    def xy(self, core: int) -> tuple[int, int]:
        """Column and row of a core's tile."""
        y, x = divmod(self.tile_of(core), self.width)
        return x, y

    def route(self, source: int, target: int) -> list[int]:
        """Links from core to core: first along x, then along y. Empty within a tile."""
        (x, y), (tx, ty) = self.xy(source), self.xy(target)
        across = range(x, tx, 1 if tx > x else -1)
        down = range(y, ty, 1 if ty > y else -1)
        links = [4 * (y * self.width + i) + (EAST if tx > x else WEST) for i in across]
        return links + [4 * (j * self.width + tx) + (SOUTH if ty > y else NORTH) for j in down]

    def ends(self, link: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """((x, y) of the tile it leaves, (x, y) of the tile it enters)."""
        tile, direction = divmod(link, 4)
        y, x = divmod(tile, self.width)
        dx, dy = STEP[direction]
        return (x, y), (x + dx, y + dy)

    def horizontal(self) -> np.ndarray:
        """bool [links]."""
        return np.isin(np.arange(self.links) % 4, (EAST, WEST))
