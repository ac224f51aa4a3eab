"""Synthetic traffic: which node sends to which, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurosim.errors import NeurosimError
from neurosim.families import Family
from neurosim.noc.geometry import Grid
from neurosim.noc.traffic import Traffic

# The tables of a packet take some 300 bytes.
MAX_PACKETS = 10_000_000
MAX_FLITS = 2**16
BLOCK = 2**16

Pattern = Callable[[np.ndarray, Grid, float, np.random.Generator], np.ndarray]


def uniform(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """Any node, the source itself included."""
    return rng.integers(0, grid.tiles, len(source))


def transpose(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """From (x, y) to (y, x)."""
    if grid.width != grid.height:
        raise NeurosimError(f"traffic transpose needs a square mesh, and this one is {grid.width}x{grid.height}")
    found: np.ndarray = source % grid.width * grid.width + source // grid.width
    return found


def bitcomp(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """The node whose id has every bit inverted."""
    _id_bits("bitcomp", grid)
    return grid.tiles - 1 - source


def shuffle(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """The node whose id is rotated left by one bit."""
    highest = max(_id_bits("shuffle", grid) - 1, 0)
    return (source << 1 | source >> highest) & (grid.tiles - 1)


def tornado(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """Almost half way around the rows and columns: ceil(size / 2) - 1 on, in both directions."""
    return _moved(source, grid, (grid.width + 1) // 2 - 1, (grid.height + 1) // 2 - 1)


def neighbor(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """The next column and the next row, the first after the last."""
    return _moved(source, grid, 1, 1)


def hotspot(source: np.ndarray, grid: Grid, share: float, rng: np.random.Generator) -> np.ndarray:
    """The node (width // 2, height // 2) for a *share* of the packets, any node for the others."""
    middle = grid.height // 2 * grid.width + grid.width // 2
    chosen = rng.random(len(source)) < share
    return np.where(chosen, middle, uniform(source, grid, share, rng))


# (sources int64 [packets], the nodes, share of packets for the hot spot, randomness) -> targets int64 [packets].
PATTERNS: Family[Pattern] = Family("traffic", {
    "uniform": uniform, "transpose": transpose, "bitcomp": bitcomp, "shuffle": shuffle, "tornado": tornado,
    "neighbor": neighbor, "hotspot": hotspot,
})  # fmt: skip


def _id_bits(name: str, grid: Grid) -> int:
    if grid.tiles & (grid.tiles - 1):
        raise NeurosimError(
            f"traffic {name} needs a power of two of nodes, and a mesh of {grid.width}x{grid.height} has {grid.tiles:,}"
        )
    return grid.tiles.bit_length() - 1


def _moved(source: np.ndarray, grid: Grid, right: int, down: int) -> np.ndarray:
    y, x = np.divmod(source, grid.width)
    found: np.ndarray = (y + down) % grid.height * grid.width + (x + right) % grid.width
    return found


@dataclass(frozen=True)
class Load:
    """Packets that every node creates independently at random (Bernoulli), and keeps until the network takes them.

    pattern: key of PATTERNS. rate: packets per node and cycle. flits: per packet. hotspot_share: of the packets, 0 to 1.
    """

    pattern: str = "uniform"
    rate: float = 0.1
    flits: int = 1
    hotspot_share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise NeurosimError(PATTERNS.unknown(self.pattern))
        check_flits(self.flits)
        if not self.rate >= 0:
            raise NeurosimError(f"a rate of {self.rate:g} packets per node and cycle cannot be; take 0 or more")
        if not self.rate * self.flits <= 1:
            sent = "" if self.flits == 1 else f" of {self.flits} flits"
            raise NeurosimError(
                f"a rate of {self.rate:g} packets{sent} per node and cycle is too much: "
                "a source cannot send more than one flit per cycle"
            )
        if not 0 <= self.hotspot_share <= 1:
            raise NeurosimError(f"a hot spot cannot get a share of {self.hotspot_share:g} of the packets; take 0 to 1")
        if self.seed < 0:
            raise NeurosimError(f"a seed of {self.seed} cannot be; take 0 or more")

    def check(self, grid: Grid, cycles: int) -> None:
        """Raise NeurosimError if the pattern does not suit the nodes, or there would be too many packets."""
        PATTERNS[self.pattern](np.zeros(0, np.int64), grid, self.hotspot_share, np.random.default_rng(self.seed))
        expected = self.rate * grid.tiles * cycles
        if expected > MAX_PACKETS:
            raise NeurosimError(
                f"{cycles:,} cycles at a rate of {self.rate:g} on {grid.tiles:,} nodes are about {expected:,.0f} packets; "
                f"at most {MAX_PACKETS:,} can be held, so use fewer cycles"
            )

    def traffic(self, grid: Grid, cycles: int) -> Traffic:
        """The packets of all nodes in *cycles* cycles, by node, then cycle; one core per node."""
        self.check(grid, cycles)
        rng = np.random.default_rng(self.seed)
        created, source = np.divmod(successes(self.rate, grid.tiles * cycles, rng), grid.tiles)
        target = PATTERNS[self.pattern](source, grid, self.hotspot_share, rng)
        return Traffic.unicast(grid, source, target, created, self.flits)[0]


def check_flits(flits: int) -> None:
    if not 1 <= flits <= MAX_FLITS:
        raise NeurosimError(f"packets of {flits:,} flits cannot be; take 1 to {MAX_FLITS:,}")


def successes(rate: float, trials: int, rng: np.random.Generator) -> np.ndarray:
    """int64, ascending: those of *trials* independent trials, 0 to trials - 1, that succeed with probability *rate*."""
    found = [np.zeros(0, np.int64)]
    last = -1 if rate > 0 else trials
    while last < trials:
        # The gaps between successes are geometric: draws per packet, not per node and cycle.
        gaps = np.minimum(rng.geometric(rate, min(BLOCK, trials)), trials + 1)
        found.append(last + np.cumsum(gaps))
        last = int(found[-1][-1])
    places = np.concatenate(found)
    return places[places < trials]
