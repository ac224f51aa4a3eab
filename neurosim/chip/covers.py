"""What the prices of a chip cover: of every kind of cost that some chips count and others do not, whether this one does."""

from __future__ import annotations

from typing import Literal

from neurosim.chip.part import Part

Said = Literal["yes", "partly", "no"]
# What every kind is, in words.
TOPICS = {
    "memory_leakage": "leakage of memories", "logic_leakage": "leakage of logic and routers",
    "idle_cores": "leakage of cores without neurons", "control": "control and instruction fetch",
    "clock_tree": "clock tree", "network": "packets on the mesh", "input_output": "input, and its way to the cores",
    "host": "host and its interface",
}  # fmt: skip


class Covers(Part):
    """Whether a chip file counts it, None where it does not say; cores without neurons follow from the rest, see
    `neurosim.chip.chip.Chip.covered`."""

    memory_leakage: Said | None = None
    logic_leakage: Said | None = None
    control: Said | None = None
    clock_tree: Said | None = None
    network: Said | None = None
    input_output: Said | None = None
    host: Said | None = None
