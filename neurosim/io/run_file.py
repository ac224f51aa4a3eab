"""The run file: everything a run found, by core and layer, and the whole JSON."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np

from neurosim.io.hdf5 import put, writing
from neurosim.io.mapping_file import write_mapping
from neurosim.result import Result


def save_run(result: Result, path: str | os.PathLike[str]) -> None:
    """Write *result*; integer counts per core are kept so that they can be priced again."""
    with writing(path, "run") as file:
        file.attrs["command"] = result.command
        file.create_dataset("json", data=json.dumps(result.to_dict(), allow_nan=False))
        file["json"].attrs["units"] = "see names"
        file["json"].attrs["description"] = "the JSON that --json writes"
        put(file, "outputs", result.outputs, "potential", "output potentials after the last step [N,classes]")
        put(file, "predictions", result.predictions, "class", "predicted class [N]")
        put(file, "cycles", result.time.steps, "cycle", "cycles of each step of each image [N,T]")
        put(file, "cores", _stored(result.cores), "see names", "one row per used core")
        put(file, "layers", _stored(result.layers), "see names", "one row per layer")
        counts = file.create_group("counts", track_order=True)
        for name, values in result.totals.items():
            put(counts, name, values, "count", "per brick, summed over images and steps [bricks]")
        write_mapping(file.create_group("mapping"), result.mapping)


def _stored(table: np.ndarray) -> np.ndarray:
    """A table whose text columns HDF5 can hold."""
    text = h5py.string_dtype()
    types = [(n, text if table.dtype[n].kind == "U" else table.dtype[n]) for n in table.dtype.names or ()]
    out = np.empty(len(table), types)
    for name, _ in types:
        out[name] = table[name]
    return out
