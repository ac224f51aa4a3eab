"""The four published forms of CIFAR: which files they consist of and how their bytes are read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from neurosim.training.datasets.pickled import Uint8Array, text_of, unpickled

SIDE = 32
PIXELS = 3 * SIDE * SIDE

Columns = tuple[np.ndarray, np.ndarray]  # uint8 [N, PIXELS], int64 [N]


@dataclass(frozen=True, slots=True)
class Edition:
    """One published archive, its md5 sum, and the base names of the files that matter.

    read: a batch from its bytes; read_names: the names of the classes. Both raise ValueError saying what is wrong.
    """

    archive: str
    md5: str
    classes: int
    train: tuple[str, ...]
    test: str
    names: str
    read: Callable[[bytes], Columns]
    read_names: Callable[[bytes], tuple[str, ...]]

    @property
    def batches(self) -> tuple[str, ...]:
        return (*self.train, self.test)

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.batches, self.names)


def edition_of(names: Collection[str]) -> Edition | None:
    """The edition most of whose files are among *names*, None if none is."""
    best = max(EDITIONS, key=lambda edition: sum(name in names for name in edition.files))
    return best if any(name in names for name in best.files) else None


def _python(key: str) -> Callable[[bytes], Columns]:
    """Reads a pickled dictionary of "data" and, under *key*, a list of labels."""

    def read(data: bytes) -> Columns:
        content = unpickled(data)
        images, labels = _images(content.get("data")), content.get(key)
        if not isinstance(labels, list) or not all(type(label) is int and abs(label) < 1 << 31 for label in labels):
            found = "missing" if labels is None else "something else"
            raise ValueError(f"{key!r} is {found}; needed: a list of integers")
        if len(labels) != len(images):
            raise ValueError(f"has {len(images)} images and {len(labels)} labels; there must be as many")
        return images, np.array(labels, np.int64)

    return read


def _images(holder: object) -> np.ndarray:
    images = holder.array if isinstance(holder, Uint8Array) else None
    if images is None or images.ndim != 2 or images.shape[1] != PIXELS:
        found = "missing" if holder is None else "not an array" if images is None else f"uint8 {list(images.shape)}"
        raise ValueError(f"'data' is {found}; needed: uint8 [N, {PIXELS}]")
    return images


def _python_names(key: str) -> Callable[[bytes], tuple[str, ...]]:
    def read(data: bytes) -> tuple[str, ...]:
        names = unpickled(data).get(key)
        if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
            raise ValueError(f"has no list of names {key!r}")
        return tuple(text_of(name) for name in names)

    return read


def _binary(head: int) -> Callable[[bytes], Columns]:
    """Reads records of *head* label bytes, of which the last counts, and 3 x 32 x 32 pixels, all red ones first."""

    def read(data: bytes) -> Columns:
        if len(data) % (head + PIXELS):
            raise ValueError(f"has {len(data)} bytes, not a whole number of records of {head + PIXELS}: truncated?")
        records = np.frombuffer(data, np.uint8).reshape(-1, head + PIXELS)
        return records[:, head:], records[:, head - 1].astype(np.int64)

    return read


def _binary_names(data: bytes) -> tuple[str, ...]:
    lines = (line.strip() for line in text_of(data).splitlines())
    return tuple(line for line in lines if line)


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
EDITIONS = (
    Edition(
        archive="cifar-10-python.tar.gz", md5="c58f30108f718f92721af3b95e74349a", classes=10, train=_BATCHES, test="test_batch",
        names="batches.meta", read=_python("labels"), read_names=_python_names("label_names"),
    ),
    Edition(
        archive="cifar-10-binary.tar.gz", md5="c32a1d4ab5d03f1284b67883e8d87530", classes=10,
        train=tuple(f"{name}.bin" for name in _BATCHES), test="test_batch.bin", names="batches.meta.txt", read=_binary(1),
        read_names=_binary_names,
    ),
    Edition(
        archive="cifar-100-python.tar.gz", md5="eb9058c3a382ffc7106e4002c42a8d85", classes=100, train=("train",), test="test",
        names="meta", read=_python("fine_labels"), read_names=_python_names("fine_label_names"),
    ),
    Edition(
        archive="cifar-100-binary.tar.gz", md5="03b5dce01913d631647c71ecec9e9cb8", classes=100, train=("train.bin",),
        test="test.bin", names="fine_label_names.txt", read=_binary(2), read_names=_binary_names,
    ),
)  # fmt: skip
WANTED = frozenset(name for edition in EDITIONS for name in edition.files)
