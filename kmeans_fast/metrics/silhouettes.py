"""Silhouettes: how much nearer a row is to its own cluster than to the next one."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import to_host
from ..engine.opening import open_data
from ..parameters import PARAMETERS, checked
from .inputs import codes_of, opened_rows

_COUNT = PARAMETERS["n_threads"].rule  # an integer of at least 1, or None
_CLUSTERS = 1000  # that a pass of k-means would have for as much work: what backends are chosen by


def silhouette_samples(
    X: ArrayLike, labels: ArrayLike, *, metric: str = "euclidean", device: str = "auto", n_threads: int | None = None
) -> Any:
    """The silhouette of every row: from -1 (in the wrong cluster) over 0 (between two) to 1 (well inside its own).

    With a the mean distance of a row to the others of its cluster, and b the least of its mean distances to the rows of
    another cluster, it is ``(b - a) / max(a, b)``; 0 in a cluster of one row.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans_fast.kmeans`.
    labels : array-like (n_samples,)
        Integers or strings; from 2 to n_samples - 1 different ones.
    metric : {"euclidean"}
        For other metrics, and for distances computed before, there is `sklearn.metrics.silhouette_samples`.
    device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    array (n_samples,), float64
        Of the library and on the device that X came from.

    Raises
    ------
    ValueError
        For arguments outside the rules above, or rows as for `kmeans_fast.kmeans`.
    RuntimeError
        If the device asked for cannot be used.

    See Also
    --------
    simplified_silhouette : by distances to centroids, for more rows than every pair of them can be looked at.

    Notes
    -----
    O(n_samples**2 * n_features) and O(n_samples + n_labels * n_features) memory. The result has the same bits on every
    backend and any number of threads: a mean distance is off by at most 2**-44 of the largest distance between the
    row and a corner of the box around the cluster, for clusters below 2**19 rows, and by at most 2**-32 beyond
    (`docs/numerics.md`). Method: Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation
    of cluster analysis", J. Comput. Appl. Math. 20.

    Examples
    --------
    >>> from kmeans_fast.metrics import silhouette_samples
    >>> silhouette_samples([[0.0], [1.0], [10.0], [12.0]], ["a", "a", "b", "b"]).round(2).tolist()
    [0.91, 0.9, 0.79, 0.83]
    """
    how = _checked(metric, device, n_threads)
    with opened_rows(X) as data:
        codes, n_labels = codes_of(labels, data.n_samples)
        return data.back(_opened(data, how).session.silhouette(codes, n_labels))


def silhouette_score(
    X: ArrayLike,
    labels: ArrayLike,
    *,
    metric: str = "euclidean",
    sample_size: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    device: str = "auto",
    n_threads: int | None = None,
) -> float:
    """The mean silhouette of all rows, or of a sample among themselves.

    Parameters
    ----------
    X, labels, metric, device, n_threads
        As for `silhouette_samples`.
    sample_size : int, optional
        Rows to draw, without replacement; all by default.
    random_state : int, RandomState or None
        Of the draw: the rows are those that scikit-learn draws.

    Returns
    -------
    float
        The exact sum of the silhouettes, rounded once, divided by their number.

    Raises
    ------
    ValueError, RuntimeError
        As for `silhouette_samples`; the number of labels is that of the sample.

    Notes
    -----
    O(m**2 * n_features) for m rows. Method: Rousseeuw (1987).

    Examples
    --------
    >>> from kmeans_fast.metrics import silhouette_score
    >>> round(silhouette_score([[0.0], [1.0], [10.0], [12.0]], [0, 0, 1, 1]), 3)
    0.856
    """
    how = _checked(metric, device, n_threads)
    size, state = _COUNT.checked("sample_size", sample_size), checked({"random_state": random_state})["random_state"]
    with opened_rows(X) as data:
        codes, n_labels = codes_of(labels, data.n_samples)
        opened = _opened(data, how)
        session = opened.session
        if size is not None:
            state = state if isinstance(state, np.random.RandomState) else np.random.RandomState(state)
            numbers = state.permutation(data.n_samples)[:size]
            codes, n_labels = codes_of(codes[numbers], len(numbers))
            session = opened.rows(session.rows(numbers), None)
        found = to_host(session.silhouette(codes, n_labels))
        return math.fsum(found.tolist()) / len(found)


def _checked(metric, device, n_threads):
    """How to compute it."""
    if not (isinstance(metric, str) and metric == "euclidean"):
        raise ValueError(
            f"metric must be 'euclidean', got {metric!r}: for other metrics, and for distances computed before, use "
            "sklearn.metrics.silhouette_samples."
        )
    return checked({"device": device, "n_threads": n_threads})


def _opened(data, how):
    """The rows opened on a backend: the one that k-means of as much work would have."""
    return open_data(data, min(_CLUSTERS, data.n_samples), whole=True, **how)
