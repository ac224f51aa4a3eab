"""From PyTorch: a model of a framework becomes a network that spikes as the framework does, or a refusal that says why."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import InputsError, NetworkError
from neurosim.spikes.verify import verify
from tests.helpers import samples

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
from torch import nn  # noqa: E402

from neurosim.frameworks import Lif, from_torch  # noqa: E402
from tests.frameworks.zoo import GRID, snntorch, spikingjelly  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)


def on_grid(model, seed):
    """All weights and biases multiples of 1/64, so that no sum of float32 is rounded; mostly positive, so that it spikes."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randint(-12, 25, weight.shape, generator=rng) / GRID)
    return model.eval()


def spikes(seed, *shape, count=3, steps=5, share=0.3):
    return (torch.rand(count, steps, *shape, generator=torch.Generator().manual_seed(seed)) < share).float()


def thresholds(seed, *shape):
    return torch.randint(20, 100, shape, generator=torch.Generator().manual_seed(seed)) / GRID


def leaky_net(**rule):
    """Convolutions, both places of an average pool, a max pool; parameters of layers, channels and neurons."""
    leaky = snntorch().Leaky
    betas, learned = torch.tensor([0.5, 1, 0.75, 0])[:, None, None], torch.tensor([0.5, 0.75, 0, 1, 0.25])
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), leaky(0.5, threshold=0.75, init_hidden=True, **rule), nn.AvgPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1, bias=False), leaky(betas, threshold=thresholds(1, 4, 1, 1), init_hidden=True, **rule),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 5),
        leaky(learned, threshold=thresholds(2, 5), init_hidden=True, learn_beta=True, **rule),
    )  # fmt: skip


def assert_exact(network):
    """Every spike and every potential, to the last bit."""
    golden = network.golden
    data = golden.images
    inputs = ns.Inputs.from_spikes(data) if network.input.encoding == "spikes" else ns.Inputs(data)
    trace = ns.simulate(network, inputs, record_potentials=True)
    for layer in network.layers:
        assert (trace.potentials(layer.name) == golden.samples[layer.name].potentials).all()
        if layer.spiking:
            fired = trace.spikes(layer.name).reshape(golden.samples[layer.name].spikes.shape)
            assert (fired == golden.samples[layer.name].spikes).all()
    assert verify(network).ok


