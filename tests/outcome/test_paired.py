"""Paired differences by law, beside a twin in plain Python, and how often their intervals hold."""

import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

import neurosim as ns
from neurosim.outcome.paired import paired, paired_shares

ROOT = Path(__file__).parents[2]
amounts = st.floats(1e-9, 1e-3)
pairs = st.lists(st.tuples(amounts, amounts), min_size=2, max_size=40).map(lambda rows: np.array(rows).T)
answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60).map(lambda rows: np.array(rows).T)


def half_of(values):
    """Half of Student's interval of their mean, with nothing but sums."""
    n, mean = len(values), sum(values) / len(values)
    return t.ppf(0.975, n - 1) * (sum((v - mean) ** 2 for v in values) / (n - 1) / n) ** 0.5


def less(a, b):
    return a - b if abs(a - b) > 1e-12 * max(abs(a), abs(b)) else 0.0


def twin(one, other, errors=(0.0, 0.0)):
    """The difference and the ratio, (mean, low, high) each."""
    differences = [less(a, b) for a, b in zip(one, other, strict=True)]
    mean, half = sum(differences) / len(differences), half_of(differences)
    if not mean and not half:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    half = (half**2 + errors[0] ** 2 + errors[1] ** 2) ** 0.5
    x, y = (sum(values) / len(values) for values in (one, other))
    off = half_of([less(a / x, b / y) for a, b in zip(one, other, strict=True)])
    off = (off**2 + (errors[0] / x) ** 2 + (errors[1] / y) ** 2) ** 0.5
    return (mean, mean - half, mean + half), (x / y, x / y / math.exp(off), x / y * math.exp(off))


def close(found, mean, low, high):
    return (found.mean, found.low, found.high) == pytest.approx((mean, low, high), rel=1e-9, abs=1e-15)


def ends(found):
    """Logarithms of a ratio, and of where its interval ends."""
    return np.log([found.ratio.value, found.ratio.low, found.ratio.high])


def alike(one, other):
    return one == pytest.approx(other, rel=1e-7, abs=1e-9)


# Half-widths of two means, which no amount is small against, so that intervals of the ratio stay within a factor of 10^43.
halves = st.tuples(st.floats(0, 1e-8), st.floats(0, 1e-8))
steady = st.lists(st.tuples(*[st.floats(1e-6, 1e-3)] * 2), min_size=2, max_size=40).map(lambda rows: np.array(rows).T)


@given(steady, halves)
def test_it_is_what_plain_sums_say(rows, errors):
    found, (difference, ratio) = paired(*rows, errors), twin(*rows.tolist(), errors)
    assert close(found, *difference)
    assert alike(ends(found), np.log(ratio))
    assert found.told_apart == (not found.ratio.low <= 1 <= found.ratio.high)


@given(pairs)
def test_the_difference_is_that_of_the_t_test(rows):
    assume(np.ptp(rows[0] - rows[1]) > 1e-9)
    interval = ttest_rel(*rows).confidence_interval(0.95)
    found = paired(*rows)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-15)


@given(steady)
def test_where_the_means_are_the_same_it_is_as_wide_as_that_of_the_differences(rows):
    one, other = rows[0] / rows[0].mean(), rows[1] / rows[1].mean()
    found = paired(one, other)
    assert math.log(found.ratio.high) == pytest.approx(found.high, rel=1e-9, abs=1e-9)


@given(pairs, st.floats(0, 1e-3))
def test_nothing_is_told_apart_from_itself(rows, error):
    found = paired(rows[0], rows[0].copy(), (error, error))
    assert (found.mean, found.low, found.high, found.told_apart) == (0.0, 0.0, 0.0, False)
    assert (found.ratio.value, found.ratio.low, found.ratio.high) == (1, 1, 1)
    rounded = paired(rows[0], rows[0] * (1 + 2e-16), (error, error))
    assert rounded.mean == 0 and rounded.same and not rounded.told_apart


@given(pairs, st.randoms())
def test_the_order_of_images_does_not_matter(rows, random):
    order = list(range(rows.shape[1]))
    random.shuffle(order)
    one, other = paired(*rows[:, order]), paired(*rows)
    assert close(one, other.mean, other.low, other.high) and alike(ends(one), ends(other))


@given(pairs, st.floats(1e-6, 1e-3))
def test_what_every_image_costs_more_moves_the_difference_by_it(rows, more):
    before, after = paired(*rows), paired(rows[0] + more, rows[1])
    assert close(after, before.mean + more, before.low + more, before.high + more)


@given(steady, halves)
def test_exchanged_it_is_the_opposite_and_the_inverse(rows, errors):
    one, other = paired(*rows, errors), paired(*rows[::-1], errors[::-1])
    assert close(other, -one.mean, -one.high, -one.low) and one.told_apart == other.told_apart
    assert alike(ends(other), -ends(one)[[0, 2, 1]])


@given(steady, halves, st.floats(1e-9, 1e9))
def test_in_another_unit_the_ratio_is_the_same(rows, errors, unit):
    one, other = paired(*rows, errors), paired(*(unit * rows), (unit * errors[0], unit * errors[1]))
    assert alike(ends(one), ends(other))
    assume(not alike(np.abs(ends(one)).min(), 0))
    assert one.told_apart == other.told_apart


