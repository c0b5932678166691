"""A fitted model asked about rows of the other dtype computes in the wider of the two."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import rows

from kmeans_fast import KMeans, reference


def fitted(centroids):
    """A model whose centroids are these, to the bit: each is the mean of rows that equal it."""
    model = KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(centroids)
    assert_array_equal(model.cluster_centers_, centroids)
    return model


def test_centroids_that_differ_beyond_float32_are_told_apart(backend):
    X = np.float32([[2.0**24 + 128]])
    centroids = np.float64([[2.0**24 + 50.25], [2.0**24 + 50.5]])
    model = fitted(centroids)
    assert model.predict(X).tolist() == [1]
    assert_array_equal(model.transform(X), [[77.75, 77.5]])
    assert model.transform(X).dtype == np.float64
    assert model.score(X) == -(77.5**2)


def test_centroids_beyond_float32_stay_finite(backend):
    model = fitted(np.float64([[1e100], [-1e100]]))
    X = np.float32([[3e38], [-3e38], [0.0]])
    wide = X.astype(np.float64)
    assert_array_equal(model.predict(X), reference.assign(wide, model.cluster_centers_)[0])
    assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("of_model", [np.float32, np.float64])
@pytest.mark.parametrize("of_rows", [np.float32, np.float64, np.int32])
def test_every_method_computes_in_the_wider_dtype(backend, of_model, of_rows):
    model = KMeans(5, random_state=0).fit(rows(90, 3, of_model))
    X = (rows(70, 3, np.float64, seed=1) * 3).astype(of_rows)
    wide = X.astype(np.float64)
    centroids = model.cluster_centers_.astype(np.float64)
    labels, _ = reference.assign(wide, centroids)
    assert_array_equal(model.predict(X), labels)
    table = np.sqrt(reference.squared_distances(wide, centroids))
    narrow = of_model == np.float32 and of_rows == np.float32
    assert_array_equal(model.transform(X), table.astype(np.float32) if narrow else table)
    weights = np.arange(1.0, 71)
    assert model.score(X, sample_weight=weights) == -reference.inertia(wide, weights, centroids, labels)
