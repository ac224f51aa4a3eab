"""What a spike sets in motion: the packets that a firing neuron sends, and the cycles that each receiving core works on one.

A column is a (segment of channels, site) of a population, see `neurosim.mapping.routes`: all its neurons live in one core and
send to the same cores. What a spike causes depends on which windows of pooling, of those that it lies in, had a spike before
in the step: windows of a column that cause the same are alike, and how many of each kind had one is the *state* of a spike.
What only the first spike from a site and a sender causes is that of one window more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.mapping.brick import Brick
from neurosim.mapping.fan import SpikeWork
from neurosim.mapping.routes import Fanout, firsts
from neurosim.network.layers import INPUT, Axes
from neurosim.network.network import Network
from neurosim.spikes.synapses import pool_windows


class Latches(NamedTuple):
    """Windows of pooling of which the first spike of a step causes more than a later one. Those of column c are number
    first[c] to first[c + 1] - 1: latch, int64, says which of its channel, or *many*: that of the site and the sender; radix,
    int64, what one that had a spike before adds to the state. states: int64 [columns + 1], where those of a column begin,
    numbered through all columns; many: latches of a channel."""

    first: np.ndarray
    latch: np.ndarray
    radix: np.ndarray
    states: np.ndarray
    many: int


@dataclass(frozen=True, eq=False)
class Delivery:
    """Where the spikes of one population go.

    first: int64 [columns + 1], entries of a column, by their offset from the sender. sender: int64 [columns], core, -1 for
    input from outside. core: int64 [entries]; of input from outside the brick, as bricks that share a core may work on it in
    different turns. place: int64 [entries, 3], column, row and port of the core. rows: int64 [columns + 1], where those of a
    column begin in service, int64, cycles that the core works on the packet, state by state all entries of the column, and in
    stall, int64, those of them in which it waits for a memory. lead: int64 [columns], see `neurosim.mapping.fan.Fan.lead`;
    empty where nothing is kept in registers.
    """

    source: str
    segment: np.ndarray
    sites: int
    first: np.ndarray
    sender: np.ndarray
    core: np.ndarray
    place: np.ndarray
    rows: np.ndarray
    service: np.ndarray
    stall: np.ndarray
    latches: Latches
    lead: np.ndarray

    @property
    def columns(self) -> tuple[np.ndarray | int, ...]:
        """As the kernel takes them."""
        work = self.rows, self.service, self.stall
        return self.first, self.sender, self.core, self.place, *work, self.sites, *self.latches, self.lead

    @property
    def room(self) -> tuple[int, int, int]:
        """How many columns, states, and latches of all channels and of all sites and senders there are."""
        return len(self.sender), int(self.latches.states[-1]), len(self.segment) * self.latches.many + len(self.lead)


def delivery(network: Network, chip: Chip, bricks: Sequence[Brick], cores: np.ndarray, fanout: Fanout) -> Delivery:
    """What the spikes of *fanout* cause where brick i lives in core cores[i]."""
    work, grid = _Work(chip, fanout), chip.grid
    sender, core = _senders(cores, fanout), work.brick if fanout.source == INPUT else cores[work.brick]
    order = grid.by_offset(sender[work.column], core, work.column)
    column, core = work.column[order], core[order]
    # Bricks that share a core share the packet.
    begins = np.append(True, (np.diff(column) != 0) | (np.diff(core) != 0))[: len(column)]
    target = np.empty(len(order), np.int64)
    target[order] = np.cumsum(begins) - 1
    column, core = column[begins], core[begins]
    first = _starts(np.bincount(column, minlength=len(sender)))
    look_up = firsts(work.column * grid.cores + cores[work.brick]) * chip.operation.event.cycles
    rows, (busy, waits) = _by_state(work, first, target, look_up)
    tile, port = np.divmod(core, grid.cores_per_tile)
    place = np.stack([tile % grid.width, tile // grid.width, port], 1)
    lead = fanout.lead if chip.core.accumulate_registers else np.empty(0, np.int64)
    return Delivery(
        fanout.source, fanout.segment, fanout.sites, first, sender, core, place, rows, busy, waits, work.latches, lead
    )  # fmt: skip


def _by_state(work: _Work, first: np.ndarray, target: np.ndarray, look_up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(where the rows of a column begin; cycles of work, and those of them that wait, int64 [2, rows]), see `Delivery`;
    target, look_up: int64 [entries of *work*], the entry of each, and the cycles that it takes beside its work."""
    states, many = np.diff(work.latches.states), np.diff(first)
    rows = _starts(states * many)
    entry, state, compute, memory = work.cycles()
    column = work.column[entry]
    row = rows[column] + state * many[column] + target[entry] - first[column]
    found = np.zeros((2, rows[-1]), np.int64)
    np.add.at(found[0], row, np.maximum(compute, memory) + look_up[entry])
    np.add.at(found[1], row, np.maximum(memory - compute, 0))
    return rows, found


