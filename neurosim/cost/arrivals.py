"""Activations of the network without spikes on their way: which of them a core needs, and what sends and takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurosim.mapping.brick import reach, readers, taken
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import INPUT, POINT, Axes, KernelAxis, Shortcut, pool_axes
from neurosim.network.network import Network


@dataclass(frozen=True, eq=False)
class Needed:
    """What a core needs of a source. brick: number of its first brick that reads it. channels: int64 [rows, columns], how many
    of them at each site of the smallest block that holds all of it, of the map pooled by *pool*, where all that read the source
    pool it so first."""

    source: str
    brick: int
    channels: np.ndarray
    pool: Axes | None

    @property
    def block(self) -> int:
        """Values of the source in that block."""
        return int(self.channels.max() * self.channels.size) * _sites(self.pool)


def needed(mapping: Mapping) -> Iterator[Needed]:
    """Of every source and core that reads it."""
    for source in readers(mapping.network):
        pool, by_core = pooled_first(mapping.network, source), dict[int, list[Piece]]()
        for number, shortcut in _reading(mapping, source):
            piece = _piece(mapping, source, number, shortcut, pool)
            if len(piece.rows) and len(piece.columns):
                by_core.setdefault(int(mapping.home[number]), []).append(piece)
        for pieces in by_core.values():
            yield Needed(source, min(piece.brick for piece in pieces), _united(pieces), pool)


class Piece(NamedTuple):
    """What a brick needs of a source over its main synapses or a shortcut: channels first <= c < last at rows x columns."""

    brick: int
    first: int
    last: int
    rows: np.ndarray
    columns: np.ndarray


def _piece(mapping: Mapping, source: str, number: int, shortcut: Shortcut | None, pool: Axes | None) -> Piece:
    network, brick = mapping.network, mapping.bricks[number]
    layer = network.layers[brick.layer]
    found = reach(network, layer, source, shortcut, brick)
    channels = taken(network, layer, source, shortcut, brick)
    rows, columns = found.rows, found.columns
    if pool is None and (shortcut or layer).pool is not None:
        # The windows of a pooled map, on the map.
        moves = zip((rows, columns), pool_axes((shortcut or layer).pool), network.shape_of(source)[1:], strict=True)
        rows, columns = (_held(each, axis, size) for each, axis, size in moves)
    return Piece(number, *channels, rows, columns)


def _held(outputs: np.ndarray, axis: KernelAxis, size: int) -> np.ndarray:
    """int64: the coordinates that these *outputs* of a pool hold, of an axis of this *size*, by rising coordinate."""
    found = np.unique(np.add.outer(outputs * axis.stride - axis.padding, np.arange(axis.kernel)))
    return found[(found >= 0) & (found < size)]


def _united(pieces: list[Piece]) -> np.ndarray:
    """int64 [rows, columns]: how many channels are in any of them at each site of the block around them."""
    c0, y0, x0 = (min(each) for each in zip(*((p.first, p.rows[0], p.columns[0]) for p in pieces), strict=True))
    c1, y1, x1 = (max(each) for each in zip(*((p.last, p.rows[-1] + 1, p.columns[-1] + 1) for p in pieces), strict=True))
    mask = np.zeros((c1 - c0, y1 - y0, x1 - x0), bool)
    for piece in pieces:
        mask[piece.first - c0 : piece.last - c0][:, piece.rows[:, None] - y0, piece.columns - x0] = True
    found: np.ndarray = mask.sum(0)
    return found


def _reading(mapping: Mapping, source: str) -> Iterator[tuple[int, Shortcut | None]]:
    """(number of a brick, None for its main synapses or the shortcut) of all that read *source*."""
    for index, shortcut in readers(mapping.network)[source]:
        yield from ((number, shortcut) for number in np.flatnonzero(mapping.layer_of == index).tolist())


def pooled_first(network: Network, source: str) -> Axes | None:
    """The windows in which all that read a source pool it, so that it can do so itself; None where they differ, or where one
    activation lies in several, or in none of the map alone: there all are sent as they are."""
    moves = {pool_axes((shortcut or network.layers[layer]).pool) for layer, shortcut in readers(network)[source]}
    found = moves.pop() if len(moves) == 1 else (POINT, POINT)
    apart = all(axis.stride >= axis.kernel and axis.padding == 0 for axis in found)
    return found if apart and _sites(found) > 1 else None


def _sites(pool: Axes | None) -> int:
    """Of a window."""
    return pool[0].kernel * pool[1].kernel if pool else 1


@dataclass(frozen=True, eq=False)
class Sent:
    """Activations that are sent once to each core that needs them, [bricks] each, as `neurosim.mapping.routes.Fanout` has it of
    spikes; hops and crossings in flits."""

    packets: np.ndarray
    events: np.ndarray
    look_ups: np.ndarray
    hops_x: np.ndarray
    hops_y: np.ndarray
    crossings: np.ndarray


def traffic(mapping: Mapping, flits: int) -> Sent:
    """What one image makes layers send each other, in packets of so many *flits*."""
    found = Sent(*np.zeros((6, len(mapping.bricks))))
    for source in mapping.fanouts.values():
        if source.source == INPUT:
            continue
        sent = source.groups @ source.neurons / _sites(pooled_first(mapping.network, source.source))
        for name in ("packets", "events", "look_ups"):
            getattr(source, name).add_to(getattr(found, name), sent)
        for name in ("hops_x", "hops_y", "crossings"):
            getattr(source, name).add_to(getattr(found, name), sent * flits)
    return found
