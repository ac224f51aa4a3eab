"""The global heaps of HDF5 files, where texts of any length are: libhdf5 walks a damaged one for ever."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import BinaryIO

# With the version; libhdf5 ignores the 3 bytes that follow.
HEAP = b"GCOL\x01"
HEAD = 16
BLOCK_BYTES = 2**20


def sound_heaps(path: str | os.PathLike[str]) -> bool:
    """Whether all heaps of a file can be walked to their end; also of one that is empty or no HDF5 file.

    A heap: "GCOL", version, its size; then objects of 16 bytes (index, -, size), and their bytes, padded to 8.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return True
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return all(_sound(data, start) for start in _starts(file))


def _starts(file: BinaryIO) -> Iterator[int]:
    """Where there may be heaps. Read, not mapped: what is mapped and looked at is memory."""
    tail, at = b"", 0
    while block := file.read(BLOCK_BYTES):
        data, first = tail + block, at - len(tail)
        found = data.find(HEAP)
        while found >= 0:
            yield first + found
            found = data.find(HEAP, found + 1)
        at += len(block)
        tail = data[1 - len(HEAP) :]


def _sound(data: mmap.mmap, start: int) -> bool:
    """Whether each object of the heap at byte *start* leads to the next, and the last to the end of the heap."""
    at, end = start + HEAD, start + _number(data, start + 8, 8)
    while end - at >= HEAD:
        index, size = _number(data, at, 2), _number(data, at + 8, 8)
        # Index 0 is what is free, its head counted.
        need = HEAD + -(-size // 8) * 8 if index else size
        if end > len(data) or not HEAD <= need <= end - at:
            return False
        at += need
    return True


def _number(data: mmap.mmap, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")
