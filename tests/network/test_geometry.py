"""The geometry of synapses: groups and dilation are what zeros in a larger kernel would be, without the zeros."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError, NetworkError
from neurosim.network.layers import pair
from neurosim.training.reference import record
from tests.helpers import naive
from tests.helpers.examples import examples, placed_alone
from tests.helpers.strategies import divisors, samples, weights

SHAPE = (4, 7, 6)


def alone(shape=SHAPE, steps=2, shortcuts=(), **about):
    """A convolution that nothing follows."""
    layer = ns.Conv("conv", about.pop("weight"), about.pop("threshold", 9), shortcuts=shortcuts, **about)
    return ns.Network.build("one", timesteps=steps, input_shape=shape, encoding="spikes", layers=[layer])


@st.composite
def convolutions(draw):
    rng, groups = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(divisors(SHAPE[0]))
    kernel, dilation = (draw(st.tuples(st.integers(1, high), st.integers(1, high))) for high in (3, 3))
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, e - 1)) for e in extent)
    kernel = [k if e <= n + 2 * p else 1 for k, e, n, p in zip(kernel, extent, SHAPE[1:], padding, strict=True)]
    padding = tuple(p if k > 1 else 0 for k, p in zip(kernel, padding, strict=True))
    weight = weights(rng, (groups * draw(st.integers(1, 3)), SHAPE[0] // groups, *kernel))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return alone(weight=weight, stride=stride, padding=padding, groups=groups, dilation=dilation, leak=(7, 3))


def spread(layer):
    """The same with zeros for groups and dilation."""
    groups, dilation = layer.groups, pair(layer.dilation)
    out, share, *kernel = layer.weight.shape
    full = np.zeros((out, share * groups, *((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))), np.int64)
    for o in range(out):
        first = o // (out // groups) * share
        full[o, first : first + share, :: dilation[0], :: dilation[1]] = layer.weight[o]
    return replace(layer, weight=full, groups=1, dilation=1)


@examples(60)
@given(st.data())
def test_groups_and_dilation_are_zeros_in_a_larger_kernel(data):
    network = data.draw(convolutions())
    full, shown = network.with_layers([spread(network.layers[0])]), data.draw(samples(network))
    assert full.layers[0].shape == network.layers[0].shape
    mine, other = (ns.simulate(x, shown, record_potentials=True) for x in (network, full))
    assert (mine.potentials("conv") == other.potentials("conv")).all()
    assert (mine.spikes("conv") == other.spikes("conv")).all()
    assert network.synapses * network.layers[0].groups <= full.synapses


@examples(20)
@given(st.data())
def test_the_reference_in_pytorch_does_the_same(data):
    network = data.draw(convolutions())
    shown = data.draw(samples(network))
    trace = ns.simulate(network, shown, record_potentials=True)
    found = record(network, shown.spikes)["conv"]
    assert (trace.potentials("conv") == found.potentials).all()
    assert (trace.spikes("conv").reshape(found.spikes.shape) == found.spikes).all()


@examples(30)
@given(st.data())
def test_a_chip_that_skips_zeros_adds_as_often_for_either(data):
    """What a chip that skips zeros repairs are the additions; rows, words and room it does not."""
    network = data.draw(convolutions())
    network = network.with_layers([replace(network.layers[0], weight=np.abs(network.layers[0].weight) + 1)])
    full, shown = network.with_layers([spread(network.layers[0])]), data.draw(samples(network))
    counts = [placed_alone(x, shown, **{"core.skip_zeros": True}) for x in (network, full)]
    for name in ("accumulates", "state_words"):
        assert counts[0][name] == counts[1][name]
    for name in ("synaptic_events", "weight_words", "active", "events", "look_ups"):
        assert counts[0][name] <= counts[1][name]


def test_a_depthwise_layer_counts_and_stores_what_it_has():
    rng, shape = np.random.default_rng(0), (64, 16, 16)
    network = alone(shape, weight=np.ones((64, 1, 3, 3), np.int8), groups=64, padding=1, threshold=3)
    spikes = rng.random((1, 2, *shape)) < 0.1
    rows = [2, *[3] * 14, 2]
    meets = int((spikes.sum((0, 1, 2)) * np.outer(rows, rows)).sum())
    for skip in (False, True):
        found = placed_alone(network, ns.Inputs.from_spikes(spikes), **{"core.skip_zeros": skip})
        assert (found["synaptic_events"], found["accumulates"], found["weight_words"]) == (meets, meets, meets)
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    assert network.synapses == 64 * 9
    stored = [items["weights"] for items in mapping.items]
    assert stored == [brick.channels * 9 * 8 for brick in mapping.bricks]


def test_packets_go_to_the_cores_of_their_group_alone():
    """Each of four cores holds a channel: a spike goes to one of them, or to all where there are no groups."""

    def found(groups):
        network = alone((4, 1, 1), steps=1, weight=np.ones((4, 4 // groups, 1, 1), np.int8), groups=groups)
        return placed_alone(network, ns.Inputs.from_spikes(np.ones((1, 1, 4, 1, 1), bool)), **{"core.max_neurons": 1})

    assert [(found(g)["events"], found(g)["synaptic_events"]) for g in (4, 2, 1)] == [(4, 4), (8, 8), (16, 16)]


PROBLEMS = [
    ({"weight": np.ones((4, 2, 1, 1)), "groups": 4}, "takes 2 channels in each of 4 groups, but its input has 4"),
    ({"weight": np.ones((3, 2, 1, 1)), "groups": 2}, "its 3 channels do not divide into 2 groups"),
    ({"weight": np.ones((4, 4, 1, 1)), "groups": 0}, "groups is 0"),
    ({"weight": np.ones((4, 4, 1, 1)), "groups": 1.5}, "groups is 1.5"),
    ({"weight": np.ones((4, 4, 2, 2)), "dilation": 0}, "dilation is 0"),
    ({"weight": np.ones((4, 4, 2, 2)), "dilation": (1, 0.5)}, "dilation is (1, 0.5)"),
    ({"weight": np.ones((4, 4, 3, 3)), "dilation": 9}, "kernel 3 of dilation 9 does not fit"),
    ({"weight": np.ones((4, 4, 3, 3)), "dilation": 2, "padding": 5}, "padding < the extent of the kernel"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "message"), PROBLEMS)
def test_what_cannot_be_is_said(about, message):
    with pytest.raises(NetworkError, match="conv") as caught:
        alone(**about)
    assert message in str(caught.value)


def test_groups_of_what_is_no_convolution_are_refused():
    with pytest.raises(NetworkError) as caught:
        alone(weight=np.ones((4, 4, 1, 1), int), shortcuts=[ns.Shortcut("input", scale=1, groups=4)])
    assert "groups 4 and dilation 1 belong to a convolution" in str(caught.value)


def test_what_changes_nothing_is_not_said():
    """A kernel of 1 has nothing between its elements: no other hash, and no other version of the file."""
    plain = alone(weight=np.ones((4, 4, 1, 2), int))
    same = alone(weight=np.ones((4, 4, 1, 2), int), groups=1, dilation=(3, 1))
    assert same.layers[0].dilation == 1 and same.sha256 == plain.sha256
    assert alone(weight=np.ones((4, 4, 1, 2), int), dilation=(1, 2)).sha256 != plain.sha256
    assert alone(weight=np.ones((4, 2, 1, 2), int), groups=2).sha256 != alone(weight=np.ones((4, 4, 1, 2), int)).sha256


@pytest.mark.parametrize("about", [{"groups": 2}, {"dilation": (2, 1)}, {}])
def test_files_of_what_is_new_have_another_version(tmp_path, about):
    weight, groups = np.arange(64).reshape(4, 4, 2, 2), about.get("groups", 1)
    shortcut = ns.Shortcut("input", weight[:, : 4 // groups], **about)
    network = alone(weight=weight[:, : 4 // groups], shortcuts=[shortcut], **about)
    network.save(tmp_path / "x.h5")

    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["format_version"] == ("2.0" if about else "1.0")
        assert bool(about) == bool({"groups", "dilation"} & set(file["layers/conv"].attrs))
    again = ns.load_network(tmp_path / "x.h5")
    assert again.sha256 == network.sha256
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file.attrs["format_version"] = "1.0"
    if about:
        with pytest.raises(FileError, match=r"belongs to format version 2\.0"):
            ns.load_network(tmp_path / "x.h5")


def test_the_slow_twin_agrees_with_numpy():
    """naive.conv_targets asks from the side of the input; here from that of the output."""
    network = alone(weight=np.arange(1, 49).reshape(6, 2, 2, 2), groups=2, dilation=(2, 1), stride=(1, 2), padding=(1, 0))
    layer = network.layers[0]
    c0, h, w = SHAPE
    found = np.zeros((layer.neurons, c0 * h * w), int)
    for source, target, weight, _, _ in naive.synapses_of(network, layer)[0]:
        found[target, source] += weight
    expected = np.zeros((*layer.shape, *SHAPE), int)
    for o, i, j in np.ndindex(*layer.shape):
        for k, a, b in np.ndindex(*layer.weight.shape[1:]):
            y, x = i + 2 * a - 1, 2 * j + b
            if 0 <= y < h and 0 <= x < w:
                expected[o, i, j, o // 3 * 2 + k, y, x] = layer.weight[o, k, a, b]
    assert (found == expected.reshape(found.shape)).all()
