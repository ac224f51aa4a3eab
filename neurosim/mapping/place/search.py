"""How long and with which chances a placer may search."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Search:
    """seed: of everything random. seconds: the time that a search may take, from the making of this on; None: as long as it
    needs. progress: told how much of the search is done, between 0 and 1."""

    seed: int = 0
    seconds: float | None = None
    progress: Callable[[float], None] = lambda done: None
    began: float = field(default_factory=time.monotonic)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self.seconds is not None and time.monotonic() - self.began >= self.seconds
