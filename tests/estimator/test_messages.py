"""Errors and warnings: scikit-learn's words where it has them; otherwise the rule and the value."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.exceptions import ConvergenceWarning
from support import rows

import kmeans_fast
from kmeans_fast import KMeans

X = rows(12, 2, np.float64)


def message(estimator, data, **parameters):
    with pytest.raises(ValueError, match=r".") as caught:
        estimator(**parameters).fit(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_clusters", 0),
        ("n_clusters", -1),
        ("n_clusters", 2.5),
        ("n_clusters", "3"),
        ("n_clusters", None),
        ("max_iter", 0),
        ("max_iter", 1.5),
        ("n_init", 0),
        ("tol", -1e-3),
        ("tol", "small"),
        ("tol", None),
    ],
)
def test_wrong_parameters_give_scikit_learns_message(name, value):
    assert message(KMeans, X, **{name: value}) == message(SklearnKMeans, X, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_clusters", True),
        ("init", "farthest"),
        ("init", None),
        ("init", 3),
        ("n_init", "many"),
        ("n_init", -1),
        ("tol", np.nan),
        ("tol", np.inf),
        ("algorithm", "hamerly"),
        ("algorithm", None),
        ("device", "tpu"),
        ("device", "cuda:x"),
        ("device", "cpu:1"),
        ("device", 0),
        ("n_threads", 0),
        ("init_size", 0),
        ("init_size", 2.5),
        ("init_size", 7),
        ("n_threads", -1),
        ("n_threads", 1.5),
        ("callback", 3),
        ("verbose", "loud"),
        ("verbose", -1),
        ("copy_x", "no"),
        ("random_state", "seed"),
        ("random_state", -1),
    ],
)
def test_wrong_parameters_are_refused_by_name_and_value(name, value):
    assert repr(value) in message(KMeans, X, **{name: value}) or str(value) in message(KMeans, X, **{name: value})


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (X[:3], {"n_clusters": 4}),
        (X, {"n_clusters": 3, "init": X[:2], "n_init": 1}),
        (X, {"n_clusters": 3, "init": X[:3, :1], "n_init": 1}),
        (X, {"n_clusters": 3, "init": X[:4], "n_init": 1}),
        (X, {"n_clusters": 3, "init": lambda X, k, random_state: X[: k - 1]}),
        (X, {"n_clusters": 3, "init": lambda X, k, random_state: X[:k, :1]}),
        (X[0], {"n_clusters": 1}),
        (np.empty((0, 2)), {"n_clusters": 1}),
        (np.empty((3, 0)), {"n_clusters": 1}),
        (X[None], {"n_clusters": 1}),
        (X * 1j, {"n_clusters": 1}),
        ([[1.0, np.nan], [2.0, 3.0]], {"n_clusters": 1}),
        ([[1.0, np.inf], [2.0, 3.0]], {"n_clusters": 1}),
        ([["a", "b"]], {"n_clusters": 1}),
    ],
)
def test_data_that_does_not_fit_gives_scikit_learns_message(data, parameters):
    assert message(KMeans, data, **parameters) == message(SklearnKMeans, data, **parameters)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("of", ["array", "callable"])
def test_init_that_is_not_finite_is_refused(bad, of):
    init = X[:3].copy()
    init[1, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        KMeans(n_clusters=3, n_init=1, init=init if of == "array" else lambda X, k, random_state: init).fit(X)


@pytest.mark.parametrize("method", ["predict", "transform", "score"])
def test_another_number_of_features_than_fitted(method):
    ours, theirs = (estimator(3, random_state=0).fit(X) for estimator in (KMeans, SklearnKMeans))
    messages = []
    for model in (ours, theirs):
        with pytest.raises(ValueError, match="expecting 2 features") as caught:
            getattr(model, method)(X[:, :1])
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (np.ones(11), "shape"),
        (np.ones((12, 1)), "1D array"),
        (np.full(12, np.nan), "NaN"),
        (np.full(12, np.inf), "infinity"),
        (np.zeros(12), "zero"),
        (np.r_[-1.0, np.ones(11)], "-1.0 at row 0"),
        (["a"] * 12, "."),
    ],
    ids=["short", "column", "NaN", "infinity", "zeros", "negative", "text"],
)
def test_bad_weights_are_refused(weights, text):
    with pytest.raises(ValueError, match=text):
        KMeans(n_clusters=2).fit(X, sample_weight=weights)


# ---- warnings ------------------------------------------------------------------------------------------------------


def caught_warnings(estimator, data, **parameters):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator(random_state=0, **parameters).fit(data)
    return [(w.category, str(w.message)) for w in caught]


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (np.repeat(X[:3], 5, axis=0), {"n_clusters": 4}),
        (np.zeros((9, 2)), {"n_clusters": 3}),
        (X, {"n_clusters": 3, "init": X[:3], "n_init": 2}),
        (X, {"n_clusters": 1, "algorithm": "elkan"}),
        (X, {"n_clusters": 3}),
        (X, {"n_clusters": 3, "init": X[:3]}),
    ],
    ids=["duplicates", "zeros", "n_init", "elkan", "none", "n_init auto"],
)
def test_warnings_are_scikit_learns(data, parameters):
    assert caught_warnings(KMeans, data, **parameters) == caught_warnings(SklearnKMeans, data, **parameters)


@pytest.mark.parametrize(
    ("call", "category"),
    [
        (KMeans(n_clusters=3).fit, ConvergenceWarning),
        (KMeans(n_clusters=3).fit_predict, ConvergenceWarning),
        (lambda X: kmeans_fast.kmeans(X, 3), kmeans_fast.FewClustersWarning),
    ],
    ids=["fit", "fit_predict", "function"],
)
def test_the_warning_of_few_clusters_points_at_the_caller(call, category):
    with pytest.warns(category, match=r"distinct clusters \(1\) found smaller than n_clusters \(3\)") as caught:
        call(np.zeros((9, 2)))
    assert [w.filename for w in caught] == [__file__]


# ---- centroids given by hand ---------------------------------------------------------------------------------------

BAD_CENTROIDS = {
    "too narrow": (X[:3, :1], "features of the data 2|each of the 2 features"),
    "too wide": (np.ones((3, 5)), "features of the data 2|each of the 2 features"),
    "one dimension": (X[0], "2 dimensions"),
    "three dimensions": (np.ones((3, 2, 2)), "2 dimensions"),
    "a number": (3.0, "2 dimensions"),
    "no rows": (np.empty((0, 2)), "at least one row"),
    "NaN": (np.full((3, 2), np.nan), "NaN"),
    "infinity": (np.full((3, 2), np.inf), "infinity"),
    "too large": (np.full((3, 2), 1e200), "1e"),
    "complex": (X[:3] * 1j, "complex"),
    "text": (np.full((3, 2), "a"), "numbers"),
    "objects": (np.full((3, 2), None), "."),
    "ragged": ([[1.0, 2.0], [3.0]], "."),
}
USES = {
    "predict": lambda model, data: model.predict(data),
    "transform": lambda model, data: model.transform(data),
    "score": lambda model, data: model.score(data),
    "weighted score": lambda model, data: model.score(data, sample_weight=np.ones(len(data))),
    "assign": lambda model, data: kmeans_fast.assign(data, model.cluster_centers_),
    "KMeans.fit": lambda model, data: KMeans(3, init=model.cluster_centers_, n_init=1).fit(data),
    "KMeans.fit from a callable": lambda model, data: KMeans(
        3, init=lambda X, k, random_state: model.cluster_centers_, n_init=1
    ).fit(data),
    "kmeans": lambda model, data: kmeans_fast.kmeans(data, 3, init=model.cluster_centers_),
    "save": lambda model, data: model.save("never-written.npz"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", BAD_CENTROIDS)
def test_bad_centroids_are_refused_wherever_they_enter(tmp_path, monkeypatch, kind, use):
    monkeypatch.chdir(tmp_path)
    model = KMeans(3, random_state=0).fit(X)
    model.cluster_centers_, text = BAD_CENTROIDS[kind]
    starts = "fit" in use or use == "kmeans"  # scikit-learn's words for them name another rule in some cases
    with pytest.raises(ValueError, match="." if starts else text):
        USES[use](model, X)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("use", ["predict", "transform", "score", "assign"])
@pytest.mark.parametrize(
    "convert",
    [
        lambda centers: centers.tolist(),
        np.asfortranarray,
        lambda centers: centers.astype(">f8"),
        lambda centers: np.repeat(centers, 2, axis=0)[::2],
    ],
    ids=["list", "Fortran", "big-endian", "strided"],
)
def test_good_centroids_in_any_form_give_the_same_answer(convert, use):
    model = KMeans(3, random_state=0).fit(X)
    expected = USES[use](model, X)
    model.cluster_centers_ = convert(model.cluster_centers_)
    for one, other in zip(np.atleast_1d(expected), np.atleast_1d(USES[use](model, X)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_and_centroids_whose_inertia_may_overflow_are_refused():
    heavy = np.full(len(X), 1e100)
    far = np.full((3, 2), 1e140)
    model = KMeans(3, random_state=0).fit(X)
    model.cluster_centers_ = far
    with pytest.raises(ValueError, match="may overflow"):
        model.score(X, sample_weight=heavy)
    with pytest.raises(ValueError, match="may overflow"):
        kmeans_fast.kmeans(X, 3, init=far, sample_weight=heavy)
    assert np.isfinite(model.score(X))
