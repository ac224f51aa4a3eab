"""What documents say about a chip."""

from __future__ import annotations

from typing import Any

from pydantic import field_serializer

from neurosim.chip.chip import Chip
from neurosim.schema import Section


class ChipHead(Section):
    """A chip by its name."""

    name: str


class ChipValues(Section):
    """Every value of a chip, and the hash of what can change a result."""

    sha256: str
    values: Chip

    @field_serializer("values")
    def _values(self, chip: Chip) -> dict[str, Any]:
        return chip.values


class ChipSection(ChipValues, ChipHead):
    """The chip."""
