"""Clusters beside known classes: which cluster is which class, and how well they agree."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .inputs import values_on_host

UNMATCHED = -1  # in `LabelComparison.matching`: a cluster that stands for no class
_FEW = 1 << 22  # values an integer may have to be counted without sorting


class LabelComparison(NamedTuple):
    """What `compare_labels` found. Printed, it is a report.

    Attributes
    ----------
    classes : array (n_classes,)
        The values of `y_true`, sorted.
    clusters : array (n_clusters,)
        The values of `labels`: first those that stand for a class, in the order of the classes, then the others.
    matching : array (n_clusters,), int64
        The class that each of `clusters` stands for, as an index into `classes`; -1: none.
    confusion : array (n_classes, n_clusters), int64
        Rows of each class (down) in each of `clusters` (across). Where all are matched, what is right is the diagonal.
    true, predicted : array (n_samples,), int64
        Each row's class, and the class that its cluster stands for, as indices into `classes`; -1: none.
    right : array (n_samples,), bool
        Whether they are the same.
    precision, recall, f1, class_accuracy : array (n_classes,), float64
        Of each class against all others. 0 where no cluster stands for the class.
    support : array (n_classes,), int64
        Rows of each class.
    accuracy : float
        The share of rows that are right.
    adjusted_rand : float
        Adjusted Rand index: 1 for the same partition, about 0 for one at random. It needs no matching.
    normalized_mutual_info : float
        From 0 to 1, by the arithmetic mean of the entropies; it needs no matching.
    """

    classes: np.ndarray
    clusters: np.ndarray
    matching: np.ndarray
    confusion: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    right: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    class_accuracy: np.ndarray
    support: np.ndarray
    accuracy: float
    adjusted_rand: float
    normalized_mutual_info: float

    def __str__(self) -> str:
        names = [str(name) for name in self.classes]
        wide = max(5, *map(len, names))
        matched = {int(of): str(name) for of, name in zip(self.matching, self.clusters) if of != UNMATCHED}
        cluster_wide = max(7, *(len(name) for name in matched.values()), 1)
        lines = [
            f"{'class':>{wide}}  {'cluster':>{cluster_wide}}  precision  recall      f1  accuracy     rows",
            *(
                f"{name:>{wide}}  {matched.get(i, '-'):>{cluster_wide}}  {self.precision[i]:9.4f}  "
                f"{self.recall[i]:6.4f}  {self.f1[i]:6.4f}  {self.class_accuracy[i]:8.4f}  {self.support[i]:7,}"
                for i, name in enumerate(names)
            ),
        ]
        others = [str(name) for name, of in zip(self.clusters, self.matching) if of == UNMATCHED]
        if others:
            lines.append(f"clusters that stand for no class: {', '.join(others)}")
        right = f"{int(self.right.sum()):,} of {len(self.right):,} rows right"
        lines += [
            "",
            f"accuracy {self.accuracy:.4f} ({right}), adjusted Rand index {self.adjusted_rand:.4f}, "
            f"normalized mutual information {self.normalized_mutual_info:.4f}",
        ]
        return "\n".join(lines)


def compare_labels(y_true: ArrayLike, labels: ArrayLike) -> LabelComparison:
    """Compare clusters with known classes.

    The numbers of clusters mean nothing. So each class is given the cluster that stands for it, such that as many rows
    as possible are right: the assignment problem, solved exactly (the Hungarian method). Where there are more clusters
    than classes some stand for none, and their rows count as wrong; where there are fewer, some classes have none.

    Parameters
    ----------
    y_true : array-like (n_samples,)
        Known classes: integers, booleans or strings.
    labels : array-like (n_samples,)
        Of the clusters, as `KMeans.labels_`.

    Returns
    -------
    LabelComparison

    Raises
    ------
    ValueError
        If either is not of one dimension, is empty, holds NaN, or if their lengths differ.

    Notes
    -----
    O(n_samples) where both are integers of a few million values, else O(n_samples * log(n_samples)); then
    O(n_classes * n_clusters * min(n_classes, n_clusters)). Methods: Kuhn (1955) as solved by SciPy's
    `linear_sum_assignment`; Hubert and Arabie (1985) for the adjusted Rand index; Strehl and Ghosh (2002), with the
    arithmetic mean, for the normalized mutual information.

    Examples
    --------
    >>> from kmeans_fast.metrics import compare_labels
    >>> found = compare_labels(["a", "a", "b", "b", "b"], [1, 1, 0, 0, 1])
    >>> found.clusters.tolist(), found.predicted.tolist(), found.accuracy
    ([1, 0], [0, 0, 1, 1, 0], 0.8)
    >>> print(found)
    class  cluster  precision  recall      f1  accuracy     rows
        a        1     0.6667  1.0000  0.8000    0.8000        2
        b        0     1.0000  0.6667  0.8000    0.8000        3
    <BLANKLINE>
    accuracy 0.8000 (4 of 5 rows right), adjusted Rand index 0.1667, normalized mutual information 0.4325
    """
    from scipy.optimize import linear_sum_assignment

    classes, of_class = _numbered(y_true, "y_true")
    clusters, of_cluster = _numbered(labels, "labels")
    if len(of_class) != len(of_cluster):
        raise ValueError(
            f"y_true and labels must have one value for each row: there are {len(of_class):,} and {len(of_cluster):,}."
        )
    shape = len(classes), len(clusters)
    table = np.bincount(of_class * shape[1] + of_cluster, minlength=shape[0] * shape[1]).reshape(shape)
    of_matched = dict(zip(*(numbers.tolist() for numbers in linear_sum_assignment(table, maximize=True))))
    stands_for = np.full(shape[1], UNMATCHED)
    stands_for[list(of_matched.values())] = list(of_matched)
    first = [of_matched[i] for i in range(shape[0]) if i in of_matched]
    order = np.array(first + np.flatnonzero(stands_for == UNMATCHED).tolist())
    predicted = stands_for[of_cluster]
    right = predicted == of_class
    hits, support = np.bincount(of_class[right], minlength=shape[0]), table.sum(axis=1)
    claimed = np.bincount(predicted[predicted != UNMATCHED], minlength=shape[0])
    n = len(of_class)
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(hits / claimed)
    return LabelComparison(
        classes=classes,
        clusters=clusters[order],
        matching=stands_for[order],
        confusion=table[:, order],
        true=of_class,
        predicted=predicted,
        right=right,
        precision=precision,
        recall=hits / support,
        f1=2 * hits / (claimed + support),
        class_accuracy=(n - claimed - support + 2 * hits) / n,
        support=support,
        accuracy=int(hits.sum()) / n,
        adjusted_rand=_adjusted_rand(table),
        normalized_mutual_info=_normalized_mutual_info(table),
    )


def _numbered(values: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The different values, sorted, and for each row which of them it has."""
    array = values_on_host(values, name)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"{name} must have one dimension and at least one row, got shape {array.shape}.")
    if array.dtype.kind == "O":
        array = array.astype(str) if all(isinstance(value, str) for value in array) else array
    if array.dtype.kind not in "iubfUST" and array.dtype.kind != "O":
        raise ValueError(f"{name} must hold integers, booleans or strings, got dtype {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity: leave out the rows whose class is not known.")
    if array.dtype.kind in "iu":
        least, most = int(array.min()), int(array.max())
        if most - least < _FEW:
            shifted = array.astype(np.int64) - least if least >= -(2**62) else array - least
            present = np.flatnonzero(np.bincount(shifted))
            number = np.zeros(most - least + 1, np.int64)
            number[present] = np.arange(len(present))
            return (present + least).astype(array.dtype), number[shifted]
    try:
        found, numbers = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"{name} must hold values of one kind, integers, booleans or strings: {error}.") from error
    return found, numbers.reshape(-1)


