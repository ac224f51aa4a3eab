"""What every image of a point cost, and in what two points differ by more than the images leave open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.outcome.paired import PairedSection, between, paired, paired_shares
from neurosim.outcome.result import Result


@dataclass(frozen=True, eq=False)
class ImageCosts:
    """energy_J, seconds (from its first turn to its answer): float64 [images]. right: bool [images], None without labels;
    trace: what the answers come from, equal to itself alone. energy_error_J, seconds_error: half-widths of the 95 % intervals
    of the means that a time known from a sample of steps leaves, 0 where all was timed by packets, None where nothing was."""

    energy_J: np.ndarray
    seconds: np.ndarray
    right: np.ndarray | None
    trace: object
    energy_error_J: float | None
    seconds_error: float | None

    @classmethod
    def of(cls, result: Result, trace: object) -> ImageCosts:
        """Those of a run of *trace*."""
        time, spent, labels = result.time, result.energy, result.trace.labels
        known, share = spent.images_J, time.sample.error
        assert known is not None
        return cls(
            energy_J=known, seconds=time.latency / time.hz, trace=trace,
            right=None if labels is None else result.predictions == labels,
            energy_error_J=None if share is None else share * spent.static_J / len(known),
            seconds_error=None if share is None else share * time.latency_seconds,
        )  # fmt: skip

    @classmethod
    def read(cls, values: dict[str, Any]) -> ImageCosts:
        """From what `kept` gives."""
        right = values["right"]
        amounts = {name: np.array(values[name], float) for name in ("energy_J", "seconds")}
        return cls(**values | amounts | {"right": None if right is None else np.array(right, bool)})

    @property
    def kept(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "energy_J": self.energy_J.tolist(), "seconds": self.seconds.tolist(), "trace": self.trace,
            "right": None if self.right is None else self.right.tolist(),
            "energy_error_J": self.energy_error_J, "seconds_error": self.seconds_error,
        }  # fmt: skip

    @cached_property
    def edp_Js(self) -> np.ndarray:
        """float64 [images]: what each image adds to the product of the mean energy and the mean latency, to first order; their
        mean is that product."""
        energy, seconds = self.energy_J.mean(), self.seconds.mean()
        found: np.ndarray = energy * self.seconds + seconds * self.energy_J - energy * seconds
        return found

    @property
    def edp_error_Js(self) -> float:
        """Both its parts are off by the same time."""
        energy, seconds = float(self.energy_J.mean()), float(self.seconds.mean())
        return energy * (self.seconds_error or 0.0) + seconds * (self.energy_error_J or 0.0)

    @property
    def errors(self) -> dict[str, float | None]:
        """What `ErrorsSection` says."""
        one = len(self.seconds) < 2
        standard = [None if one else _standard_error(values) for values in (self.energy_J, self.seconds)]
        return {
            "energy_J_standard_error": standard[0], "energy_J_error": self.energy_error_J,
            "latency_s_standard_error": standard[1], "latency_s_error": self.seconds_error,
        }  # fmt: skip


def _energy(one: ImageCosts, other: ImageCosts) -> PairedSection | None:
    return paired(one.energy_J, other.energy_J, _both(one.energy_error_J, other.energy_error_J))


def _latency(one: ImageCosts, other: ImageCosts) -> PairedSection | None:
    return paired(one.seconds, other.seconds, _both(one.seconds_error, other.seconds_error))


def _edp(one: ImageCosts, other: ImageCosts) -> PairedSection | None:
    return paired(one.edp_Js, other.edp_Js, _both(one.edp_error_Js, other.edp_error_Js))


def _accuracy(one: ImageCosts, other: ImageCosts) -> PairedSection | None:
    """Exactly none where the answers are the same for sure."""
    if one.right is None or other.right is None:
        return None
    return between(0.0, 0.0, 0.0) if one.trace == other.trace else paired_shares(one.right, other.right)


# By the objective that they are the means of.
PAIRED: dict[str, Callable[[ImageCosts, ImageCosts], PairedSection | None]] = {
    "energy": _energy, "latency": _latency, "edp": _edp, "accuracy": _accuracy,
}  # fmt: skip


def differences(one: ImageCosts, other: ImageCosts, names: Iterable[str] = PAIRED) -> dict[str, PairedSection]:
    """By objective, in what *one* differs from *other*; without what is not known."""
    found = {name: PAIRED[name](one, other) for name in names}
    return {name: each for name, each in found.items() if each is not None}


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _both(one: float | None, other: float | None) -> float:
    return math.hypot(one or 0.0, other or 0.0)
