"""Nothing is free: on a chip whose every part has a price, twice as much of anything makes energy, time or area worse, or
changes none of them."""

from dataclasses import replace

import pytest

import neurosim as ns
from neurosim.cost.ann import Inference
from neurosim.cost.spikeless import Spikeless
from neurosim.cost.without import without
from neurosim.errors import ChipError, NeurosimError
from tests.helpers import samples
from tests.helpers.examples import changed

# Memories off the chip have prices by hand; more tiles are another machine; and a faster clock saves leakage at one voltage.
ELSEWHERE = ("memory.dram.", "mesh.width", "mesh.height", "mesh.cores_per_tile", "clock.hz")
SIZED = ("core.", "mesh.", "memory.")
NO_SIZE = ("uncertainty", "node_nm", "miss_rate", "leakage_mw", "area_mm2", "pj")
CHIP = ns.load_chip("lp45", ["mesh.width=6", "mesh.height=6"])
# So narrow that small networks feel every doubling.
NARROW = {
    "core.lanes": 1, "core.update_lanes": 1, "mesh.flit_bits": 16, "mesh.virtual_channels": 1, "mesh.buffer_flits": 2,
    "memory.weight_sram.word_bits": 16, "memory.weight_sram.banks": 1, "memory.state_sram.word_bits": 24,
    "memory.state_sram.banks": 1, "memory.state_sram.ports": "1rw",
}  # fmt: skip
# Four registers are enough for a few sites of small networks, 40 for all that a spike reaches.
CHIPS = {
    "as it ships": CHIP, "narrow": changed(CHIP, NARROW), "registers": CHIP.replace("core.accumulate_registers", 40),
    "narrow, a few registers": changed(CHIP, NARROW | {"core.accumulate_registers": 4}),
}  # fmt: skip


def sizes(name="lp45"):
    """The settings of a chip that are sizes, rates or widths."""
    settings = ns.load_chip(name).settings.items()
    numbers = {p: v for p, v in settings if isinstance(v, int) and not isinstance(v, bool) and p.startswith(SIZED)}
    return [p for p in numbers if not p.startswith(ELSEWHERE) and not p.endswith(NO_SIZE)]


@pytest.fixture(scope="module")
def case():
    network = samples.residual()
    mapping = ns.map_network(network, CHIP.replace("core.max_neurons", 24))
    trace = ns.simulate(network, samples.inputs(network, 3), state_bits=24)
    return trace, mapping


def judged(trace, mapping, timing):
    run = ns.evaluate(trace, mapping, timing=timing)
    return {"energy": run.energy.total_J, "time": run.time.seconds, "area": mapping.chip.area_mm2}


@pytest.mark.parametrize("timing", ["analytic", "packet"])
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("path", sizes())
def test_twice_as_much_is_not_better_in_everything(case, path, chip, timing):
    (trace, mapping), chip = case, CHIPS[chip]
    try:
        twice = chip.replace(path, 2 * chip.settings[path])
        more = judged(trace, replace(mapping, chip=twice), timing)
    except NeurosimError as refused:
        assert isinstance(refused, ChipError)
        return
    before = judged(trace, replace(mapping, chip=chip), timing)
    worse, better = ([name for name in before if sign * more[name] > sign * before[name]] for sign in (1, -1))
    assert worse or not better, (path, before, more)


@pytest.mark.parametrize("path", sizes("ann45"))
def test_nor_is_it_for_the_network_without_spikes_on_its_machine(path):
    chip = ns.load_chip("ann45", ["mesh.width=6", "mesh.height=6"])
    mapping = ns.map_network(samples.residual(), chip)
    try:
        twice = replace(mapping, chip=chip.replace(path, 2 * chip.settings[path]))
    except NeurosimError as refused:
        assert isinstance(refused, ChipError)
        return
    before, more = spikeless(mapping), spikeless(twice)
    worse, better = ([name for name in before if sign * more[name] > sign * before[name]] for sign in (1, -1))
    assert worse or not better, (path, before, more)


def spikeless(mapping):
    side, work = Spikeless(mapping), Inference(Spikeless(mapping))
    cycles = work.cycles(work.busy("rows"))
    time, area = cycles / mapping.chip.clock.hz, mapping.chip.area_mm2
    return {"energy": without(side, 1).told(1)["total_J"], "time": time, "area": area}


@pytest.mark.parametrize("path", ["core.ann_sites", "core.lanes"])
def test_a_larger_array_is_faster_and_larger(path):
    chip = ns.load_chip("ann45", ["mesh.width=6", "mesh.height=6", "core.lanes=1", "core.ann_sites=2"])
    one, two = (spikeless(ns.map_network(samples.residual(), c)) for c in (chip, chip.replace(path, 2 * chip.settings[path])))
    assert two["time"] < one["time"] and two["area"] > one["area"]


@pytest.mark.parametrize("path", ["core.lanes", "mesh.flit_bits", "memory.state_sram.banks"])
def test_small_networks_feel_it(case, path):
    trace, mapping = case
    chips = (CHIPS["narrow"], CHIPS["narrow"].replace(path, 2 * NARROW[path]))
    slow, fast = (judged(trace, replace(mapping, chip=chip), "packet") for chip in chips)
    assert fast["time"] < slow["time"] and fast["area"] > slow["area"]


@pytest.mark.parametrize("chip", [name for name in CHIPS if "register" in name])
def test_small_networks_use_registers(case, chip):
    trace, mapping = case
    run = ns.evaluate(trace, replace(mapping, chip=CHIPS[chip]), timing="analytic")
    assert run.energy.by_component_J["registers"] > 0


def test_what_is_tried_are_all_sizes():
    known = {"core.lanes", "core.update_lanes", "core.state_bits", "mesh.flit_bits", "mesh.buffer_flits", "core.queue_packets"}
    known |= {"memory.weight_sram.bits", "memory.weight_sram.word_bits", "memory.weight_sram.banks", "mesh.virtual_channels"}
    assert known <= {*sizes()}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("clock.hz=5e9", "weight_sram' follows up to"), ("core.queue_packets=256", "need 8,192 bits"),
        ("core.state_bits=64", "core.state_bits"), ("memory.state_sram.words_per_cycle=64", "more banks or ports"),
    ],
)  # fmt: skip
def test_what_no_hardware_does_is_refused(change, says):
    with pytest.raises(ChipError, match=says):
        ns.load_chip("lp45", [change])


def test_lunches_that_were_free_once_are_paid_for():
    """A hundred times the memory, a thousand times the lanes, and words of 512 bits."""
    one = CHIP.replace("memory.weight_sram.bits", 2**16)
    assert one.area_mm2 * 5 < one.replace("memory.weight_sram.bits", 100 * 2**16).area_mm2
    assert CHIP.replace("core.lanes", 16_000).area_mm2 > 10 * CHIP.area_mm2
    wide = CHIP.replace("memory.weight_sram.word_bits", 512)
    assert wide.home("weights").prices.read_pj > 2.5 * CHIP.home("weights").prices.read_pj
