"""The network without spikes, on its own machine: the counts of its twin, and laws of bits, zeros and machines."""

import itertools
import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost.ann import Inference, room
from neurosim.cost.dataflow import REUSES
from neurosim.cost.spikeless import Spikeless
from neurosim.errors import NeurosimError
from neurosim.mapping.demand import MappingError
from neurosim.report.words import machines
from tests.helpers import ann_twin, samples
from tests.helpers.energies import ann, tiny
from tests.helpers.examples import almost, changed, evaluated, examples, runs
from tests.outcome.test_reprice import close

pytestmark = pytest.mark.small

ROOT = Path(__file__).parents[2]
CHIPS = (ROOT / "docs" / "chips.md").read_text(encoding="utf-8")
BITS, ZEROS = st.sampled_from([None, 1, 3, 8]), st.sampled_from([0.0, 0.25, 0.5, 1.0])


def without_caches(mapping, sites):
    """The same mapping on the chip without what stands behind its memories, with arrays of so many sites."""
    values = mapping.chip.values
    chip = ns.Chip.parse(values | {"memory": [m for m in values["memory"] if m["miss_rate"] is None]}, "plain")
    return type(mapping)(mapping.network, chip.replace("core.ann_sites", sites), mapping.bricks, mapping.cores, "row-major")


@examples(80)
@given(runs(), st.sampled_from(REUSES), BITS, ZEROS, st.sampled_from([1, 1, 2, 4, 5]))
def test_every_count_is_that_of_the_twin(case, reuse, bits, zeros, sites):
    mapping = without_caches(case[1], sites)
    chip, work = mapping.chip, Inference(Spikeless(mapping, bits=bits, sparsity=zeros))
    twin = ann_twin.Twin(mapping.network, chip, mapping.bricks, mapping.cores, reuse, bits, zeros).counts
    done = {action.name: action.count for action in work.actions(reuse, 1)}
    home = {kind: chip.home(kind) for kind in ("weights", "state", "axons", "routes", "queue", "input")}

    def words(how, kind):
        return done[f"{how} {kind} of {home[kind].name}"]

    state = {"read": "activation words", "write": "written words"}
    expected = [
        *((done[name], {name: 1}) for name in ("mac", "compare", "packet", "event", "hop_x", "hop_y")),
        *((done[name], {name: 1}) for name in ("crossing",) if chip.board),
        (done.get("partial_sum", np.zeros(len(mapping.bricks))), {"partial_sum": 1}),
        (done.get("accumulate", np.zeros(len(mapping.bricks))), {"accumulate": 1}),
        (words("read", "weights"), {"weight words": 1}), (words("read", "input"), {"image words": 1}),
        *((words(how, "state"), {name: 1, "sum words": 1}) for how, name in state.items()),
        (words("read", "axons"), {"look_ups": home["axons"].words(chip.core.axon_bits)}),
        (words("read", "routes"), {"packet": home["routes"].words(chip.core.route_bits)}),
        *((words(how, "queue"), {"queue words": 1}) for how in ("read", "write")
          if f"{how} queue of {home['queue'].name}" in done),
        (work.busy(reuse), {"busy": 1}),
    ]  # fmt: skip
    for found, parts in expected:
        by_hand = [sum(float(twin[name][brick]) * many for name, many in parts.items()) for brick in range(len(mapping.bricks))]
        assert found.tolist() == pytest.approx(by_hand, rel=1e-12), parts


@examples(40)
@given(runs(), st.integers(1, 8))
def test_an_activation_travels_as_a_graded_spike_of_its_width_does(case, bits):
    """A spike has an address; what carries a value is longer by the value, with spikes or without."""
    mapping = case[1]
    chip = mapping.chip.replace("mesh.buffer_flits", 100).replace("core.queue_packets", None)
    plain, graded = (chip.replace("mesh.payload_bits", bits).replace("mesh.carry", carry) for carry in (False, True))
    assert graded.mesh.bits_per_packet == plain.mesh.bits_per_packet + bits
    done = []
    for chip in (plain, graded):
        work = Inference(Spikeless(replace(mapping, chip=chip), bits=bits))
        assert work.spikeless.packet_bits == graded.mesh.bits_per_packet
        assert chip.mesh.flits(work.spikeless.packet_bits) == graded.mesh.flits_per_packet
        done.append([(action.name, action.count.tolist()) for action in work.actions("rows", 1)])
    assert done[0] == done[1]


