"""Axes of a study: a setting, and the values that it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool


@dataclass(frozen=True)
class Axis:
    """One of *values*, or, where there are none, a number from *low* to *high*, both included; evenly spread, or by their
    logarithm; *whole*: integers alone."""

    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> Value:
        """The value at 0 <= share < 1 of the way, each of several values with an equal part of it."""
        if self.values:
            return self.values[int(share * len(self.values))]
        # An integer stands for all that is rounded to it.
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        found = low * (high / low) ** share if self.log else low + share * (high - low)
        return int(min(max(math.floor(found + 0.5), self.low), self.high)) if self.whole else found


def axis_problems(name: str, given: Any) -> list[str]:
    """What keeps *given*, from a study file, from being an axis."""
    if isinstance(given, list):
        if not given:
            return [f"axis {name!r} is empty; give it at least one value"]
        odd = [value for value in given if not isinstance(value, Value)]
        if odd:
            return [f"axis {name!r} has the value {odd[0]!r}; values are numbers, words, true or false"]
        twice = sorted({str(value) for value in given if given.count(value) > 1})
        return [f"axis {name!r} has {', '.join(twice)} more than once"] if twice else []
    if not isinstance(given, dict):
        return [f"axis {name!r} is {given!r}; give a list of values, or {{ low = ..., high = ... }}"]
    return [f"axis {name!r}: {problem}" for problem in _range_problems(given)]


def _range_problems(given: dict[str, Any]) -> list[str]:
    unknown = sorted(given.keys() - {"low", "high", "log", "whole"})
    problems = [f"unknown key {key!r}; a range has low, high, log and whole" for key in unknown]
    ends = [given.get(key) for key in ("low", "high")]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end)]
    if len(numbers) < 2:
        return [*problems, f"low and high are {ends[0]!r} and {ends[1]!r}; both must be numbers"]
    low, high = numbers
    if low >= high:
        problems.append(f"low is {low:g} and high {high:g}; low must be less")
    if given.get("log") and low <= (0.5 if given.get("whole") else 0):
        problems.append(f"low is {low:g}; with log it must be positive")
    if given.get("whole") and not (float(low).is_integer() and float(high).is_integer()):
        problems.append(f"low and high are {low:g} and {high:g}; with whole they must be integers")
    problems += [
        f"{key} is {given[key]!r}; it must be true or false"
        for key in ("log", "whole")
        if not isinstance(given.get(key, True), bool)
    ]
    return problems


def axis_of(given: list[Value] | dict[str, Any]) -> Axis:
    """An axis from what has no problems."""
    return Axis(tuple(given)) if isinstance(given, list) else Axis(**given)
