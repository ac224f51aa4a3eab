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
from neurosim.network.layers import InputSpec
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
    spikes: bool [N, T, C, H, W]. labels: int64 [N] or None. Images may also stay in a file, which is read slice by slice.
    """

    images: np.ndarray | None
    labels: np.ndarray | None = None
    spikes: np.ndarray | None = None
    name: str = "inputs"

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

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: slice | int) -> Inputs:
        """The same inputs, fewer samples: ``inputs[:100]``, or one: ``inputs[3]``."""
        if isinstance(key, int):
            if not -len(self) <= key < len(self):
                raise IndexError(f"{self.name!r} holds {len(self)} samples, there is no number {key}")
            key = slice(key % len(self), key % len(self) + 1)
        images, labels, spikes = (None if a is None else a[key] for a in (self.images, self.labels, self.spikes))
        return Inputs(images, labels, spikes, self.name)

    def head(self, many: int) -> Inputs:
        """The same inputs, of the first samples; what stays in a file stays there."""
        if not isinstance(self.images, Filed):
            return self[:many]
        return Inputs(self.images.head(many), None if self.labels is None else self.labels[:many], name=self.name)

    @property
    def steps(self) -> int:
        """Time steps of spikes; 1 for images, which are shown for as long as a network asks."""
        return 1 if self.spikes is None else self.spikes.shape[1]

    @property
    def _data(self) -> np.ndarray:
        found = self.spikes if self.spikes is not None else self.images
        assert found is not None
        return found

    @cached_property
    def sha256(self) -> str:
        """Hash of samples and labels."""
        return shown_sha256(*map(Shown.whole, (self.images, self.spikes, self.labels)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the inputs file (HDF5, see README)."""
        saving.save(self, path)


def shown_sha256(images: Shown | None, spikes: Shown | None, labels: Shown | None) -> str:
    """Hash of what a network is shown, by type, shape and content."""
    digest = hashlib.sha256()
    for array in (images, spikes, labels):
        digest.update(b"none" if array is None else f"{array.dtype.str}{array.shape}".encode())
        for part in array.parts if array else ():
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _problems(inputs: Inputs) -> list[str]:
    problems = []
    if (inputs.images is None) == (inputs.spikes is None):
        return ["give either images or spikes"]
    data = inputs._data if inputs.images is not None else np.asarray(inputs.spikes)
    if inputs.images is not None and (data.ndim != 4 or data.dtype.kind not in "iuf"):
        problems.append(f"images are {data.dtype} {list(data.shape)}; they must be numbers [N,C,H,W]")
    if data.ndim == 0 or 0 in data.shape:
        problems.append(f"there are no samples: the data have shape {list(data.shape)}")
    elif data.dtype.kind == "f" and (strange := sum(np.count_nonzero(~np.isfinite(part)) for part in slices(data))):
        problems.append(f"{strange} pixels are not finite")
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
    elif inputs.spikes is None:
        problems.append(f"network {network.name!r} takes spikes [N,T,C,H,W], but these are images")
    elif inputs.spikes.shape[1:] != (network.timesteps or inputs.steps, *spec.shape):
        need = [network.timesteps or "T", *spec.shape]
        problems.append(f"spikes have shape [N,T,C,H,W] = {list(inputs.spikes.shape)}; the network needs [N]+{need}")
    if inputs.labels is not None and inputs.labels.max() >= network.classes:
        where = int(inputs.labels.argmax())
        problems.append(
            f"label {inputs.labels[where]} of sample {where} is out of range: the network has {network.classes} classes"
        )
    if problems:
        raise InputsError(inputs.name, problems)


def _image_problems(network: Network, inputs: Inputs) -> list[str]:
    if inputs.images is None:
        return [f"network {network.name!r} takes images [N,C,H,W], but these are spikes"]
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
