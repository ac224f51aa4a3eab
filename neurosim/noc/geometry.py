"""Where tiles and links are, and which links an XY route crosses. Pure integer arithmetic."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from neurosim.kernels.fabric import EAST, NORTH, SOUTH, WEST
from neurosim.kernels.route import list_links

Tiles = TypeVar("Tiles", int, np.ndarray)
STEP = {EAST: (1, 0), WEST: (-1, 0), SOUTH: (0, 1), NORTH: (0, -1)}


class Grid(NamedTuple):
    """Tiles of one or several chips side by side; tile ``y * width + x``; link ``tile * 4 + direction`` leaves that tile.

    width, height: in tiles, of all chips together. torus: the first and the last tile of a row or column are neighbours.
    chip_width, chip_height: tiles of one chip.
    """

    width: int
    height: int
    cores_per_tile: int
    torus: bool = False
    chip_width: int = 2**31
    chip_height: int = 2**31

    @property
    def tiles(self) -> int:
        return self.width * self.height

    @property
    def cores(self) -> int:
        return self.tiles * self.cores_per_tile

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

    def chip_of(self, tile: int) -> int:
        """The chip of a tile, row by row."""
        y, x = divmod(tile, self.width)
        return y // self.chip_height * -(-self.width // self.chip_width) + x // self.chip_width

    def by_chip(self) -> np.ndarray:
        """int64 [cores]: all cores, chip by chip, tile by tile."""
        order = np.argsort(self.chips(), kind="stable")
        return (order[:, None] * self.cores_per_tile + np.arange(self.cores_per_tile)).ravel()

    def chips(self) -> np.ndarray:
        """int64 [tiles]: the chip of every tile."""
        y, x = np.divmod(np.arange(self.tiles), self.width)
        found: np.ndarray = y // self.chip_height * -(-self.width // self.chip_width) + x // self.chip_width
        return found

    def neighbours(self) -> np.ndarray:
        """int64 [links]: the tile that every link enters, -1 if there is none."""
        y, x = np.divmod(np.arange(self.tiles), self.width)
        found = np.empty((self.tiles, 4), np.int64)
        for direction, (dx, dy) in STEP.items():
            nx, ny = x + dx, y + dy
            inside = (nx >= 0) & (nx < self.width) & (ny >= 0) & (ny < self.height)
            if self.torus:
                # A ring of one tile has no links.
                inside[:] = (self.width if dx else self.height) > 1
            found[:, direction] = np.where(inside, ny % self.height * self.width + nx % self.width, -1)
        return found.ravel()

    def crossings(self) -> np.ndarray:
        """bool [links]: those that lead to another chip."""
        beyond, chips = self.neighbours(), self.chips()
        found: np.ndarray = (beyond >= 0) & (chips[beyond] != np.repeat(chips, 4))
        return found

    def offset(self, source: int, target: int) -> tuple[int, int]:
        """Links to the east and to the south from core to core, negative to the west and north; the shorter way around a torus,
        to the east or south where both are as long."""
        (x, y), (tx, ty) = self.xy(source), self.xy(target)
        return self.shorter(tx - x, self.width), self.shorter(ty - y, self.height)

    def shorter(self, difference: Tiles, size: int) -> Tiles:
        """The way from one tile to another of a row or column of *size*; on a torus the shorter, forwards where both are."""
        back = (size - 1) // 2
        return (difference + back) % size - back if self.torus else difference

    def route(self, source: int, target: int) -> list[int]:
        """Links from core to core: first along x, then along y. Empty within a tile."""
        (x, y), (dx, dy) = self.xy(source), self.offset(source, target)
        across, down = EAST if dx > 0 else WEST, SOUTH if dy > 0 else NORTH
        links = []
        for direction in [across] * abs(dx) + [down] * abs(dy):
            links.append(4 * (y * self.width + x) + direction)
            x, y = (x + STEP[direction][0]) % self.width, (y + STEP[direction][1]) % self.height
        return links

    def by_offset(self, source: np.ndarray, target: np.ndarray, group: np.ndarray) -> np.ndarray:
        """The order of pairs of cores by *group*, then by the offset of the target from the source."""
        start, end = source // self.cores_per_tile, target // self.cores_per_tile
        across = self.shorter(end % self.width - start % self.width, self.width)
        down = self.shorter(end // self.width - start // self.width, self.height)
        return np.lexsort((target, down, across, group))

    def trees(self, source: np.ndarray, first: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(int64 [packets + 1], links of every packet in the following; int64 [links]) of packets from cores *source* to the
        cores target[first[i]:first[i + 1]] each, by their offset from it. A link of a tree is there once."""
        source, target = source // self.cores_per_tile, target // self.cores_per_tile
        start, x, y = np.repeat(source, np.diff(first)), target % self.width, target // self.width
        across, down = self.shorter(x - start % self.width, self.width), self.shorter(y - start // self.width, self.height)
        ends, links = np.zeros(len(source) + 1, np.int64), np.empty(int(np.abs(across).sum() + np.abs(down).sum()), np.int64)
        list_links(
            source=source, first=first, column=x, row=y, width=self.width, height=self.height, torus=self.torus, ends=ends,
            links=links,
        )  # fmt: skip
        return ends, links[: ends[-1]]

    def link_flits(self, source: np.ndarray, first: np.ndarray, target: np.ndarray, flits: np.ndarray) -> np.ndarray:
        """int64 [links]: flits of such packets, of *flits* each."""
        ends, links = self.trees(source, first, target)
        return np.bincount(links, np.repeat(flits, np.diff(ends)), self.links).astype(np.int64)

    def beyond(self, link: int) -> int:
        """The tile that a link enters, -1 if there is none."""
        tile, direction = divmod(link, 4)
        y, x = divmod(tile, self.width)
        x, y = x + STEP[direction][0], y + STEP[direction][1]
        if self.torus:
            # A ring of one tile has no links.
            alone = (self.width if direction in (EAST, WEST) else self.height) == 1
            return -1 if alone else y % self.height * self.width + x % self.width
        return y * self.width + x if 0 <= x < self.width and 0 <= y < self.height else -1

    def ends(self, link: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """((x, y) of the tile it leaves, (x, y) of the tile it enters)."""
        tile, beyond = link // 4, self.beyond(link)
        return (tile % self.width, tile // self.width), (beyond % self.width, beyond // self.width)

    def joins(self, start: tuple[int, int], end: tuple[int, int]) -> bool:
        """Whether a link leads from the tile at *start* (x, y) to the one at *end*."""
        x, y = start
        if not (0 <= x < self.width and 0 <= y < self.height):
            return False
        first = 4 * (y * self.width + x)
        return end in [self.ends(link)[1] for link in range(first, first + 4) if self.beyond(link) >= 0]

    def between_chips(self, link: int) -> bool:
        """Whether a link leads to another chip."""
        return self.beyond(link) >= 0 and self.chip_of(link // 4) != self.chip_of(self.beyond(link))

    def horizontal(self) -> np.ndarray:
        """bool [links]."""
        return np.isin(np.arange(self.links) % 4, (EAST, WEST))
