"""What happened in each image, in all cores together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from neurosim.cost.action import STATIC, Action
from neurosim.cost.energy import Counts, accesses, control, operations
from neurosim.mapping.mapping import Mapping

# How often every action was done in each image, float64 [images], by its name.
Done = dict[str, np.ndarray]


def done(mapping: Mapping, counts: Counts) -> Done:
    """What *counts*, int64 [images, bricks], say of every image; actions that no count decides are left out."""
    found = (*operations(mapping, counts, 0), *accesses(mapping, counts, 0), *control(mapping.chip, _worked(mapping, counts)))
    return {action.name: action.count.sum(1, dtype=float) for action in found if action.count.ndim == 2}


def _worked(mapping: Mapping, counts: Counts) -> np.ndarray:
    """int64 [images, bricks]: about how many cycles the cores work; what images have of them is in proportion."""
    core, cost = mapping.chip.core, mapping.chip.operation
    adds = counts["accumulates"] + counts["pool_macs"] + counts["payload_macs"]
    added = -(-adds // core.lanes) * cost.accumulate.cycles
    found: np.ndarray = counts["image_cycles"] + counts["update_cycles"] + counts["events"] * cost.event.cycles + added
    return found


def by_image(actions: Iterable[Action], parts: Sequence[Done], cycles: np.ndarray) -> tuple[Action, ...]:
    """The same *actions*, shared out over the images, in all as often as before.

    What counts decide as *parts* say, which are slices of the images in their order; leakage by the *cycles* of each image,
    float64 [images]; all else, barriers and weights that are fetched again, alike in every image.
    """
    alike = np.ones(len(cycles))
    counted = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return tuple(
        replace(action, images=_shares(action, cycles if action.group == STATIC else counted.get(action.name, alike)))
        for action in actions
    )


def _shares(action: Action, weights: np.ndarray) -> np.ndarray:
    """float64 [images]: how often it was done, in proportion to *weights*. They sum up to all but for what is rounded up over
    all images, the misses of a cache."""
    total = weights.sum()
    found: np.ndarray = action.count.sum() * (weights / total if total else np.full(len(weights), 1 / len(weights)))
    return found
