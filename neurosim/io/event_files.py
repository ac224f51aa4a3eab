"""Recordings of event cameras, and other files of events with times, as recordings: a table of formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import FileError, InputsError
from neurosim.events.recording import COLUMNS, Recording, column_problems
from neurosim.families import Family, function
from neurosim.io.aedat_files import MAGIC2, MAGIC3, layout_of, read_aedat2_dvs128, read_aedat2_gesture, read_aedat3
from neurosim.io.aer_text import order_of, read_text
from neurosim.io.event_columns import EventColumns, Said
from neurosim.io.nirdata_file import is_nirdata, read_nirdata
from neurosim.io.numpy_file import MAGIC, ZIP_MAGIC, arrays, dtypes

HEAD_BYTES = 2**16
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
OVERFLOW_ROW, OVERFLOW_TICKS = 240, 2**13
SHOWN = 20


# (the file, what was said of it) -> its recordings; most files hold one. Raises FileError for what cannot be read.
Reader = Callable[[Path, Said], list[EventColumns]]


class Format(NamedTuple):
    """A way to write events: how it is read, what it is, and the suffixes by which files go that content does not give away."""

    read: Reader
    meaning: str
    suffixes: tuple[str, ...] = ()


def event_format(given: Any) -> Format:
    """A Format as it is, or that of a reader, which means what the first line of its docstring says."""
    if isinstance(given, Format):
        return given
    return Format(function(given), (getdoc(given) or "").partition("\n")[0].rstrip("."))


def read_tonic(path: Path, said: Said) -> list[EventColumns]:
    """Arrays of numpy: one of records with the fields x, y, t, p, or (``.npz``) one for each of them; t in us."""
    found = arrays(path)
    if set(COLUMNS) <= set(found):
        return [_by_name(found)]
    records = [a for a in found.values() if set(COLUMNS) <= set(a.dtype.names or ())]
    if len(records) != 1:
        held = ", ".join(f"{name or 'an array'} of {a.dtype}" for name, a in list(found.items())[:SHOWN])
        raise FileError(str(path), [f"needs one array with the fields x, y, t, p; it has {held or 'none'}"])
    return [_by_name(records[0])]


def read_nmnist(path: Path, said: Said) -> list[EventColumns]:
    """Records of 5 bytes: x, y, and 24 bits of polarity and time (us, big-endian), as in N-MNIST and N-Caltech101.

    A record in row 240 is no event: from it on the clock is 2^13 us further."""
    data = np.fromfile(path, np.uint8)
    if len(data) % 5:
        raise FileError(str(path), [f"ends within an event: it has {len(data)} bytes, not a multiple of 5"])
    x, y, high, middle, low = data.reshape(-1, 5).T.astype(np.int64)
    overflow = y == OVERFLOW_ROW
    t = ((high & 127) << 16 | middle << 8 | low) + OVERFLOW_TICKS * np.cumsum(overflow)
    x, y, t, p = (column[~overflow] for column in (x, y, t, high >> 7))
    return [EventColumns(x, y, t, p)]


FORMATS: Family[Format] = Family("format", {
    "tonic": Format(read_tonic, "arrays of numpy with the fields x, y, t, p (.npy, .npz)"),
    "aedat2-dvs128": Format(read_aedat2_dvs128, "AEDAT 2, addresses of the DVS128"),
    "aedat2-gesture": Format(read_aedat2_gesture, "AEDAT 2, addresses of DVS Gesture"),
    "aedat3": Format(read_aedat3, "AEDAT 3.1"),
    "nmnist": Format(read_nmnist, "records of 5 bytes of N-MNIST", (".bin",)),
    "text": Format(read_text, "one event per line", (".txt", ".csv", ".aer")),
    "nirdata": Format(read_nirdata, "spikes in NIRData (HDF5)"),
}, group="neurosim.events", taken=event_format)  # fmt: skip


def load_recordings(path: str | os.PathLike[str], **said: Any) -> list[Recording]:
    """The recordings of a file: one, but for NIRData one per sample. *said*: see `Said`.

    Raises FileError if the format is not known, cannot be read, or holds events that cannot be.
    """
    return read_recordings(Path(path), Said(**said))


def read_recordings(path: Path, said: Said, label: int | None = None) -> list[Recording]:
    """`load_recordings` of a file whose recordings have a *label*."""
    name = format_of(path, said)
    if name is None:
        known = ", ".join(f"{name} ({_meaning(name)})" for name in FORMATS)
        broken = [problem for name in FORMATS if name not in FORMATS.own and (problem := FORMATS.problem(name))]
        what = f"is no file of events that is known by content or suffix; say the format: {known}"
        raise FileError(str(path), ["; ".join([what, *broken])])
    try:
        found = _read(path, name, said)
        if name != "nirdata" and not (found and len(found[0].t)):
            raise FileError(str(path), ["holds no events"])
        return [_recording(path, columns, said, n if len(found) > 1 else None, label) for n, columns in enumerate(found)]
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    except InputsError as error:
        raise FileError(str(path), error.problems) from error


def _read(path: Path, name: str, said: Said) -> list[EventColumns]:
    with FORMATS.running(name):
        _, form = FORMATS.of(said.format or name)
        found = form.read(path, said)
    if not isinstance(found, list) or not all(isinstance(columns, EventColumns) for columns in found):
        raise FileError(str(path), [f"format {name!r} reads a {type(found).__name__}; it must be a list of EventColumns"])
    return found


def _meaning(name: str) -> str:
    return FORMATS.own[name].meaning if name in FORMATS.own else f"of package {FORMATS.package(name)}"


def read_all(sources: Iterable[tuple[Path, int | None]], said: Said) -> Iterator[Recording]:
    """The recordings of many files with their labels; raises InputsError at the end with all files that cannot be read."""
    problems: list[str] = []
    count = 0
    for path, label in sources:
        try:
            yield from read_recordings(path, said, label)
        except FileError as error:
            count += 1
            problems += [f"{path}: {'; '.join(error.problems)}"] if count <= SHOWN else []
    if problems:
        more = [f"and {count - SHOWN:,} more files"] if count > SHOWN else []
        raise InputsError("recordings", problems + more, count)


def format_of(path: Path, said: Said | None = None) -> str | None:
    """The format of a file: as said, or from its content, or from its suffix; None if it is not one of events.

    Raises FileError for AEDAT 2 that does not tell its layout, and for AEDAT of other versions.
    """
    given = said.format if said else None
    error = None if given is None else FORMATS.error(given)
    if error:
        raise FileError(str(path), [str(error)]) from error
    head = _head(path)
    return FORMATS.of(given)[0] if given is not None else _by_content(path, head) or _by_suffix(path, head)


def survey(path: Path, name: str) -> dict[str, Any]:
    """What is in a file of the format *name*, without a sensor: how many events, and from where to where columns go."""
    found = _read(path, name, Said())
    for columns in found:
        problems = column_problems({key: getattr(columns, key) for key in COLUMNS})
        if problems:
            raise FileError(str(path), problems)
    ticks = [columns.t * columns.tick_s for columns in found if len(columns.t)]
    spans = {key: [getattr(columns, key) for columns in found if len(columns.t)] for key in "xyp"}
    return {
        "format": name, "meaning": FORMATS[name].meaning, "recordings": len(found),
        "events": sum(len(columns.t) for columns in found),
        "first_s": min((float(t.min()) for t in ticks), default=None),
        "last_s": max((float(t.max()) for t in ticks), default=None),
        **{key: [min(int(v.min()) for v in values), max(int(v.max()) for v in values)] if values else None
           for key, values in spans.items()},
        "notes": [note for columns in found for note in columns.notes],
    }  # fmt: skip


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror or error}"]) from error


def _by_content(path: Path, head: bytes) -> str | None:
    if head.startswith((MAGIC, ZIP_MAGIC)):
        return "tonic" if _has_events(path) else None
    if head.startswith(MAGIC3):
        return "aedat3"
    if head.startswith(MAGIC2):
        layout = layout_of(head)
        if layout is None:
            raise FileError(str(path), ["is AEDAT 2, which does not tell how its addresses are laid out; say the format: "
                                        "aedat2-dvs128 or aedat2-gesture"])  # fmt: skip
        return f"aedat2-{layout}"
    if head.startswith(b"#!AER-DAT"):
        raise FileError(str(path), [f"is {head[2:12].decode(errors='replace').strip()}; known are 2.0 and 3.1"])
    if head.startswith(HDF5_MAGIC):
        return "nirdata" if is_nirdata(path) else None
    first = head.partition(b"\n")[0].decode(errors="replace")
    return "text" if first.startswith("#") and order_of(first) else None


def _by_suffix(path: Path, head: bytes) -> str | None:
    """Packages are asked last, and not about files of numpy and HDF5, which many things are."""
    suffix = path.suffix.lower()
    ours = next((name for name, known in FORMATS.own.items() if suffix in known.suffixes), None)
    if ours or head.startswith((MAGIC, ZIP_MAGIC, HDF5_MAGIC)):
        return ours
    others = (name for name in FORMATS if name not in FORMATS.own and not FORMATS.problem(name))
    return next((name for name in others if suffix in FORMATS[name].suffixes), None)


def _has_events(path: Path) -> bool:
    try:
        found = dtypes(path)
    except FileError:
        return False
    return set(COLUMNS) <= set(found) or any(set(COLUMNS) <= set(d.names or ()) for d in found.values())


def _by_name(source: Any) -> EventColumns:
    return EventColumns(source["x"], source["y"], source["t"], source["p"])


def _recording(path: Path, columns: EventColumns, said: Said, sample: int | None, label: int | None) -> Recording:
    sensor = said.sensor or columns.sensor
    if sensor is None:
        raise FileError(str(path), ["does not say how large the sensor is; say it: sensor=(W, H, P), or --sensor WxHxP"])
    if said.sort:
        order = np.argsort(columns.t, kind="stable")
        columns = columns._replace(**{name: getattr(columns, name)[order] for name in COLUMNS})
    name = str(path) if sample is None else f"{path}[{sample}]"
    x, y, t, p, _, tick_s, span, notes = columns
    return Recording(x, y, t, p, sensor, tick_s, span=span, name=name, label=label, notes=notes)
