"""Events as text: one per line, in the order of columns that a comment or the user names."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.io.event_columns import EventColumns, Said

ORDERS = "t x y p in any order; t is in us, t_s instead of it in seconds"
SHOWN = 20
# 18 digits fit 64 bits; int() would also take underscores and the digits of all scripts.
WHOLE, DECIMAL = r"([+-]?[0-9]{1,18})", r"([+-]?[0-9]{1,11}(?:\.[0-9]{0,18})?)"


def order_of(line: str) -> tuple[str, ...] | None:
    """The names of the columns, if the words of *line*, after a #, are names of columns."""
    words = tuple(line.replace("#", " ").replace(",", " ").split())
    known = set(words) in ({"x", "y", "p", "t"}, {"x", "y", "p", "t_s"})
    return words if known and len(words) == 4 else None


def read_text(path: Path, said: Said) -> list[EventColumns]:
    """One event per line, fields parted by blanks or commas; # begins a comment.

    Times in seconds are rounded to us. Raises FileError with what is wrong in which line."""
    numbers = array("q")
    try:
        with path.open(encoding="utf-8-sig") as file:
            order = _order(path, file, said.columns)
            file.seek(0)
            problems = _read(file, order, numbers)
    except UnicodeDecodeError:
        raise FileError(str(path), ["is not text in UTF-8"]) from None
    if problems:
        raise FileError(str(path), problems)
    table = dict(zip(order, np.frombuffer(numbers, np.int64).reshape(-1, 4).T, strict=True))
    return [EventColumns(table["x"], table["y"], table["t" if "t" in order else "t_s"], table["p"])]


def _order(path: Path, lines: Iterable[str], columns: str | None) -> tuple[str, ...]:
    wanted = order_of(columns) if columns is not None else None
    if columns is not None and wanted is None:
        raise FileError(str(path), [f"the columns were said to be {columns[:40]!r}; needed: {ORDERS}"])
    found = next((order for order in map(order_of, _header(lines)) if order), None)
    if wanted and found and wanted != found:
        raise FileError(str(path), [f"the columns were said to be {' '.join(wanted)}, the file says {' '.join(found)}"])
    order = wanted or found
    if order is None:
        raise FileError(str(path), [f"does not say the order of its columns; begin it with '# t x y p', or say it: {ORDERS}"])
    return order


def _header(lines: Iterable[str]) -> Iterator[str]:
    """The comments before the first event."""
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            return
        yield line


def _read(lines: Iterable[str], order: tuple[str, ...], numbers: array[int]) -> list[str]:
    """Add the numbers of good lines to *numbers*; what is wrong with the first of the others, and how many more there are."""
    problems: list[str] = []
    more = 0
    seconds = order.index("t_s") if "t_s" in order else None
    # Half the time of splitting and of looking at every field alone.
    form = re.compile(r"[ \t,]+".join(DECIMAL if name == "t_s" else WHOLE for name in order))
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].strip()
        found = form.fullmatch(words)
        if found is None:
            if words and len(problems) < SHOWN:
                problems.append(f"line {number} is {words[:60]!r}; needed are {' '.join(order)}, whole numbers but for t_s")
            else:
                more += bool(words)
            continue
        fields = list(found.groups())
        if seconds is not None:
            fields[seconds] = str(round(float(fields[seconds]) * 1e6))
        numbers.extend(map(int, fields))
    return problems + ([f"and {more:,} more lines"] if more else [])
