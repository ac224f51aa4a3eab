"""Threshold and amplitude of a converted layer for few time steps: the search of Datta & Beerel (DATE 2022). No torch here.

Datta & Beerel, "Can deep neural networks be converted to ultra low-latency spiking neural networks?", DATE 2022. A neuron
whose activation in the DNN is clip(a, 0, mu) gets the threshold alpha*mu and spikes of the amplitude alpha*beta*mu.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurosim.errors import InvalidError

PERCENTS = np.arange(1, 100)
BETAS = np.arange(201) / 100
TIE = 1e-3


@dataclass(frozen=True, slots=True)
class Scaling:
    """The scales that were found for one layer; alpha and beta are pure numbers, all else is in units of the activation.

    A signed loss is |mean e|, an L1 loss mean |e|, over the percentiles; the base is alpha = beta = 1. e >= 0 there, so that
    its two losses are equal, and signed_loss <= base_signed_loss always. mu: the clip of the DNN's activation.
    """

    alpha: float
    beta: float
    mu: float
    signed_loss: float
    l1_loss: float
    base_signed_loss: float
    base_l1_loss: float

    @property
    def threshold(self) -> float:
        """V = alpha mu."""
        return self.alpha * self.mu

    @property
    def amplitude(self) -> float:
        """What one spike is worth, alpha beta mu; T steps that all fire have this mean, the plateau."""
        return self.alpha * self.beta * self.mu


def staircase(a: ArrayLike, threshold: ArrayLike, timesteps: int, *, strict: bool = False) -> np.ndarray:
    """Spikes in T steps of an integrate-and-fire neuron (leak 1, soft reset, u0 = 0) under the constant current a.

    n = clip(floor(T a / V), 0, T)      fires at u >= V; the paper's form, which the search uses
    n = clip(ceil(T a / V) - 1, 0, T)   *strict*: fires at u > V, as the exported networks do
    They differ, by one spike, where T a / V is one of 1 .. T: for V = P_j that includes a = P_j itself.

    a, threshold: float64 (threshold > 0), broadcast against each other, in one unit. Returns int64 of the broadcast shape.
    Exact for values that float32 can hold.
    """
    charge, v = timesteps * np.asarray(a, np.float64), np.asarray(threshold, np.float64)
    n = np.zeros(np.broadcast_shapes(charge.shape, v.shape), np.int64)
    # Products, because T a // V loses the last spike at a = V = P_j where T V rounds down; it changed the search's answer.
    for k in range(1, timesteps + 1):
        n += charge > k * v if strict else charge >= k * v
    return n


def percentiles(values: ArrayLike) -> np.ndarray:
    """P_1 .. P_99 of a layer's pre-activations, float64 [99], ascending, in their unit: each is one of the values.

    P_j is the value of rank round(j (n - 1) / 100), as the authors' code takes it (kthvalue over 1 .. 99); the paper's text
    is recalled as 0 .. 100. The maximum is left out because it grows with the sample, yet would weigh 1/101. Measured with
    Laplace(.16) activations, mu = 1, T = 2: the scales found leave a mean |e| of .0322 over the population, and .0355 with
    0 .. 100; the signed mean is .0048 and .0018 (the hundredth above P_99 is unseen here, overweighted there).

    values: real numbers of any shape. Raises InvalidError if there are none, or not all are finite.
    """
    flat = np.asarray(values).reshape(-1)
    if flat.dtype.kind not in "iuf" or flat.size == 0:
        raise InvalidError("percentiles", [f"values are {flat.dtype} {list(np.shape(values))}; real numbers are needed"])
    # Of 1e7 float32: sort 0.05 s, partition by 99 ranks and np.percentile 0.35 s. One copy, and no mask of the values.
    ordered = np.sort(flat)
    # NaN sorts last.
    if not np.isfinite(ordered[[0, -1]]).all():
        raise InvalidError("percentiles", [f"{int((~np.isfinite(flat)).sum())} of {flat.size} values are not finite"])
    return ordered[np.rint(PERCENTS * (flat.size - 1) / 100).astype(np.int64)].astype(np.float64)


def losses(percentiles: np.ndarray, thresholds: np.ndarray, mu: float, timesteps: int) -> tuple[np.ndarray, np.ndarray]:
    """|mean e| and mean |e| for every threshold V = alpha mu and every beta of BETAS, in units of the activation.

    e(a) = clip(a, 0, mu) - n(a) alpha beta mu / T, which is the paper's three segments (staircase, SNN saturated, both
    saturated) in one line; the mean is over the percentiles, of which those below 0 have e = 0.

    percentiles: float64 [P]. thresholds: float64 [A], in (0, mu]. Returns two float64 [A, 201]; the work takes 2*A*201*P words.
    """
    rate = staircase(percentiles, thresholds[:, None], timesteps) * thresholds[:, None] / timesteps
    e = np.clip(percentiles, 0, mu) - BETAS[:, None] * rate[:, None, :]
    return np.abs(e.mean(2)), np.abs(e).mean(2)


def search(percentiles: ArrayLike, mu: float, timesteps: int) -> Scaling:
    """The alpha and beta with which T time steps come closest to a layer whose activation is clip(a, 0, mu).

    alpha is 1 or P_j / mu for 0 < P_j <= mu, beta one of 0, .01 .. 2. The smallest |mean e| wins; it vanishes along a whole
    curve of (alpha, beta), so all below 1e-3 mu are tied, and among them the smallest mean |e| wins, then the first.

    percentiles: float64 [P] of the pre-activations, in the unit of *mu*, in any order. Raises InvalidError with all problems:
    no percentile is positive (a dead layer), a percentile is not finite, mu <= 0, timesteps < 1.
    """
    points, mu = np.asarray(percentiles, np.float64), float(mu)
    problems = _problems(points, mu, timesteps)
    if problems:
        raise InvalidError("scale search", problems)
    thresholds = np.append(mu, points[(points > 0) & (points <= mu)])
    signed, l1 = losses(points, thresholds, mu, timesteps)
    i, j = _winner(signed, l1, TIE * mu)
    base = np.searchsorted(BETAS, 1.0)
    return Scaling(
        alpha=float(thresholds[i] / mu), beta=float(BETAS[j]), mu=mu,
        signed_loss=float(signed[i, j]), l1_loss=float(l1[i, j]),
        base_signed_loss=float(signed[0, base]), base_l1_loss=float(l1[0, base]),
    )  # fmt: skip


def _winner(signed: np.ndarray, l1: np.ndarray, tie: float) -> tuple[int, int]:
    # What is equal on paper differs by rounding.
    tied = signed < max(tie, signed.min() + 1e-9 * tie)
    i, j = np.unravel_index(np.where(tied, l1, np.inf).argmin(), l1.shape)
    return int(i), int(j)


def _problems(points: np.ndarray, mu: float, timesteps: int) -> list[str]:
    problems = []
    if points.ndim != 1 or points.size == 0:
        problems.append(f"percentiles have the shape {list(points.shape)}; one row of numbers is needed")
    elif not np.isfinite(points).all():
        problems.append(f"{int((~np.isfinite(points)).sum())} of {points.size} percentiles are not finite")
    elif points.max() <= 0:
        problems.append(f"no percentile is positive, the largest is {points.max():g}: the layer is dead; train it again")
    if not (np.isfinite(mu) and mu > 0):
        problems.append(f"mu is {mu:g}; it must be positive and finite")
    if not isinstance(timesteps, int | np.integer) or timesteps < 1:
        problems.append(f"timesteps is {timesteps!r}; it must be an integer of at least 1")
    return problems
