"""A data set opened on the CPU."""

import math

import numpy as np

from ...kernels.cpu.assignment import dense
from ...kernels.cpu.exact import column_statistics, distances, fixed_point, means
from ..protocol import Finished, Iteration
from ..relocation import farthest_rows
from .assignment import Assignment
from .buffers import NO_WEIGHTS, flat
from .oversampler import CpuOversampler
from .planning import shares_sums
from .seeder import CpuSeeder
from .tasks import MEASURING, READING, table_tasks, tasks_for

_LONG = 8192  # numbers from which a step over clusters is shared out to threads


class CpuSession:
    """See `kmeans_fast.backends.protocol.Session`."""

    runs_ahead = False

    def __init__(self, X, weights, n_clusters, threads, frugal=False):
        self.X, self.threads, self.k, self.frugal = X, threads, n_clusters, frugal
        self.n, self.d = X.shape
        self.flat = flat(X)
        self.weights = NO_WEIGHTS if weights is None else flat(weights)
        self.columns = self.d + (weights is not None)
        self.assignment = Assignment(X, self.weights, n_clusters, threads, frugal)
        self.plan = self.totals = None
        self.center = self.scatter = None  # a point, and the weighted sum of squared distances to it
        self.moved = None  # rows that the last iteration moved; None unless `totals` are the sums of `labels`

    # ---- statistics -----------------------------------------------------------------------------------------------------

    def for_clusters(self, n_clusters):
        weights = self.weights if self.weights.size else None
        other = CpuSession(self.X, weights, n_clusters, self.threads, self.frugal)
        other.plan, other.center, other.scatter = self.plan, self.center, self.scatter
        other.assignment.take_over(self.assignment)
        self.moved = self.totals = None
        return other

    def _tasks(self, for_a_value):
        """Tasks for a step that takes so many nanoseconds for every value of the rows."""
        return tasks_for(self.threads, for_a_value * self.X.size)

    def _plan_sums(self):
        """Accumulators for the sums of the clusters."""
        if self.plan is None:
            self.plan = column_statistics.planned(self._tasks(READING), self.flat, self.weights, self.d)
        limbs = self.plan.limbs
        self.shared = shares_sums(self.X.nbytes, self.k * self.columns * limbs, self.threads)
        self.totals = fixed_point.Totals.zeros(1 if self.shared else self.threads, self.k, self.columns, limbs)

    def _mean(self):
        """The exact column means, without weights."""
        plan = self.plan
        if self.weights.size:
            plan = column_statistics.planned(self._tasks(READING), self.flat, NO_WEIGHTS, self.d)
        totals = column_statistics.column_totals(self._tasks(READING), self.flat, self.d, plan)
        return fixed_point.rounded(1, totals, plan, 1, self.d, False)[0][0] / self.n

    def _sum_of_distances(self, weights, centroids, labels):
        tasks = self._tasks(MEASURING)
        bins = np.zeros((tasks, 2, distances.EXPONENTS), np.int64)
        exact = np.ascontiguousarray(centroids, np.float64).ravel()
        distances.inertia_bins(tasks, self.flat, weights, exact, labels, self.d, bins)
        return distances.bins_total(bins)

    def _scatter_about(self, center, weights):
        return self._sum_of_distances(weights, center, np.zeros(self.n, np.int32))

    def mean_variance(self):
        if self.totals is None:
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

    @property
    def labels(self):
        return self.assignment.labels

    def reset(self):
        self.assignment.reset()
        self.moved = None

    def assign(self, centroids):
        self.moved = None
        self.assignment.assign(centroids, self.center)

    def iterate(self, centroids):
        if self.totals is None:
            self._plan_sums()
        if self.center is None:
            self._find_scatter()
        found = self.assignment.iterate(centroids, self.center, self.totals, self.plan, self.moved, not self.shared)
        if self.shared:
            dense.sum_owned(
                self.threads, self.flat, self.weights, self.d, self.labels, self.k, self.totals, *self.plan.arguments
            )
        sums, weights = self._sums()
        empty = self.k - int(np.count_nonzero(weights))
        self.moved = found.changed
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

    def used_clusters(self):
        rows = np.zeros(self.k, np.int64)
        for start in range(0, self.n, 1 << 20):  # in parts: counting widens int32 labels to int64
            rows += np.bincount(self.labels[start : start + (1 << 20)], minlength=self.k)
        return int(np.count_nonzero(rows))

    def _sums(self):
        """The exact sums (k, columns), rounded once, and the weight of each cluster."""
        threads = self.threads if self.k * self.columns >= _LONG else 1
        return fixed_point.rounded(threads, self.totals, self.plan, self.k, self.columns, self.weights.size > 0)

    def _means(self, sums, weights):
        """New centroids from the sums, the squared shifts, and the inertia of the labels with the old centroids."""
        new = np.empty((self.k, self.d), self.X.dtype)
        shifts, differences = np.empty((2, self.k))
        means.means(
            self.threads if sums.size >= _LONG else 1, sums, weights, self.assignment.packed.exact, self.center,
            new.reshape(-1), shifts, differences,
        )  # fmt: skip
        return new, shifts, max(0.0, self.scatter + math.fsum(differences.tolist()))

    def _relocate(self, centroids, empty):
        """Give each empty cluster the row farthest from its centroid (`kmeans_fast.reference.relocate`): in the sums, not in the labels."""
        own = self.own_distances(centroids)
        if self.weights.size:
            own[self.weights == 0] = 0.0
        rows = farthest_rows(self, own, len(empty))
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
        distances.own_distances(self._tasks(MEASURING), self.flat, exact, self.labels, self.d, out)
        return out

    def distances(self, centroids, squared=False):
        out = np.empty((self.n, len(centroids)), self.X.dtype)
        columns = distances.columns_padded(centroids)
        tasks = table_tasks(self.threads, out.shape, self.d)
        distances.distance_table(tasks, self.flat, columns.ravel(), self.d, columns.shape[1], out, squared)
        return out

    def seeder(self, words):
        self.moved = None
        self.assignment.make_room()  # the distances of seeding take their room
        return CpuSeeder(self, words)

    def oversampler(self):
        self.moved = None
        self.assignment.make_room()
        return CpuOversampler(self)

    def rows(self, numbers):
        return self.X[numbers]

    def weights_of(self, numbers):
        return self.weights[numbers] if self.weights.size else None
