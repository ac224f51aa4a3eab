"""The command line: each command is parse, one call, print."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

import neurosim as ns
from neurosim.errors import InputsError, NeurosimError, TraceError
from neurosim.inputs import Inputs
from neurosim.io.chip_file import DEFAULT, load_chip, preset_names, preset_toml
from neurosim.io.hdf5 import check_target, replacing
from neurosim.io.hdf5 import command as this_command
from neurosim.io.listing import listing
from neurosim.report import text
from neurosim.report.progress import progress
from neurosim.result import Result
from neurosim.simulate import STATE_BITS, simulate
from neurosim.verify import verify as verify_network

app = typer.Typer(
    name="neurosim", no_args_is_help=True, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip


class Placer(StrEnum):
    """How bricks are given cores; one member for each entry of `PLACERS`."""

    ROW_MAJOR = "row-major"


class Timing(StrEnum):
    """Level of detail of time."""

    ANALYTIC = "analytic"


class Method(StrEnum):
    """Training methods."""

    DIET = "diet"


class Schedule(StrEnum):
    """Order of the layers within a time step."""

    SEQUENTIAL = "sequential"


NetworkArg = Annotated[Path, typer.Argument(metavar="NETWORK", help="Network file (HDF5).")]
InputsArg = Annotated[Path, typer.Argument(metavar="INPUTS", help="Inputs file (HDF5, .npz or .npy).")]
ChipOption = Annotated[str, typer.Option("--chip", metavar="NAME_OR_FILE", help="Preset name or TOML file.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="key.path=value", help="Change a setting; repeatable.")]
ImagesOption = Annotated[int | None, typer.Option("--images", min=1, metavar="N", help="Use the first N samples.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Threads that share the samples.")]
PlacerOption = Annotated[Placer, typer.Option("--placer", help="How bricks are given cores.")]
TimingOption = Annotated[Timing, typer.Option("--timing", help="Level of detail of time.")]
ScheduleOption = Annotated[Schedule, typer.Option("--schedule", help="Order of the layers within a time step.")]
TraceOption = Annotated[Path | None, typer.Option("--trace", metavar="TRACE.h5", help="Keep the spike trace.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", metavar="RUN.h5", help="Keep the run.")]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write an HTML report.")]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; '-' is stdout.")]
DEMO_REPORT = Path("neurosim-demo.html")


def show(rendered: RenderableType, json_to: str | None, values: Any) -> None:
    """Print for people, and write *values* for programs; with '-' only the latter."""
    write_json(json_to, values)
    if json_to == "-":
        return
    width = None if sys.stdout.isatty() else 140
    Console(width=width, highlight=False, markup=False, emoji=False).print(rendered)


def write_json(json_to: str | None, values: Any) -> None:
    if json_to == "-":
        sys.stdout.write(json.dumps(values, allow_nan=False) + "\n")
    elif json_to is not None:
        with replacing(json_to) as temporary:
            temporary.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def bundled(name: str) -> Path:
    """A file that travels with the package: in the wheel under data/, in a checkout under models/ or traces/."""
    installed = Path(str(resources.files("neurosim"))) / "data" / name
    checkout = Path(__file__).resolve().parents[1]
    return next((p for p in (installed, checkout / "models" / name, checkout / "traces" / name) if p.exists()), installed)


def loaded(path: Path, images: int | None) -> Inputs:
    """The first *images* samples of an inputs file; more than there are is an error."""
    inputs = ns.load_inputs(path)
    if images is not None and images > len(inputs):
        raise NeurosimError(f"--images {images}: {path} holds {len(inputs)} samples")
    return inputs if images is None else inputs[:images]


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Problems with inputs and traces name the file they came from."""
    try:
        yield
    except (InputsError, TraceError) as error:
        raise type(error)(str(path), error.problems) from error


def simulated(network: ns.Network, inputs: Inputs, path: Path, state_bits: int = STATE_BITS, workers: int = 1) -> ns.SpikeTrace:
    with about(path), progress("simulating", len(inputs)) as done:
        return simulate(network, inputs, state_bits=state_bits, workers=workers, progress=done)


