"""Energy: counts times prices. The only place where a price is applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from neurosim.chip import Chip
from neurosim.mapping.mapping import Mapping
from neurosim.memory import KINDS, Kind, Memory

PJ = 1e-12
# pJ per cycle of a power in mW, times hz.
PJ_PER_MWS = 1e9
COMPUTE, MOVEMENT, STATIC = "compute", "data movement", "static"
# What an action is for; the order of the headline table.
PURPOSES = ("compute", "weights", "state", "network", "off chip", "leakage")
# (component, group, purpose) of what is not the access of a memory.
ACCUMULATES, MACS = ("accumulates", COMPUTE, "compute"), ("MACs of the first layer", COMPUTE, "compute")
UPDATES, PACKETS = ("neuron updates", COMPUTE, "compute"), ("packets", MOVEMENT, "network")
MESH, BARRIERS = ("mesh", MOVEMENT, "network"), ("barriers", MOVEMENT, "network")
BETWEEN, LEAKAGE = ("links between chips", MOVEMENT, "network"), ("leakage", STATIC, "leakage")

Counts = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Action:
    """Something that costs energy: its component, group and purpose, how often each core did it, and what it costs once.

    count: [bricks], int64, or float64 where the cores share what happens once per chip. constant: the price's place in the
    chip file, in a part that is uncertain as a whole.
    """

    name: str
    component: str
    group: str
    purpose: str
    count: np.ndarray
    constant: str
    pj: float
    uncertainty: float = 0.0

    @property
    def part(self) -> str:
        return ".".join(self.constant.split(".")[:2])

    @property
    def times(self) -> int:
        """How often in all."""
        return round(float(self.count.sum()))

    @property
    def total_J(self) -> float:
        return float(self.count.sum()) * self.pj * PJ


def by_part_J(actions: Iterable[Action]) -> dict[str, float]:
    """J by the part of the chip file that the prices belong to."""
    found: dict[str, float] = {}
    for action in actions:
        found[action.part] = found.get(action.part, 0.0) + action.total_J
    return found


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
    """What everything that happened cost."""

    actions: tuple[Action, ...]
    memory: tuple[MemoryUse, ...]
    images: int

    @cached_property
    def components(self) -> dict[str, np.ndarray]:
        """J per component and brick."""
        found: dict[str, np.ndarray] = {}
        for action in self.actions:
            found[action.component] = found.get(action.component, 0.0) + action.count * action.pj
        return {name: pj * PJ for name, pj in found.items()}

    @cached_property
    def groups(self) -> dict[str, str]:
        """Whether a component is compute, data movement or static."""
        return {action.component: action.group for action in self.actions}

    @property
    def by_component_J(self) -> dict[str, float]:
        return {name: float(joules.sum()) for name, joules in self.components.items()}

    @property
    def by_purpose_J(self) -> dict[str, float]:
        """J of compute, weights, state, network, memory off the chip and leakage."""
        return {purpose: sum(a.total_J for a in self.actions if a.purpose == purpose) for purpose in PURPOSES}

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
    memory = memory_uses(mapping, counts)
    found = [*_operations(mapping, counts, barriers), *_accesses(mapping, memory), *leakage(mapping, cycles)]
    return Energy(tuple(found), memory, images)


def _operations(mapping: Mapping, counts: Counts, barriers: int) -> Iterator[Action]:
    visited = counts["active"] + counts["idle"]
    done = (
        ("accumulate", ACCUMULATES, counts["synaptic_events"]),
        ("mac", MACS, counts["macs"]),
        ("update_active", UPDATES, counts["active"]),
        ("update_idle", UPDATES, counts["idle"]),
        ("current_add", UPDATES, counts["current_adds"]),
        ("leak_multiply", UPDATES, counts["leaks"]),
        ("compare", UPDATES, visited),
        ("reset", UPDATES, counts["spikes"]),
        ("spike", UPDATES, counts["spikes"]),
        ("packet", PACKETS, counts["packets"]),
        ("event", PACKETS, counts["events"]),
        ("hop_x", MESH, counts["hops_x"]),
        ("hop_y", MESH, counts["hops_y"]),
        ("barrier", BARRIERS, _shared(mapping, barriers)),
    )
    for name, what, count in done:
        yield operation(mapping.chip, name, what, count)
    board = mapping.chip.board
    if board:
        yield Action("crossing", *BETWEEN, counts["crossings"], "board.pj", board.pj, board.uncertainty)


def _accesses(mapping: Mapping, memory: tuple[MemoryUse, ...]) -> Iterator[Action]:
    levels = {m.name: m for m in mapping.chip.memory}
    for use in memory:
        yield access(levels[use.level], use.kind, "read", use.reads)
        yield access(levels[use.level], use.kind, "write", use.writes)


def access(memory: Memory, kind: Kind, how: Literal["read", "write"], count: np.ndarray) -> Action:
    """Words read from or written to a memory."""
    pj = memory.prices.read_pj if how == "read" else memory.prices.write_pj
    purpose = "off chip" if memory.per == "off chip" else kind if kind in PURPOSES else "network"
    what = f"memory {memory.name}", MOVEMENT, purpose
    return Action(f"{how} {kind} of {memory.name}", *what, count, f"memory.{memory.name}.{how}.pj", pj, memory.uncertainty)


def operation(chip: Chip, name: str, what: tuple[str, str, str], count: np.ndarray) -> Action:
    """One of the chip's operations."""
    price = getattr(chip.operation, name)
    return Action(name, *what, count, f"operation.{name}.pj", price.pj, price.uncertainty)


def leakage(mapping: Mapping, cycles: int) -> Iterator[Action]:
    """Cycles of used cores, used chips and what lies outside; unused cores and chips are switched off."""
    chip, bricks = mapping.chip, len(mapping.bricks)
    used = len({mapping.grid.chip_of(mapping.grid.tile_of(int(core))) for core in mapping.cores})
    alone = np.full(bricks, cycles, np.int64)
    on = {"core": alone, "chip": _shared(mapping, cycles * used), "off chip": _shared(mapping, cycles)}
    powers = [(m.name, on[m.per], f"memory.{m.name}.leakage_mw", m.prices.leakage_mw, m.uncertainty) for m in chip.memory]
    for kind, mw in (("core", chip.static.core_mw), ("chip", chip.static.chip_mw)):
        powers.append((kind, on[kind], f"static.{kind}_mw", mw, chip.static.uncertainty))
    for name, count, constant, mw, uncertainty in powers:
        yield Action(f"cycle of {name}", *LEAKAGE, count, constant, mw * PJ_PER_MWS / chip.clock.hz, uncertainty)


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

    def joules(reads: np.ndarray, writes: np.ndarray, read_pj: float, write_pj: float) -> np.ndarray:
        return (reads * read_pj + writes * write_pj) * PJ

    return tuple(
        MemoryUse(m.name, kind, m.word_bits, *words[kind], joules(*words[kind], m.prices.read_pj, m.prices.write_pj))
        for m in chip.memory
        for kind in m.holds
    )


def _words(bits: np.ndarray, word_bits: int) -> np.ndarray:
    return -(-bits // word_bits)


def _shared(mapping: Mapping, amount: int) -> np.ndarray:
    """What happens once for the whole chip, in equal parts over the used cores: float64 [bricks]."""
    return np.full(len(mapping.bricks), amount / len(mapping.bricks))
