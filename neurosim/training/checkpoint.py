"""Checkpoints: a stranger's file can be wrong, never dangerous."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from neurosim.errors import NeurosimError


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A dict of tensors and plain values; nothing else is loaded, nothing is executed."""
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise NeurosimError(f"{path}: cannot be read as a checkpoint: {reason}") from error
    if not isinstance(saved, dict):
        raise NeurosimError(f"{path}: holds {type(saved).__name__}, not the dict of a checkpoint")
    return saved
