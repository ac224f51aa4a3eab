"""Axes of a study and differences of chips that nobody pays for are said before anything starts, and in what comes of it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

import neurosim as ns
from neurosim.explore.free import axis_costs, free_axes, free_settings
from neurosim.explore.reading import study_of
from tests.helpers.samples import call, only_json
from tests.helpers.studies import STUDY, filled, values

RANGE = {"low": 1, "high": 64, "whole": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("study"))


def costs(folder, **changes):
    return axis_costs(study_of(values(**changes), folder))


def test_axes_are_judged_chip_by_chip(folder):
    axes = {"chip": ["mesh45", "lp45"], "core.lanes": [1, 2], "core.max_neurons": [8, 40], "placer": ["greedy"]}
    study = study_of({k: v for k, v in values(axes=axes).items() if k != "chip"}, folder)
    found = axis_costs(study)
    assert found == {"core.lanes": {"mesh45": [], "lp45": ["leakage", "area"]}}
    assert free_axes(found) == {"core.lanes": ["mesh45"]}


@pytest.mark.parametrize(("chip", "paid"), [("mesh45", []), ("lp45", ["leakage", "area"])])
def test_ranges_are_judged_from_end_to_end(folder, chip, paid):
    more = {"sample": "random", "points": 3, "chip": chip}
    assert costs(folder, axes={"core.lanes": RANGE}, **more) == {"core.lanes": {chip: paid}}


def test_what_is_set_everywhere_counts(folder):
    law = {"model": "sram", "node_nm": 45, "cells": "lop", "words_per_cycle": 1}
    law = {f"memory.weight_sram.{key}": value for key, value in law.items()}
    axes = {"memory.weight_sram.bits": [2**17, 2**18]}
    assert costs(folder, axes=axes) == {"memory.weight_sram.bits": {"mesh45": []}}
    assert costs(folder, axes=axes, set=law) == {"memory.weight_sram.bits": {"mesh45": ["energy", "leakage", "area"]}}


def test_a_mesh_costs_area_where_there_is_one(folder):
    axes = {"mesh": ["6x6", "7x7"]}
    assert costs(folder, axes=axes) == {"mesh": {"mesh45": []}}
    assert costs(folder, axes=axes, chip="lp45") == {"mesh": {"lp45": ["area"]}}


def test_values_that_a_chip_refuses_say_nothing(folder):
    assert costs(folder, axes={"clock.hz": [4e8, 5e9]}, chip="lp45") == {}
    assert costs(folder, axes={"clock.hz": [1e8, 4e8, 5e9]}, chip="lp45") == {"clock.hz": {"lp45": []}}


def test_a_study_says_it_first_in_its_json_and_in_its_report(folder, tmp_path):
    (folder / "study.toml").write_text(STUDY)
    found = call("sweep", folder / "study.toml", "-o", tmp_path, "--workers", "1")
    said = "core.lanes costs nothing on mesh45"
    assert found.err.startswith(said) and found.err.count(said) == 1 and said in found.out
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["free_axes"] == {"core.lanes": ["mesh45"]} and told["axis_costs"]["core.lanes"] == {"mesh45": []}
    page = (tmp_path / "report.html").read_text()
    assert page.index("Costs nothing") < page.index("Pareto front</h2>") and said in page


def test_a_log_says_it_before_anything_is_simulated(folder):
    lines = []
    with ThreadPoolExecutor(1) as pool:
        ns.sweep(study_of(values(), folder), executor=pool, log=lines.append)
    assert "core.lanes costs nothing" in lines[0] and any("simulated" in line for line in lines[1:])


def test_chips_that_differ_in_nothing_that_costs_are_said(folder):
    chips = {"one": ns.load_chip("mesh45")}
    chips["faster"] = chips["one"].replace("core.lanes", 64).replace("memory.state_sram.words_per_cycle", 8)
    chips["other"] = chips["one"].replace("core.lanes", 64).replace("mesh.delivery", "multicast")
    chips["dearer"] = chips["one"].replace("core.lanes", 64).replace("operation.mac.pj", 9)
    chips["same"] = chips["one"]
    (said,) = free_settings(chips)
    assert said.startswith("faster differs from one in core.lanes, memory.state_sram.words_per_cycle")


def test_compare_says_it_first(folder, tmp_path):
    (tmp_path / "wide.toml").write_text('base = "mesh45"\nname = "wide"\n[core]\nlanes = 64\n')
    chips = ("--chip", "mesh45", "--chip", tmp_path / "wide.toml")
    found = call("compare", folder / "net.h5", folder / "in.h5", *chips, "--report", tmp_path / "page.html")
    said = "differs from mesh45 in core.lanes alone, which costs nothing"
    assert found.err.count(said) == 1 and said in found.out and said in (tmp_path / "page.html").read_text()
    for pair, many in ((chips, 1), (("--chip", "mesh45", "--chip", "lp45"), 0)):
        told = only_json(call("compare", folder / "net.h5", folder / "in.h5", *pair, "--json", "-").out)
        assert len(told["free"]) == many
