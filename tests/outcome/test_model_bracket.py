"""What choices of the model leave open: every one is a run on the chip that has it otherwise, and the ends hold them all."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.outcome.model_bracket import CHOICES, POOLS
from neurosim.outcome.pipeline import bracketed
from tests.helpers import naive, samples
from tests.helpers.examples import almost, evaluated, examples, runs

OTHER = {"touched": "all", "all": "touched", "gated": "on", "on": "gated", "folded": "summed", "summed": "folded"}


def energy(result, **changes):
    """J per image of the same spikes on the same cores of a changed chip, in analytic time."""
    chip = result.mapping.chip
    for path, value in changes.items():
        chip = chip.replace(path.replace("__", "."), value)
    return ns.evaluate(result.trace, replace(result.mapping, chip=chip), timing="analytic").energy.per_image_J


def saves(row):
    return row.energy < 1


def costs(row):
    return row.energy > 1


def energy_of(result, choices):
    """As `energy`, of these choices all made otherwise."""
    chip = result.mapping.chip
    for choice in choices:
        chip = choice.otherwise(chip)
    return ns.evaluate(result.trace, replace(result.mapping, chip=chip), timing="analytic").energy.per_image_J


@pytest.mark.fuzz
@examples(12)
@given(runs())
def test_every_choice_is_a_run_on_the_chip_that_has_it_otherwise(case):
    result = bracketed(evaluated(*case))
    usual, rows = energy(result), {row.choice: row for row in result.model.choices}
    policy = result.mapping.chip.policy
    assert rows["the neurons visited in a step"].energy == almost(energy(result, policy__update=OTHER[policy.update]) / usual)
    assert rows["cores without neurons"].energy == almost(energy(result, policy__idle=OTHER[policy.idle]) / usual)
    if POOLS.name in rows:
        assert rows[POOLS.name].energy == almost(energy(result, policy__pool=OTHER[policy.pool]) / usual)
    parts = [part for layer in result.trace.network.layers for part in (layer, *layer.shortcuts)]
    assert (POOLS.name in rows) == any(naive.pool_of(part.pool)[0] in ("sum", "avg") for part in parts)
    ratio = result.ledger.ann["total_J"] / result.energy.total_J
    assert result.model.ratio[0] <= ratio * (1 + 1e-9) and result.model.ratio[1] >= ratio * (1 - 1e-9)
    low, high = result.model.per_image_J
    assert low <= result.energy.per_image_J * (1 + 1e-9) and high >= result.energy.per_image_J * (1 - 1e-9)
    ends = [energy_of(result, [c for c in CHOICES if c.name in rows and such(rows[c.name])]) for such in (saves, costs)]
    every = [usual, *ends, *(usual * row.energy for row in rows.values())]
    scale = result.energy.per_image_J / usual
    assert [low, high] == [almost(scale * min(every)), almost(scale * max(every))]
    for row in rows.values():
        assert low <= result.energy.per_image_J * row.energy * (1 + 1e-9)
        assert high >= result.energy.per_image_J * row.energy * (1 - 1e-9)


@examples(8)
@given(runs())
def test_the_ratio_of_a_choice_is_that_of_the_whole_run_times_what_the_choice_changes(case):
    result = bracketed(evaluated(*case))
    few = ns.evaluate(result.trace, result.mapping, timing="analytic")
    for row, choice in ((row, c) for c in CHOICES for row in result.model.choices if row.choice == c.name):
        there = replace(result.mapping, chip=choice.otherwise(result.mapping.chip))
        other = ns.evaluate(result.trace, there, timing="analytic")
        assert row.ratio == almost(ratio(result) * ratio(other) / ratio(few))


def ratio(result):
    """ANN / SNN, leakage included."""
    return result.ledger.ann["total_J"] / result.energy.total_J


@examples(6)
@given(runs())
def test_the_way_back_is_the_inverse(case):
    result = bracketed(evaluated(*case))
    rows = {row.choice: row for row in result.model.choices}
    for choice, row in ((choice, rows[choice.name]) for choice in CHOICES if choice.name in rows):
        there = replace(result.mapping, chip=choice.otherwise(result.mapping.chip))
        back = bracketed(ns.evaluate(result.trace, there, timing="analytic")).model
        again = next(other for other in back.choices if other.choice == row.choice)
        assert again.taken == row.other and again.other == row.taken
        layouts = {memory.layout for memory in result.mapping.chip.memory}
        if choice.path != "memory" or len(layouts) == 1:
            assert again.energy == almost(1 / row.energy)


def test_packed_words_save_what_padded_ones_cost_by_hand():
    """A row of two potentials of 32 bits in words of 64: one word or two; nothing else has a price."""
    network = ns.Network.build(
        "pair", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=[ns.Output("out", np.array([[3], [7]]))]
    )
    chip = ns.load_chip("mesh45")
    for path, price in chip.prices.items():
        if price.pj and path.endswith(".pj") and not path.startswith("memory."):
            chip = chip.replace(path, 0.0)
    for memory in chip.memory:
        chip = chip.replace(f"memory.{memory.name}.leakage_mw", 0.0)
        for how in ("read", "write"):
            chip = chip.replace(f"memory.{memory.name}.{how}.pj", 1.0 if memory.name == "state_sram" else 0.0)
    result = ns.run(network, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1), int)), chip)
    row = next(row for row in result.model.choices if row.choice == "words for values of a row")
    assert (row.taken, row.other) == ("one each", "shared")
    assert row.energy == almost(0.5)


def test_a_run_keeps_it_and_new_prices_do_not(tmp_path):
    network = samples.residual()
    result = ns.run(network, samples.inputs(network), "mesh45")
    result.save(tmp_path / "run.h5")
    record = ns.load_run(tmp_path / "run.h5")
    assert record.to_dict()["model"] == result.to_dict()["model"]
    assert len(record.to_dict()["model"]["choices"]) >= 3
    chip = result.mapping.chip.replace("operation.accumulate.pj", 9.0)
    assert record.at(chip).to_dict()["model"] is None
    assert ns.evaluate(result.trace, result.mapping).to_dict()["model"] == result.to_dict()["model"]
