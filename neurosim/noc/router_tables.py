"""The tables on which packets of any number of flits and targets travel, filled."""

from __future__ import annotations

import numpy as np

from neurosim.kernels import fabric as f
from neurosim.kernels.fabric import Fabric, FabricState, table
from neurosim.noc.machine import Machine


def new_fabric(machine: Machine) -> Fabric:
    grid = machine.grid
    return Fabric(
        width=grid.width, height=grid.height, torus=grid.torus, cores=grid.cores_per_tile, ports=grid.cores_per_tile + 4,
        channels=machine.channels, depth=machine.depth, whole=machine.whole, credit_cycles=machine.credit_cycles,
        local_cycles=machine.local_cycles, queue=machine.queue,
    )  # fmt: skip


def new_state(machine: Machine, fabric: Fabric) -> FabricState:
    """Empty routers and idle cores."""
    grid = machine.grid
    channels = grid.tiles * fabric.ports * fabric.channels
    links = link_table(machine, fabric)
    lanes = lane_table(machine, links)
    tile, core = np.arange(grid.tiles), np.arange(grid.cores)
    return FabricState(
        back=back(fabric, links),
        inputs=inputs(fabric, channels),
        turns=np.zeros(channels * fabric.ports, np.int32),
        slots=table(f.SLOT, channels * fabric.depth),
        outputs=table(f.OUTPUT, channels, credits=fabric.depth, asker=-1),
        links=links,
        entrances=table(f.ENTRANCE, len(links), named=-1),
        routers=table(f.ROUTER, grid.tiles, column=tile % grid.width, row=tile // grid.width),
        active=np.zeros(channels, np.int32),
        cores=table(f.CORE, grid.cores, into=-1, router=core // grid.cores_per_tile),
        source_credits=np.full(grid.cores * fabric.channels, fabric.depth, np.int32),
        order=np.zeros(0, np.int32),
        lanes=lanes,
        wires=table(f.WIRE, lanes["length"].sum()),
        alarms=np.zeros(len(links), np.int64),
        senders=np.zeros(grid.cores, np.int32),
        asked=np.zeros(channels, np.int32),
        naming=np.zeros(len(links), np.int32),
        taking=np.zeros(len(links), np.int32),
        scalars=np.zeros(6, np.int32),
    )


def link_table(machine: Machine, fabric: Fabric) -> np.recarray:
    """FabricState.links of idle links."""
    grid = machine.grid
    none = dict.fromkeys(("beyond", "lane", "stalled_since", "winner", "first_waiting"), -1)
    links = table(f.LINK, grid.tiles * fabric.ports, delay=machine.leave_cycles, interval=1, **none)
    outer = links.reshape(grid.tiles, fabric.ports)[:, fabric.cores :]
    beyond, crossing = (a.reshape(grid.tiles, 4) for a in (grid.neighbours(), grid.crossings()))
    outer["beyond"] = beyond
    outer["delay"] = machine.router_cycles - 1 + np.where(crossing, machine.chip_link_cycles, machine.link_cycles)
    outer["interval"] = machine.intervals.reshape(grid.tiles, 4)
    outer["lane"] = np.where(beyond < 0, -1, np.where(crossing, f.CHIP_LANE, f.LINK_LANE))
    return links


def lane_table(machine: Machine, links: np.recarray) -> np.recarray:
    """FabricState.lanes with nothing on its way, and room for it: per cycle a flit of each link, a credit of each port."""
    lengths = np.array([
        len(links) * machine.credit_cycles, machine.grid.cores * machine.local_cycles,
        *(links["delay"][links["lane"] == lane].sum() for lane in (f.LINK_LANE, f.CHIP_LANE)),
    ]) + 1  # fmt: skip
    return table(f.LANE, len(lengths), length=lengths, begin=np.cumsum(lengths) - lengths)


def inputs(fabric: Fabric, channels: int) -> np.recarray:
    """FabricState.inputs: empty channels and their branches."""
    rows = table(f.INPUT, channels * (1 + fabric.ports), place=-1, next_waiting=-2)
    router, port = np.divmod(np.arange(channels) // fabric.channels, fabric.ports)
    rows["router"][:channels], rows["port"][:channels] = router, port
    return rows


def back(fabric: Fabric, links: np.recarray) -> np.ndarray:
    """FabricState.back: the output before an input channel, or its core."""
    channel = np.arange(len(links) * fabric.channels)
    number, virtual = np.divmod(channel, fabric.channels)
    router, port = np.divmod(number, fabric.ports)
    before = links["beyond"][number] * fabric.ports + fabric.cores + ((port - fabric.cores) ^ 1)
    local = len(channel) + (router * fabric.cores + port) * fabric.channels + virtual
    return np.where(port < fabric.cores, local, ~(before * fabric.channels + virtual)).astype(np.int32)
