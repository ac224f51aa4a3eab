"""Energy: what happened on a mapped chip, as actions with their prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.chip.memory import KINDS, Kind, Memory
from neurosim.cost.action import COMPUTE, MOVEMENT, PJ, PURPOSES, STATIC, Action, priced
from neurosim.mapping.mapping import Mapping

# (component, purpose) of what is not the access of a memory.
ACCUMULATES, MACS = ("accumulates", "compute"), ("MACs of the first layer", "compute")
PAYLOADS = ("weights times values", "compute")
POOLS, UPDATES = ("sums of pooling windows", "compute"), ("neuron updates", "compute")
PACKETS, MESH, BARRIERS = ("packets", "network"), ("mesh", "network"), ("barriers", "network")
BETWEEN, LEAKAGE = ("links between chips", "network"), ("leakage", "leakage")
CONTROL, REGISTERS = ("control and clock", "compute"), ("registers", "state")

Counts = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Energy:
    """What everything that happened cost."""

    actions: tuple[Action, ...]
    images: int

    @cached_property
    def components(self) -> dict[str, np.ndarray]:
        """J per component and brick."""
        found: dict[str, np.ndarray] = {}
        for action in self.actions:
            found[action.component] = found.get(action.component, 0.0) + action.count * action.price.pj
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
        found: np.ndarray = np.sum(list(self.components.values()), axis=0)
        return found

    @property
    def total_J(self) -> float:
        return sum(self.by_component_J.values())

    @property
    def per_image_J(self) -> float:
        return self.total_J / self.images

    @property
    def images_J(self) -> np.ndarray | None:
        """float64 [images]: what each of them cost; None where that is not known."""
        found = [action.images * action.price.pj for action in self.actions if action.images is not None]
        return np.sum(found, axis=0) * PJ if len(found) == len(self.actions) else None

    @property
    def compute_J(self) -> float:
        return self._group(COMPUTE)

    @property
    def data_movement_J(self) -> float:
        return self._group(MOVEMENT)

    @property
    def static_J(self) -> float:
        return self._group(STATIC)

    @property
    def dynamic_J(self) -> float:
        """Of all that is done: compute and data movement."""
        return self.compute_J + self.data_movement_J

    def action(self, name: str) -> Action:
        """By its name."""
        return next(action for action in self.actions if action.name == name)

    def _group(self, group: str) -> float:
        return sum(joules for name, joules in self.by_component_J.items() if self.groups[name] == group)


def energy(mapping: Mapping, counts: Counts, images: int, cycles: int, barriers: int, busy: np.ndarray) -> Energy:
    """The energy of *counts* (int64 [bricks], summed over images and steps) that took *cycles* and *barriers* in all, in which
    the cores worked for *busy* cycles, [bricks]."""
    done = [*operations(mapping, counts, barriers), *accesses(mapping, counts, images), *control(mapping.chip, busy)]
    return Energy(priced([*done, *leakage(mapping, cycles)], mapping.chip), images)


def control(chip: Chip, busy: np.ndarray) -> Iterator[Action]:
    """Cycles in which cores work, [..., bricks], of the blocks that cost something then."""
    for block in chip.block:
        if block.busy_pj:
            yield Action(f"busy cycle of {block.name}", *CONTROL, busy, f"block.{block.name}.busy_pj")


def operations(mapping: Mapping, counts: Counts, barriers: int) -> Iterator[Action]:
    """What cores and mesh did, of *counts*, int64 [..., bricks]."""
    visited = counts["active"] + counts["idle"]
    done = (
        ("accumulate", ACCUMULATES, counts["accumulates"]),
        ("mac", MACS, counts["macs"]),
        ("update_active", UPDATES, counts["active"]),
        ("update_idle", UPDATES, counts["idle"]),
        ("current_add", UPDATES, counts["current_adds"]),
        ("leak_multiply", UPDATES, counts["leaks"]),
        ("compare", UPDATES, visited * np.array([mapping.network.layers[b.layer].spiking for b in mapping.bricks])),
        ("reset", UPDATES, counts["spikes"]),
        ("spike", UPDATES, counts["spikes"]),
        ("packet", PACKETS, counts["packets"]),
        ("event", PACKETS, counts["events"]),
        ("hop_x", MESH, counts["hops_x"]),
        ("hop_y", MESH, counts["hops_y"]),
        ("barrier", BARRIERS, shared(mapping, barriers)),
    )
    for name, what, count in done:
        yield operation(name, what, count)
    if mapping.chip.policy.pool == "summed":
        yield Action("pool_add", *POOLS, counts["pool_adds"], "operation.accumulate.pj")
        yield Action("pool_mac", *POOLS, counts["pool_macs"], "operation.mac.pj")
    if any(map(mapping.network.carries, mapping.fans)):
        yield Action("payload_mac", *PAYLOADS, counts["payload_macs"], "operation.mac.pj")
    if mapping.chip.board:
        yield Action("crossing", *BETWEEN, counts["crossings"], "board.pj")


def operation(name: str, what: tuple[str, str], count: np.ndarray) -> Action:
    """One of the chip's operations."""
    return Action(name, *what, count, f"operation.{name}.pj")


