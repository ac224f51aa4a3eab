"""Options that take a name of a family: what there is, is asked of the family when someone wants to know."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc, unwrap
from typing import Any, get_args, get_type_hints

import typer
from rich.markup import escape
from typer.core import TyperCommand

from neurosim.errors import NeurosimError
from neurosim.families import Family


class Names:
    """What an option does with a name of *family*. help: of the option, to which the names are added. meaning: what a name
    stands for, where the help of the command is to say it. files: whether other words are taken too, as those of files."""

    # What typer calls it.
    __name__ = "name"

    def __init__(self, family: Family[Any], help: str, meaning: Callable[[str], str] | None = None, files: bool = False):
        self.family, self.option_help, self.meaning, self.files = family, help, meaning, files

    def __call__(self, name: str) -> str:
        """The name, if there is one; what it stands for is not touched."""
        if not self.files and name not in self.family:
            raise NeurosimError(self.family.unknown(name))
        return name

    @property
    def help(self) -> str:
        return f"{self.option_help}: {', '.join(self.family)}."

    @property
    def paragraphs(self) -> list[str]:
        """Of the help of the command: each name with its meaning."""
        return [f"{name}: {self.meaning(name)}." for name in self.family] if self.meaning else []

    def complete(self, begun: str) -> list[str]:
        """Names that begin so, for the completion of a shell."""
        return [name for name in self.family if name.startswith(begun)]


def named(family: Family[Any], *flags: str, help: str, meaning: Callable[[str], str] | None = None) -> Any:
    """An option that takes a name of *family*; see `Names`."""
    names = Names(family, help, meaning)
    return typer.Option(*flags, parser=names, metavar="NAME", help=help, autocompletion=names.complete)


def named_or_file(family: Family[Any], *flags: str, help: str) -> Any:
    """An option that takes a name of *family* or a file; what neither is, is refused by what reads it."""
    names = Names(family, help, files=True)
    return typer.Option(*flags, parser=names, metavar="NAME_OR_FILE", help=help, autocompletion=names.complete)


def argument(family: Family[Any], help: str) -> Any:
    """An argument that takes a name of *family*, one with a version, or a file."""
    names = Names(family, help, files=True)
    return typer.Argument(parser=names, metavar="[NAME]", help=help, autocompletion=names.complete)


class NamingCommand(TyperCommand):
    """A command some of whose options take names of families: its help lists them, and what is wrong with packages that bring
    some."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        function = unwrap(self.callback) if self.callback else None
        found = names_of(function)
        for option in self.params:
            if option.name in found:
                option.help = escape(found[option.name].help)  # type: ignore[attr-defined]
        paragraphs = [text for names in found.values() for text in names.paragraphs]
        self.help = "\n\n".join([cleandoc(function.__doc__ or ""), *map(escape, paragraphs)])
        own = (self.epilog or "").split("\n\n")
        notes = dict.fromkeys([*own, *(escape(note) for names in found.values() for note in names.family.notes)])
        self.epilog = "\n\n".join(filter(None, notes)) or None
        super().format_help(ctx, formatter)


def names_of(function: Any) -> dict[str | None, Names]:
    """By parameter of a command."""
    hints = get_type_hints(function, include_extras=True)
    infos = {name: info for name, hint in hints.items() for info in get_args(hint)[1:]}
    return {name: info.parser for name, info in infos.items() if isinstance(getattr(info, "parser", None), Names)}
