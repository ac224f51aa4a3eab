"""From a network and a chip to a mapping."""

from __future__ import annotations

import math
from collections.abc import Mapping as Named
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurosim import families
from neurosim.chip.chip import MAX_CORES, Chip
from neurosim.errors import NeurosimError, PluginError
from neurosim.mapping.brick import Brick
from neurosim.mapping.coverage import sharing_problems
from neurosim.mapping.demand import MappingError, uses
from neurosim.mapping.limits import check, core_violations, input_violations
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.packing import packed
from neurosim.mapping.partition import OBJECTIVES, Cut, Objective, partition
from neurosim.mapping.place import PLACERS, USUAL, Placer
from neurosim.mapping.place.floorplan import Floorplan, floorplan
from neurosim.mapping.place.search import Search
from neurosim.network.network import Network
from neurosim.spikes.trace import SpikeTrace


def map_network(
    network: Network, chip: Chip, placer: str | Placer = USUAL, *, partitioner: str | Objective = "cores",
    trace: SpikeTrace | None = None, pins: Named[str, Sequence[int]] | None = None, search: Search | None = None,
) -> Mapping:  # fmt: skip
    """Cut the layers into bricks and give each a core.

    *partitioner*: what there should be few of, one of OBJECTIVES (see `neurosim.mapping.partition`) or a function like them.
    *placer*: one of PLACERS (see `neurosim.mapping.place`) or a function like them. Wires between bricks weigh as many flits as
    the spikes of *trace* cause, or as many as if every neuron fired once per image. *pins*: layers that lie in given cores,
    brick by brick. *search*: chances, time limit and progress of placers that search. Raises MappingError with every violation
    of a limit, NeurosimError for an unknown placer, one that does not place, or wrong pins. A chip whose mesh is to fit
    gets the smallest that does.
    """
    families.check((PLACERS, placer), (OBJECTIVES, partitioner))
    pinned_last = max((core for cores in (pins or {}).values() for core in cores), default=0)
    chip, cut = fitted(network, chip, partitioner, pinned_last + 1)
    outside = input_violations(network, chip)
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
    aim, _ = OBJECTIVES.of(partitioner)
    mapping = Mapping(network, chip, cut.bricks, cores, "row-major", pinned, partitioner=aim)
    if placer != "row-major":
        mapping = placed(mapping, placer, trace, search)
    problems = check(mapping)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    return mapping


def fitted(network: Network, chip: Chip, partitioner: str | Objective, least: int = 1) -> tuple[Chip, Cut]:
    """The chip and how it is cut; a mesh that is to fit is as small as that allows, with at least so many cores. Raises
    ChipError if more are needed than a chip can have, or its packets cannot carry values that the network has."""
    chip = chip.carrying() if any(layer.graded for layer in network.layers) else chip
    if chip.mesh.size != "fit":
        return chip, partition(network, chip, partitioner)
    side = math.isqrt(MAX_CORES // chip.mesh.cores_per_tile)
    roomy = chip.fitted(side * side * chip.mesh.cores_per_tile)
    cut = partition(network, roomy, partitioner)
    if cut.problems or not cut.bricks:
        return chip, cut
    return chip.fitted(max(least, len(np.unique(packed(network, roomy, cut.bricks, cut.routes))))), cut


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


def placed(mapping: Mapping, placer: str | Placer, trace: SpikeTrace | None = None, search: Search | None = None) -> Mapping:
    """The same bricks where *placer* puts them, those that share a core together, those that are pinned where they are; see
    `map_network`."""
    (name, place), search = PLACERS.of(placer), search or Search()
    pinned, stay = np.full(len(mapping.used), -1), list(mapping.pinned)
    pinned[mapping.home[stay]] = mapping.cores[stay]
    plan = floorplan(mapping.chip, pinned)
    wires = mapping.wires(trace)
    with PLACERS.running(name):
        cores = np.asarray(place(wires, plan, search))
    problems = placement_problems(plan, cores)
    if problems:
        raise PluginError(f"{PLACERS.told(name)} does not place: {'; '.join(problems)}")
    seed = search.seed if getattr(families.behind(place), "takes_chances", False) else None
    return mapping.moved(cores.astype(np.int64)[mapping.home], name, seed)


def placement_problems(plan: Floorplan, cores: np.ndarray) -> list[str]:
    """Why *cores* are not one for each brick."""
    bricks, known = len(plan.pinned), len(plan.order)
    if cores.shape != (bricks,) or cores.dtype.kind not in "iu":
        return [f"it gives {cores.dtype} {list(cores.shape)}; needed are the cores of {bricks} bricks, int64 [{bricks}]"]
    stay, outside = plan.pinned >= 0, cores[(cores < 0) | (cores >= known)]
    values, many = np.unique(cores, return_counts=True)
    problems = [f"core {outside[0]} does not exist; there are cores 0 to {known - 1}"] if len(outside) else []
    problems += [f"core {values[many > 1][0]} is given to {many.max()} bricks"] if (many > 1).any() else []
    return problems + (["pinned bricks are moved"] if (cores != plan.pinned)[stay].any() else [])


def estimate(network: Network, chip: Chip, partitioner: str | Objective = "cores") -> dict[str, Any]:
    """Cores and memory bits per layer without placing, also where the chip has too few cores.

    Raises MappingError if a layer cannot be cut to fit.
    """
    chip, (bricks, routes, problems) = fitted(network, chip, partitioner)
    if problems:
        raise MappingError(network.name, chip.name, problems)
    cores = len(np.unique(packed(network, chip, bricks, routes)))
    layers: list[dict[str, Any]] = [
        {"name": layer.name, "neurons": layer.neurons, "cores": 0, "memory_bits": 0} for layer in network.layers
    ]
    for brick in bricks:
        layers[brick.layer]["cores"] += 1
        layers[brick.layer]["memory_bits"] += sum(u.demand for u in uses(network, chip, [brick], 0) if u.unit == "bits")
    return {
        "network": network.name, "chip": chip.name, "cores_used": cores, "cores": chip.cores, "feasible": cores <= chip.cores,
        "layers": layers,
    }  # fmt: skip
