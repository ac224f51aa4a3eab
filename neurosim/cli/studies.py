"""Commands about what was found: sweep, compare, report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

import neurosim as ns
from neurosim.cli.app import app
from neurosim.cli.console import (
    all_of,
    ann_choice,
    check_scale,
    check_targets,
    clustered,
    loaded,
    mapped,
    note,
    note_unused,
    quiet,
    show,
    time_choice,
)
from neurosim.cli.names import NamingCommand, named_or_file
from neurosim.cli.options import (
    AnnBitsOption,
    AnnChipOption,
    AnnSparsityOption,
    DaskOption,
    ImagesOption,
    InputsArg,
    JsonOption,
    NetworkArg,
    PacketImagesOption,
    PlacerOption,
    ReportOption,
    ScaleOption,
    ScheduleOption,
    SeedOption,
    SetOption,
    TimingOption,
    WorkersOption,
)
from neurosim.cost.spikeless import AnnChoice
from neurosim.errors import FileError, NeurosimError, about
from neurosim.explore.document import ComparisonDocument, read_findings
from neurosim.explore.findings import Findings
from neurosim.explore.free import free_settings
from neurosim.explore.images import ImageCosts, differences
from neurosim.explore.objective import OBJECTIVES, metrics
from neurosim.explore.reading import load_study
from neurosim.explore.sweep import sweep as swept
from neurosim.explore.task import OK
from neurosim.io.chip_file import load_chip
from neurosim.io.findings_file import save_table
from neurosim.io.hdf5 import command, replacing
from neurosim.io.presets import PRESETS, is_preset
from neurosim.io.run_file import load_run
from neurosim.mapping.place import USUAL
from neurosim.outcome.pipeline import run_mapped
from neurosim.report import comparison_text, study_text
from neurosim.report.progress import points, progress
from neurosim.timing.choice import TimeChoice

STORE, TABLE, VALUES, COLUMNS, REPORT = "store", "table.csv", "results.json", "table.h5", "report.html"


@app.command(cls=NamingCommand, epilog=f"Objectives and constraints of a study: {', '.join(OBJECTIVES)}.")
def sweep(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="What is varied, and what counts.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where tables and store go.")],
    workers: Annotated[int | None, typer.Option("--workers", min=1, metavar="N", help="Processes, else one per core.")] = None,
    dask: DaskOption = None,
    store: Annotated[Path | None, typer.Option("--store", metavar="DIR", help="What is known, shared by studies.")] = None,
    ann_chip: AnnChipOption = None,
    scale: ScaleOption = None,
    json_to: JsonOption = None,
) -> None:
    """Many chips on one network: each point once, the best of them, and what matters. Goes on where it was stopped."""
    from neurosim.report.study_page import save_study_report

    check_targets(json_to, sources=(study,))
    asked = load_study(study, **_instead(ann_chip, scale))
    _folder(output)
    with points("points", quiet()) as (tick, write), clustered(dask) as executor:
        try:
            found = swept(
                asked, store=store or output / STORE, executor=executor, workers=workers or os.cpu_count() or 1, progress=tick,
                log=write,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise InterruptedStudyError("stopped; what is done is kept: the same command goes on from there") from None
    save_findings(found, output)
    document = found.document
    save_study_report(document, output / REPORT)
    show(study_text.study_summary(found), json_to, document.to_dict())
    if found.failed or OK not in found.status:
        raise typer.Exit(1)


@app.command(cls=NamingCommand)
def compare(
    network: NetworkArg,
    inputs: InputsArg,
    chips: Annotated[list[str], named_or_file(PRESETS, "--chip", help="Several, each a TOML file or a preset")],
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = None,
    placer: PlacerOption = None,
    timing: TimingOption = "packet",
    schedule: ScheduleOption = "sequential",
    packet_images: PacketImagesOption = "auto",
    seed: SeedOption = 0,
    ann_chip: AnnChipOption = None,
    ann_bits: AnnBitsOption = None,
    ann_sparsity: AnnSparsityOption = None,
    scale: ScaleOption = None,
    report: ReportOption = None,
    json_to: JsonOption = None,
) -> None:
    """A few chips beside each other: how many times the first, the amounts, and the settings that differ."""
    how, _, names, net, data, choice, _, *loaded_chips = all_of(
        lambda: time_choice(timing, schedule, packet_images, seed, placer),
        lambda: check_targets(report, json_to, sources=(network, inputs)), lambda: _different(chips),
        lambda: ns.load_network(network), lambda: loaded(inputs, images),
        lambda: ann_choice(ann_chip, ann_bits, ann_sparsity).scaled_to(scale), lambda: check_scale(scale),
        *(partial(_scaled_chip, name, changes or (), scale) for name in dict.fromkeys(chips)),
    )  # fmt: skip
    targets = dict(zip(names, loaded_chips, strict=True))
    choice.check(net, [*targets.values()])
    note_unused(how, len(data))
    for line in free_settings(targets):
        note(line)
    with about(inputs):
        told = compared(net, data, targets, placer, how, choice, workers)
    if report is not None:
        from neurosim.report.comparison_page import save_comparison_report

        save_comparison_report(told, report)
    targets |= {name: run.chip.values for name, run in told.runs.items()}
    summary = comparison_text.comparison_summary(targets, told)
    parts = summary, comparison_text.without_spikes(told.runs), comparison_text.in_words(told)
    show(Group(*parts), json_to, told.to_dict())
    if told.reasons:
        raise typer.Exit(1)


def _instead(ann_chip: str | None, scale: str | None) -> dict[str, str]:
    """What is asked for takes the place of what a study says; paths in it start at its folder, these here."""
    machine = {} if ann_chip is None else {"ann_chip": ann_chip if is_preset(ann_chip) else str(Path(ann_chip).absolute())}
    return machine | ({} if scale is None else {"scale_node": scale})


def _different(chips: list[str]) -> list[str]:
    """Raises NeurosimError unless there are at least two, none of them twice."""
    twice = sorted({name for name in chips if chips.count(name) > 1})
    if twice or len(chips) < 2:
        raise NeurosimError(f"--chip {' '.join(twice)} is given more than once" if twice else "give at least two --chip")
    return chips


def _scaled_chip(name: str, changes: Sequence[str], scale: str | None) -> ns.Chip:
    return load_chip(name, changes).scaled_to(scale)


def compared(
    network: ns.Network, inputs: ns.Inputs, chips: dict[str, ns.Chip], placer: str | None, how: TimeChoice, choice: AnnChoice,
    workers: int | None,
) -> ComparisonDocument:  # fmt: skip
    """What every chip that the network fits makes of it, and why it does not fit the others."""
    mappings, reasons = dict[str, ns.Mapping](), dict[str, list[str]]()
    for name, chip in chips.items():
        try:
            mappings[name] = mapped(network, chip, placer, None, seed=how.seed)
        except ns.MappingError as error:
            reasons[name] = [str(violation) for violation in error.violations]
    chips = chips | {name: mapping.chip for name, mapping in mappings.items()}
    places = [*mappings.values()]
    apart = choice.placed(places, placer or USUAL)
    with progress("chips", len(mappings), quiet()) as tick:
        results = run_mapped(inputs, places, how, apart, choice, workers=workers, command=command(), progress=tick)
    runs = dict(zip(mappings, results, strict=True))
    found = {name: metrics(run) for name, run in runs.items()}
    images = {name: ImageCosts.of(run, run.trace) for name, run in runs.items()}
    return ComparisonDocument.model_validate({
        "chips": list(chips), "ratios": comparison_text.ratios(found) if found else {}, "metrics": found,
        "differences": comparison_text.differences(chips), "reasons": reasons,
        "runs": {name: run.document for name, run in runs.items()},
        "coverage": {name: chip.covered for name, chip in chips.items()}, "uneven": comparison_text.uneven(chips),
        "nodes": comparison_text.nodes_apart(chips),
        "errors": {name: each.errors for name, each in images.items()}, "free": free_settings(chips),
        "paired": {name: differences(each, first) for first in [*images.values()][:1] for name, each in [*images.items()][1:]},
    })  # fmt: skip


@app.command()
def report(
    found: Annotated[Path, typer.Argument(metavar="RUN.h5|DIR", help="Run file, or the folder of a study.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.html", help="Where the report goes.")],
    json_to: JsonOption = None,
) -> None:
    """The HTML report of a run or a study, as `run` and `sweep` write it."""
    from neurosim.report.study_page import save_study_report

    check_targets(output, json_to, sources=(found,))
    if found.is_dir():
        study = read_findings(found / VALUES)
        values = study.to_dict()
        save_study_report(study, output)
    else:
        run = load_run(found)
        values = run.to_dict()
        run.report(str(output))
    show(f"The report is in {output}.", json_to, values)


class InterruptedStudyError(NeurosimError):
    """By Ctrl-C."""

    exit_code = 130


def save_findings(found: Findings, folder: Path) -> None:
    """The tables of a study as CSV, JSON and HDF5."""
    with replacing(folder / TABLE) as temporary:
        temporary.write_text(found.csv, encoding="utf-8")
    with replacing(folder / VALUES) as temporary:
        temporary.write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    save_table(found.table, {"study": found.study.name}, folder / COLUMNS)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(str(path), [f"cannot be made: {error.strerror or error}"]) from error
    for name in (TABLE, VALUES, COLUMNS, REPORT):
        check_targets(path / name)
