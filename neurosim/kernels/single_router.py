"""The packet network where every packet is one flit for one core, on a mesh: the rules of `neurosim.kernels.router`, faster.

A packet of one flit needs its virtual channel for one flit, and has one way on, so that sets of input channels say all that a
router has to decide; a set is a number with a bit per channel. Every output port knows the channels that *ask* for a virtual
channel (or, of a core, for the port), and which of its virtual channels are *open*, that is not taken. A channel that was given
one takes part in the allocation of the switch as soon as there is a credit: it is *ready*. One that was given one without
credits is *starved* until a credit comes.

A flit is written into its slot beyond when it leaves; what arrives later is the news of it. A router sleeps while nothing in
it can change.
"""

import numpy as np

from neurosim.kernels import inlined
from neurosim.kernels.bits import lowest
from neurosim.kernels.fabric import EAST, NEVER, NORTH, SOUTH, WEST
from neurosim.kernels.router import compiled, due_alarm, set_alarm
from neurosim.kernels.rows import at
from neurosim.kernels.single_fabric import (
    ACTIVE,
    ALARMS,
    CHANNEL_BITS,
    CHANNEL_MASK,
    CORE_CREDIT_LANE,
    CREDIT_LANE,
    DECIDING,
    DELIVERED,
    GRANTED,
    HEADS,
    LOCAL_LANE,
    PORT_BITS,
    PORT_MASK,
    SENDING,
    SLOT_BITS,
    SLOT_MASK,
    TAKEN,
    TOUCHED,
    TURN_BITS,
    TURN_MASK,
    VIRTUAL_BITS,
    VIRTUAL_MASK,
    VIRTUAL_SET,
)  # fmt: skip


@compiled
def transport_singles(fabric, packets, state, passage, limit):
    """As `neurosim.kernels.router.transport`."""
    return follow_singles(fabric, packets, state, passage, limit)


@inlined
def follow_singles(fabric, packets, state, passage, limit):
    """For code that is compiled with it: `transport_singles`."""
    begin_singles(fabric, packets, state, passage)
    scalars, about = state.scalars, packets.about
    targets, count = len(packets.targets), len(packets.by_time)
    due, t = 0, np.int64(0)
    while scalars[DELIVERED] < targets and t < limit:
        receive_news(fabric, packets, state, t)
        ask_ways(fabric, packets, state)
        while due < count and at(about, packets.by_time[due]).created <= t:
            wake_core(state, np.int64(at(about, packets.by_time[due]).source))
            due += 1
        send_singles(fabric, packets, state, passage, t)
        output = due_alarm(state, t)
        while output >= 0:
            wake_link(state, output)
            wake_router(state, output >> PORT_BITS)
            output = due_alarm(state, t)
        decide_links(fabric, state, passage, t)
        switch_all(fabric, state, t)
        grant_all(state)
        for i in range(scalars[TAKEN]):
            move_single(fabric, packets, state, passage, np.int64(at(state.lists, i).taken), t)
        scalars[TAKEN] = 0
        t += 1
        if scalars[ACTIVE] + scalars[DECIDING] + scalars[HEADS] + scalars[SENDING] == 0 and scalars[DELIVERED] < targets:
            soonest = next_news(state)
            if scalars[ALARMS] > 0:
                soonest = min(soonest, state.alarms[0] >> 32)
            if due < count:
                soonest = min(soonest, np.int64(at(about, packets.by_time[due]).created))
            if soonest == NEVER:
                return np.int64(-1)
            t = max(t, min(soonest, limit))
    end_singles(fabric, packets, state, t)
    return t


@inlined
def begin_singles(fabric, packets, state, passage):
    """Every arbiter starts with the first; no core has sent or taken anything."""
    for packet in range(len(passage.packets)):
        sent = at(passage.packets, packet)
        sent.entered = sent.holder = -1
        sent.held = 0
        taken = at(passage.targets, packet)
        taken.arrived = taken.started = -1
    for i in range(state.scalars[TOUCHED]):
        begin_router(fabric, state, np.int64(at(state.lists, i).touched))
    state.scalars[TOUCHED] = 0
    for number in range(len(state.cores)):
        core = at(state.cores, number)
        core.packet = packets.first_of_core[number]
        core.order = packets.first_at_core[number]
        core.turn = core.peak = core.accepted = core.released = 0


