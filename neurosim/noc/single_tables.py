"""The tables on which packets of one flit for one core travel, filled."""

from __future__ import annotations

import numpy as np

from neurosim.kernels import single_fabric as f
from neurosim.kernels.fabric import table
from neurosim.kernels.single_fabric import SingleFabric, SingleState
from neurosim.noc.machine import Machine


def fits(machine: Machine) -> bool:
    """Whether the tables for packets of one flit have room for such a machine: a mesh."""
    ports, channels, depth = (2**bits for bits in (f.PORT_BITS, f.VIRTUAL_BITS, f.SLOT_BITS))
    room = machine.grid.cores_per_tile + 4 <= ports and machine.channels <= channels and machine.depth <= depth
    return room and not machine.grid.torus and not machine.whole


def new_fabric(machine: Machine) -> SingleFabric:
    return SingleFabric(
        cores=machine.grid.cores_per_tile, ports=machine.grid.cores_per_tile + 4, channels=machine.channels,
        paced=bool((machine.intervals > 1).any()), credit_cycles=machine.credit_cycles, local_cycles=machine.local_cycles,
        queue=machine.queue,
    )  # fmt: skip


def new_state(machine: Machine, fabric: SingleFabric) -> SingleState:
    """Empty routers and idle cores."""
    grid, cores = machine.grid, machine.grid.cores
    links = link_table(machine, fabric)
    lanes = lane_table(machine, links)
    channels = len(links) << f.VIRTUAL_BITS
    tile, core = np.arange(grid.tiles), np.arange(cores)
    router, port = np.divmod(core, grid.cores_per_tile)
    return SingleState(
        routers=table(f.SINGLE_ROUTER, grid.tiles, column=tile % grid.width, row=tile // grid.width),
        links=links,
        channels=table(f.CHANNEL, channels, credits=machine.depth),
        slots=table(f.SINGLE_SLOT, channels << f.SLOT_BITS),
        cores=table(f.SINGLE_CORE, cores, room=all_virtual(machine), into=(router << f.PORT_BITS | port) << f.VIRTUAL_BITS),
        order=np.zeros(0, np.int32),
        lanes=lanes,
        news=table(f.NEWS, (lanes["mask"] + 1).sum()),
        alarms=np.zeros(len(links), np.int64),
        lists=table(f.LISTS, channels + 1),
        arbiters=table(f.ARBITER, max(f.PORT_MASK, f.VIRTUAL_MASK) + 1),
        scalars=np.zeros(9, np.int32),
    )


def all_virtual(machine: Machine) -> int:
    """The set of all virtual channels of a port."""
    return int((1 << machine.channels) - 1)


def link_table(machine: Machine, fabric: SingleFabric) -> np.recarray:
    """SingleState.links of idle links."""
    grid, cores, ports = machine.grid, fabric.cores, fabric.ports
    rows = 1 << f.PORT_BITS
    links = table(f.SINGLE_LINK, grid.tiles * rows, delay=machine.leave_cycles, interval=1, stalled_since=-1, lane=-1)
    links["open"] = all_virtual(machine)
    by_tile, tile = links.reshape(grid.tiles, rows), np.arange(grid.tiles)[:, None]
    beyond, crossing = (a.reshape(grid.tiles, 4) for a in (grid.neighbours(), grid.crossings()))
    outer = by_tile[:, cores:ports]
    outer["delay"] = machine.router_cycles - 1 + np.where(crossing, machine.chip_link_cycles, machine.link_cycles)
    outer["interval"] = machine.intervals.reshape(grid.tiles, 4)
    outer["lane"] = np.where(beyond < 0, -1, np.where(crossing, f.CHIP_LANE, f.LINK_LANE))
    # East and west, south and north are the ends of one link: what leaves by one comes in by the other, the credits go back.
    outer["beyond"] = outer["before"] = (beyond << f.PORT_BITS | cores + (np.arange(4) ^ 1)) << f.VIRTUAL_BITS
    by_tile[:, :cores]["before"] = (tile << f.PORT_BITS | np.arange(cores)) << f.VIRTUAL_BITS
    links["credit_lane"] = f.CREDIT_LANE
    by_tile[:, :cores]["credit_lane"] = f.CORE_CREDIT_LANE
    return links


def lane_table(machine: Machine, links: np.recarray) -> np.recarray:
    """SingleState.lanes with nothing on its way, and room for it: per cycle a flit of each link, a credit of each port."""
    grid, cycles = machine.grid, machine.credit_cycles
    many = [grid.links * cycles, grid.cores * cycles, grid.cores * machine.local_cycles]
    many += [int(links["delay"][links["lane"] == lane].sum()) for lane in (f.LINK_LANE, f.CHIP_LANE)]
    lengths = np.array([1 << number.bit_length() for number in many])
    return table(f.SINGLE_LANE, len(lengths), mask=lengths - 1, begin=np.cumsum(lengths) - lengths)
