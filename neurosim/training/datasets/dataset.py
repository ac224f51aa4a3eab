"""What training reads: images with labels in three splits, whatever they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Images(Protocol):
    """uint8 [N, C, H, W] in memory, or decoded when asked for; a slice or an integer array gives uint8 [n, C, H, W]."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice | np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Split:
    """images: uint8 [N, C, H, W]; labels: int64 [N]."""

    images: Images
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Choices are made on *validation*; *test* is looked at once, at the end.

    mean, std: one number per channel, of pixels / 255; None where pixels / 255 are used as they are.
    """

    name: str
    classes: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    train: Split
    validation: Split
    test: Split

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def held_out(count: int, validation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (kept for training, held out for validation), int64, that *seed* alone decides for *count* images."""
    order = np.random.default_rng(seed).permutation(count)
    return order[validation:], order[:validation]


def split_problems(count: int, validation: int) -> list[str]:
    if validation < 0:
        return [f"a validation split of {validation} images cannot be; take 1 or more"]
    if count <= validation:
        return [f"{count} training images are too few for a validation split of {validation}"]
    return []


def label_problems(labels: np.ndarray, classes: int, where: str) -> list[str]:
    """*labels*: integers [N] of any width."""
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        return [f"{where} labels span {labels.min()} to {labels.max()}; they must lie in 0..{classes - 1}"]
    return []
