"""From spikes to the packets that they cause, and to the work of cores on those fed from outside."""

from __future__ import annotations

import numpy as np

from neurosim.kernels import fabric as f
from neurosim.kernels.bounds import work_outside
from neurosim.kernels.fabric import table
from neurosim.kernels.packets import count_packets, fill_packets, list_spikes
from neurosim.mapping.delivery import Delivery
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import INPUT


class PacketWriter:
    """Writes the packets that spikes cause."""

    def __init__(self, mapping: Mapping):
        self.mapping, self.deliveries = mapping, mapping.deliveries

    def tables(self, populations: list[tuple[str, np.ndarray]]) -> tuple[np.recarray, np.recarray]:
        """(ABOUT, TARGET) of the packets of (name, packed spikes uint8 [bytes]) populations, see `neurosim.kernels.fabric`."""
        chip, cores = self.mapping.chip, self.mapping.grid.cores
        tree = chip.mesh.delivery == "multicast"
        found = [(self.deliveries[name], *self._listed(self.deliveries[name], bits)) for name, bits in populations]
        packets, targets = np.zeros(cores, np.int64), np.zeros(cores, np.int64)
        for delivery, column, _ in found:
            count_packets(column, delivery.first, delivery.sender, tree, packets, targets)
        about, arriving = table(f.ABOUT, int(packets.sum()) + 1), table(f.TARGET, int(targets.sum()))
        about[-1].first_target = len(arriving)
        next_packet, next_target, sent = np.cumsum(packets) - packets, np.cumsum(targets) - targets, np.zeros(cores, np.int64)
        for delivery, column, channel in found:
            latched = np.zeros(len(delivery.segment) * delivery.windows, np.uint8)
            fill_packets(
                spikes=(column, channel, latched), delivery=delivery.columns, tree=tree, step=chip.operation.packet.cycles,
                flits=chip.mesh.flits_per_packet, next_packet=next_packet, next_target=next_target, sent=sent, about=about,
                targets=arriving,
            )  # fmt: skip
        return about, arriving

    def outside(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int64 [rows, bricks] each: cycles of work on the spikes fed from outside, uint8 [rows, bytes]; those of them that
        wait for memories."""
        delivery = self.deliveries[INPUT]
        work, waits = np.zeros((2, len(bits), len(self.mapping.bricks)), np.int64)
        work_outside(bits, delivery.segment, delivery.columns, work, waits)
        return work, waits

    def _listed(self, delivery: Delivery, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(column, channel) of every spike."""
        column, channel = np.empty((2, len(delivery.segment) * delivery.sites), np.int32)
        n = list_spikes(bits, delivery.segment, delivery.sites, column, channel)
        return column[:n], channel[:n]
