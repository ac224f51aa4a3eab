"""From a description to the layers of a network. What a `Network` cannot say is refused here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.frameworks.lowering.description import Description, FedPopulation, PoolWindow, WeightedProjection
from neurosim.network.layers import AT_ONCE, INPUT, NEXT_STEP, Conv, Dense, Layer, Output, Pool, Pooling, Shortcut

# Threshold of a gate: it holds with a reset in the same step as with one in the next, to which 1 - 1/4 is still above and 0 -
# 1/4 not.
GATE_THRESHOLD = 0.25


def problems(description: Description) -> Iterator[str]:
    """What no `Network` says, each with its place in the model and what would help."""
    for population in description.populations:
        yield from _population_problems(population, description.images)
        if _row(population) and population.shape[1:] != (1, 1):
            yield from _map_problems(population, description)


def _row(p: FedPopulation) -> bool:
    """Whether all-to-all synapses make it, which know no map."""
    return any(q.weight is not None and q.weight.ndim == 2 for q in p.projections)


def _map_problems(p: FedPopulation, description: Description) -> Iterator[str]:
    maps = [q for q in p.projections if q.weight is None or q.weight.ndim == 4]
    readers = [q for other in description.populations for q in other.projections if p.name in q.sources]
    for q in (*maps, *(q for q in readers if q.window is not None or q.weight is None or q.weight.ndim == 4)):
        yield q.place + f"meets all-to-all synapses in {p.label}, whose neurons are then a row, and not a map {list(p.shape)}"


def _population_problems(p: FedPopulation, images: bool) -> Iterator[str]:
    if p.gate and any(q.delay for q in p.projections):
        yield p.place + "it multiplies spikes of different steps; multiply those of one"
    if p.window is not None and not _pools_currents(p):
        yield p.place + f"a {p.window} stands between weights and neurons; put it behind the neurons"
    shown = [q for q in p.projections if images and INPUT in q.sources]
    if len(shown) > 1:
        yield shown[1].place + "reads images beside other weights that do; only one projection onto a layer can"


def _pools_currents(p: FedPopulation) -> bool:
    """Whether it is a convolution whose currents alone go through its window."""
    return p.fires and not _row(p) and p.neuron.bias is None and p.neuron.feedback is None


def head(description: Description) -> dict[str, Any]:
    """What a network says of all its layers, and how it answers."""
    last, word = description.populations[-1], description.readout.decode
    decode = {"decode": None if word == ("spikes" if last.fires else "potential") else word}
    neuron = next((p.neuron for p in description.populations if p.fires and not p.gate and p.neuron.reset != "none"), None)
    if neuron is None:
        return decode
    return decode | {"reset": neuron.reset, "compare": neuron.compare, "dynamics": neuron.dynamics}


def layers(description: Description) -> list[Layer]:
    rules = {"reset": "subtract", "compare": ">", "dynamics": AT_ONCE} | head(description)
    return [_layer(p, rules, description.images) for p in description.populations]


def _layer(p: FedPopulation, rules: dict[str, Any], images: bool) -> Layer:
    main, others = _main(p, images)
    neuron = p.neuron
    options: dict[str, Any] = {
        "pool": _pool(main.window), "bias": _bias(p), "inputs": list(main.sources), "delay": main.delay, "leak": neuron.leak,
        "current_leak": neuron.current_leak, "floor": neuron.floor, "shortcuts": [s for q in others for s in _shortcuts(q)],
    }  # fmt: skip
    if neuron.feedback is not None:
        options["shortcuts"].append(replace(neuron.feedback, source=p.name))
    if neuron.bias_into == "potential":
        options["bias_into"] = "potential"
    assert main.weight is not None
    if not p.fires:
        return Output(p.name, main.weight, **options)
    options |= {"threshold": neuron.threshold, "rest": neuron.rest, "graded": neuron.graded} | _own_rules(p, rules)
    if main.weight.ndim == 2:
        return Dense(p.name, main.weight, **options)
    windows: dict[str, Any] = {"stride": main.stride, "padding": main.padding, "dilation": main.dilation, "groups": main.groups}
    return Conv(p.name, main.weight, pool_currents=_pool(p.window), **windows, **options)


def _bias(p: FedPopulation) -> np.ndarray | None:
    """[C, H, W], or [neurons, 1, 1] where all-to-all synapses make it."""
    own = p.bias.reshape(-1, 1, 1) if p.bias is not None and _row(p) else p.bias
    if p.neuron.bias is None:
        return own
    return p.neuron.bias if own is None else own + p.neuron.bias.reshape(-1, 1, 1)


def _own_rules(p: FedPopulation, rules: dict[str, Any]) -> dict[str, Any]:
    """Where a layer does otherwise than the network says."""
    if p.gate:
        # What a spike sets to zero in the next step could not fire there.
        stuck = rules["reset"] == "zero" and rules["dynamics"] == NEXT_STEP
        return {"threshold": GATE_THRESHOLD, "leak": 0.0} | ({"reset": "subtract"} if stuck else {})
    own = {"reset": p.neuron.reset, "compare": p.neuron.compare, "dynamics": p.neuron.dynamics}
    return {{"dynamics": "order"}.get(name, name): value for name, value in own.items() if value != rules[name]}


def _main(p: FedPopulation, images: bool) -> tuple[WeightedProjection, list[WeightedProjection]]:
    """The projection that is the layer's own, which has weights and reads images, and the others."""
    order = sorted(p.projections, key=lambda q: (not (images and INPUT in q.sources), q.weight is None))
    first, others = order[0], [q for q in p.projections if q is not order[0]]
    if first.weight is None:
        first = replace(first, weight=_own(p.shape[0], first.scale), scale=1.0, groups=p.shape[0])
    return first, others


def _own(channels: int, scale: float) -> np.ndarray:
    """Every channel to itself."""
    return np.full((channels, 1, 1, 1), scale, np.float32)


def _shortcuts(q: WeightedProjection) -> Iterator[Shortcut]:
    for source in q.sources:
        scale = q.scale if q.weight is None else None
        yield Shortcut(source, q.weight, scale, q.stride, q.padding, _pool(q.window), q.delay, q.groups, q.dilation)


def _pool(window: PoolWindow | None) -> Pooling:
    if window is None:
        return None
    if window.plain:
        return "max2" if window.kind == "max" else "sum2"
    return Pool(window.kind, window.size, window.stride, window.padding)
