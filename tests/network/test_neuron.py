"""One table says what a neuron has: nothing that a layer can hold is missing from it, and nothing in it is without effect."""

import ast
import io
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import neurosim as ns
from neurosim.errors import FileError, NetworkError
from neurosim.io.nir.exporting import save_nir
from neurosim.io.nir.linear_nodes import LINEAR, NEURONS
from neurosim.io.nir.neuron_nodes import Cell
from neurosim.io.sanafe_files import depths
from neurosim.kernels.neurons import NeuronConstants
from neurosim.mapping.demand import numbers
from neurosim.network.layers import Conv, Layer, Shortcut
from neurosim.network.neuron import PARAMETERS, SHAPES
from neurosim.report.text import network_table
from tests.helpers import naive
from tests.helpers.packages import patched, replaced, under

ROOT = Path(__file__).parents[2]
# Names, synapses and shapes: what a layer or a shortcut is beside its parameters.
STRUCTURE = {
    "name", "weight", "pool", "inputs", "shortcuts", "weight_bits", "weight_scale", "in_shape", "shape", "stride", "padding",
    "source", "scale", "groups", "dilation", "pool_currents",
}  # fmt: skip
# For every parameter a value that changes what the layer of `network` does.
EXAMPLES = {
    "threshold": 6, "leak": (1, 1), "bias": 2, "rest": -2, "current_leak": (1, 1), "delay": 1,
    "weight_shift": 2, "bias_into": "potential",
    "initial": 3, "floor": 0, "refractory": 2, "leak_rounding": "zero", "graded": True, "reset": "none", "compare": ">=",
    "order": "leak, integrate, reset, compare",
}  # fmt: skip
# Where parameters are computed, by the column that says so.
COMPUTED = {
    "constants": ("neurosim/kernels/neurons.py", "neurosim/kernels/layer.py"),
    "rules": ("neurosim/spikes/population.py", "neurosim/network/network.py"),
    "currents": ("neurosim/spikes/simulate.py",),
    "synapses": ("neurosim/spikes/synapses.py",),
}


def network(resets_to="zero", **values):
    """Two layers; *values* are those of the first, as of version 0.7.0 where there are none."""
    layer = ns.Conv("a", np.array([1, 2, -3, 4]).reshape(2, 2, 1, 1), **({"threshold": 4} | values))
    layers = [layer, ns.Output("out", np.arange(24).reshape(3, 8))]
    return ns.Network.build("two", timesteps=5, input_shape=(2, 2, 2), encoding="spikes", reset=resets_to, layers=layers)


# What it takes besides for the value to matter.
BESIDE = {
    "leak_rounding": {"leak": (1, 1)}, "bias_into": {"bias": 2, "current_leak": (1, 1)},
    "graded": {"resets_to": "subtract", "bias": 9},
}  # fmt: skip


def with_example(name):
    return network(**(BESIDE.get(name, {}) | {name: EXAMPLES[name]}))


def without_example(name):
    return network(**BESIDE.get(name, {}))


SPIKES = np.random.default_rng(1).random((1, 5, 2, 2, 2)) < 0.5


def mentions(place, name):
    """Whether a Python file uses *name* as an attribute, an argument or a text."""
    tree = ast.parse((ROOT / place).read_text(encoding="utf-8"))
    used = {getattr(node, key, None) for node in ast.walk(tree) for key in ("attr", "arg", "value")}
    return name in {text for text in used if isinstance(text, str)}


def documented(row):
    """Its line in the docs."""
    default = "none" if row.default is None else str(row.default)
    nir = "; ".join(f"`{field}` of {', '.join(nodes)}" for field, nodes in row.nir.items())
    meaning = row.meaning + (f"; in floats: {row.in_floats}" if row.in_floats else "")
    cost = f"{row.state} + {row.own}"
    cells = (f"`{row.name}`", SHAPES[row.form], row.unit, default, meaning, row.read, row.grid, cost, nir or "-",
             "yes" if row.sanafe else "-", row.since)  # fmt: skip
    return f"| {' | '.join(cells)} |"


