"""A message trace of SANA-FE 2.2 (messages.csv): a line for each message, step by step.

What its source says of the columns (2.2.9): src_hw and dest_hw are TILE.CORE, tiles counted column by column; times are
seconds. A core makes a message generation_delay after its last one; the target works on it for processing_delay. The line of a
core's remaining work has no target, x.x. Timestamps count from the beginning of the step, and are -inf unless timing is
"detailed"; network_delay is 0 everywhere where timing is "cycle".
"""

from __future__ import annotations

import csv
import os
import re
from array import array
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.io.text_lines import LineError, Lines, Problems, reading_lines
from neurosim.noc.geometry import Grid
from neurosim.noc.measurement import MAX_CYCLES
from neurosim.noc.messages import MessageTrace
from neurosim.noc.synthetic import MAX_PACKETS

NOWHERE = "x.x"
MOST_CORES = 256

WHOLES = ("timestep", "hops")
DELAYS = ("generation_delay", "processing_delay", "network_delay", "blocking_delay", "min_hop_delay")
TIMESTAMPS = ("send_timestamp", "processed_timestamp")
PLACES = ("src_hw", "dest_hw")
UNUSED = ("mid", "src_neuron", "spikes", "received_timestamp", "messages_along_route")
NEEDED = {*PLACES, *DELAYS, *TIMESTAMPS, "hops"}
KNOWN = {*NEEDED, *WHOLES, *UNUSED}

WHOLE = re.compile(r"[0-9]{1,18}"), "a whole number"
SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?"), "seconds"
TIMESTAMP = re.compile(SECONDS[0].pattern + "|-inf"), "seconds or -inf"
PLACE = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}"), "TILE.CORE"
TARGET = re.compile(PLACE[0].pattern + r"|x\.x"), f"TILE.CORE or {NOWHERE}"
FORMS = {
    **dict.fromkeys(WHOLES, WHOLE), **dict.fromkeys(DELAYS, SECONDS), **dict.fromkeys(TIMESTAMPS, TIMESTAMP),
    "src_hw": PLACE, "dest_hw": TARGET,
}  # fmt: skip


def is_message_trace(path: str | os.PathLike[str]) -> bool:
    """Whether the first line names the places of messages, as SANA-FE calls them."""
    with reading_lines(path) as lines:
        try:
            return set(PLACES) <= set(next(lines, "").strip().split(","))
        except LineError:
            return False


def load_messages(path: str | os.PathLike[str], grid: Grid, hz: float) -> MessageTrace:
    """The messages of a trace on the tiles of *grid*, with as many cores each as the trace names; *hz*: cycles per second.

    Without the column timestep they are of one step. Raises FileError with what is wrong in which line.
    """
    if not 0 < hz < float("inf"):
        raise NeurosimError(f"a clock of {hz:g} Hz cannot be")
    if grid.torus:
        raise NeurosimError("SANA-FE's network is a mesh, and so are the ways of its messages; leave out --torus")
    problems, columns = Problems(), MessageColumns(array("q"), array("d"))
    with reading_lines(path) as lines:
        try:
            names = [name.strip() for name in next(lines, "").split(",")]
            problems.add(*_header_problems(names))
            if not problems:
                _read(lines, names, grid, hz, columns, problems)
        except (csv.Error, LineError) as error:
            problems.add(f"line {lines.number}: {error}")
    rows = columns.rows
    if not problems and not (rows["target"] >= 0).any():
        problems.add("holds no messages")
    problems.check(path)
    return _trace(rows, grid, hz)


class MessageColumns(NamedTuple):
    """Numbers of line after line."""

    wholes: array[int]
    seconds: array[float]

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """By name: step, source, target (tiles, -1 without), source_core, target_core int64; delays and timestamps float64."""
        wholes = np.frombuffer(self.wholes, np.int64).reshape(-1, 5).T
        seconds = np.frombuffer(self.seconds).reshape(-1, len(DELAYS + TIMESTAMPS)).T
        names = ("step", "source", "source_core", "target", "target_core")
        return dict(zip(names, wholes, strict=True)) | dict(zip(DELAYS + TIMESTAMPS, seconds, strict=True))


def _header_problems(names: list[str]) -> list[str]:
    missing = [f"line 1: column {name!r} is missing" for name in sorted(NEEDED) if name not in names]
    strange = sorted({name for name in names if name not in KNOWN})
    unknown = [f"line 1: column {name[:40]!r} is unknown; there are {', '.join(sorted(KNOWN))}" for name in strange]
    twice = [f"line 1: column {name!r} is there {names.count(name)} times" for name in sorted(KNOWN) if names.count(name) > 1]
    return missing + unknown + twice


