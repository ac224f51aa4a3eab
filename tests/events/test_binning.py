"""Events become spikes of time steps: laws, and equality with a twin that takes event after event."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import InputsError
from neurosim.events.binning import binned, binned_inputs

WIDTH, HEIGHT, POLARITIES = SENSOR = (7, 5, 2)


@st.composite
def recordings(draw, most=40):
    """Few times, so that many events are simultaneous, and far from zero."""
    count = draw(st.integers(0, most))
    start = draw(st.sampled_from([0, 5, 10**9]))

    def column(size):
        return draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count))

    t = sorted(start + n for n in column(30))
    span = (start, start + draw(st.integers(10, 40))) if draw(st.booleans()) else None
    x, y, p = (np.array(column(size), np.int64) for size in SENSOR)
    return ns.Recording(x, y, np.array(t, np.int64), p, SENSOR, span=span)


@st.composite
def binnings(draw):
    micros = st.integers(1, 45).map(lambda n: n * 1e-6)
    shares = [
        {"by": "time"}, {"by": "count"}, {"by": "time", "window_s": draw(micros)},
        {"by": "count", "per_step": draw(st.integers(1, 12))},
    ]  # fmt: skip
    return ns.Binning(
        draw(st.integers(1, 9)), **draw(st.sampled_from(shares)), downsample=draw(st.integers(1, 8)),
        merge_polarities=draw(st.booleans()), first_s=draw(st.none() | micros),
    )  # fmt: skip


def twin(recording, binning):
    """Event after event: ({(step, p, y, x)}, merged, outside, cut)."""
    begin, end = recording.span
    events = [(int(t) - begin, int(p), int(y), int(x)) for x, y, t, p in
              zip(recording.x, recording.y, recording.t, recording.p, strict=True)]  # fmt: skip
    first = None if binning.first_s is None else round(binning.first_s * 1e6)
    kept = [event for event in events if first is None or event[0] < first]
    extent = end - begin if first is None else min(end - begin, first)
    side = binning.downsample
    small = sorted((t, 0 if binning.merge_polarities else p, y // side, x // side) for t, p, y, x in kept)
    spikes, merged, outside = set(), 0, 0
    for rank, (t, *place) in enumerate(small):
        if binning.per_step is not None:
            step = rank // binning.per_step
        elif binning.by == "count":
            step = next(k for k in range(binning.steps) if rank < (k + 1) * len(small) // binning.steps)
        elif binning.window_s is not None:
            step = t // round(binning.window_s * 1e6)
        else:
            step = int(Fraction(t * binning.steps, extent)) if extent else binning.steps
        if step >= binning.steps:
            outside += 1
        elif (step, *place) in spikes:
            merged += 1
        else:
            spikes.add((step, *place))
    return spikes, merged, outside, len(events) - len(kept)


@given(recordings(), binnings())
def test_equals_the_twin_and_loses_no_event(recording, binning):
    spikes, tally = binned(recording, binning)
    expected, merged, outside, cut = twin(recording, binning)
    assert spikes.dtype == bool
    assert {tuple(place) for place in np.argwhere(spikes).tolist()} == expected
    assert (tally.spikes, tally.merged, tally.outside, tally.cut) == (len(expected), merged, outside, cut)
    assert tally.events == len(recording) == tally.spikes + tally.merged + tally.outside + tally.cut


@given(recordings(), binnings(), st.randoms(use_true_random=False))
def test_the_order_of_simultaneous_events_does_not_matter(recording, binning, random):
    order = list(range(len(recording)))
    random.shuffle(order)
    order.sort(key=lambda n: recording.t[n])
    shuffled = replace(recording, **{name: getattr(recording, name)[order] for name in "xytp"})
    spikes, tally = binned(recording, binning)
    again, other = binned(shuffled, binning)
    assert (spikes == again).all() and tally == other


@given(recordings(), binnings(), st.integers(0, 10**12))
def test_time_counts_from_the_begin_of_the_recording(recording, binning, shift):
    begin, end = recording.span
    later = replace(recording, t=recording.t + shift, span=(begin + shift, end + shift))
    assert (binned(recording, binning)[0] == binned(later, binning)[0]).all()


@given(recordings(), binnings())
def test_only_windows_and_fixed_counts_leave_events_outside(recording, binning):
    free = replace(recording, span=None)
    if binning.window_s is None and binning.per_step is None:
        assert binned(free, binning)[1].outside == 0


@given(recordings(), binnings())
def test_longer_steps_never_leave_more_outside(recording, binning):
    if binning.window_s is not None:
        longer = replace(binning, window_s=2 * binning.window_s)
        assert binned(recording, longer)[1].outside <= binned(recording, binning)[1].outside


def events(*rows, sensor=SENSOR, **other):
    x, y, t, p = np.array(rows, np.int64).reshape(-1, 4).T
    return ns.Recording(x, y, t, p, sensor, **other)


def test_a_step_begins_with_its_first_microsecond():
    recording = events((0, 0, 100, 0), (1, 0, 109, 0), (2, 0, 110, 1), (3, 4, 120, 1), (3, 4, 120, 1))
    spikes, tally = binned(recording, ns.Binning(2, window_s=10e-6))
    assert np.argwhere(spikes).tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 2]]
    assert (tally.spikes, tally.merged, tally.outside, tally.cut) == (3, 0, 2, 0)
    assert binned(recording, ns.Binning(2, "count", per_step=3))[1].merged == 1


def test_equal_parts_are_exact_where_products_leave_64_bits():
    last = 2**61
    recording = events((0, 0, 0, 0), (1, 0, last - 1, 0), span=(0, last))
    assert np.argwhere(binned(recording, ns.Binning(1000))[0])[:, 0].tolist() == [0, 999]
    assert binned(recording, ns.Binning(1000, window_s=1e300))[1].outside == 0


def test_what_is_wrong_with_a_recording_is_counted_and_the_first_named():
    with pytest.raises(InputsError) as caught:
        events((0, 0, 5, 0), (7, 0, 4, 0), (9, -1, 4, 2), (0, 0, -3, 0))
    assert caught.value.problems == (
        "2 of 4 events have a wrong x, the first is event 1 with 7: the sensor has 0..6",
        "1 of 4 events have a wrong y, the first is event 2 with -1: the sensor has 0..4",
        "1 of 4 events have a wrong p, the first is event 2 with 2: the sensor has 0..1",
        "1 of 4 events have a wrong t, the first is event 3 with -3: times are at least 0, and below 2^62",
        "2 of 4 events have a wrong t, the first is event 1 with 4: which is before the event before it; sort the events if "
        "the clock did not jump",
    )


WRONG = {
    "sensor of two": (lambda: events((0, 0, 0, 0), sensor=(7, 5)), "sensor is (7, 5)"),
    "flat sensor": (lambda: events((0, 0, 0, 0), sensor=(7, 0, 2)), "positive integers"),
    "giant sensor": (lambda: events((0, 0, 0, 0), sensor=(2**20, 2**20, 2)), "at most"),
    "float times": (lambda: replace(events(), t=np.zeros(0)), "t is float64 [0]; it must be integers"),
    "two columns": (lambda: replace(events(), x=np.zeros((0, 2), int)), "x is int64 [0, 2]"),
    "lengths": (lambda: replace(events(), x=np.zeros(3, int)), "columns differ in length: 3 x, 0 y"),
    "no clock": (lambda: events(tick_s=0.0), "tick_s is 0.0"),
    "begins before": (lambda: events((0, 0, 5, 0), span=(6, 9)), "events are from 5 to 5, the recording is said to last"),
    "unsigned beyond": (lambda: replace(events((0, 0, 1, 0)), t=np.array([2**63], np.uint64)), "wrong t"),
    "no fields": (lambda: ns.Recording.from_events(np.zeros(3, [("x", int), ("t", int)]), SENSOR), "needed: x, y, t, p"),
    "no steps": (lambda: ns.Binning(0), "steps is 0"),
    "two ways": (lambda: ns.Binning(3, "count", window_s=1), "window_s belongs to by='time'"),
    "the other two": (lambda: ns.Binning(3, per_step=1), "per_step belongs to by='count'"),
    "another way": (lambda: ns.Binning(3, "events"), "by is 'events'"),
    "endless": (lambda: ns.Binning(3, window_s=float("inf")), "window_s is inf"),
    "downsample": (lambda: ns.Binning(3, downsample=0.5), "downsample is 0.5"),
    "half a tick": (lambda: binned(events(), ns.Binning(3, window_s=1.5e-6)), "1.5 ticks of its clock of 1e-06 s"),
    "too large": (lambda: binned(events(sensor=(2**15, 2**15, 2)), ns.Binning(100)), "too many to hold"),
    "no recordings": (lambda: binned_inputs([], ns.Binning(3)), "no recordings"),
    "shapes": (lambda: binned_inputs([events(), events(sensor=(3, 3, 1))], ns.Binning(3)), "[3, 1, 3, 3], the recordings"),
    "a label": (lambda: binned_inputs([events(label=1), events()], ns.Binning(3)), "1 of 2 recordings have no label"),
}


@pytest.mark.parametrize(("make", "says"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused(make, says):
    with pytest.raises(InputsError) as caught:
        make()
    assert says in str(caught.value)


def test_inputs_have_a_sample_per_recording_and_its_label():
    kinds = [events((0, 0, 0, 0), (6, 4, 10, 1), label=2), events((3, 3, 7, 0), label=0)]
    inputs, tallies = binned_inputs(kinds, ns.Binning(2))
    assert inputs.spikes.shape == (2, 2, 2, 5, 7) and inputs.labels.tolist() == [2, 0]
    for sample, recording in zip(inputs.spikes, kinds, strict=True):
        assert (sample == binned(recording, ns.Binning(2))[0]).all()
    total = tallies[0] + tallies[1]
    assert (total.events, total.spikes) == (3, 3) and total.seconds == pytest.approx(12e-6)
