"""The benchmarks are part of the house: every section runs, with tiny workloads, and says that its figures mean nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
# The sections; the benchmarks limit the threads of the whole interpreter, so they are not imported here.
LISTED = re.search(r"SECTIONS = {(.*?)}", (ROOT / "benchmarks" / "__main__.py").read_text(encoding="utf-8"), re.DOTALL)
SECTIONS = re.findall(r'^ +"(\w+)": \(', LISTED[1], re.MULTILINE)
NOTHING = "no figure means anything, and no target is judged"


def benchmarks(folder, *words):
    """What the command prints, and the values and the table that it writes; it installs nothing."""
    values, table = folder / "values.json", folder / "table.md"
    command = [sys.executable, "-m", "benchmarks", *words, "--json", str(values), "--markdown", str(table)]
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(values.read_text(encoding="utf-8")), table.read_text(encoding="utf-8")


def test_every_part_loads():
    """In a process of its own: the benchmarks limit the threads of the whole interpreter."""
    parts = sorted(f"benchmarks.{p.stem}" for p in (ROOT / "benchmarks").glob("[!_]*.py"))
    assert len(parts) > 10 and len(SECTIONS) > 10
    program = "import " + ", ".join([*parts, "benchmarks.__main__"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_runs(section, tmp_path):
    printed, found, table = benchmarks(tmp_path, "--smoke", "--only", section)
    rows = found["sections"][section]["rows"]
    if rows[0]["name"].startswith("skipped: "):
        pytest.skip(rows[0]["name"].removeprefix("skipped: "))
    assert all(row["samples"] and np.isfinite(row["samples"]).all() for row in rows)
    assert printed.count(NOTHING) == 2 and not re.search(r"MISSED|>= |< |targets", printed)
    told = [row["readme"] for row in rows if row["readme"]]
    assert told and all(table.count(f"\n| {name} | ") == 1 for name in told)
