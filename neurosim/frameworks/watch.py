"""Running a PyTorch model and watching its modules: in which order they are called, on what, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.errors import NetworkError
from neurosim.frameworks.neuron import clear, potential, reader

Runner = Callable[[nn.Module, Tensor], Any]


@dataclass
class Unit:
    """A module without known parts, and what went through it: float32 [N, T, ...]."""

    name: str
    module: nn.Module
    inputs: list[Tensor] = field(default_factory=list)
    answers: list[Tensor] = field(default_factory=list)
    kept: list[Tensor] = field(default_factory=list)
    native: tuple[int, ...] = ()
    answered: np.ndarray = field(default_factory=lambda: np.empty(0))
    potentials: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def kind(self) -> str:
        return type(self.module).__name__

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


def watched(model: nn.Module, samples: Tensor, shown: list[Tensor], run: Runner | None, name: str) -> list[Unit]:
    """The units of *model* in the order of their calls, with all that they did on *samples*; *shown*: what of them each step
    sees, [N, ...].

    Raises NetworkError unless every step is one chain of calls, each on the answer of the one before, the first on the sample.
    """
    units = [Unit(path, module) for path, module in _units(model)]
    calls: list[tuple[Unit, Tensor, Tensor, int]] = []
    whole = _whole(units)
    with _hooks(units, calls), _sequences(units), _cleared(units), torch.no_grad():
        try:
            if run is not None:
                run(model, samples)
            else:
                for given in [torch.stack(shown)] if whole else shown:
                    model(given)
        except Exception as error:
            raise NetworkError(name, [f"it fails on the samples by itself: {type(error).__name__}: {error}"]) from error
    problems: list[str] = []
    order = _order(calls, problems)
    _check_links(calls, order, [torch.stack(shown)] if whole else shown, problems)
    if not problems and len(calls) != len(order) * (1 if whole else len(shown)):
        times = len(calls) // len(order)
        problems.append(f"each module is called {times} times for {len(shown)} steps; say how the model is run: run=")
    if problems:
        raise NetworkError(name, list(dict.fromkeys(problems)))
    for unit in order:
        unit.answered = _array(unit.answers, whole)
        unit.potentials = _array(unit.kept, whole) if unit.kept else unit.answered
        unit.native = tuple(unit.inputs[0].shape[2 if whole else 1 :])
    return order


def _units(model: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    children = list(model.named_children())
    if reader(model) or not children:
        yield prefix or type(model).__name__, model
        return
    for name, child in children:
        yield from _units(child, f"{prefix}.{name}" if prefix else name)


def _whole(units: list[Unit]) -> bool:
    """Whether modules are called once for all steps, on [T, N, ...]."""
    return any(getattr(unit.module, "step_mode", "s") == "m" for unit in units)


@contextmanager
def _hooks(units: list[Unit], calls: list[tuple[Unit, Tensor, Tensor, int]]) -> Iterator[None]:
    def hook(unit: Unit) -> Callable[..., None]:
        def note(module: nn.Module, args: tuple[Any, ...], answer: Any) -> None:
            out = answer[0] if isinstance(answer, tuple) else answer
            given = args[0] if args and isinstance(args[0], Tensor) else torch.empty(0)
            out = out if isinstance(out, Tensor) else torch.empty(0)
            calls.append((unit, given, out, out._version))
            unit.inputs.append(given)
            unit.answers.append(out)
            if reader(module):
                unit.kept.append(potential(module).detach().clone())

        return note

    handles = [unit.module.register_forward_hook(hook(unit)) for unit in units]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _cleared(units: list[Unit]) -> Iterator[None]:
    """No state of neurons is taken from before, and none is left behind."""
    neurons = [unit.module for unit in units if reader(unit.module)]
    for module in neurons:
        clear(module)
    try:
        yield
    finally:
        for module in neurons:
            clear(module)


@contextmanager
def _sequences(units: list[Unit]) -> Iterator[None]:
    """Modules that are called for all steps at once keep the potentials of all."""
    changed = [unit.module for unit in units if getattr(unit.module, "store_v_seq", None) is False]
    for module in changed:
        module.store_v_seq = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in changed:
            module.store_v_seq = False  # type: ignore[assignment]


def _order(calls: list[tuple[Unit, Tensor, Tensor, int]], problems: list[str]) -> list[Unit]:
    """The units of one step; all steps have to be alike."""
    order: list[Unit] = []
    for unit, *_ in calls:
        if unit in order:
            break
        order.append(unit)
    if not order:
        problems.append("no module of it was called")
    for index, (unit, *_) in enumerate(calls):
        expected = order[index % len(order)]
        if unit is not expected:
            problems.append(f"{unit} is called where {expected} would be next; all steps must call the same modules, each once")
            break
    if order and len(calls) % len(order):
        problems.append(f"the last step ends after {calls[-1][0]}; every step must call the same modules, each once")
    return order


def _check_links(
    calls: list[tuple[Unit, Tensor, Tensor, int]], order: list[Unit], shown: list[Tensor], problems: list[str]
) -> None:
    """Every module reads what the one before answered; the first, the sample."""
    for index, (unit, given, _, _) in enumerate(calls if order else []):
        t = index // len(order)
        if index % len(order):
            before, _, answer, version = calls[index - 1]
            if not _same(given, answer) or answer._version != version:
                problems.append(f"between {before} and {unit} something happens that is no module; make it one")
        elif t >= len(shown) or given.numel() != shown[t].numel() or not torch.equal(given.reshape(shown[t].shape), shown[t]):
            problems.append(f"{unit}, the first module, does not read the samples step by step; say how the model is run: run=")


def _same(given: Tensor, answer: Tensor) -> bool:
    """Whether two tensors are the same numbers in the same order: one, or a view that only splits or joins axes."""
    if given.numel() != answer.numel() or given.untyped_storage().data_ptr() != answer.untyped_storage().data_ptr():
        return False
    if given.shape == answer.shape and given.stride() == answer.stride():
        return True
    return given.is_contiguous() and answer.is_contiguous() and given.storage_offset() == answer.storage_offset()


def _array(tensors: list[Tensor], whole: bool) -> np.ndarray:
    """float32 [N, T, neurons], from one tensor [T, N, ...] or one [N, ...] per step."""
    joined = tensors[0].transpose(0, 1) if whole else torch.stack(tensors, 1)
    return np.ascontiguousarray(joined.flatten(2).cpu().float().numpy())
