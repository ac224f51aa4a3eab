"""Giving each brick a core. One signature: (network, chip, bricks) -> core of each brick."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from neurosim.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.network import Network

Placer = Callable[[Network, Chip, Sequence[Brick]], np.ndarray]


def row_major(network: Network, chip: Chip, bricks: Sequence[Brick]) -> np.ndarray:
    """Brick i in core i, rows of the mesh from the top left, chip by chip."""
    return chip.grid.by_chip()[: len(bricks)]


PLACERS: dict[str, Placer] = {"row-major": row_major}
