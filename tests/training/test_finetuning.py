"""Fine-tuning: a loss at every step, a teacher, spikes that cost, averaged weights; a run that is stopped anywhere goes on."""

import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from torch.nn import functional as F  # noqa: E402

import neurosim as ns  # noqa: E402
from neurosim.errors import NeurosimError  # noqa: E402
from neurosim.spikes.verify import verify  # noqa: E402
from neurosim.training import phase as phase_module  # noqa: E402
from neurosim.training import train as training  # noqa: E402
from neurosim.training import trainer as trainer_module  # noqa: E402
from neurosim.training.ann import Ann  # noqa: E402
from neurosim.training.architecture import architecture  # noqa: E402
from neurosim.training.average import Average  # noqa: E402
from neurosim.training.loss import TEMPERATURE, Loss  # noqa: E402
from neurosim.training.neurons import LifLayer  # noqa: E402
from neurosim.training.phase import Phase  # noqa: E402
from neurosim.training.recipe import PUBLISHED  # noqa: E402
from neurosim.training.snn import Snn  # noqa: E402
from neurosim.training.train import DataSource  # noqa: E402
from tests.helpers.courses import FULL, QUICK, normalised, tiny, trainer, untimed  # noqa: E402

ANSWERS, TAUGHT = torch.randn(3, 5, 10, generator=torch.Generator().manual_seed(0)), torch.linspace(-2, 2, 50).reshape(5, 10)
LABELS = torch.tensor([0, 3, 9, 9, 1])


def test_the_papers_loss_is_that_of_the_sum():
    assert torch.equal(Loss().through_time(ANSWERS, LABELS), F.cross_entropy(ANSWERS.sum(0), LABELS))


def test_every_step_answers_for_its_share_of_the_loss():
    whole = F.cross_entropy(ANSWERS.mean(0), LABELS, label_smoothing=0.1)
    each = torch.stack([F.cross_entropy(step, LABELS, label_smoothing=0.1) for step in ANSWERS]).mean()
    for share in (0.25, 1.0):
        found = Loss(0.1, share).through_time(ANSWERS, LABELS)
        torch.testing.assert_close(found, (1 - share) * whole + share * each)


def test_a_teacher_answers_for_its_share():
    def divergence(x):
        ours, theirs = F.log_softmax(x / TEMPERATURE, 1), F.softmax(TAUGHT / TEMPERATURE, 1)
        return (theirs * (theirs.log() - ours)).sum(1).mean() * TEMPERATURE**2

    steps = torch.stack([0.7 * F.cross_entropy(x, LABELS) + 0.3 * divergence(x) for x in ANSWERS]).mean()
    torch.testing.assert_close(Loss(0.0, 1.0, 0.3).through_time(ANSWERS, LABELS, TAUGHT), steps)
    mean = ANSWERS.mean(0)
    wanted = 0.7 * F.cross_entropy(mean, LABELS) + 0.3 * divergence(mean)
    torch.testing.assert_close(Loss(0.0, 0.0, 0.3).through_time(ANSWERS, LABELS, TAUGHT), wanted)
    assert Loss(0.0, 1.0, 1.0)(TAUGHT, LABELS, TAUGHT).item() == pytest.approx(0, abs=1e-6)


def phase(snn, loss, teacher=None, timesteps=3):
    optimiser = torch.optim.Adam(snn.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser)
    return Phase("snn", snn, optimiser, schedule, 1, timesteps, loss, None, teacher)


def test_spikes_cost_what_the_recipe_says_and_the_network_learns_it():
    snn, images = Snn(tiny()), torch.rand(4, 1, 28, 28) * 3
    fired = {}
    with torch.no_grad():
        snn(images, 3, lambda name, s: fired.setdefault(name, s))
    neurons = sum(s[0, 0].numel() for s in fired.values())
    wanted = sum(float(s.sum()) for s in fired.values()) / neurons / 4
    free, costly = phase(snn, Loss()), phase(snn, Loss(spike_cost=0.5))
    labels = torch.tensor([1, 2, 3, 4])
    losses = [p.lost(p.answered(images), labels) for p in (free, costly)]
    assert wanted > 0 and (losses[1] - losses[0]).item() == pytest.approx(0.5 * wanted, rel=1e-4)
    spikes = costly.answered(images).spikes
    spikes.backward()
    assert all(t.grad is not None and t.grad < 0 for t in snn.thresholds.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_count_of_spikes_has_the_gradient_of_their_sum(dtype):
    torch.manual_seed(0)
    current, target = torch.rand(3, 4, 2, 5, 5).to(dtype), torch.randn(3, 4, 2, 5, 5).to(dtype)
    found = []
    for counted in (False, True):
        leak, threshold = torch.tensor(0.9, requires_grad=True), torch.tensor(0.7, requires_grad=True)
        leaf = current.clone().requires_grad_()
        spikes, count = LifLayer.apply(leaf, leak, threshold, 3, "triangle", True)
        assert count.item() == spikes.float().sum().item() > 0
        ((spikes * target).sum() + 2 * (count if counted else spikes.float().sum())).backward()
        found.append((leaf.grad, leak.grad, threshold.grad))
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=0.02 if dtype == torch.bfloat16 else 1e-5, atol=1e-2)


