"""SRAM by a law: near the memories that it was fitted to (tests/helpers/cacti_sram.csv, 1,152 runs of CACTI 7), never better
for being larger, wider or in more banks, and a bound for clock and words per cycle."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.sram_law import ACCESSES, LARGEST, NODES_NM, SMALLEST, Costs, Sram, laws
from neurosim.errors import ChipError
from tests.helpers import samples

CELLS = ("hp", "lop", "lstp", "lstp+lop")
POINTS = list(csv.DictReader((Path(__file__).parents[1] / "helpers" / "cacti_sram.csv").open()))
SRAMS = st.builds(
    Sram, bits=st.integers(SMALLEST, LARGEST), word_bits=st.integers(16, 512), node_nm=st.sampled_from(NODES_NM),
    cells=st.sampled_from(CELLS), ports=st.sampled_from(list(ACCESSES)), banks=st.integers(1, 16),
)  # fmt: skip
LOW_POWER = {"model": "sram", "node_nm": 45, "cells": "lstp+lop", "word_bits": 128, "words_per_cycle": "none"}


def with_memory(name="weight_sram", **changes):
    settings = (LOW_POWER | changes).items()
    chip = ns.load_chip("mesh45")
    values = chip.values
    memory = next(m for m in values["memory"] if m["name"] == name)
    memory |= {key: None if value == "none" else value for key, value in settings}
    return ns.Chip.parse(values, "test")


@pytest.mark.parametrize("quantity", Costs._fields)
@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("node", NODES_NM)
def test_the_law_is_near_the_memories_it_was_fitted_to(node, cells, quantity):
    points = [p for p in POINTS if (float(p["node_nm"]), p["cells"]) == (node, cells)]
    assert len(points) == 72
    found = [getattr(Sram(8 * int(p["bytes"]), int(p["word_bits"]), node, cells, "1rw", 1).costs, quantity) for p in points]
    off = np.exp(np.abs(np.log(found) - np.log([float(p[quantity]) for p in points])))
    assert np.median(off) <= 1.2 + 0.005 and np.quantile(off, 0.9) <= 1.71


@given(SRAMS, st.sampled_from(["bits", "word_bits"]))
def test_larger_and_wider_is_never_better_in_anything(sram, what):
    more = sram._replace(**{what: 2 * getattr(sram, what)})
    pairs = zip(sram.costs, more.costs, strict=True)
    assert all(a <= b for a, b in pairs)
    assert sram.costs.area_mm2 < more.costs.area_mm2


@given(SRAMS)
def test_more_banks_and_ports_are_larger_and_leak_more(sram):
    for more in (sram._replace(banks=2 * sram.banks), sram._replace(ports="2r1w")):
        if more != sram:
            assert (more.costs.area_mm2, more.costs.leakage_mw) > (sram.costs.area_mm2, sram.costs.leakage_mw)


def test_the_numbers_of_a_memory_by_hand():
    """32 kB in words of 128 bits: (0.6341 + 2 * 0.56) * 32^0.5323 pJ to read, 0.01949 * 32^0.694 mW, 0.4138 * 32^0.2711 ns."""
    memory = with_memory().home("weights")
    read, write, leakage, area = memory.prices
    assert read == pytest.approx(1.7541 * 32**0.5323) == pytest.approx(11.1, abs=0.01)
    assert write == pytest.approx((0.491 + 2 * 1.825) * 32**0.3818 + 2 * 0.03273)
    assert leakage == pytest.approx(0.01949 * 32**0.694) and area == pytest.approx(0.1171, abs=1e-4)
    assert memory.highest_hz == pytest.approx(1e9 / (0.4138 * 32**0.2711))
    assert memory.provenance.startswith("CACTI 7, lstp+lop cells at 45 nm, 300 K, by a smooth law; ")
    assert len(laws()) == len(NODES_NM) * len(CELLS)


def test_a_clock_that_a_memory_cannot_follow_is_refused_with_the_highest():
    chip = with_memory()
    limit = chip.home("weights").highest_hz
    assert chip.replace("clock.hz", limit * 0.999)
    with pytest.raises(ChipError, match=re.escape(f"weight_sram' follows up to {limit:.4g} Hz")):
        chip.replace("clock.hz", limit * 1.001)


@pytest.mark.parametrize("banks", [1, 4])
@pytest.mark.parametrize("ports", ACCESSES)
def test_ports_and_banks_bound_the_words_of_a_cycle(ports, banks):
    most = ACCESSES[ports] * banks
    words = np.array([0, 1, 12, 100])
    free, bound = (with_memory(ports=ports, banks=banks, words_per_cycle=n).home("weights") for n in (None, 1))
    to_read, both = {"1rw": 1, "1r1w": 1, "2rw": 2, "2r1w": 2}[ports], {"1rw": 2, "1r1w": 1, "2rw": 1, "2r1w": 1}[ports]
    assert free.cycles(words, 0 * words).tolist() == [-(-n // (to_read * banks)) for n in words.tolist()]
    assert free.cycles(words, words).tolist() == [-(-both * n // banks) for n in words.tolist()]
    assert bound.cycles(words, words).tolist() == (2 * words).tolist()
    with pytest.raises(ChipError, match="more banks or ports"):
        with_memory(ports=ports, banks=banks, words_per_cycle=most + 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"node_nm": 40}, "known at 22, 28, 32, 45 nm"), ({"node_nm": None}, "node_nm is missing"),
        ({"bits": 128}, "2,048 to 8,388,608 bits in words of 16 to 512"), ({"word_bits": 1024}, "in words of 1,024"),
        ({"banks": 17}, "in 17 banks, lie outside"),
        ({"bits": 2048, "word_bits": 512, "banks": 5}, "less than a word of 512 bits"),
        ({"cells": "fast"}, "cells"), ({"cells": None, "banks": 2}, "ports and banks are for"),
        ({"model": "given"}, "cells is for model = 'sram'"),
    ],
)  # fmt: skip
def test_what_has_no_law_is_refused(changes, says):
    with pytest.raises(ChipError, match=says):
        with_memory(**changes)


def test_beyond_the_law_only_where_the_file_says_so():
    memory = with_memory(bits=128, extrapolate=True).home("weights")
    assert memory.extrapolated and "by a smooth law, extrapolated" in memory.provenance


def test_what_a_memory_is_made_of_is_a_price_where_its_ports_stay_as_fast():
    network = samples.chain()
    one = ns.load_chip("mesh45").replace("memory.weight_sram.words_per_cycle", 1)
    record = ns.run(network, samples.inputs(network, 1), one, timing="analytic").record
    assert record.at(with_memory(word_bits=64, words_per_cycle=1)).energy.total_J != record.energy.total_J
    unported = one.replace("memory.weight_sram.words_per_cycle", None)
    record = ns.run(network, samples.inputs(network, 1), unported, timing="analytic").record
    with pytest.raises(ChipError, match="with cells its ports make cores wait"):
        record.at(with_memory(word_bits=64))
