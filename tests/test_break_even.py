"""The example whose tables stand in docs/conclusions.md says what runs say."""

import re
import runpy
import sys
from pathlib import Path

import pytest

import neurosim as ns

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conclusions.md"


def printed(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["break_even.py", *words])
    runpy.run_path(str(ROOT / "examples" / "break_even.py"), run_name="__main__")
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in capsys.readouterr().out.splitlines()]


def test_a_row_is_what_a_run_says(monkeypatch, capsys):
    inputs = ROOT / "traces" / "mnist_test_1000.h5"
    words = ["--images", "2", "--network", "mnist_vgg_t5", "--inputs", str(inputs), "--chip", "mesh45:core.lanes=8", "lp45"]
    head, _, *rows = printed(monkeypatch, capsys, *words, "--ann-chip", "ann45")
    assert [row[1:3] for row in rows] == [[chip, ann] for chip in ("mesh45", "lp45") for ann in ("the same", "ann45")]
    network, images = ns.load_network(ROOT / "models" / "mnist_vgg_t5.h5"), ns.load_inputs(inputs)[:2]
    run = ns.run(network, images, ns.load_chip("lp45"), timing="analytic", ann_chip="ann45")
    told, found = run.to_dict(), dict(zip(head, rows[-1], strict=True))
    assert float(found["ANN, pJ per MAC"]) == pytest.approx(1e12 * told["ann"]["total_J"] / told["ann"]["macs"], abs=0.006)
    ratio = told["ann"]["total_J"] / told["energy"]["total_J"]
    assert float(found["+ leakage"].split()[0]) == pytest.approx(ratio, abs=0.006)
    assert float(found["break-even"].split()[0]) == pytest.approx(told["break_even"]["meets"]["rows"], abs=0.006)
    assert found["leakage"] == f"{told['energy']['static_J'] / told['energy']['total_J']:.0%}"


def test_the_page_has_the_table_of_the_command():
    rows = re.findall(r"^\| (cifar10_\w+) \| (\w+) \| ([\w ]+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len({*rows}) == 4 * 2 * 2
    assert "python examples/break_even.py --images 100" in PAGE.read_text(encoding="utf-8")
