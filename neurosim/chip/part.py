"""What all parts of a described chip have in common: strict values, and where a number comes from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neurosim.chip.settings import DESCRIPTION


def whole(value: Any) -> Any:
    """TOML and command lines may say 5e8 for an integer; true is not 1."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return int(value) if isinstance(value, float) and value.is_integer() else value


Count = Annotated[int, BeforeValidator(whole), Field(gt=0)]
NoneOrMore = Annotated[int, BeforeValidator(whole), Field(ge=0)]
# So few that no sum of them overflows.
Cycles = Annotated[int, BeforeValidator(whole), Field(ge=0, le=10**9)]
Interval = Annotated[int, BeforeValidator(whole), Field(gt=0, le=10**9)]
Positive = Annotated[float, BeforeValidator(whole), Field(ge=1e-30, le=1e30, allow_inf_nan=False)]
# Far beyond anything physical, and far from where sums of products overflow.
Amount = Annotated[float, BeforeValidator(whole), Field(ge=0, le=1e30, allow_inf_nan=False)]
Relative = Annotated[float, BeforeValidator(whole), Field(ge=0, le=10, allow_inf_nan=False)]
StateBits = Annotated[int, BeforeValidator(whole), Field(ge=2, le=32)]
Grade = Literal["measured", "fitted", "simulated", "published", "taken over", "chosen"]


# Marks a field that chips did not always have, ``wake: Annotated[Priced, ADDED] = ...``: with its default, which must mean that
# nothing of the kind happens or costs, a chip is the one that it was without the field.
ADDED = "added later"


class Part(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    @property
    def decisive(self) -> dict[str, Any]:
        """The values that can change a result: no words, and nothing ADDED that has its default."""
        found = {name: _decisive(getattr(self, name)) for name in type(self).model_fields if name not in DESCRIPTION}
        added = {name: field for name, field in type(self).model_fields.items() if ADDED in field.metadata}
        usual = [name for name, field in added.items() if found[name] == _decisive(field.default)]
        return {name: value for name, value in found.items() if name not in usual}


def _decisive(value: Any) -> Any:
    if isinstance(value, Part):
        return value.decisive
    return [_decisive(each) for each in value] if isinstance(value, tuple) else value


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
