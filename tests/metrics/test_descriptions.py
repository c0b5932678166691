"""Profiles of clusters and scores of outliers: what they say is so, and the same on every backend."""

import numpy as np
import pandas
import pyarrow
import pytest
from labellings import labelled
from numpy.testing import assert_allclose, assert_array_equal
from support import DTYPES, rows, uneven

import kmeans_fast
from kmeans_fast import metrics, reference


def assert_same(found, wanted):
    for name, one, other in zip(found._fields, found, wanted):
        assert_array_equal(one, other, err_msg=name)


@pytest.mark.parametrize("kind", ["normal", "grid", "offset"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_profiles_are_what_they_say(backend, dtype, kind, monkeypatch):
    X, labels = uneven(150, 4, dtype, kind), labelled(150, 5)
    found, exact = metrics.cluster_profiles(X, labels), X.astype(np.float64)
    for c in range(5):
        own, others = exact[labels == c], exact[labels != c]
        assert found.sizes[c] == len(own)
        assert found.shares[c] == len(own) / 150
        assert_allclose(found.means[c], own.mean(axis=0), rtol=1e-13, atol=1e-15)
        assert_allclose(found.deviations[c], own.std(axis=0), rtol=1e-10, atol=1e-13)
        distances = np.sqrt(((own - own.mean(axis=0)) ** 2).sum(axis=1))
        assert_allclose(found.spreads[c], np.sqrt((distances**2).mean()), rtol=1e-12)
        assert labels[found.nearest_rows[c]] == c
        to_mean = np.sqrt(reference.distance(exact, found.means[c]))
        assert to_mean[found.nearest_rows[c]] == to_mean[labels == c].min()
        squares = ((own - own.mean(axis=0)) ** 2).sum(axis=0) + ((others - others.mean(axis=0)) ** 2).sum(axis=0)
        effects = (own.mean(axis=0) - others.mean(axis=0)) / np.sqrt(squares / 148)
        assert_allclose(found.effects[c], effects, rtol=1e-9, atol=1e-11)
    monkeypatch.setattr("kmeans_fast.engine.given_labels._VALUES", 4 * 31)  # in pieces
    assert_same(metrics.cluster_profiles(X, labels), found)
    with kmeans_fast.use_backend("reference"):
        assert_same(metrics.cluster_profiles(X, labels), found)


def test_features_that_do_not_vary_and_clusters_without_spread():
    X = np.array([[1.0, 5, 0], [1, 5, 1], [1, 7, 0], [1, 7, 1]])
    found = metrics.cluster_profiles(X, list("aabb"))
    assert_array_equal(found.effects, [[0, -np.inf, 0], [0, np.inf, 0]])
    assert_array_equal(found.nearest_rows, [0, 2])
    assert found.features(1)[0] == ("x1", np.inf)
    assert "x1 +inf" in str(found)


def test_names_of_features_are_those_of_a_table():
    X, labels = rows(40, 2, np.float64), np.arange(40) // 20
    X[:20, 1] += 9
    table = pandas.DataFrame(X, columns=["age", "income"])
    found = metrics.cluster_profiles(table, labels)
    assert found.feature_names == ("age", "income")
    assert_same(metrics.cluster_profiles(pyarrow.table(table), labels), found)
    assert_same(metrics.cluster_profiles(X, labels, ["age", "income"]), found)
    first = str(found).splitlines()[1]
    assert first.split()[:2] == ["0", "20"]
    assert "income +" in first
    assert "age +" not in first
    for names in (["age"], "ab", ["a", "b", "c"]):
        with pytest.raises(ValueError, match="feature_names must be 2 names"):
            metrics.cluster_profiles(X, labels, names)


@pytest.mark.parametrize("dtype", DTYPES)
def test_outliers_are_beyond_the_fence_of_their_cluster(backend, dtype):
    X, centroids = rows(300, 3, dtype), np.array([[0.0, 0, 0], [3, 3, 3], [-99, 0, 0]], dtype)
    X[::2] += 3
    X[7] = 60
    found = metrics.outlier_scores(X, centroids)
    labels, squared = reference.assign(X, centroids)
    distances = np.sqrt(squared)
    assert_array_equal(found.labels, labels)
    assert_array_equal(found.distances, distances)
    for c in range(2):
        q1, q3 = np.quantile(distances[labels == c], [0.25, 0.75])
        assert_allclose(found.scores[labels == c], (distances[labels == c] - q3) / (q3 - q1), rtol=1e-12)
        assert_allclose(found.limits[c], q3 + 3 * (q3 - q1), rtol=1e-14)
    assert found.limits[2] == np.inf  # nobody's nearest
    assert found.outliers[7]
    assert found.outliers.sum() < 5
    assert str(found).splitlines()[3].split()[:2] == ["7", "1"]
    assert str(metrics.outlier_scores(X, centroids, threshold=1e9)).startswith("0 outliers in 300 rows")
    with kmeans_fast.use_backend("reference"):
        assert_same(metrics.outlier_scores(X, centroids), found)


def test_centroids_come_from_whatever_has_them():
    X = rows(200, 3, np.float64)
    model, result = kmeans_fast.KMeans(3, random_state=0).fit(X), kmeans_fast.kmeans(X, 3, seed=0)
    assert_same(metrics.outlier_scores(X, model), metrics.outlier_scores(X, model.cluster_centers_))
    assert_same(metrics.outlier_scores(X, result), metrics.outlier_scores(X, result.centroids))
    with pytest.raises(ValueError, match="KMeans without cluster_centers_: fit it, or of a pipeline"):
        metrics.outlier_scores(X, kmeans_fast.KMeans(3))
    with pytest.raises(ValueError, match="does not match the number of features"):
        metrics.outlier_scores(X, [[0.0, 1.0]])
    for threshold in (-1, np.nan, "3", True):
        with pytest.raises(ValueError, match="threshold must be a finite number of at least 0"):
            metrics.outlier_scores(X, model, threshold=threshold)


def test_clusters_of_equal_distances():
    X = np.array([[0.0]] * 5 + [[0.5]] + [[10.0]])
    found = metrics.outlier_scores(X, [[0.0], [10.0]])
    assert_array_equal(found.scores, [0, 0, 0, 0, 0, np.inf, 0])
    assert_array_equal(found.outliers, [False] * 5 + [True, False])
