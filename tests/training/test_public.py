"""Checkpoints of the public DIET-SNN code: the keys as its files have them, the answer of its network, and every damage."""

import numpy as np
import pytest

import neurosim as ns
from neurosim.errors import FileError, NeurosimError
from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from torch.nn import functional as F  # noqa: E402

from neurosim.training import public  # noqa: E402
from neurosim.training.architecture import architecture  # noqa: E402
from neurosim.training.augment import Pixels  # noqa: E402
from neurosim.training.datasets import Dataset, Split  # noqa: E402

CIFAR = (3, 32, 32)
# The numbers of the spiking layers in `threshold.tN` and `leak.lN`, as the public code gives them.
VGG16 = [*range(0, 39, 3), 39, 42]
VGG5 = [0, 3, 6, 9, 12]
RESNET20 = [0, 3, 6, *range(9, 25)]
RESNET12 = [0, 3, 6, *range(9, 17)]


def vgg5(rng, hidden=12):
    """The state_dict of a VGG5 for CIFAR-10 with narrow dense layers."""
    shapes = {
        "features.0": (64, 3, 3, 3), "features.3": (128, 64, 3, 3), "features.6": (128, 128, 3, 3),
        "classifier.0": (hidden, 8192), "classifier.3": (hidden, hidden), "classifier.6": (10, hidden),
    }  # fmt: skip
    return _filled(rng, shapes, VGG5)


def resnet12(rng):
    shapes = {"pre_process.0": (64, 3, 3, 3), "pre_process.3": (64, 64, 3, 3), "pre_process.6": (64, 64, 3, 3)}
    before = 64
    for stage, channels in enumerate((64, 128, 256, 512), 1):
        shapes[f"layer{stage}.0.residual.0"] = (channels, before, 3, 3)
        shapes[f"layer{stage}.0.residual.3"] = (channels, channels, 3, 3)
        if channels != before:
            shapes[f"layer{stage}.0.identity.0"] = (channels, before, 1, 1)
        before = channels
    return _filled(rng, shapes | {"classifier.0": (10, 2048)}, RESNET12)


def _filled(rng, shapes, numbers):
    state = {}
    for key, shape in shapes.items():
        weight = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[f"{key}.weight"] = torch.from_numpy(weight.astype(np.float16).astype(np.float32))
    # Out of order, as a public file has them.
    for n in sorted(numbers, key=str):
        state[f"threshold.t{n}"] = torch.tensor(0.3 + 0.01 * n)
        state[f"leak.l{n}"] = torch.tensor(1 - 0.005 * n)
    return state


def saved(state, prefix="module.", **more):
    return {"state_dict": {prefix + k: v for k, v in state.items()}, "timesteps": 3, "epoch": 9, "accuracy": 0.5} | more


