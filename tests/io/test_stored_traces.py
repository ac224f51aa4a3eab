"""Traces that stay in files: written and read slice by slice, they are those that are in memory."""

import errno
import io
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.cost import activity
from neurosim.errors import FileError
from neurosim.io import hdf5, heaps, spool, stored, trace_file
from neurosim.io.inputs_file import opened_inputs
from neurosim.io.spool import spooled
from neurosim.io.steady_file import SteadyFile
from neurosim.io.stored import Stored
from neurosim.io.trace_file import opened_trace, writing_trace
from neurosim.network import inputs as inputs_module
from neurosim.spikes.simulate import AHEAD, simulated
from tests.helpers import samples
from tests.helpers.strategies import cases, residuals
from tests.io.test_files import assert_same_trace

ROOT = Path(ns.__file__).resolve().parents[1]


@st.composite
def traces(draw):
    """A trace of one to nine samples, with changes or without, with lists of neurons that were clipped or visited alone."""
    network, data = draw(st.one_of(cases(), residuals()))
    many = draw(st.integers(1, 9))
    arrays = (None if a is None else np.resize(a, (many, *a.shape[1:])) for a in (data.images, data.labels, data.spikes))
    how = {"state_bits": draw(st.sampled_from([5, 32])), "record_changes": draw(st.booleans())}
    return ns.simulate(network, ns.Inputs(*arrays, name="resized"), **how)


def pieces(trace, cuts):
    """The trace in parts."""
    edges = sorted({0, len(trace), *(cut % len(trace) for cut in cuts)})
    return [trace.part(first, end) for first, end in pairwise(edges)]


def in_slices(size):
    """Chunks, slices and what is written at once of about so many bytes; nothing is small."""
    stack = ExitStack()
    for module, name in (
        (stored, "CHUNK_BYTES"), (trace_file, "WRITE_BYTES"), (inputs_module, "SLICE_BYTES"), (activity, "SLICE_BYTES"),
    ):  # fmt: skip
        stack.enter_context(mock.patch.object(module, name, size))
    for module, name in ((hdf5, "CHUNK_BYTES"), (spool, "SMALL_BYTES"), (trace_file, "SMALL")):
        stack.enter_context(mock.patch.object(module, name, 0))
    stack.enter_context(mock.patch.object(heaps, "BLOCK_BYTES", max(5, size)))
    return stack


def contents(path):
    """All that a file holds, in its order, but when it was written."""
    found = []

    def note(name, item):
        data = [item.dtype, item.shape, item[()].tolist()] if isinstance(item, h5py.Dataset) else list(item)
        found.append((name, data, [(key, np.asarray(value).tolist()) for key, value in item.attrs.items()]))

    with h5py.File(path) as file:
        file.visititems(note)
        found.append(("/", list(file), [(k, v) for k, v in file.attrs.items() if k != "created"]))
    return repr(found)


CUTS = st.lists(st.integers(0, 8), max_size=4)
SIZES = st.sampled_from([1, 40, 300, 2**20])


@settings(max_examples=15)
@given(traces(), CUTS, SIZES)
def test_a_file_written_part_by_part_is_the_one_saved_from_memory(trace, cuts, size):
    with tempfile.TemporaryDirectory() as folder:
        trace.save(f"{folder}/whole.h5")
        with in_slices(size), writing_trace(f"{folder}/parts.h5", len(trace)) as add:
            for part in pieces(trace, cuts):
                add(part)
        assert contents(f"{folder}/whole.h5") == contents(f"{folder}/parts.h5")
        assert_same_trace(trace, ns.load_trace(f"{folder}/parts.h5"))


@settings(max_examples=10)
@given(traces(), CUTS, SIZES)
def test_what_stays_in_a_file_is_read_as_it_was(trace, cuts, size):
    with tempfile.TemporaryDirectory() as folder, in_slices(size):
        trace.save(f"{folder}/t.h5")
        with opened_trace(f"{folder}/t.h5") as found:
            assert isinstance(found.layers[trace.network.layers[0].name].bits, Stored)
            for part, again in zip(pieces(trace, cuts), pieces(found, cuts), strict=True):
                assert_same_trace(part, again)
            for name in ("spike_counts", "rates", "spikes_per_neuron", "inputs_sha256", "accuracy", "nbytes"):
                one, other = (getattr(each, name) for each in (trace, found))
                assert (one() if callable(one) else one) == (other() if callable(other) else other), name
        for images in range(1, len(trace) + 1):
            with opened_trace(f"{folder}/t.h5", images) as found:
                assert_same_trace(trace.head(images), found.part(0, images))
                assert found.spike_counts() == trace.head(images).spike_counts()
                found.save(f"{folder}/head.h5")
            trace.head(images).save(f"{folder}/same.h5")
            assert contents(f"{folder}/head.h5") == contents(f"{folder}/same.h5")


