"""Counts: the fast ones are those of the hardware that one can read, integer for integer."""

from collections import Counter
from contextlib import suppress
from itertools import combinations

import numpy as np
import pytest
from hypothesis import Phase, event, given, settings

import neurosim as ns
from neurosim.cost.activity import COUNTS, activity
from neurosim.network.layers import pair
from tests.helpers import hardware_twin, naive
from tests.helpers.examples import examples, fork, nonzero, ones, runs, traced, twin_of

pytestmark = pytest.mark.small


def assert_equal(found, tally):
    for name in COUNTS:
        assert (name, nonzero(getattr(found, name))) == (name, dict(tally.counts[name]))


@pytest.mark.fuzz
@examples(100)
@given(runs())
def test_every_count_is_that_of_the_hardware_twin(case):
    inputs, mapping = case
    for feature in sorted(features(mapping)):
        event(feature)
    assert_equal(activity(traced(inputs, mapping), mapping), twin_of(inputs, mapping))


def test_the_twin_knows_every_count():
    assert set(hardware_twin.COUNTS) == set(COUNTS)


FEATURES = {
    "cut by channel", "cut by row", "cut by column", "several layers cut", "identity shortcut", "weighted shortcut",
    "shortcut from the input", "identity shortcut, sum2", "identity shortcut, max2", "weighted shortcut, sum2",
    "weighted shortcut, max2", "odd map pooled by a shortcut", "max2 of one source twice", "two pools of one source",
    "max2", "sum2", "odd map pooled", "stride", "padding", "dense", "leak", "unicast", "multicast",
    "1 flits", "2 flits", "3 flits", "1 per tile", "2 per tile", "3 per tile", "direct", "spikes", "touched", "all", "once",
    "per_step", "host", "mesh", "torus", "several chips", "tree over chips", "bounded queue", "one channel", "memory port",
    "input port", "shared", "unrolled", "crossbar", "sparse", "shared, zeros skipped", "unrolled, zeros skipped",
    "crossbar, zeros skipped", "windows summed", "windows summed over an identity shortcut",
    "bias", "bias beside an image", "synaptic current", "threshold of each neuron", "leak of each channel", "delay",
    "delayed input", "feedback to itself", "feedback from a later layer", "full connection", "oblong", "leaky output",
    "windows that overlap", "largest of windows that overlap", "windows over the edge", "windows of an image",
    "two sizes of windows of one source",
    "currents pooled", "largest current", "windows of currents overlap", "currents of an image pooled",
    "currents of groups pooled", "shortcut onto pooled currents", "identity onto pooled currents",
    "last layer fires", "frames", "graded spikes", "graded feedback", "refractory", "floor of each neuron", "reset of its own",
    "answer of every step",
    "groups", "depthwise", "dilation", "groups of a shortcut", "groups beside none", "groups of an image",
    "cache", "potentials side by side", "registers", "registers, zeros skipped", "registers, several senders",
    "registers, largest of windows", "registers, windows that overlap", "largest value of windows that overlap",
    "two layers in a core", "three layers in a core", "layers of a core that talk", "one source for two of a core",
}  # fmt: skip


def features(mapping):
    network, mesh, policy = mapping.network, mapping.chip.mesh, mapping.chip.policy
    found = {mesh.delivery, f"{mesh.flits_per_packet} flits", f"{mesh.cores_per_tile} per tile", network.input.encoding}
    found |= {policy.update, policy.analog, mesh.topology}
    core = mapping.chip.core
    found |= {f"{core.storage}, zeros skipped" if core.skip_zeros else core.storage}
    if policy.pool == "summed":
        found |= {"windows summed"} if any(naive.pool_of(layer.pool)[0] == "sum" for layer in network.layers) else set()
        shortcuts = [s for layer in network.layers for s in layer.shortcuts if s.weight is None]
        summed = [s for s in shortcuts if naive.pool_of(s.pool)[0] == "sum"]
        found |= {"windows summed over an identity shortcut"} if summed else set()
    if core.accumulate_registers:
        found |= {"registers"} | ({"registers, zeros skipped"} if core.skip_zeros else set())
        pools = [link.pool for layer in network.layers for link in (layer, *layer.shortcuts)]
        found |= {"registers, largest of windows"} if any(naive.pool_of(pool)[0] == "max" for pool in pools) else set()
        found |= {"registers, windows that overlap"} if any(map(overlap, pools)) else set()
        several = any(b.c0 and network.layers[b.layer].spiking for b in mapping.bricks)
        found |= {"registers, several senders"} if several else set()
    found |= features_of_machine(mapping.chip)
    for layer in network.layers:
        found |= features_of_layer(network, layer)
    cut = {"c0": "channel", "y0": "row", "x0": "column"}
    found |= {f"cut by {word}" for b in mapping.bricks for key, word in cut.items() if getattr(b, key)}
    found |= features_of_sharing(mapping)
    return found | ({"several layers cut"} if sum(np.bincount(mapping.layer_of) > 1) > 1 else set())


