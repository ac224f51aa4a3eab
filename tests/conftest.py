"""One profile for all property tests: no deadline (compilation is slow), the same examples in every run."""

import os

from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # One process per core, one thread per process.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("neurosim", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.load_profile("neurosim")
