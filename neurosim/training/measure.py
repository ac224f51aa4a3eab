"""What a training run achieved. The test images are looked at here, once, after every choice has been made."""

from __future__ import annotations

from typing import Any

import torch

from neurosim.bits import packed, popcount
from neurosim.cost.paper import paper
from neurosim.network.inputs import Inputs
from neurosim.network.network import Network
from neurosim.network.quantize import quantize
from neurosim.spikes.simulate import simulate
from neurosim.training.ann import Ann
from neurosim.training.augment import Pixels
from neurosim.training.behaviour import observed, zero_share
from neurosim.training.datasets import Dataset, Split
from neurosim.training.export import described, float_network, in_half_precision, with_golden
from neurosim.training.recipe import METHODS
from neurosim.training.snn import Snn
from neurosim.training.trainer import Line, Trainer

GOLDEN_SAMPLES = 5
TWIN_IMAGES = 100
CHUNK = 500


def measured(
    trainer: Trainer, ann: Ann, converted: Snn, snn: Snn, found: dict[str, Any]
) -> tuple[Network, dict[str, Any]]:
    """(integer network with golden samples, report) of a training run."""
    recipe, dataset, pixels = trainer.recipe, trainer.dataset, trainer.pixels
    first, last = recipe.all_stages[0], recipe.timesteps
    report: dict[str, Any] = {
        "ann_accuracy": observed(ann, pixels, dataset.test).accuracy,
        "ann_sparsity": zero_share(ann, pixels, dataset.test),
        "converted_accuracy": observed(converted, pixels, dataset.test, first).accuracy,
        "converted_timesteps": first,
        "validation_accuracy": observed(snn, pixels, dataset.validation, last).accuracy,
        "conversion": found,
        "curve": _curve(trainer.lines),
        "training_seconds": round(sum(line.get("seconds", 0.0) for line in trainer.lines)),
    }
    about = {"method": METHODS[recipe.method], "recipe": trainer.checkpoints.identity}
    return exported(
        snn=snn, name=f"{recipe.arch}_{recipe.method}_t{last}", timesteps=last, dataset=dataset, bits=recipe.bits, about=about,
        report=report,
    )  # fmt: skip


def exported(
    snn: Snn, name: str, timesteps: int, dataset: Dataset, bits: int, about: dict[str, Any], report: dict[str, Any]
) -> tuple[Network, dict[str, Any]]:
    """(integer network with golden samples, *report* with what the spiking network does on the test images)."""
    snn = in_half_precision(snn)
    test, pixels = dataset.test, Pixels(dataset, str(next(snn.parameters()).device))
    twin = float_network(snn, name, timesteps, dataset, {"dataset": dataset.name})
    network = quantize(twin, bits)
    seen = observed(snn, pixels, test, timesteps)
    report = report | {
        "snn_float_accuracy": seen.accuracy,
        "float_spikes_per_neuron_by_layer": seen.rates,
        "float_mismatch_rate": float_mismatch(snn, pixels, test, twin),
        "leaks": {k: v.item() for k, v in snn.leaks.items()},
        "thresholds": {k: v.item() for k, v in snn.thresholds.items()},
        "weights": network.synapses,
    } | integer_behaviour(network, test)
    facts = {"report": report, "torch": torch.__version__, "accuracy_reference": report["snn_int_accuracy"]}
    golden = test.images[:GOLDEN_SAMPLES], test.labels[:GOLDEN_SAMPLES]
    return with_golden(described(network, **about, **facts), *golden), report


def integer_behaviour(network: Network, split: Split) -> dict[str, Any]:
    """Accuracy, spikes per neuron over all steps (mean, and by layer) and the papers' energies of an integer network."""
    right, spikes = 0, dict[str, int]()
    for part in _chunks(split):
        trace = simulate(network, part)
        right += int((trace.predictions == part.labels).sum())
        spikes = {layer: spikes.get(layer, 0) + count for layer, count in trace.spike_counts().items()}
    images = len(split.labels)
    neurons = {layer.name: layer.neurons for layer in network.layers if layer.spiking}
    rates = {name: spikes[name] / n / images for name, n in neurons.items()}
    return {
        "snn_int_accuracy": right / images,
        "spikes_per_neuron": sum(spikes.values()) / sum(neurons.values()) / images,
        "spikes_per_neuron_by_layer": rates,
        "paper": paper(network, rates),
    }


def float_mismatch(snn: Snn, pixels: Pixels, split: Split, network: Network) -> dict[str, float]:
    """Share of (neuron, step) pairs in which the float network fires differently in PyTorch and in the simulator, by layer."""
    images = split.images[:TWIN_IMAGES]
    fired: dict[str, Any] = {}
    with torch.no_grad():
        snn.eval()(pixels(images), network.timesteps, lambda name, s: fired.setdefault(name, s.cpu().numpy() > 0))
    trace = simulate(network, Inputs(images))
    rates = {}
    for name, spikes in fired.items():
        bits = packed(spikes.swapaxes(0, 1).reshape(len(images), network.timesteps, -1))
        rates[name] = popcount(bits ^ trace.layers[name].bits) / spikes.size
    return rates


def save_test_inputs(dataset: Dataset, count: int, path: str) -> None:
    """Write the first *count* test images as an inputs file."""
    test = dataset.test
    Inputs(test.images[:count], test.labels[:count], name=f"{dataset.name} test images").save(path)


def _chunks(split: Split) -> list[Inputs]:
    firsts = range(0, len(split.labels), CHUNK)
    return [Inputs(split.images[i : i + CHUNK], split.labels[i : i + CHUNK], name="test images") for i in firsts]


def _curve(lines: list[Line]) -> dict[str, dict[str, list[float]]]:
    """Loss and validation accuracy of every epoch, by phase."""
    curve: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        if "epoch" in line:
            phase = curve.setdefault(line["phase"], {"loss": [], "validation_accuracy": []})
            for key, values in phase.items():
                values.append(round(line[key], 4))
    return curve
