"""The document of a run: one schema for what is written and read, refusals with their path, and a run that is repeated."""

import contextlib
import copy
import dataclasses
import json
import platform
import shlex
import shutil
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.chip.chip import Chip
from neurosim.cost.action import GROUP_OF, PURPOSES
from neurosim.cost.dataflow import REUSES
from neurosim.errors import FileError
from neurosim.mapping.place.search import Search
from neurosim.outcome.document import CountSection, RunDocument, schema_text
from neurosim.timing.tally import BOUNDS
from tests.helpers import samples
from tests.helpers.examples import examples
from tests.helpers.samples import call, refused

SCHEMA = Path(__file__).parents[2] / "docs" / "run.schema.json"
# What runs of before did not have, or only some have.
OPTIONAL = {
    ("time", "bound_by_per_step"), ("blocked",), ("neurobench",), ("network", "dataset"), ("network", "accuracy_reference"),
    ("layers", "spikes_per_step"), ("layers", "energy_by_component_J"), ("layers", "seconds"), ("layers", "bound_by"),
    ("area_mm2",), ("paper", "layers", "accumulates"), ("provenance", "partitioner"), ("provenance", "images"),
    ("provenance", "network_sha256"), ("provenance", "inputs_sha256"), ("provenance", "chip_sha256"),
    ("provenance", "mapping_sha256"), ("provenance", "versions"), ("provenance", "repriced_from"),
    ("provenance", "packet_images"), ("provenance", "packet_seed"), ("time", "seconds_per_image_error"),
    ("time", "packet_images"), ("time", "packet_cycles"), ("time", "packet_steps"), ("time", "packet_images_touched"),
    ("time", "cycles_per_step_max"), ("time", "worst_step"), ("energy", "per_image_J_error"),
    ("energy", "pj_per_synaptic_event"), ("energy_delay_Js",), ("power_W",), ("accuracy_interval",), ("images_energy_J",),
    ("images_seconds",), ("images_energy_spread_J",), ("images_seconds_spread",), ("counts", "payload_macs"),
    ("layers", "payload_macs"), ("cores", "payload_macs"),
}  # fmt: skip
# Tables whose keys say something of the run.
OPEN = {
    ("energy", "by_component_J"), ("layers", "energy_by_component_J"), ("area_mm2", "by_component"), ("cores", "memory_use"),
    ("ann", "by_part_J"), ("ann", "reuse", "none", "by_part_J"), ("ann", "reuse", "rows", "by_part_J"),
    ("ann", "reuse", "perfect", "by_part_J"), ("uncertainty", "constants"), ("neurobench", "missing"),
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files of a network and of a run on four small cores with an uncertain price."""
    folder = tmp_path_factory.mktemp("runs")
    network = samples.residual()
    network.save(folder / "net.h5")
    samples.inputs(network).save(folder / "in.h5")
    made = call(
        "run", folder / "net.h5", folder / "in.h5", "--chip", "mesh45", "--set", "operation.accumulate.uncertainty=0.2",
        "--placer", "annealing", "--set", "core.max_neurons=40", "--partition", "traffic", "-o", folder / "run.h5",
        "--json", folder / "run.json", "--trace", folder / "trace.h5",
    )  # fmt: skip
    assert made.code == 0, made
    return folder


@pytest.fixture(scope="module")
def values(files):
    return json.loads((files / "run.json").read_text())


@pytest.fixture(scope="module")
def result():
    network = samples.residual()
    return ns.run(network, samples.inputs(network), ns.load_chip("mesh45"))


def places(values, path=()):
    """The paths of all keys and elements, without what the chip file says."""
    if path == ("chip", "values"):
        return
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def names(path):
    return tuple(key for key in path if isinstance(key, str))


def at(values, path):
    for key in path:
        values = values[key]
    return values


def rewritten(files, folder, values):
    """A copy of the run with another JSON."""
    shutil.copy(files / "run.h5", folder / "bad.h5")
    with h5py.File(folder / "bad.h5", "r+") as file:
        del file["json"]
        file["json"] = json.dumps(values)
    return folder / "bad.h5"


def said(values, path):
    """How a path is written."""
    words = ["json"]
    for key in path:
        values = values[key] if not isinstance(values, dict) or key in values else None
        words.append(str(values.get("name", key)) if isinstance(key, int) and isinstance(values, dict) else str(key))
    return ".".join(words)


def refusals(path, folder):
    """What everybody who reads a run says to it."""
    with pytest.raises(FileError) as error:
        ns.load_run(path)
    found = [f"neurosim: {error.value}"]
    for words in (["report", path, "-o", folder / "r.html"], ["reprice", path], ["inspect", path]):
        found.append(refused(*words).err.strip())
    return found


def test_the_schema_in_the_docs_is_that_of_the_models():
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_tables_have_the_keys_of_their_owners(values):
    assert list(values["energy"]["by_purpose_J"]) == list(PURPOSES) and list(values["time"]["bound_by"]) == list(BOUNDS)
    assert set(values["ann"]["reuse"]) == set(values["break_even"]["ann_J"]) == set(REUSES)
    schema = json.loads(SCHEMA.read_text())["$defs"]
    assert schema["ByPurpose"]["required"] == list(PURPOSES) and schema["Reused"]["required"] == list(REUSES)


def test_every_count_of_a_result_is_one_of_the_document(result):
    assert list(result.count_columns) == list(CountSection.model_fields)


COMMANDS = {
    "run": ["run", "net.h5", "in.h5"], "pipelined": ["run", "net.h5", "in.h5", "--schedule", "pipelined"],
    "analytic": ["run", "net.h5", "in.h5", "--timing", "analytic"],
    "replay": ["replay", "trace.h5", "--images", "2"], "clipped": ["run", "net.h5", "in.h5", "--set", "core.state_bits=8"],
    "reprice": ["reprice", "run.h5", "--set", "clock.hz=1e6"], "report": ["report", "run.h5", "-o", "r.html"],
    "float": ["run", "float.h5", "float_in.h5"], "board": ["run", "net.h5", "in.h5", "--chip", "loihi-board"],
}  # fmt: skip


@pytest.fixture(scope="module")
def written(files):
    """What every command writes as JSON."""
    samples.floating().save(files / "float.h5")
    samples.inputs(samples.floating()).save(files / "float_in.h5")
    with contextlib.chdir(files):
        found = {name: call(*words, "--json", "-") for name, words in COMMANDS.items()}
    assert {name: told.err for name, told in found.items() if told.code} == {}
    return {name: told.out for name, told in found.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_writes_is_a_document(written, name):
    """Byte for byte: no key lost, none added, an integer an integer."""
    assert json.dumps(RunDocument.model_validate(json.loads(written[name])).to_dict()) == written[name].strip()


def test_numbers_are_written_as_they_are(result):
    """A sum of no action is 0, as it always was, and not 0.0."""
    chip = result.mapping.chip
    outside = [memory.name for memory in chip.memory if memory.per == "off chip"]
    for name in outside:
        chip = chip.replace(f"memory.{name}.per", "chip")
    values = ns.evaluate(result.trace, dataclasses.replace(result.mapping, chip=chip)).to_dict()
    spent = values["energy"]["by_purpose_J"]
    assert outside and type(spent["off chip"]) is int and type(spent["compute"]) is float
    assert type(values["outputs"][0][0]) is int


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_writes_follows_the_schema(written, name):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(json.loads(written[name]), json.loads(SCHEMA.read_text()))


def test_a_loaded_run_has_the_face_of_a_result(tmp_path, result):
    result.save(tmp_path / "run.h5")
    run = ns.load_run(tmp_path / "run.h5")
    assert run.to_dict() == result.to_dict() and list(run.to_dict()) == list(result.to_dict())
    assert run.time.seconds == result.time.seconds and run.time.cycles == result.time.cycles
    assert run.counts == result.counts and run.accuracy == result.accuracy and run.not_counted == result.not_counted
    assert run.energy.total_J == result.energy.total_J and run.energy.by_component_J == result.energy.by_component_J
    for name in ("outputs", "predictions"):
        assert getattr(run, name).dtype == getattr(result, name).dtype
        assert (getattr(run, name) == getattr(result, name)).all()
    for name in ("cores", "layers"):
        assert getattr(run, name).dtype == getattr(result, name).dtype
        assert getattr(run, name).tolist() == getattr(result, name).tolist()
    assert run.mapping.bricks == result.mapping.bricks and (run.mapping.cores == result.mapping.cores).all()
    assert (run.mapping.used == result.mapping.used).all() and run.mapping.grid == result.mapping.grid
    assert run.mapping.chip == run.chip == result.mapping.chip
    assert "residual" in repr(run) and "mesh45" in repr(run) and "3 samples" in repr(run)


def test_a_loaded_run_writes_the_same_files(tmp_path, result):
    result.save(tmp_path / "run.h5")
    run = ns.load_run(tmp_path / "run.h5")
    result.report(tmp_path / "one.html")
    run.report(tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    run.save(tmp_path / "again.h5")
    with h5py.File(tmp_path / "run.h5") as one, h5py.File(tmp_path / "again.h5") as two:
        assert contents(one) == contents(two)


def contents(file):
    """Everything in a file but when it was written."""
    found = {}
    file.visititems(lambda name, item: found.update({name: (item.name, dict_of(item.attrs), data_of(item))}))
    return found, {key: value for key, value in dict_of(file.attrs).items() if key != "created"}


def dict_of(attributes):
    return {key: np.asarray(value).tolist() for key, value in attributes.items()}


def data_of(item):
    return (str(item.dtype), np.asarray(item[()]).tolist()) if isinstance(item, h5py.Dataset) else None


def test_a_run_of_before_is_read_as_it_was_written(files, tmp_path, values):
    before = copy.deepcopy(values)
    for path in OPTIONAL & {path for path in OPTIONAL if path[0] == "provenance"}:
        before["provenance"].pop(path[1], None)
    run = ns.load_run(rewritten(files, tmp_path, before))
    assert run.to_dict() == before
    again = run.at(run.chip.replace("operation.accumulate.pj", 7.0), "again").to_dict()["provenance"]
    assert set(again) == {*before["provenance"], "repriced_from"}


def required(values):
    """The paths of all keys that no run can do without."""
    found = [path for path in places(values) if isinstance(path[-1], str)]
    inside = [path for path in found if names(path) not in OPTIONAL and names(path[:-1]) not in OPEN]
    return [path for path in inside if names(path)[:1] != ("not_counted",)]


@examples(20)
@given(st.data())
def test_a_missing_key_is_refused_alike_by_everyone_with_its_path(files, tmp_path_factory, values, data):
    path = data.draw(st.sampled_from(required(values)))
    broken = copy.deepcopy(values)
    del at(broken, path[:-1])[path[-1]]
    folder = tmp_path_factory.mktemp("broken")
    found = refusals(rewritten(files, folder, broken), folder)
    assert len(set(found)) == 1, found
    assert f"{said(broken, path)}: is missing" in found[0] and str(folder / "bad.h5") in found[0]


WRONG = [None, "high", -1.5, [], {}, True, float("nan"), float("inf"), [[[]]], 10**400]


@examples(30)
@given(st.data())
def test_whatever_stands_in_a_place_a_run_is_refused_alike_or_reported(files, tmp_path_factory, values, data):
    path = data.draw(st.sampled_from([*places(values)]))
    broken, wrong = copy.deepcopy(values), data.draw(st.sampled_from(WRONG))
    at(broken, path[:-1])[path[-1]] = wrong
    folder = tmp_path_factory.mktemp("odd")
    place = rewritten(files, folder, broken)
    loaded = call("inspect", place)
    if loaded.code == 0:
        for words in (["report", place, "-o", folder / "r.html"], ["reprice", place, "-o", folder / "again.h5"]):
            found = call(*words)
            assert found.code == 0, (path, wrong, found)
        return
    assert len(set(refusals(place, folder))) == 1
    assert "json" in loaded.err


def test_all_problems_come_at_once(files, tmp_path, values):
    broken = copy.deepcopy(values)
    del broken["time"]["cycles"], broken["layers"][1]["spikes"], broken["cores"][0]["memory_use"]
    broken["counts"]["flights"], broken["accuracy"], broken["links"][0]["from"] = 3, "high", [1]
    broken["chip"]["values"]["core"]["lanes"] = 0
    with pytest.raises(FileError) as error:
        ns.load_run(rewritten(files, tmp_path, broken))
    text = "\n".join(error.value.problems)
    assert len(error.value.problems) == 7
    for words in (
        "json.time.cycles: is missing", "json.layers.conv2.spikes: is missing", "json.cores.0.memory_use: is missing",
        "json.counts.flights: unknown key", "json.accuracy: is 'high'; ", "json.links.0.from: is [1]; ",
        "json.chip.values.core.lanes: is 0; ",
    ):  # fmt: skip
        assert words in text


CONTRADICTIONS = {
    "steps": (("time", "cycles_per_step"), [1.0], "json.time.cycles_per_step: is for 1 timesteps; there are 4"),
    "images": (("predictions",), [0], "json.predictions: is for 1 images; there are 3"),
    "core": (("cores", 0, "index"), 64, "json.cores.0.index: is 64; the chip has cores 0 to 63"),
    "link": (("links", 0, "from"), [5, 5], "json.links.0: there is no link from (5, 5) to "),
    "component": (("energy", "by_component_J", "snow"), 1.0, "json.energy.by_component_J.snow: is the component of none"),
    "level": (("memory", 0, "level"), "other", "json.memory.0: 'ledger' has no action 'read weights of other'"),
    "ledger": (("images",), 2, "there are 2"),
    "hash": (("chip", "sha256"), "0" * 64, f"json.chip.sha256: is '{'0' * 64}'; its values have '"),
    "ragged": (("outputs", 1), [0], "json.outputs.1: is for 1 classes; outputs.0 is for 3"),
    "outputs": (("outputs", 1, 0), 77, "json.outputs: are not those of dataset 'outputs'"),
    "predictions": (("predictions", 1), 77, "json.predictions: are not those of dataset 'predictions'"),
    "twice": (("layers", 1, "name"), "conv1", "json.layers.conv1: is listed 2 times"),
    "table": (("time",), 3, "json.time: is 3; it should be a table"),
    "row": (("cores", 0, "memory_use", "axons"), [], "json.cores.0.memory_use.axons: is []; it should be a table"),
    "keys": (("energy", "by_purpose_J"), 3, "json.energy.by_purpose_J: is 3; it should be a table"),
    "reuse": (("uncertainty", "ratio"), {}, "json.uncertainty.ratio.none: is missing"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_parts_that_do_not_belong_together_are_refused(files, tmp_path, values, name):
    path, wrong, words = CONTRADICTIONS[name]
    broken = copy.deepcopy(values)
    at(broken, path[:-1])[path[-1]] = wrong
    assert words in refusals(rewritten(files, tmp_path, broken), tmp_path)[0]


def test_many_problems_are_not_all_listed(files, tmp_path, values):
    broken = copy.deepcopy(values)
    for core in broken["cores"]:
        broken["links"] += [{}] * len(core)
    with pytest.raises(FileError) as error:
        ns.load_run(rewritten(files, tmp_path, broken))
    assert len(error.value.problems) == 21 and "more problems" in error.value.problems[-1]
    rest = int(error.value.problems[-1].split()[1].replace(",", ""))
    assert f": {20 + rest:,} problems\n" in str(error.value)


def test_a_document_is_a_table(files, tmp_path):
    assert "json: is []; it should be a table" in refusals(rewritten(files, tmp_path, []), tmp_path)[0]


def test_the_json_of_a_run_is_no_run_file(files):
    for words in (["report", files / "run.json", "-o", files / "r.html"], ["reprice", files / "run.json"]):
        told = " ".join(refused(*words).err.split())
        assert "is JSON, which does not hold all that was done; give the run file that -o writes" in told


def test_the_group_of_a_purpose_is_said_once(files, tmp_path, values, result):
    assert {action.group for action in result.energy.actions} == {*GROUP_OF.values()}
    assert result.energy.groups == result.document.groups == ns.load_run(files / "run.h5").energy.groups
    shutil.copy(files / "run.h5", tmp_path / "bad.h5")
    with h5py.File(tmp_path / "bad.h5", "r+") as file:
        actions = json.loads(file["ledger/run"].attrs["actions"])
        file["ledger/run"].attrs["actions"] = json.dumps([[*words[:2], "static", *words[3:]] for words in actions])
    with pytest.raises(FileError, match=r"/ledger/run: actions have purposes .* of another group: compute"):
        ns.load_run(tmp_path / "bad.h5")


def test_provenance_says_what_computed_what(files, values):
    found = values["provenance"]
    network, inputs = ns.load_network(files / "net.h5"), ns.load_inputs(files / "in.h5")
    trace = ns.load_trace(files / "trace.h5")
    assert found["network_sha256"] == network.sha256 == values["network"]["sha256"]
    assert found["inputs_sha256"] == inputs.sha256 == trace.inputs_sha256
    assert found["chip_sha256"] == values["chip"]["sha256"] == ns.load_run(files / "run.h5").chip.sha256
    assert found["images"] == 3 and found["partitioner"] == "traffic" and found["seed"] == 0
    libraries = {name: version(name) for name in ("numpy", "numba", "scipy", "h5py")}
    assert found["versions"] == {"python": platform.python_version(), **libraries, "platform": platform.platform()}


def test_a_mapping_is_known_by_every_brick_and_core(result):
    mapping = result.mapping
    moved = [mapping.moved(np.where(mapping.cores == core, 63, mapping.cores), "mine", None) for core in mapping.used]
    assert len({mapping.sha256, *(each.sha256 for each in moved)}) == len(mapping.used) + 1
    assert mapping.moved(mapping.cores, "mine", 3).sha256 == mapping.sha256


@pytest.mark.parametrize("encoding", ["direct", "spikes"])
def test_inputs_are_known_by_what_was_shown(encoding):
    network = samples.residual(encoding)
    inputs = samples.inputs(network)
    trace = ns.simulate(network, inputs)
    assert trace.inputs_sha256 == inputs.sha256 and trace.head(2).inputs_sha256 == inputs[:2].sha256
    assert len({inputs.sha256, inputs[:2].sha256, samples.inputs(network, seed=9).sha256}) == 3
    unlabelled = ns.Inputs(inputs.images, None, inputs.spikes)
    assert ns.simulate(network, unlabelled).inputs_sha256 == unlabelled.sha256 != inputs.sha256
    assert dataclasses.replace(trace, images=None, input_bits=None).inputs_sha256 is None


def repeatable(values):
    """Of a document, what does not depend on when and how it was asked for."""
    how = {key: value for key, value in values["provenance"].items() if key not in ("created", "command")}
    return values | {"provenance": how}


def test_a_run_is_repeated_from_its_provenance(files, tmp_path, values):
    """By its command, and by its hashes and choices."""
    how = values["provenance"]
    found = call(*shlex.split(how["command"])[1:-6], "--json", tmp_path / "again.json")
    assert found.code == 0, found
    assert repeatable(json.loads((tmp_path / "again.json").read_text())) == repeatable(values)
    known = [ns.load_network(files / "net.h5"), ns.load_inputs(files / "in.h5"), Chip.parse(values["chip"]["values"], "chip")]
    network, inputs, chip = known
    assert [each.sha256 for each in known] == [how[f"{name}_sha256"] for name in ("network", "inputs", "chip")]
    mapping = ns.map_network(network, chip, how["placer"], partitioner=how["partitioner"], search=Search(seed=how["seed"]))
    assert mapping.sha256 == how["mapping_sha256"]
    trace = ns.simulate(network, inputs[: how["images"]], state_bits=chip.core.state_bits)
    again = ns.evaluate(trace, mapping, timing=how["timing"], schedule=how["schedule"])
    assert repeatable(again.to_dict()) == repeatable(values)


def test_outputs_that_are_not_finite_are_said(result):
    trace = dataclasses.replace(result.trace, outputs=np.where(result.outputs == result.outputs.max(), np.inf, 0.0))
    with pytest.raises(ns.NeurosimError, match="outputs of 1 samples are not finite"):
        ns.evaluate(trace, result.mapping).to_dict()
