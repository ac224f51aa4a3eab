"""Layers: populations of neurons and the synapses that feed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

Shape = tuple[int, int, int]
# A number, or float32 or int64 [C, 1, 1] or [C, H, W].
Parameter = float | np.ndarray
# (k, m), meaning k / 2^m, in an integer network: k is an integer, or int64 [C, 1, 1] or [C, H, W].
Leak = tuple[int | np.ndarray, int] | Parameter | None
Pair = int | tuple[int, int]
Dynamics = Literal["leak, integrate, compare, reset", "leak, integrate, reset, compare"]
# Reset in the step of the spike (V1), or in the step after it, when that has leaked and integrated.
AT_ONCE: Dynamics = "leak, integrate, compare, reset"
NEXT_STEP: Dynamics = "leak, integrate, reset, compare"
INPUT = "input"
POOL = 2


class KernelAxis(NamedTuple):
    """A convolution along one axis; between the elements of its kernel lie *dilation* - 1 coordinates that it does not see."""

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    @property
    def extent(self) -> int:
        """Coordinates from its first element to its last."""
        return (self.kernel - 1) * self.dilation + 1

    def places(self, size: int) -> int:
        """Outputs along an axis of this *size*; below 1 where it does not fit."""
        return (size + 2 * self.padding - self.extent) // self.stride + 1


POINT = KernelAxis(1, 1, 0)
Axes = tuple[KernelAxis, KernelAxis]


@dataclass(frozen=True)
class Pool:
    """The largest, the sum or the average over windows of a map, as PyTorch has them: *size*, *stride* (that of the size, where
    nothing is said) and *padding*, at most half of the size, one integer each or those down and across. What lies beyond the
    map is never the largest, and 0 in an average, which counts it. Windows may overlap; sites that none holds are dropped."""

    kind: Literal["max", "avg", "sum"]
    size: Pair
    stride: Pair | None = None
    padding: Pair = 0

    def __str__(self) -> str:
        stride = "" if self.stride is None else f"/{by(pair(self.stride))}"
        return f"{self.kind} {by(pair(self.size))}{stride}" + (f"+{by(pair(self.padding))}" if self.padding else "")


# Two pools have short names.
Pooling = Pool | Literal["sum2", "max2"] | None
SHORT: dict[Literal["sum2", "max2"], Pool] = {"sum2": Pool("sum", POOL), "max2": Pool("max", POOL)}


@dataclass(frozen=True, eq=False)
class Shortcut:
    """A further projection onto a layer: a residual add in the same step, or, with a *delay* of steps, a delayed or recurrent
    connection, whose source may be the layer itself or one listed after it.

    With ``weight=None`` neuron (c, y, x) receives *scale* (the number that stands for 1.0) from source neuron (c, y, x);
    otherwise *weight* [Cout, Cin/groups, kh, kw] is convolved with the source's spikes as a `Conv` does it, or *weight*
    [out, in] connects all of them, flattened as C, H, W; it counts 2^weight_shift times. *pool* acts on the source before
    either.
    """

    source: str
    weight: np.ndarray | None = None
    scale: float | None = None
    stride: Pair = 1
    padding: Pair = 0
    pool: Pooling = None
    delay: int = 0
    groups: int = 1
    dilation: Pair = 1
    weight_shift: int = 0


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
    inputs arrive *delay* steps late. Weights count 2^weight_shift times. With ``bias_into = "potential"`` a bias passes the
    synaptic current by, ``u = leak * u + i + bias``. *graded* spikes carry how many thresholds were crossed,
    ``u -= threshold * crossed``, and each weight that one meets is multiplied by it.

    *reset* (``"none"``: a spike changes no potential), *compare* and *order* (of what happens in a step) are those of the
    network where the layer does not say.

    The table of all of these is `neurosim.network.neuron.PARAMETERS`. *in_shape* (after the pool) and *shape*, [C, H, W],
    follow from the rest: a network finds them out, whatever is given.
    """

    name: str
    weight: np.ndarray
    threshold: Parameter | None = None
    leak: Leak = None
    pool: Pooling = None
    inputs: Sequence[str] | None = None
    shortcuts: Sequence[Shortcut] = ()
    weight_bits: int | None = None
    weight_scale: float | None = None
    bias: Parameter | None = field(default=None, kw_only=True)
    rest: Parameter | None = field(default=None, kw_only=True)
    current_leak: Leak = field(default=None, kw_only=True)
    delay: int = field(default=0, kw_only=True)
    weight_shift: int = field(default=0, kw_only=True)
    bias_into: Literal["current", "potential"] = field(default="current", kw_only=True)
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
    def landing(self) -> Shape:
        """[C, H, W] of the map that synapses reach: that of the neurons, or that before `Conv.pool_currents`."""
        return self.shape

    @property
    def blocks(self) -> int:
        """Into how many equal parts of its channels any spike reaches all or none of the neurons of a site."""
        return math.lcm(groups_of(self), *(groups_of(shortcut) for shortcut in self.shortcuts))

    @property
    def fan_in(self) -> int:
        """Weights that meet at one neuron, padding included, pools and identity shortcuts not counted."""
        main = self.weight[0].size * len(self.inputs or ())
        found: int = main + sum(s.weight[0].size for s in self.shortcuts if s.weight is not None)
        return found

    @property
    def ann_macs(self) -> int:
        """Multiply-accumulates of the same layer in a non-spiking network."""
        return math.prod(self.landing) * self.fan_in


