"""Beside the same network without spikes: every step adds its part, the bracket is one, and the line is straight."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.action import PURPOSES
from neurosim.cost.dataflow import REUSES, STATED
from neurosim.report.run_figures import FARTHEST
from neurosim.report.run_figures import break_even as curve
from neurosim.report.words import break_even_text
from tests.helpers.energies import ann
from tests.helpers.examples import SCHEDULE, almost, evaluated, examples, runs

pytestmark = pytest.mark.small


def close(joules):
    """Differences of sums of joules."""
    return pytest.approx(joules, rel=1e-9, abs=1e-18)


@examples(40)
@given(runs())
def test_every_step_adds_what_its_purpose_costs(case):
    result = evaluated(*case)
    dense = ann(result.mapping, 1)["reuse"]
    before, without = 0.0, dict.fromkeys(REUSES, 0.0)
    for purpose, step in zip(PURPOSES, result.document.steps, strict=True):
        assert step.purpose == purpose
        assert step.snn_J - before == close(result.energy.by_purpose_J[purpose] / len(result.trace))
        for reuse in REUSES:
            assert step.ann_J[reuse] - without[reuse] == close(dense[reuse]["by_purpose_J"][purpose])
        before, without = step.snn_J, step.ann_J
    assert before == almost(result.energy.per_image_J)
    assert without == almost({reuse: dense[reuse]["total_J"] for reuse in REUSES})


@examples(40)
@given(runs())
def test_actions_are_the_energy(case):
    result = evaluated(*case)
    values = result.to_dict()
    for action in values["actions"]:
        assert action["energy_J"] == almost(action["count"] * action["pj"] * 1e-12)
    for component, joules in values["energy"]["by_component_J"].items():
        assert sum(a["energy_J"] for a in values["actions"] if a["component"] == component) == almost(joules)
    counts = {a["action"]: a["count"] for a in values["actions"]}
    assert counts["accumulate"] == values["counts"]["accumulates"] and counts["mac"] == values["counts"]["macs"]
    assert counts["hop_x"] + counts["hop_y"] == values["counts"]["flit_hops"]
    layers, rows = result.mapping.network.layers, len(result.trace) * result.trace.timesteps
    # What the last layer sends back travels in a turn more.
    back = any(layers[-1].name in layer.sources for layer in layers)
    assert counts["barrier"] == rows * len(layers) + back or result.time.schedule == "pipelined"


@examples(60)
@given(runs())
def test_less_reuse_never_moves_less(case):
    _, mapping = case
    found = ann(mapping, 3)
    perfect, rows, none = (found["reuse"][reuse]["by_purpose_J"] for reuse in reversed(REUSES))
    for purpose in PURPOSES:
        assert rows[purpose] <= none[purpose] * (1 + 1e-12)
        # A constant of a direct shortcut is stored, and so counted, beside the kernel.
        if purpose != "weights" or not any(layer.shortcuts for layer in mapping.network.layers):
            assert perfect[purpose] <= rows[purpose] * (1 + 1e-12)
    assert found["total_J"] == found["reuse"][STATED]["total_J"]
    assert found["total_J"] == almost(found["compute_J"] + found["data_movement_J"] + found["static_J"])


@examples(40)
@given(runs(), SCHEDULE, st.integers(0, 5))
def test_the_line_goes_through_the_run(case, schedule, barrier):
    inputs, mapping = case
    mapping = replace(mapping, chip=mapping.chip.replace("operation.barrier.pj", barrier))
    result = evaluated(inputs, mapping, schedule=schedule)
    line = result.ledger.break_even
    dynamic = (result.energy.total_J - result.energy.static_J) / len(result.trace)
    assert line.fixed_J + line.slope_J * line.spikes_per_neuron == almost(dynamic) or not line.spikes_per_neuron
    for reuse, rate in line.meets.items():
        if rate is not None:
            assert rate >= 0 and line.fixed_J + line.slope_J * rate == almost(line.ann_J[reuse])
        else:
            assert line.slope_J <= 0 or line.fixed_J > line.ann_J[reuse]


@examples(40)
@given(runs())
def test_the_lines_of_the_layers_add_up_to_that_of_the_run(case):
    line = evaluated(*case).ledger.break_even
    assert [layer.name for layer in line.layers] == [layer.name for layer in case[1].network.layers]
    assert sum(layer.fixed_J for layer in line.layers) == almost(line.fixed_J)
    dynamic = line.fixed_J + line.slope_J * line.spikes_per_neuron
    if line.spikes_per_neuron:
        assert sum(layer.snn_J for layer in line.layers) == almost(dynamic)
    for reuse in REUSES:
        assert sum(layer.ann_J[reuse] for layer in line.layers) == almost(line.ann_J[reuse])
    for layer in line.layers:
        assert layer.fixed_J <= layer.snn_J * (1 + 1e-12)
        for reuse, factor in layer.meets.items():
            if factor is not None:
                there = layer.fixed_J + factor * (layer.snn_J - layer.fixed_J)
                assert factor >= 0 and there == pytest.approx(layer.ann_J[reuse], rel=1e-6)


@examples(20)
@given(runs())
def test_the_picture_shows_the_run_and_the_crossing_if_it_is_near(case):
    line = evaluated(*case).ledger.break_even
    shown = curve(line)
    if not line.spikes_per_neuron:
        assert shown == ""
        return
    figure = json.loads(re.search(r"<script[^>]*>(.*)</script>", shown)[1])
    points = {t["name"].split(",")[0]: (t["x"][0], t["y"][0]) for t in figure["data"] if t["mode"] == "markers"}
    meets = line.meets[STATED]
    assert ("break-even" in points) == (meets is not None and meets < FARTHEST * line.spikes_per_neuron)
    right, top = (figure["layout"][axis]["range"][1] for axis in ("xaxis", "yaxis"))
    for x, y in points.values():
        assert 0 <= x <= right and 0 <= y <= top
    assert points["this run"][0] == line.spikes_per_neuron
    assert points.get("break-even", (meets,))[0] == meets


@pytest.mark.parametrize("update", ["touched", "all"])
@pytest.mark.parametrize("analog", ["once", "per_step", "host"])
def test_a_network_that_never_fires_costs_what_the_line_says(update, analog):
    """The same network with thresholds that nothing reaches."""
    rng = np.random.default_rng(5)
    conv, deep, out = rng.integers(-3, 9, (4, 2, 3, 3)), rng.integers(-3, 9, (3, 4, 3, 3)), rng.integers(-3, 9, (5, 108))
    images = ns.Inputs(rng.integers(0, 9, (3, 2, 6, 6)).astype(np.uint8))
    chip = ns.load_chip("mesh45", ["core.max_neurons=40", f"policy.update={update}", f"policy.analog={analog}"])

    def run(threshold):
        network = ns.Network.build(
            "quiet", timesteps=3, input_shape=(2, 6, 6),
            layers=[
                ns.Conv("conv", conv, threshold=threshold, leak=(3, 2), padding=1),
                ns.Conv("deep", deep, threshold=threshold, leak=(7, 3), padding=1),
                ns.Output("out", out),
            ],
        )  # fmt: skip
        return ns.run(network, images, chip)

    lively, quiet = run(30), run(2**28)
    assert lively.counts["spikes"] > 100 and quiet.counts["spikes"] == 0
    dynamic = (quiet.energy.total_J - quiet.energy.static_J) / 3
    assert lively.ledger.break_even.fixed_J == almost(dynamic)
    assert quiet.ledger.break_even.slope_J == 0 and quiet.ledger.break_even.fixed_J == almost(dynamic)


def test_where_they_meet_by_hand():
    """Two inputs and two spikes, an addition of 3 pJ each; two multiply-accumulates of 12 pJ. 6 pJ more for every spike."""
    network = ns.Network.build(
        "one", timesteps=2, input_shape=(1, 1, 1), encoding="spikes",
        layers=[ns.Dense("a", [[2]], threshold=1), ns.Output("out", [[1]])],
    )  # fmt: skip
    chip = ns.load_chip("mesh45")
    for name, _ in chip.operation:
        chip = chip.replace(f"operation.{name}.pj", {"accumulate": 3.0, "mac": 12.0}.get(name, 0.0))
    for memory in chip.memory:
        for access in ("read", "write"):
            chip = chip.replace(f"memory.{memory.name}.{access}.pj", 0.0)
    result = ns.run(network, ns.Inputs.from_spikes(np.ones((1, 2, 1, 1, 1))), chip)
    assert result.counts["accumulates"] == 4 and result.counts["spikes"] == 2
    line = result.ledger.break_even
    assert (line.spikes_per_neuron, line.fixed_J) == (2, 0)
    assert line.slope_J == almost(6e-12) and line.ann_J == almost(dict.fromkeys(REUSES, 24e-12))
    assert line.meets == almost(dict.fromkeys(REUSES, 4.0))
    # Each layer adds twice, for 3 pJ, what the ANN multiplies once, for 12 pJ.
    for layer in line.layers:
        assert (layer.fixed_J, layer.snn_J, layer.meets["rows"]) == almost((0, 6e-12, 2.0))
    assert "break-even with the ANN at 4.000 (4.000 to 4.000)" in break_even_text(line)
    dear = ns.evaluate(result.trace, replace(result.mapping, chip=chip.replace("operation.barrier.pj", 1e6))).ledger.break_even
    assert set(dear.meets.values()) == {None} and "no rate breaks even" in break_even_text(dear)
