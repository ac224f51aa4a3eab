"""The run file: everything a run found, by core and layer, the whole JSON, and all that was done, to be priced again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import h5py
import numpy as np
from pydantic import ValidationError

from neurosim.chip.chip import Chip
from neurosim.cost.action import GROUP_OF, Action, priced
from neurosim.cost.dataflow import REUSES
from neurosim.cost.energy import Energy, access_names
from neurosim.cost.ledger import Ledger
from neurosim.cost.spikeless import ACTIVATION_BITS
from neurosim.cost.without import Without
from neurosim.errors import FileError
from neurosim.io.hdf5 import Node, put, reading, writing
from neurosim.io.mapping_file import Rows, read_bricks, write_mapping
from neurosim.mapping.brick import Brick
from neurosim.mapping.placement import Placement
from neurosim.outcome.document import RunDocument
from neurosim.outcome.record import Record
from neurosim.saving import save
from neurosim.schema import problems_of, some

# What is kept of an action besides its count.
FIELDS = ("name", "component", "group", "purpose", "constant")
RUN, SILENT, ANN = "run", "silent", "ann, reuse {}"
# Number of the layer of every brick of the network without spikes, where that has a machine of its own.
APART = "ann_layers"
PARTS = (RUN, SILENT, *map(ANN.format, REUSES))
# Name, kinds of number, and dimensions of what is beside the JSON.
ARRAYS = (("outputs", "if", 2), ("predictions", "iu", 1), ("cycles", "iu", 2))


@save.register
def save_run(run: Record, path: str | os.PathLike[str]) -> None:
    """Write *run*."""
    with writing(path, "run") as file:
        file.attrs["command"] = run.document.provenance.command
        _put_json(file, run.document)
        _put_ledger(file, run.ledger, run.mapping)
        put(file, "outputs", run.outputs, "potential", "output potentials after the last step [N,classes]")
        put(file, "predictions", run.predictions, "class", "predicted class [N]")
        put(file, "cycles", run.cycles, "cycle", "cycles of each step of each image [N,T]")
        put(file, "cores", _stored(run.cores), "see names", "one row per used core")
        put(file, "layers", _stored(run.layers), "see names", "one row per layer")
        counts = file.create_group("counts", track_order=True)
        for name, values in run.totals.items():
            put(counts, name, values, "count", "per brick, summed over images and steps [bricks]")
        write_mapping(file.create_group("mapping"), run.mapping)


def load_run(path: str | os.PathLike[str]) -> Record:
    """The run in a run file: a `neurosim.outcome.record.Record`, with the face of a `Result`.

    Raises FileError with every problem, those of the JSON with their path::

        run = ns.load_run("run.h5")
        run.time.seconds, run.energy.total_J, run.counts["spikes"], run.to_dict(), run.report("run.html")
    """
    problems: list[str] = []
    if _is_json(path):
        raise FileError(str(path), ["is JSON, which does not hold all that was done; give the run file that -o writes"])
    with reading(path, "run") as (file, _):
        found = _read(Node(file, problems))
    # Judged behind the reader: what it takes for damage of a file would hide a mistake of ours.
    record = _record(found, problems)
    if record is None or problems:
        raise FileError(str(path), some(problems), len(problems))
    return record


def _is_json(path: str | os.PathLike[str]) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


class Done(NamedTuple):
    """The actions of one part of the ledger: words, counts [actions, bricks], and, of a run, [actions, images]."""

    words: list[Any]
    counts: np.ndarray
    images: np.ndarray | None


class Contents(NamedTuple):
    """What a run file holds, not yet judged."""

    values: Any
    images: int
    spikes_per_neuron: float
    done: dict[str, Done]
    apart: np.ndarray | None
    rows: Rows
    network: str
    network_sha256: str
    placer: str
    seed: int | None
    layers: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    totals: dict[str, np.ndarray]


def _read(root: Node) -> Contents | None:
    values, ledger, mapping, counts = _json(root), root.child("ledger"), root.child("mapping"), root.child("counts")
    if ledger is None:
        root.say("only runs of this version or later can be priced again")
    arrays = {name: root.array(name, kinds, ndim) for name, kinds, ndim in ARRAYS}
    if ledger is None or mapping is None or counts is None:
        return None
    done = {name: part for name in PARTS if (part := _done(ledger.child(name))) is not None}
    totals = {name: counts.array(name, "iu", 1) for name in counts.group}
    return Contents(
        values=values, images=ledger.integer("images", 1), spikes_per_neuron=ledger.number("spikes_per_neuron", 0.0), done=done,
        apart=ledger.array(APART, "iu", 1, optional=True),
        rows=read_bricks(mapping), network=mapping.text("network"), network_sha256=mapping.text("network_sha256"),
        placer=mapping.text("placer"), seed=mapping.integer("seed", None, optional=True),
        layers=tuple(map(str, np.ravel(mapping.group.attrs.get("layers", [])))),
        arrays={name: array for name, array in arrays.items() if array is not None},
        totals={name: array for name, array in totals.items() if array is not None},
    )  # fmt: skip


def _json(root: Node) -> Any:
    """The values of dataset 'json'; None, with a note, where there are none."""
    item = root.group["json"] if "json" in root else None
    if not isinstance(item, h5py.Dataset) or h5py.check_string_dtype(item.dtype) is None or item.shape != ():
        root.say("dataset 'json' is missing, or no text")
        return None
    try:
        return json.loads(item.asstr()[()])
    except (ValueError, RecursionError) as error:
        root.say(f"dataset 'json' cannot be read: {error}")
        return None


def _done(node: Node | None) -> Done | None:
    if node is None:
        return None
    words, counts, images = node.json("actions", []), node.array("counts", "f", 2), node.array("images", "f", 2, optional=True)
    wrong = [w for w in words if not (isinstance(w, list) and len(w) == len(FIELDS) and {*map(type, w)} == {str})]
    if counts is None or wrong or len(words) != len(counts):
        node.say("'actions' and 'counts' do not belong together")
        return None
    for name, values in (("counts", counts), ("images", images)):
        if values is not None and not (np.isfinite(values) & (values >= 0)).all():
            node.say(f"'{name}' must be finite and not negative")
    if images is not None and len(images) != len(words):
        node.say("'actions' and 'images' do not belong together")
        return None
    return Done(words, counts, images)


def _record(found: Contents | None, problems: list[str]) -> Record | None:
    """The record of what was read; None, with every reason, where it is none."""
    if found is None or found.values is None or (len(found.done), len(found.arrays)) != (len(PARTS), len(ARRAYS)):
        return None
    document = _document(found.values, problems)
    if document is None or problems:
        return None
    mapping = _placement(found, document.chip.values)
    problems += _misfits(found, mapping, document)
    if problems:
        return None
    outputs, predictions, cycles = (found.arrays[name] for name, *_ in ARRAYS)
    return Record(
        document=document, ledger=_ledger(found, mapping, document), mapping=mapping, outputs=outputs, predictions=predictions,
        cycles=cycles, totals=found.totals,
    )  # fmt: skip


def _document(values: Any, problems: list[str]) -> RunDocument | None:
    try:
        document = RunDocument.model_validate(values)
    except ValidationError as error:
        problems += problems_of(error, values, "json")
        return None
    problems += document.contradictions
    return document


def _placement(found: Contents, chip: Chip) -> Placement:
    number = {name: i for i, name in enumerate(found.layers)}
    bricks = tuple(Brick(number[name], *channels, *ys, *xs) for name, channels, ys, xs, *_ in found.rows)
    cores = np.array([core for *_, core, _ in found.rows], np.int64)
    pinned = frozenset(i for i, (*_, pin) in enumerate(found.rows) if pin)
    where = found.layers, bricks, cores, found.placer, pinned, found.seed
    return Placement(found.network, found.network_sha256, chip, *where)


def _ledger(found: Contents, mapping: Placement, document: RunDocument) -> Ledger:
    run, quiet = (priced(_actions(found.done[name]), mapping.chip) for name in (RUN, SILENT))
    energies, layers = (Energy(run, found.images), Energy(quiet, found.images)), _layers(mapping)
    return Ledger(*energies, _without(found, mapping, document), found.spikes_per_neuron, layers, mapping.home)


def _layers(mapping: Placement) -> tuple[str, ...]:
    """Of every brick."""
    return tuple(mapping.layers[brick.layer] for brick in mapping.bricks)


def _without(found: Contents, mapping: Placement, document: RunDocument) -> Without:
    """Runs of before 0.9.0 had 8-bit activations, none of them zero, and a single chip."""
    ann, chip = document.ann, _ann_chip(found, mapping, document)
    layers = _layers(mapping) if found.apart is None else tuple(found.layers[number] for number in found.apart.tolist())
    dense = {reuse: priced(_actions(found.done[ANN.format(reuse)]), chip) for reuse in REUSES}
    return Without(
        chip=chip, own=found.apart is not None, layers=layers, dense=dense, macs=ann.macs // document.images,
        bits=ann.bits or ACTIVATION_BITS, sparsity=ann.sparsity or 0.0, accuracy=ann.accuracy, assumes=ann.assumes,
    )  # fmt: skip


def _ann_chip(found: Contents, mapping: Placement, document: RunDocument) -> Chip:
    own = found.apart is not None and document.ann.chip is not None
    return document.ann.chip.values if own and document.ann.chip else mapping.chip


def _actions(done: Done) -> list[Action]:
    told = [dict(zip(FIELDS, words, strict=True)) for words in done.words]
    own = [{key: word for key, word in words.items() if key != "group"} for words in told]
    images = [None] * len(own) if done.images is None else done.images
    return [Action(**words, count=row, images=each) for words, row, each in zip(own, done.counts, images, strict=True)]


def _misfits(found: Contents, mapping: Placement, document: RunDocument) -> Iterator[str]:
    """Why parts of a file do not belong together."""
    yield from _apart_problems(found, mapping, document)
    theirs = len(mapping.bricks) if found.apart is None else len(found.apart)
    for name in PARTS:
        side = (mapping.chip, len(mapping.bricks)) if name in (RUN, SILENT) else (_ann_chip(found, mapping, document), theirs)
        yield from (f"/ledger/{name}: {text}" for text in _unpriced(found.done[name], *side))
    names = {action.name for action in _actions(found.done[RUN])}
    for number, use in enumerate(document.memory):
        lost = [name for name in access_names(use.level, use.holds) if name not in names]
        yield from (f"json.memory.{number}: 'ledger' has no action {name!r}" for name in lost)
    for name in map(ANN.format, REUSES):
        if "mac" not in [action.name for action in _actions(found.done[name])]:
            yield f"/ledger/{name}: there is no action 'mac'"
    if found.images != document.images:
        yield f"json.images: is {document.images}; /ledger: 'images' is {found.images}"
    unknown = sorted({*found.layers} - {layer.name for layer in document.layers})
    yield from (f"json.layers: there is no {name!r}, of which 'mapping' has bricks" for name in unknown)
    if [core.index for core in document.cores] != mapping.used.tolist():
        yield "json.cores: they are not those in which 'mapping' has bricks"
    yield from _sizes(found, document)


def _apart_problems(found: Contents, mapping: Placement, document: RunDocument) -> Iterator[str]:
    """What is wrong with a machine of its own for the network without spikes."""
    if found.apart is None:
        if document.ann.chip is not None and document.ann.chip.sha256 != document.chip.sha256:
            yield f"/ledger: dataset {APART!r} is missing, and json.ann.chip is another than json.chip"
        return
    if document.ann.chip is None:
        yield f"json.ann.chip: is missing; /ledger has {APART!r}"
    here, there = {*_layers(mapping)}, {*found.apart.tolist()}
    if not there <= {*range(len(found.layers))} or {found.layers[number] for number in there} != here:
        yield f"/ledger: {APART!r} are not numbers of all layers"


def _sizes(found: Contents, document: RunDocument) -> Iterator[str]:
    """Arrays of another size than the JSON says."""
    sizes = {"outputs": (document.images, len(document.outputs[0])), "predictions": (document.images,),
             "cycles": (document.images, document.timesteps)}  # fmt: skip
    for name, shape in sizes.items():
        if found.arrays[name].shape != shape:
            yield f"dataset {name!r} has shape {list(found.arrays[name].shape)}; needed {list(shape)}"
    for name in PARTS:
        each = found.done[name].images
        if each is not None and each.shape[1] != document.images:
            yield f"/ledger/{name}: 'images' is for {each.shape[1]} images; there are {document.images}"
    for name, told in (("outputs", document.outputs), ("predictions", document.predictions)):
        if found.arrays[name].shape == sizes[name] and not np.array_equal(found.arrays[name], np.array(told)):
            yield f"json.{name}: are not those of dataset {name!r}"
    for name, values in found.totals.items():
        if len(values) != len(found.rows):
            yield f"/counts: dataset {name!r} is for {len(values)} bricks; there are {len(found.rows)}"


def _unpriced(done: Done, chip: Chip, bricks: int) -> Iterator[str]:
    """What keeps actions in so many *bricks* from being priced."""
    if done.counts.shape[1] != bricks:
        yield f"'counts' is for {done.counts.shape[1]} bricks; there are {bricks}"
    actions, groups = _actions(done), [words[FIELDS.index("group")] for words in done.words]
    pairs = [(action.purpose, group) for action, group in zip(actions, groups, strict=True)]
    odd = sorted({purpose for purpose, group in pairs if GROUP_OF.get(purpose) != group})
    if odd:
        yield f"actions have purposes that do not exist, or are of another group: {', '.join(odd)}"
    unknown = sorted({action.constant for action in actions if action.constant not in chip.prices})
    if unknown:
        yield f"the chip has no {', '.join(unknown)}"


def _put_json(file: h5py.File, document: RunDocument) -> None:
    file.create_dataset("json", data=json.dumps(document.to_dict(), allow_nan=False))
    file["json"].attrs["units"] = "see names"
    file["json"].attrs["description"] = "the JSON that --json writes"


def _put_ledger(file: h5py.File, ledger: Ledger, mapping: Placement) -> None:
    group = file.create_group("ledger", track_order=True)
    group.attrs["images"], group.attrs["spikes_per_neuron"] = ledger.energy.images, ledger.spikes_per_neuron
    done = [ledger.energy.actions, ledger.silent.actions, *(ledger.without.dense[reuse] for reuse in REUSES)]
    if ledger.without.own:
        number = {name: i for i, name in enumerate(mapping.layers)}
        apart = np.array([number[name] for name in ledger.without.layers], np.int64)
        put(group, APART, apart, "layer", "of every brick of the network without spikes, on its own chip [bricks]")
    for name, actions in zip(PARTS, done, strict=True):
        each = group.create_group(name)
        each.attrs["actions"] = json.dumps([[getattr(action, field) for field in FIELDS] for action in actions])
        counts = np.array([action.count for action in actions], np.float64)
        put(each, "counts", counts, "count", "per action and brick [actions,bricks]")
        images = [action.images for action in actions if action.images is not None]
        if images:
            put(each, "images", np.array(images), "count", "per action and image, in all cores [actions,images]")


def _stored(table: np.ndarray) -> np.ndarray:
    """A table whose text columns HDF5 can hold."""
    text = h5py.string_dtype()
    types = [(n, text if table.dtype[n].kind == "U" else table.dtype[n]) for n in table.dtype.names or ()]
    out = np.empty(len(table), types)
    for name, _ in types:
        out[name] = table[name]
    return out
