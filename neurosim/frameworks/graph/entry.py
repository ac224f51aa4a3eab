"""Standing at the doors of the modules of a model: which is entered, and what its neurons are given and answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from neurosim.frameworks.family import encoder, family, known, reader, stranger, unfitted
from neurosim.frameworks.graph.recorder import GraphRecorder
from neurosim.frameworks.graph.refusal import Place, RefusedError, source_line

ENCODED = (
    "leave it out of the model, run it before, and give what it makes as samples [N, T, ...]: where time comes first there, "
    "encoder(images).transpose(0, 1)"
)
# Of a module, its path, what calls it for real, and what it is called with.
Door = Callable[[nn.Module, str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextmanager
def guarded(model: nn.Module, door: Door) -> Iterator[None]:
    """Every call of a module goes through *door*, also where it is ``module.forward(x)``."""
    changed = []
    for name, module in model.named_modules():
        if "forward" in vars(module) or isinstance(module, torch.jit.ScriptModule):
            continue
        module.forward = _through(door, module, name or type(model).__name__)
        changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _through(door: Door, module: nn.Module, name: str) -> Callable[..., Any]:
    real = module.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        return door(module, name, real, args, kwargs)

    return forward


@contextmanager
def prepared(model: nn.Module, samples: int) -> Iterator[None]:
    """No state of a module is taken from before, none is left behind, and it takes so many *samples* at once."""
    parts = [(module, found) for module in model.modules() if (found := family(module))]
    kept = [(module, dict(vars(module))) for module in model.modules() if _changes(module)]
    for module, found in parts:
        found.clear(module)
        found.fit(module, samples)
    try:
        yield
    finally:
        for module, attributes in kept:
            vars(module).clear()
            vars(module).update(attributes)
        for module, found in parts:
            found.clear(module)


def _changes(module: nn.Module) -> bool:
    """Whether attributes of it may be others after a run: they are fitted to it, or hooks count in them."""
    found = family(module)
    return bool(module._forward_hooks or module._forward_pre_hooks) or (found is not None and found.fit is not unfitted)


def recording(recorder: GraphRecorder, layouts: dict[int, list[Tensor]]) -> Door:
    """A door that tells *recorder* of modules and neurons; *layouts*: by neurons, the addresses of what each call was given."""

    def door(module: nn.Module, name: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        line = source_line()
        recorder.stack.append(Place(name, type(module).__name__, line))
        try:
            if recorder.inside:
                return real(*args, **kwargs)
            if (what := stranger(module)) is not None:
                raise RefusedError(f"is {what}, and its equation is not known here", f"known are {known()}")
            if (what := encoder(module)) is not None:
                raise RefusedError(f"is {what}, which makes spikes of samples", ENCODED)
            if reader(module) is None:
                return _trained(recorder, module, lambda: real(*args, **kwargs))
            return _fired(recorder, layouts, module, real, args, kwargs)
        except RefusedError as refusal:
            raise refusal.at(recorder.stack[-1]) from None
        finally:
            recorder.stack.pop()

    return door


def _trained(recorder: GraphRecorder, module: nn.Module, call: Callable[[], Any]) -> Any:
    """The answer of a module that does another thing in training, as it is in use; it is noted that it is in training."""
    drops = getattr(module, "p", 0) and "Drop" in type(module).__name__
    if not module.training or not (drops or "Norm" in type(module).__name__):
        return call()
    recorder.problems.append(RefusedError("is in training mode", "call model.eval() first", recorder.stack[-1]))
    module.training = False
    try:
        return call()
    finally:
        module.training = True


def _fired(
    recorder: GraphRecorder,
    layouts: dict[int, list[Tensor]],
    module: nn.Module,
    real: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    recorder.inside = True
    try:
        answer = real(*args, **kwargs)
    finally:
        recorder.inside = False
    given, *states = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    given = family(module).weighs(module, given)  # type: ignore[union-attr]
    kept = family(module).potential(module, answer)  # type: ignore[union-attr]
    states = [s for s in states if s.shape == given.shape]
    if not states and family(module).told:  # type: ignore[union-attr]
        states = [torch.zeros(1)]
    layout = recorder.fires(module, lambda shape: moments(module, shape), given, states, outputs(answer, kept, given))
    layouts.setdefault(id(module), []).append(layout)
    return answer


def outputs(answer: Any, kept: Tensor | None, given: Tensor) -> dict[int, Tensor]:
    """By number: 0 what neurons answer, 1 the potential that they keep, then what else they return; a potential that is the
    answer is the potential, and what is returned twice is the first."""
    found: dict[int, Tensor] = {}
    leaves = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.shape == given.shape]
    places = set() if kept is None else {kept.data_ptr()}
    if kept is not None and kept.numel() in (given.numel(), given[0].numel()) and kept.numel() > 0:
        found[1] = kept
    for i, leaf in enumerate(leaves):
        if leaf.data_ptr() not in places:
            found[0 if i == 0 else 1 + i] = leaf
        places.add(leaf.data_ptr())
    return found


def moments(module: nn.Module, shape: Sequence[int]) -> Tensor:
    """Which step of a call each row of the leading axes is, int64 [shape...]."""
    axis, steps = family(module).time(module, shape)  # type: ignore[union-attr]
    if axis is None:
        return torch.zeros(tuple(shape), dtype=torch.int64)
    if steps is not None:
        # Samples and their steps lie on one axis.
        return torch.arange(shape[0]) % steps
    count = [1] * len(shape)
    count[axis] = shape[axis]
    return torch.arange(shape[axis]).reshape(count).expand(tuple(shape))
