"""Parts of a page: one HTML file without scripts, fonts or addresses, readable from disk, on paper and in the dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

import numpy as np

from neurosim.mapping.demand import joined
from neurosim.mapping.mapping import Mapping
from neurosim.report.units import si

STYLE = resources.files("neurosim") / "report" / "style.css"
CELL = 34


def document(title: str, sections: Sequence[str]) -> str:
    """The whole document."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head><body><main><h1>{escape(title)}</h1>"
        + "".join(sections)
        + "</main></body></html>\n"
    )


def section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def bullets(items: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(x)}</li>" for x in items) + "</ul>"


def table(head: list[str], rows: list[list[str]], caption: str = "") -> str:
    """First column left, the others right; cells are escaped."""
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = "".join(
        f'<tr><th scope="row">{escape(r[0])}</th>' + "".join(f"<td>{escape(c)}</td>" for c in r[1:]) + "</tr>" for r in rows
    )
    words = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{words}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def cards(tiles: Sequence[tuple[str, str, str]]) -> str:
    """(name, value, what it means) in large print."""
    found = "".join(
        f'<div class="card"><div class="name">{escape(n)}</div><div class="value">{escape(v)}</div><div>{escape(d)}</div></div>'
        for n, v, d in tiles
    )
    return f'<div class="cards">{found}</div>'


def heat(mapping: Mapping, values: np.ndarray, unit: str) -> str:
    """A picture of the mesh; values: of every core used. The number of a core appears when the pointer rests on it."""
    grid = mapping.grid
    across, largest = grid.width * grid.cores_per_tile, float(values.max(initial=0)) or 1.0
    used = zip(mapping.used.tolist(), mapping.held, values.tolist(), strict=True)
    found = {core: (joined(mapping.network, bricks), value) for core, bricks, value in used}
    cells = []
    for core in range(grid.cores):
        x, y = grid.xy(core)
        left = (x * grid.cores_per_tile + core % grid.cores_per_tile) * CELL
        layer, value = found.get(core, ("unused", 0.0))
        label = f"core {core} ({x}, {y}): {layer}, {si(value, unit)}"
        fill = f'class="heat" fill-opacity="{0.12 + 0.88 * value / largest:.3f}"' if core in found else 'class="idle"'
        middle = f'x="{left + CELL / 2 - 1}" y="{y * CELL + CELL / 2 + 3}"'
        short = f"{layer[:5].rstrip()}+" if " + " in layer else layer[:6]
        name = f"<text {middle}>{escape(short)}</text>" if core in found else ""
        square = f'x="{left}" y="{y * CELL}" width="{CELL - 2}" height="{CELL - 2}"'
        cells.append(f"<g><title>{escape(label)}</title><rect {square} {fill}/>{name}</g>")
    box, words = f"0 0 {across * CELL} {grid.height * CELL}", f"heat map of the mesh, largest {si(largest, unit)}"
    return f'<svg viewBox="{box}" role="img" aria-label="{words}">{"".join(cells)}</svg>'
