"""Actions: what costs energy, how often it was done, and the price of doing it once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from neurosim.chip.chip import Chip, Price

PJ = 1e-12
COMPUTE, MOVEMENT, STATIC = "compute", "data movement", "static"
# What an action is for, in the order of the headline table, and the group that belongs to.
GROUP_OF = {
    "compute": COMPUTE, "weights": MOVEMENT, "state": MOVEMENT, "network": MOVEMENT, "off chip": MOVEMENT, "leakage": STATIC,
}  # fmt: skip
PURPOSES = tuple(GROUP_OF)
FREE = Price(0.0, 0.0, "")


@dataclass(frozen=True, eq=False)
class Action:
    """Something that costs energy: its component and purpose, how often each core did it, and what it costs once.

    count: [bricks], int64, or float64 where the cores share what happens once per chip. constant: the price's place in the
    chip file; price: see `neurosim.chip.chip.Chip.prices`. images: how often in each image, in all cores, float64 [images];
    None where that is not known.
    """

    name: str
    component: str
    purpose: str
    count: np.ndarray
    constant: str
    price: Price = FREE
    images: np.ndarray | None = None

    @property
    def group(self) -> str:
        """Compute, data movement or static."""
        return GROUP_OF[self.purpose]

    @property
    def times(self) -> int:
        """How often in all."""
        return round(float(self.count.sum()))

    @property
    def total_J(self) -> float:
        return float(self.count.sum()) * self.price.pj * PJ


def by_part_J(actions: Iterable[Action]) -> dict[str, float]:
    """J by the part of the chip file that the prices belong to."""
    found: dict[str, float] = {}
    for action in actions:
        found[action.price.part] = found.get(action.price.part, 0.0) + action.total_J
    return found


def priced(actions: Iterable[Action], chip: Chip) -> tuple[Action, ...]:
    """The same actions at the prices of *chip*. The only place where a price is looked up."""
    prices = chip.prices
    return tuple(replace(action, price=prices[action.constant]) for action in actions)
