"""The command line: what each command prints, writes and returns."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import neurosim as ns
from neurosim.cli.console import bundled
from neurosim.io.listing import listing
from tests.helpers import samples
from tests.helpers.samples import call, only_json

RUN_KEYS = {
    "images", "timesteps", "accuracy", "predictions", "outputs", "time", "energy", "counts", "memory", "layers", "cores",
    "links", "ann", "paper", "chip", "network", "provenance", "not_counted",
}  # fmt: skip
COUNTS = {
    "spikes", "input_events", "synaptic_events", "accumulates", "macs", "neuron_updates", "leak_multiplies", "compares",
    "packets", "flits", "flit_hops", "inter_chip_flits", "saturations",
}  # fmt: skip
COMMANDS = (
    "demo", "run", "verify", "trace", "replay", "map", "inspect", "presets", "quantize", "train", "convert", "noc", "reprice",
    "export", "report", "events",
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a network with golden samples, inputs, and a float network."""
    folder = tmp_path_factory.mktemp("files")
    network = samples.golden(samples.residual())
    network.save(folder / "net.h5")
    samples.inputs(network, 6).save(folder / "in.h5")
    samples.floating().save(folder / "float.h5")
    samples.inputs(samples.floating(), 6).save(folder / "float_in.h5")
    return folder


@pytest.fixture(scope="module")
def ran(files):
    """The JSON of one run."""
    return only_json(done("run", files / "net.h5", files / "in.h5", "--json", "-").out)


def done(*arguments):
    """The outcome of a command that must succeed in silence on stderr."""
    found = call(*arguments)
    assert (found.code, found.err) == (0, ""), found
    return found


def test_run_says_what_was_modelled_the_answer_time_and_energy(files):
    out = done("run", files / "net.h5", files / "in.h5").out
    for words in (
        "Modelled", "residual: 173 neurons", "T = 4", "8-bit integer weights", "lp45", "5 of 6", "modelled, not measured",
        "6 samples of random images", "accuracy", "spikes per neuron", "Time (packet, sequential)", "per image", "set by:",
        "busy cores", "barriers", "longest queue", "Energy", "data movement", "static", "weight_sram", "ANN / SNN", "Layers",
        "conv3", "Not counted",
    ):  # fmt: skip
        assert words in out, words


def test_potentials_that_do_not_fit_are_said_beside_the_answer(files, tmp_path):
    narrow = ("run", files / "net.h5", files / "in.h5", "--set", "core.state_bits=8", "--report", tmp_path / "r.html")
    clipped = only_json(done(*narrow, "--json", "-").out)["counts"]["saturations"]
    assert clipped and f"{clipped:,} times a potential was clipped to 8 bits" in done(*narrow).out
    assert f"{clipped:,} times a potential was clipped to 8 bits" in (tmp_path / "r.html").read_text()
    assert "was clipped" not in done("run", files / "net.h5", files / "in.h5").out


def test_the_json_of_run_has_every_promised_key(ran):
    assert set(ran) >= RUN_KEYS
    assert set(ran["time"]) >= {"cycles", "seconds", "seconds_per_image", "cycles_per_step", "bound_by"}
    assert set(ran["time"]["bound_by"]) == {"core_busy", "noc", "update", "barrier"}
    energy = {"total_J", "per_image_J", "compute_J", "data_movement_J", "static_J", "by_component_J"}
    assert set(ran["energy"]) >= energy
    assert set(ran["counts"]) >= COUNTS
    memory = {"level", "holds", "reads", "writes", "bits_read", "bits_written", "energy_J"}
    assert all(set(m) >= memory for m in ran["memory"])
    assert all(set(x) >= COUNTS | {"name", "neurons", "cores", "energy_J"} for x in ran["layers"])
    core = {"index", "chip", "x", "y", "layer", "neurons", "synapses", "memory_use", "busy_cycles", "energy_J"}
    assert all(set(x) >= COUNTS | core for x in ran["cores"])
    assert ran["links"]
    assert all(set(x) >= {"from", "to", "flits", "peak_use"} for x in ran["links"])
    assert set(ran["ann"]) >= {"macs", "compute_J", "data_movement_J", "total_J"}
    assert set(ran["paper"]) >= {"constants", "ann_J", "snn_J", "ratio", "conv1_mac"}
    assert set(ran["paper"]["conv1_mac"]) >= {"once", "per_step"}
    assert set(ran["chip"]) >= {"name", "sha256", "values"}
    assert set(ran["network"]) >= {"name", "sha256", "spikes_per_neuron"}
    assert set(ran["provenance"]) >= {"version", "command", "created", "seed"}
    assert all(isinstance(x, str) for x in ran["not_counted"])


