"""The mapping: bricks, their cores, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.chip import Chip
from neurosim.errors import NeurosimError
from neurosim.layers import INPUT
from neurosim.mapping.brick import Brick
from neurosim.mapping.delivery import Delivery, delivery
from neurosim.mapping.demand import MappingError, Use, Violation, item_bits, memory_use, pixel_bits, uses, violations
from neurosim.mapping.partition import partition
from neurosim.mapping.placement import PLACERS
from neurosim.mapping.routes import Fanout, fanout
from neurosim.mapping.spill import Spill, spills
from neurosim.memory import Kind
from neurosim.network import Network
from neurosim.noc.geometry import Grid


@dataclass(frozen=True, eq=False)
class Mapping:
    """Where the neurons of *network* live on *chip*: brick i in core cores[i]."""

    network: Network
    chip: Chip
    bricks: tuple[Brick, ...]
    cores: np.ndarray
    placer: str

    @property
    def grid(self) -> Grid:
        return self.chip.grid

    @property
    def layer_of(self) -> np.ndarray:
        """int64 [bricks]: number of the layer."""
        return np.array([b.layer for b in self.bricks])

    @cached_property
    def fanouts(self) -> dict[str, Fanout]:
        """What the spikes of each spiking layer cause, and those of the input if it is made of spikes."""
        sources = [INPUT] if self.network.input.encoding == "spikes" else []
        sources += [layer.name for layer in self.network.layers if layer.spiking]
        return {s: fanout(self.network, self.chip, list(self.bricks), self.cores, s) for s in sources}

    @cached_property
    def deliveries(self) -> dict[str, Delivery]:
        """Where they go and the work of one, for the same."""
        return {s: delivery(self.network, self.chip, self.bricks, self.cores, fanout) for s, fanout in self.fanouts.items()}

    @cached_property
    def uses(self) -> tuple[list[Use], ...]:
        """Per brick: demand and limit of every resource of its core."""
        pairs = zip(self.bricks, self.routes, strict=True)
        return tuple(uses(self.network, self.chip, brick, int(routes)) for brick, routes in pairs)

    @cached_property
    def spills(self) -> list[Spill]:
        """Weights that live behind the memories of the cores."""
        return spills(self)

    @cached_property
    def routes(self) -> np.ndarray:
        """int64 [bricks]: route entries, one per (neuron, destination core), or one per neuron that sends a tree."""
        total = np.zeros(len(self.bricks), np.int64)
        for source in self.fanouts.values():
            if source.source == INPUT:
                continue
            neurons = np.repeat(np.bincount(source.segment), source.sites)
            total += source.packets @ (source.groups @ neurons)
        return total

    def to_dict(self) -> dict[str, Any]:
        """What `neurosim map` reports, for JSON."""
        names = [layer.name for layer in self.network.layers]
        return {
            "network": self.network.name,
            "chip": self.chip.name,
            "placer": self.placer,
            "cores_used": len(self.bricks),
            "cores": self.chip.cores,
            "feasible": True,
            "layers": [
                {"name": n, "neurons": layer.neurons, "cores": int((self.layer_of == i).sum())}
                for i, (n, layer) in enumerate(zip(names, self.network.layers, strict=True))
            ],
            "bricks": [
                {
                    "core": int(core), "layer": names[b.layer], "channels": [b.c0, b.c1], "rows": [b.y0, b.y1],
                    "columns": [b.x0, b.x1], "uses": [
                        {"resource": u.resource, "demand": u.demand, "limit": u.limit, "unit": u.unit} for u in used
                    ],
                }
                for b, core, used in zip(self.bricks, self.cores, self.uses, strict=True)
            ],
        }  # fmt: skip

    def save(self, path: str) -> None:
        """Write the mapping file (HDF5, see README)."""
        from neurosim.io.mapping_file import save_mapping

        save_mapping(self, path)


def map_network(network: Network, chip: Chip, placer: str = "row-major") -> Mapping:
    """Cut the layers into bricks and place them; raises MappingError with every violation of a limit."""
    if placer not in PLACERS:
        raise NeurosimError(f"placer {placer!r} does not exist; there are: {', '.join(PLACERS)}")
    bricks, problems = partition(network, chip)
    # How many cores a network needs is known only when every layer can be cut.
    problems += _chip_violations(network, chip, 0 if problems else len(bricks))
    if problems:
        raise MappingError(network.name, chip.name, problems)
    mapping = Mapping(network, chip, tuple(bricks), PLACERS[placer](network, chip, bricks), placer)
    problems = check(mapping)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    return mapping


def estimate(network: Network, chip: Chip) -> dict[str, Any]:
    """Cores and memory bits per layer without placing, also where the chip has too few cores.

    Raises MappingError if a layer cannot be cut to fit.
    """
    bricks, problems = partition(network, chip)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    layers = []
    for index, layer in enumerate(network.layers):
        used = [uses(network, chip, b, 0) for b in bricks if b.layer == index]
        bits = sum(u.demand for found in used for u in found if u.unit == "bits")
        layers.append({"name": layer.name, "neurons": layer.neurons, "cores": len(used), "memory_bits": bits})
    return {
        "network": network.name, "chip": chip.name, "cores_used": len(bricks), "cores": chip.cores,
        "feasible": len(bricks) <= chip.cores, "layers": layers,
    }  # fmt: skip


def check(mapping: Mapping) -> list[Violation]:
    """Every limit of every core that the mapping exceeds."""
    triples = zip(mapping.bricks, mapping.cores, mapping.uses, strict=True)
    found = [v for brick, core, used in triples for v in violations(mapping.network, brick, int(core), used)]
    return found + _shared_memory_violations(mapping)


def _shared_memory_violations(mapping: Mapping) -> list[Violation]:
    """Memories that all bricks of a tile, of a chip, or of all chips, overfill together."""
    tiles = [mapping.grid.tile_of(int(core)) for core in mapping.cores]
    chips = [mapping.grid.chip_of(tile) for tile in tiles]
    places = {"tile": tiles, "chip": chips, "off chip": [0] * len(tiles)}
    found = []
    for memory in mapping.chip.memory:
        if memory.per == "core":
            continue
        total: dict[int, dict[Kind, int]] = {}
        for brick, place, routes in zip(mapping.bricks, places[memory.per], mapping.routes, strict=True):
            bits = total.setdefault(place, {})
            for kind, needed in item_bits(mapping.network, mapping.chip, brick, int(routes)).items():
                bits[kind] = bits.get(kind, 0) + needed
        for place, bits in sorted(total.items()):
            use = memory_use(mapping.chip, memory, bits)
            if use.demand > memory.bits:
                several = memory.per == "tile" or (memory.per == "chip" and mapping.chip.chips > 1)
                resource = use.resource + (f" of {memory.per} {place}" if several else "")
                found.append(Violation("", None, "", resource, use.demand, memory.bits, use.unit, use.remedy))
    return found


def _chip_violations(network: Network, chip: Chip, bricks: int) -> list[Violation]:
    found = []
    if bricks > chip.cores:
        remedy = "enlarge mesh.width or mesh.height, or give cores more memory or neurons"
        found.append(Violation("", None, "", "cores", bricks, chip.cores, "cores", remedy))
    memory = chip.home("input")
    bits = int(np.prod(network.input.shape)) * pixel_bits(network)
    if chip.policy.analog == "host":
        bits = chip.core.state_bits * sum(layer.neurons for layer in network.layers if network.fed_by_image(layer))
    if network.input.encoding == "direct" and bits > memory.bits:
        found.append(Violation("", None, "", memory.name, bits, memory.bits, "bits", "enlarge the memory that holds the input"))
    return found
