"""The packet network, cycle by cycle: input-queued routers with virtual channels, credits and round-robin allocation.

The rules, which `neurosim.noc.simpy_model` states a second time, to be read. A cycle has two halves. In the first, flits and
credits arrive, and cores take packets out of their queues. In the second, on the state that this left, every source may send a
flit into its router, and every router decides twice:

- Channels: a packet at the head of an input channel asks each output that it needs for the first free virtual channel, starting
  after the one it was last given there; a channel that several ask for goes to them in turn.
- Switch: of the flits whose channel was allocated in an earlier cycle, for which there is room beyond and a free link, every
  input port names one, its channels taking turns, of one packet the lowest port first; every output port takes one of those,
  the input ports taking turns.

A flit that is granted the switch leaves its buffer and a credit goes back; it arrives after the delay of the output. A packet
for several cores divides where its routes do: it stays at the head of its channel until every branch has had all its flits.
Local outputs have no virtual channels: a packet goes to a core when its queue has room for it.

A channel that can do nothing sleeps until what it waits for happens: waiting costs no work.
"""

import numpy as np

from neurosim.kernels import inlined, jit
from neurosim.kernels.fabric import (
    ACTIVE,
    ALARMS,
    ASKED,
    CREDIT_LANE,
    DELIVERED,
    EAST,
    LOCAL_LANE,
    NAMED,
    NEVER,
    NORTH,
    SENDING,
    SOUTH,
    WEST,
)  # fmt: skip
from neurosim.kernels.route import shorter
from neurosim.kernels.rows import at

# Nothing is allocated inside: counting references to every table at every call would cost 50 times the work.
compiled = jit(_nrt=False)

READY, BLOCKED, LATER, ABSENT = range(4)


@compiled
def transport(fabric, packets, state, passage, limit):
    """Move *packets* until all have been delivered, or up to cycle *limit*; returns the cycle reached, -1 if nothing can move.

    Writes *passage* and *state*, of which the cycles from which cores are free are given.
    """
    return follow(fabric, packets, state, passage, limit)


@inlined
def follow(fabric, packets, state, passage, limit):
    """For code that is compiled with it: `transport`."""
    begin(packets, state, passage)
    scalars, about = state.scalars, packets.about
    targets, count = len(packets.targets), len(packets.by_time)
    due, t = 0, np.int64(0)
    while scalars[DELIVERED] < targets and t < limit:
        receive(fabric, packets, state, t)
        while due < count and at(about, packets.by_time[due]).created <= t:
            start_sending(state, np.int64(at(about, packets.by_time[due]).source))
            due += 1
        send(fabric, packets, state, passage, t)
        ring_alarms(fabric, state, t)
        decide(fabric, packets, state, passage, t)
        t += 1
        if scalars[ACTIVE] + scalars[SENDING] + on_way(state) == 0 and scalars[DELIVERED] < targets:
            soonest = state.alarms[0] >> 32 if scalars[ALARMS] > 0 else NEVER
            if due < count:
                soonest = min(soonest, at(about, packets.by_time[due]).created)
            if soonest == NEVER:
                return -1
            t = max(t, np.int64(min(soonest, limit)))
    end(fabric, packets, state, t)
    return t


@inlined
def begin(packets, state, passage):
    """Every arbiter starts with the first; no core has sent or taken anything."""
    for packet in range(len(passage.packets)):
        sent = at(passage.packets, packet)
        sent.entered = sent.holder = -1
        sent.held = 0
    for target in range(len(passage.targets)):
        taken = at(passage.targets, target)
        taken.arrived = taken.started = -1
    for channel in range(len(state.outputs)):
        state.outputs[channel].asker_turn = 0
    for turn in range(len(state.turns)):
        state.turns[turn] = 0
    for output in range(len(state.links)):
        link = at(state.links, output)
        link.output_turn = link.free = link.stalled = link.passed = 0
        state.entrances[output].turn = 0
    for number in range(len(state.cores)):
        core = at(state.cores, number)
        core.packet = packets.first_of_core[number]
        core.order = packets.first_at_core[number]
        core.turn = core.waiting = core.peak = core.accepted = core.released = 0
    state.scalars[DELIVERED] = 0


