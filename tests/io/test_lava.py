"""Files `.net` of lava-dl: what is read computes the same to the bit; what cannot be said is refused."""

import h5py
import numpy as np
import pytest
from hypothesis import given

import neurosim as ns
from neurosim.errors import FileError, NetworkError
from neurosim.io.lava.imported_network import import_lava
from tests.helpers import lava_files as lava
from tests.helpers.examples import examples
from tests.helpers.samples import call, refused


def differing(path, frames, **said):
    """How many spikes and potentials differ from those of the interpreter, and how many spikes there are."""
    shown = len(frames) == 1
    network, fidelity = import_lava(path, timesteps=lava.STEPS, encoding="direct" if shown else "spikes", **said)
    assert fidelity.exact
    inputs = ns.Inputs(frames) if shown else ns.Inputs.from_spikes(frames[None])
    trace, wrong, fired = ns.simulate(network, inputs, record_potentials=True), 0, 0
    for block, (spikes, potentials) in lava.run(path, np.repeat(frames, lava.STEPS, 0) if shown else frames).items():
        for name, neurons in network.about.get("populations", {}).get(block, {block: slice(None)}).items():
            expected = spikes[:, neurons], potentials[:, neurons]
            wrong += np.count_nonzero(trace.potentials(name)[0].reshape(expected[1].shape) != expected[1])
            if network.layer(name).spiking:
                wrong += np.count_nonzero(trace.spikes(name)[0].reshape(expected[0].shape) != expected[0])
                fired += expected[0].sum()
    return wrong, fired


@pytest.mark.fuzz
@given(lava.files())
@examples(20)
def test_every_spike_and_potential_is_that_of_the_file(tmp_path_factory, drawn):
    blocks, frames = drawn
    path = lava.write(tmp_path_factory.mktemp("lava") / "n.net", blocks)
    assert differing(path, frames)[0] == 0


@pytest.mark.fuzz
@given(lava.recurrent())
@examples(30)
def test_feedback_beside_a_bias_is_that_of_lava_but_for_spikes_before_a_reset(tmp_path_factory, drawn):
    """Lava resets potentials, and not what is on its way; it fires before its first sample where biases make it."""
    blocks, frames = drawn
    path = lava.write(tmp_path_factory.mktemp("lava") / "n.net", blocks)
    network, fidelity = import_lava(path)
    assert any("comes back after it" in text for text in fidelity.assumptions)
    trace = ns.simulate(network, ns.Inputs.from_spikes(frames[None]))
    found = [trace.spikes(layer.name)[0].reshape(len(frames), -1) for layer in network.layers]
    theirs, early = lava.pipelined(path, frames)
    assert early or all((one == other).all() for one, other in zip(found, theirs, strict=True))


def test_a_spike_before_a_reset_comes_back_in_lava(written):
    """One neuron that a bias alone makes fire at every step: its feedback is there from the first step on, or the second."""
    path = written(
        lava.input_((1,)), lava.dense([[1]], lava.cuba(v=4096, threshold=5), type="dense_rec", weight_rec=[[-20]], bias=[10])
    )
    frames = np.zeros((4, 1, 1, 1), int)
    (theirs,), early = lava.pipelined(path, frames)
    spikes = ns.simulate(import_lava(path)[0], ns.Inputs.from_spikes(frames[None])).spikes("dense_rec1").ravel()
    assert early and spikes.tolist() == [1, 0, 1, 0] and theirs.ravel().tolist() == [0, 1, 0, 1]


def test_weights_are_as_wide_as_those_of_feedback_beside_them(written):
    """Either fits by itself: odd ones of 8 bits, even ones of 9. netx stores both alike."""
    alone = written(PIXELS, lava.dense([[3, 5, -7]], lava.cuba()))
    assert not any("bits" in text for text in import_lava(alone)[1].assumptions)
    both = written(PIXELS, lava.dense([[3, 5, -7]], lava.cuba(), type="dense_rec", weight_rec=[[250]]))
    network, fidelity = import_lava(both)
    assert any("weights of dense_rec1 have 9 bits" in text for text in fidelity.assumptions)
    assert (network.layers[0].weight_bits, network.layers[0].weight_shift) == (8, 6)


@pytest.fixture
def written(tmp_path):
    """Write a file of blocks, and say where it is."""
    return lambda *blocks, **more: lava.write(tmp_path / "n.net", blocks, **more)


W = np.array([[2, -4, 6], [100, -254, 0]])
PIXELS = lava.input_((3, 1, 1))


