"""The KMeans estimator: its answer, its attributes, where it starts."""

import inspect

import numpy as np
import pytest
from fits import same_fit
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_clusterer
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.datasets import make_blobs
from support import DTYPES, rows, some_weights

import kmeans_fast
from kmeans_fast import KMeans, Progress, reference

# ---- the answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_fit_from_an_array_is_the_reference(backend, dtype, weighted):
    X, weights = rows(200, 4, dtype), some_weights(200) if weighted else None
    wanted = reference.lloyd(X, weights, X[:6].copy())
    model = KMeans(n_clusters=6, init=X[:6], n_init=1).fit(X, sample_weight=weights)
    assert_array_equal(model.labels_, wanted.labels)
    assert_array_equal(model.cluster_centers_, wanted.centroids)
    assert (model.inertia_, model.n_iter_) == (wanted.inertia, wanted.n_iter)
    assert model.backend_ == backend


def _drawn(X, n_clusters, random_state):
    return X[random_state.permutation(len(X))[:n_clusters]]


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random", _drawn])
@pytest.mark.parametrize("random_state", [0, 42, 2**32 - 1, np.int64(7), np.uint8(200)])
@pytest.mark.parametrize("options", [{}, {"n_init": 3}, {"n_init": 2, "init_size": 60, "max_iter": 3}])
def test_an_integer_random_state_is_the_seed_of_the_functions(X, init, random_state, options):
    options = {"n_init": 1} | options
    model = KMeans(n_clusters=5, init=init, random_state=random_state, **options).fit(X)
    result = kmeans_fast.kmeans(X, 5, init=init, seed=random_state, **options)
    assert_array_equal(model.labels_, result.labels)
    assert_array_equal(model.cluster_centers_, result.centroids)
    assert (model.inertia_, model.n_iter_) == (result.inertia, result.n_iter)
    assert [step.inertia for step in model.history_] == [step.inertia for step in result.history]
    same_fit(model, clone(model).fit(X))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_seeds_of_kmeans_plusplus_are_the_start_of_both(X, weighted, seed):
    weights = some_weights(200) if weighted else None
    start, indices = kmeans_fast.kmeans_plusplus(X, 5, seed=seed, sample_weight=weights)
    assert_array_equal(start, X[indices])
    given = kmeans_fast.kmeans(X, 5, init=start, sample_weight=weights)
    assert_array_equal(kmeans_fast.kmeans(X, 5, seed=seed, sample_weight=weights).centroids, given.centroids)
    model = KMeans(n_clusters=5, random_state=seed).fit(X, sample_weight=weights)
    assert_array_equal(model.cluster_centers_, given.centroids)
    assert model.n_iter_ == given.n_iter


def test_a_random_state_object_is_asked_for_a_seed(X):
    seed = int(np.random.RandomState(3).randint(np.iinfo(np.int64).max, dtype=np.int64))
    model = KMeans(n_clusters=5, random_state=np.random.RandomState(3)).fit(X)
    assert_array_equal(model.cluster_centers_, kmeans_fast.kmeans(X, 5, seed=seed).centroids)


def test_random_state_object_advances(X):
    rng = np.random.RandomState(0)
    first, second = (KMeans(n_clusters=20, random_state=rng).fit(X) for _ in range(2))
    assert not np.array_equal(first.cluster_centers_, second.cluster_centers_)


@pytest.mark.parametrize("algorithm", ["auto", "elkan"])
def test_every_algorithm_gives_the_same_answer(X, algorithm):
    same_fit(*(KMeans(n_clusters=7, algorithm=name, random_state=0).fit(X) for name in ("lloyd", algorithm)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("max_iter", [1, 2, 300])
def test_labels_are_what_predict_gives(backend, dtype, max_iter):
    X = rows(300, 5, dtype)
    model = KMeans(n_clusters=9, max_iter=max_iter, tol=0, random_state=0).fit(X)
    assert_array_equal(model.predict(X), model.labels_)
    assert_array_equal(model.labels_, reference.assign(X, model.cluster_centers_)[0])
    assert_array_equal(model.predict(model.cluster_centers_), np.arange(9))


@pytest.mark.parametrize("dtype", DTYPES)
def test_transform_is_the_references_distance(backend, dtype):
    X = rows(90, 5, dtype)
    model = KMeans(n_clusters=4, random_state=0).fit(X)
    wanted = np.sqrt(reference.squared_distances(X, model.cluster_centers_)).astype(dtype)
    assert_array_equal(model.transform(X), wanted)
    assert model.transform(X).dtype == dtype
    assert_array_equal(np.diagonal(model.transform(model.cluster_centers_)), np.zeros(4))


@pytest.mark.parametrize("weighted", [False, True])
def test_score_is_minus_the_inertia(X, model, weighted):
    weights = some_weights(200) if weighted else None
    assert model.score(X, sample_weight=weights) == -reference.inertia(
        X, weights, model.cluster_centers_, model.labels_
    )
    assert model.score(X) == -model.inertia_


def test_fit_predict_and_fit_transform_are_fit_and_then_the_other(X, model):
    again = KMeans(n_clusters=5, random_state=0)
    assert_array_equal(again.fit_predict(X), model.labels_)
    assert_array_equal(again.fit_transform(X), model.transform(X))


@pytest.mark.parametrize("n_init", [1, 5])
def test_separated_blobs_give_scikit_learns_clusters(n_init):
    X, _ = make_blobs(600, 5, centers=6, cluster_std=0.3, random_state=2)
    init = X[kmeans_fast.kmeans_plusplus(X, 6, seed=1)[1]]
    ours, theirs = (estimator(6, init=init, n_init=1, tol=0).fit(X) for estimator in (KMeans, SklearnKMeans))
    assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, rtol=1e-10)
    np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-10)


