"""What is written for other tools, by format: a table that packages add to."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from neurosim.chip.chip import Chip
from neurosim.errors import NeurosimError, PluginError, about
from neurosim.families import Family, function
from neurosim.io.accelergy_file import accelergy, save_accelergy
from neurosim.io.booksim_file import save_packets
from neurosim.io.chip_file import load_chip
from neurosim.io.hdf5 import check_target
from neurosim.io.inputs_file import load_inputs
from neurosim.io.network_file import load_network
from neurosim.io.nir.exporting import save_nir
from neurosim.io.noxim_file import save_noxim
from neurosim.io.presets import DEFAULT
from neurosim.io.run_file import load_run
from neurosim.io.sanafe_files import depths, save_sanafe
from neurosim.io.spike_files import save_csv, save_nirdata, save_sonata
from neurosim.io.trace_file import load_trace
from neurosim.mapping.mapper import map_network
from neurosim.mapping.mapping import Mapping
from neurosim.mapping.place import USUAL, Placer
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.outcome.dispatch import dispatched
from neurosim.outcome.pipeline import evaluate
from neurosim.outcome.record import Record
from neurosim.outcome.result import Result
from neurosim.report.nir_text import losses_text
from neurosim.spikes.simulate import simulate
from neurosim.spikes.trace import SpikeTrace

Place = str | os.PathLike[str]
FILE = (str, os.PathLike)
S = TypeVar("S")


@dataclass(frozen=True)
class Export:
    """What an exporter is asked for.

    source: a network, a trace or a run, or the file of one; an exporter takes it as what it writes, as *network*, *trace* or
    *record*. output: the file, or the folder, to write. The options, which are at their defaults where an exporter does not
    take them: inputs (or their file) and the *sample* of them or of the trace; the chip (or its preset or file) with *changes*
    of settings, and the placer of its mapping; dt: seconds of a step. place: how a network is mapped onto a chip.
    """

    source: Any
    output: Path
    inputs: Inputs | Place | None = None
    sample: int = 0
    chip: Chip | Place | None = None
    changes: Sequence[str] = ()
    placer: str | Placer | None = None
    dt: float | None = None
    place: Callable[[Network, Chip, str | Placer], Mapping] = map_network

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise NeurosimError(f"sample is {self.sample}; samples are counted from 0")

    @property
    def network(self) -> Network:
        return self._as(Network, load_network)

    @property
    def trace(self) -> SpikeTrace:
        return self._as(SpikeTrace, load_trace)

    @property
    def record(self) -> Record:
        """What a run file keeps."""
        return self.source.record if isinstance(self.source, Result) else self._as(Record, load_run)

    @property
    def machine(self) -> Chip:
        """The chip, the default one where none is given."""
        return self.chip if isinstance(self.chip, Chip) else load_chip(self.chip or DEFAULT, self.changes)

    @property
    def name(self) -> str:
        """Of the file of the source, or of what it is."""
        return Path(self.source).name if isinstance(self.source, FILE) else type(self.source).__name__

    @property
    def options(self) -> dict[str, Any]:
        """By the words of the command line."""
        return {
            "--chip": self.chip, "--set": self.changes, "--inputs": self.inputs, "--placer": self.placer,
            "--sample": self.sample, "--dt": self.dt,
        }  # fmt: skip

    def _as(self, kind: type[S], load: Callable[[Place], S]) -> S:
        """The source, loaded if it is a file; raises NeurosimError if it is something else."""
        source = load(self.source) if isinstance(self.source, FILE) else self.source
        if not isinstance(source, kind):
            raise NeurosimError(f"this format writes a {kind.__name__}, not a {type(source).__name__}")
        return source

    def mapping(self, network: Network) -> Mapping:
        """That of *network* onto the chip, by the placer."""
        return self.place(network, self.machine, self.placer or USUAL)

    def samples(self, needed: str) -> Inputs:
        """The inputs, which must have been given: *needed* says so."""
        if self.inputs is None:
            raise NeurosimError(needed)
        return self.inputs if isinstance(self.inputs, Inputs) else load_inputs(self.inputs)

    def seconds(self, why: str) -> float:
        """Of a step, which must have been said."""
        if self.dt is None or not 0 < self.dt < float("inf"):
            raise NeurosimError(f"this format needs --dt S, the seconds that a step stands for: {why}")
        return self.dt


class Exported(NamedTuple):
    """What to say, and the same as JSON."""

    said: str
    values: dict[str, Any]


class Exporter(NamedTuple):
    """What writes a format, and what that is: of a network, a trace or a run. takes: options of the command line besides -o;
    why: it takes no others. folder: whether it writes a folder."""

    write: Callable[[Export], Exported]
    meaning: str
    takes: tuple[str, ...] = ()
    why: str = "this format has no use for them"
    folder: bool = False


def exporter(given: Any) -> Exporter:
    """An Exporter as it is, or one of a function that takes no options and means what the first line of its docstring says."""
    if isinstance(given, Exporter):
        return given
    return Exporter(function(given), (getdoc(given) or "").partition("\n")[0].rstrip("."))


def _accelergy(asked: Export) -> Exported:
    record = asked.record
    save_accelergy(record, asked.output)
    return Exported(f"{asked.output} is written: what Accelergy takes for ERT.yaml and action_counts.yaml", accelergy(record))


def _nir(asked: Export) -> Exported:
    dt = asked.seconds("NIR is in continuous time")
    lost = save_nir(asked.network, asked.output, dt)
    values = {"file": str(asked.output), "dt_s": dt, "lost": lost}
    return Exported(f"{asked.output} is written.\n{losses_text(lost)}", values)


def _sanafe(asked: Export) -> Exported:
    needed = "--to sanafe needs --inputs INPUTS, the samples of which --sample N is written"
    if asked.inputs is None:
        raise NeurosimError(needed)
    network = asked.network
    depths(network)
    mapping, data = asked.mapping(network), asked.samples(needed)
    if asked.sample >= len(data):
        raise NeurosimError(f"--sample {asked.sample}: {asked.inputs} holds {len(data)} samples, counted from 0")
    with about(asked.inputs):
        trace = simulate(network, data[asked.sample : asked.sample + 1], state_bits=mapping.chip.core.state_bits)
    found = save_sanafe(evaluate(trace, mapping, timing="analytic"), asked.output)
    said = (
        f"{asked.output}/ is written. SANA-FE must count in {found['timesteps']} time steps: {found['spikes']:,} spikes "
        f"(synaptic events), {found['packets_sent']:,} packets_sent, {found['neurons_fired']:,} neurons_fired"
        + ("" if found["exact"] else "; about, since leaks are not rounded there")
    )
    return Exported(said, {"folder": str(asked.output), **found})


def _sonata(asked: Export) -> Exported:
    dt = asked.seconds("the network does not say it")
    save_sonata(asked.trace, asked.output, asked.sample, dt)
    return Exported(f"{asked.output} is written: the spikes of sample {asked.sample}", _spikes(asked, [asked.sample]))


def _nirdata(asked: Export) -> Exported:
    dt = asked.seconds("the network does not say it")
    trace = asked.trace
    save_nirdata(trace, asked.output, dt)
    return _all_samples(asked, trace)


def _csv(asked: Export) -> Exported:
    trace = asked.trace
    save_csv(trace, asked.output)
    return _all_samples(asked, trace)


def _all_samples(asked: Export, trace: SpikeTrace) -> Exported:
    return Exported(f"{asked.output} is written: the spikes of {len(trace):,} samples", _spikes(asked, [*range(len(trace))]))


def _spikes(asked: Export, samples: list[int]) -> dict[str, Any]:
    return {"file": str(asked.output), "samples": samples, "dt_s": asked.dt}


def _noxim(asked: Export) -> Exported:
    return _packets(asked, save_noxim, lambda replay: [])


def _booksim(asked: Export) -> Exported:
    command = f"neurosim noc --packets {shlex.quote(str(asked.output))}"
    return _packets(asked, save_packets, lambda replay: [f"The network of the chip, by itself:\n  {command} \\\n    {replay}"])


def _packets(asked: Export, save: Callable[..., None], more: Callable[[str], list[str]]) -> Exported:
    """What a sample of a trace makes the chip send."""
    trace = asked.trace
    with about(asked.source if isinstance(asked.source, FILE) else "spike trace"):
        found = dispatched(trace, asked.mapping(trace.network), asked.sample)
    notes = [f"sample {asked.sample} of {asked.name}, placed {found.result.mapping.placer}", *found.notes]
    save(found.packets, asked.output, notes)
    counts = found.packets.counts
    said = [
        f"{asked.output} is written: {counts['packets']:,} packets, {counts['flits']:,} flits, {counts['flit_hops']:,} "
        f"flit-hops in {found.packets.cycles:,} cycles of {found.packets.nodes}",
        *(f"Lost: {words}" for words in found.lost),
        *more(found.replay),
    ]
    return Exported("\n".join(said), {"file": str(asked.output), "sample": asked.sample, **found.to_dict()})


MACHINE = ("--chip", "--set", "--placer")
INPUTS_KNOWN = "a trace has no chip, and has its inputs"
CLOCK_KNOWN = "a trace has its inputs, and a chip its clock"
EXPORTERS: Family[Exporter] = Family("format", {
    "accelergy": Exporter(
        _accelergy, "energy reference table and action counts of a run (YAML)",
        why="a run file has its chip; see neurosim reprice",
    ),
    "sanafe": Exporter(
        _sanafe, "a network mapped onto a chip, with one sample, as architecture.yaml and network.yaml for SANA-FE 2.2",
        (*MACHINE, "--inputs", "--sample"), "steps have no length there", folder=True,
    ),
    "nir": Exporter(_nir, "a network as a graph of NIR nodes (HDF5)", ("--dt",), "NIR knows neither chips nor samples"),
    "sonata": Exporter(_sonata, "the spikes of one sample of a trace", ("--dt", "--sample"), INPUTS_KNOWN),
    "nirdata": Exporter(_nirdata, "the spikes of a trace", ("--dt",), f"{INPUTS_KNOWN}; all its samples are written"),
    "csv": Exporter(_csv, "the spikes of a trace", (), f"{INPUTS_KNOWN}; all its samples and steps are written"),
    "noxim": Exporter(
        _noxim, "the packets that one sample of a trace makes a chip send, as a traffic table",
        (*MACHINE, "--sample"), CLOCK_KNOWN,
    ),
    "booksim": Exporter(
        _booksim, "the packets that one sample of a trace makes a chip send, one by one",
        (*MACHINE, "--sample"), CLOCK_KNOWN,
    ),
}, group="neurosim.exports", taken=exporter)  # fmt: skip


def export(
    source: Network | SpikeTrace | Result | Place, to: str | Callable[[Export], Exported] | Exporter, output: Place, *,
    inputs: Inputs | Place | None = None, sample: int = 0, chip: Chip | Place | None = None,
    placer: str | Placer | None = None, dt: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Write *source*, an object or its file, for another tool; returns what `neurosim export --json` writes.

    *to*: one of EXPORTERS, or a function like them. What of the options a format takes, `neurosim export --help` says; see
    `Export`. Raises NeurosimError for a format that is unknown or does not take what is given, and whatever the format refuses.
    """
    path = Path(output)
    asked = Export(source, path, inputs=inputs, sample=sample, chip=chip, placer=placer, dt=dt)
    check_options(to, asked)
    if not EXPORTERS.of(to)[1].folder:
        check_target(path)
    return exported(to, asked).values


def check_options(to: Any, asked: Export) -> None:
    """Raise NeurosimError if something is given that the format has no use for."""
    name, format_ = EXPORTERS.of(to)
    wrong = [option for option, value in asked.options.items() if value and option not in format_.takes]
    if wrong:
        raise NeurosimError(f"--to {name} does not take {', '.join(wrong)}: {format_.why}")


def exported(to: Any, asked: Export) -> Exported:
    """Written, and told."""
    name, format_ = EXPORTERS.of(to)
    with EXPORTERS.running(name):
        found = format_.write(asked)
    if not (isinstance(found, tuple) and [type(part) for part in found] == [str, dict]):
        needed = "Exported(said, values), a text and a dictionary for JSON"
        raise PluginError(f"{EXPORTERS.told(name)} returns {found!r:.80}; it must return {needed}")
    return Exported(*found)
