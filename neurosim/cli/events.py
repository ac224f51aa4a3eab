"""The command that makes inputs of recordings: events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from neurosim.cli.app import app
from neurosim.cli.console import check_targets, quiet, show
from neurosim.cli.names import NamingCommand, named
from neurosim.cli.options import JsonOption
from neurosim.errors import NeurosimError
from neurosim.events.binning import Binning, binned_inputs
from neurosim.events.recording import Recording, Sensor
from neurosim.io.event_columns import Said
from neurosim.io.event_files import FORMATS, read_all
from neurosim.io.event_folders import event_files
from neurosim.report.events_text import binned_text
from neurosim.report.progress import progress


class By(StrEnum):
    """What the steps share."""

    TIME = "time"
    COUNT = "count"


@app.command(cls=NamingCommand)
def events(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE_OR_FOLDER...", help="Folders in a folder are classes.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="INPUTS.h5", help="Where the spikes go.")],
    steps: Annotated[int, typer.Option("--steps", metavar="T", help="Time steps of the network.")],
    sensor: Annotated[str | None, typer.Option("--sensor", metavar="WxH[xP]", help="Pixels; P: polarities, 2 without.")] = None,
    window: Annotated[float | None, typer.Option("--window", metavar="S", help="Seconds of a step.")] = None,
    per_step: Annotated[int | None, typer.Option("--per-step", metavar="N", help="Events of a step.")] = None,
    by: Annotated[By | None, typer.Option("--by", help="Equal parts of the time (without), or of the events.")] = None,
    first: Annotated[float | None, typer.Option("--first", metavar="S", help="Only the first seconds.")] = None,
    downsample: Annotated[int, typer.Option("--downsample", metavar="K", help="K x K pixels become one.")] = 1,
    merge: Annotated[bool, typer.Option("--merge-polarities", help="One channel.")] = False,
    label: Annotated[int | None, typer.Option("--label", min=0, metavar="N", help="The class of all.")] = None,
    form: Annotated[str | None, named(FORMATS, "--format", help="Where a file does not tell")] = None,
    columns: Annotated[str | None, typer.Option("--columns", metavar="'t x y p'", help="text: the order; t_s: in s.")] = None,
    observable: Annotated[str | None, typer.Option("--observable", metavar="NODE/NAME", help="nirdata: which one.")] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Events may be out of order.")] = False,
    json_to: JsonOption = None,
) -> None:
    """Bin recordings of event cameras, and other events with times, into the steps of an inputs file.

    A step lasts --window seconds, or takes --per-step events; without either the steps share the recording, --by time or
    count. Time begins at the first event (nirdata: at 0). Events of one pixel in one step are one spike."""
    chosen = by or (By.COUNT if per_step is not None else By.TIME)
    binning = Binning(
        steps=steps, by=chosen.value, window_s=window, per_step=per_step, downsample=downsample, merge_polarities=merge,
        first_s=first,
    )  # fmt: skip
    files, classes = event_files(sources, label)
    check_targets(output, json_to, sources=tuple(path for path, _ in files))
    said = Said(form, parsed_sensor(sensor), columns, observable, sort)
    told: list[dict[str, Any]] = []
    with progress("binning", len(files), quiet()) as done:
        inputs, tallies = binned_inputs(_watched(read_all(_ticking(files, done), said), told), binning, output.stem)
    inputs.save(str(output))
    for recording, tally in zip(told, tallies, strict=True):
        recording.update(tally.to_dict())
    assert inputs.spikes is not None
    total = sum(tallies[1:], tallies[0]).to_dict()
    shape = list(inputs.spikes.shape[1:])
    found = {"file": str(output), "shape": shape, **total, "classes": classes, "recordings": told}
    show(binned_text(found), json_to, found)


def parsed_sensor(text: str | None) -> Sensor | None:
    """(W, H, P) of words like 34x34x2; two polarities where none are said."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})(?:x([0-9]{1,9}))?", text)
    if found is None:
        raise NeurosimError(f"--sensor {text}: needed is WxH or WxHxP, for example 34x34x2")
    return int(found[1]), int(found[2]), int(found[3] or 2)


def _ticking(files: list[tuple[Path, int | None]], done: Any) -> Iterator[tuple[Path, int | None]]:
    for file in files:
        yield file
        done(1)


def _watched(recordings: Iterator[Recording], told: list[dict[str, Any]]) -> Iterator[Recording]:
    """The same recordings; what to tell of each is added to *told*."""
    for recording in recordings:
        told.append({"name": recording.name, "label": recording.label, "notes": list(recording.notes)})
        yield recording
