"""Families: tables of names, such as those of the placers, that the entry points of installed packages add to.

A name that ships is found without looking further. Others are read from what packages say about themselves; only what is used
is imported. What ships wins over a package that brings the same name, so that no installation changes what a study means; of
two packages that bring the same name neither is used.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec
from typing import Any, Generic, NamedTuple, TypeVar

from neurosim.errors import NeurosimError, PluginError

T = TypeVar("T")
# All entry-point groups of ours begin so; there are these.
PREFIX = "neurosim."
GROUPS = tuple(PREFIX + name for name in ("placers", "timings", "events", "exports", "presets"))
# Names that can be typed, and that no line of help has to break.
USABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,23}")


class Plugin(NamedTuple):
    """What a *package* (its name and version) registers in a family: the name, and where the thing is."""

    package: str
    entry: EntryPoint


@dataclass(frozen=True, eq=False)
class Family(Generic[T]):
    """kind: what a member is called in messages. own: those that ship, by name. group: of the entry points that add to them,
    None where nothing does.

    taken: makes a member of an object, one that a package registers or that is handed in in place of a name; raises TypeError
    where it is none. opened: what an entry point leads to, if not simply what it names.
    """

    kind: str
    own: Mapping[str, T]
    group: str | None = None
    taken: Callable[[Any], T] = lambda given: given
    opened: Callable[[EntryPoint], Any] = EntryPoint.load

    def __iter__(self) -> Iterator[str]:
        """All names: those that ship, then those of packages by the alphabet."""
        return iter([*self.own, *sorted(name for name in self._brought if name not in self.own)])

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._brought

    def __getitem__(self, name: str) -> T:
        """Raises NeurosimError for a name that is unknown, brought by several packages, or leads to nothing usable."""
        if name in self.own:
            return self.own[name]
        plugins = self._brought.get(name, [])
        if not plugins:
            raise NeurosimError(self.unknown(name))
        if len(plugins) > 1:
            raise NeurosimError(f"{self._double(name, plugins)}; keep one of them installed")
        return self._opened(name, plugins[0])

    def of(self, given: Any) -> tuple[str, T]:
        """(name, member) of a name, or of an object in place of one, whose name is that by which Python knows it."""
        if isinstance(given, str):
            return str(given), self[given]
        try:
            return qualified(given), self.taken(given)
        except TypeError as error:
            raise NeurosimError(f"{self.kind} {given!r}: {error}") from None

    def problem(self, given: Any) -> str | None:
        """Why a name or object is no member; None if it is."""
        error = self.error(given)
        return None if error is None else str(error)

    def error(self, given: Any) -> NeurosimError | None:
        """The same as what would be raised."""
        try:
            self.of(given)
        except NeurosimError as error:
            return error
        return None

    def package(self, name: str) -> str | None:
        """Name and version of the package that a name comes from; None for those that ship."""
        return None if name in self.own or name not in self._brought else self._brought[name][0].package

    def told(self, name: str) -> str:
        """What to call a member in messages."""
        package = self.package(name)
        return f"{self.kind} {name!r}" + (f" of package {package}" if package else "")

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """What a package brings runs here: where it fails, it is the package that is named."""
        try:
            yield
        except (NeurosimError, MemoryError):
            raise
        except Exception as error:
            if self.package(name) is None:
                raise
            raise PluginError(f"{self.told(name)} fails: {_told(error)}") from error

    def unknown(self, name: str) -> str:
        """What to say about a name that is none."""
        notes = "".join(f"\n  {note}" for note in self.notes)
        return f"{self.kind} {name!r} does not exist{meant(name, self)}; there are: {', '.join(self)}{notes}"

    @property
    def notes(self) -> list[str]:
        """What is wrong with what packages bring, as far as it can be seen without importing it."""
        if self.group is None:
            return []
        found, unreadable = installed(tuple(sys.path))
        wrong = [f"{self.kind} {p.entry.name!r} of package {p.package}: {why}" for p in found if (why := self._wrong(p))]
        for name, plugins in self._brought.items():
            if name in self.own:
                wrong.append(f"{self.kind} {name!r} of package {_packages(plugins)} is hidden by the one that ships")
            elif len(plugins) > 1:
                wrong.append(self._double(name, plugins))
        return [*wrong, *unreadable]

    @property
    def _brought(self) -> dict[str, list[Plugin]]:
        """What packages bring under usable names."""
        found: dict[str, list[Plugin]] = {}
        for plugin in installed(tuple(sys.path))[0] if self.group else ():
            if plugin.entry.group == self.group and USABLE.fullmatch(plugin.entry.name):
                found.setdefault(plugin.entry.name, []).append(plugin)
        return found

    def _opened(self, name: str, plugin: Plugin) -> T:
        """Whatever goes wrong in foreign code is told as what it is: a package that does not work."""
        try:
            return self.taken(self.opened(plugin.entry))
        except (Exception, SystemExit) as error:
            what = f"{self.kind} {name!r} of package {plugin.package}, entry point {plugin.entry.value!r} in {self.group}"
            raise PluginError(f"{what}, cannot be used: {_told(error)}; mend or uninstall the package") from error

    def _wrong(self, plugin: Plugin) -> str | None:
        if plugin.entry.group != self.group:
            return None
        if not USABLE.fullmatch(plugin.entry.name):
            return "its name cannot be used; it takes 1 to 24 letters, digits, '_' and '-'"
        if not _is_there(plugin.entry.value):
            return f"its entry point leads to {plugin.entry.value!r}, which is not installed"
        return None

    def _double(self, name: str, plugins: Iterable[Plugin]) -> str:
        return f"{self.kind} {name!r} is brought by several packages: {_packages(plugins)}"


@lru_cache(1)
def installed(path: tuple[str, ...]) -> tuple[list[Plugin], list[str]]:
    """(what all packages on the *path* of modules register with us, what is wrong with how others do)."""
    found, notes, seen = list[Plugin](), list[str](), set[str]()
    for distribution in distributions(path=list(path)):
        try:
            if PREFIX not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name, package = _named(distribution)
            # The first on the path is the one that is imported.
            if name not in seen:
                ours = [entry for entry in distribution.entry_points if entry.group.startswith(PREFIX)]
                found += [Plugin(package, entry) for entry in ours if entry.group in GROUPS]
                notes += [_lost(package, group) for group in sorted({entry.group for entry in ours} - set(GROUPS))]
            seen.add(name)
        except (OSError, TypeError, ValueError) as error:
            notes.append(f"package {_called(distribution)}: its entry points cannot be read: {error}")
    return found, notes


def check(*choices: tuple[Family[Any], Any], others: Iterable[NeurosimError] = ()) -> None:
    """Raise NeurosimError with everything that is wrong with what was chosen from families, PluginError if a package is;
    *others*: what else is wrong."""
    wrong = [*(error for family, given in choices if (error := family.error(given))), *others]
    if wrong:
        kind = PluginError if any(isinstance(error, PluginError) for error in wrong) else NeurosimError
        raise kind("; ".join(map(str, wrong))) from wrong[0]


def meant(name: str, known: Iterable[str]) -> str:
    """A question, if one of the *known* names is near."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def qualified(given: Any) -> str:
    """The name by which Python knows a function or class, or else the type of an object."""
    inner = behind(given)
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    return f"{named.__module__}.{named.__qualname__}"


