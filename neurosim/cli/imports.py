"""The command that reads networks of other tools: import."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Group

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, show
from neurosim.cli.options import JsonOption
from neurosim.io.nir.imported_network import import_nir
from neurosim.network.layers import AT_ONCE, NEXT_STEP
from neurosim.report import text
from neurosim.report.nir_text import fidelity_text


class ResetAt(StrEnum):
    """When a spike resets its neuron."""

    SAME_STEP = "same-step"
    NEXT_STEP = "next-step"


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A network as NIR (HDF5).")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="The network file.")],
    reset: Annotated[Literal["subtract", "zero"] | None, typer.Option("--reset", help="What a spike does.")] = None,
    dt: Annotated[float | None, typer.Option("--dt", metavar="S", help="Seconds of a step.")] = None,
    compare: Annotated[Literal[">", ">="] | None, typer.Option("--compare", help="How a potential fires.")] = None,
    timesteps: Annotated[int | None, typer.Option("--timesteps", min=1, metavar="N", help="Else as the inputs have.")] = None,
    encoding: Annotated[
        Literal["spikes", "direct"], typer.Option("--encoding", help="direct: an image, shown at all --timesteps.")
    ] = "spikes",
    reset_at: Annotated[ResetAt, typer.Option("--reset-at", help="When a spike resets.")] = ResetAt.SAME_STEP,
    json_to: JsonOption = None,
) -> None:
    """Make a network of a NIR file. What NIR does not say must be said: --dt, --reset, --compare.

    Prints what was kept exactly, what changed and by how much, and what was assumed; the network file keeps all of it."""
    check_targets(output, json_to, sources=(file,))
    network, fidelity = import_nir(
        file, dt=dt, reset=reset, compare=compare, timesteps=timesteps, encoding=encoding,
        dynamics=AT_ONCE if reset_at is ResetAt.SAME_STEP else NEXT_STEP,
    )  # fmt: skip
    network.save(str(output))
    values = {"file": str(output), "network": network.name, "sha256": network.sha256, "fidelity": fidelity.to_dict()}
    show(Group(text.network_table(network), "", fidelity_text(fidelity), "", f"{output} is written"), json_to, values)
