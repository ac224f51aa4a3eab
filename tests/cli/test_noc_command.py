"""The command `noc`: synthetic traffic by its laws, latency and throughput, recorded lists, and what it refuses."""

import csv
import json
import math
import sys

import numpy as np
import pytest

from neurosim.cli.noc import rates_of
from neurosim.errors import FileError, NeurosimError
from neurosim.io.booksim_file import load_packets
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from neurosim.noc.measurement import Window, hops_of, link_flits, measure, zero_load
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.synthetic import PATTERNS, Load, successes
from neurosim.noc.traffic import Traffic
from tests.helpers.samples import call, only_json, refused

GRIDS = [Grid(8, 8, 1), Grid(4, 2, 1), Grid(5, 3, 1), Grid(1, 6, 1), Grid(16, 1, 1), Grid(1, 1, 1), Grid(3, 3, 1)]
RANDOM = {"uniform", "hotspot"}
SHORT = ("--cycles", 1500, "--warmup", 300)


def done(*arguments):
    """The JSON of `noc` with *arguments*; it must succeed in silence."""
    found = call("noc", *arguments, "--json", "-")
    assert (found.code, found.err) == (0, ""), found
    return only_json(found.out)


def targets(pattern, grid, share=0.2, seed=0, sources=None):
    sources = np.arange(grid.tiles) if sources is None else sources
    return PATTERNS[pattern](sources, grid, share, np.random.default_rng(seed))


def allowed(pattern, grid):
    square, power = grid.width == grid.height, math.log2(grid.tiles).is_integer()
    return {"transpose": square, "bitcomp": power, "shuffle": power}.get(pattern, True)


def places(pattern, grid):
    """(x, y) of the targets of all nodes, by (x, y) of the nodes."""
    return {grid.xy(i): grid.xy(int(t)) for i, t in enumerate(targets(pattern, grid))}


@pytest.mark.parametrize("pattern", list(PATTERNS))
@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: f"{g.width}x{g.height}")
def test_every_pattern_stays_on_the_mesh_and_those_without_chance_are_permutations(pattern, grid):
    if not allowed(pattern, grid):
        with pytest.raises(NeurosimError, match=f"{pattern} needs .* {grid.width}x{grid.height}"):
            targets(pattern, grid)
        return
    found = targets(pattern, grid)
    assert found.shape == (grid.tiles,) and found.dtype == np.int64
    assert found.min() >= 0 and found.max() < grid.tiles
    if pattern not in RANDOM:
        assert sorted(found) == list(range(grid.tiles))
        assert np.array_equal(found, targets(pattern, grid, share=0.9, seed=1))


def test_transpose_exchanges_column_and_row():
    assert all(to == (y, x) for (x, y), to in places("transpose", Grid(5, 5, 1)).items())


@pytest.mark.parametrize("grid", [Grid(8, 8, 1), Grid(4, 2, 1), Grid(2, 1, 1)])
def test_bitcomp_and_shuffle_are_what_they_are_in_binary(grid):
    bits = grid.tiles.bit_length() - 1
    for i, (inverse, rotated) in enumerate(zip(targets("bitcomp", grid), targets("shuffle", grid), strict=True)):
        word = f"{i:0{bits}b}"
        assert f"{inverse:0{bits}b}" == word.translate(str.maketrans("01", "10"))
        assert f"{rotated:0{bits}b}" == word[1:] + word[0]


# Halves rounded up, less one: 8 -> 3, 5 -> 2, 4 -> 1, 3 -> 1, 2 -> 0, 1 -> 0.
@pytest.mark.parametrize(("width", "height", "right", "down"), [(8, 8, 3, 3), (5, 4, 2, 1), (3, 2, 1, 0), (1, 8, 0, 3)])
def test_tornado_goes_almost_half_way_around_both_directions(width, height, right, down):
    for (x, y), to in places("tornado", Grid(width, height, 1)).items():
        assert to == ((x + right) % width, (y + down) % height)


def test_neighbor_is_the_next_column_and_row():
    found = places("neighbor", Grid(3, 2, 1))
    assert found == {(0, 0): (1, 1), (1, 0): (2, 1), (2, 0): (0, 1), (0, 1): (1, 0), (1, 1): (2, 0), (2, 1): (0, 0)}


