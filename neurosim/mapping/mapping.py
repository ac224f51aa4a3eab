"""The mapping: bricks, their cores, and what follows from them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neurosim import saving
from neurosim.chip.chip import Chip
from neurosim.chip.memory import Kind
from neurosim.errors import TraceError
from neurosim.mapping.brick import Brick
from neurosim.mapping.delivery import Delivery, delivery
from neurosim.mapping.demand import Numbers, Use, item_bits, numbers, uses
from neurosim.mapping.fan import Fan, fans_of
from neurosim.mapping.placement import Placement, homes, used_cores
from neurosim.mapping.routes import Fanout, routed
from neurosim.mapping.spill import Spill, spills
from neurosim.mapping.storage import stored_bits
from neurosim.mapping.wires import Wires, fired, wires_of
from neurosim.network.layers import INPUT
from neurosim.network.network import Network
from neurosim.noc.geometry import Grid
from neurosim.spikes.trace import SpikeTrace


@dataclass(frozen=True, eq=False)
class Mapping:
    """Where the neurons of *network* live on *chip*: brick i in core cores[i]. pinned: numbers of the bricks that stay.
    seed: of the placer, if it takes chances. partitioner: what cut the bricks, None where a file said them."""

    network: Network
    chip: Chip
    bricks: tuple[Brick, ...]
    cores: np.ndarray
    placer: str
    pinned: frozenset[int] = frozenset()
    seed: int | None = None
    partitioner: str | None = None

    @property
    def grid(self) -> Grid:
        return self.chip.grid

    @cached_property
    def home(self) -> np.ndarray:
        """int64 [bricks]: number of the core of every brick among those *used*."""
        return homes(self.cores, self.used)

    @cached_property
    def used(self) -> np.ndarray:
        """int64 [cores used]: the cores that hold a brick, in the order of their first."""
        return used_cores(self.cores)

    @cached_property
    def held(self) -> tuple[tuple[Brick, ...], ...]:
        """Per core used: its bricks."""
        found: list[list[Brick]] = [[] for _ in self.used]
        for brick, home in zip(self.bricks, self.home.tolist(), strict=True):
            found[home].append(brick)
        return tuple(map(tuple, found))

    def by_core(self, values: np.ndarray) -> np.ndarray:
        """[cores used]: sums of values [bricks]."""
        found = np.zeros(len(self.used), values.dtype)
        np.add.at(found, self.home, values)
        return found

    @cached_property
    def layer_of(self) -> np.ndarray:
        """int64 [bricks]: number of the layer."""
        return np.array([b.layer for b in self.bricks])

    @cached_property
    def fans(self) -> dict[str, Fan]:
        """What the spikes of each spiking layer reach, and those of the input if it is made of spikes."""
        return fans_of(self.network, self.chip, self.bricks)

    @cached_property
    def fanouts(self) -> dict[str, Fanout]:
        """What the spikes of each of them cause."""
        return routed(self.fans, self.chip, self.cores)

    @cached_property
    def numbers(self) -> Numbers:
        """Of the neurons of every brick, int64 [bricks] each."""
        layers = self.network.layers
        of_layer = [numbers(layer, self.chip, self.network.fed_by_image(layer)) for layer in layers]
        return Numbers(*(np.array(part)[self.layer_of] for part in zip(*of_layer, strict=True)))

    def state_words(self, numbers: np.ndarray) -> np.ndarray:
        """int64 [..., bricks]: words of the state that hold so many *numbers* of a brick, whose neurons have as many each."""
        channels, state = np.array([b.channels for b in self.bricks]), self.chip.home("state")
        found: np.ndarray = numbers // channels * state.row_words(channels, self.chip.core.state_bits)
        return found

    def over(self, steps: int, valued: bool = False) -> Mapping:
        """The same mapping of the network for so many *steps* of spikes, or of frames; see `Network.over`."""
        network = self.network.over(steps, valued)
        return self if network is self.network else replace(self, network=network)

    def wires(self, trace: SpikeTrace | None = None) -> Wires:
        """What cores send each other in an image of *trace*, or if every neuron fires once. Raises TraceError if it belongs to
        another network."""
        if trace is not None and trace.network.sha256 != self.network.sha256:
            problem = f"it belongs to another network ({trace.network.name!r}, not {self.network.name!r})"
            raise TraceError("spike trace", [problem])
        spikes = {name: fan.neurons if trace is None else fired(trace, fan) for name, fan in self.fans.items()}
        return wires_of(self.chip, self.home, self.fans, spikes)

    @property
    def placement(self) -> Placement:
        """What files keep of it."""
        network, names = self.network, tuple(layer.name for layer in self.network.layers)
        where = self.bricks, self.cores, self.placer, self.pinned, self.seed
        return Placement(network.name, network.sha256, self.chip, names, *where)

    @cached_property
    def sha256(self) -> str:
        """Hash of the bricks and their cores."""
        rows = [(*brick, core) for brick, core in zip(self.bricks, self.cores.tolist(), strict=True)]
        return hashlib.sha256(np.array(rows, "<i8").tobytes()).hexdigest()

    def moved(self, cores: np.ndarray, placer: str, seed: int | None) -> Mapping:
        """The same bricks in other cores."""
        mapping = replace(self, cores=cores, placer=placer, seed=seed)
        # What they reach does not depend on where they are, and takes longest to find.
        mapping.__dict__["fans"] = self.fans
        return mapping

    @cached_property
    def deliveries(self) -> dict[str, Delivery]:
        """Where they go and the work of one, for the same."""
        return {s: delivery(self.network, self.chip, self.bricks, self.cores, fanout) for s, fanout in self.fanouts.items()}

    @cached_property
    def uses(self) -> tuple[list[Use], ...]:
        """Per core used: demand and limit of every resource."""
        return tuple(uses(self.network, self.chip, bricks, routes) for bricks, routes in self._held_with_routes)

    @cached_property
    def items(self) -> tuple[dict[Kind, int], ...]:
        """Per core used: bits of every kind of item."""
        return tuple(item_bits(self.network, self.chip, bricks, routes) for bricks, routes in self._held_with_routes)

    @property
    def _held_with_routes(self) -> Iterator[tuple[tuple[Brick, ...], int]]:
        return zip(self.held, self.by_core(self.routes).tolist(), strict=True)

    @cached_property
    def spills(self) -> list[Spill]:
        """Weights that live behind the memories of the cores."""
        if not any(memory.fetched for memory in self.chip.memory):
            return []
        stored = [stored_bits(self.network, self.chip, brick) for brick in self.bricks]
        return spills(self.chip, self.home, self.items, stored)

    @cached_property
    def routes(self) -> np.ndarray:
        """int64 [bricks]: route entries, one per (neuron, destination core), or one per neuron that sends a tree."""
        total = np.zeros(len(self.bricks), np.int64)
        for source in self.fanouts.values():
            if source.source == INPUT:
                continue
            source.packets.add_to(total, source.groups @ source.neurons)
        return total

    def to_dict(self) -> dict[str, Any]:
        """What `neurosim map` reports, for JSON."""
        names = [layer.name for layer in self.network.layers]
        return {
            "network": self.network.name,
            "chip": self.chip.name,
            "placer": self.placer,
            "seed": self.seed,
            "cores_used": len(self.used),
            "cores": self.chip.cores,
            "mesh": {"width": self.chip.mesh.width, "height": self.chip.mesh.height},
            "feasible": True,
            "layers": [
                {"name": n, "neurons": layer.neurons, "cores": int((self.layer_of == i).sum())}
                for i, (n, layer) in enumerate(zip(names, self.network.layers, strict=True))
            ],
            "bricks": [
                {
                    "core": int(core), "layer": names[b.layer], "channels": [b.c0, b.c1], "rows": [b.y0, b.y1],
                    "columns": [b.x0, b.x1], "pinned": number in self.pinned, "uses": [
                        {"resource": u.resource, "demand": u.demand, "limit": u.limit, "unit": u.unit} for u in self.uses[home]
                    ],
                }
                for number, (b, core, home) in enumerate(zip(self.bricks, self.cores, self.home, strict=True))
            ],
        }  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the mapping file (HDF5, or JSON if it ends in .json, see README)."""
        saving.save(self, path)