def test_integers_stay_integers_in_the_json(ran):
    assert all(type(n) is int for n in ran["counts"].values())
    assert type(ran["time"]["cycles"]) is int
    assert len(ran["predictions"]) == len(ran["outputs"]) == ran["images"] == 6
    assert all(type(u) is int for image in ran["outputs"] for u in image)
    assert all(type(p) is int for p in ran["predictions"])
    assert all(type(row[k]) is int for row in ran["layers"] + ran["cores"] for k in COUNTS)
    assert all(type(m[k]) is int for m in ran["memory"] for k in ("reads", "writes", "bits_read", "bits_written"))
    assert all(type(x["flits"]) is int for x in ran["links"])
    assert type(ran["ann"]["macs"]) is int


def test_the_parts_of_the_json_add_up(ran):
    energy = ran["energy"]
    assert sum(energy["by_component_J"].values()) == pytest.approx(energy["total_J"])
    assert energy["compute_J"] + energy["data_movement_J"] + energy["static_J"] == pytest.approx(energy["total_J"])
    assert energy["per_image_J"] == pytest.approx(energy["total_J"] / 6)
    assert sum(ran["time"]["bound_by"].values()) == pytest.approx(1)
    assert sum(ran["time"]["cycles_per_step"]) * 6 == pytest.approx(ran["time"]["cycles"])
    for key in COUNTS:
        for rows in (ran["layers"], ran["cores"]):
            assert sum(r[key] for r in rows) == ran["counts"][key], key


def test_the_json_is_what_python_finds(files, ran):
    network = ns.load_network(files / "net.h5")
    found = ns.run(network, ns.load_inputs(files / "in.h5"), ns.load_chip()).to_dict()
    assert {k: v for k, v in found.items() if k != "provenance"} == {k: v for k, v in ran.items() if k != "provenance"}
    assert ran["network"]["sha256"] == network.sha256
    assert ran["provenance"]["command"].startswith("neurosim run ")
    assert ran["provenance"]["version"] == ns.__version__


@pytest.mark.parametrize("images", [None, 2])
def test_trace_and_replay_are_run(files, ran, tmp_path, images):
    done("trace", files / "net.h5", files / "in.h5", "-o", tmp_path / "t.h5")
    few = [] if images is None else ["--images", images]
    replayed = only_json(done("replay", tmp_path / "t.h5", "--json", "-", *few).out)
    expected = ran if images is None else only_json(done("run", files / "net.h5", files / "in.h5", "--json", "-", *few).out)
    assert {k: v for k, v in replayed.items() if k != "provenance"} == {k: v for k, v in expected.items() if k != "provenance"}
    assert replayed["provenance"]["command"].startswith("neurosim replay ")


def test_run_keeps_a_trace_that_replays_on_another_chip(files, tmp_path):
    done("run", files / "net.h5", files / "in.h5", "--trace", tmp_path / "t.h5", "--images", 3)
    there = only_json(done("replay", tmp_path / "t.h5", "--chip", "loihi", "--json", "-").out)
    direct = only_json(done("run", files / "net.h5", files / "in.h5", "--images", 3, "--chip", "loihi", "--json", "-").out)
    assert there["chip"]["name"] == "loihi"
    assert there["counts"] == direct["counts"]
    assert there["energy"] == direct["energy"]


def test_run_writes_all_its_files(files, tmp_path):
    names = {"--trace": "t.h5", "-o": "run.h5", "--report": "r.html", "--json": "r.json"}
    outputs = [x for option, name in names.items() for x in (option, tmp_path / name)]
    out = done("run", files / "net.h5", files / "in.h5", *outputs).out
    assert "accuracy" in out
    assert sorted(os.listdir(tmp_path)) == ["r.html", "r.json", "run.h5", "t.h5"]
    written = json.loads((tmp_path / "r.json").read_text())
    with h5py.File(tmp_path / "run.h5") as file:
        kept = json.loads(file["json"][()])
    assert {k: v for k, v in kept.items() if k != "provenance"} == {k: v for k, v in written.items() if k != "provenance"}
    assert len(ns.load_trace(tmp_path / "t.h5")) == 6
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    assert 'src="' not in re.sub("<script.*?</script>", "", page, flags=re.S)


