"""A study of 200 chips: the VGG9 that ships, 100 images, analytic time; packet timing for the front; two processes. And
what one more chip costs, in this process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from typing import Any

import neurosim as ns
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import ROOT
from neurosim.explore.reading import study_of
from neurosim.explore.store import Store
from neurosim.explore.study import Study
from neurosim.explore.sweep import Recorder
from neurosim.explore.task import OK, Task, done

AXES = {
    "core.lanes": [1, 4, 16, 64, 128],
    "memory.weight_sram.word_bits": [32, 64, 128, 256, 512],
    "memory.weight_sram.bits": [131072, 262144],
    "mesh.delivery": ["unicast", "multicast"],
    "placer": ["row-major", "spectral"],
}
WORKERS = 2


def study(size: Size, axes: dict[str, list[Any]], **more: Any) -> Study:
    """A network that ships on chips with these *axes*; *more* of what a study has."""
    net = size.trained[-1]
    varied = {name: values if place < size.axes else values[:1] for place, (name, values) in enumerate(axes.items())}
    return study_of(
        {
            "name": "many chips",
            "network": str(net.network_file),
            "inputs": str(net.inputs_file),
            "chip": "mesh45",
            "images": size.studied,
            "objectives": ["energy", "latency", "cores"],
            "set": {"mesh.width": 32, "mesh.height": 32},
            "axes": varied,
            **more,
        },
        ROOT,
    )


def rows(size: Size) -> Iterator[Row]:
    """The whole study once; then its first points, one after the other."""
    yield from _whole(study(size, AXES, front={"timing": "packet", "images": size.front}))
    yield from _one_more(study(size, AXES), size)


def _whole(chips: Study) -> Iterator[Row]:
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = ns.sweep(chips, store=folder, workers=WORKERS, log=lines.append)
        whole = time.perf_counter() - start
    told = f"study of {len(found.rows)} chips, two processes"
    yield Row("points", "", [len(found.rows)])
    yield Row("  on the front, with packet timing", "", [len(found.front)])
    yield Row("networks simulated", "", [sum("simulated" in line for line in lines)])
    yield Row("the whole study, two processes", "s", [whole], below=150, readme=told)
    yield Row("  of a point", "s", [whole / len(found.rows)], below=2)


def _one_more(chips: Study, size: Size) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(chips, Store(folder), lambda text: None)
        tasks = [task for settings in chips.settings()[: size.repeats + 1] if isinstance(task := recorder.task(settings), Task)]
        recorder.record(tasks)
        spent = [_spent(task) for task in tasks]
    net = size.trained[-1].name
    told = f"one more chip in a study ({net}, {size.studied} images)"
    yield Row("one more chip, after a first one", "CPU s", spent[1:], below=0.5, readme=told)


def _spent(task: Task) -> float:
    """CPU seconds of a point."""
    start = time.process_time()
    assert done(task)["status"] == OK
    return time.process_time() - start
