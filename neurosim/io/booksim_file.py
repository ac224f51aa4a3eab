"""A packet list: columns source, target, created and, if wanted, flits, a packet per line.

Fields are separated by commas, or by spaces as in the lists that patched copies of BookSim 2 and the like are fed with. Lines
that begin with # are comments. The names of the columns, in any order, are the first line, or the first comment made of
nothing else, so that a reader of numbers alone can skip it. A comment before them may name the nodes: "mesh 6x5".
"""

from __future__ import annotations

import csv
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.io.text_lines import LineError, Lines, Problems, reading_lines
from neurosim.noc.geometry import Grid
from neurosim.noc.measurement import MAX_CYCLES
from neurosim.noc.packet_list import PacketList
from neurosim.noc.synthetic import MAX_FLITS, MAX_PACKETS, check_flits
from neurosim.noc.traffic import Traffic

NEEDED, OPTIONAL = ("source", "target", "created"), ("flits",)
# 18 digits fit 64 bits; int() would also take underscores and the digits of all scripts.
WHOLE = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
MESH = re.compile(r"#\s*mesh ([0-9]{1,9})x([0-9]{1,9})( torus)?\s*")


def save_packets(packets: PacketList, path: str | os.PathLike[str], notes: Iterable[str] = ()) -> None:
    """Write created, source, target and flits, separated by spaces, by created; *notes* become comments.

    Raises NeurosimError for a list that `load_packets` would not take.
    """
    if not len(packets):
        raise NeurosimError("the sample sends no packets; a list needs some")
    if packets.created[-1] > MAX_CYCLES:
        last = f"the last packet is created in cycle {packets.created[-1]:,}"
        raise NeurosimError(f"{last}; a list takes up to {MAX_CYCLES:,}")
    comments = [*notes, packets.nodes, "created source target flits"]
    columns = packets.created, packets.source, packets.target, packets.flits
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in comments)
        file.writelines(f"{t} {a} {b} {n}\n" for t, a, b, n in zip(*(c.tolist() for c in columns), strict=True))


def load_packets(path: str | os.PathLike[str], grid: Grid, flits: int = 1) -> Traffic:
    """The packets of a list, one core per node; nodes are ids y * width + x, times are cycles and never fall.

    flits: per packet, where the file has no such column. Raises FileError with what is wrong in which line.
    """
    check_flits(flits)
    problems, packets = Problems(), array("q")
    names: list[str] = []
    with reading_lines(path) as lines:
        try:
            names, separator = _header(lines, grid, problems)
            if not problems:
                _read_packets(lines, names, separator, grid.tiles, packets, problems)
        except (csv.Error, LineError) as error:
            problems.add(f"line {lines.number}: {error}")
    if not packets and not problems:
        problems.add("holds no packets")
    problems.check(path)
    columns = dict(zip(names, np.frombuffer(packets, np.int64).reshape(-1, len(names)).T, strict=True))
    return Traffic.unicast(grid, columns["source"], columns["target"], columns["created"], columns.get("flits", flits))[0]


def _header(lines: Lines, grid: Grid, problems: Problems) -> tuple[list[str], str | None]:
    """(names of the columns, what separates fields: a comma, or None for spaces)."""
    for line in lines:
        separator = "," if "," in line else None
        names = [name.strip() for name in line.lstrip("#").split(separator)]
        if not line.startswith("#"):
            problems.add(*_header_problems(names, lines.number))
            return names, separator
        if set(NEEDED) <= set(names) and not _header_problems(names, lines.number):
            return names, separator
        if mesh := MESH.fullmatch(line):
            problems.add(*_mesh_problems(mesh, grid, lines.number))
    problems.add(*_header_problems([], max(lines.number, 1)))
    return [], None


def _mesh_problems(mesh: re.Match[str], grid: Grid, number: int) -> Iterator[str]:
    """Nodes with the same id would be somewhere else."""
    if (int(mesh[1]), int(mesh[2]), bool(mesh[3])) != (grid.width, grid.height, grid.torus):
        options = f"--mesh {mesh[1]}x{mesh[2]}" + (" --torus" if mesh[3] else " without --torus" if grid.torus else "")
        yield f"line {number}: its nodes are those of another network; give {options}"


def _rows(lines: Lines, separator: str | None) -> Iterator[list[str]]:
    """The fields of every line; none of comments."""
    data = ("\n" if line.startswith("#") else line for line in lines)
    return csv.reader(data, strict=True) if separator else (line.split() for line in data)


def _read_packets(
    lines: Lines, names: Sequence[str], separator: str | None, nodes: int, packets: array[int], problems: Problems
) -> None:
    """Add good lines to *packets*, what is wrong with the others to *problems*."""
    limits = {"source": (0, nodes - 1), "target": (0, nodes - 1), "created": (0, MAX_CYCLES), "flits": (1, MAX_FLITS)}
    bounds = [limits[name] for name in names]
    time, latest = names.index("created"), 0
    for row in _rows(lines, separator):
        if not row:
            continue
        if len(row) != len(names):
            problems.add(f"line {lines.number}: needed are {len(names)} fields, {','.join(names)}; there are {len(row)}")
            continue
        numbers = [int(field) if WHOLE.fullmatch(field) else None for field in row]
        wrong = [_problem(*cell) for cell in zip(names, row, numbers, bounds, strict=True) if _is_wrong(*cell[2:])]
        created = numbers[time]
        if created is not None and not _is_wrong(created, bounds[time]):
            if created < latest:
                wrong.append(f"created is {created}, after {latest} in the packet before; packets must be sorted by created")
            latest = created
        problems.add(*(f"line {lines.number}: {text}" for text in wrong))
        if not wrong:
            packets.extend(n for n in numbers if n is not None)
        if len(packets) > MAX_PACKETS * len(names):
            problems.add(f"holds more than {MAX_PACKETS:,} packets")
            break


def _is_wrong(number: int | None, bounds: tuple[int, int]) -> bool:
    return number is None or not bounds[0] <= number <= bounds[1]


def _problem(name: str, field: str, number: int | None, bounds: tuple[int, int]) -> str:
    if number is None:
        return f"{name} is {field[:40]!r}; needed is a whole number"
    if name in ("source", "target"):
        return f"{name} is node {number}, which the mesh does not have; it has 0 to {bounds[1]:,}"
    return f"{name} is {number}; needed is {bounds[0]} to {bounds[1]:,}"


def _header_problems(names: Sequence[str], number: int) -> list[str]:
    if not any(names):
        return [f"line {number}: there is no header; needed is {','.join(NEEDED)} or {','.join(NEEDED + OPTIONAL)}"]
    known = NEEDED + OPTIONAL
    missing = [f"line {number}: column {name!r} is missing" for name in NEEDED if name not in names]
    strange = [name for name in names if name not in known]
    unknown = [f"line {number}: column {name[:40]!r} is unknown; there are {', '.join(known)}" for name in strange]
    twice = [f"line {number}: column {name!r} is there {names.count(name)} times" for name in known if names.count(name) > 1]
    return missing + unknown + twice
