"""What the commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Placer(StrEnum):
    """How bricks are given cores; one member for each entry of `PLACERS`."""

    ROW_MAJOR = "row-major"
    GREEDY = "greedy"
    HILBERT = "hilbert"
    SPECTRAL = "spectral"
    QAP = "qap"
    ANNEALING = "annealing"
    RANDOM = "random"


class Partitioner(StrEnum):
    """What a partition wants few of; one member for each of `OBJECTIVES`."""

    CORES = "cores"
    TRAFFIC = "traffic"


class Timing(StrEnum):
    """Level of detail of time."""

    ANALYTIC = "analytic"
    PACKET = "packet"
    SIMPY = "simpy"


class Schedule(StrEnum):
    """Order of the layers."""

    SEQUENTIAL = "sequential"
    PIPELINED = "pipelined"


NetworkArg = Annotated[Path, typer.Argument(metavar="NETWORK", help="Network file (HDF5).")]
InputsArg = Annotated[Path, typer.Argument(metavar="INPUTS", help="Inputs file (HDF5, .npz or .npy).")]
ChipOption = Annotated[str, typer.Option("--chip", metavar="NAME_OR_FILE", help="Preset name or TOML file.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="key.path=value", help="Change a setting; repeatable.")]
ImagesOption = Annotated[int | None, typer.Option("--images", min=1, metavar="N", help="Use the first N samples.")]
WorkersOption = Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Threads that share the samples.")]
PlacerOption = Annotated[Placer | None, typer.Option("--placer", help="How bricks are given cores; row-major without.")]
PartitionerOption = Annotated[
    Partitioner | None, typer.Option("--partition", help="As few cores (without), or packets, as possible.")
]
MappingOption = Annotated[Path | None, typer.Option("--mapping", metavar="MAP", help="A mapping from neurosim map -o.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
TimingOption = Annotated[Timing, typer.Option("--timing", help="Level of detail of time.")]
ScheduleOption = Annotated[Schedule, typer.Option("--schedule", help="Layers one by one, or all at once.")]
TraceOption = Annotated[Path | None, typer.Option("--trace", metavar="TRACE.h5", help="Keep the spike trace.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", metavar="RUN.h5", help="Keep the run.")]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write an HTML report.")]
PerfettoOption = Annotated[Path | None, typer.Option("--perfetto", metavar="FILE.json", help="Keep what cores do, by packet.")]
NeuroBenchOption = Annotated[bool, typer.Option("--neurobench", help="Count and print the metrics of NeuroBench.")]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; '-' is stdout.")]
