"""The demo's second part: what a k-means tutorial does, from make_blobs to a comparison with the true labels."""

from typing import NamedTuple

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from .. import KMeans
from ..metrics import compare_labels

N_CLUSTERS = 6
MOST_CLUSTERS = 12
_STARTS = 8


class Tutorial(NamedTuple):
    """The result. Data is standardised; clusters are numbered like the blobs that they match best."""

    train: np.ndarray  # (n_samples, 2)
    test: np.ndarray
    true: np.ndarray  # the blob of every row of `test`
    found: np.ndarray  # its cluster
    centroids: np.ndarray
    rand: float  # adjusted Rand index of `found`
    accuracy: float  # the share of it that equals `true`
    elbow: list[float]  # inertia of `train` for 1, 2, ... MOST_CLUSTERS clusters
    runs: list[list[float]]  # inertia of every iteration of fits from random starts


def tutorial(n_samples=6000):
    """Make blobs, standardise, split, fit on one part, predict the other, compare."""
    X, y = make_blobs(n_samples, centers=N_CLUSTERS, cluster_std=1.3, random_state=7)
    train, test, _, true = train_test_split(X, y, test_size=0.4, random_state=0, stratify=y)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    model = KMeans(N_CLUSTERS, n_init=5, random_state=0).fit(train)
    compared = compare_labels(true, model.predict(test))
    elbow = [float(KMeans(k, n_init=5, random_state=0).fit(train).inertia_) for k in range(1, MOST_CLUSTERS + 1)]
    runs = [[] for _ in range(_STARTS)]
    for progress in KMeans(N_CLUSTERS, init="random", n_init=_STARTS, tol=0, random_state=0).fit(train).history_:
        runs[progress.run].append(progress.inertia)
    centroids = model.cluster_centers_[compared.clusters]
    likeness = compared.adjusted_rand, compared.accuracy
    return Tutorial(train, test, true, compared.predicted, centroids, *likeness, elbow, runs)
