"""What bricks ask of their core, and what the core can give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as Named
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from neurosim.chip.chip import Chip, CoreDescription
from neurosim.chip.memory import Kind, Memory
from neurosim.errors import NeurosimError
from neurosim.mapping.brick import Brick, landing_places, landing_sites, projections, reach, taken
from neurosim.mapping.storage import stored_bits
from neurosim.network.layers import INPUT, Layer, Parameter, after
from neurosim.network.network import Network
from neurosim.network.neuron import PARAMETERS, factor


class Use(NamedTuple):
    """Demand of one resource of a core, its limit (None: does not bind), what to change where it is exceeded, and what the
    demand is made of."""

    resource: str
    demand: int
    limit: int | None
    unit: str
    remedy: str
    parts: Named[str, int] = MappingProxyType({})

    @property
    def share(self) -> float:
        """demand / limit; 0 where nothing limits."""
        return self.demand / self.limit if self.limit else 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that does not fit: where, demand, limit, gap, unit, what to change, and what contributes, the largest first."""

    layer: str
    core: int | None
    brick: str
    resource: str
    demand: int
    limit: int
    unit: str
    remedy: str
    parts: dict[str, int] = field(default_factory=dict)

    @property
    def gap(self) -> int:
        return self.demand - self.limit

    def __str__(self) -> str:
        place = f"layer {self.layer!r}" if self.layer else "chip"
        place += f", core {self.core}" if self.core is not None else ""
        place += f" ({self.brick})" if self.brick else ""
        amounts = f"needs {self.demand:,} {self.unit}, limit {self.limit:,}, {self.gap:,} too many"
        largest = ", ".join(f"{name} {amount:,}" for name, amount in list(self.parts.items())[:3])
        mostly = f", mostly {largest}" if len(self.parts) > 1 else ""
        return f"{place}: {self.resource} {amounts}{mostly}; {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"gap": self.gap}


# Of many violations, as text.
SHOWN = 40


class MappingError(NeurosimError):
    """The network does not fit the chip; *violations* has every reason."""

    exit_code = 1

    def __init__(self, network: str, chip: str, violations: list[Violation]):
        self.violations = tuple(violations)
        count = f"{len(violations)} violation" + ("s" if len(violations) > 1 else "")
        lines = "\n".join(f"  - {v}" for v in violations[:SHOWN])
        if len(violations) > SHOWN:
            lines += f"\n  - and {len(violations) - SHOWN:,} more; --json lists them all"
        super().__init__(f"network {network!r} does not fit chip {chip!r}: {count}\n{lines}")


REMEDY: dict[str, str] = {
    "neurons": "raise core.max_neurons",
    "axons": "raise core.max_axons, or give the layer a smaller fan-in",
    "routes": "raise core.max_routes, use multicast, or give its consumers larger cores",
    "layers": "raise core.max_layers",
    "weights": "use fewer weight bits, or a larger memory for weights",
    "unshared": "use core.storage = 'shared', fewer weight bits, or a larger memory for weights",
    "state": "use a smaller core.state_bits, or a larger memory for state",
    "queue": "use a smaller core.queue_packets, or a larger memory for the queue",
}


class Numbers(NamedTuple):
    """Numbers of a neuron in the memory for state: kept; read and written at a visit, beside a stored current; set to zero
    before an image. Where currents are pooled, those of a place of the map that synapses reach: landing, kept, and
    landing_cleared."""

    kept: int
    read: int
    written: int
    cleared: int
    landing: int
    landing_cleared: int


