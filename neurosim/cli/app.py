"""The application that the commands join."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import neurosim as ns
from neurosim.cli.console import QUIET
from neurosim.kernels import CODE_CACHE

app = typer.Typer(
    name="neurosim", no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


UNKEPT = "compiled code cannot be kept, as no folder for it can be written: every command compiles anew"
KEPT = "compiled code will be kept in {}, as no other folder for it can be written"
CHOOSE = "neurosim: {}; set NUMBA_CACHE_DIR to a folder that can\n"


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
    if CODE_CACHE.slow and not QUIET.get():
        sys.stderr.write(CHOOSE.format(KEPT.format(CODE_CACHE.folder) if CODE_CACHE.kept else UNKEPT))
