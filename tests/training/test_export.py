"""From PyTorch to the network file: what is folded, what is recorded, and that the reference is the readable twin."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

import neurosim as ns
from neurosim.spikes.verify import verify
from tests.helpers import naive
from tests.helpers.strategies import cases

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.training import export, reference  # noqa: E402
from neurosim.training.architecture import architecture  # noqa: E402
from neurosim.training.augment import Pixels  # noqa: E402
from neurosim.training.balance import balance_thresholds  # noqa: E402
from neurosim.training.datasets import Dataset, Split  # noqa: E402
from neurosim.training.snn import Snn  # noqa: E402
from neurosim.training.weights import Weights  # noqa: E402

STEPS = 4


def coloured(side=16, images=6):
    """A normalised data set of random pictures."""
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (images, 3, side, side)).astype(np.uint8), np.arange(images) % 3)
    names = ("a", "b", "c")
    return Dataset("noise", 3, names, (0.5, 0.4, 0.3), (0.25, 0.2, 0.3), split, split, split)


def spiking(name, pool, amplitude, side=16, width=0.125, start=0.0):
    """A balanced spiking network whose spikes have the value *amplitude* x threshold, or 1, with leaks below 1; neurons begin
    at a share of their threshold."""
    torch.manual_seed(1)
    dataset = coloured(side)
    plan = architecture(name, dataset.shape, dataset.classes, width=width, hidden=() if "res" in name else (8,), pool=pool)
    betas = None if amplitude is None else {s.name: amplitude for s in plan.spiking}
    snn = Snn(Weights(plan), betas=betas, start=start)
    balance_thresholds(snn, Pixels(dataset, "cpu")(dataset.train.images), 99.0, 0.4, 5)
    with torch.no_grad():
        for leak in snn.leaks.values():
            leak.fill_(0.875)
    return snn, dataset


@pytest.mark.parametrize("amplitude", [None, 0.8])
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize(("name", "side"), [("vgg9", 16), ("resnet12", 16), ("resnet12", 80)])
def test_the_exported_network_fires_the_spikes_of_the_trained_one(name, side, pool, amplitude):
    """Pools, shortcuts (direct, pooled, strided) and amplitudes folded; in double precision no spike may differ, so what
    differs in single precision is rounding, and rare."""
    snn, dataset = spiking(name, pool, amplitude, side, start=0.0 if amplitude is None else 0.5)
    snn = export.in_half_precision(snn)
    network = export.float_network(snn, name, STEPS, dataset, {})
    assert all((layer.initial is None) == (amplitude is None) for layer in network.layers if layer.spiking)
    fired = {}
    with torch.no_grad():
        logits = snn(Pixels(dataset, "cpu")(dataset.test.images), STEPS, lambda n, s: fired.setdefault(n, s.numpy() > 0))
    trace = ns.simulate(network, ns.Inputs(dataset.test.images))
    for layer, spikes in fired.items():
        mine = trace.spikes(layer).reshape(len(dataset.test.labels), STEPS, -1)
        theirs = spikes.swapaxes(0, 1).reshape(mine.shape)
        assert (mine != theirs).mean() < 2e-3, layer
    assert sum(int(s.sum()) for s in fired.values()) > 200
    np.testing.assert_allclose(trace.outputs, logits.numpy(), atol=0.05 * float(logits.abs().max()) + 1e-6)


def test_amplitudes_are_folded_into_all_readers():
    """A shortcut read by two layers: both see the amplitude, and spikes stay bits."""
    snn, dataset = spiking("resnet12", "max", 0.5)
    plain, _ = spiking("resnet12", "max", None)
    network, without = (export.float_network(x, "n", STEPS, dataset, {}) for x in (snn, plain))
    amplitude = {name: 0.5 * snn.thresholds[name].item() for name in snn.thresholds}
    for layer in network.layers[1:]:
        factor = np.abs(layer.weight).sum() / np.abs(snn.weights.of[layer.name].detach().numpy()).sum()
        assert factor == pytest.approx(amplitude[layer.inputs[0]], rel=1e-4)
        for shortcut in layer.shortcuts:
            if shortcut.weight is None:
                assert shortcut.scale == pytest.approx(amplitude[shortcut.source], rel=1e-5)
    assert all(s.scale == 1.0 for layer in without.layers for s in layer.shortcuts if s.weight is None)


def test_an_average_pool_is_a_quarter_in_the_weights_and_the_shortcut():
    snn, dataset = spiking("resnet12", "avg", None)
    network = export.float_network(snn, "n", STEPS, dataset, {})
    block = network.layer("res1_1_conv1"), network.layer("res1_1_conv2")
    assert block[0].pool == "sum2" and block[1].pool is None
    folded = snn.weights.of["res1_1_conv1"].detach().numpy() / 4
    np.testing.assert_array_equal(block[0].weight, folded.astype(np.float16).astype(np.float32))
    (shortcut,) = block[1].shortcuts
    assert (shortcut.source, shortcut.pool, shortcut.scale) == ("conv3", "sum2", 0.25)


@pytest.mark.parametrize("amplitude", [None, 0.8])
def test_what_is_measured_is_what_is_written(amplitude):
    """Rounded once, the weights of the file are those of the network in PyTorch to the last bit of single precision."""
    snn, dataset = spiking("resnet12", "avg", amplitude)
    rounded = export.in_half_precision(snn)
    layers = export.float_network(rounded, "n", STEPS, dataset, {}).layers
    assert any((rounded.weights.of[k] != snn.weights.of[k]).any() for k in snn.weights.of)
    for layer in layers:
        written = layer.weight
        assert (written.astype(np.float16) == written).all()
        amplitude_in = 1.0 if amplitude is None or layer.inputs[0] == "input" else snn.amplitude(layer.inputs[0]).item()
        factor = np.float32(amplitude_in) * np.float32(0.25 if layer.pool else 1)
        np.testing.assert_allclose(rounded.weights.of[layer.name].detach().numpy() * factor, written, rtol=3e-7, atol=0)


@settings(max_examples=60)
@given(cases())
def test_the_reference_is_the_readable_twin(case):
    network, inputs = case
    data = inputs.images if inputs.images is not None else inputs.spikes
    recorded = reference.record(network, data)
    for n, sample in enumerate(data):
        fired, potentials, _ = naive.run(network, sample)
        for layer in network.layers:
            assert recorded[layer.name].potentials[n].tolist() == potentials[layer.name]
            if layer.spiking:
                steps = [set(np.flatnonzero(s).tolist()) for s in recorded[layer.name].spikes[n]]
                assert steps == [set(step) for step in fired[layer.name]]


@settings(max_examples=20)
@given(cases())
def test_exported_golden_samples_verify(case):
    network, inputs = case
    data = inputs.images if inputs.images is not None else inputs.spikes
    verdict = verify(export.with_golden(network, data, inputs.labels))
    assert verdict.ok and verdict.probes == len(network.layers)


@pytest.mark.parametrize("bits", [4, 6, 8, 16])
def test_every_width_verifies_and_keeps_what_is_known(bits):
    snn, dataset = spiking("resnet12", "avg", None)
    network = ns.quantize(export.float_network(snn, "n", STEPS, dataset, {"dataset": "noise"}), bits)
    assert all(np.abs(layer.weight).max() < 2 ** (bits - 1) for layer in network.layers)
    assert verify(export.with_golden(network, dataset.test.images, dataset.test.labels)).ok
    described = export.described(network, method="by hand")
    assert described.about["method"] == described.float_twin.about["method"] == "by hand"
    assert dataclasses.replace(described, about=network.about).sha256 == network.sha256
