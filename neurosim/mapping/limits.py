"""The limits of a chip, and what of a mapping exceeds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.chip.memory import Kind
from neurosim.mapping.brick import Brick
from neurosim.mapping.demand import Violation, largest_first, memory_use, pixel_bits, violations
from neurosim.mapping.mapping import Mapping
from neurosim.network.network import Network


def check(mapping: Mapping) -> list[Violation]:
    """Every limit of every core that the mapping exceeds."""
    triples = zip(mapping.held, mapping.used.tolist(), mapping.uses, strict=True)
    found = [v for bricks, core, used in triples for v in violations(mapping.network, bricks, core, used)]
    return found + _shared_memory_violations(mapping) + _link_violations(mapping)


def _shared_memory_violations(mapping: Mapping) -> list[Violation]:
    """Memories that all bricks of a tile, of a chip, or of all chips, overfill together."""
    tiles = [mapping.grid.tile_of(core) for core in mapping.used.tolist()]
    chips = [mapping.grid.chip_of(tile) for tile in tiles]
    places = {"tile": tiles, "chip": chips, "off chip": [0] * len(tiles)}
    found = []
    for memory in mapping.chip.memory:
        if memory.per == "core":
            continue
        total: dict[int, dict[Kind, int]] = {}
        for items, place in zip(mapping.items, places[memory.per], strict=True):
            bits = total.setdefault(place, {})
            for kind, needed in items.items():
                bits[kind] = bits.get(kind, 0) + needed
        for place, bits in sorted(total.items()):
            use = memory_use(mapping.chip, memory, bits)
            if use.demand > memory.bits:
                several = memory.per == "tile" or (memory.per == "chip" and mapping.chip.chips > 1)
                resource = use.resource + (f" of {memory.per} {place}" if several else "")
                parts = largest_first(use.parts)
                found.append(Violation(
                    layer="", core=None, brick="", resource=resource, demand=use.demand, limit=memory.bits, unit=use.unit,
                    remedy=use.remedy, parts=parts,
                ))  # fmt: skip
    return found


def _link_violations(mapping: Mapping) -> list[Violation]:
    """Links that would carry more than they may, if every neuron fired once per image."""
    limit = mapping.chip.mesh.max_link_flits
    load = mapping.wires().load(mapping.grid, mapping.used) if limit is not None else np.zeros(0)
    found = []
    for link in np.flatnonzero(load > (limit or 0)):
        start, end = mapping.grid.ends(int(link))
        remedy = "use another placer, mesh.delivery = 'multicast', or raise mesh.max_link_flits"
        found.append(Violation(
            layer="", core=None, brick="", resource=f"link {start} to {end}", demand=round(load[link]), limit=limit or 0,
            unit="flits", remedy=remedy,
        ))  # fmt: skip
    return found


def core_violations(network: Network, chip: Chip, bricks: Sequence[Brick], cores: int) -> list[Violation]:
    """That *bricks*, packed into so many *cores*, need more than there are."""
    if cores <= chip.cores:
        return []
    layers = Counter(network.layers[brick.layer].name for brick in bricks)
    rows = -(-cores // (chip.cores // chip.mesh.height))
    remedy = f"enlarge the mesh, to mesh.height = {rows} for example, or give cores more memory, neurons or core.max_layers"
    return [Violation(
        layer="", core=None, brick="", resource="cores", demand=cores, limit=chip.cores, unit="cores", remedy=remedy,
        parts=largest_first(layers),
    )]  # fmt: skip


def input_violations(network: Network, chip: Chip) -> list[Violation]:
    """That an image needs more memory than there is."""
    memory = chip.home("input")
    bits = int(np.prod(network.input.shape)) * pixel_bits(network)
    if chip.policy.analog == "host":
        bits = chip.core.state_bits * sum(layer.neurons for layer in network.layers if network.fed_by_image(layer))
    if network.input.encoding != "direct" or bits <= memory.bits:
        return []
    return [Violation(
        layer="", core=None, brick="", resource=memory.name, demand=bits, limit=memory.bits, unit="bits",
        remedy="enlarge the memory that holds the input",
    )]  # fmt: skip
