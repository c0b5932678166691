"""A fit: choose the backend, seed, run Lloyd's algorithm n_init times, keep the best."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from .checks import as_centroids
from .history import Progress
from .lloyd import lloyd
from .opening import open_rows
from .phases import PREPARING, SEEDING, Phases
from .refinement import breathe, deepest
from .seeding import auto_init_size, kmeans_parallel, kmeans_plusplus, most_candidates, random_rows, sample


class Fit(NamedTuple):
    """The best of the runs."""

    centroids: np.ndarray
    labels: Any  # of the kind that the data is
    inertia: float
    n_iter: int
    backend: str
    history: tuple[Progress, ...]  # of all runs
    timings: dict[str, float]  # seconds by phase (`phases.NAMES`), all runs together


def initial_centroids(session, X, init, n_clusters, seed, run, rng, open_rows=None, weights=None):
    """Centroids to start a run from, (n_clusters, n_features) in X's dtype.

    `init` is one of `seeding.METHODS`, an array, or a callable ``init(X, n_clusters, random_state=rng)``; `session` is open on the rows to draw seeds from,
    and ``open_rows(rows, weights)``, which "k-means||" needs, opens one on others.
    """
    if isinstance(init, str):
        if init == "k-means++":
            return session.rows(kmeans_plusplus(session, n_clusters, seed, run))
        if init == "k-means||":
            return session.rows(kmeans_parallel(session, n_clusters, seed, run, open_rows))
        return session.rows(random_rows(session, n_clusters, seed, run))
    if callable(init):
        init = init(X, n_clusters, random_state=rng)
    return as_centroids(init, X, n_clusters, weights)


def _open_sample(opened, init_size, seed, run):
    """A session on a sample of the rows to draw seeds from.

    None where all rows serve: if there are no more, or too few different ones were drawn.
    """
    if init_size is None or init_size >= opened.problem.n_samples:
        return None
    rows, times = sample(opened.session, init_size, seed, run)
    return opened.rows(rows, times) if len(rows) >= opened.problem.n_clusters else None


def _trivial_to_none(weights):
    """Weights of ones are no weights: the same integers, and one column less."""
    return None if weights is None or bool((weights == 1.0).all()) else weights


def fit(
    X, weights, n_clusters, *, init, n_init, max_iter, tol, seed, rng=None, init_size=None, device="auto",
    n_threads=None, verbose=False, callback=None, resident=None, refine=None,
):  # fmt: skip
    """Cluster validated data.

    Parameters
    ----------
    X : ndarray (n_samples, n_features), float32 or float64, C-contiguous, finite
    weights : ndarray (n_samples,) float64, finite and not negative; or None
    n_clusters : int, at most n_samples
    init : {"k-means++", "k-means||", "random"}, ndarray or callable
    n_init, max_iter : int
    tol : float, relative to the mean variance of the features
    seed : int, the key of all random draws
    rng : numpy.random.RandomState, for a callable `init` only
    init_size : int, at least n_clusters, "auto" or None
        Rows that seeds are drawn from: so many; as many as `seeding.auto_init_size` says, where `init` is "k-means++";
        or all.
    resident : int or None
        The GPU that X and the weights are on; None: the host.
    refine : "breathing" or None
        Whether each run is improved after it has converged.

    Returns
    -------
    Fit
    """
    phases = Phases(callback)
    phases.begin(PREPARING)
    weights = _trivial_to_none(weights)
    if init_size == "auto":
        init_size = auto_init_size(len(X), n_clusters) if isinstance(init, str) and init == "k-means++" else None
    second = n_clusters + deepest(n_clusters, len(X)) if refine else 0
    if isinstance(init, str) and init == "k-means||":
        second = max(second, most_candidates(n_clusters, len(X)))
    opened = open_rows(X, weights, n_clusters, device=device, n_threads=n_threads, resident=resident, second=second)
    session = opened.session
    threshold = tol * session.mean_variance() if tol > 0 else 0.0
    best, history = None, []
    for run in range(n_init):
        phases.begin(SEEDING)
        few = None  # rows to draw seeds from, where not all serve
        if isinstance(init, str):
            few = _open_sample(opened, init_size, seed, run)
        start = initial_centroids(few or session, X, init, n_clusters, seed, run, rng, opened.rows, weights)
        del few  # its memory is not wanted during the iterations
        if verbose:
            print("Initialization complete")
        how = {"max_iter": max_iter, "threshold": threshold, "run": run, "verbose": verbose, "callback": callback}
        how["phases"] = phases
        found = lloyd(session, start, **how)
        if refine is not None:
            found = breathe(session, found, weights, seed=seed, distances=opened.distances, **how)
        history += found.history
        if best is None or found.inertia < best.inertia:
            best = found
        if found.stopped:
            break
    phases.end()
    _warn_of_few_clusters(best.n_used, n_clusters)
    return Fit(
        best.centroids, best.labels, best.inertia, best.n_iter, opened.backend.name, tuple(history), phases.seconds
    )


def _warn_of_few_clusters(distinct, n_clusters):
    if distinct < n_clusters:
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"Number of distinct clusters ({distinct}) found smaller than n_clusters ({n_clusters}). "
            "Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=5,
        )
