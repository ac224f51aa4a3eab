"""Time from a sample of steps: how many of 100 drawings have the time of all images in their interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

import neurosim as ns
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import Shipped
from neurosim.cost.activity import activity
from neurosim.noc.geometry import Grid
from neurosim.timing.sampled import SampledTimeline
from neurosim.timing.schedule import SCHEDULES
from neurosim.timing.tally import Pace, Tally
from neurosim.timing.timeline import Timeline

CHIPS = ("lp45", "mesh45", "loihi", "seneca")
SEEDS = range(100)
LEAST = 90


class Timed:
    """Times turns as they were timed before."""

    timing, order = "packet", "sequential"

    def __init__(self, pace: Pace, grid: Grid):
        self.pace, self.none = pace, Tally.empty(grid, blocked=False)

    def run_spans(self, spans: Sequence[range]) -> Iterator[Pace]:
        """What is known of some turns, without sums."""
        return (Pace(self.pace.cycles[span], self.pace.split[span], self.none) for span in spans)


def rows(size: Size) -> Iterator[Row]:
    """Every image is timed by packets once; then samples are drawn from these times."""
    for net, images in size.sampled:
        for chip, schedule in product(CHIPS, SCHEDULES):
            yield from _held(net, images, chip, schedule)


def _held(net: Shipped, images: int, chip: str, schedule: str) -> Iterator[Row]:
    mapping = ns.map_network(net.network(), ns.load_chip(chip, net.mesh))
    trace = ns.simulate(mapping.network, net.inputs(images), state_bits=mapping.chip.core.state_bits, workers=1)
    far, near = (Timeline(trace, mapping, timing, schedule) for timing in ("analytic", "packet"))
    for line in (far, near):
        line.add(trace, activity(trace, mapping), 0)
    truth = near.finish()
    timed = Timed(truth, far.grid)
    found = [SampledTimeline(far, timed, "auto", seed).finish() for seed in SEEDS]
    total = int(truth.cycles.sum())
    off = np.array([abs(int(pace.cycles.sum()) - total) / int(pace.cycles.sum()) for pace in found])
    stated = np.array([pace.sample.error if pace.sample else 0.0 for pace in found])
    name = f"{net.name} on {chip}, {schedule}, {images} images"
    held = int((off <= stated).sum())
    held_all = f"{name}: intervals that hold the time of all"
    yield Row(f"{name}: intervals that hold", f"of {len(SEEDS)}", [held], at_least=LEAST, readme=held_all)
    yield Row("  images timed by packets, of each step", "", [pace.sample.drawn if pace.sample else images for pace in found])
    yield Row("  half-width of the interval", "%", 100 * stated)
    yield Row("  off the time of all", "%", 100 * off)
    yield Row("  time by packets / analytic time", "ratio", [total / int(far.pace.cycles.sum())])
