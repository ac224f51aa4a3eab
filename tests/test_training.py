"""Training: the equations, the gradients, the conversion, and runs that can be stopped and resumed."""

import gzip
import json

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from strategies import cases

import neurosim as ns
from neurosim.errors import FileError, NeurosimError

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
 

from neurosim.training import diet, export, reference  # noqa: E402
from neurosim.training.architecture import ARCHITECTURES, Architecture, Layers, steps  # noqa: E402
from neurosim.training.datasets import IDX_FILES, load_mnist  # noqa: E402
from neurosim.training.neurons import GAMMA, Ann, Snn, balance_thresholds, lif_step  # noqa: E402

TINY = Architecture("tiny", (1, 28, 28), (2, "A", 2, "A"), (5,), 10)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_v1_by_hand():
    """leak 0.5, threshold 1, currents 0.8, 0.8, 0.0, 2.6: u before reset 0.8, 1.2, 0.1, 2.65."""
    u, trains = numbers(0.0), []
    for current in (0.8, 0.8, 0.0, 2.6):
        u, s = lif_step(u, numbers(current), numbers(0.5), numbers(1.0))
        trains.append((round(u.item(), 9), s.item()))
    assert trains == [(0.8, 0), (0.2, 1), (0.1, 0), (1.65, 1)]


def test_a_potential_at_the_threshold_does_not_fire():
    _, s = lif_step(numbers(0.0), numbers(1.0), numbers(1.0), numbers(1.0))
    assert s.item() == 0


def test_v1_is_the_papers_written_form_without_leak():
    rng = np.random.default_rng(0)
    currents = rng.normal(0.4, 0.6, (200, 7))
    for leak, equal in ((1.0, True), (0.7, False)):
        u = torch.zeros(7, dtype=torch.float64)
        v1 = []
        for current in currents:
            u, s = lif_step(u, torch.from_numpy(current), numbers(leak), numbers(1.0))
            v1.append(s.numpy())
        written, before, v2 = np.zeros(7), np.zeros(7), []
        for current in currents:
            written = leak * written + current - before
            before = (written > 1).astype(float)
            v2.append(before)
        assert (np.array(v1) == np.array(v2)).all() == equal


def gradients_by_hand(currents, leak, threshold, upstream):
    """The sums of DIET-SNN for one layer: delta_t, dL/dthreshold, dL/dleak, dL/dcurrent, in plain numpy."""
    steps_, neurons = currents.shape
    pre, post, spikes = np.zeros((steps_, neurons)), np.zeros((steps_ + 1, neurons)), np.zeros((steps_, neurons))
    for t in range(steps_):
        pre[t] = leak * post[t] + currents[t]
        spikes[t] = pre[t] / threshold - 1 > 0
        post[t + 1] = pre[t] - threshold * spikes[t]
    slope = GAMMA * np.maximum(0, 1 - np.abs(pre / threshold - 1))
    delta = np.zeros((steps_ + 1, neurons))
    d_threshold = d_leak = 0.0
    for t in reversed(range(steps_)):
        d_threshold += (-upstream[t] * slope[t] * pre[t] / threshold**2 - spikes[t] * leak * delta[t + 1]).sum()
        delta[t] = upstream[t] * slope[t] / threshold + leak * delta[t + 1]
        d_leak += (delta[t] * post[t]).sum()
    return d_threshold, d_leak, delta[:-1]


@pytest.mark.parametrize("seed", range(5))
def test_gradients_are_the_exact_sums(seed):
    rng = np.random.default_rng(seed)
    currents, upstream = rng.normal(0.5, 0.7, (6, 11)), rng.normal(size=(6, 11))
    leak = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    threshold = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    given_currents = torch.tensor(currents, requires_grad=True)
    u, loss = torch.zeros(11, dtype=torch.float64), 0.0
    for t in range(6):
        u, s = lif_step(u, given_currents[t], leak, threshold)
        loss = loss + (s * torch.from_numpy(upstream[t])).sum()
    loss.backward()
    d_threshold, d_leak, d_current = gradients_by_hand(currents, 0.8, 0.9, upstream)
    assert threshold.grad.item() == pytest.approx(d_threshold, abs=1e-9)
    assert leak.grad.item() == pytest.approx(d_leak, abs=1e-9)
    np.testing.assert_allclose(given_currents.grad.numpy(), d_current, atol=1e-9)


def test_clamping_keeps_leaks_in_range_and_thresholds_positive():
    snn = Snn(Layers(TINY), 0.0)
    with torch.no_grad():
        snn.leaks[0].fill_(1.7)
        snn.leaks[1].fill_(-0.2)
        snn.thresholds[0].fill_(-3.0)
    snn.clamp()
    assert [x.item() for x in snn.leaks[:2]] == [1.0, 0.0]
    assert snn.thresholds[0].item() > 0


