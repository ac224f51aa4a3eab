"""Which files of events are meant, and of which class each is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurosim.errors import FileError, InputsError


def event_files(sources: Sequence[Path], label: int | None = None) -> tuple[list[tuple[Path, int | None]], dict[str, int]]:
    """(file, label) of every file that is named or lies in a folder that is named, sorted within a folder; labels of classes.

    The folders within a folder are classes, numbered by their names where these are numbers, else in the order of the names.
    *label* is that of all files. Hidden files are passed over. Raises FileError or InputsError for folders that are empty or
    hold folders and files, or classes where a label is said.
    """
    found: list[tuple[Path, str | None]] = []
    for source in sources:
        found += _in_folder(source) if source.is_dir() else [(source, None)]
    classes = _numbered({name for _, name in found if name is not None})
    if classes and label is not None:
        raise InputsError("label", [f"label {label} is said for all, but the folders {', '.join(classes)} are classes"])
    return [(path, label if name is None else classes[name]) for path, name in found], classes


def _in_folder(folder: Path) -> list[tuple[Path, str | None]]:
    """The files of a folder, or of its classes, with the class."""
    entries = _entries(folder)
    inner = [entry for entry in entries if entry.is_dir()]
    if not inner:
        return [(entry, None) for entry in entries]
    if len(inner) < len(entries):
        stray = next(entry.name for entry in entries if not entry.is_dir())
        raise FileError(str(folder), [f"holds folders, which would be classes, and files such as {stray}; move one of them"])
    deep = [entry for kind in inner for entry in _entries(kind) if entry.is_dir()]
    if deep:
        told = f"has folders in folders, such as {deep[0].relative_to(folder)}; name the folder that holds the classes"
        raise FileError(str(folder), [told])
    return [(entry, kind.name) for kind in inner for entry in _entries(kind)]


def _entries(folder: Path) -> list[Path]:
    found = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if not found:
        raise FileError(str(folder), ["is an empty folder"])
    return found


def _numbered(names: set[str]) -> dict[str, int]:
    if all(name.isascii() and name.isdigit() and len(name) < 10 for name in names):
        return {name: int(name) for name in sorted(names, key=int)}
    return {name: number for number, name in enumerate(sorted(names))}