def numbers(layer: Layer, chip: Chip, fed_by_image: bool) -> Numbers:
    """Potential and synaptic current; sums for the steps to come where synapses have a delay, of which a visit takes and clears
    the one that is due; a threshold, rest or leak of its own (columns *state* and *own* of the table of parameters); and a
    current: of the image, where that is computed once, or the bias."""
    values = [(row, row.of(layer)) for row in PARAMETERS.values()]
    own = sum(row.own for row, value in values if varies(factor(value), layer))
    changing, slots = 1 + sum(row.state for row, value in values if value is not None), max(layer.delays, default=0)
    current = has_current(layer, chip, fed_by_image)
    if after(layer):
        # What arrives is kept by place, of this step and of those to come, and read by windows.
        return Numbers(changing + own, changing + own, changing, changing, 1 + slots + current, 1 + slots)
    visit = changing + (slots > 0)
    return Numbers(changing + slots + own + current, visit + own, visit, changing + slots, 0, 0)


def varies(part: Parameter | None, layer: Layer) -> bool:
    """Whether every neuron has a value of its own; channels share theirs in a constant of the core."""
    return isinstance(part, np.ndarray) and (part.shape[1:] != (1, 1) or layer.shape[1:] == (1, 1))


def has_current(layer: Layer, chip: Chip, fed_by_image: bool) -> bool:
    """Whether a stored current is added at every step."""
    return layer.bias is not None or (fed_by_image and chip.policy.analog != "per_step")


