"""The demo's third part: ours beside scikit-learn's KMeans, for the same iterations from the same start and in whole
fits; answers checked.
"""

import time
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans as TheirKMeans
from sklearn.datasets import make_blobs

from .. import KMeans
from . import photographs

ITERATIONS = 10
REPEATS = 3
_CHECKED_ROWS = 20_000
_ROWS_AT_A_TIME = 1 << 14


class Times(NamedTuple):
    """Seconds, and iterations, of scikit-learn and of ours."""

    theirs: float
    ours: float
    their_iterations: int
    our_iterations: int

    @property
    def ratio(self):
        """How many times our time theirs is."""
        return self.theirs / self.ours


class Heat(NamedTuple):
    """One comparison."""

    name: str
    shape: tuple[int, int, int]  # rows, columns, clusters
    same: Times  # of `ITERATIONS` iterations from the same rows, the fastest of `REPEATS`
    whole: Times  # of a fit with its own seeds, to convergence
    inertia: float  # of that fit, ours over theirs
    differing: int  # rows whose labels differ after the same iterations
    checked: int  # rows compared with an exhaustive search in float64: all that differ, and others drawn at random
    wrong: int  # of those, rows whose label of ours is not the nearest of our centroids


def problems(quick=False):
    """Yield (name, X, n_clusters), all float32."""
    part = 10 if quick else 1
    yield "china.jpg", photographs.pixels(photographs.load("china.jpg", 4 if quick else 1)), 64
    for name, n, d, k in (("blobs", 400_000, 2, 10), ("blobs", 100_000, 32, 256), ("blobs", 20_000, 128, 256)):
        # Wide blobs that overlap: well separated ones would be done after two iterations.
        X, _ = make_blobs(n // part, d, centers=k, cluster_std=6.0, random_state=1)
        yield name, X.astype(np.float32), k


def heat(name, X, n_clusters):
    """Time both on `X` (n_samples, n_features), taking turns; check our labels: a `Heat`."""
    theirs, ours, same = _same_iterations(X, n_clusters)
    whole, inertia = _whole_fits(X, n_clusters)
    differing = np.flatnonzero(theirs.labels_ != ours.labels_)
    drawn = np.random.default_rng(1).choice(len(X), min(len(X), _CHECKED_ROWS), replace=False)
    rows = np.union1d(differing, drawn)
    blocks = (rows[start : start + _ROWS_AT_A_TIME] for start in range(0, len(rows), _ROWS_AT_A_TIME))
    nearest = [cdist(X[block], ours.cluster_centers_, "sqeuclidean").argmin(axis=1) for block in blocks]
    wrong = np.count_nonzero(np.concatenate(nearest) != ours.labels_[rows])
    return Heat(name, (*X.shape, n_clusters), same, whole, inertia, len(differing), len(rows), wrong)


def _same_iterations(X, n_clusters):
    """Both models after `ITERATIONS` iterations from the same rows, and the `Times`."""
    start = X[np.random.default_rng(0).choice(len(X), n_clusters, replace=False)]
    common = {"n_clusters": n_clusters, "init": start, "n_init": 1, "max_iter": ITERATIONS, "tol": 0.0}
    theirs, ours = TheirKMeans(**common, algorithm="lloyd"), KMeans(**common)
    times = {theirs: [], ours: []}
    for model in times:
        model.fit(X)  # compiles, starts threads
    for _ in range(REPEATS):
        for model, seconds in times.items():
            seconds.append(_seconds(model, X))
    return theirs, ours, Times(min(times[theirs]), min(times[ours]), theirs.n_iter_, ours.n_iter_)


def _whole_fits(X, n_clusters):
    """The `Times` of fits as users call them, and our inertia over theirs."""
    theirs, ours = (kind(n_clusters, n_init=1, random_state=0) for kind in (TheirKMeans, KMeans))
    ours.fit(X)  # compiles
    times = Times(_seconds(theirs, X), _seconds(ours, X), theirs.n_iter_, ours.n_iter_)
    return times, ours.inertia_ / theirs.inertia_


def _seconds(model, X):
    began = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - began
