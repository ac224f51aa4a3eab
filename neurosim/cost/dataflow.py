"""What the part of a layer in a core fetches, adds and multiplies without spikes, by how much of it is used again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from neurosim.cost.spikeless import Spikeless
from neurosim.mapping.brick import Brick, Groups, groups_in, landing_sites, places, projections, reach, taken
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
    def rows(self) -> int:
        """Of output sites: of the map that synapses reach."""
        return places(self.layer, self.brick)[0]

    @cached_property
    def sites(self) -> int:
        """Of that map."""
        return landing_sites(self.layer, self.brick)

    @cached_property
    def outputs(self) -> int:
        """Sums that are made."""
        return self.sites * self.brick.channels

    @cached_property
    def macs(self) -> int:
        return self.outputs * self.layer.fan_in

    @cached_property
    def done_macs(self) -> float:
        """Those whose activation is not zero; pixels count as none that are."""
        kernels = [(shortcut or self.layer).weight for source, shortcut in self.links if source == INPUT]
        pixels: int = sum(weight[0].size for weight in kernels if weight is not None)
        return self.outputs * (pixels + (self.layer.fan_in - pixels) * (1 - self.spikeless.sparsity))

    @cached_property
    def adds(self) -> float:
        """Additions of activations that are not zero, over identity shortcuts."""
        return self.outputs * len(self.identities) * (1 - self.spikeless.sparsity)

    @cached_property
    def weighted(self) -> list[tuple[int, Groups]]:
        """(weights that meet at one channel, groups) of every projection with weights."""
        found = [((shortcut or self.layer).weight, self.groups(source, shortcut)) for source, shortcut in self.links]
        return [(weight[0].size, groups) for weight, groups in found if weight is not None and groups is not None]

    def groups(self, source: str, shortcut: Shortcut | None) -> Groups | None:
        """Of a projection with weights."""
        if (shortcut or self.layer).weight is None:
            return None
        return groups_in(self.spikeless.mapping.network, self.layer, source, shortcut, self.brick)

    @cached_property
    def turns(self) -> int:
        """Of the array, for all sites."""
        return -(-self.sites // self.spikeless.mapping.chip.core.ann_sites)

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
        row = sum(many * groups.weight_words(home, self.weight_bits) for many, groups in self.weighted)
        row += sum(home.words(constant_weights(self.layer, identity) * self.weight_bits) for identity in self.identities)
        rows = self.turns if self.array else self.rows
        return row * (self.sites if reuse == "none" else rows)

    def activation_words(self, reuse: str) -> int:
        """Words of activations read."""
        network, state = self.spikeless.mapping.network, self.spikeless.mapping.chip.home("state")
        found = 0
        for source, shortcut in self.links:
            reached, groups = reach(network, self.layer, source, shortcut, self.brick), self.groups(source, shortcut)
            first, last = taken(network, self.layer, source, shortcut, self.brick)
            rows = len(reached.rows) if reuse == "perfect" else int(reached.y.sum())
            columns = int(reached.x.sum()) if reuse == "none" else len(reached.columns)
            if self.array and groups is not None and reuse != "perfect":
                # A round of the lanes needs the channels of its group.
                width = state.row_words(groups.inputs, self.spikeless.activation_bits) * groups.rounds(self._lanes)
            else:
                width = state.row_words(last - first, self.spikeless.activation_bits)
            found += width * rows * columns
        return found

    def sum_words(self, reuse: str) -> float:
        """Words of partial sums written, and as many read, those left out that a zero activation would not change."""
        again = (self.done_macs + self.adds) / self.outputs if reuse == "none" else 1
        return self._sums * max(1, again)

    def all_sum_words(self, reuse: str) -> int:
        """The same, none left out."""
        return self._sums * (self.layer.fan_in + len(self.identities) if reuse == "none" else 1)

    @property
    def _lanes(self) -> int:
        return self.spikeless.mapping.chip.core.lanes

    @cached_property
    def _sums(self) -> int:
        """Words of all sums."""
        chip = self.spikeless.mapping.chip
        return self.sites * chip.home("state").row_words(self.brick.channels, chip.core.state_bits)

    @property
    def cycles(self) -> int:
        """That the lanes work: sums, then activations made of them."""
        core, cost = self.spikeless.mapping.chip.core, self.spikeless.mapping.chip.operation
        each = sum(many * groups.rounds(core.lanes) for many, groups in self.weighted) * cost.mac.cycles
        each += len(self.identities) * -(-self.brick.channels // core.lanes) * cost.accumulate.cycles
        return self.turns * each + -(-self.brick.neurons // core.update_lanes) * cost.update_active.cycles
