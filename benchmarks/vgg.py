"""`simulate` and `evaluate` with all counts on VGG9."""

from __future__ import annotations

from collections.abc import Iterator

import neurosim as ns
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import images, vgg9

# The preset's cores hold 32 kB of weights and of tables each: VGG9 would need thousands. Sizes do not change the work counted.
CHANGES = ("mesh.width=16", "mesh.height=16", f"memory.weight_sram.bits={8 * 2**20}", f"memory.table_sram.bits={8 * 2**16}")


def large_chip() -> ns.Chip:
    """mesh45 with 256 cores of 1 MiB for weights and 64 KiB for tables."""
    return ns.load_chip("mesh45", CHANGES)


def rows(size: Size) -> Iterator[Row]:
    """Synaptic events per second, and where the time goes."""
    network, inputs = vgg9(size.narrower), images(size.images)
    mapping = ns.map_network(network, large_chip())
    trace = ns.simulate(network, inputs)
    result = ns.evaluate(trace, mapping, timing="analytic")  # also builds the mapping's fan-outs, once per mapping
    events, many = result.counts["synaptic_events"], f"{size.images} images"
    jobs = {
        "simulate": Job(lambda: ns.simulate(network, inputs, workers=1)),
        "evaluate": Job(lambda: ns.evaluate(trace, mapping, timing="analytic", workers=1)),
        "simulate one": Job(lambda: ns.simulate(network, inputs[:1], workers=1)),
    }
    times = interleaved(jobs, size.repeats)
    both = times.seconds["simulate"] + times.seconds["evaluate"]
    alone = times.per_second("simulate", events) / 1e9
    rate = trace.spikes_per_neuron / network.timesteps
    yield Row("spikes per neuron and step", "", [rate])
    yield Row("cores used", "", [len(mapping.bricks)])
    yield Row("synaptic events per image", "M", [events / size.images / 1e6])
    told = f"VGG9, `simulate` and `evaluate`, analytic timing, all counts, {many}"
    yield Row(f"simulate + evaluate (analytic), {many}", "G events/s", events / both / 1e9, at_least=15, readme=told)
    yield Row(f"simulate alone, {many}", "G events/s", alone, at_least=20, readme=f"VGG9, `simulate`, {many}")
    one = ns.evaluate(ns.simulate(network, inputs[:1]), mapping, timing="analytic").counts["synaptic_events"]
    yield Row("simulate alone, 1 image", "G events/s", times.per_second("simulate one", one) / 1e9)
    yield Row("evaluate's share of simulate + evaluate", "%", 100 * times.seconds["evaluate"] / both)
    yield Row("images per second, simulate + evaluate", "1/s", size.images / both)
