"""A Dask cluster: a scheduler and two workers, processes of this machine; what a point costs at each place, and travels."""

from __future__ import annotations

import operator
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import neurosim as ns
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.study import AXES, study
from neurosim.explore.store import Store
from neurosim.explore.study import Study
from neurosim.explore.sweep import Recorder
from neurosim.explore.task import Task, recorded_in

# Half of the chips of the study without a cluster.
HALF = AXES | {"memory.weight_sram.bits": [262144]}
WORKERS = 2


def rows(size: Size) -> Iterator[Row]:
    """A study, after one with few points, with which the workers compile; then tasks that do nothing."""
    if not find_spec("distributed"):
        yield Row.skipped("Dask is not installed")
        return
    few, chips = study(replace(size, axes=1), HALF), study(size, HALF)
    with started() as address, ns.Cluster(address) as cluster, tempfile.TemporaryDirectory() as folder:
        ns.sweep(few, store=Path(folder) / "few", executor=cluster)
        spent, begun = _cpu(cluster), time.perf_counter()
        found = ns.sweep(chips, store=Path(folder) / "all", executor=cluster)
        whole = time.perf_counter() - begun
        here, there, work = (now - before for now, before in zip(_cpu(cluster), spent, strict=True))
        points = len(found.rows)
        yield Row("points", "", [points])
        yield Row("the study, two workers", "s", [whole])
        yield Row("  of a point, CPU of the workers", "s", [work / points])
        yield Row("  of a point, CPU of the client", "ms", [1e3 * here / points])
        yield Row("  of a point, CPU of the scheduler", "ms", [1e3 * there / points])
        yield from _overhead(cluster, chips, Path(folder) / "all", size)


def _overhead(cluster: ns.Cluster, chips: Study, store: Path, size: Size) -> Iterator[Row]:
    task = Recorder(chips, Store(store), lambda text: None).task(chips.settings()[0])
    assert isinstance(task, Task)
    needed = cluster.bring(task.trace_key, lambda: recorded_in(task.store, task.network, task.trace_key))
    times, here, there = [], [], []
    for _ in range(size.repeats):
        spent, begun = _cpu(cluster), time.perf_counter()
        wait([cluster.submit(operator.is_, task, needed) for _ in range(size.nothings)])
        times.append(1e3 * (time.perf_counter() - begun) / size.nothings)
        now = _cpu(cluster)
        here.append(1e3 * (now[0] - spent[0]) / size.nothings)
        there.append(1e3 * (now[1] - spent[1]) / size.nothings)
    yield Row("a point that does nothing", "ms", times, below=20, readme="a point that does nothing, on a Dask cluster")
    yield Row("  CPU of the client", "ms", here)
    yield Row("  CPU of the scheduler", "ms", there)
    held = next(iter(cluster.client.who_has([needed]).values()))
    packed = pickle.dumps(recorded_in(task.store, task.network, task.trace_key), pickle.HIGHEST_PROTOCOL)
    yield Row(f"network and trace of {size.studied} images, as they travel", "MB", [len(packed) / 1e6])
    yield Row("  workers that fetched them", "", [len(held)])


def _cpu(cluster: ns.Cluster) -> tuple[float, float, float]:
    """CPU seconds of the client, of the scheduler and of all workers."""
    of_workers = sum(cluster.client.run(time.process_time).values())
    return time.process_time(), cluster.client.run_on_scheduler(time.process_time), of_workers


@contextmanager
def started() -> Iterator[str]:
    """The address of a scheduler that has all workers."""
    from distributed import Client

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = ["dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["dask_worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    running = []
    with tempfile.TemporaryDirectory() as folder:
        for module, *words in [scheduler, *[worker] * WORKERS]:
            program = [sys.executable, "-m", f"distributed.cli.{module}", *words]
            running.append(subprocess.Popen(program, cwd=folder, stderr=subprocess.DEVNULL))
        try:
            with Client(address, timeout=60, set_as_default=False) as client:
                client.wait_for_workers(WORKERS, timeout=60)
            yield address
        finally:
            for process in running:
                process.kill()
                process.wait()
