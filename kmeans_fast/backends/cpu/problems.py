"""Several data sets opened on the CPU together: whole runs in compiled code, one on each thread at a time."""

from typing import Any, NamedTuple

import numpy as np

from ...kernels.cpu.assignment.arguments import NO_BOUNDS, Counts
from ...kernels.cpu.exact import column_statistics, fixed_point, lane_sums
from ...kernels.cpu.exact.distances import EXPONENTS
from ...kernels.cpu.exact.rows import Rows
from ...kernels.cpu.machine.host import CENTROIDS
from ...kernels.cpu.machine.scratch import private, private_zeros
from ...kernels.cpu.runs import lloyd, opening, seeds
from ...kernels.cpu.runs.turns import Runs
from ...kernels.cpu.scoring import packing, tile
from ...kernels.cpu.seeding import drawing, trials
from ..drawing import Buckets, buckets_for
from ..together import Outcome
from . import costs
from .buffers import NO_WEIGHTS, flat
from .tasks import tasks_for

_APART = 32  # elements between what is different threads', so that they are not on one cache line
_SAMPLED = 64  # rows of a problem, for the frame that float32 scores of seeding are in


def _rows(threads, size, dtype):
    """A row for each thread, far enough from the others; quickly where there is one."""
    return np.empty((1, size), dtype) if threads == 1 else private(threads, size, dtype)


class _Single(NamedTuple):
    """The rows of a single problem, as `buckets_for` asks for them."""

    shape: tuple[int, int]
    X: Any  # `Floats`

    def hashes(self, numbers):
        found = np.empty(len(numbers), np.uint64)
        drawing.hash_rows(1, self.X, self.shape[1], numbers, found)
        return found


