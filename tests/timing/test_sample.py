"""Time from a sample of steps: what it keeps, and how often its interval holds."""

from collections import Counter
from dataclasses import astuple
from itertools import pairwise
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cli.console import bundled
from neurosim.cost.activity import activity
from neurosim.errors import NeurosimError
from neurosim.timing import sample
from neurosim.timing import sampled as timing_sampled
from neurosim.timing.choice import TimeChoice
from neurosim.timing.sampled import SampledTimeline, by_ratio, scaled
from neurosim.timing.schedule import SCHEDULES, Schedule
from neurosim.timing.tally import Pace, Tally
from neurosim.timing.timeline import Timeline
from tests.helpers.examples import examples, runs, traced

IMAGES = 40


@pytest.fixture(scope="module")
def mnist():
    return ns.load_network(bundled("mnist_vgg_t5.h5")), ns.load_inputs(bundled("mnist_test_1000.h5"))[:IMAGES]


class Known:
    """Times turns as it is told."""

    def __init__(self, pace, grid):
        self.pace, self.grid = pace, grid

    def run_spans(self, spans):
        return (Pace(self.pace.cycles[span], self.pace.split[span], Tally.empty(self.grid)) for span in spans)


def both(network, inputs, chip, schedule):
    """The analytic timeline of all images, and their time by packets."""
    mapping = ns.map_network(network, chip)
    trace = ns.simulate(network, inputs, state_bits=chip.core.state_bits)
    mapping = mapping.over(trace.timesteps)
    lines = [Timeline(trace, mapping, timing, schedule) for timing in ("analytic", "packet")]
    for line in lines:
        line.add(trace, activity(trace, mapping), 0)
    return lines[0], lines[1].finish()


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("chip", ["mesh45", "loihi"])
def test_the_interval_holds_the_time_of_all_images_for_most_seeds(mnist, chip, schedule):
    far, truth = both(*mnist, ns.load_chip(chip), schedule)
    near = Known(truth, far.grid)
    total, held = truth.cycles.sum(), 0
    for seed in range(100):
        found = SampledTimeline(far, near, "auto", seed).finish()
        assert sample.FLOOR <= found.sample.error <= sample.ENOUGH or found.sample.drawn == IMAGES
        held += abs(int(found.cycles.sum()) - int(total)) <= found.sample.error * found.cycles.sum()
    assert held >= 90


