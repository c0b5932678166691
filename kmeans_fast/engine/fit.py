"""A fit: choose the backend, seed, run Lloyd's algorithm n_init times, keep the best."""

import functools
import warnings
from typing import Any, NamedTuple

import numpy as np

from .. import backends
from ..arrays import as_data, on_gpu, refuse_masked, to_host
from ..backends.protocol import Problem
from .history import Progress
from .lloyd import lloyd
from .memory import shortage, too_little
from .phases import PREPARING, SEEDING, Phases
from .refinement import breathe, deepest
from .seeding import auto_init_size, kmeans_parallel, kmeans_plusplus, most_candidates, random_rows, sample

_LARGEST = 2.0**480  # squares of differences must stay far inside float64's range
# Where products with a weight of at least this underflow, they are wrong by at most 2**-575 of the weight: by less than
# differences whose square vanishes.
_LIGHT = 2.0**-500
_ROWS = 1 << 16  # at a time


class Fit(NamedTuple):
    """The best of the runs."""

    centroids: np.ndarray
    labels: Any  # of the kind that the data is
    inertia: float
    n_iter: int
    backend: str
    history: tuple[Progress, ...]  # of all runs
    timings: dict[str, float]  # seconds by phase (`phases.NAMES`), all runs together


def open_session(X, weights, n_clusters, *, device="auto", n_threads=None, resident=None, second=0):
    """The backend that serves (X, n_clusters) and a session on it, after the memory plan has been checked, with that of a second session for `second`
    clusters if there will be one.
    """
    check_magnitudes(X, weights)
    problem = as_problem(X, weights, n_clusters, device, resident)._replace(second=second)
    backend = backends.select(problem, device)
    what = f"k-means of {X.shape[0]:,} x {X.shape[1]:,} rows into {n_clusters:,} clusters"
    return backend, backend.open(X, weights, that_fits(backend, problem, n_threads, what), n_threads)


def that_fits(backend, problem, n_threads, what):
    """The problem, frugal if there is not memory enough otherwise; MemoryError if there is not enough even so."""
    for frugal in (False, True):
        problem = problem._replace(frugal=frugal)
        plan = backend.plan(problem, n_threads)
        available = None if plan.on_device else shortage(plan.workspace_bytes)
        if available is None:
            return problem
    raise too_little(plan.workspace_bytes, available, what)


def as_problem(X, weights, n_clusters, device="auto", resident=None):
    """The `Problem` that these data make."""
    return Problem(*X.shape, n_clusters, X.dtype, weights is not None, device, resident)


def check_magnitudes(X, weights):
    """Refuse values whose squared distances could overflow: the result would be quietly wrong."""
    if X.dtype == np.float32 and weights is None:
        return  # 2 * 3.4e38 squared and summed is far inside float64
    largest = max(abs(float(X.max())), abs(float(X.min())))
    _check_largest("X has", largest, X.size, weights)
    if weights is not None:
        _check_products(X, weights)


def _check_largest(who, largest, size, weights):
    if largest > _LARGEST:
        raise ValueError(f"{who} values up to {largest:.3g}; k-means needs them below {_LARGEST:.3g}. Scale the data.")
    heaviest = 1.0 if weights is None else float(weights.max())
    if heaviest * size * (2 * largest) ** 2 > 2.0**1000:
        raise ValueError(
            f"sample_weight has values up to {heaviest:.3g} and {who} values up to {largest:.3g}: the inertia may "
            "overflow. Scale them."
        )


def _check_products(X, weights):
    """Refuse weights so small that a product with X is subnormal and has lost digits: a mean would be wrong."""
    lightest = float(weights.min()) or float(weights[weights > 0].min())
    if lightest >= _LIGHT:
        return
    smallest = np.inf  # magnitude in X but for zeros
    for start in range(0, len(X), _ROWS):
        rows = abs(X[start : start + _ROWS])
        rows = rows[rows > 0]
        smallest = min(smallest, float(rows.min())) if len(rows) else smallest
    if lightest * smallest < np.finfo(np.float64).tiny:
        raise ValueError(
            f"sample_weight down to {lightest:.3g} and X down to {smallest:.3g}: their products underflow. "
            "Scale the weights; only their ratios count."
        )


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


def _open_sample(backend, session, problem, init_size, seed, run, n_threads):
    """A session on a sample of the rows to draw seeds from.

    None where all rows serve: if there are no more, or too few different ones were drawn.
    """
    if init_size is None or init_size >= problem.n_samples:
        return None
    rows, times = sample(session, init_size, seed, run)
    return _open_rows(backend, problem, n_threads, rows, times) if len(rows) >= problem.n_clusters else None


def _open_rows(backend, problem, n_threads, rows, weights):
    """A session on rows on the host to draw seeds from, `problem` being that of all."""
    problem = _elsewhere(problem)._replace(n_samples=len(rows), weighted=weights is not None)
    problem = that_fits(backend, problem, n_threads, f"seeding on {len(rows):,} rows")
    return backend.open(np.ascontiguousarray(rows), weights, problem, n_threads)


