"""The spike trace: which neuron fired at which step, for every image. No chip is involved."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from neurosim import saving
from neurosim.bits import popcount, unpacked
from neurosim.errors import NetworkError, TraceError
from neurosim.network.inputs import Shown, frame_type, shown_sha256, slices
from neurosim.network.layers import INPUT
from neurosim.network.network import Network


class Ragged(NamedTuple):
    """Lists by image and step: those of image n and step t are item[start[n*T+t]:start[n*T+t+1]]."""

    start: np.ndarray  # int64 [N*T + 1]
    item: np.ndarray  # int32, neurons flattened as C, H, W; or numbers of another type

    @property
    def counts(self) -> np.ndarray:
        """int64 [N*T]."""
        return np.diff(self.start)

    def part(self, first: int, end: int) -> Ragged:
        """The lists of rows *first* to *end* - 1."""
        start = self.start[first : end + 1]
        return Ragged(start - start[0], self.item[int(start[0]) : int(start[-1])])

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Ragged:
        start = np.concatenate([[0], np.cumsum(np.concatenate([p.counts for p in parts]))])
        return cls(start.astype(np.int64), np.concatenate([p.item for p in parts]))


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one population did.

    bits: uint8 [N, T, ceil(neurons / 8)], spikes, least significant bit first, neurons flattened as C, H, W (empty for the
    output layer). reached: uint8 [N, T, ceil(sites / 8)], sites where a weight row arrived. lone: neurons that have to be
    visited although no weight row arrived at their site: still above threshold after a reset, or reached by an identity
    shortcut. clipped: neurons whose potential exceeded the state width. peak: [N, 2], lowest and highest potential of each
    image before clipping. potentials: [N, T, neurons] after the reset of each step, or None. changes: int64 [N, T], neurons
    whose potential differs from that after the step before (after the first, from 0), or None. payload: of a layer whose
    spikes are graded, int64 or float32, how many thresholds each crossed, in the order of the bits; else None.
    """

    bits: np.ndarray
    reached: np.ndarray
    lone: Ragged
    clipped: Ragged
    peak: np.ndarray
    potentials: np.ndarray | None = None
    changes: np.ndarray | None = None
    payload: Ragged | None = None

    def sent(self, neurons: int) -> np.ndarray:
        """[N, T, neurons]: bool, or the payloads of graded spikes and 0 elsewhere."""
        return sent(self.bits, self.payload, neurons)

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        lists = [*self.lone, *self.clipped, *(self.payload or ())]
        arrays = (self.bits, self.reached, *lists, self.peak, self.potentials, self.changes)
        return sum(array.nbytes for array in arrays if array is not None)

    def part(self, first: int, end: int) -> LayerTrace:
        """Samples *first* to *end* - 1."""
        images, steps = slice(first, end), self.bits.shape[1]
        potentials, changes = (None if a is None else a[images] for a in (self.potentials, self.changes))
        lone, clipped = (lists.part(first * steps, end * steps) for lists in (self.lone, self.clipped))
        payload = self.payload and self.payload.part(first * steps, end * steps)
        return LayerTrace(
            bits=self.bits[images], reached=self.reached[images], lone=lone, clipped=clipped, peak=self.peak[images],
            potentials=potentials, changes=changes, payload=payload,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[LayerTrace]) -> LayerTrace:
        """Samples after samples."""
        columns = {name: concatenated([getattr(p, name) for p in parts]) for name in ("bits", "reached", "peak")}
        potentials, changes = (concatenated([getattr(p, name) for p in parts]) for name in ("potentials", "changes"))
        lone, clipped = Ragged.joined([p.lone for p in parts]), Ragged.joined([p.clipped for p in parts])
        payload = _joined([p.payload for p in parts])
        return LayerTrace(**columns, lone=lone, clipped=clipped, potentials=potentials, changes=changes, payload=payload)


