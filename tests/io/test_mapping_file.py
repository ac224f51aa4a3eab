"""The mapping file: there and back as HDF5 and JSON, edited by hand, damaged, and on other chips."""

import json

import h5py
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import FileError
from neurosim.mapping.demand import MappingError
from neurosim.mapping.limits import check
from neurosim.mapping.survey import Survey
from tests.helpers import samples
from tests.helpers.examples import evaluated, examples, mappings
from tests.helpers.strategies import networks

pytestmark = pytest.mark.small

SUFFIXES = (".h5", ".json")


@pytest.fixture(scope="module")
def network():
    return samples.residual()


@pytest.fixture(scope="module")
def chip():
    return ns.load_chip("mesh45", ["core.max_neurons=40"])


@pytest.fixture
def written(tmp_path, network, chip):
    """A mapping as JSON, and what is in it."""
    mapping = ns.map_network(network, chip, "row-major")
    mapping.save(tmp_path / "map.json")
    return tmp_path / "map.json", json.loads((tmp_path / "map.json").read_text())


def told(mapping):
    return mapping.network.sha256, mapping.chip.sha256, mapping.bricks, mapping.cores.tolist(), mapping.placer, mapping.pinned


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mapping_comes_back_as_it_was(tmp_path, network, chip, suffix):
    first = network.layers[0].name
    bricks = ns.estimate(network, chip)["layers"][0]["cores"]
    mapping = ns.map_network(network, chip, "greedy", pins={first: range(5, 5 + bricks)})
    assert mapping.pinned == frozenset(range(bricks))
    mapping.save(tmp_path / f"map{suffix}")
    assert told(ns.load_mapping(tmp_path / f"map{suffix}", network, chip)) == told(mapping)


@examples(25)
@given(networks().flatmap(mappings), st.sampled_from(SUFFIXES))
def test_any_mapping_comes_back_as_it_was(tmp_path_factory, mapping, suffix):
    assume(not check(mapping))
    path = tmp_path_factory.mktemp("maps") / f"map{suffix}"
    mapping.save(path)
    assert told(ns.load_mapping(path, mapping.network, mapping.chip)) == told(mapping)


def test_bricks_moved_by_hand_change_no_answer(written, network, chip):
    path, values = written
    free = set(range(chip.cores)) - {brick["core"] for brick in values["bricks"]}
    values["bricks"][0] |= {"core": max(free), "pinned": True}
    path.write_text(json.dumps(values))
    moved = ns.load_mapping(path, network, chip)
    assert moved.cores[0] == max(free) and moved.pinned == {0}
    inputs = samples.inputs(network)
    before, after = (evaluated(inputs, mapping) for mapping in (ns.map_network(network, chip), moved))
    assert before.outputs.tolist() == after.outputs.tolist()
    assert before.counts["accumulates"] == after.counts["accumulates"]
    assert before.counts["flit_hops"] != after.counts["flit_hops"]


def edited(number, **values):
    def edit(mapping):
        mapping["bricks"][number] |= values

    return edit


