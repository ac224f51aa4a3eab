"""Every example of the README runs."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from neurosim import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (neurosim .*)$", README, re.MULTILINE)
TIMING = (ROOT / "docs" / "timing.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README + TIMING, re.DOTALL)
FILES = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
CHIPS = [text for text in FILES if text.startswith("base")]
STUDIES = [text for text in FILES if "[axes]" in text]


@pytest.fixture(autouse=True)
def in_a_copy(tmp_path_factory, monkeypatch):
    """A folder with the bundled files, shared by all examples, as a reader would have it."""
    folder = tmp_path_factory.getbasetemp() / "readme"
    folder.mkdir(exist_ok=True)
    for name in ("models", "traces", "examples"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    monkeypatch.chdir(folder)


def test_there_are_examples():
    assert len(COMMANDS) >= 6 and len(PROGRAMS) >= 2 and len(CHIPS) + len(STUDIES) == len(FILES)


def test_the_gate_types_what_the_readme_says():
    gate = ROOT / ".ci" / "run"
    if not gate.exists():
        pytest.skip("not part of the sdist")
    said = re.findall(r"python -m pip install [^`\n]+ && \w+(?: \w+)*", README)
    assert len(said) == 2
    assert set(said) <= set(gate.read_text(encoding="utf-8").splitlines())


def test_commands_succeed(monkeypatch, capsys):
    """One after the other: some read what others wrote."""
    failed = {}
    for command in COMMANDS:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            cli.main()
        if left.value.code:
            failed[command] = capsys.readouterr().err
    assert not failed


@pytest.mark.parametrize("program", PROGRAMS, ids=["bundled network", "network from arrays", "own microarchitecture"])
def test_programs_run(program):
    exec(compile(program, "README.md", "exec"), {})


def test_chip_files_load(tmp_path):
    from neurosim import load_chip

    for text in CHIPS:
        (tmp_path / "chip.toml").write_text(text)
        assert load_chip(tmp_path / "chip.toml").name in ("mine", "mesh45-dram")


def test_study_files_load(tmp_path):
    from neurosim import load_study

    for text in STUDIES:
        (tmp_path / "studies").mkdir()
        (tmp_path / "studies" / "study.toml").write_text(text)
        for name in ("models", "traces"):
            (tmp_path / name).symlink_to(ROOT / name)
        assert len(load_study(tmp_path / "studies" / "study.toml").settings()) == 12


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs", "models/README.md", "benchmarks/README.md"])
def test_files_that_are_named_exist(page):
    pages = sorted((ROOT / page).glob("*.md")) if (ROOT / page).is_dir() else [ROOT / page]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    named = set(re.findall(r"\b(?:tests|neurosim|benchmarks|docs|examples)/[\w/]+\.(?:py|md|csv|toml|json)\b", text))
    assert not {name for name in named if not (ROOT / name).exists()}
