"""The network of a chip by itself, under synthetic or recorded traffic: noc."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, quiet, show
from neurosim.cli.names import NamingCommand, named
from neurosim.cli.options import JsonOption
from neurosim.errors import NeurosimError
from neurosim.families import Family
from neurosim.io.booksim_file import load_packets
from neurosim.io.messages_file import is_message_trace, load_messages
from neurosim.noc.deadlock import check_deadlock
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.measurement import NOT_COUNTED, Window, measure
from neurosim.noc.messages import NOT_COUNTED as NOT_COUNTED_OF_MESSAGES
from neurosim.noc.messages import replay as replay_messages
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.simpy_model import SimpyNetwork
from neurosim.noc.synthetic import PATTERNS, Load, check_flits
from neurosim.noc.traffic import Traffic
from neurosim.report.latency import drawing, latency_text, plot_curve
from neurosim.report.progress import progress

MAX_NODES, MAX_RATES = 2**16, 1000
# Of some 80 bytes each in the tables of the network, 2.7 GB in all.
MAX_ENTRIES = 2**25
HOTSPOT = "hotspot"
# The two statements of the network's rules.
MODELS: Family[type[PacketNetwork] | type[SimpyNetwork]] = Family("timing", {"packet": PacketNetwork, "simpy": SimpyNetwork})


@app.command(cls=NamingCommand)
def noc(
    context: typer.Context,
    mesh: Annotated[str, typer.Option("--mesh", metavar="WIDTHxHEIGHT", help="Nodes; each is a router and a core.")] = "8x8",
    torus: Annotated[bool, typer.Option("--torus", help="Close every row and column to a ring.")] = False,
    traffic: Annotated[str, named(PATTERNS, "--traffic", help="Who sends to whom")] = "uniform",
    hotspot_share: Annotated[float, typer.Option("--hotspot-share", help="Of the packets, for the node in the middle.")] = 0.2,
    rate: Annotated[float, typer.Option("--rate", help="Packets per node and cycle.")] = 0.1,
    rates: Annotated[
        str | None, typer.Option("--rates", metavar="LOW:HIGH:STEP", help="Latency over load; or rates separated by commas.")
    ] = None,
    packet_flits: Annotated[int, typer.Option("--packet-flits", help="Flits per packet, unless a replay says it.")] = 1,
    replay: Annotated[
        Path | None, typer.Option("--replay", "--packets", metavar="FILE", help="A packet list, or SANA-FE's messages.csv.")
    ] = None,
    clock_hz: Annotated[
        float | None, typer.Option("--clock-hz", metavar="HZ", help="Cycles per second, for a replay in seconds.")
    ] = None,
    virtual_channels: Annotated[int, typer.Option("--virtual-channels", help="Per port of a router.")] = 4,
    buffer_flits: Annotated[int, typer.Option("--buffer-flits", help="Per virtual channel.")] = 4,
    router_cycles: Annotated[int, typer.Option("--router-cycles", help="Of a flit in a router.")] = 3,
    link_cycles: Annotated[int, typer.Option("--link-cycles", help="Of a flit on a link.")] = 1,
    link_interval: Annotated[int, typer.Option("--link-interval", help="Cycles between two flits of a link.")] = 1,
    credit_cycles: Annotated[int, typer.Option("--credit-cycles", help="Until a slot that was left is used again.")] = 2,
    cycles: Annotated[int, typer.Option("--cycles", help="With new packets; of a replay all, unless given.")] = 20_000,
    warmup: Annotated[int, typer.Option("--warmup", help="Cycles before those measured; of a replay 0, unless given.")] = 5_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the traffic.")] = 0,
    timing: Annotated[str, named(MODELS, "--timing", help="The compiled network, or its slow twin in SimPy")] = "packet",
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the curve of --rates.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Latency and throughput of a mesh of routers by itself. Every node creates packets at random and keeps them until the mesh
    takes them; the latency of a packet counts from its creation to the arrival of its last flit."""
    given = on_command_line(context)
    check_combination(given, traffic)
    check_targets(plot, json_to, sources=(replay,))
    if plot is not None:
        drawing()
    machine = Machine(
        grid_of(mesh, torus), virtual_channels, buffer_flits, router_cycles=router_cycles, link_cycles=link_cycles,
        link_interval=link_interval, credit_cycles=credit_cycles,
    )  # fmt: skip
    check_machine(machine)
    check_deadlock(machine)
    model = MODELS[timing]
    if replay is not None and is_message_trace(replay):
        values = messages(model, machine, replay, given, clock_hz, packet_flits)
    elif replay is not None:
        check_clock(clock_hz)
        packets = load_packets(replay, machine.grid, packet_flits)
        span = (warmup if "--warmup" in given else 0, cycles if "--cycles" in given else None)
        values = listed(model(machine), packets, *span)
        values["replay"] = str(replay)
    else:
        check_clock(clock_hz)
        window = Window(warmup, cycles)
        loads = [Load(traffic, each, packet_flits, hotspot_share, seed) for each in rates_of(rates, rate)]
        points = simulated(model, machine, loads, window)
        values = load_values(loads[0], window) | (points[0] if rates is None else curve(points))
    values = {"machine": machine_values(machine), "timing": timing, "not_counted": list(NOT_COUNTED)} | values
    if plot is not None:
        plot_curve(values, plot)
    show(latency_text(values), json_to, values)