@pytest.mark.parametrize(("name", "bits"), [("ann45", 8), ("eyeriss", 16), ("eyeriss", 8)])
def test_chips_made_for_it_have_room_for_an_activation_in_a_flit(name, bits):
    mesh = ns.load_chip(name).mesh
    assert mesh.flits(mesh.packet_bits + bits) == mesh.flits_per_packet == 1
    if bits == ns.load_chip(name).core.mac_bits:
        assert mesh.packet_bits + bits == mesh.flit_bits


@examples(40)
@given(runs(), st.sampled_from([1, 4]))
def test_more_zeros_never_cost_more_and_change_no_time(case, sites):
    mapping = without_caches(case[1], sites)
    found = [ann(mapping, 2, sparsity=zeros) for zeros in (0.0, 0.3, 0.7, 1.0)]
    for less, more in itertools.pairwise(found):
        for reuse in REUSES:
            assert more["reuse"][reuse]["total_J"] <= less["reuse"][reuse]["total_J"] * (1 + 1e-12)
            assert more["reuse"][reuse]["static_J"] == almost(less["reuse"][reuse]["static_J"])
        assert more["macs"] == less["macs"]


@examples(40)
@given(runs(), st.sampled_from([1, 4]))
def test_fewer_bits_never_cost_more(case, sites):
    mapping = without_caches(case[1], sites)
    found = [ann(mapping, 2, bits=bits) for bits in (8, 6, 4, 2, 1)]
    for more, fewer in itertools.pairwise(found):
        for reuse in REUSES:
            assert fewer["reuse"][reuse]["total_J"] <= more["reuse"][reuse]["total_J"] * (1 + 1e-12)


def told(result):
    """The JSON but for how it came about, and for choices of the model, which new prices leave untried."""
    found = json.loads(json.dumps(result.to_dict()))
    return {name: value for name, value in found.items() if name not in ("provenance", "model")}


@examples(20)
@given(runs())
def test_the_same_chip_said_is_the_same_chip_left_out(case):
    inputs, mapping = case
    left_out = evaluated(inputs, mapping)
    assert told(evaluated(inputs, mapping, ann_chip=mapping.chip)) == told(left_out)
    assert not left_out.spikeless.own


@pytest.mark.parametrize("apart", [{}, {"ann_chip": "ann45"}])
def test_bits_that_a_chip_has_no_multipliers_for_are_refused_before_anything_runs(apart, monkeypatch, tmp_path):
    network, inputs = tiny()
    network.save(tmp_path / "net.h5")
    inputs.save(tmp_path / "in.h5")
    for place in ("outcome.pipeline.map_network", "outcome.pipeline.simulate", "cli.console.simulated"):
        monkeypatch.setattr(f"neurosim.{place}", lambda *args, **how: pytest.fail("it ran"))
    for refused in (lambda: ns.run(network, inputs, "lp45", ann_bits=9, **apart),
                    lambda: ns.compare(network, inputs, ["lp45", "mesh45"], ann_bits=9, **apart)):  # fmt: skip
        with pytest.raises(NeurosimError, match="priced for up to 8 bits"):
            refused()
    options = [word for name, chip in apart.items() for word in (f"--{name.replace('_', '-')}", chip)]
    for command in (["run"], ["compare", "--chip", "mesh45"]):
        given = command[0], tmp_path / "net.h5", tmp_path / "in.h5", "--chip", "lp45", *command[1:], "--ann-bits", "9"
        samples.refused(*given, *options, says="priced for up to 8 bits")


