"""CIFAR-10 and CIFAR-100 as published by Alex Krizhevsky: "python" and "binary" editions, archives or folders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.training.datasets.archive import archive_files, folder_files
from neurosim.training.datasets.dataset import Dataset, Split, held_out, label_problems, split_problems
from neurosim.training.datasets.editions import SIDE, WANTED, Columns, Edition, edition_of

VALIDATION = 5000
IMAGES = {"train": 50_000, "test": 10_000}
UNCHECKED = "pass --unchecked-data to accept another edition"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


KINDS = {
    10: _Kind("CIFAR-10", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    100: _Kind("CIFAR-100", (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
}


def load_cifar(path: Path, seed: int = 0, validation: int = VALIDATION, checked: bool = True) -> Dataset:
    """CIFAR-10 or CIFAR-100 (fine labels) from an archive or an extracted folder. Raises FileError with every problem.

    *checked*: an archive must have the published md5 sum, and there must be 50,000 + 10,000 images.
    """
    content = (folder_files if path.is_dir() else archive_files)(path, WANTED)
    edition = edition_of(content)
    if edition is None:
        raise FileError(str(path), ["holds none of the files of CIFAR-10 or CIFAR-100, neither python nor binary edition"])
    problems = _sum_problems(path, edition) if checked and path.is_file() else []
    if problems:
        raise FileError(str(path), problems)
    names, batches, problems = _read(edition, content)
    if not problems:
        train, test = _joined([batches[name] for name in edition.train]), _joined([batches[edition.test]])
        problems = _count_problems(len(train.labels), "train", checked) + _count_problems(len(test.labels), "test", checked)
        problems = problems or split_problems(len(train.labels), validation)
    if problems:
        raise FileError(str(path), problems)
    return cifar_dataset(names, train, test, seed, validation)


def cifar_dataset(names: tuple[str, ...], train: Split, test: Split, seed: int, validation: int) -> Dataset:
    """The data set of 10 or 100 classes *names*, *validation* images of *train* held out by *seed*."""
    kind = KINDS[len(names)]
    kept, held = held_out(len(train.labels), validation, seed)
    return Dataset(
        name=kind.name,
        classes=len(names),
        class_names=names,
        mean=kind.mean,
        std=kind.std,
        train=Split(train.images[kept], train.labels[kept]),
        validation=Split(train.images[held], train.labels[held]),
        test=test,
    )


def _sum_problems(path: Path, edition: Edition) -> list[str]:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found == edition.md5:
        return []
    return [f"its md5 sum is {found}, that of {edition.archive} is {edition.md5}; download it again, or {UNCHECKED}"]


def _read(edition: Edition, content: dict[str, bytes]) -> tuple[tuple[str, ...], dict[str, Columns], list[str]]:
    """(class names, {batch: columns}, problems)."""
    names: tuple[str, ...] = ()
    batches: dict[str, Columns] = {}
    problems = [f"{name} is missing; download {edition.archive} again" for name in edition.files if name not in content]
    for name in (name for name in edition.files if name in content):
        try:
            if name == edition.names:
                names = edition.read_names(content[name])
                problems += _name_problems(edition, names)
            else:
                batches[name] = edition.read(content[name])
                problems += label_problems(batches[name][1], edition.classes, name)
        except ValueError as error:
            problems.append(f"{name} {error}")
    return names, batches, problems


def _name_problems(edition: Edition, names: tuple[str, ...]) -> list[str]:
    if len(names) == edition.classes:
        return []
    kind = KINDS[edition.classes].name
    return [f"{edition.names} names the wrong number of classes: {len(names)}; {kind} has {edition.classes}"]


def _count_problems(found: int, part: str, checked: bool) -> list[str]:
    if checked and found != IMAGES[part]:
        return [f"{found} {part} images; the published edition has {IMAGES[part]}: download it again, or {UNCHECKED}"]
    return [] if found else [f"no {part} images"]


def _joined(batches: list[Columns]) -> Split:
    images = np.concatenate([images for images, _ in batches]).reshape(-1, 3, SIDE, SIDE)
    return Split(images, np.concatenate([labels for _, labels in batches]))
