"""Neurons of PyTorch frameworks, described in our terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.network.layers import AT_ONCE, NEXT_STEP, Dynamics, Parameter, Shape, Shortcut

# Below, at and above the threshold.
SIDES = (-1e-3, 0.0, 1e-3)


@dataclass(frozen=True)
class Neuron:
    """What `neurosim.network.layers.Layer` and `Network` have to say of a population.

    threshold None: it integrates and never fires. *gain* is what inputs are multiplied by. *kept*: from the potentials that the
    framework shows after a step, and its spikes, to ours, float32. *feedback*: recurrent connections without their source.
    *graded*: it fires as many times in a step as its potential holds thresholds. *floor*: the lowest potential.
    """

    threshold: Parameter | None
    leak: Parameter | None
    kept: Callable[[np.ndarray, np.ndarray], np.ndarray]
    reset: Literal["subtract", "zero", "none"] = "subtract"
    compare: Literal[">", ">="] = ">"
    dynamics: Dynamics = AT_ONCE
    current_leak: Parameter | None = None
    gain: float = 1.0
    feedback: Shortcut | None = None
    bias: np.ndarray | None = None
    # Whether a potential that is still above the threshold after a reset follows another rule there than here.
    raised: bool = False
    rest: Parameter | None = None
    graded: bool = False
    floor: Parameter | None = None
    bias_into: Literal["current", "potential"] = "current"
    problems: tuple[str, ...] = field(default=())


class Lif(nn.Module):
    """Leaky integrate-and-fire neurons to stand in an `nn.Sequential`, called once per step: ``u = leak * u + input``,
    ``s = u > threshold``, ``u -= threshold * s`` (the dynamics V1 of DIET-SNN). For inference: it has no gradient.
    *threshold*, *leak*: numbers, or tensors that broadcast over the neurons."""

    def __init__(self, threshold: float | Tensor = 1.0, leak: float | Tensor = 1.0):
        super().__init__()
        self.threshold: Tensor
        self.leak: Tensor
        self.register_buffer("threshold", torch.as_tensor(threshold, dtype=torch.float32))
        self.register_buffer("leak", torch.as_tensor(leak, dtype=torch.float32))
        self.u: Tensor | None = None

    def reset(self) -> None:
        """Potentials back to zero."""
        self.u = None

    def forward(self, current: Tensor) -> Tensor:
        u = current if self.u is None else self.leak * self.u + current
        spikes = (u > self.threshold).to(u.dtype)
        self.u = u - self.threshold * spikes
        return spikes


def per_neuron(value: Any, native: tuple[int, ...], shape: Shape) -> Parameter:
    """A number, or float32 [C, H, W]; *native*: the shape of a sample in the framework, over which *value* broadcasts."""
    array = torch.as_tensor(value).detach().cpu().float().numpy()
    if array.size == 1:
        return float(array.item())
    while array.ndim > len(native) and array.shape[0] == 1:
        array = array[0]
    return np.broadcast_to(array, native).reshape(shape)


def as_shown(potentials: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    return potentials


def if_silent(potentials: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Potentials that the framework resets to zero at the beginning of the next step."""
    found: np.ndarray = potentials * ~spikes
    return found


