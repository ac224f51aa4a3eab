"""What choices of the model that nobody can know for a chip leave open, beside what its prices do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from neurosim.chip.chip import Chip
from neurosim.cost.dataflow import REUSES, STATED
from neurosim.mapping.mapping import Mapping
from neurosim.network.layers import pool_kind
from neurosim.network.network import Network
from neurosim.outcome.cost_sections import ChoiceRow, ModelSection
from neurosim.outcome.result import Result

# Energies differ from image to image, but hardly the factor by which a choice changes them.
IMAGES = 3


@dataclass(frozen=True, eq=False)
class Choice:
    """Either of two values of a setting of a chip, told in words; where "memory" is the path, of the layout of all memories."""

    name: str
    path: str
    words: dict[str, str]

    def taken(self, chip: Chip) -> str:
        """The value that a chip has; of layouts, that of the memory for state."""
        return chip.home("state").layout if self.path == "memory" else str(chip.settings[self.path])

    def other(self, chip: Chip) -> str:
        """The value that it might have."""
        taken = self.taken(chip)
        return next(value for value in self.words if value != taken)

    def otherwise(self, chip: Chip) -> Chip:
        """The chip with the other value."""
        paths = [f"memory.{memory.name}.layout" for memory in chip.memory] if self.path == "memory" else [self.path]
        value = self.other(chip)
        for path in paths:
            chip = chip.replace(path, value)
        return chip


POOLS = Choice("sums of pooling windows", "policy.pool", {"folded": "folded into the weights", "summed": "made first"})
CHOICES = (
    Choice("words for values of a row", "memory", {"packed": "shared", "padded": "one each"}),
    Choice("the neurons visited in a step", "policy.update", {"touched": "those reached", "all": "all"}),
    Choice("cores without neurons", "policy.idle", {"gated": "switched off", "on": "on"}),
    POOLS,
)


def bracket(result: Result, again: Callable[[Mapping], Result]) -> ModelSection | None:
    """Each of CHOICES made otherwise than the chip has it, then those together that save energy, and those that cost more.

    *again*: what a few images of the run cost on a mapping, its time analytic. None where one of the networks costs nothing.
    """
    mapping = result.mapping

    def tried(choices: Iterable[Choice]) -> Result:
        chip = mapping.chip
        for choice in choices:
            chip = choice.otherwise(chip)
        return again(replace(mapping, chip=chip))

    usual = tried(())
    if not usual.energy.total_J or not all(part["total_J"] for part in usual.ledger.ann["reuse"].values()):
        return None
    each = {choice: tried([choice]) for choice in CHOICES if choice is not POOLS or _sums(mapping.network)}
    factors = {choice: found.energy.per_image_J / usual.energy.per_image_J for choice, found in each.items()}
    savers, spenders = ([c for c, f in factors.items() if (f < 1) == saves and f != 1] for saves in (True, False))
    ends = [tried(several) for several in (savers, spenders)]
    energies = [found.energy.per_image_J for found in (usual, *each.values(), *ends)]
    scale = result.energy.per_image_J / usual.energy.per_image_J
    # By which factor a choice changes it, from what the whole run has.
    known = {reuse: _ratio(result, reuse) / _ratio(usual, reuse) for reuse in REUSES}
    ratios = [_ratio(found, reuse) * known[reuse] for found in (usual, *each.values(), *ends) for reuse in REUSES]
    rows = [
        ChoiceRow(
            choice=choice.name, taken=choice.words[choice.taken(mapping.chip)], other=choice.words[choice.other(mapping.chip)],
            energy=factors[choice], ratio=_ratio(found, STATED) * known[STATED],
        )
        for choice, found in each.items()
    ]  # fmt: skip
    return ModelSection(
        images=len(usual.trace), choices=rows, per_image_J=[scale * min(energies), scale * max(energies)],
        ratio=[min(ratios), max(ratios)],
    )  # fmt: skip


def _sums(network: Network) -> bool:
    """Whether anything is pooled by sums."""
    pools = (pool for layer in network.layers for pool in (layer.pool, *(shortcut.pool for shortcut in layer.shortcuts)))
    return any(pool_kind(pool) in ("sum", "avg") for pool in pools)


def _ratio(found: Result, reuse: str) -> float:
    """ANN / SNN, leakage included."""
    without: float = found.ledger.ann["reuse"][reuse]["total_J"]
    return without / found.energy.total_J
