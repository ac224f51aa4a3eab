"""What the part of a layer in a core fetches, adds and multiplies without spikes, by how much of it is used again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neurosim.cost.spikeless import Spikeless
from neurosim.mapping.brick import Brick, projections, reach
from neurosim.mapping.storage import constant_weights, kernel_weights
from neurosim.network.layers import INPUT, Layer, Shortcut

# From the dearest to the cheapest; the second is the one that is named alone.
REUSES = ("none", "rows", "perfect")
STATED = "rows"


@dataclass(frozen=True, eq=False)
class Dataflow:
    """One image in one brick of a network without spikes."""

    spikeless: Spikeless
    brick: Brick

    @cached_property
    def layer(self) -> Layer:
        return self.spikeless.mapping.network.layers[self.brick.layer]

    @cached_property
    def links(self) -> list[tuple[str, Shortcut | None]]:
        return projections(self.spikeless.mapping.network, self.layer)

    @cached_property
    def identities(self) -> list[Shortcut]:
        """Shortcuts that add an activation to the sum of its own channel, without a weight."""
        return [shortcut for _, shortcut in self.links if shortcut is not None and shortcut.weight is None]

    @cached_property
    def macs(self) -> int:
        return self.brick.neurons * self.layer.fan_in

    @cached_property
    def done_macs(self) -> float:
        """Those whose activation is not zero; pixels count as none that are."""
        kernels = [(shortcut or self.layer).weight for source, shortcut in self.links if source == INPUT]
        pixels: int = sum(weight[0].size for weight in kernels if weight is not None)
        return self.brick.neurons * (pixels + (self.layer.fan_in - pixels) * (1 - self.spikeless.sparsity))

    @cached_property
    def adds(self) -> float:
        """Additions of activations that are not zero, over identity shortcuts."""
        return self.brick.neurons * len(self.identities) * (1 - self.spikeless.sparsity)

    @cached_property
    def rounds(self) -> int:
        """Of the lanes, for all channels of a site."""
        return -(-self.brick.channels // self.spikeless.mapping.chip.core.lanes)

    @cached_property
    def turns(self) -> int:
        """Of the array, for all sites."""
        return -(-self.brick.sites // self.spikeless.mapping.chip.core.ann_sites)

    @cached_property
    def array(self) -> bool:
        """Whether several sites are worked on at once."""
        return self.spikeless.mapping.chip.core.ann_sites > 1

    @cached_property
    def weight_bits(self) -> int:
        return self.spikeless.weight_bits(self.layer)

    @cached_property
    def stored_bits(self) -> int:
        """Of the kernels, those of all sites shared."""
        return kernel_weights(self.layer, self.brick.channels) * self.weight_bits

    def weight_words(self, reuse: str) -> int:
        """Words of weights read."""
        home = self.spikeless.mapping.chip.home("weights")
        if reuse == "perfect":
            return home.words(self.stored_bits)
        row = self.layer.fan_in * home.words(self.brick.channels * self.weight_bits)
        row += sum(home.words(constant_weights(self.layer, identity) * self.weight_bits) for identity in self.identities)
        rows = self.turns if self.array else self.brick.y1 - self.brick.y0
        return row * (self.brick.sites if reuse == "none" else rows)

    def activation_words(self, reuse: str) -> int:
        """Words of activations read."""
        network, state = self.spikeless.mapping.network, self.spikeless.mapping.chip.home("state")
        found = 0
        for source, shortcut in self.links:
            identity = shortcut is not None and shortcut.weight is None
            reached = reach(network, self.layer, source, shortcut, self.brick)
            channels = self.brick.channels if identity else network.shape_of(source)[0]
            rows = len(reached.rows) if reuse == "perfect" else int(reached.y.sum())
            columns = int(reached.x.sum()) if reuse == "none" else len(reached.columns)
            again = self.rounds if self.array and not identity and reuse != "perfect" else 1
            found += state.row_words(channels, self.spikeless.activation_bits) * rows * columns * again
        return found

    def sum_words(self, reuse: str) -> float:
        """Words of partial sums written, and as many read, those left out that a zero activation would not change."""
        again = (self.done_macs + self.adds) / self.brick.neurons if reuse == "none" else 1
        return self._sums * max(1, again)

    def all_sum_words(self, reuse: str) -> int:
        """The same, none left out."""
        return self._sums * (self.layer.fan_in + len(self.identities) if reuse == "none" else 1)

    @cached_property
    def _sums(self) -> int:
        """Words of all sums."""
        chip = self.spikeless.mapping.chip
        return self.brick.sites * chip.home("state").row_words(self.brick.channels, chip.core.state_bits)

    @property
    def cycles(self) -> int:
        """That the lanes work: sums, then activations made of them."""
        core, cost = self.spikeless.mapping.chip.core, self.spikeless.mapping.chip.operation
        each = self.layer.fan_in * cost.mac.cycles + len(self.identities) * cost.accumulate.cycles
        finished = -(-self.brick.neurons // core.update_lanes) * cost.update_active.cycles
        return self.turns * self.rounds * each + finished
