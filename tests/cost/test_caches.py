"""Memories that are caches of those behind them, and memories of a tile: by hand, and laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.action import PJ
from neurosim.cost.energy import access_name
from neurosim.errors import ChipError
from neurosim.mapping.demand import MappingError, item_bits
from neurosim.mapping.limits import check
from tests.helpers.energies import priced, tiny
from tests.helpers.examples import SCHEDULE, almost, evaluated, examples, runs

pytestmark = pytest.mark.small

# Tables of a chip file; what follows a preset, and nothing else.
SECOND = {"name": "l2", "bits": 10**6, "word_bits": 16, "backs": "state_sram", "miss_rate": 0.5, "per": "chip",
          "source": "test", "read": {"pj": 2.0}, "write": {"pj": 1000.0}}  # fmt: skip
THIRD = {"name": "dram2", "bits": 10**9, "word_bits": 64, "backs": "l2", "miss_rate": 0.25, "per": "off chip",
         "source": "test", "read": {"pj": 3e4}, "write": {"pj": 7e5}}  # fmt: skip


def behind(chip, *tables):
    return ns.Chip.parse(chip.values | {"memory": [*chip.values["memory"], *tables]}, "behind")


def used(result):
    return {(m["level"], m["holds"]): (m["reads"], m["writes"]) for m in result.to_dict()["memory"]}


def test_what_is_missed_is_fetched_from_behind_and_comes_back_by_hand():
    """Layer a reads 15 potentials and writes 18, three of them zeros at the start; the output reads 6 and writes 6. Of
    those read 8 and 3 are missed: four words of 16 bits each, fetched and returned."""
    network, inputs = tiny()
    result = ns.run(network, inputs, behind(priced(ns.load_chip("mesh45")), SECOND))
    found = used(result)
    assert found["l2", "state"] == (4 * (8 + 3), 4 * (8 + 3))
    assert found["state_sram", "state"] == (15 + 8 + 6 + 3, 18 + 8 + 6 + 3)
    assert result.energy.total_J == almost((4 * 11 * 2 + 4 * 11 * 1000) * PJ)
    assert result.energy.by_purpose_J["state"] == almost(result.energy.total_J)


def test_a_miss_of_what_is_only_read_brings_nothing_back():
    network, inputs = tiny()
    result = ns.run(network, inputs, behind(priced(ns.load_chip("mesh45")), SECOND | {"backs": "weight_sram"}))
    # Three spikes and two: 2 and 1 misses.
    assert used(result)["l2", "weights"] == (4 * 3, 0)
    assert used(result)["weight_sram", "weights"] == (5, 3)


def test_behind_a_cache_may_be_another_cache_by_hand():
    network, inputs = tiny()
    result = ns.run(network, inputs, behind(priced(ns.load_chip("mesh45")), SECOND, THIRD))
    # A quarter of 32 and of 12 words of 16 bits; each comes as one word of 64.
    assert used(result)["dram2", "state"] == (8 + 3, 8 + 3)
    assert used(result)["l2", "state"] == (44 + 11, 44 + 11)
    assert result.energy.by_purpose_J["off chip"] == almost(11 * (3e4 + 7e5) * PJ)


LAST = [([SECOND | {"bits": 100}], "l2"), ([SECOND | {"bits": 8}, THIRD | {"bits": 100}], "dram2")]


@pytest.mark.parametrize(("tables", "name"), LAST)
def test_the_last_memory_must_hold_everything_and_no_cache_must(tables, name):
    """Five potentials of 32 bits."""
    network, _ = tiny()
    chip = ns.load_chip("mesh45", ["memory.state_sram.bits=64"])
    assert len(ns.map_network(network, chip).bricks) > 2
    assert len(ns.map_network(network, behind(chip, *[table | {"bits": 10**6} for table in tables])).bricks) == 2
    with pytest.raises(MappingError, match=rf"{name} \(state\) needs 160 bits, limit 100, 60 too many"):
        ns.map_network(network, behind(chip, *tables))


@examples(40)
@given(runs(), SCHEDULE, st.sampled_from(["weights", "state", "axons", "routes"]), st.integers(0, 1000))
def test_a_cache_changes_no_count_and_its_misses_are_its_rate(case, schedule, kind, rate):
    inputs, mapping = case
    front, rate = mapping.chip.home(kind), rate / 1000
    assume(not mapping.chip.behind(front))
    chip = behind(mapping.chip, SECOND | {"backs": front.name, "miss_rate": rate, "bits": 10**9, "words_per_cycle": 1})
    plain = evaluated(inputs, mapping, schedule=schedule, timing="analytic")
    cached = evaluated(inputs, replace(mapping, chip=chip), schedule=schedule, timing="analytic")
    assert cached.counts == plain.counts and cached.outputs.tolist() == plain.outputs.tolist()
    assert (cached.time.steps >= plain.time.steps).all()
    for held in {*front.holds} - {"queue", "input"}:
        reads, writes = (plain.energy.action(access_name(front.name, held, how)).count for how in ("read", "write"))
        missed = np.array([-(-int(n) * round(rate * 1000) // 1000) for n in reads])
        each = -(-front.word_bits // SECOND["word_bits"])
        assert cached.energy.action(access_name("l2", held, "read")).count.tolist() == (missed * each).tolist()
        assert cached.energy.action(access_name(front.name, held, "write")).count.tolist() == (writes + missed).tolist()
        assert cached.energy.action(access_name("l2", held, "write")).count.sum() <= min(missed.sum(), writes.sum()) * each
    if rate == 0:
        assert cached.time.steps.tolist() == plain.time.steps.tolist()
        assert cached.energy.total_J == almost(plain.energy.total_J)


def test_cores_wait_for_what_they_miss_by_hand():
    """Half of a word of 64 bits per spike is one miss, four words of 16 bits through a port of one."""
    network, inputs = tiny()
    chip = ns.load_chip("mesh45")
    fast = ns.run(network, inputs, chip, timing="analytic").time
    slow = ns.run(network, inputs, behind(chip, SECOND | {"backs": "weight_sram", "words_per_cycle": 1}), timing="analytic")
    # Three spikes in layer a, worked off in one cycle each before; the output had three cycles to spare.
    assert (slow.time.tally.waiting - fast.tally.waiting).sum() == 3 * 3 + 2 * 3
    assert "cores waiting for each other at the ports of l2" in slow.not_counted


def test_the_network_without_spikes_misses_too():
    network, inputs = tiny()
    chip = priced(ns.load_chip("mesh45"))
    plain, cached = (ns.run(network, inputs, c).ledger.without.dense for c in (chip, behind(chip, SECOND | {"miss_rate": 1.0})))
    for reuse, done in cached.items():
        before = {action.name: action.count.sum() for action in plain[reuse]}
        counts = {action.name: action.count.sum() for action in done}
        assert counts["read state of l2"] == 4 * before["read state of state_sram"] > 0
        assert counts["write state of state_sram"] == before["write state of state_sram"] + before["read state of state_sram"]


def test_layers_are_cut_to_fit_a_memory_of_their_tile():
    """With one core per tile the memory of a tile is that of the core."""
    network = ns.load_network("models/mnist_vgg_t5.h5")
    own, shared = (ns.load_chip("mesh45", [f"memory.weight_sram.per={per}"]) for per in ("core", "tile"))
    assert ns.map_network(network, own).bricks == ns.map_network(network, shared).bricks
    halves = ns.load_chip("mesh45", ["memory.weight_sram.per=tile", "mesh.cores_per_tile=2"])
    assert max(item_bits(network, halves, [brick], 0)["weights"] for brick in ns.map_network(network, halves).bricks) <= 131072


def test_a_memory_of_a_tile_is_filled_by_its_cores_and_leaks_once():
    """Two cores per tile with 3 and 2 potentials of 32 bits: 160 bits. A brick may take half. Each tile that is used leaks."""
    network, inputs = tiny()
    chip = priced(ns.load_chip("mesh45", ["mesh.cores_per_tile=2"]))
    chip = chip.replace("memory.state_sram.per", "tile").replace("memory.state_sram.leakage_mw", 1.0)
    result = ns.run(network, inputs, chip.replace("memory.state_sram.bits", 2 * 96))
    assert result.energy.total_J == almost(1e-3 * result.time.seconds)
    apart = ns.run(network, inputs, chip.replace("mesh.cores_per_tile", 1))
    assert apart.energy.total_J == almost(2e-3 * apart.time.seconds)
    (violation,) = check(replace(result.mapping, chip=chip.replace("memory.state_sram.bits", 159)))
    assert f"state_sram (state) of tile {result.mapping.used[0] // 2} needs 160 bits, limit 159, 1 too many" in str(violation)
    assert check(replace(result.mapping, chip=chip.replace("memory.state_sram.bits", 160))) == []
    assert len(ns.map_network(network, chip.replace("memory.state_sram.bits", 2 * 95)).bricks) > 2


PROBLEMS = {
    "nothing there": ([SECOND | {"backs": "l1"}], "backs 'l1', which does not exist"),
    "a queue": ([SECOND | {"backs": "queue_sram"}], "'queue_sram' with a miss_rate, which holds nothing of weights, state"),
    "finer than its cache": ([SECOND | {"backs": "l3", "per": "core"}, THIRD | {"name": "l3", "backs": "state_sram"}],
                             "'l2', one per core, backs 'l3', of which there are fewer, one per off chip"),
    "a circle": ([SECOND | {"backs": "dram2"}, THIRD | {"per": "chip"}], "'l2' stands behind itself: l2 backs dram2 backs l2"),
    "itself": ([SECOND | {"backs": "l2"}], "'l2' stands behind itself: l2 backs l2"),
    "two behind one": ([SECOND, THIRD | {"backs": "state_sram"}], "'state_sram' is backed by 2 memories"),
    "a cache behind what is fetched": ([THIRD | {"backs": "weight_sram", "miss_rate": None, "fetched": "once"},
                                        SECOND | {"backs": "dram2", "per": "off chip"}],
                                       "'l2' backs 'dram2' with a miss_rate, from which weights are fetched"),
    "too rare": ([SECOND | {"miss_rate": 1e-7}], "miss_rate is 1e-07; give 0, or at least 1e-06"),
    "two ways": ([SECOND | {"fetched": "once"}], "either fetched .* or miss_rate; there are 2 of them"),
    "a rate above one": ([SECOND | {"miss_rate": 1.5}], "miss_rate: is 1.5"),
    "a rate of what": ([SECOND | {"backs": None, "holds": ["queue"]}], "backs goes with either fetched .*; it is missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_wrong_caches_are_refused(name):
    tables, message = PROBLEMS[name]
    with pytest.raises(ChipError, match=message):
        behind(ns.load_chip("mesh45"), *tables)
