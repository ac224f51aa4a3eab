"""Commands that speak to other tools: export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, show
from neurosim.cli.options import JsonOption
from neurosim.io.accelergy_file import accelergy, save_accelergy
from neurosim.io.run_file import load_record


class Target(StrEnum):
    """What can be written."""

    ACCELERGY = "accelergy"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Run file.")],
    to: Annotated[Target, typer.Option("--to", help="Whose format.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Where it goes.")],
    json_to: JsonOption = None,
) -> None:
    """Write for another tool. accelergy: energy reference table and action counts of a run (YAML)."""
    check_targets(output, json_to, sources=(file,))
    record = load_record(file)
    save_accelergy(record, output)
    show(f"{output} is written: what Accelergy takes for ERT.yaml and action_counts.yaml", json_to, accelergy(record))
