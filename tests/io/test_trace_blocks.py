"""A trace that was interrupted continues: what was kept of it is not simulated again, and no bit is another."""

import os
import signal
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError
from neurosim.io import hdf5, trace_blocks, trace_file
from neurosim.io.trace_blocks import TraceBlocks
from neurosim.spikes import simulate as simulate_module
from neurosim.spikes.simulate import simulated
from tests.helpers import samples
from tests.helpers.strategies import cases, residuals

IMAGES = 20
BLOCK = 4


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(trace_blocks, "BLOCK_IMAGES", BLOCK)


@pytest.fixture
def folder(tmp_path):
    """A network, its inputs, and their trace as it is without checkpoints."""
    network = samples.residual()
    network.save(tmp_path / "net.h5")
    samples.inputs(network, IMAGES).save(tmp_path / "in.h5")
    assert samples.call("trace", tmp_path / "net.h5", tmp_path / "in.h5", "-o", tmp_path / "whole.h5").code == 0
    return tmp_path


def datasets(path):
    """The bytes of all datasets, and what is said of them."""
    found = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            attributes = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            found[name] = (item.dtype.str, item.shape, item.chunks, item.compression, item[()].tobytes(), attributes)

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def trace(folder, *options, output="t.h5", network="net.h5"):
    """What the command leaves behind, and the samples it simulated."""
    begun, run = [], simulate_module._Batch.run

    def counted(batch):
        begun.append(len(batch.inputs))
        return run(batch)

    with mock.patch.object(simulate_module._Batch, "run", counted):
        words = ("--checkpoints", folder / "kept", *options)
        found = samples.call("trace", folder / network, folder / "in.h5", "-o", folder / output, *words)
    return found, sum(begun)


def killed(folder, blocks, *options):
    """Kill the command when so many blocks are in their places."""
    finish, ended = trace_blocks.writing_trace, []

    def interrupted(path, images):
        if len(ended) == blocks:
            os.kill(os.getpid(), signal.SIGKILL)
        ended.append(path)
        return finish(path, images)

    def run():
        with mock.patch.object(trace_blocks, "writing_trace", interrupted):
            trace(folder, *options)

    assert samples.forked(run) == -signal.SIGKILL
    assert not (folder / "t.h5").exists()


def kept(folder):
    return sorted((folder / "kept").glob("*/*.h5"))


@pytest.mark.parametrize("options", [(), ("--workers", 1), ("--neurobench",), ("--state-bits", 9), ("--images", 18)])
def test_killed_in_the_middle_it_continues_where_it_was(folder, options):
    images = 18 if "--images" in options else IMAGES
    samples.call("trace", folder / "net.h5", folder / "in.h5", "-o", folder / "whole.h5", *options)
    killed(folder, 3, *options)
    assert [path.name for path in kept(folder)] == ["000000.h5", "000001.h5", "000002.h5"]
    assert [len(ns.load_trace(path)) for path in kept(folder)] == [BLOCK] * 3
    found, simulated = trace(folder, *options)
    assert (found.code, simulated) == (0, images - 3 * BLOCK)
    assert found.err == f"neurosim: continues: 12 of {images} images are there, {images - 12} are simulated\n"
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")
    assert list((folder / "kept").iterdir()) == []


def test_uninterrupted_it_is_the_trace_without_and_says_nothing(folder):
    found, simulated = trace(folder)
    assert (found.code, found.err, simulated) == (0, "", IMAGES)
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")
    assert list((folder / "kept").iterdir()) == []


def interrupt(folder):
    """All blocks, but no trace."""
    with mock.patch.object(TraceBlocks, "remove"):
        trace(folder)
    (folder / "t.h5").unlink()
    assert len(kept(folder)) == 5


def test_what_is_all_there_is_not_simulated(folder):
    interrupt(folder)
    found, simulated = trace(folder)
    assert (found.err, simulated) == ("neurosim: continues: 20 of 20 images are there, 0 are simulated\n", 0)
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")


def test_quiet_is_quiet(folder):
    interrupt(folder)
    words = ("trace", folder / "net.h5", folder / "in.h5", "-o", folder / "t.h5", "--checkpoints", folder / "kept")
    assert samples.call("-q", *words).err == ""


