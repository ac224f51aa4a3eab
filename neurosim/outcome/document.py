"""The document of a run: all that `run`, `replay`, `reprice` and `evaluate` say about it, typed, and as JSON.

A key of the JSON is a field; what runs of before do not have has a default, and stays away where it was not given. `python -m
neurosim.outcome` prints the JSON Schema.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from neurosim.cost.action import GROUP_OF, PURPOSES
from neurosim.cost.comparison import BreakEven, CostStep, steps
from neurosim.cost.dataflow import REUSES
from neurosim.cost.uncertainty import Spread
from neurosim.outcome.chip_sections import ChipSection
from neurosim.outcome.cost_sections import (
    ActionRow,
    AnnSection,
    AreaSection,
    EnergySection,
    ImageSpread,
    ModelSection,
    NeuroBenchSection,
    PaperSection,
    PowerSection,
    Shares,
)
from neurosim.schema import AtLeastOne, Real, Section, Whole
from neurosim.timing.tally import BOUNDS

if TYPE_CHECKING:
    ByBound = dict[str, float]
else:
    ByBound = TypedDict("ByBound", dict.fromkeys(BOUNDS, Real))


class WorstStep(Section):
    """The longest step of the run."""

    image: Whole
    step: Whole
    cycles: Whole


class TimeSection(Section):
    """The time of the whole run. cycles_per_step: mean over images, cycles_per_step_max: the longest; bound_by: shares of the
    cycles, by what set the pace; bound_by_per_step: cycles, mean over images.

    packet_images: how many images were drawn for each step and timed in it packet by packet, other images for other steps; with
    the analytically longest step that makes packet_steps steps, of packet_images_touched images, in packet_cycles. Queues,
    stalls, peak use of links and who blocked whom are theirs. seconds_per_image_error: half-width of the 95 % interval of the
    time of all images, 0 where all were timed so, null where none was.
    """

    cycles: Whole
    seconds: Real
    seconds_per_image: Real
    latency_seconds_per_image: Real
    images_per_second: Real | None
    cycles_per_step: list[Real]
    bound_by: ByBound
    bound_by_per_step: list[ByBound] | None = None
    seconds_per_image_error: Real | None = None
    packet_images: Whole | None = None
    packet_cycles: Whole | None = None
    packet_steps: Whole | None = None
    packet_images_touched: Whole | None = None
    cycles_per_step_max: list[Whole] | None = None
    worst_step: WorstStep | None = None

    @property
    def sampled(self) -> bool:
        """Whether a sample of steps was timed by packets, and others were not."""
        return bool(self.packet_images and self.seconds_per_image_error)

    @property
    def error(self) -> float | None:
        """Half-width of the 95 % interval of the time, as a share of it."""
        found = self.seconds_per_image_error
        return found / self.seconds_per_image if found else found

    @property
    def timed_cycles(self) -> int:
        """Those of the steps whose queues and stalls are known."""
        return self.packet_cycles if self.sampled and self.packet_cycles else self.cycles


class CountSection(Section):
    """What happened how often, in all images and steps; see the README for what each counts."""

    spikes: Whole
    input_events: Whole
    synaptic_events: Whole
    accumulates: Whole
    pool_adds: Whole
    pool_macs: Whole
    payload_macs: Whole = 0
    macs: Whole
    neuron_updates: Whole
    leak_multiplies: Whole
    compares: Whole
    packets: Whole
    flits: Whole
    flit_hops: Whole
    inter_chip_flits: Whole
    saturations: Whole


class MemoryRow(Section):
    """Words of one memory that were read and written, of one kind of item."""

    level: str
    holds: str
    reads: Whole
    writes: Whole
    bits_read: Whole
    bits_written: Whole
    energy_J: Real


class LayerHead(Section):
    """A layer, and how many cores hold a part of it."""

    name: str
    neurons: AtLeastOne
    cores: Whole


class LayerRow(CountSection, LayerHead):
    """What a layer did and cost. spikes_per_step: mean over images, empty for an output that never fires. seconds, bound_by:
    the time of the turns in which it works, and shares of what set the pace in them; null where layers share their turns."""

    energy_J: Real
    energy_by_component_J: Shares | None = None
    seconds: Real | None = None
    bound_by: ByBound | None = None
    spikes_per_step: list[Real] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """use, of limit (none: it does not bind), in *unit*. There are many: as sections they would take five times as long."""

    use: Whole
    limit: Whole | None
    unit: str


class CoreHead(Section):
    """A core in use, its place in the mesh, and what it holds; memory_use: by resource."""

    index: Whole
    chip: Whole
    x: Whole
    y: Whole
    layer: str
    neurons: Whole
    synapses: Whole
    memory_use: dict[str, MemoryUse]

    @property
    def fullest(self) -> float:
        """The largest share in use of a memory."""
        return max((u.use / u.limit for u in self.memory_use.values() if u.unit == "bits" and u.limit), default=0.0)


class CoreRow(CountSection, CoreHead):
    """What a core did and cost; busy + idle = the cycles of the run."""

    busy_cycles: Whole
    memory_stall_cycles: Whole
    idle_cycles: Annotated[int, Strict()]
    queue_peak: Whole
    refused_cycles: Whole
    energy_J: Real


class LinkRow(Section):
    """A link of the mesh that was used, from one tile (x, y) to the next."""

    start: list[Whole] = Field(alias="from", min_length=2, max_length=2)
    end: list[Whole] = Field(alias="to", min_length=2, max_length=2)
    flits: Whole
    peak_use: Real
    busy_cycles: Whole
    stalled_cycles: Whole

    @property
    def ends(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(x, y) of both."""
        (ax, ay), (bx, by) = self.start, self.end
        return (ax, ay), (bx, by)