@inlined
def begin_router(fabric, state, number):
    """Put the arbiters and counters of a router back."""
    at(state.routers, number).touched = 0
    for port in range(fabric.ports):
        link = at(state.links, (number << PORT_BITS) + port)
        link.output_turn = link.input_turn = link.stalled = link.passed = link.busy = 0
        for virtual in range(fabric.channels):
            channel = (((number << PORT_BITS) + port) << VIRTUAL_BITS) + virtual
            at(state.channels, channel).turn = at(state.channels, channel).turns = 0


@inlined
def end_singles(fabric, packets, state, t):
    """Book the stalls that last to the end, let what is on its way arrive, and put everything to rest."""
    for i in range(state.scalars[TOUCHED]):
        for port in range(fabric.ports):
            link = at(state.links, (np.int64(at(state.lists, i).touched) << PORT_BITS) + port)
            link.alarm = 0
            if link.stalled_since >= 0:
                link.stalled += max(t - link.stalled_since, 0)
    receive_news(fabric, packets, state, np.int64(NEVER))
    for number in range(len(state.cores)):
        at(state.cores, number).sends = 0
    for i in range(state.scalars[ACTIVE]):
        at(state.routers, at(state.lists, i).active).awake = 0
    for i in range(state.scalars[DECIDING]):
        at(state.links, at(state.lists, i).deciding).awake = 0
    state.scalars[:TOUCHED] = 0


@inlined
def first_from(numbers, turn):
    """The first of a set from *turn* on, around."""
    behind = numbers >> turn << turn
    return lowest(behind if behind != 0 else numbers)


@inlined
def announce(state, number, time, where):
    """Let the news of a flit or a credit arrive at *time*, over the lane of that number."""
    lane = at(state.lanes, number)
    news = at(state.news, lane.begin + lane.next)
    news.due = time
    news.where = where
    lane.next = (lane.next + 1) & lane.mask


@inlined
def next_news(state):
    """When the next news arrives."""
    soonest = np.int64(NEVER)
    for number in range(len(state.lanes)):
        lane = at(state.lanes, number)
        if lane.next != lane.oldest:
            soonest = min(soonest, np.int64(at(state.news, lane.begin + lane.oldest).due))
    return soonest


@inlined
def receive_news(fabric, packets, state, t):
    """What arrives at *t*."""
    for number in range(len(state.lanes)):
        lane = at(state.lanes, number)
        while lane.next != lane.oldest:
            news = at(state.news, lane.begin + lane.oldest)
            if news.due > t:
                break
            where = np.int64(news.where)
            lane.oldest = (lane.oldest + 1) & lane.mask
            if number > CORE_CREDIT_LANE:
                take_flit(state, where)
            elif number == CREDIT_LANE:
                take_credit(state, where)
            else:
                take_core_credit(fabric, packets, state, where, t)


@inlined
def take_flit(state, row):
    """A packet is in its slot; behind others it changes nothing."""
    channel = at(state.channels, row)
    at(state.lists, state.scalars[HEADS]).heads = row
    state.scalars[HEADS] += channel.count == 0
    channel.count += 1


@inlined
def take_credit(state, row):
    """A slot beyond an output channel is free again."""
    channel, output = at(state.channels, row), row >> VIRTUAL_BITS
    channel.credits += 1
    link, bit = at(state.links, output), np.int64(1) << (row & VIRTUAL_MASK)
    if link.starved & bit != 0:
        link.starved ^= bit
        wake_link(state, output)
        be_ready(state, (row >> CHANNEL_BITS << CHANNEL_BITS) + channel.holder)


@inlined
def be_ready(state, row):
    """Let a channel take part in the next allocation of the switch."""
    number = row >> CHANNEL_BITS
    at(state.routers, number).ready |= np.int64(1) << (row & CHANNEL_MASK)
    wake_router(state, number)


@inlined
def take_core_credit(fabric, packets, state, row, t):
    """A slot in the router of a core is free again."""
    at(state.channels, row).credits += 1
    number = (row >> CHANNEL_BITS) * fabric.cores + (row >> VIRTUAL_BITS & PORT_MASK)
    core = at(state.cores, number)
    core.room |= np.int64(1) << (row & VIRTUAL_MASK)
    if core.packet < packets.first_of_core[number + 1] and at(packets.about, core.packet).created <= t:
        wake_core(state, number)


@inlined
def wake_core(state, number):
    """Let a core send."""
    core = at(state.cores, number)
    at(state.lists, state.scalars[SENDING]).sending = number
    state.scalars[SENDING] += core.sends == 0
    core.sends = 1


@inlined
def wake_router(state, number):
    """Let a router allocate its switch."""
    router = at(state.routers, number)
    if router.awake == 0:
        router.awake = 1
        at(state.lists, state.scalars[ACTIVE]).active = number
        state.scalars[ACTIVE] += 1


