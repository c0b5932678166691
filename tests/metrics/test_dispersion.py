"""Scores by means: the same bits on every backend, scikit-learn's values, and the definitions where those are off."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
from labellings import labelled
from numpy.testing import assert_array_equal
from support import DTYPES, rows, session, some_weights, uneven

import kmeans_fast
from kmeans_fast import metrics, reference
from kmeans_fast.backends.partials import Form

SHAPES = [(3, 1, 2), (9, 2, 8), (65, 8, 7), (130, 17, 4), (700, 3, 3), (330, 40, 5), (97, 1, 50)]
SCORES = [metrics.calinski_harabasz_score, metrics.davies_bouldin_score]
KINDS = ["normal", "grid", "clouds", "offset", "sizes", "tails", "features", "outlier"]


def means_of(X, labels, k):
    sums, sizes = reference.cluster_sums(X, None, labels, k)
    return sums / sizes[:, None], sizes


def direct(X, labels, k):
    """Both scores from exact sums."""
    means, sizes = means_of(X, labels, k)
    mean = np.array([math.fsum(column) / len(X) for column in X.T.astype(np.float64)])
    between = math.fsum(sizes * reference.distance(means, mean))
    own = reference.own_distances(X, means, labels)
    widths = [math.fsum(np.sqrt(own[labels == c])) / sizes[c] for c in range(k)]
    apart = np.sqrt(reference.squared_distances(means, means))
    worst = [
        max([(widths[i] + widths[j]) / apart[i, j] for j in range(k) if apart[i, j] > 0], default=0.0) for i in range(k)
    ]
    within = math.fsum(own)
    return between * (len(X) - k) / (within * (k - 1)) if within else 1.0, math.fsum(worst) / k


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_given_labels_are_exact(engine, dtype, shape, weighted):
    n, d, k = shape
    X, labels, weights = rows(n, d, dtype), labelled(n, k).astype(np.int32), some_weights(n) if weighted else None
    opened = session(engine, X, weights, k)
    opened.assign(X[:k])  # what it knew before does not matter
    form = Form.of(opened.ranges(True), n)
    sums, sizes = reference.cluster_sums(X, weights, labels, k)
    for _ in range(2):
        found = form.rounded(opened.sums_of(labels.copy(), form))
        assert_array_equal(found[:, :d], sums)
        assert_array_equal(opened.labels, labels)
    if weighted:
        assert_array_equal(found[:, d], sizes)
    opened.reset()
    centroids = X[:k].copy()
    assert_array_equal(
        opened.fetch(opened.iterate(centroids).read().centroids),
        reference.update(X, weights, centroids, reference.assign(X, centroids)[0]),
    )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_scores_are_those_of_exact_sums(backend, dtype, shape):
    n, d, k = shape
    X, labels = rows(n, d, dtype, "grid" if n == 65 else "normal"), labelled(n, k)
    assert tuple(score(X, labels) for score in SCORES) == direct(X, labels, k)


@pytest.mark.parametrize("kind", KINDS)
def test_wild_data(backend, kind):
    for dtype in DTYPES:
        X, labels = uneven(120, 5, dtype, kind), labelled(120, 4)
        assert tuple(score(X, labels) for score in SCORES) == direct(X, labels, 4)


def test_scikit_learn_agrees(backend):
    for n, d, k in SHAPES:
        X, labels = rows(n, d, np.float64) + 4 * labelled(n, k, seed=1)[:, None], labelled(n, k, seed=1)
        for score in SCORES:
            wanted = getattr(sklearn.metrics, score.__name__)(X, labels)
            assert score(X, labels) == pytest.approx(wanted, rel=1e-10)


def test_clusters_without_spread_or_with_equal_means(backend):
    """scikit-learn's values."""
    points, labels = np.repeat([[0.0], [3.0]], 3, axis=0), [0, 0, 0, 1, 1, 1]
    equal = np.array([[-1.0], [1.0], [-2.0], [2.0], [5.0], [6.0]])
    for X, named in ((points, labels), (equal, [0, 0, 1, 1, 2, 2]), (equal[:4], [0, 0, 1, 1])):
        for score in SCORES:
            assert score(X, named) == pytest.approx(getattr(sklearn.metrics, score.__name__)(X, named), rel=1e-14)


def test_small_numbers_are_not_taken_for_zero():
    X, labels = rows(60, 3, np.float64), labelled(60, 4)
    assert metrics.davies_bouldin_score(X * 2.0**-60, labels) == metrics.davies_bouldin_score(X, labels)