@given(st.lists(amounts, min_size=2, max_size=40), st.floats(1e-3, 1e3))
def test_a_factor_that_is_the_same_on_every_image_is_told_apart_by_two_of_them(values, factor):
    """However much the images differ: here up to a million times."""
    assume(abs(factor - 1) > 1e-9)
    one = np.array(values)
    found = paired(factor * one, one)
    assert found.told_apart and alike(np.exp(ends(found)), [factor] * 3)
    assert found.mean == pytest.approx((factor - 1) * one.mean(), rel=1e-6)


def test_three_images_tell_apart_what_takes_26_times_as_much():
    """As on chips whose energies differ 26-fold and by 2 % more or less: the difference in J leaves 0 inside."""
    other = np.array([1.0, 1.6, 0.5])
    found = paired(26 * other * [1.01, 0.99, 1.0], other)
    assert found.low < 0 < found.high and found.told_apart and 25 < found.ratio.low < found.ratio.high < 27


@pytest.mark.parametrize("many", [2, 5])
def test_something_is_told_apart_from_nothing_and_nothing_from_nothing_is_not(many):
    nothing, something = np.zeros(many), np.linspace(1e-9, 2, many)
    for rows, sign in (((nothing, something), -1), ((something, nothing), 1)):
        found = paired(*rows, (0.0, 0.5))
        assert found.ratio is None and found.told_apart and found.mean == pytest.approx(sign * something.mean())
    found = paired(nothing, nothing, (0.0, 0.0))
    assert found.ratio is None and found.same and not found.told_apart


def test_a_half_width_far_beyond_its_mean_is_a_number_still():
    found = paired(np.array([1.0, 2.0]), np.array([2.0, 3.0]), (1e90, 0.0))
    assert 0 < found.ratio.low < 1 < found.ratio.high < 1e100 and not found.told_apart


@given(pairs, st.floats(0, 1e-4), st.floats(0, 1e-4))
def test_more_images_narrow_it_and_a_sampled_time_widens_it(rows, error, more):
    def widths(*given):
        found = paired(*given)
        return np.array([found.high - found.low, ends(found)[2] - ends(found)[1]])

    assert (widths(*np.tile(rows, 2)) <= widths(*rows) * (1 + 1e-9) + 1e-9).all()
    assert (widths(*rows, (error, 0.0)) <= widths(*rows, (error + more, 0.0)) * (1 + 1e-9) + 1e-9).all()


# What an image takes on both varies by *varies*, and on each chip by *own* besides: both of logarithms.
@pytest.mark.parametrize("images", [3, 5, 10, 30])
@pytest.mark.parametrize("varies", [0.1, 0.3])
@pytest.mark.parametrize("own", [0.05, 0.3])
@pytest.mark.parametrize("ratio", [1, 3, 30])
def test_intervals_of_ratios_hold(images, varies, own, ratio):
    """92.5 % and more of 4,000 samples, as chance may take so much of 93.5 %. In half of them the images vary less on one of
    the two. Those that vary more are in the table of docs/studies.md."""
    rng, held = np.random.default_rng(1000 * images + ratio), [0, 0]
    for _ in range(2000):
        image = rng.lognormal(-(varies**2) / 2, varies, images)
        one, other = image * rng.lognormal(-(own**2) / 2, own, (2, images))
        for part, values in enumerate((other, 0.5 * other + 0.5 * other / image)):
            found = paired(ratio * one, values)
            held[part] += found.ratio.low <= ratio <= found.ratio.high
    assert sum(held) >= 0.925 * 4000


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


@pytest.mark.parametrize("varies", ["0.1", "1"])
def test_the_table_of_coverage_is_that_of_its_command(varies):
    """The first cell of a row."""
    page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    shown = re.search(rf"^\| (?:images vary )?by {varies}\b[^|]*\| ([\d.]+) to ([\d.]+) % \|", page, re.MULTILINE)
    drawn = runpy.run_path(str(ROOT / "examples" / "intervals.py"))["drawn"]
    each = [drawn(float(varies), own, ratio, 3) for own in (0.05, 0.3) for ratio in (1, 3, 30)]
    assert "python examples/intervals.py" in page
    assert [f"{min(each):.1f}", f"{max(each):.1f}"] == list(shown.groups())


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
    means = rows.mean(1)
    truth, rng, held = (means[0] - means[1], means[0] / means[1]), np.random.default_rng(many), np.zeros(2)
    for _ in range(1000):
        found = paired(*rows[:, rng.integers(0, rows.shape[1], many)])
        held += [found.low <= truth[0] <= found.high, found.ratio.low <= truth[1] <= found.ratio.high]
    assert (held >= 930).all()


@given(pairs)
def test_pairing_is_what_makes_it_narrow(rows):
    """Images that cost much on one chip do on another: their ratio varies less than they do."""
    noise = np.linspace(-1e-6, 1e-6, rows.shape[1])
    found = paired(rows[0] * (1 + 1e-3 + noise), rows[0])
    assert found.told_apart and found.ratio.high - found.ratio.low < 1e-4
