"""Fixtures of all tests."""

import os

import numpy as np
import pytest
from support import AVAILABLE

import kmeans_fast

try:
    from hypothesis import settings
except ImportError:
    pass
else:
    settings.register_profile("kmeans_fast", deadline=None, max_examples=50, derandomize=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kmeans_fast"))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=AVAILABLE)
def backend(request):
    """The name of every backend that can run here, forced while the test runs."""
    with kmeans_fast.use_backend(request.param):
        yield request.param


@pytest.fixture(params=["reference", 1, 2, 3, 7], ids=lambda e: e if e == "reference" else f"{e}-threads")
def engine(request):
    """What `support.session` opens: the reference, or the CPU kernels on a number of threads."""
    return request.param
