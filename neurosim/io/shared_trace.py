"""A spike trace as a folder of plain arrays, which processes of one machine map into memory instead of copying."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from neurosim.errors import FileError
from neurosim.network.network import Network
from neurosim.spikes.trace import LayerTrace, Ragged, SpikeTrace

ABOUT = "trace.json"


def share_trace(trace: SpikeTrace, folder: Path) -> None:
    """Write *trace* without its network; the folder appears whole or not at all, and one that is there already stays."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, array in _arrays(trace).items():
                np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            about = {"state_bits": trace.state_bits, "inputs_name": trace.inputs_name, "network": trace.network.sha256}
            (temporary / ABOUT).write_text(json.dumps(about), encoding="utf-8")
            temporary.chmod(0o755)
            try:
                temporary.rename(folder)
            except OSError:
                # Another process may have been first.
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise FileError(str(folder), [f"cannot be written: {error.strerror or error}"]) from error


def shared_trace(folder: Path, network: Network) -> SpikeTrace:
    """The trace of *network* in a folder, its arrays mapped into memory; raises FileError if it is not what was written."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["network"] != network.sha256:
            raise ValueError("it belongs to another network")
        found = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))}
        layers = {layer.name: _layer(found, number) for number, layer in enumerate(network.layers)}
        bits, name = int(about["state_bits"]), str(about["inputs_name"])
        labels, input_bits, images = (found.get(key) for key in ("labels", "input_bits", "images"))
        payload = _lists(found, "payload")
        steps = layers[network.output.name].bits.shape[1]
        return SpikeTrace(
            network=network.over(steps, payload is not None), layers=layers, outputs=found["outputs"], labels=labels,
            state_bits=bits, inputs_name=name, input_bits=input_bits, images=images, input_payload=payload,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise FileError(str(folder), [f"is damaged ({error}); delete it, and it is made anew"]) from error


def _arrays(trace: SpikeTrace) -> dict[str, np.ndarray]:
    found = {"outputs": trace.outputs, "labels": trace.labels, "input_bits": trace.input_bits, "images": trace.images}
    if trace.input_payload is not None:
        found |= {"payload_start": trace.input_payload.start, "payload": trace.input_payload.item}
    for number, layer in enumerate(trace.network.layers):
        of_layer = trace.layers[layer.name]
        found |= {f"{number}.bits": of_layer.bits, f"{number}.reached": of_layer.reached, f"{number}.peak": of_layer.peak}
        found[f"{number}.changes"] = of_layer.changes
        for key, lists in (("lone", of_layer.lone), ("clipped", of_layer.clipped), ("payload", of_layer.payload)):
            found |= {} if lists is None else {f"{number}.{key}_start": lists.start, f"{number}.{key}": lists.item}
    return {name: array for name, array in found.items() if array is not None}


def _layer(found: dict[str, np.ndarray], number: int) -> LayerTrace:
    lone, clipped = (Ragged(found[f"{number}.{key}_start"], found[f"{number}.{key}"]) for key in ("lone", "clipped"))
    payload = _lists(found, f"{number}.payload")
    bits, reached, peak = (found[f"{number}.{key}"] for key in ("bits", "reached", "peak"))
    return LayerTrace(bits, reached, lone, clipped, peak, changes=found.get(f"{number}.changes"), payload=payload)


def _lists(found: dict[str, np.ndarray], name: str) -> Ragged | None:
    return Ragged(found[f"{name}_start"], found[name]) if name in found else None
