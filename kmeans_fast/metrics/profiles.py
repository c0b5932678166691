"""What the clusters are: how large, how wide, which features set them apart, which row is typical."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..engine.given_labels import clusters_of, sums_of_squares
from ..parameters import checked
from .inputs import codes_of, column_names, distinct, opened_rows

_SHOWN = 3  # features of a cluster that are printed
_NOTABLE = 0.2  # Cohen's "small effect": below, a feature does not set a cluster apart


class ClusterProfiles(NamedTuple):
    """What `cluster_profiles` found. Printed, it is a table.

    Attributes
    ----------
    clusters : array (n_clusters,)
        The labels.
    sizes : array (n_clusters,), int64
        Rows.
    shares : array (n_clusters,), float64
        Of all rows.
    spreads : array (n_clusters,), float64
        The root of the mean squared distance of a cluster's rows to their mean.
    nearest_rows : array (n_clusters,), int64
        The number of the row nearest to the mean, the lowest of equals.
    means, deviations : array (n_clusters, n_features), float64
        Mean and standard deviation of each feature.
    effects : array (n_clusters, n_features), float64
        Cohen's d of each feature between a cluster and all other rows: the difference of their means over the standard
        deviation that they have in common. About 0.2 is small, 0.8 large; infinite where neither varies.
    feature_names : tuple of str
    """

    clusters: np.ndarray
    sizes: np.ndarray
    shares: np.ndarray
    spreads: np.ndarray
    nearest_rows: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    effects: np.ndarray
    feature_names: tuple[str, ...]

    def features(self, cluster: int) -> list[tuple[str, float]]:
        """The features with their effects, what sets a cluster (by its place in `clusters`) most apart first."""
        effects = self.effects[cluster]
        order = np.argsort(-np.abs(effects), kind="stable")
        return [(self.feature_names[j], float(effects[j])) for j in order]

    def __str__(self) -> str:
        names = [str(name) for name in self.clusters]
        wide = max(7, *map(len, names))
        lines = [f"{'cluster':>{wide}}         rows   share      spread  nearest row  what sets it apart"]
        for c, name in enumerate(names):
            apart = [f"{of} {d:+.1f}" for of, d in self.features(c)[:_SHOWN] if abs(d) >= _NOTABLE]
            numbers = f"{self.sizes[c]:11,}  {self.shares[c]:6.1%}  {self.spreads[c]:10.4g}  {self.nearest_rows[c]:11,}"
            lines.append(f"{name:>{wide}}  {numbers}  {', '.join(apart) or '-'}")
        return "\n".join(lines)


def cluster_profiles(
    X: ArrayLike,
    labels: ArrayLike,
    feature_names: Sequence[str] | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
) -> ClusterProfiles:
    """Describe the clusters that labels make: sizes, spread, the features that set each apart, a typical row.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans_fast.kmeans`.
    labels : array-like (n_samples,)
        Integers or strings; from 2 to n_samples - 1 different ones.
    feature_names : sequence of str, optional
        By default the columns of a DataFrame, or "x0", "x1" and so on.
    device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    ClusterProfiles
        Its arrays are NumPy's.

    Raises
    ------
    ValueError
        For arguments outside the rules above, or rows as for `kmeans_fast.kmeans`.
    RuntimeError
        If the device asked for cannot be used.

    Notes
    -----
    O(n_samples * n_features). Sums over rows are exact, so the result has the same bits on every backend. Effect sizes:
    Cohen (1988), "Statistical power analysis for the behavioral sciences", chapter 2.

    Examples
    --------
    >>> from kmeans_fast.metrics import cluster_profiles
    >>> X = [[1.0, 5.0], [2.0, 4.0], [9.0, 5.0], [8.0, 3.0], [10.0, 4.0]]
    >>> print(cluster_profiles(X, ["young", "young", "old", "old", "old"], ["age", "visits"]))
    cluster         rows   share      spread  nearest row  what sets it apart
        old            3   60.0%       1.155            2  age +8.2, visits -0.5
      young            2   40.0%      0.7071            0  age -8.2, visits +0.5
    """
    how = checked({"device": device, "n_threads": n_threads})
    with opened_rows(X) as data:
        names = _names(feature_names, X, data.n_features)
        codes, k = codes_of(labels, data.n_samples)
        clusters = clusters_of(data, codes, k, **how)
        distances = clusters.distances
        squares = sums_of_squares(data, codes, k, clusters.mean, **how)
    n, sizes = data.n_samples, clusters.sizes[:, None]
    moved = clusters.means - clusters.mean
    within = np.maximum(squares - sizes * moved**2, 0.0)  # about the cluster's own mean
    rest = n - sizes
    moved_rest = -sizes / rest * moved
    of_rest = np.maximum(squares.sum(axis=0) - squares - rest * moved_rest**2, 0.0)
    pooled = np.sqrt((within + of_rest) / max(n - 2, 1))
    differences = moved - moved_rest
    unlike = np.where(differences == 0, 0.0, np.copysign(np.inf, differences))
    effects = np.where(pooled > 0, differences / np.where(pooled > 0, pooled, 1.0), unlike)
    by_cluster = np.split((distances**2)[np.argsort(_narrow(codes, k), kind="stable")], np.cumsum(clusters.sizes)[:-1])
    spreads = np.sqrt(np.array([math.fsum(own.tolist()) for own in by_cluster]) / clusters.sizes)
    nearest = np.full(k, np.inf)
    np.minimum.at(nearest, codes, distances)
    there = np.flatnonzero(distances == nearest[codes])
    nearest_rows = there[np.unique(codes[there], return_index=True)[1]]
    return ClusterProfiles(
        distinct(labels), clusters.sizes, clusters.sizes / n, spreads, nearest_rows, clusters.means,
        np.sqrt(within / sizes), effects, names,
    )  # fmt: skip


def _narrow(codes, k):
    """Numbers below k that sort by radix, in linear time, where k allows."""
    return codes.astype(np.uint16) if k <= 1 << 16 else codes


def _names(given, X, n_features):
    """The names of the features."""
    if given is None:
        columns = column_names(X)
        given = [f"x{j}" for j in range(n_features)] if columns is None else columns
    names = () if isinstance(given, str) else tuple(map(str, given))
    if len(names) != n_features:
        raise ValueError(f"feature_names must be {n_features} names, one for each feature, got {given!r}.")
    return names
