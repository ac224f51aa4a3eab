"""The application that the commands join."""

from __future__ import annotations

from typing import Annotated

import typer

import neurosim as ns

app = typer.Typer(
    name="neurosim", no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(ns.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone, and what --json - asks for.")] = False,
) -> None:
    """Event-driven simulator of neuromorphic hardware: what a trained spiking network answers on a described chip, how long
    it takes, and where the energy goes. Exit codes: 0 done, 1 the check failed, 2 bad input."""
