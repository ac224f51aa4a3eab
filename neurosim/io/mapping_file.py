"""The mapping file."""

from __future__ import annotations

import json
import os

import h5py
import numpy as np

from neurosim.chip import Chip
from neurosim.io.hdf5 import put, writing
from neurosim.mapping.mapping import Mapping


def save_mapping(mapping: Mapping, path: str | os.PathLike[str]) -> None:
    """Write where every brick of every layer lives."""
    with writing(path, "mapping") as file:
        write_mapping(file, mapping)


def chip_attributes(chip: Chip) -> dict[str, str]:
    """What a file says about the chip."""
    return {"chip": chip.name, "chip_sha256": chip.sha256, "chip_values": json.dumps(chip.values)}


def write_mapping(root: h5py.Group, mapping: Mapping) -> None:
    names = [layer.name for layer in mapping.network.layers]
    root.attrs["network"] = mapping.network.name
    root.attrs["network_sha256"] = mapping.network.sha256
    root.attrs.update(chip_attributes(mapping.chip))
    root.attrs["placer"] = mapping.placer
    root.attrs["layers"] = names
    fields = ("layer", "c0", "c1", "y0", "y1", "x0", "x1", "core")
    rows = [(*brick, int(core)) for brick, core in zip(mapping.bricks, mapping.cores, strict=True)]
    table = np.array(rows, [(name, np.int64) for name in fields])
    meaning = "neurons (c, y, x) of layer number 'layer' with c0 <= c < c1, y0 <= y < y1, x0 <= x < x1 live in 'core'"
    put(root, "bricks", table, "neuron", meaning)
