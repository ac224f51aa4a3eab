"""Weights that live behind the memory of a core: what it holds of them, and what it must fetch again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurosim.mapping.storage import kernel_bits, stored_bits
from neurosim.memory import Memory

if TYPE_CHECKING:
    from neurosim.mapping.mapping import Mapping


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
        return -(-self.kept // memory.word_bits) + -(-self.spilled // memory.word_bits) * times

    def cycles(self, first: int, rows: int, timesteps: int) -> np.ndarray:
        """int64 [rows, bricks]: cycles of the ports of *back*, or of *front* where they are slower, at the rows (image *
        timesteps + step) from *first* on."""
        found = np.zeros((rows, len(self.kept)), np.int64)
        row = np.arange(first, first + rows)
        again = {"once": row < 0, "per_image": row % timesteps == 0, "per_step": row >= 0}[self.back.fetched or "once"]
        for bits, when in ((self.kept, row == 0), (self.spilled, again)):
            found += when[:, None] * np.maximum(_cycles(bits, self.back), _cycles(bits, self.front))
        return found


def _cycles(bits: np.ndarray, memory: Memory) -> np.ndarray:
    """Cycles in which *bits* pass its ports; none where they are not given."""
    words = -(-bits // memory.word_bits)
    return -(-words // memory.words_per_cycle) if memory.words_per_cycle else 0 * words


def spills(mapping: Mapping, kernels: bool = False) -> list[Spill]:
    """One for every memory from which weights are fetched; *kernels*: as if they were stored as shared kernels."""
    return [_spill(mapping, back, kernels) for back in mapping.chip.memory if back.fetched]


def _spill(mapping: Mapping, back: Memory, kernels: bool) -> Spill:
    front = next(memory for memory in mapping.chip.memory if memory.name == back.backs)
    others = [sum(bits.get(kind, 0) for kind in mapping.chip.kinds(front) if kind != "weights") for bits in mapping.items]
    room, kept, needed = [max(0, front.bits - bits) for bits in others], *np.zeros((2, len(mapping.bricks)), np.int64)
    for number, (brick, home) in enumerate(zip(mapping.bricks, mapping.home.tolist(), strict=True)):
        layer = mapping.network.layers[brick.layer]
        bits = kernel_bits(layer, brick.channels) if kernels else stored_bits(mapping.network, mapping.chip, brick)
        needed[number], kept[number] = bits, min(bits, room[home])
        room[home] -= int(kept[number])
    return Spill(front, back, kept, needed - kept)
