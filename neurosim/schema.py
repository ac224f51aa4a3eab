"""Numbers of documents, and what is wrong with values that a model refuses, in words: every problem, each with its path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

# A table whose keys are a list with an owner elsewhere is ``TypedDict("Name", dict.fromkeys(KEYS, Real))``: a model with one
# asks for each of the keys and refuses others, and the JSON Schema lists them. Type checkers cannot follow keys that are not
# written out; under TYPE_CHECKING the same name is a plain dict.

# So far from anything meant that no quotient of two of them is lost.
LARGEST = 1e100
# No table where one should be; pydantic would name the class.
NO_TABLE = ("model_type", "model_attributes_type", "dataclass_type", "dict_type")
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
# Characters of a value that are shown, and problems that are listed.
LONGEST, SHOWN = 200, 20


def _as_given(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """A sum of nothing is 0, not 0.0, and is written so."""
    return value if type(value) is int and abs(value) <= LARGEST else handler(value)


Real = Annotated[
    float, Strict(), Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False), WrapValidator(_as_given), SerializeAsAny(),
    WithJsonSchema({"type": "number"}),
]  # fmt: skip
Whole = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
AtLeastOne = Annotated[int, Strict(), Field(ge=1, lt=2**63)]


class Section(BaseModel):
    """A part of a document; frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def to_dict(self) -> dict[str, Any]:
        """The JSON, as it was given: what has a default and was not said is not in it."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def problems_of(error: ValidationError, values: Any, root: str = "") -> list[str]:
    """Everything that a model found wrong with *values*, in its order; *root*: what their path begins with."""
    return [_problem(found, values, root) for found in error.errors(include_url=False)]


def some(problems: Sequence[str]) -> list[str]:
    """As many problems as anyone reads, and how many more there are."""
    more = [f"and {len(problems) - SHOWN:,} more problems"] if len(problems) > SHOWN else []
    return [*problems[:SHOWN], *more]


def _problem(error: Any, values: Any, root: str) -> str:
    inside = error.get("ctx", {}).get("inside", ())
    path = ".".join(filter(None, [root, _path((*error["loc"], *inside), values)]))
    if error["type"] == "missing":
        return f"{path}: is missing"
    if error["type"] in UNKNOWN:
        return f"{path}: unknown key"
    if error["type"] == "value_error":
        found = error["msg"].removeprefix("Value error, ")
        return f"{path}: {found}" if path else found
    if error["type"] in NO_TABLE:
        return f"{path}: is {_short(error['input'])}; it should be a table"
    return f"{path}: is {_short(error['input'])}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _path(location: tuple[Any, ...], values: Any) -> str:
    """The keys that lead there; an element of a list goes by its name, where it has one."""
    names = []
    for key in location:
        if isinstance(key, int) and isinstance(values, list) and key < len(values):
            values = values[key]
            names.append(str(values.get("name", key)) if isinstance(values, dict) else str(key))
            continue
        values = values.get(key) if isinstance(values, dict) else None
        names.append(str(key))
    return ".".join(names)
