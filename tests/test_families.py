"""Families: names are listed without importing, used when used, and whatever a package does wrong is said and stops nothing."""

import re
import subprocess
import sys
import textwrap
import traceback
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import neurosim as ns
from neurosim import families
from neurosim.cli.noc import MODELS
from neurosim.errors import NeurosimError, PluginError
from neurosim.exports import EXPORTERS
from neurosim.families import Family
from neurosim.io.event_files import FORMATS
from neurosim.io.presets import PRESETS
from neurosim.mapping.partition import OBJECTIVES
from neurosim.mapping.place import PLACERS
from neurosim.noc.packet_network import PacketNetwork
from neurosim.noc.synthetic import PATTERNS
from neurosim.timing.schedule import SCHEDULES
from neurosim.timing.timeline import TIMINGS
from tests.helpers import samples
from tests.helpers.packages import install, use
from tests.helpers.samples import call, refused

pytestmark = pytest.mark.small

OPEN = {"placers": PLACERS, "timings": TIMINGS, "events": FORMATS, "exports": EXPORTERS, "presets": PRESETS}
ALL = [*OPEN.values(), OBJECTIVES, SCHEDULES, PATTERNS, MODELS]
# Command, option, family.
OFFERED = [
    *((command, "--placer", PLACERS) for command in ("run", "replay", "map", "compare", "export")),
    *((command, "--partition", OBJECTIVES) for command in ("run", "replay", "map")),
    *((command, "--timing", TIMINGS) for command in ("run", "replay", "compare")),
    *((command, "--schedule", SCHEDULES) for command in ("run", "replay", "compare")),
    ("export", "--to", EXPORTERS), ("events", "--format", FORMATS), ("noc", "--traffic", PATTERNS), ("noc", "--timing", MODELS),
]  # fmt: skip
# The same where a file does as well.
ON_CHIPS = ["demo", "run", "replay", "map", "reprice", "compare", "export"]
LISTED = [*OFFERED, *((command, "--chip", PRESETS) for command in ON_CHIPS)]


