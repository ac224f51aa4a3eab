"""Chip files (TOML), presets among them."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from neurosim.chip.chip import Chip
from neurosim.chip.settings import FIT, GIVEN, MESH, set_path, sized
from neurosim.errors import ChipError, FileError
from neurosim.io.presets import DEFAULT, PRESETS, VERSION, is_preset, no_such, preset_toml


def load_chip(name_or_path: str | os.PathLike[str] = DEFAULT, changes: Sequence[str] = ()) -> Chip:
    """A preset by name, or a chip from a TOML file, with *changes* like ``core.lanes=4`` applied; without a name the default.

    Raises ChipError or FileError with every problem.
    """
    where = str(name_or_path)
    return changed_chip(_values(where, ()), changes, _subject(where))


def changed_chip(values: dict[str, Any], changes: Sequence[str], where: str) -> Chip:
    """A chip from its *values* with *changes* applied; raises ChipError with every problem."""
    problems = []
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals:
            problems.append(f"--set {change}: needs the form key.path=value")
            continue
        try:
            set_path(values, path.strip(), _literal(text.strip()), f"--set {change}")
        except ChipError as error:
            problems += [f"--set {change}: {p}" for p in error.problems]
    try:
        chip = Chip.parse(values, where)
    except ChipError as error:
        raise ChipError(error.subject, [*problems, *error.problems]) from None
    if problems:
        raise ChipError(where, problems)
    return chip


def _values(where: str, chain: tuple[str, ...]) -> dict[str, Any]:
    """The nested values of a chip, those of its *base* filled in."""
    if where in chain:
        raise ChipError(f"chip {chain[0]!r}", ["its bases form a circle: " + " -> ".join([*chain, where])])
    values = _preset_values(where) if is_preset(where) else _read(Path(where))
    base = values.pop("base", None)
    if doubled := list(_doubled(values)):
        raise ChipError(_subject(where), doubled)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ChipError(f"chip {where!r}", [f"base is {base!r}; it must be the name of a preset or a file"])
    found = base if is_preset(base) else os.path.realpath(Path(where).parent / base)
    try:
        # What is made of a chip has versions of its own.
        merged: dict[str, Any] = _merged(_values(found, (*chain, where)) | {"version": 1}, _sized(values))
        return merged
    except (ChipError, FileError) as error:
        if chain:
            raise
        raise ChipError(f"{_subject(where)}, base {base!r}", error.problems) from error


def _sized(own: dict[str, Any]) -> dict[str, Any]:
    """With ``mesh = "fit"`` or ``"8x8"`` as the size of the mesh; one that has a width or height of its own is not fitted."""
    mesh = own.get(MESH)
    if isinstance(mesh, str):
        return own | {MESH: sized(mesh, MESH)}
    given = [name for name in GIVEN if isinstance(mesh, dict) and name in mesh]
    if given and isinstance(mesh, dict) and mesh.get("size") == FIT:
        raise ChipError(MESH, [f"size is 'fit', and {' and '.join(given)} is given; leave one of them out"])
    if isinstance(mesh, dict) and given:
        return own | {MESH: {"size": "given", **mesh}}
    return own


def _preset_values(name: str) -> dict[str, Any]:
    """One that does not say its name has that by which it is known."""
    text = preset_toml(name)
    try:
        return {"name": name.partition(VERSION)[0], **tomllib.loads(text)}
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ChipError(_subject(name), [f"is not valid TOML: {error}"]) from error


def _subject(where: str) -> str:
    """What problems are with; one of a package is found by its file."""
    package = PRESETS.package(where)
    return f"preset {where!r} of package {package}, {PRESETS[where]}" if package else f"chip {where!r}"


def _read(path: Path) -> dict[str, Any]:
    preset, colon, changes = str(path).partition(":")
    if colon and is_preset(preset) and not path.exists():
        advice = f"changes of a preset are said by --set {changes}, or in a file with base = {preset!r}"
        raise ChipError(f"chip {str(path)!r}", [f"does not exist; {advice}"])
    if not path.suffix and not path.exists():
        raise ChipError(f"chip {str(path)!r}", [f"{no_such(str(path))}; or give a TOML file"])
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(str(path), [f"is not valid TOML: {error}"]) from error


def _merged(base: Any, own: Any) -> Any:
    """*own* over *base*: tables key by key, lists of named tables by name."""
    if isinstance(base, dict) and isinstance(own, dict):
        return base | {k: _merged(base[k], v) if k in base else v for k, v in own.items()}
    if _named(base) and _named(own):
        changed = {x["name"]: x for x in own}
        kept = [_merged(x, changed.pop(x["name"], {})) for x in base]
        return kept + list(changed.values())
    return own


def _doubled(values: dict[str, Any]) -> Iterator[str]:
    """Tables of one list that have the same name: over a base, one of them would be lost."""
    for key, tables in values.items():
        if _named(tables):
            for name, many in Counter(table["name"] for table in tables).items():
                if many > 1:
                    advice = f"say all of it in one [[{key}]], or give each a name of its own"
                    yield f"{key} name {name!r} is used {many} times; {advice}"


def _named(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(x, dict) and isinstance(x.get("name"), str) for x in value)


def _literal(text: str) -> Any:
    """A value as TOML would read it; anything else is a string."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