def axons(network: Network, core: CoreDescription, brick: Brick) -> dict[str, int]:
    """Inputs the brick tells apart, by source. The four neurons of a pooling window share one: their weights are the same; and
    `Core.axon_channels` channels of a site do."""
    layer, found = network.layers[brick.layer], dict[str, int]()
    for source, shortcut in projections(network, layer):
        if source == INPUT and network.input.encoding == "direct":
            continue
        first, last = taken(network, layer, source, shortcut, brick)
        many = -(-(last - first) // core.axon_channels) * reach(network, layer, source, shortcut, brick).positions
        found[source] = found.get(source, 0) + many
    return found


def pixel_bits(network: Network) -> int:
    """Bits of a pixel in the memory of the input: 8, or 32 where pixels are floats."""
    return 8 if network.integer else 32


def item_bits(network: Network, chip: Chip, bricks: Sequence[Brick], routes: int) -> dict[Kind, int]:
    """Bits of every kind of item in a core that holds *bricks* with *routes* route entries."""
    return _item_bits(network, chip, bricks, routes, _inputs(network, chip, bricks))


def _inputs(network: Network, chip: Chip, bricks: Sequence[Brick]) -> Counter[str]:
    """Inputs that all *bricks* tell apart, by source."""
    found = Counter[str]()
    for brick in bricks:
        found.update(axons(network, chip.core, brick))
    return found


def _item_bits(
    network: Network, chip: Chip, bricks: Sequence[Brick], routes: int, inputs: Counter[str]
) -> dict[Kind, int]:
    layers, core = [network.layers[brick.layer] for brick in bricks], chip.core
    state = 0
    for layer, brick in zip(layers, bricks, strict=True):
        kept = numbers(layer, chip, network.fed_by_image(layer))
        state += _number_bits(chip, brick.channels, brick.sites) * kept.kept
        state += _number_bits(chip, brick.channels, landing_sites(layer, brick)) * kept.landing
    return {
        "weights": sum(stored_bits(network, chip, brick) for brick in bricks),
        "state": state,
        "axons": inputs.total() * core.axon_bits,
        "routes": routes * core.route_bits,
        "queue": chip.queue_bits,
    }


def _number_bits(chip: Chip, channels: int, sites: int) -> int:
    """Bits that a number of each of the *channels* of so many *sites* takes, the rest of words that are shared included."""
    state, bits = chip.home("state"), chip.core.state_bits
    if state.layout == "padded":
        return channels * sites * bits
    return sites * state.row_words(channels, bits) * state.word_bits


def uses(network: Network, chip: Chip, bricks: Sequence[Brick], routes: int, spill: bool = True) -> list[Use]:
    """Demand and limit of every resource of a core that holds *bricks* with *routes* route entries.

    *spill*: weights that do not fit may live behind the memory, if the chip has one there that fetches them again.
    """
    inputs = _inputs(network, chip, bricks)
    return _uses(network, chip, bricks, routes, inputs, _item_bits(network, chip, bricks, routes, inputs), spill)


def _uses(
    network: Network, chip: Chip, bricks: Sequence[Brick], routes: int, inputs: Counter[str], bits: dict[Kind, int], spill: bool
) -> list[Use]:
    core, named = chip.core, sum(landing_places(network.layers[brick.layer], brick) for brick in bricks)
    neurons = sum(brick.neurons for brick in bricks)
    found = [
        Use("neurons", neurons, core.max_neurons, "neurons", REMEDY["neurons"]),
        Use("axons", inputs.total(), core.max_axons, "axons", REMEDY["axons"], inputs),
        Use("routes", routes, core.max_routes, "routes", REMEDY["routes"]),
    ]
    if core.index_bits:
        found.append(Use("neurons that an index names", named, 2**core.index_bits, "neurons", "raise core.index_bits"))
    if core.max_layers > 1:
        found.append(Use("layers", len(bricks), core.max_layers, "layers", REMEDY["layers"]))
    spilling = {memory.backs for memory in chip.memory if spill and memory.fetched in ("per_image", "per_step")}
    return found + [
        memory_use(chip, memory, bits, memory.name in spilling)
        for memory in chip.memory
        if memory.per == "core" and (bits.keys() - {"queue"}) & {*chip.kinds(memory)}
    ]


def claims(network: Network, chip: Chip, bricks: Sequence[Brick], routes: int, spill: bool) -> list[Use]:
    """The uses of such a core, and what it asks of memories for several cores: those of a tile get equal parts, none may want
    more than all."""
    shared, inputs = [memory for memory in chip.memory if memory.per != "core"], _inputs(network, chip, bricks)
    bits = _item_bits(network, chip, bricks, routes, inputs)
    parts = {"tile": chip.mesh.cores_per_tile}
    asked = [memory_use(chip, memory, bits)._replace(limit=memory.bits // parts.get(memory.per, 1)) for memory in shared]
    return _uses(network, chip, bricks, routes, inputs, bits, spill) + asked


def memory_use(chip: Chip, memory: Memory, bits: dict[Kind, int], spills: bool = False) -> Use:
    """What items of several kinds ask of one memory; weights that do not fit *spill* if they live in another, and nothing
    limits a cache."""
    held = [kind for kind in chip.kinds(memory) if kind in bits]
    unshared = chip.core.storage != "shared"
    remedy = "; ".join(REMEDY["unshared" if kind == "weights" and unshared else kind] for kind in held if bits[kind])
    demand = sum(bits[k] for k in held)
    if spills:
        demand = min(demand, max(memory.bits, demand - bits["weights"]))
    limit = None if chip.behind(memory) else memory.bits
    return Use(f"{memory.name} ({', '.join(held)})", demand, limit, "bits", remedy, {kind: bits[kind] for kind in held})


def joined(network: Network, bricks: Sequence[Brick]) -> str:
    """The layers of *bricks*, in words."""
    return " + ".join(network.layers[brick.layer].name for brick in bricks)


def largest_first(parts: Named[str, int]) -> dict[str, int]:
    """Those that are not 0, by falling amount."""
    return {name: amount for name, amount in sorted(parts.items(), key=lambda part: -part[1]) if amount}


def violations(network: Network, bricks: Sequence[Brick], core: int | None, found: list[Use]) -> list[Violation]:
    """The uses of a core that holds *bricks* that exceed their limit."""
    where = joined(network, bricks), "; ".join(map(str, bricks))
    return [_violation(use, *where, core) for use in found if use.limit is not None and use.demand > use.limit]


def _violation(use: Use, layer: str, brick: str, core: int | None) -> Violation:
    assert use.limit is not None
    return Violation(
        layer=layer, core=core, brick=brick, resource=use.resource, demand=use.demand, limit=use.limit, unit=use.unit,
        remedy=use.remedy, parts=largest_first(use.parts),
    )  # fmt: skip
