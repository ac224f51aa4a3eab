"""Where the numbers of a chip come from."""

from __future__ import annotations

from neurosim.chip.chip import Chip
from neurosim.report.page import folded, table
from neurosim.report.text import block_text, memory_text, operation_text
from neurosim.report.units import si
from neurosim.report.words import at_node


def constants(chip: Chip, title: str = "All constants") -> str:
    """HTML: every constant with its source, prices as they are scaled; shown when it is asked for."""
    rows: list[list[str]] = [["clock", si(chip.clock.hz, "Hz"), chip.clock.source], ["core", "", chip.core.source]]
    rows.append(["mesh", f"{chip.mesh.width}x{chip.mesh.height}", chip.mesh.source])
    for memory in chip.memory:
        rows.append([memory.name, memory_text(chip, memory), memory.provenance])
    rows += [[name, operation_text(chip, name), price.source] for name, price in chip.operation]
    rows += [[f"{block.name}, per {block.per}", block_text(chip, block), block.source] for block in chip.block]
    if chip.board:
        rows.append(["link between chips", f"{chip.board.pj:g} pJ, {chip.board.link_cycles} cycles", chip.board.source])
    rows.append(["static", f"{chip.static.core_mw:g} mW per core, {chip.static.chip_mw:g} mW", chip.static.source])
    return folded(title + at_node(chip), table(["constant", "value", "source"], rows, left=True))
