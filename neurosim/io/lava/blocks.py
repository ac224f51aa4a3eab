"""The blocks of a `.net` file: what they hold, as whole numbers of Loihi."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator

import h5py
import numpy as np

from neurosim.io.hdf5 import Node, opening
from neurosim.network.layers import Shape

MAX_BLOCKS = 10_000
# Of a block; a camera of 1280 x 720 pixels with two polarities has 1.8 million.
MAX_NEURONS = 2**22
# Weights of 8 bits, of which those of both signs have their last one dropped; steps of a delay.
WEIGHTS = -256, 255
LONGEST_DELAY = 62
# Numbers that count something.
MANY = 2**31 - 1
# Of training, or said twice: no spike depends on them.
IDLE = ("tauRho", "scaleRho", "theta", "inFeatures", "outFeatures", "inChannels", "outChannels", "kernelSize")
UNKNOWN = "{!r} is not known, nor what it would change; delete it if that is nothing"
FRACTIONS = "dataset {!r} holds {}; needed: whole numbers, as blocks export that quantise (their pre_hook_fx)"


def is_lava(path: str | os.PathLike[str]) -> bool:
    """Whether an HDF5 file has blocks; raises FileError where it is no HDF5 file."""
    with opening(path) as (_, root):
        return "layer" in root


class LavaBlock:
    """A block of the file; whatever is wrong with it is noted, by its place in the file."""

    def __init__(self, number: int, group: Node):
        self.number = number
        self.group = group
        self.kind = group.word("type")

    @property
    def name(self) -> str:
        """Of the layer that it becomes."""
        return f"{self.kind}{self.number}"

    def __contains__(self, name: str) -> bool:
        return name in self.group

    def say(self, message: str) -> None:
        self.group.say(message)

    def refuse_unknown(self, *known: str) -> None:
        """Note what is neither *known* nor what every block may have."""
        refuse_unknown(self.group, (*known, "type", "shape", "neuron"))

    def one(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Dataset *name*, a single whole number."""
        return one(self.group, name, low, high, default)

    def pair(self, name: str, default: int | None = None) -> tuple[int, int]:
        """Dataset *name*, down and across: one whole number, or two."""
        found = whole(self.group, name, 0, MANY, default).ravel()
        if found.size > 2:
            self.say(f"dataset {name!r} holds {found.size} numbers; needed: one or two")
        return int(found[0]), int(found[-1])

    def weight(self, name: str, ndim: int) -> np.ndarray | None:
        """Weights of *ndim* dimensions, and others of length 1 behind them; those onto a single neuron may be a vector."""
        if name in self.group and isinstance(self.group.group[name], h5py.Group):
            self.say(f"{name!r} is complex, for neurons that resonate; export a network of slayer.block.cuba")
            return None
        before = len(self.group.problems)
        found = whole(self.group, name, *WEIGHTS)
        if len(self.group.problems) > before:
            return None
        shape = (1, *found.shape) if ndim == 2 and found.ndim == 1 else found.shape
        if len(shape) < ndim or any(n != 1 for n in shape[ndim:]):
            self.say(f"dataset {name!r} is {list(shape)}; needed: {ndim} dimensions")
            return None
        return found.reshape(shape[:ndim])

    def shape(self) -> Shape | None:
        """[C, H, W]; a vector is [C, 1, 1]."""
        found = whole(self.group, "shape", 1, MANY).ravel().tolist()
        if len(found) not in (1, 3):
            self.say(f"dataset 'shape' holds {len(found)} numbers; needed: one, or three, C, H, W")
            return None
        if math.prod(found) > MAX_NEURONS:
            self.say(f"dataset 'shape' says {math.prod(found):,} neurons; at most {MAX_NEURONS:,} are read")
            return None
        c, h, w = (*found, 1, 1)[:3]
        return c, h, w

    def delay(self) -> np.ndarray:
        """int64 [N], whole steps; a part of one does not count."""
        found = self.group.array("delay", "iuf", None)
        fits = None if found is None else (found >= 0) & (found < LONGEST_DELAY + 1)
        if found is None or fits is None or found.size == 0:
            return np.zeros(1, np.int64)
        if not fits.all():
            self.say(f"dataset 'delay' holds {_first(found, fits)}; needed: 0 to {LONGEST_DELAY} steps")
            return np.zeros(1, np.int64)
        steps: np.ndarray = np.floor(found).astype(np.int64).ravel()
        return steps


def blocks(root: Node) -> Iterator[LavaBlock]:
    """All blocks in order, 0 to the last; those that are missing or have other names are noted."""
    top = root.child("layer")
    if top is None:
        return
    names = list(top.group)
    if not 1 <= len(names) <= MAX_BLOCKS:
        top.say(f"it has {len(names):,} blocks; needed: 1 to {MAX_BLOCKS:,}")
        return
    for number in range(len(names)):
        group = top.child(str(number))
        if group is not None:
            yield LavaBlock(number, group)


def refuse_unknown(group: Node, known: Collection[str]) -> None:
    """Note everything in *group* that is neither *known* nor idle."""
    for name in group.group:
        if name not in known and name not in IDLE:
            group.say(UNKNOWN.format(name))


def whole(group: Node, name: str, low: int, high: int, default: int | None = None) -> np.ndarray:
    """Dataset *name*, int64 of any shape, each from *low* to *high*. Where it is wrong a number that is not, with a note; where
    it is missing the *default*, or likewise."""
    found = group.array(name, "iufb", None, optional=default is not None)
    instead = np.array(low if default is None else default, np.int64)
    if found is None:
        return instead
    values = found.astype(np.float64)
    exact, within = values == np.rint(values), (values >= low) & (values <= high)
    if not exact.all():
        group.say(FRACTIONS.format(name, _first(values, exact)))
    elif not within.all() or not values.size:
        group.say(f"dataset {name!r} holds {_first(values, within)}; needed: {low} to {high}")
    else:
        numbers: np.ndarray = values.astype(np.int64)
        return numbers
    return instead


def one(group: Node, name: str, low: int, high: int, default: int | None = None) -> int:
    """Dataset *name*, a single whole number."""
    found = whole(group, name, low, high, default).ravel()
    if found.size > 1:
        group.say(f"dataset {name!r} holds {found.size} numbers; needed: one")
    return int(found[0])


def _first(found: np.ndarray, right: np.ndarray) -> str:
    """The first number that is not *right*, and where it stands."""
    if not found.size:
        return "nothing"
    at = tuple(np.argwhere(np.atleast_1d(~right))[0])
    return f"{np.atleast_1d(found)[at]:g}" + (f" at {[int(i) for i in at]}" if found.size > 1 else "")
