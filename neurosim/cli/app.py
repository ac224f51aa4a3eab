"""The application that the commands join."""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import neurosim as ns
from neurosim.cli.commands import COMMANDS, CommandToCome


class Commands(TyperGroup):
    """All commands, those whose modules are imported themselves and the others by name and help."""

    def __init__(self, *, commands: dict[str, Any], **settings: Any):
        known = [(name, help) for module in COMMANDS.values() for name, help in module.items()]
        super().__init__(commands={n: commands.get(n) or CommandToCome(n, help, come) for n, help in known}, **settings)


# Set once, before a command begins: whether nothing is to be printed for people.
QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
app = typer.Typer(
    name="neurosim", cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


def come(name: str) -> TyperCommand:
    """The command of this name, its module imported, which makes it join. Should it compile, that is told."""
    from neurosim.report.progress import compilation

    compilation(QUIET.get())
    import_module(f"neurosim.cli.{next(module for module, names in COMMANDS.items() if name in names)}")
    return typer.main.get_group(app).commands[name]  # type: ignore[return-value]


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