def test_balancing_takes_the_percentile_of_the_current():
    torch.manual_seed(0)
    snn = Snn(Layers(TINY), 0.0)
    images = torch.rand(4, 1, 28, 28)
    found = balance_thresholds(snn, images, 99.0, 0.5, 3)
    first = snn.layers.current(0, images).detach().flatten().numpy()
    assert found[0] == pytest.approx(0.5 * np.sort(first)[round(0.99 * (first.size - 1))])
    assert all(leak.item() == 1.0 for leak in snn.leaks)


def test_dropout_masks_are_constant_over_time():
    torch.manual_seed(0)
    snn = Snn(Layers(TINY), 0.5)
    snn.train()
    masks = {}
    x = torch.ones(3, 5)
    first = snn._mask(masks, 2, x)
    assert snn._mask(masks, 2, x) is first
    assert set(np.unique(first.numpy())) <= {0.0, 2.0}


def test_the_mnist_network_is_small_enough():
    total = sum(np.prod(s.weight_shape) for s in steps(ARCHITECTURES["mnist_vgg"]))
    assert total == 144 + 4608 + 1568 * 128 + 1280 < 300_000


@settings(max_examples=60)
@given(cases())
def test_the_reference_is_the_readable_twin(case):
    network, inputs = case
    data = inputs.images if inputs.images is not None else inputs.spikes
    recorded = reference.record(network, data)
    for n, sample in enumerate(data):
        fired, potentials, _ = naive.run(network, sample)
        for layer in network.layers:
            assert recorded[layer.name].potentials[n].tolist() == potentials[layer.name]
            if layer.spiking:
                assert [set(np.flatnonzero(s).tolist()) for s in recorded[layer.name].spikes[n]] == fired[layer.name]


@settings(max_examples=20)
@given(cases())
def test_exported_golden_samples_verify(case):
    network, inputs = case
    data = inputs.images if inputs.images is not None else inputs.spikes
    from neurosim.verify import verify

    verdict = verify(export.with_golden(network, data, inputs.labels))
    assert verdict.ok and verdict.probes == len(network.layers)


def test_export_folds_the_average_pool_exactly():
    torch.manual_seed(1)
    snn = Snn(Layers(TINY), 0.0).eval()
    balance_thresholds(snn, torch.rand(8, 1, 28, 28), 99.0, 0.4, 5)
    network = export.float_network(snn, "tiny", 4, {})
    images = (np.random.default_rng(0).random((6, 1, 28, 28)) * 255).astype(np.uint8)
    counts = []
    with torch.no_grad():
        logits = snn(torch.from_numpy(images).float() / 255, 4, counts)
    trace = ns.simulate(network, ns.Inputs(images))
    assert list(trace.spike_counts().values()) == pytest.approx([int(c.sum()) for c in counts], rel=0.01)
    np.testing.assert_allclose(trace.outputs, logits.numpy(), atol=0.3)


def small_mnist(folder, images=260, test=40):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, images + test).astype(np.uint8)
    data = (rng.random((images + test, 28, 28)) * 60).astype(np.uint8)
    for i, label in enumerate(labels):
        data[i, 2 * label : 2 * label + 4, 4:24] = 220
    parts = {"x_train": data[:images], "y_train": labels[:images], "x_test": data[images:], "y_test": labels[images:]}
    path = folder / "small.npz"
    np.savez(path, **parts)
    return path, parts


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "tiny", TINY)
    monkeypatch.setattr(diet, "load_mnist", lambda path, seed: load_mnist(path, seed, validation=60))
    epochs = {"ann_epochs": 2, "snn_epochs": 2, "batch": 50}
    return diet.Recipe(arch="tiny", timesteps=3, calibration_steps=4, calibration_images=40, **epochs)


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path, quick):
    data, _ = small_mnist(tmp_path)
    whole = diet.train_diet(data, tmp_path / "whole.h5", quick, checkpoints=tmp_path / "a")

    class KilledError(Exception):
        pass

    for stop_at in (("ann", 1), ("snn", 1)):

        def say(line, stop_at=stop_at):
            if (line["phase"], line["epoch"]) == stop_at:
                raise KilledError

        with pytest.raises(KilledError):
            diet.train_diet(data, tmp_path / "part.h5", quick, checkpoints=tmp_path / "b", resume=True, say=say)
        assert not (tmp_path / "part.h5").exists()
    resumed = diet.train_diet(data, tmp_path / "part.h5", quick, checkpoints=tmp_path / "b", resume=True)
    assert resumed == whole
    # The best epoch may come before the kill; the losses of every epoch show what was drawn after it.
    assert (tmp_path / "b" / "log.jsonl").read_text() == (tmp_path / "a" / "log.jsonl").read_text()
    a, b = ns.load_network(tmp_path / "whole.h5"), ns.load_network(tmp_path / "part.h5")
    assert a.sha256 == b.sha256 and a.float_twin.sha256 == b.float_twin.sha256


