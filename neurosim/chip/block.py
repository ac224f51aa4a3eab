"""Blocks: what a chip is made of besides its memories, and what that costs because it is there, works, or is used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurosim.chip.part import Amount, Uncertain

# Sections of a chip whose whole numbers may multiply a block.
SIZED = ("core", "mesh")


class Block(Uncertain):
    """Logic or wires: lanes, buffers, routers, links, control. *per*: one in every core or tile, or on every chip.

    times: whole numbers of core and mesh, such as "core.lanes"; every amount is for one, and their product says how many there
    are. area_mm2; leakage_mw, while it is on; busy_pj: energy of a cycle in which its core works, clock and control say.
    operations: what an operation of that name costs in it, in pJ, besides what the operation costs itself.
    """

    name: Annotated[str, Field(min_length=1)]
    per: Literal["core", "tile", "chip"] = "core"
    times: tuple[str, ...] = ()
    area_mm2: Amount = 0.0
    leakage_mw: Amount = 0.0
    busy_pj: Amount = 0.0
    operations: dict[str, Amount] = Field(default_factory=dict)
