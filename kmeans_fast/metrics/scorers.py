"""Scorers for scikit-learn's searches, by which more clusters are not better by themselves."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import to_host
from .silhouettes import silhouette_score

_ROWS = 5000  # of which silhouettes are taken: they take the square of it


def silhouette_scorer(estimator: Any, X: ArrayLike, y: Any = None) -> float:
    """The mean silhouette of rows by an estimator's labels: for `GridSearchCV` over the number of clusters.

    The score that `GridSearchCV` takes by default, minus the inertia, is best for the largest number of clusters: each
    further one lowers it.

    Parameters
    ----------
    estimator : object
        Fitted, with `predict`; a pipeline, too.
    X : array-like (n_samples, n_features)
        What `estimator` is given. Silhouettes are taken of these rows, of 5,000 at most, as the last step of a pipeline
        sees them.
    y : ignored

    Returns
    -------
    float
        -1, the worst there is, where all rows have one label, or each its own.

    Notes
    -----
    O(m**2 * n_features) for m rows. `kmeans_fast.choose_k` asks three more criteria, and takes far less time.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from kmeans_fast import KMeans
    >>> from kmeans_fast.datasets import make_blobs
    >>> from kmeans_fast.metrics import silhouette_scorer
    >>> X, _ = make_blobs(600, 3, centers=5, center_box=(-20, 20), random_state=2)
    >>> search = GridSearchCV(KMeans(random_state=0, n_init=3), {"n_clusters": range(2, 9)}, scoring=silhouette_scorer)
    >>> search.fit(X).best_params_
    {'n_clusters': 5}
    """
    labels = to_host(estimator.predict(X))
    steps = getattr(estimator, "steps", None)
    rows = X if steps is None or len(steps) < 2 else estimator[:-1].transform(X)
    rows = to_host(rows)
    if len(rows) > _ROWS:
        some = np.sort(np.random.default_rng(0).choice(len(rows), _ROWS, replace=False))
        rows, labels = rows[some], labels[some]
    if not 1 < len(np.unique(labels)) < len(labels):
        return -1.0
    return silhouette_score(rows, labels)
