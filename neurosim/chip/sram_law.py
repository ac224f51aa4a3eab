"""SRAM by a smooth law: what an access costs, what leaks, how large and how fast it is, by size, word, cells, ports and banks.

The law of a quantity is (a + b w/64) kB^p + c w/64, for kB kilobytes in words of w bits, fitted to 72 memories for each node
and kind of cells: 256 B to 1 MB, words of 16 to 512 bits, made by CACTI 7 (type ram, one read-write port, one bank, 300 K,
conservative wires, energy times delay squared). Half of what was fitted lies within 3 to 20 % of the law, nine of ten within a
factor of 1.7. It is smooth so that no size or width is better than a larger and a smaller one by accident.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

import numpy as np

# High performance; low operating power; low standby power; cells of the last with decoders and sense amplifiers of the second.
Cells = Literal["hp", "lop", "lstp", "lstp+lop"]
Ports = Literal["1rw", "1r1w", "2rw", "2r1w"]
SOURCE = "CACTI 7, {cells} cells at {node_nm:g} nm, 300 K, by a smooth law"
NODES_NM = (22, 28, 32, 45)
SMALLEST, LARGEST = 256 * 8, 2**20 * 8
NARROWEST, WIDEST = 16, 512
BANKED = 16
# Accesses of a bank in a cycle; of ports that do one thing alone, (to read, to write).
ACCESSES: dict[Ports, int] = {"1rw": 1, "1r1w": 2, "2rw": 2, "2r1w": 3}
ALONE: dict[Ports, tuple[int, int]] = {"1r1w": (1, 1), "2r1w": (2, 1)}


class Costs(NamedTuple):
    """pJ of reading and writing a word, mW of leakage, mm2, and ns until a word is there; or factors on these."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float
    access_ns: float

    def times(self, factors: Costs) -> Costs:
        return Costs(*(value * factor for value, factor in zip(self, factors, strict=True)))


# Beside one read-write port, means over 16 memories; powers of the number of banks, fitted to 56 memories of 2 to 16 banks.
PORTS: dict[Ports, Costs] = {
    "1rw": Costs(1, 1, 1, 1, 1), "1r1w": Costs(1.27, 1.30, 1.27, 2.02, 1.14), "2rw": Costs(1.41, 1.43, 1.10, 2.02, 1.13),
    "2r1w": Costs(1.71, 1.77, 1.54, 3.32, 1.26),
}  # fmt: skip
BANKS = Costs(-0.048, 0.019, 0.148, 0.125, -0.082)


class Law(NamedTuple):
    """See the top of the module."""

    a: float
    b: float
    c: float
    p: float

    def at(self, bits: int, word_bits: int) -> float:
        width = word_bits / 64
        found: float = (self.a + self.b * width) * (bits / 8192) ** self.p + self.c * width
        return found


class Sram(NamedTuple):
    """A memory of so many *bits* in words of *word_bits*, cut into *banks*."""

    bits: int
    word_bits: int
    node_nm: float
    cells: Cells
    ports: Ports
    banks: int

    @property
    def costs(self) -> Costs:
        """Of all banks together; an access is of one."""
        one = Costs(*(law.at(self.bits, self.word_bits) for law in laws()[self.node_nm, self.cells]))
        return one.times(PORTS[self.ports]).times(Costs(*(self.banks**power for power in BANKS)))

    def cycles(self, reads: np.ndarray, writes: np.ndarray) -> np.ndarray:
        """int64: in which so many words are read and written, spread over the banks."""
        if self.ports in ALONE:
            to_read, to_write = ALONE[self.ports]
            found = np.maximum(-(-reads // (to_read * self.banks)), -(-writes // (to_write * self.banks)))
        else:
            found = -(-(reads + writes) // (ACCESSES[self.ports] * self.banks))
        cycles: np.ndarray = found
        return cycles

    @property
    def inside(self) -> bool:
        """Whether size, word and banks are among those that the law was fitted to."""
        sized = SMALLEST <= self.bits <= LARGEST and NARROWEST <= self.word_bits <= WIDEST
        return sized and self.banks <= BANKED

    @property
    def source(self) -> str:
        """Where its costs come from, in words."""
        told = SOURCE.format(cells=self.cells, node_nm=self.node_nm)
        return told if self.inside else f"{told}, extrapolated"


@cache
def laws() -> dict[tuple[float, str], list[Law]]:
    """The laws of the five `Costs`, by node (nm) and cells."""
    found: dict[tuple[float, str], dict[str, Law]] = {}
    text = files("neurosim.chip").joinpath("sram_laws.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        law = Law(*(float(row[name]) for name in Law._fields))
        found.setdefault((float(row["node_nm"]), row["cells"]), {})[row["quantity"]] = law
    return {which: [quantities[name] for name in Costs._fields] for which, quantities in found.items()}
