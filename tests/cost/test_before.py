"""What `mesh45` cost in version 0.7.0 it costs now, to the last digit: energies of that version, recorded with it."""

import json
from pathlib import Path

import pytest

import neurosim as ns

ROOT = Path(__file__).parents[2]
RECORDED = json.loads((Path(__file__).parent / "mesh45_0_7_0.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("timing", ["analytic", "packet"])
def test_the_first_version_of_mesh45_costs_what_it_did(timing):
    network, inputs = ROOT / "models" / "mnist_vgg_t5.h5", ns.load_inputs(ROOT / "traces" / "mnist_test_1000.h5")[:4]
    run, before = ns.run(network, inputs, "mesh45@1", placer="row-major", timing=timing), RECORDED[timing]
    assert run.energy.by_component_J == before["by_component_J"] and run.energy.total_J == before["total_J"]
    assert run.time.cycles == before["cycles"]
    assert before["counts"].items() <= run.counts.items()
