"""Links that packets cross, by walking their routes."""

from neurosim.kernels import inlined, jit
from neurosim.kernels.fabric import EAST, NORTH, SOUTH, WEST


@jit
def count_links(source, first, column, row, flits, width, height, torus, links):
    """Add the flits of every packet to links [tiles * 4]; a packet to several targets crosses a link of its tree once.

    source: int32 [packets], tile. first: int32 [packets + 1], targets. column, row: of the tiles of the targets, those of a
    packet by their offset from its source. links: int64, see `neurosim.noc.geometry.Grid`.
    """
    for packet in range(len(source)):
        x, y = source[packet] % width, source[packet] // width
        west = east = 0
        at = first[packet]
        while at < first[packet + 1]:
            dx = shorter(column[at] - x, width, torus)
            west, east = min(west, dx), max(east, dx)
            north = south = 0
            same = column[at]
            while at < first[packet + 1] and column[at] == same:
                dy = shorter(row[at] - y, height, torus)
                north, south = min(north, dy), max(south, dy)
                at += 1
            for d in range(south):
                links[4 * ((y + d) % height * width + same) + SOUTH] += flits[packet]
            for d in range(0, north, -1):
                links[4 * ((y + d) % height * width + same) + NORTH] += flits[packet]
        for d in range(east):
            links[4 * (y * width + (x + d) % width) + EAST] += flits[packet]
        for d in range(0, west, -1):
            links[4 * (y * width + (x + d) % width) + WEST] += flits[packet]


@inlined
def shorter(difference, size, torus):
    """The shorter way around a torus, forwards where both are as long."""
    if torus:
        if 2 * difference > size:
            return difference - size
        if 2 * difference <= -size:
            return difference + size
    return difference
