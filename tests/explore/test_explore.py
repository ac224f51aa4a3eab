"""Studies: sampling, fronts and sensitivity by law, points that are those of a run, a store that survives anything."""

import csv
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError, NeurosimError
from neurosim.explore import sweep as sweeping
from neurosim.explore import task
from neurosim.explore.axis import Axis
from neurosim.explore.findings import Findings, StudyPoint, _explained, ranks
from neurosim.explore.objective import OBJECTIVES, metrics
from neurosim.explore.reading import study_of
from neurosim.explore.sampling import grid, latin_hypercube
from neurosim.explore.store import ABOUT, Store
from neurosim.explore.study import StudyError
from neurosim.io.shared_trace import share_trace, shared_trace
from tests.helpers import samples
from tests.helpers.examples import FUZZ
from tests.helpers.samples import call, only_json
from tests.helpers.studies import STUDY, filled, values

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("study"))


def found_in(folder, store=None, workers=2, **changes):
    with ThreadPoolExecutor(workers) as pool:
        return ns.sweep(study_of(values(**changes), folder), store=store, executor=pool)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_is_every_combination_once(sizes):
    axes = {f"a{i}": Axis(tuple(range(n))) for i, n in enumerate(sizes)}
    rows = grid(axes, 0, 0)
    assert len(rows) == np.prod(sizes) == len({tuple(row.values()) for row in rows})
    assert [tuple(row.values()) for row in rows] == list(product(*(range(n) for n in sizes)))


@given(st.integers(1, 40), st.integers(0, 9))
def test_a_latin_hypercube_has_one_point_in_every_part_of_every_axis(points, seed):
    axes = {"a": Axis(low=0.0, high=1.0), "b": Axis(low=1.0, high=1024.0, log=True)}
    rows = latin_hypercube(axes, points, seed)
    assert rows == latin_hypercube(axes, points, seed) and len(rows) == points
    assert sorted(int(row["a"] * points) for row in rows) == list(range(points))
    assert sorted(int(np.log2(row["b"]) / 10 * points) for row in rows) == list(range(points))


@given(st.floats(0, 1, exclude_max=True), st.integers(-5, 50), st.integers(1, 50))
def test_values_of_a_range_lie_in_it(share, low, more):
    axis = Axis(low=low, high=low + more, whole=True)
    assert low <= axis.at(share) <= low + more and isinstance(axis.at(share), int)
    assert low <= Axis(low=low, high=low + more).at(share) <= low + more
    shares = (np.arange(7 * (more + 1)) + 0.5) / (7 * (more + 1))
    assert set(np.unique([axis.at(x) for x in shares], return_counts=True)[1]) == {7}, "every integer is as likely"


@settings(max_examples=200)
@given(st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=2), min_size=1, max_size=25))
def test_fronts_are_what_remains_undominated_when_the_better_ones_are_gone(rows):
    costs = np.array(rows, np.float64)
    found = ranks(costs)

    def beats(one, other):
        return all(costs[one] <= costs[other]) and any(costs[one] < costs[other])

    for i, rank in enumerate(found):
        others = [j for j in range(len(rows)) if beats(j, i)]
        assert rank == 1 + max((found[j] for j in others), default=0)


def test_an_axis_explains_what_it_decides_and_nothing_else():
    a, b = np.repeat([0, 1, 2], 4), np.tile([0, 1, 2, 3], 3)
    assert _explained(a, a * 10.0) == pytest.approx(1) and _explained(b, a * 10.0) == pytest.approx(0)
    both = a * 3.0 + b * 2.0
    parts = _explained(a, both), _explained(b, both)
    assert sum(parts) == pytest.approx(1) and parts[0] == pytest.approx(np.var(a * 3.0) / np.var(both))
    assert _explained(a, np.ones(12)) is None


@pytest.mark.parametrize("workers", [1, 3])
def test_a_point_is_what_a_run_says(folder, workers):
    found = found_in(folder, workers=workers)
    network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")[:4]
    assert len(found.rows) == 4
    for row in found.rows:
        chip = ns.load_chip("mesh45", [f"{path}={value}" for path, value in row.settings.items()])
        run = ns.run(network, inputs, chip, timing="analytic")
        assert row.metrics == metrics(run)
        assert row.outcome["counts"] == run.counts
        total = sum(row.outcome["energy_by_purpose_J"].values())
        assert total == pytest.approx(run.energy.per_image_J) == pytest.approx(row.metrics["energy_J"])
        assert row.outcome["ann_over_snn"]["all"] == pytest.approx(run.ledger.ann["total_J"] / run.energy.total_J)


