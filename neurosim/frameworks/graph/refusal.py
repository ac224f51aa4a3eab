"""What a model does that is no network, and where in its source it does it."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

HERE, OURS, TORCH = f"{Path(__file__).parent}/", f"{Path(__file__).parents[1]}/", f"{Path(torch.__file__).parent}/"


@dataclass(frozen=True)
class Place:
    """A call in a model: *path* of the module that makes it, what *kind* of module that is, and the *line* of source."""

    path: str = ""
    kind: str = ""
    line: str = ""

    def __str__(self) -> str:
        return f"{self.path} ({self.kind})" if self.kind else self.path

    def __add__(self, message: str) -> str:
        return f"{self}: {message}" + (f" [{self.line}]" if self.line else "")


class RefusedError(Exception):
    """The model does what no network here can; *problem* says what, *help* what would help; *also*: what else it does."""

    also: tuple[RefusedError, ...] = ()

    def __init__(self, problem: str, help: str = "", place: Place | None = None):
        super().__init__(problem)
        self.problem, self.help, self.place = problem, help, place

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys(map(str, (self, *self.also))))

    def at(self, place: Place) -> RefusedError:
        """The same with a *place*, where it has none."""
        return self if self.place else type(self)(self.problem, self.help, place)

    def __str__(self) -> str:
        told = f"{self.problem}; {self.help}" if self.help else self.problem
        return self.place + told if self.place else told


def together(refusals: Sequence[RefusedError]) -> RefusedError:
    """One that says all."""
    first, *others = refusals
    first.also = tuple(others)
    return first


class MiscalledError(RefusedError):
    """The model is to be called in another way."""


class FailedHookError(RefusedError):
    """A hook that others attached to the model fails, maybe for the number of samples."""


def source_line() -> str:
    """File, number and text of the innermost line that is neither of torch nor of this package; empty where there is none in
    the model."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if not file.startswith((HERE, TORCH, "<")):
            text = linecache.getline(file, frame.f_lineno).strip()
            return "" if file.startswith(OURS) else f"{Path(file).name}:{frame.f_lineno}: {text}"
        frame = frame.f_back
    return ""
