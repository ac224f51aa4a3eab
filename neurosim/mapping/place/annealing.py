"""Simulated annealing: bricks are swapped, at first nearly at will, in the end only where it shortens the wires."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.kernels.anneal import anneal
from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.greedy import greedy
from neurosim.mapping.place.hilbert import hilbert
from neurosim.mapping.place.search import Search, chance
from neurosim.mapping.place.simple import row_major
from neurosim.mapping.place.spectral import spectral
from neurosim.mapping.wires import Wires

STARTS = (row_major, hilbert, greedy, spectral)
# Moves per brick, in rounds of one temperature each; fewer where nets are so large that more targets than WORK would be visited
# (some 20 s).
MOVES, ROUNDS, WORK = 3000, 120, 6e8
# The first temperature, in what a brick's wires change when all are thrown about; the last, as a share of it.
HOT, COLD = 0.05, 1e-3


@chance
def annealing(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """From the best of several placers on, at falling temperatures (Kirkpatrick et al., Science 220, 1983), with trees measured
    as they are. Never longer than where it began; ends early when the time is up."""
    best = min(_starts(wires, plan, search.seed), key=lambda cores: plan.length(wires, cores))
    began, bricks = time.monotonic(), plan.loose
    if not len(bricks) or not len(wires.sender):
        return best
    rng, state = np.random.default_rng(search.seed), plan.state(wires, best)
    shortest = now = plan.length(wires, best)
    each = _moves(wires)
    temperature = HOT * each / MOVES * _typical(wires, plan, best, rng)
    free, per_round = plan.free, max(1, int(each * len(bricks)) // ROUNDS)
    for number in range(ROUNDS):
        moves = np.stack([rng.choice(bricks, per_round), rng.choice(free, per_round)], axis=1)
        cooled = np.full(per_round, max(temperature, 1e-300) * COLD ** (number / (ROUNDS - 1)))
        now -= anneal(moves, rng.random(per_round), cooled, *state)
        if now < shortest:
            best, shortest = state[0].copy(), now
        search.progress((number + 1) / ROUNDS)
        if search.over(began):
            break
    return best


def _starts(wires: Wires, plan: Floorplan, seed: int) -> Iterator[np.ndarray]:
    for start in STARTS:
        # One that finds nothing is no start.
        with suppress(NeurosimError):
            yield start(wires, plan, Search(seed))


def _moves(wires: Wires) -> float:
    """Moves per brick that are worth their time."""
    targets = np.diff(wires.first)
    visited = float((targets * (targets + 1)).sum())
    return min(MOVES, WORK / max(1.0, 2 * visited))


def _typical(wires: Wires, plan: Floorplan, cores: np.ndarray, rng: np.random.Generator) -> float:
    """What the wires of one brick change in length when it goes elsewhere, on average: those of all bricks thrown about."""
    thrown = plan.filled(plan.loose, rng.permutation(plan.free))
    return abs(plan.length(wires, thrown) - plan.length(wires, cores)) / max(1, len(plan.loose))
