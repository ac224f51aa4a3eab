"""Giving each brick a core. One signature: (wires, floorplan, search) -> the core of each brick, int64."""

from collections.abc import Callable

import numpy as np

from neurosim.families import Family, function
from neurosim.mapping.place.annealing import annealing
from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.greedy import greedy
from neurosim.mapping.place.hilbert import hilbert
from neurosim.mapping.place.qap import qap
from neurosim.mapping.place.search import Search, chance
from neurosim.mapping.place.simple import row_major, scattered
from neurosim.mapping.place.spectral import spectral
from neurosim.mapping.wires import Wires

__all__ = ["PLACERS", "USUAL", "Floorplan", "Placer", "Search", "Wires", "chance"]

# Bricks that the floorplan pins stay, and no two get the same core; *search* has the seed of all chances.
Placer = Callable[[Wires, Floorplan, Search], np.ndarray]
# What is taken where nobody says: fewer flit-hops than row-major and a less busy link on the networks that were tried, as fast.
USUAL = "greedy"
PLACERS: Family[Placer] = Family(
    "placer",
    {
        "row-major": row_major, "greedy": greedy, "hilbert": hilbert, "spectral": spectral, "qap": qap,
        "annealing": annealing, "random": scattered,
    },
    group="neurosim.placers", taken=function,
)  # fmt: skip
