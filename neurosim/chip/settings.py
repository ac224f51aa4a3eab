"""Settings of a chip by their path, such as ``core.lanes``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from neurosim.errors import ChipError

# A mesh whose size is given is fitted no longer.
MESH, FIT = "mesh", "fit"
GIVEN = ("width", "height")
# What cannot change a result.
DESCRIPTION = ("source", "node", "grade", "title", "notes", "not_counted", "covers", "version")


def set_path(values: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set ``a.b.c`` in nested *values*; an element of a list goes by its name. ``mesh = "fit"`` is its size, ``mesh = "8x4"``
    its width and height."""
    *parents, last = path.split(".")
    if path == MESH and not isinstance(value, dict):
        before = values.get(MESH)
        values[MESH] = (before if isinstance(before, dict) else {}) | sized(value, where)
        return
    if parents == [MESH] and last in GIVEN and isinstance(values.get(MESH), dict) and values[MESH].get("size") == FIT:
        values[MESH]["size"] = "given"
    place: Any = values
    for key in parents:
        inside = _inside(place, key)
        if not isinstance(inside, dict | list):
            raise ChipError(where, [f"there is no {path!r}; known here: {', '.join(_keys(place))}"])
        place = inside
    if not isinstance(place, dict):
        raise ChipError(where, [f"there is no {path!r}; known here: {', '.join(_keys(place))}"])
    if isinstance(place.get(last), dict) and not isinstance(value, dict | None):
        numbers = [key for key, inside in place[last].items() if isinstance(inside, int | float)]
        within = ", ".join(f"{path}.{key}" for key in numbers or place[last])
        raise ChipError(where, [f"{path} is {value!r}, and is no number but a table; set one of {within}"])
    place[last] = value


def sized(value: Any, where: str) -> dict[str, Any]:
    """The size of a mesh that is said in a word; raises ChipError for what is no such word."""
    if value == FIT:
        return {"size": FIT}
    found = re.fullmatch(r"([1-9]\d{0,8})x([1-9]\d{0,8})", value) if isinstance(value, str) else None
    if found is None:
        raise ChipError(where, [f"mesh is {value!r}; it takes 'fit', or a width and a height like '8x8'"])
    return {"size": "given", "width": int(found[1]), "height": int(found[2])}


def settings_of(values: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from settings_of(value, f"{path}.{key}" if path else key)
    elif isinstance(values, list) and values and all(isinstance(item, dict) for item in values):
        for item in values:
            yield from settings_of(item, f"{path}.{item['name']}")
    else:
        yield path, values


def _inside(place: Any, key: str) -> Any:
    if isinstance(place, list):
        return next((x for x in place if x.get("name") == key), None)
    return place.get(key) if isinstance(place, dict) else None


def _keys(place: Any) -> list[str]:
    return [x["name"] for x in place] if isinstance(place, list) else sorted(place)


