"""What is kept of a mapping without its network: which part of which layer lives in which core."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.noc.geometry import Grid


@dataclass(frozen=True, eq=False)
class Placement:
    """A `Mapping` as files keep it. network, network_sha256: name and hash of the network; layers: the names of its layers.
    Brick i lives in core cores[i] (int64 [bricks]) of *chip*."""

    network: str
    network_sha256: str
    chip: Chip
    layers: tuple[str, ...]
    bricks: tuple[Brick, ...]
    cores: np.ndarray
    placer: str
    pinned: frozenset[int]
    seed: int | None

    @property
    def grid(self) -> Grid:
        return self.chip.grid

    @cached_property
    def used(self) -> np.ndarray:
        """int64 [cores used]: the cores that hold a brick, in the order of their first."""
        return used_cores(self.cores)

    @cached_property
    def home(self) -> np.ndarray:
        """int64 [bricks]: number of the core of every brick among those *used*."""
        return homes(self.cores, self.used)


def used_cores(cores: np.ndarray) -> np.ndarray:
    """The different ones of *cores*, in the order in which each is first."""
    _, first = np.unique(cores, return_index=True)
    return cores[np.sort(first)]


def homes(cores: np.ndarray, used: np.ndarray) -> np.ndarray:
    """int64: the place of each of *cores* in *used*."""
    order = np.argsort(used)
    return order[np.searchsorted(used, cores, sorter=order)]
