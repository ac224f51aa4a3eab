"""Compiled loops: pure functions on arrays, outputs preallocated; numpy and numba, nothing else."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numba

from neurosim.kernels.code_cache import code_cache, stamped

CODE_CACHE = code_cache()
# Python calls kernels; nothing else does.
WAYS_IN = {"no_cfunc_wrapper": True}


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    """Compile at the first call and keep the code on disk where that can be (compiling the layer kernel takes 5 s, loading it
    0.1 s) until any file of kernels changes.

    Without the interpreter's lock, so that batches of images run in threads.
    """
    if function is None:
        return partial(jit, **options)
    with CODE_CACHE.offered():
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=CODE_CACHE.kept, **(WAYS_IN | options))(function)
    return stamped(compiled)


# For small functions that allocate nothing: part of the code that calls them, references to tables not counted. They cannot be
# called from Python, which spares compiling a way in for each (of the router: 5 of 13 s).
inlined = jit(_nrt=False, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
