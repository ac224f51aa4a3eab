"""The run file: everything a run found, by core and layer, the whole JSON, and all that was done, to be priced again."""

from __future__ import annotations

import json
import os
from typing import Any

import h5py
import numpy as np

from neurosim.chip.chip import Chip
from neurosim.cost.action import COMPUTE, MOVEMENT, PURPOSES, STATIC, Action, priced
from neurosim.cost.ann import REUSES
from neurosim.cost.energy import Energy
from neurosim.cost.ledger import Ledger
from neurosim.errors import FileError
from neurosim.io.hdf5 import Node, put, reading, writing
from neurosim.io.mapping_file import chip_attributes, read_bricks, write_mapping
from neurosim.outcome.record import Record
from neurosim.outcome.result import Result
from neurosim.saving import save

# What is kept of an action besides its count.
FIELDS = ("name", "component", "group", "purpose", "constant")
RUN, SILENT, ANN = "run", "silent", "ann, reuse {}"
NEEDED = {
    "time": dict, "energy": dict, "memory": list, "layers": list, "cores": list, "chip": dict, "provenance": dict,
    "not_counted": list, "images": int, "network": dict,
}  # fmt: skip


@save.register
def save_run(result: Result, path: str | os.PathLike[str]) -> None:
    """Write *result*."""
    with writing(path, "run") as file:
        file.attrs["command"] = result.command
        _put_record(file, result.record, _as_json(result.record))
        put(file, "outputs", result.outputs, "potential", "output potentials after the last step [N,classes]")
        put(file, "predictions", result.predictions, "class", "predicted class [N]")
        put(file, "cycles", result.time.steps, "cycle", "cycles of each step of each image [N,T]")
        put(file, "cores", _stored(result.cores), "see names", "one row per used core")
        put(file, "layers", _stored(result.layers), "see names", "one row per layer")
        counts = file.create_group("counts", track_order=True)
        for name, values in result.totals.items():
            put(counts, name, values, "count", "per brick, summed over images and steps [bricks]")
        write_mapping(file.create_group("mapping"), result.mapping)


