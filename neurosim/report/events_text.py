"""Recordings of events in words."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from neurosim.report.text import table
from neurosim.report.units import percent, si


def binned_text(found: dict[str, Any]) -> RenderableType:
    """What went into an inputs file, and where the events went."""
    rows = table("events of recordings", "")
    steps, *shape = found["shape"]
    rate = f", {si(found['events'] / found['seconds'], 'event/s')}" if found["seconds"] else ""
    rows.add_row("recordings", f"{len(found['recordings']):,}")
    rows.add_row("duration of all", si(found["seconds"], "s"))
    rows.add_row("events", f"{found['events']:,}{rate}")
    for name, meaning in (
        ("spikes", "spikes"), ("merged", "merged with another of their pixel and step"), ("outside", "after the last step"),
        ("cut", "after the first seconds asked for"),
    ):  # fmt: skip
        rows.add_row(f"  {meaning}", f"{found[name]:,} ({percent(found[name] / max(found['events'], 1))})")
    rows.add_row("steps", f"{steps:,} of {'x'.join(map(str, shape))} (C, H, W)")
    rows.add_row("labels", _labels(found))
    notes = [Text(f"{r['name']}: {note}") for r in found["recordings"] for note in r["notes"]]
    shown = notes[:10] + ([Text(f"and {len(notes) - 10:,} more notes, all with --json")] if len(notes) > 10 else [])
    return Group(Text(f"{found['file']} is written", style="bold"), rows, *shown)


def survey_text(found: dict[str, Any]) -> RenderableType:
    """What a file of events holds."""
    rows = table("events", "")
    rows.add_row("recordings", f"{found['recordings']:,}")
    rows.add_row("events", f"{found['events']:,}")
    for name, unit in (("first_s", "s"), ("last_s", "s")):
        rows.add_row(name.replace("_s", " event"), "none" if found[name] is None else si(found[name], unit))
    for name in ("x", "y", "p"):
        rows.add_row(name, "none" if found[name] is None else "{} to {}".format(*found[name]))
    return Group(Text(found["meaning"], style="bold"), rows, *map(Text, found["notes"]))


def _labels(found: dict[str, Any]) -> str:
    names = {number: name for name, number in found["classes"].items()}
    counts: dict[int, int] = {}
    for recording in found["recordings"]:
        if recording["label"] is not None:
            counts[recording["label"]] = counts.get(recording["label"], 0) + 1
    if not counts:
        return "none"
    named = {n: f"{n} ({names[n]})" if names.get(n, str(n)) != str(n) else str(n) for n in sorted(counts)}
    told = [f"{name}: {counts[n]:,}" for n, name in named.items()]
    return ", ".join(told[:20]) + (f" and {len(told) - 20} more" if len(told) > 20 else "")
