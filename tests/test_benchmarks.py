"""The benchmarks are part of the house: what they measure exists."""

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "benchmarks").glob("*.py")))
def test_every_part_loads(name):
    import_module(f"benchmarks.{name}")
