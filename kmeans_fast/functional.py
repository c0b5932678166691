"""k-means as functions: arrays in, a result out. For libraries that need k-means inside; nothing of scikit-learn is imported."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .arrays import as_data, as_weights, in_the_wider_dtype, origin_of
from .backends import check_device
from .engine.checks import as_centroids, check_centroids, check_init_size, given_centroids
from .engine.fit import fit
from .engine.history import Progress
from .engine.opening import open_rows
from .engine.seeding import METHODS
from .engine.seeding import kmeans_plusplus as _seed_rows


class KMeansResult(NamedTuple):
    """What `kmeans` returns: arrays of the library and on the device that X came from.

    Attributes
    ----------
    centroids : array (n_clusters, n_features), X's dtype
    labels : array (n_samples,), int32
        Index of the nearest centroid, the lowest among equals.
    inertia : float
        Sum of weighted squared distances to the nearest centroid, in the data's units squared; the exact sum, rounded once.
    n_iter : int
    backend : str
        What ran.
    history : tuple of Progress
        Every iteration.
    timings : dict of str to float
        Seconds, all runs together: "preparing" (opening the data), "seeding", "iterating", "last_pass" (the final
        labels and the exact inertia).
    """

    centroids: Any
    labels: Any
    inertia: float
    n_iter: int
    backend: str
    history: tuple[Progress, ...]
    timings: dict[str, float]


def _check_integer(name, value, least):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    return int(value)


def _check_clusters(n_clusters, n_samples):
    n_clusters = _check_integer("n_clusters", n_clusters, 1)
    if n_clusters > n_samples:
        raise ValueError(f"n_samples={n_samples} should be >= n_clusters={n_clusters}.")
    return n_clusters


def _check_threads(n_threads):
    return None if n_threads is None else _check_integer("n_threads", n_threads, 1)


def _check_init_size(init_size, n_clusters):
    if init_size is None or (isinstance(init_size, str) and init_size == "auto"):
        return init_size
    if isinstance(init_size, str):
        raise ValueError(f"init_size must be 'auto', None or an integer of at least 1, got {init_size!r}.")
    init_size = _check_integer("init_size", init_size, 1)
    check_init_size(init_size, n_clusters)
    return init_size


def _check_refine(refine):
    if refine is not None and not (isinstance(refine, str) and refine == "breathing"):
        raise ValueError(f"refine must be 'breathing' or None, got {refine!r}.")
    return refine


def _seed(seed):
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    return _check_integer("seed", seed, 0) % 2**64


def kmeans(
    X: ArrayLike,
    n_clusters: int,
    *,
    init: str | ArrayLike | Callable[..., Any] = "k-means++",
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    init_size: int | Literal["auto"] | None = "auto",
    refine: str | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
) -> KMeansResult:
    """Cluster the rows of `X` with Lloyd's algorithm.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        float32 and float64 are used as they are; other numbers become float64. Arrays on a GPU (CuPy, PyTorch, DLPack) stay there.
    n_clusters : int
        From 1 to n_samples.
    init : {"k-means++", "k-means||", "random"}, array-like (n_clusters, n_features) or callable
        Where the centroids start: seeds by one of these methods, given positions, or what ``init(X, n_clusters, random_state=RandomState)`` returns.
        "k-means||" takes five passes over the data, each with twice as many candidates as there are clusters, instead of one for each cluster.
    n_init : int
        Runs from different starts; the one of least inertia is returned. Only 1 makes sense where `init` is an array.
    max_iter : int
        Iterations a run, at most.
    tol : float
        A run ends when the squared shifts of the centroids sum to at most `tol` times the mean variance of the features, or when no label changes.
    sample_weight : array-like (n_samples,), optional
        Not negative.
    seed : int, optional
        Of all random draws; fresh entropy by default. The result depends on it and the data alone.
    init_size : int, "auto" or None
        Rows that the seeds are drawn from, where `init` names a method: a random sample of so many, n_clusters at
        least, or all (None). "auto": for "k-means++", 256 rows a cluster and at least 16,384, where X has four times as
        many or more and n_samples * n_clusters is 10 million or more; else all.
    refine : "breathing" or None
        "breathing": look for a better optimum once a run has converged, with a few centroids more and as many less; the inertia is never higher for it.
        It takes the time of two to eight runs and most often finds less inertia than ten of them (`kmeans_fast.engine.refinement`).
    device : {"auto", "cpu", "cuda", "cuda:N"}
    n_threads : int, optional
        Default: as many as pay, at most the CPUs by affinity and the container's quota, and what OMP_NUM_THREADS and
        ``threadpoolctl.threadpool_limits`` say. The result does not depend on it.
    callback : callable, optional
        Called with a `Progress` after every iteration, which can give the centroids; a true return value ends the fit
        with what has been reached. If it has a method ``on_phase``, that is called with a key of `KMeansResult.timings`
        when that phase begins.

    Returns
    -------
    KMeansResult

    Raises
    ------
    ValueError
        For an argument or data outside the rules above; the message names the rule and the value.
    RuntimeError
        If the device or backend asked for cannot be used.
    MemoryError
        Before anything large is allocated, if the plan does not fit.

    Notes
    -----
    O(n_samples * n_clusters * n_features) an iteration. Method: Lloyd (1982) from seeds by greedy k-means++ (Arthur and Vassilvitskii 2007) or k-means|| (Bahmani
    et al. 2012).

    Examples
    --------
    >>> import kmeans_fast
    >>> result = kmeans_fast.kmeans([[0.0], [1.0], [10.0], [11.0]], 2, seed=0)
    >>> sorted(result.centroids.ravel().tolist())
    [0.5, 10.5]
    """
    origin = origin_of(X)
    with origin.current():
        data = as_data(X)
        weights = as_weights(sample_weight, len(data), origin)
        if isinstance(init, str):
            if init not in METHODS:
                raise ValueError(
                    f"init must be one of {', '.join(map(repr, METHODS))}, an array or a callable, got {init!r}."
                )
        elif not callable(init):
            init = as_centroids(init, data, _check_clusters(n_clusters, len(data)))
        if not isinstance(tol, Real) or isinstance(tol, bool) or not math.isfinite(tol) or tol < 0:
            raise ValueError(f"tol must be a finite number of at least 0, got {tol!r}.")
        if callback is not None and not callable(callback):
            raise ValueError(f"callback must be callable or None, got {callback!r}.")
        n_clusters = _check_clusters(n_clusters, len(data))
        init_size = _check_init_size(init_size, n_clusters)
        seed = _seed(seed)
        options = {
            "n_init": _check_integer("n_init", n_init, 1),
            "max_iter": _check_integer("max_iter", max_iter, 1),
            "tol": float(tol),
            "refine": _check_refine(refine),
            "init_size": init_size,
            "device": check_device(device),
            "n_threads": _check_threads(n_threads),
            "callback": callback,
        }
        rng = np.random.RandomState(seed % 2**32)
        found = fit(data, weights, n_clusters, init=init, seed=seed, rng=rng, resident=origin.resident, **options)
        return KMeansResult(origin.back(found.centroids), origin.back(found.labels), *found[2:])


def assign(
    X: ArrayLike, centroids: ArrayLike, *, device: str = "auto", n_threads: int | None = None
) -> tuple[Any, Any]:
    """Label the rows of `X` with their nearest centroids.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
    centroids : array-like (n_clusters, n_features)
        Where X is float32 and these are float64, or the other way, distances are those of float64.
    device, n_threads
        As for `kmeans`.

    Returns
    -------
    labels : array (n_samples,), int32
        The lowest index among the nearest. Where and of what library X is, as are the distances.
    squared_distances : array (n_samples,), float64
        To the centroid of the label.

    Raises
    ------
    ValueError
        If `centroids` does not match `X`, or as for `kmeans`.

    Notes
    -----
    O(n_samples * n_clusters * n_features); no (n_samples, n_clusters) table is made.
    """
    origin = origin_of(X)
    with origin.current():
        data = as_data(X)
        data, nearest = in_the_wider_dtype(data, given_centroids(centroids, "centroids"))
        check_centroids(nearest, data, name="centroids")
        check_device(device)
        threads = _check_threads(n_threads)
        session = open_rows(
            data, None, len(nearest), device=device, n_threads=threads, resident=origin.resident
        ).session
        session.assign(nearest)
        return origin.back(session.labels), origin.back(session.own_distances(nearest))


def kmeans_plusplus(
    X: ArrayLike,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    device: str = "auto",
    n_threads: int | None = None,
) -> tuple[Any, Any]:
    """Choose rows of `X` as initial centroids by greedy k-means++.

    Parameters
    ----------
    X, n_clusters, sample_weight, seed, device, n_threads
        As for `kmeans`, which starts from these seeds for the same `seed` and ``init_size=None``.

    Returns
    -------
    centroids : array (n_clusters, n_features)
    indices : array (n_clusters,), int64
        Rows of X. Both where and of what library X is.

    Notes
    -----
    O(n_samples * n_clusters * n_features * log(n_clusters)). Method: Arthur and Vassilvitskii (2007), with the ``2 + log(n_clusters)`` greedy trials of
    scikit-learn.
    """
    origin = origin_of(X)
    with origin.current():
        data = as_data(X)
        weights = as_weights(sample_weight, len(data), origin)
        n_clusters = _check_clusters(n_clusters, len(data))
        check_device(device)
        session = open_rows(
            data, weights, n_clusters, device=device, n_threads=_check_threads(n_threads), resident=origin.resident
        ).session
        rows = _seed_rows(session, n_clusters, _seed(seed), 0)
        return origin.back(session.rows(rows)), origin.back(rows)
