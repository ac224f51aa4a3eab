"""What is in any of our files."""

from __future__ import annotations

import os
from typing import Any

import h5py

from neurosim.io.hdf5 import reading

KINDS = ("network", "inputs", "trace", "run", "mapping")


def listing(path: str | os.PathLike[str]) -> dict[str, Any]:
    """{"format", "attributes", "contents": [{"path", "shape", "dtype", "units", "description"}]} of a neurosim file."""
    contents: list[dict[str, Any]] = []

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            meaning = {key: str(_plain(item.attrs.get(key, ""))) for key in ("units", "description")}
            contents.append({"path": f"/{name}", "shape": list(item.shape), "dtype": str(item.dtype), **meaning})

    with reading(path, *KINDS) as (file, _):
        attributes = {key: _plain(value) for key, value in file.attrs.items()}
        file.visititems(note)
    return {"format": attributes.pop("format"), "attributes": attributes, "contents": contents}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.tolist() if hasattr(value, "tolist") else value
