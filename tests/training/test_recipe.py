"""What a training run is made of: every option reaches what it names, every choice is made on the right images."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.helpers.samples import call

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

import neurosim as ns  # noqa: E402
from neurosim.errors import NeurosimError  # noqa: E402
from neurosim.kernels import training as kernel  # noqa: E402
from neurosim.training import ann as ann_module  # noqa: E402
from neurosim.training import augment, behaviour, measure, neurons, public  # noqa: E402
from neurosim.training import snn as snn_module  # noqa: E402
from neurosim.training import train as training  # noqa: E402
from neurosim.training import trainer as trainer_module  # noqa: E402
from neurosim.training.ann import Ann  # noqa: E402
from neurosim.training.architecture import architecture  # noqa: E402
from neurosim.training.augment import Pixels  # noqa: E402
from neurosim.training.balance import balance_thresholds  # noqa: E402
from neurosim.training.behaviour import Behaviour  # noqa: E402
from neurosim.training.checkpoint import Checkpoints  # noqa: E402
from neurosim.training.convert import convert  # noqa: E402
from neurosim.training.datasets import load_mnist  # noqa: E402
from neurosim.training.recipe import PUBLISHED, Recipe  # noqa: E402
from neurosim.training.scaling import percentiles, search  # noqa: E402
from neurosim.training.snn import SMALLEST_THRESHOLD, Snn  # noqa: E402
from neurosim.training.trainer import Trainer  # noqa: E402
from neurosim.training.weights import SKIP, Weights  # noqa: E402
from tests.helpers.courses import QUICK, tiny  # noqa: E402


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_of_a_population_longer_than_a_block_are_whole(shared):
    rng = np.random.default_rng(0)
    n = kernel.BLOCK + 5
    current = torch.from_numpy(rng.normal(0.5, 0.7, (1 if shared else 4, 1, n)))
    grad = torch.from_numpy(rng.normal(size=(4, 1, n)))
    pre, _ = neurons._fire(current, scalar(0.9), scalar(0.8), 0.5, 4)
    slow = neurons._gradients(grad, pre, scalar(0.9), scalar(0.8), 0.5, "triangle", shared)
    fast = neurons._gradients_compiled(grad, pre, scalar(0.9), scalar(0.8), 0.5, "triangle", shared)
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fire", [neurons._fire, neurons._fire_compiled])
def test_a_potential_at_the_threshold_does_not_fire_on_any_device(fire):
    _, spikes = fire(torch.tensor([1.0, 0.0, 0.5])[:, None, None], torch.tensor(1.0), torch.tensor(1.0), 0.0, 3)
    assert spikes.flatten().tolist() == [0, 0, 1]


def test_initial_weights_have_the_spread_of_he_and_residual_branches_start_small():
    torch.manual_seed(0)
    for step in (weights := Weights(architecture("resnet20", (3, 32, 32), 10, width=0.5))).architecture.steps:
        wanted = np.sqrt(2 / np.prod(step.weight_shape[1:])) * (1 / np.sqrt(8) if step.skip else 1)
        assert weights.of[step.name].std().item() == pytest.approx(wanted, rel=0.15), step.name
    skip = weights.of["res2_1_conv2" + SKIP]
    assert skip.std().item() == pytest.approx(np.sqrt(2 / skip.shape[1]), rel=0.15)


def test_a_large_picture_is_halved_by_the_first_convolution_of_a_resnet():
    steps = architecture("resnet12", (3, 224, 224), 10).steps
    assert (steps[0].stride, steps[0].shape[1:], steps[3].shape[1:]) == (2, (112, 112), (56, 56))
    assert steps[-1].pool == "avg" and steps[-1].weight_shape == (10, 512 * 3 * 3)


@pytest.mark.parametrize("kind", ["ann", "snn"])
def test_dropout_has_the_rate_of_the_layer_and_is_off_outside_of_training(kind, monkeypatch):
    rates = []

    def dropout(x, p, training=True):
        rates.append((x.ndim, p if training else 0.0))
        return x

    module = ann_module if kind == "ann" else snn_module
    monkeypatch.setattr(module.F, "dropout", dropout)
    weights = tiny(name="vgg9", hidden=(6, 5))
    model = Ann(weights, (0.1, 0.3)) if kind == "ann" else Snn(weights, (0.1, 0.3))
    forward = model if kind == "ann" else lambda x: model(x, 2)
    forward(torch.rand(2, 1, 28, 28))
    convs = sum(s.dropout for s in weights.architecture.spiking if s.kind == "conv")
    assert rates == [(4, 0.1)] * convs + [(2, 0.3)] * 2
    rates.clear()
    model.eval()
    forward(torch.rand(2, 1, 28, 28))
    assert all(p == 0.0 for _, p in rates)


def test_balancing_starts_from_neurons_without_leak_and_leaves_positive_thresholds():
    images = torch.rand(4, 1, 28, 28)
    one, other = Snn(tiny()), Snn(tiny())
    with torch.no_grad():
        for leak in other.leaks.values():
            leak.fill_(0.5)
    for snn in (one, other):
        balance_thresholds(snn, images, 99.0, 0.5, 3)
    assert all(leak.item() == 1.0 for leak in other.leaks.values())
    balance_thresholds(one, images, 1.0, 0.5, 3)
    assert min(t.item() for t in one.thresholds.values()) == pytest.approx(SMALLEST_THRESHOLD)


def test_datta_scales_come_from_all_images_without_dropout_for_the_first_stage():
    torch.manual_seed(0)
    ann = Ann(tiny("max", "vgg9", hidden=(5,)), (0.5, 0.5), clipped=True).train()
    images = torch.rand(100, 1, 28, 28) * torch.linspace(0, 1, 100)[:, None, None, None]
    recipe = dataclasses.replace(QUICK, method="datta", stages=(4,), timesteps=2)
    _, found = convert(ann, images, recipe)
    seen = {}
    with torch.no_grad(), ann.eval().weights.watched(lambda name, a: seen.setdefault(name, a)):
        ann(images)
    for name, scaling in found.items():
        wanted = dataclasses.asdict(search(percentiles(seen[name].numpy()), 4.0, 4))
        assert scaling == pytest.approx(wanted, rel=1e-4)
    assert recipe.pooling == "max" and QUICK.pooling == "avg"


def test_every_crop_of_a_colour_picture_occurs(monkeypatch):
    torch.manual_seed(0)
    images = torch.arange(256.0).reshape(1, 1, 16, 16).expand(400, 3, 16, 16) + 1
    padded = torch.nn.functional.pad(images[0], (2, 2, 2, 2))
    found = set()
    for one in augment.augmented(images):
        for y, x in itertools.product(range(5), range(5)):
            window = padded[:, y : y + 16, x : x + 16]
            found |= {(y, x, flip) for flip in (False, True) if torch.equal(one.flip(2) if flip else one, window)}
    assert found == set(itertools.product(range(5), range(5), (False, True)))


def test_grey_pictures_are_moved_and_turned_a_little():
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 28, 28)
    images[:, :, 12:16, 8:20] = 1.0
    found = augment.augmented(images)[:, 0]
    mass = found.sum((1, 2))
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    y, x = ((found * c).sum((1, 2)) / mass - 13.5 for c in (rows, columns))
    assert 1.5 < y.abs().max() < 2.4 and 1.5 < x.abs().max() < 2.4
    tilt = (found * (rows - 13.5 - y[:, None, None]) * (columns - 13.5 - x[:, None, None])).sum((1, 2)) / mass
    assert tilt.std() > 0.5


def trained(data, recipe=QUICK, epochs=2):
    """A run of the trainer on an ANN: (lines, model)."""
    torch.manual_seed(0)
    lines = []
    trainer = Trainer(recipe, load_mnist(data, 0, 60), Checkpoints(None, {}), lines.append)
    ann = Ann(tiny(), (0.1, 0.3))
    trainer.train("ann", ann, torch.optim.SGD(ann.parameters(), lr=0.05), epochs)
    return lines, ann


def test_an_epoch_shows_every_image_once_augmented_in_a_new_order(data, monkeypatch):
    shown, modes = [], []

    def spy(images, *options):
        shown.append(images[:, 0, 0, :5].double().sum(1) + images.double().sum((1, 2, 3)))
        return images * 0 + 1

    real = Ann.forward

    def forward(self, x):
        modes.append((self.training, bool((x == 1).all())))
        return real(self, x)

    monkeypatch.setattr(trainer_module, "augmented", spy)
    monkeypatch.setattr(Ann, "forward", forward)
    lines, _ = trained(data, dataclasses.replace(QUICK, batch=64))
    assert [len(x) for x in shown] == [64, 64, 64, 8] * 2
    first, second = (torch.cat(shown[i : i + 4]) for i in (0, 4))
    assert torch.equal(first.sort().values, second.sort().values) and len(first.unique()) == 200
    dataset = load_mnist(data, 0, 60)
    x = Pixels(dataset, "cpu")(dataset.train.images)
    stored = x[:, 0, 0, :5].double().sum(1) + x.double().sum((1, 2, 3))
    assert not torch.equal(first, second) and not torch.allclose(first, stored)
    assert modes == ([(True, True)] * 4 + [(False, False)]) * 2
    assert all(0 < line["loss"] < 10 for line in lines)


def test_steps_are_clipped_and_follow_one_cycle(data, monkeypatch):
    rates, norms = [], []
    real = torch.optim.SGD.step

    def step(self, *arguments):
        rates.append(self.param_groups[0]["lr"])
        norms.append(torch.stack([p.grad.norm() for g in self.param_groups for p in g["params"]]).norm().item())
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    trained(data, epochs=5)
    peak = int(np.argmax(rates))
    assert max(rates) == pytest.approx(0.05) and peak == 3 and rates[0] < 0.01 and rates[-1] < 1e-5
    assert max(norms) == pytest.approx(1.0, rel=1e-3)


def test_the_best_epoch_on_the_validation_split_is_kept(data, monkeypatch):
    states = []

    def seen(self, model, timesteps=0):
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return Behaviour((0.2, 0.9, 0.5)[len(states) - 1])

    monkeypatch.setattr(Trainer, "behaviour", seen)
    _, ann = trained(data, epochs=3)
    kept = ann.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in states[1].items()) and not ann.training
    assert any(not torch.equal(kept[k], v) for k, v in states[2].items())


def test_which_images_and_time_steps_every_number_comes_from(data, tmp_path, monkeypatch):
    """200 images train, 60 choose, 40 test."""
    seen, calibrated = [], []
    real = behaviour.observed

    def spy(model, pixels, split, timesteps=0):
        name = "ann" if isinstance(model, Ann) else f"snn {model.thresholds['conv1'].item():.6f}"
        seen.append((name, len(split.labels), timesteps))
        return real(model, pixels, split, timesteps)

    def converting(ann, images, recipe):
        calibrated.append(images)
        return convert(ann, images, recipe)

    monkeypatch.setattr(measure, "observed", spy)
    monkeypatch.setattr(trainer_module, "observed", spy)
    monkeypatch.setattr(training, "convert", converting)
    recipe = dataclasses.replace(QUICK, stages=(4,), neuron_lr=0.05)
    report = training.train(training.DataSource(data), tmp_path / "net.h5", recipe)
    start, end = (f"snn {v:.6f}" for v in (report["conversion"]["conv1"]["threshold"], report["thresholds"]["conv1"]))
    assert start != end
    assert [(n, t) for _, n, t in seen[:7]] == [(60, 0), (60, 0), (60, 4), (60, 4), (60, 4), (60, 3), (60, 3)]
    assert seen[7:] == [("ann", 40, 0), (start, 40, 4), (end, 60, 3), (end, 40, 3)]
    dataset = load_mnist(data, 0, 60)
    assert torch.equal(calibrated[0], Pixels(dataset, "cpu")(dataset.train.images[:40]))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_precision_holds_in_training_and_validation(data, precision, monkeypatch):
    used = []
    real = Weights.current

    def current(self, step, values, *amplitude):
        found = real(self, step, values, *amplitude)
        used.append(found.dtype)
        return found

    monkeypatch.setattr(Weights, "current", current)
    trained(data, dataclasses.replace(QUICK, precision=precision), epochs=1)
    assert set(used) == {torch.float32 if precision == "fp32" else torch.bfloat16}


def test_the_optimisers_get_what_the_recipe_says(data, tmp_path, monkeypatch):
    made = []
    for name in ("SGD", "Adam"):

        def make(parameters, kind=getattr(torch.optim, name), **options):
            optimiser = kind(parameters, **options)
            keys = ("lr", "weight_decay", "momentum", "nesterov", "amsgrad")
            made.append([{k: g[k] for k in keys if k in g} | {"n": len(g["params"])} for g in optimiser.param_groups])
            return optimiser

        monkeypatch.setattr(torch.optim, name, make)
    recipe = dataclasses.replace(QUICK, ann_lr=0.01, snn_lr=0.002, neuron_lr=0.003, weight_decay=0.004)
    training.train(training.DataSource(data), tmp_path / "net.h5", recipe)
    adam = {"weight_decay": 0, "amsgrad": True}
    assert made == [
        [{"lr": 0.01, "weight_decay": 0.004, "momentum": 0.9, "nesterov": True, "n": 4}],
        [{"lr": 0.002, "n": 4} | adam, {"lr": 0.003, "n": 6} | adam],
    ]


def test_a_seed_draws_other_weights(data):
    drawn = []
    for seed in (0, 1):
        recipe = dataclasses.replace(QUICK, ann_epochs=0, seed=seed)
        trainer = Trainer(recipe, load_mnist(data, 0, 60), Checkpoints(None, {}), lambda line: None)
        drawn.append(training.pretrained(trainer, architecture("mnist_vgg", (1, 28, 28), 10), None).weights.of["conv1"])
    assert not torch.equal(*drawn)


def test_the_weights_of_a_checkpoint_are_taken_and_an_output_of_other_classes_is_left(data, tmp_path):
    recipe = dataclasses.replace(QUICK, snn_epochs=0)
    training.train(training.DataSource(data), tmp_path / "net.h5", recipe, checkpoints=tmp_path / "d")
    saved = torch.load(tmp_path / "d" / "ann.pt", weights_only=True)["best_state"]
    for classes in (10, 7):
        weights = Weights(architecture("mnist_vgg", (1, 28, 28), classes, width=0.125, hidden=(5,)))
        before = weights.of["out"].clone()
        training.adopt(Ann(weights, (0.0, 0.0)), tmp_path / "d" / "ann.pt")
        assert all(torch.equal(weights.of[n], saved[f"weights.of.{n}"]) for n in ("conv1", "conv2", "fc1"))
        assert torch.equal(weights.of["out"], before if classes == 7 else saved["weights.of.out"])


def test_activity_is_the_same_in_any_chunks(data, tmp_path, monkeypatch):
    training.train(training.DataSource(data), tmp_path / "net.h5", QUICK)
    network, dataset = ns.load_network(tmp_path / "net.h5"), load_mnist(data, 0, 60)
    snn = Snn(tiny(hidden=(5,)))
    balance_thresholds(snn, torch.rand(4, 1, 28, 28), 99.0, 0.5, 3)
    pixels = Pixels(dataset, "cpu")
    fired = {}
    with torch.no_grad():
        logits = snn.eval()(pixels(dataset.test.images), 3, lambda n, s: fired.setdefault(n, s))
    whole = behaviour.observed(snn, pixels, dataset.test, 3)
    assert whole.accuracy == (logits.argmax(1).numpy() == dataset.test.labels).mean()
    for name, spikes in fired.items():
        assert whole.rates[name] == pytest.approx(spikes.sum(0).mean().item(), rel=1e-5)
        assert whole.firing[name] == pytest.approx((spikes.sum(0) > 0).float().mean().item(), rel=1e-5)
    integer = measure.integer_behaviour(network, dataset.test)
    trace = ns.simulate(network, ns.Inputs(dataset.test.images, dataset.test.labels))
    counts, size = trace.spike_counts(), {x.name: x.neurons for x in network.layers if x.spiking}
    assert integer["spikes_per_neuron"] == pytest.approx(sum(counts.values()) / sum(size.values()) / 40)
    assert integer["snn_int_accuracy"] == trace.accuracy
    monkeypatch.setattr(behaviour, "BATCH", 7)
    monkeypatch.setattr(measure, "CHUNK", 9)
    parts = behaviour.observed(snn, pixels, dataset.test, 3)
    assert parts.rates == pytest.approx(whole.rates) and parts.firing == pytest.approx(whole.firing)
    assert parts.accuracy == whole.accuracy and measure.integer_behaviour(network, dataset.test) == integer


def test_a_layer_is_silent_below_half_a_percent():
    assert Behaviour(1.0, {}, {"a": 0.004, "b": 0.006}).silent == ["a"]


def test_a_twin_that_fires_otherwise_is_measured(data, tmp_path):
    dataset = load_mnist(data, 0, 60)
    snn = measure.in_half_precision(Snn(tiny(hidden=(5,))))
    pixels = Pixels(dataset, "cpu")
    balance_thresholds(snn, pixels(dataset.train.images[:20]), 99.0, 0.5, 3)
    twin = measure.float_network(snn, "n", 3, dataset, {})
    assert max(measure.float_mismatch(snn, pixels, dataset.test, twin).values()) < 0.01
    with torch.no_grad():
        snn.thresholds["conv1"].mul_(0.5)
    assert measure.float_mismatch(snn, pixels, dataset.test, twin)["conv1"] > 0.01


def test_every_option_of_train_arrives(data, tmp_path, monkeypatch):
    got = {}

    def train(*arguments, **options):
        got.update(options, arguments=arguments)
        raise NeurosimError("enough")

    monkeypatch.setattr(training, "train", train)
    wanted = {
        "arch": "vgg9", "width": 0.5, "hidden": (7, 6), "pool": "max", "timesteps": 3, "stages": (9, 8), "bits": 6, "seed": 4,
        "validation": 11, "ann_epochs": 2, "snn_epochs": 3, "batch": 17, "ann_lr": 0.1, "snn_lr": 0.2, "neuron_lr": 0.3,
        "weight_decay": 0.4, "dropout": 0.5, "dense_dropout": 0.6, "percentile": 70.0, "scale": 0.8, "calibration_steps": 12,
        "calibration_images": 13, "precision": "bf16", "image_size": 64, "batch_norm": False, "qcfs_epochs": 0, "levels": 6,
        "label_smoothing": 0.2, "crop": False, "flip": False, "cutout": 5, "step_loss": 0.1, "distillation": 0.2,
        "spike_cost": 0.3, "averaging": 0.4,
    }  # fmt: skip
    options = []
    for name, value in wanted.items():
        if value is False:
            options.append("--no-" + name.replace("_", "-"))
            continue
        text = ",".join(map(str, value)) if isinstance(value, tuple) else value
        options += ["--" + name.replace("_", "-"), text]
    for kind, trains in (("fixed", (False, False)), ("threshold", (True, False)), ("all", (True, True))):
        call(
            "train", "datta", "--data", data, "-o", tmp_path / "n.h5", *options, "--neurons", kind, "--seeds", 2,
            "--checkpoints", tmp_path / "c", "--resume", "--init", tmp_path / "i.pt", "--unchecked-data",
        )  # fmt: skip
        assert got["arguments"] == (
            training.DataSource(data, tmp_path / "i.pt", False), tmp_path / "n.h5",
            Recipe(method="datta", **wanted, train_threshold=trains[0], train_leak=trains[1]),
        )  # fmt: skip
        assert (got["checkpoints"], got["resume"], got["seeds"]) == (tmp_path / "c", True, 2)


def test_published_switches_all_off_but_what_is_given(data, tmp_path, monkeypatch):
    got = []

    def train(source, output, recipe, **options):
        got.append(recipe)
        raise NeurosimError("enough")

    monkeypatch.setattr(training, "train", train)
    for options in ((), ("--published",), ("--published", "--batch-norm", "--ann-lr", 0.2)):
        call("train", "diet", "--data", data, "-o", tmp_path / "n.h5", *options)
    assert got == [Recipe(), Recipe(**PUBLISHED), Recipe(**PUBLISHED | {"batch_norm": True, "ann_lr": 0.2})]


def test_every_option_of_convert_arrives(data, tmp_path, monkeypatch):
    got = {}

    def convert_public(*arguments, **options):
        got.update(options, arguments=arguments)
        raise NeurosimError("enough")

    monkeypatch.setattr(public, "convert_public", convert_public)
    call(
        "convert", tmp_path / "a.pth", "-o", tmp_path / "n.h5", "--arch", "vgg9", "--data", data, "--pool", "max",
        "--timesteps", 7, "--bits", 5, "--unchecked-data",
    )  # fmt: skip
    assert got == {
        "arguments": (tmp_path / "a.pth", tmp_path / "n.h5", "vgg9", data), "pool": "max", "timesteps": 7, "bits": 5,
        "checked": False,
    }  # fmt: skip


def test_train_draws_its_course(data, tmp_path):
    found = call(
        "train", "diet", "--data", data, "-o", tmp_path / "n.h5", "--width", 0.125, "--hidden", 5, "--ann-epochs", 1,
        "--snn-epochs", 1, "--calibration-steps", 2, "--validation", 60, "--plot", tmp_path / "p.png",
    )  # fmt: skip
    assert found.code == 0 and (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_bar_moves_with_its_phase(monkeypatch):
    from neurosim.report import progress

    moved = []
    monkeypatch.setattr(progress.Progress, "update", lambda self, task, completed: moved.append((task, completed)))
    with progress.phases() as (_, tick):
        for phase, done in (("ann", 0.5), ("ann", 1.0), ("snn_t5", 0.2)):
            tick(phase, done)
    assert moved == [(0, 0.5), (0, 1.0), (1, 0.2)]