class TheirNetwork:
    """The forward of the public code, read from its state_dict alone: per step leak, integrate, compare, reset."""

    def __init__(self, state):
        self.state, self.u = state, {}

    def neuron(self, number, current):
        v, leak = self.state[f"threshold.t{number}"], self.state[f"leak.l{number}"]
        u = leak * self.u.get(number, 0.0) + current
        spike = (u / v - 1 > 0).float()
        self.u[number] = u - v * spike
        return spike

    def conv(self, key, x, stride=1):
        weight = self.state[f"{key}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def vgg5(self, x):
        x = F.avg_pool2d(self.neuron(0, self.conv("features.0", x)), 2)
        x = self.neuron(3, self.conv("features.3", x))
        x = F.avg_pool2d(self.neuron(6, self.conv("features.6", x)), 2).flatten(1)
        x = self.neuron(9, x @ self.state["classifier.0.weight"].T)
        x = self.neuron(12, x @ self.state["classifier.3.weight"].T)
        return x @ self.state["classifier.6.weight"].T

    def resnet12(self, x):
        for number in (0, 3, 6):
            x = self.neuron(number, self.conv(f"pre_process.{number}", x))
        x = F.avg_pool2d(x, 2)
        for stage in (1, 2, 3, 4):
            key, number, stride = f"layer{stage}.0", 7 + 2 * stage, 1 if stage == 1 else 2
            inner = self.neuron(number, self.conv(f"{key}.residual.0", x, stride))
            identity = x if stage == 1 else self.conv(f"{key}.identity.0", x, stride)
            x = self.neuron(number + 1, self.conv(f"{key}.residual.3", inner) + identity)
        return x.flatten(1) @ self.state["classifier.0.weight"].T

    def logits(self, name, image, timesteps):
        return sum(getattr(self, name)(image) for _ in range(timesteps))


@pytest.fixture
def data(monkeypatch):
    rng = np.random.default_rng(5)
    split = Split(rng.integers(0, 256, (6, *CIFAR)).astype(np.uint8), np.arange(6) % 10)
    names = tuple("abcdefghij")
    dataset = Dataset("noise", 10, names, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), split, split, split)
    monkeypatch.setattr(public, "load_dataset", lambda path, validation, checked: dataset)
    return dataset


@pytest.mark.parametrize(("name", "make"), [("vgg5", vgg5), ("resnet12", resnet12)])
def test_an_imported_network_answers_what_the_public_code_answers(tmp_path, data, name, make):
    state = make(np.random.default_rng(0))
    torch.save(saved(state), tmp_path / "theirs.pth")
    report = public.convert_public(tmp_path / "theirs.pth", tmp_path / "net.h5", name, tmp_path)
    network = ns.load_network(tmp_path / "net.h5")
    theirs = TheirNetwork(state).logits(name, Pixels(data, "cpu")(data.test.images), 3).numpy()
    ours = ns.simulate(network.float_twin, ns.Inputs(data.test.images)).outputs
    assert np.abs(theirs - ours).mean() < 0.02 * np.abs(theirs).mean()
    assert network.timesteps == 3 and verify(network).ok
    assert 0.02 < report["spikes_per_neuron"] < 3 and max(report["float_mismatch_rate"].values()) < 1e-3


@pytest.mark.parametrize(("name", "numbers"), [("vgg5", VGG5), ("vgg16", VGG16), ("resnet20", RESNET20)])
def test_the_keys_are_those_of_the_public_files(name, numbers):
    keys = public.public_keys(architecture(name, CIFAR, 10))
    assert [k.neurons for k in keys.values()] == [*numbers, None]
    if name == "vgg16":
        assert [k.weight for k in keys.values()][:2] == ["features.0.weight", "features.3.weight"]
        assert [k.weight for k in keys.values()][-4:] == [
            "features.36.weight", "classifier.0.weight", "classifier.3.weight", "classifier.6.weight"
        ]  # fmt: skip
    if name == "resnet20":
        assert keys["res4_2_conv2"].weight == "layer4.1.residual.3.weight" and keys["res4_2_conv2"].neurons == 24
        assert [k.skip for k in keys.values() if k.skip] == [f"layer{s}.0.identity.0.weight" for s in (2, 3, 4)]
        assert keys["out"].weight == "classifier.0.weight"


def plan(hidden=(12, 12)):
    return architecture("vgg5", CIFAR, 10, hidden=hidden)


