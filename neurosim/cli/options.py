"""What the commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurosim.cli.names import named, named_or_file
from neurosim.io.presets import PRESETS
from neurosim.mapping.partition import OBJECTIVES
from neurosim.mapping.place import PLACERS, USUAL
from neurosim.timing.sample import MOST_SEED
from neurosim.timing.schedule import SCHEDULES
from neurosim.timing.timeline import TIMINGS

NetworkArg = Annotated[Path, typer.Argument(metavar="NETWORK", help="Network file (HDF5).")]
InputsArg = Annotated[Path, typer.Argument(metavar="INPUTS", help="Inputs file (HDF5, .npz or .npy).")]
CHIP = named_or_file(PRESETS, "--chip", help="TOML file, or preset")
ChipOption = Annotated[str, CHIP]
APART = "Machine of the same network without spikes, that of --chip if not given: TOML file, or preset"
AnnChipOption = Annotated[str | None, named_or_file(PRESETS, "--ann-chip", help=APART)]
AnnBitsOption = Annotated[
    int | None, typer.Option("--ann-bits", metavar="N", help="Its activations have N bits, its weights at most; 8 without.")
]
ZEROS = "Share of its activations that is zero, 0 without: MACs with them are not done."
AnnSparsityOption = Annotated[str | None, typer.Option("--ann-sparsity", metavar="X|stored", help=ZEROS)]
SCALED = "Dynamic energies scaled to this node, 22 or 22@0.8 with its supply in V."
ScaleOption = Annotated[str | None, typer.Option("--scale-node", metavar="NM[@V]", help=SCALED)]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="key.path=value", help="Change a setting; repeatable.")]
ImagesOption = Annotated[int | None, typer.Option("--images", min=1, metavar="N", help="Use the first N samples.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Threads that share the samples, else one per core.")
]
DaskOption = Annotated[str | None, typer.Option("--dask", metavar="ADDRESS", help="Workers of this Dask scheduler.")]
CheckpointsOption = Annotated[
    Path | None, typer.Option("--checkpoints", metavar="DIR", help="Keep what is done there: the same command continues.")
]
PlacerOption = Annotated[str | None, named(PLACERS, "--placer", help=f"How bricks are given cores, {USUAL} without")]
PartitionerOption = Annotated[str | None, named(OBJECTIVES, "--partition", help="What a partition saves, cores without")]
MappingOption = Annotated[Path | None, typer.Option("--mapping", metavar="MAP", help="A mapping from neurosim map -o.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Of all that is drawn at random.")]
PACKET_IMAGES = "Images of each step whose packets are followed; the time of the others is estimated from theirs."
PacketImagesOption = Annotated[str, typer.Option("--packet-images", metavar="auto|all|N", help=PACKET_IMAGES)]
TimingOption = Annotated[str, named(TIMINGS, "--timing", help="Level of detail of time")]
ScheduleOption = Annotated[str, named(SCHEDULES, "--schedule", help="Layers one by one, or all at once")]
TraceOption = Annotated[Path | None, typer.Option("--trace", metavar="TRACE.h5", help="Keep the spike trace.")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", metavar="RUN.h5", help="Keep the run.")]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="Write an HTML report.")]
PerfettoOption = Annotated[Path | None, typer.Option("--perfetto", metavar="FILE.json", help="Keep what cores do, by packet.")]
NeuroBenchOption = Annotated[bool, typer.Option("--neurobench", help="Count and print the metrics of NeuroBench.")]
JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON; '-' is stdout.")]
