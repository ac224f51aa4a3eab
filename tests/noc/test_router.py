"""The packet network: against its SimPy twin, against BookSim, against closed forms, and its own laws."""

import csv
import hashlib
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import kernels
from neurosim.errors import NeurosimError
from neurosim.kernels import route, router, single_router
from neurosim.kernels.fabric import DELIVERED
from neurosim.kernels.single_fabric import TOUCHED
from neurosim.noc import packet_network, single_tables
from neurosim.noc.deadlock import check_deadlock, check_room, waiting_circle
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.simpy_model import SimpyNetwork
from neurosim.noc.traffic import Traffic
from tests.helpers.examples import examples
from tests.helpers.traffic_strategies import journeys, machines, single_journeys, traffic, traffics

# Far enough apart that packets never meet, on the largest and slowest machine of these tests.
APART = 1000


def told(journey):
    """A journey to be compared by ==."""
    return {f.name: np.asarray(getattr(journey, f.name)).tolist() for f in fields(journey)}


def travelled(machine, trip, limit=None):
    return told(PacketNetwork(machine).travel(trip, limit))


def lone_packets(grid, flits=1):
    """A packet for every pair of cores, one after the other."""
    source, target = np.divmod(np.arange(grid.cores**2), grid.cores)
    return Traffic.unicast(grid, source, target, np.arange(grid.cores**2) * APART, flits)[0]


def latencies(machine, trip):
    return PacketNetwork(machine).travel(trip).arrived - trip.created[trip.owner]


def random_packets(grid, rng, load, cycles, choose=None):
    """(source, target, created) of packets that every core creates with probability *load* in every cycle."""
    created, source = np.nonzero(rng.random((cycles, grid.cores)) < load)
    return source, rng.integers(grid.cores, size=len(source)) if choose is None else choose(source), created


# Against the twin.


@pytest.mark.fuzz
@examples(60)
@given(journeys())
def test_the_compiled_network_is_the_simpy_model_in_every_cycle(case):
    machine, trip = case
    assert travelled(machine, trip) == told(SimpyNetwork(machine).travel(trip))


@pytest.mark.fuzz
@examples(60)
@given(journeys(most=250))
def test_the_compiled_network_is_the_simpy_model_in_crowds(case):
    machine, trip = case
    assert travelled(machine, trip) == told(SimpyNetwork(machine).travel(trip))


def travelled_as_trees(machine, trip, limit=None):
    """Over the tables for packets of any number of flits and targets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single_tables, "fits", lambda _: False)
        return travelled(machine, trip, limit)


@pytest.mark.fuzz
@examples(100)
@given(single_journeys(), st.one_of(st.none(), st.integers(0, 200)))
def test_packets_of_one_flit_for_one_core_have_a_kernel_of_their_own_that_is_the_general_one(case, limit):
    machine, trip = case
    network = PacketNetwork(machine)
    assert told(network.travel(trip, limit)) == travelled_as_trees(machine, trip, limit)
    assert list(network.made) == [True]


@pytest.mark.fuzz
@examples(40)
@given(single_journeys())
def test_the_kernel_for_packets_of_one_flit_is_the_simpy_model_in_every_cycle(case):
    machine, trip = case
    assert travelled(machine, trip) == told(SimpyNetwork(machine).travel(trip))


@pytest.mark.parametrize("load", [0.05, 0.3, 0.6])
def test_crowds_of_packets_of_one_flit_take_as_long_as_by_the_general_kernel(load):
    machine = Machine(Grid(8, 8, 1), queue=4)
    trip, _ = Traffic.unicast(machine.grid, *random_packets(machine.grid, np.random.default_rng(5), load, 2000))
    trip = replace(trip, service=np.arange(len(trip)) % 3)
    assert travelled(machine, trip) == travelled_as_trees(machine, trip)


@pytest.mark.parametrize(
    ("machine", "flits", "single"),
    [
        (Machine(Grid(3, 3, 4)), 1, True), (Machine(Grid(3, 3, 4)), 2, False), (Machine(Grid(3, 3, 5)), 1, False),
        (Machine(Grid(3, 3, 1), channels=5), 1, False), (Machine(Grid(3, 3, 1), depth=9), 1, False),
        (Machine(Grid(3, 3, 1, torus=True)), 1, False), (Machine(Grid(3, 3, 1), whole=True), 1, False),
    ],
)  # fmt: skip
def test_what_the_tables_for_packets_of_one_flit_have_no_room_for_travels_all_the_same(machine, flits, single):
    network = PacketNetwork(machine)
    trip = lone_packets(machine.grid, flits)
    journey = network.travel(trip)
    assert list(network.made) == [single]
    expected = [machine.unhindered(int(s), int(t), flits) for s, t in zip(trip.source, trip.target, strict=True)]
    assert (journey.arrived - trip.created).tolist() == expected


def plainly(module):
    """A module of kernels as it is written, not compiled."""
    spec = importlib.util.spec_from_file_location(f"plain_{module.__name__.rpartition('.')[2]}", module.__file__)
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    mine = [value for value in vars(plain).values() if getattr(value, "__module__", "") == plain.__name__]
    assert mine and not [function for function in mine if hasattr(function, "py_func")]
    return plain


@pytest.fixture(scope="module")
def plain():
    """(The general kernel, that for packets of one flit), not compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "jit", lambda function=None, **_: function or (lambda f: f))
        patch.setattr(kernels, "inlined", lambda function: function)
        patch.setattr(route, "shorter", getattr(route.shorter, "py_func", route.shorter))
        general = plainly(router)
        for name in ("compiled", "due_alarm", "set_alarm"):
            patch.setattr(router, name, getattr(general, name))
        return general, plainly(single_router)


