"""One population of leaky integrate-and-fire neurons through time, and the gradients of that: the part of training in which
PyTorch would pass over the memory some twenty times per step on a CPU."""

import numpy as np

from neurosim.kernels import jit

BLOCK = 4096


@jit
def fire(current, leak, threshold, start, before_reset, spikes):
    """Write the potentials before the reset and the spikes of every step.

    current: float [T, n], or [1, n] where it is the same at every step; start: the share of the threshold at which potentials
    begin; before_reset: float [T, n]; spikes: uint8 [T, n].
    """
    steps, neurons = before_reset.shape
    u = np.zeros(BLOCK, before_reset.dtype)
    for first in range(0, neurons, BLOCK):
        size = min(BLOCK, neurons - first)
        u[:] = start * threshold
        for t in range(steps):
            arrives = current[t if len(current) > 1 else 0, first : first + size]
            pre, s = before_reset[t, first : first + size], spikes[t, first : first + size]
            for i in range(size):
                pre[i] = leak * u[i] + arrives[i]
                fired = pre[i] > threshold
                s[i] = fired
                u[i] = pre[i] - threshold if fired else pre[i]


@jit(fastmath={"reassoc"})
def gradients(grad, before_reset, leak, threshold, start, gamma, triangular, to_current):
    """Add the gradient of every current to *to_current*; return those of the leak and of the threshold.

    grad, before_reset: float [T, n]; to_current: float [T, n] or [1, n]. The equations are those of
    `neurosim.training.neurons.LifLayer`.
    """
    steps, neurons = before_reset.shape
    one = before_reset.dtype.type(1)
    zero = before_reset.dtype.type(0)
    later = np.zeros(BLOCK, before_reset.dtype)
    to_leak, to_threshold = 0.0, 0.0
    for first in range(0, neurons, BLOCK):
        size = min(BLOCK, neurons - first)
        later[:] = 0
        for t in range(steps - 1, -1, -1):
            pre, g = before_reset[t, first : first + size], grad[t, first : first + size]
            previous = before_reset[max(t - 1, 0), first : first + size]
            out = to_current[t if len(to_current) > 1 else 0, first : first + size]
            for i in range(size):
                z = abs(pre[i] / threshold - one)
                slope = gamma * max(zero, one - z) if triangular else (one if z < one else zero)
                direct = g[i] * slope / threshold
                carried = leak * later[i]
                to_threshold -= direct * pre[i] / threshold + (carried if pre[i] > threshold else zero)
                later[i] = direct + carried
                out[i] += later[i]
                if t > 0:
                    to_leak += later[i] * (previous[i] - threshold if previous[i] > threshold else previous[i])
                else:
                    to_leak += later[i] * start * threshold
                    to_threshold += later[i] * start * leak
    return to_leak, to_threshold
