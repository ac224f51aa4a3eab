"""MNIST, from an ``.npz`` or from the four original IDX files."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.training.datasets.dataset import Dataset, Split, held_out, label_problems, split_problems
from neurosim.training.datasets.npz import read_npz

VALIDATION = 5000
SIDE = 28
CLASSES = 10
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def load_mnist(path: Path, seed: int = 0, validation: int = VALIDATION) -> Dataset:
    """MNIST from an ``.npz`` (x_train, y_train, x_test, y_test) or a folder of IDX files, plain or ``.gz``.

    The validation split is drawn from the training images by *seed*. Raises FileError with every problem.
    """
    arrays = _from_folder(path) if path.is_dir() else read_npz(path, tuple(IDX_FILES))
    problems = [p for part in ("train", "test") for p in _problems(arrays[f"x_{part}"], arrays[f"y_{part}"], part)]
    problems = problems or split_problems(len(arrays["x_train"]), validation)
    if problems:
        raise FileError(str(path), problems)
    kept, held = held_out(len(arrays["x_train"]), validation, seed)
    images, labels = arrays["x_train"][:, None], arrays["y_train"].astype(np.int64)
    return Dataset(
        name="MNIST",
        classes=CLASSES,
        class_names=tuple(str(digit) for digit in range(CLASSES)),
        mean=None,
        std=None,
        train=Split(images[kept], labels[kept]),
        validation=Split(images[held], labels[held]),
        test=Split(arrays["x_test"][:, None], arrays["y_test"].astype(np.int64)),
    )


def _problems(images: np.ndarray, labels: np.ndarray, part: str) -> list[str]:
    found = []
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        found.append(f"{part} images are {images.dtype} {list(images.shape)}; needed: uint8 [N, {SIDE}, {SIDE}]")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or labels.ndim != 1:
        count = images.shape[0] if images.ndim else "N"
        return [*found, f"{part} labels are {labels.dtype} {list(labels.shape)}; needed: integers [{count}]"]
    return found + label_problems(labels, CLASSES, part)


def _from_folder(folder: Path) -> dict[str, np.ndarray]:
    found, problems = {}, []
    for key, name in IDX_FILES.items():
        try:
            found[key] = _read_idx(folder, name)
        except FileError as error:
            problems += [f"{name}: {p}" for p in error.problems]
    if problems:
        raise FileError(str(folder), problems)
    return found


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """An IDX file of bytes: magic 0 0 8 ndim, ndim big-endian sizes, data (LeCun's format)."""
    plain, zipped = folder / name, folder / f"{name}.gz"
    try:
        data = plain.read_bytes() if plain.exists() else gzip.decompress(zipped.read_bytes())
    except FileNotFoundError:
        raise FileError(str(folder), ["is missing (also as .gz)"]) from None
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(str(folder), [f"cannot be read: {error}"]) from error
    ndim = 3 if "idx3" in name else 1
    if data[:4] != bytes([0, 0, 8, ndim]):
        raise FileError(str(folder), [f"magic number is {data[:4].hex()}, expected {bytes([0, 0, 8, ndim]).hex()}"])
    head = 4 + 4 * ndim
    sizes = data[4:head]
    shape = np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4").tolist()
    if len(shape) != ndim or len(data) - head != math.prod(shape):
        raise FileError(str(folder), [f"declares {shape} values, holds {max(0, len(data) - head)} bytes: truncated?"])
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
