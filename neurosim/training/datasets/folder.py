"""A folder of pictures in the manner of ImageNet: train/<class>/*.jpg and val/<class>/*.jpg, decoded when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.training.datasets.dataset import Dataset, Split, held_out, split_problems
from neurosim.training.datasets.picture import PictureError, cropped_picture

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SUFFIXES = (".jpg", ".jpeg", ".png")
SHOWN = 5

Files = dict[str, list[str]]  # class name: paths below the root, sorted


class FolderImages:
    """uint8 [N, 3, side, side], decoded on access; an integer or integer array, a slice or a mask picks images."""

    __slots__ = ("paths", "root", "side")

    def __init__(self, root: Path, paths: np.ndarray, side: int):
        self.root, self.paths, self.side = root, paths, side

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.paths), 3, self.side, self.side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int | slice | np.ndarray, /) -> np.ndarray:
        """Raises FileError with every picture among *index* that cannot be decoded, NeurosimError without Pillow."""
        picked = np.arange(len(self))[index]
        images, problems = np.empty((picked.size, *self.shape[1:]), np.uint8), []
        for n, i in enumerate(picked.flat):
            try:
                images[n] = cropped_picture(self.root / self.paths[i], self.side).transpose(2, 0, 1)
            except PictureError as error:
                problems.append(f"image {i}, {self.paths[i]}, {error}")
        if problems:
            more = [f"and {len(problems) - SHOWN} more images"] if len(problems) > SHOWN else []
            raise FileError(str(self.root), problems[:SHOWN] + more)
        return images.reshape(*picked.shape, *self.shape[1:])


def load_folder(root: Path, seed: int = 0, validation: int | None = None, image_size: int = 224) -> Dataset:
    """The pictures below train/ and below val/ (else test/), which is the test split; classes in order of their names.

    *validation*: how many training images are held out by *seed*; 10 %, at least one, by default. Pictures are decoded when a
    split is indexed: the shorter side resized to round(image_size * 256 / 224), then the centre image_size x image_size.
    Raises FileError with every problem.
    """
    test_folder = _test_folder(root)
    train, test = _scanned(root, "train"), _scanned(root, test_folder)
    paths, labels = _columns(train)
    validation = max(1, len(labels) // 10) if validation is None else validation
    problems = [] if image_size >= 1 else [f"an image size of {image_size} cannot be; take at least 1"]
    problems += _class_problems(train, test, test_folder) + _empty_problems(train, "train") + _empty_problems(test, test_folder)
    problems = problems or split_problems(len(labels), validation)
    if problems:
        raise FileError(str(root), problems)
    kept, held = held_out(len(labels), validation, seed)
    test_paths, test_labels = _columns(test)
    return Dataset(
        name="ImageNet folder",
        classes=len(train),
        class_names=tuple(train),
        mean=MEAN,
        std=STD,
        train=Split(FolderImages(root, paths[kept], image_size), labels[kept]),
        validation=Split(FolderImages(root, paths[held], image_size), labels[held]),
        test=Split(FolderImages(root, test_paths, image_size), test_labels),
    )


def _test_folder(root: Path) -> str:
    """val before test: the test folder of ImageNet has no classes. Raises FileError if there is neither."""
    for name in ("val", "test"):
        if (root / name).is_dir():
            return name
    raise FileError(str(root), ["has train/, but neither val/ nor test/; put the images to test on there"])


def _scanned(root: Path, part: str) -> Files:
    names = sorted(e.name for e in os.scandir(root / part) if e.is_dir() and not e.name.startswith("."))
    return {name: _pictures(root, f"{part}/{name}") for name in names}


def _pictures(root: Path, below: str) -> list[str]:
    found = (e.name for e in os.scandir(root / below) if e.name.lower().endswith(SUFFIXES) and not e.name.startswith("."))
    return [f"{below}/{name}" for name in sorted(found)]


def _columns(files: Files) -> tuple[np.ndarray, np.ndarray]:
    """Paths, text objects [N], and labels, int64 [N]."""
    paths = np.array([path for found in files.values() for path in found], dtype=object)
    counts = np.array([len(found) for found in files.values()], dtype=np.int64)
    return paths, np.repeat(np.arange(len(files), dtype=np.int64), counts)


def _class_problems(train: Files, test: Files, test_folder: str) -> list[str]:
    found = []
    for here, there, part, other in ((train, test, "train", test_folder), (test, train, test_folder, "train")):
        names = sorted(here.keys() - there.keys())
        if names:
            found.append(f"{_some(names)} in {part}/ but not in {other}/; both need the same class folders")
    return found or ([] if train else [f"train/ and {test_folder}/ hold no class folders"])


def _empty_problems(files: Files, part: str) -> list[str]:
    names = [name for name, found in files.items() if not found]
    return [f"no {', '.join(SUFFIXES)} in {part}/ for {_some(names)}; remove the class or add images"] if names else []


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"class {'folder' if len(names) == 1 else 'folders'} {', '.join(names[:SHOWN])}{more}"
