"""Where a number of a tensor comes from, in one int64: at which step and of which sample, by what it was made, and which of the
features of that it is.

An address is a row (step and sample) above an origin (source and feature). What only moves numbers moves their addresses alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurosim.frameworks.graph.refusal import RefusedError

FEATURE_BITS, SOURCE_BITS, SAMPLE_BITS = 28, 14, 5
ORIGIN_BITS = FEATURE_BITS + SOURCE_BITS
FEATURES, SOURCES, SAMPLES = 1 << FEATURE_BITS, 1 << SOURCE_BITS, 1 << SAMPLE_BITS
# Steps that are none: of a number that does not come from the samples, of what is the same at every step, of what is known
# after the last one. The first step is 0.
NEVER, ALWAYS, AFTER = -2, -1, (1 << 15) - 3
# The address of a number that does not come from the samples.
NOTHING = 0


def row(step: Tensor | int, sample: Tensor) -> Tensor:
    """Rows of a *step*, or of as many as there are samples."""
    return (sample + (torch.as_tensor(step) - NEVER) * SAMPLES).long()


def addresses(rows: Tensor, source: int, shape: tuple[int, ...]) -> Tensor:
    """[rows..., shape...]: all features, in their order, in every row."""
    count = math.prod(shape)
    if count > FEATURES or source >= SOURCES:
        raise RefusedError(
            f"{count:,} features of one layer are more than can be followed", "use a smaller sample to export it"
        )
    features = torch.arange(count).reshape(shape)
    lead = rows.reshape(*rows.shape, *(1,) * len(shape))
    return (lead << ORIGIN_BITS) + (source << FEATURE_BITS) + features


def rows_of(address: Tensor) -> Tensor:
    return address >> ORIGIN_BITS


def steps_of(rows: Tensor) -> Tensor:
    return (rows >> SAMPLE_BITS) + NEVER


def samples_of(rows: Tensor) -> Tensor:
    return rows & (SAMPLES - 1)


def origins_of(address: Tensor) -> Tensor:
    return address & ((1 << ORIGIN_BITS) - 1)


def sources_of(address: Tensor) -> Tensor:
    return origins_of(address) >> FEATURE_BITS


def features_of(address: Tensor) -> Tensor:
    return address & (FEATURES - 1)


def leading(address: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """(rows over the leading axes, shape of the others): behind the axes of steps and samples are those of the features."""
    rows = rows_of(address)
    while rows.ndim > 1 and bool((rows[..., :1] == rows).all()):
        rows = rows[..., 0]
    return rows, tuple(address.shape[rows.ndim :])
