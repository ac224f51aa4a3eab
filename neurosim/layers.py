"""Layers: populations of neurons and the synapses that feed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

Shape = tuple[int, int, int]
Leak = tuple[int, int] | float | None
Pool = Literal["sum2", "max2"] | None
INPUT = "input"
POOL = 2


@dataclass(frozen=True, eq=False)
class Shortcut:
    """A residual add: spikes of *source* reach the same potential in the same step.

    With ``weight=None`` neuron (c, y, x) receives *scale* (the number that stands for 1.0) from source neuron (c, y, x);
    otherwise *weight* [Cout, Cin, k, k] is convolved with the source's spikes. *pool* acts on the source before either.
    """

    source: str
    weight: np.ndarray | None = None
    scale: float | None = None
    stride: int = 1
    padding: int = 0
    pool: Pool = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A population with one threshold and one leak, and the synapses that feed it.

    It reads the layer before, or the sum of its *inputs*, which share one weight; *pool* acts on them before the weights.

    Per step and neuron: ``u = leak * u``, ``u += sum(weight * input)``, ``s = u > threshold``, ``u -= threshold * s``
    (DIET-SNN, variant V1). In integers ``leak = (k, m)`` means ``u = (k * u) >> m`` with floor rounding.
    """

    name: str
    weight: np.ndarray
    threshold: float | None = None
    leak: Leak = None
    pool: Pool = None
    inputs: Sequence[str] | None = None
    shortcuts: Sequence[Shortcut] = ()
    weight_bits: int | None = None
    weight_scale: float | None = None
    in_shape: Shape = field(default=(0, 0, 0), init=False)
    shape: Shape = field(default=(0, 0, 0), init=False)

    kind: ClassVar[str] = ""
    weight_axes: ClassVar[str] = "[out,in]"

    @property
    def neurons(self) -> int:
        return math.prod(self.shape)

    @property
    def spiking(self) -> bool:
        return self.kind != "output"

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the layers read, main inputs first."""
        return (*(self.inputs or ()), *(s.source for s in self.shortcuts))

    @property
    def fan_in(self) -> int:
        """Weights that meet at one neuron, padding included, pools and identity shortcuts not counted."""
        main = self.weight[0].size * len(self.inputs or ())
        return main + sum(s.weight[0].size for s in self.shortcuts if s.weight is not None)

    @property
    def ann_macs(self) -> int:
        """Multiply-accumulates of the same layer in a non-spiking network."""
        return self.neurons * self.fan_in


@dataclass(frozen=True, eq=False)
class Conv(Layer):
    """Convolution; weight [Cout, Cin, k, k], cross-correlation as in PyTorch."""

    stride: int = 1
    padding: int = 0
    kind: ClassVar[str] = "conv"
    weight_axes: ClassVar[str] = "[Cout,Cin,k,k]"


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """Fully connected; weight [out, in], inputs flattened as C, H, W (of the pooled map)."""

    kind: ClassVar[str] = "dense"


@dataclass(frozen=True, eq=False)
class Output(Layer):
    """Fully connected; accumulates and never fires. The answer is the index of its largest potential."""

    kind: ClassVar[str] = "output"


LAYER_KINDS: dict[str, type[Layer]] = {c.kind: c for c in (Conv, Dense, Output)}


@dataclass(frozen=True, eq=False)
class InputSpec:
    """What the first layer sees.

    ``direct``: the same image at every step. An integer network takes integer pixels as they are, or, where *mean* and
    *std* are given, ``rint((pixel / 255 - mean[c]) / std[c] * scale)``; a float network takes ``pixel / 255`` normalised
    the same way without *scale*. ``spikes``: 0/1 per step.
    """

    shape: Shape
    encoding: Literal["direct", "spikes"] = "direct"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    scale: float | None = None


def pooled(shape: Shape, pool: str | None) -> Shape:
    """Shape of a map after the 2x2 pooling *pool*; an odd last row or column is dropped."""
    c, h, w = shape
    return (c, h // POOL, w // POOL) if pool else shape
