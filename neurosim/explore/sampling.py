"""Which combinations of the axes' values a study looks at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np

from neurosim.explore.axis import Axis, Value

Settings = dict[str, Value]
Axes = Mapping[str, Axis]


def grid(axes: Axes, points: int, seed: int) -> list[Settings]:
    """All of them, the last axis fastest."""
    return [dict(zip(axes, values, strict=True)) for values in product(*(axis.values for axis in axes.values()))]


def at_random(axes: Axes, points: int, seed: int) -> list[Settings]:
    """So many, each by itself."""
    return _at(axes, np.random.default_rng(seed).random((points, len(axes))))


def latin_hypercube(axes: Axes, points: int, seed: int) -> list[Settings]:
    """So many, every axis cut into as many equal parts with one point in each (McKay, Beckman & Conover, Technometrics 21(2),
    1979)."""
    # It takes longer to import than all else.
    from scipy.stats import qmc

    return _at(axes, qmc.LatinHypercube(len(axes), rng=np.random.default_rng(seed)).random(points))


def _at(axes: Axes, shares: np.ndarray) -> list[Settings]:
    rows = [{name: axis.at(share) for (name, axis), share in zip(axes.items(), row, strict=True)} for row in shares.tolist()]
    # Of axes with few values the same can be drawn twice.
    return list({tuple(row.items()): row for row in rows}.values())


SAMPLINGS: dict[str, Callable[[Axes, int, int], list[Settings]]] = {
    "grid": grid, "random": at_random, "latin-hypercube": latin_hypercube,
}  # fmt: skip
