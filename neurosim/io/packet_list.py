"""A recorded packet list: CSV with the columns source, target, created and, if wanted, flits."""

from __future__ import annotations

import csv
import os
import re
from array import array
from typing import Any

import numpy as np

from neurosim.errors import FileError
from neurosim.noc.geometry import Grid
from neurosim.noc.measurement import MAX_CYCLES
from neurosim.noc.synthetic import MAX_FLITS, MAX_PACKETS, check_flits
from neurosim.noc.traffic import Traffic

NEEDED, OPTIONAL = ("source", "target", "created"), ("flits",)
SHOWN = 20
# 18 digits fit 64 bits; int() would also take underscores and the digits of all scripts.
WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")


def load_packets(path: str | os.PathLike[str], grid: Grid, flits: int = 1) -> Traffic:
    """The packets of a CSV file with a header, one core per node; nodes are ids y * width + x, times are cycles and never fall.

    flits: per packet, where the file has no such column. Raises FileError with what is wrong in which line.
    """
    check_flits(flits)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            names, packets, problems = _read(csv.reader(file, strict=True), grid.tiles)
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError:
        raise FileError(str(path), ["is not text in UTF-8"]) from None
    if problems:
        raise FileError(str(path), _shortened(problems))
    columns = dict(zip(names, np.frombuffer(packets, np.int64).reshape(-1, len(names)).T, strict=True))
    return Traffic.unicast(grid, columns["source"], columns["target"], columns["created"], columns.get("flits", flits))[0]


def _read(rows: Any, nodes: int) -> tuple[list[str], array[int], list[str]]:
    """(names of the columns, the numbers of packet after packet, what is wrong)."""
    names: list[str] = []
    packets = array("q")
    problems: list[str] = []
    try:
        names = [name.strip() for name in next(rows, [])]
        problems += _header_problems(names)
        if not problems:
            _read_packets(rows, names, nodes, packets, problems)
            problems += [] if packets or problems else ["holds no packets"]
    except csv.Error as error:
        problems.append(f"line {rows.line_num}: {error}")
    return names, packets, problems


def _read_packets(rows: Any, names: list[str], nodes: int, packets: array[int], problems: list[str]) -> None:
    """Add good lines to *packets*, what is wrong with the others to *problems*."""
    limits = {"source": (0, nodes - 1), "target": (0, nodes - 1), "created": (0, MAX_CYCLES), "flits": (1, MAX_FLITS)}
    bounds = [limits[name] for name in names]
    time, latest = names.index("created"), 0
    for row in rows:
        if not row:
            continue
        if len(row) != len(names):
            problems.append(f"line {rows.line_num}: needed are {len(names)} fields, {','.join(names)}; there are {len(row)}")
            continue
        numbers = [int(field) if WHOLE.fullmatch(field) else None for field in row]
        wrong = [_problem(*cell) for cell in zip(names, row, numbers, bounds, strict=True) if _is_wrong(*cell[2:])]
        created = numbers[time]
        if created is not None and not _is_wrong(created, bounds[time]):
            if created < latest:
                wrong.append(f"created is {created}, after {latest} in the packet before; packets must be sorted by created")
            latest = created
        problems += [f"line {rows.line_num}: {text}" for text in wrong]
        if not wrong:
            packets.extend(n for n in numbers if n is not None)
        if len(packets) > MAX_PACKETS * len(names):
            problems.append(f"holds more than {MAX_PACKETS:,} packets")
            break


def _is_wrong(number: int | None, bounds: tuple[int, int]) -> bool:
    return number is None or not bounds[0] <= number <= bounds[1]


def _problem(name: str, field: str, number: int | None, bounds: tuple[int, int]) -> str:
    if number is None:
        return f"{name} is {field[:40]!r}; needed is a whole number"
    if name in ("source", "target"):
        return f"{name} is node {number}, which the mesh does not have; it has 0 to {bounds[1]:,}"
    return f"{name} is {number}; needed is {bounds[0]} to {bounds[1]:,}"


def _header_problems(names: list[str]) -> list[str]:
    if not any(names):
        return [f"line 1: there is no header; needed is {','.join(NEEDED)} or {','.join(NEEDED + OPTIONAL)}"]
    known = NEEDED + OPTIONAL
    missing = [f"line 1: column {name!r} is missing" for name in NEEDED if name not in names]
    unknown = [f"line 1: column {name[:40]!r} is unknown; there are {', '.join(known)}" for name in names if name not in known]
    twice = [f"line 1: column {name!r} is there {names.count(name)} times" for name in known if names.count(name) > 1]
    return missing + unknown + twice


def _shortened(problems: list[str]) -> list[str]:
    """All problems, or the first of them and how many more there are."""
    if len(problems) <= SHOWN:
        return problems
    lines = [*problems[:SHOWN], f"and {len(problems) - SHOWN:,} more"]
    return [f"{len(problems):,} problems\n" + "\n".join(f"  - {line}" for line in lines)]