def made_up(images, steps, seed):
    """(analytic timeline, pace by packets) of steps of two turns; packets slow the steps down differently, and differently from
    image to image, both by themselves and all steps of an image alike."""
    rng, shape = np.random.default_rng(seed), (images, steps, 2, 4)
    far = rng.lognormal(9, 0.15, (images, 1, 1, 1)) * rng.lognormal(0, 0.1, shape)
    ratio = rng.lognormal(np.linspace(0, 0.3, steps)[:, None, None], 0.1, shape) * rng.lognormal(0, 0.03, (images, 1, 1, 1))
    ratio[..., 2:] = 1
    grid = ns.load_chip("mesh45").machine.grid
    splits = [np.rint(cycles).astype(np.int64).reshape(-1, 4) for cycles in (far, far * ratio)]
    pace, truth = (Pace(split.sum(1), split, Tally.empty(grid)) for split in splits)
    agenda, schedule = SimpleNamespace(trace=range(images)), Schedule(steps, 2, (0, 1), {})
    return SimpleNamespace(pace=pace, schedule=schedule, agenda=agenda, grid=grid, add=None), truth


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_the_interval_holds_where_images_differ_much(steps):
    held, drawn = 0, 0
    for seed in range(100):
        far, truth = made_up(100, steps, seed)
        found, total = SampledTimeline(far, Known(truth, far.grid), "auto", seed).finish(), truth.cycles.sum()
        held += abs(found.cycles.sum() - total) <= found.sample.error * found.cycles.sum()
        drawn += found.sample.drawn
    assert held >= 90
    assert drawn < 100 * (50 / steps + 3)


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_a_sample_leaves_all_that_takes_no_time_as_it_is(mnist, schedule):
    how = {"schedule": schedule, "seed": 7}
    few, every = (ns.run(*mnist, "mesh45", packet_images=many, **how) for many in (8, "all"))
    assert few.counts == every.counts
    for name in ("busy", "waiting", "flits"):
        assert (getattr(few.time.tally, name) == getattr(every.time.tally, name)).all(), name
    parts = [run.energy.by_component_J for run in (few, every)]
    assert all(parts[0][name] == parts[1][name] for name in parts[0] if name != "leakage")
    timed, steps = list(few.time.sample.rows), few.trace.timesteps
    assert few.time.sample.drawn == 8 and 8 * steps <= len(timed) <= 8 * steps + sample.longest(8, steps)
    assert (few.time.steps.flat[timed] == every.time.steps.flat[timed]).all()
    assert few.time.drain == every.time.drain
    assert few.time.sample.cycles == few.time.steps.flat[timed].sum() + few.time.drain
    assert [*few.time.sample.images] == sorted({row // steps for row in timed})
    by_length = ns.run(*mnist, "mesh45", timing="analytic", schedule=schedule).time.steps.argsort(None, "stable")[::-1]
    assert {*by_length[: sample.longest(8, steps)].tolist()} <= {*timed}
    assert sum(few.time.bound_by.values()) == few.time.cycles
    assert few.time.bound_by["update"] == every.time.bound_by["update"]
    assert few.time.bound_by["barrier"] == every.time.bound_by["barrier"]
    assert every.time.seconds_per_image_error == 0
    assert 0 < few.time.seconds_per_image_error < 0.05 * few.time.seconds_per_image
    again = ns.run(*mnist, "mesh45", packet_images=8, workers=3, **how)
    assert (again.time.steps == few.time.steps).all()


def test_what_was_sampled_is_in_the_document(mnist):
    run = ns.run(*mnist, "mesh45", packet_images=8, seed=3)
    told = run.to_dict()
    assert told["time"]["packet_images"] == 8
    assert told["time"]["packet_steps"] == len(run.time.sample.rows)
    assert 8 * 5 <= len(run.time.sample.rows) <= 8 * 5 + sample.longest(8, 5)
    assert told["time"]["packet_images_touched"] == len(run.time.sample.images) == IMAGES
    assert told["provenance"]["packet_images"] == 8
    assert told["provenance"]["packet_seed"] == 3
    share = told["time"]["seconds_per_image_error"] / told["time"]["seconds_per_image"]
    assert told["energy"]["per_image_J_error"] == pytest.approx(share * told["energy"]["static_J"] / IMAGES)
    worst = told["time"]["worst_step"]
    assert run.time.steps[worst["image"], worst["step"]] == worst["cycles"] == max(told["time"]["cycles_per_step_max"])
    assert any("were not drawn" in note for note in told["not_counted"])
    every = ns.run(*mnist, "mesh45", packet_images="all").to_dict()["time"]
    assert (every["packet_images"], every["packet_steps"], every["packet_images_touched"]) == (IMAGES, 5 * IMAGES, IMAGES)
    analytic = ns.run(*mnist, "mesh45", timing="analytic").to_dict()["time"]
    assert analytic["packet_images"] == analytic["packet_steps"] == analytic["packet_images_touched"] == 0
    assert analytic["seconds_per_image_error"] is None


def test_chips_that_are_compared_are_timed_by_the_same_steps(mnist):
    runs = ns.compare(*mnist, ["mesh45", "loihi"])
    assert len({run.time.sample.drawn for run in runs}) == 1
    drawn = sample.rounds(IMAGES, 5, 0)[: runs[0].time.sample.drawn] * 5 + np.arange(5)
    assert all({*drawn.ravel().tolist()} <= {*run.time.sample.rows} for run in runs)


@pytest.mark.parametrize("asked", [1, 0, -3, 2.5, "some", None, True])
def test_what_is_no_sample_is_refused(mnist, asked):
    with pytest.raises(NeurosimError, match="packet_images is"):
        ns.run(*mnist, "mesh45", packet_images=asked)


def test_a_handful_is_timed_whole():
    assert [list(sample.sizes("auto", n, 1)) for n in (1, 5, 6, 9, 12)] == [[1], [5], [5, 6], [5, 7, 9], [5, 7, 9, 12]]
    assert [list(sample.sizes("auto", n, 5)) for n in (1, 5, 6, 9)] == [[1], [5], [3, 4, 5, 6], [3, 4, 5, 7, 9]]
    assert [list(sample.sizes("auto", n, 20)) for n in (1, 5, 6, 9)] == [[1], [5], [2, 3, 4, 5, 6], [2, 3, 4, 5, 7, 9]]
    assert list(sample.sizes("all", 1000, 5)) == [1000]
    assert list(sample.sizes(20, 12, 5)) == [12]


@given(st.integers(sample.HANDFUL + 1, 5000), st.integers(1, 60))
def test_a_sample_grows_by_a_quarter_from_few_of_each_step_to_all(images, steps):
    sizes = list(sample.sizes("auto", images, steps))
    assert 2 <= sizes[0] <= sample.HANDFUL and sizes[-1] == images
    assert sizes[0] == sample.HANDFUL or (sizes[0] - 1) * steps >= sample.FREEDOM
    assert all(one < other <= one * sample.GROWTH + 1 for one, other in pairwise(sizes))


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1), st.data())
def test_steps_have_equally_many_images_and_images_come_up_in_turn(images, steps, seed, data):
    rounds = sample.rounds(images, steps, seed)
    assert (np.sort(rounds, 0) == np.arange(images)[:, None]).all()
    some = data.draw(st.integers(0, images))
    used = Counter(rounds[:some].ravel().tolist())
    often = [used[image] for image in range(images)]
    assert max(often) - min(often) <= 1