@settings(max_examples=10)
@given(traces(), CUTS, SIZES, st.sampled_from(["sequential", "pipelined"]), st.sampled_from(["auto", "all", 2]))
def test_a_run_of_what_stays_in_a_file_is_that_of_memory(trace, cuts, size, schedule, packets):
    mapping = ns.map_network(trace.network, ns.load_chip("mesh45").replace("core.state_bits", trace.state_bits))

    def told(given):
        values = ns.evaluate(given, mapping, schedule=schedule, packet_images=packets).to_dict()
        return {key: value for key, value in values.items() if key != "provenance"}

    expected = told(trace)
    with tempfile.TemporaryDirectory() as folder, in_slices(size):
        trace.save(f"{folder}/t.h5")
        with opened_trace(f"{folder}/t.h5") as found:
            assert told(found) == expected
        with spooled(iter(pieces(trace, cuts)), len(trace)) as found:
            assert isinstance(found.layers[trace.network.layers[0].name].bits, Stored)
            assert told(found) == expected


@settings(max_examples=10)
@given(cases(["direct"]), SIZES)
def test_images_that_stay_in_their_file_are_shown_as_they_were(case, size):
    network, data = case
    with tempfile.TemporaryDirectory() as folder, in_slices(size):
        data.save(f"{folder}/in.h5")
        with opened_inputs(f"{folder}/in.h5") as found:
            assert isinstance(found.images, Stored)
            assert found.sha256 == data.sha256
            assert_same_trace(ns.simulate(network, data), ns.simulate(network, found))
            head = found.head(1)
            assert isinstance(head.images, Stored)
            assert_same_trace(ns.simulate(network, data[:1]), ns.simulate(network, head))


@pytest.mark.parametrize("images", [np.full((3, 2, 6, 6), np.nan, np.float32), np.full((3, 2, 6, 6), 2**31, np.int64)])
def test_images_that_stay_in_their_file_are_refused_in_the_same_words(tmp_path, images):
    network = samples.residual()
    network.save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file.attrs["format"], file.attrs["format_version"] = "neurosim-inputs", "1.0"
        file["images"] = images
    command = ["trace", tmp_path / "net.h5", tmp_path / "in.h5", "-o", tmp_path / "t.h5"]
    expected = samples.call(*command)
    with in_slices(40):
        assert samples.call(*command) == expected
    assert expected.code == 2


def test_a_small_trace_that_is_used_at_once_stays_in_memory():
    network = samples.residual()
    trace = ns.simulate(network, samples.inputs(network))
    with spooled([trace.part(0, 2), trace.part(2, 3)], 3) as found:
        assert_same_trace(trace, found)
        assert isinstance(found.layers["conv1"].bits, np.ndarray)


def test_no_more_is_simulated_than_somebody_takes():
    network = samples.residual()
    begun = []

    class Counted(ns.Inputs):
        def __getitem__(self, key):
            begun.append(key)
            return super().__getitem__(key)

    given = samples.inputs(network, 16 * 100)
    parts = simulated(network, Counted(given.images, given.labels), workers=2)
    assert len(next(parts)) == 16
    assert len(begun) <= 2 * AHEAD
    assert sum(len(part) for part in parts) == 16 * 99
    assert len(begun) == 100


WRITES = st.lists(st.tuples(st.integers(0, 60), st.binary(min_size=1, max_size=40)), max_size=12)


