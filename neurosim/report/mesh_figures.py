"""Figures of a mesh: its cores as a heat map, its links as arrows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from neurosim.noc.geometry import Grid
from neurosim.report.figure import (
    HEAT,
    HEAT_SCALE,
    INK,
    LINE,
    PAPER,
    PERCENT,
    SOFT,
    colour_bar,
    figure,
    framed,
    grid_words,
    plain,
)
from neurosim.report.page import beside
from neurosim.report.units import si

# The name under which figures find what is said about cores.
WORDS = "core-words"
# Cells of a row, and of a heat map, that are labelled; cores about which the pointer finds more than number and value.
WIDEST_LABELLED, MOST_LABELLED, MOST_TOLD = 10, 100, 4096
# The busiest links that are drawn, and those that the pointer finds.
MOST_LINKS, MOST_FOUND = 4096, 1000
# Lines that part chips or tiles.
MOST_LINES = 64
# Of a mesh, in pixels.
HIGHEST, LOWEST = 420, 48
# How far a link lies to the right of the line between its routers; how far its ends are from them, with and without arrows.
ASIDE, SHORT, LONG = 0.13, 0.22, 0.05
# Tiles of a mesh whose routers and arrows can be told apart.
MOST_ARROWS = 1024


@dataclass(frozen=True)
class Cores:
    """The cores in use. numbers: int64 [cores]; layers: what each holds; heads, words: what else is said about each."""

    grid: Grid
    numbers: np.ndarray
    layers: Sequence[str]
    heads: tuple[str, ...]
    words: Sequence[Sequence[str]]

    @property
    def across(self) -> int:
        """Cells of a row; the cores of a tile lie side by side, so that a core's number is that of its cell."""
        return self.grid.width * self.grid.cores_per_tile

    @property
    def told(self) -> bool:
        """Whether the pointer finds more than number and place."""
        return len(self.numbers) <= MOST_TOLD


@dataclass(frozen=True)
class DrawnLink:
    """Between the tiles *start* and *end* (x, y); words: what the pointer finds, in Plotly's HTML."""

    start: tuple[int, int]
    end: tuple[int, int]
    flits: float
    words: str

    @property
    def step(self) -> tuple[int, int]:
        """(x, y) of its direction; a long one leads around a torus, the other way."""
        ahead = [b - a for a, b in zip(self.start, self.end, strict=True)]
        x, y = (-int(np.sign(d)) if abs(d) > 1 else d for d in ahead)
        return x, y

    def at(self, along: float) -> tuple[float, float]:
        """A point of it; traffic keeps to the right."""
        (x, y), (dx, dy) = self.start, self.step
        return x + along * dx - ASIDE * dy, y + along * dy + ASIDE * dx


def core_words(cores: Cores) -> str:
    """HTML with what the pointer finds in the heat maps of these cores; to be put before them."""
    words = []
    for number, layer, more in zip(cores.numbers.tolist(), cores.layers, cores.words, strict=True):
        x, y = cores.grid.xy(number)
        words.append([str(number), f"({x}, {y})", *([layer, *more] if cores.told else [])])
    return grid_words(WORDS, cores.across, cores.grid.height, cores.numbers.tolist(), words)


