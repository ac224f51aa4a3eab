"""The weights of an architecture, and the current that each layer receives from the outputs of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.network.layers import POOL
from neurosim.training.architecture import Architecture, Pool, Step

SKIP = "_skip"


class Weights(nn.Module):
    """One parameter for each layer, named as the layer; with `SKIP` appended, the 1x1 convolution of its shortcut."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        found: dict[str, Tensor] = {}
        for step in architecture.steps:
            found[step.name] = _initial(step.weight_shape, step.gain)
            if step.skip and step.skip.weight_shape:
                found[step.name + SKIP] = _initial(step.skip.weight_shape, 1.0)
        self.of = nn.ParameterDict({name: nn.Parameter(w) for name, w in found.items()})
        self._watch: Callable[[str, Tensor], None] | None = None

    def current(self, step: Step, values: Mapping[str, Tensor]) -> Tensor:
        """Input current of a layer from the outputs of all layers before: [B, C, H, W] -> [B, Cout, H', W'] or [B, out]."""
        x, weight = _pooled(values[step.source], step.pool), self.of[step.name]
        if step.kind == "conv":
            current = F.conv2d(x, weight, stride=step.stride, padding=1)
            current = current if step.skip is None else current + self._skipped(step, values)
        else:
            current = F.linear(x.flatten(1), weight)
        if self._watch is not None:
            self._watch(step.name, current.detach())
        return current

    @contextmanager
    def watched(self, watch: Callable[[str, Tensor], None]) -> Iterator[None]:
        """While open, *watch* is called with the name and the current of each layer."""
        self._watch = watch
        try:
            yield
        finally:
            self._watch = None

    def _skipped(self, step: Step, values: Mapping[str, Tensor]) -> Tensor:
        """What the shortcut of *step* adds to its current."""
        assert step.skip is not None
        x = _pooled(values[step.skip.source], step.skip.pool)
        if step.skip.weight_shape is None:
            return x
        return F.conv2d(x, self.of[step.name + SKIP], stride=step.skip.stride)


def _initial(shape: tuple[int, ...], gain: float) -> Tensor:
    """He initialisation over the fan-in, times *gain*: without normalisation, residual branches must start small."""
    return torch.randn(shape) * gain * math.sqrt(2 / math.prod(shape[1:]))


def _pooled(x: Tensor, pool: Pool | None) -> Tensor:
    if pool is None:
        return x
    return F.avg_pool2d(x, POOL) if pool == "avg" else F.max_pool2d(x, POOL)
