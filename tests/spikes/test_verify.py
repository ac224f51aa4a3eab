"""Verify: a network that answers as recorded passes, and one changed number is found, in the layer where it is."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import NetworkError
from neurosim.network.golden import Golden, LayerRecording
from neurosim.spikes.verify import verify
from tests.helpers import samples
from tests.helpers.samples import with_layer
from tests.helpers.strategies import networks

ENCODINGS = ("direct", "spikes")
GOLDEN = {encoding: samples.golden(samples.residual(encoding)) for encoding in ENCODINGS}
LAYERS = [layer.name for layer in GOLDEN["direct"].layers]
SPIKING = LAYERS[:-1]


def with_recording(network, group, layer, **arrays):
    recordings = dict(getattr(network.golden, group))
    old = recordings[layer]
    recordings[layer] = LayerRecording(arrays.get("spikes", old.spikes), arrays.get("potentials", old.potentials))
    return replace(network, golden=replace(network.golden, **{group: recordings}))


def assert_found_in(network, layer):
    """verify names *layer*, a step and a neuron that exist, and a cause."""
    verdict = verify(network)
    assert not verdict.ok
    first = verdict.first
    assert first.layer == layer
    assert 0 <= first.step < network.timesteps
    assert all(0 <= i < n for i, n in zip(first.neuron, network.layer(layer).shape, strict=True))
    assert first.causes
    text = str(first)
    assert f"layer {layer!r}" in text and "neuron (c, y, x) = (" in text and "likely cause" in text
    return first


@pytest.mark.parametrize("network", GOLDEN.values(), ids=GOLDEN)
def test_a_right_network_has_no_mismatch(network):
    verdict = verify(network)
    assert (verdict.ok, verdict.mismatches, verdict.first) == (True, 0, None)
    assert (verdict.samples, verdict.probes) == (2, 5)
    expected = sum(layer.neurons * (2 if layer.spiking else 1) for layer in network.layers) * network.timesteps * 3
    assert verdict.compared == expected


@settings(max_examples=15)
@given(networks())
def test_any_right_network_has_no_mismatch(network):
    assert verify(samples.golden(network, 1)).mismatches == 0


@pytest.mark.parametrize("head", [{"reset": "zero"}, {"compare": ">="}, {"reset": "zero", "compare": ">="}])
def test_the_other_resets_and_comparisons_have_no_mismatch(head):
    assert verify(samples.golden(samples.residual(**head))).ok


@settings(max_examples=80)
@given(st.sampled_from(ENCODINGS), st.sampled_from(LAYERS), st.floats(0, 1, exclude_max=True), st.integers(-128, 127))
def test_any_single_changed_weight_is_found_in_its_layer(encoding, name, where, value):
    network = GOLDEN[encoding]
    layer = network.layer(name)
    weight = layer.weight.copy()
    index = int(where * weight.size)
    weight.flat[index] = value if weight.flat[index] != value else value ^ 1
    assert_found_in(with_layer(network, name, weight=weight), name)


@settings(max_examples=30)
@given(st.sampled_from(ENCODINGS), st.integers(-128, 127), st.floats(0, 1, exclude_max=True), st.booleans())
def test_any_changed_shortcut_is_found_in_the_layer_it_feeds(encoding, value, where, identity):
    network = GOLDEN[encoding]
    layer = network.layer("conv3")
    one, other = layer.shortcuts
    if identity:
        one = replace(one, scale=value if value != one.scale else 1)
    else:
        weight = other.weight.copy()
        index = int(where * weight.size)
        weight.flat[index] = value if weight.flat[index] != value else value ^ 1
        other = replace(other, weight=weight)
    assert_found_in(with_layer(network, "conv3", shortcuts=(one, other)), "conv3")


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", ["conv2", "conv3"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_another_pool_of_a_shortcut_is_found_in_the_layer_it_feeds(encoding, name, index):
    network = samples.golden(samples.pooled_block(encoding))
    assert verify(network).ok
    shortcuts = list(network.layer(name).shortcuts)
    shortcuts[index] = replace(shortcuts[index], pool={"sum2": "max2", "max2": "sum2"}[shortcuts[index].pool])
    assert_found_in(with_layer(network, name, shortcuts=shortcuts), name)


@settings(max_examples=40)
@given(st.sampled_from(ENCODINGS), st.sampled_from(SPIKING), st.integers(1, 1200))
def test_any_changed_threshold_is_found_in_its_layer(encoding, name, threshold):
    network = GOLDEN[encoding]
    layer = network.layer(name)
    threshold += threshold == layer.threshold
    assert_found_in(with_layer(network, name, threshold=threshold), name)


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("name", SPIKING)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_threshold_off_by_one_is_found_and_the_right_one_is_told(encoding, name, step):
    network = GOLDEN[encoding]
    layer = network.layer(name)
    first = assert_found_in(with_layer(network, name, threshold=layer.threshold + step), name)
    assert "threshold" in first.causes[0]
    if first.simulated_spike and first.recorded_spike:
        assert f"was {layer.threshold} when it was recorded" in first.causes[0]


@settings(max_examples=40)
@given(st.sampled_from(ENCODINGS), st.sampled_from(SPIKING), st.integers(0, 16), st.sampled_from([4, 5, 8]))
def test_any_changed_leak_is_found_in_its_layer(encoding, name, sixteenth, m):
    """Leaks that differ by 1/16 or more; a change in the last bits of a fine leak can lie below one unit of potential."""
    network = GOLDEN[encoding]
    layer = network.layer(name)
    k = sixteenth * 2**m // 16
    old = 1.0 if layer.leak is None else layer.leak[0] / 2 ** layer.leak[1]
    if abs(k / 2**m - old) < 1 / 16:
        k = 0
    assert_found_in(with_layer(network, name, leak=None if k == 2**m else (k, m)), name)


@pytest.mark.parametrize("compare_reset", [{"reset": "zero"}, {"compare": ">="}])
def test_another_dynamic_is_found(compare_reset):
    """'>=' shows only where a potential meets its threshold exactly, so one layer is made to."""
    layers = [ns.Dense("n", [[5], [7]], threshold=5), ns.Output("out", [[1, 1]])]
    network = samples.golden(ns.Network.build("eq", timesteps=3, input_shape=(1, 1, 1), encoding="spikes", layers=layers))
    assert verify(network).ok
    assert_found_in(replace(network, golden=None, **compare_reset).with_golden(network.golden), "n")


@settings(max_examples=60)
@given(
    st.sampled_from(ENCODINGS), st.sampled_from(["samples", "probes"]), st.sampled_from(SPIKING),
    st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_any_golden_spike_bit_is_found_exactly_where_it_is(encoding, group, name, where):
    network = GOLDEN[encoding]
    spikes = getattr(network.golden, group)[name].spikes.copy()
    index = int(where * spikes.size)
    spikes.flat[index] ^= True
    first = assert_found_in(with_recording(network, group, name, spikes=spikes), name)
    _, step, neuron = np.unravel_index(index, spikes.shape)
    assert (first.step, first.neuron) == (step, np.unravel_index(neuron, network.layer(name).shape))
    assert first.recorded_spike == spikes.flat[index]
    assert first.simulated_spike != first.recorded_spike
    assert "golden data are damaged" in first.causes[0]
    assert ("probe" in first.stimulus) == (group == "probes")


@settings(max_examples=60)
@given(
    st.sampled_from(ENCODINGS), st.sampled_from(["samples", "probes"]), st.sampled_from(LAYERS),
    st.floats(0, 1, exclude_max=True), st.integers(-2000, 2000).filter(bool),
)  # fmt: skip
def test_any_golden_potential_is_found_exactly_where_it_is(encoding, group, name, where, change):
    network = GOLDEN[encoding]
    potentials = getattr(network.golden, group)[name].potentials.copy()
    index = int(where * potentials.size)
    potentials.flat[index] += change
    first = assert_found_in(with_recording(network, group, name, potentials=potentials), name)
    _, step, neuron = np.unravel_index(index, potentials.shape)
    assert (first.step, first.neuron) == (step, np.unravel_index(neuron, network.layer(name).shape))
    assert first.recorded_potential - first.simulated_potential == change


def test_every_single_difference_is_counted():
    network = GOLDEN["direct"]
    spikes = network.golden.samples["conv2"].spikes.copy()
    spikes[0, 1, 3] ^= True
    spikes[1, 2, :5] ^= True
    changed = with_recording(network, "samples", "conv2", spikes=spikes)
    potentials = network.golden.probes["out"].potentials.copy()
    potentials[0, 0, 2] += 1
    assert verify(with_recording(changed, "probes", "out", potentials=potentials)).mismatches == 7


@pytest.mark.parametrize("missing", ["samples", "everything"])
def test_golden_data_that_compare_nothing_do_not_pass(missing):
    """Nothing compared is nothing verified."""
    network = GOLDEN["direct"]
    empty = {"samples": {}} if missing == "samples" else {"samples": {}, "probes": {}, "stimuli": {}}
    with pytest.raises(NetworkError):
        verify(replace(network, golden=replace(network.golden, **empty)))


def test_without_golden_samples_there_is_nothing_to_verify(tmp_path):
    network = samples.residual()
    with pytest.raises(NetworkError, match="golden"):
        verify(network)
    network.save(tmp_path / "net.h5")
    samples.refused("verify", tmp_path / "net.h5", says=["golden samples"])


EDITS = {
    "a weight": ("layers/conv2/weight", (1, 2, 0, 1), 7, "conv2"),
    "a weight of the first layer": ("layers/conv1/weight", (0, 1, 2, 2), -50, "conv1"),
    "a weight of the output": ("layers/out/weight", (2, 5), 1, "out"),
    "a shortcut weight": ("layers/conv3/shortcuts/1/weight", (0, 0, 0, 0), 3, "conv3"),
    "a shortcut scale": ("layers/conv3/shortcuts/0/scale", (), 63, "conv3"),
    "a threshold": ("layers/fc1/threshold", (), 91, "fc1"),
    "a leak": ("layers/conv1/leak", (0,), 14, "conv1"),
    "golden spike bits": ("golden/samples/conv3/spikes", (1, 2, 0), None, "conv3"),
    "a golden potential": ("golden/samples/out/potentials", (1, 3, 0), None, "out"),
    "a probe's stimulus": ("golden/probes/fc1/stimulus/conv3/data", (0, 0, 0), None, "fc1"),
    "a golden pixel": ("golden/inputs", (0, 0, 3, 3), 3, "conv1"),
}


@pytest.mark.parametrize(("path", "index", "value", "layer"), EDITS.values(), ids=EDITS)
def test_one_changed_number_in_a_file_fails_and_is_located(tmp_path, path, index, value, layer):
    file = tmp_path / "net.h5"
    GOLDEN["direct"].save(file)
    right = samples.call("verify", file)
    assert (right.code, right.err) == (0, "")
    assert "0 mismatches" in right.out
    with h5py.File(file, "r+") as opened:
        old = opened[path][index]
        opened[path][index] = old ^ 1 if value is None else value
        assert opened[path][index] != old
    wrong = samples.call("verify", file)
    assert (wrong.code, wrong.err) == (1, "")
    for words in (f"layer '{layer}'", "step ", "neuron (c, y, x) = (", "simulated ", "recorded ", "likely cause: "):
        assert words in wrong.out
    assert " 0 mismatches" not in wrong.out


def test_the_json_of_a_failed_verify_locates_it_too(tmp_path):
    network = GOLDEN["spikes"]
    layer = network.layer("conv2")
    with_layer(network, "conv2", threshold=layer.threshold + 1).save(tmp_path / "net.h5")
    found = samples.call("verify", tmp_path / "net.h5", "--json", "-")
    assert found.code == 1
    values = samples.only_json(found.out)
    assert values["ok"] is False
    assert values["mismatches"] > 0
    first = values["first"]
    assert first["layer"] == "conv2"
    assert len(first["neuron"]) == 3
    assert type(first["step"]) is int and type(first["simulated_potential"]) is int and type(first["recorded_potential"]) is int
    assert first["causes"]


def test_a_float_twin_is_compared_by_rate(tmp_path):
    floating = samples.floating()
    network = samples.golden(ns.quantize(floating))
    verdict = verify(network)
    assert verdict.ok
    assert set(verdict.float_mismatch) == {"conv1", "conv2", "conv3", "fc1"}
    network.save(tmp_path / "net.h5")
    assert "float32 network against this one" in samples.call("verify", tmp_path / "net.h5").out


@pytest.mark.parametrize(("weight", "rounded"), [(0.1, True), (0.2, False)])
def test_a_reset_to_zero_does_not_hide_what_is_no_rounding(weight, rounded):
    """Nine inputs of 0.1 beside 0.25, which the leak leaves of 0.5, meet the threshold of 1.15, where silence was recorded;
    nine of 0.2 are far above it."""
    layer = ns.Dense("fc1", np.array([[0.5] + [weight] * 9], np.float32), threshold=1.1499999, leak=0.5, reset="zero")
    out = ns.Output("out", np.ones((1, 1), np.float32))
    network = ns.Network.build("ten", timesteps=2, input_shape=(10, 1, 1), encoding="spikes", layers=[layer, out])
    shown = np.array([[1] + [0] * 9, [0] + [1] * 9], bool).reshape(1, 2, 10, 1, 1)
    trace = ns.simulate(network, ns.Inputs.from_spikes(shown), record_potentials=True)
    assert trace.spikes("fc1").ravel().tolist() == [False, True]
    kept = np.array([0.5, 1.1499999], np.float32).reshape(1, 2, 1)
    silent = {
        "fc1": LayerRecording(np.zeros((1, 2, 1), bool), kept), "out": LayerRecording(None, np.zeros((1, 2, 1), np.float32)),
    }  # fmt: skip
    verdict = verify(network.with_golden(Golden(images=shown.astype(np.float32), labels=None, samples=silent)))
    assert verdict.ok is verdict.rounding_only is rounded
    assert "unknown (its spike sets it to 0)" in str(verdict.first)
