"""The work on one point of a study: what a worker is told, and what it answers."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from neurosim.chip.chip import Chip
from neurosim.cost.activity import trace_problems
from neurosim.cost.spikeless import SAME_CHIP, AnnChoice, Spikeless
from neurosim.errors import NeurosimError, PluginError
from neurosim.explore.images import ImageCosts
from neurosim.explore.objective import metrics
from neurosim.explore.store import Outcome, Store, key_of
from neurosim.explore.study import CHOICES
from neurosim.mapping.demand import MappingError
from neurosim.mapping.mapper import map_network
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place.search import Search
from neurosim.network.network import Network
from neurosim.outcome.pipeline import evaluated
from neurosim.outcome.result import Result
from neurosim.spikes.simulate import STATE_BITS
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.choice import TimeChoice
from neurosim.timing.sample import ALL, PacketImages
from neurosim.timing.timeline import ANALYTIC

# What came of a point.
OK, INFEASIBLE, FAILED, NEEDS = "ok", "infeasible", "failed", "needs"


class AnnTask(NamedTuple):
    """The network without spikes of a point: its chip as JSON, None where it is that of the point; its bits; its zeros."""

    chip: str | None
    sha256: str | None
    bits: int | None
    sparsity: float | str

    @classmethod
    def of(cls, choice: AnnChoice) -> AnnTask | None:
        """None where nothing is chosen."""
        if choice == SAME_CHIP:
            return None
        chip = choice.chip
        values, sha256 = (None, None) if chip is None else (json.dumps(chip.values), chip.sha256)
        return cls(values, sha256, choice.bits, choice.sparsity)

    @property
    def decides(self) -> dict[str, Any]:
        """What of it decides an outcome."""
        return {"chip": self.sha256, "bits": self.bits, "sparsity": self.sparsity}


class Task(NamedTuple):
    """One point: hashes of the network and of the inputs, the chip as values, and how it is to be done. images: of how many
    samples, from the first on. packet_images: of how many of them each step is timed by packets, where that is the timing.
    state_bits: with which its trace was recorded. ann: the network without spikes, None where it is as usual on the chip."""

    store: str
    network: str
    inputs: str
    images: int
    chip: dict[str, Any]
    chip_sha256: str
    choice: dict[str, str]
    seed: int
    packet_images: PacketImages = ALL
    state_bits: int = STATE_BITS
    ann: AnnTask | None = None

    @property
    def key(self) -> str:
        """Under which its outcome is kept: everything that decides it."""
        asked = {"network": self.network, "inputs": self.inputs, "images": self.images, "chip": self.chip_sha256}
        # Another version of a package may do something else under the same name.
        packages = {name: package for name, given in self.choice.items() if (package := CHOICES[name].package(given))}
        sampled = self.choice["timing"] != ANALYTIC and self.packet_images != ALL
        others = ({"packages": packages} if packages else {}) | ({"packet_images": self.packet_images} if sampled else {})
        others |= {"ann": self.ann.decides} if self.ann else {}
        return key_of({**asked, **self.choice, "seed": self.seed, **others})

    @property
    def trace_key(self) -> str:
        """Under which the trace that it needs is kept."""
        return trace_key(self.network, self.inputs, self.state_bits)


class Recorded(NamedTuple):
    """What points have in common: a network, and what it does."""

    network: Network
    trace: SpikeTrace


def trace_key(network: str, inputs: str, state_bits: int) -> str:
    return key_of({"network": network, "inputs": inputs, "state_bits": state_bits})


def done(task: Task, recorded: Recorded | None = None) -> Outcome:
    """What comes of a point. Where it does not fit, its reasons; *needs*, where its chip would change the recorded spikes, the
    state width to record them with; where something unforeseen happens, what. *recorded*: what it needs, where the store is
    not seen. Raises FileError if the store is damaged."""
    network, trace = recorded or recorded_in(task.store, task.network, task.trace_key)
    trace = trace.head(task.images)
    try:
        chip = Chip.parse(task.chip, "chip of a study")
        search = Search(seed=task.seed)
        how = {"placer": task.choice["placer"], "partitioner": task.choice["partition"]}
        mapping = map_network(network, chip, **how, search=search)  # type: ignore[arg-type]
        if trace_problems(trace, mapping):
            return {"status": NEEDS, "state_bits": chip.core.state_bits}
        timed = TimeChoice(task.choice["timing"], task.choice["schedule"], task.packet_images, task.seed)
        result = evaluated(trace, mapping, _beside(task.ann, mapping), timed, workers=1)
        return told(result) | {"images": ImageCosts.of(result, task.trace_key).kept}
    except MappingError as error:
        return infeasible([str(violation) for violation in error.violations])
    except PluginError as error:
        return failed(str(error))
    except NeurosimError as error:
        return infeasible([str(error)])
    except MemoryError:
        return failed("out of memory; use fewer workers")
    except Exception as error:
        return failed(f"{type(error).__name__}: {error}")


def _beside(ann: AnnTask | None, mapping: Mapping) -> Spikeless:
    """The network without spikes. Raises NeurosimError where its chip, or that of the point, cannot be used for it."""
    choice = SAME_CHIP if ann is None else _chosen(ann)
    choice.check(mapping.network, [mapping.chip])
    if ann is None or choice.chip is None or choice.same(mapping):
        return choice.beside(mapping, None)
    try:
        return choice.beside(mapping, _placed(mapping.network, ann))
    except MappingError as error:
        reasons = "; ".join(map(str, error.violations))
        raise NeurosimError(f"without spikes it does not fit {choice.chip.name} (ann_chip): {reasons}") from None


@lru_cache(4)
def _chosen(ann: AnnTask) -> AnnChoice:
    chip = None if ann.chip is None else Chip.parse(json.loads(ann.chip), "ann_chip of a study")
    return AnnChoice(chip, ann.bits, ann.sparsity)


# The same for all points of a network, and a placement takes as long as theirs.
@lru_cache(4)
def _placed(network: Network, ann: AnnTask) -> Mapping:
    return _chosen(ann).mapped(network)


def infeasible(reasons: list[str]) -> Outcome:
    """The outcome of a point that does not fit."""
    return {"status": INFEASIBLE, "reasons": reasons, "metrics": {}}


def failed(reason: str) -> Outcome:
    """The outcome of a point of which nothing is known; it is tried again."""
    return {"status": FAILED, "reasons": [reason], "metrics": {}}


def told(result: Result) -> Outcome:
    """What a study keeps of a run."""
    ledger, cycles = result.ledger, max(1, result.time.cycles)
    theirs, images = ledger.ann, len(result.trace)
    return {
        "status": OK,
        "reasons": [],
        "metrics": metrics(result),
        "counts": result.counts,
        "energy_by_purpose_J": {name: joules / images for name, joules in result.energy.by_purpose_J.items()},
        "bound_by": {name: spent / cycles for name, spent in result.time.bound_by.items()},
        "ann_over_snn": {
            "compute": _ratio(theirs["compute_J"] / images, result.energy.compute_J / images),
            "all": _ratio(theirs["total_J"] / images, result.energy.per_image_J),
        },
        # What the chip file says is not part of what was asked.
        "not_counted": [note for note in result.not_counted if note not in result.mapping.chip.not_counted],
    }


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None


@lru_cache(4)
def recorded_in(store: str, network: str, key: str) -> Recorded:
    """What a store keeps of a network and under the key of its trace."""
    found = _network(store, network)
    return Recorded(found, Store(store).trace(key, found))


@lru_cache(4)
def _network(store: str, sha256: str) -> Network:
    return Store(store).network(sha256)
