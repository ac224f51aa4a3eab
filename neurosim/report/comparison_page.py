"""The report of a comparison of a few chips: one HTML file."""

from __future__ import annotations

import os

from neurosim.chip.chip import Chip
from neurosim.chip.covers import TOPICS
from neurosim.cost.action import PURPOSES
from neurosim.explore.document import ComparisonDocument
from neurosim.explore.objective import OBJECTIVES
from neurosim.io.hdf5 import replacing
from neurosim.outcome.document import RunDocument
from neurosim.report.comparison_text import (
    SAMPLED,
    amount_rows,
    at_nodes,
    paired_rows,
    paired_words,
    scaled,
    setting,
    verdict,
)
from neurosim.report.page import beside, bullets, cards, document, paragraph, table
from neurosim.report.sources import constants
from neurosim.report.study_figures import bars
from neurosim.report.units import percent, si
from neurosim.report.words import (
    BOUND_WORDS,
    accuracies_within,
    ann_chip_beside,
    energy_bracket,
    machines,
    ratio_bracket,
)

Runs = dict[str, RunDocument]


def save_comparison_report(found: ComparisonDocument, path: str | os.PathLike[str]) -> None:
    """Write the report of a comparison; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(comparison_page(found), encoding="utf-8")


def comparison_page(found: ComparisonDocument) -> str:
    """The whole document."""
    runs = found.runs
    sections = [
        ("In words", bullets(verdict(found)) if verdict(found) else ""),
        ("Scaled to one node", bullets(scaled(_chips(found))) if scaled(_chips(found)) else ""),
        ("Nodes that differ", bullets(found.nodes) if found.nodes else ""),
        ("Not counted alike", bullets(found.uneven) if found.uneven else ""),
        ("Costs nothing", bullets(found.free) if found.free else ""), ("Beside each other", _amounts(found)),
        ("Told apart", _paired(found)),
        ("Where the energy goes", _energy(runs)), ("What set the pace", _pace(runs)),
        ("Against the same network without spikes", _ann(runs)), ("Layers", _layers(runs)), ("Does not fit", _reasons(found)),
        ("Settings that differ", _differences(found)), ("Constants and their sources", _constants(runs)),
        ("What is counted", _coverage(found)),
        ("Not counted", bullets(list(dict.fromkeys(note for run in runs.values() for note in run.not_counted)))),
        ("How to repeat", _provenance(runs)),
    ]  # fmt: skip
    title = f"{' and '.join(found.chips)} compared"
    return document(title, _headline(found), [(name, body) for name, body in sections if body])


def _chips(found: ComparisonDocument) -> dict[str, Chip]:
    return {name: run.chip.values for name, run in found.runs.items()}


def _headline(found: ComparisonDocument) -> str:
    if not found.runs:
        return paragraph("The network fits none of the chips.")
    first, run = next(iter(found.runs.items()))
    words = f"{run.network.name}, {run.images:,} samples of {run.provenance.inputs}; the same spikes on every chip."
    tiles = []
    for name, ratios in list(found.ratios.items())[1:]:
        tiles += [(f"{name}: {OBJECTIVES[key].words}", f"{ratios[key]:.3g} times", f"that of {first}")
                  for key in ("energy", "latency") if ratios[key] is not None]  # fmt: skip
    return paragraph(words) + cards(tiles)


def _coverage(found: ComparisonDocument) -> str:
    rows = [[words, *(each[topic] or "not said" for each in found.coverage.values())] for topic, words in TOPICS.items()]
    return table(["", *found.coverage], rows) if found.coverage else ""


def _amounts(found: ComparisonDocument) -> str:
    first, rows = next(iter(found.metrics), ""), []
    for key, (words, *cells) in amount_rows(found):
        ratios = [None if name == first else found.ratios[name].get(key) for name in found.metrics]
        more = ["" if ratio is None else f" ({ratio:.3g} times)" for ratio in ratios]
        rows.append([words, *map("".join, zip(cells, more, strict=True))])
    said = f"; {SAMPLED}" if any(each.latency_s_error for each in found.errors.values()) else ""
    told = f"in brackets: times {first}{said}{at_nodes(_chips(found))}"
    return table(["", *found.metrics], rows, told) if found.metrics else ""


def _paired(found: ComparisonDocument) -> str:
    rows = paired_rows(found)
    return table(["", *found.paired], rows, paired_words(found)) if rows else ""


def _energy(runs: Runs) -> str:
    if not runs:
        return ""
    parts = {purpose: [run.energy.by_purpose_J[purpose] / run.images for run in runs.values()] for purpose in PURPOSES}
    rows = [[purpose, *(si(joules, "J") for joules in each)] for purpose, each in parts.items()]
    return beside(bars([*runs], parts, "Energy per image, by purpose", "J"), table([_per_image(runs), *runs], rows), broad=True)


def _pace(runs: Runs) -> str:
    if not runs:
        return ""
    shares = {words: [run.time.bound_by[key] for run in runs.values()] for key, words in BOUND_WORDS.items()}
    each = [run.time.seconds_per_image for run in runs.values()]
    seconds = {words: [s * spent for s, spent in zip(found, each, strict=True)] for words, found in shares.items()}
    rows = [[words, *map(percent, found)] for words, found in shares.items()]
    listed = table(["share of the time", *runs], rows)
    return beside(bars([*runs], seconds, "Time per image, by what set the pace", "s"), listed, broad=True)


def _ann(runs: Runs) -> str:
    rows = []
    for name, run in runs.items():
        compute, everything = next(step for step in run.steps if step.purpose == "compute"), run.steps[-1]
        spent = energy_bracket(everything.ann_J), si(everything.snn_J, "J"), *map(ratio_bracket, (compute, everything))
        rows.append([name, ann_chip_beside(name, run), *spent, *accuracies_within(run)])
    head = ["chip", "ANN on", "ANN", "SNN", "ANN / SNN, compute", "everything", "accuracy, ANN", "SNN"]
    beware = list(dict.fromkeys(warning for run in runs.values() for warning in machines(run)[2:]))
    return (bullets(beware) if beware else "") + table(head, rows, f"energy {_per_image(runs)}") if rows else ""


def _layers(runs: Runs) -> str:
    if not runs:
        return ""
    rows = [
        [layers[0].name, *(si(layer.energy_J / run.images, "J") for layer, run in zip(layers, runs.values(), strict=True))]
        for layers in zip(*(run.layers for run in runs.values()), strict=True)
    ]
    return table([f"energy {_per_image(runs)}", *runs], rows)


def _per_image(runs: Runs) -> str:
    return "per image" + at_nodes({name: run.chip.values for name, run in runs.items()})


def _reasons(found: ComparisonDocument) -> str:
    return "".join(paragraph(name) + bullets(reasons) for name, reasons in found.reasons.items())


def _differences(found: ComparisonDocument) -> str:
    rows = [[place, *map(setting, values)] for place, values in found.differences.items()]
    return table(["setting", *found.chips], rows)


def _constants(runs: Runs) -> str:
    return "".join(constants(run.chip.values, name) for name, run in runs.items())


def _provenance(runs: Runs) -> str:
    rows = [[name, run.provenance.command, run.chip.sha256] for name, run in runs.items()]
    return table(["chip", "command", "chip sha256"], rows, left=True) if rows else ""