@inlined
def end(fabric, packets, state, t):
    """Book the stalls that last to the end, let what is on its way arrive, and put everything to rest."""
    for output in range(len(state.links)):
        link = at(state.links, output)
        link.alarm = 0
        if link.stalled_since >= 0:
            link.stalled += max(t - link.stalled_since, 0)
    receive(fabric, packets, state, np.int64(NEVER))
    for core in range(len(state.cores)):
        state.cores[core].sends = 0
    state.scalars[SENDING] = state.scalars[ALARMS] = 0


@inlined
def post(state, number, time, where, first, last, flit):
    """Let a flit or a credit arrive at *time*, over the lane of that number."""
    lane = at(state.lanes, number)
    place = lane.oldest + lane.many
    if place >= lane.length:
        place -= lane.length
    wire = at(state.wires, lane.begin + place)
    wire.due = time
    wire.where = where
    wire.first = first
    wire.last = last
    wire.flit = flit
    lane.many += 1


@inlined
def on_way(state):
    """Flits and credits that have yet to arrive."""
    many = 0
    for number in range(len(state.lanes)):
        many += state.lanes[number].many
    return many


@inlined
def receive(fabric, packets, state, t):
    """What arrives at *t*."""
    for number in range(len(state.lanes)):
        lane = at(state.lanes, number)
        while lane.many > 0:
            wire = at(state.wires, lane.begin + lane.oldest)
            if wire.due > t:
                break
            if number == CREDIT_LANE:
                credit(fabric, packets, state, np.int64(wire.where), t)
            else:
                store(fabric, state, np.int64(wire.where), wire.first, wire.last, wire.flit, t)
            lane.oldest = after(np.int64(lane.oldest), np.int64(lane.length))
            lane.many -= 1


@inlined
def credit(fabric, packets, state, where, t):
    """A slot beyond an output, or in the router of a core, is free again."""
    if where < 0:
        output = at(state.outputs, ~where)
        output.credits += 1
        if output.taken != 0 and at(state.inputs, output.holder).blocked != 0:
            wake(state, channel_of(fabric, state, np.int64(output.holder)))
        if fabric.whole:
            same = at(state.inputs, ~where)
            wake_waiting(fabric, state, same.router * fabric.ports + same.port)
        return
    source = where - len(state.outputs)
    state.source_credits[source] += 1
    core = source // fabric.channels
    packet = state.cores[core].packet
    if packet < packets.first_of_core[core + 1] and packets.about[packet].created <= t:
        start_sending(state, core)


@inlined
def store(fabric, state, channel, first, last, flit, t):
    """A flit takes the next slot of its channel."""
    here = at(state.inputs, channel)
    slot = at(state.slots, slot_of(fabric, channel, np.int64(here.head), np.int64(here.count)))
    slot.first = first
    slot.last = last
    slot.time = t
    if here.count == 0:
        here.flit = flit
    here.count += 1
    # Behind other flits it changes nothing, unless a branch has had all of those.
    if here.count == 1 or here.only < 0:
        wake(state, channel)


@inlined
def slot_of(fabric, channel, head, number):
    """The slot of the flit with that number, counted from the head."""
    place = head + number
    if place >= fabric.depth:
        place -= fabric.depth
    return channel * fabric.depth + place


@inlined
def wake(state, channel):
    """Let a channel take part in the next decision."""
    here = at(state.inputs, channel)
    if here.place < 0:
        here.place = state.scalars[ACTIVE]
        state.active[here.place] = channel
        state.scalars[ACTIVE] += 1


@inlined
def put_to_sleep(state, channel):
    """Take a channel off the list."""
    here = at(state.inputs, channel)
    state.scalars[ACTIVE] -= 1
    moved = state.active[state.scalars[ACTIVE]]
    state.active[here.place] = moved
    at(state.inputs, moved).place = here.place
    here.place = -1


