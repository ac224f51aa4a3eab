"""The report of a study: one HTML file."""

from __future__ import annotations

import os
from typing import Any

from neurosim.chip.chip import Chip
from neurosim.explore.objective import OBJECTIVES
from neurosim.io.hdf5 import replacing
from neurosim.report.figure import plain
from neurosim.report.page import beside, bullets, cards, document, folded, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.study_figures import Point, fronts, sensitivity, short
from neurosim.report.study_text import amount
from neurosim.report.units import percent

# Rows of the table of all points, and of what does not fit.
LISTED, REASONS = 2000, 200

Values = dict[str, Any]


def save_study_report(values: Values, path: str | os.PathLike[str]) -> None:
    """Write the report of what `Findings.to_dict` says; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(study_page(values), encoding="utf-8")


def study_page(values: Values) -> str:
    """The whole document."""
    sections = [
        ("Pareto front", _front(values)), ("What matters", _sensitivity(values)), ("All points", _points(values)),
        ("What does not fit, or is excluded", _reasons(values)), ("Constants and their sources", _constants(values)),
        ("Not counted", bullets(values["not_counted"])), ("How to repeat", _provenance(values)),
    ]  # fmt: skip
    return document(f"{values['study']}: a study", _headline(values), [(name, body) for name, body in sections if body])


def _headline(values: Values) -> str:
    points, chips, networks = values["points"], values["chips"], values["networks"]
    where = f"{', '.join(networks)}, {values['images']:,} samples of {values['inputs']}; chip {', '.join(chips)}"
    how = f"{values['choices']['timing']} timing, {values['choices']['schedule']}"
    different = f", {values['drawn']:,} drawn" if values["drawn"] != len(points) else ""
    words = f"{len(points):,} points ({values['sample']}{different}) of {', '.join(values['axes'])}; {where}; {how}."
    many = {word: sum(p["status"] == word for p in points) for word in ("ok", "infeasible", "excluded", "failed")}
    told = ", ".join(f"{n:,} {word}" for word, n in many.items() if n)
    tiles = [
        ("points", f"{len(points):,}", told),
        ("on the front", f"{len(values['front']):,}", ", ".join(values["objectives"])),
    ]
    tiles += [tile for name in values["objectives"] if (tile := _best(values, name))]
    return paragraph(words) + cards(tiles)


def _best(values: Values, name: str) -> tuple[str, str, str] | None:
    """The best value of an objective, and where it is."""
    column, sign = values["objectives"][name]["column"], -1 if values["objectives"][name]["better"] == "more" else 1
    known = [point for point in values["points"] if point["status"] == "ok" and point[column] is not None]
    if not known:
        return None
    best = min(known, key=lambda point: sign * point[column])
    return f"best {name.replace('_', ' ')}", _amount(name, best[column]), " · ".join(_values(best))


def _front(values: Values) -> str:
    if not values["front"]:
        return paragraph("No point fits.")
    figures = fronts(values["objectives"], values["points"], [_words(point) for point in values["points"]])
    best = [number for number in values["ranked"] if number in set(values["front"])]
    return beside(*figures, broad=True) + _table(values, best, "the Pareto front") + _closer(values, best)


def _words(point: Point) -> str:
    """Of a point, for the pointer."""
    lines = [f"<b>{plain(str(value))}</b> {plain(name)}" for name, value in point["settings"].items()]
    lines += [f"{name.replace('_', ' ')}: {plain(_amount(name, point[o.column]))}" for name, o in OBJECTIVES.items()]
    return "<br>".join(lines)


def _closer(values: Values, best: list[int]) -> str:
    """What a closer look at the front came to."""
    closer = [(number, values["points"][number]["closer"]) for number in best if values["points"][number]["closer"]]
    if not closer:
        return ""
    how = values["front_timing"]
    rows = [
        [*_values(values["points"][number]), _amount("latency", found["metrics"].get("latency_s")),
         _amount("energy", found["metrics"].get("energy_J"))]
        for number, found in closer
    ]  # fmt: skip
    images = f"samples: {how['images'] or values['images']:,}"
    return table(
        ["point", "latency", "energy per image"], rows, f"a closer look at the front: {how['timing']} timing, {images}"
    )


def _sensitivity(values: Values) -> str:
    shares = values["sensitivity"]
    if not any(share is not None for found in shares.values() for share in found.values()):
        return ""
    axes = list(values["axes"])
    rows = [
        [name, *("does not vary" if found[axis] is None else percent(found[axis]) for axis in axes)]
        for name, found in shares.items()
    ]
    by_chance = values["sensitivity_by_chance"]
    rows += [["by chance", *(percent(by_chance[axis]) for axis in axes)]] if by_chance else []
    words = "share of the variance, over all points that fit; the rest is in their interplay"
    listed = table(["objective", *map(short, axes)], rows, words)
    return beside(sensitivity(shares), listed, broad=True)


def _points(values: Values) -> str:
    left = [number for number, point in enumerate(values["points"]) if point["status"] == "excluded"]
    shown = [*values["ranked"], *left][:LISTED]
    if not shown:
        return ""
    words = f"front by front; {LISTED:,} of {len(values['points']):,}" if len(shown) == LISTED else "front by front"
    return folded(f"{len(shown):,} points", _table(values, shown, words))


def _table(values: Values, numbers: list[int], caption: str) -> str:
    first, others = list(values["objectives"]), [name for name in OBJECTIVES if name not in values["objectives"]]
    rows = []
    for number in numbers:
        point = values["points"][number]
        best, rest = ([_amount(name, point[OBJECTIVES[name].column]) for name in names] for names in (first, others))
        rows.append([str(point["rank"] or point["status"]), *best, *_values(point), *rest, _quotient(point)])
    words = [[name.replace("_", " ") for name in names] for names in (first, others)]
    head = ["front", *words[0], *map(short, values["axes"]), *words[1], "ANN / SNN"]
    return table(head, rows, caption)


def _quotient(point: Point) -> str:
    ratio = point.get("ann_over_snn", {}).get("all")
    return "" if ratio is None else f"{ratio:.3g}"


def _reasons(values: Values) -> str:
    bad = [point for point in values["points"] if point["status"] != "ok"]
    if not bad:
        return ""
    rows = [[*_values(point), point["status"], "; ".join(point["reasons"])] for point in bad[:REASONS]]
    words = f"{REASONS:,} of {len(bad):,}" if len(bad) > REASONS else ""
    return folded(f"{len(bad):,} points", table([*map(short, values["axes"]), "status", "reasons"], rows, words, left=True))


def _constants(values: Values) -> str:
    return "".join(constants(Chip.parse(chip["values"], f"chip {name!r}"), name) for name, chip in values["chips"].items())


def _provenance(values: Values) -> str:
    rows = [["neurosim", str(values["version"])], ["seed", str(values["seed"])]]
    rows += [[name, str(choice)] for name, choice in values["choices"].items()]
    rows += [[f"set {name}", str(value)] for name, value in values["set"].items()]
    rows += [[f"axis {name}", _axis(axis)] for name, axis in values["axes"].items()]
    rows += [[f"constraint {name}", _bounds(bounds)] for name, bounds in values["constraints"].items()]
    rows += [[f"network {name}", f"sha256 {sha256}"] for name, sha256 in values["networks"].items()]
    rows += [[f"chip {name}", f"sha256 {chip['sha256']}"] for name, chip in values["chips"].items()]
    return table(["", ""], rows, left=True)


def _axis(axis: Any) -> str:
    if isinstance(axis, list):
        return ", ".join(map(str, axis))
    kind = f"{'logarithmic' if axis['log'] else 'even'}{', integers' if axis['whole'] else ''}"
    return f"{axis['low']:g} to {axis['high']:g}, {kind}"


def _bounds(bounds: dict[str, float | None]) -> str:
    return ", ".join(f"{word} {value:g}" for word, value in bounds.items() if value is not None)


def _values(point: Point) -> list[str]:
    """Of its settings."""
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in point["settings"].values()]


def _amount(name: str, value: float | None) -> str:
    return amount(OBJECTIVES[name], value)
