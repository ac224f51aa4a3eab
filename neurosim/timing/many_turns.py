"""Packet timing of many turns at once: the same as `neurosim.timing.timeline.TurnByTurn` with a `PacketNetwork`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurosim.kernels.turns import Desk, Own, Sums, take_single_turns, take_turns
from neurosim.noc.packet_network import PacketNetwork, too_long
from neurosim.timing.agenda import Agenda, Work
from neurosim.timing.tally import Pace

# Numbers in a table by turn and core; packets that are written down at once, of more than one turn.
MOST = 2**17
MOST_PACKETS = 2**18


class ManyTurns:
    """Sends the packets of many turns through the compiled network at one call, by one thread at a time."""

    def __init__(self, agenda: Agenda):
        self.agenda = agenda
        self.machine = agenda.mapping.chip.machine
        writer = agenda.packets
        self.tables = PacketNetwork(self.machine).tables(writer.flits == 1 and not writer.tree)
        self.most = max(1, MOST // self.machine.grid.cores)

    def run(self, turns: range) -> Pace:
        """Time and sums of these turns."""
        pace, work = Pace.empty(len(turns), self.machine.grid), self.agenda.work(turns)
        pace.tally.waiting += work.waiting.sum(0)
        packets, targets = self.agenda.packets.counted(self.agenda.spiking(turns), len(turns))
        for part in parts(packets.sum(1)):
            self._take(turns[part], part, packets[part], targets[part], work, pace)
        return pace

    def _take(self, turns: range, part: slice, packets: np.ndarray, targets: np.ndarray, work: Work, pace: Pace) -> None:
        """Some of the turns, of which *part* says which of *work* and *pace* they are; packets, targets: by turn and core."""
        machine, tally, writer = self.machine, pace.tally, self.agenda.packets
        written = writer.written(self.agenda.spiking(turns), packets, targets)
        most = int(packets.sum(1).max())
        state, passage = self.tables.room(most, int(targets.sum(1).max()))
        none = np.zeros((0, 0), np.int64)
        take = take_single_turns if self.tables.single else take_turns
        done, latest = take(
            network=(self.tables.fabric, state, passage), turns=written,
            own=Own(work.fetch[part], work.local[part], work.update[part]),
            rules=(writer.step, machine.intervals, machine.barrier_cycles), pace=(pace.cycles[part], pace.split[part]),
            sums=Sums(
                busy=tally.busy, waiting=tally.waiting, refused=tally.refused, peak=tally.peak, flits=tally.flits,
                stalled=tally.stalled, peak_use=tally.peak_use, blocked=none if tally.blocked is None else tally.blocked,
            ),
            desk=desk(machine.grid.cores, most, int(packets.max())),
        )  # fmt: skip
        if done < len(turns):
            raise too_long(latest) if latest else self.tables.locked()


def desk(cores: int, packets: int, of_core: int) -> Desk:
    """Room for the packets of one turn, and for so many of a core."""
    first_of_core, first_at_core = np.zeros((2, cores + 1), np.int32)
    return Desk(
        by_time=np.zeros(packets, np.int32), many=np.zeros(of_core + 2, np.int64), first_of_core=first_of_core,
        first_at_core=first_at_core, served=np.zeros(cores, np.int64),
    )  # fmt: skip


def parts(packets: np.ndarray) -> Iterator[slice]:
    """Cut turns where the packets of those before are enough."""
    begin = total = 0
    for turn, many in enumerate(packets.tolist()):
        if turn > begin and total + many > MOST_PACKETS:
            yield slice(begin, turn)
            begin, total = turn, 0
        total += many
    yield slice(begin, len(packets))
