"""Words about a run that are more than a number: what its energy rests on."""

import re

import numpy as np
import pytest

import neurosim as ns
from neurosim.io.presets import PRESETS
from neurosim.report.words import grounds
from tests.helpers import samples


def shares(document):
    return {grade: float(share) for grade, share in re.findall(r"([a-z ]+?) ([\d.]+) %", grounds(document).partition(": ")[2])}


@pytest.mark.parametrize("name", ["lp45", "mesh45", "loihi", "seneca", "eyeriss"])
def test_shares_of_grades_add_up_to_all_of_the_energy(name):
    assert name in PRESETS
    network = samples.residual()
    document = ns.run(network, samples.inputs(network), name).document
    found = {grade.strip(): share for grade, share in shares(document).items()}
    assert sum(found.values()) == pytest.approx(100, abs=0.3)
    assert {*found} <= {"measured", "fitted", "simulated", "published", "taken over", "chosen", "of no grade"}


def test_every_joule_counts_under_the_grade_of_its_price_by_hand():
    """Additions at 3 pJ are chosen, words of weights at 1 pJ measured: of 2 words and 2 additions a quarter is measured."""
    chip = ns.load_chip("mesh45")
    values = chip.values
    for operation in values["operation"].values():
        operation["pj"] = 0.0
    for memory in values["memory"]:
        memory |= {"read": {"pj": 0.0}, "write": {"pj": 0.0}, "leakage_mw": 0.0, "word_bits": 8, "grade": "published"}
    values["operation"]["accumulate"] |= {"pj": 3.0, "grade": "chosen"}
    values["memory"][0] |= {"read": {"pj": 1.0}, "grade": "measured"}
    network = ns.Network.build(
        "two", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=[ns.Output("out", np.array([[3], [7]]))]
    )
    document = ns.run(network, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1), int)), ns.Chip.parse(values, "by hand")).document
    assert grounds(document).endswith("by prices that are: chosen 75.0 %, measured 25.0 %")


def test_floating_point_on_a_chip_of_integers_is_said_beside_the_headline():
    rng = np.random.default_rng(0)
    layers = [ns.Output("out", rng.standard_normal((3, 4)).astype(np.float32))]
    network = ns.Network.build("float", timesteps=2, input_shape=(4, 1, 1), encoding="spikes", layers=layers)
    run = ns.run(network, ns.Inputs.from_spikes(np.ones((1, 2, 4, 1, 1), int)), "lp45")
    assert "floating point priced as the integers of the chip" in grounds(run.document)
