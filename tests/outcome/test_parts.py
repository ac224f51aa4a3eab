"""Layers with their time and energy, and areas: parts add up to the whole, and follow prices."""

import pytest
from hypothesis import given

import neurosim as ns
from tests.helpers import samples
from tests.helpers.examples import almost, evaluated, examples, runs

pytestmark = pytest.mark.small


@examples(30)
@given(runs())
def test_layers_add_up_to_the_run(case):
    result = evaluated(*case)
    told = result.to_dict()
    for component, joules in told["energy"]["by_component_J"].items():
        assert sum(layer["energy_by_component_J"][component] for layer in told["layers"]) == almost(joules)
    for layer in told["layers"]:
        assert sum(layer["energy_by_component_J"].values()) == almost(layer["energy_J"])
    timed = [layer for layer in told["layers"] if layer.get("seconds") is not None]
    if told["provenance"]["schedule"] == "sequential":
        assert len(timed) == len(told["layers"])
        assert sum(layer["seconds"] for layer in timed) == almost(told["time"]["seconds"])
    for layer in timed:
        assert sum(layer["bound_by"].values()) == almost(1.0 if layer["seconds"] else 0.0)


def run_on(chip, **how):
    network = samples.residual()
    return ns.run(network, samples.inputs(network, 2), chip, **how)


def test_the_layer_that_works_longest_takes_longest():
    """Weights of one layer alone are read through a narrow port: no other layer gets slower."""
    quick = run_on(ns.load_chip("lp45"), timing="analytic").to_dict()["layers"]
    slow = run_on(ns.load_chip("lp45", ["core.lanes=1", "core.update_lanes=4"]), timing="analytic").to_dict()["layers"]
    assert all(a["seconds"] <= b["seconds"] for a, b in zip(quick, slow, strict=True))
    assert any(a["seconds"] < b["seconds"] for a, b in zip(quick, slow, strict=True))


def test_layers_that_share_their_turns_have_no_time_of_their_own():
    told = run_on(ns.load_chip("mesh45"), schedule="pipelined").to_dict()
    assert not any("seconds" in layer or "bound_by" in layer for layer in told["layers"])


def test_new_prices_and_a_slower_clock_reach_the_layers():
    chip = ns.load_chip("mesh45")
    record = run_on(chip).record
    slow = record.at(chip.replace("clock.hz", chip.clock.hz / 2).replace("operation.accumulate.pj", 7.0)).to_dict()
    for before, after in zip(record.to_dict()["layers"], slow["layers"], strict=True):
        assert after["seconds"] == almost(2 * before["seconds"]) and after["bound_by"] == before["bound_by"]
        assert after["energy_by_component_J"]["accumulates"] == almost(70 * before["energy_by_component_J"]["accumulates"])
        assert sum(after["energy_by_component_J"].values()) == almost(after["energy_J"])


def test_areas_add_up_and_are_unknown_where_one_is():
    known, unknown = (run_on(ns.load_chip(name), timing="analytic").to_dict()["area_mm2"] for name in ("lp45", "mesh45"))
    assert known["total"] == almost(sum(known["by_component"].values()))
    assert {"memory weight_sram", "block lanes", "block links"} <= {*known["by_component"]}
    assert unknown["total"] is None and unknown["by_component"]["memory weight_sram"] is None
