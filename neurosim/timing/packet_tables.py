"""From spikes to the packets that they cause, and to the work of cores on those fed from outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurosim.bits import by_site
from neurosim.kernels import fabric as f
from neurosim.kernels.bounds import nothing, work_outside
from neurosim.kernels.fabric import table
from neurosim.kernels.packets import count_packets, fill_packets
from neurosim.kernels.turns import Turns
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import INPUT


class Spiking(NamedTuple):
    """Spikes of a population that travel: uint8 [rows, bytes], as `PacketWriter.ordered` has them; the turn of the first row,
    and from row to row."""

    population: str
    bits: np.ndarray
    turn: int
    stride: int


class PacketWriter:
    """Writes the packets that spikes cause."""

    def __init__(self, mapping: Mapping):
        chip = mapping.chip
        self.deliveries, self.cores, self.bricks = mapping.deliveries, mapping.grid.cores, len(mapping.bricks)
        self.tree, self.step = chip.mesh.delivery == "multicast", chip.operation.packet.cycles
        self.flits = chip.mesh.flits_per_packet

    def ordered(self, name: str, bits: np.ndarray) -> np.ndarray:
        """Spikes of a population, uint8 [rows, bytes], in the order in which they are sent: by site where cores keep what the
        spikes of a site are added to in registers, else by channel."""
        to = self.deliveries[name]
        return by_site(bits, len(to.segment), to.sites) if len(to.lead) else bits

    def counted(self, spiking: list[Spiking], turns: int) -> tuple[np.ndarray, np.ndarray]:
        """(packets, targets of them), int64 [turns, cores], by sending core."""
        packets, targets = np.zeros((2, turns, self.cores), np.int64)
        for name, bits, turn, stride in spiking:
            to = self.deliveries[name]
            count_packets(bits, to.segment, to.columns, self.tree, turn, stride, packets, targets)
        return packets, targets

    def written(self, spiking: list[Spiking], packets: np.ndarray, targets: np.ndarray) -> Turns:
        """The packets of turns in which there are so many, as `counted` says."""
        first_packet, first_target = starts(packets.sum(1) + 1), starts(targets.sum(1))
        about, arriving = table(f.ABOUT, first_packet[-1]), table(f.TARGET, first_target[-1])
        about["first_target"][first_packet[1:] - 1] = np.diff(first_target)
        next_packet, next_target = starts(packets), starts(targets)
        turns = Turns(about, arriving, first_packet, first_target, next_packet.copy())
        for name, bits, turn, stride in spiking:
            to = self.deliveries[name]
            fill_packets(
                bits=bits, segment=to.segment, delivery=to.columns, sending=(self.tree, self.step, self.flits), turn=turn,
                stride=stride, turns=turns, next_packet=next_packet, next_target=next_target,
                latched=np.zeros(to.room[-1], np.uint8),
            )  # fmt: skip
        return turns

    def outside(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [rows, bricks] each: cycles of work on the spikes fed from outside, uint8 [rows, bytes]; those of them that
        wait for memories."""
        delivery = self.deliveries[INPUT]
        work, waits = np.zeros((2, len(bits), self.bricks), np.int64)
        gathered = nothing(*delivery.room)
        bits = self.ordered(INPUT, bits)
        work_outside(bits, delivery.segment, delivery.columns, work, waits, np.zeros(1, np.int64), gathered)
        return work, waits


def starts(many: np.ndarray) -> np.ndarray:
    """int64 [..., n + 1]: the sum of all before."""
    found = np.zeros((*many.shape[:-1], many.shape[-1] + 1), np.int64)
    np.cumsum(many, -1, out=found[..., 1:])
    return found
