"""The CPU backend: NumPy arrays in, the Numba kernels of `kmeans_fast.kernels.cpu` underneath."""

import math

import numpy as np

from .protocol import Iteration, Plan

_NO_WEIGHTS = np.empty(0)
_SMALL = (
    2_000_000  # n * k * (d + 8) below which one thread is faster than waking others (measured: about 40 us of work)
)
_PRIVATE_BYTES = (
    128 << 20
)  # accumulators of all threads up to this size are private; larger ones are shared, cluster by cluster
_SUM_BYTES = 24  # of a 64-bit accumulator with its spilled pair


def _kernels():
    from ..kernels import cpu

    return cpu


def flat(array):
    """A C-contiguous array as one dimension, writeable for Numba's type system (a read-only array would be compiled for anew)."""
    if not array.flags.writeable:
        array = np.asarray(_Writeable(array))
    return array.reshape(-1)


class _Writeable:
    """The same memory, not marked read-only. Kernels never write their IN arguments."""

    def __init__(self, array):
        self.array = array  # keeps the memory alive
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def threads_for(problem, n_threads):
    """Threads worth using: those asked for (or usable), one for a problem that is over before a second wakes."""
    host = _kernels().host
    work = problem.n_samples * problem.n_clusters * (problem.n_features + 8)
    if work < _SMALL:
        return 1
    return host.usable_cpus() if n_threads is None else n_threads