@pytest.mark.parametrize("delayed", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@settings(max_examples=8)
@given(SEEDS)
def test_leaky_neurons_of_snntorch_spike_exactly_alike(reset, delayed, seed):
    beta = leaky_net(reset_mechanism=reset, reset_delay=delayed)
    learned = beta[-1].beta.detach().clone()
    model = on_grid(beta, seed)
    with torch.no_grad():
        model[-1].beta.copy_(learned)
    network = from_torch(model, spikes(seed, 2, 8, 8))
    late = reset == "subtract" and delayed
    assert network.dynamics == ("leak, integrate, reset, compare" if late else "leak, integrate, compare, reset")
    if "notes" in network.about:
        # Two thresholds where a potential is above one after its reset: said, and blamed when it shows.
        assert reset == "subtract" and not delayed
        verdict = verify(network)
        assert verdict.ok or "reset_delay=False" in verdict.first.causes[0]
    else:
        assert_exact(network)


@pytest.mark.parametrize("delayed", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("kind", ["Synaptic", "RLeaky", "RLeaky one to one", "RSynaptic"])
def test_currents_and_feedback_of_snntorch_spike_exactly_alike(kind, reset, delayed):
    snn = snntorch()
    rule = {"threshold": 1.25, "init_hidden": True, "reset_mechanism": reset, "reset_delay": delayed}
    neurons = {
        "Synaptic": lambda: snn.Synaptic(0.5, 0.75, **rule),
        "RLeaky": lambda: snn.RLeaky(0.5, linear_features=6, **rule),
        "RLeaky one to one": lambda: snn.RLeaky(0.5, all_to_all=False, V=thresholds(3, 6), **rule),
        "RSynaptic": lambda: snn.RSynaptic(0.5, 0.75, linear_features=6, **rule),
    }[kind]()
    model = on_grid(nn.Sequential(nn.Linear(7, 6), neurons, nn.Linear(6, 3), snn.Leaky(0.5, reset_mechanism="none")), 5)
    if kind == "RSynaptic" and not delayed:
        # snnTorch 1.0.0 cannot run it either.
        refused(model, "fails on the samples by itself: TypeError", x=spikes(6, 7))
        return
    network = from_torch(model, spikes(6, 7, share=0.2))
    assert "notes" in network.about or assert_exact(network) is None
    assert network.layers[0].shortcuts == () or network.layers[0].shortcuts[0].delay == 1
    assert network.output.kind == "output" and network.output.leak == 0.5


@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("v_reset", [None, 0.0, -0.5])
@pytest.mark.parametrize("kind", ["IFNode", "LIFNode", "LIFNode decayed", "ParametricLIFNode"])
def test_neurons_of_spikingjelly_spike_exactly_alike(kind, v_reset, mode):
    spikingjelly()
    from spikingjelly.activation_based import functional, layer, neuron

    name, _, decayed = kind.partition(" ")
    extra = {} if name == "IFNode" else {"decay_input": bool(decayed)}

    def neurons(threshold):
        return getattr(neuron, name)(v_threshold=threshold, v_reset=v_reset, **extra)

    model = nn.Sequential(
        layer.Conv2d(2, 3, 3, padding=1), layer.AvgPool2d(2), neurons(0.5), layer.MaxPool2d(2), layer.Flatten(),
        layer.Linear(12, 6, bias=False), neurons(0.25), layer.Linear(6, 3),
    )  # fmt: skip
    functional.set_step_mode(model, mode)
    weights = [p for n, p in model.named_parameters() if not n.endswith(".w")]
    on_grid(nn.ParameterList(weights), 4)
    network = from_torch(model.eval(), spikes(7, 2, 8, 8, steps=4))
    assert network.compare == ">=" and network.reset == ("subtract" if v_reset is None else "zero")
    assert_exact(network)
    assert network.golden.samples["conv1"].spikes.any()


@settings(max_examples=10)
@given(SEEDS)
def test_random_weights_differ_by_roundings_at_the_threshold_alone(seed):
    """A layer has as few as 75 neurons and steps here, of which one rounding, and what follows from it, may take a few."""
    torch.manual_seed(seed)
    verdict = verify(from_torch(leaky_net(reset_mechanism="subtract").eval(), spikes(seed, 2, 8, 8)))
    assert verdict.ok or verdict.rounding_only
    assert max(verdict.rates.values()) <= 0.05 and verdict.off == 0


def test_a_normalisation_is_folded_into_its_weights():
    snn = snntorch()
    norm = nn.BatchNorm2d(3)
    norm.running_mean, norm.running_var = torch.tensor([0.1, -0.2, 0.3]), torch.tensor([0.5, 2.0, 1.0])
    norm.weight.data, norm.bias.data = torch.tensor([0.9, 1.5, -0.7]), torch.tensor([0.2, 0.1, 0.4])
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), norm, snn.Leaky(0.8, threshold=0.4, init_hidden=True), nn.Flatten(), nn.Linear(108, 2)
    )
    verdict = verify(from_torch(model.eval(), spikes(1, 2, 8, 8)))
    assert verdict.ok and verdict.compared > 0


class Loop(nn.Module):
    """A model that runs through time by itself, on [T, N, ...]."""

    def __init__(self, between=None):
        super().__init__()
        snn = snntorch()
        self.fc1, self.lif1 = nn.Linear(7, 6), snn.Leaky(0.5, threshold=0.5)
        self.fc2, self.lif2 = nn.Linear(6, 3), snn.Leaky(0.75, reset_mechanism="none")
        self.between = between or (lambda x: x)

    def forward(self, x):
        one, two, kept = self.lif1.init_leaky(), self.lif2.init_leaky(), []
        for t in range(x.shape[0]):
            fired, one = self.lif1(self.fc1(x[t]), one)
            _, two = self.lif2(self.fc2(self.between(fired)), two)
            kept.append(two)
        return torch.stack(kept)