def features_of_sharing(mapping):
    layers = mapping.network.layers
    sources = [{layers[b.layer].name: {*layers[b.layer].sources} for b in held} for held in mapping.held]
    has = {
        "two layers in a core": any(len(held) == 2 for held in sources),
        "three layers in a core": any(len(held) > 2 for held in sources),
        "layers of a core that talk": any(held.keys() & set().union(*held.values()) for held in sources),
        "one source for two of a core": any(a & b for held in sources for a, b in combinations(held.values(), 2)),
    }
    return {feature for feature, present in has.items() if present}


def features_of_machine(chip):
    has = {
        "several chips": chip.chips > 1,
        "tree over chips": chip.chips > 1 and chip.mesh.delivery == "multicast",
        "bounded queue": chip.core.queue_packets,
        "one channel": chip.mesh.virtual_channels == 1,
        "memory port": chip.home("weights").words_per_cycle or chip.home("state").words_per_cycle,
        "input port": chip.home("input").words_per_cycle,
        "potentials side by side": chip.home("state").neighbours(chip.core.state_bits) > 1,
        "cache": any(memory.miss_rate and memory.words_per_cycle for memory in chip.memory),
    }
    return {feature for feature, present in has.items() if present}


def features_of_layer(network, layer):
    odd, names = layer.pool and any(n % 2 for n in network.shape_of(layer.inputs[0])[1:]), [x.name for x in network.layers]
    later = {*names[names.index(layer.name) + 1 :]}
    pooled = [s for s in layer.shortcuts if s.pool]
    shared = {s.pool for s in layer.shortcuts if s.source in layer.inputs}
    valued = any(network.input.valued if name == "input" else network.layer(name).graded for name in layer.inputs)
    kinds = {f"{'identity' if s.weight is None else 'weighted'} shortcut, {s.pool}" for s in pooled}
    has = dict.fromkeys(kinds, True) | {
        str(layer.pool): layer.pool,
        "windows that overlap": any(overlap(pool) for pool in (layer.pool, *(s.pool for s in layer.shortcuts))),
        "largest of windows that overlap": overlap(layer.pool) and layer.pool.kind == "max",
        "largest value of windows that overlap": overlap(layer.pool) and layer.pool.kind == "max" and valued,
        "windows over the edge": isinstance(layer.pool, ns.Pool) and layer.pool.padding,
        "windows of an image": isinstance(layer.pool, ns.Pool) and network.fed_by_image(layer),
        "odd map pooled by a shortcut": any(n % 2 for s in pooled for n in network.shape_of(s.source)[1:]),
        "max2 of one source twice": layer.pool == "max2" and "max2" in shared,
        "two pools of one source": layer.pool and shared - {layer.pool, None},
        "two sizes of windows of one source": len({naive.pool_of(p)[1] for p in {*shared, layer.pool} if p}) > 1,
        "odd map pooled": odd,
        "stride": layer.kind == "conv" and max(pair(layer.stride)) > 1,
        "padding": layer.kind == "conv" and max(pair(layer.padding)) > 0,
        "oblong": layer.kind == "conv" and layer.weight.shape[2] != layer.weight.shape[3],
        "dense": layer.kind == "dense",
        "bias": layer.bias is not None,
        "bias beside an image": layer.bias is not None and network.fed_by_image(layer),
        "synaptic current": layer.current_leak,
        "threshold of each neuron": np.ndim(layer.threshold) and layer.threshold[0].size > 1,
        "leak of each channel": layer.leak and np.ndim(layer.leak[0]) and layer.leak[0][0].size == 1,
        "delay": any(s.delay for s in layer.shortcuts),
        "delayed input": layer.delay,
        "feedback to itself": any(s.source == layer.name for s in layer.shortcuts),
        "feedback from a later layer": {s.source for s in layer.shortcuts} & later,
        "full connection": any(s.weight is not None and s.weight.ndim == 2 for s in layer.shortcuts),
        "leaky output": layer.kind == "output" and layer.leak,
        "last layer fires": layer is network.output and layer.spiking,
        "frames": network.input.valued,
        "graded spikes": layer.graded,
        "graded feedback": layer.graded and layer.name in {s.source for s in layer.shortcuts if s.delay},
        "refractory": layer.refractory,
        "floor of each neuron": np.ndim(layer.floor) and layer.floor[0].size > 1,
        "reset of its own": layer.reset,
        "answer of every step": network.decoding.reads == "every",
        "currents pooled": pooled_currents(layer),
        "largest current": pooled_currents(layer) and naive.pool_of(layer.pool_currents)[0] == "max",
        "windows of currents overlap": pooled_currents(layer) and overlap(layer.pool_currents),
        "currents of an image pooled": pooled_currents(layer) and network.fed_by_image(layer),
        "currents of groups pooled": pooled_currents(layer) and layer.blocks > 1,
        "shortcut onto pooled currents": pooled_currents(layer) and layer.shortcuts,
        "identity onto pooled currents": pooled_currents(layer) and any(s.weight is None for s in layer.shortcuts),
        "groups": layer.kind == "conv" and layer.groups > 1,
        "depthwise": layer.kind == "conv" and layer.groups == layer.in_shape[0] > 1,
        "dilation": layer.kind == "conv" and layer.dilation != 1,
        "groups of a shortcut": any(s.groups > 1 for s in layer.shortcuts),
        "groups beside none": layer.kind == "conv" and any(s.groups not in (1, layer.groups) for s in layer.shortcuts),
        "groups of an image": layer.kind == "conv" and layer.groups > 1 and network.fed_by_image(layer),
        "leak": layer.leak,
        "identity shortcut": any(s.weight is None for s in layer.shortcuts),
        "weighted shortcut": any(s.weight is not None for s in layer.shortcuts),
        "shortcut from the input": any(s.source == "input" for s in layer.shortcuts),
    }
    return {feature for feature, present in has.items() if present}


