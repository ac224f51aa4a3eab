"""Text files that list many things, line by line, and all that is wrong with them: in little memory, however long they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, TextIO

from neurosim.errors import FileError

SHOWN = 20
LONGEST = 4096


class Problems:
    """The first of many problems, and how many there are."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, *problems: str) -> None:
        self.count += len(problems)
        self.first += problems[: SHOWN - len(self.first)]

    def check(self, path: str | os.PathLike[str]) -> None:
        """Raise FileError if there are any."""
        if self.count > SHOWN:
            lines = [*self.first, f"and {self.count - SHOWN:,} more"]
            raise FileError(str(path), [f"{self.count:,} problems\n" + "\n".join(f"  - {line}" for line in lines)])
        if self.count:
            raise FileError(str(path), self.first)


class LineError(Exception):
    """A line that no list has."""


class Lines:
    """The lines of a file; *number*: of the last one, from 1. Raises LineError."""

    def __init__(self, file: TextIO):
        self.file, self.number = file, 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self.file.readline(LONGEST + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LONGEST:
            raise LineError(f"has more than {LONGEST:,} characters")
        return line


@contextmanager
def reading_lines(path: str | os.PathLike[str]) -> Iterator[Lines]:
    """The lines of a text in UTF-8; raises FileError where there is none."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            yield Lines(file)
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError:
        raise FileError(str(path), ["is not text in UTF-8"]) from None
