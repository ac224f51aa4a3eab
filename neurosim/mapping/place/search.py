"""How long and with which chances a placer may search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

P = TypeVar("P", bound=Callable[..., object])


@dataclass(frozen=True)
class Search:
    """seed: of everything random. seconds: the time that annealing may take, its starts not counted; None: as long as it needs.
    progress: told how much of the search is done, between 0 and 1."""

    seed: int = 0
    seconds: float | None = None
    progress: Callable[[float], None] = lambda done: None

    def over(self, began: float) -> bool:
        """Whether the time of what began then, by time.monotonic(), is up."""
        return self.seconds is not None and time.monotonic() - began >= self.seconds


def chance(placer: P) -> P:
    """Marks a placer that takes chances, whose seed is therefore kept with what it places."""
    placer.takes_chances = True  # type: ignore[attr-defined]
    return placer
