"""To scikit-learn's KMeans and back: the same centroids, labels and predictions."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import BisectingKMeans, MiniBatchKMeans
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import NotFittedError
from support import DTYPES, rows

from kmeans_fast import KMeans

SHARED = ("cluster_centers_", "labels_", "inertia_", "n_iter_", "n_features_in_")


def same_attributes(one, other):
    for name in SHARED:
        assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("dtype", DTYPES)
def test_to_sklearn_keeps_the_model(dtype):
    X = rows(90, 3, dtype)
    ours = KMeans(n_clusters=4, random_state=0, tol=1e-5, max_iter=50).fit(X)
    theirs = ours.to_sklearn()
    assert type(theirs) is SklearnKMeans
    same_attributes(theirs, ours)
    assert_array_equal(theirs.predict(X), ours.labels_)
    assert_array_equal(theirs.get_feature_names_out(), ours.get_feature_names_out())
    np.testing.assert_allclose(theirs.transform(X), ours.transform(X), rtol=1e-4)
    assert (theirs.tol, theirs.max_iter, theirs.random_state) == (1e-5, 50, 0)
    pickle.loads(pickle.dumps(theirs)).score(X)
    theirs.fit(X)


def test_what_scikit_learn_has_no_name_for_becomes_what_is_nearest():
    X = rows(90, 3, np.float64)
    theirs = KMeans(n_clusters=4, init="k-means||", random_state=0).fit(X).to_sklearn()
    assert theirs.init == "k-means++"
    theirs.fit(X)


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_sklearn_keeps_the_model(dtype):
    X = rows(90, 3, dtype)
    theirs = SklearnKMeans(n_clusters=4, random_state=0, tol=1e-5, n_init=2, algorithm="elkan").fit(X)
    ours = KMeans.from_sklearn(theirs)
    assert type(ours) is KMeans
    same_attributes(ours, theirs)
    assert (ours.tol, ours.n_init, ours.algorithm) == (1e-5, 2, "elkan")
    assert (ours.backend_, ours.history_) == ("sklearn", ())
    assert_array_equal(ours.predict(X), theirs.predict(X))
    ours.fit(X)


def test_there_and_back_changes_nothing(tmp_path):
    X = rows(90, 3, np.float64)
    ours = KMeans(n_clusters=4, random_state=0, algorithm="lloyd").fit(X)
    back = KMeans.from_sklearn(ours.to_sklearn())
    same_attributes(back, ours)
    assert back.get_params() == ours.get_params()
    back.save(tmp_path / "model.npz")
    same_attributes(KMeans.load(tmp_path / "model.npz"), ours)


def test_converted_models_share_no_memory():
    ours = KMeans(n_clusters=4, random_state=0).fit(rows(90, 3, np.float64))
    theirs = ours.to_sklearn()
    assert not np.shares_memory(theirs.cluster_centers_, ours.cluster_centers_)
    assert not np.shares_memory(theirs.labels_, ours.labels_)


def test_feature_names_go_along():
    pandas = pytest.importorskip("pandas")
    ours = KMeans(n_clusters=4, random_state=0).fit(pandas.DataFrame(rows(90, 3, np.float64), columns=list("abc")))
    assert list(ours.to_sklearn().feature_names_in_) == list("abc")
    assert list(KMeans.from_sklearn(ours.to_sklearn()).feature_names_in_) == list("abc")


def test_unfitted_models_are_refused():
    with pytest.raises(NotFittedError):
        KMeans().to_sklearn()
    with pytest.raises(NotFittedError):
        KMeans.from_sklearn(SklearnKMeans())


@pytest.mark.parametrize("kind", [MiniBatchKMeans, BisectingKMeans])
def test_other_models_are_refused_with_what_to_do(kind):
    X = rows(90, 3, np.float64)
    model = kind(4, random_state=0).fit(X)
    with pytest.raises(TypeError, match=rf"a fitted sklearn.cluster.KMeans, got {kind.__name__}; .*kmeans_fast.assign"):
        KMeans.from_sklearn(model)
    with pytest.raises(TypeError, match=r"a fitted sklearn\.cluster\.KMeans, got int"):
        KMeans.from_sklearn(3)
