"""What a user waits for: the first commands after installation, the same again, and what comes before every command."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.process import Spent, watched
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import ROOT

PARTS = ("models", "traces")


class Installation(NamedTuple):
    """The package, as a user has it: where its commands run, and the settings that make Python find it."""

    folder: Path
    settings: dict[str, str]

    def python(self, *words: str | Path) -> Spent:
        return watched(*words, folder=self.folder, settings=self.settings)

    def command(self, *words: str | Path) -> Spent:
        return self.python("-m", "neurosim", *words)


@contextmanager
def installed(cold: bool) -> Iterator[Installation]:
    """*cold*: a copy of which nothing is compiled, neither by Python nor by numba; otherwise the checkout, and what is kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not cold:
            yield Installation(folder, {"PYTHONPATH": str(ROOT)})
            return
        shutil.copytree(ROOT / "neurosim", folder / "neurosim", ignore=shutil.ignore_patterns("__pycache__"))
        for part in PARTS:
            (folder / part).symlink_to(ROOT / part)
        yield Installation(folder, {"PYTHONPATH": name, "NUMBA_CACHE_DIR": str(folder / "compiled")})


def rows(size: Size) -> Iterator[Row]:
    """Whole commands, each in a process; a new installation for every repeat."""
    found = defaultdict[str, list[Spent]](list)
    for _ in range(size.repeats):
        with installed(size.cold) as place:
            for name, spent in _session(place, size):
                found[name].append(spent)
    few, many = size.demo
    first = f"first `demo` after installation, {few} images"
    begun = [s.first for s in found["first"]]
    yield Row("first `demo`: first line, wall", "s", begun, below=8, readme=f"{first}: its first line, wall")
    yield from _whole("first `demo`", found["first"], 18, f"{first}: whole")
    yield from _whole(f"`demo` again, {many:,} images", found["again"], 3.5)
    yield from _whole(f"`run` of {size.trained[-1].name}, {size.run} images", found["run"], 4)
    yield from _whole("first `verify` after that", found["first verify"])
    more = [one.cpu - other.cpu for one, other in zip(found["first verify"], found["verify"], strict=True)]
    yield Row("  more than the next one", "CPU s", more, below=2.5, readme="first `verify` after `run`, more than the next one")
    yield from _whole("`import neurosim`, with Python", found["import"], 0.35)
    yield from _whole("`--help`", found["help"], 0.5)


def _session(place: Installation, size: Size) -> Iterator[tuple[str, Spent]]:
    """The commands of a user, one after the other."""
    few, many = size.demo
    net = size.trained[-1]
    mesh = [word for setting in net.mesh for word in ("--set", setting)]
    yield "first", place.command("demo", "--images", str(few))
    yield "again", place.command("demo", "--images", str(many))
    yield "run", place.command("run", net.network_file, net.inputs_file, "--images", str(size.run), *mesh)
    for name in ("first verify", "verify"):
        yield name, place.command("verify", net.network_file)
    yield "import", place.python("-c", "import neurosim")
    yield "help", place.command("--help")


def _whole(name: str, spent: list[Spent], below: float | None = None, readme: str | None = None) -> Iterator[Row]:
    yield Row(name, "CPU s", [s.cpu for s in spent], below=below, readme=(readme or name) if below else None)
    yield Row("  wall", "s", [s.wall for s in spent])
