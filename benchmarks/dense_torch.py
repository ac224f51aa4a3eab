"""The same spiking VGG9 as a dense forward pass in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import neurosim as ns
from benchmarks.measure import Job, interleaved
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.workloads import images, vgg9
from neurosim.network.layers import Layer
from neurosim.network.network import Network


class DenseNetwork:
    """Every neuron and every synapse at every step, float32; V1: leak, integrate, compare, subtract.

    Potentials are whole numbers below 2^24, which float32 holds exactly, so the spikes are those of the integer network.
    """

    def __init__(self, network: Network):
        import torch

        torch.set_num_threads(1)
        self.torch, self.network = torch, network
        self.weights = [torch.from_numpy(layer.weight.astype(np.float32)) for layer in network.layers]

    def __call__(self, pixels: np.ndarray, count: bool = False) -> Any:
        """Output potentials [N, classes] of images [N, C, H, W]; with *count*, the number of spikes is left in `spikes`."""
        torch = self.torch
        with torch.inference_mode():
            images = torch.from_numpy(pixels.astype(np.float32))
            current = self._current(self.network.layers[0], self.weights[0], images)  # the same at every step
            potentials: list[Any] = [torch.zeros(())] * len(self.weights)
            self.spikes = 0
            for _ in range(self.network.timesteps):
                self._step(current, potentials, count)
            return potentials[-1]

    def _step(self, current: Any, potentials: list[Any], count: bool) -> None:
        spikes = None
        for index, (layer, weight) in enumerate(zip(self.network.layers, self.weights, strict=True)):
            if spikes is not None:
                current = self._current(layer, weight, spikes)
            u = self._leaked(layer, potentials[index]) + current
            if layer.spiking:
                spikes = (u > layer.threshold).float()
                u -= layer.threshold * spikes
                self.spikes += int(spikes.sum()) if count else 0
            potentials[index] = u

    def _leaked(self, layer: Layer, u: Any) -> Any:
        if layer.leak is None:
            return u
        k, m = layer.leak  # type: ignore[misc]
        return self.torch.floor(u * (k / 2**m))

    def _current(self, layer: Layer, weight: Any, x: Any) -> Any:
        F = self.torch.nn.functional
        if layer.pool:
            x = F.avg_pool2d(x, 2, divisor_override=1)
        return F.conv2d(x, weight, padding=layer.padding) if isinstance(layer, ns.Conv) else F.linear(x.flatten(1), weight)


def rows(size: Size) -> Iterator[Row]:
    """Images per second of both, and the ratio; above 1 neurosim is faster."""
    try:
        dense = DenseNetwork(vgg9(size.narrower))
    except ImportError as error:
        yield Row.skipped(f"PyTorch is not installed ({error})")
        return
    for batch in size.batches:
        yield from _compared(dense, images(batch), size.repeats)


def _compared(dense: DenseNetwork, inputs: ns.Inputs, repeats: int) -> Iterator[Row]:
    batch = len(inputs)
    jobs = {
        "neurosim": Job(lambda: ns.simulate(dense.network, inputs, workers=1)),
        "torch": Job(lambda: dense(inputs.images)),
    }
    times = interleaved(jobs, repeats)
    ours, theirs = (times.per_second(name, batch) for name in jobs)
    trace = ns.simulate(dense.network, inputs)
    same = np.array_equal(dense(inputs.images, count=True).numpy(), trace.outputs)
    rate = trace.spikes_per_neuron / dense.network.timesteps
    yield Row(f"batch {batch}: neurosim simulate, {rate:.3f} spikes per neuron and step", "images/s", ours)
    yield Row(f"batch {batch}: PyTorch dense float32", "images/s", theirs)
    told = f"VGG9, `simulate`, images/s, batch {batch}, beside a dense float32 forward pass in PyTorch"
    yield Row(f"batch {batch}: neurosim / PyTorch", "ratio", ours / theirs, readme=told)
    yield Row(f"batch {batch}: same output potentials, all of them", "1 = yes", [same])
    fired = sum(trace.spike_counts().values())
    yield Row(f"batch {batch}: difference in number of spikes, of {fired:,}", "", [abs(fired - dense.spikes)])
