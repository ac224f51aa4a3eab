"""From a description to the layers of a network. What a `Network` cannot say is refused here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.frameworks.lowering.description import Description, Population, Projection, Window
from neurosim.network.layers import INPUT, Conv, Dense, Layer, Output, Pool, Shortcut
from neurosim.network.network import NEXT_STEP

# Threshold of a gate: it holds with a reset in the same step as with one in the next, to which 1 - 1/4 is still above and 0 - 1/4 not.
GATE_THRESHOLD = 0.25


def problems(description: Description) -> Iterator[str]:
    """What no `Network` says, each with its place in the model and what would help."""
    neurons = [p for p in description.populations if p.fires and not p.gate]
    for rule, of in (("reset", "reset"), ("compare", "compare"), ("order", "dynamics")):
        values = {getattr(p.neuron, of): p.label for p in neurons}
        if len(values) > 1:
            said = ", ".join(f"{value!r} in {label}" for value, label in values.items())
            yield f"its layers differ in their {rule}, a network has one: {said}"
    stuck = [p for p in description.populations if p.gate] if any(n.neuron.reset == "zero" and n.neuron.dynamics == NEXT_STEP for n in neurons) else []
    if stuck:
        yield stuck[0].place + "it multiplies spikes, and neurons that a spike sets to zero in the next step cannot fire twice on end"
    for population in description.populations:
        yield from _population_problems(population)
    decode = description.readout.decode
    if decode not in ("spikes", "potential"):
        last = description.populations[-1]
        yield last.place + f"its answer is the {decode.replace('-', ' ')} over time; return the last or the sum, or say decode='potential'"


def _population_problems(p: Population) -> Iterator[str]:
    neuron = p.neuron
    if neuron.graded:
        yield p.place + "its neurons fire several times in a step; let them fire once (spike_fn=SingleSpike)"
    if neuron.floor is not None:
        yield p.place + "its potentials have a lowest value; leave min_v_mem out"
    if p.fires and neuron.reset == "none":
        yield p.place + "its spikes reset nothing; use reset_mechanism 'subtract' or 'zero', or return its potential"
    if p.gate and (message := _gate_problem(p)):
        yield p.place + message
    if p.window is not None:
        yield p.place + f"a {p.window} stands between weights and neurons; put it behind the neurons"
    images = [q for q in p.projections if INPUT in q.sources]
    if len(images) > 1:
        yield images[1].place + "a second projection reads the samples; one does"
    for q in p.projections:
        yield from _projection_problems(q)


def _gate_problem(p: Population) -> str:
    delayed = any(q.delay for q in p.projections)
    return "it multiplies spikes of different steps; multiply those of one" if delayed else ""


def _projection_problems(q: Projection) -> Iterator[str]:
    if q.window is not None and not q.window.plain:
        yield q.place + f"reads a pool that is a {q.window}; a pool of 2x2 with stride 2 is supported"
    if q.groups != 1 or q.dilation != (1, 1):
        said = f"groups {q.groups}, dilation {list(q.dilation)}"
        yield q.place + f"has {said}; only groups 1 and dilation 1 are supported"


def head(description: Description) -> dict[str, Any]:
    """Reset, comparison and order of all layers."""
    neuron = next((p.neuron for p in description.populations if p.fires and not p.gate), None)
    if neuron is None:
        return {}
    return {"reset": neuron.reset, "compare": neuron.compare, "dynamics": neuron.dynamics}


def layers(description: Description) -> list[Layer]:
    return [_layer(p) for p in description.populations]


def _layer(p: Population) -> Layer:
    main, others = _main(p)
    neuron = p.neuron
    options: dict[str, Any] = {
        "pool": _pool(main.window), "bias": p.bias, "inputs": list(main.sources), "delay": main.delay, "leak": neuron.leak,
        "current_leak": neuron.current_leak, "shortcuts": [s for q in others for s in _shortcuts(q)],
    }  # fmt: skip
    if neuron.bias is not None:
        options["bias"] = neuron.bias if p.bias is None else p.bias + neuron.bias.reshape(-1, 1, 1)
    if neuron.feedback is not None:
        options["shortcuts"].append(replace(neuron.feedback, source=p.name))
    if not p.fires:
        return Output(p.name, main.weight, **options)  # type: ignore[arg-type]
    options |= {"threshold": neuron.threshold, "rest": neuron.rest}
    if p.gate:
        options |= {"threshold": GATE_THRESHOLD, "leak": 0.0}
    assert main.weight is not None
    if main.weight.ndim == 2:
        return Dense(p.name, main.weight, **options)
    return Conv(p.name, main.weight, stride=main.stride, padding=main.padding, **options)


def _main(p: Population) -> tuple[Projection, list[Projection]]:
    """The projection that is the layer's own, which has weights, and the others."""
    order = sorted(p.projections, key=lambda q: (INPUT not in q.sources, q.weight is None))
    first, others = order[0], [q for q in p.projections if q is not order[0]]
    if first.weight is None:
        first = replace(first, weight=_eye(p.shape[0], first.scale), scale=1.0)
    return first, others


def _eye(channels: int, scale: float) -> np.ndarray:
    """Every channel to itself."""
    found: np.ndarray = np.eye(channels, dtype=np.float32)[:, :, None, None] * np.float32(scale)
    return found


def _shortcuts(q: Projection) -> Iterator[Shortcut]:
    for source in q.sources:
        scale = q.scale if q.weight is None else None
        yield Shortcut(source, q.weight, scale, q.stride, q.padding, _pool(q.window), q.delay)


def _pool(window: Window | None) -> Pool:
    if window is None:
        return None
    return "max2" if window.kind == "max" else "sum2"

