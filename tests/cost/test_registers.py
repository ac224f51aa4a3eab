"""Potentials kept in registers while the spikes of a site are added to them: by hand, and laws. All counts of random cases:
tests/cost/test_activity.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.action import PJ
from neurosim.cost.activity import COUNTS, activity
from neurosim.outcome.left_out import UNPRICED
from tests.helpers.energies import priced
from tests.helpers.examples import almost, changed, examples, ones, runs, traced

pytestmark = pytest.mark.small
REGISTERS = "core.accumulate_registers"


def chip_with(registers, **changes):
    """Words of two potentials of 24 bits; 16 lanes; a port that one word passes in a cycle."""
    state = {"layout": "packed", "word_bits": 64, "words_per_cycle": 1}
    changes = {f"memory.state_sram.{name}": value for name, value in state.items()} | {"core.state_bits": 24} | changes
    return changed(priced(ns.load_chip("mesh45")), changes | {REGISTERS: registers})


def middle_and_corner():
    """Three channels, of which two fire in the middle of a map of 3 x 3 and one in a corner; four channels of 3 x 3 kernels."""
    network = ns.Network.build(
        "two sites", timesteps=1, input_shape=(3, 3, 3), encoding="spikes",
        layers=[ns.Conv("a", ones(4, 3, 3, 3), threshold=100, padding=1), ns.Output("out", ones(2, 36))],
    )  # fmt: skip
    spikes = np.zeros((1, 1, 3, 3, 3), np.int64)
    spikes[0, 0, [0, 2], 1, 1] = spikes[0, 0, 1, 0, 0] = 1
    return network, ns.Inputs.from_spikes(spikes)


# Of the middle 9 sites are reached, of the corner 4; a row of four potentials has 2 words.
BY_HAND = {0: (2 * 9 + 4, 0), 3: (2 * 9 + 4, 0), 4: (2 * 9 + 4, 4), 8: (2 * 9 + 4, 4), 9: (9 + 4, 2 * 9 + 4)}


@pytest.mark.parametrize("registers", BY_HAND)
def test_a_convolution_by_hand(registers):
    network, inputs = middle_and_corner()
    rows, kept = BY_HAND[registers]
    result = ns.run(network, inputs, chip_with(registers, **{"operation.register_add.pj": 3.0}), timing="analytic")
    found = activity(result.trace, result.mapping)
    assert (found.state_words.sum(), found.register_adds.sum()) == (2 * rows, 4 * kept)
    assert found.accumulates.sum() == 4 * (2 * 9 + 4)
    assert result.energy.by_component_J.get("registers", 0) == almost(4 * kept * 3 * PJ)


@pytest.mark.parametrize(("lanes", "needed"), [(4, 9), (3, 18), (2, 18), (1, 36)])
def test_a_lane_needs_a_register_for_each_of_its_rounds(lanes, needed):
    network, inputs = middle_and_corner()
    for registers, rows in ((needed, 9 + 4), (needed - 1, 2 * 9 + 4)):
        mapping = ns.map_network(network, chip_with(registers, **{"core.lanes": lanes}))
        assert activity(traced(inputs, mapping), mapping).state_words.sum() == 2 * rows


def test_only_the_first_spike_of_a_site_waits_for_the_memory():
    """It reads and writes 18 words through one port, the additions of any take 9 rounds, and the look-up a few cycles."""
    network, inputs = middle_and_corner()
    mapping = ns.map_network(network, chip_with(9))
    (delivery,) = (found for name, found in mapping.deliveries.items() if name == "input")
    event = mapping.chip.operation.event.cycles
    middle = slice(*delivery.rows[4:6])
    assert delivery.service[middle].tolist() == [event + 2 * 18, event + 9]
    result = ns.evaluate(traced(inputs, mapping), mapping, timing="packet")
    assert result.time.tally.busy.sum() >= (2 * 18) + 9 + 2 * 8


def test_each_core_that_sends_has_its_spikes_one_after_the_other():
    """Two channels of a site in two cores: the potentials are read for each of them."""
    network = ns.Network.build(
        "two senders", timesteps=1, input_shape=(1, 1, 1), encoding="spikes",
        layers=[ns.Conv("a", 2 * ones(2, 1, 1, 1), threshold=1), ns.Output("out", ones(4, 2))],
    )  # fmt: skip
    inputs = ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1), np.int64))
    for most, senders in ((2, 1), (1, 2)):
        mapping = ns.map_network(network, chip_with(4, **{"core.max_neurons": most}))
        found = activity(traced(inputs, mapping), mapping)
        outputs = mapping.layer_of == 1
        assert outputs.sum() == (2 if most == 2 else 4)
        words = [mapping.chip.home("state").row_words(b.channels, 24) for b in mapping.bricks if b.layer == 1]
        assert found.state_words[0, outputs].tolist() == [senders * each for each in words]


@pytest.mark.fuzz
@examples(40)
@given(runs(), st.integers(1, 50))
def test_registers_change_words_of_the_state_alone_and_more_of_them_never_make_more(case, registers):
    """Where no zero is skipped, what a site reaches is what each of its spikes reaches."""
    inputs, mapping = case
    chip = changed(mapping.chip, {"core.skip_zeros": False})
    if chip.core.storage == "sparse":
        chip = changed(chip, {"core.storage": "shared", "core.index_bits": None})
    trace, found = traced(inputs, mapping), []
    for many in (0, registers, 2 * registers):
        on = replace(mapping, chip=chip.replace(REGISTERS, many))
        found.append(activity(trace, on))
    for name in {*COUNTS} - {"state_words", "register_adds"}:
        assert all((getattr(found[0], name) == getattr(each, name)).all() for each in found)
    none, some, more = found
    assert (none.state_words >= some.state_words).all() and (some.state_words >= more.state_words).all()
    assert not none.register_adds.any() and (some.register_adds <= more.register_adds).all()
    assert (more.register_adds <= more.accumulates + more.payload_macs).all()


def test_windows_that_are_summed_first_keep_their_rule():
    network = ns.Network.build(
        "windows", timesteps=1, input_shape=(2, 2, 2), encoding="spikes",
        layers=[ns.Conv("a", ones(1, 2, 1, 1), threshold=100, pool="sum2"), ns.Output("out", ones(1, 1))],
    )  # fmt: skip
    inputs = ns.Inputs.from_spikes(np.ones((1, 1, 2, 2, 2), np.int64))
    for pool, words in (("summed", 2), ("folded", 4)):
        mapping = ns.map_network(network, chip_with(8, **{"policy.pool": pool}))
        assert activity(traced(inputs, mapping), mapping).state_words.sum() == words


def test_registers_without_a_price_are_said():
    network, inputs = middle_and_corner()
    price = {"operation.register_add.pj": 1.0}
    said = [ns.run(network, inputs, chip_with(*given), timing="analytic").not_counted for given in ((0,), (9,))]
    paid = ns.run(network, inputs, chip_with(9, **price), timing="analytic").not_counted
    assert [UNPRICED in notes for notes in (*said, paid)] == [False, True, False]


def test_registers_of_the_default_chip_save_energy_where_spikes_share_sites_and_cost_area_and_leakage():
    network, inputs = middle_and_corner()
    none, some = (ns.run(network, inputs, ns.load_chip("lp45", [f"{REGISTERS}={n}"]), timing="analytic") for n in (0, 9))
    assert some.energy.by_component_J["registers"] > 0
    assert some.energy.by_component_J["memory state_sram"] < none.energy.by_component_J["memory state_sram"]
    assert some.mapping.chip.area_mm2 > none.mapping.chip.area_mm2
    leaks = [run.energy.by_component_J["leakage"] / run.time.seconds for run in (none, some)]
    assert leaks[1] > leaks[0]
