"""The report of a run: one HTML file without scripts, fonts or addresses, readable from disk, on paper and in the dark."""

from __future__ import annotations

import os
from html import escape
from typing import Any

import numpy as np

from neurosim.action import COMPUTE, MOVEMENT, STATIC
from neurosim.baseline import STATED
from neurosim.comparison import BreakEven
from neurosim.io.hdf5 import replacing
from neurosim.report.curve import curve
from neurosim.report.page import bullets, cards, document, heat, section, table
from neurosim.report.text import (
    BOUND_WORDS,
    break_even_text,
    clipped_text,
    energy_bracket,
    memory_text,
    papers_energies,
    quotient,
    ratio_bracket,
    spread_text,
)
from neurosim.report.units import percent, si
from neurosim.result import Result

SCHEDULE_WORDS = {
    "sequential": "The layers of a time step take turns; a barrier closes every turn.",
    "pipelined": "All layers work in every turn, each one step behind its sources; a barrier closes every turn.",
}
TIMING_WORDS = {
    "analytic": "A turn ends when the busiest core and the busiest link are done and its neurons are updated. Nothing queues: "
    "a lower bound.",
    "packet": "Packets travel flit by flit through routers with virtual channels, buffers and credits, wait in the queues of "
    "the cores, and are worked off; then the neurons are updated.",
    "simpy": "Packets travel flit by flit through the SimPy model of routers and cores; then the neurons are updated.",
    "own": "Packets travel through a network that was handed in; then the neurons are updated.",
}
GROUPS = {COMPUTE: "compute", MOVEMENT: "movement", STATIC: "static"}


