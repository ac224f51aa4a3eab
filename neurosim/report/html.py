"""The report of a run: one HTML file that needs nothing else, readable from disk, on paper, in the dark and without scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurosim.cost.ann import STATED
from neurosim.cost.comparison import BreakEven, CostStep
from neurosim.errors import FileError
from neurosim.io.hdf5 import replacing
from neurosim.outcome.record import Record
from neurosim.report import neurobench_words, run_figures
from neurosim.report.figure import PERCENT
from neurosim.report.mesh_figures import Cores, DrawnLink, heat_maps, link_map
from neurosim.report.page import beside, bullets, cards, document, folded, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.text import (
    BOUND_WORDS,
    break_even_text,
    clipped_text,
    energy_bracket,
    papers_energies,
    quotient,
    ratio_bracket,
    spread_text,
)
from neurosim.report.units import percent, si

# Longer tables of steps wait to be opened.
OPEN_ROWS = 12
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
}
OWN_SCHEDULE = "Layers work in an order that was handed in; a barrier closes every turn."
OWN_TIMING = "Packets travel through a network that was handed in; then the neurons are updated."
# Rows of the table of cores: those that spent the most energy.
MOST_LISTED = 4096


def save_report(record: Record, path: str | os.PathLike[str]) -> None:
    """Write the report of a run; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(page(record), encoding="utf-8")


