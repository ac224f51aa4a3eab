"""What all parts of a described chip have in common: strict values, and where a number comes from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: Any) -> Any:
    """TOML and command lines may say 5e8 for an integer; true is not 1."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(_whole), Field(gt=0)]
# So few that no sum of them overflows.
Cycles = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=10**9)]
Interval = Annotated[int, BeforeValidator(_whole), Field(gt=0, le=10**9)]
Positive = Annotated[float, BeforeValidator(_whole), Field(ge=1e-30, le=1e30, allow_inf_nan=False)]
# Far beyond anything physical, and far from where sums of products overflow.
Amount = Annotated[float, BeforeValidator(_whole), Field(ge=0, le=1e30, allow_inf_nan=False)]
Relative = Annotated[float, BeforeValidator(_whole), Field(ge=0, le=10, allow_inf_nan=False)]
StateBits = Annotated[int, BeforeValidator(_whole), Field(ge=2, le=32)]
Grade = Literal["measured", "fitted", "simulated", "published", "taken over", "chosen"]


class Part(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Sourced(Part):
    """source: where its numbers come from. node: the technology they hold for, where it is not that of the chip.

    grade: *measured* on silicon, *fitted* to measurements, *simulated* (circuit or architecture level), *published* without
    saying how, *taken over* from something else, or *chosen* by whoever wrote the file.
    """

    source: str
    node: str | None = None
    grade: Grade | None = None


class Uncertain(Sourced):
    """uncertainty: relative standard deviation of its prices, 0.2 for 20 %."""

    uncertainty: Relative = 0.0
