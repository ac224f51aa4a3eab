"""The network without spikes, and the papers' model: by hand on networks small enough."""

import json

import numpy as np
import pytest

import neurosim as ns
from neurosim.cost.dataflow import REUSES
from neurosim.cost.paper import paper
from tests.helpers.energies import ann
from tests.helpers.examples import almost

PJ = 1e-12


def only(chip, **prices):
    """The chip with every price zero but the named operations."""
    for name, _ in chip.operation:
        chip = chip.replace(f"operation.{name}.pj", float(prices.get(name, 0)))
    for memory in chip.memory:
        for access in ("read", "write"):
            chip = chip.replace(f"memory.{memory.name}.{access}.pj", 0.0)
    return chip


def two_layers(pool=None, **second):
    kernel = np.ones((1, 1, 1, 1), int)
    size = 4 if pool is None else 2
    return ns.Network.build(
        "two", timesteps=2, input_shape=(1, 4, 4), encoding="spikes",
        layers=[
            ns.Conv("a", kernel, threshold=1, padding=0),
            ns.Conv("b", kernel, threshold=1, pool=pool, **second),
            ns.Output("out", np.ones((2, size * size), int)),
        ],
    )  # fmt: skip


def test_macs_are_counted_as_the_papers_count_them():
    network = ns.Network.build(
        "padded", timesteps=3, input_shape=(2, 5, 5),
        layers=[ns.Conv("a", np.ones((4, 2, 3, 3), int), threshold=1, padding=1), ns.Output("out", np.ones((3, 100), int))],
    )  # fmt: skip
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    assert ann(mapping, 7)["macs"] == 7 * (4 * 25 * 2 * 9 + 3 * 100)


@pytest.mark.parametrize(("pool", "sent"), [(None, 16 + 16), ("sum2", 4 + 4)])
def test_activations_are_sent_once_and_pooled_first(pool, sent):
    """Layer a has 16 neurons; pooled they are 4 activations; layer b sends its own to the output."""
    mapping = ns.map_network(two_layers(pool), only(ns.load_chip("mesh45"), packet=1, event=1))
    assert ann(mapping, 1)["data_movement_J"] == almost(2 * sent * PJ)


def test_a_shortcut_needs_the_activations_before_the_pool():
    skip = ns.Shortcut("a", np.ones((1, 1, 1, 1), int), stride=2)
    mapping = ns.map_network(two_layers("sum2", shortcuts=[skip]), only(ns.load_chip("mesh45"), packet=1))
    assert ann(mapping, 1)["data_movement_J"] == almost((16 + 4) * PJ)


@pytest.mark.parametrize("shortcut", [{"scale": 1}, {"weight": np.ones((1, 1, 1, 1), int)}], ids=["identity", "weighted"])
def test_activations_that_only_pools_read_are_pooled_first_also_for_a_shortcut(shortcut):
    skip = ns.Shortcut("a", pool="sum2", **shortcut)
    mapping = ns.map_network(two_layers("sum2", shortcuts=[skip]), only(ns.load_chip("mesh45"), packet=1))
    assert ann(mapping, 1)["data_movement_J"] == almost((4 + 4) * PJ)


def test_the_network_without_spikes_pays_for_links_between_chips():
    """Four activations from a chip of one core to the next, 32 bits of address and 8 of value in two flits of 32 each."""
    board = {"columns": 2, "rows": 1, "link_cycles": 1, "pj": 7, "source": "made up"}
    chip = only(ns.load_chip("mesh45", ["mesh.width=1", "mesh.height=1"]))
    chip = ns.Chip.parse(chip.values | {"board": board}, "board")
    network = ns.Network.build(
        "two", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[ns.Conv("a", np.ones((1, 1, 1, 1), int), 1), ns.Output("out", np.ones((2, 4), int))],
    )  # fmt: skip
    assert ann(ns.map_network(network, chip), 1)["data_movement_J"] == almost(4 * 2 * 7 * PJ)


def test_a_tree_is_sent_once_and_received_by_every_core():
    chip = only(ns.load_chip("mesh45").replace("core.max_neurons", 1).replace("mesh.delivery", "multicast"), packet=1, event=1)
    network = ns.Network.build(
        "fan", timesteps=1, input_shape=(1, 1, 1), encoding="spikes",
        layers=[ns.Dense("a", [[1]], threshold=1), ns.Dense("b", [[1], [1], [1]], threshold=1), ns.Output("out", [[1, 1, 1]])],
    )  # fmt: skip
    assert ann(ns.map_network(network, chip), 1)["data_movement_J"] == almost(((1 + 3) + 3 * (1 + 1)) * PJ)


