"""Seeds of many runs side by side on a GPU: of each those of a run alone. The simulator stands in for the GPU."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import DTYPES, colliding_rows, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.backends.cuda.device import Launcher, upload
from kmeans_fast.backends.cuda.seeder import CudaSeeds
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

OF = np.array([0, 0, 1, 2, 2, 2])


def data_sets(kind, n, d, dtype):
    """Three of n rows."""
    if kind == "collisions":
        return np.stack([np.tile(colliding_rows(), (1 + n // 100, 1))[seed : n + seed] for seed in range(3)])
    X = np.stack([rows(n, d, dtype, "grid" if kind == "grid" else "normal", seed) for seed in range(3)])
    if kind == "scales":  # what is left of the mass falls below the unit again and again
        X = np.ones((3, n, d)) * (10.0 ** -(np.arange(n) % 11))[:, None]
    return np.ascontiguousarray(X, dtype)


def check(X, weights, k, device, of=OF):
    words = np.stack([reference.draws(7, run, (k, reference.n_trials(k))) for run in range(len(of))])
    on_device = [None if array is None else upload(device, array, "") for array in (X, weights)]
    flat = on_device[0].reshape(-1, X.shape[2]), None if weights is None else on_device[1].reshape(-1)
    seeds = CudaSeeds(Launcher(device, X.dtype), *flat, X.shape[1], of, words)
    seeds.greedy()
    for run, (problem, found) in enumerate(zip(of, seeds.chosen())):
        own = None if weights is None else weights[problem]
        assert_array_equal(found, reference.kmeans_plusplus(X[problem], own, k, 7, run))


@pytest.mark.parametrize("order", [0, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["normal", "grid", "scales", "collisions"])
@pytest.mark.parametrize(("n", "d", "k"), [(70, 2, 9), (301, 20, 12), (600, 70, 4), (1, 3, 1)])
def test_seeds_are_those_of_a_run_alone(kind, weighted, order, n, d, k):
    X = data_sets(kind, n, d, np.float64 if kind == "collisions" else np.float32)
    weights = np.stack([some_weights(n, seed) for seed in range(3)]) if weighted else None
    check(X, weights, k, SimDevice(order))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 16, 17, 32, 33, 64, 65, 130])
def test_rows_are_cut_into_slices_of_any_number_of_features(d, dtype):
    check(data_sets("normal", 150, d, dtype), None, 12, SimDevice())


@pytest.mark.parametrize("weighted", [False, True])
def test_runs_of_some_of_the_problems(weighted):
    weights = np.stack([some_weights(97, seed) for seed in range(3)]) if weighted else None
    for of in ([1], [2, 2], [1, 2]):
        check(data_sets("normal", 97, 5, np.float32), weights, 7, SimDevice(), np.array(of))


def test_steps_are_enqueued_together():
    device = SimDevice()
    check(data_sets("normal", 90, 2, np.float32), None, 70, device)
    assert device.graphs == 1
    assert [device.launches.count(name) for name in ("draw", "trials", "accept")] == [70, 69, 69]