def save_report(result: Result, path: str | os.PathLike[str]) -> None:
    """Write the report of a run; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(page(result), encoding="utf-8")


def page(result: Result) -> str:
    """The whole document."""
    network, chip = result.trace.network, result.mapping.chip
    title = f"{network.name} on {chip.name}"
    sections = [
        _headline(result), section("Where the energy goes", _energy(result)), section("What set the pace", _time(result)),
        section("Against the same network without spikes", _comparison(result)), section("Layers", _layers(result)),
        section("Cores", _mesh(result)), section("Links", _links(result)),
        section("Spikes per layer and step", _spikes(result)), section("Constants and their sources", _constants(result)),
        section("Not counted", bullets(result.not_counted)), section("How to repeat", _provenance(result)),
    ]  # fmt: skip
    return document(title, sections)


def _headline(result: Result) -> str:
    chip, network = result.mapping.chip, result.trace.network
    accuracy = "no labels" if result.accuracy is None else percent(result.accuracy)
    tiles = [
        ("accuracy", accuracy, f"{len(result.trace):,} samples of {result.trace.inputs_name}"),
        ("energy per image", si(result.energy.per_image_J, "J"), "all components below"),
        ("time per image", si(result.time.seconds_per_image, "s"), f"at {si(chip.clock.hz, 'Hz')}, {result.time.schedule}"),
        ("spikes per neuron", f"{result.trace.spikes_per_neuron:.3f}", f"over {result.trace.timesteps} steps"),
        ("cores", f"{len(result.mapping.used)} of {chip.cores}", f"{chip.mesh.width}x{chip.mesh.height} mesh"),
    ]
    neurons = sum(layer.neurons for layer in network.layers)
    modelled = (
        f"Modelled: {network.name}, {neurons:,} neurons, {network.synapses:,} weights, T = {network.timesteps}, on "
        f"{chip.title} ({chip.node}). {chip.notes}"
    )
    clipped = f"<p><strong>{escape(clipped_text(result))}.</strong></p>" if result.counts["saturations"] else ""
    return f'<p>{escape(modelled)}</p>{cards(tiles)}{clipped}'


def _energy(result: Result) -> str:
    spent, images = result.energy, len(result.trace)
    parts = [(n, j, spent.groups[n]) for n, j in spent.by_component_J.items() if j]
    parts.sort(key=lambda p: -p[1])
    largest = max((j for _, j, _ in parts), default=1.0)
    bars = "".join(
        f'<div class="bar"><span>{escape(n)}</span><span class="track"><span class="{GROUPS[g]}" '
        f'style="width:{100 * j / largest:.2f}%"></span></span>'
        f"<span>{si(j / images, 'J')}, {percent(j / spent.total_J)}</span></div>"
        for n, j, g in parts
    )
    groups = ((COMPUTE, spent.compute_J), (MOVEMENT, spent.data_movement_J), (STATIC, spent.static_J))
    legend = ", ".join(
        f'<span class="key {GROUPS[g]}"></span>{g} {si(j / images, "J")} ({percent(j / spent.total_J if spent.total_J else 0)})'
        for g, j in groups
    )
    return f"<p>Per image: {legend}</p>{bars}"


def _time(result: Result) -> str:
    time = result.time
    shares = [
        [BOUND_WORDS[k], f"{v / len(result.trace):,.0f}", percent(v / max(1, time.cycles))] for k, v in time.bound_by.items()
    ]
    steps = [[f"step {t}", f"{c:,.0f}", si(c / time.hz, "s")] for t, c in enumerate(time.steps.mean(0))]
    if time.drain:
        steps.append(["after the last image", f"{time.drain:,}", si(time.drain / time.hz, "s")])
    paragraph = f"{SCHEDULE_WORDS[time.schedule]} {TIMING_WORDS[time.timing]}"
    return (
        f"<p>{escape(paragraph)}</p>"
        + table(["", "time"], _speeds(result))
        + table(["set by", "cycles per image", "share"], shares)
        + table(["time step", "cycles, mean", "time"], steps)
        + _blocked(result)
    )


def _speeds(result: Result) -> list[list[str]]:
    time = result.time
    rate = f"{1 / time.seconds_per_image:,.0f} images/s" if time.cycles else ""
    return [["from an image to its answer", si(time.latency_seconds, "s")], ["throughput", rate]]


def _blocked(result: Result) -> str:
    """Who was blocked by whom."""
    if not result.blocked:
        return ""
    layer = {int(c["index"]): f"core {c['index']} ({c['layer']})" for c in result.cores}
    images = len(result.trace)
    rows = [
        [layer[pair["waiting"]], layer[pair["behind"]], f"{pair['cycles'] / images:,.0f}"] for pair in result.blocked[:10]
    ]
    head = ["packets for", "stood behind packets for", "packet cycles per image"]
    return table(head, rows, "who was blocked by whom, the ten longest")


def _comparison(result: Result) -> str:
    dense, model = result.ledger.ann, result.paper
    rows = [
        [f"papers' model, {name}", si(theirs, "J"), si(ours, "J"), quotient(theirs, ours)]
        for name, theirs, ours in papers_energies(model)
    ]
    for step in result.ledger.steps:
        name = "this chip, compute" if step.purpose == "compute" else f"+ {step.purpose}"
        rows.append([name, energy_bracket(step.ann_J), si(step.snn_J, "J"), ratio_bracket(step)])
    head = table(["per image", "ANN (perfect reuse to none)", "SNN", "ANN / SNN"], rows)
    line = result.ledger.break_even
    found = f"{break_even_text(line)}; {spread_text(result.ledger.spread)}"
    notes = f"<p>{escape(found)}.</p><p>The ANN: {escape(dense['assumes'])}.</p>"
    return head + notes + curve(line) + _by_layer(line) + _operations(model)


def _by_layer(line: BreakEven) -> str:
    """Every layer beside the same layer without spikes."""
    rows = []
    for layer in line.layers:
        low, stated, high = (layer.meets[reuse] for reuse in ("perfect", STATED, "none"))
        factors = " to ".join("never" if factor is None else f"{factor:.3g}" for factor in (low, high))
        rows.append([
            layer.name, energy_bracket(layer.ann_J), si(layer.snn_J, "J"),
            quotient(layer.ann_J[STATED], layer.snn_J), "never" if stated is None else f"{stated:.3g} ({factors})",
        ])  # fmt: skip
    head = ["layer", "ANN (perfect reuse to none)", "SNN", "ANN / SNN", "even at so many times the spikes"]
    return table(head, rows, "per image, without leakage; packets booked to their sender")


def _operations(model: dict[str, Any]) -> str:
    """The papers' operations layer by layer, beside what was added."""
    rows = [
        [row["name"], si(row["ann_macs"], ""), "" if row["spikes_per_neuron"] is None else f"{row['spikes_per_neuron']:.3f}",
         si(row["snn_operations"], ""), si(row["accumulates"], "")]
        for row in model["layers"]
    ]  # fmt: skip
    words = ["layer", "MACs of the ANN", "spikes per neuron", "operations, papers' model", "accumulates, counted"]
    return table(words, rows, "per image, all steps")


