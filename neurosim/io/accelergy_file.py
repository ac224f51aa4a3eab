"""Action counts and prices in the shape of Accelergy (ERT and action counts, version 0.4), so that anyone can price a run."""

from __future__ import annotations

import json
import os
from typing import Any

from neurosim.cost.action import Action
from neurosim.io.hdf5 import replacing
from neurosim.outcome.record import Record

VERSION = "0.4"


def save_accelergy(record: Record, path: str | os.PathLike[str]) -> None:
    """Write both tables to one file, as JSON, which is YAML too."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(accelergy(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def accelergy(record: Record) -> dict[str, Any]:
    """{"ERT": energies in pJ, "action_counts": how often}, by component (a part of the chip file) and action."""
    energies: dict[str, dict[str, float]] = {}
    counts: dict[str, dict[str, int]] = {}
    for action in record.ledger.energy.actions:
        part, name = f"{record.chip.name}.{action.price.part}", action_name(action)
        energies.setdefault(part, {})[name] = action.price.pj
        of_part = counts.setdefault(part, {})
        of_part[name] = of_part.get(name, 0) + action.times
    return {
        "ERT": {
            "version": VERSION,
            "tables": [
                {"name": part, "actions": [{"name": name, "arguments": {}, "energy": pj} for name, pj in found.items()]}
                for part, found in energies.items()
            ],
        },
        "action_counts": {
            "version": VERSION,
            "local": [
                {"name": part, "action_counts": [{"name": name, "arguments": {}, "counts": n} for name, n in found.items()]}
                for part, found in counts.items()
            ],
        },
    }


def action_name(action: Action) -> str:
    """What is done to the component: read, write, leak, or the operation itself."""
    last = action.constant.removeprefix(action.price.part).strip(".")
    if last.endswith("_mw"):
        return "leak" if last == "leakage_mw" else f"leak_{last.removesuffix('_mw')}"
    return last.removesuffix("pj").strip(".") or action.name
