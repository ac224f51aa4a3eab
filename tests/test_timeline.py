"""Time: cycles by hand, by a plain loop over the twin's counts, and the ways in which a better chip may not be slower."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_activity import runs, traced, twin_of
from test_energy import tiny

import neurosim as ns

pytestmark = pytest.mark.small


def cycles_by_turn(inputs, mapping):
    """{(row, layer): (core, network, update)}, from counts that were made event by event."""
    network, chip = mapping.network, mapping.chip
    tally = twin_of(inputs, mapping)
    layers = range(len(network.layers))
    found = {}
    for row in range(len(inputs) * network.timesteps):
        work = [work_of(tally, row, number, mapping) for number in range(len(mapping.bricks))]
        for layer in layers:
            mine = [w for w, b in zip(work, mapping.bricks, strict=True) if b.layer == layer]
            busy, update = max(w[0] for w in mine), max(w[1] for w in mine)
            senders = [s for s in layers if first_reader(network, network.layers[s].name) == layer]
            found[row, layer] = busy, travel(tally, row, senders, chip.mesh), update
    return found


def work_of(tally, row, brick, mapping):
    count = {name: values[row, brick] for name, values in tally.counts.items()}
    core, price = mapping.chip.core, mapping.chip.operation
    turns = rounds(mapping.bricks[brick].channels, core.lanes)
    busy = count["events"] * price.event.cycles
    busy += (count["rows"] * turns + count["singles"]) * price.accumulate.cycles
    busy += count["analog_rows"] * turns * price.mac.cycles
    update = rounds(count["active"], core.update_lanes) * price.update_active.cycles
    update += rounds(count["idle"], core.update_lanes) * price.update_idle.cycles
    return busy, update + count["packets"] * price.packet.cycles


def rounds(items, lanes):
    return (items + lanes - 1) // lanes


def first_reader(network, source):
    return min((i for i, layer in enumerate(network.layers) if source in layer.sources), default=None)


def travel(tally, row, senders, mesh):
    """The busiest link, one flit after another, and the longest route."""
    flits = {}
    for (at, layer, link), n in tally.links.items():
        if at == row and layer in senders:
            flits[link] = flits.get(link, 0) + n
    longest = max((tally.longest[row, s] for s in senders), default=0)
    return max(flits.values(), default=0) * mesh.link_cycles + longest * (mesh.router_cycles + mesh.link_cycles)


@settings(max_examples=50)
@given(runs())
def test_every_step_takes_what_a_plain_loop_says(case):
    assert_times_of_a_plain_loop(*case)


def test_packets_that_a_shortcut_alone_reads_travel_in_the_turn_of_its_layer():
    network = ns.Network.build(
        "side path", timesteps=2, input_shape=(1, 2, 2),
        layers=[
            ns.Conv("a", np.ones((1, 1, 1, 1), int), threshold=1),
            ns.Conv("b", np.ones((1, 1, 1, 1), int), threshold=2, inputs=["input"], shortcuts=[ns.Shortcut("a", scale=1)]),
            ns.Output("out", np.ones((2, 4), int)),
        ],
    )  # fmt: skip
    mapping = ns.map_network(network, ns.load_chip("mesh45").replace("mesh.link_cycles", 1000))
    inputs = ns.Inputs(np.full((1, 1, 2, 2), 5, np.uint8))
    assert_times_of_a_plain_loop(inputs, mapping)
    assert ns.evaluate(traced(inputs, mapping), mapping).time.bound_by["noc"] > 4 * 4 * 1000


def assert_times_of_a_plain_loop(inputs, mapping):
    turns = cycles_by_turn(inputs, mapping)
    barrier = mapping.chip.operation.barrier.cycles
    steps = [0] * len(inputs) * mapping.network.timesteps
    for (row, _), (busy, noc, update) in turns.items():
        steps[row] += max(busy, noc) + update + barrier
    result = ns.evaluate(traced(inputs, mapping), mapping)
    assert result.time.steps.ravel().tolist() == steps
    assert result.time.bound_by == {
        "core_busy": sum(busy for busy, noc, _ in turns.values() if busy >= noc),
        "noc": sum(noc for busy, noc, _ in turns.values() if busy < noc),
        "update": sum(update for _, _, update in turns.values()),
        "barrier": barrier * len(turns),
    }


def test_a_tiny_network_by_hand():
    """The activity is worked out in test_energy. Layer a: 2 events + 2 rows, one round of visits, 2 packets; then 1 + 1, one
    round. Output: 2 events + 2 rows against 2 flits on one link of 1 cycle + one hop of 4; then nothing.
    """
    network, inputs = tiny()
    result = ns.run(network, inputs, ns.load_chip("mesh45"))
    first = (4 + (1 + 2) + 100) + (max(4, 2 * 1 + 4) + 100)
    second = (2 + 1 + 100) + 100
    assert result.time.steps.tolist() == [[first, second]] == [[213, 203]]
    assert result.time.bound_by == {"core_busy": 4 + 2, "noc": 6, "update": 3 + 1, "barrier": 400}
    assert result.cores["busy_cycles"].tolist() == [4 + 3 + 2 + 1, 4]
    assert result.to_dict()["time"]["seconds"] == 416 / 500e6
    assert result.to_dict()["links"] == [{"from": [0, 0], "to": [1, 0], "flits": 2, "peak_use": 2 / 213}]


def test_a_row_of_more_channels_than_lanes_takes_more_rounds():
    network, inputs = tiny()
    base = ns.load_chip("mesh45")
    times = [ns.run(network, inputs, base.replace("core.lanes", lanes)).time.bound_by for lanes in (3, 2, 1)]
    assert [t["core_busy"] for t in times] == [4 + 2, (2 + 4) + (1 + 2), (2 + 6) + (1 + 3) + (2 + 4)]


BETTER = {
    "core.lanes": (1, 2, 3, 64), "core.update_lanes": (1, 2, 5, 64), "mesh.link_cycles": (9, 4, 2, 1),
    "mesh.router_cycles": (7, 3, 1, 0), "mesh.flit_bits": (8, 16, 24, 96), "mesh.packet_bits": (96, 40, 33, 1),
    "operation.accumulate.cycles": (5, 2, 1, 0), "operation.mac.cycles": (5, 2, 1, 0), "operation.event.cycles": (5, 2, 1, 0),
    "operation.packet.cycles": (5, 2, 1, 0), "operation.update_active.cycles": (5, 2, 1, 0),
    "operation.update_idle.cycles": (5, 2, 1, 0), "operation.barrier.cycles": (500, 3, 1, 0),
}  # fmt: skip


@settings(max_examples=80)
@given(runs(), st.sampled_from(sorted(BETTER)))
def test_a_better_chip_is_never_slower(case, path):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    steps = [ns.evaluate(trace, replace(mapping, chip=mapping.chip.replace(path, v))).time.steps for v in BETTER[path]]
    for worse, better in pairwise(steps):
        assert (better <= worse).all()


@settings(max_examples=50)
@given(runs())
def test_shares_of_what_set_the_pace_add_up_to_one(case):
    inputs, mapping = case
    result = ns.evaluate(traced(inputs, mapping), mapping)
    assert sum(result.time.bound_by.values()) == result.time.cycles
    assert set(result.to_dict()["time"]["bound_by"]) == {"core_busy", "noc", "update", "barrier"}
    assert sum(result.to_dict()["time"]["bound_by"].values()) == pytest.approx(1, rel=1e-12)


@settings(max_examples=50)
@given(runs())
def test_neither_a_link_nor_a_core_is_busy_longer_than_the_run(case):
    inputs, mapping = case
    result = ns.evaluate(traced(inputs, mapping), mapping)
    assert (result.time.peak_use <= 1).all()
    assert ((result.time.peak_use > 0) == (result.time.links > 0)).all()
    assert (result.time.work <= result.time.cycles).all()


def test_without_spikes_only_barriers_and_visits_of_idle_neurons_take_time():
    network, inputs = tiny()
    silent = ns.Inputs.from_spikes(np.zeros_like(inputs.spikes))
    chip = ns.load_chip("mesh45")
    assert ns.run(network, silent, chip).time.steps.tolist() == [[200, 200]]
    assert ns.run(network, silent, chip.replace("policy.update", "all")).time.steps.tolist() == [[201, 201]]
