"""The metrics of NeuroBench are those of its own harness, for the same network in PyTorch and the same data."""

import numpy as np
import pytest

import neurosim as ns

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
pytest.importorskip("neurobench")

from neurobench.benchmarks import Benchmark  # noqa: E402
from neurobench.metrics import static, workload  # noqa: E402
from neurobench.models import SNNTorchModel  # noqa: E402

STEPS, SAMPLES = 5, 6
BETA = 0.5


class Chain(torch.nn.Sequential):
    """Modules one after another, called once per step. snnTorch resets no neurons that lie deeper."""

    def forward(self, x):
        return super().forward(x), None


def leaky(threshold):
    return snn.Leaky(beta=BETA, threshold=threshold, init_hidden=True, reset_delay=False, reset_mechanism="subtract")


def grid(rng, *shape):
    """Weights on a grid so coarse that their sums are exact in float32, one in four of them zero."""
    return (rng.integers(-12, 20, shape) * (rng.random(shape) < 0.75) / 64).astype(np.float32)


def linear(weight):
    module = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    module.weight.data = torch.from_numpy(weight)
    return module


def conv(weight, **how):
    module = torch.nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=False, **how)
    module.weight.data = torch.from_numpy(weight)
    return module


class SumPool(torch.nn.Module):
    """Our pool "sum2"."""

    def forward(self, x):
        return 4 * torch.nn.functional.avg_pool2d(x, 2)


def dense_pair(rng):
    """A dense network on spikes: (ours, theirs, our inputs, theirs [N, T, features])."""
    first, second, last = grid(rng, 24, 18), grid(rng, 16, 24), grid(rng, 3, 16)
    layers = [ns.Dense("fc1", first, 1.0, BETA), ns.Dense("fc2", second, 0.75, BETA), ns.Output("out", last)]
    ours = ns.Network.build("dense", timesteps=STEPS, input_shape=(2, 3, 3), encoding="spikes", layers=layers)
    theirs = Chain(linear(first), leaky(1.0), linear(second), leaky(0.75), linear(last))
    spikes = rng.random((SAMPLES, STEPS, 2, 3, 3)) < 0.4
    return ours, theirs, ns.Inputs.from_spikes(spikes), torch.from_numpy(spikes.reshape(SAMPLES, STEPS, -1)).float()


def conv_pair(rng, image):
    """Strides, padding, both pools and a dense layer behind them, on an *image* or on spikes."""
    one, two, three, last = grid(rng, 4, 2, 3, 3), grid(rng, 6, 4, 3, 3), grid(rng, 5, 6, 2, 2), grid(rng, 3, 45)
    first, second, third = (0.5, 0.75, 1.0) if image else (1.0, 1.0, 1.25)
    layers = [
        ns.Conv("conv1", one, first, BETA, padding=1),
        ns.Conv("conv2", two, second, BETA, pool="max2", padding=1),
        ns.Conv("conv3", three, third, BETA, pool="sum2", padding=1),
        ns.Output("out", last),
    ]
    # A kernel of 2 with padding 1 turns 2x2 into 3x3.
    ours = ns.Network.build(
        "conv", timesteps=STEPS, input_shape=(2, 9, 8), encoding="direct" if image else "spikes", layers=layers
    )
    theirs = Chain(
        conv(one, padding=1), leaky(first), torch.nn.MaxPool2d(2), conv(two, padding=1), leaky(second),
        SumPool(), conv(three, padding=1), leaky(third), torch.nn.Flatten(), linear(last),
    )  # fmt: skip
    if image:
        pixels = (rng.integers(-1, 4, (SAMPLES, 2, 9, 8)) / 8).astype(np.float32)
        return ours, theirs, ns.Inputs(pixels), torch.from_numpy(pixels)[:, None].repeat(1, STEPS, 1, 1, 1)
    spikes = rng.random((SAMPLES, STEPS, 2, 9, 8)) < 0.3
    return ours, theirs, ns.Inputs.from_spikes(spikes), torch.from_numpy(spikes).float()


class Residual(torch.nn.Module):
    """A weighted and an identity shortcut, and a layer that reads the sum of two."""

    def __init__(self, one, two, side, three, last):
        super().__init__()
        self.one, self.two, self.side, self.three = conv(one, padding=1), conv(two, padding=1), conv(side), conv(three)
        self.last, self.fire1, self.fire2, self.fire3 = linear(last), leaky(1.0), leaky(1.0), leaky(0.75)

    def forward(self, x):
        first = self.fire1(self.one(x))
        second = self.fire2(self.two(first) + self.side(first) + 0.25 * first)
        return self.last(self.fire3(self.three(first + second)).flatten(1)), None


