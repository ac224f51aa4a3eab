"""The documents of a study and of a comparison: all that `sweep` and `compare` say, typed, and as JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema
from typing_extensions import TypedDict

from neurosim.chip.covers import Said
from neurosim.errors import FileError
from neurosim.explore.axis import USABLE, usable
from neurosim.explore.study import CHOICES
from neurosim.io.findings_file import load_findings
from neurosim.outcome.chip_sections import ChipValues
from neurosim.outcome.cost_sections import ByPurpose
from neurosim.outcome.document import ByBound, CountSection, RunDocument
from neurosim.schema import AtLeastOne, Real, Section, Whole, problems_of, some


def _usable(value: Any) -> Any:
    if not usable(value):
        raise ValueError(f"is {value!r:.60}; values are {USABLE}")
    return value


Setting = Annotated[Any, AfterValidator(_usable), WithJsonSchema({"type": ["string", "number", "boolean"]})]

if TYPE_CHECKING:
    Choices = dict[str, str]
else:
    Choices = TypedDict("Choices", dict.fromkeys(CHOICES, str))


class MetricsSection(Section):
    """What a run is judged by, a field for every objective; null where it is not known."""

    energy_J: Real | None
    latency_s: Real | None
    throughput_per_s: Real | None
    area_mm2: Real | None
    accuracy: Real | None
    busiest_link_flits: Real | None
    cores: Real | None


class AnnOverSnn(Section):
    """Energy of the network without spikes, of that with."""

    compute: Real | None
    all: Real | None


class OutcomeHead(Section):
    """What came of a point, and why it does not fit."""

    status: str
    reasons: list[str]


class CloserLook(OutcomeHead):
    """What came of a point of the front in another detail of time; what does not fit has no metrics."""

    metrics: dict[str, Real | None]


class Kept(CloserLook):
    """A point as a store keeps it, under the hash of what was asked."""

    key: str
    counts: CountSection | None = None
    energy_by_purpose_J: ByPurpose | None = None
    bound_by: ByBound | None = None
    ann_over_snn: AnnOverSnn | None = None
    not_counted: list[str] | None = None


class PointHead(Section):
    """Where a point lies."""

    settings: dict[str, Setting]


class PointJudged(Section):
    """The front that a point lies on, from 1, null for what is not ok; and per image, what was done."""

    rank: AtLeastOne | None
    counts: CountSection | None = None
    energy_by_purpose_J: ByPurpose | None = None
    bound_by: ByBound | None = None
    ann_over_snn: AnnOverSnn | None = None


class PointRow(MetricsSection, PointJudged, OutcomeHead, PointHead):
    """A point of a study."""

    closer: CloserLook | None

    def amount(self, column: str) -> float | None:
        """Of an objective, by its column."""
        found: float | None = getattr(self, column)
        return found


class ObjectiveSection(Section):
    """An objective; better: "more" or "less"."""

    column: str
    unit: str
    what: str
    better: str


class BoundsSection(Section):
    """What an objective must lie between."""

    min: Real | None
    max: Real | None


class AxisSection(Section):
    """A range that points are drawn from."""

    values: list[Setting]
    low: Real
    high: Real
    log: bool
    whole: bool


class FrontTiming(Section):
    """How the front was looked at once more."""

    timing: str
    images: AtLeastOne | None


class StudyDocument(Section):
    """Everything that is said about a study. front, ranked: numbers of points."""

    study: str
    version: str
    networks: dict[str, str]
    chips: dict[str, ChipValues]
    inputs: str
    images: AtLeastOne
    sample: str
    drawn: Whole
    seed: int
    objectives: dict[str, ObjectiveSection]
    constraints: dict[str, BoundsSection]
    choices: Choices
    packet_images: int | str | None = None
    set: dict[str, Any]
    axes: dict[str, list[Setting] | AxisSection]
    front_timing: FrontTiming | None
    points: list[PointRow]
    front: list[Whole]
    ranked: list[Whole]
    sensitivity: dict[str, dict[str, Real | None]]
    sensitivity_by_chance: dict[str, Real] | None
    not_counted: list[str]

    @property
    def contradictions(self) -> list[str]:
        """Where parts do not belong together, each with its path."""
        named = {"front": self.front, "ranked": self.ranked}
        wrong = [(name, number) for name, numbers in named.items() for number in numbers if number >= len(self.points)]
        found = [f"json.{name}: there is no point {number}" for name, number in wrong]
        columns = [(name, o.column) for name, o in self.objectives.items() if o.column not in MetricsSection.model_fields]
        found += [f"json.objectives.{name}.column: there is no {column!r}" for name, column in columns]
        shares = [(f"sensitivity.{name}", of.keys()) for name, of in self.sensitivity.items()]
        shares += [] if self.sensitivity_by_chance is None else [("sensitivity_by_chance", self.sensitivity_by_chance.keys())]
        found += [f"json.{name}.{axis}: is missing" for name, of in shares for axis in self.axes if axis not in of]
        unlike = [number for number, point in enumerate(self.points) if point.settings.keys() != self.axes.keys()]
        return found + [f"json.points.{number}.settings: they are not those of the axes" for number in unlike]


class ComparisonDocument(Section):
    """What `neurosim compare` says: by chip and objective, how many times the first; the settings that differ; why chips do not
    fit; and the run on every other. coverage: by chip, whether each kind of cost is counted, null where that is not said;
    uneven: a warning for every kind that not all count alike."""

    chips: list[str]
    ratios: dict[str, dict[str, Real | None]]
    metrics: dict[str, MetricsSection]
    differences: dict[str, list[Any]]
    reasons: dict[str, list[str]]
    runs: dict[str, RunDocument]
    coverage: dict[str, dict[str, Said | None]] = Field(default_factory=dict)
    uneven: list[str] = Field(default_factory=list)


def read_findings(path: str | os.PathLike[str]) -> StudyDocument:
    """The document of a study from its JSON; raises FileError with every problem, each with its path."""
    values = load_findings(path)
    try:
        found = StudyDocument.model_validate(values)
    except ValidationError as error:
        problems = problems_of(error, values, "json")
        raise FileError(str(path), some(problems), len(problems)) from None
    if found.contradictions:
        raise FileError(str(path), some(found.contradictions), len(found.contradictions))
    return found
