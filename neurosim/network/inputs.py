"""What is fed to a network: images with labels, or spikes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from neurosim import saving
from neurosim.errors import InputsError
from neurosim.network.layers import INPUT, InputSpec, Layer, pool_kind
from neurosim.network.network import Network

LARGEST = 2**31 - 1
# Of one array, looked at at once.
SLICE_BYTES = 2**20


def slices(array: np.ndarray) -> Iterator[np.ndarray]:
    """*array* in parts along its first axis, so that no more than a few MB of one that stays in a file are in memory."""
    size = max(1, SLICE_BYTES * len(array) // max(1, array.nbytes))
    for first in range(0, len(array), size):
        yield array[first : first + size]


class Filed:
    """What stands for an array that stays in a file: slices along its first axis are read when they are taken."""

    def head(self, rows: int) -> Any:
        """The first *rows*, which stay there."""
        raise NotImplementedError


class Shown(NamedTuple):
    """An array in parts, of one sample or of several."""

    dtype: np.dtype
    shape: tuple[int, ...]
    parts: Iterable[np.ndarray]

    @classmethod
    def whole(cls, array: np.ndarray | None) -> Shown | None:
        return None if array is None else cls(array.dtype, array.shape, slices(array))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples for a network.

    images: uint8, another integer type or float32 [N, C, H, W], shown unchanged at every step; or
    spikes: bool [N, T, C, H, W]; or frames: int32 or float32 [N, T, C, H, W], other values at every step, of which those that
    are not 0 arrive as events that carry them. labels: int64 [N] or None. Images may also stay in a file, which is read slice
    by slice.
    """

    images: np.ndarray | None
    labels: np.ndarray | None = None
    spikes: np.ndarray | None = None
    name: str = "inputs"
    frames: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.images is not None and not isinstance(self.images, Filed):
            object.__setattr__(self, "images", np.asarray(self.images))
        problems = _problems(self)
        if problems:
            raise InputsError(self.name, problems)
        if self.labels is not None:
            object.__setattr__(self, "labels", np.asarray(self.labels).astype(np.int64))

    @classmethod
    def from_spikes(cls, spikes: np.ndarray, labels: np.ndarray | None = None, name: str = "inputs") -> Inputs:
        """Inputs from 0/1 spikes [N, T, C, H, W]."""
        array = np.asarray(spikes)
        if array.dtype.kind not in "biuf" or array.ndim != 5 or not np.isin(array, (0, 1)).all():
            raise InputsError(name, [f"spikes are {array.dtype} {list(array.shape)}; they must be 0 or 1, [N,T,C,H,W]"])
        return cls(None, labels, array.astype(bool), name)

    @classmethod
    def from_frames(cls, values: np.ndarray, labels: np.ndarray | None = None, name: str = "inputs") -> Inputs:
        """Inputs from numbers [N, T, C, H, W], others at every step: counts of events, or any integers of at most 31 bits and a
        sign, also where they come as floats; other floats for a float network. Numbers that are 0 and 1 alone are spikes."""
        array = np.asarray(values)
        if array.dtype.kind not in "biuf" or array.ndim != 5:
            raise InputsError(name, [f"frames are {array.dtype} {list(array.shape)}; they must be numbers [N,T,C,H,W]"])
        if array.size and np.isin(array, (0, 1)).all():
            return cls(None, labels, array.astype(bool), name)
        if not array.size:
            raise InputsError(name, [f"there are no samples: the frames have shape {list(array.shape)}"])
        low, high = array.min(), array.max()
        if array.dtype.kind in "iu" and max(-int(low), int(high)) > LARGEST:
            raise InputsError(name, [f"frames span {low} to {high}; at most {LARGEST} in size is supported"])
        return cls(None, labels, None, name, array.astype(frame_type(array)))

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: slice | int) -> Inputs:
        """The same inputs, fewer samples: ``inputs[:100]``, or one: ``inputs[3]``."""
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise IndexError(f"{self.name!r} holds {len(self)} samples, there is no number {key}")
            key = slice(key % len(self), key % len(self) + 1)
        given = (self.images, self.labels, self.spikes, self.frames)
        images, labels, spikes, frames = (None if a is None else a[key] for a in given)
        return Inputs(images, labels, spikes, self.name, frames)

    def head(self, many: int) -> Inputs:
        """The same inputs, of the first samples; what stays in a file stays there."""
        if not isinstance(self.images, Filed):
            return self[:many]
        return Inputs(self.images.head(many), None if self.labels is None else self.labels[:many], name=self.name)

    @property
    def steps(self) -> int:
        """Time steps of spikes or frames; 1 for images, which are shown for as long as a network asks."""
        return 1 if self.images is not None else self._data.shape[1]

    @property
    def by_step(self) -> np.ndarray | None:
        """Spikes, or frames; None of images."""
        return self.spikes if self.frames is None else self.frames

    @property
    def _data(self) -> np.ndarray:
        found = self.images if self.by_step is None else self.by_step
        assert found is not None
        return found

    @cached_property
    def sha256(self) -> str:
        """Hash of samples and labels."""
        frames = None if self.frames is None else self.frames.astype(frame_type(self.frames), copy=False)
        return shown_sha256(*map(Shown.whole, (self.images, self.spikes, self.labels, frames)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the inputs file (HDF5, see README)."""
        saving.save(self, path)


def frame_type(values: np.ndarray) -> type[np.generic]:
    """The type of frames of these values: of integers if all are whole, as the counts that other programs keep as floats."""
    if values.dtype.kind != "f":
        return np.int32
    counts = np.abs(values).max(initial=0) <= LARGEST and (values == np.rint(values)).all()
    return np.int32 if counts else np.float32


def shown_sha256(images: Shown | None, spikes: Shown | None, labels: Shown | None, frames: Shown | None = None) -> str:
    """Hash of what a network is shown, by type, shape and content."""
    digest = hashlib.sha256()
    for array in (images, spikes, labels, *([frames] if frames else [])):
        digest.update(b"none" if array is None else f"{array.dtype.str}{array.shape}".encode())
        for part in array.parts if array else ():
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _problems(inputs: Inputs) -> list[str]:
    problems = []
    if sum(given is not None for given in (inputs.images, inputs.spikes, inputs.frames)) != 1:
        return ["give either images, or spikes, or frames"]
    data = inputs._data if inputs.images is not None else np.asarray(inputs._data)
    if inputs.images is not None and (data.ndim != 4 or data.dtype.kind not in "iuf"):
        problems.append(f"images are {data.dtype} {list(data.shape)}; they must be numbers [N,C,H,W]")
    if data.ndim == 0 or 0 in data.shape:
        problems.append(f"there are no samples: the data have shape {list(data.shape)}")
    elif data.dtype.kind == "f" and (strange := sum(np.count_nonzero(~np.isfinite(part)) for part in slices(data))):
        problems.append(f"{strange} {'pixels' if inputs.frames is None else 'values'} are not finite")
    if inputs.labels is not None and data.ndim:
        labels = np.asarray(inputs.labels)
        if labels.dtype.kind not in "iu" or labels.shape != data.shape[:1]:
            problems.append(f"labels are {labels.dtype} {list(labels.shape)}; they must be integers [{len(data)}]")
        else:
            outside = np.flatnonzero((labels < 0) | (labels > LARGEST))
            if len(outside):
                problems.append(f"label {labels[outside[0]]} of sample {outside[0]} is outside 0..{LARGEST}")
    return problems


def check_inputs(network: Network, inputs: Inputs) -> None:
    """Raise InputsError with every reason why *network* cannot take *inputs*."""
    spec = network.input
    problems = []
    if spec.encoding == "direct":
        problems += _image_problems(network, inputs)
    elif inputs.by_step is None:
        problems.append(f"network {network.name!r} takes spikes [N,T,C,H,W], but these are images")
    else:
        problems += _step_problems(network, inputs, inputs.by_step)
    if inputs.labels is not None and inputs.labels.max() >= network.classes:
        where = int(inputs.labels.argmax())
        problems.append(
            f"label {inputs.labels[where]} of sample {where} is out of range: the network has {network.classes} classes"
        )
    if problems:
        raise InputsError(inputs.name, problems)


def _step_problems(network: Network, inputs: Inputs, given: np.ndarray) -> list[str]:
    """Of spikes or frames."""
    problems, what = [], "spikes" if inputs.frames is None else "frames"
    if given.shape[1:] != (network.timesteps or inputs.steps, *network.input.shape):
        need = [network.timesteps or "T", *network.input.shape]
        problems.append(f"{what} have shape [N,T,C,H,W] = {list(given.shape)}; the network needs [N]+{need}")
    if network.integer and given.dtype.kind == "f":
        odd = given[given != np.rint(given)]
        which = f"{odd[0]:.6g} among them" if odd.size else f"more than {LARGEST} in size"
        problems.append(f"{what} are {given.dtype}, {which}; an integer network needs integers")
    if inputs.frames is not None and given.size and given.min() < 0:
        pooling = [layer.name for layer in network.layers if INPUT in _maxima(layer)]
        problems += [f"values span {given.min()} to {given.max()}, but {name!r} takes maxima: none below 0" for name in pooling]
    return problems


def _maxima(layer: Layer) -> set[str]:
    """The sources of which *layer* takes maxima before its weights."""
    main = layer.inputs or () if pool_kind(layer.pool) == "max" else ()
    return {*main, *(s.source for s in layer.shortcuts if s.pool == "max2")}


def _image_problems(network: Network, inputs: Inputs) -> list[str]:
    if inputs.images is None:
        what = "spikes" if inputs.frames is None else "frames"
        advice = "build it with encoding = 'spikes' for what differs from step to step"
        return [f"network {network.name!r} takes images [N,C,H,W], but these are {what}; {advice}"]
    problems = []
    if inputs.images.shape[1:] != network.input.shape:
        need = list(network.input.shape)
        problems.append(f"images have shape [N,C,H,W] = {list(inputs.images.shape)}; the network needs [N]+{need}")
    dtype = inputs.images.dtype
    low, high = _span(inputs.images)
    if dtype.kind in "iu" and max(-low, high) > LARGEST:
        problems.append(f"pixels span {low} to {high}; at most {LARGEST} in size is supported")
    if network.input.mean is not None and dtype != np.uint8:
        problems.append(f"images are {dtype}; the network normalises pixels and needs uint8")
    elif network.integer and dtype.kind == "f":
        problems.append(f"images are {dtype}; an integer network needs integer pixels")
    elif not network.integer and dtype.kind != "f" and dtype != np.uint8:
        problems.append(f"images are {dtype}; a float network needs uint8 pixels or floats")
    return problems


def _span(images: np.ndarray) -> tuple[int, int]:
    """The smallest and the largest integer; none of what needs none."""
    if images.dtype.kind not in "iu" or np.iinfo(images.dtype).bits < 32:
        return 0, 0
    least, most = zip(*((int(part.min()), int(part.max())) for part in slices(images)), strict=True)
    return min(least), max(most)


def pixels(network: Network, images: np.ndarray) -> np.ndarray:
    """What the first layer multiplies, [N, C, sites]: int64 for an integer network, float32 for a float one."""
    return seen(network.input, images, network.integer)


def seen(spec: InputSpec, images: np.ndarray, integer: bool) -> np.ndarray:
    """`pixels` of a network with this input."""
    flat = images.reshape(len(images), images.shape[1], -1)
    if spec.mean is None or spec.std is None:
        if integer:
            return flat.astype(np.int64)
        return flat.astype(np.float32) / np.float32(255) if flat.dtype == np.uint8 else flat.astype(np.float32)
    # One table of 256 values per channel, so that every program that reads the file gets the same integers.
    levels = (np.arange(256) / 255 - np.array(spec.mean)[:, None]) / np.array(spec.std)[:, None]
    table = np.rint(levels * (spec.scale or 1)).astype(np.int64) if integer else levels.astype(np.float32)
    found: np.ndarray = table[np.arange(flat.shape[1])[None, :, None], flat]
    return found
