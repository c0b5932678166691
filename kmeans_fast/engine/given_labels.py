"""The clusters that labels make of rows: their means, from exact sums."""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import ON_HOST, Data, to_host
from ..backends.partials import Form, merged
from .opening import open_data

_VALUES = 1 << 23  # of rows at a time


class Clusters(NamedTuple):
    """The clusters that labels make, and a session on the rows that has these labels."""

    session: Any
    opened: Any  # `engine.opening.Opened`
    labels: np.ndarray  # (n_samples,) int32
    sizes: np.ndarray  # (n_clusters,) int64
    means: np.ndarray  # (n_clusters, n_features) float64
    mean: np.ndarray  # (n_features,) float64, of all rows

    @property
    def distances(self):
        """The distance of every row to the mean of its cluster, (n_samples,) float64, on the host."""
        return np.sqrt(to_host(self.session.own_distances(self.means)))

    @property
    def inertia(self):
        """The sum of the squared distances, exact, rounded once."""
        return self.session.inertia(self.means)


def clusters_of(data, labels, n_labels, **how):
    """The `Clusters` that the labels (n_samples,) int32 make of the rows of `data`, each of which is there.

    One pass over the rows for their ranges, one for the sums. Sums are exact and rounded once, so means have the same
    bits on every backend.
    """
    opened = open_data(data, n_labels, whole=True, **how)
    session, sizes = opened.session, np.bincount(labels, minlength=n_labels)
    form = Form.of(session.ranges(False), data.n_samples)
    sums = session.sums_of(labels.copy(), form)
    means = form.rounded(sums) / sizes[:, None]
    mean = form.rounded(sums.sum(axis=1)) / data.n_samples
    return Clusters(session, opened, labels, sizes, means, mean)


def sums_of_squares(data, labels, n_labels, point, **how):
    """The sums over each cluster of ``(x - point)**2``, each rounded once: (n_clusters, n_features) float64.

    Squares are made on the host in float64, some rows at a time, and summed exactly; O(n_samples * n_features).
    """

    def sessions():
        step = max(1, _VALUES // data.n_features)
        for first in range(0, data.n_samples, step):
            here = slice(first, first + step)
            squares = np.ascontiguousarray((to_host(data.X[here]) - point) ** 2)
            yield open_data(Data(squares, None, ON_HOST), n_labels, whole=True, **how).session, labels[here]

    form = Form.of(merged(session.ranges(False) for session, _ in sessions()), data.n_samples)
    return form.rounded(merged(session.sums_of(own.copy(), form) for session, own in sessions()))
