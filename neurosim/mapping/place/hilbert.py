"""Bricks along a Hilbert curve: neighbours in order become neighbours on the mesh."""

from __future__ import annotations

import numpy as np

from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.search import Search
from neurosim.mapping.wires import Wires


def hilbert(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """Brick after brick along the curve; chips are visited along a curve of their own, and none twice."""
    free = plan.free
    chip = distance(*plan.chip[free].T)
    return plan.filled(plan.loose, free[np.lexsort((free, distance(_rank(plan.x)[free], _rank(plan.y)[free]), chip))])


def _rank(places: np.ndarray) -> np.ndarray:
    """int64: which of the different places it is, in order."""
    return np.unique(places, return_inverse=True)[1]


def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """int64: how far along the curve through the smallest square of a power of two the points x, y (int64, >= 0) lie.

    D. Hilbert, Math. Ann. 38, 1891; bit by bit from the largest quadrant down.
    """
    x, y, along = x.copy(), y.copy(), np.zeros(len(x), np.int64)
    size = 1 << int(max(x.max(initial=0), y.max(initial=0))).bit_length()
    half = size // 2
    while half:
        right, lower = (x & half) > 0, (y & half) > 0
        along += half * half * ((3 * right) ^ lower)
        # In the upper half the curve runs across, in its right quadrant backwards.
        flipped = ~lower & right
        x, y = np.where(flipped, size - 1 - x, x), np.where(flipped, size - 1 - y, y)
        x, y = np.where(lower, x, y), np.where(lower, y, x)
        half //= 2
    return along