def residual_pair(rng):
    """On images of -1, 0 and 1, which count as spikes."""
    one, two, side, three = grid(rng, 4, 2, 3, 3), grid(rng, 4, 4, 3, 3), grid(rng, 4, 4, 1, 1), grid(rng, 3, 4, 1, 1)
    last = grid(rng, 3, 75)
    shortcuts = [ns.Shortcut("one", side), ns.Shortcut("one", scale=0.25)]
    layers = [
        ns.Conv("one", one, 1.0, BETA, padding=1),
        ns.Conv("two", two, 1.0, BETA, padding=1, shortcuts=shortcuts),
        ns.Conv("three", three, 0.75, BETA, inputs=["one", "two"]),
        ns.Output("out", last),
    ]
    ours = ns.Network.build("residual", timesteps=STEPS, input_shape=(2, 5, 5), layers=layers)
    pixels = rng.integers(-1, 2, (SAMPLES, 2, 5, 5)).astype(np.float32)
    shown = torch.from_numpy(pixels)[:, None].repeat(1, STEPS, 1, 1, 1)
    return ours, Residual(one, two, side, three, last), ns.Inputs(pixels), shown


# Seeds with which no potential is above its threshold after a reset, where snnTorch would subtract before it compares.
PAIRS = {
    "dense": lambda: dense_pair(np.random.default_rng(349)),
    "conv": lambda: conv_pair(np.random.default_rng(186), image=False),
    "image": lambda: conv_pair(np.random.default_rng(112), image=True),
    "residual": lambda: residual_pair(np.random.default_rng(554)),
}


@pytest.fixture(params=PAIRS)
def pair(request):
    return PAIRS[request.param]()


def measured(net, data, batch):
    """What the harness says."""
    model = SNNTorchModel(net)
    labels = torch.zeros(len(data), STEPS)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(data, labels), batch_size=batch)
    metrics = [
        [static.Footprint, static.ConnectionSparsity],
        [workload.ActivationSparsity, workload.SynapticOperations, workload.MembraneUpdates, workload.NeuronOperations],
    ]
    with torch.no_grad():
        return Benchmark(model, loader, [], [], metrics).run(quiet=True)


def their_spikes(net, data):
    """Spikes of all Leaky layers, bool [N, T, neurons] each."""
    found = {}
    neurons = [m for m in net.modules() if isinstance(m, snn.Leaky)]
    for index, module in enumerate(neurons):
        module.register_forward_hook(lambda _, __, out, index=index: found.setdefault(index, []).append(out))
    with torch.no_grad():
        SNNTorchModel(net)(data)
    return [torch.stack(steps, 1).flatten(2).numpy() > 0 for _, steps in sorted(found.items())]


def test_the_networks_are_the_same(pair):
    ours, theirs, inputs, data = pair
    trace = ns.simulate(ours, inputs, record_potentials=True)
    spiking = [layer for layer in ours.layers if layer.spiking]
    for layer, spikes in zip(spiking, their_spikes(theirs, data), strict=True):
        assert np.array_equal(trace.spikes(layer.name).reshape(spikes.shape), spikes)
        assert 0.01 < spikes.mean() < 0.9
        assert (trace.potentials(layer.name) <= layer.threshold).all()


@pytest.mark.parametrize("batch", [1, 4, SAMPLES])
def test_every_metric_is_the_harness_own(pair, batch):
    ours, theirs, inputs, data = pair
    said = measured(theirs, data, batch)
    found = ns.neurobench(ns.simulate(ours, inputs, record_changes=True), batch).to_dict()
    assert found["synaptic_operations"] == said["SynapticOperations"]
    assert found["membrane_updates"] == said["MembraneUpdates"]
    assert found["neuron_operations"] == said["NeuronOperations"]
    assert found["connection_sparsity"] == said["ConnectionSparsity"]
    assert found["footprint"]["float32_bytes"] == said["Footprint"]
    # The harness averages over batches.
    assert found["activation_sparsity"] == pytest.approx(said["ActivationSparsity"], rel=1e-12)
    assert found["missing"] == {}


def test_an_image_makes_macs_and_spikes_acs():
    """By the harness itself: the sums of pooling windows make MACs too."""
    operations = {name: measured(PAIRS[name]()[1], PAIRS[name]()[3], SAMPLES)["SynapticOperations"] for name in PAIRS}
    assert operations["dense"]["Effective_MACs"] == 0 < operations["dense"]["Effective_ACs"]
    assert 0 < operations["conv"]["Effective_MACs"] < operations["conv"]["Effective_ACs"] < operations["conv"]["Dense"]
    assert operations["image"]["Effective_MACs"] > operations["image"]["Effective_ACs"] > 0
    # Sums of two spikes make MACs, images of -1, 0 and 1 do not.
    assert 0 < operations["residual"]["Effective_MACs"] < operations["residual"]["Effective_ACs"]


def test_a_bias_is_no_operation():
    _, theirs, _, data = PAIRS["conv"]()
    before = measured(theirs, data, SAMPLES)
    theirs[0].bias = torch.nn.Parameter(torch.zeros(4))
    after = measured(theirs, data, SAMPLES)
    assert after["SynapticOperations"] == before["SynapticOperations"]
    assert after["ConnectionSparsity"] == before["ConnectionSparsity"]