def _senders(cores: np.ndarray, fanout: Fanout) -> np.ndarray:
    """int64 [columns]: the core that a column lives in, -1 outside."""
    sender = np.full(fanout.segments * fanout.sites, -1)
    if fanout.source != INPUT:
        brick, column, _ = fanout.owner.entries
        sender[column] = cores[brick]
    return sender


# What takes time.
WORK = ("weight_words", "state_words", "passes", "mac_passes")


class _Caused(NamedTuple):
    """What spikes cause, int64 each: in which brick, by a spike of which column, how much of WORK number *what*, -1 of what
    takes no time; latch: only by the first spike in that window of the column's channel, or from the site and the sender, -1:
    by every one."""

    brick: np.ndarray
    column: np.ndarray
    latch: np.ndarray
    what: np.ndarray
    amount: np.ndarray

    @classmethod
    def of(cls, fanout: Fanout, work: SpikeWork, first: int) -> _Caused:
        """That of one kind of work; *first*: number of its latch, or of the first of its windows."""
        brick, column, amount = work.amount.entries
        latch = np.full(len(brick), first if work.sites else -1)
        if work.windows:
            windows = pool_windows(*fanout.shape[1:], work.windows)
            segment, window = np.divmod(column, windows.many)
            place, site = windows.pairs(window)
            brick, column, amount = brick[place], segment[place] * fanout.sites + site, amount[place]
            latch = first + window[place]
        what = WORK.index(work.what) if work.what in WORK else -1
        return cls(brick, column, latch, np.full(len(brick), what), amount)

    @classmethod
    def joined(cls, parts: Sequence[_Caused]) -> _Caused:
        return cls(*(np.concatenate([*(part[i] for part in parts), np.empty(0, np.int64)]) for i in range(len(cls._fields))))

    def where(self, mask: np.ndarray) -> _Caused:
        return _Caused(*(part[mask] for part in self))


class _Kinds(NamedTuple):
    """Windows of a column that are alike, int64 each: the column; how many windows; what each that had a spike adds to the
    state. By rising column."""

    column: np.ndarray
    windows: np.ndarray
    radix: np.ndarray

    @classmethod
    def of(cls, column: np.ndarray, kind: np.ndarray) -> _Kinds:
        """From the column and the kind of every window."""
        kinds, first = np.unique(kind, return_index=True)
        column, windows, radix = column[first], np.bincount(kind, minlength=len(kinds)), np.ones(len(kinds), np.int64)
        place = np.arange(len(kinds)) - np.searchsorted(column, column)
        for following in range(1, int(place.max(initial=0)) + 1):
            at = np.flatnonzero(place == following)
            radix[at] = radix[at - 1] * (windows[at - 1] + 1)
        return cls(column, windows, radix)


