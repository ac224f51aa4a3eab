"""New prices on stored counts: the same as a run at those prices, and nothing that would need another run."""

import json
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import ChipError, FileError
from neurosim.mapping.mapping import Mapping
from tests.helpers.energies import tiny
from tests.helpers.examples import SCHEDULE, almost, changed, evaluated, examples, runs, traced
from tests.helpers.samples import call

PRICED = st.floats(0, 100)
UNCERTAIN = st.floats(0, 0.5)


@st.composite
def prices(draw, chip):
    """Other values for some prices of a chip."""
    operations = [name for name, _ in chip.operation]
    found = {f"operation.{draw(st.sampled_from(operations))}.pj": draw(PRICED) for _ in range(3)}
    found |= {f"operation.{draw(st.sampled_from(operations))}.uncertainty": draw(UNCERTAIN)}
    for memory in chip.memory:
        found |= {f"memory.{memory.name}.read.pj": draw(PRICED), f"memory.{memory.name}.leakage_mw": draw(PRICED)}
    if chip.board:
        found["board.pj"] = draw(PRICED)
    return found | {"static.core_mw": draw(PRICED), "clock.hz": draw(st.sampled_from([1e6, 5e8]))}


def told(values):
    """What JSON says of a run, without how it came about, and choices of the model, which new prices leave untried."""
    return {name: value for name, value in json.loads(json.dumps(values)).items() if name not in ("provenance", "model")}


def close(values):
    """The same, floating-point numbers nearly so."""
    if isinstance(values, dict):
        return {name: close(value) for name, value in values.items()}
    if isinstance(values, list):
        return [close(value) for value in values]
    return almost(values) if isinstance(values, float) else values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@examples(20)
@given(runs(), SCHEDULE, st.data())
def test_a_repriced_run_is_a_run_at_those_prices(folder, case, schedule, data):
    inputs, mapping = case
    result = evaluated(inputs, mapping, schedule=schedule)
    other = changed(mapping.chip, data.draw(prices(mapping.chip)))
    result.save(folder / "run.h5")
    record = ns.load_run(folder / "run.h5")
    assert record.to_dict() == json.loads(json.dumps(result.to_dict()))
    assert told(record.at(mapping.chip).to_dict()) == close(told(record.to_dict()))
    there = Mapping(mapping.network, other, mapping.bricks, mapping.cores, mapping.placer)
    again = ns.evaluate(traced(inputs, mapping), there, schedule=schedule)
    assert told(record.at(other).to_dict()) == close(told(again.to_dict()))


def test_a_repriced_file_can_be_priced_again(tmp_path):
    result = ns.run(*tiny(), ns.load_chip("mesh45"))
    result.save(tmp_path / "run.h5")
    dear = ns.load_run(tmp_path / "run.h5").at(result.mapping.chip.replace("operation.accumulate.pj", 7.0), "neurosim ...")
    dear.save(tmp_path / "dear.h5")
    found = ns.load_run(tmp_path / "dear.h5")
    assert found.to_dict() == json.loads(json.dumps(dear.to_dict()))
    assert found.to_dict()["provenance"]["repriced_from"] == {"name": "mesh45", "sha256": result.mapping.chip.sha256}
    assert told(found.at(result.mapping.chip).to_dict()) == close(told(result.to_dict()))
    with h5py.File(tmp_path / "run.h5") as old, h5py.File(tmp_path / "dear.h5") as new:
        assert set(old) == set(new)
        assert new["mapping"].attrs["chip_sha256"] == found.chip.sha256 != old["mapping"].attrs["chip_sha256"]
        assert json.loads(new["mapping"].attrs["chip_values"]) == found.chip.values
        assert (new["counts/spikes"][()] == old["counts/spikes"][()]).all()
        assert new["cores"]["energy_J"].tolist() == [core["energy_J"] for core in dear.to_dict()["cores"]]
        assert new["cores"]["energy_J"].sum() > old["cores"]["energy_J"].sum()


def test_leakage_follows_the_clock_by_hand(tmp_path):
    """422 cycles at half the speed take twice as long and leak twice as much."""
    chip = ns.load_chip("mesh45").replace("static.chip_mw", 5.0)
    result = ns.run(*tiny(), chip)
    result.save(tmp_path / "run.h5")
    record = ns.load_run(tmp_path / "run.h5")
    slow = record.at(chip.replace("clock.hz", chip.clock.hz / 2)).to_dict()
    assert slow["time"]["seconds"] == almost(2 * 422 / 500e6) and slow["time"]["cycles"] == 422
    assert slow["time"]["images_per_second"] == almost(500e6 / 422 / 2)
    assert slow["energy"]["static_J"] == almost(2 * result.energy.static_J)
    assert slow["energy"]["compute_J"] == almost(result.energy.compute_J)


STRUCTURE = {
    "core.lanes": 3, "core.state_bits": 31, "mesh.width": 9, "mesh.flit_bits": 8, "policy.update": "all",
    "operation.accumulate.cycles": 2, "memory.weight_sram.word_bits": 32, "memory.weight_sram.bits": 2**20,
    "memory.weight_sram.words_per_cycle": 7, "memory.weight_sram.name": "other",
}  # fmt: skip


