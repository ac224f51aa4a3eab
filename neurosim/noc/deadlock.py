"""Whether packets could ever wait for each other in a circle, found out before any of them leaves.

A packet keeps a virtual channel of one link while it waits for one of the next link on its way. Where no chain of such waits
comes back to where it began, packets always move on (Dally and Seitz, IEEE Transactions on Computers 36, 1987). Cores take
everything they are sent in the end, so their queues close no circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

from neurosim.errors import NeurosimError
from neurosim.kernels.fabric import EAST, NORTH, SOUTH, WEST
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine

# Tiles of a machine up to which all routes are followed, and of a circle up to which it is spelled out.
FEW_TILES, SPELLED_TILES = 64, 16


def check_deadlock(machine: Machine) -> None:
    """Raise NeurosimError, naming the links, if packets could wait for each other in a circle."""
    circle = waiting_circle(machine.grid, machine.channels > 1)
    if circle:
        tiles = [str(machine.grid.ends(link)[0]) for link in circle]
        if len(tiles) > SPELLED_TILES:
            tiles[SPELLED_TILES // 2 : -SPELLED_TILES // 2] = ["..."]
        raise NeurosimError(
            f"packets could wait for each other in a circle: {' -> '.join([*tiles, tiles[0]])}; "
            "give the torus at least 2 virtual channels, or use a mesh"
        )


def check_room(machine: Machine, flits: int) -> None:
    """Raise NeurosimError if packets move whole and one of *flits* flits never fits a virtual channel."""
    if machine.whole and flits > machine.depth:
        raise NeurosimError(
            f"a packet of {flits} flits never fits a virtual channel of {machine.depth}, and packets for several cores move on "
            f"only where all of it fits; give every virtual channel room for {flits} flits, or make packets smaller"
        )


@lru_cache(maxsize=256)
def waiting_circle(grid: Grid, classes: bool) -> tuple[int, ...]:
    """Links, each followed by the next and the last by the first, in which packets could wait; empty if there are none.

    classes: whether the virtual channels of a torus are in two classes. What a packet waits for depends only on where it is and
    where it goes, so the first two links of every route tell all. Up to 64 tiles all routes are followed. Beyond, those within
    the first row and the first column stand for all: routes turn from rows into columns, never back, so that a circle lies
    within a row or a column, and these are alike. There two targets in each direction suffice, the next but one and the
    farthest: between the two, whether a packet has yet to pass the link that closes the ring changes at most once.

    A packet for several cores is in the class of its farthest target. It waits as that one does, or turns into a column.
    """
    waits: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for tile, target in _all_pairs(grid) if grid.tiles <= FEW_TILES else _pairs_along_rings(grid):
        if tile == target:
            continue
        first = _channel(grid, classes, tile, target)
        between = grid.beyond(first[0])
        if between != target:
            waits.setdefault(first, set()).add(_channel(grid, classes, between, target))
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        return tuple(link for link, _ in reversed(error.args[1][1:]))
    return ()


def _all_pairs(grid: Grid) -> Iterator[tuple[int, int]]:
    return ((tile, target) for tile in range(grid.tiles) for target in range(grid.tiles))


def _pairs_along_rings(grid: Grid) -> Iterator[tuple[int, int]]:
    for size, stride in ((grid.width, 1), (grid.height, grid.width)):
        for reach in (2, -2, size // 2, -((size - 1) // 2)):
            # Without a closing link the farthest targets show nothing that the near ones do not.
            places = range(size) if grid.torus else range(max(0, -reach), size - max(0, reach))
            yield from (((place * stride), (place + reach) % size * stride) for place in places)


def _channel(grid: Grid, classes: bool, tile: int, target: int) -> tuple[int, bool]:
    """The link by which a packet leaves a tile, and whether it then has yet to pass the one that closes the ring."""
    dx, dy = grid.offset(tile * grid.cores_per_tile, target * grid.cores_per_tile)
    direction = (EAST if dx > 0 else WEST) if dx else (SOUTH if dy > 0 else NORTH)
    link = 4 * tile + direction
    if not (classes and grid.torus):
        return link, False
    beyond, ahead = grid.beyond(link), direction in (EAST, SOUTH)
    to_go = target % grid.width - beyond % grid.width if dx else target // grid.width - beyond // grid.width
    return link, to_go < 0 if ahead else to_go > 0
