"""Silhouettes: their contract, in NumPy, and what every backend prepares for them.

The silhouette of a row is ``(b - a) / max(a, b)``: a is its mean distance to the other rows of its cluster, b the least
of its mean distances to the rows of another cluster (Rousseeuw 1987). It is 0 in a cluster of one row, and where a and
b are.

A distance is sqrt(D), D the contract's (`kmeans_fast.reference.distance`), rounded to a multiple of a *unit*; so sums
over a cluster are integers, and have no order. The unit depends on the row and the cluster alone: no row of a cluster
is farther than the farthest corner of the box around it, at a distance below 2**e, say. The unit is ``2**(e - bits)``,
`bits` being as many as leave room for the sum in 63 bits (`sum_bits`).
"""

from typing import NamedTuple

import numpy as np

from ..reference import LABEL, distance

MOST_BITS = 51  # a distance in units, added to 1.5 * 2**52, stays within floats that are 1 apart
_ROWS = 256  # at a time, in the reference


class Clusters(NamedTuple):
    """The rows by cluster; none is empty."""

    labels: np.ndarray  # (n,) int32
    order: np.ndarray  # (n,) int32: the rows, cluster by cluster
    starts: np.ndarray  # (k + 1,) int64: places of the clusters in `order`

    @classmethod
    def of(cls, labels, n_labels):
        """From labels (n,), each of ``range(n_labels)`` among them."""
        labels = np.ascontiguousarray(labels, LABEL)
        sizes = np.bincount(labels, minlength=n_labels)
        return cls(labels, np.argsort(labels, kind="stable").astype(LABEL), np.concatenate([[0], np.cumsum(sizes)]))

    @property
    def sizes(self):
        return np.diff(self.starts)

    @property
    def sum_bits(self):
        """(k,) int64: how many bits a distance has in units, so that the sum of a cluster fits 63."""
        return np.minimum(MOST_BITS, 63 - np.frexp(self.sizes.astype(np.float64))[1]).astype(np.int64)


def silhouettes(X, labels, n_labels):
    """The contract: silhouettes (n,) float64 of all rows. O(n^2 d)."""
    clusters, out = Clusters.of(labels, n_labels), np.empty(len(X))
    bits, sizes = clusters.sum_bits, clusters.sizes
    for first in range(0, len(X), _ROWS):
        x = X[first : first + _ROWS].astype(np.float64)
        own = clusters.labels[first : first + _ROWS, None] == np.arange(n_labels)
        means = np.empty((len(x), n_labels))
        for c, members in enumerate(np.split(clusters.order, clusters.starts[1:-1])):
            rows = X[members].astype(np.float64)
            farthest = np.maximum(x - rows.min(axis=0), rows.max(axis=0) - x)
            exponent = np.frexp(np.sqrt(distance(farthest, np.zeros(farthest.shape))))[1] - bits[c]
            distances = np.sqrt(distance(x[:, None], rows[None]))
            sums = np.rint(np.ldexp(distances, -exponent[:, None])).astype(np.int64).sum(axis=1)
            means[:, c] = np.ldexp(sums.astype(np.float64), exponent) / np.maximum(sizes[c] - own[:, c], 1)
        inside, outside = means[own], np.where(own, np.inf, means).min(axis=1)
        larger = np.maximum(inside, outside)
        alone = (sizes == 1)[clusters.labels[first : first + _ROWS]]
        out[first : first + _ROWS] = np.where(alone, 0.0, (outside - inside) / np.where(larger > 0, larger, 1.0))
    return out
