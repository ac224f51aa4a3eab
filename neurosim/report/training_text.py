"""Training, conversion and quantisation in words: the lines of a run, and what a network reached."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from neurosim.network.network import Network
from neurosim.outcome.cost_sections import PaperMacs
from neurosim.report.text import heading, table
from neurosim.report.units import si
from neurosim.report.words import papers_energies

ACCURACIES = {
    "ann_accuracy": "ANN", "converted_accuracy": "converted", "snn_float_accuracy": "SNN, float32",
    "snn_int_accuracy": "SNN, integer",
}  # fmt: skip
RECORD = {"weights", "leaks", "thresholds", "spikes_per_neuron", "spikes_per_neuron_by_layer"}
# What is said of the answers of a width, and under float_ of those of the float network.
JUDGED = ("accuracy", "accuracy_interval", "paired")


def training_line(line: dict[str, Any]) -> str:
    """A line of a training run for people."""
    accuracy = f"validation {100 * line['validation_accuracy']:.2f} %" if "validation_accuracy" in line else ""
    rates = line.get("spikes_per_neuron", {})
    parts = [accuracy, f"{sum(rates.values()) / len(rates):.2f} spikes/neuron, mean of layers" if rates else ""]
    if line["phase"] == "start":
        return _heading(line)
    if line["phase"] == "convert":
        first = f"converted, T = {line['timesteps']}"
    else:
        first = f"{line['phase']} {line['epoch']:>3}/{line['of']}"
        parts = [f"loss {line['loss']:.4f}", *parts, f"{line['seconds']:.0f} s"]
    parts += [f"silent: {', '.join(line['silent'])}"] if line.get("silent") else []
    parts += [f"clamped: {', '.join(line['clamped'])}"] if line.get("clamped") else []
    return "   ".join([first, *(p for p in parts if p)])


def _heading(line: dict[str, Any]) -> str:
    stages = " -> ".join(map(str, line["stages"]))
    words = (
        f"{line['arch']}: {line['weights']:,} weights, {line['neurons']:,} spiking neurons, T = {stages}\n"
        f"{line['dataset']}: {line['train']:,} images to train, {line['validation']:,} to choose, {line['test']:,} to test\n"
        f"seed {line['seed']}, {line['device']}, {line['threads']} threads"
    )
    return words + (f"; checkpoints found: {', '.join(line['checkpoints'])}" if line["checkpoints"] else "")


def training_text(report: dict[str, Any]) -> Group:
    """Accuracies on the test images, what was trained, by layer, and the papers' energies."""
    facts = f"{report['weights']:,} weights"
    if "training_seconds" in report:
        facts += f"; training took {report['training_seconds'] / 60:,.0f} min"
    if "float_mismatch_rate" in report:
        worst = max(report["float_mismatch_rate"].values(), default=0.0)
        facts += f"; the simulator's float mode fires differently in at most {100 * worst:.4f} % of a layer's neurons and steps"
    parts: list[RenderableType] = [_accuracies(report), Text(facts), Text(""), _layers(report)]
    parts += _papers_model(report.get("paper"))
    if "network" in report:
        parts += [Text(f"\n{report['network']} is written; next: neurosim verify {report['network']}")]
    return Group(*parts)


def _accuracies(report: dict[str, Any]) -> Table:
    spread = report["seeds"] if report.get("seeds", {}).get("count", 1) > 1 else {}
    rows = table("test images", f"seed {spread['kept']}" if spread else "accuracy", *(["mean of seeds"] if spread else []))
    for key, name in ACCURACIES.items():
        if key not in report:
            continue
        over = [f"{100 * spread[key]['mean']:.2f} ± {100 * spread[key]['std']:.2f} %"] if spread else []
        at = f", T = {report['converted_timesteps']}" if key == "converted_accuracy" else ""
        rows.add_row(name + at, f"{100 * report[key]:.2f} %", *over)
    return rows


def _layers(report: dict[str, Any]) -> Table:
    rows = table("layer", "spikes per neuron, all steps", "leak", "threshold")
    for name, rate in report["spikes_per_neuron_by_layer"].items():
        rows.add_row(name, f"{rate:.3f}", f"{report['leaks'][name]:.4f}", f"{report['thresholds'][name]:.4f}")
    rows.add_row("all", f"{report['spikes_per_neuron']:.3f}", "", "")
    return rows


def _papers_model(model: dict[str, Any] | None) -> list[RenderableType]:
    if model is None:
        return []
    rows = table("papers' model, compute per image", "ANN", "SNN", "ANN / SNN")
    fp32, int32 = (PaperMacs.model_validate(found["conv1_mac"]) for found in (model, model["int32"]))
    for name, theirs, ours in papers_energies(fp32, int32):
        rows.add_row(name, si(theirs, "J"), si(ours, "J"), f"{theirs / ours:.2f}" if ours else "-")
    return [Text(""), rows]


def record_text(network: Network) -> list[RenderableType]:
    """What the training that made a network reached, if its file says so."""
    report = network.about.get("report")
    if not isinstance(report, dict) or RECORD - set(report):
        return []
    rates = report["spikes_per_neuron_by_layer"]
    in_order = {layer.name: rates[layer.name] for layer in network.layers if layer.name in rates}
    text = training_text(report | {"spikes_per_neuron_by_layer": in_order})
    return [heading(f"Training: {network.about.get('method', '')}"), text]


def quantization_text(found: dict[str, Any]) -> Group:
    """What `quantize` wrote, and the accuracy of each width."""
    parts: list[RenderableType] = []
    if found["network"] is not None:
        golden = "with golden samples" if found["golden"] else "no golden samples, so verify has nothing to check"
        parts.append(Text(f"{found['network']}: {found['bits']}-bit weights, {golden}"))
        if (answers := found["answers"]) is not None:
            same = f"{answers['same_class']} of {answers['samples']} golden samples"
            parts.append(
                Text(f"the integers answer with the class that was answered before in {same}; verify holds them to their own")
            )
    if found["accuracy"] is not None:
        head = f"accuracy on {found['samples']:,} samples"
        rows = table("weights", head, "95 % interval", f"less that of {found['bits']} bits, on the same samples")
        for width in found["widths"]:
            rows.add_row(f"{width['bits']} bits", *_accuracy(width))
        rows.add_row("float32", *_accuracy({name: found[f"float_{name}"] for name in JUDGED}))
        parts.append(rows)
    return Group(*parts)


def _accuracy(found: dict[str, Any]) -> list[str]:
    """With its interval, and the difference to the first width."""
    (low, high), paired = found["accuracy_interval"], found["paired"]
    cells = [f"{100 * found['accuracy']:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %"]
    if paired is None:
        return [*cells, ""]
    apart = "" if paired["told_apart"] else ", not told apart"
    return [*cells, f"{100 * paired['mean']:+.2f} ({100 * paired['low']:+.2f} to {100 * paired['high']:+.2f}) points{apart}"]
