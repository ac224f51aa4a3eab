"""Commands that make networks; most need the extra `train`."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import neurosim as ns
from neurosim.cli.app import app
from neurosim.cli.console import check_targets, quiet, recorded, show
from neurosim.cli.options import JsonOption
from neurosim.errors import NeurosimError
from neurosim.outcome.interval import wilson
from neurosim.outcome.paired import paired_shares
from neurosim.report import training_text
from neurosim.report.progress import phases

TEST_IMAGES = 1000


class Method(StrEnum):
    """Training methods."""

    DIET = "diet"
    DATTA = "datta"


class Neurons(StrEnum):
    """What of the neurons is trained besides the weights."""

    FIXED = "fixed"
    THRESHOLD = "threshold"
    ALL = "all"


class Precision(StrEnum):
    """Arithmetic of convolutions in training."""

    FP32 = "fp32"
    BF16 = "bf16"


class Pooling(StrEnum):
    """Pools of 2x2."""

    AVG = "avg"
    MAX = "max"


DataOption = Annotated[
    Path,
    typer.Option(
        "--data", metavar="PATH",
        help="MNIST (.npz or IDX folder), CIFAR-10 or -100 (archive, folder, or JPEG .npz), or a folder of images.",
    ),
]  # fmt: skip
ArchOption = Annotated[str, typer.Option("--arch", help="mnist_vgg, vgg4..19, resnet12, resnet20 or resnet34.")]
WidthOption = Annotated[float, typer.Option("--width", help="Factor on all channels.")]
HiddenOption = Annotated[
    str | None, typer.Option("--hidden", metavar="N,N", help="Dense layers before the output, instead of the paper's.")
]
PoolOption = Annotated[Pooling | None, typer.Option("--pool", help="avg for diet, max for datta, unless chosen.")]
TimestepsOption = Annotated[int, typer.Option("--timesteps", help="Time steps T.")]
BitsOption = Annotated[int, typer.Option("--bits", help="Bits per weight.")]


@app.command()
def train(
    method: Annotated[Method, typer.Argument(help="DIET-SNN, or Datta & Beerel.")],
    data: DataOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="Where the network goes.")],
    arch: ArchOption = "mnist_vgg",
    width: WidthOption = 1.0,
    hidden: HiddenOption = None,
    pool: PoolOption = None,
    timesteps: TimestepsOption = 5,
    stages: Annotated[str, typer.Option("--stages", metavar="T,T", help="Larger T to fine-tune at before.")] = "",
    neurons: Annotated[Neurons, typer.Option("--neurons", help="Train thresholds too, or leaks as well.")] = Neurons.ALL,
    bits: BitsOption = 8,
    ann_epochs: Annotated[int, typer.Option("--ann-epochs", help="Epochs of pre-training.")] = 20,
    snn_epochs: Annotated[int, typer.Option("--snn-epochs", help="Epochs of fine-tuning, for each T.")] = 15,
    batch: Annotated[int, typer.Option("--batch", help="Images per update.")] = 128,
    ann_lr: Annotated[float | None, typer.Option("--ann-lr", help="Learning rate of pre-training (SGD): 0.1.")] = None,
    snn_lr: Annotated[float, typer.Option("--snn-lr", help="Learning rate of fine-tuning (Adam).")] = 5e-4,
    neuron_lr: Annotated[float, typer.Option("--neuron-lr", help="That of leaks and thresholds.")] = 5e-4,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="Of pre-training.")] = 5e-4,
    dropout: Annotated[float, typer.Option("--dropout", help="After convolutions.")] = 0.1,
    dense_dropout: Annotated[float, typer.Option("--dense-dropout", help="After dense layers.")] = 0.3,
    percentile: Annotated[float, typer.Option("--percentile", help="Of the input current (diet).")] = 99.7,
    scale: Annotated[float, typer.Option("--scale", help="Factor on the balanced thresholds (diet).")] = 0.6,
    calibration_steps: Annotated[int, typer.Option("--calibration-steps", help="Time steps of balancing (diet).")] = 100,
    calibration_images: Annotated[int, typer.Option("--calibration-images", help="Images of the conversion.")] = 512,
    published: Annotated[bool, typer.Option("--published", help="As the papers: all below off, unless given.")] = False,
    batch_norm: Annotated[
        bool | None, typer.Option("--batch-norm/--no-batch-norm", help="In pre-training, folded before spikes: on.")
    ] = None,
    qcfs_epochs: Annotated[
        int | None, typer.Option("--qcfs-epochs", help="Last ones of pre-training with stepped activations (diet): a quarter.")
    ] = None,
    levels: Annotated[int | None, typer.Option("--levels", help="Steps of those activations, best near T: 4.")] = None,
    label_smoothing: Annotated[float | None, typer.Option("--label-smoothing", help="Share moved to all classes: 0.1.")] = None,
    crop: Annotated[bool | None, typer.Option("--crop/--no-crop", help="Shift colour images: on.")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Mirror colour images: on.")] = None,
    cutout: Annotated[int | None, typer.Option("--cutout", help="Side of a square blanked in colour images: 8.")] = None,
    step_loss: Annotated[float | None, typer.Option("--step-loss", help="Share of the loss on every time step: 0.5.")] = None,
    distillation: Annotated[float | None, typer.Option("--distillation", help="Share of the ANN's answers: 0.5.")] = None,
    spike_cost: Annotated[float | None, typer.Option("--spike-cost", help="Added to the loss per spike and neuron: 0.")] = None,
    averaging: Annotated[float | None, typer.Option("--averaging", help="Decay of the weights' average: 0.995.")] = None,
    precision: Annotated[Precision, typer.Option("--precision", help="bf16 is faster where supported.")] = Precision.FP32,
    device: Annotated[str, typer.Option("--device", help="Any device PyTorch has: cpu, cuda, mps ...")] = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, order, augmentation and split.")] = 0,
    validation: Annotated[int | None, typer.Option("--validation", help="Images held out: 5,000, or 10 %.")] = None,
    image_size: Annotated[int, typer.Option("--image-size", help="Side of the images of a folder.")] = 224,
    seeds: Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="Repeat for N seeds: mean and deviation.")] = 1,
    init: Annotated[Path | None, typer.Option("--init", metavar="FILE.pt", help="Start from a checkpoint's weights.")] = None,
    checkpoints: Annotated[Path | None, typer.Option("--checkpoints", metavar="DIR", help="Keeps the run, to resume.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoints.")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", metavar="FILE.png", help="The course of the training.")] = None,
    test_inputs: Annotated[
        Path | None, typer.Option("--test-inputs", metavar="INPUTS.h5", help="Write the first 1,000 test images.")
    ] = None,
    unchecked_data: Annotated[bool, typer.Option("--unchecked-data", help="Accept other editions of the archives.")] = False,
    json_to: JsonOption = None,
) -> None:
    """Train a spiking network and export it (extra `train`). What happens goes to stderr: a line per epoch for people on a
    terminal, JSON lines otherwise and in the folder of the checkpoints."""
    check_targets(output, test_inputs, plot, json_to, sources=(data, init))
    package = training("train")
    if plot is not None:
        training("plots", needs="matplotlib")
        if not ann_epochs and not snn_epochs:
            raise NeurosimError("--plot has no epoch to draw: --ann-epochs and --snn-epochs are 0")
    recipes = training("recipe")
    chosen: dict[str, Any] = {
        "ann_lr": ann_lr, "batch_norm": batch_norm, "qcfs_epochs": qcfs_epochs, "levels": levels,
        "label_smoothing": label_smoothing, "crop": crop, "flip": flip, "cutout": cutout, "step_loss": step_loss,
        "distillation": distillation, "spike_cost": spike_cost, "averaging": averaging,
    }  # fmt: skip
    chosen = (recipes.PUBLISHED if published else {}) | {k: v for k, v in chosen.items() if v is not None}
    recipe = recipes.Recipe(
        method=method.value, arch=arch, width=width, hidden=whole_numbers("--hidden", hidden), pool=pool and pool.value,
        timesteps=timesteps, stages=whole_numbers("--stages", stages) or (), bits=bits, seed=seed, validation=validation,
        image_size=image_size, ann_epochs=ann_epochs, snn_epochs=snn_epochs, batch=batch, snn_lr=snn_lr,
        neuron_lr=neuron_lr, weight_decay=weight_decay, dropout=dropout, dense_dropout=dense_dropout, percentile=percentile,
        scale=scale, calibration_steps=calibration_steps, calibration_images=calibration_images,
        train_threshold=neurons != Neurons.FIXED, train_leak=neurons == Neurons.ALL,
        precision=precision.value, device=device, **chosen,
    )  # fmt: skip
    if resume and checkpoints is None:
        raise NeurosimError("--resume needs --checkpoints DIR, the folder of the run to go on with")
    with phases(quiet()) as (write, tick):
        report = package.train(
            package.DataSource(data, init, not unchecked_data), output, recipe, seeds=seeds, checkpoints=checkpoints,
            resume=resume, say=lambda line: write(training_text.training_line(line), json.dumps(line)), tick=tick,
        )  # fmt: skip
    show(training_text.training_text(report), json_to, report)
    if plot is not None:
        training("plots").plot_training(report["lines"], plot)
    if test_inputs is not None:
        dataset = training("datasets").load_dataset(data, seed, validation, not unchecked_data, image_size)
        training("measure").save_test_inputs(dataset, TEST_IMAGES, str(test_inputs))


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="FILE.pth", help="Checkpoint of the public DIET-SNN code.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NET.h5", help="Where the network goes.")],
    arch: Annotated[str, typer.Option("--arch", help="vgg4..19, resnet12, resnet20 or resnet34.")],
    data: DataOption,
    pool: Annotated[Pooling, typer.Option("--pool", help="The checkpoint does not say it.")] = Pooling.AVG,
    timesteps: Annotated[int | None, typer.Option("--timesteps", help="Unless the checkpoint says it.")] = None,
    bits: BitsOption = 8,
    unchecked_data: Annotated[bool, typer.Option("--unchecked-data", help="Accept other editions of the archives.")] = False,
    json_to: JsonOption = None,
) -> None:
    """Deploy a network trained with the public DIET-SNN code (extra `train`): its state_dict as an integer network."""
    check_targets(output, json_to, sources=(checkpoint, data))
    report = training("public").convert_public(
        checkpoint, output, arch, data, pool=pool.value, timesteps=timesteps, bits=bits, checked=not unchecked_data
    )
    show(training_text.training_text(report), json_to, report)


@app.command()
def quantize(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="Network file with float weights.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="NET.h5", help="Where the integer network goes (one width).")
    ] = None,
    bits: Annotated[
        list[int] | None, typer.Option("--bits", min=2, max=16, help="Bits per weight, 8 if not given; repeatable.")
    ] = None,
    inputs: Annotated[Path | None, typer.Option("--inputs", metavar="INPUTS", help="Print the accuracy on these.")] = None,
    json_to: JsonOption = None,
) -> None:
    """Make an integer network from the float weights in a network file, or compare widths on inputs (several --bits)."""
    widths = bits or [8]
    check_targets(output, json_to, sources=(inputs,))
    if output is not None and len(widths) > 1:
        raise NeurosimError(f"-o {output} holds one network, and there are {len(widths)} widths; give one --bits, or no -o")
    if output is None and inputs is None:
        raise NeurosimError("nothing to do: give -o NET.h5 to keep the network, --inputs INPUTS to see its accuracy, or both")
    net = ns.load_network(network)
    source = net if not net.integer else net.float_twin
    if source is None:
        raise NeurosimError(f"{network}: holds no float weights to quantize")
    integers = {width: ns.quantize(source, width) for width in widths}
    values: dict[str, Any] = {"bits": widths[0], "accuracy": None, "network": None if output is None else str(output)}
    values["widths"] = [{"bits": width, "accuracy": None} for width in widths]
    if inputs is not None:
        values |= _accuracies(integers, source, ns.load_inputs(inputs), inputs)
    if output is not None:
        values |= keep(integers[widths[0]], net, values["accuracy"], output)
    show(training_text.quantization_text(values), json_to, values)


def keep(integer: ns.Network, net: ns.Network, accuracy: float | None, output: Path) -> dict[str, Any]:
    """Save with golden samples of the integers, on the samples of *net*'s, if it has any; returns whether, and for how many the
    class is the one that was answered before, where that was recorded."""
    answers: dict[str, int] | None = None
    if (before := net.golden) is not None:
        integer = training("export").with_golden(integer, before.images, before.labels, answers=before.answers is not None)
        if before.answers is not None and integer.golden is not None and integer.golden.answers is not None:
            same = integer.golden.answers.argmax(1) == before.answers.argmax(1)
            answers = {"samples": len(same), "same_class": int(same.sum())}
    if accuracy is not None:
        integer = replace(integer, about=integer.about | {"accuracy_reference": accuracy})
    integer.save(str(output))
    return {"golden": integer.golden is not None, "answers": answers}


def whole_numbers(option: str, given: str | None) -> tuple[int, ...] | None:
    """Numbers separated by commas."""
    if given is None:
        return None
    try:
        return tuple(int(part) for part in given.split(",")) if given.strip() else ()
    except ValueError:
        raise NeurosimError(f"{option} {given!r}: needed are whole numbers separated by commas, such as 20,10") from None


def training(module: str, needs: str | None = None) -> Any:
    """A module of the training package; says what to install where PyTorch or *needs* is absent."""
    try:
        if needs is not None:
            import_module(needs)
        return import_module(f"neurosim.training.{module}")
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "PIL", "matplotlib"):
            raise
        install = "python -m pip install 'neurosim-hw[train]'"
        raise NeurosimError(f"{error.name} is not installed; training needs: {install}") from None


def _accuracies(integers: dict[int, ns.Network], source: ns.Network, data: ns.Inputs, path: Path) -> dict[str, Any]:
    """How right every width and the float network are, and in what they differ from the first width on the same samples."""
    right = {width: _right(network, data, path) for width, network in integers.items()}
    first, of_float = next(iter(right.values())), _right(source, data, path)
    told = [{"bits": width, **_judged(found, first if place else None)} for place, (width, found) in enumerate(right.items())]
    floating = {f"float_{name}": value for name, value in _judged(of_float, first).items()}
    return {"samples": len(data), "accuracy": told[0]["accuracy"], **floating, "widths": told}


def _judged(right: np.ndarray | None, first: np.ndarray | None) -> dict[str, Any]:
    """Accuracy, its interval, and the difference to the *first*; null without labels."""
    if right is None:
        return {"accuracy": None, "accuracy_interval": None, "paired": None}
    share = float(right.mean())
    paired = None if first is None else paired_shares(right, first).to_dict()
    return {"accuracy": share, "accuracy_interval": wilson(share, len(right)), "paired": paired}


def _right(network: ns.Network, data: ns.Inputs, path: Path) -> np.ndarray | None:
    """bool [samples]: whether each answer is right; None without labels."""
    with recorded(network, data, path) as trace:
        return None if trace.labels is None else trace.predictions == trace.labels
