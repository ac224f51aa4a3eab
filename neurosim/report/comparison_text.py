"""A few chips beside each other in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from neurosim.chip.chip import Chip
from neurosim.chip.covers import TOPICS
from neurosim.chip.following import differing
from neurosim.explore.document import ComparisonDocument
from neurosim.explore.images import PAIRED
from neurosim.explore.objective import OBJECTIVES
from neurosim.outcome.document import RunDocument
from neurosim.outcome.paired import PairedSection
from neurosim.report import words
from neurosim.report.study_text import amount, difference, measured, more, plain_ratios, times
from neurosim.report.text import heading, table
from neurosim.report.units import si

# What is compared, by objective.
COMPARED = (
    "energy", "energy_median", "energy_p99", "latency", "latency_median", "latency_p99", "edp", "throughput", "power",
    "dynamic_power", "pj_per_event", "dynamic_pj_per_event", "accuracy", "busiest_link", "cores", "area",
)  # fmt: skip
SAMPLED = "± is the 95 % interval of a time that is known from a sample of steps"
# What the terminal shows of it, the rest is in the report and in JSON.
SHOWN = ("energy", "latency", "edp", "power", "pj_per_event", "accuracy", "cores", "area")
# Settings in which chips differ.
DIFFERENCES = 12
Metrics = Mapping[str, float | None]


def comparison_summary(chips: Mapping[str, Chip], told: ComparisonDocument) -> RenderableType:
    """Ratios to the first chip that fits, the same image by image, the amounts, what their costs cover, and the settings
    that differ; *chips*: as they were mapped."""
    beware = (*scaled(chips), *told.nodes, *told.uneven, *told.free)
    parts: list[RenderableType] = [Text(warning, style="bold") for warning in beware]
    if told.metrics:
        amounts = {name: found.to_dict() for name, found in told.metrics.items()}
        parts += [_ratios(amounts), *_paired(told), heading(f"Amounts{at_nodes(chips)}"), _amounts(told)]
    parts += [heading("What is counted"), _coverage(chips)]
    for name, why in told.reasons.items():
        parts += [heading(f"{name} does not fit"), *(Text(f"- {line}") for line in why)]
    return Group(*parts, heading("Settings that differ"), _differences(chips))


def in_words(told: ComparisonDocument) -> RenderableType:
    """The verdict; nothing where there is none."""
    lines = verdict(told)
    return Group(heading("In words"), *map(Text, lines)) if lines else Text("")


def verdict(told: ComparisonDocument) -> list[str]:
    """Of every chip beside the first: which is cheaper and which is faster, by how much, and whether images tell them apart; of
    the others, why they do not fit."""
    first = next(iter(told.metrics), "")
    found = [
        said for name, each in told.ratios.items() if name != first for key in VERDICTS
        if (said := _verdict(first, name, key, each.get(key), told.paired.get(name, {}).get(key)))
    ]  # fmt: skip
    beware = [f"{first} and others do not count the same, see above"] if found and told.uneven else []
    left_out = [f"{name} does not fit: {why[0]}{more(why)}" for name, why in told.reasons.items()]
    return [*found, *_by_prices(told), *beware, *left_out]


def _by_prices(told: ComparisonDocument) -> Iterator[str]:
    """What the uncertainty of their prices leaves open of the energies of chips, and of which the order."""
    spans = {name: (run.uncertainty.snn_J or [run.energy.per_image_J] * 2) for name, run in told.runs.items()}
    if len(spans) < 2 or all(low == high for low, high in spans.values()):
        return
    (first, (low, high)), *others = spans.items()
    each = ", ".join(f"{name} {si(least, 'J')} to {si(most, 'J')}" for name, (least, most) in spans.items())
    open_ = [name for name, (least, most) in others if least <= high and low <= most]
    left = f"; they leave open whether {first} or {' or '.join(open_)} is cheaper" if open_ else ""
    yield f"by prices, which are uncertain, an image takes: {each} (5 to 95 %){left}"


# By objective: what the better one is, and of what the other takes more.
VERDICTS = {"energy": ("cheaper", "energy per image"), "latency": ("faster", "time from an image to its answer")}


def _verdict(first: str, name: str, key: str, ratio: float | None, paired: PairedSection | None) -> str:
    """Nothing where the amounts are not known, or nothing of a single image."""
    better, what = VERDICTS[key]
    if ratio == 1 or (paired and paired.same):
        return f"{first} and {name} take the same {what}"
    if not ratio:
        one, other = (first, name) if paired and paired.mean > 0 else (name, first)
        takes = f"{other} takes {amount(OBJECTIVES[key], abs(paired.mean))} per image, and {one} none" if paired else ""
        return takes and f"{one} is {better} than {other}: {takes}"
    one, other = (first, name) if ratio > 1 else (name, first)
    dearer = f"{other} takes {_times(ratio, paired)} the {what}"
    if paired is None:
        return f"{one} is {better} than {other}: {dearer}, in one image"
    if not paired.told_apart:
        return f"{one} and {other} are not told apart by these images: {dearer}, within the noise of these"
    return f"{one} is {better} than {other}: {dearer}, beyond the noise of these images"


def _times(ratio: float, paired: PairedSection | None) -> str:
    """How many times as much the dearer of two takes, with the interval where there is one."""
    if paired is None or paired.ratio is None:
        return f"{plain_ratios(max(ratio, 1 / ratio))[0]} times"
    found = paired.ratio
    ends = (found.low, found.high) if ratio > 1 else (1 / found.high, 1 / found.low)
    return times(max(ratio, 1 / ratio), *ends)


def without_spikes(runs: Mapping[str, RunDocument]) -> RenderableType:
    """The same network without spikes beside each of *runs*; nothing where there is none."""
    if not runs:
        return Text("")
    rows = table("", "ANN on", "ANN", "SNN", "ANN / SNN", "accuracy, ANN", "SNN")
    for name, run in runs.items():
        last = run.steps[-1]
        spent = words.energy_bracket(last.ann_J), si(last.snn_J, "J"), words.ratio_bracket(last)
        rows.add_row(name, words.ann_chip_beside(name, run), *spent, *words.accuracies_within(run))
    beware = dict.fromkeys(warning for run in runs.values() for warning in words.machines(run)[2:])
    told = (Text(warning, style="bold") for warning in beware)
    return Group(heading("Against the same network without spikes, per image"), *told, rows)


def ratios(found: Mapping[str, Metrics]) -> dict[str, dict[str, float | None]]:
    """By chip and objective: how many times as much as on the first."""
    first = next(iter(found.values()))
    return {
        name: {key: _quotient(metrics[OBJECTIVES[key].column], first[OBJECTIVES[key].column]) for key in COMPARED}
        for name, metrics in found.items()
    }


def scaled(chips: Mapping[str, Chip]) -> list[str]:
    """That energies are scaled to another node, if they are, and what is not."""
    return [said for said in dict.fromkeys(words.scaled(chip) for chip in chips.values()) if said]


def at_nodes(chips: Mapping[str, Chip]) -> str:
    """To which nodes: one, as all chips of a comparison are scaled alike."""
    return "".join(dict.fromkeys(words.at_node(chip) for chip in chips.values()))


def uneven(chips: Mapping[str, Chip]) -> list[str]:
    """A warning for every kind of cost that not all chips count alike."""
    found = {topic: {name: chip.covered[topic] or "not said" for name, chip in chips.items()} for topic in TOPICS}
    return [
        f"not counted alike, {TOPICS[topic]}: {', '.join(f'{name} {said}' for name, said in each.items())}"
        for topic, each in found.items() if len({*each.values()}) > 1
    ]  # fmt: skip


def nodes_apart(chips: Mapping[str, Chip]) -> list[str]:
    """A warning where chips are of different nodes."""
    if len({words.nanometres(chip) for chip in chips.values()}) < 2:
        return []
    each = ", ".join(f"{name} {chip.node}" for name, chip in chips.items())
    return [f"the nodes differ, {each}: nothing is scaled from one to the other (--scale-node does)"]


def differences(chips: Mapping[str, Chip]) -> dict[str, list[Any]]:
    """Values of every setting that is not the same on all chips, None where a chip has no such setting; words left out."""
    settings = [chip.settings for chip in chips.values()]
    return {place: [each.get(place) for each in settings] for place in differing([*chips.values()])}


def _ratios(found: Mapping[str, Metrics]) -> RenderableType:
    first, others = next(iter(found)), list(found)[1:]
    rows, each = table(f"times {first}", *others), ratios(found)
    for key in SHOWN:
        values = [each[name][key] for name in others]
        if any(value is not None for value in values):
            rows.add_row(OBJECTIVES[key].words, *("" if value is None else f"{value:.3g}" for value in values))
    return rows


def _paired(told: ComparisonDocument) -> list[RenderableType]:
    listed = paired_rows(told)
    if not listed:
        return []
    rows = table("", *told.paired)
    for row in listed:
        rows.add_row(*row)
    return [heading(paired_words(told)), rows]


def paired_words(told: ComparisonDocument) -> str:
    """What each chip is paired with."""
    return f"Beside {next(iter(told.metrics))}, image by image, with 95 % intervals"


def paired_rows(told: ComparisonDocument) -> list[list[str]]:
    """By objective, how many times as much as the first each chip takes, or in what it differs."""
    every = told.paired.values()
    return [
        [OBJECTIVES[name].words, *("not known" if name not in each else difference(name, each[name]) for each in every)]
        for name in PAIRED if any(name in each for each in every)
    ]  # fmt: skip


def amount_rows(told: ComparisonDocument, keys: Sequence[str] = COMPARED) -> list[tuple[str, list[str]]]:
    """(objective, cells) of what is compared, with standard errors where there are any."""
    found: list[tuple[str, list[str]]] = []
    for key in keys:
        column = OBJECTIVES[key].column
        values = {name: getattr(metrics, column) for name, metrics in told.metrics.items()}
        found.append((key, [OBJECTIVES[key].words, *(measured(key, v, told.errors.get(n)) for n, v in values.items())]))
        errors = [getattr(told.errors.get(name), f"{column}_standard_error", None) for name in values]
        if any(error is not None for error in errors):
            found.append(("", [f"  standard error of the {key}", *(amount(OBJECTIVES[key], error) for error in errors)]))
    return found


def _amounts(told: ComparisonDocument) -> RenderableType:
    rows = table("", *told.metrics)
    for _, row in amount_rows(told, SHOWN):
        rows.add_row(*row)
    sampled = [Text(SAMPLED)] if any(each.latency_s_error for each in told.errors.values()) else []
    return Group(rows, *sampled, Text("medians and what 99 % of images take are in --report and --json"))


def _coverage(chips: Mapping[str, Chip]) -> RenderableType:
    rows = table("", *chips)
    for row in coverage_rows(chips):
        rows.add_row(*row)
    return rows


def coverage_rows(chips: Mapping[str, Chip]) -> list[list[str]]:
    """Of every kind of cost, in words, whether each chip counts it."""
    return [[told, *(chip.covered[topic] or "not said" for chip in chips.values())] for topic, told in TOPICS.items()]


def _differences(chips: Mapping[str, Chip]) -> RenderableType:
    """Of the settings that all chips have."""
    found, everywhere = differences(chips), set.intersection(*(set(chip.settings) for chip in chips.values()))
    shown = [place for place in found if place in everywhere][:DIFFERENCES]
    rows = table("setting", *chips)
    for place in shown:
        rows.add_row(place, *map(setting, found[place]))
    memories = [", ".join(memory.name for memory in chip.memory) for chip in chips.values()]
    if len({*memories}) > 1:
        rows.add_row("memories", *memories)
    left = len(found) - len(shown)
    return Group(rows, Text(f"and {left} more; --json lists them all")) if left > 0 else rows


def setting(value: Any) -> str:
    """A setting in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _quotient(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other