def family(own=(), group="neurosim.placers", **how):
    return Family("placer", dict.fromkeys(own, "ours"), group, **how)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Installs packages of (name, {name: value} of placers, source of a module of that name)."""

    def installed(*several, group="neurosim.placers"):
        for name, entries, source in several:
            install(tmp_path, name, {group: entries}, {f"{name}.py": textwrap.dedent(source)})

    yield installed, next(using := use(tmp_path, monkeypatch))
    next(using, None)


def test_names_that_ship_are_found_without_looking_at_packages(monkeypatch):
    monkeypatch.setattr(families, "distributions", lambda path: pytest.fail("looked"))
    families.installed.cache_clear()
    for each in ALL:
        for name in each.own:
            assert each[name] is each.own[name] and name in each and each.package(name) is None
            assert each.of(name) == (name, each.own[name])
    assert ns.load_chip("loihi").name == "loihi"


@pytest.mark.parametrize("each", ALL, ids=lambda f: f"{f.kind} {next(iter(f.own))}")
def test_an_unknown_name_is_answered_with_all_and_the_nearest(each):
    name = next(iter(each.own))
    with pytest.raises(NeurosimError) as refusal:
        each[name + "e"]
    assert f"{each.kind} {name + 'e'!r} does not exist; did you mean {name!r}?" in str(refusal.value)
    assert str(refusal.value).split("there are: ")[1].split("\n")[0].split(", ") == list(each)
    assert each.problem(name) is None and each.problem("zzz") == each.unknown("zzz")


def test_names_of_packages_come_after_ours_and_are_not_imported(packages):
    install_, _ = packages
    install_(("alpha_parts", {"zeta": "alpha_parts:place", "eta": "alpha_parts:place"}, "def place(*given): return 1"))
    found = family(["b", "a"])
    assert list(found) == ["b", "a", "eta", "zeta"] and "eta" in found and found.notes == []
    assert found.package("eta") == "alpha_parts 1.0" and found.package("a") is None and found.package("none") is None
    assert "alpha_parts" not in sys.modules
    assert found["eta"](1) == 1 and "alpha_parts" in sys.modules
    assert list(family(["b"], group="neurosim.timings")) == ["b"] and list(family(["b"], group=None)) == ["b"]


BROKEN = {
    "raises": ("parts:place", "raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "leaves": ("parts:place", "raise SystemExit(3)", "SystemExit: 3"),
    "has no such thing": ("parts:spot", "def place(): pass", "spot"),
    "imports what is not there": ("parts:place", "import surely_not_there", "surely_not_there"),
    "is no function": ("parts:place", "place = 5", "is int; it must be a function"),
    "is no Python": ("parts:place", "def place(", "SyntaxError"),
    "is no path": ("parts at all", "", ""),
}


@pytest.mark.parametrize(("value", "source", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_package_is_named_when_it_is_used(packages, value, source, says):
    install_, _ = packages
    install_(("parts", {"spot": value}, source), ("good", {"fine": "good:place"}, "def place(*given): return 1"))
    found = family(["a"], taken=families.function)
    assert list(found) == ["a", "fine", "spot"] and found["a"] == "ours" and found["fine"]() == 1
    with pytest.raises(NeurosimError) as refusal:
        found["spot"]
    for text in ("placer 'spot' of package parts 1.0", value, "neurosim.placers", "cannot be used", says):
        assert text in str(refusal.value)
    assert found.problem("spot") == str(refusal.value)


def test_what_can_be_seen_without_importing_is_noted(packages):
    install_, _ = packages
    long = "x" * 25
    entries = dict.fromkeys(("ring", "a", "two words", long), "one:place") | {"gone": "nowhere.at:all"}
    install_(("one", entries, ""), ("two", {"ring": "two:place"}, ""))
    found = family(["a"])
    assert list(found) == ["a", "gone", "ring"]
    notes = "\n".join(found.notes)
    assert "placer 'a' of package one 1.0 is hidden by the one that ships" in notes and found["a"] == "ours"
    assert "'ring' is brought by several packages: one 1.0, two 1.0" in notes
    assert "'gone' of package one 1.0: its entry point leads to 'nowhere.at:all', which is not installed" in notes
    assert all(f"{name!r} of package one 1.0: its name cannot be used" in notes for name in ("two words", long))
    with pytest.raises(NeurosimError, match=r"brought by several packages: one 1\.0, two 1\.0; keep one of them installed"):
        found["ring"]
    assert all(note in found.unknown("b") for note in found.notes)
    assert "one" not in sys.modules and "two" not in sys.modules


def test_unreadable_entry_points_stop_nothing(packages):
    install_, folder = packages
    install_(("good", {"fine": "good:place"}, "place = len"))
    install(folder, "torn", {})
    (folder / "torn-1.0.dist-info" / "entry_points.txt").write_text("[neurosim.placers]\nnothing\n")
    install(folder, "foreign", {})
    (folder / "foreign-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe\x00[")
    (folder / "bare-2.0.dist-info").mkdir()
    install(folder, "mangled", {"neurosim.placers": {"odd": "mangled:place"}})
    (folder / "mangled-1.0.dist-info" / "METADATA").write_bytes("Name: mangled\nAuthor: Jos\xe9\n".encode("latin-1"))
    found = family(["a"])
    assert any("package mangled-1.0.dist-info: its entry points cannot be read: 'utf-8' codec" in note for note in found.notes)
    assert call("run", "--help").code == 0
    assert list(found) == ["a", "fine"] and any("package torn 1.0: its entry points cannot be read" in n for n in found.notes)


def test_a_group_that_does_not_exist_is_noted(packages):
    install_, _ = packages
    install_(("near", {"fine": "near:place"}, "place = len"), group="neurosim.placer")
    note = "package near 1.0 registers in group 'neurosim.placer', which does not exist; did you mean 'neurosim.placers'?"
    found = family(["a"])
    assert list(found) == ["a"] and note in found.unknown("fine")
    assert found.notes == [f"{note}; there are: {', '.join(families.GROUPS)}"]
    assert {f"neurosim.{group}" for group in OPEN} == set(families.GROUPS)
    assert all(each.group in families.GROUPS for each in OPEN.values())


def test_a_traceback_leads_to_the_file_that_is_wrong(packages):
    install_, _ = packages
    install_(("parts", {"spot": "parts:place"}, "def place("))
    with pytest.raises(PluginError) as refusal:
        ns.map_network(samples.residual(), "mesh45", "spot")
    assert "parts.py" in "".join(traceback.format_exception(refusal.value))
    assert "parts.py" in call("run", "no.h5", "no.h5", "--placer", "spot", "--debug").err.split("neurosim: ")[0]


def test_the_first_of_two_installations_of_a_package_counts(packages, tmp_path_factory, monkeypatch):
    install_, _ = packages
    install_(("some_parts", {"one": "some_parts:place"}, "place = len"))
    later = install(tmp_path_factory.mktemp("later"), "some-parts", {"neurosim.placers": {"two": "x:y"}}, version="2.0")
    monkeypatch.setattr(sys, "path", [*sys.path, str(later)])
    assert list(family()) == ["one"]


def test_an_object_in_place_of_a_name_has_the_name_by_which_python_knows_it():
    def mine(*given):
        return 1

    here = f"{__name__}.test_an_object_in_place_of_a_name_has_the_name_by_which_python_knows_it.<locals>.mine"
    found = family(taken=families.function)
    assert found.of(mine) == (here, mine) and found.of(partial(partial(mine, 1), 2))[0] == here
    assert found.of(np.sort)[0] == "numpy.sort" and found.of(PacketNetwork)[0] == "neurosim.noc.packet_network.PacketNetwork"
    with pytest.raises(NeurosimError, match="placer 7: is int; it must be a function"):
        found.of(7)


def test_all_choices_that_are_wrong_are_told_at_once():
    network, chip = samples.residual(), ns.load_chip("mesh45")
    with pytest.raises(NeurosimError, match=r"placer 'x' does not exist.*; partitioner 'y' does not exist"):
        ns.map_network(network, chip, "x", partitioner="y")
    trace = ns.simulate(network, samples.inputs(network))
    with pytest.raises(NeurosimError, match=r"timing 'x' does not exist.*; schedule 'y' does not exist"):
        ns.evaluate(trace, ns.map_network(network, chip), timing="x", schedule="y")


@pytest.mark.parametrize("command", sorted({command for command, *_ in LISTED}))
def test_help_lists_every_name_unbroken_and_broken_packages(command, packages, monkeypatch):
    install_, _ = packages
    for number, group in enumerate(OPEN):
        entries = {f"long-name-of-24-letters{number}": "x:y", "gone": "nowhere:x"}
        install_((f"some{number}", entries, ""), group=f"neurosim.{group}")
    monkeypatch.setenv("COLUMNS", "80")
    found = call(command, "--help")
    assert found.code == 0 and not found.err
    words = set(re.findall(r"[\w-]+", found.out))
    notes = " ".join(found.out.replace("│", " ").split())
    for _, option, each in (offer for offer in LISTED if offer[0] == command):
        assert option in words and set(each) <= words, (option, set(each) - words)
        assert all(note in notes for note in each.notes) and (each.notes or not each.group)


@pytest.mark.parametrize(("command", "option", "each"), OFFERED, ids=lambda part: part if isinstance(part, str) else "")
def test_the_command_line_refuses_what_its_help_does_not_list(command, option, each):
    name = next(iter(each.own))
    # Before anything is read.
    given = {"run": ["n", "i"], "map": ["n"], "replay": ["t"], "compare": ["n", "i", "--chip", "a", "--chip", "b"]}
    given["export"] = ["f", "-o", "o", *(["--to", "csv"] if option != "--to" else [])]
    given["events"] = ["f", "-o", "o", "--steps", "1"]
    refused(command, *given.get(command, []), option, name + "x", says=[f"{each.kind} {name + 'x'!r}", name, *each])


def test_the_help_of_presets_lists_those_of_packages_and_another_is_refused(packages):
    install_, _ = packages
    install_(("some", {"fast": "some:x.toml"}, ""), group="neurosim.presets")
    assert {"fast", *PRESETS.own} <= set(re.findall(r"[\w-]+", call("presets", "--help").out))
    refused("presets", "fas", says="no such preset; did you mean 'fast'?")


def test_no_command_has_a_list_of_names_of_its_own():
    """An enumeration that repeats a family would have its names as constants."""
    for path in (Path(ns.__file__).parent / "cli").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        for each in ALL:
            listed = [name for name in each.own if f'= "{name}"\n' in text]
            assert len(listed) <= 1, (path.name, listed)


def test_importing_the_package_and_its_commands_looks_at_no_other_package():
    program = "import neurosim.cli, neurosim.families as f; print(f.installed.cache_info().misses)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "0\n"