@inlined
def wake_link(state, output):
    """Let an output port decide."""
    link = at(state.links, output)
    at(state.lists, state.scalars[DECIDING]).deciding = output
    state.scalars[DECIDING] += link.awake == 0
    link.awake = 1


@inlined
def ask_ways(fabric, packets, state):
    """The packets that are new at the heads of channels ask for the output ports that lead on: first along x, then along y."""
    for i in range(state.scalars[HEADS]):
        row = np.int64(at(state.lists, i).heads)
        number, channel = row >> CHANNEL_BITS, at(state.channels, row)
        packet, router = at(state.slots, (row << SLOT_BITS) + channel.head).packet, at(state.routers, number)
        target = at(packets.targets, packet)
        dx, dy = target.column - router.column, target.row - router.row
        along_x = fabric.cores + (EAST if dx > 0 else WEST)
        along_y = fabric.cores + (SOUTH if dy > 0 else NORTH)
        port = along_y if dy != 0 else np.int64(target.port)
        port = along_x if dx != 0 else port
        channel.port = port
        output = (number << PORT_BITS) + port
        at(state.links, output).asking |= np.int64(1) << (row & CHANNEL_MASK)
        wake_link(state, output)
        touch(state, number)
    state.scalars[HEADS] = 0


@inlined
def touch(state, number):
    """Note that a router has to be put back before the next turn."""
    router = at(state.routers, number)
    at(state.lists, state.scalars[TOUCHED]).touched = number
    state.scalars[TOUCHED] += router.touched == 0
    router.touched = 1


@inlined
def send_singles(fabric, packets, state, passage, t):
    """Every core on the list sends a packet; those that cannot, or have nothing more, leave the list."""
    stay = 0
    for i in range(state.scalars[SENDING]):
        number = np.int64(at(state.lists, i).sending)
        sends = send_single(fabric, packets, state, passage, number, t)
        at(state.cores, number).sends = sends
        at(state.lists, stay).sending = number
        stay += sends
    state.scalars[SENDING] = stay


@inlined
def send_single(fabric, packets, state, passage, number, t):
    """The next packet of a core; returns whether it may go on in the next cycle."""
    core = at(state.cores, number)
    if core.room == 0:
        return False
    virtual, packet = first_from(np.int64(core.room), np.int64(core.turn)), np.int64(core.packet)
    core.turn = virtual + 1
    row = np.int64(core.into + virtual)
    into = at(state.channels, row)
    into.credits -= 1
    if into.credits == 0:
        core.room ^= np.int64(1) << virtual
    at(passage.packets, packet).entered = t
    time = t + fabric.local_cycles
    put(state, row, packet, time)
    announce(state, np.int64(LOCAL_LANE), time, row)
    core.packet = packet + 1
    if packet + 1 == packets.first_of_core[number + 1]:
        return False
    created = at(packets.about, packet + 1).created
    if created > t:
        # Its creation puts the core back on the list.
        return False
    behind = at(passage.packets, packet + 1)
    behind.held = t + 1 - created
    behind.holder = packet
    return True


@inlined
def put(state, row, packet, time):
    """Write a packet into the slot that it takes when it arrives at *time*."""
    channel = at(state.channels, row)
    slot = at(state.slots, (row << SLOT_BITS) + channel.tail)
    slot.packet = packet
    slot.time = time
    channel.tail = (channel.tail + 1) & SLOT_MASK


@inlined
def decide_links(fabric, state, passage, t):
    """Every output port on the list gives its open virtual channels to those that ask, or, of a core, lets them take the
    switch; those in which the next cycle changes nothing leave the list."""
    stay = 0
    for i in range(state.scalars[DECIDING]):
        output = np.int64(at(state.lists, i).deciding)
        link = at(state.links, output)
        if output & PORT_MASK < fabric.cores:
            stays = admit(fabric, state, passage, output, t)
        else:
            blocked = link.starved != 0 or (link.asking != 0 and link.open == 0)
            stays = link.asking != 0 and link.open != 0
            if stays:
                allocate(state, output)
            stall(link, blocked, t)
        at(state.lists, stay).deciding = output
        stay += stays
        link.awake = stays
    state.scalars[DECIDING] = stay


@inlined
def admit(fabric, state, passage, output, t):
    """Let the packets that have asked for a core before take the switch if its queue has room; returns whether others ask."""
    link, number = at(state.links, output), output >> PORT_BITS
    router, waiting = at(state.routers, number), link.asking & link.seen
    blocked = waiting != 0 and crowded(fabric, state, passage, output, t)
    if blocked:
        router.ready &= ~waiting
    elif waiting != 0:
        router.ready |= waiting
        wake_router(state, number)
    stall(link, blocked, t)
    link.seen = link.asking
    return waiting != link.asking


