"""What a study found: its table as HDF5, all of it as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from neurosim.errors import FileError
from neurosim.io.hdf5 import put, replacing
from neurosim.version import __version__


def save_table(table: np.ndarray, about: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a structured array column by column; identical bytes for identical tables. *about*: attributes of the file."""
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        file.attrs["format"] = "neurosim-findings"
        file.attrs["format_version"] = "1.0"
        file.attrs["producer"] = f"neurosim {__version__}"
        file.attrs.update(about)
        for name in table.dtype.names or ():
            values = table[name]
            stored = values.astype(h5py.string_dtype()) if values.dtype.kind == "U" else values
            put(file, name.replace("/", "|"), stored, "see name", "one per point")


def load_findings(path: str | os.PathLike[str]) -> Any:
    """The JSON in a file; raises FileError if it is none."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error.strerror or error}"]) from error
    except (ValueError, RecursionError) as error:
        raise FileError(str(path), [f"is not JSON: {error}"]) from error
