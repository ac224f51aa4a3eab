"""Chip files: hardware is data with sources, and a wrong description is refused with every mistake and its path."""

import tomllib

import pytest

import neurosim as ns
from neurosim.chip.memory import KINDS
from neurosim.errors import ChipError, FileError, NeurosimError
from neurosim.io.presets import PRESETS, preset_toml
from neurosim.kernels.fabric import UNLIMITED
from neurosim.noc.geometry import Grid
from neurosim.noc.machine import Machine
from tests.helpers import samples

CHILD = 'base = "mesh45"\n'
BOARD = '[board]\nlink_cycles = 9\nlink_interval = 4\npj = 11.0\nsource = "made up"\n'
# A file, and what the message must say.
WRONG = {
    "zero cores": (CHILD + "[mesh]\nwidth = 0", ["mesh.width", "0", "greater than 0"]),
    "unknown key": (CHILD + "[core]\nlans = 4", ["core.lans", "unknown key"]),
    "unknown table": (CHILD + "[kore]\nlanes = 4", ["kore", "unknown key"]),
    "missing everything": ('name = "empty"', ["mesh", "core", "memory", "operation", "clock", "is missing"]),
    "wrong unit": (CHILD + "[operation]\naccumulate = { nj = 0.1 }", ["operation.accumulate.nj", "unknown key"]),
    "wrong unit of a memory": (CHILD + '[[memory]]\nname = "dram"\nread = { nj = 1 }', ["memory.dram.read.nj", "unknown key"]),
    "negative size": (CHILD + '[[memory]]\nname = "state_sram"\nbits = -8', ["memory.state_sram.bits", "-8"]),
    "zero size": (CHILD + '[[memory]]\nname = "state_sram"\nword_bits = 0', ["memory.state_sram.word_bits", "greater than 0"]),
    "fraction of a lane": (CHILD + "[core]\nlanes = 1.5", ["core.lanes", "1.5"]),
    "negative price": (CHILD + "[operation]\nmac = { pj = -1 }", ["operation.mac.pj", "-1"]),
    "price that is not a number": (CHILD + "[operation]\nmac = { pj = nan }", ["operation.mac.pj", "nan"]),
    "infinite price": (CHILD + "[operation]\nmac = { pj = inf }", ["operation.mac.pj", "inf"]),
    "infinite clock": (CHILD + "[clock]\nhz = inf", ["clock.hz", "inf"]),
    "still clock": (CHILD + "[clock]\nhz = 0", ["clock.hz", "0"]),
    "text for a number": (CHILD + '[core]\nlanes = "many"', ["core.lanes", "many"]),
    "truth for a number": (CHILD + "[core]\nlanes = true", ["core.lanes"]),
    "number for a table": (CHILD + "core = 5", ["core", "5"]),
    "number for memories": (CHILD + "memory = 5", ["memory", "5"]),
    "numbers in memories": (CHILD + "memory = [5]", ["memory", "5"]),
    "name that is a list": (CHILD + '[[memory]]\nname = ["x"]', ["memory"]),
    "memory without a name": (CHILD + "[[memory]]\nbits = 5", ["memory", "name"]),
    "unknown policy": (CHILD + '[policy]\nupdate = "sometimes"', ["policy.update", "sometimes"]),
    "unknown kind of data": (CHILD + '[[memory]]\nname = "dram"\nholds = ["input", "gold"]', ["memory.dram.holds", "gold"]),
    "state too wide": (CHILD + "[core]\nstate_bits = 64", ["core.state_bits", "64"]),
    "no time in a router": (CHILD + "[mesh]\nrouter_cycles = 0", ["mesh.router_cycles", "greater than 0"]),
    "no time between routers": (CHILD + "[mesh]\nlink_cycles = 0", ["mesh.link_cycles", "greater than 0"]),
    "no time between flits": (CHILD + "[mesh]\nlink_interval = 0", ["mesh.link_interval", "greater than 0"]),
    "no time into a core": (CHILD + "[mesh]\nlocal_cycles = 0", ["mesh.local_cycles", "greater than 0"]),
    "no time for a credit": (CHILD + "[mesh]\ncredit_cycles = 0", ["mesh.credit_cycles", "greater than 0"]),
    "no channel": (CHILD + "[mesh]\nvirtual_channels = 0", ["mesh.virtual_channels", "greater than 0"]),
    "no buffer": (CHILD + "[mesh]\nbuffer_flits = 0", ["mesh.buffer_flits", "greater than 0"]),
    "unknown topology": (CHILD + '[mesh]\ntopology = "ring"', ["mesh.topology", "ring", "'mesh' or 'torus'"]),
    "no queue": (CHILD + "[core]\nqueue_packets = 0", ["core.queue_packets", "greater than 0"]),
    "no port": (CHILD + '[[memory]]\nname = "dram"\nwords_per_cycle = 0', ["memory.dram.words_per_cycle", "greater than 0"]),
    "half a board": (CHILD + "[board]\ncolumns = 2", ["board.link_cycles: is missing", "board.pj: is missing", "board.source"]),
    "no chip on the board": (CHILD + BOARD + "columns = 0", ["board.columns", "greater than 0"]),
    "too large a board": (CHILD + BOARD + "columns = 64\nrows = 17", ["make 69,632 cores; at most 65,536 are supported"]),
    "two homes": (CHILD + '[[memory]]\nname = "dram"\nholds = ["input", "state"]', ["'state'", "state_sram and dram"]),
    "no home": (CHILD + '[[memory]]\nname = "dram"\nholds = ["weights"]', ["'input' is held by no memory", "'weights'"]),
    "memory without prices": (CHILD + '[[memory]]\nname = "new"\nholds = ["queue"]\nbits = 8\nword_bits = 8', [
        "memory.new: read is missing; give it, or set model = 'sram'", "write is missing", "source is missing",
    ]),
    "memory of no level": (CHILD + '[[memory]]\nname = "dram"\nper = "rack"', ["memory.dram.per", "rack", "'off chip'"]),
    "memory of no model": (CHILD + '[[memory]]\nname = "dram"\nmodel = "flash"', ["memory.dram.model", "flash", "'sram'"]),
    "memory larger than any published": (CHILD + '[[memory]]\nname = "dram"\nmodel = "sram"', [
        "memory.dram: 8,589,934,592 bits lie outside the published sizes, 3,584 to 819,200 bits", "extrapolate = true",
    ]),
    "node of given prices": (CHILD + '[[memory]]\nname = "dram"\nnode_nm = 45', ["memory.dram: node_nm is for model = 'sram'"]),
    "unknown grade": (CHILD + '[clock]\ngrade = "guessed"', ["clock.grade", "guessed", "'measured'"]),
    "negative uncertainty": (CHILD + "[operation]\nmac = { uncertainty = -1 }", ["operation.mac.uncertainty", "-1"]),
    "no source": ('[clock]\nhz = 5e8', ["clock.source", "is missing"]),
    "syntax": ("[core\nlanes = 4", ["not valid TOML", "line 1"]),
    "duplicate key": ("name = 'a'\nname = 'b'", ["not valid TOML"]),
    "empty file": ("", ["name", "is missing"]),
    "deep nesting": ("x = " + "[" * 5000, ["not valid TOML"]),
    "unknown base": ('base = "nothing"', ["nothing"]),
    "missing base": ('base = "other.toml"', ["other.toml", "does not exist"]),
    "base that is a number": ("base = 5", ["base"]),
    "its own base": ('base = "chip.toml"', ["circle", "chip.toml -> "]),
    "its own base by another name": ('base = "../{folder}/chip.toml"', ["circle"]),
}  # fmt: skip


