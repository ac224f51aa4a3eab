"""Weights that live behind the memory of a core: what it holds of them, and what it must fetch again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.chip.chip import Chip
from neurosim.chip.memory import Kind, Memory


@dataclass(frozen=True, eq=False)
class Spill:
    """front: the memory that the weights are read from, filled brick by brick; back: the one they live in. Bits, int64
    [bricks]: kept, which come once; spilled, which come again as often as `Memory.fetched` says."""

    front: Memory
    back: Memory
    kept: np.ndarray
    spilled: np.ndarray

    def words(self, memory: Memory, images: int, timesteps: int) -> np.ndarray:
        """int64 [bricks]: words of *memory* that pass between the two in a run."""
        times = {"once": 0, "per_image": images, "per_step": images * timesteps}[self.back.fetched or "once"]
        found: np.ndarray = -(-self.kept // memory.word_bits) + -(-self.spilled // memory.word_bits) * times
        return found

    def cycles(self, first: int, rows: int, timesteps: int) -> np.ndarray:
        """int64 [rows, bricks]: cycles of the ports of *back*, or of *front* where they are slower, at the rows (image *
        timesteps + step) from *first* on."""
        found = np.zeros((rows, len(self.kept)), np.int64)
        row = np.arange(first, first + rows)
        again = {"once": row < 0, "per_image": row % timesteps == 0, "per_step": row >= 0}[self.back.fetched or "once"]
        for bits, when in ((self.kept, row == 0), (self.spilled, again)):
            out, into = (-(-bits // memory.word_bits) for memory in (self.back, self.front))
            found += when[:, None] * np.maximum(self.back.cycles(out, 0 * out), self.front.cycles(0 * into, into))
        return found


def spills(chip: Chip, home: np.ndarray, items: Sequence[Mapping[Kind, int]], stored: Sequence[int]) -> list[Spill]:
    """One for every memory from which weights are fetched. home: int64 [bricks], number of the core of every brick; items: per
    core, bits of every kind; stored: bits of the weights of every brick."""
    return [_spill(chip, back, home, items, stored) for back in chip.memory if back.fetched]


def _spill(chip: Chip, back: Memory, home: np.ndarray, items: Sequence[Mapping[Kind, int]], stored: Sequence[int]) -> Spill:
    front = next(memory for memory in chip.memory if memory.name == back.backs)
    others = [sum(bits.get(kind, 0) for kind in chip.kinds(front) if kind != "weights") for bits in items]
    room, kept = [max(0, front.bits - bits) for bits in others], np.zeros(len(stored), np.int64)
    for brick, core in enumerate(home.tolist()):
        kept[brick] = min(stored[brick], room[core])
        room[core] -= int(kept[brick])
    return Spill(front, back, kept, np.asarray(stored, np.int64) - kept)
