"""Networks from `.net` files of lava-dl, exact to the bit."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurosim.errors import FileError, NetworkError
from neurosim.io.hdf5 import Node, opening
from neurosim.io.lava.blocks import BIAS, DECAY, LONGEST_DELAY, WHERE, Block, Cuba, blocks
from neurosim.io.nir.fidelity import Fidelity
from neurosim.network.checks import signed_bits
from neurosim.network.layers import Conv, Dense, Layer, Output, Shape, Shortcut
from neurosim.network.network import Network

# What arrives is shifted to the left by so many bits, as thresholds and biases are; decays are fractions of 2^12.
ALIGNED = 6
DECAY_BITS = 12
# Of a weight in Loihi.
WEIGHT_BITS = 8
# Currents and potentials have 24 bits; a potential stops at either end, a current comes out at the other.
LIMIT = 2**23 - 1
STEPS = (
    "within a step spikes cross all layers; in Lava each layer takes a step, so its spikes come that many steps later, and are "
    "the same where layers are reset one after the other, as by reset_interval"
)
START = "potentials and currents start at 0; a neuron fires above its threshold, and its potential is then 0"
AT_ONCE = "biases ({}) are there from the first step on; a Lava network that is not reset layer by layer has them before its inputs"
RESTS = "{} rests for {} steps after a spike (refDelay {}), as Loihi does; the Lava models of lava-dl do not"
NARROW = "{} has weights of {} bits; Loihi holds 8, and drops the last bit where both signs are there"
WRAPS = "the current of {} reaches {:.3g} at most; Loihi holds {:.3g} and then comes out at the other end, which nothing here does"
STOPS = "what {} adds up is unbounded here; Loihi stops at {:.3g}"
DRIVEN = "inputs are whole numbers that the neurons of {} add at every step, times 64, as bias_mant in Lava: pixels once encoded{}"
ENCODED = " (weight {}, bias {})"
SPIKES = "inputs are spikes, 0 or 1 per step"
IMAGES = "inputs are images of whole numbers, which the weights of {} multiply at every step"
ADDED = "{} has no neurons in the file: it adds up what arrives, as in Lava, and the answer is its largest sum"
ANSWER = "the answer is the neuron that fires most often"
VOTES = "the answer is the group of {} neurons that fires most often"


def import_lava(
    path: str | os.PathLike[str],
    *,
    timesteps: int | None = None,
    encoding: Literal["spikes", "direct"] = "spikes",
    input_shape: Sequence[int] | None = None,
    name: str | None = None,
) -> tuple[Network, Fidelity]:
    """The integer network in a `.net` file of lava-dl, and how faithful it is to the file.

    Spikes and potentials are those of Lava's fixed-point models and of Loihi, bit by bit: currents and potentials times 2^6,
    decays of 12 bits, products rounded towards zero. *timesteps* None: as many as the file says a sample has, or as the inputs
    have. *encoding* "direct": the input is an image of integers, shown at every step. *input_shape*, [C, H, W], of a file that
    has no block `input`. Raises FileError with every block that cannot be said, NetworkError with what is wrong with the whole.
    """
    with opening(path) as (_, root):
        lowering = _Lowering(input_shape, encoding)
        for block in blocks(root):
            lowering.block(block)
        lowering.finish(root)
        steps = _steps(root) if timesteps is None else timesteps
        if steps is None and encoding == "direct":
            root.say("nothing says for how many steps an image is shown; give timesteps (--timesteps)")
    fidelity = lowering.fidelity
    about = {"imported_from": f"lava-dl, {Path(path).name}", "fidelity": fidelity.to_dict()}
    assert lowering.first is not None
    try:
        network = Network.build(
            name or Path(path).stem, timesteps=steps, input_shape=lowering.first, encoding=encoding, layers=lowering.layers,
            reset="zero", compare=">", decode=lowering.decode, about=about,
        )  # fmt: skip
    except NetworkError as error:
        raise NetworkError(f"{path}, as a network", error.problems) from error
    wrong = [problem for layer in network.layers for problem in lowering.misshapen(layer)]
    if wrong:
        raise FileError(str(path), wrong)
    return network, fidelity


def _steps(root: Node) -> int | None:
    """Steps of a sample, if the file says."""
    group = root.child("simulation") if "simulation" in root else None
    found: int | None = None if group is None else group.integer("tSample", None, optional=True)
    if found is not None and found < 1:
        root.say(f"'simulation/tSample' is {found}; it must be at least 1")
    return found


class _Lowering:
    """Blocks become layers one after another. *shape*: of what the next one reads, None where nothing says."""

    def __init__(self, input_shape: Sequence[int] | None, encoding: str):
        self.fidelity = Fidelity()
        self.encoding = encoding
        self.biased: list[str] = []
        self.layers: list[Layer] = []
        self.given = None if input_shape is None else tuple(int(n) for n in input_shape)
        self.first: Shape | None = None
        self.shape: Shape | None = None
        self.said: dict[str, Shape] = {}
        self.flat = False
        self.decode: str | None = None
        self.ended = ""
        self.fidelity.assume(STEPS)
        self.fidelity.assume(START)

    def block(self, block: Block) -> None:
        lower = {
            "input": self._input, "flatten": self._flatten, "dense": self._dense, "dense_rec": self._dense, "conv": self._conv,
            "pool": self._pool, "average": self._average,
        }.get(block.kind)  # fmt: skip
        if not block.kind:
            block.say("dataset 'type' is missing")
        elif lower is None:
            block.say(f"a block {block.kind!r} cannot be said; input, flatten, dense, dense_rec, conv, pool and average can")
        elif self.ended:
            block.say(f"nothing can come after {self.ended}, which never fires or counts spikes; delete this block")
        else:
            lower(block)

    def finish(self, root: Node) -> None:
        if root.problems:
            return
        if not self.layers:
            root.say("it has no block with neurons: dense, conv, pool or an input that has some")
            return
        if self.biased:
            self.fidelity.assume(AT_ONCE.format(", ".join(self.biased)))
        if self.layers[0].name != "input0":
            self.fidelity.assume(SPIKES if self.encoding == "spikes" else IMAGES.format(self.layers[0].name))
        if self.decode is None and self.layers[-1].spiking:
            self.fidelity.assume(ANSWER)

    def misshapen(self, layer: Layer) -> list[str]:
        """Whether the file says another shape of *layer*."""
        said = self.said.get(layer.name, layer.shape)
        # Of a vector files write its length along any axis.
        same = said == layer.shape or (layer.neurons == math.prod(said) == layer.shape[0])
        return [] if same else [f"layer {layer.name!r} is {list(layer.shape)}, where its 'shape' says {list(said)}"]

    def _add(self, block: Block, layer: Layer) -> None:
        """What the file says of its shape is checked when all shapes are known."""
        self.layers.append(layer)
        self.shape, self.flat = block.shape(), False
        if self.shape is not None:
            self.said[layer.name] = self.shape

    def _input(self, block: Block) -> None:
        block.refuse_unknown("weight", "bias")
        if block.number:
            block.say("an input stands first, and this one does not")
            return
        shape = self.shape = self.first = block.shape()
        if "neuron" not in block:
            return
        cuba = block.cuba()
        if shape is None or cuba is None:
            return
        if np.any(cuba.current_decay != DECAY):
            block.say("its neurons have a current (iDecay below 4096), to which slayer adds inputs and Lava does not; export 4096")
        weight, bias = (block.one(name, -(2**31), 2**31, default) for name, default in (("weight", 64), ("bias", 0)))
        self.fidelity.assume(DRIVEN.format(block.name, ENCODED.format(weight, bias) if "weight" in block else ""))
        each = np.ones((shape[0], 1, 1, 1), np.int64)
        options = self._neurons(block, cuba, shape[0], each, BIAS + 1)
        self._add(block, Conv(block.name, each, groups=shape[0], **options))

    def _flatten(self, block: Block) -> None:
        block.refuse_unknown()
        self.flat = True

    def _dense(self, block: Block) -> None:
        recurrent = block.kind == "dense_rec"
        block.refuse_unknown("weight", "bias", "delay", *(("weight_rec",) if recurrent else ()))
        weight = block.weight("weight", 2)
        back = block.weight("weight_rec", 2) if recurrent else None
        if weight is None or (recurrent and back is None):
            return
        neurons = len(weight)
        if self._begins(block, (weight.shape[1], 1, 1)):
            return
        shortcuts: list[Shortcut] = []
        if back is not None:
            if back.shape != (neurons, neurons):
                block.say(f"dataset 'weight_rec' is {list(back.shape)}; needed [{neurons}, {neurons}]")
            small, shift = _factored(back)
            shortcuts.append(Shortcut(block.name, small, delay=1, weight_shift=shift))
        if "neuron" not in block:
            self._sum(block, weight, recurrent)
            return
        cuba = block.cuba()
        if cuba is None:
            return
        both = weight if back is None or back.shape[0] != neurons else np.hstack([weight, back])
        options = self._neurons(block, cuba, neurons, both) | self._delay(block, recurrent)
        small, options["weight_shift"] = _factored(weight)
        self._add(block, Dense(block.name, small, shortcuts=shortcuts, **options))

    def _sum(self, block: Block, weight: np.ndarray, recurrent: bool) -> None:
        """A block without neurons adds up what arrives."""
        if recurrent or "bias" in block:
            block.say("it has no group 'neuron', and feedback or a bias; what becomes of them nothing says")
            return
        self.fidelity.assume(ADDED.format(block.name))
        self.fidelity.assume(STOPS.format(block.name, LIMIT))
        small, shift = _factored(weight)
        self._note(block, weight, small, shift)
        self.ended = block.name
        self._add(block, Output(block.name, small, weight_shift=shift, **self._delay(block)))

    def _conv(self, block: Block) -> None:
        block.refuse_unknown("weight", "bias", "delay", *WHERE)
        weight = block.weight("weight", 4)
        if weight is not None:
            self._convolution(block, weight, block.one("groups", 1, 2**15))

    def _pool(self, block: Block) -> None:
        """The sum over windows, each channel by itself, by one kernel for all of them."""
        block.refuse_unknown("weight", "delay", *WHERE)
        weight = block.weight("weight", 4)
        if self.shape is None or weight is None:
            self._begins(block, None)
        elif weight.shape[:2] != (1, 1):
            block.say(f"dataset 'weight' is {list(weight.shape)}; needed [1, 1, kh, kw]")
        else:
            self._convolution(block, np.repeat(weight, self.shape[0], 0), self.shape[0])

    def _convolution(self, block: Block, weight: np.ndarray, groups: int) -> None:
        way: dict[str, Any] = {"stride": block.pair("stride"), "padding": block.pair("padding")}
        way["dilation"] = block.pair("dilation", 1)
        cuba = block.cuba()
        if self._begins(block, None) or cuba is None:
            return
        if self.flat:
            block.say("it comes after flatten, which leaves no map; delete that block")
            return
        options = self._neurons(block, cuba, len(weight), weight) | self._delay(block)
        small, options["weight_shift"] = _factored(weight)
        self._add(block, Conv(block.name, small, groups=groups, **way, **options))

    def _average(self, block: Block) -> None:
        """Groups of neighbouring neurons answer together."""
        block.refuse_unknown()
        shape = block.shape()
        if shape is None or not self.layers:
            block.say("there is nothing before it that it could average")
            return
        groups, neurons = math.prod(shape), math.prod(self.shape or (0,))
        if not groups or neurons % groups:
            block.say(f"its {groups} groups do not divide the {neurons} neurons before it")
            return
        self.decode, self.ended = f"votes:{neurons // groups}", block.name
        self.fidelity.assume(VOTES.format(neurons // groups))

    def _begins(self, block: Block, shape: Shape | None) -> bool:
        """Find the shape of the input where *block* is the first; whether it cannot be found."""
        if self.shape is None and not self.layers and block.number == 0:
            self.shape = self.first = self.given or shape  # type: ignore[assignment]
            if self.shape is None:
                block.say("nothing says the shape of its input; give input_shape (--input-shape CxHxW), or add a block 'input'")
        return self.shape is None

    def _delay(self, block: Block, recurrent: bool = False) -> dict[str, int]:
        """Steps by which its inputs come late, which is as late as its spikes then come."""
        if "delay" not in block:
            return {}
        found = block.steps("delay", LONGEST_DELAY)
        if np.any(found != found[0]):
            block.say(f"its neurons have delays of their own, {found.min()} to {found.max()} steps, and a layer has one; train without "
                      f"(delay=False), or with one for all")  # fmt: skip
        elif found[0] and ("bias" in block or recurrent):
            block.say("it has delays beside a bias or feedback, to which slayer and Lava do different things; train without one of them")
        return {"delay": int(found[0])}

    def _neurons(self, block: Block, cuba: Cuba, channels: int, weight: np.ndarray, largest: int = 1) -> dict[str, Any]:
        """The parameters of its neurons, and what is to be said of them; *largest* input of a *weight*."""
        options: dict[str, Any] = {"threshold": cuba.threshold << ALIGNED, "refractory": cuba.refractory - 1}
        if np.any(cuba.current_decay != DECAY):
            options["current_leak"] = _leak(block, "iDecay", cuba.current_decay, channels)
        if np.any(cuba.decay):
            options["leak"] = _leak(block, "vDecay", cuba.decay, channels)
        options |= {"leak_rounding": "zero"} if {"leak", "current_leak"} & options.keys() else {}
        bias = self._bias(block, cuba, channels)
        if bias is not None:
            options["bias"] = bias
        small, shift = _factored(weight)
        options["weight_bits"] = max(WEIGHT_BITS, signed_bits(int(small.min()), int(small.max())))
        options["weight_shift"] = shift
        self._note(block, weight, small, shift)
        for parameter, value in (("iDecay", cuba.current_decay), ("vDecay", cuba.decay), ("vThMant", cuba.threshold)):
            self.fidelity.add(block.name, block.kind, parameter, value, value, "of 2^12" if "Decay" in parameter else "times 2^6")
        if cuba.refractory > 1:
            self.fidelity.assume(RESTS.format(block.name, cuba.refractory - 1, cuba.refractory))
        return options | self._bounds(block, cuba, weight * largest, 0 if bias is None else bias)

    def _note(self, block: Block, weight: np.ndarray, small: np.ndarray, shift: int) -> None:
        self.fidelity.add(block.name, block.kind, "weight", weight << ALIGNED, small << shift, f"stored, times 2^{shift}")
        bits = signed_bits(int(small.min()), int(small.max()))
        if bits > WEIGHT_BITS:
            self.fidelity.assume(NARROW.format(block.name, bits))

    def _bias(self, block: Block, cuba: Cuba, channels: int) -> np.ndarray | None:
        if "bias" not in block or block.kind == "input":
            return None
        found = block.whole("bias", -BIAS - 1, BIAS).ravel()
        if found.size not in (1, channels):
            block.say(f"dataset 'bias' holds {found.size} numbers; needed {channels}, one for every channel, or one for all")
            return None
        if np.any(found) and np.any(cuba.current_decay != DECAY):
            block.say("it has a bias beside a current (iDecay below 4096): Loihi adds it to the potential, and here it would reach the "
                      "current; train without norm, or with a current_decay of 1")  # fmt: skip
        if np.any(found):
            self.fidelity.add(block.name, block.kind, "bias", found, found, "times 2^6")
            self.biased.append(block.name)
        return np.broadcast_to(found << ALIGNED, channels) if np.any(found) else None

    def _bounds(self, block: Block, cuba: Cuba, weight: np.ndarray, bias: Any) -> dict[str, int]:
        """The lowest potential of Loihi where it could be reached; a current that could be too large is said."""
        flat = weight.reshape(len(weight), -1)
        sums = [int(part.sum(1).max()) << ALIGNED for part in (np.maximum(flat, 0), np.maximum(-flat, 0))]
        kept = DECAY / max(int(cuba.current_decay.min()), 1e-9)
        if np.any(cuba.current_decay != DECAY) and max(sums) * kept > LIMIT:
            self.fidelity.assume(WRAPS.format(block.name, max(sums) * kept, LIMIT))
        lowest = (sums[1] * kept + float(np.max(-np.minimum(bias, 0)))) * DECAY / max(int(cuba.decay.min()), 1e-9)
        return {"floor": -LIMIT} if lowest > LIMIT else {}


def _leak(block: Block, name: str, decay: np.ndarray, channels: int) -> tuple[Any, int]:
    if decay.size not in (1, channels):
        block.say(f"dataset 'neuron/{name}' holds {decay.size} numbers; needed one, or {channels}, one for every channel")
        return DECAY, DECAY_BITS
    left = DECAY - decay
    return (int(left[0]) if decay.size == 1 else left), DECAY_BITS


def _factored(weight: np.ndarray) -> tuple[np.ndarray, int]:
    """Weights, and by how many bits they are shifted; halved where 8 bits then hold them, as Loihi stores those of both signs."""
    halved = not np.any(weight % 2) and signed_bits(int(weight.min()), int(weight.max())) > WEIGHT_BITS
    return (weight // 2, ALIGNED + 1) if halved else (weight, ALIGNED)

