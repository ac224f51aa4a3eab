"""The parts of a run's document as labelled rows and sentences, for the terminal and for the page alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from neurosim.chip.chip import Chip
from neurosim.chip.covers import TOPICS
from neurosim.chip.scaling import KEPT, RULE
from neurosim.cost.action import COMPUTE, MOVEMENT, PJ, STATIC
from neurosim.cost.comparison import BreakEven, CostStep
from neurosim.cost.dataflow import STATED
from neurosim.cost.uncertainty import Spread
from neurosim.outcome.cost_sections import ModelSection, PaperMacs
from neurosim.outcome.document import LayerRow, Provenance, RunDocument
from neurosim.outcome.interval import image_spread
from neurosim.report.units import percent, si

BOUND_WORDS = {
    "core_busy": "busy cores", "noc": "the mesh and shared memories", "update": "neuron updates", "barrier": "barriers",
}  # fmt: skip
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

NOT_KNOWN = "not known"
# Below it a quotient has three digits wherever they begin.
SMALL = 0.1
# Of the provenance, what people read.
TOLD = ("version", "command", "created", "seed", "inputs", "placer", "timing", "schedule")


class Share(NamedTuple):
    """A part of the energy per image, in joules and of all."""

    name: str
    group: str
    joules: float
    share: float

    @property
    def cells(self) -> tuple[str, str]:
        return si(self.joules, "J"), percent(self.share)


def _share(document: RunDocument, name: str, group: str, joules: float) -> Share:
    total = document.energy.total_J
    return Share(name, group, joules / document.images, joules / total if total else 0.0)


def energy_groups(document: RunDocument) -> list[Share]:
    """Energy of compute, data movement, and what is drawn all the time."""
    spent = document.energy
    found = ((COMPUTE, spent.compute_J), (MOVEMENT, spent.data_movement_J), (STATIC, spent.static_J))
    return [_share(document, group, group, joules) for group, joules in found]


def energy_components(document: RunDocument) -> list[Share]:
    """Energy of every component that took any, in the order of the document."""
    groups, parts = document.groups, document.energy.by_component_J
    return [_share(document, name, groups[name], joules) for name, joules in parts.items() if joules]


def energy_purposes(document: RunDocument) -> list[Share]:
    """Energy of every purpose."""
    return [_share(document, name, "", joules) for name, joules in document.energy.by_purpose_J.items()]


class PaceShare(NamedTuple):
    """What set the pace, for how many cycles of an image, and for which part of the time."""

    words: str
    cycles: float
    share: float


def bounds(document: RunDocument) -> list[PaceShare]:
    """What set the pace of the run."""
    time = document.time
    return [PaceShare(BOUND_WORDS[k], v * time.cycles / document.images, v) for k, v in time.bound_by.items()]


def within(value: float, error: float | None, unit: str) -> str:
    """An amount, with the half-width of its interval where it was estimated from a sample."""
    return f"{si(value, unit)} ± {si(error, unit)}" if error else si(value, unit)


def correct(document: RunDocument) -> str:
    """The accuracy, with what so many samples leave open."""
    if document.accuracy is None:
        return "no labels"
    between = "" if document.accuracy_interval is None else " ({} to {})".format(*map(percent, document.accuracy_interval))
    return f"accuracy {percent(document.accuracy)}{between}"


class Apart(NamedTuple):
    """How far images are apart: the median, what 99 % do not exceed, the standard error of the mean."""

    median: str
    most: str
    error: str


def spread_of(values: Sequence[float] | None, unit: str) -> Apart | None:
    """None where the *values* of images are not known, or where there is one."""
    found = image_spread(values)
    if found is None or found.standard_error is None:
        return None
    return Apart(*(si(value, unit) for value in (found.median, found.p99, found.standard_error)))


def from_image_to_image(values: Sequence[float] | None, unit: str) -> str:
    """The same as a sentence; nothing where there is none."""
    found = spread_of(values, unit)
    if found is None:
        return ""
    return f"from image to image: median {found.median}, 99 % at most {found.most}; standard error of the mean {found.error}"


def layers_are_timed(document: RunDocument) -> bool:
    """Whether every layer has turns of its own."""
    return all(row.seconds is not None for row in document.layers)


def layer_time(row: LayerRow, images: int) -> list[str]:
    """Time of a layer per image, and what set most of its pace; nothing where it shares its turns."""
    if row.seconds is None or row.bound_by is None:
        return []
    most = max(row.bound_by, key=row.bound_by.__getitem__)
    return [si(row.seconds / images, "s"), f"{BOUND_WORDS[most]} {percent(row.bound_by[most])}"]


def power(document: RunDocument) -> str:
    """Power, energy per synaptic event, the product of energy and delay, and area, as far as they are known."""
    found, each, parts = document.power_W, document.energy.pj_per_synaptic_event, []
    if found is not None:
        parts.append(f"{si(found.average, 'W')} on average, {si(found.dynamic, 'W')} of it dynamic")
    if each is not None:
        parts.append(f"{each.total:.3g} pJ per synaptic event, {each.dynamic:.3g} pJ without leakage")
    if document.energy_delay_Js is not None:
        parts.append(f"energy-delay product {si(document.energy_delay_Js, 'J·s')}")
    if document.area_mm2 is not None and document.area_mm2.total is not None:
        parts.append(f"{document.area_mm2.total:.3g} mm²")
    return "; ".join(parts)


def sampled(document: RunDocument) -> str:
    """That packets were followed in a sample of the steps alone; nothing where they were in all."""
    time = document.time
    some = f"{time.packet_images:,} of {document.images:,} images of each step, drawn at random, and in the longest steps"
    drawn = f"packets were followed in {some}"
    others = "the others have their analytic time times the ratio of the drawn ones"
    interval = "± is a 95 % interval, at least 0.5 %; --packet-images all follows packets in all images"
    return f"{drawn}; {others} ({interval})" if time.sampled else ""


def of_the_time(document: RunDocument) -> str:
    """Of which time queues and stalls are known."""
    return "of the time of the steps with packets followed" if document.time.sampled else "of the time"


def how_it_was_timed(how: Provenance) -> str:
    """What a turn is, and how packets travel."""
    return f"{SCHEDULE_WORDS.get(how.schedule, OWN_SCHEDULE)} {TIMING_WORDS.get(how.timing, OWN_TIMING)}"


def provenance(how: Provenance) -> list[list[str]]:
    """What a reader needs to repeat a run; hashes stand beside it."""
    told = {name: getattr(how, name) for name in TOLD}
    rows = [[name, str(value)] for name, value in told.items() if value not in (None, "")]
    origin = how.repriced_from
    return rows if origin is None else [*rows, ["repriced_from", f"{origin.name}, {origin.sha256}"]]


def ann_chip(document: RunDocument) -> Chip:
    """The machine of the network without spikes."""
    return (document.ann.chip or document.chip).values


def ann_chip_beside(name: str, document: RunDocument) -> str:
    """The machine of the network without spikes in a comparison in which that of the run is called *name*."""
    theirs = ann_chip(document)
    return name if theirs.sha256 == document.chip.sha256 else named(theirs).removesuffix(at_node(theirs))


def compute_of(document: RunDocument) -> str:
    """What the first line behind the papers' model is."""
    same = ann_chip(document).sha256 == document.chip.sha256
    return "compute, on this chip" if same else "compute, each on its chip"


