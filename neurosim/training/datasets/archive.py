"""Files by their base names, from a folder or straight from the stream of a ``.tar.gz``; nothing is extracted."""

from __future__ import annotations

import gzip
import struct
import tarfile
import zlib
from collections.abc import Set
from pathlib import Path

from neurosim.errors import FileError

MEMBER_BYTES = 256 << 20
TOTAL_BYTES = 1 << 30
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, struct.error, ValueError, LookupError, ArithmeticError, MemoryError)


class _Bounded:
    """A stream that ends with an error after TOTAL_BYTES: a small archive may unpack to any size."""

    def __init__(self, stream: gzip.GzipFile):
        self.stream, self.left = stream, TOTAL_BYTES

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {TOTAL_BYTES} bytes")
        return data


def folder_files(folder: Path, wanted: Set[str]) -> dict[str, bytes]:
    """{name: content} of the files of *folder* that are in *wanted*. Raises FileError if one is too large."""
    found = [file for file in sorted(folder.iterdir()) if file.name in wanted and file.is_file()]
    problems = [p for file in found for p in _size_problems(file.name, file.stat().st_size)]
    if problems:
        raise FileError(str(folder), problems)
    return {file.name: file.read_bytes() for file in found}


def archive_files(path: Path, wanted: Set[str]) -> dict[str, bytes]:
    """{base name: content} of the members of a ``.tar.gz`` whose base names are in *wanted*; all folders are ignored.

    Raises FileError if the archive is damaged, unpacks to too much or holds a name twice.
    """
    try:
        # Closing the archive does not close the stream, and the stream is read to its end: only there is its checksum.
        with gzip.open(path) as stream:
            bounded = _Bounded(stream)
            with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
                found = _members(path, archive, wanted)
            while bounded.read(1 << 20):
                pass
    except DAMAGE as error:
        raise FileError(str(path), [f"cannot be read as .tar.gz: {error}; download it again"]) from error
    return found


def _members(path: Path, archive: tarfile.TarFile, wanted: Set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for member in archive:
        name = member.name.rpartition("/")[2]
        if not member.isfile() or name not in wanted:
            continue
        problems = _size_problems(name, member.size) or ([f"holds {name} twice"] if name in found else [])
        if problems:
            raise FileError(str(path), problems)
        file = archive.extractfile(member)
        assert file is not None  # None only for links and folders.
        found[name] = file.read()
    return found


def _size_problems(name: str, size: int) -> list[str]:
    return [f"{name} has {size} bytes; at most {MEMBER_BYTES} are read"] if size > MEMBER_BYTES else []
