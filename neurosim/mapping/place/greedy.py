"""Brick after brick to the free core that is nearest to those it talks to."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.search import Search
from neurosim.mapping.wires import Wires


def between(wires: Wires) -> csr_array:
    """float64 [bricks, bricks], symmetric: flits between every two bricks."""
    sender, target, flits = wires.pairs()
    one_way = csr_array((flits, (sender, target)), shape=(wires.bricks, wires.bricks))
    return csr_array(one_way + one_way.T)


def greedy(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """The next brick is the one that talks most to those placed, the busiest of all where none does; it comes to rest where
    flits x distance to them are least, the first one in the middle of the free cores."""
    flits, cores, taken = between(wires), plan.pinned.copy(), np.zeros(len(plan.order), bool)
    placed = np.flatnonzero(cores >= 0)
    taken[cores[placed]] = True
    pull = np.asarray(flits[:, placed].sum(axis=1)).ravel()
    total, left = np.asarray(flits.sum(axis=1)).ravel(), plan.loose
    free = plan.free
    middle = plan.apart(*plan.middle, np.arange(len(plan.order)))
    for done in range(len(left)):
        waiting = left[cores[left] < 0]
        brick = waiting[np.lexsort((waiting, -total[waiting], -pull[waiting]))[0]]
        row = slice(flits.indptr[brick], flits.indptr[brick + 1])
        others, weight = flits.indices[row], flits.data[row]
        known = cores[others] >= 0
        far = _far(plan, cores[others[known]], weight[known]) if known.any() else middle
        free = free[~taken[free]]
        cores[brick] = free[np.lexsort((middle[free], far[free]))[0]]
        taken[cores[brick]] = True
        pull[others] += weight
        search.progress((done + 1) / len(left))
    return cores


def _far(plan: Floorplan, cores: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """float64 [cores]: weighted distance of every core from *cores*."""
    total = np.zeros(len(plan.order))
    for places, around in ((plan.x, plan.around[0]), (plan.y, plan.around[1])):
        line, where = np.unique(places, return_inverse=True)
        away = np.abs(line[:, None] - places[cores])
        total += ((np.minimum(away, around - away) if around else away) @ weight)[where]
    return total
