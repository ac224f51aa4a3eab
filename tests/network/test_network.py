"""A network that `dataclasses.replace` makes is as good as one that `build` makes, or it is refused."""

import copy
import pickle
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import NetworkError
from neurosim.network import checks
from tests.helpers import samples
from tests.helpers.strategies import networks, recurrent_networks, residual_networks

ANY = st.one_of(networks(), residual_networks(), recurrent_networks())
# What version 0.7.0 computes.
SHIPPED = {
    "cifar10_resnet20_t5": "1f00bef188e178dd6ee914802c88f3742626937a99c442f1aff4842e5d0b09df",
    "cifar10_vgg16_t2": "cb61cc01e53f9016bed7e996edf533564e29b8b1f965924754b71bd31afdba65",
    "cifar10_vgg16_t5": "606f628fe449d74c514cacbccb939dd18f674533ccdacc35c8db5e3525f22e2b",
    "cifar10_vgg9_t5": "1b9935a8aad0cc700b361d9ee499bcd02ce2b8b5ce6145c1a298fee4abde30fd",
    "mnist_vgg_t5": "d136a68981b66d0e13263e020bcabdd6736ee70e808c1e05fad052ebb63096ff",
}


def built(network, layers, **how):
    spec = network.input
    how = {name: getattr(network, name) for name in ("timesteps", "reset", "compare", "dynamics", "decode")} | how
    if how["timesteps"] == 0 and spec.encoding == "spikes":
        how["timesteps"] = None
    return ns.Network.build(
        network.name, input_shape=spec.shape, encoding=spec.encoding, mean=spec.mean, std=spec.std, input_scale=spec.scale,
        layers=layers, **how,
    )  # fmt: skip


def assert_alike(one, other):
    assert one.sha256 == other.sha256
    for a, b in zip(one.layers, other.layers, strict=True):
        for field in fields(a):
            mine, theirs = getattr(a, field.name), getattr(b, field.name)
            if field.name == "shortcuts":
                mine, theirs = ([s.source for s in shortcuts] for shortcuts in (mine, theirs))
            # The k of a leak may be an array.
            assert repr(mine) == repr(theirs), field.name


def judged(make):
    """A network, or what is wrong with it."""
    try:
        return make()
    except NetworkError as error:
        return error.problems


CHANGES = {
    "threshold": lambda layer: {"threshold": 5} if layer.spiking else {},
    "threshold that varies": lambda layer: {"threshold": np.arange(1, layer.shape[0] + 1)} if layer.spiking else {},
    "negative threshold": lambda layer: {"threshold": -1},
    "leak in lowest terms or not": lambda layer: {"leak": (8, 4)},
    "leak of one": lambda layer: {"leak": (16, 4)},
    "bias of zero": lambda layer: {"bias": np.zeros(layer.shape, int)},
    "wider weights": lambda layer: {"weight": layer.weight.astype(int) + 1000},
    "wider weights, more bits": lambda layer: {"weight": layer.weight.astype(int) + 1000, "weight_bits": None},
    "fewer channels": lambda layer: {"weight": layer.weight[:1]},
    "more inputs": lambda layer: {"weight": np.concatenate([layer.weight, layer.weight], 1)},
    "other pool": lambda layer: {"pool": None if layer.pool else "sum2"},
    "unknown pool": lambda layer: {"pool": "mean3"},
    "other name": lambda layer: {"name": f"{layer.name}_new"},
    "shapes that are wrong": lambda layer: {"shape": (7, 7, 7), "in_shape": (0, 0, 0)},
    "rest": lambda layer: {"rest": -3},
}


@settings(max_examples=80)
@given(ANY, st.sampled_from(list(CHANGES)), st.data())
def test_a_replaced_layer_gives_the_network_that_build_gives_or_the_same_refusal(network, change, data):
    place = data.draw(st.integers(0, len(network.layers) - 1))
    layers = list(network.layers)
    layers[place] = replace(layers[place], **CHANGES[change](layers[place]))
    expected = judged(lambda: built(network, layers))
    for make in (lambda: replace(network, layers=layers), lambda: network.with_layers(layers)):
        found = judged(make)
        if isinstance(expected, ns.Network):
            assert_alike(found, expected)
        else:
            assert found == expected