def test_the_json_is_strict(files, tmp_path):
    """No NaN and no Infinity: other programs cannot read them."""

    def refuse(name):
        raise AssertionError(name)

    for arguments in (["run", files / "net.h5", files / "in.h5"], ["inspect", files / "net.h5"], ["presets"]):
        json.loads(done(*arguments, "--json", "-").out, parse_constant=refuse)


def test_set_changes_the_chip_and_nothing_else(files, ran):
    changes = ["--set", "core.lanes=1", "--set", "operation.accumulate.pj=1000"]
    found = only_json(done("run", files / "net.h5", files / "in.h5", *changes, "--json", "-").out)
    assert found["chip"]["values"]["core"]["lanes"] == 1
    assert (found["outputs"], found["counts"]) == (ran["outputs"], ran["counts"])
    assert found["time"]["cycles"] > ran["time"]["cycles"]
    assert found["energy"]["compute_J"] > ran["energy"]["compute_J"]
    assert found["chip"]["sha256"] != ran["chip"]["sha256"]


def test_workers_do_not_change_the_result(files, ran):
    found = only_json(done("run", files / "net.h5", files / "in.h5", "--workers", 3, "--json", "-").out)
    assert {k: v for k, v in found.items() if k != "provenance"} == {k: v for k, v in ran.items() if k != "provenance"}


def test_without_labels_accuracy_is_null(files, tmp_path):
    np.save(tmp_path / "bare.npy", ns.load_inputs(files / "in.h5").images)
    found = only_json(done("run", files / "net.h5", tmp_path / "bare.npy", "--json", "-").out)
    assert found["accuracy"] is None
    assert "no labels" in done("run", files / "net.h5", tmp_path / "bare.npy").out


def test_verify_reports_no_mismatch(files):
    out = done("verify", files / "net.h5").out
    assert "0 mismatches" in out and "2 golden samples" in out and "5 layer probes" in out
    found = only_json(done("verify", files / "net.h5", "--json", "-").out)
    assert found["ok"] is True and found["mismatches"] == 0 and found["first"] is None and found["compared"] > 1000


def test_trace_counts_spikes(files, tmp_path):
    out = done("trace", files / "net.h5", files / "in.h5", "-o", tmp_path / "t.h5").out
    assert "spikes per neuron" in out and "conv3" in out and "out " not in out
    found = only_json(done("trace", files / "net.h5", files / "in.h5", "-o", tmp_path / "t.h5", "--json", "-").out)
    trace = ns.load_trace(tmp_path / "t.h5")
    assert found["spikes"] == trace.spike_counts()
    assert (found["images"], found["accuracy"]) == (6, trace.accuracy)


def test_map_draws_the_mesh_and_the_use_of_limits(files, tmp_path):
    out = done("map", files / "net.h5", "--placer", "row-major", "-o", tmp_path / "map.h5").out
    assert "5 of 6 cores" in out and "row-major" in out and "0 1 2\n  3 4 ." in out and "weight_sram" in out
    found = only_json(done("map", files / "net.h5", "--json", "-").out)
    assert (found["feasible"], found["cores_used"], len(found["bricks"])) == (True, 5, 5)
    assert listing(tmp_path / "map.h5")["format"] == "neurosim-mapping"
    estimate = only_json(done("map", files / "net.h5", "--estimate", "--json", "-").out)
    assert (estimate["feasible"], estimate["cores_used"]) == (True, 5)
    assert "about 5 of 6 cores" in done("map", files / "net.h5", "--estimate").out


def test_inspect_shows_any_of_our_files(files, tmp_path):
    outputs = ["--trace", tmp_path / "trace.h5", "-o", tmp_path / "run.h5"]
    done("run", files / "net.h5", files / "in.h5", *outputs)
    done("map", files / "net.h5", "-o", tmp_path / "mapping.h5")
    expected = {
        files / "net.h5": ("neurosim-network", "200/2^8", "conv2, +conv2, +conv1", "golden", "/layers/conv1/weight"),
        files / "in.h5": ("neurosim-inputs", "/images", "6x2x6x6", "uint8", "[N,C,H,W]"),
        tmp_path / "trace.h5": ("neurosim-trace", "/layers/conv1/spikes", "lowest bit first"),
        tmp_path / "run.h5": ("neurosim-run", "/counts/spikes", "/mapping/bricks"),
        tmp_path / "mapping.h5": ("neurosim-mapping", "/bricks"),
    }
    for file, words in expected.items():
        out = done("inspect", file).out
        for word in words:
            assert word in out, (file, word)
        found = only_json(done("inspect", file, "--json", "-").out)
        assert set(found) == {"format", "attributes", "contents"}
        assert all(set(x) == {"path", "shape", "dtype", "units", "description"} for x in found["contents"])


