"""Figures of a run: where its energy went, what set its pace, what it costs at other spike rates, when its layers fired."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from neurosim.cost.action import COMPUTE, GROUP_OF, MOVEMENT, PURPOSES, STATIC
from neurosim.cost.comparison import BreakEven
from neurosim.cost.dataflow import STATED
from neurosim.outcome.document import LayerRow, RunDocument
from neurosim.report.figure import ACCENTS, HEAT_SCALE, INK, LINE, PAPER, colour_bar, figure, framed, label, named, plain
from neurosim.report.units import percent, si
from neurosim.report.words import BOUND_WORDS, energy_components, from_image_to_image

COLOURS = {COMPUTE: ACCENTS[0], MOVEMENT: ACCENTS[1], STATIC: ACCENTS[2]}
JOULES = {"tickformat": "~s", "ticksuffix": "J", "rangemode": "tozero", "nticks": 5}
# Room for the numbers behind bars.
BESIDE_BARS = {"l": 8, "r": 64, "t": 8, "b": 8}
# How far beyond the run the picture goes to show a crossing.
FARTHEST = 4


def waterfall(run: RunDocument) -> str:
    """HTML of a figure: energy per image by purpose, each bar beginning where the one above it ends, and their sum."""
    joules = [run.energy.by_purpose_J[purpose] / run.images for purpose in PURPOSES]
    total = sum(joules)
    starts = [0.0, *np.cumsum(joules).tolist()]
    colours = [COLOURS[GROUP_OF[purpose]] for purpose in PURPOSES]
    words = [f"<b>{p}</b> {_share(j, total)}{_parts(run, p)}" for p, j in zip(PURPOSES, joules, strict=True)]
    bars = go.Bar(
        y=[*range(len(PURPOSES) + 1)], x=[*joules, total], base=[*starts[:-1], 0.0], orientation="h",
        marker={"color": [*colours, INK]}, text=[si(j, "J") for j in [*joules, total]], textposition="outside",
        cliponaxis=False, customdata=[*words, f"<b>total</b> {si(total, 'J')}"], hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    steps = [point for i, x in enumerate(starts[1:]) for point in ((x, i - 0.33), (x, i + 1.33), (None, None))]
    x, y = zip(*steps, strict=True)
    joints = go.Scatter(x=x, y=y, mode="lines", line={"color": LINE, "width": 1}, hoverinfo="skip")
    axes = {"xaxis": JOULES | {"range": [0, total or 1]}, "yaxis": named([*PURPOSES, "total"]) | _downwards()}
    made = figure(joints, bars, showlegend=False, margin=BESIDE_BARS, **axes)
    listed = ", ".join(f"{purpose} {si(j, 'J')}" for purpose, j in zip(PURPOSES, joules, strict=True))
    described = f"Waterfall of energy per image: {listed}; {si(total, 'J')} in all."
    return framed(made, "Energy per image, from compute to everything", described, "290px")


def components(run: RunDocument) -> str:
    """HTML of a figure: energy per image by component, the largest first."""
    parts = sorted(energy_components(run), key=lambda part: -part.joules)
    if not parts:
        return ""
    names, joules, total = [part.name for part in parts], [part.joules for part in parts], run.energy.per_image_J
    words = [f"<b>{plain(part.name)}</b> {_share(part.joules, total)}<br>{part.group}" for part in parts]
    bars = go.Bar(
        y=[*range(len(parts))], x=joules, orientation="h", marker={"color": [COLOURS[part.group] for part in parts]},
        text=[si(j, "J") for j in joules], textposition="outside", cliponaxis=False, customdata=words,
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    axes = {"xaxis": JOULES | {"range": [0, joules[0]]}, "yaxis": named(names) | _downwards()}
    made = figure(bars, showlegend=False, margin=BESIDE_BARS, **axes)
    described = f"Bars of energy per image by component, most for {names[0]}, {_share(joules[0], total)}."
    return framed(made, "The same by component", described, f"{40 + 28 * len(parts)}px")


def images(run: RunDocument) -> str:
    """HTML of two figures: how many images cost how much energy and time; nothing where that is not known, or where there is
    one."""
    energy = _histogram("Energy of every image", run.images_energy_J, "J")
    return energy + _histogram("Latency of every image", run.images_seconds, "s")


def _histogram(title: str, values: list[float] | None, unit: str) -> str:
    told = from_image_to_image(values, unit)
    if not told or values is None:
        return ""
    many, ends = np.histogram(values, bins=min(40, max(5, round(np.sqrt(len(values))))))
    words = [f"{n} images: {si(a, unit)} to {si(b, unit)}" for n, a, b in zip(many.tolist(), ends, ends[1:], strict=False)]
    bars = go.Bar(
        x=((ends[:-1] + ends[1:]) / 2).tolist(), y=many.tolist(), width=np.diff(ends).tolist(), marker={"color": ACCENTS[1]},
        customdata=words, hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    across = JOULES | {"rangemode": "normal", "ticksuffix": unit}
    axes = {"xaxis": across, "yaxis": {"title": {"text": "images"}, "rangemode": "tozero"}}
    made = figure(bars, showlegend=False, bargap=0, **axes)
    return framed(made, title, f"Histogram of the {title.split()[0].lower()} of {len(values):,} images; {told}.", "240px")


def pace(steps: list[dict[str, float]], hz: float) -> str:
    """HTML of a figure: cycles of every time step, by what set the pace."""
    bars = [
        go.Bar(
            x=[*range(len(steps))], y=[step[bound] for step in steps], name=BOUND_WORDS[bound], marker={"color": colour},
            customdata=[si(step[bound] / hz, "s") for step in steps],
            hovertemplate=f"step %{{x}}, {BOUND_WORDS[bound]}<br>%{{y:,.0f}} cycles, %{{customdata}}<extra></extra>",
        )
        for bound, colour in zip(BOUND_WORDS, ACCENTS, strict=True)
    ]  # fmt: skip
    cycles_axis = {"title": {"text": "cycles"}, "tickformat": "~s", "rangemode": "tozero"}
    made = figure(*bars, barmode="stack", xaxis=_time_steps(len(steps)), yaxis=cycles_axis)
    cycles = [sum(step.values()) for step in steps]
    longest = f"step {cycles.index(max(cycles))}, {max(cycles):,.0f}"
    described = f"Bars of cycles per time step, mean over images; the longest is {longest}."
    return framed(made, "Cycles of every time step, by what set the pace", described, "300px")


def break_even(line: BreakEven) -> str:
    """HTML of a figure: energy over spikes per neuron, with spikes and without; nothing where no neuron fired."""
    here = line.spikes_per_neuron
    if not here:
        return ""
    right = farthest(line)
    now, there = (line.fixed_J + line.slope_J * rate for rate in (here, right))
    low, stated, high = (line.ann_J[reuse] for reuse in ("perfect", STATED, "none"))
    top = 1.1 * max(there, stated, 1e-30)
    traces = [
        _flat(right, low, width=0, showlegend=False), _flat(right, high, width=0, fill="tonexty", name="perfect to no reuse"),
        _flat(right, stated, width=2, name="without spikes"),
        go.Scatter(x=[0, right], y=[line.fixed_J, there], mode="lines", line={"color": ACCENTS[0], "width": 2.5},
                   name="with spikes", hovertemplate="%{x:.3f} spikes per neuron: %{y:.3s}J<extra>with spikes</extra>"),
        _point(here, now, f"this run, {here:.3f}", ACCENTS[0]),
    ]  # fmt: skip
    meets = line.meets[STATED]
    if meets is not None and meets <= right:
        traces.append(_point(meets, stated, f"break-even, {meets:.3f}", PAPER))
    rates = {"title": {"text": "spikes per neuron, all steps"}, "range": [0, right], "rangemode": "tozero"}
    made = figure(*traces, xaxis=rates, yaxis=JOULES | {"range": [0, top]})
    crossing = "no crossing in the picture" if meets is None or meets > right else f"they meet at {meets:.3f}"
    described = (
        f"Energy per image over spikes per neuron: this run at {here:.3f} needs {si(now, 'J')}, the network without spikes "
        f"{si(stated, 'J')} ({si(low, 'J')} to {si(high, 'J')}); {crossing}."
    )
    return framed(made, "Energy per image without leakage, if all spikes were rarer or more frequent", described, "340px")


def farthest(line: BreakEven) -> float:
    """The spike rate up to which the picture goes."""
    crossings = [x for x in line.meets.values() if x is not None and x < FARTHEST * line.spikes_per_neuron]
    return 1.2 * max([line.spikes_per_neuron, *crossings])


def spikes(layers: list[LayerRow]) -> str:
    """HTML of a figure: spikes per neuron of every layer that spikes, in every step."""
    rows = np.array([layer.spikes_per_step for layer in layers], float)
    rates = rows / np.array([[layer.neurons] for layer in layers])
    names = [layer.name for layer in layers]
    few = rates.size <= 150
    cells = go.Heatmap(
        z=rates, zmin=0, zmax=float(rates.max(initial=0)) or 1, colorscale=HEAT_SCALE,
        colorbar=colour_bar("") | {"tickformat": ""},
        xgap=2, ygap=2, customdata=[[[label(n), f"{count:,.1f}"] for count in row] for n, row in zip(names, rows, strict=True)],
        hovertemplate="%{customdata[0]}, step %{x}<br>%{z:.3f} spikes per neuron<br>%{customdata[1]} spikes<extra></extra>",
        texttemplate="%{z:.2f}" if few else None,
    )  # fmt: skip
    bare = {"showgrid": False}
    row = min(34, max(8, 800 // len(names)))
    axes = {"xaxis": bare | _time_steps(rows.shape[1]) | {"side": "top"}, "yaxis": bare | named(names) | _downwards()}
    made = figure(cells, **axes)
    at, when = np.unravel_index(rates.argmax(), rates.shape)
    described = f"Heat map of spikes per neuron by layer and step; the most {rates.max():.3f} in {names[at]}, step {when}."
    return framed(made, "Spikes per neuron, by layer and step", described, f"{110 + row * len(names)}px")


def _parts(run: RunDocument, purpose: str) -> str:
    """The components of a purpose, for the pointer."""
    found: dict[str, float] = {}
    for action in run.actions:
        if action.purpose == purpose and action.energy_J:
            found[action.component] = found.get(action.component, 0.0) + action.energy_J / run.images
    ordered = sorted(found.items(), key=lambda part: -part[1])
    return "".join(f"<br>{label(name)}: {si(joules, 'J')}" for name, joules in ordered)


def _share(joules: float, total: float) -> str:
    return f"{si(joules, 'J')} ({percent(joules / total if total else 0)})"


def _time_steps(count: int) -> dict[str, Any]:
    return {"title": {"text": "time step"}, "tickformat": "d", "dtick": 1 if count <= 20 else None}


def _downwards() -> dict[str, Any]:
    return {"autorange": "reversed", "showgrid": False}


def _flat(right: float, joules: float, width: float, **settings: Any) -> go.Scatter:
    """A level that does not depend on spikes."""
    line = {"color": ACCENTS[1], "width": width}
    return go.Scatter(
        x=[0, right], y=[joules, joules], mode="lines", line=line, fillcolor="var(--band)",
        hovertemplate="%{y:.3s}J<extra>without spikes</extra>", **settings,
    )  # fmt: skip


def _point(x: float, y: float, name: str, filling: str) -> go.Scatter:
    marker = {"size": 11, "color": filling, "line": {"color": INK, "width": 2}}
    found = f"{name}: %{{y:.3s}}J<extra></extra>"
    return go.Scatter(x=[x], y=[y], mode="markers", marker=marker, name=name, hovertemplate=found)
