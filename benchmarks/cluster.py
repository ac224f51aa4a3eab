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
from pathlib import Path

import neurosim as ns
from benchmarks.row import Row
from neurosim.explore.reading import study_of
from neurosim.explore.store import Store
from neurosim.explore.study import Study
from neurosim.explore.sweep import Recorder
from neurosim.explore.task import Task, recorded_in

FOLDER = Path(__file__).parents[1]
STUDY = {
    "name": "100 chips",
    "network": "models/cifar10_vgg9_t5.h5",
    "inputs": "traces/cifar10_test_1000.h5",
    "images": 100,
    "objectives": ["energy", "latency", "cores"],
    "set": {"mesh.width": 32, "mesh.height": 32},
    "axes": {
        "core.lanes": [1, 4, 16, 64, 128],
        "memory.weight_sram.word_bits": [32, 64, 128, 256, 512],
        "mesh.delivery": ["unicast", "multicast"],
        "placer": ["row-major", "spectral"],
    },
}
WORKERS, NOTHINGS = 2, 500


def rows(repeats: int) -> Iterator[Row]:
    """Tasks that do nothing, *repeats* times, and a study, twice: the first compiles at the workers."""
    study = study_of(STUDY, FOLDER)
    with started() as address, ns.Cluster(address) as cluster, tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            spent = _spent(cluster)
            begun = time.perf_counter()
            found = ns.sweep(study, store=Path(folder) / name, executor=cluster)
            whole = time.perf_counter() - begun
        here, there, work = (now - before for now, before in zip(_spent(cluster), spent, strict=True))
        points = len(found.rows)
        yield Row("points", "", [points])
        yield Row("the study, two workers", "s", [whole])
        yield Row("  of a point, CPU of the workers", "s", [work / points])
        yield Row("  of a point, CPU of the client", "ms", [1e3 * here / points])
        yield Row("  of a point, CPU of the scheduler", "ms", [1e3 * there / points])
        yield from _overhead(cluster, study, Path(folder) / "second", repeats)


def _overhead(cluster: ns.Cluster, study: Study, store: Path, repeats: int) -> Iterator[Row]:
    task = Recorder(study, Store(store), lambda text: None).task(study.settings()[0])
    assert isinstance(task, Task)
    needed = cluster.bring(task.trace_key, lambda: recorded_in(task.store, task.network, task.trace_key))
    times, here, there = [], [], []
    for _ in range(repeats):
        spent, begun = _spent(cluster), time.perf_counter()
        wait([cluster.submit(operator.is_, task, needed) for _ in range(NOTHINGS)])
        times.append(1e3 * (time.perf_counter() - begun) / NOTHINGS)
        now = _spent(cluster)
        here.append(1e3 * (now[0] - spent[0]) / NOTHINGS)
        there.append(1e3 * (now[1] - spent[1]) / NOTHINGS)
    yield Row("a point that does nothing", "ms", times, below=20)
    yield Row("  CPU of the client", "ms", here)
    yield Row("  CPU of the scheduler", "ms", there)
    held = next(iter(cluster.client.who_has([needed]).values()))
    packed = pickle.dumps(recorded_in(task.store, task.network, task.trace_key), pickle.HIGHEST_PROTOCOL)
    yield Row("network and trace of 100 images, as they travel", "MB", [len(packed) / 1e6])
    yield Row("  workers that fetched them", "", [len(held)])


def _spent(cluster: ns.Cluster) -> tuple[float, float, float]:
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
