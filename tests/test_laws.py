"""Laws that hold for any network on any chip: what must not change, and what must add up."""

import json
from collections import Counter
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import Phase, assume, given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost import activity as activity_module
from neurosim.cost.activity import COUNTS, activity
from neurosim.errors import TraceError
from neurosim.outcome import pipeline
from neurosim.timing import many_turns
from neurosim.timing import timeline as timeline_module
from tests.helpers.examples import SCHEDULE, TIMING, almost, changed, evaluated, examples, mappings, runs, traced
from tests.helpers.strategies import cases, recurrents, residuals

pytestmark = pytest.mark.small

PROMISED = (
    "spikes", "input_events", "synaptic_events", "accumulates", "macs", "neuron_updates", "leak_multiplies", "compares",
    "packets", "flits", "flit_hops", "inter_chip_flits", "saturations", "pool_adds", "pool_macs",
    "payload_macs",
)  # fmt: skip
FREE_OF_MAPPING = (
    "spikes", "synaptic_events", "accumulates", "macs", "neuron_updates", "leak_multiplies", "compares", "saturations",
    "pool_macs", "payload_macs",
)  # fmt: skip


def without_provenance(result):
    """Nor choices of the model, which are runs of their own."""
    return {key: value for key, value in replace(result, trial=None).to_dict().items() if key != "provenance"}


@st.composite
def two_mappings(draw):
    """Inputs and two mappings of one network whose chips have the same policies, storage and state width."""
    network, inputs = draw(st.one_of(cases(), residuals(), recurrents()))
    one, other = draw(mappings(network)), draw(mappings(network))
    core = one.chip.core
    same = {f"core.{key}": getattr(core, key) for key in ("state_bits", "storage", "skip_zeros", "index_bits")}
    same["core.max_layers"] = 1 if core.storage == "crossbar" else other.chip.core.max_layers
    same |= {f"policy.{key}": getattr(one.chip.policy, key) for key in ("update", "analog", "pool")}
    return inputs, one, replace(other, chip=changed(other.chip, same))


@examples(40)
@given(two_mappings())
def test_the_answer_and_the_work_of_the_network_do_not_depend_on_the_mapping(case):
    inputs, one, other = case
    results = evaluated(inputs, one), evaluated(inputs, other)
    assert results[0].outputs.tolist() == results[1].outputs.tolist()
    # A crossbar without zero-skipping adds to every neuron of a core.
    adds = {"accumulates", "pool_macs", "payload_macs"}
    bound = adds if one.chip.core.storage == "crossbar" and not one.chip.core.skip_zeros else set()
    for name in [name for name in FREE_OF_MAPPING if name not in bound]:
        assert (name, results[0].counts[name]) == (name, results[1].counts[name])
        assert results[0].layers[name].tolist() == results[1].layers[name].tolist()


@examples(40)
@given(runs())
def test_cores_and_layers_add_up_to_the_chip(case):
    result = evaluated(*case)
    assert set(result.counts) == set(PROMISED)
    for name in PROMISED:
        assert result.cores[name].sum() == result.layers[name].sum() == result.counts[name]
    assert result.cores["neurons"].sum() == result.layers["neurons"].sum()
    assert result.layers["cores"].sum() == len(result.mapping.bricks) >= len(result.cores)
    total = almost(result.energy.total_J)
    assert result.cores["energy_J"].sum() == total
    assert result.layers["energy_J"].sum() == total


@examples(40)
@given(runs())
def test_components_and_groups_add_up_to_the_total(case):
    energy = evaluated(*case).energy
    total = almost(energy.total_J)
    assert sum(energy.by_component_J.values()) == total
    assert energy.compute_J + energy.data_movement_J + energy.static_J == total
    assert energy.per_image_J * energy.images == total


@examples(40)
@given(runs())
def test_every_packet_that_is_sent_is_received(case):
    inputs, mapping = case
    found = activity(traced(inputs, mapping), mapping)
    received = int((found.events - found.input_arrivals).sum())
    sent = int(found.packets.sum())
    assert sent == received if mapping.chip.mesh.delivery == "unicast" else sent <= received


