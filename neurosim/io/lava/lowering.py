"""Blocks become layers, one after another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurosim.io.hdf5 import Node
from neurosim.io.lava.blocks import MANY, LavaBlock
from neurosim.io.lava.delays import LatePart, parted, parts
from neurosim.io.lava.neurons import (
    ALIGNED,
    LIMIT,
    RESTS,
    WEIGHT_BITS,
    Cuba,
    Shifted,
    bottom,
    cuba,
    largest_current,
    parameters,
    stored,
)
from neurosim.io.nir.fidelity import Fidelity
from neurosim.network.layers import Conv, Dense, Layer, Output, Shape, Shortcut

WINDOWS = ("shape", "stride", "padding", "dilation")
PARTS = "; needed: one of input, flatten, dense, dense_rec, conv, pool, average"
# The largest input of neurons that pixels drive, as bias_mant has room for.
PIXEL = 2**12
STEPS = (
    "within a step spikes cross all layers; in Lava each layer takes a step of its own, so that its spikes come as many steps "
    "later, the same where layers are reset one after the other (reset_interval)"
)
START = "potentials and currents start at 0; a neuron fires above its threshold, and its potential is then 0"
BIASED = "biases ({}) are there from the first step on; in Lava without reset_interval they are ahead of inputs"
LATER = (
    "a sample begins without feedback in {}; in Lava what its neurons fire in the step before a reset (reset_interval), as "
    "biases make them before the first, comes back after it"
)
RESTED = "{} rests for {} steps after a spike (refDelay {}), as on Loihi; Lava's models have no such rest"
NARROW = (
    "weights of {} have {} bits (those of feedback are stored with the others); Loihi holds 8, and drops the last bit where "
    "both signs are there"
)
WRAPS = "the current of {} could reach {:.3g}; beyond {:.3g} Loihi's comes out at the other end, and this one does not"
STOPS = "what {} adds up knows no bound; Loihi's stops at {:.3g}"
DRIVEN = "inputs are whole numbers that neurons of {} add at every step, times 64 (bias_mant in Lava): pixels, once encoded{}"
ENCODED = " (weight {}, bias {})"
SPIKES = "inputs are spikes, 0 or 1 per step"
IMAGES = "inputs are images of whole numbers, times the weights of {} at every step"
SUMS = "{} has no neurons in the file: it adds up what arrives, as in Lava, and the answer is its largest sum"
COUNTS = "the answer is the neuron that fires most often"
VOTES = "the answer is the group of {} neighbouring neurons that fires most often"
ENCODER = "its neurons have a current (iDecay is not 4096): slayer adds inputs to it, Lava to the potential; train without one"
DELAYS = "its {} have delays of their own, {} to {} steps, and a layer of this kind has one; train without (delay=False)"
SPLIT = "{} is {} populations, one for every delay of its neurons; about['populations'] says which neurons each has"
LAST = "neurons of the last block have delays of their own, {} to {} steps; without them they answer the same: delete 'delay'"
EARLY = "it has a delay beside {}, of which slayer and Lava make different things; train without one of them"


class Chain:
    """The layers so far. *given*: the shape of the input, if anybody said; *images*: whether that is an image."""

    def __init__(self, given: Shape | None, images: bool):
        self.given, self.images = given, images
        self.layers: list[Layer] = []
        self.fidelity = Fidelity()
        self.first: Shape | None = given
        # Of what the next block reads; None where nothing says.
        self.shape: Shape | None = given
        self.said: dict[str, Shape] = {}
        self.split: dict[str, list[LatePart]] = {}
        self.decode: str | None = None
        self.last = ""
        self.flat = False

    def add(self, block: LavaBlock) -> None:
        """Take the next block; what is wrong with it is noted in the file."""
        take = {
            "input": self._input, "flatten": self._flatten, "dense": self._dense, "dense_rec": self._dense, "conv": self._conv,
            "pool": self._pool, "average": self._average,
        }.get(block.kind)  # fmt: skip
        if take is None:
            block.say(f"its type is {block.kind!r}{PARTS}" if block.kind else f"dataset 'type' is missing{PARTS}")
        elif self.last:
            block.say(f"it stands behind {self.last}, which gives the answer and sends no spikes; delete it")
        else:
            take(block)

    def close(self, root: Node) -> None:
        """Say what holds for the whole network."""
        if not self.layers and not root.problems:
            root.say("no block has neurons")
        if root.problems:
            return
        if self.layers[-1].name in self.split:
            late = [part.delay for part in self.split[self.layers[-1].name]]
            root.say(LAST.format(late[0], late[-1]))
            return
        self.layers = parted(self.layers, self.split)
        assume = self.fidelity.assume
        for name, own in self.split.items():
            assume(SPLIT.format(name, len(own)))
        assume(STEPS)
        assume(START)
        recurrent = [layer.name for layer in self.layers if any(s.source == layer.name for s in layer.shortcuts)]
        if recurrent:
            assume(LATER.format(", ".join(recurrent)))
        biased = [layer.name for layer in self.layers if layer.bias is not None]
        if biased:
            assume(BIASED.format(", ".join(biased)))
        if not self.layers[0].name.startswith("input"):
            assume(IMAGES.format(self.layers[0].name) if self.images else SPIKES)
        if self.decode is None and self.layers[-1].spiking:
            assume(COUNTS)

    @property
    def populations(self) -> dict[str, dict[str, list[int]]]:
        """By layer of the file, which neurons its parts have."""
        return {name: {part.name: part.neurons.tolist() for part in own} for name, own in self.split.items()}

    def misshapen(self, layer: Layer) -> str:
        """Where the file says another shape of *layer*; of a vector it may say the length along any axis."""
        said = self.said.get(layer.name, layer.shape)
        if said == layer.shape or math.prod(said) == layer.shape[0] == layer.neurons:
            return ""
        return f"layer {layer.name!r} is {list(layer.shape)}, where its 'shape' says {list(said)}"

    def _append(self, block: LavaBlock, layer: Layer) -> None:
        self.layers.append(layer)
        self.shape, self.flat = block.shape(), False
        if self.shape is not None:
            self.said[layer.name] = self.shape

    def _input(self, block: LavaBlock) -> None:
        block.refuse_unknown("weight", "bias")
        self.shape = shape = block.shape()
        if block.number:
            block.say("an input stands first; delete it")
        elif self.given not in (None, shape):
            block.say(f"the input is {list(shape or ())} here, and {list(self.given or ())} was given; leave that out")
        self.first = shape
        neurons = cuba(block) if "neuron" in block else None
        if shape is None or neurons is None:
            return
        if neurons.has_current:
            block.say(ENCODER)
        weight, bias = block.one("weight", -MANY, MANY, 0), block.one("bias", -MANY, MANY, 0)
        self.fidelity.assume(DRIVEN.format(block.name, ENCODED.format(weight, bias) if "weight" in block else ""))
        each = stored(np.ones((shape[0], 1, 1, 1), np.int64))
        about = self._about(block, neurons, shape[0], [each], PIXEL)
        self._append(block, Conv(block.name, each.weight, groups=shape[0], **about))

    def _flatten(self, block: LavaBlock) -> None:
        block.refuse_unknown()
        self.flat = True

    def _dense(self, block: LavaBlock) -> None:
        recurrent = block.kind == "dense_rec"
        block.refuse_unknown("weight", "bias", "delay", *(["weight_rec"] if recurrent else []))
        found = [block.weight(name, 2) for name in ("weight", *(["weight_rec"] if recurrent else []))]
        weights = [stored(weight) for weight in found if weight is not None]
        neurons = cuba(block) if "neuron" in block or recurrent or "bias" in block else None
        if len(weights) < len(found):
            return
        count, inputs = weights[0].weight.shape
        if recurrent and weights[1].weight.shape != (count, count):
            block.say(f"dataset 'weight_rec' is {list(weights[1].weight.shape)}; needed: [{count}, {count}]")
            return
        self._begin(block, (inputs, 1, 1))
        shape = block.shape()
        if shape is not None and math.prod(shape) != count:
            block.say(f"its weights give {count} neurons, where its 'shape' says {list(shape)}")
        back = [Shortcut(block.name, weight, delay=1, weight_shift=shift) for weight, shift in weights[1:]]
        if neurons is not None:
            about = self._about(block, neurons, count, weights) | self._delay(block)
            self._append(block, Dense(block.name, weights[0].weight, shortcuts=back, **about))
        elif "neuron" not in block and not recurrent and "bias" not in block:
            self._sum(block, weights[0])

    def _sum(self, block: LavaBlock, weights: Shifted) -> None:
        """A block without neurons adds up what arrives."""
        self.last = block.name
        self.fidelity.assume(SUMS.format(block.name))
        self.fidelity.assume(STOPS.format(block.name, LIMIT))
        about: dict[str, Any] = self._weights(block, [weights]) | self._delay(block)
        self._append(block, Output(block.name, weights.weight, **about))

    def _conv(self, block: LavaBlock) -> None:
        block.refuse_unknown("weight", "bias", "delay", "groups", *WINDOWS)
        self._convolution(block, block.weight("weight", 4), block.one("groups", 1, MANY))

    def _pool(self, block: LavaBlock) -> None:
        """One kernel for every channel by itself."""
        block.refuse_unknown("weight", "delay", *WINDOWS)
        weight, groups = block.weight("weight", 4), (self.shape or (1,))[0]
        if weight is not None and weight.shape[:2] != (1, 1):
            block.say(f"dataset 'weight' is {list(weight.shape)}; needed: [1, 1, kh, kw]")
            weight = None
        self._convolution(block, None if weight is None else np.repeat(weight, groups, 0), groups)

    def _convolution(self, block: LavaBlock, weight: np.ndarray | None, groups: int) -> None:
        """The kernel as PyTorch has it."""
        defaults = {"stride": 1, "padding": 0, "dilation": 1}
        way: dict[str, Any] = {name: block.pair(name, default) for name, default in defaults.items()}
        neurons = cuba(block)
        self._begin(block, None)
        if self.flat:
            block.say("it stands behind a flatten, which leaves no map; delete that")
        if weight is None or neurons is None:
            return
        weights = stored(weight)
        about = self._about(block, neurons, len(weight), [weights]) | self._delay(block)
        self._append(block, Conv(block.name, weights.weight, groups=groups, **way, **about))

    def _average(self, block: LavaBlock) -> None:
        """Groups of neighbouring neurons answer together."""
        block.refuse_unknown()
        self.last = block.name
        shape, neurons = block.shape(), math.prod(self.shape or (0,))
        if shape is None or not self.layers:
            block.say("there is nothing before it that it could average; delete it")
        elif neurons % math.prod(shape):
            block.say(f"its {math.prod(shape)} groups do not divide the {neurons} neurons before it")
        else:
            self.decode = f"votes:{neurons // math.prod(shape)}"
            self.fidelity.assume(VOTES.format(neurons // math.prod(shape)))

    def _begin(self, block: LavaBlock, shape: Shape | None) -> None:
        """What the first block reads, if nobody said."""
        if block.number == 0 and self.first is None:
            self.first = shape
            if shape is None:
                block.say("nothing says the shape of its input; give input_shape (--input-shape CxHxW)")

    def _delay(self, block: LavaBlock) -> dict[str, int]:
        """Steps by which its inputs come late, which is how late its spikes are."""
        if "delay" not in block:
            return {}
        steps = block.delay()
        if np.any(steps != steps[0]):
            self._part(block, steps)
        beside = "a bias" if "bias" in block else "feedback" if block.kind == "dense_rec" else ""
        if np.any(steps) and beside:
            block.say(EARLY.format(beside))
        return {"delay": int(steps[0])}

    def _part(self, block: LavaBlock, steps: np.ndarray) -> None:
        """One population for every delay; only of full connections neurons can be told apart."""
        count = math.prod(block.shape() or (0,))
        if block.kind != "dense":
            block.say(DELAYS.format("channels", steps.min(), steps.max()))
        elif steps.size != count:
            block.say(f"dataset 'delay' holds {steps.size} numbers; needed: one, or {count}, one for every neuron")
        else:
            self.split[block.name] = parts(block.name, steps)

    def _about(
        self, block: LavaBlock, neurons: Cuba, channels: int, weights: list[Shifted], most: int = 1
    ) -> dict[str, Any]:  # fmt: skip
        """Everything beside the weights, and what is to be said of it; an input is *most* at most."""
        found = parameters(block, neurons, channels)
        current = largest_current(neurons, [weight << shift - ALIGNED for weight, shift in weights], most)
        if neurons.has_current and current > LIMIT:
            self.fidelity.assume(WRAPS.format(block.name, current, LIMIT))
        if neurons.refractory > RESTS[0]:
            self.fidelity.assume(RESTED.format(block.name, neurons.refractory - 1, neurons.refractory))
        self._note(block, neurons, found)
        return found | self._weights(block, weights) | bottom(neurons, current, found.get("bias", 0))

    def _note(self, block: LavaBlock, neurons: Cuba, found: dict[str, Any]) -> None:
        """What of the file is simulated as it is."""
        add = self.fidelity.add
        for name, place, value in (("iDecay", "current_leak", neurons.current_decay), ("vDecay", "leak", neurons.decay)):
            add(block.name, block.kind, name, value, value, f"of 2^12, as {place}" if place in found else "")
        add(block.name, block.kind, "vThMant", neurons.threshold, found["threshold"] >> ALIGNED, "times 2^6")
        if "bias" in found:
            bias = found["bias"] >> ALIGNED
            add(block.name, block.kind, "bias", bias, bias, "times 2^6")

    def _weights(self, block: LavaBlock, weights: list[Shifted]) -> dict[str, int]:
        """How the weights are stored."""
        # netx gives weights and feedback one exponent.
        together = stored(np.concatenate([(each.weight << each.shift - ALIGNED).ravel() for each in weights]))
        bits = max(WEIGHT_BITS, *(each.bits for each in weights))
        if together.bits > WEIGHT_BITS:
            self.fidelity.assume(NARROW.format(block.name, together.bits))
        for name, (weight, shift) in zip(("weight", "weight_rec"), weights, strict=False):
            self.fidelity.add(block.name, block.kind, name, weight, weight, f"times 2^{shift}")
        return {"weight_bits": bits, "weight_shift": weights[0].shift}