def _pairs(counts):
    """Pairs of rows that are in one cell, over all of `counts`, as an exact integer."""
    return sum(count * (count - 1) // 2 for count in counts.ravel().tolist())


def _adjusted_rand(table):
    """Of a contingency table (Hubert and Arabie 1985), by exact integers, divided once."""
    n = int(table.sum())
    both, by_class, by_cluster = _pairs(table), _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    pairs = n * (n - 1) // 2
    # (both - expected) / ((by_class + by_cluster) / 2 - expected), times 2 * pairs, where expected is their product
    # over pairs.
    excess = 2 * (both * pairs - by_class * by_cluster)
    most = (by_class + by_cluster) * pairs - 2 * by_class * by_cluster
    return 1.0 if most == 0 else excess / most


def _normalized_mutual_info(table):
    """Of a contingency table, by the arithmetic mean of the entropies; 1 where both partitions are trivial."""
    n = table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    at = np.nonzero(table)
    joint = table[at] / n
    information = float(np.sum(joint * (np.log(joint) - np.log(rows[at[0]] / n) - np.log(columns[at[1]] / n))))
    entropies = [float(-np.sum(counts / n * np.log(counts / n))) for counts in (rows, columns)]
    if entropies == [0.0, 0.0]:
        return 1.0
    return min(1.0, max(0.0, information / (sum(entropies) / 2)))
