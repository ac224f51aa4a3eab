"""How faithful an import is: what stayed what it was, what changed and by how much, and what was assumed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Change:
    """A parameter of a layer; *max_change* is the largest absolute difference between its value and the one simulated."""

    node: str
    type: str
    parameter: str
    max_change: float
    note: str = ""

    @property
    def exact(self) -> bool:
        return self.max_change == 0


@dataclass
class Fidelity:
    """Changes by node and parameter, and assumptions in words."""

    changes: list[Change] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)

    def add(self, node: str, kind: str, parameter: str, wanted: Any, stored: Any, note: str = "") -> None:
        """Note the difference between what is *wanted* and what is *stored*."""
        change = float(np.max(np.abs(np.asarray(wanted, np.float64) - np.asarray(stored, np.float64)), initial=0.0))
        self.changes.append(Change(node, kind, parameter, change, note))

    def assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)

    @property
    def exact(self) -> bool:
        """Whether every parameter is simulated as it is."""
        return all(change.exact for change in self.changes)

    @property
    def max_change(self) -> float:
        return max((change.max_change for change in self.changes), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "exact": self.exact,
            "max_change": self.max_change,
            "parameters": [asdict(c) | {"exact": c.exact} for c in self.changes],
            "assumptions": list(self.assumptions),
        }