def test_what_would_need_another_run_is_refused_all_at_once(tmp_path):
    chip = ns.load_chip("mesh45")
    ns.run(*tiny(), chip).save(tmp_path / "run.h5")
    record = ns.load_run(tmp_path / "run.h5")
    for path, value in STRUCTURE.items():
        with pytest.raises(ChipError, match="run again") as error:
            record.at(chip.replace(path, value))
        assert len(error.value.problems) == 1 and path in error.value.problems[0].replace("other", "weight_sram")
    several = changed(chip, {path: value for path, value in STRUCTURE.items() if not path.startswith("memory")})
    with pytest.raises(ChipError) as error:
        record.at(several)
    assert len(error.value.problems) == 6
    another = chip.values | {"name": "another", "title": "Another", "notes": "", "not_counted": ["much"]}
    assert record.at(ns.Chip.parse(another, "another")).to_dict()["not_counted"][0] == "much"


def reword(file, group, old, new):
    attributes = file["ledger"][group].attrs
    attributes["actions"] = attributes["actions"].replace(old, new)


def recount(file, columns):
    counts = file["ledger/silent/counts"][()][:, :columns]
    del file["ledger/silent/counts"]
    file["ledger/silent/counts"] = counts


def rewrite(file, **changes):
    values = json.loads(file["json"].asstr()[()])
    del file["json"]
    file["json"] = json.dumps(values | {name: change(values[name]) for name, change in changes.items()})


