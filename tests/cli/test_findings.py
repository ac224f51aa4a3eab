"""What strangers stumbled over: all that is wrong at once, words for meshes, advice that holds, and verdicts."""

import json
import re

import numpy as np
import pytest

import neurosim as ns
from neurosim.cost.dataflow import REUSES
from neurosim.errors import ChipError
from neurosim.explore.document import ComparisonDocument
from neurosim.explore.reading import load_study
from neurosim.outcome.paired import between, paired
from neurosim.report.comparison_text import verdict
from neurosim.report.study_text import difference
from tests.helpers.energies import priced, tiny
from tests.helpers.samples import call, inputs, refused, residual

pytestmark = pytest.mark.small


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("findings")
    for name, (network, data) in {"tiny": tiny(), "net": (residual(), inputs(residual(), 4))}.items():
        network.save(str(folder / f"{name}.h5"))
        data.save(str(folder / f"{name}_inputs.h5"))
    return folder


def given(files, command, name="tiny"):
    return command, str(files / f"{name}.h5"), str(files / f"{name}_inputs.h5"), "--timing", "analytic"


@pytest.mark.parametrize("command", ["run", "compare"])
def test_what_is_wrong_with_several_options_is_said_at_once(files, command):
    chips = ("--chip", "lp45", "--chip", "mesh46") if command == "compare" else ("--chip", "mesh46")
    more = "--packet-images", "few", "--images", "99", "--ann-chip", "lp46", "--ann-bits", "0", "--ann-sparsity", "7"
    more = *more, "--scale-node", "3"
    says = ["packet_images", "no.h5", "99", "mesh46", "lp46", "ann_bits is 0", "ann_sparsity is 7", "scale_node is '3'"]
    found = refused(command, files / "no.h5", files / "tiny_inputs.h5", *chips, *more, says=says)
    assert found.err.count("scale_node") == 1


def test_a_replay_says_all_at_once_too(files):
    trace = str(files / "trace.h5")
    call("trace", files / "tiny.h5", files / "tiny_inputs.h5", "-o", trace)
    refused("replay", trace, "--chip", "mesh46", "--ann-chip", "lp46", "--images", "99", says=["mesh46", "lp46", "99"])