@inlined
def wait_for(state, row, output):
    """Put a branch on the list of those that look again when something about a link has changed."""
    branch, link = at(state.inputs, row), at(state.links, output)
    if branch.next_waiting == -2:
        branch.next_waiting = link.first_waiting
        link.first_waiting = row


@inlined
def wake_waiting(fabric, state, output):
    """Wake the channels of all branches that wait for a link."""
    link = at(state.links, output)
    while link.first_waiting >= 0:
        row = np.int64(link.first_waiting)
        branch = at(state.inputs, row)
        link.first_waiting = branch.next_waiting
        branch.next_waiting = -2
        wake(state, channel_of(fabric, state, row))


@inlined
def set_alarm(state, output, time):
    """Wake what waits for a link at *time*; one alarm per link is set at once."""
    link, alarms = at(state.links, output), state.alarms
    if link.alarm != 0:
        return
    link.alarm = 1
    alarm = (np.int64(time) << 32) + output
    i = state.scalars[ALARMS]
    state.scalars[ALARMS] += 1
    while i > 0 and alarms[(i - 1) >> 1] > alarm:
        alarms[i] = alarms[(i - 1) >> 1]
        i = (i - 1) >> 1
    alarms[i] = alarm


@inlined
def due_alarm(state, t):
    """Take the next alarm that is due at *t*; returns its link, -1 if there is none."""
    alarms, scalars = state.alarms, state.scalars
    if scalars[ALARMS] == 0 or alarms[0] >> 32 > t:
        return np.int64(-1)
    output = np.int64(alarms[0] & 0xFFFFFFFF)
    scalars[ALARMS] -= 1
    last, size = alarms[scalars[ALARMS]], scalars[ALARMS]
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and alarms[child + 1] < alarms[child]:
            child += 1
        if last <= alarms[child]:
            break
        alarms[i] = alarms[child]
        i = child
    alarms[i] = last
    at(state.links, output).alarm = 0
    return output


@inlined
def ring_alarms(fabric, state, t):
    """Wake what waits for the links whose alarms are due."""
    output = due_alarm(state, t)
    while output >= 0:
        wake_waiting(fabric, state, output)
        output = due_alarm(state, t)


@inlined
def start_sending(state, number):
    """Put a core on the list of those that have something to send."""
    core = at(state.cores, number)
    if core.sends == 0:
        core.sends = 1
        state.senders[state.scalars[SENDING]] = number
        state.scalars[SENDING] += 1


@inlined
def send(fabric, packets, state, passage, t):
    """Every core on the list sends a flit; those that cannot, or have nothing more, leave the list."""
    i = 0
    while i < state.scalars[SENDING]:
        core = np.int64(state.senders[i])
        if send_flit(fabric, packets, state, passage, core, t):
            i += 1
        else:
            state.cores[core].sends = 0
            state.scalars[SENDING] -= 1
            state.senders[i] = state.senders[state.scalars[SENDING]]


@inlined
def send_flit(fabric, packets, state, passage, number, t):
    """One flit of the next packet of a core; returns whether it may go on in the next cycle."""
    core = at(state.cores, number)
    packet = core.packet
    about, following = at(packets.about, packet), at(packets.about, packet + 1)
    if core.into < 0:
        core.into = source_channel(fabric, state, number, about.flits if fabric.whole else 1)
        if core.into < 0:
            return False
        at(passage.packets, packet).entered = t
    source = number * fabric.channels + core.into
    if state.source_credits[source] == 0:
        return False
    state.source_credits[source] -= 1
    port = core.router * fabric.ports + number - core.router * fabric.cores
    into = port * fabric.channels + core.into
    first, last = np.int64(about.first_target), np.int64(following.first_target)
    post(state, np.int64(LOCAL_LANE), t + fabric.local_cycles, into, first, last, np.int64(core.flit))
    core.flit += 1
    if core.flit < about.flits:
        return True
    core.flit = 0
    core.into = -1
    core.packet = packet + 1
    if packet + 1 == packets.first_of_core[number + 1] or following.created > t:
        # Its creation puts the core back on the list.
        return False
    behind = at(passage.packets, packet + 1)
    behind.held = t + 1 - following.created
    behind.holder = packet
    return True


