"""SANA-FE 2.2.9 on the same network and the same input spikes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import neurosim as ns
from benchmarks.machine import memory
from benchmarks.measure import Job, interleaved, quiet
from benchmarks.row import Row
from benchmarks.size import Size
from benchmarks.vgg import large_chip
from benchmarks.workloads import STEPS, dense, images, spike_inputs, vgg9
from neurosim.network.layers import Layer
from neurosim.network.network import Network

VERSION = "2.2.9"
# It truncates potentials to 1/64 at every step; scaling weights and thresholds makes that too small to matter.
SCALE = 2.0**12
NEVER = 1e12
FLOAT_LEAK = 0.9


THEIRS = f"synaptic events/s with all counts beside SANA-FE {VERSION}"


class MissingError(Exception):
    """SANA-FE cannot be had; the message says why."""


def sanafe() -> Any:
    """The module, from a folder of its own under the cache, where pip puts it the first time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "neurosim-benchmarks", f"sanafe-{VERSION}")
    if not (folder / "sanafe").exists():
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(folder), f"sanafe=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise MissingError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
    sys.path.append(str(folder))  # last: the wheel also brings top-level folders named docs, scripts, src and tests
    try:
        return importlib.import_module("sanafe")
    except ImportError as error:
        raise MissingError(str(error)) from error


class Peer:
    """A dense network on SANA-FE's Loihi, one core per layer; keeps what each stage took."""

    def __init__(self, network: Network, log: bool = True):
        self.module, self.network, self.log = sanafe(), network, log
        self.seconds: dict[str, float] = {}
        self.bytes: dict[str, int] = {}
        arch = self._stage("architecture", self.module.load_loihi)
        net = self._stage("network", lambda: self._network(arch))
        self.chip = self._stage("chip", lambda: self.module.SpikingChip(arch))
        self._stage("load", lambda: self.chip.load(net))
        self.inputs = list(self.chip.mapped_neuron_groups["input"])

    def _stage(self, name: str, make: Callable[[], Any]) -> Any:
        start, before = time.perf_counter(), memory()
        made = make()
        self.seconds[name], self.bytes[name] = time.perf_counter() - start, memory() - before
        return made

    def _network(self, arch: Any) -> Any:
        net = self.module.Network()
        before = net.create_neuron_group("input", self.network.input.shape[0], log_spikes=self.log)
        for index, neuron in enumerate(before):
            neuron.set_attributes(soma_hw_name=f"loihi_inputs[{index}]", log_spikes=self.log)
        cores = iter(arch.tiles[0].cores)
        before.map_to_core(next(cores))
        for layer in self.network.layers:
            group = self._group(net, layer)
            weight = layer.weight.T.astype(np.float64) * SCALE
            before.connect_neurons_dense(group, {"weight": np.ascontiguousarray(weight).ravel()})
            group.map_to_core(next(cores))
            before = group
        return net

    def _group(self, net: Any, layer: Layer) -> Any:
        threshold = layer.threshold * SCALE if layer.spiking else NEVER
        leak = 1.0 if layer.leak is None else layer.leak
        return net.create_neuron_group(
            layer.name, layer.neurons, log_spikes=self.log, soma_hw_name="loihi_lif",
            default_synapse_hw_name="loihi_dense_synapse",
            model_attributes={"threshold": threshold, "leak_decay": leak, "reset_mode": "soft"},
        )  # fmt: skip

    def feed(self, spikes: np.ndarray) -> None:
        """Clear the state and set the input spikes [T, neurons]."""
        self.chip.reset()
        # As model attributes: what is given as soma_attributes reaches the dendrite, and vanishes without a word.
        for neuron, train in zip(self.inputs, spikes.T.astype(int).tolist(), strict=True):
            neuron.set_attributes(model_attributes={"spikes": train})

    def run(self, steps: int, timing: str = "simple", **traces: Any) -> Any:
        return self.chip.sim(steps, timing_model=timing, processing_threads=1, **traces)

    def events(self, spikes: np.ndarray) -> int:
        """Synaptic events, by its own count, from spikes [T, neurons]."""
        self.feed(spikes)
        return self.run(len(spikes))["spikes"]

    def fired(self, spikes: np.ndarray) -> dict[str, np.ndarray]:
        """bool [T, neurons] of each spiking layer, the delay of one step per layer taken out."""
        self.feed(spikes)
        lag = {layer.name: index + 1 for index, layer in enumerate(self.network.layers) if layer.spiking}
        trace = self.run(len(spikes) + len(lag), spike_trace=True)["spike_trace"]
        found = {name: np.zeros((len(spikes) + len(lag), self.network.layer(name).neurons), bool) for name in lag}
        for step, fired in enumerate(trace):
            for address in fired:
                if address.group_name in found:
                    found[address.group_name][step, address.neuron_offset] = True
        return {name: bits[lag[name] : lag[name] + len(spikes)] for name, bits in found.items()}


def leaking(whole: Network) -> Network:
    """The same as float32, with a leak."""
    floats: list[Layer] = [
        ns.Dense(layer.name, layer.weight.astype(np.float32), layer.threshold, FLOAT_LEAK)
        for layer in whole.layers[:-1]
    ]  # fmt: skip
    floats.append(ns.Output("out", whole.layers[-1].weight.astype(np.float32)))
    spec = {"timesteps": STEPS, "input_shape": whole.input.shape, "encoding": "spikes"}
    return Network.build("dense float", layers=floats, **spec)


