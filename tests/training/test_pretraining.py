"""Pre-training for few time steps: normalisation that folds away, activations that are staircases."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.errors import NeurosimError  # noqa: E402
from neurosim.training import neurons  # noqa: E402
from neurosim.training import train as training  # noqa: E402
from neurosim.training import trainer as trainer_module  # noqa: E402
from neurosim.training.adopt import adopt  # noqa: E402
from neurosim.training.ann import Ann  # noqa: E402
from neurosim.training.architecture import architecture  # noqa: E402
from neurosim.training.augment import augmented, cropped_and_flipped, cut_out  # noqa: E402
from neurosim.training.behaviour import Behaviour  # noqa: E402
from neurosim.training.convert import convert  # noqa: E402
from neurosim.training.neurons import Qcfs, best_bound, staircase  # noqa: E402
from neurosim.training.recipe import check_recipe  # noqa: E402
from neurosim.training.trainer import Trainer  # noqa: E402
from neurosim.training.weights import SKIP, Weights  # noqa: E402
from tests.helpers.courses import FULL, QUICK, normalised, trainer  # noqa: E402


def unsettled(weights):
    """*weights* whose normalisations have seen something, and were trained."""
    for norm in weights.norms.values():
        torch.nn.init.uniform_(norm.weight, 0.3, 1.5)
        torch.nn.init.normal_(norm.bias)
        torch.nn.init.normal_(norm.running_mean)
        torch.nn.init.uniform_(norm.running_var, 0.2, 2.0)
    return weights


@pytest.mark.parametrize("name", ["vgg9", "resnet12"])
@torch.no_grad()
def test_folded_weights_answer_like_normalised_ones(name):
    whole = Ann(unsettled(normalised(name, hidden=(5,))), (0.0, 0.0)).eval()
    folded = Ann(whole.weights.folded(), (0.0, 0.0)).eval()
    images = torch.rand(6, 1, 28, 28)
    wanted = whole(images)
    torch.testing.assert_close(folded(images), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
    assert not folded.weights.norms and set(folded.weights.biases) == {s.name for s in whole.weights.architecture.spiking}
    assert whole.weights.norms and not whole.weights.biases


def test_every_layer_but_the_output_is_normalised_and_residual_branches_start_small():
    weights = normalised("resnet12")
    plan = weights.architecture
    assert set(weights.norms) == {name for name in weights.of if name != "out"}
    for step in plan.spiking:
        assert weights.norms[step.name].weight.unique().item() == pytest.approx(step.gain)
    assert weights.norms["res2_1_conv2" + SKIP].weight.unique().item() == 1.0
    assert not normalised(norms=False).norms


def test_normalised_currents_have_the_mean_and_deviation_that_were_learned():
    ann, seen = Ann(normalised("vgg9"), (0.0, 0.0)).train(), {}
    with ann.weights.watched(lambda name, a: seen.setdefault(name, a)):
        ann(torch.rand(20, 1, 28, 28))
    for name in ann.weights.norms:
        assert seen[name].mean().item() == pytest.approx(0, abs=1e-3) and seen[name].std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("levels", [1, 4, 5])
def test_a_staircase_is_the_formula_of_bu_et_al(levels):
    a, bound = torch.linspace(-2, 4, 301, dtype=torch.float64), 1.7
    wanted = bound * np.clip(np.floor(a.numpy() * levels / bound + 0.5) / levels, 0, 1)
    found = Qcfs.apply(a, torch.tensor(bound), levels)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    assert len(found.unique()) == levels + 1


def test_the_gradient_passes_through_the_floor():
    a = torch.tensor([-0.5, 0.3, 0.9, 1.6, 2.5], dtype=torch.float64, requires_grad=True)
    bound = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    grad = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    Qcfs.apply(a, bound, 4).backward(grad)
    x = a.detach() / 1.7
    # The same with the floor replaced by a straight line for the backward pass only.
    leaf, other = a.detach().clone().requires_grad_(), bound.detach().clone().requires_grad_()
    share = (leaf / other).clamp(0, 1)
    (other * (share + (torch.floor(share * 4 + 0.5) / 4 - share).detach())).backward(grad)
    torch.testing.assert_close(a.grad, leaf.grad)
    torch.testing.assert_close(bound.grad, other.grad)
    assert a.grad.tolist() == [0, 2, 3, 4, 0] and (x > 1).sum() == 1


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_staircase_is_what_an_integrating_neuron_fires_that_starts_at_half(steps):
    a, bound = torch.linspace(-1, 3, 401), 1.3
    _, spikes = neurons._fire(a[None, :, None], torch.tensor(1.0), torch.tensor(bound), 0.5, steps)
    edge = ((a * steps / bound + 0.5) % 1 - 0.5).abs() > 0.499
    fired = spikes[:, :, 0].sum(0) * bound / steps
    torch.testing.assert_close(fired[~edge], staircase(a, bound, steps)[~edge])


def test_the_bound_that_loses_least_is_found():
    torch.manual_seed(0)
    a = torch.randn(10_000)
    bound = best_bound(a, 4)
    errors = {b: float((staircase(a, b, 4) - a.relu()).square().mean()) for b in (bound, bound * 0.9, bound * 1.1)}
    assert min(errors, key=errors.get) == bound and 1 < bound < float(a.max())
    assert best_bound(-a.abs(), 4) == 1.0


def test_an_ann_is_quantised_on_the_images_it_is_given():
    ann = Ann(unsettled(normalised()), (0.0, 0.0), levels=4)
    images = torch.rand(20, 1, 28, 28)
    assert not ann.stepped and ann.activation("conv1", torch.tensor([0.123])).item() == pytest.approx(0.123)
    ann.quantise(images)
    assert ann.stepped and all(b.item() != 1.0 for b in ann.bounds.values())
    outputs = ann.activation("conv1", torch.linspace(-1, 9, 500))
    assert len(outputs.unique()) == 5 and outputs.max().item() == pytest.approx(ann.bounds["conv1"].item())


@torch.no_grad()
def test_thresholds_follow_from_bounds_and_the_first_layer_fires_as_its_staircase():
    ann = Ann(unsettled(normalised()), (0.0, 0.0), levels=3)
    images = torch.rand(8, 1, 28, 28)
    ann.quantise(images)
    snn, found = convert(ann.eval(), images, dataclasses.replace(FULL, timesteps=3))
    for name, bound in ann.bounds.items():
        assert found[name] == {"threshold": bound.item(), "initial": bound.item() / 2}
        assert snn.thresholds[name].item() == snn.amplitude(name).item() == bound.item()
    fired = {}
    snn.eval()(images, 3, lambda name, s: fired.setdefault(name, s))
    step = ann.weights.architecture.steps[0]
    activation = ann.activation("conv1", ann.weights.current(step, {"input": images}))
    differ = (fired["conv1"].sum(0) * ann.bounds["conv1"] / 3 - activation).abs() > 1e-4
    assert differ.float().mean() < 1e-3


def test_without_staircases_thresholds_are_balanced_on_folded_weights(data):
    ann = Ann(unsettled(normalised()), (0.0, 0.0)).eval()
    snn, found = convert(ann, torch.rand(8, 1, 28, 28), FULL)
    assert set(found["conv1"]) == {"threshold"} and not snn.betas and set(snn.weights.biases) == set(snn.thresholds)


def test_the_last_epochs_are_staircases_and_only_they_are_chosen_from(data, monkeypatch):
    stepped, states = [], []

    def seen(self, model, timesteps=0):
        stepped.append(model.stepped)
        states.append({k: v.clone() for k, v in model.state_dict().items()})
        return Behaviour((0.9, 0.8, 0.3, 0.2)[len(stepped) - 1])

    monkeypatch.setattr(Trainer, "behaviour", seen)
    recipe = dataclasses.replace(FULL, ann_epochs=4, qcfs_epochs=2)
    ann = training.pretrained(trainer(data, recipe), normalised().architecture, None)
    assert stepped == [False, False, True, True] and ann.stepped and not ann.training
    assert all(torch.equal(v, states[2][k]) for k, v in ann.state_dict().items())


def test_bounds_are_trained(data):
    recipe = dataclasses.replace(FULL, ann_epochs=2, qcfs_epochs=2, averaging=0.0)
    made = []
    real = Ann.quantise

    def quantise(self, images):
        real(self, images)
        made.append({k: v.item() for k, v in self.bounds.items()})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ann, "quantise", quantise)
        ann = training.pretrained(trainer(data, recipe), normalised().architecture, None)
    assert len(made) == 1 and all(made[0][k] != v.item() for k, v in ann.bounds.items())


@pytest.mark.parametrize(
    ("change", "epochs", "levels"),
    [({}, 1, 4), ({"ann_epochs": 8}, 2, 4), ({"qcfs_epochs": 0}, 0, 0), ({"method": "datta"}, 0, 0), ({"ann_epochs": 0}, 0, 4)],
)
def test_staircases_come_in_the_last_quarter_unless_chosen(change, epochs, levels):
    recipe = dataclasses.replace(FULL, **change)
    assert (recipe.quantised_epochs, recipe.step_levels) == (epochs, levels)


def test_weight_decay_spares_normalisations_and_bounds(data, monkeypatch):
    made = []
    real = torch.optim.SGD.__init__

    def init(self, groups, **options):
        made.append([(len(g["params"]), g.get("weight_decay", options["weight_decay"])) for g in groups])
        real(self, groups, **options)

    monkeypatch.setattr(torch.optim.SGD, "__init__", init)
    training.pretrained(trainer(data, dataclasses.replace(FULL, ann_epochs=1)), normalised().architecture, None)
    assert made == [[(4, 5e-4), (9, 0.0)]]


def test_a_trained_ann_is_taken_whole(data, tmp_path):
    recipe = dataclasses.replace(FULL, snn_epochs=0)
    training.train(training.DataSource(data), tmp_path / "a.h5", recipe, checkpoints=tmp_path / "a")
    saved = torch.load(tmp_path / "a" / "ann.pt", weights_only=True)["best_state"]
    plan = architecture("mnist_vgg", (1, 28, 28), 10, width=0.125, hidden=(5,))
    ann = Ann(Weights(plan, True), (0.0, 0.0), levels=4)
    adopt(ann, tmp_path / "a" / "ann.pt", ready=True)
    assert all(torch.equal(v, saved[k]) for k, v in ann.state_dict().items() if not k.endswith("num_batches_tracked"))
    other = Ann(Weights(plan, True), (0.0, 0.0), levels=4)
    adopt(other, tmp_path / "a" / "ann.pt", ready=False)
    assert not other.stepped and all(b.item() == 1.0 for b in other.bounds.values())
    again = dataclasses.replace(recipe, ann_epochs=0)
    first = training.train(training.DataSource(data, tmp_path / "a" / "ann.pt"), tmp_path / "b.h5", again)
    assert first["conversion"]["conv1"]["threshold"] == saved["bounds.conv1"].item()


def test_weights_are_not_taken_without_their_normalisation(data, tmp_path):
    plain = dataclasses.replace(QUICK, snn_epochs=0)
    training.train(training.DataSource(data), tmp_path / "a.h5", plain, checkpoints=tmp_path / "a")
    full = dataclasses.replace(FULL, snn_epochs=0)
    training.train(training.DataSource(data), tmp_path / "b.h5", full, checkpoints=tmp_path / "b")
    with pytest.raises(NeurosimError, match="without batch normalisation; use --no-batch-norm"):
        training.train(training.DataSource(data, tmp_path / "a" / "ann.pt"), tmp_path / "c.h5", full)
    with pytest.raises(NeurosimError, match="with batch normalisation; use --batch-norm"):
        training.train(training.DataSource(data, tmp_path / "b" / "ann.pt"), tmp_path / "c.h5", plain)


def test_bounds_are_not_taken_for_other_levels(data, tmp_path):
    recipe = dataclasses.replace(FULL, snn_epochs=0)
    training.train(training.DataSource(data), tmp_path / "a.h5", recipe, checkpoints=tmp_path / "a")
    other = dataclasses.replace(recipe, ann_epochs=0, levels=2)
    with pytest.raises(NeurosimError, match="have 4 levels, not 2; use --levels 4"):
        training.train(training.DataSource(data, tmp_path / "a" / "ann.pt"), tmp_path / "b.h5", other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "datta", "qcfs_epochs": 2}, "qcfs_epochs is 2, but datta searches its thresholds; use diet, or 0"),
        ({"qcfs_epochs": 9}, "qcfs_epochs is 9 of 2 ann_epochs; take fewer"),
        ({"qcfs_epochs": -1}, "qcfs_epochs is -1; at least 0"),
        ({"levels": 0}, "levels is 0; at least 1"),
        ({"cutout": -1}, "cutout is -1; at least 0"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0; it must lie in 0..1, below 1"),
        ({"averaging": 1.0}, "averaging is 1.0"),
        ({"step_loss": 1.5}, r"step_loss is 1.5; it must lie in 0..1"),
        ({"distillation": -0.1}, "distillation is -0.1"),
        ({"spike_cost": float("nan")}, "spike_cost is nan; a finite number of at least 0"),
    ],
)
def test_what_cannot_go_together_is_refused(change, words):
    with pytest.raises(NeurosimError, match=words):
        check_recipe(dataclasses.replace(FULL, **change))


def test_a_published_network_has_the_entries_it_always_had():
    for method, extra in (("diet", set()), ("datta", {"clips.conv1", "clips.conv2", "clips.fc1"})):
        recipe = dataclasses.replace(QUICK, method=method)
        ann = Ann(normalised(norms=recipe.batch_norm), (0, 0), clipped=method == "datta", levels=recipe.step_levels)
        assert set(ann.state_dict()) == {f"weights.of.{n}" for n in ("conv1", "conv2", "fc1", "out")} | extra


def test_a_square_is_blanked_anywhere():
    torch.manual_seed(0)
    found = cut_out(torch.ones(300, 3, 32, 32), 8) == 0
    areas = found[:, 0].sum((1, 2))
    assert areas.max() == 64 and areas.min() < 30 and (found == found[:, :1]).all()
    assert found[:, 0].any(0).all()
    for one in found[:20, 0]:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns[None]) and rows.sum() <= 8 and columns.sum() <= 8


def test_each_augmentation_can_be_switched_off():
    torch.manual_seed(0)
    images = torch.rand(50, 3, 16, 16) + 1
    assert torch.equal(augmented(images, crop=False, flip=False, cutout=0), images)
    mirrored = cropped_and_flipped(images, crop=False)
    same = [torch.equal(a, b) for a, b in zip(mirrored, images, strict=True)]
    turned = [torch.equal(a.flip(2), b) for a, b in zip(mirrored, images, strict=True)]
    assert all(a or b for a, b in zip(same, turned, strict=True)) and 10 < sum(turned) < 40
    moved = cropped_and_flipped(images, flip=False)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    windows = [padded[:, :, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
    assert all(any(torch.equal(one, w[i]) for w in windows) for i, one in enumerate(moved))
    assert (augmented(images, crop=False, flip=False, cutout=4) == 0).any()


def test_what_is_chosen_of_augmentation_reaches_it(data, monkeypatch):
    given = []
    monkeypatch.setattr(trainer_module, "augmented", lambda images, *options: given.append(options) or images)
    recipe = dataclasses.replace(FULL, ann_epochs=1, crop=False, flip=False, cutout=3)
    training.pretrained(trainer(data, recipe), normalised().architecture, None)
    assert set(given) == {(False, False, 3)}