def test_blocks_that_lack_between_others_are_simulated(folder):
    interrupt(folder)
    for number in (1, 3):
        kept(folder)[number - (number == 3)].unlink()
    found, simulated = trace(folder)
    assert (found.err, simulated) == ("neurosim: continues: 12 of 20 images are there, 8 are simulated\n", 2 * BLOCK)
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")


@pytest.mark.parametrize("options", [("--state-bits", 9), ("--images", 19), ("--neurobench",)])
def test_what_decides_other_bits_takes_no_blocks_and_leaves_them(folder, options):
    interrupt(folder)
    found, simulated = trace(folder, *options)
    assert (found.code, found.err) == (0, "")
    assert simulated == (19 if "--images" in options else IMAGES)
    assert len(kept(folder)) == 5


def test_another_network_takes_no_blocks_and_leaves_them(folder):
    interrupt(folder)
    samples.residual(seed=2).save(folder / "other.h5")
    assert trace(folder, network="other.h5")[1] == IMAGES
    assert len(kept(folder)) == 5


def test_another_block_size_takes_no_blocks(folder, monkeypatch):
    interrupt(folder)
    monkeypatch.setattr(trace_blocks, "BLOCK_IMAGES", 5)
    assert trace(folder)[1] == IMAGES


def test_a_network_of_another_name_takes_them_and_says_its_own(folder):
    interrupt(folder)
    replace(ns.load_network(folder / "net.h5"), name="other").save(folder / "other.h5")
    assert trace(folder, network="other.h5")[1] == 0
    assert ns.load_trace(folder / "t.h5").network.name == "other"


def flip(path):
    with h5py.File(path) as file:
        chunk = file["layers/conv1/spikes"].id.get_chunk_info(0)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))


