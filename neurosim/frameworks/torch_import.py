"""From a model in PyTorch to a network, with what the framework itself does on samples as its golden samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.errors import NetworkError
from neurosim.frameworks.neuron import Neuron, reader
from neurosim.frameworks.stage import Stage
from neurosim.frameworks.watch import Runner, Unit, watched
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.inputs import Inputs, check_inputs, seen
from neurosim.network.layers import Conv, Dense, InputSpec, Layer, Output, Shape
from neurosim.network.network import Network

PACKAGES = {"snntorch": "snnTorch", "spikingjelly": "SpikingJelly", "neurosim": "neurosim"}


@dataclass(frozen=True)
class FedPopulation:
    """A population and the weight that feeds it; *unit* answers, which without a *neuron* is the end of the stage itself."""

    stage: Stage
    unit: Unit
    neuron: Neuron | None
    shape: Shape

    @property
    def label(self) -> str:
        assert self.stage.unit is not None
        return f"{self.stage.unit}" + (f" and {self.unit}" if self.neuron else "")


def from_torch(
    model: nn.Module,
    samples: Any,
    labels: Any = None,
    *,
    timesteps: int | None = None,
    encoding: Literal["spikes", "direct"] | None = None,
    name: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    run: Runner | None = None,
) -> Network:
    """The float32 network of *model*, a chain of modules of torch.nn, snnTorch or SpikingJelly, with the spikes and
    potentials of the model itself on *samples*.

    samples: spikes, 0 or 1, [N, T, ...], or, with *timesteps*, images [N, ...] that are shown at every step: floats as the
    model takes them, or uint8, shown as ``(pixel / 255 - mean) / std``. labels: int [N]. *encoding* says which of both they
    are where *timesteps* is given with spikes. ``run(model, samples)`` runs a model that is not called once per step with
    [N, ...] (or, in SpikingJelly's step mode "m", once with [T, N, ...]). The model is run as it is, on its device; its state
    is reset before and after. Raises NetworkError with everything that cannot be said as a network, InputsError where labels
    or pixels are none.
    """
    label = f"model {name or type(model).__name__}"
    data, spec = _inputs(samples, timesteps, encoding, mean, std, label)
    answers = None if labels is None else np.asarray(labels)
    inputs = Inputs(None, answers, data, label) if spec.encoding == "spikes" else Inputs(data, answers, name=label)
    steps = timesteps or data.shape[1]
    place = next((p.device for p in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    given = _shown(data, spec, np.shape(samples)).to(place)
    frames = [given[:, t] if spec.encoding == "spikes" else given for t in range(steps)]
    units = watched(model, given, frames, run, label)
    problems: list[str] = []
    parts = _parts(units, spec.shape, problems)
    head = _head(parts, problems)
    problems += [f"{part.unit}: {p}" for part in parts if part.neuron for p in part.neuron.problems]
    if problems:
        raise NetworkError(label, problems)
    notes = {n: note for n, part in zip(_names(parts), parts, strict=True) if (note := _note(part))}
    about = {"framework": _framework(units), "modules": {n: p.label for n, p in zip(_names(parts), parts, strict=True)}}
    network = Network.build(
        name or type(model).__name__, timesteps=timesteps, input_shape=spec.shape, encoding=spec.encoding, mean=mean, std=std,
        layers=[_layer(n, p) for n, p in zip(_names(parts), parts, strict=True)],
        about=about | ({"notes": notes} if notes else {}), **head,
    )  # fmt: skip
    check_inputs(network, inputs)
    recorded = {layer.name: _recording(part, layer) for layer, part in zip(network.layers, parts, strict=True)}
    return network.with_golden(Golden(data, inputs.labels, recorded))


def _inputs(
    samples: Any, timesteps: int | None, encoding: str | None, mean: Any, std: Any, label: str
) -> tuple[np.ndarray, InputSpec]:
    """(bool [N, T, C, H, W], or images [N, C, H, W], float32 or uint8; what the first layer sees)."""
    array = samples.detach().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples)
    chosen = encoding or ("direct" if timesteps else "spikes")
    problems = []
    if chosen not in ("spikes", "direct"):
        problems.append(f"encoding is {encoding!r}; it must be 'spikes' or 'direct'")
    lead = 2 if chosen == "spikes" else 1
    if array.dtype.kind not in "biuf" or not 1 <= array.ndim - lead <= 3 or array.size == 0:
        axes = "[N, T, ...]" if chosen == "spikes" else "[N, ...]"
        raise NetworkError(label, [*problems, f"samples are {array.dtype} {list(array.shape)}; needed are numbers {axes}"])
    if chosen == "spikes":
        if not np.isin(array, (0, 1)).all():
            problems.append("samples are not 0 or 1 everywhere; for images shown at every step give timesteps")
        if timesteps not in (None, array.shape[1]):
            problems.append(f"samples have {array.shape[1]} steps, timesteps is {timesteps}")
    elif not timesteps or timesteps < 1:
        problems.append("images need timesteps, the number of steps for which they are shown")
    elif mean is not None and array.dtype != np.uint8:
        problems.append(f"samples are {array.dtype}; mean and std normalise uint8 pixels")
    if problems:
        raise NetworkError(label, problems)
    shape = as_map(array.shape[lead:])
    data = array.reshape(*array.shape[:lead], *shape)
    if chosen == "spikes":
        data = data.astype(bool)
    elif data.dtype != np.uint8:
        data = data.astype(np.float32)
    means, stds = (None if v is None else tuple(float(x) for x in v) for v in (mean, std))
    return data, InputSpec(shape, chosen, means, stds)  # type: ignore[arg-type]


def as_map(native: tuple[int, ...]) -> Shape:
    """[C, H, W] of a sample in the framework: [F], [C, L] or [C, H, W]."""
    if len(native) == 1:
        return (native[0], 1, 1)
    return (native[0], 1, native[1]) if len(native) == 2 else tuple(native)  # type: ignore[return-value]


def _shown(data: np.ndarray, spec: InputSpec, native: tuple[int, ...]) -> Tensor:
    """What the model is given, float32, in the shape of the user's samples."""
    images = data if spec.encoding == "spikes" else seen(spec, data, integer=False)
    return torch.from_numpy(np.ascontiguousarray(images.reshape(native), np.float32))


def _parts(units: list[Unit], shape: Shape, problems: list[str]) -> list[FedPopulation]:
    parts, stage = [], Stage(problems)
    for unit in units:
        read = reader(unit.module)
        if read is None:
            stage.add(unit)
            continue
        shape = as_map(unit.native) if len(unit.native) <= 3 else (1, 1, 1)
        if stage.unit is None:
            problems.append(f"{unit}: has no weight before it; neurons that read neurons or the sample need one")
        else:
            parts.append(FedPopulation(stage, unit, read(unit.module, unit.native, shape), shape))
        stage = Stage(problems)
    if stage.unit is not None:
        parts.append(FedPopulation(stage, units[-1], None, (len(stage.weight), 1, 1)))
    if not parts and not problems:
        problems.append("it has no weights")
    problems += [
        f"{part.unit}: never fires, so it must be the last, behind a Linear"
        for i, part in enumerate(parts)
        if not _spiking(part) and (i < len(parts) - 1 or part.stage.conv)
    ]
    for part in parts:
        if _spiking(part) and not np.isin(part.unit.answered, (0, 1)).all():
            problems.append(f"{part.unit}: answers with other numbers than 0 and 1; spikes have no size here")
        if not _spiking(part) and part.neuron and part.neuron.feedback:
            problems.append(f"{part.unit}: feeds spikes back, but resets nothing; use reset_mechanism 'subtract' or 'zero'")
    return parts


def _spiking(part: FedPopulation) -> bool:
    return part.neuron is not None and part.neuron.threshold is not None


def _head(parts: list[FedPopulation], problems: list[str]) -> dict[str, Any]:
    """Reset, comparison and order, which all layers have to share."""
    neurons = [(part.unit, part.neuron) for part in parts if part.neuron and _spiking(part)]
    found: dict[str, Any] = {}
    for rule in ("reset", "compare", "dynamics"):
        values = {getattr(neuron, rule): str(unit) for unit, neuron in neurons}
        if len(values) > 1:
            said = ", ".join(f"{value!r} in {unit}" for value, unit in values.items())
            problems.append(f"its layers differ in their {rule}, a network has one: {said}")
        if values:
            found[rule] = next(iter(values))
    return found


def _note(part: FedPopulation) -> str | None:
    """What the model does differently, counted in the samples."""
    if not (part.neuron and part.neuron.raised):
        return None
    over = int((part.unit.potentials > np.broadcast_to(part.neuron.threshold, part.shape).ravel()).sum())  # type: ignore[arg-type]
    if not over:
        return None
    return (
        f"{part.unit} has reset_delay=False: where a potential is still above the threshold after its reset, {over:,} times in "
        "the samples, snnTorch asks for two thresholds in the step after it, and neurosim for one"
    )


def _names(parts: list[FedPopulation]) -> list[str]:
    """The names of the weights' modules; what has only a number is counted by kind."""
    found: list[str] = []
    for part in parts:
        assert part.stage.unit is not None
        given, kind = part.stage.unit.name, "conv" if part.stage.conv else "fc"
        if given.rpartition(".")[2].isdigit() or given in ("input", *found):
            given = f"{kind}{1 + sum(n.startswith(kind) for n in found)}"
        found.append(given)
    return found


def _layer(name: str, part: FedPopulation) -> Layer:
    stage, neuron = part.stage, part.neuron
    gain = np.float32(neuron.gain if neuron else 1)
    bias = None if stage.bias is None else stage.bias * gain
    options: dict[str, Any] = {"pool": stage.pool, "bias": bias}
    if neuron is not None:
        options |= {"leak": neuron.leak, "current_leak": neuron.current_leak}
        if neuron.bias is not None:
            options["bias"] = neuron.bias if bias is None else bias + neuron.bias
        if neuron.feedback is not None and neuron.threshold is not None:
            options["shortcuts"] = [replace(neuron.feedback, source=name)]
    if not _spiking(part):
        return Output(name, stage.weight * gain, **options)
    assert neuron is not None
    options["threshold"] = neuron.threshold
    if stage.conv:
        return Conv(name, stage.weight * gain, stride=stage.stride, padding=stage.padding, **options)
    return Dense(name, stage.weight * gain, **options)


def _recording(part: FedPopulation, layer: Layer) -> LayerRecording:
    """What the framework did, in our terms."""
    if part.neuron is None:
        return LayerRecording(None, np.cumsum(part.unit.answered, 1, dtype=np.float32))
    potentials = part.unit.potentials
    if not layer.spiking:
        return LayerRecording(None, potentials)
    spikes = part.unit.answered > 0
    return LayerRecording(spikes, part.neuron.kept(potentials, spikes).astype(np.float32))


def _framework(units: list[Unit]) -> str:
    """Packages and versions."""
    packages = {type(unit.module).__module__.partition(".")[0] for unit in units} | {"torch"}
    return ", ".join(f"{PACKAGES.get(p, p)} {_version(p)}" for p in sorted(packages) if p in (*PACKAGES, "torch"))


def _version(package: str) -> str:
    try:
        return version("neurosim-hw" if package == "neurosim" else package)
    except PackageNotFoundError:
        return "?"
