"""Levels of memory: each kind of item has one home, and what stands behind a level fits it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from neurosim.chip.memory import CACHED, KINDS, PER


class Level(NamedTuple):
    """What matters of a memory here."""

    name: str
    holds: tuple[str, ...]
    backs: str | None
    cache: bool  # what it backs is a cache
    per: str


def levels_of(memory: Any) -> list[Level]:
    """The levels in a chip file whose values may be wrong; what is no table of a memory is passed over."""
    found = []
    for table in memory if isinstance(memory, list | tuple) else []:
        if isinstance(table, dict) and isinstance(table.get("name"), str):
            holds, backs, per = table.get("holds"), table.get("backs"), table.get("per", "core")
            kinds = tuple(kind for kind in holds if isinstance(kind, str)) if isinstance(holds, list | tuple) else ()
            cache = table.get("miss_rate") is not None
            found.append(Level(table["name"], kinds, backs if isinstance(backs, str) else None, cache, str(per)))
    return found


def level_problems(levels: Sequence[Level]) -> list[str]:
    """Kinds with no or several homes, names used twice, levels that back what they cannot."""
    problems, names = [], [level.name for level in levels]
    for kind in KINDS:
        homes = [level.name for level in levels if kind in level.holds]
        if len(homes) != 1:
            problems.append(f"{kind!r} is held by {' and '.join(homes) or 'no memory'}; exactly one must hold it")
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"memory name {name!r} is used {names.count(name)} times" for name in twice]
    for level in levels:
        front = next((other for other in levels if other.name == level.backs), None)
        if level.backs and front is None:
            known = ", ".join(names)
            problems.append(f"memory {level.name!r} backs {level.backs!r}, which does not exist; there are: {known}")
        elif front and level.cache:
            problems += _cache_problems(level, front, levels)
        elif front and ("weights" not in front.holds or front.per != "core" or front.name == level.name):
            needed = "another that holds weights in every core"
            problems.append(f"memory {level.name!r} backs {level.backs!r}, which must be {needed}")
    fronts = [level.backs for level in levels if level.backs]
    doubled = sorted({name for name in fronts if fronts.count(name) > 1})
    return problems + [f"memory {name!r} is backed by {fronts.count(name)} memories; at most one" for name in doubled]


def _cache_problems(level: Level, front: Level, levels: Sequence[Level]) -> Iterator[str]:
    """What stands in the way of *front* being a cache of *level*."""
    if front.backs and not front.cache:
        told = "from which weights are fetched; a cache stands before it"
        yield f"memory {level.name!r} backs {front.name!r} with a miss_rate, {told}"
    elif not {*CACHED} & {*front.holds} and not front.backs:
        yield f"memory {level.name!r} backs {front.name!r} with a miss_rate, which holds nothing of {', '.join(CACHED)}"
    if level.per in PER and front.per in PER and PER.index(level.per) < PER.index(front.per):
        yield f"memory {level.name!r}, one per {level.per}, backs {front.name!r}, of which there are fewer, one per {front.per}"
    seen, at = [level.name], front
    while at.name not in seen and at.backs:
        seen.append(at.name)
        at = next((other for other in levels if other.name == at.backs), level)
    if at.name in seen:
        yield f"memory {level.name!r} stands behind itself: {' backs '.join([*seen, at.name])}"
