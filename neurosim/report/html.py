"""The report of a run: one HTML file that needs nothing else, readable from disk, on paper, in the dark and without scripts."""

from __future__ import annotations

import os

import numpy as np

from neurosim.cost.comparison import BreakEven, CostStep
from neurosim.cost.dataflow import STATED
from neurosim.io.hdf5 import replacing
from neurosim.outcome.cost_sections import PaperSection
from neurosim.outcome.document import BlockedRow, CoreRow, LinkRow, RunDocument, TimeSection
from neurosim.report import neurobench_words, run_figures, words
from neurosim.report.figure import PERCENT
from neurosim.report.mesh_figures import Cores, DrawnLink, heat_maps, link_map
from neurosim.report.page import beside, bullets, cards, document, folded, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.units import percent, si

# Longer tables of steps wait to be opened.
OPEN_ROWS = 12
# Rows of the table of cores: those that spent the most energy.
MOST_LISTED = 4096


def save_report(run: RunDocument, path: str | os.PathLike[str]) -> None:
    """Write the report of a run; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(page(run), encoding="utf-8")


def page(run: RunDocument) -> str:
    """The whole document."""
    sections = [
        ("Where the energy goes", _energy(run)), ("What set the pace", _time(run)),
        ("Against the same network without spikes", _comparison(run)), ("Layers", _layers(run)),
        ("Spikes per layer and step", _spikes(run)), ("NeuroBench", _neurobench(run)),
        ("Cores", _cores(run)), ("Links", _links(run)), ("From image to image", _images(run)),
        ("Constants and their sources", _constants(run)), ("Not counted", bullets(run.not_counted)),
        ("How to repeat", _provenance(run)),
    ]  # fmt: skip
    title = f"{run.network.name} on {run.chip.values.name}"
    return document(title, _headline(run), [(name, body) for name, body in sections if body])


def _headline(run: RunDocument) -> str:
    network, chip = run.network, run.chip.values
    modelled = (
        f"Modelled: {network.name}, {network.neurons:,} neurons, {network.synapses:,} weights, "
        f"T = {run.timesteps}, on {chip.title} ({chip.node}). {chip.notes}"
    )
    clipped = words.clipped(run)
    grounds = words.grounds(run)
    told = paragraph(modelled) + paragraph(f"{grounds[0].upper()}{grounds[1:]}.")
    scaled = words.scaled(chip)
    told += paragraph(f"{scaled[0].upper()}{scaled[1:]}.") if scaled else ""
    return told + cards(_tiles(run)) + paragraph(f"{clipped}." if clipped else "")


def _tiles(run: RunDocument) -> list[tuple[str, str, str]]:
    """The numbers that people look for first."""
    chip, time = run.chip.values, run.time
    counted = "all that is counted" + words.at_node(chip)
    clocked = f"at {si(chip.clock.hz, 'Hz')}, {run.provenance.schedule}"
    accuracy = "no labels" if run.accuracy is None else percent(run.accuracy)
    low, high = map(percent, run.accuracy_interval or (0.0, 1.0))
    samples = f"{run.images:,} samples of {run.provenance.inputs}" + (f"; {low} to {high}" if run.accuracy_interval else "")
    steps = {step.purpose: step for step in run.steps}
    (stated, bracket), (moved, _) = _ratio(run.steps[-1], run), _ratio(steps["off chip"], run)
    mesh = f"{chip.mesh.width}x{chip.mesh.height} {chip.mesh.topology}" + (f" on {chip.chips} chips" if chip.board else "")
    return [
        ("accuracy", accuracy, samples),
        ("energy per image", words.within(run.energy.per_image_J, run.energy.per_image_J_error, "J"), counted),
        ("time per image", words.within(time.seconds_per_image, time.seconds_per_image_error, "s"), clocked),
        ("latency", si(time.latency_seconds_per_image, "s"), "from an image to its answer"),
        ("spikes per neuron", f"{run.network.spikes_per_neuron:.3f}", f"over {run.timesteps} steps"),
        ("cores", f"{len(run.cores):,} of {chip.cores:,}", mesh),
        ("ANN / SNN, compute only", *_ratio(steps["compute"], run)),
        ("with everything counted", stated, f"with data movement {moved}, without leakage; {bracket}"),
    ]  # fmt: skip


def _ratio(step: CostStep, run: RunDocument) -> tuple[str, str]:
    """ANN / SNN with the stated reuse, with perfect and no reuse, and how well either answers."""
    stated, best, worst = (words.quotient(step.ann_J[reuse], step.snn_J) for reuse in (STATED, "perfect", "none"))
    answers = "accuracy {} / {}".format(*words.accuracies(run))
    return stated, (f"{best} to {worst} by reuse in the ANN; " if best != worst else "energy without spikes / with; ") + answers


def _energy(run: RunDocument) -> str:
    parts, groups = words.energy_components(run), words.energy_groups(run)
    rows = [[part.name, part.group, *part.cells] for part in sorted(parts, key=lambda part: -part.joules)]
    sums = [[f"all {group.name}", "", *group.cells] for group in groups]
    at = words.at_node(run.chip.values)
    listed = table(["component", "group", "energy", "share"], rows + sums, f"energy per image by component{at}")
    by_purpose = [[purpose.name, *purpose.cells] for purpose in words.energy_purposes(run)]
    purposes = table(["purpose", "energy", "share"], by_purpose, f"energy per image by purpose{at}")
    figures = beside(run_figures.waterfall(run), run_figures.components(run))
    figures += paragraph(words.power(run) + ".") if words.power(run) else ""
    return _key(groups) + figures + folded("These energies as tables", purposes + listed)


def _images(run: RunDocument) -> str:
    told = ((run.images_energy_J, "energy", "J"), (run.images_seconds, "from an image to its answer", "s"))
    spread = [(name, words.spread_of(values, unit)) for values, name, unit in told]
    rows = [[name, *map(str, found)] for name, found in spread if found is not None]
    if not rows:
        return ""
    return beside(run_figures.images(run)) + table(["", "median", "99 % at most", "standard error of the mean"], rows)


def _key(groups: list[words.Share]) -> str:
    """What the colours stand for."""
    parts = ", ".join(
        f'<span class="key {group.name.split()[-1]}"></span>{group.name} {group.cells[0]} ({group.cells[1]})'
        for group in groups
    )
    return f"<p>Per image: {parts}</p>"


def _time(run: RunDocument) -> str:
    time, images, hz = run.time, run.images, run.chip.values.clock.hz
    shares = [[bound.words, f"{bound.cycles:,.0f}", percent(bound.share)] for bound in words.bounds(run)]
    steps = [[f"step {t}", f"{c:,.0f}", si(c / hz, "s")] for t, c in enumerate(time.cycles_per_step)]
    drain = time.cycles - round(sum(time.cycles_per_step) * images)
    if drain:
        steps.append(["after the last image", f"{drain:,}", si(drain / hz, "s")])
    by_step = time.bound_by_per_step
    return (
        paragraph(words.how_it_was_timed(run.provenance))
        + (paragraph(words.sampled(run)[0].upper() + words.sampled(run)[1:] + ".") if time.sampled else "")
        + table(["", "time"], _speeds(time))
        + table(["set by", "cycles per image", "share"], shares)
        + (run_figures.pace(by_step, hz) if by_step else "")
        + _steps(steps, by_step or [])
        + (_blocked(run, run.blocked[:10]) if run.blocked else "")
    )


def _speeds(time: TimeSection) -> list[list[str]]:
    rate = time.images_per_second
    speeds = [["from an image to its answer", si(time.latency_seconds_per_image, "s")]]
    return [*speeds, ["throughput", f"{rate:,.0f} images/s" if rate else ""]]


def _steps(steps: list[list[str]], by_step: list[dict[str, float]]) -> str:
    """Cycles and time of every step, and what set its pace."""
    bounds = words.BOUND_WORDS if by_step else {}
    shares = [[f"{step[bound]:,.0f}" for bound in bounds] for step in by_step]
    missing = [[""] * len(bounds)] * (len(steps) - len(shares))
    rows = [row + split for row, split in zip(steps, shares + missing, strict=True)]
    found = table(["time step", "cycles, mean", "time", *bounds.values()], rows, "time steps, mean over images")
    return folded("These steps as a table", found) if len(rows) > OPEN_ROWS else found


def _blocked(run: RunDocument, pairs: list[BlockedRow]) -> str:
    """Who was blocked by whom."""
    rows = [
        [run.core_words(pair.waiting), run.core_words(pair.behind), f"{pair.cycles / run.images:,.0f}"] for pair in pairs
    ]
    head = ["packets for", "stood behind packets for", "packet cycles per image"]
    return table(head, rows, "who was blocked by whom, the ten longest")


def _constants(run: RunDocument) -> str:
    """Those of the chip, and of the machine of the network without spikes, where that is another."""
    apart, own = words.ann_chip(run), constants(run.chip.values)
    return own if apart.sha256 == run.chip.sha256 else own + constants(apart, f"{apart.name}, without spikes")


def _comparison(run: RunDocument) -> str:
    rows, line = [], run.break_even
    for row in words.comparison(run):
        name = {"papers": row.name, "compute": words.compute_of(run), "added": f"+ {row.name}"}[row.kind]
        rows.append([name, *row.cells])
    return (
        bullets(words.machines(run))
        + table(["per image", "ANN (perfect reuse to none)", "SNN", "ANN / SNN"], rows)
        + paragraph(f"{words.break_even_text(line)}; {words.spread_text(run.uncertainty)}.")
        + (paragraph(f"{words.model_text(run.model)}.") if run.model else "")
        + paragraph(f"The ANN: {run.ann.assumes}.")
        + run_figures.break_even(line) + _rates(line) + _by_layer(line) + _operations(run.paper)
    )  # fmt: skip


def _rates(line: BreakEven) -> str:
    """The line of the figure as numbers."""
    if not line.spikes_per_neuron:
        return ""
    right = run_figures.farthest(line)
    rates = sorted({0.0, line.spikes_per_neuron, right, *(x for x in line.meets.values() if x is not None and x <= right)})
    rows = [[f"{x:.3f}", si(line.fixed_J + line.slope_J * x, "J"), words.energy_bracket(line.ann_J)] for x in rates]
    head = ["spikes per neuron", "SNN", "ANN (perfect reuse to none)"]
    return folded("This curve as a table", table(head, rows, "energy per image, without leakage"))


def _by_layer(line: BreakEven) -> str:
    """Every layer beside the same layer without spikes."""
    rows = []
    for layer in line.layers:
        low, stated, high = (layer.meets[reuse] for reuse in ("perfect", STATED, "none"))
        factors = " to ".join("never" if factor is None else f"{factor:.3g}" for factor in (low, high))
        rows.append([
            layer.name, words.energy_bracket(layer.ann_J), si(layer.snn_J, "J"),
            words.quotient(layer.ann_J[STATED], layer.snn_J), "never" if stated is None else f"{stated:.3g} ({factors})",
        ])  # fmt: skip
    head = ["layer", "ANN (perfect reuse to none)", "SNN", "ANN / SNN", "even at so many times the spikes"]
    return table(head, rows, "per image, without leakage; packets booked to their sender")


def _operations(model: PaperSection) -> str:
    """The papers' operations layer by layer, beside what was added."""
    rows = [
        [row.name, si(row.ann_macs, ""), "" if row.spikes_per_neuron is None else f"{row.spikes_per_neuron:.3f}",
         si(row.snn_operations, ""), "" if row.accumulates is None else si(row.accumulates, "")]
        for row in model.layers
    ]  # fmt: skip
    head = ["layer", "MACs of the ANN", "spikes per neuron", "operations, papers' model", "accumulates, counted"]
    return table(head, rows, "per image, all steps")


