"""Commands that involve a chip: demo, run, replay, reprice, map, presets."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

import neurosim as ns
from neurosim.chip.settings import FIT
from neurosim.cli.app import app
from neurosim.cli.console import (
    all_of,
    ann_choice,
    bundled,
    check_scale,
    check_targets,
    evaluated,
    finish,
    mapped,
    note_free,
    opened,
    parsed_pins,
    recorded,
    say,
    show,
    spikeless,
    time_choice,
    violations_to,
)
from neurosim.cli.names import NamingCommand, argument, named_or_file
from neurosim.cli.options import (
    AnnBitsOption,
    AnnChipOption,
    AnnSparsityOption,
    ChipOption,
    DaskOption,
    ImagesOption,
    InputsArg,
    JsonOption,
    MappingOption,
    NetworkArg,
    NeuroBenchOption,
    OutputOption,
    PacketImagesOption,
    PartitionerOption,
    PerfettoOption,
    PlacerOption,
    ReportOption,
    ScaleOption,
    ScheduleOption,
    SeedOption,
    SetOption,
    TimingOption,
    TraceOption,
    WorkersOption,
)
from neurosim.errors import NeurosimError, about
from neurosim.io.chip_file import changed_chip, load_chip
from neurosim.io.hdf5 import command
from neurosim.io.presets import DEFAULT, PRESETS, preset_toml
from neurosim.io.run_file import load_run
from neurosim.io.trace_file import opened_trace
from neurosim.mapping.survey import Survey
from neurosim.report import text

DEMO_REPORT = Path("neurosim-demo.html")
DEMO_IMAGES = 100


@app.command(cls=NamingCommand)
def demo(
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = DEMO_IMAGES,
    workers: WorkersOption = None,
    report: Annotated[Path, typer.Option("--report", metavar="FILE.html", help="Where the report goes.")] = DEMO_REPORT,
    json_to: JsonOption = None,
) -> None:
    """The main job on the bundled network and images: answer, time, energy, where it went, and an HTML report."""
    network, data = bundled("mnist_vgg_t5.h5"), bundled("mnist_test_1000.h5")
    run(network, data, chip, changes, images, workers, report=report, json_to=json_to)
    if json_to != "-":
        by_hand = ["neurosim", "run", str(network), str(data), "--chip", chip, "--report", str(report)]
        by_hand += [word for change in changes or () for word in ("--set", change)]
        by_hand += ["--images", str(images)]
        say(f"\nThe report is in {report}. The same by hand:\n  {shlex.join(by_hand)}")


@app.command(cls=NamingCommand)
def run(
    network: NetworkArg,
    inputs: InputsArg,
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = None,
    dask: DaskOption = None,
    placer: PlacerOption = None,
    partitioner: PartitionerOption = None,
    mapping: MappingOption = None,
    timing: TimingOption = "packet",
    schedule: ScheduleOption = "sequential",
    packet_images: PacketImagesOption = "auto",
    seed: SeedOption = 0,
    ann_chip: AnnChipOption = None,
    ann_bits: AnnBitsOption = None,
    ann_sparsity: AnnSparsityOption = None,
    scale: ScaleOption = None,
    trace: TraceOption = None,
    output: OutputOption = None,
    report: ReportOption = None,
    perfetto: PerfettoOption = None,
    neurobench: NeuroBenchOption = False,
    json_to: JsonOption = None,
) -> None:
    """Simulate a network on a chip."""
    with ExitStack() as stack:
        how, _, net, data, target, choice, _ = all_of(
            lambda: time_choice(timing, schedule, packet_images, seed, placer),
            lambda: check_targets(trace, output, report, perfetto, json_to, sources=(network, inputs, mapping)),
            lambda: ns.load_network(network), lambda: stack.enter_context(opened(inputs, images)),
            lambda: load_chip(chip, changes or ()).scaled_to(scale),
            lambda: ann_choice(ann_chip, ann_bits, ann_sparsity).scaled_to(scale), lambda: check_scale(scale),
        )  # fmt: skip
        choice.check(net, [target])
        note_free(chip, changes or ())
        placed = mapped(net, target, placer, json_to, given=mapping, partitioner=partitioner, seed=seed)
        beside = spikeless(choice, placed, placer, json_to)
        bits = placed.chip.core.state_bits
        spikes = stack.enter_context(recorded(net, data, inputs, bits, workers, neurobench, dask))
        if trace is not None:
            spikes.save(str(trace))
        result = evaluated(spikes, placed, beside, how, workers, perfetto, json_to)
        finish(result, output, report, json_to, neurobench)


@app.command(cls=NamingCommand)
def replay(
    file: Annotated[Path, typer.Argument(metavar="TRACE.h5", help="Spike trace file.")],
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = None,
    placer: PlacerOption = None,
    partitioner: PartitionerOption = None,
    mapping: MappingOption = None,
    timing: TimingOption = "packet",
    schedule: ScheduleOption = "sequential",
    packet_images: PacketImagesOption = "auto",
    seed: SeedOption = 0,
    ann_chip: AnnChipOption = None,
    ann_bits: AnnBitsOption = None,
    ann_sparsity: AnnSparsityOption = None,
    scale: ScaleOption = None,
    trace: TraceOption = None,
    output: OutputOption = None,
    report: ReportOption = None,
    perfetto: PerfettoOption = None,
    neurobench: NeuroBenchOption = False,
    json_to: JsonOption = None,
) -> None:
    """The result of `run` from a recorded trace, with the options of `run`; nothing is simulated again."""
    with about(file), ExitStack() as stack:
        how, _, spikes, target, choice, _ = all_of(
            lambda: time_choice(timing, schedule, packet_images, seed, placer),
            lambda: check_targets(trace, output, report, perfetto, json_to, sources=(file, mapping)),
            lambda: stack.enter_context(opened_trace(file, images)), lambda: load_chip(chip, changes or ()).scaled_to(scale),
            lambda: ann_choice(ann_chip, ann_bits, ann_sparsity).scaled_to(scale), lambda: check_scale(scale),
        )  # fmt: skip
        choice.check(spikes.network, [target])
        note_free(chip, changes or ())
        placed = mapped(spikes.network, target, placer, json_to, given=mapping, partitioner=partitioner, seed=seed)
        beside = spikeless(choice, placed, placer, json_to)
        result = evaluated(spikes, placed, beside, how, workers, perfetto, json_to)
        if trace is not None:
            spikes.save(str(trace))
        finish(result, output, report, json_to, neurobench)


@app.command(cls=NamingCommand)
def reprice(
    file: Annotated[Path, typer.Argument(metavar="RUN.h5", help="Run file.")],
    chip: Annotated[str | None, named_or_file(PRESETS, "--chip", help="Prices to use, of a TOML file or a preset")] = None,
    changes: SetOption = None,
    output: OutputOption = None,
    json_to: JsonOption = None,
) -> None:
    """New prices on the stored counts of a run; nothing is simulated again. Without --chip, those of the run are changed."""
    check_targets(output, json_to, sources=(file,))
    before = load_run(file)
    own = before.chip.values
    target = load_chip(chip, changes or ()) if chip else changed_chip(own, changes or (), f"chip of {file}")
    after = before.at(target, command())
    if output is not None:
        after.save(str(output))
    show(text.repriced_text(before.document, after.document), json_to, after.to_dict())


@app.command(name="map", cls=NamingCommand)
def map_command(
    network: NetworkArg,
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    placer: PlacerOption = None,
    partitioner: PartitionerOption = None,
    trace: Annotated[Path | None, typer.Option("--trace", metavar="TRACE.h5", help="Weigh wires by these spikes.")] = None,
    mapping: MappingOption = None,
    pins: Annotated[list[str] | None, typer.Option("--pin", metavar="LAYER=CORES", help="As conv1=0,8-15; repeatable.")] = None,
    seed: SeedOption = 0,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, metavar="S", help="Time for annealing.")] = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="Cores and memory without placing.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="MAP", help="Keep it, as .h5 or .json.")] = None,
    report: ReportOption = None,
    json_to: JsonOption = None,
) -> None:
    """Which neurons live in which core, and what they send each other; or everything that does not fit."""
    check_targets(output, report, json_to, sources=(network, trace, mapping))
    useless = {"--placer": placer, "--trace": trace, "--mapping": mapping, "--pin": pins, "-o": output, "--report": report}
    given = [name for name, value in useless.items() if value]
    if estimate and given:
        raise NeurosimError(f"--estimate places nothing; leave out {', '.join(given)}")
    net, target = ns.load_network(network), load_chip(chip, changes or ())
    if estimate:
        with violations_to(json_to):
            found = ns.estimate(net, target, partitioner or "cores")
        show(text.estimate_text(found), json_to, found)
        raise typer.Exit(0 if found["feasible"] else 1)
    spikes = ns.load_trace(trace) if trace is not None else None
    pinned = parsed_pins(pins or [])
    with about(trace or network):
        placed = mapped(
            net, target, placer, json_to, given=mapping, partitioner=partitioner, seed=seed, seconds=seconds, trace=spikes,
            pins=pinned,
        )  # fmt: skip
        told = Survey(placed, placed.wires(spikes), spikes)
    if output is not None:
        placed.save(str(output))
    if report is not None:
        from neurosim.report.mapping_page import save_mapping_report

        save_mapping_report(told, report)
    show(text.mapping_summary(told), json_to, told.to_dict())


@app.command(cls=NamingCommand)
def presets(
    name: Annotated[str | None, argument(PRESETS, help="Show one chip with the source of every number")] = None,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print the TOML, to start a chip of your own from.")] = False,
    json_to: JsonOption = None,
) -> None:
    """The chips that ship, and those that installed packages bring."""
    if as_toml and json_to is None:
        typer.echo(preset_toml(name or DEFAULT), nl=False)
        return
    if name:
        chip = load_chip(name)
        show(text.chip_text(chip), json_to, [chip.values])
        return
    chips, notes = usable_presets()
    rows = text.table("name", "cores", "title")
    rows.columns[2].justify = "left"
    for each, (chip, package) in chips.items():
        cores = chip.mesh.size if chip.mesh.size == FIT else str(chip.cores)
        rows.add_row(each, cores, chip.title + (f" (package {package})" if package else ""))
    brought = {each: {"package": package} if package else {} for each, (_, package) in chips.items()}
    show(rows, json_to, [chip.values | brought[each] for each, (chip, _) in chips.items()])
    sys.stderr.writelines(f"neurosim: {note}\n" for note in notes)


def usable_presets() -> tuple[dict[str, tuple[ns.Chip, str | None]], list[str]]:
    """(the chip of every preset and the package that brings it, what is wrong with others that packages bring)."""
    found, notes = dict[str, tuple[ns.Chip, str | None]](), PRESETS.notes
    for name in PRESETS:
        try:
            found[name] = load_chip(name), PRESETS.package(name)
        except NeurosimError as error:
            if name in PRESETS.own:
                raise
            notes += [str(error)] if str(error) not in notes else []
    return found, notes