def ours(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    threshold, leak = (per_neuron(value, native, shape) for value in (module.threshold, module.leak))
    return Neuron(threshold, leak, as_shown)


def snntorch(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    """`Leaky`, `Synaptic` and their recurrent forms. A spike resets its neuron when the next step has integrated, unless
    reset_delay is False; a plain Leaky that resets to zero does so before it, which is a reset at once."""
    kind, rule = type(module).__name__, module.reset_mechanism
    beta = per_neuron(module.beta.clamp(0, 1), native, shape)
    alpha = per_neuron(module.alpha.clamp(0, 1), native, shape) if "Synaptic" in kind else None
    feedback, bias = _recurrent(module, shape) if kind.startswith("R") else (None, None)
    early = kind == "Leaky" and rule == "zero"
    at_once = not module.reset_delay or early
    return Neuron(
        per_neuron(module.threshold, native, shape), beta, if_silent if early and module.reset_delay else as_shown, rule,
        dynamics=AT_ONCE if at_once else NEXT_STEP, current_leak=alpha, feedback=feedback, bias=bias,
        raised=rule == "subtract" and not module.reset_delay, problems=tuple(snntorch_problems(module)),
    )  # fmt: skip


def lapicque(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    """`Lapicque`: ``u = (1 - dt / (R C)) u + dt / C * input``; its spikes reset it in the step after."""
    plain = snntorch_problems(module)
    step, resistance, capacity = (torch.as_tensor(v).detach().float() for v in (module.time_step, module.R, module.C))
    leak, gain = 1 - step / (resistance * capacity), step / capacity
    if gain.numel() > 1:
        plain.append("its C differs between neurons; one number is supported")
    return Neuron(
        per_neuron(module.threshold, native, shape), per_neuron(leak, native, shape), as_shown, module.reset_mechanism,
        dynamics=NEXT_STEP, gain=float(gain.flatten()[0]), problems=tuple(plain),
    )  # fmt: skip


def snntorch_problems(module: Any) -> list[str]:
    """What no neuron here does."""
    problems = []
    if module.inhibition:
        problems.append("inhibition lets one neuron of a layer fire; there is no such layer here")
    if module.state_quant:
        problems.append("state_quant rounds its potentials; export without it and quantize the network instead")
    if not torch.all(module.graded_spikes_factor == 1):
        problems.append("graded_spikes_factor gives its spikes a size; put the factor into the next weights")
    if not _steps(module.spike_grad, (0, 0, 1)):
        problems.append("its spike_grad is not a step at the threshold in the forward pass")
    return problems


def _recurrent(module: Any, shape: Shape) -> tuple[Shortcut, np.ndarray | None]:
    """Feedback of the spikes of the step before, and its bias."""
    link = module.recurrent
    if isinstance(link, nn.Linear | nn.Conv2d):
        bias = None if link.bias is None else link.bias.detach().cpu().numpy()
        padding = tuple(link.padding) if isinstance(link, nn.Conv2d) else 0
        return Shortcut("", link.weight.detach().cpu().numpy(), padding=padding, delay=1), bias  # type: ignore[arg-type]
    factor = link.V.detach().cpu().float().numpy()
    if factor.size == 1:
        return Shortcut("", scale=float(factor.item()), delay=1), None
    return Shortcut("", np.diag(np.broadcast_to(factor, shape[:1])).astype(np.float32), delay=1), None


def spikingjelly(module: Any, native: tuple[int, ...], shape: Shape) -> Neuron:
    """`IFNode`, `LIFNode` and `ParametricLIFNode`. They rest at v_reset, so potentials are counted from there."""
    kind, hard = type(module).__name__, module.v_reset is not None
    rest = np.float32(module.v_reset if hard else 0)
    # What a step takes away, and, with decay_input, what of the input arrives.
    decay = 0.0 if kind == "IFNode" else module.w.detach().sigmoid().item() if kind == "ParametricLIFNode" else 1 / module.tau
    problems = [] if _steps(module.surrogate_function, (0, 1, 1)) else ["its surrogate_function is no step in the forward pass"]
    if module.v_threshold <= rest:
        problems.append(f"its v_threshold of {module.v_threshold:g} is not above its v_reset of {rest:g}")
    return Neuron(
        float(np.float32(module.v_threshold) - rest), 1 - decay, lambda v, _: v - rest, "zero" if hard else "subtract", ">=",
        gain=decay if kind != "IFNode" and module.decay_input else 1.0, problems=tuple(problems),
    )  # fmt: skip


def _steps(function: Callable[[Tensor], Tensor], needed: tuple[int, ...]) -> bool:
    return tuple(function(torch.tensor(SIDES)).tolist()) == needed