def test_uniform_and_hotspot_have_their_shares():
    grid, packets = Grid(5, 4, 1), 60_000
    sources = np.zeros(packets, np.int64)
    uniform = np.bincount(targets("uniform", grid, sources=sources), minlength=20) / packets
    assert uniform == pytest.approx(1 / 20, abs=5 * math.sqrt(1 / 20 / packets))
    for share in (0, 0.3, 1):
        found = np.bincount(targets("hotspot", grid, share, sources=sources), minlength=20) / packets
        expected = np.full(20, (1 - share) / 20)
        expected[2 * 5 + 2] += share
        assert found == pytest.approx(expected, abs=5 * math.sqrt(0.25 / packets))


@pytest.mark.parametrize("rate", [1e-5, 0.01, 0.1, 0.5, 0.9, 1.0])
def test_trials_succeed_independently_at_the_rate(rate):
    trials = 400_000
    found = successes(rate, trials, np.random.default_rng(3))
    assert found.dtype == np.int64 and np.all(np.diff(found) > 0)
    assert len(found) == 0 or (found[0] >= 0 and found[-1] < trials)
    assert abs(len(found) - rate * trials) <= 5 * math.sqrt(trials * rate * (1 - rate))
    pairs = np.count_nonzero(np.diff(found) == 1)
    assert abs(pairs - rate**2 * trials) <= 5 * math.sqrt(trials) * rate * math.sqrt(1 - rate**2) + 2


def test_first_and_last_trials_are_as_likely_as_others():
    rng = np.random.default_rng(1)
    hits = np.zeros(5)
    for _ in range(4000):
        hits[successes(0.3, 5, rng)] += 1
    assert hits / 4000 == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 4000))


def test_rates_of_zero_and_next_to_zero_end():
    for rate in (0.0, 5e-324, 1e-30):
        assert len(successes(rate, 2**40, np.random.default_rng(0))) == 0


