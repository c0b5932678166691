"""Memory of the GPU: none that runs out unsaid, and no more than the plan says. The simulator stands in for the GPU."""

import weakref

import numpy as np
import pytest
from fits_on_a_device import check, fitted
from numpy.testing import assert_array_equal
from support import rows, some_weights

from kmeans_fast import reference
from kmeans_fast.arrays import Data
from kmeans_fast.backends.cuda import planning
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine.fit import initial_centroids
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.seeding import most_candidates
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")


def allocations_of_a_fit(X, weights, k):
    device = SimDevice()
    fitted(device, X, weights, k)
    return device.allocations


@pytest.mark.parametrize(("d", "k"), [(2, 4), (12, 20)])
def test_every_allocation_that_fails_once_is_tried_again(d, k):
    X, weights = rows(200, d, np.float32), some_weights(200)
    for failing in range(1, allocations_of_a_fit(X, weights, k) + 1):
        device = SimDevice()
        device.failing = {failing}
        try:
            check(fitted(device, X, weights, k), X, weights, k)
        except device.OutOfMemory:
            pytest.fail(f"allocation {failing} is not guarded")
        assert device.released == 1


@pytest.mark.parametrize(("d", "k"), [(2, 4), (12, 20)])
def test_an_allocation_that_fails_for_good_is_a_memory_error_with_the_numbers(d, k):
    X, weights = rows(200, d, np.float32), some_weights(200)
    for failing in range(1, allocations_of_a_fit(X, weights, k) + 1):
        device = SimDevice()
        device.failing = {failing, failing + 1}
        with pytest.raises(MemoryError, match=r"needs .* GiB on a simulated GPU and .* GiB are available"):
            fitted(device, X, weights, k)


def test_a_table_that_does_not_fit_is_made_in_smaller_chunks():
    X = rows(500, 3, np.float32)
    device = SimDevice()
    session = CudaSession(device, X, None, 7, on_host=True)
    most, real = 7 * 4 * 40, device.empty

    def empty(shape, dtype):
        if np.prod(shape) * np.dtype(dtype).itemsize > most:
            raise device.OutOfMemory
        return real(shape, dtype)

    centroids = session._held(X[:7])
    device.empty = empty
    expected = np.sqrt(reference.squared_distances(X, X[:7])).astype(np.float32)
    assert_array_equal(session.distances(centroids), expected)
    most = 0
    with pytest.raises(MemoryError, match="the distances needs"):
        session.distances(centroids)


def test_a_problem_that_does_not_fit_the_gpu_is_refused_before_anything_is_allocated():
    problem = Problem(2000, 4, 3, np.dtype(np.float32))
    device = SimDevice(memory_bytes=1000)
    with pytest.raises(MemoryError, match=r"2,000 x 4 rows into 3 clusters needs .* 0\.00 GiB are available"):
        planning.check_fits(device, planning.workspace_bytes(problem, device.properties) + problem.data_bytes, problem)
    assert device.released == 1
    assert device.allocations == 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "k", "init"),
    [
        (20_000, 2, 8, "k-means++"),
        (20_000, 2, 8, "k-means||"),
        (20_000, 24, 60, "k-means||"),
        (3000, 40, 500, "k-means++"),
    ],
)
def test_the_plan_covers_what_a_fit_allocates(n, d, k, weighted, init):
    """Sorting included, for which CuPy takes memory of its own, twice where equal rows have different weights."""
    X, weights = rows(n, d, np.float32, "grid" if d == 2 else "normal"), some_weights(n) if weighted else None
    alive = {}

    class Counting(SimDevice):
        most = 0

        def _allocated(self, shape, dtype):
            array = super()._allocated(shape, dtype)
            alive[id(array)] = array.nbytes
            weakref.finalize(array, alive.pop, id(array), None)
            self.most = max(self.most, sum(alive.values()))
            return array

    device = Counting()
    session = CudaSession(device, X, weights, k, on_host=True)
    start = initial_centroids(
        session, Data(X), init, k, 5, 0, None, lambda *few: CudaSession(device, *few, k, on_host=True)
    )
    lloyd(session, start, max_iter=3, threshold=0.0)
    second = most_candidates(k, n) if init == "k-means||" else 0
    problem = Problem(n, d, k, X.dtype, weighted, second=second)
    planned = planning.workspace_bytes(problem, device.properties) + problem.data_bytes
    assert planned / 3 < device.most < planned * 1.05
