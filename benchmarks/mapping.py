"""Mapping: how time and memory grow with the network, and what every placer makes of one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from math import isqrt

import numpy as np

import neurosim as ns
from benchmarks.machine import memory
from benchmarks.process import answer
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import HIDDEN, LEAK, RATE, Shipped
from neurosim.mapping.mapper import placed
from neurosim.mapping.place import PLACERS, Search
from neurosim.mapping.survey import Survey
from neurosim.mapping.wires import traffic
from neurosim.network.layers import Layer

PLAN = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512)
# Potentials this many deviations above 0 fire, about RATE of them.
FIRES = 1.48
SPREAD = 20.0
LARGE = ("mesh.width=100", "mesh.height=100")
# Of a population, and of a neuron of one.
NEURONS, SYNAPSES = 256, 128
CROWD = (f"core.max_neurons={NEURONS}", f"memory.weight_sram.bits={8 * 2**20}", f"memory.table_sram.bits={8 * 2**20}")


def vgg16(side: int, narrower: int, classes: int, last_pool: bool) -> ns.Network:
    """VGG16 with two hidden layers of 4,096, or so many times narrower; random int8 weights, and thresholds of its chances of
    firing."""
    rng, layers, shape, pool = np.random.default_rng(0), list[Layer](), (3, side, side), None
    for item in (*PLAN, "pool") if last_pool else PLAN:
        if isinstance(item, str):
            pool, shape = "sum2", (shape[0], shape[1] // 2, shape[2] // 2)
            continue
        weight, threshold = _drawn(rng, (item // narrower, shape[0], 3, 3), pool, not layers)
        layers.append(ns.Conv(f"conv{len(layers) + 1}", weight, threshold, LEAK, pool, padding=1))
        shape, pool = (item // narrower, *shape[1:]), None
    inputs, hidden = int(np.prod(shape)), HIDDEN // narrower
    for name in ("fc1", "fc2"):
        weight, threshold = _drawn(rng, (hidden, inputs), pool, False)
        layers.append(ns.Dense(name, weight, threshold, LEAK, pool))
        inputs, pool = hidden, None
    layers.append(ns.Output("out", _drawn(rng, (classes, inputs), None, False)[0]))
    return ns.Network.build(f"vgg16-{side}", timesteps=5, input_shape=(3, side, side), layers=layers)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], pool: str | None, image: bool) -> tuple[np.ndarray, int]:
    weight = np.clip(rng.standard_normal(shape, np.float32) * SPREAD, -127, 127).astype(np.int8)
    power = 255**2 / 3 if image else 4 * RATE + 12 * RATE**2 if pool else RATE
    return weight, int(FIRES * SPREAD * np.sqrt(np.prod(shape[1:]) * power))


def populations(many: int) -> ns.Network:
    """Each has half of its synapses from one drawn from those before it, half from one drawn from all, a step late."""
    rng, layers = np.random.default_rng(0), []
    for index in range(many):
        weight = rng.integers(1, 127, (2, NEURONS, NEURONS), np.int8)
        weight *= rng.random(weight.shape, np.float32) < SYNAPSES / NEURONS / len(weight)
        before = f"p{rng.integers(index)}" if index else "input"
        late = ns.Shortcut(f"p{rng.integers(many)}", weight[1], delay=1)
        layers.append(ns.Dense(f"p{index}", weight[0], 3000, LEAK, inputs=[before], shortcuts=[late]))
    return ns.Network.build("populations", timesteps=5, input_shape=(NEURONS, 1, 1), encoding="spikes", layers=layers)


def rows(size: Size) -> Iterator[Row]:
    """Growth in fresh processes, then placers."""
    found = answer("mapping", "cifar", "32", str(size.narrower))
    yield Row("VGG16 for CIFAR, 39.9 M weights, loihi-board: cores", "", [found["cores"]])
    yield Row("  map", "CPU s", [found["map"]], below=15)
    for side in size.sides:
        yield from _imagenet(side, answer("mapping", "imagenet", str(side), str(size.narrower)), side == size.sides[-1])
    yield from _crowd(size.populations)
    yield from _placers(size.trained[-1])


def _imagenet(side: int, found: dict[str, float], last: bool) -> Iterator[Row]:
    told = f"VGG16 for ImageNet, {side} x {side}, one image: function, counts and energy" if last else None
    yield Row(f"VGG16 for {side} x {side} images: neurons", "M", [found["neurons"] / 1e6])
    yield Row("  cores", "", [found["cores"]])
    yield Row("  map", "CPU s", [found["map"]], below=180 if last else None)
    yield Row("  most memory so far, with the network", "GB", [found["mapped_memory"] / 1e9], below=8 if last else None)
    yield Row("  one image: spikes per neuron", "", [found["rate"]])
    yield Row("  one image: function, counts and energy", "CPU s", [found["evaluate"]], below=15 if last else None, readme=told)
    yield Row("  most memory, with them", "GB", [found["memory"] / 1e9], below=12 if last else None)


def _crowd(many: int) -> Iterator[Row]:
    found = answer("mapping", "populations", str(many))
    told = f"network of {many:,} cores, {NEURONS} neurons each, {SYNAPSES} synapses per neuron: map and survey"
    yield Row(f"{many:,} populations: map and survey", "CPU s", [found["map"] + found["survey"]], below=60, readme=told)
    yield Row("  cores", "", [found["cores"]])
    memory = "  most memory, with the network"
    yield Row(memory, "GB", [found["mapped_memory"] / 1e9], below=4, readme="the same: most memory, with the network")


def _placers(net: Shipped) -> Iterator[Row]:
    """A network that ships, wires weighed as if every neuron fired once; flit-hops relative to a random placement."""
    mapping = net.mapping()
    wires, grid = mapping.wires(), mapping.grid
    done = {}
    for name in ("random", *(name for name in PLACERS if name != "random")):
        start = time.perf_counter()
        cores = placed(mapping, name, search=Search()).cores
        done[name] = time.perf_counter() - start, traffic(wires.load(grid, cores), grid)
    yield Row(f"{net.name}, mesh45: bricks", "", [len(mapping.bricks)])
    others = {"random": done["random"][1], "row-major": done["row-major"][1]}
    for name, (seconds, found) in done.items():
        best = name == "annealing"
        yield Row(f"  {name}: time", "s", [seconds])
        for other, than in others.items():
            most = {"random": 0.6, "row-major": 0.85}[other] if best else None
            yield Row(f"  {name}: flit-hops, of {other}", "", [found.flit_hops / than.flit_hops], below=most)
            yield Row(f"  {name}: busiest link, of {other}", "", [found.busiest / than.busiest], below=1 if best else None)


def probe(what: str, *numbers: int) -> dict[str, float]:
    """Map one network, and run one image if it is for ImageNet."""
    if what == "populations":
        return _surveyed(*numbers)
    if what == "cifar":
        return _mapped(vgg16(*numbers, 10, False), ns.load_chip("loihi-board"))[1]
    network = vgg16(*numbers, 1000, True)
    mapping, found = _mapped(network, ns.load_chip("seneca", LARGE))
    image = ns.Inputs(np.random.default_rng(1).integers(0, 256, (1, *network.input.shape)).astype(np.uint8))
    start = time.process_time()
    result = ns.evaluate(ns.simulate(network, image, workers=1), mapping, timing="analytic", workers=1)
    found |= {"evaluate": time.process_time() - start, "rate": result.trace.spikes_per_neuron, "memory": memory("VmHWM")}
    return found


def _surveyed(many: int) -> dict[str, float]:
    """Map populations and say what they send each other, as `neurosim map` does."""
    side = isqrt(many - 1) + 1
    mapping, found = _mapped(populations(many), ns.load_chip("mesh45", [*CROWD, f"mesh.width={side}", f"mesh.height={side}"]))
    start = time.process_time()
    assert Survey(mapping, mapping.wires()).to_dict()
    return found | {"survey": time.process_time() - start, "mapped_memory": memory("VmHWM")}


def _mapped(network: ns.Network, chip: ns.Chip) -> tuple[ns.Mapping, dict[str, float]]:
    start = time.process_time()
    mapping = ns.map_network(network, chip)
    found = {"map": time.process_time() - start, "cores": len(mapping.bricks), "mapped_memory": memory("VmHWM")}
    return mapping, found | {"neurons": sum(layer.neurons for layer in network.layers)}


if __name__ == "__main__":
    print(json.dumps(probe(sys.argv[1], *map(int, sys.argv[2:]))))
