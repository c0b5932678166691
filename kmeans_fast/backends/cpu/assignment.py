"""The labels of a session's rows, and the kernels that bring them up to date: which of them runs, and what it needs from pass to pass."""

from typing import NamedTuple

import numpy as np

from ...kernels.cpu.assignment import dense, hamerly, sorted_1d
from ...kernels.cpu.assignment.arguments import NO_BOUNDS, SUMS_ANEW, SUMS_LEFT, SUMS_MOVED, Counts, Sums
from ...kernels.cpu.exact import fixed_point, lane_sums
from ...kernels.cpu.exact.rows import Rows
from ...kernels.cpu.scoring import packing, tile
from .buffers import NO_WEIGHTS, flat
from .codes import Codes
from .exponion import Exponion
from .hamerly import HamerlyBounds, is_usual, keeps_bounds
from .kd_tree import BuildPolicy, KdTreeAssignment
from .planning import (
    builds_kd_tree,
    filters_by_bytes,
    scoring_time,
    searches_sorted,
    time_without_tree,
    tries_exponion,
)
from .tasks import tasks_for

_FEW_MOVED = 0.3  # the share of rows below which moving them beats adding all rows anew (each costs two additions)
_TOO_MANY = 0.3  # the share of tiles with too many candidates from which bytes serve no more as a filter


def _precision(codes):
    return "float32" if codes is None else "bytes"


class Pass(NamedTuple):
    """What an assignment came to."""

    changed: int  # rows whose label changed
    rechecked: int  # rows whose label the fast pass could not prove
    scored: int  # rows measured against every centroid, or in a k-d tree against several
    path: str