def on_command_line(context: typer.Context) -> set[str]:
    """Options that were given, not left at their defaults."""
    sources = {f"--{name.replace('_', '-')}": context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def check_combination(given: set[str], traffic: str) -> None:
    """Raise NeurosimError for options that mean nothing together."""
    synthetic = [name for name in ("--traffic", "--hotspot-share", "--rate", "--rates", "--seed") if name in given]
    if "--replay" in given and synthetic:
        raise NeurosimError(f"--replay takes the packets from its file; leave out {', '.join(synthetic)}")
    if {"--rate", "--rates"} <= given:
        raise NeurosimError("--rate and --rates: give one of them")
    if "--plot" in given and "--rates" not in given:
        raise NeurosimError("--plot draws the curve of --rates; give them, such as --rates 0.05:0.5:0.05")
    if "--hotspot-share" in given and traffic != HOTSPOT:
        raise NeurosimError(f"--hotspot-share is for --traffic {HOTSPOT}, not for {traffic}")


def check_clock(hz: float | None) -> None:
    if hz is not None:
        raise NeurosimError("--clock-hz is for messages of SANA-FE, whose times are seconds; leave it out")


def grid_of(mesh: str, torus: bool) -> Grid:
    """Nodes of one core each."""
    sizes = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", mesh)
    if sizes is None:
        raise NeurosimError(f"--mesh {mesh!r}: needed are width and height, such as 8x8")
    width, height = int(sizes[1]), int(sizes[2])
    if not 1 <= width * height <= MAX_NODES:
        raise NeurosimError(f"--mesh {mesh} has {width * height:,} nodes; needed are 1 to {MAX_NODES:,}")
    return Grid(width, height, 1, torus)


def check_machine(machine: Machine) -> None:
    """Raise NeurosimError for sizes and delays that cannot be, or that memory does not hold."""
    options = {
        "--virtual-channels": machine.channels,
        "--buffer-flits": machine.depth,
        "--router-cycles": machine.router_cycles,
        "--link-cycles": machine.link_cycles,
        "--link-interval": machine.link_interval,
        "--credit-cycles": machine.credit_cycles,
    }
    for name, value in options.items():
        if value < 1:
            raise NeurosimError(f"{name} {value}: must be at least 1")
    on_way = machine.router_cycles + machine.link_cycles + machine.credit_cycles
    ports = machine.grid.tiles * (machine.grid.cores_per_tile + 4)
    entries = ports // 5 * (machine.channels * (machine.depth + 27) + 2 * on_way)
    if max(entries, machine.link_interval) > MAX_ENTRIES:
        sizes = ", ".join(f"{name} {value:,}" for name, value in options.items())
        raise NeurosimError(f"{machine.grid.tiles:,} nodes with {sizes} are too large to simulate; make one of them smaller")


def rates_of(several: str | None, one: float) -> list[float]:
    """Packets per node and cycle, ascending."""
    if several is None:
        return [one]
    needed = NeurosimError(f"--rates {several!r}: needed are LOW:HIGH:STEP, such as 0.05:0.5:0.05, or rates such as 0.1,0.2")
    try:
        numbers = [Decimal(part.strip()) for part in re.split("[:,]", several)]
    except InvalidOperation:
        raise needed from None
    if not all(number.is_finite() for number in numbers) or (":" in several and (len(numbers) != 3 or "," in several)):
        raise needed
    if ":" not in several:
        return sorted({float(number) for number in numbers})
    low, high, step = numbers
    if step <= 0 or high < low or (high - low) / step >= MAX_RATES:
        raise NeurosimError(f"--rates {several}: needed are a step above 0, LOW up to HIGH, and at most {MAX_RATES:,} rates")
    return [float(low + i * step) for i in range(int((high - low) / step) + 1)]


def simulated(
    model: type[PacketNetwork] | type[SimpyNetwork], machine: Machine, loads: list[Load], window: Window
) -> list[dict[str, Any]]:
    """The rate of each load and what the network made of it."""
    for load in loads:
        load.check(machine.grid, window.cycles)
    network, points = model(machine), []
    with progress("simulating", len(loads), quiet()) as done:
        for load in loads:
            packets = load.traffic(machine.grid, window.cycles)
            found = measure(machine, packets, network.travel(packets), window)
            points.append({"rate": load.rate} | found.to_dict())
            done(1)
    return points


def curve(points: list[dict[str, Any]]) -> dict[str, Any]:
    kept = [point["rate"] for point in points if not point["saturated"]]
    return {"largest_rate_not_saturated": max(kept, default=None), "curve": points}


def listed(network: PacketNetwork | SimpyNetwork, packets: Traffic, warmup: int, cycles: int | None) -> dict[str, Any]:
    """What the network made of a list; without *cycles* all of the run is measured."""
    if cycles is not None:
        Window(warmup, cycles)
    journey = network.travel(packets)
    window = Window(warmup, cycles or int(journey.arrived.max()) + 1)
    found = measure(network.machine, packets, journey, window)
    return load_values(None, window) | {"rate": None} | found.to_dict()


def messages(
    model: type[PacketNetwork] | type[SimpyNetwork], machine: Machine, file: Path, given: set[str], hz: float | None, flits: int
) -> dict[str, Any]:
    """What the network made of the messages of SANA-FE, beside what it says of them; all of the run is measured."""
    useless = [name for name in ("--cycles", "--warmup") if name in given]
    if useless:
        raise NeurosimError(f"{file} has steps, of which all are measured; leave out {', '.join(useless)}")
    if hz is None:
        raise NeurosimError(f"{file} has times in seconds; say how many cycles of the mesh a second has: --clock-hz HZ")
    check_flits(flits)
    trace = load_messages(file, machine.grid, hz)
    machine = replace(machine, grid=trace.grid)
    check_machine(machine)
    found = replay_messages(model(machine), trace, flits)
    window = Window(0, int(found.cycles.sum()))
    measured = measure(machine, found.traffic, found.arrivals, window).to_dict()
    told = {"replay": str(file), "packet_flits": flits, "machine": machine_values(machine), "sanafe": found.compared(hz)}
    return load_values(None, window) | {"rate": None} | measured | told | {"not_counted": list(NOT_COUNTED_OF_MESSAGES)}


def load_values(load: Load | None, window: Window) -> dict[str, Any]:
    """The traffic as JSON, null where it came from a list."""
    values: dict[str, Any] = dict.fromkeys(("pattern", "hotspot_share", "packet_flits", "seed", "replay"))
    if load is not None:
        share = load.hotspot_share if load.pattern == HOTSPOT else None
        values |= {"pattern": load.pattern, "hotspot_share": share, "packet_flits": load.flits, "seed": load.seed}
    return values | {"cycles": window.cycles, "warmup_cycles": window.warmup}


def machine_values(machine: Machine) -> dict[str, Any]:
    """The machine as JSON, in the words of a chip description."""
    grid = machine.grid
    return {
        "topology": "torus" if grid.torus else "mesh", "width": grid.width, "height": grid.height,
        "cores_per_tile": grid.cores_per_tile, "virtual_channels": machine.channels, "buffer_flits": machine.depth,
        "router_cycles": machine.router_cycles, "link_cycles": machine.link_cycles, "link_interval": machine.link_interval,
        "local_cycles": machine.local_cycles, "credit_cycles": machine.credit_cycles,
    }  # fmt: skip
