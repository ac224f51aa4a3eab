"""The geometry of synapses: groups and dilation are what zeros in a larger kernel would be, without the zeros; windows of pools
are those of PyTorch."""

import importlib.util
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.activity import activity
from neurosim.errors import FileError, NetworkError
from neurosim.io.nir.exporting import save_nir
from neurosim.io.nir.imported_network import import_nir
from neurosim.io.sanafe_files import depths
from neurosim.network.layers import pair
from tests.helpers import naive
from tests.helpers.examples import examples, placed_alone
from tests.helpers.strategies import divisors, samples, weights

SHAPE = (4, 7, 6)
EXTRA = "needs the extra: pip install -e '.[train]'"


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
    pytest.importorskip("torch", reason=EXTRA)
    from neurosim.training.reference import record

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


@st.composite
def pooling(draw, kinds):
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    stride = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return ns.Pool(draw(st.sampled_from(kinds)), size, stride, padding)


def pooled_alone(pool, dtype=np.int64, seed=0):
    """A convolution behind a pool."""
    rng = np.random.default_rng(seed)
    weight = weights(rng, (3, SHAPE[0], 1, 2)).astype(dtype)
    return alone(weight=weight, padding=(0, 1), pool=pool, threshold=9)


@examples(40)
@given(pooling(["max", "avg", "sum"]), st.integers(0, 99))
def test_floats_pool_as_pytorch_does(pool, seed):
    torch = pytest.importorskip("torch", reason=EXTRA)
    functional = torch.nn.functional
    network = pooled_alone(pool, np.float32, seed)
    rng = np.random.default_rng(seed)
    spikes = rng.random((2, 2, *SHAPE)) < 0.4
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    x = torch.from_numpy(spikes[:, 0].astype(np.float64))
    how = (pool.size, pool.stride, pool.padding)
    found = {
        "max": lambda: functional.max_pool2d(x, *how), "avg": lambda: functional.avg_pool2d(x, *how),
        "sum": lambda: functional.avg_pool2d(x, *how, divisor_override=1),
    }[pool.kind]()  # fmt: skip
    expected = functional.conv2d(found, torch.from_numpy(network.layers[0].weight).double(), padding=(0, 1)).flatten(1).numpy()
    ours = trace.potentials("conv")[:, 0] + 9 * trace.spikes("conv")[:, 0].reshape(2, -1)
    assert ours == pytest.approx(expected, abs=1e-4)


@examples(25)
@given(pooling(["max", "sum"]), st.data())
def test_the_reference_pools_the_same(pool, data):
    pytest.importorskip("torch", reason=EXTRA)
    from neurosim.training.reference import record

    network = pooled_alone(pool)
    shown = data.draw(samples(network))
    found = record(network, shown.spikes)["conv"]
    assert (ns.simulate(network, shown, record_potentials=True).potentials("conv") == found.potentials).all()


@examples(25)
@given(pooling(["sum"]), st.data())
def test_a_sum_over_windows_is_a_depthwise_convolution_of_ones(pool, data):
    ones = np.ones((SHAPE[0], 1, 1, 1), np.int64)
    pooled = alone(weight=ones, groups=SHAPE[0], pool=pool, threshold=1000)
    kernel = np.ones((SHAPE[0], 1, *pair(pool.size)), np.int64)
    stride = pool.size if pool.stride is None else pool.stride
    if any(p >= k for p, k in zip(pair(pool.padding), pair(pool.size), strict=True)):
        return
    convolved = alone(weight=kernel, groups=SHAPE[0], stride=stride, padding=pool.padding, threshold=1000)
    shown = data.draw(samples(pooled))
    one, other = (ns.simulate(x, shown, record_potentials=True).potentials("conv") for x in (pooled, convolved))
    assert (one == other).all()


def test_a_global_pool_is_one_of_the_size_of_the_map():
    network = alone(weight=np.ones((2, 4, 1, 1), int), pool=ns.Pool("sum", SHAPE[1:]), threshold=1000)
    spikes = np.random.default_rng(0).random((1, 2, *SHAPE)) < 0.5
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    assert network.layers[0].in_shape == (4, 1, 1)
    assert trace.potentials("conv")[0, -1].tolist() == [spikes.sum()] * 2


def test_quantised_averages_are_sums_of_smaller_weights():
    """A layer with an average beside a shortcut without one: both stand on the grid of the smaller weights."""
    weight = np.array([[[[2.0]], [[-1.0]]]], np.float32)
    layers = [
        ns.Conv("a", np.ones((2, 2, 2, 2), np.float32), 1.0, stride=2),
        ns.Conv("b", weight, 4.0, inputs=["input"], pool=ns.Pool("avg", 2), shortcuts=[ns.Shortcut("a", weight)]),
    ]
    net = ns.Network.build("q", timesteps=2, input_shape=(2, 4, 4), encoding="spikes", layers=layers)
    found = ns.quantize(net).layers[1]
    q = 127 / 2
    assert found.pool == "sum2" and found.weight.ravel().tolist() == [round(2 * q / 4), round(-q / 4)]
    assert found.shortcuts[0].weight.ravel().tolist() == [127, round(-q)] and found.threshold == 4 * q


