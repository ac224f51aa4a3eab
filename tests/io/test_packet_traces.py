"""Packets of a run as lists for other simulators, and messages of another simulator through our mesh."""

import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError, NeurosimError, TraceError
from neurosim.io.booksim_file import load_packets, save_packets
from neurosim.io.messages_file import is_message_trace, load_messages
from neurosim.io.noxim_file import save_noxim
from neurosim.mapping.place import USUAL
from neurosim.noc import packet_list
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import UNLIMITED, Machine
from neurosim.noc.measurement import MAX_CYCLES, zero_load
from neurosim.noc.messages import replay
from neurosim.noc.packet_list import PacketList, PacketRecorder
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.simpy_model import SimpyNetwork
from neurosim.noc.traffic import Traffic
from neurosim.outcome.dispatch import dispatched
from tests.helpers.examples import examples, runs, traced
from tests.helpers.samples import call, only_json, refused, residual
from tests.helpers.samples import inputs as random_inputs

MESH = Grid(3, 2, 1)
TRACES = runs().map(lambda case: (traced(*case), case[1]))


def counted(counts):
    return {name: counts[name] for name in ("packets", "flits", "flit_hops")}


class PlainList:
    """A recorder that walks from packet to packet and from link to link."""

    def __init__(self, grid):
        self.grid, self.rows, self.hops = grid, [], 0

    def __call__(self, turn, start, traffic, journey):
        for packet in range(len(traffic)):
            for core in traffic.target[traffic.first[packet] : traffic.first[packet + 1]].tolist():
                (x, y), (tx, ty) = self.grid.xy(int(traffic.source[packet])), self.grid.xy(core)
                flits = int(traffic.flits[packet])
                self.hops += flits * len(self.grid.route(int(traffic.source[packet]), core))
                places = (y * self.grid.width + x, ty * self.grid.width + tx)
                self.rows.append((start + int(traffic.created[packet]), *places, flits))


def rows_of(packets):
    columns = packets.created, packets.source, packets.target, packets.flits
    return list(zip(*(column.tolist() for column in columns), strict=True))


def in_mesh(packets, **parameters):
    return Machine(packets.grid, 2, 8, **parameters)


@examples(60)
@given(TRACES)
def test_the_list_is_what_the_run_counts_and_what_is_read_back(tmp_path_factory, case):
    """Of a tree, the run counts a packet and every link once; the list a packet for each target with a way of its own."""
    trace, mapping = case
    sample, path = len(trace) - 1, tmp_path_factory.mktemp("list") / "p.txt"
    found = dispatched(trace, mapping, sample)
    plain = PlainList(mapping.grid)
    ns.evaluate(trace.sample(sample), mapping, recorder=plain)
    assert sorted(rows_of(found.packets)) == sorted(plain.rows)
    assert found.packets.counts["flit_hops"] == plain.hops
    run, listed = counted(found.result.counts), found.packets.counts
    assert found.packets.sent == run["packets"]
    if mapping.chip.mesh.delivery == "unicast":
        assert run == listed
    else:
        assert all(run[name] <= listed[name] for name in run)
    assert any("multicast" in words for words in found.lost) == (run["packets"] < listed["packets"])
    if not listed["packets"]:
        with pytest.raises(NeurosimError, match="sends no packets"):
            save_packets(found.packets, path)
        return
    save_packets(found.packets, path, found.notes)
    traffic = load_packets(path, found.packets.grid, flits=77)
    journey = PacketNetwork(in_mesh(found.packets)).travel(traffic)
    again = {"packets": len(traffic), "flits": int(traffic.flits.sum()), "flit_hops": int(journey.flits.sum())}
    assert again == listed
    assert (journey.arrived >= 0).all()


