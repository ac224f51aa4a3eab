"""The network in PyTorch, dense and step by step: what the simulator is held to. It shares no code with the kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.network.golden import LayerRecording
from neurosim.network.layers import INPUT, NEXT_STEP, Conv, Layer, Leak, Parameter, Pooling, Shortcut, after, full
from neurosim.network.network import Network

# Doubles hold every integer below 2^53 exactly, and sums of products here stay far below; singles, twice as fast in a
# convolution, up to 2^24.
EXACT = torch.float64
SINGLE = 2**24
BATCH = 200


def record(network: Network, images: np.ndarray, potentials: bool = True) -> dict[str, LayerRecording]:
    """Spikes and post-reset potentials of every layer at every step.

    images: integers [N, C, H, W] as the network takes them, or bool [N, T, C, H, W]. Integer networks only.
    """
    parts = [_record(network, images[i : i + BATCH], potentials) for i in range(0, len(images), BATCH)]
    return {name: _joined([p[name] for p in parts]) for name in parts[0]}


def _record(network: Network, images: np.ndarray, potentials: bool) -> dict[str, LayerRecording]:
    data = torch.from_numpy(np.ascontiguousarray(images)).to(EXACT)
    populations = {layer.name: Population(network, layer, len(data)) for layer in network.layers}
    shown: dict[str, list[Tensor]] = {name: [] for name in (INPUT, *populations)}
    kept: dict[str, list[np.ndarray]] = {layer.name: [] for layer in network.layers}
    for t in range(network.timesteps):
        shown[INPUT].append(data if network.input.encoding == "direct" else data[:, t])
        for layer in network.layers:
            u, s = populations[layer.name].step([_arriving(network, shown, *link, t) for link in _links(layer)])
            shown[layer.name].append(s)
            if potentials or not layer.spiking:
                kept[layer.name].append(u.flatten(1).numpy().astype(np.int32))
    return {
        layer.name: LayerRecording(
            np.stack([_kept(layer, s) for s in shown[layer.name]], 1) if layer.spiking else None,
            np.stack(kept[layer.name], 1) if kept[layer.name] else None,
        )
        for layer in network.layers
    }


def respond(network: Network, layer: Layer, stimuli: dict[str, np.ndarray]) -> LayerRecording:
    """One layer alone, driven by *stimuli* {source: bool [1, T, neurons], or an image [1, C, H, W]}."""
    population = Population(network, layer, 1)
    spikes, kept = [], []
    for t in range(network.timesteps):
        values = []
        for name, delay in _links(layer):
            given = torch.from_numpy(stimuli[name]).to(EXACT)
            shape = (1, *network.shape_of(name))
            values.append(given if given.ndim == 4 else given[:, t - delay].reshape(shape) if t >= delay else _nothing(shape))
        u, s = population.step(values)
        spikes.append(_kept(layer, s))
        kept.append(u.flatten(1).numpy().astype(np.int32))
    return LayerRecording(np.stack(spikes, 1) if layer.spiking else None, np.stack(kept, 1))


def _kept(layer: Layer, spikes: Tensor) -> np.ndarray:
    """[N, neurons]: bool, or payloads."""
    found: np.ndarray = spikes.flatten(1).numpy()
    return found.astype(np.int64) if layer.graded else found > 0


def _links(layer: Layer) -> list[tuple[str, int]]:
    """(source, steps by which it arrives late), in the order in which `Population.step` takes them."""
    return list(zip(layer.sources, layer.delays, strict=True))


def _arriving(network: Network, shown: dict[str, list[Tensor]], source: str, delay: int, t: int) -> Tensor:
    return shown[source][t - delay] if t >= delay else _nothing((len(shown[INPUT][0]), *network.shape_of(source)))


def _nothing(shape: tuple[int, ...]) -> Tensor:
    return torch.zeros(shape, dtype=EXACT)


class Population:
    """The neurons of a layer, in as many samples as there are in a batch; equations: `neurosim.network.layers.Layer`."""

    def __init__(self, network: Network, layer: Layer, samples: int):
        self.layer = layer
        self.u = _nothing((samples, *layer.shape)) + _parameter(layer.initial)
        self.left = torch.zeros_like(self.u)
        self.reset = layer.reset or network.reset
        self.late = (layer.order or network.dynamics) == NEXT_STEP
        self.compare: Callable[[Tensor, Tensor], Tensor] = torch.gt if (layer.compare or network.compare) == ">" else torch.ge
        self.current = torch.zeros_like(self.u)
        self.fired = torch.zeros_like(self.u)

    def step(self, values: list[Tensor]) -> tuple[Tensor, Tensor]:
        """(potentials after the step, spikes), from what arrives over each of the sources."""
        layer = self.layer
        u = _leaked(self.u, layer.leak, layer.leak_rounding)
        if layer.current_leak is not None:
            passing = _parameter(layer.bias if layer.bias_into == "potential" else None)
            self.current = _leaked(self.current, layer.current_leak, layer.leak_rounding) + self._input(values) - passing
            u = u + self.current + passing
        else:
            u = u + self._input(values)
        resting = self.left > 0
        u = torch.where(resting, self.u, u)
        u = self._reset(u) if self.late else u
        u = u if layer.floor is None else torch.maximum(u, _parameter(layer.floor))
        self.fired = self._compared(u) * ~resting
        self.left = torch.where(self.fired > 0, layer.refractory, torch.clamp(self.left - 1, min=0))
        self.u = u if self.late else self._reset(u)
        return self.u, self.fired

    def _input(self, values: list[Tensor]) -> Tensor:
        layer, main = self.layer, len(self.layer.inputs or ())
        found = [_main(layer, x) for x in values[:main]]
        found += [_shortcut(shortcut, x) for shortcut, x in zip(layer.shortcuts, values[main:], strict=True)]
        return _pooled(sum(found, start=_parameter(layer.bias)), after(layer))

    def _compared(self, u: Tensor) -> Tensor:
        if not self.layer.spiking:
            return torch.zeros_like(u)
        threshold = _parameter(self.layer.threshold)
        fired = self.compare(u, threshold).to(EXACT)
        if not self.layer.graded:
            return fired
        crossed = torch.floor(u / threshold) if self.compare is torch.ge else torch.ceil(u / threshold) - 1
        return fired * crossed

    def _reset(self, u: Tensor) -> Tensor:
        if self.reset == "none":
            return u
        if self.reset == "zero":
            return torch.where(self.fired > 0, _parameter(self.layer.rest), u)
        return u - _parameter(self.layer.threshold) * self.fired


def _parameter(value: Parameter | None) -> Tensor:
    """Something that broadcasts over [N, C, H, W]."""
    return torch.as_tensor(0 if value is None else value, dtype=EXACT)


def _leaked(u: Tensor, leak: Leak, rounding: str) -> Tensor:
    """(k * u) >> m, or rounded towards zero."""
    if leak is None:
        return u
    k, m = leak  # type: ignore[misc]
    return (torch.floor if rounding == "floor" else torch.trunc)(u * _parameter(k) / 2**m)


def _pooled(x: Tensor, pool: Pooling) -> Tensor:
    if pool is None:
        return x
    found = full(pool)
    if found.kind == "max":
        return F.max_pool2d(x, found.size, found.stride, found.padding)
    # An exact sum: of what PyTorch averages, nothing is divided.
    return F.avg_pool2d(x, found.size, found.stride, found.padding, divisor_override=1)


def _main(layer: Layer, x: Tensor) -> Tensor:
    x = _pooled(x, layer.pool)
    if isinstance(layer, Conv):
        return _convolved(x, layer, _added(layer))
    return _connected(x, _added(layer))


def _shortcut(shortcut: Shortcut, x: Tensor) -> Tensor:
    x = _pooled(x, shortcut.pool)
    if shortcut.weight is None:
        return x * float(shortcut.scale or 0)
    if shortcut.weight.ndim == 2:
        return _connected(x, _added(shortcut))
    return _convolved(x, shortcut, _added(shortcut))


def _added(link: Layer | Shortcut) -> np.ndarray:
    """What one spike adds."""
    assert link.weight is not None
    found: np.ndarray = link.weight.astype(np.int64) * 2**link.weight_shift
    return found


def _connected(x: Tensor, weight: np.ndarray) -> Tensor:
    return F.linear(x.flatten(1), torch.from_numpy(weight).to(EXACT))[:, :, None, None]


def _convolved(x: Tensor, link: Conv | Shortcut, weight: np.ndarray) -> Tensor:
    """In single precision where no partial sum can leave its integers."""
    largest = float(x.abs().max()) * float(np.abs(weight).astype(np.int64).reshape(len(weight), -1).sum(1).max())
    dtype = torch.float32 if largest < SINGLE else EXACT
    found = F.conv2d(
        x.to(dtype), torch.from_numpy(weight).to(dtype), stride=link.stride, padding=link.padding, dilation=link.dilation,
        groups=link.groups,
    )  # fmt: skip
    return found.to(EXACT)


def _joined(parts: list[LayerRecording]) -> LayerRecording:
    def join(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        return None if arrays[0] is None else np.concatenate([a for a in arrays if a is not None])

    return LayerRecording(join([p.spikes for p in parts]), join([p.potentials for p in parts]))
