"""Timing: jobs side by side, in turns."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np


class Job(NamedTuple):
    """What is timed, and what has to be done before each time, untimed."""

    run: Callable[[], Any]
    prepare: Callable[[], Any] | None = None


class Timings(NamedTuple):
    """seconds: float64 [repeats] by job. first: seconds of the first calls (compilation), which are not among them."""

    seconds: dict[str, np.ndarray]
    first: float

    def per_second(self, job: str, amount: float) -> np.ndarray:
        """*amount* of work of one run of *job*, per second, by repeat."""
        return amount / self.seconds[job]


def interleaved(jobs: dict[str, Job], repeats: int) -> Timings:
    """Run all *jobs* in turns, A B A B, after a first round that is left out."""
    first = sum(_timed(job) for job in jobs.values())
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            seconds[name].append(_timed(job))
    return Timings({name: np.array(values) for name, values in seconds.items()}, first)


def _timed(job: Job) -> float:
    if job.prepare:
        job.prepare()
    gc.collect()
    start = time.perf_counter()
    job.run()
    return time.perf_counter() - start


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what compiled code prints to nowhere."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
