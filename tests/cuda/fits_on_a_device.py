"""A fit on a simulated GPU, and what it has to come to."""

from numpy.testing import assert_array_equal

from kmeans_fast import reference
from kmeans_fast.arrays import Data
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.engine.fit import initial_centroids
from kmeans_fast.engine.lloyd import lloyd


def fitted(device, X, weights, k, iterations=12, seed=5):
    """Seeds and a run of Lloyd's algorithm on a device."""
    session = CudaSession(device, X, weights, k, on_host=True)
    start = initial_centroids(session, Data(X), "k-means++", k, seed, 0, None)
    return start, lloyd(session, start, max_iter=iterations, threshold=0.0)


def check(found, X, weights, k, iterations=12, seed=5):
    start, run = found
    wanted = X[reference.kmeans_plusplus(X, weights, k, seed)]
    assert_array_equal(start, wanted)
    expected = reference.lloyd(X, weights, wanted, iterations, 0.0)
    assert_array_equal(run.labels, expected.labels)
    assert_array_equal(run.centroids, expected.centroids)
    assert run.inertia == expected.inertia
    assert run.n_iter == expected.n_iter