class BlockedRow(Section):
    """Cycles that packets for core *waiting* were next in a buffer behind one for core *behind*, summed over packets."""

    waiting: Whole
    behind: Whole
    cycles: Whole


class NetworkSection(Section):
    """The network; spikes_per_neuron: over all steps of an image, in this run."""

    name: str
    sha256: str
    spikes_per_neuron: Real
    neurons: Whole
    synapses: Whole
    layers: Whole
    arithmetic: str
    dataset: Any = None
    accuracy_reference: Any = None


class Origin(Section):
    """The chip that a run was priced for before."""

    name: str
    sha256: str


class Versions(Section):
    """What computed: Python, the libraries that decide numbers, and the machine."""

    python: str
    numpy: str
    numba: str
    scipy: str
    h5py: str
    platform: str


class Provenance(Section):
    """How the run came about, and all that it takes to repeat it: the network, the inputs and the chip with these hashes, and
    the choices. inputs_sha256: of what was shown, labels included (`Inputs.sha256`); null where a trace does not hold it.
    partitioner: null for a mapping from a file. seed: of the placer, null where it takes no chances.
    packet_images: "auto", "all" or how many were asked for of each step, drawn by packet_seed."""

    version: str
    command: str
    created: str
    seed: Annotated[int, Strict()] | None
    inputs: str
    placer: str
    timing: str
    schedule: str
    partitioner: str | None = None
    images: AtLeastOne | None = None
    packet_images: int | str | None = None
    packet_seed: Whole | None = None
    network_sha256: str | None = None
    inputs_sha256: str | None = None
    chip_sha256: str | None = None
    mapping_sha256: str | None = None
    versions: Versions | None = None
    repriced_from: Origin | None = None


def _whole_spread(found: Spread) -> Spread:
    """Where the energy is uncertain, so is its quotient for every reuse."""
    for reuse in REUSES:
        if found.snn_J is not None and reuse not in found.ratio:
            raise PydanticCustomError("missing", "is missing", {"inside": ("ratio", reuse)})
    return found