def heat_map(cores: Cores, values: np.ndarray, title: str, unit: str) -> str:
    """HTML of a figure; values: of every core."""
    grid, largest = cores.grid, float(values.max(initial=0))
    shown = np.full(grid.cores, np.nan, np.float32)
    shown[cores.numbers] = values
    shape = grid.height, cores.across
    unused = np.where(np.isnan(shown), np.float32(0), np.float32(np.nan)).reshape(shape)
    gap = 2 if cores.across <= 16 else 1 if cores.across <= 40 else 0
    heads = cores.heads if cores.told else ()
    found = "".join(f"<br>{plain(head)}: %{{customdata[{i}]}}" for i, head in enumerate(heads, 2)) or _value(unit)
    traces = [
        go.Heatmap(
            z=shown.reshape(shape), zmin=0, zmax=largest or 1, colorscale=HEAT_SCALE, colorbar=colour_bar(unit), xgap=gap,
            ygap=gap, hoverongaps=False, **_labels(cores),
            hovertemplate=f"<b>core %{{customdata[0]}}</b> at %{{customdata[1]}}{found}<extra></extra>",
        ),
        go.Heatmap(z=unused, colorscale=[[0, SOFT], [1, SOFT]], showscale=False, xgap=gap, ygap=gap, hoverinfo="skip"),
    ]  # fmt: skip
    made = figure(*traces, **_plane(grid, grid.cores_per_tile), shapes=_borders(grid))
    amount = f"{largest:.3g}{unit}" if unit == PERCENT else si(largest, unit)
    most = f", the most {amount} in core {cores.numbers[int(values.argmax())]}" if len(values) else ""
    described = f"Heat map of the mesh, {title.lower()}: {len(values):,} of {grid.cores:,} cores are used{most}."
    return framed(made, title, described, _height(grid, grid.cores_per_tile), WORDS)


def link_map(grid: Grid, links: Sequence[DrawnLink], title: str) -> str:
    """HTML of a figure; nothing where no link was used."""
    busiest = sorted(links, key=lambda link: -link.flits)[:MOST_LINKS]
    if not busiest:
        return ""
    most, wide = busiest[0].flits, 3 if grid.tiles <= 256 else 1.5
    short = SHORT if grid.tiles <= MOST_ARROWS else LONG
    by_level: list[list[DrawnLink]] = [[] for _ in HEAT]
    for link in reversed(busiest):
        by_level[max(0, int(np.ceil(link.flits / most * len(HEAT))) - 1)].append(link)
    lines = [_lines(level, short, HEAT[i], wide) for i, level in enumerate(by_level) if level]
    made = figure(_routers(grid), _arrows(grid, busiest[:MOST_FOUND], most), **_plane(grid, 1))
    made.update_layout(shapes=[*_chips(grid, 1), *lines], hoverdistance=12, showlegend=False)
    (ax, ay), (bx, by) = busiest[0].start, busiest[0].end
    left = f", the {len(busiest):,} busiest" if len(links) > len(busiest) else ""
    described = f"The links of the mesh: {len(links):,} are used, most from ({ax}, {ay}) to ({bx}, {by}), {si(most, 'flits')}."
    return framed(made, title + left, described, _height(grid, 1))


def heat_maps(cores: Cores, maps: Sequence[tuple[np.ndarray, str, str]]) -> str:
    """HTML of several, with (values, title, unit) of each, side by side."""
    figures = (heat_map(cores, *shown) for shown in maps)
    return core_words(cores) + beside(*figures, broad=cores.across > 1.5 * cores.grid.height)


def _value(unit: str) -> str:
    return f"<br>%{{z:{'.3g' if unit == PERCENT else '.3s'}}}{unit}"


def _labels(cores: Cores) -> dict[str, Any]:
    if cores.across > WIDEST_LABELLED or cores.grid.cores > MOST_LABELLED:
        return {}
    short = [f"{name[:5].rstrip()}+" if " + " in name else name[:6] for name in cores.layers]
    text = np.full(cores.grid.cores, "", object)
    text[cores.numbers] = [*map(plain, short)]
    rows = text.reshape(cores.grid.height, cores.across).tolist()
    return {"text": rows, "texttemplate": "%{text}", "textfont": {"size": 9}}


def _plane(grid: Grid, per: int) -> dict[str, Any]:
    """Axes with the origin at the top left, square cells, *per* of them in a tile, and numbers of tiles."""
    bare = {"showgrid": False, "constrain": "domain"}
    across, high = grid.width * per, grid.height
    across_axis = bare | _numbered(grid.width, per) | {"range": [-0.5, across - 0.5], "side": "top"}
    down_axis = bare | _numbered(high, 1) | {"range": [high - 0.5, -0.5], "scaleanchor": "x", "constraintoward": "top"}
    return {"xaxis": across_axis, "yaxis": down_axis}


