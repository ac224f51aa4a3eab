"""Error bars: what the uncertainty of the prices leaves open. Counts are exact, so only prices are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from neurosim.cost.action import by_part_J
from neurosim.cost.energy import Energy
from neurosim.cost.without import Without
from neurosim.schema import Real

DRAWS = 10_000
PERCENTILES = (5, 95)
LowHigh = Annotated[list[Real], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class Spread:
    """5th and 95th percentile of the energy per image and of ANN / SNN by reuse; constants: the part of the variance of the
    SNN's energy that comes from each, the largest first. Empty where no price that it rests on is uncertain: of a chip of its
    own, the network without spikes can have some where that with spikes has none."""

    snn_J: LowHigh | None
    ratio: dict[str, LowHigh]
    constants: dict[str, Real]


def spread(without: Without, spent: Energy, seed: int = 0) -> Spread:
    """Draw all uncertain prices *DRAWS* times, log-normal around the given ones; on one chip both networks pay the same prices,
    and those of two chips have nothing to do with each other. *without*: of one image."""
    snn, theirs = by_part_J(spent.actions), [action for done in without.dense.values() for action in done]
    every = [*((a.price.part, a.price) for a in spent.actions), *((without.part(a.price.part), a.price) for a in theirs)]
    uncertain = {part: price.uncertainty for part, price in every if price.uncertainty > 0}
    variance = {part: (snn[part] * sigma) ** 2 for part, sigma in uncertain.items() if snn.get(part, 0) > 0}
    parts = {reuse: without.parts_J(reuse) for reuse in without.dense}
    other = any(found.get(part, 0) > 0 for found in parts.values() for part in uncertain)
    if not sum(snn.values()) or not (variance or other):
        return Spread(None, {}, {})
    rng = np.random.default_rng(seed)
    drawn = {part: _factors(rng, uncertain[part]) for part in sorted(uncertain)}
    ours = _total(snn, drawn)
    ratios = {reuse: _interval(_total(found, drawn) * spent.images / ours) for reuse, found in parts.items()}
    largest = sorted(variance, key=lambda part: -variance[part])
    shares = {part: variance[part] / sum(variance.values()) for part in largest}
    return Spread(_interval(ours / spent.images) if variance else None, ratios, shares)


def _factors(rng: np.random.Generator, uncertainty: float) -> np.ndarray:
    """float64 [DRAWS], mean 1, standard deviation *uncertainty*, never negative."""
    variance = np.log1p(uncertainty**2)
    return rng.lognormal(-variance / 2, np.sqrt(variance), DRAWS)


def _total(parts: dict[str, float], drawn: dict[str, np.ndarray]) -> np.ndarray:
    """float64 [DRAWS]."""
    total = np.zeros(DRAWS)
    for part, joules in parts.items():
        total += joules * drawn.get(part, 1.0)
    return total


def _interval(values: np.ndarray) -> list[float]:
    low, high = np.percentile(values, PERCENTILES)
    return [float(low), float(high)]