def chip(network: Network) -> ns.Chip:
    """mesh45; its 64 cores do not hold the float32 weights, 100 do."""
    preset = ns.load_chip("mesh45")
    return preset if network.integer else preset.replace("mesh.width", 10).replace("mesh.height", 10)


def rows(size: Size) -> Iterator[Row]:
    """Synaptic events per second of wall time; each program's own count of events over its own time."""
    exact = dense(size.dense)
    try:
        with quiet():
            peer = Peer(exact)
    except MissingError as error:
        yield Row.skipped(f"SANA-FE cannot be installed: {error}")
        return
    yield from _built(peer)
    yield from _compared("int8", peer, size)
    yield from _larger(peer, size)
    with quiet():
        peer = Peer(leaking(exact))
    yield from _compared(f"float32, leak {FLOAT_LEAK}", peer, size)


def _built(peer: Peer) -> Iterator[Row]:
    """What comes before the first simulated step, once each."""
    start = time.perf_counter()
    mapping = ns.map_network(peer.network, chip(peer.network))
    assert mapping.fanouts
    yield Row("neurosim: load chip, map", "s", [time.perf_counter() - start])
    for stage, seconds in peer.seconds.items():
        yield Row(f"SANA-FE: {stage}", "s", [seconds])
    n = peer.network.synapses
    yield Row("SANA-FE: network + load, per synapse", "us", [1e6 * (peer.seconds["network"] + peer.seconds["load"]) / n])
    yield Row("SANA-FE: memory per synapse, network + load", "B", [(peer.bytes["network"] + peer.bytes["load"]) / n])


def both(samples: ns.Inputs, mapping: ns.Mapping) -> ns.Result:
    """Function, counts, energy and analytic time, in one thread."""
    return ns.evaluate(ns.simulate(mapping.network, samples, workers=1), mapping, timing="analytic", workers=1)


def _compared(label: str, peer: Peer, size: Size) -> Iterator[Row]:
    inputs = spike_inputs(size.samples, size.dense[0])
    trains = inputs.spikes.reshape(size.samples, STEPS, -1)
    mapping = ns.map_network(peer.network, chip(peer.network))
    jobs = {
        "many": Job(lambda: both(inputs, mapping)),
        "function": Job(lambda: ns.simulate(peer.network, inputs, workers=1)),
        "one": Job(lambda: both(inputs[:1], mapping)),
    }
    for timing in ("simple", "detailed"):
        jobs[timing] = Job(lambda timing=timing: peer.run(STEPS, timing), lambda: peer.feed(trains[0]))
    with quiet():
        times = interleaved(jobs, size.repeats)
        theirs = peer.events(trains[0])
        differing = _differing(peer, both(inputs[:1], mapping).trace, trains[0])
    many, one = (both(samples, mapping).counts["synaptic_events"] for samples in (inputs, inputs[:1]))
    events = {"many": many, "function": many, "one": one, "simple": theirs, "detailed": theirs}
    speed = {name: times.per_second(name, count) for name, count in events.items()}
    yield from _rates(label, speed, size.samples)
    yield Row(f"{label}: spikes that differ, of {differing[1]}", "", [differing[0]])


def _rates(label: str, speed: dict[str, np.ndarray], samples: int) -> Iterator[Row]:
    names = {
        "many": f"neurosim simulate + evaluate, {samples} samples", "function": f"neurosim simulate, {samples} samples",
        "one": "neurosim simulate + evaluate, 1 sample", "simple": "SANA-FE sim, timing simple",
        "detailed": "SANA-FE sim, timing detailed",
    }  # fmt: skip
    for key, name in names.items():
        yield Row(f"{label}: {name}", "M events/s", speed[key] / 1e6)
    ratio = {name: found / speed["simple"] for name, found in speed.items()}
    least, told = (250, f"{THEIRS}, same network and spikes, {samples} samples") if label == "int8" else (None, None)
    yield Row(f"{label}: simulate + evaluate, {samples} samples / SANA-FE", "ratio", ratio["many"], least, readme=told)
    yield Row(f"{label}: simulate, {samples} samples / SANA-FE", "ratio", ratio["function"])
    yield Row(f"{label}: simulate + evaluate, 1 sample / SANA-FE", "ratio", ratio["one"])


def _larger(peer: Peer, size: Size) -> Iterator[Row]:
    """VGG9, which SANA-FE does not hold, beside its rate on the network that it does."""
    inputs, train = images(size.images), spike_inputs(1, size.dense[0]).spikes.reshape(STEPS, -1)
    mapping = ns.map_network(vgg9(size.narrower), large_chip())
    jobs = {"vgg": Job(lambda: both(inputs, mapping)), "simple": Job(lambda: peer.run(STEPS), lambda: peer.feed(train))}
    with quiet():
        times = interleaved(jobs, size.repeats)
        theirs = times.per_second("simple", peer.events(train))
    ours = times.per_second("vgg", both(inputs, mapping).counts["synaptic_events"])
    told = f"{THEIRS} on the network before: VGG9, {size.images} images"
    yield Row("VGG9: simulate + evaluate / SANA-FE on its network", "ratio", ours / theirs, at_least=1100, readme=told)


def _differing(peer: Peer, trace: ns.SpikeTrace, train: np.ndarray) -> tuple[int, int]:
    """(neuron, step) pairs in which the two disagree, and spikes of neurosim."""
    fired = peer.fired(train)
    ours = {name: trace.spikes(name)[0] for name in fired}
    return sum(int((ours[n] != fired[n]).sum()) for n in fired), sum(int(bits.sum()) for bits in ours.values())
