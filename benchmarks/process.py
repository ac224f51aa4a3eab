"""Work in a process of its own: what a program answers, and what a command takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import ONE_THREAD
from benchmarks.workloads import ROOT

# What the benchmarks themselves ask of Python and its packages.
OURS = {*ONE_THREAD, "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}


class Spent(NamedTuple):
    """Seconds that a command took: cpu of all its threads and processes, wall, and until its first line."""

    cpu: float
    wall: float
    first: float


def answer(module: str, *words: str | Path) -> dict[str, Any]:
    """The JSON that a module of this package prints, run as a program; one thread."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, words)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout)


def watched(*words: str | Path, folder: Path, settings: Mapping[str, str]) -> Spent:
    """Run Python with these *words* in a *folder*, in the environment of a user with these *settings* besides."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS} | settings
    start, first = time.perf_counter(), None
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-u", *map(str, words)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors
        )
        assert child.stdout is not None
        for line in child.stdout:
            if first is None and line.strip():
                first = time.perf_counter() - start
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            errors.seek(0)
            raise RuntimeError(f"{child.args} ended with {child.returncode}: {errors.read().decode()}")
    return Spent(used.ru_utime + used.ru_stime, wall, wall if first is None else first)