@pytest.fixture
def network(tmp_path):
    samples.residual().save(tmp_path / "net.h5")
    return tmp_path / "net.h5"


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_chip_is_refused_with_its_mistake(tmp_path, network, text, says):
    file = tmp_path / "chip.toml"
    file.write_text(text.replace("{folder}", tmp_path.name))
    with pytest.raises((ChipError, FileError)):
        ns.load_chip(file)
    found = samples.refused("map", network, "--chip", file, says=says)
    assert "chip.toml" in found.err
    assert len(found.err) < 3000


def test_all_mistakes_are_told_at_once(tmp_path, network):
    file = tmp_path / "chip.toml"
    file.write_text(
        CHILD + '[mesh]\nwidth = -1\n[core]\nlans = 4\n[operation]\nmac = { nj = 1 }\n[[memory]]\nname = "dram"\nbits = -5\n'
        "[policy]\nanalog = 'never'\n"
    )
    says = ["5 problems", "mesh.width", "core.lans", "operation.mac.nj", "memory.dram.bits", "policy.analog"]
    samples.refused("map", network, "--chip", file, says=says)


def test_a_circle_of_bases_is_drawn(tmp_path, network):
    for here, there in ("ab", "bc", "ca"):
        (tmp_path / f"{here}.toml").write_text(f'base = "{there}.toml"')
    found = samples.refused("map", network, "--chip", tmp_path / "a.toml", says="circle")
    assert found.err.count("a.toml") >= 2


