"""Paired differences by law, beside a twin in plain Python, and how often their intervals hold."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

import neurosim as ns
from neurosim.outcome.paired import paired, paired_shares

amounts = st.floats(1e-9, 1e-3)
pairs = st.lists(st.tuples(amounts, amounts), min_size=2, max_size=40).map(lambda rows: np.array(rows).T)
answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(lambda rows: np.array(rows).T)


def twin(one, other, error=0.0):
    """(mean, low, high) with nothing but sums."""
    differences = [a - b if abs(a - b) > 1e-12 * max(abs(a), abs(b)) else 0.0 for a, b in zip(one, other, strict=True)]
    n, mean = len(differences), sum(differences) / len(differences)
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    half = t.ppf(0.975, n - 1) * (variance / n) ** 0.5
    half = (half**2 + error**2) ** 0.5 if mean or half else 0.0
    return mean, mean - half, mean + half


def close(found, mean, low, high):
    return (found.mean, found.low, found.high) == pytest.approx((mean, low, high), rel=1e-9, abs=1e-15)


@given(pairs, st.floats(0, 1e-4))
def test_it_is_what_plain_sums_say(rows, error):
    found = paired(*rows, error)
    assert close(found, *twin(*rows.tolist(), error))
    assert found.told_apart == (not found.low <= 0 <= found.high)


@given(pairs)
def test_it_is_the_t_test_of_the_differences(rows):
    assume(np.ptp(rows[0] - rows[1]) > 1e-9)
    found, tested = paired(*rows), ttest_rel(*rows)
    assume(abs(tested.pvalue - 0.05) > 1e-6)
    interval = tested.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-15)
    assert found.told_apart == (tested.pvalue < 0.05)


@given(pairs, st.floats(0, 1e-3))
def test_nothing_is_told_apart_from_itself(rows, error):
    found = paired(rows[0], rows[0].copy(), error)
    assert (found.mean, found.low, found.high, found.told_apart) == (0.0, 0.0, 0.0, False)
    rounded = paired(rows[0], rows[0] * (1 + 2e-16), error)
    assert rounded.mean == 0 and not rounded.told_apart


@given(pairs, st.randoms())
def test_the_order_of_images_does_not_matter(rows, random):
    order = list(range(rows.shape[1]))
    random.shuffle(order)
    assert close(paired(*rows[:, order]), *paired(*rows).model_dump(exclude={"told_apart"}).values())


@given(pairs, st.floats(1e-6, 1e-3))
def test_what_every_image_costs_more_moves_the_difference_by_it(rows, more):
    before, after = paired(*rows), paired(rows[0] + more, rows[1])
    assert close(after, before.mean + more, before.low + more, before.high + more)


@given(pairs)
def test_exchanged_it_is_the_opposite(rows):
    one, other = paired(*rows), paired(*rows[::-1])
    assert close(other, -one.mean, -one.high, -one.low) and one.told_apart == other.told_apart


@given(pairs, st.floats(0, 1e-4), st.floats(0, 1e-4))
def test_more_images_narrow_it_and_a_sampled_time_widens_it(rows, error, more):
    def width(found):
        return found.high - found.low

    assert width(paired(*np.tile(rows, 2))) <= width(paired(*rows)) * (1 + 1e-9)
    assert width(paired(*rows, error)) <= width(paired(*rows, error + more)) * (1 + 1e-9) + 1e-18


def test_one_image_says_nothing():
    assert paired(np.array([1.0]), np.array([2.0])) is None


def test_differences_of_accuracy_by_hand():
    """Of ten answers one is right at first alone, and three at the second: with half of one added to both, 2 of 12 less."""
    one = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], bool)
    other = np.array([1, 1, 1, 1, 1, 0, 1, 1, 1, 0], bool)
    found = paired_shares(one, other)
    half = 1.959963984540054 * math.sqrt(1.5 + 3.5 - (1.5 - 3.5) ** 2 / 12) / 12
    assert found.mean == pytest.approx(-0.2)
    assert (found.low, found.high) == pytest.approx((-2 / 12 - half, -2 / 12 + half))
    assert not found.told_apart


@given(answers, st.randoms())
def test_differences_of_accuracy_obey_the_same_laws(rows, random):
    found, order = paired_shares(*rows), list(range(rows.shape[1]))
    random.shuffle(order)
    assert paired_shares(*rows[:, order]) == found
    assert found.mean == pytest.approx(rows[0].mean() - rows[1].mean())
    assert -1 <= found.low <= found.high <= 1
    opposite = paired_shares(*rows[::-1])
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))
    twice = paired_shares(*np.tile(rows, 2))
    assert twice.high - twice.low <= found.high - found.low + 1e-12
    same = paired_shares(rows[0], rows[0])
    assert same.mean == 0 and not same.told_apart


@pytest.mark.parametrize("images", [20, 100, 1000])
@pytest.mark.parametrize("more_less", [(0.02, 0.02), (0.05, 0.0), (0.05, 0.02), (0.1, 0.1), (0.03, 0.01)])
def test_intervals_of_accuracy_hold(images, more_less):
    """93 % and more of 2,000 samples; the plain interval of Wald holds 64 % of the second with 20 images."""
    more, less = more_less
    drawn = np.random.default_rng(0).multinomial(images, [more, less, 1 - more - less], 2000)
    held = 0
    for only_one, only_other, _ in drawn.tolist():
        one, other = np.zeros(images, bool), np.zeros(images, bool)
        one[:only_one] = other[only_one : only_one + only_other] = True
        found = paired_shares(one, other)
        held += found.low <= more - less <= found.high
    assert held >= 0.93 * 2000


@pytest.fixture(scope="module")
def images():
    """Energy and latency of 300 images on three chips."""
    net = ns.load_network("models/mnist_vgg_t5.h5")
    runs = ns.compare(net, ns.load_inputs("traces/mnist_test_1000.h5")[:300], ["mesh45", "lp45", "loihi"], timing="analytic")
    return [(run.energy.images_J, run.time.latency / run.time.hz) for run in runs]


@pytest.mark.parametrize("many", [5, 20, 50])
@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("kind", [0, 1])
def test_intervals_of_real_images_hold(images, one, other, kind, many):
    """Of a thousand random samples of the images of a network that ships, taken as all there are: 93 % and more."""
    rows = np.array([images[one][kind], images[other][kind]])
    truth, rng, held = (rows[0] - rows[1]).mean(), np.random.default_rng(many), 0
    for _ in range(1000):
        found = paired(*rows[:, rng.integers(0, rows.shape[1], many)])
        held += found.low <= truth <= found.high
    assert held >= 930


@given(pairs)
def test_pairing_is_what_makes_it_narrow(rows):
    """Images that cost much on one chip do on another: their difference varies less than they do."""
    noise = np.linspace(-1e-9, 1e-9, rows.shape[1])
    found = paired(rows[0] + 1e-3 + noise, rows[0])
    assert found.told_apart and found.high - found.low < 1e-6
