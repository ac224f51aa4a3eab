"""What is recorded of cores and turns is what the run says of them."""

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

import neurosim as ns
from neurosim.cli.console import bundled
from neurosim.report.perfetto import CORES, TURNS, PerfettoTrace
from neurosim.timing.sample import longest

IMAGES = 6
# In picoseconds, of which a cycle has a whole number.
PS = 1_000_000


@pytest.fixture(scope="module")
def spikes():
    return ns.simulate(ns.load_network(bundled("mnist_vgg_t5.h5")), ns.load_inputs(bundled("mnist_test_1000.h5"))[:IMAGES])


def recorded(path, spikes, limit=2**26, **how):
    """(run, recorder, file)."""
    mapping = ns.map_network(spikes.network, ns.load_chip("mesh45"))
    with PerfettoTrace(path, mapping, limit) as recorder:
        run = ns.evaluate(spikes, mapping, recorder=recorder, **how)
        recorder.sampled(run.time)
    return run, recorder, json.loads(path.read_text(encoding="utf-8"))


def slices(found):
    """{(process, track): [(begin, end, name)] by time}, in ps."""
    tracks = defaultdict(list)
    for event in found["traceEvents"]:
        if event["ph"] == "X":
            begin = round(event["ts"] * PS)
            tracks[event["pid"], event["tid"]].append((begin, begin + round(event["dur"] * PS), event["name"]))
    return {track: sorted(events) for track, events in tracks.items()}


@pytest.mark.parametrize("schedule", ["sequential", "pipelined"])
def test_cores_are_busy_as_long_as_the_run_says_and_do_one_thing_at_a_time(tmp_path, spikes, schedule):
    run, recorder, found = recorded(tmp_path / "p.json", spikes, packet_images="all", schedule=schedule)
    cycle, tracks = round(1e12 / run.mapping.chip.clock.hz), slices(found)
    busy = np.zeros(run.mapping.grid.cores, np.int64)
    for (process, core), events in tracks.items():
        assert all(a[1] <= b[0] for a, b in pairwise(events)), (process, core)
        if process == CORES:
            busy[core] = sum(end - begin for begin, end, _ in events)
    assert (busy == run.time.tally.busy * cycle).all()
    turns = tracks[TURNS, 0]
    assert sum(end - begin for begin, end, _ in turns) == run.time.cycles * cycle
    assert len(turns) == recorder.turns == found["otherData"]["turns"]
    assert found["otherData"]["images"] == [*range(IMAGES)]
    assert found["otherData"]["steps"] == [[image, step] for image in range(IMAGES) for step in range(5)]
    assert recorder.summary == f"{recorder.turns:,} turns"


def test_of_a_sample_the_file_and_the_summary_name_the_steps(tmp_path, spikes):
    run, recorder, found = recorded(tmp_path / "p.json", spikes, packet_images=2, seed=3)
    rows, steps = list(run.time.sample.rows), len(run.time.steps[0])
    assert found["otherData"]["steps"] == [[*divmod(row, steps)] for row in rows]
    assert 2 * steps <= len(rows) <= 2 * steps + longest(2, steps)
    assert found["otherData"]["images"] == list(run.time.sample.images) == sorted({row // steps for row in rows})
    assert recorder.summary == f"{recorder.turns:,} turns of the {len(rows)} of {IMAGES * steps} steps timed by packets"
    each = recorder.turns // len(rows)
    named = [int(name.removeprefix("turn ")) for _, _, name in slices(found)[TURNS, 0]]
    assert sorted({turn // each for turn in named}) == rows and len(named) == len(rows) * each


def test_a_file_that_would_be_too_large_ends_early_and_says_so(tmp_path, spikes):
    limit = 200_000
    _, recorder, found = recorded(tmp_path / "p.json", spikes, limit, packet_images="all")
    about = found["otherData"]
    assert 0 < about["turns_left_out"] < about["turns"]
    assert len(slices(found)[TURNS, 0]) == about["turns"] - about["turns_left_out"]
    assert (tmp_path / "p.json").stat().st_size < limit + 1000
    assert "the first" in recorder.summary and "MiB" in recorder.summary
