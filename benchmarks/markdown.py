"""The table of README.md."""

from __future__ import annotations

from typing import Any

from benchmarks.row import short


def table(found: dict[str, Any]) -> str:
    """Where and how it was measured, and a line for every row that stands in README.md, with median, range and target."""
    about = found["machine"]
    command = f"python -m benchmarks{' --smoke' if found['smoke'] else ''} --repeats {found['repeats']}"
    lines = [
        f"neurosim {found['neurosim']} on {about['cpu']}, {about['cores']} cores; `{command}`:",
        "",
        "| measured | median (range) | unit | target |",
        "|---|---|---|---|",
    ]
    for section in found["sections"].values():
        lines += [_line(row) for row in section["rows"] if row["readme"] and row["samples"]]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    spread = f" ({short(row['low'])} to {short(row['high'])})" if len(row["samples"]) > 1 else ""
    return f"| {row['readme']} | {short(row['median'])}{spread} | {row['unit']} | {row['target']} |"