def test_the_same_bits_come_from_threads_processes_and_any_number_of_them(folder):
    study = ns.load_study(folder / "study.toml")
    with ThreadPoolExecutor(1) as pool:
        expected = ns.sweep(study, executor=pool)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert ns.sweep(study, executor=pool).to_dict() == expected.to_dict()
    with ThreadPoolExecutor(8) as pool:
        assert ns.sweep(folder / "study.toml", executor=pool).csv == expected.csv


def test_only_the_front_is_looked_at_closer(folder):
    with ThreadPoolExecutor(2) as pool:
        found = ns.sweep(folder / "study.toml", executor=pool)
    assert found.front and {row.closer is not None for row in found.front} == {True}
    assert all(row.closer is None for row in found.rows if row not in found.front)
    network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")[:2]
    for row in found.front:
        changes = [f"{path}={value}" for path, value in row.settings.items() if path != "placer"]
        chip = ns.load_chip("mesh45", ["mesh.width=6", *changes])
        assert row.closer["metrics"] == metrics(ns.run(network, inputs, chip, placer=row.settings["placer"], timing="packet"))


def test_what_does_not_fit_is_a_row_with_its_reasons(folder):
    """One neuron per core needs more cores than there are."""
    found = call("sweep", folder / "study.toml", "-o", folder / "out", "--workers", "1", "--json", "-")
    told = only_json(found.out)
    assert found.code == 0
    bad = [point for point in told["points"] if point["settings"]["core.max_neurons"] == 1]
    assert len(bad) == 6 and all(point["status"] == "infeasible" and point["energy_J"] is None for point in bad)
    assert all("cores needs" in point["reasons"][0] and point["rank"] is None for point in bad)
    rows = list(csv.DictReader(io.StringIO((folder / "out" / "table.csv").read_text())))
    assert [row["status"] for row in rows] == [point["status"] for point in told["points"]]
    assert json.loads((folder / "out" / "results.json").read_text()) == told
    with h5py.File(folder / "out" / "table.h5") as file:
        assert file["status"].asstr()[()].tolist() == [row["status"] for row in rows]
        known = [point["energy_J"] if point["energy_J"] is not None else np.nan for point in told["points"]]
        np.testing.assert_array_equal(file["energy_J"][()], known)


def test_settings_that_contradict_each_other_are_a_row_too(folder):
    """Sparse storage needs the width of its indices."""
    found = found_in(folder, axes={"core.storage": ["shared", "sparse"]})
    assert found.status == ["ok", "infeasible"]
    assert "index_bits" in found.rows[1].outcome["reasons"][0]


def test_a_study_where_nothing_fits_ends_with_1(folder, tmp_path):
    study = STUDY.replace("[8, 40, 1]", "[1]")
    (folder / "hopeless.toml").write_text(study)
    found = call("sweep", folder / "hopeless.toml", "-o", tmp_path / "out", "--workers", "1")
    assert found.code == 1 and "6 infeasible" in found.out


def test_constraints_exclude(folder):
    every = found_in(folder)
    most = sorted(row.metrics["energy_J"] for row in every.rows)[1]
    found = found_in(folder, constraints={"energy": {"max": most}})
    assert found.status.count("excluded") == 2 and found.status.count("ok") == 2
    assert all(row.metrics["energy_J"] <= most for row in found.front)
    out = [row for row in csv.DictReader(io.StringIO(found.csv)) if row["status"] == "excluded"]
    assert len(out) == 2 and all(row["reasons"].startswith("energy is ") for row in out)


def test_equal_values_of_a_range_are_one_level(folder):
    axes = {"core.lanes": {"low": 1, "high": 3, "whole": True}}
    found = found_in(folder, axes=axes, sample="latin-hypercube", points=30, objectives=["latency"])
    values_of = {row.settings["core.lanes"]: row.metrics["latency_s"] for row in found.rows}
    assert len(found.rows) == len(values_of) == 3 and found.sensitivity["latency"]["core.lanes"] == pytest.approx(1)
    assert found.to_dict()["drawn"] == 30
    axis, many = Axis(low=0.0, high=1.0), np.repeat(np.linspace(0, 1, 20), 3).tolist()
    study = replace(found.study, axes={"a": axis})
    levels = Findings(study, ())._levels("a", [StudyPoint({"a": value}, {}) for value in many])
    assert all(len({*levels[i : i + 3]}) == 1 for i in range(0, 60, 3)) and len({*levels.tolist()}) == 4


def outcome(energy):
    return {"status": "ok", "reasons": [], "metrics": {"energy_J": energy}}


