"""The side of a run without spikes: what one image does there, at which prices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from neurosim.chip.chip import Chip
from neurosim.cost.action import COMPUTE, MOVEMENT, PURPOSES, STATIC, Action, by_part_J, priced
from neurosim.cost.ann import ANN_ASSUMES, Dense, Inference
from neurosim.cost.dataflow import STATED
from neurosim.cost.spikeless import Spikeless


@dataclass(frozen=True, eq=False)
class Without:
    """chip: that of the prices; own: one of its own, not that of the network with spikes. layers: of every
    brick there. dense: of one image, by reuse, see `neurosim.cost.ann`. macs: of one image, those with a zero
    activation included. bits: of activations; sparsity: share of them that is zero; accuracy: None where it is not known.
    assumes: what was counted, in words."""

    chip: Chip
    own: bool
    layers: tuple[str, ...]
    dense: Dense
    macs: int
    bits: int
    sparsity: float
    accuracy: float | None
    assumes: str = ANN_ASSUMES

    def at(self, chip: Chip) -> Without:
        """The same at the prices of another chip of the network with spikes; a machine of its own keeps its prices."""
        if self.own:
            return self
        return replace(self, chip=chip, dense={reuse: priced(done, chip) for reuse, done in self.dense.items()})

    def told(self, images: int) -> dict[str, Any]:
        """What *images* inferences cost."""
        found = {reuse: _energies(actions, images) for reuse, actions in self.dense.items()}
        return {
            "macs": self.macs * images, **found[STATED], "assumes": self.assumes, "dataflow": STATED, "reuse": found,
            "chip": {"name": self.chip.name, "sha256": self.chip.sha256, "values": self.chip}, "bits": self.bits,
            "sparsity": self.sparsity, "accuracy": self.accuracy,
        }  # fmt: skip

    def parts_J(self, reuse: str) -> dict[str, float]:
        """J of one image by the part of a chip that the prices belong to; parts of another chip are other parts."""
        found = by_part_J(self.dense[reuse])
        return {self.part(name): joules for name, joules in found.items()}

    def part(self, name: str) -> str:
        """The name of a part among those of both chips."""
        return f"without spikes, {name}" if self.own else name


def without(spikeless: Spikeless, images: int) -> Without:
    """The side without spikes of a run of *images*."""
    work, mapping = Inference(spikeless), spikeless.mapping
    layers = tuple(mapping.network.layers[brick.layer].name for brick in mapping.bricks)
    return Without(
        chip=mapping.chip, own=spikeless.own, layers=layers, dense=work.dense(images), macs=work.macs,
        bits=spikeless.activation_bits, sparsity=spikeless.sparsity, accuracy=spikeless.accuracy,
    )  # fmt: skip


def _energies(done: tuple[Action, ...], images: int) -> dict[str, Any]:
    by_group = {
        f"{name}_J": sum(a.total_J for a in done if a.group == group) * images
        for name, group in (("compute", COMPUTE), ("data_movement", MOVEMENT), ("static", STATIC))
    }
    by_purpose = {purpose: sum(a.total_J for a in done if a.purpose == purpose) * images for purpose in PURPOSES}
    by_part = {part: joules * images for part, joules in by_part_J(done).items()}
    return by_group | {"total_J": sum(by_group.values()), "by_purpose_J": by_purpose, "by_part_J": by_part}
