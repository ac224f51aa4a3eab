"""Quantisation: the grid is used to its end, what is on the grid stays exact, and the float network is a float32 network."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import NetworkError
from neurosim.network.inputs import pixels
from tests.helpers import samples

NORMALISED = {"mean": (0.4, 0.5), "std": (0.2, 0.25)}


def largest(layer):
    """Largest absolute weight of a layer, those of shortcuts included."""
    found = [np.abs(layer.weight).max()]
    found += [np.abs(s.weight).max() for s in layer.shortcuts if s.weight is not None]
    return max(found)


@settings(max_examples=30)
@given(st.integers(2, 16), st.integers(0, 99), st.sampled_from(["direct", "spikes"]), st.booleans())
def test_the_largest_weight_lies_on_the_end_of_the_grid(bits, seed, encoding, identity):
    floating = samples.floating(encoding, identity=identity, seed=seed)
    integer = ns.quantize(floating, bits=bits)
    assert integer.integer
    for before, layer in zip(floating.layers, integer.layers, strict=True):
        assert largest(layer) == 2 ** (bits - 1) - 1
        assert layer.weight_bits == bits
        assert np.isclose(layer.weight_scale, (2 ** (bits - 1) - 1) / largest(before))


@settings(max_examples=30)
@given(st.integers(2, 16), st.integers(0, 99))
def test_no_weight_moves_by_more_than_half_a_step(bits, seed):
    floating = samples.floating(identity=True, seed=seed)
    for before, layer in zip(floating.layers, ns.quantize(floating, bits=bits).layers, strict=True):
        q = layer.weight_scale
        assert np.abs(layer.weight - q * before.weight.astype(float)).max() <= 0.5 + 1e-6
        for s, t in zip(before.shortcuts, layer.shortcuts, strict=True):
            moved = t.scale - q * s.scale if s.weight is None else t.weight - q * s.weight.astype(float)
            assert np.abs(moved).max() <= 0.5 + 1e-6
        if layer.threshold is not None:
            inputs = 255 if layer.name == "conv1" else 1
            assert layer.threshold == max(1, round(q * before.threshold * inputs))
        if isinstance(before.leak, float):
            assert abs(layer.leak[0] / 2 ** layer.leak[1] - before.leak) <= 2**-9
        else:
            assert layer.leak is None


def test_shortcuts_share_the_scale_of_the_layer_they_feed():
    """Weights onto one potential share a scale, set by the largest; a direct shortcut's constant follows and may be wider."""
    layers = [
        ns.Conv("a", np.full((1, 1, 1, 1), 0.5), threshold=0.4),
        ns.Conv("b", np.full((1, 1, 1, 1), 0.25), threshold=0.5, shortcuts=[ns.Shortcut("a", scale=1.0)]),
        ns.Conv(
            "c", np.full((1, 1, 1, 1), -0.5), threshold=0.5,
            shortcuts=[ns.Shortcut("b", scale=0.25), ns.Shortcut("a", np.full((1, 1, 1, 1), 2.0))],
        ),
        ns.Output("out", np.ones((2, 4), np.float32)),
    ]  # fmt: skip
    network = ns.Network.build("short", timesteps=2, input_shape=(1, 2, 2), encoding="spikes", layers=layers)
    a, b, c, _ = ns.quantize(network, bits=8).layers
    assert (a.weight.item(), a.threshold) == (127, 102)
    assert (b.weight.item(), b.shortcuts[0].scale, b.threshold) == (127, 508, 254)
    assert (c.weight.item(), c.shortcuts[0].scale, c.shortcuts[1].weight.item(), c.threshold) == (-32, 16, 127, 32)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([">", ">="]), st.sampled_from(["subtract", "zero"]), st.booleans())
