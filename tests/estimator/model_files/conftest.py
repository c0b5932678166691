"""Fixtures of the tests of model files."""

import pytest
from support import DTYPES, rows

from kmeans_fast import KMeans


@pytest.fixture(params=DTYPES)
def X(request):
    return rows(60, 3, request.param)


@pytest.fixture
def model(X):
    return KMeans(n_clusters=4, random_state=7, tol=1e-3, n_threads=2, init_size=50, refine="breathing").fit(X)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"
