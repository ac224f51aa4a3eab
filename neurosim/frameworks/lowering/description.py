"""A network in our terms, whether a `Network` can say all of it or not: populations, what reaches them, and how they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from neurosim.frameworks.graph.node import GraphNode
from neurosim.frameworks.graph.refusal import Place
from neurosim.frameworks.neuron import Neuron
from neurosim.network.layers import Shape

Both = tuple[int, int]


@dataclass(frozen=True)
class PoolWindow:
    """A pool, down and across; "sum" adds up what an average divides."""

    kind: Literal["max", "sum"]
    size: Both
    stride: Both
    padding: Both = (0, 0)

    @property
    def plain(self) -> bool:
        """2x2 with stride 2."""
        return self.size == self.stride == (2, 2) and self.padding == (0, 0)

    def __str__(self) -> str:
        size, stride, padding = ("x".join(map(str, pair)) for pair in (self.size, self.stride, self.padding))
        return f"{self.kind} of {size} with stride {stride}" + (f" and padding {padding}" if any(self.padding) else "")


@dataclass(frozen=True, eq=False)
class WeightedProjection:
    """Synapses from *sources* that share them, *delay* steps late: a *window*, then *weight* float32 [Cout, Cin/groups, kh, kw]
    or [out, in], or where it is None the same neuron times *scale*. *place*: whose weights they are."""

    sources: tuple[str, ...]
    place: Place
    window: PoolWindow | None = None
    weight: np.ndarray | None = None
    scale: float = 1.0
    stride: Both = (1, 1)
    padding: Both = (0, 0)
    dilation: Both = (1, 1)
    groups: int = 1
    delay: int = 0


@dataclass(frozen=True, eq=False)
class FedPopulation:
    """Neurons [C, H, W] with the sum of their *projections* and a *bias*, float32 [C, H, W] or None. *window*: a pool between
    synapses and neurons. *gate*: it has no memory, and its currents are whole: it fires where they are 1 or more. *node*: what
    it is in the graph; *label*: how messages call it."""

    name: str
    label: str
    place: Place
    shape: Shape
    neuron: Neuron
    projections: tuple[WeightedProjection, ...]
    bias: np.ndarray | None = None
    window: PoolWindow | None = None
    gate: bool = False
    node: GraphNode | None = None

    @property
    def fires(self) -> bool:
        return self.neuron.threshold is not None


@dataclass(frozen=True)
class Readout:
    """How the last population answers, *decode*: by its spikes, counted, or its potential after the last step, its largest or
    its mean one over all steps. A score of the model is *factor* times ours plus *offset*."""

    decode: str
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Description:
    """*populations*, sources first, the one that answers last. *images*: the samples are the same at every step."""

    populations: tuple[FedPopulation, ...]
    readout: Readout
    images: bool = False
