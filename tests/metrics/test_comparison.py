"""Clusters beside known classes, against brute force and scikit-learn."""

import itertools

import numpy as np
import pytest
from sklearn import metrics

from kmeans_fast.metrics import compare_labels, silhouette_score


def test_the_matching_is_the_best_of_all():
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, classes, clusters = rng.integers(1, 40), rng.integers(1, 5), rng.integers(1, 5)
        y_true, labels = rng.integers(0, classes, n), rng.integers(0, clusters, n)
        found = compare_labels(y_true, labels)
        values, of = np.unique(y_true), np.unique(labels)
        wide = max(len(values), len(of))
        best = 0
        for names in itertools.permutations(range(wide), len(of)):
            predicted = np.array(names)[np.searchsorted(of, labels)]
            best = max(best, int((predicted == np.searchsorted(values, y_true)).sum()))
        assert found.right.sum() == best
        assert found.accuracy == best / n
        np.testing.assert_array_equal(found.right, found.predicted == np.searchsorted(values, y_true))
        assert found.confusion.sum() == n
        partners = np.flatnonzero(found.matching != -1)
        assert found.confusion[found.matching[partners], partners].sum() == best


@pytest.mark.filterwarnings("ignore:A single label was found")  # scikit-learn's, of its own matrix
def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(100):
        n = rng.integers(1, 60)
        y_true, labels = rng.integers(0, rng.integers(1, 8), n), rng.integers(0, rng.integers(1, 8), n)
        found = compare_labels(y_true, labels)
        np.testing.assert_allclose(found.adjusted_rand, metrics.adjusted_rand_score(y_true, labels), atol=1e-12)
        expected = metrics.normalized_mutual_info_score(y_true, labels)
        np.testing.assert_allclose(found.normalized_mutual_info, expected, atol=1e-12)
        predicted = np.where(found.predicted < 0, -1, found.classes[found.predicted])
        of_classes = metrics.precision_recall_fscore_support(y_true, predicted, labels=found.classes, zero_division=0)
        for got, wanted in zip((found.precision, found.recall, found.f1, found.support), of_classes, strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-15)
        one_against_rest = [((predicted == one) == (y_true == one)).mean() for one in found.classes]
        np.testing.assert_allclose(found.class_accuracy, one_against_rest, atol=1e-15)
        matrix = metrics.confusion_matrix(y_true, predicted, labels=found.classes)
        matched = found.matching != -1
        np.testing.assert_array_equal(found.confusion[:, matched], matrix[:, found.matching[matched]])


@pytest.mark.parametrize(
    "kind", [str, np.int8, np.uint64, bool, float, object], ids=["str", "int8", "uint64", "bool", "float", "object"]
)
def test_values_of_any_kind(kind):
    y_true = np.array([0, 0, 1, 1, 1]).astype(kind)
    found = compare_labels(y_true, [7, 7, -3, -3, 7])
    np.testing.assert_array_equal(found.predicted, [0, 0, 1, 1, 0])
    assert found.classes.tolist() == sorted(set(y_true.tolist()))
    assert found.clusters.tolist() == [7, -3]
    assert compare_labels([5] * 3, np.array([1 << 40, 3, 1 << 40])).clusters.tolist() == [1 << 40, 3]


def test_clusters_and_classes_without_a_partner():
    found = compare_labels(["a", "a", "b", "b"], [0, 0, 1, 2])
    assert found.clusters.tolist() in ([0, 1, 2], [0, 2, 1])
    assert found.matching.tolist() == [0, 1, -1]
    assert (found.predicted == -1).sum() == 1
    assert "clusters that stand for no class" in str(found)
    found = compare_labels(["a", "b", "c", "c"], [0, 0, 0, 0])
    assert found.matching.tolist() == [2]
    assert found.recall.tolist() == [0, 0, 1]
    assert found.precision.tolist() == [0, 0, 0.5]
    assert str(found).count("-") >= 2


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="one value for each row: there are 3 and 2"):
        compare_labels([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match=r"labels must have one dimension and at least one row, got shape \(1, 2\)"):
        compare_labels([1, 2], [[1, 2]])
    with pytest.raises(ValueError, match="y_true must have one dimension and at least one row"):
        compare_labels([], [])
    with pytest.raises(ValueError, match="y_true contains NaN or infinity"):
        compare_labels([0.0, np.nan], [1, 2])
    with pytest.raises(ValueError, match="got dtype complex128"):
        compare_labels([0j, 1j], [1, 2])
    with pytest.raises(ValueError, match="values of one kind"):
        compare_labels([1, "a", None], [1, 2, 3])


@pytest.mark.parametrize(
    "labels",
    [["a", float("nan"), "a"], np.array([1, np.nan, 1], object), np.ma.array([0, 1, 1], mask=[0, 0, 1])],
    ids=["strings", "objects", "mask"],
)
def test_what_is_missing_is_no_class(labels):
    with pytest.raises(ValueError, match=r"NaN|masked"):
        compare_labels(labels, [0, 1, 1])
    with pytest.raises(ValueError, match=r"NaN|masked"):
        silhouette_score([[0.0], [1.0], [3.0]], labels)
