"""The result of a run: answer, counts, time and energy, as values and as JSON."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from neurosim.cost.ann import room
from neurosim.cost.comparison import silent
from neurosim.cost.energy import Counts, Energy, access_names
from neurosim.cost.ledger import Ledger
from neurosim.cost.neurobench import NeuroBench, neurobench
from neurosim.cost.paper import paper
from neurosim.cost.spikeless import Spikeless
from neurosim.cost.without import without
from neurosim.errors import TraceError
from neurosim.mapping.demand import Use, joined
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.storage import kernel_weights
from neurosim.outcome.cost_sections import ModelSection
from neurosim.outcome.costs import costs
from neurosim.outcome.document import RunDocument, TimeSection
from neurosim.outcome.interval import image_spread, wilson
from neurosim.outcome.left_out import left_out, left_out_without
from neurosim.outcome.record import Record, table_of
from neurosim.outcome.times import Times
from neurosim.outcome.versions import versions
from neurosim.spikes.trace import SpikeTrace
from neurosim.timing.choice import TimeChoice
from neurosim.timing.tally import BOUNDS
from neurosim.version import __version__

BLOCKED_SHOWN = 20
PACKETS = TimeChoice()

# Several results can share a trace, whose metrics no chip changes.
_metrics: WeakKeyDictionary[SpikeTrace, NeuroBench] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Result:
    """A trace evaluated on a mapping. *spikeless*: the same network without spikes. *totals*: counts summed over images and
    steps, int64 [bricks], by name. *trial*: finds what choices of the model leave open."""

    trace: SpikeTrace
    mapping: Mapping
    spikeless: Spikeless
    totals: Counts
    time: Times
    energy: Energy
    how: TimeChoice = PACKETS
    command: str = ""
    trial: Callable[[], ModelSection | None] | None = None
    created: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))

    def __repr__(self) -> str:
        cost = f"{self.energy.total_J:.3g} J, {self.time.seconds:.3g} s"
        return f"<Result of {self.trace!r} on {self.mapping.chip.name!r}: {cost}>"

    @property
    def accuracy(self) -> float | None:
        return self.trace.accuracy

    @property
    def predictions(self) -> np.ndarray:
        return self.trace.predictions

    @property
    def outputs(self) -> np.ndarray:
        return self.trace.outputs

    @cached_property
    def counts(self) -> dict[str, int]:
        """The promised counts of the whole chip."""
        return {name: int(values.sum()) for name, values in self.count_columns.items()}

    @cached_property
    def count_columns(self) -> Counts:
        """The promised counts per brick, int64 [bricks]."""
        t = self.totals
        flits = self.mapping.chip.mesh.flits_per_packet
        visited = t["active"] + t["idle"]
        return {
            "spikes": t["spikes"],
            "input_events": t["input_events"],
            "synaptic_events": t["synaptic_events"],
            "accumulates": t["accumulates"],
            "pool_adds": t["pool_adds"],
            "pool_macs": t["pool_macs"],
            "payload_macs": t["payload_macs"],
            "macs": t["macs"],
            "neuron_updates": visited,
            "leak_multiplies": t["leaks"],
            "compares": visited,
            "packets": t["packets"],
            "flits": t["packets"] * flits,
            "flit_hops": t["hops_x"] + t["hops_y"],
            "inter_chip_flits": t["crossings"],
            "saturations": t["clips"],
        }

    @cached_property
    def cores(self) -> np.ndarray:
        """Structured array, one row per used core."""
        m, tally = self.mapping, self.time.tally
        kernels = np.array([kernel_weights(m.network.layers[b.layer], b.channels) for b in m.bricks])
        rows: dict[str, Any] = {
            "index": m.used,
            "chip": [m.grid.chip_of(m.grid.tile_of(int(c))) for c in m.used],
            "x": [m.grid.xy(int(c))[0] for c in m.used],
            "y": [m.grid.xy(int(c))[1] for c in m.used],
            "layer": [joined(m.network, bricks) for bricks in m.held],
            "neurons": m.by_core(np.array([b.neurons for b in m.bricks])),
            "synapses": m.by_core(kernels),
            "memory_use": [_fullest_memory(used) for used in m.uses],
            **{name: m.by_core(values) for name, values in self.count_columns.items()},
            "busy_cycles": tally.busy[m.used],
            "memory_stall_cycles": tally.waiting[m.used],
            "idle_cycles": self.time.cycles - tally.busy[m.used],
            "queue_peak": tally.peak[m.used],
            "refused_cycles": tally.refused[m.used],
            "energy_J": m.by_core(self.energy.per_brick_J),
        }
        return table_of(rows)

    @cached_property
    def layers(self) -> np.ndarray:
        """Structured array, one row per layer; counts and energy are the sums over its cores."""
        m = self.mapping
        rows: dict[str, Any] = {
            "name": [layer.name for layer in m.network.layers],
            "neurons": [layer.neurons for layer in m.network.layers],
            "cores": np.bincount(m.layer_of),
        }
        for name, values in self.count_columns.items():
            rows[name] = [int(values[m.layer_of == i].sum()) for i in range(len(m.network.layers))]
        rows["energy_J"] = np.bincount(m.layer_of, self.energy.per_brick_J)
        return table_of(rows)

    @cached_property
    def model(self) -> ModelSection | None:
        """What choices of the model leave open; None for results that are shown before they are finished."""
        return self.trial() if self.trial else None

    @cached_property
    def paper(self) -> dict[str, Any]:
        """The papers' compute-only model of this run, with the accumulates counted beside it."""
        counted = {str(row["name"]): int(row["accumulates"]) / len(self.trace) for row in self.layers}
        return paper(self.trace.network, self.trace.rates, counted)

    @property
    def neurobench(self) -> NeuroBench:
        """The metrics of NeuroBench, all samples in one batch; found when first asked for."""
        if self.trace not in _metrics:
            _metrics[self.trace] = neurobench(self.trace)
        return _metrics[self.trace]

    @cached_property
    def ledger(self) -> Ledger:
        """All that was done, with spikes and without."""
        mapping, quiet = self.mapping, silent(self.mapping, self.totals, self.energy)
        layers = tuple(mapping.network.layers[brick.layer].name for brick in mapping.bricks)
        ann = without(self.spikeless, len(self.trace))
        return Ledger(self.energy, quiet, ann, self.trace.spikes_per_neuron, layers, mapping.home)

    @cached_property
    def document(self) -> RunDocument:
        """All that is said about the run. Raises TraceError where outputs are not finite, which no JSON can say."""
        if not np.isfinite(self.outputs).all():
            wrong = np.flatnonzero(~np.isfinite(self.outputs).all(1))
            problem = f"the outputs of {len(wrong):,} samples are not finite, of sample {wrong[0]} first"
            raise TraceError("spike trace", [f"{problem}; use smaller weights, or an integer network"])
        trace, chip, time = self.trace, self.mapping.chip, TimeSection.model_validate(self._time())
        return RunDocument.model_validate({
            "images": len(trace),
            "timesteps": trace.timesteps,
            "accuracy": self.accuracy,
            "accuracy_interval": None if self.accuracy is None else wilson(self.accuracy, len(trace)),
            "predictions": self.predictions.tolist(),
            "outputs": self.outputs.tolist(),
            "time": time,
            "counts": self.counts,
            "memory": self._memory(),
            "layers": self._layers(),
            "cores": self._cores(),
            "links": self._links(),
            "blocked": self.blocked,
            **costs(self.ledger, chip, time, self.counts["synaptic_events"]),
            "images_seconds": (self.time.latency / self.time.hz).tolist(),
            "images_seconds_spread": image_spread(self.time.latency / self.time.hz),
            "model": self.model,
            "paper": self.paper,
            "neurobench": self.neurobench.to_dict(),
            "chip": {"name": chip.name, "sha256": chip.sha256, "values": chip},
            "network": self._network(),
            "provenance": self.provenance,
            "not_counted": self.not_counted,
        })  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """The JSON of a run; SI units in the names, integers as integers."""
        return self.document.to_dict()

    @property
    def provenance(self) -> dict[str, Any]:
        """How the result came about, and what it takes to repeat it."""
        return {
            "version": __version__,
            "command": self.command,
            "created": self.created,
            "seed": self.mapping.seed,
            "inputs": self.trace.inputs_name,
            "placer": self.mapping.placer,
            "timing": self.time.timing,
            "schedule": self.time.schedule,
            "partitioner": self.mapping.partitioner,
            "images": len(self.trace),
            "packet_images": self.how.packet_images,
            "packet_seed": self.how.seed,
            "network_sha256": self.trace.network.sha256,
            "inputs_sha256": self.trace.inputs_sha256,
            "chip_sha256": self.mapping.chip.sha256,
            "mapping_sha256": self.mapping.sha256,
            "versions": versions(),
        }

    @property
    def not_counted(self) -> list[str]:
        """What this model leaves out, in words."""
        pooled = bool(self.totals["pool_adds"].any())
        return left_out(self.mapping, self.time, pooled, room(self.spikeless)) + left_out_without(self.spikeless)

    def _time(self) -> dict[str, Any]:
        total = self.time.cycles
        return {
            "cycles": total,
            "seconds": self.time.seconds,
            "seconds_per_image": self.time.seconds_per_image,
            "latency_seconds_per_image": self.time.latency_seconds,
            "images_per_second": 1 / self.time.seconds_per_image if total else None,
            "seconds_per_image_error": self.time.seconds_per_image_error,
            "packet_images": self.time.sample.drawn,
            "packet_cycles": self.time.sample.cycles,
            "packet_steps": len(self.time.sample.rows),
            "packet_images_touched": len(self.time.sample.images),
            "cycles_per_step": self.time.steps.mean(0).tolist(),
            "cycles_per_step_max": self.time.steps.max(0).tolist(),
            "worst_step": dict(zip(("image", "step", "cycles"), self.time.worst_step, strict=True)),
            "bound_by": {name: self.time.bound_by[name] / total if total else 0.0 for name in BOUNDS},
            "bound_by_per_step": [dict(zip(BOUNDS, step, strict=True)) for step in self.time.step_bound_by.tolist()],
        }

    def _memory(self) -> list[dict[str, Any]]:
        found = []
        for memory in self.mapping.chip.memory:
            for kind in self.mapping.chip.kinds(memory):
                read, write = map(self.energy.action, access_names(memory.name, kind))
                found.append({
                    "level": memory.name, "holds": kind, "reads": read.times, "writes": write.times,
                    "bits_read": read.times * memory.word_bits, "bits_written": write.times * memory.word_bits,
                    "energy_J": read.total_J + write.total_J,
                })  # fmt: skip
        return found

    def _layers(self) -> list[dict[str, Any]]:
        records, by_layer = _records(self.layers), self.time.by_layer
        for number, (record, layer) in enumerate(zip(records, self.trace.network.layers, strict=True)):
            record["spikes_per_step"] = self._spikes_per_step(layer.name) if layer.spiking else []
            record["energy_by_component_J"] = self.ledger.layers_J[layer.name]
            if by_layer is not None:
                cycles = int(by_layer[number].sum())
                record["seconds"] = cycles / self.time.hz
                record["bound_by"] = dict(zip(BOUNDS, (by_layer[number] / max(1, cycles)).tolist(), strict=True))
        return records

    def _spikes_per_step(self, layer: str) -> list[float]:
        """Mean over images."""
        means: list[float] = (self.trace.spikes_per_step[layer] / len(self.trace)).tolist()
        return means

    def _cores(self) -> list[dict[str, Any]]:
        records = _records(self.cores)
        for record, used in zip(records, self.mapping.uses, strict=True):
            record["memory_use"] = {u.resource: {"use": u.demand, "limit": u.limit, "unit": u.unit} for u in used}
        return records

    def _links(self) -> list[dict[str, Any]]:
        tally, intervals = self.time.tally, self.mapping.chip.machine.intervals
        ends = {int(i): self.mapping.grid.ends(int(i)) for i in np.flatnonzero(tally.flits)}
        return [
            {
                "from": list(a), "to": list(b), "flits": int(tally.flits[i]), "peak_use": float(tally.peak_use[i]),
                "busy_cycles": int(tally.flits[i] * intervals[i]), "stalled_cycles": int(tally.stalled[i]),
            }
            for i, (a, b) in ends.items()
        ]  # fmt: skip

    @property
    def blocked(self) -> list[dict[str, int]]:
        """Who was blocked by whom, the longest first: the cycles that packets for core *waiting* were next in a buffer behind a
        packet for core *behind*, summed over packets (several can wait at once)."""
        table = self.time.tally.blocked
        if table is None:
            return []
        behind, waiting = np.nonzero(table)
        order = np.argsort(-table[behind, waiting], kind="stable")[:BLOCKED_SHOWN]
        return [
            {"waiting": int(waiting[i]), "behind": int(behind[i]), "cycles": int(table[behind[i], waiting[i]])} for i in order
        ]

    def _network(self) -> dict[str, Any]:
        network = self.trace.network
        return {
            "name": network.name,
            "sha256": network.sha256,
            "spikes_per_neuron": self.trace.spikes_per_neuron,
            "neurons": sum(layer.neurons for layer in network.layers),
            "synapses": network.synapses,
            "layers": len(network.layers),
            "arithmetic": "integer" if network.integer else "float32",
            **{k: network.about[k] for k in ("dataset", "accuracy_reference") if k in network.about},
        }

    @property
    def record(self) -> Record:
        """What a run file keeps of it."""
        found = self.outputs, self.predictions, self.time.steps, self.totals
        return Record(self.document, self.ledger, self.mapping.placement, *found)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the run file (HDF5, see README)."""
        self.record.save(path)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the report: one HTML file that needs nothing else."""
        self.record.report(path)


def _fullest_memory(used: list[Use]) -> float:
    return max((u.share for u in used if u.unit == "bits"), default=0.0)


def _records(table: np.ndarray) -> list[dict[str, Any]]:
    return [dict(zip(table.dtype.names or (), row.tolist(), strict=True)) for row in table]
