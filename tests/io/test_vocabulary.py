"""A file that says more than is known is refused, never read as if it said less; one that says less is read as ever."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError
from neurosim.io import vocabulary
from neurosim.io.network_file import NETWORK
from neurosim.version import __version__
from tests.helpers import samples

LOADS = {
    "network": lambda path, _: ns.load_network(path),
    "inputs": lambda path, _: ns.load_inputs(path),
    "events": lambda path, _: ns.load_inputs(path),
    "trace": lambda path, _: ns.load_trace(path),
    "mapping": lambda path, mapping: ns.load_mapping(path, mapping.network, mapping.chip),
}


@pytest.fixture(scope="module")
def mapping():
    return ns.map_network(samples.golden(samples.residual("spikes")), ns.load_chip("mesh45"))


@pytest.fixture(scope="module")
def written(mapping, tmp_path_factory):
    """The bytes of a file of each kind."""
    network, folder = mapping.network, tmp_path_factory.mktemp("written")
    shown = samples.inputs(network)
    saved = {
        "network": network, "inputs": samples.inputs(samples.residual()), "events": shown,
        "trace": ns.simulate(network, shown, record_changes=True), "mapping": mapping,
    }  # fmt: skip
    for kind, value in saved.items():
        value.save(folder / f"{kind}.h5")
    return {kind: (folder / f"{kind}.h5").read_bytes() for kind in saved}


def places(file):
    """Every group and dataset of a file."""
    found = ["/"]
    file.visit(lambda name: found.append(f"/{name}"))
    return found


def refused(path, load):
    with pytest.raises(FileError) as caught:
        load(path)
    return caught.value.problems


NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=12)


@pytest.mark.parametrize("kind", LOADS)
@settings(max_examples=25)
@given(st.data(), st.sampled_from(["attribute", "dataset", "group", "link"]), NAMES.map("x_{}".format))
def test_any_unknown_name_anywhere_is_refused_with_its_path(written, mapping, tmp_path_factory, kind, data, what, name):
    path = tmp_path_factory.mktemp("more") / "x.h5"
    path.write_bytes(written[kind])
    with h5py.File(path, "r+") as file:
        place = data.draw(st.sampled_from(places(file)))
        if what == "attribute" or isinstance(file[place], h5py.Dataset):
            what = "attribute"
            file[place].attrs[name] = 3
        elif what == "dataset":
            file[place][name] = np.arange(3)
        elif what == "group":
            file[place].create_group(name).attrs["more"] = 1
        else:
            file[place][name] = h5py.SoftLink("/layers")
    problems = refused(path, lambda path: LOADS[kind](path, mapping))
    where = "" if place == "/" else f"{place}: "
    told = f"{where}{what} {name!r}: neurosim {__version__} does not know it and would ignore it"
    # Where any name may stand, its reader tells of those that the network does not have.
    assert any(p.startswith(told) or name in p for p in problems)


@pytest.mark.parametrize("kind", LOADS)
def test_a_whole_file_is_known(written, mapping, tmp_path, kind):
    (tmp_path / "x.h5").write_bytes(written[kind])
    LOADS[kind](tmp_path / "x.h5", mapping)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["format_version"] == "1.0"


def test_what_version_0_7_0_ignored_is_named_all_at_once(written, tmp_path):
    """A refractory period, a floor under potentials, and a newer version: all three change what is computed."""
    path = tmp_path / "net.h5"
    path.write_bytes(written["network"])
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = "1.9"
        file["layers/conv1"].attrs["refractory"] = 3
        file["layers/conv1/floor"] = -5
        file["layers/conv1/threshold"].attrs["decays"] = True
        file["layers/conv3/shortcuts/0"].attrs["transposed"] = True
    problems, said = refused(path, ns.load_network), samples.call("verify", path)
    told = {
        "1.9", "update neurosim", "/layers/conv1: attribute 'refractory'", "/layers/conv1: dataset 'floor'",
        "/layers/conv1/threshold: attribute 'decays'", "/layers/conv3/shortcuts/0: attribute 'transposed'",
    }  # fmt: skip
    for words in told:
        assert words in " ".join(problems) and words in " ".join(said.err.split())
    assert len(problems) == 5 and (said.code, said.out) == (2, "")


OTHERS = {
    "a layer of a trace": ("trace", "layers/other", "/layers/other: there is no layer of that name"),
    "a source of a probe": (
        "network", "golden/probes/conv2/stimulus/other", "/golden/probes/conv2/stimulus/other: there is no source of that name"
    ),
    "a recorded layer": ("network", "golden/samples/other", "/golden/samples/other: no layer of that name"),
    "a probed layer": ("network", "golden/probes/other", "/golden/probes/other: no layer of that name"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "place", "told"), OTHERS.values(), ids=OTHERS)
def test_what_is_named_like_nothing_in_the_network_is_refused(written, mapping, tmp_path, kind, place, told):
    (tmp_path / "x.h5").write_bytes(written[kind])
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file.create_group(place)
    assert told in refused(tmp_path / "x.h5", lambda path: LOADS[kind](path, mapping))


@pytest.mark.parametrize("version", ["3.0", "2.1", "1.1", "12"])
def test_a_newer_version_says_which_are_known_and_who_wrote_it(written, tmp_path, version):
    path = tmp_path / "net.h5"
    path.write_bytes(written["network"])
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"], file.attrs["producer"] = version, "neurosim 9.8.7"
    (problem,) = refused(path, ns.load_network)
    known = f"neurosim {__version__} knows 1.0 and 2.0; update neurosim"
    assert problem.startswith(f"format version {version} is not known; {known}")
    assert problem.endswith("; the file says that neurosim 9.8.7 wrote it")


@pytest.mark.parametrize("version", ["1", "1.0", "2.0", "2"])
def test_files_of_known_versions_are_read(written, tmp_path, version):
    path = tmp_path / "net.h5"
    path.write_bytes(written["network"])
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = version
    ns.load_network(path)


def test_a_file_says_the_lowest_version_that_knows_all_of_it_and_no_lower_one(tmp_path):
    layer = vocabulary.Vocabulary(datasets={"weight": "1.0", "floor": "2.0"})
    known = vocabulary.Vocabulary({"name": "1.0"}, groups={"layers": vocabulary.Vocabulary(groups={"*": layer})})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["name"] = "x"
        file["layers/a/weight"] = 1
        assert vocabulary.newest(file, known) == "1.0"
        file["layers/a/floor"] = 1
        assert vocabulary.newest(file, known) == "2.0"
        assert not [*vocabulary.strangers(file, known, "2.0")]
        (problem,) = vocabulary.strangers(file, known, "1.0")
        assert problem.startswith("/layers/a: dataset 'floor' belongs to format version 2.0, but the file says 1.0")
        file["layers/a/ceiling"] = 1
        with pytest.raises(AssertionError, match="ceiling"):
            vocabulary.newest(file, known)


def test_the_vocabulary_of_networks_grows_with_the_table_of_parameters():
    layer = NETWORK.groups["layers"].groups["*"]
    assert layer.datasets["current_leak_k"] == layer.attributes["delay"] == "1.0"


# The kind of file; a group, what is put there, as what; and what is told.
MISPLACED = {
    "stride of dense": ("network", "layers/out", "attribute", {"stride": 2}, "belongs to a convolution"),
    "twin without weights": ("network", "layers/conv1", "dataset", {"threshold_float": 1.0}, "belongs to a float twin"),
    "a second leak": ("network", "layers/conv1", "dataset", {"leak_float": 1.0}, "belongs to a float twin"),
    "m without k": ("network", "layers/conv1", "dataset", {"leak_m": 3}, "needs 'leak_k'"),
    "spikes of an output": ("network", "golden/samples/out", "dataset", {"spikes": [1]}, "belongs to neurons that fire"),
    "integers of floats": ("floats", "layers/conv1", "dataset", {"leak": [1, 2]}, "belongs to an integer network"),
    "scale of floats": ("floats", "layers/conv3/shortcuts/0", "dataset", {"scale_float": 2.0}, "stands beside a weight"),
    "offsets of images": ("inputs", "/", "dataset", {"offsets": [0, 1]}, "does not belong to inputs of images"),
    "shape of images": ("inputs", "/", "attribute", {"shape": [1, 2]}, "does not belong to inputs of images"),
    "images of events": ("events", "/", "dataset", {"images": [0, 1]}, "does not belong to inputs of events"),
}


@pytest.mark.parametrize(("kind", "place", "what", "more", "told"), MISPLACED.values(), ids=MISPLACED)
def test_a_known_name_in_the_wrong_place_is_refused(written, mapping, tmp_path, kind, place, what, more, told):
    path = tmp_path / "x.h5"
    if kind == "floats":
        samples.floating().save(path)
    else:
        path.write_bytes(written[kind])
    with h5py.File(path, "r+") as file:
        (file[place].attrs if what == "attribute" else file[place]).update(more)
    (problem,) = refused(path, lambda path: LOADS.get(kind, LOADS["network"])(path, mapping))
    assert problem.startswith("" if place == "/" else f"/{place}: ")
    assert f"{what} {next(iter(more))!r} {told}" in problem


def test_shortcuts_know_the_steps_that_they_have():
    shortcut = NETWORK.groups["layers"].groups["*"].groups["shortcuts"].groups["*"]
    windows = {"stride", "padding", "groups", "dilation"} | {f"pool_{name}" for name in ("size", "stride", "padding")}
    assert {*shortcut.attributes} == {"source", "pool", "delay", "weight_shift"} | windows


def test_an_unknown_kind_of_layer_is_one_problem(tmp_path):
    path = tmp_path / "net.h5"
    ns.quantize(samples.floating()).save(path)
    with h5py.File(path, "r+") as file:
        file["layers/conv1"].attrs["kind"] = "convv"
    told = "/layers/conv1: attribute 'kind' is 'convv'; it must be one of conv, dense, output"
    assert refused(path, ns.load_network) == (told,)
