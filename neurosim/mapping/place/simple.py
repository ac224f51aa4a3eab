"""Placers that do not look at who sends to whom."""

from __future__ import annotations

import numpy as np

from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.search import Search, chance
from neurosim.mapping.wires import Wires


def row_major(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """Brick after brick along the rows of the mesh from the top left, chip by chip."""
    return plan.filled(plan.loose, plan.free)


@chance
def scattered(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """Anywhere: what the others are measured against."""
    return plan.filled(plan.loose, np.random.default_rng(search.seed).permutation(plan.free))
