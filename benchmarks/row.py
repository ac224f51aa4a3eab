"""One line of the table: a measured quantity, its spread, and what it should reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LAYOUT = "{:<58} {:>10} {:>21} {:<13} {:>9}  {}"


@dataclass(frozen=True, slots=True)
class Row:
    """*samples*: one value per repeat, none where nothing could be measured. *at_least*, *below*: the target, if any. *readme*:
    its name in the table of README.md, if it stands there."""

    name: str
    unit: str
    samples: Sequence[float] | np.ndarray
    at_least: float | None = None
    below: float | None = None
    readme: str | None = None
    median: float | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", np.atleast_1d(np.asarray(self.samples, float)).tolist())
        object.__setattr__(self, "median", float(np.median(self.samples)) if self.samples else None)

    @classmethod
    def skipped(cls, why: str) -> Row:
        """Stands where nothing can be measured."""
        return cls(f"skipped: {why}", "", [])

    def without_target(self) -> Row:
        return replace(self, at_least=None, below=None)

    @property
    def meets(self) -> bool | None:
        """Whether the median reaches the target; None without a target."""
        if self.median is None:
            return None
        if self.at_least is not None:
            return self.median >= self.at_least
        return None if self.below is None else self.median < self.below

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.below is None else f"< {self.below:g}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "unit": self.unit, "median": self.median,
            "low": min(self.samples, default=None), "high": max(self.samples, default=None),
            "samples": self.samples, "target": self.target, "meets": self.meets, "readme": self.readme,
        }  # fmt: skip

    def __str__(self) -> str:
        if self.median is None:
            return self.name
        spread = f"{short(min(self.samples))} .. {short(max(self.samples))}" if len(self.samples) > 1 else ""
        verdict = {True: "ok", False: "MISSED", None: ""}[self.meets]
        return LAYOUT.format(self.name, short(self.median), spread, self.unit, self.target, verdict).rstrip()


def heading(title: str) -> str:
    return f"\n{LAYOUT.format(title, 'median', 'range', 'unit', 'target', '').rstrip()}\n{'-' * 124}"


def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
