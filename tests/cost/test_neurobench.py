"""The metrics of NeuroBench: laws, a twin that walks every synapse, files, and what users see."""

import json
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.bits import unpacked
from neurosim.io.shared_trace import share_trace, shared_trace
from neurosim.report.html import page
from tests.helpers import naive_neurobench, samples, strategies
from tests.helpers.samples import call


def samples_of(inputs):
    return inputs.images if inputs.images is not None else inputs.by_step


def recorded(network, inputs, **options):
    return ns.simulate(network, inputs, record_changes=True, **options)


@st.composite
def summed_networks(draw):
    """Layers that read the sum of several sources, the input among them, pooled or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    encoding = draw(st.sampled_from(["direct", "spikes"]))
    shape = (2, draw(st.integers(3, 5)), draw(st.integers(3, 5)))
    one = ns.Conv("one", strategies.weights(rng, (2, 2, 3, 3)), draw(st.integers(1, 25)), draw(strategies.leaks()), padding=1)
    sources = draw(st.sampled_from([["input", "one"], ["one", "input"], ["one", "one"]]))
    pool = draw(strategies.pools)
    if encoding == "direct" and pool == "max2" and "input" in sources:
        pool = "sum2"
    kernel = strategies.weights(rng, (3, 2, 1, 1))
    two = ns.Conv("two", kernel, draw(st.integers(1, 25)), draw(strategies.leaks()), pool=pool, inputs=sources)
    c, h, w = (3, *(strategies.halved(shape)[1:] if pool else shape[1:]))
    layers = [one, two, ns.Output("out", strategies.weights(rng, (3, c * h * w)))]
    return ns.Network.build("summed", timesteps=3, input_shape=shape, encoding=encoding, layers=layers)


@st.composite
def signed_samples(draw, network):
    """Images with negative pixels and ones among them, or spikes, or counts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, largest = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3]))
    if network.input.encoding == "direct":
        return ns.Inputs(rng.integers(-1, largest + 1, (count, *network.input.shape)))
    shape = (count, network.timesteps, *network.input.shape)
    return ns.Inputs.from_frames(rng.integers(1, largest + 1, shape) * (rng.random(shape) < 0.3))


@st.composite
def cases(draw):
    made = strategies.networks(), strategies.residual_networks(), strategies.recurrent_networks(), summed_networks()
    network = draw(st.one_of(*made))
    return network, draw(signed_samples(network))


@given(cases(), st.integers(1, 4))
@settings(max_examples=120)
def test_operations_and_updates_are_those_of_the_twin(case, batch):
    network, inputs = case
    found = ns.neurobench(recorded(network, inputs), batch)
    count = len(inputs)
    macs, acs, dense = naive_neurobench.operations(network, samples_of(inputs), batch)
    synaptic = found.synaptic_operations
    assert (synaptic.effective_macs, synaptic.effective_acs, synaptic.dense) == (macs / count, acs / count, dense / count)
    assert found.membrane_updates == naive_neurobench.membrane_updates(network, samples_of(inputs)) / count


@given(cases(), st.integers(1, 4))
@settings(max_examples=60)
def test_laws(case, batch):
    network, inputs = case
    trace = recorded(network, inputs)
    found, parts = ns.neurobench(trace, batch), ns.neurobench(trace, 1)
    one, other = found.synaptic_operations, parts.synaptic_operations
    neurons = sum(layer.neurons for layer in network.layers if layer.spiking)
    total = (one.effective_macs + one.effective_acs) * len(inputs)
    assert total <= one.dense * len(inputs) + 1e-6
    # A batch decides what is a MAC, not how much is done.
    assert total == pytest.approx((other.effective_macs + other.effective_acs) * len(inputs))
    assert other.effective_macs <= one.effective_macs + 1e-9
    assert neurons <= found.membrane_updates <= neurons * network.timesteps
    assert found.effective_neuron_operations <= found.dense_neuron_operations == 4 * neurons * network.timesteps
    assert 0 <= found.activation_sparsity <= 1 and 0 <= found.connection_sparsity <= 1