def test_a_model_that_loops_over_time_is_run_as_it_is():
    def run(model, x):
        return model(x.transpose(0, 1))

    model = on_grid(Loop(), 1)
    network = from_torch(model, spikes(2, 7), [0, 1, 2], run=run)
    assert [layer.name for layer in network.layers] == ["fc1", "fc2"]
    assert network.golden.labels.tolist() == [0, 1, 2]
    assert network.decode == "mean-potential"
    assert_exact(network)
    assert from_torch(model, spikes(2, 7)).sha256 == network.sha256
    refused(
        Loop(torch.sigmoid), "sigmoid", "put spiking neurons there", "test_frameworks.py", "self.between(fired)", x=spikes(2, 7)
    )


@pytest.mark.parametrize(
    "between", [lambda x: x.mul_(2), lambda x: x.flip(1), lambda x: x[:, [0, 0, 1, 5, 2, 3]], lambda x: 2 * x - 1]
)
def test_what_happens_between_modules_is_seen(between):
    assert_exact(from_torch(on_grid(Loop(between), 1), spikes(2, 7)))


def test_images_are_shown_at_every_step_as_floats_or_as_pixels():
    model = on_grid(nn.Sequential(nn.Conv2d(1, 3, 3), Lif(1.5, 0.75), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 4)), 3)
    images = torch.randint(0, 256, (3, 1, 6, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    on_steps = images.float() / 256
    network = from_torch(model, on_steps, timesteps=4)
    assert network.golden.images.dtype == np.float32 and network.timesteps == 4
    assert_exact(network)
    pixels = from_torch(model, images, timesteps=4, mean=(0.4,), std=(0.3,))
    assert pixels.golden.images.dtype == np.uint8
    verdict = verify(pixels)
    assert verdict.ok or verdict.rounding_only


def test_state_from_before_does_not_matter_and_none_is_left_behind():
    model = on_grid(leaky_net(), 9)
    first = from_torch(model, spikes(1, 2, 8, 8))
    model(torch.ones(3, 2, 8, 8))
    again = from_torch(model, spikes(1, 2, 8, 8))
    assert first.sha256 == again.sha256
    for name, recorded in first.golden.samples.items():
        assert (recorded.spikes == again.golden.samples[name].spikes).all()
    assert not any(buffer.any() for name, buffer in model.named_buffers() if name.endswith("mem"))


def refused(model, *says, x=None, **options):
    with pytest.raises(NetworkError) as error:
        from_torch(model, spikes(0, 7) if x is None else x, **options)
    for words in says:
        assert words in str(error.value), str(error.value)
    return error.value


def test_everything_that_cannot_be_said_is_refused_at_once():
    snn = snntorch()
    neuron = snn.Leaky(0.9, init_hidden=True, inhibition=True, graded_spikes_factor=2.0, state_quant=lambda x: x)
    model = nn.Sequential(
        nn.Linear(7, 6), nn.ReLU(), neuron, nn.Dropout(0.5), nn.Linear(6, 6), nn.Linear(6, 6),
        snn.Leaky(0.5, init_hidden=True, reset_mechanism="zero"), snn.Leaky(0.5, init_hidden=True),
    )  # fmt: skip
    error = refused(
        model, "1 (ReLU)", "2 (Leaky): inhibition", "2 (Leaky): state_quant", "2 (Leaky): graded_spikes_factor",
        "3 (Dropout): is in training mode",
    )  # fmt: skip
    assert len(error.problems) == 5
    sound = nn.Sequential(
        nn.Linear(7, 6), snn.Leaky(0.5, init_hidden=True), nn.Linear(6, 6), nn.Linear(6, 6),
        snn.Leaky(0.5, init_hidden=True, reset_mechanism="zero"), snn.Leaky(0.5, init_hidden=True),
    )  # fmt: skip
    assert_exact(from_torch(on_grid(sound, 3), spikes(1, 7, share=0.6)))


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (nn.Conv2d(2, 4, 3).double(), "float64"),
        (nn.Sequential(nn.Flatten(), nn.Linear(128, 16), nn.Unflatten(1, (1, 4, 4)), nn.MaxPool2d(2)), "behind the neurons"),
        (nn.Linear(8, 3), "row by row"),
    ],
)
def test_modules_that_cannot_be_folded_are_named(module, says):
    model = nn.Sequential(module, Lif(0.5)).eval()
    x = spikes(0, 2, 8, 8).double() if "64" in says else spikes(0, 2, 8, 8)
    if "64" in says:
        refused(model, says, x=x, run=lambda m, x: [m(x[:, t].double()) for t in range(x.shape[1])])
    else:
        refused(model, says, x=x)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(2, 4, 3, groups=2),
        nn.Conv2d(2, 4, 3, dilation=2),
        nn.Sequential(nn.AvgPool2d(4, 2), nn.Conv2d(2, 4, 3)),
        nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.Conv2d(2, 4, 3)),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2)),
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"),
        nn.Sequential(nn.BatchNorm2d(2, eps=0.0), nn.Conv2d(2, 4, 3, padding=1)),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 3)),
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4, eps=0.0), nn.Conv2d(4, 3, 1)),
        nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Flatten(), nn.Linear(180, 5)),
        nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(8, 3, 3), nn.Flatten(), nn.Linear(12, 5)),
        nn.Sequential(nn.AdaptiveAvgPool2d(16), nn.Flatten(), nn.Linear(512, 5)),
    ],
)
def test_modules_that_stand_in_front_of_weights_or_behind_are_folded_into_them(module):
    assert_exact(from_torch(on_grid(nn.Sequential(module, Lif(0.5), nn.Flatten()), 5), spikes(0, 2, 8, 8)))


