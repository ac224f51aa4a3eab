"""Activations of the network without spikes on their way: which of them a core needs, and what sends and takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurosim.mapping.brick import Reach, reach, readers
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import INPUT, POOL, Shortcut, pooled
from neurosim.network.network import Network


@dataclass(frozen=True, eq=False)
class Needed:
    """What a core needs of a source. brick: number of its first brick that reads it. channels: int64 [H, W], how many of them
    at each site, of the pooled map where *pool*: where all that read the source pool it first."""

    source: str
    brick: int
    channels: np.ndarray
    pool: bool

    @property
    def block(self) -> int:
        """Values of the source in the smallest block of rows and columns that holds what is needed."""
        rows, columns = (np.flatnonzero(self.channels.any(axis)) for axis in (1, 0))
        sites = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1) if len(rows) else 0
        return int(self.channels.max() * sites) * (POOL * POOL if self.pool else 1)


def needed(mapping: Mapping) -> Iterator[Needed]:
    """Of every source and core that reads it."""
    network = mapping.network
    for source in readers(network):
        pool, masks = pooled_first(network, source), dict[int, tuple[int, np.ndarray]]()
        shape = pooled(network.shape_of(source), "sum2" if pool else None)
        for number, shortcut in _reading(mapping, source):
            brick, core = mapping.bricks[number], int(mapping.home[number])
            layer = network.layers[brick.layer]
            first, mask = masks.setdefault(core, (number, np.zeros(shape, bool)))
            masks[core] = min(first, number), mask
            found = reach(network, layer, source, shortcut, brick)
            expand = not pool and (shortcut or layer).pool is not None
            identity = shortcut is not None and shortcut.weight is None
            channels = slice(brick.c0, brick.c1) if identity else slice(None)
            rows, columns = _sites(found, expand)
            mask[channels][:, rows[:, None], columns] = True
        for first, mask in masks.values():
            yield Needed(source, first, mask.sum(0), pool)


def _reading(mapping: Mapping, source: str) -> Iterator[tuple[int, Shortcut | None]]:
    """(number of a brick, None for its main synapses or the shortcut) of all that read *source*."""
    for index, shortcut in readers(mapping.network)[source]:
        yield from ((number, shortcut) for number in np.flatnonzero(mapping.layer_of == index).tolist())


def _sites(found: Reach, expand: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that are reached; those of the windows, where they are of a pooled map and are to be of the map."""
    rows, columns = found.rows, found.columns
    if not expand:
        return rows, columns
    return np.add.outer(rows * POOL, np.arange(POOL)).ravel(), np.add.outer(columns * POOL, np.arange(POOL)).ravel()


def pooled_first(network: Network, source: str) -> bool:
    """Whether all that read a source pool it, so that it can do so itself."""
    pools = [(shortcut or network.layers[layer]).pool for layer, shortcut in readers(network)[source]]
    return bool(pools) and all(pools)


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


def traffic(mapping: Mapping) -> Sent:
    """What one image makes layers send each other."""
    found = Sent(*np.zeros((6, len(mapping.bricks))))
    flits = mapping.chip.mesh.flits_per_packet
    for source in mapping.fanouts.values():
        if source.source == INPUT:
            continue
        sent = source.groups @ source.neurons / (POOL * POOL if pooled_first(mapping.network, source.source) else 1)
        for name in ("packets", "events", "look_ups"):
            getattr(source, name).add_to(getattr(found, name), sent)
        for name in ("hops_x", "hops_y", "crossings"):
            getattr(source, name).add_to(getattr(found, name), sent * flits)
    return found