def access(memory: Memory, kind: Kind, how: Literal["read", "write"], count: np.ndarray) -> Action:
    """Words read from or written to a memory."""
    purpose = "off chip" if memory.per == "off chip" else kind if kind in PURPOSES else "network"
    where = f"memory {memory.name}"
    return Action(access_name(memory.name, kind, how), where, purpose, count, f"memory.{memory.name}.{how}.pj")


def access_name(memory: str, kind: str, how: Literal["read", "write"]) -> str:
    """What such an access is called."""
    return f"{how} {kind} of {memory}"


def access_names(memory: str, kind: str) -> tuple[str, str]:
    """What reading and writing are called."""
    return access_name(memory, kind, "read"), access_name(memory, kind, "write")


def leakage(mapping: Mapping, cycles: int) -> Iterator[Action]:
    """Cycles of cores, tiles and chips that are on, and of what lies outside: those that are used, or all."""
    chip, cores = mapping.chip, mapping.cores.tolist()
    if chip.policy.idle == "on":
        cores = range(chip.cores)
    tiles = {mapping.grid.tile_of(core) for core in cores}
    chips = {mapping.grid.chip_of(tile) for tile in tiles}
    many = {"tile": len(tiles), "chip": len(chips), "off chip": 1}
    # Bricks that share a core bear equal parts of it, and all alike those without neurons.
    unused = len({*cores}) - len(mapping.used)
    used = cycles / np.bincount(mapping.home)[mapping.home]
    on = {"core": used + shared(mapping, cycles * unused) if unused else used}
    on |= {part: shared(mapping, cycles * n) for part, n in many.items()}
    for memory in chip.memory:
        yield Action(f"cycle of {memory.name}", *LEAKAGE, on[memory.per], f"memory.{memory.name}.leakage_mw")
    for block in chip.block:
        if block.leakage_mw:
            yield Action(f"cycle of {block.name}", *LEAKAGE, on[block.per], f"block.{block.name}.leakage_mw")
    for kind in ("core", "chip"):
        yield Action(f"cycle of {kind}", *LEAKAGE, on[kind], f"static.{kind}_mw")


def accesses(mapping: Mapping, counts: Counts, images: int) -> Iterator[Action]:
    """Whole words read and written, for every kind of item, of *counts*, int64 [..., bricks]."""
    chip = mapping.chip
    home = {kind: chip.home(kind) for kind in KINDS}
    bits = np.array([mapping.network.layers[b.layer].weight_bits for b in mapping.bricks])
    channels = np.array([b.channels for b in mapping.bricks])
    row = _words(channels * bits, home["weights"].word_bits)
    packet = home["queue"].words(chip.mesh.bits_per_packet)
    touched, visited, each = counts["state_words"], counts["visit_words"], mapping.numbers
    none = np.zeros(len(mapping.bricks), np.int64)
    at_home: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
        "weights": (counts["weight_words"] + counts["analog_rows"] * row, none),
        "state": (
            touched + visited * each.read + mapping.state_words(counts["current_adds"] + counts["readouts"]),
            touched + visited * each.written + mapping.state_words(counts["current_writes"] + counts["clears"]),
        ),
        "axons": (counts["look_ups"] * home["axons"].words(chip.core.axon_bits), none),
        "routes": (counts["packets"] * home["routes"].words(chip.core.route_bits), none),
        "queue": (counts["events"] * packet, counts["events"] * packet),
        "input": (counts["input_words"] + counts["input_arrivals"] * home["input"].words(_input_bits(mapping)), none),
    }
    words: dict[tuple[str, Kind], tuple[np.ndarray, np.ndarray]] = {}
    for kind, found in at_home.items():
        words |= {(memory.name, kind): (reads, writes) for memory, reads, writes in chip.accesses(kind, *found)}
    for spill in mapping.spills:
        read, written = (spill.words(memory, images, mapping.network.timesteps) for memory in (spill.back, spill.front))
        words[spill.back.name, "weights"] = read, none
        words[spill.front.name, "weights"] = at_home["weights"][0], written
    for memory in chip.memory:
        for kind in chip.kinds(memory):
            reads, writes = words[memory.name, kind]
            yield access(memory, kind, "read", reads)
            yield access(memory, kind, "write", writes)


def _input_bits(mapping: Mapping) -> int:
    """Bits of an event from outside."""
    mesh = mapping.chip.mesh
    return mesh.packet_bits + mesh.payload_bits if mapping.network.input.valued else mesh.bits_per_packet


def _words(bits: np.ndarray, word_bits: int) -> np.ndarray:
    return -(-bits // word_bits)


def shared(mapping: Mapping, amount: int) -> np.ndarray:
    """What happens once for the whole chip, in equal parts over the bricks: float64 [bricks]."""
    return np.full(len(mapping.bricks), amount / len(mapping.bricks))
