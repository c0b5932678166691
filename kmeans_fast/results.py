"""What the functions return, and what they warn of."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any, NamedTuple

from .engine.history import Progress
from .messages import warn


class FewClustersWarning(UserWarning):
    """`kmeans` found fewer distinct clusters than it was asked for, as happens where rows are duplicates."""


class KMeansResult(NamedTuple):
    """What `kmeans` returns: arrays of the library and on the device that X came from.

    Attributes
    ----------
    centroids : array (n_clusters, n_features), float32 or float64
        In the dtype that was computed in.
    labels : array (n_samples,), int32
        Index of the nearest centroid, the lowest among equals.
    inertia : float
        Sum of weighted squared distances to the nearest centroid, in the data's units squared: the exact sum, rounded
        once.
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


class KMeansBatchResult(NamedTuple):
    """What `kmeans_batch` returns: arrays of the library and on the device that X came from.

    Attributes
    ----------
    centroids : array (problems, n_clusters, n_features), float32 or float64
    labels : array (problems, n_samples), int32
    inertia : array (problems,), float64
    n_iter : array (problems,), int64
        These four of each problem as in `KMeansResult`.
    backend : str
        What ran.
    timings : dict of str to float
        Seconds by phase as in `KMeansResult`, all problems together. Where they are fitted together, "last_pass" is
        part of "iterating".
    """

    centroids: Any
    labels: Any
    inertia: Any
    n_iter: Any
    backend: str
    timings: dict[str, float]


def result_of(found, data):
    """What users get of a `Fit` of `data`; they are warned where there are fewer clusters than they asked for."""
    if found.warning:
        warn(found.warning, FewClustersWarning)
    of_the_run = (found.inertia, found.n_iter, found.backend, found.history, found.timings)
    return KMeansResult(data.back(found.centroids), data.back(found.labels), *of_the_run)
