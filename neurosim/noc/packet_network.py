"""The packet network, compiled: the tables that the kernel works on, filled and read."""

from __future__ import annotations

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.kernels import fabric as f
from neurosim.kernels.fabric import Fabric, FabricState, Packets, Passage, table
from neurosim.kernels.packets import order_by_time
from neurosim.kernels.router import transport
from neurosim.kernels.single_fabric import SingleFabric, SingleState
from neurosim.kernels.single_router import transport_singles
from neurosim.noc import router_tables, single_tables
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Journey, Traffic


class Tables:
    """What packets of *machine* travel on, used again by every travel. *single*: packets of one flit for one core alone."""

    def __init__(self, machine: Machine, single: bool):
        self.machine, self.single = machine, single
        self.passage = Passage(table(f.SENT_PACKET, 0), table(f.TAKEN_PACKET, 0))
        self.fabric: Fabric | SingleFabric
        self.state: FabricState | SingleState
        self.empty()

    def empty(self) -> None:
        """No packets anywhere."""
        machine = self.machine
        if self.single:
            self.fabric = single = single_tables.new_fabric(machine)
            self.state = single_tables.new_state(machine, single)
        else:
            self.fabric = fabric = router_tables.new_fabric(machine)
            self.state = router_tables.new_state(machine, fabric)

    def room(self, packets: int, targets: int) -> tuple[FabricState | SingleState, Passage]:
        """The state and a passage with room for so many."""
        if len(self.state.order) < targets:
            self.state = self.state._replace(order=np.zeros(targets, np.int32))
        if len(self.passage.packets) < packets or len(self.passage.targets) < targets:
            self.passage = Passage(table(f.SENT_PACKET, packets), table(f.TAKEN_PACKET, targets))
        sent, taken = self.passage.packets[:packets], self.passage.targets[:targets]
        return self.state, Passage(sent.view(np.recarray), taken.view(np.recarray))

    def transport(self, packets: Packets, passage: Passage, limit: int) -> int:
        """See `neurosim.kernels.router.transport`."""
        move = transport_singles if self.single else transport
        return int(move(self.fabric, packets, self.state, passage, limit))

    def locked(self) -> NeurosimError:
        """Empty the network in which nothing can move any more; returns the error to be raised."""
        self.empty()
        return NeurosimError("packets wait for each other in a circle; use more virtual channels, or another topology")


class PacketNetwork:
    """Routers, links and cores of *machine*; `travel` may be called again and again, by one thread at a time."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self.made: dict[bool, Tables] = {}

    def tables(self, single: bool) -> Tables:
        """Those for packets that have one flit and one target each or do not; the former need a machine that suits them."""
        single = single and single_tables.fits(self.machine)
        if single not in self.made:
            self.made[single] = Tables(self.machine, single)
        return self.made[single]

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey:
        """Move all packets to their targets, or all that can be up to cycle *limit*; no other traffic can follow then."""
        grid = self.machine.grid
        packets = packed(traffic, grid)
        tables = self.tables(is_single(traffic))
        state, passage = tables.room(len(traffic), len(traffic.target))
        state.cores["free"] = traffic.occupied
        if tables.transport(packets, passage, f.NEVER if limit is None else limit) < 0:
            raise tables.locked()
        links = state.links.reshape(grid.tiles, -1)
        local, outer = np.split(links[:, : tables.fabric.ports], [grid.cores_per_tile], axis=1)
        delivered = int(state.cores["free"].max(initial=0))
        return Journey(
            entered=whole(passage.packets["entered"]),
            held=whole(passage.packets["held"]),
            holder=whole(passage.packets["holder"]),
            arrived=whole(passage.targets["arrived"]),
            started=whole(passage.targets["started"]),
            free=whole(state.cores["free"]),
            peak=whole(state.cores["peak"]),
            flits=whole(outer["passed"]),
            stalled=whole(outer["stalled"]),
            refused=whole(local["stalled"]),
            delivered=delivered,
            cycles=delivered + int(traffic.update.max(initial=0)) + self.machine.barrier_cycles,
        )


def too_long(cycles: int) -> NeurosimError:
    """Cycles could exceed what the tables hold."""
    limit = f"at most {f.NEVER // 2:,} can be followed at once"
    return NeurosimError(f"packets keep the cores busy for {cycles:,} cycles; {limit}")


def whole(column: np.ndarray) -> np.ndarray:
    """A copy as one int64 row."""
    return column.astype(np.int64).ravel()


def is_single(traffic: Traffic) -> bool:
    """Whether every packet has one flit and one target."""
    return bool((traffic.flits == 1).all() and (np.diff(traffic.first) == 1).all())


def packed(traffic: Traffic, grid: Grid) -> Packets:
    """The packets as tables; raises NeurosimError where cycles could exceed what these hold."""
    latest = int(traffic.created.max(initial=0)) + int(traffic.occupied.max(initial=0))
    latest += int(traffic.service.sum(dtype=np.int64))
    if latest >= f.NEVER // 2:
        raise too_long(latest)
    about, targets = traffic.tables or traffic.as_tables(grid)
    cycles = int(traffic.created.max(initial=0)) + 2
    if cycles < 64 * len(traffic):
        by_time = np.empty(len(traffic), np.int32)
        order_by_time(about, 1, np.zeros(cycles, np.int64), by_time)
    else:
        by_time = np.argsort(traffic.created, kind="stable").astype(np.int32)
    return Packets(about, targets, starts(traffic.source, grid.cores), by_time, starts(traffic.target, grid.cores))


def starts(core: np.ndarray, cores: int) -> np.ndarray:
    """int32 [cores + 1]: how many entries belong to lower cores."""
    return np.concatenate([[0], np.cumsum(np.bincount(core, minlength=cores))]).astype(np.int32)
