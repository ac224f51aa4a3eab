"""Mapping: every neuron in one core, no core over a limit, and everything that does not fit is said at once."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.mapping.demand import MappingError
from neurosim.mapping.limits import check
from neurosim.mapping.partition import OBJECTIVES, cores_reached, partition
from neurosim.mapping.storage import kernel_weights
from tests.helpers import naive, samples
from tests.helpers.examples import changed, mappings, wide_mesh
from tests.helpers.strategies import networks, residual_networks

pytestmark = pytest.mark.small

any_network = st.one_of(networks(), residual_networks())


@st.composite
def tight(draw):
    """A network and a chip whose limits bind here and there."""
    network = draw(any_network)
    limits = {
        "core.max_neurons": st.integers(1, 30),
        "core.max_axons": st.integers(1, 120),
        "memory.weight_sram.bits": st.integers(8, 2000),
        "memory.state_sram.bits": st.integers(16, 1200),
        "memory.table_sram.bits": st.integers(64, 6000),
    }
    limits["core.max_layers"] = st.integers(2, 4)
    chosen = draw(st.lists(st.sampled_from(sorted(limits)), min_size=1, max_size=3, unique=True))
    delivery = draw(st.sampled_from(["unicast", "multicast"]))
    changes = {path: draw(limits[path]) for path in chosen} | {"mesh.delivery": delivery}
    return network, changed(wide_mesh(ns.load_chip("mesh45"), network), changes)


@settings(max_examples=70)
@given(any_network.flatmap(mappings))
def test_bricks_hold_every_neuron_exactly_once(mapping):
    for index, layer in enumerate(mapping.network.layers):
        held = np.zeros(layer.shape, int)
        for b in mapping.bricks:
            if b.layer == index:
                held[b.c0 : b.c1, b.y0 : b.y1, b.x0 : b.x1] += 1
        assert (held == 1).all()
    for core in mapping.used:
        layers = mapping.layer_of[mapping.cores == core].tolist()
        assert len({*layers}) == len(layers) <= mapping.chip.core.max_layers
    assert all(0 <= core < mapping.chip.cores for core in mapping.cores)
    assert all(b.neurons > 0 for b in mapping.bricks)


def neurons_of(mapping, brick):
    shape = mapping.network.layers[brick.layer].shape
    spans = ((brick.c0, brick.c1), (brick.y0, brick.y1), (brick.x0, brick.x1))
    return {naive.flat(shape, *at) for at in product(*(range(*span) for span in spans))}


def places_of(mapping, brick):
    """Those of the map that synapses reach whose currents the brick's neurons integrate: the neurons, where none are pooled."""
    windows = naive.windows(mapping.network.layers[brick.layer])
    return {place for neuron in neurons_of(mapping, brick) for place in windows[neuron]}


def home_of(mapping):
    """{(layer name, neuron): brick number}."""
    names = [layer.name for layer in mapping.network.layers]
    return {(names[b.layer], i): number for number, b in enumerate(mapping.bricks) for i in neurons_of(mapping, b)}


def holding(layer):
    """{place: neurons whose windows hold it}."""
    found = {}
    for neuron, places in naive.windows(layer).items():
        for place in places:
            found.setdefault(place, []).append(neuron)
    return found


def counted_routes(mapping):
    """Per brick: its (neuron, destination core) pairs, or its neurons that send at all."""
    home, targets, holders = home_of(mapping), {}, {layer.name: holding(layer) for layer in mapping.network.layers}
    for layer in mapping.network.layers:
        for source, synapses in zip(layer.sources, naive.synapses_of(mapping.network, layer), strict=True):
            for i, j, *_ in synapses if source != "input" else ():
                reached = {mapping.cores[home[layer.name, neuron]] for neuron in holders[layer.name].get(j, ())}
                targets.setdefault((source, i), set()).update(reached)
    total = [0] * len(mapping.bricks)
    for sender, reached in targets.items():
        if not reached:
            continue
        total[home[sender]] += 1 if mapping.chip.mesh.delivery == "multicast" else len(reached)
    return total


