"""The limits of a chip, and what of a mapping exceeds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from neurosim.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.mapping.demand import Violation, item_bits, largest_first, memory_use, pixel_bits, violations
from neurosim.mapping.mapping import Mapping
from neurosim.memory import Kind
from neurosim.network import Network


def check(mapping: Mapping) -> list[Violation]:
    """Every limit of every core that the mapping exceeds."""
    triples = zip(mapping.bricks, mapping.cores, mapping.uses, strict=True)
    found = [v for brick, core, used in triples for v in violations(mapping.network, brick, int(core), used)]
    return found + _shared_memory_violations(mapping) + _link_violations(mapping)


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
                parts = largest_first(use.parts)
                found.append(Violation("", None, "", resource, use.demand, memory.bits, use.unit, use.remedy, parts))
    return found


def _link_violations(mapping: Mapping) -> list[Violation]:
    """Links that would carry more than they may, if every neuron fired once per image."""
    limit = mapping.chip.mesh.max_link_flits
    load = mapping.wires().load(mapping.grid, mapping.cores) if limit is not None else np.zeros(0)
    found = []
    for link in np.flatnonzero(load > (limit or 0)):
        start, end = mapping.grid.ends(int(link))
        remedy = "use another placer, mesh.delivery = 'multicast', or raise mesh.max_link_flits"
        found.append(Violation("", None, "", f"link {start} to {end}", round(load[link]), limit or 0, "flits", remedy))
    return found


def chip_violations(network: Network, chip: Chip, bricks: Sequence[Brick]) -> list[Violation]:
    """More cores or a larger image than there is room for; *bricks*: of all layers, none where not every layer can be cut."""
    found = []
    if len(bricks) > chip.cores:
        layers = Counter(network.layers[brick.layer].name for brick in bricks)
        rows = -(-len(bricks) // (chip.cores // chip.mesh.height))
        remedy = f"enlarge the mesh, to mesh.height = {rows} for example, or give cores more memory or neurons"
        parts = largest_first(layers)
        found.append(Violation("", None, "", "cores", len(bricks), chip.cores, "cores", remedy, parts))
    memory = chip.home("input")
    bits = int(np.prod(network.input.shape)) * pixel_bits(network)
    if chip.policy.analog == "host":
        bits = chip.core.state_bits * sum(layer.neurons for layer in network.layers if network.fed_by_image(layer))
    if network.input.encoding == "direct" and bits > memory.bits:
        found.append(Violation("", None, "", memory.name, bits, memory.bits, "bits", "enlarge the memory that holds the input"))
    return found
