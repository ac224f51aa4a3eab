"""Progress on stderr; bars are silent without a terminal, and everything is where it is *hidden*."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from neurosim.kernels import CODE_CACHE
from neurosim.kernels.compilation import tell_first_compilation

COMPILING = "compiling for this machine, which is done once and takes some seconds"
UNKEPT = "compiled code cannot be kept, as no folder for it can be written: every command compiles anew"
KEPT = "compiled code will be kept in {}, as no other folder for it can be written"
CHOOSE = "{}; set NUMBA_CACHE_DIR to a folder that can"


@contextmanager
def progress(what: str, total: int, hidden: bool = False) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of items just done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextmanager
def waiting(what: str, hidden: bool = False) -> Iterator[None]:
    """Shows that something goes on of which nobody knows how long it takes, and for how long it has."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        bar.add_task(what, total=None)
        yield


def compilation(hidden: bool = False) -> None:
    """From now on, one line when the first code is compiled that no earlier command left; where it is not kept as usual, the
    line says so, also without a terminal."""

    def tell() -> None:
        if CODE_CACHE.slow:
            sys.stderr.write(f"neurosim: {CHOOSE.format(KEPT.format(CODE_CACHE.folder) if CODE_CACHE.kept else UNKEPT)}\n")
        elif Console(stderr=True).is_terminal:
            sys.stderr.write(f"neurosim: {COMPILING}\n")

    if not hidden:
        tell_first_compilation(tell)


@contextmanager
def share(what: str, hidden: bool = False) -> Iterator[Callable[[float], None]]:
    """A function to call with the share of the work done, between 0 and 1."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def points(what: str, hidden: bool = False) -> Iterator[tuple[Callable[[int, int], None], Callable[[str], None]]]:
    """(a function to call with how many are done, and of how many; a function that writes a line)."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=hidden)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total), console.print


@contextmanager
def phases(hidden: bool = False) -> Iterator[tuple[Callable[[str, str], None], Callable[[str, float], None]]]:
    """(a function that writes a line for people, or else for programs; a function to call with a phase and its share done)."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=hidden)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    silent = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent, speed_estimate_period=600) as bar:
        tasks: dict[str, TaskID] = {}

        def tick(phase: str, done: float) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=1.0)
            bar.update(tasks[phase], completed=done)

        def write(for_people: str, for_programs: str) -> None:
            if console.is_terminal:
                console.print(for_people)
            elif not hidden:
                print(for_programs, file=sys.stderr, flush=True)

        yield write, tick
