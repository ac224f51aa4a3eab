"""Neurons: leaky integrate-and-fire in the dynamics V1 of DIET-SNN, and what stands for them without time: the clipped ReLU of
Datta & Beerel and the staircase of Bu et al."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from neurosim.kernels import training as kernel

T = TypeVar("T")
# Surrogate derivatives of the spike by z = u / threshold - 1: GAMMA * max(0, 1 - |z|) (Bellec et al. 2018, as used by
# DIET-SNN), and 1 for |z| < 1 (Datta & Beerel, released code).
TRIANGLE, BOXCAR = "triangle", "boxcar"
GAMMA = 0.3
CANDIDATES = 100


class LifLayer(torch.autograd.Function):
    """A layer of leaky integrate-and-fire neurons through all time steps.

    Forward, per step: ``u = leak * u + I``, ``s = u > threshold``, ``u -= threshold * s``, from *start* times the threshold on.
    Backward, with g the gradient of s, d that of u before the reset, and S' the surrogate derivative (DIET-SNN; no gradient
    flows through the spike in the reset, but through the threshold there)::

        d[t]         = g[t] S'[t] / threshold + leak d[t+1]
        d leak       = sum d[t] (u[t-1] after the reset)
        d threshold  = sum -g[t] S'[t] u[t] / threshold^2 - s[t] leak d[t+1], and start leak d[0]

    summed over time, batch and neurons. Memory on the CPU is walked by the compiled kernels, on other devices by PyTorch.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, leak: Tensor, threshold: Tensor, timesteps: int, surrogate: str, counted: bool = False,
        start: float = 0.0,
    ) -> Any:
        """current [T, B, ...], or [1, B, ...] where it is the same at every step -> spikes [T, B, ...] of its dtype, and if
        they are *counted*, how many."""
        dtype, current = current.dtype, _as_stored(current)
        fire = _fire_compiled if current.device.type == "cpu" else _fire
        before_reset, spikes = fire(current, leak, threshold, start, timesteps)
        ctx.save_for_backward(before_reset, leak, threshold)
        ctx.shared, ctx.dtype, ctx.surrogate, ctx.start = len(current) == 1, dtype, surrogate, start
        sent = _as_used(spikes.to(dtype))
        return (sent, torch.count_nonzero(spikes).float()) if counted else sent

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        before_reset, leak, threshold = ctx.saved_tensors
        grad = _as_stored(grads[0])
        if len(grads) > 1 and grads[1] != 0:
            # Too small for a sum in half precision.
            grad = grad + grads[1]
        gradients = _gradients_compiled if grad.device.type == "cpu" else _gradients
        found = gradients(grad, before_reset, leak, threshold, ctx.start, ctx.surrogate, ctx.shared)
        numbers = found[1].to(leak.dtype), found[2].to(threshold.dtype)
        return _as_used(found[0]).to(ctx.dtype), *numbers, None, None, None, None


def _fire(current: Tensor, leak: Tensor, threshold: Tensor, start: float, timesteps: int) -> tuple[Tensor, Tensor]:
    """(potentials before the reset, spikes), each [T, B, ...]."""
    before_reset = current.new_empty((timesteps, *current.shape[1:]))
    u = torch.zeros_like(current[0]) + start * threshold
    for t in range(timesteps):
        torch.mul(u, leak, out=before_reset[t]).add_(current[t if len(current) > 1 else 0])
        u = before_reset[t] - threshold * (before_reset[t] > threshold)
    return before_reset, before_reset > threshold


