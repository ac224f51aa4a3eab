"""Training runs: both methods end to end on a small net, conversion, checkpoints, and what goes wrong on the way."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

import neurosim as ns
from neurosim.errors import NeurosimError
from neurosim.spikes.verify import verify

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.training import train as training  # noqa: E402
from neurosim.training.ann import Ann  # noqa: E402
from neurosim.training.augment import Pixels, augmented, cropped_and_flipped  # noqa: E402
from neurosim.training.balance import balance_thresholds  # noqa: E402
from neurosim.training.behaviour import zero_share  # noqa: E402
from neurosim.training.checkpoint import Checkpoints  # noqa: E402
from neurosim.training.convert import convert  # noqa: E402
from neurosim.training.datasets import load_mnist  # noqa: E402
from neurosim.training.recipe import check_recipe  # noqa: E402
from neurosim.training.snn import SMALLEST_THRESHOLD, Snn  # noqa: E402
from neurosim.training.train import DataSource  # noqa: E402
from neurosim.training.weights import Weights  # noqa: E402
from tests.helpers.courses import QUICK, bars, tiny, untimed  # noqa: E402


def test_clamping_keeps_leaks_in_range_and_thresholds_positive_and_says_what_moved():
    snn = Snn(tiny())
    with torch.no_grad():
        snn.leaks["conv1"].fill_(1.7)
        snn.leaks["conv2"].fill_(-0.2)
        snn.thresholds["conv1"].fill_(-3.0)
    assert snn.clamp() == ["leak of conv1", "leak of conv2", "threshold of conv1"]
    assert (snn.leaks["conv1"].item(), snn.leaks["conv2"].item()) == (1.0, 0.0)
    assert snn.thresholds["conv1"].item() == pytest.approx(SMALLEST_THRESHOLD) and snn.clamp() == []


def stepwise(snn, image, timesteps):
    """Logits of the network computed step by step, layer after layer within the step, as hardware would."""
    plan = snn.weights.architecture
    u = {s.name: 0.0 for s in plan.steps}
    for _ in range(timesteps):
        values = {"input": image}
        for step in plan.spiking:
            u[step.name] = snn.leaks[step.name] * u[step.name] + snn.weights.current(step, values)
            fired = (u[step.name] > snn.thresholds[step.name]).to(image.dtype)
            u[step.name] = u[step.name] - snn.thresholds[step.name] * fired
            values[step.name] = fired * snn.amplitude(step.name)
        u["out"] = u["out"] + snn.weights.current(plan.steps[-1], values)
    return u["out"]


@pytest.mark.parametrize("amplitude", [None, 2.0])
@pytest.mark.parametrize("pool", ["avg", "max"])
@pytest.mark.parametrize("name", ["vgg9", "resnet12"])
@torch.no_grad()
def test_layer_by_layer_through_time_is_step_by_step(name, pool, amplitude):
    weights = tiny(pool, name, hidden=()).double()
    betas = None if amplitude is None else {s.name: amplitude for s in weights.architecture.spiking}
    snn = Snn(weights, betas=betas).double()
    images = torch.rand(3, 1, 28, 28, dtype=torch.float64)
    balance_thresholds(snn, images, 99.0, 0.3, 4)
    for leak in snn.leaks.values():
        leak.fill_(0.9)
    counts = {}
    found = snn.eval()(images, 5, lambda n, s: counts.setdefault(n, float(s.sum())))
    np.testing.assert_allclose(found.numpy(), stepwise(snn, images, 5).numpy(), rtol=1e-5, atol=1e-6)
    assert all(counts.values())


def test_dropout_masks_are_drawn_per_sample_and_kept_for_all_steps():
    torch.manual_seed(0)
    snn = Snn(tiny(), dropout=(0.5, 0.5)).train()
    step = next(s for s in snn.weights.architecture.steps if s.name == "fc1")
    sent = snn._sent(step, torch.ones(4, 3, 200))
    assert set(np.unique(sent.numpy())) == {0.0, 2.0}
    assert (sent == sent[:1]).all() and not (sent[:, 0] == sent[:, 1]).all()
    pooled = next(s for s in snn.weights.architecture.steps if s.name == "conv1")
    assert (snn._sent(pooled, torch.ones(4, 3, 8, 2, 2)) == 1).all()


def test_balancing_takes_the_percentile_of_the_current():
    snn = Snn(tiny())
    images = torch.rand(4, 1, 28, 28)
    balance_thresholds(snn, images, 99.0, 0.5, 3)
    steps = snn.weights.architecture.steps
    first = snn.weights.current(steps[0], {"input": images}).detach()
    expected = np.sort(first.flatten().numpy())[round(0.99 * (first.numel() - 1))]
    assert snn.thresholds["conv1"].item() == pytest.approx(0.5 * expected)
    assert all(leak.item() == 1.0 for leak in snn.leaks.values())
    u, largest = torch.zeros_like(first), 0.0
    for _ in range(3):
        u = u + first
        fired = (u > float(expected)).float()
        u = u - float(expected) * fired
        current = snn.weights.current(steps[1], {"conv1": fired}).detach().flatten().numpy()
        largest = max(largest, np.sort(current)[round(0.99 * (current.size - 1))])
    assert snn.thresholds["conv2"].item() == pytest.approx(0.5 * largest, rel=1e-5)


def test_residual_layers_are_balanced_by_the_sum_of_both_branches():
    snn = Snn(tiny(name="resnet12"))
    images = torch.rand(4, 1, 28, 28)
    balance_thresholds(snn, images, 99.0, 1.0, 3)
    assert len({round(t.item(), 6) for t in snn.thresholds.values()}) == len(snn.thresholds)
    without = Snn(tiny(name="resnet12"))
    with torch.no_grad():
        without.weights.load_state_dict(snn.weights.state_dict())
    without.weights._skipped = lambda step, values, factor: 0.0
    balance_thresholds(without, images, 99.0, 1.0, 3)
    assert without.thresholds["res1_1_conv1"].item() == pytest.approx(snn.thresholds["res1_1_conv1"].item())
    assert without.thresholds["res1_1_conv2"].item() != pytest.approx(snn.thresholds["res1_1_conv2"].item())


def test_datta_conversion_scales_every_layer_and_keeps_both_losses():
    torch.manual_seed(0)
    ann = Ann(tiny("max"), (0.0, 0.0), clipped=True)
    with torch.no_grad():
        for clip in ann.clips.values():
            clip.fill_(0.5)
    before = {k: w.clone() for k, w in ann.weights.of.items()}
    images = torch.rand(8, 1, 28, 28)
    snn, found = convert(ann, images, dataclasses.replace(QUICK, method="datta", timesteps=2))
    assert set(found) == set(snn.thresholds) == set(snn.betas)
    for name, scaling in found.items():
        assert scaling["signed_loss"] <= scaling["base_signed_loss"] and scaling["mu"] == pytest.approx(0.5)
        assert snn.thresholds[name].item() == pytest.approx(scaling["alpha"] * 0.5)
        assert snn.amplitude(name).item() == pytest.approx(scaling["alpha"] * scaling["beta"] * 0.5)
    assert snn.surrogate == "boxcar"
    with torch.no_grad():
        snn.weights.of["conv1"].zero_()
    assert all((ann.weights.of[k] == w).all() for k, w in before.items())


def test_the_gradient_flows_to_a_threshold_through_the_amplitude():
    snn = Snn(tiny("max"), betas={"conv1": 0.5, "conv2": 0.5, "fc1": 0.5}, surrogate="boxcar")
    snn(torch.rand(4, 1, 28, 28) * 5, 2).sum().backward()
    assert all(t.grad is not None and t.grad != 0 for t in snn.thresholds.values())


def test_pixels_are_normalised_as_the_data_set_says(data):
    dataset = dataclasses.replace(load_mnist(data, 0, 60), mean=(0.5,), std=(0.25,))
    found = Pixels(dataset, "cpu")(dataset.train.images[:3])
    np.testing.assert_allclose(found.numpy(), (dataset.train.images[:3] / 255 - 0.5) / 0.25, rtol=1e-6, atol=1e-6)


def test_crops_are_windows_of_the_padded_picture_some_of_them_mirrored():
    torch.manual_seed(0)
    images = torch.rand(40, 3, 16, 16) + 1
    mirrored = 0
    for one, found in zip(images, cropped_and_flipped(images), strict=True):
        padded = torch.nn.functional.pad(one, (2, 2, 2, 2))
        windows = [padded[:, y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
        plain = any((found == w).all() for w in windows)
        assert plain or any((found.flip(2) == w).all() for w in windows)
        mirrored += not plain
    assert 10 < mirrored < 30
    assert augmented(torch.rand(2, 1, 28, 28)).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("method", ["diet", "datta"])
def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path, data, method):
    recipe = dataclasses.replace(QUICK, method=method, stages=(4,))
    whole = training.train(DataSource(data), tmp_path / "whole.h5", recipe, checkpoints=tmp_path / "a")

    class KilledError(Exception):
        pass

    for stop_at in (("ann", 1), ("snn_t4", 2), ("snn_t3", 1)):

        def say(line, stop_at=stop_at):
            if (line["phase"], line.get("epoch")) == stop_at:
                raise KilledError

        with pytest.raises(KilledError):
            training.train(DataSource(data), tmp_path / "part.h5", recipe, checkpoints=tmp_path / "b", resume=True, say=say)
        assert not (tmp_path / "part.h5").exists()
    resumed = training.train(DataSource(data), tmp_path / "part.h5", recipe, checkpoints=tmp_path / "b", resume=True)
    # The best epoch may come before the kill; the losses of every epoch show what was drawn after it.
    logs = [[untimed(line) for line in report.pop("lines")] for report in (whole, resumed)]
    assert logs[0] == logs[1] and len(logs[0]) == 7
    assert all(report.pop("training_seconds") >= 0 for report in (whole, resumed))
    assert (whole.pop("network"), resumed.pop("network")) == (str(tmp_path / "whole.h5"), str(tmp_path / "part.h5"))
    assert resumed == whole
    written = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert [untimed(line) for line in written] == logs[0]
    a, b = ns.load_network(tmp_path / "whole.h5"), ns.load_network(tmp_path / "part.h5")
    assert a.sha256 == b.sha256 and a.float_twin.sha256 == b.float_twin.sha256


@pytest.mark.parametrize("method", ["diet", "datta"])
def test_a_run_reports_every_step_and_writes_a_network_that_verifies(tmp_path, data, method):
    seen, ticks = [], []
    recipe = dataclasses.replace(QUICK, method=method)
    report = training.train(DataSource(data), tmp_path / "net.h5", recipe, say=seen.append, tick=lambda *t: ticks.append(t))
    assert [(x["phase"], x.get("epoch")) for x in seen] == [
        ("start", None), ("ann", 1), ("ann", 2), ("convert", None), ("snn_t3", 1), ("snn_t3", 2)
    ]  # fmt: skip
    assert set(seen[-1]) >= {"loss", "validation_accuracy", "spikes_per_neuron", "leaks", "thresholds", "silent", "seconds"}
    assert ticks[-1] == ("snn_t3", 1.0) and all(a <= b for a, b in itertools.pairwise(ticks))
    network = ns.load_network(tmp_path / "net.h5")
    assert verify(network).ok
    assert network.about["report"]["snn_int_accuracy"] == report["snn_int_accuracy"] == network.about["accuracy_reference"]
    assert 0 < network.about["report"]["ann_sparsity"] == report["ann_sparsity"] < 1
    assert max(report["float_mismatch_rate"].values()) < 0.01
    kept = report["paper"]["conv1_mac"]
    assert kept["once"]["snn_J"] < kept["per_step"]["snn_J"] and kept["once"]["ann_J"] == kept["per_step"]["ann_J"]


@pytest.mark.parametrize(("bias", "share"), [(-1.0, 1.0), (1.0, 0.0)])
def test_activations_that_are_zero_are_counted(data, bias, share):
    """Currents below zero, or above."""
    ann = Ann(tiny(), (0.0, 0.0))
    activation = ann.activation
    ann.activation = lambda name, current: activation(name, 0 * current + bias)
    dataset = load_mnist(data, 0, 60)
    assert zero_share(ann, Pixels(dataset, "cpu"), dataset.test) == share


def test_the_ablations_train_what_they_say(data, tmp_path):
    for threshold, leak in ((False, False), (True, False), (True, True)):
        recipe = dataclasses.replace(QUICK, ann_epochs=1, train_threshold=threshold, train_leak=leak, neuron_lr=0.05)
        report = training.train(DataSource(data), tmp_path / "net.h5", recipe)
        assert any(value != 1.0 for value in report["leaks"].values()) == leak
        converted = {name: found["threshold"] for name, found in report["conversion"].items()}
        assert (report["thresholds"] != converted) == threshold


def test_seeds_give_a_mean_and_a_deviation_and_keep_the_best_network(data, tmp_path):
    recipe = dataclasses.replace(QUICK, ann_epochs=1, snn_epochs=1)
    report = training.train(DataSource(data), tmp_path / "net.h5", recipe, seeds=2, checkpoints=tmp_path / "c")
    alone = [
        training.train(DataSource(data), tmp_path / f"{s}.h5", dataclasses.replace(recipe, seed=s)) for s in (0, 1)
    ]  # fmt: skip
    accuracies = [r["snn_int_accuracy"] for r in alone]
    assert report["seeds"]["snn_int_accuracy"] == {
        "mean": pytest.approx(np.mean(accuracies)), "std": pytest.approx(np.std(accuracies, ddof=1))
    }  # fmt: skip
    best = int(np.argmax([r["validation_accuracy"] for r in alone]))
    assert ns.load_network(tmp_path / "net.h5").sha256 == ns.load_network(tmp_path / f"{best}.h5").sha256
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == ["seed0", "seed1"]


def test_a_run_can_start_from_the_weights_of_another(data, tmp_path):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")
    source = tmp_path / "d" / "ann.pt"
    once_more = dataclasses.replace(QUICK, method="datta", ann_epochs=0, snn_epochs=0)
    training.train(DataSource(data, source), tmp_path / "again.h5", once_more)
    assert ns.load_network(tmp_path / "again.h5").about["recipe"]["init"] is not None
    with pytest.raises(NeurosimError, match=r"holds other weights: .*needed \[1, 1, 3, 3\]"):
        training.train(DataSource(data, source), tmp_path / "x.h5", dataclasses.replace(QUICK, width=0.0625))
    with pytest.raises(NeurosimError, match="conv3 is missing"):
        training.train(DataSource(data, source), tmp_path / "x.h5", dataclasses.replace(QUICK, arch="vgg6"))


def test_a_checkpoint_of_another_recipe_is_refused_and_named(tmp_path, data):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")
    other = dataclasses.replace(QUICK, timesteps=2)
    with pytest.raises(NeurosimError, match=r"another run \(timesteps differ\)"):
        training.train(DataSource(data), tmp_path / "net.h5", other, checkpoints=tmp_path / "d", resume=True)
    with pytest.raises(NeurosimError, match="holds the checkpoints of another run"):
        training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None, {"done": 1}])
def test_a_damaged_checkpoint_is_refused(tmp_path, data, content):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")
    path = tmp_path / "d" / "snn_t3.pt"
    if isinstance(content, dict):
        torch.save(content, path)
    else:
        path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(NeurosimError, match=r"snn_t3\.pt"):
        training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d", resume=True)


@pytest.mark.parametrize("layer", ["conv1", "fc1"])
def test_an_exploding_loss_stops_and_names_the_layer(tmp_path, data, layer, monkeypatch):
    healthy = Weights.current

    def current(self, step, values, *amplitude):
        found = healthy(self, step, values, *amplitude)
        if step.name == layer:
            found = found * float("nan")
            if self._watch:
                self._watch(step.name, found)
        return found

    monkeypatch.setattr(Weights, "current", current)
    with pytest.raises(NeurosimError, match=f"ann epoch 1 is not finite; it died in layer '{layer}' .all weights are finite"):
        training.train(DataSource(data), tmp_path / "net.h5", QUICK)
    assert not (tmp_path / "net.h5").exists()


def test_a_silent_layer_is_reported_with_the_conversion(tmp_path, data):
    seen, recipe = [], dataclasses.replace(QUICK, scale=1000.0, snn_epochs=1)
    training.train(DataSource(data), tmp_path / "net.h5", recipe, say=seen.append)
    assert next(x for x in seen if x["phase"] == "convert")["silent"] == ["conv1", "conv2", "fc1"]


def test_half_precision_trains_too(tmp_path, data):
    report = training.train(DataSource(data), tmp_path / "net.h5", dataclasses.replace(QUICK, precision="bf16"))
    assert verify(ns.load_network(tmp_path / "net.h5")).ok and report["snn_float_accuracy"] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arch": "resnet9000"}, "architecture 'resnet9000' is unknown; there are: mnist_vgg"),
        ({"method": "magic"}, "method 'magic' is unknown"),
        ({"timesteps": 0}, "timesteps is 0; at least 1"),
        ({"stages": (3,)}, "T goes 3, 3; stages must fall"),
        ({"stages": (2,)}, "stages must fall"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"validation": 0}, "at least 1 image"),
        ({"ann_epochs": -1}, "ann_epochs is -1"),
        ({"ann_lr": float("nan")}, "ann_lr is nan"),
        ({"neuron_lr": -1.0}, "neuron_lr is -1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"percentile": 0.0}, "percentile is 0.0"),
        ({"bits": 1}, "1 bits per weight"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown"),
        ({"device": "abacus"}, "device 'abacus' cannot be used"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change, words):
    with pytest.raises(NeurosimError, match=words):
        check_recipe(dataclasses.replace(QUICK, **change))


def test_all_problems_of_a_recipe_come_at_once():
    with pytest.raises(NeurosimError, match=r"timesteps is 0.*batch is 0.*unknown"):
        check_recipe(dataclasses.replace(QUICK, timesteps=0, batch=0, arch="x"))


def test_the_curve_of_a_run_is_drawn(tmp_path, data):
    pytest.importorskip("matplotlib", reason="needs the extra: pip install -e '.[train]'")
    from neurosim.training.plots import plot_training

    report = training.train(DataSource(data), tmp_path / "net.h5", QUICK)
    plot_training(report["lines"], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(NeurosimError, match="no epoch to plot"):
        plot_training([], tmp_path / "none.png")


def test_the_trainer_counts_spikes_as_the_simulator_does(tmp_path, data):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK)
    dataset = load_mnist(data, 0, 60)
    network = ns.load_network(tmp_path / "net.h5").float_twin
    trace = ns.simulate(network, ns.Inputs(dataset.test.images))
    report = ns.load_network(tmp_path / "net.h5").about["report"]
    for name, rate in trace.rates.items():
        assert report["float_spikes_per_neuron_by_layer"][name] == pytest.approx(rate, abs=2e-3)


def test_checkpoints_need_an_empty_folder_or_resume(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "ann.pt").write_bytes(b"x")
    with pytest.raises(NeurosimError, match="use --resume or another folder"):
        Checkpoints.opened(tmp_path / "f", {}, False)
    with pytest.raises(NeurosimError, match="cannot hold checkpoints"):
        Checkpoints.opened(tmp_path / "f" / "ann.pt", {}, False)


def test_a_run_is_not_resumed_on_other_images_or_other_weights(tmp_path, data):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")
    other = bars()
    other["y_train"] = other["y_train"][::-1]
    np.savez(tmp_path / "other.npz", **other)
    for source, words in (
        (DataSource(tmp_path / "other.npz"), "data differ"), (DataSource(data, tmp_path / "d" / "ann.pt"), "init differ")
    ):  # fmt: skip
        with pytest.raises(NeurosimError, match=words):
            training.train(source, tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d", resume=True)


def test_the_smallest_runs_train(tmp_path, data):
    """Two and five updates: the one cycle of the learning rate has its corners there."""
    with pytest.raises(NeurosimError, match=r"ann has 1 update in all; use a smaller --batch"):
        training.train(DataSource(data), tmp_path / "net.h5", dataclasses.replace(QUICK, batch=1000, ann_epochs=1))
    for epochs in (2, 3, 5):
        recipe = dataclasses.replace(QUICK, batch=1000, ann_epochs=epochs, snn_epochs=epochs)
        training.train(DataSource(data), tmp_path / "net.h5", recipe)


@pytest.mark.parametrize("change", ["model", "optimiser", "schedule", "best_state", "lines", "done", "best"])
def test_a_checkpoint_with_foreign_parts_is_refused(tmp_path, data, change):
    training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d")
    path = tmp_path / "d" / "snn_t3.pt"
    saved = torch.load(path, weights_only=True)
    saved[change] = {"x": 1} if change not in ("lines", "done", "best") else [5] if change == "lines" else "many"
    torch.save(saved, path)
    with pytest.raises(NeurosimError, match=r"snn_t3\.pt: does not belong to phase 'snn_t3'"):
        training.train(DataSource(data), tmp_path / "net.h5", QUICK, checkpoints=tmp_path / "d", resume=True)
