"""What chips count: every preset says it, and two that do not count alike are not compared without a word."""

import json

import pytest

import neurosim as ns
from neurosim.chip.covers import TOPICS
from neurosim.io.presets import PRESETS
from neurosim.report.comparison_text import differences, nodes_apart, uneven
from tests.helpers import samples
from tests.helpers.samples import call

pytestmark = pytest.mark.small


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_says_what_it_counts(name):
    assert {*ns.load_chip(name).covered} == {*TOPICS}
    assert None not in ns.load_chip(name).covered.values()


def test_cores_without_neurons_are_counted_where_they_stay_on_or_the_whole_chip_is():
    found = {name: ns.load_chip(name, changes).covered["idle_cores"] for name, changes in (
        ("mesh45", []), ("lp45", ["policy.idle=on"]), ("loihi", []), ("seneca", []),
    )}  # fmt: skip
    assert found == {"mesh45": "no", "lp45": "yes", "loihi": "yes", "seneca": "no"}


def test_what_is_said_changes_no_result():
    chip = ns.load_chip("mesh45")
    assert chip.replace("covers.host", "yes").sha256 == chip.sha256
    assert not differences({"a": chip, "b": chip.replace("covers.host", "yes")})


def test_chips_that_count_alike_are_compared_without_a_warning():
    chip = ns.load_chip("mesh45")
    assert uneven({"a": chip, "b": chip.replace("core.lanes", 8)}) == []
    assert uneven({"a": chip, "b": chip.replace("covers.host", "yes"), "c": chip.replace("covers.host", None)}) == [
        "not counted alike, host and its interface: a no, b yes, c not said"
    ]


def test_compare_says_it_above_the_ratios_in_json_and_in_the_report(tmp_path):
    network = samples.residual()
    network.save(tmp_path / "net.h5")
    samples.inputs(network).save(tmp_path / "in.h5")
    command = ["compare", tmp_path / "net.h5", tmp_path / "in.h5", "--timing", "analytic"]
    command += [word for name in ("mesh45", "lp45", "loihi", "seneca", "eyeriss") for word in ("--chip", name)]
    shown = call(*command, "--json", tmp_path / "told.json", "--report", tmp_path / "page.html")
    assert shown.code == 0, shown
    told = json.loads((tmp_path / "told.json").read_text())
    first, page = shown.out.index("not counted alike, "), (tmp_path / "page.html").read_text(encoding="utf-8")
    assert first < shown.out.index("times mesh45") < shown.out.index("What is counted")
    assert told["coverage"]["lp45"]["logic_leakage"] == "yes" and told["coverage"]["seneca"]["memory_leakage"] == "no"
    assert len(told["uneven"]) >= 4 and all(warning in page for warning in told["uneven"])
    assert page.index("Not counted alike") < page.index("Beside each other") < page.index("What is counted")
    assert told["nodes"] == nodes_apart({name: ns.load_chip(name) for name in told["chips"]}) != []
    assert told["nodes"][0] in " ".join(shown.out.split()) and told["nodes"][0] in page
    alike = call("compare", tmp_path / "net.h5", tmp_path / "in.h5", "--chip", "loihi", "--chip", "truenorth", "--json", "-")
    assert json.loads(alike.out)["uneven"] == []


def test_chips_of_different_nodes_are_compared_with_a_warning_and_others_without():
    chips = {name: ns.load_chip(name) for name in ("lp45", "mesh45", "seneca")}
    (said,) = nodes_apart(chips)
    assert all(f"{name} {chip.node}" in said for name, chip in chips.items()) and "--scale-node" in said
    assert nodes_apart({name: chips[name] for name in ("lp45", "mesh45")}) == []
    assert nodes_apart({name: chip.scaled_to(22) for name, chip in chips.items()}) == []