@given(WRITES, st.integers(0, 12))
def test_a_file_that_cannot_be_written_any_more_holds_what_was_written(writes, works):
    """Twin: an array of bytes. After so many writes that work, the disk is full."""

    class Full(io.FileIO):
        left = works

        def write(self, data):
            self.left -= 1
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    twin = bytearray(200)
    with tempfile.NamedTemporaryFile() as temporary, Full(temporary.name, "r+") as opened:
        file = SteadyFile(opened)
        for at, data in writes:
            file.seek(at)
            assert file.write(data) == len(data)
            twin[at : at + len(data)] = data
            seen = bytearray(80)
            file.seek(at // 2)
            file.readinto(seen)
            assert seen == twin[at // 2 : at // 2 + 80]
        if len(writes) > works:
            with pytest.raises(OSError, match="No space left"):
                file.check()
        else:
            file.check()


@given(st.lists(st.sampled_from([heaps.HEAP, b"G", b"GCOL", b"\x01", b"xyz"]), max_size=8), st.integers(1, 20))
def test_heaps_are_found_wherever_blocks_end(pieces, size):
    data = b"".join(pieces)
    with mock.patch.object(heaps, "BLOCK_BYTES", size):
        assert list(heaps._starts(io.BytesIO(data))) == [at for at in range(len(data)) if data.startswith(heaps.HEAP, at)]


def test_a_disk_that_fills_up_is_noticed_on_the_way(tmp_path):
    network = samples.residual()
    part = ns.simulate(network, samples.inputs(network, 20))

    def save():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, resource.RLIM_INFINITY))
        taken, full = [], pytest.raises(FileError, match=r"x\.h5: cannot be written")
        with in_slices(2**12), full, writing_trace(tmp_path / "x.h5", 20 * 10**4) as add:
            for number in range(10**4):
                add(part)
                taken.append(number)
        assert 5 < len(taken) < 1000

    assert samples.forked(save) == 0
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_for_temporary_files_is_said(tmp_path):
    network = samples.residual()
    part = ns.simulate(network, samples.inputs(network, 20))

    def use():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, resource.RLIM_INFINITY))
        full = pytest.raises(FileError, match=r"cannot hold the spike trace: .*set TMPDIR")
        with mock.patch.object(tempfile, "tempdir", str(tmp_path)), in_slices(2**12), full:
            spooled((part for _ in range(10**4)), 20 * 10**4).__enter__()

    assert samples.forked(use) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", [None, b"precious"])
def test_killed_in_the_middle_a_trace_leaves_the_old_file_or_none(tmp_path, existing):
    network = samples.residual()
    part = ns.simulate(network, samples.inputs(network, 20))
    target = tmp_path / "t.h5"
    if existing:
        target.write_bytes(existing)

    def save():
        with in_slices(2**12), writing_trace(target, 100) as add:
            for number in range(5):
                add(part)
                if number == 3:
                    os.kill(os.getpid(), signal.SIGKILL)

    assert samples.forked(save) == -signal.SIGKILL
    assert target.read_bytes() == existing if existing else not target.exists()
    assert all(path == target or path.name.startswith(".t.h5.") for path in tmp_path.iterdir())


def test_what_is_damaged_in_a_trace_that_stays_in_its_file_is_said_with_its_place(tmp_path):
    network = samples.residual()
    ns.simulate(network, samples.inputs(network, 20)).save(tmp_path / "t.h5")
    with h5py.File(tmp_path / "t.h5") as file:
        chunk = file["layers/conv1/spikes"].id.get_chunk_info(0)
    with open(tmp_path / "t.h5", "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    words = r"t\.h5: /layers/conv1: dataset 'spikes' cannot be read"
    with in_slices(1), opened_trace(tmp_path / "t.h5") as found, pytest.raises(FileError, match=words):
        found.part(0, 20)
    with in_slices(1):
        samples.refused("replay", tmp_path / "t.h5", says=["/layers/conv1: dataset 'spikes' cannot be read"])


FEW_AND_MANY = 1500, 6000
PEAK = """
import resource, sys
from neurosim.cli import main
sys.argv = ["neurosim", "-q", *sys.argv[1:]]
try:
    main()
except SystemExit as leaving:
    assert not leaving.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A network that hardly fires, but whose trace has 8 KB per image."""
    folder = tmp_path_factory.mktemp("wide")
    kernel = np.ones((64, 1, 1, 1), int)
    layers = [ns.Conv("conv1", kernel, threshold=250), ns.Output("out", np.ones((2, 64 * 256), int))]
    network = ns.Network.build("wide", timesteps=4, input_shape=(1, 16, 16), layers=layers)
    network.save(folder / "net.h5")
    for images in FEW_AND_MANY:
        pixels = np.zeros((images, 1, 16, 16), np.uint8)
        pixels[:, 0, 0, 0] = np.arange(images) % 251
        ns.Inputs(pixels, np.zeros(images, int)).save(folder / f"{images}.h5")
    return folder


def peak(folder, *arguments):
    """MB of a command."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PEAK, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ, timeout=300, check=True)
    return int(found.stdout.splitlines()[-1])


def test_memory_does_not_grow_with_the_number_of_images(wide):
    """4,500 more images are 37 MB more of trace."""
    chip = ["--timing", "analytic", "--set", "memory.table_sram.bits=4194304"]
    for command in (
        ["trace", "net.h5", "{}.h5", "-o", "t{}.h5"], ["run", "net.h5", "{}.h5", *chip], ["replay", "t{}.h5", *chip],
        ["trace", "net.h5", "{}.h5", "-o", "t{}.h5", "--checkpoints", "kept"],
    ):  # fmt: skip
        few, many = (peak(wide, *(word.format(images) for word in command)) for images in FEW_AND_MANY)
        assert many - few < 20, (command[0], few, many)
