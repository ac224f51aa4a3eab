"""How far a share found on some samples may be off."""

from __future__ import annotations

import math

# Of the normal distribution, for 95 %.
Z = 1.959963984540054


def wilson(share: float, samples: int) -> list[float]:
    """[low, high], the 95 % interval of a *share* found on so many samples (Wilson, J. Am. Stat. Assoc. 22, 1927)::

        wilson(0.8, 20)   # [0.584, 0.919]
    """
    square = Z * Z / samples
    half = Z * math.sqrt(share * (1 - share) / samples + square / (4 * samples))
    return [max(0.0, (share + square / 2 - half) / (1 + square)), min(1.0, (share + square / 2 + half) / (1 + square))]
