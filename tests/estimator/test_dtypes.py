"""A fitted model asked about rows of the other dtype computes in the wider of the two."""

import numpy as np
import pandas
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from support import rows

import kmeans_fast
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


@pytest.mark.parametrize("kind", [np.float16, np.uint8, np.int8, bool])
def test_a_model_may_be_told_to_compute_in_float32(backend, kind, tmp_path):
    X = rows(90, 3, np.float64) * 40
    X = X > 20 if kind is bool else np.abs(X).astype(kind)
    values, weights = X.astype(np.float32), np.arange(1.0, 91)
    model, expected = KMeans(4, random_state=0, dtype=np.float32), KMeans(4, random_state=0)
    for given in (X, pandas.DataFrame(X, columns=list("abc")), [X[:40], X[40:]]):
        clone(model).fit(given, sample_weight=weights)
        model.fit(given, sample_weight=weights)
        expected.fit(values, sample_weight=weights)
        assert_array_equal(model.cluster_centers_, expected.cluster_centers_)
        assert model.cluster_centers_.dtype == np.float32
        assert_array_equal(model.labels_, expected.labels_)
        assert_array_equal(model.predict(given), expected.predict(values))
        assert model.transform(given).dtype == np.float32
        assert_array_equal(model.transform(given), expected.transform(values))
        assert model.score(given) == expected.score(values)
    named = clone(model).fit(pandas.DataFrame(X, columns=list("abc")))
    assert list(named.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        named.predict(pandas.DataFrame(X, columns=list("abd")))
    with pytest.raises(ValueError, match="X has 2 features, but KMeans is expecting 3"):
        model.predict(X[:, :2])
    model.save(tmp_path / "model.npz")
    assert kmeans_fast.load(tmp_path / "model.npz").dtype == "float32"


def test_a_model_may_be_told_in_pytorchs_words(tmp_path):
    device, dtype = (type(name, (str,), {"__module__": "torch"}) for name in ("device", "dtype"))
    X = rows(30, 3, np.float64)
    model = KMeans(4, random_state=0, device=device("cpu"), dtype=dtype("torch.float32")).fit(X)
    assert_array_equal(model.cluster_centers_, KMeans(4, random_state=0, dtype="float32").fit(X).cluster_centers_)
    model.save(tmp_path / "model.npz")
    again = kmeans_fast.load(tmp_path / "model.npz")
    assert (again.device, again.dtype) == ("cpu", "float32")


def test_a_model_refuses_other_dtypes():
    with pytest.raises(ValueError, match=r"The 'dtype' parameter of KMeans must be 'float32' or 'float64' or None"):
        KMeans(2, dtype="float16").fit(rows(10, 2, np.float32))
