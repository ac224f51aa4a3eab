"""Weights that live behind the memories of the cores: by hand, and laws."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.ann import Inference
from neurosim.cost.spikeless import Spikeless
from neurosim.errors import ChipError
from neurosim.mapping.demand import MappingError, item_bits
from neurosim.mapping.mapping import Mapping
from tests.helpers.energies import BACK, behind, priced, tiny
from tests.helpers.examples import SCHEDULE, almost, evaluated, examples, runs

pytestmark = pytest.mark.small


def two_small_cores():
    """One for each layer of the tiny network, with room for half of its weights."""
    return ns.load_chip("mesh45", ["memory.weight_sram.bits=24", "mesh.width=2", "mesh.height=1"])


def cost(chip):
    """Only weights cost anything: 3 pJ to read a word, 5 to write one."""
    return priced(chip).replace("memory.weight_sram.read.pj", 3.0).replace("memory.weight_sram.write.pj", 5.0)


@pytest.mark.parametrize(("fetched", "again"), [("per_image", 3), ("per_step", 6)])
def test_what_does_not_fit_is_fetched_again_by_hand(fetched, again):
    """Layer a has 6 weights of 8 bits, the output 6. With 24 bits in the core 3 stay, and 24 bits come again: 2 words of 16
    bits at the back, one of 64 bits at the front. Three images of two steps; every spike reads one word."""
    network, inputs = tiny()
    inputs = ns.Inputs.from_spikes(np.repeat(inputs.spikes, 3, axis=0))
    chip = behind(cost(two_small_cores()), fetched)
    spacious = ns.map_network(network, chip.replace("mesh.width", 8))
    assert len(spacious.bricks) > 2 and not spacious.spills[0].spilled.any(), "with cores enough, nothing spills"
    result = ns.run(network, inputs, chip, timing="analytic")
    assert len(result.mapping.bricks) == 2
    used = {(use["level"], use["holds"]): (use["reads"], use["writes"]) for use in result.to_dict()["memory"]}
    reads = 3 * (3 + 2)
    assert used["flash", "weights"] == (2 * (2 + 2 * again), 0)
    assert used["weight_sram", "weights"] == (reads, 2 * (1 + again))
    by_hand = {"memory flash": 2 * (2 + 2 * again) * 2, "memory weight_sram": reads * 3 + 2 * (1 + again) * 5}
    assert {name: joules for name, joules in result.energy.by_component_J.items() if joules} == almost(
        {name: pj * 1e-12 for name, pj in by_hand.items()}
    )
    assert result.energy.by_purpose_J["off chip"] == almost(by_hand["memory flash"] * 1e-12)


def test_what_fits_comes_once_by_hand():
    network, inputs = tiny()
    chip = behind(cost(ns.load_chip("mesh45")), "once")
    result = ns.run(network, inputs, chip)
    # 48 bits each: three words of 16 bits, one of 64.
    assert [(s.kept.tolist(), s.spilled.tolist()) for s in result.mapping.spills] == [([48, 48], [0, 0])]
    assert result.energy.action("read weights of flash").times == 6
    assert result.energy.action("write weights of weight_sram").times == 2
    assert not any("loading of weights" in note for note in result.not_counted)
    assert any("loading of weights" in note for note in ns.run(network, inputs, cost(ns.load_chip("mesh45"))).not_counted)


def test_bits_of_weights_are_counted_only_where_something_is_fetched(monkeypatch):
    network, _ = tiny()
    counted = []
    monkeypatch.setattr("neurosim.mapping.mapping.stored_bits", lambda *given: counted.append(given) or 0)
    assert ns.map_network(network, two_small_cores().replace("mesh.width", 8)).spills == [] and not counted
    assert ns.map_network(network, behind(two_small_cores(), "per_step")).spills and counted


def test_what_must_fit_does_not_spill():
    with pytest.raises(MappingError, match="weight_sram"):
        ns.map_network(tiny()[0], behind(ns.load_chip("mesh45", ["memory.weight_sram.bits=8"]), "once"))
    with pytest.raises(MappingError, match=r"flash \(weights\) needs 96 bits, limit 95"):
        ns.map_network(tiny()[0], behind(ns.load_chip("mesh45"), "per_step", bits=95))


@pytest.mark.parametrize("per", ["core", "off chip"])
@pytest.mark.parametrize(("fetched", "later"), [("per_step", 2), ("per_image", 0)])
def test_cores_wait_for_it_by_hand(per, fetched, later):
    """24 bits per step and core through a port of 16 bits: 2 cycles, for both cores in turn where they share it, but each works
    in a turn of its own; and as many once for the 24 bits that stay."""
    network, inputs = tiny()
    small = two_small_cores()
    small = small.replace("memory.weight_sram.words_per_cycle", None)
    fast = ns.run(network, inputs, behind(small, fetched), timing="analytic").time
    slow = ns.run(network, inputs, behind(small, fetched, per=per, words_per_cycle=1), timing="analytic").time
    # Both layers in both steps, and the kept part in the first; what the output waits for packets it can fetch meanwhile.
    assert (slow.steps - fast.steps).tolist() == [[2 + 2, 2 * later]]
    assert slow.tally.waiting.sum() - fast.tally.waiting.sum() == (2 * (2 + 2 + later) if per == "core" else 0)


def test_what_else_lives_in_the_memory_leaves_less_room():
    """Of 32 bits three and two potentials of 8 bits take 24 and 16, for which it is the memory behind a cache."""
    network, _ = tiny()
    chip = two_small_cores().replace("core.state_bits", 8).replace("memory.weight_sram.bits", 32)
    values = chip.values
    memory = [m | {"backs": "state_sram", "miss_rate": 0.5} if m["name"] == "weight_sram" else m for m in values["memory"]]
    spill = ns.map_network(network, behind(ns.Chip.parse(values | {"memory": memory}, "both"), "per_image")).spills[0]
    assert spill.kept.tolist() == [32 - 3 * 8, 32 - 2 * 8]


def test_the_slower_of_both_ports_counts_by_hand():
    """24 bits stay and 24 come again: two words of 16 bits at the back, three of 8 at the front."""
    chip = behind(two_small_cores().replace("memory.weight_sram.word_bits", 8), "per_step", words_per_cycle=1)
    for port, cycles in ((None, 2), (1, 3), (2, 2), (3, 2)):
        mapping = ns.map_network(tiny()[0], chip.replace("memory.weight_sram.words_per_cycle", port))
        assert mapping.spills[0].cycles(0, 2, 2).tolist() == [[2 * cycles] * 2, [cycles] * 2]


@examples(30)
@given(runs(), SCHEDULE, st.integers(1, 400), st.sampled_from(["per_image", "per_step"]), st.sampled_from(["core", "off chip"]))
def test_a_smaller_memory_fetches_no_less_and_nothing_else_changes(case, schedule, bits, fetched, per):
    inputs, mapping = case
    front = mapping.chip.home("weights")
    assume(front.per == "core" and not mapping.chip.behind(front))
    needed = [item_bits(mapping.network, mapping.chip, [brick], 0)["weights"] for brick in mapping.bricks]

    def evaluate(size):
        chip = behind(mapping.chip, fetched, backs=front.name, per=per, bits=10**9, words_per_cycle=2)
        values = chip.values
        next(m for m in values["memory"] if m["name"] == front.name)["bits"] = size
        there = Mapping(mapping.network, ns.Chip.parse(values, "smaller"), mapping.bricks, mapping.cores, mapping.placer)
        return evaluated(inputs, there, schedule=schedule, timing="analytic")

    without = evaluated(inputs, mapping, schedule=schedule, timing="analytic")
    small, large = evaluate(bits), evaluate(bits + 200)
    for result in (small, large):
        (spill,) = result.mapping.spills
        assert (spill.kept + spill.spilled).tolist() == needed
        assert result.counts == without.counts
        assert (result.time.steps >= without.time.steps).all()
        read = result.energy.action("read weights of flash").count
        assert (read >= -(-np.array(needed) // BACK["word_bits"])).all()
    # What stays and what does not are fetched in whole words and cycles each.
    assert (small.time.steps >= large.time.steps - 2 * len(needed)).all()
    few, many = (result.energy.action("read weights of flash").count for result in (large, small))
    assert (many >= few - 1).all()
    assert (small.mapping.spills[0].spilled >= large.mapping.spills[0].spilled).all()


def test_the_network_without_spikes_fetches_it_too():
    network, inputs = tiny()
    inputs = ns.Inputs.from_spikes(np.repeat(inputs.spikes, 4, axis=0))
    result = ns.run(network, inputs, behind(cost(two_small_cores()), "per_step"))
    for done in result.ledger.without.dense.values():
        counts = {action.name: action.count.sum() for action in done}
        # Of each of four images: a quarter of what stays, and what does not once, as there is one step.
        assert counts["read weights of flash"] == 2 * (2 / 4 + 2)
        assert counts["write weights of weight_sram"] == 2 * (1 / 4 + 1)


def test_the_network_without_spikes_fetches_shared_kernels():
    network = ns.load_network("models/mnist_vgg_t5.h5")
    chip = ns.load_chip("mesh45", ["mesh.width=16", "mesh.height=16"])
    large = behind(chip, "once", bits=10**9)
    mapping = ns.map_network(network, large.replace("core.storage", "unrolled"))
    shared = Mapping(network, large, mapping.bricks, mapping.cores, "row-major")
    unrolled, kernels = (
        next(a.count.tolist() for a in Inference(Spikeless(m)).actions("rows", 1) if a.name == "read weights of flash")
        for m in (mapping, shared)
    )
    assert unrolled == kernels and mapping.spills[0].kept.sum() > 2 * shared.spills[0].kept.sum()


PROBLEMS = {
    "backs nothing": ({"backs": "other"}, "backs 'other', which does not exist; there are: weight_sram"),
    "not for weights": ({"backs": "state_sram"}, "must be another that holds weights in every core"),
    "itself": ({"backs": "flash", "holds": ["weights"], "per": "core"}, "must be another that holds weights in every core"),
    "no fetched": ({"fetched": None}, "backs goes with either fetched .* or miss_rate; there are 0"),
    "unknown fetched": ({"fetched": "daily"}, "fetched"),
    "holds nothing": ({"backs": None, "fetched": None}, "holds nothing"),
    "claims a kind": ({"holds": ["weights"]}, "'weights' is held by weight_sram and flash"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_wrong_levels_are_refused(name):
    changes, message = PROBLEMS[name]
    with pytest.raises(ChipError, match=message):
        behind(ns.load_chip("mesh45"), **{"fetched": "per_step", **changes})


def test_wrong_levels_and_wrong_prices_are_told_at_once():
    values = ns.load_chip("mesh45").values
    values["operation"]["mac"]["pj"] = -1
    values["memory"] += [BACK | {"fetched": "once", "backs": "nobody", "holds": ["queue"]}, {"name": 3}, "no table"]
    with pytest.raises(ChipError) as error:
        ns.Chip.parse(values, "wrong")
    told = str(error.value)
    for words in ("operation.mac.pj", "'queue' is held by queue_sram and flash", "backs 'nobody'"):
        assert words in told


def test_a_back_on_each_of_several_chips_is_refused():
    board = ns.load_chip("mesh45").values | {"board": {"columns": 2, "link_cycles": 5, "pj": 1, "source": "test"}}
    with pytest.raises(ChipError, match="'flash' backs another on each of several chips; one off chip can"):
        behind(ns.Chip.parse(board, "board"), "per_step", per="chip")


def test_two_backs_are_refused():
    chip = behind(ns.load_chip("mesh45"), "per_step")
    with pytest.raises(ChipError, match="'weight_sram' is backed by 2 memories"):
        behind(chip, "per_step", name="another")


def test_a_repriced_run_keeps_its_spills(tmp_path):
    network, inputs = tiny()
    chip = behind(two_small_cores(), "per_image")
    ns.run(network, inputs, chip).save(tmp_path / "run.h5")
    dear = chip.replace("memory.flash.read.pj", 77.0)
    found = ns.load_run(tmp_path / "run.h5").at(dear).ledger.energy
    assert found.total_J == almost(ns.run(network, inputs, dear).energy.total_J)
