"""One definition of a network, used with ReLU neurons and with spiking ones: the VGGs and ResNets of DIET-SNN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from neurosim.errors import NeurosimError
from neurosim.network.layers import INPUT, POOL, Shape

Pool = Literal["avg", "max"]
IMAGENET_SIDE = 64

# Channels of 3x3 convolutions, A for a 2x2 pool (DIET-SNN, released code; its ANN file calls vgg5 "VGG6").
VGGS = {
    "mnist_vgg": "16 A 32 A",
    "vgg4": "64 A 128 A",
    "vgg5": "64 A 128 128 A",
    "vgg6": "64 A 128 128 A",
    "vgg9": "64 A 128 256 A 256 512 A 512 A 512",
    "vgg11": "64 A 128 256 A 512 512 A 512 A 512 512",
    "vgg13": "64 64 A 128 128 A 256 256 A 512 512 512 A 512",
    "vgg16": "64 64 A 128 128 A 256 256 256 A 512 512 512 A 512 512 512",
    "vgg19": "64 64 A 128 128 A 256 256 256 256 A 512 512 512 512 A 512 512 512 512",
}
HIDDEN = {"mnist_vgg": (128,), "vgg4": (1024,)}
VGG_HIDDEN = (4096, 4096)
# Residual blocks in each of the four stages.
RESNETS = {"resnet12": (1, 1, 1, 1), "resnet20": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
STEM = (64, 64, 64)
STAGES = (64, 128, 256, 512)
NAMES = (*VGGS, *RESNETS)


@dataclass(frozen=True)
class Skip:
    """A residual add from layer *source*: its (pooled) output as it is, or through a 1x1 convolution."""

    source: str
    pool: Pool | None
    stride: int
    weight_shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Step:
    """One layer of weights and its neurons. *pool* acts on its input; *dropout* follows its neurons in training."""

    name: str
    kind: Literal["conv", "dense", "output"]
    source: str
    pool: Pool | None
    stride: int
    weight_shape: tuple[int, ...]
    shape: Shape
    skip: Skip | None = None
    dropout: bool = True
    gain: float = 1.0

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,) if self.skip is None else (self.source, self.skip.source)


@dataclass(frozen=True)
class Architecture:
    """A network's layers in the order they are computed, the output layer last."""

    name: str
    input_shape: Shape
    classes: int
    pool: Pool
    steps: tuple[Step, ...]

    @property
    def spiking(self) -> tuple[Step, ...]:
        """All layers but the last."""
        return self.steps[:-1]

    @property
    def weights(self) -> int:
        shapes = [s.weight_shape for s in self.steps]
        shapes += [s.skip.weight_shape for s in self.steps if s.skip and s.skip.weight_shape]
        return sum(math.prod(shape) for shape in shapes)


def architecture(
    name: str, input_shape: Shape, classes: int, *, width: float = 1.0, hidden: Sequence[int] | None = None, pool: Pool = "avg"
) -> Architecture:
    """The architecture *name* for images of *input_shape* [C, H, W].

    *width* multiplies all channels and hidden layers; *hidden* gives the dense layers before the output instead. Images
    wider or taller than 64 pixels get one more pool before the classifier, and a ResNet's first convolution a stride of 2.
    Raises NeurosimError with every problem.
    """
    problems = []
    if name not in NAMES:
        problems.append(f"architecture {name!r} is unknown; there are: {', '.join(NAMES)}")
    if not 0 < width <= 16:
        problems.append(f"width is {width}; it must lie above 0 and be at most 16")
    if any(n < 1 for n in hidden or ()):
        problems.append(f"hidden layers of {list(hidden or ())} neurons; each needs at least 1")
    if pool not in ("avg", "max"):
        problems.append(f"pool is {pool!r}; it must be 'avg' or 'max'")
    if problems:
        raise NeurosimError("architecture: " + "; ".join(problems))
    builder = _Builder(input_shape, classes, width, pool)
    if name in VGGS:
        builder.vgg(VGGS[name].split(), HIDDEN.get(name, VGG_HIDDEN) if hidden is None else hidden, hidden is None)
    else:
        builder.resnet(RESNETS[name], hidden or ())
    if any(0 in (*s.weight_shape, *s.shape) for s in builder.steps):
        raise NeurosimError(f"architecture: images of {list(input_shape)} are too small for {name}")
    return Architecture(name, input_shape, classes, pool, tuple(builder.steps))


