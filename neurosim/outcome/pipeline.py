"""The whole story on one screen: network + inputs -> trace; + chip -> mapping -> activity -> timeline -> energy -> result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.cost.activity import COUNTS, activity, slice_images, trace_problems
from neurosim.cost.by_image import Done, by_image, done
from neurosim.cost.energy import energy
from neurosim.cost.spikeless import SAME_CHIP, AnnChoice, Spikeless
from neurosim.errors import TraceError
from neurosim.kernels import threads
from neurosim.mapping.mapper import map_network
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place import PLACERS, USUAL, Placer
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.outcome.cost_sections import ModelSection
from neurosim.outcome.model_bracket import IMAGES, bracket
from neurosim.outcome.result import Result
from neurosim.outcome.times import times
from neurosim.spikes.simulate import simulate
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.choice import TimeChoice
from neurosim.timing.sample import AUTO, PacketImages
from neurosim.timing.schedule import Scheduler
from neurosim.timing.tally import Pace
from neurosim.timing.timeline import ANALYTIC, Maker, Recorder


def run(
    network: Network,
    inputs: Inputs,
    chip: Chip,
    *,
    placer: str | Placer = USUAL,
    timing: str | Maker = "packet",
    schedule: str | Scheduler = "sequential",
    packet_images: PacketImages = AUTO,
    seed: int = 0,
    ann_chip: Chip | None = None,
    ann_bits: int | None = None,
    ann_sparsity: float | str = 0.0,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
    command: str = "",
) -> Result:
    """Map *network* onto *chip*, simulate it on *inputs* with the chip's state width, and evaluate.

    *placer*: one of PLACERS, or a function like them; see `map_network`. *timing*, *schedule*, *packet_images*, *seed*,
    *ann_chip*, *ann_bits*, *ann_sparsity*: see `evaluate`. *workers*: threads that share the samples, then the
    turns, without it as many as this process may use cores; the result does not depend on them. *executor*: its workers (PEP
    3148) simulate the samples instead, slice by slice. *progress* is told the samples that are simulated. *command*: what the
    run says it came from. What choices of the model leave open is tried when it is asked for. Raises NeurosimError for names
    that are unknown or unusable, all at once and before anything is simulated; MappingError if the network does not fit;
    InputsError if the inputs do not suit it::

        ns.run("net.h5", "inputs.h5", "chip.toml", placer="annealing", schedule="pipelined", workers=4).time.seconds
    """
    how = TimeChoice(timing, schedule, packet_images, seed)
    how.check((PLACERS, placer))
    choice = AnnChoice(ann_chip, ann_bits, ann_sparsity)
    choice.check(network, [chip])
    mapping, bits = map_network(network, chip, placer), chip.core.state_bits
    spikeless = choice.beside(mapping, choice.placed([mapping], placer))
    trace = simulate(network, inputs, state_bits=bits, workers=workers, executor=executor, progress=progress)
    return bracketed(evaluated(trace, mapping, spikeless, how, workers=workers, command=command))


def bracketed(result: Result) -> Result:
    """The same, which tries choices of the model when it is asked what they leave open."""
    return replace(result, trial=partial(tried, result))


def tried(result: Result) -> ModelSection | None:
    """What choices of the model leave open (`neurosim.outcome.model_bracket`), by a few of the images of *result*."""
    few, how = result.trace.part(0, min(IMAGES, len(result.trace))), TimeChoice(ANALYTIC, result.how.schedule)

    def again(mapping: Mapping) -> Result:
        spikeless = result.spikeless if result.spikeless.own else replace(result.spikeless, mapping=mapping)
        return evaluated(few, mapping, spikeless, how)

    return bracket(result, again)


def compare(
    network: Network, inputs: Inputs, chips: Sequence[Chip], *, placer: str | Placer = USUAL,
    timing: str | Maker = "packet", schedule: str | Scheduler = "sequential", packet_images: PacketImages = AUTO, seed: int = 0,
    ann_chip: Chip | None = None, ann_bits: int | None = None, ann_sparsity: float | str = 0.0, workers: int | None = None,
) -> list[Result]:  # fmt: skip
    """The result on each of *chips*, in order; the network is simulated once for every state width that changes its spikes.

    *placer*, *timing*, *schedule*, *packet_images*, *seed*, *workers*, and what is raised: see `run`; *ann_chip*, *ann_bits*,
    *ann_sparsity*: see `evaluate`. On all chips the same
    steps of the same images are timed by packets, as many as the one needs that needs most.
    """
    how = TimeChoice(timing, schedule, packet_images, seed)
    how.check((PLACERS, placer))
    choice = AnnChoice(ann_chip, ann_bits, ann_sparsity)
    choice.check(network, chips)
    mappings = [map_network(network, chip, placer) for chip in chips]
    return run_mapped(inputs, mappings, how, choice.placed(mappings, placer), choice, workers=workers)


def run_mapped(
    inputs: Inputs, mappings: Sequence[Mapping], how: TimeChoice, apart: Mapping | None = None,
    choice: AnnChoice = SAME_CHIP, *, workers: int | None = None, command: str = "",
    progress: Callable[[int], None] | None = None,
) -> list[Result]:  # fmt: skip
    """The result on each of several mappings of one network; see `compare`. *apart*: where *choice* placed the network without
    spikes. *progress* is told the mappings done."""
    traces: list[SpikeTrace] = []
    found: list[Result] = []
    for mapping in mappings:
        usable = [t for t in traces if not trace_problems(t, mapping)]
        if not usable:
            usable = [simulate(mapping.network, inputs, state_bits=mapping.chip.core.state_bits, workers=workers)]
            traces += usable
        spikeless = choice.beside(mapping, apart)
        found.append(evaluated(usable[0], mapping, spikeless, how, workers=workers, command=command))
        if progress:
            progress(1)
    most = max((result.time.sample.drawn for result in found), default=0)
    again = how._replace(packet_images=most)
    return [
        bracketed(
            r if r.time.sample.drawn == most
            else evaluated(r.trace, r.mapping, r.spikeless, again, workers=workers, command=command)
        )
        for r in found
    ]  # fmt: skip


def evaluate(
    trace: SpikeTrace,
    mapping: Mapping,
    *,
    timing: str | Maker = "packet",
    schedule: str | Scheduler = "sequential",
    packet_images: PacketImages = AUTO,
    seed: int = 0,
    ann_chip: Chip | None = None,
    ann_bits: int | None = None,
    ann_sparsity: float | str = 0.0,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
    recorder: Recorder | None = None,
    preview: Callable[[Result], None] | None = None,
    command: str = "",
) -> Result:
    """What the recorded spikes cost on the mapped chip; nothing is simulated again.

    *timing*: level of detail of time (TIMINGS), or a function that makes a network of your own from a Machine. *schedule*:
    order of the layers (SCHEDULES), or a function of a Network like them. *packet_images*: how many images of each step are
    timed so, other images for other steps, drawn by *seed*: "all", so many, or "auto", as many as bring the 95 % interval of
    the time within 1 %; the time of the others is the analytic one times the ratio of these in the same step, and
    `time.seconds_per_image_error` says how far off that may be. Up to five images are all timed. *ann_chip*: the machine of the
    network without spikes, on which it is mapped anew; without it, the cores of *mapping*. *ann_bits*: at most so many bits
    have its weights, and so many its activations; *ann_sparsity*: the share of these that is zero, or "stored", as the network
    file says. *workers*: threads that share the turns; the result does not depend on them. *progress* is told the images
    done. *recorder* is shown every turn that is not timed analytically. *preview* is shown the analytic result before packets
    travel. *command*: what the run says it came from. Raises TraceError if the trace belongs to another network, or the chip's
    state width would change the spikes; MappingError if the network does not fit *ann_chip*.
    """
    how, choice = TimeChoice(timing, schedule, packet_images, seed), AnnChoice(ann_chip, ann_bits, ann_sparsity)
    how.check()
    choice.check(mapping.network, [mapping.chip])
    spikeless = choice.beside(mapping, choice.placed([mapping]))
    found = evaluated(
        trace, mapping, spikeless, how, workers=workers, progress=progress, recorder=recorder, preview=preview, command=command
    )
    return bracketed(found)


def evaluated(
    trace: SpikeTrace, mapping: Mapping, spikeless: Spikeless, how: TimeChoice, *, workers: int | None = None,
    progress: Callable[[int], None] | None = None, recorder: Recorder | None = None,
    preview: Callable[[Result], None] | None = None, command: str = "",
) -> Result:  # fmt: skip
    """The same beside a network without spikes that has its place, and nothing of the model tried; see `evaluate`."""
    problems = trace_problems(trace, mapping)
    if problems:
        raise TraceError("spike trace", problems)
    mapping = mapping.over(trace.timesteps, trace.network.input.valued)
    spikeless = spikeless if spikeless.own else replace(spikeless, mapping=mapping)
    totals, images = {name: np.zeros(len(mapping.bricks), np.int64) for name in COUNTS}, list[Done]()
    workers = workers or threads.usable()
    clock = how.timeline(trace, mapping, workers, recorder)
    if preview and clock.timing != ANALYTIC and clock.far is None:
        near = TimeChoice(ANALYTIC, how.schedule)
        preview(evaluated(trace, mapping, spikeless, near, workers=workers, command=command))
    size = slice_images(mapping)

    def count(first: int, last: int) -> None:
        part = trace.part(first, last)
        counts = activity(part, mapping)
        clock.add(part, counts, first * trace.timesteps)
        each = {kind: values.reshape(last - first, -1, len(mapping.bricks)).sum(1) for kind, values in counts.counts.items()}
        for kind, values in each.items():
            totals[kind] += values.sum(0)
        images.append(done(mapping, each))

    for first in range(0, len(trace), size):
        last = min(first + size, len(trace))
        count(first, last)
        if progress:
            progress(last - first)

    def found(pace: Pace, timing: str) -> Result:
        time = times(pace, clock.schedule, len(trace), mapping.chip.clock.hz, timing, clock.order)
        busy = pace.tally.busy[mapping.cores] / np.bincount(mapping.home)[mapping.home]
        spent = energy(mapping, totals, len(trace), time.cycles, len(pace.cycles), busy)
        spent = replace(spent, actions=by_image(spent.actions, images, time.image_cycles))
        return Result(trace, mapping, spikeless, totals, time, spent, how, command)

    if preview and clock.far is not None:
        preview(found(clock.far.pace, ANALYTIC))
    return found(clock.finish(), clock.timing)
