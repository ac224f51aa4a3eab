"""Arrays that stay in an HDF5 file: written and read slice by slice."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from neurosim.errors import FileError
from neurosim.network.inputs import Filed

# Of a chunk; libhdf5 keeps 1 MB of every dataset, so that one which is written in parts is compressed once.
CHUNK_BYTES = 2**17


class Growing:
    """A dataset that is written row after row, of rows like those of the array *like*: so many *rows*, or, without a number, as
    many as come."""

    def __init__(self, group: h5py.Group, name: str, like: np.ndarray, rows: int | None, **options: Any):
        shape = (rows or 0, *like.shape[1:])
        if rows is None or (math.prod(shape) and options):
            row = like.itemsize * math.prod(like.shape[1:])
            most = max(1, CHUNK_BYTES // row)
            options |= {"chunks": (most if rows is None else min(rows, most), *like.shape[1:])}
        maxshape = None if rows is not None else (None, *like.shape[1:])
        self.dataset = group.create_dataset(name, shape, like.dtype, maxshape=maxshape, track_times=False, **options)
        self.filled = 0

    def add(self, part: np.ndarray) -> None:
        """Write the next rows."""
        first, self.filled = self.filled, self.filled + len(part)
        if self.filled > len(self.dataset):
            self.dataset.resize(self.filled, axis=0)
        if part.size:
            self.dataset[first : self.filled] = part


class Stored(Filed):
    """A dataset of an open file; only the chunk read last stays in memory. Raises FileError where one cannot be read."""

    def __init__(self, dataset: h5py.Dataset, dtype: Any = None, rows: int | None = None):
        self.dataset, self.dtype = dataset, np.dtype(dtype or dataset.dtype)
        self.shape, self.ndim = (dataset.shape[0] if rows is None else rows, *dataset.shape[1:]), dataset.ndim
        row = self.dtype.itemsize * math.prod(self.shape[1:])
        self.nbytes = row * len(self)
        self.rows: int = dataset.chunks[0] if dataset.chunks else max(1, CHUNK_BYTES // max(1, row))
        self.last: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, end, step = rows.indices(len(self))
        assert step == 1, "only slices of neighbours are read"
        blocks = range(first // self.rows, -(-end // self.rows)) if first < end else range(0)
        parts = [self._block(i)[max(0, first - i * self.rows) : end - i * self.rows] for i in blocks]
        return np.concatenate(parts) if parts else np.empty((0, *self.shape[1:]), self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def head(self, rows: int) -> Stored:
        """The first *rows* of it."""
        return Stored(self.dataset, self.dtype, rows)

    def astype(self, dtype: Any) -> Stored:
        """The same, of another type."""
        return Stored(self.dataset, dtype, len(self))

    def _block(self, number: int) -> np.ndarray:
        """The rows of one chunk."""
        if self.last is None or self.last[0] != number:
            try:
                found = self.dataset[number * self.rows : (number + 1) * self.rows]
            except (OSError, RuntimeError, ValueError) as error:
                place, _, name = self.dataset.name.rpartition("/")
                where = f"{place}: " if place else ""
                raise FileError(self.dataset.file.filename, [f"{where}dataset {name!r} cannot be read: {error}"]) from error
            self.last = number, found.astype(self.dtype, copy=False)
        return self.last[1]