def test_every_image_is_as_likely_for_every_step():
    found = np.zeros((6, 4), np.int64)
    for seed in range(3000):
        picked = sample.rounds(6, 4, seed)[:2]
        np.add.at(found, (picked, np.broadcast_to(np.arange(4), picked.shape)), 1)
    assert abs(found - 1000).max() < 5 * np.sqrt(1000 * 2 / 3)


def test_the_drawing_depends_on_nothing_but_seed_and_number():
    assert sorted(sample.drawn(50, 1)) == list(range(50))
    assert (sample.drawn(50, 1) == sample.drawn(50, 1)).all()
    assert (sample.drawn(50, 1) != sample.drawn(50, 2)).any()


def test_the_interval_of_five_images_by_hand():
    """Residuals -2 -1 0 1 2 around 1,000 cycles: s² = 10 / 4, of 100 images 0.95 s² / 5; t(4) = 2.776."""
    near, expected = np.array([[998], [999], [1000], [1001], [1002]]), np.full((5, 1), 1000)
    by_hand = 2.776 * np.sqrt(0.95 / 5 * 10 / 4) / 1000
    none = np.zeros(0, np.int64)
    assert by_hand < sample.FLOOR == sample.half_width(near, expected, 100, none)
    assert sample.half_width((near - 1000) * 10 + 1000, expected, 100, none) == pytest.approx(10 * by_hand, rel=1e-3)
    assert sample.half_width(near, expected, 5, none) == 0


def test_the_interval_of_three_images_of_two_steps_by_hand():
    """Residuals -10 0 10 and -20 0 20 around 1,000 and 2,000 cycles: s² = 100 and 400; of 30 images 0.9 (s² + s²) / 3;
    t(4) = 2.776."""
    near, expected = np.array([[990, 1980], [1000, 2000], [1010, 2020]]), np.full((3, 2), [1000, 2000])
    by_hand = 2.776 * np.sqrt(0.9 / 3 * (100 + 400)) / 3000
    assert sample.half_width(near, expected, 30, np.zeros(0, np.int64)) == pytest.approx(by_hand, rel=1e-3)


def test_the_longest_steps_count_in_the_spread_by_hand():
    """As above, with two steps beside that take 30 and -40 cycles more: of 4 + 2 the variance of a step is
    (200 + 800 + 900 + 1600) / 6."""
    near, expected = np.array([[990, 1980], [1000, 2000], [1010, 2020]]), np.full((3, 2), [1000, 2000])
    by_hand = 2.776 * np.sqrt(0.9 / 3 * 2 * 3500 / 6) / 3000
    assert sample.half_width(near, expected, 30, np.array([30, -40])) == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.parametrize(("steps", "longer"), [(1, 0.5), (5, 0.3)])
def test_the_interval_holds_where_few_steps_are_overrun(steps, longer):
    """Packets cost nothing but where a core is overrun, in one step of thirty, which is longer than others for that: there they
    take up to as long again."""
    held, images = 0, 60
    for seed in range(100):
        (far, _), rng = made_up(images, steps, seed), np.random.default_rng([seed, 1])
        overrun = (rng.random(images * steps) < 1 / 30).repeat(2)[:, None]
        far.pace.split[:] = np.rint(far.pace.split * (1 + longer * overrun))
        slower = 1 + overrun * rng.uniform(0.5, 1, images * steps).repeat(2)[:, None] * [1, 1, 0, 0]
        split = np.rint(far.pace.split * slower).astype(np.int64)
        found = SampledTimeline(far, Known(Pace(split.sum(1), split, Tally.empty(far.grid)), far.grid), "auto", seed).finish()
        held += abs(found.cycles.sum() - split.sum()) <= found.sample.error * found.cycles.sum()
    assert held >= 90


