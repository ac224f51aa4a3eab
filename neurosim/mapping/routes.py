"""Which ways the packets of a population go, once its bricks have their cores."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse import csr_array

from neurosim.chip.chip import Chip
from neurosim.mapping.fan import Fan
from neurosim.noc.geometry import Grid


@dataclass(frozen=True, eq=False)
class Fanout(Fan):
    """Everything the spikes of one source cause.

    What one spike of a group causes: packets, hops_x, hops_y, crossings: [bricks, groups], packets sent, links crossed and
    those of them that lead to another chip, at the sending brick (none for input from outside). events, look_ups: [bricks,
    groups], packets received, in the books of the first brick of a core that they are for, and bricks that look for their axon.
    """

    packets: csr_array
    hops_x: csr_array
    hops_y: csr_array
    crossings: csr_array
    events: csr_array
    look_ups: csr_array


def routed(fan: Fan, chip: Chip, cores: np.ndarray) -> Fanout:
    """The fan-out where brick i lives in core cores[i]."""
    grid, bricks, groups = chip.grid, len(cores), len(fan.sender)
    horizontal, crossing = grid.horizontal(), grid.crossings()
    sent = np.flatnonzero(fan.sender >= 0)
    group, ends, links = _trees(fan, grid, cores, chip.mesh.delivery == "multicast")
    owner = np.repeat(group, np.diff(ends))

    def by_sender(amount: np.ndarray) -> csr_array:
        return csr_array((amount[sent], (fan.sender[sent], sent)), shape=(bricks, groups))

    parts = {name: getattr(fan, name) for name in (f.name for f in fields(Fan))}
    reached = np.repeat(np.arange(groups), np.diff(fan.first))
    received = firsts(reached * grid.cores + cores[fan.target])
    return Fanout(
        **parts,
        packets=by_sender(np.bincount(group, minlength=groups)),
        hops_x=by_sender(np.bincount(owner[horizontal[links]], minlength=groups)),
        hops_y=by_sender(np.bincount(owner[~horizontal[links]], minlength=groups)),
        crossings=by_sender(np.bincount(owner[crossing[links]], minlength=groups)),
        events=csr_array((received, (fan.target, reached)), shape=(bricks, groups)),
        look_ups=csr_array((np.ones(len(fan.target), np.int64), (fan.target, reached)), shape=(bricks, groups)),
    )


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
