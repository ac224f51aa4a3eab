"""Bad input: a clear message with file and place, exit code 2 (1 for what does not fit), no traceback, no half-written file."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError, InputsError, NetworkError, NeurosimError
from tests.helpers import samples
from tests.helpers.samples import only_json, refused

KINDS = ("network", "floats", "images", "events", "trace", "run", "mapping")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One good file of every kind."""
    folder = tmp_path_factory.mktemp("good")
    network = samples.residual()
    samples.golden(network).save(folder / "network.h5")
    samples.golden(samples.residual("spikes")).save(folder / "spiking.h5")
    samples.chain().save(folder / "chain.h5")
    ns.quantize(samples.floating()).float_twin.save(folder / "floats.h5")
    samples.inputs(network).save(folder / "images.h5")
    samples.inputs(samples.residual("spikes")).save(folder / "events.h5")
    result = ns.run(network, samples.inputs(network), ns.load_chip("mesh45"))
    result.trace.save(folder / "trace.h5")
    result.save(folder / "run.h5")
    result.mapping.save(folder / "mapping.h5")
    return folder


def spoiled(files, tmp_path, kind, spoil):
    """A copy of a good file after *spoil* (open file)."""
    copy = tmp_path / f"{kind}.h5"
    copy.write_bytes((files / f"{kind}.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        spoil(file)
    return copy


def put(path, value, **options):
    """A function that replaces a dataset; its attributes are lost."""

    return put_all({path: value}, **options)


def put_all(values, **options):
    def spoil(file):
        for path, value in values.items():
            if path in file:
                del file[path]
            file.create_dataset(path, data=value, **options)

    return spoil


def drop(path):
    def spoil(file):
        del file[path]

    return spoil


def attribute(path, name, *value):
    """A function that sets an attribute, or without a value removes it."""

    def spoil(file):
        if value:
            file[path].attrs[name] = value[0]
        else:
            del file[path].attrs[name]

    return spoil


def empty(path, name, shape, dtype="u1"):
    """A function that declares a dataset of *shape* and stores nothing of it."""

    def spoil(file):
        if name in file[path]:
            del file[path][name]
        file[path].create_dataset(name, shape, dtype, chunks=tuple(min(n, 2**16) for n in shape), compression="gzip")

    return spoil


def link(path, target):
    def spoil(file):
        if path in file:
            file.move(path, "/moved")
        file[path] = target

    return spoil


def virtual(path):
    def spoil(file):
        shape, dtype = file[path].shape, file[path].dtype
        del file[path]
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource("elsewhere.h5", "x", shape)
        file.create_virtual_dataset(path, layout)

    return spoil


def external(path):
    def spoil(file):
        shape, dtype = file[path].shape, file[path].dtype
        del file[path]
        size = int(np.prod(shape)) * dtype.itemsize
        file.create_dataset(path, shape, dtype, external=[("/etc/passwd", 0, size)])

    return spoil


W = "layers/conv1/weight"
SHORTCUT = "layers/conv3/shortcuts/0"
TEXT, REF = h5py.string_dtype(), h5py.ref_dtype
CONV1_SPIKES = "golden/samples/conv1/spikes"
STIMULUS = "golden/probes/conv2/stimulus/conv1"
NETWORK = {
    "another format": (attribute("/", "format", "neurosim-inputs"), ["'format'", "neurosim-inputs", "neurosim-network"]),
    "no format": (attribute("/", "format"), ["'format'"]),
    "format that is a number": (attribute("/", "format", 5), ["'format'", "5"]),
    "newer major version": (attribute("/", "format_version", "3.0"), ["3.0", "newer", "update neurosim"]),
    "newer minor version": (attribute("/", "format_version", "1.9"), ["1.9", "newer", "update neurosim"]),
    "far newer version": (attribute("/", "format_version", "10"), ["10", "newer"]),
    "garbage version": (attribute("/", "format_version", "one"), ["format_version", "one"]),
    "superscript version": (attribute("/", "format_version", "²"), ["format_version"]),
    "negative version": (attribute("/", "format_version", "-1.0"), ["format_version"]),
    "no version": (attribute("/", "format_version"), ["format_version"]),
    "no timesteps": (attribute("/", "timesteps"), ["timesteps"]),
    "zero timesteps": (attribute("/", "timesteps", 0), ["timesteps is 0"]),
    "half a timestep": (attribute("/", "timesteps", 2.5), ["timesteps", "2.5"]),
    "timesteps in words": (attribute("/", "timesteps", "five"), ["timesteps", "five"]),
    "unknown reset": (attribute("/", "reset", "sometimes"), ["reset", "sometimes"]),
    "no reset": (attribute("/", "reset"), ["reset"]),
    "unknown compare": (attribute("/", "compare", "="), ["compare", "'='"]),
    "unknown encoding": (attribute("/input", "encoding", "smell"), ["encoding", "smell"]),
    "unknown arithmetic": (attribute("/", "arithmetic", "roman"), ["arithmetic"]),
    "provenance that is no JSON": (attribute("/", "provenance", "{"), ["provenance", "JSON"]),
    "provenance that is a list": (attribute("/", "provenance", "[1]"), ["provenance"]),
    "no input": (drop("input"), ["'input' is missing"]),
    "no input shape": (attribute("/input", "shape"), ["shape"]),
    "flat input shape": (attribute("/input", "shape", [72]), ["shape"]),
    "empty input shape and mean": (attribute("/input", "shape", np.zeros(0)), ["shape"]),
    "input shape that is not a number": (attribute("/input", "shape", [np.nan, 6, 6]), ["shape"]),
    "mean without std": (attribute("/input", "mean", [0.5, 0.5]), ["mean and std"]),
    "no layers": (drop("layers"), ["'layers' is missing"]),
    "empty layers": (lambda f: [f.__delitem__(f"layers/{n}") for n in list(f["layers"])], ["no layers"]),
    "layers that are a dataset": (put("layers", [1]), ["'layers'"]),
    "missing weight": (drop(W), ["/layers/conv1", "dataset 'weight' is missing"]),
    "weight that is a group": (lambda f: [f.__delitem__(W), f.create_group(W)], ["/layers/conv1", "weight", "is a group"]),
    "flat weight": (put(W, np.zeros(54, np.int8)), ["/layers/conv1", "'weight'", "4 dimensions"]),
    "float weight in an integer network": (put(W, np.zeros((3, 2, 3, 3))), ["/layers/conv1", "'weight'", "float64"]),
    "text weight": (put(W, np.full((3, 2, 3, 3), b"x")), ["/layers/conv1", "'weight'"]),
    "objects for weights": (put(W, np.full((3, 2, 3, 3), "x", object), dtype=TEXT), ["/layers/conv1", "'weight'"]),
    "references for weights": (put(W, np.full((3, 2, 3, 3), None, object), dtype=REF), ["/layers/conv1", "'weight'"]),
    "empty weight": (put(W, np.zeros((0, 2, 3, 3), np.int8)), ["conv1", "weight"]),
    "nothing for a weight": (put(W, h5py.Empty("i1")), ["/layers/conv1", "'weight'"]),
    "64-bit weight": (put(W, np.full((3, 2, 3, 3), 2**40)), ["conv1", "weights span", "32 bits"]),
    "weights wider than said": (put(W, np.full((3, 2, 3, 3), 1000)), ["conv1", "weight_bits is 8", "11"]),
    "kernel that is not square": (put(W, np.ones((3, 2, 3, 2), np.int8)), ["conv3", "[3, 3, 3]", "[3, 3, 4]"]),
    "thresholds of another shape": (put("layers/conv1/threshold", np.ones((3, 2, 2))), ["conv1", "threshold", "[3, 6, 6]"]),
    "a threshold of 0 among others": (put("layers/conv1/threshold", [[[0]], [[4]], [[5]]]), ["1 neurons", "[0, 0, 0]"]),
    "a bias that is not finite": (put("layers/conv1/bias", np.inf), ["conv1", "bias", "finite"]),
    "leaks above 1": (put_all({"layers/conv3/leak_k": [[[9]], [[4]], [[5]]], "layers/conv3/leak_m": 3}), ["leak", "k <= 2^m"]),
    "a current leak of one number": (put("layers/conv1/current_leak", 3), ["conv1", "current_leak"]),
    "a delay of half a step": (attribute(SHORTCUT, "delay", 0.5), ["delay", "0.5"]),
    "a delay before its time": (attribute(SHORTCUT, "delay", -1), ["conv3", "delay is -1"]),
    "a delay of years": (attribute(SHORTCUT, "delay", 10**9), ["conv3", "delay is 1000000000", "1024"]),
    "an image that comes late": (attribute("layers/conv1", "delay", 1), ["conv1", "delay is 1", "image"]),
    "three strides": (attribute("layers/conv1", "stride", [1, 1, 1]), ["conv1", "stride is (1, 1, 1)"]),
    "unknown dynamics": (attribute("/", "dynamics", "reset, leak"), ["dynamics is 'reset, leak'"]),
    "shapes that do not chain": (put(W, np.ones((3, 7, 3, 3), np.int8)), ["conv1", "7 channels", "has 2"]),
    "dense shape that does not chain": (put("layers/fc1/weight", np.ones((8, 5), np.int8)), ["fc1", "takes 5 inputs", "= 3"]),
    "shortcut of another shape": (attribute("layers/conv3/shortcuts/1", "stride", 1), ["conv3", "shortcut from 'conv1'"]),
    "no threshold": (drop("layers/conv1/threshold"), ["/layers/conv1", "'threshold' is missing"]),
    "threshold 0": (put("layers/conv1/threshold", 0), ["conv1", "threshold is 0", "positive"]),
    "negative threshold": (put("layers/conv1/threshold", -5), ["conv1", "threshold is -5", "positive"]),
    "threshold that is not a number": (put("layers/conv1/threshold", np.nan), ["conv1", "threshold is nan"]),
    "fractional threshold": (put("layers/conv1/threshold", 1.5), ["conv1", "threshold is 1.5", "integer"]),
    "two thresholds": (put("layers/conv1/threshold", [1, 2]), ["/layers/conv1", "threshold"]),
    "no number for a threshold": (put("layers/conv1/threshold", h5py.Empty("i4")), ["conv1", "threshold"]),
    "leak above 1": (put("layers/conv1/leak", [17, 4]), ["conv1", "leak", "(17, 4)", "k <= 2^m"]),
    "negative leak": (put("layers/conv1/leak", [-1, 4]), ["conv1", "leak", "(-1, 4)"]),
    "leak with a huge shift": (put("layers/conv1/leak", [1, 60]), ["conv1", "leak", "m <= 15"]),
    "leak of three numbers": (put("layers/conv1/leak", [1, 4, 4]), ["conv1", "leak"]),
    "one number for a leak": (put("layers/conv1/leak", 3), ["/layers/conv1", "leak"]),
    "unknown kind": (attribute("layers/conv1", "kind", "magic"), ["/layers/conv1", "'magic'", "conv, dense, output"]),
    "no kind": (attribute("layers/conv1", "kind"), ["/layers/conv1", "kind"]),
    "unknown pool": (attribute("layers/conv2", "pool", "mean"), ["conv2", "'mean'", "sum2"]),
    "stride 0": (attribute("layers/conv1", "stride", 0), ["conv1", "stride is 0"]),
    "fractional stride": (attribute("layers/conv1", "stride", 1.5), ["conv1", "stride", "1.5"]),
    "stride that is not a number": (attribute("layers/conv1", "stride", np.nan), ["conv1", "stride"]),
    "negative padding": (attribute("layers/conv1", "padding", -1), ["conv1", "padding -1"]),
    "padding in words": (attribute("layers/conv1", "padding", "same"), ["conv1", "padding", "same"]),
    "fractional bits": (attribute("layers/conv1", "weight_bits", 8.5), ["conv1", "weight_bits"]),
    "a cycle": (attribute("layers/conv1", "inputs", ["conv2"]), ["cycle", "conv1", "conv2"]),
    "a layer that reads itself": (attribute("layers/conv2", "inputs", ["conv2"]), ["cycle", "conv2"]),
    "a layer that reads a later one": (attribute("layers/conv1", "inputs", ["out"]), ["cycle"]),
    "an unknown source": (attribute("layers/conv2", "inputs", ["conv9"]), ["conv2", "'conv9'", "does not exist"]),
    "numbers for sources": (attribute("layers/conv2", "inputs", [1, 2]), ["conv2", "must be names of layers"]),
    "a shortcut from nowhere": (attribute("layers/conv3/shortcuts/0", "source", "x"), ["conv3", "'x'", "does not exist"]),
    "a shortcut without source": (attribute("layers/conv3/shortcuts/0", "source"), ["/layers/conv3/shortcuts/0", "source"]),
    "a shortcut without numbers": (drop("layers/conv3/shortcuts/0/scale"), ["/layers/conv3/shortcuts/0", "scale"]),
    "unknown pool of a shortcut": (attribute(SHORTCUT, "pool", "mean"), ["conv3", "shortcut from 'conv2'", "'mean'", "sum2"]),
    "no text for the pool of a shortcut": (attribute(SHORTCUT, "pool", 2), ["conv3", "pool"]),
    "a shortcut pooled to another shape": (attribute(SHORTCUT, "pool", "max2"), ["shortcut from 'conv2' gives [3, 1, 1]"]),
    "no output": (drop("layers/out"), ["last layer", "fires", "decode"]),
    "shortcuts that are a dataset": (put("layers/conv3/shortcuts", [1]), ["/layers/conv3", "shortcuts"]),
    "a link out of the file": (link(W, h5py.ExternalLink("elsewhere.h5", "/x")), ["/layers/conv1", "weight"]),
    "a soft link": (link(W, h5py.SoftLink("/moved")), ["/layers/conv1", "weight"]),
    "a dangling link": (link(W, h5py.SoftLink("/nowhere")), ["/layers/conv1", "weight"]),
    "a layer behind a link": (link("layers/conv1", h5py.SoftLink("/moved")), ["conv1", "link"]),
    "shortcuts behind a link": (link("layers/conv3/shortcuts", h5py.SoftLink("/moved")), ["conv3", "shortcuts", "link"]),
    "golden samples behind a link": (link("golden", h5py.SoftLink("/moved")), ["golden", "link"]),
    "a leak behind a link": (link("layers/conv1/leak", h5py.SoftLink("/moved")), ["conv1", "leak", "link"]),
    "data in another file": (external(W), ["/layers/conv1", "'weight'", "another file"]),
    "a virtual dataset": (virtual(W), ["/layers/conv1", "'weight'", "another file"]),
    "a giant of nothing": (empty("layers/fc1", "weight", (10**9, 3), "i1"), ["/layers/fc1", "'weight'", "declares 3000000000"]),
    "no golden inputs": (drop("golden/inputs"), ["/golden", "'inputs' is missing"]),
    "no golden samples": (drop("golden/samples"), ["/golden", "'samples' is missing"]),
    "no golden spikes": (drop(CONV1_SPIKES), ["/golden/samples/conv1", "'spikes' is missing"]),
    "no golden layer": (drop("golden/samples/conv2"), ["/golden/samples", "conv2"]),
    "golden of an unknown layer": (lambda f: f.create_group("golden/samples/x"), ["/golden/samples/x", "no layer"]),
    "golden spikes of a wrong shape": (put(CONV1_SPIKES, np.zeros((2, 4, 3), "u1")), ["/golden/samples/conv1", "shape"]),
    "golden images of a wrong shape": (put("golden/inputs", np.zeros((2, 2, 5, 5), "u1")), ["network.h5", "[2, 2, 5, 5]"]),
    "fewer golden labels": (put("golden/labels", [1]), ["network.h5", "labels"]),
    "golden labels out of range": (put("golden/labels", [1, 7]), ["network.h5", "label 7"]),
    "no stimulus": (drop("golden/probes/conv2/stimulus"), ["/golden/probes/conv2", "stimulus"]),
    "no stimulus from a source": (drop("golden/probes/conv3/stimulus/conv1"), ["/golden/probes/conv3", "conv1"]),
    "no data in a stimulus": (drop(f"{STIMULUS}/data"), [f"/{STIMULUS}", "data"]),
    "a stimulus of a wrong shape": (put(f"{STIMULUS}/data", np.zeros((1, 4, 3), "u1")), [f"/{STIMULUS}"]),
    "a stimulus with too few steps": (put(f"{STIMULUS}/data", np.zeros((1, 2, 14), "u1")), [f"/{STIMULUS}"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), NETWORK.values(), ids=NETWORK)
def test_a_spoiled_network_is_refused_and_the_place_is_named(files, tmp_path, spoil, says):
    file = spoiled(files, tmp_path, "network", spoil)
    refused("verify", file, says=["network.h5", *says])


@pytest.mark.parametrize("name", [n for n in NETWORK if "golden" not in n and "stimulus" not in n])
def test_a_spoiled_network_raises_one_kind_of_error(files, tmp_path, name):
    file = spoiled(files, tmp_path, "network", NETWORK[name][0])
    with pytest.raises(FileError) as caught:
        ns.load_network(file)
    assert caught.value.subject == str(file)
    assert caught.value.problems


def test_every_problem_of_a_network_is_told_at_once(files, tmp_path):
    def spoil(file):
        for path in ("layers/conv1/weight", "layers/conv2/threshold", "layers/out/weight"):
            del file[path]
        file["layers/conv3"].attrs["kind"] = "magic"
        file.attrs["timesteps"] = "five"

    file = spoiled(files, tmp_path, "network", spoil)
    refused("verify", file, says=["5 problems", "/layers/conv1", "/layers/conv2", "/layers/out", "magic", "five"])


def test_every_wrong_value_of_a_network_is_told_at_once(files, tmp_path):
    def spoil(file):
        put("layers/conv1/threshold", 0)(file)
        put("layers/conv2/leak", [300, 8])(file)
        put("layers/fc1/weight", np.ones((8, 5), np.int8))(file)

    says = ["conv1", "threshold is 0", "conv2", "(300, 8)", "fc1", "takes 5 inputs"]
    refused("verify", spoiled(files, tmp_path, "network", spoil), says=says)


FLOATS = {
    "NaN": (np.nan, ["conv1", "1 weights are not finite", "[0, 1, 2, 0]"]),
    "infinite": (np.inf, ["conv1", "not finite"]),
    "beyond float32": (1e300, ["conv1"]),
}


@pytest.mark.parametrize(("value", "says"), FLOATS.values(), ids=FLOATS)
def test_a_weight_that_is_no_finite_float32_is_refused(files, tmp_path, value, says):
    def spoil(file):
        weight = file["layers/conv1/weight_float"][()].astype(float)
        weight[0, 1, 2, 0] = value
        put("layers/conv1/weight_float", weight)(file)

    refused("map", spoiled(files, tmp_path, "floats", spoil), says=["floats.h5", *says])


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1e300, 1e-60])
def test_a_threshold_that_is_no_positive_float32_is_refused(files, tmp_path, value):
    file = spoiled(files, tmp_path, "floats", put("layers/conv2/threshold_float", value))
    refused("map", file, says=["floats.h5", "conv2", "threshold"])


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf])
def test_a_float_leak_outside_0_to_1_is_refused(files, tmp_path, value):
    file = spoiled(files, tmp_path, "floats", put("layers/conv2/leak_float", value))
    refused("map", file, says=["floats.h5", "conv2", "leak", "[0, 1]"])


