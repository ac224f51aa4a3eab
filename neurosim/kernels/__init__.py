"""Compiled loops: pure functions on arrays, outputs preallocated; numpy and numba, nothing else."""

from functools import partial

import numba

# nogil: batches of images run in threads. cache: compiling the layer kernel takes 3 s, loading it 0.1 s.
jit = partial(numba.njit, nogil=True, cache=True)