@settings(max_examples=15)
@given(st.one_of(journeys(most=120), single_journeys(most=120)))
def test_the_kernels_in_plain_python_are_the_compiled_ones(plain, case):
    compiled, (general, single) = travelled(*case), plain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packet_network, "transport", general.transport)
        patch.setattr(packet_network, "transport_singles", single.transport_singles)
        assert travelled(*case) == compiled


COMPILED_ONCE = """
from dataclasses import replace
from neurosim.kernels import packets, router, single_router
from tests.noc.test_router import busy_case, lone_packets, travelled
modules = (router, packets, single_router)
def found():
    return {name: len(f.signatures) for m in modules for name, f in vars(m).items() if hasattr(f, "signatures")}
machine, trip = busy_case()
simple = replace(machine, grid=machine.grid._replace(torus=False), whole=False)
travelled(simple, lone_packets(simple.grid))
alone = found()
assert alone["transport_singles"] == alone["move_single"] == 1 and alone["move"] == 0 and max(alone.values()) == 1, alone
travelled(machine, trip)
both = found()
shared = {"set_alarm", "due_alarm"}
assert both["transport"] == both["move"] == 1 and {name for name, many in both.items() if many > 1} == shared, both
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_every_function_of_the_kernel_is_compiled_once(tmp_path):
    """Indices have one type, be they counted or read from a table: what is read from a table and handed on is widened."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", COMPILED_ONCE], env=environment, check=True)


@pytest.mark.small
def test_packets_behind_others_for_a_slow_core_are_held_by_them():
    machine = Machine(Grid(3, 1, 1), channels=1, depth=2, queue=2)
    trip = traffic(machine.grid, [(0, i, 1, {2: 100}) for i in range(12)] + [(0, 12 + i, 1, {1: 0}) for i in range(12)])
    journey = PacketNetwork(machine).travel(trip)
    assert told(journey) == told(SimpyNetwork(machine).travel(trip))
    near = trip.target == 1
    assert journey.arrived[near].min() > machine.unhindered(0, 1) + 100
    assert 2 in trip.target[journey.holder[near]], "one is right behind a packet for the slow core"
    for number in np.flatnonzero(near):
        assert journey.held[number] > 100
        while trip.target[number] == 1:
            number = journey.holder[number]
        assert trip.target[number] == 2, "the others are behind those that are"
    quick = replace(machine, channels=4, depth=16)
    assert PacketNetwork(quick).travel(trip).held[near].max() < 20, "with room enough nobody is in the way"


# Against closed forms.


