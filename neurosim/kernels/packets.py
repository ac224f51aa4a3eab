"""From packed spikes to the packets that they cause."""

from neurosim.kernels import jit
from neurosim.kernels.bits import LOWEST, ONE


@jit
def list_spikes(bits, segment, sites, column, channel):
    """Write column (segment * sites + site) and channel of every spike, in the order of the neurons; returns their number.

    bits: uint8 [bytes], lowest bit first, order channel, site. segment: int64 [channels]. column, channel: int32, large enough.
    """
    n = 0
    for byte in range(len(bits)):
        b = bits[byte]
        while b:
            neuron = byte * 8 + LOWEST[b]
            b &= b - ONE
            channel[n] = neuron // sites
            column[n] = segment[neuron // sites] * sites + neuron % sites
            n += 1
    return n


@jit
def count_packets(column, first, sender, tree, packets, targets):
    """Add the packets that spikes in these columns cause to packets [cores], their targets to targets [cores], by sending core.

    first: int64 [columns + 1], entries of a column. sender: int64 [columns]. tree: one packet for all entries, or one for each.
    """
    for i in range(len(column)):
        c = column[i]
        n = first[c + 1] - first[c]
        if n > 0:
            packets[sender[c]] += 1 if tree else n
            targets[sender[c]] += n


@jit
def fill_packets(spikes, delivery, tree, step, flits, next_packet, next_target, sent, about, targets):
    """Write the packets of the spikes of one population at one step.

    spikes: (column, channel, latched): latched uint8 [channels * windows] notes max-pooling windows that have held a spike.
    delivery: (first, sender, core, place, service, stall, sites, window, windows), see `neurosim.mapping.delivery.Delivery`.
    next_packet, next_target, sent: int64 [cores], where the next packet of a core goes and how many it has sent; one leaves
    every *step* cycles. about, targets: tables of the packet network.
    """
    column, channel, latched = spikes
    first, sender, core, place, service, stall, sites, window, windows = delivery
    for i in range(len(column)):
        c = column[i]
        if first[c] == first[c + 1]:
            continue
        later = 0
        if windows > 0 and window[c % sites] >= 0:
            latch = channel[i] * windows + window[c % sites]
            later = latched[latch]
            latched[latch] = 1
        source = sender[c]
        for entry in range(first[c], first[c + 1]):
            if entry == first[c] or not tree:
                packet = next_packet[source]
                next_packet[source] += 1
                about[packet].created = sent[source] * step
                about[packet].flits = flits
                about[packet].first_target = next_target[source]
                about[packet].source = source
                sent[source] += 1
            target = next_target[source]
            next_target[source] += 1
            targets[target].service = service[entry, later]
            targets[target].stall = stall[entry, later]
            targets[target].owner = packet
            targets[target].flits = flits
            targets[target].core = core[entry]
            targets[target].column = place[entry, 0]
            targets[target].row = place[entry, 1]
            targets[target].port = place[entry, 2]


@jit
def order_by_time(created, count, order):
    """Write the packets by rising creation, those of one cycle as they are; count: int64 [last cycle + 2], zeros."""
    for i in range(len(created)):
        count[created[i] + 1] += 1
    for t in range(1, len(count)):
        count[t] += count[t - 1]
    for i in range(len(created)):
        order[count[created[i]]] = i
        count[created[i]] += 1
