"""Function: the event-driven kernels do what the readable step-by-step simulation says."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases

import neurosim as ns

pytestmark = pytest.mark.small


@settings(max_examples=150)
@given(cases())
def test_every_spike_and_potential_is_that_of_the_readable_twin(case):
    network, inputs = case
    trace = ns.simulate(network, inputs, record_potentials=True)
    data = inputs.images if inputs.images is not None else inputs.spikes
    for n, sample in enumerate(data):
        fired, potentials, _ = naive.run(network, sample)
        for layer in network.layers:
            assert trace.potentials(layer.name)[n].tolist() == potentials[layer.name]
            if layer.spiking:
                spikes = trace.spikes(layer.name)[n].reshape(network.timesteps, -1)
                assert [set(np.flatnonzero(s).tolist()) for s in spikes] == fired[layer.name]
        assert trace.outputs[n].tolist() == potentials["out"][-1]


@settings(max_examples=40)
@given(cases(), st.integers(3, 8))
def test_clipping_at_the_state_width_is_that_of_the_readable_twin(case, state_bits):
    network, inputs = case
    trace = ns.simulate(network, inputs, state_bits=state_bits)
    data = inputs.images if inputs.images is not None else inputs.spikes
    clips = 0
    for n, sample in enumerate(data):
        _, potentials, clipped = naive.run(network, sample, state_bits)
        clips += clipped
        assert trace.outputs[n].tolist() == potentials["out"][-1]
    assert sum(len(layer.clipped.neuron) for layer in trace.layers.values()) == clips


@settings(max_examples=20)
@given(cases())
def test_spikes_do_not_depend_on_workers_slices_or_recording(case):
    network, inputs = case
    whole = ns.simulate(network, inputs)
    others = [
        ns.simulate(network, inputs, workers=2),
        ns.simulate(network, inputs, record_potentials=True),
    ]
    for other in others:
        assert (other.outputs == whole.outputs).all()
        for name, layer in whole.layers.items():
            assert (other.layers[name].bits == layer.bits).all()
            assert (other.layers[name].reached == layer.reached).all()
            assert (other.layers[name].lone.neuron == layer.lone.neuron).all()
    single = ns.simulate(network, inputs[1:2])
    assert (single.outputs == whole.outputs[1:2]).all()


def test_dynamics_by_hand():
    """leak 3/4, threshold 10, input 8 per step: floor(3u/4) + 8, fire above 10, subtract 10."""
    network = ns.Network.build(
        "one", timesteps=5, input_shape=(1, 1, 1),
        layers=[ns.Dense("n", [[8]], threshold=10, leak=(3, 2)), ns.Output("out", [[1]])],
    )  # fmt: skip
    trace = ns.simulate(network, ns.Inputs(np.ones((1, 1, 1, 1), np.uint8)), record_potentials=True)
    assert trace.potentials("n")[0, :, 0].tolist() == [8, 4, 1, 8, 4]
    assert trace.spikes("n")[0, :, 0].tolist() == [False, True, True, False, True]
    assert trace.outputs.tolist() == [[3]]


def test_a_negative_potential_leaks_with_floor():
    network = ns.Network.build(
        "one", timesteps=3, input_shape=(1, 1, 1), encoding="spikes",
        layers=[ns.Dense("n", [[-5]], threshold=10, leak=(1, 1)), ns.Output("out", [[1]])],
    )  # fmt: skip
    spikes = np.zeros((1, 3, 1, 1, 1))
    spikes[0, 0] = 1
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    assert trace.potentials("n")[0, :, 0].tolist() == [-5, -3, -2]


def test_a_neuron_above_threshold_after_its_reset_fires_again_without_input():
    network = ns.Network.build(
        "one", timesteps=4, input_shape=(1, 1, 1), encoding="spikes",
        layers=[ns.Dense("n", [[25]], threshold=10), ns.Output("out", [[1]])],
    )  # fmt: skip
    spikes = np.zeros((1, 4, 1, 1, 1))
    spikes[0, 0] = 1
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes))
    assert trace.spikes("n")[0, :, 0].tolist() == [True, True, False, False]
    assert trace.layers["n"].lone.neuron.tolist() == [0]
