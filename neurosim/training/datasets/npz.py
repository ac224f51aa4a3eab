"""Named arrays out of an ``.npz`` file; nothing pickled is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.io.numpy_file import DAMAGE


def npz_names(path: Path) -> tuple[str, ...]:
    """The names of the arrays in *path*. Raises FileError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return tuple(file.files)
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except DAMAGE as error:
        raise FileError(str(path), ["cannot be read as .npz: damaged, or not arrays of numbers"]) from error


def read_npz(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays *names* of *path*. Raises FileError with every name that is missing."""
    missing = [name for name in names if name not in npz_names(path)]
    if missing:
        raise FileError(str(path), [f"array {name!r} is missing" for name in missing])
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in names}
    except DAMAGE as error:
        raise FileError(str(path), ["cannot be read as .npz: damaged, or not arrays of numbers"]) from error
