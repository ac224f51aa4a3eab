"""Does the simulator answer what was recorded when the network was made? Every spike, every potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import NetworkError
from neurosim.inputs import Inputs
from neurosim.layers import Layer
from neurosim.network import Golden, Network, Recording
from neurosim.simulate import drive, simulate
from neurosim.trace import LayerTrace, mismatches, unpacked


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first difference: where it is, what was simulated and what was recorded, and what probably causes it.

    Potentials are those before the reset, None where nothing was recorded.
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

    def __str__(self) -> str:
        c, y, x = self.neuron
        lines = [f"first mismatch: layer {self.layer!r}, step {self.step}, neuron (c, y, x) = ({c}, {y}, {x}), {self.stimulus}"]
        recorded = "not recorded" if self.recorded_potential is None else f"{self.recorded_potential:g}"
        lines.append(f"  potential before reset: simulated {self.simulated_potential:g}, recorded {recorded}")
        if self.threshold is not None:
            fired = {True: "fires", False: "is silent"}
            lines.append(
                f"  threshold {self.threshold:g}: simulated {fired[bool(self.simulated_spike)]}, "
                f"recorded {fired[bool(self.recorded_spike)]}"
            )
        return "\n".join([*lines, *(f"  likely cause: {cause}" for cause in self.causes)])


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts of what was compared and of what differs; *first* is the earliest difference in the flow of data.

    float_mismatch: share of (neuron, step) pairs in which the float network's spikes differ, by layer; None without one.
    """

    samples: int
    probes: int
    compared: int
    mismatches: int
    first: Mismatch | None
    float_mismatch: dict[str, float] | None = None

    @property
    def ok(self) -> bool:
        return self.mismatches == 0

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
        }


def verify(network: Network) -> Verdict:
    """Simulate the golden samples and the probes of every layer, and compare every spike and potential.

    Raises NetworkError if the network has no golden samples.
    """
    golden = network.golden
    if golden is None:
        raise NetworkError(f"network {network.name!r}", ["it has no golden samples; export it again with a reference run"])
    bare = [layer.name for layer in network.layers if layer.name not in golden.samples]
    if bare:
        raise NetworkError(f"network {network.name!r}", [f"its golden samples lack layer {name!r}" for name in bare])
    inputs = _inputs(network, golden)
    trace = simulate(network, inputs, record_potentials=True)
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
    twin = None
    if network.float_twin is not None:
        twin = mismatches(trace, simulate(network.float_twin, inputs))
    return Verdict(len(inputs), len(golden.probes), compared, wrong, first, twin)


def _inputs(network: Network, golden: Golden) -> Inputs:
    if network.input.encoding == "spikes":
        return Inputs.from_spikes(golden.images, golden.labels, "golden samples")
    return Inputs(golden.images, golden.labels, name="golden samples")


def _compare(
    network: Network, layer: Layer, stimulus: str, recorded: Recording, found: LayerTrace
) -> tuple[int, int, Mismatch | None]:
    """(values compared, values that differ, the earliest difference)."""
    potentials = found.potentials
    assert potentials is not None
    wrong = np.zeros(potentials.shape, np.int64)
    compared = 0
    spikes = unpacked(found.bits, layer.neurons) if layer.spiking else None
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
    return compared, int(wrong.sum()), _mismatch(network, layer, where, sample, step, neuron, recorded, potentials, spikes)


def _mismatch(
    network: Network,
    layer: Layer,
    stimulus: str,
    sample: int,
    step: int,
    neuron: int,
    recorded: Recording,
    potentials: np.ndarray,
    spikes: np.ndarray | None,
) -> Mismatch:
    at = (sample, step, neuron)
    place = tuple(int(i) for i in np.unravel_index(neuron, layer.shape))
    ours = None if spikes is None else bool(spikes[at])
    theirs = None if recorded.spikes is None else bool(recorded.spikes[at])
    kept = potentials[at].item()
    kept_there = None if recorded.potentials is None else recorded.potentials[at].item()
    threshold = layer.threshold
    lost = threshold if threshold is not None and network.reset == "subtract" else 0
    before = kept + lost * bool(ours)
    before_there = None if kept_there is None else kept_there + lost * bool(theirs)
    causes = _causes(layer, step, ours, theirs, kept, before, kept_there, lost)
    return Mismatch(stimulus, layer.name, step, place, threshold, before, before_there, ours, theirs, causes)  # type: ignore[arg-type]


def _causes(
    layer: Layer,
    step: int,
    ours: bool | None,
    theirs: bool | None,
    kept: float,
    before: float,
    kept_there: float | None,
    lost: float,
) -> tuple[str, ...]:
    """What can make this difference, given that everything earlier in the flow of data agrees."""
    if kept_there is None:
        return ("a weight, threshold or leak of this layer differs from when it was recorded",)
    if ours != theirs:
        if kept_there == kept:
            return ("the recorded spike contradicts the recorded potential: the golden data are damaged",)
        if kept_there == before - lost * bool(theirs):
            return ("the threshold of this layer, or '>' against '>=', differs from when it was recorded",)
    elif ours and kept_there != kept:
        return (
            f"the threshold of this layer was {before - kept_there:g} when it was recorded, if the weights are right",
            "a weight onto this neuron differs from when it was recorded",
        )
    if step > 0 and layer.leak is not None:
        return ("a weight onto this neuron, or the leak of this layer, differs from when it was recorded",)
    return ("a weight onto this neuron differs from when it was recorded, or the recorded potential is damaged",)
