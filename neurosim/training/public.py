"""Networks trained with the public DIET-SNN code (github.com/nitin-rathi/DIET-SNN): its checkpoints as network files.

Keys of its state_dict, each behind ``module.`` where it was saved from several devices: ``features.N.weight`` and
``classifier.N.weight`` (VGG), ``pre_process.N``, ``layerS.B.residual.N``, ``layerS.B.identity.0`` and ``classifier.0``
(ResNet), N counting the activations and dropouts between; ``threshold.tL`` and ``leak.lL``, one number per spiking layer.
A checkpoint does not say which pool it was trained with, nor which order of leak, reset and compare its code had; the order
of the code released for CIFAR and MNIST since 2021-09-10 is assumed, in which a spike crosses all layers in one step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurosim.errors import FileError
from neurosim.training.architecture import RESNETS, Architecture, Pool, Step, architecture
from neurosim.training.checkpoint import read_checkpoint, tensors
from neurosim.training.datasets import load_dataset
from neurosim.training.measure import exported
from neurosim.training.snn import Snn
from neurosim.training.weights import SKIP, Weights

METHOD = "DIET-SNN (Rathi & Roy), trained with their public code"
PREFIX = "module."
# Old releases keep thresholds and leaks beside the state_dict, as lists in the order of the layers.
LISTS = {"threshold.t": "thresholds", "leak.l": "leak"}


@dataclass(frozen=True)
class Keys:
    """Where a layer of ours lies in a public state_dict: its weight, its shortcut's, and the number of its neurons."""

    weight: str
    skip: str | None
    neurons: int | None


