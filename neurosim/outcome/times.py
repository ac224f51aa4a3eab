"""The time of a run, by step and image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.timing.sample import Sample
from neurosim.timing.schedule import Schedule
from neurosim.timing.tally import BOUNDS, Pace, Tally
from neurosim.timing.timeline import ANALYTIC


@dataclass(frozen=True, eq=False)
class Times:
    """Cycles: steps int64 [N, T], of each step of each image; drain: after the last of them, until the last image is
    answered; latency int64 [N], from the first turn of an image to its answer; bound_by: by what set the pace; step_bound_by:
    the same of each step, float64 [T, 4], mean per image; by_layer: the same of the turns of each layer, int64 [layers, 4],
    None where layers share their turns; tally: by core and by link; sample: the steps that were timed by packets, and how far
    off that may be."""

    steps: np.ndarray
    drain: int
    latency: np.ndarray
    bound_by: dict[str, int]
    step_bound_by: np.ndarray
    by_layer: np.ndarray | None
    tally: Tally
    hz: float
    timing: str
    schedule: str
    sample: Sample

    @property
    def cycles(self) -> int:
        return int(self.steps.sum()) + self.drain

    @property
    def seconds(self) -> float:
        return self.cycles / self.hz

    @property
    def seconds_per_image(self) -> float:
        """Of the run; with a pipeline an image takes longer, see *latency*."""
        return self.seconds / len(self.steps)

    @property
    def seconds_per_image_error(self) -> float | None:
        """Half-width of its 95 % interval: 0 where all was timed by packets, None where nothing was."""
        return None if self.sample.error is None else self.sample.error * self.seconds_per_image

    @property
    def image_cycles(self) -> np.ndarray:
        """float64 [N]: of the run, those of every image, with equal parts of what comes after the last."""
        found: np.ndarray = self.steps.sum(1) + self.drain / len(self.steps)
        return found

    @property
    def worst_step(self) -> tuple[int, int, int]:
        """(image, step, cycles) of the longest step."""
        image, step = np.unravel_index(self.steps.argmax(), self.steps.shape)
        return int(image), int(step), int(self.steps.max())

    @property
    def latency_seconds(self) -> float:
        """Mean over images."""
        return float(self.latency.mean()) / self.hz


def times(pace: Pace, schedule: Schedule, images: int, hz: float, timing: str, name: str) -> Times:
    """The turns of a run as steps and images."""
    ends = np.concatenate([[0], np.cumsum(pace.cycles)])
    rows = ends[np.arange(images * schedule.timesteps + 1) * schedule.stride]
    steps = np.diff(rows).reshape(images, schedule.timesteps)
    spans = np.array([schedule.span(image) for image in range(images)])
    bound_by = dict(zip(BOUNDS, pace.split.sum(0).tolist(), strict=True))
    turns = images, schedule.timesteps, schedule.stride, len(BOUNDS)
    by_step = pace.split[: images * schedule.timesteps * schedule.stride].reshape(turns).sum(2).mean(0)
    latency, drain = ends[spans[:, 1]] - ends[spans[:, 0]], int(ends[-1] - rows[-1])
    return Times(
        steps=steps, drain=drain, latency=latency, bound_by=bound_by, step_bound_by=by_step, tally=pace.tally, hz=hz,
        by_layer=_by_layer(pace, schedule),
        timing=timing, schedule=name, sample=pace.sample or everything(steps, timing, int(ends[-1])),
    )  # fmt: skip


def _by_layer(pace: Pace, schedule: Schedule) -> np.ndarray | None:
    """int64 [layers, 4]: cycles of the turns of each layer, where every turn is of one."""
    turn = np.array(schedule.works) % schedule.stride
    if len(turn) > schedule.stride or len(np.unique(turn)) < len(turn):
        return None
    found = np.zeros((schedule.stride, len(BOUNDS)), np.int64)
    np.add.at(found, np.arange(len(pace.split)) % schedule.stride, pace.split)
    by_layer: np.ndarray = found[turn]
    return by_layer


def everything(steps: np.ndarray, timing: str, cycles: int) -> Sample:
    """All steps [images, steps] by packets, or none of them."""
    if timing == ANALYTIC:
        return Sample((), (), None, 0, 0)
    return Sample(range(len(steps)), range(steps.size), 0.0, cycles, len(steps))
