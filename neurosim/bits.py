"""Booleans packed into bytes, lowest bit first."""

from __future__ import annotations

import numpy as np


def unpacked(bits: np.ndarray, count: int) -> np.ndarray:
    """bool [..., count] from packed bits."""
    return np.unpackbits(bits, axis=-1, count=count, bitorder="little").astype(bool)


def packed(flags: np.ndarray) -> np.ndarray:
    """uint8 [..., ceil(n / 8)] from booleans."""
    return np.packbits(flags, axis=-1, bitorder="little")


def by_site(bits: np.ndarray, channels: int, sites: int) -> np.ndarray:
    """Packed bits [rows, bytes] in the order channel, site as the same in the order site, channel."""
    flags = unpacked(bits, channels * sites).reshape(-1, channels, sites)
    return packed(flags.transpose(0, 2, 1).reshape(len(bits), -1))


def popcount(bits: np.ndarray) -> int:
    """Number of set bits."""
    return int(np.bitwise_count(bits).sum(dtype=np.int64))