def mapped(network: ns.Network, chip: ns.Chip, placer: Placer, json_to: str | None) -> ns.Mapping:
    """The mapping; what does not fit is also written as JSON."""
    with violations_to(json_to):
        return ns.map_network(network, chip, placer.value)


@contextmanager
def violations_to(json_to: str | None) -> Iterator[None]:
    try:
        yield
    except ns.MappingError as error:
        write_json(json_to, {"feasible": False, "violations": [v.to_dict() for v in error.violations]})
        raise


def check_targets(*paths: Path | str | None) -> None:
    """Notice before the work that a result could not be written after it."""
    for path in paths:
        if path is not None and path != "-":
            check_target(path)


def finish(result: Result, output: Path | None, report: Path | None, json_to: str | None) -> None:
    """Write what was asked for, print the summary."""
    if output is not None:
        result.save(str(output))
    if report is not None:
        result.report(str(report))
    show(text.run_summary(result), json_to, result.to_dict())


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(ns.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=print_version, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Event-driven simulator of neuromorphic hardware: what a trained spiking network answers on a described chip, how long
    it takes, and where the energy goes. Exit codes: 0 done, 1 the check failed, 2 bad input."""


@app.command()
def demo(
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = 1,
    report: Annotated[Path, typer.Option("--report", metavar="FILE.html", help="Where the report goes.")] = DEMO_REPORT,
    json_to: JsonOption = None,
) -> None:
    """The main job on the bundled network and images: answer, time, energy, where it went, and an HTML report."""
    network, data = bundled("mnist_vgg_t5.h5"), bundled("mnist_test_1000.h5")
    run(network, data, chip, changes, images, workers, report=report, json_to=json_to)
    if json_to != "-":
        by_hand = ["neurosim", "run", str(network), str(data), "--chip", chip, "--report", str(report)]
        by_hand += [word for change in changes or () for word in ("--set", change)]
        by_hand += ["--images", str(images)] if images else []
        typer.echo(f"\nThe report is in {report}. The same by hand:\n  {shlex.join(by_hand)}")


@app.command()
def run(
    network: NetworkArg,
    inputs: InputsArg,
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = 1,
    placer: PlacerOption = Placer.ROW_MAJOR,
    timing: TimingOption = Timing.ANALYTIC,
    schedule: ScheduleOption = Schedule.SEQUENTIAL,
    trace: TraceOption = None,
    output: OutputOption = None,
    report: ReportOption = None,
    json_to: JsonOption = None,
) -> None:
    """Simulate a network on a chip."""
    check_targets(trace, output, report, json_to)
    net, data = ns.load_network(network), loaded(inputs, images)
    mapping = mapped(net, load_chip(chip, changes or ()), placer, json_to)
    recorded = simulated(net, data, inputs, mapping.chip.core.state_bits, workers)
    if trace is not None:
        recorded.save(str(trace))
    finish(ns.evaluate(recorded, mapping, command=this_command()), output, report, json_to)


@app.command()
def verify(network: NetworkArg, json_to: JsonOption = None) -> None:
    """Re-simulate the golden samples of a network; every spike and potential must be the recorded one."""
    net = ns.load_network(network)
    verdict = verify_network(net)
    show(text.verdict_text(net.name, verdict), json_to, verdict.to_dict())
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def trace(
    network: NetworkArg,
    inputs: InputsArg,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="TRACE.h5", help="Where the spike trace goes.")],
    images: ImagesOption = None,
    workers: WorkersOption = 1,
    state_bits: Annotated[int, typer.Option("--state-bits", min=2, max=32, help="Width of a potential.")] = STATE_BITS,
    json_to: JsonOption = None,
) -> None:
    """Record the spikes of a network; no chip is involved."""
    check_targets(output, json_to)
    net, data = ns.load_network(network), loaded(inputs, images)
    recorded = simulated(net, data, inputs, state_bits, workers)
    recorded.save(str(output))
    counts = recorded.spike_counts()
    values = {"images": len(recorded), "accuracy": recorded.accuracy, "spikes": counts, "trace": str(output)}
    show(text.spikes_table(counts, net, len(recorded)), json_to, values)


@app.command()
def replay(
    recorded: Annotated[Path, typer.Argument(metavar="TRACE.h5", help="Spike trace file.")],
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    images: ImagesOption = None,
    workers: WorkersOption = 1,
    placer: PlacerOption = Placer.ROW_MAJOR,
    timing: TimingOption = Timing.ANALYTIC,
    schedule: ScheduleOption = Schedule.SEQUENTIAL,
    trace: TraceOption = None,
    output: OutputOption = None,
    report: ReportOption = None,
    json_to: JsonOption = None,
) -> None:
    """The result of `run` from a recorded trace, with the options of `run`; nothing is simulated again."""
    check_targets(trace, output, report, json_to)
    spikes = ns.load_trace(recorded)
    with about(recorded):
        spikes = spikes if images is None else spikes.head(images)
        mapping = mapped(spikes.network, load_chip(chip, changes or ()), placer, json_to)
        result = ns.evaluate(spikes, mapping, command=this_command())
    if trace is not None:
        spikes.save(str(trace))
    finish(result, output, report, json_to)


@app.command(name="map")
def map_command(
    network: NetworkArg,
    chip: ChipOption = DEFAULT,
    changes: SetOption = None,
    placer: PlacerOption = Placer.ROW_MAJOR,
    estimate: Annotated[bool, typer.Option("--estimate", help="Cores and memory without placing.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="MAP.h5", help="Keep the mapping.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Which neurons live in which core; or everything that does not fit."""
    check_targets(output, json_to)
    net, target = ns.load_network(network), load_chip(chip, changes or ())
    if estimate:
        with violations_to(json_to):
            found = ns.estimate(net, target)
        show(text.estimate_text(found), json_to, found)
        raise typer.Exit(0 if found["feasible"] else 1)
    mapping = mapped(net, target, placer, json_to)
    if output is not None:
        mapping.save(str(output))
    show(text.mapping_summary(mapping), json_to, mapping.to_dict())


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any neurosim file.")],
    json_to: JsonOption = None,
) -> None:
    """What is in a neurosim file (a chip: `presets`, or its TOML)."""
    found = listing(file)
    parts: list[RenderableType] = [text.listing_text(found)]
    if found["format"] == "neurosim-network":
        parts = [text.network_table(ns.load_network(file)), "", *parts]
    show(text.Group(*parts), json_to, found)


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show one chip with the source of every number.")] = None,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print the TOML, to start a chip of your own from.")] = False,
    json_to: JsonOption = None,
) -> None:
    """The chips that ship."""
    if as_toml and json_to is None:
        typer.echo(preset_toml(name or DEFAULT), nl=False)
        return
    if name is not None and name not in preset_names():
        raise NeurosimError(f"preset {name!r} does not exist; there are: {', '.join(preset_names())}")
    chips = [load_chip(n) for n in ([name] if name else preset_names())]
    if name:
        show(text.chip_text(chips[0]), json_to, [chips[0].values])
        return
    rows = text.table("name", "cores", "title")
    rows.columns[2].justify = "left"
    for each in chips:
        rows.add_row(each.name, str(each.mesh.cores), each.title)
    show(rows, json_to, [each.values for each in chips])


