"""A sparse matrix by brick that keeps the bricks which have something, and nothing for all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True, eq=False)
class BrickRows:
    """A matrix [bricks of the chip, columns] without its empty rows. brick: int64 [rows], ascending, the brick of each of
    *rows* [rows, columns], int64. A population reaches few of many bricks: with a row for each, thousands of populations in
    thousands of bricks would take their product."""

    brick: np.ndarray
    rows: csr_array

    @classmethod
    def stacked(cls, found: Sequence[tuple[int, np.ndarray, np.ndarray]], columns: int) -> BrickRows:
        """From (brick, its columns, how much at each), by rising brick; what is 0 is left out."""
        some = [(brick, at[amount != 0], amount[amount != 0]) for brick, at, amount in found]
        some = [row for row in some if len(row[1])]
        ends = np.cumsum([0, *(len(at) for _, at, _ in some)])
        index, amount = (np.concatenate([*(row[i] for row in some), np.empty(0, np.int64)]) for i in (1, 2))
        return cls(np.array([brick for brick, _, _ in some], np.int64), _rows(amount, index, ends, columns))

    @classmethod
    def sorted(cls, brick: np.ndarray, column: np.ndarray, amounts: Sequence[np.ndarray], columns: int) -> list[BrickRows]:
        """One for each of *amounts* [entries], which lie at the same bricks and columns, no two at the same."""
        order = np.argsort(brick, kind="stable")
        some, first = np.unique(brick[order], return_index=True)
        ends = np.append(first, len(brick))
        return [cls(some, _rows(amount[order], column[order], ends, columns)) for amount in amounts]

    @property
    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(brick, column, amount), int64 each."""
        brick = np.repeat(self.brick, np.diff(self.rows.indptr))
        return brick, self.rows.indices.astype(np.int64), self.rows.data

    def add_to(self, total: np.ndarray, counts: np.ndarray) -> None:
        """Add what *counts* [columns, ...] of each column amount to to total [..., bricks]."""
        total[..., self.brick] += (self.rows @ counts).T


def _rows(amount: np.ndarray, column: np.ndarray, ends: np.ndarray, columns: int) -> csr_array:
    return csr_array((amount, column, ends), shape=(len(ends) - 1, columns))
