"""The SRAM model: through the published points, rising with size, proportional to the word."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.sram import CACTI_40NM

SIZES = st.floats(math.log(CACTI_40NM.smallest), math.log(CACTI_40NM.largest)).map(lambda x: round(math.exp(x)))
NUMBERS = ("read_pj", "write_pj", "leakage_mw", "area_mm2")


@pytest.mark.parametrize("point", CACTI_40NM.points, ids=lambda p: f"{p.bits} bits")
def test_a_published_memory_has_its_published_prices(point):
    found = CACTI_40NM.estimate(point.bits, point.word_bits)
    assert [getattr(found, n) for n in NUMBERS] == pytest.approx([getattr(point, n) for n in NUMBERS], rel=1e-12)
    assert found.inside and "interpolated" in found.source and "scaled" not in found.source


@given(SIZES, SIZES, st.integers(1, 256))
def test_a_larger_memory_costs_more(size, other, word):
    small, large = (CACTI_40NM.estimate(bits, word) for bits in sorted((size, other)))
    for name in NUMBERS:
        assert getattr(small, name) <= getattr(large, name) * (1 + 1e-12)


@given(SIZES, st.integers(1, 64), st.integers(1, 8), st.floats(22, 90))
def test_energy_follows_the_word_and_everything_the_node(bits, word, times, node):
    one, wide = CACTI_40NM.estimate(bits, word), CACTI_40NM.estimate(bits, word * times, node)
    scale = node / CACTI_40NM.node_nm
    expected = [one.read_pj * times * scale, one.write_pj * times * scale, one.leakage_mw * scale, one.area_mm2 * scale**2]
    assert [getattr(wide, n) for n in NUMBERS] == pytest.approx(expected, rel=1e-9)
    assert ("scaled from 40 to" in wide.source) == (node != CACTI_40NM.node_nm)


def test_halfway_between_two_points_is_their_geometric_mean():
    first, second = CACTI_40NM.points[1:]
    found = CACTI_40NM.estimate(round(math.sqrt(first.bits * second.bits)), 64)
    assert found.read_pj == pytest.approx(math.sqrt(first.read_pj * second.read_pj), rel=1e-5)
    assert found.leakage_mw == pytest.approx(math.sqrt(first.leakage_mw * second.leakage_mw), rel=1e-5)


def test_a_modelled_memory_takes_its_prices_from_its_size():
    chip = ns.load_chip("mesh45", ["memory.weight_sram.model=sram", "memory.weight_sram.node_nm=45"])
    memory = chip.home("weights")
    found = CACTI_40NM.estimate(262_144, 64, 45)
    assert memory.prices == (found.read_pj, found.write_pj, found.leakage_mw, found.area_mm2)
    assert "CACTI 7" in memory.provenance and "scaled from 40 to 45 nm" in memory.provenance
    halved = chip.replace("memory.weight_sram.bits", 131_072).home("weights")
    assert halved.prices.read_pj < memory.prices.read_pj and halved.prices.area_mm2 < memory.prices.area_mm2


def test_beyond_the_points_only_where_the_file_says_so():
    chip = ns.load_chip("mesh45", ["memory.dram.model=sram", "memory.dram.extrapolate=true"])
    assert "extrapolated" in chip.home("input").provenance
    assert chip.home("input").prices.read_pj > CACTI_40NM.points[-1].read_pj
