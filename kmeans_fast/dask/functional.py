"""k-means of Dask collections as functions."""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..engine.checks import check_centroids, check_clusters, given_centroids
from ..engine.fit import fit
from ..engine.history import Progress
from ..engine.opening import open_data
from ..engine.seeding import kmeans_plusplus as _seed_rows
from ..functional import fit_options, seed_of
from ..parameters import checked
from ..reference import LABEL
from ..results import KMeansResult, result_of
from . import tasks
from .partitions import as_array, opened


def how_of(given):
    """Those of the checked parameters that go to workers. Without a number of threads a task has one: Dask runs as many
    tasks at once as workers have threads.
    """
    return {name: given[name] for name in ("dtype", "device")} | {"n_threads": given["n_threads"] or 1}


def kmeans(
    X: Any,
    n_clusters: int,
    *,
    init: str | ArrayLike = "k-means++",
    n_init: int | Literal["auto"] = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    sample_weight: Any = None,
    seed: int | None = None,
    init_size: int | Literal["auto"] | None = "auto",
    refine: str | None = None,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> KMeansResult:
    """Cluster the rows of a Dask array or DataFrame: `kmeans_fast.kmeans`, with the same bits.

    Parameters
    ----------
    X : Dask array or DataFrame (n_samples, n_features)
        In any partitions, the sizes of which may be unknown; some may be empty. Workers hold it while the fit runs, and
        spill what is too much to their disks.
    n_clusters : int
        From 1 to n_samples.
    init : {"k-means++", "k-means||", "random"} or array-like (n_clusters, n_features)
    sample_weight : Dask array or Series, array-like (n_samples,) or float, optional
        Not negative.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        Of the workers: each takes the fastest backend that it has.
    n_threads : int, optional
        Of a task; 1 by default, as a worker with several threads runs several tasks at once.
    callback : callable, optional
        Called on the client after every iteration, as for `kmeans_fast.kmeans`.
    checkpoint : path-like, optional
        Written by the client.
    n_init, max_iter, tol, seed, init_size, refine, dtype, resume
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    KMeansResult
        Its `labels` are a Dask array with the chunks of X that is computed when it is asked for.

    Raises
    ------
    ValueError
        For an argument or data outside the rules; the message names the rule, the value and the partition.

    Warns
    -----
    FewClustersWarning
        If there are fewer distinct clusters than `n_clusters`.

    Notes
    -----
    O(n_samples * n_clusters * n_features) an iteration, over all workers. An iteration sends the centroids to each
    partition and brings back one sum of exact integers: ``n_clusters * n_features`` numbers of 8 bytes, or two or three
    times as many where the data need more digits. Sums are merged in a tree. A worker that is lost costs what it knew
    of its rows, and does not change the answer.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from kmeans_fast.dask import kmeans
    >>> X = da.from_array(np.array([[0.0], [1.0], [10.0], [11.0]]), chunks=(3, 1))
    >>> result = kmeans(X, 2, init=[[0.0], [9.0]])
    >>> result.centroids.ravel().tolist()
    [0.5, 10.5]
    >>> result.labels.compute().tolist()
    [0, 0, 1, 1]
    """
    given = fit_options(locals())
    with opened(X, sample_weight, how_of(given)) as data:
        del given["dtype"]
        return result_of(fit(data, **given), data)


def assign(
    X: Any, centroids: ArrayLike, *, dtype: DTypeLike | None = None, device: str = "auto", n_threads: int | None = None
) -> tuple[Any, Any]:
    """Label the rows of a Dask array or DataFrame with their nearest centroids.

    Parameters
    ----------
    X : Dask array or DataFrame (n_samples, n_features)
    centroids : array-like (n_clusters, n_features)
    dtype, device, n_threads
        As for `kmeans`.

    Returns
    -------
    labels : Dask array (n_samples,), int32
    squared_distances : Dask array (n_samples,), float64
        Both with the chunks of X, and computed when they are asked for: together, if they are computed together.

    Raises
    ------
    ValueError
        For centroids outside the rules, at once; for rows outside them when the result is computed.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from kmeans_fast.dask import assign
    >>> labels, squared = assign(da.from_array(np.array([[0.0], [1.0], [10.0]])), [[0.0], [9.0]])
    >>> labels.compute().tolist(), squared.compute().tolist()
    ([0, 0, 1], [0.0, 1.0, 1.0])
    """
    how = how_of(checked({"dtype": dtype, "device": device, "n_threads": n_threads}))
    array, centroids = as_array(X), given_centroids(centroids, "centroids")
    check_centroids(centroids, array, name="centroids")
    table = array.map_blocks(
        tasks.labels_and_distances, centroids, how, dtype=np.float64, chunks=(array.chunks[0], (2,)),
        meta=np.empty((0, 2)),
    )  # fmt: skip
    return table[:, 0].astype(LABEL), table[:, 1]


def kmeans_plusplus(
    X: Any,
    n_clusters: int,
    *,
    sample_weight: Any = None,
    seed: int | None = None,
    dtype: DTypeLike | None = None,
    device: str = "auto",
    n_threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows of a Dask array or DataFrame as initial centroids by greedy k-means++.

    Parameters
    ----------
    X, n_clusters, sample_weight, seed, dtype, device, n_threads
        As for `kmeans`, which starts from these seeds for the same `seed` and ``init_size=None``.

    Returns
    -------
    centroids : ndarray (n_clusters, n_features), float32 or float64
    indices : ndarray (n_clusters,), int64
        Rows of X, numbered through all partitions.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from kmeans_fast.dask import kmeans_plusplus
    >>> centroids, indices = kmeans_plusplus(da.from_array(np.array([[0.0], [1.0], [10.0]])), 3, seed=0)
    >>> sorted(indices.tolist())
    [0, 1, 2]
    """
    given = checked(locals())
    n_clusters, seed, how = given["n_clusters"], seed_of(given["seed"]), how_of(given)
    with opened(X, sample_weight, how) as data:
        check_clusters(data.n_samples, n_clusters)
        session = open_data(data, n_clusters, device=how["device"], n_threads=how["n_threads"]).session
        rows = _seed_rows(session, n_clusters, seed, 0)
        return session.rows(rows), rows
