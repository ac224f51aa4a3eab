"""How a model is called: step by step, or once for all steps, which lie on one axis or another, or in no axis at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.frameworks.family import family
from neurosim.frameworks.graph.refusal import Place, RefusedError

Runner = Callable[[nn.Module, Tensor], Any]


@dataclass(frozen=True)
class Calling:
    """*words* say it. *cuts* makes of samples [N, T, ...] what the model is given, one tensor per call; *still*: of images
    [N, ...] instead, which the model shows itself as often as it wants. *runs*: who runs it instead."""

    words: str
    cuts: Callable[[Tensor], list[Tensor]]
    still: bool = False
    runs: Runner | None = None

    def given(self, frames: Tensor) -> list[Tensor]:
        """Of frames [N, T, ...], tensors of their own, which nothing else looks at."""
        return [x.clone(memory_format=torch.contiguous_format) for x in self.cuts(frames[:, 0] if self.still else frames)]

    def answers(self, model: nn.Module, given: list[Tensor]) -> Any:
        if self.runs is not None:
            return self.runs(model, given[0])
        found = [model(x) for x in given]
        return found if len(found) > 1 else found[0]


STEPS = Calling("once per step, with [N, ...]", lambda x: list(x.unbind(1)))
TIME_FIRST = Calling("once, with [T, N, ...]", lambda x: [x.transpose(0, 1)])
SAMPLES_FIRST = Calling("once, with [N, T, ...]", lambda x: [x])
MERGED = Calling("once, with [N * T, ...]", lambda x: [x.flatten(0, 1)])
IMAGES = Calling("once, with images [N, ...]", lambda x: [x], still=True)


def by_hand(run: Runner, images: bool) -> Calling:
    """As the user runs it, on [N, T, ...], or on images [N, ...]."""
    return Calling("by run=", lambda x: [x], still=images, runs=run)


def usual(model: nn.Module, images: bool, steps: int) -> Iterator[Calling]:
    """The ways in which such models are called, most probable first. Raises RefusedError where none takes so many *steps*."""
    parts = list(model.modules())
    if any(getattr(module, "step_mode", "s") == "m" for module in parts):
        yield TIME_FIRST
        if images:
            yield IMAGES
        return
    if any((f := family(module)) is not None and f.name == "sinabs" for module in parts):
        _check_steps(model, steps)
        yield MERGED
        yield SAMPLES_FIRST
        return
    yield STEPS
    if images:
        yield IMAGES
    yield TIME_FIRST
    yield SAMPLES_FIRST


def _check_steps(model: nn.Module, steps: int) -> None:
    """Neurons of sinabs may have been made for another number of steps."""
    for name, module in model.named_modules():
        made = getattr(module, "num_timesteps", steps) if family(module) else steps
        if made > 0 and made != steps:
            raise RefusedError(
                f"was made for {made} steps a sample, and the samples have {steps}",
                f"show {made}, or make it with num_timesteps={steps} or batch_size= (from_model takes both)",
                Place(name, type(module).__name__),
            )