def test_weights_keep_their_width_and_are_shifted(written):
    path = written(PIXELS, lava.dense(W, lava.cuba()), lava.dense([[3, -1]], lava.cuba()), lava.dense([[129]], lava.cuba()))
    first, second, third = import_lava(path)[0].layers
    assert [(x.weight.dtype, x.weight_bits, x.weight_shift) for x in (first, second)] == [("int8", 8, 7), ("int8", 8, 6)]
    assert (first.weight.astype(int) * 2 == W).all() and (second.weight == [[3, -1]]).all()
    assert (third.weight_bits, third.weight_shift) == (9, 6)


def test_a_decay_of_all_leaves_no_current_and_one_of_nothing_no_leak(written):
    path = written(PIXELS, lava.dense(W, lava.cuba(4096, 0)), lava.dense(W[:, :2], lava.cuba([0, 4096], [4096, 1])))
    first, second = import_lava(path)[0].layers
    assert (first.current_leak, first.leak, first.leak_rounding) == (None, None, "floor")
    assert [leak[0].ravel().tolist() for leak in (second.current_leak, second.leak)] == [[4096, 0], [0, 4095]]
    assert second.leak_rounding == "zero"


def test_potentials_stop_where_those_of_loihi_stop(written):
    path = written(lava.input_((256, 1, 1)), lava.dense(np.full((1, 256), -256), lava.cuba(4096, 0)))
    frames = np.ones((lava.STEPS, 256, 1, 1), int)
    assert differing(path, frames)[0] == 0
    assert import_lava(path)[0].layers[0].floor == lava.run(path, frames)["dense1"][1].min() == 1 - 2**23
    assert import_lava(written(PIXELS, lava.dense(W, lava.cuba())))[0].layers[0].floor is None


def test_a_kernel_is_not_turned_and_maps_are_flattened_by_channel(written):
    kernel, first = np.zeros((2, 1, 1, 3), int), np.arange(12).reshape(2, 6) * 2
    kernel[0, 0, 0, 0] = kernel[1, 0, 0, 2] = 50
    path = written(
        lava.input_((1, 2, 5)), lava.conv(kernel, (2, 2, 3), lava.cuba(threshold=40)), lava.FLATTEN,
        lava.dense(np.hstack([first, first + 1]), lava.cuba(4096, 0, 10**5)),
    )  # fmt: skip
    frames = np.zeros((1, 1, 2, 5), int)
    frames[0, 0, 1, 0] = 1
    network = import_lava(path, timesteps=1)[0]
    trace = ns.simulate(network, ns.Inputs.from_spikes(frames[None]), record_potentials=True)
    assert np.argwhere(trace.spikes("conv1")[0, 0]).tolist() == [[0, 1, 0]]
    # Row 1, column 0 of channel 0: the fourth column of the matrix.
    assert trace.potentials("dense3")[0, 0].tolist() == [64 * 6, 64 * 18]


def test_neurons_with_delays_of_their_own_become_populations(written):
    first, second = np.arange(12).reshape(4, 3) * 2, np.arange(16).reshape(4, 4) - 3
    about = {"delay": [3, 0, 3.7, 1]}
    blocks = lava.dense(first, lava.cuba([1, 2, 3, 4]), **about), lava.dense(second, lava.cuba(), **about)
    path = written(PIXELS, *blocks, lava.dense(second[:2]))
    network = import_lava(path)[0]
    neurons = {"dense1_late0": [1], "dense1_late1": [3], "dense1_late3": [0, 2]}
    assert network.about["populations"]["dense1"] == neurons
    assert network.synapses == 12 + 16 + 8 and [x.delay for x in network.layers] == [0, 1, 3, 0, 1, 3, 0]
    assert network.layer("dense1_late3").current_leak[0].ravel().tolist() == [4095, 4093]
    spikes = (np.random.default_rng(1).random((lava.STEPS, 3, 1, 1)) < 0.6).astype(int)
    assert differing(path, spikes)[0] == 0
    last = written(PIXELS, lava.dense(first, lava.cuba(), **about))
    assert "they answer the same: delete 'delay'" in said(last)[0]


def test_an_average_is_a_vote_and_steps_are_those_of_the_file(written):
    weight = np.arange(12).reshape(6, 2)
    path = written(lava.input_((2,)), lava.dense(weight, lava.cuba()), {"type": "average", "shape": [3, 1, 1]}, steps=9)
    network, fidelity = import_lava(path)
    assert (network.decode, network.classes, network.timesteps) == ("votes:2", 3, 9)
    assert any("group of 2" in text for text in fidelity.assumptions)


def test_the_first_block_may_say_its_input_by_its_weights_alone(written):
    assert import_lava(written(lava.dense(W, lava.cuba())))[0].input.shape == (3, 1, 1)
    path = written(lava.conv(np.ones((1, 1, 2, 2)), (1, 3, 3), lava.cuba()))
    assert import_lava(path, input_shape=(1, 4, 4))[0].input.shape == (1, 4, 4)
    with pytest.raises(FileError, match=r"give input_shape \(--input-shape CxHxW\)"):
        import_lava(path)


