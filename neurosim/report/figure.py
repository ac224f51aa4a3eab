"""Figures of a page: what Plotly draws, with words for those who cannot see it. Colours are names of the style sheet."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import Any

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

SCRIPT = resources.files("neurosim") / "report" / "figure.js"
INK, PAPER, SOFT, LINE = "var(--ink)", "var(--paper)", "var(--soft)", "var(--line)"
ACCENTS = ("var(--first)", "var(--second)", "var(--third)", "var(--fourth)")
HEAT = tuple(f"var(--heat-{level})" for level in range(1, 7))
HEAT_SCALE = [[level / (len(HEAT) - 1), colour] for level, colour in enumerate(HEAT)]
FONT = "system-ui, sans-serif"
CLEAR = "rgba(0,0,0,0)"
CONFIG = {
    "displaylogo": False, "displayModeBar": "hover", "responsive": True, "scrollZoom": False,
    "modeBarButtonsToRemove": ["sendChartToCloud", "select2d", "lasso2d", "autoScale2d"],
}  # fmt: skip
AXIS = {
    "gridcolor": LINE, "showline": False, "zeroline": False, "automargin": True, "ticks": "outside",
    "tickcolor": CLEAR, "ticklen": 4, "tickangle": 0, "title": {"standoff": 8},
}  # fmt: skip
LAYOUT = go.Layout(
    font={"family": FONT, "size": 12, "color": INK}, paper_bgcolor=CLEAR, plot_bgcolor=CLEAR,
    margin={"l": 8, "r": 8, "t": 8, "b": 8}, xaxis=AXIS, yaxis=AXIS, dragmode=False, colorway=ACCENTS, bargap=0.35,
    hoverlabel={"bgcolor": PAPER, "bordercolor": LINE, "align": "left", "font": {"color": INK, "size": 12, "family": FONT}},
    legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
    modebar={"bgcolor": CLEAR, "color": "var(--quiet)", "activecolor": INK},
)  # fmt: skip
# A unit that takes no prefix.
PERCENT = " %"
# Characters of a name on an axis, and of what the pointer finds.
LONGEST, LONGEST_FOUND = 22, 60


def figure(*traces: Any, **layout: Any) -> go.Figure:
    """A figure in the style of the page, as wide and high as its place."""
    return go.Figure(list(traces), layout=LAYOUT).update_layout(template=None, **layout)


def framed(figure: go.Figure, title: str, description: str, height: str, words: str = "") -> str:
    """HTML of a figure: *title* above it, and what it shows for those who cannot see it. *height*: in CSS, 100cqw is the width.
    *words*: the name of `grid_words`."""
    parts = figure.to_dict() | {"config": CONFIG}
    data = f' data-words="{escape(words)}"' if words else ""
    return (
        f'<figure class="plot"{data}><figcaption>{escape(title)}</figcaption>'
        f'<div class="canvas" role="img" aria-label="{escape(description)}" style="height:{height}"></div>'
        f'<script type="application/json">{to_json_plotly(parts)}</script></figure>'
    )


def grid_words(name: str, across: int, high: int, cells: list[int], words: list[list[str]]) -> str:
    """HTML that holds what the pointer finds in some cells of a grid, counted row by row; figures share it by its *name*."""
    held = to_json_plotly(
        {
            "across": across,
            "high": high,
            "cells": cells,
            "words": [[label(word, LONGEST_FOUND) for word in row] for row in words],
        }
    )
    return f'<script type="application/json" id="{escape(name)}">{held}</script>'


def plain(text: str) -> str:
    """A text that Plotly shows as it is: it reads some HTML in all texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def label(name: str, longest: int = LONGEST) -> str:
    """A name short enough for an axis, as Plotly takes it."""
    return plain(name if len(name) <= longest else f"{name[: longest - 1]}…")


def named(names: list[str]) -> dict[str, Any]:
    """Settings of an axis along which things are numbered 0, 1, ... and named; two may have the same name."""
    return {"tickmode": "array", "tickvals": [*range(len(names))], "ticktext": [*map(label, names)]}


def colour_bar(unit: str) -> dict[str, Any]:
    """Settings of a scale of colours below a figure."""
    return {
        "orientation": "h", "thickness": 8, "len": 1, "x": 0.5, "y": -0.02, "yanchor": "top", "outlinewidth": 0, "nticks": 5,
        "tickformat": "~g" if unit == PERCENT else "~s", "ticksuffix": unit, "ypad": 14,
    }  # fmt: skip


def scripts() -> str:
    """HTML that draws all figures of a page; to be put behind them."""
    return f"<script>{get_plotlyjs()}</script><script>{SCRIPT.read_text(encoding='utf-8')}</script>"
