"""Silhouettes by distances to centroids instead of to all rows."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..array_checks import as_data
from ..arrays import Data, to_host
from ..engine.given_labels import clusters_of
from ..engine.labelling import open_beside
from ..parameters import checked
from .inputs import codes_of, numbers_of, opened_rows

_TABLE = 1 << 22  # distances to centroids at a time


def simplified_silhouette(
    X: ArrayLike,
    labels: ArrayLike,
    centroids: ArrayLike | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
) -> np.ndarray:
    """The simplified silhouette of every row: from -1 (nearer to another centroid) over 0 to 1 (well inside).

    With a the distance of a row to the centroid of its own cluster, and b that to the nearest of the others, it is
    ``(b - a) / max(a, b)``, and 0 where both are 0. It is about the silhouette of `silhouette_samples`, for n_samples *
    n_labels distances instead of n_samples**2.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans_fast.kmeans`.
    labels : array-like (n_samples,)
        Without `centroids`: integers or strings, from 2 to n_samples - 1 different ones. With them: numbers of
        centroids, as `kmeans_fast.KMeans` and `kmeans_fast.assign` give them.
    centroids : array-like (n_clusters, n_features), optional
        Two or more. The means of the clusters by default; a row that is alone in its cluster has 0 then.
    device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    ndarray (n_samples,), float64
        On the host.

    Raises
    ------
    ValueError
        For arguments outside the rules above, or rows as for `kmeans_fast.kmeans`.
    RuntimeError
        If the device asked for cannot be used.

    See Also
    --------
    silhouette_samples : by the distances of all pairs of rows.

    Notes
    -----
    O(n_samples * n_labels * n_features); distances are in float64, some rows at a time. The same bits on every backend.
    Method: Hruschka, de Castro and Campello (2004), "Evolutionary algorithms for clustering gene-expression data",
    ICDM; compared with the silhouette by Wang et al. (2017), "An analysis of the application of simplified silhouette
    to the evaluation of k-means clustering validity", MLDM.

    Examples
    --------
    >>> from kmeans_fast.metrics import simplified_silhouette
    >>> simplified_silhouette([[0.0], [1.0], [10.0], [12.0]], ["a", "a", "b", "b"]).round(2).tolist()
    [0.95, 0.95, 0.89, 0.91]
    """
    how = checked({"device": device, "n_threads": n_threads})
    with opened_rows(X) as data:
        alone = None
        if centroids is None:
            codes, n_labels = codes_of(labels, data.n_samples)
            clusters = clusters_of(data, codes, n_labels, **how)
            points, alone = clusters.means, clusters.sizes[codes] == 1
        else:
            points = as_data(to_host(centroids), name="centroids").astype(np.float64)
            if len(points) < 2:
                raise ValueError(f"centroids must be 2 or more, got {len(points)}.")
            codes = numbers_of(labels, data.n_samples, len(points))
        found = np.empty(data.n_samples)
        step = max(1, _TABLE // len(points))
        for first in range(0, data.n_samples, step):
            here = slice(first, first + step)
            rows = Data(data.X[here], None, data.origin).astype(np.float64)
            session, placed = open_beside(rows, points, "centroids", **how)
            table, own = to_host(session.distances(placed)), codes[here, None].astype(np.int64)
            inside = np.take_along_axis(table, own, axis=1)[:, 0]
            np.put_along_axis(table, own, np.inf, axis=1)
            outside = table.min(axis=1)
            larger = np.maximum(inside, outside)
            found[here] = (outside - inside) / np.where(larger > 0, larger, 1.0)
        if alone is not None:
            found[alone] = 0.0
        return found


def simplified_silhouette_score(
    X: ArrayLike,
    labels: ArrayLike,
    centroids: ArrayLike | None = None,
    *,
    device: str = "auto",
    n_threads: int | None = None,
) -> float:
    """The mean simplified silhouette of all rows.

    Parameters
    ----------
    X, labels, centroids, device, n_threads
        As for `simplified_silhouette`.

    Returns
    -------
    float
        The exact sum of the silhouettes, rounded once, divided by their number.

    Raises
    ------
    ValueError, RuntimeError
        As for `simplified_silhouette`.

    Examples
    --------
    >>> from kmeans_fast.metrics import simplified_silhouette_score
    >>> round(simplified_silhouette_score([[0.0], [1.0], [10.0], [12.0]], [0, 0, 1, 1]), 3)
    0.928
    """
    found: Any = simplified_silhouette(X, labels, centroids, device=device, n_threads=n_threads)
    return math.fsum(found.tolist()) / len(found)