def test_a_mistake_in_a_base_names_the_base(tmp_path, network):
    (tmp_path / "base.toml").write_text("[core")
    (tmp_path / "chip.toml").write_text('base = "base.toml"')
    samples.refused("map", network, "--chip", tmp_path / "chip.toml", says="base.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_bytes_that_are_no_text_are_refused(tmp_path, network, content):
    (tmp_path / "chip.toml").write_bytes(content)
    samples.refused("map", network, "--chip", tmp_path / "chip.toml", says="chip.toml")


@pytest.mark.parametrize("name", ["nothing", "", "Loihi", "no/such/file.toml", "."])
def test_an_unknown_chip_is_refused(network, name):
    found = samples.refused("map", network, "--chip", name)
    if "/" not in name and name not in ("", "."):
        assert "lp45, ann45, eyeriss, loihi" in found.err


SETS = {
    "mesh.width": "needs the form key.path=value",
    "nothing.at.all=5": "there is no 'nothing.at.all'",
    "core.lans=5": "core.lans: unknown key",
    "operation.mac=0.5": "operation.mac is 0.5, and is no number but a table; set one of operation.mac.pj, operation.mac.cyc",
    "memory.dram.read=3": "memory.dram.read is 3, and is no number but a table; set one of memory.dram.read.pj",
    "core=many": "core is 'many', and is no number but a table; set one of core.lanes, core.",
    "core.lanes=0": "core.lanes: is 0",
    "core.lanes=five": "core.lanes: is 'five'",
    "memory.nothing.bits=5": "weight_sram",
    "memory.dram=5": "memory",
    "operation.mac.nj=5": "operation.mac.nj: unknown key",
    "clock.hz=nan": "clock.hz",
    "name=": "name",
    "=5": "unknown key",
}


@pytest.mark.parametrize(("change", "says"), SETS.items())
def test_a_wrong_setting_is_refused(network, change, says):
    samples.refused("map", network, "--set", change, says=says)


def test_all_wrong_settings_are_told_at_once(network):
    says = ["a.b", "mesh.width", "core.lans"]
    samples.refused("map", network, "--set", "a.b=1", "--set", "mesh.width=-1", "--set", "core.lans=2", says=says)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_whole_and_sourced(name):
    chip = ns.load_chip(name)
    assert chip.name == name
    assert len(chip.title) > 10
    assert all(chip.home(kind).name for kind in KINDS)
    assert all(len(part.source) > 5 for part in (chip.clock, chip.mesh, chip.core, chip.static, *chip.memory, *chip.block))
    assert all(len(price.source) > 5 for _, price in chip.operation)
    assert chip.not_counted


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_printed_and_loaded_is_the_preset(tmp_path, name):
    printed = samples.call("presets", name, "--toml")
    assert (printed.code, printed.err) == (0, "")
    (tmp_path / "mine.toml").write_text(printed.out)
    chip = ns.load_chip(tmp_path / "mine.toml")
    assert chip == ns.load_chip(name)
    assert chip.sha256 == ns.load_chip(name).sha256
    assert printed.out == preset_toml(name)


@pytest.mark.parametrize("base", ['base = "lp45"', ""])
@pytest.mark.parametrize("key", ["memory", "block"])
def test_a_name_that_is_used_twice_is_refused_over_a_base_too(tmp_path, base, key):
    table = f'[[{key}]]\nname = "lanes"\n'
    (tmp_path / "chip.toml").write_text(f'{base}\n{table}{table}')
    with pytest.raises(ChipError, match=f"{key} name 'lanes' is used 2 times; say all of it in one"):
        ns.load_chip(tmp_path / "chip.toml")


def test_a_preset_with_changes_behind_its_name_is_pointed_to_set():
    with pytest.raises(ChipError, match=r"--set core.lanes=4, or in a file with base = 'lp45'"):
        ns.load_chip("lp45:core.lanes=4")
    assert ns.load_chip("lp45", ["core.lanes=4"]).core.lanes == 4


def test_a_base_gives_what_is_not_said(tmp_path):
    (tmp_path / "one.toml").write_text(CHILD + 'name = "one"\n[core]\nlanes = 7\n[[memory]]\nname = "dram"\nword_bits = 128\n')
    (tmp_path / "two.toml").write_text('base = "one.toml"\n[mesh]\nwidth = 3\n')
    parent, chip = ns.load_chip("mesh45"), ns.load_chip(tmp_path / "two.toml")
    assert (chip.name, chip.core.lanes, chip.mesh.width, chip.home("input").word_bits) == ("one", 7, 3, 128)
    assert (chip.mesh.height, chip.home("input").bits) == (parent.mesh.height, parent.home("input").bits)
    assert [m.name for m in chip.memory] == [m.name for m in parent.memory]


def test_a_new_memory_takes_over_what_it_holds(tmp_path):
    """The edit that the style guide promises: one table, and the memory is priced and limited."""
    (tmp_path / "chip.toml").write_text(
        CHILD + '[[memory]]\nname = "table_sram"\nholds = ["axons"]\n'
        '[[memory]]\nname = "route_rom"\nholds = ["routes"]\nbits = 4096\nword_bits = 32\nread = { pj = 3.0 }\n'
        'write = { pj = 0.0 }\nsource = "made up"\n'
    )
    chip = ns.load_chip(tmp_path / "chip.toml")
    assert chip.home("routes").name == "route_rom"
    network = samples.residual()
    found = ns.run(network, samples.inputs(network), chip).to_dict()
    rom = next(m for m in found["memory"] if m["level"] == "route_rom")
    assert rom["energy_J"] == pytest.approx(rom["reads"] * 3e-12)
    assert rom["reads"] > 0


def test_settings_from_the_command_line_and_from_python_are_the_same():
    changes = ["core.lanes=4", "mesh.delivery=multicast", "memory.dram.read.pj=1e3", "clock.hz=1e9"]
    chip = ns.load_chip("mesh45").replace("core.lanes", 4).replace("mesh.delivery", "multicast")
    chip = chip.replace("memory.dram.read.pj", 1000.0).replace("clock.hz", 1e9)
    assert ns.load_chip("mesh45", changes) == chip
    assert ns.load_chip("mesh45", changes).sha256 == chip.sha256 != ns.load_chip("mesh45").sha256


def test_the_hash_ignores_words_and_sees_numbers():
    chip = ns.load_chip("mesh45")
    assert chip.replace("clock.source", "elsewhere").sha256 == chip.sha256
    assert chip.replace("title", "x").sha256 == chip.sha256
    numbers = {"core.lanes": 3, "operation.mac.pj": 9, "memory.dram.write.pj": 1, "policy.update": "all", "mesh.width": 9}
    assert len({chip.replace(*n).sha256 for n in numbers.items()} | {chip.sha256}) == 6


def test_a_torus_with_one_virtual_channel_is_refused(tmp_path, network):
    """Where a ring has more than three tiles; a ring of three, and two channels, are free of circles."""
    file = tmp_path / "chip.toml"
    file.write_text(CHILD + '[mesh]\ntopology = "torus"\nvirtual_channels = 1\nwidth = 4\nheight = 1\n')
    says = ["(0, 0) -> (1, 0) -> (2, 0) -> (3, 0) -> (0, 0)", "at least 2 virtual channels"]
    samples.refused("map", network, "--chip", file, says=says)
    for more in ("virtual_channels = 2", "width = 3", 'topology = "mesh"'):
        values = {"topology": '"torus"', "virtual_channels": 1, "width": 4, "height": 1}
        values |= dict([more.split(" = ")])
        file.write_text(CHILD + "[mesh]\n" + "\n".join(f"{key} = {value}" for key, value in values.items()))
        ns.load_chip(file)


def test_a_packet_for_several_cores_that_no_buffer_can_hold_is_refused(tmp_path, network):
    file = tmp_path / "chip.toml"
    file.write_text(CHILD + '[mesh]\ndelivery = "multicast"\npacket_bits = 160\nbuffer_flits = 4\n[core]\nqueue_packets = 22\n')
    samples.refused("map", network, "--chip", file, says=["5 flits", "virtual channel of 4", "room for 5 flits"])
    chip = ns.load_chip("mesh45").replace("core.queue_packets", 22).replace("mesh.packet_bits", 160)
    assert chip.replace("mesh.buffer_flits", 5).replace("mesh.delivery", "multicast").machine.whole


def test_the_machine_is_what_the_chip_says(tmp_path):
    file = tmp_path / "chip.toml"
    file.write_text(
        CHILD
        + '[mesh]\nwidth = 3\nheight = 2\ncores_per_tile = 5\ntopology = "torus"\nvirtual_channels = 6\nbuffer_flits = 7\n'
        "router_cycles = 8\nlink_cycles = 10\nlink_interval = 12\nlocal_cycles = 13\ncredit_cycles = 14\n"
        "[core]\nqueue_packets = 15\n[operation]\nbarrier = { cycles = 16 }\n" + BOARD + "columns = 2\nrows = 4\n"
    )
    chip = ns.load_chip(file)
    grid = Grid(6, 8, 5, torus=True, chip_width=3, chip_height=2)
    machine = Machine(
        grid, channels=6, depth=7, router_cycles=8, link_cycles=10, link_interval=12, chip_link_cycles=9, chip_link_interval=4,
        local_cycles=13, credit_cycles=14, queue=15, barrier_cycles=16, whole=False,
    )  # fmt: skip
    assert (chip.grid, chip.machine, chip.chips, chip.cores) == (grid, machine, 8, 8 * 3 * 2 * 5)
    alone = chip.replace("board", None).replace("core.queue_packets", None).replace("mesh.topology", "mesh")
    assert (alone.chips, alone.cores) == (1, 30)
    assert alone.machine.grid == Grid(3, 2, 5, torus=False, chip_width=3, chip_height=2)
    assert alone.machine.queue == UNLIMITED
    assert not alone.grid.crossings().any()


def test_whole_floats_are_integers():
    chip = ns.load_chip("mesh45", ["memory.dram.bits=1e9", "core.lanes=8.0"])
    assert type(chip.home("input").bits) is int
    assert type(chip.core.lanes) is int


def test_a_chip_does_not_change():
    chip = ns.load_chip("mesh45")
    with pytest.raises(Exception, match="frozen"):
        chip.core.lanes = 3
    before = chip.sha256
    chip.replace("core.lanes", 3)
    assert chip.sha256 == before


def test_presets_parse_as_plain_toml():
    for name in PRESETS:
        assert tomllib.loads(preset_toml(name))["name"] == name
    with pytest.raises(NeurosimError, match="no such preset"):
        preset_toml("nothing")


def test_a_mesh_too_large_to_hold_is_refused(network):
    """Not 'out of memory; use fewer samples': samples have nothing to do with it."""
    found = samples.refused("map", network, "--set", "mesh.width=1e12", "--set", "mesh.height=1e12")
    assert "mesh" in found.err