@dataclass(frozen=True, eq=False)
class SpikeTrace:
    """A simulated network: spikes, visits and what it answers. *outputs*: [N, classes], what is compared between classes, see
    `Network.decoding`. *input_payload*: the values of inputs that are more than 0 and 1, in the order of *input_bits*.

    What has a row per sample may also stay in a file, which is read slice by slice: only slices along the first axis are taken
    of it here and by whoever must not need more memory for more samples.
    """

    network: Network
    layers: dict[str, LayerTrace]
    outputs: np.ndarray
    labels: np.ndarray | None
    state_bits: int
    inputs_name: str = "inputs"
    input_bits: np.ndarray | None = None  # uint8 [N, T, ceil(neurons / 8)], for a network that takes spikes
    images: np.ndarray | None = None  # [N, C, H, W] as given, for a network that takes images
    input_payload: Ragged | None = None

    def __len__(self) -> int:
        return len(self.outputs)

    def __repr__(self) -> str:
        return f"<SpikeTrace of {self.network.name!r}: {len(self)} samples, {self.timesteps} steps>"

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        shown = (self.outputs, self.labels, self.input_bits, self.images, *(self.input_payload or ()))
        return sum(array.nbytes for array in (*shown, *self.layers.values()) if array is not None)

    @property
    def timesteps(self) -> int:
        return self.network.timesteps

    @property
    def predictions(self) -> np.ndarray:
        """int64 [N]: index of the largest output potential, the lowest index on ties."""
        found: np.ndarray = self.outputs.argmax(1)
        return found

    @property
    def accuracy(self) -> float | None:
        return None if self.labels is None else float((self.predictions == self.labels).mean())

    def head(self, images: int) -> SpikeTrace:
        """The trace of the first *images* samples."""
        self.check_holds(images)
        return self.part(0, images)

    def check_holds(self, images: int) -> None:
        """Raise TraceError if there are not so many *images*."""
        if not 1 <= images <= len(self):
            raise TraceError("spike trace", [f"it holds {len(self)} samples, not {images}"])

    def sample(self, number: int) -> SpikeTrace:
        """The trace of one sample, counted from 0."""
        if not 0 <= number < len(self):
            problem = f"it holds {len(self)} samples, counted from 0; there is no sample {number}"
            raise TraceError("spike trace", [problem])
        return self.part(number, number + 1)

    def part(self, first: int, end: int) -> SpikeTrace:
        """The trace of samples *first* to *end* - 1, in memory."""
        layers = {name: layer.part(first, end) for name, layer in self.layers.items()}
        given = (self.labels, self.input_bits, self.images)
        labels, bits, shown = (None if a is None else a[first:end] for a in given)
        payload = self.input_payload and self.input_payload.part(first * self.timesteps, end * self.timesteps)
        return SpikeTrace(
            network=self.network, layers=layers, outputs=self.outputs[first:end], labels=labels, state_bits=self.state_bits,
            inputs_name=self.inputs_name, input_bits=bits, images=shown, input_payload=payload,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[SpikeTrace]) -> SpikeTrace:
        """The trace of the samples of all *parts*, which are of one network."""
        first = parts[0]
        names = ("outputs", "labels", "input_bits", "images")
        columns = {name: concatenated([getattr(p, name) for p in parts]) for name in names}
        layers = {name: LayerTrace.joined([p.layers[name] for p in parts]) for name in first.layers}
        return SpikeTrace(
            network=first.network, layers=layers, state_bits=first.state_bits, inputs_name=first.inputs_name,
            input_payload=_joined([p.input_payload for p in parts]), **columns,
        )  # fmt: skip

    def bits_of(self, source: str) -> np.ndarray:
        """Packed spikes of a layer or of the input."""
        bits = self.input_bits if source == INPUT else self.layers[source].bits
        if bits is None:
            raise NetworkError(f"network {self.network.name!r}", ["its input is an image, not spikes"])
        return bits

    def payload_of(self, source: str) -> Ragged | None:
        """The values that the spikes of a layer or of the input carry; None where they carry none."""
        return self.input_payload if source == INPUT else self.layers[source].payload

    def spikes(self, name: str) -> np.ndarray:
        """bool [N, T, C, H, W], or [N, T, neurons] for a dense layer."""
        return self._by_neuron(name, None)

    def values(self, name: str) -> np.ndarray:
        """As `spikes`, int64 or float32: the values that graded spikes or frames carry, and 0 elsewhere."""
        found = self._by_neuron(name, self.payload_of(name))
        return found.astype(np.int64) if found.dtype == bool else found

    def _by_neuron(self, name: str, payload: Ragged | None) -> np.ndarray:
        if name != INPUT and not self.network.layer(name).spiking:
            raise NetworkError(f"layer {name!r}", ["the output layer never fires; see outputs"])
        shape = self.network.shape_of(name)
        dense = name != INPUT and self.network.layer(name).kind == "dense"
        flat = sent(self.bits_of(name), payload, int(np.prod(shape)))
        return flat if dense else flat.reshape(*flat.shape[:2], *shape)

    def potentials(self, name: str) -> np.ndarray:
        """[N, T, neurons] after the reset of each step, if they were recorded."""
        self.network.layer(name)
        found = self.layers[name].potentials
        if found is None:
            raise NetworkError(f"layer {name!r}", ["potentials were not recorded; simulate(..., record_potentials=True)"])
        return found

    @cached_property
    def spikes_per_step(self) -> dict[str, np.ndarray]:
        """int64 [T]: spikes of every spiking layer and of an input of spikes, summed over images."""
        sources = [layer.name for layer in self.network.layers if layer.spiking]
        return {name: _per_step(self.bits_of(name)) for name in [*sources, *[INPUT] * (self.input_bits is not None)]}

    def spike_counts(self) -> dict[str, int]:
        """Spikes of every spiking layer, summed over images and steps."""
        return {name: int(spikes.sum()) for name, spikes in self.spikes_per_step.items() if name != INPUT}

    @property
    def rates(self) -> dict[str, float]:
        """Spikes per neuron over all steps of an image, of every spiking layer and of an input of spikes."""
        neurons = {name: int(np.prod(self.network.shape_of(name))) * len(self) for name in self.spikes_per_step}
        return {name: int(spikes.sum()) / neurons[name] for name, spikes in self.spikes_per_step.items()}

    @property
    def spikes_per_neuron(self) -> float:
        """Mean spikes of a spiking neuron over all steps of an image."""
        neurons = sum(layer.neurons for layer in self.network.layers if layer.spiking)
        return sum(self.spike_counts().values()) / (neurons * len(self)) if neurons else 0.0

    @cached_property
    def inputs_sha256(self) -> str | None:
        """Hash of what was shown, that of the inputs (`Inputs.sha256`); None where the trace does not hold it."""
        bits, shape = self.input_bits, (len(self), self.timesteps, *self.network.input.shape)
        if bits is None and self.images is None:
            return None
        neurons = math.prod(self.network.input.shape)
        labels = None if self.labels is None else self.labels.astype(np.int64)
        if self.input_payload is not None and bits is not None:
            frames = sent(bits[:], self.input_payload, neurons).astype(frame_type(self.input_payload.item))
            return shown_sha256(None, None, Shown.whole(labels), Shown.whole(frames.reshape(shape)))
        spikes = None if bits is None else Shown(np.dtype(bool), shape, (unpacked(part, neurons) for part in slices(bits)))
        return shown_sha256(Shown.whole(self.images), spikes, Shown.whole(labels))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace file (HDF5, see README)."""
        saving.save(self, path)


def sent(bits: np.ndarray, payload: Ragged | None, neurons: int) -> np.ndarray:
    """[N, T, neurons] of packed *bits*: bool, or the values that they carry and 0 elsewhere."""
    fired = unpacked(bits, neurons)
    if payload is None:
        return fired
    found = np.zeros(fired.shape, payload.item.dtype)
    found[fired] = payload.item[:]
    return found


def _joined(parts: Sequence[Ragged | None]) -> Ragged | None:
    """Lists after lists; None where there are none."""
    return None if parts[0] is None else Ragged.joined([part for part in parts if part is not None])


def concatenated(parts: Sequence[np.ndarray | None]) -> Any:
    """Parts after parts; None where they are none."""
    return None if parts[0] is None else np.concatenate([part for part in parts if part is not None])


def _per_step(bits: np.ndarray) -> np.ndarray:
    found = np.zeros(bits.shape[1], np.int64)
    for part in slices(bits):
        found += np.bitwise_count(part).sum((0, 2), dtype=np.int64)
    return found


def mismatches(one: SpikeTrace, other: SpikeTrace) -> dict[str, float]:
    """Share of (neuron, step) pairs of every spiking layer in which two traces of the same inputs differ."""
    return {
        layer.name: popcount(one.layers[layer.name].bits ^ other.layers[layer.name].bits)
        / (layer.neurons * len(one) * one.timesteps)
        for layer in one.network.layers
        if layer.spiking
    }
