"""Neurons of Norse, described in our terms: Euler steps of *dt* seconds, potentials counted from v_leak."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.frameworks.neuron import Neuron, per_neuron
from neurosim.network.layers import Parameter, Shape, Shortcut

# Without a synaptic current; without spikes; without a leak.
BOXES, READOUTS, IDLE = ("LIFBoxCell", "LIBoxCell", "IAFCell"), ("LICell", "LIBoxCell"), "IAFCell"
VALUE, SUBTRACT = "reset_value", "reset_subtract"


def norse(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    """`LIFCell` (``i += x``, ``v += dt / tau_mem (v_leak - v + i)``, ``i -= dt / tau_syn i``), `LIFBoxCell` without the
    current, `LICell` and `LIBoxCell` without spikes, `IAFCell` (``v += x``), `LIFRecurrentCell`: LIF with weights
    of its own, for what it is given and for its spikes of the step before. A spike sets v to v_reset."""
    kind, p = type(module).__name__, module.p
    rate = 1.0 if kind == IDLE else float(np.float32(module.dt) * _one(p.tau_mem_inv))
    rest = 0.0 if kind == IDLE else _one(p.v_leak)
    threshold = reset = None
    if kind not in READOUTS:
        threshold = per_neuron(p.v_th.detach() - rest, native, shape)
        reset = _one(p.v_reset) - rest
    decay: Parameter | None = None
    if kind not in BOXES:
        decay = 1 - float(np.float32(module.dt) * _one(p.tau_syn_inv))
    subtracts, back = _reset(p) == SUBTRACT, getattr(module, "recurrent_weights", None)
    feedback = None if back is None else Shortcut("", (back.detach().cpu() * rate).numpy(), delay=1)
    return Neuron(
        threshold, None if kind == IDLE else 1 - rate, lambda v, _: v - np.float32(rest), "subtract" if subtracts else "zero",
        current_leak=decay, gain=rate, feedback=feedback, rest=None if subtracts else reset or None,
        problems=tuple(_problems(kind, p, rate, rest)),
    )  # fmt: skip


def weighed(module: Any, given: Tensor) -> Tensor:
    """What the weights of a recurrent cell make of what it is given."""
    return torch.nn.functional.linear(given, module.input_weights) if hasattr(module, "input_weights") else given


def _problems(kind: str, p: Any, rate: float, rest: float) -> list[str]:
    problems = []
    names = ("tau_mem_inv", "v_leak", "v_reset", "tau_syn_inv")
    problems += [
        f"its {name} differs between neurons; one number is supported"
        for name in names
        if hasattr(p, name) and p._asdict()[name].unique().numel() > 1
    ]
    if not 0 < rate <= 1:
        problems.append(f"dt / tau_mem is {rate:g}; a leak lies between 0 and 1: use a smaller dt")
    if kind in BOXES and rest:
        problems.append(f"begins at a potential of 0, which is not its v_leak of {rest:g}; set v_leak to 0")
    if kind == IDLE and _one(p.v_reset):
        problems.append(f"begins at its v_reset of {_one(p.v_reset):g}; set v_reset to 0")
    if kind == "LIFBoxCell" and _reset(p) not in (VALUE, SUBTRACT):
        problems.append(f"its reset_method is {p.reset_method}; {VALUE} and {SUBTRACT} are supported")
    return problems


def _reset(p: Any) -> str:
    return getattr(getattr(p, "reset_method", None), "__name__", "")


def _one(value: Tensor) -> float:
    return float(value.detach().float().flatten()[0])