def _layers(run: RunDocument) -> str:
    rows = []
    for row in run.layers:
        counts = (row.spikes, row.accumulates, row.macs, row.neuron_updates, row.packets, row.flit_hops)
        each, joules = (si(count / run.images, "") for count in counts), si(row.energy_J / run.images, "J")
        rows.append([row.name, f"{row.neurons:,}", str(row.cores), *each, joules, *words.layer_time(row, run.images)])
    head = ["layer", "neurons", "cores", "spikes", "accumulates", "MACs", "neuron updates", "packets", "flit-hops", "energy"]
    caption = f"per image{words.at_node(run.chip.values)}"
    return table([*head, *(["time", "bound by"] if words.layers_are_timed(run) else [])], rows, caption)


def _spikes(run: RunDocument) -> str:
    layers = [layer for layer in run.layers if layer.spikes_per_step]
    if not layers:
        return ""
    rows = [
        [r.name, *(f"{n:,.1f}" for n in r.spikes_per_step), f"{sum(r.spikes_per_step) / r.neurons:.3f}"] for r in layers
    ]
    head = ["layer", *(f"step {t}" for t in range(run.timesteps)), "per neuron, all steps"]
    return run_figures.spikes(layers) + table(head, rows, "mean spikes per image")


def _neurobench(run: RunDocument) -> str:
    """The metrics of NeuroBench with their definitions, beside what the chip counted; runs from before have none."""
    if run.neurobench is None:
        return ""
    told = neurobench_words
    listed = [
        [row.name, row.value, row.missing or told.DEFINITION[row.name], row.counted, told.WHY.get(row.name, "")]
        for row in told.rows(run.neurobench, run)
    ]
    head = ["metric", "value", "what it is", "counted on this chip", "why they differ"]
    shown = table(head, listed, told.heading(run.neurobench), left=True)
    return shown + paragraph(told.NOTE) + paragraph(f"Source: {run.neurobench.source}.")