def test_every_node_creates_at_the_rate_and_at_most_a_packet_per_cycle():
    grid, cycles = Grid(4, 2, 1), 20_000
    traffic = Load(rate=0.2, flits=3, seed=5).traffic(grid, cycles)
    assert np.bincount(traffic.source) / cycles == pytest.approx(0.2, abs=5 * math.sqrt(0.16 / cycles))
    assert len(set(zip(traffic.source.tolist(), traffic.created.tolist(), strict=True))) == len(traffic)
    assert traffic.created.min() >= 0 and traffic.created.max() < cycles
    assert np.bincount(traffic.created // 1000) / 8000 == pytest.approx(0.2, abs=5 * math.sqrt(0.16 / 8000))
    assert set(traffic.flits) == {3}


@pytest.mark.parametrize("torus", [False, True])
def test_hops_are_links_of_the_route(torus):
    grid = Grid(6, 5, 1, torus)
    source, target = (c.ravel() for c in np.meshgrid(np.arange(30), np.arange(30)))
    expected = [len(grid.route(s, t)) for s, t in zip(source.tolist(), target.tolist(), strict=True)]
    assert hops_of(grid, source, target).tolist() == expected


@pytest.mark.parametrize(
    ("flits", "depth", "router", "link", "interval", "credit"),
    [(1, 4, 3, 1, 1, 2), (4, 4, 3, 1, 1, 2), (7, 2, 1, 2, 1, 1), (9, 3, 2, 1, 3, 4), (5, 1, 1, 1, 2, 1), (12, 5, 4, 3, 2, 6)],
)
def test_a_packet_alone_has_the_zero_load_latency(flits, depth, router, link, interval, credit):
    grid = Grid(4, 3, 1)
    machine = Machine(grid, 2, depth, router, link, interval, credit_cycles=credit)
    network = PacketNetwork(machine)
    for target in range(grid.tiles):
        traffic = Traffic.unicast(grid, np.array([0]), np.array([target]), np.array([7]), flits)[0]
        hops = hops_of(grid, traffic.source, traffic.target)
        assert network.travel(traffic).arrived - 7 == zero_load(machine, hops, traffic.flits), target


@pytest.mark.parametrize("torus", [False, True])
def test_flits_of_links_are_those_that_the_network_counts(torus):
    machine = Machine(Grid(5, 4, 1, torus))
    traffic = Load(rate=0.1, flits=2).traffic(machine.grid, 400)
    journey = PacketNetwork(machine).travel(traffic)
    assert link_flits(machine.grid, traffic, np.ones(len(traffic), bool)).tolist() == journey.flits.tolist()
    half = traffic.created < 200
    assert 0 < link_flits(machine.grid, traffic, half).sum() < journey.flits.sum()


def test_only_what_falls_into_the_window_is_measured():
    """Four packets by hand: a flit takes 6 cycles within a node, 10 over a link. The first is created too early, the last too
    late; the third arrives too late."""
    machine = Machine(Grid(2, 1, 1), link_interval=2)
    source, target, created = np.array([0, 0, 1, 0]), np.array([0, 1, 1, 1]), np.array([9, 10, 22, 30])
    traffic = Traffic.unicast(machine.grid, source, target, created, np.array([1, 1, 3, 2]))[0]
    found = measure(machine, traffic, PacketNetwork(machine).travel(traffic), Window(10, 30))
    assert (found.packets, found.packets_measured) == (4, 2)
    assert found.latency_cycles_mean == found.zero_load_latency_cycles_mean == (10 + 8) / 2
    assert (found.latency_cycles_p50, found.latency_cycles_p95, found.latency_cycles_max) == (8, 10, 10)
    assert found.hops_mean == 1 / 2
    assert found.offered_flits_per_node_cycle == (1 + 3) / 40
    assert found.accepted_flits_per_node_cycle == (1 + 1) / 40
    assert found.saturated
    assert found.busiest_link == {"from": [0, 0], "to": [1, 0], "flits": 1, "use": 2 / 20}


def test_the_defaults_are_those_that_are_documented():
    words = (
        "--mesh 8x8 --traffic uniform --rate 0.1 --packet-flits 1 --virtual-channels 4 --buffer-flits 4 --router-cycles 3 "
        "--link-cycles 1 --link-interval 1 --credit-cycles 2 --cycles 20000 --warmup 5000 --seed 0 --timing packet"
    )
    found = done()
    assert found == done(*words.split())
    expected = {"pattern": "uniform", "rate": 0.1, "seed": 0, "cycles": 20_000, "warmup_cycles": 5000, "packet_flits": 1}
    assert {key: found[key] for key in expected} == expected
    assert found["machine"] == {
        "topology": "mesh", "width": 8, "height": 8, "cores_per_tile": 1, "virtual_channels": 4, "buffer_flits": 4,
        "router_cycles": 3, "link_cycles": 1, "link_interval": 1, "local_cycles": 1, "credit_cycles": 2,
    }  # fmt: skip


def test_hardly_any_load_gives_four_cycles_per_router_and_two():
    found = done("--rate", 0.0005)
    assert found["zero_load_latency_cycles_mean"] == pytest.approx(4 * (found["hops_mean"] + 1) + 2)
    assert 0 <= found["latency_cycles_mean"] - found["zero_load_latency_cycles_mean"] < 0.05
    assert found["latency_cycles_max"] <= 4 * 15 + 2 + 5
    assert found["network_latency_cycles_mean"] == pytest.approx(found["latency_cycles_mean"], abs=0.01)
    # Mean distance of two random places of eight: (8 - 1 / 8) / 3 per direction.
    assert found["hops_mean"] == pytest.approx(5.25, abs=0.5)


# Latencies that BookSim 2 reports for these routers, and what it calls hops, less one.
@pytest.mark.parametrize(
    ("pattern", "rate", "cycles"),
    [("uniform", 0.05, 27.17), ("uniform", 0.3, 29.40), ("transpose", 0.1, 27.52), ("bitcomp", 0.2, 41.67)],
)
def test_latency_under_load_is_that_of_booksim(pattern, rate, cycles):
    found = done("--traffic", pattern, "--rate", rate)
    assert found["latency_cycles_mean"] == pytest.approx(cycles, rel=0.01)
    assert not found["saturated"]


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p != "hotspot"])
def test_what_is_offered_arrives_below_saturation(pattern):
    found = done("--traffic", pattern, "--rate", 0.02, "--packet-flits", 4, "--mesh", "4x4")
    assert found["offered_flits_per_node_cycle"] == pytest.approx(0.08, rel=0.05)
    assert found["accepted_flits_per_node_cycle"] == pytest.approx(found["offered_flits_per_node_cycle"], rel=0.01)
    assert found["saturated"] is False
    ranks = [found[f"latency_cycles_{rank}"] for rank in ("p50", "p95", "p99", "max")]
    assert ranks == sorted(ranks)
    assert found["zero_load_latency_cycles_mean"] <= found["network_latency_cycles_mean"] <= found["latency_cycles_mean"]


