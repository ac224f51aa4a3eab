"""Latency and throughput of a network, for the terminal and as a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.report.text import heading, table
from neurosim.report.units import percent, si

LATENCIES = {
    "latency_cycles_mean": "mean",
    "network_latency_cycles_mean": "mean, from entering the network",
    "latency_cycles_p50": "median",
    "latency_cycles_p95": "95 % of packets, at most",
    "latency_cycles_p99": "99 % of packets, at most",
    "latency_cycles_max": "longest",
}

BESIDE = {
    "least_delay": "way of a message that is alone",
    "blocking_delay": "waiting before it leaves its core",
    "network_delay": "after, until it has arrived",
    "step": "step, until all cores are done",
}


def latency_text(values: dict[str, Any]) -> RenderableType:
    """The JSON of a run, or of a curve, for people."""
    return _curve(values) if "curve" in values else _run(values)


def _run(values: dict[str, Any]) -> RenderableType:
    return Group(
        *_modelled(values), heading("Latency, from creation to arrival"), _latencies(values), heading("Throughput"),
        _throughput(values), *_saturation(values), *_busiest(values["busiest_link"]), *_beside(values.get("sanafe")),
        *_not_counted(values),
    )  # fmt: skip


def _curve(values: dict[str, Any]) -> RenderableType:
    rows = table("rate", "offered", "accepted", "mean", "median", "99 %", "longest", "busiest link", "")
    rows.columns[-1].justify = "left"
    for point in values["curve"]:
        latencies = [_cycles(point[f"latency_cycles_{k}"]) for k in ("mean", "p50", "p99", "max")]
        traffic = [f"{point[f'{k}_flits_per_node_cycle']:.4f}" for k in ("offered", "accepted")]
        busiest = percent(point["busiest_link"]["use"]) if point["busiest_link"] else "-"
        rows.add_row(f"{point['rate']:g}", *traffic, *latencies, busiest, "saturated" if point["saturated"] else "")
    rows.caption = "rate: packets per node and cycle; offered, accepted: flits per node and cycle; latencies: cycles"
    rows.caption_justify = "left"
    largest = values["largest_rate_not_saturated"]
    found = "\nLargest rate not saturated: " + ("none" if largest is None else f"{largest:g} packets per node and cycle")
    return Group(*_modelled(values), heading("Latency and load"), rows, Text(found), *_not_counted(values))


def _modelled(values: dict[str, Any]) -> list[RenderableType]:
    machine = values["machine"]
    rows = table("", "")
    rows.show_header = False
    rows.columns[1].justify = "left"
    nodes = machine["width"] * machine["height"]
    rows.add_row("network", f"{machine['width']}x{machine['height']} {machine['topology']}, {_many(nodes, 'node')}, XY routes")
    buffers = f"{_many(machine['virtual_channels'], 'virtual channel')} of {_many(machine['buffer_flits'], 'flit')} per port"
    rows.add_row("routers", f"{_many(machine['router_cycles'], 'cycle')}; {buffers}; credits {machine['credit_cycles']}")
    rows.add_row("links", f"{_many(machine['link_cycles'], 'cycle')}; a flit every {_every(machine['link_interval'])}")
    rows.add_row("traffic", _traffic(values))
    first, last = values["warmup_cycles"], values["cycles"] - 1
    rows.add_row("measured", f"cycles {first:,} to {last:,}" + (", by the SimPy model" if values["timing"] == "simpy" else ""))
    return [heading("Modelled"), rows]


def _traffic(values: dict[str, Any]) -> str:
    if values["replay"] is not None:
        return f"{_many(values['packets'], 'packet')} of {values['replay']}"
    rate = "" if "curve" in values else f"{values['rate']:g} packets per node and cycle, "
    share = f" ({percent(values['hotspot_share'])} to the middle)" if values["hotspot_share"] is not None else ""
    return f"{values['pattern']}{share}: {rate}{_many(values['packet_flits'], 'flit')} per packet, seed {values['seed']}"


def _latencies(values: dict[str, Any]) -> RenderableType:
    if not values["packets_measured"]:
        return Text("no packets were created in the cycles that are measured")
    rows = table("", "cycles")
    rows.add_row(f"at zero load, {values['hops_mean']:.2f} links", _cycles(values["zero_load_latency_cycles_mean"]))
    for key, words in LATENCIES.items():
        rows.add_row(words, _cycles(values[key]))
    rows.caption = f"of {_many(values['packets_measured'], 'packet')}"
    rows.caption_justify = "left"
    return rows


def _throughput(values: dict[str, Any]) -> Table:
    rows = table("", "flits per node and cycle")
    for key in ("offered", "accepted"):
        rows.add_row(key, f"{values[f'{key}_flits_per_node_cycle']:.4f}")
    return rows


def _saturation(values: dict[str, Any]) -> list[RenderableType]:
    if not values["saturated"]:
        return []
    share = percent(values["accepted_flits_per_node_cycle"] / values["offered_flits_per_node_cycle"])
    said = f"Saturated: only {share} of what is offered arrives, queues grow, and latencies depend on the length of the run."
    return [Text(said, style="bold")]


def _busiest(link: dict[str, Any] | None) -> list[RenderableType]:
    if link is None:
        return [Text("\nNo link was used.")]
    ends = f"({link['from'][0]}, {link['from'][1]}) to ({link['to'][0]}, {link['to'][1]})"
    return [Text(f"\nBusiest link: from {ends}, {_many(link['flits'], 'flit')}, in use {percent(link['use'])} of the cycles")]


def _beside(told: dict[str, Any] | None) -> list[RenderableType]:
    """What SANA-FE said of the same messages."""
    if told is None:
        return []
    rows = table("", "neurosim, mean", "SANA-FE, mean", "neurosim, sum", "SANA-FE, sum")
    for key, words in BESIDE.items():
        pair = told["compared"][key]
        means = [_cycles(pair[f"{who}_cycles_mean"]) for who in ("neurosim", "sanafe")]
        sums = [pair[f"{who}_seconds"] for who in ("neurosim", "sanafe")]
        rows.add_row(words, *means, *("-" if total is None else si(total, "s") for total in sums))
    unit = f"means in cycles of {si(told['clock_hz'], 'Hz')}, per message or step"
    rows.caption = f"{unit}; {_many(len(told['steps']), 'step')}, one by one with --json; -: the trace does not say it"
    rows.caption_justify = "left"
    return [heading("Beside SANA-FE"), rows]


def _not_counted(values: dict[str, Any]) -> list[RenderableType]:
    return [heading("Not counted"), *(Padding(Text(f"- {x}"), (0, 0, 0, 2)) for x in values["not_counted"])]


def _cycles(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _every(cycles: int) -> str:
    return "cycle" if cycles == 1 else f"{cycles} cycles"


def drawing() -> Any:
    """Figure of matplotlib; raises NeurosimError where that is absent."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        install = "python -m pip install 'neurosim-hw[train]'"
        raise NeurosimError(f"matplotlib is not installed; --plot needs: {install}") from error
    return Figure


