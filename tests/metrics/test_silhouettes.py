"""Silhouettes: every backend has the contract's bits, and the contract is what Rousseeuw defined."""

import math
import tracemalloc

import numpy as np
import pytest
import sklearn.metrics
from labellings import labelled
from numpy.testing import assert_array_equal
from support import DTYPES, rows, session, uneven

from kmeans_fast import metrics, reference
from kmeans_fast.backends.cpu import costs
from kmeans_fast.backends.silhouettes import Clusters, silhouettes

# Rows, features, labels: fewer than a tile of rows and more, clusters of one row and larger than a panel.
SHAPES = [(3, 1, 2), (9, 2, 8), (64, 5, 2), (65, 8, 7), (130, 17, 4), (300, 3, 3), (330, 40, 5), (97, 1, 50)]


def direct(X, labels, numbers):
    """The silhouettes of some rows by exact sums of distances in float64."""
    found = []
    for i in numbers:
        distances, means = np.sqrt(reference.distance(X[i][None], X)), {}
        for c in set(labels):
            means[c] = math.fsum(distances[labels == c]) / max(1, np.sum(labels == c) - (c == labels[i]))
        a = means.pop(labels[i])
        b = min(means.values())
        found.append(0.0 if np.sum(labels == labels[i]) == 1 or max(a, b) == 0 else (b - a) / max(a, b))
    return np.array(found)


@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_backend_has_the_bits_of_the_contract(engine, dtype, shape, kind):
    n, d, k = shape
    X, labels = rows(n, d, dtype, kind), labelled(n, k)
    assert_array_equal(session(engine, X, None, 2).silhouette(labels, k), silhouettes(X, labels, k))


