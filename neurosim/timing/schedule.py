"""Schedules: what happens between one barrier and the next.

A turn lies between two barriers. In it some layers receive the packets of their sources, work off these events, and update
their neurons. `sequential`: one layer per turn, all layers of a step before the next step, as the networks were trained.
`pipelined`: every layer works in every turn, each on the step after that of its consumers; images follow each other without a
gap; where layers feed back to each other, a step begins as soon as its feedback can have arrived. Both let a layer see exactly
the spikes of its own step, so the spikes are the same bits: events that reach a layer over a shortcut before it has come to
their step wait in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from neurosim.families import Family, function
from neurosim.network.layers import INPUT, Layer
from neurosim.network.network import Network


@dataclass(frozen=True)
class Schedule:
    """On row = image * timesteps + step, layer i works in turn row * stride + works[i]; what it sends, if it is read, travels
    in turn row * stride + sends[i]."""

    timesteps: int
    stride: int
    works: tuple[int, ...]
    sends: dict[int, int]

    @property
    def depth(self) -> int:
        """Turns from the first layer of a row to its answer."""
        return max(self.works) + 1

    @property
    def length(self) -> int:
        """Turns until all that a row sends has arrived."""
        return max((*self.works, *self.sends.values())) + 1

    def turns(self, rows: int) -> int:
        """Turns of a run of *rows* rows."""
        return (rows - 1) * self.stride + self.length

    def ready(self, known: int, rows: int) -> int:
        """Turns that work on the first *known* of *rows* rows only."""
        return known * self.stride if known < rows else self.turns(rows)

    def oldest(self, turn: int) -> int:
        """The first row that this turn or a later one works on."""
        return max(0, -((self.length - 1 - turn) // self.stride))

    def rows(self, offset: int, turns: range, rows: int) -> range:
        """The rows, of *rows*, of what happens *offset* turns after the first of a row, in these turns."""
        first, last = (-((offset - turn) // self.stride) for turn in (turns.start, turns.stop))
        return range(max(0, first), max(0, min(rows, last)))

    def busy(self, offsets: Sequence[int], turns: range, rows: int) -> list[int]:
        """Which of many *offsets*, by place, have any `rows` in these turns: a network of thousands of layers asks every few
        turns, of which each has a few."""
        first, last = (-((np.asarray(offsets, np.int64) - turn) // self.stride) for turn in (turns.start, turns.stop))
        found: list[int] = np.flatnonzero(np.maximum(first, 0) < np.minimum(last, rows)).tolist()
        return found

    def span(self, image: int) -> tuple[int, int]:
        """First turn of an image, and the one after its last."""
        first = image * self.timesteps
        return first * self.stride, (first + self.timesteps - 1) * self.stride + self.depth


def sequential(network: Network) -> Schedule:
    """Layers take turns; the spikes of a layer travel in the turn of the first that reads them in the same step, or, where all
    read them later, in the next turn."""
    layers, number = network.layers, {layer.name: index for index, layer in enumerate(network.layers)}
    readers: dict[int, list[int]] = {}
    for index, layer in enumerate(layers):
        for source in {*layer.sources} - {INPUT}:
            readers.setdefault(number[source], []).append(index)
    sends = {}
    for index, reading in sorted(readers.items()):
        at_once = (i for i in reading if _delay(layers[i], layers[index].name) == 0)
        sends[index] = min(at_once, default=index + 1)
    return Schedule(network.timesteps, len(layers), tuple(range(len(layers))), sends)


def pipelined(network: Network) -> Schedule:
    """A layer works on a step one turn after the last of its sources; a step begins every turn, or when feedback lets it."""
    stride, works = next((stride, works) for stride in count(1) if (works := _levels(network, stride)) is not None)
    read = {source for layer in network.layers for source in layer.sources}
    sends = {i: works[i] + 1 for i, layer in enumerate(network.layers) if layer.name in read}
    return Schedule(network.timesteps, stride, works, sends)


def _delay(layer: Layer, source: str) -> int:
    """The shortest way from *source* to *layer*, in steps."""
    return min(delay for name, delay in zip(layer.sources, layer.delays, strict=True) if name == source)


def _levels(network: Network, stride: int) -> tuple[int, ...] | None:
    """The turn in which each layer can work on the first step if one begins every *stride* turns; None where feedback takes
    longer."""
    level = {INPUT: -1} | {layer.name: 0 for layer in network.layers}
    for _ in range(len(level)):
        before = dict(level)
        for layer in network.layers:
            ready = [level[s] + 1 - delay * stride for s, delay in zip(layer.sources, layer.delays, strict=True)]
            level[layer.name] = max(level[layer.name], *ready)
        if level == before:
            return tuple(level[layer.name] for layer in network.layers)
    return None


Scheduler = Callable[[Network], Schedule]
SCHEDULES: Family[Scheduler] = Family("schedule", {"sequential": sequential, "pipelined": pipelined}, taken=function)
