"""The names that a file may hold, and since which version: what no reader would look at is refused, not ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import h5py

from neurosim.version import __version__

FIRST = "1.0"
# Of any dataset.
OF_DATASETS = ("units", "description")
# Of any file.
OF_FILES = ("format", "format_version", "producer", "created")
ANY = "*"


@dataclass(frozen=True)
class Vocabulary:
    """What a group may hold: attributes and datasets, each with the version of files that introduced it, and groups, where
    ``*`` stands for any name."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Vocabulary] = field(default_factory=dict)


class Word(NamedTuple):
    """A name in a file: the path of what has it, whether it is that of an attribute, dataset, group or link, and since which
    version it is known; None: it is not."""

    group: str
    kind: str
    name: str
    since: str | None


def of_file(vocabulary: Vocabulary) -> Vocabulary:
    """That of the root of a file."""
    return replace(vocabulary, attributes=since_first(*OF_FILES) | dict(vocabulary.attributes))


def since_first(*names: str) -> dict[str, str]:
    """Names that the first version of files knows."""
    return dict.fromkeys(names, FIRST)


def words(group: h5py.Group, vocabulary: Vocabulary) -> list[Word]:
    """Every name in *group* and below it; of an unknown group nothing more."""
    found: list[Word] = []
    _collect(group.id, group.name.rstrip("/"), vocabulary, found)
    return found


def _collect(group: Any, path: str, vocabulary: Vocabulary, found: list[Word]) -> None:
    # By identifiers, a third of the time of names and objects: files are loaded often, and have hundreds of names.
    found += [Word(path, "attribute", name, vocabulary.attributes.get(name)) for name in _attributes(group)]
    for raw in group:
        name = raw.decode(errors="replace")
        hard = group.links.get_info(raw).type == h5py.h5l.TYPE_HARD
        item = h5py.h5o.open(group, raw) if hard else None
        below = vocabulary.groups.get(name, vocabulary.groups.get(ANY))
        if isinstance(item, h5py.h5g.GroupID) and below is not None:
            _collect(item, f"{path}/{name}", below, found)
        elif isinstance(item, h5py.h5d.DatasetID):
            found.append(Word(path, "dataset", name, vocabulary.datasets.get(name)))
            own = [key for key in _attributes(item) if key not in OF_DATASETS]
            found += [Word(f"{path}/{name}", "attribute", key, None) for key in own]
        elif below is None and name not in vocabulary.datasets:
            # What should be a group or a dataset and is not is its reader's to tell.
            found.append(Word(path, "link" if item is None else "group", name, None))


def _attributes(item: Any) -> list[str]:
    names: list[bytes] = []
    h5py.h5a.iterate(item, names.append)
    return [name.decode(errors="replace") for name in names]


def newest(group: h5py.Group, vocabulary: Vocabulary) -> str:
    """The lowest version of files that knows all that is in *group*."""
    found = words(group, vocabulary)
    nameless = [word for word in found if word.since is None]
    assert not nameless, f"the vocabulary of these files lacks {nameless}"
    return max((word.since for word in found if word.since is not None), key=number, default=FIRST)


def strangers(group: h5py.Group, vocabulary: Vocabulary, version: str) -> Iterator[str]:
    """What in a file of this *version* is not known, or not to files of that version."""
    for word in words(group, vocabulary):
        place = f"{word.group}: " if word.group else ""
        if word.since is None:
            known = f"neurosim {__version__} does not know it and would ignore it"
            yield f"{place}{word.kind} {word.name!r}: {known}; update neurosim, or delete it if nothing depends on it"
        elif number(word.since) > number(version):
            told = f"belongs to format version {word.since}, but the file says {version}"
            yield f"{place}{word.kind} {word.name!r} {told}; set its attribute 'format_version', or delete what does not belong"


def number(version: str) -> tuple[int, int]:
    """(major, minor); 0 where no minor version is said."""
    major, minor = (*map(int, version.split(".")), 0)[:2]
    return major, minor
