"""What a network made of traffic: latency, throughput, the busiest link."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.traffic import Journey, Traffic

MAX_CYCLES = 100_000_000
SATURATED_BELOW = 0.95
NOT_COUNTED = (
    "the work and the queues of cores: a packet is taken as soon as it has arrived",
    "packets for several cores, and links between chips",
    "energy, and the time that a cycle takes",
)


@dataclass(frozen=True)
class Window:
    """The cycles that are measured: from *warmup* up to the one before *cycles*."""

    warmup: int
    cycles: int

    def __post_init__(self) -> None:
        if not 1 <= self.cycles <= MAX_CYCLES:
            raise NeurosimError(f"{self.cycles:,} cycles cannot be simulated; take 1 to {MAX_CYCLES:,}")
        if self.warmup < 0:
            raise NeurosimError(f"a warm-up of {self.warmup:,} cycles cannot be; take 0 or more")
        if self.warmup >= self.cycles:
            raise NeurosimError(f"a warm-up of {self.warmup:,} cycles leaves nothing of {self.cycles:,} cycles to measure")

    def __len__(self) -> int:
        return self.cycles - self.warmup

    def holds(self, time: np.ndarray) -> np.ndarray:
        """bool, in the shape of *time*."""
        return (time >= self.warmup) & (time < self.cycles)


@dataclass(frozen=True)
class Measurement:
    """Latency and throughput of a network; None where there was nothing to measure.

    packets: all. packets_measured: those created in the window; latencies and hops are theirs. latency: from the creation of a
    packet to the arrival of its last flit, percentiles by nearest rank. network_latency: from when its first flit left the
    node. zero_load_latency: as if each were alone. hops: links crossed. offered: flits of packets created in the window;
    accepted: of packets that arrived in it. saturated: accepted is below 95 % of offered. busiest_link: {from [x, y], to
    [x, y], flits of packets that arrived in the window, use: share of its cycles}, None if there was no such link.
    """

    packets: int
    packets_measured: int
    latency_cycles_mean: float | None
    latency_cycles_p50: int | None
    latency_cycles_p95: int | None
    latency_cycles_p99: int | None
    latency_cycles_max: int | None
    network_latency_cycles_mean: float | None
    zero_load_latency_cycles_mean: float | None
    hops_mean: float | None
    offered_flits_per_node_cycle: float
    accepted_flits_per_node_cycle: float
    saturated: bool
    busiest_link: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Arrivals(NamedTuple):
    """The part of a Journey that is measured."""

    entered: np.ndarray
    arrived: np.ndarray


def measure(machine: Machine, traffic: Traffic, journey: Journey | Arrivals, window: Window) -> Measurement:
    """What became of *traffic*, one target per packet."""
    if (journey.arrived < 0).any():
        raise NeurosimError("packets are still on their way after 2^31 cycles; use fewer or smaller packets")
    kept, done = window.holds(traffic.created), window.holds(journey.arrived)
    latency = journey.arrived[kept] - traffic.created[kept]
    inside = journey.arrived[kept] - journey.entered[kept]
    hops = hops_of(machine.grid, traffic.source[kept], traffic.target[kept])
    p50, p95, p99, longest = _percentiles(latency)
    offered, accepted = (int(traffic.flits[chosen].sum()) / (machine.grid.tiles * len(window)) for chosen in (kept, done))
    return Measurement(
        packets=len(traffic), packets_measured=len(latency), latency_cycles_mean=_mean(latency), latency_cycles_p50=p50,
        latency_cycles_p95=p95, latency_cycles_p99=p99, latency_cycles_max=longest, network_latency_cycles_mean=_mean(inside),
        zero_load_latency_cycles_mean=_mean(zero_load(machine, hops, traffic.flits[kept])), hops_mean=_mean(hops),
        offered_flits_per_node_cycle=offered, accepted_flits_per_node_cycle=accepted,
        saturated=accepted < SATURATED_BELOW * offered,
        busiest_link=busiest_link(machine, link_flits(machine.grid, traffic, done), len(window)),
    )  # fmt: skip


def hops_of(grid: Grid, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """int64 [packets]: links from core to core."""
    (y, x), (ty, tx) = (np.divmod(core // grid.cores_per_tile, grid.width) for core in (source, target))
    dx, dy = np.abs(tx - x), np.abs(ty - y)
    if grid.torus:
        dx, dy = np.minimum(dx, grid.width - dx), np.minimum(dy, grid.height - dy)
    found: np.ndarray = dx + dy
    return found


def zero_load(machine: Machine, hops: np.ndarray, flits: np.ndarray) -> np.ndarray:
    """int64 [packets]: cycles from creation to arrival of packets that are alone."""
    per_hop = machine.router_cycles + machine.link_cycles
    first = machine.local_cycles + 1 + hops * per_hop + machine.leave_cycles
    into_router = _tail(machine, flits, machine.local_cycles + 1, 1)
    over_links = np.where(hops > 0, _tail(machine, flits, per_hop, machine.link_interval), 0)
    found: np.ndarray = first + np.maximum(into_router, over_links)
    return found


def _tail(machine: Machine, flits: np.ndarray, cycles: int, interval: int) -> np.ndarray:
    """int64 [packets]: cycles from the first flit to the last over a way of *cycles* into a virtual channel; there a flit takes
    the slot of the one *depth* flits before."""
    rounds, rest = np.divmod(flits - 1, machine.depth)
    found: np.ndarray = rounds * max(cycles + machine.credit_cycles, machine.depth * interval) + rest * interval
    return found


def link_flits(grid: Grid, traffic: Traffic, chosen: np.ndarray) -> np.ndarray:
    """int64 [links]: flits of the packets that are *chosen*, bool [packets]."""
    target = traffic.target[chosen]
    return grid.link_flits(traffic.source[chosen], np.arange(len(target) + 1), target, traffic.flits[chosen])


def busiest_link(machine: Machine, flits: np.ndarray, cycles: int) -> dict[str, Any] | None:
    """The first of the links with the most flits, and its use in *cycles* cycles."""
    link = int(flits.argmax())
    if not flits[link]:
        return None
    leaves, enters = machine.grid.ends(link)
    # Flits that crossed it shortly before those cycles may be some more than those that did not arrive within them.
    use = min(1.0, int(flits[link]) * machine.interval(link) / cycles)
    return {"from": list(leaves), "to": list(enters), "flits": int(flits[link]), "use": use}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _percentiles(latency: np.ndarray) -> tuple[int | None, ...]:
    if not len(latency):
        return (None,) * 4
    return tuple(int(p) for p in np.percentile(latency, (50, 95, 99, 100), method="inverted_cdf"))