def test_too_much_is_called_saturated():
    found = done("--rate", 0.9, "--cycles", 3000, "--warmup", 1000)
    assert found["saturated"] is True
    assert found["accepted_flits_per_node_cycle"] < 0.6 < 0.85 < found["offered_flits_per_node_cycle"]
    assert found["latency_cycles_mean"] > 10 * found["network_latency_cycles_mean"] / 3
    assert 0.5 < found["busiest_link"]["use"] <= 1
    out = call("noc", "--rate", 0.9, "--cycles", 3000, "--warmup", 1000).out
    assert "Saturated: only " in out and "of what is offered arrives" in out


def test_a_hotspot_gets_its_share_and_saturates_its_node():
    few, many = (done("--mesh", "5x5", "--traffic", "hotspot", "--rate", 0.1, "--hotspot-share", s, *SHORT) for s in (0.1, 0.9))
    assert (few["hotspot_share"], many["hotspot_share"]) == (0.1, 0.9)
    assert (few["saturated"], many["saturated"]) == (False, True)
    assert many["busiest_link"]["to"] == [2, 2]
    assert done(*SHORT)["hotspot_share"] is None


@pytest.mark.parametrize(
    "options",
    [
        (), ("--torus",), ("--packet-flits", 3, "--rate", 0.2), ("--rate", 0.7, "--virtual-channels", 2, "--buffer-flits", 2),
        ("--traffic", "hotspot", "--link-interval", 2, "--rate", 0.3), ("--traffic", "tornado", "--link-cycles", 3),
    ],
)  # fmt: skip
def test_the_slow_twin_says_the_same(options):
    options = ("--mesh", "3x3", "--rate", 0.3, "--cycles", 150, "--warmup", 30, *options)
    fast, slow = done(*options), done(*options, "--timing", "simpy")
    assert (fast.pop("timing"), slow.pop("timing")) == ("packet", "simpy")
    assert fast == slow
    assert fast["packets_measured"] > 50


def test_the_seed_decides_everything():
    first, again, other = (done("--traffic", "hotspot", "--seed", seed, *SHORT) for seed in (3, 3, 4))
    assert first == again
    assert first["latency_cycles_mean"] != other["latency_cycles_mean"]


def test_slower_links_and_narrower_routers_never_help():
    fast = done("--rate", 0.3, *SHORT)["latency_cycles_mean"]
    worse = {"link-cycles": 2, "link-interval": 2, "router-cycles": 4, "virtual-channels": 1, "credit-cycles": 9}
    for name, value in (worse | {"buffer-flits": 1}).items():
        assert done("--rate", 0.3, *SHORT, f"--{name}", value)["latency_cycles_mean"] > fast, name
    assert done("--rate", 0.3, *SHORT, "--torus")["hops_mean"] < 4.3


def test_without_packets_there_is_null():
    for options in (("--rate", 0), ("--rate", 1e-9)):
        found = done(*options, "--mesh", "3x2")
        assert found["packets_measured"] == 0 and found["busiest_link"] is None and found["saturated"] is False
        assert all(value is None for key, value in found.items() if "latency" in key or key == "hops_mean")
        assert "no packets were created" in call("noc", *options, "--mesh", "3x2").out


def test_one_node_has_no_links():
    found = done("--mesh", "1x1", "--torus", *SHORT)
    assert (found["latency_cycles_p50"], found["latency_cycles_max"], found["busiest_link"]) == (6, 6, None)


def test_the_words_say_what_was_modelled_and_found():
    out = call("noc", *SHORT).out
    for words in (
        "8x8 mesh, 64 nodes", "4 virtual channels of 4 flits per port", "uniform: 0.1 packets per node and cycle",
        "1 flit per packet", "seed 0", "cycles 300 to 1,499", "zero load", "cycles", "median", "flits per node and cycle",
        "offered", "accepted", "Busiest link: from (", "in use", "Not counted",
    ):  # fmt: skip
        assert words in out, words
    assert "aturated" not in out


