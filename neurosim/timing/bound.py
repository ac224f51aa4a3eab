"""Analytic timing of many turns at once: the same bounds as `neurosim.noc.analytic` gives turn by turn."""

from __future__ import annotations

import numpy as np

from neurosim.kernels.bounds import NEVER, bound_packets, close_turns, nothing
from neurosim.mapping.delivery import Delivery
from neurosim.noc.analytic import AnalyticNetwork
from neurosim.noc.machine import Machine
from neurosim.timing.agenda import Agenda
from neurosim.timing.tally import Pace

# Numbers in a table by turn and link.
MOST = 2**18

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
        layers, deliveries = agenda.mapping.network.layers, agenda.mapping.deliveries
        senders = [layers[layer].name for layer in agenda.schedule.sends]
        self.ways = {name: ways(self.machine, deliveries[name], flits, tree) for name in senders}

    def run(self, turns: range) -> Pace:
        """Time and sums of these turns."""
        grid, work = self.machine.grid, self.agenda.work(turns)
        pace = Pace.empty(len(turns), grid, blocked=False)
        tally = pace.tally
        sent, last_out, served = np.zeros((3, len(turns), grid.cores), np.int64)
        first_in, links = np.full((len(turns), grid.cores), NEVER), np.zeros((len(turns), grid.links), np.int64)
        sums = sent, first_in, last_out, served, links, tally.waiting
        for name, bits, turn, stride in self.agenda.spiking(turns):
            to = self.agenda.mapping.deliveries[name]
            bound_packets(
                bits=bits, segment=to.segment, delivery=to.columns, ways=self.ways[name], sending=self.sending, turn=turn,
                stride=stride, sums=sums, gathered=nothing(*to.room),
            )  # fmt: skip
        tally.waiting += work.waiting.sum(0)
        close_turns(
            sums=sums, fetch=work.fetch, local=work.local, update=work.update, intervals=self.machine.intervals,
            barrier=self.machine.barrier_cycles, cycles=pace.cycles, split=pace.split, busy=tally.busy, flits=tally.flits,
            peak_use=tally.peak_use,
        )  # fmt: skip
        return pace


def ways(machine: Machine, delivery: Delivery, flits: int, tree: bool) -> Ways:
    """As `neurosim.kernels.bounds.bound_packets` takes them."""
    many = np.diff(delivery.first)
    source = np.repeat(delivery.sender, many)
    distance = AnalyticNetwork(machine).unhindered(source, delivery.core, flits)
    if tree:
        ends, links = machine.grid.trees(delivery.sender, delivery.first, delivery.core)
        return distance, ends, links
    ends, links = machine.grid.trees(source, np.arange(len(source) + 1), delivery.core)
    return distance, ends[delivery.first], links
