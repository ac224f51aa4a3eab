"""The packet network by itself, what packet timing costs beside the simulation, and how far the levels of detail are apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurosim as ns
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.vgg import large_chip
from benchmarks.workloads import images, vgg9
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.traffic import Traffic

ROOT = Path(__file__).parents[1]
CYCLES = 20_000
SHIPPED = {
    "mnist_vgg_t5": ("mnist_test_1000", {}),
    "cifar10_vgg9_t5": ("cifar10_test_1000", {"mesh.width": 32, "mesh.height": 16}),
}


def rows(repeats: int) -> Iterator[Row]:
    """Flit-hops per second; cost beside the simulation; distance between the levels."""
    yield from _alone(repeats)
    yield from _beside_simulation(repeats)
    yield from _levels()


def uniform(load: float) -> Traffic:
    """One-flit packets of an 8x8 mesh, *load* per node and cycle, from anywhere to anywhere."""
    rng = np.random.default_rng(0)
    created, source = np.nonzero(rng.random((CYCLES, 64)) < load)
    return Traffic.unicast(Grid(8, 8, 1), source, rng.integers(0, 64, len(source)), created)[0]


def _alone(repeats: int) -> Iterator[Row]:
    network = PacketNetwork(Machine(Grid(8, 8, 1)))
    for load, least in ((0.05, None), (0.2, 10), (0.4, None)):
        traffic = uniform(load)
        hops = network.travel(traffic).flits.sum()
        times = interleaved({"travel": Job(lambda t=traffic: network.travel(t))}, repeats)
        speed = times.per_second("travel", hops) / 1e6
        yield Row(f"8x8 mesh, uniform traffic, load {load}", "M flit-hops/s", speed, at_least=least)


def _beside_simulation(repeats: int) -> Iterator[Row]:
    network, inputs = vgg9(), images(1)
    mapping = ns.map_network(network, large_chip())
    trace = ns.simulate(network, inputs)
    found = ns.evaluate(trace, mapping)
    jobs = {
        "simulate": Job(lambda: ns.simulate(network, inputs, workers=1)),
        "packet": Job(lambda: ns.evaluate(trace, mapping)),
        "analytic": Job(lambda: ns.evaluate(trace, mapping, timing="analytic")),
    }
    times = interleaved(jobs, max(1, repeats // 2))
    yield Row("VGG9, one image: packets", "k", [found.counts["packets"] / 1e3])
    yield Row("VGG9, one image: flit-hops", "M", [found.counts["flit_hops"] / 1e6])
    yield Row("VGG9, one image: simulate", "s", times.seconds["simulate"])
    yield Row("evaluate, packet / simulate", "times", times.seconds["packet"] / times.seconds["simulate"], below=3)
    yield Row("evaluate, analytic / simulate", "times", times.seconds["analytic"] / times.seconds["simulate"])


def _levels() -> Iterator[Row]:
    for name, (data, changes) in SHIPPED.items():
        network = ns.load_network(ROOT / "models" / f"{name}.h5")
        inputs = ns.load_inputs(ROOT / "traces" / f"{data}.h5")
        chip = ns.load_chip("mesh45")
        for path, value in changes.items():
            chip = chip.replace(path, value)
        mapping, trace = ns.map_network(network, chip), ns.simulate(network, inputs[:4])
        for schedule in ("sequential", "pipelined"):
            cycles = {t: ns.evaluate(trace, mapping, timing=t, schedule=schedule).time.cycles for t in ("analytic", "packet")}
            yield Row(f"{name}, {schedule}: analytic below packet", "%", [100 * (1 - cycles["analytic"] / cycles["packet"])])
    network = ns.load_network(ROOT / "models" / "mnist_vgg_t5.h5")
    trace = ns.simulate(network, ns.load_inputs(ROOT / "traces" / "mnist_test_1000.h5")[:1])
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    cycles = {t: ns.evaluate(trace, mapping, timing=t).time.cycles for t in ("packet", "simpy")}
    yield Row("mnist_vgg_t5, one image: packet beside simpy", "% apart", [100 * (cycles["packet"] / cycles["simpy"] - 1)])