def test_samples_that_are_no_samples_are_refused():
    model = nn.Sequential(nn.Linear(7, 6), Lif(0.5))
    refused(model, "[N, T, ...]", x=torch.ones(3))
    refused(model, "5 steps, timesteps is 4", encoding="spikes", timesteps=4)
    refused(model, "need timesteps", encoding="direct")
    for labels, says in (([0, 1], r"labels are int64 \[2\]"), ([0, 1, 6], "6 classes"), ([0.5, 1, 2], "integers")):
        with pytest.raises(InputsError, match=says):
            from_torch(model, spikes(0, 7), labels)
    with pytest.raises(InputsError, match="not finite"):
        from_torch(model, torch.full((2, 7), torch.nan), timesteps=2)


@pytest.fixture(scope="module")
def exported():
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), Lif(0.8, 0.9), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 6), Lif(1, 0.5)
    )
    return from_torch(on_grid(model, 8), spikes(3, 2, 8, 8))


EDITS = {
    "a weight": ("layers/conv1/weight_float", (1, 0, 1, 1), 0.5, "a weight onto this neuron"),
    "a bias": ("layers/conv1/bias_float", (1, 0, 0), 0.5, "a weight onto this neuron, or its bias"),
    "a threshold": ("layers/conv1/threshold_float", (), 0.7, "the threshold of this layer was about 0.8"),
    "a leak": ("layers/conv1/leak_float", (), 0.7, "the leak of this layer was 0.9"),
    "reset": ("reset", None, "zero", "a spike subtracted the threshold"),
    "dynamics": ("dynamics", None, "leak, integrate, reset, compare", "a spike reset its neuron in its own step"),
}


@pytest.mark.parametrize(("place", "index", "value", "says"), EDITS.values(), ids=EDITS)
def test_one_change_in_the_file_is_found_and_rightly_blamed(tmp_path, exported, place, index, value, says):
    file = tmp_path / "net.h5"
    exported.save(file)
    right = samples.call("verify", file)
    assert (right.code, right.err) == (0, "") and " 0 mismatches" in " ".join(right.out.split())
    with h5py.File(file, "r+") as opened:
        if index is None:
            opened.attrs[place] = value
        else:
            opened[place][index] = value
    wrong = samples.call("verify", file, "--json", "-")
    assert (wrong.code, wrong.err) == (1, "")
    found = samples.only_json(wrong.out)
    assert found["first"]["layer"] == "conv1" and not found["rounding_only"]
    assert says in " ".join(found["first"]["causes"])


def test_the_other_comparison_is_blamed_where_a_potential_meets_its_threshold():
    network = from_torch(nn.Sequential(on_grid(nn.Linear(1, 1, bias=False), 0), Lif(0.5)), torch.ones(1, 4, 1))
    weight = np.full((1, 1), 0.25, np.float32)
    network = from_torch_with(network, weight)
    other = replace(network, golden=None, compare=">=").with_golden(network.golden)
    assert verify(network).ok
    assert verify(other).first.causes == ("neurons fired at '>' when it was recorded",)


