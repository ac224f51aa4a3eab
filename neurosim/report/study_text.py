"""Studies and comparisons in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from neurosim.chip.chip import Chip
from neurosim.explore.document import ErrorsSection
from neurosim.explore.findings import EXCLUDED, Findings, StudyPoint
from neurosim.explore.free import axis_costs, free_axes, free_words
from neurosim.explore.objective import OBJECTIVES, Objective
from neurosim.explore.study import Front, told
from neurosim.explore.task import FAILED, INFEASIBLE, OK
from neurosim.outcome.paired import PairedSection
from neurosim.report import words
from neurosim.report.text import heading, table
from neurosim.report.units import percent, si
from neurosim.timing.timeline import ANALYTIC

# After what is not told apart from the best.
ALIKE = " ~"
ALIKE_WORDS = (
    "~ an amount that is not told apart from the best of its column, or a front from the first one: 95 % intervals of ratios, "
    "of accuracy of differences, image by image; ± the 95 % interval of a sampled time"
)
# Rows of the ranked table, and of what does not fit.
RANKED, REASONS = 20, 8
# Digits of a ratio.
LEAST_DIGITS, MOST_DIGITS = 3, 12


def amount(objective: Objective, value: float | None) -> str:
    """A value of an objective with its unit."""
    if value is None:
        return "not known"
    if objective.column == "accuracy":
        return percent(value)
    if objective.unit == "pJ":
        return f"{value:.3g} pJ"
    if objective.unit in ("", "mm²"):
        return f"{f'{value:,.0f}' if value >= 1000 else f'{value:.4g}'} {objective.unit}".rstrip()
    return f"{si(value, '').strip()}/s" if objective.unit == "1/s" else si(value, objective.unit.replace("Js", "J·s"))


def measured(name: str, value: float | None, errors: ErrorsSection | None) -> str:
    """A value of an objective, with the interval that a sampled time leaves."""
    objective = OBJECTIVES[name]
    error = getattr(errors, f"{objective.column}_error", None)
    return amount(objective, value) + (f" ± {amount(objective, error)}" if error else "")


def difference(name: str, found: PairedSection) -> str:
    """How many times as much something is, or by how much it differs, with the interval; or that nobody can tell."""
    if found.same:
        return "the same"
    if found.ratio is None:
        mean, low, high = (_signed(name, value) for value in (found.mean, found.low, found.high))
        told = f"{mean} ({low} to {high})"
    else:
        told = times(found.ratio.value, found.ratio.low, found.ratio.high)
    return told + ("" if found.told_apart else ", not told apart")


def times(value: float, low: float, high: float) -> str:
    """A ratio with its interval: "0.0384 times (0.0361 to 0.0408)"."""
    return "{} times ({} to {})".format(*plain_ratios(value, low, high))


def plain_ratios(*values: float) -> list[str]:
    """In three digits, or in as many as none takes to be 1 that is not."""
    tried = ([f"{value:.{digits}g}" for value in values] for digits in range(LEAST_DIGITS, MOST_DIGITS + 1))
    told = [each for each in tried if all((word == "1") == (value == 1) for word, value in zip(each, values, strict=True))]
    return told[0] if told else [f"{value:.{MOST_DIGITS}g}" for value in values]


def _signed(name: str, value: float) -> str:
    return f"{'+' if value > 0 else ''}{amount(OBJECTIVES[name], value)}"


def study_summary(findings: Findings) -> RenderableType:
    """The front, the ranked table, what matters, and what does not fit."""
    study, status = findings.study, findings.status
    many = {word: status.count(word) for word in (OK, INFEASIBLE, EXCLUDED, FAILED)}
    counted = ", ".join(f"{n:,} {word}" for word, n in many.items() if n)
    front = f"{len(findings.front):,} on the Pareto front of {', '.join(study.objectives)}"
    drawn = f" ({study.points:,} drawn, {len(findings.rows):,} of them different)" if study.points != len(findings.rows) else ""
    parts: list[RenderableType] = [Text(f"{study.name}: {len(findings.rows):,} points{drawn}, {counted}; {front}")]
    parts += [Text(said, style="bold") for said in of_all([*study.chips.values()], study.ann.chip)]
    if "timing" not in study.axes and study.choices["timing"] == ANALYTIC:
        parts.append(Text("time is analytic, a lower bound: no packet waits for another (timing = 'packet' follows them)"))
    free = free_axes(axis_costs(study))
    parts += [Text(free_words(axis, chips), style="bold") for axis, chips in free.items()]
    parts += [heading("Best points, front by front"), _ranked(findings)] if many[OK] else []
    parts += [heading("Share of the variance that each axis explains"), _sensitivity(findings)] if many[OK] > 1 else []
    parts += _reasons(findings)
    return Group(*parts)


def of_all(chips: Sequence[Chip], ann: Chip | None) -> list[str]:
    """What to know of all points: to which node energies are scaled, and on which machine the network without spikes is, if on
    one of its own."""
    found = dict.fromkeys(said for chip in chips if (said := words.scaled(chip)))
    return [*found, *([] if ann is None else [f"the network without spikes is on {ann.name}{words.at_node(ann)}"])]


def _ranked(findings: Findings) -> RenderableType:
    study, shown = findings.study, findings.ranked[:RANKED]
    names = list(dict.fromkeys([*study.objectives, "accuracy"]))
    closer = study.front if any(findings.rows[number].closer for number in shown) else None
    found = table("front", *study.axes, *names, *([f"latency, {closer.timing}{_few(closer)}"] if closer else []))
    for number in shown:
        row = findings.rows[number]
        values = [_value(findings, number, name) for name in names]
        last = [_closer(row)] if closer else []
        front = f"{findings.rank[number]}{ALIKE if number in findings.near_front else ''}"
        found.add_row(front, *map(str, row.settings.values()), *values, *last)
    left = len(findings.ranked) - len(shown)
    more = [Text(f"and {left:,} more in the files")] if left else []
    return Group(found, *more, Text(ALIKE_WORDS))


def _value(findings: Findings, number: int, name: str) -> str:
    """Of an objective, and whether it is told apart from the best."""
    row, paired = findings.rows[number], findings.paired[number] or {}
    errors = ErrorsSection(**row.errors) if row.errors else None
    return measured(name, row.metrics[OBJECTIVES[name].column], errors) + alike(name, number, paired, findings.best)


def alike(name: str, number: int, paired: Mapping[str, PairedSection], best: Mapping[str, int]) -> str:
    """The sign of a value that differs from the best of its column, and is not told apart from it."""
    found = paired.get(name)
    return ALIKE if found is not None and found.mean and number != best.get(name) and not found.told_apart else ""


def _few(front: Front) -> str:
    return f", {front.images:,} sample{'s' if front.images > 1 else ''}" if front.images else ""


def _closer(row: StudyPoint) -> str:
    """What a closer look at its time came to."""
    if row.closer is None:
        return ""
    seconds = row.closer["metrics"].get("latency_s")
    return amount(OBJECTIVES["latency"], seconds) if row.closer["status"] == OK else str(row.closer["status"])


def _sensitivity(findings: Findings) -> RenderableType:
    axes = list(findings.study.axes)
    found = table("objective", *axes)
    for name, shares in findings.sensitivity.items():
        found.add_row(name, *("does not vary" if shares[axis] is None else percent(shares[axis] or 0.0) for axis in axes))
    if findings.by_chance:
        found.add_row("by chance", *(percent(findings.by_chance[axis]) for axis in axes))
    return found


def _reasons(findings: Findings) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for title, kinds in (("Does not fit", (INFEASIBLE, FAILED)), ("Excluded", (EXCLUDED,))):
        bad = [row for row, status in zip(findings.rows, findings.status, strict=True) if status in kinds]
        lines = [f"{told(row.settings)}: {findings.reasons(row)[0]}{more(findings.reasons(row))}" for row in bad[:REASONS]]
        lines += [f"and {len(bad) - REASONS:,} more in the files"] if len(bad) > REASONS else []
        parts += [heading(title), *(Text(f"- {line}") for line in lines)] if bad else []
    return parts


def more(reasons: Sequence[str]) -> str:
    """How many reasons there are besides the first."""
    return f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