@inlined
def source_channel(fabric, state, number, needed):
    """The virtual channel that takes the next packet of a core, -1 if none has room."""
    core = at(state.cores, number)
    virtual = np.int64(core.turn)
    for _ in range(fabric.channels):
        following = after(virtual, fabric.channels)
        if state.source_credits[number * fabric.channels + virtual] >= needed:
            core.turn = following
            return virtual
        virtual = following
    return np.int64(-1)


@inlined
def after(index, size):
    """The next index, around."""
    return np.int64(index + 1 if index + 1 < size else 0)


@inlined
def distance(index, turn, size):
    """How far *index* lies behind *turn*, around."""
    return index - turn if index >= turn else index - turn + size


@inlined
def decide(fabric, packets, state, passage, t):
    """Allocate channels and switches; channels that can do nothing until something happens fall asleep."""
    scalars = state.scalars
    i = 0
    while i < scalars[ACTIVE]:
        channel = np.int64(state.active[i])
        here = at(state.inputs, channel)
        router, only = np.int64(here.router), np.int64(here.only)
        if here.needed == 0:
            divide(fabric, packets, state, router, channel, t)
            only = np.int64(here.only)
        stays = False
        if only >= 0:
            stays = look(fabric, packets, state, passage, router, channel, channel, only, t)
        else:
            for port in range(fabric.ports):
                if here.needed & (1 << port) != 0:
                    row = branch_of(fabric, state, channel, port)
                    stays |= look(fabric, packets, state, passage, router, channel, row, port, t)
        if stays:
            i += 1
        else:
            put_to_sleep(state, channel)
    for i in range(scalars[ASKED]):
        grant_channel(fabric, state, np.int64(state.asked[i]), t)
    taken = choose(fabric, state)
    for i in range(taken):
        move(fabric, packets, state, passage, np.int64(state.taking[i]), t)
    for i in range(scalars[NAMED]):
        at(state.entrances, state.naming[i]).named = -1
    scalars[ASKED] = scalars[NAMED] = 0


@inlined
def look(fabric, packets, state, passage, router, channel, row, port, t):
    """Let a branch ask for a channel or name a flit; returns whether it looks again in the next cycle."""
    output = router * fabric.ports + port
    if at(state.inputs, row).branch_virtual < 0:
        wanted = free_channel(fabric, packets, state, router, channel, row, port)
        if wanted < 0:
            wait_for(state, row, output)
            block(state, row, output, t)
            return False
        unblock(state, row, output, t)
        ask(fabric, state, router, channel, port, wanted)
        return True
    ready = readiness(fabric, state, passage, router, channel, row, port, t)
    if ready == BLOCKED:
        block(state, row, output, t)
        return False
    unblock(state, row, output, t)
    if ready == READY:
        name(fabric, state, router, channel, port)
    return ready != ABSENT


@inlined
def block(state, row, output, t):
    """A branch finds no room beyond; if nothing leaves by its link, that is stalled."""
    branch, link = at(state.inputs, row), at(state.links, output)
    if branch.blocked == 0:
        branch.blocked = 1
        link.blocked += 1
        if link.blocked == 1:
            link.stalled_since = t


@inlined
def unblock(state, row, output, t):
    """A branch finds room."""
    branch, link = at(state.inputs, row), at(state.links, output)
    if branch.blocked != 0:
        branch.blocked = 0
        link.blocked -= 1
        if link.blocked == 0:
            link.stalled += t - link.stalled_since
            link.stalled_since = -1