RATES = ("--rates", "0.1:0.5:0.2", "--mesh", "4x4", "--cycles", 1500, "--warmup", 300)


def test_a_curve_has_a_point_per_rate_and_each_is_the_run_with_that_rate():
    found = done(*RATES)
    assert [point["rate"] for point in found["curve"]] == [0.1, 0.3, 0.5]
    for point in found["curve"]:
        alone = done("--rate", point["rate"], *RATES[2:])
        assert {key: alone[key] for key in point} == point
        assert {key: alone[key] for key in ("machine", "pattern", "seed", "not_counted")}.items() <= found.items()
    latencies = [point["latency_cycles_mean"] for point in found["curve"]]
    assert latencies == sorted(latencies)


def test_a_curve_names_the_largest_rate_that_does_not_saturate():
    options = ("--mesh", "8x8", "--traffic", "transpose", "--cycles", 2000, "--warmup", 500)
    found = done("--rates", "0.9,0.1,0.05", *options)
    assert [(p["rate"], p["saturated"]) for p in found["curve"]] == [(0.05, False), (0.1, False), (0.9, True)]
    assert found["largest_rate_not_saturated"] == 0.1
    out = call("noc", "--rates", "0.1,0.9", *options).out
    assert "Largest rate not saturated: 0.1 packets" in out and out.count("saturated") == 2
    assert done("--rates", "0.8,0.9", *options)["largest_rate_not_saturated"] is None
    assert "Largest rate not saturated: none" in call("noc", "--rates", "0.9", *options).out


def test_rates_are_written_as_a_range_or_one_by_one():
    assert rates_of(None, 0.7) == [0.7]
    assert rates_of("0.05:0.3:0.05", 0) == [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    assert rates_of("0:0.25:0.1", 0) == [0, 0.1, 0.2]
    assert rates_of("0.2:0.2:1", 0) == [0.2]
    assert rates_of("0.3, 0.1,.3,1e-2", 0) == [0.01, 0.1, 0.3]


def test_a_curve_can_be_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra: pip install -e '.[train]'")
    found = call("noc", "--rates", "0,0.1,0.9", "--mesh", "4x4", *SHORT, "--plot", tmp_path / "c.png")
    assert (found.code, found.err) == (0, "")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1


def test_drawing_without_matplotlib_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    says = ("matplotlib is not installed", "--plot needs", "pip install 'neurosim-hw[train]'")
    refused("noc", *RATES, "--plot", tmp_path / "c.png", says=says)


def dumped(path, traffic, names):
    """Write packets by the time of their creation."""
    order = np.argsort(traffic.created, kind="stable")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*(getattr(traffic, name)[order].tolist() for name in names), strict=True))
    return path


@pytest.mark.parametrize("names", [("source", "target", "created", "flits"), ("flits", "created", "target", "source")])
def test_a_list_of_the_same_packets_gives_the_same(tmp_path, names):
    options = ("--mesh", "4x3", "--torus", "--packet-flits", 2, *SHORT)
    synthetic = done(*options, "--rate", 0.15, "--seed", 9)
    packets = dumped(tmp_path / "p.csv", Load(rate=0.15, flits=2, seed=9).traffic(Grid(4, 3, 1, True), 1500), names)
    replayed = done(*options, "--replay", packets)
    origin = ("pattern", "rate", "seed", "packet_flits", "replay", "hotspot_share")
    assert [replayed[key] for key in origin] == [None] * 4 + [str(packets), None]
    assert {k: v for k, v in replayed.items() if k not in origin} == {k: v for k, v in synthetic.items() if k not in origin}
    assert f"{synthetic['packets']:,} packets of " in call("noc", *options, "--replay", packets).out


