"""The time of a run of which a random sample of images is timed packet by packet, and the others analytically."""

from __future__ import annotations

import numpy as np

from neurosim.timing.sample import ENOUGH, PacketImages, Sample, drawn, half_width, sizes
from neurosim.timing.schedule import Schedule
from neurosim.timing.tally import Pace, Tally
from neurosim.timing.timeline import Timeline

# Scaled at once.
IMAGES = 256


class SampledTimeline:
    """As a `Timeline`, but only of the analytic one all turns are run; *near* times images of a sample, and the one with the
    analytically longest step.

    The time of the other images is the analytic one times the ratio of the sample; steps and what set the pace are in
    proportion to those of the sample. Queues, stalls and who blocked whom are those of the images that *near* timed.
    """

    def __init__(self, far: Timeline, near: Timeline, packet_images: PacketImages, seed: int):
        self.far, self.near, self.asked, self.seed = far, near, packet_images, seed
        self.schedule = far.schedule
        self.images = len(far.agenda.trace)
        self.add = far.add
        self.found: dict[int, Pace] = {}

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
        far, order = by_image(self.far.pace.split, self.schedule, self.images), drawn(self.images, self.seed)
        for size in sizes(self.asked, self.images):
            sampled = order[:size]
            self._time(sampled)
            expected = scaled(far, sampled, self._splits(sampled))
            error = half_width(self._splits(sampled).sum((1, 2)), expected[sampled].sum((1, 2)), self.images)
            if error <= ENOUGH:
                break
        self._time(self.longest(far))
        return self._joined(expected, error, size)

    def longest(self, far: np.ndarray) -> np.ndarray:
        """The image with the longest step, by *far* [images, turns, bounds]."""
        steps = far.reshape(self.images, self.schedule.timesteps, -1).sum(2)
        return np.array([steps.max(1).argmax()])

    def _time(self, images: np.ndarray) -> None:
        missing = [image for image in sorted(images.tolist()) if image not in self.found]
        self.found |= zip(missing, self.near.run_images(missing), strict=True)

    def _splits(self, images: np.ndarray) -> np.ndarray:
        """[images, turns, bounds] of those that were timed."""
        return np.array([self.found[image].split for image in images.tolist()])

    def _joined(self, expected: np.ndarray, error: float, drawn: int) -> Pace:
        """Images that were timed as they are, the others as expected; what follows the last image too."""
        far, timed = by_image(self.far.pace.split, self.schedule, self.images), np.array(sorted(self.found))
        ratio = expected.sum((0, 1)) / np.maximum(far.sum((0, 1)), 1)
        after = np.rint(self.far.pace.split[far.shape[0] * far.shape[1] :] * ratio).astype(np.int64)
        expected[timed] = self._splits(timed)
        split = np.concatenate([expected.reshape(-1, expected.shape[2]), after])
        sample = Sample(tuple(timed.tolist()), error, int(expected[timed].sum()), drawn)
        return Pace(split.sum(1), split, self._tally(), sample)

    def _tally(self) -> Tally:
        """What is known of all turns, with what is known of those that were timed alone."""
        tally, near = self.far.pace.tally, Tally.empty(self.far.grid)
        for pace in self.found.values():
            near.add(pace.tally)
        near.busy, near.waiting, near.flits = tally.busy, tally.waiting, tally.flits
        return near


def by_image(turns: np.ndarray, schedule: Schedule, images: int) -> np.ndarray:
    """[images, turns, bounds] of the turns in which steps begin; those after them, in which a pipeline runs empty, left out."""
    each = schedule.timesteps * schedule.stride
    return turns[: images * each].reshape(images, each, -1)


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
    return float(near.sum() / max(1, far.sum()))


def _shares(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """[turns, bounds] of what *near* [sampled, turns, bounds] took in each turn, of *far* where it took nothing."""
    seen = near.sum(0)
    seen = np.where(seen.sum(1, keepdims=True) > 0, seen, far.sum(0))
    shares: np.ndarray = seen / np.maximum(seen.sum(1, keepdims=True), 1)
    return shares


def whole(values: np.ndarray) -> np.ndarray:
    """int64: rounded so that every sum from the first on along the last axis is right to the nearest unit."""
    return np.diff(np.rint(np.cumsum(values, -1)).astype(np.int64), axis=-1, prepend=0)