def pooled_currents(layer):
    return layer.kind == "conv" and layer.pool_currents is not None


def overlap(pool):
    return isinstance(pool, ns.Pool) and any(s < k for k, s in zip(*naive.pool_of(pool)[1:3], strict=True))


def test_the_random_cases_have_every_feature_and_raise_every_counter():
    missing = FEATURES | {*COUNTS}

    @settings(max_examples=1500, phases=[Phase.generate], report_multiple_bugs=False)
    @given(runs())
    def look(case):
        inputs, mapping = case
        missing.difference_update(features(mapping))
        if not missing.isdisjoint(COUNTS):
            found = activity(traced(inputs, mapping), mapping)
            missing.difference_update(name for name in COUNTS if getattr(found, name).any())
        if not missing:
            raise StopIteration

    with suppress(StopIteration):
        look()
    assert not missing


def placed(network, **changes):
    chip = ns.load_chip("mesh45")
    for path, value in changes.items():
        chip = chip.replace(path.replace("__", "."), value)
    return ns.map_network(network, chip)


def test_layers_that_share_a_core_share_its_packets():
    """Nine spikes of the input and a step: one packet for a and b; all neurons fire, all packets stay in the core."""
    network = fork()
    mapping = placed(network, core__max_layers=4)
    assert len(mapping.used) == 1
    inputs = ns.Inputs.from_spikes(np.ones((1, 2, 1, 3, 3), bool))
    found = {name: values[0].tolist() for name, values in activity(traced(inputs, mapping), mapping).counts.items()}
    assert found["spikes"] == [9, 18, 9, 0] == found["packets"]
    assert found["events"] == [9, 0, 27, 9] and found["look_ups"] == [9, 9, 27, 9]
    assert found["input_arrivals"] == [9, 0, 0, 0] == found["input_events"]
    assert found["hops_x"] == found["hops_y"] == [0, 0, 0, 0]
    assert_equal(activity(traced(inputs, mapping), mapping), twin_of(inputs, mapping))


def random_images(shape, count=2):
    return ns.Inputs(np.random.default_rng(0).integers(0, 12, (count, *shape)).astype(np.uint8))


@pytest.mark.parametrize("delivery", ["unicast", "multicast"])
def test_a_layer_with_two_inputs_and_a_shortcut_from_one_of_them_gets_one_packet_per_spike(delivery):
    network = ns.Network.build(
        "joined", timesteps=3, input_shape=(1, 4, 4),
        layers=[
            ns.Conv("a", ones(2, 1, 3, 3), threshold=20, padding=1),
            ns.Conv("b", ones(2, 1, 1, 1), threshold=9, inputs=["input"]),
            ns.Conv("c", ones(2, 2, 3, 3), 6, padding=1, inputs=["a", "b"], shortcuts=[ns.Shortcut("a", scale=3)]),
            ns.Output("out", ones(3, 32)),
        ],
    )  # fmt: skip
    mapping = placed(network, core__max_neurons=8, mesh__delivery=delivery)
    inputs = random_images((1, 4, 4))
    assert_equal(activity(traced(inputs, mapping), mapping), twin_of(inputs, mapping))


