"""Neurons that are trained: the dynamics by hand, exact gradients, and the compiled kernel against PyTorch's tape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.kernels import training as kernel

torch = pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")

from neurosim.training import neurons  # noqa: E402
from neurosim.training.neurons import BOXCAR, GAMMA, TRIANGLE, Clip, LifLayer  # noqa: E402


def numbers(*values, grad=False):
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def fired(currents, leak, threshold):
    """Spikes [T] of one neuron."""
    current = numbers(*currents)[:, None, None]
    return LifLayer.apply(current, scalar(leak), scalar(threshold), len(currents), TRIANGLE).flatten().tolist()


def test_v1_by_hand():
    """leak 0.5, threshold 1, currents 0.8, 0.8, 0.0, 2.6: u before reset 0.8, 1.2, 0.1, 2.65, after it 0.8, 0.2, 0.1, 1.65;
    above the threshold after the reset, it fires again without input: 0.825 does not, so leak 1 shows it."""
    assert fired((0.8, 0.8, 0.0, 2.6), 0.5, 1.0) == [0, 1, 0, 1]
    assert fired((2.6, 0.0, 0.0), 1.0, 1.0) == [1, 1, 0]


def test_a_potential_at_the_threshold_does_not_fire():
    assert fired((1.0, 0.0, 0.5), 1.0, 1.0) == [0, 0, 1]


def test_v1_is_the_papers_written_form_without_leak():
    rng = np.random.default_rng(0)
    currents = rng.normal(0.4, 0.6, (200, 1, 7))
    for leak, equal in ((1.0, True), (0.7, False)):
        v1 = LifLayer.apply(torch.from_numpy(currents), scalar(leak), scalar(1.0), 200, TRIANGLE).detach().numpy()
        written, before, v2 = np.zeros((1, 7)), np.zeros((1, 7)), []
        for current in currents:
            written = leak * written + current - before
            before = (written > 1).astype(float)
            v2.append(before)
        assert (v1 == np.array(v2)).all() == equal


def sums(currents, leak, threshold, start, upstream, slope_of):
    """The sums of DIET-SNN for one layer in plain numpy: gradients of leak, threshold and currents; neurons start at a share of
    the threshold."""
    steps, count = currents.shape
    pre, post, spikes = np.zeros((steps, count)), np.zeros((steps + 1, count)), np.zeros((steps, count))
    post[0] = start * threshold
    for t in range(steps):
        pre[t] = leak * post[t] + currents[t]
        spikes[t] = pre[t] / threshold - 1 > 0
        post[t + 1] = pre[t] - threshold * spikes[t]
    slope = slope_of(np.abs(pre / threshold - 1))
    delta = np.zeros((steps + 1, count))
    d_threshold = d_leak = 0.0
    for t in reversed(range(steps)):
        d_threshold += (-upstream[t] * slope[t] * pre[t] / threshold**2 - spikes[t] * leak * delta[t + 1]).sum()
        delta[t] = upstream[t] * slope[t] / threshold + leak * delta[t + 1]
        d_leak += (delta[t] * post[t]).sum()
    return d_leak, d_threshold + start * leak * delta[0].sum(), delta[:-1]


SLOPES = {TRIANGLE: lambda z: GAMMA * np.maximum(0, 1 - z), BOXCAR: lambda z: (z < 1).astype(float)}


class Spike(torch.autograd.Function):
    """A spike with a surrogate derivative, for the tape below."""

    @staticmethod
    def forward(ctx, z, surrogate):
        ctx.save_for_backward(z)
        ctx.surrogate = surrogate
        return (z > 0).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        return grad * torch.from_numpy(SLOPES[ctx.surrogate](z.abs().numpy())), None


def taped(currents, leak, threshold, start, upstream, surrogate):
    """The same gradients from PyTorch's tape, step by step; the spike in the reset is detached."""
    leaf, leak, threshold = torch.tensor(currents, requires_grad=True), scalar(leak), scalar(threshold)
    u, loss = start * threshold.expand(currents.shape[1:]), torch.zeros((), dtype=torch.float64)
    for t in range(len(currents)):
        u = leak * u + leaf[t]
        s = Spike.apply(u / threshold - 1, surrogate)
        u = u - threshold * s.detach()
        loss = loss + (s * torch.from_numpy(upstream[t])).sum()
    loss.backward()
    return leak.grad.item(), threshold.grad.item(), leaf.grad.numpy()


