"""Time from a sample of images: what it keeps, and how often its interval holds."""

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
from neurosim.timing.sampled import SampledTimeline, scaled
from neurosim.timing.schedule import SCHEDULES
from neurosim.timing.tally import Pace, Tally
from neurosim.timing.timeline import Timeline

IMAGES = 40


@pytest.fixture(scope="module")
def mnist():
    return ns.load_network(bundled("mnist_vgg_t5.h5")), ns.load_inputs(bundled("mnist_test_1000.h5"))[:IMAGES]


class Known:
    """Times images as it is told."""

    def __init__(self, pace, each, grid):
        self.pace, self.each, self.grid = pace, each, grid

    def run_images(self, images):
        spans = [slice(image * self.each, (image + 1) * self.each) for image in images]
        return [Pace(self.pace.cycles[span], self.pace.split[span], Tally.empty(self.grid)) for span in spans]


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
    near = Known(truth, far.schedule.timesteps * far.schedule.stride, far.grid)
    total, held = truth.cycles.sum(), 0
    for seed in range(100):
        found = SampledTimeline(far, near, "auto", seed).finish()
        assert sample.FLOOR <= found.sample.error <= sample.ENOUGH or found.sample.drawn == IMAGES
        held += abs(int(found.cycles.sum()) - int(total)) <= found.sample.error * found.cycles.sum()
    assert held >= 90


@pytest.mark.parametrize("schedule", list(SCHEDULES))
def test_a_sample_leaves_all_that_takes_no_time_as_it_is(mnist, schedule):
    how = {"schedule": schedule, "seed": 7}
    few, every = (ns.run(*mnist, "mesh45", packet_images=many, **how) for many in (8, "all"))
    assert few.counts == every.counts
    for name in ("busy", "waiting", "flits"):
        assert (getattr(few.time.tally, name) == getattr(every.time.tally, name)).all(), name
    parts = [run.energy.by_component_J for run in (few, every)]
    assert all(parts[0][name] == parts[1][name] for name in parts[0] if name != "leakage")
    timed = list(few.time.sample.images)
    assert few.time.sample.drawn == 8 <= len(timed) <= 9
    assert (few.time.steps[timed] == every.time.steps[timed]).all()
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
    assert told["provenance"]["packet_images"] == 8
    assert told["provenance"]["packet_seed"] == 3
    share = told["time"]["seconds_per_image_error"] / told["time"]["seconds_per_image"]
    assert told["energy"]["per_image_J_error"] == pytest.approx(share * told["energy"]["static_J"] / IMAGES)
    worst = told["time"]["worst_step"]
    assert run.time.steps[worst["image"], worst["step"]] == worst["cycles"] == max(told["time"]["cycles_per_step_max"])
    assert any("were not drawn" in note for note in told["not_counted"])
    analytic = ns.run(*mnist, "mesh45", timing="analytic").to_dict()["time"]
    assert analytic["packet_images"] == 0
    assert analytic["seconds_per_image_error"] is None


def test_chips_that_are_compared_are_timed_by_the_same_images(mnist):
    runs = ns.compare(*mnist, ["mesh45", "loihi"])
    assert len({run.time.sample.drawn for run in runs}) == 1


@pytest.mark.parametrize("asked", [1, 0, -3, 2.5, "some", None, True])
def test_what_is_no_sample_is_refused(mnist, asked):
    with pytest.raises(NeurosimError, match="packet_images is"):
        ns.run(*mnist, "mesh45", packet_images=asked)


def test_a_handful_is_timed_whole():
    assert [list(sample.sizes("auto", n)) for n in (1, 5, 6, 30)] == [[1], [5], [5, 6], [5, 10, 20, 30]]
    assert list(sample.sizes("all", 1000)) == [1000]
    assert list(sample.sizes(20, 12)) == [12]


def test_the_drawing_depends_on_nothing_but_seed_and_number():
    assert sorted(sample.drawn(50, 1)) == list(range(50))
    assert (sample.drawn(50, 1) == sample.drawn(50, 1)).all()
    assert (sample.drawn(50, 1) != sample.drawn(50, 2)).any()


def test_the_interval_of_five_images_by_hand():
    """Residuals -2 -1 0 1 2 around 1,000 cycles: s² = 10 / 4, of 100 images 0.95 s² / 5; t(4) = 2.776."""
    near, expected = np.array([998, 999, 1000, 1001, 1002]), np.full(5, 1000)
    by_hand = 2.776 * np.sqrt(0.95 / 5 * 10 / 4) / 1000
    assert by_hand < sample.FLOOR == sample.half_width(near, expected, 100)
    assert sample.half_width((near - 1000) * 10 + 1000, expected, 100) == pytest.approx(10 * by_hand, rel=1e-3)
    assert sample.half_width(near, expected, 5) == 0


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
