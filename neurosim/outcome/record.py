"""The record of a run: what was said about it, and all that was done, so that it can be priced again without the network."""

from __future__ import annotations

import os
from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from neurosim import saving
from neurosim.chip.chip import Chip
from neurosim.chip.settings import DESCRIPTION
from neurosim.cost.energy import Counts, Energy, access_names
from neurosim.cost.ledger import Ledger
from neurosim.errors import ChipError
from neurosim.mapping.placement import Placement
from neurosim.outcome.chip_sections import ChipSection
from neurosim.outcome.costs import costs
from neurosim.outcome.document import CoreRow, LayerRow, MemoryRow, Origin, RunDocument, TimeSection
from neurosim.outcome.interval import image_spread
from neurosim.outcome.left_out import left_out_of_prices
from neurosim.schema import Section

# What changes neither counts nor cycles.
PRICES = (
    "pj", "uncertainty", "read", "write", "leakage_mw", "area_mm2", "core_mw", "chip_mw", "model", "node_nm", "extrapolate",
    "cells", "busy_pj", "operations", "times", "hz", "scale",
)  # fmt: skip
MORE = "counts, cycles or what leaks, not prices alone"
# What changes neither counts nor cycles, but for how many parts power is counted.
LEAKS = {"policy.idle": "which says whether cores, tiles and chips without neurons leak"}
Row = TypeVar("Row", bound=Section)