def test_a_layer_replaced_by_a_link_is_not_left_out_in_silence(files, tmp_path):
    """The layers around it chain without it, so the file would load as another network."""
    file = spoiled(files, tmp_path, "chain", link("layers/conv2", h5py.SoftLink("/moved")))
    refused("map", file, says=["chain.h5", "conv2"])


def test_an_order_that_reads_ahead_is_refused():
    one = np.ones((1, 1, 1, 1), int)
    layers = [ns.Conv("a", one, 1, inputs=["b"]), ns.Conv("b", one, 1, inputs=["input"]), ns.Output("o", np.ones((1, 4), int))]
    with pytest.raises(NetworkError, match="'a' reads 'b', which is listed after it"):
        ns.Network.build("ahead", timesteps=1, input_shape=(1, 2, 2), layers=layers)


EVENTS = [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "<i2")]


def event(field, value):
    def spoil(file):
        events = file["events"][()]
        events[field][7] = value
        file["events"][...] = events

    return spoil


def offset(index, value):
    def spoil(file):
        file["offsets"][index] = value

    return spoil


INPUTS = {
    "no images": ("images", drop("images"), ["'images' is missing"]),
    "flat images": ("images", put("images", np.zeros((3, 72), "u1")), ["'images'", "4 dimensions"]),
    "no samples": ("images", put("images", np.zeros((0, 2, 6, 6), "u1")), ["no samples"]),
    "text images": ("images", put("images", np.full((3, 2, 6, 6), b"x")), ["'images'"]),
    "NaN pixels": ("images", put("images", np.full((3, 2, 6, 6), np.nan)), ["216 pixels are not finite"]),
    "a giant of nothing": ("images", empty("/", "images", (10**9, 2, 6, 6)), ["'images'", "declares 72000000000"]),
    "giant labels": ("images", empty("/", "labels", (10**9,)), ["'labels'", "declares"]),
    "fewer labels": ("images", put("labels", [1, 2]), ["labels", "[2]", "[3]"]),
    "float labels": ("images", put("labels", [1.0, 2.0, 0.0]), ["labels", "float64"]),
    "negative label": ("images", put("labels", [1, -2, 0]), ["label -2", "sample 1"]),
    "label beyond int64": ("images", put("labels", np.array([1, 2**64 - 1, 0], np.uint64)), ["label"]),
    "labels behind a link": ("images", link("labels", h5py.SoftLink("/moved")), ["labels", "link"]),
    "another format": ("images", attribute("/", "format", "neurosim-network"), ["'format'", "neurosim-inputs"]),
    "newer": ("events", attribute("/", "format_version", "3.1"), ["3.1", "newer"]),
    "no offsets": ("events", drop("offsets"), ["'offsets' is missing"]),
    "no shape": ("events", attribute("/", "shape"), ["shape", "T, C, H, W"]),
    "three-dimensional shape": ("events", attribute("/", "shape", [2, 6, 6]), ["shape"]),
    "fractional shape": ("events", attribute("/", "shape", [4.5, 2, 6, 6]), ["shape"]),
    "giant shape": ("events", attribute("/", "shape", [10**6, 2, 10**4, 10**4]), ["too many"]),
    "x outside": ("events", event("x", 6), ["event 7", "x = 6", "0..5"]),
    "y outside": ("events", event("y", 99), ["event 7", "y = 99"]),
    "negative x": ("events", event("x", -1), ["event 7", "x = -1"]),
    "negative time": ("events", event("t", -3), ["event 7", "t = -3"]),
    "time after the end": ("events", event("t", 4), ["event 7", "t = 4", "0..3"]),
    "third polarity": ("events", event("p", 2), ["event 7", "p = 2"]),
    "falling offsets": ("events", offset(1, 10**6), ["offsets must rise"]),
    "offsets that start late": ("events", offset(0, 3), ["offsets must rise"]),
    "offsets beyond the end": ("events", offset(-1, 10**6), ["offsets must rise"]),
    "no offset at all": ("events", put("offsets", np.zeros(0, int)), ["offsets"]),
    "no field x": ("events", put("events", np.zeros(5, EVENTS[1:])), ["fields", "x, y, t, p"]),
    "float times": ("events", put("events", np.full(5, np.nan, [(n, "<f8") for n in "xytp"])), ["events"]),
    "text times": ("events", put("events", np.zeros(5, [("t", "S3"), *EVENTS[:2], EVENTS[3]])), ["events"]),
    "vectors for times": ("events", put("events", np.zeros(5, [("t", "<i8", (2,)), *EVENTS[:2], EVENTS[3]])), ["events"]),
    "plain numbers for events": ("events", put("events", np.zeros(5, int)), ["'events'"]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "spoil", "says"), INPUTS.values(), ids=INPUTS)