def test_a_list_is_measured_from_beginning_to_end_and_may_leave_out_the_flits(tmp_path):
    """With a byte order mark, spaces and empty lines, as spreadsheets write them."""
    path = tmp_path / "p.csv"
    path.write_text("\ufeffsource, target,created\r\n0,3, 5\r\n\r\n3,3,5\r\n0,1,40\r\n", encoding="utf-8", newline="")
    found = done("--mesh", "2x2", "--replay", path, "--packet-flits", 3)
    assert (found["packets"], found["packets_measured"], found["warmup_cycles"]) == (3, 3, 0)
    assert found["cycles"] == 40 + 6 + 4 + 2 + 1
    assert found["latency_cycles_mean"] == pytest.approx((14 + 6 + 10) / 3 + 2)
    assert found["offered_flits_per_node_cycle"] == found["accepted_flits_per_node_cycle"] == 9 / (4 * found["cycles"])
    assert found["saturated"] is False


LINES = {
    "16,0,0": "line 3: source is node 16, which the mesh does not have; it has 0 to 15",
    "0,-1,0": "line 3: target is node -1",
    "0,1,-5": "line 3: created is -5; needed is 0 to",
    "0,1,9": "line 4: created is 3, after 9 in the packet before; packets must be sorted by created",
    "0,1,1.5": "line 3: created is '1.5'; needed is a whole number",
    "zero,1,0": "line 3: source is 'zero'; needed is a whole number",
    "0,1_0,0": "line 3: target is '1_0'",
    "0,,0": "line 3: target is ''",
    "0,1,99999999999999999999": "line 3: created is '99999999999999999999'",
    "0,1,999999999": "line 3: created is 999999999; needed is 0 to 100,000,000",
    "0,1": "line 3: needed are 3 fields, source,target,created; there are 2",
    "0,1,2,3": "there are 4",
    '0,1,"2': "line 4: unexpected end of data",
}


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "p.csv"
    path.write_text(f"source,target,created\n0,1,0\n{line}\n1,2,3\n")
    found = refused("noc", "--mesh", "4x4", "--replay", path, says=(f"{path}: line", LINES[line]))
    assert found.err.count("\n") == 1


FILES = {
    "": "line 1: there is no header; needed is source,target,created or source,target,created,flits",
    "\n0,1,2\n": "line 1: there is no header",
    "source,target\n": "line 1: column 'created' is missing",
    "source,target,created,size\n": "line 1: column 'size' is unknown; there are source, target, created, flits",
    "source,target,created,source\n": "line 1: column 'source' is there 2 times",
    "source,target,created\n": "holds no packets",
    "source,target,created,flits\n0,1,2,0\n": "line 2: flits is 0; needed is 1 to 65,536",
    "source,target,created,flits\n0,1,2,\n": "line 2: flits is ''",
}


@pytest.mark.parametrize("text", FILES)
def test_a_bad_file_is_refused(tmp_path, text):
    path = tmp_path / "p.csv"
    path.write_text(text)
    refused("noc", "--replay", path, says=(path, FILES[text]))


