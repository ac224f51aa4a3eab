"""Placement as the quadratic assignment problem that it is, without trees."""

from __future__ import annotations

import numpy as np
from scipy.optimize import quadratic_assignment

from neurosim.errors import NeurosimError
from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.greedy import between
from neurosim.mapping.place.search import Search, chance
from neurosim.mapping.wires import Wires

# Its matrices are dense, an iteration takes time with the third power: 700 bricks some 10 s.
MOST = 1500


@chance
def qap(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """Flits between every two bricks times the distance of their cores, over a compact block of as many cores, by the FAQ
    algorithm of scipy (Vogelstein et al., PLoS ONE 10(4), 2015). Raises NeurosimError for more bricks than MOST."""
    if wires.bricks > MOST:
        raise NeurosimError(f"placer 'qap': there are {wires.bricks:,} bricks, at most {MOST:,} are feasible; use 'annealing'")
    pinned = np.flatnonzero(plan.pinned >= 0)
    block = np.append(plan.pinned[pinned], plan.block(len(plan.loose)))
    apart = np.stack([plan.apart(plan.x[core], plan.y[core], block) for core in block])
    fixed = np.stack([pinned, np.arange(len(pinned))], axis=1)
    found = quadratic_assignment(
        between(wires).toarray(), apart, options={"partial_match": fixed, "rng": np.random.default_rng(search.seed)}
    )
    search.progress(1.0)
    values: np.ndarray = block[found.col_ind].astype(np.int64)
    return values
