"""Loading a network of 5 M synapses: seconds and memory, each time in a fresh process."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

import neurosim as ns
from benchmarks.machine import memory
from benchmarks.process import answer
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import int8
from neurosim.spikes.synapses import feeds


def unexcited(sizes: tuple[int, ...]) -> ns.Network:
    """A fully connected network of random int8 weights."""
    rng = np.random.default_rng(0)
    weights = [int8(rng, (b, a)) for a, b in pairwise(sizes)]
    layers = [ns.Dense(f"fc{i}", w, threshold=1000) for i, w in enumerate(weights[:-1])]
    layers.append(ns.Output("out", weights[-1]))
    return ns.Network.build("dense", timesteps=1, input_shape=(sizes[0], 1, 1), encoding="spikes", layers=layers)


def rows(size: Size) -> Iterator[Row]:
    """Time of `load_network` and of building the synapse rows; growth of resident memory per synapse."""
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder, "network.h5"), Path(folder, "small.h5")
        network = unexcited(size.loaded)
        network.save(str(path))
        unexcited((4, 3, 2)).save(str(small))
        found = [answer("load", path, small) for _ in range(size.repeats)]
        stored = path.stat().st_size

    def column(key: str) -> np.ndarray:
        return np.array([f[key] for f in found])

    n = network.synapses
    told = f"loading a network of {n / 1e6:.1f} M synapses"
    yield Row("synapses", "M", [n / 1e6])
    yield Row("load_network + synapse rows", "s", column("load") + column("rows"), below=1, readme=told)
    yield Row("load_network + synapse rows, per synapse", "us", 1e6 * (column("load") + column("rows")) / n)
    yield Row("load_network alone", "s", column("load"))
    yield Row("memory per synapse, weights and rows", "B", column("resident") / n, below=50)
    yield Row("memory per synapse at the worst moment", "B", column("peak") / n)
    yield Row("file per synapse", "B", [stored / n])


def probe(path: str, small: str) -> dict[str, float]:
    """Load *path* and say what it took. *small* is loaded first, so that libraries and code are not counted."""
    warm = ns.load_network(small)
    kept = [feeds(warm)]
    before, start = memory(), time.perf_counter()
    network = ns.load_network(path)
    loaded = time.perf_counter()
    kept.append(feeds(network))
    done = time.perf_counter()
    return {
        "load": loaded - start, "rows": done - loaded,
        "resident": memory() - before, "peak": memory("VmHWM") - before,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(probe(*sys.argv[1:])))
