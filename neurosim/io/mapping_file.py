"""The mapping file: HDF5, or the JSON of `neurosim map`, which can be edited by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.chip.chip import Chip
from neurosim.chip.settings import GIVEN
from neurosim.errors import FileError
from neurosim.io.hdf5 import Node, put, reading, replacing, writing
from neurosim.io.vocabulary import Vocabulary, of_file, since_first
from neurosim.mapping.brick import Brick
from neurosim.mapping.coverage import coverage_problems
from neurosim.mapping.demand import MappingError
from neurosim.mapping.limits import check
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.placement import Placement
from neurosim.network.network import Network
from neurosim.saving import save
from neurosim.schema import some

FIELDS = ("layer", "c0", "c1", "y0", "y1", "x0", "x1", "core", "pinned")
MAPPING = of_file(
    Vocabulary(
        since_first("network", "network_sha256", "chip", "chip_sha256", "chip_values", "placer", "seed", "layers"),
        since_first("bricks"),
    )
)
SPANS = ("channels", "rows", "columns")
LARGEST_JSON = 2**28
# Larger than any number that can be meant.
MOST = 2**31 - 1
# (layer, channels, rows, columns, core, pinned) of every brick.
Rows = list[tuple[str, list[int], list[int], list[int], int, bool]]


@save.register
def save_mapping(mapping: Mapping, path: str | os.PathLike[str]) -> None:
    """Write where every brick of every layer lives; as JSON if *path* ends in .json."""
    if Path(path).suffix == ".json":
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(mapping.to_dict(), indent=1) + "\n", encoding="utf-8")
        return
    with writing(path, "mapping", MAPPING) as file:
        write_mapping(file, mapping.placement)


def write_mapping(root: h5py.Group, mapping: Placement) -> None:
    root.attrs["network"] = mapping.network
    root.attrs["network_sha256"] = mapping.network_sha256
    root.attrs["chip"] = mapping.chip.name
    root.attrs["chip_sha256"] = mapping.chip.sha256
    root.attrs["chip_values"] = json.dumps(mapping.chip.values)
    # HDF5 takes no name that is a member of an enumeration.
    root.attrs["placer"] = str(mapping.placer)
    if mapping.seed is not None:
        root.attrs["seed"] = mapping.seed
    root.attrs["layers"] = mapping.layers
    columns = zip(mapping.bricks, mapping.cores.tolist(), range(len(mapping.bricks)), strict=True)
    rows = [(*brick, core, number in mapping.pinned) for brick, core, number in columns]
    table = np.array(rows, [(name, np.int64) for name in FIELDS])
    meaning = "neurons (c, y, x) of layer number 'layer' with c0 <= c < c1, y0 <= y < y1, x0 <= x < x1 live in 'core'"
    put(root, "bricks", table, "neuron", f"{meaning}; pinned: 1 if a placer must leave them there")


def load_mapping(path: str | os.PathLike[str], network: Network, chip: Chip) -> Mapping:
    """The mapping of *network* onto *chip* in a file. Raises FileError if it is damaged, a neuron is missing or doubled, or a
    core does not exist; MappingError with every violation of a limit."""
    placer, seed, rows, mesh = _from_json(Path(path)) if Path(path).suffix == ".json" else _from_hdf5(path)
    chip = chip.carrying() if any(layer.graded for layer in network.layers) else chip
    if chip.mesh.size == "fit":
        chip = _sized(chip, mesh, str(path))
    known = {layer.name: number for number, layer in enumerate(network.layers)}
    unknown = sorted({name for name, *_ in rows if name not in known})
    if unknown:
        here = ", ".join(known)
        problem = f"layers {', '.join(map(repr, unknown))} are not in network {network.name!r}, which has {here}"
        raise FileError(str(path), [problem])
    bricks = tuple(Brick(known[name], *channels, *ys, *xs) for name, channels, ys, xs, *_ in rows)
    cores = np.array([core for *_, core, _ in rows], np.int64)
    problems = coverage_problems(network, chip, bricks, cores)
    if problems:
        raise FileError(str(path), some(problems), len(problems))
    pinned = frozenset(number for number, row in enumerate(rows) if row[-1])
    mapping = Mapping(network=network, chip=chip, bricks=bricks, cores=cores, placer=placer, pinned=pinned, seed=seed)
    violations = check(mapping)
    if violations:
        raise MappingError(network.name, chip.name, violations)
    return mapping


def _sized(chip: Chip, mesh: Any, path: str) -> Chip:
    """The chip, whose mesh is to fit, with the *mesh* that the mapping is for."""
    sizes = [mesh.get(name) if isinstance(mesh, dict) else None for name in GIVEN]
    if not all(_is_count(size) and size for size in sizes):
        problem = "does not say for how large a mesh it is, and that of the chip is to fit"
        raise FileError(path, [f"{problem}; give its size, --set mesh.width=... --set mesh.height=..."])
    sized = chip.mesh.model_copy(update=dict(zip(GIVEN, sizes, strict=True)))
    return Chip.parse(chip.values | {"mesh": sized.model_dump(mode="json")}, f"chip {chip.name!r}")


def _from_hdf5(path: str | os.PathLike[str]) -> tuple[str, int | None, Rows, Any]:
    with reading(path, "mapping", vocabulary=MAPPING) as (_, root):
        placer, seed, rows = root.text("placer", ""), root.integer("seed", None, optional=True), read_bricks(root)
        values = root.json("chip_values", {})
    return placer, seed, rows, values.get("mesh") if isinstance(values, dict) else None


def read_bricks(root: Node) -> Rows:
    """The bricks that `write_mapping` wrote; none, with a note, where they are damaged."""
    names = [str(name) for name in np.ravel(root.group.attrs.get("layers", []))]
    table = root.array("bricks", "V", 1)
    if table is None:
        return []
    wrong = [name for name in FIELDS if table.dtype.names is None or name not in table.dtype.names]
    if wrong or any(table.dtype[name].kind not in "iu" for name in FIELDS):
        root.say(f"dataset 'bricks' needs the integer columns {', '.join(FIELDS)}")
    elif any(((table[name] < -MOST) | (table[name] > MOST)).any() for name in FIELDS):
        root.say(f"dataset 'bricks' has numbers beyond {MOST:,}")
    elif ((table["layer"] < 0) | (table["layer"] >= len(names))).any():
        root.say(f"dataset 'bricks' names layers that are not among the {len(names)} of attribute 'layers'")
    else:
        columns = zip(*(table[name].tolist() for name in FIELDS), strict=True)
        return [(names[n], [c0, c1], [y0, y1], [x0, x1], core, bool(pin)) for n, c0, c1, y0, y1, x0, x1, core, pin in columns]
    return []


def _from_json(path: Path) -> tuple[str, int | None, Rows, Any]:
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise FileError(str(path), [f"is larger than {LARGEST_JSON:,} bytes; keep mappings of this size as .h5"])
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        raise FileError(str(path), [f"is not JSON: {error}"]) from error
    listed = values.get("bricks") if isinstance(values, dict) else None
    if not isinstance(listed, list):
        raise FileError(str(path), ["has no list 'bricks'; write one with neurosim map NETWORK -o MAP.json"])
    problems = [f"brick {number}: {text}" for number, brick in enumerate(listed) for text in _brick_problems(brick)]
    if problems:
        raise FileError(str(path), some(problems), len(problems))
    rows: Rows = [(b["layer"], *(b[name] for name in SPANS), b["core"], b.get("pinned", False)) for b in listed]
    seed = values.get("seed")
    return str(values.get("placer", "")), seed if _is_count(seed) else None, rows, values.get("mesh")


def _brick_problems(brick: Any) -> list[str]:
    if not isinstance(brick, dict):
        return ["is no table of values"]
    problems = [] if isinstance(brick.get("layer"), str) else ["layer must be the name of one"]
    for name in SPANS:
        span = brick.get(name)
        if not isinstance(span, list) or len(span) != 2 or not all(_is_count(value) for value in span):
            problems.append(f"{name} must be [first, last + 1]")
    if not _is_count(brick.get("core")):
        problems.append("core must be the number of one")
    if not isinstance(brick.get("pinned", False), bool):
        problems.append("pinned must be true or false")
    return problems


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST
