"""What the document of a run says about energy."""

from __future__ import annotations

from typing import Any

from neurosim.cost.energy import Energy
from neurosim.cost.ledger import Ledger
from neurosim.outcome.cost_sections import ActionRow, AnnSection, EnergySection


def costs(ledger: Ledger, time_error: float | None = None) -> dict[str, Any]:
    """The fields of a `RunDocument` that prices decide; *time_error*: half-width of the interval of the time, and so of
    leakage, as a share of it."""
    return {
        "energy": _energy(ledger.energy, time_error), "actions": _actions(ledger.energy),
        "ann": AnnSection.model_validate(ledger.ann),
        "break_even": ledger.break_even, "uncertainty": ledger.spread,
    }  # fmt: skip


def _energy(spent: Energy, time_error: float | None) -> EnergySection:
    return EnergySection(
        total_J=spent.total_J, per_image_J=spent.per_image_J, compute_J=spent.compute_J, data_movement_J=spent.data_movement_J,
        static_J=spent.static_J, by_component_J=spent.by_component_J, by_purpose_J=spent.by_purpose_J,
        per_image_J_error=None if time_error is None else time_error * spent.static_J / spent.images,
    )  # fmt: skip


def _actions(spent: Energy) -> list[ActionRow]:
    return [
        ActionRow(
            action=a.name, component=a.component, purpose=a.purpose, count=a.times, constant=a.constant, pj=a.price.pj,
            uncertainty=a.price.uncertainty, energy_J=a.total_J,
        )
        for a in spent.actions
    ]  # fmt: skip
