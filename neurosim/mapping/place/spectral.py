"""Bricks where the two slowest waves over their wires put them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from neurosim.errors import NeurosimError
from neurosim.mapping.place.floorplan import Floorplan
from neurosim.mapping.place.greedy import between
from neurosim.mapping.place.search import Search, chance
from neurosim.mapping.wires import Wires

ANGLES = 16
# Bricks up to which a dense solver is as fast (0.1 s).
DENSE = 400


@chance
def spectral(wires: Wires, plan: Floorplan, search: Search) -> np.ndarray:
    """Coordinates of the bricks are the eigenvectors of the second and third smallest eigenvalues of the normalised Laplacian
    of their wires (K. M. Hall, Management Science 17(3), 1970); cut into columns by the first and sorted by the second, they
    fill a compact block of cores. Turned by several angles; the shortest wires win."""
    bricks = plan.loose
    if len(bricks) < 4:
        return plan.filled(bricks, plan.free)
    across, down = waves(between(wires), search.seed)[:, bricks]
    block = plan.block(len(bricks))
    best, shortest = plan.filled(bricks, plan.free), np.inf
    for number, angle in enumerate(2 * np.pi * np.arange(ANGLES) / ANGLES):
        u, v = across * np.cos(angle) - down * np.sin(angle), across * np.sin(angle) + down * np.cos(angle)
        cores = plan.filled(bricks[_in_columns(u, v, plan.x[block])], block)
        length = plan.length(wires, cores)
        if length < shortest:
            best, shortest = cores, length
        search.progress((number + 1) / ANGLES)
    return best


def waves(flits: csr_array, seed: int) -> np.ndarray:
    """float64 [2, bricks]: the eigenvectors of I - D^(-1/2) W D^(-1/2) after the first, divided by the root of D."""
    # Bricks that nobody talks to are tied to all others, weakly.
    degree = np.asarray(flits.sum(axis=1)).ravel()
    degree += degree.max(initial=0.0) * 1e-6 + 1e-300
    root = 1 / np.sqrt(degree)
    scaled = diags_array(root) @ flits @ diags_array(root)
    if len(degree) <= DENSE:
        vectors = np.linalg.eigh(scaled.toarray())[1][:, -3:]
    else:
        rng = np.random.default_rng(seed)
        try:
            _, vectors = eigsh(scaled, k=3, which="LA", v0=rng.random(len(degree)), ncv=40, tol=1e-4, rng=rng)
        except ArpackNoConvergence as error:
            raise NeurosimError("placer 'spectral': its eigenvectors did not converge; use 'greedy' or 'hilbert'") from error
    found: np.ndarray = (vectors[:, 1::-1] * root[:, None]).T
    return found


def _in_columns(u: np.ndarray, v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """int64: the places' order of bricks at u, v; places lie column by column at *x*, ascending, each from the top down."""
    order, columns = np.argsort(u, kind="stable"), np.unique(x, return_counts=True)[1]
    ends = np.cumsum(columns)
    parts = [order[end - many : end] for end, many in zip(ends, columns, strict=True)]
    return np.concatenate([part[np.argsort(v[part], kind="stable")] for part in parts])
