"""One profile for all property tests: no deadline (compilation is slow), the same examples in every run. And a list of what was
skipped for want of an extra, to be run where the extras are."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # One process per core, one thread per process.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("neurosim", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.load_profile("neurosim")


def pytest_addoption(parser):
    parser.addoption("--skipped-to", metavar="FILE", type=Path, help="write down which tests and files were skipped")
    parser.addoption("--only-skipped", metavar="FILE", type=Path, help="run those that were written down")


def pytest_terminal_summary(terminalreporter, config):
    path = config.getoption("--skipped-to")
    if path is not None:
        skipped = {report.nodeid for report in terminalreporter.stats.get("skipped", [])}
        path.write_text("".join(f"{name}\n" for name in sorted(skipped)), encoding="utf-8")


def pytest_collection_modifyitems(config, items):
    # Long tests first: no worker is left alone with one at the end.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    path = config.getoption("--only-skipped")
    if path is None:
        return
    skipped = set(path.read_text(encoding="utf-8").splitlines())
    kept, left = [], []
    for item in items:
        (left if skipped.isdisjoint((item.nodeid, item.nodeid.partition("::")[0])) else kept).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
