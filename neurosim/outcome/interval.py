"""How far a share found on some samples may be off, and how far samples are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neurosim.outcome.cost_sections import ImageSpread

# Of the normal distribution, for 95 %.
Z = 1.959963984540054


def wilson(share: float, samples: int) -> list[float]:
    """[low, high], the 95 % interval of a *share* found on so many samples (Wilson, J. Am. Stat. Assoc. 22, 1927)::

        wilson(0.8, 20)   # [0.584, 0.919]
    """
    square = Z * Z / samples
    half = Z * math.sqrt(share * (1 - share) / samples + square / (4 * samples))
    return [max(0.0, (share + square / 2 - half) / (1 + square)), min(1.0, (share + square / 2 + half) / (1 + square))]


def image_spread(values: Sequence[float] | np.ndarray | None) -> ImageSpread | None:
    """Of a value of every image, None where these are not known::

        image_spread([1.0, 2.0, 3.0, 10.0])   # median 2.5, p99 9.79, standard_error 2.04
    """
    if values is None or not len(values):
        return None
    each = np.asarray(values, float)
    median, most = np.quantile(each, (0.5, 0.99)).tolist()
    error = float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else None
    return ImageSpread(median=median, p99=most, standard_error=error)
