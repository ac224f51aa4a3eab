"""What spikes cause if no packet waits for another: sums and extremes per turn, without a packet written down.

Spikes are gathered by column, as all of a column go to the same cores: how many there are, and which packet of its core the
first and the last of them send. The packets of a core leave at an even pace, so that arrivals follow from these.
"""

import numpy as np

from neurosim.kernels import inlined, jit
from neurosim.kernels.bits import LOWEST, ONE
from neurosim.kernels.packets import place_of, state_of

NEVER = np.iinfo(np.int64).max


@jit
def bound_packets(bits, segment, delivery, ways, sending, turn, stride, sums, gathered):
    """Add what the spikes of one population cause; row r of bits travels in turn + r * stride.

    bits, segment, delivery: as for `neurosim.kernels.packets.fill_packets`. ways: (int64 [entries], cycles from the leave
    of a packet to its arrival; int64 [columns + 1], int64, links of the packets of one spike). sending: (tree, one packet
    for all entries of a column, or one for each; cycles between packets of a core; flits of a packet). sums: (packets sent
    so far; least arrival, at first NEVER; latest arrival and work on it; cycles of work, int64 [turns, cores] each; flits,
    int64 [turns, links]; cycles of work that wait for a memory, int64 [cores]). gathered: see `nothing`.
    """
    first, _sender, core, _place, rows, service, stall, _sites, _latches, _latch, _radix, states, _many, _lead = delivery
    distance, first_link, crossed = ways
    tree, pace, flits = sending
    sent, first_in, last_out, served, links, waiting = sums
    columns, fired, many, begun, ended, _latched = gathered
    for row in range(len(bits)):
        at = turn + row * stride
        for c in columns[: gather(bits[row], segment, delivery, tree, sent[at], gathered)]:
            for entry in range(first[c], first[c + 1]):
                to = core[entry]
                way = distance[entry] + (0 if tree else (entry - first[c]) * pace)
                first_in[at, to] = min(first_in[at, to], begun[c] * pace + way)
                about = rows[c] + entry - first[c]
                for state in range(states[c], states[c + 1]):
                    if many[state] > 0:
                        last_out[at, to] = max(last_out[at, to], ended[state] * pace + way + service[about])
                        served[at, to] += many[state] * service[about]
                        waiting[to] += many[state] * stall[about]
                    about += first[c + 1] - first[c]
            for link in crossed[first_link[c] : first_link[c + 1]]:
                links[at, link] += fired[c] * flits
            fired[c] = 0
            many[states[c] : states[c + 1]] = 0


@jit
def close_turns(sums, fetch, local, update, intervals, barrier, cycles, split, busy, flits, peak_use):
    """Write the time of turns, and add them to the sums over turns.

    sums: see `bound_packets`. fetch, local, update: int64 [turns, cores], see `neurosim.timing.agenda.Work`. intervals: int64
    [links], cycles between two flits. cycles: int64 [turns]. split: int64 [turns, 4]. busy: int64 [cores]. flits: int64,
    peak_use: float64 [links].
    """
    _sent, first_in, last_out, served, links, _waiting = sums
    for turn in range(len(cycles)):
        fetched = latest = updating = worked = 0
        for core in range(len(busy)):
            fetched += fetch[turn, core]
            free = local[turn, core] + (fetched if fetch[turn, core] > 0 else 0)
            if first_in[turn, core] < NEVER:
                free = max(free, first_in[turn, core]) + served[turn, core]
            free = max(free, last_out[turn, core])
            if free > latest:
                latest, worked = free, local[turn, core] + served[turn, core]
            updating = max(updating, update[turn, core])
            busy[core] += local[turn, core] + update[turn, core] + served[turn, core]
        # After the first flit of a link, one per interval.
        delivered = latest
        for link in range(len(flits)):
            delivered = max(delivered, (links[turn, link] - 1) * intervals[link])
        cycles[turn] = delivered + updating + barrier
        for link in range(len(flits)):
            flits[link] += links[turn, link]
            peak_use[link] = max(peak_use[link], links[turn, link] * intervals[link] / max(cycles[turn], 1))
        worked = min(worked, delivered)
        split[turn, 0] = worked
        split[turn, 1] = delivered - worked
        split[turn, 2] = updating
        split[turn, 3] = barrier


@jit
def add_work(by_brick, bricks, cores, turn, stride, total):
    """Add by_brick [rows, all bricks] of *bricks* to total [turns, cores]; row r belongs to turn + r * stride."""
    for row in range(len(by_brick)):
        for brick in bricks:
            total[turn + row * stride, cores[brick]] += by_brick[row, brick]


@jit
def work_outside(bits, segment, delivery, work, waits, sent, gathered):
    """Add to work and waits [rows, bricks] the cycles of the spikes that enter from outside; see `bound_packets`. *sent*: int64
    [1], for their sender is -1; nobody reads it."""
    first, _sender, core, _place, rows, service, stall, _sites, _latches, _latch, _radix, states, _many, _lead = delivery
    columns, fired, many, _begun, _ended, _latched = gathered
    for row in range(len(bits)):
        for c in columns[: gather(bits[row], segment, delivery, True, sent, gathered)]:
            for entry in range(first[c], first[c + 1]):
                about = rows[c] + entry - first[c]
                for state in range(states[c], states[c + 1]):
                    work[row, core[entry]] += many[state] * service[about]
                    waits[row, core[entry]] += many[state] * stall[about]
                    about += first[c + 1] - first[c]
            fired[c] = 0
            many[states[c] : states[c + 1]] = 0


def nothing(columns: int, states: int, latches: int) -> tuple[np.ndarray, ...]:
    """Room for what `gather` finds, empty. Not compiled: that would take longer than all that it is used for."""
    return (
        np.zeros(columns, np.int64), np.zeros(columns, np.int64), np.zeros(states, np.int64), np.zeros(columns, np.int64),
        np.zeros(states, np.int64), np.zeros(latches, np.uint8),
    )  # fmt: skip


@inlined
def gather(bits, segment, delivery, tree, sent, gathered):
    """Gather the spikes of one step by column; returns how many columns have any that go somewhere.

    sent: int64 [cores], packets so far. gathered: (those columns, int64 [columns]; int64 [columns], zeros, how many spikes each
    has; int64 [states], zeros, how many of every state, see `neurosim.mapping.delivery`; int64 [columns] and [states], number
    among the packets of its core of the first packet of the first spike, and of the last spike of every state; latches
    that have held a spike, uint8, see `neurosim.mapping.delivery.Delivery.room`).
    """
    first, sender, _core, _place, _rows, _service, _stall, sites, _latches, _latch, _radix, states, _many, lead = delivery
    columns, fired, many, begun, ended, latched = gathered
    found = 0
    for i in range(len(latched)):
        latched[i] = 0
    for byte in range(len(bits)):
        b = bits[byte]
        while b:
            neuron = byte * 8 + LOWEST[b]
            b &= b - ONE
            channel, site = place_of(neuron, len(segment), sites, len(lead) > 0)
            c = segment[channel] * sites + site
            packets = first[c + 1] - first[c]
            if packets == 0:
                continue
            state = states[c] + state_of(channel, c, delivery, latched)
            if fired[c] == 0:
                columns[found] = c
                found += 1
                begun[c] = sent[sender[c]]
            fired[c] += 1
            many[state] += 1
            ended[state] = sent[sender[c]]
            sent[sender[c]] += 1 if tree else packets
    return found
