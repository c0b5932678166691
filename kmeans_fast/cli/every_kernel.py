"""Small problems that between them use every kernel of the CPU: what they run is compiled, for others to find.

A kernel is compiled for the types that it is called with, so the surest list of these is to call it.
"""

import warnings

import numpy as np

import kmeans_fast
from kmeans_fast import metrics

from ..arrays import ON_HOST, Data
from ..backends import techniques, use_technique
from ..engine.labelling import open_beside

DTYPES = ("float32", "float64")


def _rows(n, d, dtype):
    return np.random.default_rng([n, d]).normal(size=(n, d)).astype(dtype)


def _by(name, function, *arguments, **options):
    """Have the technique of this name do that, where the machine has it."""
    if not techniques()[name]:
        with use_technique(name):
            function(*arguments, **options)


def _from_rows(X, k):
    kmeans_fast.kmeans(X, k, init=X[:k], n_threads=2)


def _fits(dtype):
    X = _rows(600, 5, dtype)
    found = kmeans_fast.kmeans(X, 4, seed=0, n_threads=2)
    kmeans_fast.assign(X, found.centroids)


def _trees(dtype):
    _by("kd-tree", _from_rows, _rows(700, 2, dtype), 40)
    _by("kd-tree", _from_rows, _rows(700, 1, dtype), 40)
    _by("sorted", _from_rows, _rows(700, 1, dtype), 40)


def _bounds(dtype):
    X, name = _rows(20_000, 40, dtype), "hamerly, float32"
    _by(name, _from_rows, X[:700], 70)
    too_many = {"max_memory": X.nbytes, "init": X[:70], "max_iter": 2}  # they are read anew, if a bound fails
    _by(name, kmeans_fast.kmeans, lambda: np.array_split(X, 4), 70, **too_many)


def _exponion(dtype):
    _by("exponion", _from_rows, _rows(700, 40, dtype), 70)


def _bytes(dtype):
    X = _rows(700, 40, dtype)
    _by("hamerly, bytes", _from_rows, X, 70)
    _by("bytes", kmeans_fast.kmeans_plusplus, X, 70, seed=0, n_threads=2)


def _weights(dtype):
    X = _rows(600, 5, dtype)
    kmeans_fast.kmeans(X, 4, seed=0, sample_weight=1.0 + np.arange(600) % 3, n_threads=2)


def _others(dtype):
    """Other starts, rows in parts, empty clusters, distances to all centroids."""
    X = _rows(600, 5, dtype)
    kmeans_fast.kmeans(X, 4, seed=0, init="k-means||")
    kmeans_fast.kmeans([X[:300], X[300:]], 4, seed=0)
    kmeans_fast.kmeans(X, 4, seed=0, refine="breathing")
    kmeans_fast.kmeans(np.repeat(X[:3], 9, axis=0), 5, init=np.repeat(X[:1], 5, axis=0))
    session, centroids = open_beside(Data(X, None, ON_HOST), X[:4], "centroids")
    session.distances(centroids)  # as `KMeans.transform`, which imports scikit-learn, and that takes two seconds
    X = _rows(310, 300, dtype)  # and sums too large for many threads to have their own
    kmeans_fast.kmeans(X, 300, init=X[:300], n_threads=64, max_iter=2)


def _silhouettes(dtype):
    metrics.silhouette_score(_rows(600, 5, dtype), np.arange(600) % 4)


def _batches(dtype):
    kmeans_fast.kmeans_batch(_rows(1000, 40, dtype).reshape(1000, 20, 2), 3, seed=0)


USES = {
    "fits": _fits, "silhouettes": _silhouettes, "trees": _trees, "batches": _batches, "exponion": _exponion,
    "bytes": _bytes, "bounds": _bounds, "others": _others, "weights": _weights,
}  # fmt: skip  # so that of those at work at a time few wait for a kernel that another compiles, and all end together


def compiled(use):
    """Put one of the `USES` to use: the names of the kernels that had to be compiled, and whether all are kept.

    With both dtypes: most kernels serve both, and are then in this process.
    """
    from ..kernels.cpu.runtime import compiling

    found, lost = [], len(compiling.lost)

    def listener(name, seconds):
        if seconds is not None:
            found.append(name)

    compiling.listeners.append(listener)
    try:
        with kmeans_fast.use_backend("cpu"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for dtype in DTYPES:
                USES[use](dtype)
    finally:
        compiling.listeners.remove(listener)
    return found, len(compiling.lost) == lost
