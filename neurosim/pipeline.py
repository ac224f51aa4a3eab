"""The whole story on one screen: network + inputs -> trace; + chip -> mapping -> activity -> timeline -> energy -> result."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from neurosim.activity import COUNTS, activity, slice_images, trace_problems
from neurosim.chip import Chip
from neurosim.energy import energy
from neurosim.errors import TraceError
from neurosim.inputs import Inputs
from neurosim.mapping.mapping import Mapping, map_network
from neurosim.network import Network
from neurosim.result import Result, Times
from neurosim.simulate import simulate
from neurosim.timeline import BOUNDS, timeline
from neurosim.trace import SpikeTrace


def run(
    network: Network,
    inputs: Inputs,
    chip: Chip,
    *,
    placer: str = "row-major",
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    command: str = "",
) -> Result:
    """Map *network* onto *chip*, simulate it on *inputs* with the chip's state width, and evaluate."""
    mapping = map_network(network, chip, placer)
    trace = simulate(network, inputs, state_bits=chip.core.state_bits, workers=workers, progress=progress)
    return evaluate(trace, mapping, command=command)


def compare(
    network: Network, inputs: Inputs, chips: Sequence[Chip], *, placer: str = "row-major", workers: int = 1
) -> list[Result]:
    """The result on each chip, in order; the network is simulated once for every state width that changes its spikes."""
    mappings = [map_network(network, chip, placer) for chip in chips]
    traces: list[SpikeTrace] = []
    results = []
    for mapping in mappings:
        usable = [t for t in traces if not trace_problems(t, mapping)]
        if not usable:
            usable = [simulate(network, inputs, state_bits=mapping.chip.core.state_bits, workers=workers)]
            traces += usable
        results.append(evaluate(usable[0], mapping))
    return results


def evaluate(trace: SpikeTrace, mapping: Mapping, *, command: str = "") -> Result:
    """What the recorded spikes cost on the mapped chip; nothing is simulated again.

    Raises TraceError if the trace belongs to another network, or the chip's state width would change the spikes.
    """
    problems = trace_problems(trace, mapping)
    if problems:
        raise TraceError("spike trace", problems)
    totals = {name: np.zeros(len(mapping.bricks), np.int64) for name in COUNTS}
    steps, bound_by = [], dict.fromkeys(BOUNDS, 0)
    work = np.zeros(len(mapping.bricks), np.int64)
    links, peak = np.zeros(mapping.grid.links, np.int64), np.zeros(mapping.grid.links)
    size = slice_images(mapping)
    for first in range(0, len(trace), size):
        counts = activity(trace, mapping, first, min(first + size, len(trace)))
        times = timeline(counts, mapping)
        for name, values in counts.counts.items():
            totals[name] += values.sum(0)
        for name, cycles in times.bound_by.items():
            bound_by[name] += cycles
        steps.append(times.steps)
        work += times.work.sum(0)
        flits = counts.links.sum(1)
        links += flits.sum(0)
        peak = np.maximum(peak, (flits * mapping.chip.mesh.link_cycles / np.maximum(times.steps, 1)[:, None]).max(0))
    time = Times(
        np.concatenate(steps).reshape(len(trace), trace.timesteps), bound_by, work, links, peak, mapping.chip.clock.hz
    )
    barriers = time.steps.size * len(mapping.network.layers)
    spent = energy(mapping, totals, len(trace), time.cycles, barriers)
    return Result(trace, mapping, totals, time, spent, command)
