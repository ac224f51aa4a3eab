"""Whether two machines, or two networks, differ on the same images by more than these images leave open."""

from __future__ import annotations

import math

import numpy as np

from neurosim.outcome.interval import Z
from neurosim.schema import Real, Section
from neurosim.timing.sample import CONFIDENCE

# Up to this share of themselves, amounts of an image differ by rounding alone.
ROUNDING = 1e-12


class PairedSection(Section):
    """By how much the mean over the same images is more than that of another: what was found, and the 95 % interval of all
    images of the kind. told_apart: whether 0 lies outside it."""

    mean: Real
    low: Real
    high: Real
    told_apart: bool


def paired(one: np.ndarray, other: np.ndarray, error: float = 0.0) -> PairedSection | None:
    """Of amounts of the same images, float64 [images], those of *one* less those of *other*: Student's t of the differences.
    None for less than two images.

    *error*: half-width of the 95 % interval that a time known from a sample of steps leaves; it adds to the other as the
    errors of independent things do, and not where no image differs.
    """
    if len(one) < 2:
        return None
    means, halves = bounds(apart(one, other))
    mean, half = float(means), float(halves)
    half = math.hypot(half, error) if mean or half else 0.0
    return between(mean, mean - half, mean + half)


def paired_shares(one: np.ndarray, other: np.ndarray) -> PairedSection:
    """Of whether the answers to the same images are right, bool [images]: the share of *one* less that of *other*, with the
    interval of Wald for which every pair of answers was seen half a time more (A. Agresti & Y. Min, Statistics in Medicine
    24, 2005)."""
    images, more, less = len(one), int((one & ~other).sum()), int((other & ~one).sum())
    middle = (more - less) / (images + 2)
    half = Z * math.sqrt(more + less + 1 - (more - less) * middle) / (images + 2)
    return between((more - less) / images, max(-1.0, middle - half), min(1.0, middle + half))


def between(mean: float, low: float, high: float) -> PairedSection:
    """A difference with its interval."""
    return PairedSection(mean=mean, low=low, high=high, told_apart=not low <= 0 <= high)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """*one* less *other*, 0 where that is rounding alone."""
    found: np.ndarray = one - other
    return np.where(np.abs(found) <= ROUNDING * np.maximum(np.abs(one), np.abs(other)), 0.0, found)


def bounds(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means along the last axis, of two images or more, and half-widths of their 95 % intervals."""
    # It takes longer to import than all else.
    from scipy.special import stdtrit

    images = differences.shape[-1]
    spread = differences.std(-1, ddof=1) / math.sqrt(images)
    return differences.mean(-1), stdtrit(images - 1, (1 + CONFIDENCE) / 2) * spread
