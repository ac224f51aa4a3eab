"""Commands that speak to other tools: export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import neurosim as ns
from neurosim.cli.app import app
from neurosim.cli.console import check_targets, mapped, show, simulated
from neurosim.cli.options import JsonOption, Placer, PlacerOption, SetOption
from neurosim.errors import NeurosimError
from neurosim.io.accelergy_file import accelergy, save_accelergy
from neurosim.io.chip_file import DEFAULT, load_chip
from neurosim.io.run_file import load_record
from neurosim.io.sanafe_files import depths, save_sanafe
from neurosim.io.spike_files import save_csv, save_nirdata, save_sonata


class Target(StrEnum):
    """What can be written."""

    ACCELERGY = "accelergy"
    SANAFE = "sanafe"
    SONATA = "sonata"
    NIRDATA = "nirdata"
    CSV = "csv"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="accelergy: a run; sanafe: a network; others: a trace.")],
    to: Annotated[Target, typer.Option("--to", help="Whose format.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="File; sanafe: folder.")],
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="sanafe: samples to choose from.")] = None,
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="sanafe, sonata: the one to write.")] = 0,
    chip: Annotated[str | None, typer.Option("--chip", metavar="NAME_OR_FILE", help="sanafe: preset or TOML file.")] = None,
    changes: SetOption = None,
    placer: PlacerOption = None,
    dt: Annotated[float | None, typer.Option("--dt", metavar="S", help="sonata, nirdata: seconds of a step.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Write for another tool. accelergy: energy reference table and action counts of a run (YAML).

    sanafe: a network mapped onto a chip, with one sample, as architecture.yaml and network.yaml for SANA-FE 2.2.

    sonata, nirdata, csv: the spikes of a trace; SONATA takes one sample, and what has times needs those of a step."""
    if to in (Target.SONATA, Target.NIRDATA, Target.CSV):
        given = {"--chip": chip, "--set": changes, "--inputs": inputs, "--placer": placer}
        if any(given.values()):
            raise NeurosimError(f"{', '.join(k for k, v in given.items() if v)}: a trace has no chip, and has its inputs")
        show(*_spikes(file, output, to, sample, dt, json_to))
        return
    if to is Target.ACCELERGY:
        given = {"--chip": chip, "--set": changes, "--inputs": inputs}
        if any(given.values()):
            raise NeurosimError(f"{', '.join(k for k, v in given.items() if v)}: a run file has its chip; see neurosim reprice")
        check_targets(output, json_to, sources=(file,))
        record = load_record(file)
        save_accelergy(record, output)
        show(f"{output} is written: what Accelergy takes for ERT.yaml and action_counts.yaml", json_to, accelergy(record))
        return
    found = _sanafe(file, output, inputs, sample, load_chip(chip or DEFAULT, changes or ()), placer, json_to)
    counted = f"{found['spikes']:,} spikes (synaptic events), {found['packets_sent']:,} packets_sent"
    said = (
        f"{output}/ is written. SANA-FE must count in {found['timesteps']} time steps: {counted}, "
        f"{found['neurons_fired']:,} neurons_fired" + ("" if found["exact"] else "; about, since leaks are not rounded there")
    )
    show(said, json_to, found)


def _spikes(
    file: Path, output: Path, to: Target, sample: int, dt: float | None, json_to: str | None
) -> tuple[str, str | None, dict[str, Any]]:
    """Write the spikes of a trace; what to say of it."""
    check_targets(output, json_to, sources=(file,))
    trace = ns.load_trace(file)
    if to is Target.CSV:
        save_csv(trace, output)
    elif dt is None or not 0 < dt < float("inf"):
        raise NeurosimError(f"--to {to.value} needs --dt S, the seconds that a step stands for: the network does not say it")
    elif to is Target.SONATA:
        save_sonata(trace, output, sample, dt)
    else:
        save_nirdata(trace, output, dt)
    samples = [sample] if to is Target.SONATA else [*range(len(trace))]
    said = f"{output} is written: the spikes of {f'sample {sample}' if to is Target.SONATA else f'{len(samples):,} samples'}"
    return said, json_to, {"file": str(output), "samples": samples, "dt_s": dt}


def _sanafe(
    file: Path, output: Path, inputs: Path | None, sample: int, chip: ns.Chip, placer: Placer | None, json_to: str | None
) -> dict[str, Any]:
    if inputs is None:
        raise NeurosimError("--to sanafe needs --inputs INPUTS, the samples of which --sample N is written")
    network = ns.load_network(file)
    depths(network)
    mapping = mapped(network, chip, placer, json_to)
    data = ns.load_inputs(inputs)
    if sample >= len(data):
        raise NeurosimError(f"--sample {sample}: {inputs} holds {len(data)} samples, counted from 0")
    data = data[sample : sample + 1]
    trace = simulated(network, data, inputs, chip.core.state_bits)
    return {"folder": str(output), **save_sanafe(ns.evaluate(trace, mapping, timing="analytic"), output)}
