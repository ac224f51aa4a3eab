"""The search for alpha and beta: the paper's segments in plain loops, the neuron in exact arithmetic, the worked example."""

import importlib.util
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from neurosim.errors import InvalidError, NeurosimError


def loaded(name):
    """The module by its path: importing the package around it would need torch."""
    path = Path(__file__).parents[2] / "neurosim" / "training" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"alone_{name}", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scaling = loaded("scaling")
search, losses, staircase, percentiles = scaling.search, scaling.losses, scaling.staircase, scaling.percentiles

# Sixteenths: T a and V are exact in binary, so that a lands on the steps of the staircase, where the mistakes are.
SIXTEENTHS = st.integers(-16, 40).map(lambda k: Fraction(k, 16))
LAYERS = st.lists(SIXTEENTHS, min_size=1, max_size=6).filter(lambda points: max(points) > 0)
MUS = st.integers(1, 32).map(lambda k: Fraction(k, 16))
STEPS = st.integers(1, 5)


def laplace_quantiles(p):
    """Of the example: Laplace distribution, scale .16."""
    return np.where(p < 0.5, 0.16 * np.log(2 * p), -0.16 * np.log(2 * (1 - p)))


def laplace(n=20_000):
    """Activations as even as a sample of *n* can be: the population without a seed."""
    return laplace_quantiles((np.arange(n) + 0.5) / n)


def at(points, timesteps, alpha, beta):
    """(|mean e|, mean |e|) of one candidate, mu = 1."""
    signed, l1 = losses(points, np.array([alpha]), 1.0, timesteps)
    return signed[0, round(100 * beta)], l1[0, round(100 * beta)]


# --- the slow twin ---


def segment_error(a, alpha, beta, mu, T):
    """e(a) as the paper writes it: the segments I (one per step k), II and III."""
    if a < 0:
        return Fraction(0)
    if a >= mu:
        return mu - alpha * beta * mu
    if alpha * mu <= a < mu:
        return a - alpha * beta * mu
    for k in range(1, T + 1):
        if (k - 1) * alpha * mu / T <= a < k * alpha * mu / T:
            return a - (k - 1) * alpha * beta * mu / T
    raise AssertionError(f"no segment holds {a}")


def slow_losses(points, mu, T):
    """{(alpha, beta): (|mean e|, mean |e|)} over all candidates, exactly."""
    table = {}
    for alpha in [Fraction(1)] + [p / mu for p in points if 0 < p <= mu]:
        for beta in (Fraction(j, 100) for j in range(201)):
            e = [segment_error(a, alpha, beta, mu, T) for a in points]
            table[alpha, beta] = abs(sum(e)) / len(e), sum(abs(x) for x in e) / len(e)
    return table


def slow_winner(table, mu):
    """The losses of the candidate that the search has to take."""
    tied = [pair for pair in table.values() if pair[0] < mu / 1000]
    return min(tied, key=lambda pair: pair[1]) if tied else min(table.values())


def floats(points):
    return np.array([float(p) for p in points])


@settings(max_examples=60)
@given(LAYERS, MUS, STEPS)
@example([Fraction(1, 2)], Fraction(1), 1)
@example([Fraction(1, 2), Fraction(1), Fraction(2)], Fraction(1), 3)
def test_the_losses_are_the_papers_segments(points, mu, timesteps):
    table = slow_losses(points, mu, timesteps)
    alphas = list(dict.fromkeys(alpha for alpha, _ in table))
    signed, l1 = losses(floats(points), floats([alpha * mu for alpha in alphas]), float(mu), timesteps)
    for i, alpha in enumerate(alphas):
        slow = floats(table[alpha, Fraction(j, 100)][0] for j in range(201))
        np.testing.assert_allclose(signed[i], slow, rtol=0, atol=1e-12)
        slow = floats(table[alpha, Fraction(j, 100)][1] for j in range(201))
        np.testing.assert_allclose(l1[i], slow, rtol=0, atol=1e-12)