FAULTS = {
    "no ledger": lambda file: file.__delitem__("ledger"),
    "no run": lambda file: file["ledger"].__delitem__("run"),
    "no json": lambda file: file.__delitem__("json"),
    "json of something else": lambda file: (file.__delitem__("json"), file.create_dataset("json", data="[1]")),
    "not json": lambda file: (file.__delitem__("json"), file.create_dataset("json", data="{")),
    "negative": lambda file: file["ledger/run/counts"].__setitem__((0, 0), -1.0),
    "not finite": lambda file: file["ledger/run/counts"].__setitem__((0, 0), np.nan),
    "actions": lambda file: file["ledger/run"].attrs.__setitem__("actions", "[[1]]"),
    "constant": lambda file: file["ledger/run"].attrs.__setitem__(
        "actions", file["ledger/run"].attrs["actions"].replace("operation.mac.pj", "operation.none.pj")
    ),
    "images": lambda file: file["ledger"].attrs.__setitem__("images", "many"),
    "purpose": lambda file: reword(file, "run", '"compute"', '"zzz"'),
    "no mac": lambda file: reword(file, "ann, reuse rows", '"mac"', '"mad"'),
    "fewer columns": lambda file: recount(file, 1),
    "a core less": lambda file: rewrite(file, cores=lambda cores: cores[1:]),
    "json elsewhere": lambda file: (file.__delitem__("json"), file.__setitem__("json", h5py.ExternalLink("run.h5", "/json"))),
    "no time": lambda file: rewrite(file, time=lambda _: {}),
    "no network": lambda file: rewrite(file, network=lambda _: None),
    "no such level": lambda file: rewrite(file, memory=lambda memory: [memory[0] | {"level": "other"}]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_run_file_is_refused(tmp_path, fault):
    ns.run(*tiny(), ns.load_chip("mesh45")).save(tmp_path / "run.h5")
    shutil.copy(tmp_path / "run.h5", tmp_path / "bad.h5")
    with h5py.File(tmp_path / "bad.h5", "a") as file:
        FAULTS[fault](file)
    with pytest.raises(FileError) as error:
        ns.load_run(tmp_path / "bad.h5")
    assert error.value.problems and not any("is damaged" in problem for problem in error.value.problems)


def test_the_command(tmp_path):
    run, new = tmp_path / "run.h5", tmp_path / "new.h5"
    ns.run(*tiny(), ns.load_chip("mesh45")).save(run)
    found = call("reprice", run, "--set", "operation.accumulate.pj=100", "-o", new)
    assert found.code == 0 and "accumulates" in found.out and "now / before" in found.out
    found = call("reprice", new, "--json", "-")
    assert json.loads(found.out)["chip"]["values"]["operation"]["accumulate"]["pj"] == 100
    found = call("reprice", run, "--chip", "loihi")
    assert found.code == 2 and "run again" in found.err and "Traceback" not in found.err
    found = call("reprice", run, "-o", run)
    assert found.code == 2 and "also read" in found.err
    found = call("reprice", run, "--set", "operation.nothing.pj=1", "--set", "core.lanes=x")
    assert found.code == 2 and "core.lanes" in found.err and "operation.nothing" in found.err


def test_accelergy_prices_it_to_the_same_total(tmp_path):
    """Counts times energies, as Accelergy multiplies them."""
    chip = ns.load_chip("mesh45").replace("static.chip_mw", 5.0)
    result = ns.run(*tiny(), chip)
    result.save(tmp_path / "run.h5")
    assert call("export", tmp_path / "run.h5", "--to", "accelergy", "-o", tmp_path / "run.yaml").code == 0
    found = json.loads((tmp_path / "run.yaml").read_text())
    energies = {(t["name"], a["name"]): a["energy"] for t in found["ERT"]["tables"] for a in t["actions"]}
    counts = {(t["name"], a["name"]): a["counts"] for t in found["action_counts"]["local"] for a in t["action_counts"]}
    assert energies.keys() == counts.keys()
    assert sum(energies[key] * counts[key] for key in counts) * 1e-12 == almost(result.energy.total_J)
    assert counts["mesh45.operation.accumulate", "accumulate"] == result.counts["accumulates"]
    assert ("mesh45.memory.table_sram", "read") in counts and ("mesh45.static", "leak_chip") in counts
    assert len(counts) == len({action.constant for action in result.energy.actions})


def apart(tmp_path):
    """A run whose network without spikes has a machine of its own."""
    ns.run(*tiny(), "mesh45", ann_chip="ann45", ann_sparsity=0.5).save(tmp_path / "run.h5")
    return tmp_path / "run.h5"


def test_a_run_of_before_is_priced_again_as_it_was_counted(tmp_path):
    """Runs of 0.7.0 and 0.8.0 say less about the network without spikes, and that it was counted otherwise."""
    result = ns.run(*tiny(), "mesh45")
    result.save(tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5", "a") as file:
        values = json.loads(file["json"].asstr()[()])
        values["ann"] = {k: v for k, v in values["ann"].items() if k not in ("chip", "bits", "sparsity", "accuracy")}
        values["ann"]["assumes"] = "little"
        del file["json"]
        file["json"] = json.dumps(values)
    record = ns.load_run(tmp_path / "run.h5")
    assert record.to_dict() == values
    again = record.at(record.chip.replace("operation.mac.pj", 9.0)).to_dict()["ann"]
    assert again["assumes"] == "little" and again["bits"] == 8 and again["chip"]["name"] == "mesh45"
    assert again["compute_J"] > values["ann"]["compute_J"] and again["macs"] == values["ann"]["macs"]


DAMAGES = {
    "no layers": (lambda file: file["ledger"].__delitem__("ann_layers"), "'ann_layers' is missing"),
    "wrong layers": (lambda file: file["ledger/ann_layers"].__setitem__(0, 7), "not numbers of all layers"),
    "negative layers": (lambda file: file["ledger/ann_layers"].__setitem__(0, -1), "not numbers of all layers"),
    "one layer": (lambda file: file["ledger/ann_layers"].__setitem__(Ellipsis, 0), "not numbers of all layers"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_machine_of_its_own_is_refused(tmp_path, damage, says):
    path = apart(tmp_path)
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(FileError, match=says):
        ns.load_run(path)


def test_a_machine_of_its_own_goes_through_the_commands(tmp_path):
    """`replay` says what `run` says, `reprice` and `report` take what it wrote, and `compare` puts chips beside one machine."""
    network, inputs = tiny()
    network.save(tmp_path / "net.h5")
    np.savez(tmp_path / "in.npz", spikes=inputs.spikes, labels=np.zeros(len(inputs), int))
    beside = ["--ann-chip", "ann45", "--ann-bits", "6", "--ann-sparsity", "0.25"]
    files = tmp_path / "net.h5", tmp_path / "in.npz"
    run = call("run", *files, *beside, "--trace", tmp_path / "t.h5", "-o", tmp_path / "run.h5", "--json", tmp_path / "run.json")
    assert run.code == 0, run
    assert "the same topology without spikes on ann45 (45 nm), 6-bit activations, 25.0 % of them zero" in run.out
    assert "not known without spikes" in run.out
    assert call("replay", tmp_path / "t.h5", *beside, "--json", tmp_path / "again.json").code == 0
    first, again = (json.loads((tmp_path / name).read_text()) for name in ("run.json", "again.json"))
    assert told(first) == told(again) and first["ann"]["chip"]["values"]["core"]["ann_sites"] == 16
    priced = call("reprice", tmp_path / "run.h5", "--set", "operation.accumulate.pj=3", "--json", "-")
    assert json.loads(priced.out)["ann"] == first["ann"]
    assert call("report", tmp_path / "run.h5", "-o", tmp_path / "run.html").code == 0
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "without spikes on ann45" in page and "ann45, without spikes" in page
    several = ["--chip", "mesh45", "--chip", "eyeriss"]
    compared = call("compare", *files, *several, *beside, "--json", tmp_path / "c.json", "--report", tmp_path / "c.html")
    assert compared.code == 0, compared
    runs = json.loads((tmp_path / "c.json").read_text())["runs"]
    assert runs["mesh45"]["ann"] == runs["eyeriss"]["ann"] and "ann45" in compared.out
    assert "nothing is scaled" in compared.out and "nothing is scaled" in (tmp_path / "c.html").read_text(encoding="utf-8")
