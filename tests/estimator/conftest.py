"""Fixtures of the estimators' tests."""

import numpy as np
import pytest
from support import rows

from kmeans_fast import KMeans


@pytest.fixture
def X():
    return rows(200, 4, np.float64)


@pytest.fixture
def model(X):
    return KMeans(n_clusters=5, random_state=0).fit(X)