@inlined
def stall(link, blocked, t):
    """A link is stalled while a packet finds no room beyond, and nothing leaves by it."""
    if blocked:
        if link.stalled_since < 0:
            link.stalled_since = t
    elif link.stalled_since >= 0:
        link.stalled += t - link.stalled_since
        link.stalled_since = -1


@inlined
def crowded(fabric, state, passage, output, t):
    """Whether the queue of a core has no room at *t*; if so the alarm is set for when it will have."""
    core = at(state.cores, (output >> PORT_BITS) * fabric.cores + (output & PORT_MASK))
    work_off(state, passage, core, t)
    if core.accepted - core.released < fabric.queue:
        return False
    set_alarm(state, output, np.int64(at(passage.targets, at(state.order, core.order + core.released)).started))
    return True


@inlined
def work_off(state, passage, core, t):
    """Count the packets that a core has taken out of its queue up to *t*."""
    while core.released < core.accepted and at(passage.targets, at(state.order, core.order + core.released)).started <= t:
        core.released += 1


@inlined
def allocate(state, output):
    """Give the open virtual channels of an output port to those whose turn it is."""
    link, arbiters = at(state.links, output), state.arbiters
    first, asking, wanted = output >> PORT_BITS << CHANNEL_BITS, np.int64(link.asking), np.int64(0)
    if asking & (asking - 1) == 0:
        channel = lowest(asking)
        give(state, output, first + channel, wished(state, output, first + channel))
        return
    while asking != 0:
        channel = lowest(asking)
        asking &= asking - 1
        virtual = wished(state, output, first + channel)
        join(at(arbiters, virtual), wanted >> virtual & 1, channel)
        wanted |= np.int64(1) << virtual
    while wanted != 0:
        virtual = lowest(wanted)
        wanted &= wanted - 1
        turn = np.int64(at(state.channels, (output << VIRTUAL_BITS) + virtual).turn)
        give(state, output, first + first_from(at(arbiters, virtual).askers, turn), virtual)


@inlined
def join(arbiter, others, number):
    """Put a number among those that ask, of which there are *others* or not."""
    arbiter.askers = (arbiter.askers if others != 0 else 0) | np.int64(1) << number


@inlined
def wished(state, output, row):
    """The open virtual channel of an output port that a channel asks for."""
    turn = at(state.channels, row).turns >> ((output & PORT_MASK) << TURN_BITS) & TURN_MASK
    return first_from(np.int64(at(state.links, output).open), turn)


@inlined
def give(state, output, row, virtual):
    """A channel is given a virtual channel of an output port."""
    link, beyond = at(state.links, output), at(state.channels, (output << VIRTUAL_BITS) + virtual)
    channel, number = at(state.channels, row), row & CHANNEL_MASK
    beyond.turn = number + 1
    beyond.holder = number
    channel.virtual = virtual
    shift = (output & PORT_MASK) << TURN_BITS
    channel.turns = channel.turns & ~(TURN_MASK << shift) | (virtual + 1) << shift
    link.asking ^= np.int64(1) << number
    link.open ^= np.int64(1) << virtual
    if beyond.credits == 0:
        link.starved |= np.int64(1) << virtual
    else:
        at(state.lists, state.scalars[GRANTED]).granted = row
        state.scalars[GRANTED] += 1


@inlined
def grant_all(state):
    """Those that were given a virtual channel with credits take part in the next allocation of the switch."""
    for i in range(state.scalars[GRANTED]):
        be_ready(state, np.int64(at(state.lists, i).granted))
    state.scalars[GRANTED] = 0


@inlined
def with_free_links(state, number, ready, t):
    """Those of the channels whose link is free at *t*; for the others the alarm is set."""
    rest = ready
    while rest != 0:
        channel = lowest(rest)
        rest &= rest - 1
        output = (number << PORT_BITS) + at(state.channels, (number << CHANNEL_BITS) + channel).port
        busy = np.int64(at(state.links, output).busy)
        if busy > t:
            ready ^= np.int64(1) << channel
            set_alarm(state, output, busy)
    return ready


@inlined
def switch_all(fabric, state, t):
    """Every router with channels that are ready allocates its switch; those that have no more of them leave the list."""
    stay = 0
    for i in range(state.scalars[ACTIVE]):
        number = np.int64(at(state.lists, i).active)
        router = at(state.routers, number)
        ready = np.int64(router.ready)
        if fabric.paced:
            ready = with_free_links(state, number, ready, t)
        gone = switch(state, number, ready)
        router.ready ^= gone
        at(state.lists, stay).active = number
        stay += ready != gone
        router.awake = ready != gone
    state.scalars[ACTIVE] = stay