def _distances_to(backend, problem, n_threads, rows, centroids):
    """The distances of few rows to the centroids, both on the host, in their dtype: a table (len(rows), len(centroids))."""
    problem = _elsewhere(problem)._replace(n_samples=len(rows), n_clusters=len(centroids), weighted=False)
    return backend.open(np.ascontiguousarray(rows), None, problem, n_threads).distances(centroids)


def _elsewhere(problem):
    """The problem on the same device with data on the host."""
    device = problem.device if problem.resident is None else f"cuda:{problem.resident}"
    return problem._replace(device=device, resident=None)


def given_centroids(given, name):
    """Centroids to label rows with as an array on the host, finite float32 or float64 of two dimensions, C-contiguous.

    They may have been set by hand: ValueError, naming `name`, if they are not such.
    """
    return as_data(to_host(given) if on_gpu(given) else given, name=name)


def as_centroids(init, X, n_clusters, weights=None):
    """Given initial centroids as a new array in X's dtype; ValueError if they are not such."""
    refuse_masked(init, "init")
    try:
        given = to_host(init)
        if given.dtype.kind == "c":
            raise ValueError("they are complex")
        with np.errstate(over="ignore"):  # told below as infinity
            centroids = np.array(given, dtype=X.dtype, order="C", ndmin=2)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The initial centers must be an array of real numbers, got {init!r}: {error}.") from error
    check_centroids(centroids, X, n_clusters, weights)
    return centroids


def check_init_size(init_size, n_clusters):
    """Refuse a sample that has not a row for each cluster."""
    if isinstance(init_size, int) and init_size < n_clusters:
        raise ValueError(f"init_size={init_size} should be >= n_clusters={n_clusters}.")


def check_centroids(centroids, X=None, n_clusters=None, weights=None, name=None):
    """Refuse centroids whose shape does not fit, with NaN or infinity, or so large that distances to them may overflow.

    Without a `name` they are initial ones, which scikit-learn has messages for; with one, any number of them will do.
    Without X only the values are looked at.
    """
    if name is None and (centroids.ndim != 2 or centroids.shape[0] != n_clusters):
        raise ValueError(
            f"The shape of the initial centers {centroids.shape} does not match the number of clusters {n_clusters}."
        )
    if X is not None and centroids.shape[1] != X.shape[1]:
        raise ValueError(
            f"The shape of {name or 'the initial centers'} {centroids.shape} does not match "
            f"the number of features of the data {X.shape[1]}."
        )
    if not np.isfinite(centroids).all():
        raise ValueError(f"{name or 'The initial centers'} must be finite, without NaN or infinity.")
    if centroids.dtype == np.float64 or weights is not None:
        largest = max(abs(float(centroids.max())), abs(float(centroids.min())))
        size = centroids.size if X is None else X.size
        _check_largest(f"{name} have" if name else "The initial centers have", largest, size, weights)


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
    backend, session = open_session(
        X, weights, n_clusters, device=device, n_threads=n_threads, resident=resident, second=second
    )
    problem = as_problem(X, weights, n_clusters, device, resident)
    open_rows = functools.partial(_open_rows, backend, problem, n_threads)
    threshold = tol * session.mean_variance() if tol > 0 else 0.0
    best, history = None, []
    for run in range(n_init):
        phases.begin(SEEDING)
        few = None  # rows to draw seeds from, where not all serve
        if isinstance(init, str):
            few = _open_sample(backend, session, problem, init_size, seed, run, n_threads)
        start = initial_centroids(few or session, X, init, n_clusters, seed, run, rng, open_rows, weights)
        del few  # its memory is not wanted during the iterations
        if verbose:
            print("Initialization complete")
        how = {"max_iter": max_iter, "threshold": threshold, "run": run, "verbose": verbose, "callback": callback}
        how["phases"] = phases
        found = lloyd(session, start, **how)
        if refine is not None:
            distances = functools.partial(_distances_to, backend, problem, n_threads)
            found = breathe(session, found, weights, seed=seed, distances=distances, **how)
        history += found.history
        if best is None or found.inertia < best.inertia:
            best = found
        if found.stopped:
            break
    phases.end()
    _warn_of_few_clusters(best.n_used, n_clusters)
    return Fit(best.centroids, best.labels, best.inertia, best.n_iter, backend.name, tuple(history), phases.seconds)


def _trivial_to_none(weights):
    """Weights of ones are no weights: the same integers, and one column less."""
    return None if weights is None or bool((weights == 1.0).all()) else weights


def _warn_of_few_clusters(distinct, n_clusters):
    if distinct < n_clusters:
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"Number of distinct clusters ({distinct}) found smaller than n_clusters ({n_clusters}). "
            "Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=5,
        )
