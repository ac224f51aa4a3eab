"""The functions of the package as it is imported: where they expect a network, inputs, a trace or a chip, a file or the name of
a preset will do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import BoundArguments, Parameter, Signature, signature
from numbers import Integral
from typing import Any, TypeVar

from neurosim.chip.chip import Chip
from neurosim.cost import neurobench as harness
from neurosim.errors import NeurosimError
from neurosim.exports import FILE, export
from neurosim.io import mapping_file
from neurosim.io.chip_file import load_chip
from neurosim.io.inputs_file import load_inputs
from neurosim.io.network_file import load_network
from neurosim.io.trace_file import load_trace
from neurosim.mapping import mapper
from neurosim.mapping.mapping import Mapping
from neurosim.network import quantize as quantization
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.outcome import pipeline
from neurosim.spikes import simulate as simulation
from neurosim.spikes.trace import SpikeTrace

__all__ = [
    "compare", "estimate", "evaluate", "export", "load_mapping", "map_network", "neurobench", "quantize", "run", "simulate",
]  # fmt: skip

R = TypeVar("R")
File = str | os.PathLike[str]


def from_files(function: Callable[..., R]) -> Callable[..., R]:
    """The same function, for objects and for what they can be loaded from: files, for a chip also the name of a preset. Raises
    NeurosimError with everything that is given and is none of these."""
    shape = signature(function)
    parameters = shape.parameters.values()

    @wraps(function)
    def loading(*given: Any, **named: Any) -> R:
        bound = _bound(function.__name__, shape, given, named)
        bound.arguments |= {name: LOADERS[name](value) for name, value in bound.arguments.items() if name in LOADERS}
        problems = [text for name, value in bound.arguments.items() if (text := _problem(shape.parameters[name], value))]
        if problems:
            raise NeurosimError(f"{function.__name__}: {'; '.join(problems)}")
        return function(*bound.args, **bound.kwargs)

    # Processes of an executor find it by its name.
    loading.__module__ = __name__
    wider = [p.replace(annotation=f"{p.annotation} | {WIDER[p.name]}") if p.name in WIDER else p for p in parameters]
    loading.__signature__ = shape.replace(parameters=wider)  # type: ignore[attr-defined]
    return loading


def _bound(name: str, shape: Signature, given: tuple[Any, ...], named: dict[str, Any]) -> BoundArguments:
    try:
        return shape.bind(*given, **named)
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def _problem(parameter: Parameter, value: Any) -> str | None:
    """Why *value* is not what this parameter takes."""
    name, kind = parameter.name, KINDS.get(parameter.name)
    if name == "workers" and value is not None and not (isinstance(value, Integral) and int(value) >= 1):
        return f"workers is {value!r}; it must be a whole number, at least 1"
    if name == "chips":
        wrong = [type(chip).__name__ for chip in value if not isinstance(chip, Chip)]
        return f"chips holds {', '.join(wrong)}; {NEEDED['chip']}" if wrong else None
    if kind is None or isinstance(value, kind) or value is parameter.default is None:
        return None
    return f"{name} is {type(value).__name__}; {NEEDED[name]}"


def _or_file(load: Callable[[File], Any]) -> Callable[[Any], Any]:
    return lambda given: load(given) if isinstance(given, FILE) else given


def _chips(given: Any) -> list[Any]:
    """Of one alone, or of several."""
    several = [given] if isinstance(given, (Chip, *FILE)) or not isinstance(given, Iterable) else given
    return [LOADERS["chip"](chip) for chip in several]


def _no_mapping(path: File) -> Any:
    raise NeurosimError(f"{path}: a mapping is loaded with its network and chip: ns.load_mapping(path, network, chip)")


# By the name of the parameter.
LOADERS: dict[str, Callable[[Any], Any]] = {
    "network": _or_file(load_network), "inputs": _or_file(load_inputs), "trace": _or_file(load_trace),
    "chip": _or_file(load_chip), "ann_chip": _or_file(load_chip), "chips": _chips, "mapping": _or_file(_no_mapping),
}  # fmt: skip
KINDS = {"network": Network, "inputs": Inputs, "trace": SpikeTrace, "chip": Chip, "ann_chip": Chip, "mapping": Mapping}
NEEDED = {name: f"needed is {kind.__name__} or a file" for name, kind in KINDS.items()} | {
    "mapping": "needed is Mapping", **dict.fromkeys(("chip", "ann_chip"), "needed is Chip, a preset or a file"),
}  # fmt: skip
WIDER = dict.fromkeys(("network", "inputs", "trace", "chip", "ann_chip"), "File") | {"chips": "Sequence[File] | Chip | File"}

run = from_files(pipeline.run)
compare = from_files(pipeline.compare)
evaluate = from_files(pipeline.evaluate)
simulate = from_files(simulation.simulate)
map_network = from_files(mapper.map_network)
estimate = from_files(mapper.estimate)
load_mapping = from_files(mapping_file.load_mapping)
neurobench = from_files(harness.neurobench)
quantize = from_files(quantization.quantize)