@pytest.mark.parametrize("kind", ["clouds", "offset", "sizes", "tails", "features", "outlier"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_wild_data_on_every_backend(engine, dtype, kind):
    X, labels = uneven(90, 5, dtype, kind), labelled(90, 4)
    assert_array_equal(session(engine, X, None, 2).silhouette(labels, 4), silhouettes(X, labels, 4))


@pytest.mark.parametrize("scale", [2.0**-380, 1e-30, 1e100, 2.0**478])
def test_extreme_values(engine, scale):
    X, labels = rows(70, 3, np.float64) * scale / 4, labelled(70, 3)
    found = session(engine, X, None, 2).silhouette(labels, 3)
    assert_array_equal(found, silhouettes(X, labels, 3))
    np.testing.assert_allclose(found, direct(X, labels, range(70)), rtol=0, atol=1e-12)


def test_a_distance_as_large_as_its_bound(engine):
    """The other rows are at the corners of their box, and a power of two away: the sum is as large as it can be."""
    X = np.repeat([[0.0, 0], [2.0**40, 0], [-(2.0**40), 0], [math.nextafter(2.0**41, 0), 0]], 40, axis=0)
    labels = np.repeat([0, 1, 1, 1], 40)
    found = session(engine, X, None, 2).silhouette(labels, 2)
    assert_array_equal(found, silhouettes(X, labels, 2))
    np.testing.assert_allclose(found, direct(X, labels, range(160)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", ["normal", "grid", "clouds", "offset", "sizes", "tails", "features", "outlier"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_contract_is_the_definition(dtype, kind):
    X, labels = uneven(200, 6, dtype, kind), labelled(200, 5)
    np.testing.assert_allclose(silhouettes(X, labels, 5), direct(X, labels, range(200)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows_far_from_the_origin_with_duplicates(dtype):
    """To 1e-10 of exact sums, where scikit-learn's distances have lost their digits."""
    rng = np.random.default_rng(1)
    X = (rng.normal(size=(4000, 16)) + 3 * rng.integers(0, 3, (4000, 1)) + 1e6).astype(dtype)
    X[1000:2000] = X[:1000]
    labels, some = labelled(4000, 10), np.arange(0, 4000, 200)
    found = metrics.silhouette_samples(X, labels)
    np.testing.assert_allclose(found[some], direct(X, labels, some), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scikit_learn_agrees(backend, shape):
    n, d, k = shape
    X, labels = rows(n, d, np.float64), labelled(n, k)
    wanted = sklearn.metrics.silhouette_samples(X, labels)
    np.testing.assert_allclose(metrics.silhouette_samples(X, labels), wanted, rtol=0, atol=1e-10)
    assert metrics.silhouette_score(X, labels) == pytest.approx(wanted.mean(), rel=0, abs=1e-10)
    state = {"sample_size": n - 1, "random_state": 3}
    if 1 < len(set(labels[np.random.RandomState(3).permutation(n)[: n - 1]])) < n - 1:
        wanted = sklearn.metrics.silhouette_score(X, labels, **state)
        assert metrics.silhouette_score(X, labels, **state) == pytest.approx(wanted, rel=0, abs=1e-10)


def test_how_it_is_computed_does_not_matter(backend, monkeypatch):
    X, labels = rows(500, 6, np.float32), labelled(500, 4)
    wanted = silhouettes(X, labels, 4)
    if backend == "cpu":
        for n_threads in (1, 2, 5):
            assert_array_equal(metrics.silhouette_samples(X, labels, n_threads=n_threads), wanted)
        monkeypatch.setattr(costs, "HEARD", 1.0)  # a call of the kernel for every few rows
    for same in (X, np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.tolist()):
        exact = np.float64 if isinstance(same, list) else np.float32
        assert_array_equal(metrics.silhouette_samples(same, labels), silhouettes(X.astype(exact), labels, 4))
    assert_array_equal(metrics.silhouette_samples([X[:200], X[200:]], labels), wanted)
    assert metrics.silhouette_score(X, labels) == math.fsum(wanted) / 500


def test_the_order_of_rows_and_the_numbers_of_clusters_do_not_matter(backend):
    X, labels = rows(300, 4, np.float64), labelled(300, 5)
    found, order = metrics.silhouette_samples(X, labels), np.random.default_rng(0).permutation(300)
    assert_array_equal(metrics.silhouette_samples(X[order], 4 - labels[order]), found[order])


@pytest.mark.parametrize(
    "names",
    [
        [-5, 7, 3_000_000_000], ["b", "a", "ü"], [0.5, -1.0, 1e300], np.array([1, 2, 3], np.uint8),
        np.array(["x", "yy", "z"], object), [True, False, True],
    ],
    ids=str,
)  # fmt: skip
def test_labels_of_any_kind(names):
    X, labels = rows(60, 3, np.float64), labelled(60, 3)
    _, codes = np.unique(np.asarray(names)[labels], return_inverse=True)
    wanted = silhouettes(X, codes, codes.max() + 1)
    assert_array_equal(metrics.silhouette_samples(X, np.asarray(names)[labels]), wanted)
    assert_array_equal(metrics.silhouette_samples(X, np.asarray(names)[labels].tolist()), wanted)


def test_a_cluster_of_one_row_and_rows_that_are_all_equal(backend):
    X, labels = rows(40, 3, np.float64), np.array([0] * 20 + [1] * 19 + [2])
    assert metrics.silhouette_samples(X, labels)[-1] == 0
    assert_array_equal(metrics.silhouette_samples(np.full((40, 3), 7.5), labels), np.zeros(40))
    X[1::2] = X[::2]  # each row twice, and each pair a cluster: at 1, but for the row in a cluster of its own
    assert_array_equal(metrics.silhouette_samples(X, np.arange(40) // 2), np.ones(40))
    assert_array_equal(metrics.silhouette_samples(X, np.r_[np.arange(39), 38])[:38], np.zeros(38))


def test_memory_grows_with_rows_not_with_pairs():
    X, labels = rows(6000, 4, np.float64), labelled(6000, 1500)
    metrics.silhouette_samples(X[:100], labels[:100])
    tracemalloc.start()
    metrics.silhouette_samples(X, labels, device="cpu")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6  # bytes; distances would be 288 MB, means to clusters 72 MB


def test_sums_fit_and_units_are_as_fine_as_they_may_be():
    sizes = [1, 2, 4095, 4096, 2**19 - 1, 2**19, 2**31 - 1]
    bits = Clusters(None, None, np.concatenate([[0], np.cumsum(sizes)])).sum_bits
    assert bits.tolist() == [51, 51, 51, 50, 44, 43, 32]
    assert all(size * 2 ** int(b) < 2**63 for size, b in zip(sizes, bits))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": [0] * 6}, r"Number of labels is 1\. Valid values are 2 to n_samples - 1 \(inclusive\)"),
        ({"labels": list("abcdef")}, "Number of labels is 6"),
        ({"labels": [0, 1, 0]}, r"inconsistent numbers of samples: \[6, 3\]"),
        ({"labels": [[0], [1]] * 3}, r"one dimension .* got shape \(6, 1\): use labels.ravel"),
        ({"labels": [0, 1, np.nan, 1, 0, 0]}, "labels contains NaN"),
        ({"labels": [0, "a", None, 1, 0, 0]}, "labels must be of one kind"),
        ({"labels": np.zeros(6, complex)}, "integers or strings, got dtype complex128"),
        ({"labels": np.ma.array([0, 1] * 3, mask=[1, 0] * 3)}, "masked"),
        ({"X": [[0.0], [np.nan], [1], [1], [1], [1]]}, "X contains NaN"),
        ({"X": [[0.0], [1e200], [1], [1], [1], [1]]}, "Scale the data"),
        ({"X": [[0.0], [1e-200], [0], [0], [0], [0]]}, "underflow"),
        ({"X": [1.0] * 6}, "2 dimensions"),
        ({"metric": "cosine"}, "metric must be 'euclidean', got 'cosine'.*sklearn.metrics.silhouette_samples"),
        ({"metric": "precomputed"}, "got 'precomputed'.*sklearn"),
        ({"device": "tpu"}, "device"),
        ({"n_threads": 0}, "n_threads"),
    ],
    ids=str,
)
def test_refusals_name_the_rule_and_the_value(changed, message):
    given = {"X": rows(6, 1, np.float64), "labels": [0, 1] * 3} | changed
    for function in (metrics.silhouette_samples, metrics.silhouette_score):
        with pytest.raises(ValueError, match=message):
            function(given.pop("X"), given.pop("labels"), **given)
        given = {"X": rows(6, 1, np.float64), "labels": [0, 1] * 3} | changed


def test_refusals_of_a_sample():
    X = rows(6, 1, np.float64)
    for size in (0, -1, 2.5, "3"):
        with pytest.raises(ValueError, match="sample_size must be an integer of at least 1 or None"):
            metrics.silhouette_score(X, [0, 1] * 3, sample_size=size)
    with pytest.raises(ValueError, match="random_state"):
        metrics.silhouette_score(X, [0, 1] * 3, sample_size=3, random_state="a")
    with pytest.raises(ValueError, match="Number of labels is 1"):
        metrics.silhouette_score(X, [0, 1] * 3, sample_size=1)
