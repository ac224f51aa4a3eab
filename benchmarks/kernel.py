"""The convolution kernel alone, beside the fastest this machine adds int32 numbers that lie in its cache."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np

import neurosim as ns
from benchmarks.calibration import calibrated
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import RATE, int8
from neurosim.kernels.layer import Events, Synapses, run_layer
from neurosim.network.layers import INPUT, Layer
from neurosim.spikes.population import new_state, new_tape, population
from neurosim.spikes.simulate import events_of
from neurosim.spikes.synapses import feeds

DENSITY = 0.1
IMAGES, STEPS = 8, 5
CACHED = 4096  # int32 numbers: two arrays of 16 KiB
LEAST = (8, 30)  # G events/s, by shape


@numba.njit
def add_loop(total, term, rounds):
    """Add *term* to *total* again and again."""
    for _ in range(rounds):
        for k in range(len(total)):
            total[k] += term[k]


class Convolution:
    """One layer, its spikes and its buffers, ready to run."""

    def __init__(self, channels: int, side: int):
        rng = np.random.default_rng(0)
        weight = int8(rng, (channels, channels, 3, 3))
        shape = (channels, side, side)
        spikes = rng.random((IMAGES, STEPS, *shape)) < DENSITY
        layers = [ns.Conv("conv", weight, padding=1), ns.Output("out", np.zeros((1, channels * side * side), np.int8))]
        spec = {"timesteps": STEPS, "input_shape": shape, "encoding": "spikes"}
        network = calibrated("conv", layers, ns.Inputs.from_spikes(spikes), RATE, **spec)
        self.layer: Layer = network.layer("conv")
        self.synapses: Synapses = feeds(network)[self.layer.name].synapses[0]
        self.events: Events = events_of(network, INPUT, spikes.reshape(IMAGES, STEPS, -1))
        self.lif = population(network, self.layer, 32)
        self.currents = np.empty((IMAGES, 0), np.int32)

    def fresh(self) -> None:
        """New state and tape, as `simulate` makes them."""
        self.state = new_state(self.layer, self.lif, [self.synapses], np.int32, valued=False)
        self.tape = new_tape(self.layer, IMAGES, STEPS, np.int32, False)

    def run(self) -> None:
        sources = ((self.synapses, self.events),)
        run_layer(self.lif, self.state, sources, self.currents, (0, IMAGES), STEPS, (0, STEPS), self.tape)

    @property
    def synaptic_events(self) -> int:
        s = self.synapses
        per_site = np.concatenate([[0], np.cumsum(s.length)])[s.first]
        return int(np.diff(per_site)[self.events.site].sum())


def rows(size: Size) -> Iterator[Row]:
    """Synaptic events per second of `run_layer`: decay, accumulate, compare, reset and the tape included."""
    total, term = np.zeros(CACHED, np.int32), np.ones(CACHED, np.int32)
    jobs = {"add": Job(lambda: add_loop(total, term, size.additions))}
    layers = {f"{c}->{c} at {n}x{n}": Convolution(c, n) for c, n in size.convolutions}
    jobs |= {name: Job(layer.run, layer.fresh) for name, layer in layers.items()}
    times = interleaved(jobs, size.repeats)
    yield Row("first calls, left out (compilation or loading it)", "s", [times.first])
    adds = times.per_second("add", CACHED * size.additions) / 1e9
    yield Row("yardstick: int32 add loop in the cache", "G adds/s", adds)
    for least, (name, layer) in zip(LEAST, layers.items(), strict=True):
        speed = times.per_second(name, layer.synaptic_events) / 1e9
        told = f"convolution kernel, {name}, 3x3, int8, {DENSITY:.0%} spikes"
        yield Row(f"conv 3x3 {name}, {DENSITY:.0%} spikes", "G events/s", speed, least, readme=told)
        yield Row(f"conv 3x3 {name} / yardstick", "ratio", speed / adds)