@app.command()
def quantize(
    network: NetworkArg,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="Where the integer network goes.")],
    bits: Annotated[int, typer.Option("--bits", min=2, max=16, help="Bits per weight.")] = 8,
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="Print the accuracy on these.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Make an integer network from the float weights in a network file (golden samples need the training extra)."""
    check_targets(output, json_to)
    net = ns.load_network(network)
    source = net if not net.integer else net.float_twin
    if source is None:
        raise NeurosimError(f"{network}: holds no float weights to quantize")
    integer = ns.quantize(source, bits)
    if net.golden is not None:
        integer = training().export.with_golden(integer, net.golden.images, net.golden.labels)
    values: dict[str, Any] = {"bits": bits, "accuracy": None, "network": str(output)}
    if inputs is not None:
        data = ns.load_inputs(inputs)
        values["accuracy"] = simulated(integer, data, inputs).accuracy
        values["float_accuracy"] = simulated(source, data, inputs).accuracy
        integer = replace(integer, about=integer.about | {"accuracy_reference": values["accuracy"]})
    integer.save(str(output))
    golden = "no golden samples, so verify has nothing to check" if integer.golden is None else "with golden samples"
    lines = [f"{output}: {bits}-bit weights, {golden}"]
    if values["accuracy"] is not None:
        lines.append(f"accuracy {100 * values['accuracy']:.2f} % (float32 {100 * values['float_accuracy']:.2f} %)")
    show("\n".join(lines), json_to, values)


