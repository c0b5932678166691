"""Metrics of arrays on a GPU: the bits of the same call on NumPy's arrays."""

import numpy as np
import pytest
from libraries import CUPY, TORCH_CPU, K, problem, same
from support import rows

from kmeans_fast import metrics
from simulator.build import COMPILER

pytestmark = pytest.mark.skipif(not COMPILER, reason="the simulator needs a C++ compiler")

SCORES = [
    metrics.silhouette_score, metrics.calinski_harabasz_score, metrics.davies_bouldin_score,
    metrics.simplified_silhouette_score,
]  # fmt: skip
LABELS = np.arange(60) ** 2 % 7 % K


def test_silhouettes_are_given_back_where_the_data_is(library, dtype):
    X, given = problem(dtype=dtype)[0], library.put(problem(dtype=dtype)[0])
    same(metrics.silhouette_samples(given, LABELS), metrics.silhouette_samples(X, LABELS), given)


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_scores_are_those_of_numpys_arrays(library, dtype, score):
    X = problem(dtype=dtype)[0]
    wanted = score(X, LABELS)
    assert score(library.put(X), LABELS) == wanted
    if library is not TORCH_CPU:  # labels as a fit gives them, where the data is
        assert score(library.put(X), library.put(LABELS.astype(np.int32))) == wanted


def test_a_sample_and_given_centroids_of_data_on_a_gpu(on_a_gpu):
    X, centroids = problem()[0], rows(K, 3, np.float64, seed=1)
    given = on_a_gpu.put(X)
    some = {"sample_size": 30, "random_state": 1}
    assert metrics.silhouette_score(given, LABELS, **some) == metrics.silhouette_score(X, LABELS, **some)
    wanted = metrics.simplified_silhouette(X, LABELS, centroids)
    np.testing.assert_array_equal(metrics.simplified_silhouette(given, LABELS, on_a_gpu.put(centroids)), wanted)


def test_the_second_gpu_is_used_where_the_data_is_there(gpus):
    metrics.silhouette_samples(CUPY.put(problem()[0], "cuda:1"), LABELS)
    assert [bool(gpu.launches) for gpu in gpus] == [False, True]


def test_descriptions_are_those_of_numpys_arrays(library, dtype):
    X, centroids = problem(dtype=dtype)[0], rows(K, 3, dtype, seed=1)
    for describe, given in ((metrics.cluster_profiles, LABELS), (metrics.outlier_scores, centroids)):
        for found, wanted in zip(describe(library.put(X), given), describe(X, given)):
            np.testing.assert_array_equal(found, wanted)
