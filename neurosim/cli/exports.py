"""The command that writes for other tools: export."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

import neurosim as ns
from neurosim.cli.app import app
from neurosim.cli.console import about, check_targets, mapped, show, simulated
from neurosim.cli.options import JsonOption, Placer, PlacerOption, SetOption
from neurosim.errors import NeurosimError
from neurosim.io.accelergy_file import accelergy, save_accelergy
from neurosim.io.booksim_file import save_packets
from neurosim.io.chip_file import DEFAULT, load_chip
from neurosim.io.nir.exporting import save_nir
from neurosim.io.noxim_file import save_noxim
from neurosim.io.run_file import load_run
from neurosim.io.sanafe_files import depths, save_sanafe
from neurosim.io.spike_files import save_csv, save_nirdata, save_sonata
from neurosim.outcome.dispatch import dispatched
from neurosim.report.nir_text import losses_text

# What to say, and the same as JSON.
Told = tuple[str, dict[str, Any]]


class Target(StrEnum):
    """What can be written; one member for each of `FORMATS`."""

    ACCELERGY = "accelergy"
    SANAFE = "sanafe"
    NIR = "nir"
    SONATA = "sonata"
    NIRDATA = "nirdata"
    CSV = "csv"
    NOXIM = "noxim"
    BOOKSIM = "booksim"


class Asked(NamedTuple):
    """What the command was given."""

    file: Path
    output: Path
    inputs: Path | None
    sample: int
    chip: str | None
    changes: list[str] | None
    placer: Placer | None
    dt: float | None
    json_to: str | None

    @property
    def machine(self) -> ns.Chip:
        return load_chip(self.chip or DEFAULT, self.changes or ())

    def seconds(self, why: str) -> float:
        """Of a step, which must have been said."""
        if self.dt is None or not 0 < self.dt < float("inf"):
            raise NeurosimError(f"this format needs --dt S, the seconds that a step stands for: {why}")
        return self.dt


def _accelergy(asked: Asked) -> Told:
    record = load_run(asked.file)
    save_accelergy(record, asked.output)
    return f"{asked.output} is written: what Accelergy takes for ERT.yaml and action_counts.yaml", accelergy(record)


def _nir(asked: Asked) -> Told:
    dt = asked.seconds("NIR is in continuous time")
    lost = save_nir(ns.load_network(asked.file), asked.output, dt)
    return f"{asked.output} is written.\n{losses_text(lost)}", {"file": str(asked.output), "dt_s": dt, "lost": lost}


def _sanafe(asked: Asked) -> Told:
    if asked.inputs is None:
        raise NeurosimError("--to sanafe needs --inputs INPUTS, the samples of which --sample N is written")
    network = ns.load_network(asked.file)
    depths(network)
    chip = asked.machine
    mapping = mapped(network, chip, asked.placer, asked.json_to)
    data = ns.load_inputs(asked.inputs)
    if asked.sample >= len(data):
        raise NeurosimError(f"--sample {asked.sample}: {asked.inputs} holds {len(data)} samples, counted from 0")
    trace = simulated(network, data[asked.sample : asked.sample + 1], asked.inputs, chip.core.state_bits)
    found = save_sanafe(ns.evaluate(trace, mapping, timing="analytic"), asked.output)
    said = (
        f"{asked.output}/ is written. SANA-FE must count in {found['timesteps']} time steps: {found['spikes']:,} spikes "
        f"(synaptic events), {found['packets_sent']:,} packets_sent, {found['neurons_fired']:,} neurons_fired"
        + ("" if found["exact"] else "; about, since leaks are not rounded there")
    )
    return said, {"folder": str(asked.output), **found}


def _sonata(asked: Asked) -> Told:
    dt = asked.seconds("the network does not say it")
    save_sonata(ns.load_trace(asked.file), asked.output, asked.sample, dt)
    return f"{asked.output} is written: the spikes of sample {asked.sample}", _spikes(asked, [asked.sample])


def _nirdata(asked: Asked) -> Told:
    dt = asked.seconds("the network does not say it")
    trace = ns.load_trace(asked.file)
    save_nirdata(trace, asked.output, dt)
    return f"{asked.output} is written: the spikes of {len(trace):,} samples", _spikes(asked, [*range(len(trace))])


def _csv(asked: Asked) -> Told:
    trace = ns.load_trace(asked.file)
    save_csv(trace, asked.output)
    return f"{asked.output} is written: the spikes of {len(trace):,} samples", _spikes(asked, [*range(len(trace))])


def _spikes(asked: Asked, samples: list[int]) -> dict[str, Any]:
    return {"file": str(asked.output), "samples": samples, "dt_s": asked.dt}


def _noxim(asked: Asked) -> Told:
    return _packets(asked, save_noxim, lambda replay: [])


def _booksim(asked: Asked) -> Told:
    command = f"neurosim noc --packets {shlex.quote(str(asked.output))}"
    return _packets(asked, save_packets, lambda replay: [f"The network of the chip, by itself:\n  {command} \\\n    {replay}"])


def _packets(asked: Asked, save: Callable[..., None], more: Callable[[str], list[str]]) -> Told:
    """What a sample of a trace makes the chip send."""
    trace, placer = ns.load_trace(asked.file), asked.placer or Placer.ROW_MAJOR
    with about(asked.file):
        found = dispatched(trace, mapped(trace.network, asked.machine, asked.placer, asked.json_to), asked.sample)
    save(found.packets, asked.output, [f"sample {asked.sample} of {asked.file.name}, placed {placer}", *found.notes])
    counts = found.packets.counts
    said = [
        f"{asked.output} is written: {counts['packets']:,} packets, {counts['flits']:,} flits, {counts['flit_hops']:,} "
        f"flit-hops in {found.packets.cycles:,} cycles of {found.packets.nodes}",
        *(f"Lost: {words}" for words in found.lost),
        *more(found.replay),
    ]
    return "\n".join(said), {"file": str(asked.output), "sample": asked.sample, **found.to_dict()}


class Format(NamedTuple):
    """The options it takes, why it takes no others, and what writes it."""

    takes: tuple[str, ...]
    why: str
    write: Callable[[Asked], Told]


MACHINE = ("--chip", "--set", "--placer")
FORMATS: dict[Target, Format] = {
    Target.ACCELERGY: Format((), "a run file has its chip; see neurosim reprice", _accelergy),
    Target.SANAFE: Format((*MACHINE, "--inputs", "--sample"), "steps have no length there", _sanafe),
    Target.NIR: Format(("--dt",), "NIR knows neither chips nor samples", _nir),
    Target.SONATA: Format(("--dt", "--sample"), "a trace has no chip, and has its inputs", _sonata),
    Target.NIRDATA: Format(("--dt",), "a trace has no chip, and has its inputs; all its samples are written", _nirdata),
    Target.CSV: Format((), "a trace has no chip, and has its inputs; all its samples and steps are written", _csv),
    Target.NOXIM: Format((*MACHINE, "--sample"), "a trace has its inputs, and a chip its clock", _noxim),
    Target.BOOKSIM: Format((*MACHINE, "--sample"), "a trace has its inputs, and a chip its clock", _booksim),
}


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="sanafe, nir: a network; accelergy: a run; others: a trace.")],
    to: Annotated[Target, typer.Option("--to", help="Whose format.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="File; sanafe: folder.")],
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="sanafe: samples to choose from.")] = None,
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="Where one is written: which.")] = 0,
    chip: Annotated[
        str | None, typer.Option("--chip", metavar="NAME_OR_FILE", help="sanafe, noxim, booksim: preset or TOML file.")
    ] = None,
    changes: SetOption = None,
    placer: PlacerOption = None,
    dt: Annotated[float | None, typer.Option("--dt", metavar="S", help="sonata, nirdata, nir: seconds of a step.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Write for another tool: energies, networks, spikes or packets.

    accelergy: energy reference table and action counts of a run (YAML).

    nir: a network as a graph of NIR nodes (HDF5).

    sanafe: a network mapped onto a chip, with one sample, as architecture.yaml and network.yaml for SANA-FE 2.2.

    sonata, nirdata, csv: the spikes of a trace; SONATA takes one sample, and what has times needs those of a step.

    noxim, booksim: the packets that one sample of a trace makes a chip send, as a traffic table or packet by packet."""
    given = {"--chip": chip, "--set": changes, "--inputs": inputs, "--placer": placer, "--sample": sample, "--dt": dt}
    wrong = [option for option, value in given.items() if value and option not in FORMATS[to].takes]
    if wrong:
        raise NeurosimError(f"--to {to.value} does not take {', '.join(wrong)}: {FORMATS[to].why}")
    check_targets(output if to is not Target.SANAFE else None, json_to, sources=(file,))
    said, values = FORMATS[to].write(Asked(file, output, inputs, sample, chip, changes, placer, dt, json_to))
    show(said, json_to, values)
