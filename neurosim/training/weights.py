"""The weights of an architecture, and the current that each layer receives from the outputs of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurosim.network.layers import POOL
from neurosim.training.architecture import Architecture, Pool, Step

SKIP = "_skip"
EPSILON = 1e-5


class Weights(nn.Module):
    """One parameter for each layer, named as the layer; with `SKIP` appended, the 1x1 convolution of its shortcut.

    *normalised*: each but the output's is followed by a batch normalisation of its own, in *norms*, until they are `folded`.
    *biases*: those of the layers that have one.
    """

    def __init__(self, architecture: Architecture, normalised: bool = False):
        super().__init__()
        self.architecture = architecture
        found: dict[str, Tensor] = {}
        norms: dict[str, nn.Module] = {}
        for step in architecture.steps:
            found[step.name] = _initial(step.weight_shape, step.gain)
            if step.skip and step.skip.weight_shape:
                found[step.name + SKIP] = _initial(step.skip.weight_shape, 1.0)
        for step in architecture.spiking if normalised else ():
            norms[step.name] = _normalisation(step, step.gain)
            if step.skip and step.skip.weight_shape:
                norms[step.name + SKIP] = _normalisation(step, 1.0)
        self.of = nn.ParameterDict({name: nn.Parameter(w) for name, w in found.items()})
        self.norms, self.biases = nn.ModuleDict(norms), nn.ParameterDict()
        self._watch: Callable[[str, Tensor], None] | None = None

    def current(
        self, step: Step, values: Mapping[str, Tensor], amplitude: Callable[[str], Tensor | float] = lambda name: 1.0
    ) -> Tensor:
        """Input current of a layer from the outputs of all layers before: [B, C, H, W] -> [B, Cout, H', W'] or [B, out].

        *amplitude*: what one unit of a layer's output stands for.
        """
        x, factor = _pooled(values[step.source], step.pool), amplitude(step.source)
        current = self._through(step.name, x, factor, step.stride, padding=1)
        if step.skip is not None:
            current = current + self._skipped(step, values, amplitude(step.skip.source))
        if self._watch is not None:
            self._watch(step.name, current.detach())
        return current

    def _through(self, name: str, x: Tensor, factor: Tensor | float, stride: int, padding: int) -> Tensor:
        """*factor* times *x* through one weight, and its bias and normalisation where it has them."""
        weight, bias = _times(self.of[name], factor), self.biases.get(name)
        dense = weight.ndim == 2
        found = F.linear(x.flatten(1), weight, bias) if dense else F.conv2d(x, weight, bias, stride, padding)
        return self.norms[name](found) if name in self.norms else found

    @torch.no_grad()
    def folded(self) -> Weights:
        """A copy that answers as this one does outside of training, without normalisation: ``w g / s`` and ``b - m g / s``
        for the scale g, shift b, mean m and deviation s of each. A shortcut's shift joins the bias of its layer."""
        copy = deepcopy(self)
        copy.norms = nn.ModuleDict()
        for name, norm in self.norms.items():
            state = norm.state_dict()
            scale = state["weight"] / (state["running_var"] + EPSILON).sqrt()
            copy.of[name].mul_(scale.reshape(-1, *[1] * (copy.of[name].ndim - 1)))
            copy.add_bias(name.removesuffix(SKIP), state["bias"] - state["running_mean"] * scale)
        return copy

    @torch.no_grad()
    def add_bias(self, name: str, bias: Tensor | float) -> None:
        """Add to what every neuron of layer *name* receives, one number or one per channel."""
        if name not in self.biases:
            self.biases[name] = nn.Parameter(self.of[name].new_zeros(len(self.of[name])))
        self.biases[name].add_(bias)

    @contextmanager
    def watched(self, watch: Callable[[str, Tensor], None]) -> Iterator[None]:
        """While open, *watch* is called with the name and the current of each layer."""
        self._watch = watch
        try:
            yield
        finally:
            self._watch = None

    def _skipped(self, step: Step, values: Mapping[str, Tensor], factor: Tensor | float) -> Tensor:
        """What the shortcut of *step* adds to its current."""
        assert step.skip is not None
        x = _pooled(values[step.skip.source], step.skip.pool)
        if step.skip.weight_shape is None:
            return _times(x, factor)
        return self._through(step.name + SKIP, x, factor, step.skip.stride, padding=0)


def _times(x: Tensor, factor: Tensor | float) -> Tensor:
    return x * factor if isinstance(factor, Tensor) or factor != 1.0 else x


def _normalisation(step: Step, gain: float) -> nn.Module:
    """Its scale starts at *gain*, since it undoes that of the weights."""
    channels = step.weight_shape[0]
    norm = (nn.BatchNorm2d if step.kind == "conv" else nn.BatchNorm1d)(channels, EPSILON)
    nn.init.constant_(norm.weight, gain)
    return norm


def _initial(shape: tuple[int, ...], gain: float) -> Tensor:
    """He initialisation over the fan-in, times *gain*: without normalisation, residual branches must start small."""
    return torch.randn(shape) * gain * math.sqrt(2 / math.prod(shape[1:]))


def _pooled(x: Tensor, pool: Pool | None) -> Tensor:
    if pool is None:
        return x
    return F.avg_pool2d(x, POOL) if pool == "avg" else F.max_pool2d(x, POOL)
