"""What a sample makes a chip send, for simulators of networks-on-chip, and what such a list cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurosim.mapping.mapping import Mapping
from neurosim.noc.packet_list import PacketList, PacketRecorder
from neurosim.outcome.pipeline import evaluate
from neurosim.outcome.result import Result
from neurosim.spikes.trace import SpikeTrace
from neurosim.version import __version__


@dataclass(frozen=True, eq=False)
class Dispatch:
    """The packets of a run, and the run; *schedule*: its name."""

    packets: PacketList
    result: Result
    schedule: str

    @property
    def lost(self) -> list[str]:
        """Differences between the run and the list, in words."""
        chip, packets = self.result.mapping.chip, self.packets
        found = [
            "barriers are gaps: later packets do not wait for earlier ones",
            "work and queues of cores: a core that takes packets slowly holds up none",
        ]
        if len(packets) > packets.sent:
            found.append(f"multicast trees: {packets.sent:,} packets became {len(packets):,}, one for each target")
        if chip.mesh.cores_per_tile > 1:
            found.append(f"cores: the {chip.mesh.cores_per_tile} of a tile are one node; what they exchange it sends to itself")
        if chip.chips > 1:
            found.append("chips: links between them are like all others")
        return found

    @property
    def replay(self) -> str:
        """The options of `neurosim noc` for the network of the chip."""
        mesh, grid = self.result.mapping.chip.mesh, self.packets.grid
        sizes = {
            "virtual-channels": mesh.virtual_channels, "buffer-flits": mesh.buffer_flits, "router-cycles": mesh.router_cycles,
            "link-cycles": mesh.link_cycles, "link-interval": mesh.link_interval, "credit-cycles": mesh.credit_cycles,
        }  # fmt: skip
        options = " ".join(f"--{name} {value}" for name, value in sizes.items())
        return f"--mesh {grid.width}x{grid.height} {'--torus ' * grid.torus}{options}"

    @property
    def notes(self) -> list[str]:
        """What the numbers of the list mean, a line each."""
        chip, packets, trace = self.result.mapping.chip, self.packets, self.result.trace
        made = f"neurosim {__version__}: network {trace.network.name!r} on chip {chip.name!r}, {self.schedule} schedule"
        counts = packets.counts
        return [
            " ".join(made.split()),
            f"node: tile y * {packets.grid.width} + x of {packets.nodes}, x to the east",
            f"cycle: of {chip.clock.hz:g} Hz; {packets.cycles:,} cycles, {packets.turns:,} turns between barriers",
            f"counts: {counts['packets']:,} packets, {counts['flits']:,} flits of {chip.mesh.flit_bits} bits, "
            f"{counts['flit_hops']:,} flit-hops on shortest routes",
            *(f"lost: {words}" for words in self.lost),
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON: what the list holds, beside what the run counted."""
        run = {name: self.result.counts[name] for name in ("packets", "flits", "flit_hops")}
        return {
            **self.packets.counts, "cycles": self.packets.cycles, "turns": self.packets.turns, "nodes": self.packets.nodes,
            "schedule": self.schedule, "run": run, "lost": self.lost, "replay": self.replay,
        }  # fmt: skip


def dispatched(trace: SpikeTrace, mapping: Mapping, sample: int, schedule: str = "sequential") -> Dispatch:
    """Run one sample of *trace* with packet timing and list what it sends. A packet is created in the cycle from which its core
    may send it; a turn begins when the one before has ended in this run. Raises TraceError for a sample that is not there."""
    recorder = PacketRecorder(mapping.grid)
    result = evaluate(trace.sample(sample), mapping, schedule=schedule, recorder=recorder)
    return Dispatch(recorder.listed, result, schedule)
