"""Does the simulator answer what was recorded when the network was made? Every spike, every potential.

Integers have to agree exactly. Floats are summed in another order elsewhere, so spikes are compared one by one and potentials
within a tolerance; a difference is blamed on the layer that makes it, which is run on the recorded spikes of its sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import NetworkError
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.inputs import Inputs
from neurosim.network.layers import AT_ONCE, INPUT, NEXT_STEP, Layer
from neurosim.network.network import Network
from neurosim.network.neuron import factor
from neurosim.network.quantize import PIXEL_MAX
from neurosim.spikes.answers import AnswerVerdict, answered
from neurosim.spikes.simulate import drive, simulate
from neurosim.spikes.suspects import Evidence, named
from neurosim.spikes.trace import LayerTrace, SpikeTrace, mismatches

# Relative to the threshold, or to the potential where that is larger (in an Output, to the largest of all): some 800 roundings
# of a float32.
POTENTIAL_TOLERANCE = 1e-4
ROUNDING = f"rounding: the potential is within {POTENTIAL_TOLERANCE:g} of the threshold; sums of float32 depend on their order"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first difference: where it is, what was simulated and what was recorded, and what probably causes it.

    Potentials are those before the reset, None where nothing was recorded; *hidden*: whether a spike sets them, so that what
    was before is not known.
    """

    stimulus: str
    layer: str
    step: int
    neuron: tuple[int, int, int]
    threshold: float | None
    simulated_potential: float
    recorded_potential: float | None
    simulated_spike: bool | None
    recorded_spike: bool | None
    causes: tuple[str, ...]
    hidden: bool = False

    def __str__(self) -> str:
        c, y, x = self.neuron
        lines = [f"first mismatch: layer {self.layer!r}, step {self.step}, neuron (c, y, x) = ({c}, {y}, {x}), {self.stimulus}"]
        simulated = self._before(self.simulated_potential, self.simulated_spike)
        recorded = self._before(self.recorded_potential, self.recorded_spike)
        lines.append(f"  potential before reset: simulated {simulated}, recorded {recorded}")
        if self.threshold is not None:
            fired = {True: "fires", False: "is silent"}
            lines.append(
                f"  threshold {self.threshold:g}: simulated {fired[bool(self.simulated_spike)]}, "
                f"recorded {fired[bool(self.recorded_spike)]}"
            )
        return "\n".join([*lines, *(f"  likely cause: {cause}" for cause in self.causes)])

    def _before(self, potential: float | None, spike: bool | None) -> str:
        if potential is None:
            return "not recorded"
        return f"unknown (its spike sets it to {potential:g})" if self.hidden and spike else f"{potential:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of what was compared and of what differs; *first* is the earliest difference in the flow of data.

    float_mismatch: share of (neuron, step) pairs in which the float twin's spikes differ, by layer; *float_same*: samples to
    which it gives the same class; None without one.

    Of a float network: *rates*, the share of (neuron, step) pairs in which spikes differ from the recorded ones, by layer;
    *tolerance*, the share that is accepted, whatever makes them; None: any that are roundings, and no others; *origins*,
    neurons in which a difference begins, and *rounded*, how many of them
    begin it within the rounding of float32 at the threshold; *off*, how many have a wrong potential. *answers*: what the
    network answers beside what its maker answered, None where that is not recorded; they count like the others.
    """

    samples: int
    probes: int
    compared: int
    mismatches: int
    first: Mismatch | None
    float_mismatch: dict[str, float] | None = None
    float_same: int | None = None
    rates: dict[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    origins: int = 0
    rounded: int = 0
    off: int = 0
    answers: AnswerVerdict | None = None

    @property
    def answers_differ(self) -> bool:
        return self.answers is not None and self.answers.mismatches > 0

    @property
    def ok(self) -> bool:
        if self.mismatches == 0 or self.tolerance is None:
            return self.mismatches == 0 or self.rounding_only
        accepted = bool(self.rates and not self.off and max(self.rates.values()) <= self.tolerance)
        return accepted and not self.answers_differ

    @property
    def rounding_only(self) -> bool:
        """Whether every difference begins as a rounding at the threshold."""
        return self.mismatches > 0 and self.rounded == self.origins > 0 and not self.answers_differ

    def to_dict(self) -> dict[str, Any]:
        first = None
        if self.first is not None:
            first = {name: getattr(self.first, name) for name in Mismatch.__slots__}
        return {
            "ok": self.ok,
            "samples": self.samples,
            "probes": self.probes,
            "compared": self.compared,
            "mismatches": self.mismatches,
            "first": first,
            "float_mismatch_rate": self.float_mismatch,
            "float_same_class": self.float_same,
            "spike_mismatch_rate": self.rates or None,
            "tolerance": self.tolerance,
            "potential_tolerance": POTENTIAL_TOLERANCE if self.rates else 0.0,
            "rounding_only": self.rounding_only,
            "answers": None if self.answers is None else self.answers.to_dict(),
        }


def verify(network: Network, tolerance: float | None = None) -> Verdict:
    """Simulate the golden samples and the probes of every layer, and compare every spike and potential.

    *tolerance*: of a float network, the share of spikes that may differ in a layer, for whatever reason; None: as many as
    there are roundings at the threshold. Raises NetworkError if the network has no golden samples.
    """
    golden = network.golden
    if golden is None:
        problem = "it has no golden samples; training and from_torch record them, and `neurosim quantize` of such a network"
        raise NetworkError(f"network {network.name!r}", [problem])
    if network.integer and tolerance:
        raise NetworkError(f"network {network.name!r}", [f"a tolerance of {tolerance:g} is for floats; its integers are exact"])
    bare = [layer.name for layer in network.layers if layer.name not in golden.samples]
    if bare:
        raise NetworkError(f"network {network.name!r}", [f"its golden samples lack layer {name!r}" for name in bare])
    inputs = _inputs(network, golden)
    network = network.over(inputs.steps, inputs.frames is not None)
    trace = simulate(network, inputs, record_potentials=True)
    return _with_answers(_verdict(network, golden, trace, tolerance), answered(network, golden))


def _with_answers(verdict: Verdict, answers: AnswerVerdict | None) -> Verdict:
    if answers is None:
        return verdict
    counts = {name: getattr(verdict, name) + getattr(answers, name) for name in ("compared", "mismatches")}
    return replace(verdict, answers=answers, **counts)


def _verdict(network: Network, golden: Golden, trace: SpikeTrace, tolerance: float | None) -> Verdict:
    """Of spikes and potentials."""
    if not network.integer:
        return _rounded(network, golden, trace, tolerance)
    compared = wrong = 0
    first = None
    for layer in network.layers:
        cases = [("golden sample", golden.samples[layer.name], trace.layers[layer.name])]
        if layer.name in golden.probes:
            driven = drive(network, layer, golden.stimuli[layer.name])
            cases.append(("probe of this layer", golden.probes[layer.name], driven))
        for stimulus, recorded, found in cases:
            n, bad, earliest = _compare(network, layer, stimulus, recorded, found)
            compared, wrong = compared + n, wrong + bad
            first = first or earliest
    twin = same = None
    if network.float_twin is not None:
        beside = simulate(network.float_twin, _for_twin(_inputs(network, golden)))
        twin, same = mismatches(trace, beside), int((trace.predictions == beside.predictions).sum())
    return Verdict(len(trace), len(golden.probes), compared, wrong, first, twin, same)


def _for_twin(inputs: Inputs) -> Inputs:
    """The same pixels for a float network, where they are integers that it does not take."""
    if inputs.images is None or inputs.images.dtype == np.uint8:
        return inputs
    return Inputs(inputs.images.astype(np.float32) / np.float32(PIXEL_MAX), inputs.labels, name=inputs.name)


class _Found(NamedTuple):
    """A layer of a float network beside its recording, given that its sources do what was recorded.

    Arrays are [N, T, neurons]; *origin*, *off*: where a neuron's spikes, or its potentials alone, differ for the first time;
    *rounding*: which of the former are a rounding at the threshold.
    """

    spikes: np.ndarray
    potentials: np.ndarray
    origin: np.ndarray
    off: np.ndarray
    rounding: np.ndarray

    @property
    def real(self) -> np.ndarray:
        found: np.ndarray = (self.origin & ~self.rounding) | self.off
        return found


def _rounded(network: Network, golden: Golden, trace: SpikeTrace, tolerance: float | None) -> Verdict:
    """The verdict over a float network."""
    rates, wrong, compared = {}, 0, 0
    for layer in network.layers:
        recorded = golden.samples[layer.name]
        compared += sum(a.size for a in (recorded.spikes, recorded.potentials) if a is not None)
        if recorded.spikes is not None:
            differ = trace.layers[layer.name].sent(layer.neurons) != recorded.spikes
            rates[layer.name], wrong = float(differ.mean()), wrong + int(differ.sum())
    found = {layer.name: _alone(network, layer, golden, trace, rates) for layer in network.layers}
    off = sum(int(f.off.sum()) for f in found.values())
    first = _earliest(network, golden, found)
    origins = sum(int((f.origin | f.off).sum()) for f in found.values())
    rounded = sum(int(f.rounding.sum()) for f in found.values())
    return Verdict(
        samples=len(trace), probes=0, compared=compared, mismatches=wrong + off, first=first, float_mismatch=None, rates=rates,
        tolerance=tolerance, origins=origins, rounded=rounded, off=off,
    )  # fmt: skip


def _alone(network: Network, layer: Layer, golden: Golden, trace: SpikeTrace, rates: dict[str, float]) -> _Found:
    if any(rates.get(source) for source in layer.sources):
        return _found(network, layer, golden, *_driven(network, layer, golden))
    own = trace.layers[layer.name]
    assert own.potentials is not None
    return _found(network, layer, golden, own.sent(layer.neurons), own.potentials)


def _events(values: np.ndarray) -> np.ndarray:
    """Spikes where all are 0 or 1, or else what events carry."""
    return values.astype(bool) if np.isin(values, (0, 1)).all() else values


def _driven(network: Network, layer: Layer, golden: Golden) -> tuple[np.ndarray, np.ndarray]:
    """(spikes, potentials) of one layer, driven by what its sources were recorded to do."""
    parts = []
    for i in range(len(golden.images)):
        image = golden.images[i : i + 1]
        given = image if network.input.encoding == "direct" else _events(image.reshape(1, image.shape[1], -1))
        recorded = {s: golden.samples[s].spikes for s in layer.sources if s != INPUT}
        stimuli = {s: spikes[i : i + 1] for s, spikes in recorded.items() if spikes is not None}
        parts.append(drive(network, network.layer(layer.name), {INPUT: given, **stimuli}))
    potentials = [p.potentials for p in parts if p.potentials is not None]
    return np.concatenate([p.sent(layer.neurons) for p in parts]), np.concatenate(potentials)


def _found(network: Network, layer: Layer, golden: Golden, sent: np.ndarray, potentials: np.ndarray) -> _Found:
    recorded = golden.samples[layer.name]
    spikes = sent if layer.spiking else np.zeros(potentials.shape, bool)
    there = spikes if recorded.spikes is None else recorded.spikes
    kept = potentials if recorded.potentials is None else recorded.potentials
    threshold = _thresholds(layer)
    largest = np.abs(potentials) if layer.spiking else np.abs(potentials).max(initial=1e-30)
    margin = POTENTIAL_TOLERANCE * np.maximum(threshold, largest)
    wrong, off = spikes != there, ~(np.abs(potentials - kept) <= margin)
    either = wrong | off
    # Whatever a neuron does after its first difference follows from it.
    first = either & (np.cumsum(either, 1) == 1)
    origin = first & wrong
    both = ((potentials, spikes), (kept, there))
    near, equal = (np.all([_meets(network, layer, *one, m) for one in both], 0) for m in (margin, 0))
    # Whoever fires above the threshold was not at it.
    equal &= (sent == 0) | (network.compare_of(layer) == ">=")
    rounding = origin & near & ~equal
    if _hides(network, layer) and (rounding & spikes).any():
        compared = _compared(network, layer, golden, potentials)
        rounding &= ~spikes | (np.abs(compared - threshold) <= POTENTIAL_TOLERANCE * np.maximum(threshold, np.abs(compared)))
    return _Found(spikes, potentials, origin, first & ~wrong, rounding)


def _hides(network: Network, layer: Layer) -> bool:
    """Whether a spike sets the potential, so that what was compared to the threshold is not known any more."""
    return network.reset_of(layer) == "zero" and network.order_of(layer) == AT_ONCE


def _compared(network: Network, layer: Layer, golden: Golden, potentials: np.ndarray) -> np.ndarray:
    """[N, T, neurons]: what is compared to the threshold, up to rounding: what each step brings, which is the potential of a
    layer that forgets all and never fires, and what the leak leaves of the potential before."""
    forgetful = replace(layer, leak=0.0, threshold=1e30, floor=None, initial=None, refractory=0)
    layers = tuple(forgetful if other is layer else other for other in network.layers)
    brought = _driven(replace(network, golden=None, layers=layers), forgetful, golden)[1]
    leak, start = (np.broadcast_to(none if value is None else value, layer.shape).ravel()
                   for value, none in ((factor(layer.leak), 1.0), (layer.initial, 0.0)))  # fmt: skip
    before = np.concatenate([np.broadcast_to(start, potentials[:, :1].shape), potentials[:, :-1]], 1)
    found: np.ndarray = leak * before + brought
    return found


def _thresholds(layer: Layer) -> np.ndarray:
    """[neurons]; 0 of an Output."""
    return np.broadcast_to(0 if layer.threshold is None else layer.threshold, layer.shape).ravel()


def _meets(network: Network, layer: Layer, kept: np.ndarray, spikes: np.ndarray, margin: Any) -> np.ndarray:
    """Whether potentials were within *margin* of the threshold when they were compared to it; also where nobody can tell,
    since a reset to zero hides it."""
    threshold, late = _thresholds(layer), network.order_of(layer) == NEXT_STEP
    compared = kept + threshold * spikes if not late and network.reset_of(layer) == "subtract" else kept
    near = np.abs(compared - threshold) <= margin
    found: np.ndarray = spikes | near if _hides(network, layer) else near
    return found


def _earliest(network: Network, golden: Golden, found: dict[str, _Found]) -> Mismatch | None:
    """The first difference that is more than a rounding, or else the first."""
    real = {name: f.real for name, f in found.items()}
    masks = real if any(mask.any() for mask in real.values()) else {name: f.origin for name, f in found.items()}
    name = next((name for name, mask in masks.items() if mask.any()), None)
    if name is None:
        return None
    layer, mask, mine, recorded = network.layer(name), masks[name], found[name], golden.samples[name]
    causes: tuple[str, ...] = (ROUNDING,)
    if masks is real:
        kept = mine.potentials if recorded.potentials is None else recorded.potentials
        there = mine.spikes if recorded.spikes is None else recorded.spikes
        at_once = network.order_of(layer) == AT_ONCE
        evidence = Evidence(
            simulated=mine.potentials, recorded=kept, spikes=mine.spikes, spikes_there=there, first=mask,
            threshold=_thresholds(layer), at_once=at_once,
        )  # fmt: skip

        def explains(other: Network) -> bool:
            driven = _driven(other, layer, golden)
            return not _found(other, other.layer(name), golden, *driven).real.any()

        noted = network.about.get("notes", {}).get(name)
        causes = (*([noted] if noted else []), *named(network, layer, evidence, explains))
    step = int(np.flatnonzero(mask.any((0, 2)))[0])
    sample, neuron = (int(i) for i in np.argwhere(mask[:, step])[0])
    spikes = mine.spikes if layer.spiking else None
    where = f"golden sample {sample}"
    return _mismatch(
        network=network, layer=layer, stimulus=where, sample=sample, step=step, neuron=neuron, recorded=recorded,
        potentials=mine.potentials, spikes=spikes, causes=causes,
    )  # fmt: skip


def _inputs(network: Network, golden: Golden) -> Inputs:
    if network.input.encoding == "spikes":
        return Inputs.from_frames(golden.images, golden.labels, "golden samples")
    return Inputs(golden.images, golden.labels, name="golden samples")


def _compare(
    network: Network, layer: Layer, stimulus: str, recorded: LayerRecording, found: LayerTrace
) -> tuple[int, int, Mismatch | None]:
    """(values compared, values that differ, the earliest difference)."""
    potentials = found.potentials
    assert potentials is not None
    wrong = np.zeros(potentials.shape, np.int64)
    compared = 0
    spikes = found.sent(layer.neurons) if layer.spiking else None
    if recorded.spikes is not None and spikes is not None:
        wrong += spikes != recorded.spikes
        compared += spikes.size
    if recorded.potentials is not None:
        wrong += potentials != recorded.potentials
        compared += potentials.size
    if not wrong.any():
        return compared, 0, None
    steps = np.flatnonzero(wrong.any((0, 2)))
    step = int(steps[0])
    sample, neuron = (int(i) for i in np.argwhere(wrong[:, step])[0])
    where = f"{stimulus} {sample}" if len(wrong) > 1 else stimulus
    return compared, int(wrong.sum()), _mismatch(
        network=network, layer=layer, stimulus=where, sample=sample, step=step, neuron=neuron, recorded=recorded,
        potentials=potentials, spikes=spikes,
    )  # fmt: skip


def _mismatch(
    network: Network,
    layer: Layer,
    stimulus: str,
    sample: int,
    step: int,
    neuron: int,
    recorded: LayerRecording,
    potentials: np.ndarray,
    spikes: np.ndarray | None,
    causes: tuple[str, ...] = (),
) -> Mismatch:
    at = (sample, step, neuron)
    c, y, x = (int(i) for i in np.unravel_index(neuron, layer.shape))
    ours = None if spikes is None else bool(spikes[at])
    theirs = None if recorded.spikes is None else bool(recorded.spikes[at])
    kept = potentials[at].item()
    kept_there = None if recorded.potentials is None else recorded.potentials[at].item()
    threshold = _thresholds(layer)[neuron].item() if layer.spiking else None
    late = network.order_of(layer) == NEXT_STEP
    lost = threshold if threshold is not None and network.reset_of(layer) == "subtract" and not late else 0
    # Graded spikes take several thresholds.
    before = kept + lost * (0 if spikes is None else spikes[at].item())
    taken_there = 0 if recorded.spikes is None else recorded.spikes[at].item()
    before_there = None if kept_there is None else kept_there + lost * taken_there
    causes = causes or _causes(
        layer=layer, step=step, ours=ours, theirs=theirs, kept=kept, before=before, kept_there=kept_there, lost=lost, late=late
    )
    return Mismatch(
        stimulus=stimulus, layer=layer.name, step=step, neuron=(c, y, x), threshold=threshold, simulated_potential=before,
        recorded_potential=before_there, simulated_spike=ours, recorded_spike=theirs, causes=causes,
        hidden=_hides(network, layer),
    )  # fmt: skip


def _causes(
    layer: Layer,
    step: int,
    ours: bool | None,
    theirs: bool | None,
    kept: float,
    before: float,
    kept_there: float | None,
    lost: float,
    late: bool,
) -> tuple[str, ...]:
    """What can make this difference, given that everything earlier in the flow of data agrees."""
    if kept_there is None:
        return ("a weight, threshold or leak of this layer differs from when it was recorded",)
    if ours != theirs:
        if kept_there == kept and not late:
            return ("the recorded spike contradicts the recorded potential: the golden data are damaged",)
        if kept_there == before - lost * bool(theirs):
            return ("the threshold of this layer, or '>' against '>=', differs from when it was recorded",)
    elif ours and not late and kept_there != kept:
        return (
            f"the threshold of this layer was {before - kept_there:g} when it was recorded, if the weights are right",
            "a weight onto this neuron differs from when it was recorded",
        )
    if step > 0 and layer.leak is not None:
        return ("a weight onto this neuron, or the leak of this layer, differs from when it was recorded",)
    return ("a weight onto this neuron differs from when it was recorded, or the recorded potential is damaged",)
