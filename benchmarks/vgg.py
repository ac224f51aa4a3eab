"""`simulate` and `evaluate` with all counts on VGG9."""

from __future__ import annotations

from collections.abc import Iterator

import neurosim as ns
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.workloads import images, vgg9

IMAGES = 16
# The preset's cores hold 32 kB of weights and of tables each: VGG9 would need thousands. Sizes do not change the work counted.
CHANGES = {
    "mesh.width": 16, "mesh.height": 16, "memory.weight_sram.bits": 8 * 2**20, "memory.table_sram.bits": 8 * 2**16,
}  # fmt: skip


def large_chip() -> ns.Chip:
    """mesh45 with 256 cores of 1 MiB for weights and 64 KiB for tables."""
    chip = ns.load_chip("mesh45")
    for path, value in CHANGES.items():
        chip = chip.replace(path, value)
    return chip


def rows(repeats: int) -> Iterator[Row]:
    """Synaptic events per second, and where the time goes."""
    network, inputs = vgg9(), images(IMAGES)
    mapping = ns.map_network(network, large_chip())
    trace = ns.simulate(network, inputs)
    result = ns.evaluate(trace, mapping, timing="analytic")  # also builds the mapping's fan-outs, once per mapping
    events = result.counts["synaptic_events"]
    jobs = {
        "simulate": Job(lambda: ns.simulate(network, inputs, workers=1)),
        "evaluate": Job(lambda: ns.evaluate(trace, mapping, timing="analytic")),
        "simulate one": Job(lambda: ns.simulate(network, inputs[:1], workers=1)),
    }
    times = interleaved(jobs, repeats)
    both = times.seconds["simulate"] + times.seconds["evaluate"]
    rate = trace.spikes_per_neuron / network.timesteps
    yield Row("spikes per neuron and step", "", [rate])
    yield Row("cores used", "", [len(mapping.bricks)])
    yield Row("synaptic events per image", "M", [events / IMAGES / 1e6])
    yield Row(f"simulate + evaluate (analytic), {IMAGES} images", "G events/s", events / both / 1e9, at_least=2)
    yield Row(f"simulate alone, {IMAGES} images", "G events/s", times.per_second("simulate", events) / 1e9)
    one = ns.evaluate(ns.simulate(network, inputs[:1]), mapping, timing="analytic").counts["synaptic_events"]
    yield Row("simulate alone, 1 image", "G events/s", times.per_second("simulate one", one) / 1e9)
    yield Row("evaluate's share of simulate + evaluate", "%", 100 * times.seconds["evaluate"] / both)
    yield Row("images per second, simulate + evaluate", "1/s", IMAGES / both)