def counted_axons(mapping, brick):
    """Per projection: distinct source neurons with a synapse into the brick; the neurons of a pooling window are one, and so
    are some channels of a site."""
    network, layer = mapping.network, mapping.network.layers[brick.layer]
    mine, total = places_of(mapping, brick), 0
    for source, synapses in zip(layer.sources, naive.synapses_of(network, layer), strict=True):
        if source != "input" or network.input.encoding == "spikes":
            sites = Counter(at[1:] for at in {at for _, j, _, _, at in synapses if j in mine})
            total += sum(-(-channels // mapping.chip.core.axon_channels) for channels in sites.values())
    return total


def counted_weight_bits(mapping, brick):
    """Shared: a row of every kernel element per output channel, and a number for an identity shortcut. Otherwise what the
    synapses of every axon take; an image's kernels are shared all the same."""
    network, layer, core = mapping.network, mapping.network.layers[brick.layer], mapping.chip.core
    at_host = network.input.encoding == "direct" and "input" in layer.inputs and mapping.chip.policy.analog == "host"
    main = [] if at_host else [layer.weight]
    kernels = [*main, *(s.weight for s in layer.shortcuts if s.weight is not None)]
    if core.storage == "shared":
        own = sum(kernel[brick.c0 : brick.c1].size for kernel in kernels)
        return (own + sum(s.weight is None for s in layer.shortcuts)) * layer.weight_bits
    mine, total = places_of(mapping, brick), 0
    for source, synapses in zip(layer.sources, naive.synapses_of(network, layer), strict=True):
        if source == "input" and network.input.encoding == "direct":
            total += sum(kernel[brick.c0 : brick.c1].size for kernel in main) * layer.weight_bits
            continue
        rows = {}
        for _, j, weight, _, at in synapses:
            if j in mine:
                rows.setdefault(at, {})[j] = weight
        for row in rows.values():
            if core.storage == "sparse":
                total += sum(weight != 0 for weight in row.values()) * (layer.weight_bits + core.index_bits)
            else:
                total += (len(row) if core.storage == "unrolled" else len(mine)) * layer.weight_bits
    return total


@settings(max_examples=70)
@given(any_network.flatmap(mappings))
def test_demands_are_those_one_counts_by_hand(mapping):
    core = mapping.chip.core
    routes = counted_routes(mapping)
    for place, used in zip(mapping.used, mapping.uses, strict=True):
        mine = [(number, mapping.bricks[number]) for number in np.flatnonzero(mapping.cores == place)]
        axons = sum(counted_axons(mapping, brick) for _, brick in mine)
        found = {
            "neurons": sum(len(neurons_of(mapping, brick)) for _, brick in mine),
            "axons": axons,
            "routes": sum(routes[number] for number, _ in mine),
        }
        if core.max_layers > 1:
            found["layers"] = len(mine)
        bits = {
            "weights": sum(counted_weight_bits(mapping, brick) for _, brick in mine),
            "state": sum(counted_state_bits(mapping, brick) for _, brick in mine),
            "axons": axons * core.axon_bits,
            "routes": found["routes"] * core.route_bits,
            "queue": (core.queue_packets or 0) * mapping.chip.mesh.packet_bits,
        }
        demand = {use.resource.split(" (")[0]: use.demand for use in used}
        assert {name: demand[name] for name in found} == found
        for memory in mapping.chip.memory:
            if memory.name in demand:
                assert demand[memory.name] == sum(bits.get(kind, 0) for kind in memory.holds)


def counted_state_bits(mapping, brick):
    """Of every number; where values share words, that of whole words, row by row."""
    memory, bits = mapping.chip.home("state"), mapping.chip.core.state_bits
    rows = rows_of_numbers(mapping, brick)
    if memory.layout == "padded":
        return brick.channels * rows * bits
    words = 0
    for _ in range(rows):
        free = 0
        for _ in range(brick.channels):
            if free < bits:
                words, free = words + -(-bits // memory.word_bits), memory.word_bits
            free -= bits
    return words * memory.word_bits


def rows_of_numbers(mapping, brick):
    """Kept: of every site the potentials, and the currents of the image if they are stored; where currents are pooled, what
    arrived at every site in a window, and there the currents of the image."""
    layer, direct = mapping.network.layers[brick.layer], mapping.network.input.encoding == "direct"
    stored = direct and "input" in layer.inputs and mapping.chip.policy.analog != "per_step"
    if getattr(layer, "pool_currents", None) is None:
        return brick.sites * (1 + stored)
    return brick.sites + len(places_of(mapping, brick)) // brick.channels * (1 + stored)


@settings(max_examples=70)
@given(tight())
def test_no_core_is_over_a_limit(case):
    try:
        mapping = ns.map_network(*case)
    except ns.MappingError:
        assume(False)
    assert check(mapping) == []
    assert all(use.limit is None or use.demand <= use.limit for used in mapping.uses for use in used)


def one_neuron_per_core(network, chip):
    """The finest cut there is, limits or not."""
    free = {"core.max_neurons": 1, "core.max_axons": 10**9, **{f"memory.{m.name}.bits": 10**12 for m in chip.memory}}
    return replace(ns.map_network(network, changed(chip, free)), chip=chip)


@settings(max_examples=70)
@given(tight())
def test_a_network_is_refused_only_if_some_neuron_does_not_fit_alone(case):
    """Multicast: in unicast a finer cut of the consumers needs more routes."""
    network, chip = case
    chip = changed(chip, {"mesh.delivery": "multicast"})
    fits = check(one_neuron_per_core(network, chip)) == []
    try:
        ns.map_network(network, chip)
        assert fits
    except ns.MappingError:
        assert not fits


@settings(max_examples=70)
@given(tight())
def test_every_violation_is_complete_and_true(case):
    try:
        ns.map_network(*case)
        assume(False)
    except ns.MappingError as error:
        assert error.exit_code == 1
        for v in error.violations:
            assert v.layer in {layer.name for layer in case[0].layers}
            assert v.gap == v.demand - v.limit > 0
            assert v.unit in ("neurons", "axons", "routes", "bits")
            assert v.remedy
            said = (v.layer, f"{v.demand:,}", f"{v.limit:,}", f"{v.gap:,}", v.unit, v.remedy)
            assert all(part in str(error) for part in said)
            assert v.to_dict()["gap"] == v.gap


@given(st.integers(1, 200), st.integers(1, 50))
def test_a_dense_layer_takes_as_few_cores_as_its_neurons_need(neurons, room):
    network = dense(4, neurons)
    mapping = ns.map_network(network, changed(wide_mesh(ns.load_chip("mesh45"), network), {"core.max_neurons": room}))
    assert np.bincount(mapping.layer_of)[0] == -(-neurons // room)


@settings(max_examples=80)
@given(any_network, st.integers(1, 30))
def test_a_layer_takes_as_few_cores_as_any_equal_cut(network, room):
    mapping = ns.map_network(network, changed(wide_mesh(ns.load_chip("mesh45"), network), {"core.max_neurons": room}))
    for layer, cores in zip(network.layers, np.bincount(mapping.layer_of), strict=True):
        sizes = [s for s in product(*(range(1, n + 1) for n in layer.shape)) if np.prod(s) <= room]
        assert cores == min(np.prod([-(-n // size) for n, size in zip(layer.shape, s, strict=True)]) for s in sizes)


def dense(inputs, neurons, classes=1):
    return ns.Network.build(
        "dense", timesteps=1, input_shape=(inputs, 1, 1), encoding="spikes",
        layers=[ns.Dense("fc", np.ones((neurons, inputs), int), 1), ns.Output("out", np.ones((classes, neurons), int))],
    )  # fmt: skip


def refused(network, changes):
    with pytest.raises(ns.MappingError) as caught:
        ns.map_network(network, changed(ns.load_chip("mesh45"), changes), "row-major")
    return caught.value.violations


def facts(violation):
    return violation.layer, violation.resource, violation.demand, violation.limit, violation.gap, violation.unit


def test_a_fan_in_above_the_axon_limit_is_said():
    (violation,) = refused(dense(100, 5), {"core.max_axons": 90})
    assert facts(violation) == ("fc", "axons", 100, 90, 10, "axons")
    assert "core.max_axons" in violation.remedy


def test_a_fan_in_that_only_inner_neurons_exceed_is_said():
    """A padded convolution: a corner neuron has 4 axons, an inner one 9."""
    network = ns.Network.build(
        "padded", timesteps=1, input_shape=(1, 5, 5), encoding="spikes",
        layers=[ns.Conv("conv", np.ones((1, 1, 3, 3), int), 1, padding=1), ns.Output("out", np.ones((1, 25), int))],
    )  # fmt: skip
    found = {facts(v) for v in refused(network, {"core.max_axons": 8}) if v.layer == "conv"}
    assert found == {("conv", "axons", 9, 8, 1, "axons")}


def test_a_brick_fits_also_where_a_strided_convolution_reaches_further_than_in_the_middle():
    """Stride 2 on a 4x4 map: the corner (0, 0) reads 2x2, the corner (1, 1) reads 3x3; one channel a core fits everywhere."""
    kernel = np.ones((4, 1, 3, 3), int)
    network = ns.Network.build(
        "strided", timesteps=1, input_shape=(1, 4, 4), encoding="spikes",
        layers=[
            ns.Conv("a", kernel, 1, stride=2, padding=1),
            ns.Conv("b", kernel, 1, stride=2, padding=1, inputs=["input"], shortcuts=[ns.Shortcut("a", scale=1)]),
            ns.Output("out", np.ones((1, 4), int), pool="sum2"),
        ],
    )  # fmt: skip
    mapping = ns.map_network(network, changed(ns.load_chip("mesh45"), {"core.max_axons": 10}))
    assert check(mapping) == []


def test_a_mesh_one_core_too_small_says_so():
    network = dense(3, 14, 1)
    (violation,) = refused(network, {"core.max_neurons": 2, "mesh.width": 7, "mesh.height": 1})
    assert facts(violation) == ("", "cores", 8, 7, 1, "cores")
    assert "mesh.height" in violation.remedy
    fitting = changed(ns.load_chip("mesh45"), {"core.max_neurons": 2, "mesh.width": 8, "mesh.height": 1})
    assert len(ns.map_network(network, fitting).bricks) == 8


def test_weights_of_one_neuron_that_are_too_large_are_said():
    (violation,) = refused(dense(100, 5), {"memory.weight_sram.bits": 799})
    assert facts(violation) == ("fc", "weight_sram (weights)", 800, 799, 1, "bits")
    assert "weight bits" in violation.remedy


def test_all_that_does_not_fit_is_said_at_once():
    changes = {"core.max_axons": 3, "memory.weight_sram.bits": 8, "memory.state_sram.bits": 16, "memory.table_sram.bits": 32}
    found = {(v.layer, v.resource) for v in refused(dense(4, 5), changes)}
    memories = ("weight_sram (weights)", "state_sram (state)", "table_sram (axons, routes)")
    assert found == {(layer, resource) for layer in ("fc", "out") for resource in ("axons", *memories)}


def test_an_unmappable_layer_is_not_blamed_on_the_mesh():
    """Its neurons one by one are no cut that anybody asked for."""
    assert {v.resource for v in refused(dense(100, 70), {"core.max_axons": 99})} == {"axons"}


def test_limits_may_be_met_exactly():
    network = dense(100, 5)
    chip = ns.load_chip("mesh45")
    exact = {
        "core.max_neurons": 5, "core.max_axons": 100, "core.max_routes": 5, "memory.weight_sram.bits": 100 * 5 * 8,
        "memory.state_sram.bits": 5 * 32, "memory.table_sram.bits": (100 + 5) * 32, "mesh.width": 2, "mesh.height": 1,
    }  # fmt: skip
    assert len(ns.map_network(network, changed(chip, exact)).bricks) == 2


def test_a_neuron_that_reaches_a_core_twice_needs_one_route_there():
    network = ns.Network.build(
        "both ways", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[
            ns.Conv("a", np.ones((1, 1, 1, 1), int), 1),
            ns.Conv("b", np.ones((1, 1, 1, 1), int), 1, shortcuts=[ns.Shortcut("a", scale=1)]),
            ns.Output("out", np.ones((1, 4), int)),
        ],
    )  # fmt: skip
    mapping = ns.map_network(network, changed(ns.load_chip("mesh45"), {"core.max_routes": 4}))
    assert [use.demand for use in mapping.uses[0] if use.resource == "routes"] == [4]
    assert len(mapping.bricks) == 3


def test_weights_of_a_shortcut_are_as_wide_as_they_need():
    shortcut = ns.Shortcut("a", np.full((1, 1, 1, 1), 300))
    network = ns.Network.build(
        "wide shortcut", timesteps=1, input_shape=(1, 1, 1), encoding="spikes",
        layers=[
            ns.Conv("a", np.ones((1, 1, 1, 1), int), 1),
            ns.Conv("b", np.ones((1, 1, 1, 1), int), 1, shortcuts=[shortcut]),
            ns.Output("out", np.ones((1, 1), int)),
        ],
    )  # fmt: skip
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    (bits,) = (use.demand for use in mapping.uses[1] if use.resource.startswith("weight_sram"))
    assert bits >= 8 + 10


def test_multicast_needs_one_route_per_neuron():
    network = dense(2, 6, 8)
    changes = {"core.max_neurons": 2, "mesh.width": 8, "mesh.height": 1}
    routes = {}
    for delivery in ("unicast", "multicast"):
        mapping = ns.map_network(network, changed(ns.load_chip("mesh45"), changes | {"mesh.delivery": delivery}))
        routes[delivery] = [use.demand for used in mapping.uses[:3] for use in used if use.resource == "routes"]
    assert routes == {"unicast": [8, 8, 8], "multicast": [2, 2, 2]}


def test_one_chip_is_full_before_the_next_is_used():
    """Three by two chips of two by two tiles of two cores, whose numbers go along the rows of all chips together."""
    board = {"columns": 3, "rows": 2, "link_cycles": 1, "pj": 0, "source": "made up"}
    changes = {"mesh.width": 2, "mesh.height": 2, "mesh.cores_per_tile": 2, "core.max_neurons": 1, "board": board}
    mapping = ns.map_network(dense(1, 47), changed(ns.load_chip("mesh45"), changes), "row-major")
    places = [
        (2 * chip_y + y, 2 * chip_x + x, inside)
        for chip_y, chip_x, y, x, inside in product(range(2), range(3), range(2), range(2), range(2))
    ]
    assert mapping.cores.tolist() == [(y * 6 + x) * 2 + inside for y, x, inside in places]
    result = ns.run(mapping.network, ns.Inputs.from_spikes(np.zeros((1, 1, 1, 1, 1))), mapping.chip, placer="row-major")
    assert result.cores["chip"].tolist() == [chip for chip in range(6) for _ in range(8)]


def test_an_unknown_placer_is_refused():
    with pytest.raises(ns.NeurosimError, match="placer 'nowhere' does not exist"):
        ns.map_network(dense(1, 1), ns.load_chip("mesh45"), "nowhere")


def test_a_memory_of_the_whole_chip_is_filled_by_all_cores_together():
    network = dense(4, 6)
    shared = {"memory.weight_sram.per": "chip", "core.max_neurons": 3}
    total = (4 * 6 + 6) * 8
    ns.map_network(network, changed(ns.load_chip("mesh45"), shared | {"memory.weight_sram.bits": total}))
    (violation,) = refused(network, shared | {"memory.weight_sram.bits": total - 1})
    assert facts(violation) == ("", "weight_sram (weights)", total, total - 1, 1, "bits")


def test_on_a_board_every_chip_has_its_own_memory_and_all_share_the_one_off_chip():
    """Two cores of 12 weights each on the first chip, the output with 6 on the second."""
    network = dense(4, 6)
    two = {"columns": 2, "rows": 1, "link_cycles": 1, "pj": 0, "source": "made up"}
    board = {"core.max_neurons": 3, "mesh.width": 2, "mesh.height": 1, "board": two}
    for per, bits, place in (("chip", 2 * 12 * 8, " of chip 0"), ("off chip", 30 * 8, "")):
        limited = board | {"memory.weight_sram.per": per}
        ns.map_network(network, changed(ns.load_chip("mesh45"), limited | {"memory.weight_sram.bits": bits}), "row-major")
        (violation,) = refused(network, limited | {"memory.weight_sram.bits": bits - 1})
        assert facts(violation) == ("", f"weight_sram (weights){place}", bits, bits - 1, 1, "bits")


def test_the_constant_of_an_identity_shortcut_may_be_wider_than_the_weights_and_is_stored():
    def build(scale):
        return ns.Network.build(
            "wide", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
            layers=[
                ns.Conv("a", np.ones((1, 1, 1, 1), int), 1),
                ns.Conv("b", np.ones((1, 1, 1, 1), int), 1, shortcuts=[ns.Shortcut("a", scale=scale)]),
                ns.Output("out", np.ones((1, 4), int)),
            ],
        )  # fmt: skip

    layers = [build(scale).layer("b") for scale in (1, 127, 128, -128, 40000)]
    assert [layer.weight_bits for layer in layers] == [8] * 5
    assert [kernel_weights(layer, 1) for layer in layers] == [2, 2, 3, 2, 4]
    for scale in (2**31, 1.5, "one"):
        with pytest.raises(ns.NeurosimError, match="scale"):
            build(scale)


@settings(max_examples=70)
@given(any_network, st.randoms(use_true_random=False))
def test_cores_reached_are_those_one_counts_by_hand(network, rng):
    for layer in network.layers:
        for consumer in network.layers:
            if layer.name not in consumer.sources:
                continue
            size = tuple(rng.randint(1, n) for n in consumer.shape)
            reached, holders = {}, holding(consumer)
            for source, synapses in zip(consumer.sources, naive.synapses_of(network, consumer), strict=True):
                for i, j, *_ in synapses if source == layer.name else ():
                    for neuron in holders.get(j, ()):
                        place = np.unravel_index(neuron, consumer.shape)
                        reached.setdefault(i, set()).add(tuple(int(at) // step for at, step in zip(place, size, strict=True)))
            many = np.zeros(layer.shape, int)
            for i, bricks in reached.items():
                many[np.unravel_index(i, layer.shape)] = len(bricks)
            assert cores_reached(network, layer, consumer, size).tolist() == many.max(0).ravel().tolist()


@pytest.mark.parametrize("changes", [{}, {"core.max_routes": 60}, {"core.max_routes": 60, "mesh.delivery": "multicast"}])
def test_fewer_cores_or_fewer_packets(changes):
    network = samples.residual()
    chip = changed(ns.load_chip("mesh45", ["core.max_neurons=24"]), changes)
    found = {}
    for objective in OBJECTIVES:
        mapping = ns.map_network(network, chip, partitioner=objective)
        assert check(mapping) == []
        packets = sum(float((fan.packets.rows @ (fan.groups @ fan.neurons)).sum()) for fan in mapping.fanouts.values())
        found[objective] = len(mapping.bricks), packets
    assert found["cores"][0] <= found["traffic"][0] <= chip.cores
    assert found["traffic"][1] <= found["cores"][1]


def test_looking_ahead_saves_cores():
    """Every layer by itself with the fewest cores takes 495 and 672; each size is kept once it is found."""
    network = ns.load_network("models/cifar10_vgg9_t5.h5")
    for preset, most in (("mesh45", 414), ("loihi", 190)):
        found = partition(network, ns.load_chip(preset))
        assert not found.problems and len(found.bricks) <= most


def test_an_unknown_objective_is_refused():
    with pytest.raises(ns.NeurosimError, match="partitioner 'luck' does not exist; there are: cores, traffic"):
        ns.map_network(samples.residual(), ns.load_chip("mesh45"), partitioner="luck")


def test_what_contributes_is_named_the_largest_first():
    """Three layers of 16, 4 and 2 neurons on cores of two: 8, 2 and 1 of them, three too many."""
    network = ns.Network.build(
        "parts", timesteps=1, input_shape=(1, 4, 4), encoding="spikes",
        layers=[
            ns.Conv("a", np.ones((1, 1, 1, 1), int), 1), ns.Dense("b", np.ones((4, 16), int), 1),
            ns.Output("out", np.ones((2, 4), int)),
        ],
    )  # fmt: skip
    chip = ns.load_chip("mesh45", ["mesh.width=4", "mesh.height=2", "core.max_neurons=2"])
    with pytest.raises(MappingError) as error:
        ns.map_network(network, chip)
    text = "needs 11 cores, limit 8, 3 too many, mostly a 8, b 2, out 1; enlarge the mesh, to mesh.height = 3"
    assert text in str(error.value)
    assert error.value.violations[0].to_dict()["parts"] == {"a": 8, "b": 2, "out": 1}


def test_the_sources_of_too_many_axons_are_named():
    network = ns.Network.build(
        "fan-in", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[
            ns.Conv("a", np.ones((3, 1, 1, 1), int), 1),
            ns.Conv("b", np.ones((1, 3, 1, 1), int), 1, shortcuts=[ns.Shortcut("input", scale=1)]),
            ns.Output("out", np.ones((1, 4), int)),
        ],
    )  # fmt: skip
    with pytest.raises(MappingError, match=r"layer 'b' .*: axons needs 4 axons, limit 3, 1 too many, mostly a 3, input 1"):
        ns.map_network(network, ns.load_chip("mesh45", ["core.max_axons=3"]))


def test_a_link_that_would_carry_too_much_is_named():
    network = ns.Network.build(
        "two", timesteps=1, input_shape=(2, 1, 1), encoding="spikes",
        layers=[ns.Dense("a", np.ones((5, 2), int), 1), ns.Output("out", np.ones((1, 5), int))],
    )  # fmt: skip
    chip = ns.load_chip("mesh45", ["mesh.max_link_flits=5"])
    assert check(ns.map_network(network, chip, "row-major")) == []
    with pytest.raises(MappingError, match=r"link \(0, 0\) to \(1, 0\) needs 5 flits, limit 4, 1 too many; use another placer"):
        ns.map_network(network, chip.replace("mesh.max_link_flits", 4), "row-major")


def test_only_weights_that_are_not_shared_could_be():
    network = samples.residual()
    for storage, words in (("shared", "use fewer weight bits"), ("unrolled", r"use core\.storage = 'shared'")):
        chip = changed(ns.load_chip("mesh45"), {"core.storage": storage, "memory.weight_sram.bits": 1})
        with pytest.raises(MappingError, match=f"weight_sram .*; {words}"):
            ns.map_network(network, chip)