@pytest.mark.parametrize("chip", ["mesh45", "lp45"])
@pytest.mark.parametrize("apart", ["ann45", "eyeriss"])
def test_the_machine_of_the_other_network_changes_nothing_of_this_one(chip, apart):
    network = samples.residual()
    inputs = samples.inputs(network, 3)
    plain, beside = ns.run(network, inputs, chip), ns.run(network, inputs, chip, ann_chip=apart, ann_bits=8, ann_sparsity=0.5)
    ours, theirs = told(plain), told(beside)
    for name in ("energy", "time", "counts", "layers", "cores", "links", "actions", "memory", "accuracy", "power_W", "chip"):
        assert ours[name] == theirs[name], name
    assert ours["uncertainty"]["snn_J"] == pytest.approx(theirs["uncertainty"]["snn_J"], rel=0.02)
    assert ours["break_even"]["fixed_J"] == theirs["break_even"]["fixed_J"]
    assert theirs["ann"]["chip"]["name"] == apart and theirs["ann"]["sparsity"] == 0.5 and theirs["ann"]["bits"] == 8
    assert ours["ann"]["total_J"] != theirs["ann"]["total_J"]
    assert [layer["name"] for layer in theirs["break_even"]["layers"]] == [layer["name"] for layer in ours["layers"]]
    alone = ns.run(network, inputs, apart, ann_bits=8, ann_sparsity=0.5).to_dict()["ann"]
    assert theirs["ann"] == alone


def test_what_two_machines_do_not_have_alike_is_said():
    network, inputs = tiny()
    runs = [ns.run(network, inputs, "mesh45", ann_chip=apart) for apart in ("mesh45", "ann45", "eyeriss")]
    same, other, node = (machines(run.document)[2:] for run in runs)
    assert len(same) == 1 and "--ann-chip gives the one without spikes a machine of its own" in same[0]
    assert other and all(warning.startswith("not counted alike") for warning in other)
    assert "nothing is scaled" in node[0] and "65 nm" in node[0]


def test_prices_of_two_chips_are_drawn_apart():
    """A price that both pay on one chip leaves their ratio alone; on two of the same prices it does not."""
    chip = ns.load_chip("lp45")
    network, inputs = tiny()
    one = ns.run(network, inputs, chip).ledger.spread.ratio["rows"]
    other = chip.replace("core.max_neurons", 1000)
    two = ns.run(network, inputs, chip, ann_chip=other).ledger.spread.ratio["rows"]
    assert (two[1] / two[0]) > 1.2 * (one[1] / one[0])


def test_new_prices_leave_a_machine_of_its_own_alone(tmp_path):
    network, inputs = tiny()
    result = ns.run(network, inputs, "mesh45", ann_chip="ann45")
    result.save(tmp_path / "run.h5")
    record = ns.load_run(tmp_path / "run.h5")
    assert record.to_dict() == json.loads(json.dumps(result.to_dict()))
    dear = changed(record.chip, {"operation.accumulate.pj": 70.0, "operation.mac.pj": 50.0})
    again, same = record.at(dear), ns.run(network, inputs, dear, ann_chip="ann45")
    assert again.to_dict()["ann"] == json.loads(json.dumps(result.to_dict()))["ann"]
    assert told(again) == close(told(same))
    again.save(tmp_path / "again.h5")
    assert ns.load_run(tmp_path / "again.h5").to_dict() == json.loads(json.dumps(again.to_dict()))


WRONG = {
    "too many bits": ({"ann_bits": 16}, "priced for up to 8 bits"),
    "no bits": ({"ann_bits": 0}, "at least 1"),
    "half a bit": ({"ann_bits": 2.5}, "whole number"),
    "more than all": ({"ann_sparsity": 1.5}, "from 0 to 1"),
    "no number": ({"ann_sparsity": "many"}, "'many'"),
    "not a number": ({"ann_sparsity": float("nan")}, "from 0 to 1"),
    "not stored": ({"ann_sparsity": "stored"}, "does not say how many"),
}


