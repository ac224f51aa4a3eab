"""The packet network, compiled: the tables that the kernel works on, filled and read."""

from __future__ import annotations

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.kernels import fabric as f
from neurosim.kernels.fabric import Fabric, FabricState, Packets, Passage, table
from neurosim.kernels.packets import order_by_time
from neurosim.kernels.router import begin, transport
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Journey, Traffic


class PacketNetwork:
    """Routers, links and cores of *machine*; `travel` may be called again and again, by one thread at a time."""

    def __init__(self, machine: Machine):
        self.machine = machine
        grid = machine.grid
        ports = grid.cores_per_tile + 4
        self.fabric = Fabric(
            width=grid.width, height=grid.height, torus=grid.torus, cores=grid.cores_per_tile, ports=ports,
            channels=machine.channels, depth=machine.depth, whole=machine.whole, credit_cycles=machine.credit_cycles,
            local_cycles=machine.local_cycles, queue=machine.queue,
        )  # fmt: skip
        self.state = new_state(machine, self.fabric)
        self.passage = Passage(table(f.SENT_PACKET, 0), table(f.TAKEN_PACKET, 0))

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey:
        """Move all packets to their targets, or all that can be up to cycle *limit*; no other traffic can follow then."""
        grid = self.machine.grid
        packets = packed(traffic, grid)
        state, passage = self.room(len(traffic), len(traffic.target))
        begin(packets, state, passage)
        state.cores["free"] = traffic.occupied
        if transport(self.fabric, packets, state, passage, f.NEVER if limit is None else limit) < 0:
            raise self.locked()
        links = state.links.reshape(grid.tiles, self.fabric.ports)
        local, outer = links[:, : grid.cores_per_tile], links[:, grid.cores_per_tile :]
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

    def room(self, packets: int, targets: int) -> tuple[FabricState, Passage]:
        """The state and a passage with room for so many, used again by every travel."""
        if len(self.state.order) < targets:
            self.state = self.state._replace(order=np.zeros(targets, np.int32))
        if len(self.passage.packets) < packets or len(self.passage.targets) < targets:
            self.passage = Passage(table(f.SENT_PACKET, packets), table(f.TAKEN_PACKET, targets))
        sent, taken = self.passage.packets[:packets], self.passage.targets[:targets]
        return self.state, Passage(sent.view(np.recarray), taken.view(np.recarray))

    def locked(self) -> NeurosimError:
        """Empty the network in which nothing can move any more; returns the error to be raised."""
        self.state = new_state(self.machine, self.fabric)
        return NeurosimError("packets wait for each other in a circle; use more virtual channels, or another topology")


def too_long(cycles: int) -> NeurosimError:
    """Cycles could exceed what the tables hold."""
    limit = f"at most {f.NEVER // 2:,} can be followed at once"
    return NeurosimError(f"packets keep the cores busy for {cycles:,} cycles; {limit}")


def whole(column: np.ndarray) -> np.ndarray:
    """A copy as one int64 row."""
    return column.astype(np.int64).ravel()


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
