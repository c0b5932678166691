"""The rows of a session sorted by a k-d tree (`kmeans_fast.kernels.cpu.assignment.kd_tree`), passes over them, and whether that pays."""

import numpy as np

from ...kernels.cpu.assignment import kd_tree, kd_tree_filter
from ...kernels.cpu.assignment.arguments import Counts
from ...kernels.cpu.machine.scratch import private

_LEAF = 128  # rows on average at most, and half of it at least
_SAMPLED = 3  # rows of a leaf of that size
_FAMILY = 32  # leaves

# Nanoseconds a row of one core (measured); only their ratios matter.
_SORTING = 35.0
_SPENT = 0.5  # of it, by iterations without, before rows are sorted
_ROW = 3.0
_MEASURING = 0.2, 0.16  # a candidate, and for each of its features
_GAIN = 1.4  # by which a k-d tree must be cheaper: bounds are given up for them


def kd_tree_bytes(threads, n_samples, n_features, n_clusters, itemsize, weighted):
    """Memory of `KdTreeAssignment`, with an eighth for leaves that are not full, with what sorting takes beside it (the leaf of every row; counts and places of leaves
    of 64 rows), and with the candidates of a pass.
    """
    rows = int(1.125 * n_samples * (n_features * itemsize + 8 + 8 * weighted))
    return rows + 4 * n_samples + threads * (n_samples // 64 * 32 + n_clusters * (2 * n_features + 2) * 8)


class BuildPolicy:
    """When to build a k-d tree of the rows.

    An iteration without costs `plain`. What a tree saves is known only when there is one. So it is built as soon as the
    iterations without have cost half as much (few fits end before that), and left again if the first pass measures too
    many rows. That costs three times what is best at most (the ski rental problem).
    """

    def __init__(self, n_samples, n_features, plain):
        self.n, self.d, self.plain = n_samples, n_features, plain
        self.spent, self.rejected, self.pays = 0.0, False, False

    def is_due(self):
        """Whether the tree is to be built before the next iteration."""
        self.spent += self.plain
        return not self.rejected and (self.pays or self.spent >= _SPENT * _SORTING)

    def settle(self, pairs):
        """Take note of a pass that measured so many pairs of a row and a centroid."""
        with_tree = _ROW + pairs / self.n * (_MEASURING[0] + _MEASURING[1] * self.d)
        self.pays = _GAIN * with_tree <= self.plain
        self.rejected = not self.pays


def build_kd_tree(threads, X, weights, d):
    """The rows of X (n * d,) as a `KdTree`."""
    n = X.size // d
    levels = max(0, (-(-n // _LEAF) - 1).bit_length())
    leaves = 1 << levels
    sample = np.ascontiguousarray(X.reshape(n, d)[:: max(1, n // (_SAMPLED * leaves))].T, np.float64)
    features, splits = np.zeros(leaves, np.int32), np.zeros(leaves)
    together = min(levels, (threads - 1).bit_length())
    for tasks, begin, end in ((1, 0, together), (threads, together, levels)):
        kd_tree.grow_tree(tasks, sample.reshape(-1), sample.shape[1], d, begin, end, features, splits)
    leaf_of, counts = np.empty(n, np.int32), private(threads, leaves, np.int64)
    kd_tree.find_leaves(threads, X, d, levels, features, splits, leaf_of, counts)

    counts = counts[:, :leaves]
    sizes = counts.sum(axis=0)
    widths = -(-sizes // kd_tree.TILE) * kd_tree.TILE
    begins = np.cumsum(widths) - widths
    offsets = np.cumsum(counts, axis=0) - counts + begins
    total = int(widths.sum())
    rows, tiles, of_rows = np.empty(total, np.int32), np.empty(total * d, X.dtype), np.empty(total * (weights.size > 0))
    kd_tree.fill_tiles(threads, X, weights, d, leaf_of, offsets, rows, tiles, of_rows)

    pieces = -(-widths // kd_tree.MOST)
    leaf = np.repeat(np.arange(leaves), pieces)
    done = (np.arange(len(leaf)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) * kd_tree.MOST
    starts = np.append(begins[leaf] + done, total)
    of_blocks = np.minimum(sizes[leaf] - done, kd_tree.MOST)
    low, high = np.empty((2, len(leaf), d))
    kd_tree.outline(threads, d, starts, of_blocks, rows, tiles, low.reshape(-1), high.reshape(-1))

    families = np.flatnonzero(np.diff(leaf // _FAMILY, prepend=-1))
    around = np.minimum.reduceat(low, families), np.maximum.reduceat(high, families)
    return kd_tree.KdTree(
        rows, tiles, of_rows, starts, of_blocks, low.ravel(), high.ravel(), np.append(families, len(leaf)),
        around[0].ravel(), around[1].ravel(),
    )  # fmt: skip


class KdTreeAssignment:
    """The rows of a session in the order of a k-d tree, with labels in that order."""

    def __init__(self, session, sorted_rows=None):
        self.threads, self.d, self.k = session.threads, session.d, session.k
        if sorted_rows is None:
            sorted_rows = build_kd_tree(self.threads, *session.rows)
        self.tree = sorted_rows
        self.labels = np.empty(len(self.tree.rows), np.int32)
        self.owners = np.empty(len(self.tree.sizes), np.int32)
        self.ids = np.arange(kd_tree_filter.padded(self.k), dtype=np.int32)
        self.counts = Counts.zeros(self.threads)
        self.memory = kd_tree_filter.scratch(self.threads, self.k, self.d, session.X.dtype)

    def forget_labels(self):
        self.labels.fill(-1)
        self.owners.fill(-1)

    def read(self, labels):
        """Take over the labels (n,) of the rows."""
        kd_tree.to_tree_order(self.threads, self.tree.rows, labels, self.labels)
        self.owners.fill(-1)

    def write(self, labels):
        """Put the labels of the rows into `labels` (n,)."""
        kd_tree.from_tree_order(self.threads, self.tree.rows, self.labels, labels)

    def assign(self, centroids, sums):
        """Label the rows and update the `Sums`; what was counted."""
        kd_tree_filter.assign_kd_tree(
            self.threads, self.tree, self.d, kd_tree_filter.columns(centroids), self.ids, self.k, self.labels,
            self.owners, self.counts, sums, self.memory,
        )  # fmt: skip
        return self.counts