def joins_chips(mapping, link):
    """Whether the ends of a link, as JSON has it, lie on different chips."""
    mesh = mapping.chip.mesh
    (x, y), (to_x, to_y) = link["from"], link["to"]
    return (x // mesh.width, y // mesh.height) != (to_x // mesh.width, to_y // mesh.height)


@examples(40)
@given(runs(), TIMING, SCHEDULE)
def test_flits_on_links_are_the_flit_hops(case, timing, schedule):
    result = evaluated(*case, timing=timing, schedule=schedule)
    mesh = result.mapping.chip.mesh
    assert result.time.tally.flits.sum() == result.counts["flit_hops"]
    links = result.to_dict()["links"]
    assert sum(link["flits"] for link in links) == result.counts["flit_hops"]
    across = sum(link["flits"] for link in links if joins_chips(result.mapping, link))
    assert across == result.counts["inter_chip_flits"] == result.totals["crossings"].sum()
    graded = any(layer.graded for layer in result.mapping.network.layers)
    bits = mesh.packet_bits + graded * mesh.payload_bits
    assert result.counts["flits"] == result.counts["packets"] * -(-bits // mesh.flit_bits)


@examples(40)
@given(runs())
def test_a_link_joins_neighbours_inside_the_mesh(case):
    result = evaluated(*case)
    mesh, board = result.mapping.chip.mesh, result.mapping.chip.board
    size = [mesh.width * (board.columns if board else 1), mesh.height * (board.rows if board else 1)]
    for link in result.to_dict()["links"]:
        assert all(0 <= place < end for at in (link["from"], link["to"]) for place, end in zip(at, size, strict=True))
        apart = [abs(a - b) for a, b in zip(link["from"], link["to"], strict=True)]
        around = [min(d, n - d) if mesh.topology == "torus" else d for d, n in zip(apart, size, strict=True)]
        assert sum(around) == 1


@examples(40)
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
    grid = mapping.grid
    tile, inside = np.divmod(mapping.cores, grid.cores_per_tile)
    y, x = np.divmod(tile, grid.width)
    x = grid.width - 1 - x if across else x
    y = grid.height - 1 - y if down else y
    return replace(mapping, cores=(y * grid.width + x) * grid.cores_per_tile + inside)


@examples(40)
@given(runs(), st.booleans(), st.booleans())
def test_a_mirrored_mesh_costs_the_same(case, across, down):
    """A torus has no mirror image: where both ways around are as long, one takes that of rising numbers."""
    inputs, mapping = case
    mapping = replace(mapping, chip=mapping.chip.replace("mesh.topology", "mesh"))
    seen, reflected = evaluated(inputs, mapping), evaluated(inputs, mirrored(mapping, across, down))
    assert seen.counts == reflected.counts
    energies = [dict(result.energy.by_component_J) for result in (seen, reflected)]
    for components in energies:
        del components["leakage"]
    assert energies[0] == energies[1]


@examples(40)
@given(runs(), st.booleans(), st.booleans(), SCHEDULE)
def test_bounds_are_the_same_in_the_mirror(case, across, down, schedule):
    """Where a spike is one packet, since single packets leave in the order in which their targets lie; and where no port serves
    one core before the other."""
    inputs, mapping = case
    changes = {"mesh.topology": "mesh", "mesh.delivery": "multicast"}
    changes |= {f"memory.{mapping.chip.home('input').name}.words_per_cycle": None}
    mapping = replace(mapping, chip=changed(mapping.chip, changes))
    how = {"timing": "analytic", "schedule": schedule}
    seen, reflected = evaluated(inputs, mapping, **how), evaluated(inputs, mirrored(mapping, across, down), **how)
    assert seen.time.steps.tolist() == reflected.time.steps.tolist()


@examples(40)
@given(runs())
def test_slices_add_up_to_the_whole(case):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    whole, parts = activity(trace, mapping), [activity(trace, mapping, i, i + 1) for i in range(len(trace))]
    for name in COUNTS:
        assert (np.concatenate([getattr(p, name) for p in parts]) == getattr(whole, name)).all()


@examples(30)
@given(runs())
def test_images_alone_add_up_to_images_together(case):
    inputs, mapping = case
    whole = evaluated(inputs, mapping)
    alone = [evaluated(inputs[i : i + 1], mapping) for i in range(len(inputs))]
    assert {name: sum(a.counts[name] for a in alone) for name in PROMISED} == whole.counts
    if any(delay for layer in mapping.network.layers for delay in layer.delays):
        # What a last step sends to later ones travels beside the first packets of the next image.
        return
    assert np.concatenate([a.time.steps for a in alone]).tolist() == whole.time.steps.tolist()
    assert np.concatenate([a.time.latency for a in alone]).tolist() == whole.time.latency.tolist()
    for name in ("busy", "waiting", "refused", "flits", "stalled", "blocked"):
        assert sum(getattr(a.time.tally, name) for a in alone).tolist() == getattr(whole.time.tally, name).tolist()
    for name in ("peak", "peak_use"):
        assert np.max([getattr(a.time.tally, name) for a in alone], 0).tolist() == getattr(whole.time.tally, name).tolist()
    # Misses are rounded up.
    if not any(memory.miss_rate for memory in mapping.chip.memory):
        assert sum(a.energy.total_J for a in alone) == almost(whole.energy.total_J)
        assert [a.energy.total_J for a in alone] == [almost(joules) for joules in whole.energy.images_J.tolist()]


@examples(20)
@given(runs(), SCHEDULE)
def test_the_size_of_a_slice_changes_nothing(case, schedule):
    inputs, mapping = case
    at_once = without_provenance(evaluated(inputs, mapping, schedule=schedule))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity_module, "SLICE_BYTES", 1)
        assert without_provenance(evaluated(inputs, mapping, schedule=schedule)) == at_once


@examples(10)
@given(runs(), TIMING, SCHEDULE)
def test_threads_that_share_the_turns_change_nothing(case, timing, schedule):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline_module.TurnByTurn, "most", 3)
        patch.setattr(many_turns, "MOST", 3 * mapping.grid.cores)
        found = [ns.evaluate(trace, mapping, timing=timing, schedule=schedule, workers=w) for w in (1, 2, 3)]
    alone = ns.evaluate(trace, mapping, timing=timing, schedule=schedule)
    for result in found:
        assert without_provenance(result) == without_provenance(alone)
        assert result.time.latency.tolist() == alone.time.latency.tolist()
        assert result.time.tally.blocked.tolist() == alone.time.tally.blocked.tolist()


