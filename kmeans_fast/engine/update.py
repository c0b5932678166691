"""New centroids from the merged sums of the clusters (`kmeans_fast.reference.update`)."""

import math
from typing import NamedTuple

import numpy as np

from ..reference import distance


class Update(NamedTuple):
    """What an iteration makes of the sums."""

    centroids: np.ndarray  # (n_clusters, n_features) in X's dtype
    shifts: np.ndarray  # (n_clusters,) float64: squared, of each
    squared_shift: float
    gain: float  # what to add to the scatter for the inertia of the labels with the centroids before
    empty: int  # clusters that had no weight


def means(sums, weights, old):
    """The mean of each cluster, rounded once to the dtype of the `old` centroids; without weight, the heaviest one's.

    This is Lloyd's rule. Another rule has the same arguments: the exact sums (n_clusters, n_features) of ``w * x`` and
    the weights (n_clusters,) of the clusters, both rounded once to float64, and the centroids before, in X's dtype. An
    empty cluster has been given a row by then, if there is one. A run by another rule ends when centroids settle, not
    when labels do.
    """
    found = sums / np.where(weights > 0, weights, 1.0)[:, None]
    found[weights == 0] = found[weights.argmax()]
    return found.astype(old.dtype)


def updated(old, partial, form, weighted, center, farthest, rule=means):
    """The `Update` that follows from a merged `Partial`.

    Parameters
    ----------
    old : ndarray (n_clusters, n_features)
        The centroids that rows were assigned to.
    partial : Partial
    form : Form
        Of its sums.
    weighted : bool
        Whether the last column holds the weights.
    center : ndarray (n_features,)
        A point in the middle of the rows, about which their scatter is known.
    farthest : callable
        ``farthest(count)``: the merged `Farthest` of that many rows of each part, for empty clusters.
    rule : callable
        As `means`.
    """
    sums, weights = cluster_sums(partial, form, weighted)
    gain = _gain(sums, weights, old, center)
    empty = np.flatnonzero(weights == 0)
    if len(empty):
        rows = farthest(len(empty)).sorted().at(slice(len(empty)))
        moved = relocated(partial, form, weighted, empty, rows)
        sums, weights = cluster_sums(moved, form, weighted)
    new = rule(sums, weights, old)
    shifts = distance(new, old)
    return Update(new, shifts, math.fsum(shifts), gain, len(empty))


def cluster_sums(partial, form, weighted):
    """The sums (n_clusters, n_features) and the weights of the clusters, each rounded once to float64."""
    sums = form.rounded(partial.sums)
    return (sums[:, :-1], sums[:, -1]) if weighted else (sums, partial.rows.astype(np.float64))


def relocated(partial, form, weighted, empty, farthest):
    """The partial after each empty cluster, in order, has taken one of the farthest rows from that row's cluster."""
    values, targets = farthest.values.astype(np.float64), empty[: len(farthest.labels)]
    if weighted:
        values = np.column_stack([farthest.weights[:, None] * values, farthest.weights])
    limbs = form.of_values(values)
    sums, rows = partial.sums.copy(), partial.rows.copy()
    np.subtract.at(sums, (slice(None), farthest.labels), limbs)
    np.subtract.at(rows, farthest.labels, 1)
    sums[:, targets] += limbs
    rows[targets] += 1
    return partial._replace(sums=sums, rows=rows)


def _gain(sums, weights, old, center):
    """What the inertia of the labels with the `old` centroids is more than the scatter about `center`.

    ``sum w |x - c|^2 = sum w |x - m|^2 - 2 (c - m)(S - W m) + W |c - m|^2`` for a cluster of sum S and weight W and any
    point m. It is good to about ten digits and needs no pass over the rows.
    """
    moved = old - center
    return math.fsum((moved * (weights[:, None] * (moved + 2 * center) - 2 * sums)).sum(axis=1))