@contextmanager
def read_from(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raises FileError where what a file holds is not what its report needs."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FileError(str(path), [f"what it holds is not what a report needs: {type(error).__name__}: {error}"]) from error


def page(record: Record) -> str:
    """The whole document."""
    sections = [
        ("Where the energy goes", _energy(record)), ("What set the pace", _time(record)),
        ("Against the same network without spikes", _comparison(record)), ("Layers", _layers(record)),
        ("Spikes per layer and step", _spikes(record)), ("NeuroBench", _neurobench(record)),
        ("Cores", _cores(record)), ("Links", _links(record)),
        ("Constants and their sources", constants(record.chip)), ("Not counted", bullets(record.values["not_counted"])),
        ("How to repeat", _provenance(record)),
    ]  # fmt: skip
    title = f"{record.values['network']['name']} on {record.chip.name}"
    return document(title, _headline(record), [(name, body) for name, body in sections if body])


def _headline(record: Record) -> str:
    values, chip = record.values, record.chip
    network = values["network"]
    modelled = (
        f"Modelled: {network['name']}, {network['neurons']:,} neurons, {network['synapses']:,} weights, "
        f"T = {values['timesteps']}, on {chip.title} ({chip.node}). {chip.notes}"
    )
    times = values["counts"]["saturations"]
    clipped = f"{clipped_text(times, chip.core.state_bits)}." if times else ""
    return paragraph(modelled) + cards(_tiles(record)) + paragraph(clipped)


def _tiles(record: Record) -> list[tuple[str, str, str]]:
    """The numbers that people look for first."""
    values, chip, time = record.values, record.chip, record.values["time"]
    accuracy = "no labels" if values["accuracy"] is None else percent(values["accuracy"])
    steps = {step.purpose: step for step in record.ledger.steps}
    mesh = f"{chip.mesh.width}x{chip.mesh.height} {chip.mesh.topology}" + (f" on {chip.chips} chips" if chip.board else "")
    return [
        ("accuracy", accuracy, f"{values['images']:,} samples of {values['provenance']['inputs']}"),
        ("energy per image", si(record.ledger.energy.per_image_J, "J"), "everything that is counted"),
        ("time per image", si(time["seconds_per_image"], "s"), f"at {si(chip.clock.hz, 'Hz')}, {_schedule(record)}"),
        ("latency", si(time["latency_seconds_per_image"], "s"), "from an image to its answer"),
        ("spikes per neuron", f"{values['network']['spikes_per_neuron']:.3f}", f"over {values['timesteps']} steps"),
        ("cores", f"{len(values['cores']):,} of {chip.cores:,}", mesh),
        ("ANN / SNN, compute only", *_ratio(steps["compute"])),
        ("with data movement", *_ratio(steps["off chip"])),
    ]  # fmt: skip


def _ratio(step: CostStep) -> tuple[str, str]:
    """ANN / SNN with the stated reuse, and with perfect and no reuse."""
    stated, best, worst = (quotient(step.ann_J[reuse], step.snn_J) for reuse in (STATED, "perfect", "none"))
    return stated, f"{best} to {worst} by reuse in the ANN" if best != worst else "energy without spikes / with"


def _schedule(record: Record) -> str:
    return record.values["provenance"]["schedule"]


def _energy(record: Record) -> str:
    spent = record.ledger.energy
    images, total = spent.images, spent.total_J or 1.0
    rows = [
        [name, spent.groups[name], si(joules / images, "J"), percent(joules / total)]
        for name, joules in sorted(spent.by_component_J.items(), key=lambda part: -part[1]) if joules
    ]  # fmt: skip
    groups = [("compute", spent.compute_J), ("data movement", spent.data_movement_J), ("static", spent.static_J)]
    sums = [[f"all {name}", "", si(joules / images, "J"), percent(joules / total)] for name, joules in groups]
    listed = table(["component", "group", "energy", "share"], rows + sums, "energy per image by component")
    by_purpose = [[p, si(j / images, "J"), percent(j / total)] for p, j in spent.by_purpose_J.items()]
    purposes = table(["purpose", "energy", "share"], by_purpose, "energy per image by purpose")
    figures = beside(run_figures.waterfall(spent), run_figures.components(spent))
    return _key(groups, images, total) + figures + folded("These energies as tables", purposes + listed)


def _key(groups: list[tuple[str, float]], images: int, total: float) -> str:
    """What the colours stand for."""
    parts = ", ".join(
        f'<span class="key {name.split()[-1]}"></span>{name} {si(joules / images, "J")} ({percent(joules / total)})'
        for name, joules in groups
    )
    return f"<p>Per image: {parts}</p>"


def _time(record: Record) -> str:
    time, images, hz = record.values["time"], record.values["images"], record.chip.clock.hz
    shares = [[BOUND_WORDS[k], f"{v * time['cycles'] / images:,.0f}", percent(v)] for k, v in time["bound_by"].items()]
    steps = [[f"step {t}", f"{c:,.0f}", si(c / hz, "s")] for t, c in enumerate(time["cycles_per_step"])]
    drain = time["cycles"] - round(sum(time["cycles_per_step"]) * images)
    if drain:
        steps.append(["after the last image", f"{drain:,}", si(drain / hz, "s")])
    by_step = time.get("bound_by_per_step")
    schedule, timing = _schedule(record), record.values["provenance"]["timing"]
    return (
        paragraph(f"{SCHEDULE_WORDS.get(schedule, OWN_SCHEDULE)} {TIMING_WORDS.get(timing, OWN_TIMING)}")
        + table(["", "time"], _speeds(time))
        + table(["set by", "cycles per image", "share"], shares)
        + (run_figures.pace(by_step, hz) if by_step else "")
        + _steps(steps, by_step, images)
        + _blocked(record)
    )


def _speeds(time: dict[str, Any]) -> list[list[str]]:
    rate = time["images_per_second"]
    speeds = [["from an image to its answer", si(time["latency_seconds_per_image"], "s")]]
    return [*speeds, ["throughput", f"{rate:,.0f} images/s" if rate else ""]]


def _steps(steps: list[list[str]], by_step: list[dict[str, float]] | None, images: int) -> str:
    """Cycles and time of every step, and what set its pace."""
    bounds = list(BOUND_WORDS) if by_step else []
    shares = [[f"{step[bound]:,.0f}" for bound in bounds] for step in by_step or []]
    missing = [[""] * len(bounds)] * (len(steps) - len(shares))
    rows = [row + split for row, split in zip(steps, shares + missing, strict=True)]
    head = ["time step", "cycles, mean", "time", *(BOUND_WORDS[b] for b in bounds)]
    found = table(head, rows, "time steps, mean over images")
    return folded("These steps as a table", found) if len(rows) > OPEN_ROWS else found


def _blocked(record: Record) -> str:
    """Who was blocked by whom."""
    blocked = record.values.get("blocked")
    if not blocked:
        return ""
    core = {c["index"]: f"core {c['index']} ({c['layer']})" for c in record.values["cores"]}
    images = record.values["images"]
    rows = [[core[pair["waiting"]], core[pair["behind"]], f"{pair['cycles'] / images:,.0f}"] for pair in blocked[:10]]
    head = ["packets for", "stood behind packets for", "packet cycles per image"]
    return table(head, rows, "who was blocked by whom, the ten longest")


def _comparison(record: Record) -> str:
    rows = [
        [f"papers' model, {name}", si(theirs, "J"), si(ours, "J"), quotient(theirs, ours)]
        for name, theirs, ours in papers_energies(record.values["paper"])
    ]
    for step in record.ledger.steps:
        name = "this chip, compute" if step.purpose == "compute" else f"+ {step.purpose}"
        rows.append([name, energy_bracket(step.ann_J), si(step.snn_J, "J"), ratio_bracket(step)])
    line = record.ledger.break_even
    return (
        table(["per image", "ANN (perfect reuse to none)", "SNN", "ANN / SNN"], rows)
        + paragraph(f"{break_even_text(line)}; {spread_text(record.ledger.spread)}.")
        + paragraph(f"The ANN: {record.ledger.ann['assumes']}.")
        + run_figures.break_even(line) + _rates(line) + _by_layer(line) + _operations(record.values["paper"])
    )  # fmt: skip


def _rates(line: BreakEven) -> str:
    """The line of the figure as numbers."""
    if not line.spikes_per_neuron:
        return ""
    right = run_figures.farthest(line)
    rates = sorted({0.0, line.spikes_per_neuron, right, *(x for x in line.meets.values() if x is not None and x <= right)})
    rows = [[f"{x:.3f}", si(line.fixed_J + line.slope_J * x, "J"), energy_bracket(line.ann_J)] for x in rates]
    head = ["spikes per neuron", "SNN", "ANN (perfect reuse to none)"]
    return folded("This curve as a table", table(head, rows, "energy per image, without leakage"))


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


def _layers(record: Record) -> str:
    images = record.values["images"]
    counts = ("spikes", "accumulates", "macs", "neuron_updates", "packets", "flit_hops")
    rows = [
        [r["name"], f"{r['neurons']:,}", str(r["cores"]), *(si(r[k] / images, "") for k in counts),
         si(r["energy_J"] / images, "J")]
        for r in record.values["layers"]
    ]  # fmt: skip
    words = ["spikes", "accumulates", "MACs", "neuron updates", "packets", "flit-hops"]
    return table(["layer", "neurons", "cores", *words, "energy"], rows, "counts and energy per image")


def _spikes(record: Record) -> str:
    layers = [layer for layer in record.values["layers"] if layer.get("spikes_per_step")]
    if not layers:
        return ""
    rows = [
        [r["name"], *(f"{n:,.1f}" for n in r["spikes_per_step"]), f"{sum(r['spikes_per_step']) / r['neurons']:.3f}"]
        for r in layers
    ]
    head = ["layer", *(f"step {t}" for t in range(record.values["timesteps"])), "per neuron, all steps"]
    return run_figures.spikes(layers) + table(head, rows, "mean spikes per image")


def _neurobench(record: Record) -> str:
    """The metrics of NeuroBench with their definitions, beside what the chip counted; runs from before have none."""
    if "neurobench" not in record.values:
        return ""
    words, values = neurobench_words, record.values
    listed = [
        [row.name, row.value, row.missing or words.DEFINITION[row.name], row.counted, words.WHY.get(row.name, "")]
        for row in words.rows(values)
    ]
    head = ["metric", "value", "what it is", "counted on this chip", "why they differ"]
    shown = table(head, listed, words.heading(values), left=True)
    return shown + paragraph(words.NOTE) + paragraph(f"Source: {values['neurobench']['source']}.")


def _cores(record: Record) -> str:
    """Heat maps, and a table; the numbers of a core appear when the pointer rests on it."""
    found, images, hz = record.values["cores"], record.values["images"], record.chip.clock.hz
    energy, busy, filled = (np.array([value(c) for c in found], float) for value in (
        lambda c: c["energy_J"] / images, lambda c: c["busy_cycles"] / images / hz, lambda c: _fullest(c["memory_use"]),
    ))  # fmt: skip
    numbers, layers = np.array([c["index"] for c in found], np.int64), [c["layer"] for c in found]
    words = [
        [f"{c['neurons']:,}", si(e, "J"), si(b, "s"), percent(m)]
        for c, e, b, m in zip(found, energy, busy, filled, strict=True)
    ]
    heads = ("layer", "neurons", "energy", "busy", "fullest memory")
    cores = Cores(record.chip.grid, numbers, layers, heads, words)
    maps = [(energy, "Energy per image", "J"), (busy, "Busy time per image", "s"), (100 * filled, "Fullest memory", PERCENT)]
    return heat_maps(cores, maps) + _core_table(found, energy, filled, images)


def _core_table(cores: list[dict[str, Any]], energy: np.ndarray, filled: np.ndarray, images: int) -> str:
    rows = [
        [f"core {c['index']} ({c['x']}, {c['y']})", c["layer"], f"{c['neurons']:,}", percent(filled[i]),
         si(c["accumulates"] / images, ""), si(c["packets"] / images, ""), f"{c['busy_cycles'] / images:,.0f}",
         si(energy[i], "J")]
        for i, c in enumerate(cores)
    ]  # fmt: skip
    head = ["core (x, y)", "layer", "neurons", "fullest memory", "accumulates", "packets sent", "busy cycles", "energy"]
    if len(rows) <= MOST_LISTED:
        return folded("All used cores", table(head, rows, "per image"))
    dearest = [rows[i] for i in np.argsort(-energy, kind="stable")[:MOST_LISTED]]
    return folded(f"The {MOST_LISTED:,} cores that use most energy", table(head, dearest, f"per image, of {len(rows):,} cores"))


def _fullest(use: dict[str, Any]) -> float:
    """The largest share in use of a memory of a core."""
    return max((u["use"] / u["limit"] for u in use.values() if u["unit"] == "bits" and u["limit"]), default=0.0)


def _links(record: Record) -> str:
    used = sorted(record.values["links"], key=lambda link: -link["flits"])
    if not used:
        return "<p>No packet crosses a link.</p>"
    images, cycles = record.values["images"], max(1, record.values["time"]["cycles"])
    rows = [
        [_ends(link), si(link["flits"] / images, ""), percent(link["peak_use"]),
         percent(link["stalled_cycles"] / cycles)]
        for link in used[:10]
    ]  # fmt: skip
    links = [
        DrawnLink(tuple(link["from"]), tuple(link["to"]), link["flits"] / images,
             f"{si(link['flits'] / images, 'flits')}<br>{percent(link['peak_use'])} in use")
        for link in used
    ]  # fmt: skip
    head = ["link", "flits per image", "largest use in a turn", "stalled, of the time"]
    figure = link_map(record.chip.grid, links, "Flits per image over every link")
    return beside(figure, table(head, rows, "the ten busiest"))


def _ends(link: dict[str, Any]) -> str:
    return " to ".join(f"({x}, {y})" for x, y in (link["from"], link["to"]))


def _provenance(record: Record) -> str:
    rows = [[key, _said(value)] for key, value in record.values["provenance"].items() if value not in (None, "")]
    rows += [["network sha256", record.values["network"]["sha256"]], ["chip sha256", record.chip.sha256]]
    return table(["", ""], rows, left=True)


def _said(value: Any) -> str:
    """A value of the provenance; that of the run before a new pricing has two parts."""
    return ", ".join(map(str, value.values())) if isinstance(value, dict) else str(value)
