"""The number of clusters: what is recommended, by which searches, and what it is made of."""

import numpy as np
import pytest
from sklearn import metrics

import kmeans_fast
from kmeans_fast import choose_k
from kmeans_fast.choosing_k import criteria, searches
from kmeans_fast.choosing_k.choosing import SILHOUETTE_ROWS
from kmeans_fast.datasets import make_blobs


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(1500, 4, centers=5, center_box=(-20, 20), random_state=2)[0]


@pytest.fixture(scope="module")
def choice(blobs):
    return choose_k(blobs, range(2, 10), seed=0)


def test_blobs_that_are_apart_are_counted(choice):
    assert choice.n_clusters == 5
    assert choice.confidence == "clear"
    assert choice.table["k"].tolist() == list(range(2, 10))
    assert list(choice.votes.values()).count(5) >= 3
    assert "5 clusters (clear)" in str(choice)
    assert str(choice).count("  <\n") == 1
    assert max(map(len, str(choice).partition("\n\n")[0].split("\n"))) <= 80  # it suits a terminal


def test_every_column_is_what_it_says(blobs, choice):
    n = len(blobs)
    assert n <= SILHOUETTE_ROWS  # so that the sample is all rows, and silhouettes are of them all
    total = ((blobs - blobs.mean(axis=0)) ** 2).sum()
    for at, k in enumerate(choice.table["k"].tolist()):
        labels, squared = kmeans_fast.assign(blobs, choice.centroids[k])
        np.testing.assert_allclose(squared.sum(), choice.table["inertia"][at], rtol=1e-3)
        within = choice.table["inertia"][at]
        expected = (total - within) / (k - 1) / (within / (n - k))
        np.testing.assert_allclose(choice.table["calinski_harabasz"][at], expected, rtol=1e-9)
        np.testing.assert_allclose(choice.table["silhouette"][at], metrics.silhouette_score(blobs, labels), atol=5e-3)
        expected = metrics.davies_bouldin_score(blobs, labels)
        np.testing.assert_allclose(choice.table["davies_bouldin"][at], expected, rtol=0.03)
    assert np.all(np.diff(choice.table["inertia"]) < 0)
    labels, squared = kmeans_fast.assign(blobs, choice.centroids[5])
    np.testing.assert_array_equal(choice.labels, labels)
    np.testing.assert_allclose(choice.inertia, squared.sum(), rtol=1e-12)


def test_the_answer_depends_on_data_and_seed_alone(blobs, choice):
    again = choose_k(blobs, range(2, 10), seed=0, n_threads=1)
    assert again.votes == choice.votes
    for name, values in choice.table.items():
        if name != "seconds":
            np.testing.assert_array_equal(values, again.table[name])
    for k, centroids in choice.centroids.items():
        np.testing.assert_array_equal(centroids, again.centroids[k])


def test_what_is_recommended_is_fitted_on_all_rows_to_the_end():
    X = make_blobs(20_000, 3, centers=6, center_box=(-20, 20), random_state=1, dtype=np.float32)[0]
    found = choose_k(X, [4, 5, 6, 7], sample_size=700, seed=1)
    assert found.n_clusters == 6
    assert found.labels.shape == (20_000,)
    whole = kmeans_fast.kmeans(X, 6, init=found.centroids[6], max_iter=1, tol=1e-4)
    assert whole.history[0].converged
    assert found.centroids[6].dtype == np.float32


@pytest.mark.parametrize(("search", "most"), [("random", 4), ("bisect", 12)])
def test_searches_try_fewer(search, most):
    X = make_blobs(1200, 3, centers=9, center_box=(-30, 30), random_state=0)[0]
    told = []
    found = choose_k(X, range(2, 61), search=search, n_trials=4, seed=3, callback=lambda one: told.append(one.k))
    assert sorted(told) == found.table["k"].tolist()
    assert len(told) <= most
    if search == "bisect":
        assert found.n_clusters == 9
    else:
        again = choose_k(X, range(2, 61), search=search, n_trials=4, seed=3)
        assert again.table["k"].tolist() == found.table["k"].tolist()


def test_a_bisection_ends_at_the_best():
    rng = np.random.default_rng(0)
    for _ in range(50):
        numbers = sorted(rng.choice(np.arange(1, 200), rng.integers(1, 60), replace=False).tolist())
        wanted, tried = int(rng.choice(numbers)), []
        while True:
            best = min(tried, key=lambda k: abs(k - wanted)) if tried else None
            following = searches.bisect(numbers, tried, best)
            if following is None:
                break
            assert following in numbers
            assert following not in tried
            tried.append(following)
        place, places = numbers.index(best), {numbers.index(k) for k in tried}
        assert {max(place - 1, 0), min(place + 1, len(numbers) - 1)} <= places


def test_few_rows_are_all_looked_at():
    X = make_blobs(20_000, 2, centers=3, center_box=(-20, 20), random_state=0)[0]
    X[7] = 1e4  # a sample would miss it in two cases of five
    for seed in range(3):
        found = choose_k(X, [2, 3, 4, 5], seed=seed, n_resamples=1)
        assert np.bincount(found.labels).min() == 1