@examples(30)
@given(TRACES, st.sampled_from(["sequential", "pipelined"]))
def test_packets_are_created_in_their_turns_and_no_faster_than_their_core_makes_them(case, schedule):
    trace, mapping = case
    turns = []
    found = dispatched(trace, mapping, 0, schedule)
    alone = trace.sample(0)
    ns.evaluate(alone, mapping, schedule=schedule, recorder=lambda n, at, traffic, way: turns.append((at, way.cycles)))
    created = found.packets.created
    assert (np.diff(created) >= 0).all()
    assert (found.packets.turns, found.packets.cycles) == (len(turns), found.result.time.cycles)
    starts = np.array([start for start, _ in turns])
    turn = np.searchsorted(starts, created, "right") - 1
    assert (created < starts[turn] + np.array([cycles for _, cycles in turns])[turn]).all()
    # A core starts a packet per so many cycles; a tile as many as it has cores.
    pace, cores = mapping.chip.operation.packet.cycles, mapping.grid.cores_per_tile
    if pace and mapping.chip.mesh.delivery == "unicast":
        keys, many = np.unique(np.stack([found.packets.source, created]), axis=1, return_counts=True)
        assert keys.shape[1] == 0 or many.max() <= cores


def plain_chip(**changes):
    """Cores that take all they are sent, each a node of its own."""
    roomy = {"core.queue_packets": 10**6, "memory.queue_sram.bits": 10**9}
    settings = {"mesh.width": 4, "mesh.height": 6, "core.max_neurons": 12, **roomy, **changes}
    return ns.load_chip("mesh45", [f"{name}={value}" for name, value in settings.items()])


@pytest.fixture(scope="module")
def trace():
    network = residual()
    return ns.simulate(network, random_inputs(network, 3))


@pytest.mark.parametrize("bits", [32, 128])
def test_the_network_of_the_chip_takes_as_long_for_the_list_as_in_the_run(trace, tmp_path, bits):
    """Where cores hold up nothing, all that is left is whose turn it is in a router, which a run begins anew in every turn."""
    mapping = ns.map_network(trace.network, plain_chip(**{"mesh.packet_bits": bits}))
    ways = []
    ns.evaluate(trace.sample(1), mapping, recorder=lambda n, at, traffic, way: ways.append(np.sort(way.arrived + at)))
    found = dispatched(trace, mapping, 1)
    save_packets(found.packets, tmp_path / "p.txt")
    machine = replace(mapping.chip.machine, queue=UNLIMITED)
    journey = PacketNetwork(machine).travel(load_packets(tmp_path / "p.txt", machine.grid))
    alone, ours = np.concatenate(ways), np.sort(journey.arrived)
    first = len(next(way for way in ways if len(way)))
    assert np.array_equal(alone[:first], ours[:first])
    waits = [(arrived - found.packets.created).mean() for arrived in (alone, ours)]
    assert waits[0] == pytest.approx(waits[1], rel=0.02)


def test_too_many_packets_are_noticed_while_they_are_recorded(trace, monkeypatch):
    monkeypatch.setattr(packet_list, "MAX_PACKETS", 5)
    with pytest.raises(NeurosimError, match="more than 5 packets"):
        dispatched(trace, ns.map_network(trace.network, plain_chip()), 0)


def test_a_sample_of_a_trace_is_the_trace_of_the_sample():
    network = residual("spikes")
    data = random_inputs(network, 3)
    whole, alone = ns.simulate(network, data), ns.simulate(network, data[1:2])
    part = whole.sample(1)
    assert (len(part), part.labels.tolist()) == (1, data.labels[1:2].tolist())
    assert np.array_equal(part.outputs, alone.outputs) and np.array_equal(part.input_bits, alone.input_bits)
    for name, layer in alone.layers.items():
        for field in ("bits", "reached", "peak"):
            assert np.array_equal(getattr(part.layers[name], field), getattr(layer, field))
        for lists in ("lone", "clipped"):
            mine, theirs = getattr(part.layers[name], lists), getattr(layer, lists)
            assert np.array_equal(mine.start, theirs.start) and np.array_equal(mine.item, theirs.item)
    for number in (-1, 3):
        with pytest.raises(TraceError, match=f"no sample {number}"):
            whole.sample(number)


def packets_of(rows, cycles=100, grid=MESH):
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return PacketList(grid, *columns, cycles, 1, len(rows))


TABLE = re.compile(r"(\d+) (\d+) (\S+) (\S+) (\d+) (\d+) (\d+)")


def table_of(path):
    """{(source, target): packets} of a Noxim table, and its comments."""
    lines = path.read_text().splitlines()
    found = {}
    for line in lines:
        if not line.startswith("%"):
            source, target, pir, por, on, off, period = TABLE.fullmatch(line).groups()
            assert pir == por and on == "0" and int(period) == int(off) + 1 and 0 < float(pir) <= 1
            assert (int(source), int(target)) not in found
            found[int(source), int(target)] = float(pir) * int(off)
    return found, [line for line in lines if line.startswith("%")]


