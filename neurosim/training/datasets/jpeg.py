"""CIFAR-10 or CIFAR-100 as a pair of ``.npz`` files of JPEGs: ``*_train.npz`` and ``*_test.npz``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.training.datasets.cifar import KINDS, VALIDATION, cifar_dataset
from neurosim.training.datasets.dataset import Dataset, Split, label_problems, split_problems
from neurosim.training.datasets.editions import SIDE
from neurosim.training.datasets.npz import read_npz
from neurosim.training.datasets.picture import PictureError, small_picture

ARRAYS = ("jpeg", "offsets", "labels", "classes")
ENDS = {"train": "_train.npz", "test": "_test.npz"}
SHOWN = 5


@dataclass(frozen=True, eq=False)
class _Part:
    """data: uint8 [bytes]; offsets: int64 [N + 1], image i lies at offsets[i]:offsets[i + 1]; labels: int64 [N]."""

    data: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]


def load_jpeg(path: Path, seed: int = 0, validation: int = VALIDATION) -> Dataset:
    """The data set of which *path* is the train file or the test file. Raises FileError with every problem, NeurosimError
    without Pillow where a picture is to be decoded."""
    files = jpeg_pair(path)
    parts, problems = {}, []
    for part, file in files.items():
        try:
            parts[part] = _read(file)
        except FileError as error:
            problems += [f"{file.name}: {p}" for p in error.problems]
    problems = problems or _pair_problems(parts["train"], parts["test"], validation)
    if problems:
        raise FileError(str(path), problems)
    train, train_problems = _decoded(parts["train"])
    test, test_problems = _decoded(parts["test"])
    problems = [f"{files['train'].name}: {p}" for p in train_problems] + [f"{files['test'].name}: {p}" for p in test_problems]
    if problems:
        raise FileError(str(path), problems)
    return cifar_dataset(parts["train"].classes, train, test, seed, validation)


def jpeg_pair(path: Path) -> dict[str, Path]:
    """{"train": file, "test": file} of which *path* is one. Raises FileError."""
    stem = jpeg_stem(path)
    if stem is None:
        raise FileError(str(path), [f"holds JPEGs, but its name ends in neither {' nor '.join(ENDS.values())}; rename it"])
    files = {part: path.with_name(stem + end) for part, end in ENDS.items()}
    missing = [file.name for file in files.values() if not file.is_file()]
    if missing:
        raise FileError(str(path), [f"{name} is missing beside it; training needs both files" for name in missing])
    return files


def jpeg_stem(path: Path) -> str | None:
    """The name that the files of a pair share, None if *path* is not named like one."""
    return next((path.name.removesuffix(end) for end in ENDS.values() if path.name.endswith(end)), None)


def _read(path: Path) -> _Part:
    arrays = read_npz(path, ARRAYS)
    problems = _type_problems(arrays) or _value_problems(arrays)
    if problems:
        raise FileError(str(path), problems)
    offsets, labels = (arrays[name].astype(np.int64) for name in ("offsets", "labels"))
    return _Part(arrays["jpeg"], offsets, labels, tuple(str(name) for name in arrays["classes"]))


def _type_problems(arrays: dict[str, np.ndarray]) -> list[str]:
    needed = {"jpeg": (np.uint8, "uint8 [bytes]"), "offsets": (np.integer, "integers [N + 1]"),
              "labels": (np.integer, "integers [N]"), "classes": (np.str_, "text [K]")}  # fmt: skip
    return [
        f"array {name!r} is {arrays[name].dtype} {list(arrays[name].shape)}; needed: {words}"
        for name, (kind, words) in needed.items()
        if not np.issubdtype(arrays[name].dtype, kind) or arrays[name].ndim != 1
    ]


def _value_problems(arrays: dict[str, np.ndarray]) -> list[str]:
    offsets, images, classes = arrays["offsets"].astype(np.int64), len(arrays["labels"]), len(arrays["classes"])
    found = []
    if classes not in KINDS:
        found.append(f"wrong number of classes: {classes}; CIFAR-10 has 10, CIFAR-100 has 100")
    if len(offsets) != images + 1 or not images:
        found.append(f"{len(offsets)} offsets and {images} labels; needed: one label per image and one offset more")
    wrong = np.flatnonzero(offsets[1:] <= offsets[:-1])
    if len(wrong):
        i = int(wrong[0])
        found.append(f"offsets must increase: {offsets[i]} is followed by {offsets[i + 1]} at image {i}")
    if len(offsets) and (offsets.min() < 0 or offsets.max() > len(arrays["jpeg"])):
        found.append(f"offsets span {offsets.min()} to {offsets.max()}, beyond the {len(arrays['jpeg'])} bytes of 'jpeg'")
    return found + label_problems(arrays["labels"], classes, "its")


def _pair_problems(train: _Part, test: _Part, validation: int) -> list[str]:
    differ = train.classes != test.classes
    found = ["the two files name different classes; take both from one data set"] if differ else []
    return found + split_problems(len(train.labels), validation)


def _decoded(part: _Part) -> tuple[Split, list[str]]:
    """All images, uint8 [N, 3, 32, 32], with the problems of those that could not be decoded."""
    pixels = np.empty((len(part.labels), SIDE, SIDE, 3), np.uint8)
    data, offsets = part.data.data, part.offsets.tolist()
    problems = []
    for i in range(len(pixels)):
        try:
            pixels[i] = small_picture(data[offsets[i] : offsets[i + 1]], SIDE)
        except PictureError as error:
            problems.append(f"image {i} {error}")
    more = [f"and {len(problems) - SHOWN} more images"] if len(problems) > SHOWN else []
    return Split(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)), part.labels), problems[:SHOWN] + more