@settings(max_examples=60)
@given(LAYERS, MUS, STEPS)
def test_the_search_takes_what_the_slow_twin_takes(points, mu, timesteps):
    table = slow_losses(points, mu, timesteps)
    assume(all(abs(signed - mu / 1000) > 1e-12 for signed, _ in table.values()))
    found = search(floats(points), float(mu), timesteps)
    assert (found.signed_loss, found.l1_loss) == pytest.approx([float(x) for x in slow_winner(table, mu)], abs=1e-12)
    assert (found.base_signed_loss, found.base_l1_loss) == pytest.approx([float(x) for x in table[1, 1]], abs=1e-12)
    pair = next(alpha for alpha, _ in table if float(alpha) == found.alpha), Fraction(round(100 * found.beta), 100)
    assert (found.signed_loss, found.l1_loss) == pytest.approx([float(x) for x in table[pair]], abs=1e-12)


# --- the neuron ---


def fired(a, threshold, timesteps, strict):
    """The spikes of an integrate-and-fire neuron, step by step."""
    u, spikes = Fraction(0), []
    for _ in range(timesteps):
        u += a
        spikes.append(u > threshold if strict else u >= threshold)
        u -= threshold * spikes[-1]
    return spikes


@given(SIXTEENTHS, MUS, st.integers(1, 40), st.booleans())
@example(Fraction(1, 2), Fraction(1), 2, True)
@example(Fraction(1, 2), Fraction(1), 2, False)
@example(Fraction(0), Fraction(1), 3, True)
def test_the_staircase_is_the_neuron(a, threshold, timesteps, strict):
    n = staircase(float(a), float(threshold), timesteps, strict=strict)
    assert n == sum(fired(a, threshold, timesteps, strict))


@given(st.floats(-2, 4, width=32), st.floats(2**-7, 2, width=32), st.integers(1, 40), st.booleans())
def test_the_staircase_is_exact_for_float32(a, threshold, timesteps, strict):
    n = staircase(a, threshold, timesteps, strict=strict)
    assert n == sum(fired(Fraction(a), Fraction(threshold), timesteps, strict))


@given(st.floats(1e-3, 2), st.integers(1, 40))
def test_a_current_of_one_threshold_fires_always_or_all_but_once(v, timesteps):
    """Every candidate of the search has one, its own percentile; T v // v is T - 1 for many v that float32 cannot hold."""
    assert staircase(v, v, timesteps) == timesteps
    assert staircase(v, v, timesteps, strict=True) == timesteps - 1


def test_the_two_compares_differ_on_the_steps_alone():
    a = np.array([-0.5, 0.0, 0.2, 0.25, 0.3, 0.5, 0.7, 0.75, 1.0, 1.25])
    assert staircase(a, 0.75, 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]
    assert staircase(a, 0.75, 3, strict=True).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3]


@given(LAYERS, MUS, STEPS, SIXTEENTHS)
def test_the_mean_output_of_the_simulated_neuron_is_the_level(points, mu, timesteps, a):
    """Spikes of the amplitude alpha beta mu, averaged over the steps, are n alpha beta mu / T, at most the plateau."""
    found = search(floats(points), float(mu), timesteps)
    spikes = fired(a, Fraction(found.threshold), timesteps, strict=False)
    mean = np.mean([found.amplitude * s for s in spikes])
    n = staircase(float(a), found.threshold, timesteps)
    assert mean == pytest.approx(n * found.alpha * found.beta * found.mu / timesteps, abs=1e-12)
    assert mean <= found.amplitude + 1e-12
    if a >= Fraction(found.threshold):
        assert mean == pytest.approx(found.amplitude)


# --- the worked example: Laplace(.16), mu = 1 ---


@pytest.mark.parametrize("timesteps, alpha, beta", [(2, 0.228, 1.92), (3, 0.199, 1.74)])
def test_worked_example_the_signed_error_vanishes_at_this_beta(timesteps, alpha, beta):
    signed, _ = losses(laplace(), np.array([alpha]), 1.0, timesteps)
    assert scaling.BETAS[signed[0].argmin()] == beta
    assert signed.min() < 2e-4


@pytest.mark.parametrize("timesteps, alpha, beta", [(2, 0.210, 1.48), (3, 0.265, 1.34)])
def test_worked_example_the_l1_error_is_smallest_at_this_beta(timesteps, alpha, beta):
    points = laplace()
    signed, l1 = losses(points, np.array([alpha]), 1.0, timesteps)
    assert scaling.BETAS[l1[0].argmin()] == beta
    assert signed[0, l1[0].argmin()] > 0.01
    _, anywhere = losses(laplace(2000), np.arange(0.1, 0.5, 0.01), 1.0, timesteps)
    assert anywhere.min() == pytest.approx(l1.min(), rel=0.003)


