"""A brick: the part of a layer that lives in one core, channels x rows x columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from neurosim.chip.memory import Memory
from neurosim.network.layers import INPUT, KernelAxis, Layer, Shortcut, axes, groups_of, pooled
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
    """How the (pooled) map of *source* reaches *brick* over the main synapses or over a shortcut.

    An identity shortcut reaches as a kernel of 1 does, but each of its channels reaches its own channel alone.
    """
    _, h, w = source_shape(network, layer, source, shortcut)
    return _reach(h, w, axes(shortcut or layer), brick[3:])


# Bricks that lie above each other, and all questions about one, have the same.
@lru_cache(maxsize=1024)
def _reach(height: int, width: int, found: tuple[KernelAxis, KernelAxis] | None, spans: tuple[int, ...]) -> Reach:
    """*spans*: first row and the one after the last, and columns likewise."""
    if found is None:
        return Reach(np.eye(height, dtype=np.int64), np.eye(width, dtype=np.int64))
    y0, y1, x0, x1 = spans
    return Reach(_met(height, found[0], y0, y1), _met(width, found[1], x0, x1))


def _met(size: int, axis: KernelAxis, first: int, last: int) -> np.ndarray:
    """int64 [size, kernel]: 1 where the element meets the coordinate for one of the outputs first <= output < last."""
    kernel, stride, padding, dilation = axis
    start = np.arange(size)[:, None] + padding - np.arange(kernel) * dilation
    found: np.ndarray = ((start % stride == 0) & (first <= start // stride) & (start // stride < last)).astype(np.int64)
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
    inputs, share = network.shape_of(source)[0] // groups, layer.shape[0] // groups
    first, last = brick.c0 // share, (brick.c1 - 1) // share + 1
    edges = np.clip(np.arange(first, last + 1) * share, brick.c0, brick.c1) - brick.c0
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
