"""Values instead of bits: frames of counts, graded spikes, and what becomes of them in files, packets and prices."""

import h5py
import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.errors import FileError, InputsError, NetworkError, TraceError
from neurosim.io.shared_trace import share_trace, shared_trace
from tests.helpers.examples import examples, runs, traced
from tests.helpers.strategies import recurrents

pytestmark = pytest.mark.small
FRAMES = np.array([[3], [0], [-2], [1]]).reshape(1, 4, 1, 1, 1)


def network(graded=True, **values):
    """A neuron that fires above 4, and one that reads it with weight 2."""
    layers = [ns.Dense("a", [[5]], threshold=4, graded=graded, **values), ns.Output("out", [[2]])]
    return ns.Network.build("two", timesteps=4, input_shape=(1, 1, 1), encoding="spikes", layers=layers)


@pytest.mark.parametrize(
    ("graded", "compare", "sent", "potentials", "out"),
    [
        # 15: three thresholds of 4 are crossed; 3 stays, then 3 - 10 = -7, -7 + 5 = -2.
        (True, ">", [3, 0, 0, 0], [3, 3, -7, -2], 6),
        (False, ">", [1, 1, 0, 0], [11, 7, -3, 2], 4),
        (True, ">=", [3, 0, 0, 0], [3, 3, -7, -2], 6),
        (False, ">=", [1, 1, 0, 0], [11, 7, -3, 2], 4),
    ],
)  # fmt: skip
def test_a_graded_spike_carries_the_thresholds_that_it_crossed(graded, compare, sent, potentials, out):
    net, inputs = network(graded, compare=compare), ns.Inputs.from_frames(FRAMES)
    trace = ns.simulate(net, inputs, record_potentials=True)
    assert trace.values("a").ravel().tolist() == sent
    assert trace.spikes("a").ravel().tolist() == [s > 0 for s in sent]
    assert trace.potentials("a").ravel().tolist() == potentials
    assert trace.outputs.tolist() == [[out]]
    assert trace.values("input").ravel().tolist() == [3, 0, -2, 1]


@pytest.mark.parametrize(("compare", "sent"), [(">", 2), (">=", 3)])
def test_a_whole_number_of_thresholds_is_crossed_as_the_comparison_says(compare, sent):
    for kind in (int, float):
        layers = [ns.Dense("a", np.array([[12]], kind), threshold=4, graded=True, compare=compare)]
        net = ns.Network.build("one", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=layers)
        trace = ns.simulate(net, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1))))
        assert trace.values("a").ravel().tolist() == [sent] == trace.outputs.ravel().tolist()


@examples(25)
@given(runs())
def test_traces_and_inputs_with_values_survive_files(case):
    import tempfile
    from pathlib import Path

    inputs, mapping = case
    trace = traced(inputs, mapping)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs.save(folder / "in.h5")
        assert ns.load_inputs(folder / "in.h5").sha256 == inputs.sha256 == trace.inputs_sha256
        trace.save(folder / "trace.h5")
        share_trace(trace, folder / "shared")
        for again in (ns.load_trace(folder / "trace.h5"), shared_trace(folder / "shared", mapping.network)):
            assert again.inputs_sha256 == inputs.sha256
            assert again.network.input.valued == (inputs.frames is not None)
            names = ["input"] * (inputs.by_step is not None) + [x.name for x in mapping.network.layers if x.spiking]
            for name in names:
                assert (again.values(name) == trace.values(name)).all()
                assert (again.part(1, 2).values(name) == trace.values(name)[1:2]).all()


@examples(25)
@given(recurrents())
def test_values_do_not_depend_on_slices_or_workers(case):
    net, inputs = case
    whole, one = ns.simulate(net, inputs), ns.simulate(net, inputs, workers=1)
    for layer in net.layers:
        if layer.spiking:
            assert (whole.values(layer.name) == one.values(layer.name)).all()
            parts = [ns.simulate(net, inputs[i : i + 1]).values(layer.name) for i in range(len(inputs))]
            assert (np.concatenate(parts) == whole.values(layer.name)).all()


def test_frames_of_ones_are_spikes_and_do_the_same():
    spikes = np.random.default_rng(0).random((2, 4, 1, 1, 1)) < 0.5
    assert ns.Inputs.from_frames(spikes.astype(int)).sha256 == ns.Inputs.from_spikes(spikes).sha256


def test_counts_that_come_as_floats_are_counts():
    counts, inputs = FRAMES.astype(np.float32), ns.Inputs.from_frames(FRAMES)
    as_floats, some = map(ns.Inputs.from_frames, (counts, np.concatenate([counts, counts * 0.75])))
    assert as_floats.sha256 == inputs.sha256
    assert (ns.simulate(network(), as_floats).outputs == ns.simulate(network(), inputs).outputs).all()
    assert some.frames.dtype == np.float32 and some[:1].sha256 == inputs.sha256


