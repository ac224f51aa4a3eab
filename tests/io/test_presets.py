"""Presets have versions: a name alone is the newest, and what it was before it was changed stays there under its version."""

from pathlib import Path

import pytest

import neurosim as ns
from neurosim.errors import ChipError, NeurosimError
from neurosim.io import presets
from neurosim.io.presets import DEFAULT, NEWEST, PRESETS, preset_toml
from neurosim.mapping.place import USUAL
from tests.helpers.samples import call, only_json, refused

NETWORK = Path(__file__).parents[2] / "models" / "mnist_vgg_t5.h5"


def test_the_default_is_what_is_loaded_without_a_name():
    assert ns.load_chip() == ns.load_chip(DEFAULT) and next(iter(PRESETS)) == DEFAULT
    told = only_json(call("map", NETWORK, "--json", "-").out)
    assert told["chip"] == DEFAULT and told["placer"] == ns.map_network(NETWORK, DEFAULT).placer == USUAL


@pytest.mark.parametrize("name", NEWEST)
def test_a_preset_is_its_newest_version(name):
    chip = ns.load_chip(name)
    assert ns.load_chip(f"{name}@{chip.version}") == chip
    assert only_json(call("presets", f"{name}@{chip.version}", "--json", "-").out) == [chip.values]


@pytest.mark.parametrize("version", ["", "0", "99", "1.0", "@", "newest"])
def test_a_version_that_there_is_not_is_refused_with_those_that_there_are(version):
    with pytest.raises(ChipError, match=r"preset 'mesh45' has no version .*; there are: 1"):
        ns.load_chip(f"mesh45@{version}")
    refused("presets", f"mesh45@{version}", says="no version")


@pytest.fixture
def changed(monkeypatch, tmp_path):
    """mesh45 as if it had been changed since: version 2 has 8 lanes."""
    older, newer = tmp_path / "mesh45@1.toml", tmp_path / "mesh45.toml"
    older.write_text(preset_toml("mesh45"))
    newer.write_text(preset_toml("mesh45").replace("version = 1", "version = 2").replace("\nlanes = 16", "\nlanes = 8"))
    monkeypatch.setitem(presets.OLDER, "mesh45@1", older)
    monkeypatch.setitem(PRESETS.own, "mesh45", newer)


def test_an_older_version_stays_what_it_was(changed, tmp_path):
    before, now = ns.load_chip("mesh45@1"), ns.load_chip("mesh45")
    assert (before.version, before.core.lanes, now.version, now.core.lanes) == (1, 16, 2, 8)
    assert ns.load_chip("mesh45@2") == now and before.name == now.name == "mesh45"
    for base, lanes in (("mesh45@1", 16), ("mesh45", 8)):
        (tmp_path / "mine.toml").write_text(f'base = "{base}"\nname = "mine"\n')
        mine = ns.load_chip(tmp_path / "mine.toml")
        assert (mine.core.lanes, mine.version) == (lanes, 1)
    with pytest.raises(ChipError, match="there are: 1, 2"):
        ns.load_chip("mesh45@3")
    assert "mesh45@1" not in list(PRESETS)


BEFORE = {
    "lp45@1": "0b25dbdc8f83f81b5c020fa6a54e1683e66bb82c0b09238887a62fea1109cd0c",
    "ann45@1": "715803584d20f2f436b0a0a767b6c75da1af872ed80f0153b658e80665865934",
    "eyeriss@1": "e251881b798717872056d636af0bcd056a4108ee4406337ec15f57654db00a19",
    "eyeriss@2": "3a87ffa4071ce756d90dde0f87d68a5cb21cf7740e72f02ff5e9b715b4c4b6f1",
}


def test_what_presets_were_is_kept():
    assert BEFORE.keys() == presets.OLDER.keys()
    for name, sha256 in BEFORE.items():
        chip = ns.load_chip(name)
        assert (chip.sha256, f"{chip.name}@{chip.version}") == (sha256, name)
        assert ns.load_chip(chip.name).version > chip.version


def test_a_version_is_said_and_studies_take_it(tmp_path):
    assert call("presets", "lp45@1").out.startswith("lp45: 45 nm")
    assert call("presets", "lp45").out.startswith("lp45, version 2: 45 nm")
    (tmp_path / "study.toml").write_text(
        f'network = "{NETWORK}"\ninputs = "{NETWORK.parents[1] / "traces" / "mnist_test_1000.h5"}"\nimages = 1\n'
        'objectives = ["energy"]\n[axes]\nchip = ["lp45@1", "lp45"]\n'
    )
    assert [chip.sha256 for chip in ns.load_study(tmp_path / "study.toml").chips.values()][:1] == [BEFORE["lp45@1"]]
    (tmp_path / "study.toml").write_text((tmp_path / "study.toml").read_text().replace("lp45@1", "lp45@9"))
    with pytest.raises(NeurosimError, match="there are: 1, 2"):
        ns.load_study(tmp_path / "study.toml")


def test_a_version_changes_no_result():
    chip = ns.load_chip()
    assert chip.replace("version", 7).sha256 == chip.sha256 != chip.replace("core.lanes", 7).sha256