def _cores(run: RunDocument) -> str:
    """Heat maps, and a table; the numbers of a core appear when the pointer rests on it."""
    found, images, hz = run.cores, run.images, run.chip.values.clock.hz
    energy = np.array([core.energy_J / images for core in found], float)
    busy = np.array([core.busy_cycles / images / hz for core in found], float)
    filled = np.array([core.fullest for core in found], float)
    numbers, layers = np.array([core.index for core in found], np.int64), [core.layer for core in found]
    told = [
        [f"{core.neurons:,}", si(e, "J"), si(b, "s"), percent(m)]
        for core, e, b, m in zip(found, energy, busy, filled, strict=True)
    ]
    heads = ("layer", "neurons", "energy", "busy", "fullest memory")
    cores = Cores(run.chip.values.grid, numbers, layers, heads, told)
    maps = [(energy, "Energy per image", "J"), (busy, "Busy time per image", "s"), (100 * filled, "Fullest memory", PERCENT)]
    return heat_maps(cores, maps) + _core_table(found, energy, filled, images)


def _core_table(cores: list[CoreRow], energy: np.ndarray, filled: np.ndarray, images: int) -> str:
    rows = [
        [f"core {core.index} ({core.x}, {core.y})", core.layer, f"{core.neurons:,}", percent(filled[i]),
         si(core.accumulates / images, ""), si(core.packets / images, ""), f"{core.busy_cycles / images:,.0f}",
         si(energy[i], "J")]
        for i, core in enumerate(cores)
    ]  # fmt: skip
    head = ["core (x, y)", "layer", "neurons", "fullest memory", "accumulates", "packets sent", "busy cycles", "energy"]
    if len(rows) <= MOST_LISTED:
        return folded("All used cores", table(head, rows, "per image"))
    dearest = [rows[i] for i in np.argsort(-energy, kind="stable")[:MOST_LISTED]]
    return folded(f"The {MOST_LISTED:,} cores that use most energy", table(head, dearest, f"per image, of {len(rows):,} cores"))


def _links(run: RunDocument) -> str:
    used = sorted(run.links, key=lambda link: -link.flits)
    if not used:
        return "<p>No packet crosses a link.</p>"
    images, cycles = run.images, max(1, run.time.timed_cycles)
    rows = [
        [" to ".join(map(str, link.ends)), si(link.flits / images, ""), percent(link.peak_use),
         percent(link.stalled_cycles / cycles)]
        for link in used[:10]
    ]  # fmt: skip
    head = ["link", "flits per image", "largest use in a turn", "stalled, of the time"]
    figure = link_map(run.chip.values.grid, [_drawn(link, images) for link in used], "Flits per image over every link")
    return beside(figure, table(head, rows, "the ten busiest"))


def _drawn(link: LinkRow, images: int) -> DrawnLink:
    flits = link.flits / images
    return DrawnLink(*link.ends, flits, f"{si(flits, 'flits')}<br>{percent(link.peak_use)} in use")


def _provenance(run: RunDocument) -> str:
    rows = words.provenance(run.provenance)
    rows += [["network sha256", run.network.sha256], ["chip sha256", run.chip.values.sha256]]
    return table(["", ""], rows, left=True)