def _layers(result: Result) -> str:
    images = len(result.trace)
    counts = ("spikes", "accumulates", "macs", "neuron_updates", "packets", "flit_hops")
    rows = [
        [str(r["name"]), f"{r['neurons']:,}", str(r["cores"]), *(si(int(r[k]) / images, "") for k in counts),
         si(r["energy_J"] / images, "J")]
        for r in result.layers
    ]  # fmt: skip
    words = ["spikes", "accumulates", "MACs", "neuron updates", "packets", "flit-hops"]
    return table(["layer", "neurons", "cores", *words, "energy"], rows, "counts and energy per image")


def _mesh(result: Result) -> str:
    """Two heat maps; the numbers of a core appear when the pointer rests on it, and in the table below."""
    cores, images = result.cores, len(result.trace)
    maps = [
        ("Energy per image", cores["energy_J"] / images, "J"),
        ("Busy time per image", cores["busy_cycles"] / images / result.time.hz, "s"),
    ]
    figures = "".join(f"<figure><figcaption>{escape(n)}</figcaption>{heat(result.mapping, v, u)}</figure>" for n, v, u in maps)
    rows = [
        [f"core {c['index']} ({c['x']}, {c['y']})", str(c["layer"]), f"{c['neurons']:,}", percent(c["memory_use"]),
         si(int(c["accumulates"]) / images, ""), si(int(c["packets"]) / images, ""),
         f"{c['busy_cycles'] / images:,.0f}", si(c["energy_J"] / images, "J")]
        for c in cores
    ]  # fmt: skip
    head = ["core (x, y)", "layer", "neurons", "fullest memory", "accumulates", "packets sent", "busy cycles", "energy"]
    listed = table(head, rows, "per image")
    return f'<div class="figures">{figures}</div><details><summary>All used cores</summary>{listed}</details>'


def _links(result: Result) -> str:
    order = np.argsort(-result.time.tally.flits, kind="stable")[:10]
    images = len(result.trace)
    rows = []
    for link in order:
        if result.time.tally.flits[link]:
            a, b = result.mapping.grid.ends(int(link))
            flits, peak = int(result.time.tally.flits[link]), float(result.time.tally.peak_use[link])
            stalled = percent(int(result.time.tally.stalled[link]) / max(1, result.time.cycles))
            rows.append([f"{a} to {b}", si(flits / images, ""), percent(peak), stalled])
    if not rows:
        return "<p>No packet crosses a link.</p>"
    return table(["link", "flits per image", "largest use in a turn", "stalled, of the time"], rows, "the ten busiest")


def _spikes(result: Result) -> str:
    trace = result.trace
    rows = []
    for layer in trace.network.layers:
        if layer.spiking:
            per_step = np.bitwise_count(trace.layers[layer.name].bits).sum((0, 2), dtype=np.int64) / len(trace)
            rows.append([layer.name, *(f"{n:,.1f}" for n in per_step), f"{per_step.sum() / layer.neurons:.3f}"])
    head = ["layer", *(f"step {t}" for t in range(trace.timesteps)), "per neuron, all steps"]
    return table(head, rows, "mean spikes per image")


def _constants(result: Result) -> str:
    chip = result.mapping.chip
    rows: list[list[str]] = [["clock", si(chip.clock.hz, "Hz"), chip.clock.source], ["core", "", chip.core.source]]
    rows.append(["mesh", f"{chip.mesh.width}x{chip.mesh.height}", chip.mesh.source])
    for memory in chip.memory:
        rows.append([memory.name, memory_text(memory), memory.source])
    rows += [[name, f"{price.pj:g} pJ", price.source] for name, price in chip.operation]
    rows.append(["static", f"{chip.static.core_mw:g} mW per core, {chip.static.chip_mw:g} mW", chip.static.source])
    return f"<details><summary>All constants</summary>{table(['constant', 'value', 'source'], rows)}</details>"


def _provenance(result: Result) -> str:
    rows = [[key, str(value)] for key, value in result.provenance.items() if value not in (None, "")]
    rows += [["network sha256", result.trace.network.sha256], ["chip sha256", result.mapping.chip.sha256]]
    return table(["", ""], rows)