def test_presets_lists_shows_and_prints():
    out = done("presets").out
    assert "mesh45" in out and "loihi" in out and "128" in out
    shown = done("presets", "loihi").out
    assert "Davies et al. 2018" in shown and "23.6 pJ" in shown and "Not counted" in shown
    found = only_json(done("presets", "--json", "-").out)
    assert [c["name"] for c in found] == [
        "lp45", "ann45", "eyeriss", "loihi", "loihi-board", "loihi-fitted", "mesh45", "seneca", "truenorth",
    ]
    assert [c["name"] for c in only_json(done("presets", "loihi", "--json", "-").out)] == ["loihi"]
    assert done("presets", "--toml").out.startswith('name = "lp45"')


def test_quantize_makes_an_integer_network(files, tmp_path):
    out = done("quantize", files / "float.h5", "-o", tmp_path / "q.h5", "--bits", 6, "--inputs", files / "float_in.h5").out
    assert "6-bit weights" in out and "accuracy" in out and "float32" in out
    network = ns.load_network(tmp_path / "q.h5")
    assert network.integer and network.float_twin is not None
    assert {layer.weight_bits for layer in network.layers} == {6}
    again = only_json(done("quantize", tmp_path / "q.h5", "-o", tmp_path / "q2.h5", "--bits", 4, "--json", "-").out)
    assert again["bits"] == 4
    assert {layer.weight_bits for layer in ns.load_network(tmp_path / "q2.h5").layers} == {4}


def test_a_float_network_runs_too(files):
    found = only_json(done("run", files / "float.h5", files / "float_in.h5", "--json", "-").out)
    assert all(type(u) is float for u in found["outputs"][0])
    assert "float32 weights" in done("run", files / "float.h5", files / "float_in.h5").out


@pytest.mark.parametrize("command", ["run net.h5 in.h5", "verify net.h5", "map net.h5", "inspect in.h5", "presets"])
def test_json_to_a_file_leaves_the_words_on_stdout(files, tmp_path, command, monkeypatch):
    monkeypatch.chdir(files)
    command = command.split()
    plain = done(*command).out
    assert done(*command, "--json", tmp_path / "x.json").out == plain
    there = json.loads((tmp_path / "x.json").read_text())
    here = only_json(done(*command, "--json", "-").out)
    for found in (here, there):
        if isinstance(found, dict):
            found.pop("provenance", None)
    assert here == there


@pytest.mark.parametrize("text", ["net [/] x", "a[bold]b", "[link=x]y", "ein\nzwei", "µ→✓", "x" * 300])
def test_names_are_printed_as_they_are(tmp_path, text):
    """Square brackets in a name are no markup."""
    rng = np.random.default_rng(0)
    layer = text.replace("/", "|")
    layers = [ns.Dense(layer, samples.weights(rng, 4, 72), threshold=300), ns.Output("out", samples.weights(rng, 3, 4))]
    network = samples.golden(ns.Network.build(text, timesteps=2, input_shape=(2, 6, 6), layers=layers))
    network.save(tmp_path / "net.h5")
    ns.Inputs(samples.inputs(network).images, name=text).save(tmp_path / "in.h5")
    commands = [
        ["run", tmp_path / "net.h5", tmp_path / "in.h5", "--report", tmp_path / "r.html", "--trace", tmp_path / "t.h5"],
        ["verify", tmp_path / "net.h5"], ["map", tmp_path / "net.h5"], ["map", tmp_path / "net.h5", "--estimate"],
        ["inspect", tmp_path / "net.h5"], ["inspect", tmp_path / "in.h5"], ["inspect", tmp_path / "t.h5"],
        ["trace", tmp_path / "net.h5", tmp_path / "in.h5", "-o", tmp_path / "t.h5"],
    ]  # fmt: skip
    for command in commands:
        out = done(*command).out
        if "[" in text:
            assert text in out or layer in out, command


