"""Neuron nodes of continuous time as populations that take steps: forward Euler, or exponential decay."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import NirNode
from neurosim.io.nir.linear import FoldError
from neurosim.io.nir.linear_nodes import SPIKING, Dims, array
from neurosim.io.nir.signals import each
from neurosim.network.neuron import PARAMETERS

# How a time constant becomes what fades in a step: dt / tau, or 1 - exp(-dt / tau).
LeakRule = Literal["euler", "exp"]
# Gains this near to 1 are 1: exporters that mean 1 divide and multiply by dt in float32.
UNIT = 1e-6
TAUS = ("tau", "tau_mem", "tau_syn")


@dataclass(frozen=True, eq=False)
class Cell:
    """A population: each step ``i = current_leak * i + gain * input``, ``u = leak * u + i + bias``; all are one number or [n].

    *rest* is where a reset to zero leads; None for the leaks means 1, or that there is no current.
    """

    spiking: bool
    gain: np.ndarray
    leak: np.ndarray | None = None
    current_leak: np.ndarray | None = None
    bias: np.ndarray | None = None
    threshold: np.ndarray | None = None
    rest: np.ndarray | None = None


def parameters(cell: Cell) -> dict[str, np.ndarray]:
    """The parameters that a population has, by their names in a layer."""
    values = {field.name: getattr(cell, field.name) for field in fields(cell) if field.name in PARAMETERS}
    return {name: value for name, value in values.items() if value is not None}


def discretised(
    node: NirNode, shape: Dims, dt: float, leak: LeakRule, reset: Literal["subtract", "zero"], fidelity: Fidelity
) -> Cell:  # fmt: skip
    """The population that a neuron node is in steps of *dt*; what fades in a step, by *leak*, is also what arrives."""
    return _Discretiser(node, shape, dt, leak, reset, fidelity).cell()


class _Discretiser:
    def __init__(self, node: NirNode, shape: Dims, dt: float, leak: LeakRule, reset: str, fidelity: Fidelity):
        self.node, self.shape, self.dt, self.reset, self.fidelity = node, shape, dt, reset, fidelity
        self.exponential = leak == "exp"

    def cell(self) -> Cell:
        node = self.node
        if node.kind == "Threshold":
            threshold = self.value("threshold")
            self.positive(threshold, "threshold")
            return Cell(True, np.ones(()), leak=np.zeros(()), threshold=threshold)
        if node.kind in ("IF", "I"):
            leak, gain, pull, current = None, self.value("r") * self.dt, None, None
        else:
            tau = "tau_mem" if node.kind.startswith("Cuba") and "tau_mem" in node.fields else "tau"
            rate = self.rate(tau)
            leak, gain, pull, current = 1 - rate, self.value("r") * rate, self.value("v_leak"), None
            decays_first = self.exponential and self.decays_first(tau)
            if node.kind.startswith("Cuba"):
                syn = self.rate("tau_syn")
                current = 1 - syn
                gain = (current if decays_first else gain * syn) * (self.value("w_in") if "w_in" in node.fields else 1.0)
            elif decays_first:
                gain = leak
            leak = None if np.all(leak == 1) else leak
        gain = self.unit(gain)
        bias = None if pull is None or not np.any(pull) else pull * (1 - (np.ones(()) if leak is None else leak))
        if node.kind not in SPIKING:
            if bias is not None and current is not None:
                raise FoldError("its v_leak is not 0, and a population with a synaptic current has no constant drive")
            return Cell(False, gain, leak, current, bias)
        return self.firing(gain, leak, current, bias, pull)

    def firing(
        self, gain: np.ndarray, leak: np.ndarray | None, current: np.ndarray | None, bias: np.ndarray | None,
        pull: np.ndarray | None,
    ) -> Cell:  # fmt: skip
        """With threshold and reset; measured from v_leak where only that can be expressed."""
        threshold = self.value("v_threshold")
        rest = self.value("v_reset") if "v_reset" in self.node.fields else np.zeros(())
        if (current is not None and bias is not None) or np.any(threshold <= 0):
            if pull is None or self.reset == "subtract":
                self.positive(threshold, "v_threshold")
                raise FoldError("its v_leak is not 0 while spikes subtract the threshold; use a reset to zero")
            self.fidelity.assume(f"{self.node.name}: potentials are measured from v_leak, and start there")
            threshold, rest, bias = threshold - pull, rest - pull, None
        self.positive(threshold, "v_threshold")
        if np.any(rest >= threshold):
            raise FoldError("its v_reset is not below its v_threshold; it would fire for ever")
        return Cell(
            spiking=True, gain=gain, leak=leak, current_leak=current, bias=bias, threshold=threshold,
            rest=rest if self.reset == "zero" and np.any(rest) else None,
        )  # fmt: skip

    def positive(self, threshold: np.ndarray, name: str) -> None:
        if np.any(threshold <= 0):
            raise FoldError(f"its {name} goes down to {threshold.min():g}; potentials start at 0, so it must be positive")

    def value(self, name: str) -> np.ndarray:
        return each(array(self.node, name), self.shape, name, self.fidelity, self.node)

    def rate(self, name: str) -> np.ndarray:
        """What fades in a step, in 0 to 1."""
        tau = self.value(name)
        if np.any(tau <= 0):
            raise FoldError(f"its {name} goes down to {tau.min():g} s; it must be positive")
        if self.exponential:
            found: np.ndarray = -np.expm1(-self.dt / tau)
            return found
        if np.any(self.dt > tau * (1 + UNIT)):
            shorter = f"its {name} goes down to {tau.min():g} s, less than dt = {self.dt:g} s"
            raise FoldError(f"{shorter}; take a smaller dt, or --leak exp")
        return np.minimum(self.dt / tau, 1.0)

    def decays_first(self, tau: str) -> bool:
        """Whether what arrives decays in the step in which it does: r is tau exp(-dt / tau) / dt, to the last digits of
        float32. Rockpool writes it so, and adds to a state before that decays (`rockpool.nn.modules.torch`)."""
        leak = 1 - self.rate(tau)
        found = bool(np.all(np.abs(self.value("r") * self.dt / self.value(tau) - leak) <= UNIT * leak))
        if found:
            written = f"{self.node.name}: r is {tau} exp(-dt/{tau})/dt, as Rockpool writes it"
            self.fidelity.assume(f"{written}: what arrives decays in the same step, a synaptic current is taken as it is")
        return found

    def unit(self, gain: np.ndarray) -> np.ndarray:
        if not np.all(np.isfinite(gain)):
            raise FoldError("its gain is not finite; r, dt and time constants are too far apart")
        if np.any(gain != 1) and np.all(np.abs(gain - 1) <= UNIT):
            self.fidelity.add(self.node.name, self.node.kind, "gain", gain, 1.0, "taken as 1; the difference is rounding")
            return np.ones(())
        return gain


def shortest_tau(node: NirNode) -> float:
    """The shortest time constant of a node, in seconds; infinite without any."""
    try:
        return min((float(array(node, name).min()) for name in TAUS if name in node.fields), default=math.inf)
    except FoldError:
        return math.inf


def suggested_dt(node: NirNode) -> float | None:
    """The dt that would make the gain of a node 1, where one does for all of its neurons."""
    try:
        with np.errstate(all="ignore"):
            return _unit_dt(node)
    except FoldError:
        return None


def _unit_dt(node: NirNode) -> float | None:
    r = array(node, "r")
    if node.kind in ("LIF", "LI"):
        dt = array(node, "tau") / r
    elif node.kind.startswith("Cuba"):
        tau = array(node, "tau_mem") * array(node, "tau_syn")
        dt = np.sqrt(tau / (r * (array(node, "w_in") if "w_in" in node.fields else 1.0)))
    else:
        dt = 1 / r
    found = float(np.ravel(dt)[0])
    return found if 0 < found < math.inf and np.allclose(dt, found, rtol=1e-4, atol=0) else None