@pytest.mark.parametrize("surrogate", [TRIANGLE, BOXCAR])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("start", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_the_exact_sums_and_the_tapes(seed, start, compiled, surrogate, monkeypatch):
    if not compiled:
        monkeypatch.setattr(neurons, "_fire_compiled", neurons._fire)
        monkeypatch.setattr(neurons, "_gradients_compiled", neurons._gradients)
    rng = np.random.default_rng(seed)
    currents, upstream = rng.normal(0.5, 0.7, (6, 11)), rng.normal(size=(6, 11))
    leak, threshold = scalar(0.8), scalar(0.9)
    current = torch.tensor(currents[:, None], requires_grad=True)
    spikes = LifLayer.apply(current, leak, threshold, 6, surrogate, False, start)
    (spikes * torch.from_numpy(upstream[:, None])).sum().backward()
    found = leak.grad.item(), threshold.grad.item(), current.grad.numpy()[:, 0]
    neuron = 0.8, 0.9, start, upstream
    for wanted in (sums(currents, *neuron, SLOPES[surrogate]), taped(currents, *neuron, surrogate)):
        assert found[0] == pytest.approx(wanted[0], abs=1e-9)
        assert found[1] == pytest.approx(wanted[1], abs=1e-9)
        np.testing.assert_allclose(found[2], wanted[2], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 6), count=st.integers(1, 30), leak=st.floats(0, 1), threshold=st.floats(0.1, 3),
    start=st.sampled_from([0.0, 0.5]), shared=st.booleans(), surrogate=st.sampled_from([TRIANGLE, BOXCAR]),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_the_compiled_kernel_is_the_readable_one(steps, count, leak, threshold, start, shared, surrogate, seed):
    rng = np.random.default_rng(seed)
    current = torch.from_numpy(rng.normal(0.5, 0.7, (1 if shared else steps, 3, count)))
    grad = torch.from_numpy(rng.normal(size=(steps, 3, count)))
    leak, threshold = scalar(leak).detach(), scalar(threshold).detach()
    pre, spikes = neurons._fire(current, leak, threshold, start, steps)
    fast_pre, fast_spikes = neurons._fire_compiled(current, leak, threshold, start, steps)
    assert (pre == fast_pre).all() and (spikes == fast_spikes.bool()).all()
    slow = neurons._gradients(grad, pre, leak, threshold, start, surrogate, shared)
    fast = neurons._gradients_compiled(grad, pre, leak, threshold, start, surrogate, shared)
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-9)


def test_a_population_longer_than_a_block_of_the_kernel_is_whole(monkeypatch):
    n = kernel.BLOCK + 5
    current = torch.full((3, 1, n), 0.7)
    _, spikes = neurons._fire_compiled(current, torch.tensor(1.0), torch.tensor(1.0), 0.0, 3)
    assert spikes[:, 0, 0].tolist() == [0, 1, 1] and (spikes == spikes[:, :, :1]).all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_of_the_memory_does_not_matter(layout):
    torch.manual_seed(0)
    current = torch.rand(4 * 2, 3, 5, 5)
    leak, threshold = torch.tensor(0.9), torch.tensor(0.8)
    plain = LifLayer.apply(current.unflatten(0, (4, 2)), leak, threshold, 4, TRIANGLE)
    other = LifLayer.apply(current.contiguous(memory_format=layout).unflatten(0, (4, 2)), leak, threshold, 4, TRIANGLE)
    assert plain.shape == (4, 2, 3, 5, 5) and (plain == other).all()


def test_one_current_for_all_steps_is_the_same_as_repeating_it():
    torch.manual_seed(0)
    current = torch.rand(1, 2, 7, dtype=torch.float64)
    grads = []
    for given_current in (current, current.expand(5, -1, -1)):
        leaf = given_current.clone().requires_grad_()
        leak, threshold = scalar(0.9), scalar(0.7)
        LifLayer.apply(leaf, leak, threshold, 5, TRIANGLE).cumsum(0).sum().backward()
        grads.append((leaf.grad.sum(0), leak.grad, threshold.grad))
    for one, other in zip(*grads, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 40))
def test_spikes_under_a_constant_current_are_the_staircase(steps, numerator, denominator):
    """n(a) = clip(ceil(T a / V) - 1, 0, T) for the strict compare; eighths are exact in binary."""
    a, v = numerator / 8, denominator / 8
    expected = min(max(-(-steps * numerator // denominator) - 1, 0), steps)
    assert sum(fired([a] * steps, 1.0, v)) == expected


def test_a_clip_passes_the_gradient_inside_and_gives_it_to_its_bound_outside():
    a, mu = numbers(-1.0, 0.0, 0.5, 2.0, 3.0, grad=True), scalar(2.0)
    found = Clip.apply(a, mu)
    assert found.tolist() == [0, 0, 0.5, 2, 2]
    (found * numbers(1, 2, 4, 8, 16)).sum().backward()
    assert a.grad.tolist() == [0, 0, 4, 8, 0] and mu.grad.item() == 16
