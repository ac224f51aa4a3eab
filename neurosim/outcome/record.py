"""The record of a run: what was said about it, and all that was done, so that it can be priced again without the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.chip.settings import DESCRIPTION
from neurosim.cost.energy import Energy, access_name
from neurosim.cost.ledger import Ledger
from neurosim.errors import ChipError

EXTRAPOLATED = "published prices for memories as large as {}: theirs are extrapolated"
# What changes neither counts nor cycles.
PRICES = (
    "pj", "uncertainty", "read", "write", "leakage_mw", "area_mm2", "core_mw", "chip_mw", "model", "node_nm", "extrapolate",
    "hz",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Record:
    """values: the JSON of the run. chip: the one it ran on."""

    values: dict[str, Any]
    chip: Chip
    ledger: Ledger

    def at(self, chip: Chip, command: str = "") -> Record:
        """The same run at the prices of *chip*; raises ChipError with everything that would change counts or cycles."""
        problems = differences(self.chip.values, chip.values)
        if problems:
            raise ChipError(f"chip {chip.name!r} changes counts or cycles, not prices alone; run again", problems)
        before, ledger = self.values, self.ledger.at(chip)
        values = before | ledger.to_dict() | _places(before, ledger)
        values["time"] = _slower(before["time"], self.chip.clock.hz / chip.clock.hz)
        values["memory"] = [use | {"energy_J": _memory_J(ledger.energy, use)} for use in before["memory"]]
        values["chip"] = {"name": chip.name, "sha256": chip.sha256, "values": chip.values}
        values["provenance"] = before["provenance"] | {
            "command": command, "repriced_from": {"name": self.chip.name, "sha256": self.chip.sha256},
        }  # fmt: skip
        values["not_counted"] = [*notes(chip), *(n for n in before["not_counted"] if n not in notes(self.chip))]
        return Record(values, chip, ledger)


def notes(chip: Chip) -> list[str]:
    """What the prices of a chip leave out."""
    beyond = [memory.name for memory in chip.memory if memory.extrapolated]
    return [*chip.not_counted, *([EXTRAPOLATED.format(", ".join(beyond))] if beyond else [])]


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two chips differ in more than prices and words."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in one | other if key not in PRICES and key not in DESCRIPTION and (path or key != "name")]
        return [p for key in keys for p in differences(one.get(key), other.get(key), f"{path}.{key}" if path else key)]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        names = [x.get("name", i) if isinstance(x, dict) else i for i, x in enumerate(one)]
        pairs = zip(names, one, other, strict=True)
        return [p for name, a, b in pairs for p in differences(a, b, f"{path}.{name}")]
    return [] if one == other else [f"{path} is {_short(other)}, in the run {_short(one)}"]


def _short(value: Any) -> str:
    return f"{len(value)} entries" if isinstance(value, list | tuple) else repr(value)


def _slower(time: dict[str, Any], factor: float) -> dict[str, Any]:
    """The time of a run whose cycles last longer."""
    seconds = {name: value * factor for name, value in time.items() if "seconds" in name}
    rate = time["images_per_second"]
    return time | seconds | {"images_per_second": rate / factor if rate else rate}


def _memory_J(spent: Energy, use: dict[str, Any]) -> float:
    return sum(spent.action(access_name(use["level"], use["holds"], how)).total_J for how in ("read", "write"))


def _places(before: dict[str, Any], ledger: Ledger) -> dict[str, Any]:
    """Cores and layers with their energy."""
    spent = ledger.energy.per_brick_J
    of_core = np.bincount(ledger.home, spent, len(before["cores"])).tolist()
    of_layer = {layer["name"]: 0.0 for layer in before["layers"]}
    for name, joules in zip(ledger.layers, spent.tolist(), strict=True):
        of_layer[name] += joules
    cores = [core | {"energy_J": joules} for core, joules in zip(before["cores"], of_core, strict=True)]
    return {"cores": cores, "layers": [layer | {"energy_J": of_layer[layer["name"]]} for layer in before["layers"]]}