class Assignment:
    """The labels, and everything that is kept for the sake of finding them."""

    def __init__(self, X, weights, n_clusters, threads, frugal):
        self.X, self.k, self.threads = X, n_clusters, threads
        self.n, self.d = X.shape
        self.rows = Rows(flat(X), weights, self.d)
        self.memory = tile.workspaces(threads, self.d)
        self.counts = Counts.zeros(threads)
        self.lane_sums = None if weights.size else lane_sums.scratch(threads, self.k, self.d)
        self.no_sums = Sums(fixed_point.Totals.zeros(threads, 0, 0, 0), fixed_point.NO_SUMS, SUMS_LEFT)
        self.packed = self._labels = None
        sizes = self.n, self.d, self.k
        self.may_bound = keeps_bounds(*sizes) and not searches_sorted(self.d, self.k) and not frugal
        self.may_filter = filters_by_bytes(*sizes, X.itemsize) and not frugal
        self.build_policy = None
        if builds_kd_tree(*sizes) and not frugal:
            self.build_policy = BuildPolicy(self.n, self.d, time_without_tree(self.d, self.k))
        self.may_use_exponion = self.may_bound and tries_exponion(*sizes, X.itemsize)
        self.bounds = self.codes = self.kd_tree = self.exponion = None
        self.newer_in_tree = False

    @property
    def labels(self):
        """(n,) int32, of the last pass."""
        if self.newer_in_tree:
            self.kd_tree.write(self._labels)
            self.newer_in_tree = False
        return self._labels

    def reset(self):
        """Start with new labels, none known."""
        self._labels, self.newer_in_tree = np.full(self.n, -1, np.int32), False
        if self.bounds is not None:
            self.bounds.centroids = None
        if self.kd_tree is not None:
            self.kd_tree.forget_labels()

    def resume(self, labels):
        """Go on from labels (n,) found elsewhere, which are this object's from now on."""
        self.reset()
        self._labels = labels

    def make_room(self):
        """Give memory back between two runs: all that grows with the rows but the k-d tree, which the next run wants at once."""
        self._labels = self.bounds = self.codes = self.exponion = None
        self.newer_in_tree = False

    def take_over(self, other):
        """Use what another assignment of these rows has of them, which makes room; a k-d tree is both's."""
        self.may_filter = self.may_filter and other.may_filter
        if other.codes is not None and self.may_filter:
            self.codes = Codes(self, other.codes)
        if self.build_policy is not None and other.build_policy is not None:
            self.build_policy.pays, self.build_policy.rejected = other.build_policy.pays, other.build_policy.rejected
            if other.kd_tree is not None:
                self.kd_tree = KdTreeAssignment(self, other.kd_tree.tree)
        other.make_room()

    def follow(self, centroids, shifts):
        """The pass was over the centroids before; these are the ones after, and the squared distances between."""
        if self.bounds is not None:
            self.bounds.follow(centroids, shifts)

    # ---- passes ----------------------------------------------------------------------------------------------------

    def assign(self, centroids, center):
        """Find the labels, no other pass being expected to follow."""
        if self._labels is None:
            self.reset()
        use_exponion = self.kd_tree is None and self._uses_exponion(centroids, passes=None if self.exponion else 1)
        codes = None if use_exponion or self.kd_tree is not None else self._codes(centroids, passes=1)
        return self._pass(centroids, center, self.no_sums, codes, use_exponion)

    def iterate(self, centroids, center, totals, plan, moved, private):
        """Find the labels in an iteration, and bring the sums up to date where threads have them `private`; `moved`: how many rows the iteration before
        moved, None unless `totals` are the sums of the labels.
        """
        if self._labels is None:
            self.reset()
        if plan.limbs > 1:
            self.lane_sums = None
        if not private and self.kd_tree is not None:
            self._leave_tree()
        if private and self.build_policy is not None and self.kd_tree is None and self.build_policy.is_due():
            self._build_tree()  # shared sums are made in the order of the rows, from labels that would be put there first
        use_exponion = private and self.kd_tree is None and self._uses_exponion(centroids)
        codes = None if use_exponion or self.kd_tree is not None else self._codes(centroids)
        if self.bounds is None and self.kd_tree is None and self.may_bound and private:
            self.bounds = HamerlyBounds(self.n, self.d, self.k)
        sums = self.no_sums
        if private:
            all_moves = use_exponion or codes is not None or self.kd_tree is not None
            # All rows moved means that they came from nowhere: the next pass moves few (measured: 0.1 to 0.4 of them), and bounds may hold already.
            few = moved is not None and (moved < _FEW_MOVED * self.n or moved == self.n or all_moves)
            sums = Sums(totals, plan, SUMS_MOVED if few else SUMS_ANEW)
        return self._pass(centroids, center, sums, codes, use_exponion)

    def _pass(self, centroids, center, sums, codes, use_exponion):
        """Label every row and update the `Sums`."""
        if self.packed is None or len(self.packed.exact) != centroids.size:
            self.packed = packing.Packing(*centroids.shape, self.X.dtype)
        packed = self.packed.fill(flat(centroids), center)
        scale = float(packed.scale)
        if self.kd_tree is not None:
            return self._pass_kd_tree(centroids, sums)
        if searches_sorted(self.d, len(centroids)):
            return self._pass_sorted(centroids, sums)
        holds = self.bounds is not None and sums.mode != SUMS_ANEW and self.bounds.holds(centroids, scale)
        if use_exponion and is_usual(scale):
            found = self._pass_exponion(centroids, center, packed, holds, sums)
        elif holds and (codes is not None or self.bounds.pays(self.labels)):
            found = self._pass_hamerly(centroids, packed, scale, sums, codes)
        else:
            found = self._pass_over_all(packed, scale, sums, codes)
        if self.bounds is not None:
            self.bounds.centroids = None  # until `follow` says what moves next
        return found

    def _pass_over_all(self, packed, scale, sums, codes):
        bounds = NO_BOUNDS
        if self.bounds is not None:
            self.bounds.begin(scale)
            bounds = self.bounds.arguments(scale)
        dense.assign(
            self.threads, self.rows, packed, self.labels, self.counts, sums, self.memory, self.lane_sums, bounds, codes
        )
        return self._counted(self.n, _precision(codes))

    def _pass_hamerly(self, centroids, packed, scale, sums, codes):
        bounds = self.bounds
        if codes is None:
            self._find_gaps(centroids, packed, bounds.arguments(scale))
        else:
            bounds.half_gap.fill(0.0)  # bytes do without; what is there may be of other centroids
        hamerly.assign_hamerly(
            self.threads, self.rows, packed, self.labels, self.counts, sums, self.memory, bounds.arguments(scale), codes
        )
        measured = sum(self.counts.scored.tolist())
        bounds.share = measured / self.n
        if codes is not None and sum(self.counts.overfull.tolist()) * tile.ROWS > _TOO_MANY * measured:
            self.may_filter = False
        return self._counted(measured, f"hamerly, {_precision(codes)}")

    def _counted(self, scored, path):
        """The `Pass` whose rows that changed and were rechecked are in `counts`."""
        return Pass(sum(self.counts.changed.tolist()), sum(self.counts.rechecked.tolist()), scored, path)

    def _pass_exponion(self, centroids, center, packed, known, sums):
        """Rows that fail their bounds, or all if those are not known, against the centroids near their own."""
        scored = self.exponion.assign(self, centroids, center, packed, self.bounds, known, sums)
        self.bounds.share = scored / self.n if known else None
        return self._counted(scored, "hamerly, exponion" if known else "exponion")

    def nearest(self, points, center, out):
        """The nearest of a few points to every row, into `out` (n,) int32."""
        packed = packing.Packing(*points.shape, self.X.dtype)
        dense.assign(
            self.threads, self.rows._replace(weights=NO_WEIGHTS), packed.fill(flat(points), center), out, self.counts,
            self.no_sums, self.memory, None, NO_BOUNDS, None,
        )  # fmt: skip

    def _find_gaps(self, centroids, packed, usual):
        """Half the distance of each centroid to its nearest neighbour: the centroids are rows here."""
        bounds, work = self.bounds, len(centroids) * scoring_time(self.d, len(centroids))
        dense.assign(
            tasks_for(self.threads, work), Rows(flat(centroids), NO_WEIGHTS, self.d), packed, bounds.nearest,
            self.counts, self.no_sums, self.memory, None, usual._replace(upper=bounds.above, lower=bounds.half_gap),
            None,
        )  # fmt: skip
        bounds.half_gap *= np.float32(0.5)

    def _pass_sorted(self, centroids, sums):
        """One feature: by search among the sorted centroids."""
        sorted_1d.assign_sorted_1d(
            self.threads, self.rows, len(centroids), sorted_1d.SortedCentroids.of(centroids), self.labels, self.counts,
            sums,
        )  # fmt: skip
        return Pass(sum(self.counts.changed.tolist()), 0, 0, "sorted")

    def _pass_kd_tree(self, centroids, sums):
        counts = self.kd_tree.assign(centroids, sums)
        self.newer_in_tree = True
        self.build_policy.settle(sum(counts.pairs.tolist()))
        if self.build_policy.rejected:
            self._leave_tree()
        return Pass(sum(counts.changed.tolist()), 0, sum(counts.scored.tolist()), "kd-tree")

    def _uses_exponion(self, centroids, passes=None):
        """Whether the next pass, of so many (None: several), measures rows only against centroids near their own."""
        if not self.may_use_exponion or len(centroids) != self.k:
            return False
        if passes and not tries_exponion(self.n, self.d, self.k, self.X.itemsize, passes):
            return False
        if self.exponion is None:
            self.exponion = Exponion(self)
        by_floats, by_bytes = scoring_time(self.d, self.k), None
        if self.may_filter and filters_by_bytes(self.n, self.d, self.k, self.X.itemsize):
            by_bytes = scoring_time(self.d, self.k, by_bytes=True)
        if not self.exponion.pays(self.X, centroids, by_floats, by_bytes):
            return False
        if self.bounds is None:
            self.bounds = HamerlyBounds(self.n, self.d, self.k)
        return True

    # ---- what passes need ------------------------------------------------------------------------------------------

    def _build_tree(self):
        """Sort the rows by a k-d tree."""
        self.bounds = None
        self.kd_tree = KdTreeAssignment(self)
        self.kd_tree.read(self._labels)

    def _leave_tree(self):
        self._labels, self.kd_tree = self.labels, None

    def _codes(self, centroids, passes=None):
        """The rows and these centroids as bytes, where they serve as a filter in so many passes (None: in more than one); else None."""
        if self.codes is None:
            if not (self.may_filter and filters_by_bytes(self.n, self.d, self.k, self.X.itemsize, passes)):
                return None
            self.codes = Codes(self)
        return self.codes.encoded(flat(centroids)) if self.may_filter and len(centroids) == self.k else None