def named(chip: Chip) -> str:
    """The name of a chip, with the version of a description that was changed, and the node that it is scaled to."""
    return (chip.name if chip.version == 1 else f"{chip.name}, version {chip.version}") + at_node(chip)


def at_node(chip: Chip) -> str:
    """To which node the energies beside this are scaled; nothing where they are not."""
    return f", scaled to {chip.scaled.end}" if chip.scaled else ""


def scaled(chip: Chip) -> str:
    """The same as a sentence, and what is as it was."""
    return f"dynamic energies of {chip.name} are {chip.scaled}, by {RULE}; {KEPT}" if chip.scaled else ""


def accuracies(document: RunDocument) -> tuple[str, str]:
    """Without spikes, as it was trained, and with, of the images that were run; as far as they are known."""
    without, spiking = (NOT_KNOWN if x is None else percent(x) for x in (document.ann.accuracy, document.accuracy))
    return without, spiking


def accuracies_within(document: RunDocument) -> tuple[str, str]:
    """The same, with the interval that the images leave."""
    without, spiking = accuracies(document)
    interval = document.accuracy_interval
    return without, spiking if interval is None else "{} ({} to {})".format(spiking, *map(percent, interval))


def machines(document: RunDocument) -> list[str]:
    """Which network runs where, how well they answer, and what to beware of where they are compared."""
    ours, theirs = document.chip.values, ann_chip(document)
    alike = ours.name == theirs.name and ours.version != theirs.version
    names = [f"{chip.name}, version {chip.version}" if alike else chip.name for chip in (ours, theirs)]
    ours_at, theirs_at = (f"{name} ({chip.node}{at_node(chip)})" for name, chip in zip(names, (ours, theirs), strict=True))
    where = f"this network on {ours_at}, the same topology without spikes on {theirs_at}"
    bits, zero = document.ann.bits, document.ann.sparsity
    how = "" if bits is None else f", {bits}-bit activations" + (f", {percent(zero)} of them zero" if zero else "")
    if document.ann.macs:
        all_of_it, still = (joules / PJ / document.ann.macs for joules in (document.ann.total_J, document.ann.static_J))
        how += f", {all_of_it:.3g} pJ per multiply-accumulate ({all_of_it - still:.3g} without leakage)"
    without, spiking = accuracies_within(document)
    trained = "" if document.ann.accuracy is None else " (as trained, in floating point)"
    answers = f"accuracy: {without} without spikes{trained}, {spiking} with"
    same = ours.sha256 == theirs.sha256
    alone = ["both on one chip; --ann-chip gives the one without spikes a machine of its own"] if same else []
    return [where + how, answers, *alone, *_unlike(ours, theirs)]


