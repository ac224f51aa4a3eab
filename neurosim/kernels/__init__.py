"""Compiled loops: pure functions on arrays, outputs preallocated; numpy and numba, nothing else."""

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable[..., Any] | None = None, **options: Any) -> Callable[..., Any]:
    """Compile at the first call and keep the code on disk (compiling the layer kernel takes 5 s, loading it 0.1 s).

    Without the interpreter's lock, so that batches of images run in threads.
    """
    compiler = numba.njit(nogil=True, cache=True, **options)
    return compiler if function is None else compiler(function)


# For small functions that allocate nothing: part of the code that calls them, references to tables not counted.
inlined = jit(_nrt=False, forceinline=True)
