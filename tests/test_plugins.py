"""What docs/extending.md shows is installed as it is shown: it works on the command line and in Python, and keeps the laws of
its families; and so do functions that are handed in."""

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import neurosim as ns
from neurosim.errors import FileError, NeurosimError, PluginError
from neurosim.explore.task import Task
from neurosim.families import Family
from neurosim.io.event_files import FORMATS, format_of
from neurosim.io.presets import PRESETS
from neurosim.mapping.partition import fewest_cores
from neurosim.mapping.place import PLACERS, USUAL, chance
from neurosim.noc.packet_network import PacketNetwork
from neurosim.timing.schedule import pipelined
from neurosim.timing.timeline import TIMINGS
from tests.helpers import samples
from tests.helpers.packages import blocks, install, install_documented, patched, under, use
from tests.helpers.samples import call, only_json, refused
from tests.mapping.test_place import test_every_brick_gets_a_core_and_pins_stay as placer_law

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
PARTS = ["placers", "timings", "events", "exports", "presets"]
# Of the presets, by the version that each came with: 0.7.0, but lp45, and ann45 and eyeriss, of packets with an address alone.
HASHES = {
    "lp45": "291b0db60d8a24f4e1872bc5e898a901caf17deba17b16004cfdc03b063ecc71",
    "ann45": "3447d1848549e5eda98c4b9843d460441b921020418482f717bae49be6a6bbf1",
    "eyeriss": "7f72e997c5c9472e87c053294c610108a7cf269f61d0f88cbfab0e768b3654fb",
    "loihi": "da3537e740961e9fd9852c06d270156952fad35d0632ed6dbec4e94032ef794d",
    "loihi-board": "c2837427051bd4e721ca537e7ed7507728b6b5bd9598d3ca0e9f0c1e0f02f274",
    "loihi-fitted": "74aefae71b349dfec5e0b0d577f2023966c27e9cb1eec9d3e098cd1ef8d72854",
    "mesh45": "cf0fd822d6861945526d5c32e418d6217d8c344c9e75e8815c627d4d4300a066",
    "seneca": "6f645cd3688f9032a81487a2bc96f438c5c76694d71cc6dc91e602c2a28cba8c",
    "truenorth": "973402679250e0ef16a3c602b8623d06f23ba87cb628233f5fd14aa3f2eb7924",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which the package of the document is installed."""
    return install_documented(tmp_path_factory.mktemp("site"), TEXT)


@pytest.fixture
def parts(site, monkeypatch):
    """Its package, installed for a test."""
    yield next(using := use(site, monkeypatch))
    next(using, None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small network, its inputs and a trace, and a recording in the format of the document."""
    folder = tmp_path_factory.mktemp("files")
    network = samples.residual()
    data = samples.inputs(network)
    network.save(folder / "net.h5")
    data.save(folder / "in.h5")
    ns.simulate(network, data).save(folder / "spikes.h5")
    np.array([[10, 3], [20, 128 + 5], [25, 3]], "<u4").tofile(folder / "recording.pairs")
    return folder


def test_the_document_shows_a_part_of_every_kind():
    assert all(f'entry-points."neurosim.{group}"' in TEXT for group in PARTS)
    assert [*dict.fromkeys(re.findall(r"\| `neurosim\.(\w+)`", TEXT))] == PARTS
    assert HASHES.keys() == PRESETS.own.keys()


def test_a_program_of_its_own_finds_what_is_installed(site, tmp_path):
    """Nothing of this process helps it."""
    path = os.pathsep.join([str(site), str(ROOT)])
    told = subprocess.run(
        [sys.executable, "-m", "neurosim", "presets", "--json", "-"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {chip["name"]: chip.get("package") for chip in only_json(told.stdout)}
    assert found == dict.fromkeys(HASHES) | {"wide": "example-parts 1.0"}


@pytest.mark.slow
def test_the_commands_and_programs_of_the_document_run(parts, files, tmp_path, monkeypatch):
    for name in ("models", "traces"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(files / "recording.pairs", tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^\$ neurosim (.*)$", TEXT, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        found = call(*shlex.split(command))
        assert found.code == 0, (command, found)
    programs = [block for block in blocks(TEXT, "python") if not block.startswith("# ")]
    assert programs
    for program in programs:
        exec(compile(program, "extending.md", "exec"), {"__name__": "extending"})


def test_a_placer_of_a_package_works_everywhere(parts, files, tmp_path, monkeypatch):
    network = ns.load_network(files / "net.h5")
    mapping = ns.map_network(network, "wide", "snake")
    assert mapping.placer == "snake" and mapping.seed is None and mapping.chip.cores == 128
    assert ns.map_network(network, "mesh45", "lottery", search=ns.Search(seed=7)).seed == 7
    told = only_json(call("map", files / "net.h5", "--placer", "lottery", "--seed", 3, "--json", "-").out)
    assert told["placer"] == "lottery" and told["seed"] == 3
    run = only_json(call("run", files / "net.h5", files / "in.h5", "--placer", "snake", "--timing", "far", "--json", "-").out)
    assert run["provenance"]["placer"] == "snake" and run["provenance"]["timing"] == "far"
    (tmp_path / "study.toml").write_text(
        f'network = "{files}/net.h5"\ninputs = "{files}/in.h5"\n[axes]\nplacer = ["row-major", "snake"]\ntiming = ["far"]\n'
    )
    found = ns.sweep(tmp_path / "study.toml")
    assert [row.outcome["status"] for row in found.rows] == ["ok", "ok"]
    # What another version of the package made of a point is not known.
    choice = {"placer": "snake", "partition": "cores", "schedule": "sequential", "timing": "packet"}
    task = Task("", "n", "i", 1, {}, "c", choice=choice, seed=0)
    key = task.key
    monkeypatch.setattr(Family, "package", lambda self, name: "example-parts 1.1" if name == "snake" else None)
    assert task.key != key


@pytest.mark.parametrize("name", ["snake", "lottery"])
def test_placers_of_a_package_keep_the_law_of_placers(parts, name):
    assert name in PLACERS
    placer_law(placer=name)


def timings_keep_their_laws(network, data, timing):
    """Counts are those of every timing, nothing is faster than the bound, and what set the pace makes up the whole."""
    trace, mapping = ns.simulate(network, data), ns.map_network(network, "mesh45")
    bound, found = (ns.evaluate(trace, mapping, timing=each) for each in ("analytic", timing))
    assert found.counts == bound.counts and found.time.cycles >= bound.time.cycles > 0
    assert sum(found.time.bound_by.values()) == found.time.cycles
    assert ns.evaluate(trace, mapping, timing=timing, workers=2).time.cycles == found.time.cycles
    return found


def test_every_timing_keeps_the_laws_of_timings(parts, tmp_path):
    network = samples.residual()
    data = samples.inputs(network)
    assert "far" in TIMINGS
    found = {name: timings_keep_their_laws(network, data, name) for name in TIMINGS}
    assert found["packet"].time.cycles == found["simpy"].time.cycles < found["far"].time.cycles
    handed_in = timings_keep_their_laws(network, data, PacketNetwork)
    assert handed_in.provenance["timing"] == "neurosim.noc.packet_network.PacketNetwork"
    assert handed_in.time.cycles == found["packet"].time.cycles
    # Neither the words of the text nor those of the page know its name.
    for run in (handed_in, found["far"]):
        run.save(str(tmp_path / "run.h5"))
        run.report(str(tmp_path / "run.html"))
        assert call("report", tmp_path / "run.h5", "-o", tmp_path / "again.html").code == 0


def test_a_format_of_events_of_a_package_works_everywhere(parts, files, tmp_path):
    path = files / "recording.pairs"
    assert format_of(path) == "pairs"
    for how in ({}, {"format": "pairs"}, {"format": FORMATS["pairs"].read}, {"format": FORMATS["pairs"]}):
        [recording] = ns.load_recordings(path, **how)
        assert recording.x.tolist() == [3, 5, 3] and recording.y.tolist() == [0, 1, 0] and recording.t.tolist() == [10, 20, 25]
        assert recording.sensor == (128, 128, 1)
    inputs = ns.load_inputs(path, binning=ns.Binning(2))
    assert inputs.spikes.shape == (1, 2, 1, 128, 128)
    told = only_json(call("inspect", path, "--json", "-").out)
    assert told["format"] == "pairs" and told["meaning"] == "pairs of time and pixel" and told["events"] == 3
    (tmp_path / "odd.bytes").write_bytes(bytes(12))
    command = ["events", tmp_path / "odd.bytes", "-o", tmp_path / "i.h5", "--steps", 2]
    refused(*command, "--format", "pairs", says="ends within an event")
    refused(*command, says="pairs (of package example-parts 1.0)")
    with pytest.raises(FileError, match="format 'pair' does not exist; did you mean 'pairs'"):
        ns.load_recordings(path, format="pair")


def test_a_format_of_events_that_cannot_be_asked_is_named(tmp_path, monkeypatch):
    install(tmp_path, "poor-parts", {"neurosim.events": {"poor": "poor_parts:x"}}, {"poor_parts.py": "import surely_not_there"})
    using = use(tmp_path, monkeypatch)
    next(using)
    (tmp_path / "odd.bytes").write_bytes(bytes(12))
    with pytest.raises(FileError, match=r"is no file of events(.|\n)*format 'poor' of package poor-parts(.|\n)*surely_not"):
        ns.load_recordings(tmp_path / "odd.bytes")
    next(using, None)


def test_a_format_of_exports_of_a_package_works_everywhere(parts, files, tmp_path):
    told = only_json(call("export", files / "spikes.h5", "--to", "rates", "-o", tmp_path / "a.csv", "--json", "-").out)
    trace = ns.load_trace(files / "spikes.h5")
    assert told == {"file": str(tmp_path / "a.csv"), "spikes": trace.spike_counts()}
    for source in (trace, files / "spikes.h5", str(files / "spikes.h5")):
        assert ns.export(source, "rates", tmp_path / "b.csv")["spikes"] == told["spikes"]
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    command = ["export", files / "spikes.h5", "--to", "rates", "-o", tmp_path / "c.csv"]
    refused(*command, "--dt", 1, says="rates does not take --dt")
    assert "rates: of package example-parts 1.0." in " ".join(call("export", "--help").out.split())


def test_a_preset_of_a_package_works_everywhere(parts, files, tmp_path):
    chip = ns.load_chip("wide")
    assert chip.mesh.width == 16 and chip.mesh.height == ns.load_chip("mesh45").mesh.height
    (tmp_path / "mine.toml").write_text('base = "wide"\nname = "mine"\n[mesh]\nheight = 2\n')
    assert ns.load_chip(tmp_path / "mine.toml").cores == 32
    listed = call("presets").out
    assert "(package example-parts 1.0)" in listed
    assert "8x8" not in call("presets", "wide").out
    assert "16" in call("presets", "wide").out and call("presets", "wide", "--toml").out.startswith("# example_parts/wide.toml")
    assert ns.run(files / "net.h5", files / "in.h5", "wide").mapping.chip == chip
    refused("map", files / "net.h5", "--chip", "wid", says=["did you mean 'wide'?", "truenorth, wide"])


PRESET = 'base = "mesh45"\nname = "{}"\n'
WAYS = {
    "a file": ("some_chips:fast.toml", {"some_chips/fast.toml": PRESET, "some_chips/__init__.py": ""}),
    "a package": ("some_chips", {"some_chips/quick.toml": PRESET, "some_chips/__init__.py": ""}),
    "a function": (
        "some_chips:path",
        {"some_chips/x.toml": PRESET, "some_chips/__init__.py": "path = lambda: __file__.replace('__init__.py', 'x.toml')"},
    ),
}
WRONG_TOML = 'base = "mesh45"\n[mesh]\nwidht = 3\n'
NO_WAYS = {
    "a typo": ("some_chips:x.toml", {"some_chips/__init__.py": "", "some_chips/x.toml": WRONG_TOML}, "x.toml: mesh.widht"),
    "a base that is none": (
        "some_chips:x.toml", {"some_chips/__init__.py": "", "some_chips/x.toml": 'base = "mesh46"'}, "x.toml, base 'mesh46'",
    ),
    "no such file": ("some_chips:fast.toml", {"some_chips/__init__.py": ""}, "fast.toml"),
    "no such package": ("no_chips:fast.toml", {}, "no_chips"),
    "no path": ("some_chips:path", {"some_chips/__init__.py": "path = lambda: 5"}, "is int; it must be the path"),
    "no TOML": ("some_chips:x.toml", {"some_chips/__init__.py": "", "some_chips/x.toml": "= ="}, "is not valid TOML"),
    "no text": ("some_chips:path", {"some_chips/__init__.py": "path = lambda: __file__ + 'x'"}, "FileNotFoundError"),
    "no chip": ("some_chips:x.toml", {"some_chips/__init__.py": "", "some_chips/x.toml": "name = 'x'"}, "clock: is missing"),
}


@pytest.fixture
def chips(tmp_path, monkeypatch):
    def installed(value, files):
        texts = {path: text.format("quick") if path.endswith(".toml") else text for path, text in files.items()}
        install(tmp_path, "some-chips", {"neurosim.presets": {"quick": value}}, texts)
        return next(using)

    using = use(tmp_path, monkeypatch)
    yield installed
    next(using, None)


@pytest.mark.parametrize(("value", "files"), WAYS.values(), ids=WAYS)
def test_a_preset_is_found_in_any_of_three_ways(chips, value, files):
    chips(value, files)
    assert ns.load_chip("quick").name == "quick" and PRESETS.package("quick") == "some-chips 1.0"


def test_a_preset_without_a_name_has_that_by_which_it_is_registered(chips):
    chips("some_chips:x.toml", {"some_chips/__init__.py": "", "some_chips/x.toml": 'base = "loihi"'})
    assert ns.load_chip("quick").name == "quick"
    assert [chip["name"] for chip in only_json(call("presets", "--json", "-").out)] == [*HASHES, "quick"]


@pytest.mark.parametrize(("value", "files", "says"), NO_WAYS.values(), ids=NO_WAYS)
def test_a_broken_preset_is_refused_and_stops_no_other(chips, value, files, says):
    chips(value, files)
    with pytest.raises(NeurosimError, match=re.escape(says)) as refusal:
        ns.load_chip("quick")
    assert "'quick' of package some-chips 1.0" in str(refusal.value)
    listed = call("presets", "--json", "-")
    assert listed.code == 0 and [chip["name"] for chip in only_json(listed.out)] == list(HASHES)
    assert "quick" in listed.err and says in listed.err and "Traceback" not in listed.err


FAILING = """
def place(wires, plan, search):
    return {result}

def make(machine):
    return {made}

def read(path, said):
    return {result}

def write(asked):
    return {result}
"""
WRONG = {
    "fails": ("1 / 0", "1 / 0", "ZeroDivisionError: division by zero"),
    "returns nothing": ("None", "None", ""),
    "returns words": ("'words'", "'words'", ""),
}


@pytest.mark.parametrize(("result", "made", "says"), WRONG.values(), ids=WRONG)
def test_what_fails_in_a_package_is_told_as_its_failure(result, made, says, files, tmp_path, monkeypatch):
    functions = {"placers": "place", "timings": "make", "events": "read", "exports": "write"}
    install(
        tmp_path, "poor-parts", {f"neurosim.{group}": {"poor": f"poor_parts:{name}"} for group, name in functions.items()},
        {"poor_parts.py": FAILING.format(result=result, made=made)},
    )  # fmt: skip
    using = use(tmp_path, monkeypatch)
    next(using)
    spikes, out = files / "spikes.h5", tmp_path / "out"
    refused("map", files / "net.h5", "--placer", "poor", says=["placer 'poor'", says or "does not place"])
    refused("replay", spikes, "--timing", "poor", says=["timing 'poor'", says or "it must have travel(traffic)"])
    refused("export", spikes, "--to", "poor", "-o", out, says=["format 'poor' of package poor-parts 1.0", says])
    command = ["events", files / "recording.pairs", "-o", out, "--steps", 2, "--format", "poor"]
    refused(*command, says=["format 'poor'", says or "must be a list of EventColumns"])
    next(using, None)


def test_a_timing_that_cannot_be_used_is_refused_before_anything_is_simulated(files, tmp_path, monkeypatch):
    parts = {"neurosim.timings": {"gone": "poor_parts:make"}}
    install(tmp_path, "poor-parts", parts, {"poor_parts.py": "import surely_not_there"})
    using = use(tmp_path, monkeypatch)
    next(using)
    for name in ("outcome.pipeline.simulate", "cli.console.simulated"):
        monkeypatch.setattr(f"neurosim.{name}", lambda *given, **named: pytest.fail("simulated"))
    net, data, wrong = files / "net.h5", files / "in.h5", {"timing": "gone", "schedule": "x", "placer": "y"}
    for function in (ns.run, ns.compare):
        with pytest.raises(NeurosimError, match=r"placer 'y' does not(.|\n)*surely_not_there(.|\n)*schedule 'x' does not"):
            function(net, data, "mesh45", **wrong)
    refused("run", net, data, "--timing", "gone", says="surely_not_there")
    refused("replay", "no.h5", "--timing", "gone", says="surely_not_there")
    refused("compare", net, data, "--chip", "mesh45", "--chip", "loihi", "--timing", "gone", says="surely_not_there")
    next(using, None)


def test_an_export_of_the_wrong_thing_is_refused_in_words(parts, tmp_path):
    network, out = samples.residual(), tmp_path / "out"
    trace = ns.simulate(network, samples.inputs(network))
    wrong = {"accelergy": "Record, not a Network", "csv": "SpikeTrace, not a Network", "rates": "SpikeTrace, not a Network"}
    for to, says in wrong.items():
        with pytest.raises(NeurosimError, match=f"^this format writes a {says}$"):
            ns.export(network, to, out)
    with pytest.raises(NeurosimError, match=r"^this format writes a Network, not a SpikeTrace$"):
        ns.export(trace, "nir", out, dt=1.0)
    with pytest.raises(NeurosimError, match="sample is -1; samples are counted from 0"):
        ns.export(trace, "noxim", out, sample=-1)
    for given in (None, "words", ("said",), (1, {}), ("said", 2)):
        with pytest.raises(PluginError, match=r"returns .*; it must return Exported\(said, values\), a text and a dictionary"):
            ns.export(trace, lambda asked, given=given: given, out)


def test_what_is_none_of_what_is_needed_is_refused_in_words(files):
    net, data = ns.load_network(files / "net.h5"), ns.load_inputs(files / "in.h5")
    trace = ns.load_trace(files / "spikes.h5")
    wrong = {
        "run: inputs is ndarray; needed is Inputs or a file": lambda: ns.run(net, data.images, "mesh45"),
        "map_network: network is int; needed is Network or a file; chip is NoneType; needed is Chip, a preset or a file": (
            lambda: ns.map_network(7, None)
        ),
        "run: network is Inputs; needed is Network or a file; inputs is Network; needed is Inputs or a file": (
            lambda: ns.run(data, net, "mesh45")
        ),
        "run: workers is 0; it must be a whole number, at least 1": lambda: ns.run(net, data, "mesh45", workers=0),
        "simulate: workers is -1; it": lambda: ns.simulate(net, data, workers=-1),
        "compare: workers is 0.5; it": lambda: ns.compare(net, data, ["mesh45"], workers=0.5),
        "compare: chips holds int; needed is Chip": lambda: ns.compare(net, data, ["mesh45", 5]),
        "compare: chips holds float; needed is Chip": lambda: ns.compare(net, data, 5.0),
        "evaluate: mapping is Network; needed is Mapping; workers is 0": lambda: ns.evaluate(trace, net, workers=0),
        "evaluate: trace is NoneType; needed is SpikeTrace or a file": lambda: ns.evaluate(None, ns.map_network(net, "mesh45")),
        "chip 'loihi': is str, not Chip; load it: at": lambda: ns.run(net, data, "mesh45").record.at("loihi"),
    }
    for says, call_ in wrong.items():
        with pytest.raises(NeurosimError, match=f"^{re.escape(says)}"):
            call_()
    with pytest.raises(TypeError, match=r"^run\(\) got an unexpected keyword argument 'image'$"):
        ns.run(net, data, "mesh45", image=2)
    assert ns.map_network(net, "mesh45", trace=None).placer == USUAL


def test_the_help_of_functions_describes_every_parameter():
    for function in (ns.run, ns.evaluate):
        told = set(re.findall(r"\*(\w+)\*", function.__doc__))
        named = {p.name for p in inspect.signature(function).parameters.values() if p.kind == p.KEYWORD_ONLY}
        assert named <= told, named - told


@pytest.mark.parametrize("result", ["1 / 0", "None"])
def test_a_point_of_a_study_whose_package_fails_is_tried_again(result, files, tmp_path, monkeypatch):
    functions = {"placers": "place", "timings": "make"}
    install(
        tmp_path, "poor-parts", {f"neurosim.{group}": {"poor": f"poor_parts:{name}"} for group, name in functions.items()},
        {"poor_parts.py": FAILING.format(result=result, made="None")},
    )  # fmt: skip
    using = use(tmp_path, monkeypatch)
    next(using)
    heads = f'network = "{files}/net.h5"\ninputs = "{files}/in.h5"\n'
    for axis in ("placer", "timing"):
        study = ns.load_study(_written(tmp_path / "study.toml", f'{heads}[axes]\n{axis} = ["poor"]\n'))
        found = ns.sweep(study, store=tmp_path / "store")
        assert found.status == ["failed"] and found.failed == 1, found.rows[0].outcome
        assert "'poor'" in found.rows[0].outcome["reasons"][0]
    assert not (tmp_path / "store" / "points").exists()
    assert call("sweep", tmp_path / "study.toml", "-o", tmp_path / "out", "--workers", 1).code == 1
    next(using, None)


def _written(path, text):
    path.write_text(text)
    return path


def test_a_placer_whose_arguments_are_bound_keeps_its_seed():
    @chance
    def drawn(wires, plan, search, times):
        return plan.filled(plan.loose, plan.free)

    mapping = ns.map_network(samples.residual(), "mesh45", partial(drawn, times=2), search=ns.Search(seed=7))
    assert mapping.seed == 7 and mapping.placer.endswith("drawn")


def test_placements_that_are_none_are_refused():
    network = samples.residual()
    bricks = len(ns.map_network(network, "mesh45").used)
    wrong = {
        "it gives float64": np.arange(bricks) * 1.0,
        f"needed are the cores of {bricks} bricks": np.arange(bricks + 1),
        "core 64 does not exist; there are cores 0 to 63": np.arange(bricks) + 64 - (bricks - 1),
        f"core 3 is given to {bricks} bricks": np.full(bricks, 3),
    }
    for says, cores in wrong.items():
        with pytest.raises(NeurosimError, match=f"placer .*{says}"):
            ns.map_network(network, "mesh45", placer=lambda wires, plan, search, cores=cores: cores)
    first = network.layers[0].name
    pins = {first: [5] * len([b for b in ns.map_network(network, "mesh45").bricks if b.layer == 0])}
    with pytest.raises(NeurosimError, match="pinned bricks are moved"):
        ns.map_network(network, "mesh45", placer=lambda wires, plan, search: np.arange(bricks) + 6, pins=pins)


def test_functions_do_where_names_do(files, tmp_path):
    def mine(wires, plan, search):
        return plan.filled(plan.loose, plan.free[::-1])

    network, data = ns.load_network(files / "net.h5"), ns.load_inputs(files / "in.h5")
    named = f"{__name__}.test_functions_do_where_names_do.<locals>.mine"
    run = ns.run(network, data, "mesh45", placer=mine, timing=PacketNetwork, schedule=pipelined)
    assert run.provenance["placer"] == named and run.provenance["schedule"] == "neurosim.timing.schedule.pipelined"
    usual = ns.run(network, data, "mesh45", placer=mine, schedule="pipelined")
    assert run.time.cycles == usual.time.cycles and run.counts == usual.counts
    run.save(str(tmp_path / "run.h5"))
    run.report(str(tmp_path / "run.html"))
    assert call("reprice", tmp_path / "run.h5", "--chip", "mesh45").code == 0
    placer_law(placer=mine)
    one, other = (ns.map_network(network, "mesh45", partitioner=how) for how in ("cores", fewest_cores))
    assert one.bricks == other.bricks
    assert ns.compare(network, data, ["mesh45", "loihi"], placer=mine)[1].mapping.placer == named
    told = ns.export(ns.simulate(network, data), lambda asked: ("done", {"steps": asked.trace.timesteps}), tmp_path / "x")
    assert told == {"steps": network.timesteps}


def test_files_and_presets_do_where_objects_do(files, tmp_path):
    net, data, spikes = files / "net.h5", str(files / "in.h5"), files / "spikes.h5"
    by_file = ns.run(net, data, "loihi")
    by_object = ns.run(ns.load_network(net), ns.load_inputs(data), ns.load_chip("loihi"))
    assert by_file.counts == by_object.counts and by_file.energy.total_J == by_object.energy.total_J
    place = ns.map_network(net, "loihi")
    place.save(files / "map.h5")
    assert ns.load_mapping(files / "map.h5", net, "loihi").sha256 == place.sha256
    for alone in ("loihi", ns.load_chip("loihi")):
        assert [each.mapping.chip.name for each in ns.compare(net, data, alone, timing="analytic")] == ["loihi"]
    assert [each.mapping.chip.name for each in ns.compare(net, data, ["loihi", ns.load_chip("mesh45")])] == ["loihi", "mesh45"]
    assert (ns.simulate(net, data).outputs == ns.load_trace(spikes).outputs).all()
    place = ns.map_network(net, "loihi", trace=spikes)
    assert ns.evaluate(spikes, place).counts == by_file.counts
    assert ns.estimate(net, "loihi")["cores_used"] == len(place.used)
    assert ns.neurobench(spikes) == ns.neurobench(ns.load_trace(spikes))
    with pytest.raises(NeurosimError, match=r"map.h5: a mapping is loaded with its network and chip: ns\.load_mapping"):
        ns.evaluate(spikes, "map.h5")
    with pytest.raises(NeurosimError, match=r"none\.h5: does not exist"):
        ns.run("none.h5", data, "loihi")
    with pytest.raises(TypeError, match="chip"):
        ns.run(net, data)


def test_hashes_of_presets_are_those_of_before():
    assert {name: ns.load_chip(name).sha256 for name in PRESETS.own} == HASHES


PRICED = """
import json, sys
import neurosim as ns
from neurosim.io.presets import PRESETS

chip = ns.load_chip("mesh45")
dear = chip.replace("operation.wake.pj", 2.5)
one, other = (ns.run(*sys.argv[1:], c, timing="analytic") for c in (chip, dear))
wakes = int(one.totals["wakes"].sum())
print(json.dumps({
    "hashes": {name: ns.load_chip(name).sha256 for name in PRESETS}, "dear": dear.sha256, "words": chip.replace(
    "operation.wake.source", "somebody").sha256, "wakes": wakes, "events": int(one.totals["events"].sum()),
    "more": other.energy.total_J - one.energy.total_J, "before": one.energy.total_J, "same": one.counts == other.counts,
}))
"""


def test_a_priced_count_is_four_places_and_changes_no_hash(files, tmp_path):
    """On a copy of the package, patched as the document says; plain Python, since nothing is compiled there."""
    shutil.copytree(ROOT / "neurosim", tmp_path / "neurosim", ignore=shutil.ignore_patterns("__pycache__", "data"))
    patched(tmp_path, under(TEXT, "A priced count"))
    told = subprocess.run(
        [sys.executable, "-c", PRICED, files / "net.h5", files / "in.h5"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert found["hashes"] == HASHES and found["dear"] != HASHES["mesh45"] and found["words"] == HASHES["mesh45"]
    assert found["same"] and 0 < found["wakes"] <= found["events"]
    assert found["more"] == pytest.approx(found["wakes"] * 2.5e-12, rel=1e-6)
    here = ns.run(files / "net.h5", files / "in.h5", "mesh45", timing="analytic")
    assert found["before"] == pytest.approx(here.energy.total_J)
