"""Recorded spikes in the formats of other tools: SONATA, NIRData, CSV."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

from neurosim.bits import unpacked
from neurosim.errors import NetworkError
from neurosim.io.hdf5 import replacing
from neurosim.network.layers import INPUT
from neurosim.spikes.trace import SpikeTrace

# Values of the enumeration by which SONATA says how spikes are sorted.
SORTING = {"none": 0, "by_id": 1, "by_time": 2}


def save_sonata(trace: SpikeTrace, path: str | os.PathLike[str], sample: int, dt: float) -> None:
    """Write the spikes of one sample as a SONATA spike file: a population per layer, times in ms, sorted by time.

    A spike of step t is at t * *dt* (s); neurons are numbered as C, H, W. Raises TraceError for a sample that is not there.
    """
    trace = trace.sample(sample)
    with _hdf5(path) as file:
        file.attrs["magic"] = np.uint32(0x0A7A)
        file.attrs["version"] = np.array([0, 1], np.uint32)
        for name, bits, neurons in _populations(trace):
            step, neuron = np.nonzero(unpacked(bits[0], neurons))
            group = file.create_group(f"spikes/{name}")
            kind = h5py.enum_dtype(SORTING, basetype="u1")
            group.attrs.create("sorting", SORTING["by_time"], dtype=kind)
            group.create_dataset("timestamps", data=step * (dt * 1000.0), track_times=False).attrs["units"] = "ms"
            group.create_dataset("node_ids", data=neuron.astype(np.uint64), track_times=False)


def save_nirdata(trace: SpikeTrace, path: str | os.PathLike[str], dt: float) -> None:
    """Write the spikes of all samples as NIRData: a node per layer with the observable "spikes", a grid of booleans [samples,
    steps, neurons] of *dt* (s), neurons as C, H, W."""
    with _hdf5(path) as file:
        file.attrs["__type__"] = "NIRGraphData"
        for name, bits, neurons in _populations(trace):
            node = file.create_group(f"nodes/{name}")
            node.attrs["__type__"] = "NIRNodeData"
            spikes = node.create_group("observables/spikes")
            spikes.attrs["__type__"], spikes.attrs["dt"] = "TimeGriddedData", dt
            shape, chunks = (*bits.shape[:2], neurons), (1, bits.shape[1], neurons)
            data = spikes.create_dataset("data", shape, bool, chunks=chunks, compression="gzip", track_times=False)
            for sample in range(len(trace)):
                data[sample] = unpacked(bits[sample], neurons)


def save_csv(trace: SpikeTrace, path: str | os.PathLike[str]) -> None:
    """Write a line per spike: sample, step, layer, channel, row, column."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sample", "step", "layer", "channel", "row", "column"])
        for sample in range(len(trace)):
            for name, bits, neurons in _populations(trace):
                step, neuron = np.nonzero(unpacked(bits[sample], neurons))
                places = np.unravel_index(neuron, trace.network.shape_of(name))
                columns = [step.tolist(), *(place.tolist() for place in places)]
                writer.writerows((sample, t, name, c, y, x) for t, c, y, x in zip(*columns, strict=True))


def _populations(trace: SpikeTrace) -> Iterator[tuple[str, np.ndarray, int]]:
    """(name, packed spikes, neurons) of the input, if it is made of spikes, and of every layer that spikes. Raises NetworkError
    where spikes carry values."""
    names = [*([] if trace.input_bits is None else [INPUT]), *(layer.name for layer in trace.network.layers if layer.spiking)]
    valued = [f"events of {name!r} carry values; the format has spikes alone" for name in names if trace.network.carries(name)]
    if valued:
        raise NetworkError(f"trace of {trace.network.name!r}", valued)
    for name in names:
        yield name, trace.bits_of(name), int(np.prod(trace.network.shape_of(name)))


@contextmanager
def _hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """A new file that appears when it is whole."""
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        yield file
