"""Labelled images for training: MNIST, CIFAR-10, CIFAR-100 or a folder of pictures, recognised by what lies there."""

from __future__ import annotations

from pathlib import Path

from neurosim.errors import FileError
from neurosim.training.datasets.cifar import load_cifar
from neurosim.training.datasets.dataset import Dataset, Images, Split
from neurosim.training.datasets.editions import WANTED
from neurosim.training.datasets.folder import load_folder
from neurosim.training.datasets.jpeg import jpeg_stem, load_jpeg
from neurosim.training.datasets.mnist import IDX_FILES, VALIDATION, load_mnist
from neurosim.training.datasets.npz import npz_names

__all__ = ["Dataset", "Images", "Split", "load_dataset", "load_mnist"]

KNOWN = (
    "MNIST: an .npz with x_train, y_train, x_test, y_test, or a folder with the four IDX files, plain or .gz",
    "CIFAR-10 or CIFAR-100: the published .tar.gz, python or binary edition, or the folder extracted from it",
    "CIFAR as JPEGs: a pair *_train.npz and *_test.npz with jpeg, offsets, labels, classes, or a folder with one such pair",
    "an image folder: train/<class>/*.jpg and val/<class>/*.jpg or test/<class>/*.jpg (also .jpeg, .png)",
)


def load_dataset(
    path: Path, seed: int = 0, validation: int | None = None, checked: bool = True, image_size: int = 224
) -> Dataset:
    """The data set at *path*; see KNOWN for what is recognised.

    *validation* training images, drawn by *seed*, are held out: by default 5,000, of an image folder 10 %. *checked*: archives
    and folders of CIFAR must be the published ones. *image_size*: side of the images of an image folder. Raises FileError with
    every problem, NeurosimError if JPEGs are to be decoded and Pillow is absent (those of a folder: when they are asked for).
    """
    if not path.exists():
        raise FileError(str(path), ["does not exist"])
    try:
        return _loaded(path, _kind(path), seed, validation, checked, image_size)
    except OSError as error:
        raise FileError(str(path), [f"cannot be read: {error}"]) from error


def _loaded(path: Path, kind: str, seed: int, validation: int | None, checked: bool, image_size: int) -> Dataset:
    if kind == "folder":
        return load_folder(path, seed, validation, image_size)
    held = VALIDATION if validation is None else validation
    if kind == "mnist":
        return load_mnist(path, seed, held)
    if kind == "cifar":
        return load_cifar(path, seed, held, checked)
    return load_jpeg(_only_pair(path) if path.is_dir() else path, seed, held)


def _kind(path: Path) -> str:
    """One of mnist, cifar, jpeg and folder. Raises FileError if it is none of them."""
    kind = _kind_of_folder(path) if path.is_dir() else _kind_of_file(path)
    if kind is None:
        raise FileError(str(path), ["is not recognised; one of these is needed:", *KNOWN])
    return kind


def _kind_of_folder(folder: Path) -> str | None:
    names = {file.name for file in folder.iterdir()}
    if any(name in names or f"{name}.gz" in names for name in IDX_FILES.values()):
        return "mnist"
    if any((folder / name).is_file() for name in names & WANTED):
        return "cifar"
    if (folder / "train").is_dir():
        return "folder"
    return "jpeg" if any(jpeg_stem(folder / name) is not None for name in names) else None


def _kind_of_file(path: Path) -> str | None:
    with path.open("rb") as file:
        magic = file.read(2)
    if magic == b"\x1f\x8b" or path.name.endswith((".tar.gz", ".tgz")):
        return "cifar"
    if magic != b"PK" and path.suffix != ".npz":
        return None
    names = npz_names(path)
    if "jpeg" in names:
        return "jpeg"
    return "mnist" if any(name in names for name in IDX_FILES) else None


def _only_pair(folder: Path) -> Path:
    """The train or test file of the pair in *folder*. Raises FileError if there are several."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        stem = jpeg_stem(file)
        if stem is not None:
            files[stem] = file
    if len(files) > 1:
        names = ", ".join(file.name for file in files.values())
        raise FileError(str(folder), [f"holds {len(files)} data sets of JPEGs: {names}; give the file of one"])
    return next(iter(files.values()))
