"""The network without spikes: on which machine, in which widths, and how many of its activations are zero."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

from neurosim.chip.chip import Chip
from neurosim.errors import NeurosimError
from neurosim.mapping.demand import MappingError
from neurosim.mapping.mapper import map_network
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place import USUAL, Placer
from neurosim.network.layers import Layer
from neurosim.network.network import Network

# Of activations, where nothing else is said.
ACTIVATION_BITS = 8
# The share of zeros that the network file has.
STORED = "stored"


@dataclass(frozen=True, eq=False)
class Spikeless:
    """The same topology without spikes, cut and placed as *mapping* says. own: on a machine of its own, not that of the network
    with spikes. bits: at most so many have its weights, and so many its activations; None: those of the network, and 8.
    sparsity: share of activations that are zero."""

    mapping: Mapping
    own: bool = False
    bits: int | None = None
    sparsity: float = 0.0

    @property
    def activation_bits(self) -> int:
        return self.bits or min(ACTIVATION_BITS, self.mapping.chip.core.mac_bits)

    @property
    def packet_bits(self) -> int:
        """Of a packet: where it goes, and one activation, as a graded spike carries its value."""
        return self.mapping.chip.mesh.packet_bits + self.activation_bits

    def weight_bits(self, layer: Layer) -> int:
        bits = layer.weight_bits or 8
        return bits if self.bits is None else min(bits, self.bits)

    @property
    def accuracy(self) -> float | None:
        """That with which it was trained, in floating point; None where it is not known, or not in so few bits."""
        if self.bits is not None and self.bits < ACTIVATION_BITS:
            return None
        found: float | None = reported(self.mapping.network, "ann_accuracy")
        return found


def reported(network: Network, name: str) -> Any:
    """What the training of a network reports under *name*, None where it does not."""
    report = network.about.get("report")
    found = network.about.get(name, report.get(name) if isinstance(report, dict) else None)
    usable = isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= 1
    return found if usable else None


class AnnChoice(NamedTuple):
    """What is chosen of the network without spikes: *chip*, without one that of the network with spikes; *bits*, of
    multiplications; *sparsity*, the share of activations that are zero, or "stored", as the network file has it."""

    chip: Chip | None = None
    bits: int | None = None
    sparsity: float | str = 0.0

    def scaled_to(self, node: float | str | None) -> AnnChoice:
        """The same with the chip scaled to *node*, see `neurosim.chip.chip.Chip.scaled_to`."""
        return self if self.chip is None else self._replace(chip=self.chip.scaled_to(node))

    def check_values(self) -> None:
        """Raise NeurosimError with what is no width and no share, whatever the network and the chip are."""
        if problems := [*self._no_width(), *self._no_share()]:
            raise NeurosimError("; ".join(problems))

    def check(self, network: Network, chips: Sequence[Chip]) -> None:
        """Raise NeurosimError with all that cannot be used beside *network* on *chips*."""
        machines = chips if self.chip is None else [self.chip]
        problems = [*self._bits(machines), *self._sparsity(network)]
        if problems:
            raise NeurosimError("; ".join(problems))

    def _no_width(self) -> Iterator[str]:
        bits = self.bits
        if bits is not None and (not isinstance(bits, Integral) or isinstance(bits, bool) or bits < 1):
            yield f"ann_bits is {bits!r}; it must be a whole number, at least 1"

    def _no_share(self) -> Iterator[str]:
        given = self.sparsity
        if given == STORED:
            return
        if not isinstance(given, Real) or isinstance(given, bool) or not (math.isfinite(given) and 0 <= given <= 1):
            yield f"ann_sparsity is {given!r}; it must be a number from 0 to 1, or {STORED!r}"

    def _bits(self, machines: Sequence[Chip]) -> Iterator[str]:
        wrong = [*self._no_width()]
        yield from wrong
        if self.bits is None or wrong:
            return
        for chip in machines:
            if self.bits > chip.core.mac_bits:
                most = f"multiply-accumulates of chip {chip.name!r} are priced for up to {chip.core.mac_bits} bits"
                yield f"ann_bits is {self.bits}, but {most} (core.mac_bits); use fewer, or another --ann-chip"

    def _sparsity(self, network: Network) -> Iterator[str]:
        yield from self._no_share()
        if self.sparsity == STORED and reported(network, "ann_sparsity") is None:
            missing = f"network {network.name!r} does not say how many of its activations are zero"
            yield f"ann_sparsity is {STORED!r}, but {missing}; give a number from 0 to 1"

    def placed(self, mappings: Sequence[Mapping], placer: str | Placer = USUAL) -> Mapping | None:
        """The network on the chip; None where that is the one of all *mappings*. Raises MappingError if it does not fit."""
        if self.chip is None or not mappings or all(self.same(mapping) for mapping in mappings):
            return None
        return self.mapped(mappings[0].network, placer)

    def mapped(self, network: Network, placer: str | Placer = USUAL) -> Mapping:
        """The network on the chip, which there is; raises MappingError if it does not fit."""
        assert self.chip is not None
        try:
            return map_network(network, self.chip, placer)
        except MappingError as error:
            told = f"{network.name} without spikes", f"{self.chip.name} (--ann-chip)"
            raise MappingError(*told, list(error.violations)) from None

    def same(self, mapping: Mapping) -> bool:
        """Whether the chip is the one of *mapping*."""
        return self.chip is not None and self.chip.sized_as(mapping.chip).sha256 == mapping.chip.sha256

    def beside(self, mapping: Mapping, placed: Mapping | None) -> Spikeless:
        """The network without spikes beside *mapping*: where it is *placed*, or in the same cores."""
        own = placed is not None and not self.same(mapping)
        zero = reported(mapping.network, "ann_sparsity") if self.sparsity == STORED else self.sparsity
        bits = None if self.bits is None else int(self.bits)
        return Spikeless(placed if placed is not None and own else mapping, own, bits, float(zero))


SAME_CHIP = AnnChoice()
