"""The store: what was found, under the hash of what was asked, so that it is never found twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from neurosim.errors import FileError
from neurosim.explore.document import Kept
from neurosim.io.hdf5 import replacing
from neurosim.io.network_file import load_network, save_network
from neurosim.io.shared_trace import share_trace, shared_trace
from neurosim.network.network import Network
from neurosim.spikes.trace import SpikeTrace
from neurosim.version import __version__

FORMAT, VERSION = "neurosim-store", 1
ABOUT = "store.json"

Outcome = dict[str, Any]


class Store:
    """A folder with *networks*, *traces* and *points*, each named by a hash. Every file appears whole or not at all, so that a
    killed study leaves nothing but results; several studies, and several processes, can use one."""

    def __init__(self, folder: str | os.PathLike[str]):
        """Raises FileError if it cannot be made, is something else, or was written by a newer version."""
        self.folder = Path(folder)
        about = self.folder / ABOUT
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            found = json.loads(about.read_text(encoding="utf-8")) if about.exists() else None
        except OSError as error:
            raise FileError(str(folder), [f"cannot be used as a store: {error.strerror or error}"]) from error
        except ValueError as error:
            raise FileError(str(about), [f"is not JSON: {error}"]) from error
        if found is None:
            self._write(about, {"format": FORMAT, "format_version": VERSION})
            return
        version = found.get("format_version") if isinstance(found, dict) and found.get("format") == FORMAT else None
        if not isinstance(version, int):
            raise FileError(str(about), [f"is not that of a store; expected format {FORMAT!r}"])
        if version > VERSION:
            raise FileError(
                str(folder), [f"format version {version} is newer than {VERSION}, the one known here; update neurosim"]
            )

    def point(self, key: str) -> Outcome | None:
        """What was found; None where nothing was, or what is there is damaged."""
        try:
            found = json.loads(self._point(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if _is_kept(found, key) else None

    def keep(self, key: str, outcome: Outcome) -> None:
        """Write what was found; raises FileError where the folder is full or may not be written."""
        place = self._point(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(str(place.parent), [f"cannot be made: {error.strerror or error}"]) from error
        self._write(place, {"key": key, **outcome})

    def add_network(self, network: Network) -> None:
        """Keep what decides its spikes, for the workers."""
        place = self._network(network.sha256)
        if not place.exists():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(str(place.parent), [f"cannot be made: {error.strerror or error}"]) from error
            save_network(network.with_golden(None), place)

    def network(self, sha256: str) -> Network:
        return load_network(self._network(sha256))

    def has_trace(self, key: str) -> bool:
        return self._trace(key).is_dir()

    def add_trace(self, key: str, trace: SpikeTrace) -> None:
        share_trace(trace, self._trace(key))

    def trace(self, key: str, network: Network) -> SpikeTrace:
        """Its arrays are mapped into memory, so that processes share them."""
        return shared_trace(self._trace(key), network)

    def _point(self, key: str) -> Path:
        return self.folder / "points" / key[:2] / f"{key}.json"

    def _network(self, sha256: str) -> Path:
        return self.folder / "networks" / f"{sha256}.h5"

    def _trace(self, key: str) -> Path:
        return self.folder / "traces" / key

    @staticmethod
    def _write(place: Path, values: Any) -> None:
        with replacing(place) as temporary:
            temporary.write_text(json.dumps(values, allow_nan=False), encoding="utf-8")


def _is_kept(found: Any, key: str) -> bool:
    """Whether that is what was found under a key, and whole."""
    try:
        return Kept.model_validate(found).key == key
    except ValidationError:
        return False


def key_of(what: Mapping[str, Any]) -> str:
    """The hash under which the answer to a question is kept; another version of neurosim may answer differently."""
    text = json.dumps({**what, "version": __version__}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
