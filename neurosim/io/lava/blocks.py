"""The blocks of a `.net` file: what they hold, as whole numbers of Loihi."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from neurosim.io.hdf5 import Node, opening
from neurosim.network.layers import Shape

# Groups that a file may have.
MAX_BLOCKS = 10_000
# What Loihi holds: decays of 12 bits, of which 4096 forgets all in a step, thresholds of 17, biases of 13 and weights of 9 with
# their sign, of which it drops the last where both signs are there.
DECAY = 4096
THRESHOLD = 2**17 - 1
BIAS = 2**12 - 1
WEIGHTS = (-256, 255)
LONGEST_DELAY = 62
# Of training, or said twice; no spike depends on them.
IDLE = ("tauRho", "scaleRho", "theta", "inFeatures", "outFeatures", "inChannels", "outChannels", "kernelSize")
NEURONS = ("LOIHI", "CUBA")
STRANGE_NEURONS = {
    "SDNN": "sigma-delta neurons, which send differences",
    "RF": "resonate-and-fire neurons", "RF_PHASE": "resonate-and-fire neurons",
    "RF_IZ": "resonate-and-fire neurons", "ALIF": "neurons whose threshold adapts",
    "ADRF": "neurons whose threshold adapts", "ADRF_IZ": "neurons whose threshold adapts",
}  # fmt: skip
INSTEAD = "train it with slayer.block.cuba, and export that"
WHERE = ("shape", "stride", "padding", "dilation", "groups")


@dataclass(frozen=True, eq=False)
class Cuba:
    """Neurons with a synaptic current: decays of 4096, one or [C]; *refractory*: steps of rest, 1 of which is none."""

    current_decay: np.ndarray
    decay: np.ndarray
    threshold: int
    refractory: int


def is_lava(path: str | os.PathLike[str]) -> bool:
    """Whether an HDF5 file has blocks; raises FileError where it is no HDF5 file."""
    with opening(path) as (_, root):
        return "layer" in root


class Block:
    """A block of the file; whatever is wrong with it is noted."""

    def __init__(self, number: int, group: Node):
        self.number = number
        self.group = group
        self.kind = group.word("type")

    @property
    def name(self) -> str:
        """Of the layer that it becomes."""
        return f"{self.kind}{self.number}"

    def say(self, message: str) -> None:
        self.group.say(message)

    def __contains__(self, name: str) -> bool:
        return name in self.group

    def refuse_unknown(self, *known: str) -> None:
        """Note what is there beside what is *known*: who knows what it would change."""
        strange = [name for name in self.group.group if name not in (*known, *IDLE, "type", "shape", "neuron")]
        for name in strange:
            self.say(f"{name!r} is not known; nobody can tell what it would change; delete it if that is nothing")

    def whole(self, name: str, low: int, high: int, default: int | None = None, group: Node | None = None) -> np.ndarray:
        """Dataset *name* as int64 of any shape, each from *low* to *high*; the *default*, or 0 with a note, where it is not."""
        group = group or self.group
        absent = np.array(0 if default is None else default, np.int64)
        found = group.array(name, "iufb", None, optional=default is not None)
        if found is None:
            return absent
        if not np.isfinite(found).all() or found.size == 0 or np.any(found != np.rint(found)):
            group.say(f"dataset {name!r} holds {_first(found, np.isfinite(found) & (found == np.rint(found)))}; whole numbers are "
                      f"needed, as blocks have them that quantise (their pre_hook_fx)")  # fmt: skip
        elif found.min() < low or found.max() > high:
            wrong = _first(found, (found >= low) & (found <= high))
            group.say(f"dataset {name!r} holds {wrong}; Loihi takes {low} to {high}")
        else:
            return found.astype(np.int64)
        return absent

    def one(self, name: str, low: int, high: int, default: int | None = None, group: Node | None = None) -> int:
        """Dataset *name*, a single whole number."""
        found = self.whole(name, low, high, default, group)
        if found.size > 1:
            (group or self.group).say(f"dataset {name!r} holds {found.size} numbers; one is needed")
        return int(found.ravel()[0])

    def steps(self, name: str, most: int) -> np.ndarray:
        """Dataset *name* as whole steps, int64 [N]: what is begun does not count."""
        found = self.group.array(name, "iuf", None)
        if found is None or found.size == 0 or not np.all((found >= 0) & (found < most + 1)):
            worst = "nothing" if found is None else _first(found, (found >= 0) & (found < most + 1))
            self.say(f"dataset {name!r} holds {worst}; Loihi takes 0 to {most} steps")
            return np.zeros(1, np.int64)
        return np.floor(found).astype(np.int64).ravel()

    def pair(self, name: str, default: int | None = None) -> tuple[int, int]:
        """Dataset *name* down and across: one whole number, or two."""
        found = self.whole(name, 0, 2**15, default).ravel()
        if found.size > 2:
            self.say(f"dataset {name!r} holds {found.size} numbers; one or two are needed")
        return int(found[0]), int(found[-1])

    def weight(self, name: str, ndim: int) -> np.ndarray | None:
        """Weights of *ndim* dimensions; further ones of length 1 are dropped. Those of a single neuron may have lost theirs."""
        if name in self.group and isinstance(self.group.group[name], h5py.Group):
            self.say(f"{name!r} is complex; {INSTEAD}")
            return None
        before = len(self.group.problems)
        found = self.whole(name, *WEIGHTS)
        if len(self.group.problems) > before:
            return None
        shape = found.shape
        if ndim == 2 and len(shape) == 1:
            return found[None]
        if len(shape) < ndim or any(n != 1 for n in shape[ndim:]):
            self.say(f"dataset {name!r} is {list(shape)}; {ndim} dimensions are needed")
            return None
        return found.reshape(shape[:ndim])

    def shape(self) -> Shape | None:
        """[C, H, W]; a vector is [C, 1, 1]."""
        found = self.whole("shape", 1, 2**31 - 1).ravel()
        if found.size not in (1, 3):
            self.say(f"dataset 'shape' holds {found.size} numbers; one is needed, or three, C, H, W")
            return None
        c, h, w = (*found.tolist(), 1, 1)[:3]
        return c, h, w

    def cuba(self) -> Cuba | None:
        """Its neurons; None with a note where they are others."""
        group = self.group.child("neuron")
        if group is None:
            return None
        kind = group.word("type")
        if kind not in NEURONS:
            what = STRANGE_NEURONS.get(kind, "of which nothing is known here")
            group.say(f"the neurons are {kind!r}, {what}; {' and '.join(NEURONS)} are read: {INSTEAD}")
            return None
        threshold = self.one("vThMant", 1, THRESHOLD, group=group)
        self._refuse_variants(group)
        return Cuba(
            self.whole("iDecay", 0, DECAY, group=group).ravel(), self.whole("vDecay", 0, DECAY, group=group).ravel(),
            threshold, self.one("refDelay", 1, 64, 1, group),
        )  # fmt: skip

    def _refuse_variants(self, group: Node) -> None:
        known = ("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "messageBits", "wgtExp", "weight_exp")
        for name in group.group:
            if name not in (*known, *IDLE):
                group.say(f"{name!r} is not known; nobody can tell what it would change; delete it if that is nothing")
        for name, what in (("gradedSpike", "spikes that carry a potential"), ("messageBits", "spikes that carry values")):
            if name in group and self.one(name, -(2**31), 2**31, 0, group):
                group.say(f"{name!r} is {self.one(name, -(2**31), 2**31, 0, group)}: {what}, which nothing here can say; export it with 0")
        for name in ("wgtExp", "weight_exp"):
            if name in group and np.any(np.ravel(group.array(name, "iuf", None)) != 0):
                group.say(f"{name!r} is not 0: weights times a power of two, which slayer takes and netx does not; fold it into the weights")


def _first(found: np.ndarray, right: np.ndarray) -> str:
    """The first number that is not *right*, and where."""
    at = np.argwhere(np.atleast_1d(~right))
    if not len(at):
        return "nothing"
    value: Any = np.atleast_1d(found)[tuple(at[0])]
    return f"{value:g}" + (f" at {at[0].tolist()}" if found.size > 1 else "")


def blocks(root: Node) -> Iterable[Block]:
    """All blocks in order, 0 to the last; notes those that are missing or have other names."""
    top = root.child("layer")
    if top is None:
        return
    names = list(top.group)
    if not names or len(names) > MAX_BLOCKS:
        top.say(f"it has {len(names)} blocks; 1 to {MAX_BLOCKS:,} are needed")
        return
    top.refuse_others([str(i) for i in range(len(names))], f"block: they are 0 to {len(names) - 1};")
    for i in range(len(names)):
        group = top.child(str(i))
        if group is not None:
            yield Block(i, group)
