"""Values side by side in words: by hand, for the network with spikes and the one without, and laws. All counts of the former:
tests/cost/test_activity.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.activity import activity
from neurosim.cost.ann import Inference
from neurosim.cost.spikeless import Spikeless
from neurosim.mapping.demand import MappingError, item_bits
from tests.helpers.examples import changed, examples, runs, traced

pytestmark = pytest.mark.small


def four_channels(threshold=100):
    """One spike in the middle of a map of 4x4 meets kernels of 3x3 of four channels, and is too weak to make anything fire, or
    makes all 36 neurons that it reaches."""
    network = ns.Network.build(
        "four", timesteps=1, input_shape=(1, 4, 4), encoding="spikes", compare=">=",
        layers=[ns.Conv("a", np.ones((4, 1, 3, 3), int), threshold, padding=1), ns.Output("out", np.ones((2, 64), int))],
    )  # fmt: skip
    spikes = np.zeros((1, 1, 1, 4, 4), int)
    spikes[..., 1, 1] = 1
    return network, ns.Inputs.from_spikes(spikes)


def chip_with(layout, word_bits=64, state_bits=24):
    changes = {"core.state_bits": state_bits, "memory.state_sram.layout": layout, "memory.state_sram.word_bits": word_bits}
    return changed(ns.load_chip("mesh45"), changes)


# Words of 64 bits hold two potentials of 24 bits, or eight activations. The spike reaches 9 sites, at each a row of four
# channels: 4 words padded, 2 packed. (read, written)
BY_HAND = {
    # Additions 9 x 4, visits 9 x 4, of the output 2 read; before the image 16 x 4 + 2 are cleared.
    "padded": (36 + 36 + 2, 36 + 36 + 64 + 2),
    "packed": (18 + 18 + 1, 18 + 18 + 32 + 1),
}
# Without spikes: a weight serves a row of output sites, an activation the width of the kernel, partial sums wait in registers.
ANN_BY_HAND = {
    # Activations: 10 rows (2 + 3 + 3 + 2) x 4 of one channel, and 16 sites of four channels; sums of 16 sites x 4, and 2. On
    # arrival 16 of one channel are written, and 16 sites of four.
    "padded": (40 + 64 + 64 + 2, 16 + 64 + 64 + 2),
    "packed": (40 + 16 + 32 + 1, 16 + 16 + 32 + 1),
}


@pytest.mark.parametrize("layout", BY_HAND)
def test_words_of_a_convolution_by_hand(layout):
    network, inputs = four_channels()
    result = ns.run(network, inputs, chip_with(layout), timing="analytic")
    found = [result.energy.action(f"{how} state of state_sram").times for how in ("read", "write")]
    assert tuple(found) == BY_HAND[layout]
    # A row of four weights of 8 bits is one word of 64 in either.
    assert result.energy.action("read weights of weight_sram").times == 9


# Fired: 36 spikes, each added to the 2 neurons of the output, which are read and written: 2 words padded, 1 packed.
FIRED = {"padded": 36 * 2, "packed": 36}


@pytest.mark.parametrize("fires", [0, 36])
@pytest.mark.parametrize("layout", BY_HAND)
def test_all_else_with_spikes_by_hand(layout, fires):
    """The spike from outside is an event; what fires is a packet, an event and a row of weights of the output each."""
    network, inputs = four_channels(1 if fires else 100)
    run = ns.run(network, inputs, chip_with(layout), timing="analytic")
    done = {action.name: action.times for action in run.energy.actions}
    more = FIRED[layout] if fires else 0
    assert tuple(done[f"{how} state of state_sram"] for how in ("read", "write")) == tuple(w + more for w in BY_HAND[layout])
    assert done["accumulate"] == 36 + 2 * fires and done["update_active"] == done["compare"] == 36
    assert done["read weights of weight_sram"] == 9 + fires
    # A packet of 32 bits is a word of the queue, as are entries of tables; the image, one event, is one of its memory.
    assert done["packet"] == done["read routes of table_sram"] == done["spike"] == fires and done["read input of dram"] == 1
    queue = [done[f"{how} queue of queue_sram"] for how in ("read", "write")]
    assert {done["event"], done["read axons of table_sram"], *queue} == {1 + fires}
    assert done["barrier"] == 2 and done["mac"] == 0


@pytest.mark.parametrize("layout", ANN_BY_HAND)
def test_words_without_spikes_by_hand(layout):
    mapping = ns.map_network(four_channels()[0], chip_with(layout))
    done = {action.name: action.times for action in Inference(Spikeless(mapping)).actions("rows", 1)}
    assert (done["read state of state_sram"], done["write state of state_sram"]) == ANN_BY_HAND[layout]
    assert done["read weights of weight_sram"] == 4 * 9 + 64


def test_all_else_without_spikes_by_hand():
    """16 sites of 4 channels with 9 weights, and 64 activations that go to the core of the output, which has 2 neurons."""
    work = Inference(Spikeless(ns.map_network(four_channels()[0], chip_with("packed"))))
    done = {action.name: action.times for action in work.actions("rows", 1)}
    assert done["mac"] == done["partial_sum"] == 16 * 4 * 9 + 2 * 64 and done["compare"] == 64 + 2 and done["barrier"] == 2
    # An image of 16 pixels of 8 bits is two words of 64; a packet of 32 bits and 8 of the activation is two words of 32 in the
    # queue, and two flits of 32, each over one link; entries of tables are a word.
    assert done["read input of dram"] == 2 and done["packet"] == done["event"] == 64 and done["hop_x"] == 2 * 64
    assert done["read queue of queue_sram"] == done["write queue of queue_sram"] == 2 * 64
    assert all(done[f"read {kind} of table_sram"] == 64 for kind in ("axons", "routes"))
    # 144 rows of four sums on 16 lanes, then 64 activations four by four; 64 rows, a visit of two neurons, and 64 packets.
    assert work.busy("rows").tolist() == [144 + 16, 64 + 1 + 64]
    assert work.cycles(work.busy("rows")) == 160 + 129 + 2 * 100


@pytest.mark.parametrize(
    ("layout", "values", "bits", "words"),
    [
        ("packed", 5, 24, 3), ("padded", 5, 24, 5), ("packed", 1, 24, 1), ("packed", 2, 64, 2), ("packed", 2, 65, 4),
        ("padded", 2, 65, 4), ("packed", 8, 8, 1), ("packed", 9, 8, 2), ("packed", 0, 8, 0),
    ],
)  # fmt: skip
def test_words_of_a_row(layout, values, bits, words):
    memory = chip_with(layout).home("state")
    assert memory.row_words(values, bits) == words
    assert memory.row_words(np.array([values, values]), bits).tolist() == [words, words]


def test_lone_neurons_share_a_word_only_where_they_are_neighbours():
    """Over identity shortcuts single neurons are visited: channels 0 and 1 lie in one word, 2 in the next."""
    network = ns.Network.build(
        "lone", timesteps=1, input_shape=(3, 1, 1), encoding="spikes",
        layers=[
            ns.Conv("a", 2 * np.eye(3, dtype=int).reshape(3, 3, 1, 1), 1),
            ns.Conv("silent", np.ones((3, 3, 1, 1), int), 100),
            ns.Conv("b", np.ones((3, 3, 1, 1), int), 100, shortcuts=[ns.Shortcut("a", weight=None, scale=1)]),
            ns.Output("out", np.ones((2, 3), int)),
        ],
    )  # fmt: skip
    words = {}
    for fired in ((0,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        spikes = np.isin(np.arange(3), fired).astype(int).reshape(1, 1, 3, 1, 1)
        mapping = ns.map_network(network, chip_with("packed"))
        found = activity(ns.simulate(network, ns.Inputs.from_spikes(spikes), state_bits=24), mapping)
        words[fired] = int(found.visit_words[:, mapping.layer_of == 2].sum())
    assert words == {(0,): 1, (0, 1): 1, (0, 2): 2, (1, 2): 2, (0, 1, 2): 2}


def test_shared_words_take_the_room_of_whole_words():
    network, _ = four_channels()
    for layout, bits in (("padded", 64 * 24), ("packed", 16 * 2 * 64)):
        mapping = ns.map_network(network, chip_with(layout))
        assert item_bits(network, mapping.chip, [mapping.bricks[0]], 0)["state"] == bits
    with pytest.raises(MappingError, match="state_sram"):
        ns.map_network(network, changed(chip_with("packed"), {"memory.state_sram.bits": 63}))


def test_the_default_is_padded_and_a_chip_without_the_word_is_the_chip_of_before():
    chip = ns.load_chip("mesh45")
    assert chip.home("state").layout == "padded"
    assert chip.replace("memory.state_sram.layout", "padded").sha256 == chip.sha256
    assert chip.replace("memory.state_sram.layout", "packed").sha256 != chip.sha256


@examples(50)
@given(runs(), st.sampled_from([32, 64, 100, 256]))
def test_side_by_side_is_never_more_words_and_changes_nothing_else(case, word_bits):
    inputs, mapping = case
    found, name = {}, f"memory.{mapping.chip.home('state').name}"
    for layout in ("padded", "packed"):
        chip = changed(mapping.chip, {f"{name}.layout": layout, f"{name}.word_bits": word_bits})
        found[layout] = activity(traced(inputs, mapping), replace(mapping, chip=chip)).counts
    words = {"state_words", "visit_words", "update_cycles", "waiting_cycles"}
    for name, count in found["padded"].items():
        if name in words:
            assert (found["packed"][name] <= count).all()
        else:
            assert (found["packed"][name] == count).all()