def test_one_line_per_epoch_and_a_network_that_verifies(tmp_path, quick):
    from neurosim.verify import verify

    data, _ = small_mnist(tmp_path)
    diet.train_diet(data, tmp_path / "net.h5", quick, checkpoints=tmp_path / "c")
    lines = [json.loads(line) for line in (tmp_path / "c" / "log.jsonl").read_text().splitlines()]
    assert [(x["phase"], x["epoch"]) for x in lines] == [("ann", 1), ("ann", 2), ("snn", 1), ("snn", 2)]
    assert verify(ns.load_network(tmp_path / "net.h5")).ok


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, quick):
    data, _ = small_mnist(tmp_path)
    diet.train_diet(data, tmp_path / "net.h5", quick, checkpoints=tmp_path / "d")
    other = diet.Recipe(**{**quick.__dict__, "timesteps": 2})
    with pytest.raises(NeurosimError, match="another recipe"):
        diet.train_diet(data, tmp_path / "net.h5", other, checkpoints=tmp_path / "d", resume=True)


def test_an_exploding_loss_stops_and_says_where(tmp_path, quick, monkeypatch):
    data, _ = small_mnist(tmp_path)
    monkeypatch.setattr(Ann, "forward", lambda self, x: self.layers.current(0, x).flatten(1)[:, :10] * float("nan"))
    with pytest.raises(NeurosimError, match="ann epoch 0 is not finite"):
        diet.train_diet(data, tmp_path / "net.h5", quick)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("arch", "resnet9000", "unknown"), ("timesteps", 0, "timesteps is 0"), ("ann_epochs", 0, "ann_epochs is 0")],
)
def test_a_recipe_that_cannot_be_is_refused(tmp_path, quick, field, value, words):
    data, _ = small_mnist(tmp_path)
    with pytest.raises(NeurosimError, match=words):
        diet.train_diet(data, tmp_path / "net.h5", diet.Recipe(**{**quick.__dict__, field: value}))


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder, parts, zipped):
    for key, name in IDX_FILES.items():
        data = idx(parts[key])
        (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_give_what_the_npz_gives(tmp_path, zipped):
    path, parts = small_mnist(tmp_path)
    folder = tmp_path / "idx"
    folder.mkdir()
    write_idx(folder, parts, zipped)
    one, other = load_mnist(path, 3, 60), load_mnist(folder, 3, 60)
    for part in ("train", "validation", "test"):
        assert (getattr(one, part).images == getattr(other, part).images).all()
        assert (getattr(one, part).labels == getattr(other, part).labels).all()


def test_the_splits_are_disjoint_and_complete(tmp_path):
    path, parts = small_mnist(tmp_path)
    data = load_mnist(path, 1, 60)
    joined = np.concatenate([data.train.images, data.validation.images])[:, 0]
    assert len(data.validation.images) == 60
    assert sorted(x.tobytes() for x in joined) == sorted(x.tobytes() for x in parts["x_train"])


def damage_truncated(folder, parts):
    path = folder / IDX_FILES["x_train"]
    path.write_bytes(path.read_bytes()[:-7])


def damage_magic(folder, parts):
    path = folder / IDX_FILES["y_test"]
    path.write_bytes(b"\0\0\x0d\1" + path.read_bytes()[4:])


def damage_missing(folder, parts):
    (folder / IDX_FILES["y_train"]).unlink()


def damage_label(folder, parts):
    (folder / IDX_FILES["y_train"]).write_bytes(idx(np.full_like(parts["y_train"], 10)))


def damage_shape(folder, parts):
    (folder / IDX_FILES["x_test"]).write_bytes(idx(parts["x_test"][:, :20]))


@pytest.mark.parametrize(
    ("damage", "words"),
    [(damage_truncated, "truncated"), (damage_magic, "magic number"), (damage_missing, "is missing"),
     (damage_label, "0..9"), (damage_shape, r"\[40, 20, 28\]")],
)  # fmt: skip
def test_damaged_idx_files_are_refused_with_the_reason(tmp_path, damage, words):
    _, parts = small_mnist(tmp_path)
    folder = tmp_path / "idx"
    folder.mkdir()
    write_idx(folder, parts, False)
    damage(folder, parts)
    with pytest.raises(FileError, match=words):
        load_mnist(folder, 0, 60)


def test_damaged_npz_files_are_refused_with_the_reason(tmp_path):
    path, parts = small_mnist(tmp_path)
    np.savez(tmp_path / "short.npz", x_train=parts["x_train"])
    with pytest.raises(FileError, match="'y_test' is missing"):
        load_mnist(tmp_path / "short.npz")
    (tmp_path / "cut.npz").write_bytes(path.read_bytes()[:500])
    with pytest.raises(FileError, match="cannot be read"):
        load_mnist(tmp_path / "cut.npz")
    with pytest.raises(FileError, match="does not exist"):
        load_mnist(tmp_path / "none.npz")
    with pytest.raises(FileError, match="too few"):
        load_mnist(path)
