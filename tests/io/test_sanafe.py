"""What is written for SANA-FE: run by its rules, restated below, and by SANA-FE itself where it is installed."""

import csv
import re
from collections import Counter

import numpy as np
import pytest

import neurosim as ns
from neurosim.errors import ChipError, NetworkError
from neurosim.io.sanafe_files import ARCHITECTURE, GATES, LARGEST, NETWORK, depths, save_sanafe, scale_of
from tests.helpers.samples import call, floating, only_json, residual, weights

STEPS = 4


def peer(seed=3, compare=">", leak=None):
    """Convolutions with a folded pool, a dense layer, all of one depth after the other."""
    rng = np.random.default_rng(seed)
    layers = [
        ns.Conv("conv1", weights(rng, 4, 2, 3, 3), threshold=900, padding=1),
        ns.Conv("conv2", weights(rng, 6, 4, 3, 3), threshold=500, padding=1, pool="sum2", leak=leak),
        ns.Conv("conv3", weights(rng, 5, 6, 3, 3), threshold=500, padding=1, stride=2, inputs=["conv2"]),
        ns.Dense("fc1", weights(rng, 12, 20), threshold=400),
        ns.Output("out", weights(rng, 3, 12)),
    ]  # fmt: skip
    return ns.Network.build("peer", timesteps=STEPS, input_shape=(2, 6, 6), layers=layers, compare=compare)


def evaluated(network, seed=4, **changes):
    images = np.random.default_rng(seed).integers(0, 9, (1, 2, 6, 6)).astype(np.uint8)
    settings = {"core.max_neurons": 20, "mesh.width": 6, "mesh.height": 5, **changes}
    chip = ns.load_chip("loihi-fitted", [f"{path}={value}" for path, value in settings.items()])
    mapping = ns.map_network(network, chip)
    return ns.evaluate(ns.simulate(network, ns.Inputs(images), state_bits=chip.core.state_bits), mapping, timing="analytic")


class Rules:
    """The written network, by SANA-FE's rules: a packet is seen in the next step; in a step, potentials decay, are truncated,
    take what has arrived, and fire above the threshold."""

    def __init__(self, text):
        head, edges = text.split("  edges:\n")
        edges, places = edges.split("mappings:\n")
        self.trains, self.attributes = {}, {}
        for group in head.split("    - name: ")[1:]:
            name = group.split("\n")[0]
            for neuron, train in re.findall(r"- (\d+): \[spikes: \[([01, ]*)\]\]", group):
                self.trains[name, int(neuron)] = [int(x) for x in train.split(",")]
            soma = r"- 0\.\.(\d+): \[soma: {threshold: ([\d.e+]+), leak_decay: ([\d.]+)"
            for last, threshold, decay in re.findall(soma, group):
                for neuron in range(int(last) + 1):
                    self.attributes[name, neuron] = float(threshold), float(decay)
        self.synapses = {}
        for a, i, b, j, weight in re.findall(r"- (\w+)\.(\d+) -> (\w+)\.(\d+): \[weight: (-?[\d.e+]+)\]", edges):
            self.synapses.setdefault((a, int(i)), []).append(((b, int(j)), float(weight)))
        self.core = {(a, int(i)): core for a, i, core in re.findall(r"- (\w+)\.(\d+): \[core: ([\d.]+)", places)}

    def run(self, steps):
        """({(group, neuron): steps in which it fired}, synaptic events, packets)."""
        potential, arriving, fired = Counter(), Counter(), {}
        events = packets = 0
        for step in range(steps):
            firing = [neuron for neuron, train in self.trains.items() if step < len(train) and train[step]]
            for neuron, (threshold, decay) in self.attributes.items():
                truncated = int(potential[neuron] * (decay if step else 1) * 64) / 64
                potential[neuron] = truncated + arriving[neuron]
                assert abs(potential[neuron]) < 2**25 or neuron[0] == "out"
                if potential[neuron] > threshold:
                    potential[neuron] -= threshold
                    firing.append(neuron)
            arriving = Counter()
            for neuron in firing:
                fired.setdefault(neuron, []).append(step)
                for target, weight in self.synapses.get(neuron, ()):
                    arriving[target] += weight
                    events += 1
                packets += len({self.core[target] for target, _ in self.synapses.get(neuron, ())})
        return fired, events, packets


def assert_same_spikes(result, fired):
    """Those of every layer, later by its depth."""
    for name, late in depths(result.trace.network).items():
        if result.trace.network.layer(name).spiking:
            step, neuron = np.nonzero(result.trace.spikes(name)[0].reshape(STEPS, -1))
            ours = set(zip((step + late).tolist(), neuron.tolist(), strict=True))
            assert ours == {(at, n) for (group, n), steps in fired.items() if group == name for at in steps}, name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("compare", [">", ">="])
