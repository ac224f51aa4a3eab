"""What every image cost, how far images are apart, and what follows from energy and time."""

import json
import statistics

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

import neurosim as ns
from neurosim.outcome.interval import wilson
from neurosim.report.words import from_image_to_image
from tests.helpers.energies import tiny
from tests.helpers.examples import SCHEDULE, almost, evaluated, examples, runs


@pytest.mark.fuzz
@examples(8)
@given(runs(), SCHEDULE)
def test_images_add_up_to_the_run(case, schedule):
    result = evaluated(*case, schedule=schedule)
    told = result.to_dict()
    assert len(told["images_energy_J"]) == len(told["images_seconds"]) == told["images"]
    assert sum(told["images_energy_J"]) == almost(told["energy"]["total_J"])
    assert np.mean(told["images_seconds"]) == almost(told["time"]["latency_seconds_per_image"])
    for values, spread in (("images_energy_J", "images_energy_spread_J"), ("images_seconds", "images_seconds_spread")):
        each = told[values]
        assert told[spread]["median"] == almost(statistics.median(each)) and told[spread]["p99"] <= max(each)
        error = statistics.stdev(each) / len(each) ** 0.5 if len(each) > 1 else None
        assert told[spread]["standard_error"] == (error and almost(error))
    for action in result.energy.actions:
        assert action.images.sum() == almost(float(action.count.sum())) and (action.images >= 0).all()


@examples(12)
@given(runs(), SCHEDULE)
def test_power_energy_per_event_and_delay_are_made_of_energy_and_time(case, schedule):
    told = evaluated(*case, schedule=schedule).to_dict()
    energy, time, events = told["energy"], told["time"], told["counts"]["synaptic_events"]
    if time["seconds"]:
        power = told["power_W"]
        assert power["average"] * time["seconds"] == almost(energy["total_J"])
        assert power["static"] * time["seconds"] == almost(energy["static_J"])
        assert power["dynamic"] + power["static"] == almost(power["average"])
    each = energy["pj_per_synaptic_event"]
    assert (each is None) == (events == 0)
    if each is not None:
        assert each["total"] * events == almost(1e12 * energy["total_J"])
        assert each["dynamic"] * events == almost(1e12 * (energy["compute_J"] + energy["data_movement_J"]))
    assert told["energy_delay_Js"] == almost(energy["per_image_J"] * time["latency_seconds_per_image"])


def test_an_image_without_spikes_costs_what_happens_without_them():
    network, inputs = tiny()
    silent = ns.Inputs.from_spikes(np.concatenate([inputs.spikes, np.zeros_like(inputs.spikes)]))
    both, one = (ns.run(network, data, "mesh45", timing="analytic") for data in (silent, inputs))
    first, second = both.energy.images_J
    assert first == almost(one.energy.total_J) and second < first
    quiet = ns.run(network, silent[len(inputs) :], "mesh45", timing="analytic")
    assert second == almost(quiet.energy.total_J)


@given(st.integers(1, 10_000), st.data())
def test_the_interval_of_the_accuracy_is_that_of_wilson(samples, data):
    right = data.draw(st.integers(0, samples))
    expected = binomtest(right, samples).proportion_ci(method="wilson")
    assert wilson(right / samples, samples) == [pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12)]


def test_how_far_images_are_apart_by_hand():
    assert from_image_to_image([1.0, 2.0, 3.0, 10.0], "J") == (
        "from image to image: median 2.50 J, 99 % at most 9.79 J; standard error of the mean 2.04 J"
    )
    assert from_image_to_image(None, "J") == from_image_to_image([1.0], "J") == ""


def test_a_run_that_does_not_know_its_images_can_be_read_priced_and_reported(tmp_path):
    result = ns.run(*tiny(), "mesh45")
    result.save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        values = json.loads(file["json"].asstr()[()])
        for name in (
            "images_energy_J", "images_seconds", "images_energy_spread_J", "images_seconds_spread", "accuracy_interval",
            "power_W", "energy_delay_Js",
        ):  # fmt: skip
            del values[name]
        del values["energy"]["pj_per_synaptic_event"], file["json"], file["ledger/run/images"]
        file.create_dataset("json", data=json.dumps(values))
    found = ns.load_run(tmp_path / "run.h5").at(ns.load_chip("mesh45", ["operation.accumulate.pj=3"]))
    assert found.document.images_energy_J is None and found.document.images_seconds is None
    assert found.document.power_W.average > 0
    found.report(tmp_path / "run.html")
    assert "From image to image" not in (tmp_path / "run.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("damage", "said"), [
    (lambda file: file["ledger/run"].pop("images") and None, ""),
    (lambda file: file["ledger/run/images"].__setitem__((0, 0), -1.0), "'images' must be finite and not negative"),
    (lambda file: replaced(file, lambda a: a[:, :-1]), "'images' is for"),
    (lambda file: replaced(file, lambda a: a[:-1]), "'actions' and 'images' do not belong together"),
], ids=["missing", "negative", "fewer images", "fewer actions"])  # fmt: skip
def test_what_images_cost_is_checked_like_all_else(tmp_path, damage, said):
    ns.run(*tiny(), "mesh45").save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "r+") as file:
        damage(file)
    if not said:
        assert ns.load_run(tmp_path / "run.h5").energy.images_J is None
        return
    with pytest.raises(ns.NeurosimError, match=said):
        ns.load_run(tmp_path / "run.h5")


def replaced(file, change):
    group = file["ledger/run"]
    values = change(group["images"][()])
    del group["images"]
    group.create_dataset("images", data=values)
