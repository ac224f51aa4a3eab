"""The limits of a chip, and what of a mapping exceeds them."""

from __future__ import annotations

import numpy as np

from neurosim.chip import Chip
from neurosim.mapping.demand import Violation, item_bits, memory_use, pixel_bits, violations
from neurosim.mapping.mapping import Mapping
from neurosim.memory import Kind
from neurosim.network import Network


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


def chip_violations(network: Network, chip: Chip, bricks: int) -> list[Violation]:
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