@settings(max_examples=60)
@given(ANY, st.sampled_from(["subtract", "zero", "half"]), st.sampled_from([">", ">=", "<"]), st.sampled_from([1, 3, 0, 2.5]))
def test_replaced_rules_give_the_network_that_build_gives_or_the_same_refusal(network, reset, compare, timesteps):
    changed = {"reset": reset, "compare": compare, "timesteps": timesteps}
    found, expected = judged(lambda: replace(network, **changed)), judged(lambda: built(network, network.layers, **changed))
    if isinstance(expected, ns.Network):
        assert_alike(found, expected)
    else:
        assert found == expected


def test_a_layer_keeps_its_shapes():
    layer = samples.residual().layer("conv2")
    changed = replace(layer, threshold=5)
    assert (changed.in_shape, changed.shape, changed.neurons) == (layer.in_shape, layer.shape, layer.neurons)


def test_a_network_of_a_replaced_layer_runs():
    network = samples.residual()
    layers = tuple(replace(x, threshold=5) if x.name == "conv2" else x for x in network.layers)
    trace = ns.simulate(replace(network, layers=layers), samples.inputs(network))
    assert (trace.outputs == ns.simulate(built(network, layers), samples.inputs(network)).outputs).all()


def test_what_was_checked_is_not_checked_again(monkeypatch):
    network, spikes_for_ever = ns.quantize(samples.floating()), samples.residual("spikes")
    checked = []
    monkeypatch.setattr(checks.Checker, "layers", lambda self, layers: checked.append(layers))
    replace(network, name="other", about={"a": 1})
    network.with_golden(None).with_float_twin(network.float_twin)
    spiking = pickle.loads(pickle.dumps(network))
    replace(copy.deepcopy(spiking), golden=None)
    assert spikes_for_ever.over(7).over(9).timesteps == 9
    assert not checked


def test_layers_of_another_shape_are_refused_beside_golden_samples_and_twin_and_taken_without():
    network = samples.golden(ns.quantize(samples.floating()))
    assert network.float_twin is not None and network.golden is not None
    narrow = replace(network.output, weight=network.output.weight[:2])
    layers = (*network.layers[:-1], narrow)
    with pytest.raises(NetworkError, match=r"'out'.*golden=None.*\n.*float_twin=None"):
        replace(network, layers=layers)
    with pytest.raises(NetworkError, match=r"timesteps; leave them out with golden=None"):
        replace(network, timesteps=network.timesteps + 1)
    for other in (replace(network, layers=layers, golden=None, float_twin=None), network.with_layers(layers)):
        assert other.classes == 2 and other.golden is None and other.float_twin is None


@pytest.fixture(scope="module")
def whole():
    """A quantised network with golden samples, a float twin and accuracies."""
    network = replace(ns.quantize(samples.floating()), about={"dataset": "d", "accuracy_reference": 0.9, "origin": {"a": 1}})
    return samples.golden(network)


def test_what_is_given_with_a_network_has_its_shapes(whole):
    golden, out = whole.golden, whole.golden.samples["out"]
    strangers = [
        samples.golden(samples.chain()).golden, replace(golden, samples=golden.samples | {"no": out}),
        replace(golden, probes=golden.probes | {"no": out}), replace(golden, images=golden.images[:, :, 1:]),
        replace(golden, images=golden.images[:1]),
    ]  # fmt: skip
    for make in (whole.with_golden, lambda other: replace(whole, golden=other)):
        for stranger in strangers:
            with pytest.raises(NetworkError, match="golden=None"):
                make(stranger)
    for make in (whole.with_float_twin, lambda twin: replace(whole, float_twin=twin)):
        for twin in (whole, samples.residual(), replace(whole.float_twin, reset="zero"), samples.floating("spikes")):
            with pytest.raises(NetworkError, match="float_twin=None"):
                make(twin)
    assert whole.with_golden(replace(golden)).with_float_twin(replace(whole.float_twin)).golden is not golden


def test_what_is_known_of_a_network_may_be_anything():
    network = replace(samples.residual(), about={"a": np.arange(3)})
    assert [*replace(network, about={"a": np.arange(3)}).about["a"]] == [0, 1, 2]


def raised(layer):
    return replace(layer, threshold=5) if layer.spiking else layer