@app.command()
def train(
    method: Annotated[Method, typer.Argument(help="Training method.")],
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="MNIST: an .npz, or a folder with the IDX files.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="Where the network goes.")],
    arch: Annotated[str, typer.Option("--arch", help="Architecture.")] = "mnist_vgg",
    timesteps: Annotated[int, typer.Option("--timesteps", min=1, help="Time steps T.")] = 5,
    bits: Annotated[int, typer.Option("--bits", min=2, max=16, help="Bits per weight.")] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of weights, order, augmentation and split.")] = 0,
    ann_epochs: Annotated[int, typer.Option("--ann-epochs", min=1, help="Epochs of pre-training.")] = 20,
    snn_epochs: Annotated[int, typer.Option("--snn-epochs", min=1, help="Epochs of fine-tuning.")] = 15,
    scale: Annotated[float, typer.Option("--scale", min=0.01, help="Factor on the balanced thresholds.")] = 0.6,
    checkpoints: Annotated[Path | None, typer.Option("--checkpoints", metavar="DIR", help="One checkpoint per epoch.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints.")] = False,
    test_inputs: Annotated[
        Path | None, typer.Option("--test-inputs", metavar="INPUTS.h5", help="Write the first 1,000 test images.")
    ] = None,
    json_to: JsonOption = None,
) -> None:
    """Train a spiking network and export it (needs the extra `train`). One JSON line per epoch goes to stderr."""
    check_targets(output, test_inputs, json_to)
    package = training()
    recipe = package.Recipe(
        arch=arch, timesteps=timesteps, bits=bits, seed=seed, ann_epochs=ann_epochs, snn_epochs=snn_epochs, scale=scale
    )
    if resume and checkpoints is None:
        raise NeurosimError("--resume needs --checkpoints DIR, the folder of the run to go on with")

    def say(line: dict[str, Any]) -> None:
        sys.stderr.write(json.dumps(line) + "\n")

    report = package.train_diet(data, output, recipe, checkpoints=checkpoints, resume=resume, say=say)
    if test_inputs is not None:
        package.save_test_inputs(package.load_mnist(data, seed), 1000, test_inputs)
    show(text.training_table(report), json_to, report)


def training() -> Any:
    """The training package; says what to install where PyTorch is absent."""
    try:
        import neurosim.training as package
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "PIL"):
            raise
        needs = "python -m pip install 'neurosim-hw[train]'"
        raise NeurosimError(f"{error.name} is not installed; training needs: {needs}") from None
    return package


def main() -> None:
    """Run the command line; errors are lines on stderr, not tracebacks."""
    debug = "--debug" in sys.argv
    sys.argv = [a for a in sys.argv if a != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except NeurosimError as error:
        _leave(str(error), error.exit_code, debug)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        _leave("out of memory; use fewer samples (--images) or workers", 2, debug)
    except OSError as error:
        _leave(str(error), 2, debug)
    except Exception as error:
        _leave(f"internal error, please report it with the output of --debug: {type(error).__name__}: {error}", 2, debug)


def _leave(message: str, code: int, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    sys.stderr.write(f"neurosim: {message}\n")
    sys.exit(code)
