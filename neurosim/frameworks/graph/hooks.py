"""Hooks that others attached to the modules of a model: most only look, and what these make of it is no part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from neurosim.frameworks.graph.recorder import GraphRecorder
from neurosim.frameworks.graph.refusal import FailedHookError, Place, RefusedError

# Of every module, whoever it belongs to.
OF_ALL = (torch.nn.modules.module._global_forward_pre_hooks, torch.nn.modules.module._global_forward_hooks)


@contextmanager
def looking(model: nn.Module, recorder: GraphRecorder) -> Iterator[None]:
    """*recorder* knows what hooks do from what the modules themselves do: it refuses nothing there, only what comes of it."""
    names = {id(module): name or type(model).__name__ for name, module in model.named_modules()}
    tables = [*OF_ALL, *(t for m in model.modules() for t in (m._forward_pre_hooks, m._forward_hooks))]
    kept = [(table, dict(table)) for table in tables]
    for table, hooks in kept:
        table.update({key: _looking(hook, names, recorder) for key, hook in hooks.items()})
    try:
        yield
    finally:
        for table, hooks in kept:
            table.update(hooks)


def _looking(hook: Callable[..., Any], names: dict[int, str], recorder: GraphRecorder) -> Callable[..., Any]:
    def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        told = f"{type(module).__name__}, in its hook {_name(hook)}"
        recorder.stack.append(Place(names.get(id(module), ""), told))
        before, recorder.looking = recorder.looking, True
        try:
            return hook(module, *args, **kwargs)
        except RefusedError:
            raise
        except Exception as error:
            told = f"fails on the samples: {type(error).__name__}: {error}"
            raise FailedHookError(told, "take it off before (`remove()` of what registered it)", recorder.stack[-1]) from error
        finally:
            recorder.looking = before
            recorder.stack.pop()

    return called


def _name(hook: Callable[..., Any]) -> str:
    function = getattr(hook, "func", hook)
    known = function if hasattr(function, "__qualname__") else type(function)
    return f"{known.__module__}.{known.__qualname__}"
