"""The masses of the rows, and trials of seeds: as the reference's, but for what takes time."""

import threading

import numpy as np

from ..drawing import factors_of
from ..reference import ReferenceMasses
from . import exact
from .scoring import Scorer
from .tasks import VALUE, in_tasks, tasks_for


class NumpyMasses(ReferenceMasses):
    """See `kmeans_fast.backends.protocol.PartMasses`."""

    def measure_by(self, shift):
        self.factors = factors_of(shift)

    def _masses_of(self, rows, d):
        weighted = self.weights[rows] * d
        weighted *= self.factors[0]
        weighted *= self.factors[1]
        return weighted.astype(np.int64)  # not negative: towards zero is down

    def _masses(self, d):
        return self._masses_of(slice(None), d)

    def rows_in(self, wanted):
        numbers = np.flatnonzero(wanted[self.buckets])
        return numbers, self.session.hashes(numbers), self._masses_of(numbers, self.d[numbers])

    # ---- seeds -------------------------------------------------------------------------------------------------------

    def begin(self, candidate):
        self.d = self.session.own_distances(candidate, np.zeros(len(self.X), np.int8))

    def _nearer(self, candidates, found):
        """Call ``found(number, rows, distances)`` for rows that may be nearer to a candidate than to any seed."""
        s, scorer = self.session, Scorer(candidates, self.session.shift)

        def task(blocks):
            meter = exact.Meter(s.shape[1])
            for number, rows in scorer.nearer(s.X, blocks, self.d):
                d = meter(s.X.take(rows, axis=0), scorer.exact[number])
                nearer = d < self.d[rows]
                found(number, rows[nearer], d[nearer])

        work = s.X.size * (VALUE + len(candidates))
        in_tasks(tasks_for(s.threads, work), len(s.X), scorer.rows, task)

    def trials(self, candidates):
        self.candidates, gains, lock = candidates, np.zeros(len(candidates), np.int64), threading.Lock()

        def found(number, rows, d):
            gain = int((self._masses_of(rows, self.d[rows]) - self._masses_of(rows, d)).sum())
            with lock:
                gains[number] += gain

        self._nearer(candidates, found)
        return gains

    def accept(self, trial, of_buckets):
        lock = threading.Lock()

        def found(number, rows, d):
            lost = self._masses_of(rows, self.d[rows]) - self._masses_of(rows, d)
            self.d[rows] = d
            with lock:
                np.subtract.at(of_buckets, self.buckets[rows], lost)

        self._nearer(self.candidates[trial : trial + 1], found)

    def exclude(self, number, of_buckets):
        mass = int(self._masses_of(number, self.d[number : number + 1])[0])
        self.d[number] = 0.0
        of_buckets[self.buckets[number]] -= mass
        return mass

    # ---- candidates of k-means|| -------------------------------------------------------------------------------------

    def _assigned(self, candidates):
        among = self.session.for_clusters(len(candidates))
        among.assign(candidates)
        return among.labels, among.own_distances(candidates)
