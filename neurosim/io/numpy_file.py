"""Files that numpy wrote, from a stranger."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from neurosim.errors import FileError
from neurosim.io.hdf5 import FREE_BYTES, MAX_RATIO

# What zipfile and numpy raise on damaged files; RuntimeError: encrypted, or a method zipfile lacks; SyntaxError and TokenError:
# the header of an array is a literal of Python.
DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, AttributeError, TypeError,
          LookupError, ArithmeticError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError)  # fmt: skip
MAGIC, ZIP_MAGIC = b"\x93NUMPY", b"PK\x03\x04"
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def dtypes(path: str | os.PathLike[str]) -> dict[str, np.dtype]:
    """The dtype of the array of an ``.npy`` file, {"": dtype}, or of those in an ``.npz`` file, by name, from their headers.

    Nothing is allocated for the arrays. Raises FileError where they cannot be what the headers say.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                file.seek(0)
                return {"": _declared(file, os.fstat(file.fileno()).st_size)}
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_archive(members, Path(path).stat().st_size)
            found = {}
            for member in members:
                with archive.open(member) as stream:
                    found[member.filename.removesuffix(".npy")] = _declared(stream, member.file_size)
            return found
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except DAMAGE as error:
        raise FileError(str(path), [f"cannot be read as arrays of numpy: {error}"]) from error


def arrays(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of which `dtypes` tells; memory for no more than the file holds."""
    dtypes(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: np.asarray(loaded[name]) for name in loaded.files}
    except DAMAGE as error:
        raise FileError(str(path), [f"cannot be read as arrays of numpy: {error}"]) from error


def _check_archive(members: list[zipfile.ZipInfo], size: int) -> None:
    """Raise ValueError if no archive of *size* bytes could hold the *members*."""
    stored, declared = sum(m.compress_size for m in members), sum(m.file_size for m in members)
    if stored > size or declared > FREE_BYTES + MAX_RATIO * size:
        raise ValueError(f"its members declare {declared} bytes, stored in {stored}; the file has {size}")


def _declared(stream: IO[bytes], size: int) -> np.dtype:
    """The dtype in the header of an array; ValueError if it declares more than *size* bytes or holds objects."""
    version = np.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format of arrays is not supported")
    shape, _, dtype = HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError("an array of Python objects is not allowed")
    if math.prod(shape) * dtype.itemsize > size:
        raise ValueError(f"the header declares {list(shape)} of {dtype.itemsize} bytes each, the file has {size}")
    return dtype
