"""What every image of a point cost, and in what two points differ by more than the images leave open."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.outcome.paired import PairedSection, between, bounds, paired, paired_shares, share
from neurosim.outcome.result import Result

ACCURACY = "accuracy"
# The objectives that can be paired.
AMOUNTS = ("energy", "latency", "edp")
PAIRED = (*AMOUNTS, ACCURACY)


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

    def amounts(self, name: str) -> tuple[np.ndarray, float]:
        """Of one of AMOUNTS: float64 [images], and the half-width that a sampled time leaves of their mean."""
        energy_error, error = self.energy_error_J or 0.0, self.seconds_error or 0.0
        # Both parts of the product are off by the same time.
        product = float(self.energy_J.mean()) * error + float(self.seconds.mean()) * energy_error
        found = {"energy": (self.energy_J, energy_error), "latency": (self.seconds, error), "edp": (self.edp_Js, product)}
        return found[name]

    def reach(self, name: str) -> float:
        """How far the logarithm of the mean of an amount may be off by itself; two that lie farther apart than both reach are
        told apart."""
        if len(self.seconds) < 2:
            return math.inf
        values, error = self.amounts(name)
        mean = float(values.mean())
        return float(bounds(values / mean)[1]) + share(values, error) if mean else 0.0

    @property
    def errors(self) -> dict[str, float | None]:
        """What `ErrorsSection` says."""
        one = len(self.seconds) < 2
        standard = [None if one else _standard_error(values) for values in (self.energy_J, self.seconds)]
        return {
            "energy_J_standard_error": standard[0], "energy_J_error": self.energy_error_J,
            "latency_s_standard_error": standard[1], "latency_s_error": self.seconds_error,
        }  # fmt: skip


def difference(name: str, one: ImageCosts, other: ImageCosts) -> PairedSection | None:
    """In what *one* differs from *other* in an objective of PAIRED; None where that is not known. Answers of the same trace do
    not differ."""
    if name != ACCURACY:
        (mine, my_error), (theirs, their_error) = one.amounts(name), other.amounts(name)
        return paired(mine, theirs, (my_error, their_error))
    if one.right is None or other.right is None:
        return None
    return between(0.0, 0.0, 0.0) if one.trace == other.trace else paired_shares(one.right, other.right)


def differences(one: ImageCosts, other: ImageCosts) -> dict[str, PairedSection]:
    """By objective, in what *one* differs from *other*; without what is not known."""
    found = {name: difference(name, one, other) for name in PAIRED}
    return {name: each for name, each in found.items() if each is not None}


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values))
