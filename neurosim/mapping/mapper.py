"""From a network and a chip to a mapping."""

from __future__ import annotations

from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.chip import Chip
from neurosim.errors import NeurosimError
from neurosim.mapping.demand import MappingError, uses
from neurosim.mapping.limits import check, chip_violations
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.partition import OBJECTIVES, Objective, partition
from neurosim.mapping.place import CHANCE, PLACERS, Search
from neurosim.mapping.place.floorplan import floorplan
from neurosim.network import Network
from neurosim.trace import SpikeTrace


def map_network(
    network: Network, chip: Chip, placer: str = "row-major", *, partitioner: Objective = "cores",
    trace: SpikeTrace | None = None, pins: Named[str, Sequence[int]] | None = None, search: Search | None = None,
) -> Mapping:  # fmt: skip
    """Cut the layers into bricks and give each a core.

    *partitioner*: what there should be few of, see `neurosim.mapping.partition`. *placer*: one of PLACERS. Wires between bricks
    weigh as many flits as the spikes of *trace* cause, or as many as if every neuron fired once per image. *pins*: layers that
    lie in given cores, brick by brick. *search*: chances, time limit and progress of placers that search. Raises MappingError
    with every violation of a limit, NeurosimError for an unknown placer or wrong pins.
    """
    if placer not in PLACERS:
        raise NeurosimError(f"placer {placer!r} does not exist; there are: {', '.join(PLACERS)}")
    if partitioner not in OBJECTIVES:
        raise NeurosimError(f"partitioner {partitioner!r} does not exist; there are: {', '.join(OBJECTIVES)}")
    bricks, problems = partition(network, chip, partitioner)
    # How many cores a network needs is known only when every layer can be cut.
    problems += chip_violations(network, chip, [] if problems else bricks)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    order = chip.grid.by_chip()
    mapping = Mapping(network, chip, tuple(bricks), order[: len(bricks)], "row-major")
    if pins or placer != "row-major":
        cores = pinned_cores(mapping, pins or {})
        pinned = frozenset(np.flatnonzero(cores >= 0).tolist())
        mapping = replace(mapping, cores=np.where(cores >= 0, cores, mapping.cores), pinned=pinned)
        mapping = placed(mapping, placer, trace, search)
    problems = check(mapping)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    return mapping


def pinned_cores(mapping: Mapping, pins: Named[str, Sequence[int]]) -> np.ndarray:
    """int64 [bricks]: cores of the layers in *pins*, brick by brick, -1 for others. Raises NeurosimError with all problems."""
    found = np.full(len(mapping.bricks), -1)
    names, problems = [layer.name for layer in mapping.network.layers], []
    for name, cores in pins.items():
        mine = np.flatnonzero(mapping.layer_of == names.index(name)) if name in names else np.empty(0, np.int64)
        if name not in names:
            problems.append(f"pin {name!r}: there is no such layer; there are: {', '.join(names)}")
        elif len(cores) != len(mine):
            problems.append(f"pin {name!r}: {len(cores)} cores are given, the layer has {len(mine)} bricks")
        else:
            found[mine] = cores
        outside = sorted({core for core in cores if not 0 <= core < mapping.chip.cores})
        if outside:
            problems.append(f"pin {name!r}: core {outside[0]} does not exist; there are cores 0 to {mapping.chip.cores - 1}")
    given = found[found >= 0]
    if len(set(given.tolist())) < len(given):
        problems.append("pins: a core is given twice; a core holds one brick")
    if problems:
        raise NeurosimError("; ".join(problems))
    return found


def placed(mapping: Mapping, placer: str, trace: SpikeTrace | None = None, search: Search | None = None) -> Mapping:
    """The same bricks where *placer* puts them, those that are pinned where they are; see `map_network`."""
    stay = np.isin(np.arange(len(mapping.bricks)), list(mapping.pinned))
    plan = floorplan(mapping.chip, np.where(stay, mapping.cores, -1))
    search = search or Search()
    return mapping.moved(PLACERS[placer](mapping.wires(trace), plan, search), placer, search.seed if placer in CHANCE else None)


def estimate(network: Network, chip: Chip, partitioner: Objective = "cores") -> dict[str, Any]:
    """Cores and memory bits per layer without placing, also where the chip has too few cores.

    Raises MappingError if a layer cannot be cut to fit.
    """
    bricks, problems = partition(network, chip, partitioner)
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
