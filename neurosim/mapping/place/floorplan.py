"""Where bricks may go, and how far it is from one core to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.kernels.anneal import lengths
from neurosim.mapping.wires import Wires


@dataclass(frozen=True, eq=False)
class Floorplan:
    """Cores in the order in which they are filled, and the places of all cores.

    order: int64 [cores]. chip: int64 [cores, 2], column and row of its chip. x, y: float64 [cores], in links of a chip: one
    between chips is as many as it costs. around: lengths of the rings of a torus, 0 without. pinned: int64 [bricks], the core
    that a brick must have, -1 if any will do.
    """

    order: np.ndarray
    chip: np.ndarray
    x: np.ndarray
    y: np.ndarray
    around: tuple[float, float]
    pinned: np.ndarray

    @property
    def loose(self) -> np.ndarray:
        """int64: bricks that may go anywhere, by number."""
        return np.flatnonzero(self.pinned < 0)

    @property
    def free(self) -> np.ndarray:
        """int64: cores for them, in the order in which they are filled: all of as few chips as hold them."""
        free = self.order[~np.isin(self.order, self.pinned)]
        column, row = self.chip[free].T
        number = row * (self.chip[:, 0].max() + 1) + column
        return free[np.isin(number, number[: max(1, len(self.loose))])]

    def filled(self, bricks: np.ndarray, cores: np.ndarray) -> np.ndarray:
        """int64 [bricks]: the core of every brick, with these loose *bricks* in these *cores*."""
        found = self.pinned.copy()
        found[bricks] = cores[: len(bricks)]
        return found

    @property
    def middle(self) -> tuple[float, float]:
        """Where the middle of the free cores is, of all chips on the one in the middle."""
        free = self.free
        x, y = self.x[free], self.y[free]
        central = free[np.argmin(np.abs(x - np.median(x)) + np.abs(y - np.median(y)))]
        near = free[(self.chip[free] == self.chip[central]).all(1)]
        return float(np.median(self.x[near])), float(np.median(self.y[near]))

    def block(self, many: int) -> np.ndarray:
        """int64: so many free cores close together, around the middle, column by column, each from the top."""
        free, (x, y) = self.free, self.middle
        away = np.maximum(np.abs(self.x[free] - x), np.abs(self.y[free] - y))
        near = free[np.lexsort((free, away))[:many]]
        return near[np.lexsort((near, self.y[near], self.x[near]))]

    def length(self, wires: Wires, cores: np.ndarray) -> float:
        """Flits x length of all wires."""
        *_, found, _ = self.state(wires, cores)
        return float(found @ wires.flits)

    def state(self, wires: Wires, cores: np.ndarray) -> tuple[Any, ...]:
        """What `neurosim.kernels.anneal` works on, with brick i in core cores[i]."""
        occupant = np.full(len(self.order), -1)
        occupant[cores] = np.arange(len(cores))
        occupant[self.pinned[self.pinned >= 0]] = -2
        nets, found = (wires.sender, wires.first, wires.target), np.empty(len(wires.sender))
        lines, column = np.unique(self.x, return_inverse=True)
        places, scratch = (self.x, self.y, column), (np.zeros(len(lines)), np.zeros(len(lines)))
        core = cores.astype(np.int64)
        lengths(core, nets, places, self.around, scratch, found)
        more = (*scratch, np.zeros(len(found), np.int64), np.empty(len(found)))
        return core, occupant, nets, wires.incident, wires.flits, places, self.around, found, more

    def apart(self, x: float, y: float, cores: np.ndarray) -> np.ndarray:
        """float64: distance of *cores* from places x, y."""
        found: np.ndarray = _along(self.x[cores] - x, self.around[0]) + _along(self.y[cores] - y, self.around[1])
        return found


def _along(difference: np.ndarray, around: float) -> np.ndarray:
    straight = np.abs(difference)
    found: np.ndarray = np.minimum(straight, around - straight) if around else straight
    return found


def floorplan(chip: Chip, pinned: np.ndarray) -> Floorplan:
    """That of *chip*. A link between chips counts as many links as its cycles and its energy exceed those of one, on
    average."""
    grid, mesh, board = chip.grid, chip.mesh, chip.board
    penalty = 0.0
    if board:
        hop = (chip.operation.hop_x.pj + chip.operation.hop_y.pj) / 2
        energy = board.pj / hop if hop else 0.0
        time = (board.link_cycles - mesh.link_cycles) / (mesh.router_cycles + mesh.link_cycles)
        penalty = max(0.0, (energy + time) / 2)
    tile = np.arange(grid.cores) // grid.cores_per_tile
    x, y = tile % grid.width, tile // grid.width
    places = x + penalty * (x // mesh.width), y + penalty * (y // mesh.height)
    chips = (grid.width // mesh.width, grid.height // mesh.height)
    sizes = [
        size + penalty * (many if many > 1 else 0) if grid.torus else 0.0
        for size, many in zip((grid.width, grid.height), chips, strict=True)
    ]
    where = np.stack([x // mesh.width, y // mesh.height], axis=1)
    return Floorplan(grid.by_chip(), where, *places, (sizes[0], sizes[1]), pinned)
