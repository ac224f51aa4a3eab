"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from neurosim.chip.block import Block
from neurosim.chip.chip import Chip
from neurosim.chip.memory import Memory
from neurosim.chip.part import Sourced, Uncertain
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.survey import Survey
from neurosim.network.layers import Layer, Leak, Parameter, Shortcut, after, rare
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS
from neurosim.outcome.document import RunDocument
from neurosim.report import neurobench_words, words
from neurosim.report.units import percent, si
from neurosim.spikes.verify import POTENTIAL_TOLERANCE, Verdict

LONGEST = 240
# Parameters of a layer that the table of a network shows elsewhere: in columns, and with the sources.
COLUMNS = ("threshold", "leak", "delay", "weight_shift")
# Cores in a row that a terminal shows.
WIDEST = 160


def table(*columns: str, title: str = "") -> Table:
    """An empty table; every column but the first is right-aligned."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        made.add_column(name, justify="right" if index else "left")
    return made


def heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def run_summary(document: RunDocument, network: Network) -> RenderableType:
    """What was modelled, the answer, time, energy and where it went, layer by layer; *network*: that of the run."""
    return Group(
        *_modelled(document, network), *_answer(document), *_time(document), *_energy(document), *_comparison(document),
        heading("Layers"), layer_table(document), heading("Not counted"),
        *(Padding(Text(f"- {x}"), (0, 0, 0, 2)) for x in document.not_counted),
    )  # fmt: skip


def first_answer(document: RunDocument) -> RenderableType:
    """What is known before packets travel; *document*: that of the analytic result."""
    energy, time = si(document.energy.per_image_J, "J"), si(document.time.seconds_per_image, "s")
    energy += words.at_node(document.chip.values)
    told = f"{_correct(document)}; about {energy} and at least {time} per image, by analytic timing"
    return Text(f"{told}; packets are followed now")


def neurobench_text(document: RunDocument) -> RenderableType:
    """The metrics of NeuroBench of a run, and what the chip counted beside them."""
    if document.neurobench is None:
        return Text("")
    found, listed = neurobench_words.rows(document.neurobench, document), table("metric", "value", "counted on this chip")
    for row in found:
        listed.add_row(row.name, row.value, row.counted)
    reasons = [f"{row.name}: {row.missing}" for row in found if row.missing]
    differ = [f"{name}: {why}" for name, why in neurobench_words.WHY.items()]
    lines = (Padding(Text(f"- {line}"), (0, 0, 0, 2)) for line in [*reasons, *differ])
    return Group(heading(neurobench_words.heading(document.neurobench)), listed, Text(neurobench_words.NOTE), *lines)


def _modelled(document: RunDocument, network: Network) -> list[RenderableType]:
    told, chip, how = document.network, document.chip.values, document.provenance
    widths = ", ".join(str(b) for b in sorted({layer.weight_bits or 8 for layer in network.layers}))
    arithmetic = f"{widths}-bit integer weights" if network.integer else "float32 weights"
    rows = table("", "")
    rows.show_header = False
    rows.columns[1].justify = "left"
    size = f"{told.neurons:,} neurons, {told.synapses:,} weights, T = {document.timesteps}"
    rows.add_row("network", f"{told.name}: {size}, {arithmetic}")
    rows.add_row("chip", f"{words.named(chip)}: {chip.title} ({chip.node})")
    used = f"{len(document.cores)} of {chip.cores}"
    rows.add_row("cores", f"{used} on {_mesh_text(chip)}, placed {how.placer}")
    rows.add_row("inputs", f"{document.images:,} samples of {how.inputs}")
    rows.add_row("energies", words.grounds(document))
    return [heading("Modelled"), rows]


def _answer(document: RunDocument) -> list[RenderableType]:
    clipped = words.clipped(document)
    return [heading("Answer"), Text(_correct(document)), *([Text(clipped, style="bold")] if clipped else [])]


def _correct(document: RunDocument) -> str:
    rate = f"{document.network.spikes_per_neuron:.3f} spikes per neuron over {document.timesteps} steps"
    return f"{words.correct(document)}; {rate}"


def _time(document: RunDocument) -> list[RenderableType]:
    time, how = document.time, document.provenance
    shares = ", ".join(f"{bound.words} {percent(bound.share)}" for bound in words.bounds(document))
    cycles = f"{time.cycles / document.images:,.0f} cycles at {si(document.chip.values.clock.hz, 'Hz')}"
    line = f"{words.within(time.seconds_per_image, time.seconds_per_image_error, 's')} per image ({cycles})"
    if how.schedule == "pipelined":
        line += f"; {si(time.latency_seconds_per_image, 's')} from an image to its answer"
    told = words.sampled(document), words.from_image_to_image(document.images_seconds, "s")
    lines = [line, *filter(None, told), f"set by: {shares}", *_contention(document)]
    return [heading(f"Time ({how.timing}, {how.schedule})"), *(Text(x) for x in lines)]


def _contention(document: RunDocument) -> list[str]:
    """What waited for what."""
    lines: list[str] = []
    if document.provenance.timing == "analytic":
        return lines
    core = max(document.cores, key=lambda row: (row.queue_peak, -row.index))
    if core.queue_peak:
        limit = document.chip.values.core.queue_packets
        of_all = f" of {limit:,}" if limit else ""
        lines.append(f"longest queue: {core.queue_peak:,}{of_all} packets, {document.core_words(core.index)}")
    link = max(document.links, key=lambda row: row.stalled_cycles, default=None)
    if link is not None and link.stalled_cycles:
        (a, b), share = link.ends, percent(link.stalled_cycles / max(1, document.time.timed_cycles))
        lines.append(f"most stalled link: {a} to {b}, {share} {words.of_the_time(document)}")
    if document.blocked:
        mine, other = (document.core_words(core) for core in (document.blocked[0].waiting, document.blocked[0].behind))
        lines.append(f"most blocked: packets for {mine}, behind packets for {other}")
    return lines


def _energy(document: RunDocument) -> list[RenderableType]:
    rows, parts = table("component", "per image", "share"), words.energy_components(document)
    spent = words.within(document.energy.per_image_J, document.energy.per_image_J_error, "J")
    for group in words.energy_groups(document):
        rows.add_row(Text(group.name, style="bold"), *group.cells)
        for part in parts:
            if part.group == group.name:
                rows.add_row(f"  {part.name}", *part.cells)
    told = filter(None, [words.from_image_to_image(document.images_energy_J, "J"), words.power(document)])
    scaled = words.scaled(document.chip.values)
    first = [Text(scaled, style="bold")] if scaled else []
    return [heading("Energy"), *first, Text(f"{spent} per image"), *map(Text, told), rows]


def repriced_text(before: RunDocument, after: RunDocument) -> Group:
    """Energy per image by component, at the prices of the run and at others."""
    rows, old, new = table("component", "before", "now", "now / before"), before.energy, after.energy
    for name, joules in new.by_component_J.items():
        was = old.by_component_J[name]
        if was or joules:
            rows.add_row(name, si(was / before.images, "J"), si(joules / before.images, "J"), words.quotient(joules, was))
    ratio = words.quotient(new.per_image_J, old.per_image_J)
    spent = (words.within(energy.per_image_J, energy.per_image_J_error, "J") for energy in (old, new))
    rows.add_row("total", *spent, ratio)
    rows.add_row("ANN / SNN", *(words.ratio_bracket(document.steps[-1]) for document in (before, after)), "")
    at_first, then = (words.named(document.chip.values) for document in (before, after))
    head = Text(f"{before.network.name} on {at_first}, priced as {then}; per image")
    about = *words.machines(after), words.break_even_text(after.break_even), words.spread_text(after.uncertainty)
    return Group(head, rows, *map(Text, about))


def _comparison(document: RunDocument) -> list[RenderableType]:
    rows = table("against the same network without spikes, per image", "ANN", "SNN", "ANN / SNN")
    compute = words.compute_of(document)
    for row in words.comparison(document):
        name = {"papers": row.name, "compute": compute, "added": f"  + {row.name}"}[row.kind]
        rows.add_row(name, *row.cells)
    where, answers, *warnings = words.machines(document)
    about = [words.break_even_text(document.break_even), words.spread_text(document.uncertainty)]
    about += [words.model_text(document.model)] if document.model else []
    told = [Text(where), Text(answers), *(Text(warning, style="bold") for warning in warnings)]
    return [Text(""), *told, rows, *map(Text, about)]


def layer_table(document: RunDocument) -> Table:
    timed = words.layers_are_timed(document)
    head = ["layer", "neurons", "cores", "spikes", "accumulates", "MACs", "packets", "flit-hops", "energy"]
    rows = table(*head, *(["time", "bound by"] if timed else []))
    for row in document.layers:
        done = [row.spikes, row.accumulates, row.macs + row.pool_macs + row.payload_macs, row.packets, row.flit_hops]
        numbers = [si(n / document.images, "") for n in done]
        energy = si(row.energy_J / document.images, "J")
        rows.add_row(row.name, f"{row.neurons:,}", str(row.cores), *numbers, energy, *words.layer_time(row, document.images))
    rows.caption = "per image" + words.at_node(document.chip.values)
    rows.caption_justify = "left"
    return rows


def network_table(network: Network) -> RenderableType:
    """The layers of a network."""
    special = any(_beside(layer) for layer in network.layers)
    rows = table("layer", "kind", "shape", "reads", "weights", "bits", "threshold", "leak", *(["beside"] if special else []))
    for layer in network.layers:
        reads = [name + _way(layer) for name in layer.inputs or ()]
        sources = ", ".join(reads + [f"+{s.source}{_way(s)}" for s in layer.shortcuts])
        threshold = "-" if layer.threshold is None else parameter_text(layer.threshold)
        shape = "x".join(map(str, layer.shape if layer.kind == "conv" else layer.shape[:1]))
        weights = (f"{layer.weight.size:,}", str(layer.weight_bits))
        beside = [_beside(layer)] if special else []
        rows.add_row(layer.name, layer.kind, shape, sources, *weights, threshold, leak_text(layer.leak), *beside)
    golden = "no golden samples" if network.golden is None else f"{len(network.golden.images)} golden samples"
    arithmetic = "integer" if network.integer else "float32"
    twin = ", float twin kept" if network.float_twin is not None else ""
    steps = network.timesteps or "that of the inputs"
    first = f"{network.name}: {arithmetic}, T = {steps}, {network.input.encoding} input, {golden}{twin}"
    return Group(Text(first), rows)


def _way(link: Layer | Shortcut) -> str:
    """What becomes of spikes on their way."""
    notes = [str(link.pool)] if link.pool else []
    notes += [f"t-{link.delay}"] if link.delay else []
    notes += [f"x 2^{link.weight_shift}"] if link.weight_shift else []
    return "".join(f" ({note})" for note in notes)


def _beside(layer: Layer) -> str:
    """What few layers have."""
    found = [(row, row.of(layer)) for name, row in PARAMETERS.items() if name not in COLUMNS]
    write: dict[str, Callable[[Any], str]] = {"fraction": leak_text, "choice": str}
    words = ((row, value, write.get(row.form, parameter_text)) for row, value in found if value is not None)
    told = [f"{row.name.replace('_', ' ')} {write(value)}" for row, value, write in words]
    told += [f"{name} {value}" for name, value in rare(layer)]
    return ", ".join(told + ([f"pool currents {after(layer)}"] if after(layer) else []))


def leak_text(leak: Leak) -> str:
    """A leak as it is written: k/2^m, a number, or a dash for none."""
    if leak is None:
        return "-"
    return f"{parameter_text(leak[0])}/2^{leak[1]}" if isinstance(leak, tuple) else parameter_text(leak, ".3f")


def parameter_text(value: Parameter, form: str = "g") -> str:
    """One number, or from where to where those of channels or neurons reach."""
    if not isinstance(value, np.ndarray):
        return f"{value:{form}}"
    return f"{value.min():{form}}..{value.max():{form}}"


def verdict_text(name: str, verdict: Verdict) -> RenderableType:
    lines = [
        f"{name}: compared {verdict.compared:,} spikes and potentials of {verdict.samples} golden samples "
        f"and {verdict.probes} layer probes: {verdict.mismatches:,} mismatches"
    ]
    if verdict.rates:
        lines[0] = (
            f"{name}: compared {verdict.compared:,} spikes and potentials of {verdict.samples} golden samples (potentials to "
            f"{POTENTIAL_TOLERANCE:g} of the threshold, or of themselves where larger): {verdict.mismatches:,} mismatches"
        )
    if verdict.first is not None:
        lines.append(str(verdict.first))
    if verdict.answers is not None:
        lines.append(
            verdict.answers.first or f"{verdict.answers.compared:,} numbers that {verdict.answers.by} answered: the same"
        )
    if verdict.rates and verdict.mismatches:
        differing = {k: v for k, v in verdict.rates.items() if v}
        rates = ", ".join(f"{k} {percent(v)}" for k, v in differing.items()) or "none"
        accepted = "roundings alone" if verdict.tolerance is None else percent(verdict.tolerance)
        lines.append(f"spikes that differ from the recorded ones, accepted {accepted}: {rates}")
        lines.append(
            "all of it begins within the rounding of float32 at the threshold"
            if verdict.rounding_only
            else f"{verdict.origins:,} neurons begin it, {verdict.rounded:,} of them within the rounding of float32; "
            "--tolerance accepts a share"
        )
    if verdict.float_mismatch is not None:
        rates = ", ".join(f"{k} {percent(v)}" for k, v in verdict.float_mismatch.items())
        same = f"the same class in {verdict.float_same} of {verdict.samples} golden samples"
        lines.append(f"float32 network against this one: {same}; spikes that differ: {rates}")
    return Text("\n".join(lines), style="" if verdict.ok else "red")


def _mesh_text(chip: Chip) -> str:
    tiles = f"{chip.mesh.width}x{chip.mesh.height} mesh"
    if chip.mesh.cores_per_tile > 1:
        tiles += f" of {chip.mesh.cores_per_tile} cores per tile"
    return f"{chip.chips} chips, each a {tiles}" if chip.chips > 1 else f"a {tiles}"


def mapping_summary(survey: Survey) -> RenderableType:
    """Cores used, use of each limit, expected traffic, and a picture of the mesh."""
    mapping = survey.mapping
    rows = table("layer", "cores", "brick (channels x rows x columns)", "fullest use of a core")
    rows.columns[3].justify = "left"
    for index, layer in enumerate(mapping.network.layers):
        mine = [i for i, b in enumerate(mapping.bricks) if b.layer == index]
        b = max((mapping.bricks[i] for i in mine), key=lambda brick: brick.neurons)
        text = ", ".join(f"{use.resource} {percent(use.share)}" for use in survey.fullest(index) if use.share)
        rows.add_row(layer.name, str(len(mine)), f"{b.channels} x {b.y1 - b.y0} x {b.x1 - b.x0}", text)
    used = f"{len(mapping.used)} of {mapping.chip.cores} cores, {mapping.placer}"
    first = Text(f"{mapping.network.name} on {mapping.chip.name}: {used}")
    parts: list[RenderableType] = [first, rows, heading(f"Traffic per image, {survey.assumed}"), Text(_traffic_text(survey))]
    if mapping.grid.width * mapping.grid.cores_per_tile <= WIDEST:
        parts += [heading("Mesh (number of the layer in each core)"), Text(mesh_picture(mapping))]
    return Group(*parts)


def _traffic_text(survey: Survey) -> str:
    found = survey.traffic
    lines = [f"{si(found.flit_hops, '').strip()} flit-hops, {si(found.busiest, '').strip()} flits on the busiest link"]
    if survey.mapping.chip.chips > 1:
        lines[0] += f", {si(found.crossings, '').strip()} flits between chips"
    lines += [f"  {a} to {b}: {si(flits, '')}" for a, b, flits in survey.busiest[:3]]
    return "\n".join(lines)


def mesh_picture(mapping: Mapping) -> str:
    """One line per row of tiles; each core shows the number of its layer, '+' for several, '.' when it is unused."""
    used = zip(mapping.used.tolist(), mapping.held, strict=True)
    layer_of = {core: str(bricks[0].layer) if len(bricks) == 1 else "+" for core, bricks in used}
    per_tile, width = mapping.grid.cores_per_tile, mapping.grid.width
    cores = [layer_of.get(i, ".") for i in range(mapping.chip.cores)]
    tiles = ["".join(cores[i : i + per_tile]) for i in range(0, len(cores), per_tile)]
    lines = [" ".join(tiles[i : i + width]) for i in range(0, len(tiles), width)]
    names = ", ".join(f"{i} {layer.name}" for i, layer in enumerate(mapping.network.layers))
    return "\n".join([*(f"  {line}" for line in lines), f"  {names}"])


def estimate_text(estimate: dict[str, Any]) -> RenderableType:
    rows = table("layer", "cores", "memory")
    for layer in estimate["layers"]:
        rows.add_row(layer["name"], str(layer["cores"]), si(layer["memory_bits"], "bit"))
    first = f"{estimate['network']} on {estimate['chip']}: about {estimate['cores_used']} of {estimate['cores']} cores"
    first += "" if estimate["feasible"] else ", more than there are"
    return Group(Text(first), rows)


def chip_text(chip: Chip) -> RenderableType:
    """Every number of a chip with its source."""
    rows = table("constant", "value", "grade", "source")
    rows.columns[2].justify = rows.columns[3].justify = "left"
    mesh, core = chip.mesh, chip.core

    def add(name: str, value: str, part: Sourced, source: str = "") -> None:
        doubt = f" +- {percent(part.uncertainty)}" if isinstance(part, Uncertain) and part.uncertainty else ""
        node = f"{part.node}: " if part.node else ""
        rows.add_row(name, value + doubt, part.grade or "-", node + (source or part.source))

    add("clock", si(chip.clock.hz, "Hz"), chip.clock)
    size = "as the network needs" if mesh.size == "fit" else f"{mesh.width}x{mesh.height}"
    add("mesh", f"{size}, {mesh.cores_per_tile} per tile, {mesh.delivery}", mesh)
    add("flit / packet", f"{mesh.flit_bits} / {mesh.packet_bits} bit", mesh)
    add("router / link", f"{mesh.router_cycles} / {mesh.link_cycles} cycles", mesh)
    stored = f"{core.storage} weights" + (", zeros skipped" if core.skip_zeros else "")
    sites = f" at each of {core.ann_sites} sites without spikes" if core.ann_sites > 1 else ""
    lanes = f"{core.lanes} lanes{sites}, {core.update_lanes} update lanes, {core.mac_bits}-bit multipliers"
    add("core", f"{lanes}, {core.state_bits}-bit state, {stored}", core)
    for memory in chip.memory:
        add(f"{memory.name} ({_content(memory)})", memory_text(chip, memory), memory, memory.provenance)
    for name, price in chip.operation:
        cycles = f", {price.cycles} cycles" if hasattr(price, "cycles") else ""
        add(name, f"{operation_text(chip, name)}{cycles}", price)
    for block in chip.block:
        add(f"{block.name}, per {block.per}", block_text(chip, block), block)
    if chip.board:
        add("link between chips", f"{chip.board.pj:g} pJ, {chip.board.link_cycles} cycles", chip.board)
    add("static", f"{chip.static.core_mw:g} mW per core, {chip.static.chip_mw:g} mW", chip.static)
    left_out = [Text(f"- {x}") for x in chip.not_counted]
    first = Text(f"{words.named(chip)}: {chip.title} ({chip.node})", style="bold")
    return Group(first, Text(chip.notes), rows, heading("Not counted"), *left_out)


def _content(memory: Memory) -> str:
    behind = []
    if memory.fetched:
        behind = [f"weights behind {memory.backs}, fetched {memory.fetched.replace('_', ' ')}"]
    elif memory.backs:
        behind = [f"what {memory.backs} misses, {percent(memory.miss_rate or 0)}"]
    return ", ".join([*memory.holds, *behind])


def operation_text(chip: Chip, name: str) -> str:
    """What an operation costs, its part in blocks included; of registers where there are none, what it would without blocks."""
    own = getattr(chip.operation, name).pj * chip.factors.get(f"operation.{name}", 1.0)
    pj = chip.prices[f"operation.{name}.pj"].pj or own
    return f"{pj:.4g} pJ"


def block_text(chip: Chip, block: Block) -> str:
    """Area and prices of a block, all that there are of it together, as they are scaled."""
    many, times = chip.times(block), chip.factors.get(f"block.{block.name}", 1.0)
    found = [(block.area_mm2, "mm2"), (block.leakage_mw, "mW of leakage"), (block.busy_pj * times, "pJ per busy cycle")]
    found += [(pj * times, f"pJ of {name}") for name, pj in block.operations.items()]
    return ", ".join(f"{amount * many:.3g} {what}" for amount, what in found if amount)


def memory_text(chip: Chip, memory: Memory) -> str:
    """Size, word and prices of a memory, as they are scaled."""
    size = f"{si(memory.bits, 'bit')}, {memory.word_bits}-bit words"
    read, write = (chip.prices[f"memory.{memory.name}.{how}.pj"].pj for how in ("read", "write"))
    _, _, leakage, area = memory.prices
    prices = f"read {read:.3g} pJ, write {write:.3g} pJ, leaks {leakage:.3g} mW"
    return f"{size}, {prices}" + (f", {area:.3g} mm2" if area is not None else "")


def listing_text(found: dict[str, Any]) -> RenderableType:
    head = table("attribute", "value")
    head.columns[1].justify = "left"
    for key, value in found["attributes"].items():
        head.add_row(key, Text(_shortened(str(value))))
    rows = table("dataset", "shape", "type", "unit", "meaning")
    rows.columns[4].justify = "left"
    for item in found["contents"]:
        rows.add_row(item["path"], "x".join(map(str, item["shape"])), item["dtype"], item["units"], Text(item["description"]))
    return Group(Text(found["format"], style="bold"), head, Text(""), rows)


def _shortened(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[:LONGEST]} ... ({len(value):,} characters; all of them with --json -)"


def spikes_table(counts: dict[str, int], network: Network, images: int) -> Table:
    """Spikes per layer of a recorded trace."""
    rows = table("layer", "neurons", "spikes per image", "spikes per neuron")
    for name, spikes in counts.items():
        neurons = network.layer(name).neurons
        rows.add_row(name, f"{neurons:,}", f"{spikes / images:,.1f}", f"{spikes / images / neurons:.3f}")
    return rows
