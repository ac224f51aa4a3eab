"""Schedules: what happens between one barrier and the next.

A turn lies between two barriers. In it some layers receive the packets of their sources, work off these events, and update
their neurons. `Sequential`: one layer per turn, all layers of a step before the next step, as the networks were trained.
`Pipelined`: every layer works in every turn, each on the step after that of its consumers; images follow each other without a
gap. Both let a layer see exactly the spikes of its own step, so the spikes are the same bits: events that reach a layer over
a shortcut before it has come to their step wait in it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from neurosim.layers import INPUT
from neurosim.network import Network


class Part(NamedTuple):
    """A layer, or a source of packets, at one row = image * timesteps + step."""

    row: int
    layer: int


class Schedule(Protocol):
    """Which turn does what; *rows*: images * timesteps of the whole run."""

    def turns(self, rows: int) -> int:
        """Turns of the run."""

    def working(self, turn: int, rows: int) -> list[Part]:
        """Layers that work and update in a turn."""

    def travelling(self, turn: int, rows: int) -> list[Part]:
        """Layers whose spikes, of that row, travel in a turn."""

    def ready(self, known: int, rows: int) -> int:
        """Turns that work on the first *known* rows only."""

    def oldest(self, turn: int) -> int:
        """The first row that this turn or a later one works on."""

    def span(self, image: int) -> tuple[int, int]:
        """First turn of an image, and the one after its last."""

    def of_row(self, row: int) -> tuple[int, int]:
        """The turns that count as one time step of an image."""


class Sequential:
    """Layers take turns; the spikes of a layer travel in the turn of the first layer that reads them."""

    def __init__(self, network: Network):
        names = [layer.name for layer in network.layers]
        self.layers, self.timesteps = len(names), network.timesteps
        self.sent_in: dict[int, list[int]] = {}
        for index, name in enumerate(names):
            readers = [i for i, layer in enumerate(network.layers) if name in layer.sources]
            if readers:
                self.sent_in.setdefault(readers[0], []).append(index)

    def turns(self, rows: int) -> int:
        return rows * self.layers

    def working(self, turn: int, rows: int) -> list[Part]:
        return [Part(*divmod(turn, self.layers))]

    def travelling(self, turn: int, rows: int) -> list[Part]:
        row, layer = divmod(turn, self.layers)
        return [Part(row, source) for source in self.sent_in.get(layer, [])]

    def ready(self, known: int, rows: int) -> int:
        return known * self.layers

    def oldest(self, turn: int) -> int:
        return turn // self.layers

    def span(self, image: int) -> tuple[int, int]:
        per_image = self.timesteps * self.layers
        return image * per_image, (image + 1) * per_image

    def of_row(self, row: int) -> tuple[int, int]:
        return row * self.layers, (row + 1) * self.layers


class Pipelined:
    """A layer works on a step one turn after the last of its sources; an image takes timesteps + depth - 1 turns."""

    def __init__(self, network: Network):
        self.timesteps = network.timesteps
        level: dict[str, int] = {INPUT: -1}
        for layer in network.layers:
            level[layer.name] = 1 + max(level[source] for source in layer.sources)
        self.levels = [level[layer.name] for layer in network.layers]
        read = {source for layer in network.layers for source in layer.sources}
        self.senders = [i for i, layer in enumerate(network.layers) if layer.name in read]

    @property
    def depth(self) -> int:
        return max(self.levels) + 1

    def turns(self, rows: int) -> int:
        return rows + self.depth - 1

    def working(self, turn: int, rows: int) -> list[Part]:
        parts = (Part(turn - level, layer) for layer, level in enumerate(self.levels))
        return [part for part in parts if 0 <= part.row < rows]

    def travelling(self, turn: int, rows: int) -> list[Part]:
        parts = (Part(turn - self.levels[layer] - 1, layer) for layer in self.senders)
        return [part for part in parts if 0 <= part.row < rows]

    def ready(self, known: int, rows: int) -> int:
        return known if known < rows else self.turns(rows)

    def oldest(self, turn: int) -> int:
        return max(0, turn - self.depth + 1)

    def span(self, image: int) -> tuple[int, int]:
        return image * self.timesteps, (image + 1) * self.timesteps + self.depth - 1

    def of_row(self, row: int) -> tuple[int, int]:
        return row, row + 1


SCHEDULES: dict[str, type[Sequential] | type[Pipelined]] = {"sequential": Sequential, "pipelined": Pipelined}