def test_worked_example_the_losses():
    """Printed .0361, .0296 and .0688, from one random sample; the population lies 0.6, 0.9 and 0.6 % below."""
    points = laplace()
    assert at(points, 2, 0.228, 1.92)[1] == pytest.approx(0.0359, abs=5e-5)
    assert at(points, 2, 0.210, 1.48)[1] == pytest.approx(0.0293, abs=5e-5)
    assert at(points, 2, 1.0, 1.0)[1] == pytest.approx(0.0684, abs=5e-5)


def test_worked_example_a_sample_reaches_the_printed_losses():
    """The standard deviation of the printed means is 0.6 % for 1e5 values, so that they are ordinary for such a sample."""
    means = [at(np.random.default_rng(seed).laplace(0, 0.16, 100_000), 2, 1.0, 1.0)[1] for seed in range(8)]
    assert min(means) < 0.0688 < 0.0684 + 3 * np.std(means)


def test_worked_example_neither_one_sided_nor_percentiles():
    """Positive activations alone double the base loss, and the percentiles miss it; the mean is over all activations."""
    points = laplace()
    base = {
        "positive": at(points[points > 0], 2, 1.0, 1.0)[1],
        "1..99": at(np.percentile(points, np.arange(1, 100)), 2, 1.0, 1.0)[1],
        "0..100": at(np.percentile(points, np.arange(101)), 2, 1.0, 1.0)[1],
    }
    assert base == pytest.approx({"positive": 0.1368, "1..99": 0.0661, "0..100": 0.0647}, abs=1e-4)


@pytest.mark.parametrize("timesteps, alpha, beta", [(1, 0.1635, 2.0), (2, 0.1823, 1.86), (3, 0.2283, 1.58)])
def test_what_the_search_takes_on_the_example(timesteps, alpha, beta):
    """The tie by mean |e| leaves an L1 error near its optimum; one step does not reach a signed error below 1e-3."""
    points = laplace_quantiles(scaling.PERCENTS / 100)
    found = search(points, 1.0, timesteps)
    assert (found.alpha, found.beta) == (pytest.approx(alpha, abs=5e-5), beta)
    _, l1 = losses(points, points[points > 0], 1.0, timesteps)
    assert (found.signed_loss < scaling.TIE) == (timesteps > 1)
    assert found.l1_loss < 1.2 * l1.min() and found.l1_loss < 0.6 * found.base_l1_loss


# --- laws ---


@given(LAYERS, MUS, STEPS)
def test_never_worse_than_the_base(points, mu, timesteps):
    found = search(floats(points), float(mu), timesteps)
    assert found.signed_loss <= found.base_signed_loss + 1e-12


@given(LAYERS, MUS, STEPS)
def test_the_base_only_ever_falls_short(points, mu, timesteps):
    """V = mu floors: e lies in [0, mu/T), so that both losses of the base are one."""
    found = search(floats(points), float(mu), timesteps)
    assert found.base_signed_loss == pytest.approx(found.base_l1_loss, abs=1e-12)
    assert found.base_l1_loss < float(mu) / timesteps


@given(LAYERS, MUS, STEPS)
def test_twice_the_timesteps_never_raise_the_base_loss(points, mu, timesteps):
    once, twice = (search(floats(points), float(mu), t).base_l1_loss for t in (timesteps, 2 * timesteps))
    assert twice <= once + 1e-12


def test_one_more_timestep_can_raise_even_the_smallest_l1():
    """Two steps reproduce 0, 1/2 and 1 without an error; three have no level at 1/2 below one at 1."""
    points = np.array([0.0, 0.5, 1.0])
    smallest = [losses(points, points[1:], 1.0, t)[1].min() for t in (2, 3, 4)]
    assert smallest[0] == 0.0 == smallest[2] and smallest[1] > 0.05


@given(LAYERS, MUS, STEPS, st.integers(-8, 8).map(lambda k: 2.0**k))
def test_the_unit_does_not_matter(points, mu, timesteps, c):
    """A power of two rounds nothing: the same alpha and beta, and the losses times c, to the bit."""
    one, other = search(floats(points), float(mu), timesteps), search(c * floats(points), c * float(mu), timesteps)
    assert (other.alpha, other.beta, other.mu) == (one.alpha, one.beta, c * one.mu)
    for name in ("signed_loss", "l1_loss", "base_signed_loss", "base_l1_loss", "threshold", "amplitude"):
        assert getattr(other, name) == c * getattr(one, name)