def test_the_machine_of_the_other_network_has_the_name_that_its_chip_was_given(files, tmp_path, monkeypatch):
    """Two versions of a preset have one name, and a chip of a file another than its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text('base = "lp45"\nname = "mine"\n')
    names = ["lp45", "lp45@1", "own.toml"]
    chips = [word for name in names for word in ("--chip", name)]
    found = call(*given(files, "compare"), *chips, "--report", tmp_path / "page.html")
    rows = [row.split()[:2] for row in found.out.partition("ANN on")[2].splitlines()[1:4]]
    assert rows == [[name, name] for name in names]
    page = (tmp_path / "page.html").read_text()
    assert all(f">{name}<td>{name}<td>" in page for name in names)
    apart = call(*given(files, "run"), "--ann-chip", "lp45@1").out
    assert "this network on lp45, version 2 (45 nm)" in apart and "without spikes on lp45, version 1 (45 nm)" in apart
    assert "on lp45 (45 nm)" in call(*given(files, "run")).out


@pytest.mark.parametrize("words", ["8x8", "3x5", "fit"])
def test_a_mesh_is_a_word(tmp_path, words):
    chip = ns.load_chip("lp45", ["mesh=fit", f"mesh={words}"])
    (tmp_path / "own.toml").write_text(f'base = "mesh45"\nname = "own"\nmesh = "{words}"\n')
    own = ns.load_chip(tmp_path / "own.toml")
    if words == "fit":
        assert chip.mesh.size == own.mesh.size == "fit"
    else:
        chips = chip, own, ns.load_chip("mesh45", [f"mesh={words}"])
        assert [(c.mesh.size, f"{c.mesh.width}x{c.mesh.height}") for c in chips] == [("given", words)] * 3


@pytest.mark.parametrize("words", ["8", "0x3", "8x8x8", "wide", "true"])
def test_what_is_no_word_for_a_mesh_is_refused_with_what_is(words):
    with pytest.raises(ChipError, match="'fit', or a width and a height like '8x8'"):
        ns.load_chip("lp45", [f"mesh={words}"])


@pytest.mark.parametrize("own", ["width = 4", "height = 4", "width = 4\nheight = 4"])
def test_a_mesh_that_fits_has_no_width_of_its_own(tmp_path, own):
    (tmp_path / "own.toml").write_text(f'base = "lp45"\nname = "own"\n[mesh]\nsize = "fit"\n{own}\n')
    with pytest.raises(ChipError, match="leave one of them out"):
        ns.load_chip(tmp_path / "own.toml")


def written(files, folder, text):
    """A study file."""
    head = f'network = "{files / "tiny.h5"}"\ninputs = "{files / "tiny_inputs.h5"}"\n'
    (folder / "study.toml").write_text(head + text)
    return folder / "study.toml"


def test_an_axis_of_meshes_may_fit(files, tmp_path):
    study = load_study(written(files, tmp_path, '[axes]\nchip = ["lp45", "mesh45"]\nmesh = ["fit", "8x4"]\n'))
    for base in ("lp45", "mesh45"):
        fits, given = (study.chip({"chip": base, "mesh": words}).mesh for words in ("fit", "8x4"))
        assert (fits.size, given.size, given.width, given.height) == ("fit", "given", 8, 4)
    wrong = written(files, tmp_path, '[axes]\nmesh = ["8"]\n')
    refused("sweep", wrong, "-o", tmp_path / "out", says=["words like '8x8', or 'fit'"])


def test_what_is_wrong_with_the_other_network_of_a_study_is_said_before_anything_is_done(files, tmp_path):
    text = 'ann_chip = "ann46"\nann_bits = 0\nann_sparsity = 7\nscale_node = 3\n[axes]\n"core.lanes" = [1, 2]\n'
    says = ["ann46'", "ann_bits is 0", "ann_sparsity is 7", "scale_node is 3", "3 problems"]
    refused("sweep", written(files, tmp_path, text), "-o", tmp_path / "out", says=says)
    study = written(files, tmp_path, 'ann_chip = "ann45"\n[axes]\n"core.lanes" = [1, 2]\n')
    wrong = "--ann-chip", "ann47", "--scale-node", "3"
    refused("sweep", study, "-o", tmp_path / "out", *wrong, says=["ann47'", "scale_node is '3'"])
    study = written(files, tmp_path, 'ann_chip = "ann45"\nann_bits = 9\n[axes]\nchip = ["lp45", "mesh45"]\n')
    found = refused("sweep", study, "-o", tmp_path / "out", says="ann_bits is 9, but multiply-accumulates of chip 'ann45'")
    assert found.err.count("ann_bits") == 1
    assert not (tmp_path / "out").exists()


def test_a_price_that_changes_counts_says_what_does(files):
    call(*given(files, "run"), "-o", files / "run.h5")
    says = ["policy.idle is 'on', in the run 'gated', which says whether cores, tiles and chips without neurons leak"]
    refused("reprice", files / "run.h5", "--set", "policy.idle=on", says=[*says, "run again on it, or replay a trace"])
    says = ["policy.update is 'all', in the run 'touched'"]
    found = refused("reprice", files / "run.h5", "--set", "policy.update=all", says=says)
    assert "leak" not in found.err.partition("policy.update")[2]


@pytest.mark.parametrize("name", ["nosuch@3", "lp46@1"])
def test_versions_of_presets_are_listed_where_one_was_asked_for(name):
    refused("presets", name, says=["lp45@1", "mesh45"])
    assert "lp45@1" not in refused("presets", name.partition("@")[0]).err


def test_a_change_that_costs_nothing_is_said_by_run_and_replay(files):
    free = "core.lanes costs nothing on mesh45"
    trace = str(files / "trace2.h5")
    run = *given(files, "run"), "--chip", "mesh45", "--set", "core.lanes=32"
    assert free in call(*run, "--trace", trace).err
    assert free in call("replay", trace, "--timing", "analytic", "--chip", "mesh45", "--set", "core.lanes=32").err
    for change in ("core.lanes=16", "operation.accumulate.pj=2", "policy.update=all"):
        assert "costs nothing" not in call(*given(files, "run"), "--chip", "mesh45", "--set", change).err
    assert "costs nothing" not in call(*given(files, "run"), "--chip", "lp45", "--set", "core.lanes=32").err


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (0.3, 0), (0, 0.3), (0.3, 0.3)])
def test_the_ratio_is_uncertain_where_either_chip_is(ours, theirs):
    chips = [priced(ns.load_chip("mesh45"), 1.0).replace("operation.mac.uncertainty", 0) for _ in range(2)]
    chips = [
        ns.Chip.parse(chip.values | {"name": name, "operation": {
            key: price | {"uncertainty": doubt} for key, price in chip.values["operation"].items()
        }, "memory": [memory | {"uncertainty": 0} for memory in chip.values["memory"]]}, name)
        for chip, name, doubt in zip(chips, ("one", "other"), (ours, theirs), strict=True)
    ]  # fmt: skip
    result = ns.run(*tiny(), chips[0], ann_chip=chips[1].replace("core.lanes", 8), timing="analytic")
    found = result.ledger.spread
    assert (found.snn_J is None, bool(found.constants)) == (not ours, bool(ours))
    assert {*found.ratio} == ({*REUSES} if ours or theirs else set())
    assert all(low < high for low, high in found.ratio.values())
    assert result.to_dict()["uncertainty"]["snn_J"] == found.snn_J


def test_a_comparison_ends_in_words(files):
    more = "--json", str(files / "both.json")
    _, text, _ = call(*given(files, "compare", "net"), "--chip", "mesh45", "--chip", "lp45", *more)
    last = text.partition("In words\n")[2]
    both = json.loads((files / "both.json").read_text())
    energy, latency = (both["ratios"]["lp45"][key] for key in ("energy", "latency"))
    found = both["paired"]["lp45"]["energy"]["ratio"]
    times = f"{1 / energy:.3g} times ({1 / found['high']:.3g} to {1 / found['low']:.3g}) the energy per image"
    assert energy < 1 and f"lp45 is cheaper than mesh45: mesh45 takes {times}" in last
    assert f"takes {max(latency, 1 / latency):.3g} times (" in last and "do not count the same" in last
    assert f"{energy:.3g} times ({found['low']:.3g} to {found['high']:.3g})" in text
    assert both["paired"]["lp45"]["energy"]["told_apart"] and "beyond the noise" in last


@pytest.mark.parametrize("chips", [("lp45", "truenorth"), ("truenorth", "lp45"), ("truenorth",)])
def test_a_comparison_says_in_words_what_does_not_fit_and_why(files, tmp_path, chips):
    """As one line of the verdict, in the terminal and in the report."""
    small = str(tmp_path / "small.toml")
    (tmp_path / "small.toml").write_text('base = "lp45"\nname = "small"\n[core]\nmax_axons = 1\n')
    command = [word for chip in (*chips, small) for word in ("--chip", chip)]
    told = call(*given(files, "compare", "net"), *command, "--json", tmp_path / "c.json", "--report", tmp_path / "c.html")
    reasons = json.loads((tmp_path / "c.json").read_text())["reasons"]
    last = " ".join(told.out.partition("In words\n")[2].split())
    page = re.sub("<[^>]*>", " ", (tmp_path / "c.html").read_text())
    assert told.code == 1 and small in reasons
    for name, why in reasons.items():
        rest = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
        assert f"{name} does not fit: {why[0]}{rest}" in last and f"{name} does not fit: " in page


def test_a_comparison_says_what_uncertain_prices_leave_open(files, tmp_path):
    """Of lp45 and itself at the same prices all; of a chip that takes a hundred times as much nothing."""
    (tmp_path / "dear.toml").write_text('base = "lp45"\nname = "dear"\n[static]\nchip_mw = 1e6\n')
    for other, left in (("lp45@1", True), (tmp_path / "dear.toml", False)):
        more = "--chip", "lp45", "--chip", other, "--json", tmp_path / "c.json"
        last = " ".join(call(*given(files, "compare", "net"), *more).out.partition("In words\n")[2].split())
        spans = [run["uncertainty"]["snn_J"] for run in json.loads((tmp_path / "c.json").read_text())["runs"].values()]
        assert "by prices, which are uncertain, an image takes: lp45 " in last
        assert ("they leave open whether lp45 or " in last) == left
        assert left == (spans[0][1] >= spans[1][0] and spans[1][1] >= spans[0][0])


def test_memories_that_are_the_same_are_not_shown(files):
    _, text, _ = call(*given(files, "compare", "net"), "--chip", "lp45", "--chip", "lp45@1")
    assert "\nmemories" not in text


def told(ratio, pair):
    """A comparison of a and b, of which b takes so many times the energy."""
    paired = {} if pair is None else {"b": {"energy": between(*pair)}}
    ratios = {"a": {"energy": 1.0}, "b": {"energy": ratio, "latency": None}}
    found = {"metrics": {"a": None, "b": None}, "ratios": ratios, "paired": paired}
    return ComparisonDocument.model_construct(**found, uneven=[], reasons={}, runs={})


TWICE = "takes 2 times the energy per image"


@pytest.mark.parametrize(
    ("ratio", "pair", "says"),
    [
        (2.0, (1.0, 0.5, 1.5), f"a is cheaper than b: b {TWICE}, beyond the noise of these images"),
        (0.5, (-1.0, -1.5, -0.5), f"b is cheaper than a: a {TWICE}, beyond the noise of these images"),
        (2.0, (1.0, -0.5, 2.5), f"a and b are not told apart by these images: b {TWICE}, within the noise of these"),
        (1.0, (0.0, 0.0, 0.0), "a and b take the same energy per image"),
        (2.0, None, f"a is cheaper than b: b {TWICE}, in one image"),
    ],
)  # fmt: skip
def test_verdicts_know_noise_and_equals(ratio, pair, says):
    assert verdict(told(ratio, pair)) == [says]


@pytest.mark.parametrize("factor", [26, 1.01, 1.00001, 1 - 1e-6, 0.038])
def test_ratios_are_told_in_digits_that_show_them(factor):
    """And with the interval that decides, also of three images of which the first takes three times as much as the last."""
    other = np.array([3.0, 2.0, 1.0])
    pair = paired(factor * other * [1 + 1e-8, 1, 1 - 1e-8], other)
    less, more = sorted(["a", "b"], reverse=factor < 1)
    found = told(factor, (0, 0, 0)).model_copy(update={"paired": {"b": {"energy": pair}}})
    said, numbers = verdict(found)[0], re.compile(r"takes (\S+) times \((\S+) to (\S+)\)")
    assert said.startswith(f"{less} is cheaper than {more}") and said.endswith("beyond the noise of these images")
    value, low, high = map(float, numbers.search(said).groups())
    assert 1 < low <= value <= high and value == pytest.approx(max(factor, 1 / factor), rel=0.005)
    assert float(difference("energy", pair).partition(" ")[0]) == pytest.approx(factor, rel=0.005)
    assert not difference("energy", pair).startswith("1 times")
