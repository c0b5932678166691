"""A data set opened on the CPU."""

import math

import numpy as np

from ...kernels.cpu import assign, distances, facts, fixed_point, gate, lane_sums, line, tile, update
from ..protocol import Finished, Iteration
from .buffers import NO_WEIGHTS, flat
from .codes import Codes
from .gate import Gate, worth_it
from .planning import filters_by_bytes, searches_a_line, shares_sums
from .seeder import CpuSeeder

_FEW_MOVED = 0.3  # the share of rows below which moving them beats adding all rows anew (each costs two additions)
_TOO_MANY = 0.3  # the share of tiles with too many candidates from which bytes serve no more as a filter
_LONG = 8192  # numbers from which a step over clusters is shared out to threads


class CpuSession:
    """See `kmeans_fast.backends.protocol.Session`."""

    runs_ahead = False

    def __init__(self, X, weights, n_clusters, threads):
        self.X, self.threads, self.k = X, threads, n_clusters
        self.n, self.d = X.shape
        self.flat = flat(X)
        self.weights = NO_WEIGHTS if weights is None else flat(weights)
        self.columns = self.d + (weights is not None)
        self.memory = tile.workspaces(threads, self.d)
        self.counters = np.empty((4, threads), np.int64)
        self.labels = self.packed = None
        self.plan = self.totals = None
        self.lane_sums = None if self.weights.size else lane_sums.scratch(threads, self.k, self.d)
        self.nothing = fixed_point.Totals.zeros(threads, 0, 0, 0), fixed_point.NO_SUMS.arguments
        self.center = self.scatter = None  # a point, and the weighted sum of squared distances to it
        self.moved = None  # rows that the last iteration moved; None unless `totals` are the sums of `labels`
        self.gate = self.codes = None
        self.filtering = filters_by_bytes(self.n, self.d, self.k, X.itemsize)

    # ---- facts -----------------------------------------------------------------------------------------------------

    def _plan_sums(self):
        """Accumulators for the sums of the clusters."""
        self.plan = plan = facts.planned(self.threads, self.flat, self.weights, self.d)
        self.shared = shares_sums(self.X.nbytes, self.k * self.columns * plan.limbs, self.threads)
        self.totals = fixed_point.Totals.zeros(1 if self.shared else self.threads, self.k, self.columns, plan.limbs)
        if plan.limbs > 1:
            self.lane_sums = None

    def _mean(self):
        """The exact column means, without weights."""
        plan = self.plan
        if self.weights.size:
            plan = facts.planned(self.threads, self.flat, NO_WEIGHTS, self.d)
        totals = fixed_point.Totals.zeros(self.threads, 1, self.d, plan.limbs)
        facts.column_sums(self.threads, self.flat, NO_WEIGHTS, self.d, totals, *plan.arguments)
        return fixed_point.rounded(1, totals, plan, 1, self.d, False)[0][0] / self.n

    def _sum_of_distances(self, weights, centroids, labels):
        bins = np.zeros((self.threads, 2, distances.EXPONENTS), np.int64)
        exact = np.ascontiguousarray(centroids, np.float64).ravel()
        distances.inertia_bins(self.threads, self.flat, weights, exact, labels, self.d, bins)
        return distances.bins_total(bins)

    def _scatter_about(self, center, weights):
        return self._sum_of_distances(weights, center, np.zeros(self.n, np.int32))

    def mean_variance(self):
        if self.plan is None:
            self._plan_sums()
        self.center = self._mean()
        scatter = self._scatter_about(self.center, NO_WEIGHTS)
        self.scatter = self._scatter_about(self.center, self.weights) if self.weights.size else scatter
        return scatter / self.X.size

    def _find_scatter(self):
        """The scatter about a point in the middle of the data, for `Iteration.inertia`."""
        self.center = self.X[:: -(-self.n // 1024)].mean(axis=0, dtype=np.float64)
        self.scatter = self._scatter_about(self.center, self.weights)

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def reset(self):
        self.labels, self.moved = np.full(self.n, -1, np.int32), None
        if self.gate is not None:
            self.gate.centroids = None

    def _assign(self, centroids, sums, codes):
        """Label every row and update the sums as `sums` says. Rows whose label changed, rows rechecked, rows scored, and how."""
        if self.packed is None or len(self.packed.exact) != centroids.size:
            self.packed = update.Packed(*centroids.shape, self.X.dtype)
        packed = self.packed.fill(flat(centroids), self.center)
        scale = float(packed[4])
        totals, limbs = (self.totals, self.plan.arguments) if sums != assign.SUMS_LEFT else self.nothing
        if searches_a_line(self.d, len(centroids)):
            return self._assign_on_a_line(centroids, sums, totals, limbs)
        changed, opened, scored, too_many = self.counters
        if (
            self.gate is not None
            and sums != assign.SUMS_ANEW
            and self.gate.serves(centroids, scale, self.labels, codes is not None)
        ):
            bounds = self.gate
            factor = bounds.factor(scale)
            if codes is None:
                self._find_gaps(bounds, centroids, packed, factor)
            else:
                bounds.half_gap.fill(0.0)  # bytes do without; what is there may be of other centroids
            gate.assign_gated(
                self.threads, self.flat, self.weights, self.d, *packed, self.labels, changed, opened, scored, too_many,
                totals, *limbs, sums, self.memory, bounds.unit, factor, bounds.upper, bounds.lower, bounds.drift, bounds.half_gap,
                codes,
            )  # fmt: skip
            measured = sum(scored.tolist())
            bounds.share = measured / self.n
            path = ["bounds"]
            if codes is not None and sum(too_many.tolist()) * tile.ROWS > _TOO_MANY * measured:
                self.filtering = False
        else:
            bounds = None
            if self.gate is not None:
                self.gate.begin(scale)
                bounds = np.float32(1), self.gate.upper, self.gate.lower
            assign.assign(
                self.threads, self.flat, self.weights, self.d, *packed, self.labels, changed, opened,
                totals, *limbs, sums, self.memory, self.lane_sums, bounds, codes, too_many,
            )  # fmt: skip
            measured, path = self.n, []
        if self.gate is not None:
            self.gate.centroids = None  # until `follow` says what moves next
        path.append("float32" if codes is None else "bytes")
        return sum(changed.tolist()), sum(opened.tolist()), measured, ", ".join(path)

    def _assign_on_a_line(self, centroids, sums, totals, limbs):
        """`_assign` for one feature: by search among the sorted centroids."""
        changed = self.counters[0]
        sorted_centroids = line.Line(centroids)
        line.assign_line(
            self.threads, self.flat, self.weights, len(centroids), *sorted_centroids.arguments, self.labels, changed,
            totals, *limbs, sums,
        )  # fmt: skip
        return sum(changed.tolist()), 0, 0, "sorted"

    def _codes(self, centroids, passes=None):
        """The rows and these centroids as bytes, where they serve as a filter in so many passes (None: in more than one); else None."""
        if self.codes is None:
            if not (self.filtering and filters_by_bytes(self.n, self.d, self.k, self.X.itemsize, passes)):
                return None
            self.codes = Codes(self)
        return self.codes.encoded(flat(centroids)) if self.filtering and len(centroids) == self.k else None

    def _find_gaps(self, bounds, centroids, packed, factor):
        """Half the distance of each centroid to its nearest neighbour: the centroids are rows here."""
        totals, limbs = self.nothing
        assign.assign(
            self.threads, flat(centroids), NO_WEIGHTS, self.d, *packed, bounds.nearest, *self.counters[:2],
            totals, *limbs, assign.SUMS_LEFT, self.memory, None, (factor, bounds.above, bounds.half_gap),
            None, self.counters[3],
        )  # fmt: skip
        bounds.half_gap *= np.float32(0.5)

    def assign(self, centroids):
        if self.labels is None:
            self.reset()
        self.moved = None
        self._assign(centroids, assign.SUMS_LEFT, self._codes(centroids, passes=1))

    def iterate(self, centroids):
        if self.plan is None:
            self._plan_sums()
        if self.center is None:
            self._find_scatter()
        if self.labels is None:
            self.reset()
        if self.gate is None and worth_it(self.d, self.k) and not self.shared and not searches_a_line(self.d, self.k):
            self.gate = Gate(self.n, self.d, self.k)
        codes = self._codes(centroids)
        few = self.moved is not None and (self.moved < _FEW_MOVED * self.n or codes is not None)
        if self.shared:
            changed, rechecked, scored, path = self._assign(centroids, assign.SUMS_LEFT, codes)
            assign.sum_owned(
                self.threads, self.flat, self.weights, self.d, self.labels, self.k, self.totals, *self.plan.arguments
            )
        else:
            sums = assign.SUMS_MOVED if few else assign.SUMS_ANEW
            changed, rechecked, scored, path = self._assign(centroids, sums, codes)
        sums, weights = self._sums()
        empty = 0 if weights.all() else int(np.count_nonzero(weights == 0))
        self.moved = changed
        new, shifts, inertia = self._means(sums, weights)
        if empty:
            self._relocate(centroids, np.flatnonzero(weights == 0))
            new, shifts, _ = self._means(*self._sums())
        if self.gate is not None:
            self.gate.follow(new, shifts)
        return Finished(Iteration(new, changed, math.fsum(shifts), inertia, empty, rechecked, scored, path))

    def fetch(self, centroids):
        return centroids

    def used_clusters(self):
        used = np.zeros(self.k, bool)
        for start in range(0, self.n, 1 << 20):  # in parts: indexing widens int32 labels to int64
            used[self.labels[start : start + (1 << 20)]] = True
        return int(np.count_nonzero(used))

    def _sums(self):
        """The exact sums (k, columns), rounded once, and the weight of each cluster."""
        threads = self.threads if self.k * self.columns >= _LONG else 1
        return fixed_point.rounded(threads, self.totals, self.plan, self.k, self.columns, self.weights.size > 0)

    def _means(self, sums, weights):
        """New centroids from the sums, the squared shifts, and the inertia of the labels with the old centroids."""
        new = np.empty((self.k, self.d), self.X.dtype)
        shifts, differences = np.empty((2, self.k))
        update.means(
            self.threads if sums.size >= _LONG else 1, sums, weights, self.packed.exact, self.center,
            new.reshape(-1), shifts, differences,
        )  # fmt: skip
        return new, shifts, max(0.0, self.scatter + math.fsum(differences))

    def _relocate(self, centroids, empty):
        """Give each empty cluster the row farthest from its centroid (`kmeans_fast.reference.relocate`): in the sums, not in the labels."""
        own = self.own_distances(centroids)
        if self.weights.size:
            own[self.weights == 0] = 0.0
        wanted = min(len(empty), self.n)
        least = np.partition(own, self.n - wanted)[self.n - wanted]
        rows = np.flatnonzero(own >= least)
        rows = rows[np.lexsort((rows, -own[rows]))][:wanted]
        rows = rows[own[rows] > 0]
        fixed_point.relocate(
            self.totals, self.flat, rows, self.d, self.weights, self.labels[rows], empty[: len(rows)].astype(np.int32),
            *self.plan.arguments,
        )  # fmt: skip
        self.moved = None

    # ---- distances -------------------------------------------------------------------------------------------------

    def inertia(self, centroids):
        return self._sum_of_distances(self.weights, centroids, self.labels)

    def own_distances(self, centroids):
        out = np.empty(self.n)
        exact = centroids.astype(np.float64).ravel()
        distances.own_distances(self.threads, self.flat, exact, self.labels, self.d, out)
        return out

    def distances(self, centroids, squared=False):
        out = np.empty((self.n, len(centroids)), self.X.dtype)
        columns = distances.columns_padded(centroids)
        distances.distance_table(self.threads, self.flat, columns.ravel(), self.d, columns.shape[1], out, squared)
        return out

    def seeder(self, words):
        self.labels = self.gate = self.codes = None  # the distances of seeding take their room
        return CpuSeeder(self, words)

    def rows(self, numbers):
        return self.X[numbers]

    def weights_of(self, numbers):
        return self.weights[numbers] if self.weights.size else None