def test_what_is_written_fires_the_same_spikes_by_its_rules(tmp_path, seed, compare):
    result = evaluated(peer(seed, compare=compare), seed)
    told = save_sanafe(result, tmp_path)
    rules = Rules((tmp_path / NETWORK).read_text())
    fired, events, packets = rules.run(told["timesteps"])
    assert_same_spikes(result, fired)
    assert (events, packets) == (told["spikes"], told["packets_sent"])
    assert sum(map(len, fired.values())) == told["neurons_fired"]
    gates = [neuron for neuron in fired if neuron[0] == GATES]
    assert len(gates) == 3 and told["neurons_fired"] == result.counts["spikes"] + 3
    assert set(rules.core) == set(rules.attributes) | set(rules.trains)


def test_without_gates_layers_would_go_on(tmp_path):
    result = evaluated(peer())
    told = save_sanafe(result, tmp_path)
    fired, *_ = Rules(re.sub(rf"    - {GATES}.*weight.*\n", "", (tmp_path / NETWORK).read_text())).run(told["timesteps"])
    with pytest.raises(AssertionError):
        assert_same_spikes(result, fired)


def test_residual_blocks_whose_ways_are_equally_long(tmp_path):
    rng = np.random.default_rng(8)
    layers = [
        ns.Conv("a", weights(rng, 3, 2, 3, 3), threshold=700, padding=1),
        ns.Conv("b", weights(rng, 3, 2, 3, 3), threshold=900, padding=1, inputs=["input"]),
        ns.Conv("c", weights(rng, 3, 3, 3, 3), threshold=400, padding=1, inputs=["a"], shortcuts=[ns.Shortcut("b", scale=64)]),
        ns.Output("out", weights(rng, 3, 108)),
    ]  # fmt: skip
    result = evaluated(ns.Network.build("two ways", timesteps=STEPS, input_shape=(2, 6, 6), layers=layers))
    told = save_sanafe(result, tmp_path)
    fired, events, _ = Rules((tmp_path / NETWORK).read_text()).run(told["timesteps"])
    assert_same_spikes(result, fired)
    assert events == told["spikes"]


def test_sanafe_counts_the_same_and_its_energy_is_ours_but_for_what_is_itemised(tmp_path):
    sanafe = pytest.importorskip("sanafe")
    result = evaluated(peer())
    told = save_sanafe(result, tmp_path)
    architecture = sanafe.load_arch(str(tmp_path / ARCHITECTURE))
    chip = sanafe.SpikingChip(architecture)
    chip.load(sanafe.load_net(str(tmp_path / NETWORK), architecture))
    found = chip.sim(told["timesteps"], timing_model="simple", spike_trace=True)
    assert {name: found[name] for name in ("spikes", "packets_sent", "neurons_fired")} == {
        name: told[name] for name in ("spikes", "packets_sent", "neurons_fired")
    }
    fired = {}
    for step, addresses in enumerate(found["spike_trace"]):
        for address in addresses:
            fired.setdefault((address.group_name, address.neuron_offset), []).append(step)
    assert_same_spikes(result, fired)
    cost, network, mapping = result.mapping.chip.operation, result.trace.network, result.mapping
    ours = result.energy.by_component_J
    # Each gate sends one packet to every core of its layer, and reaches all its neurons.
    gated = [network.layer(name) for name in ("conv2", "conv3", "fc1")]
    cores = {layer.name: mapping.cores[mapping.layer_of == network.layers.index(layer)] for layer in gated}
    offsets = [mapping.grid.offset(int(mine[0]), int(core)) for mine in cores.values() for core in mine]
    gates = len(offsets) * cost.packet.pj + sum(abs(x) * cost.hop_x.pj + abs(y) * cost.hop_y.pj for x, y in offsets)
    energy = {name: joules * 1e12 for name, joules in found["energy"].items()}
    gate_events = sum(layer.neurons for layer in gated) * cost.accumulate.pj
    assert energy["synapse"] == pytest.approx(ours["accumulates"] * 1e12 + gate_events, rel=1e-9)
    assert energy["network"] == pytest.approx((ours["packets"] + ours["mesh"]) * 1e12 + gates, rel=1e-9)
    # It visits every neuron in every step, the output's too; those that the image feeds are input units and cost nothing.
    there = sum(layer.neurons for layer in network.layers[1:])
    inputs = len(gated) + int(result.trace.spikes("conv1").sum())
    visits = there * told["timesteps"] * cost.update_idle.pj
    updates = (found["neurons_updated"] - inputs) * (cost.update_active.pj - cost.update_idle.pj)
    assert energy["soma"] == pytest.approx(visits + updates + (told["neurons_fired"] - inputs) * cost.spike.pj, rel=1e-9)


