"""Energy from one node to another, by a published rule; used only where somebody asks for it.

Stillmaker and Baas, "Scaling equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm", Integration
58 (2017): the energy of a gate goes with a V^2 + b V + c, its coefficients given at some nodes.
"""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field

from neurosim.chip.part import Part, whole
from neurosim.errors import NeurosimError

RULE = "Stillmaker and Baas, Integration 58 (2017)"
# What it leaves as it was.
KEPT = "leakage, time, area, memories off the chip and links between chips are not scaled"
# a, b, c by nm. Between two nodes energies are interpolated by a line, at one supply.
COEFFICIENTS = {
    7: (0.1776, -0.09097, 0.02447), 14: (0.2363, -0.09675, 0.02239), 20: (0.373, -0.1582, 0.04104),
    32: (0.9559, -0.7823, 0.471), 45: (1.103, -0.362, 0.2767), 65: (3.755, -4.398, 1.975),
}  # fmt: skip
SMALLEST, LARGEST = min(COEFFICIENTS), max(COEFFICIENTS)
# Volts where neither the chip nor the question says them, chosen; between two nodes by a line.
SUPPLIES = {7: 0.7, 14: 0.75, 20: 0.8, 22: 0.8, 28: 0.9, 32: 0.9, 45: 0.9, 65: 1.0}
# Below it the polynomial of 65 nm falls with rising supply; above it no node was used.
LOWEST_V, HIGHEST_V = 0.6, 1.2
RANGE = f"the rule is known from {SMALLEST} to {LARGEST} nm, and from {LOWEST_V:g} to {HIGHEST_V:g} V"

Nanometres = Annotated[float, BeforeValidator(whole), Field(ge=SMALLEST, le=LARGEST, allow_inf_nan=False)]
Volts = Annotated[float, BeforeValidator(whole), Field(ge=LOWEST_V, le=HIGHEST_V, allow_inf_nan=False)]


class TechnologyNode(NamedTuple):
    """A node in nm, and a supply in V."""

    nm: float
    volts: float

    def __str__(self) -> str:
        return f"{self.nm:g} nm, {self.volts:g} V"

    @property
    def energy(self) -> float:
        """Of a gate, in units of its own."""
        at = [(a * self.volts + b) * self.volts + c for a, b, c in COEFFICIENTS.values()]
        return float(np.interp(self.nm, [*COEFFICIENTS], at))

    @property
    def inside(self) -> bool:
        """Whether the rule is known there."""
        return SMALLEST <= self.nm <= LARGEST and LOWEST_V <= self.volts <= HIGHEST_V


class Scale(Part):
    """The node that dynamic energies of a chip are scaled to; volts: its supply, the usual one if not given."""

    node_nm: Nanometres
    volts: Volts | None = None

    @property
    def point(self) -> TechnologyNode:
        return TechnologyNode(self.node_nm, usual_supply(self.node_nm) if self.volts is None else self.volts)


def usual_supply(nm: float) -> float:
    """V."""
    return float(np.interp(nm, [*SUPPLIES], [*SUPPLIES.values()]))


def point_in(node: str) -> TechnologyNode | None:
    """The node that a text such as "Intel 14 nm, 0.75 V" names, None without nm in it; the supply is the usual one if not
    given."""
    found, volts = re.search(r"(\d+(?:\.\d+)?)\s*nm", node), re.search(r"(\d+(?:\.\d+)?)\s*V\b", node)
    if found is None:
        return None
    nm = float(found[1])
    return TechnologyNode(nm, float(volts[1]) if volts else usual_supply(nm))


def factor(start: TechnologyNode, end: TechnologyNode) -> float:
    """How many times the energy at *start* an operation takes at *end*."""
    return end.energy / start.energy


class Scaled(NamedTuple):
    """From where to where energies were scaled."""

    start: TechnologyNode
    end: TechnologyNode

    @property
    def factor(self) -> float:
        """Of a price that is of the node of the chip."""
        return factor(self.start, self.end)

    def __str__(self) -> str:
        return f"scaled from {self.start} to {self.end}, {self.factor:.3g} times"


def parsed_scale(asked: float | str) -> Scale:
    """From 22, "22" or "22@0.8"; raises NeurosimError for what is no node that the rule is known for."""
    nm, at, volts = str(asked).partition("@")
    try:
        scale = TechnologyNode(float(nm), float(volts) if at else usual_supply(float(nm)))
    except ValueError:
        form = "give nanometres, and a supply if it is not the usual one: 22 or 22@0.8"
        raise NeurosimError(f"scale_node is {asked!r}; {form}") from None
    if not scale.inside:
        raise NeurosimError(f"scale_node is {asked!r}; {RANGE}")
    return Scale(node_nm=scale.nm, volts=scale.volts)