def test_a_float_network_already_on_the_grid_spikes_like_the_integer_one(seed, compare, reset, pixels):
    """Weights n/64 with 127/64 among them, so that the scale is 64."""
    rng = np.random.default_rng(seed)

    def grid(*shape):
        weight = rng.integers(-60, 127, shape)
        weight.flat[0] = 127
        return (weight / 64).astype(np.float32)

    shortcuts = [
        ns.Shortcut("a", grid(2, 2, 1, 1), stride=2), ns.Shortcut("a", grid(2, 2, 3, 3), padding=1, pool="max2"),
        ns.Shortcut("a", scale=rng.integers(1, 127) / 64, pool="sum2"), ns.Shortcut("a", scale=0.5, pool="max2"),
    ]  # fmt: skip
    layers = [
        ns.Conv("a", grid(2, 1, 3, 3), threshold=rng.integers(1, 200) / 64, padding=1),
        ns.Conv("b", grid(2, 2, 3, 3), threshold=rng.integers(1, 300) / 64, padding=1, pool="sum2"),
        ns.Conv("c", grid(2, 2, 1, 1), threshold=rng.integers(1, 400) / 64, shortcuts=shortcuts),
        ns.Dense("d", grid(5, 18), threshold=rng.integers(1, 300) / 64),
        ns.Output("out", grid(3, 5)),
    ]  # fmt: skip
    floating = ns.Network.build(
        "grid", timesteps=4, input_shape=(1, 6, 6), layers=layers, compare=compare, reset=reset,
        encoding="direct" if pixels else "spikes",
    )  # fmt: skip
    integer = ns.quantize(floating, bits=8)
    assert [layer.weight_scale for layer in integer.layers] == [64] * 5
    if pixels:
        # Pixels 0 and 255 are 0 and 1 for the float network; a comparison at equality survives since all is exact.
        inputs = ns.Inputs((rng.random((3, 1, 6, 6)) < 0.5).astype(np.uint8) * 255)
    else:
        inputs = ns.Inputs.from_spikes(rng.random((3, 4, 1, 6, 6)) < 0.4)
    one, other = ns.simulate(floating, inputs), ns.simulate(integer, inputs)
    assert ns.mismatches(one, other) == dict.fromkeys("abcd", 0.0)
    assert (one.outputs * 64 == other.outputs).all()


def dense_reference(network, inputs):
    """The float network in plain numpy float32, dense: {layer: spikes [N, T, neurons]} and the outputs."""
    n, fired, u = len(inputs), {layer.name: [] for layer in network.layers}, {}
    one = np.float32
    for t in range(network.timesteps):
        if inputs.spikes is None:
            values = {"input": inputs.images.astype(one) / one(255)}
        else:
            values = {"input": inputs.spikes[:, t].astype(one)}
        for layer in network.layers:
            before = u.get(layer.name, np.zeros((n, *layer.shape), one))
            now = before * one(1 if layer.leak is None else layer.leak)
            for source in layer.inputs:
                data = values[source]
                if layer.pool:
                    h, w = (s // 2 * 2 for s in data.shape[2:])
                    data = data[:, :, :h, :w].reshape(n, data.shape[1], h // 2, 2, w // 2, 2).sum((3, 5), dtype=one)
                now = now + convolved(data, layer)
            for s in layer.shortcuts:
                now = now + (values[s.source] * one(s.scale) if s.weight is None else convolved(values[s.source], s))
            u[layer.name] = now
            if layer.spiking:
                threshold = one(layer.threshold)
                spikes = now > threshold if network.compare == ">" else now >= threshold
                u[layer.name] = np.where(spikes, one(0) if network.reset == "zero" else now - threshold, now)
                values[layer.name] = spikes.astype(one)
                fired[layer.name].append(spikes.reshape(n, -1))
    return {k: np.stack(v, 1) for k, v in fired.items() if v}, u["out"].reshape(n, -1)


def convolved(data, projection):
    """Cross-correlation, or a product where the weight is a matrix."""
    weight = projection.weight
    if weight.ndim == 2:
        return (data.reshape(len(data), -1) @ weight.T).reshape(len(data), -1, 1, 1)
    p, k = projection.padding, weight.shape[2]
    padded = np.pad(data, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))[:, :, :: projection.stride, :: projection.stride]
    return np.einsum("nchwij,ocij->nohw", windows, weight, dtype=np.float32)


@pytest.mark.parametrize("identity", [False, True], ids=["", "identity shortcut"])
@pytest.mark.parametrize("compare", [">", ">="])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("encoding", ["direct", "spikes"])
def test_the_float_network_is_the_plain_float32_loop(encoding, reset, compare, identity):
    """Sums run in another order, so spikes agree but for potentials within rounding of the threshold; here all do."""
    network = samples.floating(encoding, compare, reset, identity)
    inputs = samples.inputs(network, 4)
    trace = ns.simulate(network, inputs)
    fired, outputs = dense_reference(network, inputs)
    for name, spikes in fired.items():
        assert 0 < spikes.mean() < 1
        assert (trace.spikes(name).reshape(spikes.shape) == spikes).all()
    assert np.allclose(trace.outputs, outputs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("value", [0.5, 0.1, 1 / 3, 1e-3, 1e7])
def test_the_float_comparison_is_strict_or_not_as_said(value):
    """A potential that equals its threshold fires under '>=' alone."""
    fired = []
    for compare in (">", ">="):
        layers = [ns.Dense("n", np.array([[value]]), threshold=value), ns.Output("out", np.array([[1.0]]))]
        network = ns.Network.build("eq", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", compare=compare, layers=layers)
        fired.append(ns.simulate(network, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1)))).spikes("n").item())
    assert fired == [False, True]