def test_a_callback_ends_the_search(blobs):
    found = choose_k(blobs, range(2, 10), seed=0, callback=lambda one: one.k == 4)
    assert found.table["k"].tolist() == [2, 3, 4]


def test_rows_without_clusters_are_told():
    X = np.random.default_rng(0).normal(size=(2000, 12))
    found = choose_k(X, range(2, 9), seed=0)
    assert found.confidence == "uncertain"
    assert "There may be no clusters at all" in found.reasons[-1]


def test_few_distinct_rows(blobs):
    X = np.repeat(blobs[:3], 20, axis=0)
    found = choose_k(X, range(2, 7), seed=0)
    assert found.n_clusters == 3
    assert choose_k(X, [1, 2], seed=0).n_clusters in (1, 2)
    assert choose_k(np.ones((10, 2)), [1], seed=0).n_clusters == 1


def test_rows_in_chunks_and_as_tensors_are_taken(blobs, choice):
    found = choose_k([blobs[:700], blobs[700:]], range(2, 10), seed=0)
    assert found.votes == choice.votes
    np.testing.assert_array_equal(found.labels, choice.labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": []}, "k must hold at least one number of clusters"),
        ({"k": [0, 3]}, "k must be an integer of at least 1, got 0"),
        ({"k": [2.5]}, "k must be an integer of at least 1, got 2.5"),
        ({"k": ["a", 3]}, "k must be an integer of at least 1, got 'a'"),
        ({"k": 5}, r"k must be numbers of clusters, such as range\(2, 21\) or \[5\], got 5"),
        ({"k": [2, 9999]}, "n_samples=1500 should be >= n_clusters=9999"),
        ({"search": "all"}, "search must be one of 'grid', 'random', 'bisect', got 'all'"),
        ({"n_init": 0}, "n_init must be an integer of at least 1, got 0"),
        ({"sample_size": 0}, "sample_size must be an integer of at least 1 or None, got 0"),
        ({"sample_size": 10}, "sample_size must be at least the largest k, 20, got 10"),
        ({"tol": -1}, "tol must be"),
    ],
)
def test_bad_arguments_are_refused_by_name(blobs, arguments, message):
    with pytest.raises(ValueError, match=message):
        choose_k(blobs, **arguments)


@pytest.mark.parametrize("numbers", [range(2, 5), [3]])
def test_nobody_is_sure_where_nothing_can_be_known(numbers):
    same = choose_k(np.ones((100, 2)), numbers, seed=0)
    assert same.confidence == "uncertain"
    assert "No criterion can tell" in same.reasons[0]
    noise = np.random.default_rng(0).normal(size=(300, 2))
    assert choose_k(noise, [4], seed=0).confidence == "uncertain"


# ---- criteria ------------------------------------------------------------------------------------------------------


def test_an_elbow_is_where_the_curve_bends():
    k = np.arange(1, 11)
    inertia = np.where(k <= 4, 1000.0 / 3.0 ** (k - 1), 1000.0 / 27 * 0.95 ** (k - 4))
    distances = criteria.elbow_distances(k, inertia)
    assert k[distances.argmax()] == 4
    np.testing.assert_allclose(distances[[0, -1]], 0, atol=1e-12)
    assert np.isnan(criteria.elbow_distances([1, 2], [3.0, 1.0])).all()
    assert np.isnan(criteria.elbow_distances([1, 2, 3], [1.0, 1.0, 1.0])).all()
    assert np.isnan(criteria.elbow_distances([1, 2, 3], [0.0, 0.0, 0.0])).all()
    assert criteria.elbow_distances([1, 2, 3, 4], [9.0, 4.0, 0.0, 0.0]).argmax() == 2


def test_prediction_strength_counts_pairs():
    rng = np.random.default_rng(0)
    for _ in range(30):
        labels, predicted = rng.integers(0, 4, 25), rng.integers(0, 5, 25)
        shares = []
        for cluster in np.unique(labels):
            own = predicted[labels == cluster]
            pairs = [own[i] == own[j] for i in range(len(own)) for j in range(i)]
            if pairs:
                shares.append(np.mean(pairs))
        np.testing.assert_allclose(criteria.prediction_strength(predicted, labels), min(shares, default=1.0))


def test_votes_and_ties():
    k = np.array([2, 3, 4])
    columns = {
        "calinski_harabasz": np.array([1.0, 5.0, 2.0]), "elbow": np.array([0.1, 0.0, 0.3]),
        "silhouette": np.array([0.4, 0.6, 0.5]), "stability": np.array([0.9, 0.2, 0.8]),
    }  # fmt: skip
    found = criteria.recommended(k, columns)
    assert found.votes == {"calinski_harabasz": 3, "elbow": 4, "silhouette": 3, "stability": 4}
    assert found.n_clusters == 3  # two for each: the criterion that finds the true number most often decides
    assert found.confidence == "likely"
    columns["stability"] = np.full(3, 0.1)
    assert criteria.recommended(k, columns).votes["stability"] is None
    nothing = {name: np.full(3, np.nan) for name in columns}
    assert criteria.recommended(k, nothing).confidence == "uncertain"