class CpuProblems:
    """See `kmeans_fast.backends.together.Problems`."""

    is_compiled = False  # whether the code for whole runs is loaded: the same for all problems

    def __init__(self, X, weights, n_clusters, threads):
        self.X, self.k, self.most_threads = X, n_clusters, threads
        self.count, self.n, self.d = X.shape
        self.turn = np.zeros(1, np.int64)
        self.weighted = weights is not None
        self.rows_of_all = Rows(flat(X), flat(weights) if self.weighted else NO_WEIGHTS, self.d)
        self.plan = self._planned(self.rows_of_all)
        self._measure()

    def _runs(self, of):
        """The `Runs`, none of which has been taken."""
        self.turn[0] = 0
        return Runs(of, self.turn.ctypes.data)

    def _threads(self, runs, work):
        """Threads for so many runs, each of so many nanoseconds of one core."""
        return tasks_for(min(self.most_threads, runs), runs * work)

    # ---- before the runs -------------------------------------------------------------------------------------------

    def _planned(self, rows, together=1):
        """How the columns of all problems are cut into limbs, in one row."""
        weighted = rows.weights.size > 0
        columns = self.d + weighted
        wide = 1 if weighted or self.d >= column_statistics.LANES else column_statistics.fill_vectors(self.d)
        largest, lowest = np.empty((2, self.count, self.d * wide + weighted))
        runs = self._runs(np.arange(self.count))
        opening.ranges(
            self._threads(self.count, self.n * self.d * costs.READING), rows, self.n, runs, wide, largest, lowest
        )
        largest = largest.reshape(-1, columns) if wide == 1 else largest.reshape(self.count, wide, columns).max(axis=1)
        lowest = lowest.reshape(-1, columns) if wide == 1 else lowest.reshape(self.count, wide, columns).min(axis=1)
        return self._plan_of(largest, lowest)

    def _plan_of(self, largest, lowest):
        """The `Plan` of columns (problems, columns): each problem's, one after the other."""
        found = fixed_point.plan(largest.ravel(), lowest.ravel())
        if found.limbs == 1:
            return found
        shape = found.limbs, self.count, largest.shape[1]
        scales = (np.ascontiguousarray(one.reshape(shape).swapaxes(0, 1)).ravel() for one in found[2:])
        return fixed_point.Plan(found.exponent, found.limbs, *scales)

    def _measure(self):
        """A point in the middle of each problem, the scatters about it, and the mean variances."""
        rows, d = self.rows_of_all, self.d
        threads = self._threads(self.count, self.n * d * costs.MEASURING)
        plan = self._planned(Rows(rows.X, NO_WEIGHTS, d)) if self.weighted else self.plan
        together = column_statistics.fill_vectors(d) if plan.limbs == 1 else 1
        if together > 1:
            plan = fixed_point.Plan(
                *(
                    np.tile(part.reshape(-1, d), together).ravel() if isinstance(part, np.ndarray) else part
                    for part in plan
                )
            )
        self.middles = np.empty(self.count * d)
        self.scatters, self.variances = np.empty((2, self.count))
        totals = fixed_point.Totals.zeros(threads, 1, d * together, plan.limbs)
        (bins,) = private_zeros(threads, (2 * EXPONENTS,), np.int64)
        runs = self._runs(np.arange(self.count))
        opening.measure(
            threads, rows, self.n, runs, plan, together, totals, _rows(threads, d, np.float64),
            _rows(threads, 1, np.float64), bins, np.zeros(self.n, np.int32), self.middles, self.scatters,
            self.variances,
        )  # fmt: skip

    def mean_variances(self):
        return self.variances

    def rows(self, numbers, of):
        return self.X[of[:, None], numbers]

    # ---- seeds -----------------------------------------------------------------------------------------------------

    def seeds(self, words, of):
        runs, k, most = words.shape
        n, d = self.n, self.d
        work = n * k * (costs.TRIAL_ROW + costs.float_scoring(d, most))
        threads = self._threads(runs, work)
        bits, splitters = self._buckets()
        padded = -(-most // CENTROIDS) * CENTROIDS

        def room(size, dtype):
            return _rows(threads, size, dtype)

        moved, half_norms = private_zeros(threads, (padded * d, padded), np.float32)
        memory = seeds.Room(
            room(n, np.float64), *(room(n, np.uint16) for _ in range(2)), room(-(-n // trials.ROWS), np.uint16),
            *(room(1 << bits, np.int64) for _ in range(2)), *(room(n, np.int64) for _ in range(2)), room(n, np.uint64),
            *(room(most, np.int64) for _ in range(2)), room(drawing.MOST_TRIALS, np.int64), room(most * d, np.float64),
            moved, half_norms, splitters,
        )  # fmt: skip
        filters, tiles, found = self._filters(), tile.workspaces(threads, d), np.empty((runs, k), np.int64)
        for part in self._parts(runs, work):
            making = self._runs(of[part])
            seeds.seeds(
                threads, self.rows_of_all, n, k, making, filters, bits, words[part], memory, tiles, found[part]
            )  # fmt: skip
        return found

    def _buckets(self):
        """By which the rows of every problem are drawn (`drawing.Buckets`).

        Many float64 rows may agree in most of their hash, as times of one day do: then those of a single problem have
        splitters. Several problems have no hash in common to split them by (`together.declines`).
        """
        if self.count == 1 and self.X.itemsize == 8:
            return buckets_for(_Single((self.n, self.d), self.rows_of_all.X))
        most = min(drawing.MOST_BUCKETS, self.n // drawing.ROWS_A_BUCKET)
        return Buckets(max(0, most.bit_length() - 1), np.empty(0, np.uint64))

    def _filters(self):
        """The `Filters` of all problems: any frame is right, that of a few rows serves well."""
        return seeds.filters_of(self.X[:, :: -(-self.n // _SAMPLED)], self.middles.reshape(self.count, self.d))

    def _parts(self, runs, work):
        """Runs that are made in one call, each of so many nanoseconds of one core: a call cannot be interrupted."""
        together = max(4, int(costs.LONGEST_CALL / work)) * self.most_threads
        return [slice(first, first + together) for first in range(0, runs, together)]

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def lloyd(self, centroids, thresholds, of, max_iter, record):
        runs, k, d = centroids.shape
        n, columns, limbs = self.n, d + self.weighted, self.plan.limbs
        work = n * costs.EXPECTED_ITERATIONS * costs.float_scoring(d, k)
        threads = self._threads(runs, work)
        dtype, padded = self.X.dtype, -(-k // CENTROIDS) * CENTROIDS
        found, labels = np.array(centroids, dtype, order="C"), np.empty((runs, n), np.int32)
        told = lloyd.Told(
            np.empty(runs), np.empty(runs, np.int64), np.empty(runs, np.int64), np.empty(runs, bool),
            np.empty((runs, max_iter if record else 0, 5)),
        )  # fmt: skip
        values, half_norms = private_zeros(threads, (padded * d, padded), np.float32)
        half_norms.fill(-np.inf)
        (bins,) = private_zeros(threads, (2 * EXPONENTS,), np.int64)
        room = lloyd.Room(
            _rows(threads, k * d, np.float64), values, half_norms,
            np.empty(threads * (d + _APART), dtype), _rows(threads, k * columns, np.float64),
            *(_rows(threads, k, np.float64) for _ in range(3)), _rows(threads, 1, np.int64), bins,
        )  # fmt: skip
        totals, counts = fixed_point.Totals.zeros(threads, k, columns, limbs), Counts.zeros(threads)
        tiles, lanes = tile.workspaces(threads, d), lane_sums.NO_LANES
        if limbs == 1 and not self.weighted:
            lanes = lane_sums.scratch(threads, k, d)
        frames, reach = lloyd.Frames(self.middles, self.scatters), packing.reach(dtype)
        for part in self._parts(runs, work):
            making = self._runs(of[part])
            lloyd.lloyd(
                threads, self.rows_of_all, n, k, making, self.plan, frames, thresholds[part], max_iter,
                costs.FEW_MOVED, reach, found[part].reshape(-1), labels[part].reshape(-1),
                lloyd.Told(*(of_all[part] for of_all in told)), room, totals, counts, NO_BOUNDS, tiles, lanes,
            )  # fmt: skip
        CpuProblems.is_compiled = True
        iterations = told.iterations if record else None
        return Outcome(found, labels, *told[:4], path="float32", iterations=iterations)