class CpuSeeder:
    """See `kmeans_fast.backends.protocol.Seeder`; rows are kept in buckets by hash (`kernels.cpu.seeding`)."""

    def __init__(self, session):
        k = self.kernels = session.kernels.seeding
        self.session, self.n = session, len(session.X)
        self.filter = k.Filter.of(session.X)
        self.nearest, self.marks = np.ones(self.n), None
        bits = max(0, min(k.MOST_BUCKETS, self.n // k.ROWS_A_BUCKET).bit_length() - 1)
        self.n_buckets, self.buckets = 1 << bits, np.empty(self.n, np.uint16)
        k.fill_buckets(session.threads, session.flat, session.d, bits, self.buckets)
        self.rescale()

    def _weigh(self):
        s = self.session
        masses = np.zeros((s.threads, self.n_buckets), np.int64)
        self.kernels.weigh(s.threads, s.weights, self.nearest, self.factors, self.buckets, masses)
        self.masses = masses.sum(axis=0)

    def rescale(self):
        largest = self._largest()
        if largest == 0.0:
            self.nearest.fill(1.0)
            largest = self._largest()
        self.shift = 61 - self.n.bit_length() - math.frexp(largest)[1]
        first = min(self.shift, 1000)
        self.factors = (math.ldexp(1.0, first), math.ldexp(1.0, self.shift - first))
        self._weigh()
        self.total = int(self.masses.sum())

    def _largest(self):
        weights = self.session.weights
        return float((weights * self.nearest).max() if weights.size else self.nearest.max())

    def draw(self, words):
        if self.total < 1 << 44:
            self.rescale()
        s = self.session
        targets = np.array([(int(word) * self.total) >> 64 for word in words], np.int64)
        rows = np.empty(len(words), np.int64)
        self.kernels.draw(s.flat, s.d, targets, s.weights, self.nearest, self.factors, self.buckets, self.masses, rows)
        return rows

    def begin(self, row):
        self.nearest.fill(self.kernels.UNREACHED)
        self.factors = (0.0, 0.0)  # no row has mass yet
        self.choose(np.array([row]))
        self.rescale()

    def choose(self, rows):
        s, k = self.session, self.kernels
        if self.marks is None:
            self.marks = np.empty(self.n, np.uint16)
            self.tile_marks = np.empty(-(-self.n // k.ROWS), np.uint16)
        candidates = s.X[rows]
        rounded, extra = self.filter.candidates(candidates)
        exact = candidates.astype(np.float64).ravel()
        reduction = np.zeros((s.threads, k.MOST_TRIALS), np.int64)
        k.trials(
            s.threads, s.flat, s.weights, s.d, exact, rounded, extra, self.filter,
            self.nearest, self.marks, self.tile_marks, self.factors, reduction,
        )  # fmt: skip
        gains = reduction.sum(axis=0)[: len(rows)]
        best = int(gains.argmax())
        change = np.zeros((s.threads, self.n_buckets), np.int64)
        k.accept(
            s.threads, s.flat, s.weights, s.d, exact, best,
            self.nearest, self.marks, self.tile_marks, self.factors, self.buckets, change,
        )  # fmt: skip
        for of_a_task in change:
            self.masses += of_a_task
        self.total -= int(gains[best])
        return best

    def exclude(self, row):
        s = self.session
        weight = float(s.weights[row]) if s.weights.size else 1.0
        mass = int(weight * self.nearest[row] * self.factors[0] * self.factors[1])
        self.nearest[row] = 0.0
        self.masses[int(self.buckets[row])] -= mass
        self.total -= mass
        return self.total > 0 or self._largest() > 0


class CpuSession:
    def __init__(self, X, weights, n_clusters, threads):
        self.kernels = _kernels()
        self.X, self.threads, self.k = X, threads, n_clusters
        self.n, self.d = X.shape
        self.flat = flat(X)
        self.weights = _NO_WEIGHTS if weights is None else flat(weights)
        self.labels = None
        self.columns = self.d + (weights is not None)
        self.totals = self.plan = self.packed = None

    # ---- facts -----------------------------------------------------------------------------------------------------

    def _prepare(self):
        """What an update needs, from three reads of X: the limbs, the exact mean, the scatter about it."""
        kernels, threads = self.kernels, self.threads
        largest, lowest = np.empty((2, threads, self.columns))
        kernels.facts.column_range(threads, self.flat, self.weights, self.d, largest, lowest)
        lowest[lowest == 0.0] = np.inf
        largest, lowest = largest.max(axis=0), lowest.min(axis=0)
        lowest[largest == 0.0] = 0.0
        fixed_point = kernels.fixed_point
        self.plan = plan = fixed_point.plan(largest, lowest)
        self.limbs = (plan.limbs, plan.up, plan.up_rest, plan.down)
        copies = 1 if self._shares_sums() else threads
        self.totals = fixed_point.Totals.zeros(copies, self.k, self.columns, self.plan.limbs)
        self.mean = self._mean()
        one = np.zeros(self.n, np.int32)
        self.scatter = self._sum_of_distances(_NO_WEIGHTS, self.mean, one)
        self.weighted_scatter = (
            self._sum_of_distances(self.weights, self.mean, one) if self.weights.size else self.scatter
        )

    def _shares_sums(self):
        cells = self.k * self.columns * self.plan.limbs
        return self.threads > 1 and self.threads * cells * _SUM_BYTES > max(_PRIVATE_BYTES, self.X.nbytes // 8)

    def _mean(self):
        """The exact column means: one cluster of everything."""
        if self.weights.size:  # the plan in hand is for w * x
            session = CpuSession(self.X, None, 1, self.threads)
            session._prepare()
            return session.mean
        totals = self.kernels.fixed_point.Totals.zeros(self.threads, 1, self.d, self.plan.limbs)
        kept, self.labels = self.labels, np.empty(self.n, np.int32)
        self._assign(np.zeros((1, self.d), self.X.dtype), totals)
        self.labels = kept
        sums = np.empty((1, self.d))
        self.kernels.fixed_point.finish(1, totals, self.plan.exponent, self.plan.limbs, sums)
        return sums[0] / self.n

    def _sum_of_distances(self, weights, centroids, labels):
        distances = self.kernels.distances
        bins = np.zeros((self.threads, 2, distances.EXPONENTS), np.int64)
        exact = np.ascontiguousarray(centroids, np.float64).ravel()
        distances.inertia_bins(self.threads, self.flat, weights, exact, labels, self.d, bins)
        return distances.bins_total(bins)

    def mean_variance(self):
        if self.plan is None:
            self._prepare()
        return self.scatter / self.X.size

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def reset(self):
        self.labels = np.full(self.n, -1, np.int32)

    def _assign(self, centroids, totals=None):
        """Label every row; with `totals`, add it to the sums of its cluster. Rows whose label changed, rows rechecked."""
        if self.packed is None or len(self.packed.exact) != centroids.size:
            self.packed = self.kernels.update.Packed(*centroids.shape, self.X.dtype)
        fixed_point, plan, update = self.kernels.fixed_point, self.plan, totals is not None
        if not update:
            plan = plan or fixed_point.plan(np.zeros(self.columns), np.zeros(self.columns))
            totals = fixed_point.Totals.zeros(self.threads, 0, 0, 0)
        changed, opened = np.zeros((2, self.threads), np.int64)
        self.kernels.assign.assign(
            self.threads, self.flat, self.weights, self.d, *self.packed.fill(flat(centroids)),
            self.labels, changed, opened, totals, plan.limbs, plan.up, plan.up_rest, plan.down, update,
        )  # fmt: skip
        return int(changed.sum()), int(opened.sum())

    def assign(self, centroids):
        if self.labels is None:
            self.reset()
        self._assign(centroids)

    def iterate(self, centroids):
        if self.plan is None:
            self._prepare()
        if self.labels is None:
            self.reset()
        self.totals.clear()
        shared = len(self.totals.count) < self.threads
        changed, rechecked = self._assign(centroids, None if shared else self.totals)
        if shared:
            self.kernels.assign.sum_owned(
                self.threads, self.flat, self.weights, self.d, self.labels, self.k, self.totals, *self.limbs
            )  # fmt: skip
        new, shifts, empty, difference = self._means()
        if empty:
            self._relocate(centroids)
            new, shifts, _, _ = self._means()
        inertia = max(0.0, self.weighted_scatter + difference)
        return Iteration(new, changed, math.fsum(shifts), inertia, empty, rechecked)

    def _means(self):
        """New centroids from the totals, their squared shifts, the number of empty clusters, and the inertia less the scatter."""
        sums = np.empty((self.k, self.columns))
        tasks = 1 if sums.size < 8192 else self.threads
        self.kernels.fixed_point.finish(tasks, self.totals, self.plan.exponent, self.plan.limbs, sums)
        new = np.empty((self.k, self.d), self.X.dtype)
        self.cluster_weights, shifts = np.empty((2, self.k))
        empty, difference = self.kernels.update.means(
            sums, self.totals.count, self.packed.exact, self.mean, new.reshape(-1), self.cluster_weights, shifts
        )
        return new, shifts, empty, difference

    def _relocate(self, centroids):
        """Give each empty cluster the row farthest from its centroid (`kmeans_fast.reference.relocate`)."""
        empty = np.flatnonzero(self.cluster_weights == 0)
        distances = self.own_distances(centroids)
        if self.weights.size:
            distances[self.weights == 0] = 0.0
        wanted = min(len(empty), self.n)
        least = np.partition(distances, self.n - wanted)[self.n - wanted]
        rows = np.flatnonzero(distances >= least)
        rows = rows[np.lexsort((rows, -distances[rows]))][:wanted]
        for target, i in zip(empty, rows[distances[rows] > 0], strict=False):
            self.kernels.fixed_point.move_row(
                self.totals, self.flat, int(i), self.d, self.weights,
                int(self.labels[i]), np.array([target], np.int32), *self.limbs,
            )  # fmt: skip

    # ---- distances -------------------------------------------------------------------------------------------------

    def inertia(self, centroids):
        return self._sum_of_distances(self.weights, centroids, self.labels)

    def own_distances(self, centroids):
        out = np.empty(self.n)
        exact = centroids.astype(np.float64).ravel()
        self.kernels.distances.own_distances(self.threads, self.flat, exact, self.labels, self.d, out)
        return out

    def distances(self, centroids, squared=False):
        out = np.empty((self.n, len(centroids)), self.X.dtype)
        columns = self.kernels.distances.columns_padded(centroids)
        self.kernels.distances.distance_table(
            self.threads, self.flat, columns.ravel(), self.d, columns.shape[1], out, squared
        )
        return out

    def seeder(self):
        self.labels = None  # the distances of seeding take more room than labels, and not at the same time
        return CpuSeeder(self)

    def rows(self, numbers):
        return self.X[numbers]


class CpuBackend:
    name = "cpu"
    devices: tuple[str, ...] = ("cpu",)

    def is_available(self):
        return True, ""

    def supports(self, problem):
        if problem.n_clusters >= 2**31:
            return [f"labels are int32 and n_clusters={problem.n_clusters}"]
        if problem.n_features >= 2**24:
            return [f"n_features={problem.n_features} is beyond the kernels' 2**24"]
        return []

    def plan(self, problem, n_threads):
        kernels = _kernels()
        threads = threads_for(problem, n_threads)
        n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
        limbs = 1 if problem.dtype == np.float32 and not problem.weighted else 2
        sums = k * (d + problem.weighted) * limbs * _SUM_BYTES
        private = threads == 1 or threads * sums <= max(_PRIVATE_BYTES, problem.data_bytes // 8)
        seeding = n * 12
        workspace = n * 4 + max(seeding, sums * (threads if private else 1)) + k * d * 28 + threads * d * 4 * 64
        lanes = kernels.host.VECTOR_BYTES // 4
        path = (
            f"certified float32 tiles of {kernels.assign.ROWS} rows x {kernels.host.CENTROIDS} centroids, {lanes} lanes"
        )
        notes = [
            "sums in private accumulators, added in the same pass" if private else "sums in one shared accumulator"
        ]
        if threads == 1 and n_threads != 1:
            notes.append("too small to be worth a second thread")
        return Plan(path, threads, workspace, tuple(notes))

    def open(self, X, weights, n_clusters, n_threads):
        from .protocol import Problem

        problem = Problem(*X.shape, n_clusters, X.dtype, weights is not None)
        return CpuSession(X, weights, n_clusters, threads_for(problem, n_threads))
