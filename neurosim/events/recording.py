"""What an event camera recorded: when which pixel saw a change, and of which sign."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import InputsError

Sensor = tuple[int, int, int]
COLUMNS = ("x", "y", "t", "p")
LATEST = 2**62
MAX_PIXELS = 2**31


@dataclass(frozen=True, eq=False)
class Recording:
    """Events in the order of their times.

    x, y, p: int32 [events], pixel and polarity, inside *sensor* = (W, H, P). t: int64 [events], in ticks of *tick_s* seconds,
    at least 0, never falling. span: ticks [first, last) that were recorded; from the first event through the last if nothing
    says more. label: its class, if known. notes: what the file holds and this does not.
    Raises InputsError with how many events are wrong in which way, and the first of each.
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    p: np.ndarray
    sensor: Sensor
    tick_s: float = 1e-6
    span: tuple[int, int] | None = None
    name: str = "recording"
    label: int | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns = {name: np.asarray(getattr(self, name)) for name in COLUMNS}
        problems = _shape_problems(self, columns) or _event_problems(columns, self.sensor)
        if problems:
            raise InputsError(self.name, problems)
        for name, values in columns.items():
            object.__setattr__(self, name, np.ascontiguousarray(values, np.int64 if name == "t" else np.int32))
        object.__setattr__(self, "sensor", tuple(int(n) for n in self.sensor))
        object.__setattr__(self, "span", self._checked_span())

    @classmethod
    def from_events(cls, events: np.ndarray, sensor: Sensor, **other: Any) -> Recording:
        """From a structured array with the integer fields x, y, t (in us) and p in any order, such as Tonic makes."""
        names = np.asarray(events).dtype.names or ()
        if not set(COLUMNS) <= set(names):
            raise InputsError(other.get("name", "recording"), [f"events have the fields {names}; needed: x, y, t, p"])
        return cls(events["x"], events["y"], events["t"], events["p"], sensor, **other)

    def __len__(self) -> int:
        return len(self.t)

    @property
    def seconds(self) -> float:
        """How long the recording is."""
        first, last = self.span or (0, 0)
        return (last - first) * self.tick_s

    def _checked_span(self) -> tuple[int, int]:
        ends = (int(self.t[0]), int(self.t[-1]) + 1) if len(self.t) else (0, 0)
        first, last = self.span or ends
        if not 0 <= first <= last <= LATEST or (len(self.t) and not first <= ends[0]):
            told = f"events are from {ends[0]} to {ends[1] - 1}, the recording is said to last from {first} to {last}"
            raise InputsError(self.name, [told])
        return first, last


def sensor_problems(sensor: Any) -> list[str]:
    """Why *sensor* is not (W, H, P)."""
    usable = isinstance(sensor, tuple | list) and len(sensor) == 3
    if usable and all(isinstance(n, int | np.integer) and n > 0 for n in sensor) and math.prod(map(int, sensor)) <= MAX_PIXELS:
        return []
    return [f"sensor is {sensor!r}; it must be (W, H, P), positive integers, at most {MAX_PIXELS:,} pixels"]


def _shape_problems(recording: Recording, columns: dict[str, np.ndarray]) -> list[str]:
    problems = sensor_problems(recording.sensor)
    if not (0 < recording.tick_s < math.inf):
        problems.append(f"tick_s is {recording.tick_s!r}; it must be positive seconds")
    return problems + column_problems(columns)


def column_problems(columns: dict[str, np.ndarray]) -> list[str]:
    """Why *columns* are not integers, one per event in each."""
    problems = []
    for name, values in columns.items():
        if values.ndim != 1 or values.dtype.kind not in "iub":
            problems.append(f"{name} is {values.dtype} {list(values.shape)}; it must be integers, one per event")
    lengths = {name: values.shape[0] for name, values in columns.items() if values.ndim}
    if len(set(lengths.values())) > 1:
        problems.append(f"the columns differ in length: {', '.join(f'{n} {name}' for name, n in lengths.items())}")
    return problems


def _event_problems(columns: dict[str, np.ndarray], sensor: Sensor) -> list[str]:
    problems = []
    for name, size in zip("xyp", sensor, strict=True):
        values = columns[name]
        told = _wrong(name, values, (values < 0) | (values >= size), f"the sensor has 0..{size - 1}")
        problems += told
    times = columns["t"]
    problems += _wrong("t", times, (times < 0) | (times > LATEST), "times are at least 0, and below 2^62")
    falls = np.concatenate([[False], times[1:] < times[:-1]]) if len(times) else np.zeros(0, bool)
    problems += _wrong("t", times, falls, "which is before the event before it; sort the events if the clock did not jump")
    return problems


def _wrong(name: str, values: np.ndarray, wrong: np.ndarray, why: str) -> list[str]:
    """How many events are *wrong*, and the first."""
    count = int(np.count_nonzero(wrong))
    if not count:
        return []
    first = int(wrong.argmax())
    return [f"{count:,} of {len(values):,} events have a wrong {name}, the first is event {first} with {values[first]}: {why}"]
