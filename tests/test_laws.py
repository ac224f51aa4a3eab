"""Laws that hold for any network on any chip: what must not change, and what must add up."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import cases, residuals
from test_activity import mappings, runs, traced

import neurosim as ns
from neurosim import activity as activity_module
from neurosim import pipeline
from neurosim.activity import COUNTS, activity
from neurosim.errors import TraceError

pytestmark = pytest.mark.small

PROMISED = (
    "spikes", "input_events", "synaptic_events", "accumulates", "macs", "neuron_updates", "leak_multiplies", "compares",
    "packets", "flits", "flit_hops", "inter_chip_flits", "saturations",
)  # fmt: skip
FREE_OF_MAPPING = (
    "spikes", "synaptic_events", "accumulates", "macs", "neuron_updates", "leak_multiplies", "compares", "saturations",
)  # fmt: skip


def almost(joules):
    """Equal up to rounding; energies are so small that an absolute tolerance would accept anything."""
    return pytest.approx(joules, rel=1e-12, abs=0)


def evaluated(inputs, mapping):
    return ns.evaluate(traced(inputs, mapping), mapping)


def without_provenance(result):
    return {key: value for key, value in result.to_dict().items() if key != "provenance"}


@st.composite
def two_mappings(draw):
    """Inputs and two mappings of one network whose chips have the same policies and state width."""
    network, inputs = draw(st.one_of(cases(), residuals()))
    one, other = draw(mappings(network)), draw(mappings(network))
    chip = other.chip
    for path in ("policy.update", "policy.analog", "core.state_bits"):
        part, key = path.split(".")
        chip = chip.replace(path, getattr(getattr(one.chip, part), key))
    return inputs, one, replace(other, chip=chip)


@settings(max_examples=40)
@given(two_mappings())
def test_the_answer_and_the_work_of_the_network_do_not_depend_on_the_mapping(case):
    inputs, one, other = case
    results = evaluated(inputs, one), evaluated(inputs, other)
    assert results[0].outputs.tolist() == results[1].outputs.tolist()
    for name in FREE_OF_MAPPING:
        assert (name, results[0].counts[name]) == (name, results[1].counts[name])
        assert results[0].layers[name].tolist() == results[1].layers[name].tolist()


@settings(max_examples=40)
@given(runs())
def test_cores_and_layers_add_up_to_the_chip(case):
    result = evaluated(*case)
    assert set(result.counts) == set(PROMISED)
    for name in PROMISED:
        assert result.cores[name].sum() == result.layers[name].sum() == result.counts[name]
    assert result.cores["neurons"].sum() == result.layers["neurons"].sum()
    assert result.layers["cores"].sum() == len(result.cores)
    total = almost(result.energy.total_J)
    assert result.cores["energy_J"].sum() == total
    assert result.layers["energy_J"].sum() == total


@settings(max_examples=40)
@given(runs())
def test_components_and_groups_add_up_to_the_total(case):
    energy = evaluated(*case).energy
    total = almost(energy.total_J)
    assert sum(energy.by_component_J.values()) == total
    assert energy.compute_J + energy.data_movement_J + energy.static_J == total
    assert energy.per_image_J * energy.images == total


@settings(max_examples=40)
@given(runs())
def test_every_packet_that_is_sent_is_received(case):
    inputs, mapping = case
    found = activity(traced(inputs, mapping), mapping)
    received = int((found.events - found.input_arrivals).sum())
    sent = int(found.packets.sum())
    assert sent == received if mapping.chip.mesh.delivery == "unicast" else sent <= received


@settings(max_examples=40)
@given(runs())
def test_flits_on_links_are_the_flit_hops(case):
    result = evaluated(*case)
    mesh = result.mapping.chip.mesh
    assert result.time.links.sum() == result.counts["flit_hops"]
    assert sum(link["flits"] for link in result.to_dict()["links"]) == result.counts["flit_hops"]
    assert result.counts["flits"] == result.counts["packets"] * -(-mesh.packet_bits // mesh.flit_bits)


@settings(max_examples=40)
@given(runs())
def test_a_link_joins_neighbours_inside_the_mesh(case):
    result = evaluated(*case)
    mesh = result.mapping.chip.mesh
    for link in result.to_dict()["links"]:
        (x, y), (to_x, to_y) = link["from"], link["to"]
        assert abs(x - to_x) + abs(y - to_y) == 1
        assert 0 <= min(x, to_x) <= max(x, to_x) < mesh.width
        assert 0 <= min(y, to_y) <= max(y, to_y) < mesh.height


@settings(max_examples=40)
@given(runs())
def test_a_tree_never_crosses_more_links_than_single_packets(case):
    inputs, mapping = case
    hops = {}
    for delivery in ("unicast", "multicast"):
        chip = mapping.chip.replace("mesh.delivery", delivery)
        hops[delivery] = evaluated(inputs, replace(mapping, chip=chip)).counts["flit_hops"]
    assert hops["multicast"] <= hops["unicast"]


def mirrored(mapping, across, down):
    """The same mapping on the mesh seen in a mirror."""
    mesh = mapping.chip.mesh
    tile, inside = np.divmod(mapping.cores, mesh.cores_per_tile)
    y, x = np.divmod(tile, mesh.width)
    x = mesh.width - 1 - x if across else x
    y = mesh.height - 1 - y if down else y
    return replace(mapping, cores=(y * mesh.width + x) * mesh.cores_per_tile + inside)


@settings(max_examples=40)
@given(runs(), st.booleans(), st.booleans())
def test_a_mirrored_mesh_costs_the_same(case, across, down):
    inputs, mapping = case
    seen, reflected = evaluated(inputs, mapping), evaluated(inputs, mirrored(mapping, across, down))
    assert seen.counts == reflected.counts
    assert seen.energy.by_component_J == reflected.energy.by_component_J
    assert seen.time.steps.tolist() == reflected.time.steps.tolist()


@settings(max_examples=40)
@given(runs())
def test_slices_add_up_to_the_whole(case):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    whole, parts = activity(trace, mapping), [activity(trace, mapping, i, i + 1) for i in range(len(trace))]
    for name in (*COUNTS, "links", "longest"):
        assert (np.concatenate([getattr(p, name) for p in parts]) == getattr(whole, name)).all()


@settings(max_examples=30)
@given(runs())
def test_images_alone_add_up_to_images_together(case):
    inputs, mapping = case
    whole = evaluated(inputs, mapping)
    alone = [evaluated(inputs[i : i + 1], mapping) for i in range(len(inputs))]
    assert {name: sum(a.counts[name] for a in alone) for name in PROMISED} == whole.counts
    assert np.concatenate([a.time.steps for a in alone]).tolist() == whole.time.steps.tolist()
    assert sum(a.time.links for a in alone).tolist() == whole.time.links.tolist()
    assert sum(a.energy.total_J for a in alone) == almost(whole.energy.total_J)


@settings(max_examples=20)
@given(runs())
def test_the_size_of_a_slice_changes_nothing(case):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    at_once = without_provenance(ns.evaluate(trace, mapping))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity_module, "SLICE_BYTES", 1)
        assert without_provenance(ns.evaluate(trace, mapping)) == at_once


@settings(max_examples=20)
@given(runs())
def test_workers_change_nothing_and_a_replay_is_the_run(case):
    inputs, mapping = case
    chip = mapping.chip
    by_one, by_two = (ns.run(mapping.network, inputs, chip, workers=w) for w in (1, 2))
    assert without_provenance(by_one) == without_provenance(by_two)
    replayed = ns.evaluate(traced(inputs, mapping), ns.map_network(mapping.network, chip))
    assert without_provenance(replayed) == without_provenance(by_one)


@settings(max_examples=20)
@given(runs())
def test_the_result_is_json_whose_counts_are_integers(case):
    record = json.loads(json.dumps(evaluated(*case).to_dict(), allow_nan=False))
    for counts in (record["counts"], *record["layers"], *record["cores"]):
        assert all(type(counts[name]) is int and counts[name] >= 0 for name in PROMISED)
    for use in record["memory"]:
        assert {"level", "holds", "reads", "writes", "bits_read", "bits_written", "energy_J"} == set(use)
        assert type(use["reads"]) is type(use["bits_written"]) is int


@settings(max_examples=40)
@given(runs(), st.integers(3, 12))
def test_a_wide_trace_is_refused_exactly_where_the_chip_would_clip(case, state_bits):
    inputs, mapping = case
    network = mapping.network
    mapping = replace(mapping, chip=mapping.chip.replace("core.state_bits", state_bits))
    narrow, wide = ns.simulate(network, inputs, state_bits=state_bits), ns.simulate(network, inputs, state_bits=32)
    if any(len(layer.clipped.neuron) for layer in narrow.layers.values()):
        with pytest.raises(TraceError, match=f"has {state_bits}, which changes the spikes"):
            ns.evaluate(wide, mapping)
    else:
        assert without_provenance(ns.evaluate(wide, mapping)) == without_provenance(ns.evaluate(narrow, mapping))


@settings(max_examples=40)
@given(runs())
def test_a_clipped_trace_is_refused_on_a_wider_chip(case):
    inputs, mapping = case
    trace = ns.simulate(mapping.network, inputs, state_bits=4)
    assume(any(len(layer.clipped.neuron) for layer in trace.layers.values()))
    with pytest.raises(TraceError):
        ns.evaluate(trace, replace(mapping, chip=mapping.chip.replace("core.state_bits", 16)))


def counter_of_fifties(width=1):
    """Adds 50 per step and fires above 140: its potential peaks at 150."""
    return ns.Network.build(
        "fifties", timesteps=4, input_shape=(1, 1, 1),
        layers=[ns.Dense("n", [[50]] * width, threshold=140), ns.Output("out", [[1] * width])],
    )  # fmt: skip


def test_a_peak_of_150_needs_nine_bits():
    network, data = counter_of_fifties(), ns.Inputs(np.ones((1, 1, 1, 1), np.uint8))
    trace = ns.simulate(network, data)
    for bits, fits in ((8, False), (9, True), (24, True)):
        chip = ns.load_chip("mesh45").replace("core.state_bits", bits)
        mapping = ns.map_network(network, chip)
        if fits:
            assert without_provenance(ns.evaluate(trace, mapping)) == without_provenance(ns.run(network, data, chip))
        else:
            with pytest.raises(TraceError, match="layer 'n' has potentials from 0 to 150") as caught:
                ns.evaluate(trace, mapping)
            assert caught.value.exit_code == 2


def test_a_trace_of_another_network_is_refused():
    data = ns.Inputs(np.ones((1, 1, 1, 1), np.uint8))
    mapping = ns.map_network(counter_of_fifties(2), ns.load_chip("mesh45"))
    with pytest.raises(TraceError, match="another network"):
        ns.evaluate(ns.simulate(counter_of_fifties(), data), mapping)


@pytest.mark.parametrize("limit", [1024, 4, 1])
def test_input_events_are_the_spikes_that_are_fed_whatever_the_mapping(limit):
    """Also those that reach several cores, and those of an odd row that the pool drops."""
    network = ns.Network.build(
        "fed", timesteps=3, input_shape=(2, 5, 5), encoding="spikes",
        layers=[ns.Conv("a", np.ones((3, 2, 1, 1), int), 1, pool="sum2"), ns.Output("out", np.ones((2, 12), int))],
    )  # fmt: skip
    spikes = np.random.default_rng(1).random((4, 3, 2, 5, 5)) < 0.4
    result = ns.run(network, ns.Inputs.from_spikes(spikes), ns.load_chip("mesh45").replace("core.max_neurons", limit))
    assert result.counts["input_events"] == spikes.sum() == result.cores["input_events"].sum()


def test_a_late_peak_does_not_bar_the_samples_before_it():
    network = ns.Network.build(
        "late", timesteps=1, input_shape=(1, 1, 1),
        layers=[ns.Dense("a", [[1]], threshold=10), ns.Output("out", [[1]])],
    )  # fmt: skip
    images = np.array([3, 200], np.uint8).reshape(2, 1, 1, 1)
    trace = ns.simulate(network, ns.Inputs(images))
    narrow = ns.map_network(network, ns.load_chip("mesh45").replace("core.state_bits", 5))
    assert ns.evaluate(trace.head(1), narrow).counts["spikes"] == 0
    with pytest.raises(ns.NeurosimError, match="from 0 to 200"):
        ns.evaluate(trace, narrow)


def test_comparing_chips_simulates_once_for_every_width_that_matters(monkeypatch):
    """Potentials reach 150: nine bits and more share one simulation, five bits need their own."""
    network = ns.Network.build(
        "peaks", timesteps=3, input_shape=(1, 1, 1),
        layers=[ns.Dense("a", [[1]], threshold=140), ns.Output("out", [[1]])],
    )  # fmt: skip
    data = ns.Inputs(np.full((2, 1, 1, 1), 50, np.uint8))
    chips = [ns.load_chip("mesh45").replace("core.state_bits", bits) for bits in (32, 9, 5, 16)]
    widths = []

    def counted(*arguments, state_bits, workers):
        widths.append(state_bits)
        return ns.simulate(*arguments, state_bits=state_bits, workers=workers)

    monkeypatch.setattr(pipeline, "simulate", counted)
    found = ns.compare(network, data, chips)
    assert widths == [32, 5]
    monkeypatch.undo()
    for result, chip in zip(found, chips, strict=True):
        alone = ns.run(network, data, chip, workers=1)
        assert (result.outputs == alone.outputs).all() and result.energy.total_J == alone.energy.total_J
        assert result.mapping.chip is chip