@inlined
def switch(state, number, ready):
    """Every input port names one of its channels that are ready, every output port takes one of those; returns those taken."""
    arbiters, first = state.arbiters, number << CHANNEL_BITS
    if ready & (ready - 1) == 0:
        if ready != 0:
            take(state, first + lowest(ready))
        return ready
    ports = gone = np.int64(0)
    while ready != 0:
        entrance = lowest(ready) >> VIRTUAL_BITS
        before = entrance << VIRTUAL_BITS
        turn = np.int64(at(state.links, (number << PORT_BITS) + entrance).input_turn)
        channel = before + first_from(ready >> before & VIRTUAL_SET, turn)
        ready &= ~(VIRTUAL_SET << before)
        at(arbiters, entrance).named = channel
        port = np.int64(at(state.channels, first + channel).port)
        join(at(arbiters, port), ports >> port & 1, entrance)
        ports |= np.int64(1) << port
    while ports != 0:
        port = lowest(ports)
        ports &= ports - 1
        turn = np.int64(at(state.links, (number << PORT_BITS) + port).output_turn)
        channel = at(arbiters, first_from(at(arbiters, port).askers, turn)).named
        gone |= np.int64(1) << channel
        take(state, first + channel)
    return gone


@inlined
def take(state, row):
    """The head of a channel takes the switch in this cycle."""
    at(state.lists, state.scalars[TAKEN]).taken = row
    state.scalars[TAKEN] += 1


@inlined
def move_single(fabric, packets, state, passage, row, t):
    """A packet takes the switch: its slot is free, and a credit goes back."""
    number, channel, virtual = row >> CHANNEL_BITS, at(state.channels, row), row & VIRTUAL_MASK
    port = np.int64(channel.port)
    output, came = (number << PORT_BITS) + port, at(state.links, row >> VIRTUAL_BITS)
    link, packet = at(state.links, output), np.int64(at(state.slots, (row << SLOT_BITS) + channel.head).packet)
    came.input_turn = virtual + 1
    link.output_turn = (row >> VIRTUAL_BITS & PORT_MASK) + 1
    link.passed += 1
    if link.stalled_since >= 0:
        link.stalled += t - link.stalled_since
        link.stalled_since = t + 1
    if port < fabric.cores:
        bit = np.int64(1) << (row & CHANNEL_MASK)
        link.asking ^= bit
        link.seen ^= bit
        deliver_single(packets, state, passage, number * fabric.cores + port, packet, t + link.delay, t)
    else:
        link.open |= np.int64(1) << channel.virtual
        link.busy = t + link.interval
        at(state.channels, (output << VIRTUAL_BITS) + channel.virtual).credits -= 1
        beyond, time = np.int64(link.beyond + channel.virtual), t + link.delay
        put(state, beyond, packet, time)
        announce(state, np.int64(link.lane), time, beyond)
    if link.asking != 0 or link.stalled_since >= 0:
        wake_link(state, output)
    announce(state, np.int64(came.credit_lane), t + fabric.credit_cycles, came.before + virtual)
    channel.head = (channel.head + 1) & SLOT_MASK
    channel.count -= 1
    if channel.count > 0:
        at(state.lists, state.scalars[HEADS]).heads = row
        state.scalars[HEADS] += 1
        hold(state, passage, row, packet, t)


@inlined
def hold(state, passage, row, ahead, t):
    """The packet that is now at the head of a channel stood behind another."""
    slot = at(state.slots, (row << SLOT_BITS) + at(state.channels, row).head)
    behind, waited = at(passage.packets, slot.packet), t + 1 - slot.time
    if waited > behind.held or (waited == behind.held and ahead < behind.holder):
        behind.held = waited
        behind.holder = ahead


@inlined
def deliver_single(packets, state, passage, number, packet, arrival, t):
    """A packet is on its way into a core, which works off packets in the order in which they come."""
    core, taken = at(state.cores, number), at(passage.targets, packet)
    work_off(state, passage, core, t)
    taken.arrived = arrival
    taken.started = max(arrival, core.free)
    core.free = taken.started + at(packets.targets, packet).service
    state.order[np.uintp(core.order + core.accepted)] = packet
    core.accepted += 1
    core.peak = max(core.peak, core.accepted - core.released)
    state.scalars[DELIVERED] += 1
