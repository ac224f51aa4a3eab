"""Networks from NIR files."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurosim.errors import FileError, NetworkError, NeurosimError
from neurosim.io.nir.fidelity import Fidelity
from neurosim.io.nir.graph_file import Graph, read_graph
from neurosim.io.nir.linear import FoldError
from neurosim.io.nir.linear_nodes import NEURONS, SPIKING, array
from neurosim.io.nir.lowering import Choices, lowered
from neurosim.io.nir.neuron_nodes import UNIT, LeakRule, shortest_tau, suggested_dt
from neurosim.network.layers import AT_ONCE, NEXT_STEP, Dynamics, Layer
from neurosim.network.network import Network

ASKED = {
    "dt": "dt: NIR is in continuous time; say how many seconds a step takes, as in the program that made the network{}",
    "reset": "reset: every v_reset is 0; say what a spike does, 'zero' (as NIR's equations say) or 'subtract' the threshold "
    "(as snnTorch by default, and many others, which NIR cannot express)",
    "compare": "compare: say when a neuron fires, '>' (above its threshold, as NIR's equations and snnTorch) or '>=' "
    "(also at it, as SpikingJelly and sinabs)",
}
LEAKS = {
    "euler": "time constants become factors by forward Euler, 1 - dt/tau, as most importers of NIR do; sinabs decays by "
    "exp(-dt/tau): --leak exp",
    "exp": "time constants become factors exp(-dt/tau), and 1 - exp(-dt/tau) of r times the input arrives, as in sinabs",
}
SPIKES = {
    "one": "a neuron fires at most once in a step, and no bound keeps its potential from falling; sinabs does otherwise where "
    "it runs such a file: --spikes several",
    "several": "a neuron fires several times in a step, as often as its potential holds the threshold, and no step leaves it "
    "below minus the threshold, as in sinabs",
}
ORDER = "within a step spikes cross all layers, from the input on"
CUBA = "a membrane integrates the synaptic current of the same step, inputs of that step included (as in snnTorch)"


def import_nir(
    path: str | os.PathLike[str],
    *,
    dt: float | None = None,
    reset: Literal["subtract", "zero"] | None = None,
    compare: Literal[">", ">="] | None = None,
    timesteps: int | None = None,
    dynamics: Dynamics = AT_ONCE,
    leak: LeakRule = "euler",
    spikes: Literal["one", "several"] = "one",
    encoding: Literal["spikes", "direct"] = "spikes",
    name: str | None = None,
) -> tuple[Network, Fidelity]:
    """The float network in a NIR file and how faithful it is to the file.

    *dt* (s), *reset* and *compare* are what NIR does not say; they may be None where nothing in the file depends on them.
    *leak*: how a time constant becomes a factor of a step. *spikes*: "several" lets a neuron fire several times in one, and
    keeps its potential from falling below minus its threshold, as sinabs does. *timesteps* None: as many as the inputs have.
    *encoding* "direct": the input is an image, shown at every one of the *timesteps*. Raises FileError for a broken file,
    NetworkError with every node that cannot be expressed, NeurosimError with every choice that is missing.
    """
    graph = read_graph(path)
    fidelity = Fidelity()
    given = {"dt": dt, "reset": reset, "compare": compare}
    if spikes == "several" and reset != "subtract":
        raise NeurosimError(f"spikes is 'several', and reset {reset!r}; only a reset that subtracts takes several thresholds")
    _check_choices(graph, given | {"leak": leak})
    resting = _resets(graph)
    chosen = reset or ("zero" if any(resting) else "subtract")
    problems: list[str] = []
    choices = Choices(1.0 if dt is None else float(dt), chosen, dynamics, leak)
    input_shape, layers = lowered(graph, choices, fidelity, problems)
    if problems:
        raise FileError(str(path), problems)
    if spikes == "several":
        layers = [_several(layer) for layer in layers]
    if graph.of_kind(*SPIKING):
        fidelity.assume(SPIKES[spikes])
    _assume(graph, given, choices, fidelity)
    shown = "0 or 1 per step" if encoding == "spikes" else f"real numbers, the same at every one of {timesteps} steps"
    fidelity.assume(f"inputs are {'spikes' if encoding == 'spikes' else 'images'}, {shown}")
    head = {"timesteps": timesteps, "input_shape": input_shape, "encoding": encoding, "compare": compare or ">"}
    return _built(path, name, head, layers, choices, fidelity), fidelity


def _several(layer: Layer) -> Layer:
    if not layer.spiking or layer.threshold is None:
        return layer
    return replace(layer, graded=True, floor=-np.asarray(layer.threshold))


def _built(
    path: str | os.PathLike[str], name: str | None, head: dict[str, Any], layers: list[Layer], choices: Choices,
    fidelity: Fidelity,
) -> Network:  # fmt: skip
    about: dict[str, Any] = {"imported_from": f"NIR, {Path(path).name}", "dt_s": choices.dt, "fidelity": fidelity.to_dict()}
    try:
        return Network.build(
            name or Path(path).stem, layers=layers, reset=choices.reset, dynamics=choices.dynamics, about=about, **head
        )
    except NetworkError as error:
        raise NetworkError(f"{path}, as a network", error.problems) from error


def _check_choices(graph: Graph, given: dict[str, Any]) -> None:
    """Raise NeurosimError with everything that the file leaves open and nobody said, or that contradicts it."""
    resets = _resets(graph)
    delayed = [n for n in graph.of_kind("Delay") if np.any(np.asarray(n.fields.get("delay", 0)) != 0)]
    needs = {
        "dt": bool([n for n in graph.of_kind(*NEURONS) if n.kind != "Threshold"] or delayed),
        "reset": bool(resets) and not any(resets),
        "compare": bool(graph.of_kind(*SPIKING)),
    }
    hint = _dt_hint(graph)
    open_ = [ASKED[k].format(hint) if k == "dt" else ASKED[k] for k, needed in needs.items() if needed and given[k] is None]
    if open_:
        raise NeurosimError("NIR does not say all that a simulation needs:\n" + "\n".join(f"  - {line}" for line in open_))
    wrong = []
    dt = given["dt"]
    if dt is not None and not (isinstance(dt, int | float | np.number) and 0 < dt < float("inf")):
        wrong.append(f"dt is {dt!r}; it must be a positive number of seconds")
    if given["reset"] == "subtract" and any(resets):
        wrong.append("reset is 'subtract', but a v_reset in the file is not 0; then a spike resets to it: use 'zero'")
    known = {"reset": ("subtract", "zero"), "compare": (">", ">="), "leak": (*LEAKS,)}
    wrong += [f"{name} is {given[name]!r}; it must be {' or '.join(map(repr, words))}" for name, words in known.items()
              if given[name] not in (None, *words)]  # fmt: skip
    if wrong:
        raise NeurosimError("\n".join(wrong))


def _resets(graph: Graph) -> list[bool]:
    """Of every neuron node that fires and resets: whether any v_reset is not 0."""
    found = []
    for node in graph.of_kind(*(kind for kind in SPIKING if kind != "Threshold")):
        try:
            found.append("v_reset" in node.fields and bool(np.any(array(node, "v_reset"))))
        except FoldError:
            found.append(False)
    return found


def _dt_hint(graph: Graph) -> str:
    found, longest = _unit_steps(graph), _longest_dt(graph)
    if not found:
        return f"; shorter than {longest:.4g} s, the shortest time constant" if longest < math.inf else ""
    best = max(found, key=lambda dt: len(found[dt]))
    return f"; dt = {best} makes the gain of {found[best][0]!r} 1 (exports of snnTorch and SpikingJelly: 1e-4)"


def _longest_dt(graph: Graph) -> float:
    """The shortest time constant, in seconds: a step as long lets a neuron forget all."""
    return min((shortest_tau(node) for node in graph.of_kind(*NEURONS)), default=math.inf)


def _unit_steps(graph: Graph) -> dict[str, list[str]]:
    """Names of the neuron nodes by the dt, in digits, that would make their gain 1 and let no neuron forget all within it."""
    found: dict[str, list[str]] = {}
    longest = _longest_dt(graph)
    for node in graph.of_kind(*NEURONS):
        dt = suggested_dt(node)
        if dt is not None and dt < longest * (1 - UNIT):
            found.setdefault(f"{dt:.4g}", []).append(node.name)
    return found


def _assume(graph: Graph, given: dict[str, Any], choices: Choices, fidelity: Fidelity) -> None:
    """Say what holds for the whole network."""
    for dt, names in _unit_steps(graph).items():
        if dt != f"{choices.dt:.4g}":
            many = repr(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else "")
            fidelity.assume(f"the gain of {many} is not 1, and scales what arrives; it would be with dt = {dt} s")
    for text in graph.lost:
        fidelity.assume(f"neurosim wrote the file, and NIR could not say: {text}")
    kinds = {node.kind for node in graph.nodes.values()}
    if kinds & {"LIF", "LI", "CubaLIF", "CubaLI"}:
        fidelity.assume(f"{LEAKS[choices.leak]} (dt = {choices.dt:g} s)")
    elif given["dt"] is not None:
        fidelity.assume(f"a step takes dt = {choices.dt:g} s")
    if kinds & {"CubaLIF", "CubaLI"}:
        fidelity.assume(CUBA)
    if kinds & set(SPIKING):
        what = "takes its threshold from the potential" if choices.reset == "subtract" else "sets the potential to v_reset"
        at_once = "in its own step (snnTorch as it is by default: in the next one, --reset-at next-step)"
        when = at_once if choices.dynamics != NEXT_STEP else "in the next step, once that has leaked and integrated"
        fidelity.assume(f"a spike {what}, {when}")
        fidelity.assume(f"a neuron fires where its potential is {given['compare']} its threshold")
    fidelity.assume(ORDER)
    fidelity.assume("potentials and currents start at 0, unless another start is said above")
    fidelity.assume("parameters are computed in float64 and simulated in float32")
