"""From a network and a chip to a mapping."""

from __future__ import annotations

from collections.abc import Mapping as Named
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.errors import NeurosimError
from neurosim.mapping.brick import Brick
from neurosim.mapping.coverage import sharing_problems
from neurosim.mapping.demand import MappingError, uses
from neurosim.mapping.limits import check, core_violations, input_violations
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.packing import packed
from neurosim.mapping.partition import OBJECTIVES, Objective, partition
from neurosim.mapping.place import CHANCE, PLACERS, Search
from neurosim.mapping.place.floorplan import floorplan
from neurosim.network.network import Network
from neurosim.spikes.trace import SpikeTrace


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
    cut, outside = partition(network, chip, partitioner), input_violations(network, chip)
    if cut.problems:
        raise MappingError(network.name, chip.name, cut.problems + outside)
    cores = pinned_cores(network, chip, cut.bricks, pins or {})
    stay, order = cores >= 0, chip.grid.by_chip()
    loose = np.flatnonzero(~stay)
    home = packed(network, chip, [cut.bricks[i] for i in loose], cut.routes[loose])
    problems = core_violations(network, chip, cut.bricks, len(np.unique(cores[stay])) + len(np.unique(home))) + outside
    if problems:
        raise MappingError(network.name, chip.name, problems)
    cores[loose] = order[~np.isin(order, cores)][home]
    pinned = frozenset(np.flatnonzero(stay).tolist())
    mapping = Mapping(network, chip, cut.bricks, cores, "row-major", pinned, partitioner=partitioner)
    if placer != "row-major":
        mapping = placed(mapping, placer, trace, search)
    problems = check(mapping)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    return mapping


def pinned_cores(network: Network, chip: Chip, bricks: Sequence[Brick], pins: Named[str, Sequence[int]]) -> np.ndarray:
    """int64 [bricks]: cores of the layers in *pins*, brick by brick, -1 for others. Raises NeurosimError with all problems."""
    found, layer_of = np.full(len(bricks), -1), np.array([brick.layer for brick in bricks])
    names, problems = [layer.name for layer in network.layers], []
    for name, cores in pins.items():
        mine = np.flatnonzero(layer_of == names.index(name)) if name in names else np.empty(0, np.int64)
        if name not in names:
            problems.append(f"pin {name!r}: there is no such layer; there are: {', '.join(names)}")
        elif len(cores) != len(mine):
            problems.append(f"pin {name!r}: {len(cores)} cores are given, the layer has {len(mine)} bricks")
        else:
            found[mine] = cores
        wrong = sorted({core for core in cores if not 0 <= core < chip.cores})
        if wrong:
            problems.append(f"pin {name!r}: core {wrong[0]} does not exist; there are cores 0 to {chip.cores - 1}")
    pinned = np.flatnonzero(found >= 0)
    problems += [f"pins: {text}" for text in sharing_problems(chip, [bricks[i] for i in pinned.tolist()], found[pinned])]
    if problems:
        raise NeurosimError("; ".join(problems))
    return found


def placed(mapping: Mapping, placer: str, trace: SpikeTrace | None = None, search: Search | None = None) -> Mapping:
    """The same bricks where *placer* puts them, those that share a core together, those that are pinned where they are; see
    `map_network`."""
    pinned, search = np.full(len(mapping.used), -1), search or Search()
    stay = list(mapping.pinned)
    pinned[mapping.home[stay]] = mapping.cores[stay]
    cores = PLACERS[placer](mapping.wires(trace), floorplan(mapping.chip, pinned), search)
    return mapping.moved(cores[mapping.home], placer, search.seed if placer in CHANCE else None)


def estimate(network: Network, chip: Chip, partitioner: Objective = "cores") -> dict[str, Any]:
    """Cores and memory bits per layer without placing, also where the chip has too few cores.

    Raises MappingError if a layer cannot be cut to fit.
    """
    bricks, routes, problems = partition(network, chip, partitioner)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    layers, cores = [], len(np.unique(packed(network, chip, bricks, routes)))
    for index, layer in enumerate(network.layers):
        used = [uses(network, chip, [b], 0) for b in bricks if b.layer == index]
        bits = sum(u.demand for found in used for u in found if u.unit == "bits")
        layers.append({"name": layer.name, "neurons": layer.neurons, "cores": len(used), "memory_bits": bits})
    return {
        "network": network.name, "chip": chip.name, "cores_used": cores, "cores": chip.cores, "feasible": cores <= chip.cores,
        "layers": layers,
    }  # fmt: skip