@pytest.mark.parametrize("change", ["layers", "compare", "reset", "input"])
def test_another_network_keeps_nothing_that_was_found_with_the_one_before(whole, change):
    others = {"layers": [raised(x) for x in whole.layers], "input": replace(whole.input), "compare": ">=", "reset": "zero"}
    changed = {change: others[change]}
    with pytest.raises(NetworkError, match=r"golden=None.*\n.*float_twin=None"):
        replace(whole, **changed)
    bare = replace(whole, golden=None, float_twin=None, **changed)
    assert bare.about == {"dataset": "d"} and bare.golden is bare.float_twin is None
    mine = {"golden": replace(whole.golden), "float_twin": None, "about": {"accuracy_reference": 0.5}}
    told = replace(whole, **mine, **changed)
    assert told.golden is mine["golden"] and told.about == mine["about"]
    assert whole.with_layers([raised(x) for x in whole.layers]).about == {"dataset": "d"}


def test_the_same_network_keeps_everything(whole):
    spikes = samples.golden(replace(samples.residual("spikes"), about={"accuracy_reference": 0.9}))
    longer = replace(spikes, timesteps=9)
    assert longer.golden is spikes.golden and longer.about == spikes.about
    same = replace(whole, name="other", layers=list(whole.layers))
    assert same.golden is whole.golden and same.float_twin is whole.float_twin and same.about == whole.about


def test_a_float_weight_makes_no_float_network_of_an_integer_one():
    network = samples.residual()
    layers = [replace(x, weight=x.weight * 0.5) if x.name == "conv2" else x for x in network.layers]
    for make in (lambda: replace(network, layers=layers), lambda: network.with_layers(layers)):
        with pytest.raises(NetworkError, match=r"layer 'conv2': weight is float64 .*; an integer network needs integers"):
            make()


WRONG = {
    "name": (lambda net: {"layers": [replace(net.layers[0], name=5), *net.layers[1:]]}, "layer name 5 is no text"),
    "no layers": (lambda net: {"layers": None}, "layers must be a list of Conv, Dense or Output, not None"),
    "one layer": (lambda net: {"layers": net.layers[0]}, "layers must be a list of Conv, Dense or Output, not one Conv"),
    "inputs": (
        lambda net: {"layers": [replace(net.layers[0], inputs=5), *net.layers[1:]]},
        "layer 'conv1': inputs is 5; it must be names of layers",
    ),
    "shortcuts": (
        lambda net: {"layers": [replace(net.layers[0], shortcuts=None), *net.layers[1:]]},
        "layer 'conv1': shortcuts is None; it must be a list of Shortcut",
    ),
    "no input": (lambda net: {"input": None}, "input is None; it must be an InputSpec"),
    "golden": (lambda net: {"golden": 3}, "golden is 3; it must be Golden or None"),
    "twin": (
        lambda net: {"float_twin": 3},
        "its float twin must be a float network, and it an integer one; leave it out with float_twin=None",
    ),
    "float": (lambda net: {"timesteps": float(net.timesteps)}, "timesteps is 4.0; it must be an integer of at least 1"),
    "true": (lambda net: {"timesteps": True}, "timesteps is True; it must be an integer of at least 1"),
    "zero": (lambda net: {"timesteps": 0}, "timesteps is 0; it must be an integer of at least 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_network_is_refused_in_words(name):
    change, words = WRONG[name]
    network = samples.residual()
    with pytest.raises(NetworkError) as error:
        replace(network, **change(network))
    assert error.value.problems == (words,)


@pytest.mark.parametrize("threshold", [5.5, "x", np.ones((9, 9, 9), int)])
def test_a_wrong_threshold_is_one_problem(threshold):
    network = samples.residual()
    assert len(judged(lambda: network.with_layers([replace(network.layers[0], threshold=threshold), *network.layers[1:]]))) == 1


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_keep_their_hashes(name):
    assert ns.load_network(Path(__file__).parents[2] / "models" / f"{name}.h5").sha256 == SHIPPED[name]


def test_a_network_with_every_parameter_of_the_first_files_keeps_its_hash():
    every = {"leak": (3, 2), "bias": [1, -2], "rest": -1, "current_leak": (np.array([1, 2]), 2)}
    layers = [
        ns.Conv("a", np.ones((2, 1, 1, 1), int), [4, 5], delay=2, shortcuts=[ns.Shortcut("a", scale=3, delay=1)], **every),
        ns.Output("out", np.ones((2, 8), int), leak=(1, 1), bias=7),
    ]
    network = ns.Network.build("all", timesteps=3, input_shape=(1, 2, 2), encoding="spikes", reset="zero", layers=layers)
    assert network.sha256 == "b7799a6784985854631d835c0d5c8fdbe677b486443d3ae9aa7586e83c96cbd2"