def convert_public(
    checkpoint: Path, output: Path, arch: str, data: Path, *, pool: Pool = "avg", timesteps: int | None = None, bits: int = 8,
    checked: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Write the integer network of a public checkpoint with golden samples to *output*; return its report on the test images.

    *timesteps*: None takes the checkpoint's. Raises FileError with every key that is missing, unknown or of another shape.
    """
    saved = read_checkpoint(checkpoint)
    dataset = load_dataset(data, validation=1, checked=checked)
    hidden = hidden_of(saved) if arch not in RESNETS else None
    plan = architecture(arch, dataset.shape, dataset.classes, hidden=hidden, pool=pool)
    steps = timesteps if timesteps is not None else saved.get("timesteps")
    snn = loaded(saved, plan, str(checkpoint))
    if type(steps) is not int or steps < 1:
        raise FileError(str(checkpoint), [f"timesteps is {steps!r}; give --timesteps T, at least 1"])
    network, report = exported(
        snn=snn, name=f"{arch}_t{steps}", timesteps=steps, dataset=dataset, bits=bits, about={"method": METHOD}, report={}
    )
    network.save(str(output))
    return report | {"network": str(output)}


def loaded(saved: dict[str, Any], plan: Architecture, name: str) -> Snn:
    """The spiking network of a public checkpoint. Raises FileError(name) with every problem; nothing is loaded half-way."""
    state = tensors(saved.get("state_dict", saved))
    if state is None:
        raise FileError(name, ["holds no state_dict of real, dense tensors"])
    given = {key.removeprefix(PREFIX): value for key, value in state.items()}
    keys = public_keys(plan)
    given |= _listed(saved, given, keys)
    wanted = _wanted(plan, keys)
    problems = [f"{key} is missing" for key in wanted if key not in given]
    problems += [f"{key} is not part of {plan.name}" for key in given if key not in wanted and not _left_over(key, given, plan)]
    for key, shape in wanted.items():
        found = tuple(given[key].shape) if key in given else shape
        if found != shape and not (shape == () and given[key].numel() == 1):
            problems.append(f"{key} is {list(found)}, {plan.name} needs {list(shape)}")
        elif key in given and not torch.isfinite(given[key]).all():
            problems.append(f"{key} is not finite")
    problems += _out_of_range(given, wanted)
    if problems:
        raise FileError(name, problems)
    return _assembled(given, plan, keys)


def public_keys(plan: Architecture) -> dict[str, Keys]:
    """For every layer of *plan*, its place in a public state_dict."""
    convs = [s for s in plan.steps if s.kind == "conv"]
    found: dict[str, Keys] = {}
    if plan.name in RESNETS:
        stem = sum(not s.name.startswith("res") for s in convs)
        for index, step in enumerate(convs):
            found[step.name] = _stem_keys(index) if index < stem else _block_keys(step, 3 * stem + index - stem)
        before = 3 * stem + len(convs) - stem
    else:
        found = {s.name: Keys(f"features.{3 * i}.weight", None, 3 * i) for i, s in enumerate(convs)}
        before = 3 * len(convs)
    for index, step in enumerate(s for s in plan.steps if s.kind != "conv"):
        number = None if step.kind == "output" else before + 3 * index
        found[step.name] = Keys(f"classifier.{3 * index}.weight", None, number)
    return found


def _stem_keys(index: int) -> Keys:
    return Keys(f"pre_process.{3 * index}.weight", None, 3 * index)


def _block_keys(step: Step, number: int) -> Keys:
    stage, block, conv = re.fullmatch(r"res(\d+)_(\d+)_conv(\d)", step.name).groups()  # type: ignore[union-attr]
    inside = f"layer{stage}.{int(block) - 1}"
    skip = f"{inside}.identity.0.weight" if step.skip and step.skip.weight_shape else None
    return Keys(f"{inside}.residual.{3 * (int(conv) - 1)}.weight", skip, number)


def hidden_of(saved: dict[str, Any]) -> tuple[int, ...] | None:
    """Neurons of the dense layers before the output, as a public VGG checkpoint has them; None if it has none."""
    state = saved.get("state_dict", saved)
    pattern = re.compile(r"(?:module\.)?classifier\.(\d+)\.weight")
    sizes = {
        int(match[1]): int(value.shape[0])
        for key, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(key, str) and (match := pattern.fullmatch(key)) and isinstance(value, Tensor) and value.ndim == 2
    }
    return tuple(size for _, size in sorted(sizes.items())[:-1]) if sizes else None


def _wanted(plan: Architecture, keys: dict[str, Keys]) -> dict[str, tuple[int, ...]]:
    """Every key that must be there, and its shape."""
    wanted: dict[str, tuple[int, ...]] = {}
    for step in plan.steps:
        mine = keys[step.name]
        wanted[mine.weight] = step.weight_shape
        if mine.skip and step.skip and step.skip.weight_shape:
            wanted[mine.skip] = step.skip.weight_shape
        if mine.neurons is not None:
            wanted |= {f"{kind}{mine.neurons}": () for kind in LISTS}
    return wanted


def _listed(saved: dict[str, Any], given: dict[str, Tensor], keys: dict[str, Keys]) -> dict[str, Tensor]:
    """Thresholds and leaks from the lists beside the state_dict, where the state_dict has none."""
    numbers = sorted(k.neurons for k in keys.values() if k.neurons is not None)
    found: dict[str, Tensor] = {}
    for kind, name in LISTS.items():
        values = saved.get(name)
        if any(key.startswith(kind) for key in given) or not isinstance(values, list) or len(values) < len(numbers):
            continue
        if not all(isinstance(v, int | float) for v in values):
            continue
        found |= {f"{kind}{n}": torch.as_tensor(float(v)) for n, v in zip(numbers, values, strict=False)}
    return found


def _left_over(key: str, given: dict[str, Tensor], plan: Architecture) -> bool:
    """The public ResNet code can leave one threshold after the last layer's, which nothing reads."""
    return plan.name in RESNETS and key.startswith("threshold.t") and f"leak.l{key.removeprefix('threshold.t')}" not in given


def _out_of_range(given: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]) -> list[str]:
    problems = []
    for key in (k for k in wanted if k in given and given[k].numel() == 1 and wanted[k] == ()):
        value = given[key].item()
        if key.startswith("threshold") and not value > 0:
            problems.append(f"{key} is {value:g}; a threshold must be positive")
        if key.startswith("leak") and not 0 <= value <= 1:
            problems.append(f"{key} is {value:g}; a leak must lie in 0..1")
    return problems


@torch.no_grad()
def _assembled(given: dict[str, Tensor], plan: Architecture, keys: dict[str, Keys]) -> Snn:
    snn = Snn(Weights(plan))
    for step in plan.steps:
        mine = keys[step.name]
        snn.weights.of[step.name].copy_(given[mine.weight])
        if mine.skip:
            snn.weights.of[step.name + SKIP].copy_(given[mine.skip])
        if mine.neurons is not None:
            snn.thresholds[step.name].copy_(given[f"threshold.t{mine.neurons}"].reshape(()))
            snn.leaks[step.name].copy_(given[f"leak.l{mine.neurons}"].reshape(()))
    return snn.eval()
