"""Which steps of which images are timed packet by packet when not all are, and what they say about the others.

The ratio between the time by packets and the analytic time of a step differs little from image to image, so that the step of a
few images tells it for all. For every step other images are drawn: the steps of one image say less than those of several. The
ratios are skewed: where a core is overrun, the packets behind those that wait for it are late as well, and that happens in few
steps, the long ones. The longest are therefore all timed (M. A. Hidiroglou, The American Statistician 40, 1986), the spread is
that of what was drawn and of them together, and no interval is taken to be below FLOOR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, lcm
from numbers import Integral

import numpy as np

# What is asked of a sample: images enough, all of them, or so many.
AUTO, ALL = "auto", "all"
PacketImages = str | int
# JSON and HDF5 have no larger integers.
MOST_SEED = 2**63 - 1
# Up to so many images, all are timed.
HANDFUL = 5
# Of each step in a study, all points of which look at the same steps of the same images.
STUDY_IMAGES = 5
# The least that a sample begins with, unless it is a HANDFUL of each step, and how it grows.
FREEDOM, GROWTH = 10, 1.25
# The half-width of an interval that ends the drawing, and the least that is stated, as shares of the time.
ENOUGH, FLOOR = 0.01, 0.005
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """What was timed closely. rows: image * timesteps + step, rising; images: those of which any step was, rising; error:
    half-width of the 95 % interval of the time of all, as a share of it, 0 where all was timed, None where nothing was; cycles:
    of the rows, and of what follows the last; drawn: of each step, how many images are a random sample, without those that
    were timed for being longest."""

    images: Sequence[int]
    rows: Sequence[int]
    error: float | None
    cycles: int
    drawn: int


def seed_problem(seed: object) -> str | None:
    """Why *seed* is none."""
    known = isinstance(seed, Integral) and 0 <= int(seed) <= MOST_SEED
    return None if known else f"seed is {seed!r}; it must be an integer in 0..{MOST_SEED}"


def problem(asked: object) -> str | None:
    """Why *asked* says not how many images are to be timed."""
    if asked in (AUTO, ALL) or (isinstance(asked, Integral) and not isinstance(asked, bool) and int(asked) >= 2):
        return None
    known = f"{AUTO!r}, {ALL!r}, or a whole number from 2 on (one image alone has no interval)"
    return f"packet_images is {asked!r}; it must be {known}"


def drawn(images: int, seed: int) -> np.ndarray:
    """int64 [images]: all images in the order in which they are drawn; the same for every network and chip."""
    return np.random.default_rng([seed, images]).permutation(images)


def rounds(images: int, steps: int, seed: int) -> np.ndarray:
    """int64 [images, steps]: the image of each step, round by round, every image once in each column.

    Read row by row, all images come up in the order in which they are drawn before any comes up again; where the images would
    meet the same steps then, they are shifted by one.
    """
    place = np.arange(images * steps)
    turned: np.ndarray = drawn(images, seed)[(place + place // lcm(images, steps)) % images].reshape(images, steps)
    return turned


def sizes(asked: PacketImages, images: int, steps: int) -> Iterator[int]:
    """How many images of each step to time, until their interval is narrow enough."""
    if asked == ALL or images <= HANDFUL:
        yield images
    elif asked == AUTO:
        size = min(HANDFUL, 1 + ceil(FREEDOM / steps))
        while size < images:
            yield size
            size = ceil(size * GROWTH)
        yield images
    else:
        yield min(int(asked), images)


def longest(drawn: int, steps: int) -> int:
    """How many of the longest steps are timed beside *drawn* images of each of *steps*."""
    return steps * (1 + 2 * drawn // 3)


def half_width(near: np.ndarray, expected: np.ndarray, images: int, beside: np.ndarray) -> float:
    """Of the 95 % interval of the time of *images* images, as a share of it: Student's t of a separate ratio estimate, whose
    strata are the steps, with one variance of all, and with the correction for a sample that is a good part of all (Cochran,
    Sampling Techniques, 3rd edition, 1977, chapter 6).

    near, expected: int64 [sampled, steps], cycles of each by packets, and as the ratio of its step would have it. beside:
    int64, by how much these differ in the longest steps that were not drawn.
    """
    from scipy.special import stdtrit

    n, steps = near.shape
    if n == images:
        return 0.0
    residual, freedom = (near - expected).ravel(), steps * (n - 1)
    variance = (residual @ residual + beside @ beside) / (freedom + len(beside))
    spread = np.sqrt((1 - n / images) / n * steps * variance)
    return max(FLOOR, float(stdtrit(freedom, (1 + CONFIDENCE) / 2) * spread / (near.sum() / n)))