def _read(lines: Lines, names: list[str], grid: Grid, hz: float, columns: MessageColumns, problems: Problems) -> None:
    """Add good lines to *columns*, what is wrong with the others to *problems*."""
    for row in csv.reader(lines, strict=True):
        if not row:
            continue
        if len(row) != len(names):
            problems.add(f"line {lines.number}: needed are {len(names)} fields; there are {len(row)}")
            continue
        fields = dict(zip(names, map(str.strip, row), strict=True))
        bad = _field_problems(fields, hz)
        places = {name: _place(fields[name]) for name in PLACES if name not in bad}
        wrong = [*bad.values(), *_place_problems(places, grid)]
        if not wrong:
            wrong += _way_problems(places["src_hw"][0], places["dest_hw"][0], int(fields["hops"]), grid)
        problems.add(*(f"line {lines.number}: {text}" for text in wrong))
        if not wrong:
            columns.wholes.extend([int(fields.get("timestep", 0)), *places["src_hw"], *places["dest_hw"]])
            columns.seconds.extend(float(fields[name]) for name in DELAYS + TIMESTAMPS)
        if len(columns.wholes) > 5 * MAX_PACKETS:
            problems.add(f"holds more than {MAX_PACKETS:,} messages")
            break


def _place(text: str) -> tuple[int, int]:
    """(tile, core of the tile), -1 where there is none."""
    if text == NOWHERE:
        return -1, -1
    tile, _, core = text.partition(".")
    return int(tile), int(core)


def _field_problems(fields: dict[str, str], hz: float) -> dict[str, str]:
    """What is not written as it should be, or too long to be simulated, by column."""
    wrong = {}
    for name, (form, words) in FORMS.items():
        if name in fields and not form.fullmatch(fields[name]):
            wrong[name] = f"{name} is {fields[name][:40]!r}; needed is {words}"
    for name in DELAYS + TIMESTAMPS:
        if name not in wrong and (cycles := float(fields[name]) * hz) > MAX_CYCLES:
            wrong[name] = f"{name} is {fields[name]} s, {cycles:,.0f} cycles of {hz:g} Hz; at most {MAX_CYCLES:,} can be"
    return wrong


def _place_problems(places: dict[str, tuple[int, int]], grid: Grid) -> Iterator[str]:
    """What the mesh does not have."""
    for name, (tile, core) in places.items():
        if tile >= grid.tiles:
            yield f"{name} is tile {tile}, which the mesh does not have; it has 0 to {grid.tiles - 1:,}"
        if core >= MOST_CORES:
            yield f"{name} is core {core} of its tile; at most {MOST_CORES} can be simulated"


def _way_problems(source: int, target: int, hops: int, grid: Grid) -> Iterator[str]:
    """Where the way from tile to tile is another in this mesh."""
    (x, y), (tx, ty) = divmod(source, grid.height), divmod(target, grid.height)
    links = abs(x - tx) + abs(y - ty)
    if target >= 0 and links != hops:
        told = f"hops is {hops}, but from tile {source} to {target} there are {links} links"
        size = f"a mesh of {grid.width}x{grid.height}"
        yield f"{told} in {size}, its tiles counted column by column; give --mesh as in SANA-FE's architecture"


def _trace(rows: dict[str, np.ndarray], grid: Grid, hz: float) -> MessageTrace:
    """Good lines as messages, by step; those of a core in the order of the file."""
    order = np.argsort(rows["step"], kind="stable")
    rows = {name: column[order] for name, column in rows.items()}
    steps, step = np.unique(rows["step"], return_inverse=True)
    cores = 1 + int(max(rows["source_core"].max(), rows["target_core"].max()))
    grid = grid._replace(cores_per_tile=cores)
    source, target = (_core(rows[end], rows[f"{end}_core"], grid) for end in ("source", "target"))
    made = np.rint(_summed(rows["generation_delay"], step * grid.cores + source) * hz).astype(np.int64)
    sent = rows["target"] >= 0
    last_made, ended = np.zeros(len(steps), np.int64), np.full(len(steps), np.nan)
    np.maximum.at(last_made, step, made)
    if np.isfinite(rows["processed_timestamp"][sent]).all():
        ended[:] = 0
        np.maximum.at(ended, step, np.maximum(rows["send_timestamp"], rows["processed_timestamp"]))
    travelled, least = rows["network_delay"][sent], rows["min_hop_delay"][sent]
    told = travelled.any() or not least.any()
    return MessageTrace(
        grid=grid, steps=steps, step=step[sent], source=source[sent], target=target[sent], created=made[sent],
        service=np.rint(rows["processing_delay"][sent] * hz).astype(np.int64), made=last_made,
        waited=rows["blocking_delay"][sent] if told else np.full(len(least), np.nan),
        travelled=travelled if told else np.full(len(least), np.nan), least=least, ended=ended,
    )  # fmt: skip


def _core(tile: np.ndarray, core: np.ndarray, grid: Grid) -> np.ndarray:
    """int64: our number of a core; tiles are counted column by column there."""
    x, y = np.divmod(tile, grid.height)
    found: np.ndarray = (y * grid.width + x) * grid.cores_per_tile + core
    return found


def _summed(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """float64: the sum of the values of the same group up to and with each."""
    order = np.argsort(group, kind="stable")
    total = np.cumsum(values[order])
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    before = np.repeat((total - values[order])[begins], np.diff([*begins, len(group)]))
    found = np.empty(len(values))
    found[order] = total - before
    return found