def test_spoiled_inputs_are_refused_and_the_place_is_named(files, tmp_path, kind, spoil, says):
    file = spoiled(files, tmp_path, kind, spoil)
    with pytest.raises(FileError) as caught:
        ns.load_inputs(file)
    assert caught.value.subject == str(file)
    network = files / ("network.h5" if kind == "images" else "spiking.h5")
    refused("run", network, file, says=[f"{kind}.h5", *says])
    refused("trace", network, file, "-o", tmp_path / "t.h5", says=[f"{kind}.h5", *says])
    assert not (tmp_path / "t.h5").exists()


UNSUITABLE = {
    "images of a wrong shape": (np.zeros((3, 2, 5, 6), "u1"), None, ["[3, 2, 5, 6]", "[2, 6, 6]"]),
    "float images": (np.zeros((3, 2, 6, 6), "f4"), None, ["float32", "integer pixels"]),
    "spikes for images": (np.zeros((3, 4, 2, 6, 6), "u1"), None, ["takes images", "spikes"]),
    "label out of range": (np.zeros((3, 2, 6, 6), "u1"), [0, 3, 1], ["label 3", "sample 1", "3 classes"]),
}


@pytest.mark.parametrize(("images", "labels", "says"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_inputs_that_do_not_suit_the_network_are_refused_by_file(files, tmp_path, images, labels, says):
    arrays = {"images": images} | ({} if labels is None else {"labels": np.array(labels)})
    np.savez(tmp_path / "mine.npz", **arrays)
    refused("run", files / "network.h5", tmp_path / "mine.npz", says=["mine.npz", *says])
    with pytest.raises(InputsError):
        ns.simulate(ns.load_network(files / "network.h5"), ns.load_inputs(tmp_path / "mine.npz"))


def test_images_for_a_network_that_takes_spikes_are_refused(files):
    refused("run", files / "spiking.h5", files / "images.h5", says=["takes spikes", "images"])
    refused("run", files / "spiking.h5", files / "images.h5", says="images.h5")


@pytest.mark.parametrize("pixel", [2**62, -(2**63), 2**64 - 1])
def test_pixels_too_large_to_add_are_refused_or_clipped_but_never_wrap(pixel):
    """100 x such a pixel leaves 64 bits; a neuron driven up must fire, one driven down must not."""
    layers = [ns.Dense("n", [[100]], threshold=10), ns.Output("out", [[1]])]
    network = ns.Network.build("big", timesteps=1, input_shape=(1, 1, 1), layers=layers)
    images = np.full((1, 1, 1, 1), pixel, np.uint64 if pixel > 2**63 else np.int64)
    try:
        fired = ns.simulate(network, ns.Inputs(images)).spikes("n").item()
    except InputsError:
        return
    assert fired == (pixel > 0)


def conv_with(shortcut):
    return ns.Conv("n", np.ones((1, 1, 1, 1), int), 5, shortcuts=[shortcut])


PYTHON = {
    "ragged weight": lambda: ns.Dense("n", [[1, 2], [3]], 5),
    "no weight": lambda: ns.Dense("n", None, 5),
    "text weight": lambda: ns.Dense("n", "abc", 5),
    "threshold in words": lambda: ns.Dense("n", [[1]], "5"),
    "no threshold": lambda: ns.Dense("n", [[1]]),
    "two thresholds for a neuron": lambda: ns.Dense("n", [[1]], np.array([5, 5])),
    "negative among thresholds": lambda: ns.Dense("n", [[1]], np.array([-5])),
    "threshold that is not finite": lambda: ns.Dense("n", [[1]], np.array([np.nan])),
    "bias in words": lambda: ns.Dense("n", [[1]], 5, bias="much"),
    "bias between integers": lambda: ns.Dense("n", [[1]], 5, bias=0.5),
    "a rest without a reset to zero": lambda: ns.Dense("n", [[1]], 5, rest=-1),
    "current leak above 1": lambda: ns.Dense("n", [[1]], 5, current_leak=(9, 3)),
    "feedback at once": lambda: ns.Dense("n", [[1]], 5, shortcuts=[ns.Shortcut("n", [[1]])]),
    "feedback from nowhere": lambda: ns.Dense("n", [[1]], 5, shortcuts=[ns.Shortcut("x", [[1]], delay=1)]),
    "feedback of another size": lambda: ns.Dense("n", [[1]], 5, shortcuts=[ns.Shortcut("n", [[1, 1]], delay=1)]),
    "feedback from the output": lambda: ns.Dense("n", [[1]], 5, shortcuts=[ns.Shortcut("out", [[1]], delay=1)]),
    "delay in words": lambda: ns.Dense("n", [[1]], 5, delay="long"),
    "strides of 0": lambda: ns.Conv("n", np.ones((1, 1, 1, 1), int), 5, stride=(1, 0)),
    "three paddings": lambda: ns.Conv("n", np.ones((1, 1, 1, 1), int), 5, padding=(0, 0, 0)),
    "leak in words": lambda: ns.Dense("n", [[1]], 5, leak="slow"),
    "float leak in an integer network": lambda: ns.Dense("n", [[1]], 5, leak=0.5),
    "unknown pool": lambda: ns.Dense("n", [[1]], 5, pool="avg2"),
    "unknown source": lambda: ns.Dense("n", [[1]], 5, inputs=["x"]),
    "name with a slash": lambda: ns.Dense("a/b", [[1]], 5),
    "empty name": lambda: ns.Dense("", [[1]], 5),
    "name of the input": lambda: ns.Dense("input", [[1]], 5),
    "name of the output": lambda: ns.Dense("out", [[1]], 5),
    "unknown pool of a shortcut": lambda: conv_with(ns.Shortcut("input", scale=1, pool="avg2")),
    "shortcut pooled to nothing": lambda: conv_with(ns.Shortcut("input", scale=1, pool="sum2")),
    "identity shortcut without a scale": lambda: conv_with(ns.Shortcut("input")),
}


@pytest.mark.parametrize("layer", PYTHON.values(), ids=PYTHON)
def test_a_wrong_layer_from_python_is_a_network_error(layer):
    with pytest.raises(NetworkError):
        ns.Network.build("x", timesteps=2, input_shape=(1, 1, 1), encoding="spikes", layers=[layer(), ns.Output("out", [[1]])])


HEADS = {
    "no timesteps": {"timesteps": 0},
    "float timesteps": {"timesteps": 2.0},
    "empty shape": {"input_shape": (), "mean": [0.5], "std": [1.0]},
    "negative shape": {"input_shape": (1, -1, 1)},
    "NaN in the shape": {"input_shape": (1, float("nan"), 1)},
    "mean without std": {"mean": [0.5]},
    "zero std": {"mean": [0.5], "std": [0.0]},
    "two means for a channel": {"mean": [0.5, 0.5], "std": [1.0, 1.0]},
    "negative scale": {"mean": [0.5], "std": [1.0], "input_scale": -1.0},
    "no layers": {"layers": []},
    "images for as long as they last": {"timesteps": None},
    "unknown dynamics": {"dynamics": "reset, leak"},
    "rest above threshold": {"layers": [ns.Dense("n", [[1]], 5, rest=5)], "reset": "zero"},
    "output with a threshold": {"layers": [ns.Output("n", [[1]], 5)]},
    "two outputs": {"layers": [ns.Output("a", [[1]]), ns.Output("b", [[1]])]},
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_wrong_head_from_python_is_a_network_error(head):
    whole = {"timesteps": 2, "input_shape": (1, 1, 1), "layers": [ns.Dense("n", [[1]], 5), ns.Output("out", [[1]])]}
    with pytest.raises(NetworkError):
        ns.Network.build("x", **whole | head)


def test_wrong_inputs_from_python_are_inputs_errors():
    images = np.zeros((2, 1, 3, 3), np.uint8)
    for arguments in (
        (None,), (images[0],), (images[:0],), (images > 0,), (images.astype(str),), (images, [0]), (images, [0, -1]),
        (images, [0.5, 1]), (images, None, np.zeros((2, 1, 1, 3, 3), bool)),
    ):  # fmt: skip
        with pytest.raises(InputsError):
            ns.Inputs(*arguments)
    shape = (1, 2, 1, 3, 3)
    for spikes in (np.full(shape, 2), np.zeros(shape[1:]), np.full(shape, np.nan), np.zeros((1, 0, 1, 3, 3))):
        with pytest.raises(InputsError):
            ns.Inputs.from_spikes(spikes)
    with pytest.raises(InputsError):
        ns.Inputs(images)[5:]


def broken_numpy(folder, name):
    """Files that claim to be numpy arrays."""
    images = np.zeros((3, 2, 6, 6), np.uint8)
    path = folder / ("x.npy" if name.endswith("npy") else "x.npz")
    if name == "an archive named npy":
        np.savez(folder / "y.npz", images=images)
        os.rename(folder / "y.npz", path)
    elif name == "an array named npz":
        np.save(folder / "y.npy", images)
        os.rename(folder / "y.npy", path)
    elif name == "an archive of something else npz":
        np.savez(path, pictures=images)
    elif name == "both npz":
        np.savez(path, images=images, spikes=np.zeros((3, 4, 2, 6, 6)))
    elif name == "objects npy":
        np.save(path, np.array([[1], [2, 3]], object), allow_pickle=True)
    elif name == "objects npz":
        np.savez(path, images=np.array([[1], [2, 3]], object))
    elif name == "records npy":
        np.save(path, np.zeros(5, EVENTS))
    elif name == "a number npy":
        np.save(path, 5)
    elif name == "a giant npy":
        np.save(path, images)
        data = path.read_bytes().replace(b"(3, 2, 6, 6), }", b"(900000000000, 2, 6, 6), }")
        path.write_bytes(data.replace(b" " * 11 + b"\n", b"\n"))
    elif name == "damaged npz":
        np.savez_compressed(path, images=np.random.default_rng(0).integers(0, 255, (3, 2, 6, 6)))
        data = bytearray(path.read_bytes())
        data[90:140] = bytes(50)
        path.write_bytes(data)
    elif name == "not a file npz":
        path.write_bytes(b"PK\x05\x06" + bytes(18))
    elif name == "text in the archive npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images", "hello")
    elif name == "a folder npy":
        path.mkdir()
    else:
        path.write_bytes(b"hello")
    return path


BROKEN = [
    "an archive named npy", "an array named npz", "an archive of something else npz", "both npz", "objects npy", "objects npz",
    "records npy", "a number npy", "a giant npy", "damaged npz", "not a file npz", "text in the archive npz", "a folder npy",
    "text npy", "text npz",
]  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_numpy_files_are_refused(files, tmp_path, name):
    path = broken_numpy(tmp_path, name)
    refused("run", files / "network.h5", path, says=path.name)
    with pytest.raises(FileError):
        ns.load_inputs(path)


@settings(max_examples=60)
@given(st.sampled_from(["npy", "npz", "compressed"]), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
def test_damaged_numpy_files_load_or_are_refused(kind, where, value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{kind[:3].replace('com', 'npz')}"
        images = np.random.default_rng(0).integers(0, 255, (3, 2, 6, 6)).astype(np.uint8)
        if kind == "npy":
            np.save(path, images)
        else:
            (np.savez if kind == "npz" else np.savez_compressed)(path, images=images, labels=np.arange(3))
        data = bytearray(path.read_bytes())
        data[int(where * len(data))] = value
        for content in (data, data[: int(where * len(data))]):
            path.write_bytes(content)
            try:
                ns.load_inputs(path)
            except NeurosimError as error:
                assert path.name in str(error)


@settings(max_examples=60)
@given(st.sampled_from(KINDS), st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(files, kind, share):
    data = (files / f"{kind}.h5").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        cut = Path(folder) / "cut.h5"
        cut.write_bytes(data[: int(share * len(data))])
        load = {"images": ns.load_inputs, "events": ns.load_inputs, "trace": ns.load_trace}.get(kind, ns.load_network)
        with pytest.raises(FileError, match=r"cut\.h5"):
            load(cut)
        refused("inspect", cut, says=["cut.h5"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_heap_is_refused_whatever_its_idle_bytes_say(files, tmp_path, kind):
    """libhdf5 would walk it for ever."""
    content = bytearray((files / f"{kind}.h5").read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 5 : heap + 8] = b"\xaa\xbb\xcc"
    # An object that ends where it begins.
    content[heap + 16 : heap + 32] = bytes(16)
    (tmp_path / "x.h5").write_bytes(content)
    refused("inspect", tmp_path / "x.h5", says="is damaged: a heap")


def test_a_truncated_file_is_called_truncated_and_text_is_not_hdf5(files, tmp_path):
    (tmp_path / "cut.h5").write_bytes((files / "network.h5").read_bytes()[:5000])
    refused("verify", tmp_path / "cut.h5", says=["cut.h5", "truncated"])
    for content in (b"", b"hello", b"\x89HDF", bytes(4096)):
        (tmp_path / "text.h5").write_bytes(content)
        refused("verify", tmp_path / "text.h5", says="text.h5")
        refused("run", files / "network.h5", tmp_path / "text.h5", says="text.h5")
        refused("replay", tmp_path / "text.h5", says="text.h5")
        refused("inspect", tmp_path / "text.h5", says="text.h5")


# Each case is a seed: the child flips bytes of a file, loads and uses it, and prints what it must not do. It is a process of
# its own, and a fork per case, because libhdf5 itself can crash on damaged files.
FLIPS = """
import json, os, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from tests.helpers import samples
import neurosim as ns
from neurosim.spikes.verify import verify
folder, kind, seeds = sys.argv[2], sys.argv[3], range(int(sys.argv[4]))
good = open(f"{folder}/{kind}.h5", "rb").read()
network = ns.load_network(f"{folder}/network.h5")
def use(path):
    if kind in ("images", "events"):
        ns.load_inputs(path)
    elif kind in ("network", "floats"):
        net = ns.load_network(path)
        if net.timesteps < 100 and net.golden is not None:
            verify(net)
    elif kind == "trace":
        trace = ns.load_trace(path)
        if trace.network.timesteps < 100:
            ns.evaluate(trace, ns.map_network(trace.network, ns.load_chip("mesh45"))).to_dict()
    elif kind == "run":
        ns.load_run(path)
def case(seed):
    rng = np.random.default_rng(seed)
    data = bytearray(good)
    for place in rng.integers(0, len(data), rng.integers(1, 4)):
        data[place] ^= int(rng.integers(1, 256))
    path = f"{sys.argv[5]}/{kind}-flipped.h5"
    open(path, "wb").write(data)
    try:
        use(path)
    except ns.NeurosimError:
        pass
    except BaseException as error:
        print(json.dumps([seed, "python", type(error).__name__, str(error)[:120]]), flush=True)
    found = samples.call("inspect", path)
    if found.code not in (0, 2) or "Traceback" in found.err or "internal error" in found.err or (found.code and found.out):
        print(json.dumps([seed, "inspect", found.code, found.err[:160]]), flush=True)
use(f"{folder}/{kind}.h5")
# What this imports and compiles, every fork has.
samples.call("inspect", f"{folder}/{kind}.h5")
for seed in seeds:
    child = os.fork()
    if child == 0:
        case(seed)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(json.dumps([seed, "crash", status, ""]), flush=True)
"""
CRASHES = 0.05


@pytest.mark.parametrize("kind", ["network", "images", "events", "trace", "run"])
def test_flipped_bytes_load_or_give_a_clear_error(files, tmp_path, kind):
    """At most one in twenty may crash inside libhdf5, which no reader in the same process can prevent; one in 500 does."""
    cases = 30
    root = str(Path(ns.__file__).resolve().parents[1])
    command = [sys.executable, "-c", FLIPS, str(Path(__file__).parents[2]), str(files), kind, str(cases), str(tmp_path)]
    environ = os.environ | {"PYTHONPATH": root}
    found = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=300, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    bad = [json.loads(line) for line in found.stdout.splitlines()]
    crashes = [b for b in bad if b[1] == "crash"]
    wrong = [b for b in bad if b[1] != "crash"]
    assert not wrong, f"{len(wrong)} of {2 * cases}: {wrong[:6]}"
    assert len(crashes) <= CRASHES * cases, crashes


TRACE = {
    "another format": (attribute("/", "format", "neurosim-run"), ["'format'"]),
    "no network": (drop("network"), ["'network' is missing"]),
    "broken network": (drop("network/layers/conv1/weight"), ["/network/layers/conv1", "weight"]),
    "no outputs": (drop("outputs"), ["'outputs' is missing"]),
    "empty outputs": (put("outputs", np.zeros((0, 3), np.int32)), ["outputs"]),
    "outputs of other classes": (put("outputs", np.zeros((3, 5), np.int32)), ["outputs"]),
    "fewer labels": (put("labels", [1]), ["labels"]),
    "no layer": (drop("layers/conv2"), ["/layers", "conv2"]),
    "no spikes": (drop("layers/conv2/spikes"), ["/layers/conv2", "spikes"]),
    "spikes of a wrong shape": (put("layers/conv2/spikes", np.zeros((3, 4, 9), "u1")), ["/layers/conv2", "[3, 4, 9]"]),
    "falling lists": (put("layers/conv1/lone_start", np.arange(13)[::-1]), ["/layers/conv1", "lone_start"]),
    "neurons that are not there": (
        lambda f: [put("layers/conv1/clipped_start", [0] * 12 + [1])(f), put("layers/conv1/clipped", [999])(f)],
        ["/layers/conv1", "clipped", "0..107"],
    ),
    "three peaks": (put("layers/conv1/peak", [1, 2, 3]), ["/layers/conv1", "peak"]),
    "state width that is not a number": (attribute("/", "state_bits", np.nan), ["state_bits"]),
    "state width of zero": (attribute("/", "state_bits", 0), ["state_bits"]),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "says"), TRACE.values(), ids=TRACE)
def test_a_spoiled_trace_is_refused_and_the_place_is_named(files, tmp_path, spoil, says):
    file = spoiled(files, tmp_path, "trace", spoil)
    refused("replay", file, says=["trace.h5", *says])
    with pytest.raises(FileError):
        ns.load_trace(file)


def test_a_trace_without_the_input_spikes_it_needs_is_refused(files, tmp_path):
    samples.call("trace", files / "spiking.h5", files / "events.h5", "-o", tmp_path / "t.h5")
    for spoil in (drop("input_spikes"), put("input_spikes", np.zeros((3, 4, 2), "u1"))):
        file = tmp_path / "u.h5"
        file.write_bytes((tmp_path / "t.h5").read_bytes())
        with h5py.File(file, "r+") as opened:
            spoil(opened)
        refused("replay", file, says=["u.h5", "input_spikes"])


def test_a_trace_that_a_narrower_chip_would_clip_is_refused(files):
    says = ["conv1", "potentials from", "32", "state bits", "8", "record the trace with 8"]
    refused("replay", files / "trace.h5", "--set", "core.state_bits=8", says=says)
    refused("replay", files / "trace.h5", "--set", "core.state_bits=8", says="trace.h5")


def test_a_wider_enough_trace_replays_on_a_narrower_chip(files):
    found = samples.call("replay", files / "trace.h5", "--set", "core.state_bits=24", "--json", "-")
    assert found.code == 0
    assert only_json(found.out)["counts"]["saturations"] == 0


NO_ROOM = ["--chip", "mesh45", "--set", "mesh.width=1", "--set", "mesh.height=1", "--set", "memory.weight_sram.bits=9"]


@pytest.mark.parametrize("command", [["map"], ["run"], ["replay"], ["map", "--estimate"]])
def test_what_does_not_fit_is_said_with_every_violation(files, tmp_path, command):
    operands = {"run": ["network.h5", "images.h5"], "replay": ["trace.h5"]}.get(command[0], ["network.h5"])
    extra = [] if "--estimate" in command else ["-o", tmp_path / "out.h5"]
    found = refused(*command, *(files / o for o in operands), *extra, *NO_ROOM, code=1, says="does not fit")
    lines = [line for line in found.err.splitlines() if line.startswith("  - ")]
    for layer in ("conv1", "conv2", "conv3", "fc1", "out"):
        assert any(f"layer '{layer}'" in line and "weight_sram" in line and "too many; " in line for line in lines), layer
    assert f"{len(lines)} violations" in found.err
    assert not list(tmp_path.iterdir())


def test_too_few_cores_and_too_little_room_for_the_input_are_violations_too(files):
    tiny = ["--set", "mesh.width=1", "--set", "mesh.height=1", "--set", "memory.dram.bits=8"]
    refused("map", files / "network.h5", *tiny, code=1, says=["cores needs 5", "limit 1", "dram needs 576 bits, limit 8"])


def test_room_for_the_input_is_checked_even_where_a_layer_cannot_be_cut(files):
    """All violations, not the first: the input's memory does not depend on how many cores there are."""
    refused("map", files / "network.h5", *NO_ROOM, "--set", "memory.dram.bits=8", code=1, says=["weight_sram", "dram"])


@pytest.mark.parametrize("command", ["map", "run", "replay", "estimate"])
def test_violations_are_in_the_json_too(files, tmp_path, command):
    operands = {"run": ["network.h5", "images.h5"], "replay": ["trace.h5"]}.get(command, ["network.h5"])
    command = ["map", "--estimate"] if command == "estimate" else [command]
    found = samples.call(*command, *(files / o for o in operands), *NO_ROOM, "--json", "-")
    assert found.code == 1
    values = only_json(found.out)
    assert values["feasible"] is False
    assert {v["layer"] for v in values["violations"]} >= {"conv1", "conv2", "conv3", "fc1", "out"}
    for violation in values["violations"]:
        assert violation["gap"] == violation["demand"] - violation["limit"] > 0
        assert violation["unit"] and violation["remedy"]


def test_an_estimate_that_needs_too_many_cores_fails_the_check(files):
    """Exit code 1 is for an infeasible mapping."""
    tiny = ["--set", "mesh.width=1", "--set", "mesh.height=1"]
    found = samples.call("map", files / "network.h5", "--estimate", *tiny, "--json", "-")
    assert only_json(found.out)["feasible"] is False
    assert found.code == 1


OUTPUTS = {
    "run -o": ["run", "network.h5", "images.h5", "-o"],
    "run --trace": ["run", "network.h5", "images.h5", "--trace"],
    "run --report": ["run", "network.h5", "images.h5", "--report"],
    "run --json": ["run", "network.h5", "images.h5", "--json"],
    "trace -o": ["trace", "network.h5", "images.h5", "-o"],
    "replay -o": ["replay", "trace.h5", "-o"],
    "replay --report": ["replay", "trace.h5", "--report"],
    "map -o": ["map", "network.h5", "-o"],
    "verify --json": ["verify", "network.h5", "--json"],
    "inspect --json": ["inspect", "network.h5", "--json"],
    "presets --json": ["presets", "--json"],
    "quantize -o": ["quantize", "floats.h5", "-o"],
}


@pytest.mark.parametrize("command", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("where", ["missing/x", "folder", "file/x"])
def test_an_output_that_cannot_be_written_is_refused(files, tmp_path, command, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    arguments = [files / a if a.endswith(".h5") else a for a in command]
    refused(*arguments, tmp_path / where, says=[where, "cannot be written"])
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_an_output_that_cannot_be_written_is_found_before_the_work(files, tmp_path):
    """An hour of simulation must not end in a spelling mistake: nothing else is written first."""
    outputs = ["--trace", tmp_path / "t.h5", "-o", tmp_path / "run.h5", "--report", tmp_path / "missing" / "r.html"]
    refused("run", files / "network.h5", files / "images.h5", *outputs, says="missing/r.html")
    assert not list(tmp_path.iterdir())


USAGE = {
    "no command": ([], ""),
    "unknown command": (["frobnicate"], "frobnicate"),
    "no operands": (["run"], "NETWORK"),
    "one operand": (["run", "network.h5"], "INPUTS"),
    "unknown option": (["run", "network.h5", "images.h5", "--frob"], "--frob"),
    "zero images": (["run", "network.h5", "images.h5", "--images", "0"], "--images"),
    "negative images": (["run", "network.h5", "images.h5", "--images", "-3"], "--images"),
    "images in words": (["run", "network.h5", "images.h5", "--images", "all"], "--images"),
    "zero workers": (["run", "network.h5", "images.h5", "--workers", "0"], "--workers"),
    "unknown placer": (["run", "network.h5", "images.h5", "--placer", "magic"], "magic"),
    "unknown timing": (["run", "network.h5", "images.h5", "--timing", "magic"], "magic"),
    "trace without output": (["trace", "network.h5", "images.h5"], "-o"),
    "wide state": (["trace", "network.h5", "images.h5", "-o", "t.h5", "--state-bits", "40"], "--state-bits"),
    "too many bits": (["quantize", "floats.h5", "-o", "q.h5", "--bits", "17"], "--bits"),
    "too many images": (["run", "network.h5", "images.h5", "--images", "4"], "4"),
    "too many images of a trace": (["replay", "trace.h5", "--images", "4"], "4"),
    "unknown preset": (["presets", "nothing"], "lp45, ann45, eyeriss, loihi"),
    "unknown chip": (["run", "network.h5", "images.h5", "--chip", "nothing"], "lp45, ann45, eyeriss, loihi"),
    "unknown chip without spikes": (["run", "network.h5", "images.h5", "--ann-chip", "nothing"], "lp45, ann45, eyeriss"),
    "no bits without spikes": (["replay", "trace.h5", "--ann-bits", "0"], "ann_bits is 0"),
    "more zeros than there are": (["replay", "trace.h5", "--ann-sparsity", "2"], "ann_sparsity is 2"),
    "too many bits without spikes": (["run", "network.h5", "images.h5", "--ann-bits", "9"], "priced for up to 8 bits"),
    "zeros in words": (["run", "network.h5", "images.h5", "--ann-sparsity", "many"], "ann_sparsity is 'many'"),
    "zeros that nobody stored": (["run", "network.h5", "images.h5", "--ann-sparsity", "stored"], "does not say how many"),
    "network that is not there": (["run", "nothing.h5", "images.h5"], "nothing.h5: does not exist"),
    "inputs that are not there": (["run", "network.h5", "nothing.npz"], "nothing.npz: does not exist"),
    "folder for a network": (["verify", "."], "folder"),
    "inputs for a network": (["verify", "images.h5"], "images.h5: attribute 'format'"),
    "network for inputs": (["run", "network.h5", "network.h5"], "network.h5: attribute 'format'"),
    "run for a trace": (["replay", "run.h5"], "run.h5: attribute 'format'"),
    "integers to quantize": (["quantize", "network.h5", "-o", "q.h5"], "network.h5: holds no float weights"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), USAGE.values(), ids=USAGE)
def test_wrong_usage_is_refused(files, arguments, says, monkeypatch):
    monkeypatch.chdir(files)
    before = sorted(os.listdir())
    if arguments:
        refused(*arguments, says=says)
    else:
        assert samples.call().code == 2
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("arguments", [["run", "network.h5", "images.h5"], ["replay", "trace.h5"]])
def test_too_many_images_names_the_file_and_how_many_there_are(files, arguments, monkeypatch):
    monkeypatch.chdir(files)
    refused(*arguments, "--images", 4, says=["3 samples", arguments[-1]])
