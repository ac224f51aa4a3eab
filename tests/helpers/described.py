"""The slow twin of a description from PyTorch: populations one after another, step by step, in float64."""

import numpy as np
import torch
from torch.nn import functional as F

from neurosim.network.layers import INPUT
from neurosim.network.network import NEXT_STEP


def simulated(description, frames):
    """name -> (spikes or None, potentials), [T, N, C, H, W] each, of frames [T, N, C, H, W]."""
    made = {INPUT: list(torch.as_tensor(frames).double())}
    for p in description.populations:
        made[p.name] = []
    cells = {p.name: Cell(p) for p in description.populations}
    potentials = {p.name: [] for p in description.populations}
    for t in range(len(frames)):
        for p in description.populations:
            cell = cells[p.name]
            made[p.name].append(cell.step(current(p, made, t)))
            potentials[p.name].append(cell.u.clone())
    return {p.name: (torch.stack(made[p.name]), torch.stack(potentials[p.name])) for p in description.populations}


def current(p, made, t):
    total = None
    for q in p.projections:
        for source in q.sources:
            if t < q.delay:
                continue
            part = synapses(q, made[source][t - q.delay])
            total = part if total is None else total + part
    if p.bias is not None:
        bias = torch.as_tensor(p.bias).double()
        total = (
            bias.expand(len(made[INPUT][0]), *bias.shape) if total is None else total.reshape(len(total), *bias.shape) + bias
        )
    return total if p.window is None else F.max_pool2d(total, p.window.size, p.window.stride, p.window.padding)


def synapses(q, x):
    if q.window is not None and q.window.kind == "max":
        x = F.max_pool2d(x, q.window.size, q.window.stride, q.window.padding)
    elif q.window is not None:
        x = F.avg_pool2d(x, q.window.size, q.window.stride, q.window.padding) * np.prod(q.window.size)
    if q.weight is None:
        return x * q.scale
    weight = torch.as_tensor(q.weight).double()
    if weight.ndim == 2:
        return (x.flatten(1) @ weight.T)[:, :, None, None]
    return F.conv2d(x, weight, None, q.stride, q.padding, q.dilation, q.groups)


def number(value, shape):
    array = torch.as_tensor(np.asarray(value)).double()
    return array.reshape(-1, 1, 1) if array.ndim == 1 else array


class Cell:
    """One population's state."""

    def __init__(self, p):
        self.p, self.u, self.i, self.fired = p, None, None, None

    def step(self, x):
        p, n = self.p, self.p.neuron
        if p.gate:
            self.u = torch.zeros(len(x), *p.shape, dtype=torch.float64)
            return (x.reshape(self.u.shape) >= 1).double()
        x = x.reshape(len(x), *p.shape)
        if self.u is None:
            self.u, self.i, self.fired = (torch.zeros_like(x) for _ in range(3))
        if n.feedback is not None:
            weight = torch.as_tensor(n.feedback.weight).double()
            x = x + (self.fired.flatten(1) @ weight.T).reshape(x.shape)
        if n.current_leak is not None:
            past = n.bias_into == "potential" and p.bias is not None
            bias = torch.as_tensor(p.bias).double().reshape(p.shape) if past else 0
            self.i = number(n.current_leak, p.shape) * self.i + x - bias
            x = self.i + bias
        self.u = (1 if n.leak is None else number(n.leak, p.shape)) * self.u + x
        if n.threshold is None:
            return self.u
        late = n.dynamics == NEXT_STEP
        if late:
            self.reset(self.fired)
        theta = number(n.threshold, p.shape)
        fired = (self.u >= theta if n.compare == ">=" else self.u > theta).double()
        if n.graded:
            fired = fired * torch.floor(self.u / theta)
        if not late:
            self.reset(fired)
        if n.floor is not None:
            self.u = torch.maximum(self.u, number(n.floor, p.shape))
        self.fired = fired
        return fired

    def reset(self, fired):
        n = self.p.neuron
        if n.reset == "subtract":
            self.u = self.u - number(n.threshold, self.p.shape) * fired
        elif n.reset == "zero":
            rest = 0 if n.rest is None else number(n.rest, self.p.shape)
            self.u = torch.where(fired > 0, torch.as_tensor(rest, dtype=torch.float64), self.u)
