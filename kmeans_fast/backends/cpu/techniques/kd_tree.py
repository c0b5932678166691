"""Rows of few features sorted by a k-d tree (`kernels.cpu.assignment.kd_tree`), passes over it, and whether it pays."""

import numpy as np

from ....kernels.cpu.assignment import kd_tree, kd_tree_filter
from ....kernels.cpu.machine.scratch import private
from .. import costs
from .bounds import HamerlyBounds
from .protocol import Technique

_LEAF = 128  # rows on average at most, and half of it at least
_SAMPLED = 3  # rows of a leaf of that size
_FAMILY = 32  # leaves
_MOST_ROWS = 2**31  # numbers of rows are int32


def tree_bytes(sizes):
    """Memory of a tree with its labels, with an eighth for leaves that are not full, with what sorting takes beside it
    (the leaf of every row; counts and places of leaves of 64 rows), and with the candidates of a pass.
    """
    n, d, k = sizes.n, sizes.d, sizes.k
    rows = int(1.125 * n * (d * sizes.itemsize + 8 + 8 * sizes.weighted))
    return rows + 4 * n + sizes.threads * (n // 64 * 32 + k * (2 * d + 2) * 8)


class BuildPolicy:
    """When to build a k-d tree of the rows.

    An iteration without costs `plain` for every row. What a tree saves is known only when there is one. So it is built
    as soon as the iterations without have cost half as much (few fits end before that), and left again if the first
    pass measures too many rows. That costs three times what is best at most (the ski rental problem).
    """

    def __init__(self, d, k):
        self.d, self.plain = d, costs.row_without_tree(d, k)
        self.spent, self.rejected, self.pays = 0.0, False, False

    def is_due(self):
        """Whether the tree is to be built before the next iteration."""
        self.spent += self.plain
        return not self.rejected and (self.pays or self.spent >= costs.SPENT * costs.SORTING_ROW)

    def settle(self, candidates):
        """Take note of a pass that measured so many candidates for a row."""
        self.pays = costs.TREE_GAIN * costs.tree_row(self.d, candidates) <= self.plain
        self.rejected = not self.pays

    def take_over(self, other):
        self.pays, self.rejected = other.pays, other.rejected


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


class SortedRows:
    """The rows of a session in the order of a k-d tree, with labels in that order."""

    def __init__(self, session, tree):
        self.tree = tree
        self.labels = np.empty(len(tree.rows), np.int32)
        self.owners = np.empty(len(tree.sizes), np.int32)
        self.ids = np.arange(kd_tree_filter.padded(session.k), dtype=np.int32)
        self.memory = kd_tree_filter.scratch(session.threads, session.k, session.d)


class KdTree(Technique):
    """Centroids are excluded for a box of neighbouring rows at a time."""

    name = "kd-tree"
    paths = ("kd-tree",)
    note = "rows are sorted by a k-d tree if iterations are many: most centroids are excluded for a box at a time"
    shares = (HamerlyBounds,)  # to give their memory back
    stays = True

    def __init__(self, session, bounds):
        super().__init__(session)
        self.bounds, self.policy = bounds, BuildPolicy(session.d, session.k)
        self.sorted = None
        self.knows_labels = self.has_labels = (
            False  # whether labels in its order are right, and newer than the session's
        )

    @staticmethod
    def objection(sizes):
        return "" if sizes.n < _MOST_ROWS else f"row numbers are int32, and there are {sizes.n:,} rows"

    @staticmethod
    def declines(sizes):
        if sizes.d > costs.MOST_TREE_FEATURES:
            return f"boxes of rows of more than {costs.MOST_TREE_FEATURES} features exclude few centroids"
        if sizes.frugal or not sizes.copies:
            return "memory is short"
        if sizes.shared:
            return "the sums of so many clusters are shared by all threads"
        many = sizes.n >= costs.LEAST_TREE_ROWS and costs.row_without_tree(sizes.d, sizes.k) >= costs.LEAST_TREE_TIME
        return "" if many else "so few rows or clusters are scored as soon"

    @staticmethod
    def memory(sizes):
        return {"k-d tree": tree_bytes(sizes)}

    def takes(self, coming):
        forced = self.session.forced
        if coming.shared and not forced:  # shared sums are made in the order of the rows, from labels put there first
            self._leave()
            return False
        if self.sorted is None and (forced or (not coming.once and self.policy.is_due())):
            self._build()
        return self.sorted is not None

    def _build(self):
        session = self.session
        self.bounds.make_room()
        self.sorted = SortedRows(session, build_kd_tree(session.threads, *session.rows))
        self.knows_labels = False

    def run(self, coming):
        session, rows = self.session, self.sorted
        if not self.knows_labels:
            kd_tree.to_tree_order(session.threads, rows.tree.rows, session.labels, rows.labels)
            rows.owners.fill(-1)
        kd_tree_filter.assign_kd_tree(
            session.threads, rows.tree, session.d, kd_tree_filter.columns(coming.centroids), rows.ids, session.k,
            rows.labels, rows.owners, session.counts, coming.sums(True), rows.memory,
        )  # fmt: skip
        self.knows_labels = self.has_labels = True
        session.counts.rechecked.fill(0)
        self.policy.settle(sum(session.counts.pairs.tolist()) / session.n)
        if self.policy.rejected and not session.forced:
            self._leave()
        return session.found(sum(session.counts.scored.tolist()), self.name)

    def _leave(self):
        self.write_labels()
        self.sorted = None

    def read_labels(self):
        self.knows_labels = False

    def write_labels(self):
        if self.has_labels:
            rows = self.sorted
            kd_tree.from_tree_order(self.session.threads, rows.tree.rows, rows.labels, self.session.labels)
            self.has_labels = False

    def reset(self):
        self.has_labels = False
        if self.sorted is not None:
            self.sorted.labels.fill(-1)
            self.sorted.owners.fill(-1)
            self.knows_labels = True

    def make_room(self):
        """The tree stays: the next run wants it at once."""
        self.has_labels = False

    def take_over(self, other):
        self.policy.take_over(other.policy)
        if other.sorted is not None:
            self.sorted = SortedRows(self.session, other.sorted.tree)
