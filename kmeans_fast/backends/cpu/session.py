"""A data set opened on the CPU."""

import math

import numpy as np

from ...kernels.cpu.exact import column_statistics, distances, fixed_point, means, rounding
from ...kernels.cpu.seeding import drawing
from ..drawing import digest, distinct
from ..masses import Masses, Oversampler, Seeder
from ..partials import Partial, Ranges, float_of
from ..protocol import Finished, Iteration
from ..relocation import farthest, farthest_rows
from . import costs
from .assignment import Assignment
from .buffers import NO_WEIGHTS, flat
from .masses import CpuMasses
from .planning import shares_sums
from .silhouettes import silhouettes
from .tasks import table_tasks, tasks_for
from .techniques.protocol import Found


class CpuSession:
    """See `kmeans_fast.backends.protocol.Session`."""

    runs_ahead, labels_decide = False, True

    @property
    def parts(self):
        return (self,)

    def __init__(self, X, weights, n_clusters, threads, frugal=False, copies=True, without=frozenset()):
        self.threads, self.k, self.frugal, self.copies, self.without = threads, n_clusters, frugal, copies, without
        self.n, self.d = self.shape = X.shape
        self.dtype, self.weighted = X.dtype, weights is not None
        self.columns = self.d + self.weighted
        self._hold(X, weights)
        self.assignment = Assignment(X, self.weights, n_clusters, threads, frugal, copies, without)
        self.plan = self.totals = None
        self.center = self.scattered = None  # a point, and the weighted sum of squared distances to it
        self.moved = None  # rows that the last iteration moved; None unless `totals` are the sums of `labels`

    def _hold(self, X, weights):
        self.X, self.flat = X, flat(X)
        self.weights = NO_WEIGHTS if weights is None else flat(weights)

    def detach(self):
        self.X = self.flat = self.weights = None
        self.assignment.detach()
        self.totals = None if self.totals is None or self.shared else rounding.folded(self.totals)

    def attach(self, X, weights):
        self._hold(X, weights)
        self.assignment.attach(X, self.weights)
        if self.totals is not None:
            high, low, count = self.totals
            self._make_totals()
            self.totals.high[0], self.totals.low[0], self.totals.count[0] = high, low, count

    def settles(self):
        """Whether no label changes with the centroids that come next, as far as is known without the rows: then that
        pass is made.
        """
        known = self.totals is not None and self.moved is not None
        if not (known and self.assignment.settles()):
            return False
        self.moved = 0
        return True

    def unchanged(self, form):
        """What `accumulate` returns after a pass in which no label changed, without the rows."""
        high, low, count = (one[None] for one in self.totals)
        totals = fixed_point.Totals(np.zeros_like(high), high, low, np.zeros_like(count), count)
        return self._partial(totals, form, Found(0, 0, 0, "rows not read"))

    # ---- statistics ------------------------------------------------------------------------------------------------

    def for_clusters(self, n_clusters, without=None):
        """See `Session`; `without` (`Problem`): as this session, if None."""
        weights = self.weights if self.weights.size else None
        without = self.without if without is None else without
        other = CpuSession(self.X, weights, n_clusters, self.threads, self.frugal, self.copies, without)
        other.plan, other.center, other.scattered = self.plan, self.center, self.scattered
        other.assignment.take_over(self.assignment)
        self.moved = self.totals = None
        return other

    def _tasks(self, for_a_value):
        """Tasks for a step that takes so many nanoseconds for every value of the rows."""
        return tasks_for(self.threads, for_a_value * self.X.size)

    def ranges(self, weighted):
        return Ranges(
            *column_statistics.column_ranges(self._tasks(costs.READING), self.flat, self._weights(weighted), self.d)
        )

    def _weights(self, weighted):
        return self.weights if weighted else NO_WEIGHTS

    def _planned(self, weighted):
        """How columns are cut into limbs."""
        return fixed_point.plan(*self.ranges(weighted))

    def _plan_sums(self):
        """Accumulators for the sums of the clusters."""
        if self.plan is None:
            self.plan = self._planned(weighted=True)
        self.shared = shares_sums(self.X.nbytes, self.k * self.columns * self.plan.limbs, self.threads)
        self._make_totals()

    def _make_totals(self):
        tasks = 1 if self.shared else self.threads
        self.totals = fixed_point.Totals.zeros(tasks, self.k, self.columns, self.plan.limbs)

    def _column_totals(self):
        """The exact sums of the columns, without weights, and how they are cut into limbs."""
        plan = self._planned(weighted=False) if self.weighted else self.plan or self._planned(weighted=True)
        return column_statistics.column_totals(self._tasks(costs.READING), self.flat, self.d, plan), plan

    def column_sums(self, form):
        totals, plan = self._column_totals()
        return self._limbs(totals, plan, 1, self.d, form)[:, 0]

    def _sum_of_distances(self, weights, centroids, labels):
        tasks = self._tasks(costs.MEASURING)
        bins = np.zeros((tasks, 2, distances.EXPONENTS), np.int64)
        exact = np.ascontiguousarray(centroids, np.float64).ravel()
        distances.inertia_bins(tasks, self.flat, weights, exact, labels, self.d, bins)
        return distances.bins_total(bins)

    def scatter(self, center, weighted):
        return self._sum_of_distances(self._weights(weighted), center, np.zeros(self.n, np.int32))

    def mean_variance(self):
        if self.totals is None:
            self._plan_sums()
        totals, plan = self._column_totals()
        self.center = rounding.rounded(1, totals, plan, 1, self.d, False)[0][0] / self.n
        scatter = float_of(self.scatter(self.center, weighted=False))
        self.scattered = float_of(self.scatter(self.center, weighted=True)) if self.weighted else scatter
        return scatter / self.X.size

    def _find_scatter(self):
        """The scatter about a point in the middle of the data, for `Iteration.inertia`."""
        self.center = self.X[:: -(-self.n // 1024)].mean(axis=0, dtype=np.float64)
        self.scattered = float_of(self.scatter(self.center, weighted=True))

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    @property
    def labels(self):
        return self.assignment.labels

    def reset(self):
        self.assignment.reset()
        self.moved = None

    def resume(self, labels):
        self.moved = None
        self.assignment.resume(labels)

    def assign(self, centroids):
        self.moved = None
        self.assignment.assign(centroids, self.center)

    def _label(self, centroids):
        """Assign, and bring the sums of the clusters up to date."""
        if self.totals is None:
            self._plan_sums()
        found = self.assignment.iterate(centroids, self.center, self.totals, self.plan, self.moved, not self.shared)
        self.moved = found.changed
        return found

    def accumulate(self, centroids, form):
        found = self._label(centroids)
        return self._partial(self.totals, form, found)

    def _partial(self, totals, form, found):
        sums = self._limbs(totals, self.plan, self.k, self.columns, form)
        rows = totals.count.sum(axis=0)[: self.k]
        return Partial(sums, rows, found.changed, found.rechecked, found.scored, frozenset([found.path]))

    def sums_of(self, labels, form):
        self.resume(labels)
        if self.totals is None:
            self._plan_sums()
        self.assignment.rows.add_all(self.totals, self.plan)
        return self._limbs(self.totals, self.plan, self.k, self.columns, form)

    def _limbs(self, totals, plan, rows, columns, form):
        """The exact sums of `totals`, cut into limbs by `plan`, in limbs of the form (limbs, rows, columns)."""
        out = np.zeros((form.limbs, rows, columns), np.int64)
        shifts = plan.exponent + fixed_point.LIMB * np.arange(plan.limbs)[:, None] - form.exponent
        rounding.merge_limbs(self.threads if rows * columns >= costs.LONG else 1, totals, shifts, out)
        return out

    def follow(self, centroids, shifts):
        self.assignment.follow(centroids, shifts)

    def iterate(self, centroids):
        if self.center is None:
            self._find_scatter()
        found = self._label(centroids)
        sums, weights = self._sums()
        empty = self.k - int(np.count_nonzero(weights))
        new, shifts, inertia = self._means(sums, weights)
        if empty:
            self._relocate(centroids, np.flatnonzero(weights == 0))
            new, shifts, _ = self._means(*self._sums())
        self.assignment.follow(new, shifts)
        step = Iteration(
            new, found.changed, math.fsum(shifts.tolist()), inertia, empty, found.rechecked, found.scored, found.path
        )
        return Finished(step)

    def fetch(self, centroids):
        return centroids

    def cluster_sizes(self):
        rows = np.zeros(self.k, np.int64)
        for start in range(0, self.n, 1 << 20):  # in parts: counting widens int32 labels to int64
            rows += np.bincount(self.labels[start : start + (1 << 20)], minlength=self.k)
        return rows

    def _sums(self):
        """The exact sums (k, columns), rounded once, and the weight of each cluster."""
        threads = self.threads if self.k * self.columns >= costs.LONG else 1
        return rounding.rounded(threads, self.totals, self.plan, self.k, self.columns, self.weights.size > 0)

    def _means(self, sums, weights):
        """New centroids from the sums, the squared shifts, and the inertia of the labels with the old centroids."""
        new = np.empty((self.k, self.d), self.X.dtype)
        shifts, differences = np.empty((2, self.k))
        means.means(
            self.threads if sums.size >= costs.LONG else 1, sums, weights, self.assignment.packed.exact, self.center,
            new.reshape(-1), shifts, differences,
        )  # fmt: skip
        return new, shifts, max(0.0, self.scattered + math.fsum(differences.tolist()))

    def _relocate(self, centroids, empty):
        """Give each empty cluster the row farthest from its centroid (`reference.relocate`): in sums, not in labels."""
        own = self.own_distances(centroids)
        if self.weights.size:
            own[self.weights == 0] = 0.0
        rows = farthest_rows(self, own, len(empty))
        fixed_point.relocate(
            1, self.totals, self.flat, rows, self.d, self.weights, self.labels[rows],
            empty[: len(rows)].astype(np.int32), *self.plan.arguments,
        )  # fmt: skip
        self.moved = None

    # ---- distances -------------------------------------------------------------------------------------------------

    def exact_inertia(self, centroids):
        return self._sum_of_distances(self.weights, centroids, self.labels)

    def inertia(self, centroids):
        return float_of(self.exact_inertia(centroids))

    def farthest(self, centroids, count):
        return farthest(self, self.own_distances(centroids), count)

    def own_distances(self, centroids):
        out = np.empty(self.n)
        exact = centroids.astype(np.float64).ravel()
        distances.own_distances(self._tasks(costs.MEASURING), self.flat, exact, self.labels, self.d, out)
        return out

    def distances(self, centroids, squared=False):
        out = np.empty((self.n, len(centroids)), self.X.dtype)
        columns = distances.columns_padded(centroids)
        tasks = table_tasks(self.threads, out.shape, self.d)
        distances.distance_table(tasks, self.flat, columns.ravel(), self.d, columns.shape[1], out, squared)
        return out

    def silhouette(self, labels, n_labels):
        return silhouettes(self, labels, n_labels)

    def seeder(self, words):
        self._make_room()
        return Seeder(self, Masses(self, [self]), words)

    def oversampler(self):
        self._make_room()
        return Oversampler(Masses(self, [self], fine=True))

    def masses(self, buckets, state=None):
        self._make_room()
        return CpuMasses(self, buckets, state)

    def _make_room(self):
        """The distances of seeding take the room of the labels."""
        self.moved = None
        self.assignment.make_room()

    def hashes(self, numbers):
        hashes = np.empty(len(numbers), np.uint64)
        tasks = tasks_for(self.threads, costs.HASHING * len(numbers) * self.d)
        drawing.hash_rows(tasks, self.flat, self.d, np.ascontiguousarray(numbers), hashes)
        return hashes

    def digest(self):
        return digest(self)

    def rows(self, numbers):
        return self.X[numbers]

    def taken(self, numbers):
        return self.X[numbers] + 0

    def distinct(self, numbers):
        return distinct(self.X[numbers], self.hashes(numbers), numbers)

    def weights_of(self, numbers):
        return self.weights[numbers] if self.weights.size else None
