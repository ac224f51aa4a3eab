"""The chip: cores, memories, mesh and prices, as data with a source for every number."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationError, model_validator

from neurosim.chip.block import SIZED, Block
from neurosim.chip.covers import TOPICS, Covers, Said
from neurosim.chip.levels import Level, level_problems, levels_of
from neurosim.chip.memory import CACHED, Kind, Memory
from neurosim.chip.part import (
    ADDED,
    Amount,
    Count,
    Cycles,
    Grade,
    Interval,
    NoneOrMore,
    Part,
    Positive,
    Sourced,
    StateBits,
    Uncertain,
)
from neurosim.chip.scaling import RANGE, Scale, Scaled, TechnologyNode, factor, parsed_scale, point_in, usual_supply
from neurosim.chip.settings import set_path, settings_of
from neurosim.errors import ChipError
from neurosim.kernels.fabric import UNLIMITED
from neurosim.noc.deadlock import check_deadlock, check_room
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.schema import problems_of

MAX_CORES = 2**16
# pJ per cycle of a power in mW, times hz.
PJ_PER_MWS = 1e9


class Price(NamedTuple):
    """pJ of doing something once, with its relative standard deviation; part: the part of the chip that is uncertain as one."""

    pj: float
    uncertainty: float
    part: str


def _summed(shares: list[tuple[float, float]]) -> tuple[float, float]:
    """(pJ, relative standard deviation) of a sum of prices with theirs, taken as independent of each other."""
    total = sum(pj for pj, _ in shares)
    if len(shares) == 1 or not total:
        return total, shares[0][1]
    return total, math.hypot(*(pj * uncertainty for pj, uncertainty in shares)) / total


class Clock(Sourced):
    """hz: cycles per second."""

    hz: Positive


class Mesh(Sourced):
    """A width x height mesh or torus of routers, each with *cores_per_tile* cores; XY routing, credit flow control.

    A flit takes *router_cycles* per router, *link_cycles* per link, *local_cycles* between a core and its router; a link
    carries one flit per *link_interval*. A port has *virtual_channels* of *buffer_flits* each; a slot that a flit has left is
    of use again *credit_cycles* later. A link may be laid out for *max_link_flits* per image, if every neuron fires once.
    *delivery*: one packet per destination core (unicast), or one per spike along a tree (multicast). *size*: width and height
    are *given*, or they *fit* the network that is mapped, see `Chip.fitted`. A packet has *packet_bits* for where it goes and
    where it is from, which is all that a spike says, and more for a value: *payload_bits* where packets *carry* values, as
    given, or whenever spikes of the network that is mapped are graded; those of an activation of the network without spikes.
    """

    size: Annotated[Literal["given", "fit"], ADDED] = "given"
    topology: Literal["mesh", "torus"] = "mesh"
    width: Count
    height: Count
    cores_per_tile: Count = 1
    flit_bits: Count
    packet_bits: Count
    payload_bits: Annotated[Count, ADDED] = 8
    carry: Annotated[bool, ADDED] = False
    router_cycles: Interval
    link_cycles: Interval
    link_interval: Interval = 1
    local_cycles: Interval = 1
    credit_cycles: Interval = 2
    virtual_channels: Count = 4
    buffer_flits: Count = 4
    max_link_flits: Count | None = None
    delivery: Literal["unicast", "multicast"] = "unicast"

    @property
    def cores(self) -> int:
        return self.width * self.height * self.cores_per_tile

    @property
    def bits_per_packet(self) -> int:
        return self.packet_bits + self.payload_bits * self.carry

    @property
    def flits_per_packet(self) -> int:
        return self.flits(self.bits_per_packet)

    def flits(self, bits: int) -> int:
        """Of a packet of so many bits."""
        return -(-bits // self.flit_bits)


class CoreDescription(Sourced):
    """Limits and widths of a core; a limit that is not given does not bind.

    lanes: accumulates (or MACs) started at once, of channels of one site. ann_sites: output sites that a network without spikes
    works on at once, so many lanes each: an array whose sums stay in place. mac_bits: width of the multipliers, up to which
    the price of a multiply-accumulate holds. accumulate_registers: of each lane, for the potentials that spikes from one
    site are added to, one after the other, before they are written back; 0: each spike reads and writes the potentials that
    it is added to. update_lanes: neurons compared at once. axons: distinct inputs it can tell apart; one stands for
    *axon_channels* neurons of different channels at one site, whose packets say which they are. routes: (neuron,
    destination) pairs it can hold. layers: of so many it can hold a part each. storage: how weights are stored, see
    `neurosim.mapping.storage`; skip_zeros: weights of zero are not added; index_bits: width of the index of a neuron in
    sparse storage. queue_packets: packets that wait to be worked off; a full queue stalls the mesh.
    """

    lanes: Count
    ann_sites: Annotated[Count, ADDED] = 1
    mac_bits: Annotated[Count, ADDED] = 8
    accumulate_registers: Annotated[NoneOrMore, ADDED] = 0
    update_lanes: Count
    state_bits: StateBits = 32
    axon_bits: Count
    axon_channels: Count = 1
    route_bits: Count
    storage: Literal["shared", "unrolled", "crossbar", "sparse"] = "shared"
    skip_zeros: bool = False
    index_bits: Annotated[int, Field(gt=0, le=32)] | None = None
    max_neurons: Count | None = None
    max_axons: Count | None = None
    max_routes: Count | None = None
    max_layers: Count = 1
    queue_packets: Count | None = None

    @model_validator(mode="after")
    def _an_index_is_for_sparse_storage(self) -> CoreDescription:
        if (self.storage == "sparse") != (self.index_bits is not None):
            raise ValueError("storage 'sparse' and index_bits belong together; give both or neither")
        return self

    @model_validator(mode="after")
    def _a_crossbar_is_for_one_layer(self) -> CoreDescription:
        if self.storage == "crossbar" and self.max_layers > 1:
            raise ValueError("the rows of a crossbar are as wide as the core: with storage 'crossbar', max_layers must be 1")
        return self


class Policy(Part):
    """What the modelled hardware does.

    update: neurons visited per step, those *touched* by an event (or still above threshold), or *all*. idle: cores, tiles and
    chips without neurons are *gated*, and leak nothing, or *on*. analog: the current
    of an image-fed layer is computed *once* per image, stored and re-added every step, or anew *per_step*, or by a *host*, from
    which it comes once per image over the memory of the input, in numbers of the state width, to be stored and re-added. pool:
    the weights behind a summing pool are added for every spike of a window, the sum being *folded* into them, or a window is
    *summed* first, and its sum then multiplied with the weights.
    """

    update: Literal["touched", "all"]
    idle: Annotated[Literal["gated", "on"], ADDED] = "gated"
    analog: Literal["once", "per_step", "host"]
    pool: Literal["folded", "summed"] = "folded"


class Priced(Uncertain):
    """pj: energy of one."""

    pj: Amount


class Timed(Priced):
    """cycles: time of one; with lanes, of one per lane."""

    cycles: Cycles


class Operations(Part):
    """Everything that is priced besides memory words.

    accumulate: addition of a weight to a potential. mac: multiply-accumulate of an image-fed layer. update_active,
    update_idle: visit of a neuron that was, was not touched in the step. current_add (of a stored image current),
    leak_multiply, compare, reset: parts of a visit, their time included in it. spike: a firing. packet: injection of a packet.
    event: its reception and look-up. hop_x, hop_y: a flit crossing a router and a horizontal, vertical link (their time is in
    the mesh). barrier: closing of a layer's turn. partial_sum: of the network without spikes alone, a partial sum that is read
    from and written back to the registers in which it waits while weights and activations are reused. register_add: the same
    of a potential to which a spike is added in the registers of the lanes, see core.accumulate_registers.
    """

    accumulate: Timed
    mac: Timed
    update_active: Timed
    update_idle: Timed
    current_add: Priced
    leak_multiply: Priced
    compare: Priced
    reset: Priced
    spike: Priced
    packet: Timed
    event: Timed
    hop_x: Priced
    hop_y: Priced
    barrier: Timed
    partial_sum: Annotated[Priced, ADDED] = Priced(pj=0.0, source="not counted")
    register_add: Annotated[Priced, ADDED] = Priced(pj=0.0, source="not counted")


class Static(Uncertain):
    """Power drawn whatever happens, besides the leakage of memories: per used core, and for the whole chip."""

    core_mw: Amount
    chip_mw: Amount


class Board(Uncertain):
    """Chips side by side, each with the mesh of the chip; the links between them are slower and dearer.

    columns, rows: in chips. link_cycles, link_interval: of a flit that leaves for another chip, in place of those of the mesh.
    pj: energy of that, besides the hop.
    """

    columns: Count = 1
    rows: Count = 1
    link_cycles: Interval
    link_interval: Interval = 1
    pj: Amount


class Chip(Part):
    """A described chip, or several of them on a board. Energy is in pJ, time in cycles, sizes in bits, power in mW.

    version: of a description that was changed since it was first used; a preset of an older one stays there under it. scale:
    the node that dynamic energies are scaled to, if to any.
    """

    name: Annotated[str, Field(min_length=1)]
    version: Count = 1
    title: str
    node: str
    notes: str = ""
    clock: Clock
    mesh: Mesh
    board: Board | None = None
    core: CoreDescription
    policy: Policy
    memory: tuple[Memory, ...]
    operation: Operations
    block: Annotated[tuple[Block, ...], ADDED] = ()
    static: Static
    scale: Annotated[Scale | None, ADDED] = None
    not_counted: tuple[str, ...] = ()
    covers: Covers = Covers()

    @model_validator(mode="after")
    def _every_kind_has_one_home(self) -> Chip:
        problems = level_problems([Level(m.name, m.holds, m.backs, m.miss_rate is not None, m.per) for m in self.memory])
        if self.board and self.mesh.size == "fit":
            problems.append("mesh.size is 'fit', and there is a board of chips; give mesh.width and mesh.height")
        if self.chips > 1:
            several = [m.name for m in self.memory if m.fetched and m.per == "chip"]
            problems += [f"memory {name!r} backs another on each of several chips; one off chip can" for name in several]
        if not problems and self.queue_bits > self.home("queue").bits:
            queue, packets, bits = self.home("queue"), self.core.queue_packets, self.mesh.bits_per_packet
            made = "packet_bits + payload_bits" if self.mesh.carry else "packet_bits"
            needed = f"{packets:,} packets of mesh.{made} = {bits:,} need {self.queue_bits:,} bits"
            limit = f"memory {queue.name!r} has {queue.bits:,}: use at most {queue.bits // bits:,}, or enlarge it"
            problems.append(f"core.queue_packets: {needed}, {limit}")
        for memory in self.memory:
            if memory.highest_hz and self.clock.hz > memory.highest_hz:
                limit = f"memory {memory.name!r} follows up to {memory.highest_hz:.4g} Hz"
                problems.append(f"clock.hz is {self.clock.hz:.4g}, but {limit}; use a slower clock, or a smaller memory")
        if self.cores > MAX_CORES:
            problems.append(f"mesh and board make {self.cores:,} cores; at most {MAX_CORES:,} are supported")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _blocks_are_of_what_there_is(self) -> Chip:
        names, known = [block.name for block in self.block], ", ".join(Operations.model_fields)
        problems = [f"block name {name!r} is used {names.count(name)} times" for name in {*names} if names.count(name) > 1]
        for block in self.block:
            unknown, wrong = {*block.times} - {*self.sizes}, {*block.operations} - {*Operations.model_fields}
            problems += [f"block {block.name!r}: times has {path!r}; it may have: {', '.join(self.sizes)}" for path in unknown]
            problems += [f"block {block.name!r}: there is no operation {name!r}; there are: {known}" for name in wrong]
        if problems:
            raise ValueError("; ".join(sorted(problems)))
        return self

    @model_validator(mode="after")
    def _what_is_scaled_has_a_node(self) -> Chip:
        if self.scale is None:
            return self
        nodes = dict.fromkeys([self.node, *(part.node for part in self._dynamic.values() if part.node)])
        problems = [f"its node, {node!r}, names no nanometres to scale from" for node in nodes if point_in(node) is None]
        if not problems:
            points = dict.fromkeys(self._technology(part) for part in self._dynamic.values())
            problems = [f"it is of {point}; {RANGE}" for point in points if not point.inside]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _packets_can_always_move(self) -> Chip:
        """Raises NeurosimError where waiting could go around in a circle, or a tree would need a larger buffer."""
        if self.cores <= MAX_CORES:
            check_deadlock(self.machine)
            check_room(self.machine, self.mesh.flits_per_packet)
        return self

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Chip:
        """A chip from nested values; raises ChipError with every problem and its path."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            found = problems_of(error, values)
            # With a wrong value in a part, the whole has not been looked at.
            if all(e["loc"] for e in error.errors()):
                found += level_problems(levels_of(values.get("memory")))
            raise ChipError(where, found) from None

    @property
    def values(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def settings(self) -> dict[str, Any]:
        """All single values by their path, such as ``core.lanes``; memories go by their name."""
        return dict(settings_of(self.values, ""))

    @property
    def sha256(self) -> str:
        """Hash of everything that can change a result (titles, notes and sources cannot)."""
        return hashlib.sha256(json.dumps(self.decisive, sort_keys=True).encode()).hexdigest()

    @property
    def decisive(self) -> dict[str, Any]:
        """No blocks that there are none of, and no price of registers without registers."""
        found, there = super().decisive, [block.decisive for block in self.blocks]
        if not self.core.accumulate_registers:
            found["operation"].pop("register_add", None)
        if self.scale:
            found["scale"] |= {"factors": self.factors}
        return {name: value for name, value in found.items() if name != "block"} | ({"block": there} if there else {})

    @property
    def chips(self) -> int:
        return self.board.columns * self.board.rows if self.board else 1

    @property
    def cores(self) -> int:
        """Of all chips."""
        return self.chips * self.mesh.cores

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Those that there are any of."""
        return tuple(block for block in self.block if self.times(block))

    @property
    def _dynamic(self) -> dict[str, Sourced]:
        """What costs energy on the chip when something is done, by the part that prices name."""
        operations: dict[str, Sourced] = {f"operation.{name}": operation for name, operation in self.operation}
        memories = {f"memory.{memory.name}": memory for memory in self.memory if memory.per != "off chip"}
        return operations | memories | {f"block.{block.name}": block for block in self.blocks}

    def _technology(self, part: Sourced) -> TechnologyNode:
        """The node and the supply that its prices are of."""
        point = point_in(part.node or self.node)
        law = part.node_nm if isinstance(part, Memory) and part.model == "sram" else None
        assert point is not None
        return point if law in (None, point.nm) else TechnologyNode(law, usual_supply(law))

    @property
    def factors(self) -> dict[str, float]:
        """By which prices are multiplied, by the part that they name; nothing where nothing is scaled."""
        end = self.scale and self.scale.point
        return {name: factor(self._technology(part), end) for name, part in self._dynamic.items()} if end else {}

    @property
    def scaled(self) -> Scaled | None:
        """From where to where its dynamic energies are scaled."""
        start = point_in(self.node)
        return Scaled(start, self.scale.point) if self.scale and start else None

    def scaled_to(self, node: float | str | None) -> Chip:
        """The same with its dynamic energies scaled to *node*, such as 22 or "22@0.8", see `neurosim.chip.scaling`; as it is
        for None. Raises NeurosimError for a node, ChipError for a chip that the rule is not known for."""
        if node is None:
            return self
        scale = parsed_scale(node).model_dump(mode="json")
        return Chip.parse(self.values | {"scale": scale}, f"chip {self.name!r}, to be scaled to {node} nm")

    @property
    def queue_bits(self) -> int:
        """Bits of a full queue of a core; 0 where it is not bounded."""
        return (self.core.queue_packets or 0) * self.mesh.bits_per_packet

    @property
    def grades(self) -> dict[str, Grade | None]:
        """How well what is priced as one is known, by the part that prices name."""
        found = {f"operation.{name}": operation.grade for name, operation in self.operation}
        found |= {f"memory.{memory.name}": memory.grade for memory in self.memory}
        found |= {f"block.{block.name}": block.grade for block in self.blocks}
        return found | {"static": self.static.grade, "board": self.board.grade if self.board else None}

    @property
    def prices(self) -> dict[str, Price]:
        """Every price by its place in the chip file; of a power the energy of a cycle."""
        found, by, blocks = {}, self.factors, self.blocks
        many = {block.name: self.times(block) for block in blocks}
        for name, operation in self.operation:
            # Nobody pays for registers that there are none of.
            own = 0.0 if name == "register_add" and not self.core.accumulate_registers else operation.pj
            shares = [(own * by.get(f"operation.{name}", 1.0), operation.uncertainty)]
            shares += [
                (b.operations[name] * many[b.name] * by.get(f"block.{b.name}", 1.0), b.uncertainty)
                for b in blocks if name in b.operations
            ]  # fmt: skip
            found[f"operation.{name}.pj"] = Price(*_summed(shares), f"operation.{name}")
        if self.board:
            found["board.pj"] = Price(self.board.pj, self.board.uncertainty, "board")
        static = self.static
        powers = {
            "static.core_mw": Price(static.core_mw, static.uncertainty, "static"),
            "static.chip_mw": Price(static.chip_mw, static.uncertainty, "static"),
        }
        for block in blocks:
            part = f"block.{block.name}"
            found[f"{part}.busy_pj"] = Price(block.busy_pj * many[block.name] * by.get(part, 1.0), block.uncertainty, part)
            powers[f"{part}.leakage_mw"] = Price(block.leakage_mw * many[block.name], block.uncertainty, part)
        for memory in self.memory:
            part, prices = f"memory.{memory.name}", memory.prices
            times = by.get(part, 1.0)
            found[f"{part}.read.pj"] = Price(prices.read_pj * times, memory.uncertainty, part)
            found[f"{part}.write.pj"] = Price(prices.write_pj * times, memory.uncertainty, part)
            powers[f"{part}.leakage_mw"] = Price(prices.leakage_mw, memory.uncertainty, part)
        return found | {place: power._replace(pj=power.pj * PJ_PER_MWS / self.clock.hz) for place, power in powers.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """The whole numbers of core and mesh that are given, by their path."""
        parts = [(section, *item) for section in SIZED for item in getattr(self, section)]
        return {f"{s}.{name}": value for s, name, value in parts if isinstance(value, int) and not isinstance(value, bool)}

    def times(self, block: Block) -> int:
        """How many of a block there are in one core, in one tile, or on one chip."""
        sizes = self.sizes
        return math.prod(sizes[path] for path in block.times)

    @property
    def areas_mm2(self) -> dict[str, float | None]:
        """Of every memory on the chip and of every block, on all chips together; None where it is not known."""
        many = {"core": self.cores, "tile": self.cores // self.mesh.cores_per_tile, "chip": self.chips}
        memories = [m for m in self.memory if m.per != "off chip"]
        each = {f"memory {m.name}": None if (area := m.prices.area_mm2) is None else area * many[m.per] for m in memories}
        return each | {f"block {b.name}": b.area_mm2 * self.times(b) * many[b.per] for b in self.blocks}

    @property
    def area_mm2(self) -> float | None:
        """Of all of them; None where that of one is not known."""
        known = [area for area in self.areas_mm2.values() if area is not None]
        return sum(known) if len(known) == len(self.areas_mm2) else None

    @property
    def grid(self) -> Grid:
        """Where the tiles of all chips are."""
        mesh, columns, rows = self.mesh, self.board.columns if self.board else 1, self.board.rows if self.board else 1
        return Grid(
            columns * mesh.width, rows * mesh.height, mesh.cores_per_tile, mesh.topology == "torus", mesh.width, mesh.height
        )

    @property
    def machine(self) -> Machine:
        """What packets travel through."""
        mesh, board = self.mesh, self.board or self.mesh
        return Machine(
            grid=self.grid, channels=mesh.virtual_channels, depth=mesh.buffer_flits, router_cycles=mesh.router_cycles,
            link_cycles=mesh.link_cycles, link_interval=mesh.link_interval, chip_link_cycles=board.link_cycles,
            chip_link_interval=board.link_interval, local_cycles=mesh.local_cycles, credit_cycles=mesh.credit_cycles,
            queue=self.core.queue_packets or UNLIMITED, barrier_cycles=self.operation.barrier.cycles,
            whole=mesh.delivery == "multicast",
        )  # fmt: skip

    @property
    def covered(self) -> dict[str, Said | None]:
        """Of every kind of cost, see TOPICS, whether it is counted, None where the chip file does not say. Cores without
        neurons are where they stay on, or where the power of the whole chip is counted."""
        idle: Said = "yes" if self.policy.idle == "on" or self.static.chip_mw else "no"
        return {topic: idle if topic == "idle_cores" else getattr(self.covers, topic) for topic in TOPICS}

    def fitted(self, cores: int) -> Chip:
        """The same with the smallest mesh of so many cores that is as nearly square as it can be: of 7 tiles 3 x 3."""
        tiles = -(-cores // self.mesh.cores_per_tile)
        width = math.isqrt(tiles - 1) + 1
        mesh = self.mesh.model_copy(update={"width": width, "height": -(-tiles // width)})
        return Chip.parse(self.values | {"mesh": mesh.model_dump(mode="json")}, f"chip {self.name!r}")

    def carrying(self) -> Chip:
        """The same, whose packets carry values: of these longer ones as many wait in a queue as its memory holds. Raises
        ChipError where they are too long for its buffers."""
        if self.mesh.carry:
            return self
        mesh, core = self.mesh.model_copy(update={"carry": True}), self.core
        if core.queue_packets:
            most = max(1, self.home("queue").bits // mesh.bits_per_packet)
            core = core.model_copy(update={"queue_packets": min(core.queue_packets, most)})
        changed = {"mesh": mesh.model_dump(mode="json"), "core": core.model_dump(mode="json")}
        return Chip.parse(self.values | changed, f"chip {self.name!r}, packets with payload")

    def sized_as(self, other: Chip) -> Chip:
        """The same with as many tiles as *other*, if its mesh is to fit, and packets that carry values if its packets do."""
        chip = self.carrying() if other.mesh.carry else self
        if self.mesh.size != "fit":
            return chip
        mesh = chip.mesh.model_copy(update={"width": other.mesh.width, "height": other.mesh.height})
        return chip.model_copy(update={"mesh": mesh})

    def home(self, kind: Kind) -> Memory:
        """The memory that holds *kind*."""
        return next(m for m in self.memory if kind in m.holds)

    def behind(self, memory: Memory) -> Memory | None:
        """The memory that *memory* is a cache of."""
        return next((m for m in self.memory if m.backs == memory.name and m.miss_rate is not None), None)

    def kinds(self, memory: Memory) -> tuple[Kind, ...]:
        """What is read from *memory* or written to it."""
        front = next((m for m in self.memory if m.name == memory.backs), None)
        if front is None:
            return memory.holds
        behind = ("weights",) if memory.fetched else tuple(kind for kind in self.kinds(front) if kind in CACHED)
        return (*memory.holds, *behind)

    def accesses(self, kind: Kind, reads: np.ndarray, writes: np.ndarray) -> Iterator[tuple[Memory, np.ndarray, np.ndarray]]:
        """(memory, words read, words written) for so many at the home of *kind*, and for what misses there."""
        memory = self.home(kind)
        while (back := self.behind(memory)) and kind in CACHED:
            missed = back.misses(reads)
            returned = np.minimum(missed, writes)
            yield memory, reads + returned, writes + missed
            per_word = back.words(memory.word_bits)
            memory, reads, writes = back, missed * per_word, returned * per_word
        yield memory, reads, writes

    def memory_cycles(self, words: dict[Kind, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Cycles that the slowest memory needs for these words of each kind, read and written, each memory through ports of its
        own, as if they were there for one core alone."""
        through: dict[str, np.ndarray] = {}
        for kind, (reads, writes) in words.items():
            for memory, read, written in self.accesses(kind, reads, writes):
                through[memory.name] = through.get(memory.name, 0) + np.stack([read, written])
        shape = next(iter(words.values()))[0].shape
        ports = [m.cycles(*through[m.name]) for m in self.memory if m.name in through]
        found: np.ndarray = np.max([np.zeros(shape, np.int64), *ports], axis=0)
        return found

    def replace(self, path: str, value: Any) -> Chip:
        """The same chip with one setting changed: ``chip.replace("core.lanes", 4)``; memories go by their name."""
        values = self.values
        set_path(values, path, value, f"chip {self.name!r}")
        return Chip.parse(values, f"chip {self.name!r} with {path} = {value}")