@pytest.mark.parametrize("flits", [1, 4])
def test_a_lone_packet_takes_four_cycles_per_router_and_two(flits):
    for width in range(1, 9):
        for height in range(1, 9):
            grid = Grid(width, height, 1)
            trip = lone_packets(grid, flits)
            y, x = np.divmod(np.array([trip.source, trip.target]), width)
            routers = abs(x[0] - x[1]) + abs(y[0] - y[1]) + 1
            assert latencies(Machine(grid), trip).tolist() == (4 * routers + 2 + flits - 1).tolist()


@examples(40)
@given(machines(), st.integers(1, 4))
def test_a_lone_packet_takes_what_the_machine_says(machine, flits):
    """As long as neither links that pause nor small buffers hold up its own flits."""
    machine = replace(machine, depth=16, link_interval=1, chip_link_interval=1)
    trip = lone_packets(machine.grid, flits)
    expected = [machine.unhindered(int(s), int(t), flits) for s, t in zip(trip.source, trip.target, strict=True)]
    assert latencies(machine, trip).tolist() == expected


@pytest.mark.small
def test_a_lone_packet_by_hand():
    """Local 2; a link 2 + 5, one between chips 2 + 9; the last router 2, local 2 and a cycle for each choice of the switch."""
    grid = Grid(3, 1, 1, chip_width=2)
    machine = Machine(grid, router_cycles=2, link_cycles=5, chip_link_cycles=9, local_cycles=2, barrier_cycles=7)
    journey = PacketNetwork(machine).travel(traffic(grid, [(0, 10, 1, {2: 30})], update=[1, 2, 3]))
    assert journey.arrived.tolist() == [10 + 2 + (2 + 5) + (2 + 9) + 1 + 2 + 2]
    assert journey.free.tolist() == [0, 0, 35 + 30]
    assert (journey.delivered, journey.cycles) == (65, 65 + 3 + 7)


@pytest.mark.small
def test_flits_of_a_packet_keep_the_distance_that_the_link_or_the_credits_demand():
    grid = Grid(2, 1, 1)
    for machine, gap in (
        (Machine(grid, depth=8, link_interval=5, chip_link_interval=9), 5),
        (Machine(grid._replace(chip_width=1), depth=8, link_interval=9, chip_link_interval=5), 5),
        # With one slot, a flit goes when the one before has left that slot (4 cycles later) and the credit is back (2 more).
        (Machine(grid, depth=1), 6),
    ):
        journey = PacketNetwork(machine).travel(traffic(grid, [(0, 0, 4, {1: 0})]))
        assert journey.arrived.tolist() == [machine.unhindered(0, 1) + 3 * gap]


# Against BookSim 2 (Jiang et al., ISPASS 2013), 8x8 mesh, 4 virtual channels x 4 flits, one-flit packets.

