"""The report of a mapping: one HTML file."""

from __future__ import annotations

import os

import numpy as np

from neurosim.io.hdf5 import replacing
from neurosim.mapping.survey import Survey
from neurosim.report.page import cards, document, heat, section, table
from neurosim.report.units import percent, si


def save_mapping_report(survey: Survey, path: str | os.PathLike[str]) -> None:
    """Write the report; the file appears whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(mapping_page(survey), encoding="utf-8")


def mapping_page(survey: Survey) -> str:
    """The whole document."""
    mapping, found = survey.mapping, survey.traffic
    tiles = [
        ("cores", f"{len(mapping.used):,} of {mapping.chip.cores:,}", f"placed {mapping.placer}"),
        ("flit-hops per image", si(found.flit_hops, ""), survey.assumed),
        ("busiest link", si(found.busiest, ""), "flits per image"),
        ("between chips", si(found.crossings, ""), "flits per image"),
    ]
    fullest = np.array([max((use.share for use in used), default=0.0) * 100 for used in mapping.uses])
    maps = [("Flit-hops sent, per image", survey.sent, ""), ("Fullest resource, %", fullest, "")]
    figures = "".join(f"<figure><figcaption>{n}</figcaption>{heat(mapping, v, u)}</figure>" for n, v, u in maps)
    links = [[f"{a} to {b}", si(flits, "")] for a, b, flits in survey.busiest]
    return document(f"{mapping.network.name} on {mapping.chip.name}: mapping", [
        cards(tiles), section("Mesh", f'<div class="figures">{figures}</div>'),
        section("Layers", _layers(survey)),
        section("Busiest links", table(["link", "flits per image"], links)),
    ])  # fmt: skip


def _layers(survey: Survey) -> str:
    """Of every limit, how much the core that needs most of it uses."""
    rows, limits = [], {use.resource: f"{use.limit:,} {use.unit}" for use in survey.fullest(0) if use.limit}
    for index, layer in enumerate(survey.mapping.network.layers):
        used = {use.resource: f"{use.demand:,} ({percent(use.share)})" for use in survey.fullest(index)}
        cores = str(int((survey.mapping.layer_of == index).sum()))
        rows.append([layer.name, cores, *(used[resource] for resource in limits)])
    head = ["layer", "cores", *(f"{resource}, of {limit}" for resource, limit in limits.items())]
    return table(head, rows, "the fullest core of every layer")
