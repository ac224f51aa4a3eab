"""Peak memory of `neurosim trace`, of few and of many images, each in a fresh process."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurosim as ns
from benchmarks.machine import memory
from benchmarks.process import answer
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import MNIST
from neurosim.cli.app import QUIET, app


def rows(size: Size) -> Iterator[Row]:
    """The network for MNIST; its test images again and again."""
    few, many = size.traced
    with tempfile.TemporaryDirectory() as name:
        folder, shown = Path(name), MNIST.inputs(many)
        every = np.arange(many) % len(shown)
        assert shown.images is not None
        inputs, trace = folder / "inputs.h5", folder / "trace.h5"
        ns.Inputs(shown.images[every]).save(inputs)
        found = {n: answer("recording", MNIST.network_file, inputs, str(n), trace) for n in (few, many)}
    for n, took in found.items():
        yield Row(f"`trace` of {n:,} images: peak memory", "MB", [took["memory"] / 1e6])
        yield Row("  time", "CPU s", [took["seconds"]])
    told = f"peak memory of `trace`, {many:,} images against {few:,}"
    growth = found[many]["memory"] / found[few]["memory"]
    yield Row(f"{many:,} images against {few:,}", "times", [growth], below=1.1, readme=told)


def probe(network: str, inputs: str, images: str, trace: str) -> dict[str, float]:
    """Run the command."""
    QUIET.set(True)
    start = time.process_time()
    app(["trace", network, inputs, "--images", images, "-o", trace], standalone_mode=False)
    return {"seconds": time.process_time() - start, "memory": memory("VmHWM")}


if __name__ == "__main__":
    print(json.dumps(probe(*sys.argv[1:])))