def save_record(record: Record, path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Write a record that was priced again, with all else that the run file *source* holds."""
    text = _as_json(record)
    with writing(path, "run") as file, reading(source, "run") as (old, _):
        file.attrs["command"] = record.values["provenance"]["command"]
        for name in old:
            if name not in ("json", "ledger", "cores", "layers"):
                old.copy(name, file)
        for name in ("cores", "layers"):
            table = old[name][()]
            table["energy_J"] = [row["energy_J"] for row in record.values[name]]
            put(file, name, table, old[name].attrs["units"], old[name].attrs["description"])
        file["mapping"].attrs.update(chip_attributes(record.chip))
        _put_record(file, record, text)


def load_record(path: str | os.PathLike[str]) -> Record:
    """The record in a run file; raises FileError with every problem."""
    with reading(path, "run") as (file, root):
        values = _json(file, root)
        group = root.child("ledger")
        if values is None or group is None:
            raise FileError(str(path), [*root.problems, "only runs of this version or later can be priced again"])
        chip = Chip.parse(values["chip"]["values"], f"chip in {path}")
        layers, home = _homes(root, values["cores"])
        names = RUN, SILENT, *map(ANN.format, REUSES)
        run, quiet, *dense = (_actions(group.child(name), chip, len(home)) for name in names)
        images, rate = group.integer("images", 1), group.number("spikes_per_neuron", 0.0)
        by_reuse = dict(zip(REUSES, dense, strict=True))
        record = Record(values, chip, Ledger(Energy(run, images), Energy(quiet, images), by_reuse, rate, layers, home))
        if not root.problems:
            _try(record, root)
        return record


def _homes(root: Node, cores: list[Any]) -> tuple[tuple[str, ...], np.ndarray]:
    """(layer of every brick; int64 [bricks], number of its core among *cores*)."""
    mapping = root.child("mapping")
    rows = read_bricks(mapping) if mapping else []
    number = {core.get("index"): i for i, core in enumerate(cores) if isinstance(core, dict)}
    unknown = sorted({core for *_, core, _ in rows} - number.keys())
    if unknown:
        root.say(f"'json' lists no core {unknown[0]}, in which 'mapping' has a brick")
    return tuple(row[0] for row in rows), np.array([number.get(core, 0) for *_, core, _ in rows], np.int64)


def _try(record: Record, root: Node) -> None:
    """Note what keeps a record from being priced again."""
    try:
        record.at(record.chip)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, StopIteration) as error:
        root.say(f"its parts do not belong together: {type(error).__name__}: {error}")


def _as_json(record: Record) -> str:
    return json.dumps(record.values, allow_nan=False)


def _put_record(file: h5py.File, record: Record, text: str) -> None:
    file.create_dataset("json", data=text)
    file["json"].attrs["units"] = "see names"
    file["json"].attrs["description"] = "the JSON that --json writes"
    ledger, group = record.ledger, file.create_group("ledger", track_order=True)
    group.attrs["images"], group.attrs["spikes_per_neuron"] = ledger.energy.images, ledger.spikes_per_neuron
    done = {RUN: ledger.energy.actions, SILENT: ledger.silent.actions}
    for name, actions in (done | {ANN.format(reuse): found for reuse, found in ledger.dense.items()}).items():
        each = group.create_group(name)
        each.attrs["actions"] = json.dumps([[getattr(action, field) for field in FIELDS] for action in actions])
        counts = np.array([action.count for action in actions], np.float64)
        put(each, "counts", counts, "count", "per action and brick [actions,bricks]")


def _json(file: h5py.File, root: Node) -> dict[str, Any] | None:
    """The JSON of a run, with all that a record needs."""
    item = file["json"] if "json" in root else None
    try:
        values = json.loads(item.asstr()[()]) if isinstance(item, h5py.Dataset) else None
    except (TypeError, ValueError) as error:
        root.say(f"dataset 'json' cannot be read: {error}")
        return None
    lacking = [key for key in NEEDED if not isinstance(values, dict) or not isinstance(values.get(key), NEEDED[key])]
    for key in lacking:
        root.say(f"dataset 'json' has no {key!r}")
    return None if lacking else values


def _actions(node: Node | None, chip: Chip, bricks: int) -> tuple[Action, ...]:
    if node is None:
        return ()
    words, counts = node.json("actions", []), node.array("counts", "f", 2)
    if counts is None or not all(isinstance(w, list) and len(w) == len(FIELDS) for w in words) or len(words) != len(counts):
        node.say("'actions' and 'counts' do not belong together")
        return ()
    if counts.shape[1] != bricks:
        node.say(f"'counts' is for {counts.shape[1]} bricks; there are {bricks}")
    if not (np.isfinite(counts) & (counts >= 0)).all():
        node.say("'counts' must be finite and not negative")
    found = [Action(**dict(zip(FIELDS, w, strict=True)), count=row) for w, row in zip(words, counts, strict=True)]
    odd = sorted({str(a.purpose) for a in found if a.purpose not in PURPOSES or a.group not in (COMPUTE, MOVEMENT, STATIC)})
    if odd:
        node.say(f"actions have purposes that do not exist: {', '.join(odd)}")
    unknown = sorted({str(action.constant) for action in found if action.constant not in chip.prices})
    if unknown:
        node.say(f"the chip has no {', '.join(unknown)}")
        return ()
    return priced(found, chip)


def _stored(table: np.ndarray) -> np.ndarray:
    """A table whose text columns HDF5 can hold."""
    text = h5py.string_dtype()
    types = [(n, text if table.dtype[n].kind == "U" else table.dtype[n]) for n in table.dtype.names or ()]
    out = np.empty(len(table), types)
    for name, _ in types:
        out[name] = table[name]
    return out
