"""The rows that empty clusters take (`kmeans_fast.reference.relocate`), for every backend that has the distances."""

import numpy as np

from ..reference import content_order
from .partials import Farthest


def farthest_rows(session, distances, count):
    """The rows of the largest positive distances, in that order, equally far ones in the order of their content.

    Parameters
    ----------
    session : Session
        On these rows; it is asked for those that come into question, which are few unless many are equally far.
    distances : ndarray (n_samples,) float64
        Zero for rows that must not be taken.
    count : int

    Returns
    -------
    ndarray (at most `count`,) int64
    """
    n, count = len(distances), min(count, len(distances))
    least = np.partition(distances, n - count)[n - count]
    numbers = np.flatnonzero((distances >= least) & (distances > 0))
    if len(np.unique(distances[numbers])) < len(numbers):
        weights = session.weights_of(numbers)
        weights = np.ones(len(numbers)) if weights is None else weights
        numbers = numbers[content_order(session.rows(numbers), weights)]
    return numbers[np.argsort(-distances[numbers], kind="stable")][:count]


def farthest(session, distances, count):
    """The `Farthest` of a session's rows; `distances` (n_samples,) float64 are theirs."""
    numbers = np.arange(len(distances))
    weights = session.weights_of(numbers)
    if weights is not None:
        distances = np.where(weights > 0, distances, 0.0)
    numbers = farthest_rows(session, distances, count)
    weights = np.ones(len(numbers)) if weights is None else weights[numbers]
    return Farthest(distances[numbers], session.rows(numbers), weights, np.asarray(session.labels[numbers]))
