"""A brick: the part of a layer that lives in one core, channels x rows x columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from neurosim.chip.memory import Memory
from neurosim.network.layers import INPUT, Axes, KernelAxis, Layer, Shortcut, after, axes, groups_of, pool_axes, pooled
from neurosim.network.network import Network


class Brick(NamedTuple):
    """Neurons (c, y, x) of layer number *layer* with c0 <= c < c1, y0 <= y < y1, x0 <= x < x1."""

    layer: int
    c0: int
    c1: int
    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def channels(self) -> int:
        return self.c1 - self.c0

    @property
    def sites(self) -> int:
        return (self.y1 - self.y0) * (self.x1 - self.x0)

    @property
    def neurons(self) -> int:
        return self.channels * self.sites

    def __str__(self) -> str:
        return f"channels {self.c0}:{self.c1}, rows {self.y0}:{self.y1}, columns {self.x0}:{self.x1}"


@dataclass(frozen=True, eq=False)
class Reach:
    """For each source coordinate along one axis, by which elements of the kernel it reaches a coordinate of a brick."""

    down: np.ndarray  # int64 [H of the pooled source, kernel], 1 where it does
    across: np.ndarray  # int64 [W of the pooled source, kernel]

    @cached_property
    def y(self) -> np.ndarray:
        """int64 [H]: how many rows of the brick a row reaches."""
        found: np.ndarray = self.down.sum(1)
        return found

    @cached_property
    def x(self) -> np.ndarray:
        """int64 [W]: how many columns of the brick a column reaches."""
        found: np.ndarray = self.across.sum(1)
        return found

    @cached_property
    def rows(self) -> np.ndarray:
        """int64: the rows that reach the brick."""
        return np.flatnonzero(self.y)

    @cached_property
    def columns(self) -> np.ndarray:
        """int64: the columns that do."""
        return np.flatnonzero(self.x)

    @cached_property
    def positions(self) -> int:
        """Source positions that reach the brick at all."""
        return len(self.rows) * len(self.columns)

    @property
    def site(self) -> np.ndarray:
        """int64 [positions]: which these are, row * W + column."""
        found: np.ndarray = np.add.outer(self.rows * len(self.across), self.columns).ravel()
        return found

    @property
    def sites(self) -> np.ndarray:
        """int64 [positions]: sites of the brick that each reaches, each with one weight row."""
        return np.outer(self.y[self.rows], self.x[self.columns]).ravel()

    def over(self, kernels: np.ndarray) -> np.ndarray:
        """[..., positions]: sums of kernels [..., kernel down, kernel across] over the elements by which each reaches it."""
        sums = self.down[self.rows] @ kernels @ self.across[self.columns].T
        found: np.ndarray = sums.reshape(*kernels.shape[:-2], self.positions)
        return found


def reach(network: Network, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick) -> Reach:
    """How the (pooled) map of *source* reaches *brick* over the main synapses or over a shortcut; where currents are pooled,
    the places that it keeps (see `places`).

    An identity shortcut reaches as a kernel of 1 does, but each of its channels reaches its own channel alone.
    """
    _, h, w = source_shape(network, layer, source, shortcut)
    return _reach(h, w, axes(shortcut or layer), layer.landing[1:], pool_axes(after(layer)), brick[3:])


def reach_all(network: Network, layer: Layer, source: str, shortcut: Shortcut | None) -> Reach:
    """The same of the whole map that synapses reach, also of what no neuron's window holds."""
    _, h, w = source_shape(network, layer, source, shortcut)
    _, high, wide = layer.landing
    return _reach(h, w, axes(shortcut or layer), (high, wide), pool_axes(None), (0, high, 0, wide))


# Bricks that lie above each other, and all questions about one, have the same.
@lru_cache(maxsize=1024)
def _reach(
    height: int, width: int, found: Axes | None, landing: tuple[int, int], pool: Axes, spans: tuple[int, ...]
) -> Reach:  # fmt: skip
    """*spans*: first row of neurons and the one after the last, and columns likewise."""
    if found is None:
        return Reach(np.eye(height, dtype=np.int64), np.eye(width, dtype=np.int64))
    rows, columns = (_held(landing[i], pool[i], *spans[2 * i : 2 * i + 2]) for i in (0, 1))
    return Reach(_met(height, found[0], rows), _met(width, found[1], columns))


def _met(size: int, axis: KernelAxis, held: np.ndarray) -> np.ndarray:
    """int64 [size, kernel]: 1 where the element meets the coordinate for one of the outputs that are *held*, bool [outputs]."""
    kernel, stride, padding, dilation = axis
    start = np.arange(size)[:, None] + padding - np.arange(kernel) * dilation
    output = start // stride
    inside = (start % stride == 0) & (output >= 0) & (output < len(held))
    found: np.ndarray = (inside & held[np.where(inside, output, 0)]).astype(np.int64)
    return found


@lru_cache(maxsize=4096)
def _held(size: int, axis: KernelAxis, first: int, last: int) -> np.ndarray:
    """bool [size]: whether a coordinate lies in one of the windows first <= window < last."""
    at = np.add.outer(np.arange(first, last) * axis.stride - axis.padding, np.arange(axis.kernel))
    held = np.zeros(size, bool)
    held[at[(at >= 0) & (at < size)]] = True
    return held