def test_an_identity_shortcut_goes_to_the_core_of_its_channel_alone():
    """Layer a lies in one core; b, whose kernels are larger, has two of its four channels in each of two."""
    network = ns.Network.build(
        "by channel", timesteps=3, input_shape=(1, 4, 4),
        layers=[
            ns.Conv("a", ones(4, 1, 1, 1), threshold=9),
            ns.Conv("b", ones(4, 4, 3, 3), 30, padding=1, shortcuts=[ns.Shortcut("a", scale=3)]),
            ns.Conv("c", ones(4, 4, 1, 1), 90, shortcuts=[ns.Shortcut("a", scale=9)]),
            ns.Output("out", ones(1, 16), pool="sum2"),
        ],
    )  # fmt: skip
    mapping = placed(network, memory__weight_sram__bits=2 * 4 * 9 * 8 + 8)
    assert np.bincount(mapping.layer_of).tolist() == [1, 2, 1, 1]
    inputs = random_images((1, 4, 4))
    found = activity(traced(inputs, mapping), mapping)
    assert_equal(found, twin_of(inputs, mapping))
    spikes, adds = found.spikes[:, mapping.layer_of == 0].sum(), found.accumulates[:, mapping.layer_of == 1].sum()
    over_kernels = Counter(source for source, *_ in naive.synapses_of(network, network.layers[1])[0])
    fired = np.argwhere(traced(inputs, mapping).spikes("a").reshape(-1, 64))[:, 1]
    assert len(fired) == spikes and adds == spikes + sum(over_kernels[int(neuron)] for neuron in fired)


@pytest.mark.parametrize("delivery", ["unicast", "multicast"])
@pytest.mark.parametrize("over_shortcut", ["sum2", "max2"])
@pytest.mark.parametrize("over_main", ["sum2", "max2"])
def test_every_spike_of_a_window_is_sent_and_max_pooling_passes_one_of_them(over_main, over_shortcut, delivery):
    """The four spikes of one window are four packets and events; what reads the window is fetched four times or once."""
    network = ns.Network.build(
        "window", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[
            ns.Conv("a", ones(1, 1, 1, 1) * 2, threshold=1),
            ns.Conv("b", ones(1, 1, 1, 1), 9, pool=over_main, shortcuts=[ns.Shortcut("a", scale=1, pool=over_shortcut)]),
            ns.Output("out", ones(1, 1)),
        ],
    )  # fmt: skip
    mapping = placed(network, mesh__delivery=delivery)
    inputs = ns.Inputs.from_spikes(np.ones((1, 1, 1, 2, 2)))
    found = activity(traced(inputs, mapping), mapping)
    assert_equal(found, twin_of(inputs, mapping))
    times = {"sum2": 4, "max2": 1}
    assert (found.packets[0, 0], found.events[0, 1]) == (4, 4)
    assert found.accumulates[0, 1] == times[over_main] + times[over_shortcut]
    assert found.synaptic_events[0, 1] == times[over_main] + times[over_shortcut]


def test_a_layer_that_nobody_reads_sends_nothing():
    network = ns.Network.build(
        "loose end", timesteps=2, input_shape=(1, 2, 2),
        layers=[
            ns.Conv("a", ones(1, 1, 1, 1), threshold=2),
            ns.Conv("end", ones(1, 1, 1, 1), threshold=1),
            ns.Output("out", ones(2, 4), inputs=["a"]),
        ],
    )  # fmt: skip
    mapping = placed(network)
    inputs = random_images((1, 2, 2))
    found = activity(traced(inputs, mapping), mapping)
    assert_equal(found, twin_of(inputs, mapping))
    assert found.packets[:, mapping.layer_of == 1].sum() == 0


def test_an_image_that_feeds_a_dense_layer_and_a_later_layer_is_counted_in_both():
    network = ns.Network.build(
        "twice fed", timesteps=2, input_shape=(2, 3, 5),
        layers=[
            ns.Dense("a", ones(4, 4), threshold=30, pool="sum2"),
            ns.Conv("b", ones(3, 2, 3, 3), threshold=50, stride=2, padding=1, inputs=["input"]),
            ns.Conv("c", ones(1, 3, 1, 1), threshold=2),
            ns.Output("out", ones(2, 6)),
        ],
    )  # fmt: skip
    mapping = placed(network, core__max_neurons=4)
    inputs = random_images((2, 3, 5))
    assert_equal(activity(traced(inputs, mapping), mapping), twin_of(inputs, mapping))
