"""Files: what is written is what is read, it says what it means, and it appears whole or not at all."""

import errno
import io
import os
import resource
import stat
import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import neurosim as ns
import neurosim.report.html
from neurosim import saving
from neurosim.errors import FileError
from neurosim.io import hdf5
from neurosim.io.listing import listing
from neurosim.network.layers import Conv
from neurosim.report.text import network_table
from tests.helpers import samples
from tests.helpers.strategies import cases, networks, residual_networks

NORMALISED = {"mean": (0.4, 0.5), "std": (0.2, 0.25)}
NETWORKS = {
    "integer": lambda: samples.residual(),
    "integer on spikes, max pool": lambda: samples.residual("spikes"),
    "reset to zero, >=": lambda: samples.residual(reset="zero", compare=">="),
    "pooled shortcuts": lambda: samples.golden(samples.pooled_block()),
    "pooled shortcuts on spikes": lambda: samples.pooled_block("spikes"),
    "float": lambda: samples.floating(),
    "float with identity shortcut": lambda: samples.floating(identity=True),
    "float on spikes": lambda: samples.floating("spikes"),
    "golden": lambda: samples.golden(samples.residual()),
    "golden on spikes": lambda: samples.golden(samples.residual("spikes")),
    "float twin, normalised": lambda: ns.quantize(samples.floating(identity=True, **NORMALISED), bits=6),
}


def assert_same_array(one, other):
    assert (one is None) == (other is None)
    if one is not None:
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert (one == other).all()


def assert_same_layer(one, other):
    assert type(one) is type(other)
    for name in ("name", "threshold", "leak", "pool", "inputs", "weight_bits", "weight_scale", "in_shape", "shape"):
        assert getattr(one, name) == getattr(other, name), name
    if isinstance(one, Conv):
        assert (one.stride, one.padding) == (other.stride, other.padding)
    assert_same_array(one.weight, other.weight)
    assert len(one.shortcuts) == len(other.shortcuts)
    for a, b in zip(one.shortcuts, other.shortcuts, strict=True):
        assert (a.source, a.scale, a.stride, a.padding, a.pool) == (b.source, b.scale, b.stride, b.padding, b.pool)
        assert_same_array(a.weight, b.weight)


def assert_same_recordings(one, other):
    assert list(one) == list(other)
    for name in one:
        assert_same_array(one[name].spikes, other[name].spikes)
        assert_same_array(one[name].potentials, other[name].potentials)


def assert_same_network(one, other):
    for name in ("name", "timesteps", "input", "reset", "compare", "integer", "about", "sha256"):
        a, b = getattr(one, name), getattr(other, name)
        assert vars(a) == vars(b) if name == "input" else a == b, name
    for a, b in zip(one.layers, other.layers, strict=True):
        assert_same_layer(a, b)
    assert (one.float_twin is None) == (other.float_twin is None)
    if one.float_twin is not None:
        assert_same_network(one.float_twin, other.float_twin)
    assert (one.golden is None) == (other.golden is None)
    if one.golden is not None:
        assert_same_array(one.golden.images, other.golden.images)
        assert_same_array(one.golden.labels, other.golden.labels)
        assert_same_recordings(one.golden.samples, other.golden.samples)
        assert_same_recordings(one.golden.probes, other.golden.probes)
        assert list(one.golden.stimuli) == list(other.golden.stimuli)
        for layer, stimuli in one.golden.stimuli.items():
            for source, data in stimuli.items():
                assert_same_array(data, other.golden.stimuli[layer][source])


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_network_comes_back_as_it_was(tmp_path, make):
    network = make()
    network.save(tmp_path / "net.h5")
    assert_same_network(network, ns.load_network(tmp_path / "net.h5"))


def test_a_shortcut_of_an_older_file_has_no_pool(tmp_path):
    network = samples.residual()
    network.save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        for shortcut in file["layers/conv3/shortcuts"].values():
            assert shortcut.attrs["pool"] == "none"
            del shortcut.attrs["pool"]
    assert_same_network(network, ns.load_network(tmp_path / "net.h5"))