def test_pools_of_one_name_are_one():
    """However they are said: one hash, and files of the first version where the short name does."""
    weight = np.ones((2, 4, 1, 1), int)
    same = ("sum2", ns.Pool("sum", 2), ns.Pool("sum", (2, 2), 2), ns.Pool("sum", 2, (2, 2), (0, 0)))
    assert len({alone(weight=weight, pool=pool).sha256 for pool in same}) == 1
    assert all(alone(weight=weight, pool=pool).layers[0].pool == "sum2" for pool in same)
    assert alone(weight=weight, pool=ns.Pool("max", 1)).layers[0].pool is None
    assert alone(weight=weight, pool=ns.Pool("max", 1, 2)).sha256 == alone(weight=weight, pool=ns.Pool("sum", 1, 2)).sha256
    others = ["sum2", "max2", None, ns.Pool("sum", 3), ns.Pool("sum", 3, 1), ns.Pool("sum", 3, 1, 1), ns.Pool("max", 3)]
    assert len({alone(weight=weight, pool=pool).sha256 for pool in others}) == len(others)


@pytest.mark.parametrize(
    "pool", [ns.Pool("max", 3, 2, 1), ns.Pool("sum", (2, 3), (1, 2)), ns.Pool("max", 2), ns.Pool("avg", 3)]
)
def test_files_keep_pools(tmp_path, pool):
    kind = np.float32 if pool.kind == "avg" else np.int64
    layer = ns.Conv("conv", np.ones((2, 4, 1, 1), kind), 9, pool=pool)
    beside = ns.Conv(
        "beside", np.ones((2, 2, 1, 1), kind), 9, shortcuts=[ns.Shortcut("input", np.ones((2, 4, 1, 1), kind), pool=pool)]
    )
    network = ns.Network.build("p", timesteps=2, input_shape=SHAPE, encoding="spikes", layers=[layer, beside])
    network.save(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["format_version"] == ("1.0" if pool == ns.Pool("max", 2) else "2.0")
    again = ns.load_network(tmp_path / "x.h5")
    assert again.sha256 == network.sha256 and again.layers[0].pool == network.layers[0].pool
    assert again.layers[1].shortcuts[0].pool == network.layers[1].shortcuts[0].pool


WRONG_POOLS = [
    ("mean", "must be a Pool, 'sum2', 'max2' or None"),
    (ns.Pool("mean", 2), "its kind must be 'max', 'avg' or 'sum'"),
    (ns.Pool("sum", 1.5), "its numbers integers"),
    (ns.Pool("sum", 2, 0), "stride >= 1"),
    (ns.Pool("max", 3, 2, 2), "0 <= padding <= size / 2"),
    (ns.Pool("avg", 2), "integers have no averages: use 'sum'"),
    (ns.Pool("sum", 9), "the pooled input [4, 0, 0] is empty"),
]


@pytest.mark.parametrize(("pool", "message"), WRONG_POOLS)
def test_what_no_pool_can_be_is_said(pool, message):
    for about in ({"pool": pool}, {"shortcuts": [ns.Shortcut("input", np.ones((2, 4, 1, 1), int), pool=pool)]}):
        with pytest.raises(NetworkError) as caught:
            alone(weight=np.ones((2, 4, 1, 1), int), **about)
        assert message in str(caught.value) or ("empty" in message and "is empty" in str(caught.value))


@st.composite
def pooled_currents(draw):
    """A layer whose currents are pooled, with shortcuts onto the map before the pool, and all that a neuron can have."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pool, groups = draw(pooling(["max", "sum"])), draw(divisors(2))
    beside = [
        ns.Shortcut("a", scale=3, delay=draw(st.integers(0, 1))),
        ns.Shortcut("a", weights(rng, (2, 2, 1, 1)), delay=draw(st.integers(0, 2))),
    ]
    bias = draw(st.sampled_from([None, rng.integers(-3, 4, 2), rng.integers(-3, 4, (2, *SHAPE[1:]))]))
    layers = [
        ns.Conv("a", weights(rng, (2, SHAPE[0], 3, 3)), 5, padding=1),
        ns.Conv(
            "b", weights(rng, (2, SHAPE[0] // groups, 3, 3)), 7, draw(st.sampled_from([None, (3, 2)])), padding=1,
            groups=groups, pool_currents=pool, bias=bias, current_leak=draw(st.sampled_from([None, (1, 1)])),
            shortcuts=draw(st.lists(st.sampled_from(beside), max_size=2)), inputs=["input"],
        ),
    ]  # fmt: skip
    encoding = draw(st.sampled_from(["spikes", "direct"]))
    return ns.Network.build("currents", timesteps=3, input_shape=SHAPE, encoding=encoding, layers=layers)


@examples(50)
@given(st.data())
def test_pooled_currents_are_those_of_the_twin_and_of_the_reference(data):
    network = data.draw(pooled_currents())
    shown = data.draw(samples(network))
    trace, given_ = ns.simulate(network, shown, record_potentials=True), shown.images if shown.spikes is None else shown.spikes
    for n, sample in enumerate(given_):
        _, potentials, _ = naive.run(network, sample)
        assert trace.potentials("b")[n].tolist() == potentials["b"]
    if importlib.util.find_spec("torch"):
        from neurosim.training.reference import record

        assert (record(network, given_)["b"].potentials == trace.potentials("b")).all()


def tutorial(pool, spikes_in=True):
    """A convolution, a pool of its currents, leaky neurons, as the tutorials of snnTorch have them, in floats."""
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(0, 0.5, (3, 2, 5, 5)).astype(np.float32), rng.normal(0, 0.2, 3).astype(np.float32)
    layer = ns.Conv("conv", weight, 0.7, 0.9, bias=bias, pool_currents=pool)
    return ns.Network.build("t", timesteps=6, input_shape=(2, 12, 11), encoding="spikes", layers=[layer])


@pytest.mark.parametrize("pool", ["max2", ns.Pool("max", 3, 2, 1), ns.Pool("avg", (2, 3)), ns.Pool("avg", 3, 1, 1)])
def test_a_convolution_a_pool_and_leaky_neurons_are_what_pytorch_makes_of_them(pool):
    torch = pytest.importorskip("torch", reason=EXTRA)
    functional, network = torch.nn.functional, tutorial(pool)
    layer, found = network.layers[0], ns.Pool("max", 2) if pool == "max2" else pool
    spikes = np.random.default_rng(1).random((2, 6, 2, 12, 11)) < 0.3
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    pooled = {"max": functional.max_pool2d, "avg": functional.avg_pool2d}[found.kind]
    weight, bias = (torch.from_numpy(x) for x in (layer.weight, layer.bias.ravel()))
    u = torch.zeros(2, *layer.shape)
    for step in range(6):
        current = functional.conv2d(torch.from_numpy(spikes[:, step]).float(), weight, bias)
        u = 0.9 * u + pooled(current, found.size, found.stride, found.padding)
        fired = u > 0.7
        assert (fired.numpy() == trace.spikes("conv")[:, step]).all()
        u = u - 0.7 * fired
        assert trace.potentials("conv")[:, step] == pytest.approx(u.flatten(1).numpy(), abs=1e-4)


def test_a_window_to_which_nothing_comes_has_its_bias():
    about = {"weight": np.ones((1, 4, 1, 1), int), "threshold": 100}
    bias = np.arange(42).reshape(1, 7, 6)
    for pool, first in (("max2", 7), ("sum2", 0 + 1 + 6 + 7), (ns.Pool("max", 3, 2, 1), 7)):
        network = alone(pool_currents=pool, bias=bias, **about)
        silent = ns.Inputs.from_spikes(np.zeros((1, 2, *SHAPE), bool))
        assert ns.simulate(network, silent, record_potentials=True).potentials("conv")[0, 0, 0] == first


def test_a_largest_current_is_that_of_the_step_and_not_the_sum_over_steps():
    """Two places of a window fire one after the other: 3 and then 5 arrive, never 8; one that inhibits counts as nothing while
    another is silent."""
    network = alone((1, 1, 2), steps=3, weight=np.ones((1, 1, 1, 1), int), threshold=100, pool_currents=ns.Pool("max", (1, 2)),
                    shortcuts=[ns.Shortcut("input", scale=2), ns.Shortcut("input", scale=-9, delay=2)])  # fmt: skip
    spikes = np.zeros((1, 3, 1, 1, 2), bool)
    spikes[0, 0, 0, 0, 0] = spikes[0, 1] = True
    found = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True).potentials("conv")[0, :, 0]
    assert found.tolist() == [3, 6, 6]


def test_what_pooled_currents_cost_by_hand():
    """Two spikes in one window of four places, words for one number each: every addition reads and writes a word; the visit of
    the one neuron reads and clears the four of its window, beside its own potential."""
    network = alone((1, 4, 4), steps=1, weight=np.ones((1, 1, 1, 1), int), pool_currents="max2")
    spikes = np.zeros((1, 1, 1, 4, 4), bool)
    spikes[0, 0, 0, 0, :2] = True
    found = placed_alone(network, ns.Inputs.from_spikes(spikes))
    assert (found["accumulates"], found["active"], found["visit_words"], found["state_words"]) == (2, 1, 1, 2 + 4)
    assert found["clears"] == 4 + 16
    plain = alone((1, 4, 4), steps=1, weight=np.ones((1, 1, 1, 1), int))
    chip = ns.load_chip("mesh45")
    room = [ns.map_network(x, chip).items[0]["state"] for x in (network, plain)]
    assert room == [(4 + 16) * chip.core.state_bits, 16 * chip.core.state_bits]


def test_an_identity_alone_wakes_the_neurons_whose_windows_hold_its_place():
    """The spike comes a step late over the identity, into four windows that overlap, when nothing else does."""
    network = alone((1, 4, 4), weight=np.zeros((1, 1, 1, 1), int), pool_currents=ns.Pool("max", 2, 1), threshold=2,
                    shortcuts=[ns.Shortcut("input", scale=3, delay=1)])  # fmt: skip
    spikes = np.zeros((1, 2, 1, 4, 4), bool)
    spikes[0, 0, 0, 1, 1] = True
    shown = ns.Inputs.from_spikes(spikes)
    trace = ns.simulate(network, shown)
    assert trace.spikes("conv")[0, 1].sum() == 4 == trace.spikes("conv")[0].sum()
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    assert activity(trace, mapping).active.ravel().tolist() == [4, 4]


def test_averages_of_currents_are_quantised_to_sums():
    weight = np.array([[[[2.0]], [[-1.0]]]], np.float32)
    layer = ns.Conv("c", weight, 4.0, bias=0.5, pool_currents=ns.Pool("avg", 2))
    found = ns.quantize(ns.Network.build("q", timesteps=2, input_shape=(2, 4, 4), encoding="spikes", layers=[layer])).layers[0]
    q = 127 / 2
    assert found.pool_currents == "sum2" and found.weight.ravel().tolist() == [127, round(-q)]
    assert found.threshold == 4 * 4 * q and found.bias == round(q / 2)


@pytest.mark.parametrize("pool", ["max2", "sum2", ns.Pool("max", 3, 2, 1)])
def test_files_keep_pools_of_currents(tmp_path, pool):
    network = alone(weight=np.ones((2, 4, 3, 3), int), pool_currents=pool)
    network.save(tmp_path / "x.h5")
    again = ns.load_network(tmp_path / "x.h5")
    assert again.sha256 == network.sha256 != alone(weight=np.ones((2, 4, 3, 3), int), pool=pool, padding=1).sha256
    assert again.layers[0].pool_currents == pool
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["format_version"] == "2.0"


def test_pools_of_currents_say_what_they_cannot_be():
    weight = np.ones((2, 4, 3, 3), int)
    for about, message in (
        ({"pool_currents": ns.Pool("avg", 2)}, "integers have no averages"),
        ({"pool_currents": ns.Pool("max", 6)}, "leaves nothing of its map of 5x4"),
        (
            {"pool_currents": "max2", "shortcuts": [ns.Shortcut("input", scale=1)]},
            "the layer is [2, 5, 4] before its pool_currents",
        ),
        ({"pool_currents": "max2", "bias": np.ones((2, 2, 2))}, "[C,H,W] = [2, 5, 4]"),
        ({"pool_currents": "max3"}, "must be a Pool"),
    ):
        with pytest.raises(NetworkError) as caught:
            alone(weight=weight, **about)
        assert message in str(caught.value)


def test_sanafe_has_no_counterpart_of_pooled_currents():
    with pytest.raises(NetworkError, match="pool_currents, which is not written"):
        depths(alone(weight=np.ones((2, 4, 3, 3), int), pool_currents="max2"))


def test_nir_says_sums_and_averages_of_currents_and_refuses_the_largest(tmp_path):
    rng = np.random.default_rng(0)
    spikes = ns.Inputs.from_spikes(rng.random((1, 6, 2, 12, 11)) < 0.3)
    for pool in ("sum2", ns.Pool("avg", 3, 2, 1), "max2"):
        network = replace(tutorial(pool), reset="zero", golden=None)
        if pool == "max2":
            with pytest.raises(NetworkError, match="largest of its currents"):
                save_nir(network, tmp_path / "x.nir", 1e-3)
            continue
        save_nir(network, tmp_path / "x.nir", 1e-3)
        again, _ = import_nir(tmp_path / "x.nir", dt=1e-3, reset="zero", compare=">")
        mine, other = (ns.simulate(x, spikes, record_potentials=True) for x in (network, again))
        assert mine.potentials("conv") == pytest.approx(other.potentials("conv"), abs=1e-4)


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