@examples(10, phases=[Phase.generate])
@given(runs(), SCHEDULE)
def test_the_readable_machine_gives_the_same_result(case, schedule):
    packet, simpy = (evaluated(*case, timing=timing, schedule=schedule) for timing in ("packet", "simpy"))
    assert without_provenance(packet) == without_provenance(simpy)
    assert [result.to_dict()["provenance"]["timing"] for result in (packet, simpy)] == ["packet", "simpy"]


@examples(12)
@given(runs())
def test_workers_change_nothing_and_a_replay_is_the_run(case):
    inputs, mapping = case
    chip = mapping.chip
    by_one, by_two = (ns.run(mapping.network, inputs, chip, workers=w) for w in (1, 2))
    assert without_provenance(by_one) == without_provenance(by_two)
    replayed = ns.evaluate(traced(inputs, mapping), ns.map_network(mapping.network, chip))
    assert without_provenance(replayed) == without_provenance(by_one)


def turns_of(inputs, mapping, timing, schedule):
    found = []
    evaluated(inputs, mapping, timing=timing, schedule=schedule, recorder=lambda turn, at, trip, how: found.append((trip, how)))
    return found


def ways_of_their_own(trip, machine):
    """When packets leave their cores, a flit per cycle, and arrive if none of them waits."""
    entered, arrived, free = [], [], [0] * machine.grid.cores
    for packet, (core, flits) in enumerate(zip(trip.source.tolist(), trip.flits.tolist(), strict=True)):
        entered.append(max(int(trip.created[packet]), free[core]))
        free[core] = entered[-1] + flits
        for target in trip.target[trip.first[packet] : trip.first[packet + 1]].tolist():
            arrived.append(entered[-1] + machine.unhindered(core, target, flits))
    return entered, arrived


def test_bounds_are_never_larger_than_what_packets_need_and_equal_where_none_waits():
    equal, larger = Counter(), Counter()

    @examples(90)
    @given(runs(), SCHEDULE, st.booleans())
    def look(case, schedule, apart):
        inputs, mapping = case
        if apart:
            mapping = replace(mapping, chip=changed(mapping.chip, {"mesh.packet_bits": 1, "operation.packet.cycles": 1000}))
        turns = [turns_of(inputs, mapping, timing, schedule) for timing in ("analytic", "packet")]
        for (trip, bound), (_, journey) in zip(*turns, strict=True):
            assert bound.cycles <= journey.cycles
            assert (bound.entered.tolist(), bound.arrived.tolist()) == ways_of_their_own(trip, mapping.chip.machine)
            assert (bound.arrived <= journey.arrived).all() and (bound.free <= journey.free).all()
            assert bound.flits.tolist() == journey.flits.tolist()
            for core in np.flatnonzero((trip.work > 0) | (trip.fetch > 0)):
                assert bound.free[core] >= trip.work[core]
            waits = (journey.arrived > bound.arrived).any() or (journey.started > journey.arrived).any()
            if not waits:
                assert bound.cycles == journey.cycles and bound.free.tolist() == journey.free.tolist()
            (larger if waits else equal)[len(trip) > 0] += 1

    look()
    assert min(equal[True], equal[False], larger[True]) > 10 or numba.config.DISABLE_JIT