def test_chance_explains_what_it_does(folder):
    axes = {"a": Axis((0, 1, 2, 3)), "b": Axis((0, 1))}
    found = found_in(folder)
    rng, seen = np.random.default_rng(0), []
    for _ in range(300):
        drawn = zip(rng.integers(0, 4, 20).tolist(), rng.integers(0, 2, 20).tolist(), rng.random(20).tolist(), strict=True)
        rows = tuple(StudyPoint({"a": a, "b": b}, outcome(e)) for a, b, e in drawn)
        made = Findings(replace(found.study, axes=axes, sample="random", objectives=("energy",)), rows)
        seen.append([made.sensitivity["energy"][axis] for axis in axes])
    assert np.mean(seen, axis=0) == pytest.approx([*made.by_chance.values()], rel=0.15)
    assert found.by_chance is None, "a grid is balanced"


def test_more_of_it_can_be_better(folder):
    found = found_in(folder, objectives=["throughput"])
    best = max(row.metrics["throughput_per_s"] for row in found.rows)
    assert {row.metrics["throughput_per_s"] for row in found.front} == {best}
    assert found.rows[found.ranked[0]].metrics["throughput_per_s"] == best


def test_networks_chips_meshes_and_weight_bits_are_axes(folder):
    axes = {"weight_bits": [4, 8], "mesh": ["4x4", "8x8"], "chip": ["mesh45", "loihi"], "schedule": ["sequential", "pipelined"]}
    changes = {"network": "float.h5", "inputs": "float_in.h5", "axes": axes}
    found = found_in(folder, **changes)
    assert len(found.rows) == 16 and set(found.status) == {"ok"}
    network, inputs = ns.load_network(folder / "float.h5"), ns.load_inputs(folder / "float_in.h5")[:4]
    chip, integer = ns.load_chip("loihi", ["mesh.width=4"]), ns.quantize(network.float_twin, 4)
    four = ns.run(integer, inputs, chip, timing="analytic", schedule="pipelined")
    row = next(row for row in found.rows if [*row.settings.values()] == [4, "4x4", "loihi", "pipelined"])
    assert row.metrics == metrics(four)
    twice = {"axes": {"network": ["float.h5", "float.h5"]}, "inputs": "float_in.h5"}
    with pytest.raises(StudyError, match="more than once"):
        study_of({key: value for key, value in values(**twice).items() if key != "network"}, folder)


def test_a_chip_that_changes_the_spikes_gets_a_trace_of_its_own(folder):
    lines = []
    with ThreadPoolExecutor(2) as pool:
        axes = {"core.state_bits": [8, 32]}
        found = ns.sweep(study_of(values(axes=axes), folder), executor=pool, log=lines.append)
    assert [line for line in lines if " 32 state bits" in line] and [line for line in lines if " 8 state bits" in line]
    network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")[:4]
    narrow = ns.run(network, inputs, ns.load_chip("mesh45", ["core.state_bits=8"]), timing="analytic")
    assert narrow.counts["saturations"] and found.rows[0].outcome["counts"] == narrow.counts


def test_nothing_is_done_twice(folder, tmp_path, monkeypatch):
    lines = []
    first = found_in(folder, tmp_path / "store")
    monkeypatch.setattr(sweeping, "done", lambda task: pytest.fail("a known point is done again"))
    monkeypatch.setattr(sweeping, "simulate", lambda *args, **how: pytest.fail("a trace is recorded again"))
    assert found_in(folder, tmp_path / "store").to_dict() == first.to_dict()
    with ThreadPoolExecutor(1) as pool:
        study = study_of(values(axes={"core.lanes": [2], "core.max_neurons": [40, 8]}, name="another"), folder)
        shared = ns.sweep(study, store=tmp_path / "store", executor=pool, log=lines.append)
    assert lines == ["2 of 2 points are known from before"]
    assert [row.metrics for row in shared.rows] == [first.rows[3].metrics, first.rows[2].metrics]


def test_what_is_damaged_is_done_again(folder, tmp_path):
    first = found_in(folder, tmp_path / "store")
    points = sorted((tmp_path / "store" / "points").rglob("*.json"))
    points[0].write_text("{")
    points[1].write_text(json.dumps({"key": "another", "status": "ok"}))
    points[2].write_bytes(b"\xff")
    half = json.loads(points[3].read_text())
    points[3].write_text(json.dumps(half | {"metrics": "none"}))
    assert found_in(folder, tmp_path / "store").to_dict() == first.to_dict()


