"""The house rules, checked from the source text: arrows point down, heavy imports stay in their rooms."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neurosim"
ROOMS = {"numba": ["kernels"], "h5py": ["io"], "torch": ["training", "frameworks"], "simpy": ["noc"], "plotly": ["report"]}
# From the bottom up. A module may import from lower layers and from its own.
LAYERS = [
    {"version", "errors"},
    {"kernels", "noc", "layers", "part", "sram"},
    {"checks", "memory"},
    {"network", "levels"},
    {"population", "synapses", "inputs", "trace", "quantize", "chip", "recording", "binning"},
    {"simulate", "mapping"},
    {"suspects"},
    {"activity", "neurobench", "verify", "schedule", "expansion", "action"},
    {"tally", "agenda", "bound", "timeline", "energy", "baseline", "paper", "comparison", "uncertainty", "ledger"},
    {"record", "result"},
    {"pipeline", "dispatch"},
    {"io", "training", "frameworks"},
    {"explore"},
    {"report"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path, top_level_only):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def layer_of(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_down(path):
    """At load time; methods such as Network.save reach up to io when they are called."""
    own = layer_of(module_of(path))
    for name in imports(path, top_level_only=True):
        if name == "neurosim" or name.startswith("neurosim."):
            target = name.split(".")[1] if "." in name else "__init__"
            assert layer_of(target) <= own, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_heavy_imports_stay_in_their_rooms(path):
    for name in imports(path, top_level_only=False):
        rooms = ROOMS.get(name.split(".")[0])
        assert rooms is None or path.relative_to(PACKAGE).parts[0] in rooms, f"{path.name} imports {name}"


def test_no_code_knows_a_chip_by_name():
    presets = [p.stem for p in (PACKAGE / "presets").glob("*.toml")]
    assert presets
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for name in presets:
            uses = text.count(f'"{name}"')
            allowed = 1 if path.name == "chip_file.py" and name == "mesh45" else 0
            documented = text.count(f'base = "{name}"')
            assert uses - documented <= allowed, f"{path.name} names {name}"
