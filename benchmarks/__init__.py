"""Benchmarks: ``python -m benchmarks`` from the checkout. One thread everywhere, set here before numpy is imported."""

import os

ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
for _name in ONE_THREAD:
    os.environ[_name] = "1"
