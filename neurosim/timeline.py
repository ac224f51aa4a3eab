"""Time: cycles per step from counts. Analytic: the busiest core, the busiest link, the barrier; nothing queues.

Within a step the layers take turns, as in training. A turn lasts as long as the slower of its two overlapping parts (the
busiest core working off events; the busiest link carrying the packets, plus the longest route), then the longest update of its
neurons including the injection of their packets, then a barrier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.activity import Activity
from neurosim.mapping.mapping import Mapping

BOUNDS = ("core_busy", "noc", "update", "barrier")


@dataclass(frozen=True, eq=False)
class Timeline:
    """Cycles. busy, noc, update: [N * T, layers]; barrier: of one turn; work: [N * T, bricks], of each core."""

    busy: np.ndarray
    noc: np.ndarray
    update: np.ndarray
    barrier: int
    work: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """int64 [N * T]: cycles of each step of each image."""
        turns = np.maximum(self.busy, self.noc) + self.update + self.barrier
        return turns.sum(1)

    @property
    def bound_by(self) -> dict[str, int]:
        """Cycles by what set the pace."""
        by_core = self.busy >= self.noc
        return {
            "core_busy": int(self.busy[by_core].sum()),
            "noc": int(self.noc[~by_core].sum()),
            "update": int(self.update.sum()),
            "barrier": self.barrier * self.busy.size,
        }


def timeline(activity: Activity, mapping: Mapping) -> Timeline:
    """The cycles of every turn of every step."""
    core, cost, mesh = mapping.chip.core, mapping.chip.operation, mapping.chip.mesh
    slots = np.array([-(-b.channels // core.lanes) for b in mapping.bricks])
    events = (
        activity.events * cost.event.cycles
        + (activity.rows * slots + activity.singles) * cost.accumulate.cycles
        + activity.analog_rows * slots * cost.mac.cycles
    )
    updates = (
        -(-activity.active // core.update_lanes) * cost.update_active.cycles
        + -(-activity.idle // core.update_lanes) * cost.update_idle.cycles
        + activity.packets * cost.packet.cycles
    )
    return Timeline(
        _busiest(events, mapping), _network(activity, mapping, mesh.router_cycles + mesh.link_cycles, mesh.link_cycles),
        _busiest(updates, mapping), cost.barrier.cycles, events + updates,
    )  # fmt: skip


def _busiest(cycles: np.ndarray, mapping: Mapping) -> np.ndarray:
    """[rows, layers]: the largest of the bricks of each layer."""
    out = np.zeros((len(cycles), len(mapping.network.layers)), np.int64)
    for index in range(out.shape[1]):
        out[:, index] = cycles[:, mapping.layer_of == index].max(1)
    return out


def _network(activity: Activity, mapping: Mapping, hop_cycles: int, link_cycles: int) -> np.ndarray:
    """[rows, layers]: time of the packets that travel while a layer takes its turn, those of sources it is first to read."""
    layers = mapping.network.layers
    out = np.zeros(activity.longest.shape, np.int64)
    first_reader = {s: i for i, layer in reversed(list(enumerate(layers))) for s in layer.sources}
    for index in range(len(layers)):
        senders = [i for i, layer in enumerate(layers) if first_reader.get(layer.name) == index]
        if senders:
            flits = activity.links[:, senders].sum(1).max(1)
            out[:, index] = flits * link_cycles + activity.longest[:, senders].max(1) * hop_cycles
    return out
