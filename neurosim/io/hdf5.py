"""Reading and writing HDF5 with care."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from neurosim.errors import FileError, NeurosimError
from neurosim.io.heaps import sound_heaps
from neurosim.io.steady_file import SteadyFile
from neurosim.io.stored import CHUNK_BYTES, Stored
from neurosim.io.vocabulary import FIRST, Vocabulary, newest, number, strangers
from neurosim.version import __version__

# Of each major version, the last minor one. A file says the lowest version that knows all that is in it.
VERSIONS = ("1.0", "2.0")
# gzip reaches at most about 1030:1, so a dataset that declares more than this per stored byte was not written by anyone.
MAX_RATIO = 1100
FREE_BYTES = 2**20
# Of one text, in bytes.
MAX_TEXT = 2**24
# Entries from which on a dataset is compressed, and how.
SMALL = 64
COMPRESSED = {"compression": "gzip", "compression_opts": 4, "shuffle": True}
# What others' files have at their root that are read by `neurosim import`.
FOREIGN = {b"node": "NIR", b"layer": "a network of lava-dl"}
# Files that are to take the place of others.
_unfinished: set[Path] = set()


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], kind: str, vocabulary: Vocabulary | None = None) -> Iterator[h5py.File]:
    """A new HDF5 file that appears under *path* only when it is whole; its version is that of its names in *vocabulary*."""
    with growing(path, kind, vocabulary) as (file, _):
        yield file


@contextlib.contextmanager
def growing(
    path: str | os.PathLike[str], kind: str, vocabulary: Vocabulary | None = None
) -> Iterator[tuple[h5py.File, Callable[[], None]]]:  # fmt: skip
    """As `writing`, for files that take long: with a function that raises OSError if anything could not be written so far."""
    with replacing(path) as temporary, open(temporary, "r+b", buffering=0) as opened:
        content = SteadyFile(opened)
        with h5py.File(content, "w", track_order=True, rdcc_nbytes=2 * CHUNK_BYTES) as file:
            file.attrs["format"] = f"neurosim-{kind}"
            file.attrs["format_version"] = FIRST
            file.attrs["producer"] = f"neurosim {__version__}"
            file.attrs["created"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            yield file, content.check
            version = FIRST if vocabulary is None else newest(file, vocabulary)
            if version != FIRST:
                file.attrs["format_version"] = version
        content.check()
        os.fsync(opened.fileno())


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside *path* that takes its place on success and vanishes on failure."""
    target = check_target(path)
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        _unfinished.add(temporary)
        # mkstemp makes files private; a result should have the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise FileError(str(target), [f"cannot be written: {error.strerror or error}"]) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
            _unfinished.discard(temporary)


def remove_unfinished() -> None:
    """Remove the temporary files of this process, which is about to end."""
    for path in list(_unfinished):
        path.unlink(missing_ok=True)


def check_target(path: str | os.PathLike[str]) -> Path:
    """Where *path* leads, links followed; raises FileError if no file can be put there."""
    target = Path(os.path.realpath(path))
    problem = ""
    if target.exists() and not target.is_file():
        problem = "is a folder" if target.is_dir() else "is not a regular file"
    elif not target.parent.is_dir():
        problem = f"the folder {target.parent} does not exist"
    elif not os.access(target.parent, os.W_OK):
        problem = f"the folder {target.parent} is not writable"
    if problem:
        raise FileError(str(path), [f"cannot be written: {problem}"])
    return target


def put(group: h5py.Group, name: str, data: Any, units: str, description: str) -> None:
    """Write a dataset with what it means; large ones compressed, identical bytes for identical data."""
    array = np.asarray(data)
    dataset = group.create_dataset(name, data=array, track_times=False, **({} if array.size < SMALL else COMPRESSED))
    explain(dataset, units, description)


def explain(dataset: h5py.Dataset, units: str, description: str) -> None:
    """Write down what a dataset means."""
    dataset.attrs["units"] = units
    dataset.attrs["description"] = description


@contextlib.contextmanager
def reading(
    path: str | os.PathLike[str], *kinds: str, vocabulary: Vocabulary | None = None, keep: contextlib.ExitStack | None = None
) -> Iterator[tuple[h5py.File, Node]]:  # fmt: skip
    """An open file of one of our *kinds*, and the reader of its root; problems noted on the way are raised at the end, first
    every name that is not in the *vocabulary*. The file stays open for as long as *keep*, which arrays `Node.stored` need."""
    with opening(path, keep) as (file, root):
        found = _text(file.attrs.get("format", "nothing"))
        version = _text(file.attrs.get("format_version", ""))
        expected = " or ".join(f"'neurosim-{k}'" for k in kinds)
        if found not in [f"neurosim-{k}" for k in kinds]:
            raise FileError(str(path), [f"attribute 'format' is {found!r}; expected {expected}{_imported(path, file)}"])
        _check_version(path, root, version)
        if vocabulary is not None:
            root.problems.extend(strangers(file, vocabulary, version))
        yield file, root


