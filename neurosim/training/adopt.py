"""A network that starts from what another has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurosim.errors import NeurosimError
from neurosim.training.ann import Ann
from neurosim.training.checkpoint import read_checkpoint, tensors

WEIGHTS, NORMS, BOUNDS = "weights.of.", "weights.norms.", "bounds."
COUNTER = "num_batches_tracked"


def adopt(ann: Ann, path: Path, ready: bool = False) -> None:
    """Take weights and normalisations from a checkpoint of the same architecture; the output layer is left out where the
    classes differ. *ready*: it is not trained any more, so bounds are taken too, if the checkpoint's network had come to them.
    """
    checkpoint = read_checkpoint(path)
    saved = checkpoint.get("best_state")
    saved = saved if isinstance(saved, dict) else {}
    taken = (WEIGHTS, NORMS, BOUNDS) if ready and ann.levels and bool(saved.get("quantised")) else (WEIGHTS, NORMS)
    given = tensors({k: v for k, v in saved.items() if str(k).startswith(taken) and not str(k).endswith(COUNTER)})
    if not given:
        raise NeurosimError(f"{path}: is not a checkpoint of this program: it holds no weights under 'best_state'")
    mine = {k: v for k, v in ann.state_dict().items() if k.startswith(taken) and not k.endswith(COUNTER)}
    _leave_output(ann, mine, given)
    problems = _problems(ann, mine, given) + (_level_problems(ann, checkpoint) if BOUNDS in taken else [])
    if problems:
        raise NeurosimError(f"{path}: holds other weights: " + "; ".join(problems))
    with torch.no_grad():
        for key, value in mine.items():
            value.copy_(given[key])
        if BOUNDS in taken:
            ann.quantised.fill_(True)


def _level_problems(ann: Ann, checkpoint: dict[str, Any]) -> list[str]:
    identity = checkpoint.get("identity")
    levels = identity.get("levels") if isinstance(identity, dict) else None
    return [] if levels == ann.levels else [f"their activations have {levels} levels, not {ann.levels}; use --levels {levels}"]


def _leave_output(ann: Ann, mine: dict[str, Tensor], given: dict[str, Tensor]) -> None:
    """Drop the output layer from both where only its classes differ."""
    key = WEIGHTS + ann.weights.architecture.steps[-1].name
    if key in given and given[key].shape[1:] == mine[key].shape[1:] and len(given[key]) != len(mine[key]):
        del given[key], mine[key]


def _problems(ann: Ann, mine: dict[str, Tensor], given: dict[str, Tensor]) -> list[str]:
    theirs = any(key.startswith(NORMS) for key in given)
    if theirs != bool(ann.weights.norms):
        return ["with batch normalisation; use --batch-norm" if theirs else "without batch normalisation; use --no-batch-norm"]
    problems = [f"{_name(key)} is missing" for key in mine if key not in given]
    problems += [f"{_name(key)} is not part of {ann.weights.architecture.name}" for key in given if key not in mine]
    for key, value in mine.items():
        if key in given and given[key].shape != value.shape:
            problems.append(f"{_name(key)} is {list(given[key].shape)}, needed {list(value.shape)}")
        elif key in given and not torch.isfinite(given[key]).all():
            problems.append(f"{_name(key)} is not finite")
    return problems


def _name(key: str) -> str:
    return key.removeprefix(WEIGHTS).removeprefix("weights.")
