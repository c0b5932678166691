"""Rows that are far from every centroid, for their cluster."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import to_host
from ..engine.labelling import open_beside
from ..messages import counted
from ..parameters import checked
from .inputs import opened_rows

_SHOWN = 10  # rows that are printed


class OutlierScores(NamedTuple):
    """What `outlier_scores` found. Printed, it is a summary.

    Attributes
    ----------
    scores : array (n_samples,), float64
        How many interquartile ranges of its cluster's distances a row is beyond their third quartile; negative inside.
    outliers : array (n_samples,), bool
        Whether that is more than the threshold.
    labels : array (n_samples,), int32
        The nearest centroid.
    distances : array (n_samples,), float64
        To it.
    limits : array (n_clusters,), float64
        The distance from each centroid beyond which rows are outliers; infinity where a cluster has no rows.
    threshold : float
    """

    scores: np.ndarray
    outliers: np.ndarray
    labels: np.ndarray
    distances: np.ndarray
    limits: np.ndarray
    threshold: float

    def __str__(self) -> str:
        of = f"{counted(int(self.outliers.sum()), 'outlier')} in {counted(len(self.scores), 'row')}"
        rule = f"farther than q3 + {self.threshold:g} (q3 - q1) of their cluster's distances"
        farthest = np.argsort(-self.scores, kind="stable")[:_SHOWN]
        lines = [f"{of}: {rule}", "", "        row  cluster    distance       limit   score"]
        for row in farthest[self.outliers[farthest]].tolist():
            c = int(self.labels[row])
            numbers = f"{self.distances[row]:10.4g}  {self.limits[c]:10.4g}  {self.scores[row]:6.1f}"
            lines.append(f"{row:11,}  {c:7,}  {numbers}")
        return "\n".join(lines if len(lines) > 3 else lines[:1])


def outlier_scores(
    X: ArrayLike, model: Any, *, threshold: float = 3.0, device: str = "auto", n_threads: int | None = None
) -> OutlierScores:
    """Score rows by how far they are from their nearest centroid, beside the other rows of its cluster.

    A row's score is ``(distance - q3) / (q3 - q1)``, q1 and q3 being the quartiles of the distances of its cluster's
    rows. So clusters may be of any width, and a few outliers do not move the scale by which they are told. Of normal
    data in one dimension one row in 3,700 has a score above 3; where distances have heavier tails there are more.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans_fast.kmeans`.
    model : KMeans, KMeansResult or array-like (n_clusters, n_features)
        The centroids: a fitted estimator, a result, or themselves.
    threshold : float
        The score above which a row is an outlier. 1.5 and 3 are Tukey's fences, "outside" and "far out".
    device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    OutlierScores
        Its arrays are NumPy's.

    Raises
    ------
    ValueError
        If there are no centroids in `model`, if they do not fit `X`, or for rows as for `kmeans_fast.kmeans`.
    RuntimeError
        If the device asked for cannot be used.

    Notes
    -----
    O(n_samples * (n_clusters * n_features + log(n_samples))), the same bits on every backend. Where half of a cluster's
    rows or more have one distance the range is 0: scores are 0 up to it and infinite beyond. A row that is alone in its
    cluster has 0: look at the sizes of clusters too. Method: Tukey (1977), "Exploratory data analysis".

    Examples
    --------
    >>> from kmeans_fast.metrics import outlier_scores
    >>> found = outlier_scores([[0.1], [0.2], [-0.3], [0.4], [0.0], [9.0]], [[0.0], [100.0]])
    >>> found.outliers.tolist()
    [False, False, False, False, False, True]
    >>> print(found)
    1 outlier in 6 rows: farther than q3 + 3 (q3 - q1) of their cluster's distances
    <BLANKLINE>
            row  cluster    distance       limit   score
              5        0           9       1.125    34.5
    """
    how = checked({"device": device, "n_threads": n_threads})
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float, np.number)) or not 0 <= threshold < np.inf:
        raise ValueError(f"threshold must be a finite number of at least 0, got {threshold!r}.")
    with opened_rows(X) as data:
        session, nearest = open_beside(data, _centroids(model), "centroids", **how)
        session.assign(nearest)
        labels = to_host(session.labels)
        distances = np.sqrt(to_host(session.own_distances(nearest)))
    order, scores = np.argsort(labels, kind="stable"), np.zeros(len(labels))
    limits = np.full(len(nearest), np.inf)
    for rows in np.split(order, np.cumsum(np.bincount(labels, minlength=len(nearest)))[:-1]):
        if len(rows):
            q1, q3 = np.percentile(distances[rows], [25, 75])
            beyond, width = distances[rows] - q3, q3 - q1
            limits[labels[rows[0]]] = q3 + threshold * width
            scores[rows] = beyond / width if width > 0 else np.where(beyond > 0, np.inf, 0.0)
    return OutlierScores(scores, scores > threshold, labels, distances, limits, float(threshold))


def _centroids(model):
    """Those of a fitted estimator or of a result; anything else is centroids itself."""
    if hasattr(model, "fit"):
        if not hasattr(model, "cluster_centers_"):
            raise ValueError(
                f"model is a {type(model).__name__} without cluster_centers_: fit it, or of a pipeline give the last "
                "step, and X as the other steps transform it."
            )
        return model.cluster_centers_
    return getattr(model, "centroids", model)