@examples(30)
@given(TRACES)
def test_rates_times_cycles_are_the_packets(tmp_path_factory, case):
    trace, mapping = case
    found, path = dispatched(trace, mapping, 0), tmp_path_factory.mktemp("noxim") / "t.txt"
    packets = found.packets
    busiest = np.bincount(packets.source, minlength=1).max()
    if not len(packets) or busiest > packets.cycles:
        with pytest.raises(NeurosimError):
            save_noxim(packets, path, found.notes)
        assert not path.exists()
        return
    save_noxim(packets, path, found.notes)
    table, comments = table_of(path)
    many = {}
    for _, source, target, _ in rows_of(packets):
        many[source, target] = many.get((source, target), 0) + 1
    assert {pair: round(count, 6) for pair, count in table.items()} == many
    assert max(map(len, comments)) < 400


def test_what_a_table_cannot_say_is_refused(tmp_path):
    with pytest.raises(NeurosimError, match=r"1, 2 flits.*node 4 sends 4 packets in 3 cycles.*one per cycle"):
        save_noxim(packets_of([(0, 4, 1, 1)] * 3 + [(0, 4, 2, 2)], cycles=3), tmp_path / "t.txt")
    with pytest.raises(NeurosimError, match="sends no packets"):
        save_noxim(packets_of([]), tmp_path / "t.txt")
    assert not list(tmp_path.iterdir())


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    save_packets(packets_of([(MAX_CYCLES, 0, 1, 1)]), tmp_path / "p.txt")
    assert len(load_packets(tmp_path / "p.txt", MESH)) == 1
    with pytest.raises(NeurosimError, match=r"created in cycle 100,000,001; a list takes up to 100,000,000"):
        save_packets(packets_of([(MAX_CYCLES + 1, 0, 1, 1)]), tmp_path / "q.txt")
    assert not (tmp_path / "q.txt").exists()


LIST = "# words, of any kind\n# mesh 3x2\n# created source target flits\n0 3 5 1\n\n# between\n  7\t0  0 2 \n"


def test_names_may_stand_in_a_comment_and_fields_between_spaces(tmp_path):
    path = tmp_path / "p.txt"
    path.write_text(LIST)
    traffic = load_packets(path, MESH)
    assert traffic.source.tolist() == [0, 3] and traffic.target.tolist() == [0, 5]
    assert traffic.created.tolist() == [7, 0] and traffic.flits.tolist() == [2, 1]
    path.write_text("# mesh 3x2\nsource,target,created\n# a, comment\n3,5,0\n0,0,7\n")
    assert load_packets(path, MESH, 4).flits.tolist() == [4, 4]


LISTS = {
    LIST.replace("3x2", "2x3"): "line 2: its nodes are those of another network; give --mesh 2x3",
    LIST.replace("3x2", "3x2 torus"): "line 2: its nodes are those of another network; give --mesh 3x2 --torus",
    LIST.replace("created source", "made source"): "line 4: column 'source' is missing",
    LIST.replace("0 3 5 1", "0,3,5,1"): "line 4: needed are 4 fields",
    LIST.replace("0 3 5 1", "9 3 5 1"): "line 7: created is 7, after 9",
    LIST.replace("0 3 5 1", "-1 6 5 0"): "4 - line 4: created is -1",
    LIST.replace("0 3 5 1", "0 3 5 1 " + "x" * 5000): "line 4: has more than 4,096 characters",
    "# created source target flits\n": "holds no packets",
    "# nothing\n# else\n": "line 2: there is no header",
}


@pytest.mark.parametrize("text", LISTS)
def test_bad_lists_are_refused(tmp_path, text):
    path = tmp_path / "p.txt"
    path.write_text(text)
    found = refused("noc", "--mesh", "3x2", "--packets", path)
    assert LISTS[text].removeprefix("4 - ") in found.err
    if LISTS[text].startswith("4 - "):
        assert "line 4: source is node 6" in found.err and "line 4: flits is 0" in found.err