def shorten(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    path.write_bytes(b"")


def exchange(path):
    path.write_bytes((path.parent / "000004.h5").read_bytes())


def of_other_bits(path):
    found = ns.load_trace(path)
    ns.simulate(found.network, ns.Inputs(found.images, found.labels), state_bits=9).save(path)


def of_another_network(path):
    found = ns.load_trace(path)
    ns.simulate(samples.residual(seed=2), ns.Inputs(found.images, found.labels)).save(path)


def with_changes(path):
    found = ns.load_trace(path)
    ns.simulate(found.network, ns.Inputs(found.images, found.labels), record_changes=True).save(path)


@pytest.mark.parametrize("damage", [flip, shorten, empty, exchange, of_other_bits, of_another_network, with_changes])
def test_a_block_that_is_damaged_or_foreign_is_simulated_anew(folder, damage):
    interrupt(folder)
    path = kept(folder)[2]
    damage(path)
    found, simulated = trace(folder)
    assert (found.code, simulated) == (0, BLOCK)
    first, second = found.err.splitlines()
    assert first.startswith(f"neurosim: {path}: ") and first.endswith("; its images are simulated anew")
    assert second == "neurosim: continues: 16 of 20 images are there, 4 are simulated"
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")


def test_a_block_is_read_whole_before_it_is_taken(folder):
    """Also what is not read when a file is opened."""
    interrupt(folder)
    flip(kept(folder)[2])
    with mock.patch.object(hdf5, "CHUNK_BYTES", 0):
        found, simulated = trace(folder)
    assert (found.code, simulated) == (0, BLOCK)
    assert "dataset 'spikes' cannot be read" in found.err


def test_an_output_that_cannot_be_written_leaves_whole_blocks_alone(folder):
    written = trace_file.TraceWriter.add

    def add(writer, part):
        if writer.images == IMAGES and writer.waiting:
            raise FileError("t.h5", ["no room"])
        written(writer, part)

    with mock.patch.object(trace_file.TraceWriter, "add", add):
        assert trace(folder, "--workers", 20)[0].code == 2
    left = [path for path in (folder / "kept").rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.startswith(".")]
    assert all(len(ns.load_trace(path)) == BLOCK for path in left)
    assert trace(folder)[0].code == 0
    assert datasets(folder / "t.h5") == datasets(folder / "whole.h5")


def test_what_is_not_of_the_command_stays(folder):
    interrupt(folder)
    stranger = kept(folder)[0].with_name("notes.txt")
    stranger.write_text("mine")
    stale = stranger.with_name(".000001.h5.abc.tmp")
    stale.write_text("of one that was killed")
    assert trace(folder)[0].code == 0
    assert list(stranger.parent.iterdir()) == [stranger]


@pytest.mark.parametrize("place", ["in.h5", "in.h5/below", "t.h5"])
def test_a_place_that_is_no_folder_is_refused_before_anything_is_simulated(folder, place):
    words = ("trace", folder / "net.h5", folder / "in.h5", "-o", folder / "t.h5", "--checkpoints", folder / place)
    with mock.patch.object(simulate_module._Batch, "run", side_effect=AssertionError):
        samples.refused(*words, says=[folder / place, "is also read" if place == "t.h5" else "not a folder"])
    assert not (folder / "t.h5").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_simulated(folder):
    locked = folder / "locked"
    locked.mkdir()
    words = ("trace", folder / "net.h5", folder / "in.h5", "-o", folder / "t.h5", "--checkpoints", locked / "deep" / "er")
    allowed = os.access
    with mock.patch.object(os, "access", lambda path, mode: path != locked and allowed(path, mode)):
        samples.refused(*words, says=f"cannot hold checkpoints: the folder {locked} is not writable")
    assert list(locked.iterdir()) == []


def test_potentials_are_as_wide_as_the_largest_pixel_of_all_images_asks_for(tmp_path):
    """The last image alone needs 64 bits; the blocks before it have them too."""
    layers = [ns.Conv("conv1", np.full((1, 1, 1, 1), 100), threshold=250), ns.Output("out", np.ones((2, 64), int))]
    network = ns.Network.build("wide", timesteps=4, input_shape=(1, 8, 8), layers=layers)
    pixels = np.ones((9, 1, 8, 8), np.int32)
    pixels[8] = 2**28
    network.save(tmp_path / "net.h5")
    ns.Inputs(pixels).save(tmp_path / "in.h5")
    samples.call("trace", tmp_path / "net.h5", tmp_path / "in.h5", "-o", tmp_path / "whole.h5")
    assert datasets(tmp_path / "whole.h5")["layers/conv1/peak"][0] == "<i8"
    killed(tmp_path, 1)
    assert trace(tmp_path)[1] == 9 - BLOCK
    assert datasets(tmp_path / "t.h5") == datasets(tmp_path / "whole.h5")


@settings(max_examples=10)
@given(
    st.one_of(cases(), residuals()), st.integers(1, 9), st.integers(1, 5), st.sets(st.integers(0, 8)), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_whatever_is_missing_the_parts_are_those_of_one_simulation(case, many, size, lost, changes, executed):
    network, data = case
    arrays = [None if a is None else np.resize(a, (many, *a.shape[1:])) for a in (data.images, data.labels, data.spikes)]
    given = ns.Inputs(*arrays, name="resized")
    whole = ns.simulate(network, given, record_changes=changes)
    with (
        tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as pool,
        mock.patch.object(trace_blocks, "BLOCK_IMAGES", size), mock.patch.object(simulate_module, "SLICE_IMAGES", 2),
    ):  # fmt: skip
        executor = pool if executed else None

        def passed():
            blocks = TraceBlocks(Path(name), network, given, 32, changes)
            blocks.look(lambda line: None, lambda images: None)
            coming = simulated(network, given, executor=executor, record_changes=changes, spans=blocks.missing)
            return blocks, ns.SpikeTrace.joined(list(blocks.parts(coming)))

        whole.save(f"{name}/whole.h5")
        first, _ = passed()
        for span in first.spans:
            if span[0] // size in lost:
                first.path(span).unlink()
        again, joined = passed()
        assert len(again.missing) == len(lost & set(range(len(first.spans))))
        joined.save(f"{name}/joined.h5")
        assert datasets(f"{name}/joined.h5") == datasets(f"{name}/whole.h5")
        again.remove()
        assert not again.folder.exists()
