"""Objectives: what a point of a study is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurosim.chip.chip import Chip
from neurosim.outcome.result import Result

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Objective:
    """column: its name in tables, unit: as said there. more: whether more of it is better."""

    column: str
    unit: str
    words: str
    more: bool
    measure: Callable[[Result], float | None]


OBJECTIVES: dict[str, Objective] = {
    "energy": Objective("energy_J", "J", "energy per image", False, lambda run: run.energy.per_image_J),
    "latency": Objective("latency_s", "s", "from an image to its answer", False, lambda run: run.time.latency_seconds),
    "throughput": Objective(
        "throughput_per_s", "1/s", "images per second", True, lambda run: _rate(run.time.seconds_per_image)
    ),
    "area": Objective(
        "area_mm2", "mm²", "area of all memories and described blocks", False, lambda run: run.mapping.chip.area_mm2
    ),
    "accuracy": Objective("accuracy", "", "share of correct answers", True, lambda run: run.accuracy),
    "busiest_link": Objective(
        "busiest_link_flits", "", "flits per image on the busiest link", False, lambda run: _busiest(run)
    ),
    "cores": Objective("cores", "", "cores used", False, lambda run: len(run.mapping.used)),
}


def metrics(result: Result) -> Metrics:
    """Every objective of a run, by column; None where it is not known."""
    return {objective.column: objective.measure(result) for objective in OBJECTIVES.values()}


def unknown_areas(chip: Chip) -> list[str]:
    """Memories on the chip whose area is not known."""
    return [memory.name for memory in chip.memory if memory.per != "off chip" and memory.prices.area_mm2 is None]


def _rate(seconds: float) -> float | None:
    return 1 / seconds if seconds else None


def _busiest(run: Result) -> float:
    return int(run.time.tally.flits.max(initial=0)) / len(run.trace)
