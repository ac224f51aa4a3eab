"""Which ways the packets of a population go, once its bricks have their cores."""

from __future__ import annotations

from collections.abc import Mapping as Named
from dataclasses import dataclass, fields

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.mapping.brick_rows import BrickRows
from neurosim.mapping.fan import Fan
from neurosim.noc.geometry import Grid


@dataclass(frozen=True, eq=False)
class Fanout(Fan):
    """Everything the spikes of one source cause.

    What one spike of a group causes, by group for a column: packets, hops_x, hops_y, crossings: packets sent, links crossed and
    those of them that lead to another chip, at the sending brick (none for input from outside). events, look_ups: packets
    received, in the books of the first brick of a core that they are for, and bricks that look for their axon.
    """

    packets: BrickRows
    hops_x: BrickRows
    hops_y: BrickRows
    crossings: BrickRows
    events: BrickRows
    look_ups: BrickRows


def routed(fans: Named[str, Fan], chip: Chip, cores: np.ndarray) -> dict[str, Fanout]:
    """The fan-outs where brick i lives in core cores[i]."""
    kinds = chip.grid.horizontal(), chip.grid.crossings()
    return {source: _routed(fan, chip, cores, *kinds) for source, fan in fans.items()}


def _routed(fan: Fan, chip: Chip, cores: np.ndarray, horizontal: np.ndarray, crossing: np.ndarray) -> Fanout:
    grid, groups = chip.grid, len(fan.sender)
    sent = np.flatnonzero(fan.sender >= 0)
    group, ends, links = _trees(fan, grid, cores, chip.mesh.delivery == "multicast")
    owner = np.repeat(group, np.diff(ends))
    on_way = group, owner[horizontal[links]], owner[~horizontal[links]], owner[crossing[links]]
    sums = [np.bincount(found, minlength=groups)[sent] for found in on_way]
    packets, hops_x, hops_y, crossings = BrickRows.sorted(fan.sender[sent], sent, sums, groups)
    parts = {name: getattr(fan, name) for name in (f.name for f in fields(Fan))}
    reached = np.repeat(np.arange(groups), np.diff(fan.first))
    received = firsts(reached * grid.cores + cores[fan.target]), np.ones(len(reached), np.int64)
    events, look_ups = BrickRows.sorted(fan.target, reached, received, groups)
    return Fanout(
        **parts, packets=packets, hops_x=hops_x, hops_y=hops_y, crossings=crossings, events=events, look_ups=look_ups,
    )  # fmt: skip


def firsts(keys: np.ndarray) -> np.ndarray:
    """int64 [keys]: 1 where a key appears for the first time."""
    found = np.zeros(len(keys), np.int64)
    found[np.unique(keys, return_index=True)[1]] = 1
    return found


def _trees(fan: Fan, grid: Grid, cores: np.ndarray, multicast: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(group of every packet; where its links begin; links) of the packets that one spike of each group causes."""
    group = np.repeat(np.arange(len(fan.sender)), np.diff(fan.first))
    inside = fan.sender[group] >= 0
    # Bricks that share a core share the packet.
    pairs = np.unique(group[inside] * grid.cores + cores[fan.target[inside]])
    group, target = np.divmod(pairs, grid.cores)
    source = cores[fan.sender[group]]
    if not multicast:
        return group, *grid.trees(source, np.arange(len(group) + 1), target)
    order = grid.by_offset(source, target, group)
    group, target = group[order], target[order]
    packet, first = np.unique(group, return_index=True)
    return packet, *grid.trees(cores[fan.sender[packet]], np.append(first, len(group)), target)