@inlined
def divide(fabric, packets, state, router, channel, t):
    """Find the ways on from the head of a channel: its targets in order, cut where the port changes."""
    here = at(state.inputs, channel)
    slot = at(state.slots, slot_of(fabric, channel, np.int64(here.head), np.int64(0)))
    first, last = np.int64(slot.first), np.int64(slot.last)
    flits = np.int64(at(packets.targets, first).flits)
    port = port_towards(fabric, packets, state, router, first)
    if first + 1 == last:
        here.only = port
        here.needed = 1 << port
        start_branch(fabric, state, channel, port, first, last, flits, t)
        return
    here.only = port if port == port_towards(fabric, packets, state, router, last - 1) else -1
    needed = 0
    while first < last:
        needed |= 1 << port
        towards, end = port, first
        while towards == port:
            end += 1
            if end == last:
                break
            towards = port_towards(fabric, packets, state, router, end)
        start_branch(fabric, state, branch_of(fabric, state, channel, port), port, first, end, flits, t)
        first, port = end, towards
    here.needed = needed


@inlined
def start_branch(fabric, state, row, port, first, last, flits, t):
    """A way on for the targets from *first* to before *last*."""
    branch = at(state.inputs, row)
    branch.branch_first = first
    branch.branch_last = last
    branch.branch_virtual = 0 if port < fabric.cores else -1
    branch.since = t
    branch.flits = flits
    branch.sent = 0
    branch.next_waiting = -2


@inlined
def branch_of(fabric, state, channel, port):
    """The row of the branch that leaves a channel by a port."""
    return channel if at(state.inputs, channel).only >= 0 else len(state.outputs) + channel * fabric.ports + port


@inlined
def channel_of(fabric, state, row):
    """The channel that a branch leaves."""
    return row if row < len(state.outputs) else (row - len(state.outputs)) // fabric.ports


@inlined
def port_towards(fabric, packets, state, router, number):
    """The port of a router that leads to a target: first along x, then along y."""
    target, here = at(packets.targets, number), at(state.routers, router)
    dx = shorter(target.column - here.column, fabric.width, fabric.torus)
    dy = shorter(target.row - here.row, fabric.height, fabric.torus)
    along_x = fabric.cores + (EAST if dx > 0 else WEST)
    along_y = fabric.cores + (SOUTH if dy > 0 else NORTH)
    # Every line is a choice between two numbers at hand, not a jump that a processor would guess wrong.
    port = along_y if dy != 0 else target.port
    return np.int64(along_x if dx != 0 else port)


@inlined
def free_channel(fabric, packets, state, router, channel, row, port):
    """The output channel that a branch asks for, -1 if none is free."""
    output = router * fabric.ports + port
    branch = at(state.inputs, row)
    needed = at(packets.targets, branch.branch_first).flits if fabric.whole else 0
    lowest, highest = 0, fabric.channels
    if fabric.torus and fabric.channels > 1:
        # Two classes: before and after the link that closes the ring, so that waiting never goes around it.
        following = np.int64(state.links[output].beyond)
        if will_wrap(fabric, packets, state, following, port, np.int64(branch.branch_first), np.int64(branch.branch_last)):
            highest = fabric.channels // 2
        else:
            lowest = fabric.channels // 2
    virtual = state.turns[channel * fabric.ports + port]
    if virtual < lowest or virtual >= highest:
        virtual = lowest
    for _ in range(lowest, highest):
        wanted = at(state.outputs, output * fabric.channels + virtual)
        if wanted.taken == 0 and wanted.credits >= needed:
            return output * fabric.channels + virtual
        virtual = virtual + 1 if virtual + 1 < highest else lowest
    return -1


@inlined
def will_wrap(fabric, packets, state, router, port, first, last):
    """Whether a branch, once in *router*, has yet to pass the link that closes the ring it travels along."""
    towards = port - fabric.cores
    ahead = towards in (EAST, SOUTH)
    farthest, there = packets.targets[last - 1 if ahead else first], state.routers[router]
    difference = farthest.column - there.column if towards in (EAST, WEST) else farthest.row - there.row
    return difference < 0 if ahead else difference > 0


