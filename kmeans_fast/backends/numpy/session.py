"""Rows opened for NumPy: some of a data set, or all of it."""

import math
import threading

import numpy as np

from ... import reference
from ..partials import Form, Partial, Ranges, float_of, merged
from ..protocol import Finished, Iteration
from ..reference import ReferenceSession
from ..relocation import farthest_rows
from . import exact
from .masses import NumpyMasses
from .scoring import Scorer
from .sums import Cut, Totals
from .tasks import VALUE, in_tasks, tasks_for

PATH = "numpy, float32"
_MANY_MOVED = 0.5  # the share of rows that changed from which adding all anew is sooner: a move is two additions
_SAMPLE = 1024  # rows for a point in the middle
_HASHED, _MOST_HASHED = 1 << 19, 1 << 13  # values and rows that are hashed together: a step takes a feature of each
_SCORE, _FEATURE = 0.3, 0.03  # nanoseconds of a score, about, and for each feature


class NumpySession(ReferenceSession):
    """See `kmeans_fast.backends.protocol.Session`; also a `DetachablePart`."""

    def __init__(self, X, weights, n_clusters, threads):
        super().__init__(X, weights, n_clusters)
        self.threads = threads
        self.shift = X[:: -(-len(X) // _SAMPLE)].mean(axis=0, dtype=np.float64).astype(X.dtype)
        self.known = {}  # what does not depend on the number of clusters: ranges, a center and the scatter about it
        self.totals = None  # the sums of `labels`; None: they must be added anew

    def for_clusters(self, n_clusters):
        other = NumpySession(self.X, self.weights, n_clusters, self.threads)
        other.shift, other.known = self.shift, self.known
        self.totals = None
        return other

    def detach(self):
        self.X = self.weights = None

    def attach(self, X, weights):
        self.X, self.weights = X, weights

    def settles(self):
        return False  # there are no bounds

    def reset(self):
        self.labels, self.totals = np.full(self.shape[0], -1, reference.LABEL), None

    def resume(self, labels):
        super().resume(labels)
        self.totals = None

    def _in_blocks(self, function):
        """Call ``function(slice)`` for blocks of rows, on threads."""
        self._in_tasks(lambda blocks: [function(block) for block in blocks])

    def _in_tasks(self, task, for_a_value=VALUE):
        n, d = self.shape
        in_tasks(tasks_for(self.threads, for_a_value * n * d), n, exact.rows_at_a_time(d), task)

    # ---- the columns -------------------------------------------------------------------------------------------------

    def _products(self, weighted, rows=slice(None)):
        """Some rows, times their weights and followed by them if there are any, in float64."""
        if not (weighted and self.weighted):
            return self.X[rows].astype(np.float64)
        weights = self.weights[rows, None]
        return np.concatenate([weights * self.X[rows], weights], axis=1)

    def ranges(self, weighted):
        weighted = weighted and self.weighted
        if weighted not in self.known:
            found = []
            self._in_blocks(
                lambda rows: found.append(
                    Ranges(*exact.column_ranges(self._products(True, rows) if weighted else self.X[rows]))
                )
            )
            self.known[weighted] = merged(found)
        return self.known[weighted]

    def column_sums(self, form):
        totals, n = Totals(Cut.of(self.ranges(False)), 1), len(self.X)
        totals.move(
            self.threads, lambda rows: self._products(False, rows), np.arange(n), None, np.zeros(n, reference.LABEL)
        )
        return totals.limbs(form)[:, 0]

    def scatter(self, center, weighted):
        weights = self.weights if weighted else None
        return self._exact_inertia(weights, center[None], np.zeros(len(self.X), np.int8))

    def _exact_inertia(self, weights, centroids, labels):
        found = []

        def add(rows, d):
            found.append(exact.exact_sum(d if weights is None else weights[rows] * d))

        self._measure(centroids, labels, add)
        return sum(found) if all(isinstance(part, int) for part in found) else math.nan

    def _measure(self, centroids, labels, use):
        """Call ``use(rows, D to the centroids of their labels)`` for blocks of rows."""
        centroids = centroids.astype(np.float64)

        def task(blocks):
            meter = exact.Meter(self.shape[1])
            for rows in blocks:
                others = centroids[0] if len(centroids) == 1 else centroids.take(labels[rows], axis=0)
                use(rows, meter(self.X[rows], others))

        self._in_tasks(task)

    def inertia(self, centroids):
        return float_of(self.exact_inertia(centroids))

    def mean_variance(self):
        form = Form.of(self.ranges(False), len(self.X))
        center = form.rounded(self.column_sums(form)) / len(self.X)
        scatter = float_of(self.scatter(center, False))
        self.known["scatter"] = center, float_of(self.scatter(center, True)) if self.weighted else scatter
        return scatter / self.X.size

    # ---- Lloyd -------------------------------------------------------------------------------------------------------

    def assign(self, centroids):
        self.totals = None
        self.labels[:], _ = self._found(centroids)

    def _found(self, centroids):
        """The labels for centroids, and how many rows were measured by D."""
        n, d = self.shape
        scorer, lock = Scorer(centroids, self.shift), threading.Lock()
        labels, measured = np.empty(n, reference.LABEL), [0]

        def task(blocks):
            count = scorer.assign(self.X, blocks, labels)
            with lock:
                measured[0] += count

        threads = tasks_for(self.threads, n * (len(centroids) * (_SCORE + _FEATURE * d) + VALUE * d))
        in_tasks(threads, n, scorer.rows, task)
        return labels, measured[0]

    def _advance(self, centroids):
        """Bring labels and sums up to date; rows whose label changed, and those that were measured by D."""
        totals, self.totals = self.totals, None  # while labels and sums do not agree
        labels, measured = self._found(centroids)
        changed = np.flatnonzero(labels != self.labels)
        if totals is None or len(changed) > _MANY_MOVED * len(labels):
            self.labels[:] = labels
            self.totals = self._added()
        else:
            self._move(totals, changed, self.labels[changed], labels[changed])
            self.labels[changed] = labels[changed]
            self.totals = totals
        return len(changed), measured

    def _added(self):
        totals = Totals(Cut.of(self.ranges(True)), self.k)
        self._move(totals, np.arange(len(self.X)), None, self.labels)
        return totals

    def _move(self, totals, rows, old, new):
        totals.move(self.threads, lambda some: self._products(True, some), rows, old, new)

    def accumulate(self, centroids, form):
        changed, measured = self._advance(centroids)
        totals = self.totals
        return Partial(totals.limbs(form), totals.rows.copy(), changed, measured, len(self.X), frozenset([PATH]))

    def sums_of(self, labels, form):
        self.resume(labels)
        self.totals = self._added()
        return self.totals.limbs(form)

    def iterate(self, centroids):
        changed, measured = self._advance(centroids)
        sums, weights = self._rounded(self.totals)
        inertia, empty = self._inertia_of(sums, weights, centroids), np.flatnonzero(weights == 0)
        if len(empty):
            sums, weights = self._rounded(self._relocated(centroids, empty))
        new = sums / np.where(weights > 0, weights, 1.0)[:, None]
        new[weights == 0] = new[weights.argmax()]
        new = new.astype(self.dtype)
        shift = reference.squared_shift(new, centroids)
        return Finished(Iteration(new, changed, shift, inertia, len(empty), measured, len(self.X), PATH))

    def _rounded(self, totals):
        """The sums and weights of the clusters, each rounded once."""
        sums = totals.rounded(Form.of(self.ranges(True), len(self.X)))
        return (sums[:, :-1], sums[:, -1]) if self.weighted else (sums, totals.rows.astype(np.float64))

    def _relocated(self, centroids, empty):
        """The sums after each empty cluster has taken the row farthest from its centroid (`reference.relocate`)."""
        distances, totals = self.own_distances(centroids), self.totals.copy()
        if self.weighted:
            distances[self.weights == 0] = 0.0
        rows = farthest_rows(self, distances, len(empty))
        self._move(totals, rows, self.labels[rows], empty[: len(rows)])
        return totals

    def _inertia_of(self, sums, weights, centroids):
        """From sums and the scatter about a point m: ``W |c - m|^2 - 2 (c - m)(S - W m)`` is what a cluster adds."""
        if "scatter" not in self.known:
            center = self.shift.astype(np.float64)
            self.known["scatter"] = center, float_of(self.scatter(center, True))
        center, scatter = self.known["scatter"]
        moved = centroids - center
        return max(0.0, scatter + math.fsum((moved * (weights[:, None] * (moved + 2 * center) - 2 * sums)).sum(axis=1)))

    # ---- distances and draws -----------------------------------------------------------------------------------------

    def own_distances(self, centroids, labels=None):
        out = np.empty(len(self.X))
        self._measure(centroids, self.labels if labels is None else labels, out.__setitem__)
        return out

    def distances(self, centroids, squared=False):
        out = np.empty((len(self.X), len(centroids)), self.dtype)
        others = centroids.astype(np.float64)

        def task(blocks):
            meter = exact.Meter(self.shape[1])
            for rows in blocks:
                for number, other in enumerate(others):
                    d = meter(self.X[rows], other)
                    out[rows, number] = d if squared else np.sqrt(d)

        self._in_tasks(task, len(centroids) * VALUE)
        return out

    def masses(self, buckets, state=None):
        return NumpyMasses(self, buckets, state)

    def hashes(self, numbers):
        rows, d = self.X if isinstance(numbers, slice) else numbers, self.shape[1]
        out = np.empty(len(rows), np.uint64)

        def task(blocks):
            for some in blocks:
                out[some] = exact.row_hash(self.X[some if rows is self.X else numbers[some]])

        step = max(exact.rows_at_a_time(d), min(_HASHED // d, _MOST_HASHED))
        in_tasks(tasks_for(self.threads, 2 * VALUE * len(rows) * d), len(rows), step, task)
        return out
