"""What the document of a run says about energy."""

from __future__ import annotations

from typing import Any

from neurosim.chip.chip import Chip
from neurosim.chip.scaling import KEPT, RULE
from neurosim.cost.action import PJ
from neurosim.cost.energy import Energy
from neurosim.cost.ledger import Ledger
from neurosim.outcome.cost_sections import (
    ActionRow,
    AnnSection,
    AreaSection,
    EnergySection,
    PerEvent,
    PowerSection,
    ScaledSection,
)
from neurosim.outcome.document import TimeSection
from neurosim.outcome.interval import image_spread


def costs(ledger: Ledger, chip: Chip, time: TimeSection, synaptic_events: int) -> dict[str, Any]:
    """The fields of a `RunDocument` that prices decide, those of *chip*; *time*: of the run, in which there were so many
    *synaptic_events*."""
    spent, each = ledger.energy, ledger.energy.images_J
    return {
        "energy": _energy(spent, time.error, synaptic_events, chip), "actions": _actions(spent),
        "images_energy_J": None if each is None else each.tolist(), "images_energy_spread_J": image_spread(each),
        "power_W": _power(spent, time.seconds),
        "area_mm2": AreaSection(total=chip.area_mm2, by_component=chip.areas_mm2),
        "energy_delay_Js": spent.per_image_J * time.latency_seconds_per_image,
        "ann": AnnSection.model_validate(ledger.ann | _scaled(ledger.without.chip)),
        "break_even": ledger.break_even, "uncertainty": ledger.spread,
    }  # fmt: skip


def _scaled(chip: Chip) -> dict[str, ScaledSection]:
    """Nothing where nothing is scaled."""
    if chip.scaled is None:
        return {}
    (from_nm, from_V), (to_nm, to_V), times = *chip.scaled, chip.scaled.factor
    found = ScaledSection(from_nm=from_nm, from_V=from_V, to_nm=to_nm, to_V=to_V, factor=times, rule=RULE, kept=KEPT)
    return {"scaled": found}


def _energy(spent: Energy, time_error: float | None, synaptic_events: int, chip: Chip) -> EnergySection:
    return EnergySection(
        total_J=spent.total_J, per_image_J=spent.per_image_J, compute_J=spent.compute_J, data_movement_J=spent.data_movement_J,
        static_J=spent.static_J, by_component_J=spent.by_component_J, by_purpose_J=spent.by_purpose_J,
        per_image_J_error=None if time_error is None else time_error * spent.static_J / spent.images,
        pj_per_synaptic_event=_per_event(spent, synaptic_events), **_scaled(chip),
    )  # fmt: skip


def _per_event(spent: Energy, events: int) -> PerEvent | None:
    """None where there are none."""
    return PerEvent(dynamic=spent.dynamic_J / PJ / events, total=spent.total_J / PJ / events) if events else None


def _power(spent: Energy, seconds: float) -> PowerSection | None:
    """None for a run that takes no time."""
    if not seconds:
        return None
    return PowerSection(average=spent.total_J / seconds, dynamic=spent.dynamic_J / seconds, static=spent.static_J / seconds)


def _actions(spent: Energy) -> list[ActionRow]:
    return [
        ActionRow(
            action=a.name, component=a.component, purpose=a.purpose, count=a.times, constant=a.constant, pj=a.price.pj,
            uncertainty=a.price.uncertainty, energy_J=a.total_J,
        )
        for a in spent.actions
    ]  # fmt: skip