def test_all_bad_lines_are_named_up_to_twenty(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("source,target,created\n" + "64,-1,-1\n" * 6 + "0,0,0\n")
    with pytest.raises(FileError) as caught:
        load_packets(path, Grid(8, 8, 1))
    assert len(caught.value.problems) == 18
    path.write_text("source,target,created\n" + "64,0,0\n" * 32)
    err = refused("noc", "--replay", path, says=("32 problems", "line 21: source", "and 12 more")).err
    assert "line 22" not in err and err.count("\n") == 22


def test_what_is_no_text_file_is_refused(tmp_path):
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00source")
    refused("noc", "--replay", tmp_path / "b.csv", says="is not text in UTF-8")
    refused("noc", "--replay", tmp_path / "none.csv", says="does not exist")
    refused("noc", "--replay", tmp_path, says="cannot be read")


BAD = {
    "--mesh 8": "--mesh '8': needed are width and height, such as 8x8",
    "--mesh 0x8": "--mesh 0x8 has 0 nodes",
    "--mesh axb": "--mesh 'axb'",
    "--mesh 8x8x8": "--mesh '8x8x8'",
    "--mesh -8x8": "--mesh '-8x8'",
    "--mesh 257x256": "--mesh 257x256 has 65,792 nodes; needed are 1 to 65,536",
    "--rate -0.1": "a rate of -0.1",
    "--rate nan": "a rate of nan",
    "--rate 1.01": "a source cannot send more than one flit per cycle",
    "--rate 0.3 --packet-flits 4": "a rate of 0.3 packets of 4 flits per node and cycle is too much",
    "--packet-flits 0": "packets of 0 flits",
    "--packet-flits 99999 --rate 0": "packets of 99,999 flits",
    "--virtual-channels 0": "--virtual-channels 0: must be at least 1",
    "--buffer-flits 0": "--buffer-flits 0: must be at least 1",
    "--router-cycles 0": "--router-cycles 0: must be at least 1",
    "--link-cycles 0": "--link-cycles 0: must be at least 1",
    "--link-interval 0": "--link-interval 0: must be at least 1",
    "--credit-cycles 0": "--credit-cycles 0: must be at least 1",
    "--virtual-channels 9999999": "too large to simulate",
    "--buffer-flits 9999999": "too large to simulate",
    "--link-cycles 99999999": "too large to simulate",
    "--link-interval 99999999": "too large to simulate",
    "--cycles 0": "0 cycles cannot be simulated",
    "--cycles 100000001": "100,000,001 cycles cannot be simulated",
    "--warmup -1": "a warm-up of -1 cycles",
    "--warmup 20000": "a warm-up of 20,000 cycles leaves nothing of 20,000 cycles to measure",
    "--seed -1": "a seed of -1",
    "--traffic transpose --mesh 4x2": "transpose needs a square mesh",
    "--traffic bitcomp --mesh 3x4": "bitcomp needs a power of two of nodes, and a mesh of 3x4 has 12",
    "--traffic shuffle --mesh 3x4 --rate 0": "shuffle needs a power of two",
    "--traffic zigzag": "'zigzag' does not exist",
    "--traffic hotspot --hotspot-share 1.5": "a share of 1.5",
    "--traffic hotspot --hotspot-share nan": "a share of nan",
    "--hotspot-share 0.5": "--hotspot-share is for --traffic hotspot, not for uniform",
    "--torus --virtual-channels 1": "wait for each other in a circle",
    "--mesh 256x256 --rate 0.1": "about 131,072,000 packets; at most 10,000,000",
    "--rates 0.1:0.5": "--rates '0.1:0.5': needed are LOW:HIGH:STEP",
    "--rates 0.1:0.5:0.1:1": "needed are LOW:HIGH:STEP",
    "--rates 0.1:0.5:0.1,0.7": "needed are LOW:HIGH:STEP",
    "--rates much": "needed are LOW:HIGH:STEP",
    "--rates 0.1,,0.2": "needed are LOW:HIGH:STEP",
    "--rates nan": "needed are LOW:HIGH:STEP",
    "--rates 0:inf:1": "needed are LOW:HIGH:STEP",
    "--rates 0.5:0.1:0.1": "needed are a step above 0, LOW up to HIGH",
    "--rates 0.1:0.5:0": "needed are a step above 0",
    "--rates 0:1:0.0001": "at most 1,000 rates",
    "--rates 0.1,1.5": "a source cannot send more than one flit per cycle",
    "--rates 0.1 --rate 0.2": "--rate and --rates: give one of them",
    "--plot x.png": "--plot draws the curve of --rates",
    "--timing analytic": "'analytic' does not exist",
    "--replay p.csv --rate 0.1 --seed 1": "--replay takes the packets from its file; leave out --rate, --seed",
    "--replay p.csv --rates 0.1": "leave out --rates",
    "--replay p.csv --traffic uniform": "leave out --traffic",
    "--replay p.csv --packet-flits 0": "packets of 0 flits",
    "--replay p.csv --warmup 90": "a warm-up of 90 cycles leaves nothing of 15 cycles to measure",
    "--replay p.csv --cycles 0": "0 cycles cannot be simulated",
    "--replay p.csv --json p.csv": "is also read, or written twice",
    "--json none/x.json": "the folder",
    "--rates 0.1 --plot none/x.png": "the folder",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_input_is_refused_in_a_line(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("source,target,created\n0,1,4\n")
    found = refused("noc", *options.split(), says=BAD[options])
    assert found.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["p.csv"]


def test_the_json_goes_to_a_file_and_is_strict(tmp_path):
    def refuse(name):
        raise AssertionError(name)

    found = call("noc", *SHORT, "--json", tmp_path / "x.json")
    assert found.out == call("noc", *SHORT).out
    assert json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse) == done(*SHORT)