class RunDocument(Section):
    """Everything that is said about a run; SI units in the names, integers as integers. outputs: potentials after the last
    step, [images][classes]. accuracy_interval: of 95 %, of the accuracy on all images of the kind, by Wilson. images_energy_J,
    images_seconds: of every image, leakage by the time that it took, time from its first turn to its answer; how far images are
    apart beside them. energy_delay_Js: energy per image times latency. uncertainty: of prices; model: of choices that are
    none, null where they were not tried."""

    images: AtLeastOne
    timesteps: AtLeastOne
    accuracy: Real | None
    accuracy_interval: list[Real] | None = Field(None, min_length=2, max_length=2)
    predictions: list[Whole]
    outputs: list[list[Real]]
    time: TimeSection
    counts: CountSection
    memory: list[MemoryRow]
    layers: list[LayerRow]
    cores: list[CoreRow]
    links: list[LinkRow]
    blocked: list[BlockedRow] = Field(default_factory=list)
    energy: EnergySection
    images_energy_J: list[Real] | None = None
    images_energy_spread_J: ImageSpread | None = None
    images_seconds: list[Real] | None = None
    images_seconds_spread: ImageSpread | None = None
    power_W: PowerSection | None = None
    energy_delay_Js: Real | None = None
    area_mm2: AreaSection | None = None
    actions: list[ActionRow]
    ann: AnnSection
    break_even: BreakEven
    uncertainty: Annotated[Spread, AfterValidator(_whole_spread)]
    model: ModelSection | None = None
    paper: PaperSection
    neurobench: NeuroBenchSection | None = None
    chip: ChipSection
    network: NetworkSection
    provenance: Provenance
    not_counted: list[str]

    @property
    def steps(self) -> list[CostStep]:
        """Energy per image beside the same network without spikes, from compute alone to everything."""
        without = {reuse: found.by_purpose_J for reuse, found in self.ann.reuse.items()}
        return steps(without, self.energy.by_purpose_J, self.images)

    @property
    def groups(self) -> dict[str, str]:
        """Whether a component is compute, data movement or static."""
        return {action.component: GROUP_OF[action.purpose] for action in self.actions}

    def core_words(self, core: int) -> str:
        """A core and its layer."""
        layers = [row.layer for row in self.cores if row.index == core]
        return f"core {core} ({layers[0]})" if layers else f"core {core}"

    @property
    def contradictions(self) -> list[str]:
        """Where parts that are well by themselves do not belong together, each with its path."""
        return [f"json.{text}" for text in (*self._lengths(), *self._layers(), *self._components(), *self._outside())]

    def _lengths(self) -> Iterator[str]:
        found: list[tuple[str, str, Sequence[Any] | None]] = [
            ("predictions", "images", self.predictions), ("outputs", "images", self.outputs),
            ("images_energy_J", "images", self.images_energy_J), ("images_seconds", "images", self.images_seconds),
            ("time.cycles_per_step", "timesteps", self.time.cycles_per_step),
            ("time.bound_by_per_step", "timesteps", self.time.bound_by_per_step),
            ("time.cycles_per_step_max", "timesteps", self.time.cycles_per_step_max),
        ]  # fmt: skip
        found += [(f"layers.{layer.name}.spikes_per_step", "timesteps", layer.spikes_per_step or None) for layer in self.layers]
        for path, what, values in found:
            many = getattr(self, what)
            if values is not None and len(values) != many:
                yield f"{path}: is for {len(values)} {what}; there are {many}"

    def _layers(self) -> Iterator[str]:
        """Layers listed twice, and outputs of other classes than the first."""
        for name, many in Counter(layer.name for layer in self.layers).items():
            if many > 1:
                yield f"layers.{name}: is listed {many} times"
        for number, row in enumerate(self.outputs):
            if len(row) != len(self.outputs[0]):
                yield f"outputs.{number}: is for {len(row)} classes; outputs.0 is for {len(self.outputs[0])}"

    def _components(self) -> Iterator[str]:
        unknown = self.energy.by_component_J.keys() - {action.component for action in self.actions}
        yield from (f"energy.by_component_J.{name}: is the component of none of 'actions'" for name in sorted(unknown))
        wrong = sorted({action.purpose for action in self.actions} - {*PURPOSES})
        yield from (f"actions: there is no purpose {name!r}; there are: {', '.join(PURPOSES)}" for name in wrong)

    def _outside(self) -> Iterator[str]:
        """Cores and links that the chip does not have, and a hash that is not its own."""
        for path, chip in (("chip", self.chip), ("ann.chip", self.ann.chip)):
            if chip is not None and chip.sha256 != chip.values.sha256:
                yield f"{path}.sha256: is {chip.sha256!r}; its values have {chip.values.sha256!r}"
        grid = self.chip.values.grid
        for number, core in enumerate(self.cores):
            if core.index >= grid.cores:
                yield f"cores.{number}.index: is {core.index}; the chip has cores 0 to {grid.cores - 1}"
        for number, link in enumerate(self.links):
            if not grid.joins(*link.ends):
                yield f"links.{number}: there is no link from {link.ends[0]} to {link.ends[1]}"


def schema_text() -> str:
    """The JSON Schema of the document."""
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(named | RunDocument.model_json_schema(), indent=1) + "\n"
