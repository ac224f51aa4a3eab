"""Analytic timing of many turns at once: the same bounds as `neurosim.noc.analytic` gives turn by turn."""

from __future__ import annotations

import numpy as np

from neurosim.agenda import Agenda
from neurosim.delivery import Delivery
from neurosim.kernels.bound import bound_packets
from neurosim.noc.analytic import AnalyticNetwork
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import occupied
from neurosim.tally import Pace, Tally

# Numbers in a table by turn and link.
MOST = 2**17
NEVER = np.iinfo(np.int64).max

Ways = tuple[np.ndarray, np.ndarray, np.ndarray]


class Bound:
    """The least time that the turns of *agenda* need."""

    def __init__(self, agenda: Agenda):
        self.agenda = agenda
        chip = agenda.mapping.chip
        self.machine, flits, tree = chip.machine, chip.mesh.flits_per_packet, chip.mesh.delivery == "multicast"
        # The packets of a core leave at the pace of the slower: their making or their flits.
        self.sending = tree, max(chip.operation.packet.cycles, flits), flits
        self.most = max(1, MOST // max(self.machine.grid.links, self.machine.grid.cores))
        layers, deliveries = agenda.mapping.network.layers, agenda.expansion.deliveries
        senders = [layers[layer].name for layer in agenda.schedule.sends]
        self.ways = {name: ways(self.machine, deliveries[name], flits, tree) for name in senders}

    def run(self, turns: range) -> Pace:
        """Time and sums of these turns."""
        grid, machine, work = self.machine.grid, self.machine, self.agenda.work(turns)
        sent, last_out, served, stalled = np.zeros((4, len(turns), grid.cores), np.int64)
        first_in, links = np.full((len(turns), grid.cores), NEVER), np.zeros((len(turns), grid.links), np.int64)
        for name, rows, turn in self.agenda.travelling(turns):
            delivery, bits = self.agenda.expansion.deliveries[name], self.agenda.spikes(name)[rows.start : rows.stop]
            sums = sent, first_in, last_out, served, stalled, links
            bound_packets(
                bits, delivery.segment, delivery.columns, self.ways[name], self.sending, turn, self.agenda.schedule.stride, sums
            )
        free = occupied(work.fetch, work.local)
        free = np.where(first_in < NEVER, np.maximum(free, first_in) + served, free)
        free = np.maximum(free, last_out)
        # After the first flit of a link, one per interval.
        delivered = np.maximum(free.max(1), ((links - 1) * machine.intervals).max(1))
        update = work.update.max(1)
        cycles = delivered + update + machine.barrier_cycles
        last = np.arange(len(turns)), free.argmax(1)
        worked = np.minimum((work.local + served)[last], delivered)
        split = np.stack([worked, delivered - worked, update, np.full(len(turns), machine.barrier_cycles)], 1)
        tally = Tally.empty(grid)
        tally.busy += (work.local + work.update + served).sum(0)
        tally.waiting += (work.waiting + stalled).sum(0)
        tally.flits += links.sum(0)
        tally.peak_use[:] = (links * machine.intervals / np.maximum(cycles, 1)[:, None]).max(0)
        return Pace(cycles, split, tally)


def ways(machine: Machine, delivery: Delivery, flits: int, tree: bool) -> Ways:
    """As `neurosim.kernels.bound.bound_packets` takes them."""
    many = np.diff(delivery.first)
    source = np.repeat(delivery.sender, many)
    distance = AnalyticNetwork(machine).unhindered(source, delivery.core, flits)
    if tree:
        ends, links = machine.grid.trees(delivery.sender, delivery.first, delivery.core)
        return distance, ends, links
    ends, links = machine.grid.trees(source, np.arange(len(source) + 1), delivery.core)
    return distance, ends[delivery.first], links
