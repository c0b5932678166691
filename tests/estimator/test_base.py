"""What an estimator has from its base: a subclass says what is different, and that is all it needs."""

import pickle
import sys
import types

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import DTYPES, rows, some_weights

import kmeans_fast
from kmeans_fast import estimators, reference
from kmeans_fast.engine.update import means
from kmeans_fast.estimators.base import _BaseKMeans


def rounded_means(sums, weights, old):
    return np.rint(means(sums, weights, old))


class IntegerKMeans(_BaseKMeans):
    """Centroids are rounded to integers after each update; few parameters."""

    _rule = staticmethod(rounded_means)

    def __init__(self, n_clusters=8, *, max_iter=300, random_state=None):
        self.n_clusters = n_clusters
        self.max_iter = max_iter
        self.random_state = random_state


@pytest.fixture
def X():
    return 20 * rows(200, 3, np.float64)


@pytest.fixture
def entered(monkeypatch):
    """The estimator as one of the package's."""
    module = types.ModuleType("kmeans_fast.estimators.integers")
    module.IntegerKMeans = IntegerKMeans
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(estimators.ESTIMATORS, "IntegerKMeans", "integers")
    monkeypatch.setattr(IntegerKMeans, "__module__", module.__name__)


def by_hand(X, weights, centroids, max_iter):
    """Lloyd's algorithm with rounded means, by the reference."""
    labels = None
    for _ in range(max_iter):
        before, (labels, _) = labels, reference.assign(X, centroids)
        if before is not None and np.array_equal(before, labels):
            break
        centroids = np.rint(reference.update(X, weights, centroids, labels))
    return centroids, reference.assign(X, centroids)[0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_another_rule_gives_what_the_reference_gives_by_it(backend, weighted, dtype):
    X, weights = (20 * rows(200, 3, dtype)).astype(dtype), some_weights(200) if weighted else None
    start = X[reference.kmeans_plusplus(X, weights, 6, 5)]
    model = IntegerKMeans(6, random_state=5, max_iter=6).fit(X, sample_weight=weights)
    assert model.backend_ == backend
    centroids, labels = by_hand(X, weights, start, 6)
    assert_array_equal(model.cluster_centers_, centroids)
    assert_array_equal(model.labels_, labels)
    assert model.cluster_centers_.dtype == dtype


def test_the_rest_is_the_bases(X, tmp_path, entered):
    model = IntegerKMeans(5, random_state=0)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X)
    assert_array_equal(model.predict(X), model.labels_)
    assert model.transform(X).shape == (200, 5)
    assert model.score(X) == -model.inertia_
    assert list(model.get_feature_names_out()) == [f"integerkmeans{i}" for i in range(5)]
    assert_array_equal(clone(model).fit(X).labels_, model.labels_)
    assert_array_equal(pickle.loads(pickle.dumps(model)).labels_, model.labels_)
    with pytest.raises(ValueError, match="'max_iter' parameter of IntegerKMeans must be an int in the range"):
        IntegerKMeans(max_iter=0).fit(X)
    whole = make_pipeline(StandardScaler(), IntegerKMeans(3, random_state=0)).fit(X)
    for saved in (model, whole):
        kmeans_fast.save(saved, tmp_path / "model.npz")
        back = kmeans_fast.load(tmp_path / "model.npz")
        assert type(back) is type(saved)
        assert_array_equal(back.predict(X), saved.predict(X))
    model.save(tmp_path / "model.npz")
    assert IntegerKMeans.load(tmp_path / "model.npz").get_params() == model.get_params()


def test_a_file_of_one_estimator_is_not_read_as_another(X, tmp_path, entered):
    path = tmp_path / "model.npz"
    IntegerKMeans(5, random_state=0).fit(X).save(path)
    with pytest.raises(ValueError, match=r"it is not a file of kmeans_fast\.KMeans"):
        kmeans_fast.KMeans.load(path)
    kmeans_fast.KMeans(5, random_state=0).fit(X).save(path)
    with pytest.raises(ValueError, match=r"it is not a file of kmeans_fast\.IntegerKMeans"):
        IntegerKMeans.load(path)


def test_a_file_with_parameters_that_the_estimator_has_not_is_refused(X, tmp_path, entered, monkeypatch):
    path = tmp_path / "model.npz"
    with monkeypatch.context() as patch:
        patch.setattr("kmeans_fast.estimators.base._saved_as", lambda cls: "IntegerKMeans")
        kmeans_fast.KMeans(5, random_state=0).fit(X).save(path)
    with pytest.raises(ValueError, match="The file has parameters that IntegerKMeans has not: algorithm, copy_x"):
        kmeans_fast.load(path)


class DampedKMeans(IntegerKMeans):
    """Each centroid goes half of the way to the mean."""

    _rule = staticmethod(lambda sums, weights, old: ((means(sums, weights, old) + old) / 2).astype(old.dtype))


def test_a_rule_that_depends_on_the_centroids_before_runs_until_they_settle():
    """Labels settle long before: that no label changes says nothing there."""
    X = np.random.default_rng(0).integers(-2, 3, (300, 2)).astype(float)
    model = DampedKMeans(4, random_state=0).fit(X)
    assert not model.history_[-2].changed
    assert [step.converged for step in model.history_] == [False] * (model.n_iter_ - 1) + [True]
    wanted = reference.update(X, None, model.cluster_centers_, model.labels_)
    threshold = 1e-4 * reference.mean_variance(X)
    assert np.square(model.cluster_centers_ - wanted).sum() <= threshold
