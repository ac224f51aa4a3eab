"""The tables on which the packet network works: what is given, what happens, and the state in between.

A row holds what is looked at together: with one array per column the loops are half as fast. All columns are int32; cycles are
counted up to 2^31.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

EAST, WEST, SOUTH, NORTH = range(4)
NEVER = UNLIMITED = 2**31 - 1
CREDIT_LANE, LOCAL_LANE, LINK_LANE, CHIP_LANE = range(4)
# Places in State.scalars: packets delivered, active channels, cores that send, alarms set, output channels asked for,
# input ports that name a flit.
DELIVERED, ACTIVE, SENDING, ALARMS, ASKED, NAMED = range(6)


def row(names: str, sets: str = "", small: str = "") -> np.dtype:
    """Columns of a table: sets of bits, int64, then numbers, int32, then small ones, int8; the size of a row is a power of two,
    so that finding it is a shift."""
    columns = [(name, width) for names, width in ((sets, 8), (names, 4), (small, 1)) for name in names.split()]
    offsets = [sum(width for _, width in columns[:i]) for i in range(len(columns) + 1)]
    size = 1 << (offsets.pop() - 1).bit_length()
    formats = [f"i{width}" for _, width in columns]
    return np.dtype({"names": [name for name, _ in columns], "formats": formats, "offsets": offsets, "itemsize": size})


# Packets: cycle from which it may leave, flits, first of its targets, core it leaves from.
ABOUT = row("created flits first_target source")
# Targets: cycles that the core works on the packet, of which waiting for a memory, the packet and its flits, where the core
# is, the core.
TARGET = row("service stall owner flits column row port core")
# What became of a packet: cycle in which the first flit left its core, longest time that it was next in a buffer behind
# another packet, and that one.
SENT_PACKET = row("entered held holder")
# Cycle in which the last flit reached the core, in which the core took the packet out of its queue.
TAKEN_PACKET = row("arrived started")

# Input channels: where they are, first slot of the flits in the buffer, how many there are, number of the first within its
# packet, place in the list of active channels (-1: asleep), ports that the packet at the head still needs (a set of bits, 0
# before they are known) and the only one if there is one (else -1). Of each way on (a branch): targets, virtual channel of
# the output (-1 before it is allocated), cycle of its allocation, flits sent, whether it is blocked, what waits for the same
# link after it (-1; -2: it does not wait), flits in all. An only branch is in the row of its channel; for those of packets
# that divide there are further rows, one per channel and port.
INPUT = row(
    "router port head count flit place needed only "
    "branch_first branch_last branch_virtual since sent blocked next_waiting flits"
)
# Slots of buffers: targets that this copy of the packet is for, cycle of arrival.
SLOT = row("first last time")
# Output channels: free slots beyond, whether a packet has it, which branch that is, the input channel it serves first; in a
# decision: who asks for it (-1), how far behind the turn, towards which port.
OUTPUT = row("credits taken holder asker_turn asker asker_key asker_port")
# Ports of routers. As outputs: cycles to what lies beyond and between flits, the router beyond, the lane of the flits, cycle
# from which the link is free, blocked branches, cycle since which it is stalled (-1), cycles stalled, flits passed, first
# branch that waits for it (-1), whether an alarm is set for it, input port served first; in a decision: the winning input
# port (-1).
LINK = row(
    "delay interval beyond lane free blocked stalled_since stalled passed first_waiting alarm output_turn winner winner_key"
)
# The same ports as inputs: virtual channel named first; in a decision: the channel named (-1), how far behind the turn, the
# port it is named for.
ENTRANCE = row("turn named named_key named_port")
# Routers: where they are.
ROUTER = row("column row")
# Cores. Sending: next packet and flit, virtual channel it goes into (-1), the one to try first, whether it sends. Taking:
# packets in the queue or with leave to enter it, most of them, how many are complete, how many taken out, cycle from which it
# is free, where its part of FabricState.order begins. Its router.
CORE = row("packet flit into turn sends waiting peak accepted released free order router")
# What has the same delay arrives in the order in which it left: the part of FabricState.wires that a lane has, first of them on
# its way, and how many are.
LANE = row("begin length oldest many")
# On its way: cycle of arrival, where (an input channel; ~output channel: a credit; from the number of channels on: a credit
# of a core), targets of the copy, number of the flit.
WIRE = row("due where first last flit")


class Fabric(NamedTuple):
    """Sizes and rules. Ports of a router: its cores, then east, west, south, north."""

    width: int
    height: int
    torus: bool
    cores: int  # per router
    ports: int
    channels: int  # virtual, per port
    depth: int  # flits per virtual channel
    whole: bool  # a packet moves on only into a channel with room for all of it
    credit_cycles: int
    local_cycles: int  # from a core into its router
    queue: int  # packets that a core's queue holds


class Packets(NamedTuple):
    """Packets by source core, in the order in which they leave; the targets of one packet by their offset from the source."""

    about: np.recarray  # ABOUT [packets + 1], the last row closes first_target
    targets: np.recarray  # TARGET [targets]
    first_of_core: np.ndarray  # int32 [cores + 1]
    by_time: np.ndarray  # int32 [packets], sorted by creation
    first_at_core: np.ndarray  # int32 [cores + 1], targets at lower cores


class Passage(NamedTuple):
    """What happened; -1 where it did not."""

    packets: np.recarray  # SENT_PACKET [packets]
    targets: np.recarray  # TAKEN_PACKET [targets]


class FabricState(NamedTuple):
    """Everything that changes while packets travel, with what is fixed about the same things."""

    inputs: np.recarray
    back: np.ndarray  # int32 [channels], where the credits of an input channel go: as WIRE.where
    turns: np.ndarray  # int32 [channels * ports], virtual channel to ask for first
    slots: np.recarray
    outputs: np.recarray
    links: np.recarray
    entrances: np.recarray
    routers: np.recarray
    active: np.ndarray  # int32 [channels], a list
    cores: np.recarray
    source_credits: np.ndarray  # int32 [cores * channels]
    order: np.ndarray  # int32 [targets], as each core takes them
    lanes: np.recarray
    wires: np.recarray
    alarms: np.ndarray  # int64 [links], a heap of cycle * 2^32 + link
    senders: np.ndarray  # int32 [cores], a list
    asked: np.ndarray  # int32 [channels], a list
    naming: np.ndarray  # int32 [links], a list
    taking: np.ndarray  # int32 [links], a list
    scalars: np.ndarray  # int32 [6]


def table(columns: np.dtype, rows: int, **values: np.ndarray | int) -> np.recarray:
    """Rows of zeros with some columns set."""
    out = np.zeros(rows, columns).view(np.recarray)
    for name, value in values.items():
        out[name] = value
    return out
