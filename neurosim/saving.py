"""How values are written: whatever knows a file format registers its writer here, for the type that it writes."""

from __future__ import annotations

import os
from functools import singledispatch


@singledispatch
def save(value: object, path: str | os.PathLike[str]) -> None:
    """Write *value* to the file *path*."""
    raise TypeError(f"nothing is registered that writes a {type(value).__name__} to a file")


@singledispatch
def report(value: object, path: str | os.PathLike[str]) -> None:
    """Write the report of *value*: one HTML file that needs nothing else."""
    raise TypeError(f"nothing is registered that reports a {type(value).__name__}")
