"""How a network answers is said, counted and kept."""

import h5py
import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.errors import FileError, NetworkError
from tests.helpers import naive
from tests.helpers.examples import examples
from tests.helpers.strategies import recurrents

pytestmark = pytest.mark.small
WORDS = ["potential", "max-potential", "mean-potential", "spikes", "votes:1", "votes:2", "votes:4"]
SPIKES = np.array([1, 1, 0]).reshape(1, 3, 1, 1, 1)


def network(decode=None, firing=True):
    """Four neurons that get 6, -1, 2 and 3 of every spike, and fire above 5 if they do."""
    weight = np.array([[6], [-1], [2], [3]])
    last = ns.Dense("last", weight, threshold=5) if firing else ns.Output("last", weight)
    return ns.Network.build("n", timesteps=3, input_shape=(1, 1, 1), encoding="spikes", layers=[last], decode=decode)


@pytest.mark.parametrize(
    ("decode", "firing", "expected"),
    [
        (None, True, [2, 0, 0, 1]), ("spikes", True, [2, 0, 0, 1]), ("votes:2", True, [2, 1]), ("votes:4", True, [3]),
        ("potential", True, [2, -2, 4, 1]), ("max-potential", True, [2, -1, 4, 3]), ("mean-potential", True, [5, -5, 10, 5]),
        (None, False, [12, -2, 4, 6]), ("potential", False, [12, -2, 4, 6]), ("max-potential", False, [12, -1, 4, 6]),
        ("mean-potential", False, [30, -5, 10, 15]), ("votes:2", False, [10, 10]),
    ],
)  # fmt: skip
def test_answers_are_those_on_paper(decode, firing, expected):
    trace = ns.simulate(network(decode, firing), ns.Inputs.from_spikes(SPIKES))
    assert trace.outputs.tolist() == [expected]
    assert trace.predictions.tolist() == [int(np.argmax(expected))]


def test_a_mean_of_floats_is_a_mean():
    net = ns.Network.build("f", timesteps=3, input_shape=(1, 1, 1), encoding="spikes", decode="mean-potential",
                           layers=[ns.Output("o", np.array([[0.5], [0.25]], np.float32))])  # fmt: skip
    trace = ns.simulate(net, ns.Inputs.from_spikes(SPIKES))
    assert np.allclose(trace.outputs, [[2.5 / 3, 1.25 / 3]], rtol=1e-6)


@examples(40)
@given(recurrents())
def test_answers_are_those_of_the_slow_twin(case):
    net, inputs = case
    trace = ns.simulate(net, inputs)
    for sample, found in zip(inputs.images if inputs.by_step is None else inputs.by_step, trace.outputs, strict=True):
        assert found.tolist() == naive.answer(net, *naive.run(net, sample)[:2])


@pytest.mark.parametrize("decode", WORDS)
def test_it_is_saved_hashed_and_said(decode, tmp_path):
    net, plain = network(decode), network()
    net.save(tmp_path / "net.h5")
    again = ns.load_network(tmp_path / "net.h5")
    assert again.decode == net.decode and again.sha256 == net.sha256
    usual = decode in ("spikes", "votes:1")
    assert (net.decode is None, net.sha256 == plain.sha256) == (usual, usual)
    assert net.classes == 4 // (int(decode[6:]) if decode.startswith("votes") else 1)


@pytest.mark.parametrize(
    ("decode", "firing", "told"),
    [
        ("loudest", True, "it must be one of potential, spikes, max-potential, mean-potential, votes:K, or None"),
        ("votes:3", True, "has 4 neurons"), ("votes:0", True, "has 4 neurons"), ("votes:x", True, "must be one of"),
        ("spikes", False, "'last' never fires"), (5, True, "decode is 5"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(decode, firing, told):
    with pytest.raises(NetworkError, match=told):
        network(decode, firing)


def test_a_file_that_says_two_things_is_refused(tmp_path):
    network("max-potential").save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        file.attrs["answer"] = "mean-potential"
    with pytest.raises(FileError, match="the network answers 'mean-potential'"):
        ns.load_network(tmp_path / "net.h5")


def test_reading_potentials_out_at_every_step_costs_every_step():
    read = {}
    for decode in (None, "potential", "max-potential"):
        place = ns.map_network(network(decode), "mesh45")
        run = ns.evaluate(ns.simulate(network(decode), ns.Inputs.from_spikes(SPIKES)), place)
        read[decode] = run.totals["readouts"].sum()
    assert read == {None: 0, "potential": 4, "max-potential": 12}
