"""Energy: counts times prices, to the last digit; a price changes nothing but its own component."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.action import PJ
from neurosim.cost.activity import COUNTS
from tests.helpers.energies import on, priced, tiny
from tests.helpers.examples import almost, changed, evaluated, examples, runs

pytestmark = pytest.mark.small

OPERATIONS = (
    "accumulate", "mac", "update_active", "update_idle", "current_add", "leak_multiply", "compare", "reset", "spike", "packet",
    "event", "hop_x", "hop_y", "barrier",
)  # fmt: skip


def test_a_tiny_network_by_hand_to_the_last_digit():
    """Step 1: both inputs fire, potentials 6 6 1, neurons 0 and 1 fire, 2 2 1 remain. Step 2: 1 1 0 + 3 3 0, nobody fires.

    3 input events; 9 + 4 synapses; 6 visits; 2 spikes, 2 packets over one link, 2 events at the output; 5 rows of one word.
    """
    network, inputs = tiny()
    prices = {
        "accumulate": 2, "leak_multiply": 3, "compare": 5, "reset": 7, "spike": 11, "update_active": 13, "packet": 17,
        "event": 19, "hop_x": 23, "hop_y": 29, "barrier": 31, "mac": 37, "update_idle": 41, "current_add": 43,
    }  # fmt: skip
    changes = {f"operation.{name}.pj": price for name, price in prices.items()}
    words = {"weight_sram": (2, 3), "state_sram": (5, 7), "table_sram": (11, 13), "queue_sram": (17, 19), "dram": (23, 29)}
    for name, (read, write) in words.items():
        changes |= {f"memory.{name}.read.pj": read, f"memory.{name}.write.pj": write}
    result = ns.run(network, inputs, on(priced(ns.load_chip("mesh45")), changes))
    by_hand = {
        "accumulates": [9 * 2, 4 * 2],
        "MACs of the first layer": [0, 0],
        "neuron updates": [6 * 13 + 6 * 3 + 6 * 5 + 2 * (7 + 11), 0],
        "packets": [2 * 17 + 3 * 19, 2 * 19],
        "mesh": [2 * 23, 0],
        "barriers": [4 * 31 / 2, 4 * 31 / 2],
        "memory weight_sram": [3 * 2, 2 * 2],
        "memory state_sram": [(9 + 6) * 5 + (9 + 6 + 3) * 7, (4 + 2) * 5 + (4 + 2) * 7],
        "memory table_sram": [3 * 11 + 2 * 11, 2 * 11],
        "memory queue_sram": [3 * (17 + 19), 2 * (17 + 19)],
        "memory dram": [3 * 23, 0],
        "leakage": [0, 0],
    }
    assert {name: joules.tolist() for name, joules in result.energy.components.items()} == {
        name: [pj * PJ for pj in cores] for name, cores in by_hand.items()
    }
    assert result.energy.total_J == almost(sum(sum(cores) for cores in by_hand.values()) * PJ)
    assert result.energy.compute_J == almost((26 + 162) * PJ)
    assert result.energy.static_J == 0


def test_leakage_by_hand():
    """Power of two used cores with four memories, of one memory on the chip, and of the chip, for the time of the run."""
    network, inputs = tiny()
    result = ns.run(network, inputs, priced(ns.load_chip("mesh45"), power=2))
    milliwatts = 2 * (2 + 4 * 2) + 2 + 2
    assert result.energy.static_J == result.energy.total_J
    assert result.energy.total_J == almost(milliwatts * 1e-3 * result.time.cycles / 500e6)
    assert result.energy.components["leakage"][0] == result.energy.components["leakage"][1]


def board(**values):
    """Two chips of one core each."""
    more = {"columns": 2, "rows": 1, "link_cycles": 1, "link_interval": 1, "pj": 0, "source": "made up", **values}
    return {"mesh.width": 1, "mesh.height": 1, "board": more}


def test_what_crosses_from_chip_to_chip_costs_a_link_between_chips_besides_the_hop():
    """Two packets of two flits leave the chip of layer a."""
    network, inputs = tiny()
    small = priced(ns.load_chip("mesh45", ["core.queue_packets=56"]))
    chip = changed(small, board(pj=7) | {"mesh.packet_bits": 64, "operation.hop_x.pj": 5})
    result = ns.run(network, inputs, chip)
    assert result.counts["inter_chip_flits"] == result.counts["flit_hops"] == 4
    assert result.energy.components["links between chips"].tolist() == [4 * 7 * PJ, 0]
    assert result.energy.data_movement_J == result.energy.total_J == almost(4 * (5 + 7) * PJ)
    assert "links between chips" not in ns.run(network, inputs, priced(ns.load_chip("mesh45"))).energy.components


def test_a_chip_without_a_used_core_draws_no_power():
    """As above: two used chips of one core each, of two or of six; one memory off chip serves them all."""
    network, inputs = tiny()
    for columns in (2, 6):
        result = ns.run(network, inputs, changed(priced(ns.load_chip("mesh45"), power=2), board(columns=columns)))
        milliwatts = 2 * (2 + 4 * 2) + 2 * 2 + 2
        assert result.energy.static_J == almost(milliwatts * 1e-3 * result.time.cycles / 500e6)


def image_run(chip):
    """An image-fed layer in four cores, on chips that store its current or do not."""
    network = ns.Network.build(
        "image", timesteps=3, input_shape=(1, 4, 4),
        layers=[
            ns.Conv("conv", np.ones((2, 1, 3, 3), int), threshold=40, leak=(3, 2), padding=1),
            ns.Conv("deep", np.ones((2, 2, 1, 1), int), threshold=2),
            ns.Output("out", np.ones((3, 32), int)),
        ],
    )  # fmt: skip
    images = ns.Inputs(np.random.default_rng(3).integers(0, 12, (2, 1, 4, 4)).astype(np.uint8))
    return ns.run(network, images, on(chip, {"core.max_neurons": 8, "mesh.width": 2}))


@pytest.mark.parametrize("policy", [("all", "once"), ("touched", "per_step")])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_costs_its_count_times_its_price(operation, policy):
    update, analog = policy
    chip = on(priced(ns.load_chip("mesh45")), {"policy.update": update, "policy.analog": analog})
    one, two = (image_run(chip.replace(f"operation.{operation}.pj", pj)) for pj in (1, 2))
    totals = {name: int(values.sum()) for name, values in one.totals.items()}
    visits = totals["active"] + totals["idle"]
    count = {
        "accumulate": totals["synaptic_events"], "mac": totals["macs"], "update_active": totals["active"],
        "update_idle": totals["idle"], "current_add": totals["current_adds"], "leak_multiply": totals["leaks"],
        "compare": visits, "reset": totals["spikes"], "spike": totals["spikes"], "packet": totals["packets"],
        "event": totals["events"], "hop_x": totals["hops_x"], "hop_y": totals["hops_y"], "barrier": 2 * 3 * 3,
    }[operation]  # fmt: skip
    assert count > 0 or (operation, *policy) in {("update_idle", "touched", "per_step"), ("current_add", "touched", "per_step")}
    assert one.energy.total_J == almost(count * PJ)
    assert two.energy.total_J == almost(2 * count * PJ)


@examples(40)
@given(runs())
def test_without_prices_there_is_no_energy(case):
    inputs, mapping = case
    free = replace(mapping, chip=priced(mapping.chip))
    energy = evaluated(inputs, free).energy
    assert energy.total_J == 0
    assert set(energy.by_component_J.values()) == {0.0}


@examples(40)
@given(runs(), st.integers(0, 50))
def test_prices_change_no_count_and_no_time(case, price):
    inputs, mapping = case
    before = evaluated(inputs, mapping)
    after = evaluated(inputs, replace(mapping, chip=priced(mapping.chip, price, price + 1, price + 2, price)))
    assert before.counts == after.counts
    assert all((before.totals[name] == after.totals[name]).all() for name in COUNTS)
    assert before.time.steps.tolist() == after.time.steps.tolist()
    assert words(before) == words(after)


def words(result):
    return [(use["level"], use["holds"], use["reads"], use["writes"]) for use in result.to_dict()["memory"]]


@examples(40)
@given(runs())
def test_twice_the_prices_are_twice_the_energy(case):
    inputs, mapping = case
    once, twice = (evaluated(inputs, replace(mapping, chip=priced(mapping.chip, p, p, p, p))).energy for p in (1, 2))
    assert twice.by_component_J == almost({name: 2 * joules for name, joules in once.by_component_J.items()})


@examples(40)
@given(runs(), st.sampled_from(["read", "write"]), st.data())
def test_a_word_costs_its_price_in_its_own_memory_alone(case, access, data):
    inputs, mapping = case
    level = data.draw(st.sampled_from([m.name for m in mapping.chip.memory]))
    chip = priced(mapping.chip).replace(f"memory.{level}.{access}.pj", 3)
    result = evaluated(inputs, replace(mapping, chip=chip))
    counted = sum(use[f"{access}s"] for use in result.to_dict()["memory"] if use["level"] == level)
    assert result.energy.total_J == almost(3 * counted * PJ)
    assert result.energy.by_component_J[f"memory {level}"] == result.energy.total_J


@examples(40)
@given(runs())
def test_the_memory_table_adds_up_to_the_components_of_its_levels(case):
    inputs, mapping = case
    result = evaluated(inputs, mapping)
    table = result.to_dict()["memory"]
    for memory in mapping.chip.memory:
        mine = [use for use in table if use["level"] == memory.name]
        assert [use["holds"] for use in mine] == list(mapping.chip.kinds(memory))
        assert sum(use["energy_J"] for use in mine) == almost(result.energy.by_component_J[f"memory {memory.name}"])
        for use in mine:
            assert use["bits_read"] == use["reads"] * memory.word_bits
            assert use["bits_written"] == use["writes"] * memory.word_bits


def weight_words(neurons, word_bits):
    """Words read for 100 spikes, each of which fetches a row of *neurons* 8-bit weights."""
    network = ns.Network.build(
        "rows", timesteps=1, input_shape=(100, 1, 1), encoding="spikes",
        layers=[ns.Dense("fc", np.ones((neurons, 100), int), threshold=1000), ns.Output("out", np.ones((1, neurons), int))],
    )  # fmt: skip
    chip = ns.load_chip("mesh45").replace("memory.weight_sram.word_bits", word_bits)
    result = ns.run(network, ns.Inputs.from_spikes(np.ones((1, 1, 100, 1, 1))), chip)
    (use,) = (use for use in result.to_dict()["memory"] if use["holds"] == "weights")
    assert use["bits_read"] == use["reads"] * word_bits
    return use["reads"]


@pytest.mark.parametrize(
    ("neurons", "word_bits", "words_per_row"),
    [(3, 64, 1), (8, 64, 1), (9, 64, 2), (3, 24, 1), (3, 23, 2), (3, 8, 3), (3, 7, 4)],
)
def test_a_visit_costs_whole_words(neurons, word_bits, words_per_row):
    assert weight_words(neurons, word_bits) == 100 * words_per_row


def test_a_kind_that_moves_to_another_memory_takes_its_accesses_along():
    network, inputs = tiny()
    chip = priced(ns.load_chip("mesh45"), 1, 1, 1)
    values = chip.values
    values["memory"][2]["holds"] = ["axons", "routes", "queue"]
    values["memory"][3] |= {"name": "backing", "holds": ["weights"], "per": "chip", "word_bits": 8, "bits": 2**30}
    values["memory"][0] |= {"holds": ["input"]}
    values["memory"][4] |= {"holds": ["state"]}
    values["memory"].pop(1)
    moved = ns.run(network, inputs, ns.Chip.parse(values, "moved"))
    before = ns.run(network, inputs, chip)
    assert moved.counts == before.counts
    assert {use["holds"] for use in moved.to_dict()["memory"]} == {use["holds"] for use in before.to_dict()["memory"]}
    assert ("backing", "weights", 3 * 3 + 2 * 2, 0) in words(moved)


@pytest.mark.parametrize("name", ["leakage", "mesh", "accumulates"])
def test_the_name_of_a_memory_changes_no_sum(name):
    network, inputs = tiny()
    chip = ns.load_chip("mesh45")
    before, after = (ns.run(network, inputs, c).energy for c in (chip, chip.replace("memory.weight_sram.name", name)))
    assert after.total_J == almost(before.total_J)
    assert after.compute_J == almost(before.compute_J)
    assert after.static_J == almost(before.static_J)
