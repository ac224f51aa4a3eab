"""How values are written: whatever knows a file format registers its writer here, for the type that it writes."""

from __future__ import annotations

import os
from functools import singledispatch
from importlib import import_module
from typing import Any

# The module that registers the writer of a type, imported when the first value of that type is written.
SAVERS = {
    "Network": "neurosim.io.network_file", "Inputs": "neurosim.io.inputs_file", "SpikeTrace": "neurosim.io.trace_file",
    "Mapping": "neurosim.io.mapping_file", "Record": "neurosim.io.run_file",
}  # fmt: skip
REPORTERS = {"Record": "neurosim.report"}


@singledispatch
def save(value: object, path: str | os.PathLike[str]) -> None:
    """Write *value* to the file *path*."""
    write = _registered(save, SAVERS, value)
    if write is None:
        raise TypeError(f"nothing is registered that writes a {type(value).__name__} to a file")
    write(value, path)


@singledispatch
def report(value: object, path: str | os.PathLike[str]) -> None:
    """Write the report of *value*: one HTML file that needs nothing else."""
    write = _registered(report, REPORTERS, value)
    if write is None:
        raise TypeError(f"nothing is registered that reports a {type(value).__name__}")
    write(value, path)


def _registered(family: Any, homes: dict[str, str], value: object) -> Any:
    """The writer for *value* of a *family* of writers, after the modules of *homes* that register one for its type are there;
    None without one."""
    for kind in type(value).__mro__:
        if kind.__name__ in homes:
            import_module(homes[kind.__name__])
    found = family.dispatch(type(value))
    return None if found is family.dispatch(object) else found