def test_names_cannot_break_out_of_the_report(tmp_path):
    network = samples.residual()
    inputs = ns.Inputs(samples.inputs(network).images, name="<script>alert(1)</script>")
    ns.run(network, inputs, ns.load_chip("mesh45")).report(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_paths_are_printed_as_they_are(files, tmp_path):
    out = done("quantize", files / "float.h5", "-o", tmp_path / "net[int8].h5").out
    assert "net[int8].h5" in out.replace("\n", "")


def test_version_is_printed():
    assert done("--version").out == f"{ns.__version__}\n"


def test_help_lists_every_command():
    out = done("--help").out
    for command in COMMANDS:
        assert f" {command} " in out
    assert done("-h").out == out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    out = done(command, "--help").out
    assert "--json" in out
    assert command in out


def test_debug_shows_the_traceback():
    found = call("--debug", "verify", "nothing.h5")
    assert found.code == 2
    assert "Traceback" in found.err and "does not exist" in found.err
    assert "Traceback" in call("verify", "nothing.h5", "--debug").err


def neurosim(*arguments, cwd, **environment):
    """``python -m neurosim`` in a process of its own."""
    root = Path(ns.__file__).resolve().parents[1]
    environ = os.environ | {"PYTHONPATH": str(root)} | environment
    command = [sys.executable, "-m", "neurosim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=cwd, env=environ, timeout=120, check=False)


def test_the_module_runs_as_a_program_and_is_silent_without_a_terminal(files, tmp_path, ran):
    """Also with an encoding that has no µ, as in an old terminal or a cron job."""
    found = neurosim("run", files / "net.h5", files / "in.h5", cwd=tmp_path, PYTHONIOENCODING="ascii:replace")
    assert (found.returncode, found.stderr) == (0, b"")
    assert b"accuracy" in found.stdout and b"\x1b" not in found.stdout
    found = neurosim("run", files / "net.h5", files / "in.h5", "--json", "-", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, b"")
    assert only_json(found.stdout.decode())["outputs"] == ran["outputs"]


def test_a_terminal_without_greek_letters_is_served(files, tmp_path):
    found = neurosim("run", files / "net.h5", files / "in.h5", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert found.returncode == 0, found.stderr
    assert b"internal error" not in found.stderr


def test_a_reader_that_leaves_early_is_no_error(files, tmp_path):
    """``neurosim presets --json - | head -c 10``."""
    root = Path(ns.__file__).resolve().parents[1]
    script = f"{sys.executable} -m neurosim inspect {files / 'net.h5'} --json - | head -c 10; exit ${{PIPESTATUS[0]}}"
    environ = os.environ | {"PYTHONPATH": str(root)}
    found = subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, env=environ, timeout=60, check=False)
    assert b"Traceback" not in found.stderr and b"Exception ignored" not in found.stderr
    assert found.returncode == 0


MISSING = not bundled("mnist_vgg_t5.h5").exists() or not bundled("mnist_test_1000.h5").exists()


@pytest.mark.skipif(MISSING, reason="models/mnist_vgg_t5.h5 or traces/mnist_test_1000.h5 is not there yet")
def test_demo_answers_and_writes_its_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = done("demo", "--images", 50).out
    for words in ("accuracy", "per image", "data movement", "set by:", "neurosim-demo.html", "neurosim run "):
        assert words in out
    assert (tmp_path / "neurosim-demo.html").stat().st_size > 10_000
    found = only_json(done("demo", "--images", 50, "--json", "-").out)
    assert found["accuracy"] > 0.9
    assert found["images"] == 50


@pytest.mark.skipif(MISSING, reason="models/mnist_vgg_t5.h5 is not there yet")
def test_the_bundled_network_is_verified():
    assert "0 mismatches" in done("verify", bundled("mnist_vgg_t5.h5")).out


@pytest.fixture
def pictures(tmp_path):
    """A small MNIST file."""
    rng = np.random.default_rng(0)
    sizes = {"x_train": (240, 28, 28), "x_test": (30, 28, 28)}
    arrays = {name: rng.integers(0, 256, size).astype(np.uint8) for name, size in sizes.items()}
    arrays |= {f"y_{part}": np.arange(n).astype(np.uint8) % 10 for part, n in (("train", 240), ("test", 30))}
    np.savez(tmp_path / "small.npz", **arrays)
    return tmp_path / "small.npz"


SMALL_TRAINING = (
    "--validation", 40, "--ann-epochs", 1, "--snn-epochs", 1, "--calibration-steps", 3, "--calibration-images", 20,
    "--width", 0.125, "--hidden", "6", "--timesteps", 2,
)  # fmt: skip


@pytest.mark.parametrize("method", ["diet", "datta"])
def test_train_prints_a_line_per_epoch_and_a_network_that_verifies(pictures, tmp_path, method):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    net, images = tmp_path / "net.h5", tmp_path / "test.h5"
    found = call(
        "train", method, "--data", pictures, "-o", net, "--test-inputs", images, "--checkpoints", tmp_path / "ck",
        "--stages", "3", *SMALL_TRAINING,
    )  # fmt: skip
    assert found.code == 0, found
    lines = [json.loads(line) for line in found.err.splitlines()]
    assert [line["phase"] for line in lines] == ["start", "ann", "convert", "snn_t3", "snn_t2"]
    for words in ("ANN", "converted", "SNN, float32", "SNN, integer", "conv1", "threshold", "weights"):
        assert words in found.out
    assert "mean of seeds" not in found.out
    assert "0 mismatches" in done("verify", net).out
    assert only_json(done("run", net, images, "--json", "-").out)["images"] == 30


def test_train_repeats_over_seeds(pictures, tmp_path):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    found = call("train", "diet", "--data", pictures, "-o", tmp_path / "net.h5", "--seeds", 2, *SMALL_TRAINING)
    assert found.code == 0 and "mean of seeds" in found.out and "\u00b1" in found.out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--timesteps", 0), "timesteps is 0; at least 1"),
        (("--arch", "vgg7"), "'vgg7' is unknown; there are: mnist_vgg"),
        (("--stages", "20;10"), "--stages '20;10': needed are whole numbers separated by commas"),
        (("--validation", 4000), "too few for a validation split of 4000"),
        (("--init", "missing.pt"), "missing.pt: cannot be read as a checkpoint"),
        (("--resume",), "--resume needs --checkpoints DIR"),
        (("--data", "nowhere"), "nowhere: does not exist"),
        (("--hidden", "0"), "at least 1"),
    ],
)
def test_training_that_cannot_be_is_refused(pictures, tmp_path, change, words):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    found = call("train", "diet", "--data", pictures, "-o", tmp_path / "net.h5", *SMALL_TRAINING, *change)
    assert (found.code, found.out) == (2, "") and words in found.err and "Traceback" not in found.err
    assert not (tmp_path / "net.h5").exists()


