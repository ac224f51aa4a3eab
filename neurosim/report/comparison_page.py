"""The report of a comparison of a few chips: one HTML file."""

from __future__ import annotations

import os
from typing import Any

from neurosim.chip.chip import Chip
from neurosim.cost.action import PURPOSES
from neurosim.explore.objective import OBJECTIVES
from neurosim.io.hdf5 import replacing
from neurosim.report.comparison_text import COMPARED, setting
from neurosim.report.page import beside, bullets, cards, document, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.study_figures import bars
from neurosim.report.study_text import amount
from neurosim.report.text import BOUND_WORDS
from neurosim.report.units import percent, si

Values = dict[str, Any]


def save_comparison_report(values: Values, path: str | os.PathLike[str]) -> None:
    """Write the report of what `neurosim compare` writes as JSON; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(comparison_page(values), encoding="utf-8")


def comparison_page(values: Values) -> str:
    """The whole document."""
    runs = values["runs"]
    sections = [
        ("Beside each other", _amounts(values)), ("Where the energy goes", _energy(runs)), ("What set the pace", _pace(runs)),
        ("Against the same network without spikes", _ann(runs)), ("Layers", _layers(runs)), ("Does not fit", _reasons(values)),
        ("Settings that differ", _differences(values)), ("Constants and their sources", _constants(runs)),
        ("Not counted", bullets(list(dict.fromkeys(note for run in runs.values() for note in run["not_counted"])))),
        ("How to repeat", _provenance(runs)),
    ]  # fmt: skip
    title = f"{' and '.join(values['chips'])} compared"
    return document(title, _headline(values), [(name, body) for name, body in sections if body])


def _headline(values: Values) -> str:
    runs = values["runs"]
    if not runs:
        return paragraph("The network fits none of the chips.")
    first, run = next(iter(runs)), next(iter(runs.values()))
    words = (
        f"{run['network']['name']}, {run['images']:,} samples of {run['provenance']['inputs']}; the same spikes on every chip."
    )
    tiles = []
    for name, ratios in list(values["ratios"].items())[1:]:
        tiles += [(f"{name}: {OBJECTIVES[key].words}", f"{ratios[key]:.3g} times", f"that of {first}")
                  for key in ("energy", "latency") if ratios[key] is not None]  # fmt: skip
    return paragraph(words) + cards(tiles)


def _amounts(values: Values) -> str:
    found, first = values["metrics"], next(iter(values["metrics"]), "")
    rows = []
    for key in COMPARED:
        cells = []
        for name, metrics in found.items():
            ratio = values["ratios"][name][key]
            beside_it = "" if ratio is None or name == first else f" ({ratio:.3g} times)"
            cells.append(amount(OBJECTIVES[key], metrics[OBJECTIVES[key].column]) + beside_it)
        rows.append([OBJECTIVES[key].words, *cells])
    return table(["", *found], rows, f"in brackets: times {first}") if found else ""


def _energy(runs: Values) -> str:
    if not runs:
        return ""
    parts = {purpose: [run["energy"]["by_purpose_J"][purpose] / run["images"] for run in runs.values()] for purpose in PURPOSES}
    rows = [[purpose, *(si(joules, "J") for joules in each)] for purpose, each in parts.items()]
    return beside(bars([*runs], parts, "Energy per image, by purpose", "J"), table(["per image", *runs], rows), broad=True)


def _pace(runs: Values) -> str:
    if not runs:
        return ""
    seconds = {
        words: [run["time"]["bound_by"][key] * run["time"]["seconds_per_image"] for run in runs.values()]
        for key, words in BOUND_WORDS.items()
    }
    rows = [[words, *(percent(run["time"]["bound_by"][key]) for run in runs.values())] for key, words in BOUND_WORDS.items()]
    listed = table(["share of the time", *runs], rows)
    return beside(bars([*runs], seconds, "Time per image, by what set the pace", "s"), listed, broad=True)


def _ann(runs: Values) -> str:
    rows = []
    for name, run in runs.items():
        ours, theirs = run["energy"], run["ann"]
        ratios = [theirs[key] / ours[key] if ours[key] else float("nan") for key in ("compute_J", "total_J")]
        rows.append(
            [name, si(theirs["total_J"] / run["images"], "J"), si(ours["per_image_J"], "J"), *(f"{r:.3g}" for r in ratios)]
        )
    return table(["chip", "ANN", "SNN", "ANN / SNN, compute", "everything"], rows, "energy per image") if rows else ""


def _layers(runs: Values) -> str:
    if not runs:
        return ""
    names = [layer["name"] for layer in next(iter(runs.values()))["layers"]]
    rows = [
        [name, *(si(run["layers"][i]["energy_J"] / run["images"], "J") for run in runs.values())]
        for i, name in enumerate(names)
    ]
    return table(["energy per image", *runs], rows)


def _reasons(values: Values) -> str:
    return "".join(paragraph(name) + bullets(reasons) for name, reasons in values["reasons"].items())


def _differences(values: Values) -> str:
    rows = [[place, *map(setting, found)] for place, found in values["differences"].items()]
    return table(["setting", *values["chips"]], rows)


def _constants(runs: Values) -> str:
    return "".join(constants(Chip.parse(run["chip"]["values"], f"chip {name!r}"), name) for name, run in runs.items())


def _provenance(runs: Values) -> str:
    rows = [[name, run["provenance"]["command"], run["chip"]["sha256"]] for name, run in runs.items()]
    return table(["chip", "command", "chip sha256"], rows, left=True) if rows else ""
