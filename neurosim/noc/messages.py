"""Messages that another simulator recorded step by step, sent through a network of ours, beside what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.measurement import Arrivals, hops_of, zero_load
from neurosim.noc.traffic import Interconnect, Traffic

NOT_COUNTED = (
    "waiting of cores for the mesh: they make their messages as if none ever waited",
    "barriers: the trace does not say how long they take",
    "room in the queues of cores: it is unlimited; links between chips",
    "energy",
)


@dataclass(frozen=True, eq=False)
class MessageTrace:
    """Messages and what was said of them; times in cycles from the beginning of their step, unless they are in seconds.

    grid: of cores, which share tiles. steps: int64 [steps], as they were numbered. step: int64 [messages], place among them.
    source, target: int64 [messages], core. created: int64 [messages], its core has made it, if it never waits for the network.
    service: int64 [messages], cycles for which its target works on it. made: int64 [steps], the last core has made its last
    message and the rest. waited, travelled, least: float64 [messages], in seconds: before it left its core; after; of the way
    alone. ended: float64 [steps], in seconds: all work was done. Those of what the trace does not say are NaN.
    """

    grid: Grid
    steps: np.ndarray
    step: np.ndarray
    source: np.ndarray
    target: np.ndarray
    created: np.ndarray
    service: np.ndarray
    made: np.ndarray
    waited: np.ndarray
    travelled: np.ndarray
    least: np.ndarray
    ended: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


class BuiltInterconnect(Interconnect, Protocol):
    """One that knows what it was made from."""

    machine: Machine


@dataclass(frozen=True, eq=False)
class Replay:
    """What became of the messages: *traffic* and *arrivals* on one time axis, the steps one after the other. waited,
    travelled, least: int64 [messages], cycles, as in *trace*. cycles: int64 [steps], until all cores are done."""

    trace: MessageTrace
    machine: Machine
    traffic: Traffic
    arrivals: Arrivals
    waited: np.ndarray
    travelled: np.ndarray
    least: np.ndarray
    cycles: np.ndarray

    def compared(self, hz: float) -> dict[str, Any]:
        """As JSON: ours beside what the trace says, null where it says nothing; *hz*: cycles per second."""
        trace = self.trace
        pairs = {
            "least_delay": (self.least, trace.least), "blocking_delay": (self.waited, trace.waited),
            "network_delay": (self.travelled, trace.travelled), "step": (self.cycles, trace.ended),
        }  # fmt: skip
        numbers = zip(trace.steps, np.bincount(trace.step, minlength=len(trace.steps)), self.cycles, trace.ended, strict=True)
        return {
            "clock_hz": hz,
            "compared": {name: _compared(ours, theirs, hz) for name, (ours, theirs) in pairs.items()},
            "steps": [
                {"timestep": int(step), "messages": int(many), "cycles": int(ours), "sanafe_cycles": _said(theirs * hz)}
                for step, many, ours, theirs in numbers
            ],
        }


def replay(network: BuiltInterconnect, trace: MessageTrace, flits: int = 1) -> Replay:
    """Send every message as a packet of *flits*; a step begins when all cores are done with the one before."""
    cycles = np.zeros(len(trace.steps), np.int64)
    created, entered, arrived = np.zeros((3, len(trace)), np.int64)
    bounds = np.searchsorted(trace.step, np.arange(len(trace.steps) + 1))
    now = 0
    for number, (first, end) in enumerate(pairwise(bounds)):
        mine = slice(first, end)
        source, target, service = trace.source[mine], trace.target[mine], trace.service[mine]
        traffic, order = Traffic.unicast(trace.grid, source, target, trace.created[mine], flits, service)
        journey = network.travel(traffic)
        created[mine] = now + trace.created[mine]
        entered[first + order], arrived[first + order] = now + journey.entered, now + journey.arrived
        cycles[number] = max(journey.delivered, trace.made[number])
        now += cycles[number]
    order = np.lexsort((created, trace.source))
    sizes, first, none = np.full(len(trace), flits), np.arange(len(trace) + 1), np.zeros(trace.grid.cores, np.int64)
    columns = trace.source[order], created[order], sizes, first, trace.target[order], trace.service[order]
    traffic = Traffic(*columns, none, none, none)
    hops = hops_of(trace.grid, trace.source, trace.target)
    least = zero_load(network.machine, hops, sizes)
    arrivals = Arrivals(entered[order], arrived[order])
    return Replay(
        trace=trace, machine=network.machine, traffic=traffic, arrivals=arrivals, waited=entered - created,
        travelled=arrived - entered, least=least, cycles=cycles,
    )  # fmt: skip


def _compared(ours: np.ndarray, theirs: np.ndarray, hz: float) -> dict[str, float | None]:
    """Cycles of ours, seconds of theirs, as both."""
    return {
        "neurosim_cycles_mean": float(ours.mean()), "sanafe_cycles_mean": _said(theirs.mean() * hz),
        "neurosim_seconds": float(ours.sum() / hz), "sanafe_seconds": _said(theirs.sum()),
    }  # fmt: skip


def _said(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
