"""Dictionaries out of pickles of strangers: only plain values and arrays of uint8 come back, and nothing is called.

A pickle names functions and calls them. Every name permitted here leads to a stand-in that checks its arguments, so that not
even numpy sees what the file says.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np


class Uint8Array:
    """Stands in for a pickled numpy array. array: uint8 of any shape, read-only; None until its state has come."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        """*state*: (version, shape, dtype, Fortran order, bytes), as numpy writes it."""
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Uint8) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("holds an array that is not uint8")
        if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) != len(data):
            raise pickle.UnpicklingError(f"holds an array of shape {shape!r} with {len(data)} bytes")
        self.array = np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


class _Uint8:
    """Stands in for numpy.dtype("u1"); byte order and alignment of its state mean nothing for single bytes."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Permitted:
    """A name a pickle may use; as an object without attributes it cannot be changed by the pickle."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]):
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError("sets attributes of a function")


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encodes bytes as {encoding!r}; only latin1 is permitted")
    return text.encode("latin1")


def _dtype(code: str | bytes, *flags: Any) -> _Uint8:
    if code not in ("u1", b"u1", "|u1", b"|u1"):
        raise pickle.UnpicklingError(f"holds an array of type {code!r}; only uint8 is permitted")
    return _Uint8()


def _no_array(*arguments: Any) -> None:
    raise pickle.UnpicklingError("calls numpy.ndarray; arrays come by _reconstruct")


def _reconstruct(*arguments: Any) -> Uint8Array:
    return Uint8Array()


_RECONSTRUCT = _Permitted(_reconstruct)
PERMITTED = {
    ("_codecs", "encode"): _Permitted(_bytes),
    ("numpy", "dtype"): _Permitted(_dtype),
    ("numpy", "ndarray"): _Permitted(_no_array),
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
}


class _Unpickler(pickle._Unpickler):
    """In Python, not C: the one in C allocates memory for whatever memo index a damaged file names."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return PERMITTED[module, name]
        except KeyError:
            text = f"names {module}.{name}, and only arrays of uint8 are permitted; it was not run, do not trust this file"
            raise pickle.UnpicklingError(text) from None


def unpickled(data: bytes) -> dict[str, Any]:
    """The dictionary in *data*, keys as text, arrays as Uint8Array. Raises ValueError saying what is wrong."""
    try:
        found = _Unpickler(BytesIO(data), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise ValueError(f"is refused as a pickle: {error}") from error
    except Exception as error:  # A damaged pickle raises nearly anything.
        raise ValueError(f"is damaged as a pickle: {error!r}") from error
    if not isinstance(found, dict):
        raise ValueError(f"holds a {type(found).__name__}; needed: a dictionary")
    return {text_of(key): value for key, value in found.items() if isinstance(key, str | bytes)}


def text_of(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
