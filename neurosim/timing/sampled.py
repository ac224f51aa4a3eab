"""The time of a run of which a random sample of steps is timed packet by packet, and the others analytically."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from neurosim.timing.sample import ENOUGH, PacketImages, Sample, half_width, longest, rounds, sizes
from neurosim.timing.schedule import Schedule
from neurosim.timing.tally import BOUNDS, Pace, Tally
from neurosim.timing.timeline import Timeline

# Scaled at once.
IMAGES = 256


class SampledTimeline:
    """As a `Timeline`, but only of the analytic one all turns are run; *near* times a sample of steps, as many of each step of
    an image, the analytically longest ones, and the turns in which a pipeline runs empty.

    The time of a step that was not timed is the analytic one times the ratio of the sampled images in this step; turns and what
    set the pace are in proportion to those of the sample. Queues, stalls and who blocked whom are those that *near* saw.
    """

    def __init__(self, far: Timeline, near: Timeline, packet_images: PacketImages, seed: int):
        self.far, self.near, self.asked, self.seed = far, near, packet_images, seed
        self.schedule = far.schedule
        self.images = len(far.agenda.trace)
        self.add = far.add
        # By row, [turns, bounds].
        self.found: dict[int, np.ndarray] = {}
        self.tally = Tally.empty(far.grid)

    @property
    def timing(self) -> str:
        """That of the sample."""
        return self.near.timing

    @property
    def order(self) -> str:
        """The name of the schedule."""
        return self.near.order

    def finish(self) -> Pace:
        """Time the sample; the time of all."""
        steps = self.schedule.timesteps
        far, order = by_step(self.far.pace.split, self.schedule, self.images), rounds(self.images, steps, self.seed)
        by_length = far.sum((2, 3)).argsort(None, "stable")[::-1]
        for size in sizes(self.asked, self.images, steps):
            rows = order[:size] * steps + np.arange(steps)
            expected = by_ratio(far, order[:size], self._timed(rows))
            error = self._error(expected, rows, by_length[: longest(size, steps)])
            if error <= ENOUGH:
                break
        return self._joined(expected, error, size)

    def _error(self, expected: np.ndarray, drawn: np.ndarray, long: np.ndarray) -> float:
        """Half-width of the interval, from the *drawn* rows [sampled, steps] and the *long* ones, which are timed for it."""
        cycles, beside = expected.sum((2, 3)).ravel(), np.setdiff1d(long, drawn)
        off = self._timed(beside).sum((1, 2)) - cycles[beside]
        return half_width(self._timed(drawn).sum((2, 3)), cycles[drawn], self.images, off)

    def _timed(self, rows: np.ndarray) -> np.ndarray:
        """[*rows, turns, bounds]: these rows, image * timesteps + step, by packets."""
        stride = self.schedule.stride
        missing = sorted({*rows.ravel().tolist()} - self.found.keys())
        spans = [range(row * stride, (row + 1) * stride) for row in missing]
        self.found |= zip(missing, self._splits(spans), strict=True)
        found = np.array([self.found[row] for row in rows.ravel().tolist()], np.int64)
        return found.reshape(*rows.shape, self.schedule.stride, len(BOUNDS))

    def _splits(self, spans: list[range]) -> Iterator[np.ndarray]:
        """What set the pace of some turns, whose sums are added."""
        for pace in self.near.run_spans(spans):
            self.tally.add(pace.tally)
            yield pace.split

    def _joined(self, expected: np.ndarray, error: float, drawn: int) -> Pace:
        """Rows that were timed as they are, the others as expected; what follows the last image, once in a run, by packets."""
        timed, steps, stride = sorted(self.found), self.schedule.timesteps, self.schedule.stride
        rows = expected.reshape(-1, *expected.shape[2:])
        rows[timed] = [self.found[row] for row in timed]
        after = range(len(rows) * stride, len(self.far.pace.cycles))
        ends = [*self._splits([after] if after else [])]
        split = np.concatenate([rows.reshape(-1, rows.shape[2]), *ends])
        cycles = int(rows[timed].sum()) + sum(int(end.sum()) for end in ends)
        images = sorted({row // steps for row in timed})
        return Pace(split.sum(1), split, self._tally(), Sample(images, timed, error, cycles, drawn))

    def _tally(self) -> Tally:
        """What is known of all turns, with what is known of those that were timed alone."""
        tally = self.far.pace.tally
        return replace(self.tally, busy=tally.busy, waiting=tally.waiting, flits=tally.flits)


def by_step(turns: np.ndarray, schedule: Schedule, images: int) -> np.ndarray:
    """[images, steps, turns, bounds] of the turns in which steps begin; those after them, in which a pipeline runs empty, left
    out."""
    rows = images * schedule.timesteps
    return turns[: rows * schedule.stride].reshape(images, schedule.timesteps, schedule.stride, -1)


def by_ratio(far: np.ndarray, sampled: np.ndarray, near: np.ndarray) -> np.ndarray:
    """int64 [images, steps, turns, bounds]: the analytic cycles *far* of all images, every step `scaled` as the images
    *sampled* for it [sampled, steps], in truth *near* [sampled, steps, turns, bounds], say."""
    return np.stack([scaled(far[:, t], sampled[:, t], near[:, t]) for t in range(far.shape[1])], 1)


def scaled(far: np.ndarray, sampled: np.ndarray, near: np.ndarray) -> np.ndarray:
    """int64 [images, turns, bounds]: the analytic cycles *far* of all images as the *sampled* ones, in truth *near*, say.

    Cycles up to the delivery of the last packet are scaled by one ratio, to the cycle in every image; how they spread over its
    turns, and which part of them was work, is as in the sample. So are those after it, updates and barriers, which no packet
    changes: their ratio is 1 unless a timing of one's own has other ideas.
    """
    found, picked = np.empty_like(far), far[sampled]
    shares, rest = _shares(near[..., :2], far[..., :2]), _ratio(near[..., 2:], picked[..., 2:])
    for first in range(0, len(far), IMAGES):
        some = far[first : first + IMAGES]
        travel = _spread(some[..., :2].sum(2), picked[..., :2].sum(2), near[..., :2].sum(2))
        parts = travel[..., None] * shares, some[..., 2:] * rest
        found[first : first + IMAGES] = np.concatenate([whole(p.reshape(len(p), -1)).reshape(p.shape) for p in parts], 2)
    return found


def _spread(far: np.ndarray, sample: np.ndarray, near: np.ndarray) -> np.ndarray:
    """[images, turns]: *far* times the ratio of *near* to *sample* [sampled, turns]."""
    shape = far * np.divide(near.sum(0), sample.sum(0), out=np.ones(far.shape[1]), where=sample.sum(0) > 0)
    total = far.sum(1) * _ratio(near, sample)
    spread: np.ndarray = shape * (total / np.maximum(shape.sum(1), 1))[:, None]
    return spread


def _ratio(near: np.ndarray, far: np.ndarray) -> float:
    """1 where there is nothing to compare."""
    return float(near.sum() / far.sum()) if far.any() else 1.0


def _shares(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """[turns, bounds] of what *near* [sampled, turns, bounds] took in each turn, of *far* where it took nothing."""
    seen = near.sum(0)
    seen = np.where(seen.sum(1, keepdims=True) > 0, seen, far.sum(0))
    shares: np.ndarray = seen / np.maximum(seen.sum(1, keepdims=True), 1)
    return shares


def whole(values: np.ndarray) -> np.ndarray:
    """int64: rounded so that every sum from the first on along the last axis is right to the nearest unit."""
    return np.diff(np.rint(np.cumsum(values, -1)).astype(np.int64), axis=-1, prepend=0)
