"""Neurons of Loihi as layers have them: potentials and currents times 2^6, decays of 2^12.

Per step ``u = trunc(u * (4096 - iDecay) / 4096) + 2^6 * sum(weights)``,
``v = trunc(v * (4096 - vDecay) / 4096) + u + 2^6 * bias``; a neuron with ``v > 2^6 * vThMant`` fires, and ``v = 0``. Sources:
PyLifModelBitAcc of lava.proc.lif.models, and slayer.neuron.cuba.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from neurosim.io.hdf5 import Node
from neurosim.io.lava.blocks import LavaBlock, one, refuse_unknown, whole
from neurosim.network.checks import signed_bits

# Bits by which what arrives, thresholds and biases are shifted; decays are fractions of 2^12; of a stored weight.
ALIGNED = 6
DECAY_BITS = 12
WEIGHT_BITS = 8
# What Loihi holds: all of a current or potential lost in a step; thresholds, biases, rests; a potential stops at either end of
# 24 bits, a current comes out at the other.
ALL = 2**DECAY_BITS
THRESHOLDS = 1, 2**17 - 1
BIASES = -(2**12), 2**12 - 1
RESTS = 1, 64
LIMIT = 2**23 - 1
READ = ("LOIHI", "CUBA")
OTHERS = {
    "SDNN": "send what changed", "RF": "resonate", "RF_PHASE": "resonate", "RF_IZ": "resonate", "ALIF": "adapt their threshold",
    "ADRF": "resonate and adapt", "ADRF_IZ": "resonate and adapt",
}  # fmt: skip
FIELDS = ("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "messageBits", "wgtExp", "weight_exp")
OTHER = "its neurons are {!r}{}; {} are read, which slayer.block.cuba exports"
VALUES = "{!r} is {}: spikes that carry values, with no thresholds to subtract; train without"
SCALED = "{!r} is not 0: slayer multiplies weights by a power of two, netx does not; multiply them in the file, and delete it"


@dataclass(frozen=True, eq=False)
class Cuba:
    """Decays of 4096, one or [C] (int64), a threshold, and the steps from a spike to the first in which a neuron integrates."""

    current_decay: np.ndarray
    decay: np.ndarray
    threshold: int
    refractory: int

    @property
    def has_current(self) -> bool:
        """Whether anything of a current is left after its step."""
        return bool(np.any(self.current_decay != ALL))


class Shifted(NamedTuple):
    """Weights as they are stored, and by how many bits they are shifted where they are added."""

    weight: np.ndarray
    shift: int

    @property
    def bits(self) -> int:
        return signed_bits(int(self.weight.min()), int(self.weight.max()))


def stored(weight: np.ndarray) -> Shifted:
    """Weights of 8 bits as such; even ones of 9 without their last bit, as Loihi stores those of both signs."""
    halved = not np.any(weight % 2) and Shifted(weight, ALIGNED).bits > WEIGHT_BITS
    return Shifted(weight // 2, ALIGNED + 1) if halved else Shifted(weight, ALIGNED)


def cuba(block: LavaBlock) -> Cuba | None:
    """The neurons of *block*; None, with a note, where they are others."""
    group = block.group.child("neuron")
    if group is None:
        return None
    kind = group.word("type")
    if kind not in READ:
        group.say(OTHER.format(kind, f", which {OTHERS[kind]}" if kind in OTHERS else "", " and ".join(READ)))
        return None
    _refuse_variants(group)
    current_decay, decay = (whole(group, name, 0, ALL).ravel() for name in ("iDecay", "vDecay"))
    return Cuba(current_decay, decay, one(group, "vThMant", *THRESHOLDS), one(group, "refDelay", *RESTS, 1))


def _refuse_variants(group: Node) -> None:
    refuse_unknown(group, FIELDS)
    for name in ("gradedSpike", "messageBits"):
        bits = one(group, name, 0, 64, 0)
        if bits:
            group.say(VALUES.format(name, bits))
    for name in ("wgtExp", "weight_exp"):
        found = group.array(name, "iuf", None, optional=True)
        if found is not None and np.any(found != 0):
            group.say(SCALED.format(name))


def parameters(block: LavaBlock, neurons: Cuba, channels: int) -> dict[str, Any]:
    """What the layer of *block* has, by the names of `Layer`."""
    found: dict[str, Any] = {"threshold": neurons.threshold << ALIGNED, "refractory": neurons.refractory - 1}
    if neurons.has_current:
        found["current_leak"] = _leak(block, "iDecay", neurons.current_decay, channels)
    if np.any(neurons.decay):
        found["leak"] = _leak(block, "vDecay", neurons.decay, channels)
    if len(found) > 2:
        found["leak_rounding"] = "zero"
    bias = _bias(block, channels)
    if np.any(bias):
        found |= {"bias": bias << ALIGNED, "bias_into": "potential"}
    return found


def _leak(block: LavaBlock, name: str, decay: np.ndarray, channels: int) -> tuple[Any, int]:
    if decay.size not in (1, channels):
        block.say(f"dataset 'neuron/{name}' holds {decay.size} numbers; needed: one, or {channels}, one for every channel")
        return ALL, DECAY_BITS
    left = ALL - decay
    return (int(left[0]) if left.size == 1 else left), DECAY_BITS


def _bias(block: LavaBlock, channels: int) -> np.ndarray:
    """[C], none where there is no bias, or it is that of an input, which whoever encodes pixels adds."""
    nothing = np.zeros(channels, np.int64)
    if "bias" not in block or block.kind == "input":
        return nothing
    found = whole(block.group, "bias", *BIASES).ravel()
    if found.size not in (1, channels):
        block.say(f"dataset 'bias' holds {found.size} numbers; needed: one, or {channels}, one for every channel")
        return nothing
    spread: np.ndarray = nothing + found
    return spread


def largest_current(neurons: Cuba, weights: Sequence[np.ndarray], most: int) -> float:
    """The largest absolute current of neurons that see these weights [C, ...], each at most *most* times in a step."""
    flat = np.hstack([weight.reshape(len(weight), -1) for weight in weights])
    largest: float = np.abs(flat).sum(1).max() * float(most << ALIGNED) * _left(neurons.current_decay)
    return largest


def bottom(neurons: Cuba, current: float, bias: Any) -> dict[str, int]:
    """The lowest potential of Loihi where it could be reached, given the largest absolute *current*."""
    lowest = (current + float(np.abs(bias).max())) * _left(neurons.decay)
    return {"floor": -LIMIT} if lowest > LIMIT else {}


def _left(decay: np.ndarray) -> float:
    """What a constant comes to at last that fades with this *decay*; very much where it does not."""
    least = int(decay.min())
    return ALL / least if least else 2.0**64
