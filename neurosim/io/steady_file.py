"""A file for libhdf5, which does not survive a disk that fills up under it."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from typing_extensions import Buffer


class SteadyFile(io.RawIOBase):
    """An open file without a buffer that never fails to be written: from the first failure on what is written stays in memory,
    and *error* says why. Whoever writes much looks there from time to time, by `check`."""

    def __init__(self, file: BinaryIO):
        super().__init__()
        self.file = file
        self.at = self.size = 0
        self.error: OSError | None = None
        self.kept: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise the error of the first failure."""
        if self.error is not None:
            raise self.error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        self.file.seek(self.at)
        found = self.file.read(len(view))
        # What was never written is zero.
        view[:] = found + bytes(len(view) - len(found))
        for start, data in self.kept:
            first, end = max(start, self.at), min(start + len(data), self.at + len(view))
            if first < end:
                view[first - self.at : end - self.at] = data[first - start : end - start]
        self.at += len(view)
        return len(view)

    def write(self, data: Buffer) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                self.file.seek(self.at + done)
                done += self.file.write(view[done:])
        except OSError as error:
            self.error = error
        if self.error is not None:
            self.kept.append((self.at, bytes(view)))
        self.at += len(view)
        self.size = max(self.size, self.at)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        self.size = self.at if size is None else size
        try:
            self.file.truncate(self.size)
        except OSError as error:
            self.error = self.error or error
        return self.size