@given(cases())
@settings(max_examples=15)
def test_a_float_network_with_the_same_numbers_has_the_same_metrics(case):
    network, inputs = case
    plain = [replace(layer, leak=None, current_leak=None, weight_bits=None) for layer in network.layers]
    floats = [
        replace(layer, weight=layer.weight.astype(np.float32),
                shortcuts=[s if s.weight is None else replace(s, weight=s.weight.astype(np.float32)) for s in layer.shortcuts])
        for layer in plain
    ]  # fmt: skip
    built = [
        ns.Network.build(
            "n", timesteps=network.timesteps, input_shape=network.input.shape, encoding=network.input.encoding, layers=layers,
            reset=network.reset, compare=network.compare, dynamics=network.dynamics,
        )
        for layers in (plain, floats)
    ]  # fmt: skip
    shown = inputs if inputs.images is None else ns.Inputs(inputs.images.astype(np.float32))
    integer, floating = ns.neurobench(recorded(built[0], inputs)), ns.neurobench(recorded(built[1], shown))
    assert replace(floating, footprint=integer.footprint) == integer
    assert floating.footprint.float32 == integer.footprint.float32


@given(cases())
@settings(max_examples=30)
def test_changes_are_those_of_the_potentials(case):
    network, inputs = case
    counted, kept = recorded(network, inputs), ns.simulate(network, inputs, record_potentials=True)
    for name, layer in kept.layers.items():
        before = np.concatenate([np.zeros_like(layer.potentials[:, :1]), layer.potentials[:, :-1]], 1)
        assert (layer.changes == (before != layer.potentials).sum(2)).all()
        assert (counted.layers[name].changes == layer.changes).all() and counted.layers[name].potentials is None
    assert ns.neurobench(kept) == ns.neurobench(counted)


def test_slices_and_workers_change_nothing(monkeypatch):
    network = samples.residual("spikes")
    inputs = samples.inputs(network, 7)
    whole = ns.neurobench(recorded(network, inputs))
    monkeypatch.setattr(sys.modules["neurosim.cost.neurobench"], "SLICE_ENTRIES", 1)
    assert ns.neurobench(recorded(network, inputs, workers=2)) == whole


def test_static_metrics_by_hand():
    weight = np.array([[1, 0, 3], [0, 0, 6]])
    layers = [ns.Dense("fc", weight, 5, (3, 2)), ns.Output("out", np.array([[0, 300]]))]
    network = ns.Network.build("hand", timesteps=2, input_shape=(3, 1, 1), layers=layers)
    found = ns.neurobench(ns.simulate(network, ns.Inputs(np.array([[[[2]], [[0]], [[1]]]]))))
    # Six weights of 8 bits, threshold and leak; two of 16 bits. In PyTorch 8 weights and one Leaky.
    assert (found.footprint.stored, found.footprint.float32) == (6 + 8 + 4, 8 * 4 + 20)
    assert found.connection_sparsity == 0.5
    # u = 5, then (3 * 5 >> 2) + 5 = 8 fires; and 6, 4 + 6 = 10 both above 5.
    trace = recorded(network, ns.Inputs(np.array([[[[2]], [[0]], [[1]]]])))
    fired = unpacked(trace.layers["fc"].bits, 2)
    assert found.activation_sparsity == 1 - fired.mean()
    # Pixels 2 and 1 meet weights 1, 3 and 6 at both steps; spikes of the second neuron alone meet a weight.
    synaptic = found.synaptic_operations
    assert (synaptic.effective_macs, synaptic.effective_acs) == (2 * 3, fired[0, :, 1].sum())
    assert synaptic.dense == 2 * (6 + 2)


def test_what_was_not_recorded_is_missing_with_a_reason():
    network = samples.residual("direct")
    trace = ns.simulate(network, samples.inputs(network, 2))
    found = ns.neurobench(trace)
    assert found.membrane_updates is found.effective_neuron_operations is None
    assert set(found.missing) == {"membrane_updates", "neuron_operations"}
    assert all("--neurobench" in why for why in found.missing.values())
    found = ns.neurobench(replace(trace, images=None))
    assert found.synaptic_operations.effective_macs is found.synaptic_operations.effective_acs is None
    assert found.synaptic_operations.dense > 0 and "images" in found.missing["synaptic_operations"]


def test_a_batch_below_one_is_refused():
    network = samples.residual("direct")
    with pytest.raises(ns.NeurosimError, match="batch is 0"):
        ns.neurobench(ns.simulate(network, samples.inputs(network, 1)), 0)


@pytest.fixture(params=["direct", "spikes"])
def trace(request):
    network = samples.residual(request.param)
    return recorded(network, samples.inputs(network, 3))


