"""From a model in PyTorch to a network, with what the framework itself does on samples as its golden samples."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.errors import NetworkError
from neurosim.frameworks.graph.calling import Calling, Runner, by_hand, usual
from neurosim.frameworks.graph.capture import Capture, captured
from neurosim.frameworks.graph.node import as_map
from neurosim.frameworks.graph.refusal import MiscalledError, RefusedError
from neurosim.frameworks.lowering.layers import head, layers, problems
from neurosim.frameworks.lowering.lowered import Lowered, lowered
from neurosim.frameworks.lowering.readout import DECODES
from neurosim.frameworks.recording import ModelRecording, recording
from neurosim.network.golden import Golden
from neurosim.network.inputs import Inputs, check_inputs, seen
from neurosim.network.layers import InputSpec
from neurosim.network.network import Network

PACKAGES = {
    "snntorch": "snnTorch",
    "spikingjelly": "SpikingJelly",
    "norse": "Norse",
    "sinabs": "sinabs",
    "neurosim": "neurosim",
}


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
    decode: str | None = None,
) -> Network:
    """The float32 network of *model*, of modules of torch.nn and neurons of snnTorch, SpikingJelly, Norse or sinabs, with the
    spikes and potentials of the model itself on *samples*, and its answers.

    samples: spikes, 0 or 1, or other numbers, [N, T, ...], or, with *timesteps*, images [N, ...] that are shown at every step:
    floats as the model takes them, or uint8, shown as ``(pixel / 255 - mean) / std``. labels: int [N]. *encoding* says which of
    both they are where *timesteps* is given with spikes. The model is run as its framework runs it, on its device: once per
    step with [N, ...], or once for all, with [T, N, ...], [N, T, ...], or images that it shows itself; ``run(model, samples)``
    runs, and returns the answer of, one that is called in another way. Its state is reset before and after.

    What the model returns is its answer: spikes, potentials or what weights make of them, of every step, their sum, mean,
    largest or last. What it returns step by step is summed into scores of classes, unless *decode* says otherwise:
    "potential" (after the last step), "max-potential", "mean-potential".

    Raises NetworkError with what cannot be said as a network, where in the model, and what would help, InputsError where labels
    or pixels are none.
    """
    label = f"model {name or type(model).__name__}"
    data, spec = _inputs(samples, timesteps, encoding, mean, std, label)
    if decode not in (None, *DECODES):
        raise NetworkError(label, [f"decode is {decode!r}; it must be one of {', '.join(DECODES)}, or left out"])
    answers = None if labels is None else np.asarray(labels)
    inputs = Inputs.from_frames(data, answers, label) if spec.encoding == "spikes" else Inputs(data, answers, name=label)
    frames = _frames(data, spec, np.shape(samples), timesteps).to(_device(model))
    seen_model = _seen(model, frames, spec.encoding == "direct", run, label)
    found = _lowered(seen_model, inputs, decode, label)
    kept = _recorded(seen_model, found, frames, label)
    network = _network(found, kept, spec, name or type(model).__name__, timesteps, model, label)
    check_inputs(network, inputs)
    return network.with_golden(Golden(_golden_inputs(inputs), inputs.labels, kept.layers, answers=kept.scores))


def _golden_inputs(inputs: Inputs) -> np.ndarray:
    found = next(array for array in (inputs.images, inputs.spikes, inputs.frames) if array is not None)
    return found


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in (*model.parameters(), *model.buffers())), torch.device("cpu"))


def _inputs(
    samples: Any, timesteps: int | None, encoding: str | None, mean: Any, std: Any, label: str
) -> tuple[np.ndarray, InputSpec]:
    """(bool or numbers [N, T, C, H, W], or images [N, C, H, W], float32 or uint8; what the first layer sees)."""
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
        data = data.astype(bool) if np.isin(data, (0, 1)).all() else data
    elif data.dtype != np.uint8:
        data = data.astype(np.float32)
    means, stds = (None if v is None else tuple(float(x) for x in v) for v in (mean, std))
    return data, InputSpec(shape, chosen, means, stds)  # type: ignore[arg-type]


def _frames(data: np.ndarray, spec: InputSpec, native: tuple[int, ...], timesteps: int | None) -> Tensor:
    """What the model sees at every step, float32 [N, T, ...], in the shape of the user's samples."""
    images = data if spec.encoding == "spikes" else seen(spec, data, integer=False)
    found = torch.from_numpy(np.ascontiguousarray(images.reshape(native), np.float32))
    if spec.encoding == "spikes":
        return found
    assert timesteps is not None
    return found[:, None].expand(len(found), timesteps, *found.shape[1:])


def _seen(model: nn.Module, frames: Tensor, images: bool, run: Runner | None, label: str) -> Capture:
    """The graph of the model, called in the first way in which it can be."""
    try:
        ways = list(usual(model, images, frames.shape[1])) if run is None else [by_hand(run, images)]
    except RefusedError as refusal:
        raise NetworkError(label, refusal.all) from refusal
    refusals: list[tuple[Calling, Exception]] = []
    for way in ways:
        try:
            return captured(model, frames, way)
        except Exception as error:
            refusals.append((way, error))
    final = [error for _, error in refusals if isinstance(error, RefusedError) and not isinstance(error, MiscalledError)]
    if final:
        raise NetworkError(label, final[0].all) from final[0]
    if len({_told(error) for _, error in refusals}) == 1:
        raise NetworkError(label, [_told(refusals[0][1])]) from refusals[0][1]
    told = [f"called {way.words}: {_told(error)}" for way, error in refusals]
    advice = "say how it is run, and return its answer: run=lambda model, samples: ..."
    raise NetworkError(label, told if run is not None else [*told, advice]) from refusals[-1][1]


def _told(error: Exception) -> str:
    return (
        str(error) if isinstance(error, RefusedError) else f"it fails on the samples by itself: {type(error).__name__}: {error}"
    )


def _lowered(capture: Capture, inputs: Inputs, decode: str | None, label: str) -> Lowered:
    try:
        found = lowered(capture.graph, inputs.spikes is not None, inputs.images is not None, decode)
    except RefusedError as refusal:
        raise NetworkError(label, refusal.all) from refusal
    missing = list(problems(found.description))
    if missing:
        raise NetworkError(label, missing)
    return found


def _recorded(capture: Capture, found: Lowered, frames: Tensor, label: str) -> ModelRecording:
    try:
        return recording(capture, found, frames)
    except RefusedError as refusal:
        raise NetworkError(label, refusal.all) from refusal


def _network(
    found: Lowered, kept: ModelRecording, spec: InputSpec, name: str, timesteps: int | None, model: nn.Module, label: str
) -> Network:
    populations = found.description.populations
    if kept.problems:
        raise NetworkError(label, kept.problems)
    about: dict[str, Any] = {"framework": _framework(model), "modules": {p.name: p.label for p in populations}}
    if kept.notes:
        about["notes"] = kept.notes
    return Network.build(
        name, timesteps=timesteps, input_shape=spec.shape, encoding=spec.encoding, mean=spec.mean, std=spec.std,
        layers=layers(found.description), about=about, **head(found.description),
    )  # fmt: skip


def _framework(model: nn.Module) -> str:
    """Packages and versions."""
    packages = {type(module).__module__.partition(".")[0] for module in model.modules()} | {"torch"}
    return ", ".join(f"{PACKAGES.get(p, p)} {_version(p)}" for p in sorted(packages) if p in (*PACKAGES, "torch"))


def _version(package: str) -> str:
    try:
        return version("neurosim-hw" if package == "neurosim" else package)
    except PackageNotFoundError:
        return "?"