@given(st.integers(2, 30), st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**32 - 1), st.data())
def test_every_step_is_scaled_by_itself(images, steps, turns, seed, data):
    rng = np.random.default_rng(seed)
    far, size = rng.integers(0, 1000, (images, steps, turns, 4)), data.draw(st.integers(2, images))
    sampled, near = sample.rounds(images, steps, seed)[:size], rng.integers(0, 2000, (size, steps, turns, 4))
    expected = by_ratio(far, sampled, near)
    for step in range(steps):
        alone = by_ratio(far[:, [step]], sampled[:, [step]], near[:, [step]])
        assert (alone == expected[:, [step]]).all()


def test_a_step_in_which_the_sample_does_nothing_keeps_its_analytic_time():
    far = np.zeros((4, 2, 4), np.int64)
    far[3] = 7
    assert (scaled(far, np.array([0, 1]), far[:2])[3] == far[3]).all()


def timed(trace, mapping, packet_images, schedule, workers=1, seed=0):
    """The pace of a run, shown to the timeline image by image."""
    line = TimeChoice("packet", schedule, packet_images, seed).timeline(trace, mapping, workers)
    for image in range(len(trace)):
        part = trace.sample(image)
        line.add(part, activity(part, mapping), image * trace.timesteps)
    return line.finish()


def seven(run):
    """(trace, mapping) of an example: its images over and over, each rolled by another amount."""
    inputs, mapping = run
    given = inputs.images if inputs.images is not None else inputs.by_step
    some = np.stack([np.roll(given[n % len(given)], n, -1) for n in range(7)])
    inputs = ns.Inputs(some) if inputs.images is not None else ns.Inputs.from_frames(some)
    return traced(inputs, mapping), mapping


@examples(25)
@given(runs(), st.sampled_from(list(SCHEDULES)))
def test_a_sample_that_is_everything_is_the_run_of_all(run, schedule):
    trace, mapping = seven(run)
    with mock.patch.object(sample, "ENOUGH", -1), mock.patch.object(timing_sampled, "ENOUGH", -1):
        every, drawn = (timed(trace, mapping, many, schedule) for many in ("all", "auto"))
    assert every.sample is None and drawn.sample.error == 0 and drawn.sample.drawn == 7
    assert (drawn.split == every.split).all() and (drawn.cycles == every.cycles).all()
    assert drawn.sample.cycles == every.cycles.sum()
    for one, other in zip(astuple(drawn.tally), astuple(every.tally), strict=True):
        assert np.array_equal(one, other)


@examples(25)
@given(runs(), st.sampled_from(list(SCHEDULES)), st.integers(2, 6), st.integers(0, 99), st.integers(2, 3))
def test_steps_are_timed_out_of_their_order_as_in_it(run, schedule, many, seed, workers):
    trace, mapping = seven(run)
    every, few, again = (
        timed(trace, mapping, n, schedule, w, seed) for n, w in (("all", 1), (many, 1), (many, workers))
    )  # fmt: skip
    stride = SCHEDULES.of(schedule)[1](trace.network).stride
    for row in few.sample.rows:
        turns = slice(row * stride, (row + 1) * stride)
        assert (few.split[turns] == every.split[turns]).all()
    after = len(trace) * trace.timesteps * stride
    assert (few.split[after:] == every.split[after:]).all() and len(few.cycles) == len(every.cycles)
    assert (few.split == again.split).all() and few.sample == again.sample
    for one, other in zip(astuple(few.tally), astuple(again.tally), strict=True):
        assert np.array_equal(one, other)


@given(st.integers(2, 40), st.integers(1, 9), st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_images_are_scaled_alike_in_slices_of_any_size(images, turns, size, seed):
    rng = np.random.default_rng(seed)
    far, sampled = rng.integers(0, 1000, (images, turns, 4)), rng.permutation(images)[:5]
    near = rng.integers(0, 2000, (len(sampled), turns, 4))
    with mock.patch.object(timing_sampled, "IMAGES", size):
        found = scaled(far, sampled, near)
    assert (found == scaled(far, sampled, near)).all()


@given(st.integers(2, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_images_that_packets_slow_down_alike_have_their_own_time(images, turns, factor, seed):
    far = np.random.default_rng(seed).integers(0, 1000, (images, turns, 4))
    near = far * [factor, factor, 1, 1]
    sampled = np.arange(images)[::2]
    found = scaled(far, sampled, near[sampled])
    assert (found[..., 2:] == far[..., 2:]).all()
    assert abs(found[..., :2].sum((1, 2)) - near[..., :2].sum((1, 2))).max() <= 1
    assert (found >= 0).all()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "x", None])
def test_seeds_that_no_file_can_hold_are_refused_before_anything_runs(mnist, seed):
    with pytest.raises(NeurosimError, match="seed is"):
        ns.run(*mnist, "mesh45", seed=seed)