def test_what_labels_are_called_and_how_rows_come_does_not_matter():
    X, labels = rows(200, 4, np.float32), labelled(200, 5)
    for score in SCORES:
        wanted = score(X, labels)
        assert score([X[:70], X[70:]], labels) == score(np.asfortranarray(X), labels, n_threads=2) == wanted
        assert score(X[::-1], np.array(list("edcba"))[labels][::-1]) == pytest.approx(wanted, rel=1e-14)


def simplified(X, labels, centroids):
    table, own = (
        np.sqrt(reference.squared_distances(X, centroids)),
        np.arange(len(X)),
    )
    a, others = table[own, labels], table.copy()
    others[own, labels] = np.inf
    b = others.min(axis=1)
    return np.where(np.maximum(a, b) > 0, (b - a) / np.where(np.maximum(a, b) > 0, np.maximum(a, b), 1), 0.0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_simplified_silhouettes(backend, dtype, shape, monkeypatch):
    n, d, k = shape
    X, labels = rows(n, d, dtype), labelled(n, k)
    means, sizes = means_of(X, labels, k)
    wanted = np.where(sizes[labels] == 1, 0.0, simplified(X, labels, means))
    assert_array_equal(metrics.simplified_silhouette(X, labels), wanted)
    assert metrics.simplified_silhouette_score(X, labels) == math.fsum(wanted) / n
    centroids = rows(k, d, dtype, seed=5)
    monkeypatch.setattr("kmeans_fast.metrics.simplified._TABLE", 20 * k)  # in several pieces
    assert_array_equal(metrics.simplified_silhouette(X, labels, centroids), simplified(X, labels, centroids))


def test_simplified_silhouettes_of_a_fit():
    """It is near the silhouette where clusters are apart, and not negative with the labels of nearest centroids."""
    X = rows(400, 3, np.float64) + 20 * labelled(400, 3)[:, None]
    model = kmeans_fast.KMeans(3, random_state=0).fit(X)
    found = metrics.simplified_silhouette(X, model.labels_, model.cluster_centers_)
    assert found.min() >= 0
    assert abs(found.mean() - metrics.silhouette_score(X, model.labels_)) < 0.03
    new = X[:5] + 0.1
    assert metrics.simplified_silhouette(new, model.predict(new), model.cluster_centers_).min() >= 0


@pytest.mark.parametrize(
    ("labels", "centroids", "message"),
    [
        ([0, 1, 2, 1], [[0.0], [1.0]], "labels must be from 0 to 1, the numbers of the centroids, got 2"),
        ([0, 1, -1, 1], [[0.0], [1.0]], "got -1"),
        ([0.0, 1, 0, 1], [[0.0], [1.0]], "must be integers, the numbers of centroids, got dtype float64"),
        ([0, 0, 0, 0], [[0.0]], "centroids must be 2 or more, got 1"),
        ([0, 1, 0, 1], [[0.0, 1.0], [1.0, 1.0]], "does not match the number of features"),
        ([0, 1, 0, 1], [[0.0], [np.nan]], "centroids contains NaN"),
        ([0, 1, 0], [[0.0], [1.0]], r"inconsistent numbers of samples: \[4, 3\]"),
        ([0, 0, 0, 0], None, "Number of labels is 1"),
    ],
)
def test_refusals_of_the_simplified_silhouette(labels, centroids, message):
    with pytest.raises(ValueError, match=message):
        metrics.simplified_silhouette(rows(4, 1, np.float64), labels, centroids)


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.__name__)
def test_refusals(score):
    X = rows(5, 2, np.float64)
    for labels in ([0] * 5, range(5)):
        with pytest.raises(ValueError, match="Valid values are 2 to n_samples - 1"):
            score(X, labels)
    X[3, 1] = np.inf
    with pytest.raises(ValueError, match=r"X contains infinity at \(3, 1\)"):
        score(X, [0, 1, 0, 1, 0])


def test_every_pair_of_backends_agrees_on_more_rows():
    X, labels = rows(20_000, 5, np.float32), labelled(20_000, 40)
    found = []
    for name in ("cpu", "reference"):
        with kmeans_fast.use_backend(name):
            found.append([score(X, labels) for score in (*SCORES, metrics.simplified_silhouette_score)])
    assert all(a == b for a, b in itertools.pairwise(found))
