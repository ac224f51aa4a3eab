"""Whether two machines, or two networks, differ on the same images by more than these images leave open."""

from __future__ import annotations

import math

import numpy as np

from neurosim.outcome.interval import Z
from neurosim.schema import Real, Section
from neurosim.timing.sample import CONFIDENCE

# Up to this share of themselves, amounts of an image differ by rounding alone.
ROUNDING = 1e-12
# Half-widths of the logarithm of a ratio are no more: a factor of 10^43.
FARTHEST = 100.0


class RatioSection(Section):
    """How many times as much one takes as another, of the means over the same images: what was found, and the 95 % interval of
    all images of the kind."""

    value: Real
    low: Real
    high: Real


class PairedSection(Section):
    """By how much the mean over the same images is more than that of another: what was found, and the 95 % interval of all
    images of the kind. ratio: of amounts, how many times that of the other it is; absent where one takes nothing. told_apart:
    whether 1 lies outside the interval of the ratio, of shares 0 outside that of the difference; something and nothing are."""

    mean: Real
    low: Real
    high: Real
    told_apart: bool
    ratio: RatioSection | None = None

    @property
    def same(self) -> bool:
        """Whether no image differs."""
        return not self.low and not self.high


def paired(one: np.ndarray, other: np.ndarray, errors: tuple[float, float] = (0.0, 0.0)) -> PairedSection | None:
    """Of amounts of the same images, float64 [images], those of *one* beside those of *other*; no mean is negative. None for
    less than two images.

    The difference is that of the means, with Student's t of the differences. What is told apart is told by the ratio of the
    means: where an image takes x_i on one and y_i on the other, with means x and y, its logarithm is off by the mean of x_i/x -
    y_i/y to first order (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, ch. 6), so that it lies within ``log(x / y) +-
    t(n - 1) sd(x_i/x - y_i/y) / sqrt(n)``: exchanged, the interval is the inverse; where all images take so many times as
    much, it is that number; and where the means are the same it is as wide as that of the differences, as a share.

    *errors*: of each mean, the half-width of the 95 % interval that a time known from a sample of steps leaves; they add to the
    others as the errors of independent things do, in the ratio as shares, and not where no image differs::

        paired(np.array([26.0, 39.0, 13.0]), np.array([1.0, 1.5, 0.5]))
        # mean 25, low -7.3, high 57.3; ratio 26, from 26 to 26: told apart
    """
    if len(one) < 2:
        return None
    means, halves = bounds(apart(one, other))
    mean, half = float(means), float(halves)
    if not mean and not half:
        return PairedSection(mean=0.0, low=0.0, high=0.0, told_apart=False, ratio=_ratio(one, one, 0.0))
    half, ratio = math.hypot(half, *errors), _ratio(one, other, share(one, errors[0]), share(other, errors[1]))
    told_apart = not ratio.low <= 1 <= ratio.high if ratio else bool(mean)
    return PairedSection(mean=mean, low=mean - half, high=mean + half, told_apart=told_apart, ratio=ratio)


def _ratio(one: np.ndarray, other: np.ndarray, *errors: float) -> RatioSection | None:
    """Of the means, *errors* as shares; None where one of them is 0."""
    mine, theirs = float(one.mean()), float(other.mean())
    if not mine or not theirs:
        return None
    # More than FARTHEST is as good as that: neither is a ratio that a number of a document could hold.
    half = min(math.hypot(float(bounds(one / mine - other / theirs)[1]), *errors), FARTHEST)
    value = mine / theirs if apart(one.mean(), other.mean()) else 1.0
    return RatioSection(value=value, low=value * math.exp(-half), high=value * math.exp(half))


def share(values: np.ndarray, error: float) -> float:
    """An *error* of the mean of *values*, of that mean; 0 where it is 0."""
    mean = float(values.mean())
    return error / mean if mean else 0.0


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
