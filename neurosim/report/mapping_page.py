"""The report of a mapping: one HTML file."""

from __future__ import annotations

import os

import numpy as np

from neurosim.io.hdf5 import replacing
from neurosim.mapping.demand import joined
from neurosim.mapping.survey import Survey
from neurosim.report.figure import PERCENT
from neurosim.report.mesh_figures import Cores, DrawnLink, heat_maps, link_map
from neurosim.report.page import beside, cards, document, table
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
    listed = [[f"{a} to {b}", si(flits, "")] for a, b, flits in survey.busiest]
    return document(f"{mapping.network.name} on {mapping.chip.name}: mapping", cards(tiles), [
        ("Cores", _cores(survey)),
        ("Layers", _layers(survey)),
        ("Links", beside(_links(survey), table(["link", "flits per image"], listed, "the busiest"))),
    ])  # fmt: skip


def _cores(survey: Survey) -> str:
    mapping, sent = survey.mapping, survey.sent
    fullest = np.array([max((use.share for use in used), default=0.0) for used in mapping.uses])
    neurons = mapping.by_core(np.array([brick.neurons for brick in mapping.bricks])).tolist()
    words = [[f"{n:,}", si(s, ""), percent(f)] for n, s, f in zip(neurons, sent.tolist(), fullest.tolist(), strict=True)]
    layers = [joined(mapping.network, bricks) for bricks in mapping.held]
    heads = ("layer", "neurons", "flit-hops sent", "fullest resource")
    cores = Cores(mapping.grid, mapping.used, layers, heads, words)
    maps = [(sent, "Flit-hops sent, per image", ""), (100 * fullest, "Fullest resource", PERCENT)]
    return heat_maps(cores, maps)


def _links(survey: Survey) -> str:
    grid, load = survey.mapping.grid, survey.load
    used = np.flatnonzero(load > 0).tolist()
    links = [DrawnLink(*grid.ends(link), float(load[link]), f"{si(load[link], 'flits')}") for link in used]
    return link_map(grid, links, "Flits per image over every link")


def _layers(survey: Survey) -> str:
    """Of every limit, how much the core that needs most of it uses."""
    rows, limits = [], {use.resource: f"{use.limit:,} {use.unit}" for use in survey.fullest(0) if use.limit}
    for index, layer in enumerate(survey.mapping.network.layers):
        used = {use.resource: f"{use.demand:,} ({percent(use.share)})" for use in survey.fullest(index)}
        cores = str(int((survey.mapping.layer_of == index).sum()))
        rows.append([layer.name, cores, *(used[resource] for resource in limits)])
    head = ["layer", "cores", *(f"{resource}, of {limit}" for resource, limit in limits.items())]
    return table(head, rows, "the fullest core of every layer")