def _imported(path: str | os.PathLike[str], file: h5py.File) -> str:
    """What reads a file of others, if it looks like one that is read."""
    kind = next((kind for name, kind in FOREIGN.items() if file.id.links.exists(name)), None)
    return f"; it looks like {kind}: `neurosim import {path} -o net.h5` makes a network of it" if kind else ""


@contextlib.contextmanager
def opening(
    path: str | os.PathLike[str], keep: contextlib.ExitStack | None = None
) -> Iterator[tuple[h5py.File, Node]]:  # fmt: skip
    """Any HDF5 file, and the reader of its root; problems noted on the way are raised at the end. *keep*: see `reading`."""
    problems: list[str] = []
    try:
        if not sound_heaps(path):
            raise FileError(str(path), ["is damaged: a heap in which it keeps texts does not end where it says"])
        with contextlib.ExitStack() as own:
            # Every chunk is read once, so that none needs to be kept.
            file = (keep or own).enter_context(h5py.File(path, "r", rdcc_nbytes=0))
            yield file, Node(file, problems)
    except NeurosimError:
        raise
    except FileNotFoundError:
        raise FileError(str(path), ["does not exist"]) from None
    except OSError as error:
        reason = "it is a folder" if Path(path).is_dir() else _reason(error)
        raise FileError(str(path), [f"cannot be read as HDF5: {reason}"]) from error
    except Exception as error:
        # What h5py raises on damaged metadata is anybody's guess.
        raise FileError(str(path), [*problems, f"is damaged: {type(error).__name__}: {error}"]) from error
    if problems:
        raise FileError(str(path), problems)


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    if "truncated file" in text:
        return "the file is truncated"
    if "signature not found" in text:
        return "it is not an HDF5 file"
    return text


