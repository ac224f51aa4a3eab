"""Noise is not ranked: points and chips paired image by image, their sampled times, and what has no effect."""

import csv
import html
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import neurosim as ns
from neurosim.cli.studies import compared as compared_chips
from neurosim.cost.spikeless import SAME_CHIP
from neurosim.explore.document import ErrorsSection, StudyDocument
from neurosim.explore.findings import Findings, StudyPoint
from neurosim.explore.images import PAIRED, ImageCosts, difference, differences
from neurosim.explore.objective import OBJECTIVES, metrics
from neurosim.explore.reading import study_of
from neurosim.explore.study import unused_packet_images
from neurosim.explore.task import INFEASIBLE, OK
from neurosim.report.comparison_page import comparison_page
from neurosim.report.comparison_text import VERDICTS, comparison_summary, verdict
from neurosim.report.study_page import study_page
from neurosim.report.study_text import ALIKE, measured, study_summary
from neurosim.report.study_text import difference as in_words
from neurosim.report.units import si
from neurosim.timing.choice import TimeChoice
from tests.helpers import samples
from tests.helpers.energies import priced, tiny
from tests.helpers.examples import almost
from tests.helpers.samples import call, only_json
from tests.helpers.studies import filled, values

CHIPS = ("--chip", "lp45", "--chip", "mesh45")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("study"))


def rendered(what):
    console = Console(width=300, file=io.StringIO())
    console.print(what)
    return console.file.getvalue()


def swept(folder, **changes):
    with ThreadPoolExecutor(2) as pool:
        return ns.sweep(study_of(values(**changes), folder), executor=pool)


def costs(rng, images, trace="a", **changes):
    found = {"energy_J": rng.uniform(1, 2, images), "seconds": rng.uniform(3, 4, images), "right": rng.random(images) < 0.9}
    return ImageCosts(**found | {"trace": trace, "energy_error_J": 0.0, "seconds_error": 0.0} | changes)


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(seeds, st.integers(2, 30))
def test_every_difference_is_that_of_the_means(rng, images):
    one, other = costs(rng, images), costs(rng, images, "b")
    found = differences(one, other)
    assert [*found] == [*PAIRED]
    assert found["energy"].mean == pytest.approx(one.energy_J.mean() - other.energy_J.mean(), abs=1e-12)
    assert found["latency"].mean == pytest.approx(one.seconds.mean() - other.seconds.mean(), abs=1e-12)
    products = [each.energy_J.mean() * each.seconds.mean() for each in (one, other)]
    assert found["edp"].mean == pytest.approx(products[0] - products[1], rel=1e-9, abs=1e-12)
    assert found["accuracy"].mean == pytest.approx(one.right.mean() - other.right.mean())
    means = [(each.energy_J.mean(), each.seconds.mean(), each.energy_J.mean() * each.seconds.mean()) for each in (one, other)]
    for name, mine, theirs in zip(("energy", "latency", "edp"), *means, strict=True):
        assert found[name].ratio.value == pytest.approx(mine / theirs)
    assert found["accuracy"].ratio is None


@given(seeds, st.integers(2, 30), st.sampled_from([None, 0.0, 0.2]))
def test_a_point_is_the_same_as_itself_in_everything(rng, images, error):
    one = costs(rng, images, energy_error_J=error, seconds_error=error)
    for found in differences(one, ImageCosts.read(json.loads(json.dumps(one.kept)))).values():
        assert (found.mean, found.low, found.high, found.told_apart) == (0, 0, 0, False)


@given(seeds, st.floats(0.01, 1))
def test_a_sampled_time_leaves_more_open(rng, error):
    sure = [costs(rng, 12, trace) for trace in "ab"]
    sampled = [replace(each, energy_error_J=error / 2, seconds_error=error) for each in sure]
    before, after = differences(*sure), differences(*sampled)
    for name in ("energy", "latency", "edp"):
        assert after[name].mean == before[name].mean and after[name].high > before[name].high
    half = (before["latency"].high - before["latency"].low) / 2
    assert after["latency"].high - after["latency"].mean == pytest.approx(np.sqrt(half**2 + 2 * error**2))
    off = [np.log(each["latency"].ratio.high / each["latency"].ratio.value) for each in (before, after)]
    shares = [error / each.seconds.mean() for each in sampled]
    assert off[1] == pytest.approx(np.sqrt(off[0] ** 2 + shares[0] ** 2 + shares[1] ** 2))
    assert after["accuracy"] == before["accuracy"]


