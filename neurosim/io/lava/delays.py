"""Neurons with delays of their own, as populations that have one each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from neurosim.network.layers import INPUT, Layer, Shortcut


class LatePart(NamedTuple):
    """A population of some of the neurons of a layer."""

    name: str
    neurons: np.ndarray  # int64, their numbers in the layer
    delay: int


def parts(name: str, delays: np.ndarray) -> list[LatePart]:
    """The populations of a layer whose neurons get their inputs so many steps late."""
    return [LatePart(f"{name}_late{late}", np.flatnonzero(delays == late), int(late)) for late in np.unique(delays)]


def parted(layers: Sequence[Layer], split: Mapping[str, list[LatePart]]) -> list[Layer]:
    """The *layers*, each of which reads the one before, with those that are *split* as their parts. Every weight is stored
    once: whoever reads parts has a projection from each."""
    found: list[Layer] = []
    before, source = list[LatePart](), INPUT
    for layer in layers:
        whole = LatePart(layer.name, np.arange(len(layer.weight)), layer.delay)
        own = split.get(layer.name, [])
        found += [_reading(layer, part, before, source) for part in own or [whole]] if own or before else [layer]
        before, source = own, layer.name
    return found


def _reading(layer: Layer, part: LatePart, before: list[LatePart], source: str) -> Layer:
    """Some neurons of *layer*, and what they read of the parts *before*, or of the whole *source*."""
    weight = layer.weight[part.neurons]
    own: dict[str, Any] = {"name": part.name, "weight": weight, "delay": part.delay, "inputs": [source]}
    own |= {name: _of(getattr(layer, name), part.neurons) for name in ("leak", "current_leak")}
    if before:
        first, *others = ((each.name, weight[:, each.neurons]) for each in before)
        further = [Shortcut(name, each, delay=part.delay, weight_shift=layer.weight_shift) for name, each in others]
        own |= {"inputs": [first[0]], "weight": first[1], "shortcuts": [*layer.shortcuts, *further]}
    return replace(layer, **own)


def _of(leak: Any, neurons: np.ndarray) -> Any:
    return (leak[0][neurons], leak[1]) if isinstance(leak, tuple) and np.ndim(leak[0]) else leak