def test_the_teacher_is_the_trained_ann_and_learns_nothing(data, tmp_path, monkeypatch):
    seen = []
    real = phase_module.Phase.answered

    def answered(self, x):
        found = real(self, x)
        seen.append((self.name, self.teacher, found.taught))
        return found

    monkeypatch.setattr(phase_module.Phase, "answered", answered)
    training.train(DataSource(data), tmp_path / "n.h5", FULL)
    teachers = {id(t) for name, t, _ in seen if name == "snn_t3"}
    assert len(teachers) == 1 and all(t is None for name, t, _ in seen if name == "ann")
    teacher = next(t for name, t, _ in seen if t is not None)
    assert isinstance(teacher, Ann) and not teacher.training and teacher.stepped
    assert all(not taught.requires_grad for _, t, taught in seen if t is not None)
    seen.clear()
    training.train(DataSource(data), tmp_path / "n.h5", dataclasses.replace(FULL, distillation=0.0))
    assert all(t is None for _, t, _ in seen)


def test_a_teacher_that_was_not_trained_here_drops_nothing(data, tmp_path):
    training.train(DataSource(data), tmp_path / "a.h5", dataclasses.replace(FULL, snn_epochs=0), checkpoints=tmp_path / "a")
    run = trainer(data, dataclasses.replace(FULL, ann_epochs=0))
    plan = architecture("mnist_vgg", (1, 28, 28), 10, width=0.125, hidden=(5,))
    assert not training.pretrained(run, plan, tmp_path / "a" / "ann.pt").training


def test_the_average_follows_the_network():
    model = Ann(normalised(), (0.0, 0.0), levels=4)
    average = Average(model, 0.5)
    name, wanted = "weights.of.conv1", model.weights.of["conv1"].detach().clone()
    for n in range(1, 40):
        with torch.no_grad():
            model.weights.of["conv1"].add_(0.1 * n)
            model.weights.norms["conv1"].num_batches_tracked.add_(1)
        average.update(model)
        decay = min(0.5, (1 + n) / (10 + n))
        wanted = decay * wanted + (1 - decay) * model.weights.of["conv1"].detach()
        torch.testing.assert_close(average.model.state_dict()[name], wanted)
    assert average.model.weights.norms["conv1"].num_batches_tracked == 39
    other = Average(model, 0.5)
    other.load_state_dict(average.state_dict())
    assert other.updates == 39 and torch.equal(other.model.state_dict()[name], average.model.state_dict()[name])


def test_the_average_takes_bounds_as_they_are_found():
    model = Ann(normalised(), (0.0, 0.0), levels=4)
    average, images = Average(model, 0.9), torch.rand(8, 1, 28, 28)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimiser)
    Phase("ann", model, optimiser, schedule, 1, 0, Loss(), average).quantise(images)
    average.update(model)
    assert average.model.stepped
    assert all(average.model.bounds[k].item() == pytest.approx(v.item()) != 1.0 for k, v in model.bounds.items())


def test_the_average_is_what_is_validated_and_kept(data, monkeypatch):
    judged, averages = [], []
    real = trainer_module.observed

    def observed(model, *arguments):
        judged.append(model)
        return real(model, *arguments)

    class Spy(Average):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            averages.append(self)

    monkeypatch.setattr(trainer_module, "observed", observed)
    monkeypatch.setattr(trainer_module, "Average", Spy)
    recipe = dataclasses.replace(FULL, ann_epochs=2, averaging=0.9)
    ann = training.pretrained(trainer(data, recipe), normalised().architecture, None)
    assert len(averages) == 1 and all(model is averages[0].model for model in judged) and averages[0].updates == 8
    judged.clear()
    plain = training.pretrained(trainer(data, dataclasses.replace(recipe, averaging=0.0)), normalised().architecture, None)
    assert len(averages) == 1 and all(model is plain for model in judged)
    assert not torch.equal(ann.weights.of["conv1"], plain.weights.of["conv1"])


class KilledError(Exception):
    pass


