"""The face of the package: every name is there when it is asked for, and nothing is loaded before."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import neurosim as ns
from neurosim import saving

PACKAGE = Path(ns.__file__).parent
HEAVY = {"numpy", "scipy", "numba", "plotly", "pydantic", "h5py", "simpy", "rich", "typer", "torch"}
# Each type as it is imported from its own module, and what makes a value of it.
WRITTEN = {
    "network": ("from neurosim.network.network import Network", "net"),
    "inputs": ("from neurosim.network.inputs import Inputs", "data"),
    "spikes": ("from neurosim.spikes.simulate import simulate", "simulate(net, data)"),
    "mapping": (
        "from neurosim.chip.chip import Chip; from neurosim.mapping.mapper import map_network",
        f"map_network(net, Chip.parse({ns.load_chip('mesh45').values!r}, 'chip'))",
    ),
}
SAVED = """
import sys
import numpy as np
from neurosim.network.layers import Output
from neurosim.network.network import Network
from neurosim.network.inputs import Inputs

layers = [Output("out", np.ones((2, 2), np.int8))]
net = Network.build("n", timesteps=1, input_shape=(2, 1, 1), encoding="spikes", layers=layers)
data = Inputs.from_spikes(np.ones((1, 1, 2, 1, 1), bool))
assert not any(name.startswith("neurosim.io") for name in sys.modules)
IMPORTS
VALUE.save(sys.argv[1])
"""


def loaded_by(program, *arguments):
    """The roots of all modules that *program* loads."""
    told = f"import sys\n{program}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", told, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def stub():
    """By name, the module that it comes from, as type checkers are told."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    found = {alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    return found, listed


def test_importing_the_package_loads_nothing_heavy():
    assert not HEAVY & loaded_by("import neurosim; dir(neurosim); neurosim.__version__")


def test_type_checkers_are_told_the_same_names_in_the_same_places():
    found, listed = stub()
    assert {name: f"neurosim.{home}" for name, home in ns.HOMES.items()} == found
    assert ns.__all__ == sorted(ns.__all__) == sorted(listed) == dir(ns)


@pytest.mark.parametrize("name", ns.__all__)
def test_every_name_is_there(name):
    assert getattr(ns, name) is getattr(__import__(f"neurosim.{ns.HOMES[name]}", fromlist=[name]), name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'neurosim' has no attribute 'symulate'"):
        ns.symulate  # noqa: B018


def test_functions_travel_by_name_and_a_star_brings_all():
    for name in ns.__all__:
        if callable(getattr(ns, name)):
            assert pickle.loads(pickle.dumps(getattr(ns, name))) is getattr(ns, name)
    assert ns.run.__module__ == "neurosim.api"
    names = {}
    exec("from neurosim import *", names)
    assert set(ns.__all__) <= set(names)


def writers():
    """{name of the dispatching function: {type: module}} of all that register one, as the source says."""
    found = {"save": {}, "report": {}}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for made in getattr(node, "decorator_list", []):
                family = ast.unparse(made).removeprefix("saving.").removesuffix(".register")
                if ast.unparse(made).endswith(".register") and family in found:
                    module = ".".join(("neurosim", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
                    found[family][ast.unparse(node.args.args[0].annotation)] = module
    return found


def test_every_writer_is_found_by_the_type_that_it_writes():
    told = {doing: {kind: f"neurosim.{home}" for kind, home in homes.items()} for doing, homes in ns.WRITERS.items()}
    assert writers() == told


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_value_is_saved_however_its_type_was_imported(kind, tmp_path):
    imports, value = WRITTEN[kind]
    program = SAVED.replace("IMPORTS", imports).replace("VALUE", value)
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "x.h5"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.h5").stat().st_size > 1000


def test_what_nobody_writes_is_refused():
    class Network:
        """No network but for its name."""

    for function, doing in ((saving.save, "writes"), (saving.report, "reports")):
        with pytest.raises(TypeError, match=f"nothing is registered that {doing} a Network"):
            function(Network(), "x")
