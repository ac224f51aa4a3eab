"""How weights are stored, and pooling windows summed first: by hand, and laws. All counts: tests/cost/test_activity.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.action import PJ
from neurosim.cost.activity import activity
from neurosim.errors import ChipError
from neurosim.io.sanafe_files import save_sanafe
from neurosim.mapping.demand import MappingError, item_bits
from neurosim.mapping.storage import STORAGES
from tests.helpers.energies import priced
from tests.helpers.examples import almost, changed, examples, runs, traced

pytestmark = pytest.mark.small

# Room in bits; what a spike of the left pixel costs: words of 12 bits, additions, rounds of two lanes.
BY_HAND = {
    "shared": (2 * 9 * 8, 2 * 2, 4, 2),
    "unrolled": (14 * 8, 3, 4, 2),
    "crossbar": (3 * 6 * 8, 4, 6, 3),
    "sparse": (9 * (8 + 4), 2, 2, 1),
    "shared, zeros skipped": (2 * 9 * 8, 2 * 2, 2, 2),
    "unrolled, zeros skipped": (14 * 8, 3, 2, 1),
    "crossbar, zeros skipped": (3 * 6 * 8, 4, 2, 1),
}


def chip_with(storage, **changes):
    """Additions cost 1 pJ, words of weights 10, multiplications 100."""
    storage, *skipped = storage.split(", ")
    index = 4 if storage == "sparse" else None
    changes |= {"core.storage": storage, "core.skip_zeros": bool(skipped), "core.index_bits": index}
    changes |= {"operation.accumulate.pj": 1, "memory.weight_sram.read.pj": 10, "operation.mac.pj": 100}
    changes |= {f"memory.{name}.words_per_cycle": None for name in ("weight_sram", "state_sram")}
    return changed(priced(ns.load_chip("mesh45")), {"core.lanes": 2, "memory.weight_sram.word_bits": 12} | changes)


def three_pixels():
    """Two channels over three pixels in a row, of whose 3x3 kernels the middle row counts; the left pixel fires. It reaches its
    own site over (0, 5) and the next over (1, 0); the pixels have 4, 6 and 4 synapses, of which 2, 4 and 3 are not zero."""
    kernel = np.zeros((2, 1, 3, 3), np.int64)
    kernel[:, 0, 1] = [[1, 0, 2], [0, 5, 3]]
    network = ns.Network.build(
        "three", timesteps=1, input_shape=(1, 1, 3), encoding="spikes",
        layers=[ns.Conv("a", kernel, threshold=100, padding=1), ns.Output("out", np.ones((1, 6), np.int64))],
    )  # fmt: skip
    return network, ns.Inputs.from_spikes(np.array([1, 0, 0]).reshape(1, 1, 1, 1, 3))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_convolution_by_hand(name):
    network, inputs = three_pixels()
    room, words, adds, rounds = BY_HAND[name]
    result = ns.run(network, inputs, chip_with(name), timing="analytic")
    mapping = result.mapping
    assert item_bits(network, mapping.chip, [mapping.bricks[0]], 0)["weights"] == room
    assert (result.counts["synaptic_events"], result.counts["accumulates"]) == (4, adds)
    assert result.energy.action("read weights of weight_sram").times == words
    assert result.energy.total_J == almost((words * 10 + adds) * PJ)
    service = mapping.deliveries["input"].service[0]
    assert service == mapping.chip.operation.event.cycles + rounds * mapping.chip.operation.accumulate.cycles


@pytest.mark.parametrize("name", ["unrolled", "crossbar", "sparse"])
def test_bricks_are_cut_until_what_is_stored_fits(name):
    network, inputs = three_pixels()
    room = BY_HAND[name][0]
    whole, cut = (ns.map_network(network, chip_with(name, **{"memory.weight_sram.bits": bits})) for bits in (room, room - 1))
    assert [int((mapping.layer_of == 0).sum()) for mapping in (whole, cut)] == [1, 2]
    runs = [ns.evaluate(ns.simulate(network, inputs), mapping, timing="analytic") for mapping in (whole, cut)]
    assert runs[0].outputs.tolist() == runs[1].outputs.tolist()
    with pytest.raises(MappingError, match=r"core\.storage = 'shared'"):
        ns.map_network(network, chip_with(name, **{"memory.weight_sram.bits": 7}))


def test_an_image_keeps_its_kernels():
    network = ns.Network.build(
        "image", timesteps=1, input_shape=(1, 4, 4),
        layers=[ns.Conv("a", np.ones((2, 1, 3, 3), np.int64), 9, padding=1), ns.Output("out", np.ones((1, 32), np.int64))],
    )  # fmt: skip
    for name in STORAGES:
        chip = chip_with(name)
        bricks = ns.map_network(network, chip).bricks
        assert item_bits(network, chip, [bricks[0]], 0)["weights"] == 2 * 9 * 8


@pytest.mark.parametrize("bits", [0, 33, 10**12])
def test_an_index_has_a_few_bits(bits):
    with pytest.raises(ChipError, match=r"core\.index_bits"):
        changed(ns.load_chip("mesh45"), {"core.storage": "sparse", "core.index_bits": bits})


def test_an_index_must_name_every_neuron():
    network, _ = three_pixels()
    chip = chip_with("sparse").replace("core.index_bits", 2)
    assert [brick.neurons for brick in ns.map_network(network, chip).bricks] == [4, 2, 1]
    wide = ns.Network.build(
        "wide", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=[ns.Output("out", np.ones((5, 1), np.int64))]
    )
    assert len(ns.map_network(wide, chip).bricks) == 2


@pytest.mark.parametrize(("storage", "bits"), [("sparse", None), ("shared", 8)])
def test_an_index_belongs_to_sparse_storage(storage, bits):
    values = ns.load_chip("mesh45").values
    values["core"] |= {"storage": storage, "index_bits": bits}
    with pytest.raises(ChipError, match="core: storage 'sparse' and index_bits belong together"):
        ns.Chip.parse(values, "test")


WINDOWS = [("folded", 6, (6, 0, 0, 0)), ("summed", 2, (0, 3, 2, 0))]


@pytest.mark.parametrize(("pool", "words", "counts"), WINDOWS)
def test_a_window_is_folded_or_summed_first_by_hand(pool, words, counts):
    """Three pixels of one window fire; two outputs with weights of 8 bits. Folded: each fetches both weights, two words, and
    adds them. Summed: three additions, and the sum multiplied with both weights once."""
    network = ns.Network.build(
        "window", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[ns.Output("out", np.array([[3], [7]]), pool="sum2")],
    )  # fmt: skip
    inputs = ns.Inputs.from_spikes(np.array([1, 1, 0, 1]).reshape(1, 1, 1, 2, 2))
    result = ns.run(network, inputs, chip_with("shared", **{"policy.pool": pool}))
    assert result.outputs.tolist() == [[9, 21]]
    assert result.counts["synaptic_events"] == 6
    assert any("sums of pooling windows" in note for note in result.not_counted) == (pool == "summed")
    assert result.energy.action("read weights of weight_sram").times == words
    assert tuple(result.counts[name] for name in ("accumulates", "pool_adds", "pool_macs", "macs")) == counts
    adds, sums, products, _ = counts
    assert result.energy.total_J == almost((words * 10 + adds + sums + products * 100) * PJ)


@examples(40)
@given(runs(), st.sampled_from(sorted(STORAGES)))
def test_storage_changes_neither_spikes_nor_packets_and_zeros_skipped_are_never_more(case, storage):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    if storage == "crossbar":
        chip = changed(mapping.chip, {"core.max_layers": 1})
        mapping = replace(mapping, chip=chip, cores=np.random.default_rng(0).permutation(chip.cores)[: len(mapping.bricks)])
    stored = {"core.storage": storage, "core.index_bits": 12 if storage == "sparse" else None}
    chips = [changed(mapping.chip, stored | {"core.skip_zeros": skip}) for skip in (False, True)]
    plain, skipping = (activity(trace, replace(mapping, chip=chip)) for chip in chips)
    found = activity(trace, mapping)
    for name in ("spikes", "packets", "events", "synaptic_events", "active", "hops_x", "hops_y"):
        assert (getattr(found, name) == getattr(plain, name)).all() and (getattr(plain, name) == getattr(skipping, name)).all()
    for name in ("accumulates", "pool_macs", "payload_macs"):
        assert (getattr(skipping, name) <= getattr(plain, name)).all()
    assert (plain.weight_words == skipping.weight_words).all()
    if storage in ("shared", "unrolled") and mapping.chip.policy.pool == "folded":
        assert (plain.accumulates + plain.payload_macs == plain.synaptic_events).all()


@pytest.mark.parametrize("changes", [{"core.storage": "crossbar"}, {"core.skip_zeros": True}])
def test_sanafe_knows_no_additions_but_those_of_synaptic_events(changes, tmp_path):
    kernel = np.array([1, 0, 2, 3], np.int64).reshape(2, 2, 1, 1)
    network = ns.Network.build(
        "small", timesteps=1, input_shape=(2, 1, 2),
        layers=[ns.Conv("a", kernel, 1), ns.Conv("b", kernel, 1), ns.Output("out", np.ones((1, 4), np.int64))],
    )  # fmt: skip
    inputs = ns.Inputs(np.full((1, 2, 1, 2), 9, np.uint8))
    chip = changed(ns.load_chip("loihi-fitted"), changes | {"core.state_bits": 32})
    result = ns.run(network, inputs, chip, timing="analytic")
    assert result.counts["accumulates"] != result.counts["synaptic_events"]
    with pytest.raises(ChipError, match=r"additions for .* synaptic events"):
        save_sanafe(result, tmp_path / "sanafe")
