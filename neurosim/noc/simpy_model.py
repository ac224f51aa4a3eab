"""The machine as SimPy processes and resources: the rules of the packet network in the form in which they are meant to be read.

`neurosim.kernels.router` states them a second time, compiled; both give every packet the same cycles. This one is some thousand
times slower and made to be changed: derive from Router, Core, Link or Source and hand the class to `SimpyNetwork`.

Time is in cycles. Things arrive at whole cycles; sources and routers decide half a cycle later, when all has arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
import simpy

from neurosim.kernels.fabric import EAST, NORTH, SOUTH, WEST
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Journey, Traffic

HALF = 0.5
Process = Generator[simpy.Event, Any, None]


@dataclass(eq=False)
class Packet:
    """A packet of *flits* flits for several (core, service cycles)."""

    index: int
    source: int
    created: int
    flits: int
    targets: list[Target]
    entered: int = -1
    held: int = 0
    holder: int = -1


@dataclass(eq=False)
class Target:
    """A core that a packet goes to, and when it arrived there and was taken out of the queue."""

    core: int
    service: int
    arrived: int = -1
    started: int = -1


@dataclass(eq=False)
class Flit:
    """One flit of a copy of a packet that is for *targets*."""

    packet: Packet
    number: int
    targets: list[Target]
    arrived: int = -1

    @property
    def tail(self) -> bool:
        return self.number + 1 == self.packet.flits


@dataclass(eq=False)
class Branch:
    """A way on, by one port, of the packet at the head of a channel."""

    port: int
    targets: list[Target]
    since: int
    channel: OutputChannel | None = None
    sent: int = 0


class Turn:
    """Round-robin: whose turn it is among *size*."""

    def __init__(self, size: int):
        self.size, self.next = size, 0

    def behind(self, number: int) -> int:
        """How far a number lies behind the one whose turn it is."""
        return (number - self.next) % self.size

    def order(self, low: int, high: int) -> list[int]:
        """The numbers low to high - 1, starting with the one whose turn it is, or with low if that is not among them."""
        first = self.next if low <= self.next < high else low
        return [*range(first, high), *range(low, first)]

    def served(self, number: int) -> None:
        self.next = (number + 1) % self.size


class InputChannel:
    """A virtual channel of an input port: a buffer, and the branches of the packet at its head."""

    def __init__(self, router: Router, port: int, virtual: int):
        self.router, self.port, self.virtual = router, port, virtual
        self.flits: deque[Flit] = deque()
        self.branches: dict[int, Branch] = {}
        self.turns = {p: Turn(router.machine.channels) for p in range(router.ports)}
        self.give_back: simpy.Container | None = None

    @property
    def number(self) -> int:
        """Its place among all input channels of the router."""
        return self.port * self.router.machine.channels + self.virtual

    def arrive(self, flit: Flit) -> None:
        flit.arrived = int(self.router.env.now)
        self.flits.append(flit)
        self.router.wake()

    def release(self) -> None:
        """The flit at the head leaves, and a credit goes back."""
        env, gone = self.router.env, self.flits.popleft()
        env.process(self._credit(env))
        if self.flits and not self.branches:
            behind = self.flits[0]
            waited = int(env.now - HALF) + 1 - behind.arrived
            # Of packets that held it equally long, in several places of a tree, the first.
            if (waited, -gone.packet.index) > (behind.packet.held, -behind.packet.holder):
                behind.packet.held, behind.packet.holder = waited, gone.packet.index

    def _credit(self, env: simpy.Environment) -> Process:
        yield env.timeout(self.router.machine.credit_cycles - HALF)
        assert self.give_back is not None
        yield self.give_back.put(1)


class OutputChannel:
    """A virtual channel of an output port: the credits for the buffer beyond, and whether a packet has it."""

    def __init__(self, env: simpy.Environment, beyond: InputChannel, size: int):
        depth = beyond.router.machine.depth
        self.beyond = beyond
        self.credits = simpy.Container(env, capacity=depth, init=depth)
        self.askers = Turn(size)
        self.taken = False
        beyond.give_back = self.credits


class Link:
    """Carries flits to the channels of the next router, one per *interval*."""

    def __init__(self, env: simpy.Environment, delay: int, interval: int):
        self.env, self.delay, self.interval = env, delay, interval
        self.free = 0
        self.flits = self.stalled = 0

    def send(self, flit: Flit, into: InputChannel) -> None:
        self.free = int(self.env.now) + self.interval
        self.flits += 1
        self.env.process(self._carry(flit, into))

    def _carry(self, flit: Flit, into: InputChannel) -> Process:
        yield self.env.timeout(self.delay - HALF)
        into.arrive(flit)


class Core:
    """Works off packets in the order in which they are complete; its queue is bounded, and refuses rather than drops."""

    def __init__(self, env: simpy.Environment, index: int, machine: Machine):
        self.env, self.index, self.machine = env, index, machine
        self.queue = simpy.Store(env)
        self.room = simpy.Container(env, capacity=machine.queue, init=machine.queue)
        self.free = self.peak = self.flits = self.refused = self.link_free = 0

    def live(self, port: simpy.Resource, fetch: int, work: int, expected: int) -> Process:
        """Fetch, work, then take all packets that will come."""
        if fetch:
            with port.request() as turn:
                yield turn
                yield self.env.timeout(fetch)
        if fetch or work:
            yield self.env.timeout(work)
            self.free = int(self.env.now)
        for _ in range(expected):
            target = yield self.queue.get()
            yield self.room.put(1)
            target.started = int(self.env.now)
            yield self.env.timeout(self.service(target))
            self.free = int(self.env.now)

    def service(self, target: Target) -> int:
        """Cycles that the core works on a packet."""
        return target.service

    def accepts(self, flit: Flit) -> bool:
        """Whether the queue has room for the packet; body flits follow their head."""
        return flit.number > 0 or self.room.level > 0

    def send(self, flit: Flit) -> None:
        """A flit leaves the router for this core."""
        if flit.number == 0:
            self.room.get(1)
            self.peak = max(self.peak, self.machine.queue - int(self.room.level))
        self.link_free = int(self.env.now) + 1
        if flit.tail:
            self.env.process(self._carry(flit))

    def _carry(self, flit: Flit) -> Process:
        yield self.env.timeout(self.machine.leave_cycles - HALF)
        (target,) = flit.targets
        target.arrived = int(self.env.now)
        yield self.queue.put(target)


class Source:
    """Sends the packets of a core, one flit per cycle."""

    def __init__(self, env: simpy.Environment, machine: Machine, channels: list[OutputChannel]):
        self.env, self.machine, self.channels = env, machine, channels
        self.turn = Turn(machine.channels)

    def live(self, packets: list[Packet]) -> Process:
        before: Packet | None = None
        left = -1
        for packet in packets:
            yield self.env.timeout(max(packet.created, left + 1) + HALF - self.env.now)
            if before is not None and packet.created <= left:
                packet.held, packet.holder = left + 1 - packet.created, before.index
            channel = self._free(packet)
            while channel is None:
                yield self.env.timeout(1)
                channel = self._free(packet)
            packet.entered = int(self.env.now)
            for number in range(packet.flits):
                while channel.credits.level == 0:
                    yield self.env.timeout(1)
                yield channel.credits.get(1)
                self.env.process(self._carry(Flit(packet, number, packet.targets), channel.beyond))
                left = int(self.env.now)
                if number + 1 < packet.flits:
                    yield self.env.timeout(1)
            before = packet

    def _free(self, packet: Packet) -> OutputChannel | None:
        needed = packet.flits if self.machine.whole else 1
        for number in self.turn.order(0, len(self.channels)):
            if self.channels[number].credits.level >= needed:
                self.turn.served(number)
                return self.channels[number]
        return None

    def _carry(self, flit: Flit, into: InputChannel) -> Process:
        yield self.env.timeout(self.machine.local_cycles - HALF)
        into.arrive(flit)


@dataclass
class Request:
    """A flit that could take the switch."""

    source: InputChannel
    branch: Branch
    flit: Flit


class Router:
    """Allocates virtual channels, then the switch, once per cycle while it holds flits."""

    def __init__(self, env: simpy.Environment, machine: Machine, tile: int):
        self.env, self.machine, self.grid, self.tile = env, machine, machine.grid, tile
        self.ports = machine.grid.cores_per_tile + 4
        self.inputs = [[InputChannel(self, p, v) for v in range(machine.channels)] for p in range(self.ports)]
        self.outputs: dict[int, list[OutputChannel]] = {}
        self.links: dict[int, Link] = {}
        self.cores: list[Core] = []
        self.input_turns = [Turn(machine.channels) for _ in range(self.ports)]
        self.output_turns = [Turn(self.ports) for _ in range(self.ports)]
        self.awakening = env.event()

    def wake(self) -> None:
        if not self.awakening.triggered:
            self.awakening.succeed()

    def live(self) -> Process:
        while True:
            yield self.awakening
            self.awakening = self.env.event()
            while any(channel.flits for port in self.inputs for channel in port):
                yield self.env.timeout(HALF)
                self.decide(int(self.env.now))
                yield self.env.timeout(HALF)

    def decide(self, now: int) -> None:
        """Both decisions are made on the same state, then carried out."""
        channels = [channel for port in self.inputs for channel in port if channel.flits]
        for channel in channels:
            if not channel.branches:
                channel.branches = self.divide(channel.flits[0], now)
        asked, blocked = self.ask(channels)
        requests, refused = self.request(channels, now)
        for output, askers in asked.items():
            self.grant(output, askers, now)
        winners = self.switch(requests)
        for port in (blocked | refused) - winners.keys():
            self.stall(port)
        for port, request in winners.items():
            self.move(port, request)

    def divide(self, head: Flit, now: int) -> dict[int, Branch]:
        """The branches of a packet: its targets by the port that leads to them."""
        branches: dict[int, Branch] = {}
        for target in head.targets:
            port = self.port_towards(target.core)
            branches.setdefault(port, Branch(port, [], now)).targets.append(target)
        return branches

    def port_towards(self, core: int) -> int:
        """First along x, then along y, then into the core."""
        dx, dy = self.grid.offset(self.tile * self.grid.cores_per_tile, core)
        if dx or dy:
            direction = (EAST if dx > 0 else WEST) if dx else (SOUTH if dy > 0 else NORTH)
            return self.grid.cores_per_tile + direction
        return core % self.grid.cores_per_tile

    def ask(self, channels: list[InputChannel]) -> tuple[dict[OutputChannel, list[InputChannel]], set[int]]:
        """The input channels that ask for each output channel, and the ports where none was free to ask for."""
        asked: dict[OutputChannel, list[InputChannel]] = {}
        blocked = set()
        for channel in channels:
            for port, branch in channel.branches.items():
                if port < self.grid.cores_per_tile or branch.channel is not None:
                    continue
                free = self.free_channel(channel, branch)
                if free is None:
                    blocked.add(port)
                else:
                    asked.setdefault(free, []).append(channel)
        return asked, blocked

    def free_channel(self, channel: InputChannel, branch: Branch) -> OutputChannel | None:
        """The first free virtual channel, after the one that was given last; on a torus, of the class of the packet."""
        outputs = self.outputs[branch.port]
        needed = channel.flits[0].packet.flits if self.machine.whole else 0
        low, high = 0, len(outputs)
        if self.grid.torus and high > 1:
            low, high = (0, high // 2) if self.will_wrap(branch) else (high // 2, high)
        for number in channel.turns[branch.port].order(low, high):
            if not outputs[number].taken and outputs[number].credits.level >= needed:
                return outputs[number]
        return None

    def will_wrap(self, branch: Branch) -> bool:
        """Whether any target lies beyond the link that closes the ring, seen from the next router."""
        direction = branch.port - self.grid.cores_per_tile
        next_tile = self.grid.beyond(4 * self.tile + direction)
        x, y = next_tile % self.grid.width, next_tile // self.grid.width
        places = [self.grid.xy(target.core) for target in branch.targets]
        if direction in (EAST, WEST):
            return any(tx < x if direction == EAST else tx > x for tx, _ in places)
        return any(ty < y if direction == SOUTH else ty > y for _, ty in places)

    def grant(self, output: OutputChannel, askers: list[InputChannel], now: int) -> None:
        chosen = min(askers, key=lambda channel: output.askers.behind(channel.number))
        output.askers.served(chosen.number)
        output.taken = True
        port = next(p for p, channels in self.outputs.items() if output in channels)
        chosen.turns[port].served(output.beyond.virtual)
        chosen.branches[port].channel = output
        chosen.branches[port].since = now

    def request(self, channels: list[InputChannel], now: int) -> tuple[list[Request], set[int]]:
        """The flits that could take the switch, and the ports where one finds no room beyond."""
        requests, refused = [], set()
        for channel in channels:
            for port, branch in channel.branches.items():
                number = branch.sent - channel.flits[0].number
                if number >= len(channel.flits) or branch.since >= now or channel.flits[number].arrived >= now:
                    continue
                flit = channel.flits[number]
                if port >= self.grid.cores_per_tile and branch.channel is None:
                    continue
                if not self.has_room(port, branch, flit):
                    refused.add(port)
                elif self.is_free(port, now):
                    requests.append(Request(channel, branch, flit))
        return requests, refused

    def has_room(self, port: int, branch: Branch, flit: Flit) -> bool:
        if branch.channel is None:
            return self.cores[port].accepts(flit)
        return bool(branch.channel.credits.level > 0)

    def is_free(self, port: int, now: int) -> bool:
        local = port < self.grid.cores_per_tile
        return now >= (self.cores[port].link_free if local else self.links[port].free)

    def switch(self, requests: list[Request]) -> dict[int, Request]:
        """Every input port names one request, every output port takes one of those."""
        named: dict[int, Request] = {}
        for port in {r.source.port for r in requests}:
            mine = [r for r in requests if r.source.port == port]
            turn = self.input_turns[port]
            named[port] = min(mine, key=lambda r: (turn.behind(r.source.virtual), r.branch.port))
        winners: dict[int, Request] = {}
        for port in {r.branch.port for r in named.values()}:
            turn = self.output_turns[port]
            winner = min((p for p, r in named.items() if r.branch.port == port), key=turn.behind)
            turn.served(winner)
            self.input_turns[winner].served(named[winner].source.virtual)
            winners[port] = named[winner]
        return winners

    def stall(self, port: int) -> None:
        """A cycle in which nothing leaves by a port although something wants to."""
        if port < self.grid.cores_per_tile:
            self.cores[port].refused += 1
        else:
            self.links[port].stalled += 1

    def move(self, port: int, request: Request) -> None:
        """A flit leaves by a port; its slot is free when all branches have had it."""
        channel, branch = request.source, request.branch
        copy = Flit(request.flit.packet, request.flit.number, branch.targets)
        branch.sent += 1
        if branch.channel is None:
            self.cores[port].send(copy)
        else:
            branch.channel.credits.get(1)
            self.links[port].send(copy, branch.channel.beyond)
            branch.channel.taken = not copy.tail
        if copy.tail:
            del channel.branches[port]
        least = min((b.sent for b in channel.branches.values()), default=copy.packet.flits)
        if least > channel.flits[0].number:
            channel.release()


class Barrier:
    """Opens when all have come."""

    def __init__(self, env: simpy.Environment, arrivals: Sequence[simpy.Event], cycles: int):
        self.env, self.arrivals, self.cycles = env, arrivals, cycles

    def live(self) -> Process:
        yield self.env.all_of(self.arrivals)
        yield self.env.timeout(self.cycles)


@dataclass
class SimpyNetwork:
    """The machine, built anew for every `travel`, of parts that can be exchanged for classes derived from them."""

    machine: Machine
    router: type[Router] = Router
    core: type[Core] = Core
    source: type[Source] = Source
    link: type[Link] = Link
    routers: list[Router] = field(default_factory=list)
    cores: list[Core] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)

    def travel(self, traffic: Traffic, limit: int | None = None) -> Journey:
        """Move all packets to their targets, or all that can be up to cycle *limit*."""
        env = simpy.Environment()
        self._build(env)
        packets = _packets(traffic)
        port = simpy.Resource(env)
        expected = np.bincount(traffic.target, minlength=self.machine.grid.cores)
        done = [
            env.process(core.live(port, int(traffic.fetch[i]), int(traffic.work[i]), int(expected[i])))
            for i, core in enumerate(self.cores)
        ]
        for i, source in enumerate(self.sources):
            env.process(source.live([p for p in packets if p.source == i]))
        for router in self.routers:
            env.process(router.live())
        finished = env.all_of(done)
        if limit != 0:
            env.run(until=finished if limit is None else limit)
        journey = self._journey(packets, int(env.now))
        updates = [env.process(_wait(env, int(cycles))) for cycles in traffic.update]
        env.run(until=env.process(Barrier(env, updates, self.machine.barrier_cycles).live()))
        return replace(journey, cycles=int(env.now))

    def _build(self, env: simpy.Environment) -> None:
        machine, grid = self.machine, self.machine.grid
        self.routers = [self.router(env, machine, tile) for tile in range(grid.tiles)]
        self.cores = [self.core(env, index, machine) for index in range(grid.cores)]
        self.sources = []
        for tile, router in enumerate(self.routers):
            first = tile * grid.cores_per_tile
            router.cores = self.cores[first : first + grid.cores_per_tile]
            for port in range(grid.cores_per_tile):
                into = [OutputChannel(env, channel, 1) for channel in router.inputs[port]]
                self.sources.append(self.source(env, machine, into))
            for direction in (EAST, WEST, SOUTH, NORTH):
                self._connect(env, router, direction)

    def _connect(self, env: simpy.Environment, router: Router, direction: int) -> None:
        machine, grid = self.machine, self.machine.grid
        link = 4 * router.tile + direction
        if grid.beyond(link) < 0:
            return
        # East and west, south and north are the ends of one link.
        beyond = self.routers[grid.beyond(link)].inputs[grid.cores_per_tile + (direction ^ 1)]
        port = grid.cores_per_tile + direction
        router.outputs[port] = [OutputChannel(env, channel, router.ports * machine.channels) for channel in beyond]
        router.links[port] = self.link(env, machine.delay(link), machine.interval(link))

    def _journey(self, packets: list[Packet], delivered: int) -> Journey:
        """What has happened so far."""
        grid = self.machine.grid
        targets = [target for packet in packets for target in packet.targets]
        links = [self.routers[i // 4].links.get(grid.cores_per_tile + i % 4) for i in range(grid.links)]
        return Journey(
            entered=_column(p.entered for p in packets),
            held=_column(p.held for p in packets),
            holder=_column(p.holder for p in packets),
            arrived=_column(t.arrived for t in targets),
            started=_column(t.started for t in targets),
            free=_column(c.free for c in self.cores),
            peak=_column(c.peak for c in self.cores),
            flits=_column(k.flits if k else 0 for k in links),
            stalled=_column(k.stalled if k else 0 for k in links),
            refused=_column(c.refused for c in self.cores),
            delivered=delivered,
            cycles=delivered,
        )


def _column(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), np.int64)


def _wait(env: simpy.Environment, cycles: int) -> Process:
    yield env.timeout(cycles)


def _packets(traffic: Traffic) -> list[Packet]:
    packets = []
    for i, first, last in zip(count(), traffic.first[:-1], traffic.first[1:]):
        targets = [Target(int(traffic.target[k]), int(traffic.service[k])) for k in range(first, last)]
        packets.append(Packet(i, int(traffic.source[i]), int(traffic.created[i]), int(traffic.flits[i]), targets))
    return packets
