"""Energy: counts times prices. The only place where a price is applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.mapping.mapping import Mapping
from neurosim.memory import KINDS, Kind, Memory

PJ = 1e-12
MW = 1e-3
COMPUTE, MOVEMENT, STATIC = "compute", "data movement", "static"

Counts = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class MemoryUse:
    """Words read and written, int64 [bricks], in memory *level* for items of one *kind*; energy in J [bricks]."""

    level: str
    kind: Kind
    word_bits: int
    reads: np.ndarray
    writes: np.ndarray
    energy_J: np.ndarray


@dataclass(frozen=True, eq=False)
class Energy:
    """J per component and brick; *groups* says whether a component is compute, data movement or static."""

    components: dict[str, np.ndarray]
    groups: dict[str, str]
    memory: tuple[MemoryUse, ...]
    images: int

    @property
    def by_component_J(self) -> dict[str, float]:
        return {name: float(joules.sum()) for name, joules in self.components.items()}

    @property
    def per_brick_J(self) -> np.ndarray:
        """float64 [bricks]."""
        return np.sum(list(self.components.values()), axis=0)

    @property
    def total_J(self) -> float:
        return sum(self.by_component_J.values())

    @property
    def per_image_J(self) -> float:
        return self.total_J / self.images

    @property
    def compute_J(self) -> float:
        return self._group(COMPUTE)

    @property
    def data_movement_J(self) -> float:
        return self._group(MOVEMENT)

    @property
    def static_J(self) -> float:
        return self._group(STATIC)

    def _group(self, group: str) -> float:
        return sum(joules for name, joules in self.by_component_J.items() if self.groups[name] == group)


def energy(mapping: Mapping, counts: Counts, images: int, cycles: int, barriers: int) -> Energy:
    """The energy of *counts* (int64 [bricks], summed over images and steps) that took *cycles* and *barriers* in all."""
    prices = mapping.chip.operation
    parts = {
        "accumulates": (COMPUTE, counts["synaptic_events"] * prices.accumulate.pj),
        "MACs of the first layer": (COMPUTE, counts["macs"] * prices.mac.pj),
        "neuron updates": (COMPUTE, _updates(mapping, counts)),
        "packets": (MOVEMENT, counts["packets"] * prices.packet.pj + counts["events"] * prices.event.pj),
        "mesh": (MOVEMENT, counts["hops_x"] * prices.hop_x.pj + counts["hops_y"] * prices.hop_y.pj),
        "barriers": (MOVEMENT, _shared(mapping, barriers * prices.barrier.pj)),
    }
    if mapping.chip.board:
        parts["links between chips"] = (MOVEMENT, counts["crossings"] * mapping.chip.board.pj)
    memory = memory_uses(mapping, counts)
    for use in memory:
        name = f"memory {use.level}"
        _, before = parts.get(name, (MOVEMENT, np.zeros(len(mapping.bricks))))
        parts[name] = (MOVEMENT, before + use.energy_J / PJ)
    parts["leakage"] = (STATIC, _leakage(mapping, cycles) / PJ)
    return Energy({k: v * PJ for k, (_, v) in parts.items()}, {k: g for k, (g, _) in parts.items()}, memory, images)


def _updates(mapping: Mapping, counts: Counts) -> np.ndarray:
    prices = mapping.chip.operation
    visited = counts["active"] + counts["idle"]
    return (
        counts["active"] * prices.update_active.pj
        + counts["idle"] * prices.update_idle.pj
        + counts["current_adds"] * prices.current_add.pj
        + counts["leaks"] * prices.leak_multiply.pj
        + visited * prices.compare.pj
        + counts["spikes"] * (prices.reset.pj + prices.spike.pj)
    )


def memory_uses(mapping: Mapping, counts: Counts) -> tuple[MemoryUse, ...]:
    """Whole words read and written, for every kind of item."""
    chip = mapping.chip
    home = {kind: chip.home(kind) for kind in KINDS}
    bits = np.array([mapping.network.layers[b.layer].weight_bits for b in mapping.bricks])
    channels = np.array([b.channels for b in mapping.bricks])
    row = _words(channels * bits, home["weights"].word_bits)
    one = _words(bits, home["weights"].word_bits)
    state = home["state"].words(chip.core.state_bits)
    packet = home["queue"].words(chip.mesh.packet_bits)
    visited = counts["synaptic_events"] + counts["active"] + counts["idle"]
    none = np.zeros(len(mapping.bricks), np.int64)
    words: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
        "weights": ((counts["rows"] + counts["analog_rows"]) * row + counts["singles"] * one, none),
        "state": (
            (visited + counts["current_adds"] + counts["readouts"]) * state,
            (visited + counts["current_writes"] + counts["clears"]) * state,
        ),
        "axons": (counts["events"] * home["axons"].words(chip.core.axon_bits), none),
        "routes": (counts["packets"] * home["routes"].words(chip.core.route_bits), none),
        "queue": (counts["events"] * packet, counts["events"] * packet),
        "input": (counts["input_words"] + counts["input_arrivals"] * home["input"].words(chip.mesh.packet_bits), none),
    }
    return tuple(
        MemoryUse(m.name, kind, m.word_bits, *words[kind], _accesses(m, *words[kind]))
        for m in chip.memory
        for kind in m.holds
    )


def _accesses(memory: Memory, reads: np.ndarray, writes: np.ndarray) -> np.ndarray:
    """J of words read and written."""
    return (reads * memory.prices.read_pj + writes * memory.prices.write_pj) * PJ


def _words(bits: np.ndarray, word_bits: int) -> np.ndarray:
    return -(-bits // word_bits)


def _shared(mapping: Mapping, amount: float) -> np.ndarray:
    """An amount of the whole chip, in equal parts over the used cores."""
    return np.full(len(mapping.bricks), amount / len(mapping.bricks))


def _leakage(mapping: Mapping, cycles: int) -> np.ndarray:
    """J per used core: its memories, its own static power, its share of the chips'. Unused cores and chips are switched off."""
    chip = mapping.chip
    seconds = cycles / chip.clock.hz
    per_core = chip.static.core_mw + sum(m.prices.leakage_mw for m in chip.memory if m.per == "core")
    per_chip = chip.static.chip_mw + sum(m.prices.leakage_mw for m in chip.memory if m.per == "chip")
    outside = sum(m.prices.leakage_mw for m in chip.memory if m.per == "off chip")
    used = len({mapping.grid.chip_of(mapping.grid.tile_of(int(core))) for core in mapping.cores})
    return (per_core + _shared(mapping, per_chip * used + outside)) * MW * seconds