@dataclass(frozen=True, eq=False)
class Conv(Layer):
    """Convolution; weight [Cout, Cin/groups, kh, kw], cross-correlation as in PyTorch. *stride*, *padding*, *dilation*: one
    integer, or those down and across. With *groups* the channels of the input and of the layer are cut into so many equal
    parts, and the first part of the one reaches the first of the other alone, and so on; other synapses there are none.

    *pool_currents* stands between synapses and neurons: in every step, what all projections of the layer (shortcuts and
    feedback too) and its bias bring to each place of the map that they reach, *landing*, is pooled, and that is what the
    neurons of the pooled map, *shape*, integrate. To a largest current the places of the window to which nothing came count
    as 0, or as their bias; leaks, thresholds and all else are those of the neurons. What a shortcut without a weight brings
    has the shape of *landing*, and so has a bias [C, H, W].
    """

    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    dilation: Pair = 1
    pool_currents: Pooling = None
    kind: ClassVar[str] = "conv"
    weight_axes: ClassVar[str] = "[Cout,Cin,kh,kw]"

    @property
    def landing(self) -> Shape:
        if self.pool_currents is None:
            return self.shape
        found = axes(self)
        assert found is not None
        h, w = (axis.places(n) for axis, n in zip(found, self.in_shape[1:], strict=True))
        return (self.shape[0], h, w)


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


def by(sizes: Sequence[int]) -> str:
    """One number where both are the same, or down x across."""
    return str(sizes[0]) if sizes[0] == sizes[1] else "x".join(map(str, sizes))


def pool_kind(pool: Pooling) -> str | None:
    """"max", "avg" or "sum"; None without a pool."""
    return None if pool is None else full(pool).kind


def pool_axes(pool: Pooling) -> Axes:
    """The windows of a pool, down and across; without one every site is its own."""
    if pool is None:
        return POINT, POINT
    found = full(pool)
    stride = found.size if found.stride is None else found.stride
    down, across = zip(pair(found.size), pair(stride), pair(found.padding), strict=True)
    return KernelAxis(*down), KernelAxis(*across)


def overlap(pool: Pooling) -> bool:
    """Whether a site can lie in several windows."""
    return any(axis.stride < axis.kernel for axis in pool_axes(pool))


def area(pool: Pooling) -> int:
    """Sites of a window, padding included; 1 without a pool."""
    return math.prod(axis.kernel for axis in pool_axes(pool))


def share(pool: Pooling) -> float:
    """What a spike counts in its window: less than 1 in an average."""
    return 1 / area(pool) if pool_kind(pool) == "avg" else 1.0


def full(pool: Pool | str) -> Pool:
    """A pool that may go by its short name."""
    return SHORT[pool] if isinstance(pool, str) else pool  # type: ignore[index]


def groups_of(link: Layer | Shortcut) -> int:
    """Parts of its channels that are convolved each by itself; 1 where there is no convolution."""
    return link.groups if isinstance(link, Conv | Shortcut) else 1


def rare(link: Layer | Shortcut) -> list[tuple[str, Any]]:
    """By name what few convolutions have."""
    found = {"groups": groups_of(link), "dilation": link.dilation if isinstance(link, Conv | Shortcut) else 1}
    return [(name, value) for name, value in found.items() if value != 1]


def after(layer: Layer) -> Pooling:
    """What pools the currents of *layer*."""
    return layer.pool_currents if isinstance(layer, Conv) else None


def axes(link: Layer | Shortcut) -> Axes | None:
    """The convolution down and across; an identity is one with a kernel of 1. None where all is connected to all."""
    if link.weight is None:
        return POINT, POINT
    if not isinstance(link, Conv | Shortcut) or link.weight.ndim == 2:
        return None
    parts = (link.weight.shape[2:], pair(link.stride), pair(link.padding), pair(link.dilation))
    down, across = zip(*parts, strict=True)
    return KernelAxis(*down), KernelAxis(*across)


def pooled(shape: Shape, pool: Pooling) -> Shape:
    """Shape of a map after *pool*; what is left over at the end of a row or column is dropped."""
    down, across = pool_axes(pool)
    return (shape[0], down.places(shape[1]), across.places(shape[2]))
