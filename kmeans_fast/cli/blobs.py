"""The demo's second part: what a k-means tutorial does, from make_blobs to a comparison with the true labels."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .. import KMeans

N_CLUSTERS = 6
MOST_CLUSTERS = 12
_STARTS = 8


class Tutorial(NamedTuple):
    """The result.

    Attributes
    ----------
    train, test : ndarray (n_samples, 2)
        Standardised.
    true : ndarray (n_test,)
        The blob of every row of `test`.
    found : ndarray (n_test,)
        Its cluster, numbered like the blob that it matches best.
    centroids : ndarray (N_CLUSTERS, 2), numbered in the same way
    rand, accuracy : float
        Adjusted Rand index, and the share of `found` that equals `true`.
    elbow : list of float
        Inertia of `train` for 1, 2, ... MOST_CLUSTERS clusters.
    runs : list of list of float
        Inertia of every iteration of fits from random starts.
    """

    train: np.ndarray
    test: np.ndarray
    true: np.ndarray
    found: np.ndarray
    centroids: np.ndarray
    rand: float
    accuracy: float
    elbow: list[float]
    runs: list[list[float]]


def tutorial(n_samples=6000):
    """Make blobs, standardise, split, fit on one part, predict the other, compare."""
    X, y = make_blobs(n_samples, centers=N_CLUSTERS, cluster_std=1.3, random_state=7)
    train, test, _, true = train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    model = KMeans(N_CLUSTERS, n_init=5, random_state=0).fit(train)
    found = model.predict(test)
    rows, clusters = linear_sum_assignment(contingency_matrix(true, found), maximize=True)
    blob_of = np.empty(N_CLUSTERS, int)
    blob_of[clusters] = rows
    elbow = [float(KMeans(k, n_init=5, random_state=0).fit(train).inertia_) for k in range(1, MOST_CLUSTERS + 1)]
    runs = [[] for _ in range(_STARTS)]
    for progress in KMeans(N_CLUSTERS, init="random", n_init=_STARTS, tol=0, random_state=0).fit(train).history_:
        runs[progress.run].append(progress.inertia)
    matched = blob_of[found]
    return Tutorial(
        train,
        test,
        true,
        matched,
        model.cluster_centers_[clusters],
        float(adjusted_rand_score(true, found)),
        float((matched == true).mean()),
        elbow,
        runs,
    )
