"""The masses of the rows, and trials of seeds: as the reference's, but for what takes time."""

import threading

import numpy as np

from ..drawing import factors_of
from ..reference import ReferenceMasses
from . import exact
from .scoring import Scorer
from .tasks import VALUE, in_tasks, tasks_for

MOST_FOUND = 1 << 20  # rows that are nearer to a candidate, up to which they are kept for the one that is accepted
FOUND_BYTES = 24  # each: a candidate, a row, a distance


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
        """Call ``found(numbers, rows, distances)`` for rows that are nearer to these candidates than to any seed."""
        s, scorer = self.session, Scorer(candidates, self.session.shift)

        def task(blocks):
            meter, waiting, count = exact.Meter(s.shape[1]), [], 0
            for number, rows in scorer.nearer(s.X, blocks, self.d):
                waiting.append((number, rows))
                count += len(rows)
                if count >= meter.rows:  # D of many takes as many steps as of few
                    measure(meter, waiting)
                    waiting, count = [], 0
            if waiting:
                measure(meter, waiting)

        def measure(meter, waiting):
            rows = np.concatenate([rows for _, rows in waiting])
            numbers = np.repeat([number for number, _ in waiting], [len(rows) for _, rows in waiting])
            d = meter(s.X.take(rows, axis=0), scorer.exact.take(numbers, axis=0))
            nearer = d < self.d[rows]
            found(numbers[nearer], rows[nearer], d[nearer])

        work = s.X.size * (VALUE + len(candidates))
        in_tasks(tasks_for(s.threads, work), len(s.X), scorer.rows, task)

    def trials(self, candidates):
        gains, lock = np.zeros(len(candidates), np.int64), threading.Lock()
        self.candidates, self.found, self.n_found = candidates, [], 0

        def found(numbers, rows, d):
            gained = self._masses_of(rows, self.d[rows]) - self._masses_of(rows, d)
            with lock:
                np.add.at(gains, numbers, gained)
                self.n_found += len(rows)
                if self.n_found <= MOST_FOUND:
                    self.found.append((numbers, rows, d))

        self._nearer(candidates, found)
        return gains

    def accept(self, trial, of_buckets):
        lock = threading.Lock()

        def take(_, rows, d):
            lost = self._masses_of(rows, self.d[rows]) - self._masses_of(rows, d)
            self.d[rows] = d
            with lock:
                np.subtract.at(of_buckets, self.buckets[rows], lost)

        if self.n_found > MOST_FOUND:
            self._nearer(self.candidates[trial : trial + 1], take)
        else:
            for numbers, rows, d in self.found:
                accepted = numbers == trial
                take(trial, rows[accepted], d[accepted])
        self.found = []

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