def test_answers_are_compared_where_they_may_differ():
    rng = np.random.default_rng(1)
    one = costs(rng, 8, right=np.ones(8, bool))
    other = replace(one, trace="another")
    assert differences(one, one)["accuracy"].high == 0 < differences(one, other)["accuracy"].high
    assert "accuracy" not in differences(one, replace(one, right=None))


def test_points_are_paired_with_the_best_in_every_objective(folder):
    found = swept(folder)
    told = found.to_dict()
    runs = [ns.run(ns.load_network(folder / "net.h5"), found.study.inputs, found.study.chip(row.settings), timing="analytic")
            for row in found.rows]  # fmt: skip
    assert [*told["best"]] == [*PAIRED]
    for name, column in (("energy", "energy_J"), ("latency", "latency_s"), ("edp", "edp_Js")):
        amounts = [point[column] for point in told["points"]]
        best = told["best"][name]
        assert amounts[best] == min(amounts)
        for point, run in zip(told["points"], runs, strict=True):
            assert point["paired"][name]["mean"] == pytest.approx(point[column] - min(amounts), rel=1e-9, abs=1e-18)
            assert point["energy_J"] == almost(run.energy.per_image_J)
        own = told["points"][best]["paired"][name]
        assert (own["mean"], own["low"], own["high"], own["told_apart"]) == (0, 0, 0, False)
    each = found.rows[1].images.energy_J
    assert each == pytest.approx(runs[1].energy.images_J)
    assert told["points"][1]["errors"]["energy_J_standard_error"] == almost(each.std(ddof=1) / np.sqrt(len(each)))
    assert told["points"][1]["errors"]["latency_s_error"] is None


def test_tables_say_how_far_energy_and_latency_may_be_off(folder):
    found = swept(folder)
    rows = [*csv.DictReader(io.StringIO(found.csv))]
    for name in ErrorsSection.model_fields:
        told = [point["errors"][name] for point in found.to_dict()["points"]]
        assert [float(row[name]) if row[name] else None for row in rows] == told
        assert [None if np.isnan(value) else value for value in found.table[name].tolist()] == told


def test_the_second_run_of_a_study_pairs_the_same(folder, tmp_path):
    study = study_of(values(), folder)
    with ThreadPoolExecutor(2) as pool:
        first, second = (ns.sweep(study, store=tmp_path, executor=pool).to_dict() for _ in range(2))
    assert first == second and first["points"][0]["paired"]


# Up to six points of three images each, with noise, some that take nothing, and an exact objective.
point = st.tuples(*[st.lists(st.integers(0, 4), min_size=3, max_size=3)] * 2, st.integers(1, 3))


def made(study, rows):
    """Findings without any run."""
    points = []
    for energy, seconds, cores in rows:
        images = costs(np.random.default_rng(0), 3, energy_J=np.array(energy, float), seconds=np.array(seconds, float))
        found = {"energy_J": images.energy_J.mean(), "latency_s": images.seconds.mean(), "cores": cores}
        outcome = {"status": OK, "reasons": [], "metrics": found, "images": images}
        points.append(StudyPoint({"core.lanes": len(points)}, outcome))
    return Findings(study, tuple(points))


@given(st.lists(point, min_size=1, max_size=6))
def test_points_near_the_front_are_those_that_nothing_tells_apart(folder, rows):
    found = made(study_of(values(objectives=["energy", "latency", "cores"]), folder), rows)
    front = [i for i, rank in enumerate(found.rank) if rank == 1]
    near = []
    for i, other in product(range(len(rows)), front):
        apart = [difference(name, found.rows[i].images, found.rows[other].images) for name in ("energy", "latency")]
        worse = [each.told_apart and each.mean > 0 for each in apart] + [rows[i][2] > rows[other][2]]
        near += [i] if i not in front and not any(worse) else []
    assert found.near_front == sorted({*near})