def _unlike(ours: Chip, theirs: Chip) -> Iterator[str]:
    """Warnings about two machines that differ in more than prices."""
    yield from filter(None, dict.fromkeys([scaled(ours), scaled(theirs)]))
    if nanometres(ours) != nanometres(theirs):
        yield f"the nodes differ, {ours.node} and {theirs.node}: nothing is scaled from one to the other (--scale-node does)"
    for topic, words in TOPICS.items():
        one, other = (chip.covered[topic] or "not said" for chip in (ours, theirs))
        if one != other:
            yield f"not counted alike, {words}: {ours.name} {one}, {theirs.name} {other}"


def nanometres(chip: Chip) -> str:
    """The node without what else is said there, such as a voltage; or that which it is scaled to."""
    if chip.scaled:
        return f"{chip.scaled.end.nm:g}"
    found = re.match(r"\s*([\d.]+)\s*nm", chip.node)
    return found[1] if found else chip.node


class Beside(NamedTuple):
    """One line of the comparison per image with the same network without spikes; kind: papers, compute, or added."""

    kind: str
    name: str
    cells: tuple[str, str, str]


def comparison(document: RunDocument) -> list[Beside]:
    """The papers' model, then this chip: compute alone, and with one purpose after the other added."""
    rows = [
        Beside("papers", f"papers' model, {name}", (si(theirs, "J"), si(ours, "J"), quotient(theirs, ours)))
        for name, theirs, ours in papers_energies(document.paper.conv1_mac, document.paper.int32.conv1_mac)
    ]
    for step in document.steps:
        cells = energy_bracket(step.ann_J), si(step.snn_J, "J"), ratio_bracket(step)
        rows.append(Beside("compute" if step.purpose == "compute" else "added", step.purpose, cells))
    return rows


def papers_energies(fp32: PaperMacs, int32: PaperMacs) -> list[tuple[str, float, float]]:
    """(what is assumed, ANN, SNN) in joules of compute: both sets of constants, the first layer's MACs once and per step."""
    return [
        (f"{constants}, first layer {when.replace('_', ' ')}", spent.ann_J, spent.snn_J)
        for constants, found in (("fp32 4.6 / 0.9 pJ", fp32), ("int32 3.2 / 0.1 pJ", int32))
        for when, spent in found
    ]