def test_quantize_compares_widths(files):
    out = done("quantize", files / "float.h5", "--inputs", files / "float_in.h5", "--bits", 4, "--bits", 6, "--bits", 16).out
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["4", "6", "16", "float32"]


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--bits", 4, "--bits", 8, "-o", "q.h5"), "give one --bits"), ((), "nothing to do: give -o NET.h5")],
)
def test_quantize_says_what_it_needs(files, more, words):
    found = call("quantize", files / "float.h5", *more)
    assert found.code == 2 and words in found.err


def test_no_result_overwrites_another_or_what_it_was_made_from(files, pictures, tmp_path):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    before = pictures.read_bytes()
    net = tmp_path / "net.h5"
    for arguments in (
        ("train", "diet", "--data", pictures, "-o", pictures), ("train", "diet", "--data", pictures, "-o", net, "--json", net),
        ("run", files / "net.h5", files / "in.h5", "-o", files / "in.h5"),
        ("run", files / "net.h5", files / "in.h5", "-o", net, "--trace", net),
    ):  # fmt: skip
        found = call(*arguments)
        assert found.code == 2 and "is also read, or written twice" in found.err
    assert pictures.read_bytes() == before and not net.exists()


def test_on_a_terminal_an_epoch_is_a_line_for_people():
    from neurosim.report.training_text import training_line

    line = {"phase": "snn_t5", "epoch": 3, "of": 15, "loss": 0.21, "validation_accuracy": 0.978, "seconds": 12.2}
    line |= {"spikes_per_neuron": {"a": 0.2, "b": 0.4}, "silent": ["b"], "clamped": ["leak of a"]}
    assert re.split(" {3,}", training_line(line)) == [
        "snn_t5", "3/15", "loss 0.2100", "validation 97.80 %", "0.30 spikes/neuron, mean of layers", "12 s", "silent: b",
        "clamped: leak of a",
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_commands_print_errors_and_json_alone(files, flag, tmp_path):
    """Wherever the word stands."""
    run = ("run", files / "net.h5", files / "in.h5")
    for words in ((flag, *run), (*run, flag), ("map", files / "net.h5", flag), ("verify", flag, files / "net.h5")):
        found = call(*words)
        assert (found.code, found.out, found.err) == (0, "", "")
    assert only_json(call(*run, flag, "--json", "-").out)["images"] == 6
    assert "does not exist" in call(flag, "run", tmp_path / "none.h5", files / "in.h5").err
    assert call(*run).out, "the next command speaks again"