def test_equal_noise_is_near_the_front_and_certain_loss_is_not(folder):
    study = study_of(values(objectives=["energy", "latency"]), folder)
    rows = [([1, 2, 3], [1, 2, 3], 1), ([1, 2, 3.2], [1, 2, 3], 1), ([2, 4, 6.1], [1, 2, 3], 1)]
    assert made(study, rows).near_front == [1]
    without = [replace(row, outcome=row.outcome | {"images": None}) for row in made(study, rows).rows]
    bare = Findings(study, tuple(without))
    assert bare.near_front == [] and bare.best == {} and bare.paired == [None] * 3


@pytest.fixture(scope="module")
def compared(folder):
    return only_json(call("compare", folder / "net.h5", folder / "in.h5", *CHIPS, "--json", "-").out)


def test_compare_pairs_every_chip_with_the_first(compared):
    one, other = (compared["runs"][name] for name in ("lp45", "mesh45"))
    assert [*compared["paired"]] == ["mesh45"]
    found = compared["paired"]["mesh45"]
    assert found["energy"]["mean"] == almost(np.mean(other["images_energy_J"]) - np.mean(one["images_energy_J"]))
    assert found["latency"]["mean"] == almost(np.mean(other["images_seconds"]) - np.mean(one["images_seconds"]))
    assert found["edp"]["mean"] == almost(other["energy_delay_Js"] - one["energy_delay_Js"])
    assert found["energy"]["ratio"]["value"] == almost(compared["ratios"]["mesh45"]["energy"])
    assert found["edp"]["ratio"]["value"] == almost(compared["ratios"]["mesh45"]["edp"])
    assert found["accuracy"]["mean"] == found["accuracy"]["high"] == 0 and "ratio" not in found["accuracy"]
    power = compared["metrics"]["lp45"]["power_W"], compared["metrics"]["lp45"]["dynamic_power_W"]
    assert power == (almost(one["power_W"]["average"]), almost(one["power_W"]["dynamic"]))
    assert compared["metrics"]["lp45"]["pj_per_event"] == almost(one["energy"]["pj_per_synaptic_event"]["total"])
    assert compared["metrics"]["lp45"]["energy_median_J"] == almost(np.median(one["images_energy_J"]))
    assert compared["metrics"]["lp45"]["latency_p99_s"] == almost(np.quantile(one["images_seconds"], 0.99))


def test_a_chip_that_only_its_name_sets_apart_is_the_same(folder, tmp_path):
    (tmp_path / "twin.toml").write_text('base = "lp45"\nname = "twin"\n')
    found = call("compare", folder / "net.h5", folder / "in.h5", "--chip", "lp45", "--chip", tmp_path / "twin.toml")
    lines = [line for line in found.out.splitlines() if line.endswith("the same")]
    assert len(lines) == len(PAIRED) and "costs nothing" not in found.err


def test_all_that_say_what_is_better_say_the_same(folder, tmp_path):
    """A study of lanes, its report, and a comparison of the chips that it is about: of each, beside the best."""
    study = swept(folder, axes={"core.lanes": [1, 2, 8]}, chip="lp45")
    told, shown, page = study.to_dict(), rendered(study_summary(study)), study_page(study.document)
    net, inputs = ns.load_network(folder / "net.h5"), study.study.inputs
    for name, column in (("energy", "energy_J"), ("latency", "latency_s")):
        best = told["best"][name]
        others = [number for number in range(3) if number != best]
        chips = {str(number): study.study.chip(study.rows[number].settings) for number in (best, *others)}
        found = compared_chips(net, inputs, chips, None, TimeChoice("analytic"), SAME_CHIP, 1)
        page_of_both = html.unescape(comparison_page(found))
        for number, line in zip(others, [line for line in verdict(found) if VERDICTS[name][1] in line], strict=True):
            point, pair = told["points"][number]["paired"][name], found.to_dict()["paired"][str(number)][name]
            assert pair["told_apart"] == point["told_apart"] == ("beyond the noise" in line)
            assert line in page_of_both and in_words(name, found.paired[str(number)][name]) in page_of_both
            assert list(pair["ratio"].values()) == pytest.approx(list(point["ratio"].values()))
            assert pair["ratio"]["value"] == pytest.approx(told["points"][number][column] / told["points"][best][column])
            marked = measured(name, told["points"][number][column], None) + ALIKE
            assert (marked in shown) == (marked in page) == (not point["told_apart"])