@inlined
def ask(fabric, state, router, channel, port, number):
    """A branch asks for an output channel."""
    wanted = at(state.outputs, number)
    size = fabric.ports * fabric.channels
    key = distance(channel - router * size, np.int64(wanted.asker_turn), size)
    if wanted.asker < 0:
        state.asked[state.scalars[ASKED]] = number
        state.scalars[ASKED] += 1
    elif key > wanted.asker_key:
        return
    wanted.asker = channel
    wanted.asker_key = key
    wanted.asker_port = port


@inlined
def grant_channel(fabric, state, number, t):
    """An output channel goes to the one whose turn it is."""
    wanted = at(state.outputs, number)
    channel = np.int64(wanted.asker)
    wanted.asker = -1
    wanted.taken = 1
    size = fabric.ports * fabric.channels
    router, port = np.int64(at(state.inputs, channel).router), np.int64(wanted.asker_port)
    virtual = number - (router * fabric.ports + port) * fabric.channels
    wanted.asker_turn = after(channel - router * size, size)
    wanted.holder = branch_of(fabric, state, channel, port)
    branch = at(state.inputs, wanted.holder)
    branch.branch_virtual = virtual
    branch.since = t
    state.turns[channel * fabric.ports + port] = after(virtual, fabric.channels)


@inlined
def readiness(fabric, state, passage, router, channel, row, port, t):
    """Whether the next flit of a branch can take the switch; if not now, what wakes it has been arranged."""
    here, branch = at(state.inputs, channel), at(state.inputs, row)
    output = router * fabric.ports + port
    number = np.int64(branch.sent - here.flit)
    if number >= here.count:
        return ABSENT
    if branch.since >= t:
        return LATER
    if branch.sent > 0 and at(state.slots, slot_of(fabric, channel, np.int64(here.head), np.int64(number))).time >= t:
        return LATER
    if port < fabric.cores:
        if branch.sent == 0 and full(fabric, state, passage, output, router * fabric.cores + port, t):
            wait_for(state, row, output)
            return BLOCKED
    elif at(state.outputs, output * fabric.channels + branch.branch_virtual).credits == 0:
        return BLOCKED
    link = at(state.links, output)
    if link.free > t:
        wait_for(state, row, output)
        set_alarm(state, output, np.int64(link.free))
        return ABSENT
    return READY


@inlined
def full(fabric, state, passage, output, number, t):
    """Whether the queue of a core has no room at *t*; if so the alarm is set for when it will have."""
    core = at(state.cores, number)
    while core.released < core.accepted:
        started = at(passage.targets, state.order[core.order + core.released]).started
        if started > t:
            if core.waiting >= fabric.queue:
                set_alarm(state, output, np.int64(started))
            break
        core.released += 1
        core.waiting -= 1
    return core.waiting >= fabric.queue


@inlined
def name(fabric, state, router, channel, port):
    """An input port names one of its flits, that of the channel whose turn it is."""
    number = router * fabric.ports + at(state.inputs, channel).port
    entrance = at(state.entrances, number)
    key = distance(channel - number * fabric.channels, np.int64(entrance.turn), fabric.channels) * fabric.ports + port
    if entrance.named < 0:
        state.naming[state.scalars[NAMED]] = number
        state.scalars[NAMED] += 1
    elif key > entrance.named_key:
        return
    entrance.named = channel
    entrance.named_key = key
    entrance.named_port = port


@inlined
def choose(fabric, state):
    """Every output port takes the flit of one input port; returns how many do."""
    taken = 0
    for i in range(state.scalars[NAMED]):
        number = np.int64(state.naming[i])
        entrance = at(state.entrances, number)
        port = np.int64(at(state.inputs, entrance.named).port)
        output = number - port + entrance.named_port
        link = at(state.links, output)
        key = distance(port, np.int64(link.output_turn), fabric.ports)
        if link.winner < 0:
            state.taking[taken] = output
            taken += 1
        elif key > link.winner_key:
            continue
        link.winner = number
        link.winner_key = key
    return taken