def forgotten(name):
    """Every place that has to know a parameter and does not."""
    row = PARAMETERS.get(name)
    if row is None:
        yield "neurosim/network/neuron.py: a row of PARAMETERS, which the hash, files, checks, demand, exports and inspect read"
    if (row is None or row.read == "constants") and name not in NeuronConstants._fields:
        yield "neurosim/kernels/neurons.py: a field of NeuronConstants (unless currents or synapses compute with it)"
    for places in (COMPUTED[row.read if row else "constants"], ("neurosim/training/reference.py",)):
        if not any(mentions(place, name) for place in places):
            yield f"{' or '.join(places)}: the code that computes with it"
    for place in ("tests/helpers/naive.py", "tests/helpers/strategies.py"):
        if not mentions(place, name):
            yield f"{place}: {'the slow twin' if 'naive' in place else 'values to draw'}"
    if (row is None or row.own or row.state) and not mentions("tests/helpers/hardware_twin.py", name):
        yield "tests/helpers/hardware_twin.py: what a visit of a neuron reads and writes"
    if row is not None and row.nir and not mentions("neurosim/io/nir/exporting.py", name):
        yield "neurosim/io/nir/exporting.py: the field of its nodes (and neurosim/io/nir/neuron_nodes.py: Cell)"
    if row is not None and row.sanafe and not mentions("neurosim/io/sanafe_files.py", name):
        yield "neurosim/io/sanafe_files.py: an attribute of the soma"
    if f"*{name}*" not in (Layer.__doc__ or "") and name not in (Layer.__doc__ or ""):
        yield "neurosim/network/layers.py: the docstring of Layer, with its equation"
    if f"| `{name}` |" not in (ROOT / "docs/network.md").read_text(encoding="utf-8"):
        yield "docs/network.md: a line of its table"
    if name not in EXAMPLES:
        yield "tests/network/test_neuron.py: EXAMPLES"


def test_every_field_is_structure_or_a_parameter_and_no_place_forgets_it():
    having = {field.name for kind in (Layer, Conv, Shortcut) for field in fields(kind)}
    names = [*sorted(having - STRUCTURE - set(PARAMETERS)), *PARAMETERS]
    missing = [f"{name!r} is missing in {place}" for name in names for place in forgotten(name)]
    assert not missing, "\n".join(["docs/extending.md says how to add a parameter.", *missing])
    assert having == STRUCTURE | set(PARAMETERS), f"in the tables, but no field: {(STRUCTURE | set(PARAMETERS)) - having}"


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_is_computed_hashed_saved_and_shown(name):
    plain, changed = without_example(name), with_example(name)
    assert changed.sha256 != plain.sha256
    traces = [ns.simulate(x, ns.Inputs.from_spikes(SPIKES), record_potentials=True) for x in (plain, changed)]
    potentials = [trace.potentials("a") for trace in traces]
    assert (potentials[0] != potentials[1]).any(), "nothing computes with it"
    expected = np.array(naive.run(changed, SPIKES[0])[1]["a"])
    assert (potentials[1].reshape(expected.shape) == expected).all(), "tests/helpers/naive.py computes something else"
    with tempfile.TemporaryDirectory() as folder:
        changed.save(f"{folder}/net.h5")
        again = ns.load_network(f"{folder}/net.h5")
    assert again.sha256 == changed.sha256 and repr(again.layers[0]) == repr(changed.layers[0])
    assert shown(changed) != shown(plain)


def shown(net):
    console = Console(width=200, file=io.StringIO())
    console.print(network_table(net))
    return console.file.getvalue()


@pytest.mark.parametrize("name", PARAMETERS)
def test_pytorch_computes_with_every_parameter(name):
    pytest.importorskip("torch", reason="needs the extra: pip install -e '.[train]'")
    from neurosim.training.reference import record

    changed = with_example(name)
    trace = ns.simulate(changed, ns.Inputs.from_spikes(SPIKES), record_potentials=True)
    recorded = record(changed, SPIKES.astype(np.int64))["a"].potentials
    assert (trace.potentials("a").reshape(recorded.shape) == recorded).all()


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_costs_a_core_what_the_table_says(name):
    row, chip = PARAMETERS[name], ns.load_chip("mesh45")
    plain, one = (numbers(x.layers[0], chip, fed_by_image=False) for x in (without_example(name), with_example(name)))
    slots = max(with_example(name).layers[0].delays) if name == "delay" else 0
    assert one.kept - plain.kept == row.state + slots + (name == "bias")
    assert one.read - plain.read == row.state + (slots > 0)
    if row.form in ("steps", "bits", "choice", "switch"):
        return
    value = EXAMPLES[name]
    k, rest = (value[0], value[1:]) if isinstance(value, tuple) else (value, None)
    each = np.full((2, 2, 2), k) - np.eye(2, dtype=int)
    own = numbers(network(**{name: each if rest is None else (each, *rest)}).layers[0], chip, fed_by_image=False)
    assert own.read - one.read == row.own == own.kept - one.kept


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_an_export_cannot_say_is_refused(name, tmp_path):
    # NIR has a synaptic current only before a potential that leaks.
    row, net = PARAMETERS[name], network(**({"leak": (1, 2)} | BESIDE.get(name, {}) | {name: EXAMPLES[name]}))
    if row.nir:
        save_nir(net, tmp_path / "net.nir", 1e-4)
        assert {node for nodes in row.nir.values() for node in nodes} <= {*NEURONS, *LINEAR}
    else:
        with pytest.raises(NetworkError, match=row.noun):
            save_nir(net, tmp_path / "net.nir", 1e-4)
    if not row.sanafe and row.reset is None:
        with pytest.raises(NetworkError, match=rf"layer 'a' has .*{row.noun}"):
            depths(network(**({"resets_to": "subtract"} | BESIDE.get(name, {}) | {name: EXAMPLES[name]})))