def test_files_keep_what_it_takes(trace, tmp_path):
    trace.save(tmp_path / "t.h5")
    assert ns.neurobench(ns.load_trace(tmp_path / "t.h5")) == ns.neurobench(trace)
    assert ns.neurobench(ns.load_trace(tmp_path / "t.h5").head(2)) == ns.neurobench(trace.head(2))
    share_trace(trace, tmp_path / "shared")
    assert ns.neurobench(shared_trace(tmp_path / "shared", trace.network)) == ns.neurobench(trace)


def test_a_trace_from_before_can_still_be_read(trace, tmp_path):
    trace.save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        for name in ["images", *(f"layers/{layer}/changes" for layer in trace.layers)]:
            if name in file:
                del file[name]
    again = ns.load_trace(tmp_path / "t.h5")
    assert again.images is None and ns.neurobench(again).membrane_updates is None


FAULTS = {
    "too few images": ("images", lambda a: a[:-1], "holds 2 images; needed 3"),
    "another shape": ("images", lambda a: a[:, :, 1:], "the network needs"),
    "not numbers": ("images", lambda a: a.astype("S1"), "dataset 'images' is"),
    "floats for integers": ("images", lambda a: a + 0.5, "needs integer pixels"),
    "too many changes": ("layers/conv1/changes", lambda a: a + 10**9, "dataset 'changes' must hold"),
    "negative changes": ("layers/conv1/changes", lambda a: a - 10**9, "dataset 'changes' must hold"),
    "too few steps": ("layers/conv1/changes", lambda a: a[:, 1:], "dataset 'changes' must hold"),
    "one dimension": ("layers/conv1/changes", lambda a: a.ravel(), "needed: integers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_trace_is_refused(fault, tmp_path):
    name, damage, words = FAULTS[fault]
    network = samples.residual("direct")
    trace = recorded(network, samples.inputs(network, 3))
    assert "conv1" in trace.layers
    trace.save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        damaged = damage(file[name][()])
        del file[name]
        file[name] = damaged
    with pytest.raises(ns.NeurosimError, match=words.replace("(", r"\(")):
        ns.load_trace(tmp_path / "t.h5")


def test_a_declared_size_is_not_believed(tmp_path):
    network = samples.residual("direct")
    recorded(network, samples.inputs(network, 3)).save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5", "a") as file:
        del file["images"]
        file.create_dataset("images", (10**9, 2, 6, 6), np.uint8, chunks=(1000, 2, 6, 6))
    with pytest.raises(ns.NeurosimError, match="declares"):
        ns.load_trace(tmp_path / "t.h5")


@pytest.fixture
def files(tmp_path):
    network = samples.residual("direct")
    network.save(tmp_path / "n.h5")
    samples.inputs(network, 3).save(tmp_path / "i.h5")
    return tmp_path


def test_the_command_line(files):
    net, data, trace, out = (str(files / name) for name in ("n.h5", "i.h5", "t.h5", "r.json"))
    call("run", net, data, "--chip", "mesh45", "--neurobench", "--trace", trace, "--json", out)
    found = json.loads((files / "r.json").read_text())["neurobench"]
    expected = ns.neurobench(recorded(ns.load_network(net), ns.load_inputs(data)))
    assert found == expected.to_dict() and found["missing"] == {}
    printed = call("replay", trace, "--chip", "mesh45", "--neurobench").out
    assert "NeuroBench" in printed and "membrane updates" in printed and "harness 2.3.0" in printed
    assert "NeuroBench" not in call("replay", trace, "--chip", "mesh45").out
    call("trace", net, data, "-o", str(files / "u.h5"), "--neurobench")
    assert ns.neurobench(ns.load_trace(files / "u.h5")) == expected


def test_the_report(files):
    network, data = ns.load_network(files / "n.h5"), ns.load_inputs(files / "i.h5")
    result = ns.run(network, data, ns.load_chip("mesh45"))
    assert "Nature Communications" in page(result.document)
    assert "Nature Communications" not in page(result.document.model_copy(update={"neurobench": None}))


def test_a_run_file_keeps_it(files):
    network, data = ns.load_network(files / "n.h5"), ns.load_inputs(files / "i.h5")
    result = ns.run(network, data, ns.load_chip("mesh45"))
    result.save(str(files / "r.h5"))
    assert ns.load_run(files / "r.h5").to_dict()["neurobench"] == result.to_dict()["neurobench"]
