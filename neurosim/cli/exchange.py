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


class Target(StrEnum):
    """What can be written."""

    ACCELERGY = "accelergy"
    SANAFE = "sanafe"


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="accelergy: a run file; sanafe: a network file.")],
    to: Annotated[Target, typer.Option("--to", help="Whose format.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="File; sanafe: folder.")],
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="sanafe: samples to choose from.")] = None,
    sample: Annotated[int, typer.Option("--sample", min=0, metavar="N", help="sanafe: the one to write.")] = 0,
    chip: Annotated[str | None, typer.Option("--chip", metavar="NAME_OR_FILE", help="sanafe: preset or TOML file.")] = None,
    changes: SetOption = None,
    placer: PlacerOption = None,
    json_to: JsonOption = None,
) -> None:
    """Write for another tool. accelergy: energy reference table and action counts of a run (YAML).

    sanafe: a network mapped onto a chip, with one sample, as architecture.yaml and network.yaml for SANA-FE 2.2."""
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