WRONG = {
    "missing neurons": (lambda m: m["bricks"].pop(0), "are in no brick, the first at (channel, row, column) = (0, 0, 0)"),
    "doubled neurons": (lambda m: m["bricks"].append(m["bricks"][0] | {"core": 63}), "are in several bricks, the first at"),
    "a brick outside": (edited(0, channels=[0, 99]), "brick of channels 0:99 does not lie in 0:"),
    "an empty brick": (edited(0, rows=[1, 1]), "brick of rows 1:1 does not lie in 0:"),
    "a core outside": (edited(0, core=64), "cores 64 do not exist; chip 'mesh45' has cores 0 to 63"),
    "a negative core": (edited(0, core=-1), "cores -1 do not exist"),
    "a core twice": (edited(0, core=1), "cores 1 hold several bricks"),
    "an unknown layer": (edited(0, layer="conv77"), "layers 'conv77' are not in network"),
    "no layer": (edited(0, layer=3), "brick 0: layer must be the name of one"),
    "no span": (edited(0, rows=[1, 2, 3]), "brick 0: rows must be [first, last + 1]"),
    "a span of words": (edited(0, rows=["a", 2]), "brick 0: rows must be"),
    "no number of a core": (edited(0, core=True), "brick 0: core must be the number of one"),
    "a huge number": (edited(0, core=10**30), "brick 0: core must be the number of one"),
    "half pinned": (edited(0, pinned="yes"), "brick 0: pinned must be true or false"),
    "no brick": (lambda m: m["bricks"].insert(0, 7), "brick 0: is no table of values"),
    "no bricks": (lambda m: m.pop("bricks"), "has no list 'bricks'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(written, network, chip, name):
    path, values = written
    change, message = WRONG[name]
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(FileError) as error:
        ns.load_mapping(path, network, chip)
    assert message in str(error.value)


def test_everything_wrong_is_said_at_once(written, network, chip):
    path, values = written
    values["bricks"][0] |= {"core": 99, "channels": [0, 0]}
    values["bricks"][1] |= {"rows": [-4, 2]}
    path.write_text(json.dumps(values))
    with pytest.raises(FileError) as error:
        ns.load_mapping(path, network, chip)
    for words in ("channels 0:0", "rows -4:2", "cores 99"):
        assert words in str(error.value)


@pytest.mark.parametrize("content", ["", "[1", "[]", "3", '{"bricks": 5}', "[" * 100_000, "\x00\x01", "NaN"])
def test_what_is_no_mapping_is_refused(tmp_path, network, chip, content):
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(FileError):
        ns.load_mapping(tmp_path / "map.json", network, chip)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_file_and_a_folder_are_refused(tmp_path, network, chip, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    for name in ("nothing", "folder"):
        with pytest.raises(FileError):
            ns.load_mapping(tmp_path / f"{name}{suffix}", network, chip)


def test_a_table_of_other_columns_or_layers_is_refused(tmp_path, network, chip):
    ns.map_network(network, chip).save(tmp_path / "map.h5")
    with h5py.File(tmp_path / "map.h5", "r+") as file:
        table = file["bricks"][()]
        table["layer"][0] = 99
        file["bricks"][...] = table
    with pytest.raises(FileError, match="names layers that are not among"):
        ns.load_mapping(tmp_path / "map.h5", network, chip)
    with h5py.File(tmp_path / "map.h5", "r+") as file:
        del file["bricks"]
        file["bricks"] = np.zeros(3, [("layer", int)])
    with pytest.raises(FileError, match="needs the integer columns layer, c0"):
        ns.load_mapping(tmp_path / "map.h5", network, chip)


def test_a_mapping_that_fits_one_chip_may_not_fit_another(written, network, chip):
    path, _ = written
    with pytest.raises(MappingError, match="neurons"):
        ns.load_mapping(path, network, chip.replace("core.max_neurons", 3))


def test_the_command_line_takes_it_back(tmp_path, written, network):
    path, _ = written
    network.save(tmp_path / "net.h5")
    options = ["--chip", "mesh45", "--set", "core.max_neurons=40"]
    for placer, more in (("row-major", []), ("hilbert", ["--placer", "hilbert"])):
        found = samples.call("map", tmp_path / "net.h5", *options, "--mapping", path, *more, "--json", "-")
        assert found.code == 0 and samples.only_json(found.out)["placer"] == placer
    samples.refused("map", tmp_path / "net.h5", *options, "--mapping", path, "--pin", "conv=1", says=["--pin"])


@pytest.mark.parametrize("pin", ["conv0", "=1", "conv0=", "conv0=1-", "conv0=x", "conv0=1,,2", "conv0=-1", "conv0=8-5"])
def test_a_pin_that_is_none_is_refused(tmp_path, network, pin):
    network.save(tmp_path / "net.h5")
    samples.refused("map", tmp_path / "net.h5", "--pin", pin, says=["--pin", "LAYER=CORES"])


def test_numbers_beyond_all_meaning_are_refused(tmp_path, network, chip):
    ns.map_network(network, chip).save(tmp_path / "map.h5")
    with h5py.File(tmp_path / "map.h5", "r+") as file:
        table = file["bricks"][()].astype([(name, np.uint64) for name in file["bricks"].dtype.names])
        table["core"][0] = 2**63 + 5
        del file["bricks"]
        file["bricks"] = table
    with pytest.raises(FileError, match="has numbers beyond"):
        ns.load_mapping(tmp_path / "map.h5", network, chip)


def test_of_many_problems_some_are_shown(tmp_path, network, chip):
    (tmp_path / "map.json").write_text(json.dumps({"bricks": [7] * 3000}))
    with pytest.raises(FileError) as error:
        ns.load_mapping(tmp_path / "map.json", network, chip)
    assert error.value.problems[-1] == "and 2,980 more problems" and len(error.value.problems) == 21
    assert ": 3,000 problems\n" in str(error.value)
    with pytest.raises(MappingError, match=r"- and \d+ more; --json lists them all") as found:
        ns.map_network(ns.load_network("models/mnist_vgg_t5.h5"), ns.load_chip("mesh45", ["mesh.max_link_flits=1"]))
    assert len(str(found.value).splitlines()) == 42 < len(found.value.violations)


@pytest.mark.parametrize("option", [["--pin", "a=1"], ["-o", "m.h5"], ["--report", "m.html"], ["--placer", "greedy"]])
def test_an_estimate_takes_nothing_that_needs_places(tmp_path, network, option):
    network.save(tmp_path / "net.h5")
    samples.refused("map", tmp_path / "net.h5", "--estimate", *option, says=["--estimate places nothing", option[0]])


def test_a_trace_of_another_network_is_named_before_anything_is_written(tmp_path, network):
    network.save(tmp_path / "net.h5")
    other = ns.Network.build("other", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=[ns.Output("out", [[1]])])
    ns.simulate(other, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1)))).save(tmp_path / "t.h5")
    command = ["map", tmp_path / "net.h5", "--trace", tmp_path / "t.h5", "-o", tmp_path / "map.h5"]
    samples.refused(*command, says=["t.h5", "it belongs to another network"])
    assert not (tmp_path / "map.h5").exists()