def places(layer: Layer, brick: Brick) -> tuple[int, int]:
    """Rows and columns of the map that synapses reach of which *brick* keeps what arrives: its own, or, where currents are
    pooled, those in the windows of its neurons; bricks whose windows overlap keep some of them twice."""
    pool, (_, high, wide) = after(layer), layer.landing
    if pool is None:
        return brick.y1 - brick.y0, brick.x1 - brick.x0
    down, across = pool_axes(pool)
    return int(_held(high, down, brick.y0, brick.y1).sum()), int(_held(wide, across, brick.x0, brick.x1).sum())


def landing_sites(layer: Layer, brick: Brick) -> int:
    """Sites of the map that synapses reach of which *brick* keeps what arrives."""
    return math.prod(places(layer, brick))


def landing_places(layer: Layer, brick: Brick) -> int:
    """The same of all channels."""
    return brick.channels * landing_sites(layer, brick)


def window_sites(layer: Layer, brick: Brick) -> np.ndarray:
    """int64 [rows, columns] of *brick*: how many sites of the map that synapses reach lie in the window of each of its sites; 0
    where currents are not pooled."""
    pool = after(layer)
    if pool is None:
        return np.zeros((brick.y1 - brick.y0, brick.x1 - brick.x0), np.int64)
    spans = ((brick.y0, brick.y1), (brick.x0, brick.x1))
    moves = zip(spans, pool_axes(pool), layer.landing[1:], strict=True)
    down, across = (
        np.array([_held(size, axis, at, at + 1).sum() for at in range(*span)]) for span, axis, size in moves
    )
    found: np.ndarray = np.outer(down, across)
    return found


class Groups(NamedTuple):
    """The groups of a projection with weights that have channels in a brick; without groups, all is one.

    inputs: channels of the source that each takes; taken: of all of them, the first and the one after the last. begins, sizes:
    int64 [groups], the first channel of each in the brick, counted from that of the brick, and how many it has there.
    """

    inputs: int
    taken: tuple[int, int]
    begins: np.ndarray
    sizes: np.ndarray

    def words(self, together: int) -> np.ndarray:
        """int64 [groups]: words in which the channels of each lie, so many *together* in a word, the first of the brick in the
        first."""
        found: np.ndarray = (self.begins + self.sizes - 1) // together - self.begins // together + 1
        return found

    def weight_words(self, memory: Memory, bits: int) -> int:
        """Words of *memory* in which one weight of *bits* to each of the channels lies, a row for every group."""
        return sum(memory.words(size * bits) for size in self.sizes.tolist())

    def rounds(self, together: int) -> int:
        """Rounds of so many channels *together* that all of them take, one group after another."""
        return int((-(-self.sizes // together)).sum())


def groups_in(network: Network, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick) -> Groups:
    """The groups of the main synapses or of a shortcut with weights that have channels in *brick*."""
    groups = groups_of(shortcut or layer)
    return _groups(network.shape_of(source)[0] // groups, layer.shape[0] // groups, brick.c0, brick.c1)


@lru_cache(maxsize=4096)
def _groups(inputs: int, share: int, c0: int, c1: int) -> Groups:
    """Those with channels of c0 <= c < c1; inputs, share: channels that each takes, and has."""
    first, last = c0 // share, (c1 - 1) // share + 1
    edges = np.clip(np.arange(first, last + 1) * share, c0, c1) - c0
    return Groups(inputs, (first * inputs, last * inputs), edges[:-1], np.diff(edges))


def taken(network: Network, layer: Layer, source: str, shortcut: Shortcut | None, brick: Brick) -> tuple[int, int]:
    """The channels of *source* that reach *brick*, the first and the one after the last: its own over an identity shortcut,
    those of its groups over weights."""
    if (shortcut or layer).weight is None:
        return brick.c0, brick.c1
    return groups_in(network, layer, source, shortcut, brick).taken


def projections(network: Network, layer: Layer) -> list[tuple[str, Shortcut | None]]:
    """(source, None for the main synapses or the shortcut), in the order of `Layer.sources`."""
    main: list[tuple[str, Shortcut | None]] = [(name, None) for name in layer.inputs or ()]
    return main + [(s.source, s) for s in layer.shortcuts]


def readers(network: Network) -> dict[str, list[tuple[int, Shortcut | None]]]:
    """For every source: (number of a layer that reads it, None for its main synapses or the shortcut), in the order of layers
    and their `projections`."""
    found: dict[str, list[tuple[int, Shortcut | None]]] = {name: [] for name in (INPUT, *(x.name for x in network.layers))}
    for index, layer in enumerate(network.layers):
        for source, shortcut in projections(network, layer):
            found[source].append((index, shortcut))
    return found


def source_shape(network: Network, layer: Layer, source: str, shortcut: Shortcut | None) -> tuple[int, int, int]:
    """Shape of the map that the synapses read, pooled where they say so."""
    return pooled(network.shape_of(source), (shortcut or layer).pool)
