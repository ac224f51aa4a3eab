"""The benchmarks are part of the house: what they measure exists."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_part_loads():
    """In a process of its own: the benchmarks limit the threads of the whole interpreter."""
    parts = sorted(f"benchmarks.{p.stem}" for p in (ROOT / "benchmarks").glob("[!_]*.py"))
    assert len(parts) > 10
    program = "import " + ", ".join([*parts, "benchmarks.__main__"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