def behind(given: Any) -> Any:
    """What is called in the end, where arguments are bound beforehand."""
    while isinstance(given, partial):
        given = given.func
    return given


def function(given: Any) -> Any:
    """As it is, if it can be called."""
    if not callable(given):
        raise TypeError(f"is {type(given).__name__}; it must be a function, or something else that can be called")
    return given


def _named(distribution: Distribution) -> tuple[str, str]:
    """(the name by which packages are compared, name and version as it writes them)."""
    about = distribution.metadata
    name, version = (str(about[key]) if key in about else "unknown" for key in ("Name", "Version"))
    return re.sub(r"[-_.]+", "-", name).lower(), f"{name} {version}"


def _lost(package: str, group: str) -> str:
    what = f"package {package} registers in group {group!r}, which does not exist"
    return f"{what}{meant(group, GROUPS)}; there are: {', '.join(GROUPS)}"


def _called(distribution: Distribution) -> str:
    """Name and version; the folder that tells about it where it does not tell."""
    try:
        return _named(distribution)[1]
    except (OSError, TypeError, ValueError):
        return str(getattr(distribution, "_path", "unknown")).rpartition(os.sep)[2]


def _is_there(value: str) -> bool:
    """Whether the package that an entry point leads into is installed; it is not imported."""
    root = re.match(r"\w+", value)
    try:
        return root is not None and find_spec(root[0]) is not None
    except ValueError:
        return False


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _packages(plugins: Iterable[Plugin]) -> str:
    return ", ".join(sorted(plugin.package for plugin in plugins))