@pytest.mark.parametrize(("given_", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_refused_in_words(given_, says):
    with pytest.raises(NeurosimError, match=says):
        ns.run(*tiny(), "mesh45", **given_)


def test_several_problems_come_at_once():
    with pytest.raises(NeurosimError, match=r"ann_bits is 9.*ann_sparsity is -1"):
        ns.run(*tiny(), "mesh45", ann_chip="ann45", ann_bits=9, ann_sparsity=-1)
    assert ns.run(*tiny(), "mesh45", ann_chip="eyeriss", ann_bits=16).document.ann.bits == 16


def test_a_machine_that_is_too_small_is_named():
    small = ns.load_chip("mesh45", ["mesh.width=1", "mesh.height=1", "core.max_neurons=1"])
    with pytest.raises(MappingError, match="--ann-chip") as error:
        ns.run(*tiny(), "mesh45", ann_chip=small)
    assert error.value.violations


@pytest.mark.parametrize("name", ["mnist_vgg_t5", "cifar10_vgg9_t5", "cifar10_vgg16_t5", "cifar10_resnet20_t5"])
def test_what_a_multiplication_costs_is_what_the_documents_say(name):
    network = ns.load_network(ROOT / "models" / f"{name}.h5")
    mapping = ns.map_network(network, ns.load_chip("ann45"))
    found = ann(mapping, 1)
    each = [joules / found["macs"] * 1e12 for joules in (found["total_J"], found["total_J"] - found["static_J"])]
    assert f"| `{name}` | {len(mapping.used)} | {each[0]:.2f} | {each[1]:.2f} |" in CHIPS


@pytest.mark.slow
def test_the_answer_turns_around_with_the_machine_of_the_other_network():
    network, inputs = ROOT / "models" / "cifar10_vgg16_t5.h5", ns.load_inputs(ROOT / "traces" / "cifar10_test_1000.h5")[:2]
    trace = ns.simulate(network, inputs, state_bits=24)
    mapping = ns.map_network(trace.network, "lp45")
    runs = [ns.evaluate(trace, mapping, timing="analytic", ann_chip=apart).document for apart in ("lp45", "ann45")]
    here, there = (run.steps[-1].ratio("rows") for run in runs)
    assert there < 0.9 < 1.1 < here and runs[0].energy == runs[1].energy
    assert runs[1].ann.accuracy == pytest.approx(0.8644)


def test_eyeriss_on_alexnet_is_what_the_documents_say():
    """665.8 million multiply-accumulates in five convolutions; half of what the silicon takes for each."""
    found = runpy.run_path(ROOT / "examples" / "eyeriss.py")
    each = [found["counted"](name, ns.load_chip("eyeriss", ["mesh=fit"])) for name in found["LAYERS"]]
    macs, joules = (sum(values) for values in zip(*each, strict=True))
    assert macs == 105_415_200 + 223_948_800 + 149_520_384 + 112_140_288 + 74_760_192
    assert f"{joules / macs * 1e12:.2f}" == "5.67"
    assert "5.67 pJ" in CHIPS


def test_zeros_and_accuracy_come_from_the_training_where_it_says_them():
    network, inputs = tiny()
    assert ns.run(network, inputs, "mesh45").to_dict()["ann"]["accuracy"] is None
    known = samples.with_layer(network, "a")
    known.about["report"] = {"ann_accuracy": 0.75, "ann_sparsity": 0.6}
    found = ns.run(known, inputs, "mesh45", ann_sparsity="stored").to_dict()["ann"]
    assert (found["accuracy"], found["sparsity"]) == (0.75, 0.6)
    assert ns.run(known, inputs, "mesh45", ann_bits=4).to_dict()["ann"]["accuracy"] is None


def test_activations_without_room_are_said_not_refused():
    network = samples.residual()
    inputs = samples.inputs(network, 1)
    roomy, tight = (ns.load_chip("mesh45").replace("memory.state_sram.bits", bits) for bits in (10**7, 9 * 32))
    assert not room(Spikeless(ns.map_network(network, roomy)))
    result = ns.run(network, inputs, tight.replace("core.max_neurons", 9))
    assert any(note.startswith("room for activations") and "state_sram" in note for note in result.not_counted)
