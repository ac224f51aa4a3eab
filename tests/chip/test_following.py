"""What follows a setting: over all numbers of the chips that ship, and of random ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.following import AREA, ASPECTS, ENERGY, LEAKAGE, followed, follows
from neurosim.errors import ChipError
from tests.helpers.examples import chips, examples
from tests.helpers.samples import residual
from tests.test_nothing_is_free import sizes

PRESETS = ("lp45", "mesh45", "loihi", "seneca", "truenorth", "eyeriss")
# docs/chips.md: what no price of lp45 follows.
UNPAID = {
    "clock.hz", "mesh.router_cycles", "mesh.link_cycles", "mesh.link_interval", "mesh.local_cycles", "mesh.credit_cycles",
    "core.axon_channels", "core.max_layers", "core.ann_sites", "core.mac_bits", "memory.dram.bits", "memory.dram.word_bits",
    "memory.dram.words_per_cycle",
}  # fmt: skip


def numbers(chip):
    return [p for p, v in chip.settings.items() if isinstance(v, int | float) and not isinstance(v, bool)]


def other(chip, path, factor=2):
    """The chip with another value there; None where none is possible."""
    value = chip.settings[path]
    for changed in (type(value)(value * factor) if value else 1, type(value)(value / factor)):
        try:
            return chip.replace(path, changed)
        except ChipError:
            continue
    return None


def free(chip):
    pairs = {path: found for path in numbers(chip) if (found := other(chip, path)) is not None}
    return {path for path, changed in pairs.items() if follows([chip, changed], path) == []}


def test_what_costs_nothing_on_a_chip_of_which_everything_is_priced_is_in_its_docs():
    # Blocks that there are none of cost nothing.
    found = free(ns.load_chip("lp45")) & free(ns.load_chip("lp45", ["core.accumulate_registers=9"]))
    assert {path for path in found if not path.endswith(".cycles")} == UNPAID
    assert all(path.startswith("operation.") for path in found if path.endswith(".cycles"))


@pytest.mark.parametrize("path", [path for path in sizes() if path not in UNPAID])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_what_has_a_price_is_never_called_free(path, factor):
    chip = ns.load_chip("lp45", ["mesh.width=6", "mesh.height=6"])
    changed = other(chip, path, factor)
    assert changed is None or follows([chip, changed], path) != []


@pytest.mark.parametrize("path", ["bits", "word_bits", "words_per_cycle"])
@pytest.mark.parametrize("memory", ["weight_sram", "state_sram"])
def test_sizes_of_memories_with_prices_by_hand_are_free(path, memory):
    chip, path = ns.load_chip("mesh45"), f"memory.{memory}.{path}"
    assert follows([chip, other(chip, path)], path) == []


def test_the_same_sizes_are_paid_where_a_law_knows_them():
    law = ("words_per_cycle=1", "model=sram", "node_nm=45", "cells=lstp+lop", "banks=2")
    chip = ns.load_chip("mesh45", [f"memory.weight_sram.{change}" for change in law])
    assert follows([chip, other(chip, "memory.weight_sram.bits")], "memory.weight_sram.bits") == [*ASPECTS]
    assert ENERGY in follows([chip, other(chip, "memory.weight_sram.word_bits")], "memory.weight_sram.word_bits")
    path = "memory.weight_sram.words_per_cycle"
    assert follows([chip, chip.replace(path, 2)], path) is None


@pytest.mark.parametrize("path", ["core.lanes", "core.update_lanes", "mesh.virtual_channels", "mesh.flit_bits"])
def test_a_block_is_what_makes_them_cost(path):
    chip = ns.load_chip("mesh45")
    assert follows([chip, other(chip, path)], path) == []
    block = {"name": "these", "times": [path], "area_mm2": 0.1, "leakage_mw": 0.2, "source": "made up"}
    paid = ns.Chip.parse(chip.values | {"block": [block]}, "paid")
    assert follows([paid, other(paid, path)], path) == [LEAKAGE, AREA]


@pytest.mark.parametrize(("name", "paid"), [("lp45", [*ASPECTS]), ("mesh45", []), ("ann45", [])])
def test_registers_cost_something_where_a_block_says_so(name, paid):
    chips = [ns.load_chip(name, [f"core.accumulate_registers={many}"]) for many in (0, 9, 18)]
    assert follows(chips[:2], "core.accumulate_registers") == follows(chips[1:], "core.accumulate_registers") == paid


def test_what_there_is_none_of_changes_no_hash():
    """Neither a block of registers nor their price, where a core has none; where it has some, both do."""
    chip, some = ns.load_chip("lp45"), ns.load_chip("lp45", ["core.accumulate_registers=9"])
    for path in ("operation.register_add.pj", "block.potential registers.area_mm2"):
        assert chip.replace(path, 7.0).sha256 == chip.sha256 and some.replace(path, 7.0).sha256 != some.sha256
    assert chip.replace("block.lanes.area_mm2", 7.0).sha256 != chip.sha256 != some.sha256
    assert not any("register" in place and "weight" not in place for place in chip.areas_mm2)


def test_policies_and_names_are_no_sizes_and_limits_cost_nothing():
    chip = ns.load_chip("mesh45")
    changes = {"mesh.delivery": "multicast", "core.skip_zeros": True, "core.max_neurons": 7, "core.queue_packets": 2}
    for path, value in changes.items():
        assert follows([chip, chip.replace(path, value)], path) is None
    assert follows([chip, chip.replace("operation.mac.uncertainty", 0.5)], "operation.mac.uncertainty") is None


@pytest.mark.parametrize("name", PRESETS)
def test_every_price_follows_itself(name):
    chip = ns.load_chip(name, ["core.accumulate_registers=9"])
    for path in numbers(chip):
        ruled = path.startswith("memory.") and next(m for m in chip.memory if m.name == path.split(".")[1]).model == "sram"
        if path.endswith((".pj", "_mw", "area_mm2")) and not ruled:
            changed = other(chip, path)
            assert follows([chip, changed], path), path


@examples(60)
@given(chips(residual()), st.data())
def test_what_is_free_changes_no_price(chip, data):
    """And what is not does: prices without the clock, leakage, areas, and the widths of entries say it all."""
    path = data.draw(st.sampled_from(numbers(chip)))
    changed = other(chip, path, data.draw(st.sampled_from([2, 3, 5])))
    if changed is None:
        return
    found = follows([chip, changed], path)
    alike = chip.areas_mm2 == changed.areas_mm2 and [m.prices for m in chip.memory] == [m.prices for m in changed.memory]
    prices = [{p: v.pj for p, v in c.prices.items() if not p.endswith("_mw")} for c in (chip, changed)]
    if found == []:
        assert alike and prices[0] == prices[1]
    if not alike or prices[0] != prices[1]:
        assert found
    assert followed([chip, changed]) == followed([changed, chip]) and followed([chip, chip]) == []


def test_wider_entries_cost_what_their_memory_does():
    """Energy alone where nothing leaks and no area is known, and nothing where it has no price of its own."""
    for name, paid in (("seneca", [ENERGY]), ("mesh45", [ENERGY, LEAKAGE]), ("lp45", [*ASPECTS]), ("loihi", [])):
        chip = ns.load_chip(name)
        assert follows([chip, chip.replace("core.axon_bits", 16)], "core.axon_bits") == paid
    chip = ns.load_chip("mesh45")
    sparse = chip.replace("core", chip.values["core"] | {"storage": "sparse", "index_bits": 8})
    assert follows([sparse, sparse.replace("core.index_bits", 4)], "core.index_bits") == [ENERGY, LEAKAGE]


def test_room_for_values_costs_where_packets_have_it():
    chip, path = ns.load_chip("lp45"), "mesh.payload_bits"
    assert follows([chip, other(chip, path)], path) is None
    carrying = chip.carrying()
    assert ENERGY in follows([carrying, other(carrying, path, 0.5)], path)


@pytest.mark.parametrize("size", ["8x8", "8x9", "3x24", "65x1"])
def test_a_mesh_of_a_given_size_is_not_the_one_that_fits(size):
    chip, given_size = ns.load_chip("lp45"), ns.load_chip("lp45", [f"mesh={size}"])
    assert chip.mesh.size == "fit" and (chip.mesh.width, chip.mesh.height) == (8, 8)
    assert follows([chip, given_size], "mesh") == [AREA] == follows([given_size, chip], "mesh")
    idle = [each.replace("policy.idle", "on") for each in (chip, given_size)]
    assert follows(idle, "mesh") == [LEAKAGE, AREA]
    assert follows([chip, chip.replace("core.lanes", 32)], "core.lanes") == [LEAKAGE, AREA]
    assert follows([ns.load_chip("mesh45", [f"mesh={word}"]) for word in ("fit", size)], "mesh") == []
