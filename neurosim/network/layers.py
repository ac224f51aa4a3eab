"""Layers: populations of neurons and the synapses that feed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np

Shape = tuple[int, int, int]
# A number, or float32 or int64 [C, 1, 1] or [C, H, W].
Parameter = float | np.ndarray
# (k, m), meaning k / 2^m, in an integer network: k is an integer, or int64 [C, 1, 1] or [C, H, W].
Leak = tuple[int | np.ndarray, int] | Parameter | None
Pool = Literal["sum2", "max2"] | None
Pair = int | tuple[int, int]
Dynamics = Literal["leak, integrate, compare, reset", "leak, integrate, reset, compare"]
# Reset in the step of the spike (V1), or in the step after it, when that has leaked and integrated.
AT_ONCE: Dynamics = "leak, integrate, compare, reset"
NEXT_STEP: Dynamics = "leak, integrate, reset, compare"
INPUT = "input"
POOL = 2


class KernelAxis(NamedTuple):
    """A convolution along one axis."""

    kernel: int
    stride: int
    padding: int


POINT = KernelAxis(1, 1, 0)


@dataclass(frozen=True, eq=False)
class Shortcut:
    """A further projection onto a layer: a residual add in the same step, or, with a *delay* of steps, a delayed or recurrent
    connection, whose source may be the layer itself or one listed after it.

    With ``weight=None`` neuron (c, y, x) receives *scale* (the number that stands for 1.0) from source neuron (c, y, x);
    otherwise *weight* [Cout, Cin, kh, kw] is convolved with the source's spikes, or *weight* [out, in] connects all of them,
    flattened as C, H, W. *pool* acts on the source before either. *stride*, *padding*: one integer, or those down and across.
    """

    source: str
    weight: np.ndarray | None = None
    scale: float | None = None
    stride: Pair = 1
    padding: Pair = 0
    pool: Pool = None
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Layer:
    """A population of neurons, and the synapses that feed it.

    It reads the layer before, or the sum of its *inputs*, which share one weight; *pool* acts on them before the weights.

    Per step and neuron: ``u = leak * u``, ``u += bias + sum(weight * input)``, ``s = u > threshold``, ``u -= threshold * s``
    (DIET-SNN, variant V1), or ``u = rest`` where s, in a network that resets to zero. In integers ``leak = (k, m)`` means
    ``u = (k * u) >> m`` with floor rounding. With a *current_leak* inputs and bias reach a synaptic current instead,
    ``i = current_leak * i + bias + sum(weight * input)``, ``u = leak * u + i`` (CUBA). An image starts with ``u = initial`` (0
    without), and no step leaves ``u < floor``. Threshold, leaks, bias, rest, initial and floor are one number, one per channel
    [C] or one per neuron [C, H, W]. With ``leak_rounding = "zero"`` integers leak towards zero: ``-((k * -u) >> m)`` below it.
    For *refractory* steps after that of a spike a neuron keeps its potential and does not fire; its current goes on. Main
    inputs arrive *delay* steps late. *graded* spikes carry how many thresholds were crossed, ``u -= threshold * crossed``, and
    each weight that one meets is multiplied by it.

    *reset* (``"none"``: a spike changes no potential), *compare* and *order* (of what happens in a step) are those of the
    network where the layer does not say.

    The table of all of these is `neurosim.network.neuron.PARAMETERS`. *in_shape* (after the pool) and *shape*, [C, H, W],
    follow from the rest: a network finds them out, whatever is given.
    """

    name: str
    weight: np.ndarray
    threshold: Parameter | None = None
    leak: Leak = None
    pool: Pool = None
    inputs: Sequence[str] | None = None
    shortcuts: Sequence[Shortcut] = ()
    weight_bits: int | None = None
    weight_scale: float | None = None
    bias: Parameter | None = field(default=None, kw_only=True)
    rest: Parameter | None = field(default=None, kw_only=True)
    current_leak: Leak = field(default=None, kw_only=True)
    delay: int = field(default=0, kw_only=True)
    initial: Parameter | None = field(default=None, kw_only=True)
    floor: Parameter | None = field(default=None, kw_only=True)
    refractory: int = field(default=0, kw_only=True)
    leak_rounding: Literal["floor", "zero"] = field(default="floor", kw_only=True)
    graded: bool = field(default=False, kw_only=True)
    reset: Literal["subtract", "zero", "none"] | None = field(default=None, kw_only=True)
    compare: Literal[">", ">="] | None = field(default=None, kw_only=True)
    order: Dynamics | None = field(default=None, kw_only=True)
    in_shape: Shape = field(default=(0, 0, 0), kw_only=True)
    shape: Shape = field(default=(0, 0, 0), kw_only=True)

    kind: ClassVar[str] = ""
    weight_axes: ClassVar[str] = "[out,in]"

    @property
    def neurons(self) -> int:
        return math.prod(self.shape)

    @property
    def spiking(self) -> bool:
        return self.kind != "output"

    @property
    def restless(self) -> bool:
        """Whether every potential changes in every step, spikes or not."""
        return self.bias is not None or self.current_leak is not None

    @property
    def updated(self) -> bool:
        """Whether neurons are visited at the end of a step: to leak, to integrate a current, for a floor, or to fire."""
        return self.spiking or self.restless or self.leak is not None or self.floor is not None

    @property
    def delays(self) -> tuple[int, ...]:
        """Steps by which the spikes of each of the *sources* arrive late."""
        return (*(self.delay for _ in self.inputs or ()), *(s.delay for s in self.shortcuts))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the layers read, main inputs first."""
        return (*(self.inputs or ()), *(s.source for s in self.shortcuts))

    @property
    def fan_in(self) -> int:
        """Weights that meet at one neuron, padding included, pools and identity shortcuts not counted."""
        main = self.weight[0].size * len(self.inputs or ())
        found: int = main + sum(s.weight[0].size for s in self.shortcuts if s.weight is not None)
        return found

    @property
    def ann_macs(self) -> int:
        """Multiply-accumulates of the same layer in a non-spiking network."""
        return self.neurons * self.fan_in


