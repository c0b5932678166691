"""Scores of a clustering by how far rows are from the means of their clusters, and these from each other."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math

import numpy as np
from numpy.typing import ArrayLike

from ..engine.given_labels import clusters_of
from ..parameters import checked
from ..reference import distance
from .inputs import codes_of, opened_rows

_TABLE = 1 << 22  # distances between means at a time


def calinski_harabasz_score(
    X: ArrayLike, labels: ArrayLike, *, device: str = "auto", n_threads: int | None = None
) -> float:
    """The variance between clusters over that within them; the higher, the better apart.

    With B the sum over clusters of size times the squared distance of its mean to that of all rows, and W the sum of
    squared distances of rows to the means of their clusters, it is ``(B / (k - 1)) / (W / (n - k))``; 1 where W is 0.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans_fast.kmeans`.
    labels : array-like (n_samples,)
        Integers or strings; from 2 to n_samples - 1 different ones.
    device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For arguments outside the rules above, or rows as for `kmeans_fast.kmeans`.
    RuntimeError
        If the device asked for cannot be used.

    Notes
    -----
    O(n_samples * n_features). Sums over rows are exact, so the result has the same bits on every backend. Method:
    Caliński and Harabasz (1974), "A dendrite method for cluster analysis", Communications in Statistics 3.

    Examples
    --------
    >>> from kmeans_fast.metrics import calinski_harabasz_score
    >>> calinski_harabasz_score([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1])
    200.0
    """
    how = checked({"device": device, "n_threads": n_threads})
    with opened_rows(X) as data:
        codes, k = codes_of(labels, data.n_samples)
        clusters = clusters_of(data, codes, k, **how)
        within = clusters.inertia
        between = math.fsum(clusters.sizes * distance(clusters.means, clusters.mean[None]))
        return 1.0 if within == 0 else between * (data.n_samples - k) / (within * (k - 1))


def davies_bouldin_score(
    X: ArrayLike, labels: ArrayLike, *, device: str = "auto", n_threads: int | None = None
) -> float:
    """How wide clusters are beside the distance to the one they are most like; the lower, the better apart.

    With s the mean distance of a cluster's rows to their mean, and m the distance between two means, it is the mean
    over clusters of the largest ``(s_i + s_j) / m_ij``; clusters of equal means are not compared. 0 where all s are.

    Parameters
    ----------
    X, labels, device, n_threads
        As for `calinski_harabasz_score`.

    Returns
    -------
    float

    Raises
    ------
    ValueError, RuntimeError
        As for `calinski_harabasz_score`.

    Notes
    -----
    O((n_samples + n_labels**2) * n_features). The same bits on every backend. scikit-learn takes widths and distances
    below 1e-8 for 0, whatever the scale of the data; here only 0 is. Method: Davies and Bouldin (1979), "A cluster
    separation measure", IEEE PAMI 1.

    Examples
    --------
    >>> from kmeans_fast.metrics import davies_bouldin_score
    >>> davies_bouldin_score([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1])
    0.1
    """
    how = checked({"device": device, "n_threads": n_threads})
    with opened_rows(X) as data:
        codes, k = codes_of(labels, data.n_samples)
        clusters = clusters_of(data, codes, k, **how)
        by_cluster = clusters.distances[np.argsort(codes, kind="stable")]
        widths = [math.fsum(own.tolist()) for own in np.split(by_cluster, np.cumsum(clusters.sizes)[:-1])]
        widths, means, step = np.array(widths) / clusters.sizes, clusters.means, max(1, _TABLE // k)
        worst = []
        for first in range(0, k, step):
            here = slice(first, first + step)
            apart = np.sqrt(distance(means[here, None], means[None]))
            sums = np.where(apart > 0, widths[here, None] + widths, 0.0)
            worst += (sums / np.where(apart > 0, apart, 1.0)).max(axis=1).tolist()
        return math.fsum(worst) / k