@dataclass(frozen=True, eq=False)
class Record:
    """A run without its trace and network, as a run file keeps it.

    document: what is said about it. ledger: all that was done. mapping: what of it a file holds. outputs: [N, classes],
    potentials after the last step; predictions: int64 [N]; cycles: int64 [N, T], of every step; totals: counts summed over
    images and steps, int64 [bricks], by name::

        run = ns.load_run("run.h5")
        run.time.seconds, run.energy.total_J, run.counts["spikes"], run.layers["energy_J"], run.mapping.cores
    """

    document: RunDocument
    ledger: Ledger
    mapping: Placement
    outputs: np.ndarray
    predictions: np.ndarray
    cycles: np.ndarray
    totals: Counts

    def __repr__(self) -> str:
        network, images = self.document.network.name, self.document.images
        cost = f"{self.energy.total_J:.3g} J, {self.time.seconds:.3g} s"
        return f"<Record of {network!r}, {images} samples, on {self.chip.name!r}: {cost}>"

    @property
    def chip(self) -> Chip:
        """The chip of the prices."""
        return self.document.chip.values

    @property
    def accuracy(self) -> float | None:
        return self.document.accuracy

    @property
    def time(self) -> TimeSection:
        return self.document.time

    @property
    def energy(self) -> Energy:
        return self.ledger.energy

    @property
    def counts(self) -> dict[str, int]:
        """The promised counts of the whole chip."""
        return self.document.counts.model_dump()

    @property
    def not_counted(self) -> list[str]:
        """What the model leaves out, in words."""
        return self.document.not_counted

    @cached_property
    def cores(self) -> np.ndarray:
        """Structured array, one row per used core."""
        found = self.document.cores
        return _columns(CoreRow, found, memory_use=[core.fullest for core in found])

    @cached_property
    def layers(self) -> np.ndarray:
        """Structured array, one row per layer; counts and energy are the sums over its cores."""
        return _columns(
            LayerRow, self.document.layers, spikes_per_step=None, energy_by_component_J=None, seconds=None, bound_by=None
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON of the run."""
        return self.document.to_dict()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run file (HDF5, see README)."""
        saving.save(self, path)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the report: one HTML file that needs nothing else."""
        saving.report(self, path)

    def at(self, chip: Chip, command: str = "") -> Record:
        """The same run at the prices of *chip*; a network without spikes on a machine of its own keeps those of that. Raises
        ChipError with everything that would change counts, cycles or what leaks."""
        if not isinstance(chip, Chip):
            raise ChipError(f"chip {chip!r}", [f"is {type(chip).__name__}, not Chip; load it: at(ns.load_chip(...))"])
        chip = chip.sized_as(self.chip)
        problems = differences(_values(self.chip), _values(chip)) or _paces(self.chip, chip) or self._uncounted(chip)
        if problems:
            raise ChipError(f"chip {chip.name!r} changes {MORE}; run again on it, or replay a trace there", problems)
        ledger = self.ledger.at(chip)
        document, mapping = _told(self, ledger, chip, command), replace(self.mapping, chip=chip)
        return replace(self, document=document, ledger=ledger, mapping=mapping)


    def _uncounted(self, chip: Chip) -> list[str]:
        """New prices of what the run did not count."""
        ledger, before = self.ledger, self.chip.prices
        theirs = [] if ledger.without.own else [a for actions in ledger.without.dense.values() for a in actions]
        done = [*ledger.energy.actions, *ledger.silent.actions, *theirs]
        counted = {action.constant for action in done}
        new = {path: price.pj for path, price in chip.prices.items() if path not in counted}
        words = "{} is {:g}, but this run, of another version or chip, did not count what it prices"
        return [words.format(path, pj) for path, pj in new.items() if pj != (before[path].pj if path in before else 0.0)]


def _told(run: Record, ledger: Ledger, chip: Chip, command: str) -> RunDocument:
    """What is said about a run at other prices."""
    before, left, slower = run.document, left_out_of_prices(run.chip), run.chip.clock.hz / chip.clock.hz
    time, known = _slower(run.time, slower), run.document.images_seconds
    each = None if known is None else [seconds * slower for seconds in known]
    origin = Origin(name=run.chip.name, sha256=run.chip.sha256)
    how = {"command": command, "repriced_from": origin}
    if "chip_sha256" in before.provenance.model_fields_set:
        how["chip_sha256"] = chip.sha256
    return before.model_copy(update={
        **costs(ledger, chip, time, before.counts.synaptic_events), **_places(before, ledger, slower),
        "model": None, "time": time, "images_seconds": each, "images_seconds_spread": image_spread(each),
        "memory": [_changed(use, energy_J=_memory_J(ledger.energy, use)) for use in before.memory],
        "chip": ChipSection(name=chip.name, sha256=chip.sha256, values=chip),
        "provenance": before.provenance.model_copy(update=how),
        "not_counted": [*left_out_of_prices(chip), *(note for note in before.not_counted if note not in left)],
    })  # fmt: skip


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two chips differ in more than prices and words."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one | other if key not in PRICES and key not in DESCRIPTION and (path or key != "name")]
        # Why it has so many tiles changes nothing.
        keys = [key for key in keys if (path, key) != ("mesh", "size")]
        return [p for key in keys for p in differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        names = [x.get("name", i) if isinstance(x, dict) else i for i, x in enumerate(one)]
        pairs = zip(names, one, other, strict=True)
        return [p for name, a, b in pairs for p in differences(a, b, f"{path}.{name}")]
    told = f"{path} is {_short(other)}, in the run {_short(one)}"
    return [] if one == other else [f"{told}, {LEAKS[path]}" if path in LEAKS else told]


def _values(chip: Chip) -> dict[str, Any]:
    """Those of a chip, without blocks that there are none of."""
    there = {block.name for block in chip.blocks}
    return chip.values | {"block": [block for block in chip.values["block"] if block["name"] in there]}


def _paces(one: Chip, other: Chip) -> list[str]:
    """Memories that are slower or faster by what they are made of."""
    pairs = [(a, b) for a, b in zip(one.memory, other.memory, strict=True) if a.ported != b.ported]
    words = "memory.{}: with cells its ports make cores wait, and without they do not"
    return [words.format(a.name) for a, _ in pairs]


def _short(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, list | tuple) else repr(value)


def _slower(time: TimeSection, factor: float) -> TimeSection:
    """The time of a run whose cycles last longer."""
    seconds = {name: value * factor for name, value in time if "seconds" in name and value is not None}
    rate = time.images_per_second
    return _changed(time, **seconds, images_per_second=rate / factor if rate else rate)


def _memory_J(spent: Energy, use: MemoryRow) -> float:
    return sum(spent.action(name).total_J for name in access_names(use.level, use.holds))


def _places(before: RunDocument, ledger: Ledger, slower: float) -> dict[str, Any]:
    """Cores with their energy, layers with energy and time."""
    of_core = np.bincount(ledger.home, ledger.energy.per_brick_J, len(before.cores)).tolist()
    cores = [_changed(core, energy_J=joules) for core, joules in zip(before.cores, of_core, strict=True)]
    return {"cores": cores, "layers": [_at(layer, ledger.layers_J.get(layer.name, {}), slower) for layer in before.layers]}


def _at(layer: LayerRow, joules: dict[str, float], slower: float) -> LayerRow:
    time = {} if layer.seconds is None else {"seconds": layer.seconds * slower}
    return _changed(layer, energy_J=sum(joules.values()), energy_by_component_J=joules, **time)


def _changed(part: Row, **fields: Any) -> Row:
    return part.model_copy(update=fields)


def _columns(kind: type[Section], rows: Sequence[Section], **instead: list[Any] | None) -> np.ndarray:
    """Structured array of rows of the document; columns *instead* of what is no number or text, or none."""
    found = {name: [getattr(row, name) for row in rows] for name in kind.model_fields if name not in instead}
    columns = {name: instead.get(name, found.get(name)) for name in kind.model_fields}
    return table_of({name: values for name, values in columns.items() if values is not None})


def table_of(columns: Named[str, Any]) -> np.ndarray:
    """Structured array with these columns."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    table = np.empty(len(next(iter(arrays.values()))), [(name, a.dtype) for name, a in arrays.items()])
    for name, values in arrays.items():
        table[name] = values
    return table
