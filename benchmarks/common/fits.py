"""A fit to convergence, by the name of who does it: what convergence.py times, and what a fresh process does again to measure its memory."""

import numpy as np
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import KMeans

from .contenders import PEERS

OURS = "kmeans_fast"
COUNTERS = ("sklearnex", "faiss", "superkmeans")  # without our stopping rule: run for a given number of iterations
MOST_ITERATIONS = 300

_PEERS = {peer.name: peer for peer in PEERS}


def load(name):
    """Import what the fits of this contender need."""
    if name in _PEERS:
        _PEERS[name].load()


def start(X, k):
    """The rows from which everybody starts."""
    return X[np.random.default_rng(k).choice(len(X), k, replace=False)].copy()


def fit(name, X, start, n_iter=None):
    """The contender's fit from these rows; `n_iter` is for those who count iterations."""
    if name in COUNTERS:
        return _PEERS[name].fit(X, start, n_iter)
    common = {"init": start, "n_init": 1, "max_iter": MOST_ITERATIONS}
    if name == OURS:
        return KMeans(len(start), **common).fit(X)
    return ScikitLearn(len(start), algorithm=name.removeprefix("sklearn "), **common).fit(X)
