"""The presets: chip files that ship, or that installed packages bring, by their names."""

from __future__ import annotations

import tomllib
from importlib import resources
from importlib.metadata import EntryPoint
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from neurosim.errors import ChipError
from neurosim.families import Family, meant

DEFAULT = "lp45"
# Between the name of a preset and a version of it.
VERSION = "@"


def preset(given: Any) -> Traversable:
    """A TOML file, within a package or on disk."""
    if isinstance(given, str):
        given = Path(given)
    if not isinstance(given, Traversable):
        raise TypeError(f"is {type(given).__name__}; it must be the path of a TOML file")
    return given


def opened(entry: EntryPoint) -> Any:
    """What the entry point of a preset leads to: a TOML file in a package (``my_chips:fast.toml``), that of its own name (a
    package alone), or what a function without arguments returns."""
    module, _, inside = entry.value.partition(":")
    if not inside or inside.endswith(".toml"):
        return resources.files(module.strip()) / (inside.strip() or f"{entry.name}.toml")
    return entry.load()()


def shipped() -> dict[str, Traversable]:
    """The presets of this package by their file, the default first; what they were before they were changed is ``NAME@1``."""
    folder = resources.files("neurosim") / "presets"
    found = {p.name.removesuffix(".toml"): p for p in folder.iterdir() if p.name.endswith(".toml")}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != DEFAULT, name))}


OLDER = {name: file for name, file in shipped().items() if VERSION in name}
NEWEST = {name: file for name, file in shipped().items() if name not in OLDER}
PRESETS: Family[Traversable] = Family("preset", NEWEST, group="neurosim.presets", taken=preset, opened=opened)


def preset_toml(name: str) -> str:
    """The text of a preset; ``mesh45@1`` is that of its version 1. Raises ChipError where there is none."""
    if name in OLDER:
        return OLDER[name].read_text(encoding="utf-8")
    plain, at, version = name.partition(VERSION)
    if plain not in PRESETS:
        raise ChipError(f"chip {name!r}", [no_such(name)])
    with PRESETS.running(plain):
        text = PRESETS[plain].read_text(encoding="utf-8")
    newest = _newest(text)
    if at and version != newest:
        versions = [older.partition(VERSION)[2] for older in OLDER if older.startswith(plain + VERSION)]
        problem = f"preset {plain!r} has no version {version!r}; there are: {', '.join([*versions, newest])}"
        raise ChipError(f"chip {name!r}", [problem])
    return text


def _newest(text: str) -> str:
    """The version that a preset says that it has."""
    try:
        return str(tomllib.loads(text).get("version", 1))
    except (tomllib.TOMLDecodeError, RecursionError):
        return "1"


def is_preset(name: str) -> bool:
    """Whether a chip is meant by the name of a preset, with or without a version, and not by a file."""
    return name.partition(VERSION)[0] in PRESETS


def no_such(name: str) -> str:
    """What to say of the name of a preset that there is not."""
    plain, at, _ = name.partition(VERSION)
    older = f"; older versions: {', '.join(OLDER)}" if at else ""
    return f"no such preset{meant(plain, PRESETS)}; there are: {', '.join(PRESETS)}{older}"