def test_a_chip_that_takes_no_energy_is_told_apart_without_a_ratio(folder):
    net, data = ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5")
    chips = {"free": priced(ns.load_chip("mesh45"), 0.0), "lp45": ns.load_chip("lp45")}
    for names in (("free", "lp45"), ("lp45", "free")):
        found = compared_chips(net, data, {name: chips[name] for name in names}, None, TimeChoice("analytic"), SAME_CHIP, 1)
        each, energy = found.paired[names[1]], abs(found.metrics["lp45"].energy_J)
        for name in ("energy", "edp"):
            assert each[name].ratio is None and each[name].told_apart
        assert abs(each["energy"].mean) == pytest.approx(energy) and (each["energy"].mean < 0) == (names[1] == "free")
        assert f"free is cheaper than lp45: lp45 takes {si(energy, 'J')} per image, and free none" in verdict(found)
        text = rendered(comparison_summary(chips, found))
        assert si(energy, "J") in text and " inf" not in text and "nan" not in text
    both = compared_chips(net, data, {"a": chips["free"], "b": chips["free"]}, None, TimeChoice("analytic"), SAME_CHIP, 1)
    assert both.paired["b"]["energy"].same and "a and b take the same energy per image" in verdict(both)


def test_a_sampled_time_has_its_interval_beside_it(folder, tmp_path):
    data = samples.inputs(ns.load_network(folder / "net.h5"), 40)
    data.save(tmp_path / "many.h5")
    written = ("--json", tmp_path / "c.json", "--report", tmp_path / "c.html")
    found = call("compare", folder / "net.h5", tmp_path / "many.h5", *CHIPS, "--packet-images", "8", *written)
    told = json.loads((tmp_path / "c.json").read_text())
    for name, run in told["runs"].items():
        assert told["errors"][name]["latency_s_error"] == almost(run["time"]["seconds_per_image_error"])
        assert run["time"]["seconds_per_image_error"] > 0
        assert told["errors"][name]["energy_J_error"] == almost(run["energy"]["per_image_J_error"])
    latency = next(line for line in found.out.splitlines() if line.startswith(OBJECTIVES["latency"].words) and "±" in line)
    assert latency.count("±") == 2 and "± is the 95 % interval" in found.out
    assert "± is the 95 % interval" in (tmp_path / "c.html").read_text() and "no effect" not in found.err
    told = swept(folder, inputs=str(tmp_path / "many.h5"), images=40, timing="packet").to_dict()
    assert all(point["errors"]["latency_s_error"] > 0 for point in told["points"])


