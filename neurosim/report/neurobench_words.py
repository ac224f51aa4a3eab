"""The metrics of NeuroBench in words, beside what a chip counts for the same spikes."""

from __future__ import annotations

from typing import NamedTuple

from neurosim.cost.neurobench import HARNESS
from neurosim.outcome.cost_sections import NeuroBenchSection
from neurosim.outcome.document import RunDocument
from neurosim.report.units import percent, si

DEFINITION = {
    "footprint": "bytes of all weights, zeros too, at their stored width, with 4 for every threshold and leak",
    "footprint in float32": "the same network as the harness sees it: 4 bytes a weight, 20 for the constants of a layer",
    "connection sparsity": "share of the weights that are zero, a kernel counted once",
    "activation sparsity": "share of (neuron, step) pairs without a spike, output layer left out",
    "effective MACs": "pairs of an input and a weight, neither zero, in layers that are shown more than spikes in that step",
    "effective ACs": "the same in layers that are shown spikes alone",
    "dense operations": "pairs of an input and a weight, zero or not; padding left out",
    "membrane updates": "potentials that differ from the step before, and all neurons in the first step",
    "effective neuron operations": "4 for every membrane update",
    "dense neuron operations": "4 for every neuron and step",
}
WHY = {
    "footprint": "a chip stores a kernel in every core that uses it, in whole words",
    "effective MACs": (
        "the harness multiplies wherever it is shown an image (at every step), sums of pooling windows or of several inputs; "
        "the chip where an image enters, by policy.analog, with zeros and padding, and where cores sum pooling windows first"
    ),
    "effective ACs": (
        "the chip adds once per spike and synapse: behind sums of windows and over shortcuts without weights too, and, unless "
        "its cores skip zeros, weights that are zero"
    ),
    "membrane updates": "the chip visits neurons by policy.update, whether or not a potential changes",
    "effective neuron operations": "the chip multiplies where there is a leak, and compares; 4 is a constant of the harness",
}
NOTE = (
    "NeuroBench compares networks, not machines: these are means per sample over all steps, without any price. What the chip "
    "counts for the same spikes stands beside them under its own names. The execution rate is declared by whoever deploys a "
    "network, so it is not given here."
)


class Row(NamedTuple):
    """name: of the metric; value: with unit; counted: on the chip, under its own names; missing: why there is no value."""

    name: str
    value: str
    counted: str
    missing: str = ""


def heading(found: NeuroBenchSection) -> str:
    return f"NeuroBench (harness {HARNESS}), per sample, {found.batch:,} samples in a batch"


def rows(found: NeuroBenchSection, document: RunDocument) -> list[Row]:
    """The metrics of a run."""
    images, counts = document.images, document.counts
    synaptic, neuron = found.synaptic_operations, found.neuron_operations

    def counted(*names: str) -> str:
        return ", ".join(f"{name} {getattr(counts, name) / images:,.1f}" for name in names)

    def row(name: str, value: float | None, counts: str = "", key: str = "") -> Row:
        return Row(name, "-", counts, found.missing.get(key, "")) if value is None else Row(name, f"{value:,.1f}", counts)

    return [
        Row("footprint", si(found.footprint.stored_bytes, "B"), ""),
        Row("footprint in float32", si(found.footprint.float32_bytes, "B"), ""),
        Row("connection sparsity", percent(found.connection_sparsity), ""),
        Row("activation sparsity", percent(found.activation_sparsity), counted("spikes")),
        row("effective MACs", synaptic.effective_macs, counted("macs", "pool_macs", "payload_macs"), "synaptic_operations"),
        row("effective ACs", synaptic.effective_acs, counted("accumulates", "pool_adds"), "synaptic_operations"),
        row("dense operations", synaptic.dense),
        row("membrane updates", found.membrane_updates, counted("neuron_updates"), "membrane_updates"),
        row("effective neuron operations", neuron.effective, counted("leak_multiplies", "compares"), "neuron_operations"),
        row("dense neuron operations", neuron.dense),
    ]  # fmt: skip
