"""The agenda of a run: in which turn spikes travel and cores work, see `neurosim.timing.schedule`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from neurosim.cost.activity import Activity
from neurosim.kernels.bounds import add_work
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import INPUT
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.packet_tables import PacketWriter, Spiking
from neurosim.timing.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Work:
    """Cycles of the cores' own work, int64 [rows, bricks] or [turns, cores]: fetch, of the ports of memories that serve all
    cores in turn; local, on images and on spikes from outside; update; waiting, those of local and update that wait for
    memories."""

    fetch: np.ndarray
    local: np.ndarray
    update: np.ndarray
    waiting: np.ndarray

    def __len__(self) -> int:
        return len(self.update)


class Known(NamedTuple):
    """Of some rows: work, and the spikes of whatever sends, uint8 [rows, bytes], packed."""

    work: Work
    spikes: dict[str, np.ndarray]


class Agenda:
    """Takes a run, slice by slice in order, and says what happens in the turns that are thereby known."""

    def __init__(self, trace: SpikeTrace, mapping: Mapping, schedule: Schedule):
        self.trace, self.mapping, self.schedule = trace, mapping, schedule
        self.rows = len(trace) * trace.timesteps
        self.packets = PacketWriter(mapping)
        layers = mapping.network.layers
        self.sending = [layers[layer].name for layer in schedule.sends]
        self.sending += [INPUT] * (mapping.network.input.encoding == "spikes")
        self.known: dict[int, Known] = {}

    @property
    def turns(self) -> int:
        return self.schedule.turns(self.rows)

    def add(self, part: SpikeTrace, activity: Activity, first: int) -> int:
        """Take a part of the trace and its activity, from row *first* on; returns the turns that are known."""
        rows = len(part) * part.timesteps
        spikes = {name: part.bits_of(name).reshape(rows, -1) for name in self.sending}
        self.known[first] = Known(work_of(activity, self.packets, spikes.get(INPUT), self.mapping, first), spikes)
        return self.schedule.ready(first + rows, self.rows)

    def forget(self, turn: int) -> None:
        """Drop what no turn from *turn* on needs."""
        oldest = self.schedule.oldest(turn)
        self.known = {first: known for first, known in self.known.items() if first + len(known.work) > oldest}

    def spikes(self, population: str, rows: range) -> np.ndarray:
        """uint8 [rows, bytes], packed, of rows that are known."""
        parts = [known.spikes[population][part] for _, known, part in self._parts(rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def travelling(self, turns: range) -> list[tuple[str, range, int]]:
        """(population, rows whose spikes travel in these turns, number among these turns of the first of them)."""
        layers, stride = self.mapping.network.layers, self.schedule.stride
        found = []
        sends = [*self.schedule.sends.items()]
        for place in self.schedule.busy([offset for _, offset in sends], turns, self.rows):
            layer, offset = sends[place]
            rows = self.schedule.rows(offset, turns, self.rows)
            found.append((layers[layer].name, rows, rows.start * stride + offset - turns.start))
        return found

    def spiking(self, turns: range) -> list[Spiking]:
        """What travels in these turns, which are numbered from the first of them."""
        stride = self.schedule.stride
        return [
            Spiking(name, self.packets.ordered(name, self.spikes(name, rows)), turn, stride)
            for name, rows, turn in self.travelling(turns)
        ]  # fmt: skip

    def work(self, turns: range) -> Work:
        """By turn and core."""
        total = Work(*np.zeros((4, len(turns), self.mapping.grid.cores), np.int64))
        for layer in self.schedule.busy(self.schedule.works, turns, self.rows):
            offset, mine = self.schedule.works[layer], np.flatnonzero(self.mapping.layer_of == layer)
            rows = self.schedule.rows(offset, turns, self.rows)
            for first, known, part in self._parts(rows):
                turn = first * self.schedule.stride + offset - turns.start
                for field in fields(Work):
                    by_brick = getattr(known.work, field.name)[part]
                    add_work(by_brick, mine, self.mapping.cores, turn, self.schedule.stride, getattr(total, field.name))
        return total

    def _parts(self, rows: range) -> Iterator[tuple[int, Known, slice]]:
        """(a row from which on something is known, what, and which of it) of all of these rows that are known."""
        for first, known in self.known.items():
            start, stop = max(first, rows.start), min(first + len(known.work), rows.stop)
            if start < stop:
                yield start, known, slice(start - first, stop - first)


def work_of(activity: Activity, packets: PacketWriter, outside: np.ndarray | None, mapping: Mapping, first: int) -> Work:
    """The cycles of the cores' own work, by row and brick; *outside*: spikes fed from outside, uint8 [rows, bytes], if any."""
    update, local, waiting = activity.update_cycles, activity.image_cycles, activity.waiting_cycles
    if outside is not None:
        work, waits = packets.outside(outside)
        local, waiting = local + work, waiting + waits
    words = activity.input_words
    fetch = mapping.chip.home("input").cycles(words, 0 * words)
    for spill in mapping.spills:
        cycles = spill.cycles(first, len(update), mapping.network.timesteps)
        # A memory of the core's own keeps it waiting, one for all cores serves them in turn.
        if spill.back.per == "core":
            local, waiting = local + cycles, waiting + cycles
        else:
            fetch = fetch + cycles
    return Work(fetch, local, update, waiting)
