"""Blocks: what they cost because they are there, work, or are used, by hand; and what is refused."""

import numpy as np
import pytest

import neurosim as ns
from neurosim.chip.memory import KINDS
from neurosim.cost.action import PJ
from neurosim.errors import ChipError
from tests.helpers import samples
from tests.helpers.energies import priced
from tests.helpers.examples import almost

pytestmark = pytest.mark.small
BLOCK = {"name": "lanes", "times": ["core.lanes", "core.state_bits"], "source": "made up"}


def chip_with(*blocks, base="mesh45", **changes):
    chip = priced(ns.load_chip(base))
    chip = ns.Chip.parse(chip.values | {"block": [BLOCK | block for block in blocks]}, "test")
    for path, value in changes.items():
        chip = chip.replace(path.replace("__", "."), value)
    return chip


def run_on(chip, count=2):
    network = samples.residual()
    return ns.run(network, samples.inputs(network, count), chip, timing="analytic")


def test_a_busy_cycle_costs_what_the_block_says_wherever_a_core_works():
    result = run_on(chip_with({"busy_pj": 0.5, "times": ["core.lanes"]}, core__lanes=8))
    busy = result.time.tally.busy.sum()
    assert busy > 0
    assert result.energy.by_component_J["control and clock"] == almost(busy * 0.5 * 8 * PJ)
    assert result.energy.images_J.sum() == almost(result.energy.total_J)


def test_a_block_leaks_in_every_core_that_is_used():
    result = run_on(chip_with({"leakage_mw": 0.25, "times": []}))
    assert result.energy.static_J == almost(len(result.mapping.used) * result.time.seconds * 0.25e-3)


@pytest.mark.parametrize(("per", "many"), [("core", 64), ("tile", 32), ("chip", 1)])
def test_idle_cores_leak_where_they_stay_on(per, many):
    changes = {"mesh__width": 8, "mesh__height": 4, "mesh__cores_per_tile": 2, "policy__idle": "on"}
    result = run_on(chip_with({"leakage_mw": 0.25, "times": [], "per": per}, **changes))
    assert result.energy.static_J == almost(many * result.time.seconds * 0.25e-3)


def test_an_operation_costs_itself_and_what_it_costs_in_blocks():
    one, other = {"operations": {"accumulate": 0.25}, "times": ["core.lanes"]}, {"name": "b", "operations": {"accumulate": 1.0}}
    chip = chip_with(one, other).replace("operation.accumulate.pj", 2.0)
    core = chip.core
    assert chip.prices["operation.accumulate.pj"].pj == 2 + 0.25 * core.lanes + core.lanes * core.state_bits


def test_areas_are_those_of_all_that_there_are():
    chip = chip_with({"area_mm2": 0.001, "per": "tile", "times": ["mesh.flit_bits"]}).replace("mesh.cores_per_tile", 2)
    assert chip.areas_mm2["block lanes"] == pytest.approx(0.001 * 32 * 64)
    assert all(chip.areas_mm2[f"memory {chip.home(kind).name}"] is None for kind in KINDS if kind != "input")


@pytest.mark.parametrize("reuse", ["none", "rows", "perfect"])
def test_partial_sums_that_wait_in_registers_cost_what_registers_do(reuse):
    chip = chip_with().replace("operation.partial_sum.pj", 3.0)
    ann, images, added = run_on(chip).to_dict()["ann"], 2, 27
    # And for every neuron of conv3 the addition of an identity shortcut.
    assert ann["reuse"][reuse]["total_J"] == almost(0 if reuse == "none" else (ann["macs"] + images * added) * 3 * PJ)


def test_the_network_without_spikes_pays_for_control_too():
    chip = chip_with({"busy_pj": 1.0, "times": []})
    result = run_on(chip)
    assert result.to_dict()["ann"]["compute_J"] > 0
    assert result.document.break_even.fixed_J > 0


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"times": ["core.lans"]}, r"times has 'core.lans'; it may have: core.lanes"),
        ({"times": ["core.max_axons"]}, "times has 'core.max_axons'"),
        ({"operations": {"add": 1.0}}, "there is no operation 'add'; there are: accumulate"),
        ({"area_mm2": -1.0}, "area_mm2"), ({"per": "board"}, "block.lanes.per"), ({"colour": 1}, "unknown key"),
    ],
)  # fmt: skip
def test_wrong_blocks_are_refused(block, says):
    with pytest.raises(ChipError, match=says):
        chip_with(block)


def test_two_blocks_of_one_name_are_refused():
    with pytest.raises(ChipError, match="'lanes' is used 2 times"):
        chip_with({}, {})


def test_prices_of_blocks_apply_to_runs_and_new_kinds_of_prices_are_refused():
    chip = chip_with({"busy_pj": 0.5, "times": []})
    record = run_on(chip).record
    dearer = record.at(chip.replace("block.lanes.busy_pj", 1.0))
    assert dearer.energy.total_J == almost(2 * record.energy.total_J)
    with pytest.raises(ChipError, match=r"block\.lanes\.leakage_mw is [0-9.]+, but this run"):
        record.at(chip.replace("block.lanes.leakage_mw", 1.0))


def test_busy_cycles_without_a_spike_are_those_of_the_image_and_the_visits_it_causes():
    result = run_on(chip_with({"busy_pj": 1.0, "times": []}))
    totals, fed = result.totals, [result.mapping.network.fed_by_image(layer) for layer in result.mapping.network.layers]
    quiet = totals["image_cycles"] + totals["update_cycles"] * np.array(fed)[result.mapping.layer_of]
    assert result.document.break_even.fixed_J == almost(quiet.sum() * PJ / 2)