@examples(50)
@given(runs(), TIMING, SCHEDULE)
def test_shares_of_what_set_the_pace_add_up_to_one(case, timing, schedule):
    result = evaluated(*case, timing=timing, schedule=schedule)
    assert all(share >= 0 for share in result.time.bound_by.values())
    assert sum(result.time.bound_by.values()) == result.time.cycles
    assert set(result.to_dict()["time"]["bound_by"]) == {"core_busy", "noc", "update", "barrier"}
    assert sum(result.to_dict()["time"]["bound_by"].values()) == pytest.approx(1, rel=1e-12)


@examples(50)
@given(runs(), TIMING, SCHEDULE)
def test_neither_a_link_nor_a_core_is_busy_longer_than_the_run(case, timing, schedule):
    result = evaluated(*case, timing=timing, schedule=schedule)
    time, tally = result.time, result.time.tally
    assert (tally.peak_use <= 1).all()
    assert ((tally.peak_use > 0) == (tally.flits > 0)).all()
    assert (tally.busy <= time.cycles).all() and (tally.waiting <= tally.busy).all()
    assert (tally.refused <= time.cycles).all() and (tally.stalled <= time.cycles).all()
    assert (result.cores["busy_cycles"] + result.cores["idle_cycles"] == time.cycles).all()
    assert (result.cores["idle_cycles"] >= 0).all()
    assert tally.busy.sum() == result.cores["busy_cycles"].sum(), "only cores that hold neurons work"
    for link in result.to_dict()["links"]:
        assert link["flits"] <= link["busy_cycles"] <= time.cycles and link["stalled_cycles"] <= time.cycles


@examples(50)
@given(runs(), SCHEDULE)
def test_no_queue_holds_more_than_it_may(case, schedule):
    result = evaluated(*case, timing="packet", schedule=schedule)
    limit = result.mapping.chip.core.queue_packets
    assert limit is None or (result.cores["queue_peak"] <= limit).all()
    assert limit is not None or not result.cores["refused_cycles"].any()
    assert ((result.cores["queue_peak"] > 0) == (received(result) > 0)).all()


def received(result):
    """Packets per core from other cores."""
    return result.mapping.by_core(result.totals["events"] - result.totals["input_arrivals"])


@examples(20)
@given(runs())
def test_the_result_is_json_whose_counts_are_integers(case):
    record = json.loads(json.dumps(evaluated(*case).to_dict(), allow_nan=False))
    for counts in (record["counts"], *record["layers"], *record["cores"]):
        assert all(type(counts[name]) is int and counts[name] >= 0 for name in PROMISED)
    for use in record["memory"]:
        assert {"level", "holds", "reads", "writes", "bits_read", "bits_written", "energy_J"} == set(use)
        assert type(use["reads"]) is type(use["bits_written"]) is int


@examples(25)
@given(runs(), st.integers(3, 12))
def test_a_wide_trace_is_refused_exactly_where_the_chip_would_clip(case, state_bits):
    inputs, mapping = case
    network = mapping.network
    mapping = replace(mapping, chip=mapping.chip.replace("core.state_bits", state_bits))
    narrow, wide = ns.simulate(network, inputs, state_bits=state_bits), ns.simulate(network, inputs, state_bits=32)
    if any(len(layer.clipped.item) for layer in narrow.layers.values()):
        with pytest.raises(TraceError, match=f"has {state_bits}, which changes the spikes"):
            ns.evaluate(wide, mapping)
    else:
        assert without_provenance(ns.evaluate(wide, mapping)) == without_provenance(ns.evaluate(narrow, mapping))


@examples(40)
@given(runs())
def test_a_clipped_trace_is_refused_on_a_wider_chip(case):
    inputs, mapping = case
    trace = ns.simulate(mapping.network, inputs, state_bits=4)
    assume(any(len(layer.clipped.item) for layer in trace.layers.values()))
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