def test_the_float_twin_stays_attached_and_close():
    floating = samples.floating()
    inputs = samples.inputs(floating, 8)
    integer = ns.quantize(floating, bits=8)
    assert integer.float_twin is floating
    rates = ns.mismatches(ns.simulate(floating, inputs), ns.simulate(integer, inputs))
    assert max(rates.values()) < 0.1, rates
    coarse = ns.mismatches(ns.simulate(floating, inputs), ns.simulate(ns.quantize(floating, bits=2), inputs))
    assert sum(coarse.values()) > sum(rates.values())


def test_normalised_pixels_use_the_grid_to_its_end():
    integer = ns.quantize(samples.floating(**NORMALISED))
    assert (integer.input.mean, integer.input.std) == (NORMALISED["mean"], NORMALISED["std"])
    images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1) * np.ones((1, 2, 6, 6), np.uint8)
    assert np.abs(pixels(integer, images)).max() == 127
    assert ns.simulate(integer, ns.Inputs(images)).outputs.dtype.kind == "i"


@pytest.mark.parametrize("bits", [0, 1, 17, -8])
def test_widths_outside_2_to_16_are_refused(bits):
    with pytest.raises(NetworkError, match="2 to 16"):
        ns.quantize(samples.floating(), bits=bits)


def test_an_integer_network_is_refused():
    with pytest.raises(NetworkError, match="integer network already"):
        ns.quantize(samples.residual())


def test_a_layer_of_zeros_is_refused_by_name():
    layers = [ns.Dense("dead", np.zeros((2, 4), np.float32), threshold=1.0), ns.Output("out", np.ones((2, 2), np.float32))]
    network = ns.Network.build("zeros", timesteps=1, input_shape=(1, 2, 2), layers=layers)
    with pytest.raises(NetworkError, match="dead"):
        ns.quantize(network)


def test_a_threshold_too_small_for_the_grid_becomes_one_and_not_zero():
    layers = [ns.Dense("n", np.ones((1, 1), np.float32), threshold=1e-6), ns.Output("out", np.ones((1, 1), np.float32))]
    network = ns.Network.build("small", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=layers)
    assert ns.quantize(network, bits=4).layers[0].threshold == 1


@pytest.mark.parametrize("leak", [0.0, 0.001, 0.5, 0.9961, 0.9999, 1.0, None])
def test_leaks_round_to_the_nearest_eighth_bit(leak):
    one = np.ones((1, 1), np.float32)
    layers = [ns.Dense("n", one, threshold=1.0, leak=leak), ns.Output("out", one)]
    found = ns.quantize(ns.Network.build("leak", timesteps=1, input_shape=(1, 1, 1), layers=layers)).layers[0].leak
    nearest = 256 if leak is None else round(leak * 256)
    assert found == (None if nearest == 256 else (nearest, 8))


@pytest.mark.parametrize("leak, steps, found", [
    (0.9985, None, (511, 9)), (0.9999, None, (8191, 13)), (0.999, 3, None), (0.999, 100, (511, 9)), (0.9999, 10, None),
    (0.9999999, None, None), (0.5, None, (128, 8)),
])  # fmt: skip
def test_a_leak_that_is_noticed_within_the_timesteps_is_not_rounded_away(leak, steps, found):
    """Within three steps 0.999 takes 0.3 % of a potential, less than a step of 1/256; but endless ones notice any."""
    one, encoding = np.ones((1, 1), np.float32), "spikes"
    layers = [ns.Dense("n", one, threshold=1.0, leak=leak, current_leak=leak), ns.Output("out", one)]
    network = ns.Network.build("leak", timesteps=steps, input_shape=(1, 1, 1), encoding=encoding, layers=layers)
    assert ns.quantize(network).layers[0].leak == found


def test_a_layer_that_reads_the_image_and_spikes_is_refused():
    layers = [
        ns.Conv("a", np.ones((1, 1, 1, 1), np.float32), 1.0),
        ns.Conv("b", np.ones((1, 1, 1, 1), np.float32), 1.0, inputs=["input", "a"]),
        ns.Output("out", np.ones((2, 4), np.float32)),
    ]
    network = ns.Network.build("mixed", timesteps=2, input_shape=(1, 2, 2), layers=layers)
    with pytest.raises(ns.NeurosimError, match="layer 'b': it reads the image and spikes"):
        ns.quantize(network)


def test_an_accuracy_measured_before_is_not_claimed_for_the_new_integers():
    layers = [ns.Dense("a", np.ones((2, 1), np.float32), 1.0), ns.Output("out", np.ones((2, 2), np.float32))]
    about = {"dataset": "digits", "accuracy_reference": 0.99, "method": "by hand"}
    network = ns.Network.build("n", timesteps=1, input_shape=(1, 1, 1), layers=layers, about=about)
    for bits in (8, 4):
        found = ns.quantize(network, bits).about
        assert found == {"dataset": "digits", "origin": {"accuracy_reference": 0.99, "method": "by hand"}}
