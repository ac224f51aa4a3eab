"""Data for short courses of training."""

import numpy as np
import pytest


@pytest.fixture
def data(tmp_path):
    """The path of a small data set."""
    from tests.helpers.courses import bars

    np.savez(tmp_path / "small.npz", **bars())
    return tmp_path / "small.npz"
