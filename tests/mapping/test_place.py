"""Placement: laws for every placer, the promise of each, and what wires cost against what a run counts."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import neurosim as ns
from neurosim.errors import NeurosimError
from neurosim.kernels.anneal import anneal
from neurosim.mapping.mapper import placed
from neurosim.mapping.place import PLACERS, Search
from neurosim.mapping.place.annealing import STARTS
from neurosim.mapping.place.floorplan import floorplan
from neurosim.mapping.place.greedy import between
from neurosim.mapping.place.hilbert import distance
from neurosim.mapping.wires import Wires, traffic
from tests.helpers.examples import changed, evaluated, examples, mappings, runs, traced
from tests.helpers.strategies import networks

pytestmark = pytest.mark.small

loose = st.builds(lambda seed: np.random.default_rng(seed), st.integers(0, 2**32 - 1))


def plan_of(mapping):
    return floorplan(mapping.chip, np.full(len(mapping.used), -1))


def walled(mapping, pinned):
    """The same mapping with these bricks pinned."""
    return replace(mapping, pinned=frozenset(int(i) for i in pinned))


@pytest.mark.parametrize("placer", list(PLACERS))
@examples(25)
@given(networks().flatmap(mappings), loose)
def test_every_brick_gets_a_core_and_pins_stay(placer, mapping, rng):
    """Those that share a core go on sharing it."""
    pinned = np.flatnonzero(rng.random(len(mapping.bricks)) < 0.3)
    found = placed(walled(mapping, pinned), placer, search=Search(seed=1))
    assert found.home.tolist() == mapping.home.tolist()
    assert ((found.cores >= 0) & (found.cores < mapping.chip.cores)).all()
    assert found.cores[pinned].tolist() == mapping.cores[pinned].tolist()
    assert found.bricks == mapping.bricks and found.placer == PLACERS.of(placer)[0]
    again = placed(walled(mapping, pinned), placer, search=Search(seed=1))
    assert again.cores.tolist() == found.cores.tolist()


@pytest.mark.parametrize("placer", list(PLACERS))
@examples(25)
@given(networks().flatmap(mappings))
def test_as_few_chips_are_used_as_hold_the_bricks(placer, mapping):
    """Those without any draw no power."""
    found, chip = placed(mapping, placer, search=Search(seed=1)), mapping.chip
    used = {found.grid.chip_of(found.grid.tile_of(core)) for core in found.used.tolist()}
    assert len(used) == -(-len(found.used) // (chip.cores // chip.chips))


@examples(40)
@given(runs())
def test_expected_traffic_is_what_a_run_counts(case):
    inputs, mapping = case
    trace = traced(inputs, mapping)
    found = traffic(mapping.wires(trace).load(mapping.grid, mapping.used), mapping.grid)
    counts = evaluated(inputs, mapping, timing="analytic").counts
    assert found.flit_hops * len(trace) == pytest.approx(counts["flit_hops"])
    assert found.crossings * len(trace) == pytest.approx(counts["inter_chip_flits"])
    links = evaluated(inputs, mapping, timing="analytic").time.tally.flits
    assert found.busiest * len(trace) == pytest.approx(links.max(initial=0))


@examples(40)
@given(networks().flatmap(mappings), loose)
def test_lengths_are_those_of_the_routes_where_links_between_chips_are_like_others(mapping, rng):
    chip = mapping.chip
    if chip.board:
        mesh = chip.mesh
        chip = changed(chip, {"board.pj": 0, "board.link_cycles": mesh.link_cycles, "board.link_interval": mesh.link_interval})
    cores = rng.permutation(chip.cores)[: len(mapping.used)]
    mapping = replace(mapping, chip=chip, cores=cores[mapping.home])
    wires = mapping.wires()
    assert plan_of(mapping).length(wires, cores) == pytest.approx(wires.load(mapping.grid, cores).sum())


def test_a_link_between_chips_is_as_long_as_it_is_dear():
    board = {"columns": 2, "rows": 1, "link_cycles": 9, "pj": 6.38, "source": "made up"}
    chip = ns.Chip.parse(ns.load_chip("mesh45").values | {"board": board}, "board")
    plan = floorplan(chip, np.array([-1, -1]))
    # Energy of two hops of 3.19 pJ besides its own; eight cycles more than a link of one, of the four that a hop takes.
    assert plan.x[8] - plan.x[7] == pytest.approx(1 + (2 + 2) / 2)
    assert plan.x[7] - plan.x[6] == plan.y[16] - plan.y[0] == 1


@examples(30)
@given(networks().flatmap(mappings), loose)
def test_annealing_is_never_longer_than_where_it_begins_and_knows_its_length(mapping, rng):
    plan, wires = plan_of(mapping), mapping.wires()
    cores = PLACERS["annealing"](wires, plan, Search(seed=3))
    for start in STARTS:
        assert plan.length(wires, cores) <= plan.length(wires, start(wires, plan, Search(seed=3))) * (1 + 1e-9)


@examples(40)
@given(networks().flatmap(mappings), loose)
def test_what_moves_save_is_what_the_wires_become_shorter(mapping, rng):
    """Also where both bricks of a swap hang on one net."""
    plan, wires = plan_of(mapping), mapping.wires()
    state = plan.state(wires, mapping.used)
    before = float(state[7] @ wires.flits)
    moves = np.stack([rng.choice(len(mapping.used), 300), rng.choice(mapping.chip.cores, 300)], axis=1)
    saved = anneal(moves, rng.random(300), np.full(300, before / 10 + 1), *state)
    after = plan.length(wires, state[0])
    assert before - saved == pytest.approx(after) == pytest.approx(float(state[7] @ wires.flits))
    assert sorted(state[1][state[1] >= 0].tolist()) == list(range(len(mapping.used)))
    assert (state[1][state[0]] == np.arange(len(mapping.used))).all()


def test_the_seed_of_a_placement_is_kept(tmp_path):
    network = ns.load_network("models/mnist_vgg_t5.h5")
    mapping = ns.map_network(network, ns.load_chip("mesh45"), "random", search=Search(seed=7))
    assert mapping.seed == 7 and ns.map_network(network, ns.load_chip("mesh45"), "greedy", search=Search(seed=7)).seed is None
    for suffix in (".h5", ".json"):
        mapping.save(tmp_path / f"map{suffix}")
        assert ns.load_mapping(tmp_path / f"map{suffix}", network, mapping.chip).seed == 7


def test_annealing_ends_when_the_time_is_up_and_says_how_far_it_is():
    mapping = ns.map_network(ns.load_network("models/mnist_vgg_t5.h5"), ns.load_chip("mesh45"))
    seen = []
    placed(mapping, "annealing", search=Search(seconds=0.0, progress=seen.append))
    assert len(seen) == 1
    placed(mapping, "annealing", search=Search(progress=seen.append))
    assert seen[1:] == sorted(seen[1:]) and seen[-1] == 1.0 and len(seen) > 50


def grid_of(size, tile=1):
    """A network whose bricks talk to their neighbours in a square, and nobody else."""
    number = np.arange(size * size).reshape(size, size)
    pairs = [(a, b) for one, other in ((number[:, :-1], number[:, 1:]), (number[:-1], number[1:]))
             for a, b in zip(one.ravel(), other.ravel(), strict=True)]  # fmt: skip
    sender, target = np.array(pairs).T
    shuffled = np.random.default_rng(0).permutation(size * size)
    return Wires(size * size, shuffled[sender], np.arange(len(sender) + 1), shuffled[target], np.ones(len(sender)))


def mesh(size):
    chip = ns.load_chip("mesh45", [f"mesh.width={size}", f"mesh.height={size}"])
    return floorplan(chip, np.full(size * size, -1))


@pytest.mark.parametrize(("placer", "most"), [("spectral", 1.9), ("qap", 2.0), ("annealing", 1.6), ("greedy", 2.6)])
def test_a_shuffled_square_is_laid_out_nearly_as_it_was(placer, most):
    """64 bricks, 112 wires of length one at best; thrown about they are more than five long."""
    wires, plan = grid_of(8), mesh(8)
    assert plan.length(wires, PLACERS["random"](wires, plan, Search())) > 5 * 112
    assert plan.length(wires, PLACERS[placer](wires, plan, Search())) <= most * 112


@settings(max_examples=20)
@given(st.integers(0, 5))
def test_along_the_hilbert_curve_every_step_is_one_link(bits):
    size = 2**bits
    y, x = np.divmod(np.arange(size * size), size)
    along = distance(x, y)
    assert sorted(along.tolist()) == list(range(size * size))
    order = np.argsort(along)
    assert (np.abs(np.diff(x[order])) + np.abs(np.diff(y[order])) == 1).all()


@pytest.mark.parametrize("placer", ["greedy", "spectral", "qap", "annealing", "hilbert", "row-major"])
def test_what_fits_one_chip_stays_on_one(placer):
    board = {"columns": 2, "rows": 2, "link_cycles": 90, "pj": 30, "source": "made up"}
    chip = ns.Chip.parse(ns.load_chip("mesh45").values | {"board": board}, "board")
    plan = floorplan(chip, np.full(25, -1))
    cores = PLACERS[placer](grid_of(5), plan, Search())
    assert len({chip.grid.chip_of(chip.grid.tile_of(int(core))) for core in cores}) == 1


@pytest.mark.parametrize(("columns", "rows"), [(2, 2), (2, 1), (1, 2), (4, 2)])
def test_the_middle_of_several_chips_lies_on_one_of_them(columns, rows):
    board = {"columns": columns, "rows": rows, "link_cycles": 90, "pj": 30, "source": "made up"}
    chip = ns.Chip.parse(ns.load_chip("mesh45").values | {"board": board}, "board")
    plan = floorplan(chip, np.full(chip.cores, -1))
    x, y = plan.middle
    for at, places in ((x, plan.x), (y, plan.y)):
        assert np.abs(places - at).min() <= 0.5


def test_hilbert_fills_one_chip_after_the_other():
    board = {"columns": 2, "rows": 2, "link_cycles": 9, "pj": 1, "source": "made up"}
    chip = ns.Chip.parse(ns.load_chip("mesh45").values | {"board": board}, "board")
    plan = floorplan(chip, np.full(256, -1))
    cores = PLACERS["hilbert"](grid_of(16), plan, Search())
    chips = [chip.grid.chip_of(int(core)) for core in cores]
    assert [chips[i : i + 64].count(chips[i]) for i in range(0, 256, 64)] == [64] * 4


@examples(30)
@given(networks().flatmap(mappings))
def test_greedy_puts_the_last_brick_where_it_is_best(mapping):
    """Of the free cores, none is nearer to those that it talks to."""
    plan, wires = plan_of(mapping), mapping.wires()
    assume(len(mapping.bricks) > 1)
    cores = PLACERS["greedy"](wires, plan, Search())
    flits = between(wires).toarray()
    free = np.setdiff1d(np.arange(mapping.chip.cores), cores)
    # The last one placed is among those for which no free core would be better.
    best = []
    for brick in range(len(cores)):
        here = sum(flits[brick, other] * plan.apart(plan.x[cores[other]], plan.y[cores[other]], np.array([cores[brick]]))[0]
                   for other in range(len(cores)) if other != brick)  # fmt: skip
        there = [sum(flits[brick, other] * plan.apart(plan.x[cores[other]], plan.y[cores[other]], np.array([core]))[0]
                     for other in range(len(cores)) if other != brick) for core in free]  # fmt: skip
        best.append(here <= min(there, default=np.inf) + 1e-9)
    assert any(best)


def test_chances_differ_with_the_seed():
    wires, plan = grid_of(8), mesh(8)
    one, other = (PLACERS["random"](wires, plan, Search(seed=seed)) for seed in (0, 1))
    assert one.tolist() != other.tolist()


def test_too_many_bricks_for_qap_are_refused():
    with pytest.raises(NeurosimError, match=r"1,600 bricks, at most 1,500 are feasible; use 'annealing'"):
        PLACERS["qap"](grid_of(40), mesh(40), Search())


@examples(40)
@given(networks().flatmap(mappings))
def test_wires_lead_from_every_core_to_those_that_its_spikes_reach(mapping):
    wires, reached = mapping.wires(), Counter()
    for fan in mapping.fans.values():
        spikes = fan.groups @ fan.neurons * mapping.chip.mesh.flits_per_packet
        for group, sender in enumerate(fan.sender.tolist()):
            home = int(mapping.home[sender])
            for target in {*mapping.home[fan.target[fan.first[group] : fan.first[group + 1]]].tolist()} - {home}:
                if sender >= 0:
                    reached[home, target] += spikes[group]
    found = Counter()
    for sender, target, flits in zip(*wires.pairs(), strict=True):
        found[int(sender), int(target)] += flits
    assert found == reached
    starts, nets = wires.incident
    for brick in range(wires.bricks):
        mine = {net for net in range(len(wires.sender))
                if wires.sender[net] == brick or brick in wires.target[wires.first[net] : wires.first[net + 1]]}  # fmt: skip
        assert sorted(nets[starts[brick] : starts[brick + 1]].tolist()) == sorted(mine)


def test_wires_of_another_network_are_refused():
    mapping = ns.map_network(ns.load_network("models/mnist_vgg_t5.h5"), ns.load_chip("mesh45"))
    other = ns.Network.build("other", timesteps=1, input_shape=(1, 1, 1), encoding="spikes", layers=[ns.Output("out", [[1]])])
    trace = ns.simulate(other, ns.Inputs.from_spikes(np.ones((1, 1, 1, 1, 1))))
    with pytest.raises(ns.NeurosimError, match="it belongs to another network"):
        placed(mapping, "greedy", trace)