def test_floats_take_floats():
    layers = [ns.Dense("a", np.array([[0.5]], np.float32), threshold=1.0), ns.Output("out", np.array([[1.0]], np.float32))]
    net = ns.Network.build("f", timesteps=None, input_shape=(1, 1, 1), encoding="spikes", layers=layers)
    trace = ns.simulate(net, ns.Inputs.from_frames(FRAMES * np.float32(0.75)), record_potentials=True)
    # 1.125 fires and leaves 0.125.
    assert trace.potentials("a").ravel().tolist() == [0.125, 0.125, -0.625, -0.25]


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (FRAMES * 0.5, "1.5 among them; an integer network needs integers"),
        (np.full((1, 4, 1, 1, 1), 2.0**40), "more than 2147483647 in size; an integer network needs integers"),
        (FRAMES[:, :3], "the network needs"),
        (np.full((1, 4, 1, 1, 1), 2**31), "at most 2147483647 in size"),
        (np.full((1, 4, 1, 1, 1), -(2**63)), "at most 2147483647 in size"),
        (np.full((1, 4, 1, 1, 1), 2**64 - 1, np.uint64), "at most 2147483647 in size"),
        (np.zeros((0, 4, 1, 1, 1), int), "there are no samples"),
        (np.full((1, 4, 1, 1, 1), np.nan), "not finite"),
        (np.zeros((1, 4, 1, 1), int), r"must be numbers \[N,T,C,H,W\]"),
    ],
)  # fmt: skip
def test_frames_that_do_not_fit_are_refused(frames, told):
    with pytest.raises(InputsError, match=told):
        ns.simulate(network(), ns.Inputs.from_frames(frames))


def test_what_differs_from_step_to_step_is_refused_where_an_image_is_asked_for_and_the_advice_helps():
    def made(encoding):
        layers = [ns.Dense("a", np.array([[1]]), threshold=2), ns.Output("out", np.array([[1]]))]
        return ns.Network.build("f", timesteps=4, input_shape=(1, 1, 1), encoding=encoding, layers=layers)

    with pytest.raises(InputsError, match="these are frames; build it with encoding = 'spikes'"):
        ns.simulate(made("direct"), ns.Inputs.from_frames(FRAMES))
    assert len(ns.simulate(made("spikes"), ns.Inputs.from_frames(FRAMES))) == 1


def test_a_maximum_over_negative_values_is_refused():
    layers = [ns.Conv("a", np.ones((1, 1, 1, 1), int), threshold=1, pool="max2")]
    net = ns.Network.build("m", timesteps=4, input_shape=(1, 2, 2), encoding="spikes", layers=layers)
    with pytest.raises(InputsError, match="'a' takes maxima: none below 0"):
        ns.simulate(net, ns.Inputs.from_frames(np.full((1, 4, 1, 2, 2), -3)))


@pytest.mark.parametrize(
    ("values", "told"), [({"reset": "zero"}, "needs reset = 'subtract'"), ({"graded": 1}, "True or False")]
)
def test_what_cannot_be_graded_is_refused(values, told):
    with pytest.raises(NetworkError, match=told):
        network(**({"graded": True} | values))


def test_values_cost_multiplications_and_longer_packets():
    inputs, runs = ns.Inputs.from_frames(FRAMES), {}
    for graded in (False, True):
        runs[graded] = ns.run(network(graded), inputs, "mesh45", packet_images="all")
    plain, valued = runs[False], runs[True]
    assert (plain.counts["payload_macs"], plain.counts["accumulates"]) == (3, 2)
    assert (valued.counts["payload_macs"], valued.counts["accumulates"]) == (4, 0)
    mesh = valued.mapping.chip.mesh
    assert (plain.mapping.chip.mesh.bits_per_packet, mesh.bits_per_packet) == (mesh.packet_bits, mesh.packet_bits + 8)
    price = ns.load_chip("mesh45").operation.mac.pj
    assert valued.energy.action("payload_mac").count.sum() * price == 4 * price


def test_values_wider_than_packets_are_refused():
    wide = ns.Inputs.from_frames(FRAMES * 1000)
    with pytest.raises(TraceError, match="events of the input carry values of 13 bits") as caught:
        ns.run(network(), wide, "mesh45")
    assert "spikes of layer 'a' carry values of 12 bits; chip 'mesh45' has mesh.payload_bits = 8" in str(caught.value)
    ns.run(network(), wide, ns.load_chip("mesh45").replace("mesh.payload_bits", 13))


def test_a_damaged_payload_is_refused(tmp_path):
    ns.simulate(network(), ns.Inputs.from_frames(FRAMES)).save(tmp_path / "t.h5")
    for change, told in (((0, 1), "holds values that are 0"), (None, "is missing: its spikes are graded")):
        with h5py.File(tmp_path / "t.h5", "r+") as file:
            if change:
                file["layers/a/payload"][change[0]] = 0
            else:
                del file["layers/a/payload"], file["layers/a/payload_start"]
        with pytest.raises(FileError, match=told):
            ns.load_trace(tmp_path / "t.h5")


def test_formats_of_spikes_alone_refuse_values(tmp_path):
    with pytest.raises(NetworkError, match="events of 'a' carry values"):
        ns.export(ns.simulate(network(), ns.Inputs.from_frames(FRAMES)), "csv", tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "array"), [("frames", FRAMES[0]), ("frames", FRAMES), ("spikes", FRAMES), ("images", FRAMES)]
)
def test_numpy_files_hold_frames(tmp_path, name, array):
    np.savez(tmp_path / "in.npz", **{name: array})
    assert ns.load_inputs(tmp_path / "in.npz").sha256 == ns.Inputs.from_frames(FRAMES).sha256
