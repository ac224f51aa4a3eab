"""Many turns at one call: their packets travel, one turn after the other, and are added up.

What a turn amounts to is stated a second time, to be read, in `neurosim.timing.timeline`.
"""

from typing import NamedTuple

import numpy as np

from neurosim.kernels import inlined, jit
from neurosim.kernels.fabric import NEVER, Packets, Passage
from neurosim.kernels.packets import order_by_time
from neurosim.kernels.router import follow
from neurosim.kernels.rows import at
from neurosim.kernels.single_router import follow_singles


class Turns(NamedTuple):
    """Packets of turns, one after the other; numbers of packets and targets count from the first of their turn."""

    about: np.recarray  # ABOUT [packets + turns], a row closes every turn
    targets: np.recarray  # TARGET [targets]
    first_packet: np.ndarray  # int64 [turns + 1], rows of about
    first_target: np.ndarray  # int64 [turns + 1], rows of targets
    first_of_core: np.ndarray  # int64 [turns, cores + 1], packets of lower cores


class Own(NamedTuple):
    """Cycles of the cores' own work, int64 [turns, cores], see `neurosim.timing.agenda.Work`."""

    fetch: np.ndarray
    local: np.ndarray
    update: np.ndarray


class Sums(NamedTuple):
    """See `neurosim.timing.tally.Tally`; blocked has no rows where nobody asks."""

    busy: np.ndarray
    waiting: np.ndarray
    refused: np.ndarray
    peak: np.ndarray
    flits: np.ndarray
    stalled: np.ndarray
    peak_use: np.ndarray
    blocked: np.ndarray


class Desk(NamedTuple):
    """Room for what is worked out of one turn."""

    by_time: np.ndarray  # int32 [most packets of a turn]
    many: np.ndarray  # int64 [most packets of a core + 2]
    first_of_core: np.ndarray  # int32 [cores + 1]
    first_at_core: np.ndarray  # int32 [cores + 1]
    served: np.ndarray  # int64 [cores]


@jit(_nrt=False)
def take_turns(network, turns, own, rules, pace, sums, desk):
    """Let the packets of all turns travel; returns (turns that went well, cycles that the next could take: more than can be
    followed, or 0: its packets wait for each other in a circle).

    network: (fabric, state, passage), of the last two as much as the largest turn needs. rules: (cycles between the packets of
    a core; cycles between flits, int64 [links]; cycles of the barrier). pace: (cycles, int64 [turns]; split, int64 [turns, 4]).
    """
    fabric, state, room = network
    for turn in range(len(pace[0])):
        packets, passage = packets_of(turns, turn, rules[0], desk), passage_of(turns, turn, room)
        latest = occupy(own, turn, state) + serve(packets, sums, desk)
        if latest >= NEVER // 2:
            return turn, latest
        if len(packets.targets) > 0 and follow(fabric, packets, state, passage, np.int64(NEVER)) < 0:
            return turn, 0
        close(turn, state, own, rules[2], pace, sums, desk)
        if len(packets.targets) > 0:
            add_journey(fabric, packets, state, passage, rules[1], pace[0][turn], sums)
    return len(pace[0]), 0


@jit(_nrt=False)
def take_single_turns(network, turns, own, rules, pace, sums, desk):
    """As `take_turns`, of packets of one flit for one core each."""
    fabric, state, room = network
    for turn in range(len(pace[0])):
        packets, passage = packets_of(turns, turn, rules[0], desk), passage_of(turns, turn, room)
        latest = occupy(own, turn, state) + serve(packets, sums, desk)
        if latest >= NEVER // 2:
            return turn, latest
        if len(packets.targets) > 0 and follow_singles(fabric, packets, state, passage, np.int64(NEVER)) < 0:
            return turn, 0
        close(turn, state, own, rules[2], pace, sums, desk)
        if len(packets.targets) > 0:
            add_journey(fabric, packets, state, passage, rules[1], pace[0][turn], sums)
    return len(pace[0]), 0