@pytest.mark.parametrize("c", [0.37, 3.0, 1e3])
def test_the_unit_does_not_matter_for_any_factor(c):
    points = laplace_quantiles(scaling.PERCENTS / 100)
    one, other = search(points, 1.0, 2), search(c * points, c, 2)
    assert (other.alpha, other.beta) == pytest.approx((one.alpha, one.beta))
    assert (other.signed_loss, other.l1_loss) == pytest.approx((c * one.signed_loss, c * one.l1_loss))


@given(LAYERS, MUS, STEPS, st.randoms(use_true_random=False))
def test_the_order_of_the_percentiles_does_not_matter(points, mu, timesteps, random):
    shuffled = random.sample(points, len(points))
    one, other = search(floats(points), float(mu), timesteps), search(floats(shuffled), float(mu), timesteps)
    assert (other.signed_loss, other.l1_loss) == pytest.approx((one.signed_loss, one.l1_loss), abs=1e-12)


@given(LAYERS, MUS, STEPS)
def test_no_layer_is_silenced(points, mu, timesteps):
    found = search(floats(points), float(mu), timesteps)
    assert 0 < found.alpha <= 1 and found.amplitude > 0


# --- percentiles ---


def test_percentiles_are_the_ranks():
    values = np.random.default_rng(0).permutation(1001).reshape(7, 11, 13) - 500
    assert percentiles(values).tolist() == list(range(-490, 500, 10))


def test_a_rank_between_two_values_goes_to_the_nearer():
    assert percentiles([10, 0])[[0, 48, 50, 98]].tolist() == [0, 0, 10, 10]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=300))
def test_percentiles_are_values_in_order_near_the_interpolated_ones(values):
    found = percentiles(np.array(values, np.float32))
    assert found.dtype == np.float64 and found.shape == (99,)
    assert (np.diff(found) >= 0).all() and set(found) <= set(values)
    ordered = np.sort(values)
    k = np.arange(1, 100) * (len(values) - 1) / 100
    assert (ordered[np.floor(k).astype(int)] <= found).all() and (found <= ordered[np.ceil(k).astype(int)]).all()


def test_percentiles_leave_the_values_alone():
    values = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    before = values.copy()
    percentiles(values)
    assert (values == before).all()


@pytest.mark.parametrize("values, message", [
    ([], r"values are float64 \[0\]"), (["a"], "real numbers are needed"), ([1 + 2j], "real numbers are needed"),
    ([1.0, np.nan, np.inf], "2 of 3 values are not finite"), ([-np.inf, 0.0], "1 of 2 values are not finite"),
])  # fmt: skip
def test_percentiles_of_what_has_none(values, message):
    with pytest.raises(NeurosimError, match=message):
        percentiles(values)


# --- errors ---


def test_all_problems_are_said_at_once():
    with pytest.raises(InvalidError) as caught:
        search([0.0, -1.0], -2.0, 0)
    assert len(caught.value.problems) == 3
    for part in ("the layer is dead", "mu is -2", "timesteps is 0"):
        assert part in str(caught.value)


@pytest.mark.parametrize("points, mu, timesteps, message", [
    ([-1.0, 0.0], 1.0, 2, "no percentile is positive, the largest is 0"),
    ([0.5, np.nan, np.inf], 1.0, 2, "2 of 3 percentiles are not finite"),
    ([], 1.0, 2, r"shape \[0\]"), ([[0.5]], 1.0, 2, r"shape \[1, 1\]"),
    ([0.5], 0.0, 2, "mu is 0; it must be positive"), ([0.5], np.nan, 2, "mu is nan"), ([0.5], np.inf, 2, "mu is inf"),
    ([0.5], 1.0, 0, "timesteps is 0"), ([0.5], 1.0, 2.5, "timesteps is 2.5"),
])  # fmt: skip
def test_one_problem_is_said_alone(points, mu, timesteps, message):
    with pytest.raises(NeurosimError, match=message) as caught:
        search(points, mu, timesteps)
    assert len(caught.value.problems) == 1


@pytest.mark.filterwarnings("error")
def test_extreme_floats_pass():
    found = search([1e-300, 0.5, 1e300], 1e10, 2)
    assert found.alpha > 0 and np.isfinite([found.signed_loss, found.l1_loss]).all()
