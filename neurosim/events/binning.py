"""Events with times become spikes of time steps.

Time is counted from where the recording begins: from its first event, unless the file says when recording started. Adding the
same number to all times (and to the span) therefore changes nothing. Order: what is after the first seconds asked for is cut
off, pixels are joined and polarities merged, events are dealt to steps; events of one pixel in one step are one spike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

import numpy as np

from neurosim.bits import packed, unpacked
from neurosim.errors import InputsError
from neurosim.events.recording import LATEST, Recording
from neurosim.network.inputs import Inputs

MAX_ELEMENTS = 2**33
MAX_STEPS = 10**6


@dataclass(frozen=True)
class Binning:
    """How events become *steps* time steps.

    by "time": steps of window_s seconds each, or as many equal parts of the recording. by "count": steps of per_step events, or
    equal shares of all events, where events of one time are taken in the order of polarity, row, column.
    downsample: side of the squares of pixels that become one (the last row and column may be joined from fewer).
    merge_polarities: one channel. first_s: only what happens in the first seconds.
    """

    steps: int
    by: str = "time"
    window_s: float | None = None
    per_step: int | None = None
    downsample: int = 1
    merge_polarities: bool = False
    first_s: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.by not in ("time", "count"):
            problems.append(f"by is {self.by!r}; it must be 'time' or 'count'")
        if self.by == "count" and self.window_s is not None:
            problems.append("window_s belongs to by='time'; by='count' takes per_step")
        if self.by == "time" and self.per_step is not None:
            problems.append("per_step belongs to by='count'; by='time' takes window_s")
        for name, most in (("steps", MAX_STEPS), ("per_step", LATEST), ("downsample", 2**31)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | np.integer) and 1 <= value <= most):
                problems.append(f"{name} is {value!r}; it must be a whole number from 1 to {most:,}")
        for name in ("window_s", "first_s"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float | np.number) and 0 < value < math.inf):
                problems.append(f"{name} is {value!r}; it must be positive seconds")
        if problems:
            raise InputsError("binning", problems)


@dataclass(frozen=True)
class EventTally:
    """Where the events of a recording went: events = spikes + merged + outside + cut.

    merged: events beyond the first of their pixel in their step. outside: after the last step. cut: after the first seconds
    that were asked for. seconds: of the recording.
    """

    events: int
    spikes: int
    merged: int
    outside: int
    cut: int
    seconds: float

    def __add__(self, other: EventTally) -> EventTally:
        return EventTally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, int | float]:
        """For JSON."""
        return asdict(self)


def binned(recording: Recording, binning: Binning) -> tuple[np.ndarray, EventTally]:
    """Spikes bool [T, P, H, W] of a recording, and where its events went. Raises InputsError for what does not suit it."""
    shape = shape_of(recording, binning)
    if math.prod(shape) > MAX_ELEMENTS:
        raise InputsError(recording.name, [f"steps of {list(shape)} are too many to hold; at most {MAX_ELEMENTS:,} elements"])
    begin, end = recording.span or (0, 0)
    times, extent = recording.t - begin, end - begin
    kept = len(times)
    if binning.first_s is not None:
        first = _ticks(recording, "first_s", binning.first_s)
        extent = min(extent, first)
        kept = int(np.searchsorted(times, first))
    pixels = _pixels(recording, binning, shape)[:kept]
    bounds = _bounds(recording, times[:kept], extent, binning)
    if binning.by == "count":
        pixels = _in_order(times[:kept], pixels, bounds)
    inside = int(bounds[-1])
    step = np.repeat(np.arange(binning.steps), np.diff(bounds))
    spikes = np.zeros(shape, bool)
    spikes.reshape(binning.steps, -1)[step, pixels[:inside]] = True
    count = int(np.count_nonzero(spikes))
    return spikes, EventTally(len(recording), count, inside - count, kept - inside, len(recording) - kept, recording.seconds)


def shape_of(recording: Recording, binning: Binning) -> tuple[int, int, int, int]:
    """(T, P, H, W)"""
    width, height, polarities = recording.sensor
    side = int(binning.downsample)
    return int(binning.steps), 1 if binning.merge_polarities else polarities, -(-height // side), -(-width // side)


def binned_inputs(
    recordings: Iterable[Recording], binning: Binning, name: str = "recordings"
) -> tuple[Inputs, list[EventTally]]:
    """A sample per recording, with the labels that the recordings have, and where the events of each went.

    Raises InputsError where recordings differ in shape, or only some have a label.
    """
    bits: list[np.ndarray] = []
    tallies: list[EventTally] = []
    labels: list[int | None] = []
    shape: tuple[int, ...] = ()
    for recording in recordings:
        shape = shape or shape_of(recording, binning)
        if shape_of(recording, binning) != shape:
            told = f"gives [T,C,H,W] = {list(shape_of(recording, binning))}, the recordings before it give {list(shape)}"
            raise InputsError(recording.name, [told])
        if math.prod(shape) * (len(bits) + 1) > MAX_ELEMENTS:
            told = f"{len(bits) + 1:,} samples of {list(shape)} are too many to hold; at most {MAX_ELEMENTS:,} elements"
            raise InputsError(name, [told])
        spikes, tally = binned(recording, binning)
        bits.append(packed(spikes.reshape(-1)))
        tallies.append(tally)
        labels.append(recording.label)
    if not bits:
        raise InputsError(name, ["there are no recordings"])
    missing = [n for n, label in enumerate(labels) if label is None]
    if missing and len(missing) < len(labels):
        raise InputsError(name, [f"{len(missing)} of {len(labels)} recordings have no label, the first is number {missing[0]}"])
    samples = np.empty((len(bits), *shape), bool)
    for n, row in enumerate(bits):
        samples[n] = unpacked(row, math.prod(shape)).reshape(shape)
    return Inputs(None, None if missing else np.array(labels, np.int64), samples, name), tallies


def _pixels(recording: Recording, binning: Binning, shape: tuple[int, int, int, int]) -> np.ndarray:
    """int64 [events]: where each falls in a step, counted as P, H, W."""
    x, y = (c.astype(np.int64) // int(binning.downsample) for c in (recording.x, recording.y))
    plane = y * shape[3] + x
    return plane if binning.merge_polarities else recording.p.astype(np.int64) * (shape[2] * shape[3]) + plane


def _bounds(recording: Recording, times: np.ndarray, extent: int, binning: Binning) -> np.ndarray:
    """int64 [steps + 1]: the first event of each step, and of what is after the last."""
    events, steps = len(times), int(binning.steps)
    if binning.by == "count":
        if binning.per_step is not None:
            return np.array([min(k * int(binning.per_step), events) for k in range(steps + 1)])
        return np.array([k * events // steps for k in range(steps + 1)])
    if binning.window_s is not None:
        window = _ticks(recording, "window_s", binning.window_s)
        edges = [k * window for k in range(steps + 1)]
    else:
        # Rounded up: a whole t is at or after k * extent / steps exactly if it is at or after this.
        edges = [-(-k * extent // steps) for k in range(steps + 1)]
    return np.searchsorted(times, np.array([min(edge, LATEST + 1) for edge in edges]))


def _in_order(times: np.ndarray, pixels: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The pixels, events of one time sorted by pixel if a bound parts them: how the file has them must not matter."""
    inner = bounds[(bounds > 0) & (bounds < len(times))]
    parted = np.unique(times[inner[times[inner] == times[inner - 1]]])
    pixels = pixels.copy()
    for first, last in zip(np.searchsorted(times, parted), np.searchsorted(times, parted, "right"), strict=True):
        pixels[first:last].sort()
    return pixels


def _ticks(recording: Recording, name: str, seconds: float) -> int:
    """*seconds* in ticks of the recording."""
    exact = min(float(seconds) / recording.tick_s, float(LATEST))
    whole = round(exact)
    if whole < 1 or abs(exact - whole) > 1e-12 * whole:
        told = f"{name} is {seconds} s, {exact:.9g} ticks of its clock of {recording.tick_s:g} s; give a whole number of ticks"
        raise InputsError(recording.name, [told])
    return whole
