"""Links that packets cross, by walking their routes."""

from neurosim.kernels import inlined, jit
from neurosim.kernels.fabric import EAST, NORTH, SOUTH, WEST


@jit
def list_links(source, first, column, row, width, height, torus, ends, links):
    """Write the links that every packet crosses to links, up to ends[packet + 1]; one to several targets crosses a link of its
    tree once.

    source: int [packets], tile. first: int [packets + 1], targets. column, row: int [targets], of their tiles, one packet's
    by their offset from it. ends: int64 [packets + 1], zeros. links: int64, see `neurosim.noc.geometry.Grid`.
    """
    n = 0
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
                links[n] = 4 * ((y + d) % height * width + same) + SOUTH
                n += 1
            for d in range(0, north, -1):
                links[n] = 4 * ((y + d) % height * width + same) + NORTH
                n += 1
        for d in range(east):
            links[n] = 4 * (y * width + (x + d) % width) + EAST
            n += 1
        for d in range(0, west, -1):
            links[n] = 4 * (y * width + (x + d) % width) + WEST
            n += 1
        ends[packet + 1] = n


@inlined
def shorter(difference, size, torus):
    """The shorter way around a torus, forwards where both are as long."""
    if torus:
        if 2 * difference > size:
            return difference - size
        if 2 * difference <= -size:
            return difference + size
    return difference
