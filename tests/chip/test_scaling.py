"""Energies scaled to another node: the rule by hand, laws, what is scaled and what is not, and where it is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.scaling import COEFFICIENTS, KEPT, SUPPLIES, TechnologyNode, factor, point_in, usual_supply
from neurosim.cost.action import STATIC
from neurosim.errors import ChipError, NeurosimError
from neurosim.report.sources import constants
from neurosim.report.text import block_text, memory_text, operation_text
from tests.helpers.energies import priced, tiny
from tests.helpers.examples import almost
from tests.helpers.samples import call, refused

pytestmark = pytest.mark.small
NODES, VOLTS = st.floats(7, 65), st.floats(0.6, 1.2)
ANY_NODE = st.builds(TechnologyNode, NODES, VOLTS)
# Gate energies at 45 nm, 0.9 V and 20 nm, 0.8 V, by a V^2 + b V + c.
AT_45, AT_20 = 1.103 * 0.81 - 0.362 * 0.9 + 0.2767, 0.373 * 0.64 - 0.1582 * 0.8 + 0.04104


@pytest.mark.parametrize(
    ("end", "times"),
    [((65, 1.0), 1.58), ((45, 0.7), 0.67), ((32, 0.9), 0.64), ((28, 0.9), 0.51), ((28, 0.6), 0.30),
     ((22, 0.8), 0.24), ((14, 0.75), 0.10)],
)
def test_from_45_nm_and_0_9_volts(end, times):
    """As the published chips are scaled in docs/conclusions.md."""
    assert factor(TechnologyNode(45, 0.9), TechnologyNode(*end)) == pytest.approx(times, abs=0.005)


def test_by_hand():
    assert factor(TechnologyNode(45, 0.9), TechnologyNode(20, 0.8)) == almost(AT_20 / AT_45)
    at_32 = 0.9559 * 0.64 - 0.7823 * 0.8 + 0.471
    assert TechnologyNode(26, 0.8).energy == almost((AT_20 + at_32) / 2)


@given(ANY_NODE, ANY_NODE, ANY_NODE)
def test_there_and_back_again_is_nothing_and_two_ways_are_one(a, b, c):
    assert factor(a, a) == 1
    assert factor(a, b) * factor(b, a) == almost(1)
    assert factor(a, b) * factor(b, c) == almost(factor(a, c))


@given(NODES, NODES, VOLTS, VOLTS)
def test_smaller_nodes_and_lower_supplies_take_less(one, other, low, high):
    (one, other), (low, high) = sorted((one, other)), sorted((low, high))
    assert TechnologyNode(one, low).energy <= TechnologyNode(other, low).energy * (1 + 1e-12)
    assert 0 < TechnologyNode(one, low).energy <= TechnologyNode(one, high).energy
    assert TechnologyNode(one, usual_supply(one)).energy <= TechnologyNode(other, usual_supply(other)).energy * (1 + 1e-12)


@pytest.mark.parametrize(
    ("node", "point"),
    [
        ("45 nm, 0.9 V", (45, 0.9)), ("Intel 14 nm", (14, 0.75)), ("65 nm, relative costs", (65, 1.0)),
        ("28nm 0.65V", (28, 0.65)), ("12.5 nm", (12.5, usual_supply(12.5))), ("FinFET", None), ("", None), ("5 mm", None),
    ],
)  # fmt: skip
def test_nodes_are_read_from_their_words(node, point):
    assert point_in(node) == point


def test_the_usual_supplies_are_inside_the_rule():
    assert all(TechnologyNode(nm, volts).inside for nm, volts in SUPPLIES.items()) and {*COEFFICIENTS} <= {*SUPPLIES}


PRESETS = ("lp45", "mesh45", "ann45", "loihi", "seneca", "truenorth", "eyeriss")


@pytest.mark.parametrize("name", PRESETS)
def test_to_its_own_node_a_chip_costs_what_it_costs(name):
    chip = ns.load_chip(name)
    nm, volts = point_in(chip.node)
    own = chip.scaled_to(f"{nm:g}@{volts:g}")
    assert own.prices == chip.prices and own.scaled.factor == 1 and own.areas_mm2 == chip.areas_mm2


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_done_on_the_chip_is_scaled_and_nothing_else(name):
    chip, scaled = ns.load_chip(name), ns.load_chip(name).scaled_to("22@0.8")
    times = factor(point_in(chip.node), TechnologyNode(22, 0.8))
    outside = {f"memory.{m.name}" for m in chip.memory if m.per == "off chip"} | {"board"}
    for place, price in scaled.prices.items():
        stays = place.endswith("_mw") or price.part in outside
        assert price.pj == almost(chip.prices[place].pj * (1 if stays else times)), place
        assert price.uncertainty == pytest.approx(chip.prices[place].uncertainty)
    assert scaled.clock == chip.clock and scaled.area_mm2 == chip.area_mm2
    assert scaled.scaled_to(45).prices == chip.scaled_to(45).prices


def test_prices_of_another_node_are_scaled_from_there():
    values = priced(ns.load_chip("mesh45"), operation=1.0, read=2.0).values
    values["operation"]["mac"]["node"], values["memory"][0]["node"] = "65 nm, 1.0 V", "14 nm"
    chip = ns.Chip.parse(values, "mixed").scaled_to("45@0.9")
    assert chip.prices["operation.accumulate.pj"].pj == 1
    assert chip.prices["operation.mac.pj"].pj == almost(1 / factor(TechnologyNode(45, 0.9), TechnologyNode(65, 1.0)))
    first = values["memory"][0]["name"]
    assert chip.prices[f"memory.{first}.read.pj"].pj == almost(2 * factor(TechnologyNode(14, 0.75), TechnologyNode(45, 0.9)))


def test_the_hash_knows_the_node_that_is_scaled_from_only_where_it_counts():
    chip = ns.load_chip("mesh45")
    assert chip.replace("node", "28 nm").sha256 == chip.sha256 != chip.scaled_to(22).sha256
    assert chip.replace("node", "28 nm").scaled_to(22).sha256 != chip.scaled_to(22).sha256


@pytest.mark.parametrize("node", [5, 90, "22@2", "22@0.3", "nan", -22, "inf"])
def test_what_the_rule_does_not_know_is_refused(node):
    with pytest.raises(NeurosimError, match=r"from 7 to 65 nm, and from 0\.6 to 1\.2 V"):
        ns.load_chip("lp45").scaled_to(node)


@pytest.mark.parametrize("node", ["", "small", "22@", "@0.8", "22nm"])
def test_what_is_no_node_is_refused_with_what_is(node):
    with pytest.raises(NeurosimError, match=r"22 or 22@0\.8"):
        ns.load_chip("lp45").scaled_to(node)


NO_NODES = [("none", "'none', names no nanometres"), ("130 nm", "it is of 130 nm.* from 7 to 65")]


@pytest.mark.parametrize(("node", "says"), NO_NODES)
def test_a_chip_without_a_usable_node_is_refused_by_its_name(node, says):
    with pytest.raises(ChipError, match=f"chip 'mesh45', to be scaled to 22 nm: .*{says}"):
        ns.load_chip("mesh45", [f"node={node}"]).scaled_to(22)


def test_a_run_has_its_dynamic_energy_scaled_and_time_and_leakage_as_they_were():
    network, inputs = tiny()
    apart = {"ann_chip": "ann45", "timing": "analytic"}
    plain, scaled = (ns.run(network, inputs, "mesh45", scale_node=node, **apart) for node in (None, "22@0.8"))
    again = ns.evaluate(scaled.trace, plain.mapping, scale_node="22@0.8", **apart)
    outside = scaled.energy.by_component_J["memory dram"]
    times = factor(TechnologyNode(45, 0.9), TechnologyNode(22, 0.8))
    assert outside == plain.energy.by_component_J["memory dram"]
    assert scaled.energy.dynamic_J - outside == almost((plain.energy.dynamic_J - outside) * times)
    assert scaled.energy.static_J == plain.energy.static_J and scaled.time.seconds == plain.time.seconds
    without = [run.ledger.without.dense["rows"] for run in (plain, scaled)]
    for before, after in zip(*without, strict=True):
        stays = before.group == STATIC or before.price.part == "memory.dram"
        assert after.total_J == almost(before.total_J * (1 if stays else times))
    told = scaled.to_dict()
    assert told["energy"] == again.to_dict()["energy"]
    assert told["energy"]["scaled"]["factor"] == told["ann"]["scaled"]["factor"] == almost(times)
    assert told["energy"]["scaled"]["kept"] == KEPT
    assert all("scaled" not in plain.to_dict()[part] for part in ("energy", "ann"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scaled")
    network, inputs = tiny()
    network.save(str(folder / "net.h5"))
    inputs.save(str(folder / "inputs.h5"))
    return folder


SAID = "scaled from 45 nm, 0.9 V to 22 nm, 0.8 V"


def flat(text):
    return " ".join(text.split())


def test_a_run_says_so_in_text_report_and_file(files):
    given = "run", str(files / "net.h5"), str(files / "inputs.h5"), "--timing", "analytic", "--chip", "mesh45"
    more = "--report", str(files / "run.html"), "-o", str(files / "run.h5"), "--json", str(files / "run.json")
    _, text, _ = call(*given, "--scale-node", "22", *more)
    assert SAID in flat(text) and KEPT in flat(text) and "per image, scaled to 22 nm, 0.8 V" in text
    assert SAID in flat(text.partition("Energy\n")[2])[:80]
    page = (files / "run.html").read_text()
    assert SAID in page and "all that is counted, scaled to 22 nm, 0.8 V" in page
    assert json.loads((files / "run.json").read_text())["energy"]["scaled"]["to_nm"] == 22
    _, plain, _ = call(*given)
    assert "scaled to" not in plain
    _, back, _ = call("reprice", str(files / "run.h5"), "--chip", "mesh45", "--json", "-")
    assert json.loads(back)["energy"]["total_J"] == almost(ns.run(*tiny(), "mesh45", timing="analytic").energy.total_J)


@pytest.mark.parametrize("name", ["lp45", "mesh45", "loihi"])
def test_the_constants_of_a_report_are_the_prices_that_were_paid(name):
    """Dynamic ones, with three digits; leakage, area and memories off the chip are as they were."""
    chip = ns.load_chip(name)
    scaled = chip.scaled_to(22)
    for memory in chip.memory:
        texts = [memory_text(each, memory).partition("leaks") for each in (chip, scaled)]
        assert texts[0][2] == texts[1][2]
        place = f"memory.{memory.name}.read.pj"
        assert f"read {scaled.prices[place].pj:.3g} pJ" in texts[1][0]
        assert (memory.per == "off chip" or not chip.prices[place].pj) == (texts[0] == texts[1])
    for block in chip.blocks:
        place, texts = f"block.{block.name}.busy_pj", [block_text(each, block) for each in (chip, scaled)]
        assert not block.busy_pj or f"{scaled.prices[place].pj:.3g} pJ per busy cycle" in texts[1]
        assert texts[0] != texts[1] or not (block.busy_pj or block.operations)
    assert "All constants, scaled to 22 nm, 0.8 V" in constants(scaled) and "scaled to" not in constants(chip)


@pytest.mark.parametrize("registers", [0, 9])
def test_a_register_costs_a_scaled_price_whether_there_are_any(registers):
    chip = ns.load_chip("lp45", [f"core.accumulate_registers={registers}"])
    both = [float(operation_text(each, "register_add").removesuffix(" pJ")) for each in (chip, chip.scaled_to(22))]
    assert both[1] == pytest.approx(both[0] * factor(TechnologyNode(45, 0.9), TechnologyNode(22, 0.8)), rel=1e-3)


def test_a_comparison_says_so_and_scales_every_chip(files):
    chips = "--chip", "mesh45", "--chip", "loihi"
    given = "compare", str(files / "net.h5"), str(files / "inputs.h5"), "--timing", "analytic", *chips
    _, text, _ = call(*given, "--scale-node", "22", "--json", str(files / "both.json"), "--report", str(files / "both.html"))
    assert SAID in flat(text) and "loihi are scaled from 14 nm, 0.75 V to 22 nm, 0.8 V" in flat(text)
    assert "Amounts, scaled to 22 nm, 0.8 V" in text and "the nodes differ" not in text
    runs = json.loads((files / "both.json").read_text())["runs"]
    assert {run["energy"]["scaled"]["to_V"] for run in runs.values()} == {0.8}
    page = (files / "both.html").read_text()
    assert SAID in page and "energy per image, scaled to 22 nm, 0.8 V" in page
    _, plain, _ = call(*given)
    assert "scaled to" not in plain


def test_nodes_that_are_not_scaled_are_said_with_the_option_that_does(files):
    given = "run", str(files / "net.h5"), str(files / "inputs.h5"), "--timing", "analytic", "--ann-chip", "eyeriss"
    said = [flat(call(*given, *more)[1]) for more in ((), ("--scale-node", "22"))]
    assert ["nothing is scaled from one to the other (--scale-node does)" in text for text in said] == [True, False]


def test_refusals_of_the_command(files):
    given = "run", str(files / "net.h5"), str(files / "inputs.h5")
    refused(*given, "--scale-node", "3", says=["scale_node", "from 7 to 65 nm"])
    refused(*given, "--scale-node", "22", "--set", "node=none", says=["lp45", "names no nanometres"])
