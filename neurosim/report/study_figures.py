"""Figures of a study: its points by two objectives at a time, and what each axis explains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import plotly.graph_objects as go

from neurosim.explore.document import ObjectiveSection, PointRow
from neurosim.report.figure import ACCENTS, LINE, figure, framed, label, named, plain
from neurosim.report.units import percent, si

# Pairs of objectives that are drawn.
PAIRS = 3
# Between the ends of an axis, from where on it is logarithmic.
FAR = 20
# Units that are said otherwise on an axis.
SUFFIXES = {"1/s": "/s", "mm²": "", "pJ": ""}
Objectives = Mapping[str, ObjectiveSection]


def fronts(objectives: Objectives, points: Sequence[PointRow], near: Sequence[int], words: Sequence[str]) -> list[str]:
    """HTML of figures: all points that fit, by every two objectives, those of the front in colour; *near*: numbers of those
    that are not told apart from it; *words*: of every point, for the pointer."""
    pairs = list(combinations(objectives, 2))[:PAIRS] or [(name, name) for name in objectives]
    return [_front(objectives, *pair, points, {*near}, words) for pair in pairs]


def _front(
    objectives: Objectives, across: str, up: str, points: Sequence[PointRow], near: set[int], words: Sequence[str]
) -> str:  # fmt: skip
    x, y = ([p.amount(objectives[name].column) for p in points] for name in (across, up))
    shown = [i for i, p in enumerate(points) if p.status in ("ok", "excluded") and None not in (x[i], y[i])]
    kinds = {
        "excluded": [i for i in shown if points[i].status == "excluded"],
        "others": [i for i in shown if points[i].status == "ok" and points[i].rank != 1 and i not in near],
        "not told apart from the front": [i for i in shown if i in near],
        "on the front": [i for i in shown if points[i].rank == 1],
    }
    looks = {
        "on the front": {"size": 11, "color": ACCENTS[1], "line": {"color": "var(--ink)", "width": 1}},
        "not told apart from the front": {"size": 9, "color": ACCENTS[1], "opacity": 0.55},
        "others": {"size": 7, "color": ACCENTS[0], "opacity": 0.75},
        "excluded": {"size": 7, "color": LINE, "symbol": "x"},
    }
    traces = [
        go.Scatter(
            x=[x[i] for i in found], y=[y[i] for i in found], mode="markers", name=kind, marker=looks[kind],
            customdata=[words[i] for i in found], hovertemplate="%{customdata}<extra></extra>",
        )
        for kind, found in kinds.items() if found
    ]  # fmt: skip
    axes = {
        f"{axis}axis": _axis(objectives[name], [value for i in shown if (value := values[i]) is not None])
        for axis, name, values in (("x", across, x), ("y", up, y))
    }
    best = len(kinds["on the front"])
    title = (f"{across} and {up}" if across != up else across).replace("_", " ").capitalize()
    described = f"Scatter of {len(shown):,} points by {across} and {up}; {best:,} of them lie on the Pareto front."
    return framed(figure(*traces, **axes), title, described, "380px")


def _axis(objective: ObjectiveSection, values: Sequence[float]) -> dict[str, Any]:
    """Logarithmic where values lie far apart."""
    title = {"text": f"{objective.what} ({objective.better} is better)"}
    suffix = SUFFIXES.get(objective.unit, objective.unit)
    least, most = min(values, default=0), max(values, default=0)
    if not 0 < FAR * least < most:
        return {"title": title, "tickformat": "~s", "ticksuffix": suffix, "nticks": 6}
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    return {"title": title, "type": "log", "tickvals": ticks, "ticktext": [si(tick, suffix, 1) for tick in ticks]}


def sensitivity(shares: dict[str, dict[str, float | None]]) -> str:
    """HTML of a figure: by axis, the share of the variance of every objective that varies that it explains by itself."""
    shares = {name: found for name, found in shares.items() if None not in found.values()}
    axes = list(next(iter(shares.values())))
    bars = [
        go.Bar(
            y=[*range(len(axes))], x=[100 * (found[axis] or 0) for axis in axes], orientation="h", name=name,
            marker={"color": colour},
            customdata=[f"<b>{plain(axis)}</b> explains {percent(found[axis] or 0)} of {name}" for axis in axes],
            hovertemplate="%{customdata}<extra></extra>",
        )
        for (name, found), colour in zip(shares.items(), ACCENTS * len(shares), strict=False)
    ]  # fmt: skip
    across = {"range": [0, 100], "ticksuffix": " %"}
    down = named([*map(short, axes)]) | {"autorange": "reversed", "showgrid": False}
    most = {name: max(axes, key=lambda axis: found[axis] or 0) for name, found in shares.items()}
    described = "; ".join(f"{name} depends most on {axis}" for name, axis in most.items())
    height = f"{80 + (14 + 16 * len(shares)) * len(axes)}px"
    return framed(
        figure(*bars, xaxis=across, yaxis=down), "Share of the variance that each axis explains by itself", described, height
    )


def short(axis: str) -> str:
    """An axis without what its reader knows."""
    return axis.removeprefix("memory.")


def bars(names: Sequence[str], parts: Mapping[str, Sequence[float]], title: str, unit: str) -> str:
    """HTML of a figure: one bar for each of *names*, made of *parts*."""
    totals = [sum(values[i] for values in parts.values()) for i in range(len(names))]
    traces = [
        go.Bar(
            y=[*range(len(names))], x=list(values), orientation="h", name=part, marker={"color": colour},
            customdata=[label(name) for name in names],
            hovertemplate=f"%{{customdata}}, {part}: %{{x:.3s}}{unit}<extra></extra>",
        )
        for (part, values), colour in zip(parts.items(), (*ACCENTS, "var(--heat-3)", "var(--heat-5)"), strict=False)
    ]  # fmt: skip
    down = named(list(names)) | {"autorange": "reversed", "showgrid": False}
    across = {"tickformat": "~s", "ticksuffix": unit, "rangemode": "tozero", "nticks": 5}
    made = figure(*traces, barmode="stack", xaxis=across, yaxis=down, showlegend=len(parts) > 1)
    least = names[totals.index(min(totals))]
    return framed(made, title, f"Bars of {title.lower()}; least on {least}.", f"{90 + 34 * len(names)}px")
