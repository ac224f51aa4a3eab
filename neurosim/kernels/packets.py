"""From packed spikes to the packets that they cause, of many turns at once."""

import numpy as np

from neurosim.kernels import inlined, jit
from neurosim.kernels.bits import LOWEST, ONE


@jit
def count_packets(bits, segment, delivery, tree, turn, stride, packets, targets):
    """Add the packets that the spikes of one population cause, and the targets of these, to packets and targets, int64 [turns,
    cores], by sending core; row r of bits travels in turn + r * stride.

    bits: uint8 [rows, bytes], lowest bit first, order channel, site, or, where delivery has a lead, site, channel. segment:
    int64 [channels]. delivery: as for `fill_packets`. tree: one packet for all entries of a column, or one for each.
    """
    first, sender, sites, lead = delivery[0], delivery[1], delivery[7], delivery[13]
    for row in range(len(bits)):
        at = turn + row * stride
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                channel, site = place_of(neuron, len(segment), sites, len(lead) > 0)
                c = segment[channel] * sites + site
                n = first[c + 1] - first[c]
                if n > 0:
                    packets[at, sender[c]] += 1 if tree else n
                    targets[at, sender[c]] += n


@jit
def fill_packets(bits, segment, delivery, sending, turn, stride, turns, next_packet, next_target, latched):
    """Write the packets of the spikes of one population, row r of bits in turn + r * stride, in the order of the bits.

    bits, segment: as for `count_packets`. delivery: see `neurosim.mapping.delivery.Delivery.columns`. sending: (tree; cycles
    from packet to packet of a core; flits of a packet). turns: see `neurosim.kernels.turns.Turns`. next_packet, next_target:
    int64 [turns, cores], those of the turn that are the core's next. latched: uint8, as many latches as
    `neurosim.mapping.delivery.Delivery.room` says, overwritten.
    """
    first, sender, core, place, rows, service, stall, sites, _first_latch, _latch, _radix, _states, _latches, lead = delivery
    tree, step, flits = sending
    for row in range(len(bits)):
        at = turn + row * stride
        latched[:] = 0
        for byte in range(bits.shape[1]):
            b = bits[row, byte]
            while b:
                neuron = byte * 8 + LOWEST[b]
                b &= b - ONE
                channel, site = place_of(neuron, len(segment), sites, len(lead) > 0)
                c = segment[channel] * sites + site
                if first[c] == first[c + 1]:
                    continue
                work = rows[c] - first[c] + state_of(channel, c, delivery, latched) * (first[c + 1] - first[c])
                source = sender[c]
                for entry in range(first[c], first[c + 1]):
                    if entry == first[c] or not tree:
                        packet = next_packet[at, source]
                        next_packet[at, source] += 1
                        about = turns.about[turns.first_packet[at] + packet]
                        about.created = (packet - turns.first_of_core[at, source]) * step
                        about.flits = flits
                        about.first_target = next_target[at, source]
                        about.source = source
                    target = turns.targets[turns.first_target[at] + next_target[at, source]]
                    next_target[at, source] += 1
                    target.service = service[work + entry]
                    target.stall = stall[work + entry]
                    target.owner = packet
                    target.flits = flits
                    target.core = core[entry]
                    target.column = place[entry, 0]
                    target.row = place[entry, 1]
                    target.port = place[entry, 2]


@inlined
def place_of(neuron, channels, sites, by_site):
    """Channel and site of a neuron in the order channel, site, or site, channel."""
    if by_site:
        return neuron % channels, neuron // channels
    return neuron // sites, neuron % sites


@inlined
def state_of(channel, column, delivery, latched):
    """The number of the state of a spike among those of its column, see `neurosim.mapping.delivery`; notes it in *latched*, the
    latches of all channels and then those of all sites and senders."""
    first, latch, radix, latches, lead = delivery[8], delivery[9], delivery[10], delivery[12], delivery[13]
    state = np.int64(0)
    for i in range(first[column], first[column + 1]):
        at = channel * latches + latch[i]
        if latch[i] == latches:
            at = len(latched) - len(lead) + lead[column]
        if latched[at]:
            state += radix[i]
        latched[at] = 1
    return state


@jit
def order_by_time(about, step, count, order):
    """Write the packets about [packets + 1] by rising creation // step, those with the same as they are.

    count: int64 [highest of it + 2 or more], overwritten. order: int32 [packets].
    """
    count[:] = 0
    for i in range(len(order)):
        count[about[i].created // step + 1] += 1
    for t in range(1, len(count)):
        count[t] += count[t - 1]
    for i in range(len(order)):
        t = about[i].created // step
        order[count[t]] = i
        count[t] += 1
