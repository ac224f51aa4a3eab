"""What a model does on samples: what its neurons are given and answer, and what it returns itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from neurosim.frameworks.family import family, reader
from neurosim.frameworks.graph.calling import Calling
from neurosim.frameworks.graph.entry import Door, guarded, outputs, prepared
from neurosim.frameworks.graph.layout import SampleLayout
from neurosim.frameworks.graph.refusal import MiscalledError, Place

# A call of neurons: what they were given, and their outputs by number.
Fired = tuple[Tensor, dict[int, Tensor]]


@dataclass
class ModelRecord:
    """By module: *given* [T, N, features], and *fired* of each output; *returned*: [N, numbers] of each answer, where its
    layout says which is which."""

    given: dict[int, Tensor] = field(default_factory=dict)
    fired: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    returned: list[Tensor] = field(default_factory=list)


def recorded(
    model: nn.Module,
    frames: Tensor,
    calling: Calling,
    layouts: dict[int, list[SampleLayout]],
    groups: list[list[int]],
    answers: list[SampleLayout],
) -> ModelRecord:
    """Run *model* on *frames* [N, T, ...] as it was run when its layouts were found."""
    calls: dict[int, list[Fired]] = {}
    with guarded(model, _watching(calls)), _sequences(model), prepared(model, len(frames)), torch.no_grad():
        returned = returned_tensors(_answered(model, calling, frames))
    found, steps = ModelRecord(), frames.shape[1]
    for module, fired in calls.items():
        if module in layouts:
            found.given[module] = _by_step([x for x, _ in fired], layouts[module], steps)
            numbers = set.intersection(*(set(outs) for _, outs in fired))
            found.fired |= {(module, i): _by_step([outs[i] for _, outs in fired], layouts[module], steps) for i in numbers}
    found.returned = [layout.by_sample(joined(returned, group)) for group, layout in zip(groups, answers, strict=True)]
    return found


def _answered(model: nn.Module, calling: Calling, frames: Tensor) -> Any:
    try:
        return calling.answers(model, calling.given(frames))
    except Exception as error:
        told = f"it fails on {len(frames)} samples by itself: {type(error).__name__}: {error}"
        raise MiscalledError(told, "show it as many as it takes", Place(type(model).__name__)) from error


def returned_tensors(answer: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor)]


def joined(tensors: list[Tensor], group: list[int]) -> Tensor:
    """One answer; where it is one tensor per step, with the steps as its first axis."""
    return torch.stack([tensors[i] for i in group]) if len(group) > 1 else tensors[group[0]]


def _by_step(values: list[Tensor], layouts: list[SampleLayout], steps: int) -> Tensor:
    """[T, N, features] of all calls of a module."""
    parts = [layout.by_sample(x) for x, layout in zip(values, layouts, strict=True)]
    features = int(layouts[0].origins.max()) + 1
    out = parts[0].new_zeros(steps, len(parts[0]), features)
    for x, layout in zip(parts, layouts, strict=True):
        out[layout.steps, :, layout.origins] = x.T
    return out


def _watching(calls: dict[int, list[Fired]]) -> Door:
    def door(module: nn.Module, name: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        answer = real(*args, **kwargs)
        if reader(module) is not None:
            first = next(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
            given = family(module).weighs(module, first)  # type: ignore[union-attr]
            kept = family(module).potential(module, answer)  # type: ignore[union-attr]
            found = {i: x.detach().clone() for i, x in outputs(answer, kept, given).items() if x.shape == given.shape}
            calls.setdefault(id(module), []).append((given.detach().clone(), found))
        return answer

    return door


@contextmanager
def _sequences(model: nn.Module) -> Iterator[None]:
    """Modules that are called for several steps at once keep the potentials of all."""
    changed = []
    for module in model.modules():
        found = family(module)
        if found is not None and found.sequences and getattr(module, found.sequences, None) is False:
            setattr(module, found.sequences, True)
            changed.append((module, found.sequences))
    try:
        yield
    finally:
        for module, name in changed:
            setattr(module, name, False)