def test_nir_populations_have_the_parameters_that_their_nodes_have():
    nodes = {name for name, row in PARAMETERS.items() if {*NEURONS} & {node for found in row.nir.values() for node in found}}
    assert nodes == {field.name for field in fields(Cell)} & set(PARAMETERS)


def test_the_constants_of_the_kernels_are_those_of_the_table():
    rows = {name for name, row in PARAMETERS.items() if row.read == "constants"}
    assert rows == set(NeuronConstants._fields) & set(PARAMETERS)


def test_the_docs_have_the_table():
    text = (ROOT / "docs/network.md").read_text(encoding="utf-8")
    missing = [line for line in map(documented, PARAMETERS.values()) if line not in text]
    assert not missing, "\n".join(["docs/network.md lacks", *missing])


W = np.arange(9).reshape(1, 1, 3, 3) - 3
ONE = np.full((1, 1, 1, 1), 2)
LOOK = {"stride": 2, "padding": 1}


def structured(layer=None, **shortcut):
    """A layer behind another, and a shortcut beside it where there is any."""
    made = [ns.Shortcut(**({"source": "a", "weight": ONE} | shortcut))] if shortcut else []
    values = {"name": "b", "weight": W, "threshold": 3, "padding": 1, "shortcuts": made} | (layer or {})
    layers = [ns.Conv("a", ONE, threshold=1), ns.Conv(**values)]
    return ns.Network.build("s", timesteps=2, input_shape=(1, 4, 4), encoding="spikes", layers=layers)


def grouped(groups, shortcut=False):
    """Kernels of one channel each, over as many channels as there are groups."""
    kernels = np.arange(18).reshape(2, 1, 3, 3)
    about = {"weight": kernels, "padding": 1, "groups": groups}
    plain = {"weight": np.ones((2, groups, 1, 1), int)}
    own, beside = (plain, [ns.Shortcut("a", **about)]) if shortcut else (about, [])
    layers = [ns.Conv("a", np.ones((groups, 1, 1, 1), int), 1), ns.Conv("b", threshold=3, shortcuts=beside, **own)]
    return ns.Network.build("g", timesteps=2, input_shape=(1, 4, 4), encoding="spikes", layers=layers)


# For every field that is structure two networks that differ in nothing else, nor in shapes where those do not follow from it.
DIFFER = {
    "name": (structured(), structured({"name": "c"})),
    "weight": (structured(), structured({"weight": W + 1})),
    "pool": (structured({"pool": "sum2"}), structured({"pool": "max2"})),
    "inputs": (structured(), structured({"inputs": ["input"]})),
    "shortcuts": (structured(), structured(stride=1)),
    "weight_bits": (structured(), structured({"weight_bits": 16})),
    "stride": (structured({"stride": 2}), structured({"stride": 3})),
    "padding": (structured({"stride": 3}), structured({"stride": 3, "padding": 2})),
    "groups": (grouped(1), grouped(2)),
    "dilation": (structured({"padding": 2}), structured({"padding": 2, "dilation": 2})),
    "pool_currents": (structured({"pool_currents": "sum2"}), structured({"pool_currents": "max2"})),
    "in_shape": (structured(), structured({"pool": "max2"})),
    "shape": (structured(), structured({"stride": 3})),
    "shortcut source": (structured(source="a"), structured(source="input")),
    "shortcut weight": (structured(weight=ONE), structured(weight=ONE + 1)),
    "shortcut scale": (structured(weight=None, scale=3), structured(weight=None, scale=4)),
    "shortcut stride": (structured(LOOK, stride=2), structured(LOOK, stride=3)),
    "shortcut padding": (structured(LOOK, weight=W, stride=3, padding=1), structured(LOOK, weight=W, stride=3, padding=2)),
    "shortcut groups": (grouped(1, shortcut=True), grouped(2, shortcut=True)),
    "shortcut dilation": (
        structured(LOOK, weight=W, stride=2, padding=1), structured(LOOK, weight=W, stride=2, padding=2, dilation=2)
    ),
    "shortcut pool": (structured(LOOK, pool="sum2"), structured(LOOK, pool="max2")),
    "shortcut delay": (structured(delay=1), structured(delay=2)),
    "shortcut weight_shift": (structured(weight_shift=1), structured(weight_shift=2)),
}


