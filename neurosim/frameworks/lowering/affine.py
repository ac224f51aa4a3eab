"""What reaches a place of a network: a sum of linear maps of what populations do, and a constant."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurosim.frameworks.graph.node import GraphNode
from neurosim.frameworks.lowering.maps import Map
from neurosim.network.layers import Shape


@dataclass(frozen=True, eq=False)
class AffineTerm:
    """*maps*, one after another, of an *output* of a node that is no linear map, *delay* steps ago."""

    node: GraphNode
    output: int
    delay: int = 0
    maps: tuple[Map, ...] = ()

    @property
    def key(self) -> tuple[int, int, int]:
        return id(self.node), self.output, self.delay


@dataclass(frozen=True, eq=False)
class Affine:
    """A sum of *terms* [C, H, W] and a *constant*, float64, or None."""

    shape: Shape
    terms: tuple[AffineTerm, ...]
    constant: Tensor | None = None

    @property
    def plain(self) -> AffineTerm | None:
        """The term that is all of it, as it is."""
        alone = len(self.terms) == 1 and not self.terms[0].maps and self.constant is None
        return self.terms[0] if alone else None

    def late(self, delay: int) -> Affine:
        return replace(self, terms=tuple(replace(t, delay=t.delay + delay) for t in self.terms)) if delay else self

    def shaped(self, shape: Shape) -> Affine:
        """The same numbers in another shape."""
        return replace(self, shape=shape, constant=None if self.constant is None else self.constant.reshape(shape))

    def then(self, step: Map, bias: Tensor | None = None) -> Affine:
        """Followed by a map, and a bias that broadcasts over [C, H, W]."""
        constant = None if self.constant is None else step(self.constant[None])[0]
        found = Affine(step.made, tuple(replace(t, maps=(*t.maps, step)) for t in self.terms), constant)
        return found if bias is None else found.plus(bias)

    def plus(self, constant: Tensor) -> Affine:
        whole = constant.double().expand(self.shape)
        return replace(self, constant=whole if self.constant is None else self.constant + whole)

    def added(self, other: Affine) -> Affine:
        """The sum of both."""
        constants = [c for c in (self.constant, other.constant) if c is not None]
        constant = torch.stack(constants).sum(0) if constants else None
        return Affine(self.shape, (*self.terms, *other.terms), constant)