def _check_version(path: str | os.PathLike[str], root: Node, version: str) -> None:
    """Raise FileError where nothing of the file can be trusted; note a minor version that is not known."""
    known = dict(number(version) for version in VERSIONS)
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})*", version) or not number(version)[0]:
        expected = " or ".join(map(repr, VERSIONS))
        raise FileError(str(path), [f"attribute 'format_version' is {version!r}; expected {expected}"])
    major, minor = number(version)
    if major in known and minor <= known[major]:
        return
    wrote = root.group.attrs.get("producer")
    writer = f"; the file says that {_text(wrote)} wrote it" if wrote is not None else ""
    here = f"neurosim {__version__} knows {' and '.join(VERSIONS)}"
    root.say(f"format version {version} is not known; {here}; update neurosim, if there is a newer one{writer}")
    if major not in known:
        raise FileError(str(path), root.problems)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class Node:
    """A group of an open file; everything missing or wrong is noted in the shared list of problems."""

    def __init__(self, group: h5py.Group, problems: list[str]):
        self.group = group
        self.problems = problems

    def say(self, message: str) -> None:
        self.problems.append(f"{self.group.name.rstrip('/')}: {message}" if self.group.name != "/" else message)

    def __contains__(self, name: str) -> bool:
        link = self.group.get(name, getlink=True)
        if link is not None and not isinstance(link, h5py.HardLink):
            self.say(f"{name!r} is a link; everything must be in its place")
            return False
        return link is not None

    def child(self, name: str) -> Node | None:
        """The group *name*, or None with a note."""
        if name not in self or not isinstance(self.group[name], h5py.Group):
            self.say(f"group {name!r} is missing")
            return None
        return Node(self.group[name], self.problems)

    def children(self) -> dict[str, Node]:
        """All groups below, in the order they were written."""
        found = [n for n in self.group if n in self and isinstance(self.group[n], h5py.Group)]
        return {n: Node(self.group[n], self.problems) for n in found}

    def refuse(self, names: Iterable[str], why: str) -> None:
        """Note every attribute and dataset here that is one of *names*: nobody looks at it."""
        for name in names:
            for kind, having in (("attribute", self.group.attrs), ("dataset", self.group)):
                if name in having:
                    self.say(f"{kind} {name!r} {why}; delete it")

    def refuse_others(self, names: Container[str], what: str) -> None:
        """Note every group below whose name is none of *names*."""
        for name, child in self.children().items():
            if name not in names:
                child.say(f"there is no {what} of that name")

    def array(self, name: str, kinds: str, ndim: int | None, optional: bool = False) -> np.ndarray | None:
        """Dataset *name* whose dtype kind is one of *kinds*, of any number of dimensions where *ndim* is None; None with a note
        (without one if *optional* and absent)."""
        dataset = self._dataset(name, kinds, ndim, optional)
        try:
            return None if dataset is None else np.asarray(dataset[()])
        except (OSError, RuntimeError, ValueError) as error:
            self.say(f"dataset {name!r} cannot be read: {error}")
        return None

    def stored(self, name: str, kinds: str, ndim: int | None, optional: bool = False) -> np.ndarray | None:
        """As `array`; what is not small stays in the file, and has of an array what `Stored` has."""
        dataset = self._dataset(name, kinds, ndim, optional)
        if dataset is None or dataset.nbytes <= CHUNK_BYTES:
            return self.array(name, kinds, ndim, optional=True)
        return cast(np.ndarray, Stored(dataset))

    def _dataset(self, name: str, kinds: str, ndim: int | None, optional: bool) -> h5py.Dataset | None:
        if name not in self:
            if not optional:
                self.say(f"dataset {name!r} is missing")
            return None
        dataset = self.group[name]
        if not isinstance(dataset, h5py.Dataset):
            self.say(f"{name!r} is a group; it must be a dataset")
        elif dataset.shape is None or dataset.dtype.kind not in kinds or ndim not in (None, dataset.ndim):
            found = f"{dataset.dtype} {list(dataset.shape or ())}"
            self.say(f"dataset {name!r} is {found}; needed: {_kinds(kinds)}" + ("" if ndim is None else f", {ndim} dimensions"))
        elif dataset.external or dataset.is_virtual:
            self.say(f"dataset {name!r} keeps its data in another file, which is not allowed")
        elif dataset.nbytes > FREE_BYTES + MAX_RATIO * dataset.id.get_storage_size():
            self.say(f"dataset {name!r} declares {dataset.nbytes} bytes but stores {dataset.id.get_storage_size()}")
        else:
            return dataset
        return None

    def word(self, name: str) -> str:
        """The one text in dataset *name*; empty where there is none."""
        item = self.group.get(name) if name in self else None
        if not isinstance(item, h5py.Dataset) or item.shape is None or item.size != 1 or item.dtype.kind not in "SO":
            return ""
        foreign = item.external or item.is_virtual or (item.dtype.kind == "O" and not h5py.check_string_dtype(item.dtype))
        if foreign or item.nbytes > MAX_TEXT:
            self.say(f"dataset {name!r} is not plain text")
            return ""
        return _text(np.asarray(item[()]).ravel()[0])

    def dimensions(self, name: str) -> int:
        """Of dataset *name*; 0 if there is none."""
        found = self.group[name] if name in self else None
        return found.ndim if isinstance(found, h5py.Dataset) else 0

    def number(self, name: str, default: Any = None, optional: bool = False) -> Any:
        """Scalar dataset or attribute *name* as an int or float."""
        if name in self:
            value = self.array(name, "iuf", 0)
            return default if value is None else value.item()
        value = self.group.attrs.get(name)
        if value is None:
            if not optional:
                self.say(f"{name!r} is missing")
            return default
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "iuf":
            self.say(f"attribute {name!r} is {value!r}; it must be a number")
            return default
        return np.asarray(value).item()

    def integer(self, name: str, default: int | None = 0, optional: bool = False) -> Any:
        """Scalar *name* as an int; anything else is noted."""
        value = self.number(name, default, optional)
        if value is not None and not (isinstance(value, int) or (np.isfinite(value) and value == int(value))):
            self.say(f"{name!r} is {value}; it must be an integer")
            return default
        return None if value is None else int(value)

    def text(self, name: str, default: str | None = None) -> str:
        """Attribute *name* as text."""
        value = self.group.attrs.get(name, default)
        if value is None:
            self.say(f"attribute {name!r} is missing")
            return ""
        return _text(value)

    def numbers(self, name: str) -> tuple[Any, ...] | None:
        """Attribute *name* as a tuple of numbers, None if absent."""
        value = self.group.attrs.get(name)
        if value is None:
            return None
        array = np.asarray(value)
        if array.ndim != 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
            self.say(f"attribute {name!r} is {value!r}; it must be a list of numbers")
            return None
        return tuple(array.tolist())

    def json(self, name: str, default: Any) -> Any:
        """Attribute *name*, written as JSON."""
        if name not in self.group.attrs:
            return default
        try:
            value = json.loads(self.text(name))
            if isinstance(value, type(default)):
                return value
            self.say(f"attribute {name!r} is JSON of the wrong kind")
            return default
        except ValueError as error:
            self.say(f"attribute {name!r} is not JSON: {error}")
            return default


def _kinds(kinds: str) -> str:
    words = {"i": "integers", "u": "unsigned integers", "f": "floats", "b": "booleans"}
    return " or ".join(words[k] for k in kinds if k in words)


def command() -> str:
    """The command line of this process."""
    return shlex.join(["neurosim", *sys.argv[1:]])
