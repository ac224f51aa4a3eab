"""Commands that involve no chip: verify, trace, inspect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType

import neurosim as ns
from neurosim.cli.app import app
from neurosim.cli.console import check_targets, note, opened, show, simulating
from neurosim.cli.options import (
    CheckpointsOption,
    DaskOption,
    ImagesOption,
    InputsArg,
    JsonOption,
    NetworkArg,
    NeuroBenchOption,
    WorkersOption,
)
from neurosim.io.event_files import format_of, survey
from neurosim.io.listing import listing
from neurosim.io.trace_blocks import check_checkpoints
from neurosim.io.trace_file import writing_trace
from neurosim.report import text, training_text
from neurosim.report.events_text import survey_text
from neurosim.spikes.simulate import STATE_BITS
from neurosim.spikes.verify import verify as verify_network


@app.command()
def verify(
    network: NetworkArg,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance", min=0, max=1, show_default="roundings alone",
            help="Share of a layer's spikes that may differ in a float network, for whatever reason.",
        ),
    ] = None,
    json_to: JsonOption = None,
) -> None:
    """Re-simulate the golden samples of a network; every spike and potential must be the recorded one (in a float network up
    to the rounding of float32).

    A spike of a float network may differ where its potential is within that rounding of the threshold; the rate is said.
    """
    net = ns.load_network(network)
    verdict = verify_network(net, tolerance)
    show(text.verdict_text(net.name, verdict), json_to, verdict.to_dict())
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def trace(
    network: NetworkArg,
    inputs: InputsArg,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="TRACE.h5", help="Where the spike trace goes.")],
    images: ImagesOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    state_bits: Annotated[int, typer.Option("--state-bits", min=2, max=32, help="Width of a potential.")] = STATE_BITS,
    neurobench: NeuroBenchOption = False,
    checkpoints: CheckpointsOption = None,
    json_to: JsonOption = None,
) -> None:
    """Record the spikes of a network; no chip is involved."""
    check_targets(output, json_to, sources=(network, inputs, checkpoints))
    if checkpoints is not None:
        check_checkpoints(checkpoints)
    net, counts, right = ns.load_network(network), Counter[str](), 0
    with (
        _continued(checkpoints),
        opened(inputs, images) as data,
        simulating(net, data, inputs, state_bits, workers, neurobench, dask, checkpoints) as parts,
        writing_trace(output, len(data)) as add,
    ):
        for part in parts:
            add(part)
            counts.update(part.spike_counts())
            right += 0 if part.labels is None else int((part.predictions == part.labels).sum())
    accuracy = None if data.labels is None else right / len(data)
    values = {"images": len(data), "accuracy": accuracy, "spikes": dict(counts), "trace": str(output)}
    show(Group(text.spikes_table(counts, net, len(data)), f"{len(data):,} images are in {output}"), json_to, values)


@contextmanager
def _continued(checkpoints: Path | None) -> Iterator[None]:
    """Says how a trace goes on whose blocks are kept, when it is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoints is not None:
            note(f"interrupted; whole blocks are kept in {checkpoints}, and the same command continues with them")
        raise


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any neurosim file, or one of events.")],
    json_to: JsonOption = None,
) -> None:
    """What is in a neurosim file (a chip: `presets`, or its TOML), or in a recording of events."""
    events = format_of(file)
    if events is not None:
        surveyed = survey(file, events)
        show(survey_text(surveyed), json_to, surveyed)
        return
    found = listing(file)
    parts: list[RenderableType] = [text.listing_text(found)]
    if found["format"] == "neurosim-network":
        net = ns.load_network(file)
        parts = [text.network_table(net), *training_text.record_text(net), "", *parts]
    if found["format"] == "neurosim-run":
        ns.load_run(file)
    show(Group(*parts), json_to, found)
