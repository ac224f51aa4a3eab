"""MNIST, from an ``.npz`` or from the four original IDX files."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurosim.errors import FileError

VALIDATION = 5000
SIDE = 28
CLASSES = 10
IDX_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


@dataclass(frozen=True, eq=False)
class Split:
    """images: uint8 [N, 1, 28, 28]; labels: int64 [N]."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Choices are made on *validation*; *test* is looked at once, at the end."""

    name: str
    train: Split
    validation: Split
    test: Split


def load_mnist(path: Path, seed: int = 0, validation: int = VALIDATION) -> Dataset:
    """MNIST from an ``.npz`` (x_train, y_train, x_test, y_test) or a folder of IDX files, plain or ``.gz``.

    The validation split is drawn from the training images by *seed*. Raises FileError with every problem.
    """
    arrays = _from_folder(path) if path.is_dir() else _from_npz(path)
    problems = [p for part in ("train", "test") for p in _problems(arrays[f"x_{part}"], arrays[f"y_{part}"], part)]
    if not problems and len(arrays["x_train"]) <= validation:
        problems.append(f"{len(arrays['x_train'])} training images are too few for a validation split of {validation}")
    if problems:
        raise FileError(str(path), problems)
    order = np.random.default_rng(seed).permutation(len(arrays["x_train"]))
    images, labels = arrays["x_train"][:, None], arrays["y_train"].astype(np.int64)
    held, kept = order[:validation], order[validation:]
    test = Split(arrays["x_test"][:, None], arrays["y_test"].astype(np.int64))
    return Dataset("MNIST", Split(images[kept], labels[kept]), Split(images[held], labels[held]), test)


def _problems(images: np.ndarray, labels: np.ndarray, part: str) -> list[str]:
    found = []
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        found.append(f"{part} images are {images.dtype} {list(images.shape)}; needed: uint8 [N, {SIDE}, {SIDE}]")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        found.append(f"{part} labels are {labels.dtype} {list(labels.shape)}; needed: integers [{len(images)}]")
    elif labels.size and not 0 <= labels.min() <= labels.max() < CLASSES:
        found.append(f"{part} labels span {labels.min()} to {labels.max()}; they must lie in 0..{CLASSES - 1}")
    return found


def _from_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [k for k in IDX_FILES if k not in file.files]
            if missing:
                raise FileError(str(path), [f"array {k!r} is missing" for k in missing])
            return {k: file[k] for k in IDX_FILES}
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise FileError(str(path), [f"cannot be read as .npz: {error}"]) from error


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
    except (OSError, EOFError) as error:
        raise FileError(str(folder), [f"cannot be read: {error}"]) from error
    ndim = 3 if "idx3" in name else 1
    if data[:4] != bytes([0, 0, 8, ndim]):
        raise FileError(str(folder), [f"magic number is {data[:4].hex()}, expected {bytes([0, 0, 8, ndim]).hex()}"])
    head = 4 + 4 * ndim
    shape = np.frombuffer(data[4:head], ">u4").astype(int)
    if len(shape) != ndim or len(data) - head != int(np.prod(shape)):
        raise FileError(str(folder), [f"declares {shape.tolist()} values, holds {max(0, len(data) - head)} bytes: truncated?"])
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