def test_a_mapping_says_itself_how_layers_are_cut(tmp_path, written, network):
    network.save(tmp_path / "net.h5")
    samples.refused("map", tmp_path / "net.h5", "--mapping", written[0], "--partition", "cores", says=["leave out --partition"])


def test_wrong_pins_are_all_said(network, chip):
    names = [layer.name for layer in network.layers]
    with pytest.raises(ns.NeurosimError) as error:
        ns.map_network(network, chip, pins={names[0]: [70] * 50, "nobody": [1], names[-1]: [-3]})
    says = ("50 cores are given", "'nobody': there is no such layer", "core 70 does not exist; there are cores 0", "core -3")
    for words in says:
        assert words in str(error.value)


def test_the_survey_names_the_busiest_links_and_the_fullest_core(network, chip):
    mapping = ns.map_network(network, chip)
    survey = Survey(mapping, mapping.wires())
    load = survey.load
    (start, end, flits), *others = survey.busiest
    assert flits == load.max() and [f for *_, f in others] == sorted((f for *_, f in others), reverse=True)
    assert abs(start[0] - end[0]) + abs(start[1] - end[1]) == 1
    assert survey.sent.sum() == pytest.approx(load.sum())
    for index in range(len(network.layers)):
        for use in survey.fullest(index):
            same = [u for brick, used in zip(mapping.bricks, mapping.uses, strict=True) for u in used
                    if brick.layer == index and u.resource == use.resource]  # fmt: skip
            assert use.demand == max(u.demand for u in same)


def test_the_page_shows_every_core_and_layer_and_nothing_from_elsewhere(tmp_path):
    kernel = np.ones((2, 1, 1, 1), int)
    network = ns.Network.build(
        "<b>odd", timesteps=1, input_shape=(1, 2, 2), encoding="spikes",
        layers=[ns.Conv("a&b", kernel, 1), ns.Output("out", np.ones((2, 8), int))],
    )  # fmt: skip
    network.save(tmp_path / "net.h5")
    found = samples.call("map", tmp_path / "net.h5", "--report", tmp_path / "map.html")
    assert found.code == 0
    page = (tmp_path / "map.html").read_text()
    assert "<b>odd" not in page and "&lt;b&gt;odd" in page and "a&amp;b" in page
    assert page.count('<figure class="plot"') == 3
    assert "(0, 0) to (1, 0)" in page and "8 (0.8 %)" in page
