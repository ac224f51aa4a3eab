"""A study of 200 chips: the VGG9 that ships, 100 images, analytic time; packet timing for the front; two processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import neurosim as ns
from benchmarks.row import Row
from neurosim.explore.reading import study_of

FOLDER = Path(__file__).parents[1]
STUDY = {
    "name": "200 chips",
    "network": "models/cifar10_vgg9_t5.h5",
    "inputs": "traces/cifar10_test_1000.h5",
    "images": 100,
    "objectives": ["energy", "latency", "cores"],
    "set": {"mesh.width": 32, "mesh.height": 32},
    "axes": {
        "core.lanes": [1, 4, 16, 64, 128],
        "memory.weight_sram.word_bits": [32, 64, 128, 256, 512],
        "memory.weight_sram.bits": [131072, 262144],
        "mesh.delivery": ["unicast", "multicast"],
        "placer": ["row-major", "spectral"],
    },
    "front": {"timing": "packet", "images": 10},
}
WORKERS = 2


def rows(repeats: int) -> Iterator[Row]:
    """The whole study once."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = ns.sweep(study_of(STUDY, FOLDER), store=folder, workers=WORKERS, log=lines.append)
        whole = time.perf_counter() - start
    yield Row("points", "", [len(found.rows)])
    yield Row("  on the front, with packet timing on 10 images", "", [len(found.front)])
    yield Row("networks simulated", "", [sum("simulated" in line for line in lines)])
    yield Row("the whole study, two processes", "s", [whole], below=600)
    yield Row("  of a point", "s", [whole / len(found.rows)], below=2)