def _gradients(
    grad: Tensor, before_reset: Tensor, leak: Tensor, threshold: Tensor, start: float, surrogate: str, shared: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of current, leak and threshold."""
    z = (before_reset / threshold - 1).abs()
    slope = GAMMA * (1 - z).clamp(min=0) if surrogate == TRIANGLE else (z < 1).to(z.dtype)
    direct = grad * slope / threshold
    spikes = (before_reset > threshold).to(z.dtype)
    after_reset = before_reset - threshold * spikes
    deltas = torch.empty_like(direct)
    later = torch.zeros_like(direct[0])
    to_threshold = -(direct * before_reset).sum() / threshold
    for t in reversed(range(len(direct))):
        to_threshold = to_threshold - (spikes[t] * later).sum() * leak
        later = torch.add(direct[t], later * leak, out=deltas[t])
    to_leak = (deltas[1:] * after_reset[:-1]).sum() + deltas[0].sum() * start * threshold
    to_threshold = to_threshold + deltas[0].sum() * start * leak
    return deltas.sum(0, keepdim=True) if shared else deltas, to_leak, to_threshold


def _fire_compiled(current: Tensor, leak: Tensor, threshold: Tensor, start: float, timesteps: int) -> tuple[Tensor, Tensor]:
    before_reset = current.new_empty((timesteps, *current.shape[1:]))
    spikes = torch.empty(before_reset.shape, dtype=torch.uint8)
    arrays = [_flat(x) for x in (current, before_reset, spikes)]
    scalar = arrays[0].dtype.type

    def part(columns: slice) -> None:
        arrives, pre, fired = (a[:, columns] for a in arrays)
        kernel.fire(arrives, scalar(leak.item()), scalar(threshold.item()), scalar(start), pre, fired)

    _shared_out(part, arrays[0].shape[1])
    return before_reset, spikes


def _gradients_compiled(
    grad: Tensor, before_reset: Tensor, leak: Tensor, threshold: Tensor, start: float, surrogate: str, shared: bool
) -> tuple[Tensor, Tensor, Tensor]:
    to_current = torch.zeros_like(before_reset[:1] if shared else before_reset)
    arrays = [_flat(x) for x in (grad, before_reset, to_current)]
    scalar = arrays[1].dtype.type

    def part(columns: slice) -> tuple[float, float]:
        g, pre, out = (a[:, columns] for a in arrays)
        numbers = scalar(leak.item()), scalar(threshold.item()), scalar(start), scalar(GAMMA)
        found: tuple[float, float] = kernel.gradients(g, pre, *numbers, surrogate == TRIANGLE, out)
        return found

    parts = torch.tensor(_shared_out(part, arrays[0].shape[1]), dtype=torch.float64).sum(0)
    return to_current, parts[0], parts[1]


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().flatten(1).numpy()


def _shared_out(work: Callable[[slice], T], columns: int) -> list[T]:
    """The results of *work* on equal parts of the columns, one per thread."""
    threads = torch.get_num_threads()
    size = max(1, -(-columns // threads))
    parts = [slice(first, first + size) for first in range(0, columns, size)]
    if len(parts) == 1:
        return [work(parts[0])]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def _as_stored(x: Tensor) -> Tensor:
    """At least single precision, and channels last, as convolutions leave it: [T, B, C, H, W] -> [T, B, H, W, C]."""
    return x.movedim(2, -1).to(torch.promote_types(x.dtype, torch.float32)).contiguous()


def _as_used(x: Tensor) -> Tensor:
    return x.movedim(-1, 2)


class Clip(torch.autograd.Function):
    """min(max(a, 0), mu): gradient 1 to a inside (0, mu), 1 to mu where clipped (Datta & Beerel; trainable clipping)."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, mu: Tensor) -> Tensor:
        ctx.save_for_backward(a, mu)
        return torch.minimum(a.clamp(min=0), mu.to(a.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        grad, (a, mu) = grads[0], ctx.saved_tensors
        clipped = a > mu
        return grad * ((a > 0) & ~clipped), (grad * clipped).sum(dtype=torch.float32).to(mu.dtype)


class Qcfs(torch.autograd.Function):
    """Quantised clip-floor-shift activation of *levels* L up to a bound: ``bound clip(floor(a L / bound + 1/2) / L, 0, 1)``.

    It is the mean output of an integrate-and-fire neuron with threshold *bound* that starts at half of it and sees the current
    a for L steps (Bu et al., "Optimal ANN-SNN conversion for high-accuracy and ultra-low-latency spiking neural networks",
    ICLR 2022). Backward, the floor passed straight through: gradient 1 to a inside (0, bound); to the bound 1 where clipped,
    and y / bound - a / bound inside.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, bound: Tensor, levels: int) -> Tensor:
        y = staircase(a, bound.item(), levels)
        ctx.save_for_backward(a, y)
        ctx.bound, ctx.dtype = bound.item(), bound.dtype
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, (a, y) = grads[0], ctx.saved_tensors
        # One pass over the memory; comparisons and products with their results took six times as long on a CPU.
        inside = torch.ops.aten.hardtanh_backward(grad, a, 0.0, ctx.bound)
        to_bound = ((grad * y).sum(dtype=torch.float32) - (inside * a).sum(dtype=torch.float32)) / ctx.bound
        return inside, to_bound.to(ctx.dtype), None


def staircase(a: Tensor, bound: float, levels: int) -> Tensor:
    return (a * (levels / bound)).add_(0.5).floor_().clamp_(0, levels).mul_(bound / levels)


def best_bound(a: Tensor, levels: int) -> float:
    """The bound with which the staircase of *levels* comes closest to ReLU on *a*, in the mean square; 1 if all is dark."""
    largest = float(a.max())
    if largest <= 0:
        return 1.0
    candidates = [largest * k / CANDIDATES for k in range(1, CANDIDATES + 1)]
    errors = [float((staircase(a, b, levels) - a.clamp(min=0)).square().mean()) for b in candidates]
    return candidates[int(np.argmin(errors))]
