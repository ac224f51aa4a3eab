"""How values are written: whatever knows a file format registers its writer here, for the type that it writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import singledispatch
from typing import Any

_finders: list[Callable[[str, str], None]] = []


def finder(find: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Make *find* known: given "save" or "report" and the name of a type, it loads what registers the writer of that type.

    Nothing here knows a format: whoever stands on all modules brings them, when the first value of a type is written.
    """
    _finders.append(find)
    return find


@singledispatch
def save(value: object, path: str | os.PathLike[str]) -> None:
    """Write *value* to the file *path*."""
    write = _registered(save, "save", value)
    if write is None:
        raise TypeError(f"nothing is registered that writes a {type(value).__name__} to a file")
    write(value, path)


@singledispatch
def report(value: object, path: str | os.PathLike[str]) -> None:
    """Write the report of *value*: one HTML file that needs nothing else."""
    write = _registered(report, "report", value)
    if write is None:
        raise TypeError(f"nothing is registered that reports a {type(value).__name__}")
    write(value, path)


def _registered(family: Any, name: str, value: object) -> Any:
    """The writer for *value* of a *family* of writers called *name*, after the finders have brought those of its type; None
    without one."""
    for kind in type(value).__mro__:
        for find in _finders:
            find(name, kind.__name__)
    found = family.dispatch(type(value))
    return None if found is family.dispatch(object) else found