def from_torch_with(network, weight):
    linear = nn.Linear(1, 1, bias=False)
    linear.weight.data = torch.from_numpy(weight)
    return from_torch(nn.Sequential(linear, Lif(0.5)), torch.ones(1, 4, 1))


def test_a_difference_within_rounding_is_said_to_be_one_and_accepted(tmp_path):
    """Nine inputs of 0.1 add up to 0.9 or a little more, by order."""
    linear = nn.Linear(9, 1, bias=False)
    linear.weight.data = torch.full((1, 9), 0.1)
    network = from_torch(nn.Sequential(linear, Lif(0.9)), torch.ones(1, 1, 9))
    spike = network.golden.samples["fc1"].spikes
    flipped = replace(network.golden.samples["fc1"], spikes=~spike, potentials=np.where(spike, 0.9, 0.0).astype(np.float32))
    network = network.with_golden(replace(network.golden, samples={"fc1": flipped}, answers=None))
    verdict = verify(network)
    assert verdict.ok and verdict.rounding_only and "rounding" in verdict.first.causes[0]
    assert verify(network, tolerance=1.0).ok and not verify(network, tolerance=0.0).ok
    network.save(tmp_path / "net.h5")
    told = samples.call("verify", tmp_path / "net.h5")
    assert told.code == 0 and "accepted roundings alone: fc1 100.0 %" in " ".join(told.out.split())
    assert samples.call("verify", tmp_path / "net.h5", "--tolerance", "0").code == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_recorded_potentials_that_are_no_numbers_are_a_mismatch(exported, value):
    recorded = dict(exported.golden.samples)
    potentials = recorded["conv1"].potentials.copy()
    potentials[1, 2, 5] = value
    recorded["conv1"] = replace(recorded["conv1"], potentials=potentials)
    verdict = verify(exported.with_golden(replace(exported.golden, samples=recorded)), tolerance=1.0)
    assert not verdict.ok and verdict.first.step == 2 and verdict.off == 1


def test_golden_pixels_that_are_no_numbers_are_refused(tmp_path):
    network = from_torch(nn.Sequential(nn.Linear(7, 6), Lif(0.5)), torch.rand(2, 7), timesteps=2)
    network.save(tmp_path / "net.h5")
    assert ns.load_network(tmp_path / "net.h5").golden.images.dtype == np.float32
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        file["golden/inputs"][0, 3] = np.nan
    samples.refused("verify", tmp_path / "net.h5", says=["golden", "not finite"])


def test_integers_have_no_tolerance(exported):
    with pytest.raises(NetworkError, match="integers are exact"):
        verify(samples.golden(samples.residual()), tolerance=0.1)


def test_the_integers_of_a_model_agree_with_the_integer_reference(tmp_path):
    """Everything that a framework's neuron can have goes through quantize with golden samples of its own."""
    snn = snntorch()
    rule = {"init_hidden": True, "threshold": thresholds(4, 6)}
    models = {
        "feedback": nn.Sequential(
            nn.Linear(7, 6),
            snn.RSynaptic(0.5, 0.8, linear_features=6, **rule),
            nn.Linear(6, 3),
            snn.Leaky(0.7, reset_mechanism="none"),
        ),
        "direct": nn.Sequential(nn.Linear(7, 6), Lif(thresholds(5, 6), 0.9), nn.Linear(6, 3), Lif()),
    }
    torch.manual_seed(1)
    for name, model in models.items():
        shown = {"x": spikes(1, 7)} if name == "feedback" else {"x": torch.rand(3, 7) * 3 - 1, "timesteps": 4}
        from_torch(model.eval(), shown.pop("x"), **shown).save(tmp_path / "float.h5")
        made = samples.call("quantize", tmp_path / "float.h5", "-o", tmp_path / "integer.h5")
        assert made.code == 0, made.err
        found = samples.call("verify", tmp_path / "integer.h5", "--json", "-")
        values = samples.only_json(found.out)
        assert (found.code, values["mismatches"]) == (0, 0)
        assert values["probes"] == 2 and values["float_mismatch_rate"]["fc1"] < 0.1


def test_what_follows_something_unsupported_is_not_told_to_be_multiplied_into_it():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    with pytest.raises(ns.NeurosimError) as raised:
        from_torch(model, np.ones((1, 2, 4)))
    assert "ReLU" in str(raised.value) and "multiply" not in str(raised.value)
