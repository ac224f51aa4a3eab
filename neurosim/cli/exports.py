"""The command that writes for other tools: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, mapped, show
from neurosim.cli.names import NamingCommand, named
from neurosim.cli.options import CHIP, JsonOption, PlacerOption, SetOption
from neurosim.exports import EXPORTERS, Export, check_options, exported


def meaning(name: str) -> str:
    """What a format is, and what options it takes, in words."""
    if name not in EXPORTERS.own:
        return f"of package {EXPORTERS.package(name)}"
    found = EXPORTERS.own[name]
    takes = f"; takes {', '.join(found.takes)}" if found.takes else ""
    return found.meaning + takes + ("; OUT is a folder" if found.folder else "")


@app.command(cls=NamingCommand)
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A network, a trace or a run, as the format needs.")],
    to: Annotated[str, named(EXPORTERS, "--to", help="Whose format", meaning=meaning)],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Where it goes.")],
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="Samples to choose from.")] = None,
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="Where one is written: which.")] = 0,
    chip: Annotated[str | None, CHIP] = None,
    changes: SetOption = None,
    placer: PlacerOption = None,
    dt: Annotated[float | None, typer.Option("--dt", metavar="S", help="Seconds of a step.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Write for another tool: energies, networks, spikes or packets."""
    asked = Export(
        file, output, inputs=inputs, sample=sample, chip=chip, changes=changes or (), placer=placer, dt=dt,
        place=lambda network, machine, name: mapped(network, machine, str(name), json_to),
    )  # fmt: skip
    check_options(to, asked)
    check_targets(None if EXPORTERS[to].folder else output, json_to, sources=(file,))
    told = exported(to, asked)
    show(told.said, json_to, told.values)
