"""How faithful an import from NIR is, for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType

from neurosim.io.nir.fidelity import Fidelity
from neurosim.report.text import table


def fidelity_text(fidelity: Fidelity) -> RenderableType:
    """The table of parameters, and the assumptions."""
    rows = table("node", "type", "parameter", "kept", "max change", "note", title="Parameters")
    for c in fidelity.changes:
        kept, change = ("exactly", "0") if c.exact else ("about", f"{c.max_change:.2g}")
        rows.add_row(c.node, c.type, c.parameter, kept, change, c.note)
    return Group(rows, "", "Assumptions", *(f"  - {text}" for text in fidelity.assumptions))


def losses_text(lost: list[str]) -> str:
    """What an export leaves behind."""
    return "NOT in the file, because NIR cannot say it:\n" + "\n".join(f"  - {text}" for text in lost)
