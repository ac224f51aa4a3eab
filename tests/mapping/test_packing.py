"""Bricks of different layers in one core."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import ChipError, FileError, NeurosimError
from neurosim.mapping.demand import claims
from neurosim.mapping.limits import check
from neurosim.mapping.mapper import estimate
from neurosim.mapping.packing import packed
from neurosim.mapping.partition import partition
from tests.helpers import samples
from tests.helpers.energies import behind
from tests.helpers.examples import changed, evaluated, examples, fork, scattered, traced, wide_mesh
from tests.helpers.strategies import cases, networks

pytestmark = pytest.mark.small


def roomy(network, most, neurons=30):
    return changed(wide_mesh(ns.load_chip("mesh45"), network), {"core.max_layers": most, "core.max_neurons": neurons})


@settings(max_examples=70)
@given(networks(), st.integers(1, 4), st.integers(1, 30))
def test_what_shares_a_core_is_of_different_layers_and_fits(network, most, neurons):
    chip = roomy(network, most, neurons)
    cut = partition(network, chip)
    home = packed(network, chip, cut.bricks, cut.routes)
    assert sorted({*home.tolist()}) == list(range(home.max() + 1))
    assert [home.tolist().index(core) for core in range(home.max() + 1)] == sorted(home.tolist().index(c) for c in {*home})
    for core in range(home.max() + 1):
        mine = np.flatnonzero(home == core)
        layers = [cut.bricks[i].layer for i in mine]
        assert len({*layers}) == len(layers) <= most
        asked = claims(network, chip, [cut.bricks[i] for i in mine], int(cut.routes[mine].sum()), spill=False)
        assert all(use.limit is None or use.demand <= use.limit for use in asked)
    mapping = ns.map_network(network, chip)
    assert check(mapping) == [] and len(mapping.used) == len({*home.tolist()}) == estimate(network, chip)["cores_used"]


@settings(max_examples=70)
@given(networks(), st.integers(1, 30))
def test_the_first_brick_that_could_have_joined_another_has(network, neurons):
    """First fit: of two bricks that are alone, no two would fit one core."""
    chip = roomy(network, 4, neurons)
    cut = partition(network, chip)
    home = packed(network, chip, cut.bricks, cut.routes).tolist()
    alone = [i for i, core in enumerate(home) if home.count(core) == 1]
    for pair in map(list, combinations(alone, 2)):
        if len({cut.bricks[i].layer for i in pair}) == 2:
            asked = claims(network, chip, [cut.bricks[i] for i in pair], int(cut.routes[pair].sum()), spill=False)
            assert any(use.limit is not None and use.demand > use.limit for use in asked)


def test_one_layer_per_core_is_what_nobody_asked_to_change():
    network = ns.load_network("models/mnist_vgg_t5.h5")
    mapping = ns.map_network(network, ns.load_chip("mesh45"))
    assert mapping.home.tolist() == list(range(len(mapping.bricks))) and (mapping.used == mapping.cores).all()


def test_layers_that_need_different_things_share():
    """Convolutions fill the neurons of a core, dense layers its weights."""
    network = ns.load_network("models/mnist_vgg_t5.h5")
    alone, together = (ns.map_network(network, ns.load_chip("mesh45", [f"core.max_layers={n}"])) for n in (1, 3))
    assert together.bricks == alone.bricks and len(alone.used) == 29 and len(together.used) == 21


def test_a_network_that_fits_only_if_its_layers_share():
    network = samples.residual()
    alone = ns.load_chip("mesh45", ["mesh.width=1", "mesh.height=1"])
    with pytest.raises(ns.MappingError, match=r"cores needs \d cores, limit 1"):
        ns.map_network(network, alone)
    mapping = ns.map_network(network, alone.replace("core.max_layers", len(network.layers)))
    assert mapping.used.tolist() == [0] and mapping.to_dict()["cores_used"] == 1


@examples(30)
@given(cases(), st.integers(0, 2**32 - 1), st.sampled_from(["sequential", "pipelined"]))
def test_a_core_leaks_once_however_many_layers_it_holds(case, seed, schedule):
    network, inputs = case
    chip = changed(roomy(network, 4), {"static.core_mw": 2.0})
    mapping = ns.map_network(network, chip)
    mapping = replace(mapping, cores=scattered(np.random.default_rng(seed), mapping.bricks, chip))
    result = evaluated(inputs, mapping, timing="analytic", schedule=schedule)
    assert result.energy.action("cycle of core").times == result.time.cycles * len(mapping.used)
    assert result.cores["busy_cycles"].sum() == result.time.tally.busy.sum()
    assert result.to_dict()["cores"][0]["layer"].count(" + ") == len(mapping.held[0]) - 1


@examples(20)
@given(cases(), st.integers(0, 2**32 - 1))
def test_all_layers_in_one_core_send_nothing_over_links(case, seed):
    network, inputs = case
    chip = changed(roomy(network, 6), {"mesh.height": 1, "core.max_neurons": 10**6})
    mapping = ns.map_network(network, chip)
    assert len(mapping.used) == 1
    result = evaluated(inputs, mapping)
    assert result.counts["flit_hops"] == 0 and result.counts["packets"] <= result.counts["spikes"]
    assert not len(mapping.wires(traced(inputs, mapping)).sender)


def test_every_layer_looks_for_an_axon_of_its_own():
    """Nine spikes and steps of the input reach two layers of the core, nine of each of these one or two others."""
    network = fork()
    inputs = ns.Inputs.from_spikes(np.ones((1, 2, 1, 3, 3), bool))
    alone, together = (ns.run(network, inputs, ns.load_chip("mesh45", [f"core.max_layers={n}"])) for n in (1, 4))
    assert len(together.mapping.used) == 1
    reads = [run.energy.action("read axons of table_sram").times for run in (alone, together)]
    assert reads == [2 * (9 + 9 + 27 + 9)] * 2
    queued = [run.energy.action("read queue of queue_sram").times for run in (alone, together)]
    assert queued == [2 * (9 + 9 + 27 + 9), 2 * (9 + 27 + 9)]


@examples(40)
@given(networks(encodings=("spikes",)), st.integers(8, 4000), st.integers(0, 2**32 - 1))
def test_bricks_of_a_core_share_the_memory_that_is_not_enough(network, bits, seed):
    chip = behind(changed(roomy(network, 4), {"memory.weight_sram.bits": 10**6}), "per_image")
    mapping = ns.map_network(network, chip)
    cores = scattered(np.random.default_rng(seed), mapping.bricks, chip)
    (spill,) = replace(mapping, chip=chip.replace("memory.weight_sram.bits", bits), cores=cores).spills
    needed = spill.kept + spill.spilled
    for core in {*cores.tolist()}:
        mine = cores == core
        assert spill.kept[mine].sum() == min(bits, needed[mine].sum())


def test_priced_again_cores_and_layers_keep_their_own(tmp_path):
    network = samples.residual()
    images = ns.Inputs(np.random.default_rng(0).integers(0, 256, (2, *network.input.shape)).astype(np.uint8))
    chip = ns.load_chip("mesh45", ["core.max_layers=3", "core.max_neurons=40"])
    result = ns.run(network, images, chip)
    assert len(result.cores) < len(result.mapping.bricks)
    result.save(tmp_path / "run.h5")
    record = ns.load_run(tmp_path / "run.h5")
    again = record.at(chip.replace("operation.accumulate.pj", 7.0)).to_dict()
    expected = ns.run(network, images, chip.replace("operation.accumulate.pj", 7.0)).to_dict()
    for table in ("cores", "layers"):
        found, wanted = ([row["energy_J"] for row in values[table]] for values in (again, expected))
        assert found == pytest.approx(wanted, rel=1e-12)


def test_layers_can_be_pinned_to_one_core_if_it_may_hold_them():
    network = samples.residual()
    names = [layer.name for layer in network.layers]
    pins = {names[0]: [5], names[1]: [5]}
    mapping = ns.map_network(network, ns.load_chip("mesh45", ["core.max_layers=2"]), pins=pins)
    assert mapping.cores[:2].tolist() == [5, 5] and 5 not in mapping.cores[2:]
    with pytest.raises(NeurosimError, match=r"cores 5 hold bricks of more layers than they may; core\.max_layers is 1"):
        ns.map_network(network, ns.load_chip("mesh45"), pins=pins)


def test_a_mapping_file_with_too_many_layers_in_a_core_is_refused(tmp_path):
    network, chip = samples.residual(), ns.load_chip("mesh45", ["core.max_layers=6"])
    mapping = ns.map_network(network, chip, "row-major")
    mapping.save(tmp_path / "map.json")
    assert ns.load_mapping(tmp_path / "map.json", network, chip).cores.tolist() == mapping.cores.tolist()
    with pytest.raises(FileError, match=r"cores 0 hold bricks of more layers than they may; core\.max_layers is 2"):
        ns.load_mapping(tmp_path / "map.json", network, chip.replace("core.max_layers", 2))


def test_two_bricks_of_a_layer_in_one_core_are_refused(tmp_path):
    network = samples.residual()
    chip = ns.load_chip("mesh45", ["core.max_layers=2", "core.max_neurons=40"])
    mapping = ns.map_network(network, chip)
    twice = int(np.flatnonzero(np.bincount(mapping.layer_of) > 1)[0])
    mine = np.flatnonzero(mapping.layer_of == twice)
    cores = mapping.cores.copy()
    cores[mine] = max({*range(chip.cores)} - {*cores.tolist()})
    replace(mapping, cores=cores).save(tmp_path / "map.h5")
    with pytest.raises(FileError, match=r"cores \d+ hold several bricks of a layer; a core holds one"):
        ns.load_mapping(tmp_path / "map.h5", network, chip)


def test_a_full_core_says_which_layers_fill_it(tmp_path):
    network, chip = samples.residual(), ns.load_chip("mesh45", ["core.max_layers=6"])
    mapping = ns.map_network(network, chip)
    names = " + ".join(layer.name for layer in network.layers)
    (violation,) = check(replace(mapping, chip=chip.replace("core.max_neurons", 50)))
    assert violation.layer == names and violation.demand == sum(layer.neurons for layer in network.layers)


def test_a_crossbar_is_for_one_layer():
    with pytest.raises(ChipError, match="with storage 'crossbar', max_layers must be 1"):
        ns.load_chip("mesh45", ["core.storage='crossbar'", "core.max_layers=2"])
