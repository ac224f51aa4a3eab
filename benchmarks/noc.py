"""The packet network by itself and on turns of networks, what packet timing costs beside the simulation, and how far the levels
of detail are apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import neurosim as ns
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.vgg import large_chip
from benchmarks.workloads import dense, images, spike_inputs, vgg9
from neurosim.cost.activity import activity
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.traffic import Traffic
from neurosim.timing.timeline import Timeline

# Neurons by layer of a network with few packets in a turn, and a mesh on which SimPy takes little time for it.
QUIET = (64, 64, 64, 10)
FEW = ("mesh.width=2", "mesh.height=2")


class Turns:
    """The turns of a recorded run, ready to be timed by packets, in one thread."""

    def __init__(self, trace: ns.SpikeTrace, mapping: ns.Mapping):
        self.trace, self.mapping = trace, mapping
        self.activity = activity(trace, mapping)

    def fresh(self) -> None:
        self.timeline = Timeline(self.trace, self.mapping, "packet")

    def run(self) -> None:
        self.timeline.add(self.trace, self.activity, 0)


def rows(size: Size) -> Iterator[Row]:
    """Flit-hops per second; cost beside the simulation; distance between the levels."""
    yield from _alone(size)
    yield from _beside_simulation(size)
    yield from _real_turns(size)
    yield from _small_turns(size)
    yield from _levels(size)


def uniform(load: float, cycles: int) -> Traffic:
    """One-flit packets of an 8x8 mesh, *load* per node and cycle, from anywhere to anywhere."""
    rng = np.random.default_rng(0)
    created, source = np.nonzero(rng.random((cycles, 64)) < load)
    return Traffic.unicast(Grid(8, 8, 1), source, rng.integers(0, 64, len(source)), created)[0]


def _alone(size: Size) -> Iterator[Row]:
    network = PacketNetwork(Machine(Grid(8, 8, 1)))
    for load, least in ((0.05, None), (0.2, 10), (0.4, None)):
        traffic = uniform(load, size.cycles)
        hops = network.travel(traffic).flits.sum()
        times = interleaved({"travel": Job(lambda t=traffic: network.travel(t))}, size.repeats)
        told = f"packet network, 8x8 mesh, uniform traffic, load {load}" if least else None
        speed = times.per_second("travel", hops) / 1e6
        yield Row(f"8x8 mesh, uniform traffic, load {load}", "M flit-hops/s", speed, least, readme=told)


def _beside_simulation(size: Size) -> Iterator[Row]:
    network, inputs = vgg9(size.narrower), images(1)
    mapping = ns.map_network(network, large_chip())
    trace = ns.simulate(network, inputs)
    found = ns.evaluate(trace, mapping)
    jobs = {
        "simulate": Job(lambda: ns.simulate(network, inputs, workers=1)),
        "packet": Job(lambda: ns.evaluate(trace, mapping, workers=1)),
        "analytic": Job(lambda: ns.evaluate(trace, mapping, timing="analytic", workers=1)),
    }
    times = interleaved(jobs, size.repeats)
    packet, analytic = (times.seconds[name] / times.seconds["simulate"] for name in ("packet", "analytic"))
    yield Row("VGG9, one image: packets", "k", [found.counts["packets"] / 1e3])
    yield Row("VGG9, one image: flit-hops", "M", [found.counts["flit_hops"] / 1e6])
    yield Row("VGG9, one image: simulate", "s", times.seconds["simulate"])
    told = "VGG9, one image: `evaluate` with {} timing beside `simulate`"
    yield Row("evaluate, packet / simulate", "times", packet, below=3, readme=told.format("packet"))
    yield Row("evaluate, analytic / simulate", "times", analytic, readme=told.format("analytic"))


def _real_turns(size: Size) -> Iterator[Row]:
    net = size.trained[-1]
    turns = Turns(ns.simulate(net.network(), net.inputs(1)), net.mapping())
    times = interleaved({"turns": Job(turns.run, turns.fresh)}, size.repeats)
    speed = times.per_second("turns", turns.timeline.pace.tally.flits.sum()) / 1e6
    told = f"packet network, per thread, real turns of {net.name}"
    yield Row(f"{net.name}, one image: turns by packets", "M flit-hops/s", speed, at_least=12, readme=told)


def _small_turns(size: Size) -> Iterator[Row]:
    network = dense(QUIET)
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    trace = ns.simulate(network, spike_inputs(size.quiet, QUIET[0]))
    turns = Turns(trace, mapping)
    times = interleaved({"turns": Job(turns.run, turns.fresh)}, size.repeats)
    many = turns.timeline.agenda.turns
    each, told = 1e6 * times.seconds["turns"] / many, "one small turn by packets, of many at one call"
    yield Row("small turns: packets in each", "", [ns.evaluate(trace, mapping).counts["packets"] / many])
    yield Row("small turns: each, of many at one call", "us", each, below=20, readme=told)
    yield from _twins("small turns", trace.head(1), ns.map_network(network, ns.load_chip("mesh45", FEW)))


def _levels(size: Size) -> Iterator[Row]:
    for net in size.trained:
        mapping, trace = net.mapping(), ns.simulate(net.network(), net.inputs(4))
        for schedule in ("sequential", "pipelined"):
            analytic, packet = (_cycles(trace, mapping, timing, schedule) for timing in ("analytic", "packet"))
            yield Row(f"{net.name}, {schedule}: analytic below packet", "%", [100 * (1 - analytic / packet)])
    for net in size.simpy:
        yield from _twins(net.name, ns.simulate(net.network(), net.inputs(1)), net.mapping())


def _twins(name: str, trace: ns.SpikeTrace, mapping: ns.Mapping) -> Iterator[Row]:
    packet, simpy = (_cycles(trace, mapping, timing) for timing in ("packet", "simpy"))
    yield Row(f"{name}, one image: packet beside simpy", "% apart", [100 * (packet / simpy - 1)])


def _cycles(trace: ns.SpikeTrace, mapping: ns.Mapping, timing: str, schedule: str = "sequential") -> int:
    """Of all images, every one timed so."""
    return ns.evaluate(trace, mapping, timing=timing, schedule=schedule, packet_images="all").time.cycles