# ---- attributes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_types_of_the_attributes(dtype):
    model = KMeans(n_clusters=3, random_state=0).fit(rows(50, 2, dtype))
    assert model.cluster_centers_.dtype == dtype
    assert model.cluster_centers_.shape == (3, 2)
    assert model.labels_.dtype == np.int32
    assert (type(model.inertia_), type(model.n_iter_)) == (float, int)
    assert model.n_features_in_ == 2
    assert isinstance(model.history_, tuple)
    assert all(isinstance(step, Progress) for step in model.history_)
    assert model.backend_ in {"cpu", "cuda", "reference"}


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.float16, bool])
def test_other_numbers_become_float64(dtype):
    X = np.random.default_rng(0).integers(0, 2, (60, 4)).astype(dtype)
    model = KMeans(n_clusters=3, random_state=0).fit(X)
    assert model.cluster_centers_.dtype == np.float64
    same_fit(model, KMeans(n_clusters=3, random_state=0).fit(X.astype(np.float64)))


def test_it_is_a_clusterer():
    assert is_clusterer(KMeans())
    assert KMeans._estimator_type == "clusterer"


def test_parameters_are_scikit_learns_and_more():
    ours, theirs = (inspect.signature(estimator).parameters for estimator in (KMeans, SklearnKMeans))
    assert list(ours)[: len(theirs)] == list(theirs)
    assert all(ours[name].default == theirs[name].default for name in theirs if name != "algorithm")


def test_centroids_share_no_memory_with_init(X):
    init = X[:5].copy()
    model = KMeans(n_clusters=5, init=init, n_init=1, max_iter=1).fit(X)
    assert not np.shares_memory(model.cluster_centers_, init)
    assert_array_equal(init, X[:5])


def test_fit_changes_neither_data_nor_weights(X):
    weights = some_weights(200)
    copies = X.copy(), weights.copy()
    KMeans(n_clusters=5, copy_x=False, random_state=0).fit(X, sample_weight=weights)
    assert_array_equal(X, copies[0])
    assert_array_equal(weights, copies[1])


def test_predict_reads_the_attribute_afresh(X, model):
    model.cluster_centers_[:] = model.cluster_centers_[::-1].copy()
    assert_array_equal(model.predict(X), 4 - model.labels_)


def test_predict_from_read_only_centers(tmp_path, X, model):
    np.save(tmp_path / "centers.npy", model.cluster_centers_)
    model.cluster_centers_ = np.load(tmp_path / "centers.npy", mmap_mode="r")
    assert_array_equal(model.predict(X), model.labels_)
    model.transform(X)
    model.score(X)


def test_refitting_replaces_everything(X, model):
    other = rows(80, 3, np.float32)
    model.set_params(n_clusters=2).fit(other)
    same_fit(model, KMeans(n_clusters=2, random_state=0).fit(other))
    assert model.n_features_in_ == 3
    assert len(model.get_feature_names_out()) == 2


def test_refitting_without_column_names_forgets_them(X, model):
    pandas = pytest.importorskip("pandas")
    model.fit(pandas.DataFrame(X, columns=list("abcd")))
    model.fit(X)
    assert not hasattr(model, "feature_names_in_")


# ---- init and n_init -----------------------------------------------------------------------------------------------


def first_rows(X, n_clusters, random_state):
    assert isinstance(random_state, np.random.RandomState)
    return X[:n_clusters]


@pytest.mark.parametrize(
    "as_type", [np.array, np.asfortranarray, list, lambda init: init.tolist(), lambda init: init.astype(int)]
)
def test_init_is_any_array_like(as_type):
    X = rows(60, 3, np.float64, "grid")
    same_fit(
        KMeans(n_clusters=4, init=as_type(X[:4]), n_init=1).fit(X), KMeans(n_clusters=4, init=X[:4], n_init=1).fit(X)
    )


def test_init_is_rounded_to_the_dtype_of_the_data():
    X, init = rows(60, 3, np.float32), rows(4, 3, np.float64, seed=1)
    same_fit(*(KMeans(n_clusters=4, init=start, n_init=1).fit(X) for start in (init, init.astype(np.float32))))


def test_init_may_be_a_callable(X):
    same_fit(
        KMeans(n_clusters=4, init=first_rows, n_init=1, random_state=0).fit(X),
        KMeans(n_clusters=4, init=X[:4], n_init=1).fit(X),
    )


def test_init_may_be_a_numpy_string(X):
    same_fit(*(KMeans(n_clusters=4, init=name, random_state=0).fit(X) for name in ("k-means++", np.str_("k-means++"))))


@pytest.mark.parametrize(
    ("init", "runs"), [("k-means++", 1), ("k-means||", 1), ("random", 10), (first_rows, 10), (np.eye(4)[:3], 1)]
)
def test_n_init_auto(X, init, runs):
    model = KMeans(n_clusters=3, init=init, random_state=0).fit(X)
    assert model._n_init == runs
    assert {step.run for step in model.history_} == set(range(runs))


def test_the_best_of_n_init_is_kept(X):
    single = [KMeans(n_clusters=9, n_init=n, random_state=3).fit(X).inertia_ for n in (1, 2, 5, 10)]
    assert single == sorted(single, reverse=True)
