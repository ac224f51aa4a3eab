"""Spikes for other tools: what their own readers, where they are installed, find in our files."""

import csv

import h5py
import numpy as np
import pytest

import neurosim as ns
from neurosim.io.spike_files import save_csv, save_nirdata, save_sonata
from tests.helpers import samples
from tests.helpers.samples import call, refused


@pytest.fixture(scope="module", params=["direct", "spikes"])
def trace(request):
    network = samples.residual(request.param)
    return ns.simulate(network, samples.inputs(network, 3))


def populations(trace):
    """{name: bool [N, T, neurons]}"""
    names = [layer.name for layer in trace.network.layers if layer.spiking]
    names += ["input"] if trace.input_bits is not None else []
    return {name: trace.spikes(name).reshape(len(trace), trace.timesteps, -1) for name in names}


def test_sonata_holds_every_spike_once_at_its_time(trace, tmp_path):
    for sample in range(3):
        save_sonata(trace, tmp_path / "spikes.h5", sample, 0.002)
        with h5py.File(tmp_path / "spikes.h5") as file:
            assert set(file["spikes"]) == set(populations(trace))
            for name, spikes in populations(trace).items():
                group = file["spikes"][name]
                times, neurons = group["timestamps"][()], group["node_ids"][()]
                assert group["timestamps"].attrs["units"] == "ms" and (np.diff(times) >= 0).all()
                assert neurons.dtype == np.uint64 and times.dtype == np.float64
                found = np.zeros(spikes.shape[1:], int)
                np.add.at(found, (np.rint(times / 2.0).astype(int), neurons.astype(int)), 1)
                assert (found == spikes[sample]).all()


def test_libsonata_reads_it(trace, tmp_path):
    libsonata = pytest.importorskip("libsonata")
    save_sonata(trace, tmp_path / "spikes.h5", 1, 0.001)
    reader = libsonata.SpikeReader(str(tmp_path / "spikes.h5"))
    for name, spikes in populations(trace).items():
        population = reader[name]
        assert population.sorting == "by_time" and population.time_units == "ms"
        step, neuron = np.nonzero(spikes[1])
        assert population.get() == [(int(n), float(t)) for t, n in zip(step, neuron, strict=True)]


def test_nir_reads_its_data(trace, tmp_path):
    nir = pytest.importorskip("nir")
    save_nirdata(trace, tmp_path / "spikes.h5", 0.001)
    found = nir.read_data(tmp_path / "spikes.h5")
    assert set(found.nodes) == set(populations(trace))
    for name, spikes in populations(trace).items():
        grid = found.nodes[name].observables["spikes"]
        assert isinstance(grid, nir.TimeGriddedData) and grid.dt == 0.001
        assert grid.data.dtype == bool and (grid.data == spikes).all()


def test_csv_has_a_line_per_spike(trace, tmp_path):
    save_csv(trace, tmp_path / "spikes.csv")
    with (tmp_path / "spikes.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {name: np.zeros_like(spikes, int) for name, spikes in populations(trace).items()}
    for row in rows:
        _, height, width = trace.network.shape_of(row["layer"])
        neuron = (int(row["channel"]) * height + int(row["row"])) * width + int(row["column"])
        found[row["layer"]][int(row["sample"]), int(row["step"]), neuron] += 1
    assert all((found[name] == spikes).all() for name, spikes in populations(trace).items())


@pytest.fixture(scope="module")
def recorded(trace, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "trace.h5"
    trace.save(path)
    return path


@pytest.mark.parametrize("to", ["sonata", "nirdata", "csv"])
def test_the_command_writes_them(recorded, tmp_path, to):
    found = call("export", recorded, "--to", to, "-o", tmp_path / "out", *(() if to == "csv" else ("--dt", "0.001")))
    assert found.code == 0 and (tmp_path / "out").stat().st_size > 100


def test_what_a_trace_does_not_say_must_be_said(recorded, tmp_path):
    for to in ("sonata", "nirdata"):
        refused("export", recorded, "--to", to, "-o", tmp_path / "out", says="needs --dt S, the seconds that a step stands for")
        refused("export", recorded, "--to", to, "-o", tmp_path / "out", "--dt", "0", says="needs --dt S")
    refused("export", recorded, "--to", "sonata", "-o", tmp_path / "out", "--dt", "1", "--sample", "3", says="no sample 3")
    refused("export", recorded, "--to", "csv", "-o", tmp_path / "out", "--chip", "loihi", says="a trace has no chip")
    refused("export", recorded, "--to", "csv", "-o", recorded, says="is also read")
    assert not (tmp_path / "out").exists()