BOOKSIM = list(csv.DictReader((Path(__file__).parents[1] / "helpers" / "booksim2_mesh.csv").open(encoding="utf-8")))
SATURATED_BETWEEN = {"uniform": (0.40, 0.45), "transpose": (0.10, 0.15), "bitcomp": (0.20, 0.25)}
CHOOSE = {"uniform": None, "transpose": lambda core: core % 8 * 8 + core // 8, "bitcomp": lambda core: 63 - core}
BEFORE, CYCLES = 5000, 20000


def booksim_rows(accept):
    rows = [r for r in BOOKSIM if accept(float(r["injection_packets_per_cycle"]), SATURATED_BETWEEN[r["traffic"]])]
    assert rows
    return [pytest.param(r, id=f"{r['traffic']}-{r['injection_packets_per_cycle']}") for r in rows]


def loaded_mesh(row):
    """(offered flits per core and cycle, accepted, mean latency), all after the warm-up."""
    grid, load = Grid(8, 8, 1), float(row["injection_packets_per_cycle"])
    packets = random_packets(grid, np.random.default_rng(1), load, CYCLES, CHOOSE[row["traffic"]])
    trip, _ = Traffic.unicast(grid, *packets)
    journey = PacketNetwork(Machine(grid)).travel(trip)
    late = trip.created >= BEFORE
    taken = ((journey.arrived >= BEFORE) & (journey.arrived < CYCLES)).sum()
    size = grid.cores * (CYCLES - BEFORE)
    return late.sum() / size, taken / size, (journey.arrived - trip.created)[late].mean()


@pytest.mark.parametrize("row", booksim_rows(lambda load, between: load <= 0.9 * sum(between) / 2))
def test_mean_latency_is_that_of_booksim_up_to_nine_tenths_of_saturation(row):
    offered, accepted, latency = loaded_mesh(row)
    assert accepted == pytest.approx(offered, rel=0.01)
    assert latency == pytest.approx(float(row["packet_latency"]), rel=0.05)


@pytest.mark.parametrize("row", booksim_rows(lambda load, between: load >= between[1]))
def test_the_mesh_saturates_where_that_of_booksim_does(row):
    offered, accepted, latency = loaded_mesh(row)
    assert accepted < 0.995 * offered
    assert latency > 100


# Nothing is lost, and nothing is left.


def naive_flits(grid, trip):
    """Flits by link: every packet crosses each link of the tree of its routes once."""
    flits = [0] * grid.links
    for i, (first, last) in enumerate(pairwise(trip.first.tolist())):
        tree = {link for core in trip.target[first:last].tolist() for link in grid.route(int(trip.source[i]), core)}
        for link in tree:
            flits[link] += int(trip.flits[i])
    return flits


@examples(60)
@given(journeys())
def test_every_packet_crosses_the_links_of_its_routes_once_and_arrives_once(case):
    machine, trip = case
    journey = PacketNetwork(machine).travel(trip)
    assert journey.flits.tolist() == naive_flits(machine.grid, trip)
    owner = trip.owner
    sent = zip(trip.source[owner].tolist(), trip.target.tolist(), trip.flits[owner].tolist(), strict=True)
    assert (journey.arrived - trip.created[owner] >= [machine.unhindered(*way) for way in sent]).all()
    assert (journey.entered >= trip.created).all()
    for core in range(machine.grid.cores):
        mine = trip.source == core
        assert (np.diff(journey.entered[mine]) >= trip.flits[mine][:-1]).all(), "a flit per cycle, one packet after the other"
        # The last flits of two packets do not come in the same cycle.
        assert len(set(journey.arrived[trip.target == core])) == (trip.target == core).sum()


@examples(60)
@given(journeys())
def test_cores_work_without_pause_on_what_came_first(case):
    machine, trip = case
    journey = PacketNetwork(machine).travel(trip)
    for core in range(machine.grid.cores):
        mine = np.flatnonzero(trip.target == core)
        free = int(trip.occupied[core])
        for k in mine[np.argsort(journey.arrived[mine])]:
            assert journey.started[k] == max(free, journey.arrived[k])
            free = int(journey.started[k] + trip.service[k])
        assert journey.free[core] == free
    assert journey.delivered == journey.free.max()
    assert journey.cycles == journey.delivered + trip.update.max() + machine.barrier_cycles


@examples(60)
@given(journeys(service=(2, 20)))
def test_queues_hold_no_more_than_their_bound(case):
    machine, trip = case
    journey = PacketNetwork(machine).travel(trip)
    assert (journey.peak <= machine.queue).all()
    single = Traffic(**{**vars(trip), "flits": np.ones_like(trip.flits)})
    journey = PacketNetwork(machine).travel(single)
    # A packet of one flit is counted from its leave out of the last buffer on.
    leave = journey.arrived - machine.leave_cycles
    for core in range(machine.grid.cores):
        mine = trip.target == core
        waiting = [((leave[mine] <= t) & (journey.started[mine] > t)).sum() for t in leave[mine]]
        assert journey.peak[core] == max(waiting, default=0)


@settings(max_examples=40)
@given(st.data())
def test_a_network_at_rest_is_as_good_as_new(data):
    machine = data.draw(machines())
    one, other = (data.draw(traffics(machine, most=150, longest=data.draw(st.sampled_from([1, 4])))) for _ in range(2))
    network = PacketNetwork(machine)
    network.travel(one)
    assert_at_rest(network)
    assert told(network.travel(other)) == travelled(machine, other)


def assert_at_rest(network):
    """Every slot is free, everybody knows it, and nothing is on its way."""
    depth = network.machine.depth
    for single, tables in network.made.items():
        (single_at_rest if single else general_at_rest)(tables.state, depth)


def general_at_rest(state, depth):
    assert not state.inputs["count"].any()
    assert (state.outputs["credits"] == depth).all()
    assert (state.source_credits == depth).all()
    assert not state.lanes["many"].any()
    assert not np.delete(state.scalars, DELIVERED).any()


def single_at_rest(state, depth):
    assert (state.channels["credits"] == depth).all()
    assert (state.cores["room"] == state.links["open"][0]).all() and (state.links["open"] == state.links["open"][0]).all()
    assert (state.channels["head"] == state.channels["tail"]).all()
    assert (state.lanes["oldest"] == state.lanes["next"]).all()
    assert (state.links["stalled_since"] == -1).all()
    for name in ("asking", "seen", "starved", "alarm", "awake"):
        assert not state.links[name].any(), name
    assert not any(column.any() for column in (state.routers["ready"], state.routers["awake"], state.cores["sends"]))
    assert not np.delete(state.scalars, TOUCHED).any()


@settings(max_examples=60)
@given(journeys(most=150, busy=st.just(False)), st.integers(0, 300))
def test_up_to_a_limit_everything_happens_as_it_would_without(case, limit):
    machine, trip = case
    whole, part = PacketNetwork(machine).travel(trip), PacketNetwork(machine).travel(trip, limit)
    assert part.entered.tolist() == np.where(whole.entered < limit, whole.entered, -1).tolist()
    # Arrivals are known when the last flit leaves the last buffer.
    known = whole.arrived - machine.leave_cycles < limit
    assert part.arrived.tolist() == np.where(known, whole.arrived, -1).tolist()
    assert (part.flits <= whole.flits).all()


@settings(max_examples=40)
@given(journeys(most=150, busy=st.just(False)), st.integers(0, 200))
def test_up_to_a_limit_the_simpy_model_has_sent_the_same(case, limit):
    machine, trip = case
    told_twice = travelled(machine, trip, limit), told(SimpyNetwork(machine).travel(trip, limit))
    for name in ("entered", "peak", "flits", "stalled", "refused"):
        assert told_twice[0][name] == told_twice[1][name], name


@pytest.mark.small
def test_up_to_a_limit_a_stall_lasts_although_nothing_else_happens():
    machine = Machine(Grid(2, 1, 1), queue=1)
    trip = traffic(machine.grid, [(0, i, 1, {1: 1000}) for i in range(3)])
    # The first leaves for the core in cycle 6, the second, refused from 7 to 9, in 10; the third is refused from 11 on.
    assert PacketNetwork(machine).travel(trip, 100).refused.tolist() == [0, 3 + 89]
    assert SimpyNetwork(machine).travel(trip, 100).refused.tolist() == [0, 3 + 89]


@pytest.mark.small
def test_no_packets_take_no_time():
    machine = Machine(Grid(2, 2, 1), barrier_cycles=3)
    journey = PacketNetwork(machine).travel(traffic(machine.grid, [], work=[1, 2, 9, 4], update=5))
    assert (journey.delivered, journey.cycles) == (9, 9 + 5 + 3)


@pytest.mark.small
def test_cycles_that_would_not_fit_are_refused():
    grid = Grid(2, 1, 1)
    network = PacketNetwork(Machine(grid))
    with pytest.raises(NeurosimError, match=r"packets keep the cores busy for 1,073,741,823 cycles; at most 1,073,741,823"):
        network.travel(traffic(grid, [(0, 0, 1, {1: 2**29}), (0, 3, 1, {1: 2**29 - 4})]))
    journey = network.travel(traffic(grid, [(0, 0, 1, {1: 2**29}), (0, 2, 1, {1: 2**29 - 4})]))
    assert journey.delivered == network.machine.unhindered(0, 1) + 2**30 - 4


# A slower machine, a mirrored machine.

SLOWER = {
    "router_cycles": 1, "link_cycles": 1, "link_interval": 1, "local_cycles": 1, "chip_link_cycles": 2, "chip_link_interval": 1,
    "credit_cycles": 3,
}  # fmt: skip


def slowed(machine):
    for name, more in SLOWER.items():
        yield name, replace(machine, **{name: getattr(machine, name) + more})


def earlier_in_a_slower_machine(machine, slower, trip):
    """How many packets gain by it: Graham's anomalies, since who comes first is decided by who happens to be there."""
    return int((latencies(slower, trip) < latencies(machine, trip)).sum())


@settings(max_examples=20)
@given(machines(), st.integers(1, 4))
def test_a_slower_part_lets_no_lone_packet_arrive_earlier(machine, flits):
    machine = replace(machine, whole=False)
    trip = lone_packets(machine.grid, flits)
    for _, slower in slowed(machine):
        assert earlier_in_a_slower_machine(machine, slower, trip) == 0


def test_a_slower_part_never_shortens_the_mean_latency_although_it_does_that_of_single_packets():
    machine = Machine(Grid(4, 4, 1, chip_width=2), channels=2)
    trips = [
        Traffic.unicast(machine.grid, *random_packets(machine.grid, np.random.default_rng(seed), 0.25, 300), flits=2)[0]
        for seed in range(40)
    ]  # fmt: skip
    mean = np.mean([latencies(machine, trip).mean() for trip in trips])
    for name, slower in slowed(machine):
        assert np.mean([latencies(slower, trip).mean() for trip in trips]) > mean, name
        gain = sum(earlier_in_a_slower_machine(machine, slower, trip) for trip in trips)
        print(f"{gain} of {sum(map(len, trips))} packets arrive earlier with more {name}")
        assert 0 < gain < 0.5 * sum(map(len, trips)), name


def mirrored(grid, trip):
    """The same packets from and to the tiles that a mirror between east and west shows."""

    def image(core):
        tile, port = np.divmod(core, grid.cores_per_tile)
        return (tile // grid.width * grid.width + grid.width - 1 - tile % grid.width) * grid.cores_per_tile + port

    return Traffic.unicast(grid, image(trip.source), image(trip.target), trip.created, trip.flits)


@settings(max_examples=30)
@given(machines(torus=st.just(False)), st.integers(1, 4))
def test_packets_that_never_meet_take_as_long_in_the_mirror(machine, flits):
    grid = machine.grid._replace(chip_width=machine.grid.width)
    machine = replace(machine, grid=grid, whole=False)
    trip = lone_packets(grid, flits)
    image, order = mirrored(grid, trip)
    assert latencies(machine, image).tolist() == latencies(machine, trip)[order].tolist()


def test_crowds_take_as_long_in_the_mirror_on_the_mean():
    machine = Machine(Grid(8, 8, 1))
    trip, _ = Traffic.unicast(machine.grid, *random_packets(machine.grid, np.random.default_rng(2), 0.35, 5000))
    image, _ = mirrored(machine.grid, trip)
    assert latencies(machine, image).mean() == pytest.approx(latencies(machine, trip).mean(), rel=0.02)


# The same again.


def busy_case():
    machine = Machine(Grid(4, 4, 2, torus=True, chip_width=2), channels=2, queue=3, whole=True, barrier_cycles=4)
    rng = np.random.default_rng(3)
    packets = [
        (int(rng.integers(32)), int(rng.integers(200)), int(rng.integers(1, 5)), {int(c): int(rng.integers(9)) for c in cores})
        for cores in (rng.choice(32, rng.integers(1, 6), replace=False) for _ in range(1000))
    ]  # fmt: skip
    return machine, traffic(machine.grid, packets, rng.integers(0, 5, 32), rng.integers(0, 9, 32), rng.integers(0, 9, 32))


def digest():
    return hashlib.sha256(repr(travelled(*busy_case())).encode()).hexdigest()


def test_the_same_packets_take_the_same_way_in_every_run_thread_and_interpreter():
    first = digest()
    with ThreadPoolExecutor(4) as pool:
        assert {first} == {f.result() for f in [pool.submit(digest) for _ in range(8)]}
    root = str(Path(__file__).parents[2])
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", "from tests.noc.test_router import digest; print(digest())"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told.stdout.strip() == first


# Waiting in a circle.


def one_channel(width, height, channels=1, torus=True):
    return Machine(Grid(width, height, 1, torus), channels=channels, depth=1)


def all_waits(grid, classes):
    """{channel: channels that a packet waits for while it has that one}, from all routes of the grid, link by link."""
    waits = {}
    for source in range(grid.tiles):
        for target in range(grid.tiles):
            route = grid.route(source * grid.cores_per_tile, target * grid.cores_per_tile)
            for one, other in pairwise(channels_of(grid, route, classes)):
                waits.setdefault(one, set()).add(other)
    return waits


def channels_of(grid, route, classes):
    """The links of a route, each with whether one that closes a ring in the same direction is still to come."""
    closing = [grid.torus and abs(x - to_x) + abs(y - to_y) > 1 for (x, y), (to_x, to_y) in map(grid.ends, route)]
    to_come = [
        any(closes and later % 4 == link % 4 for later, closes in zip(route[i:], closing[i:], strict=True))
        for i, link in enumerate(route, 1)
    ]
    return [(link, classes and more) for link, more in zip(route, to_come, strict=True)]


def has_circle(waits):
    """Take away who waits for nobody, again and again: a circle is what stays."""
    while free := [c for c in waits if not any(w in waits for w in waits[c])]:
        for c in free:
            del waits[c]
    return bool(waits)


@pytest.mark.small
@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("torus", [False, True])
@pytest.mark.parametrize(
    "size", [(1, 1), (2, 2), (3, 3), (4, 1), (1, 4), (4, 4), (5, 3), (3, 6), (8, 8), (66, 1), (1, 67), (9, 8)]
)
def test_a_circle_is_found_where_all_routes_together_have_one(size, torus, classes):
    grid = Grid(*size, 1, torus)
    circle = waiting_circle(grid, classes)
    assert bool(circle) == has_circle(all_waits(grid, classes))
    assert bool(circle) == (torus and not classes and max(size) > 3)
    for link, following in zip(circle, circle[1:] + circle[:1], strict=True):
        assert grid.beyond(link) == following // 4
    if circle:
        waits = all_waits(grid, classes)
        assert all((b, False) in waits[a, False] for a, b in pairwise([*circle, circle[0]]))


@pytest.mark.small
def test_a_torus_with_one_virtual_channel_is_refused_by_name():
    with pytest.raises(NeurosimError) as error:
        check_deadlock(one_channel(4, 4))
    assert str(error.value) == (
        "packets could wait for each other in a circle: (0, 0) -> (1, 0) -> (2, 0) -> (3, 0) -> (0, 0); "
        "give the torus at least 2 virtual channels, or use a mesh"
    )
    with pytest.raises(NeurosimError, match=r"\(7, 0\) -> \.\.\. -> \(92, 0\)"):
        check_deadlock(one_channel(100, 100))
    for machine in (one_channel(4, 4, torus=False), one_channel(4, 4, channels=2), one_channel(3, 3), one_channel(256, 256, 3)):
        check_deadlock(machine)


@pytest.mark.small
def test_the_torus_that_is_refused_can_really_lock():
    machine = one_channel(4, 4)
    trip = traffic(machine.grid, [(core, 0, 4, {core // 4 * 4 + (core + 2) % 4: 0}) for core in range(16)])
    with pytest.raises(NeurosimError, match="packets wait for each other in a circle"):
        PacketNetwork(machine).travel(trip)
    free = replace(machine, channels=2)
    assert travelled(free, trip) == told(SimpyNetwork(free).travel(trip))


@pytest.mark.small
def test_a_packet_that_moves_whole_must_fit():
    machine = Machine(Grid(2, 1, 1), depth=4, whole=True)
    check_room(machine, 4)
    check_room(replace(machine, whole=False), 5)
    with pytest.raises(NeurosimError, match=r"a packet of 5 flits never fits a virtual channel of 4.*room for 5 flits"):
        check_room(machine, 5)
    with pytest.raises(NeurosimError, match="circle"):
        PacketNetwork(machine).travel(traffic(machine.grid, [(0, 0, 5, {1: 0})]))
