"""Small networks, inputs and files for the tests of files, commands and bad input."""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from typing import NamedTuple
from unittest import mock

import numpy as np

import neurosim as ns
from neurosim.cli import main
from neurosim.network.golden import Golden, LayerRecording
from neurosim.network.layers import INPUT
from tests.helpers import naive

DTYPE = np.int32


def weights(rng, *shape):
    """8-bit weights, mostly positive, so that every layer fires and keeps potentials of many sizes."""
    return np.clip(rng.normal(25, 45, shape).round(), -127, 127).astype(np.int64)


def residual(encoding="direct", seed=1, **head):
    """Every kind of layer, both pools (max only on spikes), both shortcuts, a stride and leaks; 6x6 inputs, three classes."""
    rng = np.random.default_rng(seed)
    pool = "max2" if encoding == "spikes" else None
    layers = [
        ns.Conv("conv1", weights(rng, 3, 2, 3, 3), threshold=190 if pool else 900, leak=(15, 4), padding=1),
        ns.Conv("conv2", weights(rng, 3, 3, 3, 3), threshold=300, leak=(200, 8), padding=1, pool="max2" if pool else "sum2"),
        ns.Conv(
            "conv3", weights(rng, 3, 3, 3, 3), threshold=350, padding=1,
            shortcuts=[ns.Shortcut("conv2", scale=64), ns.Shortcut("conv1", weights(rng, 3, 3, 1, 1), stride=2)],
        ),
        ns.Dense("fc1", weights(rng, 8, 3), threshold=90, leak=(3, 2), pool="sum2"),
        ns.Output("out", weights(rng, 3, 8)),
    ]  # fmt: skip
    return ns.Network.build(
        "residual", timesteps=4, input_shape=(2, 6, 6), encoding=encoding, layers=layers,
        about={"dataset": "random", "made_by": "tests"}, **head,
    )  # fmt: skip


def pooled_block(encoding="direct", seed=6):
    """Shortcuts over pooled maps: identity and weighted, of both pools, one beside a main input; 6x6 inputs, three classes."""
    rng = np.random.default_rng(seed)
    pair = [ns.Shortcut("conv1", scale=64, pool="max2"), ns.Shortcut("conv1", weights(rng, 3, 3, 1, 1), pool="sum2")]
    other = [
        ns.Shortcut("conv1", scale=30, pool="sum2"),
        ns.Shortcut("conv1", weights(rng, 3, 3, 3, 3), padding=1, pool="max2"),
    ]
    layers = [
        ns.Conv("conv1", weights(rng, 3, 2, 3, 3), threshold=900 if encoding == "direct" else 190, leak=(15, 4), padding=1),
        ns.Conv("conv2", weights(rng, 3, 3, 3, 3), threshold=450, padding=1, pool="max2", shortcuts=pair),
        ns.Conv("conv3", weights(rng, 3, 3, 3, 3), threshold=450, leak=(3, 2), padding=1, shortcuts=other),
        ns.Output("out", weights(rng, 3, 27)),
    ]
    return ns.Network.build("pooled block", timesteps=4, input_shape=(2, 6, 6), encoding=encoding, layers=layers)


def chain(size=2):
    """Three layers of one shape in a row, so that any of them could be left out unnoticed."""
    rng = np.random.default_rng(5)
    middle = [ns.Conv(f"conv{i}", weights(rng, 2, 2, 3, 3), threshold=150, padding=1) for i in (1, 2, 3)]
    return ns.Network.build(
        "chain", timesteps=3, input_shape=(2, size, size), layers=[*middle, ns.Output("out", weights(rng, 3, 2 * size * size))]
    )


def floating(encoding="direct", compare=">", reset="subtract", identity=False, seed=2, **head):
    """A float network with a pool, shortcuts and leaks."""
    rng = np.random.default_rng(seed)

    def w(*shape):
        return rng.normal(0.1, 0.3, shape).astype(np.float32)

    layers = [
        ns.Conv("conv1", w(3, 2, 3, 3), threshold=0.7, leak=0.9, padding=1),
        ns.Conv("conv2", w(3, 3, 3, 3), threshold=0.8, leak=0.75, padding=1, pool="sum2"),
        ns.Conv(
            "conv3", w(3, 3, 3, 3), threshold=1.1, padding=1,
            shortcuts=[ns.Shortcut("conv2")] * identity + [ns.Shortcut("conv1", w(3, 3, 1, 1), stride=2)],
        ),
        ns.Dense("fc1", w(8, 27), threshold=0.6, leak=0.5),
        ns.Output("out", w(3, 8)),
    ]  # fmt: skip
    return ns.Network.build(
        "floating", timesteps=4, input_shape=(2, 6, 6), encoding=encoding, compare=compare, reset=reset, layers=layers, **head
    )


