"""The report of a study: one HTML file."""

from __future__ import annotations

import os

from neurosim.chip.following import ASPECTS
from neurosim.explore.axis import Value
from neurosim.explore.document import AxisSection, BoundsSection, CloserLook, FrontTiming, PointRow, StudyAnn, StudyDocument
from neurosim.explore.free import free_words
from neurosim.explore.objective import OBJECTIVES
from neurosim.io.hdf5 import replacing
from neurosim.report.figure import plain
from neurosim.report.page import beside, bullets, cards, document, folded, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.study_figures import fronts, sensitivity, short
from neurosim.report.study_text import ALIKE, ALIKE_WORDS, alike, amount, measured, of_all
from neurosim.report.units import percent

# Rows of the table of all points, and of what does not fit.
LISTED, REASONS = 2000, 200


def save_study_report(study: StudyDocument, path: str | os.PathLike[str]) -> None:
    """Write the report of a study; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(study_page(study), encoding="utf-8")


def study_page(study: StudyDocument) -> str:
    """The whole document."""
    ann = study.ann and study.ann.chip
    known = of_all([chip.values for chip in study.chips.values()], ann.values if ann else None)
    sections = [
        ("Of all points", bullets(known) if known else ""), ("Costs nothing", _free(study)), ("Pareto front", _front(study)),
        ("What matters", _sensitivity(study)), ("All points", _points(study)),
        ("What does not fit, or is excluded", _reasons(study)), ("Constants and their sources", _constants(study)),
        ("Not counted", bullets(study.not_counted)), ("How to repeat", _provenance(study)),
    ]  # fmt: skip
    return document(f"{study.study}: a study", _headline(study), [(name, body) for name, body in sections if body])


def _headline(study: StudyDocument) -> str:
    points, choices = study.points, study.choices
    where = f"{', '.join(study.networks)}, {study.images:,} samples of {study.inputs}; chip {', '.join(study.chips)}"
    how = f"{choices['timing']} timing, {choices['schedule']}"
    different = f", {study.drawn:,} drawn" if study.drawn != len(points) else ""
    words = f"{len(points):,} points ({study.sample}{different}) of {', '.join(study.axes)}; {where}; {how}."
    many = {word: sum(p.status == word for p in points) for word in ("ok", "infeasible", "excluded", "failed")}
    told = ", ".join(f"{n:,} {word}" for word, n in many.items() if n)
    tiles = [
        ("points", f"{len(points):,}", told),
        ("on the front", f"{len(study.front):,}", ", ".join(study.objectives)),
    ]
    tiles += [tile for name in study.objectives if (tile := _best(study, name))]
    return paragraph(words) + cards(tiles)


def _best(study: StudyDocument, name: str) -> tuple[str, str, str] | None:
    """The best value of an objective, and where it is."""
    column, sign = study.objectives[name].column, -1 if study.objectives[name].better == "more" else 1
    known = [(amount, p) for p in study.points if p.status == "ok" and (amount := p.amount(column)) is not None]
    if not known:
        return None
    found, best = min(known, key=lambda pair: sign * pair[0])
    return f"best {name.replace('_', ' ')}", _amount(name, found), " · ".join(_values(best))


def _free(study: StudyDocument) -> str:
    """Axes that nothing follows, and what follows the others."""
    free = study.free_axes or {}
    if not free:
        return ""
    rows = [
        [axis, chip, *("yes" if aspect in found else "no" for aspect in ASPECTS)]
        for axis, by_chip in (study.axis_costs or {}).items() for chip, found in by_chip.items()
    ]  # fmt: skip
    listed = table(["what follows", "chip", *ASPECTS], rows, left=True)
    return bullets([free_words(axis, chips) for axis, chips in free.items()]) + listed


def _front(study: StudyDocument) -> str:
    if not study.front:
        return paragraph("No point fits.")
    figures = fronts(study.objectives, study.points, study.near_front or [], [_words(point) for point in study.points])
    best = [number for number in study.ranked if number in set(study.front)]
    return beside(*figures, broad=True) + _table(study, best, "the Pareto front") + _closer(study, best)


def _words(point: PointRow) -> str:
    """Of a point, for the pointer."""
    lines = [f"<b>{plain(str(value))}</b> {plain(name)}" for name, value in point.settings.items()]
    lines += [f"{name.replace('_', ' ')}: {plain(_amount(name, point.amount(o.column)))}" for name, o in OBJECTIVES.items()]
    return "<br>".join(lines)


def _closer(study: StudyDocument, best: list[int]) -> str:
    """What a closer look at the front came to."""
    closer = [(point, look) for point in map(study.points.__getitem__, best) if (look := point.closer) is not None]
    if not closer or study.front_timing is None:
        return ""
    return _looked_at(study, closer, study.front_timing)


def _looked_at(study: StudyDocument, closer: list[tuple[PointRow, CloserLook]], how: FrontTiming) -> str:
    rows = [
        [*_values(point), _amount("latency", found.metrics.get("latency_s")), _amount("energy", found.metrics.get("energy_J"))]
        for point, found in closer
    ]
    head, images = [*map(short, study.axes), "latency", "energy per image"], f"samples: {how.images or study.images:,}"
    return table(head, rows, f"a closer look at the front: {how.timing} timing, {images}")


def _sensitivity(study: StudyDocument) -> str:
    shares = study.sensitivity
    if not any(share is not None for found in shares.values() for share in found.values()):
        return ""
    axes = list(study.axes)
    rows = [
        [name, *("does not vary" if (share := found[axis]) is None else percent(share) for axis in axes)]
        for name, found in shares.items()
    ]
    by_chance = study.sensitivity_by_chance
    rows += [["by chance", *(percent(by_chance[axis]) for axis in axes)]] if by_chance else []
    words = "share of the variance, over all points that fit; the rest is in their interplay"
    listed = table(["objective", *map(short, axes)], rows, words)
    return beside(sensitivity(shares), listed, broad=True)


def _points(study: StudyDocument) -> str:
    left = [number for number, point in enumerate(study.points) if point.status == "excluded"]
    shown = [*study.ranked, *left][:LISTED]
    if not shown:
        return ""
    words = f"front by front; {LISTED:,} of {len(study.points):,}" if len(shown) == LISTED else "front by front"
    return folded(f"{len(shown):,} points", _table(study, shown, words))


def _table(study: StudyDocument, numbers: list[int], caption: str) -> str:
    first, others = list(study.objectives), [name for name in OBJECTIVES if name not in study.objectives]
    rows, near = [], {*(study.near_front or ())}
    for number in numbers:
        point = study.points[number]
        best, rest = ([_value(study, number, name) for name in names] for names in (first, others))
        front = f"{point.rank or point.status}{ALIKE if number in near else ''}"
        rows.append([front, *best, *_values(point), *rest, _quotient(point)])
    words = [[name.replace("_", " ") for name in names] for names in (first, others)]
    head = ["front", *words[0], *map(short, study.axes), *words[1], "ANN / SNN"]
    return table(head, rows, caption) + (paragraph(ALIKE_WORDS) if study.best else "")


def _value(study: StudyDocument, number: int, name: str) -> str:
    """Of an objective, and whether it is told apart from the best."""
    point = study.points[number]
    found = measured(name, point.amount(OBJECTIVES[name].column), point.errors)
    return found + alike(name, number, point.paired or {}, study.best or {})


def _quotient(point: PointRow) -> str:
    ratio = None if point.ann_over_snn is None else point.ann_over_snn.all
    return "" if ratio is None else f"{ratio:.3g}"


def _reasons(study: StudyDocument) -> str:
    bad = [point for point in study.points if point.status != "ok"]
    if not bad:
        return ""
    rows = [[*_values(point), point.status, "; ".join(point.reasons)] for point in bad[:REASONS]]
    words = f"{REASONS:,} of {len(bad):,}" if len(bad) > REASONS else ""
    return folded(f"{len(bad):,} points", table([*map(short, study.axes), "status", "reasons"], rows, words, left=True))


def _constants(study: StudyDocument) -> str:
    ann = study.ann and study.ann.chip
    own = constants(ann.values, f"{ann.values.name}, without spikes") if ann else ""
    return "".join(constants(chip.values, name) for name, chip in study.chips.items()) + own


def _provenance(study: StudyDocument) -> str:
    rows = [["neurosim", study.version], ["seed", str(study.seed)]]
    rows += [[name, choice] for name, choice in study.choices.items()]
    rows += [[f"set {name}", str(value)] for name, value in study.set.items()]
    rows += [[f"axis {name}", _axis(axis)] for name, axis in study.axes.items()]
    rows += [[f"constraint {name}", _bounds(bounds)] for name, bounds in study.constraints.items()]
    rows += [[f"network {name}", f"sha256 {sha256}"] for name, sha256 in study.networks.items()]
    rows += [[f"chip {name}", f"sha256 {chip.sha256}"] for name, chip in study.chips.items()]
    rows += [] if study.scale_node is None else [["scaled to", f"{study.scale_node} nm"]]
    rows += _ann(study.ann) if study.ann else []
    return table(["", ""], rows, left=True)


def _ann(ann: StudyAnn) -> list[list[str]]:
    """Of the network without spikes."""
    chip = [] if ann.chip is None else [[f"chip {ann.chip.values.name}, without spikes", f"sha256 {ann.chip.sha256}"]]
    bits = [] if ann.bits is None else [["bits without spikes", str(ann.bits)]]
    return [*chip, *bits, *([["zeros without spikes", str(ann.sparsity)]] if ann.sparsity else [])]


def _axis(axis: list[Value] | AxisSection) -> str:
    if isinstance(axis, list):
        return ", ".join(map(str, axis))
    kind = f"{'logarithmic' if axis.log else 'even'}{', integers' if axis.whole else ''}"
    return f"{axis.low:g} to {axis.high:g}, {kind}"


def _bounds(bounds: BoundsSection) -> str:
    return ", ".join(f"{word} {value:g}" for word, value in bounds if value is not None)


def _values(point: PointRow) -> list[str]:
    """Of its settings."""
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in point.settings.values()]


def _amount(name: str, value: float | None) -> str:
    return amount(OBJECTIVES[name], value)