class _Work:
    """The work that one spike of a column causes in a brick, for every (brick, column) that it reaches."""

    def __init__(self, chip: Chip, fanout: Fanout):
        self.chip, self.columns = chip, fanout.segments * fanout.sites
        moves = dict.fromkeys(work.windows for work in fanout.work if work.windows)
        ends = np.cumsum([0, *(pool_windows(*fanout.shape[1:], each).many for each in moves)]).tolist()
        first = dict[Axes | None, int](zip(moves, ends, strict=False))
        reached = _Caused.joined([_Caused.of(fanout, work, first.get(work.windows, ends[-1])) for work in fanout.work])
        # Where all weights are zero and none is stored a packet comes all the same.
        keys = np.unique(reached.brick * self.columns + reached.column)
        caused = reached.where(reached.what >= 0)
        self.brick, self.column = np.divmod(keys, self.columns)
        self.always, once = caused.where(caused.latch < 0), caused.where(caused.latch >= 0)
        self._latched(once, ends[-1])

    def _latched(self, once: _Caused, many: int) -> None:
        """Find which latches are alike, by all that the first spike in them causes, and keep what one of a kind does."""
        number, pair = np.unique(once.column * (many + 1) + once.latch, return_inverse=True)
        column, latch = np.divmod(number, many + 1)
        about = np.stack([once.brick, once.what, once.amount], 1)[np.lexsort((once.amount, once.what, once.brick, pair))]
        text, width = about.tobytes(), about.itemsize * about.shape[1]
        ends = (np.cumsum(np.bincount(pair, minlength=len(number))) * width).tolist()
        known: dict[tuple[int, bytes], int] = {}
        keys = zip(column.tolist(), [0, *ends], ends, strict=False)
        kind = np.array([known.setdefault((of, text[a:b]), len(known)) for of, a, b in keys], np.int64)
        self.kinds = _Kinds.of(column, kind)
        example = np.zeros(len(number), bool)
        example[np.unique(kind, return_index=True)[1]] = True
        self.once, self.kind = once.where(example[pair]), kind[pair][example[pair]]
        states = np.ones(self.columns, np.int64)
        np.multiply.at(states, self.kinds.column, self.kinds.windows + 1)
        of_column, begin = (_starts(each) for each in (np.bincount(column, minlength=self.columns), states))
        self.latches = Latches(of_column, latch, self.kinds.radix[kind], begin, many)

    def _entry(self, caused: _Caused) -> np.ndarray:
        """int64: the (brick, column) of everything."""
        keys = self.brick * self.columns + self.column
        found: np.ndarray = np.searchsorted(keys, caused.brick * self.columns + caused.column)
        return found

    def cycles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """int64 each: (brick, column), one for every state of the column; the state; cycles of the accumulates; and those that
        the slowest memory needs for weights and potentials."""
        chip, cost, states = self.chip, self.chip.operation, np.diff(self.latches.states)[self.column]
        begin, entry = _starts(states), np.repeat(np.arange(len(states)), states)
        state = np.arange(len(entry)) - begin[entry]
        always = np.zeros((len(WORK), len(states)), np.int64)
        np.add.at(always, (self.always.what, self._entry(self.always)), self.always.amount)
        amounts, of = always[:, entry], self._entry(self.once)
        place, row = np.repeat(np.arange(len(of)), states[of]), _spread(begin[:-1][of], states[of])
        kind = self.kind[place]
        held = state[row] // self.kinds.radix[kind] % (self.kinds.windows[kind] + 1)
        np.add.at(amounts, (self.once.what[place], row), (self.kinds.windows[kind] - held) * self.once.amount[place])
        amount = dict(zip(WORK, amounts, strict=True))
        compute = amount["passes"] * cost.accumulate.cycles + amount["mac_passes"] * cost.mac.cycles
        # What is added to is read and written.
        fetched, touched = amount["weight_words"], amount["state_words"]
        return entry, state, compute, chip.memory_cycles({"weights": (fetched, 0 * fetched), "state": (touched, touched)})


def _starts(many: np.ndarray) -> np.ndarray:
    """int64 [n + 1]: where each begins that has so many."""
    found: np.ndarray = np.concatenate([[0], np.cumsum(many)])
    return found


def _spread(first: np.ndarray, many: np.ndarray) -> np.ndarray:
    """int64: for each the numbers from its first on, so many."""
    found: np.ndarray = np.repeat(first, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    return found