def test_a_damaged_trace_is_named(folder, tmp_path):
    found_in(folder, tmp_path / "store")
    (array,) = (tmp_path / "store" / "traces").glob("*/outputs.npy")
    array.write_bytes(array.read_bytes()[:20])
    task.recorded_in.cache_clear()
    with pytest.raises(FileError, match="delete it, and it is made anew"):
        found_in(folder, tmp_path / "store", axes={"core.lanes": [16]})


def test_a_store_of_a_newer_version_is_refused_before_anything_happens(folder, tmp_path):
    store = tmp_path / "store"
    Store(store)
    (store / ABOUT).write_text(json.dumps({"format": "neurosim-store", "format_version": 2}))
    with pytest.raises(FileError, match="format version 2 is newer than 1, the one known here; update neurosim"):
        found_in(folder, store)
    assert [path.name for path in store.iterdir()] == [ABOUT]
    (store / ABOUT).write_text("[]")
    with pytest.raises(FileError, match="is not that of a store"):
        found_in(folder, store)


def test_a_file_in_the_place_of_the_store_is_said(folder, tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(FileError, match="cannot be used as a store"):
        found_in(folder, tmp_path / "store")


WRONG = {
    "an unknown axis": ({"axes": {"core.lane": [1, 2]}}, "no setting of chip 'mesh45'; did you mean 'core.lanes'"),
    "an empty axis": ({"axes": {"core.lanes": []}}, "axis 'core.lanes' is empty"),
    "no axes": ({"axes": {}}, "there are no axes"),
    "a misspelt objective": ({"objectives": ["enrgy"]}, "objective 'enrgy' does not exist; did you mean 'energy'"),
    "a misspelt key": ({"objectivs": ["energy"]}, "unknown key 'objectivs'; did you mean 'objectives'"),
    "a range in a grid": ({"axes": {"core.lanes": {"low": 1, "high": 4}}}, "a grid needs lists"),
    "points of a grid": ({"points": 3}, "points is for random samples"),
    "no points": ({"sample": "random"}, "there are 0 points"),
    "an unknown sample": ({"sample": "sobol"}, "sample 'sobol' does not exist; there are: grid, random, latin-hypercube"),
    "a range the wrong way": ({"axes": {"core.lanes": {"low": 4, "high": 1}}}, "low is 4 and high 1; low must be less"),
    "a logarithm of nothing": ({"axes": {"clock.hz": {"low": 0, "high": 1, "log": True}}}, "with log it must be positive"),
    "an unknown placer": ({"placer": "luck"}, "placer 'luck' does not exist"),
    "an unknown placer in an axis": ({"axes": {"placer": ["greedy", "luck"]}}, "placer 'luck' does not exist"),
    "an unknown timing": ({"timing": "exact"}, "timing 'exact' does not exist"),
    "an unknown chip": ({"chip": "mesh46"}, "no such preset"),
    "a missing network": ({"network": "none.h5"}, "none.h5: does not exist"),
    "missing inputs": ({"inputs": "none.h5"}, "none.h5"),
    "too many images": ({"images": 7}, "images is 7; in.h5 holds 6 samples"),
    "no images": ({"images": 0}, "images is 0"),
    "a wrong kind": ({"images": "many"}, "images is 'many'; it must be an integer"),
    "a wrong mesh": ({"axes": {"mesh": ["8"]}}, "axis 'mesh' has '8'; its values are words like '8x8'"),
    "bits of no float weights": ({"axes": {"weight_bits": [4]}}, "net.h5 holds no float weights to quantize"),
    "too many bits": ({"axes": {"weight_bits": [4, 32]}}, "it takes integers from 2 to 16"),
    "an area that nobody knows": ({"objectives": ["area"]}, "chip 'mesh45' gives no area_mm2 for weight_sram"),
    "an area that a constraint needs": ({"constraints": {"area": {"max": 9}}}, "chip 'mesh45' gives no area_mm2"),
    "an unknown constraint": ({"constraints": {"force": {"max": 1}}}, "constraint 'force' does not exist"),
    "an odd constraint": ({"constraints": {"energy": {"most": 1}}}, "give min, max or both, as finite numbers"),
    "an odd front": ({"front": {"timing": "exact", "pictures": 1}}, "front: unknown key 'pictures'"),
    "a value that is a list": ({"axes": {"core.lanes": [[1]]}}, r"axis 'core.lanes' has the value \[1\]"),
    "given and an axis": ({"placer": "greedy", "axes": {"placer": ["greedy"]}}, "placer is given and an axis; leave out one"),
    "a negative seed": ({"seed": -1}, "seed is -1; it must not be negative"),
    "not a number": ({"axes": {"core.lanes": [float("nan"), 2]}}, "axis 'core.lanes' has the value nan"),
    "endless": ({"axes": {"clock.hz": [float("inf")]}}, "axis 'clock.hz' has the value inf"),
    "a huge integer": ({"axes": {"core.lanes": [10**26]}}, "values are words, finite numbers, integers below"),
    "a huge range": ({"axes": {"clock.hz": {"low": 1, "high": 1e300}}}, "both must be numbers up to"),
    "a range of 400 digits": ({"axes": {"clock.hz": {"low": 1, "high": 10**400}}}, "both must be numbers up to"),
    "a range of integers": (
        {"axes": {"core.lanes": {"low": 1, "high": 8}}, "sample": "random", "points": 3}, "takes integers; add whole = true"
    ),
    "a range of bits": (
        {"axes": {"weight_bits": {"low": 2, "high": 8}}, "sample": "random", "points": 3}, "takes integers from 2 to 16"
    ),
    "an endless constraint": ({"constraints": {"energy": {"max": float("inf")}}}, "as finite numbers"),
    "an empty constraint": ({"constraints": {"energy": {"min": 2, "max": 1}}}, "allows nothing: min is 2 and max 1"),
    "a wrong mesh for all": ({"set": {"mesh": "8y8"}}, "set has 'mesh' = '8y8'"),
    "a date": ({"set": {"title": date(1979, 5, 27)}}, "set has 'title' = datetime.date"),
    "a choice among settings": ({"set": {"placer": "greedy"}}, "set has 'placer', which is no setting of a chip"),
    "a value that no chip takes": ({"set": {"core.storage": "foo"}}, "core.storage: is 'foo'"),
    "set and an axis": ({"set": {"core.lanes": 2}}, "'core.lanes' is set more than once"),
    "two axes for one thing": ({"axes": {"mesh": ["8x8"], "mesh.width": [8, 9]}}, "'mesh.width' is set more than once"),
    "an axis without quotes": ({"axes": {"core": {"lanes": [1, 4]}}}, 'write "core.lanes" = ..., in quotes'),
    "a list of lists": ({"objectives": [["energy"]]}, "does not exist"),
    "an objective twice": ({"objectives": ["energy", "energy"]}, "objective 'energy' is given more than once"),
    "too many images for a closer look": ({"front": {"images": 5}}, "front: images is 5; it must be 1 to 4"),
    "yes for packet images": ({"packet_images": True}, "packet_images is True; it must be 'auto', 'all', or a whole number"),
    "yes for images": ({"front": {"images": True}}, "front: images is True"),
    "a key that is a number": ({"axes": {3: [1]}}, "axes has the key 3; keys are words"),
    "an unknown setting": ({"set": {"core.line": 3}}, "set has 'core.line', which is no setting of chip 'mesh45'; did"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_before_any_work(folder, name):
    changes, says = WRONG[name]
    with pytest.raises(StudyError, match=says):
        study_of(values(**changes), folder)


def test_accuracy_needs_labels(folder, tmp_path):
    inputs = ns.load_inputs(folder / "in.h5")
    ns.Inputs(inputs.images).save(tmp_path / "in.h5")
    for changes in ({"objectives": ["accuracy"]}, {"constraints": {"accuracy": {"min": 0.5}}}):
        with pytest.raises(StudyError, match=r"accuracy counts, and .* has no labels"):
            study_of(values(network=str(folder / "net.h5"), inputs=str(tmp_path / "in.h5"), **changes), folder)


def test_workers_must_be_some(folder):
    with pytest.raises(NeurosimError, match="workers is 0; there must be at least one"):
        ns.sweep(folder / "study.toml", workers=0)


def test_integers_too_long_to_read_are_said(tmp_path):
    (tmp_path / "study.toml").write_text(f"seed = {'9' * 5001}\n")
    assert "is not valid TOML" in call("sweep", tmp_path / "study.toml", "-o", tmp_path / "out").err


def test_areas_by_model_count(folder):
    memories = [memory.name for memory in ns.load_chip("mesh45").memory if memory.per != "off chip"]
    modelled = {f"memory.{name}.model": "sram" for name in memories}
    study = study_of(values(objectives=["area"], set=modelled, axes={"mesh": ["4x4", "8x8"]}), folder)
    with ThreadPoolExecutor(1) as pool:
        small, large = (row.metrics["area_mm2"] for row in ns.sweep(study, executor=pool).rows)
    assert large == pytest.approx(4 * small) and small > 0


def test_everything_wrong_is_said_at_once(folder, tmp_path):
    broken = STUDY.replace('"latency"', '"latncy"').replace("core.lanes", "core.lane").replace("images = 4", "images = 40")
    (folder / "broken.toml").write_text(broken)
    found = call("sweep", folder / "broken.toml", "-o", tmp_path / "out")
    assert found.code == 2 and "3 problems" in found.err and not (tmp_path / "out").exists()
    for words in ("did you mean 'latency'", "did you mean 'core.lanes'", "images is 40; in.h5 holds 6 samples"):
        assert words in found.err


@pytest.mark.parametrize("text", ["", "x", "[axes", "network = 3\n", '[axes]\n"core.lanes" = [1]\n', "\x00"])
def test_files_that_are_no_studies(tmp_path, text):
    (tmp_path / "study.toml").write_text(text)
    found = call("sweep", tmp_path / "study.toml", "-o", tmp_path / "out")
    assert found.code == 2 and "study.toml" in found.err and "Traceback" not in found.err


def test_something_unforeseen_is_a_failed_row_that_is_tried_again(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "evaluated", lambda *args, **how: 1 / 0)
    found = found_in(folder, tmp_path / "store")
    assert found.failed == 4 and "ZeroDivisionError" in found.rows[0].outcome["reasons"][0]
    monkeypatch.undo()
    assert found_in(folder, tmp_path / "store").failed == 0


def words(*arguments):
    """The command line in a process of its own."""
    return [sys.executable, "-m", "neurosim", *map(str, arguments)]


def test_a_full_disk_leaves_the_store_intact(folder, tmp_path):
    """No file may grow beyond what the first results need."""

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = words("sweep", folder / "study.toml", "-o", tmp_path / "out", "--workers", 1)
    full = subprocess.run(command, preexec_fn=lambda: limit(1000), capture_output=True, text=True, cwd=ROOT)
    assert full.returncode == 2 and "cannot be written: File too large" in full.stderr and "Traceback" not in full.stderr
    assert not list((tmp_path / "out").rglob("*.tmp"))
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert again.returncode == 0, again.stderr


def forked(*arguments):
    """The number of a process, leader of its own group, that runs a command with all that this one has imported."""
    child = os.fork()
    if not child:
        os.setsid()
        os._exit(call(*arguments).code)
    return child


@pytest.mark.slow
@pytest.mark.fuzz
def test_killed_again_and_again_a_study_ends_as_if_nothing_had_happened(folder, tmp_path, monkeypatch):
    # Workers that begin at once, so that it is their work that is cut short.
    monkeypatch.setattr("multiprocessing.get_context", lambda _: get_context("fork"))
    chance = random.Random(5)

    def sweep(out):
        return forked("sweep", folder / "study.toml", "-o", out, "--workers", 2)

    with ThreadPoolExecutor(2) as pool:
        ns.sweep(folder / "study.toml", executor=pool)
    assert call("sweep", folder / "study.toml", "-o", tmp_path / "first").code == 0
    began = time.monotonic()
    assert os.waitpid(sweep(tmp_path / "whole"), 0)[1] == 0
    whole = time.monotonic() - began
    ends = []
    for _ in range(4 * FUZZ):
        process = sweep(tmp_path / "killed")
        time.sleep(chance.uniform(0.05, 0.5) * whole)
        os.killpg(process, signal.SIGKILL)
        ends.append(os.waitpid(process, 0)[1])
    assert signal.SIGKILL in ends
    assert os.waitpid(sweep(tmp_path / "killed"), 0)[1] == 0
    for name in ("table.csv", "results.json", "table.h5"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_do_not_outlive_a_study_that_is_killed_alone(folder, tmp_path, end):
    command = words("sweep", folder / "study.toml", "-o", tmp_path / "out", "--workers", 2)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while "simulated" not in (process.stderr.readline() or "simulated"):
        pass
    process.send_signal(end)
    process.communicate(timeout=60)
    assert _gone(process.pid)


def test_a_broken_pool_is_said(folder):
    broken = ProcessPoolExecutor(1, get_context("spawn"), initializer=os._exit, initargs=(3,))
    with broken as pool, pytest.raises(NeurosimError, match=r"a worker died.*__main__"):
        ns.sweep(folder / "study.toml", executor=pool)


def test_what_was_not_begun_is_cancelled_when_the_caller_stops(folder, monkeypatch):
    begun = []

    def slow(asked):
        begun.append(asked.key)
        time.sleep(0.05)
        return {"status": "ok", "reasons": [], "metrics": {}}

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    monkeypatch.setattr(sweeping, "done", slow)
    study = study_of(values(axes={"core.lanes": list(range(1, 41))}), folder)
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        ns.sweep(study, executor=pool, progress=stop)
    assert 1 <= len(begun) <= 5


def test_a_trace_that_another_study_wrote_first_stays(folder, tmp_path, monkeypatch):
    network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")
    trace = ns.simulate(network, inputs)
    share_trace(trace, tmp_path / "traces" / "k")
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "traces" / "k").iterdir())
    share_trace(trace, tmp_path / "traces" / "k")
    assert before == sorted(path.stat().st_mtime_ns for path in (tmp_path / "traces" / "k").iterdir())
    assert [path.name for path in (tmp_path / "traces").iterdir()] == ["k"]
    assert shared_trace(tmp_path / "traces" / "k", network).outputs.tolist() == trace.outputs.tolist()


def test_what_a_chip_leaves_out_is_not_from_another_study(folder, tmp_path):
    for note in ("first", "second"):
        (tmp_path / "chip.toml").write_text(f'base = "mesh45"\nname = "own"\nnot_counted = ["{note}"]\n')
        found = found_in(folder, tmp_path / "store", chip=str(tmp_path / "chip.toml"))
        assert [text for text in found.to_dict()["not_counted"] if text in ("first", "second")] == [note]


@pytest.mark.slow
def test_interrupted_it_says_so_and_leaves_no_worker_behind(folder, tmp_path):
    """In the middle of 2,000 points."""
    lanes = ", ".join(map(str, range(1, 1001)))
    (folder / "long.toml").write_text(STUDY.replace("[1, 2, 8]", f"[{lanes}]").replace("[8, 40, 1]", "[40]"))
    command = words("sweep", folder / "long.toml", "-o", tmp_path / "out", "--workers", 2)
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_heed_interrupts
    )
    while "simulated" not in (process.stderr.readline() or "simulated"):
        pass
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and "the same command goes on from there" in err
    assert _gone(process.pid)


def _heed_interrupts():
    """What a shell starts in the background ignores them, and hands that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _gone(group):
    """Whether all processes of a group end within some seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def test_an_optimizer_can_drive_a_study(folder, tmp_path):
    axes = {"core.lanes": {"low": 1, "high": 16, "whole": True, "log": True}, "placer": ["row-major", "greedy"],
            "clock.hz": {"low": 1e8, "high": 1e9}}  # fmt: skip
    study = study_of(values(axes=axes, sample="random", points=5, objectives=["energy", "throughput"]), folder)
    explorer = ns.Explorer(study, tmp_path / "store")
    assert explorer.directions == ["minimize", "maximize"]

    class First:
        """A trial that takes the first it may."""

        def suggest_categorical(self, name, choices):
            return choices[0]

        def suggest_int(self, name, low, high, *, log=False):
            assert (low, high, log) == (1, 16, True)
            return low

        def suggest_float(self, name, low, high, *, log=False):
            return low

    asked = explorer.ask(First())
    assert asked == {"core.lanes": 1, "placer": "row-major", "clock.hz": 1e8}
    network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")[:4]
    chip = ns.load_chip("mesh45", ["core.lanes=1", "clock.hz=1e8"])
    run = ns.run(network, inputs, chip, placer="row-major", timing="analytic")
    assert explorer.values(asked) == [run.energy.per_image_J, 1 / run.time.seconds_per_image] == explorer.values(asked)
    with pytest.raises(NeurosimError, match=r"the axes are core\.lanes, placer, clock\.hz"):
        explorer.values({"core.lanes": 1})


def test_a_point_that_does_not_fit_has_no_values(folder, tmp_path):
    explorer = ns.Explorer(study_of(values(), folder), tmp_path / "store")
    assert explorer.values({"core.lanes": 1, "core.max_neurons": 1}) is None
    narrow = ns.Explorer(study_of(values(axes={"core.state_bits": [8, 32]}), folder), tmp_path / "store")
    assert narrow.outcome({"core.state_bits": 8})["counts"]["saturations"] > 0
    tight = ns.Explorer(study_of(values(constraints={"energy": {"max": 0}}), folder), tmp_path / "store")
    assert tight.values({"core.lanes": 1, "core.max_neurons": 40}) is None


def test_optuna_finds_the_best_of_a_small_study(folder, tmp_path):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    explorer = ns.Explorer(study_of(values(objectives=["energy"]), folder), tmp_path / "store")
    optimizer = optuna.create_study(directions=explorer.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(16):
        trial = optimizer.ask()
        optimizer.tell(trial, explorer.values(explorer.ask(trial)))
    best = min(row.metrics["energy_J"] for row in found_in(folder, tmp_path / "store").rows)
    assert optimizer.best_value == best


@pytest.mark.slow
def test_a_dask_cluster_finds_the_same(folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        options = ("--dask", cluster.scheduler_address)
        found = call("sweep", folder / "study.toml", "-o", tmp_path / "out", *options)
        assert found.code == 0, found.err
        with distributed.Client(cluster) as client:
            network, inputs = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")
            run = ns.run(network, inputs, ns.load_chip("mesh45"), executor=client.get_executor())
    alone = call("sweep", folder / "study.toml", "-o", tmp_path / "alone", "--workers", "1")
    assert alone.code == 0 and (tmp_path / "out" / "table.csv").read_bytes() == (tmp_path / "alone" / "table.csv").read_bytes()
    assert run.outputs.tolist() == ns.simulate(network, inputs).outputs.tolist()


def test_no_scheduler_at_an_address_is_said(folder, tmp_path):
    pytest.importorskip("distributed")
    found = call("sweep", folder / "study.toml", "-o", tmp_path / "out", "--dask", "tcp://127.0.0.1:1")
    assert found.code == 2 and "no scheduler answers" in found.err


def test_slices_on_an_executor_are_the_whole(monkeypatch):
    monkeypatch.setattr(sys.modules["neurosim.spikes.simulate"], "SLICE_IMAGES", 2)
    for encoding in ("direct", "spikes"):
        network = samples.residual(encoding)
        inputs, seen = samples.inputs(network, 7), []
        with ThreadPoolExecutor(3) as pool:
            sliced = ns.simulate(network, inputs, executor=pool, progress=seen.append)
        whole = ns.simulate(network, inputs)
        assert seen == [2, 2, 2, 1] and sliced.network is network
        assert (sliced.outputs == whole.outputs).all() and not any(ns.mismatches(sliced, whole).values())
        mapping = ns.map_network(network, ns.load_chip("mesh45"))
        one, other = (ns.evaluate(trace, mapping, timing="analytic").counts for trace in (sliced, whole))
        assert one == other


def test_the_table_is_a_frame(folder):
    found = found_in(folder)
    pandas = pytest.importorskip("pandas")
    frame = found.frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == list(found.table.dtype.names)
    assert frame["energy_J"].tolist() == [row.metrics["energy_J"] for row in found.rows]


def test_the_example_runs(tmp_path):
    found = call("sweep", ROOT / "examples" / "lanes.toml", "-o", tmp_path / "out", "--workers", "1", "--json", "-")
    told = only_json(found.out)
    assert found.code == 0 and len(told["points"]) == 27 and {point["status"] for point in told["points"]} == {"ok"}
    assert set(told["objectives"]) <= set(OBJECTIVES) and told["front"]
    assert told["free_axes"] == {} and "costs nothing" not in found.err
    best = min(range(27), key=lambda n: told["points"][n]["energy_J"] * told["points"][n]["area_mm2"])
    assert best in told["front"]
    for axis, tried in told["axes"].items():
        assert min(tried) < told["points"][best]["settings"][axis] < max(tried), axis


def test_compare_says_ratios_amounts_and_what_differs(folder):
    chips = ("--chip", "mesh45", "--chip", "loihi")
    found = call("compare", folder / "net.h5", folder / "in.h5", *chips, "--json", "-")
    told = only_json(found.out)
    runs = [told["runs"][name] for name in ("mesh45", "loihi")]
    energies = [run["energy"]["per_image_J"] for run in runs]
    assert told["ratios"]["loihi"]["energy"] == pytest.approx(energies[1] / energies[0])
    assert told["ratios"]["mesh45"]["energy"] == 1
    assert told["differences"]["core.lanes"] == [16, 1] and "core.storage" not in told["differences"]
    out = call("compare", folder / "net.h5", folder / "in.h5", *chips).out
    assert "times mesh45" in out and out.index("times mesh45") < out.index("Amounts") < out.index("Settings that differ")


def test_compare_names_the_chip_that_does_not_fit(folder, tmp_path):
    (tmp_path / "tiny.toml").write_text('base = "mesh45"\nname = "tiny"\n[core]\nmax_neurons = 1\n[mesh]\nwidth = 1\n')
    found = call("compare", folder / "net.h5", folder / "in.h5", "--chip", "mesh45", "--chip", tmp_path / "tiny.toml")
    assert found.code == 1 and "tiny.toml does not fit" in found.out and "cores needs" in found.out
    assert call("compare", folder / "net.h5", folder / "in.h5", "--chip", "mesh45").code == 2
    assert call("compare", folder / "net.h5", folder / "in.h5", "--chip", "mesh45", "--chip", "mesh45").code == 2
