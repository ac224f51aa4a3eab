"""Neurons of sinabs, described in our terms."""

from __future__ import annotations

from typing import Any

import torch

from neurosim.frameworks.neuron import Neuron, as_shown, per_neuron
from neurosim.network.layers import Shape

SINGLE, MULTIPLE = "SingleSpike", "MultiSpike"


def sinabs(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    """`LIF` and `IAF`: ``i = alpha_syn (i + x)``, ``v = alpha_mem v + i`` (times 1 - alpha_mem with norm_input), as many
    spikes as thresholds fit into v (MultiSpike), each of which subtracts one, and no potential below min_v_mem."""
    alpha = torch.as_tensor(module.alpha_mem_calculated).detach().float()
    synaptic = module.alpha_syn_calculated
    gain = float((1 - alpha).flatten()[0]) if module.norm_input else 1.0
    decay = None if synaptic is None else float(torch.as_tensor(synaptic).detach().flatten()[0])
    firing = getattr(module.spike_fn, "__name__", type(module.spike_fn).__name__)
    problems = []
    if firing not in (SINGLE, MULTIPLE):
        problems.append(f"its spike_fn is {firing}; {SINGLE} and {MULTIPLE} are supported")
    resets = type(module.reset_fn).__name__
    if resets not in ("MembraneSubtract", "MembraneReset") or getattr(module.reset_fn, "subtract_value", None) is not None:
        problems.append(f"its reset_fn is {module.reset_fn}; MembraneSubtract() and MembraneReset() are supported")
    if module.norm_input and alpha.numel() > 1:
        problems.append("its tau_mem differs between neurons, and norm_input scales by it; one number is supported")
    if firing == MULTIPLE and resets == "MembraneReset":
        problems.append("it fires several spikes and resets to zero; use MembraneSubtract")
    floor = None if module.min_v_mem is None else per_neuron(module.min_v_mem, native, shape)
    return Neuron(
        per_neuron(module.spike_threshold, native, shape), per_neuron(alpha, native, shape), as_shown,
        "zero" if resets == "MembraneReset" else "subtract", ">=", current_leak=decay,
        gain=gain * (1.0 if decay is None else decay), graded=firing == MULTIPLE, floor=floor, problems=tuple(problems),
    )  # fmt: skip