def said(path, **how):
    with pytest.raises((FileError, NetworkError)) as caught:
        import_lava(path, **how)
    return list(caught.value.problems)


REFUSED = {
    "sigma-delta": (lava.dense(W, lava.cuba(type="SDNN")), "'SDNN', which send what changed"),
    "resonate": (lava.dense(W, lava.cuba(type="RF_IZ")), "'RF_IZ', which resonate"),
    "adapt": (lava.dense(W, lava.cuba(type="ALIF")), "'ALIF', which adapt"),
    "unknown neurons": (lava.dense(W, lava.cuba(type="HH")), "its neurons are 'HH'; LOIHI and CUBA are read"),
    "graded": (lava.dense(W, lava.cuba(gradedSpike=True)), "'gradedSpike' is 1: spikes that carry values"),
    "messages": (lava.dense(W, lava.cuba(messageBits=16)), "'messageBits' is 16: spikes that carry values"),
    "exponent": (lava.dense(W, lava.cuba(weight_exp=2.0)), "'weight_exp' is not 0"),
    "convT": ({"type": "convT", "shape": [1, 2, 2]}, "its type is 'convT'; needed: one of input, flatten, dense"),
    "no type": ({"type": "", "shape": [1]}, "dataset 'type' is missing"),
    "fractions": (lava.dense(W + 0.5, lava.cuba()), "dataset 'weight' holds 2.5 at [0, 0]; needed: whole numbers"),
    "not a number": (lava.dense(W * np.nan, lava.cuba()), "dataset 'weight' holds nan at [0, 0]"),
    "wide": (lava.dense(W * 3, lava.cuba()), "dataset 'weight' holds 300 at [1, 0]; needed: -256 to 255"),
    "decay": (lava.dense(W, lava.cuba(4097)), "dataset 'iDecay' holds 4097; needed: 0 to 4096"),
    "decays": (lava.dense(W, lava.cuba(0, [1, 2, 3])), "'neuron/vDecay' holds 3 numbers; needed: one, or 2"),
    "threshold": (lava.dense(W, lava.cuba(threshold=0)), "dataset 'vThMant' holds 0; needed: 1 to 131071"),
    "biases": (lava.dense(W, lava.cuba(), bias=[1, 2, 3]), "dataset 'bias' holds 3 numbers; needed: one, or 2"),
    "delays of channels": (lava.conv(W[:, :, None, None], (2, 1, 1), lava.cuba(), delay=[0, 5]), "its channels have delays"),
    "delays": (lava.dense(W, lava.cuba(), delay=[0, 5, 7]), "'delay' holds 3 numbers; needed: one, or 2, one for every neuron"),
    "late": (lava.dense(W, lava.cuba(), delay=[80, 80]), "dataset 'delay' holds 80 at [0]; needed: 0 to 62 steps"),
    "delay and bias": (lava.dense(W, lava.cuba(), delay=[2, 2], bias=[1]), "it has a delay beside a bias"),
    "unread": (lava.dense(W, lava.cuba(), mask=W), "'mask' is not known"),
    "unread of neurons": (lava.dense(W, lava.cuba(noise=1)), "'noise' is not known"),
    "late input": (lava.input_((3,)), "an input stands first"),
    "feedback": (lava.dense(W, lava.cuba(), type="dense_rec", weight_rec=W), "'weight_rec' is [2, 3]; needed: [2, 2]"),
    "no neurons": (lava.dense(W, bias=[1]), "group 'neuron' is missing"),
    "pooled": (lava.pool(np.full((2, 2), 1.5), (3, 1, 1), lava.cuba(), (2, 2)), "holds 1.5 at [0, 0, 0, 0, 0]"),
    "too deep": (lava.dense(W[None], lava.cuba()), "dataset 'weight' is [1, 2, 3]; needed: 2 dimensions"),
    "shape": (lava.dense(W, lava.cuba(), shape=[2, 2]), "'shape' holds 2 numbers; needed: one, or three, C, H, W"),
    "average": ({"type": "average", "shape": [1]}, "there is nothing before it"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_is_refused_by_name(name, written):
    block, problem = REFUSED[name]
    found = said(written(PIXELS, block))
    assert any(text.startswith("/layer/1") and problem in text for text in found), found


def test_all_problems_are_said_at_once(written):
    path = written(PIXELS, REFUSED["graded"][0], REFUSED["convT"][0], REFUSED["fractions"][0])
    assert [text.split(":")[0] for text in said(path)] == ["/layer/1/neuron", "/layer/2", "/layer/3"]


def test_blocks_that_do_not_fit_each_other_are_said(written):
    assert "layer 'dense2': its weight takes 3 inputs" in said(written(PIXELS, lava.dense(W, lava.cuba()), lava.dense(W)))[0]
    wrong = written(PIXELS, lava.dense(W, lava.cuba(), shape=[5]))
    assert said(wrong) == ["/layer/1: its weights give 2 neurons, where its 'shape' says [5, 1, 1]"]
    turned = written(lava.input_((1, 2, 3)), lava.conv(np.ones((1, 1, 1, 1)), (1, 3, 2), lava.cuba()))
    assert said(turned) == ["layer 'conv1' is [1, 2, 3], where its 'shape' says [1, 3, 2]"]
    behind = written(PIXELS, lava.dense(W), lava.dense(W[:, :2], lava.cuba()))
    assert "it stands behind dense1, which gives the answer" in said(behind)[0]
    flat = written(lava.input_((1, 3, 3)), lava.FLATTEN, lava.conv(np.ones((1, 1, 2, 2)), (1, 2, 2), lava.cuba()))
    assert "it stands behind a flatten" in said(flat)[0]
    assert said(written(PIXELS)) == ["no block has neurons"]
    given = written(PIXELS, lava.dense(W, lava.cuba()))
    assert "the input is [3, 1, 1] here, and [3, 2, 1] was given" in said(given, input_shape=(3, 2, 1))[0]
    assert "give timesteps (--timesteps)" in said(given, encoding="direct")[0]
    driven = written(lava.input_((3,), lava.cuba(100)), lava.dense(W, lava.cuba()))
    assert "slayer adds inputs to it" in said(driven)[0]


LINK, NOTHING = h5py.SoftLink("/layer/0/shape"), {}
# What stands in the place of something else, None for nothing, {} for a group.
HOSTILE = {
    "a block is missing": ("layer/1", None, "no block has neurons"),
    "a block has another name": ("layer/x", NOTHING, "group '2' is missing"),
    "weights are elsewhere": ("layer/1/weight", LINK, "'weight' is a link"),
    "weights are missing": ("layer/1/weight", None, "dataset 'weight' is missing"),
    "weights are complex": ("layer/1/weight", NOTHING, "'weight' is complex"),
    "weights are text": ("layer/1/weight", "many", "dataset 'weight' is object []; needed: integers"),
    "no neurons of any kind": ("layer/1/neuron/type", None, "its neurons are ''"),
    "no neurons": ("layer/1/neuron/iDecay", None, "dataset 'iDecay' is missing"),
    "a map of everything": ("layer/0/shape", [2**20] * 3, "'shape' says 1,152,921,504,606,846,976 neurons; at most 4,194,304"),
    "no blocks": ("layer", NOTHING, "it has 0 blocks"),
    "no steps": ("simulation/tSample", 0, "dataset 'tSample' holds 0; needed: 1 to"),
    "no number": ("layer/1/neuron/vDecay", np.zeros(0), "dataset 'vDecay' holds nothing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_broken_files_are_refused(name, written):
    place, value, problem = HOSTILE[name]
    path = written(PIXELS, lava.dense(W, lava.cuba()))
    with h5py.File(path, "a") as file:
        if place in file:
            del file[place]
        if value is NOTHING:
            file.create_group(place)
        elif value is not None:
            file[place] = value
    assert any(problem in text for text in said(path)), said(path)


def test_weights_that_only_say_they_are_many_are_not_read(written):
    path = written(PIXELS, lava.dense(W, lava.cuba()))
    with h5py.File(path, "a") as file:
        del file["layer/1/weight"]
        file.create_dataset("layer/1/weight", (2**14, 2**14), "f4", chunks=(64, 64))
    assert "declares 1073741824 bytes but stores 0" in said(path)[0]


def test_the_command_takes_both_and_refuses_what_the_file_says(written, tmp_path):
    path, target = written(PIXELS, lava.dense(W, lava.cuba()), steps=5), tmp_path / "net.h5"
    told = call("import", path, "-o", target).out
    assert "dense1" in told and "times 2^7" in told and "is written" in told
    network = ns.load_network(target)
    assert network.sha256 == import_lava(path)[0].sha256 and network.timesteps == 5
    refused("import", path, "-o", target, "--dt", 1, "--leak", "exp", says=["--dt, --leak: a .net file says itself"])
    refused("import", path, "-o", target, "--input-shape", "3x1", says=["--input-shape 3x1: needed is CxHxW"])
    call("import", path, "-o", target, "--input-shape", "3x1x1", "--encoding", "direct", "--timesteps", 4)
    assert ns.load_network(target).input.encoding == "direct"
    (tmp_path / "not.net").write_bytes(b"no")
    refused("import", tmp_path / "not.net", "-o", target, says=["not.net"])
