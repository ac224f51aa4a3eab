"""The network and images that ship: trained, exact, and what the README says."""

import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim import cli
from neurosim.spikes.verify import verify

ROOT = Path(__file__).parents[1]
NETWORK, IMAGES = ROOT / "models" / "mnist_vgg_t5.h5", ROOT / "traces" / "mnist_test_1000.h5"
SHIPPED = sorted((ROOT / "models").glob("*.h5"))
# What a spiking network should lose of its ANN's accuracy at most.
GOALS = {
    "mnist_vgg_t5": 0.002, "cifar10_vgg9_t5": 0.015, "cifar10_vgg16_t5": 0.015, "cifar10_resnet20_t5": 0.02,
    "cifar10_vgg16_t2": 0.03,
}  # fmt: skip


def images_of(path):
    return ns.load_inputs(ROOT / "traces" / f"{path.name.split('_')[0]}_test_1000.h5")


@pytest.fixture(scope="module")
def network():
    return ns.load_network(NETWORK)


@pytest.fixture(scope="module")
def trace(network):
    return ns.simulate(network, ns.load_inputs(IMAGES))


def test_it_is_the_network_that_was_promised(network, trace):
    assert network.timesteps == 5 and network.synapses < 300_000
    assert all(layer.weight.dtype == np.int8 for layer in network.layers)
    assert len(trace) == 1000 and trace.accuracy > 0.985
    assert trace.spikes_per_neuron < 0.3
    assert network.about["accuracy_reference"] >= 0.989


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_network_verifies(path):
    network = ns.load_network(path)
    verdict = verify(network)
    assert verdict.ok and verdict.samples == 5 and verdict.probes == len(network.layers)
    assert all(rate < 0.05 for rate in verdict.float_mismatch.values())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_its_record_meets_its_goal_or_the_table_says_by_how_much_it_does_not(path):
    network = ns.load_network(path)
    report = network.about["report"]
    lost = report["ann_accuracy"] - report["snn_float_accuracy"]
    table = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    assert lost <= GOALS[path.stem] or f"| `{path.name}` | {100 * lost:.2f} | {100 * GOALS[path.stem]:.1f} |" in table
    assert abs(report["snn_float_accuracy"] - report["snn_int_accuracy"]) <= 0.005
    assert network.about["accuracy_reference"] == report["snn_int_accuracy"]
    assert max(report["float_mismatch_rate"].values()) < 1e-3


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_its_figures_stand_in_the_table(path):
    table = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith(f"| `{path.name}`"))
    report = ns.load_network(path).about["report"]
    for key in ("ann_accuracy", "converted_accuracy", "snn_float_accuracy", "snn_int_accuracy"):
        assert f"{100 * report[key]:.2f} %" in row
    assert f"{report['spikes_per_neuron']:.3f}" in row


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_pytorch_fires_the_same_spikes_on_all_images(path):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    from neurosim.network.inputs import pixels
    from neurosim.training.reference import record

    network, inputs = ns.load_network(path), images_of(path)
    assert len(inputs) == 1000
    for first in range(0, 1000, 100):
        part = inputs[first : first + 100]
        recorded = record(network, pixels(network, part.images).reshape(part.images.shape), potentials=False)
        trace = ns.simulate(network, part)
        for layer in network.layers:
            if layer.spiking:
                mine = trace.spikes(layer.name).reshape(100, network.timesteps, -1)
                assert (mine == recorded[layer.name].spikes).all()
        assert (trace.outputs == recorded["out"].potentials[:, -1]).all()


def every_weight():
    net = ns.load_network(NETWORK)
    return st.sampled_from([layer.name for layer in net.layers]).flatmap(
        lambda name: st.tuples(st.just(name), st.integers(0, net.layer(name).weight.size - 1), st.integers(0, 7))
    )


@settings(max_examples=12)
@given(every_weight())
def test_any_flipped_weight_bit_is_found_in_its_layer(tmp_path_factory, place):
    name, index, bit = place
    copy = tmp_path_factory.mktemp("flip") / "copy.h5"
    copy.write_bytes(NETWORK.read_bytes())
    with h5py.File(copy, "r+") as file:
        weight = file[f"layers/{name}/weight"]
        changed = weight[()]
        changed.reshape(-1).view(np.uint8)[index] ^= 1 << bit
        weight[...] = changed
    first = verify(ns.load_network(copy)).first
    assert first is not None and first.layer == name


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_a_changed_threshold_is_found_and_said(tmp_path, monkeypatch, capsys, layer):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(NETWORK.read_bytes())
    with h5py.File(copy, "r+") as file:
        file[f"layers/{layer}/threshold"][...] += 1
    monkeypatch.setattr(sys, "argv", ["neurosim", "verify", str(copy)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out = capsys.readouterr().out
    assert left.value.code == 1
    assert re.search(rf"layer '{layer}', step \d, neuron \(c, y, x\) = \(\d+, \d+, \d+\)", out)
    assert "threshold" in out


def test_a_flipped_golden_bit_is_found_and_said(tmp_path):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(NETWORK.read_bytes())
    with h5py.File(copy, "r+") as file:
        spikes = file["golden/samples/conv2/spikes"]
        bits = spikes[()]
        bits[3, 2, 100] ^= 16
        spikes[...] = bits
    verdict = verify(ns.load_network(copy))
    assert verdict.mismatches == 1
    assert (verdict.first.layer, verdict.first.step, verdict.first.stimulus) == ("conv2", 2, "golden sample 3")
    assert "golden data are damaged" in verdict.first.causes[0]


@pytest.mark.parametrize(
    ("name", "images", "mesh"), [("mnist_vgg_t5", "mnist", ()), ("cifar10_vgg9_t5", "cifar10", ("mesh=32x16",))]
)
def test_how_far_the_levels_of_detail_are_apart_is_what_the_docs_say(name, images, mesh):
    docs = (ROOT / "docs" / "timing.md").read_text(encoding="utf-8")
    cores, *said = re.search(rf"`{name}`(.*) \| sequential / pipelined \| (\S+) % / (\S+) % \|", docs).groups()
    network = ns.load_network(ROOT / "models" / f"{name}.h5")
    inputs = ns.load_inputs(ROOT / "traces" / f"{images}_test_1000.h5")[:4]
    mapping, trace = ns.map_network(network, ns.load_chip("mesh45", mesh)), ns.simulate(network, inputs)
    assert cores in ("", f", {len(mapping.used)} cores")
    for schedule, told in zip(("sequential", "pipelined"), said, strict=True):
        how = {"schedule": schedule, "packet_images": "all"}
        analytic, packet = (ns.evaluate(trace, mapping, timing=timing, **how).time.cycles for timing in ("analytic", "packet"))
        digits = len(told.partition(".")[2])
        assert f"{100 * (1 - analytic / packet):.{digits}f}" == told, schedule
