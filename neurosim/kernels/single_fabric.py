"""The tables on which packets of one flit for one core travel; what is not said here is as in `neurosim.kernels.fabric`.

A set is a number with a bit for each of those in it: input channels of a router, its ports, or virtual channels of a port. What
`neurosim.kernels.fabric` spreads over rows by role is here in one row by place: a channel is an input channel of its router and
the virtual channel of the output port of the same number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurosim.kernels.fabric import row

# A channel is (router, port, virtual channel), a port (router, port), a slot (channel, place): numbers made of these by shifts
# that the compiler knows, with room for so many. Shifts by numbers that it does not know cost a tenth of the speed.
VIRTUAL_BITS, PORT_BITS, SLOT_BITS = 2, 3, 3
CHANNEL_BITS = PORT_BITS + VIRTUAL_BITS
VIRTUAL_MASK, PORT_MASK, CHANNEL_MASK, SLOT_MASK = (2**bits - 1 for bits in (VIRTUAL_BITS, PORT_BITS, CHANNEL_BITS, SLOT_BITS))
VIRTUAL_SET = 2**2**VIRTUAL_BITS - 1
# Of CHANNEL.turns, which has a virtual channel, or the number after the last, for every port.
TURN_BITS, TURN_MASK = 3, 7
CREDIT_LANE, CORE_CREDIT_LANE, LOCAL_LANE, LINK_LANE, CHIP_LANE = range(5)
# Places in SingleState.scalars: packets delivered, and how many are on the lists of SingleState.lists and SingleState.alarms.
DELIVERED, ACTIVE, SENDING, ALARMS, DECIDING, HEADS, GRANTED, TAKEN, TOUCHED = range(9)

# Routers: channels that could take the switch; where they are, whether they are on the list of those that have such channels,
# whether anything has happened in them.
SINGLE_ROUTER = row("column row awake touched", sets="ready")
# Ports. As outputs: channels that ask for a virtual channel, or of a core for the port, and those that have asked for a core
# since an earlier cycle; cycles to what lies beyond and between flits, the first channel there, cycle from which the link is
# free, cycle since which it is stalled (-1), cycles stalled, flits passed; virtual channels that are not taken, and those that
# were given without credits; the lane of the flits, whether an alarm is set, whether the port is on the list of those that
# decide, the input port served first. As inputs: the first of the channels to which credits go back (of a core: its own, the
# credits being those of the core), the lane of the credits, the virtual channel named first.
SINGLE_LINK = row(
    "delay interval beyond busy stalled_since stalled passed before", sets="asking seen",
    small="open starved lane credit_lane alarm awake output_turn input_turn",
)  # fmt: skip
# Channels. As inputs: by output port the virtual channel to ask for first; slot of the head, slot of the packet that leaves for
# here next, packets that have arrived, output port and virtual channel of the head. As outputs: free slots beyond, the channel
# that has it, the channel served first.
CHANNEL = row("", sets="turns", small="head tail count port virtual credits holder turn")
# Slots: the packet, the cycle of its arrival.
SINGLE_SLOT = row("packet time")
# Cores, with the virtual channels that have a free slot, and the first channel of the input port.
SINGLE_CORE = row("packet turn room into sends peak accepted released free order")
# The length is mask + 1.
SINGLE_LANE = row("begin mask oldest next")
# On its way: cycle of arrival, the channel that a packet has a slot in, or that a credit is for.
NEWS = row("due where")
# Lists side by side: routers with channels that are ready, cores that send, ports that decide, channels with a packet new at
# their head, those that were given a virtual channel, those that take the switch, routers in which something has happened.
LISTS = row("active sending deciding heads granted taken touched")
# For a decision: who asks for a virtual channel or a port, the channel that an input port names.
ARBITER = row("", sets="askers named")


class SingleFabric(NamedTuple):
    """Sizes and rules."""

    cores: int
    ports: int
    channels: int
    paced: bool  # there are links with pauses between flits
    credit_cycles: int
    local_cycles: int
    queue: int


class SingleState(NamedTuple):
    """Everything that changes while packets travel, with what is fixed about the same things."""

    routers: np.recarray
    links: np.recarray
    channels: np.recarray
    slots: np.recarray
    cores: np.recarray
    order: np.ndarray  # int32 [targets], as each core takes them
    lanes: np.recarray
    news: np.recarray
    alarms: np.ndarray  # int64 [links], a heap of cycle * 2^32 + link
    lists: np.recarray
    arbiters: np.recarray
    scalars: np.ndarray  # int32 [9]