def test_the_prefix_of_several_devices_may_be_absent_and_lists_may_hold_the_neurons():
    state = vgg5(np.random.default_rng(0))
    one = public.loaded(saved(state), plan(), "x")
    weights = {k: v for k, v in state.items() if k.endswith("weight")}
    listed = {
        "thresholds": [state[f"threshold.t{n}"].item() for n in VGG5], "leak": [state[f"leak.l{n}"].item() for n in VGG5]
    }  # fmt: skip
    for other in (saved(state, prefix=""), state, saved(weights, **listed)):
        two = public.loaded(other, plan(), "x")
        assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("features.3.weight"), "features.3.weight is missing"),
        (lambda s: s.pop("leak.l9"), "leak.l9 is missing"),
        (lambda s: s.update({"features.9.weight": torch.zeros(1)}), "features.9.weight is not part of vgg5"),
        (lambda s: s.update({"classifier.3.weight": torch.zeros(12, 11)}), r"classifier.3.weight is \[12, 11\], vgg5 needs"),
        (lambda s: s.update({"threshold.t3": torch.tensor(-1.0)}), "threshold.t3 is -1; a threshold must be positive"),
        (lambda s: s.update({"leak.l6": torch.tensor(1.5)}), "leak.l6 is 1.5; a leak must lie in 0..1"),
        (lambda s: s.update({"leak.l6": torch.ones(128, 8, 8)}), r"leak.l6 is \[128, 8, 8\], vgg5 needs \[\]"),
        (lambda s: s["features.0.weight"].fill_(float("nan")), "features.0.weight is not finite"),
    ],
)  # fmt: skip
def test_a_state_dict_that_does_not_fit_is_refused(change, words):
    state = vgg5(np.random.default_rng(0))
    change(state)
    with pytest.raises(FileError, match=words):
        public.loaded(saved(state), plan(), "theirs.pth")


def test_all_problems_come_at_once_and_a_wrong_architecture_is_named():
    state = vgg5(np.random.default_rng(0))
    del state["features.0.weight"], state["threshold.t12"]
    with pytest.raises(FileError) as caught:
        public.loaded(saved(state), plan(), "x")
    assert len(caught.value.problems) == 2
    with pytest.raises(FileError, match=r"features\.9\.weight is missing"):
        public.loaded(saved(vgg5(np.random.default_rng(0))), architecture("vgg9", CIFAR, 10, hidden=(12, 12)), "x")


def test_a_threshold_left_over_by_their_code_is_let_be_in_a_residual_network_only():
    state = resnet12(np.random.default_rng(0))
    state["threshold.t17"] = torch.tensor(1.0)
    public.loaded(saved(state), architecture("resnet12", CIFAR, 10), "x")
    state["leak.l17"] = torch.tensor(1.0)
    with pytest.raises(FileError, match=r"leak\.l17 is not part of resnet12"):
        public.loaded(saved(state), architecture("resnet12", CIFAR, 10), "x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": 5}, "no state_dict of real, dense tensors"),
        ({"epoch": 3}, "no state_dict of real, dense tensors"),
        (saved({}), "features.0.weight is missing"),
        (saved(vgg5(np.random.default_rng(0)), timesteps=0), "timesteps is 0; give --timesteps"),
        (saved(vgg5(np.random.default_rng(0)), timesteps="5"), "timesteps is '5'"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_and_nothing_written(tmp_path, data, content, words):
    torch.save(content, tmp_path / "theirs.pth")
    with pytest.raises(NeurosimError, match=words):
        public.convert_public(tmp_path / "theirs.pth", tmp_path / "net.h5", "vgg5", tmp_path)
    assert not (tmp_path / "net.h5").exists()


def test_a_checkpoint_cannot_run_code(tmp_path, data):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "pwned"), "w"))

    torch.save({"state_dict": {}, "x": Evil()}, tmp_path / "theirs.pth")
    with pytest.raises(NeurosimError, match="cannot be read as a checkpoint"):
        public.convert_public(tmp_path / "theirs.pth", tmp_path / "net.h5", "vgg5", tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_the_pool_is_the_one_that_was_asked_for(tmp_path, data):
    torch.save(saved(vgg5(np.random.default_rng(0))), tmp_path / "theirs.pth")
    public.convert_public(tmp_path / "theirs.pth", tmp_path / "net.h5", "vgg5", tmp_path, pool="max")
    assert {layer.pool for layer in ns.load_network(tmp_path / "net.h5").layers} == {None, "max2"}
