"""The documents of a study and of a comparison: all that `sweep` and `compare` say, typed, and as JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema
from typing_extensions import TypedDict

from neurosim.chip.covers import Said
from neurosim.errors import FileError
from neurosim.explore.axis import USABLE, usable
from neurosim.explore.images import PAIRED
from neurosim.explore.study import CHOICES
from neurosim.io.findings_file import load_findings
from neurosim.outcome.chip_sections import ChipValues
from neurosim.outcome.cost_sections import ByPurpose
from neurosim.outcome.document import ByBound, CountSection, RunDocument
from neurosim.outcome.paired import PairedSection
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
    energy_median_J: Real | None = None
    energy_p99_J: Real | None = None
    latency_s: Real | None
    latency_median_s: Real | None = None
    latency_p99_s: Real | None = None
    edp_Js: Real | None = None
    throughput_per_s: Real | None
    power_W: Real | None = None
    dynamic_power_W: Real | None = None
    pj_per_event: Real | None = None
    dynamic_pj_per_event: Real | None = None
    area_mm2: Real | None
    accuracy: Real | None
    busiest_link_flits: Real | None
    cores: Real | None
    ann_energy_J: Real | None = None
    ann_pj_per_mac: Real | None = None
    ann_ratio: Real | None = None


class AnnOverSnn(Section):
    """Energy of the network without spikes, of that with."""

    compute: Real | None
    all: Real | None


class ErrorsSection(Section):
    """How far the means of energy and latency may be off: the standard errors of means over so many images; and the half-widths
    of the 95 % intervals that a time known from a sample of steps leaves, 0 where all were timed by packets, null where none
    was."""

    energy_J_standard_error: Real | None
    energy_J_error: Real | None
    latency_s_standard_error: Real | None
    latency_s_error: Real | None


class ImagesSection(Section):
    """What a store keeps of every image, see `neurosim.explore.images`."""

    energy_J: list[Real]
    seconds: list[Real]
    right: list[bool] | None
    trace: str
    energy_error_J: Real | None
    seconds_error: Real | None


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
    images: ImagesSection | None = None


class PointHead(Section):
    """Where a point lies."""

    settings: dict[str, Setting]


class PointJudged(Section):
    """The front that a point lies on, from 1, null for what is not ok; per image, what was done; and by objective, in what it
    differs from the best point of that objective."""

    rank: AtLeastOne | None
    errors: ErrorsSection | None = None
    paired: dict[str, PairedSection] | None = None
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


class StudyAnn(Section):
    """The network without spikes that all points are beside: its chip, null where it is that of the point; the most bits of its
    values, null where they are as usual; the share of its activations that is zero."""

    chip: ChipValues | None
    bits: AtLeastOne | None
    sparsity: Real | str


class StudyDocument(Section):
    """Everything that is said about a study. front, ranked: numbers of points. near_front: those behind the front that are in
    no objective told apart from being as good as some point of it. best: by objective, the point that others are paired with.
    axis_costs: of every axis that is a number of a chip, by chip, which of energy, leakage and area follow it; free_axes: by
    axis that nothing follows, on which chips. ann: null where the network without spikes is as it is usually, on the
    chip of each point; scale_node: null where nothing is scaled."""

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
    ann: StudyAnn | None = None
    scale_node: Real | str | None = None
    set: dict[str, Any]
    axes: dict[str, list[Setting] | AxisSection]
    front_timing: FrontTiming | None
    points: list[PointRow]
    front: list[Whole]
    ranked: list[Whole]
    sensitivity: dict[str, dict[str, Real | None]]
    sensitivity_by_chance: dict[str, Real] | None
    not_counted: list[str]
    near_front: list[Whole] | None = None
    best: dict[str, Whole] | None = None
    axis_costs: dict[str, dict[str, list[str]]] | None = None
    free_axes: dict[str, list[str]] | None = None

    @property
    def contradictions(self) -> list[str]:
        """Where parts do not belong together, each with its path."""
        named = {"front": self.front, "ranked": self.ranked, "near_front": self.near_front or []}
        named |= {f"best.{name}": [number] for name, number in (self.best or {}).items()}
        wrong = [(name, number) for name, numbers in named.items() for number in numbers if number >= len(self.points)]
        found = [f"json.{name}: there is no point {number}" for name, number in wrong]
        columns = [(name, o.column) for name, o in self.objectives.items() if o.column not in MetricsSection.model_fields]
        found += [f"json.objectives.{name}.column: there is no {column!r}" for name, column in columns]
        shares = [(f"sensitivity.{name}", of.keys()) for name, of in self.sensitivity.items()]
        shares += [] if self.sensitivity_by_chance is None else [("sensitivity_by_chance", self.sensitivity_by_chance.keys())]
        found += [f"json.{name}.{axis}: is missing" for name, of in shares for axis in self.axes if axis not in of]
        named_by = [("best", [*(self.best or ())])]
        named_by += [(f"points.{number}.paired", [*(point.paired or ())]) for number, point in enumerate(self.points)]
        strangers = [(place, name) for place, of in named_by for name in of if name not in PAIRED]
        found += [f"json.{place}: there is no objective {name!r}" for place, name in strangers]
        unlike = [number for number, point in enumerate(self.points) if point.settings.keys() != self.axes.keys()]
        return found + [f"json.points.{number}.settings: they are not those of the axes" for number in unlike]


class ComparisonDocument(Section):
    """What `neurosim compare` says: by chip and objective, how many times the first; the settings that differ; why chips do not
    fit; and the run on every other. coverage: by chip, whether each kind of cost is counted, null where that is not said;
    uneven: a warning for every kind that not all count alike; nodes: one where nodes differ. paired: by chip and objective, in
    what it differs from the first; free: in words, the settings in which a chip differs from the first and that no price,
    leakage or area follows."""

    chips: list[str]
    ratios: dict[str, dict[str, Real | None]]
    metrics: dict[str, MetricsSection]
    differences: dict[str, list[Any]]
    reasons: dict[str, list[str]]
    runs: dict[str, RunDocument]
    coverage: dict[str, dict[str, Said | None]] = Field(default_factory=dict)
    uneven: list[str] = Field(default_factory=list)
    nodes: list[str] = Field(default_factory=list)
    errors: dict[str, ErrorsSection] = Field(default_factory=dict)
    paired: dict[str, dict[str, PairedSection]] = Field(default_factory=dict)
    free: list[str] = Field(default_factory=list)


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
