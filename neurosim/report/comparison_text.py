"""A few chips beside each other in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from neurosim.chip.chip import Chip
from neurosim.chip.covers import TOPICS
from neurosim.chip.settings import DESCRIPTION
from neurosim.explore.objective import OBJECTIVES
from neurosim.outcome.document import RunDocument
from neurosim.report import words
from neurosim.report.study_text import amount
from neurosim.report.text import heading, table
from neurosim.report.units import si

# What is compared, by objective.
COMPARED = ("energy", "latency", "throughput", "accuracy", "busiest_link", "cores", "area")
# Settings in which chips differ.
DIFFERENCES = 40
Metrics = Mapping[str, float | None]


def comparison_summary(
    chips: Mapping[str, Chip], found: Mapping[str, Metrics], reasons: Mapping[str, Sequence[str]]
) -> RenderableType:
    """Ratios to the first chip that fits, the amounts, what their costs cover, and the settings that differ; *reasons*: of
    those that do not fit."""
    parts: list[RenderableType] = [Text(warning, style="bold") for warning in uneven(chips)]
    if found:
        parts += [_ratios(found), heading("Amounts"), _amounts(found)]
    parts += [heading("What is counted"), _coverage(chips)]
    for name, why in reasons.items():
        parts += [heading(f"{name} does not fit"), *(Text(f"- {line}") for line in why)]
    return Group(*parts, heading("Settings that differ"), _differences(chips))


def without_spikes(runs: Mapping[str, RunDocument]) -> RenderableType:
    """The same network without spikes beside each of *runs*; nothing where there is none."""
    if not runs:
        return Text("")
    rows = table("", "ANN on", "ANN", "SNN", "ANN / SNN", "accuracy, ANN", "SNN")
    for name, run in runs.items():
        last = run.steps[-1]
        spent = words.energy_bracket(last.ann_J), si(last.snn_J, "J"), words.ratio_bracket(last)
        rows.add_row(name, words.ann_chip(run).name, *spent, *words.accuracies(run))
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


def uneven(chips: Mapping[str, Chip]) -> list[str]:
    """A warning for every kind of cost that not all chips count alike."""
    found = {topic: {name: chip.covered[topic] or "not said" for name, chip in chips.items()} for topic in TOPICS}
    return [
        f"not counted alike, {TOPICS[topic]}: {', '.join(f'{name} {said}' for name, said in each.items())}"
        for topic, each in found.items() if len({*each.values()}) > 1
    ]  # fmt: skip


def differences(chips: Mapping[str, Chip]) -> dict[str, list[Any]]:
    """Values of every setting that is not the same on all chips, None where a chip has no such setting; words left out."""
    settings = [chip.settings for chip in chips.values()]
    words = (*DESCRIPTION, "name", "uncertainty")
    places = dict.fromkeys(place for each in settings for place in each if not {*words} & {*place.split(".")})
    found = {place: [each.get(place) for each in settings] for place in places}
    return {place: values for place, values in found.items() if any(value != values[0] for value in values)}


def _ratios(found: Mapping[str, Metrics]) -> RenderableType:
    first, others = next(iter(found)), list(found)[1:]
    rows, each = table(f"times {first}", *others), ratios(found)
    for key in COMPARED:
        values = [each[name][key] for name in others]
        if any(value is not None for value in values):
            rows.add_row(OBJECTIVES[key].words, *("" if value is None else f"{value:.3g}" for value in values))
    return rows


def _amounts(found: Mapping[str, Metrics]) -> RenderableType:
    rows = table("", *found)
    for key in COMPARED:
        values = [metrics[OBJECTIVES[key].column] for metrics in found.values()]
        rows.add_row(OBJECTIVES[key].words, *(amount(OBJECTIVES[key], value) for value in values))
    return rows


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
