"""The course of a training run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurosim.errors import NeurosimError
from neurosim.io.hdf5 import replacing

PANELS = {"leaks": "leak", "thresholds": "threshold", "spikes_per_neuron": "spikes per neuron, all steps"}


def plot_training(lines: list[dict[str, Any]], path: Path) -> None:
    """Write a PNG: loss and validation accuracy, then leak, threshold and spike rate of every layer, by epoch.

    lines: those of a training log. Raises NeurosimError if none of them is an epoch.
    """
    from matplotlib.figure import Figure

    epochs = [line for line in lines if "epoch" in line]
    if not epochs:
        raise NeurosimError(f"{path}: there is no epoch to plot yet")
    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    _accuracy(axes[0], epochs)
    for axis, (key, label) in zip(axes[1:], PANELS.items(), strict=True):
        _layers(axis, epochs, key, label)
    axes[-1].legend(fontsize="x-small", ncols=2)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _accuracy(axis: Any, epochs: list[dict[str, Any]]) -> None:
    loss = axis.twinx()
    for phase in dict.fromkeys(line["phase"] for line in epochs):
        at = [i + 1 for i, line in enumerate(epochs) if line["phase"] == phase]
        axis.plot(at, [100 * epochs[i - 1]["validation_accuracy"] for i in at], marker=".", label=phase)
        loss.plot(at, [epochs[i - 1]["loss"] for i in at], linestyle=":", color=axis.lines[-1].get_color())
    axis.set(xlabel="epoch", ylabel="validation accuracy (%)")
    loss.set_ylabel("training loss (dotted)")
    axis.legend(fontsize="x-small")


def _layers(axis: Any, epochs: list[dict[str, Any]], key: str, label: str) -> None:
    spiking = [(i + 1, line[key]) for i, line in enumerate(epochs) if key in line]
    for name in spiking[0][1] if spiking else ():
        axis.plot([i for i, _ in spiking], [values[name] for _, values in spiking], marker=".", label=name)
    axis.set(xlabel="epoch", ylabel=label)
