"""Time: what happens turn by turn, at one of three levels of detail.

A turn lies between two barriers (`neurosim.schedule`). The spikes that travel in it leave their cores one by one; the cores
that receive them work them off; when all is done, the neurons of the layers that work in this turn are updated, and a barrier
closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from neurosim.activity import Activity
from neurosim.delivery import Expansion, memory_cycles
from neurosim.layers import INPUT
from neurosim.mapping.mapping import Mapping
from neurosim.noc.analytic import AnalyticNetwork
from neurosim.noc.machine import Machine
from neurosim.noc.packet import PacketNetwork
from neurosim.noc.simpy_model import SimpyNetwork
from neurosim.noc.traffic import Journey, Traffic
from neurosim.schedule import SCHEDULES, Schedule
from neurosim.trace import SpikeTrace

BOUNDS = ("core_busy", "noc", "update", "barrier")


class Network(Protocol):
    """Something that packets travel through."""

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey: ...


Maker = Callable[[Machine], Network]
TIMINGS: dict[str, Maker] = {
    "analytic": AnalyticNetwork, "packet": PacketNetwork, "simpy": SimpyNetwork
}  # fmt: skip
Recorder = Callable[[int, int, Traffic, Journey], None]


# Turns that a thread takes at once, at most; parts that each thread gets of what is known, so that none waits long for another.
CHUNK, PARTS = 64, 4
# Machines with more cores have no table of who waited for whom.
MOST_BLOCKED = 1024


@dataclass(frozen=True, eq=False)
class Timeline:
    """cycles: int64 [turns]; split: int64 [turns, 4], by what set the pace (BOUNDS); tally: sums over turns."""

    schedule: Schedule
    cycles: np.ndarray
    split: np.ndarray
    tally: Tally


@dataclass(eq=False)
class Tally:
    """Sums over turns. By core, int64 [cores]: busy, of which waiting for memories; refused, cycles in which the full queue
    kept the mesh waiting; peak, of the queue. By link, int64 [links]: flits, stalled; peak_use: float64, largest share of a
    turn in which it was busy. blocked: cycles that packets stood behind a packet for another core, int64 [cores, cores], by
    (that core, their own), or None.
    """

    busy: np.ndarray
    waiting: np.ndarray
    refused: np.ndarray
    peak: np.ndarray
    flits: np.ndarray
    stalled: np.ndarray
    peak_use: np.ndarray
    blocked: np.ndarray | None

    @classmethod
    def empty(cls, mapping: Mapping) -> Tally:
        cores, links = mapping.grid.cores, mapping.grid.links
        busy, waiting, refused, peak = np.zeros((4, cores), np.int64)
        flits, stalled = np.zeros((2, links), np.int64)
        blocked = np.zeros((cores, cores), np.int64) if cores <= MOST_BLOCKED else None
        return cls(busy, waiting, refused, peak, flits, stalled, np.zeros(links), blocked)

    def add(self, other: Tally) -> None:
        """Take in the sums of other turns."""
        for name in ("busy", "waiting", "refused", "flits", "stalled"):
            getattr(self, name)[:] += getattr(other, name)
        np.maximum(self.peak, other.peak, out=self.peak)
        np.maximum(self.peak_use, other.peak_use, out=self.peak_use)
        if self.blocked is not None and other.blocked is not None:
            self.blocked += other.blocked


@dataclass(frozen=True, eq=False)
class Work:
    """Cycles of cores at the rows (image * timesteps + step) from *first* on, int64 [rows, bricks]: fetch, of the port of the
    input memory; local, on images and on spikes from outside; update; waiting, those of local and update that wait for
    memories."""

    first: int
    fetch: np.ndarray
    local: np.ndarray
    update: np.ndarray
    waiting: np.ndarray

    @property
    def last(self) -> int:
        return self.first + len(self.update)


class Clock:
    """Takes the activity of a run, slice by slice in order, and tells the time.

    *recorder* is shown every turn: (number, cycle in which it begins, traffic, journey); with it there is one thread.
    """

    def __init__(
        self, trace: SpikeTrace, mapping: Mapping, timing: str | Maker = "packet", schedule: str = "sequential", *,
        workers: int = 1, recorder: Recorder | None = None,
    ):  # fmt: skip
        self.trace, self.mapping, self.recorder = trace, mapping, recorder
        self.schedule: Schedule = SCHEDULES[schedule](mapping.network)
        self.rows = len(trace) * trace.timesteps
        self.expansion = Expansion(mapping)
        self.machine = mapping.chip.machine
        self.workers = 1 if recorder else workers
        make = TIMINGS[timing] if isinstance(timing, str) else timing
        self.networks = [make(self.machine) for _ in range(self.workers)]
        self.known: list[Work] = []
        turns = self.schedule.turns(self.rows)
        self.cycles, self.split = np.zeros(turns, np.int64), np.zeros((turns, len(BOUNDS)), np.int64)
        self.tally = Tally.empty(mapping)
        self.next = 0

    def add(self, activity: Activity, first: int) -> None:
        """The activity from row *first* on; runs every turn that is thereby known."""
        self.known.append(work_of(activity, self.expansion, self.trace, self.mapping, first))
        ready = self.schedule.ready(self.known[-1].last, self.rows)
        parts = PARTS * self.workers if self.workers > 1 else 1
        size = min(CHUNK, max(1, (ready - self.next) // parts))
        chunks = [range(at, min(at + size, ready)) for at in range(self.next, ready, size)]
        if self.workers == 1:
            for chunk in chunks:
                self.tally.add(self._run(self.networks[0], chunk))
        else:
            self._in_threads(chunks)
        self.next = ready
        self.known = [work for work in self.known if work.last > self.schedule.oldest(ready)]

    def timeline(self) -> Timeline:
        """When all activity has been added."""
        return Timeline(self.schedule, self.cycles, self.split, self.tally)

    def _in_threads(self, chunks: list[range]) -> None:
        free = SimpleQueue[Network]()
        for network in self.networks:
            free.put(network)

        def run(chunk: range) -> Tally:
            network = free.get()
            try:
                return self._run(network, chunk)
            finally:
                free.put(network)

        with ThreadPoolExecutor(self.workers) as pool:
            for tally in pool.map(run, chunks):
                self.tally.add(tally)

    def _run(self, network: Network, turns: range) -> Tally:
        tally = Tally.empty(self.mapping)
        for turn in turns:
            traffic, waiting = self._traffic(turn)
            journey = network.travel(traffic)
            self.cycles[turn] = journey.cycles
            self.split[turn] = split(traffic, journey, self.machine.barrier_cycles)
            count(tally, traffic, journey, waiting, self.machine)
            if self.recorder:
                self.recorder(turn, int(self.cycles[:turn].sum()), traffic, journey)
        return tally

    def _traffic(self, turn: int) -> tuple[Traffic, np.ndarray]:
        """(what happens in a turn; int64 [cores], cycles of the cores' own work that wait for memories)."""
        mapping, layers = self.mapping, self.mapping.network.layers
        about, targets = self.expansion.tables([
            (layers[layer].name, self.trace.bits_of(layers[layer].name)[divmod(row, self.trace.timesteps)])
            for row, layer in self.schedule.travelling(turn, self.rows)
        ])  # fmt: skip
        fetch, local, update, waiting = np.zeros((4, mapping.grid.cores), np.int64)
        for row, layer in self.schedule.working(turn, self.rows):
            mine = np.flatnonzero(mapping.layer_of == layer)
            work = next(w for w in self.known if w.first <= row < w.last)
            for total, of_row in ((fetch, work.fetch), (local, work.local), (update, work.update), (waiting, work.waiting)):
                np.add.at(total, mapping.cores[mine], of_row[row - work.first, mine])
        return Traffic.of_tables(about, targets, fetch, local, update), waiting


def split(traffic: Traffic, journey: Journey, barrier: int) -> tuple[int, int, int, int]:
    """Cycles of a turn by what set the pace: the core that was done last, working; waiting for packets or its image; the
    longest update; the barrier."""
    if not len(journey.free):
        return 0, 0, journey.cycles - barrier, barrier
    last = int(journey.free.argmax())
    worked = int(traffic.work[last]) + int(traffic.service[traffic.target == last].sum(dtype=np.int64))
    worked = min(worked, journey.delivered)
    return worked, journey.delivered - worked, journey.cycles - journey.delivered - barrier, barrier


def count(tally: Tally, traffic: Traffic, journey: Journey, waiting: np.ndarray, machine: Machine) -> None:
    """Add a turn to the sums."""
    cores = machine.grid.cores
    assert traffic.tables is not None
    served = np.bincount(traffic.target, traffic.service, cores).astype(np.int64)
    tally.busy += traffic.work + traffic.update + served
    tally.waiting += waiting + np.bincount(traffic.target, traffic.tables[1]["stall"], cores).astype(np.int64)
    tally.refused += journey.refused
    np.maximum(tally.peak, journey.peak, out=tally.peak)
    tally.flits += journey.flits
    tally.stalled += journey.stalled
    np.maximum(tally.peak_use, journey.flits * machine.intervals / max(journey.cycles, 1), out=tally.peak_use)
    if tally.blocked is not None:
        held = np.flatnonzero(journey.holder >= 0)
        mine, other = (traffic.target[traffic.first[p]] for p in (held, journey.holder[held]))
        np.add.at(tally.blocked, (other[mine != other], mine[mine != other]), journey.held[held][mine != other])


def work_of(activity: Activity, expansion: Expansion, trace: SpikeTrace, mapping: Mapping, first: int) -> Work:
    """The cycles of the cores' own work."""
    chip, cost = mapping.chip, mapping.chip.operation
    channels = np.array([b.channels for b in mapping.bricks])
    bits = np.array([mapping.network.layers[b.layer].weight_bits or 8 for b in mapping.bricks])
    state = chip.home("state").words(chip.core.state_bits)
    multiply = activity.analog_rows * -(-channels // chip.core.lanes) * cost.mac.cycles
    fetched = memory_cycles(chip, {"weights": activity.analog_rows * -(-channels * bits // chip.home("weights").word_bits)})
    visits = (
        -(-activity.active // chip.core.update_lanes) * cost.update_active.cycles
        + -(-activity.idle // chip.core.update_lanes) * cost.update_idle.cycles
    )
    touched = memory_cycles(chip, {"state": (2 * (activity.active + activity.idle) + activity.current_adds) * state})
    update, local = np.maximum(visits, touched), np.maximum(multiply, fetched)
    waiting = update - visits + local - multiply
    if mapping.network.input.encoding == "spikes":
        for at, row in enumerate(range(first, first + len(update))):
            work, waits = expansion.outside(trace.bits_of(INPUT)[divmod(row, trace.timesteps)])
            local[at] += work[mapping.cores]
            waiting[at] += waits[mapping.cores]
    port = chip.home("input").words_per_cycle
    fetch = -(-activity.input_words // port) if port else np.zeros_like(local)
    return Work(first, fetch, local, update, waiting)
