"""Objectives: what a point of a study is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.cost.action import PJ
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
    "energy_median": Objective("energy_median_J", "J", "energy of an image, median", False, lambda run: _energy(run, 0.5)),
    "energy_p99": Objective(
        "energy_p99_J", "J", "energy that 99 % of images do not exceed", False, lambda run: _energy(run, 0.99)
    ),
    "latency": Objective("latency_s", "s", "from an image to its answer", False, lambda run: run.time.latency_seconds),
    "latency_median": Objective("latency_median_s", "s", "latency of an image, median", False, lambda run: _latency(run, 0.5)),
    "latency_p99": Objective(
        "latency_p99_s", "s", "latency that 99 % of images do not exceed", False, lambda run: _latency(run, 0.99)
    ),
    "edp": Objective(
        "edp_Js", "Js", "energy-delay product", False, lambda run: run.energy.per_image_J * run.time.latency_seconds
    ),
    "throughput": Objective(
        "throughput_per_s", "1/s", "images per second", True, lambda run: _rate(run.time.seconds_per_image)
    ),
    "power": Objective("power_W", "W", "power on average", False, lambda run: _watts(run, run.energy.total_J)),
    "dynamic_power": Objective(
        "dynamic_power_W", "W", "power without leakage", False, lambda run: _watts(run, run.energy.dynamic_J)
    ),
    "pj_per_event": Objective(
        "pj_per_event", "pJ", "pJ per synaptic event", False, lambda run: _per_event(run, run.energy.total_J)
    ),
    "dynamic_pj_per_event": Objective(
        "dynamic_pj_per_event", "pJ", "pJ per synaptic event, without leakage", False,
        lambda run: _per_event(run, run.energy.dynamic_J),
    ),
    "area": Objective(
        "area_mm2", "mm²", "area of memories and blocks", False, lambda run: run.mapping.chip.area_mm2
    ),
    "accuracy": Objective("accuracy", "", "share of correct answers", True, lambda run: run.accuracy),
    "busiest_link": Objective(
        "busiest_link_flits", "", "flits per image on the busiest link", False, lambda run: _busiest(run)
    ),
    "cores": Objective("cores", "", "cores used", False, lambda run: len(run.mapping.used)),
    "ann_energy": Objective("ann_energy_J", "J", "energy per image without spikes", False, lambda run: _ann(run)),
    "ann_pj_per_mac": Objective(
        "ann_pj_per_mac", "pJ", "pJ per multiply-accumulate without spikes", False,
        lambda run: _quotient(run.ledger.ann["total_J"] / PJ, run.ledger.ann["macs"]),
    ),
    "ann_ratio": Objective(
        "ann_ratio", "", "energy without spikes over that with", True, lambda run: _quotient(_ann(run), run.energy.per_image_J)
    ),
}


def metrics(result: Result) -> Metrics:
    """Every objective of a run, by column; None where it is not known."""
    return {objective.column: objective.measure(result) for objective in OBJECTIVES.values()}


def unknown_areas(chip: Chip) -> list[str]:
    """Memories on the chip whose area is not known."""
    return [memory.name for memory in chip.memory if memory.per != "off chip" and memory.prices.area_mm2 is None]


def _energy(run: Result, share: float) -> float | None:
    """Which that *share* of the images does not exceed."""
    each = run.energy.images_J
    return None if each is None else float(np.quantile(each, share))


def _latency(run: Result, share: float) -> float:
    return float(np.quantile(run.time.latency, share)) / run.time.hz


def _watts(run: Result, joules: float) -> float | None:
    return _quotient(joules, run.time.seconds)


def _per_event(run: Result, joules: float) -> float | None:
    return _quotient(joules / PJ, run.counts["synaptic_events"])


def _rate(seconds: float) -> float | None:
    return _quotient(1, seconds)


def _ann(run: Result) -> float:
    """J per image of the network without spikes, everything counted, reuse as stated."""
    return float(run.ledger.ann["total_J"]) / len(run.trace)


def _quotient(one: float, other: float) -> float | None:
    return one / other if other else None


def _busiest(run: Result) -> float:
    return int(run.time.tally.flits.max(initial=0)) / len(run.trace)