def test_the_table_of_a_network_says_over_what_pool_a_layer_reads_each_source():
    console = Console(width=200, file=io.StringIO())
    console.print(network_table(samples.pooled_block()))
    out = console.file.getvalue()
    assert "conv1 (max2), +conv1 (max2), +conv1 (sum2) " in out
    assert "conv2, +conv1 (sum2), +conv1 (max2) " in out


@settings(max_examples=40)
@given(st.one_of(networks(), residual_networks()))
def test_any_network_comes_back_as_it_was(network):
    with tempfile.TemporaryDirectory() as folder:
        network.save(f"{folder}/net.h5")
        assert_same_network(network, ns.load_network(f"{folder}/net.h5"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("labelled", [True, False])
def test_images_come_back_as_they_were(tmp_path, dtype, labelled):
    images = np.random.default_rng(0).integers(0, 200, (5, 2, 4, 3)).astype(dtype)
    inputs = ns.Inputs(images, np.arange(5) if labelled else None, name="five")
    inputs.save(tmp_path / "in.h5")
    found = ns.load_inputs(tmp_path / "in.h5")
    assert found.name == "five"
    assert found.spikes is None
    assert_same_array(found.images, inputs.images)
    assert_same_array(found.labels, inputs.labels)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_spikes_come_back_as_they_were_through_events(seed, density):
    rng = np.random.default_rng(seed)
    spikes = rng.random((*rng.integers(1, 4, 2), *rng.integers(1, 6, 3))) < density
    with tempfile.TemporaryDirectory() as folder:
        ns.Inputs.from_spikes(spikes, np.zeros(len(spikes), int)).save(f"{folder}/in.h5")
        with h5py.File(f"{folder}/in.h5") as file:
            assert file["events"].dtype.names == ("x", "y", "t", "p")
            assert len(file["events"]) == spikes.sum()
        assert_same_array(ns.load_inputs(f"{folder}/in.h5").spikes, spikes)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("kind", ["images", "spikes"])
def test_inputs_come_from_npz(tmp_path, save, kind):
    network = samples.residual("direct" if kind == "images" else "spikes")
    inputs = samples.inputs(network)
    data = getattr(inputs, kind)
    save(tmp_path / "in.npz", labels=inputs.labels.astype(np.uint8), **{kind: data})
    found = ns.load_inputs(tmp_path / "in.npz")
    assert found.name == "in"
    assert_same_array(getattr(found, kind), data)
    assert_same_array(found.labels, inputs.labels)


@pytest.mark.parametrize("kind", ["images", "spikes"])
def test_inputs_come_from_npy(tmp_path, kind):
    data = getattr(samples.inputs(samples.residual("direct" if kind == "images" else "spikes")), kind)
    with open(tmp_path / "IN.NPY", "wb") as file:
        np.save(file, data)
    found = ns.load_inputs(tmp_path / "IN.NPY")
    assert found.labels is None
    assert_same_array(getattr(found, kind), data)


def assert_same_trace(one, other):
    assert_same_network(one.network.with_golden(None), other.network)
    for name in ("outputs", "labels", "input_bits"):
        assert_same_array(getattr(one, name), getattr(other, name))
    assert (one.state_bits, one.inputs_name) == (other.state_bits, other.inputs_name)
    assert list(one.layers) == list(other.layers)
    for name, layer in one.layers.items():
        again = other.layers[name]
        assert_same_array(layer.bits, again.bits)
        assert_same_array(layer.reached, again.reached)
        assert (layer.peak == again.peak).all()
        for a, b in ((layer.lone, again.lone), (layer.clipped, again.clipped)):
            assert_same_array(a.start, b.start)
            assert (a.item == b.item).all()


def test_a_trace_with_lone_and_clipped_neurons_comes_back_as_it_was(tmp_path):
    """Only the first step has input: what fires later is above threshold still, or reached by the identity shortcut."""
    layers = [
        ns.Conv("a", np.full((2, 2, 1, 1), 60), threshold=20),
        ns.Conv("b", np.full((2, 2, 1, 1), -9), threshold=30, shortcuts=[ns.Shortcut("a", scale=40)]),
        ns.Output("out", np.ones((3, 50), int)),
    ]
    network = ns.Network.build("sparse", timesteps=4, input_shape=(2, 5, 5), encoding="spikes", layers=layers)
    spikes = np.random.default_rng(0).random((3, 4, 2, 5, 5)) < 0.3
    spikes[:, 1:] = False
    trace = ns.simulate(network, ns.Inputs.from_spikes(spikes), state_bits=7)
    assert sum(len(layer.lone.item) for layer in trace.layers.values()) > 5
    assert sum(len(layer.clipped.item) for layer in trace.layers.values()) > 5
    trace.save(tmp_path / "t.h5")
    again = ns.load_trace(tmp_path / "t.h5")
    assert_same_trace(trace, again)
    mapping = ns.map_network(network, ns.load_chip("mesh45").replace("core.state_bits", 7))
    one, other = (ns.evaluate(t, mapping).to_dict() for t in (trace, again))
    del one["provenance"], other["provenance"]
    assert one == other
    assert one["counts"]["saturations"] > 5


@settings(max_examples=15)
@given(cases())
def test_any_trace_comes_back_as_it_was(case):
    trace = ns.simulate(*case)
    with tempfile.TemporaryDirectory() as folder:
        trace.save(f"{folder}/t.h5")
        assert_same_trace(trace, ns.load_trace(f"{folder}/t.h5"))


def test_a_float_trace_comes_back_as_it_was(tmp_path):
    network = samples.floating()
    trace = ns.simulate(network, samples.inputs(network))
    trace.save(tmp_path / "t.h5")
    assert_same_trace(trace, ns.load_trace(tmp_path / "t.h5"))


def test_the_run_file_holds_every_count_and_the_whole_json(tmp_path, result):
    result.save(tmp_path / "run.h5")
    found = {item["path"]: item for item in listing(tmp_path / "run.h5")["contents"]}
    assert found["/outputs"]["shape"] == [3, 3]
    assert found["/mapping/bricks"]["shape"] == [len(result.mapping.bricks)]
    with h5py.File(tmp_path / "run.h5") as file:
        assert hdf5.json.loads(file["json"][()]) == result.to_dict()
        for name, values in result.totals.items():
            assert file["counts"][name][()].tolist() == values.tolist()
        assert file["cores"]["layer"].astype(str).tolist() == result.cores["layer"].tolist()


def test_the_mapping_file_holds_every_brick(tmp_path, result):
    result.mapping.save(tmp_path / "map.h5")
    found = listing(tmp_path / "map.h5")
    assert found["format"] == "neurosim-mapping"
    assert found["attributes"]["network_sha256"] == result.trace.network.sha256
    assert found["attributes"]["chip_sha256"] == result.mapping.chip.sha256
    with h5py.File(tmp_path / "map.h5") as file:
        rows = [tuple(r)[:-2] for r in file["bricks"][()].tolist()]
        assert rows == [tuple(b) for b in result.mapping.bricks]
        assert file["bricks"]["core"].tolist() == result.mapping.cores.tolist()


@pytest.fixture(scope="module")
def result():
    network = samples.residual()
    return ns.run(network, samples.inputs(network), ns.load_chip("mesh45"), command="a test")


@pytest.fixture(scope="module")
def savers(result):
    """Everything that can be saved, by name: a function of the path."""
    spiking = samples.golden(samples.residual("spikes"))
    return {
        "network": ns.quantize(samples.floating(identity=True)).save,
        "network on spikes": spiking.save,
        "inputs": samples.inputs(result.trace.network).save,
        "events": samples.inputs(spiking).save,
        "trace": result.trace.save,
        "mapping": result.mapping.save,
        "run": result.save,
        "report": result.report,
    }


KINDS = ("network", "network on spikes", "inputs", "events", "trace", "mapping", "run")
ALL = (*KINDS, "report")


@pytest.mark.parametrize("kind", KINDS)
def test_every_dataset_says_its_unit_and_meaning(tmp_path, savers, kind):
    savers[kind](tmp_path / "x.h5")
    contents = listing(tmp_path / "x.h5")["contents"]
    assert contents
    for item in contents:
        assert item["units"], item
        assert len(item["description"]) > 3, item


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_says_what_it_is_and_who_wrote_it(tmp_path, savers, kind):
    savers[kind](tmp_path / "x.h5")
    found = listing(tmp_path / "x.h5")
    assert found["format"] in [f"neurosim-{k}" for k in ("network", "inputs", "trace", "mapping", "run")]
    assert found["attributes"]["format_version"] == "1.0"
    assert found["attributes"]["producer"] == f"neurosim {ns.__version__}"
    assert found["attributes"]["created"].startswith("20")


def test_the_network_file_writes_its_semantics(tmp_path):
    samples.golden(samples.residual()).save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5") as file:
        assert file.attrs["dynamics"] == "leak, integrate, compare, reset"
        assert (file.attrs["reset"], file.attrs["compare"], file.attrs["timesteps"]) == ("subtract", ">", 4)
        assert "argmax" in file.attrs["decode"]
        assert file.attrs["dataset"] == "random"
        assert list(file["layers"]) == ["conv1", "conv2", "conv3", "fc1", "out"]
        assert [file["layers"][n].attrs["kind"] for n in file["layers"]] == ["conv"] * 3 + ["dense", "output"]
        assert file["layers/conv1/leak"][()].tolist() == [15, 4]
        assert file["layers/conv2"].attrs["pool"] == "sum2"


@pytest.mark.parametrize("kind", KINDS)
def test_identical_content_gives_identical_bytes(tmp_path, savers, kind, monkeypatch):
    class Stopped(hdf5.datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2030, 1, 1, tzinfo=tz)

    monkeypatch.setattr(hdf5.datetime, "datetime", Stopped)
    savers[kind](tmp_path / "one.h5")
    savers[kind](tmp_path / "two.h5")
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_the_hash_of_a_network_ignores_names_and_history():
    network = samples.residual()
    assert samples.residual().sha256 == network.sha256
    assert samples.golden(network).sha256 == network.sha256
    assert replace(network, name="other", about={}).sha256 == network.sha256


def test_the_hash_of_a_network_without_pooled_shortcuts_is_the_one_that_files_record():
    kernel = np.ones((1, 1, 1, 1), int)
    layers = [
        ns.Conv("a", kernel, threshold=3, pool="sum2"),
        ns.Conv("b", kernel, threshold=2, shortcuts=[ns.Shortcut("a", scale=5), ns.Shortcut("a", kernel)]),
        ns.Output("out", np.ones((2, 4), int)),
    ]
    network = ns.Network.build("fixed", timesteps=2, input_shape=(1, 4, 4), layers=layers)
    assert network.sha256 == "59f62f8a3921c3865f3687a19903a70320440fbdd50b168a8318d62fbf9d3edb"


def test_the_hash_of_a_network_changes_with_everything_that_decides_spikes():
    network = samples.residual()
    changed = [samples.residual(seed=9), samples.residual("spikes"), replace(network, timesteps=5)]
    changed += [samples.residual(reset="zero"), samples.residual(compare=">=")]
    weight = network.layers[0].weight.copy()
    weight.flat[5] += 1
    for change in (
        {"threshold": 901}, {"leak": (14, 4)}, {"leak": None}, {"weight": weight}, {"weight_bits": 9},
        {"shortcuts": [ns.Shortcut("input", np.ones((3, 2, 1, 1), int))]},
    ):  # fmt: skip
        spiking = samples.residual("spikes") if "shortcuts" in change else network
        changed.append(samples.with_layer(spiking, "conv1", **change))
    block = samples.pooled_block()
    swapped = [replace(s, pool="sum2") for s in block.layer("conv2").shortcuts]
    changed += [block, samples.with_layer(block, "conv2", shortcuts=swapped)]
    hashes = {n.sha256 for n in changed}
    assert len(hashes) == len(changed)
    assert network.sha256 not in hashes


@contextmanager
def unprivileged():
    """As a user whom permissions bind, even where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("existing", [None, b"precious"])
@pytest.mark.parametrize("kind", ALL)
def test_a_full_disk_leaves_the_old_file_or_none(tmp_path, savers, kind, existing):
    """The limit of the operating system on file sizes stands for the full disk; in a child, since HDF5 has crashed here."""
    target = tmp_path / "x.h5"
    if existing:
        target.write_bytes(existing)

    def save():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
        with pytest.raises(FileError, match=r"x\.h5: cannot be written"):
            savers[kind](target)

    assert samples.forked(save) == 0
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == ({"x.h5": existing} if existing else {})


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("h5"), KeyboardInterrupt()])
@pytest.mark.parametrize("kind", KINDS)
def test_a_write_that_fails_halfway_leaves_the_old_file(tmp_path, savers, kind, error, monkeypatch):
    target = tmp_path / "x.h5"
    target.write_bytes(b"precious")
    written, real = [], h5py.Group.create_dataset

    def failing(self, name, *args, **options):
        if written:
            raise error
        written.append(name)
        return real(self, name, *args, **options)

    monkeypatch.setattr(h5py.Group, "create_dataset", failing)
    expected = FileError if isinstance(error, OSError) else type(error)
    many = kind != "mapping"
    with pytest.raises(expected) if many else nullcontext():
        savers[kind](target)
    if many:
        assert target.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize("kind", ALL)
def test_a_folder_that_may_not_be_written_is_named(savers, kind):
    """What a report imports is loaded before: who has no rights may not be able to read it."""
    assert neurosim.report.html
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        with unprivileged(), pytest.raises(FileError, match=r"x\.h5: cannot be written: Permission denied"):
            savers[kind](f"{folder}/x.h5")
        assert os.listdir(folder) == []


@pytest.mark.parametrize("kind", ALL)
def test_a_target_that_is_a_folder_or_lies_nowhere_is_refused(tmp_path, savers, kind):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for target in ("folder", "missing/x.h5", "file/x.h5"):
        with pytest.raises(FileError, match=f"{target}: cannot be written"):
            savers[kind](tmp_path / target)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_target_that_is_no_regular_file_stays_what_it_is(tmp_path, savers):
    """As root, replacing /dev/null by a result would break the machine."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="pipe"):
        savers["inputs"](tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_writing_through_a_link_keeps_the_link(tmp_path, savers):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.h5").symlink_to(tmp_path / "elsewhere" / "real.h5")
    savers["inputs"](tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert len(ns.load_inputs(tmp_path / "elsewhere" / "real.h5")) == 3


def test_a_new_file_has_the_permissions_of_any_other(tmp_path, savers):
    old = os.umask(0o027)
    try:
        savers["inputs"](tmp_path / "x.h5")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.h5").stat().st_mode) == 0o640


def test_a_file_can_replace_the_one_it_came_from(tmp_path):
    path = tmp_path / "net.h5"
    network = samples.residual()
    network.save(path)
    ns.load_network(path).save(path)
    assert_same_network(network, ns.load_network(path))


def test_relative_names_are_written_where_the_process_stands(tmp_path, savers, monkeypatch):
    monkeypatch.chdir(tmp_path)
    savers["inputs"]("x.h5")
    assert os.listdir(".") == ["x.h5"]
    assert Path("x.h5").stat().st_size > 1000


@pytest.mark.parametrize("kind", [ns.Network, ns.Inputs, ns.SpikeTrace, ns.Mapping, ns.Result, ns.Record])
def test_everything_is_saved_to_any_path(kind):
    assert kind.save.__annotations__["path"] == saving.save.__annotations__["path"] == "str | os.PathLike[str]"
