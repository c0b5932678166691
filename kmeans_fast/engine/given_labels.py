"""The clusters that labels make of rows: their means, from exact sums."""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import to_host
from ..backends.partials import Form
from .opening import open_data


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
    opened = open_data(data, n_labels, **how)
    session, sizes = opened.session, np.bincount(labels, minlength=n_labels)
    form = Form.of(session.ranges(False), data.n_samples)
    means = form.rounded(session.sums_of(labels.copy(), form)) / sizes[:, None]
    mean = form.rounded(session.column_sums(form)) / data.n_samples
    return Clusters(session, opened, labels, sizes, means, mean)