def inputs(network, count=3, seed=3):
    """Random images with labels, or random spikes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, network.classes, count)
    if network.input.encoding == "spikes":
        spikes = rng.random((count, network.timesteps, *network.input.shape)) < 0.4
        return ns.Inputs.from_spikes(spikes, labels, "random spikes")
    largest = 4 if network.integer and network.input.mean is None else 256
    images = rng.integers(0, largest, (count, *network.input.shape)).astype(np.uint8)
    return ns.Inputs(images, labels, name="random images")


def golden(network, count=2, seed=4):
    """*network* with what `naive` says it does on random samples and on dense probes of each layer."""
    samples = inputs(network, count, seed)
    data = samples.images if samples.images is not None else samples.spikes
    runs = [naive.run(network, sample) for sample in data]
    recorded = {
        layer.name: _recording(layer, [r[0][layer.name] for r in runs], [r[1][layer.name] for r in runs])
        for layer in network.layers
    }
    rng = np.random.default_rng(seed)
    stimuli = {layer.name: _stimuli(network, layer, rng) for layer in network.layers}
    probes = {layer.name: _driven(network, layer, stimuli[layer.name]) for layer in network.layers}
    return network.with_golden(Golden(data, samples.labels, recorded, stimuli, probes))


def _stimuli(network, layer, rng):
    """Every input at least once: spikes of all in the first step, or an image without a dark pixel."""
    found = {}
    for source in dict.fromkeys(layer.sources):
        shape = network.shape_of(source)
        if source == INPUT and network.input.encoding == "direct":
            found[source] = rng.integers(1, 6, (1, *shape)).astype(np.uint8)
            continue
        spikes = rng.random((1, network.timesteps, int(np.prod(shape)))) < 0.5
        spikes[:, 0] = True
        found[source] = spikes
    return found


def _driven(network, layer, stimuli):
    population = naive.Population(network, layer)
    fired, potentials = [], []
    for t in range(network.timesteps):
        values = {s: d.ravel() if d.ndim == 4 else d[0, t].astype(int) for s, d in stimuli.items()}
        step = population.step([{i: int(v) for i, v in enumerate(values[s]) if v} for s in layer.sources])
        fired.append(step)
        potentials.append(list(population.u))
    return _recording(layer, [fired], [potentials])


def _recording(layer, fired, potentials):
    spikes = None
    if layer.spiking:
        spikes = np.zeros((len(fired), len(fired[0]), layer.neurons), bool)
        for n, steps in enumerate(fired):
            for t, neurons in enumerate(steps):
                spikes[n, t, sorted(neurons)] = True
    return LayerRecording(spikes, np.array(potentials, DTYPE))


def with_layer(network, name, **changes):
    """The same network and golden samples, one layer changed."""
    layers = [replace(x, **changes) if x.name == name else x for x in network.layers]
    spec = network.input
    built = ns.Network.build(
        network.name, timesteps=network.timesteps, input_shape=spec.shape, encoding=spec.encoding, mean=spec.mean, std=spec.std,
        input_scale=spec.scale, reset=network.reset, compare=network.compare, about=network.about, layers=layers,
    )  # fmt: skip
    return built.with_golden(network.golden)


def forked(function):
    """Exit status of a copy of this process that calls *function*: 0 if it returns, negative if a signal ends it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def call(*arguments):
    """Run ``neurosim ARGUMENTS`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with mock.patch.object(sys, "argv", ["neurosim", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code or 0
    return Outcome(code, out.getvalue(), err.getvalue())


def refused(*arguments, code=2, says=()):
    """The outcome of a command that must be refused: a readable message on stderr that holds all of *says*, nothing else."""
    found = call(*arguments)
    assert found.code == code, found
    assert found.out == ""
    assert "Traceback" not in found.err
    assert "internal error" not in found.err, found.err
    message = " ".join(found.err.replace("│", " ").split())
    assert message
    for text in [says] if isinstance(says, str) else says:
        assert " ".join(str(text).split()) in message, (text, found.err)
    return found


def only_json(text):
    """The one JSON document that *text* is."""
    value, end = json.JSONDecoder().raw_decode(text)
    assert text[end:].strip() == ""
    return value