def plot_curve(values: dict[str, Any], path: Path) -> None:
    """Write a PNG: latency over offered traffic, and accepted over offered traffic; hollow where the network is saturated."""
    figure = drawing()(figsize=(10, 4.2), layout="constrained")
    latency, throughput = figure.subplots(1, 2)
    points = values["curve"]
    for key, words in (("mean", "mean"), ("p50", "median"), ("p99", "99 % of packets, at most")):
        _line(latency, [p for p in points if p["packets_measured"]], f"latency_cycles_{key}", words)
    latency.set(ylabel="latency (cycles)", yscale="log")
    _line(throughput, points, "accepted_flits_per_node_cycle", "accepted")
    most = max(p["offered_flits_per_node_cycle"] for p in points)
    throughput.plot([0, most], [0, most], color="grey", linewidth=0.8, linestyle="--", label="offered")
    throughput.set(ylabel="accepted (flits per node and cycle)", ylim=(0, None))
    for axis in (latency, throughput):
        axis.set(xlabel="offered (flits per node and cycle)", xlim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    machine = values["machine"]
    figure.suptitle(f"{machine['width']}x{machine['height']} {machine['topology']}, {values['pattern']} (hollow: saturated)")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _line(axis: Any, points: list[dict[str, Any]], key: str, label: str) -> None:
    offered = [p["offered_flits_per_node_cycle"] for p in points]
    line = axis.plot(offered, [p[key] for p in points], label=label)[0]
    for saturated, filling in ((False, line.get_color()), (True, "white")):
        chosen = [(x, p[key]) for x, p in zip(offered, points, strict=True) if p["saturated"] == saturated]
        axis.plot(*zip(*chosen, strict=True), "o", color=line.get_color(), markerfacecolor=filling) if chosen else None
