"""The whole story on one screen: network + inputs -> trace; + chip -> mapping -> activity -> timeline -> energy -> result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor

import numpy as np

from neurosim import families
from neurosim.chip.chip import Chip
from neurosim.cost.activity import COUNTS, activity, slice_images, trace_problems
from neurosim.cost.energy import energy
from neurosim.errors import TraceError
from neurosim.mapping.mapper import map_network
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place import PLACERS, Placer
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.outcome.result import Result
from neurosim.outcome.times import times
from neurosim.spikes.simulate import simulate
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.schedule import SCHEDULES, Scheduler
from neurosim.timing.timeline import TIMINGS, Maker, Recorder, Timeline


def run(
    network: Network,
    inputs: Inputs,
    chip: Chip,
    *,
    placer: str | Placer = "row-major",
    timing: str | Maker = "packet",
    schedule: str | Scheduler = "sequential",
    workers: int = 1,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    command: str = "",
) -> Result:
    """Map *network* onto *chip*, simulate it on *inputs* with the chip's state width, and evaluate.

    *placer*: one of PLACERS, or a function like them; see `map_network`. *timing*, *schedule*: see `evaluate`. *workers*:
    threads that share the samples, then the turns; the result does not depend on them. *executor*: its workers (PEP 3148)
    simulate the samples instead, slice by slice. *progress* is told the samples that are simulated. *command*: what the run
    says it came from. Raises NeurosimError for names that are unknown or unusable, all at once and before anything is
    simulated; MappingError if the network does not fit; InputsError if the inputs do not suit it::

        ns.run("net.h5", "inputs.h5", "chip.toml", placer="annealing", schedule="pipelined", workers=4).time.seconds
    """
    check_choices(placer, timing, schedule)
    mapping, bits = map_network(network, chip, placer), chip.core.state_bits
    trace = simulate(network, inputs, state_bits=bits, workers=workers, executor=executor, progress=progress)
    return evaluate(trace, mapping, timing=timing, schedule=schedule, workers=workers, command=command)


def compare(
    network: Network, inputs: Inputs, chips: Sequence[Chip], *, placer: str | Placer = "row-major",
    timing: str | Maker = "packet", schedule: str | Scheduler = "sequential", workers: int = 1,
) -> list[Result]:  # fmt: skip
    """The result on each of *chips*, in order; the network is simulated once for every state width that changes its spikes.

    *placer*, *timing*, *schedule*, *workers*, and what is raised: see `run`.
    """
    check_choices(placer, timing, schedule)
    mappings = [map_network(network, chip, placer) for chip in chips]
    return list(run_mapped(inputs, mappings, timing=timing, schedule=schedule, workers=workers))


def check_choices(placer: str | Placer | None, timing: str | Maker, schedule: str | Scheduler) -> None:
    """Notice before the work what could not be used after it; raises NeurosimError with all that is wrong."""
    families.check((PLACERS, placer or "row-major"), (TIMINGS, timing), (SCHEDULES, schedule))


def run_mapped(
    inputs: Inputs, mappings: Sequence[Mapping], *, timing: str | Maker, schedule: str | Scheduler, workers: int,
    command: str = "",
) -> Iterator[Result]:  # fmt: skip
    """The result on each of several mappings of one network; see `compare`."""
    traces: list[SpikeTrace] = []
    for mapping in mappings:
        usable = [t for t in traces if not trace_problems(t, mapping)]
        if not usable:
            usable = [simulate(mapping.network, inputs, state_bits=mapping.chip.core.state_bits, workers=workers)]
            traces += usable
        yield evaluate(usable[0], mapping, timing=timing, schedule=schedule, workers=workers, command=command)


def evaluate(
    trace: SpikeTrace,
    mapping: Mapping,
    *,
    timing: str | Maker = "packet",
    schedule: str | Scheduler = "sequential",
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    recorder: Recorder | None = None,
    command: str = "",
) -> Result:
    """What the recorded spikes cost on the mapped chip; nothing is simulated again.

    *timing*: level of detail of time (TIMINGS), or a function that makes a network of your own from a Machine. *schedule*:
    order of the layers (SCHEDULES), or a function of a Network like them. *workers*: threads that share the turns; the result
    does not depend on them. *progress* is told the images done. *recorder* is shown every turn. *command*: what the run says
    it came from. Raises TraceError if the trace belongs to another network, or the chip's state width would change the spikes.
    """
    problems = trace_problems(trace, mapping)
    if problems:
        raise TraceError("spike trace", problems)
    families.check((TIMINGS, timing), (SCHEDULES, schedule))
    mapping = mapping.over(trace.timesteps)
    totals = {name: np.zeros(len(mapping.bricks), np.int64) for name in COUNTS}
    clock = Timeline(trace, mapping, timing, schedule, workers=workers, recorder=recorder)
    size = slice_images(mapping)
    for first in range(0, len(trace), size):
        counts = activity(trace, mapping, first, min(first + size, len(trace)))
        clock.add(counts, first * trace.timesteps)
        for kind, values in counts.counts.items():
            totals[kind] += values.sum(0)
        if progress:
            progress(min(size, len(trace) - first))
    time = times(clock.pace, clock.schedule, len(trace), mapping.chip.clock.hz, clock.timing, clock.order)
    spent = energy(mapping, totals, len(trace), time.cycles, len(clock.pace.cycles))
    return Result(trace, mapping, totals, time, spent, command)