@pytest.mark.parametrize("begin", ["", "source,target,created\n", "src_hw,dest_hw\n", "# created source target\n"])
def test_files_of_one_endless_line_or_of_bad_lines_take_little_memory(tmp_path, begin):
    path = tmp_path / "p.txt"
    for content in (b"7" * 9_000_000, b"x y z\n" * 30_000, b'"\n' * 30_000, b"\x00" * 5_000_000):
        path.write_bytes(begin.encode() + content)
        tracemalloc.start()
        refused("noc", "--packets", path, *(("--clock-hz", "1") if "hw" in begin else ()), says=path.name)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
        tracemalloc.stop()


@pytest.fixture(scope="module")
def recorded(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.h5"
    trace.save(path)
    return path


SMALL = ("--chip", "mesh45", "--set", "mesh.width=4", "--set", "mesh.height=3", "--set", "core.max_neurons=20")


OTHERWISE = [(), ("--placer", "hilbert"), ("--set", "mesh.topology=torus", "--set", "mesh.flit_bits=16")]


@pytest.mark.parametrize("options", OTHERWISE)
def test_a_list_goes_out_and_comes_back_by_commands(recorded, trace, tmp_path, options):
    path = tmp_path / "a list.txt"
    found = call("export", recorded, "--to", "booksim", "-o", path, *SMALL, *options, "--sample", 1, "--json", "-")
    assert (found.code, found.err) == (0, "")
    told = only_json(found.out)
    chip = ns.load_chip("mesh45", [o for o in (*SMALL, *options) if "=" in o])
    placer = options[1] if "--placer" in options else USUAL
    run = ns.evaluate(trace.sample(1), ns.map_network(trace.network, chip, placer))
    assert counted(told) == counted(told["run"]) == counted(run.counts)
    assert told["cycles"] == run.time.cycles
    found = call("noc", *told["replay"].split(), "--packets", path, "--json", "-")
    back = only_json(found.out)
    assert (back["packets"], back["packets_measured"]) == (told["packets"], told["packets"])
    assert back["hops_mean"] * back["packets"] * (told["flits"] // told["packets"]) == pytest.approx(told["flit_hops"])
    flits = back["accepted_flits_per_node_cycle"] * back["cycles"] * 12
    assert round(flits, 6) == told["flits"]
    text = call("export", recorded, "--to", "booksim", "-o", path, *SMALL, *options, "--sample", 1)
    assert text.code == 0 and "Lost: barriers" in text.out and "--packets" in text.out
    refused("noc", "--mesh", "3x4", "--packets", path, says="give --mesh 4x3")


def test_the_command_writes_a_table(recorded, tmp_path):
    path = tmp_path / "t.txt"
    found = call("export", recorded, "--to", "noxim", "-o", path, *SMALL, "--set", "mesh.cores_per_tile=2", "--json", "-")
    told = only_json(found.out)
    table, comments = table_of(path)
    assert round(sum(table.values()), 4) == told["packets"] == told["run"]["packets"]
    says = ("mesh_dim_x 4, mesh_dim_y 3", "the 2 of a tile are one node", "lost: times", "node: tile y * 4 + x", "sample 0")
    for words in says:
        assert any(words in line for line in comments), words


def test_export_refuses_what_packets_do_not_need(recorded, tmp_path):
    path = tmp_path / "p.txt"
    for to in ("noxim", "booksim"):
        refused("export", recorded, "--to", to, "-o", path, "--dt", 1, says="a trace has its inputs")
        refused("export", recorded, "--to", to, "-o", path, "--inputs", "x.npy", says="a trace has its inputs")
        refused("export", recorded, "--to", to, "-o", path, "--sample", 3, says=(recorded, "no sample 3"))
        refused("export", recorded, "--to", to, "-o", recorded, says="is also read")
        refused("export", recorded, "--to", to, "-o", path, "--set", "mesh.width=1", "--set", "mesh.height=1", code=1)
        refused("export", tmp_path / "none.h5", "--to", to, "-o", path, says="does not exist")
    assert not path.exists()


HEADER = (
    "timestep,mid,src_neuron,src_hw,dest_hw,hops,spikes,send_timestamp,received_timestamp,processed_timestamp,generation_delay,"
    "processing_delay,network_delay,blocking_delay,min_hop_delay,messages_along_route\n"
)
# A mesh of 3x2, its tiles column by column: tile 1 is (0, 1), tile 3 is (1, 1), tile 4 is (2, 0).
MESSAGES = (
    HEADER
    + """\
1,0,a.0,0.0,3.1,2,4,5e-09,1.3e-08,3.3e-08,5e-09,2e-08,8e-09,0,8e-09,0
1,1,a.1,0.0,0.0,0,1,1.2e-08,1.2e-08,1.7e-08,6e-09,5e-09,0,1e-09,0,0.5
1,-1,a.9,0.0,x.x,0,0,5.7e-08,-inf,-inf,4.5e-08,0,0,0,0,0
4,2,b.0,4.0,1.0,3,2,5e-09,1.7e-08,2.7e-08,5e-09,1e-08,1.2e-08,0,1.2e-08,0
"""
)


@pytest.fixture
def messages(tmp_path):
    path = tmp_path / "messages.csv"
    path.write_text(MESSAGES)
    return path


def test_messages_by_hand(messages):
    """At 1 GHz, cycles are nanoseconds. A flit alone takes 6 cycles within a node and 4 more per link. In the first
    step a core works on longer than its messages travel."""
    assert is_message_trace(messages)
    trace = load_messages(messages, MESH, 1e9)
    assert trace.grid == MESH._replace(cores_per_tile=2)
    assert trace.steps.tolist() == [1, 4] and trace.step.tolist() == [0, 0, 1]
    assert trace.source.tolist() == [0, 0, 2 * 2] and trace.target.tolist() == [2 * (3 + 1) + 1, 0, 2 * 3]
    assert trace.created.tolist() == [5, 11, 5] and trace.service.tolist() == [20, 5, 10]
    assert trace.made.tolist() == [56, 5]
    assert trace.ended.tolist() == pytest.approx([57e-9, 27e-9])
    found = replay(PacketNetwork(Machine(trace.grid)), trace)
    assert found.least.tolist() == found.travelled.tolist() == [14, 6, 18]
    assert found.waited.tolist() == [0, 0, 0]
    assert found.cycles.tolist() == [11 + 45, 5 + 18 + 10]
    told = found.compared(1e9)
    assert told["steps"] == [
        {"timestep": 1, "messages": 2, "cycles": 56, "sanafe_cycles": pytest.approx(57)},
        {"timestep": 4, "messages": 1, "cycles": 33, "sanafe_cycles": pytest.approx(27)},
    ]
    network = told["compared"]["network_delay"]
    assert (network["neurosim_cycles_mean"], network["neurosim_seconds"]) == (38 / 3, pytest.approx(38e-9))
    assert (network["sanafe_cycles_mean"], network["sanafe_seconds"]) == (pytest.approx(20 / 3), pytest.approx(20e-9))
    assert told["compared"]["blocking_delay"]["sanafe_seconds"] == pytest.approx(1e-9)


REPLAY = ("--mesh", "3x2", "--clock-hz", "1e9")


def test_messages_by_the_command(messages):
    found = call("noc", "--packets", messages, *REPLAY, "--json", "-")
    assert (found.code, found.err) == (0, "")
    told = only_json(found.out)
    assert (told["packets"], told["packets_measured"], told["cycles"]) == (3, 3, 56 + 33)
    assert told["machine"]["cores_per_tile"] == 2 and told["packet_flits"] == 1
    assert told["hops_mean"] == 5 / 3 and told["latency_cycles_mean"] == 38 / 3
    assert told == only_json(call("noc", "--replay", messages, *REPLAY, "--timing", "simpy", "--json", "-").out) | {
        "timing": "packet"
    }
    text = call("noc", "--packets", messages, *REPLAY)
    for words in ("Beside SANA-FE", "until all cores are done", "1.00 GHz", "2 steps", "20.0 ns", "barriers: the trace"):
        assert words in text.out, words


def test_what_a_trace_does_not_say_is_left_open(messages):
    rows = [line.split(",") for line in MESSAGES.splitlines()]
    for row in rows[1:]:
        row[7:10], row[12:14] = ["-inf"] * 3, ["0", "0"]
    without_times = "\n".join(",".join(row) for row in rows) + "\n"
    messages.write_text(without_times)
    told = only_json(call("noc", "--packets", messages, *REPLAY, "--json", "-").out)["sanafe"]
    for name in ("network_delay", "blocking_delay", "step"):
        assert told["compared"][name]["sanafe_cycles_mean"] is told["compared"][name]["sanafe_seconds"] is None
    assert told["compared"]["least_delay"]["sanafe_seconds"] == pytest.approx(20e-9)
    assert [step["sanafe_cycles"] for step in told["steps"]] == [None, None]
    rows = [row[1:] for row in rows]
    messages.write_text("\n".join(",".join(row) for row in rows) + "\n")
    told = only_json(call("noc", "--packets", messages, *REPLAY, "--json", "-").out)
    assert [step["messages"] for step in told["sanafe"]["steps"]] == [3]


@st.composite
def message_files(draw):
    """Lines of messages between cores of a mesh, in random order of steps."""
    width, height, cores = (draw(st.integers(1, high)) for high in (4, 4, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = []
    for _ in range(draw(st.integers(1, 60))):
        (x, tx), (y, ty) = rng.integers(0, width, 2), rng.integers(0, height, 2)
        made, work = rng.integers(0, 30, 2)
        ends = f"{x * height + y}.{rng.integers(cores)},{tx * height + ty}.{rng.integers(cores)}"
        rows.append((int(rng.integers(1, 4)), ends, abs(x - tx) + abs(y - ty), made, work))
    return Grid(width, height, 1), rows


@examples(60)
@given(message_files(), st.integers(1, 3))
def test_every_message_arrives_after_its_cores_have_made_all_before_it(tmp_path_factory, case, flits):
    """The times by a loop over the lines, the ways by the slow twin."""
    grid, rows = case
    path = tmp_path_factory.mktemp("messages") / "m.csv"
    lines = (f"{t},0,n.0,{ends},{hops},1,-inf,-inf,-inf,{made}e-9,{work}e-9,0,0,0,0\n" for t, ends, hops, made, work in rows)
    path.write_text(HEADER + "".join(lines))
    trace = load_messages(path, grid, 1e9)
    clock, expected = {}, []
    for step, ends, hops, made, work in rows:
        source = ends.split(",")[0]
        clock[step, source] = clock.get((step, source), 0) + int(made)
        expected.append((step, clock[step, source], int(hops), int(work)))
    hops = zero_load(Machine(trace.grid), np.arange(9), np.ones(9, int)).tolist()
    found = replay(PacketNetwork(Machine(trace.grid)), trace, flits)
    alone = replay(PacketNetwork(Machine(trace.grid)), trace)
    links = [hops.index(cycles) for cycles in alone.least.tolist()]
    ours = zip(trace.steps[trace.step].tolist(), trace.created.tolist(), links, trace.service.tolist(), strict=True)
    assert sorted(ours) == sorted(expected)
    assert (found.waited >= 0).all() and (found.travelled >= found.least).all()
    slow = replay(SimpyNetwork(Machine(trace.grid)), trace, flits)
    for name in ("waited", "travelled", "cycles"):
        assert np.array_equal(getattr(found, name), getattr(slow, name))
    # A barrier: nothing of a step is on its way in another.
    begins = np.cumsum(found.cycles) - found.cycles
    order = np.lexsort((found.traffic.created, found.traffic.source))
    assert np.array_equal(order, np.arange(len(trace)))
    step = np.searchsorted(begins, found.traffic.created, "right") - 1
    assert (found.arrivals.arrived <= (begins + found.cycles)[step]).all()


BAD = {
    ("1,0,a.0,0.0", "1,0,a.0,6.0"): "line 2: src_hw is tile 6, which the mesh does not have; it has 0 to 5",
    ("0.0,3.1,2", "0.0,3.1,1"): "line 2: hops is 1, but from tile 0 to 3 there are 2 links in a mesh of 3x2",
    ("0.0,3.1,2", "0.0,3.1,-2"): "line 2: hops is '-2'; needed is a whole number",
    ("0.0,3.1,2", "0.0,3,2"): "line 2: dest_hw is '3'; needed is TILE.CORE or x.x",
    ("0.0,3.1,2", "x.x,3.1,2"): "line 2: src_hw is 'x.x'; needed is TILE.CORE",
    ("0.0,3.1,2", "0.0,3.256,2"): "line 2: dest_hw is core 256 of its tile; at most 256",
    ("5e-09,2e-08", "-5e-09,2e-08"): "line 2: generation_delay is '-5e-09'; needed is seconds",
    ("5e-09,2e-08", "nan,inf"): "line 2: processing_delay is 'inf'; needed is seconds",
    ("5e-09,2e-08", "5e-09,2e8"): "line 2: processing_delay is 2e8 s, 200,000,000,000,000,000 cycles of 1e+09 Hz; at most",
    ("5e-09,2e-08", "1e999,0"): "line 2: generation_delay is 1e999 s",
    ("4,2,b.0", "four,2,b.0"): "line 5: timestep is 'four'",
    ("4,2,b.0", "4,2"): "line 5: needed are 16 fields; there are 15",
    (",hops", ""): "line 1: column 'hops' is missing",
    ("min_hop_delay", "blocking_delay"): "line 1: column 'blocking_delay' is there 2 times",
    ("mid", "id"): "line 1: column 'id' is unknown",
    ("3.1", "3.1" + "1" * 5000): "line 2: has more than 4,096 characters",
}


@pytest.mark.parametrize("change", BAD, ids=lambda change: change[1][:20])
def test_bad_messages_are_refused(messages, change):
    assert change[0] in MESSAGES
    messages.write_text(MESSAGES.replace(*change, 1))
    refused("noc", "--packets", messages, *REPLAY, says=(messages, BAD[change]))


def test_all_that_is_wrong_with_messages_is_named(messages):
    messages.write_text(HEADER)
    refused("noc", "--packets", messages, *REPLAY, says="holds no messages")
    messages.write_text("".join(MESSAGES.splitlines(True)[i] for i in (0, 3)))
    refused("noc", "--packets", messages, *REPLAY, says="holds no messages")
    messages.write_text(HEADER + "0,0,a.0,9.0,9.0,0,x,x,x,x,x,0,0,0,0,0\n" * 40)
    says = ("200 problems", "line 2: send_timestamp is 'x'", "line 2: dest_hw is tile 9", "line 5:", "and 180 more")
    refused("noc", "--packets", messages, *REPLAY, says=says)
    messages.write_bytes(HEADER.encode() + b"\xff\n")
    refused("noc", "--packets", messages, *REPLAY, says="is not text in UTF-8")
    with pytest.raises(FileError, match="tiles counted column by column"):
        messages.write_text(MESSAGES)
        load_messages(messages, Grid(2, 3, 1), 1e9)


OPTIONS = {
    "--mesh 3x2": "say how many cycles of the mesh a second has: --clock-hz HZ",
    "--mesh 3x2 --clock-hz 0": "a clock of 0 Hz cannot be",
    "--mesh 3x2 --clock-hz nan": "a clock of nan Hz cannot be",
    "--mesh 3x2 --clock-hz 1e9 --cycles 10 --warmup 1": "leave out --cycles, --warmup",
    "--mesh 3x2 --clock-hz 1e9 --torus": "leave out --torus",
    "--mesh 3x2 --clock-hz 1e9 --packet-flits 0": "packets of 0 flits",
    "--mesh 3x2 --clock-hz 1e9 --rate 0.1": "leave out --rate",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_that_messages_do_not_take(messages, options):
    refused("noc", "--packets", messages, *options.split(), says=OPTIONS[options])


def test_a_clock_is_for_messages_alone(tmp_path):
    (tmp_path / "p.csv").write_text("source,target,created\n0,1,4\n")
    refused("noc", "--packets", tmp_path / "p.csv", "--clock-hz", 1, says="--clock-hz is for messages of SANA-FE")
    refused("noc", "--clock-hz", 1, says="--clock-hz is for messages of SANA-FE")


def test_turns_without_packets_take_their_time():
    recorder = PacketRecorder(MESH)
    none = np.zeros(0, np.int64)
    traffic = Traffic.unicast(MESH, none, none, none)[0]
    for turn in range(3):
        recorder(turn, 10 * turn, traffic, PacketNetwork(Machine(MESH, barrier_cycles=10)).travel(traffic))
    assert (len(recorder.listed), recorder.listed.turns, recorder.listed.cycles) == (0, 3, 30)
