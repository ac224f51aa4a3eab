"""What the document of a run says about costs: energy, the network without spikes, the papers' model, and NeuroBench."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import TypedDict

from neurosim.cost.action import PURPOSES
from neurosim.cost.dataflow import REUSES
from neurosim.cost.paper import PAPER_CONSTANTS
from neurosim.outcome.chip_sections import ChipSection
from neurosim.schema import Real, Section, Whole

Shares = dict[str, Real]

if TYPE_CHECKING:
    ByPurpose = dict[str, float]
else:
    ByPurpose = TypedDict("ByPurpose", dict.fromkeys(PURPOSES, Real))


class PerEvent(Section):
    """pJ per synaptic event, of all energy without what is drawn all the time, and of all of it."""

    dynamic: Real
    total: Real


class ImageSpread(Section):
    """How far images are apart: the median, what 99 % do not exceed, and the standard error of the mean, null of one image."""

    median: Real
    p99: Real
    standard_error: Real | None


class PowerSection(Section):
    """W while the run lasts: of all energy, of what is done, and of what is drawn all the time."""

    average: Real
    dynamic: Real
    static: Real


class AreaSection(Section):
    """mm2 of memories and blocks on all chips, those off the chip left out; null where one is not known. total: null where any
    is not."""

    total: Real | None
    by_component: dict[str, Real | None]


class ScaledSection(Section):
    """Dynamic energies are those of one node and supply scaled to another: *factor* times, for prices that are of the node of
    the chip. kept: what is not scaled."""

    from_nm: Real
    from_V: Real
    to_nm: Real
    to_V: Real
    factor: Real
    rule: str
    kept: str


class EnergySection(Section):
    """Of the whole run. per_image_J_error: half-width of the 95 % interval that a time known from a sample of steps leaves, 0
    where all were timed by packets, null where none was. scaled: to another node, if they are."""

    total_J: Real
    per_image_J: Real
    compute_J: Real
    data_movement_J: Real
    static_J: Real
    by_component_J: Shares
    by_purpose_J: ByPurpose
    per_image_J_error: Real | None = None
    pj_per_synaptic_event: PerEvent | None = None
    scaled: ScaledSection | None = None


class ActionRow(Section):
    """Something that costs energy, how often it was done, and the price of it."""

    action: str
    component: str
    purpose: str
    count: Whole
    constant: str
    pj: Real
    uncertainty: Real
    energy_J: Real


class ReuseSection(Section):
    """Energy of the network without spikes, on all images, with one kind of reuse."""

    compute_J: Real
    data_movement_J: Real
    static_J: Real
    total_J: Real
    by_purpose_J: ByPurpose
    by_part_J: Shares


if TYPE_CHECKING:
    Reused = dict[str, ReuseSection]
else:
    Reused = TypedDict("Reused", dict.fromkeys(REUSES, ReuseSection))


class AnnHead(Section):
    """Multiply-accumulates of the network without spikes on all images."""

    macs: Whole


class AnnSection(ReuseSection, AnnHead):
    """The network without spikes: energies with the stated reuse (dataflow), and with every one. chip: its machine, that of the
    network with spikes or one of its own. bits: of its activations, and at most of its weights. sparsity: share of activations
    that were taken to be zero. accuracy: as it was trained, in floating point; null where that is not known. scaled: energies,
    to another node, if they are."""

    assumes: str
    dataflow: str
    reuse: Reused
    chip: ChipSection | None = None
    bits: Whole | None = None
    sparsity: Real | None = None
    accuracy: Real | None = None
    scaled: ScaledSection | None = None


class ChoiceRow(Section):
    """A choice of the model that nobody can know for a chip. energy: of an image with the *other* value, in units of what it is
    as the chip has it; ratio: ANN / SNN then, with the stated reuse and leakage."""

    choice: str
    taken: str
    other: str
    energy: Real
    ratio: Real


class ModelSection(Section):
    """What choices of the model leave open, tried on so many images in analytic time: lowest and highest energy per image, and
    ANN / SNN with any reuse, over each choice alone, all that save energy, and all that cost more."""

    images: Whole
    choices: list[ChoiceRow]
    per_image_J: list[Real] = Field(min_length=2, max_length=2)
    ratio: list[Real] = Field(min_length=2, max_length=2)


class PaperPrices(Section):
    """pJ of a multiply-accumulate and of an addition."""

    mac_pJ: Real
    ac_pJ: Real


class PaperEnergies(Section):
    """J per image of compute alone, without spikes and with."""

    ann_J: Real
    snn_J: Real
    ratio: Real | None


class PaperMacs(Section):
    """With the MACs of the first layer counted once per image, or once per step."""

    once: PaperEnergies
    per_step: PaperEnergies


class PaperOther(Section):
    """The same with other constants."""

    conv1_mac: PaperMacs


class PaperLayer(Section):
    """Operations of a layer per image, by the papers' model; accumulates: as they were counted."""

    name: str
    ann_macs: Whole
    spikes_per_neuron: Real | None
    snn_operations: Real
    accumulates: Real | None = None


if TYPE_CHECKING:
    PaperConstants = dict[str, PaperPrices]
else:
    PaperConstants = TypedDict("PaperConstants", dict.fromkeys(PAPER_CONSTANTS, PaperPrices))


class PaperHead(Section):
    """The constants of the papers."""

    constants: PaperConstants


class PaperSection(PaperEnergies, PaperHead):
    """The compute-only model of the papers, per image."""

    conv1_mac: PaperMacs
    int32: PaperOther
    layers: list[PaperLayer]


class FootprintSection(Section):
    """Bytes of weights and constants, see `neurosim.cost.neurobench.Footprint`."""

    stored_bytes: Whole
    float32_bytes: Whole


class SynapticSection(Section):
    """Synaptic operations per sample, under the names of the harness."""

    effective_macs: Real | None = Field(alias="Effective_MACs")
    effective_acs: Real | None = Field(alias="Effective_ACs")
    dense: Real = Field(alias="Dense")


class NeuronSection(Section):
    """Neuron operations per sample, under the names of the harness."""

    effective: Real | None = Field(alias="Effective Neuron Ops")
    dense: Real = Field(alias="Neuron Dense Ops")


class NeuroBenchSection(Section):
    """The metrics of NeuroBench; missing: why one is null."""

    source: str
    harness: str
    batch: Whole
    footprint: FootprintSection
    connection_sparsity: Real
    activation_sparsity: Real
    synaptic_operations: SynapticSection
    membrane_updates: Real | None
    neuron_operations: NeuronSection
    missing: dict[str, str]
