"""k-means as functions: arrays in, a result out.

For libraries that need k-means inside; nothing of scikit-learn is imported.
"""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .arrays import to_host
from .door import opened, opened_batch
from .engine.batch import fit_batch
from .engine.checkpoint import seed_in
from .engine.checks import check_clusters
from .engine.fit import fit
from .engine.history import Progress
from .engine.labelling import open_beside
from .engine.opening import open_data
from .engine.seeding import kmeans_plusplus as _seed_rows
from .label_files import check_out, put
from .messages import counted, warn
from .parameters import checked, runs
from .results import FewClustersWarning, KMeansBatchResult, KMeansResult, result_of


def seed_of(seed):
    """The key of all random draws: fresh entropy for None."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0]) if seed is None else seed % 2**64


def fit_options(arguments):
    """The checked arguments of `kmeans`, with the seed and the number of runs that they come to."""
    given = checked(arguments)
    if given["seed"] is None and given["resume"]:
        given["seed"] = seed_in(given["checkpoint"])
    return given | {"n_init": runs(given["n_init"], given["init"]), "seed": seed_of(given["seed"])}


def kmeans(
    X: ArrayLike,
    n_clusters: int,
    *,
    init: str | ArrayLike | Callable[..., Any] = "k-means++",
    n_init: int | Literal["auto"] = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    init_size: int | Literal["auto"] | None = "auto",
    refine: str | None = None,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    max_memory: int | str | None = None,
    callback: Callable[[Progress], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> KMeansResult:
    """Cluster the rows of `X` with Lloyd's algorithm.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        float32 and float64 are used as they are; other numbers become float64, unless `dtype` says otherwise. Arrays on
        a GPU (CuPy, PyTorch, DLPack) stay there. A list of NumPy arrays is their rows, one array after the other: the
        result is that of one array. The same goes for rows in files and other `kmeans_fast.sources`: paths of .npy,
        Parquet and CSV, functions that return an iterable of chunks, and more.
    n_clusters : int
        From 1 to n_samples.
    init : {"k-means++", "k-means||", "random"}, array-like (n_clusters, n_features) or callable
        Where the centroids start: seeds by one of these methods, given positions, or what
        ``init(X, n_clusters, random_state=RandomState)`` returns. "k-means||" takes five passes over the data, each
        with twice as many candidates as there are clusters, instead of one for each cluster.
    n_init : int or "auto"
        Runs from different starts; the one of least inertia is returned. Only 1 makes sense where `init` is an array.
        "auto": 10 from "random" or a callable, else 1.
    max_iter : int
        Iterations a run, at most.
    tol : float
        A run ends when the squared shifts of the centroids sum to at most `tol` times the mean variance of the
        features, or when no label changes.
    sample_weight : array-like (n_samples,), optional
        Not negative.
    seed : int, optional
        Of all random draws; fresh entropy by default. The result depends on it and the data alone.
    init_size : int, "auto" or None
        Rows that the seeds are drawn from, where `init` names a method: a random sample of so many, n_clusters at
        least, or all (None). "auto": for "k-means++", 256 rows a cluster and at least 16,384, where X has four times as
        many or more and n_samples * n_clusters is 10 million or more; else all. Where k-means++ would read 50 million
        rows or more, those that it draws from for each cluster, candidates are drawn first, as by "k-means||"
        (docs/seeding.md has the whole rule).
    refine : "breathing" or None
        "breathing": look for a better optimum once a run has converged, with a few centroids more and as many less;
        the inertia is never higher for it. It takes the time of two to eight runs and most often finds less inertia
        than ten of them (`kmeans_fast.engine.refinement`).
    dtype : {"float32", "float64"}, optional
        What is computed in, and what the centroids come in: the result is, bit for bit, that of ``X.astype(dtype)``. A
        GPU reads float16, bfloat16, int8, uint8 and bool as they are for "float32", which has all their values, and
        nothing is copied. A CPU makes a copy or, where memory is short, one of some rows at a time. Numbers of other
        types are rounded to `dtype` if it has not their value.
    device : {"auto", "cpu", "cuda", "cuda:N", "cuda:N,M"}
        Or a device of PyTorch; as `dtype` may be a dtype of PyTorch.
    n_threads : int, optional
        Default: as many as pay, at most the CPUs by affinity and the container's quota, and what OMP_NUM_THREADS and
        ``threadpoolctl.threadpool_limits`` say. The result does not depend on it.
    max_memory : int or str, optional
        Bytes that may be taken besides arrays that are given, or a size such as "8GB"; default: what the system, the
        container and the process's limits leave. Rows of sources that take more than half of it are read anew in each
        pass; labels that there is no room for are in a file. The result does not depend on it.
    callback : callable, optional
        Called with a `Progress` after every iteration, which can give the centroids; a true return value ends the fit
        with what has been reached. If it has a method ``on_phase``, that is called with a key of `KMeansResult.timings`
        when that phase begins; if it has ``on_breath``, that is called after every breath of `refine` with the number
        of centroids added, the least inertia before and the inertia found.
    checkpoint : path-like, optional
        A file to keep how far the fit has come, written whole or not at all, as often as takes 1 % of the time, and
        when the fit ends. It holds numbers as .npz and JSON: centroids, seeds, the history, the parameters and a digest
        of the data.
    resume : bool
        Go on from `checkpoint`, to the bits that the fit would have had in one go; where there is no file, begin. A
        file of other data or parameters is refused; device, threads and callback may be others. For the `seed`
        None it is the one in the file.

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

    Warns
    -----
    FewClustersWarning
        If there are fewer distinct clusters than `n_clusters`: X has too few different rows.

    Notes
    -----
    O(n_samples * n_clusters * n_features) an iteration. Method: Lloyd (1982) from seeds by greedy k-means++ (Arthur and
    Vassilvitskii 2007) or k-means|| (Bahmani et al. 2012).

    Examples
    --------
    >>> import kmeans_fast
    >>> result = kmeans_fast.kmeans([[0.0], [1.0], [10.0], [11.0]], 2, seed=0)
    >>> sorted(result.centroids.ravel().tolist())
    [0.5, 10.5]
    """
    given = fit_options(locals())
    with opened(X, sample_weight, given.pop("dtype"), max_memory=given.pop("max_memory")) as data:
        rng = np.random.RandomState(given["seed"] % 2**32) if callable(given["init"]) else None
        return result_of(fit(data, rng=rng, **given), data)


def kmeans_batch(
    X: ArrayLike,
    n_clusters: int,
    *,
    init: str | ArrayLike | Callable[..., Any] = "k-means++",
    n_init: int | Literal["auto"] = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    init_size: int | Literal["auto"] | None = "auto",
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
) -> KMeansBatchResult:
    """Cluster the rows of each of many data sets of the same sizes, the problems.

    Every answer is, bit for bit, that of the problem's own fit with the same arguments: of problem i
    ``kmeans(X[i], n_clusters, seed=seed, ...)``. The same `seed` serves all problems. Many small problems take far less
    time together than one after the other.

    Parameters
    ----------
    X : array-like (problems, n_samples, n_features), or a list of arrays of one shape and dtype
        As for `kmeans`. A list is copied; it may be one of arrays on a GPU.
    n_clusters : int
        From 1 to n_samples, of each problem.
    init : {"k-means++", "k-means||", "random"}, array-like (n_clusters, n_features) or callable
        As for `kmeans`; or positions for each problem, array-like (problems, n_clusters, n_features).
    sample_weight : array-like (problems, n_samples), optional
        Not negative.
    n_init, max_iter, tol, seed, init_size, dtype, device, n_threads
        As for `kmeans`, the same for every problem.

    Returns
    -------
    KMeansBatchResult

    Raises
    ------
    ValueError
        For an argument or data outside the rules above; the message names the rule, the value and the problem.
    RuntimeError
        If the device or backend asked for cannot be used.
    MemoryError
        Before anything large is allocated, if the plan does not fit.

    Warns
    -----
    FewClustersWarning
        If a problem has fewer distinct clusters than `n_clusters`; the first is named.

    Notes
    -----
    O(problems * n_samples * n_clusters * n_features) an iteration.

    Examples
    --------
    A product quantiser of vectors in eight parts has a codebook for each part; codes are the labels:

    >>> import kmeans_fast
    >>> import numpy as np
    >>> vectors = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)
    >>> parts = vectors.reshape(500, 8, 4).transpose(1, 0, 2)
    >>> result = kmeans_fast.kmeans_batch(parts, 16, seed=0)
    >>> result.centroids.shape, result.labels.T.shape
    ((8, 16, 4), (500, 8))
    """
    given = checked(locals())
    given |= {"n_init": runs(given["n_init"], given["init"]), "seed": seed_of(given["seed"])}
    with opened_batch(X, sample_weight, given.pop("dtype")) as batch:
        found = fit_batch(batch, **given)
        few = np.flatnonzero(found.n_used < found.centroids.shape[1])
        if len(few):
            warn(
                f"Number of distinct clusters ({found.n_used[few[0]]}) found smaller than n_clusters "
                f"({found.centroids.shape[1]}) in {counted(len(few), 'problem')}, first in problem {few[0]}. "
                "Possibly due to duplicate points in X.",
                FewClustersWarning,
            )
        centroids, labels, inertia, n_iter = map(batch.back, found[:4])
        return KMeansBatchResult(centroids, labels, inertia, n_iter, found.backend, found.timings)


def assign(
    X: ArrayLike,
    centroids: ArrayLike,
    *,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    max_memory: int | str | None = None,
    out: Any = None,
    return_distance: bool = True,
) -> Any:
    """Label the rows of `X` with their nearest centroids.

    Parameters
    ----------
    X : array-like (n_samples, n_features), or rows in files and other `kmeans_fast.sources`
    centroids : array-like (n_clusters, n_features)
        Where X is float32 and these are float64, or the other way, distances are those of float64.
    dtype : {"float32", "float64"}, optional
        As for `kmeans`; `centroids` become of this dtype too, and are rounded if it has not their values.
    device, n_threads, max_memory
        As for `kmeans`.
    out : ndarray (n_samples,) of int32 such as a memory map, or path ending in .npy or .parquet, optional
        Where to write the labels. A file is written whole or not at all; the column of Parquet is "label".
    return_distance : bool
        Whether to return distances too. Without them, rows that are read anew are read once less, and nothing of eight
        bytes a row is made.

    Returns
    -------
    labels : array (n_samples,), int32
        The lowest index among the nearest. Where and of what library X is, as are the distances. With `out` that array,
        a read-only memory map of the .npy file, or the path of the Parquet file.
    squared_distances : array (n_samples,), float64
        To the centroid of the label. Absent, so that the labels are all that is returned, if not `return_distance`.

    Raises
    ------
    ValueError
        If `centroids` does not match `X`, `out` is no place for the labels, or as for `kmeans`.
    OSError
        If the file of `out` cannot be written; one that was there before is then as it was.

    Notes
    -----
    O(n_samples * n_clusters * n_features); no (n_samples, n_clusters) table is made. Distances that memory has no room
    for are in a file of the directory for temporary files (TMPDIR).

    Examples
    --------
    >>> import kmeans_fast
    >>> labels, squared_distances = kmeans_fast.assign([[0.0], [1.0], [10.0]], [[0.0], [9.0]])
    >>> labels.tolist(), squared_distances.tolist()
    ([0, 0, 1], [0.0, 1.0, 1.0])

    Labels alone, of more rows than memory holds:

    >>> kmeans_fast.assign("points.parquet", centroids, out="l.npy", return_distance=False)  # doctest: +SKIP
    """
    how = checked(locals())
    check_out(out, X)
    return_distance = how.pop("return_distance")
    with opened(X, dtype=how["dtype"], max_memory=how.pop("max_memory")) as data:
        session, nearest = open_beside(data, centroids, "centroids", **how)
        session.assign(nearest)
        distances = data.back(session.own_distances(nearest)) if return_distance else None
        labels = data.back(session.labels) if out is None else put(to_host(session.labels), out)
        return (labels, distances) if return_distance else labels


def kmeans_plusplus(
    X: ArrayLike,
    n_clusters: int,
    *,
    sample_weight: ArrayLike | None = None,
    seed: int | None = None,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    max_memory: int | str | None = None,
) -> tuple[Any, Any]:
    """Choose rows of `X` as initial centroids by greedy k-means++.

    Parameters
    ----------
    X, n_clusters, sample_weight, seed, dtype, device, n_threads, max_memory
        As for `kmeans`, which starts from these seeds for the same `seed` and ``init_size=None``.

    Returns
    -------
    centroids : array (n_clusters, n_features), float32 or float64
    indices : array (n_clusters,), int64
        Rows of X. Both where and of what library X is.

    Notes
    -----
    O(n_samples * n_clusters * n_features * log(n_clusters)). Method: Arthur and Vassilvitskii (2007), with the
    ``2 + log(n_clusters)`` greedy trials of scikit-learn.
    """
    given = checked(locals())
    n_clusters, seed = given.pop("n_clusters"), seed_of(given.pop("seed"))
    with opened(X, sample_weight, given.pop("dtype"), max_memory=given.pop("max_memory")) as data:
        check_clusters(data.n_samples, n_clusters)
        session = open_data(data, n_clusters, **given).session
        rows = _seed_rows(session, n_clusters, seed, 0)
        return data.back(session.rows(rows)), data.back(rows)