def _height(grid: Grid, per: int) -> str:
    """As high as a mesh is in its place, with room for numbers and the scale of colours."""
    ratio = grid.height / (grid.width * per)
    return f"calc(max({LOWEST}px, min({HIGHEST}px, {ratio:.4g} * (100cqw - 40px))) + 72px)"


def _numbered(tiles: int, per: int) -> dict[str, Any]:
    shown = range(0, tiles, -(-tiles // 8))
    middle = [tile * per + (per - 1) / 2 for tile in shown]
    return {"tickmode": "array", "tickvals": middle, "ticktext": [*map(str, shown)]}


def _borders(grid: Grid) -> list[dict[str, Any]]:
    """Lines between chips, and between tiles of several cores."""
    per = grid.cores_per_tile
    if per == 1 or grid.width > MOST_LINES:
        return _chips(grid, per)
    between = [_line(x * per, 0, x * per, grid.height, PAPER, 5) for x in range(1, grid.width)]
    return between + _chips(grid, per)


def _chips(grid: Grid, per: int) -> list[dict[str, Any]]:
    wide, high = range(grid.chip_width, grid.width, grid.chip_width), range(grid.chip_height, grid.height, grid.chip_height)
    if len(wide) + len(high) > MOST_LINES:
        return []
    upright = [_line(x * per, 0, x * per, grid.height, INK, 1.5) for x in wide]
    return upright + [_line(0, y, grid.width * per, y, INK, 1.5) for y in high]


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, wide: float) -> dict[str, Any]:
    """Along the edges of cells."""
    ends = {"x0": x0 - 0.5, "y0": y0 - 0.5, "x1": x1 - 0.5, "y1": y1 - 0.5}
    return {"type": "line", **ends, "line": {"color": colour, "width": wide}}


def _routers(grid: Grid) -> go.Scatter:
    y, x = np.divmod(np.arange(grid.tiles if grid.tiles <= MOST_ARROWS else 0), grid.width)
    size = max(4, min(12, 160 // max(grid.width, grid.height)))
    marker = {"symbol": "square", "size": size, "color": SOFT, "line": {"color": LINE, "width": 1}}
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="skip")


def _lines(links: list[DrawnLink], short: float, colour: str, wide: float) -> dict[str, Any]:
    """Links as one shape: a trace would draw each by itself, which takes ten times as long."""
    ends = [(*link.at(short), *link.at(1 - short)) for link in links]
    path = "".join(f"M{x0:.4g},{y0:.4g}L{x1:.4g},{y1:.4g}" for x0, y0, x1, y1 in ends)
    return {"type": "path", "path": path, "line": {"color": colour, "width": wide}, "layer": "below"}


def _arrows(grid: Grid, links: list[DrawnLink], most: float) -> go.Scatter:
    """Heads of arrows, which the pointer finds."""
    middle = np.array([link.at(0.5) for link in links], np.float32)
    turned = [{(0, -1): 0, (1, 0): 90, (0, 1): 180, (-1, 0): 270}[link.step] for link in links]
    marker = {
        "symbol": "triangle-up", "angle": turned, "size": 8 if grid.tiles <= 256 else 3, "color": [k.flits for k in links],
        "colorscale": HEAT_SCALE, "cmin": 0, "cmax": most, "showscale": True, "colorbar": colour_bar(""), "line": {"width": 0},
    }  # fmt: skip
    words = [f"({k.start[0]}, {k.start[1]}) to ({k.end[0]}, {k.end[1]})<br>{k.words}" for k in links]
    found = "%{text}<extra></extra>"
    return go.Scatter(x=middle[:, 0], y=middle[:, 1], mode="markers", marker=marker, text=words, hovertemplate=found)
