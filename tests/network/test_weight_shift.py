"""Weights that are shifted where they are added, and biases that pass a current by: what they are equal to, and where they have
no place."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.errors import NetworkError
from neurosim.spikes.synapses import feeds
from tests.helpers.examples import examples
from tests.helpers.strategies import recurrents

W = np.array([[3, -4, 5], [2, 6, -1]])


def folded(network):
    """The network with weights as large as they count."""

    def larger(link):
        weight = None if link.weight is None else link.weight.astype(np.int64) << link.weight_shift
        return replace(link, weight=weight, weight_shift=0)

    parts = [replace(layer, shortcuts=[larger(s) for s in layer.shortcuts], weight_bits=None) for layer in network.layers]
    return network.with_layers([larger(layer) for layer in parts])


@pytest.mark.fuzz
@given(recurrents())
@examples(15)
def test_a_shift_computes_what_larger_weights_do(case):
    network, data = case
    shifted, plain = (ns.simulate(net, data, record_potentials=True) for net in (network, folded(network)))
    for layer in network.layers:
        assert (shifted.potentials(layer.name) == plain.potentials(layer.name)).all()


def built(shift=0, scale=1, **first):
    first = {"threshold": 4 * scale, "weight_shift": shift} | first
    layers = [ns.Dense("a", W, **first), ns.Output("out", np.eye(2, dtype=int) * 7, weight_shift=shift)]
    return ns.Network.build("n", timesteps=5, input_shape=(3, 1, 1), encoding="spikes", layers=layers)


SPIKES = ns.Inputs.from_spikes(np.random.default_rng(3).random((4, 5, 3, 1, 1)) < 0.5)


@pytest.mark.parametrize("chip", ["lp45", "loihi"])
def test_a_shift_of_everything_changes_no_count_and_costs_nothing(chip):
    plain, shifted = (ns.run(built(*how), SPIKES, chip).to_dict() for how in ((), (6, 64)))
    assert all(plain[part] == shifted[part] for part in ("counts", "energy", "memory"))
    assert np.array_equal(np.array(plain["outputs"]) * 64, shifted["outputs"]) and plain["counts"]["spikes"] > 0


@pytest.mark.parametrize("shift", [1, 4, 6, 27])
def test_potentials_are_as_wide_as_those_of_larger_weights(shift):
    back = ns.Shortcut("a", np.array([[-2, 1], [0, 3]]), delay=1, weight_shift=shift)
    network = built(shift, shortcuts=[back])
    (one, main, beside), (other, *larger) = (feeds(net)["a"] for net in (network, folded(network)))
    assert [main, beside] == larger == [12 * 2**shift, 3 * 2**shift]
    for synapses, plain in zip(one, other, strict=True):
        assert synapses.weight.dtype == plain.weight.dtype and (synapses.weight == plain.weight).all()


def test_float_weights_are_shifted_and_stay_so_when_they_become_integers():
    layers = [ns.Dense("a", W / 7, 1.0, weight_shift=2), ns.Output("out", np.eye(2) / 3)]
    floating = ns.Network.build("f", timesteps=5, input_shape=(3, 1, 1), encoding="spikes", layers=layers)
    plain = floating.with_layers([replace(layers[0], weight=W / 7 * 4, weight_shift=0), layers[1]])
    traces = [ns.simulate(net, SPIKES, record_potentials=True) for net in (floating, plain)]
    np.testing.assert_allclose(*(trace.potentials("a") for trace in traces), rtol=1e-6)
    integer = ns.quantize(floating, bits=8)
    assert integer.layer("a").weight_shift == 2 and integer.layer("a").weight_bits == 8
    assert (ns.simulate(integer, SPIKES).spikes("a") == traces[0].spikes("a")).mean() > 0.9


REFUSED = {
    "negative": ({"weight_shift": -1}, "weight_shift is -1; it must be an integer of 0 to 31 bits"),
    "part": ({"weight_shift": 1.5}, "weight_shift is 1.5; it must be an integer of 0 to 31 bits"),
    "truth": ({"weight_shift": True}, "weight_shift is True"),
    "wide": ({"weight_shift": 29}, "weights of 4 bits and a weight_shift of 29 need 33; at most 32 bits are added at once"),
    "no weight": ({"shortcuts": [ns.Shortcut("a", scale=1, delay=1, weight_shift=1)]},
                  "shortcut from 'a': weight_shift is 1, and it has no weight; its scale is added as it is"),
    "bias": ({"bias_into": "spike"}, "bias_into is 'spike'; it must be one of 'current', 'potential'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_words(name):
    values, problem = REFUSED[name]
    with pytest.raises(NetworkError) as caught:
        built(**values)
    assert len(caught.value.problems) == 1 and problem in caught.value.problems[0]


def test_a_bias_past_the_current_needs_a_way_of_its_own():
    about = {"bias": 3, "current_leak": (1, 1), "bias_into": "potential"}
    assert built(**about).sha256 != built(**about | {"bias_into": "current"}).sha256
    # Without a bias, or a current, there is nothing to pass by.
    for name in ("bias", "current_leak"):
        assert built(**about | {name: None}).layer("a").bias_into == "current"
    pooled = ns.Conv("a", np.ones((1, 1, 1, 1), int), 4, pool_currents="max2", **about)
    for layer, encoding, problem in (
        (pooled, "spikes", "needs currents that are not pooled"),
        (replace(pooled, pool_currents=None), "direct", "needs spikes: an image goes into the current"),
    ):
        with pytest.raises(NetworkError, match=problem):
            ns.Network.build("n", timesteps=2, input_shape=(1, 2, 2), encoding=encoding, layers=[layer])
