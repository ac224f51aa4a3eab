"""The functions of the package as it is imported: where they expect a network, inputs, a trace or a chip, a file or the name of
a preset will do."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from neurosim.cost import neurobench as harness
from neurosim.errors import NeurosimError
from neurosim.exports import export
from neurosim.io.chip_file import load_chip
from neurosim.io.inputs_file import load_inputs
from neurosim.io.network_file import load_network
from neurosim.io.trace_file import load_trace
from neurosim.mapping import mapper
from neurosim.network import quantize as quantization
from neurosim.outcome import pipeline
from neurosim.spikes import simulate as simulation

__all__ = ["compare", "estimate", "evaluate", "export", "map_network", "neurobench", "quantize", "run", "simulate"]

R = TypeVar("R")
File = str | os.PathLike[str]


def from_files(function: Callable[..., R]) -> Callable[..., R]:
    """The same function, for objects and for what they can be loaded from: files, for a chip also the name of a preset."""
    shape = signature(function)
    parameters = shape.parameters.values()

    @wraps(function)
    def loading(*given: Any, **named: Any) -> R:
        bound = shape.bind(*given, **named)
        bound.arguments |= {name: LOADERS[name](value) for name, value in bound.arguments.items() if name in LOADERS}
        return function(*bound.args, **bound.kwargs)

    # Processes of an executor find it by its name.
    loading.__module__ = __name__
    wider = [p.replace(annotation=f"{p.annotation} | {WIDER[p.name]}") if p.name in WIDER else p for p in parameters]
    loading.__signature__ = shape.replace(parameters=wider)  # type: ignore[attr-defined]
    return loading


def _or_file(load: Callable[[File], Any]) -> Callable[[Any], Any]:
    return lambda given: load(given) if isinstance(given, str | os.PathLike) else given


def _chips(given: Any) -> list[Any]:
    return [LOADERS["chip"](chip) for chip in ([given] if isinstance(given, str | os.PathLike) else given)]


def _no_mapping(path: File) -> Any:
    raise NeurosimError(f"{path}: a mapping is loaded with its network and chip: ns.load_mapping(path, network, chip)")


# By the name of the parameter.
LOADERS: dict[str, Callable[[Any], Any]] = {
    "network": _or_file(load_network), "inputs": _or_file(load_inputs), "trace": _or_file(load_trace),
    "chip": _or_file(load_chip), "chips": _chips, "mapping": _or_file(_no_mapping),
}  # fmt: skip
WIDER = dict.fromkeys(("network", "inputs", "trace", "chip"), "File") | {"chips": "Sequence[File]"}

run = from_files(pipeline.run)
compare = from_files(pipeline.compare)
evaluate = from_files(pipeline.evaluate)
simulate = from_files(simulation.simulate)
map_network = from_files(mapper.map_network)
estimate = from_files(mapper.estimate)
neurobench = from_files(harness.neurobench)
quantize = from_files(quantization.quantize)
