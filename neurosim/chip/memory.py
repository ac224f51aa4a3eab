"""Memories of a chip: what they hold, how large they are, and what an access costs."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, TypeVar, get_args

import numpy as np
from pydantic import Field, model_validator

from neurosim.chip.part import ADDED, Amount, Count, Part, Positive, Uncertain
from neurosim.chip.sram import CACTI_40NM
from neurosim.chip.sram_law import ACCESSES, BANKED, LARGEST, NARROWEST, NODES_NM, SMALLEST, WIDEST, Cells, Ports, Sram

Kind = Literal["weights", "state", "axons", "routes", "queue", "input"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What can be missed; packets that wait and the input are where they are.
CACHED: tuple[Kind, ...] = ("weights", "state", "axons", "routes")
# An integer, or many: int64.
Whole = TypeVar("Whole", int, np.ndarray)
Level = Literal["core", "tile", "chip", "off chip"]
# Largest denominator of a miss rate.
FINEST = 10**6
# From the most to the fewest of them.
PER: tuple[Level, ...] = get_args(Level)


class Access(Part):
    """pj: energy of one word."""

    pj: Amount


class Prices(NamedTuple):
    """Of one word read and written, of being on, of being there; area None where it is not known."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float | None


class Memory(Uncertain):
    """A memory: what it holds, its size and word, the price of a word. *per*: one in every core or tile, on every chip, or off
    chip.

    *backs*: the name of a memory behind which it stands, in one of two ways. *fetched*: that one holds weights in every core,
    all of which live here; what fits there is fetched once per run, and the rest, in rounds that do not end with a run,
    *per_image* or *per_step*; with *once* everything must fit. *miss_rate*: that one is a cache of what lives here; this share
    of the words of weights, state, axons and routes read there is not there and fetched, and as many that were written there
    come back.

    layout: whether values that lie side by side, those of the channels of one site in a core, share words (*packed*, as many
    whole ones as a word holds), or an access to each is of a word of its own (*padded*; what it takes of *bits* is its own bits
    all the same). Rows of weights share words in either.

    words_per_cycle: what its ports read and write in a cycle; where neither it nor *cells* are given, they never make a core
    wait. model: the prices are those *given*, or, whatever is given, those that an *sram* of this size and word has at
    *node_nm*, beyond the published sizes only with *extrapolate*: with *cells* by a law (`neurosim.chip.sram_law`) that has
    *ports* and *banks*, which then bound the words per cycle, and a time of access, which bounds the clock; without by
    interpolation between three memories of high-performance cells with two read-write ports (`neurosim.chip.sram`).
    """

    name: Annotated[str, Field(min_length=1)]
    holds: tuple[Kind, ...] = ()
    backs: str | None = None
    fetched: Literal["once", "per_image", "per_step"] | None = None
    miss_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    per: Level = "core"
    bits: Count
    word_bits: Count
    layout: Annotated[Literal["packed", "padded"], ADDED] = "padded"
    words_per_cycle: Count | None = None
    model: Literal["given", "sram"] = "given"
    node_nm: Positive | None = None
    cells: Annotated[Cells | None, ADDED] = None
    ports: Annotated[Ports, ADDED] = "1rw"
    banks: Annotated[Count, ADDED] = 1
    extrapolate: bool = False
    read: Access | None = None
    write: Access | None = None
    leakage_mw: Amount | None = None
    area_mm2: Amount | None = None
    source: str = ""

    @model_validator(mode="after")
    def _prices_are_given_or_modelled(self) -> Memory:
        problems = []
        if self.model == "given":
            missing = [name for name in ("read", "write", "source") if not getattr(self, name)]
            problems += [f"{name} is missing; give it, or set model = 'sram'" for name in missing]
            problems += [f"{name} is for model = 'sram'" for name in ("node_nm", "extrapolate", "cells") if getattr(self, name)]
        elif self.cells and self.node_nm not in NODES_NM:
            told = "missing" if self.node_nm is None else f"{self.node_nm:g}"
            problems.append(f"node_nm is {told}; laws for cells are known at {', '.join(map(str, NODES_NM))} nm")
        elif self.extrapolated and not self.extrapolate:
            problems.append(f"{self._beyond}; use model = 'given' with prices of your own, or set extrapolate = true")
        if not self.cells and (self.ports != "1rw" or self.banks > 1):
            problems.append("ports and banks are for model = 'sram' with cells")
        if self.cells and self.bits < self.banks * self.word_bits:
            problems.append(f"{self.banks} banks of {self.bits:,} bits have less than a word of {self.word_bits} bits each")
        if self.cells and (self.words_per_cycle or 0) > self.banks * ACCESSES[self.ports]:
            most = f"{self.banks} banks of ports {self.ports!r} read and write {self.banks * ACCESSES[self.ports]}"
            problems.append(f"words_per_cycle is {self.words_per_cycle}, but {most}; use more banks or ports")
        if not self.holds and not self.backs:
            problems.append("holds nothing; give it something to hold, or the name of a memory that it backs")
        ways = (self.fetched is not None) + (self.miss_rate is not None)
        if ways != bool(self.backs):
            told = "backs goes with either fetched ('once', 'per_image', 'per_step') or miss_rate"
            problems.append(f"{told}; there are {ways} of them" if self.backs else f"{told}; it is missing")
        if self.miss_rate and self.miss_rate < 1 / FINEST:
            problems.append(f"miss_rate is {self.miss_rate:g}; give 0, or at least {1 / FINEST:g}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def misses(self, words: np.ndarray) -> np.ndarray:
        """How many of so many words, int64, are not in the memory before it, rounded up; its rate as a fraction of at most six
        digits below the line, so that counts stay integers."""
        rate = Fraction(str(self.miss_rate or 0)).limit_denominator(FINEST)
        return -(-words * rate.numerator // rate.denominator)

    @cached_property
    def prices(self) -> Prices:
        if self.model == "given" and self.read and self.write:
            return Prices(self.read.pj, self.write.pj, self.leakage_mw or 0.0, self.area_mm2)
        if self.law:
            return Prices(*self.law.costs[:4])
        found = CACTI_40NM.estimate(self.bits, self.word_bits, self.node_nm)
        return Prices(found.read_pj, found.write_pj, found.leakage_mw, found.area_mm2)

    @cached_property
    def law(self) -> Sram | None:
        """What its prices follow, where it is made of known cells."""
        if not self.cells or self.node_nm is None:
            return None
        return Sram(self.bits, self.word_bits, self.node_nm, self.cells, self.ports, self.banks)

    @property
    def ported(self) -> bool:
        """Whether its ports can make a core wait."""
        return bool(self.words_per_cycle or self.law)

    def cycles(self, reads: np.ndarray, writes: np.ndarray) -> np.ndarray:
        """int64: in which its ports read and write so many words; none where they never make a core wait."""
        if self.words_per_cycle:
            found: np.ndarray = -(-(reads + writes) // self.words_per_cycle)
            return found
        return self.law.cycles(reads, writes) if self.law else np.zeros_like(reads)

    @property
    def highest_hz(self) -> float | None:
        """The highest clock at which a word is there in a cycle; None where that is not known."""
        return 1e9 / self.law.costs.access_ns if self.law else None

    @property
    def provenance(self) -> str:
        """The source of its prices, in words."""
        if self.law:
            return f"{self.law.source}; {self.source}" if self.source else self.law.source
        return self.source if self.model == "given" else CACTI_40NM.estimate(self.bits, self.word_bits, self.node_nm).source

    @property
    def _beyond(self) -> str:
        if self.cells:
            sizes = f"{SMALLEST:,} to {LARGEST:,} bits in words of {NARROWEST} to {WIDEST}, up to {BANKED} banks"
            told = f"{self.bits:,} bits in words of {self.word_bits:,}, in {self.banks} banks"
            return f"{told}, lie outside what the law was fitted to, {sizes}"
        return f"{self.bits:,} bits lie outside the published sizes, {CACTI_40NM.smallest:,} to {CACTI_40NM.largest:,} bits"

    @property
    def extrapolated(self) -> bool:
        """Whether its size lies beyond those on which its prices rest."""
        if self.law:
            return not self.law.inside
        return self.model == "sram" and not CACTI_40NM.smallest <= self.bits <= CACTI_40NM.largest

    def words(self, item_bits: int) -> int:
        """Words of one visit to an item."""
        return -(-item_bits // self.word_bits)

    def neighbours(self, bits: int) -> int:
        """How many values of so many *bits* share a word."""
        return max(1, self.word_bits // bits) if self.layout == "packed" else 1

    def row_words(self, values: Whole, bits: int) -> Whole:
        """Words of a row of so many *values* of so many *bits*: of five of 24 bits in words of 64, 3 packed and 5 padded."""
        return -(-values // self.neighbours(bits)) * self.words(bits)