def clipped(document: RunDocument) -> str:
    """That the state width changed the answer; nothing where it did not."""
    times, bits = document.counts.saturations, document.chip.values.core.state_bits
    said = f"{times:,} times a potential was clipped to {bits} bits (core.state_bits): this is not the network that was trained"
    return said if times else ""


def quotient(theirs: float, ours: float) -> str:
    """Of two energies, in digits that show it."""
    if not ours:
        return "-"
    found = theirs / ours
    return f"{found:.2f}" if found >= SMALL else f"{found:.3g}"


def energy_bracket(ann_J: dict[str, float]) -> str:
    """The ANN's energy: with the stated reuse (with perfect reuse to with none)."""
    best, worst = (si(ann_J[reuse], "J") for reuse in ("perfect", "none"))
    return f"{si(ann_J[STATED], 'J')} ({best} to {worst})" if best != worst else best


def ratio_bracket(step: CostStep) -> str:
    stated, best, worst = (quotient(step.ann_J[reuse], step.snn_J) for reuse in (STATED, "perfect", "none"))
    return f"{stated} ({best} to {worst})" if best != worst else best


def spread_text(found: Spread) -> str:
    """What the uncertainty of the prices leaves open, and which of them most."""
    if not found.ratio:
        return "no price carries an uncertainty"
    least, most = found.ratio[STATED]
    if found.snn_J is None:
        return f"uncertain prices, without spikes alone: ANN / SNN {least:.2f} to {most:.2f} (5 to 95 %)"
    low, high = found.snn_J
    most_important = ", ".join(f"{part} {percent(share)}" for part, share in list(found.constants.items())[:3])
    energies = f"{si(low, 'J')} to {si(high, 'J')} per image, ANN / SNN {least:.2f} to {most:.2f}"
    return f"uncertain prices: {energies} (5 to 95 %); of the variance with spikes: {most_important}"


def model_text(found: ModelSection) -> str:
    """What choices of the model leave open, and by which factor each changes the energy."""
    (low, high), (least, most) = found.per_image_J, found.ratio
    range_of = f"{si(low, 'J')} to {si(high, 'J')} per image, ANN / SNN {least:.2f} to {most:.2f} with any reuse"
    each = "; ".join(f"{row.energy:.2f} times as much, were {row.choice} {row.other}, not {row.taken}" for row in found.choices)
    return f"choices of the model, tried on {found.images:,} of the images: {range_of}; energy would be {each}"


def grounds(document: RunDocument) -> str:
    """What the energy rests on: how much of it by prices of which grade, and what was priced as something that it is not."""
    chip, joules = document.chip.values, dict[str, float]()
    grades = {constant: chip.grades[price.part] for constant, price in chip.prices.items()}
    for action in document.actions:
        grade = grades.get(action.constant) or "of no grade"
        joules[grade] = joules.get(grade, 0.0) + action.energy_J
    total, largest = sum(joules.values()), sorted(joules.items(), key=lambda item: -item[1])
    shares = ", ".join(f"{grade} {percent(part / total)}" for grade, part in largest if part)
    told = f"modelled, not measured; of the energy by prices that are: {shares}" if total else "modelled, not measured"
    return told + ("; floating point priced as the integers of the chip" if document.network.arithmetic != "integer" else "")


def break_even_text(found: BreakEven) -> str:
    """At which spike rate both cost the same."""
    here = f"{found.spikes_per_neuron:.3f} spikes per neuron here"
    if found.slope_J <= 0:
        return f"{here}; no spike costs anything, so there is no rate to break even at"
    if found.meets[STATED] is None:
        return f"{here}; without spikes it would already cost more than the ANN, so no rate breaks even (leakage left out)"
    low, middle, high = (found.meets[reuse] for reuse in ("perfect", STATED, "none"))
    bracket = f" ({'never' if low is None else f'{low:.3f}'} to {high:.3f})" if high is not None else ""
    return f"{here}; break-even with the ANN at {middle:.3f}{bracket}, leakage left out"
