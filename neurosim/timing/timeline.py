"""Time: what happens turn by turn, at one of three levels of detail.

A turn lies between two barriers (`neurosim.timing.schedule`). The spikes that travel in it leave their cores one by one; the
cores that receive them work them off; when all is done, the neurons of the layers that work in this turn are updated, and a
barrier closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from neurosim.cost.activity import Activity, activity
from neurosim.errors import PluginError
from neurosim.families import Family, function
from neurosim.mapping.mapping import Mapping
from neurosim.noc.analytic import AnalyticNetwork
from neurosim.noc.machine import Machine
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.simpy_model import SimpyNetwork
from neurosim.noc.traffic import Interconnect, Journey, Traffic
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.agenda import Agenda, Work
from neurosim.timing.bound import Bound
from neurosim.timing.many_turns import ManyTurns
from neurosim.timing.schedule import SCHEDULES, Schedule, Scheduler
from neurosim.timing.tally import Pace, Tally


class Runner(Protocol):
    """Something that runs turns, *most* at once."""

    most: int

    def run(self, turns: range) -> Pace: ...


ANALYTIC = "analytic"
# What a timing is: a function that makes, of the machine of a chip, something that packets travel through.
Maker = Callable[[Machine], Interconnect]
TIMINGS: Family[Maker] = Family(
    "timing", {ANALYTIC: AnalyticNetwork, "packet": PacketNetwork, "simpy": SimpyNetwork},
    group="neurosim.timings", taken=function,
)  # fmt: skip
Recorder = Callable[[int, int, Traffic, Journey], None]

# Parts that each thread gets of what is known, so that none waits long for another.
PARTS = 4
# Of turns that are run out of their order, at once.
SPANS = 16


class Timeline:
    """Takes a run, slice by slice in order, and tells the time: *pace*.

    *timing*, *order*: names of the timing and the schedule. *recorder* is shown every turn: (number, cycle in which it begins,
    traffic, journey); with it there is one thread.
    """

    # What knows the analytic time of all turns besides.
    far: Timeline | None = None

    def __init__(
        self, trace: SpikeTrace, mapping: Mapping, timing: str | Maker = "packet", schedule: str | Scheduler = "sequential", *,
        workers: int = 1, recorder: Recorder | None = None,
    ):  # fmt: skip
        self.timing, make = TIMINGS.of(timing)
        self.order, schedules = SCHEDULES.of(schedule)
        self.schedule: Schedule = schedules(mapping.network)
        self.agenda = Agenda(trace, mapping, self.schedule)
        self.workers = 1 if recorder else workers
        self.runners: list[Runner]
        if timing == ANALYTIC and not recorder:
            self.runners = [Bound(self.agenda)] * self.workers
        elif timing == "packet" and not recorder:
            self.runners = [ManyTurns(self.agenda) for _ in range(self.workers)]
        else:
            networks = [made(self.timing, make, mapping.chip.machine) for _ in range(self.workers)]
            self.runners = [TurnByTurn(self.agenda, network, recorder) for network in networks]
        self.grid = mapping.grid
        self.pace = Pace.empty(self.agenda.turns, self.grid)
        self.next = 0

    def add(self, part: SpikeTrace, activity: Activity, first: int) -> None:
        """A part of the trace and its activity, from row *first* on; runs every turn that is thereby known."""
        ready = self.agenda.add(part, activity, first)
        parts = PARTS * self.workers if self.workers > 1 else 1
        size = min(self.runners[0].most, max(1, (ready - self.next) // parts))
        chunks = [range(at, min(at + size, ready)) for at in range(self.next, ready, size)]
        for chunk, pace in zip(chunks, self._run(chunks), strict=True):
            self.pace.cycles[chunk], self.pace.split[chunk] = pace.cycles, pace.split
            self.pace.tally.add(pace.tally)
        self.next = ready
        self.agenda.forget(ready)

    def finish(self) -> Pace:
        """The time of all turns, which have been run."""
        return self.pace

    def run_spans(self, spans: Sequence[range]) -> Iterator[Pace]:
        """The time of each of some spans of turns, whatever else was run; only the images of a few are known at once."""
        size = self.runners[0].most
        for first in range(0, len(spans), SPANS):
            some = spans[first : first + SPANS]
            self._look_up(some)
            chunks = [[range(at, min(at + size, span.stop)) for at in range(span.start, span.stop, size)] for span in some]
            done = self._run([chunk for span in chunks for chunk in span])
            yield from (Pace.joined([next(done) for _ in span], self.grid) for span in chunks)
            self.agenda.known.clear()

    def _look_up(self, spans: Sequence[range]) -> None:
        """Take the images that some turns work on out of the trace."""
        agenda, steps = self.agenda, self.schedule.timesteps
        images: set[int] = set()
        for span in spans:
            last = min((span.stop - 1) // self.schedule.stride, agenda.rows - 1)
            images |= {*range(self.schedule.oldest(span.start) // steps, last // steps + 1)}
        parts = {image: agenda.trace.sample(image) for image in sorted(images)}
        # At once it takes a fifth of the time of one by one.
        counts = activity(SpikeTrace.joined([*parts.values()]), agenda.mapping).counts
        for number, (image, part) in enumerate(parts.items()):
            mine = slice(number * steps, (number + 1) * steps)
            agenda.add(part, Activity(**{name: rows[mine] for name, rows in counts.items()}), image * steps)

    def _run(self, chunks: list[range]) -> Iterator[Pace]:
        with TIMINGS.running(self.timing):
            yield from map(self.runners[0].run, chunks) if self.workers == 1 else self._shared(chunks)

    def _shared(self, chunks: list[range]) -> Iterator[Pace]:
        free = SimpleQueue[Runner]()
        for runner in self.runners:
            free.put(runner)

        def run(chunk: range) -> Pace:
            runner = free.get()
            try:
                return runner.run(chunk)
            finally:
                free.put(runner)

        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(run, chunks)


def made(name: str, make: Maker, machine: Machine) -> Interconnect:
    """The network of a timing; raises PluginError if nothing can travel through it."""
    with TIMINGS.running(name):
        network = make(machine)
    if not callable(getattr(network, "travel", None)):
        raise PluginError(f"{TIMINGS.told(name)} makes a {type(network).__name__} of a machine; it must have travel(traffic)")
    return network


class TurnByTurn:
    """Sends the packets of every turn through a network."""

    most = 64

    def __init__(self, agenda: Agenda, network: Interconnect, recorder: Recorder | None = None):
        self.agenda, self.network, self.recorder = agenda, network, recorder
        self.machine = agenda.mapping.chip.machine
        self.now = 0

    def run(self, turns: range) -> Pace:
        pace, work = Pace.empty(len(turns), self.machine.grid), self.agenda.work(turns)
        for number, turn in enumerate(turns):
            traffic = self._traffic(range(turn, turn + 1), work, number)
            journey = self.network.travel(traffic)
            pace.cycles[number] = journey.cycles
            pace.split[number] = pace_setters(traffic, journey, self.machine.barrier_cycles)
            count(pace.tally, traffic, journey, work.waiting[number], self.machine)
            if self.recorder:
                self.recorder(turn, self.now, traffic, journey)
            self.now += journey.cycles
        return pace

    def _traffic(self, turn: range, work: Work, number: int) -> Traffic:
        writer, spiking = self.agenda.packets, self.agenda.spiking(turn)
        turns = writer.written(spiking, *writer.counted(spiking, 1))
        return Traffic.of_tables(turns.about, turns.targets, work.fetch[number], work.local[number], work.update[number])


def pace_setters(traffic: Traffic, journey: Journey, barrier: int) -> tuple[int, int, int, int]:
    """Cycles of a turn by what set the pace: the core that was done last, working; waiting for packets or its image; the
    longest update; the barrier."""
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
