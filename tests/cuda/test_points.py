"""Rows of one to four features on a GPU: so many that a thread has several, and what their sums take.

The simulator stands in for the GPU.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.engine.lloyd import lloyd
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

N = 2600  # the last tile is not full, nor is the last load of a thread


def check_iterations(session, X, weights, k):
    start = X[:k].copy()
    found, expected = lloyd(session, start, max_iter=3, threshold=0.0), reference.lloyd(X, weights, start, 3, 0.0)
    assert_array_equal(found.labels, expected.labels)
    assert_array_equal(found.centroids, expected.centroids)
    assert found.inertia == expected.inertia


@pytest.mark.parametrize(
    ("d", "k", "kind"),
    [(1, 32, "normal"), (2, 10, "grid"), (2, 1100, "grid"), (3, 6, "grid"), (3, 33, "normal"), (4, 7, "normal")],
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", [0, 1])
def test_iterations_of_many_rows(d, k, kind, dtype, first):
    """Wherever X begins: a load of several rows is possible only at multiples of its size."""
    X = rows(N * d + first, 1, dtype, kind).reshape(-1)[first:].reshape(N, d)
    weights = some_weights(N) if d % 2 else None
    session = CudaSession(SimDevice(order=2 + d), X, weights, k, on_host=False)
    assert session.scorer.choices == {"DIM": d, "SEVERAL": int(k <= 32)}
    check_iterations(session, X, weights, k)


@pytest.mark.parametrize("kind", ["normal", "grid"])
def test_rows_together_and_more_centroids_than_shared_memory_has(kind):
    X, device = rows(4700, 4, np.float64, kind), SimDevice()
    device.properties = device.properties._replace(multiprocessors=1)
    session = CudaSession(device, X, None, 300, on_host=False)
    assert session.scorer.choices == {"DIM": 4, "SEVERAL": 1}
    check_iterations(session, X, None, 300)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_distances_that_differ_in_their_lowest_bits_are_told_apart(d):
    """There, float32 has the numbers of centroids."""
    X = rows(N, d, np.float32)
    near = np.nextafter(np.repeat(X[:1], 40, axis=0), np.float32(np.inf))
    near[:, 0] += np.arange(40, 0, -1, dtype=np.float32) * np.float32(2**-21)
    session = CudaSession(SimDevice(), X, None, len(near), on_host=True)
    session.assign(near)
    assert_array_equal(session.labels, reference.assign(X, near)[0])