def test_messages_of_sanafe_come_through_our_mesh(tmp_path):
    """Our steps are no shorter than those without any network, and about as long as those with its own."""
    sanafe = pytest.importorskip("sanafe")
    told = save_sanafe(evaluated(peer()), tmp_path)
    architecture = sanafe.load_arch(str(tmp_path / ARCHITECTURE))
    sync = 1.8e-6
    for timing in ("simple", "detailed"):
        chip = sanafe.SpikingChip(architecture)
        chip.load(sanafe.load_net(str(tmp_path / NETWORK), architecture))
        file, perf = tmp_path / f"{timing}.csv", tmp_path / "perf.csv"
        counts = chip.sim(told["timesteps"], timing_model=timing, message_trace=str(file), perf_trace=str(perf))
        steps = [float(line.split(",")[6]) - sync for line in perf.read_text().splitlines()[1:]]
        delays = ("--router-cycles", 1, "--link-cycles", 64)
        found = call("noc", "--packets", file, "--mesh", "6x5", "--clock-hz", 1e10, *delays, "--json", "-")
        assert (found.code, found.err) == (0, "")
        ours = only_json(found.out)
        assert ours["packets"] == counts["packets_sent"] == told["packets_sent"]
        with file.open() as lines:
            rows = [row for row in csv.DictReader(lines) if row["dest_hw"] != "x.x"]
        compared = ours["sanafe"]["compared"]
        for name, column in (("network_delay", "network_delay"), ("least_delay", "min_hop_delay")):
            assert compared[name]["sanafe_seconds"] == pytest.approx(sum(float(row[column]) for row in rows))
        assert ours["hops_mean"] == pytest.approx(sum(int(row["hops"]) for row in rows) / len(rows))
        # Six cycles in routers and cores, less than its 4 ns that no link is to pay for.
        assert 0 < compared["least_delay"]["neurosim_cycles_mean"] - compared["least_delay"]["sanafe_cycles_mean"] < 6
        for step, theirs in zip(ours["sanafe"]["steps"], steps, strict=True):
            if timing == "simple":
                assert step["cycles"] >= theirs * 1e10 - 1 and step["sanafe_cycles"] is None
            else:
                assert step["cycles"] == pytest.approx(theirs * 1e10, rel=0.05)
                assert step["sanafe_cycles"] == pytest.approx(theirs * 1e10, rel=1e-4)


def test_what_has_no_counterpart_is_refused_all_at_once(tmp_path):
    with pytest.raises(NetworkError) as error:
        depths(residual())
    assert "'conv3' would see its sources at different steps" in str(error.value)
    with pytest.raises(NetworkError) as error:
        depths(floating("spikes", reset="zero"))
    assert len(error.value.problems) >= 2 and "reset to zero" in str(error.value) and "made of spikes" in str(error.value)
    large = ns.Network.build(
        "large", timesteps=1, input_shape=(1, 40, 40),
        layers=[ns.Conv("a", np.ones((40, 1, 1, 1), int), 1), ns.Conv("b", np.ones((9, 40, 3, 3), int), 1, padding=1),
                ns.Output("out", np.ones((1, 14400), int))],
    )  # fmt: skip
    with pytest.raises(NetworkError, match="synapses if each is written; at most 2,000,000"):
        depths(large)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mesh.delivery": "multicast"}, "multicast"), ({"mesh.topology": "torus"}, "torus"),
        ({"core.state_bits": 12}, "clipped"),
    ],
)
def test_a_chip_without_a_counterpart_is_refused(tmp_path, changes, words):
    with pytest.raises(ChipError, match=words):
        save_sanafe(evaluated(peer(), **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_yaml_would_read_otherwise_are_refused():
    layers = [ns.Conv("c: 1 -> x", np.ones((1, 1, 1, 1), int), 1), ns.Output("out", np.ones((1, 4), int))]
    with pytest.raises(NetworkError, match="more than letters"):
        depths(ns.Network.build("odd", timesteps=1, input_shape=(1, 2, 2), layers=layers))


def test_integer_leaks_are_said_to_be_rounded_here_alone(tmp_path):
    assert save_sanafe(evaluated(peer()), tmp_path)["exact"]
    assert not save_sanafe(evaluated(peer(leak=(3, 2))), tmp_path)["exact"]


def test_potentials_set_the_scale():
    result = evaluated(peer())
    peak = max(float(np.abs(found.peak).max()) for name, found in result.trace.layers.items() if name != "out")
    assert LARGEST / 2 < peak * scale_of(result.trace) <= LARGEST


def test_the_command(tmp_path):
    network = peer()
    network.save(tmp_path / "net.h5")
    images = np.random.default_rng(4).integers(0, 9, (3, 2, 6, 6)).astype(np.uint8)
    np.save(tmp_path / "in.npy", images)
    sanafe = ["export", tmp_path / "net.h5", "--to", "sanafe", "-o", tmp_path / "out"]
    found = call(*sanafe, "--inputs", tmp_path / "in.npy", "--sample", 2)
    assert found.code == 0 and "must count" in found.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {ARCHITECTURE, NETWORK}
    found = call(*sanafe)
    assert found.code == 2 and "--inputs" in found.err
    found = call(*sanafe, "--inputs", tmp_path / "in.npy", "--sample", 3)
    assert found.code == 2 and "--sample 3" in found.err and "holds 3 samples" in found.err
    found = call("export", tmp_path / "net.h5", "--to", "accelergy", "-o", tmp_path / "x.yaml", "--chip", "loihi")
    assert found.code == 2 and "--chip" in found.err