@pytest.mark.parametrize(
    ("how", "images", "says"),
    [
        (TimeChoice(), 40, None), (TimeChoice("analytic"), 40, None), (TimeChoice(packet_images="all"), 40, None),
        (TimeChoice(packet_images=7), 40, None), (TimeChoice(packet_images=39), 40, None),
        (TimeChoice(packet_images=40), 40, "all of 40 images anyway"), (TimeChoice(packet_images=7), 5, "all of 5 images"),
        (TimeChoice("analytic", packet_images=7), 40, "no packets are followed"),
        (TimeChoice("analytic", packet_images="all"), 40, "no packets are followed"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_known(how, images, says):
    said = how.unused(images)
    assert said is None if says is None else says in said
    if says and how.timing != "analytic":
        network, inputs = tiny()
        data = ns.Inputs.from_spikes(np.repeat(inputs.spikes, images, 0))
        assert ns.run(network, data, "mesh45", packet_images=how.packet_images).time.sample.error == 0


@pytest.mark.parametrize("command", ["compare", "run"])
def test_what_has_no_effect_is_said_once(folder, command):
    chips = CHIPS if command == "compare" else CHIPS[:2]
    asked = ("--packet-images", "7", "--timing", "analytic")
    found = call(command, folder / "net.h5", folder / "in.h5", *chips, *asked)
    assert found.err.count("--packet-images 7 has no effect") == 1
    assert "no effect" not in call(command, folder / "net.h5", folder / "in.h5", *chips, "--timing", "analytic").err


def test_a_study_says_what_has_no_effect(folder):
    assert "packet_images = 7 has no effect" in unused_packet_images(study_of(values(packet_images=7), folder))
    for changes in ({}, {"packet_images": "auto"}, {"packet_images": 2, "timing": "packet", "images": 6}):
        assert unused_packet_images(study_of(values(**changes), folder)) is None


def test_objectives_are_those_of_runs(folder):
    run = ns.run(ns.load_network(folder / "net.h5"), ns.load_inputs(folder / "in.h5"), "lp45")
    told, found = run.to_dict(), metrics(run)
    assert found["edp_Js"] == almost(told["energy_delay_Js"])
    assert found["dynamic_pj_per_event"] == almost(told["energy"]["pj_per_synaptic_event"]["dynamic"])
    assert found["energy_p99_J"] == almost(np.quantile(told["images_energy_J"], 0.99))
    assert found["latency_median_s"] == almost(np.median(told["images_seconds"]))
    assert found["ann_energy_J"] == almost(told["ann"]["total_J"] / told["images"])
    assert found["ann_pj_per_mac"] == almost(1e12 * told["ann"]["total_J"] / told["ann"]["macs"])
    assert found["ann_ratio"] == almost(told["ann"]["total_J"] / told["energy"]["total_J"])


def test_a_study_judges_by_the_network_without_spikes(folder):
    """The least energy without spikes is best, and the largest ratio to that with; and no more than so many pJ are allowed."""
    changes = {"chip": "lp45", "axes": {"core.lanes": [1, 16, 64]}}
    for name, column, best in (("ann_energy", "ann_energy_J", min), ("ann_ratio", "ann_ratio", max)):
        points = swept(folder, objectives=[name], **changes).to_dict()["points"]
        amounts = [point[column] for point in points]
        assert len({*amounts}) == 3 and [point["rank"] for point in points].index(1) == amounts.index(best(amounts))
        assert all(point["ann_ratio"] == almost(point["ann_over_snn"]["all"]) for point in points)
    most = sorted(point["ann_pj_per_mac"] for point in points)[1]
    found = swept(folder, objectives=["energy"], constraints={"ann_pj_per_mac": {"max": most}}, **changes)
    assert sum(point["rank"] is not None for point in found.to_dict()["points"]) == 2
    assert "ann_energy_J,ann_pj_per_mac,ann_ratio" in found.csv.splitlines()[0]


ANNS = [
    {"ann_chip": "ann45"}, {"ann_bits": 4}, {"ann_chip": "eyeriss", "ann_bits": 12, "ann_sparsity": 0.5}, {"scale_node": 22},
    {"ann_chip": "ann45", "scale_node": "22@0.8"},
]  # fmt: skip


@pytest.mark.parametrize("given", ANNS, ids=[" ".join(given) for given in ANNS])
def test_points_stand_beside_the_network_without_spikes_of_the_study(folder, given):
    """As a run with the same choices, and as compare does."""
    study = swept(folder, chip="lp45", objectives=["ann_energy", "ann_ratio", "energy"], axes={"core.lanes": [2, 16]}, **given)
    told, plain = study.to_dict(), swept(folder, chip="lp45", axes={"core.lanes": [2, 16]})
    net = ns.load_network(folder / "net.h5")
    for row, point, usual in zip(study.rows, told["points"], plain.to_dict()["points"], strict=True):
        chip = ns.load_chip("lp45").replace("core.lanes", row.settings["core.lanes"])
        run = ns.run(net, study.study.inputs, chip, timing="analytic", **given).to_dict()
        assert point["ann_energy_J"] == almost(run["ann"]["total_J"] / run["images"])
        assert point["energy_J"] == almost(run["energy"]["per_image_J"])
        assert point["ann_ratio"] == almost(run["ann"]["total_J"] / run["energy"]["total_J"])
        assert point["ann_energy_J"] != usual["ann_energy_J"] or [*given] == ["ann_bits"]
    assert len({row.outcome["key"] for row in (*study.rows, *plain.rows)}) == 4
    assert told["scale_node"] == given.get("scale_node")
    assert {"scale_node": None, "ann": None}.items() <= plain.to_dict().items()
    shown, page = rendered(study_summary(study)), html.unescape(study_page(study.document))
    machine = given.get("ann_chip")
    for text in (shown, page):
        assert (f"the network without spikes is on {machine}" in text) == (machine is not None)
        assert ("dynamic energies of lp45 are scaled from 45 nm" in text) == ("scale_node" in given)
    assert (f"{machine}, without spikes" in page) == (machine is not None)
    assert StudyDocument.model_validate(json.loads(json.dumps(told))).to_dict() == told


def test_the_command_line_says_the_same_as_the_study_and_paths_start_here(folder, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text('base = "ann45"\nname = "mine"\n[core]\nlanes = 4\n')
    monkeypatch.chdir(tmp_path)
    asked = "sweep", folder / "study.toml", "--ann-chip", "mine.toml", "--scale-node", "22", "--workers", "1", "--json", "-"
    told = only_json(call(*asked, "-o", tmp_path / "out").out)
    text = f'ann_chip = "{tmp_path}/mine.toml"\nscale_node = "22"\n' + (folder / "study.toml").read_text()
    (folder / "with.toml").write_text(text)
    with ThreadPoolExecutor(2) as pool:
        same = ns.sweep(folder / "with.toml", executor=pool).to_dict()
    assert told["ann"]["chip"]["values"]["name"] == "mine" and told["scale_node"] == "22"
    assert [point["ann_energy_J"] for point in told["points"]] == [point["ann_energy_J"] for point in same["points"]]


def test_a_point_says_that_the_other_network_does_not_fit_its_machine(folder, tmp_path):
    (tmp_path / "small.toml").write_text('base = "ann45"\nname = "small"\n[core]\nmax_axons = 1\n')
    for changes, says in (
        ({"ann_chip": str(tmp_path / "small.toml")}, "without spikes it does not fit small (ann_chip): layer"),
        ({"ann_bits": 8, "axes": {"core.mac_bits": [4]}}, "ann_bits is 8, but multiply-accumulates of chip 'lp45'"),
    ):
        found = swept(folder, chip="lp45", **({"axes": {"core.lanes": [1]}} | changes))
        assert {*found.status} == {INFEASIBLE} and all(says in found.reasons(row)[0] for row in found.rows)


def test_every_objective_is_in_the_help_and_can_be_asked_for(folder):
    shown = " ".join(call("sweep", "--help").out.replace("│", " ").split())
    assert all(f" {name}" in shown for name in OBJECTIVES)
    found = swept(folder, chip="lp45", objectives=[*OBJECTIVES], axes={"core.lanes": [1, 2]})
    assert [point["status"] for point in found.to_dict()["points"]] == ["ok", "ok"]


def test_widths_whose_accuracy_cannot_be_told_apart_are_said(folder):
    command = ("quantize", folder / "float.h5", "--bits", "8", "--bits", "7", "--inputs", folder / "float_in.h5")
    told = only_json(call(*command, "--json", "-").out)
    first, second = told["widths"]
    assert first["paired"] is None and not second["paired"]["told_apart"] and not told["float_paired"]["told_apart"]
    assert second["paired"]["mean"] == pytest.approx(second["accuracy"] - first["accuracy"])
    assert first["accuracy_interval"][0] <= first["accuracy"] <= first["accuracy_interval"][1]
    assert call(*command).out.count("not told apart") == 2
