"""The command that reads networks of other tools: import."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Group

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, show
from neurosim.cli.options import JsonOption
from neurosim.errors import NeurosimError
from neurosim.io.lava.blocks import is_lava
from neurosim.io.lava.imported_network import import_lava
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
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A network: NIR, or a .net of lava-dl.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="The network file.")],
    reset: Annotated[Literal["subtract", "zero"] | None, typer.Option("--reset", help="What a spike does.")] = None,
    dt: Annotated[float | None, typer.Option("--dt", metavar="S", help="Seconds of a step.")] = None,
    compare: Annotated[Literal[">", ">="] | None, typer.Option("--compare", help="How a potential fires.")] = None,
    leak: Annotated[
        Literal["euler", "exp"], typer.Option("--leak", help="A time constant as a factor: 1 - dt/tau, or exp(-dt/tau).")
    ] = "euler",
    spikes: Annotated[
        Literal["one", "several"], typer.Option("--spikes", help="In a step; several, with a floor, as sinabs.")
    ] = "one",
    timesteps: Annotated[int | None, typer.Option("--timesteps", min=1, metavar="N", help="Else as the inputs have.")] = None,
    encoding: Annotated[
        Literal["spikes", "direct"], typer.Option("--encoding", help="direct: an image, shown at all --timesteps.")
    ] = "spikes",
    reset_at: Annotated[ResetAt, typer.Option("--reset-at", help="When a spike resets.")] = ResetAt.SAME_STEP,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="CxHxW", help="Of a .net file without a block 'input'.")
    ] = None,
    json_to: JsonOption = None,
) -> None:
    """Make a network of a NIR file, or of a .net file of lava-dl. What NIR does not say must be said: --dt, --reset,
    --compare.

    A .net file becomes a network of integers that computes what Lava's fixed-point model of Loihi does, to the bit. Prints
    what was kept exactly, what changed and by how much, and what was assumed; the network file keeps all of it."""
    check_targets(output, json_to, sources=(file,))
    if is_lava(file):
        given = {"--reset": reset, "--dt": dt, "--compare": compare}
        given |= {"--leak": leak != "euler", "--spikes": spikes != "one", "--reset-at": reset_at is not ResetAt.SAME_STEP}
        _refuse_given(given, "a .net file says itself")
        shape = None if input_shape is None else _shape(input_shape)
        network, fidelity = import_lava(file, timesteps=timesteps, encoding=encoding, input_shape=shape)
    else:
        _refuse_given({"--input-shape": input_shape}, "NIR says itself")
        network, fidelity = import_nir(
            file, dt=dt, reset=reset, compare=compare, leak=leak, spikes=spikes, timesteps=timesteps, encoding=encoding,
            dynamics=AT_ONCE if reset_at is ResetAt.SAME_STEP else NEXT_STEP,
        )  # fmt: skip
    network.save(str(output))
    values = {"file": str(output), "network": network.name, "sha256": network.sha256, "fidelity": fidelity.to_dict()}
    show(Group(text.network_table(network), "", fidelity_text(fidelity), "", f"{output} is written"), json_to, values)


def _refuse_given(options: dict[str, Any], why: str) -> None:
    names = [name for name, value in options.items() if value not in (None, False)]
    if names:
        raise NeurosimError(f"{', '.join(names)}: {why}; leave it out")


def _shape(text: str) -> tuple[int, ...]:
    """(C, H, W) of words like 2x34x34."""
    if not re.fullmatch(r"[1-9][0-9]{0,6}(x[1-9][0-9]{0,6}){2}", text):
        raise NeurosimError(f"--input-shape {text}: needed is CxHxW, for example 2x34x34")
    return tuple(map(int, text.split("x")))
