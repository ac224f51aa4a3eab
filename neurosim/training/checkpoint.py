"""Checkpoints: a stranger's file can be wrong, never dangerous."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing
from neurosim.training.datasets import Dataset
from neurosim.training.recipe import PUBLISHED

PICTURES = 64


@dataclass(frozen=True)
class Saved:
    """How far a phase has come: epochs *done*, the *best* validation accuracy and the state that had it; *within* the next
    epoch, its position and the state of the random numbers."""

    done: int = 0
    best: float = -1.0
    best_state: dict[str, Tensor] | None = None
    within: dict[str, Any] | None = None


@dataclass(frozen=True)
class Checkpoints:
    """The state of a run in *folder*, one file per phase, replaced whole whenever it is kept; None keeps nothing.

    *identity*: everything that decides the result; only a run with the same goes on. What a checkpoint does not say of it, it
    did as `PUBLISHED`.
    """

    folder: Path | None
    identity: dict[str, Any]

    @classmethod
    def opened(cls, folder: Path | None, identity: dict[str, Any], resume: bool) -> Checkpoints:
        """Raises NeurosimError if the folder cannot be made, or holds another run that is not to be resumed."""
        if folder is None:
            return cls(None, identity)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NeurosimError(f"{folder}: cannot hold checkpoints: {error.strerror}") from error
        if not resume and any(folder.glob("*.pt")):
            raise NeurosimError(f"{folder}: holds the checkpoints of another run; use --resume or another folder")
        return cls(folder, identity)

    def restored(self, phase: str, parts: dict[str, Any], lines: list[dict[str, Any]]) -> Saved:
        """Put what was saved into *parts* and *lines*; the beginning if nothing was."""
        path = None if self.folder is None else self.folder / f"{phase}.pt"
        if path is None or not path.exists():
            return Saved()
        saved = read_checkpoint(path)
        self._check(path, saved)
        try:
            for name, part in parts.items():
                if set(saved[name]) != set(part.state_dict()):
                    raise NeurosimError(f"the {name} has other entries")
                part.load_state_dict(saved[name])
            within = saved.get("within")
            if saved["best_state"] is not None or within is None:
                parts["model"].load_state_dict(saved["best_state"])
            parts["model"].load_state_dict(saved["model"])
            lines[:] = [dict(line) for line in saved["lines"]]
            return Saved(int(saved["done"]), float(saved["best"]), saved["best_state"], within)
        except Exception as error:
            raise NeurosimError(f"{path}: does not belong to phase {phase!r}: {_first_line(error)}") from error

    def _check(self, path: Path, saved: dict[str, Any]) -> None:
        """Raise NeurosimError unless *saved* is of this run."""
        missing = {"identity", "lines", "done", "best", "best_state", "model"} - set(saved)
        if missing:
            raise NeurosimError(f"{path}: is not a checkpoint of this program: {', '.join(sorted(missing))} missing")
        theirs = PUBLISHED | (saved["identity"] if isinstance(saved["identity"], dict) else {})
        changed = sorted(k for k in {*theirs, *self.identity} if theirs.get(k) != self.identity.get(k))
        if changed:
            raise NeurosimError(
                f"{path}: belongs to another run ({', '.join(changed)} differ); train without --resume or in another folder"
            )

    def keep(self, phase: str, parts: dict[str, Any], progress: Saved, lines: list[dict[str, Any]]) -> None:
        """Save a phase, and the log of the run as JSON lines."""
        if self.folder is None:
            return
        saved = {name: part.state_dict() for name, part in parts.items()} | vars(progress)
        with replacing(self.folder / f"{phase}.pt") as temporary:
            torch.save(saved | {"identity": self.identity, "lines": lines}, temporary)
        self.log(lines)

    def log(self, lines: list[dict[str, Any]]) -> None:
        if self.folder is not None:
            with replacing(self.folder / "log.jsonl") as temporary:
                temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def fingerprint(dataset: Dataset) -> str:
    """Hash of a data set: its name, classes and labels, and 64 images of each split."""
    digest = hashlib.sha256(repr((dataset.name, dataset.shape, dataset.class_names)).encode())
    for split in (dataset.train, dataset.validation, dataset.test):
        digest.update(split.labels.tobytes())
        places = np.linspace(0, len(split.labels) - 1, min(PICTURES, len(split.labels))).astype(np.int64)
        digest.update(np.ascontiguousarray(split.images[places]).tobytes())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise NeurosimError(f"{path}: cannot be read as a checkpoint: {error.strerror}") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A dict of tensors and plain values; nothing else is loaded, nothing is executed. Raises NeurosimError."""
    if path.is_dir() or not path.exists():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise NeurosimError(f"{path}: cannot be read as a checkpoint: {found}")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        message = "damaged, not a PyTorch checkpoint, or holds more than tensors and plain values"
        raise NeurosimError(f"{path}: cannot be read as a checkpoint: {message} ({type(error).__name__})") from error
    if not isinstance(saved, dict):
        raise NeurosimError(f"{path}: holds {type(saved).__name__}, not the dict of a checkpoint")
    return saved


def tensors(state: Any) -> dict[str, Tensor] | None:
    """*state* if it is a dict of ordinary real tensors by name, else None."""
    good = isinstance(state, dict) and all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided and v.is_floating_point()
        for k, v in state.items()
    )
    return state if good else None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