def test_every_field_that_is_structure_has_a_pair_of_networks():
    layers = {field.name for field in fields(Conv)} & STRUCTURE
    shortcuts = {f"shortcut {field.name}" for field in fields(Shortcut)}
    # What a weight stood for in the float network decides no spike.
    assert set(DIFFER) == (layers | shortcuts) - {"weight_scale"}


@pytest.mark.parametrize("name", DIFFER)
def test_all_structure_is_hashed_and_saved(name, tmp_path):
    one, other = DIFFER[name]
    assert one.sha256 != other.sha256
    for net in (one, other):
        net.save(tmp_path / "net.h5")
        again = ns.load_network(tmp_path / "net.h5")
        assert again.sha256 == net.sha256 and repr(again.layers) == repr(net.layers)


def copied(folder):
    """The package, its tests and docs, to be changed."""
    for name in ("neurosim", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def ran(folder, *which):
    environ = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", "tests/network/test_neuron.py", *which]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False)


FIELD = "    order: Dynamics | None = field(default=None, kw_only=True)\n    in_shape"


@pytest.mark.slow
def test_a_field_that_is_only_added_turns_a_test_red_that_names_every_place(tmp_path):
    folder = copied(tmp_path)
    added = FIELD.replace("    in_shape", "    ceiling: Parameter | None = field(default=None, kw_only=True)\n    in_shape")
    replaced(folder / "neurosim/network/layers.py", FIELD, added)
    found = ran(folder, "-k", "no_place_forgets_it")
    assert found.returncode == 1 and "1 failed" in found.stdout
    for place in (
        "neurosim/network/neuron.py", "neurosim/kernels/neurons.py", "neurosim/training/reference.py", "tests/helpers/naive.py",
        "tests/helpers/strategies.py", "tests/helpers/hardware_twin.py", "neurosim/network/layers.py", "docs/network.md",
        "tests/network/test_neuron.py",
    ):  # fmt: skip
        assert f"'ceiling' is missing in {place}" in found.stdout, found.stdout


EXPECTED = """
import sys, h5py, numpy as np, neurosim as ns
from neurosim.errors import NetworkError
assert ns.__file__.startswith(sys.argv[1])
def network(**values):
    layers = [ns.Dense("a", [[2], [3]], threshold=9, leak=(1, 1), **values), ns.Output("out", [[1, 0], [0, 1]])]
    return ns.Network.build("one", timesteps=3, input_shape=(1, 1, 1), encoding="spikes", layers=layers)
plain, below = network(), network(ceiling=[1, 2])
assert plain.sha256 == sys.argv[2] != below.sha256
inputs = ns.Inputs.from_spikes(np.array([1, 0, 1]).reshape(1, 3, 1, 1, 1))
trace = ns.simulate(below, inputs, record_potentials=True)
assert trace.potentials("a").reshape(3, 2).tolist() == [[1, 2], [0, 1], [1, 2]]
for net, version in ((plain, "1.0"), (below, "2.0")):
    net.save("net.h5")
    assert h5py.File("net.h5").attrs["format_version"] == version
    assert ns.load_network("net.h5").sha256 == net.sha256
try:
    network(ceiling=0.5)
except NetworkError as error:
    assert "ceiling is 0.5; an integer network needs integers" in str(error), error
else:
    raise AssertionError
"""


@pytest.mark.slow
def test_the_worked_example_of_the_docs_adds_a_parameter(tmp_path):
    folder = copied(tmp_path)
    patched(folder, under((ROOT / "docs/extending.md").read_text(encoding="utf-8"), "A neuron parameter"))
    layers = [ns.Dense("a", [[2], [3]], threshold=9, leak=(1, 1)), ns.Output("out", [[1, 0], [0, 1]])]
    plain = ns.Network.build("one", timesteps=3, input_shape=(1, 1, 1), encoding="spikes", layers=layers)
    environ = os.environ | {"PYTHONPATH": str(folder), "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", EXPECTED, str(folder), plain.sha256]
    found = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == 0, found.stderr
    # What every parameter owes holds for the new one: it is one of those that these tests walk over.
    found = ran(folder, "-m", "not slow")
    assert found.returncode == 0, found.stdout[-4000:]
    with pytest.raises(FileError, match=r"/layers/a: dataset 'ceiling': neurosim \S+ does not know it"):
        ns.load_network(folder / "net.h5")
