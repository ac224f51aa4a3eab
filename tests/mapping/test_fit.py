"""Meshes that fit: the smallest nearly square one that holds the network, unless the user says how large."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import ChipError, FileError
from neurosim.io.mapping_file import load_mapping
from neurosim.mapping.mapper import estimate
from tests.helpers import samples

pytestmark = pytest.mark.small


@given(st.integers(1, 5000), st.integers(1, 4))
def test_a_fitted_mesh_holds_the_cores_is_nearly_square_and_has_no_row_too_many(cores, per_tile):
    chip = ns.load_chip("mesh45").replace("mesh.cores_per_tile", per_tile).fitted(cores)
    width, height, tiles = chip.mesh.width, chip.mesh.height, math.ceil(cores / per_tile)
    assert width * height >= tiles > width * (height - 1)
    assert 0 <= width - height <= 1 and (width - 1) ** 2 < tiles <= width**2


def test_a_network_gets_the_mesh_that_it_needs():
    network = samples.residual()
    given_ = ns.map_network(network, ns.load_chip("mesh45").replace("core.max_neurons", 8))
    chip = ns.load_chip("mesh45", ["mesh=fit"]).replace("core.max_neurons", 8)
    mapping = ns.map_network(network, chip)
    assert [*mapping.bricks] == [*given_.bricks]
    assert mapping.chip == chip.fitted(len(given_.used)) and mapping.chip.cores < given_.chip.cores
    assert estimate(network, chip)["cores"] == mapping.chip.cores
    assert ns.map_network(network, mapping.chip).chip == mapping.chip


def test_a_larger_network_than_the_file_says_fits():
    network = samples.residual()
    small = ns.load_chip("mesh45", ["mesh=fit"]).replace("core.max_neurons", 1)
    assert ns.map_network(network, small).chip.cores >= sum(layer.neurons for layer in network.layers) > 64


@pytest.mark.parametrize("how", ["set", "replace", "file"])
def test_a_size_that_is_given_is_not_fitted(how, tmp_path):
    (tmp_path / "mine.toml").write_text('base = "lp45"\nname = "mine"\n[mesh]\nwidth = 5\n')
    chip = {
        "set": lambda: ns.load_chip("lp45", ["mesh.width=5"]), "replace": lambda: ns.load_chip("lp45").replace("mesh.width", 5),
        "file": lambda: ns.load_chip(tmp_path / "mine.toml"),
    }[how]()  # fmt: skip
    assert (chip.mesh.size, chip.mesh.width, chip.mesh.height) == ("given", 5, 8)
    assert ns.map_network(samples.chain(), chip).chip == chip


def test_files_say_it_in_a_word(tmp_path):
    (tmp_path / "mine.toml").write_text('base = "mesh45"\nname = "mine"\nmesh = "fit"\n')
    chip = ns.load_chip(tmp_path / "mine.toml")
    assert (chip.mesh.size, chip.mesh.flit_bits) == ("fit", 32)
    with pytest.raises(ChipError, match="mesh"):
        ns.load_chip("mesh45", ["mesh=large"])


def test_boards_have_the_size_that_they_have():
    with pytest.raises(ChipError, match=r"give mesh\.width and mesh\.height"):
        ns.load_chip("loihi-board", ["mesh=fit"])


@pytest.mark.parametrize("name", ["map.h5", "map.json"])
def test_a_mapping_is_read_back_onto_the_mesh_that_it_was_made_for(name, tmp_path):
    network, chip = samples.residual(), ns.load_chip("lp45").replace("core.max_neurons", 8)
    mapping = ns.map_network(network, chip)
    mapping.save(tmp_path / name)
    found = load_mapping(tmp_path / name, network, chip)
    assert found.chip.mesh == mapping.chip.mesh and found.cores.tolist() == mapping.cores.tolist()


def test_a_mapping_that_does_not_say_its_mesh_needs_one_that_is_given(tmp_path):
    network, chip = samples.chain(), ns.load_chip("lp45")
    told = ns.map_network(network, chip).to_dict()
    del told["mesh"]
    (tmp_path / "map.json").write_text(json.dumps(told))
    with pytest.raises(FileError, match=r"--set mesh\.width"):
        load_mapping(tmp_path / "map.json", network, chip)
    assert load_mapping(tmp_path / "map.json", network, chip.replace("mesh.width", 8)).chip.mesh.width == 8


def test_a_run_on_a_fitted_mesh_is_priced_again_by_the_chip_it_was_made_with():
    network, chip = samples.residual(), ns.load_chip("lp45").replace("core.max_neurons", 8)
    record = ns.run(network, samples.inputs(network, 1), chip, timing="analytic").record
    again = record.at(chip.replace("clock.hz", 300e6))
    assert again.chip.mesh == record.chip.mesh and again.time.seconds > record.time.seconds
    mesh = record.chip.mesh
    assert record.at(chip.replace("mesh.width", mesh.width).replace("mesh.height", mesh.height)).energy.total_J > 0


def test_what_is_pinned_has_a_core_in_a_fitted_mesh():
    network, chip = samples.chain(), ns.load_chip("lp45")
    mapping = ns.map_network(network, chip, pins={network.layers[0].name: [30]})
    assert mapping.chip.cores > 30 and mapping.cores[0] == 30
