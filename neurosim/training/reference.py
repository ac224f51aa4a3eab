"""The network in PyTorch, dense and step by step: what the simulator is held to. It shares no code with the kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from neurosim.layers import INPUT, Conv, Layer, Shortcut
from neurosim.network import Network, Recording

# Doubles hold every integer below 2^53 exactly, and sums of products here stay far below; singles, twice as fast in a
# convolution, up to 2^24.
EXACT = torch.float64
SINGLE = 2**24
BATCH = 200


def record(network: Network, images: np.ndarray, potentials: bool = True) -> dict[str, Recording]:
    """Spikes and post-reset potentials of every layer at every step.

    images: integers [N, C, H, W] as the network takes them, or bool [N, T, C, H, W]. Integer networks only.
    """
    parts = [_record(network, images[i : i + BATCH], potentials) for i in range(0, len(images), BATCH)]
    return {name: _joined([p[name] for p in parts]) for name in parts[0]}


def _record(network: Network, images: np.ndarray, potentials: bool) -> dict[str, Recording]:
    data = torch.from_numpy(np.ascontiguousarray(images)).to(EXACT)
    state: dict[str, Any] = {layer.name: None for layer in network.layers}
    spikes: dict[str, list[np.ndarray]] = {layer.name: [] for layer in network.layers}
    kept: dict[str, list[np.ndarray]] = {layer.name: [] for layer in network.layers}
    for t in range(network.timesteps):
        values = {INPUT: data if network.input.encoding == "direct" else data[:, t]}
        for layer in network.layers:
            u, s = _step(network, layer, state[layer.name], [values[name] for name in layer.sources])
            state[layer.name], values[layer.name] = u, s
            spikes[layer.name].append(s.flatten(1).numpy() > 0)
            if potentials or not layer.spiking:
                kept[layer.name].append(u.flatten(1).numpy().astype(np.int64))
    return {
        layer.name: Recording(
            np.stack(spikes[layer.name], 1) if layer.spiking else None,
            np.stack(kept[layer.name], 1).astype(np.int32) if kept[layer.name] else None,
        )
        for layer in network.layers
    }


def respond(network: Network, layer: Layer, stimuli: dict[str, np.ndarray]) -> Recording:
    """One layer alone, driven by *stimuli* {source: bool [1, T, neurons], or an image [1, C, H, W]}."""
    u: Tensor | None = None
    spikes, kept = [], []
    for t in range(network.timesteps):
        values = []
        for name in layer.sources:
            given = torch.from_numpy(stimuli[name]).to(EXACT)
            values.append(given if given.ndim == 4 else given[:, t].reshape(1, *network.shape_of(name)))
        u, s = _step(network, layer, u, values)
        spikes.append(s.flatten(1).numpy() > 0)
        kept.append(u.flatten(1).numpy().astype(np.int64).astype(np.int32))
    return Recording(np.stack(spikes, 1) if layer.spiking else None, np.stack(kept, 1))


def _step(network: Network, layer: Layer, u: Tensor | None, values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """u = (k * u) >> m; u += I; s = u > threshold; u -= threshold * s."""
    main = len(layer.inputs or ())
    current = sum((_main(layer, x) for x in values[:main]), start=torch.zeros((), dtype=EXACT))
    for shortcut, x in zip(layer.shortcuts, values[main:], strict=True):
        current = current + _shortcut(shortcut, x)
    if u is None:
        u = torch.zeros_like(current)
    if layer.leak is not None:
        k, m = layer.leak  # type: ignore[misc]
        u = torch.floor(u * k / 2**m)
    u = u + current
    if not layer.spiking:
        return u, torch.zeros_like(u)
    compare: Callable[[Tensor, float], Tensor] = torch.gt if network.compare == ">" else torch.ge
    s = compare(u, layer.threshold or 0).to(EXACT)
    return (u * (1 - s) if network.reset == "zero" else u - (layer.threshold or 0) * s), s


def _pooled(x: Tensor, pool: str | None) -> Tensor:
    if pool is None:
        return x
    return 4 * F.avg_pool2d(x, 2) if pool == "sum2" else F.max_pool2d(x, 2)


def _main(layer: Layer, x: Tensor) -> Tensor:
    x = _pooled(x, layer.pool)
    if isinstance(layer, Conv):
        return _convolved(x, layer.weight, layer.stride, layer.padding)
    return F.linear(x.flatten(1), torch.from_numpy(layer.weight).to(EXACT))[:, :, None, None]


def _shortcut(shortcut: Shortcut, x: Tensor) -> Tensor:
    x = _pooled(x, shortcut.pool)
    if shortcut.weight is None:
        return x * float(shortcut.scale or 0)
    return _convolved(x, shortcut.weight, shortcut.stride, shortcut.padding)


def _convolved(x: Tensor, weight: np.ndarray, stride: int, padding: int) -> Tensor:
    """In single precision where no partial sum can leave its integers."""
    largest = float(x.abs().max()) * float(np.abs(weight).astype(np.int64).reshape(len(weight), -1).sum(1).max())
    dtype = torch.float32 if largest < SINGLE else EXACT
    found = F.conv2d(x.to(dtype), torch.from_numpy(weight).to(dtype), stride=stride, padding=padding)
    return found.to(EXACT)


def _joined(parts: list[Recording]) -> Recording:
    def join(arrays: list[np.ndarray | None]) -> np.ndarray | None:
        return None if arrays[0] is None else np.concatenate([a for a in arrays if a is not None])

    return Recording(join([p.spikes for p in parts]), join([p.potentials for p in parts]))