def interrupted(source, folder, recipe, every):
    """A run that is killed after each *every* updates and resumed until it ends; returns (report, kills)."""
    for kills in range(100):
        count = 0

        def tick(phase, done):
            nonlocal count
            count += 1
            if count > every:
                raise KilledError

        try:
            return training.train(source, folder / "net.h5", recipe, checkpoints=folder, resume=True, tick=tick), kills
        except KilledError:
            continue
    raise AssertionError("a resumed run gets nowhere")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_resumed_within_an_epoch_ends_like_an_uninterrupted_one(data, tmp_path, monkeypatch, precision):
    recipe = dataclasses.replace(FULL, precision=precision, ann_epochs=3, qcfs_epochs=1, dropout=0.2)
    whole = training.train(DataSource(data), tmp_path / "net.h5", recipe, checkpoints=tmp_path / "a")
    monkeypatch.setattr(trainer_module, "KEEP_EVERY_S", -1.0)
    part, kills = interrupted(DataSource(data), tmp_path / "b", recipe, 3)
    assert kills >= 5
    for name in ("ann", "snn_t3"):
        a, b = (torch.load(tmp_path / x / f"{name}.pt", weights_only=True) for x in "ab")
        assert a["done"] == b["done"] and b["within"] is None
        for key in ("model", "best_state"):
            assert all(torch.equal(v, b[key][k]) for k, v in a[key].items()), (name, key)
    assert [untimed(x) for x in whole["lines"]] == [untimed(x) for x in part["lines"]]
    assert ns.load_network(tmp_path / "net.h5").sha256 == ns.load_network(tmp_path / "b" / "net.h5").sha256


def test_a_checkpoint_is_kept_within_an_epoch_when_it_is_due(data, tmp_path, monkeypatch):
    kept = []
    real = trainer_module.Checkpoints.keep

    def keep(self, phase, parts, progress, lines):
        kept.append(progress.within and progress.within["updates"])
        return real(self, phase, parts, progress, lines)

    monkeypatch.setattr(trainer_module.Checkpoints, "keep", keep)
    recipe = dataclasses.replace(FULL, ann_epochs=2, snn_epochs=0)
    training.train(DataSource(data), tmp_path / "n.h5", recipe, checkpoints=tmp_path / "a")
    assert kept == [None, None]
    kept.clear()
    monkeypatch.setattr(trainer_module, "KEEP_EVERY_S", -1.0)
    training.train(DataSource(data), tmp_path / "n.h5", recipe, checkpoints=tmp_path / "b")
    assert kept == [1, 2, 3, 4, None] * 2


def test_a_checkpoint_from_before_these_options_goes_on_as_published(data, tmp_path):
    training.train(DataSource(data), tmp_path / "n.h5", QUICK, checkpoints=tmp_path / "a")
    for path in (tmp_path / "a").glob("*.pt"):
        saved = torch.load(path, weights_only=True)
        saved.pop("within")
        saved["identity"] = {k: v for k, v in saved["identity"].items() if k not in PUBLISHED or k == "ann_lr"}
        torch.save(saved, path)
    again = training.train(DataSource(data), tmp_path / "m.h5", QUICK, checkpoints=tmp_path / "a", resume=True)
    assert ns.load_network(tmp_path / "n.h5").sha256 == ns.load_network(tmp_path / "m.h5").sha256
    assert again["snn_int_accuracy"] >= 0
    with pytest.raises(NeurosimError, match=r"another run \(.*batch_norm.* differ\)"):
        training.train(DataSource(data), tmp_path / "m.h5", FULL, checkpoints=tmp_path / "a", resume=True)


@pytest.mark.parametrize("arch", ["mnist_vgg", "resnet12"])
def test_what_was_normalised_is_exported_with_biases_and_verifies(data, tmp_path, arch):
    recipe = dataclasses.replace(FULL, arch=arch, width=0.0625, ann_epochs=1, snn_epochs=1)
    report = training.train(DataSource(data), tmp_path / "net.h5", recipe)
    network = ns.load_network(tmp_path / "net.h5")
    assert verify(network).ok and max(report["float_mismatch_rate"].values()) < 0.01
    assert all((layer.bias is not None) == layer.spiking for layer in network.layers)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_norm": False}, {"qcfs_epochs": 0}, {"label_smoothing": 0.0}, {"crop": False}, {"flip": False}, {"cutout": 0},
        {"step_loss": 0.0}, {"distillation": 0.0}, {"averaging": 0.0}, {"spike_cost": 0.1}, {"levels": 2},
    ],
)  # fmt: skip
def test_each_option_can_be_switched_alone(data, tmp_path, change):
    report = training.train(DataSource(data), tmp_path / "n.h5", dataclasses.replace(FULL, **change))
    recipe = ns.load_network(tmp_path / "n.h5").about["recipe"]
    assert {k: recipe[k] for k in change} == change and report["snn_int_accuracy"] >= 0