@inlined
def move(fabric, packets, state, passage, output, t):
    """The flit that an output has chosen takes the switch."""
    link = at(state.links, output)
    entrance = at(state.entrances, link.winner)
    channel, port = np.int64(entrance.named), np.int64(entrance.named_port)
    here = at(state.inputs, channel)
    branch = at(state.inputs, branch_of(fabric, state, channel, port))
    tail = branch.sent + 1 == branch.flits
    entrance.turn = after(channel - link.winner * fabric.channels, fabric.channels)
    link.output_turn = after(np.int64(here.port), fabric.ports)
    link.winner = -1
    link.free = t + link.interval
    link.passed += 1
    if link.blocked > 0:
        link.stalled += t - link.stalled_since
        link.stalled_since = t + 1
    if port < fabric.cores:
        core = np.int64(here.router * fabric.cores + port)
        deliver(packets, state, passage, core, np.int64(branch.branch_first), np.int64(branch.sent), tail, t + link.delay)
        if tail and link.first_waiting >= 0:
            full(fabric, state, passage, output, core, t)
    else:
        into = at(state.outputs, output * fabric.channels + branch.branch_virtual)
        into.credits -= 1
        if tail:
            into.taken = 0
            wake_waiting(fabric, state, output)
        # East and west, south and north are the ends of one link.
        end = link.beyond * fabric.ports + fabric.cores + ((port - fabric.cores) ^ 1)
        beyond = end * fabric.channels + branch.branch_virtual
        first, last = np.int64(branch.branch_first), np.int64(branch.branch_last)
        post(state, np.int64(link.lane), t + link.delay, np.int64(beyond), first, last, np.int64(branch.sent))
    branch.sent += 1
    if tail:
        here.needed &= ~(1 << port)
    if here.only >= 0 or least_sent(fabric, state, channel, np.int64(branch.flits)) > here.flit:
        release(fabric, packets, state, passage, channel, np.int64(branch.branch_first), t)


@inlined
def least_sent(fabric, state, channel, flits):
    """Flits of the packet at the head of a channel that all its branches have had."""
    here = at(state.inputs, channel)
    for port in range(fabric.ports):
        if here.needed & (1 << port) != 0:
            flits = min(flits, at(state.inputs, branch_of(fabric, state, channel, port)).sent)
    return flits


@inlined
def deliver(packets, state, passage, number, target, flit, tail, arrival):
    """A flit is on its way into a core, which works off packets in the order in which they are complete."""
    core = at(state.cores, number)
    if flit == 0:
        core.waiting += 1
        core.peak = max(core.peak, core.waiting)
    if tail:
        taken = at(passage.targets, target)
        taken.arrived = arrival
        taken.started = max(arrival, core.free)
        core.free = taken.started + at(packets.targets, target).service
        state.order[core.order + core.accepted] = target
        core.accepted += 1
        state.scalars[DELIVERED] += 1


@inlined
def release(fabric, packets, state, passage, channel, first, t):
    """The flit at the head of a channel leaves its slot, and a credit goes back."""
    here = at(state.inputs, channel)
    none = np.int64(0)
    post(state, np.int64(CREDIT_LANE), t + fabric.credit_cycles, np.int64(state.back[channel]), none, none, none)
    here.count -= 1
    here.flit = 0 if here.needed == 0 else here.flit + 1
    if here.count == 0:
        # Empty channels use their first slot again, which is still in the cache.
        here.head = 0
        put_to_sleep(state, channel)
        return
    here.head = after(np.int64(here.head), fabric.depth)
    if here.needed == 0:
        slot = at(state.slots, slot_of(fabric, channel, np.int64(here.head), np.int64(0)))
        waited = t + 1 - slot.time
        behind = at(passage.packets, at(packets.targets, slot.first).owner)
        ahead = at(packets.targets, first).owner
        # Of packets that held it equally long, in several places of a tree, the first.
        if waited > behind.held or (waited == behind.held and ahead < behind.holder):
            behind.held = waited
            behind.holder = ahead