class _Builder:
    """Appends layers; *shape* is that of the last one's output, pooled if a pool is pending."""

    def __init__(self, input_shape: Shape, classes: int, width: float, pool: Pool):
        self.classes, self.width, self.kind = classes, width, pool
        self.large = max(input_shape[1:]) > IMAGENET_SIDE
        self.steps: list[Step] = []
        self.last, self.shape = INPUT, input_shape
        self.pending: Pool | None = None

    def vgg(self, features: Sequence[str], hidden: Sequence[int], scaled: bool) -> None:
        features = [*features, "A"] if self.large and features[-1] != "A" else features
        for index, feature in enumerate(features):
            if feature == "A":
                self.pool()
                continue
            pooled_next = index + 1 < len(features) and features[index + 1] == "A"
            self.conv(f"conv{len(self.steps) + 1}", self.scaled(int(feature)), dropout=not pooled_next)
        self.classifier([self.scaled(n) for n in hidden] if scaled else hidden)

    def resnet(self, blocks: Sequence[int], hidden: Sequence[int]) -> None:
        for index, channels in enumerate(STEM):
            stride = 2 if self.large and index == 0 else 1
            self.conv(f"conv{index + 1}", self.scaled(channels), stride=stride, dropout=index + 1 < len(STEM))
        self.pool()
        gain = 1 / math.sqrt(sum(blocks))
        for stage, (count, channels) in enumerate(zip(blocks, STAGES, strict=True), 1):
            for block in range(1, count + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                self.block(f"res{stage}_{block}", self.scaled(channels), stride, gain)
        if self.large:
            self.pool()
        self.classifier(hidden)

    def block(self, name: str, channels: int, stride: int, gain: float) -> None:
        """conv, neuron, conv + shortcut, neuron. The shortcut reads the block's input."""
        source, pool, before = self.last, self.pending, self.shape[0]
        self.conv(f"{name}_conv1", channels, stride=stride)
        direct = stride == 1 and before == channels
        skip = Skip(source, pool, stride, None if direct else (channels, before, 1, 1))
        self.conv(f"{name}_conv2", channels, skip=skip, dropout=False, gain=gain)

    def conv(
        self, name: str, channels: int, *, stride: int = 1, skip: Skip | None = None, dropout: bool = True, gain: float = 1.0
    ) -> None:
        before, height, width = self.shape
        shape = (channels, (height - 1) // stride + 1, (width - 1) // stride + 1)
        weight_shape = (channels, before, 3, 3)
        self.append(Step(
            name=name, kind="conv", source=self.last, pool=self.pending, stride=stride, weight_shape=weight_shape, shape=shape,
            skip=skip, dropout=dropout, gain=gain,
        ))  # fmt: skip

    def classifier(self, hidden: Sequence[int]) -> None:
        for index, neurons in enumerate((*hidden, self.classes)):
            last = index == len(hidden)
            name = "out" if last else f"fc{index + 1}"
            weight_shape = (neurons, math.prod(self.shape))
            self.append(Step(
                name=name, kind="output" if last else "dense", source=self.last, pool=self.pending, stride=1,
                weight_shape=weight_shape, shape=(neurons, 1, 1),
            ))  # fmt: skip

    def append(self, step: Step) -> None:
        self.steps.append(step)
        self.last, self.shape, self.pending = step.name, step.shape, None

    def pool(self) -> None:
        channels, height, width = self.shape
        self.pending, self.shape = self.kind, (channels, height // POOL, width // POOL)

    def scaled(self, channels: int) -> int:
        return max(1, round(channels * self.width))
