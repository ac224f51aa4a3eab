"""SRAM: energy of an access, leakage and area, from size and word width by interpolation through published points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline, make_interp_spline


@dataclass(frozen=True)
class Point:
    """A published SRAM: its size and word in bits, energy of reading and writing a word, leakage and area where given."""

    bits: int
    word_bits: int
    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float


@dataclass(frozen=True)
class Estimate:
    """Prices of one SRAM. *inside*: its size lies between the published points; *source*: where the numbers come from."""

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_mm2: float
    inside: bool
    source: str


@dataclass(frozen=True)
class Points:
    """SRAMs of one node from one source, by rising size.

    Between them the logarithm of energy per bit, leakage and area is linear in the logarithm of the size; beyond them the
    last pieces are continued. A word's energy is its bits times the energy per bit. For another node, energy and leakage are
    scaled with the ratio of the feature sizes (capacitance of wires and gates at the same voltage), area with its square: a
    first approximation, good for neighbours like 40 and 45 nm and not for a jump of generations.
    """

    source: str
    node_nm: float
    points: tuple[Point, ...]

    @property
    def smallest(self) -> int:
        """Bits."""
        return self.points[0].bits

    @property
    def largest(self) -> int:
        """Bits."""
        return self.points[-1].bits

    def estimate(self, bits: int, word_bits: int, node_nm: float | None = None) -> Estimate:
        """An SRAM of *bits* with words of *word_bits* at *node_nm* (default: that of the points)."""
        shrink = (node_nm or self.node_nm) / self.node_nm
        read, write, leakage, area = np.exp(self._curves(np.log(bits)))
        inside = self.smallest <= bits <= self.largest
        source = f"{self.source}, interpolated" if inside else f"{self.source}, extrapolated"
        if shrink != 1:
            source += f", scaled from {self.node_nm:g} to {node_nm:g} nm"
        return Estimate(
            float(read * word_bits * shrink), float(write * word_bits * shrink), float(leakage * shrink),
            float(area * shrink**2), inside, source,
        )  # fmt: skip

    @cached_property
    def _curves(self) -> BSpline:
        rows = [(p.read_pj / p.word_bits, p.write_pj / p.word_bits, p.leakage_mw, p.area_mm2) for p in self.points]
        return make_interp_spline(np.log([p.bits for p in self.points]), np.log(rows), k=1)


KIB = 8 * 1024
CACTI_40NM = Points(
    "CACTI 7, 40 nm, high-performance cells, two read-write ports (out.csv of the Accelergy CACTI plug-in)", 40.0,
    (
        Point(448 * 8, 16, 0.50, 0.76, 0.24, 0.0026),
        Point(8 * KIB, 64, 5.26, 6.43, 3.91, 0.0427),
        Point(100 * KIB, 64, 32.1, 22.1, 40.3, 0.507),
    ),
)  # fmt: skip
