"""What a study found: its points, which of them are best, and what matters."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neurosim.cost.spikeless import SAME_CHIP, AnnChoice
from neurosim.errors import NeurosimError
from neurosim.explore.axis import Value
from neurosim.explore.document import ErrorsSection, StudyDocument
from neurosim.explore.free import axis_costs, free_axes
from neurosim.explore.images import ACCURACY, AMOUNTS, PAIRED, ImageCosts, difference
from neurosim.explore.objective import OBJECTIVES
from neurosim.explore.sampling import Settings
from neurosim.explore.store import Outcome
from neurosim.explore.study import Study
from neurosim.explore.task import FAILED, OK
from neurosim.outcome.paired import PairedSection
from neurosim.version import __version__

# Outside the constraints of the study.
EXCLUDED = "excluded"
# Rounding, as a share.
NEARLY = 1e-9
# Parts of equal size that the values of a range are told apart by.
PARTS = 4


@dataclass(frozen=True, eq=False)
class StudyPoint:
    """A point: its settings, what came of it, and of a point of the front what came of a closer look."""

    settings: Settings
    outcome: Outcome
    closer: Outcome | None = None

    @property
    def images(self) -> ImageCosts | None:
        """What every image cost; None where that is not known."""
        found: ImageCosts | None = self.outcome.get("images")
        return found

    @property
    def errors(self) -> dict[str, float | None]:
        """How far the means of its energy and latency may be off; nothing where images are not known."""
        return {} if self.images is None else self.images.errors

    @property
    def metrics(self) -> dict[str, float | None]:
        return {objective.column: self.outcome["metrics"].get(objective.column) for objective in OBJECTIVES.values()}


@dataclass(frozen=True, eq=False)
class Findings:
    """rows: of all points, in the order of the study."""

    study: Study
    rows: tuple[StudyPoint, ...]

    def __repr__(self) -> str:
        return f"<Findings of {self.study.name!r}: {len(self.rows)} points, {len(self.front)} on the front>"

    def with_closer(self, closer: Mapping[int, Outcome]) -> Findings:
        """The same, with a closer look at rows by their number."""
        return replace(self, rows=tuple(replace(row, closer=closer.get(number)) for number, row in enumerate(self.rows)))

    @cached_property
    def status(self) -> list[str]:
        """Of every row: ok, infeasible, failed, or excluded by a constraint."""
        return [row.outcome["status"] if not self._excluded(row) else EXCLUDED for row in self.rows]

    def _excluded(self, row: StudyPoint) -> bool:
        return row.outcome["status"] == OK and bool(self.reasons(row))

    def reasons(self, row: StudyPoint) -> list[str]:
        """Why a point does not fit, failed, or is excluded."""
        found = list(row.outcome["reasons"])
        for name, bounds in self.study.constraints.items() if row.outcome["status"] == OK else ():
            value = row.metrics[OBJECTIVES[name].column]
            if not bounds.allow(value):
                told = "is not known" if value is None else f"is {value:.4g}"
                found.append(f"{name} {told}, outside {bounds}")
        return found

    @cached_property
    def rank(self) -> np.ndarray:
        """int64 [rows]: 1 on the Pareto front, 2 on the one that is left without it, and so on; 0 for what is not ok."""
        found = np.zeros(len(self.rows), np.int64)
        usable = np.array([i for i, status in enumerate(self.status) if status == OK], np.int64)
        if len(usable):
            found[usable] = ranks(self.costs[usable])
        return found

    @cached_property
    def costs(self) -> np.ndarray:
        """float64 [rows, objectives]: less is better; infinite where it is not known."""
        found = np.full((len(self.rows), len(self.study.objectives)), np.inf)
        for column, name in enumerate(self.study.objectives):
            objective = OBJECTIVES[name]
            for number, row in enumerate(self.rows):
                value = row.metrics[objective.column]
                if value is not None:
                    found[number, column] = -value if objective.more else value
        return found

    @property
    def front(self) -> tuple[StudyPoint, ...]:
        """The rows that no other is better than in one objective without being worse in another."""
        return tuple(row for row, rank in zip(self.rows, self.rank, strict=True) if rank == 1)

    @property
    def ranked(self) -> list[int]:
        """Numbers of the rows that are ok, front by front, each by the first objective."""
        usable = np.flatnonzero(self.rank)
        return usable[np.lexsort((usable, self.costs[usable, 0], self.rank[usable]))].tolist() if len(usable) else []

    @cached_property
    def best(self) -> dict[str, int]:
        """By every objective that can be paired, the number of the row that is best in it."""
        usable = [int(number) for number in np.flatnonzero(self.rank) if self.rows[number].images is not None]
        found: dict[str, int] = {}
        for name in PAIRED:
            column, sign = OBJECTIVES[name].column, -1 if OBJECTIVES[name].more else 1
            known = [(sign * amount, n) for n in usable if (amount := self.rows[n].metrics[column]) is not None]
            found |= {name: min(known)[1]} if known else {}
        return found

    @cached_property
    def paired(self) -> list[dict[str, PairedSection] | None]:
        """Of every row that is ok, by objective, in what it differs from the best in it."""
        return [self._paired(row) if rank else None for row, rank in zip(self.rows, self.rank, strict=True)]

    def _paired(self, row: StudyPoint) -> dict[str, PairedSection] | None:
        if row.images is None:
            return None
        found: dict[str, PairedSection] = {}
        for name, number in self.best.items():
            other = self.rows[number].images
            each = None if other is None else difference(name, row.images, other)
            found |= {} if each is None else {name: each}
        return found

    @cached_property
    def near_front(self) -> list[int]:
        """Numbers of the rows behind the front that are in no objective told apart from being as good as some row of it;
        objectives that cannot be paired count as they are."""
        front = np.flatnonzero(self.rank == 1)
        return [int(number) for number in np.flatnonzero(self.rank > 1) if self._is_near(int(number), front)]

    def _is_near(self, number: int, front: np.ndarray) -> bool:
        least, most = self.brackets
        able = front[(most[front] >= least[number]).all(1)]
        return any(self._as_good(self.rows[number].images, self.rows[other].images) for other in able)

    @cached_property
    def brackets(self) -> tuple[np.ndarray, np.ndarray]:
        """float64 [rows, objectives], from where to where each of the costs may be by itself: of amounts their logarithms,
        nothing known of accuracy, and as it is what cannot be paired."""
        middle, reach = self.costs.copy(), np.zeros_like(self.costs)
        for column, name in enumerate(self.study.objectives):
            if name == ACCURACY:
                middle[:, column], reach[:, column] = 0.0, np.inf
            elif name in AMOUNTS:
                with np.errstate(divide="ignore"):
                    middle[:, column] = np.log(middle[:, column])
                # Means of images and of the run are the same but for rounding.
                reach[:, column] = [NEARLY + (row.images.reach(name) if row.images else 0.0) for row in self.rows]
        return middle - reach, middle + reach

    def _as_good(self, one: ImageCosts | None, other: ImageCosts | None) -> bool:
        """Whether *one* is in no objective told to be worse."""
        if one is None or other is None:
            return False
        for name in self.study.objectives:
            found = difference(name, one, other) if name in PAIRED else None
            if found is None:
                if name in PAIRED:
                    return False
            elif found.told_apart and (found.mean < 0) == OBJECTIVES[name].more:
                return False
        return True

    @cached_property
    def sensitivity(self) -> dict[str, dict[str, float | None]]:
        """By objective and axis: the share of the variance of the objective, over all points that fit, that the axis accounts
        for by itself (correlation ratio); a range is cut into PARTS. None where nothing varies."""
        usable = [row for row in self.rows if row.outcome["status"] == OK]
        found: dict[str, dict[str, float | None]] = {}
        for name in self.study.objectives:
            column = OBJECTIVES[name].column
            known = [row for row in usable if row.metrics[column] is not None]
            values = np.array([row.metrics[column] for row in known], np.float64)
            found[name] = {axis: _explained(self._levels(axis, known), values) for axis in self.study.axes}
        return found

    def _levels(self, axis: str, rows: list[StudyPoint]) -> np.ndarray:
        """int64 [rows]: which of its values, or of the parts of its range, each has."""
        values, known = [row.settings[axis] for row in rows], self.study.axes[axis].values
        if known or not rows:
            return np.array([known.index(value) for value in values], np.int64)
        numbers = np.array(values, np.float64)
        different, level = np.unique(numbers, return_inverse=True)
        if len(different) <= 2 * PARTS:
            return level
        return np.searchsorted(np.quantile(numbers, np.arange(1, PARTS) / PARTS), numbers, side="right")

    @property
    def by_chance(self) -> dict[str, float] | None:
        """By axis: the share of the variance that it would explain on average if it did not matter, where points are drawn at
        random; None for a grid."""
        usable = [row for row in self.rows if row.outcome["status"] == OK]
        if self.study.sample == "grid" or len(usable) < 2:
            return None
        levels = {axis: len(np.unique(self._levels(axis, usable))) for axis in self.study.axes}
        return {axis: min(1.0, (many - 1) / (len(usable) - 1)) for axis, many in levels.items()}

    @cached_property
    def table(self) -> np.ndarray:
        """Structured array, one row per point: its settings, status, rank, every objective, and how far two of them may be off
        (see `ErrorsSection`); nan where it is not known."""
        columns: dict[str, np.ndarray] = {}
        for axis in self.study.axes:
            values: list[Value] = [row.settings[axis] for row in self.rows]
            numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
            columns[axis] = np.array(values if numbers else [str(value) for value in values])
        columns["status"], columns["rank"] = np.array(self.status), self.rank
        for objective in OBJECTIVES.values():
            amounts = [row.metrics[objective.column] for row in self.rows]
            columns[objective.column] = np.array([np.nan if n is None else n for n in amounts], np.float64)
        for name in ErrorsSection.model_fields:
            errors = [row.errors.get(name) for row in self.rows]
            columns[name] = np.array([np.nan if n is None else n for n in errors], np.float64)
        found = np.empty(len(self.rows), [(name, values.dtype) for name, values in columns.items()])
        for name, column in columns.items():
            found[name] = column
        return found

    def frame(self) -> Any:
        """The table as a pandas DataFrame; raises NeurosimError where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise NeurosimError("pandas is not installed: python -m pip install pandas; or use .table") from None
        return pandas.DataFrame(self.table)

    @property
    def csv(self) -> str:
        """The table, and the reasons of what does not fit."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        metrics = [objective.column for objective in OBJECTIVES.values()]
        writer.writerow([*self.study.axes, "status", "rank", *metrics, *ErrorsSection.model_fields, "reasons"])
        for row, status, rank in zip(self.rows, self.status, self.rank.tolist(), strict=True):
            amounts = [*row.metrics.values(), *(row.errors.get(name) for name in ErrorsSection.model_fields)]
            values = ["" if value is None else value for value in amounts]
            writer.writerow([*row.settings.values(), status, rank or "", *values, "; ".join(self.reasons(row))])
        return out.getvalue()

    @property
    def not_counted(self) -> list[str]:
        """What the chips, and the points, leave out, in words."""
        of_chips = [note for chip in self.study.chips.values() for note in chip.not_counted]
        return list(dict.fromkeys(of_chips + [n for row in self.rows for n in row.outcome.get("not_counted", ())]))

    @property
    def failed(self) -> int:
        """Points in which something unforeseen happened."""
        return self.status.count(FAILED)

    @property
    def document(self) -> StudyDocument:
        """All that is said about the study."""
        study, costs = self.study, axis_costs(self.study)
        return StudyDocument.model_validate({
            "study": study.name,
            "version": __version__,
            "networks": {name: network.sha256 for name, network in study.networks.items()},
            "chips": {name: {"sha256": chip.sha256, "values": chip} for name, chip in study.chips.items()},
            "inputs": study.inputs.name,
            "images": len(study.inputs),
            "sample": study.sample,
            "drawn": study.points,
            "seed": study.seed,
            "objectives": {name: _about(name) for name in study.objectives},
            "constraints": {name: {"min": b.least, "max": b.most} for name, b in study.constraints.items()},
            "choices": dict(study.choices),
            "packet_images": study.packet_images,
            "ann": None if study.ann == SAME_CHIP else _ann(study.ann),
            "scale_node": study.scale_node,
            "set": dict(study.changes),
            "axes": {name: list(axis.values) or asdict(axis) for name, axis in study.axes.items()},
            "front_timing": None if study.front is None else asdict(study.front),
            "points": [self._point(number) for number in range(len(self.rows))],
            "front": np.flatnonzero(self.rank == 1).tolist(),
            "ranked": self.ranked,
            "sensitivity": self.sensitivity,
            "sensitivity_by_chance": self.by_chance,
            "not_counted": self.not_counted,
            "axis_costs": costs,
            "free_axes": free_axes(costs),
            "near_front": self.near_front,
            "best": self.best,
        })  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self.document.to_dict()

    def _point(self, number: int) -> dict[str, Any]:
        row = self.rows[number]
        apart = ("key", "status", "metrics", "reasons", "not_counted", "images")
        kept = {key: value for key, value in row.outcome.items() if key not in apart}
        closer = None if row.closer is None else {key: row.closer[key] for key in ("status", "reasons", "metrics")}
        return {
            "settings": row.settings,
            "status": self.status[number],
            "reasons": self.reasons(row),
            "rank": int(self.rank[number]) or None,
            "errors": row.errors or None,
            "paired": self.paired[number],
            **kept,
            **row.metrics,
            "closer": closer,
        }


def ranks(costs: np.ndarray) -> np.ndarray:
    """int64 [rows] from 1: fronts of costs float64 [rows, objectives], one after the other; less is better.

    In lexicographic order no row is better than one before it; each goes to the first front of which no row is better, found
    by bisection (efficient non-dominated sort, X. Zhang et al., IEEE Trans. Evol. Comput. 19(2), 2015).
    """
    found, fronts = np.zeros(len(costs), np.int64), list[list[int]]()
    for number in np.lexsort(costs.T[::-1]).tolist():
        low, high = 0, len(fronts)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if _dominated(costs[number], costs[fronts[middle]]) else (low, middle)
        if low == len(fronts):
            fronts.append([])
        fronts[low].append(number)
        found[number] = low + 1
    return found


def _dominated(one: np.ndarray, others: np.ndarray) -> bool:
    return bool(((others <= one).all(1) & (others < one).any(1)).any())


def _explained(levels: np.ndarray, values: np.ndarray) -> float | None:
    """Variance of the means of the levels, of all variance."""
    if len(values) < 2 or values.max() == values.min():
        return None
    number = np.unique(levels, return_inverse=True)[1]
    many = np.bincount(number)
    means = np.bincount(number, values) / many
    between = float((many * (means - values.mean()) ** 2).sum())
    return min(1.0, between / float(((values - values.mean()) ** 2).sum()))


def _ann(choice: AnnChoice) -> dict[str, Any]:
    chip = choice.chip
    values = None if chip is None else {"sha256": chip.sha256, "values": chip}
    return {"chip": values, "bits": choice.bits, "sparsity": choice.sparsity}


def _about(name: str) -> dict[str, Any]:
    objective = OBJECTIVES[name]
    return {
        "column": objective.column,
        "unit": objective.unit,
        "what": objective.words,
        "better": "more" if objective.more else "less",
    }