def test_the_papers_model_by_hand():
    """Image 1x2x2 -> 3 neurons (12 MACs) -> 2 outputs (6 MACs); each of the 3 neurons fires at both of 2 steps: rate 2."""
    network = ns.Network.build(
        "paper", timesteps=2, input_shape=(1, 2, 2),
        layers=[ns.Dense("a", np.ones((3, 4), int), threshold=3), ns.Output("out", np.ones((2, 3), int))],
    )  # fmt: skip
    trace = ns.simulate(network, ns.Inputs(np.ones((1, 1, 2, 2), np.uint8)))
    found = paper(network, trace.rates)
    once, per_step = found["conv1_mac"]["once"], found["conv1_mac"]["per_step"]
    assert found["ann_J"] == almost(18 * 4.6 * PJ)
    assert once["snn_J"] == almost((12 * 4.6 + 2 * 6 * 0.9) * PJ)
    assert per_step["snn_J"] == almost((2 * 12 * 4.6 + 2 * 6 * 0.9) * PJ)
    assert found["int32"]["conv1_mac"]["once"]["ratio"] == almost(18 * 3.2 / (12 * 3.2 + 12 * 0.1))


def test_a_silent_network_has_no_ratio_and_its_json_is_json():
    network = two_layers()
    result = ns.run(network, ns.Inputs.from_spikes(np.zeros((1, 2, 1, 4, 4))), ns.load_chip("mesh45"))
    values = result.to_dict()
    assert values["paper"]["ratio"] is None
    json.dumps(values, allow_nan=False)


def test_every_neuron_compares_once():
    mapping = ns.map_network(two_layers(), only(ns.load_chip("mesh45").replace("core.max_neurons", 5), compare=1))
    assert len(mapping.bricks) > 6
    assert ann(mapping, 3)["compute_J"] == almost(3 * (16 + 16 + 2) * PJ)


def test_activations_of_a_convolution_by_hand():
    """Layer b meets a map of 4x4 with kernels of 3x3: rows 0 to 3 reach 2, 3, 3 and 2 rows of it, columns as well, and every
    activation is a word. None: (2 + 3 + 3 + 2)^2; rows: 10 x 4; perfect: 4 x 4. Layer a reads an image of 16, the output 16."""
    wide = ns.Conv("b", np.ones((1, 1, 3, 3), int), threshold=9, padding=1)
    network = ns.Network.build(
        "wide", timesteps=1, input_shape=(1, 4, 4), encoding="spikes",
        layers=[ns.Conv("a", np.ones((1, 1, 1, 1), int), 1), wide, ns.Output("out", np.ones((2, 16), int))],
    )  # fmt: skip
    chip = only(ns.load_chip("mesh45")).replace("memory.state_sram.read.pj", 1.0).replace("memory.state_sram.word_bits", 8)
    mapping, word = ns.map_network(network, chip), 4
    # Partial sums of four words: once for each output, or for each of 1, 9 and 16 inputs of an output.
    sums, anew = 16 * word + 16 * word + 2 * word, (16 + 16 * 9 + 2 * 16) * word
    by_hand = {"none": 16 + 100 + 16 + anew, "rows": 16 + 40 + 16 + sums, "perfect": 16 + 16 + 16 + sums}
    found = ann(mapping, 1)["reuse"]
    assert {reuse: found[reuse]["data_movement_J"] for reuse in REUSES} == almost({r: n * PJ for r, n in by_hand.items()})


def test_every_input_of_a_layer_has_its_multiplications_and_its_rows():
    """b reads the input and a: 16 neurons with one weight for either make 32 MACs, and two words for each of 16 sites."""
    network = two_layers(inputs=["input", "a"])
    mapping = ns.map_network(network, only(ns.load_chip("mesh45"), mac=1).replace("memory.weight_sram.read.pj", 1.0))
    found = ann(mapping, 1)
    assert found["macs"] == 16 + 32 + 32
    assert found["compute_J"] == almost(80 * PJ)
    moved = {reuse: found["reuse"][reuse]["data_movement_J"] for reuse in REUSES}
    assert moved["none"] == almost((16 + 32 + 16) * PJ)
    assert moved["rows"] == found["data_movement_J"] == almost((4 + 8 + 16) * PJ)
    assert moved["perfect"] == almost((1 + 1 + 4) * PJ)
