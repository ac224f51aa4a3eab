"""Axes of a study: a setting, and the values that it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool
# Ends of a range, and integers.
FARTHEST, LARGEST = 1e15, 2**63
USABLE = "words, finite numbers, integers below 2^63, true or false"


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


def usable(value: Any) -> bool:
    """Whether it can be a value of a setting."""
    if isinstance(value, str | bool):
        return True
    return (isinstance(value, int) and abs(value) < LARGEST) or (isinstance(value, float) and math.isfinite(value))


def axis_problems(name: str, given: Any) -> list[str]:
    """What keeps *given*, from a study file, from being an axis."""
    if isinstance(given, list):
        if not given:
            return [f"axis {name!r} is empty; give it at least one value"]
        odd = [value for value in given if not usable(value)]
        if odd:
            return [f"axis {name!r} has the value {odd[0]!r:.60}; values are {USABLE}"]
        twice = sorted({str(value) for value in given if given.count(value) > 1})
        return [f"axis {name!r} has {', '.join(twice)} more than once"] if twice else []
    if not isinstance(given, dict):
        return [f"axis {name!r} is {given!r:.60}; give a list of values, or {{ low = ..., high = ... }}"]
    if given and all(isinstance(value, list | dict) for value in given.values()):
        first = next(iter(given))
        return [f'axis {name!r} has parts of its own; write "{name}.{first}" = ..., in quotes']
    return [f"axis {name!r}: {problem}" for problem in _range_problems(given)]


def _range_problems(given: dict[str, Any]) -> list[str]:
    unknown = sorted(given.keys() - {"low", "high", "log", "whole"})
    problems = [f"unknown key {key!r}; a range has low, high, log and whole" for key in unknown]
    ends = [given.get(key) for key in ("low", "high")]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool) and abs(end) <= FARTHEST]
    if len(numbers) < 2:
        return [*problems, f"low and high are {ends[0]!r:.60} and {ends[1]!r:.60}; both must be numbers up to {FARTHEST:g}"]
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
