"""The inputs file, and numpy arrays as inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import FileError, InputsError
from neurosim.events.binning import MAX_ELEMENTS, Binning, binned_inputs
from neurosim.io.event_files import format_of, load_recordings
from neurosim.io.hdf5 import Node, put, reading, writing
from neurosim.io.numpy_file import DAMAGE
from neurosim.io.vocabulary import Vocabulary, of_file, since_first
from neurosim.network.inputs import Inputs
from neurosim.saving import save

INPUTS = of_file(
    Vocabulary(
        since_first("name", "shape", "shape_axes"), since_first("images", "events", "offsets", "labels") | {"values": "2.0"}
    )
)  # fmt: skip
# What inputs of one form have no place for.
OF_THE_OTHER = {"images": ("shape", "shape_axes", "offsets", "values"), "events": ("images",)}
# What an array of numpy files may be called; frames alone may be those of one sample.
NUMPY = ("images", "spikes", "frames")


@save.register
def save_inputs(inputs: Inputs, path: str | os.PathLike[str]) -> None:
    """Write images as they are, spikes as events (x, y, t, p) with t the time step and p the channel, frames as such events
    and their values."""
    with writing(path, "inputs", INPUTS) as file:
        file.attrs["name"] = inputs.name
        if inputs.images is not None:
            put(file, "images", inputs.images, "pixel", "images [N,C,H,W]")
        if inputs.by_step is not None:
            n, t, p, y, x = np.nonzero(inputs.by_step)
            file.attrs["shape"] = inputs.by_step.shape[1:]
            file.attrs["shape_axes"] = "T, C, H, W"
            place = "<i2" if max(inputs.by_step.shape[2:]) <= 2**15 else "<i4"
            events = np.empty(len(n), [("x", place), ("y", place), ("t", "<i8"), ("p", place)])
            for key, values in zip("xytp", (x, y, t, p), strict=True):
                events[key] = values
            offsets = np.concatenate([[0], np.cumsum(np.bincount(n, minlength=len(inputs)))])
            put(file, "events", events, "pixel, pixel, time step, channel", "spikes of all samples, sample after sample")
            put(file, "offsets", offsets, "event", "events of sample n are offsets[n]:offsets[n+1]")
        if inputs.frames is not None:
            put(file, "values", inputs.frames[inputs.frames != 0], "value", "what each event carries")
        if inputs.labels is not None:
            put(file, "labels", inputs.labels, "class", "labels [N]")


def load_inputs(path: str | os.PathLike[str], *, binning: Binning | None = None, **said: Any) -> Inputs:
    """Inputs from an inputs file (HDF5), from ``.npz`` (images, spikes or frames, and labels), or from ``.npy`` (any of them);
    frames [T, C, H, W] are those of one sample.

    From a recording of events (see `load_recordings`, which takes what is *said*): its spikes in the steps of *binning*.
    """
    return _loaded(path, None, binning, said)


@contextmanager
def opened_inputs(path: str | os.PathLike[str]) -> Iterator[Inputs]:
    """As `load_inputs`; where an inputs file holds many images, they stay there, and are read slice by slice."""
    with ExitStack() as stack:
        yield _loaded(path, stack, None, {})


def _loaded(path: str | os.PathLike[str], keep: ExitStack | None, binning: Binning | None, said: dict[str, Any]) -> Inputs:
    suffix = Path(path).suffix.lower()
    try:
        if said or format_of(Path(path)) is not None:
            return _from_events(Path(path), binning, said)
        if binning is not None:
            raise InputsError(str(path), ["is no recording of events; a binning is for events with times, leave it out"])
        if suffix in (".npz", ".npy"):
            return _from_numpy(Path(path), suffix)
        return _from_hdf5(path, keep)
    except InputsError as error:
        raise FileError(str(path), error.problems, error.count) from error


def _from_events(path: Path, binning: Binning | None, said: dict[str, Any]) -> Inputs:
    if binning is None:
        told = "holds events with times; say how they become time steps: binning=ns.Binning(steps=...), or neurosim events"
        raise FileError(str(path), [told])
    return binned_inputs(load_recordings(path, **said), binning, path.stem)[0]


def _from_hdf5(path: str | os.PathLike[str], keep: ExitStack | None) -> Inputs:
    with reading(path, "inputs", vocabulary=INPUTS, keep=keep) as (_, root):
        labels = root.array("labels", "iu", 1, optional=True)
        name = root.text("name", Path(path).stem)
        shown = _by_step(root) if "events" in root else None
        take = root.array if keep is None else root.stored
        images = take("images", "iuf", 4) if "events" not in root else None
        what = "images" if "events" not in root else "events"
        root.refuse(OF_THE_OTHER[what], f"does not belong to inputs of {what}")
    return Inputs(images, labels, name=name) if shown is None else Inputs.from_frames(shown, labels, name)


def _by_step(root: Node) -> np.ndarray | None:
    """Spikes, or frames where events have values."""
    events, shape = root.array("events", "V", 1), root.numbers("shape")
    offsets = _offsets(root, events)
    if events is None or offsets is None:
        return None
    if shape is None or len(shape) != 4 or not all(isinstance(n, int) and n > 0 for n in shape):
        root.say(f"attribute 'shape' is {shape}; it must be (T, C, H, W)")
        return None
    if not {"x", "y", "t", "p"} <= set(events.dtype.names or ()):
        root.say(f"events have the fields {events.dtype.names}; needed: x, y, t, p")
        return None
    strange = [f"{name} {events.dtype[name]}" for name in "xytp" if events.dtype[name].kind not in "iub"]
    if strange:
        root.say(f"fields of events must be integers, not {', '.join(strange)}")
        return None
    counts = np.subtract(offsets[1:], offsets[:-1], dtype=np.int64)
    if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(events) or np.any(counts < 0):
        root.say(f"offsets must rise from 0 to the number of events, {len(events)}")
        return None
    samples = len(offsets) - 1
    if samples * np.prod(shape, dtype=float) > MAX_ELEMENTS:
        root.say(f"{samples} samples of {list(shape)} are too many to hold; at most {MAX_ELEMENTS} elements")
        return None
    for field, size in zip("tpyx", shape, strict=True):
        outside = (events[field] < 0) | (events[field] >= size)
        if outside.any():
            first = int(outside.argmax())
            root.say(f"event {first} has {field} = {events[field][first]}; it must lie in 0..{size - 1}")
            return None
    values = root.array("values", "if", 1) if "values" in root else np.ones(len(events), bool)
    if values is None:
        return None
    if len(values) != len(events):
        root.say(f"dataset 'values' holds {len(values)} values; needed {len(events)}, one for each event")
        return None
    place = (np.repeat(np.arange(samples), counts), *(events[f].astype(np.int64) for f in "tpyx"))
    if values.dtype != bool and len(np.unique(np.ravel_multi_index(place, (samples, *shape)))) != len(events):
        root.say("dataset 'values': several events of a pixel in one step; add their values up")
        return None
    found = np.zeros((samples, *shape), values.dtype)
    found[place] = values
    return found


def _offsets(root: Node, events: np.ndarray | None) -> np.ndarray | None:
    """Where the events of each sample begin; a file without labels, or with one, is one sample if it does not say."""
    labels = root.array("labels", "iu", 1, optional=True)
    if "offsets" in root or events is None or (labels is not None and len(labels) != 1):
        return root.array("offsets", "iu", 1)
    return np.array([0, len(events)])


def _from_numpy(path: Path, suffix: str) -> Inputs:
    try:
        loaded = np.load(path, allow_pickle=False)
        archive = isinstance(loaded, np.lib.npyio.NpzFile)
        if archive != (suffix == ".npz"):
            raise FileError(str(path), [f"is {'an archive' if archive else 'a single array'}, which its name does not say"])
        arrays = {k: np.asarray(loaded[k]) for k in loaded.files} if archive else {"": loaded}
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except MemoryError as error:
        raise FileError(str(path), ["declares more data than memory holds"]) from error
    except DAMAGE as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error
    if suffix == ".npy":
        data, labels = arrays[""], None
    else:
        known = [k for k in NUMPY if k in arrays]
        if len(known) != 1:
            needed = " and ".join(map(repr, NUMPY))
            raise FileError(str(path), [f"needs one of the arrays {needed}; it has {', '.join(arrays) or 'none'}"])
        data, labels = arrays[known[0]], arrays.get("labels")
        data = data[None] if known[0] == "frames" and data.ndim == 4 else data
    return Inputs.from_frames(data, labels, path.stem) if data.ndim == 5 else Inputs(data, labels, name=path.stem)
