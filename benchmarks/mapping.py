"""Mapping: how time and memory grow with the network, and what every placer makes of one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurosim as ns
from benchmarks.machine import memory
from benchmarks.row import Row
from benchmarks.workloads import LEAK, RATE
from neurosim.mapping.mapper import placed
from neurosim.mapping.place import PLACERS, Search
from neurosim.mapping.wires import traffic
from neurosim.network.layers import Layer

PLAN = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
# Potentials this many deviations above 0 fire, about RATE of them.
FIRES = 1.48
SPREAD = 20.0
LARGE = ("mesh.width=100", "mesh.height=100")
SIZES = (56, 112, 224)
VGG9 = "models/cifar10_vgg9_t5.h5"


def vgg16(size: int, classes: int, last_pool: bool) -> ns.Network:
    """VGG16 with two hidden layers of 4,096, random int8 weights, and thresholds of its chances of firing."""
    rng, layers, shape, pool = np.random.default_rng(0), list[Layer](), (3, size, size), None
    for item in (*PLAN, "pool") if last_pool else PLAN:
        if isinstance(item, str):
            pool, shape = "sum2", (shape[0], shape[1] // 2, shape[2] // 2)
            continue
        weight, threshold = _drawn(rng, (item, shape[0], 3, 3), pool, not layers)
        layers.append(ns.Conv(f"conv{len(layers) + 1}", weight, threshold, LEAK, pool, padding=1))
        shape, pool = (item, *shape[1:]), None
    inputs = int(np.prod(shape))
    for name in ("fc1", "fc2"):
        weight, threshold = _drawn(rng, (4096, inputs), pool, False)
        layers.append(ns.Dense(name, weight, threshold, LEAK, pool))
        inputs, pool = 4096, None
    layers.append(ns.Output("out", _drawn(rng, (classes, inputs), None, False)[0]))
    return ns.Network.build(f"vgg16-{size}", timesteps=5, input_shape=(3, size, size), layers=layers)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], pool: str | None, image: bool) -> tuple[np.ndarray, int]:
    weight = np.clip(rng.standard_normal(shape, np.float32) * SPREAD, -127, 127).astype(np.int8)
    power = 255**2 / 3 if image else 4 * RATE + 12 * RATE**2 if pool else RATE
    return weight, int(FIRES * SPREAD * np.sqrt(np.prod(shape[1:]) * power))


def rows(repeats: int) -> Iterator[Row]:
    """Growth in fresh processes, then placers."""
    found = _fresh("cifar")
    yield Row("VGG16 for CIFAR, 39.9 M weights, loihi-board: cores", "", [found["cores"]])
    yield Row("  map", "s", [found["map"]], below=15)
    for size in SIZES:
        found, last = _fresh(str(size)), size == SIZES[-1]
        yield Row(f"VGG16 for {size} x {size} images: neurons", "M", [found["neurons"] / 1e6])
        yield Row("  cores", "", [found["cores"]])
        yield Row("  map", "s", [found["map"]], below=180 if last else None)
        yield Row("  most memory so far, with the network", "GB", [found["mapped_memory"] / 1e9], below=8 if last else None)
        yield Row("  one image: spikes per neuron", "", [found["rate"]])
        yield Row("  one image: function, counts and energy", "s", [found["evaluate"]], below=60 if last else None)
        yield Row("  most memory, with them", "GB", [found["memory"] / 1e9], below=12 if last else None)
    yield from _placers()


def _placers() -> Iterator[Row]:
    """The VGG9 that ships, wires weighed as if every neuron fired once; flit-hops relative to a random placement."""
    network = ns.load_network(Path(__file__).parents[1] / VGG9)
    mapping = ns.map_network(network, ns.load_chip("mesh45", ["mesh.width=32", "mesh.height=16"]))
    wires, grid = mapping.wires(), mapping.grid
    done = {}
    for name in ("random", *(name for name in PLACERS if name != "random")):
        start = time.perf_counter()
        cores = placed(mapping, name, search=Search()).cores
        done[name] = time.perf_counter() - start, traffic(wires.load(grid, cores), grid)
    yield Row("VGG9, mesh45 of 32 x 16: bricks", "", [len(mapping.bricks)])
    others = {"random": done["random"][1], "row-major": done["row-major"][1]}
    for name, (seconds, found) in done.items():
        best = name == "annealing"
        yield Row(f"  {name}: time", "s", [seconds])
        for other, than in others.items():
            most = {"random": 0.6, "row-major": 0.85}[other] if best else None
            yield Row(f"  {name}: flit-hops, of {other}", "", [found.flit_hops / than.flit_hops], below=most)
            yield Row(f"  {name}: busiest link, of {other}", "", [found.busiest / than.busiest], below=1 if best else None)


def _fresh(what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.mapping", what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout)


def probe(what: str) -> dict[str, float]:
    """Map one network, and run one image if it is not for CIFAR."""
    small = what == "cifar"
    network = vgg16(32, 10, False) if small else vgg16(int(what), 1000, True)
    chip = ns.load_chip("loihi-board") if small else ns.load_chip("seneca", LARGE)
    start = time.perf_counter()
    mapping = ns.map_network(network, chip)
    found = {"map": time.perf_counter() - start, "cores": len(mapping.bricks), "mapped_memory": memory("VmHWM")}
    found["neurons"] = sum(layer.neurons for layer in network.layers)
    if small:
        return found
    image = ns.Inputs(np.random.default_rng(1).integers(0, 256, (1, *network.input.shape)).astype(np.uint8))
    start = time.perf_counter()
    result = ns.evaluate(ns.simulate(network, image), mapping, timing="analytic")
    found |= {"evaluate": time.perf_counter() - start, "rate": result.trace.spikes_per_neuron, "memory": memory("VmHWM")}
    return found


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1])))
