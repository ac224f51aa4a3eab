"""Function: the event-driven kernels do what the readable step-by-step simulation says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from tests.helpers import naive
from tests.helpers.strategies import cases, recurrents, residuals

pytestmark = pytest.mark.small


@settings(max_examples=200)
@given(st.one_of(cases(), residuals(), recurrents()))
def test_every_spike_and_potential_is_that_of_the_readable_twin(case):
    network, inputs = case
    trace = ns.simulate(network, inputs, record_potentials=True)
    data = inputs.images if inputs.images is not None else inputs.by_step
    for n, sample in enumerate(data):
        fired, potentials, _ = naive.run(network, sample)
        for layer in network.layers:
            assert trace.potentials(layer.name)[n].tolist() == potentials[layer.name]
            if layer.spiking:
                values = trace.values(layer.name)[n].reshape(network.timesteps, -1)
                assert [{int(i): int(v[i]) for i in np.flatnonzero(v)} for v in values] == fired[layer.name]
        assert trace.outputs[n].tolist() == naive.answer(network, fired, potentials)


@settings(max_examples=150)
@given(st.one_of(cases(), residuals(), recurrents()))
def test_every_spike_and_potential_is_that_of_pytorch(case):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    from neurosim.training.reference import record

    network, inputs = case
    trace = ns.simulate(network, inputs, record_potentials=True)
    recorded = record(network, inputs.images if inputs.images is not None else inputs.by_step)
    for layer in network.layers:
        assert (trace.potentials(layer.name) == recorded[layer.name].potentials).all()
        if layer.spiking:
            spikes = trace.values(layer.name).reshape(len(inputs), network.timesteps, -1)
            assert (spikes == recorded[layer.name].spikes).all()


@settings(max_examples=40)
@given(st.one_of(cases(), residuals()), st.integers(3, 8))
def test_clipping_at_the_state_width_is_that_of_the_readable_twin(case, state_bits):
    network, inputs = case
    trace = ns.simulate(network, inputs, state_bits=state_bits)
    data = inputs.images if inputs.images is not None else inputs.spikes
    clips = 0
    for n, sample in enumerate(data):
        _, potentials, clipped = naive.run(network, sample, state_bits)
        clips += clipped
        assert trace.outputs[n].tolist() == potentials["out"][-1]
    assert sum(len(layer.clipped.item) for layer in trace.layers.values()) == clips


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
            assert (other.layers[name].lone.item == layer.lone.item).all()
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


def test_pooled_shortcuts_by_hand():
    """Windows with 3 spikes and with 1; spikes in the odd last row and column reach nothing."""
    kernel = [[[[1]]]]
    shortcuts = [
        ns.Shortcut("input", scale=1000, pool="sum2"), ns.Shortcut("input", scale=10000, pool="max2"),
        ns.Shortcut("input", np.array(kernel) * 10, pool="sum2"), ns.Shortcut("input", np.array(kernel) * 100, pool="max2"),
    ]  # fmt: skip
    network = ns.Network.build(
        "pooled", timesteps=2, input_shape=(1, 3, 5), encoding="spikes",
        layers=[ns.Conv("n", kernel, threshold=10**6, pool="max2", shortcuts=shortcuts), ns.Output("out", [[1, 1]])],
    )  # fmt: skip
    spikes = np.zeros((1, 2, 1, 3, 5))
    spikes[0, 0, 0] = [[1, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0]]
    spikes[0, 1, 0] = [[0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 1, 0, 1]]
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    assert trace.potentials("n")[0].tolist() == [[13131, 11111]] * 2
    reached = ns.simulate(network, ns.Inputs.from_spikes(spikes)).layers["n"].reached
    assert reached[0, :, 0].tolist() == [0b11, 0]


def test_potentials_that_leave_32_bits_over_a_pooled_shortcut_are_clipped_and_not_wrapped():
    network = ns.Network.build(
        "large", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[
            ns.Conv("n", [[[[1]]]], threshold=5, pool="max2", shortcuts=[ns.Shortcut("input", scale=2**30, pool="sum2")]),
            ns.Output("out", [[1]]),
        ],
    )  # fmt: skip
    trace = ns.simulate(network, ns.Inputs.from_spikes(np.ones((1, 1, 1, 2, 2))), record_potentials=True)
    assert trace.potentials("n").item() == 2**31 - 1 - 5
    assert trace.layers["n"].clipped.item.tolist() == [0]


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
    assert trace.layers["n"].lone.item.tolist() == [0]


def single(steps=6, reset="subtract", dynamics="leak, integrate, compare, reset", **layer):
    """(potentials, spikes) of one neuron that a spike of weight 8 reaches in every second step."""
    network = ns.Network.build(
        "one", timesteps=steps, input_shape=(1, 1, 1), encoding="spikes", reset=reset, dynamics=dynamics,
        layers=[ns.Dense("n", [[8]], **layer)],
    )  # fmt: skip
    spikes = (np.arange(steps) % 2 == 0).reshape(1, steps, 1, 1, 1)
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), record_potentials=True)
    return trace.potentials("n")[0, :, 0].tolist(), trace.spikes("n")[0, :, 0].astype(int).tolist()


def test_a_reset_in_the_next_step_by_hand():
    """Leak 1/2, threshold 7: the spike of 8 is seen whole, leaks to 4, and then loses 7."""
    late = "leak, integrate, reset, compare"
    assert single(leak=(1, 1), threshold=7, dynamics=late) == ([8, -3, 6, 3, 9, -3], [1, 0, 0, 0, 1, 0])
    assert single(leak=(1, 1), threshold=7, dynamics=late, reset="zero") == ([8, 0, 8, 0, 8, 0], [1, 0, 1, 0, 1, 0])
    assert single(leak=(1, 1), threshold=7) == ([1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0])


def test_bias_rest_and_synaptic_current_by_hand():
    assert single(threshold=10, bias=-1) == ([7, 6, 3, 2, 9, 8], [0, 0, 1, 0, 0, 0])
    assert single(threshold=7, rest=-5, reset="zero") == ([-5, -5, 3, 3, -5, -5], [1, 0, 0, 0, 1, 0])
    # The current halves: 8, 4, 10, 5, 10, 5.
    assert single(threshold=20, current_leak=(1, 1)) == ([8, 12, 2, 7, 17, 2], [0, 0, 1, 0, 0, 1])


def test_delays_and_feedback_by_hand():
    assert single(threshold=99, delay=1)[0] == [0, 8, 8, 16, 16, 24]
    back = [ns.Shortcut("n", [[-3]], delay=2)]
    assert single(threshold=7, shortcuts=back) == ([1, 1, 6, 6, 7, 7], [1, 0, 0, 0, 1, 0])


def test_a_network_without_timesteps_runs_for_as_long_as_its_inputs():
    rng = np.random.default_rng(0)

    def built(steps):
        layers = [ns.Dense("a", rng_weights, threshold=9), ns.Output("out", np.eye(3, 4, dtype=int))]
        return ns.Network.build("open", timesteps=steps, input_shape=(5, 1, 1), encoding="spikes", layers=layers)

    rng_weights, chip = rng.integers(-3, 9, (4, 5)), ns.load_chip("mesh45")
    mapping = ns.map_network(built(None), chip)
    for steps in (1, 4, 7):
        inputs = ns.Inputs.from_spikes(rng.random((2, steps, 5, 1, 1)) < 0.5)
        one, other = (ns.simulate(network, inputs) for network in (built(None), built(steps)))
        assert one.timesteps == steps and (one.outputs == other.outputs).all()
        found = [ns.evaluate(one, mapping), ns.run(built(steps), inputs, chip), ns.run(built(None), inputs, chip)]
        assert len({str(result.to_dict() | {"provenance": None, "chip": None}) for result in found}) == 1
