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
    each = told["energy"]["pj_per_synaptic_event"]
    assert found["SNN, pJ per event, dynamic / total"] == f"{each['dynamic']:.1f} / {each['total']:.1f}"
    assert found["leakage"] == f"{told['energy']['static_J'] / told['energy']['total_J']:.0%}"
    papers = [told["paper"]["conv1_mac"][when]["ratio"] for when in ("once", "per_step")]
    assert numbers(found["papers, first layer once / per step"]) == pytest.approx(papers, abs=0.06)
    without, ours = told["ann"]["reuse"], told["energy"]
    assert numbers(found["+ leakage"]) == near([without[reuse]["total_J"] / ours["total_J"] for reuse in REUSES])
    assert numbers(found["ANN / SNN, compute"]) == near([without[reuse]["compute_J"] / ours["compute_J"] for reuse in REUSES])
    moved = [without[reuse]["total_J"] - without[reuse]["static_J"] for reuse in REUSES]
    ours_moved = ours["total_J"] - ours["static_J"]
    assert numbers(found["+ data movement"]) == near([joules / ours_moved for joules in moved])
    assert numbers(found["5 to 95 % of prices"]) == near(told["uncertainty"]["ratio"]["rows"])
    assert numbers(found["choices of the model"]) == near(told["model"]["ratio"])
    assert float(found["spikes per neuron"]) == near(told["network"]["spikes_per_neuron"])
    assert numbers(found["break-even"]) == near([told["break_even"]["meets"][reuse] for reuse in REUSES])


# In the order of a cell: the stated, from the best to the worst.
REUSES = ("rows", "perfect", "none")


def numbers(cell):
    return [float(number) for number in re.findall(r"[\d.]+", cell)]


def near(amounts):
    return pytest.approx(amounts, abs=0.006)


def test_the_page_has_the_table_of_the_command():
    rows = re.findall(r"^\| (cifar10_\w+) \| (\w+) \| ([\w ]+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len({*rows}) == 4 * 2 * 2
    assert "python examples/break_even.py --images 100" in PAGE.read_text(encoding="utf-8")


def test_the_front_page_has_its_figures_from_there():
    """Cell by cell: of each network the papers' ratio, three with everything counted, and break-evens."""
    table = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines(PAGE, "| cifar10_")]
    told = {(network, chip, ann): [papers, everything, spikes, even.split()[0]]
            for network, chip, ann, _, _, _, papers, _, _, everything, _, _, spikes, even in table}  # fmt: skip
    shown = [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in lines(ROOT / "README.md", "| `cifar10_")]
    assert len(shown) == 4
    for network, *cells in shown:
        rows = [told[network, *machine] for machine in (("mesh45", "the same"), ("lp45", "the same"), ("lp45", "ann45"))]
        evens = " / ".join(row[3] for row in rows)
        assert cells == [rows[0][0], *(row[1] for row in rows), f"{rows[0][2]}; {evens}"]


def lines(page, start):
    return [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(start)]