@inlined
def packets_of(turns, turn, step, desk):
    """The tables of one turn."""
    about = turns.about[turns.first_packet[turn] : turns.first_packet[turn + 1]]
    targets = turns.targets[turns.first_target[turn] : turns.first_target[turn + 1]]
    by_time = desk.by_time[: len(about) - 1]
    many = np.int64(0)
    for core in range(len(desk.served)):
        desk.first_of_core[core] = turns.first_of_core[turn, core]
        many = max(many, turns.first_of_core[turn, core + 1] - turns.first_of_core[turn, core])
    desk.first_of_core[len(desk.served)] = len(by_time)
    order_by_time(about, max(step, 1), desk.many[: many + 1], by_time)
    return Packets(about, targets, desk.first_of_core, by_time, desk.first_at_core)


@inlined
def passage_of(turns, turn, room):
    """As much of the room as the packets of a turn need."""
    packets = turns.first_packet[turn + 1] - turns.first_packet[turn] - 1
    return Passage(room.packets[:packets], room.targets[: turns.first_target[turn + 1] - turns.first_target[turn]])


@inlined
def occupy(own, turn, state):
    """Let the cores be free once they have worked on what they have without packets; returns the latest of it."""
    fetched = latest = np.int64(0)
    for core in range(len(state.cores)):
        fetched += own.fetch[turn, core]
        free = own.local[turn, core] + (fetched if own.fetch[turn, core] > 0 else 0)
        at(state.cores, core).free = free
        latest = max(latest, free)
    return latest


@inlined
def serve(packets, sums, desk):
    """Gather the work of the cores on packets; returns all of it, after the creation of the last packet."""
    served, first_at_core = desk.served, desk.first_at_core
    served[:] = 0
    first_at_core[:] = 0
    latest = np.int64(0)
    for number in range(len(packets.targets)):
        target = at(packets.targets, number)
        served[target.core] += target.service
        sums.waiting[target.core] += target.stall
        first_at_core[target.core + 1] += 1
        latest += target.service
    for core in range(len(served)):
        first_at_core[core + 1] += first_at_core[core]
    if len(packets.by_time) > 0:
        latest += at(packets.about, packets.by_time[len(packets.by_time) - 1]).created
    return latest


@inlined
def close(turn, state, own, barrier, pace, sums, desk):
    """Write the time of a turn, and what the cores have worked."""
    cycles, split = pace
    delivered, last, updating = np.int64(at(state.cores, 0).free), 0, np.int64(0)
    for core in range(len(desk.served)):
        if at(state.cores, core).free > delivered:
            delivered, last = np.int64(at(state.cores, core).free), core
        updating = max(updating, own.update[turn, core])
        sums.busy[core] += own.local[turn, core] + own.update[turn, core] + desk.served[core]
    worked = min(own.local[turn, last] + desk.served[last], delivered)
    cycles[turn] = delivered + updating + barrier
    split[turn, 0] = worked
    split[turn, 1] = delivered - worked
    split[turn, 2] = updating
    split[turn, 3] = barrier


@inlined
def add_journey(fabric, packets, state, passage, intervals, cycles, sums):
    """Add what the network did in a turn."""
    tiles = len(state.cores) // fabric.cores
    for tile in range(tiles):
        for port in range(fabric.ports):
            link = at(state.links, tile * (len(state.links) // tiles) + port)
            if port < fabric.cores:
                sums.refused[tile * fabric.cores + port] += link.stalled
            else:
                number = 4 * tile + port - fabric.cores
                sums.flits[number] += link.passed
                sums.stalled[number] += link.stalled
                sums.peak_use[number] = max(sums.peak_use[number], link.passed * intervals[number] / max(cycles, 1))
    for core in range(len(state.cores)):
        sums.peak[core] = max(sums.peak[core], at(state.cores, core).peak)
    if len(sums.blocked) > 0:
        for packet in range(len(passage.packets)):
            block(packets, packet, at(passage.packets, packet), sums.blocked)


@inlined
def block(packets, packet, sent, blocked):
    """Add the time that a packet stood behind one for another core."""
    if sent.holder >= 0:
        mine = at(packets.targets, at(packets.about, packet).first_target).core
        other = at(packets.targets, at(packets.about, sent.holder).first_target).core
        if mine != other:
            blocked[other, mine] += sent.held
