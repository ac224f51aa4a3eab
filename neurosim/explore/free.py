"""Which axes of a study, and which differences between chips, cost nothing: what nobody pays for, more of it only improves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from neurosim.chip.chip import Chip
from neurosim.chip.following import ASPECTS, differing, followed, follows
from neurosim.errors import ChipError
from neurosim.explore.axis import Axis, Value
from neurosim.explore.study import CHIP, Study, is_of_chip, places

# Of a range, so many values are looked at.
LOOKS = 9
WHY = "no price, leakage or area follows it, so that more of it looks better"
# By axis and chip, which of ASPECTS follow it.
AxisCosts = dict[str, dict[str, list[str]]]


def axis_costs(study: Study) -> AxisCosts:
    """Of every axis that is a number of a chip, what follows it there, all else as in the study's chip; left out are chips on
    which less than two of its values are possible."""
    found = {axis: dict(_by_chip(study, axis)) for axis in study.axes if is_of_chip(axis)}
    return {axis: by_chip for axis, by_chip in found.items() if by_chip}


def free_axes(costs: AxisCosts) -> dict[str, list[str]]:
    """By axis, the chips on which nothing follows it; only where there are any."""
    found = {axis: [chip for chip, aspects in by_chip.items() if not aspects] for axis, by_chip in costs.items()}
    return {axis: chips for axis, chips in found.items() if chips}


def free_words(axis: str, chips: Iterable[str]) -> str:
    """That an axis is free, in words."""
    return f"{axis} costs nothing on {', '.join(chips)}: {WHY}"


def free_settings(chips: Mapping[str, Chip]) -> list[str]:
    """In words, the chips that differ from the first in numbers alone, and in none that a price, leakage or area follows."""
    first, *others = chips
    found = {name: _unpaid(chips[first], chips[name]) for name in others}
    told = {name: f"{name} differs from {first} in {', '.join(paths)} alone" for name, paths in found.items() if paths}
    return [f"{said}, which costs nothing: {WHY}" for said in told.values()]


def _unpaid(one: Chip, other: Chip) -> list[str]:
    """Paths of the settings in which both differ, if they are such numbers."""
    paths = differing([one, other])
    if followed([one, other]) or None in [follows([one, other], path) for path in paths]:
        return []
    return paths


def _by_chip(study: Study, axis: str) -> Iterator[tuple[str, list[str]]]:
    for name in study.chips:
        chips = list(_chips(study, name, axis))
        found = [follows(chips, place) for place, _ in places(axis)] if len(chips) > 1 else [None]
        if None not in found:
            yield name, [aspect for aspect in ASPECTS if any(aspect in (each or ()) for each in found)]


def _chips(study: Study, name: str, axis: str) -> Iterator[Chip]:
    """The chip with each value of the axis that it can have."""
    for value in _values(study.axes[axis]):
        try:
            yield study.chip({CHIP: name, axis: value})
        except ChipError:
            continue


def _values(axis: Axis) -> list[Value]:
    """Those of the axis; of a range some, the ends included."""
    return list(axis.values) or [axis.at(min(look / (LOOKS - 1), 1 - 1e-9)) for look in range(LOOKS)]