@dataclass(frozen=True, eq=False)
class Conv(Layer):
    """Convolution; weight [Cout, Cin, kh, kw], cross-correlation as in PyTorch. *stride*, *padding*: one integer, or those down
    and across."""

    stride: Pair = 1
    padding: Pair = 0
    kind: ClassVar[str] = "conv"
    weight_axes: ClassVar[str] = "[Cout,Cin,kh,kw]"


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Fully connected; weight [out, in], inputs flattened as C, H, W (of the pooled map)."""

    kind: ClassVar[str] = "dense"


@dataclass(frozen=True, eq=False)
class Output(Layer):
    """Fully connected; accumulates, may leak, and never fires. The answer is the index of its largest potential."""

    kind: ClassVar[str] = "output"


LAYER_KINDS: dict[str, type[Layer]] = {c.kind: c for c in (Conv, Dense, Output)}


@dataclass(frozen=True, eq=False)
class InputSpec:
    """What the first layer sees.

    ``direct``: the same image at every step. An integer network takes integer pixels as they are, or, where *mean* and
    *std* are given, ``rint((pixel / 255 - mean[c]) / std[c] * scale)``; a float network takes ``pixel / 255`` normalised
    the same way without *scale*. ``spikes``: 0/1 per step, or frames. *valued*: what comes step by step are frames, whose
    events carry values; a network finds out from its inputs.
    """

    shape: Shape
    encoding: Literal["direct", "spikes"] = "direct"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None
    valued: bool = False


def pair(value: Pair) -> tuple[int, int]:
    """(down, across)."""
    return value if isinstance(value, tuple) else (value, value)


def axes(link: Layer | Shortcut) -> tuple[KernelAxis, KernelAxis] | None:
    """The convolution down and across; an identity is one with a kernel of 1. None where all is connected to all."""
    if link.weight is None:
        return POINT, POINT
    if not isinstance(link, Conv | Shortcut) or link.weight.ndim == 2:
        return None
    down, across = zip(link.weight.shape[2:], pair(link.stride), pair(link.padding), strict=True)
    return KernelAxis(*down), KernelAxis(*across)


def pooled(shape: Shape, pool: str | None) -> Shape:
    """Shape of a map after the 2x2 pooling *pool*; an odd last row or column is dropped."""
    c, h, w = shape
    return (c, h // POOL, w // POOL) if pool else shape
